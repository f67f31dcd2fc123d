"""What has no price is found, batch by batch, until an entry gives it one."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from gateway.core import meter
from gateway.domain.budget import Entry
from gateway.domain.money import Usd
from gateway.domain.turn import Turn, TurnState
from gateway.domain.usage import Call, Rates, Tokens, Unpriced, Usage
from gateway.ports import StoreError
from gateway.store import SqliteStore
from tests.store.kit import DAY, SESSION, TURN, put, verify
from tests.store.kit import turn as another

pytestmark = pytest.mark.anyio

USAGE = Usage("x-1", Tokens(1, 2, 3, 4, 0, 6), "priority", "fast", web_searches=2, geo="us")
RATES = Rates(1_000_000, 0, 0, 0, 1_000_000, web_search=5)
NOBODY_KNOWS = Unpriced("nobody knows")
NEW = replace(TURN, state=TurnState.FINISHED, calls=0, spent=Usd(0), unpriced_calls=0, hold=Usd(0), held_left=Usd(0))


async def booked(store: SqliteStore, turn: Turn, *prices: Usd | Unpriced, name: str = "c") -> Turn:
    """The turn with a call for each price, in the store."""
    entries: list[Entry] = []
    for number, price in enumerate(prices):
        turn, entry = meter.book(turn, Call(f"{turn.id}-{name}{number}", USAGE, price))
        entries.append(entry)
    await put(store, put=(SESSION, turn), entries=tuple(entries))
    return turn


async def waiting(store: SqliteStore, after: tuple[str, int] = ("", 0), limit: int = 10) -> list[int]:
    """The numbers of the entries that have no price."""
    return [record.seq for record, _ in await store.read(lambda view: view.unpriced(after, limit))]


async def priced(store: SqliteStore, turn: Turn, seqs: Sequence[int]) -> Turn:
    """The turn once these entries were given a price."""
    found = {record.seq: record for record, _ in await store.read(lambda view: view.unpriced(("", 0), 100))}
    entries: list[Entry] = []
    for seq in seqs:
        turn, entry = meter.reprice(turn, seq, found[seq].entry, USAGE, RATES, on=date(2027, 1, 15), source="a list")
        entries.append(entry)
    await put(store, put=(turn,), entries=tuple(entries))
    return turn


async def test_calls_and_differences_without_a_price_are_found_as_they_were_booked(store: SqliteStore) -> None:
    """Their entries and usage, and nothing that has a price, not even one on a model with a telling name."""
    turn = await booked(store, NEW, Usd(5), NOBODY_KNOWS)
    turn, difference = meter.book_difference(turn, USAGE, NOBODY_KNOWS)
    turn, named = meter.book(turn, Call("c_named", replace(USAGE, model='"unpriced": "x"'), Usd(1)))
    turn, settled = meter.settle(turn)
    await put(store, put=(turn,), entries=(difference, named, settled, Entry(difference.kind, (DAY,), turn_id=turn.id)))
    found = await store.read(lambda view: view.unpriced(("", 0), 10))
    assert [(record.seq, usage) for record, usage in found] == [(2, USAGE), (3, USAGE)]
    assert found[1][0].entry == difference


async def test_what_has_a_price_by_now_is_not_found_again(store: SqliteStore) -> None:
    """The turn costs what its calls cost, the ledger holds, and every old entry is what it was."""
    turn = await booked(store, NEW, NOBODY_KNOWS, NOBODY_KNOWS)
    before = list(await store.read(lambda view: view.unpriced(("", 0), 10)))
    turn = await priced(store, turn, [1])
    assert await waiting(store) == [2]
    turn = await priced(store, turn, [2])
    assert await waiting(store) == []
    assert (turn.spent, turn.unpriced_calls) == (Usd(34), 0)
    assert (await store.read(lambda view: view.balance(DAY))).spent == Usd(34)
    assert await verify(store) == ()
    again = replace(turn, unpriced_calls=1)
    _, entry = meter.reprice(again, 1, before[0][0].entry, USAGE, RATES, on=date(2027, 1, 15), source="")
    with pytest.raises(StoreError, match="in the ledger already"):
        await put(store, put=(again,), entries=(entry,))
    assert await store.read(lambda view: view.turn(turn.id)) == turn


async def test_batches_go_on_where_the_last_one_ended(store: SqliteStore) -> None:
    """By turn and number, each entry in one batch, also where a turn is larger than a batch."""
    await booked(store, another(2, **_new()), NOBODY_KNOWS)
    await booked(store, another(1, **_new()), NOBODY_KNOWS, NOBODY_KNOWS, NOBODY_KNOWS)
    await booked(store, another(2, **_new(unpriced_calls=1, calls=1)), NOBODY_KNOWS, name="d")
    assert await waiting(store) == [2, 3, 4, 1, 5]
    assert await waiting(store, limit=2) == [2, 3]
    assert await waiting(store, ("t_1", 3), limit=2) == [4, 1]
    assert await waiting(store, ("t_2", 1), limit=2) == [5]
    assert await waiting(store, ("t_2", 5)) == []


async def test_a_later_price_is_not_what_a_run_was_metered_at(store: SqliteStore) -> None:
    """What the agent's totals are compared with is each call once."""
    turn = await booked(store, NEW, NOBODY_KNOWS)
    await priced(store, turn, [1])
    assert await store.read(lambda view: view.metered(turn.id)) == (USAGE,)


def _new(**known: int) -> dict[str, Any]:
    return {"state": TurnState.FINISHED, "calls": 0, "unpriced_calls": 0, "spent": Usd(0), **known}
