"""What turns leave behind: their repository is looked at before and after, outside of transactions, and never for long."""

from dataclasses import replace

from gateway import git_history
from gateway.core import outcome
from gateway.domain.outcome import Commit, Left, LeftKind, Seen, Sight
from gateway.domain.turn import Outcome
from gateway.engine.watch import WATCHED_MAX, Watch
from gateway.engine.world import World
from gateway.git_history import Look

BEFORE_S = 2.0
"""A prompt waits no longer for it."""
AFTER_S = 3.0
"""The same of an answer; twice, where there are commits."""


async def begin(world: World, turn_id: str) -> None:
    """Look at where the turn is to work; of one that goes on it is known already. It never raises but StoreError."""
    if turn_id in world.watched:
        return
    turn = await world.store.read(lambda view: view.turn(turn_id))
    session = None if turn is None else await world.store.read(lambda view: view.session(turn.session_id))
    if session is None:
        return
    before = await git_history.look(session.directory, world.clock.now_ms(), BEFORE_S)
    watch = Watch(session.id, session.directory, before)
    for other in world.watched.values():
        if other.session_id != watch.session_id and not other.over:
            other.beside |= {watch.place} - {None}  # type: ignore[operator]
            watch.beside |= {other.place} - {None}  # type: ignore[operator]
    world.watched[turn_id] = watch
    while len(world.watched) > WATCHED_MAX:
        del world.watched[next(iter(world.watched))]


def ran(world: World, turn_id: str | None, runner: str, passed: bool | None) -> None:  # noqa: FBT001 - a fact
    """Its agent has run tests."""
    watch = world.watched.get(turn_id or "")
    if watch is not None:
        watch.tests = outcome.with_run(watch.tests, runner, passed)


async def look(world: World, turn_id: str) -> Left | None:
    """What the turn has left by now, its kind still open; None: nobody has looked before it. It never raises."""
    watch = world.watched.get(turn_id)
    if watch is None:
        return None
    unknown = Left(turn_id, LeftKind.UNKNOWN, Sight.UNKNOWN, tests=watch.tests)
    if watch.before.sight is Sight.UNKNOWN:
        return unknown
    after = await git_history.look(watch.directory, world.clock.now_ms(), AFTER_S)
    if after.sight is Sight.UNKNOWN or after.sight is not watch.before.sight or after.seen is None:
        return replace(unknown, sight=after.sight) if after.sight is watch.before.sight else unknown
    return replace(await _between(turn_id, watch, after, after.seen), tests=watch.tests)


async def _between(turn_id: str, watch: Watch, after: Look, seen: Seen) -> Left:
    before = watch.before.seen
    in_place, in_repository = outcome.overlaps(tuple(watch.beside), seen)
    span = outcome.Span(before.at_ms if before else seen.at_ms, seen.at_ms, in_place, in_repository)
    found = await git_history.came(watch.directory, watch.before, after, span, AFTER_S)
    commits = None
    if found is not None:
        commits = tuple(
            Commit(turn_id, made.sha, seen.repository, whose, change, made.authored_ms, made.committed_ms)
            for made, whose, change in found
        )
    return Left(turn_id, LeftKind.UNKNOWN, Sight.SEEN, before, seen, commits)


def named(left: Left, ended: Outcome) -> Left:
    """The same with its kind, by how its turn has ended."""
    return replace(left, kind=outcome.kind(ended.kind, left.sight, left))


def forget(world: World, turn_id: str) -> None:
    """Let go of a turn that has ended."""
    if turn_id in world.watched and world.watched[turn_id].over:
        del world.watched[turn_id]
