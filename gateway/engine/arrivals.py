"""Which updates are taken out of the inbox next: one, or the parts of an album together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from gateway.core import albums
from gateway.domain.events import Edited, Incoming, Message, Unsupported
from gateway.engine.world import World
from gateway.ports import Decision, UnreadableError, Update, View

T = TypeVar("T")

LOOKED_AT: Final = 100
"""So many updates that wait are looked at. Behind so many parts of albums the next has to wait, for seconds at most."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Updates that are handled as one, or in how many milliseconds there may be some (None: when one comes)."""

    updates: tuple[Update, ...] = ()
    wait_ms: int | None = None


class Arrivals:
    """What waits in the inbox, looked at until an album is whole: all that is forgotten with the gateway is since when."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._since: dict[str, int] = {}

    async def next(self) -> Arrival:
        """What is to be handled now. Its attempt is counted."""
        world, now_ms = self._world, self._world.clock.ticks_ms()
        updates = await world.store.inbox(1)
        arrived = [_arrived(world, one, self._since.get(one.key, now_ms)) for one in updates]
        if any(one.album for one in arrived):  # only an album makes what is behind it matter
            updates = await world.store.inbox(LOOKED_AT)
            arrived = [_arrived(world, one, self._since.get(one.key, now_ms)) for one in updates]
        self._since = {one.key: one.seen_ms for one in arrived}
        found = albums.choose(arrived, now_ms)
        chosen = tuple(one for one in updates if one.key in found.keys)
        if chosen:
            await world.store.take_up(chosen)
        return Arrival(chosen, found.wait_ms)


def _arrived(world: World, update: Update, seen_ms: int) -> albums.Arrived:
    match event_of(world, update):
        case Message(command=None) | Unsupported() as event:
            album = f"{event.person}:{event.album}" if event.album else ""
            return albums.Arrived(update.key, seen_ms, event.thread, album)
        case Edited() as event:  # of something that was sent before it
            return albums.Arrived(update.key, seen_ms, event.thread)
        case _:
            return albums.Arrived(update.key, seen_ms)


def with_parts(
    decide: Callable[[View], Decision[T]], parts: Sequence[tuple[str, str]]
) -> Callable[[View], Decision[T]]:
    """The same decision, that takes the other parts of an album out of the inbox as well."""
    return lambda view: replace(decide(view), also=tuple(parts))


def event_of(world: World, update: Update) -> Incoming | UnreadableError:
    """What an update means, or why nobody can tell."""
    try:
        return world.chat.read(update.payload)
    except UnreadableError as error:
        return error
