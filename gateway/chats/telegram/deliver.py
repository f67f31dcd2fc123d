"""Posts on their way out: one request each, and an honest receipt for whatever came of it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
from telegram import InputFile
from telegram.error import BadRequest, ChatMigrated, InvalidToken, NetworkError, TelegramError

from gateway.chats.telegram.bot import (
    AnswerLostError,
    FloodedError,
    NotSentError,
    ServerFailedError,
    TelegramBot,
    TooLargeForTelegramError,
    redact,
)
from gateway.chats.telegram.topics import is_closed, is_gone
from gateway.core.files import parcel_of, words_under
from gateway.domain.effects import LEAVE_REF
from gateway.domain.files import FileKind, Parcel
from gateway.domain.place import Thread
from gateway.ports import Delayed, Delivered, Elsewhere, Gone, Post, Receipt, Rejected, Uncertain

FIRST_WAIT_MS = 1_000
LONGEST_WAIT_MS = 60_000
GATEWAY_TIMEOUT = 504
UPLOAD_PATIENCE_S = 60.0
"""How long Telegram may take over a file once it has it."""
_NO_MESSAGE = ("message to edit not found", "message can't be edited", "message_id_invalid")
"""Why a message of ours cannot be changed now nor later."""
_NO_PHOTO = ("photo_", "image_process_failed", "too big for a photo")


class Courier:
    """Carries one post at a time. It remembers failures in a row, to wait longer each time, and the last flood."""

    def __init__(self, bot: TelegramBot, now_ms: Callable[[], int]) -> None:
        self._bot = bot
        self._now_ms = now_ms
        self._failures = 0
        self._flood: tuple[Thread, int] | None = None

    async def deliver(self, post: Post) -> Receipt:
        """Send or edit one message, or send one file. Never raises for what the service or the network does."""
        if post.ref.startswith(LEAVE_REF):
            return await self._leave(post)
        try:
            parcel = parcel_of(post.ref, post.body)
            words = None if parcel is None or post.edits is not None else _under(post)
            parameters = _parameters(post) if parcel is None else _place(post) | _caption(words)
        except ValueError:
            return Rejected("this message was not made for Telegram")
        try:
            if parcel is None:
                message_id = await self._ask(post, parameters)
            else:
                message_id = await self._send_with(words, parcel, parameters)
        except TelegramError as error:
            return self._receipt(post, error)
        except OSError as error:
            return Rejected(f"the copy of the file cannot be read ({error.strerror})")
        self._failures = 0
        return Delivered(message_id)

    async def _leave(self, post: Post) -> Receipt:
        """Out of a group, without a word. It may be asked for as often as one likes."""
        try:
            await self._bot.call("leaveChat", {"chat_id": int(post.thread.chat)})
        except TelegramError as error:
            match self._receipt(post, error):
                case Uncertain():
                    return Delayed(self._backoff())
                case receipt:
                    return receipt
        self._failures = 0
        return Delivered("")

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
        return _named(await self._bot.call("sendMessage", parameters))

    async def _send_with(self, words: Post | None, parcel: Parcel, parameters: dict[str, Any]) -> str:
        """A file that cannot be sent does not take the words with it that stand under it."""
        try:
            return await self._send_file(parcel, parameters)
        except (OSError, BadRequest):
            if words is None:
                raise
        return await self._ask(words, _parameters(words))

    async def _send_file(self, parcel: Parcel, parameters: dict[str, Any]) -> str:
        """A picture that Telegram does not take as one (too wide, broken) goes as any other file."""
        if parcel.kind is FileKind.PHOTO:
            try:
                return await self._upload("sendPhoto", "photo", parcel, parameters)
            except TooLargeForTelegramError:
                raise
            except BadRequest as error:
                if not any(word in error.message.lower() for word in _NO_PHOTO):
                    raise
        return await self._upload("sendDocument", "document", parcel, parameters)

    async def _upload(self, method: str, field: str, parcel: Parcel, parameters: dict[str, Any]) -> str:
        handle = await anyio.to_thread.run_sync(Path(parcel.path).open, "rb")
        with handle:
            file = InputFile(handle, filename=redact(parcel.name), read_file_handle=False)
            patience_s = self._bot.upload_patience_s(parcel.size, UPLOAD_PATIENCE_S)
            return _named(await self._bot.call(method, {**parameters, field: file}, patience_s=patience_s))

    def _receipt(self, post: Post, error: TelegramError) -> Receipt:
        """BadRequest is a NetworkError to the library: the order of the cases matters."""
        why = redact(error.message)
        match error:
            case ChatMigrated():
                receipt = Elsewhere(str(error.new_chat_id))
            case FloodedError():
                receipt = self._flooded(post.thread, error.wait_ms)
            case BadRequest():
                receipt = _refused(post, why)
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


def _refused(post: Post, why: str) -> Receipt:
    """What a request means that Telegram took and did not carry out."""
    said = why.lower()
    if post.edits is not None and "message is not modified" in said:
        return Delivered(post.edits)
    if post.thread.topic and is_gone(why):
        return Gone(why)
    if is_closed(why):
        return Delayed(LONGEST_WAIT_MS, closed=True)
    return Rejected(why, unchangeable=post.edits is not None and any(words in said for words in _NO_MESSAGE))


def _named(message: Any) -> str:
    """The id of a message that was sent."""
    match message:
        case {"message_id": int(number)}:
            return str(number)
        case _:
            raise AnswerLostError("Telegram's answer does not name the message")


def _place(post: Post) -> dict[str, Any]:
    """Where a new message goes, and whether it rings."""
    topic = {"message_thread_id": int(post.thread.topic)} if post.thread.topic else {}
    return {"chat_id": int(post.thread.chat), **topic, "disable_notification": not post.ring}


def _under(post: Post) -> Post | None:
    """The words that stand under a file, as a message of its own; None: there are none. Raises ValueError."""
    words = words_under(post.body)
    return replace(post, body=words) if words else None


def _caption(words: Post | None) -> dict[str, Any]:
    """The same as parameters of the file. Raises ValueError."""
    if words is None:
        return {}
    names = {"text": "caption", "entities": "caption_entities", "reply_markup": "reply_markup"}
    return {names[name]: value for name, value in _parameters(words).items() if name in names}


def _parameters(post: Post) -> dict[str, Any]:
    """The request's parameters. Raises ValueError for a post that was not composed for Telegram."""
    made = json.loads(post.body)
    json.dumps(made, ensure_ascii=False).encode()  # half a surrogate pair is a ValueError here, and a riddle further on
    if not isinstance(made, dict):
        raise ValueError("a body is an object")  # noqa: TRY004 - one error for everything that is not for Telegram
    body = {name: made[name] for name in ("text", "entities", "reply_markup") if name in made}
    body |= {"link_preview_options": {"is_disabled": True}}
    if post.edits is not None:
        return {**body, "chat_id": int(post.thread.chat), "message_id": int(post.edits)}
    return {**body, **_place(post)}
