"""Approvals: bound when asked, checked when tapped. An approval is a record and a tap is an event; nobody waits in between."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gateway.core.access import may
from gateway.core.gauges import is_shared
from gateway.domain.approval import Approval, ApprovalKind, ApprovalState, Choice, Option
from gateway.domain.budget import Unit
from gateway.domain.effects import Button
from gateway.domain.events import Tap
from gateway.domain.money import Usd
from gateway.domain.place import Deed, Grant
from gateway.domain.turn import Turn
from gateway.view import forget_words, money_words, question_words


@dataclass(frozen=True, slots=True)
class Answered:
    """The tap counts: the approval as it is written, and the option that was picked."""

    approval: Approval
    option: Option


@dataclass(frozen=True, slots=True)
class TooLate:
    """The tap changes nothing; the words are for the person who pressed."""

    words: str


def digest(kind: ApprovalKind, turn_id: str, detail: str, options: Sequence[Option]) -> str:
    """A hash of the full canonical question: what is approved is this, however it was shortened for display."""
    canonical = {
        "kind": kind,
        "turn": turn_id,
        "detail": detail,
        "options": [
            {
                "choice": option.choice,
                "allows": None if option.allows is None else option.allows.nano,
                "lifts": [[str(lift.scope), lift.unit, lift.by] for lift in option.lifts],
                "value": option.value,
                "unpriced": option.unpriced,
                # Only where there is one: questions from before there were any stay as they were.
                **({"model": option.model} if option.model else {}),
            }
            for option in options
        ],
    }
    return hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()


def typed(approval: Approval, turn: Turn, amount: Usd) -> Option:
    """The option that an amount stands for, written as a reply to a question about money.

    No limit in dollars rises by it; what else is in the way is lifted as by the buttons.
    """
    asked = [option for option in approval.options if option.choice is not Choice.NO][:1]
    lifts = tuple(lift for option in asked for lift in option.lifts if lift.unit is not Unit.USD)
    choice = Choice.RAISE if any(is_shared(lift) for lift in lifts) else Choice.RUN
    unpriced = any(option.unpriced for option in approval.options)
    if approval.kind is ApprovalKind.LIMIT:
        words = money_words.go_on(amount)
        return Option(choice, words, allows=turn.spent + amount, lifts=lifts, unpriced=unpriced)
    return Option(choice, money_words.run(amount), allows=amount, lifts=lifts, unpriced=unpriced)


def buttons(approval: Approval) -> tuple[Button, ...]:
    """The approval's options as buttons, each with its one-time token."""
    return tuple(Button(option.label, token) for option, token in zip(approval.options, approval.tokens, strict=True))


def over(approval: Approval, now_ms: int) -> str:
    """Why an answer to the approval comes too late; empty if it does not."""
    if approval.state is ApprovalState.ANSWERED:
        return question_words.ANSWERED_ALREADY
    if approval.state is ApprovalState.WITHDRAWN and not approval.text:
        return forget_words.IS_FORGOTTEN
    open_still = approval.state is ApprovalState.OPEN and now_ms < approval.expires_at_ms
    return "" if open_still else question_words.EXPIRED


def pressed(menu: Approval, tap: Tap, message_id: str | None, now_ms: int) -> Option | TooLate:
    """The command that a button of a menu stands for; whether the person may give it is looked at as for any command.

    `message_id`: the message that shows it, as far as the chat has told.
    """
    if menu.thread != tap.thread or message_id not in (None, tap.message_id) or tap.token not in menu.tokens:
        return TooLate(question_words.NOT_VALID_HERE)
    return TooLate(words) if (words := over(menu, now_ms)) else menu.options[menu.tokens.index(tap.token)]


def answer(
    approval: Approval | None, tap: Tap, message_id: str | None, grants: Iterable[Grant], now_ms: int
) -> Answered | TooLate:
    """Whether the tap answers the approval. `message_id`: the message that shows it, as far as the chat has told."""
    if approval is None or approval.thread != tap.thread or (message_id is not None and message_id != tap.message_id):
        return TooLate(question_words.NOT_VALID_HERE)
    if tap.token not in approval.tokens:
        return TooLate(question_words.NOT_VALID_HERE)
    if words := over(approval, now_ms):
        return TooLate(words)
    option = approval.options[approval.tokens.index(tap.token)]
    deed = Deed.RAISE if option.choice is Choice.RAISE else Deed.APPROVE
    granted = tuple(grants)
    amounts = [Usd(lift.by) for lift in option.lifts if lift.unit is Unit.USD] or [None]
    if not all(may(granted, deed, tap.thread, amount) for amount in amounts):
        return TooLate(question_words.MAY_NOT)
    done = replace(approval, state=ApprovalState.ANSWERED, answered_by=tap.person, answer=option.label)
    return Answered(done, option)
