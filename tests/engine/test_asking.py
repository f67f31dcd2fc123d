"""What an agent asks, in the chat: who may answer how, what is reminded of, and what becomes of it without an answer."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from gateway import clock
from gateway.agents.scripted import AskPerson, UseTool
from gateway.domain.effects import Answers, DenyTool, GoOn
from gateway.domain.events import AskedPermission, AskedQuestion, Part, Withdrawn
from gateway.domain.place import Grant, Role
from gateway.domain.turn import TurnState
from gateway.engine import reminding
from gateway.engine.clock import Clock
from gateway.engine.world import World
from gateway.view import question_words
from tests.engine.bench import OTHER, OWNER, RULES, THREAD, bench, call, script, with_limits
from tests.engine.desk import attached
from tests.engine.test_desk import at_desk

pytestmark = pytest.mark.anyio

MINUTE_MS = 60_000
ASKS = script(call(1), UseTool("Bash", "rm x", asks_permission=True), call(1))


class Later:
    """A clock on the wall that is put forward."""

    def __init__(self) -> None:
        self.ms = 0

    def clock(self) -> Clock:
        """The clock by itself."""
        return Clock(now_ms=lambda: clock.now_ms() + self.ms)

    def install(self, world: World) -> None:
        """Put it into a world."""
        world.clock = self.clock()


async def test_a_reply_to_a_permission_is_a_no_with_its_reason() -> None:
    """Attack 29: only of somebody who may answer; the message then says so."""
    rules = replace(RULES, people=(Grant(OWNER, Role.OWNER), Grant("8", Role.WRITER)))
    async with bench(ASKS, rules) as gateway:
        gateway.says("go")
        asked = await gateway.sees("wants to run")
        gateway.chat.says(THREAD, "8", "no, that one", to=asked)
        await gateway.sees(question_words.MAY_NOT_ABOVE)
        gateway.chat.says(THREAD, OWNER, "it is *mine*\nnot yours", to=asked)
        denied = await gateway.sees("Denied: ")
        assert denied.text.endswith("Denied: it is \\*mine\\* not yours")
        await gateway.ended(TurnState.FINISHED)
        gateway.chat.says(THREAD, OWNER, "once more", to=asked)
        await gateway.sees(question_words.ANSWERED_ALREADY)
        assert len(await gateway.turns()) == 1


async def test_a_question_that_is_not_answered_says_so_and_the_agent_goes_on() -> None:
    """[Do not answer] is no denial: the message says what it was, and the agent does without."""
    async with bench(script(AskPerson("Why?", ("A", "B")), call(1))) as gateway:
        gateway.says("go")
        await gateway.taps("Why?", "Do not answer")
        assert (await gateway.sees("Not answered.")).text == "Why?\n\nNot answered."
        await gateway.ended(TurnState.FINISHED)


async def test_words_that_reply_to_nothing_are_the_next_prompt_while_a_permission_waits() -> None:
    """They say nothing about the tool: they are queued, with a word about the question above."""
    async with bench(ASKS) as gateway:
        gateway.says("go")
        asked = await gateway.sees("wants to run")
        gateway.says("no")
        await gateway.sees("A question above waits for your answer first")
        assert "reply to the question" in (await gateway.sees("Queued as number 1")).text
        gateway.chat.taps(asked, "Deny", OWNER)
        await gateway.sees("Denied.")
        await gateway.until(lambda turns: len(turns) == 2)


@pytest.mark.parametrize(("play", "words"), [(ASKS, "Bash wants to run: rm x"), (script(AskPerson("Why?")), "Why?")])
async def test_a_question_is_reminded_of_once(play: object, words: str) -> None:
    """After ten minutes, aloud, with its name, and never again; a reply to that is one to the question."""
    later = Later()
    async with bench(play, prepare=later.install) as gateway:  # type: ignore[arg-type]
        gateway.says("go")
        await gateway.sees(words.split(":", maxsplit=1)[0].rsplit(maxsplit=1)[-1])
        looked = await gateway.world.commit(reminding.remind(gateway.world))
        assert looked.result == 0
        later.ms = 11 * MINUTE_MS
        reminded = await gateway.sees("Still waiting for your answer")
        assert words in reminded.text.replace("\\", "")
        assert "closed in 23 h 4" in reminded.text
        for _ in range(3):
            assert (await gateway.world.commit(reminding.remind(gateway.world))).result == 0
        gateway.chat.says(THREAD, OWNER, "for a reason", to=reminded)
        await gateway.sees(": for a reason")
        await gateway.ended(TurnState.FINISHED)
        assert len(await gateway.turns()) == 1


async def test_a_run_that_waits_is_reminded_of_after_a_restart_only_if_it_was_not_before(tmp_path: Path) -> None:
    """The reminder's name is in the store: a second gateway on it reminds of nothing twice, and expires it closed."""
    later, rules = Later(), with_limits(confirm="0.001", approval_ms=8 * MINUTE_MS)
    async with bench(script(call(1)), rules, home=tmp_path, prepare=later.install) as gateway:
        gateway.says("go")
        await gateway.sees("Not enough history")
        later.ms = 5 * MINUTE_MS
        await gateway.sees("Still waiting for your answer")
    async with bench(script(call(1)), rules, home=tmp_path, prepare=later.install) as gateway:
        assert (await gateway.world.commit(reminding.remind(gateway.world))).result == 0
        later.ms = 9 * MINUTE_MS
        await gateway.ended(TurnState.REFUSED)


