"""What a gateway keeps for its team's bank: its leases with the requests on their way, and the figures not yet reported."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, select, text
from sqlalchemy.dialects.sqlite import insert

from gateway.domain.budget import ScopeKind
from gateway.domain.lease import Figure, Lease, LeaseState, Lending, Loan, LoanState, Renewal, TeamScope
from gateway.domain.money import Usd
from gateway.domain.usage import Tokens
from gateway.ports import StoreError
from gateway.store import rows, stored
from gateway.store.schema import balances, figures, leases

DAY_MS = 24 * 60 * 60 * 1000
CLOSED_KEPT_MS = 90 * DAY_MS
"""How long a call that is booked late still reaches the bank."""
FIGURES_MAX = 1_000_000
"""Figures that wait for a bank which is away; beyond that the store refuses to write, and says so."""


def keep(connection: Connection, loan: Loan, now_ms: int) -> None:
    """Write a loan as it is now."""
    row = {
        "id": loan.id,
        "team": loan.scope.team,
        "period": loan.scope.period,
        "lease": None if loan.lease is None else rows.dump(_lease_json(loan.lease)),
        "pending": None if loan.pending is None else rows.dump(_request_json(loan.pending)),
        "told": rows.nano(loan.told),
        "state": loan.state.value,
        "at_ms": now_ms,
    }
    statement = insert(leases).values(row)
    rest = {name: statement.excluded[name] for name in row if name != "id"}
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=rest))


def find(connection: Connection, loan_id: str) -> Loan | None:
    """See `View.loan`."""
    row = connection.execute(select(leases).where(leases.c.id == loan_id)).mappings().one_or_none()
    return None if row is None else _loan_of(row)


def unclosed(connection: Connection) -> tuple[Loan, ...]:
    """See `View.loans`."""
    query = select(leases).where(leases.c.state != LoanState.CLOSED).order_by(leases.c.seq)
    return tuple(_loan_of(row) for row in connection.execute(query).mappings())


def untold(connection: Connection, limit: int) -> tuple[tuple[Loan, Usd], ...]:
    """See `View.untold`."""
    key = leases.c.team + ":" + leases.c.period + ":" + leases.c.id
    query = (
        select(leases, balances.c.spent)
        .join(balances, (balances.c.kind == ScopeKind.TEAM) & (balances.c.key == key))
        .where(leases.c.state != LoanState.OPEN, leases.c.lease.is_not(None), balances.c.spent > leases.c.told)
        .order_by(leases.c.seq)
        .limit(limit)
    )
    return tuple((_loan_of(row), Usd(row["spent"])) for row in connection.execute(query).mappings())


def append(connection: Connection, new: Sequence[Figure]) -> None:
    """Keep figures for the bank, numbered on without gaps. Raises StoreError once too many wait."""
    if not new:
        return
    if (connection.scalar(select(func.count()).select_from(figures)) or 0) + len(new) > FIGURES_MAX:
        raise StoreError(
            f"{FIGURES_MAX} figures wait for the team's bank: mend it, or take bank.url out of the settings"
        )
    for figure in new:
        connection.execute(insert(figures).values(figure=rows.dump(_figure_json(figure))))


def forget(connection: Connection, up_to: int) -> None:
    """The bank has the figures up to this number."""
    if up_to:
        connection.execute(delete(figures).where(figures.c.seq <= up_to))


def renumber(connection: Connection, first: int) -> None:
    """Number the figures that wait on from `first`, and those to come after them."""
    if not first:
        return
    lowest = connection.scalar(select(func.min(figures.c.seq)))
    if lowest is None or lowest == first:
        return
    found = connection.execute(select(figures).order_by(figures.c.seq)).mappings().all()
    connection.execute(delete(figures))
    for number, row in enumerate(found, first):
        connection.execute(insert(figures).values(seq=number, figure=row["figure"]))
    newest = {"seq": first + len(found) - 1}
    connection.execute(text("UPDATE sqlite_sequence SET seq = :seq WHERE name = 'figures'"), newest)


def waiting(connection: Connection, limit: int) -> tuple[Figure, ...]:
    """See `View.figures`."""
    found = connection.execute(select(figures).order_by(figures.c.seq).limit(limit)).mappings()
    return tuple(_figure_of(row) for row in found)


def prune(connection: Connection, now_ms: int) -> None:
    """Forget the leases that were closed long ago."""
    old = (leases.c.state == LoanState.CLOSED) & (leases.c.at_ms < now_ms - CLOSED_KEPT_MS)
    connection.execute(delete(leases).where(old))


# ------------------------------------------------------------------------------------------------------------------ JSON
def _scope_json(scope: TeamScope) -> list[str]:
    return [scope.team, scope.period]


def _lease_json(lease: Lease) -> dict[str, Any]:
    return {
        "id": lease.id,
        "scope": _scope_json(lease.scope),
        "gateway": lease.gateway,
        "epoch": lease.epoch,
        "lent": rows.nano(lease.lent),
        "spent": rows.nano(lease.spent),
        "lasts_ms": lease.lasts_ms,
        "state": lease.state.value,
    }


def _request_json(request: Lending | Renewal) -> dict[str, Any]:
    terms = {"id": request.id, "want": request.want.nano, "least": request.least.nano, "lasts_ms": request.lasts_ms}
    if isinstance(request, Renewal):
        return terms | {"lease": _lease_json(request.lease), "spent": rows.nano(request.spent)}
    return terms | {"scope": _scope_json(request.scope), "gateway": request.gateway}


def _figure_json(figure: Figure) -> dict[str, Any]:
    texts = {name: getattr(figure, name) for name in _TEXTS}
    counts = {name: getattr(figure, name) for name in _COUNTS}
    tokens = {name: getattr(figure.tokens, name) for name in _TOKENS}
    return texts | counts | {"cost": rows.nano(figure.cost), "tokens": tokens}


_TEXTS = ("turn_id", "session_id", "person", "project", "model", "agent", "outcome")
_COUNTS = ("at_ms", "calls", "unpriced_calls")
_TOKENS = tuple(Tokens.__dataclass_fields__)


def _loan_of(row: rows.Row) -> Loan:
    with stored.reading(f"lease {row['id']}"):
        return Loan(
            id=row["id"],
            scope=TeamScope(row["team"], row["period"]),
            lease=None if row["lease"] is None else _lease_of(json.loads(row["lease"])),
            pending=None if row["pending"] is None else _request_of(json.loads(row["pending"])),
            told=Usd(row["told"]),
            state=LoanState(row["state"]),
        )


def _scope_of(facts: Any) -> TeamScope:
    team, period, *_ = _texts(stored.members(stored.field(facts, "scope", list), "scope", 2))
    return TeamScope(team, period)


def _texts(values: Iterable[Any]) -> list[str]:
    return [stored.typed(value, str, "scope") for value in values]


def _lease_of(facts: Any) -> Lease:
    return Lease(
        id=stored.field(facts, "id", str),
        scope=_scope_of(facts),
        gateway=stored.field(facts, "gateway", str),
        epoch=stored.field(facts, "epoch", int),
        lent=Usd(stored.field(facts, "lent", int)),
        spent=Usd(stored.field(facts, "spent", int)),
        lasts_ms=stored.field(facts, "lasts_ms", int),
        state=LeaseState(stored.field(facts, "state", str)),
    )


def _request_of(facts: Any) -> Lending | Renewal:
    request_id, lasts_ms = stored.field(facts, "id", str), stored.field(facts, "lasts_ms", int)
    want, least = (Usd(stored.field(facts, name, int)) for name in ("want", "least"))
    if "lease" in facts:
        lease, spent = _lease_of(facts["lease"]), Usd(stored.field(facts, "spent", int))
        return Renewal(request_id, lease, spent, want, least, lasts_ms)
    return Lending(request_id, _scope_of(facts), stored.field(facts, "gateway", str), want, least, lasts_ms)


def _figure_of(row: rows.Row) -> Figure:
    with stored.reading(f"figure {row['seq']}"):
        facts = json.loads(row["figure"])
        texts: dict[str, Any] = {name: stored.field(facts, name, str) for name in _TEXTS}
        counts: dict[str, Any] = {name: stored.field(facts, name, int) for name in _COUNTS}
        told = stored.field(facts, "tokens", dict)
        tokens = Tokens(**{name: stored.field(told, name, int, 0) for name in _TOKENS})
        return Figure(seq=row["seq"], **texts, **counts, cost=Usd(stored.field(facts, "cost", int)), tokens=tokens)
