"""What can be reached at the desk, with the real Claude Code and the installed plugin: no channels here, and `claude -p`."""

from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest

from gateway.agents.claude.desk import client
from gateway.cli import claude_code, plugin_files
from gateway.cli.claude_code import PLUGIN
from gateway.domain.turn import TurnState
from tests.fakes.claude_binary import find_claude
from tests.fakes.claude_desk import terminal
from tests.fakes.messages_api import Text
from tests.journeys.rig import Rig, rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]


async def installed(gateway: Rig, place: Path) -> Mapping[str, str]:
    """The environment of a client that has the plugin."""
    environ = dict(gateway.environ)
    source = plugin_files.copied(place / "plugin home")
    for words in (("plugin", "marketplace", "add", str(source)), ("plugin", "install", PLUGIN)):
        code, said, complained = await anyio.to_thread.run_sync(claude_code.run, str(find_claude()), words, environ)
        assert code == 0, said + complained
    return environ


async def printed(prompt: str, environ: Mapping[str, str], directory: Path) -> str:
    """What `claude -p` says."""
    with anyio.fail_after(120):
        done = await anyio.run_process([str(find_claude()), "-p", prompt], env=environ, cwd=directory, check=False)
    return done.stdout.decode("utf-8", "replace")


async def test_a_client_without_channels_is_found_out_by_its_first_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its channel's server is joined like any other. Nothing is promised; after one message that it did not show the next ones wait."""
    monkeypatch.setattr(client, "CONFIRM_S", 3.0)
    async with rig(tmp_path) as gateway:
        environ = await installed(gateway, tmp_path)
        with terminal(environ, tmp_path / "project", hooks={}) as desk:
            await desk.ready()
            await gateway.sees("shows with the first one that you write", timeout=60)
            gateway.phone.says("hello there")
            await gateway.sees("Written to the session at the desk.")
            await gateway.sees("This session takes no messages from here: close it and write /start", timeout=60)
            await gateway.taps("This session takes no messages from here", "Send again")
            await gateway.sees("It waits.")
            await gateway.sees("Not delivered yet")
            gateway.phone.says("/sessions")
            await gateway.sees("Claude Code at the desk · waits · $0.00 · this one · hello there")
            assert not any("Working" in seen.text for seen in gateway.phone.sees())
            await desk.leaves()
        assert (gateway.api.charges, gateway.telegram.violations) == ([], [])
        gateway.api.script([Text("Here I am.")])
        gateway.phone.says("/start")
        await gateway.sees("Here I am.", timeout=60)
        await gateway.exact()


async def test_a_yes_to_claude_p_passes_when_it_is_sent_again(tmp_path: Path) -> None:
    """Each is a session of its own: the second one runs the turn that was asked about, nothing was advertised, and the list is empty."""
    (tmp_path / "project").mkdir()
    async with rig(tmp_path, confirm="0.10") as gateway:
        environ = await installed(gateway, tmp_path)
        gateway.api.script([Text("All counted.")])
        await printed("count it", environ, tmp_path / "project")
        await gateway.taps("count it", "Run, up to $0.50")
        await gateway.sees("Send it again at the desk")
        assert gateway.api.charges == []
        assert "All counted." in await printed("count it", environ, tmp_path / "project")
        await gateway.sees("At the desk: count it")
        turns = await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED])
        assert turns[0].calls == len(gateway.api.charges) == 1
        await gateway.exact()
        assert [session.unattended for session in await gateway.sessions()] == [True, True]
        gateway.phone.says("/sessions")
        await gateway.sees("No session yet")
        assert not any("Open at the desk" in seen.text for seen in gateway.phone.sees())
