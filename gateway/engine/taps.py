"""Pressed buttons: an approval is answered once, and a yes puts the turn before the gate again, on a fresh balance."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.core import gate, summary
from gateway.core.approve import Answered, TooLate, answer
from gateway.core.estimate import on_model
from gateway.core.turn import Step
from gateway.domain.approval import Allow, Approval, ApprovalKind, ApprovalState, Ask, Choice, Option, Refuse, Verdict
from gateway.domain.budget import Balance, Entry, Scope, ScopeKind
from gateway.domain.effects import Borrow, Edit, EndTurn, GoOn, StartTurn, Unpause
from gateway.domain.events import Tap
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Session
from gateway.domain.turn import Origin, Turn, TurnState
from gateway.engine import approvals, bounds, changes, gating, judging, limits, metering, people, permissions, questions
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import Decision, View
from gateway.view import forget_words, money_words, question_words, turn_words


def answered(
    world: World, view: View, draft: Draft, tap: Tap, found: Approval | None, waiting: frozenset[str]
) -> str | TooLate:
    """A button under a question was pressed: the option's label, or why that changes nothing. `waiting`: turns in which an agent
    waits.
    """
    message_id = view.message_id(found.ref) if found else None
    verdict = answer(found, tap, message_id, view.grants(tap.person), world.clock.now_ms())
    if isinstance(verdict, TooLate):
        return verdict
    if verdict.approval.kind is ApprovalKind.CHANGE:
        return changes.answered(world, view, draft, tap, verdict)
    if verdict.approval.kind is ApprovalKind.PEOPLE:
        return people.answered(world, view, draft, tap, verdict)
    if questions.is_one(verdict.approval):
        return questions.tapped(draft, verdict)
    turn, session = view.turn(verdict.approval.turn_id), view.session(verdict.approval.session_id)
    if turn is None or session is None:
        return TooLate(question_words.GONE)
    picking = permissions.picking(draft, verdict)
    if picking is None:
        draft.put.append(verdict.approval)
        _act(world, view, draft, verdict, session, turn, waiting=turn.id in waiting)
    return verdict.option.label if picking is None else picking


def take_amount(
    world: World,
    view: View,
    draft: Draft,
    done: Approval,
    session: Session,
    turn: Turn,
    option: Option,
    *,
    waiting: bool,
) -> None:
    """A person wrote an amount as a reply to a question about money: as if there were a button for it.

    Where it is more than is left the question stays as it is, and they are told: asked again it would be the same.
    """
    done = replace(done, answer=option.label)
    before = len(draft.put), len(draft.entries), len(draft.effects)
    draft.put.append(done)
    _act(world, view, draft, Answered(done, option), session, turn, waiting=waiting)
    put = draft.put[before[0] :]
    again = next((one for one in put if isinstance(one, Approval) and one.state is ApprovalState.OPEN), None)
    if again is None or [one.label for one in again.options] != [one.label for one in done.options]:
        return
    if words := _beyond(world, view, draft, done, option, session, turn):
        del draft.put[before[0] :], draft.entries[before[1] :], draft.effects[before[2] :]
        draft.say(world.notice(session.thread, words))


def _beyond(
    world: World, view: View, draft: Draft, asked: Approval, option: Option, session: Session, turn: Turn
) -> str:
    """That what was written is more than is left, and what helps; empty if it is not."""
    at_limit = asked.kind is ApprovalKind.LIMIT
    counted = turn.scopes if at_limit else bounds.counted(world, view, session, turn.person)
    tight = gate.tightest(bounds.shown(world, view, draft, counted, turn.lifts))
    amount = (option.allows or ZERO) - (turn.spent if at_limit else ZERO)
    left = max(tight[0] + turn.held_left, ZERO) if tight is not None else amount
    if tight is None or left >= amount:
        return ""
    raises = next((one.label for one in asked.options if one.choice is Choice.RAISE), "")
    return money_words.beyond(tight[1].scope.kind, amount, left, tight[1].limit or ZERO, raises)


def _act(
    world: World, view: View, draft: Draft, answered: Answered, session: Session, turn: Turn, *, waiting: bool
) -> None:
    approval, option = answered.approval, answered.option
    match approval.kind:
        case ApprovalKind.RUN | ApprovalKind.LIMIT if need := _raise_of_team(
            world, view, draft, answered, session, turn
        ):
            draft.effects.append(Borrow(session.id, turn.id, need))
            _wait_for_bank(draft, answered, turn)
        case ApprovalKind.RUN:
            _run(world, view, draft, answered, session, turn)
            _wait_for_bank(draft, answered, turn)
        case ApprovalKind.LIMIT:
            _limit(world, view, draft, answered, session, turn, waiting=waiting)
            _wait_for_bank(draft, answered, turn)
        case ApprovalKind.PERMISSION | ApprovalKind.QUESTION:
            permissions.tapped(view, draft, answered)
        case ApprovalKind.CONTINUE if turn.forgotten_at_ms is not None and turn.origin is not Origin.BACKGROUND:
            _close(draft, approval, forget_words.IS_FORGOTTEN)
        case ApprovalKind.CONTINUE:
            _close(draft, approval, question_words.GOING_ON if world.present(session) else question_words.WAITS)
            again = world.new_turn(session, Origin.PERSON, approval.answered_by, _word_to_go_on(turn, option))
            if draft.open_turns(view, session.id):
                draft.put.append(again)
            else:
                gating.start(world, view, draft, session, again)


def _raise_of_team(
    world: World, view: View, draft: Draft, answered: Answered, session: Session, turn: Turn
) -> Usd | None:
    """What the turn needs of a team's limit that this yes raises, where the bank was not asked yet; None: nothing of that."""
    approval, option = answered.approval, answered.option
    raised = any(lift.scope.kind is ScopeKind.TEAM for lift in option.lifts)
    waits = turn.state is (TurnState.ASKING if approval.kind is ApprovalKind.RUN else TurnState.PAUSED)
    if option.allows is None or not raised or not waits or draft.asked == turn.id or world.team is None:
        return None
    if bounds.policy(world, view, session, turn).frozen or not approvals.unchanged(world, session, turn, approval):
        return None
    return option.allows if approval.kind is ApprovalKind.RUN else min(world.rules.step, option.allows)


