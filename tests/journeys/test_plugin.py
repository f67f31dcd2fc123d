"""The plugin as it is installed, with the real Claude Code and a gateway: what it brings is all that a session needs."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from gateway import lock
from gateway.cli import claude_code, plugin_files
from gateway.cli.claude_code import PLUGIN
from gateway.config import config_file
from gateway.domain.turn import Origin, TurnState
from gateway.store import open_readonly
from tests import nursery
from tests.cli.kit import without_settings
from tests.fakes.bot_api import BotApi
from tests.fakes.claude_binary import find_claude
from tests.fakes.messages_api import MessagesApi, Text
from tests.journeys.rig import OWNER, rig

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
        assert "Tollbridge" not in told, "the cost is for a screen, and this is read by programs"
        await gateway.sees("At the desk: one thing", timeout=60)
        turn = await gateway.ended(TurnState.FINISHED)
        assert (turn.origin, turn.calls) == (Origin.DESK, len(gateway.api.charges))
        await gateway.exact()
        calls = len(gateway.api.charges)
        await _ran(
            claude, "nobody asks", {**environ, "TOLLBRIDGE_HOME": str(tmp_path / "nobody")}, tmp_path / "project"
        )
        assert len(gateway.api.charges) == calls


async def test_a_session_without_a_gateway_starts_it_and_its_first_prompt_is_gated(tmp_path: Path) -> None:
    """`local.autostart`, a gateway that was killed, and `claude -p`: the prompt waits for the gateway, runs, and is in the ledger."""
    claude, project, home = str(find_claude()), tmp_path / "project", tmp_path / "home"
    project.mkdir()
    home.mkdir(mode=0o700)
    with MessagesApi() as api, BotApi() as telegram:
        phone = telegram.user(OWNER, "Ada")
        settings = f"""
            local.autostart = true
            history.read_logs = false
            agents.directory = "{project}"
            telegram.token = "{telegram.token}"
            telegram.base_url = "{telegram.base_url}"
            telegram.allowed_users = [{OWNER}]
        """
        config_file(home).write_text(settings, encoding="utf-8")
        terminal = without_settings(home, XDG_STATE_HOME=str(tmp_path / "state"))
        await anyio.to_thread.run_sync(_tollbridge, ("up", "--background"), terminal)
        os.kill(lock.holder(home) or 0, signal.SIGKILL)
        try:
            environ = api.claude_env(tmp_path / "claude") | {"TOLLBRIDGE_HOME": str(home)}
            place = plugin_files.copied(home)
            for words in (("plugin", "marketplace", "add", str(place)), ("plugin", "install", PLUGIN)):
                code, said, complained = await anyio.to_thread.run_sync(claude_code.run, claude, words, environ)
                assert code == 0, said + complained
            api.script([Text("Done.")])
            assert "Done." in await _ran(claude, "one thing", environ, project)
            await phone.waits_for("At the desk: one thing", timeout=60)
        finally:
            await anyio.to_thread.run_sync(_tollbridge, ("down",), terminal)
        with open_readonly(home) as reader:
            [(_, turn)] = reader.report_rows()
    assert (turn.origin, turn.state, turn.calls) == (Origin.DESK, TurnState.FINISHED, len(api.charges))


def _tollbridge(words: Sequence[str], environ: dict[str, str]) -> None:
    done = nursery.run(words, env=environ)
    assert done.returncode == 0, done.stderr


async def _ran(claude: str, prompt: str, environ: dict[str, str], directory: Path) -> str:
    """Run a prompt as a program would, and give what it printed."""
    with anyio.fail_after(120):
        done = await anyio.run_process([claude, "-p", prompt], env=environ, cwd=directory, check=False)
    return done.stdout.decode("utf-8", "replace")
