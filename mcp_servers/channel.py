"""The MCP server that joins a live Claude Code session to a chat: messages go in as channel events, answers come by tools,
questions for permission go out and their verdicts come back.

It speaks the handshake of MCP up to 2025-11-25. Clients that ask `server/discover` first are told that there is no such method:
a connection of a later version would have no way for channel events. It asks the client for nothing, so nothing that a
client does of itself can count as a person's yes.
"""

from typing import Annotated, Any, Final

import anyio
import structlog
from mcp.server import Server, ServerRequestContext
from mcp.server.models import InitializationOptions
from mcp.server.runner import serve_loop
from mcp.shared.message import SessionMessage
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    JSONRPCNotification,
    ListToolsResult,
    NotificationParams,
    PaginatedRequestParams,
    ServerCapabilities,
)
from pydantic import Field

from gateway.core.channel import Push, content, is_request, meta
from gateway.ports import TollbridgeError
from mcp_servers.channel_host import Host, Question
from mcp_servers.channel_tools import TOOLS, Calls
from mcp_servers.lines import LinesIn, LinesOut, Messages, Wire, serving
from mcp_servers.relay import CHANNEL_CAPABILITIES, CHANNEL_INSTRUCTIONS, NAME, VERSION

log = structlog.get_logger()

MESSAGE: Final = "notifications/claude/channel"
ASKED: Final = "notifications/claude/channel/permission_request"
ANSWERED: Final = "notifications/claude/channel/permission"
QUESTIONS_MAX: Final = 32
"""So many questions of one client may be on their way to a person."""
TOOL_CHARACTERS_MAX: Final = 200
TOLD_CHARACTERS_MAX: Final = 100_000
"""Of a description or a preview; the client itself cuts them well below. Nothing is cut here: nobody says yes to half of it."""


async def serve(lines_in: LinesIn, lines_out: LinesOut, host: Host, *, session: str) -> None:
    """Serve one connection until it ends, and close both of its streams. `session` names it in the log."""

    async def run(messages: Messages, wire: Wire) -> None:
        server = _server(host, wire, session)
        await serve_loop(server, messages, wire, lifespan_state={}, session_id=session, init_options=_OPTIONS)

    await serving(lines_in, lines_out, session, run)


_OPTIONS: Final = InitializationOptions(
    server_name=NAME,
    server_version=VERSION,
    capabilities=ServerCapabilities.model_validate(CHANNEL_CAPABILITIES),
    instructions=CHANNEL_INSTRUCTIONS,
)

_Context = ServerRequestContext[dict[str, Any]]


class _Live:
    """A Channel."""

    def __init__(self, wire: Wire, session: str) -> None:
        self._wire = wire
        self.session = session
        self.listens = False

    async def push(self, message: Push) -> bool:
        return await self._notify(MESSAGE, {"content": content(message.text), "meta": meta(message)})

    async def verdict(self, request_id: str, *, allow: bool) -> bool:
        if not is_request(request_id):
            log.warning("a verdict on what cannot have been asked", session=self.session)
            return False
        return await self._notify(ANSWERED, {"request_id": request_id, "behavior": "allow" if allow else "deny"})

    async def _notify(self, method: str, params: dict[str, Any]) -> bool:
        """Not by the connection of `mcp`: that does not say whether anything was written."""
        if not self.listens:
            return False
        try:
            await self._wire.send(SessionMessage(JSONRPCNotification(jsonrpc="2.0", method=method, params=params)))
        except anyio.BrokenResourceError:
            return False
        return True


class _AskedParams(NotificationParams):
    """As the client sends it; looked at piece by piece, so that what is wrong with it can be said."""

    request_id: Annotated[Any, Field(alias="request_id")] = None
    tool_name: Annotated[Any, Field(alias="tool_name")] = None
    description: Annotated[Any, Field(alias="description")] = ""
    input_preview: Annotated[Any, Field(alias="input_preview")] = ""


class _Listening:
    """What comes of itself from one client: that it is ready, and questions."""

    def __init__(self, host: Host, channel: _Live) -> None:
        self._host = host
        self._channel = channel
        self._questions = 0

    async def initialized(self, _context: _Context, _params: NotificationParams) -> None:
        """The handshake is over."""
        if self._channel.listens:
            return
        self._channel.listens = True
        try:
            await self._host.ready(self._channel)
        except TollbridgeError as error:
            log.warning(
                "what waits for a session could not be handed over", session=self._channel.session, why=str(error)
            )

    async def asked(self, _context: _Context, params: _AskedParams) -> None:
        """The client wants to know whether a tool may run. Without an answer from here it goes on asking at the desk."""
        question = _question(params)
        if question is None:
            log.warning("a question for permission that cannot be understood", session=self._channel.session)
            return
        if self._questions >= QUESTIONS_MAX:
            log.warning("too many questions for permission at once", session=self._channel.session)
            return
        self._questions += 1
        try:
            await self._host.permission(question)
        except TollbridgeError as error:
            log.warning("a question for permission could not be put", session=self._channel.session, why=str(error))
        finally:
            self._questions -= 1


def _question(params: _AskedParams) -> Question | None:
    told = (params.request_id, params.tool_name, params.description, params.input_preview)
    words = [part for part in told if isinstance(part, str) and len(part) <= TOLD_CHARACTERS_MAX]
    if len(words) < len(told):
        return None
    request_id, tool, description, preview = words
    if not is_request(request_id) or not 0 < len(tool) <= TOOL_CHARACTERS_MAX:
        return None
    return Question(request_id, tool, description, preview)


def _server(host: Host, wire: Wire, session: str) -> Server[dict[str, Any]]:
    """A server of its own for every connection: nothing of one client is within reach of another."""
    calls = Calls(host, wire)
    listening = _Listening(host, _Live(wire, session))

    async def list_tools(_context: _Context, _params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=TOOLS)

    async def call_tool(context: _Context, params: CallToolRequestParams) -> CallToolResult:
        if context.request_id is None:  # A request has an id; only the types do not know it.
            raise AssertionError
        return await calls.call(context.request_id, params)

    server = Server[dict[str, Any]](NAME, version=VERSION, on_list_tools=list_tools, on_call_tool=call_tool)
    server.add_notification_handler("notifications/initialized", NotificationParams, listening.initialized)
    server.add_notification_handler(ASKED, _AskedParams, listening.asked)
    return server
