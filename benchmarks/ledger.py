"""The ledger measured: holds and settlements per second beside bare SQL, what a verdict takes, leases, and growth.

Usage: python -m benchmarks.ledger [--json] [--entries N] [--turns N] [--rounds N]. A turn is four commits: hold, hand over, one call, settle. The bare loop
sends what the store sent: the same statements with the same parameters over a connection with the same pragmas (SQLite, WAL,
synchronous=FULL), by sqlite3 alone, in one thread, with one commit for each of the store's transactions.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from benchmarks import turns
from benchmarks.filled import ENTRIES_A_TURN, HISTORY, Ledger, prepare, sums_fit
from benchmarks.leases import traffic
from benchmarks.levels import KINDS, Run, Script, Work, copy, note, run_bare, run_empty, run_gateway, run_store
from benchmarks.replay import rows, statements
from gateway.domain.place import Session
from gateway.ports import Decision
from gateway.store import home as homes
from gateway.store import open_readonly, open_store
from tests.fakes.postgres import serve

SMALLEST = 1000
VERIFIED_MAX = 200_000
"""Up to so many entries the chain of hashes is verified as well, which is work in Python."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    entries: int = 100_000
    """How far the ledger grows, tenfold and tenfold from `SMALLEST` on."""
    turns: int = 256
    rounds: int = 4
    sessions: int = 64
    history: int = HISTORY
    """How many turns each person has behind them."""
    growth_turns: int = 100
    cycles: int = 300
    """Of lend, renew and repay."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and say what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    usual = Sizes()
    parser.add_argument("--entries", type=int, default=usual.entries, help="how far the ledger grows")
    parser.add_argument("--turns", type=int, default=usual.turns, help="how many turns a round has")
    parser.add_argument("--rounds", type=int, default=usual.rounds, help="how often each level runs")
    given = parser.parse_args(arguments)
    if min(given.entries, given.rounds) < 1 or given.turns < usual.sessions:
        parser.error(f"--entries and --rounds begin at 1, and --turns at {usual.sessions}")
    sizes = Sizes(entries=given.entries, turns=given.turns, rounds=given.rounds)
    with serve() as server:
        server.run("CREATE DATABASE bank", "CREATE DATABASE bare")
        measured = measure(sizes, (server.url("bank"), server.url("bare")))
    sys.stdout.write(json.dumps(measured, indent=1, allow_nan=False) + "\n" if given.json else table(measured))
    return 0


def measure(sizes: Sizes, bank_urls: tuple[str, str] | None = None) -> dict[str, Any]:
    """Every figure, by name. `bank_urls`: two empty PostgreSQL databases; without them leases are measured in a file only."""
    people = tuple(str(person) for person in range(sizes.sessions))
    with turns.quiet(), tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        base = prepare(place / "base", people, sizes.history)
        base.grow(sizes.history * ENTRIES_A_TURN * sizes.sessions)
        live = tuple(turns.session(f"live{person}", person) for person in people)
        warm = turns.session("warm", people[0])
        anyio.run(begin, base.home, (*live, warm))
        one, many = Work(live[:1], warm, sizes.turns), Work(live, warm, sizes.turns // sizes.sessions)
        return {
            "entries_at_first": base.entries,
            "one session": levels(base.home, place / "one", one, sizes.rounds),
            f"{sizes.sessions} sessions": levels(base.home, place / "many", many, sizes.rounds),
            "leases": traffic(place / "leases", sizes.cycles, bank_urls),
            "growth": growth(place / "grown", sizes),
        }


async def begin(home: Path, sessions: Sequence[Session]) -> None:
    """Put the sessions whose turns are measured."""
    async with open_store(home, lambda: turns.NOW_MS) as store:
        await store.transact(lambda _view: Decision(None, put=tuple(sessions)), turns.NOW_MS)


def levels(base: Path, place: Path, work: Work, rounds: int) -> dict[str, Any]:
    """The same work at each level, one after another, some rounds; of each level the round that was disturbed the least."""
    place.mkdir()
    script = note(copy(base, place / "noted"), work)
    run: dict[str, Callable[[Path], Run]] = {
        "gateway": lambda home: run_gateway(home, work),
        "store": lambda home: run_store(home, work, script),
        "bare": lambda home: run_bare(home, script),
    }
    best: dict[str, Run] = {}
    same = True
    empty_s = float("inf")
    one_by_one = len(work.sessions) == 1
    for number in range(rounds):
        left: list[object] = []
        for level, measured in run.items():
            home = copy(base, place / f"{level}{number}")
            found = measured(home)
            best[level] = min(best.get(level, found), found, key=lambda one: one.seconds)
            left.append(rows(home / homes.DATABASE, ordered=one_by_one))
        same = same and left[0] == left[1] == left[2]
        empty_s = min(empty_s, run_empty(copy(base, place / f"empty{number}"), work.turns))
    return _figures(work, script, best, empty_s) | {"same_rows": same}


def _figures(work: Work, script: Script, best: dict[str, Run], empty_s: float) -> dict[str, Any]:
    bare, store = best["bare"], best["store"]
    commit_s = statistics.fmean(bare.commits)
    sent = statements(script.transactions)
    found: dict[str, Any] = {
        "turns": work.turns,
        "turns_per_second": {level: work.turns / run.seconds for level, run in best.items()},
        "ratio_to_bare": {level: bare.seconds / run.seconds for level, run in best.items()},
        "cpu_share": {level: run.cpu / run.seconds for level, run in best.items()},
        "ms": {
            level: {kind: statistics.fmean(run.times[kind]) * 1000 for kind in KINDS} for level, run in best.items()
        },
        "verdict_ms": {level: percentiles(run.times["hold"]) for level, run in best.items()},
        "statements": {kind: sent[kind] for kind in KINDS},
        "bare_commit_ms": commit_s * 1000,
    }
    if len(work.sessions) == 1:
        both = {level: pairs(run) for level, run in best.items()}
        return found | {"holds_and_settlements_per_second": both, "ms_of_a_turn": _where(work, best, empty_s)}
    # A group's commits hardly count beside what the processor does, whatever the disk; bare SQL waits for each of its own.
    even_s = commit_s + (store.seconds - bare.seconds) / len(bare.commits)
    return found | {"commit_ms_from_which_the_store_is_faster": even_s * 1000}


def _where(work: Work, best: dict[str, Run], empty_s: float) -> dict[str, float]:
    """Where a turn's time goes, in milliseconds: what each level takes beyond the one below."""
    bare, store, gateway = (best[level].seconds * 1000 / work.turns for level in ("bare", "store", "gateway"))
    around = empty_s * 1000 * len(KINDS)
    return {
        "SQL and commits": bare,
        "thread, BEGIN and savepoint": around,
        "SQLAlchemy, and values to rows and back": store - bare - around,
        "deciding (forecast, gate, meter, words)": gateway - store,
    }


