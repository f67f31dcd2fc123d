"""What was booked, by class: the parts are the whole, to the nano-dollar."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.charges import Charge, ChargeKind, Part, TokenClass, counts_of, parts, rate_of, share
from gateway.core.price import price
from gateway.domain.usage import Rates, Tokens, Unpriced, Usage

DAY = date(2026, 11, 22)
RATES = Rates(5 * 10**9, 5 * 10**8, 6_250_000_000, 10**10, 25 * 10**9, web_search=10**7)
USAGE = Usage("m-1", Tokens(input=3, cache_read=45_678, cache_write_1h=1_234, output=8, reasoning=2), web_searches=2)
CALL = Charge(ChargeKind.CALL, DAY, DAY, "claude", "/src", "t_1", USAGE, price(USAGE, RATES).nano)


def test_a_calls_cost_is_told_by_class_at_the_list_rates() -> None:
    """By hand: $5, $0.50, $10 and $25 a million tokens, $0.01 a search."""
    assert parts(CALL, RATES) == (
        Part(TokenClass.INPUT, 3, 15_000, 5 * 10**9),
        Part(TokenClass.CACHE_READ, 45_678, 22_839_000, 5 * 10**8),
        Part(TokenClass.CACHE_WRITE_1H, 1_234, 12_340_000, 10**10),
        Part(TokenClass.OUTPUT, 8, 200_000, 25 * 10**9),
        Part(TokenClass.WEB_SEARCH, 2, 20_000_000, 10**7),
    )


def test_beyond_a_cliff_the_dearer_rates_are_told() -> None:
    """The call as a whole is charged at them."""
    dearer = Rates(10 * 10**9, 10**9, 1, 2 * 10**10, 50 * 10**9, 5)
    cliff = replace(RATES, above=((40_000, dearer),))
    found = parts(replace(CALL, spent=price(USAGE, cliff).nano), cliff)
    assert [part.rate for part in found][:2] == [10**10, 10**9]


def test_what_was_booked_counts_even_if_the_list_says_otherwise_now() -> None:
    """It is shared out as the list has it, and no unit price is told."""
    found = parts(replace(CALL, spent=1_000_000_007), RATES)
    assert sum(part.nano or 0 for part in found) == 1_000_000_007
    assert {part.rate for part in found} == {None}
    assert [part.name for part in found] == [part.name for part in parts(CALL, RATES)]


@pytest.mark.parametrize("known", [Unpriced("gone"), Rates(0, 0, 0, 0, 0)])
def test_what_no_list_tells_of_any_more_is_told_as_one(known: Rates | Unpriced) -> None:
    """All of its tokens, and all of what was booked."""
    assert parts(CALL, known) == (Part(TokenClass.ALL, USAGE.tokens.total, CALL.spent, None),)


def test_what_costs_nothing_by_the_list_is_free_and_not_unknown() -> None:
    """By class, at a rate of 0; where the list is silent, as one."""
    free = replace(CALL, spent=0)
    assert {(part.nano, part.rate) for part in parts(free, Rates(0, 0, 0, 0, 0))} == {(0, 0)}
    assert parts(free, Unpriced("gone")) == (Part(TokenClass.ALL, USAGE.tokens.total, 0, None),)


def test_what_has_no_price_has_its_counts_and_no_amount() -> None:
    """Whatever the list knows by now."""
    found = parts(replace(CALL, spent=None), RATES)
    assert {(part.nano, part.rate) for part in found} == {(None, None)}
    assert [part.count for part in found] == [3, 45_678, 1_234, 8, 2]


def test_a_price_that_became_known_later_is_told_at_its_own_rates() -> None:
    """Those that its entry tells, not those of the list now."""
    repriced = replace(CALL, kind=ChargeKind.REPRICED, rates=RATES)
    assert parts(repriced, Unpriced("no more")) == parts(CALL, RATES)


def test_a_cache_write_of_unknown_lifetime_is_at_the_dearer_rate() -> None:
    """As it was booked."""
    assert rate_of(TokenClass.CACHE_WRITE_UNSPLIT, RATES) == 10**10
    usage = Usage("m-1", Tokens(cache_write_5m=1, cache_write_unsplit=2))
    assert counts_of(usage) == {TokenClass.CACHE_WRITE_5M: 1, TokenClass.CACHE_WRITE_UNSPLIT: 2}
    assert [part.nano for part in parts(replace(CALL, usage=usage, spent=price(usage, RATES).nano), RATES)] == [
        6250,
        20_000,
    ]


@given(
    st.integers(0, 10**18),
    st.lists(st.integers(0, 10**15), min_size=1, max_size=8).filter(any),
)
def test_shares_add_up_and_none_is_off_by_a_whole(total: int, weights: list[int]) -> None:
    """Largest remainders, each share within one of its exact part."""
    found = share(total, weights)
    assert sum(found) == total
    assert all(
        abs(part * sum(weights) - total * weight) < sum(weights) for part, weight in zip(found, weights, strict=True)
    )


COUNTS = st.integers(0, 10**7)


@given(
    st.builds(Tokens, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS),
    st.builds(Rates, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS),
    st.integers(0, 5),
)
def test_any_call_at_list_price_is_told_within_a_nano_dollar_of_each_class(
    tokens: Tokens, rates: Rates, searches: int
) -> None:
    """And in all to the nano-dollar."""
    usage = Usage("m", tokens, web_searches=searches)
    spent = price(usage, rates).nano
    found = parts(replace(CALL, usage=usage, spent=spent), rates)
    assert sum(part.nano or 0 for part in found) == spent
    for part in found:
        if part.rate is not None:
            unit = 1 if part.name is TokenClass.WEB_SEARCH else 10**6
            assert abs((part.nano or 0) * unit - part.count * part.rate) < 2 * unit
