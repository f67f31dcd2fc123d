"""What was read in agents' logs, made into figures: which copy of a call counts, and what calls come to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from gateway.core.price import nano
from gateway.domain.logged import LoggedCall, Row
from gateway.domain.money import ZERO, Usd
from gateway.domain.usage import MAIN_LOOP, NO_TOKENS, Rates, Tokens

_EPOCH = date(1970, 1, 1).toordinal()


def day(on: date) -> int:
    """A day's number, counted from the first of 1970."""
    return on.toordinal() - _EPOCH


def flat(call: LoggedCall) -> Row:
    """The same call as a row."""
    usage, tokens = call.usage, call.usage.tokens
    return Row(
        call.id,
        call.session,
        call.directory,
        call.at_ms,
        call.loop,
        int(call.lower_bound),
        call.prompt,
        call.request,
        usage.model,
        usage.service_tier,
        usage.speed,
        usage.geo,
        usage.web_searches,
        tokens.input,
        tokens.cache_read,
        tokens.cache_write_5m,
        tokens.cache_write_1h,
        tokens.cache_write_unsplit,
        tokens.output,
        tokens.reasoning,
    )


def cost(row: Row, rates: Rates | None) -> int | None:
    """What it costs in nano-dollars; None: nobody knows its rates."""
    if rates is None:
        return None
    counts = (row.input, row.cache_read, row.cache_write_5m, row.cache_write_1h, row.cache_write_unsplit, row.output)
    return nano(counts, row.web_searches, rates)


Rank = tuple[int, int, bool, bool, int, str]


def better(row: Row, known: Row) -> bool:
    """Whether this copy of a call counts instead of the one that is known.

    The larger total: copies that were written while the answer still came hold placeholders. Of equal ones the final one, then the
    main loop's, then the earlier; the rest makes the choice the same in whatever order files are read.
    """
    return rank(row) > rank(known)


def rank(row: Row) -> Rank:
    """The same rule as a value: of two copies the one with the higher rank counts."""
    total = row.input + row.cache_read + row.cache_write_5m + row.cache_write_1h + row.cache_write_unsplit + row.output
    return total, row.web_searches, not row.lower_bound, row.loop == MAIN_LOOP, -row.at_ms, row.session


@dataclass(frozen=True, slots=True)
class Sums:
    """What calls come to. `cost`: at list prices, of the priced ones; `unpriced` and `lower_bound` are numbers of calls."""

    calls: int = 0
    lower_bound: int = 0
    unpriced: int = 0
    cost: Usd = ZERO
    web_searches: int = 0
    tokens: Tokens = NO_TOKENS

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.calls + other.calls,
            self.lower_bound + other.lower_bound,
            self.unpriced + other.unpriced,
            self.cost + other.cost,
            self.web_searches + other.web_searches,
            self.tokens + other.tokens,
        )


Priced = tuple[Row, int | None]
"""A call and what it costs in nano-dollars (None: unpriced)."""


def changes(added: Iterable[Priced], replaced: Iterable[Priced]) -> dict[str, tuple[int, ...]]:
    """By how much the sums of each model change when these calls come and those go.

    Each change has the order of `Sums`, its tokens at the end: calls, lower_bound, unpriced, cost, web_searches, then those of `Tokens`.
    """
    found: dict[str, list[int]] = {}
    for calls, sign in ((added, 1), (replaced, -1)):
        for row, amount in calls:
            sums = found.get(row.model)
            if sums is None:
                sums = found[row.model] = [0] * 12
            sums[0] += sign
            sums[1] += sign * row.lower_bound
            if amount is None:
                sums[2] += sign
            else:
                sums[3] += sign * amount
            written = row.cache_write_5m, row.cache_write_1h, row.cache_write_unsplit
            counts = row.web_searches, row.input, row.cache_read, *written, row.output, row.reasoning
            for at, count in enumerate(counts, 4):
                sums[at] += sign * count
    return {model: tuple(sums) for model, sums in found.items()}


def as_sums(counts: Iterable[int]) -> Sums:
    """Sums from figures in the order of `changes`."""
    calls, lower_bound, unpriced, amount, searches, *tokens = counts
    return Sums(calls, lower_bound, unpriced, Usd(amount), searches, Tokens(*tokens))


def total(by_model: Mapping[str, Sums]) -> Sums:
    """All models together."""
    return sum(by_model.values(), Sums())
