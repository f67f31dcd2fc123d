"""What was said before each turn: the gateway's forecast and the simple predictors, from what had ended by then."""

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import exp, log

from benchmarks.trace import Turn
from gateway.core.forecast import HISTORY_MAX, Forecast, Past, Prior, forecast
from gateway.domain.money import ZERO, Usd

PULL = 5
"""Turns that a person's geometric mean weighs against that of a session, in the fourth simple predictor."""


@dataclass(slots=True)
class Said:
    """A turn and what was said before it. `simple`: the simple predictors in nano-dollars, before any ratio."""

    turn: Turn
    past: list[Past]
    """What was known then, newest first: all that may be learned from for this turn."""
    forecast: Forecast
    simple: dict[str, float]
    followed: bool
    """Whether an earlier turn of the same session had ended: only such turns are in the README's table."""


@dataclass(slots=True)
class _Person:
    """Turns of a person that are known at some moment, and those that still run."""

    running: list[tuple[float, int, Turn, Past]] = field(default_factory=list[tuple[float, int, Turn, Past]])
    known: list[tuple[Turn, Past]] = field(default_factory=list[tuple[Turn, Past]])
    costs: list[int] = field(default_factory=list[int])
    logs: float = 0.0
    sessions: dict[str, list[int]] = field(default_factory=dict[str, list[int]])

    def until(self, now_s: float) -> None:
        """Learn the turns that have ended by now."""
        ended = bisect_right(self.running, now_s, key=lambda one: one[0])
        for _, _, turn, past in self.running[:ended]:
            self.known.append((turn, past))
            insort(self.costs, past.cost.nano)
            self.logs += log(past.cost.nano)
            self.sessions.setdefault(turn.session, []).append(past.cost.nano)
        del self.running[:ended]


def run(turns: Sequence[Turn], prior_of: Callable[[Turn], Prior | None], tick: Callable[[], None]) -> Iterator[Said]:
    """Go through the turns of every person in order. `prior_of`: the prior to use for a turn's person."""
    order = sorted(turns, key=of_person)
    for _, own in groupby(order, key=lambda turn: (turn.source, turn.person)):
        person = _Person()
        for turn in own:
            prior = prior_of(turn)
            tick()
            person.until(turn.started_s)
            past = [known for _, known in person.known[: -HISTORY_MAX - 1 : -1]]
            told = forecast(past, turn.session, turn.first, turn.floor, prior)
            yield Said(turn, past, told, _simple(person, turn), turn.session in person.sessions)
            settled = Past(turn.session, turn.first, turn.cost or ZERO, told.p90)
            insort(person.running, (turn.ended_s, turn.first_row, turn, settled), key=lambda one: one[:2])


def of_person(turn: Turn) -> tuple[str, str, float, int]:
    """What brings a trace's turns into the order of each person's, one person after the other."""
    return turn.source, turn.person, turn.started_s, turn.first_row


def _simple(person: _Person, turn: Turn) -> dict[str, float]:
    """The README's predictors. In a session's first turn the person's own figures stand in; before any turn there are none."""
    if not person.known:
        return {}
    session = person.sessions.get(turn.session, [])
    middle = len(person.costs) // 2
    median = (person.costs[middle] + person.costs[(len(person.costs) - 1) // 2]) / 2
    usual = person.logs / len(person.costs)
    mean = exp((sum(map(log, session)) + PULL * usual) / (len(session) + PULL))
    return {
        "last turn": session[-1] if session else person.known[-1][1].cost.nano,
        "session mean": sum(session) / len(session) if session else sum(person.costs) / len(person.costs),
        "person's median": median,
        "shrunk geometric mean": mean,
        "the same + expected first call": mean + (turn.first.expected.nano if turn.first else 0),
    }


def ratios(said: Iterable[Said]) -> dict[str, tuple[float, float]]:
    """What to multiply each simple predictor by, so that it is the median, or nine in ten, of what turns cost."""
    found: dict[str, list[float]] = {}
    for one in said:
        if one.followed and one.turn.cost:
            for name, value in one.simple.items():
                found.setdefault(name, []).append(one.turn.cost.nano / value)
    return {name: (quantile(values, 0.5), quantile(values, 0.9)) for name, values in found.items()}


def quantile(values: Sequence[float], level: float) -> float:
    """The quantile, linear between neighbours."""
    values = sorted(values)
    place = level * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)


def simple_forecast(one: Said, name: str, ratio: Mapping[str, tuple[float, float]], prior: Prior) -> tuple[Usd, Usd]:
    """A simple predictor's p50 and p90; before a person's first turn has ended the prior's typical turn stands in."""
    value = one.simple.get(name, prior.typical.nano)
    median, upper = ratio[name]
    return Usd(round(value * median)), Usd(round(value * upper))
