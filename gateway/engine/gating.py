"""The gate inside a transaction: a verdict becomes a hold, a question or a refusal, all in one decision."""

from dataclasses import replace
from typing import Final

from gateway.core import gate, meter, queue, summary
from gateway.core.access import may
from gateway.core.speech import is_unheard
from gateway.core.turn import Step, advance
from gateway.domain.approval import (
    Allow,
    ApprovalKind,
    ApprovalState,
    Ask,
    Refuse,
)
from gateway.domain.budget import Entry, EntryKind, Scope
from gateway.domain.effects import Borrow, EndTurn, GoOn, Interrupt, Say, StartTurn, Unpause
from gateway.domain.money import Usd
from gateway.domain.place import Deed, Session
from gateway.domain.turn import Origin, Outcome, OutcomeKind, Turn, TurnState
from gateway.domain.usage import Flag
from gateway.engine import approvals, bounds, judging, menus
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import View
from gateway.view import command_words, question_words, queue_words, turn_words

SENT_AGAIN_MS: Final = 600_000
"""For so long a prompt that was typed at the desk and allowed on the phone may be sent again."""


def start(
    world: World,
    view: View,
    draft: Draft,
    session: Session,
    turn: Turn,
    consent: gate.Consent | None = None,
    *,
    here: bool = False,
) -> Turn:
    """Put a turn that has not started before the gate. If it is refused, the next in line follows.

    A background turn runs at once if it is allowed: its agent waits at the boundary before its first call. What goes to an agent
    that is not there waits until it is; `here`: the agent is the one that goes on with it.
    """
    if is_unheard(turn):
        draft.put.append(turn)  # what it says is not known yet: it goes on once that is
        return turn
    if consent is None and _is_taken_away(view, session, turn):
        return _take_away(world, view, draft, session, turn)
    from_chat = turn.origin is Origin.PERSON or (turn.origin is Origin.DESK and turn.continues)
    if turn.state is TurnState.QUEUED:
        leave_queue(world, view, draft, turn, queue_words.HAS_BEGUN)
    if from_chat and turn.state is TurnState.QUEUED and not here and not world.present(session):
        return wait(draft, session, turn)
    turn, verdict = judging.judge(world, view, draft, session, turn, consent)
    match verdict:
        case judging.Short(need):
            draft.effects.append(Borrow(session.id, turn.id, need))
            if turn.state is TurnState.ASKING:
                return turn
        case Allow():
            turn = _allow(world, view, draft, session, turn, verdict, unpriced=consent is not None and consent.unpriced)
        case Ask(question):
            turn = advance(turn, Step.ASK)
            named = replace(question, text=question_words.named(summary.escaped_title(turn.prompt), question.text))
            approvals.ask(world, draft, turn, session, ApprovalKind.RUN, named)
        case Refuse(reason):
            return refuse(world, view, draft, session, turn, reason)
    draft.put.append(turn)
    return turn


def _is_taken_away(view: View, session: Session, turn: Turn) -> bool:
    """Whether it waited longer than its person may write here: then nobody's right lets it run unasked. (Whether they may write at
    all was looked at before there was a turn.)
    """
    waits = turn.state is TurnState.QUEUED and turn.origin is Origin.PERSON
    return waits and not may(view.grants(turn.person), Deed.PROMPT, session.thread) and view.turn(turn.id) is not None


def _take_away(world: World, view: View, draft: Draft, session: Session, turn: Turn) -> Turn:
    """End it, and whatever else of the same person is in line behind it."""
    for other in queue.ahead(draft.open_turns(view, session.id)):
        if other.id != turn.id and other.person == turn.person and _is_taken_away(view, session, other):
            drop(world, view, draft, other, turn_words.TAKEN_AWAY)
    leave_queue(world, view, draft, turn, turn_words.TAKEN_AWAY)
    return refuse(world, view, draft, session, turn, turn_words.TAKEN_AWAY)


