"""Loops that outlive what they worked for, taps that come late, clients that die: no call slips past the gate, no turn hangs."""

from pathlib import Path

import anyio
import pytest

from gateway.agents.scripted import Background, Crash, Fail, SubAgent, UseTool
from gateway.chats.memory import MemoryChat, Shown
from gateway.domain.budget import ScopeKind
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Thread
from gateway.domain.turn import Origin, TurnState
from gateway.engine.projects import repository
from tests.engine.bench import OWNER, THREAD, Bench, bench, call, script, with_limits

pytestmark = pytest.mark.anyio

BY_ITSELF = "The agent goes on by itself"


async def quiet(gateway: Bench) -> None:
    """Wait until every event of the agent has been handled: nothing more happens without somebody."""
    with anyio.fail_after(30):
        seen = -1
        while seen != len(gateway.steps.passed):
            seen = len(gateway.steps.passed)
            await anyio.sleep(0.1)


async def test_a_background_agent_in_a_call_while_its_turn_is_let_go_makes_no_further_call() -> None:
    """The unanswered pause ends the run while a sub-agent is in a call: that call ends, and is its last."""
    waits = anyio.Event()
    helper = SubAgent("reader", (call(2, lasts=waits), UseTool("Bash", "ls"), call(2), UseTool("Bash", "ls"), call(2)))
    steps = (Background((helper,), report=()), call(120), UseTool("Bash", "ls"), call(30))
    async with bench(script(*steps), with_limits(session="1", pause_ms=100)) as gateway:
        gateway.says("go")
        await gateway.sees("The agent does not wait any more")
        waits.set()
        await gateway.until(lambda turns: turns[0].calls == 2)
        await quiet(gateway)
        assert len(gateway.agent.charges) == 2


async def test_a_background_agent_in_a_call_while_a_person_stops_at_the_limit_makes_no_further_call() -> None:
    """After "Stop here" a sub-agent that was in a call ends that call, and makes no other."""
    waits = anyio.Event()
    helper = SubAgent("reader", (call(2, lasts=waits), UseTool("Bash", "ls"), call(2), UseTool("Bash", "ls"), call(2)))
    steps = (Background((helper,), report=()), call(120), UseTool("Bash", "ls"), call(30))
    async with bench(script(*steps), with_limits(session="1")) as gateway:
        gateway.says("go")
        await gateway.taps("Paused:", "Stop here")
        await gateway.ended(TurnState.STOPPED)
        waits.set()
        await gateway.until(lambda turns: turns[0].calls == 2)
        await quiet(gateway)
        assert len(gateway.agent.charges) == 2


async def test_background_agents_of_a_turn_that_failed_stay_behind_the_gate() -> None:
    """The main loop fails while a sub-agent works on: the turn stays open for it, and its limit still pauses it."""
    waits = anyio.Event()
    helper = SubAgent(
        "reader", (call(60, lasts=waits), UseTool("Bash", "ls"), call(60), UseTool("Bash", "ls"), call(60))
    )
    async with bench(
        script(Background((helper,), report=()), call(1), Fail("boom")), with_limits(session="1")
    ) as gateway:
        gateway.says("go")
        await gateway.until(lambda turns: bool(turns) and turns[0].calls == 1)
        waits.set()
        await gateway.sees("Paused:")
        assert len(gateway.agent.charges) == 3


async def test_the_answer_comes_at_once_and_the_bill_when_the_agents_behind_it_have_ended() -> None:
    """A turn whose sub-agent works on says its answer, once, before that has ended; it is settled afterwards."""
    waits = anyio.Event()
    helper = SubAgent("reader", (call(2, lasts=waits),))
    async with bench(script(call(1), Background((helper,), report=()))) as gateway:
        gateway.says("go")
        await gateway.sees("Still at work behind this: 1 agent.")
        assert (await gateway.turn()).state is TurnState.RUNNING
        waits.set()
        await gateway.sees("$0.03 · ")
        assert (
            sum("All done." in shown.text and "Working" not in shown.text for shown in gateway.chat.sees(THREAD)) == 1
        )


async def test_a_background_run_whose_agent_dies_while_it_is_asked_about_is_refused() -> None:
    """The client dies while a run that nobody asked for waits for a tap: the question closes, and the gateway goes on."""
    dies = anyio.Event()
    helpers = SubAgent("reader", (call(1),)), SubAgent("doomed", (call(1, lasts=dies), Crash()))
    async with bench(script(call(1), Background(helpers)), with_limits(confirm="0.20")) as gateway:
        gateway.says("go")
        await gateway.taps("enough history", "Run, up to $0.50")
        await gateway.sees(BY_ITSELF)
        dies.set()
        turns = await gateway.until(lambda turns: all(turn.ended_at_ms for turn in turns))
        assert [turn.state for turn in turns if turn.origin is Origin.BACKGROUND] == [TurnState.REFUSED]
        gateway.says("again")
        await gateway.sees("**again**")


