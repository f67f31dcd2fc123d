"""What is counted beside money: read, compared with its limits, lifted by a person, and said in words."""

from dataclasses import replace
from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import gauges
from gateway.core.gate import Consent, Enough, Limit, Policy, after_call, at_limit, decide, resume
from gateway.core.gauges import MINUTE_MS, Gauge
from gateway.domain.approval import Allow, Ask, Choice, Question
from gateway.domain.budget import Balance, Caps, Counts, Entry, EntryKind, Lift, Quota, Scope, ScopeKind, Unit
from gateway.domain.lease import TeamScope, lease_scope
from gateway.domain.money import AmountError, Usd
from gateway.domain.turn import Turn, TurnState
from gateway.domain.usage import Tokens
from tests.core.make import DAY, SESSION, UNHURRIED, balance, estimate, left, turn, usd

POLICY = Policy(confirm_above=usd("1"), step=usd("0.50"))
OWN = Scope(ScopeKind.TURN, "t_1")
QUOTA = Scope(ScopeKind.QUOTA, "claude:five_hour")
CALLS = Gauge(SESSION, Unit.CALLS, used=200, limit=200)
LOOP = Gauge(OWN, Unit.CALLS, used=300, limit=300)


def counted(scope: Scope, counts: Counts, caps: Caps) -> Balance:
    """A balance without money."""
    return Balance(scope, None, counts=counts, caps=caps)


def asked(verdict: object) -> Question:
    """The question, which it has to be."""
    assert isinstance(verdict, Ask)
    return verdict.question


# ------------------------------------------------------------------------------------------------------------ reading
def test_only_what_has_a_limit_is_read() -> None:
    """Tokens, calls and work of every scope, in that order, where they are capped."""
    found = gauges.of_balances(
        [counted(SESSION, Counts(9, 8, 7), Caps(calls=10)), counted(DAY, Counts(1, 2, 3), Caps(5, None, 60_000))]
    )
    assert found == (
        Gauge(SESSION, Unit.CALLS, 8, 10),
        Gauge(DAY, Unit.TOKENS, 1, 5),
        Gauge(DAY, Unit.WORK_MS, 3, 60_000),
    )


def test_money_is_read_for_warnings_as_what_is_spent() -> None:
    """Holds are no spending, and a scope without a limit, or with one of nothing, has no gauge."""
    found = gauges.of_money([balance(SESSION, "5", spent="2", held="1"), balance(DAY, None, spent="9")])
    assert found == (Gauge(SESSION, Unit.USD, usd("2").nano, usd("5").nano),)


def test_a_turns_own_counts_are_on_the_turn() -> None:
    """Every token once, its calls, and its work with what is not booked of it yet."""
    one = turn(tokens=Tokens(input=5, output=7, reasoning=2), calls=3, work_ms=1000, spent=usd("3"))
    found = gauges.of_turn(one, Caps(100, 10, 5000), pace_limit=None, unbooked_ms=500)
    assert found == (
        Gauge(Scope(ScopeKind.TURN, one.id), Unit.TOKENS, 12, 100),
        Gauge(Scope(ScopeKind.TURN, one.id), Unit.CALLS, 3, 10),
        Gauge(Scope(ScopeKind.TURN, one.id), Unit.WORK_MS, 1500, 5000),
    )
    paced = gauges.of_turn(replace(one, work_ms=2 * MINUTE_MS), Caps(), usd("4").nano)
    assert paced == (Gauge(Scope(ScopeKind.TURN, one.id), Unit.PACE, usd("1.50").nano, usd("4").nano),)


def test_a_quota_window_counts_until_it_begins_anew() -> None:
    """At its reset it is unknown; one that told no reset counts for five hours."""
    dated = Quota("claude", "five_hour", 83, told_at_ms=0, resets_at_ms=1000)
    undated = Quota("claude", "seven_day", 40, told_at_ms=0)
    first = Gauge(QUOTA, Unit.PERCENT, 83, 80, until="00:00")
    second = Gauge(Scope(ScopeKind.QUOTA, "claude:seven_day"), Unit.PERCENT, 40, 80)
    assert gauges.of_quotas([dated, undated], 80, now_ms=999) == (first, second)
    assert gauges.of_quotas([dated, undated], 80, now_ms=1000) == (second,)
    assert gauges.of_quotas([undated], 80, now_ms=gauges.UNDATED_MS) == ()


