"""What comes in on this machine, joined to the engine: what a session at the desk says and does through its channel."""

import json
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway import clock
from gateway.agents.claude.desk import DeskAgent
from gateway.agents.scripted import ScriptedAgent, UseTool
from gateway.core.channel import Push
from gateway.domain.effects import Say
from gateway.domain.files import FileKind, Parcel
from gateway.domain.place import Thread
from gateway.domain.turn import Origin, TurnState
from gateway.engine.decision import Draft
from gateway.engine.rules import Desk
from gateway.files import Spool
from gateway.host import FULL, NOT_OURS, NOT_WRITTEN, TOO_LONG, DeskHost, spoken_for
from gateway.lock import make_home
from gateway.ports import Decision
from gateway.view.desk_words import ELSEWHERE
from mcp_servers.channel_host import Declined, Done
from mcp_servers.channel_tools import TOOLS
from tests.engine.bench import OWNER, RULES, THREAD, Bench, bench, call, script

pytestmark = pytest.mark.anyio

SESSION = "0f4c1d6e-0000-4000-8000-000000000001"
LATER = "0f4c1d6e-0000-4000-8000-000000000002"
LINEAGE = (1, os.getpid())
THUMB = "\N{THUMBS UP SIGN}"


class Wire:
    """The channel: it takes everything."""

    async def push(self, message: Push) -> bool:
        del message
        return True

    async def verdict(self, request_id: str, *, allow: bool) -> bool:
        del request_id, allow
        return True


async def test_start_takes_a_session_without_a_channel_from_the_desk_until_the_gateways_agent_has_ended(
    tmp_path: Path,
) -> None:
    """The desk is told that the phone is at work, and what is typed after that has the conversation back."""
    place = tmp_path / "transcript.jsonl"
    (tmp_path / f"{SESSION}.jsonl").touch()
    desk, rules = DeskAgent(tmp_path / "home"), replace(RULES, desks=(Desk("/", OWNER, THREAD.chat),))
    own = ScriptedAgent(script(call(1), UseTool("Bash", "ls", asks_permission=True), call(1)), directory=tmp_path)
    async with desk, own, bench(script(call(1)), rules, agents={"channel": desk, "claude": own}) as gateway:
        desk.attach = gateway.engine.attach

        async def types(prompt: str, prompt_id: str) -> Any:
            told = {"session_id": SESSION, "hook_event_name": "UserPromptSubmit", "cwd": str(tmp_path)}
            told |= {"transcript_path": str(place), "prompt": prompt, "prompt_id": prompt_id}
            return await desk.hook("UserPromptSubmit", json.dumps(told).encode(), LINEAGE)

        assert await types("at the desk", "one") == {}
        stop = {"session_id": SESSION, "hook_event_name": "Stop", "prompt_id": "one", "transcript_path": str(place)}
        await desk.hook("Stop", json.dumps(stop).encode(), LINEAGE)
        await gateway.ended(TurnState.FINISHED)
        gateway.says("/sessions 1")
        await gateway.sees("this one")
        gateway.says("/start")
        await gateway.sees("goes on in")
        gateway.says("from the phone")
        await gateway.sees("wants to run")
        assert (await types("meanwhile", "two"))["reason"] == ELSEWHERE
        await gateway.taps("wants to run", "Allow")
        await gateway.until(lambda turns: all(turn.state is TurnState.FINISHED for turn in turns))
        assert await types("back again", "three") == {}
        assert [session.agent for session in await gateway.sessions()] == ["channel"]


def hook(place: Path, event: str, session: str = SESSION, **more: str) -> bytes:
    """What a hook says."""
    told = {"session_id": session, "hook_event_name": event, "cwd": str(place), **more}
    return json.dumps(told | {"transcript_path": str(place / f"{session}.jsonl")}).encode()


@asynccontextmanager
async def joined(place: Path) -> AsyncGenerator[tuple[Bench, DeskHost]]:
    """A gateway, and the host of a session's channel that listens."""
    desk, rules = DeskAgent(place / "home"), replace(RULES, desks=(Desk("/", OWNER, THREAD.chat),))
    async with desk, bench(script(call(1)), rules, agents={"channel": desk}) as gateway, AsyncExitStack() as stack:
        desk.attach = gateway.engine.attach
        await desk.hook("SessionStart", hook(place, "SessionStart", source="startup"), LINEAGE)
        host = DeskHost(gateway.world, desk, SESSION, LINEAGE, stack)
        await host.ready(Wire())
        await gateway.sees("Open at the desk")
        yield gateway, host