async def test_a_background_run_that_was_asked_about_is_refused_after_a_restart(tmp_path: Path) -> None:
    """Its agent is gone with the gateway that asked: the question is closed, nothing hangs."""
    rules, chat = with_limits(confirm="0.20"), MemoryChat()
    helper = SubAgent("reader", (call(1),))
    async with bench(script(call(1), Background((helper,))), rules, tmp_path, chat=chat) as gateway:
        gateway.says("go")
        await gateway.taps("enough history", "Run, up to $0.50")
        asked = await gateway.sees(BY_ITSELF)
    async with bench(script(call(1)), rules, tmp_path, chat=chat) as gateway:
        turns = await gateway.until(lambda turns: all(turn.ended_at_ms for turn in turns))
        assert turns[-1].state is TurnState.REFUSED
        gateway.chat.taps(asked, asked.buttons[0].label, OWNER)
        await quiet(gateway)
        assert len(await gateway.turns()) == 2
        assert (await gateway.balance()).held == ZERO


async def test_a_prompt_that_waits_behind_a_background_run_is_booked_on_its_own_turn() -> None:
    """A prompt is queued while a sub-agent works: the run that follows is its own turn, and so is the prompt's."""
    waits = anyio.Event()
    helper = SubAgent("reader", (call(2, lasts=waits),))

    def play(text: str, _context: int):
        return script(call(1), Background((helper,), report=(call(3),))) if text == "one" else script(call(5))

    async with bench(play) as gateway:
        gateway.says("one")
        await gateway.until(lambda turns: bool(turns) and turns[0].calls == 1)
        gateway.says("two")
        await gateway.sees("Queued as number 1")
        waits.set()
        turns = await gateway.until(lambda turns: [t.state for t in turns] == [TurnState.FINISHED] * 3)
        spent = {turn.prompt if turn.origin is Origin.PERSON else "itself": turn.spent for turn in turns}
        assert spent == {"one": Usd.parse("0.03"), "two": Usd.parse("0.05"), "itself": Usd.parse("0.03")}


async def test_a_stop_that_comes_before_the_prompt_began_is_not_lost() -> None:
    """/stop right behind the prompt: however far it had come, the turn ends and no call is made after the stop."""
    async with bench(script(call(1), UseTool("Bash", "ls"), call(1, lasts=anyio.Event()))) as gateway:
        for _ in range(10):
            gateway.says("go")
            gateway.says("/stop")
        turns = await gateway.until(lambda turns: len(turns) == 10 and all(turn.ended_at_ms for turn in turns))
        assert {turn.state for turn in turns} <= {TurnState.STOPPED, TurnState.REFUSED, TurnState.FINISHED}
        assert (await gateway.balance()).held == ZERO


async def paused_behind(gateway: Bench, waits: anyio.Event) -> Shown:
    """A turn was let go at its limit, and a run that nobody asked for stands before its first call; the turn's question."""
    paused = await gateway.sees("Paused:")
    await gateway.sees("The agent does not wait any more")
    waits.set()
    await gateway.sees(BY_ITSELF)
    return paused


async def test_a_yes_to_one_turn_does_not_release_another() -> None:
    """The yes to the paused turn leaves the run that is asked about where it stands; the turn goes on once that is answered."""
    waits = anyio.Event()
    helper = SubAgent("reader", (call(2, lasts=waits),))
    steps = (Background((helper,), report=(call(3),)), call(120), UseTool("Bash", "ls"), call(30))
    async with bench(script(*steps), with_limits(confirm="0.20", pause_ms=100)) as gateway:
        gateway.says("go")
        await gateway.taps("enough history", "Run, up to $0.50")
        paused = await paused_behind(gateway, waits)
        gateway.chat.taps(paused, "Go on, up to $1.00 more", OWNER)
        both = [TurnState.RUNNING, TurnState.ASKING]
        await gateway.until(lambda turns: [turn.state for turn in turns] == both)
        await quiet(gateway)
        assert [turn.state for turn in await gateway.turns()] == both
        assert len(gateway.agent.charges) == 2
        await gateway.taps(BY_ITSELF, "No")
        turns = await gateway.until(lambda turns: turns[0].calls > 2)
        assert turns[1].state is TurnState.REFUSED


async def test_a_raise_for_one_turn_lets_the_run_before_it_go_on_too() -> None:
    """The raise makes room for both: the run that is asked about goes on unasked, and the turn behind it follows."""
    waits = anyio.Event()
    helper = SubAgent("reader", (call(2, lasts=waits),))
    steps = (Background((helper,), report=(call(3),)), call(120), UseTool("Bash", "ls"), call(30))
    async with bench(script(*steps), with_limits(session="1", pause_ms=100)) as gateway:
        gateway.says("go")
        paused = await paused_behind(gateway, waits)
        gateway.chat.taps(paused, "Raise +$2", OWNER)
        await gateway.sees("There is room for it now")
        turns = await gateway.until(lambda turns: turns[0].calls > 2)
        assert (turns[1].state, turns[1].calls) == (TurnState.FINISHED, 1)


