"""One message all the way: asked, held, run, metered, paused, raised, settled."""

import pytest

from gateway.agents.scripted import UseTool
from gateway.domain.budget import BOOKED
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import TurnState
from gateway.view import question_words
from tests.engine.bench import THREAD, bench, call, script, with_limits

pytestmark = pytest.mark.anyio


async def test_a_cheap_prompt_runs_unasked_and_is_settled_to_the_nano_dollar() -> None:
    """A prompt below the threshold runs at once; what it cost is on the session and the day, and no hold is left."""
    async with bench(script(call(10))) as gateway:
        gateway.says("hello")
        shown = await gateway.sees("All done.")
        turn = await gateway.ended(TurnState.FINISHED)
        assert turn.spent == Usd.parse("0.10")
        assert "$0.10" in shown.text
        for kind in BOOKED:
            balance = await gateway.balance(kind)
            assert (balance.spent, balance.held) == (Usd.parse("0.10"), ZERO)


async def test_a_dear_run_makes_no_call_before_the_tap_and_one_turn_after_it() -> None:
    """A run above the threshold waits: not a single call is made before the yes, exactly its own after it."""
    async with bench(script(call(10)), with_limits(confirm="0.20")) as gateway:
        gateway.says("hello")
        await gateway.sees("enough history")
        assert gateway.agent.charges == []
        await gateway.taps("enough history", "Run, up to $0.50")
        await gateway.sees("All done.")
        await gateway.ended(TurnState.FINISHED)
        assert len(gateway.agent.charges) == 1


async def test_no_means_no_call_at_all() -> None:
    """After "No" nothing runs, nothing is held and nothing is spent."""
    async with bench(script(call(10)), with_limits(confirm="0.20")) as gateway:
        gateway.says("hello")
        await gateway.taps("enough history", "No")
        turn = await gateway.ended(TurnState.REFUSED)
        balance = await gateway.balance()
        assert (gateway.agent.charges, turn.spent, balance.held) == ([], ZERO, ZERO)


async def test_at_the_limit_the_agent_pauses_and_a_raise_lets_it_go_on_in_the_same_turn() -> None:
    """Six calls of $0.30 with a session budget of $1: paused after the fourth, no call until raised, then all six."""
    steps = [step for _ in range(5) for step in (call(30), UseTool("Bash", "ls"))]
    async with bench(script(*steps, call(30)), with_limits(session="1")) as gateway:
        gateway.says("go")
        paused = await gateway.sees("Paused:")
        assert "the session budget of $1.00 is used up" in paused.text
        assert len(gateway.agent.charges) == 4
        await gateway.taps("Paused:", "Raise +$2")
        await gateway.sees("All done.")
        turn = await gateway.ended(TurnState.FINISHED)
        assert (turn.calls, turn.spent) == (6, Usd.parse("1.80"))
        assert (await gateway.balance()).limit == Usd.parse("3")


async def test_what_is_not_raised_can_be_stopped_at_the_pause() -> None:
    """The button "Stop here" at the limit ends the turn without another call, and the hold is free."""
    steps = [step for _ in range(5) for step in (call(30), UseTool("Bash", "ls"))]
    async with bench(script(*steps, call(30)), with_limits(session="1")) as gateway:
        gateway.says("go")
        await gateway.taps("Paused:", "Stop here")
        turn = await gateway.ended(TurnState.STOPPED)
        assert turn.calls == len(gateway.agent.charges) == 4
        assert (await gateway.balance()).held == ZERO
        await gateway.sees("Stopped · 4 calls")
        assert not any(shown.text.startswith("Paused ·") for shown in gateway.chat.sees(THREAD))


async def test_a_turn_that_is_stopped_while_it_is_paused_is_not_shown_as_paused_any_more() -> None:
    """/stop at the limit: the status message says how the turn ended."""
    async with bench(script(*([call(30)] * 5)), with_limits(session="1")) as gateway:
        gateway.says("go")
        await gateway.sees("Paused ·")
        gateway.says("/stop")
        await gateway.sees("Stopped · 4 calls")


async def test_a_permission_is_asked_in_the_chat_and_allowed_is_said_once_the_agent_has_it() -> None:
    """The tool waits for the tap, and the question then says "Allowed."."""
    async with bench(script(call(1), UseTool("Bash", "rm x", asks_permission=True), call(1))) as gateway:
        gateway.says("go")
        await gateway.taps("wants to run", "Allow")
        allowed = await gateway.sees("Allowed.")
        assert question_words.REPLY_DENIES not in allowed.text
        await gateway.sees("All done.")
        assert (await gateway.ended(TurnState.FINISHED)).calls == 2


async def test_strangers_get_no_answer_and_reach_no_agent() -> None:
    """Attack 3: a person whom the settings do not name is not answered and starts nothing."""
    async with bench(script(call(1))) as gateway:
        gateway.chat.says(THREAD, "666", "hello")
        gateway.says("/help")
        await gateway.sees("Write to your agent")
        assert len(gateway.chat.sees(THREAD)) == 1
        assert gateway.agent.charges == []


async def test_messages_sent_while_it_works_run_one_after_the_other() -> None:
    """Two prompts in a row are two turns in order; the second says that it is queued."""
    async with bench(script(call(1))) as gateway:
        gateway.says("one")
        gateway.says("two")
        await gateway.sees("Queued as number 1")
        turns = await gateway.until(lambda turns: [t.state for t in turns] == [TurnState.FINISHED] * 2)
        assert [turn.prompt for turn in turns] == ["one", "two"]
