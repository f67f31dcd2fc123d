"""Delivery to a webhook, as the official server does it: one update of a chat at a time, again until the answer is 2xx.

The first repetition comes at once, the next after two units of time, then four, eight and so on up to 60 to 120; one of the server's
units is a second. The last error stays in getWebhookInfo after it was overcome.
"""

import json
import random
import re
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from tests.fakes.bot_api_updates import Updates

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
LONGEST_UNITS = 60
ANSWER_LIMIT_S = 60.0
CONNECTIONS = 40
CONNECTIONS_MAX = 100
PORTS = {None, 443, 80, 88, 8443}
_MOVED = ("message", "edited_message", "my_chat_member", "callback_query")


class RefusedWebhook(Exception):  # noqa: N818 - the server's word for it is an answer
    """The server does not take such a webhook; the message says why, as the server does."""


@dataclass(slots=True)
class Delivery:
    """One request to the webhook: the update's number, the status that came back (None: no answer), monotonic seconds."""

    number: int
    status: int | None
    at: float


@dataclass(slots=True)
class _State:
    wakes: float = 0.0
    delay: float = 1.0
    fails: int = 0


@dataclass(slots=True)
class Webhook:
    """One webhook as it was set."""

    url: str
    secret: str
    most: int
    allowed: list[str] | None
    error: str = ""
    error_date: int = 0
    states: dict[int, _State] = field(default_factory=dict)
    busy: set[object] = field(default_factory=set)
    idle: list[HTTPConnection] = field(default_factory=list)


