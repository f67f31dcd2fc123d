"""Domain values to rows and back. What is nested in a record is JSON; money is nano-dollars."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from gateway.core.first_call import FirstCall
from gateway.core.forecast import Past
from gateway.core.turn import CUT_SHORT
from gateway.domain.approval import Approval, ApprovalKind, ApprovalState, Choice, Option
from gateway.domain.budget import Caps, Counts, Entry, EntryKind, Lift, Quota, Scope, ScopeKind, Unit
from gateway.domain.estimate import Estimate
from gateway.domain.files import Attachment, FileKind
from gateway.domain.money import Usd
from gateway.domain.place import Grant, GrantFrom, Role, Room, Session, Thread
from gateway.domain.turn import Claim, ClaimKind, Origin, Outcome, OutcomeKind, Turn, TurnState
from gateway.domain.usage import Flag, Tokens, Usage
from gateway.ports import Process, Record, StoreError
from gateway.store import stored

Row = Mapping[Any, Any]

PAST_KEPT = 20_000
"""Of how many past turns what the forecast looks at is kept in memory, about a kilobyte each."""

OPEN_KEPT = 2_000
"""Of how many turns that have not ended what was read is kept, a few kilobytes each: of those that wait one is looked at for every
message, and hundreds may wait.
"""

LARGEST_NANO = 2**62 - 1
"""More than any sum of money that this program meets; the sum of two such figures is still within SQLite's integers."""


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_TOKENS = tuple(field.name for field in fields(Tokens))


