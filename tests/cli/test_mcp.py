"""`tollbridge mcp`: becoming the relay, the token, and a real gateway that answers over HTTP."""

import json
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from gateway.cli import exact, mcp
from gateway.local.token import FILE, handle_of, token_of
from gateway.ports import AGENT_MARK, Decision
from gateway.store import open_store
from tests import nursery
from tests.cli.kit import ROOT, environment, session
from tests.cli.test_up import start

LIMIT_S = 150
TELLS = """
import json, os, sys
print(json.dumps([os.getpid(), sys.argv[1:], sys.flags.isolated, sys.flags.no_site, sys.stdin.read()]))
"""


def runs(home: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """`tollbridge mcp ...` to its end."""
    return nursery.run(["mcp", *arguments], env=environment(home, **more))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with nothing in it, beside a directory to work in."""
    (tmp_path / "project").mkdir()
    place = tmp_path / "home"
    place.mkdir(mode=0o700)
    return place


@pytest.mark.parametrize("mode", ["budget", "channel"])
def test_the_command_becomes_the_relay(tmp_path: Path, mode: str) -> None:
    """The same process, without site packages, on the same stdin and stdout: nothing of this program stands in between."""
    relay = tmp_path / "relay.py"
    relay.write_text(TELLS, encoding="utf-8")
    code = f"import pathlib\nfrom gateway.cli import mcp\nmcp.RELAY = pathlib.Path({str(relay)!r})\nmcp.{mode}()"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        said, _ = process.communicate("a frame", timeout=LIMIT_S)
    assert json.loads(said) == [process.pid, [mode], 1, 1, "a frame"]


def test_the_relay_is_where_the_command_looks_for_it() -> None:
    """Beside the servers that it leads to."""
    assert (ROOT / "mcp_servers" / "relay.py").samefile(mcp.RELAY)
    assert mcp.RELAY.is_file()


def test_the_token_is_shown_made_anew_and_made_into_handles(home: Path) -> None:
    """Shown again it is the same; `--new` makes another."""
    first = runs(home, "token")
    assert (first.returncode, first.stderr) == (0, "")
    secret = first.stdout.strip()
    assert secret == (home / FILE).read_text().strip()
    assert runs(home, "token").stdout == first.stdout
    renewed = runs(home, "token", "--new", HOME=str(home.parent))
    assert (renewed.returncode, renewed.stderr) == (0, "")
    assert renewed.stdout.strip() != secret
    assert runs(home, "token").stdout == renewed.stdout


@pytest.mark.anyio
async def test_a_handle_is_made_for_a_session_that_there_is(home: Path) -> None:
    """Named as `tollbridge sessions` shows it, by how its id begins; a handle of another text would only be refused later."""
    refused = runs(home, "token", "--session", "s_1")
    assert (refused.returncode, refused.stdout) == (1, "")
    alike = replace(session(1), id="s_12777")
    async with open_store(home, lambda: 1) as store:
        await store.transact(lambda _: Decision(None, put=(session(1), session(2), alike)), 1)
    for named, whole in (("s_22", session(2).id), (session(1).id, session(1).id)):
        done = runs(home, "token", "--session", named)
        assert (done.returncode, done.stdout.strip()) == (0, handle_of(token_of(home), whole)), done.stderr
    for named, words in (("s_12", "more than one"), ("s_9", "there is no session")):
        refused = runs(home, "token", "--session", named)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert words in refused.stderr


@pytest.mark.parametrize("noted", [True, False])
def test_who_makes_another_token_hears_that_claude_code_holds_the_one_before(home: Path, *, noted: bool) -> None:
    """What was written there by `plugin install --exact` counts no more: the command that renews it is named, beside the token."""
    path = home.parent / ".claude" / "settings.json"
    exact.written(exact.addition(path, exact.wanted("127.0.0.1", 8731, token_of(home)), {}), home)
    if not noted:
        (home / exact.FILE).unlink()
    more = {"HOME": str(home.parent), "CLAUDE_CONFIG_DIR": ""}
    done = runs(home, "token", "--new", **more)
    assert done.stdout.strip() == token_of(home)
    assert "plugin install --exact` again" in done.stderr
    path.write_text("{", encoding="utf-8")
    assert runs(home, "token", "--new", **more).returncode == 0


@pytest.mark.parametrize("more", [(), ("--new",), ("--session", "s_1")])
def test_an_agent_is_shown_no_token(home: Path, more: tuple[str, ...]) -> None:
    """Attack 30: inside an agent the command says why, and makes nothing."""
    found = runs(home, "token", *more, **{AGENT_MARK: "/somewhere"})
    assert (found.returncode, found.stdout) == (1, "")
    assert "inside an agent" in found.stderr
    assert list(home.iterdir()) == []


def test_a_gateway_answers_over_http_where_the_settings_say(home: Path) -> None:
    """Off by default; with the setting, budget tools answer whoever bears the token, and nobody else."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = start(home, "--chat", "console", LOCAL__LISTEN=f"127.0.0.1:{port}")
    url = f"http://127.0.0.1:{port}/mcp"
    log = home / "gateway.log"
    try:
        secret = runs(home, "token").stdout.strip()
        transport = httpx.HTTPTransport(retries=20)
        with httpx.Client(transport=transport, timeout=LIMIT_S) as client:
            assert client.post(url, json={}).status_code == 401
            accept = "application/json, text/event-stream"
            headers = {"Authorization": f"Bearer {secret}", "Accept": accept, "MCP-Protocol-Version": "2026-07-28"}
            meta = {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            }
            params = {"name": "budget_status", "arguments": {}, "_meta": meta}
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
            named = headers | {"Mcp-Method": "tools/call", "Mcp-Name": "budget_status"}
            until = time.monotonic() + LIMIT_S
            while (found := client.post(url, json=body, headers=named)).status_code == 503 and time.monotonic() < until:
                assert "has just been started" in found.json()["error"]
                time.sleep(0.1)
            assert found.status_code == 200, found.text
            limits = found.json()["result"]["structuredContent"]["limits"]
            assert [limit["scope"] for limit in limits] == ["day"]
    finally:
        process.terminate()
        _, said = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, said
    assert secret not in log.read_text()


def test_a_taken_port_keeps_the_gateway_from_starting(home: Path) -> None:
    """In a sentence that names the setting: a listener that silently is not there would be missed too late."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(home, "--chat", "console", LOCAL__LISTEN=f"127.0.0.1:{port}")
        _, said = process.communicate("", timeout=LIMIT_S)
    assert process.returncode == 1
    assert f"local.listen: nothing can listen on 127.0.0.1 port {port}" in said
