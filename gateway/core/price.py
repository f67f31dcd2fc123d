"""From tokens to money: integers all the way, rounded once per call."""

from gateway.domain.money import Usd
from gateway.domain.usage import Rates, Usage

_PER = 1_000_000


def price(usage: Usage, rates: Rates) -> Usd:
    """What the usage costs at these rates: half a nano-dollar rounds up; an unsplit cache write is priced at the dearer rate.

    A cliff applies to the call as a whole: the highest threshold that its context exceeds.
    """
    tokens = usage.tokens
    rates = applied(usage, rates)
    scaled = (
        tokens.input * rates.input
        + tokens.cache_read * rates.cache_read
        + tokens.cache_write_5m * rates.cache_write_5m
        + tokens.cache_write_1h * rates.cache_write_1h
        + tokens.cache_write_unsplit * max(rates.cache_write_5m, rates.cache_write_1h)
        + tokens.output * rates.output
    )
    return Usd((scaled + _PER // 2) // _PER + usage.web_searches * rates.web_search)


def applied(usage: Usage, rates: Rates) -> Rates:
    """The rates that the usage is priced at: those beyond the highest cliff that its context exceeds."""
    for threshold, dearer in sorted(rates.above, key=lambda cliff: cliff[0]):
        if usage.tokens.context > threshold:
            rates = dearer
    return rates
