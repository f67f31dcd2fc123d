"""What is looked at from outside: by number, along an index, and only what is new."""

from dataclasses import replace

import pytest

from gateway.domain.turn import TurnState
from gateway.ports import Heads, Process, Standing
from gateway.store import SqliteStore
from tests.store.kit import NOW, SESSION, TURN, hold, put, turn

pytestmark = pytest.mark.anyio


async def test_an_empty_store_has_no_heads_and_nothing_waits(store: SqliteStore) -> None:
    """Nothing is written yet."""
    assert await store.read(lambda view: (view.heads(), view.standing())) == (Heads(0, 0), Standing(0, 0, 0))


async def test_entries_and_turns_are_read_from_a_number_on_a_part_at_a_time(store: SqliteStore) -> None:
    """In order, and a turn that is written again keeps its number."""
    await put(store, put=(SESSION, turn(1), turn(2), turn(3)), entries=(hold(1), hold(2), hold(3)))
    heads = await store.read(lambda view: view.heads())
    assert heads.entry == 3
    records = await store.read(lambda view: view.records(1, 1))
    assert [one.entry.held.nano for one in records] == [2]
    first, second, third = await store.read(lambda view: view.turns_after(0, 10))
    assert third[0] == heads.turn
    await put(store, put=(replace(first[1], state=TurnState.FINISHED),))
    assert await store.read(lambda view: view.heads()) == heads
    assert await store.read(lambda view: view.turns_after(first[0], 1)) == (second,)
    assert await store.read(lambda view: view.turns_after(third[0], 10)) == ()


async def test_what_waits_is_told_by_the_number(store: SqliteStore) -> None:
    """Updates, bookings without a price, processes of agents."""
    await put(store, put=(SESSION, replace(TURN, unpriced_calls=2), Process(SESSION.id, 1, "then", "")))
    await store.accept("telegram", [("1", "{}"), ("2", "{}")], NOW)
    assert await store.read(lambda view: view.standing()) == Standing(updates=2, unpriced=2, processes=1)
