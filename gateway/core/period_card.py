"""What a chat tells of a day, a week or a month, as lines and as what a picture is drawn from. People are not told apart in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from gateway.core.card import CAME_OF, Whose, named
from gateway.core.spending import groups, total
from gateway.core.summary import escape, title
from gateway.domain.budget import ScopeKind
from gateway.domain.charts import Bar, Came, ClassSpend, CostClass, OutcomeSpend, PeriodChart, Share, Slot
from gateway.domain.money import ZERO, Usd
from gateway.domain.outcome import LeftKind
from gateway.domain.spending import By, Period, Portion, Spent
from gateway.domain.turn import Turn
from gateway.domain.usage import NO_PARTS, Parts
from gateway.view import cost_words

SHARES_MAX: Final = 3
NAME_MAX: Final = 30
FRUITLESS: Final = (Came.NOTHING, Came.ERROR, Came.STOPPED)


class Span(StrEnum):
    """What /report tells of, by the owner's calendar."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


SCOPES: Final = {Span.DAY: ScopeKind.DAY, Span.WEEK: ScopeKind.WEEK, Span.MONTH: ScopeKind.MONTH}
"""The limits on them."""


_TOLD: Final = {
    Whose.GATEWAY: cost_words.OF_GATEWAY,
    Whose.GROUP: cost_words.OF_GROUP,
    Whose.PERSON: cost_words.OF_PERSON,
}


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a period: its name, whose spending, and the figures. `limit`: on the period, where all of it is told;
    `booked`: what counts against that.
    """

    name: str
    period: Period
    whose: Whose
    portions: Sequence[Portion]
    still_open: Sequence[Turn] = ()
    limit: Usd | None = None
    booked: Usd = ZERO
    list_prices: bool = False


def period_of(span: Span, today: date) -> Period:
    """The day, week or month of the calendar that today is in, to its end."""
    if span is Span.DAY:
        return Period(today, today)
    if span is Span.WEEK:
        monday = today - timedelta(days=today.weekday())
        return Period(monday, monday + timedelta(days=6))
    first = today.replace(day=1)
    # No month has more than 31 days: so long after its first day the next one has begun, less than a month ago.
    return Period(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))


def name_of(span: Span, period: Period, today: date) -> str:
    """What a period is called."""
    if span is Span.DAY:
        return cost_words.day(period.last, today)
    return cost_words.week(period) if span is Span.WEEK else cost_words.month(period.last)


def period_lines(of: Told) -> list[str]:
    """What is told of a period; people are not told apart in it."""
    whose_words = _TOLD[of.whose]
    if not of.portions:
        return [cost_words.nothing(of.name, whose_words), *_still_open(of)]
    whole = total(of.portions)
    lines = [cost_words.period(of.name, whole, of.limit)]
    if of.limit is not None and of.booked != whole.cost:
        lines.append(cost_words.budget(of.booked, of.limit))
    lines.append(cost_words.period_size(whole, len({one.place.id for one in of.portions})))
    lines += [_shares(of.portions, by) for by in (By.PROJECT, By.MODEL)]
    lines.append(_came_of_it(of.portions))
    background = total(one for one in of.portions if one.background)
    lines += [cost_words.background(background)] if background.turns else []
    lines += [words] if (words := cost_words.not_known(whole)) else []
    lines += _still_open(of)
    scored = sum(one.scored for one in of.portions)
    lines += [cost_words.forecasts(sum(one.within_p90 for one in of.portions), scored)] if scored else []
    lines.append(f"{whose_words} {cost_words.LIST_PRICES}" if of.list_prices else whose_words)
    return lines


def _still_open(of: Told) -> list[str]:
    cost = sum((turn.spent for turn in of.still_open), ZERO)
    return [cost_words.still_open(len(of.still_open), cost)] if of.still_open else []


def _shares(portions: Sequence[Portion], by: By) -> str:
    found = groups(portions, by)
    shown = [(escape(_short(one.name, by)), one.spent) for one in found[:SHARES_MAX]]
    rest = found[SHARES_MAX:]
    return cost_words.shares(shown, sum((one.spent for one in rest), Spent()), len(rest))


def _short(name: str, by: By) -> str:
    return title(named(name) if by is By.PROJECT else name, NAME_MAX)


def _came_of_it(portions: Sequence[Portion]) -> str:
    outcomes = _outcomes(portions)
    lost = sum((one.spent for one in outcomes if one.came in FRUITLESS), ZERO)
    unknown = total(one for one in portions if one.left is LeftKind.UNKNOWN).turns
    words = cost_words.came_of_it({one.came: one.turns for one in outcomes}, unknown)
    return f"{words}{cost_words.fruitless(lost)}" if lost else words


def _outcomes(portions: Sequence[Portion]) -> tuple[OutcomeSpend, ...]:
    found: dict[Came, Spent] = {}
    for one in portions:
        kind = Came.RUNNING if one.left is None else CAME_OF.get(one.left)
        if kind is not None:
            found[kind] = found.get(kind, Spent()) + one.spent
    return tuple(OutcomeSpend(kind, found[kind].cost, found[kind].turns) for kind in Came if kind in found)


def period_chart(
    of: Told, slot: Slot, begins: Sequence[int], bars: Sequence[Portion], bar_limit: Usd | None = None
) -> PeriodChart:
    """What the picture of a period shows. `begins`: of each bar, and when the last one is over; `bars`: portions by those."""
    first = of.period.first or of.period.last
    whole = total(of.portions)
    by_bar = {number: list[Portion]() for number in range(len(begins) - 1)}
    for one in bars:
        by_bar[(one.day - first).days].append(one)
    return PeriodChart(
        of.name,
        slot,
        tuple(_bar(begins[number], members) for number, members in by_bar.items()),
        whole.turns,
        of.limit,
        bar_limit,
        _classes(whole.parts),
        _outcomes(of.portions),
        lower_bound=bool(whole.at_least),
    )


def _bar(begins_ms: int, members: Sequence[Portion]) -> Bar:
    shares = tuple(Share(named(one.name), one.spent.cost) for one in groups(members, By.PROJECT) if one.spent.cost)
    return Bar(begins_ms, shares, total(members).unpriced)


def _classes(parts: Parts) -> tuple[ClassSpend, ...]:
    if parts == NO_PARTS:
        return ()
    amounts = {
        CostClass.INPUT: parts.input,
        CostClass.CACHE_READ: parts.cache_read,
        CostClass.CACHE_WRITE: parts.cache_write,
        CostClass.OUTPUT: parts.output,
        CostClass.SEARCH: parts.web_search,
    }
    return tuple(ClassSpend(kind, cost) for kind, cost in amounts.items() if cost)
