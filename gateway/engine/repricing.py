"""What was booked without a price is priced once a list price is known: by new entries, the old ones stay.

Calls of turns that are not over are left alone: their holds are still counted with.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import structlog

from gateway.core import meter
from gateway.core.turn import ENDED
from gateway.domain.budget import Entry
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import Turn
from gateway.domain.usage import Unpriced
from gateway.engine.world import World
from gateway.ports import Decision, Prices, Store, StoreError, View

log = structlog.get_logger()

BATCH = 200
"""Entries that one transaction looks at."""
_START = ("", 0)


@dataclass(frozen=True, slots=True)
class Unknown:
    """Calls that stay without a price: their model, why, and how many."""

    model: str
    why: str
    calls: int


@dataclass(frozen=True, slots=True)
class Repriced:
    """What came of it. Differences found at settlement count as calls here."""

    calls: int = 0
    """Priced now."""
    turns: int = 0
    """Of so many turns."""
    amount: Usd = ZERO
    """What they cost together."""
    unknown: tuple[Unknown, ...] = ()
    """Still without a price; those with the most calls first."""
    open_calls: int = 0
    """Of turns that are not over: left alone, whatever their price."""


@dataclass(frozen=True, slots=True)
class _Page:
    """What came of one batch: (turn, amount) of what has a price now, (model, why) of the rest, and where the next one begins."""

    priced: tuple[tuple[str, Usd], ...]
    unknown: tuple[tuple[str, str], ...]
    open_calls: int
    next: tuple[str, int] | None


async def reprice(world: World) -> Repriced:
    """Once after a gateway's recovery, beside its work. What the database refuses is left for the next start."""
    try:
        found = await reprice_all(world.store, world.prices, world.clock.now_ms())
    except StoreError as error:
        log.warning("calls without a price could not be priced", why=str(error))
        return Repriced()
    if found.calls:
        log.info("priced calls that had no price", calls=found.calls, turns=found.turns, spent=str(found.amount))
    for unknown in found.unknown[:10]:
        log.warning("calls have no known price", model=unknown.model[:80], calls=unknown.calls, why=unknown.why)
    return found


async def reprice_all(store: Store, prices: Prices, now_ms: int) -> Repriced:
    """Price what has a price by now, a batch in a transaction. Done again it finds nothing more to do. Raises StoreError."""
    pages: list[_Page] = []
    after: tuple[str, int] | None = _START
    while after is not None:
        decide = _decision(prices, after)
        decision = await store.read(decide)
        if decision.entries:
            decision = await store.transact(decide, now_ms)
        pages.append(decision.result)
        after = decision.result.next
    return _sum(pages)


def foresee(read: Callable[[Callable[[View], Decision[_Page]]], Decision[_Page]], prices: Prices) -> Repriced:
    """What `reprice_all` would do, with nothing written; `read` looks through a View."""
    pages: list[_Page] = []
    after: tuple[str, int] | None = _START
    while after is not None:
        pages.append(read(_decision(prices, after)).result)
        after = pages[-1].next
    return _sum(pages)


def _decision(prices: Prices, after: tuple[str, int]) -> Callable[[View], Decision[_Page]]:
    """Price the next batch of entries beyond (turn id, number)."""

    def decide(view: View) -> Decision[_Page]:
        found = view.unpriced(after, BATCH)
        turns: dict[str, Turn | None] = {}
        entries: list[Entry] = []
        priced: list[tuple[str, Usd]] = []
        unknown: list[tuple[str, str]] = []
        for record, usage in found:
            turn_id = record.entry.turn_id or ""
            if turn_id not in turns:
                turns[turn_id] = view.turn(turn_id)
            turn = turns[turn_id]
            if turn is None or turn.state not in ENDED:
                continue
            on = _utc_date(record.at_ms)
            rates = prices.rates(usage.model, on, usage.service_tier, usage.speed, usage.geo)
            if isinstance(rates, Unpriced):
                unknown.append((usage.model, rates.reason))
                continue
            turns[turn_id], entry = meter.reprice(
                turn, record.seq, record.entry, usage, rates, on=on, source=prices.source
            )
            entries.append(entry)
            priced.append((turn_id, entry.spent))
        page = _Page(
            tuple(priced),
            tuple(unknown),
            len(found) - len(priced) - len(unknown),
            (found[-1][0].entry.turn_id or "", found[-1][0].seq) if len(found) == BATCH else None,
        )
        changed = {turn_id for turn_id, _ in priced}
        put = tuple(turn for turn_id, turn in turns.items() if turn is not None and turn_id in changed)
        return Decision(page, put=put, entries=tuple(entries))

    return decide


def _utc_date(at_ms: int) -> date:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date()


def _sum(pages: Iterable[_Page]) -> Repriced:
    pages = tuple(pages)
    priced = [one for page in pages for one in page.priced]
    unknown = Counter(one for page in pages for one in page.unknown)
    return Repriced(
        calls=len(priced),
        turns=len({turn_id for turn_id, _ in priced}),
        amount=sum((amount for _, amount in priced), ZERO),
        unknown=tuple(Unknown(model, why, calls) for (model, why), calls in unknown.most_common()),
        open_calls=sum(page.open_calls for page in pages),
    )
