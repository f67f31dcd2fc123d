"""From tokens to money: integers all the way, rounded once per call."""

from itertools import accumulate, pairwise

from gateway.domain.money import Usd
from gateway.domain.usage import Parts, Rates, Usage

_PER = 1_000_000


def price(usage: Usage, rates: Rates) -> Usd:
    """What the usage costs at these rates: half a nano-dollar rounds up; an unsplit cache write is priced at the dearer rate.

    A cliff applies to the call as a whole: the highest threshold that its context exceeds.
    """
    tokens = usage.tokens
    written = tokens.cache_write_5m, tokens.cache_write_1h, tokens.cache_write_unsplit
    return Usd(nano((tokens.input, tokens.cache_read, *written, tokens.output), usage.web_searches, rates))


def parts(usage: Usage, rates: Rates) -> Parts:
    """What the same price is made of, to the nano-dollar: a fraction that one class leaves is counted with the next."""
    tokens, rates = usage.tokens, applied(usage, rates)
    written = tokens.cache_write_5m * rates.cache_write_5m + tokens.cache_write_1h * rates.cache_write_1h
    written += tokens.cache_write_unsplit * max(rates.cache_write_5m, rates.cache_write_1h)
    charged = tokens.input * rates.input, tokens.cache_read * rates.cache_read, written, tokens.output * rates.output
    ends = [(scaled + _PER // 2) // _PER for scaled in accumulate(charged)]
    each = (Usd(end - start) for start, end in pairwise((0, *ends)))
    return Parts(*each, web_search=Usd(usage.web_searches * rates.web_search))


def nano(counts: tuple[int, int, int, int, int, int], web_searches: int, rates: Rates) -> int:
    """The same in nano-dollars, from token counts alone: input, cache read, writes (5 m, 1 h, unsplit), output."""
    read, cached, short, long, unsplit, output = counts
    if rates.above:
        rates = _beyond(read + cached + short + long + unsplit, rates)
    scaled = (
        read * rates.input
        + cached * rates.cache_read
        + short * rates.cache_write_5m
        + long * rates.cache_write_1h
        + output * rates.output
    )
    if unsplit:
        scaled += unsplit * max(rates.cache_write_5m, rates.cache_write_1h)
    return (scaled + _PER // 2) // _PER + web_searches * rates.web_search


def applied(usage: Usage, rates: Rates) -> Rates:
    """The rates that the usage is priced at: those beyond the highest cliff that its context exceeds."""
    return _beyond(usage.tokens.context, rates)


def _beyond(context: int, rates: Rates) -> Rates:
    for threshold, dearer in sorted(rates.above, key=lambda cliff: cliff[0]):
        if context > threshold:
            rates = dearer
    return rates
