"""Domain values to rows and back. What is nested in a record is JSON; money is nano-dollars."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from hashlib import sha256
from typing import Any, Final

from gateway.domain.budget import Caps, Counts, Entry, EntryKind, Lift, Quota, Scope, ScopeKind, Unit
from gateway.domain.money import Usd
from gateway.domain.place import Grant, GrantFrom, Role, Room, Session, Thread
from gateway.domain.usage import NO_TOKENS, Tokens, Usage
from gateway.ports import Process, Record, StoreError
from gateway.store import stored

Row = Mapping[Any, Any]

LARGEST_NANO = 2**62 - 1
"""More than any sum of money that this program meets; the sum of two such figures is still within SQLite's integers."""


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
TOKENS = tuple(field.name for field in fields(Tokens))


def dump(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, ASCII."""
    return _CANONICAL.encode(value)


def nano(amount: Usd) -> int:
    """The amount, checked to be one that the database can hold and add up. Raises StoreError."""
    if abs(amount.nano) > LARGEST_NANO:
        raise StoreError(f"{amount} is too large an amount to be true: nothing was written")
    return amount.nano


def usd(value: int | None) -> Usd | None:
    """The amount in a column that may hold none."""
    return None if value is None else Usd(value)


def optional_nano(amount: Usd | None) -> int | None:
    """The reverse of `usd`. Raises StoreError."""
    return None if amount is None else nano(amount)


def scopes_json(scopes: tuple[Scope, ...]) -> str:
    """`[["session","s_1"],["day","2026-01-31"]]`."""
    return dump([[scope.kind, scope.key] for scope in scopes])


def scopes_of(text: str) -> tuple[Scope, ...]:
    """The reverse of `scopes_json`. Raises what `stored.UNREADABLE` names."""
    return tuple(scope_of(scope) for scope in stored.members(json.loads(text), "scopes"))


def scope_of(facts: Any) -> Scope:
    """A scope from its JSON: kind and key."""
    kind, key, *_ = stored.members(facts, "scope", 2)
    return Scope(ScopeKind(kind), stored.typed(key, str, "scope"))


def thread_columns(thread: Thread) -> dict[str, str]:
    """A thread as the three columns that every table uses for it."""
    return {"service": thread.service, "chat": thread.chat, "topic": thread.topic}


def thread_of(row: Row) -> Thread:
    """The thread in the three columns."""
    return Thread(row["service"], row["chat"], row["topic"])


FORGOTTEN: Final = "forgotten:"


def forgotten_name(agent_session: str) -> str:
    """What is kept of the agent's name for a conversation that was forgotten: enough to know it again, and nothing to find it by."""
    return f"{FORGOTTEN}{sha256(agent_session.encode('utf-8', 'surrogatepass')).hexdigest()}"


def session_row(session: Session) -> dict[str, Any]:
    """A session as its row."""
    return thread_columns(session.thread) | {
        "id": session.id,
        "agent": session.agent,
        "directory": session.directory,
        "owner": session.owner,
        "created_at_ms": session.created_at_ms,
        "agent_session": session.agent_session,
        "model": session.model,
        "context_tokens": session.context_tokens,
        "last_call_at_ms": session.last_call_at_ms,
        "cache_ttl_s": session.cache_ttl_s,
        "title": session.title,
        "project": session.project,
        "unattended": int(session.unattended),
        "forgotten_at_ms": session.forgotten_at_ms,
        "room": session.room.value,
        "room_name": session.room_name,
        "branch": session.branch,
        "mode": session.mode,
        "forked_from": session.forked_from,
    }


def session_of(row: Row) -> Session:
    """A session from its row."""
    plain = {name: row[name] for name in row if name not in {"service", "chat", "topic", "unattended", "room"}}
    if (row["agent_session"] or "").startswith(FORGOTTEN):
        plain["agent_session"] = None
    return Session(thread=thread_of(row), unattended=bool(row["unattended"]), room=Room(row["room"]), **plain)


def tokens_of(facts: Any) -> Tokens:
    """Counts of tokens, by name; one that is missing is none."""
    return Tokens(**{name: stored.field(facts, name, int, 0) for name in TOKENS})


def lift_json(lift: Lift) -> list[Any]:
    """`["day","2026-01-31","usd",5000000000]`."""
    return [lift.scope.kind, lift.scope.key, lift.unit, lift.by]


def lift_of(facts: Any) -> Lift:
    """The reverse of `lift_json`."""
    kind, key, unit, by, *_ = stored.members(facts, "lift", 4)
    return Lift(scope_of([kind, key]), Unit(unit), stored.typed(by, int, "lift"))


def lifts_of(row: Row) -> tuple[Lift, ...]:
    """By how much a RAISED entry says that limits are higher. Raises StoreError."""
    with stored.reading(f"ledger entry {row['seq']}"):
        found = stored.field(json.loads(row["detail"]), "lifts", list)
        return tuple(replace(lift_of(lift), until_ms=row["until_ms"]) for lift in found)


def grant_row(grant: Grant) -> dict[str, Any]:
    """A grant as its row."""
    return asdict(grant) | {"largest_raise": optional_nano(grant.largest_raise)}


def grant_of(row: Row) -> Grant:
    """A grant from its row. Raises StoreError."""
    with stored.reading(f"grant of {row['person']}"):
        return Grant(
            person=row["person"],
            role=Role(row["role"]),
            chat=row["chat"],
            largest_raise=usd(row["largest_raise"]),
            origin=GrantFrom(row["origin"]),
            since_ms=row["since_ms"],
            by=row["by"],
            name=row["name"],
        )


def process_of(row: Row) -> Process:
    """A process from its row."""
    return Process(row["session_id"], row["pid"], row["started"], row["journal"])


def quota_row(quota: Quota) -> dict[str, Any]:
    """A quota window as its row."""
    return asdict(quota)


def quota_of(row: Row) -> Quota:
    """A quota window from its row."""
    return Quota(**row)


def usage_of(record: Record) -> Usage:
    """The usage that an entry's detail tells, as `core.meter` wrote it. Raises StoreError."""
    with stored.reading(f"ledger entry {record.seq}"):
        return usage_in(json.loads(record.entry.detail))


def usage_in(facts: Any) -> Usage:
    """The usage in such a detail, read. Raises what `stored.UNREADABLE` names."""
    return Usage(
        stored.field(facts, "model", str),
        tokens_of(stored.field(facts, "tokens", dict)),
        service_tier=stored.field(facts, "service_tier", str, _USUAL.service_tier),
        speed=stored.field(facts, "speed", str, _USUAL.speed),
        web_searches=stored.field(facts, "web_searches", int, _USUAL.web_searches),
        geo=stored.field(facts, "geo", str, _USUAL.geo),
    )


_USUAL: Final = Usage("", NO_TOKENS)
"""What holds where nothing is told."""


def record_of(row: Row) -> Record:
    """A ledger entry as written. Raises StoreError."""
    with stored.reading(f"ledger entry {row['seq']}"):
        entry = Entry(
            kind=EntryKind(row["kind"]),
            scopes=scopes_of(row["scopes"]),
            turn_id=row["turn_id"],
            session_id=row["session_id"],
            who=row["who"],
            why=row["why"],
            spent=Usd(row["spent"]),
            held=Usd(row["held"]),
            limit=usd(row["limit"]),
            call_id=row["call_id"],
            detail=row["detail"],
            counts=Counts(row["tokens"], row["calls"], row["work_ms"]),
            caps=Caps(row["tokens_cap"], row["calls_cap"], row["work_ms_cap"]),
            until_ms=row["until_ms"],
        )
    return Record(row["seq"], row["at_ms"], entry, row["previous_hash"], row["hash"])
