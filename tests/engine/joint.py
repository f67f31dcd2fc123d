"""A gateway without its loops: the real store, decisions, clients and leases, and every step of it is taken when the test says so."""

import itertools
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from gateway.bank import SqlBank
from gateway.chats.memory import MemoryChat
from gateway.core.lease import LeaseTerms
from gateway.domain.approval import Approval
from gateway.domain.budget import ScopeKind
from gateway.domain.events import Message, Tap
from gateway.domain.lease import Lease, lease_of
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import TurnState
from gateway.engine import Clock, Rules, Team, World
from gateway.engine.clients import Clients
from gateway.engine.inbound import handle_message
from gateway.engine.leases import Leases
from gateway.engine.live import Live
from gateway.engine.outbound import repeat_unsure
from gateway.engine.overdue import expire
from gateway.engine.presses import handle_tap
from gateway.engine.recovery import recover
from gateway.engine.ticking import Ticking
from gateway.ports import BankAwayError, Delivered, View
from gateway.pricing import ListPrices
from gateway.store import SqliteStore, open_store, sqlite
from tests.engine.joint_agent import DrivenAgent, DrivenClient

R = TypeVar("R")
TERMS = LeaseTerms(chunk=Usd.parse("0.30"), least=Usd.parse("0.05"))
START_MS = 1_795_000_000_000
"""A Wednesday in November 2026."""
STEPS_MAX = 500
SERVICE = "memory"


class KilledError(Exception):
    """The gateway was killed at a durable step."""


class InThisThread:
    """Transactions without the way to a worker thread and back, which is most of what a small one costs."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def run(self, work: Callable[[Connection], R]) -> R:
        """Do the work in a transaction."""
        with sqlite.translated(), self.engine.begin() as connection:
            return work(connection)


class BankInThisThread(SqlBank):
    """The same for a bank in memory."""

    async def _run(self, work: Callable[[Connection], R], *, snapshot: bool = False) -> R:
        return self._twice(work, snapshot)


@dataclass
class Memory:
    """A database in memory that begins anew as often as one likes, with its tables made."""

    engine: Engine
    _empty: sqlite3.Connection = field(default_factory=lambda: sqlite3.connect(":memory:"))

    def __post_init__(self) -> None:
        self._raw().backup(self._empty)

    def begin_anew(self) -> None:
        """Empty it."""
        self._empty.backup(self._raw())

    def close(self) -> None:
        """Forget it all."""
        self._empty.close()
        self.engine.dispose()

    def _raw(self) -> sqlite3.Connection:
        connection = self.engine.raw_connection()
        raw = connection.driver_connection
        connection.close()
        assert isinstance(raw, sqlite3.Connection)
        return raw


@dataclass
class Network:
    """What is between a gateway and its bank. `fails`: what happens to the next requests, `before` or `after` they are carried out."""

    bank: SqlBank
    ticks: Callable[[], int]
    cut: bool = False
    fails: deque[str] = field(default_factory=deque[str])
    lent: dict[str, int] = field(default_factory=dict[str, int])
    """By lease: what the bank lent in all, heard or not."""
    ends: dict[str, int] = field(default_factory=dict[str, int])
    """By lease: at which tick its holder has to stop, as this process heard it."""

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.bank, name)

        async def through(*arguments: Any, **named: Any) -> Any:
            fails = self.fails.popleft() if self.fails else ""
            if self.cut or fails == "before":
                raise BankAwayError("The bank cannot be reached")
            tick = self.ticks()
            answer = await method(*arguments, **named)
            if isinstance(answer, Lease):
                self.lent[answer.id] = answer.lent.nano
            if fails == "after":
                raise BankAwayError("The bank's answer was lost")
            if isinstance(answer, Lease) and name in ("lend", "renew"):
                self.ends[answer.id] = tick + answer.lasts_ms - TERMS.margin_ms
            return answer

        return through


class Tasks:
    """What a gateway does beside its loops, in the order in which it began."""

    def __init__(self) -> None:
        self.due: deque[tuple[Callable[..., Awaitable[Any]], tuple[Any, ...]]] = deque()
        self.lives: list[Live] = []

    def start_soon(self, work: Callable[..., Awaitable[Any]], *arguments: Any) -> None:
        """Note it; what listens to a client is done by the gateway's `settle`."""
        if getattr(work, "__name__", "") == "listen":
            self.lives.append(arguments[0])
        else:
            self.due.append((work, arguments))


