"""The budget server as clients start it: `tollbridge mcp budget`, through the relay and the door, to a gateway at work."""

import json
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway import lock
from gateway.domain.turn import TurnState
from gateway.engine.asked import Asking, Caller, Pace, session_of_agent
from gateway.local import door, relays
from gateway.local.lines import Lines
from mcp_servers import budget
from tests.cli.kit import ROOT, environment
from tests.engine.bench import bench, call, script
from tests.fakes.mcp_clients import find_mcp_clients
from tests.mcp_servers.test_conformance import run

pytestmark = [pytest.mark.anyio, pytest.mark.mcp_clients]

CODE = "from gateway.cli import main; main()"


async def judge(_hook: relays.Hook) -> dict[str, Any]:
    """No hook comes here."""
    return {}


async def test_the_inspector_reaches_the_budget_of_its_session_through_the_relay(tmp_path: Path) -> None:
    """Over stdin and stdout it lists and calls the tools, and the session is the one that the client's environment names."""
    home = lock.make_home(tmp_path / "home")
    clients = find_mcp_clients()
    assert clients is not None
    async with bench(script(call(10))) as gateway:
        gateway.says("Fix the flaky login test")
        await gateway.ended(TurnState.FINISHED)
        [session] = await gateway.sessions()
        pace = Pace()

        async def serve(hello: relays.Hello, lines: Lines) -> None:
            caller = Caller("a client", own=session_of_agent(hello.session))
            await budget.serve(lines, lines, Asking(gateway.world, caller, pace), session=hello.session)

        async with door.opened(home) as listener, anyio.create_task_group() as tasks:
            tasks.start_soon(door.serve, listener, relays.routes({"budget": serve}, judge, 5))
            usual = environment(home, CLAUDE_CODE_SESSION_ID=session.agent_session or "")
            names = ("TOLLBRIDGE_HOME", "PYTHONPATH", "CLAUDE_CODE_SESSION_ID")
            config = tmp_path / "mcp.json"
            server = {
                "command": sys.executable,
                "args": ["-c", CODE, "mcp", "budget"],
                "env": {name: usual[name] for name in names},
                "cwd": str(ROOT),
            }
            config.write_text(json.dumps({"mcpServers": {"tollbridge": server}}))

            async def inspects(*arguments: str) -> dict[str, Any]:
                where = ("--cli", "--config", str(config), "--server", "tollbridge")
                code, out, errors = await run(tmp_path, *clients.inspector, *where, *arguments)
                assert code == 0, out + errors
                return json.loads(out)

            listed = await inspects("--method", "tools/list")
            assert [tool["name"] for tool in listed["tools"]] == list(budget.TOOLS)
            cost = await inspects("--method", "tools/call", "--tool-name", "session_cost")
            assert cost["structuredContent"]["session"] == session.id
            assert cost["structuredContent"]["spent_usd"] == "0.10"
            tasks.cancel_scope.cancel()
