"""The outbox: what is to be said, in the order it was said, each message once.

A send is a row for each of its parts. While a send or an edit waits, a newer edit of the same message replaces its body in
place, so that of many edits only the newest goes out and none loses its turn in the queue. What a caller took before such
a replacement is noticed when it is about to go out: the newer body then follows as an edit.

In each thread one message at a time is offered: the oldest send, so that an answer never waits behind a progress line; with
none, the oldest edit.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, func, insert, select, text, update

from gateway.core.files import CARD_MARK, FILE_MARK, carried
from gateway.domain.place import Thread
from gateway.domain.preferences import Traffic
from gateway.ports import (
    LONGEST_WAIT_MS,
    Delayed,
    Delivered,
    Elsewhere,
    FullError,
    Gone,
    NewPost,
    Post,
    Receipt,
    Rejected,
    StoreError,
    Uncertain,
)
from gateway.store import moves, rows
from gateway.store.inbox import DAY_MS
from gateway.store.prepared import Prepared
from gateway.store.schema import DELAYED, SENT, WAITING, outbox, storable

MOST_WAITING = 10_000
LARGEST_BODY = 64 * 1024
"""Bytes."""
DONE_KEPT_MS = 90 * DAY_MS
"""How long the name of a message is remembered: for edits, and so that it is not said twice."""

MOST_DELAYS = 20
"""So often a message is put back that is delayed for its own sake. (That the whole service is away is not its fault.)"""
GIVE_UP_MS = 6 * 3_600_000
"""And it is not given up sooner after it was said: a service that answers with errors, or wants fewer messages, does so for hours."""
UNSURE_KEPT_MS = 7 * DAY_MS
"""How long the words of a message are kept of which nobody knows whether it has arrived."""
A_REPEAT = 7
"""What repeating an uncertain message takes of that: it is done three times at most."""
EDIT_AGAIN_MS = 1000
"""After which an edit that may not be there is sent again: it says the same however often it is sent."""

_NOT_DELIVERED = "the message to change may not be there"
_UNCHANGEABLE = "cannot be changed any more: "
_NOT_YET = f"{DELAYED} AND not_before_ms > :now_ms AND not_before_ms <= :now_ms + {LONGEST_WAIT_MS}"
"""Delayed, and not yet due. A time further away than any delay was written before the clock was set back."""
_DUE = Prepared(
    text(f"""
    WITH RECURSIVE
    head (id, chat, topic) AS (
        SELECT * FROM (
            SELECT id, chat, topic FROM outbox WHERE service = :service AND {WAITING}
            ORDER BY chat, topic, edit, id LIMIT 1
        )
        UNION ALL
        SELECT next.id, next.chat, next.topic FROM head JOIN outbox AS next ON next.id = coalesce(
            (
                SELECT id FROM outbox
                WHERE service = :service AND {WAITING} AND chat = head.chat AND topic > head.topic
                ORDER BY topic, edit, id LIMIT 1
            ),
            (
                SELECT id FROM outbox WHERE service = :service AND {WAITING} AND chat > head.chat
                ORDER BY chat, topic, edit, id LIMIT 1
            )
        )
    )
    SELECT * FROM outbox WHERE id IN (
        SELECT id FROM head
        WHERE (chat, topic) NOT IN (
            SELECT chat, topic FROM outbox WHERE service = :service AND state = 'sending'
            UNION ALL SELECT chat, topic FROM outbox WHERE service = :service AND {_NOT_YET}
        )
        ORDER BY id LIMIT :limit
    )
    ORDER BY id
