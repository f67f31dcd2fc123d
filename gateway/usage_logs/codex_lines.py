"""The lines of Codex's rollouts that tell of API calls.

Forms: openai/codex, codex-rs/protocol/src/protocol.rs (`RolloutLine`, `SessionMeta`, `TurnContextItem`, `TokenUsageInfo`, `TokenUsageRecord`).
A call is told up to twice: by `token_count` events, whose totals are cumulative and repeated, and, since 0.15x, by a `token_usage_record`
with the response's own id. A fork's file begins with its parent's history, written anew: so ids come from what is told, never from the file.
"""

from typing import Any, Final

import msgspec

from gateway.core.logged import flat
from gateway.domain.logged import LoggedCall, LogRead, Row
from gateway.domain.usage import MAIN_LOOP, Tokens, Usage
from gateway.usage_logs.growing import Growing
from gateway.usage_logs.values import MOST_TOKENS, UNREADABLE, count, decoded, moment, text

_FIELDS: Final = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
)
_MOST_IN_ALL: Final = 10**13
_MOST_AWAITED: Final = 64
_SHORTEST_UNIQUE: Final = 16
_LONGEST_PATH: Final = 4096
_TIERS: Final = {"": "standard", "default": "standard", "auto": "standard", "standard": "standard", "fast": "priority"}
# A tool's result holds most of a log's bytes and never tells usage: its type stands within the first bytes of its line.
_NOTHING: Final = b'"type":"response_item"'
_NEEDLES: Final = (
    b"token_count",
    b"turn_context",
    b"token_usage_record",
    b"session_meta",
    b"thread_settings_applied",
)


class _Line(msgspec.Struct):
    timestamp: Any = None
    type: Any = None
    payload: msgspec.Raw = msgspec.Raw(b"null")


class _Payload(msgspec.Struct):
    """The fields of all records that matter here; whatever else stands there is skipped."""

    type: Any = None
    id: Any = None
    session_id: Any = None
    thread_id: Any = None
    turn_id: Any = None
    response_id: Any = None
    forked_from_id: Any = None
    parent_thread_id: Any = None
    source: Any = None
    cwd: Any = None
    model: Any = None
    info: Any = None
    usage: Any = None
    thread_token_usage: Any = None
    thread_settings: Any = None


class _Memory(msgspec.Struct):
    """What the lines before told that the next ones need."""

    thread: str = ""
    origin: str = ""
    """The thread with which this history began."""
    session: str = ""
    loop: str = MAIN_LOOP
    directory: str = ""
    model: str = ""
    turn: str = ""
    tier: str = "standard"
    at_ms: int = 0
    begun: bool = False
    """A usage was seen: what is told of sessions from here on is a repetition."""
    total: tuple[int, ...] | None = None
    last: tuple[int, ...] | None = None
    awaited: list[tuple[int, ...]] = []
    """Usages of records whose token_count is still to come."""


def taken(log: Growing) -> LogRead:
    """What its new lines tell."""
    reading = _Reading(msgspec.json.decode(log.state, type=_Memory) if log.state else _Memory())
    for line in log.lines():
        if _NOTHING in line[:96] or not any(needle in line for needle in _NEEDLES):
            continue
        try:
            reading.take(decoded(_LINE, line))
        except UNREADABLE:
            log.unreadable += 1
    return log.read(tuple(reading.calls), reading.copies, msgspec.json.encode(reading.memory).decode())


