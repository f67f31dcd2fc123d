from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.estimate import at_rates, estimate, floor, is_warm, on_model
from gateway.core.first_call import FirstCall
from gateway.core.forecast import Past, Prior
from gateway.domain.estimate import Estimate
from gateway.domain.money import ZERO, Usd
from gateway.domain.usage import Rates, Unpriced
from tests.core.make import OPUS, UNHURRIED, session, usd

HOUR, FIVE_MINUTES = 3600, 300
HALF = usd("0.50")


def forecast(
    past: list[Past],
    rates: Rates | Unpriced | None = OPUS,
    prompt: str = "",
    now_ms: int = 0,
    prior: Prior | None = None,
    **known: Any,
) -> Estimate:
    """The forecast for a prompt in a session of which so much is known, with half a dollar as the default hold."""
    return estimate(session(**known), prompt, rates, past, prior, HALF, now_ms)


def costs(*dollars: str) -> list[Past]:
    """Past turns of other sessions with these costs, newest first."""
    return [Past(f"s_{number}", None, usd(amount)) for number, amount in enumerate(dollars)]


NINE = costs("0.10", "0.20", "0.30", "0.40", "0.50", "0.60", "0.70", "0.80", "0.90")


# ---------------------------------------------------------------------------------------------------------- the floor
def test_a_warm_context_costs_the_cache_read_rate() -> None:
    """150,000 tokens on opus, still in the cache: $0.075."""
    assert floor(session(context_tokens=150_000, cache_ttl_s=HOUR), "", OPUS, warm=True) == usd("0.075")


def test_a_cold_context_costs_the_hour_write_rate_where_the_cache_lives_an_hour() -> None:
    """150,000 tokens on opus, the hour's cache expired: $1.50, twenty times as much."""
    assert floor(session(context_tokens=150_000, cache_ttl_s=HOUR), "", OPUS, warm=False) == usd("1.50")


def test_a_cold_context_costs_the_short_write_rate_where_the_cache_lives_five_minutes() -> None:
    """150,000 tokens on opus, the five minutes' cache expired: $0.9375."""
    assert floor(session(context_tokens=150_000, cache_ttl_s=FIVE_MINUTES), "", OPUS, warm=False) == usd("0.9375")


@pytest.mark.parametrize(("characters", "tokens"), [(0, 0), (1, 1), (3, 1), (4, 2), (300_000, 100_000)])
def test_the_prompt_itself_is_written_to_the_cache(characters: int, tokens: int) -> None:
    """Three characters of a prompt count as a token, a part of one as a whole."""
    warm = floor(session(context_tokens=0), "x" * characters, OPUS, warm=True)
    assert warm == Usd(tokens * 6_250)


def test_a_prompt_is_added_to_what_a_cold_session_writes_again() -> None:
    """Context and prompt are written at the same rate once the cache has expired: 1,100 tokens at $10 a million."""
    assert floor(session(context_tokens=1_000, cache_ttl_s=HOUR), "x" * 300, OPUS, warm=False) == Usd(11_000_000)


# ----------------------------------------------------------------------------------------------------------- the cache
@pytest.mark.parametrize(
    ("now_ms", "warm"), [(1_000, True), (300_999, True), (301_000, False), (999, False), (0, False), (10**12, False)]
)
def test_a_cache_is_warm_for_its_lifetime_and_not_before_its_last_call(now_ms: int, warm: bool) -> None:
    """Five minutes after the last call the context has to be written again; a clock set back is not trusted either."""
    known = session(context_tokens=10, last_call_at_ms=1_000, cache_ttl_s=FIVE_MINUTES)
    assert is_warm(known, "opus", now_ms) is warm


def test_a_session_without_a_call_or_a_context_is_cold() -> None:
    """Nothing was ever written to a cache that nobody used."""
    assert not is_warm(session(context_tokens=10), "opus", 0)
    assert not is_warm(session(last_call_at_ms=0), "opus", 0)


def test_a_change_of_model_makes_the_cache_cold() -> None:
    """Another model cannot read this model's cache; an unknown one is taken for the same."""
    known = session(context_tokens=10, last_call_at_ms=0)
    assert is_warm(known, "opus", 1)
    assert is_warm(known, None, 1)
    assert not is_warm(known, "haiku", 1)


# -------------------------------------------------------------------------------------------------------- the forecast
PRIOR = Prior(usd("0.50"), (0.0,) * 5, (1.0, 0.0, 0.0, 0.0, 0.0), (-1.0, 0.0, 1.0), (-1.0, 0.0, 1.0))


def test_with_nine_past_turns_the_hold_is_the_p90() -> None:
    """Nine turns of one's own say how dear nine in ten are, and the words say n."""
    found = forecast(NINE)
    assert found.p50 is not None
    assert found.p90 is not None
    assert (found.floor, found.n, found.hold, found.unpriced) == (ZERO, 9, found.p90, None)
    assert usd("0.10") <= found.p50 <= found.p90
    assert found.words == f"About {found.p50}, up to {found.p90} (9 in 10 of 9 turns of yours)."


