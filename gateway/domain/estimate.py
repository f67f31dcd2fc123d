"""What a run will probably cost, and how well that is known."""

from dataclasses import dataclass

from gateway.domain.money import Usd


@dataclass(frozen=True, slots=True)
class Estimate:
    """A forecast for one turn, in list prices.

    `floor` is what its first call costs for its context alone. `p50` and `p90` are None while there are too few past turns
    (`n`) for the mathematics; `hold` is what the gate sets aside then: the floor plus a default. `unpriced` names the
    model whose price nobody knows. `words` explains the figures to a person.
    """

    floor: Usd
    p50: Usd | None
    p90: Usd | None
    n: int
    hold: Usd
    words: str
    unpriced: str | None = None
    warm: Usd | None = None
    """What the first call costs if the prompt cache holds the context; None while nothing is known of it."""
    expected: Usd | None = None
    """The same, weighted by the chance that it does not."""
    cold_tokens: int = 0
    """Tokens of context that the first call has to read again, because the cache has expired."""