async def test_a_message_is_quoted_and_reacted_to_however_many_turns_ago_it_was(tmp_path: Path) -> None:
    """What a person wrote forty turns ago stands above the answer, and the emoji stands on it."""
    async with joined(tmp_path) as (gateway, host):
        gateway.says("fix it")
        [first] = await gateway.until(bool)
        [session] = await gateway.sessions()
        world = gateway.world
        later = [world.new_turn(session, Origin.DESK, OWNER, f"{number}") for number in range(40)]
        ended = tuple(replace(turn, state=TurnState.FINISHED) for turn in later)
        await world.commit(lambda _view: Decision(None, put=ended))
        assert isinstance(await host.reply("Fixed.", (), first.prompt_uuid), Done)
        await gateway.sees("> fix it\n\nFixed.")
        assert isinstance(await host.react(first.prompt_uuid, THUMB), Done)
        assert gateway.chat.reactions == {first.message_id: THUMB}


async def test_a_reply_is_laid_out_as_an_answer_is(tmp_path: Path) -> None:
    """A large diff is drawn and goes as a file, and so does the whole of what is very long, before the files that the agent sends."""
    diff = "\n".join(["--- a/x.py", "+++ b/x.py", "@@ -1,50 +1,50 @@", *["-old", "+new"] * 50])
    long = "\n\n".join(f"Paragraph {number} with `code`." for number in range(900))
    async with joined(tmp_path) as (gateway, host):
        gateway.world.spool = Spool(make_home(tmp_path / "spool"), clock.new_id)
        (tmp_path / "notes.txt").write_text("notes", encoding="utf-8")
        [session] = await gateway.sessions()
        await gateway.world.commit(lambda _view: Decision(None, put=(replace(session, directory=str(tmp_path)),)))
        done = await host.reply(f"Look:\n\n```diff\n{diff}\n```\n\n{long}", ("notes.txt",), None)
        assert isinstance(done, Done)
        await gateway.sees("(The diff is below, drawn and in `changes.diff`: 1 file, 50 lines added, 50 removed.)")
        await gateway.sees("and is below, in `answer.md`.)")
        await gateway.sees("notes.txt")
        sent = [one.file.name for one in gateway.chat.sees(THREAD) if one.file is not None]
        assert sent == ["diff-1.png", "diff-2.png", "changes.diff", "answer.md", "notes.txt"]


async def test_a_message_is_changed_only_to_what_fits_into_one(tmp_path: Path) -> None:
    """What would be cut off is not lost: the agent is told to send it."""
    async with joined(tmp_path) as (gateway, host):
        done = await host.reply("Short.", (), None)
        assert isinstance(done, Done)
        await gateway.sees("Short.")
        assert await host.edit(done.message_ids[0], "long " * 1_000) == Declined(TOO_LONG)
        assert isinstance(await host.edit(done.message_ids[0], "Shorter."), Done)
        await gateway.sees("Shorter.")


@pytest.mark.parametrize("name", ["", "7e57ab1e-0000-4000-8000-000000000001"])
async def test_what_nobody_wrote_is_not_quoted_and_not_reacted_to(tmp_path: Path, name: str) -> None:
    """The answer goes out without a quotation; of the reaction the agent is told what it can do."""
    async with joined(tmp_path) as (gateway, host):
        await host.reply("Fixed.", (), name)
        assert (await gateway.sees("Fixed.")).text == "Fixed."
        assert await host.react(name, THUMB) == Declined(NOT_WRITTEN)


async def test_an_agent_reaches_no_chat_but_its_sessions_own(tmp_path: Path) -> None:
    """Attack 21: no tool takes a chat or a person; the messages of another session's chat are neither changed, nor quoted, nor reacted
    to, whatever name the agent gives; and what it says itself stands in its own thread.
    """
    taken = {name for tool in TOOLS for name in tool.input_schema.get("properties", {})}
    assert not [
        name for name in taken if any(word in name for word in ("chat", "thread", "person", "user", "topic", "to_"))
    ]
    async with joined(tmp_path) as (gateway, host):
        elsewhere = Thread("memory", "99")
        theirs = replace((await gateway.sessions())[0], id="s_theirs", thread=elsewhere, agent_session=LATER)
        turn = replace(gateway.world.new_turn(theirs, Origin.PERSON, "8", "their secret"), message_id="77")
        draft = Draft()
        draft.put += [theirs, replace(turn, state=TurnState.FINISHED)]
        draft.say(Say(elsewhere, "said:s_theirs:1", "for them"))
        await gateway.world.commit(lambda _view: draft.done(None))
        shown = await gateway.sees("for them", elsewhere)
        for name in ("said:s_theirs:1", shown.message_id, "approval:ask_1"):
            assert await host.edit(name, "changed") == Declined(NOT_OURS)
        assert await host.react(turn.prompt_uuid, THUMB) == Declined(NOT_WRITTEN)
        assert isinstance(await host.reply("Hello, 99.", (), turn.prompt_uuid), Done)
        assert (await gateway.sees("Hello, 99.")).text == "Hello, 99."
        assert [seen.text for seen in gateway.chat.sees(elsewhere)] == ["for them"]
        assert gateway.chat.reactions == {}


