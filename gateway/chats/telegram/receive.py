"""Updates by long polling: each is handed to the durable inbox before the request that confirms it goes out.

The loop is our own and the requests are python-telegram-bot's, because the library's Updater confirms a batch that is
only in memory, and stops for good at an update that it cannot parse.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import anyio
import structlog
from telegram.error import Conflict, InvalidToken, TelegramError

from gateway.chats.telegram.bot import AnswerLostError, FloodedError, TelegramBot, redact, rejected_token
from gateway.ports import Accept, StoreError

KINDS = ("message", "edited_message", "callback_query", "my_chat_member", "stopped_message_generation")
"""What Telegram is asked for. Edits only to say that they alter nothing."""
BATCH = 100
LONGEST_WAIT_MS = 30_000
_LARGEST_ID = 2**63 - 1

_log = structlog.get_logger("tollbridge.telegram")


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What is wrong in words, whether a person has to act, and how long the service wants to be left alone."""

    words: str
    alarm: bool = False
    wait_ms: int = 0


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where Telegram sends updates (`url`, whose path may begin with what a proxy takes away), where they are waited for, and what
    proves that Telegram sent them. `checked_s`: how often it is looked whether Telegram still has it so.
    """

    url: str
    address: str
    port: int
    secret: str = field(repr=False)
    checked_s: float = 300.0


class Poller:
    """The long-poll loop of one bot. `poll_s`: how long Telegram may hold a request; `retry_ms`: the first wait after a failure."""

    def __init__(self, bot: TelegramBot, *, poll_s: int, retry_ms: int) -> None:
        self._problem = ""
        self._bot = bot
        self._poll_s = poll_s
        self._retry_ms = retry_ms
        self._failures = 0

    async def run(self, accept: Accept) -> NoReturn:
        """Poll until cancelled. Raises TollbridgeError when Telegram refuses the token."""
        username, offset = "", 0
        while True:
            try:
                username = username or (await self._bot.identity()).username
                items = await self._poll(offset)
                if items:
                    await accept(tuple(keyed(items, username)))
                if items and not next_offset(items):
                    raise AnswerLostError("Telegram sends updates without a number")
            except InvalidToken:
                raise rejected_token() from None
            except (TelegramError, StoreError) as error:
                await self._wait_out(error)
            else:
                offset = next_offset(items)
                self._recovered()

    async def _poll(self, offset: int) -> list[Any]:
        """One long poll. An offset of 0 is left out: everything unconfirmed comes."""
        confirming = {"offset": offset} if offset else {}
        items = await self._bot.call(
            "getUpdates",
            {**confirming, "timeout": self._poll_s, "limit": BATCH, "allowed_updates": list(KINDS)},
        )
        if not isinstance(items, list):
            raise AnswerLostError("Telegram's answer is not a list of updates")
        return items

    async def _wait_out(self, error: TelegramError | StoreError) -> None:
        trouble = _trouble(error)
        if trouble.words != self._problem:
            (_log.error if trouble.alarm else _log.warning)("updates from Telegram are held up", problem=trouble.words)
        self._problem = trouble.words
        if isinstance(error, Conflict) and "webhook" in error.message.lower():
            await self._take_over_from_webhook()
        backoff = min(self._retry_ms * 2 ** min(self._failures, 16), LONGEST_WAIT_MS)
        self._failures += 1
        await anyio.sleep(max(backoff, trouble.wait_ms) / 1000)

    async def _take_over_from_webhook(self) -> None:
        """Long polling needs the webhook gone; what waits is kept."""
        try:
            await self._bot.call("deleteWebhook", {"drop_pending_updates": False})
        except TelegramError as error:
            _log.warning("the bot's webhook could not be removed", problem=redact(error.message))

    def _recovered(self) -> None:
        if self._problem:
            _log.info("updates from Telegram come in again", after=self._problem)
        self._failures = 0
        self._problem = ""


def keyed(items: Sequence[Any], username: str) -> Iterator[tuple[str, str]]:
    """Key and payload of each update of a batch. The payload names the bot, for commands that are addressed to one."""
    for item in items:
        number = _number(item)
        raw = json.dumps(item, sort_keys=True)
        key = f"poison:{hashlib.sha256(raw.encode()).hexdigest()[:32]}" if number is None else str(number)
        yield key, json.dumps({"bot": username, "update": item})


def next_offset(items: Sequence[Any]) -> int:
    """The offset that confirms a batch; 0 when there is nothing to confirm.

    It is sent once: after a quiet week Telegram numbers updates anew, perhaps below an old offset.
    """
    numbers = [number for number in map(_number, items) if number is not None]
    return max(numbers) + 1 if numbers else 0


def _number(item: Any) -> int | None:
    number = item.get("update_id") if isinstance(item, dict) else None
    usable = isinstance(number, int) and not isinstance(number, bool) and 0 <= number < _LARGEST_ID
    return number if usable else None


def _trouble(error: TelegramError | StoreError) -> _Trouble:
    match error:
        case StoreError():
            return _Trouble(f"updates cannot be stored, and wait at Telegram (24 hours at most): {error}", alarm=True)
        case Conflict() if "webhook" in error.message.lower():
            return _Trouble("a webhook takes this bot's messages: it is removed, and nothing that waits is lost")
        case Conflict():
            return _Trouble(
                "another program reads this bot's messages: stop it, or give Tollbridge a bot of its own "
                f"(Telegram says: {redact(error.message)})",
                alarm=True,
            )
        case FloodedError():
            return _Trouble("Telegram wants fewer requests", wait_ms=error.wait_ms)
        case _:
            return _Trouble(redact(error.message))