async def test_what_waits_in_quiet_hours_is_reminded_of_aloud_when_they_end() -> None:
    """Not before, and once; other chats are reminded of theirs meanwhile."""
    night = int(datetime(2027, 1, 15, 23, 30, tzinfo=UTC).timestamp() * 1000)
    async with bench(ASKS) as gateway:
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: night)
        gateway.says("/settings quiet 22:00-07:00")
        await gateway.sees("Quiet hours: 22:00")
        gateway.says("go")
        await gateway.sees("wants to run")
        gateway.says("go", OTHER)
        await gateway.sees("wants to run", OTHER)
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: night + 11 * MINUTE_MS)
        await gateway.sees("Still waiting for your answer", OTHER)
        assert (await gateway.world.commit(reminding.remind(gateway.world))).result == 0
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: night + 449 * MINUTE_MS)
        assert await gateway.world.store.read(lambda view: reminding.due(gateway.world, view)) == ()
        assert not any("Still waiting" in shown.text for shown in gateway.chat.sees(THREAD))
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: night + 451 * MINUTE_MS)
        assert (await gateway.sees("Still waiting for your answer")).rang
        assert (await gateway.world.commit(reminding.remind(gateway.world))).result == 0


async def test_a_question_whose_time_ends_in_quiet_hours_is_reminded_of_without_a_sound() -> None:
    """To keep that back would be to remind of nothing."""
    night = int(datetime(2027, 1, 15, 23, 30, tzinfo=UTC).timestamp() * 1000)
    async with bench(ASKS, replace(RULES, approval_ms=60 * MINUTE_MS)) as gateway:
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: night)
        gateway.says("/settings quiet 22:00-07:00")
        await gateway.sees("Quiet hours: 22:00")
        gateway.says("go")
        await gateway.sees("wants to run")
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: night + 11 * MINUTE_MS)
        assert not (await gateway.sees("Still waiting for your answer")).rang


async def test_nothing_is_reminded_of_that_was_answered() -> None:
    """Answered in time, it is over."""
    later = Later()
    async with bench(ASKS, prepare=later.install) as gateway:
        gateway.says("go")
        await gateway.taps("wants to run", "Allow")
        await gateway.ended(TurnState.FINISHED)
        later.ms = 20 * MINUTE_MS
        assert (await gateway.world.commit(reminding.remind(gateway.world))).result == 0


async def test_a_permission_that_nobody_answers_is_denied_and_says_so() -> None:
    """It expires closed: the agent hears no, and goes on without the tool."""
    play = script(UseTool("Bash", "rm x", asks_permission=True, if_denied=(call(1),)), call(1))
    async with bench(play, with_limits(approval_ms=100)) as gateway:
        gateway.says("go")
        with anyio.fail_after(30):
            assert (await gateway.sees(question_words.NOBODY)).buttons == ()
            await gateway.ended(TurnState.FINISHED)
        assert len(gateway.agent.charges) == 1


