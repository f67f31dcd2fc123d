"""Questions to the people of a chat: put, found to be about what still is, and closed."""

from collections.abc import Iterable
from dataclasses import replace

from gateway.core import approve, summary
from gateway.domain.approval import Approval, ApprovalKind, ApprovalState, Choice, Option, Question
from gateway.domain.effects import Edit, Say
from gateway.domain.files import Parcel
from gateway.domain.place import Session
from gateway.domain.turn import Origin, Turn
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.view import question_words

CONTINUE_OPTIONS = (Option(Choice.CONTINUE, question_words.CONTINUE),)
AGAIN = "again"
AGAIN_OPTIONS = (Option(Choice.CONTINUE, question_words.SEND_AGAIN, value=AGAIN),)
"""Where the agent's conversation does not hold the prompt."""


def ask(  # noqa: PLR0913 - the parts of an approval
    world: World,
    draft: Draft,
    turn: Turn,
    session: Session,
    kind: ApprovalKind,
    question: Question,
    *,
    detail: str = "",
    request_id: str = "",
    name: str = "",
    ring: bool = True,
    files: tuple[Parcel, ...] = (),
) -> Approval:
    """Put a question to the people of the session's thread: an approval with one-time tokens, and the message that shows it.

    `name`: its id, where that is to be a certain one. `files` follow it.
    """
    text = _placed(world, session, turn, kind, question.text)
    approval = Approval(
        id=name or world.clock.new_id("ask"),
        kind=kind,
        turn_id=turn.id,
        session_id=session.id,
        thread=session.thread,
        text=text,
        options=question.options,
        tokens=tuple(world.clock.new_token() for _ in question.options),
        digest=approve.digest(kind, turn.id, detail or terms(world, session, turn, question.options), question.options),
        expires_at_ms=world.clock.now_ms() + world.rules.approval_ms,
        request_id=request_id,
    )
    draft.put.append(approval)
    draft.say(Say(session.thread, approval.ref, text, approve.buttons(approval), ring=ring, files=files))
    return approval


def _placed(world: World, session: Session, turn: Turn, kind: ApprovalKind, text: str) -> str:
    """The question; where the turn did not come from the chat, with where it did. What was typed has no other message there."""
    if turn.origin is Origin.PERSON or not world.agents[session.agent].traits.attached:
        return text
    named = question_words.named(summary.escaped_title(turn.prompt), text)
    return question_words.at_desk(named if kind is ApprovalKind.LIMIT else text)


def terms(world: World, session: Session, turn: Turn, options: Iterable[Option]) -> str:
    """What a yes about money is given to: the whole prompt, and the list prices, as they are now, of the session's model and
    of those that are offered.
    """
    rates = world.rates(session.model) if session.model else None
    offered = (f"\n{option.model}\n{world.rates(option.model)!r}" for option in options if option.model)
    return f"{turn.prompt}\n{session.model}\n{rates!r}{''.join(offered)}"


def unchanged(world: World, session: Session, turn: Turn, approval: Approval) -> bool:
    """Whether the prompt and the prices are still what they were when the question was put."""
    terms_now = terms(world, session, turn, approval.options)
    return approve.digest(approval.kind, turn.id, terms_now, approval.options) == approval.digest


def withdraw(draft: Draft, approvals: Iterable[Approval], words: str, *, state: ApprovalState) -> None:
    """Close questions that no longer matter, and say so where they stand."""
    for approval in approvals:
        draft.put.append(replace(approval, state=state))
        draft.say(Edit(approval.thread, approval.ref, question_words.under(approval.text, words)))
