import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib.metadata import version
from time import perf_counter

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices import data_snapshot
from genai_prices.types import ModelInfo, Provider, StartDateConstraint
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.price import price
from gateway.domain.money import Usd
from gateway.domain.usage import Rates, Tokens, Unpriced, Usage
from gateway.pricing import ListPrices
from gateway.pricing.overlay import CORRECTIONS

TODAY = date(2026, 11, 22)
PRICES = ListPrices()
PROVIDERS = {provider.id: provider for provider in data_snapshot.get_snapshot().providers}
COUNTS = st.integers(0, 400_000)


def models(provider: str, *beginnings: str) -> list[ModelInfo]:
    """Every model of theirs whose name begins so and that is priced by input and output tokens."""
    found = [model for model in PROVIDERS[provider].models if model.id.startswith(beginnings)]
    priced = [
        model for model in found if {"input_mtok", "output_mtok"} <= model.get_prices(noon(TODAY)).__dict__.keys()
    ]
    assert len(priced) > 15
    return priced


def noon(day: date) -> datetime:
    """Noon UTC."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def rates(model: str, tier: str = "standard", speed: str = "standard", on: date = TODAY, geo: str = "") -> Rates:
    """The rates, which have to be known."""
    found = PRICES.rates(model, on, tier, speed, geo)
    assert isinstance(found, Rates), found
    return found


def why_unpriced(model: str, tier: str = "standard", speed: str = "standard", on: date = TODAY, geo: str = "") -> str:
    """The reason for which there is no price."""
    found = PRICES.rates(model, on, tier, speed, geo)
    assert isinstance(found, Unpriced), found
    return found.reason


def theirs(provider: Provider, model: ModelInfo, tokens: Tokens, searches: int, context: dict[str, str]) -> Decimal:
    """What genai-prices itself makes of a call, in dollars; their input is the total with everything cached."""
    usage = TheirUsage(
        input_tokens=tokens.context,
        cache_read_tokens=tokens.cache_read,
        cache_write_tokens=tokens.cache_write_5m + tokens.cache_write_1h,
        cache_write_1h_tokens=tokens.cache_write_1h,
        output_tokens=tokens.output,
        web_searches=searches,
    )
    return model.calc_price(usage, provider, genai_request_timestamp=noon(TODAY), price_context=context).total_price


CASES = [
    pytest.param(provider, model, tier, speed, context, id=f"{model.id}-{tier}-{speed}")
    for provider, beginnings in (("anthropic", ("claude-",)), ("openai", ("gpt-", "o1", "o3", "o4")))
    for model in models(provider, *beginnings)
    for tier, speed, context in (
        ("standard", "standard", {}),
        ("batch", "standard", {"processing": "batch"}),
        ("priority", "standard", {"service_tier": "priority"}),
        ("flex", "standard", {"service_tier": "flex"}),
        ("standard", "fast", {"speed": "fast"}),
    )
    if not context or any(variant.when == context for variant in model.price_variants or ())
]


@pytest.mark.parametrize(("provider", "model", "tier", "speed", "context"), CASES)
@settings(max_examples=15, deadline=None)
@given(
    tokens=st.builds(
        Tokens, input=COUNTS, cache_read=COUNTS, cache_write_5m=COUNTS, cache_write_1h=COUNTS, output=COUNTS
    ),
    searches=st.integers(0, 3),
)
def test_integer_rates_come_to_what_genai_prices_says(
    provider: str, model: ModelInfo, tier: str, speed: str, context: dict[str, str], tokens: Tokens, searches: int
):
    """For every Claude and GPT model, in every tier that has a price, on any counts: equal to the nano-dollar."""
    found = rates(model.id, tier, speed)
    ours = price(Usage(model.id, tokens, tier, speed, searches), found)
    their_nano = theirs(PROVIDERS[provider], model, tokens, searches, context) * 10**9
    assert abs(ours.nano - their_nano) <= Decimal("0.5")


def test_the_figures_of_the_price_list_by_hand():
    """Opus 4.8: 5 in, 0.50 read, 6.25 and 10 written, 25 out, per million; 10 for a thousand searches."""
    tokens = Tokens(input=3, cache_read=45_678, cache_write_5m=1_000, cache_write_1h=1_234, output=800)
    # 3*5000 + 45678*500 + 1000*6250 + 1234*10000 + 800*25000 nano-dollars, and two searches at a cent
    expected = 15_000 + 22_839_000 + 6_250_000 + 12_340_000 + 20_000_000 + 20_000_000
    assert price(Usage("claude-opus-4-8", tokens, web_searches=2), rates("claude-opus-4-8")) == Usd(expected)


def test_a_warm_and_a_cold_context_of_150k_tokens():
    """The floor's example: $0.075 read from the cache, $1.50 written anew for an hour."""
    opus = rates("claude-opus-4-8")
    assert str(price(Usage("claude-opus-4-8", Tokens(cache_read=150_000)), opus)) == "$0.08"
    assert price(Usage("claude-opus-4-8", Tokens(cache_read=150_000)), opus) == Usd.parse("0.075")
    assert price(Usage("claude-opus-4-8", Tokens(cache_write_1h=150_000)), opus) == Usd.parse("1.50")


