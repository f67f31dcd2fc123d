"""MCP's own conformance suite and Inspector against the budget server as it answers over HTTP."""

import json
import os
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.domain.turn import TurnState
from gateway.local.token import handle_of
from mcp_servers.budget import TOOLS, streamable
from tests.engine.bench import Bench, bench, call, script
from tests.fakes.mcp_clients import McpClients, find_mcp_clients
from tests.mcp_servers.budget_kit import Listening, listening, over_http
from tests.mcp_servers.sample import SERVER

pytestmark = [pytest.mark.anyio, pytest.mark.mcp_clients]

SUITE_S = 240

SAMPLE_TOOL = (
    r"no tool '(test_|json_schema)|Tool 'json_schema_2020_12_tool' not found|Not testable: server|InputRequiredResult"
)
SAMPLE_RESOURCE = "there is no such resource"
NOT_OFFERED = "Method not found"

EXPLAINED = {
    "The suite calls tools that only its own sample server has (test_simple_text, ...): ours has no use for them.": (
        SAMPLE_TOOL,
        "tools-call-*",
        "elicitation-sep*",
        "json-schema-2020-12:*",
        "input-required-result-*",
        "http-custom-header-server-validation:*",
        "server-stateless:sep-2575-server-rejects-undeclared-capability",
        "server-stateless:sep-2575-missing-capability-http-400",
        "server-stateless:sep-2575-http-server-no-independent-requests-on-stream",
        "server-stateless:sep-2575-server-no-log-without-loglevel",
    ),
    "The suite reads resources of its sample server (test://static-text, ...).": (
        SAMPLE_RESOURCE,
        "resources-read-*",
        "resources-templates-read:*",
    ),
    "Capabilities that are optional, and that the server neither has nor says it has: prompts, completions, logging, subscriptions.": (
        NOT_OFFERED,
        "prompts-*",
        "caching:sep-2549-prompts-list-caching-hints",
        "completion-complete:*",
        "logging-set-level:*",
        "tools-call-with-logging:*",
        "resources-subscribe:*",
        "resources-unsubscribe:*",
        "input-required-result-non-tool-request:*",
    ),
    "An extension (tasks), which no revision requires and the server does not declare.": ("", "tasks-*"),
}

PASSED = {
    "2025-11-25": {
        "dns-rebinding-protection",
        "ping",
        "resources-list",
        "server-initialize",
        "server-session-lifecycle",
        "server-sse-multiple-streams",
        "server-sse-polling",
        "tools-list",
    },
    "2026-07-28": {
        "dns-rebinding-protection",
        "http-header-validation",
        "input-required-result-ignore-extra-params",
        "input-required-result-missing-input-response",
        "input-required-result-unsupported-methods",
        "input-required-result-validate-input",
        "resources-list",
        "sep-2164-resource-not-found",
        "server-sse-multiple-streams",
        "tasks-status-notifications",
        "tools-list",
    },
}
"""Scenarios without any failed check. Of others single checks pass: of `server-stateless` 21, of `caching` 7."""


@pytest.fixture
def clients() -> McpClients:
    """The clients; the marker has seen to it that they are there."""
    found = find_mcp_clients()
    assert found is not None
    return found


@asynccontextmanager
async def answering(home: Path, *, bearing: bool = False) -> AsyncGenerator[tuple[Bench, Listening]]:
    """A gateway with a session of one turn that answers over HTTP."""
    async with bench(script(call(10))) as gateway:
        gateway.says("Fix the flaky login test")
        await gateway.ended(TurnState.FINISHED)
        async with over_http(gateway, home, bearing=bearing) as there:
            yield gateway, there


async def run(home: Path, *command: str) -> tuple[int, str, str]:
    """A client to its end: exit code, output, errors."""
    plain = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    with anyio.fail_after(SUITE_S):
        done = await anyio.run_process(command, check=False, cwd=home, env=plain | {"HOME": str(home), "NO_COLOR": "1"})
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def why(scenario: str, check: dict[str, Any]) -> str | None:
    """The pattern that explains a failed check; None: nothing does."""
    name, said = f"{scenario}:{check['id']}", check.get("errorMessage") or ""
    for message, *patterns in EXPLAINED.values():
        if re.search(message, said):
            for pattern in patterns:
                if fnmatch(name, pattern) or fnmatch(scenario, pattern):
                    return pattern
    return None


