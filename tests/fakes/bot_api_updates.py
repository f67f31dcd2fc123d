"""The queue of updates behind getUpdates: order, confirmation, expiry, long polls and the fight between two of them."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fakes.bot_api_facts import UPDATE_KINDS

DAY_S = 24 * 3600
CALLBACK_KEPT_S = 150
"""How long the server keeps a callback query that nobody fetched."""
MAX_POLL_S = 50
CONFLICT_PAUSE_S = 3.0
WEBHOOK_ACTIVE = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)
WEBHOOK_CAME = "Conflict: terminated by setWebhook request"
CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
UNASKED = frozenset({"chat_member", "message_reaction", "message_reaction_count", "stopped_message_generation"})
"""Kinds that come only to a bot that names them in allowed_updates."""


@dataclass(frozen=True, slots=True)
class Queued:
    """One update and when (unix seconds) the server forgets it."""

    update: dict[str, Any]
    expires: float

    @property
    def number(self) -> int:
        """Its update_id."""
        return self.update["update_id"]


class Poll:
    """A long poll in flight; `alive` says whether its client is still there."""

    def __init__(self, alive: Callable[[], bool]) -> None:
        self.alive = alive
        self.beaten = False
        self.by_webhook = False


class Conflict(Exception):  # noqa: N818 - the server's word
    """A newer poll came, or a webhook; `pause` is how long the server makes the older poll wait for that answer, in seconds."""

    def __init__(self, pause: float, words: str = CONFLICT) -> None:
        super().__init__(words)
        self.pause = pause


class Updates:
    """The queue. All methods hold the world's lock; `poll` releases it while it waits."""

    def __init__(self, changed: threading.Condition, now: Callable[[], float]) -> None:
        self.changed = changed
        self.now = now
        self.queue: list[Queued] = []
        self.last_id = 700_000_000
        self.allowed = UPDATE_KINDS - UNASKED
        self.stopping = False
        self.conflict_pause = CONFLICT_PAUSE_S
        self.has_webhook = False
        self._poll: Poll | None = None
        self._next_conflict = 0.0

    def push(self, kind: str, payload: dict[str, Any]) -> int | None:
        """Queue an update of an allowed kind; its number, or None when the bot did not ask for that kind."""
        if kind not in self.allowed:
            return None
        kept = CALLBACK_KEPT_S if kind == "callback_query" else DAY_S
        return self.push_raw({"update_id": self.last_id + 1, kind: payload}, kept)

    def push_raw(self, update: dict[str, Any], kept: float = DAY_S) -> int:
        """Queue anything at all, as it is; without a number it gets the next one."""
        update = update if "update_id" in update else {"update_id": self.last_id + 1, **update}
        self.last_id = max(self.last_id, update["update_id"])
        self.queue.append(Queued(update, self.now() + kept))
        self.changed.notify_all()
        return update["update_id"]

    def pending(self) -> list[dict[str, Any]]:
        """What is not confirmed yet."""
        self._expire()
        return [queued.update for queued in self.queue]

    def poll(self, params: dict[str, Any], alive: Callable[[], bool]) -> list[dict[str, Any]]:
        """One getUpdates. Raises Conflict when a newer poll takes its place, or there is a webhook."""
        if self.has_webhook:
            raise Conflict(0.0, WEBHOOK_ACTIVE)
        self.asks_for(params)
        self._confirm(params.get("offset", 0))
        limit = min(max(params.get("limit", 100), 1), 100)
        timeout = min(max(params.get("timeout", 0), 0), MAX_POLL_S)
        if not self.queue and timeout:
            self._wait(Poll(alive), timeout)
        return [queued.update for queued in self.queue[:limit]]

    def asks_for(self, params: dict[str, Any]) -> None:
        """The kinds that the bot wants from now on, if it says so."""
        if "allowed_updates" in params:
            self.allowed = frozenset(params["allowed_updates"]) or UPDATE_KINDS - UNASKED

    def drop(self, update: dict[str, Any]) -> None:
        """It was delivered."""
        self.queue = [queued for queued in self.queue if queued.update is not update]
        self.changed.notify_all()

    def set_webhook(self, *, there: bool) -> None:
        """From now on updates go to a webhook, or wait for polls; a poll in flight ends."""
        self.has_webhook = there
        if there and self._poll is not None:
            self._poll.by_webhook = True
            self.beat()

    @property
    def polled(self) -> bool:
        """A poll is in flight: a newer one ends it."""
        return self._poll is not None

    def beat(self) -> bool:
        """End the poll in flight as a newer one would; False when there is none whose client still listens."""
        older, self._poll = self._poll, None
        if older is None or not older.alive():
            return False
        older.beaten = True
        self.changed.notify_all()
        return True

    def _wait(self, poll: Poll, timeout: float) -> None:
        self.beat()
        self._poll = poll
        deadline = time.monotonic() + timeout
        while not (self.pending() or poll.beaten or self.stopping):
            if not self.changed.wait(deadline - time.monotonic()):
                break
        if self._poll is poll:
            self._poll = None
        if poll.by_webhook:
            raise Conflict(0.0, WEBHOOK_CAME)
        if poll.beaten:
            raise Conflict(self._pause())

    def _pause(self) -> float:
        """The first conflict is answered at once, those within three seconds of it later."""
        now = time.monotonic()
        if now < self._next_conflict:
            return self.conflict_pause
        self._next_conflict = now + self.conflict_pause
        return 0.0

    def _confirm(self, offset: int) -> None:
        self._expire()
        if offset < 0:
            self.queue = self.queue[offset:]
        elif offset > 0:
            self.queue = [queued for queued in self.queue if queued.number >= offset]

    def _expire(self) -> None:
        now = self.now()
        self.queue = [queued for queued in self.queue if queued.expires > now]
