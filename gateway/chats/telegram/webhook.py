"""Updates over HTTP: Telegram sends each to a public address, and a proxy hands it on to the gateway.

What proves a request is the secret that Telegram was told, in its header; it is looked at before anything else, and without it
nothing is answered but 401. An update is in the durable inbox before Telegram hears 200; whatever goes wrong before that, Telegram
sends it again, for 24 hours. Keys and payloads are those of polling, so that nothing counts twice when one follows the other.
"""

import hmac
import json
import socket
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import anyio
import structlog
from starlette.types import Receive, Scope, Send
from telegram.error import InvalidToken, TelegramError

from gateway import listener
from gateway.chats.telegram.bot import (
    AnswerLostError,
    FloodedError,
    RejectedTokenError,
    TelegramBot,
    rejected_token,
)
from gateway.chats.telegram.receive import KINDS, LONGEST_WAIT_MS, Webhook, keyed
from gateway.chats.telegram.unsaid import keep_secret, redact
from gateway.ports import Accept, StoreError, TollbridgeError

BODY_BYTES_MAX: Final = 1_000_000
"""An update has some thousands."""
ANSWER_S: Final = 50.0
"""Telegram waits for a minute."""
CONNECTIONS: Final = 8
"""So many updates of different chats Telegram sends at once."""
_HEADER: Final = b"x-telegram-bot-api-secret-token"
_LAST_WORDS: Final = 300

_log = structlog.get_logger("tollbridge.telegram")


class ListenError(TollbridgeError):
    """Nothing can be listened on there; the message says why and what to do."""


