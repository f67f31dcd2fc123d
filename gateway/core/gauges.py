"""What is counted beside money, against its limits: a scope's tokens, calls and minutes, a turn's own, a subscription's window.

Nothing of it is set aside before a run. It is looked at after every call, and at its limit the turn pauses and asks.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from fractions import Fraction
from typing import Final

from gateway.core.until import at, until_words
from gateway.domain.budget import NO_CAPS, Balance, Caps, Counts, Lift, Quota, Scope, ScopeKind, Unit
from gateway.domain.lease import lease_of
from gateway.domain.money import LARGEST_AMOUNT_NANO, AmountError, Usd
from gateway.domain.turn import Turn
from gateway.view import figure_words, limits_words, money_words

MINUTE_MS = 60_000
PACES_MIN = 5
"""Fewer turns than this are no history that a pace could be held against."""
PACES_MAX = 20
UNDATED_MS = 5 * 60 * MINUTE_MS
"""How long a quota window counts of which nobody said when it begins anew: the shortest there is."""
WARN_AT = (75, 95)
"""At how many hundredths of a limit the person hears of it, once each."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """A count and its limit, in the unit."""

    scope: Scope
    unit: Unit
    used: int
    limit: int
    until: str = ""
    """Of a subscription's window: when it begins anew, in words; empty where nobody said so."""


# ------------------------------------------------------------------------------------------------------------ reading
def of_balances(balances: Iterable[Balance], unbooked_ms: int = 0) -> tuple[Gauge, ...]:
    """Every count of these scopes that has a limit; `unbooked_ms`: work on all of them since the last booking."""
    more = Counts(work_ms=unbooked_ms)
    return tuple(
        gauge for balance in balances for gauge in _counted(balance.scope, balance.counts + more, balance.caps)
    )


def of_money(balances: Iterable[Balance]) -> tuple[Gauge, ...]:
    """What is spent of every limit in dollars: for warnings. Whether there is room is for the gate, which sees the holds too."""
    return tuple(
        Gauge(balance.scope, Unit.USD, balance.spent.nano, balance.limit.nano) for balance in balances if balance.limit
    )


def of_turn(turn: Turn, caps: Caps, pace_limit: int | None, unbooked_ms: int = 0) -> tuple[Gauge, ...]:
    """The turn's own counts; `unbooked_ms`: work since the last booking."""
    scope = Scope(ScopeKind.TURN, turn.id)
    work_ms = turn.work_ms + unbooked_ms
    own = _counted(scope, Counts(turn.tokens.total, turn.calls, work_ms), caps)
    if pace_limit is None:
        return own
    return (*own, Gauge(scope, Unit.PACE, pace(turn.spent, work_ms), pace_limit))


def of_quotas(quotas: Iterable[Quota], ask_at: int, now_ms: int, zone: tzinfo = UTC) -> tuple[Gauge, ...]:
    """The windows of a subscription that have not begun anew since they were told; `ask_at`: hundredths."""
    return tuple(
        Gauge(
            Scope(ScopeKind.QUOTA, f"{quota.agent}:{quota.window}"),
            Unit.PERCENT,
            quota.percent,
            ask_at,
            "" if quota.resets_at_ms is None else figure_words.moment(at(quota.resets_at_ms, zone), at(now_ms, zone)),
        )
        for quota in quotas
        if now_ms < (quota.told_at_ms + UNDATED_MS if quota.resets_at_ms is None else quota.resets_at_ms)
    )


def _counted(scope: Scope, counts: Counts, caps: Caps) -> tuple[Gauge, ...]:
    read = (
        (Unit.TOKENS, counts.tokens, caps.tokens),
        (Unit.CALLS, counts.calls, caps.calls),
        (Unit.WORK_MS, counts.work_ms, caps.work_ms),
    )
    return tuple(Gauge(scope, unit, used, limit) for unit, used, limit in read if limit is not None)


def pace(spent: Usd, work_ms: int) -> int:
    """Nano-dollars a minute, over at least one minute: how a run begins says nothing of how it goes on."""
    return spent.nano * MINUTE_MS // max(work_ms, MINUTE_MS)


def pace_limit(past: Sequence[Turn], times: int, least: Usd) -> int | None:
    """So many times the fastest of the session's turns so far, and never less than `least` a minute; None: too few turns."""
    paces = [pace(turn.spent, turn.work_ms) for turn in past if turn.ended_at_ms is not None and turn.work_ms]
    if not times or len(paces) < PACES_MIN:
        return None
    return max(least.nano, times * max(paces))