def test_a_cliff_prices_the_call_as_a_whole():
    """Sonnet 4.5: one token more than 200,000 of context, and every token of the call is dearer."""
    sonnet = rates("claude-sonnet-4-5-20250929")
    below = price(Usage("claude-sonnet-4-5", Tokens(input=150_000, cache_read=50_000, output=1_000)), sonnet)
    above = price(Usage("claude-sonnet-4-5", Tokens(input=150_001, cache_read=50_000, output=1_000)), sonnet)
    assert below == Usd.parse("0.48")
    assert above == Usd(150_001 * 6_000 + 50_000 * 600 + 1_000 * 22_500)


def test_a_cache_read_is_not_a_tenth_of_the_input_everywhere():
    """Each model has its own rate for cache reads."""
    assert rates("claude-opus-5-5").cache_read * 20 == rates("claude-opus-5-5").input
    assert rates("claude-fable-5-1").cache_read * 40 == rates("claude-fable-5-1").input


@pytest.mark.parametrize(
    "name",
    [
        "claude-opus-4-8-20260101",
        "claude-opus-4-8[1m]",
        "claude-opus-4-8-20260101[1m]",
        "claude-opus-4-8@20260101",
        "claude-opus-4-8@default",
        "claude-opus-4-8-latest",
        " Claude-Opus-4-8 ",
        "global.anthropic.claude-opus-4-8-v1:0",
        "anthropic/claude-opus-4.8",
    ],
)
def test_a_vendors_suffix_or_prefix_leaves_the_model_what_it_is(name: str):
    """Dates, context marks and platforms' spellings mean the model that they name."""
    assert rates(name).input == rates("claude-opus-4-8").input
    assert rates(name).cache_write_1h == rates("claude-opus-4-8").cache_write_1h


def test_a_regional_endpoint_of_bedrock_costs_a_tenth_more():
    """Bedrock's own names are priced as Bedrock prices them, profiles with an account's address too."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-8-v1:0"
    for name in ("us.anthropic.claude-opus-4-8-v1:0", arn):
        assert rates(name).input * 10 == rates("claude-opus-4-8").input * 11


def test_an_hour_of_cache_costs_twice_the_input_where_only_five_minutes_have_a_price():
    """Without its own rate an hour's write is never priced like five minutes'."""
    sonnet = rates("global.anthropic.claude-sonnet-4-20250514-v1:0")
    assert sonnet.cache_write_1h == 2 * sonnet.input > sonnet.cache_write_5m


@pytest.mark.parametrize(
    "name",
    [
        "",
        "<synthetic>",
        "claude-opus-4-80",
        "claude-opus-4-8-turbo",
        "claude-opus-4-8-fast",
        "claude-haiku-4-55",
        "claude-opus-9",
        "my-own-model",
        "gpt-99",
        "moderation",
        "whisper-1",
        "x" * 100_000,
        "claude-opus-4-8\n; DROP TABLE",
    ],
)
def test_an_unknown_model_is_unpriced_with_a_reason(name: str):
    """Not even a name that begins like a known one is guessed, and nothing is ever free by mistake."""
    assert "no list price is known" in why_unpriced(name) or "not priced by" in why_unpriced(name)
    assert len(why_unpriced(name)) < 200


def test_a_price_that_depends_on_the_hour_is_unpriced():
    """The meter knows the day of a call, not the hour at which a rate changes."""
    assert "hour of the day" in why_unpriced("deepseek-chat")


def test_batch_is_half_price_on_the_days_and_models_that_genai_prices_leaves_out():
    """Where the library would silently charge the full price, the overlay halves every class of tokens."""
    for model, on in (("claude-opus-4-1", TODAY), ("claude-opus-4-8", date(2026, 7, 1))):
        batch, standard = rates(model, "batch", on=on), rates(model, on=on)
        for name in ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output"):
            assert 2 * getattr(batch, name) == getattr(standard, name)
        assert batch.web_search == standard.web_search


def test_fast_mode_costs_six_times_on_the_models_that_had_it_so():
    """Opus 4.6 and 4.7 at $30 and $150; 4.8 at twice its price, as genai-prices has it."""
    assert (rates("claude-opus-4-6", speed="fast").input, rates("claude-opus-4-6", speed="fast").output) == (
        30 * 10**9,
        150 * 10**9,
    )
    assert rates("claude-opus-4-7", speed="fast", on=date(2026, 6, 1)).cache_read == 3 * 10**9
    assert rates("claude-opus-4-8", speed="fast").input == 10 * 10**9


@pytest.mark.parametrize(
    ("model", "tier", "speed", "on"),
    [
        ("claude-opus-4-7", "standard", "fast", date(2026, 8, 1)),
        ("claude-opus-4-6", "standard", "fast", date(2026, 2, 10)),
        ("claude-sonnet-4-6", "standard", "fast", TODAY),
        ("claude-opus-4-8", "priority", "standard", TODAY),
        ("claude-opus-4-8", "batch", "fast", TODAY),
        ("gpt-6.1-sol", "scale", "standard", TODAY),
        ("gpt-6.1-sol", "standard", "fast", TODAY),
        ("claude-opus-4-8", "made-up", "standard", TODAY),
    ],
)
def test_terms_without_a_known_price_are_unpriced(model: str, tier: str, speed: str, on: date):
    """A tier or speed that nobody published a price for is never charged as the standard one."""
    assert model in why_unpriced(model, tier, speed, on)


def test_inference_in_the_us_costs_a_tenth_more_from_opus_4_6_on():
    """The surcharge stands on top of every other term; where it is not published, the price is unknown."""
    assert rates("claude-opus-4-8", geo="us").output == 27_500_000_000
    assert rates("claude-fable-5-1", geo="us").cache_read == 275_000_000
    assert rates("claude-opus-4-8", "batch", geo="us").input == 2_750_000_000
    assert rates("claude-opus-4-8", geo="global") == rates("claude-opus-4-8")
    assert "inference in" in why_unpriced("claude-opus-4-5", geo="us")
    assert "inference in" in why_unpriced("claude-opus-4-8", geo="eu")


def test_the_price_of_a_day_is_the_one_that_held_then():
    """Opus 4.6 had a cliff at 200,000 tokens until 13 March 2026."""
    assert rates("claude-opus-4-6", on=date(2026, 3, 12)).above
    assert not rates("claude-opus-4-6", on=date(2026, 3, 13)).above


def test_every_line_of_the_overlay_names_its_source_and_day():
    """A correction can be looked up by whoever doubts it."""
    for line in CORRECTIONS:
        assert line.source.startswith("https://")
        assert date(2026, 1, 1) <= line.read_on
        assert line.until is None or line.since < line.until


def test_known_rates_are_looked_up_and_not_worked_out_again():
    """A thousand calls on one day cost less time than one of genai-prices' own per millisecond."""
    rates("claude-opus-4-8")
    began = perf_counter()
    for _ in range(1000):
        rates("claude-opus-4-8")
    assert perf_counter() - began < 0.2


