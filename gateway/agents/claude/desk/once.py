"""What comes to several hooks at once, judged once: the same plugin by two names, or a plugin beside hooks in the settings.

A client starts every hook that is registered for an event, with the same words, and goes on when all have answered; hooks whose commands
are alike it starts once. (Facts of 2.1.328: 5 to 55 ms apart, in any order.)
"""

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anyio

from gateway.agents.claude.desk import hooks
from gateway.agents.claude.desk.hooks import GATES, Event, Told

KNOWN_MAX: Final = 256
"""So many events are remembered; each is asked about within moments."""
ALIKE_MAX: Final = 8
"""So many that were told in the same words."""
SOURCES_MAX: Final = 16
"""So many hooks may ask about one event."""
LATE_S: Final = 60.0
"""How much later than the verdict another hook of the same event may come."""
MOMENT_S: Final = 2.0
"""The same where nobody knows whose hook it is: a person can hardly type and send the same words again as fast."""
CUT: Final = "Tollbridge: not run. A hook of the plugin was ended before there was an answer: send it again."

Verdict = Mapping[str, Any]


@dataclass(slots=True)
class Judged:
    """One event, and whose hooks have asked about it. `sure`: nothing else can be told in the same words."""

    event: str
    sure: bool
    sources: set[str] = field(default_factory=set[str])
    _verdict: Verdict | None = None
    _at: float = 0.0
    _lock: anyio.Lock = field(default_factory=anyio.Lock)
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    async def verdict(self, judge: Callable[[], Awaitable[Verdict]]) -> Verdict:
        """The one verdict, for whoever asks first and whoever asks then.

        A hook that is ended before there is an answer makes its client stop there, whatever the others are told: nothing begins then.
        """
        try:
            async with self._lock:
                if self._verdict is None:
                    with anyio.CancelScope() as self._scope:
                        self._answer(await judge())
                if self._verdict is None:
                    self._cut()
                return self._verdict or {}
        except anyio.get_cancelled_exc_class():
            if self._verdict is None and self.event in GATES:
                self._cut()
            raise

    def takes(self, source: str, now: float) -> bool:
        """Whether a hook of this source, which comes now, asks about the same."""
        if not source:
            return self.sure and (self._verdict is None or now <= self._at + MOMENT_S)
        if source in self.sources or len(self.sources) >= SOURCES_MAX:
            return False
        return self._verdict is None or now <= self._at + LATE_S

    def _answer(self, verdict: Verdict) -> None:
        self._verdict, self._at = verdict, anyio.current_time()

    def _cut(self) -> None:
        told = hooks.denied(CUT) if self.event == Event.TOOL else hooks.no(self.event, CUT)
        self._answer(told)
        self._scope.cancel()


class Once:
    """The events of one session that were told lately."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, list[Judged]] = OrderedDict()

    def of(self, told: Told, source: str, *, at_rest: bool) -> Judged:
        """The event that this hook asks about. `source`: whose hook it is, empty where that is not known. `at_rest`: no run is at
        work; what is typed during one bears that one's name, the same words twice.
        """
        words, now = _words(told), anyio.current_time()
        alike = self._known.setdefault(words, [])
        found = next((one for one in alike if one.takes(source, now)), None)
        if found is None:
            found = Judged(told.hook_event_name, _sure(told, at_rest=at_rest))
            alike.append(found)
            del alike[:-ALIKE_MAX]
        found.sources.add(source)
        self._known.move_to_end(words)
        while len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
        return found


def _words(told: Told) -> bytes:
    """What the event was told in, as far as two events of a session differ in it; short, since prompts are long."""
    tools = told.tool_use_id or repr(told.tool_input), [used.tool_use_id for used in told.tool_calls]
    about = told.hook_event_name, told.loop, told.prompt_id, told.trigger, told.source, told.reason, told.error, tools
    words = repr((*about, told.prompt, told.last_assistant_message, told.background_tasks))
    return hashlib.sha256(words.encode(errors="surrogatepass")).digest()


def _sure(told: Told, *, at_rest: bool) -> bool:
    if told.hook_event_name in (Event.PROMPT, Event.COMPACT):
        return at_rest and told.prompt_id != ""
    return told.tool_use_id != "" or any(used.tool_use_id for used in told.tool_calls)
