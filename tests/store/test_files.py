# ruff: noqa: ASYNC220, ASYNC240 - blocking for a moment is fine here, and what is tested is files and processes
"""The database as a file: who may read it, what is refused, what survives, and what commands see beside a gateway."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from gateway import lock
from gateway.domain.budget import Balance
from gateway.domain.money import Usd
from gateway.ports import StoreError
from gateway.store import Queues, migrate, open_readonly, open_store, sqlite
from gateway.store.home import DATABASE
from gateway.store.schema import HEAD, metadata
from tests.store.kit import DAY, NOW, SESSION, TURN, call, limit, put, say, turn, verify

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=[0o000, 0o022, 0o777])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """The process's umask for one test."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(home: Path) -> dict[str, int]:
    """The permissions of the directory and what is in it."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (home, *home.iterdir())}


@pytest.mark.usefixtures("umask")
async def test_only_its_owner_can_read_the_database(tmp_path: Path) -> None:
    """Attack 45: whatever the umask: the database and its helpers are 0600, in a home that is 0700."""
    home = lock.make_home(tmp_path / "home")
    async with open_store(home) as store:
        await put(store, put=(SESSION,))
        assert modes(home) == {"home": 0o700, DATABASE: 0o600, f"{DATABASE}-wal": 0o600, f"{DATABASE}-shm": 0o600}


async def test_a_database_that_others_can_read_is_closed_to_them(home: Path) -> None:
    """A copy that was put back with wide permissions does not stay that way."""
    async with open_store(home):
        pass
    (home / DATABASE).chmod(0o644)
    async with open_store(home):
        assert modes(home)[DATABASE] == 0o600


async def opens(home: Path) -> None:
    """Open for writing."""
    async with open_store(home):
        pass


async def looks(home: Path) -> None:
    """Open for reading."""
    with open_readonly(home):
        pass


@pytest.mark.parametrize("way", [opens, looks])
@pytest.mark.parametrize("linked", ["home", DATABASE, f"{DATABASE}-wal"])
async def test_a_link_in_place_of_the_directory_or_a_file_is_refused(tmp_path: Path, way, linked: str) -> None:
    """Attack 45: nobody leads the gateway to write elsewhere."""
    home = lock.make_home(tmp_path / "home")
    await opens(home)
    place = home if linked == "home" else home / linked
    elsewhere = tmp_path / "elsewhere"
    if place.exists():
        place.rename(elsewhere)
    place.symlink_to(elsewhere)
    with pytest.raises(StoreError, match="link"):
        await way(home)


@pytest.mark.parametrize("way", [opens, looks])
async def test_a_directory_that_others_can_enter_is_refused(home: Path, way) -> None:
    """Whoever took its lock has closed it: somebody opened it again since."""
    await opens(home)
    home.chmod(0o755)
    with pytest.raises(StoreError, match="chmod 700"):
        await way(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
@pytest.mark.parametrize("way", [opens, looks])
async def test_a_directory_of_another_user_is_refused(home: Path, way) -> None:
    """Even for root, whom the system would let in."""
    await opens(home)
    os.chown(home, 4242, 4242)
    with pytest.raises(StoreError, match="belongs to another user"):
        await way(home)


async def test_a_directory_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    """It is made by whoever takes its lock, and by nobody else."""
    with pytest.raises(StoreError, match="nowhere: make it"):
        await opens(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file/home cannot be used"):
        await opens(tmp_path / "file" / "home")


@pytest.mark.parametrize("way", [opens, looks])
async def test_a_file_that_is_no_database_is_refused_and_kept(home: Path, way) -> None:
    """The error says what to do, and the file is as it was."""
    (home / DATABASE).write_bytes(b"not a database " * 1000)
    with pytest.raises(StoreError, match="not a Tollbridge database; move it away"):
        await way(home)
    assert (home / DATABASE).read_bytes() == b"not a database " * 1000


async def test_a_damaged_database_is_said_to_be(home: Path) -> None:
    """Pages full of nonsense: reading says so, and the check for the doctor says so too."""
    async with open_store(home) as store:
        await put(store, put=(SESSION, *(turn(number) for number in range(500))))
    with (home / DATABASE).open("r+b") as file:
        file.seek(4096 * 90)
        file.write(b"\xa5" * 4096 * 60)
    with open_readonly(home) as reader:
        assert any("the file is damaged" in flaw.what for flaw in reader.verify())
    with pytest.raises(StoreError, match="The database is damaged"), open_readonly(home) as reader:
        reader.report_rows()


async def test_a_record_that_means_nothing_is_said_to_be_damaged(home: Path) -> None:
    """Not a traceback from the middle of the decoder."""
    async with open_store(home) as store:
        await put(store, put=(SESSION, TURN))
    change(home, "UPDATE turns SET tokens = '{'")
    with pytest.raises(StoreError, match="turn t_1 in the database cannot be read"), open_readonly(home) as reader:
        reader.report_rows()


@pytest.mark.parametrize("way", [opens, looks])
async def test_a_database_of_a_newer_program_is_refused(home: Path, way) -> None:
    """Rather than written to by one that does not know its meaning."""
    await opens(home)
    change(home, "UPDATE alembic_version SET version_num = '9999_future'")
    with pytest.raises(StoreError, match=r"newer Tollbridge \(revision 9999_future\): update the program"):
        await way(home)


@pytest.mark.parametrize("way", [opens, looks])
async def test_a_database_of_something_else_is_refused(home: Path, way) -> None:
    """Its tables are left alone."""
    change(home, "CREATE TABLE theirs (x)")
    with pytest.raises(StoreError, match="not one of Tollbridge's"):
        await way(home)


def change(home: Path, statement: str) -> None:
    """Do something to the database behind the store's back."""
    connection = sqlite3.connect(home / DATABASE)
    with connection:
        connection.execute(statement)
    connection.close()


