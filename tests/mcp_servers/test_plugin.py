"""The plugin's own files: what the client accepts, what the relay understands, and what a gate must not leave open."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.agents.claude.desk.hooks import Event
from gateway.cli import VERSION
from gateway.cli.claude_code import NAME, PLUGIN
from gateway.host import HOOK_S
from mcp_servers import relay
from tests.fakes.claude_binary import find_claude

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "mcp_servers" / "claude_plugin"
GATES = {"UserPromptSubmit", "PreToolUse", "PostToolBatch", "PreCompact"}
EVENTS = {event.value for event in Event}
"""What the gateway understands."""


def held(path: str, folder: Path = FOLDER) -> dict[str, Any]:
    """What a file of JSON holds."""
    return json.loads((folder / path).read_text(encoding="utf-8"))


def entries() -> dict[str, dict[str, Any]]:
    """Each event's one hook."""
    found: dict[str, dict[str, Any]] = {}
    for event, groups in held("hooks/hooks.json")["hooks"].items():
        [group] = groups
        [found[event]] = group["hooks"]
        assert group.get("matcher", "*") == "*"
    return found


def started(words: list[str]) -> list[str]:
    """The command of an entry as the client starts it, with this Python."""
    return [sys.executable, *(word.replace("${CLAUDE_PLUGIN_ROOT}", str(FOLDER)) for word in words)]


def run(words: list[str], tmp_path: Path, said: bytes = b"{}") -> subprocess.CompletedProcess[bytes]:
    """Start it where there is no gateway."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TOLLBRIDGE_HOME": str(tmp_path / "none")}
    return subprocess.run(words, input=said, env=environ, cwd=tmp_path, capture_output=True, check=False, timeout=150)


def test_every_part_says_the_same_name_and_version() -> None:
    """Manifest, both marketplaces and relay agree with the gateway, so that nobody installs an older half."""
    manifest = held(".claude-plugin/plugin.json")
    assert (manifest["name"], manifest["version"]) == (NAME, VERSION)
    assert (relay.NAME, relay.VERSION) == (NAME, VERSION)
    for market, place in ((FOLDER, FOLDER), (ROOT, FOLDER)):
        listed = held(".claude-plugin/marketplace.json", market)
        [one] = listed["plugins"]
        assert f"{one['name']}@{listed['name']}" == PLUGIN
        assert (market / one["source"]).resolve() == place
        assert one["description"] == manifest["description"]


def test_the_channel_that_the_manifest_names_is_a_server() -> None:
    """The two servers are the relay's two modes, and the one that pushes is told to the client as a channel."""
    servers = held(".mcp.json")["mcpServers"]
    assert servers.keys() == {"channel", "budget"}
    assert [one["server"] for one in held(".claude-plugin/plugin.json")["channels"]] == ["channel"]
    assert all(server["command"] == "python3" for server in servers.values())


@pytest.mark.parametrize("kind", ["channel", "budget"])
def test_a_server_is_started_as_the_plugin_says(tmp_path: Path, kind: str) -> None:
    """The words in .mcp.json start a relay that shakes hands, with no gateway there too."""
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}
    words = started(held(".mcp.json")["mcpServers"][kind]["args"])
    done = run(words, tmp_path, json.dumps(hello).encode() + b"\n")
    [line] = done.stdout.splitlines()
    told = json.loads(line)["result"]
    assert told["serverInfo"]["name"] == NAME
    assert ("claude/channel" in told["capabilities"].get("experimental", {})) is (kind == "channel")


def test_every_event_that_meters_or_gates_has_its_hook() -> None:
    """No event is forgotten, and each hook is started without a shell."""
    found = entries()
    assert found.keys() == EVENTS
    assert all(hook["type"] == "command" and hook["command"] == "python3" for hook in found.values())


