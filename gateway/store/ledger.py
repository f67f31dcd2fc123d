"""The ledger: entries chained by hash, balances that are their fold, and the proof that both still hold.

An entry's hash is the SHA-256 of the previous entry's hash followed by the canonical JSON (sorted keys, no spaces, ASCII) of
the columns that `HASHED` names for its version. The first entry follows sixty-four zeros.

A scope's balance is the fold over the entries that name it: spent and held add up, a limit replaces the one before. To free
more than is held frees what is held: the entry is written all the same, because what was spent is a fact, and `verify` tells.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Text, bindparam, cast, exists, func, literal, or_, select, text, update
from sqlalchemy.dialects.sqlite import insert

from gateway.domain.budget import Balance, Caps, Counts, Entry, EntryKind, Lift, Scope
from gateway.domain.money import Usd
from gateway.domain.usage import Usage
from gateway.ports import Record, StoreError
from gateway.store import prepared, rows, stored
from gateway.store.prepared import Prepared
from gateway.store.schema import FREEZE_KINDS, POLICY_KIND, TIMED, UNPRICED, balances, entries, storable, turns

GENESIS = "0" * 64

_FIRST = (
    *("seq", "at_ms", "kind", "scopes", "turn_id", "session_id", "who", "why"),
    *("spent", "held", "limit", "call_id", "detail", "previous_hash"),
)
_COUNTS = ("tokens", "calls", "work_ms")
_CAPS = ("tokens_cap", "calls_cap", "work_ms_cap")
HASHED: Mapping[int, tuple[str, ...]] = {
    1: _FIRST,
    2: (*_FIRST, "version"),
    3: (*_FIRST, "version", *_COUNTS, *_CAPS, "until_ms"),
}
"""Which columns an entry's hash covers, by version. Old versions never change; a new column is a new version."""
VERSION = max(HASHED)
"""Of entries written now."""
_SUMS = ("spent", "held", *_COUNTS)
_LIMITS = ("limit", *_CAPS)
"""What a balance adds up, and what of it an entry replaces: columns of both."""
_CHANGING = (*_LIMITS, *_SUMS)
WITHOUT_PRICE = """entries.kind IN ('call', 'reconciled')
    AND CASE WHEN json_valid(entries.detail) THEN json_type(entries.detail, '$.unpriced') = 'text' ELSE 0 END"""
"""What the meter wrote of a call or a difference whose price nobody knew."""
MOST_FLAWS = 100
_PAGE = 1000

_CALL_KNOWN = Prepared(select(exists().where(entries.c.call_id == bindparam("call_id"))))
_PRICED = entries.alias("priced")
_SPENT_ON = (
    select(entries.c.session_id, func.sum(entries.c.spent + func.coalesce(_PRICED.c.spent, 0)))
    .outerjoin(_PRICED, _PRICED.c.call_id == literal("reprice:") + cast(entries.c.seq, Text))
    .where(entries.c.call_id >= bindparam("first"), entries.c.call_id < bindparam("beyond"))
    .group_by(entries.c.session_id)
)
_FROZEN = Prepared(select(entries.c.kind).where(text(FREEZE_KINDS)).order_by(entries.c.seq.desc()).limit(1))
_POLICY = select(entries.c.detail).where(text(POLICY_KIND)).order_by(entries.c.seq.desc()).limit(1)
_TIMED = Prepared(
    select(entries).where(text(TIMED), entries.c.until_ms > bindparam("now_ms")).order_by(entries.c.until_ms)
)
_LAST = Prepared(select(entries.c.seq, entries.c.hash).order_by(entries.c.seq.desc()).limit(1))
_APPEND = Prepared(
    insert(entries).on_conflict_do_nothing(index_elements=["call_id"], index_where=text("call_id IS NOT NULL"))
)


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that is not as it was written: the entry's number where it is an entry, and what is wrong."""

    seq: int | None
    what: str


@dataclass(slots=True)
class _Fold:
    """A scope's balance in the making."""

    sums: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_SUMS, 0))
    limits: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(_LIMITS))

    def add(self, row: rows.Row) -> None:
        for name in _SUMS:
            self.sums[name] += row[name]
        self.sums["held"] = max(0, self.sums["held"])
        for name in _LIMITS:
            # A limit of the settings was once written down like one that a person set; it is the owner's to change.
            if row[name] is not None and row["who"] != "settings":
                self.limits[name] = row[name]


