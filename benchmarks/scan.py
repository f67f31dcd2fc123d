"""Reading a home full of agents' logs: `tollbridge scan` beside ccusage, how fast, in how much memory, and who is right.

Usage: python -m benchmarks.scan [--json] [--quick] [--mb N] [--rounds N] [--seed N] [--ccusage PROGRAM]. The home is made up (benchmarks.log_tree), so that
what was used in it is known. In each round both read it without a past (our ledger's folder is new), in turns and with the files in the page cache; then 1 % is
added and both read again: ours goes on, ccusage keeps nothing and reads all. Times are medians of the rounds; memory is the sum of what all processes of a
program had at most, in runs of their own. ccusage stands for itself as it is installed, and once more without the script that starts its program.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import log_tree
from benchmarks.log_tree import Growing
from benchmarks.scan_programs import ALONE, OURS, THEIRS, Programs, Run
from benchmarks.scan_totals import Totals, compare, exact, of_ccusage, of_tollbridge, of_truth, totals_table

ADDED = 0.01
AIM_COLD, AIM_ADDED, AIM_MEMORY = 1.0, 0.05, 1.0


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    megabytes: float = 220.0
    rounds: int = 5
    seed: int = 1


QUICK = Sizes(megabytes=6.0, rounds=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and say what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    parser.add_argument("--quick", action="store_true", help="a look at whether it runs, and no measurement")
    parser.add_argument("--mb", type=float, default=Sizes.megabytes, help="how large the home is at least")
    parser.add_argument("--rounds", type=int, default=Sizes.rounds, help="how often each program reads it")
    parser.add_argument("--seed", type=int, default=Sizes.seed, help="which home is made up")
    parser.add_argument("--ccusage", help="the program; else the one in $TBTEST_CLIENTS, else the one on the PATH")
    given = parser.parse_args(arguments)
    if given.rounds < 1 or given.mb <= 0:
        parser.error("--rounds begins at 1, and --mb above 0")
    sizes = QUICK if given.quick else Sizes(given.mb, given.rounds, given.seed)
    measured = measure(sizes, given.ccusage)
    sys.stdout.write(json.dumps(measured, indent=1, allow_nan=False) + "\n" if given.json else table(measured))
    return 0


def measure(sizes: Sizes, ccusage: str | None = None) -> dict[str, Any]:
    """Every figure, by name: seconds and bytes, and the totals of each beside what is true."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory) / "home"
        programs = Programs(home, Path(directory), ccusage)
        made = log_tree.build(home, round(sizes.megabytes * 1_000_000), sizes.seed)
        bytes_, files = made.tree.written, sum(1 for _ in home.rglob("*.jsonl"))
        for name in programs.names:  # once, so that files are read from memory
            programs.run(name, "warm")
        rounds = [_round(programs, made, number) for number in range(sizes.rounds)]
        most = {"cold": {name: programs.most(name, "cold") for name in programs.names}}
        made.go_on(round(made.tree.written * ADDED))
        most["added"] = {name: programs.most(name, "added") for name in programs.names}
        return {
            "tree": {"bytes": bytes_, "files": files, "forms": dict(sorted(made.tree.forms.items()))},
            "versions": programs.versions(),
            "rounds": sizes.rounds,
            "cold": _medians([each["cold"] for each in rounds], most["cold"]),
            "added": _medians([each["added"] for each in rounds], most["added"]),
            "share_added": ADDED,
            "totals": rounds[-1]["totals"],
            "always_true": {name: all(each["true"][name] for each in rounds) for name in rounds[0]["true"]},
            "cores": os.cpu_count(),
        }