def test_with_eight_past_turns_the_hold_is_the_floor_and_a_default() -> None:
    """Below nine turns no quantile is claimed: the floor plus half a dollar is set aside, and the words say so."""
    found = forecast(NINE[:8], context_tokens=150_000, last_call_at_ms=0, cache_ttl_s=HOUR)
    assert (found.p50, found.p90, found.n) == (None, None, 8)
    assert (found.floor, found.hold) == (usd("0.075"), usd("0.575"))
    assert found.words == "At least $0.08. Not enough history to say more (n=8)."


def test_without_history_or_context_the_hold_is_the_default() -> None:
    """The first prompt of all is held at the default, without a claim about its cost."""
    found = forecast([])
    assert (found.floor, found.p90, found.n, found.hold) == (ZERO, None, 0, HALF)
    assert found.words == "Not enough history to say more (n=0)."


def test_the_prior_speaks_for_the_first_turns_and_holds_nothing_more_for_them() -> None:
    """What public sessions cost is said and labelled; the hold is still the floor and a default."""
    found = forecast([], prior=PRIOR)
    assert found.p90 is not None
    assert found.hold == HALF
    assert found.words == f"About {found.p50}, up to {found.p90} (from public sessions; you have no turns yet)."


def test_what_the_first_call_will_cost_is_kept_with_the_estimate() -> None:
    """A warm context costs $0.075, a cold one $1.50; after a minute 6.5 % of hour caches are gone."""
    found = forecast(NINE, context_tokens=150_000, last_call_at_ms=0, cache_ttl_s=HOUR, now_ms=60_000)
    assert found.warm == usd("0.075")
    assert found.expected == Usd(75_000_000 + round(0.065 * 1_425_000_000))
    unknown = forecast(NINE)
    assert (unknown.warm, unknown.expected) == (None, None)


def test_a_context_of_which_no_call_is_known_is_taken_for_cold() -> None:
    """Nothing says that the cache holds it: what is expected is what it costs to write it again."""
    found = forecast(NINE, context_tokens=150_000, cache_ttl_s=HOUR)
    assert (found.warm, found.expected) == (usd("0.075"), usd("1.50"))


def test_past_turns_are_measured_against_the_first_calls_that_were_expected() -> None:
    """Turns that cost twice their first call: a dear context now makes a dear forecast."""
    past = [Past("s_1", FirstCall(usd("0.10"), usd("0.10")), usd("0.20"))] * 30
    cheap, dear = (
        forecast(past, prior=PRIOR, context_tokens=tokens, last_call_at_ms=0, cache_ttl_s=HOUR)
        for tokens in (1_000, 1_000_000)
    )
    assert cheap.p50 is not None
    assert dear.p50 is not None
    assert cheap.p50 <= dear.p50


def test_a_forecast_is_never_below_the_floor() -> None:
    """Where the context alone costs more than past turns did, the forecast is what the context costs."""
    found = forecast(NINE, context_tokens=150_000, last_call_at_ms=0, cache_ttl_s=HOUR, now_ms=HOUR * 1000)
    assert found.p50 is not None
    assert found.p90 is not None
    assert found.floor == usd("1.50") <= found.p50 <= found.p90 == found.hold


def test_an_expired_cache_is_explained_with_its_price() -> None:
    """The person is told why a short prompt is dear: so many tokens have to be read again."""
    found = forecast(NINE, context_tokens=150_000, last_call_at_ms=0, cache_ttl_s=HOUR, now_ms=HOUR * 1000)
    assert found.words.endswith("The prompt cache has expired: reading 150000 tokens again costs $1.50 alone.")
    again = forecast([], context_tokens=150_000, last_call_at_ms=0, cache_ttl_s=HOUR, now_ms=HOUR * 1000)
    assert again.words.endswith("(n=0). The prompt cache has expired: reading 150000 tokens again costs $1.50 alone.")


def test_a_new_session_has_no_cache_that_could_have_expired() -> None:
    """The first prompt of a session costs what it costs; nothing is said of reading 0 tokens again."""
    assert forecast([], prompt="x" * 3_000).words == "At least $0.0063. Not enough history to say more (n=0)."


@pytest.mark.parametrize("now_ms", [0, HOUR * 1000 - 1])
def test_a_warm_cache_is_not_spoken_of(now_ms: int) -> None:
    """Nothing is said about the cache while it does what it should."""
    found = forecast(NINE, context_tokens=150_000, last_call_at_ms=0, cache_ttl_s=HOUR, now_ms=now_ms)
    assert "cache" not in found.words


def test_before_the_model_is_known_there_is_no_floor() -> None:
    """A session that has not made its first call is forecast from history alone."""
    found = forecast(NINE, rates=None, prompt="x" * 3_000, model=None)
    assert (found.floor, found.n, found.unpriced, found.warm) == (ZERO, 9, None, None)


