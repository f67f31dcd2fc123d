"""Make the prior that ships with the gateway from a trace of public sessions.

Usage: python tools/make_prior.py TRACE [OUTPUT]   OUTPUT: the package's own file unless told; "-" prints. Takes half a minute.
Fits, for all sources and for all but each one, the coefficients of core/forecast.py by quantile regression in dollars.
"""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from math import exp, log, sqrt
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.online import Said, ratios, run  # noqa: E402 - the tree is no package
from benchmarks.trace import Trace, TraceError, Turn, read  # noqa: E402
from gateway.core.forecast import INPUTS, Inputs, Prior, inputs  # noqa: E402
from gateway.domain.money import ZERO, Usd  # noqa: E402
from gateway.priors import EVERYTHING, FILE, SCHEMA  # noqa: E402

OUTPUT = ROOT / "gateway" / "priors" / FILE
POINTS = 40
RIDGE = 0.01
SMOOTH = 0.02
STEPS_MAX = 200
SMALLEST_STEP, SMALLEST_GAIN = 1e-6, 1e-10
MARKS_EACH, MARKED_TURNS = 6, 20
FROM = {
    "s1": "entireio/cli, MIT",
    "s2": "PackmindHub/context-evaluator, Apache-2.0",
    "s3": "EntityProcess/agentv, MIT",
    "s4": "dayhaysoos/nimbus",
}
NEUTRAL = Prior(Usd(1), (0.0,) * INPUTS, (0.0,) * INPUTS, (0.0,), (0.0,))


class Sample:
    """A turn as the fit sees it: what it is predicted from, its cost, and its person's weight."""

    __slots__ = ("cost", "inputs", "weight")

    def __init__(self, found: Inputs, cost: float, weight: float) -> None:
        self.inputs, self.cost, self.weight = found, cost, weight


def main(arguments: list[str]) -> int:
    """Make the file."""
    if len(arguments) not in {1, 2}:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        made = make(read(Path(arguments[0])))
    except TraceError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments[1:] == ["-"]:
        sys.stdout.write(made)
    else:
        (Path(arguments[1]) if arguments[1:] else OUTPUT).write_text(made, encoding="utf-8")
    return 0


def make(trace: Trace) -> str:
    """The file's contents, the same for the same trace."""
    sources = sorted({turn.source for turn in trace.turns})
    said = list(run(trace.turns, lambda _: None, lambda: None))
    fitted: dict[str, Any] = {EVERYTHING: _fit(said)}
    for source in sources:
        fitted[source] = _fit([one for one in said if one.turn.source != source])
    return _layout(
        {
            "schema": SCHEMA,
            "made_by": "tools/make_prior.py",
            "about": "Numbers only, from coding sessions that their owners publish with the Entire CLI. "
            '"all": fitted on every source; "s1": on every source but s1, to judge s1 fairly.',
            "turns": len(trace.turns),
            "unpriced_turns": trace.unpriced_turns,
            "sources": {source: _source(source, trace.turns) for source in sources},
        },
        fitted,
    )


def _source(name: str, turns: Iterable[Turn]) -> dict[str, Any]:
    """Where a source is from, and marks by which its data is recognised under any label: a few calls of each person."""
    own = [turn for turn in turns if turn.source == name]
    marks: set[str] = set()
    for person in sorted({turn.person for turn in own}):
        first = [turn for turn in own if turn.person == person][:MARKED_TURNS]
        marks |= set(sorted(set[str]().union(*(turn.marks for turn in first)))[:MARKS_EACH])
    return {"from": FROM.get(name, ""), "turns": len(own), "marks": " ".join(sorted(marks))}


def _fit(said: Sequence[Said]) -> dict[str, Any]:
    """The prior from these turns, all of them online: what a turn is predicted from had ended before it."""
    persons: dict[tuple[str, str], int] = {}
    for one in said:
        persons[_person(one)] = persons.get(_person(one), 0) + 1
    # A person with many turns tells more than one with few, but not in proportion: they are one person.
    weights = {person: 1 / sqrt(turns) for person, turns in persons.items()}
    logs = [(log(one.turn.cost.nano), weights[_person(one)]) for one in said if one.turn.cost]
    typical = Usd(round(exp(sum(cost * weight for cost, weight in logs) / sum(weight for _, weight in logs))))
    samples = list(_samples(said, weights, typical))
    median, upper = regress(samples, 0.5), regress(samples, 0.9)
    return {
        "typical_nano": typical.nano,
        "median": median,
        "upper": upper,
        "median_errors": _errors(samples, median),
        "upper_errors": _errors(samples, upper),
        "ratios": {name: [round(one, 3) for one in pair] for name, pair in ratios(said).items()},
    }


