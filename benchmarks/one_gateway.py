"""1,000 concurrent turns in one gateway against one $10 limit, with workers killed at random, and the process by kill -9.

Usage: python -m benchmarks.one_gateway [--json] [--turns N] [--kills N]. Each turn is a task that takes its hold through the gate, is
handed over, books its calls one by one, and settles (benchmarks/workers.py). Turns hold two cents and cost 0.8 to 2, in three calls,
together more than the limit. In the second run the process is killed as well, which ends every turn that runs: its limit is a
fifth, so that fewer run at a time and enough of them are left. Beside it the same turns with a ledger that looks before it adds.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import anyio

from benchmarks.bank_team import CENT, turns_of
from benchmarks.workers import looks_then_adds, run
from gateway.domain.money import Usd

TURNS = 1000
KILLS = 5
FEWER = 5
"""The second run's limit is the first one's divided by this."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and say what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    parser.add_argument("--turns", type=int, default=TURNS, help="how many turns; the limit is a cent for each")
    parser.add_argument("--kills", type=int, default=KILLS, help="how often the second run's process is killed at most")
    given = parser.parse_args(arguments)
    limit = Usd(given.turns * CENT)
    with tempfile.TemporaryDirectory() as directory:
        small = Usd(limit.nano // FEWER)
        runs = {
            "workers": run(Path(directory) / "workers", number=given.turns, limit=limit),
            "process": run(Path(directory) / "process", number=given.turns, limit=small, kills=given.kills),
        }
    measured: dict[str, Any] = {
        name: {**asdict(found), "overspend": found.overspend, "granted": found.granted} for name, found in runs.items()
    }
    works = turns_of(given.turns, random.Random(1))  # noqa: S311 - a run is repeatable
    measured["looks_then_adds_overspend"] = anyio.run(looks_then_adds, works, limit) - limit.nano
    sys.stdout.write(json.dumps(measured, indent=1, allow_nan=False) + "\n" if given.json else table(measured))
    return 0


def table(measured: dict[str, Any]) -> str:
    """The figures as people read them."""
    lines: list[str] = []
    for name, found in measured.items():
        if name.startswith("looks"):
            continue
        lines += [
            f"{found['turns']} turns at once, a limit of {Usd(found['limit'])}; killed: {found['workers_killed']} workers, {found['processes_killed']} times the process",
            f"  overspend {Usd(found['overspend'])}, granted {found['granted']:.2%}, never more than {Usd(found['highest'])} spent and held",
            f"  {found['holds']} holds, {found['settled_once']} settled once, {Usd(found['held'])} held and {found['open_turns']} turns open at the end",
            f"  spent {'as' if found['spent'] == found['booked'] else 'NOT as'} booked call by call, {len(found['flaws'])} flaws in the ledger, {found['seconds']:.1f} s",
            "",
        ]
    over = Usd(measured["looks_then_adds_overspend"])
    lines.append(f"a ledger that looks before it adds: overspend {over}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
