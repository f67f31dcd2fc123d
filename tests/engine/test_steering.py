"""Words for the agent while it works: into the turn at work, or back to the front of the queue, and never both."""

from pathlib import Path

import anyio
import pytest

from gateway.agents.scripted import Background, CallApi, Crash, Fail, Play, Say, Script, SubAgent, UseTool
from gateway.domain.money import Usd
from gateway.domain.place import Grant, Role
from gateway.domain.turn import Turn, TurnState
from gateway.domain.usage import Flag
from gateway.ports import Decision
from tests.engine.bench import OWNER, THREAD, Bench, bench, call, script, with_limits

pytestmark = pytest.mark.anyio

OTHER_PERSON = "9"


def two_calls(first: anyio.Event, second: anyio.Event, *more: object) -> Script:
    """A run of two calls with a boundary between them."""
    return script(call(1, lasts=first), UseTool("Bash", "ls"), call(1, lasts=second), *more)


def only_first(play: Script) -> Play:
    """What is played for the first prompt, and a short answer for whatever comes after it."""
    return lambda text, _context: play if text == "first" else Script((CallApi(call(1).tokens), Say("Second answer.")))


async def by_prompt(gateway: Bench) -> dict[str, Turn]:
    """The turns by what was asked for."""
    return {turn.prompt: turn for turn in await gateway.turns()}


async def waits_behind(gateway: Bench, text: str = "second") -> None:
    """A turn is at work, and another message waits for it."""
    gateway.says("first")
    await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.RUNNING])
    gateway.says(text)
    await gateway.sees("Queued as number 1")


async def on_its_way(gateway: Bench) -> None:
    """The agent has been given words for while it works."""

    async def passed() -> list[str]:
        return gateway.steps.passed

    await gateway.steps.until(passed, lambda passed: passed.count("prompt.handed") == 2)


async def test_words_that_are_steered_go_into_the_turn_at_work_and_never_run_themselves() -> None:
    """The agent has them with its next call; what they cost is on the turn at work; the message says what became of it."""
    first, second = anyio.Event(), anyio.Event()
    async with bench(two_calls(first, second)) as gateway:
        await waits_behind(gateway)
        await gateway.taps("Queued as number 1", "Steer")
        shown = await gateway.sees("Goes to the agent at its next step")
        assert shown.buttons == ()
        await on_its_way(gateway)
        first.set()
        await gateway.sees("Told the agent while it works: second")
        second.set()
        turns = await gateway.until(
            lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED, TurnState.JOINED]
        )
        assert [text for _, text in gateway.agent.steered] == ["second"]
        assert [text for _, text in gateway.agent.prompts] == ["first"]
        assert (turns[0].calls, turns[1].calls, turns[1].hold, turns[1].spent) == (2, 0, Usd(0), Usd(0))
        assert turns[1].outcome is not None
        assert turns[0].id in turns[1].outcome.text


async def test_words_that_came_too_late_for_the_turn_run_next_before_the_others() -> None:
    """The run ended without a further call: the words are a turn of their own, once, and before what waited longer."""
    first = anyio.Event()
    async with bench(only_first(script(call(1, lasts=first)))) as gateway:
        await waits_behind(gateway, "older")
        gateway.says("newer")
        await gateway.taps("Queued as number 2", "Steer")
        await on_its_way(gateway)
        first.set()
        await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 3)
        assert [text for _, text in gateway.agent.prompts] == ["first", "newer", "older"]
        assert gateway.agent.steered == []


async def test_words_for_an_agent_that_dies_run_once_whether_it_had_them_or_not() -> None:
    """Its conversation tells: what it had is not sent again, what it had not runs next."""
    for crash_first in (True, False):
        lasts = anyio.Event()
        steps = (Crash(), call(1)) if crash_first else (call(1), Crash())
        async with bench(only_first(script(call(1, lasts=lasts), UseTool("Bash", "ls"), *steps))) as gateway:
            await waits_behind(gateway)
            await gateway.taps("Queued as number 1", "Steer")
            await on_its_way(gateway)
            lasts.set()
            ended = TurnState.FINISHED if crash_first else TurnState.JOINED
            await gateway.until(lambda turns, ended=ended: len(turns) == 2 and turns[1].state is ended)
            prompts, steered = [text for _, text in gateway.agent.prompts], [text for _, text in gateway.agent.steered]
            assert (prompts + steered).count("second") == 1