def queued_ref(turn: Turn) -> str:
    """The name of the message that says that the turn waits behind others."""
    return f"turn:{turn.id}:queued"


def leave_queue(world: World, view: View, draft: Draft, turn: Turn, words: str) -> None:
    """The buttons under the message that says that it waits mean nothing any more. One that goes first has none by now."""
    shown = view.approval(queued_ref(turn))
    if shown is not None and (shown.state is ApprovalState.OPEN or Flag.FIRST in turn.flags):
        menus.renew(world, draft, shown, words)


def reconsider(world: World, view: View, draft: Draft, session: Session) -> None:
    """A run that nobody asked for waits for a yes, and a prompt waits behind it: if there is room by now, it goes on unasked."""
    for waiting in draft.open_turns(view, session.id):
        if waiting.state is TurnState.ASKING and waiting.origin is Origin.BACKGROUND:
            turn, verdict = judging.judge(world, view, draft, session, waiting)
            if isinstance(verdict, Allow):
                words = question_words.ROOM_NOW
                approvals.withdraw(draft, view.open_approvals(turn.id), words, state=ApprovalState.WITHDRAWN)
                draft.put.append(_allow(world, view, draft, session, turn, verdict, unpriced=False))


def requeue(world: World, view: View, draft: Draft, session: Session, turn: Turn) -> None:
    """The lease that a turn was to be paid from is gone before it was handed over: it goes before the gate again."""
    start(world, view, draft, session, advance(let_go(draft, turn), Step.REQUEUE))


def _allow(
    world: World, view: View, draft: Draft, session: Session, turn: Turn, verdict: Allow, *, unpriced: bool
) -> Turn:
    counted = bounds.counted(world, view, session, turn.person)
    turn = hold(draft, turn, counted, verdict, Step.ALLOW, unpriced=unpriced)
    if turn.origin is Origin.BACKGROUND and not turn.continues:
        turn = advance(turn, Step.RELEASE, started_at_ms=world.clock.now_ms())
        draft.effects.append(Unpause(session.id, GoOn()))
    elif turn.origin is Origin.DESK and not (turn.continues and world.present(session)):
        turn = replace(turn, waits_until_ms=world.clock.now_ms() + SENT_AGAIN_MS)
    else:
        draft.effects.append(StartTurn(session.id, turn.id))
    return turn


def counted(world: World, view: View, session: Session, turn: Turn) -> Turn:
    """The turn with what it counts against, also where it spends before anybody has allowed it.

    That is what sub-agents do that are at work already when a run begins that nobody asked for.
    """
    return turn if turn.scopes else replace(turn, scopes=bounds.counted(world, view, session, turn.person))


def hold(draft: Draft, turn: Turn, counted: tuple[Scope, ...], allow: Allow, step: Step, *, unpriced: bool) -> Turn:
    """Take the hold for a turn that starts (ALLOW), or goes on after a pause with its agent waiting (RESUME) or not (ALLOW)."""
    turn = advance(
        turn,
        step,
        scopes=counted,
        hold=turn.hold + allow.hold,
        held_left=turn.held_left + allow.hold,
        ceiling=allow.ceiling,
        unpriced_allowed=turn.unpriced_allowed or unpriced,
    )
    draft.entries.append(held(turn, allow.hold))
    return turn


def held(turn: Turn, amount: Usd) -> Entry:
    """The entry that sets an amount aside for a turn."""
    return Entry(EntryKind.HOLD, turn.scopes, turn_id=turn.id, session_id=turn.session_id, who=turn.person, held=amount)


def wait(draft: Draft, session: Session, turn: Turn) -> Turn:
    """Nothing takes the turn's prompt now: it waits without a hold, and the person is told, once."""
    if turn.state is TurnState.HELD:
        turn = advance(let_go(draft, turn), Step.REQUEUE)
    draft.put.append(turn)
    words = turn_words.not_delivered(summary.escaped_title(turn.prompt))
    draft.say(Say(session.thread, f"turn:{turn.id}:away", words))
    return turn