def test_a_gate_that_fails_blocks_and_waits_for_as_long_as_a_turn_may_take() -> None:
    """A hook that fails blocks what costs money; and the gateway answers before the relay gives up, and that before the client."""
    for event, hook in entries().items():
        waits = float(hook["args"][-1])
        assert (hook.get("onFailure") == "block") is (event in GATES)
        waits_long = event in (*GATES, "PostCompact")
        assert hook["timeout"] == 3600 if waits_long else hook["timeout"] <= 30
        assert event not in GATES or waits > HOOK_S
        assert hook["timeout"] * 0.8 < waits <= hook["timeout"] - 5


def test_a_hook_that_may_stand_says_what_for_and_no_other_does() -> None:
    """A session that is held at a limit does not look hung; what is answered at once needs no words."""
    said = {event: hook.get("statusMessage", "") for event, hook in entries().items()}
    stands = {event for event, hook in entries().items() if hook["timeout"] == 3600}
    assert {event for event, words in said.items() if words} == stands == {*GATES, "PostCompact"}
    [words] = {said[event] for event in stands}
    assert words.startswith("Tollbridge: ")
    assert len(words) <= 40, "it stands in a line with the time, on a narrow terminal too"


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_every_hook_is_a_question_that_the_relay_knows(tmp_path: Path, event: str) -> None:
    """With no gateway each hook as written ends well: a gate with a refusal, any other with nothing."""
    done = run(started(entries()[event]["args"]), tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (b"tollbridge up" in done.stdout) is (event in GATES)
    if event in GATES:
        told = json.loads(done.stdout)
        assert told.get("decision") == "block" or told["continue"] is False


def test_a_hook_without_its_relay_fails_so_that_the_client_blocks(tmp_path: Path) -> None:
    """A folder that lost its relay ends a hook with an error, which blocks, and never with a word that allows."""
    words = [word.replace(str(FOLDER), str(tmp_path)) for word in started(entries()["UserPromptSubmit"]["args"])]
    done = run(words, tmp_path)
    assert done.returncode != 0
    assert done.stdout == b""


def test_the_relay_is_a_file_in_the_folder_that_clients_load() -> None:
    """Links out of the folder are dropped when it is copied: the package's own name for the relay is the link."""
    assert not [path for path in FOLDER.rglob("*") if path.is_symlink()]
    assert (ROOT / "mcp_servers" / "relay.py").resolve() == FOLDER / "relay.py"


@pytest.mark.parametrize("name", ["status", "budget", "pair"])
def test_a_skill_is_the_persons_to_call_and_names_only_tools_that_there_are(name: str) -> None:
    """No skill is called by the model itself, and what it may use without asking only looks."""
    text = (FOLDER / "skills" / name / "SKILL.md").read_text(encoding="utf-8")
    head = text.split("---")[1]
    assert f"name: {name}\n" in head
    assert "disable-model-invocation: true\n" in head
    allowed = set(re.findall(r"mcp__plugin_tollbridge_budget__(\w+)", head))
    assert allowed <= {"session_cost", "budget_status", "estimate"}
    assert "Bash" not in head


def test_pairing_is_only_shown_and_never_done_by_an_agent() -> None:
    """The skill that tells how somebody is let in has no tool to do it with, and says so to the agent."""
    text = (FOLDER / "skills" / "pair" / "SKILL.md").read_text(encoding="utf-8")
    assert "allowed-tools" not in text
    assert "Run none of these commands" in text


@pytest.mark.claude
def test_the_client_finds_nothing_wrong_with_the_plugin_and_both_marketplaces(tmp_path: Path) -> None:
    """The real client validates them strictly: every event, option and field is one that it knows."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CLAUDE_CONFIG_DIR": str(tmp_path / "config")}
    for path in (FOLDER, FOLDER / ".claude-plugin" / "plugin.json", ROOT):
        command = [str(find_claude()), "plugin", "validate", "--strict", str(path)]
        done = subprocess.run(
            command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=150
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Validation passed" in done.stdout
