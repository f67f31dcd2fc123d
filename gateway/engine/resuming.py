"""`/resume`: earlier conversations of a directory, also those of the desk. One writer each: what is open elsewhere is left there, or
gone on with as a copy.

Their words are for those who may read where they were written. One that belongs to no chat is the machine's owner's, as its files
are: it takes somebody who could let the agent read those.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.core import change, summary
from gateway.core.access import may
from gateway.core.route import Resume
from gateway.domain.effects import Browse
from gateway.domain.events import Message
from gateway.domain.place import Deed, Grant, Room, Session, Thread
from gateway.engine import gating, menus, projects, threads
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import Conversation, Decision, View
from gateway.view import command_words, thread_words

SHOWN_MAX: Final = 10
LABEL_MAX: Final = 40
SESSIONS_MAX: Final = 300
TURNS_LOOKED_AT: Final = 100
LATEST_MS: Final = 253_402_000_000_000
"""In the last days of the year 9999, after which there are no dates."""
FRESH_MS: Final = 120_000
"""A conversation of which nothing is known here, and that was written to so recently, may be open at the desk."""


def begin(world: World, view: View, draft: Draft, message: Message, intent: Resume) -> None:
    """Look for them, or for the one that is named, beside the decision: the agent knows them from its files."""
    current = view.current_session(message.thread)
    found = projects.looked(world, message)
    if not found.places:
        draft.say(world.notice(message.thread, found.text))
        return
    place = found.places[0]
    known = view.session_of_agent(intent.agent_session) if intent.agent_session else current if intent.forks else None
    if intent.forks and not intent.agent_session and known is None:
        draft.say(world.notice(message.thread, thread_words.NOTHING_TO_FORK))
        return
    if known is not None and not _is_theirs(known, message.thread, message.person, view.grants(message.person)):
        draft.say(world.notice(message.thread, thread_words.NO_CONVERSATION))
        return
    if known is not None and intent.forks:
        _copy(world, view, draft, message, known)
        return
    if known is not None:
        _take(world, view, draft, message, known)
        return
    agent = world.rules.agent if current is None else current.agent
    agent = world.agents[agent].traits.attached or agent
    wanted = intent.agent_session
    draft.effects.append(Browse(message.thread, message.person, place, agent, wanted, forks=intent.forks))


def _told_of(view: View, conversation: str, here: Thread, person: str) -> bool:
    """Whether a conversation that the agent keeps may be told of here: never one that was forgotten, unless it was taken up again since."""
    known = view.session_of_agent(conversation)
    if known is None and view.is_forgotten(conversation):
        return False
    return _is_theirs(known, here, person, view.grants(person))


def _is_theirs(session: Session | None, here: Thread, person: str, grants: Iterable[Grant]) -> bool:
    """Whether a conversation may be told of here. Of another chat only alone with who may read there: a group reads with them."""
    if session is None:
        return may(grants, Deed.APPROVE, here)
    return session.thread.chat == here.chat or (here.chat == person and may(grants, Deed.READ, session.thread))


def _take(world: World, view: View, draft: Draft, message: Message, session: Session) -> None:
    """Go on with a session that is known here, unless it is open somewhere else."""
    taker = world.agents[session.agent].traits.attached
    place = summary.code(change.reason(session.directory))
    if session.thread != message.thread:
        words = thread_words.in_other_thread(place, world.chat.thread_link(session.thread))
        theirs = may(view.grants(message.person), Deed.COMMAND, session.thread)
        _or_fork(world, draft, message.thread, words, session if theirs else None)
        return
    if taker and world.present(session):
        _or_fork(world, draft, message.thread, command_words.open_at_desk(place), session)
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


def _or_fork(world: World, draft: Draft, thread: Thread, words: str, session: Session | None) -> None:
    """It has its writer already: what is offered is a copy."""
    if session is None or session.agent_session is None or not _forks(world, session.agent):
        draft.say(world.notice(thread, words))
    else:
        command = _command(session.agent_session, session.directory, "fork")
        menus.show(world, draft, thread, words, ((thread_words.FORK, command),))


def _forks(world: World, agent: str) -> bool:
    taker = world.agents[agent].traits.attached or agent
    return world.agents[taker].traits.forks


def _copy(world: World, view: View, draft: Draft, message: Message, session: Session) -> None:
    """Another session, which begins as a copy of one that is known here."""
    agent = world.agents[session.agent].traits.attached or session.agent
    origin = _origin(view, session)
    latest = view.latest_turns(session.id, 1)
    if not world.agents[agent].traits.forks:
        draft.say(world.notice(message.thread, thread_words.NO_FORKS))
        return
    if not origin:
        draft.say(world.notice(message.thread, thread_words.NOTHING_TO_FORK))
        return
    if session.thread != message.thread and not may(view.grants(message.person), Deed.COMMAND, session.thread):
        draft.say(world.notice(message.thread, command_words.MAY_NOT))
        return
    title = session.title or (summary.title(latest[0].prompt, thread_words.NAME_MAX) if latest else "")
    unasked = session.mode in world.agents[agent].traits.unasking
    copy = replace(
        session,
        agent=agent,
        # What asks less was chosen for the one session, by somebody who may answer for it.
        mode="" if unasked and not may(view.grants(message.person), Deed.APPROVE, message.thread) else session.mode,
        thread=message.thread,
        owner=message.person,
        room_name="",
        unattended=False,
        title=title,
    )
    _begin_copy(world, view, draft, copy, origin)


def _origin(view: View, session: Session) -> str | None:
    """The conversation that a copy of it begins with: one in which nothing has run yet is still only what it was to be a copy of."""
    began = any(turn.started_at_ms is not None for turn in view.latest_turns(session.id, TURNS_LOOKED_AT))
    return session.forked_from if session.forked_from and not began else session.agent_session


def _begin_copy(world: World, view: View, draft: Draft, session: Session, origin: str) -> None:
    before = view.current_session(session.thread)
    session = replace(
        session,
        id=world.clock.new_id("s"),
        created_at_ms=world.clock.now_ms(),
        agent_session=world.clock.new_uuid(),
        forked_from=origin,
        title=thread_words.fork_of(session.title),
        room=Room.WANTED if world.chat.has_threads(session.thread) else Room.NONE,
    )
    draft.put.append(session)
    draft.current = session
    draft.say(world.notice(session.thread, thread_words.forked(summary.escape(session.title))))
    threads.settle(draft, session, before)


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
    current, grants = view.current_session(effect.thread), view.grants(effect.person)

    def theirs(session: Session | None) -> bool:
        return _is_theirs(session, effect.thread, effect.person, grants)

    ours = {
        one.agent_session: one for one in view.sessions_named("", SESSIONS_MAX) if one.agent_session and theirs(one)
    }
    all_of_them = {
        one.agent_session: one for one in found if _told_of(view, one.agent_session, effect.thread, effect.person)
    }
    for name, session in ours.items():
        if name in all_of_them or session.directory != effect.directory:
            continue
        if latest := view.latest_turns(session.id, 1):
            at_ms = session.last_call_at_ms or session.created_at_ms
            all_of_them[name] = Conversation(name, session.title or summary.title(latest[0].prompt), at_ms)
    here = None if current is None else current.agent_session
    shown = sorted((one for one in all_of_them.values() if one.agent_session != here), key=lambda one: -one.last_at_ms)
    shown = shown[:SHOWN_MAX]
    if not shown:
        place = summary.code(change.reason(effect.directory))
        draft.say(world.notice(effect.thread, thread_words.nothing_to_resume(place)))
        return draft.done(None)
    lines = [thread_words.EARLIER]
    buttons: list[tuple[str, str]] = []
    for number, one in enumerate(shown, start=1):
        at_ms = min(max(one.last_at_ms, 0), LATEST_MS)  # what an agent's files say of times may be anything
        when = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(world.rules.timezone)
        lines.append(thread_words.conversation(number, f"{when:%Y-%m-%d %H:%M}", summary.escape(one.title)))
        label = summary.title(one.title, LABEL_MAX)
        buttons.append((command_words.session_button(number, label), _command(one.agent_session, effect.directory)))
        if _forks(world, effect.agent):
            buttons.append((thread_words.fork_button(number), _command(one.agent_session, effect.directory, "fork")))
    menus.show(world, draft, effect.thread, "\n".join(lines), buttons)
    return draft.done(None)


def _command(conversation: str, directory: str, name: str = "resume") -> str:
    """What the button of a conversation stands for, as it would be typed."""
    return f"{name} {conversation} {directory}"


def _open(world: World, view: View, effect: Browse, found: Conversation | None) -> Decision[None]:
    """A session with a conversation that was never one of ours."""
    draft = Draft()
    why = _why_not(world, view, effect, found)
    if why or found is None:
        draft.say(world.notice(effect.thread, why))
        return draft.done(None)
    if not effect.forks and world.clock.now_ms() - found.last_at_ms < FRESH_MS:
        _or_fork(world, draft, effect.thread, thread_words.JUST_WRITTEN, _session(world, effect, found))
        return draft.done(None)
    if effect.forks:
        _begin_copy(world, view, draft, _session(world, effect, found), found.agent_session)
        return draft.done(None)
    before = view.current_session(effect.thread)
    session = _session(world, effect, found)
    draft.put.append(session)
    draft.current = session
    threads.begun(world, draft, session, before)
    return draft.done(None)


def _why_not(world: World, view: View, effect: Browse, found: Conversation | None) -> str:
    """Empty: it may be gone on with from here, or copied."""
    if found is None:
        return thread_words.NO_CONVERSATION
    known = view.session_of_agent(found.agent_session)
    if not _told_of(view, found.agent_session, effect.thread, effect.person):
        hidden = known is not None or view.is_forgotten(found.agent_session)
        return thread_words.NO_CONVERSATION if hidden else thread_words.NOT_FROM_HERE
    if effect.forks:
        return "" if _forks(world, effect.agent) else thread_words.NO_FORKS
    return "" if known is None else thread_words.NO_CONVERSATION  # somebody else was quicker


def _session(world: World, effect: Browse, found: Conversation) -> Session:
    """A session with a conversation that is not known here."""
    return Session(
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