def refuse(world: World, view: View, draft: Draft, session: Session, turn: Turn, reason: str) -> Turn:
    """End a turn that never started, and say so."""
    draft.say(Say(session.thread, f"turn:{turn.id}:end", turn_words.not_run(reason), ring=True))
    return end(world, view, draft, session, turn, Step.REFUSE, Outcome(OutcomeKind.CANCELLED, reason))


def end(
    world: World,
    view: View,
    draft: Draft,
    session: Session,
    turn: Turn,
    step: Step,
    outcome: Outcome,
    *,
    at_work: bool = False,
) -> Turn:
    """End a turn: its hold is free, and the next in line goes before the gate in the same decision.

    `at_work`: its agent has still to end, and that brings on the next.
    """
    turn = settle(draft, advance(turn, step, outcome=outcome, ended_at_ms=world.clock.now_ms()))
    draft.put.append(turn)
    if not at_work:
        next_in_line(world, view, draft, session)
    return turn


def decline(
    world: World, view: View, draft: Draft, session: Session, turn: Turn, step: Step, why: str, *, waits: bool
) -> None:
    """End a turn that a person was asked about. `waits`: an agent stands at a boundary in it, and ends its run there."""
    end(world, view, draft, session, turn, step, Outcome(OutcomeKind.CANCELLED, why), at_work=waits)
    if waits:
        draft.effects.append(Unpause(session.id, EndTurn(why)))


def drop(world: World, view: View, draft: Draft, turn: Turn, why: str) -> None:
    """End a turn that does not run: its questions are closed, and what is held for it is free. Nothing follows it."""
    approvals.withdraw(draft, view.open_approvals(turn.id), why, state=ApprovalState.WITHDRAWN)
    leave_queue(world, view, draft, turn, why)
    step = Step.STOP if turn.state in (TurnState.HELD, TurnState.PAUSED) else Step.REFUSE
    outcome = Outcome(OutcomeKind.CANCELLED, why)
    ended = advance(turn, step, outcome=outcome, ended_at_ms=world.clock.now_ms(), waits_until_ms=None)
    draft.put.append(settle(draft, ended))


def stop(world: World, view: View, draft: Draft, turn: Turn) -> None:
    """End a turn because a person said so: at once where no agent is at work, else by an interrupt that ends it."""
    if turn.origin is Origin.BACKGROUND or turn.state in (TurnState.RUNNING, TurnState.PAUSED):
        draft.effects.append(Interrupt(turn.session_id))
    if turn.state is not TurnState.RUNNING:
        drop(world, view, draft, turn, command_words.STOPPED)
        return
    approvals.withdraw(draft, view.open_approvals(turn.id), command_words.STOPPED, state=ApprovalState.WITHDRAWN)
    # Should the gateway end before the agent does, its prompt is not sent again.
    draft.put.append(replace(turn, outcome=Outcome(OutcomeKind.CANCELLED, command_words.STOPPED)))


def next_in_line(world: World, view: View, draft: Draft, session: Session) -> None:
    """If nothing of the session is at work, put the turn that is next before the gate."""
    if (turn := queue.next_of(draft.open_turns(view, session.id))) is not None:
        start(world, view, draft, session, turn)


def settle(draft: Draft, turn: Turn, work_ms: int = 0) -> Turn:
    """Free what is left of the hold, once, and book what the agent worked since the last call. The caller puts the turn."""
    if not turn.scopes:
        return turn
    settled, entry = meter.settle(turn, work_ms)
    draft.entries.append(entry)
    return settled


def let_go(draft: Draft, turn: Turn, work_ms: int = 0) -> Turn:
    """A paused turn without a hold: what was not spent of it was never agreed to be. The caller puts the turn.

    `work_ms`: for how long its agent worked since the last booking.
    """
    freed = turn.held_left
    return replace(settle(draft, turn, work_ms), hold=turn.hold - freed)
