"""Why a turn was dear: what its calls tell, as sentences with the figures that they rest on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.domain.money import ZERO, Usd
from gateway.domain.usage import MAIN_LOOP, NO_PARTS, Parts, Usage
from gateway.view import spending_words

MOST = 3
"""So many reasons are told of a turn."""
PAUSE_MS = 5 * 60 * 1000
"""The shortest time for which a prompt cache is kept: whoever waits longer may find it cold."""
WRITTEN = 20_000
"""Fewer tokens than these are no cold cache."""
LARGE_CONTEXT = 100_000
MANY_CALLS = 40
_SHARE = 10
"""What is less than a tenth of the cost explains nothing."""
_MUCH = 4
"""And a quarter is much: of sub-agents, and of answers twice that."""


@dataclass(frozen=True, slots=True)
class Made:
    """A call of a turn. `cost` None: nobody knows its price. `ended` False: the meter or the log lost sight of it."""

    at_ms: int
    usage: Usage
    cost: Usd | None
    loop: str = MAIN_LOOP
    ended: bool = True

    @property
    def written(self) -> int:
        """Tokens that came into the cache with it."""
        tokens = self.usage.tokens
        return tokens.cache_write_5m + tokens.cache_write_1h + tokens.cache_write_unsplit


@dataclass(frozen=True, slots=True)
class Around:
    """What is known of a turn beside its calls. `before`: the last call of its session's main loop before it, where there is one.

    `usual`: the model that the session used most; `dearer`: whether the turn's own is dearer than that by the list.
    """

    cost: Usd
    parts: Parts = NO_PARTS
    before: Made | None = None
    model: str = ""
    usual: str = ""
    dearer: bool = False


def why(around: Around, calls: Sequence[Made]) -> tuple[str, ...]:
    """At most three reasons, those first that explain the largest part of the cost. `calls`: in the order in which they were made."""
    found = [reason for look in _LOOKS if (reason := look(around, calls))]
    found.sort(key=lambda one: -one[0])
    return tuple(sentence for _, sentence in found[:MOST])


Reason = tuple[int, str] | None
"""How much of the cost it explains, in nano-dollars, and the sentence."""


def _cold(around: Around, calls: Sequence[Made]) -> Reason:
    """The cache had gone cold, or was lost without a pause: what had been in it was written again."""
    written, cost, times, longest = 0, ZERO, 0, 0
    before = around.before
    for call in calls:
        if call.loop != MAIN_LOOP:
            continue
        if before is not None and _is_cold(before, call):
            written, cost, times = (
                written + call.written + call.usage.tokens.input,
                cost + (call.cost or ZERO),
                times + 1,
            )
            longest = max(longest, call.at_ms - before.at_ms)
        before = call
    if not times or not _explains(cost, around.cost):
        return None
    pause = longest if longest >= PAUSE_MS else None
    return cost.nano, spending_words.cold(written, times, pause, cost)


def _is_cold(before: Made, call: Made) -> bool:
    """Less than half of what stood in the cache was read from it, and much came in again."""
    stood = before.usage.tokens.cache_read + before.written
    tokens = call.usage.tokens
    return stood >= WRITTEN and call.written + tokens.input >= WRITTEN and 2 * tokens.cache_read < stood


def _context(around: Around, calls: Sequence[Made]) -> Reason:
    mean, number = _mean_context(calls)
    if mean < LARGE_CONTEXT:
        return None
    return around.parts.cache_read.nano + around.parts.input.nano, spending_words.large_context(mean, number)


def _mean_context(calls: Sequence[Made]) -> tuple[int, int]:
    """What stood in front of the model on average at the main loop's calls, and how many those are."""
    main = [call.usage.tokens.context for call in calls if call.loop == MAIN_LOOP]
    return (sum(main) // len(main) if main else 0), len(main)


def _many(around: Around, calls: Sequence[Made]) -> Reason:
    if len(calls) < MANY_CALLS or _mean_context(calls)[0] >= LARGE_CONTEXT:
        return None  # a large context says how many they were
    return around.cost.nano // _MUCH, spending_words.many_calls(len(calls))


def _helpers(around: Around, calls: Sequence[Made]) -> Reason:
    theirs = [call for call in calls if call.loop != MAIN_LOOP]
    cost = _cost(theirs)
    if not theirs or cost.nano * _MUCH < around.cost.nano:
        return None
    loops = len({call.loop for call in theirs})
    return cost.nano, spending_words.helpers(loops, len(theirs), cost, _percent(cost, around.cost))


def _searches(around: Around, calls: Sequence[Made]) -> Reason:
    searches = sum(call.usage.web_searches for call in calls)
    cost = around.parts.web_search
    return (cost.nano, spending_words.searches(searches, cost)) if searches and _explains(cost, around.cost) else None


def _fast(around: Around, calls: Sequence[Made]) -> Reason:
    fast = [call for call in calls if call.usage.speed == "fast"]
    cost = _cost(fast)
    return (cost.nano, spending_words.fast(len(fast), cost)) if fast and _explains(cost, around.cost) else None


def _dearer(around: Around, _calls: Sequence[Made]) -> Reason:
    if not around.dearer or around.model == around.usual:
        return None
    return around.cost.nano // 2, spending_words.dearer_model(around.model, around.usual)


def _cut_off(around: Around, calls: Sequence[Made]) -> Reason:
    cut = [call for call in calls if not call.ended]
    cost = _cost(cut)
    return (cost.nano, spending_words.cut_off(len(cut), cost)) if cut and _explains(cost, around.cost) else None


def _answers(around: Around, calls: Sequence[Made]) -> Reason:
    cost = around.parts.output
    if cost.nano * 2 < around.cost.nano or not cost:
        return None
    tokens = sum(call.usage.tokens.output for call in calls)
    return cost.nano, spending_words.long_answers(tokens, _percent(cost, around.cost))


_LOOKS: tuple[Callable[[Around, Sequence[Made]], Reason], ...] = (
    _cold,
    _helpers,
    _context,
    _answers,
    _searches,
    _fast,
    _dearer,
    _cut_off,
    _many,
)


def _cost(calls: Sequence[Made]) -> Usd:
    return sum((call.cost for call in calls if call.cost is not None), ZERO)


def _explains(cost: Usd, whole: Usd) -> bool:
    return bool(cost) and cost.nano * _SHARE >= whole.nano


def _percent(cost: Usd, whole: Usd) -> int:
    return round(100 * cost.nano / whole.nano) if whole else 0
