"""Two things at the same moment: a yes and the end of a wait, a slow agent and everybody else. No call slips past the gate."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import anyio
import pytest

from gateway.agents.scripted import ScriptedAgent, UseTool
from gateway.domain.effects import GoOn
from gateway.domain.events import AgentEvent, End, Finished
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import TurnState
from gateway.ports import Launch
from tests.engine.bench import OWNER, Bench, bench, call, script, with_limits
from tests.engine.slow import Slow

pytestmark = pytest.mark.anyio

TIGHT = with_limits(session="1", pause_ms=200)
AT_EASE = with_limits(session="1")
"""A pause lasts until the test says that it is over."""
TWENTY_CALLS = script(*[step for _ in range(19) for step in (call(30), UseTool("Bash", "ls"))], call(30))


class Halting(ScriptedAgent):
    """An agent whose runs halt by themselves, as when a hook of the project says so."""

    async def start(self, launch: Launch) -> Any:
        """Start a client that says of every end that it was halted."""
        client = await super().start(launch)
        events = client.events

        async def halted() -> AsyncIterator[AgentEvent]:
            async for event in events():
                yield replace(event, end=End.HALTED) if isinstance(event, Finished) else event

        client.events = halted
        return client


async def test_a_run_that_halts_by_itself_is_stopped_and_not_sent_again() -> None:
    """Nobody was asked and nobody said yes: a hook that ends every run does not make the gateway pay for it for ever."""
    async with Halting(script(call(1))) as agent, bench(script(), agents={"scripted": agent}) as gateway:
        gateway.says("go")
        turn = await gateway.ended(TurnState.STOPPED)
        gateway.says("again")
        await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.STOPPED] * 2)
        assert (turn.calls, len(agent.charges)) == (1, 2)


async def within_the_limit(gateway: Bench, agent: Slow) -> None:
    """No more was spent than the session's limit and one call, and nothing is held without a turn at work."""
    balance = await gateway.balance()
    assert balance.limit is not None
    assert balance.spent <= balance.limit + Usd.parse("0.30")
    [turn] = await gateway.turns()
    assert turn.calls == len(agent.charges)
    assert balance.held == turn.held_left


async def test_a_yes_while_the_agent_is_being_let_go_goes_on_behind_the_gate() -> None:
    """The pause is over and its end not told yet when the person raises: the old run's end does not end the new one."""
    ends = anyio.Event()
    async with (
        Slow(TWENTY_CALLS, ends=ends) as agent,
        bench(TWENTY_CALLS, TIGHT, agents={"scripted": agent}) as gateway,
    ):
        gateway.says("go")
        asked = await gateway.sees("Paused:")
        await agent.let_go.wait()
        gateway.chat.taps(asked, "Raise +$2", OWNER)
        await gateway.until(lambda turns: turns[0].state is TurnState.RUNNING)
        ends.set()
        turn = await gateway.ended(TurnState.PAUSED)
        assert turn.calls > 4
        await within_the_limit(gateway, agent)
        gateway.says("/stop")
        await gateway.ended(TurnState.STOPPED)
        await within_the_limit(gateway, agent)
        assert (await gateway.balance()).held == ZERO


async def test_a_yes_that_crosses_with_the_end_of_the_wait_is_kept() -> None:
    """The agent was seen to wait when the tap was judged, and was let go before it heard: the turn goes on all the same."""
    async with Slow(TWENTY_CALLS) as agent, bench(TWENTY_CALLS, AT_EASE, agents={"scripted": agent}) as gateway:
        gateway.says("go")
        asked = await gateway.sees("Paused:")
        seen: list[bool] = []
        perform = gateway.world.perform

        def first_let_go(effects: Any) -> None:
            if effects and not seen:
                seen.append(True)
                held_up.extend(effects)
            else:
                perform(effects)

        held_up: list[Any] = []
        gateway.world.perform = first_let_go
        gateway.chat.taps(asked, "Raise +$2", OWNER)
        await gateway.until(lambda turns: turns[0].state is TurnState.RUNNING)
        ticks_ms = gateway.world.clock.ticks_ms
        gateway.world.clock = replace(gateway.world.clock, ticks_ms=lambda: ticks_ms() + AT_EASE.pause_ms)
        turns = await gateway.until(lambda turns: turns[0].continues)
        assert turns[0].state in (TurnState.HELD, TurnState.RUNNING, TurnState.PAUSED)
        perform(held_up)
        await gateway.ended(TurnState.PAUSED)
        await within_the_limit(gateway, agent)


async def test_a_slow_agent_holds_nobody_else_up() -> None:
    """An agent takes its time to confirm an answer: meanwhile other people are answered."""
    slow = anyio.Event()
    play = script(UseTool("Bash", "ls", asks_permission=True), call(1))
    async with Slow(play, answers=slow) as agent, bench(play, agents={"scripted": agent}) as gateway:
        gateway.says("go")
        asked = await gateway.sees("wants to run")
        gateway.chat.taps(asked, "Allow", OWNER)
        gateway.says("/help")
        await gateway.sees("Write to your agent in plain words")
        slow.set()
        await gateway.sees("Allowed.")
        await gateway.ended(TurnState.FINISHED)


async def test_a_limit_that_is_lowered_in_mid_run_holds_from_the_next_call_on() -> None:
    """The person sets the session's limit below what is spent and held: the turn pauses after the call that is at work."""
    goes_on = anyio.Event()
    play = script(call(100), UseTool("Bash", "ls", lasts=goes_on), *TWENTY_CALLS.steps)
    async with bench(play, with_limits(session="20", confirm="15", step="14")) as gateway:
        gateway.says("go")
        await gateway.until(lambda turns: bool(turns) and turns[0].calls == 1)
        gateway.says("/budget 1")
        await gateway.sees("of $1.00")
        goes_on.set()
        turn = await gateway.ended(TurnState.PAUSED)
        assert turn.calls <= 2


@pytest.mark.parametrize("words", ["/stop", "/stop all"])
async def test_a_stop_that_comes_before_an_agent_hears_of_the_yes_lets_no_call_go_out(words: str) -> None:
    """Yes and stop are both decided when the agent is told of the first: it makes no further call."""
    async with Slow(TWENTY_CALLS) as agent, bench(TWENTY_CALLS, AT_EASE, agents={"scripted": agent}) as gateway:
        gateway.says("go")
        asked = await gateway.sees("Paused:")
        before = len(agent.answered)
        perform = gateway.world.perform
        held_up: list[Any] = []
        gateway.world.perform = held_up.extend
        gateway.chat.taps(asked, "Raise +$2", OWNER)
        await gateway.until(lambda turns: turns[0].state is TurnState.RUNNING)
        gateway.says(words)
        await gateway.sees("Stopping")
        gateway.world.perform = perform
        perform(held_up)
        await gateway.ended(TurnState.STOPPED)
        assert not any(isinstance(answer, GoOn) for answer in agent.answered[before:])
        await within_the_limit(gateway, agent)
