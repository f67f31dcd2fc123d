"""Made-up histories that are hard to forecast: drift, jumps and heavy tails. The same for the same seed."""

from collections import Counter
from collections.abc import Callable
from math import exp
from random import Random

from benchmarks.trace import Trace, Turn
from gateway.core.first_call import HOUR_CACHE_S, expected_first_call
from gateway.domain.money import Usd

PERSONS, TURNS = 12, 150
_WARM, _COLD = 500, 10_000  # nano-dollars a token: opus' cache read and 1 h cache write
_NANO = 1e9
Shape = Callable[[Random, float], float]
"""A turn's work in dollars, given how much of the history has passed (0 to 1)."""

SHAPES: dict[str, Shape] = {
    "steady": lambda draw, _: draw.lognormvariate(-1, 1.1),
    "drift up x6": lambda draw, passed: draw.lognormvariate(-1.5 + 1.8 * passed, 1.1),
    "drift down x6": lambda draw, passed: draw.lognormvariate(0.3 - 1.8 * passed, 1.1),
    "jump x5": lambda draw, passed: draw.lognormvariate(-1.5 + 1.6 * (passed > 0.5), 1.0),  # noqa: PLR2004 - half-way
    "Pareto 1.3": lambda draw, _: 0.12 * draw.paretovariate(1.3),
    "log-t 3": lambda draw, _: exp(min(max(-1 + 0.9 * _student(draw, 3), -9.0), 5.0)),
    "two kinds": lambda draw, _: draw.lognormvariate(-2.5, 0.4) if draw.random() < 0.7 else draw.lognormvariate(1, 0.5),  # noqa: PLR2004 - three in ten
    "steps that forget": lambda draw, passed: draw.lognormvariate(-1 + (int(passed * 12) % 3 - 1) * 0.9, 0.9),
}


def _student(draw: Random, freedom: int) -> float:
    return draw.gauss(0, 1) / (draw.gammavariate(freedom / 2, 2) / freedom) ** 0.5


def histories(seed: int) -> Trace:
    """Twelve people of 150 turns for each shape; sessions of about eight turns whose context grows and whose cache ages."""
    turns: list[Turn] = []
    for name, shape in SHAPES.items():
        for person in range(PERSONS):
            turns += _history(name, f"{name} {person + 1}", shape, Random(f"{seed} {name} {person}"))  # noqa: S311 - made-up people
    return Trace(turns, len(turns), Counter(), 0, 0, 0)


def _history(source: str, person: str, shape: Shape, draw: Random) -> list[Turn]:
    turns: list[Turn] = []
    level = draw.lognormvariate(0, 0.7)
    now_s, session, context = 0.0, 0, 0
    for index in range(TURNS):
        pause_s = draw.lognormvariate(5, 2)
        now_s += pause_s
        if draw.random() < 1 / 8:
            session, context = session + 1, 0
        warm, cold = Usd(context * _WARM), Usd(context * _COLD)
        first = expected_first_call(warm, cold, round(pause_s * 1000), HOUR_CACHE_S) if context else None
        held = context and pause_s < HOUR_CACHE_S and draw.random() > 0.1  # noqa: PLR2004 - one in ten is lost early
        work = level * shape(draw, index / TURNS)
        cost = Usd(round(work * _NANO) + 1 + (warm if held else cold).nano)
        lasted_s = 20 + 100 * work
        turn = Turn(source, person, f"{person} {session}", index, now_s, index, now_s + lasted_s, cost, first=first)
        turn.floor = warm
        turns.append(turn)
        now_s += lasted_s
        context = min(context + round(draw.lognormvariate(9.5, 0.6)), 180_000)
    return turns
