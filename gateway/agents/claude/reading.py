"""From bytes to lines: whatever the client prints is read within limits, and nothing that it prints is an error here."""

import contextlib
import hashlib
import json
import math
import re
from typing import Any, Final

from pydantic import ValidationError

from gateway.agents.claude import wire
from gateway.agents.claude.counts import Name, Usages, Wire, sums

DEPTH_MAX: Final = 100
"""Nothing that the client says is nested deeper; what is would end whoever walks through it."""
PARSED_MAX: Final = 8 * 1024 * 1024
"""Longer lines than this are not looked into, but for requests, which carry what tools returned."""
DIGITS_MAX: Final = 100

_PLAIN: dict[str, type[wire.Line]] = {
    "assistant": wire.Assistant,
    "stream_event": wire.StreamEvent,
    "command_lifecycle": wire.Lifecycle,
    "system": wire.System,
    "control_cancel_request": wire.Cancelled,
    "conversation_reset": wire.Reset,
    "rate_limit_event": wire.RateLimited,
    wire.MARKER: wire.Marker,
}
_REQUESTS: dict[str, type[wire.HookCallback | wire.CanUseTool]] = {
    "hook_callback": wire.HookCallback,
    "can_use_tool": wire.CanUseTool,
}
_COUNTED = frozenset({"assistant", "stream_event", "result"})
_DELTA = b'"type":"content_block_delta"'
_TEXT = b'"text_delta"'
_RESULT = b'{"type":"user"'
"""What tools returned: read only where it is a file that was read or written, or how a command ended."""
_OF_FILE = b'"filePath"'
_OF_COMMAND = re.compile(rb'"tool_use_result":(\{"stdout"|"Error: Exit code )')
_EXIT = re.compile(r"Exit code (\d{1,3})\b")
_SIGNALLED = 128
"""A status above it: the command was ended from outside."""
RESULT_MAX: Final = 256 * 1024
_TOO_LONG = "tollbridge_line_too_long"


def parse(raw: bytes) -> wire.Line:  # noqa: PLR0911 - one for each way in which a line can be
    """One line, whatever it holds: it never raises. What is not JSON, or not in the form that its kind has, is Unreadable."""
    if raw.startswith(_RESULT):
        return _file(raw) if _OF_FILE in raw else _command(raw) if _OF_COMMAND.search(raw) else wire.Unknown()
    if _DELTA in raw and raw.startswith(b'{"type":"stream_event"'):
        return _written(raw)
    if len(raw) > PARSED_MAX and not raw.startswith(b'{"type":"control_'):
        return _unreadable(raw, "long")
    try:
        value = json.loads(raw.decode(errors="replace"), parse_int=_whole)
    except (ValueError, RecursionError):
        return _unreadable(raw, "not JSON") if raw.strip() else wire.Unknown()
    if not isinstance(value, dict):
        return _unreadable(raw, "no object")
    kind = value.get("type")
    try:
        return _model(kind, value, raw)
    except ValidationError:
        return _unreadable(raw, kind if isinstance(kind, str) else "no kind")


def _written(raw: bytes) -> wire.Line:
    """A piece of what is written: it counts nothing, so one that cannot be read is no loss."""
    if _TEXT not in raw or len(raw) > PARSED_MAX:
        return wire.Unknown()
    try:
        return wire.Written.model_validate(json.loads(raw.decode(errors="replace"), parse_int=_whole))
    except (ValueError, RecursionError):
        return wire.Unknown()


def _file(raw: bytes) -> wire.Line:  # noqa: PLR0911 - one for each kind of tool
    """What is told of a file. It counts nothing, so what cannot be read is no loss."""
    if len(raw) > RESULT_MAX:
        return wire.Unknown()
    try:
        value = json.loads(raw.decode(errors="replace"), parse_int=_whole)
    except (ValueError, RecursionError):
        return wire.Unknown()
    match value.get("tool_use_result"):
        case {"userModified": True, "filePath": str(path)}:
            return wire.FileTold(path=path)
        case {"type": "create" | "update", "filePath": str(path), "content": str(text)}:
            return wire.FileTold(path=path, text=text)
        case {"type": "text", "file": {"filePath": str(path), "content": str(text), "startLine": 1, **more}} if (
            more.get("numLines") == more.get("totalLines")
        ):
            return wire.FileTold(path=path, text=text)
        case {"filePath": str(path), "originalFile": str(text), "oldString": str(old), "newString": str(new), **more}:
            return wire.FileTold(path=path, text=text.replace(old, new, -1 if more.get("replaceAll") else 1))
        case {"filePath": str(path)}:
            return wire.FileTold(path=path)
        case _:
            return wire.Unknown()