def pairs(run: Run) -> float:
    """Holds and settlements per second, of one session, without what lies between the two."""
    return len(run.times["hold"]) / (sum(run.times["hold"]) + sum(run.times["settle"]))


def percentiles(times: Sequence[float]) -> dict[str, float]:
    """The middle and the p99, in milliseconds."""
    ordered = sorted(times)
    return {
        "p50": ordered[len(ordered) // 2] * 1000,
        "p99": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] * 1000,
    }


def growth(place: Path, sizes: Sizes) -> list[dict[str, Any]]:
    """One session's turns on a ledger that grows tenfold and tenfold; its person has a full history from the beginning on."""
    grown = prepare(place, ("0",), sizes.history)
    found: list[dict[str, Any]] = []
    size = SMALLEST
    while size <= max(sizes.entries, SMALLEST):
        began = time.perf_counter()
        grown.grow(size)
        filled = time.perf_counter()
        found.append({"entries": grown.entries, "fill_s": filled - began, **_at_this_size(grown, len(found), sizes)})
        size *= 10
    return found


def _at_this_size(grown: Ledger, number: int, sizes: Sizes) -> dict[str, Any]:
    runs: list[Run] = []
    for again in range(sizes.rounds):
        live, warm = (turns.session(f"{name}{number}.{again}", "0") for name in ("live", "warm"))
        anyio.run(begin, grown.home, (live, warm))
        runs.append(run_gateway(grown.home, Work((live,), warm, sizes.growth_turns)))
    run = min(runs, key=lambda one: one.seconds)
    database = grown.home / homes.DATABASE
    began = time.perf_counter()
    fits = sums_fit(database)
    summed = time.perf_counter()
    verified: float | None = None
    flaws = 0
    if grown.entries <= VERIFIED_MAX:
        with open_readonly(grown.home) as reader:
            flaws = len(reader.verify())
        verified = time.perf_counter() - summed
    return {
        "verdict_ms": percentiles(run.times["hold"]),
        "holds_and_settlements_per_second": pairs(run),
        "balances_are_the_sums": fits,
        "adding_up_ms": (summed - began) * 1000,
        "flaws": flaws,
        "verify_s": verified,
        "bytes": database.stat().st_size,
    }


