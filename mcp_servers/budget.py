"""The budget's MCP server: what is spent and left, what a prompt will cost, and the way to a person who decides.

It knows nothing of sockets or of the engine: it gets a stream of lines, or requests over HTTP, and a `Host` that answers. No tool of it
grants anything, and it asks nothing of the client: an answer is a person's, in their chat, or there is none.
"""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, ValidationError
from starlette.types import ASGIApp

from gateway.core.change import read_amount
from gateway.domain.asked import Cost, Status
from gateway.domain.budget import ScopeKind
from gateway.domain.change import ChangeState, Standing, Wanted
from gateway.domain.estimate import Estimate
from gateway.domain.money import AmountError
from gateway.domain.turn import ClaimKind, Turn
from gateway.ports import TollbridgeError
from mcp_servers import budget_wire as wire
from mcp_servers.lines import LinesIn, LinesOut, Messages, Wire, serving
from mcp_servers.relay import BUDGET_INSTRUCTIONS, NAME, VERSION

SESSION_URI: Final = "tollbridge://session"
BUDGET_URI: Final = "tollbridge://budget"
BODY_BYTES_MAX: Final = 1024 * 1024
HTTP_SESSIONS_MAX: Final = 64
HTTP_IDLE_S: Final = 600.0
CALLS_MAX: Final = 64
"""So many calls are at work at once; others wait their turn."""


class Host(Protocol):
    """What the gateway does for the server. A `str` is a refusal, in a sentence. `handle`: a session's, empty for the caller's own."""

    async def status(self, handle: str) -> Status | str: ...

    async def cost(self, handle: str) -> Cost | str: ...

    async def estimate(self, handle: str, prompt: str) -> Estimate | str: ...

    async def request(self, handle: str, wanted: Wanted) -> Standing | str: ...

    async def ask(self, handle: str, question: str, choices: tuple[str, ...]) -> Standing | str: ...

    async def standing(self, handle: str, approval_id: str, wait_ms: int) -> Standing | str: ...

    async def report(self, handle: str, kind: ClaimKind, words: str) -> Turn | str: ...


class _RefusedError(Exception):
    """The sentence that the tool answers with instead of a result."""


T = TypeVar("T")


def _granted(found: T | str) -> T:
    if isinstance(found, str):
        raise _RefusedError(found)
    return found


# --------------------------------------------------------------------------------------------------------------- tools
async def _status(host: Host, sent: wire.OfSession) -> BaseModel:
    return wire.status(_granted(await host.status(sent.session)))


async def _cost(host: Host, sent: wire.OfSession) -> BaseModel:
    return wire.cost(_granted(await host.cost(sent.session)))


async def _estimate(host: Host, sent: wire.OfPrompt) -> BaseModel:
    return wire.estimate(_granted(await host.estimate(sent.session, sent.prompt)))


async def _request(host: Host, sent: wire.Request) -> BaseModel:
    if sent.id:
        asked = _granted(await host.standing(sent.session, sent.id, _ms(sent.wait_seconds)))
    else:
        asked = _granted(await host.request(sent.session, _wanted(sent)))
        asked = await _waited(host, sent, asked)
    return wire.raised(asked)


def _wanted(sent: wire.Request) -> Wanted:
    try:
        kind = ScopeKind(sent.scope)
        unit, amount = read_amount(sent.amount, raises=True)
    except AmountError as error:
        raise _RefusedError(f"amount: {error}") from None
    return Wanted(kind, amount, raises=True, why=sent.why, until=sent.until, unit=unit)


async def _ask(host: Host, sent: wire.Question) -> BaseModel:
    if sent.id:
        asked = _granted(await host.standing(sent.session, sent.id, _ms(sent.wait_seconds)))
    else:
        asked = _granted(await host.ask(sent.session, sent.question, tuple(sent.choices)))
        asked = await _waited(host, sent, asked)
    return wire.answered(asked)


async def _waited(host: Host, sent: wire.Asking, asked: Standing) -> Standing:
    if asked.state is not ChangeState.ASKED:
        return asked
    return _granted(await host.standing(sent.session, asked.id, _ms(sent.wait_seconds)))


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


async def _report(host: Host, sent: wire.Report) -> BaseModel:
    return wire.reported(_granted(await host.report(sent.session, ClaimKind(sent.kind), sent.words)))


@dataclass(frozen=True, slots=True)
class _Tool:
    """A tool: what it is told to be, what it takes and gives, and what it does."""

    told: types.Tool
    takes: type[BaseModel]
    does: Callable[[Host, Any], Awaitable[BaseModel]]


def _tool(
    name: str,
    title: str,
    takes: type[BaseModel],
    gives: type[BaseModel],
    does: Callable[[Host, Any], Awaitable[BaseModel]],
    *,
    reads: bool = True,
) -> _Tool:
    hints = types.ToolAnnotations(
        read_only_hint=reads, destructive_hint=False, idempotent_hint=reads, open_world_hint=False
    )
    told = types.Tool(
        name=name,
        title=title,
        description=wire.DESCRIPTIONS[name],
        input_schema=takes.model_json_schema(schema_generator=wire.Schema),
        output_schema=gives.model_json_schema(schema_generator=wire.Schema, mode="serialization"),
        annotations=hints,
    )
    return _Tool(told, takes, does)


