"""The lines of Claude Code's own log that tell of API calls, in the client's form. Only what is needed is decoded.

The format is internal to the client and changes: everything may be missing, and what is there may be null.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, NamedTuple

import msgspec

from gateway.domain.logged import Row
from gateway.domain.usage import MAIN_LOOP
from gateway.usage_logs.values import EARLIEST_MS, LATEST_MS, decoded

CALL_MAX: Final = 10**8
"""No single call counts so many tokens, by two orders of magnitude."""
NAME_MAX: Final = 200
SYNTHETIC: Final = "<synthetic>"
"""The client's own words in the place of an answer: nobody was asked."""
UNKNOWN: Final = "unknown"
"""The model of a call whose log does not name one."""
SIDECHAIN: Final = "sidechain"
"""The loop of a sub-agent whose name the log does not tell."""
_API_NAME: Final = "msg_"
_UNIQUE: Final = 16
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)

_Count = Annotated[int, msgspec.Meta(ge=0, le=CALL_MAX)] | None
_Name = Annotated[str, msgspec.Meta(max_length=NAME_MAX)] | None
_Path = Annotated[str, msgspec.Meta(max_length=4096)] | None


class _Written(msgspec.Struct, gc=False):
    ephemeral_5m_input_tokens: _Count = None
    ephemeral_1h_input_tokens: _Count = None


class _ServerTools(msgspec.Struct, gc=False):
    web_search_requests: _Count = None


class _Details(msgspec.Struct, gc=False):
    thinking_tokens: _Count = None


class _Usage(msgspec.Struct, gc=False):
    input_tokens: _Count = None
    cache_read_input_tokens: _Count = None
    cache_creation_input_tokens: _Count = None
    output_tokens: _Count = None
    cache_creation: _Written | None = None
    server_tool_use: _ServerTools | None = None
    output_tokens_details: _Details | None = None
    service_tier: _Name = None
    speed: _Name = None
    inference_geo: _Name = None

    def total(self) -> int:
        """Every token once."""
        split = self.cache_creation
        parts = ((split.ephemeral_5m_input_tokens or 0) + (split.ephemeral_1h_input_tokens or 0)) if split else 0
        written = self.cache_creation_input_tokens or 0
        read = (self.input_tokens or 0) + (self.cache_read_input_tokens or 0)
        return read + (max(parts, written)) + (self.output_tokens or 0)


class _Message(msgspec.Struct, gc=False):
    id: _Name = None
    model: _Name = None
    stop_reason: str | None = None
    usage: _Usage | None = None


class _Inner(msgspec.Struct, gc=False, rename="camel"):
    """A sub-agent's line, inside the one that tells of its progress."""

    type: str | None = None
    timestamp: datetime | None = None
    request_id: _Name = None
    uuid: _Name = None
    message: _Message | None = None


class _Progress(msgspec.Struct, gc=False, rename="camel"):
    type: str | None = None
    agent_id: _Name = None
    message: _Inner | None = None


class Line(msgspec.Struct, gc=False, rename="camel"):
    """A line, as far as it may tell of a call."""

    type: str | None = None
    timestamp: datetime | None = None
    session_id: _Name = None
    request_id: _Name = None
    agent_id: _Name = None
    prompt_id: _Name = None
    uuid: _Name = None
    is_sidechain: bool | None = None
    cwd: _Path = None
    message: _Message | None = None
    data: _Progress | None = None


class _Kind(msgspec.Struct, gc=False):
    type: str | None = None


_LINE: Final = msgspec.json.Decoder(Line)
_KIND: Final = msgspec.json.Decoder(_Kind)
_TELLING: Final = frozenset({"assistant", "progress"})


