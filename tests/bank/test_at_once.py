"""Many at once on one bank: what is lent never exceeds the limit, a repeated request is one request, a cancelled one is none."""

from pathlib import Path

import anyio
import pytest

from gateway.bank import SqlBank, open_bank
from gateway.domain.lease import Lease, Refused, TeamScope
from tests.bank.kit import TEAM, again, asks, balance, got, limited

pytestmark = pytest.mark.anyio


async def test_many_at_once_get_no_more_than_there_is(where: str | Path) -> None:
    """Sixty ask three gateways' connections for ten each of four hundred: forty get it, to the last nano-dollar."""
    answers: list[Lease | Refused] = []
    async with open_bank(where) as one, open_bank(where) as two, open_bank(where) as three:
        await limited(one, 400)

        async def ask(bank: SqlBank, number: int) -> None:
            answers.append(await bank.lend(asks(f"l{number}", 10, least=10)))

        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                for number in range(60):
                    group.start_soon(ask, (one, two, three)[number % 3], number)
        assert sum(isinstance(answer, Lease) for answer in answers) == 40
        assert await balance(one) == (400, 0, 400)
        assert await one.verify() == ()


async def test_the_same_request_many_times_at_once_is_carried_out_once(where: str | Path) -> None:
    """Also the first of a new month, which begins with the standing limit, and its renewal."""
    december = TeamScope("core", "2026-12")
    async with open_bank(where) as one, open_bank(where) as two:
        await limited(one, 1000, TeamScope("core", "month"))

        async def lend(bank: SqlBank) -> None:
            got(await bank.lend(asks("l1", 100, scope=december)))

        async def renew(bank: SqlBank, lease: Lease) -> None:
            got(await bank.renew(again("r1", lease, 30, 100)))

        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                for bank in (one, two) * 4:
                    group.start_soon(lend, bank)
            (lease,) = await one.leases("anna")
            async with anyio.create_task_group() as group:
                for bank in (one, two) * 4:
                    group.start_soon(renew, bank, lease)
        assert await balance(two, december) == (1000, 30, 100)
        assert await two.verify() == ()


async def test_a_request_that_was_cancelled_before_it_began_never_happens(bank: SqlBank) -> None:
    """Nothing is lent to who does not wait for it."""
    await limited(bank, 1000)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await bank.lend(asks("l1", 100))
    assert scope.cancelled_caught
    assert await balance(bank, TEAM) == (1000, 0, 0)
