"""Looking: how a shared scope stands, and which leases are open."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, select, text

from gateway.bank import ledger, limits
from gateway.bank.ledger import now_ms, of
from gateway.bank.schema import OPEN, leases, scopes
from gateway.domain.lease import Lease, LeaseState, TeamBalance, TeamScope, TeamStatus
from gateway.domain.money import Usd

MOST_OPEN = 1000
"""Open leases that are listed at once."""


def lease_of(row: Mapping[Any, Any], at_ms: int) -> Lease:
    """A lease from its row, at a moment of the database's clock."""
    return Lease(
        id=row["id"],
        scope=TeamScope(row["team"], row["period"]),
        gateway=row["gateway"],
        epoch=row["epoch"],
        lent=Usd(row["lent"]),
        spent=Usd(row["spent"]),
        lasts_ms=max(0, row["ends_at_ms"] - at_ms),
        state=LeaseState(row["state"]),
    )


def of_gateway(connection: Connection, gateway: str) -> tuple[Lease, ...]:
    """See the port."""
    return _open(connection, leases.c.gateway == gateway)


def status(connection: Connection, scope: TeamScope) -> TeamStatus:
    """See the port; a scope that nobody touched yet has the limit that it would begin with."""
    row = connection.execute(select(scopes).where(of(scope))).mappings().one_or_none()
    balance = TeamBalance(scope, None) if row is None else ledger.balance_of(row)
    if balance.limit is None and (standing := limits.standing(connection, scope)) is not None:
        balance = TeamBalance(scope, Usd(standing), balance.spent, balance.lent)
    return TeamStatus(balance, _open(connection, of(scope, leases)))


def _open(connection: Connection, condition: Any) -> tuple[Lease, ...]:
    """Open leases as they would be found now: one whose time is over has expired, whether that was noted or not."""
    query = select(leases, now_ms(connection)).where(text(OPEN), condition)
    found = connection.execute(query.order_by(leases.c.made_at_ms, leases.c.id).limit(MOST_OPEN)).mappings()
    return tuple(_as_found(row) for row in found)


def _as_found(row: RowMapping) -> Lease:
    over = row["ends_at_ms"] <= row["now_ms"]
    return lease_of(dict(row) | ({"state": LeaseState.EXPIRED} if over else {}), row["now_ms"])
