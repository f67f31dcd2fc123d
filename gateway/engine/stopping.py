"""/stop, of one turn, of a session's or of all, and /go after that."""

from collections.abc import Sequence

from gateway.core import progress
from gateway.core.route import Stop
from gateway.core.turn import ENDED
from gateway.domain.budget import Entry, EntryKind
from gateway.domain.effects import Interrupt
from gateway.domain.events import Message
from gateway.domain.turn import Turn, TurnState
from gateway.engine import gating, metering
from gateway.engine.decision import Draft
from gateway.engine.sessions import words_of
from gateway.engine.world import World
from gateway.ports import View
from gateway.view import command_words

NAMED_MAX = 5


def stop(world: World, view: View, draft: Draft, message: Message, intent: Stop) -> None:
    """End what is meant, and say what that was."""
    everything = intent.everything
    if intent.draft_id:
        shown = (one.id for one in view.all_open_turns() if progress.draft_id(one.id) == intent.draft_id)
        _stop_one(world, view, draft, message, next(shown, ""))
        return
    if intent.turn_id:
        _stop_one(world, view, draft, message, intent.turn_id)
        return
    if everything:
        draft.entries.append(Entry(EntryKind.FREEZE, (), who=message.person, why="/stop all"))
        turns = view.all_open_turns()
    else:
        session = view.current_session(message.thread)
        turns = view.open_turns(session.id) if session else ()
        if session is not None and not turns:
            draft.effects.append(Interrupt(session.id))  # what its agent left at work in the background
    for turn in turns:
        gating.stop(world, view, draft, turn)
        session = view.session(turn.session_id)
        if session is not None and turn.state is TurnState.PAUSED:
            metering.stopped(world, view, draft, session, turn)
    here = [turn for turn in turns if _is_here(view, message, turn)]
    words = _stopping(here, len(turns) - len(here))
    if not turns and any(view.open_turns(one.id) for one in view.thread_sessions(message.thread)):
        words = command_words.IDLE_HERE
    draft.say(world.notice(message.thread, f"{words}\n{command_words.STOP_ALL}" if everything else words))


def _stop_one(world: World, view: View, draft: Draft, message: Message, turn_id: str) -> None:
    """The button under a turn at work: what waits behind it stays."""
    turn = view.turn(turn_id)
    if turn is None or turn.state in ENDED or not _is_here(view, message, turn):
        draft.say(world.notice(message.thread, command_words.NOTHING_RUNS))
        return
    gating.stop(world, view, draft, turn)
    session = view.session(turn.session_id)
    if session is not None:
        if turn.state is TurnState.RUNNING:  # until its agent has: how it ended is said there, too
            metering.renew(view, draft, session, turn, command_words.STOPPING)
        gating.next_in_line(world, view, draft, session)


def _is_here(view: View, message: Message, turn: Turn) -> bool:
    """Whether a turn is told of in the thread that the message came from."""
    session = view.session(turn.session_id)
    return session is not None and session.thread == message.thread


def _stopping(here: Sequence[Turn], elsewhere: int) -> str:
    """What is stopped, by the first words of it; of what other people's chats are told of only how many."""
    return command_words.stopping([words_of(turn) for turn in here[:NAMED_MAX]], len(here), elsewhere)


def go(world: World, view: View, draft: Draft, message: Message) -> None:
    """After /stop all turns may start again."""
    if not view.frozen:
        draft.say(world.notice(message.thread, command_words.NOTHING_STOPPED))
        return
    draft.entries.append(Entry(EntryKind.THAW, (), who=message.person, why="/go"))
    draft.say(world.notice(message.thread, command_words.MAY_START_AGAIN))
