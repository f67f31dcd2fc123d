"""Limits and what stands against them."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.money import ZERO, Usd


class ScopeKind(StrEnum):
    """What a limit can stand on; every scope that applies to a turn must agree."""

    SESSION = "session"
    PROJECT = "project"
    """A repository, or a directory that is in none."""
    PERSON = "person"
    CHAT = "chat"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """One thing with a limit: `Scope(SESSION, "s_1")`, `Scope(DAY, "2026-01-31")`, `Scope(WEEK, "2026-W05")`."""

    kind: ScopeKind
    key: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.key}"


@dataclass(frozen=True, slots=True)
class Balance:
    """A scope's fold over the ledger (`after`): its limit (None: no limit was ever set), what is spent and what is held."""

    scope: Scope
    limit: Usd | None
    spent: Usd = ZERO
    held: Usd = ZERO

    @property
    def remaining(self) -> Usd | None:
        """What is neither spent nor held; negative after an overdraft; None without a limit."""
        return None if self.limit is None else self.limit - self.spent - self.held

    def after(self, entry: "Entry") -> "Balance":
        """The balance once the entry is written. To free more than is held frees what is held."""
        if self.scope not in entry.scopes:
            return self
        return Balance(
            self.scope,
            self.limit if entry.limit is None else entry.limit,
            self.spent + entry.spent,
            max(ZERO, self.held + entry.held),
        )


class EntryKind(StrEnum):
    """What a ledger entry records. The ledger is append-only: a mistake is mended by another entry."""

    LIMIT = "limit"
    """A limit was set or raised: who and why are on the entry."""
    HOLD = "hold"
    """A turn's hold was taken or grew."""
    CALL = "call"
    """An API call was metered: spent goes up, the turn's hold goes down by as much of it as is left."""
    RECONCILED = "reconciled"
    """The agent's own total differed from the sum of its calls: the difference, either way."""
    REPRICED = "repriced"
    """A list price is known by now for a CALL or RECONCILED entry that had none: spent goes up, that entry stays as it is."""
    SETTLED = "settled"
    """A turn ended: what was left of its hold is free again."""
    VOIDED = "voided"
    """A turn never ran: its hold is free again."""
    FREEZE = "freeze"
    """`/stop all`: new paid turns are refused."""
    THAW = "thaw"
    """`/go`: paid turns may start again."""
    POLICY = "policy"
    """The gateway started with other limits in its settings: they are in the detail, as JSON."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger before it is written: the store adds its number, time and hash.

    `spent` and `held` are changes, applied to every scope named; `limit` replaces the limit of every scope named.
    """

    kind: EntryKind
    scopes: tuple[Scope, ...]
    turn_id: str | None = None
    session_id: str | None = None
    who: str = ""
    why: str = ""
    spent: Usd = ZERO
    held: Usd = ZERO
    limit: Usd | None = None
    call_id: str | None = None
    """Unique over the whole ledger where it is set."""
    detail: str = ""
    """Facts of this kind of entry as JSON: for a call its model, loop, tier and tokens by class."""
