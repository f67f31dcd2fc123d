"""Turns to rows and back, and what the forecast looks at in them."""

import json
from dataclasses import fields
from functools import lru_cache
from typing import Any

from gateway.core.first_call import FirstCall
from gateway.core.forecast import Past
from gateway.core.turn import CUT_SHORT
from gateway.domain.estimate import Estimate
from gateway.domain.files import Attachment, FileKind
from gateway.domain.money import Usd
from gateway.domain.turn import Claim, ClaimKind, Origin, Outcome, OutcomeKind, Turn, TurnState
from gateway.domain.usage import Flag, Parts
from gateway.store import rows, stored

_PARTS = tuple(field.name for field in fields(Parts))
PAST_KEPT = 20_000
"""Of how many past turns what the forecast looks at is kept in memory, about a kilobyte each."""

OPEN_KEPT = 2_000
"""Of how many turns that have not ended what was read is kept, a few kilobytes each: of those that wait one is looked at for every
message, and hundreds may wait.
"""


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
        "scopes": rows.scopes_json(turn.scopes),
        "estimate": None if turn.estimate is None else rows.dump(_estimate_json(turn.estimate)),
        "hold": rows.nano(turn.hold),
        "held_left": rows.nano(turn.held_left),
        "ceiling": rows.nano(turn.ceiling),
        "spent": rows.nano(turn.spent),
        "tokens": rows.dump({name: getattr(turn.tokens, name) for name in rows.TOKENS}),
        "parts": rows.dump(_parts_json(turn.parts)),
        "calls": turn.calls,
        "work_ms": turn.work_ms,
        "lifts": rows.dump([rows.lift_json(lift) for lift in turn.lifts]),
        "unpriced_calls": turn.unpriced_calls,
        "unpriced_allowed": int(turn.unpriced_allowed),
        "continues": int(turn.continues),
        "flags": rows.dump(sorted(turn.flags)),
        "outcome": None if turn.outcome is None else rows.dump([turn.outcome.kind, turn.outcome.text]),
        "started_at_ms": turn.started_at_ms,
        "ended_at_ms": turn.ended_at_ms,
        "waits_until_ms": turn.waits_until_ms,
        "claim": None if turn.claim is None else rows.dump([turn.claim.kind, turn.claim.text]),
        "attachments": rows.dump([_attachment_json(one) for one in turn.attachments]),
        "message_id": turn.message_id,
        "forgotten_at_ms": turn.forgotten_at_ms,
    }


def turn_of(row: rows.Row) -> Turn:
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
            scopes=rows.scopes_of(row["scopes"]),
            estimate=None if row["estimate"] is None else _estimate_of(json.loads(row["estimate"])),
            hold=Usd(row["hold"]),
            held_left=Usd(row["held_left"]),
            ceiling=Usd(row["ceiling"]),
            spent=Usd(row["spent"]),
            tokens=rows.tokens_of(json.loads(row["tokens"])),
            parts=_parts_of(json.loads(row["parts"])),
            calls=row["calls"],
            work_ms=row["work_ms"],
            lifts=tuple(rows.lift_of(lift) for lift in stored.members(json.loads(row["lifts"]), "lifts")),
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


def _parts_json(made_of: Parts) -> dict[str, int]:
    """Those that are something."""
    return {name: amount for name in _PARTS if (amount := rows.nano(getattr(made_of, name)))}


def _parts_of(facts: Any) -> Parts:
    return Parts(**{name: Usd(stored.field(facts, name, int, 0)) for name in _PARTS})


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
        p90, warm, expected = (
            None if said is None else rows.usd(stored.optional(said, name, int)) for name in _FORESEEN
        )
        first = None if warm is None or expected is None else FirstCall(warm, expected)
        at_least = TurnState(state) in CUT_SHORT or Flag.LOWER_BOUND in stored.members(json.loads(flags), "flags")
        return Past(session_id, first, Usd(spent), p90, at_least, model)


def _estimate_json(estimate: Estimate) -> dict[str, Any]:
    return {
        "floor": rows.nano(estimate.floor),
        "p50": rows.optional_nano(estimate.p50),
        "p90": rows.optional_nano(estimate.p90),
        "n": estimate.n,
        "hold": rows.nano(estimate.hold),
        "words": estimate.words,
        "unpriced": estimate.unpriced,
        "warm": rows.optional_nano(estimate.warm),
        "expected": rows.optional_nano(estimate.expected),
        "cold_tokens": estimate.cold_tokens,
    }


def _estimate_of(facts: Any) -> Estimate:
    return Estimate(
        floor=Usd(stored.field(facts, "floor", int)),
        p50=rows.usd(stored.optional(facts, "p50", int)),
        p90=rows.usd(stored.optional(facts, "p90", int)),
        n=stored.field(facts, "n", int),
        hold=Usd(stored.field(facts, "hold", int)),
        words=stored.field(facts, "words", str),
        unpriced=stored.optional(facts, "unpriced", str),
        warm=rows.usd(stored.optional(facts, "warm", int)),
        expected=rows.usd(stored.optional(facts, "expected", int)),
        cold_tokens=stored.field(facts, "cold_tokens", int, 0),
    )
