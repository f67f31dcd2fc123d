"""Limits and what stands against them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.domain.money import ZERO, Usd


class ScopeKind(StrEnum):
    """What a limit can stand on; every scope that applies to a turn must agree."""

    TURN = "turn"
    """One turn: nothing is booked on it, its own figures are on the turn."""
    SESSION = "session"
    PROJECT = "project"
    """A repository, or a directory that is in none."""
    PERSON = "person"
    CHAT = "chat"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUOTA = "quota"
    """A window of a subscription, as the agent tells it; nothing is booked on it."""
    TEAM = "team"
    """A lease from the team's bank; its key is `TEAM:PERIOD:LEASE`, so that its balance is what became of that lease."""


PERIODS = (ScopeKind.DAY, ScopeKind.WEEK, ScopeKind.MONTH)
"""Kinds that end by the owner's calendar; another of the kind begins then."""
BOOKED = (ScopeKind.SESSION, ScopeKind.PROJECT, ScopeKind.PERSON, ScopeKind.CHAT, *PERIODS)
"""Kinds that every turn counts on, and on which people set limits; a team's limit is its bank's."""


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """One thing with a limit: `Scope(SESSION, "s_1")`, `Scope(DAY, "2026-01-31")`, `Scope(WEEK, "2026-W05")`."""

    kind: ScopeKind
    key: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.key}"


class Unit(StrEnum):
    """What a limit counts, and in what an amount of it is told."""

    USD = "usd"
    """Nano-dollars. The only one that is held; the others are counted, and looked at after each call."""
    TOKENS = "tokens"
    CALLS = "calls"
    WORK_MS = "work_ms"
    """Milliseconds in which an agent worked; its waiting for a person is no work."""
    PACE = "pace"
    """Nano-dollars per minute of work."""
    PERCENT = "percent"
    """Hundredths of a subscription's window."""


@dataclass(frozen=True, slots=True)
class Lift:
    """A limit is higher by so much, in its unit (a lower one: less than nothing); for as long as it says, or as its holder lasts."""

    scope: Scope
    unit: Unit
    by: int
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What is counted beside money: tokens, API calls, milliseconds of work."""

    tokens: int = 0
    calls: int = 0
    work_ms: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.tokens + other.tokens, self.calls + other.calls, self.work_ms + other.work_ms)


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits on what is counted, in the same units; None: there is none."""

    tokens: int | None = None
    calls: int | None = None
    work_ms: int | None = None

    def over(self, other: "Caps") -> "Caps":
        """These limits, and the other ones where there is none."""
        return Caps(
            other.tokens if self.tokens is None else self.tokens,
            other.calls if self.calls is None else self.calls,
            other.work_ms if self.work_ms is None else self.work_ms,
        )


NO_COUNTS = Counts()
NO_CAPS = Caps()


@dataclass(frozen=True, slots=True)
class Balance:
    """A scope's fold over the ledger (`after`): its limits (None: none was ever set), what is spent, held and counted."""

    scope: Scope
    limit: Usd | None
    spent: Usd = ZERO
    held: Usd = ZERO
    counts: Counts = NO_COUNTS
    caps: Caps = NO_CAPS

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
            self.counts + entry.counts,
            entry.caps.over(self.caps),
        )

    def lifted(self, lifts: Iterable[Lift]) -> "Balance":
        """The balance with its limits higher by what the lifts say of its scope; where there is no limit, none is made."""
        mine = [lift for lift in lifts if lift.scope == self.scope]

        def higher(limit: int | None, unit: Unit) -> int | None:
            return None if limit is None else limit + sum(lift.by for lift in mine if lift.unit is unit)

        if not mine:
            return self
        limit = higher(None if self.limit is None else self.limit.nano, Unit.USD)
        caps = Caps(
            higher(self.caps.tokens, Unit.TOKENS),
            higher(self.caps.calls, Unit.CALLS),
            higher(self.caps.work_ms, Unit.WORK_MS),
        )
        return replace(self, limit=None if limit is None else Usd(limit), caps=caps)


@dataclass(frozen=True, slots=True)
class Quota:
    """A window of a subscription as its agent told it last: how many hundredths are used, and when it begins anew.

    `window` is the agent's own name for it: `five_hour`, `seven_day`.
    """

    agent: str
    window: str
    percent: int
    told_at_ms: int
    resets_at_ms: int | None = None


class EntryKind(StrEnum):
    """What a ledger entry records. The ledger is append-only: a mistake is mended by another entry."""

    LIMIT = "limit"
    """A limit was set, or raised for as long as its scope lasts: who and why are on the entry."""
    RAISED = "raised"
    """A limit is higher for a turn (`turn_id`), or until a time (`until_ms`): by how much is in the detail."""
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
    THRESHOLD = "threshold"
    """In a chat people are asked above another amount: which chat, and both amounts, are in the detail, as JSON. No balance changes."""
    GRANT = "grant"
    """Somebody may do more, less or something else than before: what, is in the detail, as JSON. No balance changes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger before it is written: the store adds its number, time and hash.

    `spent`, `held` and `counts` are changes, applied to every scope named; `limit` and `caps` replace the limits of every
    scope named.
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
    counts: Counts = NO_COUNTS
    caps: Caps = NO_CAPS
    until_ms: int | None = None
    """For RAISED: when it is over."""