""")  # noqa: S608 - made of constants
)
"""From thread to thread along an index, however much waits in each. (For `(chat, topic) > (...)` it reads all of the chat.)"""

_DELAYED = Prepared(
    select(func.min(outbox.c.not_before_ms)).where(outbox.c.service == bindparam("service"), text(_NOT_YET))
)
_NEW = Prepared(insert(outbox))
_CHANGED = Prepared(update(outbox).where(outbox.c.id == bindparam("row_id")))
_FOUND = Prepared(
    select(
        *(outbox.c.id, outbox.c.ref, outbox.c.body, outbox.c.state, outbox.c.edit, outbox.c.attempts, outbox.c.chat),
        outbox.c.created_at_ms,
    ).where(outbox.c.id == bindparam("id"))
)
_SENDS = Prepared(
    select(outbox.c.id, outbox.c.state, outbox.c.message_id, outbox.c.attempts)
    .where(outbox.c.ref == bindparam("ref"), outbox.c.edit == 0, outbox.c.state != "superseded")
    .order_by(outbox.c.part)
)
_IN_EDITS = Prepared(
    select(outbox.c.id)
    .where(outbox.c.ref == bindparam("ref"), outbox.c.edit == 1, outbox.c.state == bindparam("state"))
    .limit(1)
)
_REFUSAL = Prepared(
    select(outbox.c.reason)
    .where(outbox.c.ref == bindparam("ref"), outbox.c.edit == 1, outbox.c.state == "rejected")
    .limit(1)
)
_WAITING = Prepared(select(func.count()).where(outbox.c.state == "waiting"))


def put(connection: Connection, posts: Sequence[NewPost], now_ms: int, *, limited: bool) -> None:
    """Write messages into the outbox. Raises StoreError for a body too large, and FullError, if `limited`, while too many
    wait.
    """
    added = 0
    for post in posts:
        if not post.bodies or any(len(body.encode("utf-8", "surrogatepass")) > LARGEST_BODY for body in post.bodies):
            raise StoreError(
                f"The message {post.ref} is empty or larger than {LARGEST_BODY} bytes: nothing was written"
            )
        added += (_edit if post.edit else _send)(connection, post, now_ms)
    if limited and added and waiting(connection) > MOST_WAITING:
        raise FullError(f"{MOST_WAITING} messages wait to be sent: nothing more is taken on until some are")


def waiting(connection: Connection) -> int:
    """How many messages wait, over all services."""
    return _WAITING.scalar(connection, {}) or 0


def _send(connection: Connection, post: NewPost, now_ms: int) -> int:
    """How many rows were added: none if it was said before."""
    if _sends(connection, post.ref):
        return 0
    for part, body in enumerate(post.bodies):
        _insert(connection, post, now_ms, part=part, body=body, ring=int(post.ring and not part))
    return len(post.bodies)


def _edit(connection: Connection, post: NewPost, now_ms: int) -> int:
    """How many rows were added. What still waits of the message becomes the one new body; what was sent stays."""
    body = post.bodies[-1]
    sends = _sends(connection, post.ref)
    unsent = [send for send in sends if send["state"] == "waiting"]
    if unsent:
        now = {"not_before_ms": 0} if post.at_once and not unsent[0]["attempts"] else {}
        _set(connection, unsent[0]["id"], body=body, **now)
        for rest in unsent[1:]:
            _set(connection, rest["id"], state="superseded", body="")
        return 0
    if not sends and moves.stayed_behind(connection, post.ref):
        _insert(connection, post, now_ms, edit=0, body=body)
        return 1
    if not sends or sends[-1]["state"] in {"uncertain", "rejected"}:
        if not _in_edits(connection, post.ref, "rejected"):
            _insert(connection, post, now_ms, body="", state="rejected", reason=_NOT_DELIVERED)
        return 0
    if (refused := _REFUSAL.scalar(connection, {"ref": post.ref})) and refused.startswith(_UNCHANGEABLE):
        return 0
    if (earlier := _in_edits(connection, post.ref, "waiting")) is not None:
        _set(connection, earlier, body=body)
        return 0
    _insert(connection, post, now_ms, body=body)
    return 1


def _insert(connection: Connection, post: NewPost, now_ms: int, **columns: Any) -> None:
    row = {"part": 0, "state": "waiting", "edit": int(post.edit), "ring": int(post.ring), "ref": post.ref}
    if post.wait_ms:
        row["not_before_ms"] = now_ms + post.wait_ms
    _NEW.change(connection, row | rows.thread_columns(post.thread) | {"created_at_ms": now_ms} | columns)


def _set(connection: Connection, row_id: int, **columns: Any) -> None:
    _CHANGED.change(connection, {"row_id": row_id} | columns)


def _sends(connection: Connection, ref: str) -> Sequence[rows.Row]:
    """The parts of a message that were, or will be, sent."""
    return _SENDS.all(connection, {"ref": ref})


def _in_edits(connection: Connection, ref: str, state: str) -> int | None:
    """The number of an edit of the message in this state."""
    return _IN_EDITS.scalar(connection, {"ref": ref, "state": state})


def message_id(connection: Connection, ref: str) -> str | None:
    """The chat's name for a message's last part, which carries the buttons, once that was delivered."""
    sends = _sends(connection, ref)
    return sends[-1]["message_id"] if sends else None


def is_waiting(connection: Connection, ref: str) -> bool:
    """See `View.is_waiting`."""
    sends = _sends(connection, ref)
    return bool(sends) and all(send["state"] == "waiting" for send in sends)


def ref_of(connection: Connection, thread: Thread, message_id: str) -> str | None:
    """Which message the chat knows under this name, if it was delivered to this thread's chat."""
    here = (outbox.c.service == thread.service) & (outbox.c.chat == thread.chat) & (outbox.c.message_id == message_id)
    return connection.scalar(select(outbox.c.ref).where(here, text(SENT)).limit(1))