class _Reading:
    """The calls of a run of lines."""

    def __init__(self, memory: _Memory) -> None:
        self.memory = memory
        self.calls: list[Row] = []
        self.copies = 0

    def take(self, line: _Line) -> None:
        """One line. Raises ValueError where it should have told something and did not."""
        if line.type not in ("event_msg", "turn_context", "token_usage_record", "session_meta"):
            return
        payload = _PAYLOAD.decode(line.payload)
        memory = self.memory
        memory.at_ms = moment(line.timestamp) or memory.at_ms
        if line.type == "session_meta":
            _begin(memory, payload)
        elif line.type == "turn_context":
            memory.turn = text(payload.turn_id)
            memory.model = text(payload.model) or memory.model
            memory.directory = text(payload.cwd, _LONGEST_PATH) or memory.directory
        elif line.type == "token_usage_record":
            self._record(payload)
        elif payload.type == "thread_settings_applied":
            _settle(memory, payload.thread_settings)
        elif payload.type == "token_count" and payload.info is not None:
            self._count(payload)

    def _record(self, payload: _Payload) -> None:
        """One response, by its own id."""
        memory = self.memory
        used, name = _counts(payload.usage), text(payload.response_id)
        if used is None or not any(used):
            return
        if not name:
            raise ValueError("a response without an id")
        memory.begun = True
        whole = _counts(payload.thread_token_usage, _MOST_IN_ALL)
        if whole is not None and whole == memory.total and used == memory.last:
            self.copies += 1  # its token_count came first
            return
        memory.awaited = [*memory.awaited, used][-_MOST_AWAITED:]
        self._book(f"response/{name}", used, text(payload.model), text(payload.turn_id))

    def _count(self, payload: _Payload) -> None:
        """Cumulative totals, with the last call's usage where it is told."""
        info, memory = payload.info, self.memory
        if not isinstance(info, dict):
            raise ValueError("not an account of usage")  # noqa: TRY004 (what a line says)
        total, last = _counts(info.get("total_token_usage"), _MOST_IN_ALL), _counts(info.get("last_token_usage"))
        told, before = (total, memory.total) if total is not None else (last, memory.last)
        if told is None:
            return
        if told == before:
            self.copies += 1
            return
        used, rest = _told(total, last, memory.total)
        memory.total = total if total is not None else memory.total
        memory.last = used
        memory.begun = True
        model = text(info.get("model")) or text(payload.model)
        position = ".".join(map(str, total)) if total is not None else ""
        for part, mark in ((rest, "+"), (used, "")):
            if not any(part):
                continue
            if part in memory.awaited:
                # Older ones that no total ever showed were compactions, which Codex leaves out of its totals.
                del memory.awaited[: memory.awaited.index(part) + 1]
                self.copies += 1
            else:
                self._book(f"{_scope(memory)}/{position}/{'.'.join(map(str, part))}{mark}", part, model)

    def _book(self, name: str, used: tuple[int, ...], model: str, turn: str = "") -> None:
        memory = self.memory
        if not memory.at_ms:
            raise ValueError("nobody knows when")
        if max(used) > MOST_TOKENS:
            raise ValueError("more than any model told")  # totals may grow by as much as they please
        given, cached, written, output, reasoning = used
        if cached + written > given or reasoning > output:
            raise ValueError("a part exceeds its whole")
        tokens = Tokens(
            input=given - cached - written,
            cache_read=cached,
            cache_write_unsplit=written,
            output=output,
            reasoning=reasoning,
        )
        usage = Usage(model or memory.model, tokens, service_tier=memory.tier)
        where = memory.session, memory.directory
        self.calls.append(flat(LoggedCall(name, *where, memory.at_ms, usage, memory.loop, prompt=turn or memory.turn)))


def _begin(memory: _Memory, payload: _Payload) -> None:
    """What a session says of itself. The first one names the thread of this file, the last before any usage where its history began."""
    name = text(payload.id)
    if not name:
        raise ValueError("a session without an id")
    if memory.begun:
        return
    memory.origin = text(payload.forked_from_id) or name
    if memory.thread:
        return
    memory.thread = name
    memory.directory = text(payload.cwd, _LONGEST_PATH)
    parent = text(payload.parent_thread_id)
    if not (isinstance(payload.source, dict) and "subagent" in payload.source):
        memory.session = name
    else:
        spawned = payload.source["subagent"]
        spawn = spawned.get("thread_spawn") if isinstance(spawned, dict) else None
        parent = parent or (text(spawn.get("parent_thread_id")) if isinstance(spawn, dict) else "")
        memory.session = text(payload.session_id) or parent or name
        memory.loop = name


def _settle(memory: _Memory, settings: object) -> None:
    """The model and the terms from here on; terms that are not named stay."""
    if not isinstance(settings, dict):
        return
    memory.model = text(settings.get("model")) or memory.model
    if "service_tier" in settings:
        tier = text(settings["service_tier"])
        memory.tier = _TIERS.get(tier, tier)


def _told(
    total: tuple[int, ...] | None, last: tuple[int, ...] | None, before: tuple[int, ...] | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What the call used that is told now, and what was used since the total before besides it."""
    nothing = (0,) * len(_FIELDS)
    grown = tuple(a - b for a, b in zip(total, before, strict=True)) if total and before else None
    if grown is None or min(grown) < 0 or total == last:
        # The first, or totals that began anew (or hold but one call): what they hold beyond the last call was told elsewhere.
        return last or total or nothing, nothing
    if last is None or not any(last):
        return grown, nothing
    rest = tuple(a - b for a, b in zip(grown, last, strict=True))
    return (last, rest) if min(rest) >= 0 else (grown, nothing)


def _scope(memory: _Memory) -> str:
    """Where a call is one of a kind: its turn, where turns have ids of their own; else the thread with which its history began."""
    if len(memory.turn) >= _SHORTEST_UNIQUE:
        return memory.turn
    return f"{memory.origin}#{memory.turn}" if memory.turn else memory.origin


def _counts(value: object, most: int = MOST_TOKENS) -> tuple[int, ...] | None:
    """Input, of it cached and written to the cache, output, of it reasoning. Raises ValueError."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError("not counts of tokens")  # noqa: TRY004 (what a line says)
    return tuple(count(value.get(name), most) for name in _FIELDS)


_LINE: Final = msgspec.json.Decoder(_Line)
_PAYLOAD: Final = msgspec.json.Decoder(_Payload)