def test_a_pace_is_over_a_minute_at_least() -> None:
    """A cold first call of a dollar after two seconds is a dollar a minute."""
    assert gauges.pace(usd("1"), 2000) == usd("1").nano
    assert gauges.pace(usd("3"), 2 * MINUTE_MS) == usd("1.50").nano


def history(*spent: str) -> list[Turn]:
    """Turns that have ended, a minute of work each."""
    return [turn(spent=usd(one), work_ms=MINUTE_MS, ended_at_ms=1) for one in spent]


def test_a_pace_is_held_against_the_fastest_turn_so_far() -> None:
    """Five times the fastest of five turns or more, and never less than the least."""
    past = history("0.10", "0.20", "0.30", "0.10", "0.20")
    assert gauges.pace_limit(past, 5, usd("0.50")) == usd("1.50").nano
    assert gauges.pace_limit(past, 5, usd("2")) == usd("2").nano


def test_without_history_no_pace_is_too_fast() -> None:
    """Four turns are too few, turns at work or without work are none, and 0 times switches it off."""
    four = history("0.10", "0.20", "0.30", "0.10")
    odd = [replace(four[0], ended_at_ms=None), replace(four[0], work_ms=0)]
    assert gauges.pace_limit([*four, *odd], 5, usd("0.50")) is None
    assert gauges.pace_limit([*four, *four], 0, usd("0.50")) is None


# ------------------------------------------------------------------------------------------------------------- limits
def test_a_count_at_its_limit_says_no() -> None:
    """One below does not."""
    below = replace(CALLS, used=199)
    assert gauges.full([CALLS, below, LOOP]) == (CALLS, LOOP)


def test_a_lift_gives_half_the_limit_again_beyond_what_is_used() -> None:
    """The lifted gauge is not full, and only its own scope and unit are lifted."""
    over = replace(CALLS, used=230)
    more = gauges.lift(over)
    assert more == Lift(SESSION, Unit.CALLS, 130)
    other = Lift(SESSION, Unit.TOKENS, 5)
    assert gauges.lifted([over], [more, other]) == (replace(over, limit=330),)
    assert gauges.lift(Gauge(OWN, Unit.CALLS, 1, 1)).by == 1


@UNHURRIED
@given(st.integers(0, 10**12), st.integers(1, 10**12))
def test_whatever_is_lifted_has_room(used: int, limit: int) -> None:
    """However far a count is beyond its limit, one yes is enough."""
    gauge = Gauge(SESSION, Unit.TOKENS, used, limit)
    stuck = gauges.full([gauge])
    assert gauges.full(gauges.lifted(stuck, [gauges.lift(one) for one in stuck])) == ()


def test_what_is_left_of_work_is_the_least_of_all() -> None:
    """Other units do not count; without a limit there is no end."""
    work = Gauge(DAY, Unit.WORK_MS, 10_000, 60_000)
    assert gauges.work_left_ms([CALLS, work, replace(work, used=59_000)]) == 1000
    assert gauges.work_left_ms([CALLS]) is None


def test_lifts_that_take_each_other_back_are_none() -> None:
    """The same scope, unit and end are added up."""
    up = Lift(DAY, Unit.USD, 5, until_ms=9)
    assert gauges.net([up, replace(up, by=2), replace(up, by=-7)]) == ()
    assert gauges.net([up, replace(up, by=2), replace(up, until_ms=10)]) == (
        replace(up, by=7),
        replace(up, until_ms=10),
    )


