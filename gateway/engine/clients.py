"""The agents' clients: started when a turn needs one, listened to, answered, closed when idle. Decisions are made elsewhere."""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from typing import Any, assert_never

import anyio
import anyio.abc
import structlog

from gateway.core import summary
from gateway.core.turn import Step, advance
from gateway.domain.approval import APPROVAL_REF
from gateway.domain.effects import (
    Answer,
    Edit,
    Effect,
    EndTurn,
    GoOn,
    Interrupt,
    Respond,
    Say,
    StartTurn,
    Unpause,
)
from gateway.domain.events import (
    Acted,
    AgentEvent,
    AskedPermission,
    AskedQuestion,
    BackgroundChanged,
    CallMetered,
    End,
    Exited,
    Finished,
    Paused,
    Said,
    Started,
    Withdrawn,
)
from gateway.domain.place import Session
from gateway.domain.turn import Origin, Outcome, OutcomeKind, Turn, TurnState
from gateway.domain.usage import Usage
from gateway.engine import gating, metering
from gateway.engine.live import STATUS_GAP_MS, Live
from gateway.engine.taps import CONTINUE_PROMPT
from gateway.engine.world import Draft, World
from gateway.ports import AgentUnavailableError, Client, Decision, Launch, View

log = structlog.get_logger()

INTERRUPT_LIMIT_MS = 10_000
FOLLOW_UP_MS = 3_000
"""How long a queued prompt waits for the run that usually follows when a background task ended."""
HAND_OVERS_MAX = 2
"""How often a prompt is offered: a client may have ended unseen since its last run."""
OVER = "The turn that this worked for is over."