async def test_what_is_answered_at_the_desk_has_no_buttons_any_more_in_the_chat() -> None:
    """The session went on by what was said on its own screen: the message says that it is not needed, and a press finds nothing."""
    async with at_desk() as gateway:
        client = await attached(gateway)
        assert await client.types("fix it") == GoOn()
        client.tell(AskedPermission("abcde", "Bash", "rm x", "Bash\nrm x"))
        asked = await gateway.sees("wants to run")
        client.tell(Withdrawn("abcde"))
        settled = await gateway.sees(question_words.NOT_NEEDED)
        assert (settled.message_id, settled.buttons) == (asked.message_id, ())
        told = await gateway.chat.told(gateway.chat.taps(asked, "Allow", OWNER))
        assert told == question_words.EXPIRED
        assert "abcde" not in client.answers
        client.tell(client.calls(1), client.ends())
        await gateway.ended(TurnState.FINISHED)


async def test_a_reply_denies_at_the_desk_and_says_that_its_words_stay_here() -> None:
    """There a question takes a yes or a no: nothing is said to have been told that was not."""
    async with at_desk() as gateway:
        client = await attached(gateway)
        assert await client.types("fix it") == GoOn()
        client.tell(AskedPermission("abcde", "Bash", "rm x", "Bash\nrm x"))
        gateway.chat.says(THREAD, OWNER, "not that", to=await gateway.sees("wants to run"))
        assert isinstance(await client.told("abcde"), DenyTool)
        await gateway.sees(question_words.DENIED_WORDLESS)
        client.tell(client.calls(1), client.ends())
        await gateway.ended(TurnState.FINISHED)


async def test_questions_asked_together_are_closed_together() -> None:
    """Nobody answers one of two in time: the agent hears one no, and neither of them claims an answer."""
    later = Later()
    event = AskedQuestion("both", "Which?", ("A", "B"), more=(Part("What else?", ("C", "D"), several=True),))
    async with at_desk(clock=later.clock()) as gateway:
        client = await attached(gateway)
        assert await client.types("fix it") == GoOn()
        client.tell(event)
        await gateway.taps("Which?", "A")
        await gateway.sees("Answered: A")
        await gateway.sees("Question 2 of 2")
        later.ms = 25 * 60 * MINUTE_MS
        assert await client.told("both") == DenyTool(question_words.NOBODY)
        with anyio.fail_after(30):
            while sum(question_words.NOBODY in one.text for one in gateway.chat.sees(THREAD)) < 2:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        client.tell(client.calls(1), client.ends())
        await gateway.ended(TurnState.FINISHED)


async def test_what_is_picked_and_what_is_written_go_to_the_agent_together() -> None:
    """A choice that was picked and words beside it are one answer; not to answer one of two is told as such."""
    event = AskedQuestion("both", "Which?", ("A", "B"), several=True, more=(Part("What else?", ("C",)),))
    async with at_desk() as gateway:
        client = await attached(gateway)
        assert await client.types("fix it") == GoOn()
        client.tell(event)
        asked = await gateway.sees("Which?")
        assert await gateway.chat.told(gateway.chat.taps(asked, "Done", OWNER)) == question_words.PICK_FIRST
        gateway.chat.taps(asked, "B", OWNER)
        await gateway.chat.waits_for(THREAD, "Which?")
        gateway.chat.says(THREAD, OWNER, "and E", to=asked)
        await gateway.sees("Answered: B, and E\nThe agent hears it with the answers to the other questions.")
        await gateway.taps("What else?", "Do not answer")
        assert await client.told("both") == Answers(("B, and E", question_words.DECLINED))
        await gateway.sees("Answered: B, and E")
        assert "What else?" in (await gateway.sees("Not answered.")).text
        client.tell(client.calls(1), client.ends())
        await gateway.ended(TurnState.FINISHED)
