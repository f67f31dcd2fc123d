"""List prices: genai-prices plus a small overlay, resolved once per (model, date, terms) to integer rates.

genai-prices ignores without an error what it has no price for (a service tier, a speed, a place), and prices a model with
a longer name like the one it knows. Here each of these is `Unpriced`, with the reason: nobody is charged a guess.
"""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

from genai_prices import data_snapshot
from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseOr,
    ClauseStartsWith,
    MatchLogic,
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from gateway.domain.money import NANO_PER_USD
from gateway.domain.usage import Rates, Unpriced
from gateway.pricing.overlay import CORRECTIONS, ONE_HOUR_WRITE, correction

_LONGEST_NAME: Final = 200
_CONTEXT_MARK: Final = re.compile(r"\[\d+[km]\]$")
# What may follow a known name without making it another model: a date, "latest", a platform's version.
_SUFFIX: Final = r"(?:[-@]?\d{8}|[-@]?\d{4}-\d{2}-\d{2}|-preview|[-@]latest|@default|-v\d+(?::\d+)?)"
_SUFFIXES: Final = re.compile(rf"(?:\d{{3,4}})?{_SUFFIX}*", re.ASCII)
_TRAILING: Final = re.compile(rf"{_SUFFIX}+$", re.ASCII)
_NOON: Final = time(12, tzinfo=UTC)
_STANDARD: Final = frozenset({"", "standard", "default"})


class ListPrices:
    """The vendors' published prices (port `Prices`). Offline: the data ships with the library."""

    @property
    def source(self) -> str:
        """`genai-prices 0.2.3, with corrections read by 2026-11-22`."""
        return _source()

    def rates(self, model: str, on: date, service_tier: str, speed: str, geo: str = "") -> Rates | Unpriced:
        """The rates of a model on a day under these terms; `geo` is the vendor's inference_geo ("us": only there)."""
        return _resolve(model.strip().lower()[:_LONGEST_NAME], on, service_tier.lower(), speed.lower(), geo.lower())

    def spans(
        self, model: str, service_tier: str, speed: str, geo: str = ""
    ) -> tuple[tuple[date, Rates | Unpriced], ...]:
        """What `rates` says of every day there is: the first days of the spans in which it says the same, the earliest first."""
        days = _changes(model.strip().lower()[:_LONGEST_NAME])
        if days is None:
            return ((date.min, Unpriced("the price depends on what is not known here")),)
        found: list[tuple[date, Rates | Unpriced]] = []
        for on in days:
            said = self.rates(model, on, service_tier, speed, geo)
            if not found or said != found[-1][1]:
                found.append((on, said))
        return tuple(found)


def named(model: str) -> tuple[str, str] | None:
    """(provider, model) as the price list names them, of a model under any of its names; None where it is in no list."""
    return _named(model.strip().lower()[:_LONGEST_NAME])


@lru_cache(maxsize=2048)
def _named(model: str) -> tuple[str, str] | None:
    found = _find(model)
    return None if found is None else (found[0], found[1].id)


@lru_cache(maxsize=2048)
def provider(model: str) -> str:
    """Whose list prices a model has: `Anthropic`, `AWS Bedrock`; `Unknown` for a model that nobody lists."""
    found = _find(model.strip().lower()[:_LONGEST_NAME])
    named = {one.id: one.name for one in data_snapshot.get_snapshot().providers}
    return "Unknown" if found is None else named[found[0]]


@lru_cache(maxsize=1)
def _source() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - slow, and looking up prices needs it not

    return (
        f"genai-prices {version('genai-prices')}, with corrections read by {max(line.read_on for line in CORRECTIONS)}"
    )


@lru_cache(maxsize=2048)
def _resolve(model: str, on: date, service_tier: str, speed: str, geo: str) -> Rates | Unpriced:
    found = _find(model)
    if found is None:
        return Unpriced(f"no list price is known for the model {model[:80]!r}")
    provider, info = found
    terms = _terms(service_tier, speed)
    if len(terms) > 1:
        return Unpriced(f"no list price is known for {info.id} in service tier {service_tier} at speed {speed}")
    rates = _under_terms(provider, info, terms, on)
    if isinstance(rates, Unpriced) or geo in {"", "global", "not_available"} or provider != "anthropic":
        return rates
    line = correction(provider, info.id, ("geo", geo), on)
    if line is None:
        return Unpriced(f"no list price is known for {info.id} with inference in {geo[:20]!r}")
    return _scaled(rates, line.factor)


def _changes(model: str) -> list[date] | None:
    """The first day there is, and all days on which anything about a model's price can begin or end; None: nobody knows."""
    days = {date.min}
    for line in CORRECTIONS:
        days |= {line.since} if line.until is None else {line.since, line.until}
    found = _find(model)
    if found is not None:
        _, info = found
        dated = info.prices if isinstance(info.prices, list) else ()
        for constraint in (each.constraint for each in (*dated, *(info.price_variants or ()))):
            if isinstance(constraint, StartDateConstraint):
                days.add(constraint.start_date)
            elif not isinstance(constraint, TimeOfDateConstraint | None):  # a newer library's
                return None
    return sorted(days)


def _terms(service_tier: str, speed: str) -> tuple[tuple[str, str], ...]:
    """What is out of the ordinary about a call, in genai-prices' words."""
    terms: list[tuple[str, str]] = []
    if service_tier not in _STANDARD:
        terms.append(("processing" if service_tier == "batch" else "service_tier", service_tier))
    if speed not in _STANDARD:
        terms.append(("speed", speed))
    return tuple(terms)


