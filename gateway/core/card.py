"""What a chat tells of spending, as lines and as what a picture is drawn from: of a session, and of a day, a week or a month."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from gateway.core.access import may
from gateway.core.change import reason
from gateway.core.spending import groups, total
from gateway.core.summary import TITLE_CHARACTERS_MAX, escape, title
from gateway.core.turn import CUT_SHORT, ENDED
from gateway.domain.budget import ScopeKind
from gateway.domain.charts import (
    Bar,
    Came,
    ClassSpend,
    CostClass,
    LimitFrom,
    OutcomeSpend,
    PeriodChart,
    SessionChart,
    Share,
    Slot,
    TurnSpend,
)
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Deed, Grant, Session, Thread
from gateway.domain.spending import By, Period, Portion, Spent
from gateway.domain.turn import OutcomeKind, Turn, TurnState
from gateway.domain.usage import NO_PARTS, Flag, Parts
from gateway.view import cost_words, forget_words, turn_words

DEAREST_MAX: Final = 3
SHARES_MAX: Final = 3
NAME_MAX: Final = 30
PROMPT_MAX: Final = 32
FRUITLESS: Final = (Came.NOTHING, Came.ERROR, Came.STOPPED)
_CAME: Final = {
    OutcomeKind.ANSWER: Came.ANSWER,
    OutcomeKind.NOTHING: Came.NOTHING,
    OutcomeKind.ERROR: Came.ERROR,
    OutcomeKind.CANCELLED: Came.STOPPED,
}


class Span(StrEnum):
    """What /report tells of, by the owner's calendar."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


SCOPES: Final = {Span.DAY: ScopeKind.DAY, Span.WEEK: ScopeKind.WEEK, Span.MONTH: ScopeKind.MONTH}
"""The limits on them."""


class Whose(StrEnum):
    """Whose spending somebody is told of."""

    GATEWAY = "gateway"
    """All of it: an owner's, in their own chat with the bot."""
    GROUP = "group"
    """That of a group's sessions: everybody in the group reads it, so it is no more than that, whoever asks."""
    PERSON = "person"
    """That of their own turns."""


_TOLD: Final = {
    Whose.GATEWAY: cost_words.OF_GATEWAY,
    Whose.GROUP: cost_words.OF_GROUP,
    Whose.PERSON: cost_words.OF_PERSON,
}


def whose(grants: Iterable[Grant], thread: Thread, person: str) -> Whose:
    """Whose spending may be told in this thread to this person, who may read there. A private chat has its person's number."""
    if thread.chat != person:
        return Whose.GROUP
    return Whose.GATEWAY if may(grants, Deed.GRANT, thread) else Whose.PERSON


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose spending is told; of which person, or from which of a group's sessions."""

    whose: Whose
    person: str
    here: frozenset[str] = frozenset()

    def portions(self, found: Iterable[Portion]) -> list[Portion]:
        """Those of the portions that may be told."""
        return [one for one in found if self._may_know(one.person, one.place.id)]

    def open_turns(self, found: Iterable[Turn]) -> list[Turn]:
        """Those of the turns that have cost something and that may be told."""
        return [one for one in found if _ran(one) and self._may_know(one.person, one.session_id)]

    def _may_know(self, person: str, session: str) -> bool:
        if self.whose is Whose.PERSON:
            return person == self.person
        return self.whose is Whose.GATEWAY or session in self.here


# ------------------------------------------------------------------------------------------------------------- a session
def came(turn: Turn) -> Came:
    """What came of a turn."""
    if turn.state not in ENDED:
        return Came.PAUSED if turn.state is TurnState.PAUSED else Came.RUNNING
    if turn.state in CUT_SHORT:
        return Came.STOPPED
    return Came.NOTHING if turn.outcome is None else _CAME[turn.outcome.kind]


def _ran(turn: Turn) -> bool:
    return bool(turn.calls or turn.spent or turn.unpriced_calls)


