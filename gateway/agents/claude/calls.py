"""API calls between their beginning and their end: each is metered once, and what is cut short is a lower bound."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from gateway.agents.claude.counts import MessageUsage
from gateway.agents.claude.tally import Tally
from gateway.domain.events import CallMetered
from gateway.domain.usage import MAIN_LOOP

OPEN_MAX: Final = 1_000
"""So many calls may be open in all loops; one more, and the oldest is taken for cut."""
REMEMBERED_MAX: Final = 20_000
"""So many names are remembered; what is told again after so many others is known to the ledger."""


class Recent:
    """The names that came last, up to REMEMBERED_MAX: what a client of many days tells does not pile up."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def add(self, name: str) -> bool:
        """Remember it; False: it was known."""
        if name in self._names:
            return False
        self._names[name] = None
        if len(self._names) > REMEMBERED_MAX:
            del self._names[next(iter(self._names))]
        return True


@dataclass(frozen=True, slots=True)
class Open:
    """A call that has begun."""

    loop: str
    model: str
    usage: MessageUsage


@dataclass(slots=True)
class Calls:
    """The calls of one conversation. What it returns is what there is to tell."""

    tally: Tally = field(default_factory=Tally)
    _open: dict[str, Open] = field(default_factory=dict)
    _metered: Recent = field(default_factory=Recent)

    @property
    def any_open(self) -> bool:
        """Some call has begun and not ended."""
        return bool(self._open)

    def loops(self) -> set[str]:
        """Loops with open calls."""
        return {call.loop for call in self._open.values()}

    def is_open(self, call_id: str) -> bool:
        """It has begun and is not metered yet."""
        return call_id in self._open

    def knows(self, call_id: str) -> bool:
        """It has begun, ended or not."""
        return call_id in self._open or call_id in self._metered

    def begin(self, call_id: str, call: Open) -> list[CallMetered]:
        """A call goes out; what has been metered does not begin again."""
        if call_id in self._metered:
            return []
        self._open[call_id] = call
        if len(self._open) <= OPEN_MAX:
            return []
        oldest = next(iter(self._open))
        return self.meter(oldest, self._open[oldest], self._open[oldest].usage, ended=False)

    def end_main(self, call_id: str, usage: MessageUsage, *, ended: bool) -> list[CallMetered]:
        """The main loop's call of this name has come to its end, or, without a name, the one that began last."""
        names = (name for name in reversed(self._open) if self._open[name].loop == MAIN_LOOP)
        name = call_id or next(names, "")
        call = self._open.get(name)
        return self.meter(name, call, usage.over(call.usage), ended=ended) if call is not None else []

    def settle(self, call_id: str, final: Open) -> list[CallMetered]:
        """The call as it is known for good, in one piece."""
        begun = self._open.get(call_id)
        known = final if final.usage.readable or begun is None else begun
        return self.meter(call_id, known, known.usage, ended=final.usage.readable)

    def meter(self, call_id: str, call: Open, usage: MessageUsage, *, ended: bool) -> list[CallMetered]:
        """A call with its figures, once. Figures that could not be read make it a lower bound."""
        self._open.pop(call_id, None)
        if not call.model or not self._metered.add(call_id):
            return []
        used = usage.usage(call.model)
        self.tally.metered(used)
        return [CallMetered(call_id, used, call.loop, ended and usage.readable)]

    def cut(self, loops: Iterable[str]) -> list[CallMetered]:
        """Calls of these loops will not end any more: what is known of them is a lower bound."""
        wanted = set(loops)
        events: list[CallMetered] = []
        for name, call in [item for item in self._open.items() if item[1].loop in wanted]:
            events += self.meter(name, call, call.usage, ended=False)
        return events
