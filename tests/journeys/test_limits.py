"""At a limit in mid-turn, through the real client: nothing is called until somebody says yes, and what was under way is all that is late."""

import re
from pathlib import Path

import anyio
import pytest

from gateway.domain.money import ZERO
from gateway.domain.turn import TurnState
from gateway.domain.usage import Flag
from tests.fakes.messages_api import MessagesApi
from tests.fakes.messages_script import Charged, Counts, Text, Tool
from tests.journeys import overshoot
from tests.journeys.overshoot import ALONE, FLEET, NESTED, Measured, measure_all
from tests.journeys.rig import as_counts, rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "limits.md"


def holds_the_bound(run: Measured) -> bool:
    """Nothing in the pause, and in each loop at most the one call that was under way."""
    return run.in_the_pause == 0 and run.most_in_a_loop == 1 and len(run.late) <= run.shape.loops


async def test_a_turn_of_six_calls_stands_still_at_its_limit_and_makes_six_in_all(tmp_path: Path) -> None:
    """Wherever the limit lies: no call in the pause, one call at most past it, and after the raise exactly the rest of six."""
    for run in await measure_all(tmp_path, [(ALONE, 1, "0.0001"), (ALONE, 2, "0.05"), (ALONE, 3, "0.10")]):
        assert holds_the_bound(run), run
        assert run.before + sum(run.late) + run.after == ALONE.main_calls


async def test_sub_agents_stand_still_with_their_turn(tmp_path: Path) -> None:
    """One foreground and three background loops, and a sub-agent that starts three of its own at the limit: each loop ends the
    call it is in, and none begins another, or begins at all, until the raise.
    """
    for run in await measure_all(tmp_path, [(FLEET, 4, "0.10"), (FLEET, 5, "0.25"), (NESTED, 6, "0.05")]):
        assert holds_the_bound(run), run
        assert run.before + sum(run.late) + run.after >= run.shape.main_calls + run.shape.sub_calls


async def test_stop_ends_every_sub_agent_too(tmp_path: Path) -> None:
    """/stop while four sub-agents work: the turn ends, nothing is called after it, and what was cut is flagged."""
    api = MessagesApi()
    overshoot.play(api, FLEET, 6, "go")
    with api:
        async with rig(tmp_path, api) as gateway:
            gateway.phone.says("go")
            await gateway.charged(6)
            gateway.phone.says("/stop")
            turn = await gateway.ended(TurnState.STOPPED)
            await anyio.to_thread.run_sync(lambda: api.wait_until(lambda: all(call.ended for call in api.charges)))
            made = len(api.charges)
            gateway.phone.says("still there?")
            await gateway.sees("echo: still there?")
            await gateway.ended(TurnState.FINISHED)
            assert len(api.charges) == made + 1
            cut = [call for call in api.charges[:made] if not call.completed]
            assert not cut or Flag.LOWER_BOUND in turn.flags
            assert (await gateway.balance()).held == ZERO


async def test_a_compaction_stands_behind_the_gate_and_in_the_ledger(tmp_path: Path) -> None:
    """A context that grew too large is compacted in mid-turn: that call waits at the limit as well, and is booked exactly."""
    huge = Charged(Counts(input=400, cache_read=985_000, cache_write_5m=3_000, cache_write_1h=300, output=90))
    async with rig(tmp_path, session="0.0001", step="0.00005") as gateway:
        gateway.api.script([(huge, Tool("Bash", {"command": "ls"})), Text("Smaller now.")])
        gateway.phone.says("go")
        await gateway.sees("Paused:")
        await anyio.sleep(overshoot.QUIET_S)
        assert len(gateway.api.charges) == 1
        await overshoot.raise_it(gateway)
        await gateway.sees("Smaller now.")
        turn = await gateway.ended(TurnState.FINISHED)
        assert [charge.kind for charge in gateway.api.charges] == ["main", "compact", "main"]
        assert as_counts(turn.tokens) == gateway.api.total()


def test_the_published_figures_hold_the_published_bound() -> None:
    """Every line of the table in docs/limits.md: no call in the pause, at most one late call in a loop."""
    rows = re.findall(r"^\| [a-z].*\d \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert {row[0] for row in cells} == {shape.name for shape in overshoot.SHAPES}
    assert len(cells) >= 8
    loops = {shape.name: shape.loops for shape in overshoot.SHAPES}
    for name, _seed, _limit, _before, late_loops, late, most, _beyond, in_the_pause, _after in cells:
        assert (in_the_pause, most) == ("0", "1")
        assert int(late) == int(late_loops) <= loops[name]
