"""The plugin as it is installed, with the real Claude Code and a gateway: what it brings is all that a session needs."""

from pathlib import Path

import anyio
import pytest

from gateway.cli import claude_code, plugin_files
from gateway.cli.claude_code import PLUGIN
from gateway.domain.turn import Origin, TurnState
from tests.fakes.claude_binary import find_claude
from tests.fakes.messages_api import Text
from tests.journeys.rig import rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]


async def test_a_session_with_the_installed_plugin_is_gated_metered_and_told(tmp_path: Path) -> None:
    """Nothing but `plugin install` was done: every call is booked class by class, and without a gateway none is made."""
    claude, project = str(find_claude()), tmp_path / "project"
    project.mkdir()
    async with rig(tmp_path, session="5") as gateway:
        environ = dict(gateway.environ)
        place = plugin_files.copied(tmp_path / "plugin home")
        for words in (("plugin", "marketplace", "add", str(place)), ("plugin", "install", PLUGIN)):
            code, said, complained = await anyio.to_thread.run_sync(claude_code.run, claude, words, environ)
            assert code == 0, said + complained
        gateway.api.script([Text("Done.")])
        told = await _ran(claude, "one thing", environ, project)
        assert "Done." in told
        await gateway.sees("At the desk: one thing", timeout=60)
        turn = await gateway.ended(TurnState.FINISHED)
        assert (turn.origin, turn.calls) == (Origin.DESK, len(gateway.api.charges))
        await gateway.exact()
        calls = len(gateway.api.charges)
        await _ran(
            claude, "nobody asks", {**environ, "TOLLBRIDGE_HOME": str(tmp_path / "nobody")}, tmp_path / "project"
        )
        assert len(gateway.api.charges) == calls


async def _ran(claude: str, prompt: str, environ: dict[str, str], directory: Path) -> str:
    """Run a prompt as a program would, and give what it printed."""
    with anyio.fail_after(120):
        done = await anyio.run_process([claude, "-p", prompt], env=environ, cwd=directory, check=False)
    return done.stdout.decode("utf-8", "replace")
