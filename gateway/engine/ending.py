"""How runs end, as decisions: what the agent tells late is booked, and the turn ends, stays paused, or goes on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gateway.core import meter, progress, queue, summary
from gateway.core.presenting import SAID_CHARACTERS_MAX
from gateway.core.turn import ENDED, Step, advance, can
from gateway.domain.approval import ApprovalKind, ApprovalState, Option, Question
from gateway.domain.budget import Scope, ScopeKind
from gateway.domain.effects import Say, StartTurn
from gateway.domain.events import End, Finished
from gateway.domain.files import Parcel
from gateway.domain.money import Usd
from gateway.domain.outcome import Left
from gateway.domain.place import Session
from gateway.domain.turn import Origin, Outcome, OutcomeKind, Turn, TurnState
from gateway.domain.usage import Flag, Tokens, Usage
from gateway.engine import approvals, bounds, gating, metering, outcomes, steering
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import Decision, View
from gateway.view import desk_words, outcome_words, question_words, turn_words

OUTCOME_CHARACTERS_MAX = 500


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What is known of a run besides how it ended."""

    stopped: bool = False
    """A person said stop."""
    let_go: bool = False
    """It was told to end because nobody answered: it did not halt by itself, or because a hook of its project said so."""
    offer: tuple[Option, ...] = ()
    """How a person may have it go on if it was interrupted."""
    told: bool = False
    """The answer was said already."""
    lost: bool = False
    """Calls may have been in flight that nobody can tell of."""
    work_ms: int = 0
    """For how long the agent has worked since its last call."""
    said: str = ""
    """The agent's last words, where the run was cut off: they are paid for, and the status message loses them."""
    files: tuple[Parcel, ...] = ()
    """What goes with the answer."""
    left: Left | None = None
    """What it has left behind, its kind still open; None: nobody has looked."""


def finish(
    world: World, turn_id: str, event: Finished, metered: Sequence[Usage], after: Aftermath = Aftermath()
) -> Callable[[View], Decision[None]]:
    """A run ended and nothing works for it any more: reconcile, then end its turn, or leave that paused or to go on."""
    missing = meter.reconcile(event.totals, metered) if event.totals is not None else ()
    priced = [(usage, *world.cost(usage)) for usage in missing]

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        turn = view.turn(turn_id)
        session = view.session(turn.session_id) if turn else None
        if turn is None or session is None:
            return draft.done(None)
        if turn.origin is not Origin.BACKGROUND:
            steering.back(world, view, draft, session.id)
        turn = gating.counted(world, view, session, turn) if priced else turn
        for usage, amount, made_of in priced:
            turn, entry = meter.book_difference(turn, usage, amount, made_of)
            draft.entries.append(entry)
        halted = event.end is End.HALTED and not after.stopped
        cut = event.end is End.INTERRUPTED and not after.stopped
        if turn.state in ENDED or event.prompt_uuid not in (None, turn.prompt_uuid):
            # It ended before, or goes on already under another prompt: this is only what it had spent until then.
            draft.put.append(turn)
            if turn.state in ENDED:
                _leave(draft, turn, after)
        elif turn.state in (TurnState.ASKING, TurnState.QUEUED):
            # A run that nobody asked for, and its agent is gone while it waited for a yes.
            approvals.withdraw(
                draft, view.open_approvals(turn.id), question_words.NO_AGENT, state=ApprovalState.WITHDRAWN
            )
            gating.refuse(world, view, draft, session, turn, event.text or question_words.NO_AGENT)
        elif turn.state is TurnState.PAUSED and (halted or cut):
            _let_go(world, view, draft, session, turn, after.work_ms)
        elif halted and after.let_go:
            # A yes and the end of the agent's patience crossed: the yes stands, and the hold with it.
            turn = advance(turn, Step.RESEND, prompt_uuid=world.clock.new_uuid(), continues=True)
            draft.put.append(turn)
            draft.effects.append(StartTurn(session.id, turn.id))
        else:
            unseen = event.end is End.INTERRUPTED and (event.totals is None or event.background > 0 or bool(missing))
            turn = _end(world, turn, event, stopped=after.stopped, unseen=unseen or after.lost)
            _tell(world, view, draft, session, turn, event, after)
        return draft.done(None)

    return decide


def _let_go(world: World, view: View, draft: Draft, session: Session, turn: Turn, work_ms: int) -> None:
    """A paused turn whose agent has ended stays paused without a hold; its prompt is from now on the word to go on."""
    # After a crash nothing of the run that ended is looked for again.
    turn = replace(gating.let_go(draft, turn, work_ms), prompt_uuid=world.clock.new_uuid(), continues=True)
    draft.put.append(turn)
    words = f"{turn_words.ending(turn, world.clock.now_ms())}\n{turn_words.LET_GO}"
    metering.renew(view, draft, session, turn, words)


def cost(world: World, turn_id: str, agents: int) -> Callable[[View], str]:
    """What a run has cost that has just ended, in a line for where it ran. `agents`: so many of it still work in the background."""

    def look(view: View) -> str:
        turn = view.turn(turn_id)
        session = view.session(turn.session_id) if turn else None
        if turn is None or session is None:
            return ""
        line = _line(world, view, Draft(), session, turn, tokens=False)
        return turn_words.with_agents(line, agents)

    return look


