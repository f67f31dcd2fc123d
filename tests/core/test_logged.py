"""Which copy of a logged call counts, and what calls come to."""

from dataclasses import replace
from datetime import date

import pytest

from gateway.core.logged import Sums, as_sums, better, changes, cost, day, flat, rank, total
from gateway.core.price import price
from gateway.domain.logged import LoggedCall
from gateway.domain.money import Usd
from gateway.domain.usage import Rates, Tokens, Usage

RATES = Rates(5_000_000_000, 500_000_000, 6_250_000_000, 10_000_000_000, 25_000_000_000, 10_000_000)
TOKENS = Tokens(1, 2, 3, 4, 5, 6, 7)
CALL = LoggedCall("a", "s", "/srv", 86_400_000, Usage("m", TOKENS, "batch", "fast", 8, "us"), "main", False, "p", "r")


def test_a_row_holds_all_that_a_call_tells():
    """Nothing is lost on the way into the database, and its price depends on model, day, tier, speed and place."""
    row = flat(CALL)
    assert row == (
        "a",
        "s",
        "/srv",
        86_400_000,
        "main",
        0,
        "p",
        "r",
        "m",
        "batch",
        "fast",
        "us",
        8,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
    )
    assert row.usage == CALL.usage
    assert row.terms == ("m", "batch", "fast", "us")
    assert row.day == day(date(1970, 1, 2)) == 1


@pytest.mark.parametrize("rates", [RATES, replace(RATES, above=((10, replace(RATES, input=9_000_000_000)),))])
def test_a_row_costs_what_its_call_costs(rates: Rates):
    """The same nano-dollar, with cliffs and without; without rates nobody knows."""
    assert cost(flat(CALL), rates) == price(CALL.usage, rates).nano
    assert cost(flat(CALL), None) is None


@pytest.mark.parametrize(
    "worse",
    [
        replace(CALL, usage=replace(CALL.usage, tokens=replace(TOKENS, output=5))),
        replace(CALL, usage=replace(CALL.usage, web_searches=7)),
        replace(CALL, lower_bound=True),
        replace(CALL, loop="a21e2f5"),
        replace(CALL, at_ms=CALL.at_ms + 1),
        replace(CALL, session="r"),
    ],
)
def test_the_copy_that_counts_is_the_same_in_whatever_order_they_are_met(worse: LoggedCall):
    """The larger total, the final one, the main loop's, the earlier; for calls and for rows."""
    assert better(flat(CALL), flat(worse))
    assert not better(flat(worse), flat(CALL))
    assert rank(flat(CALL)) > rank(flat(worse))


def test_a_copy_that_is_the_same_replaces_nothing():
    """Equal in all that counts: the one that is known stays."""
    assert not better(flat(replace(CALL, directory="/elsewhere")), flat(CALL))


def test_sums_change_by_what_comes_and_what_goes():
    """By model: calls, lower bounds, unpriced ones, dollars, searches and tokens by class."""
    row = flat(CALL)
    other = row._replace(model="n", lower_bound=1)
    change = changes([(row, 100), (other, None), (row, 50)], [(row, 30)])
    assert as_sums(change["m"]) == Sums(1, 0, 0, Usd(120), 8, TOKENS)
    assert as_sums(change["n"]) == Sums(1, 1, 1, Usd(0), 8, TOKENS)
    both = total({model: as_sums(counts) for model, counts in change.items()})
    assert both == Sums(2, 1, 1, Usd(120), 16, TOKENS + TOKENS)
    assert total({}) == Sums()