class Telling(NamedTuple):
    """A line that tells of a call. `total`: its tokens, every one once."""

    id: str
    total: int
    line: Line
    message: _Message
    usage: _Usage
    at_ms: int
    request: str
    loop: str

    def repeats(self, known: "Telling") -> bool:
        """It surely says no more than that one, which came before it: as most lines of a call."""
        if self.total != known.total:
            return self.total < known.total
        return self.message.stop_reason is None and self.loop == known.loop and self.at_ms >= known.at_ms

    def call(self, session: str) -> Row:
        """The call that it tells; a write that the split does not explain is unsplit. Raises ValueError for a name that is none."""
        line, usage, loop, request = self.line, self.usage, self.loop, self.request
        tools, split, details = usage.server_tool_use, usage.cache_creation, usage.output_tokens_details
        model = self.message.model or UNKNOWN
        tier, speed = usage.service_tier or "standard", usage.speed or "standard"
        geo, prompt = usage.inference_geo or "", line.prompt_id or ""
        session = line.session_id or session
        if not f"{self.id}{session}{model}{loop}{prompt}{request}{tier}{speed}{geo}".isprintable():
            raise ValueError("a name that is none")
        short = (split.ephemeral_5m_input_tokens or 0) if split else 0
        long = (split.ephemeral_1h_input_tokens or 0) if split else 0
        output = usage.output_tokens or 0
        return Row(
            self.id,
            session,
            line.cwd if line.cwd and line.cwd.isprintable() else "",
            self.at_ms,
            loop,
            int(self.message.stop_reason is None),
            prompt,
            request,
            model,
            tier,
            speed,
            geo,
            (tools.web_search_requests or 0) if tools else 0,
            usage.input_tokens or 0,
            usage.cache_read_input_tokens or 0,
            short,
            long,
            max(0, (usage.cache_creation_input_tokens or 0) - short - long),
            output,
            min(output, (details.thinking_tokens or 0) if details else 0),
        )


def telling(raw: bytes, session: str, agent: str) -> Telling | None:
    """What a line tells of a call; None: nothing. Raises ValueError for what may have told one and cannot be understood.

    `session`, `agent`: by the file's name, where the line does not say; `agent` is empty in a conversation's own file.
    """
    try:
        line = decoded(_LINE, raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        if _kind(raw) in _TELLING:
            raise ValueError(str(error)) from None
        return None
    data = line.data
    if line.type == "assistant":
        message, at, request, name = line.message, line.timestamp, line.request_id, line.uuid
        loop = line.agent_id or agent or (SIDECHAIN if line.is_sidechain else MAIN_LOOP)
    elif line.type == "progress" and data is not None and (inner := data.message) and inner.type == "assistant":
        message, at, request, name = inner.message, inner.timestamp or line.timestamp, inner.request_id, inner.uuid
        loop = data.agent_id or line.agent_id or agent or SIDECHAIN
    else:
        return None
    if message is None or message.usage is None or message.model == SYNTHETIC or not (total := message.usage.total()):
        return None
    at_ms = _ms(at)
    known_as = _id(message.id or "", request or "", name or "", line.session_id or session, at_ms)
    return Telling(known_as, total, line, message, message.usage, at_ms, request or "", loop)


def _kind(raw: bytes) -> str:
    """What kind of line it is; one that does not say may be any."""
    try:
        return decoded(_KIND, raw).type or "assistant"
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return "assistant"


def _id(message: str, request: str, line: str, session: str, at_ms: int) -> str:
    """What the call is known by everywhere.

    The API's own names of messages are one of a kind: a side question repeats a message under another request's name, and it is the
    same call. Relays make up names, some the same one for each answer: a short one counts only together with what else is told.
    """
    if message.startswith(_API_NAME) or len(message) >= _UNIQUE:
        return message
    if request:
        return f"{message} {request}" if message else request
    return f"{message} {session} {at_ms}" if message or not line else line


def _ms(at: datetime | None) -> int:
    if at is None:
        raise ValueError("no time")
    found = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) // _MS
    if not EARLIEST_MS <= found < LATEST_MS:
        raise ValueError("a time at which there are no agents")
    return found