def aside(world: World, turn_id: str, metered: Sequence[Usage]) -> Callable[[View], Decision[str]]:
    """Calls that no gate was asked about, and no run's: they are booked on the turn before. The line that the desk shows."""
    found = [(usage, world.cost(usage)[0]) for usage in metered]
    spent = sum((amount.nano for _, amount in found if isinstance(amount, Usd)), 0)
    unknown = sum(not isinstance(amount, Usd) for _, amount in found)
    tokens = sum((usage.tokens for usage, _ in found), Tokens())

    def decide(view: View) -> Decision[str]:
        draft = Draft()
        turn = view.turn(turn_id)
        session = view.session(turn.session_id) if turn else None
        if turn is None or session is None:
            return draft.done("")
        these = replace(turn, spent=Usd(spent), tokens=tokens, unpriced_calls=unknown, flags=frozenset())
        line = _line(world, view, draft, session, these)
        draft.say(Say(session.thread, f"turn:{turn.id}:{world.clock.new_id('aside')}", desk_words.aside(line)))
        return draft.done(_line(world, view, draft, session, these, tokens=False))

    return decide


def _line(world: World, view: View, draft: Draft, session: Session, turn: Turn, *, tokens: bool = True) -> str:
    balance = bounds.balance(world, view, draft, Scope(ScopeKind.SESSION, session.id))
    list_price = world.list_price(view, session.agent)
    return turn_words.closing_line(turn, balance, list_price=list_price, tokens=tokens)


def _tell(
    world: World, view: View, draft: Draft, session: Session, turn: Turn, event: Finished, after: Aftermath
) -> None:
    """Settle a turn that has ended, and say what came of it."""
    turn = gating.settle(draft, turn, after.work_ms)
    draft.put.append(turn)
    approvals.withdraw(draft, view.open_approvals(turn.id), question_words.NOT_NEEDED, state=ApprovalState.WITHDRAWN)
    line = turn_words.with_left(_line(world, view, draft, session, turn), _leave(draft, turn, after))
    ending = turn_words.ending(turn, world.clock.now_ms())
    metering.renew(view, draft, session, turn, ending)
    if turn.origin is Origin.DESK:
        # The answer stands on the screen that it was asked for on.
        named = desk_words.ran(summary.escaped_title(turn.prompt))
        how = [] if turn.state is TurnState.FINISHED else [turn_words.ended(ending)]
        draft.say(Say(session.thread, f"turn:{turn.id}:end", "\n".join([named, *how, line])))
    elif after.offer and turn.state is TurnState.INTERRUPTED:
        named = turn_words.bold(summary.escaped_title(turn.prompt))
        parts = [named, event.text or turn_words.INTERRUPTED, *_cut_off(after.said)]
        parts += [*_follows(world, view, draft, session), line]
        interrupted = "\n\n".join(parts)
        approvals.ask(world, draft, turn, session, ApprovalKind.CONTINUE, Question(interrupted, after.offer))
    elif turn.calls or turn.spent or turn.unpriced_calls or turn.origin is not Origin.BACKGROUND:
        words = (not after.told and event.text.strip()) or "\n\n".join(
            [*_cut_off(after.said), turn_words.ended(ending)]
        )
        draft.say(
            Say(session.thread, f"turn:{turn.id}:end", f"{words}\n\n{line}", ring=not after.stopped, files=after.files)
        )


def _leave(draft: Draft, turn: Turn, after: Aftermath) -> str:
    """Keep what the turn has left behind, and say it."""
    if after.left is None or turn.outcome is None:
        return ""
    left = outcomes.named(after.left, turn.outcome)
    draft.put.append(left)
    return outcome_words.left(left)


def _follows(world: World, view: View, draft: Draft, session: Session) -> list[str]:
    """What becomes of the message after one that was interrupted; what was typed at the desk is seen there."""
    after = queue.next_of(draft.open_turns(view, session.id))
    if after is None or after.origin is not Origin.PERSON:
        return []
    return [turn_words.follows(summary.escaped_title(after.prompt), runs=world.present(session))]


def _cut_off(said: str) -> list[str]:
    return [turn_words.cut_off(progress.tail(said.strip(), SAID_CHARACTERS_MAX))] if said.strip() else []


_STEPS = {End.DONE: Step.FINISH, End.ERROR: Step.FAIL, End.INTERRUPTED: Step.INTERRUPT, End.HALTED: Step.STOP}
_OUTCOMES = {
    End.DONE: OutcomeKind.ANSWER,
    End.ERROR: OutcomeKind.ERROR,
    End.INTERRUPTED: OutcomeKind.CANCELLED,
    End.HALTED: OutcomeKind.CANCELLED,
}


def _end(world: World, turn: Turn, event: Finished, *, stopped: bool, unseen: bool) -> Turn:
    """The turn's end. `unseen`: a call of it was cut, and the agent told less of it, or nothing."""
    step = Step.STOP if stopped else _STEPS[event.end]
    if not can(turn, step):
        step = Step.STOP
    kind = OutcomeKind.CANCELLED if stopped else _OUTCOMES[event.end]
    if kind is OutcomeKind.ANSWER and not event.text.strip():
        kind = OutcomeKind.NOTHING
    lost = {Flag.LOWER_BOUND} if unseen else set[Flag]()
    return advance(
        turn,
        step,
        outcome=Outcome(kind, event.text[:OUTCOME_CHARACTERS_MAX]),
        ended_at_ms=world.clock.now_ms(),
        flags=turn.flags | lost,
    )