def _round(programs: Programs, made: Growing, number: int) -> dict[str, Any]:
    """All without a past, another one first in each round; then 1 % is added, and all again."""
    first = number % len(programs.names)
    names = [*programs.names[first:], *programs.names[:first]]
    state = f"round{number}"
    cold = {name: programs.run(name, state) for name in names}
    right, ours = [_totals(cold, made)], exact(cold[OURS].said, made.tree.used)
    made.go_on(round(made.tree.written * ADDED))
    added = {name: programs.run(name, state) for name in names}
    right.append(_totals(added, made))
    ours = ours and exact(added[OURS].said, made.tree.used)
    true = {name: all(each[name] == each["true"] for each in right) for name in (OURS, THEIRS)}
    return {
        "cold": cold,
        "added": added,
        "totals": compare(right[-1], made.tree.apart),
        "true": {**true, OURS: true[OURS] and ours},
    }


def _totals(runs: Mapping[str, Run], made: Growing) -> dict[str, Totals]:
    """What each says was used, and what was."""
    return {
        "true": of_truth(made.tree.used),
        OURS: of_tollbridge(runs[OURS].said),
        THEIRS: of_ccusage(runs[THEIRS].said),
    }


def _medians(rounds: Sequence[Mapping[str, Run]], most: Mapping[str, int]) -> dict[str, dict[str, float]]:
    """By program, each with ratios to ccusage and to its program alone."""
    figures: dict[str, dict[str, float]] = {}
    for name in (OURS, THEIRS, ALONE):
        seconds = statistics.median(each[name].seconds for each in rounds)
        figures[name] = {
            "seconds": seconds,
            "cpu_s": statistics.median(each[name].cpu_s for each in rounds),
            "bytes": most[name],
        }
    for name in (THEIRS, ALONE):
        for figure in ("seconds", "cpu_s", "bytes"):
            figures[OURS][f"{figure} of {name}"] = figures[OURS][figure] / figures[name][figure]
    return figures


# ---------------------------------------------------------------------------------------------------------------- table
def table(measured: Mapping[str, Any]) -> str:
    """The figures as people read them."""
    tree, versions = measured["tree"], measured["versions"]
    lines = [
        (
            f"{tree['bytes'] / 1e6:.0f} MB of logs in {tree['files']} files, {measured['cores']} cores; {versions[OURS]} beside {versions[THEIRS]};"
            f" medians of {measured['rounds']}"
        ),
    ]
    for kind, title in (("cold", "without a past"), ("added", f"after {measured['share_added']:.0%} more")):
        lines += ["", title, ""]
        lines += [
            f"  {name:<22}{one['seconds'] * 1000:9.1f} ms{one['cpu_s'] * 1000:9.1f} ms of CPU{one['bytes'] / 2**20:8.1f} MiB"
            for name, one in measured[kind].items()
        ]
        ours = measured[kind][OURS]
        lines += [
            f"    of {name + ':':<19}{ours[f'seconds of {name}']:9.3f}{ours[f'cpu_s of {name}']:12.3f}{ours[f'bytes of {name}']:18.3f}"
            for name in (THEIRS, ALONE)
        ]
    lines += ["", *_aims(measured), "", *totals_table(measured["totals"])]
    return "\n".join(lines) + "\n"


def _aims(measured: Mapping[str, Any]) -> list[str]:
    cold, added = measured["cold"][OURS], measured["added"][OURS]
    aims = (
        (f"time without a past, of ccusage's: {AIM_COLD}", cold[f"seconds of {THEIRS}"] <= AIM_COLD),
        (f"time after {ADDED:.0%} more, of ccusage's: {AIM_ADDED}", added[f"seconds of {THEIRS}"] <= AIM_ADDED),
        (
            f"memory, of ccusage's: {AIM_MEMORY}",
            max(cold[f"bytes of {THEIRS}"], added[f"bytes of {THEIRS}"]) <= AIM_MEMORY,
        ),
        ("every total is the true one, in every round", measured["always_true"][OURS]),
    )
    return [f"  aim: {aim}: {'met' if met else 'NOT MET'}" for aim, met in aims]


if __name__ == "__main__":
    sys.exit(main())
