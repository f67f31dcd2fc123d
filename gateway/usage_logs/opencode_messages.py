"""What messages of OpenCode tell of API calls, and the tree of files in which versions before its database kept them.

Forms: anomalyco/opencode, packages/opencode/src/session (`MessageV2.Assistant`, `message`, `session_message`) and storage/json-migration.ts.
When a session is forked its messages are copied under new ids, and both trees may hold the same message: so a call's id comes from what
is told of it (when, which model, how many tokens), not from the row. The recorded cost is OpenCode's own guess and is not used.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.core.logged import flat
from gateway.domain.logged import LoggedCall, LogRead, Mark, Row
from gateway.domain.usage import MAIN_LOOP, Tokens, Usage
from gateway.usage_logs.files import open_regular, read_exactly, whole_file
from gateway.usage_logs.values import MOST_TOKENS, UNREADABLE, count, decoded, moment, text

LONGEST_PATH: Final = 4096
LARGEST_STEP: Final = 4096
_DEEPEST: Final = 16  # of sessions that sessions started
# Whose models are named as their vendors name them, so that the vendor's list price holds; a model of any other is priced under its
# provider's name or not at all: what runs on one's own machine has no list price.
_LISTED: Final = frozenset(
    {
        "", "amazon-bedrock", "anthropic", "azure", "deepseek", "github-copilot", "google", "google-vertex", "google-vertex-anthropic",
        "mistral", "moonshotai", "openai", "opencode", "openrouter", "xai", "zai",
    }
)  # fmt: skip


class _Cache(msgspec.Struct):
    read: Any = None
    write: Any = None


class _Tokens(msgspec.Struct):
    input: Any = None
    output: Any = None
    reasoning: Any = None
    total: Any = None
    cache: _Cache | None = None


class _Time(msgspec.Struct):
    created: Any = None


class _Place(msgspec.Struct):
    cwd: Any = None


class Message(msgspec.Struct):
    """A message, as far as it may tell of calls."""

    session: Any = msgspec.field(name="sessionID", default=None)
    parent: Any = msgspec.field(name="parentID", default=None)
    model: Any = msgspec.field(name="modelID", default=None)
    provider: Any = msgspec.field(name="providerID", default=None)
    newer_model: Any = msgspec.field(name="model", default=None)
    time: _Time | None = None
    path: _Place | None = None
    tokens: _Tokens | None = None


class _Step(msgspec.Struct):
    """A part of a message in the legacy tree: the end of a call, among others."""

    type: Any = None
    tokens: _Tokens | None = None


class _Info(msgspec.Struct):
    """What a session says of itself in the legacy tree."""

    parent: Any = msgspec.field(name="parentID", default=None)
    directory: Any = None


class Sessions:
    """Where sessions work, and which one started them."""

    def __init__(self, path: str = "") -> None:
        self._of_path = path.rpartition(f"{os.sep}message{os.sep}")[0]
        self.known: dict[str, tuple[str, str]] = {}

    def told(self, session: str) -> tuple[str, str]:
        """The parent (empty: none) and the directory."""
        if session not in self.known and self._of_path:
            self.known[session] = self._legacy(session)
        return self.known.get(session, ("", ""))

    def root(self, session: str) -> str:
        """The session that a person sees."""
        for _ in range(_DEEPEST):
            parent, _ = self.told(session)
            if not parent:
                break
            session = parent
        return session

    def _legacy(self, session: str) -> tuple[str, str]:
        if not session or Path(session).name != session:
            return "", ""
        try:
            for folder in sorted(Path(self._of_path, "session").iterdir()):
                found = folder / f"{session}.json"
                if found.is_file():
                    with open_regular(str(found)) as file:
                        info = _INFO.decode(read_exactly(file, 1 << 20))
                    return text(info.parent), text(info.directory, LONGEST_PATH)
        except (OSError, *UNREADABLE):
            pass
        return "", ""


def _call(message: Message, session: str, sessions: Sessions) -> LoggedCall | None:
    """The call that a message tells, None for what is none. Raises ValueError."""
    if message.tokens is None:
        return None
    counts = _counts(message.tokens)
    tokens = _tokens(counts)
    if not tokens:
        return None
    at_ms = moment(message.time.created) if message.time is not None else None
    if at_ms is None:
        raise ValueError("nobody knows when")
    newer = message.newer_model if isinstance(message.newer_model, dict) else {}
    provider = text(message.provider) or text(newer.get("providerID"))
    model = text(message.model) or text(newer.get("id")) or text(newer.get("modelID"))
    parent, directory = sessions.told(session)
    return LoggedCall(
        f"{at_ms}/{provider}/{model}/{'.'.join(map(str, counts[:-1]))}",
        sessions.root(session),
        directory or (text(message.path.cwd, LONGEST_PATH) if message.path is not None else ""),
        at_ms,
        Usage(_model(provider, model), tokens),
        session if parent else MAIN_LOOP,
        prompt=text(message.parent),
    )


def read_message(path: str, since: Mark | None) -> LogRead:
    """One message of the tree."""
    data, mark = whole_file(path, since)
    if data is None:
        return LogRead((), mark, 0, 0, 0, anew=False)
    try:
        message = decoded(MESSAGE, data)
        session = text(message.session) or text(os.path.basename(os.path.dirname(path)))
        return LogRead(tuple(calls_of(message, _parts(path), session, Sessions(path))), mark, 1, 0, 0)
    except UNREADABLE:
        return LogRead((), mark, 1, 1, 0)


def _parts(path: str) -> list[bytes]:
    """The parts of a message, from the folder that holds them, without those that are too long to be the end of a step."""
    storage = path.rpartition(f"{os.sep}message{os.sep}")[0]
    found: list[bytes] = []
    try:
        for part in sorted(Path(storage, "part", Path(path).stem).iterdir()):
            if part.stat().st_size <= LARGEST_STEP:
                with open_regular(str(part)) as file:
                    found.append(read_exactly(file, LARGEST_STEP))
    except OSError:
        return []
    return found


def calls_of(message: Message, steps: Iterable[bytes], session: str, sessions: Sessions) -> list[Row]:
    """The calls that a message tells: it may hold several, and tells the tokens of the last one; the others are told by the parts of it
    that end a step, in their order. Raises ValueError.
    """
    found = (_call(each, session, sessions) for each in (*_earlier(message, steps), message))
    return [flat(call) for call in found if call is not None]


def _earlier(message: Message, steps: Iterable[bytes]) -> list[Message]:
    if message.tokens is None:
        return []
    told: list[_Tokens] = []
    try:
        for data in steps:
            step = _STEP.decode(data)
            if step.type == "step-finish" and step.tokens is not None:
                told.append(step.tokens)
        if not told or _counts(told[-1]) != _counts(message.tokens):
            return []
    except UNREADABLE:
        return []
    return [msgspec.structs.replace(message, tokens=tokens) for tokens in told[:-1]]


def _counts(told: _Tokens) -> tuple[int, int, int, int, int, int]:
    """Input, read from the cache, written to it, output, reasoning, total. Raises ValueError."""
    cache = told.cache or _Cache()
    classes = (count(told.input), count(cache.read), count(cache.write), count(told.output), count(told.reasoning))
    return (*classes, count(told.total, len(classes) * MOST_TOKENS))


def _tokens(counts: tuple[int, int, int, int, int, int]) -> Tokens:
    """Input excludes the cache. Reasoning stands beside the output, or in older versions within it: the total tells."""
    given, read, written, output, reasoning, total = counts
    # Some providers' totals leave the cache out.
    without = {given + output, given + read + written + output}
    beside = {reasoning + inside for inside in without}
    within = 0 < reasoning <= output and total in without and total not in beside
    return Tokens(
        input=given,
        cache_read=read,
        cache_write_unsplit=written,
        output=output if within else output + reasoning,
        reasoning=reasoning,
    )


def _model(provider: str, model: str) -> str:
    """The name to price it by: as its vendor names it, with the provider's before it where that sets the price."""
    model = model.removeprefix("openrouter/")
    if provider in _LISTED:
        return model.removeprefix(f"{provider}/") if provider in {"anthropic", "openai"} else model
    return f"{provider}/{model}" if model else ""


MESSAGE: Final = msgspec.json.Decoder(Message)
_INFO: Final = msgspec.json.Decoder(_Info)
_STEP: Final = msgspec.json.Decoder(_Step)
