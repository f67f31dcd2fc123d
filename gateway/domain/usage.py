"""What API calls used: token counts by class, and one metered call."""

from dataclasses import dataclass, fields
from enum import StrEnum

from gateway.domain.money import ZERO, Usd


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token counts by class; the classes do not overlap (`input` excludes what was read from or written to a cache).

    `cache_write_unsplit` is a write whose lifetime the source did not tell; `reasoning` is the part of `output` that was
    reasoning, where the source tells it, and is not counted again.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_write_unsplit: int = 0
    output: int = 0
    reasoning: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: "Tokens") -> "Tokens":
        return Tokens(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))

    def __bool__(self) -> bool:
        return any(getattr(self, f.name) for f in fields(self))

    @property
    def context(self) -> int:
        """Tokens that stood in front of the model: everything but the output."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h + self.cache_write_unsplit

    @property
    def total(self) -> int:
        """Every token once; reasoning is part of output."""
        return self.context + self.output


NO_TOKENS = Tokens()


@dataclass(frozen=True, slots=True)
class Usage:
    """What one API call (or the sum of several on one model) used, and the terms it ran under."""

    model: str
    tokens: Tokens
    service_tier: str = "standard"
    speed: str = "standard"
    web_searches: int = 0
    geo: str = ""
    """Where the model ran, where the vendor tells and charges for it: `us`."""


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Nobody knows what this costs: a state of its own, never $0."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rates:
    """List prices of one model on one date in one tier: integer nano-dollars per million tokens, per search for searches.

    `above` holds cliffs: a call whose context exceeds the threshold is charged as a whole at the rates beside it.
    """

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    web_search: int = 0
    above: tuple[tuple[int, "Rates"], ...] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """What a cost is made of: what was charged for each class of tokens, and for searches."""

    input: Usd = ZERO
    cache_read: Usd = ZERO
    cache_write: Usd = ZERO
    """Of any lifetime."""
    output: Usd = ZERO
    web_search: Usd = ZERO

    def __add__(self, other: "Parts") -> "Parts":
        return Parts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def total(self) -> Usd:
        """All of them together."""
        return self.input + self.cache_read + self.cache_write + self.output + self.web_search


NO_PARTS = Parts()
MAIN_LOOP = "main"
UNLISTED = "unlisted-"
"""So begin the names of calls that no transcript shows, booked from a client's own sums when its session ended."""


@dataclass(frozen=True, slots=True)
class Call:
    """One metered API call of an agent. `id` deduplicates: the same id is charged once, whoever reports it again."""

    id: str
    usage: Usage
    price: Usd | Unpriced
    loop: str = MAIN_LOOP
    """`main`, or the agent's own name for the sub-agent loop that made the call."""
    parts: Parts = NO_PARTS
    """What the price is made of."""


class Flag(StrEnum):
    """What a reader of a turn has to know about it."""

    LOWER_BOUND = "lower_bound"
    """A call was in flight when the meter lost sight of it: at least this much was spent."""
    RECONCILED = "reconciled"
    """The live meter and the agent's own total differed; the difference is booked."""
    FIRST = "first"
    """A person wants it before the others that wait."""
    STEERING = "steering"
    """It waits, and its words are on their way to the agent at work: it does not run itself unless that did not take them."""
    LATE = "late"
    """It came long after it was written, and somebody has to say whether it still runs."""
