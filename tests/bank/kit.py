"""What the bank's tests share: requests with everything set, and hands on the clock."""

from typing import Any

from sqlalchemy import text, update

from gateway.bank import SqlBank
from gateway.bank.schema import leases
from gateway.domain.lease import Figure, Lease, Lending, Refused, Renewal, TeamBalance, TeamScope
from gateway.domain.money import Usd
from gateway.domain.usage import Tokens
from gateway.ports import Bank

TEAM = TeamScope("core", "2026-11")
HOUR_MS = 3_600_000


def as_port(bank: SqlBank) -> Bank:
    """The type checker's proof that this is a Bank."""
    return bank


def asks(
    name: str, want: int, *, gateway: str = "anna", least: int = 1, scope: TeamScope = TEAM, lasts_ms: int = HOUR_MS
) -> Lending:
    """A request for a lease of so many nano-dollars."""
    return Lending(name, scope, gateway, Usd(want), Usd(least), lasts_ms)


def again(name: str, lease: Lease, spent: int, want: int, *, least: int = 1, lasts_ms: int = HOUR_MS) -> Renewal:
    """A request to renew a lease, to have so much left."""
    return Renewal(name, lease, Usd(spent), Usd(want), Usd(least), lasts_ms)


def got(answer: Lease | Refused) -> Lease:
    """The lease, where there has to be one."""
    assert isinstance(answer, Lease), answer
    return answer


async def limited(bank: SqlBank, limit: int, scope: TeamScope = TEAM) -> TeamBalance:
    """Set a limit of so many nano-dollars."""
    return await bank.set_limit(scope, Usd(limit), "owner", "asked")


async def balance(bank: SqlBank, scope: TeamScope = TEAM) -> tuple[int | None, int, int]:
    """(limit, spent, lent) of a scope in nano-dollars."""
    found = (await bank.status(scope)).balance
    return (None if found.limit is None else found.limit.nano, found.spent.nano, found.lent.nano)


async def age(bank: SqlBank, by_ms: int) -> None:
    """Let every lease be as much older, which is what a clock that runs on (or, negative, jumps back) comes to."""
    older = update(leases).values(ends_at_ms=leases.c.ends_at_ms - by_ms)
    await bank._run(lambda connection: connection.execute(older).rowcount)


async def sql(bank: SqlBank, *statements: str) -> None:
    """Break something."""

    def work(connection: Any) -> None:
        for statement in statements:
            connection.execute(text(statement))

    await bank._run(work)


def figure(seq: int, **changes: Any) -> Figure:
    """A settled turn with every field set."""
    facts: dict[str, Any] = {
        "seq": seq,
        "turn_id": f"t_{seq}",
        "session_id": "s_1",
        "person": "7",
        "project": "site",
        "model": "a-model",
        "agent": "claude",
        "cost": Usd(1000 + seq),
        "at_ms": 1_800_000_000_000 + seq,
        "outcome": "answer",
        "tokens": Tokens(1, 2, 3, 4, 5, 6, 2),
        "calls": 3,
        "unpriced_calls": 1,
    }
    return Figure(**(facts | changes))