def _person(one: Said) -> tuple[str, str]:
    return one.turn.source, one.turn.person


def _samples(said: Sequence[Said], weights: dict[tuple[str, str], float], typical: Usd) -> Iterable[Sample]:
    prior = Prior(typical, NEUTRAL.median, NEUTRAL.upper, NEUTRAL.median_errors, NEUTRAL.upper_errors)
    for one in said:
        found = inputs(one.past, one.turn.session, one.turn.first, prior)
        yield Sample(found, (one.turn.cost or ZERO).nano / 1e9, weights[_person(one)])


def regress(samples: Sequence[Sample], level: float) -> list[float]:
    """Quantile regression: the coefficients with the least pinball loss in dollars (smoothed), pulled a little to zero.

    Damped Gauss-Newton: the loss is nearly quadratic close to its minimum, and every step that does not lower it is halved.
    """
    scale = sum(s.weight * s.cost for s in samples)
    best = [0.0] * INPUTS
    loss, gradient, curve = _loss(samples, level, best, scale)
    for _ in range(STEPS_MAX):
        step = _solve(curve, gradient)
        size = 1.0
        while size > SMALLEST_STEP:
            tried = [c - size * s for c, s in zip(best, step, strict=True)]
            found = _loss(samples, level, tried, scale)
            if found[0] < loss:
                break
            size /= 2
        else:
            break
        moved = loss - found[0]
        best, (loss, gradient, curve) = tried, found
        if moved < SMALLEST_GAIN:
            break
    return [round(c, 3) for c in best]


def _loss(
    samples: Sequence[Sample], level: float, coefficients: Sequence[float], scale: float
) -> tuple[float, list[float], list[list[float]]]:
    """The smoothed pinball loss, its gradient and an approximation of its second derivatives."""
    total = 0.0
    gradient = [0.0] * INPUTS
    curve = [[0.0] * INPUTS for _ in range(INPUTS)]
    told = tuple(coefficients)
    for sample in samples:
        said = exp(min(sample.inputs.predict(told), 35.0)) / 1e9
        missed = sample.cost - said
        soft = sqrt(missed * missed + (SMOOTH * said) ** 2)
        weight = sample.weight / scale
        total += weight * (0.5 * soft + (level - 0.5) * missed)
        slope = -weight * said * (0.5 * missed / soft + level - 0.5)
        bend = weight * said * said * 0.5 / soft
        moves = sample.inputs.moves
        for i in range(INPUTS):
            gradient[i] += slope * moves[i]
            for j in range(i + 1):
                curve[i][j] += bend * moves[i] * moves[j]
    for i in range(INPUTS):
        curve[i][i] += 1e-9
        if i:
            total += RIDGE * coefficients[i] ** 2
            gradient[i] += 2 * RIDGE * coefficients[i]
            curve[i][i] += 2 * RIDGE
        for j in range(i):
            curve[j][i] = curve[i][j]
    return total, gradient, curve


def _solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Gaussian elimination with pivots."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    size = len(rows)
    for i in range(size):
        pivot = max(range(i, size), key=lambda k: abs(rows[k][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for k in range(i + 1, size):
            factor = rows[k][i] / rows[i][i]
            rows[k] = [a - factor * b for a, b in zip(rows[k], rows[i], strict=True)]
    found = [0.0] * size
    for i in reversed(range(size)):
        found[i] = (rows[i][size] - sum(rows[i][k] * found[k] for k in range(i + 1, size))) / rows[i][i]
    return found


def _errors(samples: Sequence[Sample], coefficients: Sequence[float]) -> list[float]:
    """What the fit left: evenly spaced quantiles of the errors, weighted by person."""
    told = tuple(coefficients)
    errors = sorted((log(s.cost * 1e9) - s.inputs.predict(told), s.weight) for s in samples)
    total = sum(weight for _, weight in errors)
    found: list[float] = []
    passed, place = 0.0, 0
    for point in range(POINTS):
        while place < len(errors) - 1 and passed + errors[place][1] < total * (point + 0.5) / POINTS:
            passed += errors[place][1]
            place += 1
        found.append(round(errors[place][0], 2))
    return found


def _layout(head: dict[str, Any], fitted: dict[str, Any]) -> str:
    """JSON with one line per list, so that a change shows."""

    def lines(value: dict[str, Any], indent: str, deeper: Callable[[Any], bool]) -> str:
        parts = [
            f"{indent}{json.dumps(key)}: {lines(one, indent + ' ', deeper) if deeper(one) else json.dumps(one)}"
            for key, one in value.items()
        ]
        return "{\n" + ",\n".join(parts) + "\n" + indent[:-1] + "}"

    return lines({**head, "fitted": fitted}, " ", lambda one: isinstance(one, dict)) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
