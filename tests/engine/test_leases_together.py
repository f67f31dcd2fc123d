"""Several gateways and one bank: together they never spend more than the limit and what they may overshoot by."""

import itertools
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import anyio
import pytest

from gateway.agents.scripted import UseTool
from gateway.bank import open_bank
from gateway.domain.lease import TeamScope, lease_scope
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import TurnState
from gateway.ports import View
from tests.engine.bench import call, script
from tests.engine.team import CORE, Member, limited, member
from tests.fakes.postgres import Postgres

pytestmark = pytest.mark.anyio

WORK = script(*(one for n in range(3) for one in (call(20), UseTool("Bash", f"step {n}"))))
CALL = Usd.parse("0.20")
WAITS = (TurnState.ASKING, TurnState.PAUSED)


async def busy(desk: Member, turns: int) -> None:
    """Send one prompt after another until the team has no more."""
    for number in range(1, turns + 1):
        desk.gateway.says(f"go {number}")
        found = await desk.gateway.until(
            lambda seen, n=number: len(seen) == n and (seen[-1].ended_at_ms is not None or seen[-1].state in WAITS)
        )
        if found[-1].state in WAITS:
            return


async def never_more_than_lent(desk: Member) -> None:
    """At every moment: what is spent and held of a lease is within what is lent, and the call that was running."""

    def look(view: View) -> list[tuple[Usd, Usd]]:
        found = [(loan, view.balance(lease_scope(loan.scope, loan.id))) for loan in view.loans()]
        return [(one.spent + one.held, loan.lease.lent) for loan, one in found if loan.lease is not None]

    while True:
        for used, lent in await desk.gateway.world.store.read(look):
            assert used <= lent + CALL
        await anyio.sleep(0.002)


async def test_two_gateways_never_spend_more_than_the_limit_and_a_call_each() -> None:
    """$3 for two gateways that want $12: all of it is lent, nobody runs on the other's money, and every cent is told."""
    async with limited("3") as bank, AsyncExitStack() as stack:
        desks = [await stack.enter_async_context(member(bank, WORK, name=f"desk-{n}")) for n in (1, 2)]
        async with anyio.create_task_group() as watch:
            for desk in desks:
                watch.start_soon(never_more_than_lent, desk)
            async with anyio.create_task_group() as tasks:
                for desk in desks:
                    tasks.start_soon(busy, desk, 10)
            watch.cancel_scope.cancel()
        spent = ZERO
        for desk in desks:
            for turn in await desk.gateway.turns():
                spent += turn.spent
        assert Usd.parse("2.40") <= spent <= Usd.parse("3") + CALL + CALL
        await stack.aclose()
        assert (await bank.status(desks[0].month)).balance.spent == spent
        assert await bank.verify() == ()


async def test_a_raise_in_one_chat_lets_another_gateway_work() -> None:
    """The limit is the team's: what one person raises, others may spend."""
    async with limited("0.10") as bank, AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(member(bank, WORK, name=f"desk-{n}")) for n in (1, 2)]
        second.gateway.says("go")
        await second.gateway.sees("$0.10 left of the team's $0.10.")
        await bank.raise_limit(first.month, Usd.parse("5"), "7 at desk-1", "test", "r_1")
        await second.gateway.taps("left of the team's", "No")
        second.gateway.says("go on then")
        await second.gateway.ended(TurnState.FINISHED)


@pytest.mark.parametrize("kind", ["file", "postgres"])
async def test_a_team_on_a_real_database(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Two gateways with connections of their own: turns run, a raise counts for both, all is given back at the end."""
    where = tmp_path / "bank.db" if kind == "file" else address(request.getfixturevalue("postgres"))
    async with open_bank(where) as owner, AsyncExitStack() as stack:
        await owner.set_limit(TeamScope(CORE, "month"), Usd.parse("20"), "7", "test")
        desks: list[Member] = []
        for name in ("desk-1", "desk-2"):
            bank = await stack.enter_async_context(open_bank(where, upgrade=False))
            desks.append(await stack.enter_async_context(member(bank, WORK, name=name)))
        async with anyio.create_task_group() as tasks:
            for desk in desks:
                tasks.start_soon(partial(busy, desk, 3))
        month = desks[0].month
        for desk in desks:
            told = partial(owner.reported, CORE, desk.team.gateway)
            await desk.gateway.steps.until(told, lambda last: last == 3)
        sums = await owner.figures(CORE, 0)
        assert [(one.turns, one.cost) for one in sums] == [(6, Usd.parse("3.60"))]
        await stack.aclose()
        balance = (await owner.status(month)).balance
        assert (balance.spent, balance.lent) == (Usd.parse("3.60"), ZERO)
        assert await owner.verify() == ()


_schemas = itertools.count(1)


def address(server: Postgres) -> str:
    """An empty schema of the server."""
    name = f"gateways{next(_schemas)}"
    server.run(f"CREATE SCHEMA {name}")
    return server.url(schema=name)