async def test_a_client_that_dies_idle_is_started_again_for_the_next_prompt() -> None:
    """The process ends between two prompts: the next prompt runs, once."""
    async with bench(script(call(1))) as gateway:
        gateway.says("one")
        await gateway.ended(TurnState.FINISHED)
        [client] = gateway.agent._clients.values()
        gateway.says("two")
        await client.close()
        turns = await gateway.until(lambda turns: len(turns) == 2 and all(turn.ended_at_ms for turn in turns))
        assert turns[-1].state is TurnState.FINISHED
        assert [text for _, text in gateway.agent.prompts].count("two") == 1


async def test_a_late_tap_is_answered_with_the_reason() -> None:
    """Whoever presses a button that means nothing any more is told so where they pressed it."""
    async with bench(script(call(10)), with_limits(confirm="0.20")) as gateway:
        gateway.says("hello")
        asked = await gateway.sees("enough history")
        gateway.chat.taps(asked, "No", OWNER)
        await gateway.ended(TurnState.REFUSED)
        gateway.chat.taps(asked, "Run, up to $0.50", OWNER)
        await quiet(gateway)
        assert [words for _, words in gateway.chat.acknowledged] == ["", "This was answered already."]
        assert gateway.agent.charges == []


async def test_a_prompt_that_waits_for_room_and_is_stopped_makes_room_for_the_next() -> None:
    """One process is allowed: of two sessions that wait for it, the stopped one does not keep the other waiting."""
    works = anyio.Event()

    def play(text: str, _context: int):
        return script(call(1, lasts=works)) if text == "first" else script(call(1))

    async with bench(play, with_limits(processes_max=1)) as gateway:
        threads = [Thread("memory", str(number)) for number in range(1, 4)]
        for thread, text in zip(threads, ("first", "second", "third"), strict=True):
            gateway.chat.says(thread, OWNER, text)
            await gateway.until(lambda turns, text=text: any(turn.prompt == text for turn in turns))
        gateway.chat.says(threads[1], OWNER, "/stop")
        await gateway.chat.waits_for(threads[1], "Stopping: second")
        works.set()
        await gateway.chat.waits_for(threads[2], "All done.")
        assert [text for _, text in gateway.agent.prompts] == ["first", "third"]


@pytest.mark.parametrize("stop_first", [True, False])
async def test_a_yes_and_a_stop_at_the_same_moment_leave_no_hold(stop_first: bool) -> None:
    """A raise and /stop arrive together at the limit, in either order: the turn is stopped, and nothing stays held."""
    steps = [step for _ in range(5) for step in (call(30), UseTool("Bash", "ls"))]
    async with bench(script(*steps, call(30, lasts=anyio.Event())), with_limits(session="1")) as gateway:
        gateway.says("go")
        asked = await gateway.sees("Paused:")
        if stop_first:
            gateway.says("/stop")
        gateway.chat.taps(asked, "Raise +$2", OWNER)
        if not stop_first:
            gateway.says("/stop")
        turn = await gateway.ended(TurnState.STOPPED)
        await quiet(gateway)
        assert (turn.held_left, (await gateway.balance()).held) == (ZERO, ZERO)


async def test_what_is_spent_while_a_background_run_is_asked_about_counts_against_every_budget() -> None:
    """A sub-agent's call that ends while a run that nobody asked for waits for a yes is in the budgets, and part of what is agreed to."""
    ends = anyio.Event()
    helpers = SubAgent("reader", (call(1),)), SubAgent("writer", (call(15, lasts=ends), UseTool("Bash", "ls"), call(3)))
    async with bench(script(call(1), Background(helpers, report=(call(4),))), with_limits(confirm="0.20")) as gateway:
        gateway.says("go")
        await gateway.taps("enough history", "Run, up to $0.50")
        asked = await gateway.sees(BY_ITSELF)
        ends.set()
        await gateway.until(lambda turns: turns[-1].state is TurnState.ASKING and turns[-1].calls == 1)
        spent = sum((turn.spent for turn in await gateway.turns()), ZERO)
        assert (await gateway.balance()).spent == (await gateway.balance(ScopeKind.DAY)).spent == spent
        gateway.chat.taps(asked, asked.buttons[0].label, OWNER)
        await gateway.until(lambda turns: bool(turns) and turns[1].state is TurnState.FINISHED)
        spent = sum((turn.spent for turn in await gateway.turns()), ZERO)
        assert (await gateway.balance()).spent == (await gateway.balance(ScopeKind.DAY)).spent == spent


def test_a_directory_that_cannot_be_is_in_the_repository_above_it(tmp_path: Path) -> None:
    """A name that no system takes is no error: whoever opens a session may name anything."""
    (tmp_path / ".git").mkdir()
    assert repository(tmp_path / ("x" * 300) / "y") == str(tmp_path)
