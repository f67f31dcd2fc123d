"""Telegram as a chat service: python-telegram-bot, by long polling or a webhook, with a durable inbox before every confirmation."""

import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
from telegram.constants import ReactionEmoji
from telegram.error import BadRequest, Forbidden, InvalidToken, TelegramError

from gateway import clock
from gateway.chats.telegram.bot import (
    LOCAL_BYTES_MAX,
    BotIdentity,
    FloodedError,
    NotSentError,
    RejectedTokenError,
    TelegramBot,
    check_token,
    rejected_token,
)
from gateway.chats.telegram.commands import offer
from gateway.chats.telegram.deliver import Courier
from gateway.chats.telegram.drafts import Drafts
from gateway.chats.telegram.markup import compose
from gateway.chats.telegram.proxies import way
from gateway.chats.telegram.read import SERVICE, read
from gateway.chats.telegram.receive import Poller, Webhook
from gateway.chats.telegram.topics import Topics
from gateway.chats.telegram.unsaid import keep_secret, redact
from gateway.core.route import Command
from gateway.domain.effects import Button
from gateway.domain.events import Incoming, Tap
from gateway.domain.place import Thread
from gateway.files import TooLargeError, save
from gateway.ports import Accept, Delayed, Gone, Post, Receipt, Saved, Uncertain
from gateway.view.bot_api_words import TOO_BIG

# python-telegram-bot would warn on every 429 otherwise; it reads this when it makes the error.
os.environ.setdefault("PTB_TIMEDELTA", "true")

PRIVATE_SEND_GAP_MS = 1_000
PRIVATE_EDIT_GAP_MS = 1_500
GROUP_GAP_MS = 3_000
SERVICE_GAP_MS = 34
"""Thirty a second over all chats."""
COURTESY_LIMIT_S = 5.0
"""What may be lost waits no longer than this for an answer."""
INTRODUCTION_LIMIT_S = 10.0
"""A gateway starts without Telegram's answer after so long: what waits in its store is not held up by the network."""
LONGEST_WORDS = 200
"""UTF-16 units of the answer to a tap."""


FETCH_WAITS_S = (0.5, 2.0, 0.0)
"""After each failed try to download a file."""
NO_MESSAGE = "There is no such message here: give the id that came with it."
_EMOJI_STYLE = "\ufe0f"
"""Follows an emoji or not, as keyboards like it; Telegram wants each of them in one way."""
_REACTIONS = {emoji.value.replace(_EMOJI_STYLE, ""): emoji.value for emoji in ReactionEmoji}
_USUAL = " ".join("\N{THUMBS UP SIGN}\N{THUMBS DOWN SIGN}\N{EYES}\N{FIRE}\N{PARTY POPPER}\N{THINKING FACE}")
_MESSAGE_ID = re.compile(r"[0-9]{1,15}")


