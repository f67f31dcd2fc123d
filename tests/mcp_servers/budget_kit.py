"""A gateway with its budget server: over lines, as through the relay, and over HTTP on a port of its own."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import lock
from gateway.domain.place import Session
from gateway.engine.asked import Asking, Caller, Pace, session_of_agent
from gateway.local import loopback, token
from mcp_servers import budget
from tests.engine.bench import Bench

HTTP = "HTTP"
LIMIT_S = 20
PROTOCOL = "2025-11-25"
ME = {"name": "raw", "version": "1"}
INITIALIZE = {"protocolVersion": PROTOCOL, "capabilities": {"elicitation": {}}, "clientInfo": ME}


@dataclass
class Client:
    """A client that writes frames itself, and keeps all that came back."""

    said: ObjectSendStream[bytes]
    heard: ObjectReceiveStream[bytes]
    frames: list[dict[str, Any]]
    _number: int = 0

    async def asks(self, method: str, **params: Any) -> dict[str, Any]:
        """A request; the frame that answers it."""
        self._number += 1
        await self.tells({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        with anyio.fail_after(LIMIT_S):
            while True:
                frame = json.loads(await self.heard.receive())
                self.frames.append(frame)
                if frame.get("id") == self._number:
                    return frame

    async def tells(self, frame: dict[str, Any]) -> None:
        """Any frame."""
        await self.said.send(json.dumps(frame).encode())

    async def begins(self) -> dict[str, Any]:
        """The handshake."""
        found = await self.asks("initialize", **INITIALIZE)
        await self.tells({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return found["result"]

    async def calls(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """A tool's result as its structured content; of a failed one its sentence under `error`."""
        frame = await self.asks("tools/call", name=tool, arguments=arguments)
        result = frame["result"]
        if result.get("isError"):
            return {"error": result["content"][0]["text"]}
        assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
        return result["structuredContent"]


@asynccontextmanager
async def over_lines(host: budget.Host, *, handshake: bool = True) -> AsyncGenerator[Client]:
    """A client at the other end of lines, as the relay would bring them."""
    said, lines_in = anyio.create_memory_object_stream[bytes](16)
    lines_out, heard = anyio.create_memory_object_stream[bytes](16)
    async with anyio.create_task_group() as tasks, said, heard:

        async def serve() -> None:
            await budget.serve(lines_in, lines_out, host, session="raw")

        tasks.start_soon(serve)
        client = Client(said, heard, [])
        if handshake:
            await client.begins()
        yield client
        tasks.cancel_scope.cancel()


def desk_of(gateway: Bench, session: Session | None) -> Asking:
    """The host for the relay of this session's agent."""
    name = "" if session is None else session.agent_session or ""
    return Asking(gateway.world, Caller("a client without a session", own=session_of_agent(name)), Pace())


@dataclass(frozen=True)
class Listening:
    """Where HTTP is answered, and the home whose token counts."""

    home: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    @property
    def token(self) -> str:
        return token.token_of(self.home)

    def client(self, **headers: str) -> httpx.AsyncClient:
        """A client with these headers."""
        return httpx.AsyncClient(headers=headers, timeout=LIMIT_S, trust_env=False)


class Bearing:
    """What a client does that knows the token, for one that cannot be told it."""

    def __init__(self, app: ASGIApp, home: Path) -> None:
        self._app = app
        self._home = home

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The request with the token."""
        bearer = (b"authorization", f"Bearer {token.token_of(self._home)}".encode())
        await self._app({**scope, "headers": [*scope["headers"], bearer]}, receive, send)


@asynccontextmanager
async def listening(routes: loopback.Routes, home: Path, *, bearing: bool = False) -> AsyncGenerator[Listening]:
    """The loopback listener over these routes. `bearing`: every request comes in as if it had the token."""
    lock.make_home(home)
    listener = loopback.bound("127.0.0.1", 0)
    port = listener.getsockname()[1]
    guarded = loopback.Guarded(routes, lambda: token.token_of(home), "127.0.0.1", port)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(loopback.serve, listener, Bearing(guarded, home) if bearing else guarded)
        yield Listening(home, port)
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def over_http(gateway: Bench, home: Path, *, bearing: bool = False) -> AsyncGenerator[Listening]:
    """The budget server over HTTP."""
    desk = Asking(
        gateway.world, Caller(HTTP, named=lambda handle: token.session_of(token.token_of(home), handle)), Pace()
    )
    async with budget.streamable(budget.server(desk)) as mcp, listening({"/mcp": mcp}, home, bearing=bearing) as found:
        yield found
