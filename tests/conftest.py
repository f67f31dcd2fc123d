"""What every test needs."""

import os

import pytest

from tests.fakes.claude_binary import MISSING, find_claude


@pytest.fixture
def anyio_backend() -> str:
    """python-telegram-bot runs on asyncio only, and so does everything here."""
    return "asyncio"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need the real client are skipped where it is not, or fail where it was promised."""
    needed = [item for item in items if item.get_closest_marker("claude")]
    if not needed or find_claude() is not None:
        return
    if os.environ.get("TBTEST_CLAUDE_REQUIRED"):
        raise pytest.UsageError(f"TBTEST_CLAUDE_REQUIRED is set, but there is {MISSING}")
    for item in needed:
        item.add_marker(pytest.mark.skip(reason=MISSING))
