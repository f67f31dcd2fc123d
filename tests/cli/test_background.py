"""A gateway behind the terminal: started, found, stopped, and started by the session that needs it."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import lock
from gateway.config import config_file
from gateway.local import autostart, client
from gateway.processes import is_there
from tests import nursery
from tests.cli.kit import without_settings
from tests.fakes.bot_api import BotApi
from tests.mcp_servers import relay_kit

LIMIT_S = 150


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home whose settings stand in its config.toml, with a bot; what still runs there at the end is killed."""
    place = tmp_path / "home"
    place.mkdir(mode=0o700)
    (tmp_path / "project").mkdir()
    with BotApi() as server:
        settings = f"""
            [telegram]
            token = "{server.token}"
            base_url = "{server.base_url}"
            allowed_users = [4711]
            [agents]
            directory = "{tmp_path / "project"}"
            [local]
            autostart = true
            [history]
            read_logs = false
        """
        write(place, settings)
        yield place
        if pid := lock.holder(place):
            os.kill(pid, signal.SIGKILL)


def write(home: Path, settings: str) -> None:
    """The home's config.toml."""
    config_file(home).write_text(settings, encoding="utf-8")
    config_file(home).chmod(0o600)


def tollbridge(home: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """One command of a terminal in which nothing else is set."""
    known = without_settings(home, XDG_STATE_HOME=str(home.parent / "state"), **more)
    return nursery.run(words, env=known)


def test_a_gateway_behind_the_terminal_answers_when_the_command_returns(home: Path) -> None:
    """It has a session of its own, logs to the home's file, and `down` ends it in good order."""
    said = tollbridge(home, "up", "--background")
    assert (said.returncode, said.stderr) == (0, "")
    pid = lock.holder(home)
    assert pid
    assert f"(process {pid})" in said.stdout
    assert os.getsid(pid) == pid
    assert client.ask(home, "GET", "/").status == 404
    assert "the gateway runs" in (home / "gateway.log").read_text()
    said = tollbridge(home, "down")
    assert said.returncode == 0
    assert f"(process {pid}) has stopped" in said.stdout
    assert lock.holder(home) is None
    assert not is_there(pid)
    assert "the gateway stops" in (home / "gateway.log").read_text()


def test_a_gateway_that_cannot_start_says_why_in_the_terminal(home: Path) -> None:
    """What it would have said there, and nothing is left."""
    write(home, config_file(home).read_text().replace('token = "', 'token = "9'))
    said = tollbridge(home, "up", "--background")
    assert said.returncode == 1
    assert said.stderr.count("\n") == 1
    assert "does not accept this bot token" in said.stderr
    assert lock.holder(home) is None


def test_a_second_gateway_is_refused_at_once(home: Path) -> None:
    """The one that works is named."""
    tollbridge(home, "up", "--background")
    pid = lock.holder(home)
    said = tollbridge(home, "up", "--background")
    assert said.returncode == 1
    assert f"another gateway (process {pid})" in said.stderr
    assert lock.holder(home) == pid


def test_the_console_cannot_go_behind_itself(home: Path) -> None:
    """Nothing is started."""
    said = tollbridge(home, "up", "--background", "--chat", "console")
    assert said.returncode == 1
    assert "--background" in said.stderr
    assert lock.holder(home) is None


def test_an_agent_starts_no_gateway(home: Path) -> None:
    """Its settings would be whatever the agent wants."""
    for words in (("up",), ("up", "--background")):
        said = tollbridge(home, *words, TOLLBRIDGE_AGENT="journal")
        assert said.returncode == 1
        assert "runs inside an agent" in said.stderr
    assert lock.holder(home) is None


def test_there_may_be_nothing_to_stop(home: Path) -> None:
    """That is no error."""
    said = tollbridge(home, "down")
    assert said.returncode == 0
    assert f"No Tollbridge gateway is running (home: {home})." in said.stdout


@pytest.mark.anyio
async def test_a_session_starts_the_gateway_as_the_terminal_did_and_it_outlives_the_session(home: Path) -> None:
    """Killed, then wanted by a relay whose whole group is killed afterwards: the same program, settings and directory."""
    tollbridge(home, "up", "--background")
    first, note = lock.holder(home), (home / autostart.FILE).stat()
    assert first
    os.kill(first, signal.SIGKILL)
    async with relay_kit.started(home, PATH="/nowhere") as session:
        await session.shake_hands()
        assert {tool["name"] for tool in (await listed(session))} >= {"reply", "fetch_messages"}
    second = lock.holder(home)
    assert second not in (None, 0, first)
    assert client.ask(home, "GET", "/").status == 404
    # Its lock is held while the gateway starts: another file in its place would bear none.
    assert (home / autostart.FILE).stat().st_ino == note.st_ino
    assert "has stopped" in tollbridge(home, "down").stdout
    assert not (home / lock.LOCK_FILE).read_text()


async def listed(session: relay_kit.Client) -> list[dict[str, str]]:
    """The tools, once there is a gateway that has some."""
    while not (found := (await session.ask("tools/list"))["result"]["tools"]):
        await session.notified("notifications/tools/list_changed")
    return found


@pytest.mark.parametrize(
    ("settings", "more", "says"),
    [
        ("autostart = false", {}, ""),
        ("autostart = true", {"TOLLBRIDGE_BUDGETS__DAY_USD": "5"}, "TOLLBRIDGE_BUDGETS__DAY_USD"),
        ("autostart = true", {"ANTHROPIC_API_KEY": "sk-secret"}, "ANTHROPIC_API_KEY"),
    ],
    ids=["not allowed", "a setting of the terminal's", "a key of the terminal's"],
)
def test_no_session_may_start_what_would_be_another_gateway(
    home: Path, settings: str, more: dict[str, str], says: str
) -> None:
    """Where the settings do not allow it, or the terminal's own variables decide: the note of an earlier time goes, the log says why."""
    note = home / autostart.FILE
    note.write_text("{}")
    write(home, config_file(home).read_text().replace("autostart = true", settings))
    tollbridge(home, "up", "--background", **more)
    assert not note.exists()
    log = (home / "gateway.log").read_text()
    assert says in log
    assert ("sessions cannot start this gateway" in log) is bool(says)
    assert "sk-secret" not in log


def test_nothing_of_the_directory_is_part_of_the_program(home: Path) -> None:
    """An agent may write in the directory where the gateway was started: no part of a path in the note leads there by itself."""
    parts = f":{without_settings(home)['PYTHONPATH']}:."
    tollbridge(home, "up", "--background", PYTHONPATH=parts, PATH=f"{os.environ['PATH']}::bin")
    known = json.loads((home / autostart.FILE).read_text())["environment"]
    assert known["PYTHONPATH"] == without_settings(home)["PYTHONPATH"]
    assert known["PATH"] == os.environ["PATH"]


def test_a_gateway_that_is_stopped_while_it_starts_counts_as_stopped(home: Path) -> None:
    """It has its lock, and not yet its door: SIGTERM leaves no process in the lock that open sessions would take for killed."""
    known = without_settings(home, XDG_STATE_HOME=str(home.parent / "state"))
    with nursery.start(["up"], env=known, stderr=subprocess.PIPE) as process:
        while lock.holder(home) is None:
            pass
        assert "has stopped" in tollbridge(home, "down").stdout
        process.communicate(timeout=LIMIT_S)
    assert not (home / lock.LOCK_FILE).read_text()


def test_the_note_holds_no_secret_and_is_the_owners_alone(home: Path) -> None:
    """Of the terminal's variables it holds those that are in its list."""
    tollbridge(home, "up", "--background", AWS_SECRET_ACCESS_KEY="sk-secret", LANG="C.UTF-8")
    note = home / autostart.FILE
    assert note.stat().st_mode & 0o777 == 0o600
    told = json.loads(note.read_text())
    assert told["environment"]["LANG"] == "C.UTF-8"
    assert "sk-secret" not in note.read_text()
    assert told["command"][1:] == ["-P", "-m", "gateway", "up", "--background"]
