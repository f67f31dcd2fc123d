"""A turn that may run is handed to its agent: its client is started where there is none, and works as the session says."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import anyio
import structlog

from gateway.core import summary
from gateway.core.progress import Doing
from gateway.core.quoting import attributes
from gateway.core.turn import Step, advance
from gateway.domain.effects import Say, StartTurn
from gateway.domain.place import Session
from gateway.domain.turn import Outcome, OutcomeKind, Turn, TurnState
from gateway.engine import attachments, bounds, desk, gating, metering, outcomes, threads
from gateway.engine.decision import Draft
from gateway.engine.live import Live, launch
from gateway.engine.roster import Roster
from gateway.ports import AgentAwayError, AgentUnavailableError, Client, Decision, View
from gateway.view import desk_words, preference_words, question_words, thread_words, turn_words

log = structlog.get_logger()

AWAY_S = 1.0
"""After so long a prompt that an open session could not be given is offered to it again."""
HAND_OVERS_MAX = 2
"""How often a prompt is offered: a client may have ended unseen since its last run."""


class Starting:
    """`start_turn`: the prompt of a turn for which something is held, to the client that it is for."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._world = roster.world
        self._tasks = roster.tasks

    async def start_turn(self, effect: StartTurn) -> None:
        """Give the turn's prompt to its session's client, or say why that cannot be."""
        async with self._roster.turns.of(effect.session_id):
            prompt = await self._prompt(effect)
            if prompt is None:  # it was only files, and none of them could be fetched
                await self._does_not_start(effect, turn_words.ONLY_FILES, turn_words.NO_FILES)
                return
            try:
                for _ in range(HAND_OVERS_MAX):
                    live = await self._client_for(effect)
                    if live is None or await self._hand_over(live, effect, prompt):
                        return
                    await self._roster.forget(live)
                await self._failed_to_start(effect, turn_words.ENDED_EARLY)
            except AgentAwayError:
                await self._world.commit(desk.away(effect.session_id, effect.turn_id))
                self._tasks.start_soon(self._offer_again, effect.session_id)

    async def _offer_again(self, session_id: str) -> None:
        """What told that the agent takes prompts again may have come before it was written down that one waits."""
        await anyio.sleep(AWAY_S)
        live = self._roster.live.get(session_id)
        if live is not None and live.client.listens and not live.busy:
            await self._roster.next_in_line(session_id)

    async def _prompt(self, effect: StartTurn) -> str | None:
        """What the agent is given, with the files that belong to it fetched; None: there is nothing to give it."""
        turn = await self._world.store.read(lambda view: view.turn(effect.turn_id))
        if turn is None or turn.state is not TurnState.HELD:
            return turn.prompt if turn is not None else ""  # Nothing is handed over then.
        return await attachments.prompt(self._world, turn)

    async def _client_for(self, effect: StartTurn) -> Live | None:
        live = self._roster.live.get(effect.session_id)
        if live is not None and live.attached and await self._has_moved(live):
            live = None
        if live is not None:
            try:
                return live if live.attached or await self._works_as_chosen(live, effect) else None
            except AgentUnavailableError as error:
                log.warning("a client ended before it took a prompt", session=live.session_id, why=str(error))
                await self._roster.forget(live)
        turn = await self._world.store.read(lambda view: view.turn(effect.turn_id))
        if turn is None or turn.state is not TurnState.HELD:
            self._roster.use_room()
            return None
        if self._roster.full() and not await self._roster.make_room():
            self._roster.waiting.append(effect)
            await self._say_full(effect)
            return None
        self._roster.opening.add(effect.session_id)
        try:
            return await self._open(effect)
        finally:
            self._roster.opening.discard(effect.session_id)

    async def _has_moved(self, live: Live) -> bool:
        """Whether the session was opened at a desk, and goes on with an agent of the gateway's own by now."""
        session = await self._world.store.read(lambda view: view.session(live.session_id))
        if session is None or self._world.agents[session.agent].traits.attached:
            return False
        await live.client.close()
        await self._roster.forget(live)
        return True

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
        self._roster.live[session.id] = live

        def decide(view: View) -> Decision[None]:
            draft = Draft()
            known = view.session(session.id) or session
            draft.put += [client.process, replace(known, agent_session=client.agent_session)]
            return draft.done(None)

        await self._world.commit(decide)
        self._world.on_step("client.recorded")
        self._tasks.start_soon(self._roster.listen, live)
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
        self._roster.use_room()

    async def _say_full(self, effect: StartTurn) -> None:
        at_work = self._roster.at_work()
        words = turn_words.waits_for_place(at_work)

        def decide(view: View) -> Decision[None]:
            draft = Draft()
            session = view.session(effect.session_id)
            if session is not None:
                draft.say(Say(session.thread, f"turn:{effect.turn_id}:full", words))
            return draft.done(None)

        await self._world.commit(decide)

    async def _hand_over(self, live: Live, effect: StartTurn, prompt: str) -> bool:
        """Give the prompt to the client; False: the client has ended, and never had it."""
        world = self._world
        await outcomes.begin(world, effect.turn_id)

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
            self._roster.use_room()
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
        await self._does_not_start(effect, turn_words.not_started(why), why)

    async def _does_not_start(self, effect: StartTurn, words: str, why: str) -> None:
        """No call is made for the turn: `words` are said of it, `why` is kept."""

        def decide(view: View) -> Decision[None]:
            draft = Draft()
            session = view.session(effect.session_id)
            if session is not None:
                self._fail(view, draft, session, effect, words, why)
            return draft.done(None)

        await self._world.commit(decide)
        self._roster.use_room()

    def _fail(self, view: View, draft: Draft, session: Session, effect: StartTurn, words: str, why: str) -> None:
        turn = view.turn(effect.turn_id)
        if turn is not None and turn.state is TurnState.HELD:
            draft.say(Say(session.thread, f"turn:{turn.id}:end", words, ring=True))
            gating.end(self._world, view, draft, session, turn, Step.FAIL, Outcome(OutcomeKind.ERROR, why))
