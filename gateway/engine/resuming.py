"""`/resume`: earlier conversations of a directory, also those of the desk. One writer each: what is open elsewhere is left there."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.core import summary
from gateway.core.route import Resume
from gateway.domain.effects import Browse
from gateway.domain.events import Message
from gateway.domain.place import Room, Session
from gateway.engine import gating, menus, projects, threads
from gateway.engine.world import Draft, World
from gateway.ports import Conversation, Decision, View
from gateway.view import command_words, thread_words

SHOWN_MAX: Final = 10
LABEL_MAX: Final = 40
SESSIONS_MAX: Final = 300
FRESH_MS: Final = 120_000
"""A conversation of which nothing is known here, and that was written to so recently, may be open at the desk."""


def begin(world: World, view: View, draft: Draft, message: Message, intent: Resume) -> None:
    """Look for them, or for the one that is named, beside the decision: the agent knows them from its files."""
    current = view.current_session(message.thread)
    base = world.rules.directory if current is None else current.directory
    place = projects.resolved(world, base, intent.directory)
    if place is None:
        draft.say(world.notice(message.thread, command_words.no_directory((intent.directory or base)[:200])))
        return
    known = view.session_of_agent(intent.agent_session) if intent.agent_session else None
    if known is not None:
        _take(world, view, draft, message, known)
        return
    agent = world.rules.agent if current is None else current.agent
    agent = world.agents[agent].traits.attached or agent
    draft.effects.append(Browse(message.thread, message.person, place, agent, intent.agent_session))


def _take(world: World, view: View, draft: Draft, message: Message, session: Session) -> None:
    """Go on with a session that is known here, unless it is open somewhere else."""
    taker = world.agents[session.agent].traits.attached
    place = summary.code(session.directory)
    if session.thread != message.thread:
        words = thread_words.in_other_thread(place, world.chat.thread_link(session.thread))
        draft.say(world.notice(message.thread, words))
        return
    if taker and world.present(session):
        draft.say(world.notice(message.thread, command_words.open_at_desk(place)))
        return
    if taker:
        session = replace(session, agent=taker)
    if session.room in (Room.CLOSED, Room.CLOSING):
        session = replace(session, room=Room.REOPENING)
    draft.put.append(session)
    draft.current = session
    draft.say(world.notice(message.thread, command_words.goes_on(world.agents[session.agent].traits.label, place)))
    threads.settle(draft, session)
    if taker:
        gating.next_in_line(world, view, draft, session)


async def browse(world: World, effect: Browse) -> None:
    """Show the conversations with a button each, or go on with the one that is wanted."""
    found = await world.agents[effect.agent].conversations(
        effect.directory, SESSIONS_MAX if effect.wanted else 2 * SHOWN_MAX
    )
    if effect.wanted:
        named = next((one for one in found if one.agent_session == effect.wanted), None)
        await world.commit(lambda view: _open(world, view, effect, named))
    else:
        await world.commit(lambda view: _list(world, view, effect, found))


def _list(world: World, view: View, effect: Browse, found: tuple[Conversation, ...]) -> Decision[None]:
    draft = Draft()
    current = view.current_session(effect.thread)
    ours = {one.agent_session: one for one in view.sessions_named("", SESSIONS_MAX) if one.agent_session}
    all_of_them = {one.agent_session: one for one in found}
    for name, session in ours.items():
        if name not in all_of_them and session.directory == effect.directory and view.latest_turns(session.id, 1):
            at_ms = session.last_call_at_ms or session.created_at_ms
            prompt = view.latest_turns(session.id, 1)[0].prompt
            all_of_them[name] = Conversation(name, session.title or summary.title(prompt), at_ms)
    here = None if current is None else current.agent_session
    shown = sorted((one for one in all_of_them.values() if one.agent_session != here), key=lambda one: -one.last_at_ms)
    shown = shown[:SHOWN_MAX]
    if not shown:
        draft.say(world.notice(effect.thread, thread_words.nothing_to_resume(summary.code(effect.directory))))
        return draft.done(None)
    lines = [thread_words.EARLIER]
    buttons: list[tuple[str, str]] = []
    for number, one in enumerate(shown, start=1):
        when = datetime.fromtimestamp(one.last_at_ms / 1000, UTC).astimezone(world.rules.timezone)
        lines.append(thread_words.conversation(number, f"{when:%Y-%m-%d %H:%M}", summary.escape(one.title)))
        label = summary.title(one.title, LABEL_MAX)
        buttons.append((command_words.session_button(number, label), _command(one.agent_session, effect.directory)))
    menus.show(world, draft, effect.thread, "\n".join(lines), buttons)
    return draft.done(None)


def _command(conversation: str, directory: str) -> str:
    """What the button of a conversation stands for, as it would be typed."""
    return f"resume {conversation} {directory}"


def _open(world: World, view: View, effect: Browse, found: Conversation | None) -> Decision[None]:
    """A session with a conversation that was never one of ours."""
    draft = Draft()
    if found is None:
        draft.say(world.notice(effect.thread, thread_words.NO_CONVERSATION))
        return draft.done(None)
    if view.session_of_agent(found.agent_session) is not None:  # somebody else was quicker
        draft.say(world.notice(effect.thread, thread_words.NO_CONVERSATION))
        return draft.done(None)
    if world.clock.now_ms() - found.last_at_ms < FRESH_MS:
        draft.say(world.notice(effect.thread, thread_words.JUST_WRITTEN))
        return draft.done(None)
    before = view.current_session(effect.thread)
    session = Session(
        id=world.clock.new_id("s"),
        agent=effect.agent,
        directory=effect.directory,
        thread=effect.thread,
        owner=effect.person,
        created_at_ms=world.clock.now_ms(),
        agent_session=found.agent_session,
        model=world.rules.model if effect.agent == world.rules.agent else None,
        project=projects.repository(Path(effect.directory)),
        title=found.title,
        room=Room.WANTED if world.chat.has_threads(effect.thread) else Room.NONE,
    )
    draft.put.append(session)
    draft.current = session
    threads.begun(world, draft, session, before)
    return draft.done(None)
