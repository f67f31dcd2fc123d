"""Which sessions have a client: how many there may be, how they are listened to, and how they end."""

import anyio.abc

from gateway.domain.effects import StartTurn
from gateway.domain.events import Exited
from gateway.engine import gating, listening
from gateway.engine.decision import Draft
from gateway.engine.live import Live
from gateway.engine.locks import Locks
from gateway.engine.world import World
from gateway.ports import Decision, View


class Roster:
    """The clients of this gateway, by session, and who waits for a place among them."""

    def __init__(self, world: World, tasks: anyio.abc.TaskGroup) -> None:
        self.world = world
        self.tasks = tasks
        self.live: dict[str, Live] = {}
        self.opening: set[str] = set()
        """Sessions whose client is being started."""
        self.turns = Locks()
        """One turn of a session at a time is handed over."""
        self.told = Locks()
        """What the agent of a session is told, it is told in the order in which it was decided."""
        self.waiting: list[StartTurn] = []

    def full(self) -> bool:
        """Whether the gateway has as many agents of its own as the owner lets it."""
        return self.at_work() >= self.world.rules.processes_max

    def at_work(self) -> int:
        """How many agents the gateway has started, or is starting."""
        return len({live.session_id for live in self.live.values() if not live.attached} | self.opening)

    async def make_room(self) -> bool:
        """Close the idle client that was used least lately; False: none is idle."""
        idle = sorted(
            (live for live in self.live.values() if live.idle and not live.attached), key=lambda live: live.touched_ms
        )
        for live in idle:
            if await self.close(live):
                return True
        return False

    def use_room(self) -> None:
        """There is a place, or may be one soon: whoever waits first tries again."""
        if self.waiting:
            self.world.perform([self.waiting.pop(0)])

    async def listen(self, live: Live) -> None:
        """Take what a client tells, until it has ended."""
        async for event in live.client.events():
            if isinstance(event, Exited):
                await self.forget(live)
            if await listening.take(self.world, live, event):
                if live.settled_ms is None:
                    await self.next_in_line(live.session_id)
                self.use_room()

    async def next_in_line(self, session_id: str) -> None:
        """If nothing of the session is at work, put its oldest queued turn before the gate."""

        def decide(view: View) -> Decision[None]:
            draft = Draft()
            session = view.session(session_id)
            if session is not None:
                gating.next_in_line(self.world, view, draft, session)
            return draft.done(None)

        await self.world.commit(decide)

    async def close(self, live: Live) -> bool:
        """End an idle client; False: meanwhile it is at work, or gone."""
        async with self.turns.of(live.session_id):
            if not live.idle or self.live.get(live.session_id) is not live:
                return False
            await live.client.close()
            await self.forget(live)
            return True

    async def forget(self, live: Live) -> None:
        """A client is gone, unless another has its place already."""
        if self.live.get(live.session_id) is live:
            del self.live[live.session_id]
            await self.world.store.forget_process(live.session_id)
            self.world.on_step("client.forgotten")