def table(measured: dict[str, Any]) -> str:
    """The figures as people read them."""
    lines: list[str] = []
    for title in (name for name in measured if name.endswith(("session", "sessions"))):
        lines += [*_part(title, measured[title]), ""]
    lines += ["leases: lend + renew + repay per second, one caller, beside the same statements bare", ""]
    for name, part in measured["leases"].items():
        lines.append(
            f"  {name:<11}{part['bank']:7.0f}/s of {part['bare']:5.0f}/s bare: {part['bank'] / part['bare']:.2f}"
            f"   {part['statements']:.0f} statements a cycle"
        )
    lines += ["", "growth: one session, a full history", ""]
    for part in measured["growth"]:
        verdict = part["verdict_ms"]
        checked = "" if part["verify_s"] is None else f", {part['flaws']} flaws in the chain ({part['verify_s']:.1f} s)"
        lines.append(
            f"  {part['entries']:>9,} entries {part['bytes'] / 2**20:6.0f} MiB: verdict {verdict['p50']:.2f} ms, p99 {verdict['p99']:.2f};"
            f" {part['holds_and_settlements_per_second']:.0f} hold+settle/s; balances are{'' if part['balances_are_the_sums'] else ' NOT'} the sums"
            f" (adding up takes {part['adding_up_ms']:.0f} ms){checked}"
        )
    return "\n".join(lines) + "\n"


def _part(title: str, part: dict[str, Any]) -> list[str]:
    ahead = f"{title}: {part['turns']} turns of four commits, beside bare SQL with one commit each"
    head = f"  {'':<8}{'turns/s':>9}{'of bare':>9}{'hold+settle/s':>15}{'verdict p50':>13}{'p99':>8}{'CPU':>6}"
    lines = [f"{ahead} ({part['bare_commit_ms']:.2f} ms a commit)", "", f"{head}   ms: {', '.join(KINDS)}"]
    both = part.get("holds_and_settlements_per_second", {})
    for level, rate in part["turns_per_second"].items():
        verdict = part["verdict_ms"][level]
        lines.append(
            f"  {level:<8}{rate:9.0f}{part['ratio_to_bare'][level]:9.2f}{f'{both[level]:.0f}' if both else '':>15}"
            f"{verdict['p50']:10.2f} ms{verdict['p99']:8.2f}{part['cpu_share'][level]:6.0%}"
            f"   {', '.join(f'{ms:.2f}' for ms in part['ms'][level].values())}"
        )
    sent = ", ".join(f"{kind} {number:.0f}" for kind, number in part["statements"].items())
    same = "the same rows at every level" if part["same_rows"] else "THE ROWS DIFFER"
    lines.append(f"  statements: {sent}; {same}")
    if where := part.get("ms_of_a_turn"):
        lines.append(f"  ms of a turn: {', '.join(f'{what} {ms:.2f}' for what, ms in where.items())}")
    if (even := part.get("commit_ms_from_which_the_store_is_faster")) is not None:
        lines.append(f"  the store is faster than bare SQL where a commit takes more than {even:.2f} ms")
    return lines


if __name__ == "__main__":
    sys.exit(main())
