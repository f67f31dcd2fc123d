"""What is looked at from outside, beside the engine: the newest entries and turns, and what stands in the tables by the number."""

from sqlalchemy import ColumnElement, Connection, Integer, func, literal_column, select, text

from gateway.domain.turn import Turn
from gateway.ports import Heads, Record, Standing
from gateway.store import inbox, rows, turn_rows
from gateway.store.schema import UNPRICED, entries, processes, turns

_ROWID: ColumnElement[int] = literal_column("rowid", Integer)


def heads(connection: Connection) -> Heads:
    """See `View.heads`."""
    entry = connection.scalar(select(func.coalesce(func.max(entries.c.seq), 0)))
    turn = connection.scalar(select(func.coalesce(func.max(_ROWID), 0)).select_from(turns))
    return Heads(entry or 0, turn or 0)


def records(connection: Connection, after: int, limit: int) -> tuple[Record, ...]:
    """See `View.records`. Raises StoreError."""
    query = select(entries).where(entries.c.seq > after).order_by(entries.c.seq).limit(limit)
    return tuple(rows.record_of(row) for row in connection.execute(query).mappings())


def turns_after(connection: Connection, after: int, limit: int) -> tuple[tuple[int, Turn], ...]:
    """See `View.turns_after`. Raises StoreError."""
    # Turns are written over in their place, and none is ever deleted: their numbers are as they came.
    query = select(_ROWID.label("number"), turns).where(after < _ROWID).order_by(_ROWID).limit(limit)
    found = connection.execute(query).mappings()
    return tuple((row["number"], turn_rows.turn_of(row)) for row in found)


def standing(connection: Connection) -> Standing:
    """See `View.standing`."""
    unpriced = select(func.coalesce(func.sum(turns.c.unpriced_calls), 0)).where(text(UNPRICED))
    return Standing(
        updates=inbox.waiting(connection),
        unpriced=connection.scalar(unpriced) or 0,
        processes=connection.scalar(select(func.count()).select_from(processes)) or 0,
    )
