"""What a team's bank deals in: limits that several gateways share, and leases, which are parts of them lent to one gateway."""

import re
from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.budget import Scope, ScopeKind
from gateway.domain.money import ZERO, Usd
from gateway.domain.usage import NO_TOKENS, Tokens

STANDING = ("day", "week", "month")
"""Periods that stand for every day, week or month to come: a limit on one is the first limit of each period of its kind."""
_PERIODS = (
    (re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII), "day"),
    (re.compile(r"\d{4}-W\d{2}", re.ASCII), "week"),
    (re.compile(r"\d{4}-\d{2}", re.ASCII), "month"),
)


@dataclass(frozen=True, slots=True, order=True)
class TeamScope:
    """A limit that gateways share: the team and the period, `2026-11-22`, `2026-W47`, `2026-11`, or empty for ever.

    The periods `day`, `week` and `month` hold the limit that each new day, week or month begins with; nothing is lent on them.
    """

    team: str
    period: str = ""

    def __str__(self) -> str:
        return f"{self.team}:{self.period}" if self.period else self.team

    @property
    def standing(self) -> "TeamScope | None":
        """The scope whose limit this one begins with, if its period is one of many."""
        for pattern, kind in _PERIODS:
            if pattern.fullmatch(self.period):
                return TeamScope(self.team, kind)
        return None


class LeaseState(StrEnum):
    """Where a lease stands: live -> repaid, or live -> expired -> repaid or written off. Spending is booked in every state."""

    LIVE = "live"
    EXPIRED = "expired"
    """Its time is over: it cannot be renewed, and its remainder is lent to nobody else until its holder reports or it is
    written off."""
    REPAID = "repaid"
    WRITTEN_OFF = "written_off"
    """An owner said that its holder will not come back; the remainder is free."""


OPEN = (LeaseState.LIVE, LeaseState.EXPIRED)
"""States in which the remainder is set aside for the holder."""


@dataclass(frozen=True, slots=True)
class Lease:
    """An amount lent to one gateway, as the bank told it.

    `lent` is the amount in all, and `spent` what the holder reported of it so far; more than `lent` is an overdraft.
    `lasts_ms` is what was left of its time when the bank answered: the holder counts from the moment it asked, on a clock that
    never goes back (`core.lease`). `epoch` grows with each renewal: who knows an older one is no longer the holder.
    """

    id: str
    scope: TeamScope
    gateway: str
    epoch: int
    lent: Usd
    spent: Usd
    lasts_ms: int
    state: LeaseState

    @property
    def remainder(self) -> Usd:
        """What the bank sets aside for the holder: lent and not spent, while the lease is open."""
        return max(ZERO, self.lent - self.spent) if self.state in OPEN else ZERO


@dataclass(frozen=True, slots=True)
class Lending:
    """A gateway asks for a lease. `id` becomes the lease's: the same request is answered with the same lease.

    It wants `want` and can do nothing with less than `least` (0 < least <= want); the lease is to last `lasts_ms`.
    """

    id: str
    scope: TeamScope
    gateway: str
    want: Usd
    least: Usd
    lasts_ms: int


@dataclass(frozen=True, slots=True)
class Renewal:
    """A holder reports what it spent of a lease in all, and asks for more time; `id` makes a repeated request harmless.

    `want` is what it wants to have left: the remainder shrinks to it at once, or grows towards it as `Lending` does, and not
    at all where the bank has less than `least`.
    """

    id: str
    lease: Lease
    spent: Usd
    want: Usd
    least: Usd
    lasts_ms: int


class LoanState(StrEnum):
    """How a gateway stands to a lease: open -> retired -> closed. Late calls are booked in every state."""

    OPEN = "open"
    """Holds are taken from it while its time is not over."""
    RETIRED = "retired"
    """No hold is taken from it any more; once none is left on it, it is repaid."""
    CLOSED = "closed"
    """It was repaid, or never lent."""


@dataclass(frozen=True, slots=True)
class Loan:
    """A lease as its holder keeps it: as the bank told it last (None: asked for, not answered), and the request on its way.

    A request is kept before it is sent, and sent again unchanged until it is answered. `told` is what the bank knows to be spent.
    """

    id: str
    scope: TeamScope
    lease: Lease | None = None
    pending: Lending | Renewal | None = None
    told: Usd = ZERO
    state: LoanState = LoanState.OPEN


def lease_scope(scope: TeamScope, lease_id: str) -> Scope:
    """What turns count against that hold money of this lease."""
    return Scope(ScopeKind.TEAM, f"{scope.team}:{scope.period}:{lease_id}")


def lease_of(scope: Scope) -> tuple[TeamScope, str]:
    """The shared scope and the lease's id; the reverse of `lease_scope`."""
    shared, _, lease_id = scope.key.rpartition(":")
    team, _, period = shared.rpartition(":")
    return TeamScope(team, period), lease_id


class Reason(StrEnum):
    """Why a bank refused."""

    NO_LIMIT = "no_limit"
    """Nobody set a limit for this scope, so there is nothing to lend."""
    USED_UP = "used_up"
    """Less is left than the least that was asked for: the rest is spent, or lent to others."""
    FENCED = "fenced"
    """Somebody else renewed the lease: another process uses this gateway's name or a copy of its state."""
    EXPIRED = "expired"
    """The lease's time is over: repay it and ask for another."""
    CLOSED = "closed"
    """The lease was repaid or written off."""
    UNKNOWN = "unknown"
    """The bank does not know this lease: repay it, so that what it spent is booked, and ask for another."""
    LIVE = "live"
    """A lease whose holder may still spend is not written off: wait until it has expired."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The bank's no: why, and what is left of the limit to lend to anybody (negative after an overdraft)."""

    reason: Reason
    left: Usd = ZERO


@dataclass(frozen=True, slots=True)
class TeamBalance:
    """A shared scope's fold over its entries: its limit (None: none was set), what is spent, and what is lent and not spent."""

    scope: TeamScope
    limit: Usd | None
    spent: Usd = ZERO
    lent: Usd = ZERO

    @property
    def left(self) -> Usd:
        """What can still be lent; negative after an overdraft or a lowered limit; nothing without a limit."""
        return ZERO if self.limit is None else self.limit - self.spent - self.lent


@dataclass(frozen=True, slots=True)
class TeamStatus:
    """A shared scope at one moment, with its open leases, oldest first: their holders, and which of them have expired."""

    balance: TeamBalance
    leases: tuple[Lease, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A settled turn as the team sees it: what it cost and what came of it, and nothing that was said.

    What is booked of a turn after that is another figure of the same turn, with the difference.

    `seq` numbers a gateway's figures from 1 without gaps. `session_id` means something only to that gateway, and `project` is
    what the gateway's owner chose to tell of it.
    """

    seq: int
    turn_id: str
    session_id: str
    person: str
    project: str
    model: str
    agent: str
    cost: Usd
    at_ms: int
    outcome: str
    tokens: Tokens = NO_TOKENS
    calls: int = 0
    unpriced_calls: int = 0


@dataclass(frozen=True, slots=True)
class FigureSum:
    """Turns of one team that agree in person, project, model, agent and outcome, added up."""

    person: str
    project: str
    model: str
    agent: str
    outcome: str
    turns: int
    calls: int
    unpriced_calls: int
    cost: Usd
    tokens: Tokens
