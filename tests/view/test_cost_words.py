"""Sentences about what was spent, in English."""

from datetime import date

import pytest

from gateway.domain.charts import Came
from gateway.domain.money import Usd
from gateway.domain.spending import Period, Spent
from gateway.domain.usage import Tokens
from gateway.view import cost_words as words

TWO = Usd.parse("2")
SOME = Spent(TWO, tokens=Tokens(input=250, cache_read=750, output=24), turns=2, calls=3)
ONE = Spent(TWO, turns=1, calls=1)
UNPRICED = Spent(turns=1, calls=2, unpriced=2)
PARTLY = Spent(TWO, turns=2, calls=3, unpriced=1, at_least=1)
DAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (words.session(SOME, Usd.parse("5")), "**Session: $2.00 of $5.00**"),
        (words.session(SOME, None), "**Session: $2.00**"),
        (words.session(UNPRICED, None), "**Session: price not known**"),
        (words.period("Today", PARTLY, None), "**Today: at least $2.00**"),
        (words.session_size(SOME), "2 turns · 3 calls · 1k tokens · 75 % cached"),
        (words.session_size(ONE), "1 turn · 1 call · 0 tokens"),
        (words.came_of_it({Came.ANSWER: 2, Came.STOPPED: 1}), "Came of it: 2 answered, 1 stopped"),
        (words.came_of_it({Came.COMMITS: 2}, 3), "Came of it: 2 with commits, 3 not known"),
        (words.dear_turn("$2.00", Came.ERROR, "Fix it"), "$2.00 · failed · Fix it"),
        (words.not_known(SOME), ""),
        (words.not_known(UNPRICED), "Not in it: 2 calls of unknown price"),
        (
            words.not_known(PARTLY),
            "Not in it: 1 call of unknown price · Cut short: 1 turn, so it may be more",
        ),
        (words.day(DAY, DAY), "Today, Mon 23 Nov"),
        (words.day(date(2026, 11, 22), DAY), "Yesterday, Sun 22 Nov"),
        (words.day(date(2026, 11, 1), DAY), "Sun 1 Nov"),
        (words.week(Period(date(2026, 11, 16), date(2026, 11, 22))), "Week, Mon 16 Nov to Sun 22 Nov"),
        (words.week(Period(None, DAY)), "Week, Mon 23 Nov to Mon 23 Nov"),
        (words.month(DAY), "November 2026"),
        (words.budget(TWO, Usd.parse("25")), "Against the limit count $2.00 of $25.00"),
        (words.period_size(SOME, 2), "2 turns in 2 sessions · 75 % cached"),
        (words.period_size(ONE, 1), "1 turn in 1 session"),
        (words.shares([("api", SOME), ("", UNPRICED)], ONE, 0), "api $2.00 · not told price not known"),
        (words.shares([("api", SOME)], ONE, 3), "api $2.00 · 3 more $2.00"),
        (words.fruitless(TWO), "; $2.00 on turns that ended with nothing, failed or were stopped"),
        (words.background(ONE), "Unasked, in the background: $2.00, 1 turn"),
        (words.still_open(2, TWO), "Not settled yet: 2 turns, $2.00 so far"),
        (words.forecasts(11, 12), "Forecasts: 11 of 12 turns stayed within their upper figure; 9 in 10 should"),
        (words.nothing("Today", words.OF_GROUP), "**Today**\nNothing was spent in this group."),
        (words.being_stopped(1), "1 turn being stopped: what that cost is told when it is over."),
    ],
)
def test_each_sentence_is_plain_english(said: str, told: str) -> None:
    """With every optional part there and not; one of something is one."""
    assert said == told


@pytest.mark.parametrize("kind", Came)
def test_every_outcome_has_its_words(kind: Came) -> None:
    """Of a turn, and of so many."""
    assert words.dear_turn("$1.00", kind, "x").count(" · ") == 2
    assert words.came_of_it({kind: 1}).startswith("Came of it: 1 ")
