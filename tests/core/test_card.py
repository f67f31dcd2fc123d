"""What is told of spending: to whom, in which lines, and as what a picture is drawn from."""

from dataclasses import replace
from datetime import UTC, date

import pytest

from gateway.core import periods
from gateway.core.card import Cost, Reader, Whose, came, ran, session_chart, session_lines, spent, whose
from gateway.core.period_card import Span, Told, name_of, period_chart, period_lines, period_of
from gateway.domain.charts import Came, CostClass, LimitFrom, Slot
from gateway.domain.money import ZERO
from gateway.domain.outcome import LeftKind
from gateway.domain.place import Grant, Role, Thread
from gateway.domain.spending import Period, Place, Portion, Source, Spent
from gateway.domain.turn import Outcome, OutcomeKind, Turn, TurnState
from gateway.domain.usage import Flag, Parts, Tokens
from gateway.view import cost_words, forget_words
from tests.core.make import estimate, session, turn, usd

MINE = Thread("telegram", "7")
GROUP = Thread("telegram", "-100")
DAY = date(2026, 11, 23)
API = Place("s_1", "claude", "/src/api")
WEB = Place("s_2", "claude", "/src/web")


def portion(place: Place = API, cost: str = "1", **known: object) -> Portion:
    """A turn of person 7 that was answered."""
    given = Portion(place, DAY, "opus", "7", Source.GATEWAY, Spent(usd(cost), turns=1, calls=1), 0, 0)
    return replace(given, **({"left": LeftKind.ANSWER} | known))  # type: ignore[arg-type]


def ended(
    state: TurnState = TurnState.FINISHED, kind: OutcomeKind | None = OutcomeKind.ANSWER, **known: object
) -> Turn:
    """A turn that has cost a dollar."""
    outcome = None if kind is None else Outcome(kind)
    given = {"calls": 1, "spent": usd("1"), "started_at_ms": 10, "ended_at_ms": 20}
    return turn(state=state, outcome=outcome, **(given | known))


# -------------------------------------------------------------------------------------------------------- who sees what
@pytest.mark.parametrize(
    ("role", "thread", "of"),
    [
        (Role.OWNER, MINE, Whose.GATEWAY),
        (Role.APPROVER, MINE, Whose.PERSON),
        (Role.WRITER, MINE, Whose.PERSON),
        (Role.READER, MINE, Whose.PERSON),
        (Role.OWNER, GROUP, Whose.GROUP),
        (Role.READER, GROUP, Whose.GROUP),
    ],
)
def test_owners_see_all_in_their_own_chat_and_nobody_does_in_a_group(role: Role, thread: Thread, of: Whose) -> None:
    """What everybody in a group reads is the group's; others see their own."""
    assert whose((Grant("7", role),), thread, "7") is of


def test_an_owner_of_one_group_owns_nothing_elsewhere() -> None:
    """A grant counts where it is for."""
    assert whose((Grant("7", Role.OWNER, "-100"),), MINE, "7") is Whose.PERSON


def test_a_reader_gets_no_portion_and_no_turn_of_others() -> None:
    """By person in a private chat, by session in a group."""
    portions = [portion(), portion(WEB, person="8")]
    turns = [ended(), ended(session_id="s_2", person="8"), turn()]
    found = {
        of: (len(reader.portions(portions)), len(reader.open_turns(turns)))
        for of in Whose
        if (reader := Reader(of, "8", frozenset({"s_1"})))
    }
    assert found == {Whose.GATEWAY: (2, 2), Whose.GROUP: (1, 1), Whose.PERSON: (1, 1)}
    assert Reader(Whose.PERSON, "8", frozenset({"s_1"})).portions(portions) == [portions[1]]
    assert Reader(Whose.GROUP, "8", frozenset({"s_1"})).portions(portions) == [portions[0]]


# ------------------------------------------------------------------------------------------------------------- a session
@pytest.mark.parametrize(
    ("one", "of"),
    [
        (ended(), Came.ANSWER),
        (ended(kind=OutcomeKind.NOTHING), Came.NOTHING),
        (ended(kind=None), Came.NOTHING),
        (ended(TurnState.FAILED, OutcomeKind.ERROR), Came.ERROR),
        (ended(TurnState.FAILED, OutcomeKind.CANCELLED), Came.STOPPED),
        (ended(TurnState.STOPPED, OutcomeKind.CANCELLED), Came.STOPPED),
        (ended(TurnState.INTERRUPTED, OutcomeKind.ANSWER), Came.STOPPED),
        (turn(state=TurnState.PAUSED), Came.PAUSED),
        (turn(outcome=Outcome(OutcomeKind.CANCELLED)), Came.RUNNING),
    ],
)
def test_each_turn_ends_as_it_is_told(one: Turn, of: Came) -> None:
    """While it is at work, nothing has come of it yet."""
    assert came(one) is of


