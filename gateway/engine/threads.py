"""Threads of their own for sessions: opened, named and closed in chats that can have several, and left when they are gone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio
import structlog

from gateway import git
from gateway.core import approve, change, summary
from gateway.domain.approval import Approval, ApprovalKind, ApprovalState
from gateway.domain.effects import Arrange, Edit, Interrupt, Say
from gateway.domain.events import Message
from gateway.domain.place import UNSETTLED, Deed, Room, Session, Thread
from gateway.engine import cost, gating
from gateway.engine.askers import threads_of
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import Decision, Delayed, Post, Uncertain, View
from gateway.view import command_words, thread_words

log = structlog.get_logger()

STEPS_MAX: Final = 50
"""So often the chat is asked, waits between; what is not done then is tried again when the gateway starts, or at the next change."""
LONGEST_WAIT_MS: Final = 60_000
UNSURE_MAX: Final = 2
"""So many topics may have been opened without an answer: no further one is."""
SESSIONS_MAX: Final = 1_000


# --------------------------------------------------------------------------------------------------- inside a decision
def begun(world: World, draft: Draft, session: Session, before: Session | None) -> None:
    """Answer to /new: the session begins here, or its topic is asked for."""
    agent = world.agents[session.agent].traits.label
    if session.room is Room.WANTED:
        draft.say(Say(session.thread, _ref(session), thread_words.opening(agent, session.directory)))
    else:
        draft.say(world.notice(session.thread, command_words.new_session(agent, session.directory)))
    settle(draft, session, before)


def settle(draft: Draft, session: Session, before: Session | None = None) -> None:
    """Have done what the session's worktree and its own thread need. `before`: the current session until then."""
    if session.room in UNSETTLED or session.branch:
        draft.effects.append(Arrange(session.id, before.id if before is not None else ""))


def prompted(draft: Draft, session: Session, text: str) -> Session:
    """Something is written to a session: its first words are its name, and a closed one goes on."""
    titled = session.title or summary.title(text, thread_words.NAME_MAX)
    changed = replace(session, title=titled) if session.room is not Room.NONE else session
    if session.room in (Room.CLOSED, Room.CLOSING):
        changed = replace(changed, room=Room.REOPENING)
    if changed != session:
        draft.put.append(changed)
        draft.effects.append(Arrange(session.id))
    return changed


def close(world: World, view: View, draft: Draft, message: Message) -> None:
    """End what runs in the current session here, and close its topic."""
    session = view.current_session(message.thread)
    if session is None:
        draft.say(world.notice(message.thread, thread_words.NOTHING_TO_CLOSE))
        return
    turns = view.open_turns(session.id)
    for turn in turns:
        gating.stop(world, view, draft, turn)
    if not turns:
        draft.effects.append(Interrupt(session.id))  # what its agent left at work in the background
    owns = session.room in (Room.OPEN, Room.REOPENING)
    words = thread_words.CLOSED_TOPIC if owns else thread_words.CLOSED
    if not cost.over(world, view, draft, session, words):
        draft.say(world.notice(message.thread, words))
    if owns:
        draft.put.append(replace(session, room=Room.CLOSING))
        draft.effects.append(Arrange(session.id))


# ----------------------------------------------------------------------------------------------------------- the effect
async def checkout(world: World, session: Session) -> str:
    """Have the session's worktree made if it works in one. Not empty: why there is none."""
    if not session.branch:
        return ""
    async with world.checkouts.of(session.directory):
        return await git.worktree(session.project, session.directory, session.branch, world.clock.now_ms())


async def arrange(world: World, session_id: str, before: str = "") -> None:
    """Have the chat be as the session says. The caller sees to it that one at a time is at work for a session."""
    session = await _session(world, session_id)
    if session is not None and (why := await checkout(world, session)):
        branch = summary.code(change.reason(session.branch))
        words = thread_words.no_worktree(branch, summary.escape(why))
        await _say(world, session.id, words)
    unsure = 0
    for _ in range(STEPS_MAX):
        session = await _session(world, session_id)
        found = None if session is None else await _step(world, session, before, last=unsure + 1 >= UNSURE_MAX)
        match found:
            case None:
                return
            case Uncertain():
                unsure += 1
            case Delayed(wait_ms):
                await anyio.sleep(min(wait_ms, LONGEST_WAIT_MS) / 1000)


async def _step(world: World, session: Session, before: str, *, last: bool) -> Delayed | Uncertain | None:
    """One thing that is not as the session says; None: nothing (more) is to be done. Delayed(0): look again."""
    name = wanted_name(session)
    match session.room:
        case Room.WANTED:
            found = await world.chat.open_thread(session.thread, name)
            if isinstance(found, Delayed) or (isinstance(found, Uncertain) and not last):
                return found
            await world.commit(_opened(world, session.id, found, name, before))
        case Room.OPEN if session.room_name != name:
            renamed = await world.chat.rename_thread(session.thread, name)
            if isinstance(renamed, Delayed):
                return renamed
            await _note(world, session, replace(session, room_name=name))
        case Room.CLOSING | Room.REOPENING:
            now = await _shut(world, session, thread_words.closed_name(name))
            if isinstance(now, Delayed):
                return now
            await _note(world, session, now)
        case _:
            return None
    return Delayed(0)