# The token is added on the way in, since the suite cannot be told one: everything else is as any client meets it.
async def suite(home: Path, clients: McpClients, there: Listening, *arguments: str) -> dict[str, list[dict[str, Any]]]:
    """The suite's checks of each scenario."""
    command = (*clients.conformance, "server", "--url", there.url, *arguments, "-o", str(home / "out"))
    _, out, errors = await run(home, *command)
    checks = {
        re.sub(r"^server-(.*)-\d{4}-\d\d-\d\dT.*$", r"\1", file.parent.name): json.loads(file.read_text())
        for file in (home / "out").glob("*/checks.json")
    }
    assert checks, out + errors
    return checks


@pytest.mark.parametrize("revision", sorted(PASSED))
async def test_the_conformance_suite_passes_but_for_what_is_explained(
    tmp_path: Path, clients: McpClients, revision: str
) -> None:
    """Every failed check of every scenario that the revision requires is explained, and what is said to pass passes."""
    async with answering(tmp_path / "home", bearing=True) as (_, there):
        checks = await suite(tmp_path, clients, there, "--requirements", revision)
    assert len(checks) > 30
    failed = {
        scenario: [check for check in found if check["status"] == "FAILURE"] for scenario, found in checks.items()
    }
    unexplained = [
        (scenario, check["id"], check.get("errorMessage"))
        for scenario, found in failed.items()
        for check in found
        if why(scenario, check) is None
    ]
    assert unexplained == []
    assert {scenario for scenario, found in failed.items() if not found} == PASSED[revision]


CARRIED = (
    "tools-call-simple-text",
    "tools-call-image",
    "tools-call-audio",
    "tools-call-embedded-resource",
    "tools-call-mixed-content",
    "tools-call-error",
    "tools-call-with-progress",
    "tools-call-sampling",
    "tools-call-elicitation",
    "elicitation-sep1034-defaults",
    "resources-read-text",
    "resources-read-binary",
    "resources-templates-read",
    "server-sse-multiple-streams",
    "server-session-lifecycle",
)


async def test_what_the_suites_sample_server_says_is_carried_by_the_listener(
    tmp_path: Path, clients: McpClients
) -> None:
    """Streams, progress, and questions to the client in the middle of a call pass through the listener as they were sent."""
    async with (
        streamable(SERVER) as mcp,
        listening({"/mcp": mcp}, tmp_path / "home", bearing=True) as there,
    ):
        checks: dict[str, list[dict[str, Any]]] = {}
        for scenario in CARRIED:
            checks |= await suite(tmp_path, clients, there, "--scenario", scenario, "--spec-version", "2025-11-25")
    assert set(checks) == set(CARRIED)
    assert [(name, one) for name, found in checks.items() for one in found if one["status"] == "FAILURE"] == []


async def test_the_inspector_lists_and_calls_the_tools(tmp_path: Path, clients: McpClients) -> None:
    """With the token in its header it lists tools whose schemas it finds portable, calls each that reads, and reads resources."""
    async with answering(tmp_path / "home") as (gateway, there):
        [session] = await gateway.sessions()
        handle = handle_of(there.token, session.id)

        async def inspects(*arguments: str) -> dict[str, Any]:
            bearer = f"Authorization: Bearer {there.token}"
            command = (*clients.inspector, "--cli", there.url, "--transport", "http", "--header", bearer, *arguments)
            code, out, errors = await run(tmp_path, *command)
            assert code == 0, out + errors
            return json.loads(out)

        listed = await inspects("--method", "tools/list", "--strict")
        assert [tool["name"] for tool in listed["tools"]] == list(TOOLS)
        called = ("--method", "tools/call", "--tool-arg", f"session={handle}", "--tool-name")
        cost = await inspects(*called, "session_cost")
        assert cost["structuredContent"]["spent_usd"] == "0.10"
        asked = await inspects(*called, "request_budget", "--tool-arg", "amount=2", "--tool-arg", "wait_seconds=0")
        assert asked["structuredContent"]["status"] == "pending"
        read = await inspects("--method", "resources/read", "--uri", f"tollbridge://session/{handle}")
        assert "Fix the flaky login test" in read["contents"][0]["text"]


async def test_the_inspector_without_the_token_gets_nothing(tmp_path: Path, clients: McpClients) -> None:
    """Attack 55: it hears that it has to show one."""
    async with answering(tmp_path / "home") as (_, there):
        command = (*clients.inspector, "--cli", there.url, "--transport", "http", "--method", "tools/list")
        code, out, _ = await run(tmp_path, *command)
    assert code != 0
    assert "budget_status" not in out