def test_a_balance_is_lifted_where_it_has_a_limit() -> None:
    """Dollars and counts of its own scope; a limit that there is not stays none."""
    one = replace(balance(DAY, "5"), caps=Caps(calls=10, work_ms=100))
    lifts = [Lift(DAY, Unit.USD, 1), Lift(DAY, Unit.CALLS, 2), Lift(DAY, Unit.TOKENS, 3), Lift(SESSION, Unit.CALLS, 4)]
    assert one.lifted(lifts) == replace(one, limit=usd("5") + type(one.spent)(1), caps=Caps(calls=12, work_ms=100))
    assert balance(DAY, None).lifted(lifts) == balance(DAY, None)
    assert one.lifted([]) is one


def test_an_entry_counts_and_caps_every_scope_that_it_names() -> None:
    """Counts add up, caps replace the ones before, one by one."""
    start = counted(DAY, Counts(1, 2, 3), Caps(tokens=9, calls=9))
    entry = Entry(EntryKind.LIMIT, (DAY,), counts=Counts(10, 20, 30), caps=Caps(calls=5))
    assert start.after(entry) == counted(DAY, Counts(11, 22, 33), Caps(tokens=9, calls=5))
    assert counted(SESSION, Counts(), Caps()).after(entry) == counted(SESSION, Counts(), Caps())


# ----------------------------------------------------------------------------------------------------------- the gate
def test_a_run_that_meets_a_full_count_is_asked_about() -> None:
    """The question names what says no, and a yes raises it: a limit that others share, for those who may raise."""
    question = asked(decide(left("5"), estimate("0.40"), POLICY, None, [CALLS]))
    assert "The session's 200 calls are used up." in question.text
    run, no = question.options
    assert (run.choice, run.label, run.lifts) == (
        Choice.RAISE,
        "Run, up to $1.00, +100 calls",
        (Lift(SESSION, Unit.CALLS, 100),),
    )
    assert (no.choice, no.lifts) == (Choice.NO, ())


def test_with_room_on_every_count_a_run_goes_unasked() -> None:
    """A count below its limit changes nothing."""
    roomy = [replace(CALLS, used=199), replace(LOOP, used=0)]
    assert decide(left("5"), estimate("0.40"), POLICY, None, roomy) == decide(left("5"), estimate("0.40"), POLICY)


def test_when_a_quota_window_begins_anew_is_told_where_the_owner_is() -> None:
    """The time alone if it is today there, else with the day."""
    hour_ms = 60 * MINUTE_MS
    told = Quota("claude", "five_hour", 83, told_at_ms=0, resets_at_ms=3 * hour_ms)
    east = timezone(timedelta(hours=21))
    assert [gauge.until for gauge in gauges.of_quotas([told], 80, 0, UTC)] == ["03:00"]
    assert [gauge.until for gauge in gauges.of_quotas([told], 80, 0, east)] == ["Fri 2 Jan 00:00"]
    assert [gauge.until for gauge in gauges.of_quotas([replace(told, resets_at_ms=None)], 80, 0)] == [""]


def test_a_yes_to_an_amount_is_none_to_a_count() -> None:
    """Consent in dollars leaves a full count full; lifted, the turn runs."""
    consent = Consent(usd("1"))
    assert isinstance(decide(left("5"), estimate("0.40"), POLICY, consent, [CALLS]), Ask)
    roomy = gauges.lifted([CALLS], [gauges.lift(CALLS)])
    assert isinstance(decide(left("5"), estimate("0.40"), POLICY, consent, roomy), Allow)


def test_a_full_quota_window_asks_and_never_holds() -> None:
    """A yes is for this run alone, so that an approver without raises may say it."""
    question = asked(decide(left("5"), estimate("0.40"), POLICY, None, [Gauge(QUOTA, Unit.PERCENT, 83, 80)]))
    assert "83 % of the subscription's five-hour window is used." in question.text
    assert (question.options[0].choice, question.options[0].label) == (Choice.RUN, "Run, up to $1.00")
    assert question.options[0].lifts == (Lift(QUOTA, Unit.PERCENT, 43),)


