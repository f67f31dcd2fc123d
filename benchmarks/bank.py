"""The team's bank measured: leases per second beside bare statements, and a thousand turns with gateways killed at random.

Usage: python -m benchmarks.bank [--json]. PostgreSQL is the machine's own or the one that the dev extra brings, started for
the occasion with a Unix socket only. A cycle is lend, renew and repay; the bare cycle is three times one conditional UPDATE
of the same row with a commit, by psycopg alone, which is the least that three safe requests can cost.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import anyio
import psycopg

from benchmarks.bank_team import LIMIT, looks_then_adds, run
from gateway.bank import open_bank
from gateway.bank.postgres import address
from gateway.domain.lease import Lease, Lending, Renewal, TeamScope
from gateway.domain.money import NANO_PER_USD, Usd
from tests.fakes.postgres import serve

SECONDS = 2.0
PROCESSES = (1, 8)
KILLS = 50
SHARED = TeamScope("shared")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and say what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    parser.add_argument("--kills", type=int, default=KILLS, help="how many gateways are killed in the long run")
    given = parser.parse_args(arguments)
    measured = measure(given.kills)
    sys.stdout.write(json.dumps(measured, indent=1, allow_nan=False) + "\n" if given.json else table(measured))
    return 0


def measure(kills: int) -> dict:
    """Every figure, by name."""
    with tempfile.TemporaryDirectory() as directory, serve() as server:
        home = Path(directory)
        file, url = home / "bank.db", server.url()
        for where in (file, url):
            anyio.run(_prepare, where)
        server.run(
            "CREATE TABLE bare (id int PRIMARY KEY, left_over bigint)", "INSERT INTO bare VALUES (1, 1000000000)"
        )
        server.run("CREATE DATABASE team")
        cycles = {
            str(number): {
                "bare": _rate(bare_cycles, url, number),
                "postgresql": _rate(bank_cycles, url, number),
                "postgresql, a scope each": _rate(own_cycles, url, number),
                "file": _rate(bank_cycles, file, number),
            }
            for number in PROCESSES
        }
        team = run(server.url("team"), home, kills=kills)
    found = {**asdict(team), "overspend": team.overspend, "granted": team.granted}
    return {"cycles_per_second": cycles, "team": found, "looks_then_adds_overspend": looks_then_adds() - LIMIT.nano}


async def _prepare(where: str | Path) -> None:
    async with open_bank(where) as bank:
        for scope in (SHARED, *(TeamScope(f"own{number}") for number in range(max(PROCESSES)))):
            await bank.set_limit(scope, Usd(1_000_000 * NANO_PER_USD), "benchmark", "a run")


def bank_cycles(where: str | Path, number: int, until: float) -> int:
    """Cycles on the scope that all processes share."""
    return anyio.run(_cycles, where, f"p{number}", SHARED, until)


def own_cycles(where: str | Path, number: int, until: float) -> int:
    """Cycles on a scope that this process has to itself."""
    return anyio.run(_cycles, where, f"p{number}", TeamScope(f"own{number}"), until)


async def _cycles(where: str | Path, name: str, scope: TeamScope, until: float) -> int:
    done = 0
    hour, amount = 3_600_000, Usd(1000)
    async with open_bank(where) as bank:
        while time.monotonic() < until:
            lease = await bank.lend(Lending(f"{name}-{scope}-{until}-{done}", scope, name, amount, Usd(1), hour))
            if not isinstance(lease, Lease):
                raise TypeError(f"nothing was lent: {lease}")
            renewed = await bank.renew(Renewal(f"{lease.id}-r", lease, Usd(1), amount, Usd(1), hour))
            await bank.repay(renewed if isinstance(renewed, Lease) else lease, Usd(2))
            done += 1
    return done


def bare_cycles(where: str | Path, _number: int, until: float) -> int:
    """Three conditional updates of one row, each committed."""
    done = 0
    plain = address(str(where)).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        while time.monotonic() < until:
            for change in (1000, 0, -1000):
                taken = "UPDATE bare SET left_over = left_over - %s WHERE id = 1 AND left_over >= %s"
                connection.execute(taken, (change, change))
            done += 1
    return done


def _rate(cycles: Callable[[str | Path, int, float], int], where: str | Path, processes: int) -> float:
    """Cycles per second of so many processes together."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.bank_gateway", "gateway.bank.bank"])
    with context.Pool(processes) as pool:
        pool.map(abs, range(processes))  # they are there
        until = time.monotonic() + SECONDS
        done = pool.starmap(cycles, [(where, number, until) for number in range(processes)], chunksize=1)
    return sum(done) / SECONDS


def table(measured: dict) -> str:
    """The figures as people read them."""
    lines = ["lend + renew + repay per second (beside three bare updates, of which it is the share given)", ""]
    for number, rates in measured["cycles_per_second"].items():
        for name, rate in rates.items():
            lines.append(f"  {number:>2} processes  {name:<26} {rate:8.0f}/s  {rate / rates['bare']:5.0%}")
    team = measured["team"]
    lines += [
        "",
        f"{team['turns']} turns, {team['gateways']} gateways, a limit of {Usd(team['limit'])}, {team['killed']} kills:",
        (
            f"  overspend {Usd(team['overspend'])}, granted {team['granted']:.2%}, {team['holds']} holds, "
            f"{team['settled_once']} settled once, {team['unresolved']} unresolved, {team['open_leases']} leases open, "
            f"{len(team['flaws'])} flaws"
        ),
        (
            f"  spent as booked by the gateways {'and' if team['spent'] == team['booked'] else 'BUT NOT'} by the bank; "
            f"{team['requests']} requests to lend or renew ({team['requests'] / team['holds']:.2f} a turn), {team['seconds']:.1f} s"
        ),
        f"  a ledger that looks before it adds: overspend {Usd(measured['looks_then_adds_overspend'])}",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