class Site:
    """One gateway of the team, with the agents of its machine."""

    def __init__(self, name: str, bank: SqlBank, team: str, rules: Rules, place: Memory | Path) -> None:
        self.name, self.team_name, self.rules, self.place = name, team, rules, place
        self.network = Network(bank, lambda: self.ticks_ms)
        self.wall_ms, self.ticks_ms = START_MS, 1_000_000
        self.numbers = itertools.count(1)
        self.agent = DrivenAgent(self._may_call)
        self.dies_in = 0
        """At which durable step from now on it is killed; 0: at none."""
        self.written = False
        """Something was committed since somebody looked."""
        self._stack = AsyncExitStack()
        if isinstance(place, Memory):
            place.begin_anew()

    async def _may_call(self, session_id: str) -> None:
        """A call goes out only while its turn runs and holds money, and somebody agreed to more than it has cost."""
        live = next(one for one in self.tasks.lives if one.session_id == session_id and not client_of(one).gone)
        turn = await self.store.read(lambda view: view.turn(live.turn_id or ""))
        assert turn is not None, "a call that belongs to no turn"
        assert turn.state is TurnState.RUNNING, f"a call of a turn that is {turn.state}"
        assert turn.held_left > ZERO, "a call without a hold"
        assert turn.spent < turn.ceiling, "a call beyond what was agreed"
        assert not await self.store.read(lambda view: view.frozen), "a call while everything is stopped"
        for scope in turn.scopes:
            if scope.kind is ScopeKind.TEAM:
                ends = self.network.ends.get(lease_of(scope)[1], 0)
                assert self.ticks_ms < ends, "a call on a lease whose time is over"

    # ------------------------------------------------------------------------------------------------ begins and ends
    async def boot(self, periods: tuple[str, ...]) -> None:
        """Open the store and recover."""
        if isinstance(self.place, Memory):
            commits: Any = InThisThread(self.place.engine)
            self.store = SqliteStore(commits, commits, lambda: self.wall_ms)
        else:
            self.store = await self._stack.enter_async_context(open_store(self.place, lambda: self.wall_ms))
        self.team = Team(self.team_name, self.name, TERMS, periods)
        clock = Clock(
            lambda: self.wall_ms, lambda: self.ticks_ms, lambda: self.ticks_ms, self._new, self._new_uuid, self._token
        )
        self.world = World(
            self.store,
            MemoryChat(SERVICE),
            {"scripted": self.agent},
            ListPrices(),
            self.rules,
            clock=clock,
            on_step=self._step,
            team=self.team,
            bank=self.network,  # type: ignore[arg-type]
        )
        self.tasks = Tasks()
        self.leases = Leases(self.world, self.team, self.network)  # type: ignore[arg-type]
        self.clients = Clients(self.world, self.tasks, self.leases)  # type: ignore[arg-type]
        self.team.relieve = self.leases.relieve
        self.world.perform = self.clients.perform
        await repeat_unsure(self.world)
        await recover(self.world, self.clients)
        await self.settle()

    async def crash(self) -> None:
        """The process is gone, and its agents with it. What was committed is there."""
        self.dies_in = 0
        self.tasks.due.clear()
        self.agent.crash()
        self.network.ends.clear()
        await self._stack.aclose()

    def _step(self, name: str) -> None:
        self.written = self.written or name == "committed"
        if self.dies_in:
            self.dies_in -= 1
            if not self.dies_in:
                raise KilledError

    def _new(self, kind: str) -> str:
        return f"{kind}_{self.team_name}_{self.name}_{next(self.numbers)}"

    def _new_uuid(self) -> str:
        return self._new("uuid")

    def _token(self) -> str:
        return self._new("token")

    # ------------------------------------------------------------------------------------------------------ at work
    async def settle(self) -> None:
        """Do all that is to be done now: what decisions set going, and what agents say to it."""
        for _ in range(STEPS_MAX):
            if self.tasks.due:
                work, arguments = self.tasks.due.popleft()
                await work(*arguments)
            elif (live := next((one for one in self.tasks.lives if client_of(one).told), None)) is not None:
                await self.clients.roster.listen(live)
            else:
                return
        raise AssertionError("it never comes to rest")

    async def hears(self, event: Message | Tap) -> Any:
        """What somebody did arrives, twice as updates do; the decision's result."""
        key = self._new("update")
        assert await self.store.accept(SERVICE, [(key, "")], self.wall_ms)
        assert not await self.store.accept(SERVICE, [(key, "")], self.wall_ms)
        waiting = self.clients.waiting()
        if isinstance(event, Tap):
            decision: Any = await self.world.commit(handle_tap(self.world, event, (SERVICE, key), waiting))
        else:
            decision = await self.world.commit(handle_message(self.world, event, (SERVICE, key), waiting))
        return decision.result

    async def time_passes(self) -> None:
        """What time alone brings about."""
        await Ticking(self.clients.roster).tick()
        await self.settle()
        if await self.store.read(lambda view: view.overdue_approvals(self.wall_ms, 1)):
            await self.world.commit(expire(self.world, self.clients.waiting()))
        await self.settle()

    async def tends(self) -> None:
        """What its leases need, and what the bank is to be told."""
        await self.leases._round()
        await self.settle()

    async def delivers(self, approval: Approval) -> str:
        """Deliver what the outbox holds, up to the message of a question; the chat's name for that."""
        for _ in range(STEPS_MAX):
            known = await self.store.read(lambda view: view.message_id(approval.ref))
            if known is not None:
                return known
            for post in await self.store.outbox(SERVICE, 1, self.wall_ms):
                await self.store.sending(post)
                await self.store.receipted(post, Delivered(self._new("message")))
        raise AssertionError("a question never goes out")

    def live_clients(self) -> list[DrivenClient]:
        """The clients that can still do something."""
        return [client for client in self.agent.clients if not client.gone]

    async def look(self, look: Callable[[View], R]) -> R:
        """Read the store."""
        return await self.store.read(look)

    async def with_connection(self, work: Callable[[Connection], R]) -> R:
        """Look at the tables."""
        return await self.store._reads.run(work)


def client_of(live: Live) -> DrivenClient:
    """The client as the driver knows it."""
    assert isinstance(live.client, DrivenClient)
    return live.client
