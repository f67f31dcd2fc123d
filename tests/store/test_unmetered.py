"""Sessions that went without Tollbridge, in the store: the latest, each once."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.domain.budget import Entry, EntryKind
from gateway.domain.money import Usd
from gateway.domain.place import UNMETERED_MAX, Unmetered
from gateway.domain.usage import UNLISTED
from gateway.store import SqliteStore, open_readonly, open_store
from gateway.store.inbox import DAY_MS
from gateway.store.unmetered import latest
from tests.store.kit import DAY, NOW, SESSION, TURN, call, put

pytestmark = pytest.mark.anyio

ONE = Unmetered("9f1c", "/srv/\udcff/app", NOW - 5, NOW)


async def everything(store: SqliteStore) -> tuple[Unmetered, ...]:
    """All that are kept."""
    return await store._reads.run(latest)


async def test_a_session_is_kept_once_as_it_was_written_last(store: SqliteStore) -> None:
    """By its agent's own id; what UTF-8 cannot hold is replaced."""
    await put(store, put=(ONE,))
    await put(store, put=(told := replace(ONE, last_ms=NOW + 1, told_at_ms=NOW),))
    kept = replace(told, directory="/srv/\ufffd/app")
    assert await everything(store) == (kept,)
    assert await store.read(lambda view: (view.unmetered("9f1c"), view.unmetered("other"))) == (kept, None)


async def test_what_chats_were_told_of_lately_is_counted(store: SqliteStore) -> None:
    """Neither what was kept in silence, nor what was told before that."""
    times = (None, NOW - 2, NOW - 1, NOW)
    await put(store, put=tuple(replace(ONE, session=str(n), told_at_ms=at) for n, at in enumerate(times)))
    assert await store.read(lambda view: view.unmetered_told(NOW - 2)) == 2


async def test_only_the_latest_are_kept_and_those_that_are_counted(store: SqliteStore) -> None:
    """Whoever starts sessions in a loop fills no disk, and gets no more messages by that."""
    told = Unmetered("told", "/srv", 0, 0, told_at_ms=NOW - DAY_MS + 1)
    old = replace(ONE, session="told long ago", last_ms=0, told_at_ms=NOW - DAY_MS)
    await put(store, put=(told, old))
    for first in range(0, UNMETERED_MAX + 100, 100):
        await put(store, put=tuple(replace(ONE, session=str(n), last_ms=n) for n in range(first, first + 100)))
    found = await everything(store)
    assert len(found) == UNMETERED_MAX
    assert found[0] == told
    assert [one.session for one in found[1:]] == [str(n) for n in range(101, UNMETERED_MAX + 100)]
    assert await store.read(lambda view: view.unmetered_told(0)) == 1


async def test_reports_read_them_and_what_was_booked_beyond_transcripts(home: Path) -> None:
    """By session, only calls of that name, with the prices that were found for them later."""
    async with open_store(home, lambda: NOW) as store:
        late = Entry(EntryKind.REPRICED, (DAY,), session_id="s_1", spent=Usd(40), call_id="reprice:2")
        calls = [
            replace(call(name, cost, 0), session_id=session)
            for name, cost, session in (
                (f"{UNLISTED}a-12-0", 3, "s_1"),
                (f"{UNLISTED}a-12-1", 0, "s_1"),
                (f"{UNLISTED}b-9-0", 5, "s_2"),
                ("msg_1", 7, "s_1"),
                ("unlisted", 11, "s_1"),
            )
        ]
        await put(store, put=(SESSION, TURN, replace(ONE, directory="/srv")), entries=(*calls, late))
    with open_readonly(home) as reader:
        assert reader.unmetered() == (replace(ONE, directory="/srv"),)
        assert reader.unlisted() == {"s_1": Usd(43), "s_2": Usd(5)}