async def test_everything_is_there_after_reopening(home: Path) -> None:
    """Closing and opening changes nothing, and the second opening needs no migration."""
    async with open_store(home) as store:
        await put(store, put=(SESSION, TURN), entries=(limit(9),), posts=(say("a"),))
    async with open_store(home) as store:
        assert await store.read(lambda view: view.turn("t_1")) == TURN
        assert [post.ref for post in await store.outbox("telegram", 1, NOW)] == ["a"]
        assert await verify(store) == ()


def test_the_migrations_make_what_the_queries_expect() -> None:
    """The tables that the migrations leave and the metadata do not differ, and HEAD is the newest migration."""
    engine = sqlite.writer(None)
    with engine.begin() as connection:
        migrate.upgrade(connection)
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
    assert ScriptDirectory.from_config(migrate._config()).get_current_head() == HEAD


async def test_commands_read_beside_a_running_gateway(home: Path) -> None:
    """What is committed is seen, as of one moment, while the gateway writes on."""
    async with open_store(home, lambda: NOW) as store:
        await put(store, put=(SESSION, TURN), entries=(limit(9), call("c1", 5, 0)), posts=(say("a"), say("b")))
        await store.accept("telegram", [("1", "one")], NOW)
        await store.sending((await store.outbox("telegram", 1, NOW))[0])
        with open_readonly(home) as reader:
            await put(store, put=(turn(2),), entries=(call("c2", 1, 0),))
            assert reader.report_rows() == ((SESSION, TURN),)
            assert reader.report_rows(["other"]) == ()
            assert reader.sessions() == (SESSION,)
            assert reader.balances() == (Balance(DAY, Usd(9), Usd(5)),)
            assert [record.seq for record in reader.records()] == [1, 2]
            assert [record.entry for record in reader.records(after=1)] == [call("c1", 5, 0)]
            assert list(reader.records(turn_id="none")) == list(reader.records(session_id="none")) == []
            assert reader.read(lambda view: view.call_known("c1"))
            assert reader.queues() == Queues(inbox=1, outbox=1)
            assert reader.unsure() == reader.quarantined() == reader.verify() == ()
        with open_readonly(home) as reader:
            assert len(reader.report_rows()) == 2


@pytest.mark.parametrize("running", [True, False])
async def test_reading_makes_and_changes_nothing(home: Path, running: bool) -> None:
    """Not even the lock files of SQLite, and a write through the reader's connection fails."""
    async with open_store(home) as store:
        await put(store, put=(SESSION,))
        if running:
            read_and_compare(home)
    if not running:
        read_and_compare(home)


def read_and_compare(home: Path) -> None:
    """Read, and find everything as it was."""
    before = {path.name: path.stat().st_size for path in home.iterdir()}
    with open_readonly(home) as reader:
        assert reader.sessions() == (SESSION,)
        with pytest.raises(StoreError, match="cannot be written"), sqlite.translated():
            reader._connection.exec_driver_sql("DELETE FROM sessions")
    assert {path.name: path.stat().st_size for path in home.iterdir()} == before


async def test_a_gateway_that_starts_and_ends_while_a_command_reads_is_noticed(home: Path) -> None:
    """What was read then may be half old and half new: the command is to be run again."""
    await opens(home)

    async def write() -> None:
        async with open_store(home) as store:
            await put(store, put=(SESSION,))

    with pytest.raises(StoreError, match="run the command again"), open_readonly(home):
        await write()


async def test_reading_where_no_gateway_ever_ran_says_so(tmp_path: Path) -> None:
    """And makes neither the directory nor the file."""
    home = tmp_path / "home"
    with pytest.raises(StoreError, match="start the gateway once"):
        await looks(home)
    assert not home.exists()
    home.mkdir(mode=0o700)
    with pytest.raises(StoreError, match="start the gateway once"):
        await looks(home)
    (home / DATABASE).touch(mode=0o600)
    with pytest.raises(StoreError, match="start the gateway once"):
        await looks(home)


WRITER = """
import sys
from pathlib import Path
import anyio
from gateway.store import open_store
from tests.store.kit import call, hold, put, say, verify

async def main():
    async with open_store(Path(sys.argv[1])) as store:
        async def write(lane):
            for number in range(10_000):
                name = f"{lane}.{number}"
                await put(store, entries=(hold(2), call(name, 1, 2)), posts=(say(name),))
                sys.stdout.write(name + "\\n")
                sys.stdout.flush()
        async with anyio.create_task_group() as tasks:
            for lane in range(8):
                tasks.start_soon(write, lane)

anyio.run(main)
"""


@pytest.mark.parametrize("acknowledged", [1, 50, 333])
async def test_a_killed_gateway_leaves_everything_that_it_had_acknowledged(home: Path, acknowledged: int) -> None:
    """Kill -9 in the midst of transactions: what returned is there, the rest is there as a whole or not at all."""
    command = [sys.executable, "-c", WRITER, str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(acknowledged)]
        process.send_signal(signal.SIGKILL)
        lines += [line.strip() for line in process.stdout if line.endswith("\n")]
    assert process.returncode == -signal.SIGKILL
    with open_readonly(home) as reader:
        assert reader.verify() == ()
    async with open_store(home) as store:
        assert await verify(store) == ()
        with anyio.fail_after(30):
            assert all(await store.read(lambda view: [view.call_known(name) for name in lines]))
    with open_readonly(home) as reader:
        calls = [record.entry.call_id for record in reader.records() if record.entry.call_id]
        assert reader.queues().outbox == len(calls) >= acknowledged
