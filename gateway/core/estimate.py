"""What a run will probably cost: a floor from the context and its cache, quantiles from the person's own history."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from gateway.core.first_call import SHORT_CACHE_S, FirstCall, expected_first_call
from gateway.core.forecast import ENOUGH, Past, Prior, forecast, words
from gateway.core.price import price
from gateway.domain.estimate import Estimate
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Session
from gateway.domain.usage import Rates, Tokens, Unpriced, Usage
from gateway.view import money_words

CHARACTERS_PER_TOKEN = 3
"""Fewer than the usual four, so that a prompt of code is not taken for less than it is."""


def is_warm(session: Session, model: str | None, now_ms: int) -> bool:
    """Whether the agent's prompt cache still holds this session's context."""
    if session.last_call_at_ms is None or session.context_tokens == 0 or (model is not None and model != session.model):
        return False
    return 0 <= now_ms - session.last_call_at_ms < session.cache_ttl_s * 1000


def on_model(session: Session, model: str) -> Session:
    """The session once another model goes on with its conversation: that one's prompt cache does not hold it."""
    return replace(session, model=model, last_call_at_ms=None)


_KINDS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")


def _ratio(of: Rates, to: Rates) -> Fraction:
    """How many times as much the same tokens cost at other rates, at the most: the kind of token that is dearest in comparison."""
    pairs = [(getattr(of, kind), getattr(to, kind)) for kind in _KINDS]
    return max((Fraction(there, here) for here, there in pairs if here), default=Fraction(1))


def _times(amount: Usd, by: Fraction) -> Usd:
    """So many times the amount, rounded up."""
    return Usd(-(-amount.nano * by.numerator // by.denominator))


def at_rates(past: Sequence[Past], rates: Rates, known: Mapping[str, Rates]) -> tuple[Past, ...]:
    """Past turns as if they had run at these rates. `known`: those of the models that they ran on; without, a turn stays as it is.

    Of a past turn only the amounts are known and not which kinds of tokens they paid for, so they are scaled by the largest ratio
    of any kind: a turn is taken for too dear rather than for too cheap. That another model may need more tokens nobody can tell.
    """
    by = {model: _ratio(of, rates) for model, of in known.items()}
    return tuple(_scaled(one, by[one.model]) if one.model in by else one for one in past)


def _scaled(past: Past, by: Fraction) -> Past:
    first = past.first
    return replace(
        past,
        first=first and FirstCall(_times(first.warm, by), _times(first.expected, by)),
        cost=_times(past.cost, by),
        p90=past.p90 and _times(past.p90, by),
    )


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
    past: Sequence[Past],
    prior: Prior | None,
    default_hold: Usd,
    now_ms: int,
) -> Estimate:
    """The forecast for a prompt. `rates`: of the session's model; None: the model is not known before its first call.

    `past`: the person's settled turns with this agent, newest first. `prior`: what other people's turns teach; it speaks for a
    person's first turns, and what is held for those is the floor and a default all the same.
    """
    warm = is_warm(session, session.model, now_ms)
    cold = 0 if warm else session.context_tokens
    if isinstance(rates, Unpriced):
        text = money_words.price_unknown(session.model, rates.reason)
        unknown = session.model or money_words.THIS_MODEL
        return Estimate(ZERO, None, None, len(past), default_hold, text, unpriced=unknown, cold_tokens=cold)
    least, first = ZERO, None
    if rates is not None:
        least = floor(session, prompt, rates, warm=warm)
        first = foreseen_first_call(session, prompt, rates, now_ms)
    told = forecast(past, session.id, first, least, prior)
    text = words(told)
    hold = least + default_hold
    if told.p90 is None and least:
        text = f"{money_words.at_least(least)} {text}"
    elif told.p90 is not None and told.n >= ENOUGH:
        hold = told.p90
    return Estimate(
        least,
        told.p50,
        told.p90,
        told.n,
        hold,
        _with_cache(text, least, session, warm=warm),
        warm=first.warm if first else None,
        expected=first.expected if first else None,
        cold_tokens=cold,
    )


def foreseen_first_call(session: Session, prompt: str, rates: Rates, now_ms: int) -> FirstCall | None:
    """What is to be expected of the first call that a prompt causes now; None: nothing is known of the session's context."""
    if not session.context_tokens:
        return None
    pause_ms = None if session.last_call_at_ms is None else now_ms - session.last_call_at_ms
    warm, cold = (floor(session, prompt, rates, warm=warm) for warm in (True, False))
    return expected_first_call(warm, cold, pause_ms, session.cache_ttl_s)


def _with_cache(words: str, least: Usd, session: Session, *, warm: bool) -> str:
    if warm or session.context_tokens == 0 or not least:
        return words
    return f"{words} {money_words.cache_expired(session.context_tokens, least)}"
