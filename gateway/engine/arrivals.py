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
    events: tuple[Incoming | UnreadableError, ...] = ()
    """What each of them means, or why nobody can tell."""
    wait_ms: int | None = None


class Arrivals:
    """What waits in the inbox, looked at until an album is whole: all that is forgotten with the gateway is since when, and what it
    tries to handle just now.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._since: dict[str, int] = {}
        self._tried: tuple[str, ...] = ()

    async def next(self) -> Arrival:
        """What is to be handled now. Its attempt is counted, but for the first by the gateway that it came to."""
        world, now_ms = self._world, self._world.clock.ticks_ms()
        found = await self._look(1, now_ms)
        if any(one.album for _, _, one in found):  # only an album makes what is behind it matter
            found = await self._look(LOOKED_AT, now_ms)
        self._since = {one.key: one.seen_ms for _, _, one in found}
        next_ = albums.choose([one for _, _, one in found], now_ms)
        chosen = [(update, event) for update, event, one in found if one.key in next_.keys]
        if again := [update for update, _ in chosen if update.left or update.key in self._tried]:
            await world.store.take_up(again)
        self._tried = next_.keys
        return Arrival(tuple(update for update, _ in chosen), tuple(event for _, event in chosen), next_.wait_ms)

    async def _look(self, limit: int, now_ms: int) -> list[tuple[Update, Incoming | UnreadableError, albums.Arrived]]:
        found: list[tuple[Update, Incoming | UnreadableError, albums.Arrived]] = []
        for update in await self._world.store.inbox(limit):
            event = _event_of(self._world, update)
            found.append((update, event, _arrived(event, update.key, self._since.get(update.key, now_ms))))
        return found


def _arrived(event: Incoming | UnreadableError, key: str, seen_ms: int) -> albums.Arrived:
    match event:
        case Message(command=None) | Unsupported() as event:
            album = f"{event.person}:{event.album}" if event.album else ""
            return albums.Arrived(key, seen_ms, event.thread, album)
        case Edited() as event:  # of something that was sent before it
            return albums.Arrived(key, seen_ms, event.thread)
        case _:
            return albums.Arrived(key, seen_ms)


def with_parts(
    decide: Callable[[View], Decision[T]], parts: Sequence[tuple[str, str]]
) -> Callable[[View], Decision[T]]:
    """The same decision, that takes the other parts of an album out of the inbox as well."""
    return lambda view: replace(decide(view), also=tuple(parts))


def _event_of(world: World, update: Update) -> Incoming | UnreadableError:
    try:
        return world.chat.read(update.payload)
    except UnreadableError as error:
        return error