def _command(raw: bytes) -> wire.Line:
    """How a command ended. It counts nothing, so what cannot be read is no loss."""
    if len(raw) > RESULT_MAX:
        return wire.Unknown()
    try:
        value = json.loads(raw.decode(errors="replace"), parse_int=_whole)
        match value.get("tool_use_result"), value.get("message"):
            case {"stdout": str(), **more}, {"content": [{"tool_use_id": str(name)}]}:
                whole = more.get("interrupted") is False and not more.get("backgroundTaskId")
                return wire.CommandEnded(tool_use_id=name, well=True if whole else None)
            case str(), {"content": [{"tool_use_id": str(name), "content": str(said)}]} if found := _EXIT.match(said):
                return wire.CommandEnded(tool_use_id=name, well=None if int(found[1]) > _SIGNALLED else False)
    except (ValueError, RecursionError):
        return wire.Unknown()
    return wire.Unknown()


def _whole(digits: str) -> float:
    """Longer numbers count nothing, and to read one of millions of digits would take minutes."""
    return int(digits) if len(digits) <= DIGITS_MAX else math.inf


def _unreadable(raw: bytes, kind: str) -> wire.Unreadable:
    counted = kind in _COUNTED or (kind in {"long", "not JSON"} and b'"usage"' in raw)
    return wire.Unreadable(name=_name(raw), kind=kind[:100], counted=counted)


def _name(raw: bytes) -> str:
    return hashlib.sha256(raw.rstrip()).hexdigest()[:16]


def _model(kind: object, value: dict[str, Any], raw: bytes) -> wire.Line:
    deep = raw.count(b"[") + raw.count(b"{") > DEPTH_MAX and _deep(value)
    if kind == "control_request":
        request = value.get("request")
        return _request(value.get("request_id"), request if isinstance(request, dict) else {}, deep=deep)
    if kind == "result":
        return _result(value, raw)
    if deep or kind == _TOO_LONG:
        return _unreadable(raw, kind if isinstance(kind, str) else "no kind")
    if kind == "control_response":
        return wire.Response.model_validate(value.get("response"))
    model = _PLAIN.get(kind) if isinstance(kind, str) else None
    return wire.Unknown() if model is None else model.model_validate(value)


def _deep(value: object) -> bool:
    level = [value]
    for _ in range(DEPTH_MAX):
        inner = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [child for children in inner for child in children if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _result(value: dict[str, Any], raw: bytes) -> wire.Result:
    """The end of a run, always: without it the turn would not end. What it says otherwise may be of no use."""
    counted = value.get("model_usage_since_last_result")
    usages = None if counted is None else sums(counted)
    lost = counted is not None and usages is None
    own = {name: value[name] for name in wire.Result.model_fields.keys() - {"usages", "unreadable"} if name in value}
    try:
        line = wire.Result.model_validate(own)
    except ValidationError:
        line, lost = wire.Result(is_error=True, result="Claude Code ended the run in words that cannot be read"), True
    return line.model_copy(update={"usages": usages, "unreadable": _name(raw) if lost else ""})


def _request(request_id: object, request: dict[str, Any], *, deep: bool) -> wire.Line:
    """A request must be answered even if it cannot be read, or the client waits for good."""
    kind, named = request.get("subtype"), request.get("callback_id")
    model = _REQUESTS.get(kind if isinstance(kind, str) else "", wire.OtherRequest)
    if not deep:
        with contextlib.suppress(ValidationError):
            return model.model_validate(request | {"request_id": request_id})
    if model is wire.HookCallback:
        named = named if isinstance(named, str) else ""
        return wire.OddCallback.model_validate({"request_id": request_id, "callback_id": named})
    return wire.OtherRequest.model_validate({"request_id": request_id})


def usages_of(response: wire.Response) -> Usages | None:
    """The cumulative figures in the answer to get_usage."""
    session = response.response.get("session")
    return sums(session.get("model_usage")) if isinstance(session, dict) else None


def model_of(response: wire.Response) -> str | None:
    """The model in the answer to get_settings."""
    applied = response.response.get("applied")
    try:
        return _Applied.model_validate(applied).model or None
    except ValidationError:
        return None


class _Applied(Wire):
    model: Name = ""
