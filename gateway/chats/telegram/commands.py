"""The commands that Telegram's clients offer, by scope and language."""

from collections.abc import Sequence
from typing import Any

import anyio
from telegram.error import TelegramError

from gateway.chats.telegram.bot import TelegramBot
from gateway.chats.telegram.unsaid import redact
from gateway.core.route import Command
from gateway.view.preference_words import DESCRIPTION_CHARACTERS_MAX, LANGUAGES, described

COMMANDS_MAX = 100
ANSWER_LIMIT_S = 10.0


async def offer(bot: TelegramBot, commands: Sequence[Command], chat: str, *, groups: bool) -> str:
    """Offer these in the chat, in all groups, or to everybody else; none: what was offered is forgotten. Not empty: why it is not so."""
    for language in LANGUAGES:
        where: dict[str, Any] = {"scope": _scope(chat, groups=groups)}
        if language:
            where["language_code"] = language
        method, what = (
            ("setMyCommands", {"commands": _listed(commands, language)}) if commands else ("deleteMyCommands", {})
        )
        try:
            with anyio.fail_after(ANSWER_LIMIT_S):
                await bot.call(method, where | what)
        except (TelegramError, TimeoutError) as error:
            return redact(str(error)) or "no answer in time"
    return ""


def _scope(chat: str, *, groups: bool) -> dict[str, Any]:
    if chat:
        # A chat that is none of Telegram's, like one of an older gateway on this home, is one that it does not find.
        return {"type": "chat", "chat_id": int(chat) if chat.lstrip("-").isdecimal() else 0}
    return {"type": "all_group_chats" if groups else "default"}


def _listed(commands: Sequence[Command], language: str) -> list[dict[str, str]]:
    return [
        {
            "command": one.name,
            "description": described(one.words, one.usage if one.arguments else "", language)[
                :DESCRIPTION_CHARACTERS_MAX
            ],
        }
        for one in commands[:COMMANDS_MAX]
    ]
