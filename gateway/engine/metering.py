"""What agents did, as decisions: calls are booked, limits pause, ends settle. One transaction an event."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gateway.core import gate, gauges, meter, preferences, progress
from gateway.core.turn import ENDED, Step, advance, can
from gateway.domain.approval import ApprovalKind, ApprovalState
from gateway.domain.budget import Balance, Quota, Scope, ScopeKind
from gateway.domain.effects import Edit, Say
from gateway.domain.events import CallMetered, Finished, QuotaTold
from gateway.domain.files import Parcel
from gateway.domain.money import Usd
from gateway.domain.place import Session
from gateway.domain.turn import Origin, Turn, TurnState
from gateway.domain.usage import MAIN_LOOP, Call, Parts, Unpriced
from gateway.engine import approvals, bounds, gating, judging, menus
from gateway.engine.decision import Draft
from gateway.engine.world import STATUS_ENDING, World
from gateway.ports import Decision, View
from gateway.view import queue_words, turn_words


@dataclass(frozen=True, slots=True)
class Booked:
    """A call is in the ledger: why the turn has to pause, if it has to (`turn_words.OVER` if it has ended), and for how long it may
    still work until a limit on that says no.
    """

    reason: str | None = None
    work_left_ms: int | None = None


def book_call(
    world: World, turn_id: str, event: CallMetered, work_ms: int = 0
) -> Callable[[View], Decision[Booked | None]]:
    """Book a call once, with the time that the agent worked since the last booking; None: it was booked before."""
    priced = world.cost(event.usage)

    def decide(view: View) -> Decision[Booked | None]:
        draft = Draft()
        turn = view.turn(turn_id)
        if turn is None or view.call_known(event.call_id):
            return draft.done(None)
        return draft.done(book(world, view, draft, turn, event, priced, work_ms))

    return decide


def book(
    world: World,
    view: View,
    draft: Draft,
    turn: Turn,
    event: CallMetered,
    priced: tuple[Usd | Unpriced, Parts],
    work_ms: int = 0,
) -> Booked:
    """Book a call that is not known yet on this turn, inside a decision. `priced`: as `World.cost` gives it."""
    cost, made_of = priced
    call = Call(event.call_id, event.usage, cost, event.loop, made_of)
    session = view.session(turn.session_id)
    if session is not None:
        turn = gating.counted(world, view, session, turn)
    before = bounds.balances(world, view, draft, turn.scopes)
    turn, entry = meter.book(turn, call, ended=event.ended, work_ms=work_ms)
    draft.entries.append(entry)
    if session is not None:
        _warn(world, view, draft, session, [one for one in before if one.scope.kind is not ScopeKind.TEAM])
    if session is not None and event.loop == MAIN_LOOP and event.ended:
        draft.put.append(meter.remember(session, event.usage, world.clock.now_ms()))
    booked = Booked(turn_words.OVER)
    if session is not None and turn.state not in ENDED:
        turn, booked = _grow(world, view, draft, session, turn)
    draft.put.append(turn)
    return booked


def _warn(world: World, view: View, draft: Draft, session: Session, before: Sequence[Balance]) -> None:
    """Say once that a good part of a limit is spent; a raised limit can be said of again."""
    after = bounds.balances(world, view, draft, [balance.scope for balance in before])
    for gauge, percent in gauges.warnings(_shared(before), _shared(after)):
        ref = f"warning:{gauge.scope}:{gauge.unit}:{gauge.limit}:{percent}"
        draft.say(Say(session.thread, ref, gauges.warning(gauge, percent)))


def _shared(balances: Sequence[Balance]) -> tuple[gauges.Gauge, ...]:
    return (*gauges.of_money(balances), *gauges.of_balances(balances))


def _grow(
    world: World, view: View, draft: Draft, session: Session, turn: Turn, unbooked_ms: int = 0
) -> tuple[Turn, Booked]:
    verdict, booked = _verdict(world, view, draft, session, turn, unbooked_ms)
    if isinstance(verdict, gate.Grow):
        turn = replace(turn, hold=turn.hold + verdict.by, held_left=turn.held_left + verdict.by)
        draft.entries.append(gating.held(turn, verdict.by))
    return turn, booked


def _verdict(
    world: World, view: View, draft: Draft, session: Session, turn: Turn, unbooked_ms: int = 0
) -> tuple[gate.Enough | gate.Grow | gate.Limit, Booked]:
    """What the gate says of a turn at work now, and what its client has to know of that."""
    balances = bounds.balances(world, view, draft, turn.scopes, turn.lifts)
    counted = bounds.gauges_of(world, view, session, turn, balances, unbooked_ms)
    verdict = gate.after_call(turn, balances, bounds.policy(world, view, session, turn), counted)
    reason = verdict.reason if isinstance(verdict, gate.Limit) else None
    return verdict, Booked(reason, gauges.work_left_ms(counted))


WINDOWS_MAX = 20
"""No agent has more windows than this; what it tells beyond them is not kept."""


def note_quota(world: World, session_id: str, event: QuotaTold) -> Callable[[View], Decision[bool]]:
    """Keep what the session's agent told of a window, where that is news; True: from this on runs are asked about."""

    def decide(view: View) -> Decision[bool]:
        draft = Draft()
        session = view.session(session_id)
        if session is None:
            return draft.done(result=False)
        told = Quota(session.agent, event.window, event.percent, world.clock.now_ms(), event.resets_at_ms)
        known = {quota.window: quota for quota in view.quotas(session.agent)}
        if _is_news(told, known.get(told.window)) and (told.window in known or len(known) < WINDOWS_MAX):
            draft.put.append(told)
        ask_at = world.rules.ask_at_quota
        return draft.done(result=ask_at is not None and told.percent >= ask_at)

    return decide


