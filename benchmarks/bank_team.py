"""1,000 concurrent turns from 8 gateways that share one bank and one limit, with processes killed at random.

Each gateway is a process of its own; a killed one is started again, as a supervisor would. Beside it a ledger that looks before
it adds, kept here to show what is avoided.
"""

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import anyio

from benchmarks import bank_gateway
from benchmarks.bank_gateway import SCOPE, Journal, Work
from gateway.bank import open_bank
from gateway.core.lease import LeaseTerms
from gateway.domain.money import NANO_PER_USD, Usd

CENT = NANO_PER_USD // 100
LIMIT = Usd(10 * NANO_PER_USD)
TERMS = LeaseTerms(chunk=Usd(50 * CENT), least=Usd(2 * CENT), lasts_ms=600_000, margin_ms=5000)
LONGEST_RUN_S = 240.0


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the run; amounts in nano-dollars."""

    turns: int
    gateways: int
    killed: int
    limit: int
    spent: int
    booked: int
    """What the gateways' journals say was spent: the same, or a fact was lost."""
    holds: int
    settled_once: int
    unresolved: int
    open_leases: int
    flaws: tuple[str, ...]
    requests: int
    seconds: float

    @property
    def overspend(self) -> int:
        return max(0, self.booked - self.limit)

    @property
    def granted(self) -> float:
        """Which part of the limit became turns."""
        return self.spent / self.limit


def turns_of(number: int, dice: random.Random) -> list[Work]:
    """Turns that hold two cents and cost between 0.8 and 2, in three calls: together more than the limit."""
    works: list[Work] = []
    for turn in range(number):
        cost = dice.randint(8 * CENT // 10, 2 * CENT)
        parts = sorted(dice.randint(0, cost) for _ in range(2))
        works.append(Work(f"t{turn}", 2 * CENT, (parts[0], parts[1] - parts[0], cost - parts[1])))
    return works


def run(
    where: str | Path, home: Path, *, turns: int = 1000, gateways: int = 8, kills: int = 0, seed: int = 1
) -> Result:
    """Let the gateways loose on an empty bank with a limit of $10 and tell what became of it."""
    dice = random.Random(seed)  # noqa: S311 - a run is repeatable
    works = turns_of(turns, dice)
    anyio.run(_prepare, where)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.bank_gateway", "gateway.bank.bank"])
    processes: dict[str, BaseProcess] = {}

    def start(name: str) -> None:
        mine = works[int(name[1:]) :: gateways]
        process = context.Process(target=bank_gateway.main, args=(where, home, name, mine, TERMS))
        process.start()
        processes[name] = process

    began = time.monotonic()
    for number in range(gateways):
        start(f"g{number}")
    killed = _kill(processes, start, kills, dice)
    _finish(processes, began + LONGEST_RUN_S)
    seconds = time.monotonic() - began
    return anyio.run(_result, where, home, sorted(processes), (turns, killed, seconds))


def _kill(processes: dict[str, BaseProcess], start: Callable[[str], None], kills: int, dice: random.Random) -> int:
    """Kill one gateway after another at random moments and start it again; how many were at work when they died."""
    killed = 0
    for _ in range(kills):
        time.sleep(dice.uniform(0.01, 0.15))
        at_work = [name for name, process in processes.items() if process.is_alive()]
        if not at_work:
            break
        name = dice.choice(at_work)
        process = processes[name]
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        start(name)
    return killed


def _finish(processes: dict[str, BaseProcess], until: float) -> None:
    try:
        for name, process in processes.items():
            process.join(max(0.0, until - time.monotonic()))
            if process.exitcode != 0:
                raise RuntimeError(f"gateway {name} ended with {process.exitcode}")
    finally:
        for process in processes.values():
            if process.is_alive():
                process.kill()
                process.join()


async def _prepare(where: str | Path) -> None:
    async with open_bank(where) as bank:
        await bank.set_limit(SCOPE, LIMIT, "benchmark", "a run")


async def _result(where: str | Path, home: Path, names: Sequence[str], told: tuple[int, int, float]) -> Result:
    async with open_bank(where) as bank:
        status = await bank.status(SCOPE)
        flaws = await bank.verify()
    journals = [Journal(home / f"{name}.db") for name in names]
    try:
        resolved = [sum(counts) for counts in zip(*(journal.resolved() for journal in journals), strict=True)]
        return Result(
            turns=told[0],
            gateways=len(names),
            killed=told[1],
            limit=LIMIT.nano,
            spent=status.balance.spent.nano,
            booked=sum(journal.spent() for journal in journals),
            holds=resolved[0],
            settled_once=resolved[1],
            unresolved=resolved[2],
            open_leases=len(status.leases),
            flaws=flaws,
            requests=sum(journal.requests() for journal in journals),
            seconds=told[2],
        )
    finally:
        for journal in journals:
            journal.close()


class LooksThenAdds:
    """What must not be built: it looks whether the limit is reached, lets the turn run, and adds what it cost."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._adding = threading.Lock()
        self.spent = 0

    def turn(self, work: Work) -> None:
        """A turn; it takes a moment."""
        if self.spent + work.hold > self._limit:
            return
        time.sleep(0.02)
        with self._adding:
            self.spent += sum(work.calls)


def looks_then_adds(turns: int = 1000, at_once: int = 125, seed: int = 1) -> int:
    """What the same turns spend with such a ledger, so many at a time; in nano-dollars."""
    ledger = LooksThenAdds(LIMIT.nano)
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(ledger.turn, turns_of(turns, random.Random(seed))))  # noqa: S311 - see run
    return ledger.spent
