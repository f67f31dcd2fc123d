"""Log records as Claude Code exports them by OTLP (JSON over HTTP): which API requests it made, and how much each used. Pure.

`{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano", "attributes": [{"key", "value": {"intValue"}}]}]}]}]}`; what is
not understood is passed over. Source: the OTLP specification, and facts of 2.1.328, which writes whole numbers as numbers.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import Field, ValidationError

from gateway.agents.claude.counts import NAME_MAX, SUM_MAX, Count, Id, Name, Wire
from gateway.domain.usage import MAIN_LOOP, Tokens, Usage

RECORDS_MAX: Final = 10_000
ATTRIBUTES_MAX: Final = 200
NANO_IN_MS: Final = 1_000_000
API_REQUEST: Final = "api_request"
THE_MAIN_LOOP: Final = "repl_main_thread"
COMPACTION: Final = "compact"
A_SUB_AGENT: Final = "agent:"
NORMAL: Final = "normal"

_IS_NAME = re.compile(rf"[^\x00-\x1f\x7f\ud800-\udfff]{{1,{NAME_MAX}}}")
Named = Annotated[Id, Field(min_length=1)]


class ApiRequest(Wire):
    """One request that came to its end, by `claude_code.api_request`."""

    request: Named = Field(alias="request_id")
    """The API's own name for it; a transcript calls it `requestId`."""
    model: Named
    input_tokens: Count = 0
    output_tokens: Count = 0
    cache_read_tokens: Count = 0
    cache_creation_tokens: Count = 0
    cache_creation_5m_tokens: Count = 0
    cache_creation_1h_tokens: Count = 0
    speed: Name = ""
    query_source: Name = ""
    agent_id: Name = ""

    @property
    def loop(self) -> str:
        """The loop that made it: the main one, a sub-agent's name, or what it was for (`compact`, `generate_session_title`)."""
        if self.query_source.startswith(THE_MAIN_LOOP):
            return MAIN_LOOP
        return self.agent_id or self.query_source or "other"

    @property
    def in_transcript(self) -> bool:
        """A transcript is expected to show it. (Those of sub-agents have files of their own.)"""
        return self.query_source.startswith((THE_MAIN_LOOP, A_SUB_AGENT)) or not self.query_source

    def usage(self) -> Usage:
        """What it used. The tier and the place are not told."""
        short, long = self.cache_creation_5m_tokens, self.cache_creation_1h_tokens
        unsplit = max(0, self.cache_creation_tokens - short - long)
        tokens = Tokens(self.input_tokens, self.cache_read_tokens, short, long, unsplit, self.output_tokens)
        return Usage(self.model, tokens, speed="standard" if self.speed in ("", NORMAL) else self.speed)


@dataclass(frozen=True, slots=True)
class Heard:
    """One record of a session: its place in the row of the client's records, and the request, if it tells of one.

    `at_ms`: when it was written, 0 if that is not told.
    """

    session: str
    sequence: int | None = None
    request: ApiRequest | None = None
    at_ms: int = 0


def read(body: bytes) -> list[Heard] | None:
    """The records that name their session, in order; None: that is no OTLP in JSON."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("resourceLogs"), list):
        return None
    heard: list[Heard] = []
    for record in _records(value):
        if len(heard) >= RECORDS_MAX:
            break
        found = _heard(record)
        if found is not None:
            heard.append(found)
    return heard


def _records(value: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for resource in _objects(value, "resourceLogs"):
        for scope in _objects(resource, "scopeLogs"):
            yield from _objects(scope, "logRecords")


def _heard(record: Mapping[str, Any]) -> Heard | None:
    told = {
        str(one.get("key")): _plain(one.get("value")) for one in _objects(record, "attributes", most=ATTRIBUTES_MAX)
    }
    session, sequence = told.get("session.id"), told.get("event.sequence")
    if not isinstance(session, str) or not _IS_NAME.fullmatch(session):
        return None
    request = None
    if told.get("event.name") == API_REQUEST:
        try:
            request = ApiRequest.model_validate(told)
        except ValidationError:
            request = None  # One that cannot be read is like one that was lost: the client's sums show it in the end.
    at_ms = (_whole(record.get("timeUnixNano")) or 0) // NANO_IN_MS
    return Heard(session, sequence if isinstance(sequence, int) else None, request, at_ms)


def _objects(value: Mapping[str, Any], key: str, most: int = RECORDS_MAX) -> list[Mapping[str, Any]]:
    found = value.get(key)
    return [one for one in found[:most] if isinstance(one, dict)] if isinstance(found, list) else []


def _plain(value: object) -> str | int | float | None:
    """The value that stands in one of `stringValue`, `intValue` (a number, or its digits) and `doubleValue`."""
    if not isinstance(value, dict):
        return None
    if isinstance(text := value.get("stringValue"), str):
        return text
    if (whole := _whole(value.get("intValue"))) is not None:
        return whole
    number = value.get("doubleValue")
    if not isinstance(number, float):
        return _whole(number)
    return int(number) if number.is_integer() and abs(number) < SUM_MAX else number


def _whole(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:  # noqa: PLR2004 - 64 bits
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