async def _shut(world: World, session: Session, closed: str) -> Session | Delayed:
    """Close or open the session's topic; one that cannot be closed is called `closed`."""
    shut = session.room is Room.CLOSING
    found = await world.chat.shut_thread(session.thread, shut=shut)
    if not shut:
        return found if isinstance(found, Delayed) else replace(session, room=Room.OPEN)
    named = closed if isinstance(found, str) and found else session.room_name
    if named != session.room_name:
        found = await world.chat.rename_thread(session.thread, named)
    return found if isinstance(found, Delayed) else replace(session, room=Room.CLOSED, room_name=named)


def wanted_name(session: Session) -> str:
    """What the session's topic is to be called: its project, and its first words."""
    place = Path(session.project if session.branch and session.project else session.directory)
    return thread_words.topic_name(place.name or str(place), session.branch, session.title)


async def _session(world: World, session_id: str) -> Session | None:
    return await world.store.read(lambda view: view.session(session_id))


async def _say(world: World, session_id: str, words: str) -> None:
    def decide(view: View) -> Decision[None]:
        draft = Draft()
        session = view.session(session_id)
        if session is not None:
            draft.say(world.notice(session.thread, words))
        return draft.done(None)

    await world.commit(decide)


async def _note(world: World, seen: Session, now: Session) -> None:
    """The chat is as `now` says; what was changed meanwhile stays."""

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        session = view.session(seen.id)
        if session is not None:
            room = now.room if session.room is seen.room else session.room
            draft.put.append(replace(session, room=room, room_name=now.room_name))
        return draft.done(None)

    await world.commit(decide)


def _opened(world: World, session_id: str, found: Thread | Uncertain | str, name: str, before: str):  # noqa: ANN202 - a decision
    """The session has its topic, and goes there; or it has none, and stays."""

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        session = view.session(session_id)
        if session is None or session.room is not Room.WANTED:
            return draft.done(None)
        agent = world.agents[session.agent].traits.label
        if not isinstance(found, Thread):
            why = found if isinstance(found, str) else thread_words.NO_ANSWER
            log.warning("no topic was opened", session=session.id, why=why)
            draft.put.append(replace(session, room=Room.NONE))
            words = thread_words.not_opened(agent, session.directory, summary.escape(why))
            draft.say(Edit(session.thread, _ref(session), words))
            return draft.done(None)
        moved = replace(session, thread=found, room=Room.OPEN, room_name=name)
        draft.put.append(moved)
        draft.current = moved
        words = thread_words.opened(agent, session.directory, summary.escape(name), world.chat.thread_link(found))
        draft.say(Edit(session.thread, _ref(session), words))
        draft.say(world.notice(found, command_words.new_session(agent, session.directory)))
        return replace(draft.done(None), also_current=_left(view, session, before))

    return decide


def _left(view: View, session: Session, before: str) -> Session | None:
    """The session that is the current one again where a session was asked for that has gone to its own thread."""
    current = view.current_session(session.thread)
    if current is not None and current.id != session.id:
        return None
    named = view.session(before) if before else None
    if named is not None and named.thread == session.thread:
        return named
    others = [one for one in view.thread_sessions(session.thread) if one.id != session.id and not one.unattended]
    return others[0] if others else None


def _ref(session: Session) -> str:
    return f"room:{session.id}"


async def unsettled(world: World) -> Sequence[Arrange]:
    """After a start: what an earlier gateway did not get to."""
    found = await world.store.read(lambda view: view.unsettled_sessions(SESSIONS_MAX))
    return [Arrange(session.id) for session in found]


# -------------------------------------------------------------------------------------------------- a thread that is gone
async def left(world: World, post: Post, why: str) -> None:
    """Nothing can be said in this thread any more: its sessions, what waits for it and what is asked there go to the chat itself."""
    log.warning("a topic is gone", chat=post.thread.chat, topic=post.thread.topic, why=why)

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        to = replace(post.thread, topic="")
        sessions = view.thread_sessions(post.thread, SESSIONS_MAX)
        for session in sessions:
            moved = replace(session, thread=to, room=Room.NONE, room_name="")
            draft.put.append(moved)
            place = summary.code(change.reason(session.directory))
            draft.say(world.notice(to, thread_words.comes_here(place, summary.escape(session.title))))
            for turn in view.open_turns(session.id):
                for approval in view.open_approvals(turn.id):
                    _ask_there(world, draft, approval, to)
        if sessions and view.current_session(to) is None:
            draft.current = replace(sessions[0], thread=to, room=Room.NONE)
        return replace(draft.done(None), rerouted=(post.thread, to))

    await world.commit(decide)


async def closed(world: World, thread: Thread) -> None:
    """Nothing can be said in a chat until a person opens it again: it waits, and those who may answer there hear of it, once a day."""
    log.warning("a chat is closed: what is to be said there waits", chat=thread.chat)

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        for here in threads_of(world, view.all_grants(), Deed.APPROVE, None):
            if here.chat != thread.chat:
                ref = f"closed:{thread.service}:{thread.chat}:{world.today()}:{here.chat}"
                draft.say(Say(here, ref, thread_words.closed_chat(summary.code(thread.chat)), ring=True))
        return draft.done(None)

    await world.commit(decide)


def _ask_there(world: World, draft: Draft, approval: Approval, to: Thread) -> None:
    """The same question in another thread: the message that carried it cannot be seen any more."""
    if approval.kind is ApprovalKind.MENU:
        return
    tokens = tuple(world.clock.new_token() for _ in approval.tokens)
    asked = replace(approval, id=world.clock.new_id("ask"), thread=to, tokens=tokens)
    draft.put += [replace(approval, state=ApprovalState.WITHDRAWN, request_id=""), asked]
    draft.say(Say(to, asked.ref, asked.text, approve.buttons(asked), ring=True))