def test_no_price_is_claimed_for_a_context_whose_rates_are_not_known() -> None:
    """Where the model is unknown the words do not say that reading the context again costs $0."""
    assert "$0" not in forecast([], rates=None, model=None, context_tokens=1_000).words


@pytest.mark.parametrize(("model", "named"), [("mystery", "mystery"), (None, "this model")])
def test_an_unknown_price_is_a_state_and_never_nothing(model: str | None, named: str) -> None:
    """A model without a price gets the default hold and no figures, however long the history."""
    found = forecast(NINE, rates=Unpriced("no list price is known"), model=model)
    assert (found.unpriced, found.p50, found.p90, found.hold, found.n) == (named, None, None, HALF, 9)
    assert "is not known (no list price is known)" in found.words


@UNHURRIED
@given(
    st.lists(st.integers(min_value=0, max_value=10**11).map(lambda nano: Past("s_1", None, Usd(nano)))),
    st.integers(min_value=0, max_value=10**6),
    st.integers(min_value=0, max_value=10**5),
    st.sampled_from([FIVE_MINUTES, HOUR]),
    st.integers(min_value=0, max_value=2 * HOUR * 1000),
)
def test_floor_median_and_p90_stand_in_order(
    past: list[Past], context: int, characters: int, ttl_s: int, now_ms: int
) -> None:
    """Whatever the past: floor <= p50 <= p90 == hold from nine turns on, and floor + default below."""
    found = forecast(
        past, prompt="x" * characters, context_tokens=context, last_call_at_ms=0, cache_ttl_s=ttl_s, now_ms=now_ms
    )
    if found.p50 is None or found.p90 is None:
        assert found.n == len(past) < 9
        assert found.hold == found.floor + HALF
    else:
        assert found.n >= 9
        assert found.floor <= found.p50 <= found.p90 == found.hold


# -------------------------------------------------------------------------------------------------------- other models
FIFTH = Rates(input=10**9, cache_read=10**8, cache_write_5m=1_250_000_000, cache_write_1h=2 * 10**9, output=5 * 10**9)
"""What opus costs, divided by five."""


def test_another_model_has_nothing_of_the_conversation_in_its_cache() -> None:
    """A warm session is cold for another model, and its context has to be written again at that one's price."""
    warm = session(context_tokens=150_000, cache_ttl_s=HOUR, last_call_at_ms=0)
    other = on_model(warm, "haiku")
    assert is_warm(warm, "opus", 1)
    assert not is_warm(other, "haiku", 1)
    assert estimate(other, "", FIFTH, [], None, HALF, 1).floor == usd("0.30")


def test_past_turns_of_a_dearer_model_count_at_the_prices_of_this_one() -> None:
    """At a fifth of the price the forecast from the same turns is a fifth; what ran on this model counts as it is."""
    past = [replace(one, model="opus") for one in NINE]
    cheap = estimate(session(model="haiku"), "", FIFTH, at_rates(past, FIFTH, {"opus": OPUS}), None, HALF, 0)
    dear = forecast(NINE)
    assert dear.p90 is not None
    assert cheap.p90 is not None
    assert abs(cheap.p90.nano * 5 - dear.p90.nano) <= 10
    own = [replace(one, model="haiku") for one in NINE]
    assert at_rates(own, FIFTH, {"opus": OPUS}) == tuple(own)


def test_everything_that_is_known_of_a_past_turn_is_scaled_and_rounded_up() -> None:
    """Its first call, its cost and what was said of it, so that whether it was missed stays the same."""
    past = Past("s_1", FirstCall(Usd(6), Usd(10)), Usd(11), Usd(10), model="opus")
    [found] = at_rates([past], FIFTH, {"opus": OPUS})
    assert found == Past("s_1", FirstCall(Usd(2), Usd(2)), Usd(3), Usd(2), model="opus")
    bare = Past("s_1", None, Usd(5), model="opus")
    assert at_rates([bare], FIFTH, {"opus": OPUS}) == (replace(bare, cost=Usd(1)),)


def test_a_past_turn_is_taken_for_too_dear_rather_than_for_too_cheap() -> None:
    """Where kinds of tokens differ in how much cheaper they are, the least cheap one counts; free ones tell nothing."""
    past = [Past("s_1", None, Usd(100), model="opus")]
    assert at_rates(past, replace(FIFTH, output=OPUS.output // 2), {"opus": OPUS})[0].cost == Usd(50)
    free = Rates(0, 0, 0, 0, 0)
    assert at_rates(past, FIFTH, {"opus": replace(free, input=OPUS.input)})[0].cost == Usd(20)
    assert at_rates(past, FIFTH, {"opus": free})[0].cost == Usd(100)


def test_a_past_turn_of_a_model_without_a_price_counts_as_it_is() -> None:
    """Nobody can tell what it would have cost, and a turn of which no model is known neither."""
    past = (Past("s_1", None, Usd(100), model="mystery"), Past("s_1", None, Usd(100)))
    assert at_rates(past, FIFTH, {"opus": OPUS}) == past
