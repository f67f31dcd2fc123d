"""Sessions that people open where they sit: a prompt typed there is allowed or not at once, and asked about on the phone.

Such an agent is there or not; what is written to it from a chat waits while it is not.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from gateway.core import change, gate, summary
from gateway.core.turn import Step, advance
from gateway.domain.approval import Approval
from gateway.domain.budget import Lift, Scope, ScopeKind, Unit
from gateway.domain.effects import Say
from gateway.domain.events import CallMetered
from gateway.domain.place import Session, Thread, Unmetered
from gateway.domain.turn import Origin, Outcome, OutcomeKind, Turn, TurnState
from gateway.engine import bounds, gating, limits, metering
from gateway.engine.decision import Draft
from gateway.engine.projects import repository
from gateway.engine.rules import Desk
from gateway.engine.world import World
from gateway.ports import Decision, View
from gateway.view import change_words, desk_words, money_words, turn_words

PROMPT_CHARACTERS_MAX: Final = 50_000
"""So much of a prompt is kept; of a longer one also its digest, so that it is known again."""

AGAIN: Final = (TurnState.QUEUED, TurnState.ASKING, TurnState.HELD)
"""From these a prompt that is typed again takes up its turn."""

LIMITED: Final = (Unit.USD, Unit.TOKENS, Unit.CALLS, Unit.WORK_MS)
"""What a session can have limits on."""
LOOKED_BACK_MAX: Final = 10
"""Among so many turns the last one from the desk is looked for."""

TOLD_HOURLY_MAX: Final = 10
"""Of so many sessions without Tollbridge the chats are told in an hour: whoever starts them may be an agent, in a loop."""
HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Typed:
    """What becomes of a prompt that was typed: the turn that runs it, or why nothing does."""

    turn: Turn | None = None
    why: str = ""


def typed(world: World, session_id: str, prompt: str) -> Callable[[View], Decision[Typed]]:
    """The gate for what a person typed: it never waits for anybody. What was allowed meanwhile passes once."""
    known = kept(prompt)

    def decide(view: View) -> Decision[Typed]:
        draft, now_ms = Draft(), world.clock.now_ms()
        session = view.session(session_id)
        if session is None:
            return draft.done(Typed(why=desk_words.GONE))
        turn: Turn | None = None
        for one in draft.open_turns(view, session.id):
            if one.origin is not Origin.DESK or one.state is TurnState.RUNNING:
                continue
            if (one.prompt == known or one.continues) and one.state in AGAIN and not is_over(one, now_ms):
                turn = one
            else:
                gating.drop(world, view, draft, one, desk_words.REPLACED)
        if turn is None:
            turn = _of_prompt(world, view, draft, session, known)
        elif turn.continues and turn.state is TurnState.QUEUED:
            turn = gating.start(world, view, draft, session, turn, here=True)
        elif turn.state is TurnState.HELD and (view.frozen or not bounds.lent(world, view, turn.scopes)):
            turn = advance(gating.let_go(draft, turn), Step.REQUEUE, waits_until_ms=None)
            turn = gating.start(world, view, draft, session, turn, here=True)
        if turn.state is not TurnState.HELD:
            return draft.done(Typed(why=_why(world, view, draft, turn)))
        turn = advance(turn, Step.RELEASE, started_at_ms=now_ms, waits_until_ms=None)
        draft.put.append(turn)
        return draft.done(Typed(turn))

    return decide


def _of_prompt(world: World, view: View, draft: Draft, session: Session, prompt: str) -> Turn:
    """The turn of a prompt that is new to its session, after the gate."""
    turn = _of_one_like_it(view, draft, session, prompt, world.clock.now_ms())
    if turn is None:
        return gating.start(world, view, draft, session, world.new_turn(session, Origin.DESK, session.owner, prompt))
    if turn.state is TurnState.ASKING:
        return turn
    # The yes was given to this turn, and goes with it: to the gate, which sees what is left by now.
    consent = gate.Consent(turn.ceiling, unpriced=turn.unpriced_allowed)
    before = len(draft.entries)
    _raise_as_before(world, view, draft, session, turn)
    raised = draft.entries[before:]
    turn = advance(gating.let_go(draft, turn), Step.REQUEUE, waits_until_ms=None, session_id=session.id)
    turn = gating.start(world, view, draft, session, turn, consent, here=True)
    if turn.state is TurnState.REFUSED:
        draft.entries = [entry for entry in draft.entries if entry not in raised]
    return turn


def _of_one_like_it(view: View, draft: Draft, session: Session, prompt: str, now_ms: int) -> Turn | None:
    """The turn with this prompt that was asked about in another session that nobody comes back to, as nobody will to this one:
    of the same person, in the same directory, told of in the same thread. Whoever sends it again there is in a new session.
    """
    if not session.unattended or view.latest_turns(session.id, 1):
        return None
    for turn in draft.open_turns(view):
        known = turn.origin is Origin.DESK and turn.state in (TurnState.ASKING, TurnState.HELD) and not turn.continues
        if known and (turn.person, turn.prompt) == (session.owner, prompt) and not is_over(turn, now_ms):
            other = view.session(turn.session_id)
            if other is not None and other.unattended and _belongs(other) == _belongs(session):
                return turn
    return None


def _raise_as_before(world: World, view: View, draft: Draft, session: Session, turn: Turn) -> None:
    """What a yes to the turn raised of the limits of its session, which is over, is raised of those of the one that it moves to."""
    before, after = Scope(ScopeKind.SESSION, turn.session_id), Scope(ScopeKind.SESSION, session.id)
    for unit in LIMITED:
        was, limit = (limits.limit_of(bounds.unlifted(world, view, draft, scope), unit) for scope in (before, after))
        if was is not None and limit is not None and was > limit:
            lift = Lift(after, unit, was - limit)
            limits.raise_limit(
                world, view, draft, lift, who=turn.person, why=change_words.as_in_session(turn.session_id)
            )


def _belongs(session: Session) -> tuple[str, str, Thread, str | None]:
    return session.agent, session.directory, session.thread, session.model


def kept(prompt: str) -> str:
    """As much of a prompt as is kept."""
    if len(prompt) <= PROMPT_CHARACTERS_MAX:
        return prompt
    digest = hashlib.sha256(prompt.encode(errors="surrogatepass")).hexdigest()
    return desk_words.cut_prompt(prompt[:PROMPT_CHARACTERS_MAX], len(prompt), digest)


def is_over(turn: Turn, now_ms: int) -> bool:
    """Whether a turn that was allowed has waited too long to be sent again."""
    return turn.waits_until_ms is not None and turn.waits_until_ms <= now_ms


def _lapsed(world: World, view: View, draft: Draft, session: Session, turn: Turn) -> Say:
    """What the phone reads of it, with what a part that ran has cost."""
    balance = bounds.balance(world, view, draft, Scope(ScopeKind.SESSION, session.id))
    line = turn_words.closing_line(turn, balance, list_price=world.list_price(view, session.agent))
    words = desk_words.lapsed(summary.escaped_title(turn.prompt))
    return Say(session.thread, f"turn:{turn.id}:end", f"{words}\n{line}" if turn.calls else words)


def expire(world: World, limit: int) -> Callable[[View], Decision[int]]:
    """What was allowed and never sent again is dropped, and the phone says so; the result is how many turns that were."""

    def decide(view: View) -> Decision[int]:
        draft = Draft()
        overdue = view.expected_turns(world.clock.now_ms(), limit)
        for turn in overdue:
            gating.drop(world, view, draft, turn, desk_words.NOT_SENT_AGAIN)
            session = view.session(turn.session_id)
            if session is not None:
                draft.say(_lapsed(world, view, draft, session, turn))
                gating.next_in_line(world, view, draft, session)
        return draft.done(len(overdue))

    return decide


def _why(world: World, view: View, draft: Draft, turn: Turn) -> str:
    """What the desk is told of a prompt that does not run, in words for who sits there and not in the chat."""
    if turn.state is TurnState.ASKING:
        new = [one for one in draft.put if isinstance(one, Approval) and one.turn_id == turn.id]
        return _asked(world, next(iter(new or view.open_approvals(turn.id)), None), again=_was_refused(view, turn))
    if turn.state is TurnState.QUEUED:
        return desk_words.BANK_ASKED
    reason = turn.outcome.text if turn.outcome is not None else ""
    if reason == money_words.FROZEN:
        return desk_words.not_run_stopped(world.chat.where)
    return desk_words.not_run(reason)


def _asked(world: World, asked: Approval | None, *, again: bool) -> str:
    """The question as it stands in the chat, without its first line: the prompt is on the screen."""
    question, most = "", None
    if asked is not None:
        question = summary.plain(asked.text.partition("\n")[2])
        most = next((option.allows for option in asked.options if option.allows is not None), None)
    ask = desk_words.asked_again if again else desk_words.asked
    return ask(world.chat.where, most, question)


def _was_refused(view: View, turn: Turn) -> bool:
    """Whether a person has just said no to the same prompt."""
    since_ms = turn.created_at_ms - gating.SENT_AGAIN_MS
    past = (one for one in view.latest_turns(turn.session_id, LOOKED_BACK_MAX) if one.id != turn.id)
    last = next((one for one in past if one.origin is Origin.DESK), None)
    if last is None or last.prompt != turn.prompt or last.outcome is None:
        return False
    return last.outcome.text == turn_words.SAID_NO and (last.ended_at_ms or 0) > since_ms


# ------------------------------------------------------------------------------------------------------- there or not
@dataclass(frozen=True, slots=True)
class Attached:
    """The session that an agent at a desk belongs to; `why`: it may not take part in it."""

    session: Session | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """An agent that a person has started, and where. `unattended`: nobody sits at it, or comes back to it."""

    agent: str
    agent_session: str
    directory: str
    unattended: bool = False


def attach(world: World, place: Place, at_work: frozenset[str]) -> Callable[[View], Decision[Attached]]:
    """Find or make the session of an agent that a person has started. `at_work`: sessions with an agent of the gateway's own."""

    def decide(view: View) -> Decision[Attached]:
        draft = Draft()
        session = view.session_of_agent(place.agent_session)
        if session is not None and session.agent != place.agent:
            if session.id in at_work or view.open_turns(session.id):
                return draft.done(Attached(why=desk_words.ELSEWHERE))
            session = replace(session, agent=place.agent)
            draft.put.append(session)
        if session is not None and session.unattended and not place.unattended:
            session = replace(session, unattended=False)  # Somebody has come back to it.
            draft.put.append(session)
        if session is None:
            desk = _desk(world, place.directory)
            if desk is None:
                return draft.done(Attached(why=desk_words.NOBODY))
            session = Session(
                id=world.clock.new_id("s"),
                agent=place.agent,
                directory=place.directory,
                thread=Thread(world.chat.service, desk.chat, desk.topic),
                owner=desk.person,
                created_at_ms=world.clock.now_ms(),
                agent_session=place.agent_session,
                project=repository(Path(place.directory)),
                unattended=place.unattended,
            )
            draft.put.append(session)
            # What is written in the thread goes on to where it went, until this one is known to take it.
            draft.current = view.current_session(session.thread)
        return draft.done(Attached(session))

    return decide