# ----------------------------------------------------------------------------------------------------------- deciding
def lifted(gauges: Iterable[Gauge], lifts: Sequence[Lift]) -> tuple[Gauge, ...]:
    """The gauges with what a person raised for a turn."""
    return tuple(replace(one, limit=one.limit + sum(lift.by for lift in lifts if _fits(lift, one))) for one in gauges)


def _fits(lift: Lift, gauge: Gauge) -> bool:
    return (lift.scope, lift.unit) == (gauge.scope, gauge.unit)


def net(lifts: Iterable[Lift]) -> tuple[Lift, ...]:
    """The lifts that are left where some take others back."""
    sums: dict[Lift, int] = {}
    for one in lifts:
        same = replace(one, by=0)
        sums[same] = sums.get(same, 0) + one.by
    return tuple(replace(one, by=by) for one, by in sums.items() if by)


def full(gauges: Iterable[Gauge]) -> tuple[Gauge, ...]:
    """Those that say no."""
    return tuple(gauge for gauge in gauges if gauge.used >= gauge.limit)


def lift(gauge: Gauge) -> Lift:
    """What makes room again: half as much as the limit was, beyond what is used."""
    return Lift(gauge.scope, gauge.unit, gauge.used - gauge.limit + max(1, gauge.limit // 2))


def work_left_ms(gauges: Iterable[Gauge]) -> int | None:
    """For how long the turn may work until a limit on that says no; None: there is none."""
    return min((one.limit - one.used for one in gauges if one.unit is Unit.WORK_MS), default=None)


def warnings(before: Iterable[Gauge], after: Iterable[Gauge]) -> tuple[tuple[Gauge, int], ...]:
    """The gauges that a booking took past a mark of their limit, with the highest mark that each passed."""
    found: list[tuple[Gauge, int]] = []
    for old, new in zip(before, after, strict=True):
        passed = [mark for mark in WARN_AT if _percent(old) < mark <= _percent(new)]
        if passed:
            found.append((new, passed[-1]))
    return tuple(found)


def _percent(gauge: Gauge) -> int:
    return gauge.used * 100 // gauge.limit if gauge.limit > 0 else 0


# -------------------------------------------------------------------------------------------------------------- words
_COUNT = re.compile(r"(?P<number>\d{1,12}(?:\.\d{1,3})?)(?P<scale>[kKmM]?) ?(?P<word>[a-z]+)", re.ASCII)
_WORDS = {
    **dict.fromkeys(("token", "tokens"), (Unit.TOKENS, 1)),
    **dict.fromkeys(("call", "calls"), (Unit.CALLS, 1)),
    **dict.fromkeys(("min", "minute", "minutes"), (Unit.WORK_MS, MINUTE_MS)),
    **dict.fromkeys(("h", "hour", "hours"), (Unit.WORK_MS, 60 * MINUTE_MS)),
}
_SCALES = {"": 1, "k": 1_000, "m": 1_000_000}
MOST = {
    Unit.USD: LARGEST_AMOUNT_NANO,
    Unit.TOKENS: 10**12,
    Unit.CALLS: 10**9,
    Unit.WORK_MS: 366 * 24 * 60 * MINUTE_MS,
}
"""The highest limits that there are, by unit."""


def parse(text: str) -> tuple[Unit, int]:
    """Read a limit: `5`, `$2.50`, `200 calls`, `1.5M tokens`, `90 min`, `2 h`. Raises AmountError."""
    words = " ".join(text.lower().split())
    match = _COUNT.fullmatch(words)
    if match is None or match["word"] not in _WORDS:
        return Unit.USD, Usd.parse(text).nano
    unit, factor = _WORDS[match["word"]]
    exact = Fraction(match["number"]) * _SCALES[match["scale"]] * factor
    if exact.denominator != 1:
        raise AmountError(figure_words.not_whole(words[:40], match["word"]))
    if exact > MOST[unit]:
        raise AmountError(figure_words.more_than_there_is(words[:40], amount(unit, MOST[unit])))
    return unit, int(exact)


NONE = "none"


def parse_limit(text: str) -> tuple[Unit, int]:
    """The same, or that there is to be none: `none`, `none calls`, which is the most there is. Raises AmountError."""
    none, _, word = " ".join(text.lower().split()).partition(" ")
    if none != NONE or (word and word not in _WORDS):
        return parse(text)
    unit = _WORDS[word][0] if word else Unit.USD
    return unit, MOST[unit]


def is_none(unit: Unit, limit: int) -> bool:
    """Whether a limit is the most there is, by which the ledger says that it was taken away."""
    return limit >= MOST[unit]


def freed(balance: Balance) -> Balance:
    """The balance without the limits that were taken away."""
    limit = None if balance.limit is None or is_none(Unit.USD, balance.limit.nano) else balance.limit
    caps = balance.caps
    if caps != NO_CAPS:
        caps = Caps(
            _freed(Unit.TOKENS, caps.tokens), _freed(Unit.CALLS, caps.calls), _freed(Unit.WORK_MS, caps.work_ms)
        )
    return replace(balance, limit=limit, caps=caps)


def _freed(unit: Unit, cap: int | None) -> int | None:
    return None if cap is None or is_none(unit, cap) else cap


def limit_words(unit: Unit, limit: int) -> str:
    """A limit as people read it: `$5.00`, `200 calls`; `none`, `none in calls` where it was taken away."""
    return figure_words.no_limit(unit) if is_none(unit, limit) else amount(unit, limit)


amount: Final = figure_words.amount


def reason(gauge: Gauge) -> str:
    """Why a full gauge says no, to follow "Paused:"."""
    if gauge.unit is Unit.PACE:
        return money_words.paced(gauge.used)
    if gauge.unit is Unit.PERCENT:
        return money_words.quota_used(window(gauge.scope), gauge.used, gauge.until)
    if gauge.scope.kind is ScopeKind.TURN:
        return money_words.used_in_turn(gauge.unit, gauge.used)
    return money_words.count_used(gauge.scope.kind, gauge.unit, gauge.limit)


def reasons(gauges: Iterable[Gauge]) -> str:
    """The same for several."""
    return money_words.all_of([reason(gauge) for gauge in gauges])


def allowance(stuck: Iterable[Gauge]) -> str:
    """What a yes gives a turn on the limits that are its own: `Going on allows 150 calls more.`; empty if none says no."""
    own = [one for one in stuck if one.scope.kind is ScopeKind.TURN and one.unit is not Unit.PACE]
    return money_words.allowance([(one.unit, lift(one).by + one.limit - one.used) for one in own])


def window(scope: Scope) -> str:
    """A subscription's window as people read it: `five-hour`."""
    return scope.key.partition(":")[2].replace("_", "-")


def raised(lifts: Iterable[Lift]) -> tuple[tuple[Unit, int], ...]:
    """What limits that others share are raised by, for a button; money has its own words."""
    return tuple((one.unit, one.by) for one in lifts if one.unit is not Unit.USD and is_shared(one))


def is_shared(one: Lift) -> bool:
    """Whether the limit stands for more than this turn, so that to lift it is a raise, and not just a yes to this run."""
    return one.scope.kind not in (ScopeKind.TURN, ScopeKind.QUOTA)


def used_of(balance: Balance, unit: Unit) -> int:
    """How much of a unit a scope has used."""
    return balance.spent.nano if unit is Unit.USD else getattr(balance.counts, unit)


def warning(gauge: Gauge, percent: int) -> str:
    """What a person hears when a good part of a limit is spent."""
    return limits_words.warning(gauge.scope.kind, gauge.unit, gauge.used, gauge.limit, percent)


def budget_words(
    balances: Iterable[Balance],
    lifts: Sequence[Lift],
    confirm_above: Usd,
    now_ms: int,
    zone: tzinfo,
    windows: Sequence[Gauge] = (),
) -> str:
    """The answer to /budget: a line for every scope, with what is raised until a time, and one for a subscription's windows."""
    lines = [
        limits_words.beside(
            [_money(one), *counted(one), *(_until(lift, now_ms, zone) for lift in lifts if lift.scope == one.scope)]
        )
        for one in balances
    ]
    told = [limits_words.window(window(one.scope), one.used, one.until) for one in windows]
    lines += [limits_words.subscription(told)] if told else []
    return "\n".join([*lines, limits_words.asked_above(confirm_above)])


def _money(balance: Balance) -> str:
    return limits_words.line(name(balance.scope), balance.spent, balance.held, balance.limit)


def name(scope: Scope) -> str:
    """A scope at the beginning of its line. A team may share several limits: `Team's month`."""
    standing = lease_of(scope)[0].standing if scope.kind is ScopeKind.TEAM else None
    return limits_words.team_name(standing.period) if standing else limits_words.scope_name(scope.kind)


def counted(balance: Balance) -> tuple[str, ...]:
    """Every count of a scope that has a limit: `120 of 200 calls`."""
    return tuple(figure_words.used_of(one.unit, one.used, one.limit) for one in of_balances((balance,)))


def _until(lift: Lift, now_ms: int, zone: tzinfo) -> str:
    over = until_words(lift.until_ms, now_ms, zone) if lift.until_ms is not None else ""
    return figure_words.changed_by(lift.unit, lift.by, over)
