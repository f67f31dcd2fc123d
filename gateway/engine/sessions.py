"""The sessions of a thread: begun, listed, gone to, and taken over from the desk."""

from dataclasses import replace
from pathlib import Path

from gateway.core import change, summary
from gateway.core.route import Sessions
from gateway.domain.approval import Approval
from gateway.domain.budget import Scope, ScopeKind
from gateway.domain.events import Message
from gateway.domain.place import Session
from gateway.domain.turn import Turn
from gateway.engine import gating, menus, preferences
from gateway.engine.decision import Draft
from gateway.engine.projects import repository
from gateway.engine.world import World
from gateway.ports import View
from gateway.view import command_words, forget_words

WORDS_MAX = 40
"""So many characters of a prompt tell it from others."""


def new_session(world: World, draft: Draft, message: Message, directory: str) -> Session:
    """A new session in the directory, the current one of its thread from now on."""
    session = Session(
        id=world.clock.new_id("s"),
        agent=world.rules.agent,
        directory=directory,
        thread=message.thread,
        owner=message.person,
        created_at_ms=world.clock.now_ms(),
        model=world.rules.model,
        project=repository(Path(directory)),
    )
    draft.put.append(session)
    draft.current = session
    return session


def show(world: World, view: View, draft: Draft, message: Message, intent: Sessions, menu: Approval | None) -> None:
    """List the thread's sessions, newest first, with a button for each but the current one; or go to the one that is named."""
    current = view.current_session(message.thread)
    sessions = view.thread_sessions(message.thread)
    named = [one for n, one in enumerate(sessions, start=1) if n == intent.number or one.id == intent.session_id]
    if intent != Sessions() and not named:
        draft.say(world.notice(message.thread, command_words.no_session_of(intent.number)))
        return
    if named:
        current = draft.current = named[0]
    lines: list[str] = []
    others: list[tuple[str, str]] = []
    for n, session in enumerate(sessions, start=1):
        spent = view.balance(Scope(ScopeKind.SESSION, session.id)).spent
        turns = view.open_turns(session.id)
        state = turns[0].state if turns else None
        here = current is not None and session.id == current.id
        agent = world.agents.get(session.agent)
        label = session.agent if agent is None else agent.traits.label
        about = next((words_of(turn) for turn in view.latest_turns(session.id, 1)), None)
        lines.append(command_words.session_line(n, _place(session), label, state, spent, about, here=here))
        if not here:
            name = Path(session.directory).name or session.directory
            others.append((command_words.session_button(n, name), f"sessions {session.id}"))
    if not lines:
        draft.say(world.notice(message.thread, command_words.NO_SESSION))
    elif menu is not None:
        menus.renew(world, draft, menu, "\n".join(lines), others)
    elif others:
        menus.show(world, draft, message.thread, "\n".join(lines), others)
    else:
        draft.say(world.notice(message.thread, "\n".join(lines)))


def start(world: World, view: View, draft: Draft, message: Message) -> None:
    """The gateway opens the current session itself, where nobody has it open at the desk: one writer per conversation."""
    session = view.current_session(message.thread)
    taker = world.agents[session.agent].traits.attached if session is not None else ""
    if session is None or not taker:
        preferences.show_help(world, view, draft, message)
    elif world.present(session):
        draft.say(world.notice(message.thread, command_words.open_at_desk(_place(session))))
    else:
        session = replace(session, agent=taker)
        draft.put.append(session)
        label = world.agents[taker].traits.label
        draft.say(world.notice(message.thread, command_words.goes_on(label, _place(session))))
        gating.next_in_line(world, view, draft, session)


def words_of(turn: Turn) -> str:
    """The first words of a turn's prompt."""
    if turn.forgotten_at_ms is not None:
        return forget_words.FORGOTTEN_TITLE
    return summary.escape(summary.title(turn.prompt, WORDS_MAX)) or command_words.WITHOUT_WORDS


def _place(session: Session) -> str:
    """The session's directory as a message names it, whatever it is called."""
    return summary.code(change.reason(session.directory))
