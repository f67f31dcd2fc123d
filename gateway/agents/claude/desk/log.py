"""The transcript of a session at the desk, read as it grows: the calls of its loops, and how its runs end.

Every call of the main loop and of sub-agents is there, compactions and titles are not: telemetry tells of those, where the client
exports it; and what the client says it used in all stands there once it has ended. (Facts of 2.1.328.)
"""

import json
import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import ValidationError

from gateway.agents.claude.calls import Calls, Open, Recent
from gateway.agents.claude.counts import Id, Name, Wire, sums
from gateway.agents.claude.desk.otlp import ApiRequest, Heard
from gateway.agents.claude.desk.reported import Reported, beyond
from gateway.agents.claude.tally import total_tokens
from gateway.agents.claude.transcript import PARSED_MAX, Record, Tail, record, sub_agents
from gateway.agents.claude.wire import Block, OrNone
from gateway.domain.events import CallMetered
from gateway.domain.usage import MAIN_LOOP, UNLISTED, Tokens, Usage

INTERRUPTED: Final = b"[Request interrupted by user"
_KINDS: Final = (b'"api-request"', b'"assistant"', b'"turn_duration"', b'"cost-state"', INTERRUPTED)
REQUESTS_MAX: Final = 10_000
EARLY_MAX: Final = 100
LOOKED_BACK_MAX: Final = 64 * 1024 * 1024
"""So much of what was there before is looked through for what was used until then."""


class _Params(Wire):
    model: Annotated[Name | None, OrNone] = None


class _Asked(Wire):
    """The line of a request."""

    id: Id
    params: Annotated[_Params | None, OrNone] = None


