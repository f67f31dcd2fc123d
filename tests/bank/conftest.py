"""A bank of each kind: in memory, in a file, and in a real PostgreSQL, each test's in a schema of its own."""

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.bank import SqlBank, open_bank
from tests.fakes.postgres import REQUIRED, Postgres, PostgresMissingError, serve

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for the whole run; without one the tests are skipped, or fail where it was promised."""
    try:
        with serve() as server:
            yield server
    except PostgresMissingError as error:
        if os.environ.get(REQUIRED):
            pytest.fail(f"{REQUIRED} is set, but {error}")
        pytest.skip(str(error))


@pytest.fixture
def schema_url(postgres: Postgres) -> str:
    """The address of an empty schema."""
    name = f"t{next(_numbers)}"
    postgres.run(f"CREATE SCHEMA {name}")
    return postgres.url(schema=name)


@pytest.fixture(params=["file", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """Where several gateways can share a bank that is not there yet."""
    return tmp_path / "bank.db" if request.param == "file" else request.getfixturevalue("schema_url")


@pytest.fixture(params=["memory", "file", "postgres"])
async def bank(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlBank]:
    """An empty bank of each kind."""
    places = {"memory": lambda: None, "file": lambda: tmp_path / "bank.db"}
    place = places.get(request.param, lambda: request.getfixturevalue("schema_url"))()
    async with open_bank(place) as opened:
        yield opened
