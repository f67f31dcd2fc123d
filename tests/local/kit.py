"""A door in a home of its own, answered by handlers of the test, and hands that knock."""

import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from gateway import lock
from gateway.local import client, door
from gateway.local.place import reached

LIMIT_S = 30


@asynccontextmanager
async def answering(home: Path, routes: door.Routes) -> AsyncGenerator[Path]:
    """An open door; closed at the end of the block."""
    async with door.opened(lock.make_home(home)) as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(door.serve, listener, routes)
        yield home
        tasks.cancel_scope.cancel()


async def asks(home: Path, method: str, path: str, fields: dict[str, Any] | None = None) -> client.Answer:
    """A question of the real client."""
    return await anyio.to_thread.run_sync(lambda: client.ask(home, method, path, fields, LIMIT_S))


async def sends(home: Path, raw: bytes, *, and_goes: bool = False) -> tuple[int, dict[str, Any]]:
    """Bytes as they are; the status and the object that come back, 0 if nothing does."""

    def converse() -> tuple[int, dict[str, Any]]:
        with socket.socket(socket.AF_UNIX) as door, reached(home) as name:
            door.settimeout(LIMIT_S)
            door.connect(name)
            door.sendall(raw)
            if and_goes:
                door.shutdown(socket.SHUT_WR)
            return _answer(door)

    return await anyio.to_thread.run_sync(converse)


def _answer(door: socket.socket) -> tuple[int, dict[str, Any]]:
    told = b""
    try:
        while part := door.recv(65536):
            told += part
    except ConnectionResetError:  # what it did not read is thrown away with the connection
        pass
    head, _, body = told.partition(b"\r\n\r\n")
    return (int(head.split()[1]), json.loads(body)) if told else (0, {})
