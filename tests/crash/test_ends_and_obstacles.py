"""A gateway that is asked to end, an update that comes twice, and a database or a disk that refuses."""

import resource
import signal
import sqlite3
import sys
from pathlib import Path

import anyio
import pytest

from gateway.domain.turn import TurnState
from tests.crash import books
from tests.crash.model import LATEST, works
from tests.crash.rig import machine
from tests.fakes.messages_api import Hold, Text, Tool
from tests.nursery import REPOSITORY

pytestmark = [pytest.mark.anyio, pytest.mark.claude]

JOB = "job 1"
LOG_ONLY = 8192
"""Bytes: room for a few lines of the log, and for no page of the database but the first."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_asked_to_end_in_mid_turn_it_leaves_nothing_behind_and_the_next_goes_on(
    tmp_path: Path, number: signal.Signals
) -> None:
    """The agent is stopped, the exit code is 0, no process is left; the next gateway books the turn and offers to continue."""
    async with machine(tmp_path) as here:
        hold = Hold()
        here.api.script([Tool("Bash", {"command": "ls"}), [Text("half a"), hold]])
        works(here.api, here.place / "work")
        gateway = await here.start()
        here.phone.says(JOB)
        await anyio.to_thread.run_sync(hold.wait_reached)
        assert await gateway.stop(number) == 0
        assert here.left() == set()
        assert "Traceback" not in gateway.log.read_text()
        here.clicker(here.phone)
        gateway = await here.start()
        await here.phone.waits_for(f"{LATEST}{JOB}.", timeout=120)
        await here.rests()
        assert await gateway.stop() == 0
        account = books.check(here, [JOB])
        assert account.states == {"interrupted": 1, "finished": 1}


async def test_one_update_id_before_and_after_a_kill_is_one_run(tmp_path: Path) -> None:
    """Accepted, not confirmed, killed; delivered again, and once more under the same number: one turn, one run."""
    async with machine(tmp_path) as here:
        works(here.api, here.place / "work")
        here.clicker(here.phone)
        gateway = await here.start("inbox.accepted")
        here.phone.says(JOB)
        await here.dies(gateway)
        [update] = here.telegram.pending
        gateway = await here.start()
        await gateway.until("inbox.accepted")
        here.telegram.push_raw(update)
        await here.phone.waits_for(f"{LATEST}{JOB}.", timeout=120)
        await here.telegram.until(lambda: not here.telegram.pending, what="every update confirmed")
        assert await gateway.stop() == 0
        account = books.check(here, [JOB])
        assert len(account.turns) == 1
        assert here.api.prompts_seen()[JOB].attempts == 1


async def test_a_locked_database_is_one_sentence_and_no_start(tmp_path: Path) -> None:
    """Another program holds the database: `tollbridge up` says so and fails; afterwards everything is as it was."""
    async with machine(tmp_path) as here:
        gateway = await here.start()
        await gateway.until("recovered")
        assert await gateway.stop() == 0
        other = sqlite3.connect(here.home / "tollbridge.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        up = [sys.executable, "-m", "gateway", "up"]
        with anyio.fail_after(120):
            result = await anyio.run_process(up, cwd=REPOSITORY, env=here.environ, check=False)
        assert result.returncode == 1
        assert result.stdout == b""
        [sentence] = result.stderr.decode().splitlines()
        assert sentence.startswith(f"tollbridge: {here.home / 'tollbridge.db'}: Another program holds the database")
        other.execute("ROLLBACK")
        other.close()
        works(here.api, here.place / "work")
        here.clicker(here.phone)
        gateway = await here.start()
        here.phone.says(JOB)
        await here.phone.waits_for(f"{LATEST}{JOB}.", timeout=120)
        await here.rests()
        assert await gateway.stop() == 0
        books.check(here, [JOB])


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux: a file size limit for another process")
async def test_a_disk_without_room_leaves_messages_at_telegram_until_there_is_some(tmp_path: Path) -> None:
    """What cannot be stored is not confirmed; once there is room it is taken, and runs once."""
    async with machine(tmp_path) as here:
        works(here.api, here.place / "work")
        here.clicker(here.phone)
        gateway = await here.start()
        await gateway.until("recovered")
        before = resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (LOG_ONLY, before[1]))
        here.phone.says(JOB)
        await here.telegram.waits_for_request("getUpdates", 4, timeout=120, done=True)
        assert [update["message"]["text"] for update in here.telegram.pending] == [JOB]
        assert "inbox.accepted" not in gateway.passed
        assert "updates cannot be stored, and wait at Telegram" in gateway.log.read_text()
        resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, before)
        await here.phone.waits_for(f"{LATEST}{JOB}.", timeout=120)
        await here.rests()
        assert await gateway.stop() == 0
        [turn] = books.check(here, [JOB]).turns
        assert turn.state is TurnState.FINISHED
