"""What every test needs."""

import os
from collections.abc import Callable

import pytest

from tests.fakes.claude_binary import MISSING, find_claude
from tests.fakes.mcp_clients import MISSING as MCP_MISSING
from tests.fakes.mcp_clients import find_mcp_clients


@pytest.fixture
def anyio_backend() -> str:
    """python-telegram-bot runs on asyncio only, and so does everything here."""
    return "asyncio"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need a real client are skipped where it is not, or fail where it was promised."""
    _without(items, "claude", MISSING, find_claude, "TBTEST_CLAUDE_REQUIRED")
    _without(items, "mcp_clients", MCP_MISSING, find_mcp_clients, "TBTEST_MCP_REQUIRED")


def _without(items: list[pytest.Item], marker: str, missing: str, find: Callable[[], object], promised: str) -> None:
    needed = [item for item in items if item.get_closest_marker(marker)]
    if not needed or find() is not None:
        return
    if os.environ.get(promised):
        raise pytest.UsageError(f"{promised} is set, but there is {missing}")
    for item in needed:
        item.add_marker(pytest.mark.skip(reason=missing))
