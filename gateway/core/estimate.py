"""What a run will probably cost: a floor from the context and its cache, quantiles from the person's own history."""

from collections.abc import Sequence
from math import ceil

from gateway.core.price import price
from gateway.domain.estimate import Estimate
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Session
from gateway.domain.usage import Rates, Tokens, Unpriced, Usage

ENOUGH = 9
"""The fewest past turns from which nine in ten can be told: split-conformal rank ceil(10 * 0.9) = 9."""
SHORT_CACHE_S = 300
CHARACTERS_PER_TOKEN = 3
"""Fewer than the usual four, so that a prompt of code is not taken for less than it is."""


def quantile(costs: Sequence[Usd], tenths: int) -> Usd | None:
    """The split-conformal quantile: the ceil((n+1) * tenths/10)-th smallest; None while there are too few."""
    rank = ceil((len(costs) + 1) * tenths / 10)
    return sorted(costs)[rank - 1] if 1 <= rank <= len(costs) else None


def is_warm(session: Session, model: str | None, now_ms: int) -> bool:
    """Whether the agent's prompt cache still holds this session's context."""
    if session.last_call_at_ms is None or session.context_tokens == 0 or (model is not None and model != session.model):
        return False
    return 0 <= now_ms - session.last_call_at_ms < session.cache_ttl_s * 1000


def floor(session: Session, prompt: str, rates: Rates, *, warm: bool) -> Usd:
    """What the first call costs for what stands in front of the model, before it says anything."""
    fresh = -(-len(prompt) // CHARACTERS_PER_TOKEN)
    context = session.context_tokens
    if warm:
        tokens = Tokens(cache_read=context, cache_write_5m=fresh)
    elif session.cache_ttl_s > SHORT_CACHE_S:
        tokens = Tokens(cache_write_1h=context + fresh)
    else:
        tokens = Tokens(cache_write_5m=context + fresh)
    return price(Usage("", tokens), rates)


def estimate(
    session: Session,
    prompt: str,
    rates: Rates | Unpriced | None,
    past: Sequence[tuple[str | None, Usd]],
    default_hold: Usd,
    now_ms: int,
) -> Estimate:
    """The forecast for a prompt. `rates`: of the session's model; None: the model is not known before its first call.

    `past` holds (model, cost) of the person's turns with this agent; turns on the same model are preferred if they suffice.
    """
    if isinstance(rates, Unpriced):
        words = f"The price of {session.model} is not known ({rates.reason})."
        return Estimate(ZERO, None, None, len(past), default_hold, words, unpriced=session.model or "this model")
    warm = is_warm(session, session.model, now_ms)
    least = floor(session, prompt, rates, warm=warm) if rates is not None else ZERO
    same = [cost for model, cost in past if model is not None and model == session.model]
    costs = same if len(same) >= ENOUGH else [cost for _, cost in past]
    p50, p90, n = quantile(costs, 5), quantile(costs, 9), len(costs)
    if p50 is None or p90 is None:
        known = f"At least {least}; " if least else ""
        words = f"{known}not enough history to say more (n={n})."
        return Estimate(least, None, None, n, least + default_hold, _with_cache(words, least, session, warm=warm))
    p50, p90 = max(p50, least), max(p90, least)
    words = f"About {p50}, up to {p90} (9 in 10 of {n} similar turns)."
    return Estimate(least, p50, p90, n, p90, _with_cache(words, least, session, warm=warm))


def _with_cache(words: str, least: Usd, session: Session, *, warm: bool) -> str:
    if warm or session.context_tokens == 0 or not least:
        return words
    return f"{words} The prompt cache has expired: reading {session.context_tokens} tokens again costs {least} alone."
