"""Which commands Telegram's clients offer, by scope."""

from typing import Any

import pytest

from gateway.chats.telegram import TelegramChat
from gateway.chats.telegram import commands as commands_module
from gateway.core import offers
from gateway.core.route import COMMANDS, Command
from tests.fakes.bot_api import BotApi

pytestmark = pytest.mark.anyio

CHAT = '{"chat_id": 4711, "type": "chat"}'


def names(entries: list[dict[str, Any]]) -> list[str]:
    """The commands of a menu."""
    return [entry["command"] for entry in entries]


async def test_each_scope_has_its_own_commands(server: BotApi, chat: TelegramChat) -> None:
    """Strangers see /start, groups see less, and a known person's chat sees every line with what can be written behind it."""
    server.user(4711, "Ada")
    assert await chat.offer(offers.STRANGERS) == ""
    assert await chat.offer(offers.GROUPS, groups=True) == ""
    assert await chat.offer(COMMANDS, "4711") == ""
    assert {scope: names(entries) for scope, entries in server.commands.items()} == {
        "default": ["start"],
        "all_group_chats": [one.name for one in offers.GROUPS],
        CHAT: [one.name for one in COMMANDS],
    }
    assert server.commands[CHAT][0]["description"] == "start a new session (/new [project] [agent] [model] [@branch])"
    assert server.violations == []


async def test_what_is_forgotten_is_offered_no_more(server: BotApi, chat: TelegramChat) -> None:
    """No command at all deletes the scope; to delete it twice is no failure."""
    server.user(4711, "Ada")
    await chat.offer(COMMANDS, "4711")
    assert [await chat.offer((), "4711"), await chat.offer((), "4711")] == ["", ""]
    assert CHAT not in server.commands


async def test_a_chat_that_telegram_does_not_find_is_told_and_no_more(server: BotApi, chat: TelegramChat) -> None:
    """Somebody who never wrote to the bot has no chat with it yet; a chat of another service has none at all."""
    assert "Chat not found" in await chat.offer(COMMANDS, "999")
    assert "Chat not found" in await chat.offer(COMMANDS, "you")
    server.fail_next("setMyCommands", status=500)
    assert "500" in await chat.offer(offers.STRANGERS)
    assert server.commands == {}


async def test_a_menu_stays_within_telegrams_limits(server: BotApi, chat: TelegramChat) -> None:
    """100 commands and 256 characters: more is cut, and not refused as a whole."""
    long = tuple(Command(f"c{number}", "[x]", "w" * 300) for number in range(120))
    assert await chat.offer(long) == ""
    assert len(server.commands["default"]) == 100
    assert {len(entry["description"]) for entry in server.commands["default"]} == {256}


async def test_another_language_is_one_more_call(
    server: BotApi, chat: TelegramChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The languages are the view's: each is registered beside the one for everybody else."""
    monkeypatch.setattr(commands_module, "LANGUAGES", ("", "de"))
    assert await chat.offer(offers.STRANGERS) == ""
    assert set(server.commands) == {"default", "default/de"}
