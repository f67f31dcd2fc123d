"""What Gemini CLI's chats tell of API calls.

Forms: google-gemini/gemini-cli, packages/core/src/services/chatRecordingTypes.ts and chatRecordingService.ts. A message is written again
whenever it changes, keeps its id when an old chat moves to the new form, and was billed although the person rewound it.
"""

import os
import re
from typing import Any, Final

import msgspec

from gateway.core.logged import flat
from gateway.domain.logged import LoggedCall, LogRead, Mark, Row
from gateway.domain.usage import MAIN_LOOP, Tokens, Usage
from gateway.usage_logs.files import open_regular, read_exactly, whole_file
from gateway.usage_logs.growing import growing
from gateway.usage_logs.values import UNREADABLE, count, decoded, moment, text

_UNIQUE: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NEEDLES: Final = (b'"tokens"', b'"sessionId"', b'"$set"')
_LONGEST_PATH: Final = 4096
_NOTHING_YET: Final = msgspec.Raw(b"null")
_DEPTH: Final = 3
"""Of records within a record: an update, its messages."""


class _Record(msgspec.Struct):
    """A chat, a line of one, an update of one, or a message: whatever of it is there."""

    id: Any = None
    type: Any = None
    timestamp: Any = None
    model: Any = None
    tokens: Any = None
    session: Any = msgspec.field(name="sessionId", default=None)
    started: Any = msgspec.field(name="startTime", default=None)
    kind: Any = None
    directories: Any = None
    messages: msgspec.Raw = _NOTHING_YET
    update: msgspec.Raw = msgspec.field(name="$set", default=_NOTHING_YET)


class _Memory(msgspec.Struct):
    session: str = ""
    kind: str = ""
    directory: str = ""
    at_ms: int = 0


def read_growing(path: str, since: Mark | None) -> LogRead:
    """What was added to a chat that lines are appended to."""
    with growing(path, since) as log:
        memory = msgspec.json.decode(log.state, type=_Memory) if log.state else _Memory()
        reading = _Reading(path, memory)
        for line in log.lines():
            if not any(needle in line for needle in _NEEDLES):
                continue
            try:
                reading.take(decoded(_RECORD, line))
            except UNREADABLE:
                log.unreadable += 1
        log.unreadable += reading.unreadable
        return log.read(tuple(reading.calls.values()), reading.copies, msgspec.json.encode(reading.memory).decode())


def read_whole(path: str, since: Mark | None) -> LogRead:
    """A chat that is rewritten as a whole. One that cannot be read now may be in the middle of being written."""
    data, mark = whole_file(path, since)
    if data is None:
        return LogRead((), mark, 0, 0, 0, anew=False)
    reading = _Reading(path, _Memory())
    try:
        reading.take(decoded(_RECORD, data))
    except UNREADABLE:
        return LogRead((), mark, 1, 1, 0)
    return LogRead(tuple(reading.calls.values()), mark, reading.messages, reading.unreadable, reading.copies)


class _Reading:
    """The calls of a run of records."""

    def __init__(self, path: str, memory: _Memory) -> None:
        self.memory = memory
        self.calls: dict[str, Row] = {}
        self.copies = 0
        self.unreadable = 0
        """Messages within a record; of records, whoever decodes them counts."""
        self.messages = 0
        self._folder, name = os.path.split(os.path.abspath(path))
        self._name = text(os.path.splitext(name)[0])

    def take(self, record: _Record, depth: int = 0) -> None:
        """One record and those within it. Raises what `UNREADABLE` says."""
        memory = self.memory
        memory.session = text(record.session) or memory.session
        memory.kind = text(record.kind) or memory.kind
        memory.at_ms = moment(record.started) or memory.at_ms
        if isinstance(record.directories, list) and record.directories:
            memory.directory = text(record.directories[0], _LONGEST_PATH) or memory.directory
        if depth < _DEPTH:
            if record.update != _NOTHING_YET:
                self.take(_RECORD.decode(record.update), depth + 1)
            for message in _MESSAGES.decode(record.messages) or ():
                self.messages += 1
                try:
                    self.take(_RECORD.decode(message), depth + 1)
                except UNREADABLE:
                    self.unreadable += 1
        if record.type == "gemini" and record.tokens is not None:
            self._message(record)

    def _message(self, message: _Record) -> None:
        memory = self.memory
        memory.at_ms = moment(message.timestamp) or memory.at_ms
        tokens = _tokens(message.tokens)
        if not tokens:
            return
        if not memory.at_ms:
            raise ValueError("nobody knows when")
        if not memory.directory:
            memory.directory = _project(self._folder)
        own = memory.session or self._name
        parent = text(os.path.basename(self._folder))
        nested = memory.kind == "subagent" and parent != "chats"
        usage = Usage(text(message.model), tokens)
        name = text(message.id) or f"{memory.at_ms}:{tokens.total}"
        call = LoggedCall(
            name if _UNIQUE.fullmatch(name) else f"{own}/{name}",
            parent if nested else own,
            memory.directory,
            memory.at_ms,
            usage,
            own if memory.kind == "subagent" else MAIN_LOOP,
        )
        before = self.calls.get(call.id)
        if before is not None:
            self.copies += 1
        if before is None or call.usage.tokens.total > before.usage.tokens.total:
            self.calls[call.id] = flat(call)


def _tokens(told: object) -> Tokens:
    """Input includes what was cached, output excludes thoughts, unless the total says otherwise. Raises ValueError."""
    if not isinstance(told, dict):
        raise ValueError("not counts of tokens")  # noqa: TRY004 (what a file says)
    given, output, cached, thoughts, tool, total = (
        count(told.get(name)) for name in ("input", "output", "cached", "thoughts", "tool", "total")
    )
    beside = given + output + thoughts + tool
    apart = cached > given or (cached > 0 and total == beside + cached)
    within = 0 < thoughts <= output and total in (beside - thoughts, beside - thoughts + (cached if apart else 0))
    return Tokens(
        input=(given if apart else given - cached) + tool,
        cache_read=cached,
        output=output if within else output + thoughts,
        reasoning=thoughts,
    )


def _project(folder: str) -> str:
    """Where the project of a folder of chats is, which newer versions write beside it; nothing where they did not."""
    above, _, _ = folder.rpartition(f"{os.sep}chats")
    if not above:
        return ""
    try:
        with open_regular(os.path.join(above, ".project_root")) as file:
            return text(read_exactly(file, _LONGEST_PATH).decode(errors="replace").strip(), _LONGEST_PATH)
    except OSError:
        return ""


_RECORD: Final = msgspec.json.Decoder(_Record)
_MESSAGES: Final = msgspec.json.Decoder(list[msgspec.Raw] | None)