TOOLS: Final = {
    tool.told.name: tool
    for tool in (
        _tool("budget_status", "Limits and what is left", wire.OfSession, wire.Status, _status),
        _tool("session_cost", "What this session cost", wire.OfSession, wire.Cost, _cost),
        _tool("estimate", "What a prompt will cost", wire.OfPrompt, wire.Estimate, _estimate),
        _tool("request_budget", "Ask a person for more", wire.Request, wire.Raised, _request, reads=False),
        _tool("ask_human", "Ask a person", wire.Question, wire.Answered, _ask, reads=False),
        _tool("report_outcome", "Say what came of it", wire.Report, wire.Reported, _report, reads=False),
    )
}


# -------------------------------------------------------------------------------------------------------------- server
def server(host: Host) -> Server[Any]:
    """The MCP server over a host."""
    calls = anyio.CapacityLimiter(CALLS_MAX)

    async def list_tools(_ctx: ServerRequestContext[Any, Any], _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[tool.told for tool in TOOLS.values()])

    async def call_tool(
        _ctx: ServerRequestContext[Any, Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        async with calls:
            return await _called(host, params.name, params.arguments or {})

    async def list_resources(_ctx: ServerRequestContext[Any, Any], _params: Any) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=list(_RESOURCES))

    async def list_templates(_ctx: ServerRequestContext[Any, Any], _params: Any) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=[_OF_HANDLE])

    async def read_resource(
        _ctx: ServerRequestContext[Any, Any], params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        try:
            return await _read(host, str(params.uri))
        except TollbridgeError as error:
            raise MCPError(types.INTERNAL_ERROR, str(error)) from None

    return Server(
        NAME,
        version=VERSION,
        title="Tollbridge",
        instructions=BUDGET_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
    )


async def _called(host: Host, name: str, arguments: dict[str, Any]) -> types.CallToolResult:
    tool = TOOLS.get(name)
    if tool is None:
        raise MCPError(types.INVALID_PARAMS, f"there is no tool {name[:60]!a}: there are {', '.join(TOOLS)}")
    try:
        given = await tool.does(host, tool.takes.model_validate(arguments))
    except ValidationError as error:
        return _failed(wire.wrong(error, tool.takes))
    except (_RefusedError, TollbridgeError) as refused:
        return _failed(str(refused))
    fields = given.model_dump(mode="json")
    text = json.dumps(fields, ensure_ascii=False)
    return types.CallToolResult(content=[types.TextContent(text=text)], structured_content=fields)


def _failed(sentence: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=sentence)], is_error=True)


# ----------------------------------------------------------------------------------------------------------- resources
_RESOURCES: Final = (
    types.Resource(
        uri=BUDGET_URI,
        name="budget",
        title="Limits and what is left",
        description="The limits that count for this session, and what stands against them.",
        mime_type="text/plain",
    ),
    types.Resource(
        uri=SESSION_URI,
        name="session",
        title="This session's summary",
        description="What this session cost so far, turn by turn.",
        mime_type="text/plain",
    ),
)
_OF_HANDLE: Final = types.ResourceTemplate(
    uri_template=f"{SESSION_URI}/{{session}}",
    name="session by handle",
    title="A session's summary",
    description="The same of the session whose handle you were given.",
    mime_type="text/plain",
)


async def _read(host: Host, uri: str) -> types.ReadResourceResult:
    where, _, handle = uri.partition(f"{SESSION_URI}/")
    if uri == BUDGET_URI:
        found = await host.status("")
        text = found if isinstance(found, str) else wire.status(found).words
    elif uri == SESSION_URI or (not where and handle):
        found = await host.cost(handle)
        text = found if isinstance(found, str) else wire.cost(found).words
    else:
        raise MCPError(types.INVALID_PARAMS, "there is no such resource", {"uri": uri[:200]})
    if isinstance(found, str):
        raise MCPError(types.INVALID_PARAMS, text, {"uri": uri[:200]})
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type="text/plain", text=text)])


# ---------------------------------------------------------------------------------------------------------- transports
async def serve(lines_in: LinesIn, lines_out: LinesOut, host: Host, *, session: str) -> None:
    """Serve one client until it is gone, and close both of its streams. `session` names it in the log."""

    async def run(messages: Messages, out: Wire) -> None:
        mcp = server(host)
        await mcp.run(messages, out, mcp.create_initialization_options())

    await serving(lines_in, lines_out, session, run)


@asynccontextmanager
async def streamable(mcp: Server[Any]) -> AsyncGenerator[ASGIApp]:
    """A server over Streamable HTTP, for as long as the block lasts. Who may speak, and from where, is looked at by whoever listens."""
    manager = StreamableHTTPSessionManager(
        mcp,
        max_request_body_size=BODY_BYTES_MAX,
        max_sessions=HTTP_SESSIONS_MAX,
        session_idle_timeout=HTTP_IDLE_S,
    )
    async with manager.run():
        yield manager.handle_request