def entry_hash(row: rows.Row) -> str:
    """The hash of an entry, as hexadecimal; see the module's docstring. Raises KeyError for a version that there is not."""
    plain = {name: row[name] for name in HASHED[row["version"]]}
    return hashlib.sha256((row["previous_hash"] + rows.dump(plain)).encode()).hexdigest()


def call_known(connection: Connection, call_id: str) -> bool:
    """Whether a call with this id is in the ledger."""
    return bool(_CALL_KNOWN.scalar(connection, {"call_id": call_id}))


def spent_on(connection: Connection, beginning: str) -> dict[str, Usd]:
    """By session what its calls cost whose names begin so, with the prices that were found for them later."""
    found = connection.execute(
        _SPENT_ON, {"first": beginning, "beyond": f"{beginning[:-1]}{chr(ord(beginning[-1]) + 1)}"}
    )
    return {session_id: Usd(spent) for session_id, spent in found}


def metered(connection: Connection, turn_id: str) -> tuple[Usage, ...]:
    """What was booked for a turn since its hold was last settled. Raises StoreError for an entry that cannot be read."""
    booked: list[Usage] = []
    for record in records(connection, turn_id=turn_id):
        if record.entry.kind in (EntryKind.SETTLED, EntryKind.VOIDED):
            booked.clear()
        elif record.entry.kind in (EntryKind.CALL, EntryKind.RECONCILED):
            booked.append(rows.usage_of(record))
    return tuple(booked)


def unpriced(connection: Connection, after: tuple[str, int], limit: int) -> tuple[tuple[Record, Usage], ...]:
    """Entries without a price, and without a REPRICED entry, beyond (turn id, number), in that order. Raises StoreError."""
    # Mostly there is no such turn at all, which an index tells; the query below walks along all turns by their ids.
    if connection.scalar(select(turns.c.unpriced_calls).where(text(UNPRICED)).limit(1)) is None:
        return ()
    turn_id, seq = after
    later = entries.alias("later")
    priced = exists().where(later.c.call_id == literal("reprice:").concat(entries.c.seq))
    query = (
        select(entries)
        .join(turns, turns.c.id == entries.c.turn_id)
        .where(text(UNPRICED), turns.c.id >= turn_id, (turns.c.id > turn_id) | (entries.c.seq > seq))
        .where(text(WITHOUT_PRICE), ~priced)
        .order_by(turns.c.id, entries.c.seq)
        .limit(limit)
    )
    found = [rows.record_of(row) for row in connection.execute(query).mappings()]
    return tuple((record, rows.usage_of(record)) for record in found)


def frozen(connection: Connection) -> bool:
    """Whether the last word on paid turns was FREEZE."""
    return _FROZEN.scalar(connection, {}) == EntryKind.FREEZE


def policy(connection: Connection) -> str:
    """The owner's settings as they were noted last; empty if they never were."""
    return connection.scalar(_POLICY) or ""


def read_balances(connection: Connection, scopes: Sequence[Scope]) -> dict[Scope, Balance]:
    """The balance of each scope; one that no entry ever named has no limit, and nothing spent or held."""
    asked: dict[str, str] = {}
    for place, scope in enumerate(scopes):
        asked[f"kind{place}"], asked[f"key{place}"] = _key(scope)
    found = {(row["kind"], row["key"]): row for row in _reading(len(scopes)).all(connection, asked)}
    return {scope: balance_of(scope, found.get(_key(scope))) for scope in scopes}


def _key(scope: Scope) -> tuple[str, str]:
    """A scope as the key of its balance's row."""
    return scope.kind.value, storable(scope.key)


@lru_cache(maxsize=16)
def _reading(scopes: int) -> Prepared:
    """One statement for the balances of so many scopes, each by its key; for IN, SQLite walks along all that there are."""
    named = [(bindparam(f"kind{place}"), bindparam(f"key{place}")) for place in range(scopes)]
    here = or_(*((balances.c.kind == kind) & (balances.c.key == key) for kind, key in named))
    return Prepared(select(balances).where(here))


def balance_of(scope: Scope, row: rows.Row | None) -> Balance:
    """A scope's balance from its row, if it has one."""
    if row is None:
        return Balance(scope, None)
    limit = None if row["limit"] is None else Usd(row["limit"])
    counts = Counts(row["tokens"], row["calls"], row["work_ms"])
    caps = Caps(row["tokens_cap"], row["calls_cap"], row["work_ms_cap"])
    return Balance(scope, limit, Usd(row["spent"]), Usd(row["held"]), counts, caps)