def due(connection: Connection, service: str, limit: int, now_ms: int) -> tuple[Post, ...]:
    """The next message of each thread, oldest first; none of a thread with one on its way, or with one that is not due yet."""
    found = _DUE.all(connection, {"service": service, "limit": limit, "now_ms": now_ms})
    return tuple(post for row in found if (post := _post(connection, row)) is not None)


def delayed_ms(connection: Connection, service: str, now_ms: int) -> int | None:
    """In how many milliseconds the first of the delayed messages is due; None: none is delayed."""
    at_ms = _DELAYED.scalar(connection, {"service": service, "now_ms": now_ms})
    return None if at_ms is None else at_ms - now_ms


def _post(connection: Connection, row: rows.Row) -> Post | None:
    """The row as a message; None for an edit of what is not there yet."""
    edits = message_id(connection, row["ref"]) if row["edit"] else None
    if row["edit"] and edits is None:
        return None
    return Post(row["id"], rows.thread_of(row), row["ref"], row["body"], edits, bool(row["ring"]))


def sending(connection: Connection, post: Post, now_ms: int) -> bool:
    """The request is about to go out; False: it must not any more. Raises StoreError if it went out before."""
    row = _found(connection, post)
    if row is None or row["state"] in {"superseded", "rejected"}:
        return False
    if row["state"] != "waiting":
        raise StoreError(f"The message {post.ref} does not wait to be sent: it is not sent twice")
    _set(connection, post.id, state="sending", body=post.body)
    if row["body"] != storable(post.body):
        follow = NewPost(post.thread, post.ref, (row["body"],), edit=True)
        _insert(connection, follow, now_ms, body=row["body"])
    return True


