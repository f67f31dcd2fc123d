"""Limits that several gateways share."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from gateway.domain.lease import (
    Figure,
    FigureSum,
    Lease,
    Lending,
    Refused,
    Renewal,
    TeamBalance,
    TeamScope,
    TeamStatus,
)
from gateway.domain.money import Usd
from gateway.ports.base import TollbridgeError


class BankError(TollbridgeError):
    """The bank's database refused: read-only, newer than this program, contradicted. Nothing of the request was kept."""


class BankAwayError(BankError):
    """The bank gave no answer, so that nothing is known of the request: repeat it as it was. What is lent stays usable."""


class Bank(Protocol):
    """Limits that several gateways share. It lends parts of them, and what is lent and spent never exceeds a limit.

    Spending is a fact and always booked; beyond what was lent it is an overdraft. Every request may be repeated: it is carried
    out once. Amounts are at most $1,000,000. Every method raises BankError.
    """

    async def lend(self, request: Lending) -> Lease | Refused:
        """Lend what is wanted, or less of what is left, but never less than the least. The same id with other terms raises."""
        ...

    async def renew(self, renewal: Renewal) -> Lease | Refused:
        """Book what was spent, and give more time and another epoch; the spending is booked also when the rest is refused."""
        ...

    async def spend(self, lease: Lease, spent: Usd) -> Lease:
        """Book what was spent of a lease in all, in whatever state it is, also one that the bank does not know (any more)."""
        ...

    async def repay(self, lease: Lease, spent: Usd) -> Lease | Refused:
        """Book what was spent in all and close the lease: its remainder is free at once. Refused only to an older epoch."""
        ...

    async def expire(self) -> tuple[Lease, ...]:
        """Note which leases' time is over; all that have expired and are still open, oldest first."""
        ...

    async def write_off(self, lease_id: str, who: str, why: str) -> Lease | Refused:
        """Free the remainder of an expired lease whose holder will not come back. What it reports later is an overdraft."""
        ...

    async def set_limit(self, scope: TeamScope, limit: Usd, who: str, why: str) -> TeamBalance:
        """Set a limit; one that is so already is left alone. Nothing that was lent is taken back."""
        ...

    async def raise_limit(self, scope: TeamScope, by: Usd, who: str, why: str, request_id: str) -> TeamBalance:
        """Raise a limit, once per `request_id`."""
        ...

    async def report(self, team: str, gateway: str, figures: Sequence[Figure]) -> int:
        """Keep a gateway's settled figures, numbered on from the last; the number of the last. What is known is not kept again.

        Raises BankError for a gap, and for a known number with another figure.
        """
        ...

    async def reported(self, team: str, gateway: str) -> int:
        """The number of the last figure that a gateway reported; 0: none."""
        ...

    async def leases(self, gateway: str) -> tuple[Lease, ...]:
        """The gateway's open leases, oldest first."""
        ...

    async def status(self, scope: TeamScope) -> TeamStatus: ...

    async def figures(self, team: str, since_ms: int) -> tuple[FigureSum, ...]:
        """The sums of a team's figures of turns that ended since then."""
        ...

    async def verify(self) -> tuple[str, ...]:
        """What is not as it was written in the entries, balances and leases, in sentences; empty: nothing."""
        ...

    def hints(self) -> AsyncIterator[TeamScope]:
        """Scopes whose limit or free amount has just grown. Only a hint: some are lost, and nothing may depend on them."""
        ...
