"""Questions that nobody answered in time: they close, and what waited for them ends without having spent more."""

from collections.abc import Callable
from dataclasses import replace

from gateway.core.turn import Step
from gateway.domain.approval import Approval, ApprovalKind, ApprovalState
from gateway.domain.effects import Edit
from gateway.domain.turn import Origin, TurnState
from gateway.engine import gating, permissions
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import Decision, View
from gateway.view import question_words

BATCH = 20


def expire(world: World, waiting: frozenset[str]) -> Callable[[View], Decision[int]]:
    """Close the oldest overdue questions; the result is how many there were. `waiting`: turns in which an agent waits."""

    def decide(view: View) -> Decision[int]:
        draft = Draft()
        overdue = view.overdue_approvals(world.clock.now_ms(), BATCH)
        for approval in overdue:
            _expire(world, view, draft, approval, waiting)
        return draft.done(len(overdue))

    return decide


def _expire(world: World, view: View, draft: Draft, approval: Approval, waiting: frozenset[str]) -> None:
    draft.put.append(replace(approval, state=ApprovalState.EXPIRED))
    if approval.kind is ApprovalKind.MENU:
        return
    if approval.kind in (ApprovalKind.PERMISSION, ApprovalKind.QUESTION) and approval.turn_id:
        permissions.expire(draft, approval)
        return
    draft.say(Edit(approval.thread, approval.ref, question_words.under(approval.text, question_words.NOBODY)))
    turn, session = view.turn(approval.turn_id), view.session(approval.session_id)
    if turn is None or session is None:
        return
    if approval.kind is ApprovalKind.RUN and turn.state is TurnState.ASKING:
        gating.decline(
            world,
            view,
            draft,
            session,
            turn,
            Step.REFUSE,
            question_words.NOBODY,
            waits=turn.origin is Origin.BACKGROUND,
        )
    elif approval.kind is ApprovalKind.LIMIT and turn.state is TurnState.PAUSED:
        gating.decline(world, view, draft, session, turn, Step.STOP, question_words.NOBODY, waits=turn.id in waiting)
