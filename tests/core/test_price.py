from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.price import parts, price
from gateway.domain.money import ZERO, Usd
from gateway.domain.usage import Parts, Rates, Tokens, Usage
from tests.core.make import OPUS, UNHURRIED, usd

COUNTS = st.integers(min_value=0, max_value=10**6)
CHARGED = [field.name for field in fields(Tokens) if field.name != "reasoning"]
TOKENS = st.builds(Tokens, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
RATE = st.integers(min_value=0, max_value=10**11)
RATES = st.builds(Rates, RATE, RATE, RATE, RATE, RATE, RATE)


def of(rates: Rates = OPUS, /, searches: int = 0, **tokens: int) -> Usd:
    """The price of one call with these tokens."""
    return price(Usage("opus", Tokens(**tokens), web_searches=searches), rates)


@pytest.mark.parametrize(
    ("name", "dollars"),
    [
        ("input", "5"),
        ("cache_read", "0.50"),
        ("cache_write_5m", "6.25"),
        ("cache_write_1h", "10"),
        ("output", "25"),
        ("reasoning", "0"),
    ],
)
def test_each_class_of_tokens_has_its_own_price(name: str, dollars: str) -> None:
    """A million tokens of a class cost that class's list price, and reasoning is not charged beside the output it is part of."""
    assert of(**{name: 1_000_000}) == usd(dollars)


def test_a_whole_call_costs_the_sum_of_its_classes() -> None:
    """3 in, 45,678 read, 1,234 written for an hour and 800 out come to $0.055194, worked out by hand.

    15,000 + 22,839,000 + 12,340,000 + 20,000,000 nano-dollars.
    """
    assert of(input=3, cache_read=45_678, cache_write_1h=1_234, output=800) == Usd(55_194_000)


@pytest.mark.parametrize(("five_minutes", "hour", "dearer"), [(6, 10, 10), (10, 6, 10), (7, 7, 7)])
def test_an_unsplit_write_costs_the_dearer_rate(five_minutes: int, hour: int, dearer: int) -> None:
    """Where the source did not tell how long a cache entry lives, the turn is not charged too little."""
    rates = replace(OPUS, cache_write_5m=five_minutes * 10**9, cache_write_1h=hour * 10**9)
    assert of(rates, cache_write_unsplit=1_000_000) == Usd(dearer * 10**9)


def test_web_searches_are_charged_each() -> None:
    """Three searches at one cent cost three cents beside the tokens."""
    assert of(searches=3) == usd("0.03")
    assert of(searches=3, input=1_000_000) == usd("5.03")


@pytest.mark.parametrize(
    ("rate", "tokens", "nano"),
    [
        (499_999, 1, 0),
        (500_000, 1, 1),
        (1_499_999, 1, 1),
        (1_500_000, 1, 2),
        (250_000, 2, 1),
        (1, 499_999, 0),
        (1, 500_000, 1),
    ],
)
def test_half_a_nano_dollar_rounds_up(rate: int, tokens: int, nano: int) -> None:
    """What lies below a nano-dollar is rounded to the nearest, a half upwards."""
    assert of(replace(OPUS, input=rate), input=tokens) == Usd(nano)


def test_a_call_is_rounded_once_and_not_class_by_class() -> None:
    """Three classes of 0.4 nano-dollars are 1.2 together and cost one nano-dollar, not none."""
    rates = Rates(input=400_000, cache_read=400_000, cache_write_5m=0, cache_write_1h=0, output=400_000)
    assert of(rates, input=1, cache_read=1, output=1) == Usd(1)


BEYOND_200K = replace(
    OPUS, input=10_000_000_000, cache_read=1_000_000_000, output=37_500_000_000, web_search=20_000_000
)
BEYOND_500K = replace(OPUS, input=20_000_000_000, cache_read=2_000_000_000, output=50_000_000_000)
CLIFFS = replace(OPUS, above=((500_000, BEYOND_500K), (200_000, BEYOND_200K)))


@pytest.mark.parametrize(
    ("tokens", "nano"),
    [
        (200_000, 1_000_000_000),
        (200_001, 2_000_010_000),
        (500_000, 5_000_000_000),
        (500_001, 10_000_020_000),
    ],
)
def test_beyond_a_cliff_the_whole_call_costs_the_dearer_rate(tokens: int, nano: int) -> None:
    """At the threshold the old rate holds; one token more and every token costs the new one, in whatever order cliffs are listed."""
    assert of(CLIFFS, input=tokens) == Usd(nano)


@pytest.mark.parametrize("name", ["input", "cache_read", "cache_write_5m", "cache_write_1h", "cache_write_unsplit"])
def test_every_class_of_input_counts_towards_a_cliff(name: str) -> None:
    """A context that came from the cache is as long as one that did not."""
    beyond = replace(CLIFFS.above[1][1], above=())
    assert of(CLIFFS, **{name: 200_001}) == of(beyond, **{name: 200_001})


def test_output_does_not_count_towards_a_cliff() -> None:
    """A long answer to a short prompt is charged at the ordinary rate."""
    assert of(CLIFFS, output=1_000_000) == usd("25")


def test_beyond_a_cliff_output_and_searches_cost_more_too() -> None:
    """The cliff changes the rate of everything in the call: 2.00001 + 0.0375 + 0.02 dollars."""
    assert of(CLIFFS, input=200_001, output=1_000, searches=1) == Usd(2_000_010_000 + 37_500_000 + 20_000_000)


@UNHURRIED
@given(TOKENS, RATES, st.integers(min_value=0, max_value=100))
def test_a_price_is_never_negative_and_off_by_less_than_a_nano_dollar(
    tokens: Tokens, rates: Rates, searches: int
) -> None:
    """The price is the exact sum of counts times rates, to within half a nano-dollar."""
    exact = (
        sum(
            getattr(tokens, name)
            * (
                max(rates.cache_write_5m, rates.cache_write_1h)
                if name == "cache_write_unsplit"
                else getattr(rates, name)
            )
            for name in CHARGED
        )
        + searches * rates.web_search * 1_000_000
    )
    found = price(Usage("m", tokens, web_searches=searches), rates)
    assert found >= ZERO
    assert -500_000 < found.nano * 1_000_000 - exact <= 500_000


@UNHURRIED
@given(TOKENS, RATES, st.sampled_from(CHARGED), COUNTS)
def test_more_tokens_never_cost_less(tokens: Tokens, rates: Rates, name: str, more: int) -> None:
    """Adding tokens of any class cannot make a call cheaper."""
    usage = Usage("m", tokens)
    assert price(replace(usage, tokens=tokens + Tokens(**{name: more})), rates) >= price(usage, rates)


# --------------------------------------------------------------------------------------------------------------- parts
def test_a_price_tells_what_it_is_made_of() -> None:
    """The same call as above: 15,000 + 22,839,000 + 12,340,000 + 20,000,000 nano-dollars, and a search for a cent."""
    usage = Usage("opus", Tokens(input=3, cache_read=45_678, cache_write_1h=1_234, output=800), web_searches=1)
    found = parts(usage, OPUS)
    assert found == Parts(Usd(15_000), Usd(22_839_000), Usd(12_340_000), Usd(20_000_000), Usd(10_000_000))


@UNHURRIED
@given(TOKENS, RATES, RATES, st.integers(min_value=0, max_value=100))
def test_the_parts_of_a_price_come_to_the_price(tokens: Tokens, low: Rates, high: Rates, searches: int) -> None:
    """To the nano-dollar, on both sides of a cliff, and none of them is below nothing."""
    usage, rates = Usage("m", tokens, web_searches=searches), replace(low, above=((1_000_000, high),))
    found = parts(usage, rates)
    assert found.total == price(usage, rates)
    assert min(getattr(found, field.name) for field in fields(Parts)) >= Usd(0)
