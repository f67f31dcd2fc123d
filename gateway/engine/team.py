"""Limits that several gateways share, as decisions see them: what is lent, what the bank said last, what it will be told."""

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import PurePath
from typing import Literal

import anyio

from gateway.core import scopes
from gateway.core.lease import Holding, LeaseTerms, expired
from gateway.core.turn import ENDED
from gateway.domain.budget import Balance, Scope, ScopeKind
from gateway.domain.lease import Figure, LoanState, Renewal, TeamBalance, TeamScope, lease_of, lease_scope
from gateway.domain.money import ZERO
from gateway.domain.place import Session
from gateway.domain.turn import Turn
from gateway.domain.usage import Tokens
from gateway.ports import View
from gateway.view import team_words

EVER = "ever"


async def nobody(_turn_id: str) -> None:
    """No engine runs yet that could ask the bank."""


@dataclass(slots=True)
class Team:
    """The team, this gateway's name in it, and what it remembers of its leases beside the store. All of that can be lost.

    `periods`: which limits are shared, of `day`, `week`, `month` and `ever`; each is a lease of its own.
    """

    name: str
    gateway: str
    terms: LeaseTerms
    periods: tuple[str, ...] = ("month",)
    project: Literal["last", "hash", "full"] = "last"
    """What the team is told of a project: its directory's name, a hash of its path, or the path."""
    asked: dict[str, int] = field(default_factory=dict[str, int])
    """By lease: at which tick it was asked for what the bank told of it; one that is missing was asked for before a restart."""
    said: dict[TeamScope, TeamBalance] = field(default_factory=dict[TeamScope, TeamBalance])
    """How shared scopes stand, as the bank said last."""
    away: str = ""
    """Why the bank could not be reached when it was asked last; empty: it answered."""
    woken: anyio.Event = field(default_factory=anyio.Event)
    """Set when a lease or the figures changed; replaced by who waits for it."""
    relieve: Callable[[str], Awaitable[None]] = nobody
    """Ask the bank once for a turn that only its lease stands in the way of: the running engine's own."""

    def shared(self, today: date) -> tuple[TeamScope, ...]:
        """The scopes that turns count against which begin today."""
        return tuple(
            TeamScope(self.name, "" if kind == EVER else scopes.period(ScopeKind(kind), today)) for kind in self.periods
        )

    def scopes(self, view: View, today: date) -> tuple[Scope, ...]:
        """What a turn counts against that begins now: a lease of each shared scope, or none, of which nothing can be held."""
        held = {loan.scope: loan.id for loan in view.loans() if loan.state is LoanState.OPEN and loan.lease is not None}
        return tuple(lease_scope(shared, held.get(shared, "")) for shared in self.shared(today))

    def balance(self, view: View, balance: Balance, tick: int) -> Balance:
        """A lease as the gate sees it: all that is lent can be held while it is live, and nothing of it is left otherwise.

        While a renewal is on its way it counts as shrunk to what was asked for: the bank may have answered already.
        """
        loan = view.loan(lease_of(balance.scope)[1])
        if loan is None or loan.lease is None or not self._live(view, balance.scope, tick):
            return replace(balance, limit=balance.spent)
        lent = loan.lease.lent
        if isinstance(loan.pending, Renewal):
            lent = min(lent, loan.pending.spent + loan.pending.want)
        return replace(balance, limit=lent)

    def shown(self, balance: Balance) -> Balance | None:
        """A lease's balance as people are told of it: what is left of the team's limit, and not of the lease.

        None where the bank did not say or is away, or there is no limit.
        """
        said = self.said.get(lease_of(balance.scope)[0])
        if said is None or said.limit is None or self.away:
            return None
        free = max(ZERO, balance.remaining or ZERO)
        return Balance(balance.scope, said.limit, said.spent, max(ZERO, said.lent - free))

    def lent(self, view: View, counted: Iterable[Scope], tick: int) -> bool:
        """Whether every lease among the scopes is live: a turn on one that is not starts nothing, and pauses."""
        return all(self._live(view, scope, tick) for scope in counted if scope.kind is ScopeKind.TEAM)

    def _live(self, view: View, scope: Scope, tick: int) -> bool:
        loan = view.loan(lease_of(scope)[1])
        if loan is None or loan.lease is None or loan.state is not LoanState.OPEN:
            return False
        return not expired(Holding(loan.lease, self.asked.get(loan.id)), self.terms, tick)

    def why(self, counted: Iterable[Scope]) -> str:
        """Why a turn that the team's limit has room for cannot run, as far as is known."""
        if self.away:
            return team_words.UNREACHED
        shared = [lease_of(scope)[0] for scope in counted if scope.kind is ScopeKind.TEAM]
        unlimited = [one for one in shared if (said := self.said.get(one)) is not None and said.limit is None]
        for one in unlimited:
            kind = one.standing.period if one.standing else EVER
            return team_words.no_limit(str(one), kind)
        return team_words.LENDS_NOTHING

    # ---------------------------------------------------------------------------------------------------------- figures
    def figures(self, view: View, put: Iterable[object], now_ms: int) -> tuple[Figure, ...]:
        """What the bank is told of the turns that are being written: each once when it ends, and what comes later besides."""
        turns = {one.id: one for one in put if isinstance(one, Turn) and one.state in ENDED and one.scopes}
        found = (self._figure(view, turn, now_ms) for turn in turns.values())
        return tuple(figure for figure in found if figure is not None)

    def _figure(self, view: View, turn: Turn, now_ms: int) -> Figure | None:
        session, before = view.session(turn.session_id), view.turn(turn.id)
        if session is None:
            return None
        figure = Figure(
            seq=0,
            turn_id=turn.id,
            session_id=session.id,
            person=turn.person,
            project=self._project(session),
            model=turn.model or "",
            agent=session.agent,
            cost=max(ZERO, turn.spent),
            at_ms=turn.ended_at_ms if turn.ended_at_ms is not None else now_ms,
            outcome=turn.outcome.kind.value if turn.outcome is not None else turn.state.value,
            tokens=turn.tokens,
            calls=turn.calls,
            unpriced_calls=turn.unpriced_calls,
        )
        if before is None or before.state not in ENDED:
            return figure
        # A call that was told of late: what it adds is a figure of the same turn.
        late = replace(
            figure,
            cost=max(ZERO, turn.spent - before.spent),
            tokens=_more(turn.tokens, before.tokens),
            calls=max(0, turn.calls - before.calls),
            unpriced_calls=max(0, turn.unpriced_calls - before.unpriced_calls),
        )
        return late if late.cost or late.calls or late.tokens.total else None

    def _project(self, session: Session) -> str:
        path = session.project or session.directory
        match self.project:
            case "full":
                return path
            case "hash":
                return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:16]
            case "last":
                return PurePath(path).name


def _more(now: Tokens, before: Tokens) -> Tokens:
    names = Tokens.__dataclass_fields__
    return Tokens(**{name: max(0, getattr(now, name) - getattr(before, name)) for name in names})
