"""The benchmarks of the ledger: what they claim is computed from what was written, and what does not hold is told."""

import json
import random
import sqlite3
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from benchmarks import one_gateway, turns
from benchmarks.bank_team import CENT, turns_of
from benchmarks.filled import Ledger, prepare, sums_fit
from benchmarks.ledger import Sizes, begin, levels, measure, table
from benchmarks.levels import KINDS, Work, copy, note, run_bare
from benchmarks.replay import rows
from benchmarks.workers import Result, looks_then_adds, run
from gateway.domain.money import Usd
from gateway.store import home as homes
from gateway.store import open_readonly

HISTORY = 12
SMALL = Sizes(entries=1000, turns=6, rounds=1, sessions=3, history=HISTORY, growth_turns=5, cycles=5)


@pytest.fixture
def filled(tmp_path: Path) -> Ledger:
    """A small ledger with a past."""
    with turns.quiet():
        made = prepare(tmp_path / "filled", ("0", "1"), HISTORY)
    made.grow(3 * 2 * HISTORY)
    return made


def test_every_figure_of_the_benchmark_is_measured() -> None:
    """A tiny run: three levels leave the same rows, one session and many, the ledger grows, and the table tells it all."""
    found = measure(SMALL)
    for part in (found["one session"], found["3 sessions"]):
        assert part["same_rows"]
        assert part["turns"] == 6
        assert part["ratio_to_bare"]["bare"] == 1
        assert all(rate > 0 for rate in part["turns_per_second"].values())
        assert all(0 < ms["p50"] <= ms["p99"] for ms in part["verdict_ms"].values())
        assert all(part["statements"][kind] > 5 for kind in KINDS)
    (grown,) = found["growth"]
    assert grown["entries"] >= 1000
    assert (grown["balances_are_the_sums"], grown["flaws"]) == (True, 0)
    assert found["leases"]["file"]["bank"] > 0
    assert json.loads(json.dumps(found)) == found
    told = table(found)
    assert told.count("the same rows at every level") == 2
    assert "NOT" not in told


def test_the_bare_loop_writes_what_the_store_wrote(tmp_path: Path, filled: Ledger) -> None:
    """Replayed statements make the same database; a statement that is left out makes another one, and that is seen."""
    live, warm = turns.session("live", "0"), turns.session("warm", "1")
    anyio.run(begin, filled.home, (live, warm))
    noted, replayed, short = (copy(filled.home, tmp_path / name) for name in ("noted", "replayed", "short"))
    with turns.quiet():
        script = note(noted, Work((live,), warm, 2))
    run_bare(replayed, script)
    last = script.transactions[-1]
    cut = replace(last, statements=last.statements[:-1])
    run_bare(short, replace(script, transactions=(*script.transactions[:-1], cut)))
    left, same, other = (rows(home / homes.DATABASE, ordered=True) for home in (noted, replayed, short))
    assert left == same
    assert left != other
    assert len(left["entries"]) == len(rows(filled.home / homes.DATABASE, ordered=True)["entries"]) + 3 * (2 + 1 + 5)


def test_rows_that_differ_are_told(tmp_path: Path, filled: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """If one level wrote something else, the benchmark does not claim that it is the same work."""
    live, warm = turns.session("live", "0"), turns.session("warm", "1")
    anyio.run(begin, filled.home, (live, warm))
    with monkeypatch.context() as patch, turns.quiet():
        patch.setattr(
            "benchmarks.ledger.run_bare",
            lambda home, script: run_bare(home, replace(script, transactions=script.transactions[:-1])),
        )
        found = levels(filled.home, tmp_path / "levels", Work((live,), warm, 2), 1)
    assert not found["same_rows"]


def test_a_filled_ledger_is_a_true_one(filled: Ledger) -> None:
    """Numbers, hashes and balances of the synthetic past fit, and growing goes on where it ended."""
    before = filled.entries
    filled.grow(before + 300)
    with open_readonly(filled.home) as reader:
        assert reader.verify() == ()
        assert [record.seq for record in reader.records()] == list(range(1, filled.entries + 1))
    assert before + 300 <= filled.entries < before + 303
    assert sums_fit(filled.home / homes.DATABASE)


def test_a_balance_that_is_not_the_sum_of_its_entries_is_told(filled: Ledger) -> None:
    """One nano-dollar too much is seen."""
    database = filled.home / homes.DATABASE
    connection = sqlite3.connect(database)
    with connection:
        connection.execute("UPDATE balances SET spent = spent + 1 WHERE kind = 'person'")
    connection.close()
    assert not sums_fit(database)


def kept(found: Result) -> None:
    """What holds however the run went."""
    assert found.overspend == 0
    assert found.highest <= found.limit
    assert found.limit - found.spent < 2 * CENT  # too little for another hold
    assert (found.spent, found.held, found.flaws) == (found.booked, 0, ())
    assert (found.settled_once, found.open_turns) == (found.holds, 0)


def test_turns_at_once_in_one_gateway_spend_no_more_than_the_limit(tmp_path: Path) -> None:
    """Overspend is zero, 99 % of the limit became turns, and each hold is settled once, with one worker in twenty killed."""
    found = run(tmp_path / "home", number=200, limit=Usd(200 * CENT))
    kept(found)
    assert found.granted >= 0.99
    assert found.workers_killed == 10


def test_a_gateway_that_is_killed_keeps_the_limit(tmp_path: Path) -> None:
    """The same with kill -9 of the whole process, which goes on from its file."""
    found = run(tmp_path / "home", number=200, limit=Usd(50 * CENT), kills=2, seed=2)
    kept(found)
    assert found.processes_killed == 2


def test_a_ledger_that_looks_before_it_adds_spends_more_than_the_limit() -> None:
    """What is avoided."""
    works = turns_of(100, random.Random(1))  # noqa: S311 - a run is repeatable
    assert anyio.run(looks_then_adds, works, Usd(100 * CENT)) > 100 * CENT


def test_the_command_prints_what_came_out(capsys: pytest.CaptureFixture[str]) -> None:
    """A small run as JSON, with its own limit."""
    assert one_gateway.main(["--json", "--turns", "40", "--kills", "0"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["workers"]["limit"] == 40 * CENT
    assert found["workers"]["overspend"] == 0
    assert found["looks_then_adds_overspend"] > 0
