"""`tollbridge report` measured: the wall time of whole commands over ledgers of different sizes and ages.

Usage: python -m benchmarks.report [--turns N] [--rounds N] [--json]. Ledgers are made in bulk, out of the rows that one real turn left: N turns over three years,
a third of them over one (as many a month), and a tenth over three. Each command starts from nothing, Python included; the least disturbed of all rounds
is told. Turns are spread evenly, 50 in a session; the ledger has one entry for each, what it left, and a commit of every third. Everything is in the page cache.
"""

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from benchmarks import turns as made
from benchmarks.filled import TURNS_A_SESSION, Row, Template, template
from gateway import clock
from gateway.store import home as homes
from gateway.store import rows

TURNS = 1_000_000
ROUNDS = 5
YEAR_MS = 365 * 86_400_000
COMMANDS = (
    ("month",),
    ("month", "--by", "day"),
    ("week", "--by", "project"),
    ("month", "--outcomes"),
    ("all", "--by", "model"),
    ("all", "--outcomes"),
)
BARE = ("--help",)
"""What the command line takes to start."""
_PAGE = 50_000
_DAY_MS = 86_400_000
_KINDS = (
    *("commits", "answer", "commits", "diff", "commits", "answer", "error", "commits", "diff", "answer"),
    *("nothing", "commits", "cancelled", "tests", "commits", "answer", "diff", "unknown", "commits", "answer"),
)
_LEFT = ((7, 9), (30, 8))
"""Of ten lines that a commit added so many are there after so many days."""
_MODELS = ("claude-opus-4-8", "claude-opus-4-8", "claude-sonnet-4-6", "claude-haiku-4-5")


