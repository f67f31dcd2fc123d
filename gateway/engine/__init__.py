"""The engine: event -> core -> effects -> ports. The only loop."""

from collections.abc import Sequence

import anyio
import structlog

from gateway.core.albums import merged
from gateway.core.approve import TooLate
from gateway.core.queue import is_late
from gateway.domain.events import Edited, Ignored, Membership, Message, Moved, Tap, Unsupported
from gateway.domain.turn import TurnState
from gateway.engine import attachments, desk, groups, parcels, projects, reporting
from gateway.engine.arrivals import Arrival, Arrivals, with_parts
from gateway.engine.clients import Clients
from gateway.engine.clock import Clock
from gateway.engine.fates import keep_looking
from gateway.engine.forgetting import keep_forgetting
from gateway.engine.inbound import handle_edited, handle_message, handle_unsupported
from gateway.engine.leases import Leases
from gateway.engine.offering import offer_forever
from gateway.engine.outbound import deliver_forever, repeat_unsure, until_named
from gateway.engine.overdue import BATCH, expire
from gateway.engine.presses import handle_tap
from gateway.engine.recovery import recover
from gateway.engine.reminding import due, remind
from gateway.engine.repricing import reprice
from gateway.engine.rules import Desk, Rules
from gateway.engine.team import Team
from gateway.engine.ticking import Ticking
from gateway.engine.world import World
from gateway.ports import (
    LONGEST_WAIT_MS,
    AgentUnavailableError,
    Client,
    Decision,
    FullError,
    UnreadableError,
    View,
)
from gateway.view import turn_words

__all__ = ["Clock", "Desk", "Engine", "Rules", "Team", "World"]

log = structlog.get_logger()

TICK_S = 0.5
TYPING_S = 4.0
REPEAT_S = 30.0
ROOM = 100
"""So many messages have to be sent from a full outbox before anything more is handled."""
LAST_WORDS_S = 3600.0
"""How long a turn may go on after the input ended."""
ATTEMPTS_MAX = 10
"""How often an update may be taken up without ever being handled (the gateway ended meanwhile) before it is put aside."""


