"""What tests of readers share: where the fixtures are, a scan as a caller does it, and prices of the calls."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from gateway.core.price import price
from gateway.domain.logged import LogRead, Mark, Row
from gateway.domain.usage import Unpriced
from gateway.ports import UsageLog
from gateway.pricing import ListPrices

FIXTURES = Path(__file__).parent / "fixtures"


def nano(call: Row) -> int | Unpriced:
    """What a call costs on its day, in nano-dollars."""
    usage = call.usage
    on = datetime.fromtimestamp(call.at_ms / 1000, UTC).date()
    rates = ListPrices().rates(usage.model, on, usage.service_tier, usage.speed, usage.geo)
    return rates if isinstance(rates, Unpriced) else price(usage, rates).nano


def once(calls: Iterable[Row]) -> dict[str, Row]:
    """Each call once: the copy with the larger total, of equal ones the earliest."""
    kept: dict[str, Row] = {}
    for call in calls:
        before = kept.get(call.id)
        if before is None or (call.usage.tokens.total, -call.at_ms) > (before.usage.tokens.total, -before.at_ms):
            kept[call.id] = call
    return kept


def scan(log: UsageLog, *places: Path) -> dict[str, Row]:
    """All calls below these places, in the order of the places."""
    return once(call for place in places for path in log.files(str(place)) for call in log.read(path, None).calls)


def costs(calls: Iterable[Row]) -> list[int | Unpriced]:
    """What the calls cost, one by one."""
    return [nano(call) for call in calls]


def piecewise(log: UsageLog, path: str, data: bytes, cuts: Iterable[int]) -> list[LogRead]:
    """What the looks gave while a file grew to these lengths, one look at each."""
    looks: list[LogRead] = []
    mark: Mark | None = None
    for length in (*sorted({min(cut, len(data)) for cut in cuts}), len(data)):
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data[:length])
        look = log.read(path, mark)
        looks.append(look)
        mark = look.mark
    return looks
