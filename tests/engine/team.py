"""A team for the tests: its bank in memory that can be away, a clock for leases that tests move, and one gateway of it."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from gateway import clock
from gateway.agents.scripted import Play, Script
from gateway.bank import SqlBank, open_bank
from gateway.chats.memory import MemoryChat
from gateway.core.lease import LeaseTerms
from gateway.domain.lease import Loan, TeamBalance, TeamScope
from gateway.domain.money import Usd
from gateway.engine import Clock, Rules, Team, World
from gateway.ports import BankAwayError
from tests.engine.bench import Bench, bench, with_limits

CORE = "core"
TERMS = LeaseTerms(chunk=Usd.parse("2"), least=Usd.parse("0.10"))
RICH = with_limits(session="100", confirm="50", step="0.50")
"""Nothing of the gateway's own is in the way."""


@dataclass
class Network:
    """What is between a gateway and its bank: it can be cut, and it counts and remembers what was asked."""

    bank: SqlBank
    cut: bool = False
    lost: str = ""
    """The answers to this are lost, after it was done."""
    asked: list[str] = field(default_factory=list[str])
    slow: anyio.Event | None = None
    """Requests for money wait for it."""
    waits: anyio.Event = field(default_factory=anyio.Event)
    """Set once one does."""

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.bank, name)
        if name == "hints":
            return method

        async def through(*arguments: Any, **named: Any) -> Any:
            self.asked.append(name)
            if self.slow is not None and name in ("lend", "renew", "raise_limit"):
                self.waits.set()
                await self.slow.wait()
            if self.cut:
                raise BankAwayError("The bank cannot be reached")
            answer = await method(*arguments, **named)
            if name == self.lost:
                raise BankAwayError("The bank cannot be reached")
            return answer

        return through

    def count(self, *names: str) -> int:
        """How often these were asked for."""
        return sum(self.asked.count(name) for name in names)


@dataclass
class Ticks:
    """The clock of leases."""

    ms: int = 1_000_000

    def __call__(self) -> int:
        return self.ms


@dataclass
class Day:
    """The time of day."""

    ms: int = 1_795_000_000_000

    def __call__(self) -> int:
        return self.ms


@dataclass
class Member:
    """A gateway of the team."""

    gateway: Bench
    team: Team
    network: Network
    ticks: Ticks

    @property
    def month(self) -> TeamScope:
        """The shared scope."""
        return self.team.shared(self.gateway.world.today())[0]

    async def loans(self) -> tuple[Loan, ...]:
        """The leases that are not closed."""
        return await self.gateway.world.store.read(lambda view: view.loans())

    async def stands(self) -> TeamBalance:
        """How the team's limit stands."""
        return (await self.network.bank.status(self.month)).balance

    async def until(self, holds: Callable[[TeamBalance], bool]) -> TeamBalance:
        """Wait until the team's limit stands as it should."""
        return await self.gateway.steps.until(self.stands, holds)

    def wakes(self) -> None:
        """As if something had happened that leases have to do with."""
        self.team.woken.set()


@asynccontextmanager
async def limited(limit: str | None) -> AsyncGenerator[SqlBank]:
    """A bank in memory, with a limit for each month."""
    async with open_bank(None) as bank:
        if limit is not None:
            await bank.set_limit(TeamScope(CORE, "month"), Usd.parse(limit), "7", "test")
        yield bank


@asynccontextmanager
async def member(  # noqa: PLR0913 - a gateway has many sides
    bank: SqlBank | Network,
    play: Script | Play,
    *,
    rules: Rules = RICH,
    name: str = "desk-1",
    home: Path | None = None,
    ticks: Ticks | None = None,
    chat: MemoryChat | None = None,
    dies_at: str = "",
    dies_nth: int = 1,
    now_ms: Callable[[], int] = clock.now_ms,
    periods: tuple[str, ...] = ("month",),
) -> AsyncGenerator[Member]:
    """A gateway of the team at work. `dies_at`: as if it was killed when it passes that step for the nth time."""
    ticks, network = ticks or Ticks(), bank if isinstance(bank, Network) else Network(bank)
    team = Team(CORE, name, TERMS, periods)

    def prepare(world: World) -> None:
        world.team, world.bank = team, network  # type: ignore[assignment]
        world.clock = Clock(now_ms=now_ms, boot_ms=ticks)
        steps = world.on_step

        seen: list[str] = []

        def step(passed: str) -> None:
            steps(passed)
            seen.append(passed)
            if passed == dies_at and seen.count(passed) == dies_nth:
                raise KilledError(passed)

        world.on_step = step

    async with bench(play, rules, home, chat=chat, prepare=prepare) as gateway:
        yield Member(gateway, team, network, ticks)


class KilledError(Exception):
    """The gateway was killed at a step."""
