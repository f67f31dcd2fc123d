"""`/new`: which directory, agent, model and branch a new session is for, with buttons where several projects fit."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from gateway.core import change, new, summary
from gateway.domain.events import Message
from gateway.domain.place import Room, Session
from gateway.engine import menus, threads
from gateway.engine.world import Draft, World
from gateway.ports import View
from gateway.view import command_words, thread_words

SESSIONS_MAX: Final = 300
ENTRIES_MAX: Final = 1_000
"""So many entries of a root are looked at."""


def begin(world: World, view: View, draft: Draft, message: Message, argument: str) -> None:
    """Begin a session as the words say, or put what they can mean to the person."""
    agents = startable(world)
    found = new.readings(argument, agents)
    if isinstance(found, new.Unclear):
        draft.say(world.notice(message.thread, found.words))
        return
    current = view.current_session(message.thread)
    base = world.rules.directory if current is None else (current.project if current.branch else current.directory)
    projects = known(world, view)
    if not argument.strip() and (others := [place for place in projects if place != base]):
        _offer(world, draft, message, thread_words.WHICH, new.Wish(), (base, *others), here=base)
        return
    for wish in found:
        place = resolved(world, base, wish.place)
        if place is None and wish.place:
            exact = new.matching(wish.place, [one for one in projects if _called(one, wish.place)])
            place = exact[0] if len(exact) == 1 else None
        if place is not None:
            _begin(world, draft, message, wish, place, current)
            return
    for wish in found:
        several = new.matching(wish.place, projects) if wish.place else ()
        if len(several) == 1:
            _begin(world, draft, message, wish, several[0], current)
            return
        if several:
            words = thread_words.which_of(summary.code(change.reason(wish.place)))
            _offer(world, draft, message, words, wish, several)
            return
    _explain(world, draft, message, found[0].place, base)


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


def _explain(world: World, draft: Draft, message: Message, place: str, base: str) -> None:
    """No session begins: why not."""
    real = _real(base, place)
    if real is None:
        words = command_words.no_directory(str(Path(base) / place)[:200])
    elif not _inside(world, real):
        words = command_words.outside(str(real), world.rules.roots)
    else:
        words = command_words.not_a_directory(str(real))
    draft.say(world.notice(message.thread, words))


# ------------------------------------------------------------------------------------------------------ known projects
def known(world: World, view: View) -> tuple[str, ...]:
    """Where sessions worked, newest first, then what else is a repository below the roots; each is there now."""
    sessions = view.sessions_named("", SESSIONS_MAX)
    worked = (one.project if one.branch else one.directory for one in sessions)
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


def _offer(
    world: World, draft: Draft, message: Message, text: str, wish: new.Wish, places: Sequence[str], here: str = ""
) -> None:
    """Buttons for the first of these."""
    shown = places[: new.OFFERED_MAX]
    labels = list(new.labels(shown))
    if here:
        labels[0] = thread_words.here(Path(here).name or here)
    commands = [new.again(wish, place) for place in shown]
    menus.show(world, draft, message.thread, text, list(zip(labels, commands, strict=True)))


# -------------------------------------------------------------------------------------------------------- the session
def _begin(world: World, draft: Draft, message: Message, wish: new.Wish, place: str, before: Session | None) -> None:
    project = repository(Path(place))
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
