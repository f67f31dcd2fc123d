"""What the ledger and the turns say, as figures for others: a fold, so that nothing is counted that is not booked, or counted twice.

Entries and turns become increments of the figures in `core.metrics`; `Totals` adds them up. Nothing in a turn's path knows of it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, cast

from gateway.core import metrics
from gateway.core.metrics import OTHER, Kind, Metric
from gateway.core.turn import CUT_SHORT, ENDED
from gateway.domain.budget import Balance, Entry, EntryKind, ScopeKind
from gateway.domain.lease import lease_of
from gateway.domain.turn import Origin, Turn, TurnState
from gateway.domain.usage import MAIN_LOOP, Parts

MODELS_MAX: Final = 100
"""So many models have a name of their own; what is seen after them is `other`."""
SERIES_MAX: Final = 5_000
"""Combinations of labels over all figures."""
NOBODY: Final = "unknown"
"""Stands for the agent of an entry whose session is not known."""
CLASSES: Final = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "cache_write_unsplit", "output")
"""Each token is in one of them."""
_METERED: Final = frozenset({EntryKind.CALL, EntryKind.RECONCILED})
_PRICED: Final = _METERED | {EntryKind.REPRICED}


@dataclass(frozen=True, slots=True)
class Named:
    """A model as the price list knows it, and whose it is; both `other` where it is in no list."""

    provider: str
    model: str


UNKNOWN_MODEL: Final = Named(OTHER, OTHER)


@dataclass(frozen=True, slots=True)
class About:
    """What an entry does not say of its turn."""

    agent: str = NOBODY
    origin: str = Origin.BACKGROUND.value


@dataclass(frozen=True, slots=True)
class Increment:
    """A figure grows by so much (a histogram: was so large once), or stands at it. `labels`: values in the metric's order."""

    metric: Metric
    labels: tuple[str, ...]
    amount: int


@dataclass(slots=True)
class Buckets:
    """A histogram: how many were at most each bound, and above the last; and the sum of all."""

    counts: list[int]
    total: int = 0

    def add(self, amount: int, bounds: Sequence[int]) -> None:
        """Something was so large."""
        self.counts[next((place for place, bound in enumerate(bounds) if amount <= bound), len(bounds))] += 1
        self.total += amount


@dataclass(frozen=True, slots=True)
class Point:
    """One figure as it stands; of a histogram the counts of its buckets (not summed up, the last: above all bounds) besides."""

    metric: Metric
    labels: tuple[str, ...]
    amount: int
    counts: tuple[int, ...] = ()


@dataclass(slots=True)
class Totals:
    """All that was added up. Combinations of labels beyond `SERIES_MAX` are left out, and `full` says so."""

    sums: dict[tuple[str, tuple[str, ...]], int] = field(default_factory=dict[tuple[str, tuple[str, ...]], int])
    buckets: dict[tuple[str, tuple[str, ...]], Buckets] = field(
        default_factory=dict[tuple[str, tuple[str, ...]], Buckets]
    )
    full: bool = False

    def know(self, increments: Iterable[Increment]) -> None:
        """Tell these figures from now on, though nothing is counted of them yet: who looks sees them grow, and not appear."""
        for one in increments:
            key = one.metric.name, one.labels
            if key in self.sums or key in self.buckets:
                continue
            if len(self.sums) + len(self.buckets) >= SERIES_MAX:
                self.full = True
            elif one.metric.kind is Kind.HISTOGRAM:
                self.buckets[key] = Buckets([0] * (len(one.metric.bounds) + 1))
            else:
                self.sums[key] = 0

    def add(self, increments: Iterable[Increment]) -> None:
        """Count these as well. What only grows takes nothing that is below zero."""
        for one in increments:
            self.know((one,))
            key = one.metric.name, one.labels
            if key in self.buckets:
                self.buckets[key].add(one.amount, one.metric.bounds)
            elif key in self.sums:
                self.sums[key] += max(0, one.amount)

    def points(self) -> Iterator[Point]:
        """Every figure as it stands, in the order of the table."""
        for metric in metrics.TABLE:
            for (name, labels), amount in self.sums.items():
                if name == metric.name:
                    yield Point(metric, labels, amount)
            for (name, labels), found in self.buckets.items():
                if name == metric.name:
                    yield Point(metric, labels, found.total, tuple(found.counts))


@dataclass(slots=True)
class Models:
    """Names of models as labels: of those in the price list, and of a bounded number of them."""

    find: Callable[[str], Named | None]
    seen: dict[str, Named] = field(default_factory=dict[str, Named])

    def named(self, model: str | None) -> Named:
        """What the model goes by."""
        found = self.find(model) if model else None
        if found is None:
            return UNKNOWN_MODEL
        if found.model not in self.seen and len(self.seen) >= MODELS_MAX:
            return UNKNOWN_MODEL
        return self.seen.setdefault(found.model, found)


