"""What people write instead of pressing a button: an amount as a reply to a question about money, words to the agent's own."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.core import summary
from gateway.core.access import may
from gateway.core.route import Explain, read_amount
from gateway.domain.approval import ApprovalKind, ApprovalState
from gateway.domain.effects import Respond, Words
from gateway.domain.events import Message
from gateway.domain.place import Deed
from gateway.domain.turn import Turn
from gateway.engine import taps
from gateway.engine.world import Draft, World
from gateway.ports import View

MONEY = (ApprovalKind.RUN, ApprovalKind.LIMIT)


def amount(
    world: World, view: View, draft: Draft, message: Message, turns: Sequence[Turn], text: str, waiting: frozenset[str]
) -> bool:
    """A reply to an open question about money is an amount; False: it is no such reply."""
    asked = [(turn, one) for turn in turns for one in view.open_approvals(turn.id) if one.kind in MONEY]
    found = next(
        (pair for pair in asked if message.replies_to and view.message_id(pair[1].ref) == message.replies_to), None
    )
    if found is None:
        return False
    turn, approval = found
    session = view.session(approval.session_id)
    if world.clock.now_ms() >= approval.expires_at_ms or session is None:
        draft.say(world.notice(message.thread, "This has expired."))
    elif not may(view.grants(message.person), Deed.APPROVE, message.thread):
        draft.say(world.notice(message.thread, "You may not answer the question above."))
    elif isinstance(read := read_amount(text), Explain):
        draft.say(world.notice(message.thread, read.words))
    else:
        done = replace(approval, state=ApprovalState.ANSWERED, answered_by=message.person)
        taps.take_amount(world, view, draft, done, session, turn, read, waiting=turn.id in waiting)
    return True


def answer(world: World, view: View, draft: Draft, message: Message, turns: tuple[Turn, ...], text: str) -> bool:
    """Plain text answers the oldest question that the session's agent asked; False: none is open."""
    asked = (
        approval
        for turn in turns
        for approval in view.open_approvals(turn.id)
        if approval.kind is ApprovalKind.QUESTION and world.clock.now_ms() < approval.expires_at_ms
    )
    found = next(asked, None)
    if found is None:
        return False
    if not may(view.grants(message.person), Deed.APPROVE, message.thread):
        draft.say(world.notice(message.thread, "You may not answer the question above."))
        return True
    said = summary.title(text)
    draft.put.append(replace(found, state=ApprovalState.ANSWERED, answered_by=message.person, answer=said))
    draft.effects.append(
        Respond(
            found.session_id,
            found.request_id,
            Words(text),
            found.ref,
            found.text,
            taken=f"Answered: {summary.escape(said)}",
        )
    )
    return True
