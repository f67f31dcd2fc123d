"""Sessions that went without Tollbridge: the latest of them."""

from dataclasses import asdict

from sqlalchemy import Connection, bindparam, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from gateway.domain.place import UNMETERED_MAX, Unmetered
from gateway.store.inbox import DAY_MS
from gateway.store.schema import unmetered

TOLD_KEPT_MS = DAY_MS
"""What a chat was told of so lately is forgotten last: it is counted."""

_LATEST = (
    select(unmetered.c.session)
    .order_by(
        (func.coalesce(unmetered.c.told_at_ms, 0) > bindparam("told_after_ms")).desc(), unmetered.c.last_ms.desc()
    )
    .offset(UNMETERED_MAX)
)


def keep(connection: Connection, one: Unmetered, now_ms: int) -> None:
    """Write what is known of a session now; what is too much is forgotten, the oldest first."""
    row = asdict(one)
    statement = insert(unmetered).values(row)
    rest = {name: statement.excluded[name] for name in row if name != "session"}
    connection.execute(statement.on_conflict_do_update(index_elements=["session"], set_=rest))
    if (connection.scalar(select(func.count()).select_from(unmetered)) or 0) > UNMETERED_MAX:
        gone = delete(unmetered).where(unmetered.c.session.in_(_LATEST))
        connection.execute(gone, {"told_after_ms": now_ms - TOLD_KEPT_MS})


def find(connection: Connection, session: str) -> Unmetered | None:
    """See `View.unmetered`."""
    row = connection.execute(select(unmetered).where(unmetered.c.session == session)).mappings().one_or_none()
    return None if row is None else Unmetered(**row)


def told(connection: Connection, since_ms: int) -> int:
    """See `View.unmetered_told`."""
    return connection.scalar(select(func.count()).where(unmetered.c.told_at_ms > since_ms)) or 0


def latest(connection: Connection) -> tuple[Unmetered, ...]:
    """All that are kept, the one that was heard of last at the end."""
    query = select(unmetered).order_by(unmetered.c.last_ms, unmetered.c.session)
    return tuple(Unmetered(**row) for row in connection.execute(query).mappings())