def receipted(connection: Connection, post: Post, receipt: Receipt, now_ms: int) -> Receipt:  # noqa: C901 - one arm a receipt
    """What became of a message: Rejected if it was delayed too often, Delayed for an uncertain edit, which may be repeated.

    Raises StoreError for a message that was not on its way.
    """
    row = _found(connection, post)
    if row is None or row["state"] not in {"sending", "waiting"}:
        raise StoreError(f"The message {post.ref} was not on its way: its receipt means nothing")
    if isinstance(receipt, Uncertain) and row["edit"]:
        receipt = Delayed(EDIT_AGAIN_MS)
    put_off = isinstance(receipt, Elsewhere) or (isinstance(receipt, Delayed) and _is_its_own(receipt))
    may_wait = isinstance(receipt, Delayed) and not row["edit"] and now_ms - row["created_at_ms"] < GIVE_UP_MS
    if put_off and not may_wait and row["attempts"] + 1 >= MOST_DELAYS:
        receipt = Rejected(f"it was put off {MOST_DELAYS} times")
    match receipt:
        case Delivered() if row["edit"]:
            connection.execute(delete(outbox).where(outbox.c.id == row["id"]))
        case Delivered(message_id=name):
            _set(connection, row["id"], state="sent", body="", message_id=name)
            _if_it_stayed_behind(connection, row, post)
        case Elsewhere():
            _put_back(connection, row, row["attempts"] + 1, now_ms)
            moves.follow(connection, post.ref)
        case Delayed(wait_ms=wait_ms):
            # What waits longer than that may still be uncertain once, and repeated.
            more = _is_its_own(receipt) and (row["attempts"] + 1 < MOST_DELAYS or bool(row["edit"]))
            attempts = row["attempts"] + more
            _put_back(connection, row, attempts, now_ms + min(wait_ms, LONGEST_WAIT_MS))
        case Uncertain(why=why):
            _set(connection, row["id"], state="uncertain", reason=why)
            _drop_edits(connection, row)
        case Rejected(why=why, unchangeable=unchangeable):
            if row["edit"]:
                _only_refusal(connection, row)
            reason = f"{_UNCHANGEABLE}{why}" if unchangeable and row["edit"] else why
            _set(connection, row["id"], state="rejected", reason=reason, body="")
            _drop_edits(connection, row)
        case Gone():
            _put_back(connection, row, row["attempts"], 0)
    return receipt


def _is_its_own(delay: Delayed) -> bool:
    """Neither the whole service nor a person who closed its thread is the message's fault."""
    return not (delay.whole_service or delay.closed)


def _only_refusal(connection: Connection, row: rows.Row) -> None:
    """Of the edits of a message that were rejected only the last is remembered."""
    refused = (outbox.c.ref == row["ref"]) & (outbox.c.edit == 1) & (outbox.c.state == "rejected")
    connection.execute(delete(outbox).where(refused))


def _if_it_stayed_behind(connection: Connection, row: rows.Row, post: Post) -> None:
    """It arrived just before its group moved."""
    if row["chat"] != post.thread.chat:
        _set(connection, row["id"], chat=post.thread.chat)
        moves.retire(connection, post.ref)


def move(connection: Connection, old: Thread, new: Thread) -> None:
    """What waits for a thread waits for another one, behind what waits there already."""
    here = [outbox.c[name] == value for name, value in rows.thread_columns(old).items()]
    query = select(outbox).where(*here, text(WAITING)).order_by(outbox.c.id)
    for row in connection.execute(query).mappings().all():
        connection.execute(delete(outbox).where(outbox.c.id == row["id"]))
        moved = {name: value for name, value in row.items() if name != "id"} | rows.thread_columns(new)
        _NEW.change(connection, moved | {"not_before_ms": 0})


def _put_back(connection: Connection, row: rows.Row, attempts: int, not_before_ms: int) -> None:
    _set(connection, row["id"], state="waiting", attempts=attempts, not_before_ms=not_before_ms)
    _take_over(connection, row)


def _found(connection: Connection, post: Post) -> rows.Row | None:
    return _FOUND.one(connection, {"id": post.id})


def _take_over(connection: Connection, row: rows.Row) -> None:
    """What goes back to waiting takes over the body of an edit that came in the meantime."""
    newer = select(outbox.c.id, outbox.c.body).where(
        outbox.c.ref == row["ref"], outbox.c.edit == 1, outbox.c.id != row["id"]
    )
    edit = connection.execute(newer.where(outbox.c.state == "waiting")).mappings().one_or_none()
    if edit is not None:
        _set(connection, row["id"], body=edit["body"])
        connection.execute(delete(outbox).where(outbox.c.id == edit["id"]))


def _drop_edits(connection: Connection, row: rows.Row) -> None:
    """A message that may not be there cannot be changed."""
    if row["edit"]:
        return
    edits = (outbox.c.ref == row["ref"]) & (outbox.c.edit == 1) & (outbox.c.state == "waiting")
    connection.execute(update(outbox).where(edits).values(state="rejected", reason=_NOT_DELIVERED, body=""))


