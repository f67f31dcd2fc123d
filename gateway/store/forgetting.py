"""Words that are forgotten: of one session for good, or of all that is old, a few rows at a time. Figures and the ledger stay.

SQLite overwrites what is deleted (`PRAGMA secure_delete`); after a checkpoint the write-ahead log does not hold it either.
"""

import json
from collections.abc import Sequence

from sqlalchemy import Connection, delete, or_, select, text, update

from gateway.core.files import carried
from gateway.core.forgetting import Cut, Held
from gateway.core.turn import ENDED
from gateway.domain.approval import APPROVAL_REF, ApprovalKind, ApprovalState
from gateway.domain.effects import SAID_REF
from gateway.store import rows
from gateway.store.schema import QUESTIONED, REMEMBERED, UNDONE, approvals, outbox, sessions, threads, turns

BATCH = 200
"""So many rows of a table go in one transaction: others wait no longer than for any decision."""
FORGOTTEN = "its session was forgotten"
_UNSENT = ("waiting", "sending", "uncertain")
_NOTES = ("note_", "menu_")


def held(connection: Connection, session_id: str) -> Held:
    """How much of the session's words is kept."""
    columns = (turns.c.id, turns.c.prompt, turns.c.outcome, turns.c.claim, turns.c.attachments)
    found = connection.execute(select(*columns).where(turns.c.session_id == session_id)).mappings().all()
    asked = select(approvals.c.id).where(approvals.c.session_id == session_id, approvals.c.text != "")
    unsent = _unsent(connection, session_id)
    parcels = (carried(row["ref"], row["body"]) for row in unsent)
    undone = select(turns.c.id).where(turns.c.session_id == session_id, text(UNDONE))
    return Held(
        prompts=sum(bool(row["prompt"]) for row in found),
        answers=sum(_says(row["outcome"]) or _says(row["claim"]) for row in found),
        questions=len(connection.scalars(asked).all()),
        files=sum(len(json.loads(row["attachments"])) for row in found),
        drafts=sum(bool(row["body"]) for row in unsent),
        open_turns=len(connection.scalars(undone).all()),
        leaving=any(row["state"] == "sending" for row in unsent),
        copies=tuple(parcel.path for parcel in parcels if parcel is not None),
    )


def forget(connection: Connection, session_id: str, now_ms: int) -> None:
    """All words of a session: no turn of it is open. No thread's plain text goes to it any more."""
    for row in _unsent(connection, session_id):
        gone = update(outbox).where(outbox.c.id == row["id"])
        connection.execute(gone.values(state="superseded", reason=FORGOTTEN, body=""))
    mine = select(turns.c.id).where(turns.c.session_id == session_id)
    asked = select(approvals.c.id).where(or_(approvals.c.session_id == session_id, approvals.c.turn_id.in_(mine)))
    _forget_turns(connection, connection.scalars(mine).all(), now_ms)
    _forget_questions(connection, connection.scalars(asked).all())
    listed = approvals.c.id.in_(_menus(connection, session_id))
    connection.execute(update(approvals).where(listed).values(text="", digest=""))
    connection.execute(delete(threads).where(threads.c.session_id == session_id))
    here = sessions.c.id == session_id
    name = connection.scalar(select(sessions.c.agent_session).where(here))
    # The agent's own transcript may still lie there: it is not to come back as one that nobody knows.
    known = None if name is None else rows.forgotten_name(name)
    cleared = {"title": "", "agent_session": known, "forked_from": "", "forgotten_at_ms": now_ms}
    connection.execute(update(sessions).where(here).values(cleared))


def cut(connection: Connection, before_ms: int, now_ms: int) -> Cut:
    """The words of a few turns that began before then and have ended, and of questions that were over by then."""
    ended = [state.value for state in ENDED]
    old = select(turns.c.id).where(text(REMEMBERED), turns.c.created_at_ms < before_ms, turns.c.state.in_(ended))
    found = connection.scalars(old.order_by(turns.c.created_at_ms).limit(BATCH)).all()
    _forget_turns(connection, found, now_ms)
    over = select(approvals.c.id).where(text(QUESTIONED), approvals.c.expires_at_ms < before_ms)
    over = over.where(approvals.c.state != ApprovalState.OPEN).order_by(approvals.c.expires_at_ms).limit(BATCH)
    asked = connection.scalars(over).all()
    _forget_questions(connection, asked)
    if found:
        _forget_titles(connection, before_ms)
    return Cut(len(found), len(asked))