def _wait_for_bank(draft: Draft, answered: Answered, turn: Turn) -> None:
    """Where the team's bank has to be asked first, the question stays open until it was: nothing else is written."""
    for effect in draft.effects:
        if isinstance(effect, Borrow) and effect.turn_id == turn.id and draft.asked != turn.id:
            draft.put, draft.entries = [], []
            draft.effects = [replace(effect, yes=(answered.approval, answered.option))]
            return


def decide_again(world: World, effect: Borrow, waiting: frozenset[str]) -> Callable[[View], Decision[None]]:
    """The team's bank was asked: what waited for that is decided, with what is lent by now."""

    def decide(view: View) -> Decision[None]:
        draft = Draft(asked=effect.turn_id)
        turn, session = view.turn(effect.turn_id), view.session(effect.session_id)
        if turn is None or session is None:
            return draft.done(None)
        if effect.yes is not None:
            approval, option = effect.yes
            now = view.approval(approval.id)
            if now is not None and now.state is ApprovalState.OPEN:  # nobody else has answered meanwhile
                draft.put.append(approval)
                _act(world, view, draft, Answered(approval, option), session, turn, waiting=turn.id in waiting)
        elif turn.state is TurnState.QUEUED:
            after = gating.start(world, view, draft, session, turn)
            if after.state is TurnState.REFUSED and turn.origin is Origin.BACKGROUND and after.outcome is not None:
                draft.effects.append(Unpause(session.id, EndTurn(after.outcome.text)))
        return draft.done(None)

    return decide


def _word_to_go_on(turn: Turn, option: Option) -> str:
    if option.value == approvals.AGAIN or turn.prompt.startswith(question_words.CONTINUE_BEGINNING):
        return turn.prompt
    if turn.origin is Origin.BACKGROUND:
        return question_words.CONTINUE_PROMPT
    return question_words.continue_with(summary.title(turn.prompt))


def _run(world: World, view: View, draft: Draft, answered: Answered, session: Session, turn: Turn) -> None:
    approval, option = answered.approval, answered.option
    if turn.state is not TurnState.ASKING:
        _close(draft, approval, question_words.DOES_NOT_WAIT)
        return
    if option.choice is Choice.NO or option.allows is None:
        _close(draft, approval, question_words.picked(option.label))
        waits = turn.origin is Origin.BACKGROUND
        gating.decline(world, view, draft, session, turn, Step.REFUSE, turn_words.SAID_NO, waits=waits)
        return
    if not approvals.unchanged(world, session, turn, approval):
        _close(draft, approval, question_words.CHANGED)
        gating.start(world, view, draft, session, turn)
        return
    if option.model is not None:
        session = on_model(session, option.model)
        draft.put.append(session)
    lifted, raised = _raise(world, view, draft, answered, turn)
    consent = gate.Consent(option.allows, unpriced=option.unpriced)
    after = gating.start(world, view, draft, session, lifted, consent)
    if after.state is TurnState.REFUSED:
        _take_back(draft, raised)
    results = {TurnState.ASKING: question_words.ASKED_AGAIN, TurnState.REFUSED: question_words.NOT_RUN}
    said = results.get(after.state, question_words.picked(option.label))
    if after.waits_until_ms is not None:
        said = question_words.send_again_at_desk(said)
    elif option.model is not None:
        said = question_words.goes_on_with(said, option.model)
    _close(draft, approval, said)
    if after.state is TurnState.REFUSED and turn.origin is Origin.BACKGROUND and after.outcome is not None:
        # Its agent stands at the boundary before its first call.
        draft.effects.append(Unpause(session.id, EndTurn(after.outcome.text)))


