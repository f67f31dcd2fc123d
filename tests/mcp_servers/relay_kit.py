"""A client as the relay sees it: a real process, raw frames, and a gateway's process that can be killed."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.cli.kit import ROOT, environment

RELAY = ROOT / "mcp_servers" / "relay.py"
COMMAND = [sys.executable, "-I", "-S", str(RELAY)]
CLIENT = ["/bin/sh", "-c", '"$@"; exit $?', "client"]
"""A client that is started with its variables, and then starts what follows: only those are believed."""
OURS = {"TOLLBRIDGE_OFF", "TOLLBRIDGE_AGENT"}
LIMIT_S = 20
LINE_MAX = 64 * 1024 * 1024
INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}


class Client:
    """It keeps every frame that it was sent; a line that is none fails the test."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self.input = process.stdin
        self.frames: list[dict[str, Any]] = []
        self._output = BufferedByteReceiveStream(process.stdout)
        self._count = 0

    async def say(self, method: str, params: dict[str, Any] | None = None, **more: Any) -> None:
        """A notification, or with an id a request."""
        await self.send({"jsonrpc": "2.0", "method": method, **({"params": params} if params else {}), **more})

    async def send(self, message: dict[str, Any]) -> None:
        """Any message."""
        await self.raw(json.dumps(message).encode() + b"\n")

    async def raw(self, line: bytes) -> None:
        """Bytes as they are."""
        with anyio.fail_after(LIMIT_S):
            await self.input.send(line)

    async def frame(self) -> dict[str, Any]:
        """The next frame."""
        with anyio.fail_after(LIMIT_S):
            line = await self._output.receive_until(b"\n", LINE_MAX)
        message = json.loads(line)
        assert message["jsonrpc"] == "2.0"
        self.frames.append(message)
        return message

    async def ask(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """A request, and its answer; what comes before that is kept."""
        self._count += 1
        own = self._count
        await self.say(method, params, id=own)
        while (found := await self.frame()).get("id") != own:
            pass
        return found

    async def notified(self, method: str) -> dict[str, Any]:
        """The next notification or request of this method."""
        while (found := await self.frame()).get("method") != method:
            pass
        return found

    async def shake_hands(self) -> dict[str, Any]:
        """The handshake; what the server says of itself."""
        told = await self.ask("initialize", INITIALIZE)
        await self.say("notifications/initialized")
        return told["result"]

    async def leave(self) -> int:
        """Close stdin; the relay's exit code."""
        await self.input.aclose()
        with anyio.fail_after(LIMIT_S):
            return await self.process.wait()


@asynccontextmanager
async def started(home: Path, kind: str = "channel", patience: str = "", **more: str) -> AsyncGenerator[Client]:
    """A relay's process with a client at it. `patience`: one of its times, to be shorter."""
    changed = (
        f"import sys; sys.path.append({str(RELAY.parent)!r}); import relay; relay.{patience}; relay.main([{kind!r}])"
    )
    command = [*COMMAND[:-1], "-c", changed] if patience else [*COMMAND, kind]
    command = [*CLIENT, *command] if OURS & more.keys() else command
    async with await anyio.open_process(command, env=environment(home, **more), stderr=subprocess.PIPE) as process:
        try:
            yield Client(process)
        finally:
            if process.returncode is None:
                process.kill()


@contextmanager
def gateway(home: Path, verdict: dict[str, Any] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A gateway's process; killed at the end, if nobody was faster."""
    command = [sys.executable, "-m", "tests.fakes.desk_gateway", str(home), json.dumps(verdict or {})]
    with subprocess.Popen(command, cwd=ROOT, env=environment(home), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


async def hooked(
    home: Path, event: str, said: bytes = b"{}", seconds: float = LIMIT_S, *, client: bool = True, **more: str
) -> tuple[int, bytes]:
    """A hook's exit code and what it says."""
    command = [*(CLIENT if client and OURS & more.keys() else ()), *COMMAND, "hook", event, str(seconds)]
    with anyio.fail_after(2 * LIMIT_S):
        done = await anyio.run_process(command, input=said, env=environment(home, **more), check=False)
    assert done.stderr == b"", os.fsdecode(done.stderr)
    return done.returncode, done.stdout
