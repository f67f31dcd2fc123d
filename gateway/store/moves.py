"""A group that goes by another number: everything that names it moves at once. And chats that the bot had to leave.

Messages are numbered anew there, so what was sent before is known in the new chat under no name: its rows keep their place in the
old one, and give their name free for whatever is said under it next.
"""

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from gateway.domain.effects import LEAVE_REF
from gateway.domain.events import Moved
from gateway.domain.place import Thread
from gateway.store.schema import approvals, moved_chats, outbox, preferences, sessions, threads, turns

RETIRED = "moved:"
"""How the names of messages begin that stand in a chat which has moved since."""


def moves(connection: Connection, service: str) -> tuple[tuple[str, str], ...]:
    """(before, after) of each group of the service."""
    query = select(moved_chats.c.before, moved_chats.c.after).where(moved_chats.c.service == service)
    return tuple((before, after) for before, after in connection.execute(query.order_by(moved_chats.c.at_ms)))


def move(connection: Connection, moved: Moved, now_ms: int) -> None:
    """Move everything; what moved before stays as it is."""
    row = {"service": moved.service, "before": moved.before, "after": moved.after, "at_ms": now_ms}
    connection.execute(insert(moved_chats).values(row).on_conflict_do_nothing())
    _threads(connection, moved)
    _preferences(connection, moved)
    there = select(sessions.c.id).where(sessions.c.service == moved.service, sessions.c.chat == moved.before)
    connection.execute(update(turns).where(turns.c.session_id.in_(there)).values(message_id=""))
    for table in (sessions, approvals):
        here = (table.c.service == moved.service) & (table.c.chat == moved.before)
        connection.execute(update(table).where(here).values(chat=moved.after))
    _outbox(connection, moved)


def _threads(connection: Connection, moved: Moved) -> None:
    """Where the new chat has a current session already, that one stays."""
    here = (threads.c.service == moved.service) & (threads.c.chat == moved.before)
    there = select(threads.c.topic).where(threads.c.service == moved.service, threads.c.chat == moved.after)
    connection.execute(delete(threads).where(here, threads.c.topic.in_(there)))
    connection.execute(update(threads).where(here).values(chat=moved.after))


def _preferences(connection: Connection, moved: Moved) -> None:
    """What was chosen for the chat, among it from which amount on people are asked; what was chosen under the new number stays."""
    here, there = (
        (preferences.c.service == moved.service) & (preferences.c.chat == chat) for chat in (moved.before, moved.after)
    )
    if connection.execute(select(preferences.c.chat).where(there)).first() is None:
        connection.execute(update(preferences).where(here).values(chat=moved.after))


def _outbox(connection: Connection, moved: Moved) -> None:
    here = (outbox.c.service == moved.service) & (outbox.c.chat == moved.before)
    there = (outbox.c.service == moved.service) & outbox.c.chat.in_((moved.before, moved.after))
    # Whoever is known under either number stays: to leave was decided before it was known that they are one.
    leaving = there & (outbox.c.state == "waiting") & outbox.c.ref.startswith(LEAVE_REF)
    connection.execute(update(outbox).where(leaving).values(state="rejected", reason="the group has moved", body=""))
    sent = here & (outbox.c.state == "sent") & ~outbox.c.ref.startswith(RETIRED)
    for ref in connection.scalars(select(outbox.c.ref).where(sent).distinct()).all():
        retire(connection, ref)
    unsent = here & outbox.c.state.in_(("waiting", "sending", "uncertain"))
    connection.execute(update(outbox).where(unsent).values(chat=moved.after, not_before_ms=0))


def retire(connection: Connection, ref: str) -> None:
    """The sent parts of a message stay behind: nothing is there under this name. A change that waits becomes a new message."""
    name = f"{RETIRED}{ref}"
    connection.execute(delete(outbox).where(outbox.c.ref == name))
    sent = (outbox.c.ref == ref) & (outbox.c.edit == 0) & (outbox.c.state == "sent")
    connection.execute(update(outbox).where(sent).values(ref=name))
    follow(connection, ref)


def follow(connection: Connection, ref: str) -> None:
    """Where nothing is left of a message but a change of it that waits, the change is the message."""
    sends = (outbox.c.ref == ref) & (outbox.c.edit == 0) & (outbox.c.state != "superseded")
    if stayed_behind(connection, ref) and connection.scalar(select(outbox.c.id).where(sends).limit(1)) is None:
        change = (outbox.c.ref == ref) & (outbox.c.edit == 1) & (outbox.c.state == "waiting")
        connection.execute(update(outbox).where(change).values(edit=0, part=0))


def stayed_behind(connection: Connection, ref: str) -> bool:
    """Whether a message of this name stands in a chat that has moved since."""
    return connection.scalar(select(outbox.c.id).where(outbox.c.ref == f"{RETIRED}{ref}").limit(1)) is not None


def leave(connection: Connection, thread: Thread) -> None:
    """Nothing that waits is sent there any more."""
    here = (outbox.c.service == thread.service) & (outbox.c.chat == thread.chat)
    waiting = here & outbox.c.state.in_(("waiting", "uncertain"))
    reason = "the bot is in this chat no more"
    connection.execute(update(outbox).where(waiting).values(state="rejected", reason=reason, body=""))