@dataclass(slots=True)
class Log:
    """The files of one conversation from `offset` on, and those of its sub-agents from `agents` on, by their names: what stands
    before is none of ours.

    `read` returns the calls that have ended since; `ended` is how the last run ended, where that is to be seen, until `begin`.
    """

    path: Path
    offset: int = 0
    agents: Mapping[str, int] = field(default_factory=dict[str, int])
    ended: str = ""
    """`interrupted` by the person, or `over`: since the last `begin`."""
    used: frozenset[str] = frozenset()
    """Names of the tool uses that were read since the last `begin`."""
    said: str = ""
    """The last text of the main loop that was read."""
    owed: bool = False
    """The run before ended at a hook: the line about its end is still to come, and says nothing of the next."""
    past: Recent = field(default_factory=Recent)
    """The prompts whose runs are over."""
    calls: Calls = field(default_factory=Calls)
    reported: Reported = field(default_factory=Reported)
    _tails: dict[Path, Tail] = field(default_factory=dict)
    _requests: Recent = field(default_factory=Recent)
    """Requests that this conversation made: a fork's transcript also holds answers to those of the one that it was forked from."""
    _early: deque[Record] = field(default_factory=lambda: deque(maxlen=EARLY_MAX))
    """Answers that came before the lines of their requests: the client writes both at once, in either order."""
    _open: dict[str, str] = field(default_factory=dict)
    """Requests of the main loop that have no answer yet, with their models."""
    _total: Any = None

    def begin(self) -> None:
        """A run begins."""
        self.ended, self.used, self.said, self._total = "", frozenset(), "", None
        self.rest()

    def rest(self) -> None:
        """Nothing of the main loop is under way: a request that has no answer had failed, and another was made in its place."""
        self._open.clear()

    def read(self, heard: Iterable[Heard] = (), now: float = 0.0) -> list[CallMetered]:
        """What was added since the last look, and what telemetry told meanwhile; not for the event loop where much was.

        `now`: seconds of a monotonic clock; infinity where nothing more will be added.
        """
        events: list[CallMetered] = []
        for path in (self.path, *sub_agents(self.path)):
            begins = self.offset if path == self.path else self.agents.get(path.name, 0)
            tail = self._tails.setdefault(path, Tail(path, begins))
            if _size(path) <= tail.offset:
                continue  # Of the sub-agents that there were, most are done.
            while (piece := tail.piece()) is not None:
                for line in piece:
                    if any(kind in line for kind in _KINDS) and len(line) <= PARSED_MAX:
                        events += self._line(line, main=path == self.path)
        self.reported.hear(heard, now)
        summed = self.reported.summed()
        for event in summed:
            self.calls.tally.metered(event.usage)
        return events + summed + self._beside(self.reported.due(now))

    def last(self, heard: Iterable[Heard]) -> tuple[list[CallMetered], bool]:
        """All that is still to be told once nothing more is added, and whether the client has said what it used in all. Writes that
        down where it is booked. Not for the event loop.
        """
        events, summed = self.read(heard, math.inf), self.summed
        events += self.cut(every_loop=True)
        unlisted = self.unlisted()
        self.reported.keep_unlisted(unlisted)
        return events + unlisted, summed

    def _beside(self, requests: Iterable[ApiRequest]) -> list[CallMetered]:
        events = [CallMetered(one.request, one.usage(), one.loop) for one in requests]
        for event in events:
            self.calls.tally.metered(event.usage)
            if event.loop == MAIN_LOOP:
                self._open.pop(next(iter(self._open), ""), None)  # It had its answer, though nobody wrote that down.
        return events

    def skip(self) -> bytes | None:
        """Begin where the files end now: what is in them was there before. The line that says what was used until then, if one does:
        without it what the client says in the end is no figure of ours. Not for the event loop.
        """
        total: bytes | None = None
        tail = Tail(self.path, max(0, _size(self.path) - LOOKED_BACK_MAX))
        whole = tail.offset == 0
        while (piece := tail.piece()) is not None:
            for line in piece:
                total = line if whole and b'"cost-state"' in line and len(line) <= PARSED_MAX else total
                whole = True  # Of a long file the first line is only the end of one.
        self.offset = tail.offset
        self.agents = {path.name: _size(path) for path in sub_agents(self.path)}
        if total is not None:
            self.since(total)
        return total

    def since(self, told: bytes | None) -> None:
        """What the client had used before it began: nothing, or as its last words of that say."""
        self.calls.tally.restarted()
        if told is not None:
            self._other(told, main=True)
            self.unlisted()

    def cut(self, *, every_loop: bool) -> list[CallMetered]:
        """Calls that will not end any more: what is known of them is a lower bound."""
        loops = self.calls.loops() if every_loop else {MAIN_LOOP}
        events = self.calls.cut(loops)
        for name, model in self._open.items():
            events.append(CallMetered(f"unanswered-{name}", Usage(model, Tokens()), MAIN_LOOP, ended=False))
        self._open.clear()
        return events

    @property
    def summed(self) -> bool:
        """The client has said what it used in all."""
        return self._total is not None

    @property
    def place(self) -> int:
        """How far the main loop's file was read, in bytes."""
        tail = self._tails.get(self.path)
        return self.offset if tail is None else tail.offset

    def unlisted(self) -> list[CallMetered]:
        """What the client used beyond the calls that it told of, once it has said how much that is in all."""
        total, self._total = self._total, None
        found = sums(total) if total is not None else None
        if found is None:
            return []
        name = f"{UNLISTED}{self.path.stem}-{sum(total_tokens(found).values())}"
        rest = self.calls.tally.unlisted(found)
        return [CallMetered(f"{name}-{n}", usage, MAIN_LOOP) for n, usage in enumerate(rest)]

    def _line(self, line: bytes, *, main: bool) -> list[CallMetered]:
        if INTERRUPTED in line and main and self._interrupts(line):
            self.ended = "interrupted"
        found = record(line)
        if found is not None:
            return self._answer(found)
        if b'"api-request"' in line or b'"turn_duration"' in line or b'"cost-state"' in line:
            return self._other(line, main=main)
        return []

    def _interrupts(self, line: bytes) -> bool:
        """Whether it is the client's own word, not a tool's output or a prompt that quotes it, and of no run that is over."""
        try:
            value = json.loads(line)
            [part] = value["message"]["content"]
            said = part["type"] == "text" and part["text"].startswith(INTERRUPTED.decode())
            return bool(said and value["type"] == "user" and value.get("promptId", "") not in self.past)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return False

    def _other(self, line: bytes, *, main: bool) -> list[CallMetered]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            return []
        if not isinstance(value, dict):
            return []
        match value.get("type"), value.get("subtype"):
            case "api-request", _:
                return self._asked(value, main=main)
            case "system", "turn_duration":
                self.ended, self.owed = self.ended or ("" if self.owed else "over"), False
            case "cost-state", _:
                self._total = value.get("modelUsage")
            case _:
                pass
        return []

    def _asked(self, value: dict[str, Any], *, main: bool) -> list[CallMetered]:
        try:
            asked = _Asked.model_validate(value)
        except ValidationError:
            return []
        name = asked.id
        if not self._requests.add(name):
            return []
        if main and len(self._open) < REQUESTS_MAX:
            self._open[name] = (asked.params and asked.params.model) or "unknown"
        early = [one for one in self._early if one.request == name]
        for one in early:
            self._early.remove(one)
        return [event for one in early for event in self._answer(one)]

    def _answer(self, found: Record) -> list[CallMetered]:
        request = found.request
        if request and request not in self._requests:
            # Its request is yet to be read, or it is a copy: that was made, and is counted, elsewhere.
            self._early.append(found)
            return []
        asked = list(self._open)
        for name in asked[: asked.index(request) + 1] if request in asked else ():
            self._open.pop(name, None)  # The loop makes one at a time: those before it had failed.
        message = found.message
        if found.loop == MAIN_LOOP:
            self.used |= {block.id for block in message.content if block.type == "tool_use"}
            self.said = next((_text(block) for block in message.content if block.type == "text"), self.said)
        call = Open(found.loop, message.model, message.usage)
        final = (
            message.usage.usage(message.model) if message.stop_reason is not None and message.usage.readable else None
        )
        booked = self.reported.shown(found.request_id, final)
        if booked is not None:
            return self._late(found, booked, final)
        if message.stop_reason is None:
            return self.calls.begin(message.id, call)
        return [*self.calls.settle(message.id, call)]

    def _late(self, found: Record, booked: ApiRequest, final: Usage | None) -> list[CallMetered]:
        """A call that telemetry has told of already: at most something more of it is to be booked."""
        more = beyond(final, booked) if final is not None else None
        if more is None or not self._requests.add(f"late {found.message.id}"):
            return []
        self.calls.tally.metered(more)
        return [CallMetered(found.message.id, more, found.loop)]


def _text(block: Block) -> str:
    return block.text


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
