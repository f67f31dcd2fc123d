"""How well the gateway foresees what turns cost: coverage and pinball loss beside simple predictors, online, on a trace.

Usage: python benchmarks/estimator.py PATH [--json]     a trace of API calls, .csv or .csv.gz (columns: see the error if they lack)
       python benchmarks/estimator.py --synthetic [--json]     made-up histories with drift and heavy tails

Each turn is forecast from what had ended before it began. Where the trace holds data that the shipped prior was made from
(recognised by its figures, whatever its labels), the prior that leaves this source out is used. The headline counts turns
that follow another of their session; `all_turns` counts sessions' and persons' first turns too.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import exp, lgamma, log
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.online import Said, ratios, run, simple_forecast  # noqa: E402 - the tree is no package
from benchmarks.synthetic import histories  # noqa: E402
from benchmarks.trace import Trace, TraceError, Turn, read  # noqa: E402
from gateway.core.scores import Scores, score  # noqa: E402
from gateway.domain.estimate import Estimate  # noqa: E402
from gateway.domain.money import NANO_PER_USD, ZERO, Usd  # noqa: E402
from gateway.priors import EVERYTHING, Fitted, PriorError, fitted, text  # noqa: E402

SCHEMA = 1
SEED = 20
JUDGED_TURNS = 30
"""From so many turns on a person's coverage is compared with its binomial interval."""
CALIBRATION_TURNS = 100
"""With fewer turns in the other sources, the simple predictors are multiplied by the shipped ratios."""
_EVERY = 200
Ratios = Mapping[str, tuple[float, float]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 with one sentence on bad input."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("path", nargs="?", type=Path, help="a trace of API calls, .csv or .csv.gz")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    parser.add_argument("--synthetic", action="store_true", help="made-up histories instead of a trace")
    given = parser.parse_args(arguments)
    if (given.path is None) == (not given.synthetic):
        parser.error("give the path of a trace, or --synthetic")
    try:
        measured = measure(histories(SEED) if given.synthetic else read(given.path), progress())
    except (TraceError, PriorError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(measured, indent=1, allow_nan=False) + "\n" if given.json else table(measured))
    return 0


def progress() -> Callable[[], None]:
    """Counts turns on stderr, if a person is looking."""
    if not sys.stderr.isatty():
        return lambda: None
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if done % _EVERY == 0:
            sys.stderr.write(f"\r{done} turns")
            sys.stderr.flush()

    return tick


def measure(trace: Trace, tick: Callable[[], None]) -> dict[str, Any]:
    """All figures of a trace. Dollars are floats here; they were whole nano-dollars until the end."""
    fair = left_out(trace.turns)
    of_person = {(turn.source, turn.person): fair(turn) for turn in trace.turns}
    shipped = fitted()
    said = list(run(trace.turns, lambda turn: shipped[of_person[turn.source, turn.person]].prior, tick))
    judge = _Judge(said, of_person, shipped)
    headline = [one for one in said if one.followed]
    found: dict[str, Any] = {"schema": SCHEMA, **judge.figures(headline)}
    found["per_person"] = _per_person(headline)
    found["per_source"] = {
        source: {
            "prior": _priors_of(source, of_person),
            "interval99": _interval(sum(one.turn.source == source for one in headline)),
            "persons": len({one.turn.person for one in said if one.turn.source == source}),
            **judge.figures([one for one in headline if one.turn.source == source]),
            "all_turns": judge.figures([one for one in said if one.turn.source == source], baselines=False),
        }
        for source in sorted({turn.source for turn in trace.turns})
    }
    found["final_only"] = judge.figures([one for one in headline if one.turn.final])
    found["not_final_only"] = judge.figures([one for one in headline if not one.turn.final])
    found["all_turns"] = judge.figures(said)
    found["all_turns"]["per_person"] = _per_person(said)
    found["first_turns"] = judge.figures([one for one in said if not one.followed])
    found |= {
        "calls": trace.calls,
        "calls_of_no_turn": trace.calls_of_no_turn,
        "unpriced_turns": trace.unpriced_turns,
        "unpriced_models": dict(sorted(trace.unpriced.items())),
        "calls_at_the_vendors_price": trace.vendor_priced_calls,
        "adjusted_turns": sum(one.forecast.adjusted for one in said),
    }
    return found


def left_out(turns: Iterable[Turn]) -> Callable[[Turn], str]:
    """Which shipped prior is fair for a turn: the one without the source that its person's, or else its source's, data is from."""
    sources_of_prior: dict[str, dict[str, str]] = json.loads(text())["sources"]
    marks = {mark: name for name, source in sources_of_prior.items() for mark in source["marks"].split()}
    persons: dict[tuple[str, str], set[str]] = {}
    sources: dict[str, set[str]] = {}
    for turn in turns:
        known = {marks[mark] for mark in turn.marks if mark in marks}
        persons.setdefault((turn.source, turn.person), set()).update(known)
        sources.setdefault(turn.source, set()).update(known)

    def prior_of(turn: Turn) -> str:
        candidates = (persons[turn.source, turn.person], sources[turn.source])
        return next((name for known in candidates if len(known) == 1 for name in known), EVERYTHING)

    return prior_of


def _priors_of(source: str, of_person: Mapping[tuple[str, str], str]) -> str:
    """Which priors spoke in a source, in words."""
    used = sorted({prior for (of, _), prior in of_person.items() if of == source})
    return ", ".join("shipped" if prior == EVERYTHING else f"shipped, without {prior}" for prior in used)


class _Judge:
    """Scores the forecast and the simple predictors on the same turns."""

    def __init__(
        self, said: Sequence[Said], of_person: Mapping[tuple[str, str], str], shipped: Mapping[str, Fitted]
    ) -> None:
        self._of_person, self._shipped = of_person, shipped
        self._ratios: dict[str, Ratios] = {}
        for source in {one.turn.source for one in said}:
            others = [one for one in said if one.turn.source != source]
            if sum(one.followed for one in others) >= CALIBRATION_TURNS:
                self._ratios[source] = ratios(others)

    def figures(self, said: Sequence[Said], *, baselines: bool = True) -> dict[str, Any]:
        """The figures of these turns: of the forecast, and of each simple predictor."""
        found = _figures(score((_estimate(one), one.turn.cost or ZERO) for one in said))
        if baselines:
            names = self._shipped[EVERYTHING].ratios
            found["baselines"] = {name: _figures(score(self._simple(said, name)), brief=True) for name in names}
        return found

    def _simple(self, said: Iterable[Said], name: str) -> Iterable[tuple[Estimate, Usd]]:
        for one in said:
            fit = self._shipped[self._of_person[one.turn.source, one.turn.person]]
            p50, p90 = simple_forecast(one, name, self._ratios.get(one.turn.source, fit.ratios), fit.prior)
            yield Estimate(ZERO, p50, p90, 0, ZERO, ""), one.turn.cost or ZERO


def _estimate(one: Said) -> Estimate:
    told = one.forecast
    return Estimate(one.turn.floor, told.p50, told.p90, told.n, ZERO, "")


def _figures(scores: Scores, *, brief: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {
        "turns": scores.n,
        "coverage90": scores.coverage90,
        "coverage50": scores.coverage50,
        "pinball90": _dollars(scores.pinball90),
        "pinball50": _dollars(scores.pinball50),
    }
    if not brief:
        found |= {"width": scores.width, "floor_violations": scores.floor_violations, "silent": scores.silent}
    return found


def _dollars(amount: Usd | None) -> float | None:
    return None if amount is None else amount.nano / NANO_PER_USD


def _per_person(said: Sequence[Said]) -> dict[str, Any]:
    """Coverage of each person, and from JUDGED_TURNS on whether it lies inside the 99 % interval of chance around 0.9."""
    of: dict[tuple[str, str], list[Said]] = {}
    for one in said:
        of.setdefault((one.turn.source, one.turn.person), []).append(one)
    names = [person for _, person in of]
    found: dict[str, Any] = {}
    for (source, person), own in sorted(of.items()):
        covered = sum(one.forecast.p90 is not None and (one.turn.cost or ZERO) <= one.forecast.p90 for one in own)
        interval, share = _interval(len(own)), covered / len(own)
        found[person if names.count(person) == 1 else f"{source}/{person}"] = {
            "source": source,
            "turns": len(own),
            "coverage90": share,
            "interval99": interval,
            "inside": None if interval is None else interval[0] <= share <= interval[1],
        }
    return found


def _interval(turns: int) -> tuple[float, float] | None:
    """Between which coverages chance alone leads in 99 of 100 cases; None for too few turns to tell."""
    if turns < JUDGED_TURNS:
        return None
    low, high = binomial_interval(turns)
    return low / turns, high / turns


def binomial_interval(n: int, share: float = 0.9, beyond: float = 0.01) -> tuple[int, int]:
    """The central interval of a binomial count: less than half of `beyond` lies below it, and at most so much above."""
    passed, low = 0.0, None
    for k in range(n + 1):
        ways = lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
        passed += exp(ways + k * log(share) + (n - k) * log(1 - share))
        if low is None and passed > beyond / 2:
            low = k
        if passed >= 1 - beyond / 2:
            return low or 0, k
    return low or 0, n


def table(found: Mapping[str, Any]) -> str:
    """The figures for a reader."""
    lines = [f"{'':42} turns  cover90  pinball90  pinball50"]
    lines.append(_line("forecast", found))
    lines += [_line(f"  {name}, x ratio", one) for name, one in found["baselines"].items()]
    lines.append("")
    for source, one in found["per_source"].items():
        lines.append(_line(f"source {source} (prior: {one['prior']})", one))
    lines.append("")
    for title, key in (
        ("final usage only", "final_only"),
        ("usage not final (a lower bound)", "not_final_only"),
        ("all turns, first ones too", "all_turns"),
        ("sessions' first turns", "first_turns"),
    ):
        if found[key]["turns"]:
            lines.append(_line(title, found[key]))
            best = min(found[key]["baselines"].items(), key=lambda item: item[1]["pinball90"] or 0)
            lines.append(_line(f"  best of the simple: {best[0]}", best[1]))
    judged = {name: one for name, one in found["per_person"].items() if one["inside"] is not None}
    outside = [name for name, one in judged.items() if not one["inside"]]
    lines.append("")
    for name, one in judged.items():
        low, high = one["interval99"]
        mark = "" if one["inside"] else "   OUTSIDE"
        lines.append(
            f"{'person ' + name:42} {one['turns']:5}    {one['coverage90']:.3f}  [{low:.3f}, {high:.3f}]{mark}"
        )
    lines.append(
        f"{len(judged)} people with {JUDGED_TURNS} turns or more, {len(outside)} outside their 99 % interval; "
        f"{found['unpriced_turns']} turns left out because a price is not known "
        f"({', '.join(found['unpriced_models']) or 'none'})."
    )
    return "\n".join(lines) + "\n"


def _line(title: str, one: Mapping[str, Any]) -> str:
    if not one["turns"]:
        return f"{title[:42]:42}     0"
    return f"{title[:42]:42} {one['turns']:5}    {one['coverage90']:.3f}     {one['pinball90']:.4f}     {one['pinball50']:.4f}"


if __name__ == "__main__":
    sys.exit(main())