@pytest.mark.parametrize(
    ("left", "of"),
    [
        (LeftKind.COMMITS, Came.COMMITS),
        (LeftKind.REWRITTEN, Came.COMMITS),
        (LeftKind.DIFF, Came.CHANGES),
        (LeftKind.TESTS, Came.ANSWER),
        (LeftKind.NOTHING, Came.STOPPED),
        (LeftKind.UNKNOWN, Came.STOPPED),
        (None, Came.STOPPED),
    ],
)
def test_what_git_shows_says_more_than_how_a_turn_ended(left: LeftKind | None, of: Came) -> None:
    """Also of one that was stopped; while one is at work nobody has looked."""
    stopped = ended(TurnState.STOPPED, OutcomeKind.CANCELLED)
    assert came(stopped, left) is of
    assert Cost([stopped], ZERO, None, {} if left is None else {"t_1": left}).came(stopped) is of
    assert came(turn(), left) is Came.RUNNING


def test_a_session_is_told_in_at_most_eight_lines() -> None:
    """The dearest turns with their words; forgotten ones without them; what is not known is said."""
    tokens = Tokens(input=100, cache_read=900)
    turns = [ended(prompt=f"turn *{n}*", spent=usd(str(n)), tokens=tokens) for n in range(1, 6)]
    turns[3] = replace(turns[3], forgotten_at_ms=5, flags=frozenset({Flag.LOWER_BOUND}))
    turns[0] = replace(turns[0], unpriced_calls=1)
    lines = session_lines(Cost(turns, usd("15"), usd("20"), {"t_1": LeftKind.ANSWER}), list_prices=True)
    assert lines == [
        "**Session: at least $15.00 of $20.00**",
        "5 turns · 5 calls · 5k tokens · 90 % cached",
        "Came of it: 5 answered",
        "$5.00 · done · turn \\*5\\*",
        f"at least $4.00 · done · {forget_words.FORGOTTEN_TITLE}",
        "$3.00 · done · turn \\*3\\*",
        "Not in it: 1 call of unknown price · Cut short: 1 turn, so it may be more",
        cost_words.LIST_PRICES,
    ]


def test_a_session_without_a_paid_turn_is_told_too() -> None:
    """Nothing was spent of the limit."""
    assert session_lines(Cost([], ZERO, None), list_prices=False) == [
        "**Session: $0.00**",
        "0 turns · 0 calls · 0 tokens",
    ]
    assert ran([turn(), ended(), turn(unpriced_calls=1)]) == (ended(), turn(unpriced_calls=1))
    assert spent([ended(), ended()]).cost == usd("2")


def test_a_session_is_drawn_from_its_turns_and_its_limit() -> None:
    """One at work may cost more; what is forgotten has no title; a directory is named by its last part."""
    turns = [
        ended(),
        ended(forgotten_at_ms=5, ended_at_ms=None, flags=frozenset({Flag.LOWER_BOUND})),
        turn(estimate=estimate("3")),
    ]
    chart = session_chart(session(project="/src/api/"), Cost(turns, usd("3"), usd("5")), 99)
    done, forgotten, works = chart.turns
    assert (chart.name, chart.now_ms, chart.spent_before) == ("api", 99, usd("1"))
    assert chart.limits == (LimitFrom(10, usd("5")),)
    assert (done.number, done.title, done.begun_ms, done.ended_ms, done.most) == (
        1,
        "Fix the flaky login test",
        10,
        20,
        None,
    )
    assert (forgotten.title, forgotten.ended_ms, forgotten.lower_bound) == ("", 10, True)
    assert (works.begun_ms, works.ended_ms, works.most, works.came) == (0, None, usd("3"), Came.RUNNING)
    bare = session_chart(session(directory="/"), Cost([turn()], ZERO, None), 99)
    assert (bare.name, bare.limits, bare.turns[0].most) == ("/", (), None)
    assert session_chart(session(), Cost([], ZERO, usd("5")), 99).limits == (LimitFrom(99, usd("5")),)


