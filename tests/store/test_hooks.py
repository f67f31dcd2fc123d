"""Events for the webhook: written with what they tell of, or not at all."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from gateway.core.hooks import Event, event
from gateway.domain.budget import Entry
from gateway.domain.money import Usd
from gateway.domain.outcome import Left, LeftKind, Sight
from gateway.domain.place import Session
from gateway.domain.turn import Turn, TurnState
from gateway.ports import StoreError
from gateway.ports.hooks import Hooked, HookQueue
from gateway.store import SqliteStore, hooks, open_readonly, open_store
from tests.store.conftest import Clock
from tests.store.kit import NOW, SESSION, TURN, call, put

pytestmark = pytest.mark.anyio

DONE = replace(TURN, state=TurnState.FINISHED)


def tell(
    before: Turn | None, after: Turn, session: Session, version: int, at_ms: int, left: Left | None
) -> Event | None:
    """As the gateway does."""
    return event(before, after, session, project="project", version=version, at_ms=at_ms, left=left)


@pytest.fixture
async def store(home: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    """A store that tells a webhook, with a turn at work in it."""
    async with open_store(home, clock.now_ms, tell) as opened:
        await put(opened, put=(SESSION, TURN))
        yield opened


async def waiting(store: SqliteStore) -> list[str]:
    """The names of the events that wait."""
    return [one.event.id for one in await store.hooks.due(NOW, 100)]


def as_port(store: SqliteStore) -> HookQueue:
    """The type checker's proof that these are a HookQueue."""
    return store.hooks


async def test_an_event_is_written_with_the_end_of_its_turn_once(store: SqliteStore) -> None:
    """Named by the newest entry of the ledger; the same end again is no second event."""
    assert await waiting(store) == []
    await put(store, put=(DONE,), entries=(call("c_1", 5, 0),))
    await put(store, put=(DONE, replace(DONE, message_id="8")))
    assert await waiting(store) == ["t_1_1"]
    with anyio.fail_after(5):
        await store.hooks.written()


async def test_what_a_turn_left_is_told_with_its_end_and_with_every_later_event(store: SqliteStore) -> None:
    """It is written in the same transaction; an update has the whole of it too."""
    await put(store, put=(DONE, Left("t_1", LeftKind.DIFF, Sight.SEEN)), entries=(call("c_1", 5, 0),))
    await put(store, put=(replace(DONE, spent=Usd(11)),), entries=(call("c_2", 5, 0),))
    bodies = [one.event.body for one in await store.hooks.due(NOW, 100)]
    assert len(bodies) == 2
    assert all('"left":{"kind":"diff"' in body for body in bodies)


async def test_what_changes_a_bill_later_is_an_event_of_a_higher_version(store: SqliteStore) -> None:
    """Both are kept: what arrives may be either first."""
    await put(store, put=(DONE,), entries=(call("c_1", 5, 0),))
    await put(store, put=(replace(DONE, spent=Usd(11)),), entries=(call("c_2", 5, 0),))
    assert await waiting(store) == ["t_1_1", "t_1_2"]
    updated = (await store.hooks.due(NOW, 100))[1]
    assert '"turn.updated"' in updated.event.body


async def test_nothing_is_told_of_what_was_not_written(store: SqliteStore) -> None:
    """A transaction that fails takes its event with it."""
    twice: tuple[Entry, ...] = (call("c_1", 5, 0), call("c_1", 5, 0))
    with pytest.raises(StoreError, match="already"):
        await put(store, put=(DONE,), entries=twice)
    assert await waiting(store) == []


async def test_without_a_webhook_nothing_is_written(home: Path, clock: Clock) -> None:
    """And nothing waits for one that is set later."""
    async with open_store(home, clock.now_ms) as store:
        await put(store, put=(SESSION, DONE))
        assert await waiting(store) == []
        assert await store.hooks.next_ms(NOW) is None


async def test_events_survive_a_restart_and_are_forgotten_once_they_arrived(home: Path, clock: Clock) -> None:
    """What was on its way when the gateway stopped is sent again."""
    async with open_store(home, clock.now_ms, tell) as store:
        await put(store, put=(SESSION, DONE))
    async with open_store(home, clock.now_ms, tell) as store:
        [due] = await store.hooks.due(NOW, 100)
        await store.hooks.delivered(due)
        assert await waiting(store) == []
    with open_readonly(home) as reader:
        assert reader.hooked() == Hooked()


async def test_one_that_failed_waits_and_one_that_is_given_up_leaves_only_that(store: SqliteStore, home: Path) -> None:
    """Its body is gone, and the count and the reason are kept for 90 days."""
    await put(store, put=(DONE,))
    [due] = await store.hooks.due(NOW, 100)
    await store.hooks.failed(due, "it answered 500", NOW, NOW + 5000)
    assert await waiting(store) == []
    assert await store.hooks.next_ms(NOW) == 5000
    assert await store.read(lambda view: view.hooked()) == Hooked(1, 0, "it answered 500")
    [due] = await store.hooks.due(NOW + 5000, 100)
    assert due.attempts == 1
    # A clock that was set back by years keeps nothing waiting.
    assert len(await store.hooks.due(NOW - 10**11, 100)) == 1
    await store.hooks.failed(due, "x" * 999, NOW + 5000, None)
    assert await store.hooks.next_ms(NOW) is None
    with open_readonly(home) as reader:
        assert reader.hooked() == Hooked(0, 1, "x" * hooks.WHY_CHARACTERS_MAX)
    async with open_store(home, lambda: NOW + hooks.GIVEN_UP_KEPT_MS + 1):
        pass
    with open_readonly(home) as reader:
        assert reader.hooked() == Hooked()


async def test_of_too_many_events_the_oldest_is_given_up(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """And that is told."""
    monkeypatch.setattr(hooks, "MOST_WAITING", 2)
    for number in range(4):
        await put(store, put=(replace(DONE, id=f"t_{number}", prompt_uuid=str(number)),))
    assert await waiting(store) == ["t_2_0", "t_3_0"]
    found = await store.read(lambda view: view.hooked())
    assert (found.waiting, found.given_up) == (2, 2)
    assert "waited" in found.why