def running(**known: object) -> Turn:
    """A turn at work: $0.40 of $1 held is spent, and $5 were agreed."""
    given = {"state": TurnState.RUNNING, "hold": usd("1"), "held_left": usd("0.60"), "spent": usd("0.40")}
    return turn(**(given | {"ceiling": usd("5")} | known))


def test_a_loop_pauses_and_asks_like_a_limit() -> None:
    """At so many calls in one turn; without, the hold is enough."""
    assert after_call(running(), left("5"), POLICY, [LOOP]) == Limit("300 calls in this turn")
    assert after_call(running(), left("5"), POLICY, [replace(LOOP, used=299)]) == Enough()


def test_going_on_after_a_loop_keeps_what_was_agreed_in_dollars() -> None:
    """The turn may still cost $5, and gets half as many calls again; the button is a plain yes."""
    question = at_limit(running(), left("9"), POLICY, "300 calls in this turn", [LOOP])
    assert question.text.startswith("Paused: 300 calls in this turn. $0.40 spent so far.")
    assert question.text.endswith("Going on allows 150 calls more.")
    go_on = question.options[0]
    assert (go_on.choice, go_on.allows, go_on.lifts) == (Choice.RUN, usd("5"), (Lift(OWN, Unit.CALLS, 150),))
    assert question.options[1].lifts == ()


def test_where_less_is_left_than_was_agreed_the_question_offers_a_usual_step() -> None:
    """A full count does not make the session's last dollar five."""
    question = at_limit(running(held_left=usd("0")), left("1.50"), POLICY, "x", [LOOP])
    assert question.options[0].allows == usd("1.40")


def test_a_paused_turn_goes_on_once_every_count_has_room() -> None:
    """A yes on another balance is asked again where a count is still full, and the question lifts that too."""
    paused = running(state=TurnState.PAUSED)
    consent = Consent(usd("5"))
    again = asked(resume(paused, left("9"), POLICY, consent, [LOOP, CALLS]))
    assert again.text.startswith("Paused: 300 calls in this turn; the session's 200 calls are used up.")
    assert again.options[0].label == "Go on, up to $4.60 more, +100 calls"
    roomy = gauges.lifted([LOOP, CALLS], again.options[0].lifts)
    assert isinstance(resume(paused, left("9"), POLICY, consent, roomy), Allow)


# ----------------------------------------------------------------------------------------------------------- warnings
@pytest.mark.parametrize(
    ("before", "after", "marks"),
    [
        ("3.74", "3.749", []),
        ("3.74", "3.75", [75]),
        ("3.75", "4.74", []),
        ("4.74", "4.75", [95]),
        ("3.74", "5.20", [95]),
        ("5.20", "6", []),
    ],
)
def test_a_person_hears_once_of_three_quarters_and_of_nearly_all_of_a_limit(
    before: str, after: str, marks: list[int]
) -> None:
    """Of $5: at $3.75 and at $4.75, and only of the higher one where a call passes both."""
    was = gauges.of_money([balance(SESSION, "5", spent=before)])
    found = gauges.warnings(was, gauges.of_money([balance(SESSION, "5", spent=after)]))
    assert [mark for _, mark in found] == marks


def test_a_limit_that_was_taken_back_to_nothing_is_no_reason_to_warn() -> None:
    """There is no hundredth of nothing."""
    gauge = Gauge(DAY, Unit.CALLS, 5, 0)
    assert gauges.warnings([gauge], [replace(gauge, used=6)]) == ()


@pytest.mark.parametrize(
    ("gauge", "words"),
    [
        (Gauge(DAY, Unit.USD, usd("18.80").nano, usd("25").nano), "75 % of the day's $25.00 is spent: $18.80."),
        (Gauge(SESSION, Unit.CALLS, 150, 200), "75 % of the session's 200 calls are used: 150 calls."),
        (
            Gauge(DAY, Unit.TOKENS, 1_500_000, 2_000_000),
            "75 % of the day's 2.0M tokens are used: 1.5M tokens.",
        ),
        (Gauge(SESSION, Unit.USD, usd("0.128").nano, usd("0.13").nano), "75 % of the session's $0.13 is spent."),
    ],
)
def test_a_warning_names_the_limit_and_what_is_used_of_it(gauge: Gauge, words: str) -> None:
    """Which scope, how much of it, and the amount."""
    assert gauges.warning(gauge, 75) == words


