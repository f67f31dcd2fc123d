"""A gateway in miniature, for measuring a team's bank: a journal on disk, the holder's decisions, and turns that cost money.

It is what stands between a turn and the bank: holds are taken from a lease, every call is booked in the journal before the next,
and a request to the bank is noted before it is sent, so that after `kill -9` it is repeated as it was.
"""

import json
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio

from gateway import clock
from gateway.bank import SqlBank, open_bank
from gateway.core.lease import Borrow, Holding, LeaseTerms, Renew, Repay, backoff_ms, next_step, usable
from gateway.domain.lease import Lease, LeaseState, Lending, Refused, Renewal, TeamScope
from gateway.domain.money import Usd
from gateway.ports import BankAwayError

T = TypeVar("T")

SCOPE = TeamScope("bench")
DRY_S = 0.02
"""How long a gateway waits before it asks again for money that others hold."""

_TABLES = """
CREATE TABLE IF NOT EXISTS lease (one INTEGER PRIMARY KEY, lease TEXT, pending TEXT, requests INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS turns (
  id TEXT PRIMARY KEY, lease TEXT NOT NULL, hold INTEGER NOT NULL, spent INTEGER NOT NULL, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS log (turn TEXT NOT NULL, what TEXT NOT NULL);
INSERT OR IGNORE INTO lease VALUES (1, NULL, NULL, 0);
"""


@dataclass(frozen=True, slots=True)
class Work:
    """A turn: what its hold sets aside, and what each of its calls costs, in nano-dollars; the hold bounds their sum."""

    id: str
    hold: int
    calls: tuple[int, ...]


class Journal:
    """What the gateway must not forget: its lease, the request that is on its way, and its turns."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {_TABLES}")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def lease(self) -> Lease | None:
        """The lease that is held."""
        (told,) = self._db.execute("SELECT lease FROM lease").fetchone()
        return None if told is None else _lease(json.loads(told))

    def keep(self, lease: Lease | None) -> None:
        """Note the lease that the bank told, in answer to whatever was pending."""
        told = None if lease is None else json.dumps(asdict(lease))
        self._db.execute("UPDATE lease SET lease = ?, pending = NULL", (told,))

    def pending(self) -> Lending | Renewal | None:
        """The request whose answer was never seen."""
        (told,) = self._db.execute("SELECT pending FROM lease").fetchone()
        return None if told is None else _request(json.loads(told))

    def ask(self, request: Lending | Renewal) -> None:
        """Note a request before it is sent."""
        self._db.execute("UPDATE lease SET pending = ?, requests = requests + 1", (json.dumps(asdict(request)),))

    def requests(self) -> int:
        """How many requests were sent to the bank."""
        return self._db.execute("SELECT requests FROM lease").fetchone()[0]

    def known(self) -> set[str]:
        """The turns that have had a hold."""
        return {turn for (turn,) in self._db.execute("SELECT id FROM turns")}

    def held(self) -> int:
        """What running turns have set aside and not spent."""
        return self._db.execute("SELECT coalesce(sum(hold - spent), 0) FROM turns WHERE state = 'held'").fetchone()[0]

    def spent(self, lease_id: str | None = None) -> int:
        """What was spent of a lease, or of all."""
        where = "" if lease_id is None else "WHERE lease = ?"
        arguments = () if lease_id is None else (lease_id,)
        return self._db.execute(f"SELECT coalesce(sum(spent), 0) FROM turns {where}", arguments).fetchone()[0]  # noqa: S608

    def hold(self, work: Work, lease_id: str) -> None:
        """Take a turn's hold."""
        self._both("INSERT INTO turns VALUES (?, ?, ?, 0, 'held')", (work.id, lease_id, work.hold), work.id, "held")

    def call(self, turn: str, cost: int) -> None:
        """Book a call."""
        self._db.execute("UPDATE turns SET spent = spent + ? WHERE id = ?", (cost, turn))

    def settle(self, turn: str) -> None:
        """Free what is left of a turn's hold."""
        self._both("UPDATE turns SET state = 'settled' WHERE id = ?", (turn,), turn, "settled")

    def settle_what_a_crash_left(self) -> None:
        """A turn that was cut off is settled at what was booked of it."""
        for (turn,) in self._db.execute("SELECT id FROM turns WHERE state = 'held'").fetchall():
            self.settle(turn)

    def resolved(self) -> tuple[int, int, int]:
        """How many holds were taken, how many of them were settled exactly once, and how many are left open."""
        query = "SELECT sum(what = 'held'), sum(what = 'settled') FROM log GROUP BY turn"
        counts = self._db.execute(query).fetchall()
        return len(counts), counts.count((1, 1)), sum(1 for _, settled in counts if not settled)

    def _both(self, statement: str, arguments: Sequence[object], turn: str, what: str) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute(statement, arguments)
        self._db.execute("INSERT INTO log VALUES (?, ?)", (turn, what))
        self._db.execute("COMMIT")


