"""Turns that agents' logs tell of, kept for the forecast: whose they are, and in what order they are seen."""

from dataclasses import replace

import pytest

from gateway.core.first_call import FirstCall
from gateway.core.forecast import Past
from gateway.core.imported import KEPT_MAX, Imported
from gateway.domain.money import Usd
from gateway.domain.place import AT_DESK, Grant, Role
from gateway.domain.turn import TurnState
from gateway.store import SqliteStore
from tests.store.kit import NOW, SESSION, put, raw, turn

pytestmark = pytest.mark.anyio

OWNER = Grant("7", Role.OWNER)


def logged(number: int, agent: str = "claude", ended_at_ms: int | None = None) -> Imported:
    """One of several, each a millisecond after the one before."""
    past = Past(
        "log", FirstCall(Usd(2), Usd(3)), Usd(number), Usd(9), at_least=number % 2 == 1, model="opus", imported=True
    )
    return Imported(agent, f"p{number}", NOW + number if ended_at_ms is None else ended_at_ms, past)


async def seen(store: SqliteStore, person: str = "7", agent: str = "claude", limit: int = 300) -> tuple[Past, ...]:
    """What the forecast looks at."""
    return await store.read(lambda view: view.past_turns(person, agent, limit))


async def test_imported_turns_come_back_as_they_were_newest_first(store: SqliteStore) -> None:
    """With what was foreseen of them, and the desk's sessions are fed by them as well; those of another agent are its own."""
    bare = replace(logged(2), past=Past("log", None, Usd(2), model="opus", imported=True))
    await put(store, grants=(OWNER,))
    await store.import_turns([logged(1), bare, logged(3, "codex")])
    assert await seen(store) == (bare.past, logged(1).past)
    assert await seen(store, agent=AT_DESK) == (bare.past, logged(1).past)
    assert await seen(store, agent="codex") == (logged(3).past,)
    assert await seen(store, limit=1) == (bare.past,)


async def test_own_turns_come_first_and_all_in_order_of_time(store: SqliteStore) -> None:
    """Imported ones fill up what is left of the limit, wherever they were in time."""
    done = {"state": TurnState.FINISHED, "unpriced_calls": 0, "flags": frozenset()}
    mine = [turn(at, **done, ended_at_ms=NOW + at, spent=Usd(at)) for at in (10, 30)]
    await put(store, put=(SESSION, *mine), grants=(OWNER,))
    await store.import_turns([logged(20), logged(40)])
    assert [past.cost.nano for past in await seen(store)] == [40, 30, 20, 10]
    assert [past.cost.nano for past in await seen(store, limit=3)] == [40, 30, 10]
    assert [past.cost.nano for past in await seen(store, limit=2)] == [30, 10]


@pytest.mark.parametrize("role", [Role.APPROVER, Role.WRITER, Role.READER])
async def test_what_the_machines_logs_tell_is_its_owners(store: SqliteStore, role: Role) -> None:
    """Whoever else writes to the gateway is not forecast by another person's turns."""
    await put(store, grants=(OWNER, Grant("8", role)))
    await store.import_turns([logged(1)])
    assert (await seen(store), await seen(store, "8"), await seen(store, "9")) == ((logged(1).past,), (), ())


async def test_each_import_takes_the_place_of_the_one_before(store: SqliteStore) -> None:
    """A turn that went on is there once, and nothing is left once nobody wants it."""
    await put(store, grants=(OWNER,))
    await store.import_turns([logged(1), logged(2)])
    await store.import_turns([logged(2, ended_at_ms=NOW + 9)])
    assert await seen(store) == (logged(2).past,)
    await store.import_turns(())
    assert await seen(store) == ()


async def test_of_each_agent_no_more_are_kept_than_a_forecast_looks_at(store: SqliteStore) -> None:
    """The newest, whatever is handed over."""
    await put(store, grants=(OWNER,))
    await store.import_turns([*map(logged, range(KEPT_MAX + 3)), logged(1, "codex")])
    rows = raw(store).execute("SELECT agent, count(*), min(ended_at_ms) FROM imported_turns GROUP BY agent")
    assert [tuple(row) for row in rows] == [("claude", KEPT_MAX, NOW + 3), ("codex", 1, NOW + 1)]
