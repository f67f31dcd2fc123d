"""A small reverse proxy, as nginx or Caddy stand before a webhook: it takes a prefix away or not, and adds its own headers."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

import anyio
import h11
import httpx
from anyio.abc import SocketStream

HOP = {"host", "connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass
class ReverseProxy:
    """`to`: where requests go, asked for each; None: nobody is there, and it answers 502. `seen`: method, path, headers, status."""

    port: int
    prefix: str
    to: Callable[[], int | None]
    seen: list[tuple[str, str, dict[str, str], int]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its public address."""
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, stream: SocketStream) -> None:
        """One connection, request after request."""
        peer = h11.Connection(h11.SERVER)
        async with stream, httpx.AsyncClient(trust_env=False) as client:
            while True:
                request, body = await _request(peer, stream)
                if request is None:
                    return
                status = await self._handed_on(client, request, body)
                headers = [("content-length", "0")]
                await stream.send(
                    peer.send(
                        h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase.encode())
                    )
                    or b""
                )
                await stream.send(peer.send(h11.EndOfMessage()) or b"")
                if peer.our_state is h11.MUST_CLOSE:
                    return
                peer.start_next_cycle()

    async def _handed_on(self, client: httpx.AsyncClient, request: h11.Request, body: bytes) -> int:
        headers = {name.decode(): value.decode() for name, value in request.headers}
        passed = {name: value for name, value in headers.items() if name not in HOP}
        passed |= {
            "x-forwarded-for": "149.154.167.220",
            "x-forwarded-proto": "https",
            "x-forwarded-host": "evil.example",
        }
        path, port = request.target.decode().removeprefix(self.prefix), self.to()
        status = 502
        if port is not None:
            try:
                answer = await client.request(
                    request.method.decode(), f"http://127.0.0.1:{port}{path}", content=body, headers=passed
                )
                status = answer.status_code
            except httpx.HTTPError:
                pass
        self.seen.append((request.method.decode(), request.target.decode(), headers, status))
        return status


async def _request(peer: h11.Connection, stream: SocketStream) -> tuple[h11.Request | None, bytes]:
    request, body = None, b""
    while True:
        match event := peer.next_event():
            case h11.Request():
                request = event
            case h11.Data():
                body += bytes(event.data)
            case h11.EndOfMessage():
                return request, body
            case h11.NEED_DATA:
                try:
                    peer.receive_data(await stream.receive())
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    return None, b""
            case _:
                return None, b""


@asynccontextmanager
async def reverse_proxy(to: Callable[[], int | None], *, prefix: str = "") -> AsyncGenerator[ReverseProxy]:
    """A proxy on a port of its own, for as long as the block runs. `prefix`: what it takes away from paths."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - it is anyio's
    proxy = ReverseProxy(port, prefix, to)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, proxy.serve)
        yield proxy
        tasks.cancel_scope.cancel()
