"""What turns left behind is kept with the commits, and what became of them is added later."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.outcome import DAY_MS
from gateway.domain.outcome import (
    Change,
    Commit,
    Fate,
    Left,
    LeftKind,
    Looked,
    Merged,
    Seen,
    SeenTests,
    Sight,
    Whose,
)
from gateway.ports import StoreError
from gateway.store import SqliteStore, open_readonly, open_store
from tests.store.kit import NOW, SESSION, TURN, put, raw

pytestmark = pytest.mark.anyio

BEFORE = Seen("/r/.git", "/r/.git", "", "main", None, "", NOW)
AFTER = Seen("/r/.git", "/r/.git", "a" * 40, "", Change(1, 2, 3), "d", NOW + 9)
OWN = Commit("t_1", "a" * 40, "/r/.git", Whose.TURN, Change(1, 20, 3), NOW - 1, NOW)
SHARED = replace(OWN, sha="b" * 40, whose=Whose.SHARED, committed_ms=NOW + 1)
LEFT = Left("t_1", LeftKind.COMMITS, Sight.SEEN, BEFORE, AFTER, (OWN, SHARED), SeenTests(2, "pytest", passed=False))
FATE = Fate(NOW + DAY_MS, gone=True, branch="main", merged=Merged.SQUASH, reverted_by="c" * 40, after_7=3)


async def left(store: SqliteStore, turn_id: str = "t_1") -> Left | None:
    """What is kept of the turn."""
    return await store.read(lambda view: view.left(turn_id))


async def due(store: SqliteStore, at_ms: int, limit: int = 10) -> tuple[Commit, ...]:
    """Commits to be looked at by then."""
    return await store.read(lambda view: view.commits_due(at_ms, limit))


@pytest.mark.parametrize(
    "kept",
    [
        LEFT,
        replace(LEFT, commits=None, sight=Sight.UNKNOWN, before=None, after=None, kind=LeftKind.UNKNOWN),
        replace(LEFT, commits=(), tests=SeenTests(), kind=LeftKind.DIFF),
        replace(LEFT, commits=(replace(OWN, fate=FATE),)),
    ],
)
async def test_what_a_turn_left_reads_back_as_it_was_written(store: SqliteStore, kept: Left) -> None:
    """No commits and commits that are not known are two things; it comes with its turn."""
    await put(store, put=(kept, TURN, SESSION))
    assert await left(store) == kept
    assert await left(store, "t_2") is None


async def test_what_was_written_before_is_replaced_but_for_what_became_of_commits(store: SqliteStore) -> None:
    """A turn that went on has another end; a commit that it has amended since is its no more."""
    await put(store, put=(SESSION, TURN, LEFT))
    await put(store, put=(Looked("t_1", OWN.sha, FATE, NOW + 7 * DAY_MS),))
    more = replace(OWN, sha="d" * 40, committed_ms=NOW + 2)
    await put(store, put=(replace(LEFT, commits=(OWN, more)),))
    assert await left(store) == replace(LEFT, commits=(replace(OWN, fate=FATE), more))


async def test_commits_of_turns_are_due_until_their_last_look(store: SqliteStore) -> None:
    """Those that are counted to nobody never are; a look that showed nothing leaves what was known."""
    await put(store, put=(SESSION, TURN, LEFT))
    assert await due(store, NOW + DAY_MS - 1) == ()
    assert await due(store, NOW + DAY_MS) == (OWN,)
    assert await due(store, NOW + DAY_MS, 0) == ()
    await put(store, put=(Looked("t_1", OWN.sha, FATE, NOW + 7 * DAY_MS),))
    assert await due(store, NOW + DAY_MS) == ()
    await put(store, put=(Looked("t_1", OWN.sha, None, NOW + 8 * DAY_MS),))
    assert await due(store, NOW + 8 * DAY_MS) == (replace(OWN, fate=FATE),)
    await put(store, put=(Looked("t_1", OWN.sha, FATE, None),))
    assert await due(store, NOW + 99 * DAY_MS) == ()


async def test_reports_read_what_was_left_in_a_time(home: Path) -> None:
    """By when the turns were asked for, oldest first, without the end of that time."""
    late = replace(LEFT, turn_id="t_2", commits=(replace(OWN, turn_id="t_2"),))
    async with open_store(home, lambda: NOW) as store:
        await put(store, put=(SESSION, TURN, LEFT, replace(TURN, id="t_2", created_at_ms=NOW + 5), late))
    with open_readonly(home) as reader:
        assert reader.left(0, NOW + 6) == (LEFT, late)
        assert reader.left(NOW + 1, NOW + 6) == (late,)
        assert reader.left(NOW, NOW + 5) == (LEFT,)


@pytest.mark.parametrize("damage", ["tests = '[1]'", "before = '{}'", "kind = 'x'", "after = '{\"change\": [1]}'"])
async def test_damage_is_told_with_the_turn(store: SqliteStore, damage: str) -> None:
    """And not taken for nothing."""
    await put(store, put=(SESSION, TURN, LEFT))
    raw(store).execute(f"UPDATE outcomes SET {damage}")  # noqa: S608
    with pytest.raises(StoreError, match="outcome of turn t_1"):
        await left(store)
