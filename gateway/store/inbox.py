"""The inbox: every update once, kept until it is handled or put aside."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, func, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from gateway.ports import StoreError, Update
from gateway.store.prepared import Prepared
from gateway.store.schema import inbox

DAY_MS = 24 * 60 * 60 * 1000
HANDLED_KEPT_MS = 7 * DAY_MS
QUARANTINED_KEPT_MS = 90 * DAY_MS
MOST_WAITING = 10_000
LARGEST_PAYLOAD = 1024 * 1024
"""Bytes. A larger update is put aside at once instead of being offered by the service for ever."""


_HERE = (inbox.c.service == bindparam("of_service")) & (inbox.c.key == bindparam("of_key"))
_KNOWN = Prepared(select(inbox.c.id).where(_HERE))
_WAITING = Prepared(select(func.count()).where(inbox.c.state == "waiting"))
_NEW = Prepared(insert(inbox))
_LOOK = Prepared(select(inbox).where(inbox.c.state == "waiting").order_by(inbox.c.id).limit(bindparam("most")))
_HANDLED = Prepared(update(inbox).where(_HERE, inbox.c.state == "waiting"))


def accept(connection: Connection, update_: Update, now_ms: int) -> bool:
    """Write an update down; False: it was there before. Raises StoreError while too many wait."""
    if _KNOWN.scalar(connection, {"of_service": update_.service, "of_key": update_.key}) is not None:
        return False
    if waiting(connection) >= MOST_WAITING:
        raise StoreError(f"{MOST_WAITING} updates wait to be handled: no more are taken until some are")
    size = len(update_.payload.encode("utf-8", "surrogatepass"))
    too_large = size > LARGEST_PAYLOAD
    row = {
        "service": update_.service,
        "key": update_.key,
        "payload": "" if too_large else update_.payload,
        "received_at_ms": now_ms,
        "state": "quarantined" if too_large else "waiting",
        "reason": f"{size} bytes are more than an update may have" if too_large else "",
    }
    _NEW.change(connection, row)
    return True


def waiting(connection: Connection) -> int:
    """How many updates wait to be handled."""
    return _WAITING.scalar(connection, {}) or 0


def last(connection: Connection) -> int:
    """The number of the update that came last; 0: none did."""
    return connection.scalar(select(func.max(inbox.c.id))) or 0


def look(connection: Connection, limit: int, left: int) -> tuple[Update, ...]:
    """Updates that wait, oldest first. `attempts` says how often each was taken up before; those up to the number `left` were left."""
    found = _LOOK.all(connection, {"most": limit})
    return tuple(
        Update(row["service"], row["key"], row["payload"], row["attempts"], row["id"] <= left) for row in found
    )


def take_up(connection: Connection, updates: Sequence[Update]) -> None:
    """Count an attempt to handle each of them."""
    for one in updates:
        here = (inbox.c.service == one.service) & (inbox.c.key == one.key)
        connection.execute(update(inbox).where(here).values(attempts=inbox.c.attempts + 1))


def handle(connection: Connection, service: str, key: str, now_ms: int) -> None:
    """Take an update out. Raises StoreError unless it waits: handling it again would run it twice."""
    now = {"state": "handled", "payload": "", "handled_at_ms": now_ms}
    if not _HANDLED.change(connection, {"of_service": service, "of_key": key} | now):
        raise StoreError(f"The update {service} {key} does not wait to be handled: nothing was written")


def quarantine(connection: Connection, update_: Update, why: str) -> None:
    """Put an update aside, with the reason."""
    connection.execute(
        update(inbox)
        .where(inbox.c.service == update_.service, inbox.c.key == update_.key, inbox.c.state == "waiting")
        .values(state="quarantined", reason=why)
    )


def prune(connection: Connection, now_ms: int) -> None:
    """Forget what is long done with. Of what was put aside the words go first: nobody knows whose they are."""
    handled = (inbox.c.state == "handled") & (inbox.c.handled_at_ms < now_ms - HANDLED_KEPT_MS)
    aside = (inbox.c.state == "quarantined") & (inbox.c.received_at_ms < now_ms - QUARANTINED_KEPT_MS)
    connection.execute(delete(inbox).where(or_(handled, aside)))
    unreadable = (inbox.c.state == "quarantined") & (inbox.c.received_at_ms < now_ms - HANDLED_KEPT_MS)
    connection.execute(update(inbox).where(unreadable, inbox.c.payload != "").values(payload=""))


def quarantined(connection: Connection) -> tuple[tuple[str, str, str], ...]:
    """(service, key, why) of the updates that were put aside, oldest first."""
    query = select(inbox.c.service, inbox.c.key, inbox.c.reason).where(inbox.c.state == "quarantined")
    return tuple((service, key, why) for service, key, why in connection.execute(query.order_by(inbox.c.id)))
