"""Questions that nobody answered in time: they close, and what waited for them ends without having spent more."""

from collections.abc import Callable
from dataclasses import replace

from gateway.core.turn import Step, advance
from gateway.domain.approval import Approval, ApprovalKind, ApprovalState
from gateway.domain.effects import DenyTool, Edit, EndTurn, Respond, Unpause
from gateway.domain.turn import Outcome, OutcomeKind, TurnState
from gateway.engine import gating
from gateway.engine.world import Draft, World
from gateway.ports import Decision, View

BATCH = 20
NOBODY = "Nobody answered in time."


def expire(world: World) -> Callable[[View], Decision[int]]:
    """Close the oldest overdue questions; the result is how many there were."""

    def decide(view: View) -> Decision[int]:
        draft = Draft()
        overdue = view.overdue_approvals(world.clock.now_ms(), BATCH)
        for approval in overdue:
            _expire(world, view, draft, approval)
        return draft.done(len(overdue))

    return decide


def _expire(world: World, view: View, draft: Draft, approval: Approval) -> None:
    draft.put.append(replace(approval, state=ApprovalState.EXPIRED))
    words = f"{approval.text}\n\n{NOBODY}"
    turn = view.turn(approval.turn_id)
    if approval.kind in (ApprovalKind.PERMISSION, ApprovalKind.QUESTION):
        answer = DenyTool(NOBODY)
        draft.effects.append(Respond(approval.session_id, approval.request_id, answer, approval.ref, words))
        return
    draft.say(Edit(approval.thread, approval.ref, words))
    outcome = Outcome(OutcomeKind.CANCELLED, NOBODY)
    now = world.clock.now_ms()
    if turn is not None and approval.kind is ApprovalKind.RUN and turn.state is TurnState.ASKING:
        draft.put.append(advance(turn, Step.REFUSE, outcome=outcome, ended_at_ms=now))
        draft.effects.append(Unpause(approval.session_id, EndTurn(NOBODY)))
    elif turn is not None and approval.kind is ApprovalKind.LIMIT and turn.state is TurnState.PAUSED:
        stopped = advance(turn, Step.STOP, outcome=outcome, ended_at_ms=now)
        draft.put.append(gating.settle(draft, stopped))
        draft.effects.append(Unpause(approval.session_id, EndTurn(NOBODY)))