async def test_words_on_their_way_when_the_gateway_ends_are_settled_at_the_next_start(tmp_path: Path) -> None:
    """Not taken: they run after the start. Taken: they do not."""
    for taken in (False, True):
        home = tmp_path / str(taken)
        first, second = anyio.Event(), anyio.Event()
        async with bench(two_calls(first, second), home=home) as gateway:
            await waits_behind(gateway)
            await gateway.taps("Queued as number 1", "Steer")
            await on_its_way(gateway)
            if taken:
                first.set()
                await gateway.sees("Told the agent while it works")
        async with bench(Script((CallApi(call(1).tokens), Say("Again."))), home=home) as gateway:
            ended = TurnState.JOINED if taken else TurnState.FINISHED
            await gateway.until(lambda turns, ended=ended: turns[1].state is ended)
            assert [text for _, text in gateway.agent.prompts].count("second") == (0 if taken else 1)


async def test_run_now_for_another_message_does_not_lose_the_words_on_their_way() -> None:
    """The turn at work is stopped: what it was not told waits, and runs."""
    first = anyio.Event()
    async with bench(only_first(script(call(1, lasts=first)))) as gateway:
        await waits_behind(gateway, "steered")
        await gateway.taps("Queued as number 1", "Steer")
        await on_its_way(gateway)
        await gateway.sees("Goes to the agent at its next step")
        gateway.says("preferred")
        await gateway.taps("Queued as number 1: preferred", "Run now")
        await gateway.until(
            lambda turns: [one.state for one in turns] == [TurnState.STOPPED, TurnState.FINISHED, TurnState.FINISHED]
        )
        assert sorted(text for _, text in gateway.agent.prompts) == ["first", "preferred", "steered"]


async def test_nobody_steers_a_turn_of_another_person() -> None:
    """What the words bring about would be spent from that person's limits: there is no button, and the command says no."""
    lasts = anyio.Event()
    people = (Grant(OWNER, Role.OWNER), Grant(OTHER_PERSON, Role.WRITER))
    async with bench(only_first(script(call(1, lasts=lasts))), with_limits(people=people)) as gateway:
        gateway.says("first")
        await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.RUNNING])
        gateway.chat.says(THREAD, OTHER_PERSON, "theirs")
        shown = await gateway.sees("Queued as number 1")
        assert [button.label for button in shown.buttons] == ["Run now", "Drop"]
        turns = await by_prompt(gateway)
        gateway.says(f"/steer {turns['theirs'].id}")
        await gateway.sees("Nothing of yours is at work that this can be told to")
        lasts.set()
        await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
        assert gateway.agent.steered == []


async def test_words_of_who_may_not_write_any_more_are_told_to_nobody() -> None:
    """Attack 10: they were written while that was allowed, and another person presses the button: they wait, and are taken away."""
    lasts = anyio.Event()
    people = (Grant(OWNER, Role.OWNER), Grant(OTHER_PERSON, Role.WRITER))
    async with bench(two_calls(lasts, anyio.Event()), with_limits(people=people)) as gateway:
        gateway.chat.says(THREAD, OTHER_PERSON, "first")
        await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.RUNNING])
        gateway.chat.says(THREAD, OTHER_PERSON, "second")
        shown = await gateway.sees("Queued as number 1")
        await gateway.world.commit(lambda _: Decision(None, grants=(Grant(OWNER, Role.OWNER),)))
        gateway.chat.taps(shown, "Steer", OWNER)
        await gateway.sees("Nothing of yours is at work that this can be told to")
        assert [turn.flags for turn in await gateway.turns()] == [frozenset()] * 2


async def test_words_on_their_way_are_changed_by_no_edit_and_no_second_press() -> None:
    """The agent may have them already: an edit, /drop and /now come too late."""
    first, second = anyio.Event(), anyio.Event()
    async with bench(two_calls(first, second)) as gateway:
        await waits_behind(gateway)
        await gateway.taps("Queued as number 1", "Steer")
        await on_its_way(gateway)
        [turn] = [one for one in await gateway.turns() if Flag.STEERING in one.flags]
        gateway.chat.edits(THREAD, OWNER, turn.message_id, "something else")
        await gateway.sees("I use the first version")
        gateway.says(f"/drop {turn.id}")
        await gateway.sees("This does not wait any more.")
        first.set()
        second.set()
        await gateway.until(lambda turns: turns[1].state is TurnState.JOINED)
        assert [text for _, text in gateway.agent.steered] == ["second"]