def dump(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, ASCII."""
    return _CANONICAL.encode(value)


def nano(amount: Usd) -> int:
    """The amount, checked to be one that the database can hold and add up. Raises StoreError."""
    if abs(amount.nano) > LARGEST_NANO:
        raise StoreError(f"{amount} is too large an amount to be true: nothing was written")
    return amount.nano


def _usd(value: int | None) -> Usd | None:
    return None if value is None else Usd(value)


def _nano(amount: Usd | None) -> int | None:
    return None if amount is None else nano(amount)


def scopes_json(scopes: tuple[Scope, ...]) -> str:
    """`[["session","s_1"],["day","2026-01-31"]]`."""
    return dump([[scope.kind, scope.key] for scope in scopes])


def scopes_of(text: str) -> tuple[Scope, ...]:
    """The reverse of `scopes_json`. Raises what `stored.UNREADABLE` names."""
    return tuple(_scope_of(scope) for scope in stored.members(json.loads(text), "scopes"))


def _scope_of(facts: Any) -> Scope:
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


def turn_row(turn: Turn) -> dict[str, Any]:
    """A turn as its row, but for `agent`, which is its session's."""
    return {
        "id": turn.id,
        "session_id": turn.session_id,
        "origin": turn.origin,
        "state": turn.state,
        "person": turn.person,
        "prompt": turn.prompt,
        "prompt_uuid": turn.prompt_uuid,
        "created_at_ms": turn.created_at_ms,
        "model": turn.model,
        "scopes": scopes_json(turn.scopes),
        "estimate": None if turn.estimate is None else dump(_estimate_json(turn.estimate)),
        "hold": nano(turn.hold),
        "held_left": nano(turn.held_left),
        "ceiling": nano(turn.ceiling),
        "spent": nano(turn.spent),
        "tokens": dump({name: getattr(turn.tokens, name) for name in _TOKENS}),
        "calls": turn.calls,
        "work_ms": turn.work_ms,
        "lifts": dump([lift_json(lift) for lift in turn.lifts]),
        "unpriced_calls": turn.unpriced_calls,
        "unpriced_allowed": int(turn.unpriced_allowed),
        "continues": int(turn.continues),
        "flags": dump(sorted(turn.flags)),
        "outcome": None if turn.outcome is None else dump([turn.outcome.kind, turn.outcome.text]),
        "started_at_ms": turn.started_at_ms,
        "ended_at_ms": turn.ended_at_ms,
        "waits_until_ms": turn.waits_until_ms,
        "claim": None if turn.claim is None else dump([turn.claim.kind, turn.claim.text]),
        "attachments": dump([_attachment_json(one) for one in turn.attachments]),
        "message_id": turn.message_id,
        "forgotten_at_ms": turn.forgotten_at_ms,
    }


def turn_of(row: Row) -> Turn:
    """A turn from its row. Raises StoreError."""
    with stored.reading(f"turn {row['id']}"):
        return Turn(
            id=row["id"],
            session_id=row["session_id"],
            origin=Origin(row["origin"]),
            state=TurnState(row["state"]),
            person=row["person"],
            prompt=row["prompt"],
            prompt_uuid=row["prompt_uuid"],
            created_at_ms=row["created_at_ms"],
            model=row["model"],
            scopes=scopes_of(row["scopes"]),
            estimate=None if row["estimate"] is None else _estimate_of(json.loads(row["estimate"])),
            hold=Usd(row["hold"]),
            held_left=Usd(row["held_left"]),
            ceiling=Usd(row["ceiling"]),
            spent=Usd(row["spent"]),
            tokens=_tokens_of(json.loads(row["tokens"])),
            calls=row["calls"],
            work_ms=row["work_ms"],
            lifts=tuple(_lift_of(lift) for lift in stored.members(json.loads(row["lifts"]), "lifts")),
            unpriced_calls=row["unpriced_calls"],
            unpriced_allowed=bool(row["unpriced_allowed"]),
            continues=bool(row["continues"]),
            flags=frozenset(Flag(flag) for flag in stored.members(json.loads(row["flags"]), "flags")),
            outcome=None if row["outcome"] is None else _outcome_of(json.loads(row["outcome"])),
            started_at_ms=row["started_at_ms"],
            ended_at_ms=row["ended_at_ms"],
            waits_until_ms=row["waits_until_ms"],
            claim=None if row["claim"] is None else _claim_of(json.loads(row["claim"])),
            attachments=tuple(
                _attachment_of(one) for one in stored.members(json.loads(row["attachments"]), "attachments")
            ),
            message_id=row["message_id"],
            forgotten_at_ms=row["forgotten_at_ms"],
        )


@lru_cache(OPEN_KEPT)
def open_turn_of(names: tuple[str, ...], values: tuple[Any, ...]) -> Turn:
    """The same of a whole row: one that says what it said before is not read again."""
    return turn_of(dict(zip(names, values, strict=True)))


def _attachment_json(one: Attachment) -> list[Any]:
    """Its first members were there from the beginning; what came later is named, and left out where it says nothing."""
    later = {"duration_s": one.duration_s, "album": one.album, "passed_on": one.passed_on, "heard": one.heard}
    said = {name: value for name, value in later.items() if value is not None and value is not False and value != ""}
    if one.heard is not None:
        said["heard"] = one.heard
    return [one.id, one.name, one.kind, one.size, *([said] if said else [])]


def _attachment_of(facts: Any) -> Attachment:
    name, shown, kind, size, *later = stored.members(facts, "attachment", 4)
    said = later[0] if later else {}
    return Attachment(
        stored.typed(name, str, "attachment"),
        stored.typed(shown, str, "attachment"),
        FileKind(kind),
        None if size is None else stored.typed(size, int, "attachment"),
        duration_s=stored.optional(said, "duration_s", int),
        album=stored.field(said, "album", str, ""),
        passed_on=stored.optional(said, "passed_on", bool) is True,
        heard=stored.optional(said, "heard", str),
    )


def _tokens_of(facts: Any) -> Tokens:
    return Tokens(**{name: stored.field(facts, name, int, 0) for name in _TOKENS})


def _outcome_of(facts: Any) -> Outcome:
    kind, *text = stored.members(facts, "outcome", 1)
    return Outcome(OutcomeKind(kind), stored.typed(text[0], str, "outcome") if text else "")


def _claim_of(facts: Any) -> Claim:
    kind, text, *_ = stored.members(facts, "claim", 2)
    return Claim(ClaimKind(kind), stored.typed(text, str, "claim"))


_FORESEEN = ("p90", "warm", "expected")


@lru_cache(maxsize=PAST_KEPT)
def past_of(
    turn_id: str, session_id: str, state: str, model: str | None, spent: int, estimate: str | None, flags: str
) -> Past:
    """What the forecast looks at in a turn. Raises StoreError.

    Each verdict looks at hundreds that have ended and never change again: what their JSON said is kept.
    """
    with stored.reading(f"turn {turn_id}"):
        said = None if estimate is None else json.loads(estimate)
        p90, warm, expected = (None if said is None else _usd(stored.optional(said, name, int)) for name in _FORESEEN)
        first = None if warm is None or expected is None else FirstCall(warm, expected)
        at_least = TurnState(state) in CUT_SHORT or Flag.LOWER_BOUND in stored.members(json.loads(flags), "flags")
        return Past(session_id, first, Usd(spent), p90, at_least, model)


def _estimate_json(estimate: Estimate) -> dict[str, Any]:
    return {
        "floor": nano(estimate.floor),
        "p50": _nano(estimate.p50),
        "p90": _nano(estimate.p90),
        "n": estimate.n,
        "hold": nano(estimate.hold),
        "words": estimate.words,
        "unpriced": estimate.unpriced,
        "warm": _nano(estimate.warm),
        "expected": _nano(estimate.expected),
        "cold_tokens": estimate.cold_tokens,
    }


def _estimate_of(facts: Any) -> Estimate:
    return Estimate(
        floor=Usd(stored.field(facts, "floor", int)),
        p50=_usd(stored.optional(facts, "p50", int)),
        p90=_usd(stored.optional(facts, "p90", int)),
        n=stored.field(facts, "n", int),
        hold=Usd(stored.field(facts, "hold", int)),
        words=stored.field(facts, "words", str),
        unpriced=stored.optional(facts, "unpriced", str),
        warm=_usd(stored.optional(facts, "warm", int)),
        expected=_usd(stored.optional(facts, "expected", int)),
        cold_tokens=stored.field(facts, "cold_tokens", int, 0),
    )


def approval_row(approval: Approval) -> dict[str, Any]:
    """An approval as its row; its tokens have a table of their own, by which they are found."""
    return thread_columns(approval.thread) | {
        "id": approval.id,
        "kind": approval.kind,
        "turn_id": approval.turn_id,
        "session_id": approval.session_id,
        "text": approval.text,
        "options": dump([_option_json(option) for option in approval.options]),
        "digest": approval.digest,
        "expires_at_ms": approval.expires_at_ms,
        "state": approval.state,
        "request_id": approval.request_id,
        "answered_by": approval.answered_by,
        "answer": approval.answer,
    }


def approval_of(row: Row, tokens: tuple[str, ...]) -> Approval:
    """An approval from its row and its tokens. Raises StoreError."""
    with stored.reading(f"approval {row['id']}"):
        return Approval(
            id=row["id"],
            kind=ApprovalKind(row["kind"]),
            turn_id=row["turn_id"],
            session_id=row["session_id"],
            thread=thread_of(row),
            text=row["text"],
            options=tuple(_option_of(option) for option in stored.members(json.loads(row["options"]), "options")),
            tokens=tokens,
            digest=row["digest"],
            expires_at_ms=row["expires_at_ms"],
            state=ApprovalState(row["state"]),
            request_id=row["request_id"],
            answered_by=row["answered_by"],
            answer=row["answer"],
        )


def _option_json(option: Option) -> dict[str, Any]:
    return {
        "choice": option.choice,
        "label": option.label,
        "allows": _nano(option.allows),
        "lifts": [lift_json(lift) for lift in option.lifts],
        "value": option.value,
        "unpriced": option.unpriced,
        "model": option.model,
    }


def _option_of(facts: Any) -> Option:
    return Option(
        choice=Choice(stored.field(facts, "choice", str)),
        label=stored.field(facts, "label", str),
        allows=_usd(stored.optional(facts, "allows", int)),
        lifts=(
            *(_raise_of(raised) for raised in stored.field(facts, "raises", list, [])),
            *(_lift_of(lift) for lift in stored.field(facts, "lifts", list, [])),
        ),
        value=stored.field(facts, "value", str, ""),
        unpriced=stored.field(facts, "unpriced", bool, False),  # noqa: FBT003 - the default
        model=stored.optional(facts, "model", str),
    )


def _raise_of(facts: Any) -> Lift:
    """As it was written before there were other units than dollars."""
    kind, key, amount, *_ = stored.members(facts, "raises", 3)
    return Lift(_scope_of([kind, key]), Unit.USD, stored.typed(amount, int, "raises"))


def lift_json(lift: Lift) -> list[Any]:
    """`["day","2026-01-31","usd",5000000000]`."""
    return [lift.scope.kind, lift.scope.key, lift.unit, lift.by]


def _lift_of(facts: Any) -> Lift:
    kind, key, unit, by, *_ = stored.members(facts, "lift", 4)
    return Lift(_scope_of([kind, key]), Unit(unit), stored.typed(by, int, "lift"))


def lifts_of(row: Row) -> tuple[Lift, ...]:
    """By how much a RAISED entry says that limits are higher. Raises StoreError."""
    with stored.reading(f"ledger entry {row['seq']}"):
        found = stored.field(json.loads(row["detail"]), "lifts", list)
        return tuple(replace(_lift_of(lift), until_ms=row["until_ms"]) for lift in found)


def grant_row(grant: Grant) -> dict[str, Any]:
    """A grant as its row."""
    return asdict(grant) | {"largest_raise": _nano(grant.largest_raise)}


def grant_of(row: Row) -> Grant:
    """A grant from its row. Raises StoreError."""
    with stored.reading(f"grant of {row['person']}"):
        return Grant(
            person=row["person"],
            role=Role(row["role"]),
            chat=row["chat"],
            largest_raise=_usd(row["largest_raise"]),
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
        facts = json.loads(record.entry.detail)
        usage = Usage(stored.field(facts, "model", str), _tokens_of(stored.field(facts, "tokens", dict)))
        return replace(
            usage,
            service_tier=stored.field(facts, "service_tier", str, usage.service_tier),
            speed=stored.field(facts, "speed", str, usage.speed),
            web_searches=stored.field(facts, "web_searches", int, usage.web_searches),
            geo=stored.field(facts, "geo", str, usage.geo),
        )


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
            limit=_usd(row["limit"]),
            call_id=row["call_id"],
            detail=row["detail"],
            counts=Counts(row["tokens"], row["calls"], row["work_ms"]),
            caps=Caps(row["tokens_cap"], row["calls_cap"], row["work_ms_cap"]),
            until_ms=row["until_ms"],
        )
    return Record(row["seq"], row["at_ms"], entry, row["previous_hash"], row["hash"])