def lifts(connection: Connection, now_ms: int) -> tuple[Lift, ...]:
    """By how much limits are higher now, until a time. Raises StoreError."""
    found = _TIMED.all(connection, {"now_ms": now_ms})
    return tuple(lift for row in found for lift in rows.lifts_of(row))


def append(connection: Connection, new: Sequence[Entry], now_ms: int) -> None:
    """Write entries and what they change. Raises StoreError for a known call."""
    if not new:
        return
    last = _LAST.one(connection, {})
    seq, previous = (0, GENESIS) if last is None else (last["seq"], last["hash"])
    for entry in new:
        seq += 1
        row = _entry_row(entry, seq, now_ms, previous)
        previous = row["hash"] = entry_hash(row)
        if not _APPEND.change(connection, row):
            raise StoreError(f"The call {entry.call_id} is in the ledger already: nothing was written")
        if entry.kind is EntryKind.POLICY:
            _supersede(connection, entry)
        if entry.scopes:
            _apply(connection, tuple(dict.fromkeys(entry.scopes)), entry)


def _entry_row(entry: Entry, seq: int, now_ms: int, previous: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "seq": seq,
        "at_ms": now_ms,
        "kind": entry.kind.value,
        "scopes": rows.scopes_json(tuple(dict.fromkeys(entry.scopes))),
        "turn_id": entry.turn_id,
        "session_id": entry.session_id,
        "who": entry.who,
        "why": entry.why,
        "spent": rows.nano(entry.spent),
        "held": rows.nano(entry.held),
        "limit": None if entry.limit is None else rows.nano(entry.limit),
        "call_id": entry.call_id,
        "detail": entry.detail,
        "previous_hash": previous,
        "version": VERSION,
        "until_ms": entry.until_ms,
        **_counts(entry),
    }
    return {name: storable(value) if isinstance(value, str) else value for name, value in row.items()}


def _counts(entry: Entry) -> dict[str, int | None]:
    """What an entry counts and caps, as columns."""
    counts, caps = entry.counts, entry.caps
    return {
        "tokens": counts.tokens,
        "calls": counts.calls,
        "work_ms": counts.work_ms,
        "tokens_cap": caps.tokens,
        "calls_cap": caps.calls,
        "work_ms_cap": caps.work_ms,
    }


def _superseded(detail: str) -> list[tuple[str, str, int]]:
    """(kind of scope, limit, its value): limits that a person set above this are the settings' again, since the owner changed those."""
    try:
        changed = json.loads(detail or "{}")["changed"].items()
        # `day` is its dollars, `day.calls` a cap.
        named = [(*str(name).partition("."), int(limit)) for name, limit in changed]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []  # noted by a version that changed nothing with it
    return [(kind, f"{cap}_cap" if cap else "limit", limit) for kind, _, cap, limit in named]


def _supersede(connection: Connection, entry: Entry) -> None:
    for kind, name, limit in _superseded(entry.detail):
        if name in _LIMITS:
            above = (balances.c.kind == kind) & (balances.c[name] > limit)
            connection.execute(update(balances).where(above).values({name: None}))


def _apply(connection: Connection, scopes: Sequence[Scope], entry: Entry) -> None:
    """Add what the entry changes to the balance of each scope. Raises StoreError for a sum that nobody can have spent."""
    limit = None if entry.limit is None else entry.limit.nano
    changes = {"limit": limit, "spent": entry.spent.nano, "held": entry.held.nano, **_counts(entry)}
    named = [part for scope in scopes for part in _key(scope)]
    changed = (*(changes[name] for name in _CHANGING), *named)
    for totals in prepared.run(connection, _adding(len(scopes)), changed).fetchall():
        for total in totals:
            rows.nano(Usd(total))


@lru_cache(maxsize=16)
def _adding(scopes: int) -> str:
    """One statement for the balances of so many scopes: its parameters are what changes, then the kind and the key of each."""
    named = [f'"{name}"' for name in _CHANGING]
    first = [f"max(0, ?{place})" if name == "held" else f"?{place}" for place, name in enumerate(_CHANGING, 1)]
    places = range(len(_CHANGING) + 1, len(_CHANGING) + 1 + 2 * scopes, 2)
    each = ", ".join(f"(?{place}, ?{place + 1}, {', '.join(first)})" for place in places)
    replaced = [f'"{name}" = coalesce(excluded."{name}", "{name}")' for name in _LIMITS]
    added = [f'"{name}" = "{name}" + excluded."{name}"' for name in _SUMS if name != "held"]
    added.append(f'"held" = max(0, "held" + ?{_CHANGING.index("held") + 1})')
    return f"""
        INSERT INTO balances (kind, "key", {", ".join(named)}) VALUES {each}
        ON CONFLICT (kind, "key") DO UPDATE SET {", ".join((*replaced, *added))}
        RETURNING spent, held"""  # noqa: S608 - made of the schema's names


