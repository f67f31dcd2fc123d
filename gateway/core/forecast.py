"""A turn's probable cost: a prior from other people's turns, conformal quantiles of one's own, corrected by its own misses.

The logarithm of a turn's cost is predicted for the median and for nine in ten each, linearly, from the person's and the
session's geometric means (shrunk, the recent counting more), the last turn and the expected first call; the coefficients
come from the prior. The errors that these predictions made on the person's own past turns, weighted by recency and kind (a
session's first turn or a later one), are mixed with the prior's errors; their split-conformal quantile is added. If the
share of turns above the p90 strays from one in ten, the p90 is moved by a bounded factor: integral control, after conformal
PID control (arXiv 2307.16895). Everything is one fold over a bounded history.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from typing import NamedTuple

from gateway.core.first_call import FirstCall
from gateway.domain.money import ZERO, Usd
from gateway.view import money_words

HISTORY_MAX = 300
"""The most past turns that are looked at."""
ENOUGH = 9
"""The fewest past turns from which nine in ten can be told without a prior: split-conformal rank ceil(10 * 0.9) = 9."""
INPUTS = 5
"""How many coefficients a prior has per level: constant, last turn, expected and warm first call, new session."""
_UPPER = 0.9
_LEAST_NANO, _MOST_NANO = 10**3, 10**15  # a millionth of a dollar, a million dollars
_LEAST, _MOST = log(_LEAST_NANO), log(_MOST_NANO)
_KEEP_PERSON, _KEEP_SESSION = (
    0.5 ** (1 / 100),
    0.5 ** (1 / 10),
)  # what a turn still counts one later: half-lives of 100 and 10
_HALF_LIFE_ERRORS = 150  # in turns
# What turns the prior weighs against a person, and the person against one session.
_PULL_PERSON, _PULL_SESSION = 10.0, 24.0
# What turns the prior's errors weigh against one's own, at first; half of it beside as many own ones. A sample's median is
# about half as uncertain as its nine in ten (variances 1.57 and 2.92 over n for normal errors), so it needs half the support.
_PRIOR_ERRORS_MEDIAN, _PRIOR_ERRORS_UPPER = 50.0, 100.0
_OTHER_KIND = 0.1  # what a first turn tells of a later one, and the other way round
# How hard the p90 is corrected, after how many turns with half of that force, and how far: to a half, or up by a third, since
# raising it in a heavy tail costs much and covers little. More force keeps the coverage of short histories closer to nine in
# ten and costs pinball loss in all of them (docs/estimates.md).
_GAIN, _SLOW = 40.0, 70
_MOST_DOWN, _MOST_UP = -0.7, 0.3
_TELL = 0.15
_HALF = 0.5
_DIGITS = 9  # of an error: equal costs stay equal whatever their logarithms were rounded to


@dataclass(frozen=True, slots=True)
class Prior:
    """What other people's turns teach. `typical`: a turn's geometric mean; `median` and `upper`: INPUTS coefficients each;
    `median_errors` and `upper_errors`: evenly spaced quantiles of the errors (in logarithms) that these left, ascending.
    """

    typical: Usd
    median: tuple[float, ...]
    upper: tuple[float, ...]
    median_errors: tuple[float, ...]
    upper_errors: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.typical <= ZERO or len(self.median) != INPUTS or len(self.upper) != INPUTS:
            raise ValueError(
                f"a prior needs a typical cost above zero and {INPUTS} coefficients for each of two levels"
            )
        if not all(errors and list(errors) == sorted(errors) for errors in (self.median_errors, self.upper_errors)):
            raise ValueError("a prior needs errors for each of two levels, in ascending order")


@dataclass(frozen=True, slots=True)
class Past:
    """A settled turn: its first call as foreseen (None: nothing was known of its context), its cost, the p90 said then.

    `at_least`: the cost is a lower bound (the turn was stopped at a limit, or the meter lost sight of it): such a turn can raise
    a forecast but not lower it. `model`: what it ran on, at whose prices all amounts are. `imported`: the gateway did not meter it,
    the agent's own log tells of it.
    """

    session_id: str
    first: FirstCall | None
    cost: Usd
    p90: Usd | None = None
    at_least: bool = False
    model: str | None = None
    imported: bool = False


@dataclass(frozen=True, slots=True)
class Forecast:
    """Quantiles of a turn's cost, None if nothing can be said. `n`: own past turns used; `own`: their share of the evidence.

    `factor`: what the p90 was multiplied by because turns ran dearer or cheaper than nine in ten; 1 if they did not. `imported`: so
    many of the `n` are known from the agent's own logs alone.
    """

    p50: Usd | None
    p90: Usd | None
    n: int
    own: float
    factor: float
    imported: int = 0

    @property
    def adjusted(self) -> bool:
        """Whether the correction is large enough to be told."""
        return abs(log(self.factor)) >= _TELL


@dataclass(slots=True)
class _Mean:
    """A geometric mean in which each turn counts `keep` times as much as the one after it; `last` is the newest logarithm."""

    keep: float
    weight: float = 0.0
    total: float = 0.0
    last: float = 0.0

    def add(self, value: float) -> None:
        self.weight = self.weight * self.keep + 1
        self.total = self.total * self.keep + value
        self.last = value

    def pulled(self, towards: float, pull: float) -> float:
        return (self.total + pull * towards) / (self.weight + pull) if self.weight + pull else towards


class _Error(NamedTuple):
    """What the prediction of a past turn got wrong, in logarithms. `missed` is None where that cannot be known."""

    new: bool
    median: float
    upper: float
    missed: bool | None


class Inputs(NamedTuple):
    """What a turn is predicted from: the level (logarithm of nano-dollars), and what moves it, INPUTS numbers."""

    level: float
    moves: tuple[float, float, float, float, float]
    new: bool

    def predict(self, coefficients: tuple[float, ...]) -> float:
        """The logarithm of the cost in nano-dollars."""
        (a, b, c, d, e), (v, w, x, y, z) = coefficients, self.moves
        return self.level + (a * v + b * w + c * x + d * y + e * z)


class _History:
    """The running means of a person and of each of their sessions."""

    def __init__(self, typical: Usd, pull: float) -> None:
        self._typical, self._pull = _log(typical), pull
        self._person = _Mean(_KEEP_PERSON)
        self._sessions: dict[str, _Mean] = {}

    def add(self, session_id: str, cost: float) -> None:
        self._person.add(cost)
        session = self._sessions.get(session_id)
        if session is None:
            session = self._sessions[session_id] = _Mean(_KEEP_SESSION)
        session.add(cost)

    def inputs(self, session_id: str, first: FirstCall | None) -> Inputs:
        level = self._person.pulled(self._typical, self._pull)
        session = self._sessions.get(session_id)
        last = 0.0
        if session is not None:
            level = session.pulled(level, _PULL_SESSION)
            last = session.last - level
        if first is None:
            return Inputs(level, (1.0, last, 0.0, 0.0, 1.0), session is None)
        moves = (1.0, last, _log(first.expected) - level, _log(first.warm) - level, 0.0)
        return Inputs(level, moves, session is None)


_NO_COEFFICIENTS = (0.0,) * INPUTS


def inputs(past: Sequence[Past], session_id: str, first: FirstCall | None, prior: Prior) -> Inputs:
    """What a turn would be predicted from after `past` (newest first): for fitting a prior."""
    history = _History(prior.typical, _PULL_PERSON)
    for turn in reversed(past[:HISTORY_MAX]):
        history.add(turn.session_id, _log(turn.cost))
    return history.inputs(session_id, first)


def forecast(
    past: Sequence[Past], session_id: str, first: FirstCall | None, floor: Usd, prior: Prior | None
) -> Forecast:
    """The forecast for the next turn of a session. `past`: the person's settled turns, newest first.

    `first`: the first call as foreseen, None if nothing is known of the context. `floor`: what it costs at the least; no figure
    is below it. Without a prior there are no figures before ENOUGH past turns.
    """
    past = past[:HISTORY_MAX]
    imported = sum(turn.imported for turn in past)
    if prior is None and len(past) < ENOUGH:
        return Forecast(None, None, len(past), 1.0, 1.0, imported)
    # Without a prior the oldest turn is the measure of the next: its own error is nothing.
    history = _History(prior.typical, _PULL_PERSON) if prior else _History(past[-1].cost, 0.0)
    median, upper = (prior.median, prior.upper) if prior else (_NO_COEFFICIENTS, _NO_COEFFICIENTS)
    errors = [_learn(history, turn, median, upper) for turn in reversed(past)]
    now = history.inputs(session_id, first)
    weights = _weights(errors, new=now.new)
    own = sum(weights)
    support, others = (
        (at_first**2 / (at_first + own) if prior else 0.0) for at_first in (_PRIOR_ERRORS_MEDIAN, _PRIOR_ERRORS_UPPER)
    )
    middle = now.predict(median) + _mixed(
        [error.median for error in errors],
        weights,
        prior.median_errors if prior else (),
        support,
        _HALF * (own + support),
    )
    # The turn itself weighs one: it may lie above all that is known. This is the n + 1 of split-conformal ranks.
    rank = _UPPER * (own + others + 1)
    above = now.predict(upper) + _mixed(
        [error.upper for error in errors], weights, prior.upper_errors if prior else (), others, rank
    )
    shift = _correction(errors, new=now.new)
    p50 = max(_usd(middle), floor)
    return Forecast(p50, max(_usd(above + shift), p50), len(past), own / (own + others), exp(shift), imported)


def _learn(history: _History, turn: Past, median: tuple[float, ...], upper: tuple[float, ...]) -> _Error:
    """Predict a past turn from what came before it, note the errors, and add it to the history."""
    found = history.inputs(turn.session_id, turn.first)
    middle, above = found.predict(median), found.predict(upper)
    cost = _log(turn.cost)
    missed: bool | None = round(cost - above, _DIGITS) > 0 if turn.p90 is None else turn.cost.nano > turn.p90.nano
    if turn.at_least:
        cost = max(cost, middle)
        missed = missed or None
    history.add(turn.session_id, cost)
    return _Error(found.new, round(cost - middle, _DIGITS), round(cost - above, _DIGITS), missed)


def _weights(errors: Sequence[_Error], *, new: bool) -> list[float]:
    """What each past turn counts: less with age, and less if it is of the other kind."""
    newest = len(errors) - 1
    return [
        0.5 ** ((newest - place) / _HALF_LIFE_ERRORS) * (1.0 if error.new == new else _OTHER_KIND)
        for place, error in enumerate(errors)
    ]


def _mixed(
    own: Sequence[float], weights: Sequence[float], prior: Sequence[float], others: float, position: float
) -> float:
    """The value at a cumulated weight among weighted errors, linear between the middles of neighbours.

    The prior's errors weigh `others` together.
    """
    each = others / len(prior) if prior else 0.0
    points = sorted([*zip(own, weights, strict=True), *((error, each) for error in prior)])
    passed, before = 0.0, points[0][0]
    reached = 0.0
    for value, weight in points:
        middle = passed + weight / 2
        if middle >= position:
            return before + (value - before) * (position - reached) / (middle - reached) if passed else value
        passed, before, reached = passed + weight, value, middle
    return before


def _correction(errors: Sequence[_Error], *, new: bool) -> float:
    """How far the p90 is moved (in logarithms): by the sum of misses beyond one in ten, over the turns seen."""
    seen = surplus = 0.0
    for error in errors:
        if error.missed is not None:
            weight = 1.0 if error.new == new else _OTHER_KIND
            seen += weight
            surplus += weight * (error.missed - (1 - _UPPER))
    return max(_MOST_DOWN, min(_MOST_UP, _GAIN * surplus / (seen + _SLOW)))


def _log(amount: Usd) -> float:
    nano = amount.nano
    if nano <= _LEAST_NANO:
        return _LEAST
    return log(nano) if nano < _MOST_NANO else _MOST


def _usd(logarithm: float) -> Usd:
    return Usd(round(exp(min(max(logarithm, _LEAST), _MOST))))


def words(told: Forecast) -> str:
    """The forecast as one sentence or two that a person understands."""
    if told.p50 is None or told.p90 is None:
        return money_words.no_history(told.n)
    if told.n < ENOUGH and told.own < 1:
        figures = money_words.forecast_of_others(told.p50, told.p90, told.n)
    elif told.own < _HALF:
        figures = money_words.forecast_of_both(told.p50, told.p90, told.n, told.imported)
    else:
        figures = money_words.forecast_of_own(told.p50, told.p90, told.n, told.imported)
    if not told.adjusted:
        return figures
    return f"{figures} {money_words.RAN_DEARER if told.factor > 1 else money_words.RAN_CHEAPER}"
