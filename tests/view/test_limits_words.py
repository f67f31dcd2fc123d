"""Sentences about limits, in English."""

import pytest

from gateway.domain.budget import ScopeKind, Unit
from gateway.domain.money import ZERO, Usd
from gateway.view import limits_words

ONE, TWO, TEN = Usd.parse("1"), Usd.parse("2.50"), Usd.parse("10")
DAY = ScopeKind.DAY


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (limits_words.may_not_raise_by(Unit.CALLS, 1), "You may not raise this limit by 1 call: ask an owner."),
        (limits_words.no_limit(DAY), "There is no limit on this day: there is nothing to raise."),
        (limits_words.too_high(TEN), "That would be more than $10.00, the most there is."),
        (limits_words.sentence("it is not"), "it is not."),
        (limits_words.line("Day", TWO, ONE, TEN), "Day: $2.50 spent, $1.00 held, of $10.00"),
        (limits_words.line("Day", TWO, ZERO, None), "Day: $2.50 spent, no limit"),
        (limits_words.scope_name(DAY), "Day"),
        (limits_words.team_name("month"), "Team's month"),
        (limits_words.beside(["a", "b"]), "a · b"),
        (limits_words.subscription(["a", "b"]), "Subscription: a · b"),
        (limits_words.window("five-hour", 80, ""), "five-hour window 80 %"),
        (limits_words.window("five-hour", 80, "18:00"), "five-hour window 80 %, until 18:00"),
        (
            limits_words.asked_above(ONE),
            "You are asked above $1.00 a run. Change a limit: /budget 10, /budget day 25",
        ),
        (
            limits_words.warning(DAY, Unit.USD, TWO.nano, TEN.nano, 75),
            "75 % of the day's $10.00 is spent: $2.50.",
        ),
        (limits_words.warning(DAY, Unit.CALLS, 200, 200, 95), "All of the day's 200 calls are used."),
        (limits_words.used_of_it(Unit.CALLS, 3), "3 calls of it are used."),
        (limits_words.used_of(Unit.USD, ONE.nano, TEN.nano), "$1.00 of $10.00 is spent."),
    ],
)
def test_limits_are_told_in_english(said: str, words: str) -> None:
    """The answers to /budget and /raise, and the warnings, with every optional part there and not."""
    assert said == words