def recover(connection: Connection, now_ms: int) -> None:
    """After a crash: what was on its way is uncertain. An edit says the same however often it is sent, so it waits again."""
    query = select(outbox.c.id, outbox.c.ref, outbox.c.edit, outbox.c.attempts).where(outbox.c.state == "sending")
    for row in connection.execute(query).mappings().all():
        if row["edit"]:
            _put_back(connection, row, row["attempts"] + 1, now_ms)
        else:
            _set(connection, row["id"], state="uncertain", reason="the gateway stopped while it was being sent")
            _drop_edits(connection, row)


def requeue(connection: Connection, ref: str) -> bool:
    """Let the uncertain parts of a message wait again; False: none is uncertain, or they were repeated often enough."""
    uncertain = (outbox.c.ref == ref) & (outbox.c.edit == 0) & (outbox.c.state == "uncertain")
    again = update(outbox).where(uncertain, outbox.c.attempts < MOST_DELAYS)
    again = again.values(state="waiting", reason="", attempts=outbox.c.attempts + A_REPEAT)
    return bool(connection.execute(again).rowcount)


def let_go(connection: Connection, ref: str) -> None:
    """The uncertain parts of a message count as rejected."""
    uncertain = (outbox.c.ref == ref) & (outbox.c.edit == 0) & (outbox.c.state == "uncertain")
    connection.execute(update(outbox).where(uncertain).values(state="rejected", body=""))


def unsure(connection: Connection) -> tuple[tuple[Thread, str, str], ...]:
    """(thread, ref, why) of the messages that may or may not have arrived, oldest first."""
    columns = (outbox.c.service, outbox.c.chat, outbox.c.topic, outbox.c.ref, outbox.c.reason)
    query = select(*columns).where(outbox.c.state == "uncertain", outbox.c.edit == 0)
    query = query.order_by(outbox.c.created_at_ms, outbox.c.id)
    found = connection.execute(query).mappings()
    return tuple(dict.fromkeys((rows.thread_of(row), row["ref"], row["reason"]) for row in found))


def traffic(connection: Connection) -> Traffic:
    """See `View.traffic`."""
    return Traffic(waiting(connection), len({ref for _, ref, _ in unsure(connection)}))


def unsent_files(connection: Connection) -> frozenset[str]:
    """The paths of the files that messages carry which may still be sent."""
    may_be = outbox.c.ref.contains(FILE_MARK) | outbox.c.ref.endswith(CARD_MARK)
    unsent = outbox.c.state.in_(("waiting", "sending", "uncertain")) & may_be
    found = connection.execute(select(outbox.c.ref, outbox.c.body).where(unsent)).all()
    parcels = (carried(ref, body) for ref, body in found)
    return frozenset(parcel.path for parcel in parcels if parcel is not None)


def never_arrived(connection: Connection, since_ms: int) -> tuple[str, ...]:
    """Why each message made since then was rejected, oldest first."""
    rejected = (outbox.c.state == "rejected") & (outbox.c.edit == 0)
    query = select(outbox.c.reason).where(rejected, outbox.c.created_at_ms >= since_ms)
    return tuple(connection.scalars(query.order_by(outbox.c.created_at_ms)))


def prune(connection: Connection, now_ms: int) -> None:
    """Forget messages that are long done with, unless they are still to be changed, and changes of what is forgotten."""
    edits, sends = outbox.alias(), outbox.alias()
    done = outbox.c.state.in_(("sent", "uncertain", "rejected", "superseded"))
    changing = exists().where(edits.c.ref == outbox.c.ref, edits.c.edit == 1, edits.c.state.in_(("waiting", "sending")))
    connection.execute(delete(outbox).where(done, outbox.c.created_at_ms < now_ms - DONE_KEPT_MS, ~changing))
    unsure_still = (outbox.c.state == "uncertain") & (outbox.c.created_at_ms < now_ms - UNSURE_KEPT_MS)
    connection.execute(update(outbox).where(unsure_still).values(state="rejected", body=""))
    forgotten = ~exists().where(sends.c.ref == outbox.c.ref, sends.c.edit == 0)
    connection.execute(delete(outbox).where(outbox.c.edit == 1, text(WAITING), forgotten))