def _limit(
    world: World, view: View, draft: Draft, answered: Answered, session: Session, turn: Turn, *, waiting: bool
) -> None:
    approval, option = answered.approval, answered.option
    if turn.state is not TurnState.PAUSED:
        _close(draft, approval, question_words.NOT_PAUSED)
        return
    if option.choice is Choice.NO or option.allows is None:
        _close(draft, approval, question_words.picked(option.label))
        gating.decline(world, view, draft, session, turn, Step.STOP, turn_words.AT_LIMIT, waits=waiting)
        metering.stopped(world, view, draft, session, turn)
        return
    if not approvals.unchanged(world, session, turn, approval):
        _close(draft, approval, question_words.CHANGED)
        _ask_at_limit(world, view, draft, session, turn, turn.scopes, money_words.PRICE_CHANGED)
        return
    _go_on(world, view, draft, answered, session, turn, option.allows, waiting=waiting)


def _go_on(
    world: World,
    view: View,
    draft: Draft,
    answered: Answered,
    session: Session,
    turn: Turn,
    allows: Usd,
    *,
    waiting: bool,
) -> None:
    """A yes to a paused turn goes through the gate again, on a fresh balance."""
    approval, option, before = answered.approval, answered.option, turn
    turn, raised = _raise(world, view, draft, answered, turn)
    moves = not waiting or not bounds.lent(world, view, turn.scopes)
    if moves:
        # Whatever is left of the run that ends: this is a new one, and it may be another day, or another lease, by now.
        turn = gating.let_go(draft, turn)
        draft.put.append(turn)
    counted = bounds.counted(world, view, session, turn.person) if moves else turn.scopes
    policy = bounds.policy(world, view, session, turn)
    consent = gate.Consent(allows, unpriced=option.unpriced)
    paused = turn

    def decide(balances: Sequence[Balance]) -> Verdict:
        gauges = bounds.gauges_of(world, view, session, paused, balances)
        return gate.resume(paused, balances, policy, consent, gauges, judging.holders(view, draft, session, paused))

    match judging.of_lease(world, view, draft, counted, turn, decide):
        case judging.Short(need):
            draft.effects.append(Borrow(session.id, turn.id, need))
        case Allow() as allow:
            here = not waiting and turn.origin is Origin.DESK and not world.present(session)
            picked = question_words.write_at_desk if here else question_words.picked
            _close(draft, approval, picked(option.label))
            step = Step.RESUME if waiting else Step.ALLOW
            turn = gating.hold(draft, turn, counted, allow, step, unpriced=option.unpriced)
            if waiting:
                draft.effects.append(Unpause(session.id, GoOn()))
            else:
                turn = replace(turn, prompt_uuid=world.clock.new_uuid(), continues=True)
                if here:
                    turn = replace(turn, waits_until_ms=world.clock.now_ms() + gating.SENT_AGAIN_MS)
                else:
                    draft.effects.append(StartTurn(session.id, turn.id))
            draft.put.append(turn)
        case Ask(question):
            _close(draft, approval, question_words.ASKED_AGAIN)
            draft.put.append(turn)
            approvals.ask(world, draft, turn, session, ApprovalKind.LIMIT, question)
        case Refuse(reason):
            _take_back(draft, raised)
            turn = replace(turn, lifts=before.lifts)
            draft.put.append(turn)
            _close(draft, approval, reason)
            words = money_words.STOPPED_MEANWHILE if policy.frozen else reason.rstrip(".")
            _ask_at_limit(world, view, draft, session, turn, counted, words)


def _ask_at_limit(
    world: World, view: View, draft: Draft, session: Session, turn: Turn, counted: tuple[Scope, ...], why: str
) -> None:
    shown = bounds.shown(world, view, draft, counted, turn.lifts)
    gauges = bounds.gauges_of(world, view, session, turn, shown)
    policy, held_for = bounds.policy(world, view, session, turn), judging.holders(view, draft, session, turn)
    question = gate.at_limit(turn, shown, policy, why, gauges, held_for)
    approvals.ask(world, draft, turn, session, ApprovalKind.LIMIT, question)


def _close(draft: Draft, approval: Approval, words: str) -> None:
    draft.say(Edit(approval.thread, approval.ref, question_words.under(approval.text, words)))


def _take_back(draft: Draft, raised: Sequence[Entry]) -> None:
    """Nothing is raised for a turn that is refused all the same."""
    draft.entries = [entry for entry in draft.entries if entry not in raised]


def _raise(world: World, view: View, draft: Draft, answered: Answered, turn: Turn) -> tuple[Turn, list[Entry]]:
    who, title = answered.approval.answered_by, summary.title(answered.approval.text)
    return limits.raise_for_turn(world, view, draft, turn, answered.option.lifts, who=who, title=title)