def ran(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """Those that made calls."""
    return tuple(turn for turn in turns if _ran(turn))


def spent(turns: Sequence[Turn]) -> Spent:
    """What turns come to that made calls."""
    return sum((_spent(turn) for turn in turns), Spent())


def _spent(turn: Turn) -> Spent:
    at_least = int(Flag.LOWER_BOUND in turn.flags)
    return Spent(turn.spent, turn.parts, turn.tokens, 1, turn.calls, turn.unpriced_calls, at_least)


def session_lines(turns: Sequence[Turn], cost: Usd, limit: Usd | None, *, list_prices: bool) -> list[str]:
    """At most eight lines about a session; `turns`: those that made calls, the latest if there are many. `cost`: of all of them."""
    whole = replace(spent(turns), cost=cost)
    lines = [cost_words.session(whole, limit), cost_words.session_size(whole)]
    ends = [came(turn) for turn in turns]
    lines += [cost_words.came_of_it({kind: ends.count(kind) for kind in Came if kind in ends})] if turns else []
    dearest = sorted(turns, key=lambda turn: -turn.spent.nano)[:DEAREST_MAX]
    lines += [cost_words.dear_turn(turn_words.spent(turn), came(turn), _words(turn)) for turn in dearest]
    lines += [words] if (words := cost_words.not_known(whole)) else []
    return [*lines, cost_words.LIST_PRICES] if list_prices else lines


def _words(turn: Turn) -> str:
    if turn.forgotten_at_ms is not None:
        return forget_words.FORGOTTEN_TITLE
    return escape(title(turn.prompt, PROMPT_MAX))


def session_chart(session: Session, turns: Sequence[Turn], limit: Usd | None, before: Usd, now_ms: int) -> SessionChart:
    """What the picture of a session shows. `turns`: oldest first; `before`: what older ones have cost."""
    spends = tuple(_turn_spend(number, turn) for number, turn in enumerate(turns, start=1))
    limits = () if limit is None else (LimitFrom(spends[0].begun_ms if spends else now_ms, limit),)
    return SessionChart(_project(session.project or session.directory), spends, now_ms, limits, before)


def _turn_spend(number: int, turn: Turn) -> TurnSpend:
    over = turn.state in ENDED
    begun_ms = turn.created_at_ms if turn.started_at_ms is None else turn.started_at_ms
    return TurnSpend(
        number=number,
        title="" if turn.forgotten_at_ms is not None else title(turn.prompt, TITLE_CHARACTERS_MAX),
        begun_ms=begun_ms,
        ended_ms=max(begun_ms, turn.ended_at_ms or begun_ms) if over else None,
        spent=turn.spent,
        came=came(turn),
        unpriced_calls=turn.unpriced_calls,
        lower_bound=Flag.LOWER_BOUND in turn.flags,
        most=None if over or turn.estimate is None else turn.estimate.p90,
    )


# -------------------------------------------------------------------------------------------------------------- a period
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
    return title(_project(name) if by is By.PROJECT else name, NAME_MAX)


def _project(path: str) -> str:
    return reason(path.rstrip("/").rpartition("/")[2] or path)


def _came_of_it(portions: Sequence[Portion]) -> str:
    outcomes = _outcomes(portions)
    lost = sum((one.spent for one in outcomes if one.came in FRUITLESS), ZERO)
    words = cost_words.came_of_it({one.came: one.turns for one in outcomes})
    return f"{words}{cost_words.fruitless(lost)}" if lost else words


def _outcomes(portions: Sequence[Portion]) -> tuple[OutcomeSpend, ...]:
    found: dict[Came, Spent] = {}
    for one in portions:
        kind = Came.RUNNING if one.came_of_it is None else _CAME[one.came_of_it]
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
    shares = tuple(Share(_project(one.name), one.spent.cost) for one in groups(members, By.PROJECT) if one.spent.cost)
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
