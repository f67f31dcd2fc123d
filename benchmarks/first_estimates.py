"""What a person's logs are worth to a new gateway: its forecasts with them and with the prior alone, on a trace.

Usage: python benchmarks/first_estimates.py PATH [--times N] [--json]     a trace of API calls, .csv or .csv.gz, as for `estimator.py`

From a person's tenth turn on, each twenty turns are taken for the first twenty of a gateway that is new there. They are forecast twice, online:
by the prior and what that gateway has seen so far; and by the prior, that, and all turns before it, as the logs would have told of them.
The prior leaves out the source that is judged. `--times` multiplies every amount: people whose turns are that much larger than those that the
prior knows.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.estimator import left_out  # noqa: E402 - the tree is no package
from benchmarks.online import of_person  # noqa: E402
from benchmarks.trace import Trace, TraceError, Turn, read  # noqa: E402
from gateway.core.first_call import FirstCall  # noqa: E402
from gateway.core.forecast import ENOUGH, HISTORY_MAX, Forecast, Past, Prior, forecast  # noqa: E402
from gateway.core.imported import KEPT_MAX, History, Imported  # noqa: E402
from gateway.core.scores import score  # noqa: E402
from gateway.domain.estimate import Estimate  # noqa: E402
from gateway.domain.money import NANO_PER_USD, ZERO, Usd  # noqa: E402
from gateway.priors import PriorError, fitted  # noqa: E402

SCHEMA = 1
FIRST = 20
"""Turns of a gateway that count as its first."""
BANDS = ((1, 1), (2, 5), (6, 10), (11, FIRST))
"""Which of them are told apart."""


class Told(NamedTuple):
    """One turn of a new gateway, its first being number 1, and what was said of it with the prior alone and with the logs."""

    number: int
    turn: Turn
    alone: Forecast
    with_logs: Forecast


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 with one sentence on bad input."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("path", type=Path, help="a trace of API calls, .csv or .csv.gz")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    parser.add_argument("--times", type=int, default=1, help="multiply every amount by this")
    given = parser.parse_args(arguments)
    try:
        measured = measure(larger(read(given.path), given.times))
    except (TraceError, PriorError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(measured, indent=1, allow_nan=False) + "\n" if given.json else table(measured))
    return 0


def larger(trace: Trace, times: int) -> Trace:
    """The same turns, each of so many times the amounts."""
    for turn in trace.turns:
        turn.cost = Usd((turn.cost or ZERO).nano * times)
        turn.floor = Usd(turn.floor.nano * times)
        turn.first = turn.first and FirstCall(Usd(turn.first.warm.nano * times), Usd(turn.first.expected.nano * times))
    return trace


def measure(trace: Trace) -> dict[str, Any]:
    """The figures of all first turns, and of each band of them. Dollars are floats here."""
    name_of, shipped = left_out(trace.turns), fitted()
    told: list[Told] = []
    people = 0
    for _, own in groupby(sorted(trace.turns, key=of_person), key=lambda turn: (turn.source, turn.person)):
        turns = list(own)
        found = list(_gateways(turns, shipped[name_of(turns[0])].prior))
        people += bool(found)
        told += found
    bands = {f"{low}-{high}" if low < high else str(low): (low, high) for low, high in BANDS}
    return {
        "schema": SCHEMA,
        "people": people,
        "gateways": sum(one.number == 1 for one in told),
        "all": _both(told),
        **{name: _both([one for one in told if low <= one.number <= high]) for name, (low, high) in bands.items()},
    }


def _gateways(turns: Sequence[Turn], prior: Prior) -> Iterator[Told]:
    """One person's turns, in order: each twenty from the tenth on, the last ones being fewer."""
    for start in range(ENOUGH, len(turns), FIRST):
        logs = _logged([turn for turn in turns[:start] if turn.ended_s <= turns[start].started_s], prior)
        seen: dict[bool, list[tuple[Turn, Past]]] = {False: [], True: []}
        for number, turn in enumerate(turns[start : start + FIRST], start=1):
            alone = _said(turn, seen[False], prior)
            with_logs = _said(turn, [*logs, *seen[True]], prior)
            yield Told(number, turn, alone, with_logs)
            for has_logs, forecast_ in ((False, alone), (True, with_logs)):
                seen[has_logs].append((turn, Past(turn.session, turn.first, turn.cost or ZERO, forecast_.p90)))


def _logged(turns: Sequence[Turn], prior: Prior) -> list[tuple[Turn, Past]]:
    """What the gateway keeps of turns that it was not there for."""
    newest = sorted(turns, key=lambda turn: -turn.ended_s)[:KEPT_MAX]
    pasts = [Past(turn.session, turn.first, turn.cost or ZERO, imported=True) for turn in newest]
    kept = History(tuple(Imported("", "", 0, past) for past in pasts)).kept(prior)
    return [(turn, one.past) for turn, one in zip(newest, kept, strict=True)]


def _said(turn: Turn, known: Sequence[tuple[Turn, Past]], prior: Prior) -> Forecast:
    """The forecast by what had ended when the turn began, newest first, as the gateway's store hands it over."""
    ended = sorted((one for one in known if one[0].ended_s <= turn.started_s), key=lambda one: -one[0].ended_s)
    return forecast([past for _, past in ended[:HISTORY_MAX]], turn.session, turn.first, turn.floor, prior)


def _both(told: Sequence[Told]) -> dict[str, Any]:
    return {
        "turns": len(told),
        "prior_alone": _figures((one.turn, one.alone) for one in told),
        "with_logs": _figures((one.turn, one.with_logs) for one in told),
    }


def _figures(said: Iterator[tuple[Turn, Forecast]]) -> dict[str, Any]:
    estimates = ((Estimate(turn.floor, one.p50, one.p90, one.n, ZERO, ""), turn.cost or ZERO) for turn, one in said)
    scores = score(estimates)
    return {
        "coverage90": scores.coverage90,
        "coverage50": scores.coverage50,
        "pinball90": _dollars(scores.pinball90),
        "pinball50": _dollars(scores.pinball50),
    }


def _dollars(amount: Usd | None) -> float | None:
    return None if amount is None else amount.nano / NANO_PER_USD


def table(found: Mapping[str, Any]) -> str:
    """The figures for a reader."""
    lines = [f"{found['people']} people, {found['gateways']} new gateways", ""]
    lines.append(f"{'turn':8} turns   {'prior alone':>34}   {'with the logs':>34}")
    heads = f"{'cover90':>10} {'pinball90':>11} {'pinball50':>11}"
    lines.append(f"{'':8}         {heads}   {heads}")
    for name in ("all", *(f"{low}-{high}" if low < high else str(low) for low, high in BANDS)):
        one = found[name]
        if one["turns"]:
            lines.append(f"{name:8} {one['turns']:5}   {_line(one['prior_alone'])}   {_line(one['with_logs'])}")
    return "\n".join(lines) + "\n"


def _line(one: Mapping[str, Any]) -> str:
    return f"{one['coverage90']:10.3f} {one['pinball90']:11.4f} {one['pinball50']:11.4f}"


if __name__ == "__main__":
    sys.exit(main())