# -------------------------------------------------------------------------------------------------------------- words
@pytest.mark.parametrize(
    ("unit", "value", "words"),
    [
        (Unit.USD, 2_500_000_000, "$2.50"),
        (Unit.PACE, 2_500_000_000, "$2.50 a minute"),
        (Unit.TOKENS, 1, "1 token"),
        (Unit.TOKENS, 38_000, "38k tokens"),
        (Unit.CALLS, 1, "1 call"),
        (Unit.CALLS, 12, "12 calls"),
        (Unit.WORK_MS, 5_400_000, "1 h 30 min of work"),
        (Unit.PERCENT, 83, "83 %"),
    ],
)
def test_an_amount_is_said_in_its_unit(unit: Unit, value: int, words: str) -> None:
    """As people read it."""
    assert gauges.amount(unit, value) == words


@pytest.mark.parametrize(
    ("gauge", "words"),
    [
        (CALLS, "the session's 200 calls are used up"),
        (LOOP, "300 calls in this turn"),
        (replace(CALLS, used=1, limit=1), "the session's 1 call is used up"),
        (Gauge(OWN, Unit.WORK_MS, 7_260_000, 7_200_000), "2 h 1 min of work in this turn"),
        (
            Gauge(OWN, Unit.PACE, usd("6").nano, usd("2").nano),
            "it costs $6.00 a minute, far more than other turns of this session",
        ),
        (Gauge(QUOTA, Unit.PERCENT, 83, 80), "83 % of the subscription's five-hour window is used"),
        (
            Gauge(QUOTA, Unit.PERCENT, 83, 80, until="18:00"),
            "83 % of the subscription's five-hour window is used, until 18:00",
        ),
    ],
)
def test_a_full_gauge_says_why(gauge: Gauge, words: str) -> None:
    """What is used, and of what."""
    assert gauges.reason(gauge) == words


@pytest.mark.parametrize(
    ("text", "unit", "amount"),
    [
        ("5", Unit.USD, 5_000_000_000),
        ("$2.50", Unit.USD, 2_500_000_000),
        ("200 calls", Unit.CALLS, 200),
        ("1 call", Unit.CALLS, 1),
        ("1.5M tokens", Unit.TOKENS, 1_500_000),
        ("  20K   Tokens ", Unit.TOKENS, 20_000),
        ("90 min", Unit.WORK_MS, 90 * MINUTE_MS),
        ("1.5 h", Unit.WORK_MS, 90 * MINUTE_MS),
    ],
)
def test_a_limit_is_read_in_any_unit(text: str, unit: Unit, amount: int) -> None:
    """Without a unit it is dollars."""
    assert gauges.parse(text) == (unit, amount)


@pytest.mark.parametrize(
    ("text", "unit", "words"),
    [
        ("none", Unit.USD, "none"),
        (" None ", Unit.USD, "none"),
        ("none calls", Unit.CALLS, "none in calls"),
        ("none tokens", Unit.TOKENS, "none in tokens"),
        ("none min", Unit.WORK_MS, "none in minutes"),
    ],
)
def test_no_limit_is_the_most_there_is_and_is_told_as_none(text: str, unit: Unit, words: str) -> None:
    """In the unit that is named, else in dollars; what is set so has no limit any more."""
    found = gauges.parse_limit(text)
    assert found == (unit, gauges.MOST[unit])
    assert gauges.limit_words(*found) == words
    assert gauges.is_none(*found)
    assert not gauges.is_none(unit, gauges.MOST[unit] - 1)