def _is_news(told: Quota, known: Quota | None) -> bool:
    """A window that told no reset is forgotten after a while, so that it is kept anew at times."""
    if known is None or (told.percent, told.resets_at_ms) != (known.percent, known.resets_at_ms):
        return True
    return told.resets_at_ms is None and told.told_at_ms - known.told_at_ms >= gauges.MINUTE_MS


def look(world: World, turn_id: str) -> Callable[[View], Decision[Booked | None]]:
    """Whether the turn has to pause by now, though no call was booked; None: it is over."""

    def decide(view: View) -> Decision[Booked | None]:
        draft = Draft()
        turn = view.turn(turn_id)
        session = view.session(turn.session_id) if turn else None
        if turn is None or session is None or turn.state in ENDED:
            return draft.done(None)
        return draft.done(_verdict(world, view, draft, session, turn)[1])

    return decide


def pause(world: World, turn_id: str, unbooked_ms: int = 0) -> Callable[[View], Decision[bool]]:
    """At a boundary with a limit in the way: pause and ask. The result is False where nothing is in the way any more.

    `unbooked_ms`: for how long the agent has worked since its last call.
    """

    def decide(view: View) -> Decision[bool]:
        draft = Draft()
        turn = view.turn(turn_id)
        if turn is None or turn.state is TurnState.PAUSED:
            return draft.done(result=turn is not None)
        session = view.session(turn.session_id)
        if session is None or not can(turn, Step.PAUSE):
            return draft.done(result=False)
        turn, booked = _grow(world, view, draft, session, turn, unbooked_ms)
        if booked.reason is None:
            draft.put.append(turn)
            return draft.done(result=False)
        shown, policy = (
            bounds.shown(world, view, draft, turn.scopes, turn.lifts),
            bounds.policy(world, view, session, turn),
        )
        counted, reason = bounds.gauges_of(world, view, session, turn, shown, unbooked_ms), booked.reason
        if world.team is not None and not isinstance(gate.after_call(turn, shown, policy, counted), gate.Limit):
            reason = world.team.why(turn.scopes)
        turn = advance(turn, Step.PAUSE)
        draft.put.append(turn)
        question = gate.at_limit(turn, shown, policy, reason, counted, judging.holders(view, draft, session, turn))
        approvals.ask(world, draft, turn, session, ApprovalKind.LIMIT, question)
        renew(view, draft, session, turn, turn_words.ending(turn, world.clock.now_ms()))
        return draft.done(result=True)

    return decide


def short_of_lease(world: World, view: View, turn_id: str) -> bool:
    """Whether nothing but a lease of the team's stands in the way of a turn that is at work."""
    turn = view.turn(turn_id)
    session = view.session(turn.session_id) if turn else None
    if turn is None or session is None or turn.state is not TurnState.RUNNING:
        return False
    policy = bounds.policy(world, view, session, turn)

    def halts(scopes: Sequence[Scope]) -> bool:
        balances = bounds.balances(world, view, Draft(), scopes, turn.lifts)
        return isinstance(gate.after_call(turn, balances, policy), gate.Limit)

    return halts(turn.scopes) and not halts([scope for scope in turn.scopes if scope.kind is not ScopeKind.TEAM])


