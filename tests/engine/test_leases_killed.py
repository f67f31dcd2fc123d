"""A gateway of a team is killed at any step: what its agents charged is what the bank knows, once, and nothing stays lent."""

from pathlib import Path

import anyio
import pytest

from gateway.agents.scripted import UseTool
from gateway.chats.memory import MemoryChat
from gateway.domain.money import ZERO, Usd
from gateway.engine.steps import BANK_STEPS
from tests.engine.bench import call, script
from tests.engine.team import CORE, KilledError, Member, limited, member

pytestmark = pytest.mark.anyio

TWO_CALLS = script(call(30), UseTool("Bash", "ls"), call(30))
CALL = Usd.parse("0.30")
STEPS = (
    *BANK_STEPS,
    *("inbox.accepted", "committed", "inbox.handled", "client.started", "client.recorded", "turn.released"),
    *("prompt.handed", "call.booked", "boundary.answered", "turn.settled"),
)


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("step", STEPS)
async def test_whatever_step_a_gateway_is_killed_at_the_team_pays_each_call_once(
    tmp_path: Path, step: str, nth: int
) -> None:
    """The next gateway of the same home brings turns, leases and figures to their ends."""
    home, chat, charges = tmp_path / "home", MemoryChat(), 0
    late = nth + 2 if step == "committed" else nth  # the first ones are those of the start
    async with limited("10") as bank:
        first: Member | None = None
        try:
            async with member(bank, TWO_CALLS, home=home, chat=chat, dies_at=step, dies_nth=late) as first:
                first.gateway.says("go")
                await first.gateway.until(lambda turns: bool(turns) and turns[-1].ended_at_ms is not None)
                await first.gateway.steps.until(lambda: bank.reported(CORE, "desk-1"), lambda last: last == 1)
        except* (KilledError, TimeoutError):
            pass
        assert first is not None
        charges += len(first.gateway.agent.charges)
        async with member(bank, TWO_CALLS, home=home, chat=chat) as second:
            [turn] = await second.gateway.until(lambda turns: bool(turns) and turns[-1].ended_at_ms is not None)
            charges += len(second.gateway.agent.charges)
            assert turn.spent == Usd(CALL.nano * charges)
            with anyio.fail_after(40):
                await second.gateway.steps.until(lambda: bank.reported(CORE, "desk-1"), lambda last: last == 1)
        balance = (await bank.status(second.month)).balance
        assert (balance.spent, balance.lent) == (turn.spent, ZERO)
        [one] = await bank.figures(CORE, 0)
        assert (one.turns, one.cost, one.calls) == (1, turn.spent, charges)
        assert await bank.verify() == ()
