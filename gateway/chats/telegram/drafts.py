"""Drafts: what an agent is writing, shown in private chats until the message itself comes. None of them is worth a wait."""

from collections.abc import Callable
from typing import Any

import anyio
from telegram.error import BadRequest, TelegramError

from gateway.chats.telegram.bot import FloodedError, TelegramBot, redact
from gateway.chats.telegram.markup import compose_end
from gateway.domain.place import Thread

DRAFT_LIMIT_S = 4.0
CHATS_KEPT_MAX = 1_000
"""Of so many chats it is remembered that they take no drafts, or none for now."""


class Drafts:
    """Sends drafts. It remembers which chats take none, and until when Telegram wants none in a chat. `ticks_ms` never goes back."""

    def __init__(self, bot: TelegramBot, ticks_ms: Callable[[], int]) -> None:
        self._bot = bot
        self._ticks_ms = ticks_ms
        self._none: dict[str, None] = {}
        self._free_ms: dict[str, int] = {}

    async def show(self, thread: Thread, draft_id: int, text: str) -> bool:
        """Show the end of the text as a draft; False: this chat takes none. One that is lost, or not wanted now, is no loss."""
        if thread.chat.startswith("-") or thread.chat in self._none:
            return False
        if self._ticks_ms() < self._free_ms.get(thread.chat, 0):
            return True
        topic = {"message_thread_id": int(thread.topic)} if thread.topic else {}
        place = {"chat_id": int(thread.chat), **topic, "draft_id": draft_id, "can_stop": True, "keep_on_stop": True}
        with anyio.move_on_after(DRAFT_LIMIT_S):
            end = await anyio.to_thread.run_sync(compose_end, redact(text))
            return await self._send(thread, place | end)
        return True

    def pause(self, thread: Thread, wait_ms: int) -> None:
        """Telegram wants nothing in this chat for so long."""
        self._free_ms.pop(thread.chat, None)
        _limit(self._free_ms)
        self._free_ms[thread.chat] = self._ticks_ms() + wait_ms

    async def _send(self, thread: Thread, parameters: dict[str, Any]) -> bool:
        try:
            await self._bot.call("sendMessageDraft", parameters)
        except FloodedError as error:
            self.pause(thread, error.wait_ms)
        except BadRequest as error:
            if "entit" in error.message.lower() and "entities" in parameters:
                plain = {name: value for name, value in parameters.items() if name != "entities"}
                return await self._send(thread, plain)
            _limit(self._none)
            self._none[thread.chat] = None
            return False
        except TelegramError:
            pass  # Lost, or the person has blocked the bot: the message itself will tell.
        return True


def _limit(kept: dict[str, Any]) -> None:
    while len(kept) >= CHATS_KEPT_MAX:
        del kept[next(iter(kept))]
