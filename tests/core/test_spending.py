"""Portions of what was spent, added up: by what people ask for, with what stands beside the sums."""

from dataclasses import replace
from datetime import date

from gateway.core.spending import days, groups, name_of, spending, unpriced
from gateway.domain.money import ZERO, Usd
from gateway.domain.spending import NOTHING, By, Open, Period, Place, Portion, Source, Spent
from gateway.domain.turn import OutcomeKind, TurnState
from gateway.domain.usage import Parts, Tokens

APP = Place("s_1", "claude", "/srv/app", "Fix it")
DESK = Place("s_2", "channel", "/srv/app")
OLD = Place("s_3", "codex", "")
PERIOD = Period(date(2026, 11, 20), date(2026, 11, 22))


def usd(text: str) -> Usd:
    """An amount."""
    return Usd.parse(text)


def spent(cost: str, turns: int = 1, calls: int = 2, unknown: int = 0) -> Spent:
    """So much, a quarter of it for output, with three of four tokens from a cache."""
    parts = Parts(cache_read=Usd(usd(cost).nano * 3 // 4), output=Usd(usd(cost).nano // 4))
    return Spent(usd(cost), parts, Tokens(input=10, cache_read=30, output=5), turns, calls, unknown)


PORTIONS = [
    Portion(APP, date(2026, 11, 20), "opus", "4711", Source.GATEWAY, spent("1"), 100, 200, scored=1, within_p90=1),
    Portion(
        APP, date(2026, 11, 22), "haiku", "4711", Source.GATEWAY, spent("0.10"), 300, 300,
        background=True, came_of_it=OutcomeKind.NOTHING, scored=1,
    ),
    Portion(DESK, date(2026, 11, 22), "opus", "", Source.LOGS, spent("3"), 250, 400, came_of_it=OutcomeKind.ERROR),
    Portion(OLD, date(2026, 11, 22), "", "815", Source.LOGS, spent("0", calls=2, unknown=2), 50, 50),
]  # fmt: skip


def test_spending_adds_up_in_every_class():
    """Costs, parts, tokens, turns, calls and what is not known; nothing added is what it was."""
    whole = spent("1", turns=2, calls=3, unknown=1) + spent("2")
    assert whole.cost == usd("3")
    assert (whole.parts.output, whole.other, whole.tokens.cache_read) == (usd("0.75"), ZERO, 60)
    assert (whole.turns, whole.calls, whole.unpriced) == (3, 5, 1)
    assert whole + NOTHING == whole


def test_what_nobody_knows_is_not_nothing():
    """No call has a price: no cost and no cost a turn. Some have: what those came to. None was made: nothing was spent."""
    assert (spent("0", calls=2, unknown=2).known, spent("0", calls=2, unknown=2).per_turn) == (None, None)
    assert spent("1", calls=2, unknown=1).known == usd("1")
    assert (NOTHING.known, NOTHING.per_turn, NOTHING.cached) == (ZERO, None, None)
    assert spent("1").cached == 0.75
    assert replace(spent("1"), turns=3).per_turn == Usd(333_333_333)


def test_the_report_holds_every_figure_by_hand():
    """Four portions of three sessions: sums, sources, background, what ended with what, estimates, calls without a price."""
    waits = Open(TurnState.PAUSED, 1, usd("0.5"))
    found = spending(PORTIONS, By.SESSION, PERIOD, 2, usd("0.02"), [waits])
    assert [(one.name, one.spent.cost, one.sessions, one.first_ms, one.last_ms) for one in found.groups] == [
        ("s_2", usd("3"), 1, 250, 400),
        ("s_1", usd("1.10"), 1, 100, 300),
    ]
    assert found.rest is not None
    assert (found.rest.name, found.rest.sessions, found.rest.place, found.rest.spent.unpriced) == ("1", 1, None, 2)
    assert (found.total.cost, found.total.turns, found.total.calls, found.sessions) == (usd("4.10"), 4, 8, 3)
    assert found.by_source[Source.GATEWAY].cost == usd("1.10")
    assert found.by_source[Source.LOGS].cost == usd("3")
    assert (found.background.cost, found.unlisted, found.open) == (usd("0.10"), usd("0.02"), (waits,))
    assert {kind: one.cost for kind, one in found.fruitless.items()} == {
        OutcomeKind.ERROR: usd("3"),
        OutcomeKind.NOTHING: usd("0.10"),
        OutcomeKind.CANCELLED: ZERO,
    }
    assert (found.scored, found.within_p90, found.unpriced) == (2, 1, {"": 2})
    assert found.days == (
        (date(2026, 11, 20), usd("1")),
        (date(2026, 11, 21), ZERO),
        (date(2026, 11, 22), usd("3.10")),
    )


def test_each_by_names_its_groups():
    """The dearest first; of days and people in their order, since nobody is ranked."""
    named = {by: [(one.name, one.spent.cost.exact()) for one in groups(PORTIONS, by)] for by in By}
    assert named == {
        By.SESSION: [("s_2", "3.00"), ("s_1", "1.10"), ("s_3", "0.00")],
        By.PROJECT: [("/srv/app", "4.10"), ("", "0.00")],
        By.AGENT: [("claude", "4.10"), ("codex", "0.00")],
        By.MODEL: [("opus", "4.00"), ("haiku", "0.10"), ("", "0.00")],
        By.PERSON: [("", "3.00"), ("4711", "1.10"), ("815", "0.00")],
        By.DAY: [("2026-11-20", "1.00"), ("2026-11-22", "3.10")],
    }
    assert name_of(PORTIONS[2], By.AGENT) == "claude"


def test_people_and_days_are_never_left_out():
    """Whatever number is asked for."""
    assert len(spending(PORTIONS, By.PERSON, PERIOD, 1).groups) == 3
    assert spending(PORTIONS, By.DAY, PERIOD, 1).rest is None
    assert len(spending(PORTIONS, By.MODEL, PERIOD, 0).groups) == 3


def test_a_session_is_named_as_the_gateway_knows_it():
    """What only logs tell of it has no title."""
    bare = replace(PORTIONS[0], place=replace(APP, title=""), source=Source.LOGS, last_ms=900)
    (group,) = groups([bare, PORTIONS[0]], By.SESSION)
    assert group.place == APP


def test_a_period_without_a_first_day_begins_with_the_first_spending():
    """And where nothing was spent, it is its last day alone."""
    whole = Period(None, date(2026, 11, 22))
    assert [day.day for day, _ in days(PORTIONS, whole)] == [20, 21, 22]
    assert days([], whole) == ((date(2026, 11, 22), ZERO),)
    assert spending([], By.SESSION, whole, 5).groups == ()


def test_calls_without_a_price_are_told_by_model_the_most_first():
    """Models whose calls all have one are not named."""
    more = [
        replace(PORTIONS[3], model=model, spent=spent("0", calls=n, unknown=n)) for model, n in (("b", 2), ("a", 5))
    ]
    assert list(unpriced([*PORTIONS, *more]).items()) == [("a", 5), ("", 2), ("b", 2)]
