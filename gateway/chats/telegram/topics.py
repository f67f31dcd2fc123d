"""Topics: of groups that are forums, and of private chats where the bot has them switched on."""

import json
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import anyio
from telegram.error import BadRequest, Forbidden, InvalidToken, TelegramError

from gateway.chats.telegram.bot import AnswerLostError, FloodedError, NotSentError, ServerFailedError, TelegramBot
from gateway.chats.telegram.unsaid import redact
from gateway.domain.place import Thread
from gateway.ports import Delayed, Gone, Uncertain

NAME_MAX = 128
"""Characters of a topic's name."""
PATIENCE_S = 20.0
AWAY_MS = 5_000
"""How long to wait where Telegram cannot be reached."""
_SUPERGROUP = "-100"
_FORUM = '"is_forum": true'
_CLOSED = "topic_closed"
_GONE = ("message thread not found", "topic_deleted", "topic_id_invalid", _CLOSED)
_SO_ALREADY = "topic_not_modified"


def is_gone(why: str) -> bool:
    """Telegram's reason means that nothing can be said in that topic."""
    return any(words in why.lower() for words in _GONE)


def is_closed(why: str) -> bool:
    """Telegram's reason means that a person has closed the topic: of the General one, that says nothing can be said but elsewhere."""
    return _CLOSED in why.lower()


class Topics:
    """Opens, names and closes topics, and remembers which chats can have them."""

    def __init__(self, bot: TelegramBot) -> None:
        self._bot = bot
        self._forums: set[str] = set()

    def note(self, payload: str) -> None:
        """Look at an update that is being read: its chat may be a forum."""
        if _FORUM in payload:
            try:
                self._look(json.loads(payload))
            except (ValueError, RecursionError):
                return

    def _look(self, payload: Any) -> None:
        match payload:
            case {"update": {"message": {"chat": {"id": int(number), "is_forum": True}}}}:
                self._forums.add(str(number))
            case {"update": {"callback_query": {"message": {"chat": {"id": int(number), "is_forum": True}}}}}:
                self._forums.add(str(number))
            case _:
                pass

    def possible(self, thread: Thread) -> bool:
        """The chat has topics, as far as is known: one of them was written in, it is a forum, or the bot has them in private."""
        if thread.topic or thread.chat in self._forums:
            return True
        return not thread.chat.startswith("-") and self._bot.has_topics

    async def open(self, thread: Thread, name: str) -> Thread | Delayed | Uncertain | str:
        """A new topic in the chat of this thread."""
        parameters = {"chat_id": int(thread.chat), "name": name[:NAME_MAX]}
        found = await _said(self._bot.call("createForumTopic", parameters))
        match found:
            case {"message_thread_id": int(number)}:
                return replace(thread, topic=str(number))
            case Delayed() | Uncertain() | str():
                return found
            case Gone(why):
                return why
            case _:
                return Uncertain("Telegram's answer does not name the topic")

    async def rename(self, thread: Thread, name: str) -> Delayed | Gone | str:
        """Call a topic so."""
        return await self._change("editForumTopic", thread, name=name[:NAME_MAX])

    async def shut(self, thread: Thread, *, shut: bool) -> Delayed | Gone | str:
        """Close or open a topic. Private chats have none that is closed."""
        if not thread.chat.startswith("-"):
            return "topics of private chats cannot be closed"
        return await self._change("closeForumTopic" if shut else "reopenForumTopic", thread)

    async def _change(self, method: str, thread: Thread, **more: str) -> Delayed | Gone | str:
        if not thread.topic:
            return "this is no topic"
        place = {"chat_id": int(thread.chat), "message_thread_id": int(thread.topic)}
        found = await _said(self._bot.call(method, {**place, **more}))
        match found:
            case Delayed() | Gone():
                return found
            case Uncertain():  # it says the same however often it is said
                return Delayed(AWAY_MS)
            case str(why):
                return "" if _SO_ALREADY in why.lower() else why
            case _:
                return ""

    def link(self, thread: Thread) -> str:
        """Opens the topic for those who are in its group; private chats have no such address."""
        if not thread.topic or not thread.chat.startswith(_SUPERGROUP):
            return ""
        return f"https://t.me/c/{thread.chat.removeprefix(_SUPERGROUP)}/{thread.topic}"


async def _said(call: Awaitable[Any]) -> Any:
    """What Telegram answered; a str: it refuses."""
    try:
        with anyio.fail_after(PATIENCE_S):
            return await call
    except FloodedError as error:
        return Delayed(error.wait_ms)
    except (BadRequest, Forbidden) as error:
        why = redact(error.message)
        return Gone(why) if is_gone(why) else why
    except (NotSentError, InvalidToken):
        return Delayed(AWAY_MS)
    except (AnswerLostError, ServerFailedError, TelegramError, TimeoutError) as error:
        return Uncertain(redact(str(error)) or "no answer in time")