def lease_over(world: World, view: View, turn_id: str) -> bool:
    """Whether the time of a lease is over that a turn at work counts against, or it was lost."""
    turn = view.turn(turn_id)
    return turn is not None and turn.state is TurnState.RUNNING and not bounds.lent(world, view, turn.scopes)


def status_ref(turn: Turn) -> str:
    """The name of the message that shows what a turn does."""
    return f"turn:{turn.id}{STATUS_ENDING}"


def status(world: World, view: View, session: Session, turn: Turn, doing: progress.Doing) -> str:
    """What the message says that shows what a turn does."""
    balances = bounds.shown(world, view, Draft(), turn.scopes, turn.lifts)
    doing = preferences.shown(view.preferences(session.thread), doing)
    counted = (*gauges.of_money(balances), *bounds.gauges_of(world, view, session, turn, balances))
    return progress.status(turn, doing, progress.tightest(turn, counted), world.clock.now_ms())


def show(world: World, draft: Draft, session: Session, turn: Turn, words: str) -> None:
    """Begin the message that shows what a turn does, with a button that stops it."""
    if world.agents[session.agent].traits.attached:
        draft.say(Say(session.thread, status_ref(turn), words))
    else:
        menus.show(world, draft, session.thread, words, ((queue_words.STOP, f"stop {turn.id}"),), status_ref(turn))


def renew(view: View, draft: Draft, session: Session, turn: Turn, words: str) -> None:
    """Change the message that shows what a turn does. What was typed at the desk has none: it is seen there."""
    if turn.origin is Origin.DESK:
        return
    shown = menus.opened(view, status_ref(turn))
    if shown is not None and turn.state in ENDED:
        draft.put.append(replace(shown, state=ApprovalState.WITHDRAWN))
    keys = menus.buttons(shown) if turn.state is TurnState.RUNNING else ()
    draft.say(Edit(session.thread, status_ref(turn), words, keys))


def stopped(world: World, view: View, draft: Draft, session: Session, turn: Turn) -> None:
    """A turn that stood paused was told to stop: its status says so, and is paused no more."""
    if turn.started_at_ms is not None:
        ended = replace(turn, state=TurnState.STOPPED)
        renew(view, draft, session, ended, turn_words.ending(ended, world.clock.now_ms()))


LOOKED_BACK_MAX = 20


def _who_caused(view: View, session: Session) -> str:
    """Whose budget a run that no prompt started counts against: that of the person who wrote last."""
    latest = view.latest_turns(session.id, LOOKED_BACK_MAX)
    return next((turn.person for turn in latest if turn.origin is not Origin.BACKGROUND), session.owner)


def background_run(world: World, session_id: str) -> Callable[[View], Decision[Turn | None]]:
    """A run that no prompt started: a turn of its own, before the gate before its first call."""

    def decide(view: View) -> Decision[Turn | None]:
        draft = Draft()
        session = view.session(session_id)
        if session is None:
            return draft.done(None)
        turn = world.new_turn(session, Origin.BACKGROUND, _who_caused(view, session), turn_words.UNPROMPTED)
        turn = gating.start(world, view, draft, session, turn)
        if turn.state is TurnState.RUNNING:
            words = status(world, view, session, turn, progress.Doing(said=turn.prompt))
            show(world, draft, session, turn, words)
        return draft.done(turn)

    return decide


def resend(turn_id: str) -> Callable[[View], Decision[None]]:
    """The agent never had the prompt: it is to be handed over again."""

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        turn = view.turn(turn_id)
        if turn is not None and turn.state is TurnState.RUNNING:
            draft.put.append(advance(turn, Step.RESEND))
        return draft.done(None)

    return decide


def answer_ref(turn_id: str) -> str:
    """The name of the message that gives a turn's answer before the turn has ended."""
    return f"turn:{turn_id}:answer"


def answer(turn_id: str, event: Finished, files: tuple[Parcel, ...] = ()) -> Callable[[View], Decision[None]]:
    """The run's answer, as soon as it is there: the turn is settled only when the agents behind it have ended."""

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        turn = view.turn(turn_id)
        session = view.session(turn.session_id) if turn else None
        if turn is not None and session is not None and turn.state not in ENDED and event.text.strip():
            words = turn_words.answered(event.text.strip(), event.background)
            draft.say(Say(session.thread, answer_ref(turn.id), words, ring=True, files=files))
        return draft.done(None)

    return decide