def _desk(world: World, directory: str) -> Desk | None:
    place = Path(directory)
    return next((desk for desk in world.rules.desks if place.is_relative_to(desk.directory)), None)


def present(session_id: str, *, proven: bool) -> Callable[[View], Decision[None]]:
    """The session takes prompts from the chat now: it becomes the thread's current one, unless another is at work there, or
    it has never taken one (`proven`).
    """

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        session = view.session(session_id)
        if session is None:
            return draft.done(None)
        current = view.current_session(session.thread)
        if proven and current is not None and current.id != session.id and not view.open_turns(current.id):
            draft.current = current = session
        here = current is None or current.id == session.id
        then = desk_words.HERE if here and proven else desk_words.UNPROVEN if here else desk_words.LISTED
        words = desk_words.opened(summary.code(change.reason(session.directory)), then)
        draft.say(Say(session.thread, f"desk:{session.id}:{session.agent_session}", words))
        return draft.done(None)

    return decide


def away(session_id: str, turn_id: str) -> Callable[[View], Decision[None]]:
    """The agent was gone before it could be given the prompt."""

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        session, turn = view.session(session_id), view.turn(turn_id)
        if session is not None and turn is not None and turn.state is TurnState.RUNNING:
            turn = advance(turn, Step.RESEND)
        if session is not None and turn is not None and turn.state is TurnState.HELD:
            gating.wait(draft, session, turn)
        return draft.done(None)

    return decide


