"""Sessions at the desk that export telemetry: what no transcript shows is booked as it happens, and nothing twice."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import anyio
import pytest

from gateway.agents.claude.desk import DeskAgent
from gateway.agents.claude.desk.reported import SHOWN_WITHIN_S
from gateway.agents.claude.transcript import record, sub_agents
from gateway.domain.turn import TurnState
from gateway.domain.usage import Tokens
from gateway.local import logs, loopback, token
from tests.fakes.claude_desk import terminal
from tests.fakes.messages_api import Hold, Text, Tool
from tests.journeys.rig import Rig, as_counts, rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]

QUIET = ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_TELEMETRY")


@asynccontextmanager
async def collecting(gateway: Rig) -> AsyncGenerator[Mapping[str, str]]:
    """The loopback listener of this gateway; the environment of a client that exports to it."""
    desk = cast("DeskAgent", gateway.world.agents["channel"])
    listener = loopback.bound("127.0.0.1", 0)
    port = listener.getsockname()[1]
    routes = {logs.PATH: logs.route(desk.telemetry)}
    guarded = loopback.Guarded(routes, lambda: token.token_of(gateway.home), "127.0.0.1", port)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(loopback.serve, listener, guarded)
        yield {
            **gateway.environ,
            "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
            "OTEL_LOGS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer {token.token_of(gateway.home)}",
            "OTEL_LOGS_EXPORT_INTERVAL": "500",
        }
        tasks.cancel_scope.cancel()


async def all_booked(gateway: Rig) -> None:
    """Wait until the ledger has every token that was charged so far, then compare class by class."""
    total = gateway.api.total()
    await gateway.until(lambda turns: as_counts(sum((turn.tokens for turn in turns), Tokens())) == total)
    await gateway.exact()


def in_transcripts(environ: Mapping[str, str]) -> Tokens:
    """What the transcripts show, each call once."""
    found: dict[str, Tokens] = {}
    for path in (Path(environ["CLAUDE_CONFIG_DIR"]) / "projects").glob("*/*.jsonl"):
        for file in (path, *sub_agents(path)):
            for line in file.read_bytes().splitlines():
                if (one := record(line)) is not None:
                    found[one.message.id] = one.message.usage.tokens()
    return sum(found.values(), Tokens())


async def forgotten(gateway: Rig) -> None:
    """Wait until the gateway has taken in all that the session told, and that it has ended."""

    async def passed() -> list[str]:
        return gateway.steps.passed

    await gateway.steps.until(passed, lambda steps: "client.forgotten" in steps)


async def test_a_compaction_is_booked_before_the_session_ends(tmp_path: Path) -> None:
    """The transcript lacks exactly the compaction; the ledger has it while the session is open, and no more once it has ended."""
    async with rig(tmp_path) as gateway, collecting(gateway) as environ:
        gateway.api.script([Tool("Bash", {"command": "echo one"}), Text("Done.")])
        with terminal(environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("hello")
            await gateway.sees("At the desk: hello")
            await gateway.ended(TurnState.FINISHED)
            await desk.says("/compact")
            _, compaction = await gateway.until(
                lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2
            )
            assert as_counts(compaction.tokens) == gateway.api.total(kind="compact")
            await gateway.sees("At the desk: /compact")
            await gateway.exact()
            shown = as_counts(in_transcripts(environ))
            assert shown != gateway.api.total()
            assert shown == gateway.api.total(kind="main")
            turns = await gateway.turns()
            assert [turn.calls for turn in turns] == [2, 1]
            await desk.leaves()
        await forgotten(gateway)
        await gateway.exact()
        assert [turn.calls for turn in await gateway.turns()] == [2, 1]


async def test_a_title_is_booked_while_the_session_is_open(tmp_path: Path) -> None:
    """A client that makes calls of its own beside its turns, as it does by default: titles are booked as such, once."""
    async with rig(tmp_path) as gateway, collecting(gateway) as collected:
        environ = {name: value for name, value in collected.items() if name not in QUIET}
        gateway.api.script([Text("One."), Text("Two.")])
        with terminal(environ, tmp_path / "project") as desk:
            await desk.ready()
            for words in ("first thing to do", "second thing to do"):
                await desk.says(words)
                await gateway.sees(f"At the desk: {words}")
            await gateway.charged(1, kind="title")
            await all_booked(gateway)
            assert as_counts(in_transcripts(environ)) == gateway.api.total(kind="main") != gateway.api.total()
            await desk.leaves()
        await forgotten(gateway)
        await gateway.exact()
        assert sum(turn.calls for turn in await gateway.turns()) == len(gateway.api.charges)


async def test_sub_agents_and_escape_are_booked_once_by_both_sources(tmp_path: Path) -> None:
    """A sub-agent's calls, its report, and a call that was cut: the two sources name the same requests, and the end adds nothing."""
    async with rig(tmp_path) as gateway, collecting(gateway) as environ:
        hold = Hold()
        inputs = {"description": "look", "prompt": "look around", "subagent_type": "general-purpose"}
        gateway.api.script(
            [Tool("Agent", inputs), Text("Sent."), Text("Reported."), [Text("half"), hold, Text(" done")]]
        )
        gateway.api.script([Tool("Bash", {"command": "ls"}), Text("Looked.")], kind="sub")
        with terminal(environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("delegate")
            await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
            await gateway.exact()
            await desk.says("and more")
            await anyio.to_thread.run_sync(hold.wait_reached)
            await anyio.sleep(0.5)
            desk.keys("\x1b")
            await gateway.ended(TurnState.INTERRUPTED)
            hold.release()
            await anyio.sleep(SHOWN_WITHIN_S + 1)
            calls = sum(turn.calls for turn in await gateway.turns())
            assert calls == len(gateway.api.charges)
            await desk.leaves()
        await forgotten(gateway)
        await gateway.exact()
        assert sum(turn.calls for turn in await gateway.turns()) == calls