async def test_stop_ends_the_words_on_their_way_as_well() -> None:
    """/stop is for all that runs and waits here."""
    first = anyio.Event()
    async with bench(script(call(1, lasts=first))) as gateway:
        await waits_behind(gateway)
        await gateway.taps("Queued as number 1", "Steer")
        await on_its_way(gateway)
        gateway.says("/stop")
        await gateway.until(lambda turns: [one.state for one in turns] == [TurnState.STOPPED, TurnState.REFUSED])
        first.set()
        assert [text for _, text in gateway.agent.prompts] == ["first"]


async def test_a_turn_that_fails_gives_back_what_it_was_not_told() -> None:
    """However the run ends, the words are not lost with it."""
    first = anyio.Event()
    async with bench(only_first(script(call(1, lasts=first), Fail("overloaded")))) as gateway:
        await waits_behind(gateway)
        await gateway.taps("Queued as number 1", "Steer")
        await on_its_way(gateway)
        first.set()
        await gateway.until(lambda turns: [one.state for one in turns] == [TurnState.FAILED, TurnState.FINISHED])


async def test_words_that_came_too_late_do_not_wait_for_what_works_in_the_background() -> None:
    """The agent has answered, and tools of it work on: nothing can be told any more, so the words can be dropped, or run now."""
    first, behind = anyio.Event(), anyio.Event()
    helper = SubAgent("reader", (call(1, lasts=behind),))
    async with bench(only_first(script(Background((helper,), report=()), call(1, lasts=first)))) as gateway:
        await waits_behind(gateway)
        await gateway.taps("Queued as number 1", "Steer")
        await on_its_way(gateway)
        first.set()
        await gateway.taps("The agent was done before it could be told this", "Drop")
        turns = await gateway.until(lambda turns: turns[1].state is TurnState.REFUSED)
        assert turns[0].state is TurnState.RUNNING
        behind.set()
        await gateway.until(lambda turns: turns[0].state is TurnState.FINISHED)
        assert gateway.agent.steered == []


async def test_what_is_steered_stays_within_the_hold_of_the_turn_at_work() -> None:
    """The limit pauses the turn as it would have without the words: nothing more is set aside for them."""
    first = anyio.Event()
    play = script(call(40, lasts=first), UseTool("Bash", "ls"), call(80), call(80))
    async with bench(play, with_limits(session="1")) as gateway:
        await waits_behind(gateway)
        await gateway.taps("Queued as number 1", "Steer")
        await on_its_way(gateway)
        first.set()
        turns = await gateway.until(
            lambda turns: turns[0].state is TurnState.PAUSED and turns[1].state is TurnState.JOINED
        )
        assert turns[0].spent == Usd.parse("1.20")
        assert turns[1].hold == Usd(0)


async def test_words_are_told_to_the_agent_at_work_by_a_command() -> None:
    """`/steer` with words, or alone for the first of one's own that waits; where nothing is at work they are a prompt."""
    first, second = anyio.Event(), anyio.Event()
    async with bench(two_calls(first, second)) as gateway:
        await waits_behind(gateway)
        gateway.says("/steer")
        await gateway.sees("Goes to the agent at its next step")
        await gateway.until(lambda turns: Flag.STEERING in turns[1].flags)
        gateway.says("/steer and tabs")
        await gateway.until(lambda turns: len(turns) == 3 and Flag.STEERING in turns[2].flags)

        async def passed() -> list[str]:
            return gateway.steps.passed

        await gateway.steps.until(passed, lambda passed: passed.count("prompt.handed") == 3)
        gateway.says("/steer")
        await gateway.sees("This does not wait any more.")
        first.set()
        second.set()
        joined = [TurnState.FINISHED, TurnState.JOINED, TurnState.JOINED]
        await gateway.until(lambda turns: [turn.state for turn in turns] == joined)
        assert [text for _, text in gateway.agent.steered] == ["second", "and tabs"]
        await gateway.sees("Told the agent while it works: and tabs")
        gateway.says("/steer nothing at work")
        await gateway.until(lambda turns: [turn.state for turn in turns] == [*joined, TurnState.FINISHED])