# -------------------------------------------------------------------------------------------------------------- a period
@pytest.mark.parametrize(
    ("span", "today", "first", "last", "name"),
    [
        (Span.DAY, DAY, DAY, DAY, "Today, Mon 23 Nov"),
        (Span.WEEK, date(2026, 11, 25), DAY, date(2026, 11, 29), "Week, Mon 23 Nov to Sun 29 Nov"),
        (Span.MONTH, DAY, date(2026, 11, 1), date(2026, 11, 30), "November 2026"),
        (Span.MONTH, date(2026, 2, 28), date(2026, 2, 1), date(2026, 2, 28), "February 2026"),
        (Span.MONTH, date(2026, 12, 31), date(2026, 12, 1), date(2026, 12, 31), "December 2026"),
    ],
)
def test_a_period_is_the_calendars(span: Span, today: date, first: date, last: date, name: str) -> None:
    """To its end, though that is still to come."""
    period = period_of(span, today)
    assert period == Period(first, last)
    assert name_of(span, period, today) == name


def test_a_period_is_told_with_all_that_stands_out() -> None:
    """The sum and the limit, projects, models, what came of it, the background, what is not known, forecasts, whose it is."""
    portions = [
        portion(cost="4", scored=2, within_p90=1),
        portion(WEB, "2", left=LeftKind.ERROR, model="sonnet_4"),
        portion(replace(WEB, project="/src/a_*b*"), "1", background=True, left=LeftKind.REWRITTEN),
        portion(replace(WEB, project=""), "0.50", left=None),
        portion(replace(WEB, project="/src/last"), "0.25", left=LeftKind.UNKNOWN),
    ]
    portions[0] = replace(portions[0], spent=replace(portions[0].spent, unpriced=1, at_least=1))
    told = Told(
        "Today",
        Period(DAY, DAY),
        Whose.GATEWAY,
        portions,
        [turn(spent=usd("0.50"), calls=1)],
        usd("25"),
        usd("8"),
        list_prices=True,
    )
    assert period_lines(told) == [
        "**Today: at least $7.75 of $25.00**",
        "Against the limit count $8.00 of $25.00",
        "5 turns in 2 sessions",
        "api at least $4.00 · web $2.00 · a\\_\\*b\\* $1.00 · 2 more $0.75",
        "opus at least $5.75 · sonnet\\_4 $2.00",
        "Came of it: 1 with commits, 1 answered, 1 failed, 1 at work, 1 not known; $2.00 on turns that ended with nothing, failed or were stopped",
        "Unasked, in the background: $1.00, 1 turn",
        "Not in it: 1 call of unknown price · Cut short: 1 turn, so it may be more",
        "Not settled yet: 1 turn, $0.50 so far",
        "Forecasts: 1 of 2 turns stayed within their upper figure; 9 in 10 should",
        f"{cost_words.OF_GATEWAY} {cost_words.LIST_PRICES}",
    ]


def test_a_quiet_period_is_told_in_few_lines() -> None:
    """What there is nothing to say of is not said."""
    one = Told("Today", Period(DAY, DAY), Whose.PERSON, [portion()], limit=usd("25"), booked=usd("1"))
    assert period_lines(one) == [
        "**Today: $1.00 of $25.00**",
        "1 turn in 1 session",
        "api $1.00",
        "opus $1.00",
        "Came of it: 1 answered",
        cost_words.OF_PERSON,
    ]
    none = Told("Today", Period(DAY, DAY), Whose.GROUP, [], [turn(spent=usd("1"))])
    assert period_lines(none) == [
        "**Today**\nNothing was spent in this group.",
        "Not settled yet: 1 turn, $1.00 so far",
    ]


def test_a_period_is_drawn_bar_by_bar() -> None:
    """Each bar by project; the classes that anything was paid for; how turns ended."""
    days = Period(date(2026, 11, 22), DAY)
    begins = periods.beginnings(date(2026, 11, 22), DAY, UTC)
    made = Spent(usd("3"), Parts(input=usd("1"), output=usd("2")), turns=1, calls=2, unpriced=1, at_least=1)
    told = Told("Days", days, Whose.GATEWAY, [portion(spent=made), portion(WEB, "0")], limit=usd("9"))
    chart = period_chart(told, Slot.DAY, begins, told.portions, usd("4"))
    empty, full = chart.bars
    assert (empty.begins_ms, empty.shares) == (begins[0], ())
    assert [(one.name, one.spent) for one in full.shares] == [("api", usd("3"))]
    assert (full.unpriced_calls, chart.limit, chart.bar_limit, chart.turns, chart.lower_bound) == (
        1,
        usd("9"),
        usd("4"),
        2,
        True,
    )
    assert [(one.kind, one.spent) for one in chart.classes] == [
        (CostClass.INPUT, usd("1")),
        (CostClass.OUTPUT, usd("2")),
    ]
    assert [(one.came, one.spent, one.turns) for one in chart.outcomes] == [(Came.ANSWER, usd("3"), 2)]
    endless = replace(told, period=Period(None, DAY), portions=[portion()])
    assert period_chart(endless, Slot.DAY, begins[1:], [portion()]).classes == ()