def test_any_other_limit_is_read_and_told_as_an_amount() -> None:
    """What is set to none is only what says so."""
    assert gauges.parse_limit("200 calls") == (Unit.CALLS, 200)
    assert gauges.limit_words(Unit.CALLS, 200) == "200 calls"
    for text in ("none pears", "nothing", "no"):
        with pytest.raises(AmountError):
            gauges.parse_limit(text)


def test_a_balance_has_no_limit_that_was_taken_away() -> None:
    """Each limit for itself; those that were not taken away stay."""
    day = Scope(ScopeKind.DAY, "2026-11-22")
    most = Caps(gauges.MOST[Unit.TOKENS], gauges.MOST[Unit.CALLS], gauges.MOST[Unit.WORK_MS])
    assert gauges.freed(Balance(day, Usd(gauges.MOST[Unit.USD]), caps=most)) == Balance(day, None)
    kept = Balance(day, Usd.parse("5"), caps=Caps(calls=3))
    assert gauges.freed(kept) == kept
    assert gauges.freed(Balance(day, None)) == Balance(day, None)
    assert gauges.freed(Balance(day, Usd.parse("5"), caps=Caps(tokens=7, calls=most.calls))).caps == Caps(tokens=7)


@pytest.mark.parametrize(
    "text",
    [
        "-1 calls",
        "nan",
        "1e9",
        "5 €",
        "1.5 calls",
        "9999M tokens x",
        "9999999M tokens",
        "10000 h",
        "5 pears",
        "",
        "k tokens",
    ],
)
def test_an_amount_that_nobody_can_have_meant_is_rejected(text: str) -> None:
    """Attack 33, in every unit: negative, NaN, huge, broken."""
    with pytest.raises(AmountError):
        gauges.parse(text)


def test_the_budget_answer_shows_every_scope_with_limits_spending_holds_and_raises() -> None:
    """Held money is shown where there is any, counts where they are limited, and a scope without a limit says so."""
    session = replace(
        balance(SESSION, "5", spent="3.10", held="0.40"), counts=Counts(0, 120, 34_000), caps=Caps(None, 200, 3_600_000)
    )
    day = balance(DAY, None, spent="3.10")
    lifts = [Lift(SESSION, Unit.USD, 5_000_000_000, until_ms=64_800_000), Lift(SESSION, Unit.CALLS, -5)]
    words = gauges.budget_words((session, day), lifts, usd("1"), 0, UTC)
    assert words.splitlines() == [
        "Session: $3.10 spent, $0.40 held, of $5.00 · 120 of 200 calls · 34 s of 1 h of work · +$5.00 until 18:00 · -5 calls",
        "Day: $3.10 spent, no limit",
        "You are asked above $1.00 a run. Change a limit: /budget 10, /budget day 25",
    ]


def test_the_budget_answer_tells_a_teams_limits_apart() -> None:
    """Each by its period; one that is for ever is the team's."""
    periods = ("2026-11-22", "2026-W47", "2026-11", "")
    shared = [balance(lease_scope(TeamScope("core", period), "lease"), "5") for period in periods]
    words = gauges.budget_words(shared, (), usd("1"), 0, UTC)
    assert [line.partition(":")[0] for line in words.splitlines()[:4]] == [
        "Team's day",
        "Team's week",
        "Team's month",
        "Team",
    ]


def test_the_budget_answer_shows_a_subscriptions_windows_and_when_they_begin_anew() -> None:
    """One line for all of them, after the scopes; a reset that nobody told is left out."""
    five = Gauge(QUOTA, Unit.PERCENT, 83, 100, until="18:00")
    seven = Gauge(Scope(ScopeKind.QUOTA, "claude:seven_day"), Unit.PERCENT, 20, 100)
    words = gauges.budget_words((balance(DAY, "25", spent="3"),), (), usd("1"), 0, UTC, (five, seven))
    assert words.splitlines()[:2] == [
        "Day: $3.00 spent, of $25.00",
        "Subscription: five-hour window 83 %, until 18:00 · seven-day window 20 %",
    ]