class Engine:
    """One gateway at work: `run` until cancelled. Everything that matters is in the store before it is acted on."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ready = anyio.Event()
        """Set once recovery is over and updates are handled."""
        self._arrived = anyio.Event()
        self._handling = True
        """Updates may wait in the inbox."""
        self._clients: Clients | None = None

    async def attach(self, agent: str, client: Client, directory: str, *, unattended: bool = False) -> str:
        """A person has started an agent where they sit: it takes part from now on. Not empty: why it may not.

        Only while the engine runs, and not before `ready`.
        """
        if self._clients is None:
            raise AgentUnavailableError(turn_words.NOT_READY)
        return await self._clients.attach(agent, client, directory, unattended=unattended)

    async def run(self) -> None:
        """Recover what a crash left, then receive, handle, deliver. Returns when the chat has no more to receive."""
        self.world.reach.began_ms = self.world.clock.now_ms()
        async with anyio.create_task_group() as tasks:
            leases = self._leases()
            clients = Clients(self.world, tasks, leases)
            ticking = Ticking(clients.roster)
            self.world.perform, self._clients = clients.perform, clients
            try:
                await parcels.sweep(self.world)  # before anything is set going that may need a file
                await attachments.sweep_parts(self.world)
                await groups.remember(self.world)
                await repeat_unsure(self.world)  # first: what is not true any more is then repeated as it is now
                await recover(self.world, clients)
                tasks.start_soon(reprice, self.world)
                tasks.start_soon(self._handle_forever, clients)
                tasks.start_soon(deliver_forever, self.world)
                tasks.start_soon(self._tick_forever, clients, ticking)
                tasks.start_soon(self._type_forever, ticking)
                tasks.start_soon(self._repeat_forever)
                tasks.start_soon(keep_forgetting, self.world)
                tasks.start_soon(offer_forever, self.world)
                tasks.start_soon(keep_looking, self.world)
                if leases is not None:
                    tasks.start_soon(leases.run)
                self.ready.set()
                await self.world.chat.receive(self._accept)
                await self._finish_what_runs()
                tasks.cancel_scope.cancel()
            finally:
                with anyio.CancelScope(shield=True), anyio.move_on_after(15):
                    await clients.close()
                if leases is not None:
                    await leases.close()

    def _leases(self) -> Leases | None:
        team, bank = self.world.team, self.world.bank
        if team is None or bank is None:
            return None
        leases = Leases(self.world, team, bank)
        team.relieve = leases.relieve
        return leases

    async def _finish_what_runs(self) -> None:
        """The input ended (a pipe, Ctrl-D): what was asked for and needs no answer still runs, and is still told."""
        with anyio.move_on_after(LAST_WORDS_S):
            while await self._works() or await self._has_posts():  # noqa: ASYNC110 - many things end it, none is in a hurry
                await anyio.sleep(TICK_S)

    async def _works(self) -> bool:
        if self._handling or self._arrived.is_set():
            return True
        turns = await self.world.store.read(lambda view: view.all_open_turns())
        works = (TurnState.QUEUED, TurnState.HELD, TurnState.RUNNING)
        return any(turn.state in works and not is_late(turn) for turn in turns)

    async def _has_posts(self) -> bool:
        by_then_ms = self.world.clock.now_ms() + LONGEST_WAIT_MS  # what is delayed is waited for as well
        return bool(await self.world.store.outbox(self.world.chat.service, 1, by_then_ms))

    async def _accept(self, updates: Sequence[tuple[str, str]]) -> None:
        await self.world.store.accept(self.world.chat.service, updates, self.world.clock.now_ms())
        self.world.on_step("inbox.accepted")
        self._arrived.set()

    async def _handle_forever(self, clients: Clients) -> None:
        arrivals = Arrivals(self.world)
        while True:
            self._handling, self._arrived = True, anyio.Event()
            found = await arrivals.next()
            if found.updates:
                await self._handle_with_room(clients, found)
                continue
            self._handling = found.wait_ms is not None
            with anyio.move_on_after(None if found.wait_ms is None else found.wait_ms / 1000):
                await self._arrived.wait()

    async def _handle_with_room(self, clients: Clients, found: Arrival) -> None:
        """Too much may wait to be said: what people write waits in the inbox meanwhile, and counts as taken up once."""
        while True:
            try:
                return await self._handle(clients, found)
            except FullError as error:
                await self._until_there_is_room(error)

    async def _until_there_is_room(self, error: FullError) -> None:
        log.error("nothing more is handled until some messages were sent", why=str(error))
        full = await self._waiting()
        while 0 < await self._waiting() > full - ROOM:  # noqa: ASYNC110 - the outbox tells only its pump
            await anyio.sleep(TICK_S)

    async def _waiting(self) -> int:
        return (await self.world.store.read(lambda view: view.traffic())).waiting

    async def _handle(self, clients: Clients, arrival: Arrival) -> None:
        updates, parts = arrival.updates, arrival.events
        if stuck := [update for update in updates if update.attempts >= ATTEMPTS_MAX]:
            for update in stuck:
                await self.world.store.quarantine(update, "it stopped the gateway more than once")
            return
        key, *also = [(update.service, update.key) for update in updates]
        event = merged([part for part in parts if isinstance(part, Message | Unsupported)]) if also else parts[0]
        event = event if isinstance(event, UnreadableError) else groups.at_home(self.world, event)
        match event:
            case UnreadableError():
                log.warning("an update was put aside", key=updates[0].key, why=str(event))
                await self.world.store.quarantine(updates[0], str(event))
                return
            case Message():
                await until_named(self.world, event.thread, event.replies_to)
                await projects.look(self.world, event)
                decide = handle_message(self.world, event, key, clients.waiting())
                decision = await self.world.commit(with_parts(decide, also))
                log.info("message", person=event.person, result=decision.result)
            case Edited():
                decision = await self.world.commit(handle_edited(self.world, event, key))
                log.info("edited", person=event.person, result=decision.result)
            case Tap():
                await projects.look_pressed(self.world, event)
                decision = await self.world.commit(handle_tap(self.world, event, key, clients.waiting()))
                words = decision.result.words if isinstance(decision.result, TooLate) else ""
                clients.start(self.world.chat.acknowledge, event, words)
                log.info("tap", person=event.person, result=words or decision.result)
            case Unsupported():
                decision = await self.world.commit(with_parts(handle_unsupported(self.world, event, key), also))
                log.info("not text", person=event.person, result=decision.result)
            case Membership() | Moved():
                await groups.handle(self.world, event, key)
            case Ignored(why):
                await self.world.commit(lambda _view: Decision(None, handled=key))
                log.info("ignored", why=why)
        self.world.on_step("inbox.handled")

    async def _tick_forever(self, clients: Clients, ticking: Ticking) -> None:
        while True:
            await anyio.sleep(TICK_S)
            await ticking.tick()
            overdue, unreminded, expected, digests = await self.world.store.read(self._due)
            if overdue:
                await self.world.commit(expire(self.world, clients.waiting()))
            if unreminded:
                await self.world.commit(remind(self.world))
            if expected:
                await self.world.commit(desk.expire(self.world, BATCH))
            if digests:
                await self.world.commit(reporting.tell(self.world))

    def _due(self, view: View) -> tuple[bool, bool, bool, bool]:
        """Whether there are questions whose time is over, some to remind of, turns that were not sent again where they were typed, and
        chats that are to be told what was spent.
        """
        now_ms = self.world.clock.now_ms()
        return (
            bool(view.overdue_approvals(now_ms, 1)),
            bool(due(self.world, view)),
            bool(view.expected_turns(now_ms, 1)),
            bool(reporting.due(self.world, view)),
        )

    async def _repeat_forever(self) -> None:
        while True:
            await anyio.sleep(REPEAT_S)
            await repeat_unsure(self.world)

    async def _type_forever(self, ticking: Ticking) -> None:
        while True:
            await ticking.show_typing()
            await anyio.sleep(TYPING_S)