async def test_what_may_have_been_missed_is_given_and_what_waits_is_not(tmp_path: Path) -> None:
    """A message that was pushed, until it is known to be there; one that waits for its turn comes by itself."""
    async with joined(tmp_path) as (gateway, host):
        gateway.says("/sessions 1")
        await gateway.sees("this one")
        gateway.says("look")
        [pushed] = await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.RUNNING])
        gateway.says("and then?")
        await gateway.sees("Queued as number 1")
        [missed] = await host.fetch()
        assert (missed.id, missed.text, missed.attributes["person"]) == (pushed.prompt_uuid, "look", OWNER)
        await host.told([missed.id])
        await gateway.until(lambda turns: turns[0].state is TurnState.FINISHED)
        assert missed.id not in [one.id for one in await host.fetch()]


async def test_after_clear_the_budget_is_that_of_the_session_that_is_open_now(tmp_path: Path) -> None:
    """A client starts its relays once; the sessions in it change. A relay of another client speaks for none of them."""
    async with joined(tmp_path) as (gateway, _):
        desk, world = gateway.world.agents["channel"], gateway.world
        assert isinstance(desk, DeskAgent)
        await desk.hook("SessionEnd", hook(tmp_path, "SessionEnd", reason="clear"), LINEAGE)
        await desk.hook("SessionStart", hook(tmp_path, "SessionStart", LATER, source="clear"), LINEAGE)
        of_relay = spoken_for(world, desk, SESSION, LINEAGE, allowed=True)
        found = await world.store.read(of_relay)
        assert found is not None
        assert found.agent_session == LATER
        stranger = spoken_for(world, desk, LATER, (1,), allowed=True)
        assert await world.store.read(stranger) is None


async def test_a_file_that_was_sent_is_no_message_to_change(tmp_path: Path) -> None:
    """An agent that guesses its name changes nothing: words in the place of a file would be neither."""
    async with joined(tmp_path) as (gateway, host):
        [session] = await gateway.sessions()
        name = f"said:{session.id}:1"
        parcel = Parcel(str(tmp_path / "copy"), "a.txt", FileKind.DOCUMENT, 5, "/a.txt")
        (tmp_path / "copy").write_bytes(b"five!")
        draft = Draft()
        draft.say(Say(session.thread, name, "", files=(parcel,)))
        await gateway.world.commit(lambda _view: draft.done(None))
        await gateway.sees("a.txt")
        assert await gateway.world.store.read(lambda view: view.message_id(f"{name}:file:1")) is not None
        assert await host.edit(f"{name}:file:1", "changed") == Declined(NOT_OURS)


async def test_a_full_outbox_is_a_refusal_in_words_and_keeps_no_copy_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent is told that nothing was kept; said again once there is room, it arrives."""
    async with joined(tmp_path) as (gateway, host):
        gateway.world.spool = Spool(make_home(tmp_path / "spool"), clock.new_id)
        (tmp_path / "notes.txt").write_text("notes", encoding="utf-8")
        [session] = await gateway.sessions()
        await gateway.world.commit(lambda _view: Decision(None, put=(replace(session, directory=str(tmp_path)),)))
        done = await host.reply("Before.", (), None)
        assert isinstance(done, Done)
        await gateway.sees("Before.")
        monkeypatch.setattr("gateway.store.posts.MOST_WAITING", -1)
        assert await host.reply("Too much.", ("notes.txt",), None) == Declined(FULL)
        assert await host.edit(done.message_ids[0], "Changed.") == Declined(FULL)
        assert list((tmp_path / "spool" / "spool").iterdir()) == []
        monkeypatch.undo()
        assert isinstance(await host.reply("Again.", ("notes.txt",), None), Done)
        await gateway.sees("Again.")
        assert not any("Too much." in shown.text for shown in gateway.chat.sees(THREAD))