def records(
    connection: Connection, after: int = 0, session_id: str | None = None, turn_id: str | None = None
) -> Iterator[Record]:
    """Entries with a number above `after`, in order, of everything or of one session or turn. Raises StoreError."""
    for row in _rows(connection, after, session_id, turn_id):
        yield rows.record_of(row)


def _rows(
    connection: Connection, after: int = 0, session_id: str | None = None, turn_id: str | None = None
) -> Iterator[rows.Row]:
    """The entries' rows, a page at a time."""
    query = select(entries).order_by(entries.c.seq).limit(_PAGE)
    if session_id is not None:
        query = query.where(entries.c.session_id == session_id)
    if turn_id is not None:
        query = query.where(entries.c.turn_id == turn_id)
    while page := connection.execute(query.where(entries.c.seq > after)).mappings().all():
        yield from page
        after = page[-1]["seq"]


@dataclass(slots=True)
class _Check:
    """The walk along the chain."""

    flaws: list[Flaw] = field(default_factory=list)
    folds: defaultdict[tuple[str, str], _Fold] = field(default_factory=lambda: defaultdict(_Fold))
    seq: int = 0
    previous: str = GENESIS

    def entry(self, row: rows.Row) -> None:
        seq = row["seq"]
        if seq != self.seq + 1:
            self.flaws.append(Flaw(seq, f"entries are missing: {seq} follows {self.seq}"))
        if row["previous_hash"] != self.previous:
            self.flaws.append(Flaw(seq, "the entry before it is not the one it was chained to"))
        if row["version"] not in HASHED or entry_hash(row) != row["hash"] or _says_too_much(row):
            self.flaws.append(Flaw(seq, "the entry is not what was written"))
        self.seq, self.previous = seq, row["hash"]
        self._fold(row)

    def _fold(self, row: rows.Row) -> None:
        try:
            scopes = rows.scopes_of(row["scopes"])
        except stored.UNREADABLE:
            self.flaws.append(Flaw(row["seq"], "the entry's scopes cannot be read"))
            return
        if row["kind"] == EntryKind.POLICY:
            self._policy(row)
        for scope in scopes:
            fold = self.folds[scope.kind.value, scope.key]
            if fold.sums["held"] + row["held"] < 0:
                self.flaws.append(Flaw(row["seq"], f"more is freed than is held on {scope}"))
            fold.add(row)

    def _policy(self, row: rows.Row) -> None:
        superseded = {(kind, name): limit for kind, name, limit in _superseded(row["detail"])}
        for (kind, _), fold in self.folds.items():
            for name, value in fold.limits.items():
                if value is not None and (kind, name) in superseded and value > superseded[kind, name]:
                    fold.limits[name] = None


def _says_too_much(row: rows.Row) -> bool:
    """A column that entries of this version did not have, and their hash does not cover, was filled in."""
    later = set(HASHED[VERSION]) - set(HASHED[row["version"]]) - {"version"}
    return any(row[name] != (0 if name in _COUNTS else None) for name in later)


def verify(connection: Connection) -> tuple[Flaw, ...]:
    """Walk the whole ledger: numbers, hashes, and every balance against its fold. Empty: all is as it was written.

    At most `MOST_FLAWS` are told. A ledger cut off at its end is found by the balances, which then are not its fold.
    """
    check = _Check()
    for row in _rows(connection):
        check.entry(row)
        if len(check.flaws) >= MOST_FLAWS:
            return tuple(check.flaws[:MOST_FLAWS])
    found = {
        (row["kind"], row["key"]): _Fold({name: row[name] for name in _SUMS}, {name: row[name] for name in _LIMITS})
        for row in connection.execute(select(balances)).mappings()
    }
    for kind, key in sorted(found.keys() | check.folds.keys()):
        folded, kept = check.folds.get((kind, key), _Fold()), found.get((kind, key), _Fold())
        if folded != kept:
            check.flaws.append(Flaw(None, f"the balance of {kind}:{key} is not the sum of its entries"))
    return tuple(check.flaws[:MOST_FLAWS])
