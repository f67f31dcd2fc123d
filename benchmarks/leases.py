"""Lease traffic in a bank, in a file and in PostgreSQL, beside the same statements bare."""

import shutil
import statistics
import time
from pathlib import Path
from typing import Any

import anyio
from sqlalchemy import Engine

from benchmarks.replay import Recorder, recording, replay, statements
from gateway.bank import SqlBank, local, open_bank, postgres
from gateway.domain.lease import Lease, Lending, Renewal, TeamScope
from gateway.domain.money import NANO_PER_USD, Usd

SCOPE = TeamScope("leases")
LIMIT = Usd(1_000_000 * NANO_PER_USD)
AMOUNT = Usd(1000)
HOUR_MS = 3_600_000
WARM = 10
"""Cycles that do not count."""
WHAT = ("lend", "renew", "repay")


def traffic(place: Path, cycles: int, urls: tuple[str, str] | None) -> dict[str, dict[str, Any]]:
    """Cycles of lend, renew and repay per second, by the bank and bare, from the middle of their times; `urls` are two empty databases.

    The bank is timed while it is recorded: a statement more in a list costs it about a microsecond.
    """
    place.mkdir()
    base, bank, bare = (place / f"{name}.db" for name in ("base", "bank", "bare"))
    anyio.run(_prepare, base)
    shutil.copy(base, bank)
    shutil.copy(base, bare)
    found = {"file": _measured(bank, local.engine(bare), cycles)}
    if urls is not None:
        for url in urls:
            anyio.run(_prepare, url)
        found["PostgreSQL"] = _measured(urls[0], postgres.engine(urls[1]), cycles)
    return found


async def _prepare(where: str | Path) -> None:
    async with open_bank(where) as bank:
        await bank.set_limit(SCOPE, LIMIT, "benchmark", "a run")


def _measured(where: str | Path, engine: Engine, cycles: int) -> dict[str, Any]:
    with recording() as recorder:
        times = anyio.run(_run, where, cycles, recorder)
    sent = [transaction for transaction in recorder.transactions if transaction.kind in WHAT]
    bare = replay(engine, sent).times
    return {
        "bank": 1 / statistics.median(times),
        "bare": 1 / statistics.median(sum(cycle) for cycle in zip(*(bare[kind][WARM:] for kind in WHAT), strict=True)),
        "statements": sum(statements(sent).values()),
    }


async def _run(where: str | Path, cycles: int, recorder: Recorder) -> list[float]:
    times: list[float] = []
    async with open_bank(where) as bank:
        for number in range(WARM + cycles):
            began = time.perf_counter()
            await _cycle(bank, recorder, str(number))
            times.append(time.perf_counter() - began)
        recorder.kind = ""
    return times[WARM:]


async def _cycle(bank: SqlBank, recorder: Recorder, name: str) -> None:
    recorder.kind = WHAT[0]
    lease = await bank.lend(Lending(name, SCOPE, "g1", AMOUNT, Usd(1), HOUR_MS))
    if not isinstance(lease, Lease):
        raise TypeError(f"nothing was lent: {lease}")
    recorder.kind = WHAT[1]
    renewed = await bank.renew(Renewal(f"{name}-r", lease, Usd(1), AMOUNT, Usd(1), HOUR_MS))
    recorder.kind = WHAT[2]
    await bank.repay(renewed if isinstance(renewed, Lease) else lease, Usd(2))
