"""Turns out of what agents' own logs tell: a history for the estimator from before the gateway was there.

They are no part of the ledger. Of each there is what a settled turn leaves behind for the forecast, worked out from what came before it in
its session, as if the gateway had been asked then.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from gateway.core.estimate import foreseen_first_call
from gateway.core.first_call import FirstCall
from gateway.core.forecast import HISTORY_MAX, Past, Prior, forecast
from gateway.core.logged import Priced, Row
from gateway.core.meter import remember
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import AT_DESK, Session, Thread
from gateway.domain.usage import MAIN_LOOP, Rates, Unpriced

KEPT_MAX: Final = HISTORY_MAX
"""So many turns of an agent are kept, the newest: no forecast looks at more."""
LOOKED_BACK_DAYS: Final = 90
MAY_GO_ON_MS: Final = 600_000
"""A turn whose last call was less than so long ago may not be over."""
DEAREST: Final = Usd.parse("1000")
"""A dearer turn is left out: an agent can write anything into its logs, and what a person is offered to allow rests on this."""
_LOGS_OF: Final = {AT_DESK: "claude"}


def logs_of(agent: str) -> str:
    """Whose logs tell of turns like this agent's: the sessions at the desk are Claude Code's."""
    return _LOGS_OF.get(agent, agent)


@dataclass(frozen=True, slots=True)
class Imported:
    """A turn as the logs of an agent tell it. `prompt`: the agent's own name for what began it, no word of it.

    `past.session_id` is the agent's own name for the conversation.
    """

    agent: str
    prompt: str
    ended_at_ms: int
    past: Past


@dataclass(frozen=True, slots=True)
class History:
    """The turns of one agent, newest first. `left_out`: those that the gateway has metered, that go on or whose cost nobody knows, or is
    more than `DEAREST`.
    """

    turns: tuple[Imported, ...] = ()
    left_out: int = 0

    @property
    def cost(self) -> Usd:
        """What the turns came to, at list prices."""
        return sum((one.past.cost for one in self.turns), ZERO)

    def kept(self, prior: Prior | None) -> tuple[Imported, ...]:
        """Those that are kept, newest first, each with the p90 that would have been said of it by then: a forecast learns from its misses."""
        found: list[Imported] = []
        for turn in reversed(self.turns[:KEPT_MAX]):
            known = [one.past for one in reversed(found)]
            told = forecast(known, turn.past.session_id, turn.past.first, ZERO, prior)
            found.append(replace(turn, past=replace(turn.past, p90=told.p90)))
        return tuple(reversed(found))


@dataclass(slots=True)
class _Turn:
    """A turn while its calls are gathered. `cost` None: nobody knows it, or the ledger knows it already."""

    first: FirstCall | None = None
    cost: int | None = 0
    model: str | None = None
    at_least: bool = False
    ended_at_ms: int = 0

    def add(self, row: Row, cost: int | None) -> None:
        self.cost = None if self.cost is None or cost is None else self.cost + cost
        self.at_least |= bool(row.lower_bound)
        self.ended_at_ms = max(self.ended_at_ms, row.at_ms)

    def imported(self, agent: str, session: str, prompt: str, now_ms: int) -> Imported | None:
        """What is kept of it; None: it is left out."""
        if not self.cost or self.cost > DEAREST.nano or self.model is None:
            return None
        if now_ms - self.ended_at_ms < MAY_GO_ON_MS:
            return None
        past = Past(session, self.first, Usd(self.cost), at_least=self.at_least, model=self.model, imported=True)
        return Imported(agent, prompt, self.ended_at_ms, past)


def history(
    agent: str,
    calls: Iterable[Priced],
    metered: Collection[str],
    rates: Callable[[str], Rates | Unpriced],
    now_ms: int,
) -> History:
    """Turns out of the calls of one agent, which come session by session and in order of time within.

    `metered`: the names of those that stand in the gateway's own ledger: their turns do as well. `rates`: of a model, on the usual terms.
    What the log names no prompt of belongs to no turn; a turn without a call of its main loop is none.
    """
    known: dict[str, Rates | Unpriced] = {}

    def rates_of(model: str) -> Rates | Unpriced:
        if model not in known:
            known[model] = rates(model)
        return known[model]

    found: list[Imported] = []
    left_out = 0
    for session, own in groupby(calls, key=lambda one: one[0].session):
        for prompt, turn in _gathered(agent, session, own, metered, rates_of).items():
            imported = turn.imported(agent, session, prompt, now_ms)
            if imported is None:
                left_out += 1
            else:
                found.append(imported)
    found.sort(key=lambda one: one.ended_at_ms, reverse=True)
    return History(tuple(found), left_out)


def _gathered(
    agent: str,
    name: str,
    calls: Iterable[Priced],
    metered: Collection[str],
    rates: Callable[[str], Rates | Unpriced],
) -> dict[str, _Turn]:
    """The turns of one session by their prompts, each with what was foreseen of its first call."""
    session = Session(name, agent, "", Thread("", ""), "", 0)
    turns: dict[str, _Turn] = {}
    for row, cost in calls:
        main = row.loop == MAIN_LOOP
        if row.prompt:
            turn = turns.setdefault(row.prompt, _Turn())
            if main and turn.model is None:
                turn.first = _foreseen(session, row.at_ms, rates)
            if main:
                turn.model = row.model
            turn.add(row, None if row.id in metered else cost)
        if main:
            session = remember(session, row.usage, row.at_ms)
    return turns


def _foreseen(session: Session, at_ms: int, rates: Callable[[str], Rates | Unpriced]) -> FirstCall | None:
    """What the estimate would have said of the first call, but for the prompt's length, which no log of calls tells."""
    at = None if session.model is None else rates(session.model)
    return foreseen_first_call(session, "", at, at_ms) if isinstance(at, Rates) else None
