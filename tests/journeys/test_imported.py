"""What the real client leaves on the disk, made into turns: those that the gateway metered are its own, others are a history."""

import sys
from pathlib import Path

import anyio
import pytest

from gateway import history, lock
from gateway.core.imported import MAY_GO_ON_MS
from gateway.domain.turn import TurnState
from gateway.usage_store import EVERYWHERE, open_usage
from tests.cli.kit import ROOT
from tests.fakes.messages_script import Text, Tool
from tests.journeys.rig import rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]

SCAN = (sys.executable, "-m", "gateway", "scan", "--json")
SUB = Tool(
    "Agent",
    {"description": "look", "prompt": "Look around", "subagent_type": "general-purpose", "run_in_background": False},
)


async def test_a_turn_that_the_gateway_metered_is_not_imported_and_another_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn with a sub-agent: beside its ledger it is left out; a gateway that never met it reads the same cost off the client's log."""
    async with rig(tmp_path) as gateway:
        for name in ("HOME", "CLAUDE_CONFIG_DIR"):
            monkeypatch.setenv(name, gateway.environ[name])
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        gateway.api.script([SUB, Text("Looked.")], prompt="Look")
        gateway.api.script([Tool("Bash", {"command": "ls"}), Text("nothing here")], kind="sub")
        gateway.phone.says("Look")
        await gateway.sees("Looked.")
        turn = await gateway.ended(TurnState.FINISHED)
        elsewhere = lock.make_home(tmp_path / "elsewhere")
        for home in (gateway.home, elsewhere):
            await history.scanned(home, SCAN)
        later_ms = gateway.world.clock.now_ms() + 2 * MAY_GO_ON_MS

        def told(home: Path) -> history.History:
            return history.histories(home, gateway.world.rates, later_ms)["claude"]

        own, new = [await anyio.to_thread.run_sync(told, home) for home in (gateway.home, elsewhere)]
    assert (own.turns, own.left_out) == ((), 1)
    [imported] = new.turns
    assert (imported.past.cost, imported.past.model, imported.past.at_least) == (turn.spent, turn.model, False)
    with open_usage(elsewhere, EVERYWHERE) as store:
        prompts = {(row.loop == "main", row.prompt) for row, _ in store.calls("claude", 0)}
    assert prompts == {(True, imported.prompt), (False, imported.prompt)}
