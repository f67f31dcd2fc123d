"""What became of turns' commits: looked up when it is due, a few at a time, and told to nobody by itself."""

from dataclasses import dataclass

import anyio
import structlog

from gateway import git_fate
from gateway.core.outcome import looked
from gateway.engine.world import World
from gateway.ports import Decision, Store, StoreError

log = structlog.get_logger()

FIRST_S = 300.0
"""A gateway that starts has other things to do."""
EVERY_S = 6 * 3600.0
ONE_S = 30.0
"""For one commit."""
ROUND_S = 900.0
ROUND_MAX = 200
"""Commits; the rest is due at the next round."""


@dataclass(frozen=True, slots=True)
class Round:
    """How many commits were looked at, and of how many of those nothing could be seen."""

    looked: int = 0
    unseen: int = 0


async def keep_looking(world: World) -> None:
    """Look now and then, until cancelled. What the database refuses is left for the next round."""
    await anyio.sleep(FIRST_S)
    while True:
        try:
            found = await look_all(world.store, world.clock.now_ms())
        except StoreError as error:
            log.warning("what became of commits could not be written", why=str(error))
        else:
            if found.looked:
                log.info("looked at commits of turns", commits=found.looked, unseen=found.unseen)
        await anyio.sleep(EVERY_S)


async def look_all(store: Store, now_ms: int, limit_s: float = ROUND_S) -> Round:
    """Look at the commits that are due, one after the other. Raises StoreError."""
    done = Round()
    due = await store.read(lambda view: view.commits_due(now_ms, ROUND_MAX))
    with anyio.move_on_after(limit_s):
        for commit in due:
            fate = await git_fate.fate(commit, now_ms, ONE_S)
            note = looked(commit, fate, now_ms)
            await store.transact(lambda _view, note=note: Decision(None, put=(note,)), now_ms)
            done = Round(done.looked + 1, done.unseen + (fate is None))
    return done