class TelegramChat:
    """The Chat port over one bot. As a context manager it closes its connections.

    `base_url` is a Bot API server like `http://127.0.0.1:8081/bot` (None: the official one), `proxy` the way to it, `files_dir`
    where it keeps files if it runs with `--local`. `poll_s`: how long the server may hold a poll; `retry_ms`: the first wait after
    a failed one. With a `webhook` there are no polls: its port is bound from the context manager's beginning to its end. Raises
    TollbridgeError for a token, proxy or port that cannot be one.
    """

    service = SERVICE
    where = "on your phone"
    service_gap_ms = SERVICE_GAP_MS

    def __init__(
        self,
        token: str,
        base_url: str | None = None,
        *,
        poll_s: int = 30,
        retry_ms: int = 1_000,
        now_ms: Callable[[], int] = clock.now_ms,
        proxy: str | None = None,
        files_dir: Path | None = None,
        webhook: Webhook | None = None,
    ) -> None:
        self._bot = TelegramBot(token, base_url, poll_s, proxy=proxy, files_dir=files_dir)
        self._poller = Poller(self._bot, poll_s=poll_s, retry_ms=retry_ms)
        self._courier = Courier(self._bot, now_ms)
        self._topics = Topics(self._bot)
        self._drafts = Drafts(self._bot, clock.ticks_ms)
        self._webhook = webhook
        self._retry_ms = retry_ms
        self._receiver: Any = None

    async def __aenter__(self) -> Self:
        if self._webhook is not None:
            # What answers over HTTP takes a while to load, and those who poll need none of it.
            answering = await anyio.to_thread.run_sync(import_module, "gateway.chats.telegram.webhook")
            self._receiver = answering.Receiver(self._bot, self._webhook, retry_ms=self._retry_ms)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._receiver is not None:
            self._receiver.close()
        await self._bot.close()

    @property
    def listens_on(self) -> int | None:
        """The port at which a webhook's updates are waited for; None: there is none, it polls."""
        return None if self._receiver is None else self._receiver.port

    async def introduce(self) -> BotIdentity | str:
        """Ask who the bot is; what went wrong, in words, if the answer has to wait.

        Raises TollbridgeError when Telegram refuses the token.
        """
        try:
            with anyio.fail_after(INTRODUCTION_LIMIT_S):
                return await self._bot.identity()
        except InvalidToken:
            raise rejected_token() from None
        except (TelegramError, TimeoutError) as error:
            return redact(str(error)) or "no answer in time"

    async def receive(self, accept: Accept) -> None:
        """Poll, or answer Telegram, until cancelled; an update is confirmed after `accept` returned. A StoreError from it means:
        again later.

        Raises TollbridgeError when Telegram refuses the token.
        """
        await (self._poller if self._receiver is None else self._receiver).run(accept)

    def read(self, payload: str) -> Incoming:
        """What an accepted update means. Raises UnreadableError."""
        self._topics.note(payload)
        return read(payload, self._bot.number)

    def compose(self, text: str, buttons: Sequence[Button]) -> tuple[str, ...]:
        """Bodies of sendMessage and editMessageText as JSON, without the bot's token; the buttons stand under the last."""
        return compose(redact(text), buttons)

    def enclosable(self, text: str) -> str | None:
        """The text without bot tokens."""
        return redact(text)

    def gap_ms(self, thread: Thread, *, edit: bool) -> int:
        """What earns no ban: a message a second in private, twenty a minute in groups, edits no faster."""
        if thread.chat.startswith("-"):
            return GROUP_GAP_MS
        return PRIVATE_EDIT_GAP_MS if edit else PRIVATE_SEND_GAP_MS

    async def deliver(self, post: Post) -> Receipt:
        """Send or edit one message; the receipt says what came of it."""
        receipt = await self._courier.deliver(post)
        if isinstance(receipt, Delayed):
            self._drafts.pause(post.thread, receipt.wait_ms)
        return receipt

    async def acknowledge(self, tap: Tap, words: str) -> None:
        """Stop the spinner. Too late (about 15 s) is harmless."""
        fitting = words.encode("utf-16-le", "ignore")[: 2 * LONGEST_WORDS].decode("utf-16-le", "ignore")
        shown = {"text": fitting} if fitting else {}
        with suppress(TelegramError), anyio.move_on_after(COURTESY_LIMIT_S):
            await self._bot.call("answerCallbackQuery", {"callback_query_id": tap.tap_id, **shown})

    async def fetch(self, attachment_id: str, into: str, bytes_max: int) -> Saved | str:
        """Save a file that was sent to the bot; a connection that breaks is tried again."""
        why = ""
        for wait_s in FETCH_WAITS_S:
            try:
                return Saved(await save(self._bot.content(attachment_id), into, bytes_max))
            except (TooLargeError, BadRequest, Forbidden, InvalidToken) as error:
                return TOO_BIG if "file is too big" in str(error).lower() else redact(str(error))
            except OSError as error:
                return f"it cannot be saved ({error.strerror})"
            except TelegramError as error:
                why = redact(error.message)
                await anyio.sleep(wait_s)
        return why

    async def react(self, thread: Thread, message_id: str, emoji: str) -> str:
        """Put one of the emoji that Telegram has for it on a message; empty: done, else why not."""
        plain = _REACTIONS.get(emoji.strip().replace(_EMOJI_STYLE, ""))
        if plain is None:
            return f"Telegram has no reaction {emoji[:20]!r}: use one of {_USUAL}, or another that it offers."
        if not _MESSAGE_ID.fullmatch(message_id):
            return NO_MESSAGE
        reaction = [{"type": "emoji", "emoji": plain}]
        place = {"chat_id": int(thread.chat), "message_id": int(message_id)}
        try:
            with anyio.fail_after(COURTESY_LIMIT_S):
                await self._bot.call("setMessageReaction", {**place, "reaction": reaction})
        except BadRequest as error:
            known = "not found" in error.message.lower()
            return NO_MESSAGE if known else f"Telegram refuses it: {redact(error.message)}."
        except (FloodedError, NotSentError) as error:
            return f"The reaction was not put there: {redact(error.message)}."
        except (TelegramError, TimeoutError) as error:
            return f"It is not known whether the reaction stands: {redact(str(error)) or 'no answer in time'}."
        return ""

    def has_threads(self, thread: Thread) -> bool:
        """The chat is a forum, or private with topics switched on for the bot."""
        return self._topics.possible(thread)

    async def open_thread(self, thread: Thread, name: str) -> Thread | Delayed | Uncertain | str:
        """A new topic in the chat of this thread."""
        return await self._topics.open(thread, redact(name))

    async def rename_thread(self, thread: Thread, name: str) -> Delayed | Gone | str:
        """Call a topic so."""
        return await self._topics.rename(thread, redact(name))

    async def shut_thread(self, thread: Thread, *, shut: bool) -> Delayed | Gone | str:
        """Close a topic of a group, or open it again."""
        return await self._topics.shut(thread, shut=shut)

    def thread_link(self, thread: Thread) -> str:
        """The address of a group's topic."""
        return self._topics.link(thread)

    async def offer(self, commands: Sequence[Command], chat: str = "", *, groups: bool = False) -> str:
        """Register what the clients offer there, in every language that there is."""
        return await offer(self._bot, commands, chat, groups=groups)

    async def typing(self, thread: Thread) -> None:
        """Show "typing" for about five seconds."""
        topic = {"message_thread_id": int(thread.topic)} if thread.topic else {}
        with suppress(TelegramError), anyio.move_on_after(COURTESY_LIMIT_S):
            await self._bot.call("sendChatAction", {"chat_id": int(thread.chat), "action": "typing", **topic})

    async def draft(self, thread: Thread, draft_id: int, text: str) -> bool:
        """Stream an answer into a private chat, without the bot's token; False: this chat takes no drafts."""
        return await self._drafts.show(thread, draft_id, text)


__all__ = [
    "LOCAL_BYTES_MAX",
    "BotIdentity",
    "RejectedTokenError",
    "TelegramChat",
    "Webhook",
    "check_token",
    "keep_secret",
    "way",
]