# ---------------------------------------------------------------------------------------------------------- the ledger
def of_entry(entry: Entry, about: About, models: Models) -> Iterator[Increment]:
    """What an entry adds. One whose detail cannot be read still adds its amount, of a model that is not known."""
    yield Increment(metrics.ENTRIES, (entry.kind.value,), 1)
    if entry.counts.work_ms > 0:
        yield Increment(metrics.WORK, (about.agent,), entry.counts.work_ms)
    if entry.kind not in _PRICED:
        return
    facts = _facts(entry.detail)
    model = models.named(_text(facts, "model")).model
    yield Increment(metrics.COST, (about.agent, model, about.origin), entry.spent.nano)
    if entry.kind in _METERED:  # what is priced later was counted when it was booked
        yield from _metered(entry, facts, about.agent, model)


def _metered(entry: Entry, facts: Mapping[str, Any], agent: str, model: str) -> Iterator[Increment]:
    counts = _table(facts.get("tokens"))
    for name in CLASSES:
        if count := _whole(counts, name):
            yield Increment(metrics.TOKENS, (agent, model, name), count)
    if reasoning := _whole(counts, "reasoning"):
        yield Increment(metrics.REASONING, (agent, model), reasoning)
    if searches := _whole(facts, "web_searches"):
        yield Increment(metrics.WEB_SEARCHES, (agent, model), searches)
    if _text(facts, "unpriced"):
        yield Increment(metrics.UNPRICED, (agent, model), 1)
    if entry.kind is EntryKind.CALL:
        loop = "main" if _text(facts, "loop") in ("", MAIN_LOOP) else "sub"
        yield Increment(metrics.CALLS, (agent, model, loop), 1)


def _facts(detail: str) -> Mapping[str, Any]:
    try:
        return _table(json.loads(detail))
    except (ValueError, RecursionError):
        return {}


def _table(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _text(facts: Mapping[str, Any], name: str) -> str:
    found = facts.get(name)
    return found if isinstance(found, str) else ""


def _whole(facts: Mapping[str, Any], name: str) -> int:
    found = facts.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0


# ----------------------------------------------------------------------------------------------------------- the turns
def of_ended(turn: Turn, agent: str) -> Iterator[Increment]:
    """What a turn adds that has ended. One that spent nothing has no cost to be looked at."""
    outcome = "none" if turn.outcome is None else turn.outcome.kind.value
    yield Increment(metrics.TURNS, (agent, turn.origin.value, turn.state.value, outcome), 1)
    if turn.spent.nano <= 0:
        return
    yield Increment(metrics.TURN_COST, (agent, turn.origin.value, outcome), turn.spent.nano)
    made_of = {one.name: getattr(turn.parts, one.name).nano for one in fields(Parts)}
    for name, nano in (made_of | {OTHER: turn.spent.nano - turn.parts.total.nano}).items():
        if nano > 0:
            yield Increment(metrics.TURN_PARTS, (agent, name), nano)
    p90 = turn.estimate.p90 if turn.estimate is not None else None
    if p90 is not None and p90.nano > 0 and turn.state not in CUT_SHORT:
        yield Increment(metrics.TURN_ESTIMATE, (agent,), turn.spent.nano * metrics.RATIO.scale // p90.nano)


def of_open(turns: Iterable[Turn]) -> Iterator[Point]:
    """How the turns stand that have not ended."""
    states = dict.fromkeys((state for state in TurnState if state not in ENDED), 0)
    holds = held = 0
    for turn in turns:
        states[turn.state] += 1
        holds += turn.held_left.nano > 0
        held += turn.held_left.nano
    yield from (Point(metrics.OPEN_TURNS, (state.value,), count) for state, count in states.items())
    yield Point(metrics.HOLDS, (), holds)
    yield Point(metrics.HOLDS_USD, (), held)


def of_balances(balances: Iterable[Balance]) -> Iterator[Point]:
    """How the limits of periods stand; one without a limit tells what is spent and held."""
    for one in balances:
        name = (scope_name(one),)
        if one.limit is not None:
            yield Point(metrics.LIMIT, name, one.limit.nano)
        yield Point(metrics.SPENT, name, one.spent.nano)
        yield Point(metrics.HELD, name, one.held.nano)


def scope_name(balance: Balance) -> str:
    """`day`, `week`, `month`; `team_month`, `team_ever`: never which one."""
    if balance.scope.kind is not ScopeKind.TEAM:
        return balance.scope.kind.value
    standing = lease_of(balance.scope)[0].standing
    return f"team_{standing.period}" if standing is not None else "team_ever"
