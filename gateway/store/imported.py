"""Turns that agents' own logs tell of: the newest of each agent, for the forecast alone."""

from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import Connection, bindparam, delete, insert, select

from gateway.core.first_call import FirstCall
from gateway.core.forecast import Past
from gateway.core.imported import KEPT_MAX, Imported, logs_of
from gateway.domain.money import Usd
from gateway.domain.place import Role
from gateway.store import rows
from gateway.store.prepared import Prepared
from gateway.store.schema import grants, imported_turns

_OWNS = (
    select(grants.c.person)
    .where(grants.c.person == bindparam("person"), grants.c.role == Role.OWNER)
    .correlate(None)
    .exists()
)
_LATEST = Prepared(
    select(
        *(imported_turns.c.ended_at_ms, imported_turns.c.session, imported_turns.c.model, imported_turns.c.spent),
        *(imported_turns.c.p90, imported_turns.c.warm, imported_turns.c.expected, imported_turns.c.at_least),
    )
    .where(imported_turns.c.agent == bindparam("agent"), _OWNS)
    .order_by(imported_turns.c.ended_at_ms.desc())
    .limit(bindparam("most"))
)


def keep(connection: Connection, turns: Sequence[Imported]) -> None:
    """See `Store.import_turns`."""
    connection.execute(delete(imported_turns))
    kept: dict[str, int] = {}
    for one in sorted(turns, key=lambda one: -one.ended_at_ms):
        kept[one.agent] = kept.get(one.agent, 0) + 1
        if kept[one.agent] <= KEPT_MAX:
            connection.execute(insert(imported_turns).values(_row(one)))


def latest(connection: Connection, person: str, agent: str, limit: int) -> list[tuple[int, Past]]:
    """When the newest ended, and what the forecast looks at in them; none for who does not own the gateway."""
    asked = {"person": person, "agent": logs_of(agent), "most": limit}
    return [(ended_at_ms, _past(*rest)) for ended_at_ms, *rest in _LATEST.values(connection, asked)[1]]


def _row(one: Imported) -> dict[str, object]:
    past = one.past
    return {
        "agent": one.agent,
        "session": past.session_id,
        "prompt": one.prompt,
        "ended_at_ms": one.ended_at_ms,
        "model": past.model or "",
        "spent": rows.nano(past.cost),
        "p90": rows.optional_nano(past.p90),
        "warm": rows.optional_nano(past.first.warm if past.first else None),
        "expected": rows.optional_nano(past.first.expected if past.first else None),
        "at_least": int(past.at_least),
    }


@lru_cache(maxsize=2 * KEPT_MAX)
def _past(
    session: str, model: str, spent: int, p90: int | None, warm: int | None, expected: int | None, at_least: int
) -> Past:
    """Each verdict looks at hundreds of them, which never change: they are kept."""
    first = None if warm is None or expected is None else FirstCall(Usd(warm), Usd(expected))
    return Past(session, first, Usd(spent), rows.usd(p90), at_least=bool(at_least), model=model, imported=True)