@dataclass(frozen=True, slots=True)
class Age:
    """A ledger: so many turns over so many years."""

    turns: int
    years: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and say what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=TURNS, help="turns of the largest ledger")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each command runs")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    given = parser.parse_args(arguments)
    if given.turns < 1000 or given.rounds < 1:  # noqa: PLR2004 - fewer are no ledger
        parser.error("--turns begins at 1000, and --rounds at 1")
    ages = (Age(given.turns // 10, 3), Age(given.turns // 3, 1), Age(given.turns, 3))
    with tempfile.TemporaryDirectory() as directory:
        measured = [measure(Path(directory) / f"{age.turns}-{age.years}", age, given.rounds) for age in ages]
    sys.stdout.write(json.dumps(measured, indent=1) + "\n" if given.json else table(measured))
    return 0


def measure(place: Path, age: Age, rounds: int) -> dict[str, Any]:
    """One ledger: what it is, and the seconds that each command takes."""
    place.mkdir()
    home, now_ms = fill(place, age)
    database = home / homes.DATABASE
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOLLBRIDGE_")}
    environ |= {"HOME": str(place), "TOLLBRIDGE_HOME": str(home), "CLAUDE_CONFIG_DIR": "", "CODEX_HOME": ""}
    database.read_bytes()  # into the page cache
    found = {
        "turns": age.turns,
        "years": age.years,
        "file_mib": database.stat().st_size >> 20,
        "turns_of_the_month": _of_the_month(database, now_ms),
        "seconds": {" ".join(words): _best(words, environ, rounds) for words in (*COMMANDS, BARE)},
    }
    database.unlink()
    return found


def _best(words: Sequence[str], environ: dict[str, str], rounds: int) -> float:
    times: list[float] = []
    for _ in range(rounds):
        began = time.perf_counter()
        command = [sys.executable, "-m", "gateway", "report", *words]
        done = subprocess.run(command, env=environ, check=True, capture_output=True, text=True)  # noqa: S603 - our own
        times.append(time.perf_counter() - began)
        if words != BARE and "$" not in done.stdout:
            raise ValueError(f"the report of {words} tells of nothing: {done.stdout[:200]}")
    return min(times)


def _of_the_month(database: Path, now_ms: int) -> int:
    connection = sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True)
    try:
        since = now_ms - 30 * 86_400_000
        return connection.execute("SELECT count(*) FROM turns WHERE created_at_ms >= ?", (since,)).fetchone()[0]
    finally:
        connection.close()


def fill(place: Path, age: Age) -> tuple[Path, int]:
    """A home whose ledger has these turns, up to now; and now."""
    with made.quiet():
        one = anyio.run(template, place / "home")
    home, now_ms = place / "home", clock.now_ms()
    connection = sqlite3.connect(home / homes.DATABASE)
    try:
        for statement in ("PRAGMA journal_mode = DELETE", "PRAGMA synchronous = OFF", "DELETE FROM turns"):
            connection.execute(statement)
        for first in range(0, age.turns, _PAGE):
            numbers = range(first, min(first + _PAGE, age.turns))
            with connection:
                _insert(connection, "sessions", _sessions(one, numbers))
                _insert(connection, "turns", _turns(one, numbers, age, now_ms))
                _insert(connection, "entries", _entries(one, numbers, age, now_ms))
                _insert(connection, "outcomes", _outcomes(numbers))
                _insert(connection, "outcome_commits", _commits(numbers, age, now_ms))
    finally:
        connection.close()
    return home, now_ms


def _at_ms(number: int, age: Age, now_ms: int) -> int:
    return now_ms - age.years * YEAR_MS + (number + 1) * age.years * YEAR_MS // (age.turns + 1)


def _session(number: int) -> str:
    return f"s_{number // TURNS_A_SESSION:012d}"


def _sessions(one: Template, numbers: range) -> Iterator[Row]:
    for number in numbers[::TURNS_A_SESSION]:
        project = f"/srv/project-{number // TURNS_A_SESSION % 40}"
        yield {
            **one.session,
            "id": _session(number),
            "directory": project,
            "project": project,
            "agent_session": f"a{number}",
        }


def _turns(one: Template, numbers: range, age: Age, now_ms: int) -> Iterator[Row]:
    for number in numbers:
        at_ms = _at_ms(number, age, now_ms)
        spent = 10_000_000 + number * 7919 % 990_000_000
        yield {
            **one.turn,
            "id": f"t_{number:012d}",
            "session_id": _session(number),
            "model": _MODELS[number % len(_MODELS)],
            "created_at_ms": at_ms,
            "started_at_ms": at_ms,
            "ended_at_ms": at_ms + 60_000,
            "spent": spent,
            "parts": rows.dump(
                {"cache_read": spent // 2, "cache_write": spent // 4, "output": spent - spent // 2 - spent // 4}
            ),
            "prompt_uuid": f"uuid-{number}",
        }


def _entries(one: Template, numbers: range, age: Age, now_ms: int) -> Iterator[Row]:
    (call,) = [row for row in one.entries if row["kind"] == "call"]
    for number in numbers:
        names = {"turn_id": f"t_{number:012d}", "session_id": _session(number), "call_id": f"call-{number}"}
        yield {**call, **names, "seq": 1 + len(one.entries) + number, "at_ms": _at_ms(number, age, now_ms)}


def _outcomes(numbers: range) -> Iterator[Row]:
    for number in numbers:
        kind = _KINDS[number % len(_KINDS)]
        seen = {
            "repository": "/srv/app/.git",
            "place": "/srv/app/.git",
            "head": f"{number:040x}",
            "branch": "main",
            "change": [0, 0, 0],
            "digest": f"{number:064x}",
            "at_ms": number,
        }
        yield {
            "turn_id": f"t_{number:012d}",
            "kind": kind,
            "sight": "unknown" if kind == "unknown" else "seen",
            "before": None if kind == "unknown" else rows.dump(seen),
            "after": None if kind == "unknown" else rows.dump(seen),
            "counted": int(kind != "unknown"),
            "tests": rows.dump([1, "pytest", number % 5 > 0] if number % 4 == 0 else [0, "", None]),
        }


def _commits(numbers: range, age: Age, now_ms: int) -> Iterator[Row]:
    for number in numbers:
        if _KINDS[number % len(_KINDS)] != "commits":
            continue
        at_ms = _at_ms(number, age, now_ms) + 50_000
        added = 1 + number * 31 % 400
        old = [max(0, added * left // 10) if now_ms - at_ms > days * _DAY_MS else None for days, left in _LEFT]
        looked = now_ms - at_ms > _DAY_MS
        yield {
            "turn_id": f"t_{number:012d}",
            "sha": f"{number:040x}",
            "repository": "/srv/app/.git",
            "whose": "shared" if number % 14 == 0 else "turn",
            "files": 3,
            "added": added,
            "removed": added // 3,
            "authored_ms": at_ms,
            "committed_ms": at_ms,
            "due_ms": None,
            "seen_at_ms": now_ms if looked else None,
            "gone": int(looked and number % 17 == 0),
            "branch": "main" if looked else "",
            "merged": "itself" if looked else "",
            "reverted_by": "f" * 40 if looked and number % 13 == 0 else "",
            "after_7": old[0],
            "after_30": old[1],
        }


def _insert(connection: sqlite3.Connection, name: str, found: Iterator[Row]) -> None:
    first = next(found)
    names = ", ".join(f'"{column}"' for column in first)
    marks = ", ".join(f":{column}" for column in first)
    statement = f"INSERT INTO {name} ({names}) VALUES ({marks})"  # noqa: S608 - the schema's names
    connection.execute(statement, first)
    connection.executemany(statement, found)


def table(measured: Sequence[dict[str, Any]]) -> str:
    """The figures side by side, in seconds."""
    commands = list(measured[0]["seconds"])
    lines = [
        f"{'turns':>10} {'years':>5} {'MiB':>6} {'last 30 days':>12}" + "".join(f" {name:>18}" for name in commands)
    ]
    for one in measured:
        seconds = "".join(f" {one['seconds'][name]:>17.2f}s" for name in commands)
        lines.append(
            f"{one['turns']:>10,} {one['years']:>5} {one['file_mib']:>6,} {one['turns_of_the_month']:>12,}{seconds}"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