class Receiver:
    """One bot's webhook: its socket is bound at once, and answers while `run` does. Raises ListenError."""

    def __init__(self, bot: TelegramBot, webhook: Webhook, *, retry_ms: int) -> None:
        keep_secret(webhook.secret, "<webhook secret>")
        self._bot = bot
        self._webhook = webhook
        self._retry_ms = retry_ms
        self._path = urlsplit(webhook.url).path or "/"
        self._username = ""
        self._accept: Accept | None = None
        self._unstored = ""
        self._problem = ""
        self._seen_error = 0
        self._socket = _bound(webhook)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._socket.getsockname()[1]

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()

    async def run(self, accept: Accept) -> None:
        """Answer until cancelled. Raises TollbridgeError when Telegram refuses the token."""
        self._accept = accept
        refused: RejectedTokenError | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, self._socket, self)
            refused = await self._keep()
            tasks.cancel_scope.cancel()
        if refused is not None:
            raise refused

    # ------------------------------------------------------------------------------------------------ what comes in
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, with a status and nothing else."""
        if scope["type"] != "http":
            return
        status = self._refused(scope)
        if status is None:
            found = await listener.body(scope, receive, BODY_BYTES_MAX)
            status = found if isinstance(found, HTTPStatus) else await self._take(found)
        # What was not read is not waited for.
        going_on = status in {HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE}
        headers = [(b"content-length", b"0"), *(() if going_on else ((b"connection", b"close"),))]
        await send({"type": "http.response.start", "status": int(status), "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def _refused(self, scope: Scope) -> HTTPStatus | None:
        """Why a request is not read, by its head alone. Who has no secret does not learn what there is."""
        borne = [value for name, value in scope["headers"] if name == _HEADER]
        right = self._webhook.secret.encode()
        if not hmac.compare_digest(borne[0] if len(borne) == 1 else b"", right):
            return HTTPStatus.UNAUTHORIZED
        path = scope["path"]
        here = path == "/" or (path.startswith("/") and self._path.endswith(path))
        if scope["method"] != "POST" or scope["query_string"] or not here:
            return HTTPStatus.NOT_FOUND
        return None

    async def _take(self, raw: bytes) -> HTTPStatus:
        """Store one update: 200 says that it is."""
        if not self._username or self._accept is None:
            return HTTPStatus.SERVICE_UNAVAILABLE
        update = _update(raw, self._username)
        try:
            with anyio.fail_after(ANSWER_S):
                await self._accept([update])
        except (StoreError, TimeoutError) as error:
            words = str(error) or "the store does not answer in time"
            if words != self._unstored:
                why = f"updates cannot be stored, and wait at Telegram (24 hours at most): {words}"
                _log.error("updates from Telegram are held up", problem=why)
            self._unstored = words
            return HTTPStatus.SERVICE_UNAVAILABLE
        if self._unstored:
            _log.info("updates from Telegram come in again", after=self._unstored)
            self._unstored = ""
        return HTTPStatus.OK

    # ---------------------------------------------------------------------------------------- what Telegram is told
    async def _keep(self) -> RejectedTokenError:
        """Tell Telegram where to send updates, and look now and then whether it still does. Returns when it refuses the token."""
        failures, told = 0, False
        while True:
            try:
                self._username = self._username or (await self._bot.identity()).username
                await self._check(told=told)
            except InvalidToken:
                return rejected_token()
            except TelegramError as error:
                self._say(redact(error.message))
                backoff = min(self._retry_ms * 2 ** min(failures, 16), LONGEST_WAIT_MS)
                failures += 1
                await anyio.sleep(max(backoff, error.wait_ms if isinstance(error, FloodedError) else 0) / 1000)
            else:
                failures, told = 0, True
                await anyio.sleep(self._webhook.checked_s)

    async def _check(self, *, told: bool) -> None:
        """Look how it stands at Telegram, and set it if it is not ours. `told`: whether this gateway has set it already."""
        about = await self._bot.call("getWebhookInfo")
        if not isinstance(about, Mapping):
            raise AnswerLostError("Telegram's answer about the webhook cannot be read")
        url = about.get("url")
        if told and url == self._webhook.url:
            self._look_at_errors(about)
            return
        where = _host(url)
        if url and url != self._webhook.url and not told:
            _log.warning("this bot's webhook led elsewhere until now: it is replaced", webhook_of=where)
        elif url and url != self._webhook.url:
            _log.error(
                "another program took this bot's messages with a webhook: it is taken back; stop that program, or give"
                " Tollbridge a bot of its own",
                webhook_of=where,
            )
        elif told:
            _log.error(
                "another program removed this bot's webhook: it is set again; stop that program, or give Tollbridge a bot"
                " of its own"
            )
        self._seen_error = _date(about)
        await self._bot.call(
            "setWebhook",
            {
                "url": self._webhook.url,
                "secret_token": self._webhook.secret,
                "allowed_updates": list(KINDS),
                "max_connections": CONNECTIONS,
            },
        )
        self._problem = ""
        _log.info("Telegram sends updates here", host=urlsplit(self._webhook.url).hostname, port=self.port)

    def _look_at_errors(self, about: Mapping[str, Any]) -> None:
        """Telegram keeps the last error for good: what counts is whether there was another one since."""
        if (date := _date(about)) > self._seen_error:
            self._seen_error = date
            said = redact(str(about.get("last_error_message") or "no reason"))[:_LAST_WORDS]
            self._say(
                f"Telegram cannot deliver them ({said}): look at the proxy before the gateway, and at its certificate"
            )
        elif self._problem:
            _log.info("updates from Telegram come in again", after=self._problem)
            self._problem = ""

    def _say(self, problem: str) -> None:
        if problem != self._problem:
            _log.warning("updates from Telegram are held up", problem=problem)
        self._problem = problem


def _bound(webhook: Webhook) -> socket.socket:
    try:
        return listener.bound(webhook.address, webhook.port)
    except OSError as error:
        raise ListenError(
            f"telegram.webhook.listen: nothing can listen on {webhook.address} port {webhook.port} ({error.strerror}): set"
            " another port, and hand it on there in the proxy"
        ) from None


def _update(raw: bytes, username: str) -> tuple[str, str]:
    """Key and payload as polling would have them; what is no update is put aside like one that cannot be read."""
    try:
        return next(keyed([json.loads(raw)], username))
    except (ValueError, RecursionError):
        return next(keyed([raw.decode("utf-8", "backslashreplace")], username))


def _host(url: object) -> str:
    """Of an address no more than its host: a path may hold somebody's secret."""
    try:
        return urlsplit(str(url)).hostname or "no host"
    except ValueError:
        return "no host"


def _date(about: Mapping[str, Any]) -> int:
    date = about.get("last_error_date")
    return date if isinstance(date, int) else 0