def test_prices_name_their_source() -> None:
    """What the ledger writes beside a price that was found later: the library's version and the newest correction's day."""
    newest = max(line.read_on for line in CORRECTIONS)
    assert PRICES.source == f"genai-prices {version('genai-prices')}, with corrections read by {newest}"


TERMS = [
    *itertools.product(("standard", "batch", "priority", "flex"), ("standard", "fast"), ("", "us")),
]


def test_spans_say_of_every_day_what_that_days_price_is():
    """Every model that genai-prices knows, under all terms, on every day on which any price begins or ends, and the days beside it."""
    providers = data_snapshot.get_snapshot().providers
    models = {model.id: model for provider in providers for model in provider.models}
    dated = {
        name: [
            each.constraint for each in (*(m.prices if isinstance(m.prices, list) else ()), *(m.price_variants or ()))
        ]
        for name, m in models.items()
    }
    starts = {one.start_date for each in dated.values() for one in each if isinstance(one, StartDateConstraint)}
    ends = {day for line in CORRECTIONS for day in (line.since, line.until) if day is not None}
    days = sorted({near for day in starts | ends for near in (day - timedelta(1), day, day + timedelta(1))})
    changing = 0
    for name in sorted(models):
        changes = any(dated[name]) or name.startswith("claude")
        for terms in TERMS if changes else TERMS[:1]:
            spans = PRICES.spans(name, *terms)
            assert [since for since, _ in spans] == sorted({since for since, _ in spans})
            assert spans[0][0] == date.min
            changing += len(spans) > 1
            for day in (date.min, *(days if changes else days[::10]), date.max):
                (held,) = [said for since, said in spans if since <= day][-1:]
                assert held == PRICES.rates(name, day, *terms), (name, day, terms)
    assert len(models) > 1000
    assert changing > 20


def test_a_price_that_depends_on_what_is_not_known_has_no_span():
    """A newer genai-prices may have reasons of its own why a price changes: such a model is unpriced, and never at a price of another day."""

    class Weekday:
        def active(self, _at: datetime) -> bool:
            return True

    model = next(model for model in PROVIDERS["anthropic"].models if model.id == "claude-opus-4-6")
    before = model.price_variants
    model.price_variants = [replace(each, constraint=Weekday()) for each in before or ()]  # type: ignore[arg-type]
    try:
        ((since, said),) = PRICES.spans("claude-opus-4-6", "standard", "standard")
    finally:
        model.price_variants = before
    assert before
    assert since == date.min
    assert isinstance(said, Unpriced)
