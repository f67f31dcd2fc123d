"""What people chose for their chats, and where a service was told which commands to offer."""

from dataclasses import asdict

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from gateway.domain.money import Usd
from gateway.domain.place import Thread
from gateway.domain.preferences import Offered, Preferences, Verbosity
from gateway.store import stored
from gateway.store.prepared import Prepared
from gateway.store.rows import Row
from gateway.store.schema import offered, preferences

OF_CHAT = Prepared(
    select(preferences).where(preferences.c.service == bindparam("service"), preferences.c.chat == bindparam("chat"))
)

WITH_DIGEST = Prepared(
    select(preferences)
    .where(preferences.c.service == bindparam("service"), preferences.c.digest != "")
    .order_by(preferences.c.chat)
)


def keep(connection: Connection, one: Preferences) -> None:
    """Write what a chat's people chose, in place of what they chose before."""
    above = one.confirm_above
    row = asdict(one) | {"confirm_above": None if above is None else above.nano}
    statement = insert(preferences).values(row)
    rest = {name: statement.excluded[name] for name in row if name not in ("service", "chat")}
    connection.execute(statement.on_conflict_do_update(index_elements=["service", "chat"], set_=rest))


def of_row(thread: Thread, found: Row | None) -> Preferences:
    """See `View.preferences`."""
    if found is None:
        return Preferences(thread.service, thread.chat)
    with stored.reading(f"preferences of chat {thread.chat}"):
        above = found["confirm_above"]
        return Preferences(
            service=found["service"],
            chat=found["chat"],
            verbosity=Verbosity(found["verbosity"]),
            confirm_above=None if above is None else Usd(above),
            confirm_by=found["confirm_by"],
            quiet=found["quiet"],
            digest=found["digest"],
            digest_for=found["digest_for"],
            digest_told=found["digest_told"],
        )


def note(connection: Connection, one: Offered) -> None:
    """Note that a chat's commands were told, or taken back."""
    here = {"service": one.service, "chat": one.chat}
    if one.gone:
        connection.execute(delete(offered).filter_by(**here))
    else:
        connection.execute(insert(offered).values(here).on_conflict_do_nothing())


def told(connection: Connection, service: str) -> tuple[str, ...]:
    """See `View.offered`."""
    query = select(offered.c.chat).where(offered.c.service == service).order_by(offered.c.chat)
    return tuple(connection.execute(query).scalars())
