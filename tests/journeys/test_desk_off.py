"""Sessions that a person opens with TOLLBRIDGE_OFF, with the real Claude Code: nothing holds them, and people are told that."""

import json
from functools import partial
from pathlib import Path

import anyio
import pytest

from gateway import lock
from tests import nursery
from tests.cli.kit import environment
from tests.fakes.claude_desk import terminal
from tests.fakes.messages_api import MessagesApi, Text
from tests.journeys.rig import rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]


async def reported(home: Path, *options: str) -> str:
    """What `tollbridge report` says."""
    known = environment(home, HOME=str(home.parent))
    return (await anyio.to_thread.run_sync(partial(nursery.run, ["report", *options], env=known))).stdout


async def test_a_session_that_is_off_is_not_held_and_the_phone_and_the_report_say_so(tmp_path: Path) -> None:
    """Under limits that would hold anything it works; one quiet message, no turn, and a line below the report."""
    async with rig(tmp_path, session="0.0001", confirm="0.00001", step="0.00005") as gateway:
        gateway.api.script([Text("Free as a bird.")])
        with terminal({**gateway.environ, "TOLLBRIDGE_OFF": "1"}, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("hello")
            await desk.shows("Free as a bird.")
            seen = await gateway.sees("TOLLBRIDGE_OFF")
            assert (
                seen.text
                == f"Claude Code was opened in {tmp_path}/project with TOLLBRIDGE_OFF: what it spends is not metered."
            )
            await desk.leaves()
        assert (len(gateway.phone.sees()), await gateway.turns(), len(gateway.api.charges)) == (1, [], 1)
        assert gateway.telegram.violations == []
    said = await reported(gateway.home)
    assert "Not metered: 1 session went with TOLLBRIDGE_OFF on" in said
    assert "in ~/project." in " ".join(said.split())
    [told] = json.loads(await reported(gateway.home, "--json"))["unmetered"]
    assert told["directory"] == str(tmp_path / "project")


async def test_a_session_that_is_off_and_began_without_a_gateway_is_said_when_one_starts(tmp_path: Path) -> None:
    """Its hook leaves word in the gateway's home, and the session is not held up."""
    home = lock.make_home(tmp_path / "home")
    with MessagesApi() as api:
        api.script([Text("Free as a bird.")])
        environ = {**api.claude_env(tmp_path / "claude"), "TOLLBRIDGE_HOME": str(home), "TOLLBRIDGE_OFF": "1"}
        with terminal(environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("hello")
            await desk.shows("Free as a bird.")
            await desk.leaves()
        async with rig(tmp_path, api) as gateway:
            await gateway.sees(f"Claude Code was opened in {tmp_path}/project with TOLLBRIDGE_OFF")
            assert (len(gateway.phone.sees()), len(api.charges)) == (1, 1)
    assert "Not metered: 1 session went with TOLLBRIDGE_OFF" in await reported(home)