def unseen(world: World, session_id: str, event: CallMetered) -> Callable[[View], Decision[str | None]]:
    """A turn for a call that belongs to none: it was made while nobody here could see it, and is booked all the same. The turn and
    what it cost come together or not at all. None for a call that an earlier gateway has booked.
    """
    priced = world.cost(event.usage)

    def decide(view: View) -> Decision[str | None]:
        draft, now_ms = Draft(), world.clock.now_ms()
        session = view.session(session_id)
        if session is None or view.call_known(event.call_id):
            return draft.done(None)
        turn = replace(
            world.new_turn(session, Origin.DESK, session.owner, desk_words.WENT_ON),
            state=TurnState.FINISHED,
            scopes=bounds.counted(world, view, session, session.owner),
            outcome=Outcome(OutcomeKind.NOTHING, desk_words.WENT_ON),
            started_at_ms=now_ms,
            ended_at_ms=now_ms,
        )
        metering.book(world, view, draft, turn, event, priced)
        return draft.done(turn.id)

    return decide


# ------------------------------------------------------------------------------------------------- without Tollbridge
def unmetered(world: World, heard: Iterable[Unmetered], *, opened: bool = True) -> Callable[[View], Decision[None]]:
    """Keep sessions that go without Tollbridge, each named once. `opened`: people are told, once of each session and without a
    ring, as long as they are not told too often.
    """

    def decide(view: View) -> Decision[None]:
        draft, now_ms = Draft(), world.clock.now_ms()
        left = TOLD_HOURLY_MAX - view.unmetered_told(now_ms - HOUR_MS) if opened else 0
        for one in heard:
            known = view.unmetered(one.session)
            heard_of = one if known is None else one.merged(known)
            desk = _desk(world, one.directory or "/")
            if heard_of.told_at_ms is None and left > 0 and desk is not None:
                name = change.reason(one.directory)
                where = summary.code(name) if name else desk_words.NO_PLACE
                words = desk_words.unmetered(where)
                thread = Thread(world.chat.service, desk.chat, desk.topic)
                draft.say(Say(thread, f"unmetered:{one.session}", words))
                heard_of, left = replace(heard_of, told_at_ms=now_ms), left - 1
            draft.put.append(heard_of)
        return draft.done(None)

    return decide
