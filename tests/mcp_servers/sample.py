"""The conformance suite's sample server, as far as it asks something of what lies in between: contents of every kind, progress,
and requests to the client while a tool is at work. Its answers are those that the suite's scenarios describe.
"""

import base64
import json
import struct
import zlib
from typing import Any

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.message import ServerMessageMetadata

Context = ServerRequestContext[Any, Any]
PAUSE_S = 0.05


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


_HEADER = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
_DOT = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", _HEADER)
    + _chunk(b"IDAT", zlib.compress(b"\0\xff\0\0"))
    + _chunk(b"IEND", b"")
)
PNG = base64.b64encode(_DOT).decode()
_SILENCE = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8) + b"data" + struct.pack("<I", 0)
WAV = base64.b64encode(b"RIFF" + struct.pack("<I", len(_SILENCE)) + _SILENCE).decode()


def _text(words: str) -> types.TextContent:
    return types.TextContent(text=words)


def _embedded(uri: str, mime_type: str, text: str) -> types.EmbeddedResource:
    return types.EmbeddedResource(resource=types.TextResourceContents(uri=uri, mime_type=mime_type, text=text))


IMAGE = types.ImageContent(data=PNG, mime_type="image/png")
CONTENTS: dict[str, list[Any]] = {
    "test_simple_text": [_text("This is a simple text response for testing.")],
    "test_image_content": [IMAGE],
    "test_audio_content": [types.AudioContent(data=WAV, mime_type="audio/wav")],
    "test_embedded_resource": [
        _embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")
    ],
    "test_multiple_content_types": [
        _text("Multiple content types test:"),
        IMAGE,
        _embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
    ],
}


async def _progress(context: Context, _arguments: dict[str, Any]) -> types.CallToolResult:
    for done in (0, 50, 100):
        await context.session.report_progress(done, 100)
        await anyio.sleep(PAUSE_S)  # the suite wants to see them come one by one
    return types.CallToolResult(content=[_text("Done.")])


async def _error(_context: Context, _arguments: dict[str, Any]) -> types.CallToolResult:
    return types.CallToolResult(content=[_text("This tool intentionally returns an error for testing")], is_error=True)


async def _sampling(context: Context, arguments: dict[str, Any]) -> types.CallToolResult:
    message = types.SamplingMessage(role="user", content=_text(arguments["prompt"]))
    asked = types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[message], max_tokens=100))
    answer = await _asks(context, asked, types.CreateMessageResult)
    return types.CallToolResult(content=[_text(f"LLM response: {answer.model_dump_json()}")])


async def _asks(context: Context, request: Any, result: type[Any]) -> Any:
    related = ServerMessageMetadata(related_request_id=context.request_id)
    return await context.session.send_request(request, result, metadata=related)


async def _elicits(context: Context, message: str, schema: dict[str, Any]) -> types.CallToolResult:
    params = types.ElicitRequestFormParams(message=message, requested_schema=schema)
    answer = await _asks(context, types.ElicitRequest(params=params), types.ElicitResult)
    told = f"action={answer.action}, content={json.dumps(answer.content)}"
    return types.CallToolResult(content=[_text(f"Elicitation completed: {told}")])


async def _elicitation(context: Context, arguments: dict[str, Any]) -> types.CallToolResult:
    properties = {name: {"type": "string", "description": f"The user's {name}"} for name in ("username", "email")}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return await _elicits(context, arguments["message"], schema)


async def _defaults(context: Context, _arguments: dict[str, Any]) -> types.CallToolResult:
    properties = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    return await _elicits(context, "Defaults?", {"type": "object", "properties": properties})


BEHAVIOURS = {
    "test_tool_with_progress": _progress,
    "test_error_handling": _error,
    "test_sampling": _sampling,
    "test_elicitation": _elicitation,
    "test_elicitation_sep1034_defaults": _defaults,
}
TEMPLATE = "test://template/{id}/data"
TEXT, BINARY = "test://static-text", "test://static-binary"


async def _list_tools(_context: Context, _params: Any) -> types.ListToolsResult:
    tools = [
        types.Tool(name=name, description="A tool of the suite's sample server.", input_schema={"type": "object"})
        for name in (*CONTENTS, *BEHAVIOURS)
    ]
    return types.ListToolsResult(tools=tools)


async def _call_tool(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
    if params.name in CONTENTS:
        return types.CallToolResult(content=CONTENTS[params.name])
    return await BEHAVIOURS[params.name](context, params.arguments or {})


async def _list_resources(_context: Context, _params: Any) -> types.ListResourcesResult:
    return types.ListResourcesResult(
        resources=[
            types.Resource(uri=TEXT, name="text", mime_type="text/plain"),
            types.Resource(uri=BINARY, name="binary", mime_type="image/png"),
        ]
    )


async def _list_templates(_context: Context, _params: Any) -> types.ListResourceTemplatesResult:
    return types.ListResourceTemplatesResult(
        resource_templates=[types.ResourceTemplate(uri_template=TEMPLATE, name="data", mime_type="application/json")]
    )


async def _read_resource(_context: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    uri = str(params.uri)
    if uri == BINARY:
        blob = types.BlobResourceContents(uri=uri, mime_type="image/png", blob=PNG)
        return types.ReadResourceResult(contents=[blob])
    if uri == TEXT:
        text, kind = "This is the content of the static text resource.", "text/plain"
    else:
        number = uri.removeprefix("test://template/").removesuffix("/data")
        text = json.dumps({"id": number, "templateTest": True, "data": f"Data for ID: {number}"})
        kind = "application/json"
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type=kind, text=text)])


SERVER: Server[Any] = Server(
    "sample",
    version="1",
    on_list_tools=_list_tools,
    on_call_tool=_call_tool,
    on_list_resources=_list_resources,
    on_list_resource_templates=_list_templates,
    on_read_resource=_read_resource,
)
