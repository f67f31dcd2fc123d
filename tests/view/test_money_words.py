"""The gate's sentences, and figures as people read them, in English."""

from datetime import datetime, timedelta

import pytest

from gateway.domain.budget import ScopeKind, Unit
from gateway.domain.money import Usd
from gateway.view import figure_words, money_words

ONE, TWO, TEN = Usd.parse("1"), Usd.parse("2.50"), Usd.parse("10")
DAY, TEAM = ScopeKind.DAY, ScopeKind.TEAM
MONDAY = datetime(2026, 11, 23, 18, 0)  # noqa: DTZ001 - a clock's face
TITLE = "Fix the test"
LEFT = (DAY, ONE, TEN, TWO, ONE)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (figure_words.count(999), "999"),
        (figure_words.count(38_400), "38k"),
        (figure_words.count(1_200_000), "1.2M"),
        (figure_words.duration(34), "34 s"),
        (figure_words.duration(125), "2 min 5 s"),
        (figure_words.duration(3_780), "1 h 3 min"),
        (figure_words.time(3_600_000), "1 h"),
        (figure_words.ago(0), "less than 1 min ago"),
        (figure_words.ago(59), "59 min ago"),
        (figure_words.ago(150), "2 h ago"),
        (figure_words.size(1), "1 byte"),
        (figure_words.size(812), "812 bytes"),
        (figure_words.size(118_000), "118 kB"),
        (figure_words.size(2_400_000), "2.4 MB"),
        (figure_words.calls(1), "1 call"),
        (figure_words.calls(2), "2 calls"),
        (figure_words.amount(Unit.USD, TWO.nano), "$2.50"),
        (figure_words.amount(Unit.PACE, ONE.nano), "$1.00 a minute"),
        (figure_words.amount(Unit.TOKENS, 1), "1 token"),
        (figure_words.amount(Unit.TOKENS, 2_000), "2k tokens"),
        (figure_words.amount(Unit.CALLS, 3), "3 calls"),
        (figure_words.amount(Unit.WORK_MS, 300_000), "5 min of work"),
        (figure_words.amount(Unit.PERCENT, 80), "80 %"),
        (figure_words.no_limit(Unit.USD), "none"),
        (figure_words.no_limit(Unit.WORK_MS), "none in minutes"),
        (figure_words.used_of(Unit.CALLS, 120, 200), "120 of 200 calls"),
        (figure_words.used_of(Unit.WORK_MS, 300_000, 3_600_000), "5 min of 1 h of work"),
        (figure_words.changed_by(Unit.USD, ONE.nano, "until 18:00"), "+$1.00 until 18:00"),
        (figure_words.changed_by(Unit.CALLS, -5, ""), "-5 calls"),
        (figure_words.dollars(ONE), "$1"),
        (figure_words.dollars(TWO), "$2.50"),
        (figure_words.until(MONDAY, MONDAY), "until 18:00"),
        (figure_words.until(MONDAY, MONDAY - timedelta(days=1)), "until Mon 23 Nov 18:00"),
        (figure_words.not_whole("0.3 calls", "calls"), "'0.3 calls' is not a whole number of calls"),
        (figure_words.more_than_there_is("9h", "8 h"), "'9h' is more than there can be: at most 8 h"),
        (figure_words.no_time("'x'"), "'x' is not a time: write it like 2h, 90m, 1d or 18:00"),
        (figure_words.too_long("'9d'", 8), "'9d' is longer than 8 days, the longest there is"),
        (figure_words.over_at_once("'0h'"), "'0h' is over at once: write how long it is to last, like 2h"),
        (figure_words.no_time_of_day("'25:00'"), "'25:00' is not a time of day: write it from 00:00 to 23:59"),
    ],
)
def test_figures_are_told_in_english(said: str, words: str) -> None:
    """Counts, times, sizes and amounts, with their plurals."""
    assert said == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (money_words.run(ONE), "Run, up to $1.00"),
        (money_words.run(ONE, more=True), "Run, up to $1.00 more"),
        (money_words.run_until(ONE), "Run, stop at $1.00"),
        (money_words.use("haiku", ONE), "Use haiku, up to $1.00"),
        (money_words.try_again(ONE), "Try again, up to $1.00"),
        (money_words.raise_by(ONE), "Raise +$1"),
        (money_words.raise_by(TWO, ONE), "Raise +$2.50, up to $1.00 more"),
        (money_words.go_on(ONE), "Go on, up to $1.00 more"),
        (money_words.raising("Run", []), "Run"),
        (
            money_words.raising("Run", [(Unit.CALLS, 100), (Unit.WORK_MS, 1_800_000)]),
            "Run, +100 calls, +30 min of work",
        ),
        (
            money_words.refused_above(TWO, ONE),
            "$2.50 would be set aside for it, and a rule refuses such runs above $1.00.",
        ),
        (money_words.budget_used(DAY, TEN), "the day budget of $10.00 is used up"),
        (money_words.agreed(ONE), "$1.00 is what was agreed for this turn"),
        (money_words.most_by_rule(ONE), "$1.00 is the most that a rule allows for this turn"),
        (money_words.paced(ONE.nano), "it costs $1.00 a minute, far more than other turns of this session"),
        (
            money_words.quota_used("five-hour", 90, "18:00"),
            "90 % of the subscription's five-hour window is used, until 18:00",
        ),
        (money_words.quota_used("five-hour", 90, ""), "90 % of the subscription's five-hour window is used"),
        (money_words.used_in_turn(Unit.CALLS, 200), "200 calls in this turn"),
        (money_words.count_used(DAY, Unit.CALLS, 1), "the day's 1 call is used up"),
        (money_words.count_used(DAY, Unit.TOKENS, 1), "the day's 1 token are used up"),
        (money_words.all_of(["one", "two"]), "one; two"),
        (money_words.pauses(ONE, more=False), "It pauses and asks at $1.00."),
        (money_words.pauses(ONE, more=True), "It pauses and asks after $1.00 more."),
        (money_words.spent_before(ONE), "$1.00 was spent before it was asked about."),
        (money_words.stuck("the day is over"), "The day is over."),
        (money_words.stuck(""), ""),
        (money_words.paused("it was stopped", "$1.00"), "Paused: it was stopped. $1.00 spent so far."),
        (money_words.cannot_go_on("it was stopped"), "It cannot go on: it was stopped."),
        (money_words.allowance([(Unit.CALLS, 150)]), "Going on allows 150 calls more."),
        (money_words.allowance([]), ""),
        (money_words.left(DAY, ONE, TEN), "$1.00 left of the day's $10.00."),
        (money_words.left_but_held(*LEFT), "$1.00 left of the day's $10.00: $2.50 spent, $1.00 held."),
        (
            money_words.left_but_held_for(*LEFT, TITLE, 0),
            "$1.00 left of the day's $10.00: $2.50 spent, $1.00 held for 'Fix the test'.",
        ),
        (
            money_words.left_but_held_for(*LEFT, TITLE, 2),
            "$1.00 left of the day's $10.00: $2.50 spent, $1.00 held for 'Fix the test' and 2 more.",
        ),
        (
            money_words.beyond(DAY, TWO, ONE, TEN, "Raise +$5"),
            '$2.50 is more than the $1.00 left of the day\'s $10.00: press "Raise +$5", or write `/raise day 2.50`.',
        ),
        (
            money_words.beyond(DAY, TWO, ONE, TEN, ""),
            "$2.50 is more than the $1.00 left of the day's $10.00: write `/raise day 2.50`.",
        ),
        (
            money_words.beyond(TEAM, TWO, ONE, TEN, "Raise +$5"),
            '$2.50 is more than the $1.00 left of the team\'s $10.00: press "Raise +$5".',
        ),
        (
            money_words.beyond(TEAM, TWO, ONE, TEN, ""),
            "$2.50 is more than the $1.00 left of the team's $10.00: nothing runs.",
        ),
    ],
)
def test_the_gate_speaks_english(said: str, words: str) -> None:
    """Buttons, refusals, reasons and questions, with every optional part there and not."""
    assert said == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (money_words.no_history(3), "Not enough history to say more (n=3)."),
        (
            money_words.forecast_of_others(ONE, TEN, 0),
            "About $1.00, up to $10.00 (from public sessions; you have no turns yet).",
        ),
        (
            money_words.forecast_of_both(ONE, TEN, 1),
            "About $1.00, up to $10.00 (from 1 turn of yours and public sessions).",
        ),
        (money_words.forecast_of_own(ONE, TEN, 40), "About $1.00, up to $10.00 (9 in 10 of 40 turns of yours)."),
        (
            money_words.forecast_of_own(ONE, TEN, 37, 30),
            "About $1.00, up to $10.00 (9 in 10 of 37 turns of yours, 30 of them from the agent's own logs).",
        ),
        (
            money_words.forecast_of_both(ONE, TEN, 14, 14),
            "About $1.00, up to $10.00 (from 14 turns of yours, all of them from the agent's own logs, and public sessions).",
        ),
        (money_words.forecast_of_own(ONE, TEN, 40, 20), "About $1.00, up to $10.00 (9 in 10 of 40 turns of yours)."),
        (money_words.price_unknown("m", "not listed"), "The price of m is not known (not listed)."),
        (money_words.at_least(ONE), "At least $1.00."),
        (
            money_words.cache_expired(5, ONE),
            "The prompt cache has expired: reading 5 tokens again costs $1.00 alone.",
        ),
        (money_words.rule_title(2, "nights"), "Rule 2 (nights)"),
        (money_words.rule_title(2, ""), "Rule 2"),
        (money_words.rule_refuses("Rule 2"), "Rule 2 refuses such runs."),
        (money_words.rule_asks("Rule 2"), "Rule 2 asks before every such run."),
        (money_words.rule_asks_above("Rule 2", ONE), "Rule 2 asks above $1.00."),
        (money_words.rule_lets_run("Rule 2", ONE), "Rule 2 lets runs up to $1.00 go unasked."),
        (money_words.no_rule(ONE), "No rule decides: runs above $1.00 are asked about."),
    ],
)
def test_forecasts_and_rules_are_told_in_english(said: str, words: str) -> None:
    """What a run will cost, and which of the owner's rules says what of it."""
    assert said == words
