"""Events for the owner's webhook: written with the turn that they tell of, and kept until they arrived or were given up."""

from collections.abc import Mapping, Sequence

import anyio
from sqlalchemy import Connection, delete, func, or_, select, text, update
from sqlalchemy.dialects.sqlite import insert

from gateway.core.hooks import LONGEST_ASKED_MS, Event
from gateway.core.turn import ENDED
from gateway.domain.turn import Turn
from gateway.ports import StoreError
from gateway.ports.hooks import Due, Hooked, Tell
from gateway.store import outcomes, rows, turn_rows
from gateway.store.commits import Commits, Reads
from gateway.store.inbox import DAY_MS
from gateway.store.schema import HOOKED, entries, hooks_out, sessions, turns

MOST_WAITING = 10_000
"""Events; beyond that the oldest is given up."""
GIVEN_UP_KEPT_MS = 90 * DAY_MS
WHY_CHARACTERS_MAX = 200
_LONGEST_DELAY_MS = 2 * LONGEST_ASKED_MS
"""A time further away than any delay was written before the clock was set back."""
_TOO_MANY = f"more than {MOST_WAITING} waited"


def before(connection: Connection, put: Sequence[object]) -> dict[str, tuple[Turn | None, Turn]]:
    """The turns that a decision leaves ended, each as it is in the database, and as it will be. Raises StoreError."""
    ended = {one.id: one for one in put if isinstance(one, Turn)}
    found: dict[str, tuple[Turn | None, Turn]] = {}
    for turn in ended.values():
        if turn.state in ENDED:
            row = connection.execute(select(turns).where(turns.c.id == turn.id)).mappings().one_or_none()
            found[turn.id] = (None if row is None else turn_rows.turn_of(row), turn)
    return found


def write(connection: Connection, ended: Mapping[str, tuple[Turn | None, Turn]], tell: Tell, now_ms: int) -> bool:
    """Write what is to be told of these turns; whether anything was. The decision itself is written already."""
    written = False
    for was, turn in ended.values():
        session = connection.execute(select(sessions).where(sessions.c.id == turn.session_id)).mappings().one_or_none()
        if session is None:
            raise StoreError(f"The turn {turn.id} belongs to no session: nothing was written")
        version = connection.scalar(select(func.max(entries.c.seq))) or 0
        event = tell(was, turn, rows.session_of(session), version, now_ms, outcomes.find(connection, turn.id))
        if event is not None:
            written = _add(connection, event, now_ms) or written
    return written


def _add(connection: Connection, event: Event, now_ms: int) -> bool:
    row = {"key": event.id, "body": event.body, "created_at_ms": now_ms, "state": "waiting"}
    new = connection.execute(insert(hooks_out).values(row).on_conflict_do_nothing(index_elements=["key"])).rowcount
    waiting = select(hooks_out.c.id).where(text(HOOKED)).order_by(hooks_out.c.id.desc()).offset(MOST_WAITING).limit(1)
    if (oldest := connection.scalar(waiting)) is not None:
        _give_up(connection, oldest, _TOO_MANY)
    return bool(new)


def _give_up(connection: Connection, number: int, why: str) -> None:
    gone = update(hooks_out).where(
        text(HOOKED), hooks_out.c.id <= number if why == _TOO_MANY else hooks_out.c.id == number
    )
    connection.execute(gone.values(state="given_up", body="", why=why))


def prune(connection: Connection, now_ms: int) -> None:
    """Forget what was given up long ago."""
    old = (hooks_out.c.state == "given_up") & (hooks_out.c.created_at_ms < now_ms - GIVEN_UP_KEPT_MS)
    connection.execute(delete(hooks_out).where(old))


def hooked(connection: Connection) -> Hooked:
    """See `View.hooked`."""
    counts = select(hooks_out.c.state, func.count()).group_by(hooks_out.c.state)
    by_state = {row[0]: row[1] for row in connection.execute(counts)}
    last = (
        select(hooks_out.c.why)
        .where(hooks_out.c.why != "")
        .order_by(hooks_out.c.failed_at_ms.desc(), hooks_out.c.id.desc())
    )
    return Hooked(by_state.get("waiting", 0), by_state.get("given_up", 0), connection.scalar(last.limit(1)) or "")


class HooksOut:
    """The `HookQueue` port on SQLite."""

    def __init__(self, commits: Commits, reads: Commits | Reads) -> None:
        self._commits = commits
        self._reads = reads
        self._written = anyio.Event()

    def wake(self) -> None:
        """An event was written."""
        self._written.set()

    async def written(self) -> None:
        await self._written.wait()
        self._written = anyio.Event()

    async def due(self, now_ms: int, limit: int) -> tuple[Due, ...]:
        time = hooks_out.c.not_before_ms
        now = or_(time <= now_ms, time > now_ms + _LONGEST_DELAY_MS)
        query = select(hooks_out).where(text(HOOKED), now).order_by(hooks_out.c.id).limit(limit)

        def work(connection: Connection) -> tuple[Due, ...]:
            found = connection.execute(query).mappings()
            return tuple(Due(row["id"], Event(row["key"], row["body"]), row["attempts"]) for row in found)

        return await self._reads.run(work)

    async def next_ms(self, now_ms: int) -> int | None:
        first = select(func.min(hooks_out.c.not_before_ms)).where(text(HOOKED))
        found = await self._reads.run(lambda connection: connection.scalar(first))
        return None if found is None else max(0, found - now_ms)

    async def delivered(self, due: Due) -> None:
        gone = delete(hooks_out).where(hooks_out.c.id == due.number)
        await self._commits.run(lambda connection: connection.execute(gone).rowcount)

    async def failed(self, due: Due, why: str, now_ms: int, not_before_ms: int | None) -> None:
        words = why[:WHY_CHARACTERS_MAX]

        def work(connection: Connection) -> None:
            this = (hooks_out.c.id == due.number) & text(HOOKED)
            noted = {"attempts": due.attempts + 1, "why": words, "failed_at_ms": now_ms}
            connection.execute(update(hooks_out).where(this).values(noted | {"not_before_ms": not_before_ms or 0}))
            if not_before_ms is None:
                _give_up(connection, due.number, words)

        await self._commits.run(work)
