"""Settled figures: what turns cost and what came of them, as gateways report them, and their sums."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, distinct, func, select
from sqlalchemy.dialects import postgresql, sqlite

from gateway.bank import words
from gateway.bank.schema import TOKEN_CLASSES, figures
from gateway.domain.lease import Figure, FigureSum
from gateway.domain.money import Usd
from gateway.domain.usage import Tokens
from gateway.ports import BankError

MOST_AT_ONCE = 1000
MOST_SUMS = 10_000
_GROUP = ("person", "project", "model", "agent", "outcome")


def report(connection: Connection, team: str, gateway: str, new: Sequence[Figure]) -> int:
    """See the port."""
    words.check_name(team, "the team")
    words.check_name(gateway, "the gateway's name")
    if len(new) > MOST_AT_ONCE:
        raise BankError(f"{len(new)} figures are too many at once: report {MOST_AT_ONCE} at a time")
    known = last(connection, team, gateway)
    if not new:
        return known
    highest = known
    for figure in new:
        if not 1 <= figure.seq <= highest + 1:
            raise BankError(f"{gateway}'s figures before {figure.seq} are missing: report on from {known + 1}")
        highest = max(highest, figure.seq)
        _check(figure)
    rows = {figure.seq: _row(team, gateway, figure) for figure in new}
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert
    connection.execute(insert(figures).on_conflict_do_nothing(), list(rows.values()))
    _check_kept(connection, team, gateway, rows)
    return highest


def _check(figure: Figure) -> None:
    """Raise BankError for numbers that cannot be meant."""
    words.check_amount(figure.cost, f"figure {figure.seq}'s cost")
    counts = (
        figure.at_ms,
        figure.calls,
        figure.unpriced_calls,
        *(getattr(figure.tokens, one) for one in TOKEN_CLASSES),
    )
    for count in counts:
        words.check_count(count, f"each number of figure {figure.seq}")


def _check_kept(connection: Connection, team: str, gateway: str, rows: Mapping[int, dict[str, Any]]) -> None:
    """Raise BankError if under one of the numbers another figure is kept."""
    query = select(figures).where(
        *(figures.c.team == team, figures.c.gateway == gateway),
        figures.c.seq.between(min(rows), max(rows)),
    )
    for kept in connection.execute(query).mappings():
        if kept["seq"] in rows and dict(kept) != rows[kept["seq"]]:
            raise BankError(
                f"{gateway}'s figure {kept['seq']} is known, with other values: does another gateway, or a restored copy "
                f"of this one, use the name {gateway}? Give each a name of its own"
            )


def last(connection: Connection, team: str, gateway: str) -> int:
    """The number of the gateway's last figure; 0: none."""
    query = select(func.max(figures.c.seq)).where(figures.c.team == team, figures.c.gateway == gateway)
    return connection.scalar(query) or 0


def sums(connection: Connection, team: str, since_ms: int) -> tuple[FigureSum, ...]:
    """See the port; the `MOST_SUMS` dearest, in the order of their names."""
    group = [figures.c[name] for name in _GROUP]
    turns = func.count(distinct(figures.c.gateway + ":" + figures.c.turn_id))  # what came late is a figure of its own
    counted = ("calls", "unpriced_calls", "cost", *TOKEN_CLASSES)
    query = (
        select(*group, turns.label("turns"), *(func.sum(figures.c[name]).label(name) for name in counted))
        .where(figures.c.team == team, figures.c.at_ms >= since_ms)
        .group_by(*group)
        .order_by(func.sum(figures.c.cost).desc(), *group)
        .limit(MOST_SUMS)
    )
    found = [_sum(row) for row in connection.execute(query).mappings()]
    return tuple(sorted(found, key=lambda one: tuple(getattr(one, name) for name in _GROUP)))


def _sum(row: Mapping[Any, Any]) -> FigureSum:
    tokens = Tokens(**{name: int(row[name]) for name in TOKEN_CLASSES})
    who_and_what: dict[str, Any] = {name: row[name] for name in _GROUP}
    counts: dict[str, Any] = {name: int(row[name]) for name in ("turns", "calls", "unpriced_calls")}
    return FigureSum(**who_and_what, **counts, cost=Usd(int(row["cost"])), tokens=tokens)


def _row(team: str, gateway: str, figure: Figure) -> dict[str, Any]:
    texts = ("turn_id", "session_id", "person", "project", "model", "agent", "outcome")
    return {
        "team": team,
        "gateway": gateway,
        "seq": figure.seq,
        "at_ms": figure.at_ms,
        "cost": figure.cost.nano,
        "calls": figure.calls,
        "unpriced_calls": figure.unpriced_calls,
        **{name: words.plain(getattr(figure, name)) for name in texts},
        **{name: getattr(figure.tokens, name) for name in TOKEN_CLASSES},
    }
