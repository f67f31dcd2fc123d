"""The `Bank` port over SQLAlchemy: the same work in a file and in PostgreSQL, a whole transaction in one worker thread."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.lowlevel
from anyio import CancelScope, to_thread
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from gateway.bank import figures as settled
from gateway.bank import ledger, lending, limits, local, migrate, postgres
from gateway.bank import status as looks
from gateway.domain.lease import Figure, FigureSum, Lease, Lending, Refused, Renewal, TeamBalance, TeamScope, TeamStatus
from gateway.domain.money import Usd
from gateway.ports import BankAwayError, BankError

R = TypeVar("R")

MOST_WAITING = 1000


@asynccontextmanager
async def open_bank(
    where: str | Path | None, *, upgrade: bool = True, patient: bool = False
) -> AsyncGenerator["SqlBank"]:
    """A team's bank at a PostgreSQL address, or the bank in a file (in memory for None). Closed at the end.

    A database without a bank gets one, and an older bank is brought up to date, by one gateway at a time; without `upgrade`
    both are refused. A newer one is always refused. Raises BankError, BankAwayError where the database gives no answer: if
    `patient`, only the requests do until it does, and the bank is looked at then.
    """
    bank = SqlBank(where)
    try:
        try:
            await bank.prepare(upgrade=upgrade)
        except BankAwayError:
            if not patient:
                raise
            bank.unseen = True
        yield bank
    finally:
        with CancelScope(shield=True):
            await bank.close()


async def migrate_bank(where: str | Path) -> str:
    """Make a bank, or bring it up to date; the revision that it had, empty where there was none. Raises as `open_bank` does."""
    bank = SqlBank(where)
    try:
        return await bank.prepare(upgrade=True)
    finally:
        with CancelScope(shield=True):
            await bank.close()


class SqlBank:
    """Limits that several gateways share; see `gateway.ports.Bank`."""

    def __init__(self, where: str | Path | None) -> None:
        self._where = where
        self._is_local = not isinstance(where, str)
        self._engine: Engine = postgres.engine(where) if isinstance(where, str) else local.engine(where)
        self._threads = anyio.CapacityLimiter(1 if self._is_local else postgres.CONNECTIONS)
        self._closed = False
        self.unseen = False
        """Nobody has looked yet whether it is a bank of this program's version."""

    async def prepare(self, *, upgrade: bool) -> str:
        """Bring the schema up to date, or only check it; the revision that was found, empty where there was no bank."""

        def work(connection: Connection) -> str:
            if upgrade:
                return migrate.upgrade(connection)
            migrate.check(connection)
            return migrate.HEAD

        return await self._run(work)

    async def lend(self, request: Lending) -> Lease | Refused:
        return await self._run(lambda connection: lending.lend(connection, request))

    async def renew(self, renewal: Renewal) -> Lease | Refused:
        def work(connection: Connection) -> Lease | Refused:
            return lending.renew(connection, renewal)

        return await self._run(work)

    async def spend(self, lease: Lease, spent: Usd) -> Lease:
        return await self._run(lambda connection: lending.spend(connection, lease, spent))

    async def repay(self, lease: Lease, spent: Usd) -> Lease | Refused:
        def work(connection: Connection) -> Lease | Refused:
            answer = lending.repay(connection, lease, spent)
            self._hint(connection, lease.scope)
            return answer

        return await self._run(work)

    async def expire(self) -> tuple[Lease, ...]:
        return await self._run(lending.expire)

    async def write_off(self, lease_id: str, who: str, why: str) -> Lease | Refused:
        def work(connection: Connection) -> Lease | Refused:
            answer = lending.write_off(connection, lease_id, who, why)
            if isinstance(answer, Lease):
                self._hint(connection, answer.scope)
            return answer

        return await self._run(work)

    async def set_limit(self, scope: TeamScope, limit: Usd, who: str, why: str) -> TeamBalance:
        def work(connection: Connection) -> TeamBalance:
            balance = limits.set_limit(connection, scope, limit, who, why)
            self._hint(connection, scope)
            return balance

        return await self._run(work)

    async def raise_limit(self, scope: TeamScope, by: Usd, who: str, why: str, request_id: str) -> TeamBalance:
        def work(connection: Connection) -> TeamBalance:
            balance = limits.raise_limit(connection, scope, by, (who, why), request_id)
            self._hint(connection, scope)
            return balance

        return await self._run(work)

    async def report(self, team: str, gateway: str, figures: Sequence[Figure]) -> int:
        return await self._run(lambda connection: settled.report(connection, team, gateway, figures))

    async def reported(self, team: str, gateway: str) -> int:
        return await self._run(lambda connection: settled.last(connection, team, gateway))

    async def leases(self, gateway: str) -> tuple[Lease, ...]:
        return await self._run(lambda connection: looks.of_gateway(connection, gateway))

    async def status(self, scope: TeamScope) -> TeamStatus:
        return await self._look(lambda connection: looks.status(connection, scope))

    async def figures(self, team: str, since_ms: int) -> tuple[FigureSum, ...]:
        return await self._run(lambda connection: settled.sums(connection, team, since_ms))

    async def verify(self) -> tuple[str, ...]:
        return await self._look(ledger.verify)

    async def hints(self) -> AsyncIterator[TeamScope]:
        """See the port. A bank in a file gives none: its gateways are on this machine and find out when they ask."""
        if not isinstance(self._where, str):
            await anyio.sleep_forever()
            return
        async with aclosing(postgres.hints(self._where)) as told:
            async for scope in told:
                yield scope

    async def close(self) -> None:
        """Close the connections; idempotent."""
        self._closed = True
        await to_thread.run_sync(self._engine.dispose)

    def _hint(self, connection: Connection, scope: TeamScope) -> None:
        if not self._is_local:
            postgres.hint(connection, scope)

    async def _look(self, work: Callable[[Connection], R]) -> R:
        """Run the work on one moment of the database."""
        return await self._run(work, snapshot=not self._is_local)

    async def _run(self, work: Callable[[Connection], R], *, snapshot: bool = False) -> R:
        """Run the work in a transaction and return once it is durable. Raises what the work raises, or BankError.

        Cancelled while it waits for a thread, it never happens; cancelled once it has begun, it is finished first.
        """
        await anyio.lowlevel.checkpoint_if_cancelled()
        if self._closed:
            raise BankError("The bank was closed: the gateway is stopping")
        if self._threads.statistics().tasks_waiting >= MOST_WAITING:
            raise BankAwayError("The bank cannot keep up: too much waits to be written; try again later")
        return await to_thread.run_sync(self._twice, work, snapshot, limiter=self._threads)

    def _twice(self, work: Callable[[Connection], R], snapshot: bool) -> R:  # noqa: FBT001 - run_sync passes no names
        """A connection that broke since it was last used is made again once: whatever is asked for may be repeated."""
        try:
            return self._transact(work, snapshot=snapshot)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise self._translate(error) from error
        try:
            return self._transact(work, snapshot=snapshot)
        except DBAPIError as error:
            raise self._translate(error) from error

    def _transact(self, work: Callable[[Connection], R], *, snapshot: bool) -> R:
        engine = self._engine.execution_options(isolation_level="REPEATABLE READ") if snapshot else self._engine
        try:
            with engine.begin() as connection:
                if self.unseen:
                    migrate.check(connection)
                    self.unseen = False
                return work(connection)
        except PoolTimeoutError as error:
            raise BankAwayError("The bank's connections are all busy: try again later") from error

    def _translate(self, error: DBAPIError) -> BankError:
        return local.translate(error) if self._is_local else postgres.translate(error)
