"""The agents' clients: started when a turn needs one, listened to, closed when idle. Decisions are made elsewhere."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, assert_never

import anyio
import anyio.abc
import structlog

from gateway.core import progress, summary
from gateway.core.progress import Doing
from gateway.core.quoting import attributes
from gateway.core.turn import Step, advance
from gateway.domain.effects import (
    Arrange,
    Borrow,
    Browse,
    Edit,
    Effect,
    EndTurn,
    Forget,
    Interrupt,
    Leave,
    Listen,
    Respond,
    Say,
    StartTurn,
    Steer,
    Unpause,
)
from gateway.domain.events import Exited
from gateway.domain.place import Session
from gateway.domain.turn import Outcome, OutcomeKind, Turn, TurnState
from gateway.engine import (
    answering,
    attachments,
    bounds,
    desk,
    drafts,
    forgetting,
    gating,
    hearing,
    listening,
    metering,
    resuming,
    steering,
    threads,
)
from gateway.engine.decision import Draft
from gateway.engine.leases import Leases
from gateway.engine.live import STATUS_GAP_MS, Live, launch
from gateway.engine.locks import Locks
from gateway.engine.world import World
from gateway.ports import AgentAwayError, AgentUnavailableError, Client, Decision, View
from gateway.view import desk_words, preference_words, question_words, thread_words, turn_words

log = structlog.get_logger()

INTERRUPT_LIMIT_MS = 10_000
FOLLOW_UP_MS = 3_000
"""How long a queued prompt waits for the run that usually follows when a background task ended."""
AWAY_S = 1.0
"""After so long a prompt that an open session could not be given is offered to it again."""
HAND_OVERS_MAX = 2
"""How often a prompt is offered: a client may have ended unseen since its last run."""


class Clients:
    """All clients of this gateway. `perform` carries out the effects that the store does not."""

    def __init__(self, world: World, tasks: anyio.abc.TaskGroup, leases: Leases | None = None) -> None:
        self._world = world
        self._leases = leases
        self._tasks = tasks
        self._live: dict[str, Live] = {}
        self._opening: set[str] = set()
        """Sessions whose client is being started."""
        self._turns = Locks()
        """One turn of a session at a time is handed over."""
        self._rooms = Locks()
        """One thing at a time is done to a session's own thread."""
        self._told = Locks()
        """What the agent of a session is told, it is told in the order in which it was decided."""
        self._waiting: list[StartTurn] = []
        world.present, world.release = self.present, self.release

    def present(self, session: Session) -> bool:
        """Whether the session's agent takes prompts now, or is started when one comes."""
        if not self._world.agents[session.agent].traits.attached:
            return True
        live = self._live.get(session.id)
        return live is not None and live.client.listens

    async def release(self, session_id: str) -> bool:
        """End the session's agent where it rests; False: it works, or a person has it open."""
        live = self._live.get(session_id)
        return live is None or (not live.attached and await self._close(live))

    async def attach(self, agent: str, client: Client, directory: str, *, unattended: bool = False) -> str:
        """A person has started an agent: listen to it as to any other. Not empty: why it may not take part.

        `unattended`: nobody sits at it, or comes back to it.
        """
        own = frozenset(live.session_id for live in self._live.values() if not live.attached and not live.idle)
        place = desk.Place(agent, client.agent_session, directory, unattended=unattended)
        found = (await self._world.commit(desk.attach(self._world, place, own))).result
        if found.session is None:
            return found.why
        earlier = self._live.get(found.session.id)
        if earlier is not None and not earlier.attached and not await self._close(earlier):
            return desk_words.ELSEWHERE
        live = Live(found.session.id, client, self._world.clock.ticks_ms(), agent_session=client.agent_session)
        live.model, live.attached = found.session.model, True
        self._live[found.session.id] = live
        self._tasks.start_soon(self._listen, live)
        return ""

    def start(self, work: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
        """Do something beside the loops that may take a while and that nothing waits for."""
        self._tasks.start_soon(work, *arguments)

    # ------------------------------------------------------------------------------------------------------- effects
    def waiting(self) -> frozenset[str]:
        """The turns in which an agent stands at a boundary now."""
        return frozenset(live.turn_id for live in self._live.values() if live.held and live.turn_id)

    def perform(self, effects: Sequence[Effect]) -> None:
        """Have done to agents what a decision wants done, beside the loops: an agent may be slow to take it."""
        for effect in effects:
            self._tasks.start_soon(self._perform, effect)

    async def _perform(self, effect: Effect) -> None:  # noqa: C901, PLR0912 - a table
        match effect:
            case StartTurn():
                async with self._told.of(effect.session_id):
                    pass  # What was decided before comes first: an interrupt is not for this turn.
                await self._start_turn(effect)
            case Listen(_, turn_id):
                await hearing.hear(self._world, turn_id)
            case Respond(session_id):
                await answering.respond(self._world, self._live.get(session_id), effect)
            case Unpause(session_id, answer):
                async with self._told.of(session_id):
                    if live := self._live.get(session_id):
                        await answering.unpause(self._world, live, answer)
            case Interrupt(session_id):
                async with self._told.of(session_id):
                    if live := self._live.get(session_id):
                        await answering.interrupt(self._world, live)
            case Steer(session_id):
                if not await steering.tell(self._world, self._live.get(session_id), effect):
                    await self.next_in_line(session_id)
            case Borrow():
                if self._leases is not None:
                    await self._leases.borrow(effect, self.waiting)
            case Forget():
                await forgetting.pressed(self._world, effect)
            case Arrange(session_id, before):
                async with self._rooms.of(session_id):
                    await threads.arrange(self._world, session_id, before)
            case Browse():
                await resuming.browse(self._world, effect)
            case Say() | Edit() | Leave():
                raise AssertionError("messages are written with their decision")
            case _:
                assert_never(effect)

    # ---------------------------------------------------------------------------------------------------- starting
    async def _start_turn(self, effect: StartTurn) -> None:
        async with self._turns.of(effect.session_id):
            prompt = await self._prompt(effect)
            if prompt is None:
                await self._has_nothing(effect)
                return
            try:
                for _ in range(HAND_OVERS_MAX):
                    live = await self._client_for(effect)
                    if live is None or await self._hand_over(live, effect, prompt):
                        return
                    await self._forget(live)
                await self._failed_to_start(effect, turn_words.ENDED_EARLY)
            except AgentAwayError:
                await self._world.commit(desk.away(effect.session_id, effect.turn_id))
                self._tasks.start_soon(self._offer_again, effect.session_id)

    async def _offer_again(self, session_id: str) -> None:
        """What told that the agent takes prompts again may have come before it was written down that one waits."""
        await anyio.sleep(AWAY_S)
        live = self._live.get(session_id)
        if live is not None and live.client.listens and not live.busy:
            await self.next_in_line(session_id)

    async def _prompt(self, effect: StartTurn) -> str | None:
        """What the agent is given, with the files that belong to it fetched; None: there is nothing to give it."""
        turn = await self._world.store.read(lambda view: view.turn(effect.turn_id))
        if turn is None or turn.state is not TurnState.HELD:
            return turn.prompt if turn is not None else ""  # Nothing is handed over then.
        return await attachments.prompt(self._world, turn)

    async def _has_nothing(self, effect: StartTurn) -> None:
        """The message was only files, and none of them could be fetched: no call is made for it."""

        def decide(view: View) -> Decision[None]:
            draft = Draft()
            session = view.session(effect.session_id)
            if session is not None:
                self._fail(view, draft, session, effect, turn_words.ONLY_FILES, turn_words.NO_FILES)
            return draft.done(None)

        await self._world.commit(decide)
        self._use_room()

    async def _client_for(self, effect: StartTurn) -> Live | None:
        live = self._live.get(effect.session_id)
        if live is not None and live.attached and await self._has_moved(live):
            live = None
        if live is not None:
            try:
                return live if live.attached or await self._works_as_chosen(live, effect) else None
            except AgentUnavailableError as error:
                log.warning("a client ended before it took a prompt", session=live.session_id, why=str(error))
                await self._forget(live)
        turn = await self._world.store.read(lambda view: view.turn(effect.turn_id))
        if turn is None or turn.state is not TurnState.HELD:
            self._use_room()
            return None
        if self._full() and not await self._make_room():
            self._waiting.append(effect)
            await self._say_full(effect)
            return None
        self._opening.add(effect.session_id)
        try:
            return await self._open(effect)
        finally:
            self._opening.discard(effect.session_id)

    async def _has_moved(self, live: Live) -> bool:
        """Whether the session was opened at a desk, and goes on with an agent of the gateway's own by now."""
        session = await self._world.store.read(lambda view: view.session(live.session_id))
        if session is None or self._world.agents[session.agent].traits.attached:
            return False
        await live.client.close()
        await self._forget(live)
        return True

    def _full(self) -> bool:
        return len(self._own() | self._opening) >= self._world.rules.processes_max

    def _own(self) -> set[str]:
        """Sessions with a client that the gateway has started."""
        return {live.session_id for live in self._live.values() if not live.attached}

    async def _open(self, effect: StartTurn) -> Live | None:
        session = await self._world.store.read(lambda view: view.session(effect.session_id))
        if session is None:
            return None
        if why := await threads.checkout(self._world, session):
            await self._failed_to_start(
                effect, thread_words.no_worktree(summary.code(session.branch), summary.escape(why))
            )
            return None
        try:
            place = await attachments.folder(self._world, session.id, 0, f"{effect.turn_id}-")
            client = await self._world.agents[session.agent].start(replace(launch(session), folder=place))
        except AgentAwayError:
            raise
        except AgentUnavailableError as error:
            await self._failed_to_start(effect, str(error))
            return None
        self._world.on_step("client.started")
        return await self._adopt(session, client)

    async def _adopt(self, session: Session, client: Client) -> Live:
        ticks_ms = self._world.clock.ticks_ms()
        live = Live(session.id, client, ticks_ms, agent_session=client.agent_session, model=session.model)
        live.mode = session.mode
        self._live[session.id] = live

        def decide(view: View) -> Decision[None]:
            draft = Draft()
            known = view.session(session.id) or session
            draft.put += [client.process, replace(known, agent_session=client.agent_session)]
            return draft.done(None)

        await self._world.commit(decide)
        self._world.on_step("client.recorded")
        self._tasks.start_soon(self._listen, live)
        return live

    async def _works_as_chosen(self, live: Live, effect: StartTurn) -> bool:
        session = await self._world.store.read(lambda view: view.session(live.session_id))
        if session is None or (session.model in (None, live.model) and session.mode == live.mode):
            return True
        return await self._on_its_model(live, effect) and await self._in_its_mode(live, effect)

    async def _on_its_model(self, live: Live, effect: StartTurn) -> bool:
        """Have the client work with the session's model, if a person chose another one since; False: it does not, and the turn
        has failed. Raises AgentUnavailableError if it has ended.
        """
        session = await self._world.store.read(lambda view: view.session(live.session_id))
        if session is None or session.model is None or session.model == live.model:
            return True
        if await live.client.use_model(session.model):
            live.model = session.model
            return True
        wanted = session.model
        words = partial(turn_words.stays_on_model, model=wanted)
        await self._stays(live, effect, words, turn_words.no_change_to(wanted), model=live.model)
        return False

    async def _in_its_mode(self, live: Live, effect: StartTurn) -> bool:
        """The same with the session's mode: what was asked for in one does not run in another."""
        session = await self._world.store.read(lambda view: view.session(live.session_id))
        if session is None or session.mode == live.mode:
            return True
        if await live.client.use_mode(session.mode):
            live.mode = session.mode
            return True
        words = partial(preference_words.stays_in_mode, mode=session.mode)
        await self._stays(live, effect, words, mode=live.mode)
        return False

    async def _stays(
        self, live: Live, effect: StartTurn, words: Callable[[str], str], why: str = "", **as_it_was: str | None
    ) -> None:
        """The turn was agreed to otherwise than its client can: it does not run so, and the session goes on as before.

        `words`: what is said of that, by the agent's name; `why`: what is kept of it, if that is something else.
        """

        def decide(view: View) -> Decision[None]:
            draft = Draft()
            session = view.session(live.session_id)
            if session is not None:
                session = replace(session, **as_it_was)
                draft.put.append(session)
                said = words(self._world.agents[session.agent].traits.label)
                self._fail(view, draft, session, effect, said, why or said)
            return draft.done(None)

        await self._world.commit(decide)
        self._use_room()

    async def _say_full(self, effect: StartTurn) -> None:
        at_work = len(self._own() | self._opening)
        words = turn_words.waits_for_place(at_work)

        def decide(view: View) -> Decision[None]:
            draft = Draft()
            session = view.session(effect.session_id)
            if session is not None:
                draft.say(Say(session.thread, f"turn:{effect.turn_id}:full", words))
            return draft.done(None)

        await self._world.commit(decide)

    async def _make_room(self) -> bool:
        idle = sorted(
            (live for live in self._live.values() if live.idle and not live.attached), key=lambda live: live.touched_ms
        )
        for live in idle:
            if await self._close(live):
                return True
        return False

    async def _hand_over(self, live: Live, effect: StartTurn, prompt: str) -> bool:
        """Give the prompt to the client; False: the client has ended, and never had it."""
        world = self._world

        def decide(view: View) -> Decision[tuple[Turn, Session] | None]:
            draft = Draft()
            turn = view.turn(effect.turn_id)
            session = view.session(effect.session_id)
            if turn is None or session is None or turn.state is not TurnState.HELD:
                return draft.done(None)
            if not bounds.lent(world, view, turn.scopes):
                gating.requeue(world, view, draft, session, turn)
                return draft.done(None)
            now = world.clock.now_ms()
            turn = advance(turn, Step.RELEASE, started_at_ms=turn.started_at_ms or now)
            draft.put.append(turn)
            # Into a session of a person's own it is only written: that it works shows when the session has it.
            words = desk_words.WRITTEN if live.attached else metering.status(world, view, session, turn, Doing())
            metering.show(world, draft, session, turn, words)
            live.begun = (turn.id, words)
            return draft.done((turn, session))

        released = (await world.commit(decide)).result
        if released is None:
            self._use_room()
            return True
        turn, session = released
        text, about = prompt, attributes(turn, session, world.rules.timezone)
        if turn.continues:
            text, about = question_words.CONTINUE_PROMPT, {}
        live.pending[turn.prompt_uuid] = turn.id
        world.on_step("turn.released")
        try:
            await live.client.prompt(turn.prompt_uuid, text, about)
        except AgentAwayError:
            live.pending.pop(turn.prompt_uuid, None)
            raise
        except AgentUnavailableError as error:
            log.warning("a client ended before it took a prompt", session=live.session_id, why=str(error))
            if live.pending.pop(turn.prompt_uuid, None) is None:
                return True
            await world.commit(metering.resend(turn.id))
            return False
        world.on_step("prompt.handed")
        if live.busy:
            await self._reconsider(live)
        return True

    async def _reconsider(self, live: Live) -> None:
        """The prompt waits behind a run that may itself wait for a yes."""

        def decide(view: View) -> Decision[None]:
            draft = Draft()
            session = view.session(live.session_id)
            if session is not None:
                gating.reconsider(self._world, view, draft, session)
            return draft.done(None)

        await self._world.commit(decide)

    async def _failed_to_start(self, effect: StartTurn, why: str) -> None:
        def decide(view: View) -> Decision[None]:
            draft = Draft()
            session = view.session(effect.session_id)
            if session is not None:
                self._fail(view, draft, session, effect, turn_words.not_started(why), why)
            return draft.done(None)

        await self._world.commit(decide)
        self._use_room()

    def _fail(self, view: View, draft: Draft, session: Session, effect: StartTurn, words: str, why: str) -> None:
        turn = view.turn(effect.turn_id)
        if turn is not None and turn.state is TurnState.HELD:
            draft.say(Say(session.thread, f"turn:{turn.id}:end", words, ring=True))
            gating.end(self._world, view, draft, session, turn, Step.FAIL, Outcome(OutcomeKind.ERROR, why))

    async def next_in_line(self, session_id: str) -> None:
        """If nothing of the session is at work, put its oldest queued turn before the gate."""

        def decide(view: View) -> Decision[None]:
            draft = Draft()
            session = view.session(session_id)
            if session is not None:
                gating.next_in_line(self._world, view, draft, session)
            return draft.done(None)

        await self._world.commit(decide)

    def _use_room(self) -> None:
        if self._waiting:
            self.perform([self._waiting.pop(0)])

    async def _listen(self, live: Live) -> None:
        async for event in live.client.events():
            if isinstance(event, Exited):
                await self._forget(live)
            if await listening.take(self._world, live, event):
                if live.settled_ms is None:
                    await self.next_in_line(live.session_id)
                self._use_room()

    # ------------------------------------------------------------------------------------------------------- time
    async def tick(self) -> None:
        """What time alone brings about: unanswered pauses end, idle clients close, status messages are renewed."""
        now = self._world.clock.ticks_ms()
        if self._waiting and not self._full():
            self._use_room()
        for live in list(self._live.values()):
            if live.paused_ms is not None and now - live.paused_ms >= self._world.rules.pause_ms:
                live.paused_ms = None
                live.ends = True
                self._tasks.start_soon(self._end_at_boundary, live)
            stopping = live.stopping_ms is not None and (live.busy or bool(live.pending))
            if stopping and not live.attached and now - (live.stopping_ms or 0) >= INTERRUPT_LIMIT_MS:
                self._close_soon(live, stuck=True)
            if live.settled_ms is not None and not live.busy and now - live.settled_ms >= FOLLOW_UP_MS:
                live.settled_ms = None
                await self.next_in_line(live.session_id)
            if (
                live.idle
                and not live.attached
                and (self._waiting or now - live.touched_ms >= self._world.rules.idle_ms)
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
        async with self._told.of(live.session_id):
            await answering.answer_held(self._world, live, EndTurn(turn_words.NOBODY))

    def _close_soon(self, live: Live, *, stuck: bool) -> None:
        if not live.closing:
            live.closing = True
            self._tasks.start_soon(self._close_now, live, stuck)

    async def _close_now(self, live: Live, stuck: bool) -> None:  # noqa: FBT001 - start_soon knows no names
        if stuck:
            await live.client.close()
        elif await self._close(live):
            self._use_room()
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
        for live in list(self._live.values()):
            if live.busy and not live.held:
                session = await self._world.store.read(lambda view, key=live.session_id: view.session(key))
                if session is not None:
                    await self._world.chat.typing(session.thread)

    async def _close(self, live: Live) -> bool:
        """End an idle client; False: meanwhile it is at work, or gone."""
        async with self._turns.of(live.session_id):
            if not live.idle or self._live.get(live.session_id) is not live:
                return False
            await live.client.close()
            await self._forget(live)
            return True

    async def _forget(self, live: Live) -> None:
        """A client is gone, unless another has its place already."""
        if self._live.get(live.session_id) is live:
            del self._live[live.session_id]
            await self._world.store.forget_process(live.session_id)
            self._world.on_step("client.forgotten")

    async def close(self) -> None:
        """End every client: called when the gateway stops in an orderly way, after its loops."""
        for live in list(self._live.values()):
            await live.client.close()
