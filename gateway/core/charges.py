"""What was booked, taken apart by class of tokens: exactly, so that the parts add up to what was booked, to the nano-dollar."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from gateway.core.price import applied, price
from gateway.domain.usage import Rates, Unpriced, Usage

_MILLION = 1_000_000


class TokenClass(StrEnum):
    """What is charged for by itself."""

    INPUT = "input"
    CACHE_READ = "cache_read"
    CACHE_WRITE_5M = "cache_write_5m"
    CACHE_WRITE_1H = "cache_write_1h"
    CACHE_WRITE_UNSPLIT = "cache_write_unsplit"
    OUTPUT = "output"
    WEB_SEARCH = "web_search"
    """Searches, not tokens."""
    ALL = "all"
    """Tokens of every class together, where nobody can tell any more what each of them cost."""


class ChargeKind(StrEnum):
    """How it came into the ledger."""

    CALL = "call"
    DIFFERENCE = "difference"
    """Only the agent's own total told of it."""
    REPRICED = "repriced"
    """The price of what was booked without one."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One entry of the ledger that is about money or usage. `spent`: nano-dollars; None: nobody knew the price.

    `on`: the day (UTC) of the usage, which is earlier than `booked` where a price became known later. `rates`: those that were used,
    where the entry tells them. `ended`: False for a call of which only a lower bound is known.
    """

    kind: ChargeKind
    booked: date
    on: date
    agent: str
    project: str
    turn_id: str
    usage: Usage
    spent: int | None
    ended: bool = True
    rates: Rates | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What one class of a charge came to. `nano`: nano-dollars; None: not known.

    `rate`: nano-dollars per million tokens, or per search; None: what was booked is not at the rate that is known, or none is.
    """

    name: TokenClass
    count: int
    nano: int | None
    rate: int | None


def share(total: int, weights: Sequence[int]) -> tuple[int, ...]:
    """The total in integer parts as the weights (not negative, not all 0) have it; what rounding leaves goes to the largest remainders."""
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    remainders = [total * weight % whole for weight in weights]
    last = sorted(range(len(weights)), key=lambda place: (-remainders[place], place))
    for place in last[: total - sum(parts)]:
        parts[place] += 1
    return tuple(parts)


def parts(charge: Charge, known: Rates | Unpriced) -> tuple[Part, ...]:
    """The charge by class. What was booked counts, whatever the list says now: `known` is what tells how it is shared out."""
    counts = counts_of(charge.usage)
    if charge.spent is None:
        return tuple(Part(name, count, None, None) for name, count in counts.items())
    list_rates = known if charge.rates is None else charge.rates
    if isinstance(list_rates, Rates):
        rates = applied(charge.usage, list_rates)
        by_class = [(name, count, rate_of(name, rates)) for name, count in counts.items()]
        weights = [count * rate * (_MILLION if name is TokenClass.WEB_SEARCH else 1) for name, count, rate in by_class]
        if any(weights):
            at_list = price(charge.usage, list_rates).nano == charge.spent
            shares = share(charge.spent, weights)
            return tuple(
                Part(name, count, nano, rate if at_list else None)
                for (name, count, rate), nano in zip(by_class, shares, strict=True)
            )
        if not charge.spent:
            return tuple(Part(name, count, 0, rate) for name, count, rate in by_class)
    return (Part(TokenClass.ALL, charge.usage.tokens.total, charge.spent, None),)


def counts_of(usage: Usage) -> Mapping[TokenClass, int]:
    """Tokens and searches by class, where there are any."""
    tokens = usage.tokens
    found = {
        TokenClass.INPUT: tokens.input,
        TokenClass.CACHE_READ: tokens.cache_read,
        TokenClass.CACHE_WRITE_5M: tokens.cache_write_5m,
        TokenClass.CACHE_WRITE_1H: tokens.cache_write_1h,
        TokenClass.CACHE_WRITE_UNSPLIT: tokens.cache_write_unsplit,
        TokenClass.OUTPUT: tokens.output,
        TokenClass.WEB_SEARCH: usage.web_searches,
    }
    return {name: count for name, count in found.items() if count}


def rate_of(name: TokenClass, rates: Rates) -> int:
    """What a million tokens of the class cost, or one search."""
    if name is TokenClass.CACHE_WRITE_UNSPLIT:
        return max(rates.cache_write_5m, rates.cache_write_1h)
    rate: int = getattr(rates, name.value)
    return rate
