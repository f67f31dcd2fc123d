"""The agents' clients, and what is done to them. Decisions are made elsewhere."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, assert_never

import anyio.abc

from gateway.domain.effects import (
    Arrange,
    Borrow,
    Browse,
    Edit,
    Effect,
    Forget,
    Illustrate,
    Interrupt,
    Leave,
    Listen,
    Respond,
    Say,
    StartTurn,
    Steer,
    Unpause,
)
from gateway.domain.place import Session
from gateway.engine import answering, cards, desk, forgetting, hearing, resuming, steering, threads
from gateway.engine.leases import Leases
from gateway.engine.live import Live
from gateway.engine.locks import Locks
from gateway.engine.roster import Roster
from gateway.engine.starting import Starting
from gateway.engine.world import World
from gateway.ports import Client
from gateway.view import desk_words


class Clients:
    """All clients of this gateway. `perform` carries out the effects that the store does not."""

    def __init__(self, world: World, tasks: anyio.abc.TaskGroup, leases: Leases | None = None) -> None:
        self._world = world
        self._leases = leases
        self._tasks = tasks
        self.roster = Roster(world, tasks)
        self._starting = Starting(self.roster)
        self._rooms = Locks()
        """One thing at a time is done to a session's own thread."""
        world.present, world.release = self.present, self.release

    def present(self, session: Session) -> bool:
        """Whether the session's agent takes prompts now, or is started when one comes."""
        if not self._world.agents[session.agent].traits.attached:
            return True
        live = self.roster.live.get(session.id)
        return live is not None and live.client.listens

    async def release(self, session_id: str) -> bool:
        """End the session's agent where it rests; False: it works, or a person has it open."""
        live = self.roster.live.get(session_id)
        return live is None or (not live.attached and await self.roster.close(live))

    async def attach(self, agent: str, client: Client, directory: str, *, unattended: bool = False) -> str:
        """A person has started an agent: listen to it as to any other. Not empty: why it may not take part.

        `unattended`: nobody sits at it, or comes back to it.
        """
        own = frozenset(live.session_id for live in self.roster.live.values() if not live.attached and not live.idle)
        place = desk.Place(agent, client.agent_session, directory, unattended=unattended)
        found = (await self._world.commit(desk.attach(self._world, place, own))).result
        if found.session is None:
            return found.why
        earlier = self.roster.live.get(found.session.id)
        if earlier is not None and not earlier.attached and not await self.roster.close(earlier):
            return desk_words.ELSEWHERE
        live = Live(found.session.id, client, self._world.clock.ticks_ms(), agent_session=client.agent_session)
        live.model, live.attached = found.session.model, True
        self.roster.live[found.session.id] = live
        self._tasks.start_soon(self.roster.listen, live)
        return ""

    def start(self, work: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
        """Do something beside the loops that may take a while and that nothing waits for."""
        self._tasks.start_soon(work, *arguments)

    def waiting(self) -> frozenset[str]:
        """The turns in which an agent stands at a boundary now."""
        return frozenset(live.turn_id for live in self.roster.live.values() if live.held and live.turn_id)

    def perform(self, effects: Sequence[Effect]) -> None:
        """Have done to agents what a decision wants done, beside the loops: an agent may be slow to take it."""
        for effect in effects:
            self._tasks.start_soon(self._perform, effect)

    async def _perform(self, effect: Effect) -> None:  # noqa: C901, PLR0912 - a table
        match effect:
            case StartTurn():
                async with self.roster.told.of(effect.session_id):
                    pass  # What was decided before comes first: an interrupt is not for this turn.
                await self._starting.start_turn(effect)
            case Listen(_, turn_id):
                await hearing.hear(self._world, turn_id)
            case Respond(session_id):
                await answering.respond(self._world, self.roster.live.get(session_id), effect)
            case Unpause(session_id, answer):
                async with self.roster.told.of(session_id):
                    if live := self.roster.live.get(session_id):
                        await answering.unpause(self._world, live, answer)
            case Interrupt(session_id):
                async with self.roster.told.of(session_id):
                    if live := self.roster.live.get(session_id):
                        await answering.interrupt(self._world, live)
            case Steer(session_id):
                if not await steering.tell(self._world, self.roster.live.get(session_id), effect):
                    await self.roster.next_in_line(session_id)
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
            case Illustrate():
                await cards.illustrate(self._world, effect)
            case Say() | Edit() | Leave():
                raise AssertionError("messages are written with their decision")
            case _:
                assert_never(effect)

    async def close(self) -> None:
        """End every client: called when the gateway stops in an orderly way, after its loops."""
        for live in list(self.roster.live.values()):
            await live.client.close()
