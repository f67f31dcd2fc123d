"""Approvals to rows and back."""

import json
from typing import Any

from gateway.domain.approval import Approval, ApprovalKind, ApprovalState, Choice, Option
from gateway.domain.budget import Lift, Unit
from gateway.store import rows, stored


def approval_row(approval: Approval) -> dict[str, Any]:
    """An approval as its row; its tokens have a table of their own, by which they are found."""
    return rows.thread_columns(approval.thread) | {
        "id": approval.id,
        "kind": approval.kind,
        "turn_id": approval.turn_id,
        "session_id": approval.session_id,
        "text": approval.text,
        "options": rows.dump([_option_json(option) for option in approval.options]),
        "digest": approval.digest,
        "expires_at_ms": approval.expires_at_ms,
        "state": approval.state,
        "request_id": approval.request_id,
        "answered_by": approval.answered_by,
        "answer": approval.answer,
    }


def approval_of(row: rows.Row, tokens: tuple[str, ...]) -> Approval:
    """An approval from its row and its tokens. Raises StoreError."""
    with stored.reading(f"approval {row['id']}"):
        return Approval(
            id=row["id"],
            kind=ApprovalKind(row["kind"]),
            turn_id=row["turn_id"],
            session_id=row["session_id"],
            thread=rows.thread_of(row),
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
        "allows": rows.optional_nano(option.allows),
        "lifts": [rows.lift_json(lift) for lift in option.lifts],
        "value": option.value,
        "unpriced": option.unpriced,
        "model": option.model,
    }


def _option_of(facts: Any) -> Option:
    return Option(
        choice=Choice(stored.field(facts, "choice", str)),
        label=stored.field(facts, "label", str),
        allows=rows.usd(stored.optional(facts, "allows", int)),
        lifts=(
            *(_raise_of(raised) for raised in stored.field(facts, "raises", list, [])),
            *(rows.lift_of(lift) for lift in stored.field(facts, "lifts", list, [])),
        ),
        value=stored.field(facts, "value", str, ""),
        unpriced=stored.field(facts, "unpriced", bool, False),  # noqa: FBT003 - the default
        model=stored.optional(facts, "model", str),
    )


def _raise_of(facts: Any) -> Lift:
    """As it was written before there were other units than dollars."""
    kind, key, amount, *_ = stored.members(facts, "raises", 3)
    return Lift(rows.scope_of([kind, key]), Unit.USD, stored.typed(amount, int, "raises"))
