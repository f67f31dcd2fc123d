"""`/new`: which directory, agent, model and branch a new session is for, with buttons where several projects fit."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread

from gateway.core import change, new, summary
from gateway.core.access import may
from gateway.core.route import New, Resume, route
from gateway.domain.approval import ApprovalKind
from gateway.domain.events import Message, Tap
from gateway.domain.place import Deed, Room, Session, Thread
from gateway.engine import menus, threads
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import View
from gateway.view import command_words, thread_words

SESSIONS_MAX: Final = 300
ENTRIES_MAX: Final = 1_000
"""So many entries of a root are looked at."""
LOOK_S: Final = 5.0
"""So long a message waits for the directories that it may mean, and what came after it with it."""


# ------------------------------------------------------------------------------------------- looked at beside decisions
async def look(world: World, said: Message) -> None:
    """Before a message is decided that names a directory: what it comes to. A directory that does not answer (a network drive that
    is away) holds up its own message alone, and no decision.
    """
    world.looked = None
    intent = route(said)
    if not isinstance(intent, New | Resume):
        return
    asked = await world.store.read(lambda view: _asked(world, view, said, intent))
    if asked is None:
        return
    found = new.Found(text=thread_words.NO_DIRECTORY_ANSWERS)
    with anyio.move_on_after(LOOK_S):
        found = await to_thread.run_sync(_find, world, intent, *asked, abandon_on_cancel=True, limiter=world.looking)
    world.looked = (_key(said), found)


async def look_pressed(world: World, tap: Tap) -> None:
    """The same before a button of a menu is decided on: it is as if its command had been typed."""

    def said(view: View) -> Message | None:
        menu = view.approval_by_token(tap.token)
        if menu is None or menu.kind is not ApprovalKind.MENU or tap.token not in menu.tokens:
            return None
        return menus.said(tap, menu.options[menu.tokens.index(tap.token)])

    message = await world.store.read(said)
    if message is not None:
        await look(world, message)


def looked(world: World, message: Message) -> new.Found:
    """What was found for the message that is decided on."""
    if world.looked is None or world.looked[0] != _key(message):
        return new.Found(text=thread_words.NO_DIRECTORY_ANSWERS)
    return world.looked[1]


def _key(message: Message) -> tuple[Thread, str, str]:
    return (message.thread, message.person, message.text)


def _asked(world: World, view: View, message: Message, intent: New | Resume) -> tuple[str, tuple[str, ...]] | None:
    """Where a relative path begins, and where sessions worked, newest first; None: the person may not ask for any."""
    if not may(view.grants(message.person), Deed.COMMAND, message.thread):
        return None
    current = view.current_session(message.thread)
    if isinstance(intent, Resume):
        return world.rules.directory if current is None else current.directory, ()
    base = world.rules.directory if current is None else (current.project if current.branch else current.directory)
    sessions = view.sessions_named("", SESSIONS_MAX)
    return base, tuple(one.project if one.branch else one.directory for one in sessions)


def _find(world: World, intent: New | Resume, base: str, worked: Sequence[str]) -> new.Found:
    """It takes as long as the directories take to answer."""
    if isinstance(intent, Resume):
        place = resolved(world, base, intent.directory)
        missing = command_words.no_directory((intent.directory or base)[:200])
        return new.Found(text=missing) if place is None else new.Found(places=(place,))
    argument = intent.directory or ""
    readings = new.readings(argument, startable(world))
    if isinstance(readings, new.Unclear):
        return new.Found(text=readings.words)
    projects = cache(partial(known, world, worked))
    if not argument.strip() and (others := [place for place in projects() if place != base]):
        return new.Found(new.Wish(), (base, *others), thread_words.WHICH, here=base)
    return _meant(world, readings, base, projects) or new.Found(text=_why_not(world, readings[0].place, base))


def _meant(
    world: World, readings: Sequence[new.Wish], base: str, projects: Callable[[], Sequence[str]]
) -> new.Found | None:
    """What the first reading means that means anything. `projects` are looked for only if they are needed."""
    for wish in readings:
        place = resolved(world, base, wish.place)
        if place is None and wish.place:
            exact = new.matching(wish.place, [one for one in projects() if _called(one, wish.place)])
            place = exact[0] if len(exact) == 1 else None
        if place is not None:
            return _only(wish, place)
    for wish in readings:
        several = new.matching(wish.place, projects()) if wish.place else ()
        if len(several) == 1:
            return _only(wish, several[0])
        if several:
            return new.Found(wish, several, thread_words.which_of(summary.code(change.reason(wish.place))))
    return None


def _only(wish: new.Wish, place: str) -> new.Found:
    return new.Found(wish, (place,), project=repository(Path(place)))


def _called(directory: str, name: str) -> bool:
    return Path(directory).name.casefold() == name.casefold()


def startable(world: World) -> tuple[str, ...]:
    """The agents that the gateway starts itself."""
    return tuple(name for name, agent in world.agents.items() if not agent.traits.attached)


def resolved(world: World, base: str, place: str) -> str | None:
    """The real directory that was written, inside one of the roots; None: there is no such one."""
    real = _real(base, place)
    return str(real) if real is not None and real.is_dir() and _inside(world, real) else None


def _real(base: str, place: str) -> Path | None:
    try:
        return (Path(base) / Path(place).expanduser()).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # not there, a loop, a name too long, nobody's home, a NUL
        return None


def _inside(world: World, real: Path) -> bool:
    """Worktrees are where the owner lets sessions work too."""
    roots = (*world.rules.roots, world.rules.worktrees) if world.rules.worktrees else world.rules.roots
    return any(real.is_relative_to(Path(root).resolve()) for root in roots)


def _why_not(world: World, place: str, base: str) -> str:
    """Why no session can begin there."""
    real = _real(base, place)
    if real is None:
        return command_words.no_directory(str(Path(base) / place)[:200])
    if not _inside(world, real):
        return command_words.outside(str(real), world.rules.roots)
    return command_words.not_a_directory(str(real))


# ------------------------------------------------------------------------------------------------------ known projects
def known(world: World, worked: Sequence[str]) -> tuple[str, ...]:
    """Where sessions worked, newest first, then what else is a repository below the roots; each is there now."""
    found: dict[str, None] = {}
    for place in (*worked, *_repositories(world.rules.roots)):
        if place not in found and (real := resolved(world, "/", place)) == place and real:
            found[place] = None
    return tuple(found)


def _repositories(roots: Sequence[str]) -> Iterator[str]:
    for root in roots:
        try:
            with os.scandir(root) as entries:
                names = sorted(entry.path for entry in islice(entries, ENTRIES_MAX))
        except OSError:
            continue
        yield from (place for place in (root, *names) if _is_repository(place))


def _is_repository(place: str) -> bool:
    return os.path.lexists(os.path.join(place, ".git"))  # noqa: PTH118 - a thousand of them, while people wait


# -------------------------------------------------------------------------------------------------------- the session
def begin(world: World, view: View, draft: Draft, message: Message) -> None:
    """Begin a session as the words say, or put what they can mean to the person."""
    found = looked(world, message)
    if len(found.places) == 1 and not found.text:
        _begin(world, draft, message, found, view.current_session(message.thread))
    elif found.places:
        _offer(world, draft, message, found)
    else:
        draft.say(world.notice(message.thread, found.text))


def _offer(world: World, draft: Draft, message: Message, found: new.Found) -> None:
    """Buttons for the first of the places."""
    shown = found.places[: new.OFFERED_MAX]
    labels = list(new.labels(shown))
    if found.here:
        labels[0] = thread_words.here(Path(found.here).name or found.here)
    commands = [new.again(found.wish, place) for place in shown]
    menus.show(world, draft, message.thread, found.text, list(zip(labels, commands, strict=True)))


def _begin(world: World, draft: Draft, message: Message, found: new.Found, before: Session | None) -> None:
    wish, project, [place] = found.wish, found.project, found.places
    directory = place
    if wish.branch:
        if not project or not world.rules.worktrees:
            words = thread_words.no_repository(summary.code(change.reason(place)))
            draft.say(world.notice(message.thread, words if world.rules.worktrees else thread_words.NO_WORKTREES))
            return
        directory = str(Path(world.rules.worktrees) / new.worktree_place(project, wish.branch))
    agent = wish.agent or world.rules.agent
    session = Session(
        id=world.clock.new_id("s"),
        agent=agent,
        directory=directory,
        thread=message.thread,
        owner=message.person,
        created_at_ms=world.clock.now_ms(),
        model=wish.model or (world.rules.model if agent == world.rules.agent else None),
        project=project,
        branch=wish.branch,
    )
    if world.chat.has_threads(message.thread):
        session = replace(session, room=Room.WANTED)
    draft.put.append(session)
    draft.current = session
    threads.begun(world, draft, session, before)


def repository(directory: Path) -> str:
    """The root of the repository that holds the directory; empty if there is none."""
    return next((str(place) for place in (directory, *directory.parents) if _is_root(place)), "")


def _is_root(place: Path) -> bool:
    try:
        return (place / ".git").exists()
    except OSError:  # a name that is too long, a place that nobody may look into: whoever names it may be anybody
        return False
