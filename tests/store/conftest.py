"""A store on each kind of database, with a clock that stands still until it is moved."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway import lock
from gateway.store import SqliteStore, open_store
from tests.store.kit import NOW


@dataclass
class Clock:
    """Time that tests move."""

    ms: int = NOW

    def now_ms(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    """The store's clock."""
    return Clock()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty directory that is this user's alone."""
    return lock.make_home(tmp_path / "home")


@pytest.fixture(params=["memory", "file"])
async def store(request: pytest.FixtureRequest, home: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    """An empty store, once in memory and once on disk."""
    async with open_store(None if request.param == "memory" else home, clock.now_ms) as opened:
        yield opened