class Clients:
    """All clients of this gateway. `perform` carries out the effects that the store does not."""

    def __init__(self, world: World, tasks: anyio.abc.TaskGroup) -> None:
        self._world = world
        self._tasks = tasks
        self._live: dict[str, Live] = {}
        self._starting = 0
        self._turns: dict[str, anyio.Lock] = {}
        """One turn of a session at a time is handed over."""
        self._waiting: list[StartTurn] = []

    def start(self, work: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
        """Do something beside the loops that may take a while and that nothing waits for."""
        self._tasks.start_soon(work, *arguments)

    # ------------------------------------------------------------------------------------------------------- effects
    def waits(self, turn: Turn) -> bool:
        """Whether an agent stands at a boundary in this turn now."""
        live = self._live.get(turn.session_id)
        return live is not None and live.turn_id == turn.id and bool(live.held)

    async def perform(self, effects: Iterable[Effect]) -> None:
        """Carry out what a decision wants done to agents."""
        for effect in effects:
            match effect:
                case StartTurn():
                    self._tasks.start_soon(self._start_turn, effect)
                case Respond():
                    await self._respond(effect)
                case Unpause(session_id, answer):
                    await self._unpause(session_id, answer)
                case Interrupt(session_id):
                    await self._interrupt(session_id)
                case Say() | Edit():
                    raise AssertionError("messages are written with their decision")
                case _:
                    assert_never(effect)

    async def _respond(self, effect: Respond) -> None:
        live = self._live.get(effect.session_id)
        taken = live is not None and await live.client.respond(effect.request_id, effect.answer)
        self._world.on_step("agent.answered")
        words = effect.words if taken else f"{effect.words.split(chr(10) * 2)[0]}\n\n{metering.NO_AGENT}"

        def decide(view: View) -> Decision[None]:
            draft = Draft()
            session = view.session(effect.session_id)
            if session is not None:
                draft.say(Edit(session.thread, effect.ref, words))
            approval = view.approval(effect.ref.removeprefix(APPROVAL_REF))
            if approval is not None:
                draft.put.append(replace(approval, request_id=""))
            return draft.done(None)

        await self._world.commit((), decide)

    async def _unpause(self, session_id: str, answer: GoOn | EndTurn) -> None:
        live = self._live.get(session_id)
        if live is None:
            return
        live.limit = live.paused_ms = None
        if isinstance(answer, EndTurn) and not live.over:
            live.stopping_ms = self._world.clock.ticks_ms()
        await self._answer_held(live, answer)

    async def _answer_held(self, live: Live, answer: Answer) -> None:
        while live.held:
            await self._answer(live, live.held.pop(0), answer)

    async def _answer(self, live: Live, request_id: str, answer: Answer) -> None:
        await live.client.respond(request_id, answer)
        self._world.on_step("boundary.answered")

    async def _interrupt(self, session_id: str) -> None:
        live = self._live.get(session_id)
        if live is None:
            return
        early, live.pending = live.pending, {}
        for uuid, turn_id in early.items():
            # It did not begin yet; if it still does, it ends at its first boundary.
            never = Finished(End.INTERRUPTED, "", uuid, ())
            await self._world.commit((), metering.finish(self._world, turn_id, never, (), stopped=True))
        if not live.over:
            live.stopping_ms = self._world.clock.ticks_ms()
        await self._answer_held(live, EndTurn("Stopped by the person."))
        await live.client.interrupt()

    # ---------------------------------------------------------------------------------------------------- starting
    async def _start_turn(self, effect: StartTurn) -> None:
        async with self._turns.setdefault(effect.session_id, anyio.Lock()):
            for _ in range(HAND_OVERS_MAX):
                live = await self._client_for(effect)
                if live is None:
                    return
                if await self._hand_over(live, effect):
                    break
                await self._forget(live)
            else:
                await self._failed_to_start(effect, "It ended before it took the prompt.")

    async def _client_for(self, effect: StartTurn) -> Live | None:
        live = self._live.get(effect.session_id)
        if live is not None:
            return live
        turn = await self._world.store.read(lambda view: view.turn(effect.turn_id))
        if turn is None or turn.state is not TurnState.HELD:
            await self._use_room()
            return None
        if len(self._live) + self._starting >= self._world.rules.processes_max and not await self._make_room():
            self._waiting.append(effect)
            return None
        self._starting += 1
        try:
            return await self._open(effect)
        finally:
            self._starting -= 1

    async def _open(self, effect: StartTurn) -> Live | None:
        session = await self._world.store.read(lambda view: view.session(effect.session_id))
        if session is None:
            return None
        launch = Launch(session.id, session.directory, session.agent_session, session.model)
        try:
            client = await self._world.agents[session.agent].start(launch)
        except AgentUnavailableError as error:
            await self._failed_to_start(effect, str(error))
            return None
        self._world.on_step("client.started")
        return await self._adopt(session, client)

    async def _adopt(self, session: Session, client: Client) -> Live:
        live = Live(session.id, client, self._world.clock.ticks_ms(), agent_session=client.agent_session)
        self._live[session.id] = live

        def decide(view: View) -> Decision[None]:
            draft = Draft()
            known = view.session(session.id) or session
            draft.put += [client.process, replace(known, agent_session=client.agent_session)]
            return draft.done(None)

        await self._world.commit((), decide)
        self._world.on_step("client.recorded")
        self._tasks.start_soon(self._listen, live)
        return live

    async def _make_room(self) -> bool:
        idle = sorted((live for live in self._live.values() if live.idle), key=lambda live: live.touched_ms)
        for live in idle:
            if await self._close(live):
                return True
        return False

    async def _hand_over(self, live: Live, effect: StartTurn) -> bool:
        """Give the prompt to the client; False: the client has ended, and never had it."""
        world = self._world

        def decide(view: View) -> Decision[Turn | None]:
            draft = Draft()
            turn = view.turn(effect.turn_id)
            session = view.session(effect.session_id)
            if turn is None or session is None or turn.state is not TurnState.HELD:
                return draft.done(None)
            now = world.clock.now_ms()
            turn = advance(turn, Step.RELEASE, started_at_ms=turn.started_at_ms or now)
            draft.put.append(turn)
            words = summary.progress(turn, [], "", now)
            draft.say(Say(session.thread, metering.status_ref(turn), words))
            return draft.done(turn)

        turn = (await world.commit((), decide)).result
        if turn is None:
            await self._use_room()
            return True
        live.pending[turn.prompt_uuid] = turn.id
        world.on_step("turn.released")
        try:
            await live.client.prompt(turn.prompt_uuid, CONTINUE_PROMPT if turn.continues else turn.prompt)
        except AgentUnavailableError as error:
            log.warning("a client ended before it took a prompt", session=live.session_id, why=str(error))
            if live.pending.pop(turn.prompt_uuid, None) is None:
                return True
            await world.commit((), metering.resend(turn.id))
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

        await self.perform((await self._world.commit(self._world.scopes(live.session_id), decide)).effects)

    async def _failed_to_start(self, effect: StartTurn, why: str) -> None:
        def decide(view: View) -> Decision[None]:
            draft = Draft()
            turn = view.turn(effect.turn_id)
            session = view.session(effect.session_id)
            if turn is not None and session is not None and turn.state is TurnState.HELD:
                outcome = Outcome(OutcomeKind.ERROR, why)
                turn = advance(turn, Step.FAIL, outcome=outcome, ended_at_ms=self._world.clock.now_ms())
                draft.put.append(gating.settle(draft, turn))
                draft.say(
                    Say(session.thread, f"turn:{turn.id}:end", f"The agent could not be started. {why}", ring=True)
                )
            return draft.done(None)

        await self._world.commit((), decide)
        self._tasks.start_soon(self.next_in_line, effect.session_id)
        await self._use_room()

    async def next_in_line(self, session_id: str) -> None:
        """If nothing of the session is at work, put its oldest queued turn before the gate."""

        def decide(view: View) -> Decision[None]:
            draft = Draft()
            session = view.session(session_id)
            if session is not None:
                gating.next_in_line(self._world, view, draft, session)
            return draft.done(None)

        decision = await self._world.commit(self._world.scopes(session_id), decide)
        await self.perform(decision.effects)

    # --------------------------------------------------------------------------------------------------- listening
    async def _listen(self, live: Live) -> None:
        async for event in live.client.events():
            await self._on_event(live, event)

    async def _on_event(self, live: Live, event: AgentEvent) -> None:  # noqa: C901, PLR0912 - one arm an event: a table
        live.touched_ms = self._world.clock.ticks_ms()
        match event:
            case Started(agent_session=name, prompt_uuid=uuid):
                await self._named(live, name)
                if uuid is None:
                    await self._unprompted(live)
                elif uuid in live.pending:
                    live.begin(live.pending.pop(uuid), live.touched_ms)
            case Said(text):
                live.said, live.stale = text, True
            case Acted(title, subject):
                live.acted(f"{title} {subject}".strip())
            case CallMetered():
                await self._metered(live, event)
            case Paused():
                await self._at_boundary(live, event)
            case AskedPermission() | AskedQuestion():
                await self._asked(live, event)
            case Withdrawn(request_id):
                if live.turn_id is not None:
                    await self._world.commit((), metering.withdrawn(live.turn_id, request_id))
            case Finished():
                await self._finished(live, event)
            case BackgroundChanged(agents, others):
                await self._background(live, agents, others)
            case Exited(reason):
                await self._exited(live, reason)
            case _:
                assert_never(event)

    async def _named(self, live: Live, agent_session: str) -> None:
        """An agent can begin a new conversation of its own (a command that clears it): that one is resumed later."""
        if agent_session == live.agent_session:
            return

        def decide(view: View) -> Decision[None]:
            draft = Draft()
            session = view.session(live.session_id)
            if session is not None:
                draft.put.append(replace(session, agent_session=agent_session, context_tokens=0))
            return draft.done(None)

        live.agent_session = agent_session
        await self._world.commit((), decide)

    async def _unprompted(self, live: Live) -> None:
        if live.result is not None:
            await self._settle(live, *live.result)
        decision = await self._world.commit(
            self._world.scopes(live.session_id), metering.background_run(self._world, live.session_id)
        )
        if decision.result is None:
            return
        live.begin(decision.result.id, self._world.clock.ticks_ms())
        match decision.result.state:
            case TurnState.ASKING:
                live.limit = "a run that nobody asked for waits for a yes"
            case TurnState.REFUSED:
                live.stopping_ms = self._world.clock.ticks_ms()
                await self._answer_held(live, EndTurn(OVER))
            case _:
                # Sub-agents that stood at the limit of the turn before work for this one now.
                await self._answer_held(live, GoOn())

    async def _metered(self, live: Live, event: CallMetered) -> None:
        live.metered.append(event.usage)
        if live.turn_id is None:
            log.warning("a call that belongs to no turn", session=live.session_id, call=event.call_id)
            return
        decision = await self._world.commit(
            self._world.scopes(live.session_id), metering.book_call(self._world, live.turn_id, event)
        )
        self._world.on_step("call.booked")
        if decision.result is not None:
            live.limit = decision.result
        live.stale = True

    async def _at_boundary(self, live: Live, event: Paused) -> None:
        if live.stopping_ms is not None or live.over:
            await self._answer(live, event.request_id, EndTurn(OVER))
            return
        if live.limit is None:
            await self._answer(live, event.request_id, GoOn())
            return
        live.held.append(event.request_id)
        if live.turn_id is None:
            return
        state = await self._world.store.read(lambda view: view.turn(live.turn_id or ""))
        if state is not None and state.state is TurnState.ASKING:
            return
        decision = await self._world.commit(
            self._world.scopes(live.session_id), metering.pause(self._world, live.turn_id)
        )
        if decision.result:
            live.paused_ms = live.paused_ms or self._world.clock.ticks_ms()
            self._world.on_step("turn.paused")
        else:
            await self._unpause(live.session_id, GoOn())

    async def _asked(self, live: Live, event: AskedPermission | AskedQuestion) -> None:
        if live.turn_id is not None:
            await self._world.commit((), metering.ask_permission(self._world, live.turn_id, event))
            self._world.on_step("permission.asked")

    async def _finished(self, live: Live, event: Finished) -> None:
        live.busy = False
        live.agents = event.background
        covered, live.metered = live.metered, []
        if event.background and event.end in (End.DONE, End.ERROR):
            live.result = (event, covered)
            if live.turn_id is not None:
                await self._world.commit((), metering.answer(live.turn_id, event))
            return
        await self._answer_held(live, EndTurn(OVER))
        if live.stopping_ms is not None and event.background:
            await live.client.interrupt()  # The first one stopped the run; at rest it stops what works behind it.
        await self._settle(live, event, covered)

    async def _background(self, live: Live, agents: int, others: int) -> None:
        live.agents, live.others = agents, others
        if agents == 0 and live.result is not None:
            live.settled_ms = self._world.clock.ticks_ms()
            await self._settle(live, *live.result)

    async def _settle(self, live: Live, event: Finished, metered: Sequence[Usage]) -> None:
        told = live.result is not None and bool(event.text.strip())
        turn_id, live.result = live.turn_id, None
        live.limit = live.paused_ms = None
        if turn_id is None:
            return
        stopped, live.stopping_ms = live.stopping_ms is not None, None
        await self._world.commit(
            self._world.scopes(live.session_id),
            metering.finish(self._world, turn_id, event, metered, stopped=stopped, told=told),
        )
        self._world.on_step("turn.settled")
        if live.settled_ms is None:
            await self.next_in_line(live.session_id)
        await self._use_room()

    async def _use_room(self) -> None:
        if self._waiting:
            await self.perform([self._waiting.pop(0)])

    async def _exited(self, live: Live, reason: str) -> None:
        await self._forget(live)
        stopped = live.stopping_ms is not None
        gone = Finished(End.INTERRUPTED, f"The agent's process ended: {reason}", None, None)
        ends = [(turn_id, gone, list[Usage]()) for turn_id in live.pending.values()]
        if live.turn_id is not None and (live.busy or live.result):
            event, metered = live.result or (gone, live.metered)
            ends.insert(0, (live.turn_id, event, metered))
        for turn_id, event, metered in ends:
            had = stopped or await self._had(live, turn_id)
            behind = event.background > 0
            finish = metering.finish(
                self._world,
                turn_id,
                event,
                metered,
                stopped=stopped,
                offer=() if stopped else gating.CONTINUE_OPTIONS if had else gating.AGAIN_OPTIONS,
                told=behind and bool(event.text.strip()),
                lost=behind,
            )
            await self._world.commit(self._world.scopes(live.session_id), finish)
        if ends:
            await self.next_in_line(live.session_id)
        await self._use_room()

    async def _had(self, live: Live, turn_id: str) -> bool:
        """Whether the conversation of a client that is gone holds the turn's prompt."""
        session = await self._world.store.read(lambda view: view.session(live.session_id))
        turn = await self._world.store.read(lambda view: view.turn(turn_id))
        if session is None or turn is None or turn.origin is Origin.BACKGROUND:
            return True
        launch = Launch(session.id, session.directory, session.agent_session, session.model)
        found = await self._world.agents[session.agent].recover(launch, live.client.process, turn.prompt_uuid)
        return found.prompt_known

    # ------------------------------------------------------------------------------------------------------- time
    async def tick(self) -> None:
        """What time alone brings about: unanswered pauses end, idle clients close, status messages are renewed."""
        now = self._world.clock.ticks_ms()
        for live in list(self._live.values()):
            if live.paused_ms is not None and now - live.paused_ms >= self._world.rules.pause_ms:
                live.paused_ms = None
                await self._answer_held(live, EndTurn("Nobody answered at the budget limit; it can be continued."))
            if (
                live.stopping_ms is not None
                and (live.busy or live.pending)
                and now - live.stopping_ms >= INTERRUPT_LIMIT_MS
            ):
                await live.client.close()
            if live.settled_ms is not None and not live.busy and now - live.settled_ms >= FOLLOW_UP_MS:
                live.settled_ms = None
                await self.next_in_line(live.session_id)
            if live.idle and now - live.touched_ms >= self._world.rules.idle_ms:
                await self._close(live)
            if live.busy and live.stale and now - live.shown_ms >= STATUS_GAP_MS:
                await self._show(live, now)

    async def _show(self, live: Live, ticks_ms: int) -> None:
        live.stale, live.shown_ms = False, ticks_ms

        def decide(view: View) -> Decision[None]:
            draft = Draft()
            turn = view.turn(live.turn_id or "")
            session = view.session(live.session_id)
            if turn is not None and session is not None and turn.state is TurnState.RUNNING:
                words = summary.progress(turn, live.actions, live.said, self._world.clock.now_ms())
                draft.say(Edit(session.thread, metering.status_ref(turn), words))
            return draft.done(None)

        await self._world.commit((), decide)

    async def show_typing(self) -> None:
        """Tell the chats where work goes on."""
        for live in list(self._live.values()):
            if live.busy and not live.held:
                session = await self._world.store.read(lambda view, key=live.session_id: view.session(key))
                if session is not None:
                    await self._world.chat.typing(session.thread)

    async def _close(self, live: Live) -> bool:
        """End an idle client; False: meanwhile it is at work, or gone."""
        async with self._turns.setdefault(live.session_id, anyio.Lock()):
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
