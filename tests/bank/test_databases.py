# ruff: noqa: ASYNC240 - what is tested is files and servers
"""The bank's databases: migrations, who else is there, and what is said when one is away, read-only, older or newer."""

import os
import re
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from gateway.bank import SqlBank, migrate, migrate_bank, open_bank, postgres
from gateway.bank.schema import HEAD, VERSION_TABLE, metadata
from gateway.domain.lease import TeamScope
from gateway.domain.money import Usd
from gateway.ports import BankAwayError, BankError
from tests.bank.kit import TEAM, asks, balance, got, limited, sql
from tests.fakes.postgres import Postgres, serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def own_server(postgres: Postgres) -> Iterator[Postgres]:
    """A server that a test may stop."""
    with serve(binaries=postgres.bin) as server:
        yield server


async def test_the_migrations_make_what_the_schema_says(bank: SqlBank) -> None:
    """Tables, columns, types and indexes: what queries are built from is what there is."""

    def work(connection):
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "version_table": VERSION_TABLE, "target_metadata": metadata}
        )
        return compare_metadata(context, metadata)

    assert await bank._run(work) == []
    assert ScriptDirectory.from_config(migrate._config()).get_current_head() == HEAD


async def test_a_bank_is_found_again(where: str | Path) -> None:
    """What was lent and spent is there when it is opened once more, by a program that does not migrate too."""
    async with open_bank(where) as bank:
        await limited(bank, 1000)
        lease = got(await bank.lend(asks("l1", 100)))
        await bank.spend(lease, Usd(10))
    async with open_bank(where, upgrade=False) as bank:
        assert await balance(bank) == (1000, 10, 90)


async def test_migrating_says_what_was_there(where: str | Path) -> None:
    """Nothing at first, and then the newest revision, which is left alone."""
    assert await migrate_bank(where) == ""
    assert await migrate_bank(where) == HEAD


async def test_an_empty_database_is_refused_by_who_may_not_migrate(where: str | Path) -> None:
    """It is said what to run, and nothing is made."""
    for _ in range(2):
        with pytest.raises(BankError, match="no bank in this database yet: run tollbridge bank migrate"):
            async with open_bank(where, upgrade=False):
                pass


async def test_a_newer_bank_is_refused_and_left_alone(where: str | Path) -> None:
    """Whoever is behind updates the program; the bank's version stays."""
    async with open_bank(where) as bank:
        await limited(bank, 1000)
        await sql(bank, "UPDATE tollbridge_bank_version SET version_num = '0999_later'")
        for upgrade in (True, False):
            with pytest.raises(BankError, match=r"newer Tollbridge .revision 0999_later.: update"):
                async with open_bank(where, upgrade=upgrade):
                    pass
        await sql(bank, "UPDATE tollbridge_bank_version SET version_num = '0001_bank'")
        assert await balance(bank) == (1000, 0, 0)


LATER = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "0002_later", "0001_bank", None, None

def upgrade():
    op.add_column("tollbridge_scopes", sa.Column("note", sa.Text(), nullable=False, server_default="new"))
"""


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes this the program of a later release, with one more migration."""
    versions = tmp_path / "versions"
    versions.mkdir()
    (versions / "0002_later.py").write_text(LATER)
    own, config = Path(migrate.__file__).parent / "migrations" / "versions", migrate._config

    def with_one_more():
        made = config()
        made.set_main_option("version_locations", f"{own}{os.pathsep}{versions}")
        return made

    def change() -> None:
        monkeypatch.setattr(migrate, "_config", with_one_more)
        monkeypatch.setattr(migrate, "HEAD", "0002_later")

    return change


