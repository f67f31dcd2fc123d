"""Pauses, stops and what nobody answers: the money stays where the person left it."""

import anyio
import pytest

from gateway.agents.scripted import Background, CallApi, SubAgent, UseTool
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import Origin, TurnState
from gateway.domain.usage import Tokens
from tests.engine.bench import Bench, bench, call, script, with_limits

pytestmark = pytest.mark.anyio

SIX_CALLS = script(*[step for _ in range(5) for step in (call(30), UseTool("Bash", "ls"))], call(30))


async def held(gateway: Bench) -> Usd:
    """What the session holds now."""
    return (await gateway.balance()).held


async def test_an_unanswered_pause_ends_the_run_cleanly_and_a_later_yes_goes_on_in_the_same_turn() -> None:
    """After the pause's time the agent is let go and the hold is free; the turn stays paused, and a yes continues it."""
    async with bench(SIX_CALLS, with_limits(session="1", pause_ms=200)) as gateway:
        gateway.says("go")
        await gateway.sees("Paused:")
        await gateway.sees("The agent does not wait any more")
        turn = await gateway.turn()
        assert (turn.state, await held(gateway), turn.calls) == (TurnState.PAUSED, ZERO, 4)
        await gateway.taps("Paused:", "Raise +$2")
        await gateway.sees("All done.")
        turn = await gateway.ended(TurnState.FINISHED)
        assert turn.calls > 4
        assert turn.continues


async def test_stop_ends_a_paused_turn_and_frees_its_hold() -> None:
    """/stop at the limit: no further call, nothing held, and the question is closed."""
    async with bench(SIX_CALLS, with_limits(session="1")) as gateway:
        gateway.says("go")
        await gateway.sees("Paused:")
        gateway.says("/stop")
        turn = await gateway.ended(TurnState.STOPPED)
        assert (turn.calls, len(gateway.agent.charges), await held(gateway)) == (4, 4, ZERO)
        await gateway.sees("Stopped.")


async def test_stop_interrupts_a_running_turn_and_keeps_what_it_spent() -> None:
    """/stop in mid-call: the turn is stopped, its spent tokens stay, nothing is held."""
    going = anyio.Event()
    async with bench(script(call(10), call(10, lasts=going))) as gateway:
        gateway.says("go")
        await gateway.until(lambda turns: bool(turns) and turns[0].calls == 1)
        gateway.says("/stop")
        turn = await gateway.ended(TurnState.STOPPED)
        assert turn.spent >= Usd.parse("0.10")
        assert await held(gateway) == ZERO


async def test_stop_all_refuses_new_turns_until_go() -> None:
    """After /stop all a prompt is refused and says so; after /go it runs."""
    async with bench(script(call(1))) as gateway:
        gateway.says("/stop all")
        await gateway.sees("until /go")
        gateway.says("one")
        await gateway.sees("Everything is stopped")
        assert gateway.agent.charges == []
        gateway.says("/go")
        await gateway.sees("may start again")
        gateway.says("two")
        await gateway.sees("All done.")


async def test_a_question_that_nobody_answers_expires_closed() -> None:
    """A run that was asked about and not answered in time is refused; nothing was called."""
    async with bench(script(call(1)), with_limits(confirm="0.10", approval_ms=100)) as gateway:
        gateway.says("go")
        await gateway.sees("Nobody answered in time.")
        turn = await gateway.ended(TurnState.REFUSED)
        assert (gateway.agent.charges, turn.spent) == ([], ZERO)


async def test_a_run_that_no_prompt_started_is_a_background_turn_with_its_own_hold() -> None:
    """A sub-agent ends behind the scenes; the run that follows is a turn of its own, booked and settled."""
    helper = SubAgent("reader", (call(2),))
    async with bench(script(call(1), Background((helper,), report=(call(3),)))) as gateway:
        gateway.says("go")
        turns = await gateway.until(lambda turns: [t.state for t in turns] == [TurnState.FINISHED, TurnState.FINISHED])
        assert [turn.origin for turn in turns] == [Origin.PERSON, Origin.BACKGROUND]
        assert [turn.spent for turn in turns] == [Usd.parse("0.03"), Usd.parse("0.03")]
        assert await held(gateway) == ZERO


async def test_a_background_run_is_refused_before_its_first_call_when_everything_is_stopped() -> None:
    """/stop all while a background agent works: the run that would follow makes no call."""
    waits = anyio.Event()
    helper = SubAgent("reader", (call(2, lasts=waits),))
    async with bench(script(call(1), Background((helper,), report=(call(3),)))) as gateway:
        gateway.says("go")
        await gateway.until(lambda turns: bool(turns) and turns[0].calls == 1)
        gateway.says("/stop all")
        await gateway.sees("until /go")
        waits.set()
        await gateway.until(lambda turns: all(turn.ended_at_ms for turn in turns))
        assert sum(turn.spent.nano for turn in await gateway.turns()) <= Usd.parse("0.03").nano


async def test_a_model_without_a_price_pauses_and_asks_instead_of_counting_as_free() -> None:
    """A call of an unknown model is booked as unpriced, and the turn asks before it makes another."""
    unknown = CallApi(Tokens(output=100), model="nobody-knows-1")
    async with bench(script(unknown, UseTool("Bash", "ls"), unknown)) as gateway:
        gateway.says("go")
        asked = await gateway.sees("price of this model is not known")
        assert len(gateway.agent.charges) == 1
        gateway.chat.taps(asked, asked.buttons[0].label, "7")
        turn = await gateway.ended(TurnState.FINISHED)
        assert (turn.unpriced_calls, turn.spent) == (2, ZERO)
        shown = await gateway.sees("All done.")
        assert "2 calls of unknown price" in shown.text
        gateway.says("again")
        await gateway.sees("is not known (")


async def test_a_double_tap_counts_once() -> None:
    """Two taps on one raise raise once."""
    async with bench(SIX_CALLS, with_limits(session="1")) as gateway:
        gateway.says("go")
        asked = await gateway.sees("Paused:")
        gateway.chat.taps(asked, "Raise +$2", "7")
        gateway.chat.taps(asked, "Raise +$2", "7")
        await gateway.ended(TurnState.FINISHED)
        assert (await gateway.balance()).limit == Usd.parse("3")
