"""Eight gateways in processes of their own, one bank, one limit, more turns than it pays for, and kill -9 at random."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.bank_team import LIMIT, looks_then_adds, run
from tests.fakes.postgres import Postgres, serve


@pytest.mark.parametrize("seed", [1, 2])
def test_a_thousand_turns_of_eight_gateways_spend_no_more_than_the_limit(
    tmp_path: Path, postgres: Postgres, seed: int
) -> None:
    """Overspend is zero, 99 % of the limit became turns, and each hold is settled once, with gateways killed meanwhile."""
    with serve(binaries=postgres.bin) as server:
        found = run(server.url(), tmp_path, kills=12, seed=seed)
    assert found.killed > 0
    assert found.overspend == 0
    assert found.granted >= 0.99
    assert (found.spent, found.flaws) == (found.booked, ())
    assert (found.settled_once, found.unresolved, found.open_leases) == (found.holds, 0, 0)


def test_a_bank_that_is_killed_in_the_middle_costs_nothing_but_time(tmp_path: Path, postgres: Postgres) -> None:
    """The database crashes twice under load; requests whose answer was lost are repeated, and every promise holds."""
    with serve(binaries=postgres.bin) as server, ThreadPoolExecutor(1) as pool:
        crashes = pool.submit(_crash_under_load, server)
        found = run(server.url(), tmp_path, kills=2)
        assert crashes.result() == 2
    assert found.overspend == 0
    assert found.granted >= 0.99
    assert (found.spent, found.flaws) == (found.booked, ())
    assert (found.settled_once, found.unresolved, found.open_leases) == (found.holds, 0, 0)


def _crash_under_load(server: Postgres) -> int:
    """Restart the server without ceremony, each time once more money is lent."""
    crashed = 0
    for least in (1, 2 * 10**9):
        give_up = time.monotonic() + 60
        while server.number("SELECT coalesce(max(spent + lent), 0) FROM tollbridge_scopes") < least:
            if time.monotonic() > give_up:
                return crashed
            time.sleep(0.01)
        server.control("restart", "-m", "immediate")
        crashed += 1
    return crashed


def test_gateways_of_one_machine_share_a_bank_in_a_file(tmp_path: Path) -> None:
    """The same promises, with SQLite between the processes."""
    found = run(tmp_path / "bank.db", tmp_path, turns=900, gateways=4, kills=4)
    assert found.overspend == 0
    assert found.granted >= 0.99
    assert (found.spent, found.flaws) == (found.booked, ())
    assert (found.settled_once, found.unresolved, found.open_leases) == (found.holds, 0, 0)


def test_a_ledger_that_looks_before_it_adds_overspends() -> None:
    """What is avoided: the same turns, with check and addition apart, go beyond the limit."""
    assert looks_then_adds() > LIMIT.nano