class Webhooks:
    """The bot's webhook, if it has one, and the thread that delivers to it. Whoever calls holds the world's lock.

    `local`: the server runs with `--local`, and takes http, any port and addresses of this machine. `unit_s`: the unit of waits.
    """

    def __init__(self, updates: Updates, touch: Callable[[], None], *, local: bool, unit_s: float) -> None:
        self.current: Webhook | None = None
        self.log: list[Delivery] = []
        self.unit_s = unit_s
        self._updates = updates
        self._touch = touch
        self._local = local
        self._thread: threading.Thread | None = None
        self._senders: list[threading.Thread] = []

    def set(self, params: dict[str, Any]) -> str:
        """setWebhook: what became of it, in the server's words. Raises RefusedWebhook."""
        url = params["url"]
        if params.get("drop_pending_updates"):
            self._updates.queue.clear()
        if not url:
            return self.delete()
        self._check(url, params.get("secret_token", ""))
        most = min(max(params.get("max_connections", CONNECTIONS), 1), CONNECTIONS_MAX)
        self._updates.asks_for(params)
        fresh = Webhook(url, params.get("secret_token", ""), most, params.get("allowed_updates"))
        now = self.current
        if now is not None and (now.url, now.secret, now.most) == (fresh.url, fresh.secret, fresh.most):
            now.allowed = fresh.allowed or now.allowed
            return "Webhook is already set"
        self._closes(now)
        self.current = fresh
        self._updates.set_webhook(there=True)
        self._touch()
        return "Webhook was set"

    def delete(self) -> str:
        """deleteWebhook: what became of it."""
        gone, self.current = self.current, None
        self._updates.set_webhook(there=False)
        self._closes(gone)
        self._touch()
        return "Webhook was deleted" if gone else "Webhook is already deleted"

    def info(self) -> dict[str, Any]:
        """What getWebhookInfo says."""
        pending = len(self._updates.pending())
        if (hook := self.current) is None:
            return {"url": "", "has_custom_certificate": False, "pending_update_count": pending}
        failed = {"last_error_date": hook.error_date, "last_error_message": hook.error} if hook.error else {}
        allowed = {"allowed_updates": hook.allowed} if hook.allowed else {}
        about = {"url": hook.url, "has_custom_certificate": False, "pending_update_count": pending}
        return about | failed | {"max_connections": hook.most, "ip_address": "127.0.0.1"} | allowed

    def start(self) -> None:
        """Deliver from now on."""
        self._thread = threading.Thread(target=self._deliver, name="bot-api-webhook", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Wait for the thread; `updates.stopping` was set. Not under the lock."""
        if self._thread is not None:
            self._thread.join(10)
        for sender in self._senders:
            sender.join(10)
        self._senders.clear()
        self._closes(self.current)

    def _check(self, url: str, secret: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise RefusedWebhook("Bad Request: invalid webhook URL specified")
        if secret and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret):
            raise RefusedWebhook("Bad Request: secret token contains illegal characters")
        if not self._local and parts.scheme != "https":
            raise RefusedWebhook("Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        if not self._local and parts.port not in PORTS:
            raise RefusedWebhook("Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")

    # ------------------------------------------------------------------------------------------------- deliveries
    def _deliver(self) -> None:
        """Start each delivery that is due, until the server stops."""
        changed = self._updates.changed
        with changed:
            while not self._updates.stopping:
                wait_s = self._start_due()
                changed.wait(wait_s)

    def _start_due(self) -> float:
        """Start what is due; the seconds until the next one is."""
        hook, soonest, now = self.current, 3600.0, time.monotonic()
        if hook is None or not hook.url.startswith("http://"):
            return soonest
        first: dict[object, dict[str, Any]] = {}
        for update in self._updates.pending():
            first.setdefault(_queue(update), update)
        for queue, update in first.items():
            state = hook.states.setdefault(update["update_id"], _State())
            if queue in hook.busy or len(hook.busy) >= hook.most:
                continue
            if state.wakes > now:
                soonest = min(soonest, state.wakes - now)
                continue
            hook.busy.add(queue)
            self._senders = [one for one in self._senders if one.is_alive()]
            self._senders.append(threading.Thread(target=self._send, args=(hook, queue, update, state), daemon=True))
            self._senders[-1].start()
        return soonest

    def _send(self, hook: Webhook, queue: object, update: dict[str, Any], state: _State) -> None:
        status, error = None, ""
        connection = self._connection(hook)
        try:
            status, error, kept = self._converse(hook, connection, update)
        except (OSError, HTTPException):
            error, kept = "Webhook connection closed", False
        with self._updates.changed:
            if kept and self.current is hook and not self._updates.stopping:
                hook.idle.append(connection)
            else:
                connection.close()
            hook.busy.discard(queue)
            self.log.append(Delivery(update["update_id"], status, time.monotonic()))
            if not error:
                self._updates.drop(update)
            else:
                self._failed(hook, state, error)
            self._touch()

    def _failed(self, hook: Webhook, state: _State, error: str) -> None:
        hook.error, hook.error_date = error, int(self._updates.now())
        wait = 0.0
        if state.fails:
            longest = random.uniform(LONGEST_UNITS, 2 * LONGEST_UNITS)  # noqa: S311 - as the server does
            state.delay = wait = min(longest, state.delay * 2)
        state.fails += 1
        state.wakes = time.monotonic() + wait * self.unit_s

    @staticmethod
    def _converse(hook: Webhook, connection: HTTPConnection, update: dict[str, Any]) -> tuple[int, str, bool]:
        parts = urlsplit(hook.url)
        headers = {"Content-Type": "application/json", "Connection": "keep-alive"}
        headers |= {SECRET_HEADER: hook.secret} if hook.secret else {}
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, json.dumps(update).encode(), headers)
        answer = connection.getresponse()
        answer.read()
        good = 200 <= answer.status <= 299
        error = "" if good else f"Wrong response from the webhook: {answer.status} {answer.reason}"
        return answer.status, error, not answer.will_close

    def _connection(self, hook: Webhook) -> HTTPConnection:
        """One that is open and was not hung up on, or a new one."""
        with self._updates.changed:
            while hook.idle:
                kept = hook.idle.pop()
                if kept.sock is not None and not select.select([kept.sock], [], [], 0)[0]:
                    return kept
                kept.close()
        parts = urlsplit(hook.url)
        return HTTPConnection(parts.hostname or "", parts.port or 80, timeout=ANSWER_LIMIT_S)

    def _closes(self, hook: Webhook | None) -> None:
        while hook is not None and hook.idle:
            hook.idle.pop().close()


def _queue(update: dict[str, Any]) -> object:
    """Updates of one chat keep their order; others may overtake each other."""
    for kind in _MOVED:
        about = update.get(kind)
        if isinstance(about, dict):
            chat = about.get("chat") or (about.get("message") or {}).get("chat")
            if isinstance(chat, dict):
                return chat.get("id")
    return ("alone", update["update_id"])
