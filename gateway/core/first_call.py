"""What a turn's first call will cost: its context, read from the prompt cache or written to it again."""

from dataclasses import dataclass

from gateway.domain.money import Usd

HOUR_CACHE_S = 3600
SHORT_CACHE_S = 300
_CERTAIN = 1.0
_OPEN_END = float("inf")
# How often the cache no longer holds the context after a pause of at most so many seconds: Claude's caches of one hour and
# of five minutes over 3,764 turns of public sessions; where the vendor promises no life, OpenAI's over 196 such turns.
_MISSED_HOUR = ((300, 0.065), (HOUR_CACHE_S, 0.12), (_OPEN_END, 0.985))
_MISSED_SHORT = ((SHORT_CACHE_S, 0.09), (3600, 0.79), (_OPEN_END, _CERTAIN))
_MISSED_UNPROMISED = ((300, 0.2), (900, 0.25), (3600, 0.5), (_OPEN_END, _CERTAIN))


@dataclass(frozen=True, slots=True)
class FirstCall:
    """The first call's cost before it is made: if the cache still holds the context, and as is to be expected."""

    warm: Usd
    expected: Usd


def chance_of_miss(pause_ms: int | None, cache_ttl_s: int | None, *, changed: bool = False) -> float:
    """The probability that the context has to be written to the cache again.

    `pause_ms`: since the session's last call, None before there was one. `cache_ttl_s`: the promised life of the cache, None
    if the vendor promises none. `changed`: the model, effort, tools or directory are others than at the last call.
    """
    if changed or pause_ms is None:
        return _CERTAIN
    if cache_ttl_s is None:
        table = _MISSED_UNPROMISED
    else:
        table = _MISSED_HOUR if cache_ttl_s > SHORT_CACHE_S else _MISSED_SHORT
    return next(chance for longest, chance in table if pause_ms <= longest * 1000)


def expected_first_call(
    warm: Usd, cold: Usd, pause_ms: int | None, cache_ttl_s: int | None, *, changed: bool = False
) -> FirstCall:
    """The two costs of the first call (`core.estimate.floor`, warm and cold), weighted by the chance of a cache miss."""
    chance = chance_of_miss(pause_ms, cache_ttl_s, changed=changed)
    return FirstCall(warm, Usd(warm.nano + round(chance * (cold.nano - warm.nano))))
