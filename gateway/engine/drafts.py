"""An answer while it is being written: shown as drafts, which are gone when the answer comes. None of them is ever waited for long."""

import anyio
import structlog

from gateway.core import progress
from gateway.domain.place import Thread
from gateway.domain.turn import Origin, TurnState
from gateway.engine.live import Live
from gateway.engine.world import World
from gateway.ports import View

log = structlog.get_logger()

DRAFT_LIMIT_S = 5.0
QUIET_LIMIT_S = 2.0
"""An answer waits so long for a draft that is on its way; then that one is given up."""


def is_due(live: Live, ticks_ms: int) -> bool:
    """Whether more of what the agent writes is to be shown now."""
    free = live.busy and live.drafting is None and live.stopping_ms is None and not live.ends
    return free and live.turn_id is not None and progress.draft_due(live.writing or "", live.drafted, ticks_ms)


async def show(world: World, live: Live, done: anyio.Event) -> None:
    """Show what the agent has written so far. `done`: `live.drafting`, which the caller has set."""
    try:
        with anyio.CancelScope(deadline=anyio.current_time() + DRAFT_LIMIT_S) as scope:
            live.draft_scope = scope
            await _show(world, live)
    finally:
        live.drafting = live.draft_scope = None
        done.set()


async def _show(world: World, live: Live) -> None:
    turn_id = live.turn_id or ""
    thread = await world.store.read(lambda view: _place(view, live.session_id, turn_id))
    text = live.writing
    if thread is None or not text or live.turn_id != turn_id:
        return
    live.drafted = progress.Drafted(text, world.clock.ticks_ms())
    draftless = not await world.chat.draft(thread, progress.draft_id(turn_id), text)
    live.stale = live.stale or draftless != live.draftless
    live.draftless = draftless


def _place(view: View, session_id: str, turn_id: str) -> Thread | None:
    """Where the turn is told of; None: nowhere, or it is at work no more. What was typed at the desk is read there."""
    session, turn = view.session(session_id), view.turn(turn_id)
    if session is None or turn is None or turn.state is not TurnState.RUNNING or turn.origin is Origin.DESK:
        return None
    return session.thread


async def end(live: Live) -> None:
    """The run is over: no draft of it goes out any more, and what was written last is the last that it said."""
    if live.writing and live.writing.strip():
        live.said = live.writing
    live.writing = None
    done, scope = live.drafting, live.draft_scope
    if done is None:
        return
    with anyio.move_on_after(QUIET_LIMIT_S):
        await done.wait()
    if not done.is_set():
        log.info("a draft was given up", session=live.session_id)
        if scope is not None:
            scope.cancel()
