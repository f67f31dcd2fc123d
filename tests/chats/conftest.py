"""Telegram's stand-in, and a chat that talks to it with short waits."""

from collections.abc import AsyncIterator

import pytest

from gateway.chats.telegram import TelegramChat
from tests.fakes.bot_api import BotApi, Phone

NOW_MS = 1_700_000_000_000


@pytest.fixture
async def server() -> AsyncIterator[BotApi]:
    """A strict server with nobody in it; breaking its rules fails the test."""
    async with BotApi() as running:
        yield running
        assert running.violations == []


@pytest.fixture
async def chat(server: BotApi) -> AsyncIterator[TelegramChat]:
    """A chat that retries after 10 ms and lives at one moment of time."""
    async with TelegramChat(server.token, server.base_url, poll_s=2, retry_ms=10, now_ms=lambda: NOW_MS) as running:
        yield running


@pytest.fixture
def alice(server: BotApi) -> Phone:
    """A person with a private chat."""
    return server.user(4711, "Alice")
