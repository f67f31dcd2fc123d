"""Entries of the ledger that are about money or usage, one after the other, for exports."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, select, text

from gateway.core.charges import Charge, ChargeKind
from gateway.domain.budget import EntryKind
from gateway.domain.usage import Rates
from gateway.ports import StoreError
from gateway.store import rows, stored
from gateway.store.schema import sessions

_PAGE = 2_000
_KINDS = {
    EntryKind.CALL.value: ChargeKind.CALL,
    EntryKind.RECONCILED.value: ChargeKind.DIFFERENCE,
    EntryKind.REPRICED.value: ChargeKind.REPRICED,
}
_ENTRIES = text("""
    SELECT seq, at_ms, kind, session_id, turn_id, spent, detail FROM entries
    WHERE seq > :after AND at_ms >= :since AND at_ms < :until
    AND (kind IN ('call', 'reconciled', 'repriced') OR spent <> 0)
    ORDER BY seq LIMIT :page
""")


def charges(connection: Connection, since_ms: int, until_ms: int, name: Callable[[str], str]) -> Iterator[Charge]:
    """What was booked from `since_ms` on and before `until_ms`, in its order. `name`: what a project is called, by its path.

    Raises StoreError for an entry that cannot be read: what is left out would not be noticed.
    """
    found = connection.execute(select(sessions.c.id, sessions.c.agent, sessions.c.project, sessions.c.directory))
    places = {row[0]: (row[1], name(row[2] or row[3])) for row in found}
    asked: dict[str, Any] = {"after": 0, "since": since_ms, "until": until_ms, "page": _PAGE}
    while page := connection.execute(_ENTRIES, asked).all():
        for seq, at_ms, kind, session_id, turn_id, spent, detail in page:
            agent, project = places.get(session_id, ("", ""))
            booked = datetime.fromtimestamp(at_ms / 1000, UTC).date()
            if kind not in _KINDS:
                raise StoreError(f"The ledger entry {seq} is of the kind {kind[:40]!r} and spends: it cannot be told")
            with stored.reading(f"ledger entry {seq}"):
                charge = _charge(_KINDS[kind], booked, agent, project, turn_id or "", spent, json.loads(detail))
            yield charge
        asked["after"] = page[-1][0]


def _charge(
    kind: ChargeKind, booked: date, agent: str, project: str, turn_id: str, spent: int, facts: dict[str, Any]
) -> Charge:
    usage = rows.usage_in(facts)
    repriced = kind is ChargeKind.REPRICED
    return Charge(
        kind,
        booked,
        date.fromisoformat(stored.field(facts, "priced_on", str)) if repriced else booked,
        agent,
        project,
        turn_id,
        usage,
        None if "unpriced" in facts else spent,
        ended=stored.field(facts, "ended", bool, True),  # noqa: FBT003 - what it is where it is not told
        rates=_rates(stored.field(facts, "rates", dict)) if repriced else None,
    )


def _rates(facts: Any) -> Rates:
    def rate(name: str) -> int:
        return stored.field(facts, name, int, 0)

    return Rates(
        input=rate("input"),
        cache_read=rate("cache_read"),
        cache_write_5m=rate("cache_write_5m"),
        cache_write_1h=rate("cache_write_1h"),
        output=rate("output"),
        web_search=rate("web_search"),
    )