def _find(model: str) -> tuple[str, ModelInfo] | None:
    """The provider's name and the model. Names of Bedrock are priced as Bedrock prices them, OpenRouter's likewise."""
    name = _CONTEXT_MARK.sub("", model.rsplit("/", 1)[-1] if model.startswith("arn:") else model)
    provider_id = None
    if "anthropic.claude" in name:
        provider_id = "aws"
    elif name.startswith(("anthropic/", "openai/")):
        provider_id = "openrouter"
    for candidate in dict.fromkeys((name, _TRAILING.sub("", name))):
        try:
            provider, info = data_snapshot.get_snapshot().find_provider_model(candidate, None, provider_id, None)
        except LookupError:
            continue
        if candidate == info.id.lower() or _is_named(info.match, candidate):
            return provider.id, info
    return None


def _is_named(match: MatchLogic, name: str) -> bool:
    """Whether the name means this model and not a relative whose name merely begins alike."""
    if isinstance(match, ClauseOr):
        return any(_is_named(one, name) for one in match.or_)
    if isinstance(match, ClauseAnd):
        return all(one.is_match(name) for one in match.and_)
    if isinstance(match, ClauseStartsWith | ClauseContains):
        text = (match.starts_with if isinstance(match, ClauseStartsWith) else match.contains).lower()
        return match.is_match(name) and _SUFFIXES.fullmatch(name.partition(text)[2]) is not None
    return match.is_match(name)


def _under_terms(provider: str, info: ModelInfo, terms: tuple[tuple[str, str], ...], on: date) -> Rates | Unpriced:
    """The rates under at most one term: genai-prices' own variant if one is in force, else the overlay's line."""
    at = datetime.combine(on, _NOON)
    conditions = info.prices if isinstance(info.prices, list) else []
    if any(isinstance(condition.constraint, TimeOfDateConstraint) for condition in conditions):
        return Unpriced(f"the price of {info.id} depends on the hour of the day")
    if not terms:
        return _rates(info, info.get_prices(at))
    ((key, value),) = terms
    for variant in info.price_variants or ():
        in_force = variant.constraint is None or variant.constraint.active(at)
        if in_force and variant.when == {key: value}:  # one without prices says: as always
            return _rates(info, info.get_prices(at, {key: value}))
    line = correction(provider, info.id, (key, value), on)
    if line is None:
        return Unpriced(f"no list price is known for {info.id} with {key.replace('_', ' ')} {value[:20]!r}")
    standard = _rates(info, info.get_prices(at))
    return standard if isinstance(standard, Unpriced) else _scaled(standard, line.factor)


def _rates(info: ModelInfo, prices: ModelPrice) -> Rates | Unpriced:
    """Prices of one model as integer rates, with its cliffs."""
    known = {key: value for key, value in prices.__dict__.items() if value is not None}
    if "input_mtok" not in known or "output_mtok" not in known:
        return Unpriced(f"{info.id} is not priced by input and output tokens")
    if "requests_kcount" in known or known.get("output_reasoning_mtok", known["output_mtok"]) != known["output_mtok"]:
        return Unpriced(f"the price of {info.id} has parts that are not counted here")
    web_search = known.get("web_searches_kcount")
    if isinstance(web_search, TieredPrices):
        return Unpriced(f"the price of web searches of {info.id} depends on the context")
    per_search = 0 if web_search is None else _nano(web_search) // 1000
    starts = sorted({tier.start for value in known.values() if isinstance(value, TieredPrices) for tier in value.tiers})
    base = _rates_above(info, known, None, per_search)
    return replace(base, above=tuple((start, _rates_above(info, known, start, per_search)) for start in starts))


def _rates_above(
    info: ModelInfo, known: dict[str, Decimal | TieredPrices], start: int | None, web_search: int
) -> Rates:
    """The rates of a call whose context exceeds `start` tokens. A class without a price of its own has its parent's."""

    def rate(key: str, parent: int | None = None) -> int:
        value = known.get(key)
        if value is None:
            return parent or 0
        if isinstance(value, TieredPrices):
            passed = [tier.price for tier in value.tiers if start is not None and start >= tier.start]
            return _nano(passed[-1] if passed else value.base)
        return _nano(value)

    given = rate("input_mtok")
    write = rate("cache_write_mtok", given)
    hour = write
    if "claude" in info.id and "cache_write_mtok" in known:
        hour = max(write, _times(given, ONE_HOUR_WRITE))
    return Rates(
        input=given,
        cache_read=rate("cache_read_mtok", given),
        cache_write_5m=rate("cache_write_5m_mtok", write),
        cache_write_1h=rate("cache_write_1h_mtok", hour),
        output=rate("output_mtok"),
        web_search=web_search,
    )


def _nano(dollars: Decimal) -> int:
    """Dollars as nano-dollars; what lies below a nano-dollar per million tokens is rounded."""
    return int((dollars * NANO_PER_USD).to_integral_value(ROUND_HALF_UP))


def _times(rate: int, factor: Fraction) -> int:
    return int(rate * factor + Fraction(1, 2))


def _scaled(rates: Rates, factor: Fraction) -> Rates:
    return Rates(
        input=_times(rates.input, factor),
        cache_read=_times(rates.cache_read, factor),
        cache_write_5m=_times(rates.cache_write_5m, factor),
        cache_write_1h=_times(rates.cache_write_1h, factor),
        output=_times(rates.output, factor),
        web_search=rates.web_search,
        above=tuple((start, _scaled(beyond, factor)) for start, beyond in rates.above),
    )
