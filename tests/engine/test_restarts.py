"""The gateway ends in the middle of things; the next one knows what became of them."""

from pathlib import Path

import anyio
import pytest

from gateway.agents.scripted import UseTool
from gateway.chats.memory import MemoryChat
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import TurnState
from tests.engine.bench import bench, call, script, with_limits

pytestmark = pytest.mark.anyio


async def test_a_question_survives_a_restart_and_its_yes_runs_the_turn(tmp_path: Path) -> None:
    """Asked by one gateway, answered to the next: the turn runs once."""
    rules = with_limits(confirm="0.10")
    chat = MemoryChat()
    async with bench(script(call(5)), rules, tmp_path, chat=chat) as gateway:
        gateway.says("go")
        await gateway.sees("enough history")
    async with bench(script(call(5)), rules, tmp_path, chat=chat) as gateway:
        await gateway.taps("enough history", "Run, up to $0.50")
        turn = await gateway.ended(TurnState.FINISHED)
        assert turn.spent == Usd.parse("0.05")


async def test_a_paused_turn_survives_a_restart_and_goes_on_after_a_yes(tmp_path: Path) -> None:
    """Paused at the limit when the gateway ends: still paused, nothing held, and a raise continues it."""
    steps = [step for _ in range(5) for step in (call(30), UseTool("Bash", "ls"))]
    rules, chat = with_limits(session="1"), MemoryChat()
    async with bench(script(*steps), rules, tmp_path, chat=chat) as gateway:
        gateway.says("go")
        await gateway.sees("Paused:")
    async with bench(script(call(5)), rules, tmp_path, chat=chat) as gateway:
        turn = await gateway.turn()
        assert (turn.state, turn.calls, (await gateway.balance()).held) == (TurnState.PAUSED, 4, ZERO)
        await gateway.taps("Paused:", "Raise +$2")
        turn = await gateway.ended(TurnState.FINISHED)
        assert turn.calls == 5


async def test_a_turn_cut_short_is_interrupted_with_a_button_to_go_on(tmp_path: Path) -> None:
    """Calls that ended are booked, the turn is interrupted, and [Continue] starts a new one."""
    chat, never = MemoryChat(), anyio.Event()
    async with bench(script(call(10), call(10, lasts=never)), home=tmp_path, chat=chat) as gateway:
        gateway.says("go")
        await gateway.until(lambda turns: bool(turns) and turns[0].calls == 1)
    async with bench(script(call(5)), home=tmp_path, chat=chat) as gateway:
        turn = await gateway.ended(TurnState.INTERRUPTED)
        assert turn.spent >= Usd.parse("0.10")
        assert (await gateway.balance()).held == ZERO
        await gateway.taps("The gateway stopped while this was at work", "Continue")
        await gateway.until(lambda turns: [t.state for t in turns][1:] == [TurnState.FINISHED])