async def test_an_older_bank_is_brought_up_to_date(
    where: str | Path, later: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one of many that start at once, with all that is in it; who may not migrate is told, and the older program refuses it."""
    async with open_bank(where) as bank:
        await limited(bank, 1000)
        await bank.lend(asks("l1", 100))
    later()
    with pytest.raises(BankError, match=r"older Tollbridge .revision 0001_bank.: run tollbridge bank migrate"):
        async with open_bank(where, upgrade=False):
            pass
    found: list[str] = []

    async def start() -> None:
        found.append(await migrate_bank(where))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(start)
    assert len(found) == 5
    assert "0001_bank" in found
    async with open_bank(where, upgrade=False) as bank:
        await sql(bank, "UPDATE tollbridge_scopes SET note = 'seen' WHERE note = 'new'")
        assert await balance(bank) == (1000, 0, 100)
        assert await bank.verify() == ()
    monkeypatch.undo()
    with pytest.raises(BankError, match=r"newer Tollbridge .revision 0002_later.: update"):
        async with open_bank(where):
            pass


async def test_many_gateways_start_on_an_empty_database_at_once(where: str | Path) -> None:
    """One of them makes the bank, and all of them use it."""

    async def start(number: int) -> None:
        async with open_bank(where) as bank:
            await bank.set_limit(TeamScope("core", str(number)), Usd(number), "owner", "asked")

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for number in range(1, 7):
                group.start_soon(start, number)
    async with open_bank(where) as bank:
        found = [(await bank.status(TeamScope("core", str(number)))).balance.limit for number in range(1, 7)]
        assert found == [Usd(number) for number in range(1, 7)]
        assert await bank.verify() == ()


async def test_other_tables_in_a_teams_database_are_left_alone(postgres: Postgres, schema_url: str) -> None:
    """A bank moves in beside them; what only looks like a bank is not taken for one."""
    schema = schema_url.rpartition("%3D")[2]
    postgres.run(f"CREATE TABLE {schema}.customers (id int)")
    async with open_bank(schema_url):
        pass
    postgres.run(f"DROP TABLE {schema}.{VERSION_TABLE}")
    with pytest.raises(BankError, match="of its own"):
        async with open_bank(schema_url):
            pass


async def test_a_file_that_is_no_bank_is_refused(tmp_path: Path) -> None:
    """Somebody's text, somebody's database, a link, a directory, a missing directory: each in words."""
    note, database, link = tmp_path / "note", tmp_path / "other.db", tmp_path / "link"
    note.write_text("this is not a database at all, but long enough to be looked at" * 20)
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE mine (id)")
    connection.close()
    link.symlink_to(database)
    cases = {note: "not a bank", database: "of its own", link: "link", tmp_path: "directory"}
    for path, words in {**cases, tmp_path / "none" / "bank.db": "make it"}.items():
        with pytest.raises(BankError, match=words):
            async with open_bank(path):
                pass


async def test_a_banks_file_is_its_users_alone(tmp_path: Path) -> None:
    """Whatever the umask says."""
    before = os.umask(0)
    try:
        async with open_bank(tmp_path / "bank.db"):
            assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    finally:
        os.umask(before)


async def test_the_entries_only_grow(bank: SqlBank) -> None:
    """The database itself refuses to change or delete one."""
    await limited(bank, 1000)
    for statement in ("UPDATE tollbridge_entries SET who = 'me'", "DELETE FROM tollbridge_entries"):
        with pytest.raises(BankError, match="append-only"):
            await sql(bank, statement)
    assert await bank.verify() == ()


async def test_what_was_tampered_with_is_found(bank: SqlBank) -> None:
    """A changed entry, a balance that is no sum, a lease that is not what was lent, and a chain cut off at its end."""
    await limited(bank, 1000)
    await bank.lend(asks("l1", 100))
    await sql(bank, "UPDATE tollbridge_scopes SET spent = 5")
    assert await bank.verify() == (
        f"{TEAM}: the balance is not the sum of its entries",
        f"{TEAM}: the balance is not the sum of its leases",
    )
    await sql(bank, "UPDATE tollbridge_scopes SET spent = 0", "UPDATE tollbridge_leases SET lent = 1")
    assert await bank.verify() == (f"{TEAM}: the balance is not the sum of its leases",)
    await sql(bank, "UPDATE tollbridge_leases SET lent = 100", *_without_triggers(bank))
    await sql(bank, "UPDATE tollbridge_entries SET who = 'me' WHERE seq = 1")
    assert await bank.verify() == (f"{TEAM}: entry 1 is not what was written",)
    await sql(
        bank,
        "UPDATE tollbridge_entries SET who = 'owner' WHERE seq = 1",
        "DELETE FROM tollbridge_entries WHERE seq = 2",
    )
    assert f"{TEAM}: the last entry is not the one that the scope names" in await bank.verify()
    await sql(bank, "UPDATE tollbridge_leases SET team = 'gone'")
    assert "there are leases on gone:2026-11, which nobody knows" in await bank.verify()


def _without_triggers(bank: SqlBank) -> tuple[str, ...]:
    drops = tuple(f"DROP TRIGGER tollbridge_entries_{name}" for name in ("stay", "remain"))
    return drops if bank._is_local else tuple(f"{drop} ON tollbridge_entries" for drop in drops)


async def test_a_bank_that_is_away_is_said_to_be(tmp_path: Path, postgres: Postgres) -> None:
    """No server there, and no database of that name: where to look is said, and no password."""
    away = f"postgresql+psycopg://me:hush@/postgres?host={tmp_path}"
    for url in (away, postgres.url("nowhere")):
        with pytest.raises(BankAwayError, match=r"cannot be reached: check bank\.url") as caught:
            async with open_bank(url):
                pass
        assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "no address"),
        ("mysql://me:hush@host/bank", re.escape("begins with mysql://")),
        ("postgresql+asyncpg://me:hush@host/bank", re.escape("is postgresql+psycopg://")),
    ],
)
async def test_an_address_that_cannot_be_meant_is_refused_in_words(url: str, words: str) -> None:
    """Without the password that may stand in it."""
    with pytest.raises(BankError, match=words) as caught:
        async with open_bank(url):
            pass
    assert "hush" not in str(caught.value)


async def test_without_psycopg_it_is_said_what_to_install(monkeypatch) -> None:
    """The library for PostgreSQL is an extra."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(BankError, match=re.escape("pip install 'tollbridge[team]'")):
        async with open_bank("postgresql://me@host/bank"):
            pass


async def test_a_read_only_database_is_said_to_be_one(postgres: Postgres, schema_url: str) -> None:
    """A replica, or a database that somebody closed: nothing changes, also not later."""
    async with open_bank(schema_url) as bank:
        await limited(bank, 1000)
    postgres.run("DROP ROLE IF EXISTS onlooker", "CREATE ROLE onlooker SUPERUSER LOGIN")
    postgres.run("ALTER ROLE onlooker SET default_transaction_read_only = on")
    async with open_bank(schema_url.replace("tester@", "onlooker@")) as bank:
        assert await balance(bank) == (1000, 0, 0)
        with pytest.raises(BankError, match="read-only, and nothing was written"):
            await bank.lend(asks("l1", 100))
    async with open_bank(schema_url) as bank:
        assert await balance(bank) == (1000, 0, 0)


async def test_a_user_without_rights_is_told_so(postgres: Postgres, schema_url: str) -> None:
    """What it lacks is the database owner's to give."""
    async with open_bank(schema_url) as bank:
        await limited(bank, 1000)
    schema = schema_url.rpartition("%3D")[2]
    postgres.run("DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    postgres.run(f"GRANT USAGE ON SCHEMA {schema} TO guest", f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO guest")
    async with open_bank(schema_url.replace("tester@", "guest@")) as bank:
        with pytest.raises(BankError, match="may not do this"):
            await bank.lend(asks("l1", 100))
    postgres.run("DROP OWNED BY guest", "DROP ROLE guest")


async def test_a_server_that_was_restarted_is_found_again(own_server: Postgres) -> None:
    """While it is gone that is said; afterwards the same bank goes on, with what it had."""
    async with open_bank(own_server.url()) as bank:
        await limited(bank, 1000)
        lease = got(await bank.lend(asks("l1", 100)))
        own_server.control("restart", "-m", "immediate")
        assert got(await bank.repay(lease, Usd(7))).spent == Usd(7)
        own_server.control("stop", "-m", "immediate")
        with pytest.raises(BankAwayError):
            await bank.lend(asks("l2", 100))
        own_server.control("start")
        assert got(await bank.lend(asks("l2", 100))).lent == Usd(100)
        assert await balance(bank) == (1000, 7, 100)


async def test_a_row_that_somebody_holds_is_waited_for_not_for_ever(schema_url: str, monkeypatch) -> None:
    """Who finds the scope locked is told to try again, and nothing was written."""
    monkeypatch.setattr(postgres, "_LIMITS", "SET lock_timeout = 50")
    async with open_bank(schema_url) as bank, open_bank(schema_url) as other:
        await limited(bank, 1000)
        with other._engine.begin() as connection:
            connection.execute(text("SELECT * FROM tollbridge_scopes FOR UPDATE"))
            with pytest.raises(BankAwayError, match="busy"):
                await bank.lend(asks("l1", 100))
        assert got(await bank.lend(asks("l1", 100))).lent == Usd(100)


async def test_whoever_listens_hears_of_limits_and_repayments(schema_url: str) -> None:
    """And of nothing that other programs say on the channel."""
    heard: list[TeamScope] = []
    async with open_bank(schema_url) as bank, open_bank(schema_url) as listener:
        await limited(bank, 1000)
        lease = got(await bank.lend(asks("l1", 100)))
        done = anyio.Event()

        async def listen() -> None:
            async for scope in listener.hints():
                heard.append(scope)
                if scope.team == "last":
                    done.set()

        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(listen)
                while not heard:
                    await limited(bank, 1000, TeamScope("first"))
                    await anyio.lowlevel.checkpoint()
                await sql(
                    bank, "SELECT pg_notify('tollbridge_bank', 'what?')", "SELECT pg_notify('tollbridge_bank', '[1]')"
                )
                await bank.repay(lease, Usd(0))
                await bank.raise_limit(TEAM, Usd(1), "ben", "asked", "a_1")
                await limited(bank, 1, TeamScope("last"))
                await done.wait()
                group.cancel_scope.cancel()
    assert [scope for scope in heard if scope.team != "first"] == [TEAM, TEAM, TeamScope("last")]


async def test_a_listener_whose_connection_broke_listens_again(own_server: Postgres) -> None:
    """What was said meanwhile is lost, what is said later is heard."""
    heard: list[TeamScope] = []
    async with open_bank(own_server.url()) as bank:

        async def listen() -> None:
            async for scope in bank.hints():
                heard.append(scope)  # noqa: PERF401 - each when it is said

        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                group.start_soon(listen)
                while not heard:
                    await limited(bank, 1000, TeamScope("first"))
                own_server.control("restart", "-m", "immediate")
                while TeamScope("second") not in heard:
                    await limited(bank, 1000, TeamScope("second"))
                group.cancel_scope.cancel()
    assert set(heard) == {TeamScope("first"), TeamScope("second")}


async def test_a_bank_in_a_file_gives_no_hints(tmp_path: Path) -> None:
    """Who listens to it waits, and can be cancelled."""
    async with open_bank(tmp_path / "bank.db") as bank:
        heard: list[TeamScope] = []
        with anyio.move_on_after(0.05):
            async for scope in bank.hints():
                heard.append(scope)  # noqa: PERF401 - each when it is said
        assert heard == []


async def test_a_closed_bank_says_so(bank: SqlBank) -> None:
    """Who comes late is told, and nothing hangs."""
    await bank.close()
    await bank.close()
    with pytest.raises(BankError, match="was closed"):
        await bank.lend(asks("l1", 100))
