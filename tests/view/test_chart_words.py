"""What is written in charts."""

from datetime import UTC, datetime

import pytest

from gateway.domain.charts import Came
from gateway.domain.money import Usd
from gateway.view import chart_words

AT = datetime(2026, 3, 2, 14, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "words"),
    [("0.0004", "$0.00040"), ("3.1", "$3.10"), ("999.99", "$999.99"), ("1234.5", "$1,235"), ("40000", "$40,000")],
)
def test_an_amount_has_as_many_digits_as_say_something(amount: str, words: str) -> None:
    """From fractions of a cent to tens of thousands; a difference may be negative."""
    assert chart_words.dollars(Usd.parse(amount)) == words
    assert chart_words.dollars(-Usd.parse(amount)) == f"-{words}"


def test_the_first_line_says_what_and_how_much() -> None:
    """With the limit, without one, and as a lower bound."""
    spent, limit = Usd.parse("3.10"), Usd.parse("5")
    assert chart_words.spent(spent, limit, at_least=False) == "$3.10 of $5.00"
    assert chart_words.spent(spent, None, at_least=False) == "$3.10 spent"
    assert chart_words.spent(spent, limit, at_least=True) == "≥ $3.10 of $5.00"
    assert chart_words.over(Usd.parse("0.42")) == "$0.42 over"


def test_numbers_of_turns_and_calls_agree_with_their_nouns() -> None:
    """One is one."""
    assert [chart_words.turns(1), chart_words.turns(10_000)] == ["1 turn", "10,000 turns"]
    assert chart_words.came(Came.COMMITS, 5) == ("commits · 5 turns", "commits · 5")
    assert chart_words.unpriced(1) == "1 call has no known price: not included"
    assert chart_words.unpriced(4) == "4 calls have no known price: not included"
    assert chart_words.turn(7) == "turn 7"


@pytest.mark.parametrize(
    ("ms", "words"),
    [(900, ""), (34_000, "34 s"), (725_000, "12 min"), (11_100_000, "3 h 5 min"), (400_000_000, "4 days")],
)
def test_how_long_it_took_is_told_in_two_words(ms: int, words: str) -> None:
    """Less than a second is not told at all."""
    assert chart_words.lasted(ms) == words


def test_limits_are_told_at_their_lines() -> None:
    """The first, a change, a day's, and where a turn may come to."""
    five = Usd.parse("5")
    assert chart_words.limit(five) == "limit $5.00"
    assert chart_words.raised(five) == "now $5.00"
    assert chart_words.day_limit(five) == "limit $5.00 a day"
    assert chart_words.up_to(five) == "up to $5.00"


def test_times_on_an_axis_are_short() -> None:
    """Hours, days, weekdays, months."""
    assert chart_words.clock(AT) == "14:05"
    assert chart_words.day(AT) == "2 Mar"
    assert chart_words.weekday(AT) == "Mon"
    assert chart_words.month(AT) == "Mar 2026"


@pytest.mark.parametrize(
    ("nano", "step", "words"),
    [
        (0, 10**9, "$0"),
        (400_000, 100_000, "$0.0004"),
        (1_500_000_000, 500_000_000, "$1.50"),
        (20 * 10**9, 10 * 10**9, "$20"),
        (500 * 10**9, 500 * 10**9, "$500"),
        (1000 * 10**9, 500 * 10**9, "$1k"),
        (1500 * 10**9, 500 * 10**9, "$1,500"),
        (40_000 * 10**9, 10_000 * 10**9, "$40k"),
    ],
)
def test_marks_of_money_have_the_digits_that_tell_them_apart(nano: int, step: int, words: str) -> None:
    """And no more."""
    assert chart_words.tick(nano, step) == words
