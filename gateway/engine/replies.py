"""What people write instead of pressing a button: an amount as a reply to a question about money, words to the agent's own."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.core.access import may
from gateway.core.approve import over, typed
from gateway.core.route import Explain, read_amount
from gateway.domain.approval import ApprovalKind, ApprovalState, Choice
from gateway.domain.events import Message
from gateway.domain.place import Deed, Session
from gateway.domain.turn import Turn
from gateway.engine import permissions, questions, taps
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import View
from gateway.view import question_words

MONEY = (ApprovalKind.RUN, ApprovalKind.LIMIT)
OF_AGENT = (ApprovalKind.PERMISSION, ApprovalKind.QUESTION)
BY_BUTTON = (ApprovalKind.CHANGE, ApprovalKind.PEOPLE)


def take(world: World, view: View, draft: Draft, message: Message, text: str, waiting: frozenset[str]) -> bool:
    """A reply to a question, of whichever session of the thread, is its answer and never a prompt; False: it is no such reply."""
    ref = view.ref_of(message.thread, message.replies_to) if message.replies_to else None
    approval = permissions.shown_by(view, ref or "")
    if approval is not None and approval.thread == message.thread and approval.kind in BY_BUTTON:
        draft.say(world.notice(message.thread, question_words.PRESS_BUTTON))
        return True
    if approval is not None and approval.thread == message.thread and questions.is_one(approval):
        questions.written(world, view, draft, message, approval, text)
        return True
    if approval is None or approval.thread != message.thread or approval.kind not in (*MONEY, *OF_AGENT):
        return False
    turn, session = view.turn(approval.turn_id), view.session(approval.session_id)
    if turn is None or session is None:
        draft.say(world.notice(message.thread, question_words.GONE))
    elif words := over(approval, world.clock.now_ms()):
        draft.say(world.notice(message.thread, words))
    elif not may(view.grants(message.person), Deed.APPROVE, message.thread):
        draft.say(world.notice(message.thread, question_words.MAY_NOT_ABOVE))
    elif approval.kind in OF_AGENT:
        permissions.written(world, view, draft, message, approval, session, text)
    elif isinstance(read := read_amount(text), Explain):
        draft.say(world.notice(message.thread, read.words))
    else:
        option = typed(approval, turn, read)
        if option.choice is Choice.RAISE and not may(view.grants(message.person), Deed.RAISE, message.thread):
            draft.say(world.notice(message.thread, question_words.MAY_NOT_ABOVE))
            return True
        done = replace(approval, state=ApprovalState.ANSWERED, answered_by=message.person)
        taps.take_amount(world, view, draft, done, session, turn, option, waiting=turn.id in waiting)
    return True


def meant(view: View, message: Message) -> Session | None:
    """The session of this thread whose words a message replies to: it goes there, whichever is the current one."""
    ref = view.ref_of(message.thread, message.replies_to) if message.replies_to else None
    kind, _, rest = (ref or "").partition(":")
    name = rest.partition(":")[0]
    turn = view.turn(name) if kind == "turn" else None
    session = view.session(turn.session_id if turn is not None else name if kind in ("desk", "said") else "")
    here = session is not None and session.thread == message.thread and session.forgotten_at_ms is None
    return session if here else None


def answer(
    world: World, view: View, draft: Draft, message: Message, session: Session, turns: Sequence[Turn], text: str
) -> bool:
    """Plain text answers the oldest question that the session's agent asked in its open turns; False: none is open for this person."""
    asked = (
        approval
        for turn in turns
        for approval in view.open_approvals(turn.id)
        if approval.kind is ApprovalKind.QUESTION and world.clock.now_ms() < approval.expires_at_ms
    )
    found = next(asked, None)
    if found is None and turns:  # while the agent is at work, or what is written is its next prompt
        found = questions.waiting(world, view, session.id, message.thread)
    if found is None or not may(view.grants(message.person), Deed.APPROVE, message.thread):
        return False
    if questions.is_one(found):
        questions.written(world, view, draft, message, found, text)
    else:
        permissions.written(world, view, draft, message, found, session, text)
    return True
