"""Channels and sessions find each other: by the process that started both, or by the session's name."""

from dataclasses import dataclass

from gateway.agents.claude.desk.client import DeskClient
from gateway.agents.claude.desk.lineage import parent_of
from gateway.agents.claude.desk.sessions import Session, Sessions
from gateway.agents.claude.desk.way import Pusher


@dataclass(slots=True, eq=False)
class Relay:
    """A channel, which belongs to the session of its client's process, whichever that is. `session`: as it was started with."""

    pusher: Pusher
    lineage: tuple[int, ...]
    session: str
    joined: DeskClient | None = None
    hears: bool | None = None
    """Of the session that it was joined to before: the same client shows what comes from it, or does not."""

    @property
    def process(self) -> int:
        """Of the client that has started it."""
        return parent_of(self.lineage)

    def part(self) -> None:
        """The session is left; what it has shown is known of the next one."""
        if self.joined is not None:
            self.hears = self.joined.way.hears
            self.joined.leave(self.pusher)
            self.joined = None


class Relays:
    """The channels that are open."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._relays: list[Relay] = []

    def open(self, relay: Relay) -> None:
        """One more; `join` finds its session."""
        self._relays.append(relay)

    def close(self, relay: Relay) -> None:
        """It is gone. Where its client has another one, messages go through that."""
        self._relays.remove(relay)
        client = relay.joined
        relay.part()
        other = next((one for one in reversed(self._relays) if one.joined is client), None)
        if client is not None and other is not None and client.way.pusher is None and not client.is_gone:
            client.join(other.pusher)

    def join(self) -> None:
        """Join each to its session, where that is open. To be called whenever a session or a channel has come."""
        for relay in self._relays:
            found = self._session_of(relay)
            if found is not None and not found.refused and relay.joined is not found.client:
                relay.part()
                relay.joined = found.client
                found.client.join(relay.pusher, hears=relay.hears)

    def part(self, client: DeskClient) -> None:
        """A session is open no more."""
        for relay in self._relays:
            if relay.joined is client:
                relay.part()

    def client_of(self, pusher: Pusher) -> DeskClient | None:
        """The session that a channel is joined to now."""
        return next((relay.joined for relay in self._relays if relay.pusher is pusher), None)

    def _session_of(self, relay: Relay) -> Session | None:
        named = self._sessions.open.get(relay.session)
        if named is not None and named.process and named.process not in relay.lineage:
            named = None
        return self._sessions.newest_in(relay.process) or named
