"""Posts on their way out: one request each, and an honest receipt for whatever came of it."""

import json
from collections.abc import Callable
from typing import Any

from telegram.error import BadRequest, InvalidToken, NetworkError, TelegramError

from gateway.chats.telegram.bot import (
    AnswerLostError,
    FloodedError,
    NotSentError,
    ServerFailedError,
    TelegramBot,
    redact,
)
from gateway.domain.place import Thread
from gateway.ports import Delayed, Delivered, Post, Receipt, Rejected, Uncertain

FIRST_WAIT_MS = 1_000
LONGEST_WAIT_MS = 60_000
GATEWAY_TIMEOUT = 504


class Courier:
    """Carries one post at a time. It remembers failures in a row, to wait longer each time, and the last flood."""

    def __init__(self, bot: TelegramBot, now_ms: Callable[[], int]) -> None:
        self._bot = bot
        self._now_ms = now_ms
        self._failures = 0
        self._flood: tuple[Thread, int] | None = None

    async def deliver(self, post: Post) -> Receipt:
        """Send or edit one message. Never raises for what the service or the network does."""
        try:
            parameters = _parameters(post)
        except ValueError:
            return Rejected("this message was not made for Telegram")
        try:
            message_id = await self._ask(post, parameters)
        except TelegramError as error:
            return self._receipt(post, error)
        self._failures = 0
        return Delivered(message_id)

    async def _ask(self, post: Post, parameters: dict[str, Any]) -> str:
        try:
            return await self._request(post, parameters)
        except BadRequest as error:
            if "entit" not in error.message.lower() or "entities" not in parameters:
                raise
        plain = {name: value for name, value in parameters.items() if name != "entities"}
        return await self._request(post, plain)

    async def _request(self, post: Post, parameters: dict[str, Any]) -> str:
        if post.edits is not None:
            await self._bot.call("editMessageText", parameters)
            return post.edits
        match await self._bot.call("sendMessage", parameters):
            case {"message_id": int(number)}:
                return str(number)
            case _:
                raise AnswerLostError("Telegram's answer does not name the message")

    def _receipt(self, post: Post, error: TelegramError) -> Receipt:
        """BadRequest is a NetworkError to the library: the order of the cases matters."""
        why = redact(error.message)
        match error:
            case FloodedError():
                receipt = self._flooded(post.thread, error.wait_ms)
            case BadRequest() if post.edits is not None and "message is not modified" in why.lower():
                receipt = Delivered(post.edits)
            case BadRequest():
                receipt = Rejected(why)
            case NotSentError():
                receipt = Delayed(self._backoff(), whole_service=True)
            case ServerFailedError() if post.edits is not None or error.code != GATEWAY_TIMEOUT:
                receipt = Delayed(self._backoff())
            case NetworkError():
                receipt = Uncertain(why) if post.edits is None else Delayed(self._backoff())
            case InvalidToken():
                receipt = Delayed(LONGEST_WAIT_MS, whole_service=True)
            case _:
                receipt = Rejected(why)
        return receipt

    def _flooded(self, thread: Thread, wait_ms: int) -> Delayed:
        """Telegram does not say which limit was hit: when a second thread is told to wait as well, it is the bot's own."""
        now = self._now_ms()
        before, self._flood = self._flood, (thread, now + wait_ms)
        return Delayed(wait_ms, whole_service=before is not None and before[0] != thread and now < before[1])

    def _backoff(self) -> int:
        wait = min(FIRST_WAIT_MS * 2 ** min(self._failures, 16), LONGEST_WAIT_MS)
        self._failures += 1
        return wait


def _parameters(post: Post) -> dict[str, Any]:
    """The request's parameters. Raises ValueError for a post that was not composed for Telegram."""
    made = json.loads(post.body)
    json.dumps(made, ensure_ascii=False).encode()  # half a surrogate pair is a ValueError here, and a riddle further on
    if not isinstance(made, dict):
        raise ValueError("a body is an object")  # noqa: TRY004 - one error for everything that is not for Telegram
    body = {name: made[name] for name in ("text", "entities", "reply_markup") if name in made}
    body |= {"chat_id": int(post.thread.chat), "link_preview_options": {"is_disabled": True}}
    if post.edits is not None:
        return {**body, "message_id": int(post.edits)}
    topic = {"message_thread_id": int(post.thread.topic)} if post.thread.topic else {}
    return {**body, **topic, "disable_notification": not post.ring}