class Gateway:
    """Holds for turns out of a lease, and the lease out of the bank; one request at a time."""

    def __init__(self, bank: SqlBank, journal: Journal, name: str, terms: LeaseTerms) -> None:
        self._bank = bank
        self._journal = journal
        self._name = name
        self._terms = terms
        self._asked_tick: int | None = None
        self._asking = anyio.Lock()
        self._over = False

    async def run(self, work: Work, call_s: float) -> None:
        """A turn from its hold to its end; it does not run where the limit is used up."""
        if not await self._hold(work):
            return
        for cost in work.calls:
            await anyio.sleep(call_s)
            self._journal.call(work.id, cost)
        self._journal.settle(work.id)

    async def finish(self) -> None:
        """Give the lease back."""
        async with self._asking:
            await self._repeat()
            if self._journal.lease() is not None:
                await self._repay()

    def _holding(self) -> Holding | None:
        lease = self._journal.lease()
        if lease is None:
            return None
        spent, held = self._journal.spent(lease.id), self._journal.held()
        return Holding(lease, self._asked_tick, Usd(spent), Usd(held))

    def _fits(self, work: Work) -> Lease | None:
        holding = self._holding()
        if holding is None or usable(holding, self._terms, clock.ticks_ms()) < Usd(work.hold):
            return None
        return holding.lease

    async def _hold(self, work: Work) -> bool:
        while True:
            async with self._asking:
                if (lease := self._fits(work)) is not None:
                    self._journal.hold(work, lease.id)
                    return True
                if self._over:
                    return False
                await self._repeat()
                await self._step(Usd(work.hold))
                if (lease := self._fits(work)) is not None:
                    self._journal.hold(work, lease.id)
                    return True
                if not self._journal.held() and self._journal.lease() is not None:
                    await self._repay()  # crumbs: with those of others they may be a hold
                balance = (await _answer(partial(self._bank.status, SCOPE))).balance
                self._over = not balance.lent and balance.left < Usd(work.hold)
                await anyio.sleep(DRY_S)

    async def _step(self, need: Usd) -> None:
        step = next_step(self._holding(), self._terms, clock.ticks_ms(), need)
        lease = self._journal.lease()
        match step:
            case Borrow(want, least):
                lasts_ms = self._terms.lasts_ms
                await self._send(Lending(clock.new_id("lease"), SCOPE, self._name, want, least, lasts_ms))
            case Renew(want, least) if lease is not None:
                spent = Usd(self._journal.spent(lease.id))
                await self._send(Renewal(clock.new_id("renew"), lease, spent, want, least, self._terms.lasts_ms))
            case Repay():
                await self._repay()
            case _:
                pass

    async def _send(self, request: Lending | Renewal) -> None:
        self._journal.ask(request)
        await self._repeat()

    async def _repeat(self) -> None:
        """Send the request that is on its way, as it was noted, until it is answered."""
        request = self._journal.pending()
        if request is None:
            return
        asked, answer = await _answer(partial(self._sent, request))
        self._answered(request, answer, asked)
        if isinstance(answer, Refused) and isinstance(request, Renewal):
            await self._repay()

    async def _sent(self, request: Lending | Renewal) -> tuple[int, Lease | Refused]:
        asked = clock.ticks_ms()
        if isinstance(request, Lending):
            return asked, await self._bank.lend(request)
        return asked, await self._bank.renew(request)

    def _answered(self, request: Lending | Renewal, answer: Lease | Refused, asked: int) -> None:
        if isinstance(answer, Lease):
            self._asked_tick = asked
            self._journal.keep(answer)
        else:
            self._journal.keep(None if isinstance(request, Lending) else request.lease)

    async def _repay(self) -> None:
        """Book what was spent and let the lease go; only where no turn holds any of it."""
        lease = self._journal.lease()
        if lease is not None and not self._journal.held():
            await _answer(partial(self._bank.repay, lease, Usd(self._journal.spent(lease.id))))
            self._journal.keep(None)
            self._asked_tick = None


async def _answer(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until the bank is there."""
    failures = 0
    while True:
        try:
            return await ask()
        except BankAwayError:
            failures += 1
            await anyio.sleep(backoff_ms(min(failures, 3)) / 1000)


async def work(where: str | Path, home: Path, name: str, works: Sequence[Work], terms: LeaseTerms) -> None:
    """Start the gateway, settle what a crash left, run all turns that never had a hold at once, and repay."""
    journal = Journal(home / f"{name}.db")
    try:
        journal.settle_what_a_crash_left()
        known = journal.known()
        async with AsyncExitStack() as stack:
            bank = await _answer(lambda: stack.enter_async_context(open_bank(where)))
            gateway = Gateway(bank, journal, name, terms)
            async with anyio.create_task_group() as group:
                for number, one in enumerate(works):
                    if one.id not in known:
                        group.start_soon(gateway.run, one, 0.002 + (number % 7) * 0.004)
            await gateway.finish()
    finally:
        journal.close()


def main(where: str | Path, home: Path, name: str, works: Sequence[Work], terms: LeaseTerms) -> None:
    """A gateway's process."""
    anyio.run(work, where, home, name, works, terms)


def _lease(facts: dict) -> Lease:
    scope = TeamScope(**facts["scope"])
    amounts = {name: Usd(**facts[name]) for name in ("lent", "spent")}
    return Lease(**{**facts, **amounts, "scope": scope, "state": LeaseState(facts["state"])})


def _request(facts: dict) -> Lending | Renewal:
    amounts = {name: Usd(**facts[name]) for name in ("want", "least", "spent") if name in facts}
    if "lease" in facts:
        return Renewal(**{**facts, **amounts, "lease": _lease(facts["lease"])})
    return Lending(**{**facts, **amounts, "scope": TeamScope(**facts["scope"])})
