"""MCP messages on lines: what joins the package `mcp` to a pair of line streams. Nothing but whole messages goes out."""

import json
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, Self

import anyio
import structlog
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCResponse,
    RequestId,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

log = structlog.get_logger()

WRITE_S: Final = 10.0
"""How long a client may take to read a message."""

LinesIn = ObjectReceiveStream[bytes]
"""Lines without their ends, as they come. Their length is limited by whoever cut them."""
LinesOut = ObjectSendStream[bytes]
"""Lines without their ends."""


class Wire:
    """The way out, as `mcp` wants it: one whole message at a time, and no end of waiting for a client that does not read."""

    def __init__(self, lines: LinesOut, broken: Callable[[], None]) -> None:
        """`broken` is told, once or more, that the client can no longer be written to."""
        self._lines = lines
        self._broken = broken
        self._turn = anyio.Lock()
        self._gone = False
        self._answered: dict[RequestId, Callable[[], Awaitable[None]]] = {}

    def once_answered(self, request_id: RequestId, act: Callable[[], Awaitable[None]]) -> None:
        """Do this as soon as the answer to the request is written; never, if it is not."""
        self._answered[request_id] = act

    async def send(self, item: SessionMessage) -> None:
        """Write a message. Raises BrokenResourceError if the client is gone."""
        message = item.message
        act = None
        if isinstance(message, JSONRPCResponse):
            act = self._answered.pop(message.id, None)
        elif isinstance(message, JSONRPCError) and message.id is not None:
            self._answered.pop(message.id, None)
        # A message is written whole or not at all, and what follows from it is not lost: also when all this comes to its end.
        with anyio.CancelScope(shield=True):
            await self._write(message.model_dump_json(by_alias=True, exclude_unset=True).encode())
            if act is not None:
                await act()

    async def _write(self, line: bytes) -> None:
        try:
            with anyio.fail_after(WRITE_S):
                async with self._turn:
                    await self._put(line)
        except (TimeoutError, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            self._gone = True
            self._broken()
            raise anyio.BrokenResourceError from error

    async def _put(self, line: bytes) -> None:
        """Never after a line of which only a part may have gone out."""
        if self._gone:
            raise anyio.BrokenResourceError
        await self._lines.send(line)

    async def aclose(self) -> None:
        """Nothing goes out any more."""
        self._gone = True
        await self._lines.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()


Messages = MemoryObjectReceiveStream[SessionMessage | Exception]
Run = Callable[[Messages, Wire], Awaitable[None]]


async def serving(lines_in: LinesIn, lines_out: LinesOut, session: str, run: Run) -> None:
    """Have `run` answer one connection until it ends, and close both of its streams. `session` names it in the log."""
    async with lines_in, anyio.create_task_group() as tasks:
        wire = Wire(lines_out, tasks.cancel_scope.cancel)
        into, messages = anyio.create_memory_object_stream[SessionMessage | Exception]()
        tasks.start_soon(read, lines_in, into, wire, session)
        try:
            await run(messages, wire)
        finally:
            with anyio.CancelScope(shield=True):
                await wire.aclose()
        tasks.cancel_scope.cancel()


async def read(lines: LinesIn, into: ObjectSendStream[SessionMessage | Exception], wire: Wire, session: str) -> None:
    """Hand over each message until there are no more. Whoever writes what is none is told so."""
    async with into:
        try:
            async for line in lines:
                if not line.strip():
                    continue
                message = parsed(line)
                if isinstance(message, _Nonsense):
                    log.warning("a client's line is no message", session=session, why=message.error.error.message)
                    await wire.send(SessionMessage(message.error))
                else:
                    await into.send(SessionMessage(message))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return


class _Nonsense:
    """A line that is no message, and what is said to that."""

    def __init__(self, request_id: RequestId | None, code: int, sentence: str) -> None:
        self.error = JSONRPCError(jsonrpc="2.0", id=request_id, error=ErrorData(code=code, message=sentence))


def parsed(line: bytes) -> JSONRPCMessage | _Nonsense:
    """The message of a line. Halves of characters, which JSON can spell and UTF-8 cannot, become question marks."""
    try:
        return jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError:
        pass  # That may be for half a character only: looked at more closely.
    try:
        loaded: Any = json.loads(line)
        mended = json.dumps(loaded, ensure_ascii=False).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return _Nonsense(None, PARSE_ERROR, "a line that is no JSON: one JSON-RPC message is expected on each line")
    try:
        return jsonrpc_message_adapter.validate_json(mended, by_name=False)
    except ValidationError:
        found: Any = loaded.get("id") if isinstance(loaded, dict) else None
        request_id = found if isinstance(found, str | int) and not isinstance(found, bool) else None
        return _Nonsense(request_id, INVALID_REQUEST, "no JSON-RPC 2.0 message: one object on each line is expected")
