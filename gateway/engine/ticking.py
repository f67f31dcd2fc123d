"""What time alone brings about, with agents: pauses end, clients close, and what an agent does is shown."""

import anyio

from gateway.core import progress
from gateway.domain.effects import EndTurn
from gateway.domain.turn import TurnState
from gateway.engine import answering, drafts, metering
from gateway.engine.decision import Draft
from gateway.engine.live import STATUS_GAP_MS, Live
from gateway.engine.roster import Roster
from gateway.ports import Decision, View
from gateway.view import turn_words

INTERRUPT_LIMIT_MS = 10_000
FOLLOW_UP_MS = 3_000
"""How long a queued prompt waits for the run that usually follows when a background task ended."""


class Ticking:
    """`tick` and `show_typing`, each called again and again."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._world = roster.world
        self._tasks = roster.tasks

    async def tick(self) -> None:
        """What time alone brings about: unanswered pauses end, idle clients close, status messages are renewed."""
        now = self._world.clock.ticks_ms()
        if self._roster.waiting and not self._roster.full():
            self._roster.use_room()
        for live in list(self._roster.live.values()):
            if live.paused_ms is not None and now - live.paused_ms >= self._world.rules.pause_ms:
                live.paused_ms = None
                live.ends = True
                self._tasks.start_soon(self._end_at_boundary, live)
            stopping = live.stopping_ms is not None and (live.busy or bool(live.pending))
            if stopping and not live.attached and now - (live.stopping_ms or 0) >= INTERRUPT_LIMIT_MS:
                self._close_soon(live, stuck=True)
            if live.settled_ms is not None and not live.busy and now - live.settled_ms >= FOLLOW_UP_MS:
                live.settled_ms = None
                await self._roster.next_in_line(live.session_id)
            if (
                live.idle
                and not live.attached
                and (self._roster.waiting or now - live.touched_ms >= self._world.rules.idle_ms)
            ):
                self._close_soon(live, stuck=False)
            if drafts.is_due(live, now):
                live.drafting = anyio.Event()
                self._tasks.start_soon(drafts.show, self._world, live, live.drafting)
            since_ms = now - live.shown_ms
            if live.busy and progress.is_due(
                is_news=live.stale, waits=live.waits, shown_ms_ago=since_ms, gap_ms=live.gap_ms
            ):
                await self._show(live, now)

    async def _end_at_boundary(self, live: Live) -> None:
        async with self._roster.told.of(live.session_id):
            await answering.answer_held(self._world, live, EndTurn(turn_words.NOBODY))

    def _close_soon(self, live: Live, *, stuck: bool) -> None:
        if not live.closing:
            live.closing = True
            self._tasks.start_soon(self._close_now, live, stuck)

    async def _close_now(self, live: Live, stuck: bool) -> None:  # noqa: FBT001 - start_soon knows no names
        if stuck:
            await live.client.close()
        elif await self._roster.close(live):
            self._roster.use_room()
        live.closing = False

    async def _show(self, live: Live, ticks_ms: int) -> None:
        live.stale, live.shown_ms = False, ticks_ms
        begun, live.begun = live.begun, ("", "")

        def decide(view: View) -> Decision[None]:
            draft = Draft()
            turn = view.turn(live.turn_id or "")
            session = view.session(live.session_id)
            if turn is not None and session is not None and turn.state is TurnState.RUNNING:
                live.gap_ms = max(STATUS_GAP_MS, self._world.chat.gap_ms(session.thread, edit=True))
                words = metering.status(self._world, view, session, turn, live.doing(ticks_ms))
                if (turn.id, words) != begun:
                    metering.renew(view, draft, session, turn, words)
            return draft.done(None)

        await self._world.commit(decide)

    async def show_typing(self) -> None:
        """Tell the chats where work goes on."""
        for live in list(self._roster.live.values()):
            if live.busy and not live.held:
                session = await self._world.store.read(lambda view, key=live.session_id: view.session(key))
                if session is not None:
                    await self._world.chat.typing(session.thread)
