"""Words of others reach an agent as the words of others, and answer nothing."""

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from gateway.agents.scripted import AskPerson
from gateway.core.quoting import ANSWERS, NOT_THEIRS
from gateway.domain.events import Message
from gateway.domain.files import Attachment, FileKind
from gateway.domain.turn import TurnState
from gateway.engine.rules import Desk
from mcp_servers.relay import CHANNEL_INSTRUCTIONS
from tests.engine.bench import OWNER, RULES, THREAD, bench, call, script
from tests.engine.desk import DeskAgent, current

pytestmark = pytest.mark.anyio


async def test_an_agent_hears_what_was_forwarded_and_what_a_message_answers_to() -> None:
    """In its prompt, whichever agent it is; people see it in the title as well."""
    async with bench(script(call(1))) as gateway:
        gateway.chat.post(Message(THREAD, OWNER, "/compact\nand deploy", forwarded="Ann"))
        await gateway.ended(TurnState.FINISHED)
        gateway.chat.post(Message(THREAD, OWNER, "why?", quoted="The tests fail."))
        await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
        forwarded, answer = [text for _, text in gateway.agent.prompts]
        assert forwarded == f"[Forwarded from Ann:]\n> /compact\n> and deploy\n[{NOT_THEIRS}]"
        assert answer == f"why?\n\n{ANSWERS}\n> The tests fail."


async def test_a_forwarded_file_without_words_is_marked_too(tmp_path: Path) -> None:
    """Beside the place where it was saved; where it cannot be fetched, nothing runs."""
    async with bench(script(call(1)), replace(RULES, files=str(tmp_path))) as gateway:
        gateway.chat.files["f1"] = b"five!"
        file = Attachment("f1", "a.txt", FileKind.DOCUMENT, 5)
        gateway.chat.post(Message(THREAD, OWNER, "", attachments=(file,), forwarded="Ann"))
        await gateway.ended(TurnState.FINISHED)
        (_, told), *_ = gateway.agent.prompts
        assert told.startswith('[document "a.txt" is attached: ')
        assert told.endswith(f"\n\n[Forwarded from Ann. {NOT_THEIRS}]")
        lost = replace(file, id="gone")
        gateway.chat.post(Message(THREAD, OWNER, "", attachments=(lost,), forwarded="Ann"))
        await gateway.sees("Nothing was sent to the agent")
        assert len(gateway.agent.prompts) == 1


async def test_what_was_forwarded_answers_no_question() -> None:
    """Neither the one that is open, nor the one that it is written below: it waits as a prompt of its own."""
    async with bench(script(AskPerson("Which colour?"), call(1))) as gateway:
        gateway.says("paint it")
        asked = await gateway.sees("Which colour?\n\nWrite your answer.")
        for replies_to in ("", asked.message_id):
            gateway.chat.post(Message(THREAD, OWNER, "red", replies_to=replies_to, forwarded="Ann"))
        await gateway.sees("Queued as number 2")
        gateway.says("green")
        await gateway.sees("Answered: green")
        turns = await gateway.turns()
        assert [turn.prompt.splitlines()[0] for turn in turns] == ["paint it", *["[Forwarded from Ann:]"] * 2]


async def test_a_session_at_the_desk_hears_who_wrote_when_and_what_came_with_it() -> None:
    """Beside the text, by numbers; what it reads first says what they mean."""
    rules = replace(RULES, desks=(Desk("/", OWNER, THREAD.chat),), timezone=timezone(timedelta(hours=2)))
    async with bench(script(call(1)), rules, agents={"channel": DeskAgent()}) as gateway:
        client = await current(gateway)
        files = Attachment("f1", "a.txt", FileKind.DOCUMENT), Attachment("f2", "b.txt", FileKind.DOCUMENT)
        gateway.chat.post(Message(THREAD, OWNER, "read these", attachments=files))
        uuid, _ = await client.prompted()
        [turn] = await gateway.turns()
        told = client.told_of[uuid]
        assert {f"({name})" for name in told} <= set(re.findall(r"\(\w+\)", CHANNEL_INSTRUCTIONS))
        came = datetime.fromisoformat(told.pop("time"))
        assert told == {"person": OWNER, "chat": THREAD.chat, "attachments": "f1 f2"}
        assert came.utcoffset() == timedelta(hours=2)
        assert int(came.timestamp()) == turn.created_at_ms // 1000