def _forget_turns(connection: Connection, ids: Sequence[str], now_ms: int) -> None:
    for turn_id in ids:
        here = turns.c.id == turn_id
        outcome, claim = connection.execute(select(turns.c.outcome, turns.c.claim).where(here)).one()
        cleared = {"outcome": _kind(outcome), "claim": _kind(claim)}
        said = {"prompt": "", "attachments": "[]", "message_id": "", "forgotten_at_ms": now_ms}
        connection.execute(update(turns).where(here).values(cleared | said))


def _kind(said: str | None) -> str | None:
    """What came of it, without the words."""
    return None if said is None else rows.dump([json.loads(said)[0], ""])


def _says(said: str | None) -> bool:
    return said is not None and json.loads(said)[1:2] not in ([], [""])


def _forget_questions(connection: Connection, ids: Sequence[str]) -> None:
    """What could be picked stays with its amounts, without the words on it. One that is still open is not asked any more."""
    for approval_id in ids:
        here = approvals.c.id == approval_id
        options, state = connection.execute(select(approvals.c.options, approvals.c.state).where(here)).one()
        left = [option | {"label": "", "value": ""} for option in json.loads(options)]
        over = ApprovalState.WITHDRAWN if state == ApprovalState.OPEN else state
        cleared = {"text": "", "options": rows.dump(left), "digest": "", "answer": "", "request_id": "", "state": over}
        connection.execute(update(approvals).where(here).values(cleared))


def _forget_titles(connection: Connection, before_ms: int) -> None:
    """Of sessions of which no turn is remembered."""
    kept = select(turns.c.id).where(turns.c.session_id == sessions.c.id, text(f"turns.{REMEMBERED}")).exists()
    old = (sessions.c.title != "") & (sessions.c.created_at_ms < before_ms) & ~kept
    connection.execute(update(sessions).where(old).values(title=""))


def _unsent(connection: Connection, session_id: str) -> list[rows.Row]:
    """Messages that say something of the session and may still be sent, and the thread's own of which nobody knows if they arrived."""
    where = select(sessions.c.service, sessions.c.chat, sessions.c.topic).where(sessions.c.id == session_id)
    thread = connection.execute(where).mappings().one_or_none()
    if thread is None:
        return []
    here = [outbox.c[name] == value for name, value in thread.items()]
    found = connection.execute(select(outbox).where(outbox.c.state.in_(_UNSENT), *here)).mappings().all()
    return [row for row in found if _is_of(connection, session_id, row)]


def _is_of(connection: Connection, session_id: str, row: rows.Row) -> bool:
    kind, _, rest = row["ref"].partition(":")
    name = rest.partition(":")[0]
    if f"{kind}:" in (SAID_REF, "desk:"):
        return name == session_id
    table = {"turn": turns, APPROVAL_REF.removesuffix(":"): approvals}.get(kind)
    if table is None:
        return row["state"] == "uncertain" and row["ref"].startswith(_NOTES)
    return connection.scalar(select(table.c.session_id).where(table.c.id == name)) == session_id


def _menus(connection: Connection, session_id: str) -> list[str]:
    """Lists in its thread that may name its prompts, and buttons under its messages: what they do they go on doing."""
    session = connection.execute(select(sessions).where(sessions.c.id == session_id)).mappings().one_or_none()
    if session is None:
        return []
    here = [approvals.c[name] == session[name] for name in ("service", "chat", "topic")]
    menus = select(approvals.c.id).where(approvals.c.kind == ApprovalKind.MENU, text(QUESTIONED), *here)
    mine = set(connection.scalars(select(turns.c.id).where(turns.c.session_id == session_id)))
    found = connection.scalars(menus)
    return [one for one in found if one.startswith(_NOTES) or (one.startswith("turn:") and one.split(":")[1] in mine)]
