"""`tollbridge up` as a process: what it says before it says that it runs."""

import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway import clock
from gateway.config import config_file
from gateway.domain.budget import Entry, EntryKind, Scope, ScopeKind
from gateway.domain.money import Usd
from gateway.ports import Decision
from gateway.store import open_store
from tests import nursery
from tests.cli.kit import environment
from tests.fakes.bot_api import BotApi

LIMIT_S = 150


@pytest.fixture
def server() -> Iterator[BotApi]:
    """A Bot API server."""
    with BotApi() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with nothing in it, beside a directory to work in."""
    (tmp_path / "project").mkdir()
    place = tmp_path / "home"
    place.mkdir(mode=0o700)
    return place


def start(home: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """`tollbridge up` at work: locks of tokens beside the home, no agent to be found unless one is named."""
    nowhere = {"AGENTS__CLAUDE__COMMAND": "/nowhere/claude", "AGENTS__DIRECTORY": str(home.parent / "project")}
    settings = {f"TOLLBRIDGE_{name}": value for name, value in (nowhere | more).items()}
    return nursery.start(
        ["up", *arguments],
        env=environment(home, XDG_STATE_HOME=str(home.parent / "state"), **settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said_until(process: subprocess.Popen[str], words: str) -> str:
    """What it logs, up to the line that holds these words."""
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if words in line:
            return "".join(lines)
    raise AssertionError(f"it ended before {words!r}: {lines}")


def end(process: subprocess.Popen[str]) -> None:
    """SIGTERM, and a quiet end."""
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, said


def of_the_bot(server: BotApi, token: str = "") -> dict[str, str]:
    """The settings of a bot with one person."""
    token = token or server.token
    return {"TELEGRAM__TOKEN": token, "TELEGRAM__BASE_URL": server.base_url, "TELEGRAM__ALLOWED_USERS": "[4711]"}


def test_a_start_names_the_bot_offers_its_commands_and_misses_the_agent(home: Path, server: BotApi) -> None:
    """Whom to write to, and what will not work, stand in the log before the first message can be lost on it."""
    process = start(home, **of_the_bot(server))
    said = said_until(process, "the gateway runs")
    deadline = time.monotonic() + LIMIT_S
    while len(server.commands) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    end(process)
    assert "bot=@tollbridge_test_bot" in said.splitlines()[-1]
    assert "There is no program '/nowhere/claude'" in said
    assert [entry["command"] for entry in server.commands["default"]] == ["start"]
    assert "settings" in [entry["command"] for entry in server.commands["all_group_chats"]]


@pytest.mark.parametrize(
    ("users", "words"),
    [("[]", "nobody is allowed"), ('["@ada"]', "is not a numeric id"), ('["ada"]', "is not a numeric id")],
)
def test_without_people_by_number_nothing_starts(home: Path, server: BotApi, users: str, words: str) -> None:
    """Attacks 1 and 2: nobody, and somebody by a name that anybody can take: the program ends and has asked Telegram for nothing."""
    process = start(home, **of_the_bot(server) | {"TELEGRAM__ALLOWED_USERS": users})
    _, said = process.communicate(timeout=LIMIT_S)
    assert process.returncode not in (0, None)
    assert words in said
    assert "the gateway runs" not in said
    assert server.log == []


def test_a_wrong_token_ends_the_start_before_anything_runs(home: Path, server: BotApi) -> None:
    """The one sentence is about the token; nothing says that a gateway runs."""
    process = start(home, **of_the_bot(server, "1:AA"))
    _, said = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1
    assert "does not accept this bot token" in said
    assert "runs" not in said


def test_a_start_without_a_network_goes_on(home: Path, server: BotApi) -> None:
    """After a power cut the gateway may be up before the router is."""
    bot = of_the_bot(server)
    server.goes_down()
    process = start(home, **bot)
    said = said_until(process, "the gateway runs")
    end(process)
    assert "Telegram cannot be reached yet" in said


def test_settings_that_others_could_read_are_closed_and_that_is_said(home: Path, server: BotApi) -> None:
    """A home of 755 and a config.toml of 644 are private from the first start on."""
    config_file(home).write_text("pause_minutes = 5\n", encoding="utf-8")
    config_file(home).chmod(0o644)
    home.chmod(0o755)
    process = start(home, **of_the_bot(server))
    said = said_until(process, "the gateway runs")
    end(process)
    for path, mode in ((home, 0o700), (config_file(home), 0o600)):
        assert stat.S_IMODE(path.stat().st_mode) == mode
        assert f"path={path}" in said
    assert "open to other users" in said


def test_settings_behind_a_link_are_refused(home: Path, server: BotApi) -> None:
    """What doctor calls wrong does not start."""
    (home.parent / "elsewhere.toml").write_text("", encoding="utf-8")
    config_file(home).symlink_to(home.parent / "elsewhere.toml")
    process = start(home, **of_the_bot(server))
    _, said = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1
    assert "is a symbolic link" in said


def test_the_terminals_chat_says_who_works_where_and_how_to_leave(home: Path) -> None:
    """Nobody sits before a bare prompt; an agent that is not there is said on the screen."""
    process = start(home, "--chat", "console")
    shown, said = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, said) == (0, "")
    text = "".join(shown.split())  # it is wrapped wherever a long path ends a line
    words = f"The claude agent works in {home.parent / 'project'}, for at most $5.00 a session and $25.00 a day"
    assert words.replace(" ", "") in text
    assert "/helpexplains;Ctrl-Dleaves." in text
    assert "Thereisnoprogram'/nowhere/claude'" in text


@pytest.mark.anyio
@pytest.mark.parametrize(("limit", "words"), [("30", " and $30.00 a day, at"), ("1000000", ", at")])
async def test_the_terminals_chat_names_the_limit_that_counts_today(home: Path, limit: str, words: str) -> None:
    """Set in the chat since, or taken away: the settings' one is not what stops anybody."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    entry = Entry(EntryKind.LIMIT, (Scope(ScopeKind.DAY, today),), limit=Usd.parse(limit), who="4711")
    async with open_store(home) as store:
        await store.transact(lambda _: Decision(None, entries=(entry,)), clock.now_ms())
    process = start(home, "--chat", "console", TIMEZONE="UTC")
    shown, said = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, said) == (0, "")
    assert f"$5.00 a session{words} list prices" in " ".join(shown.split())


def test_a_demo_without_a_prompt_names_the_one_that_plays_by_itself(home: Path) -> None:
    """`tollbridge demo </dev/null` shows nothing of what it is for: that is said, with what to type and what to start instead."""
    done = nursery.run(["demo"], env=environment(home))
    assert done.returncode == 1
    assert 'Type "fix the flaky login test"' in " ".join(done.stdout.split())
    assert done.stderr.startswith("tollbridge: no prompt came in")
    assert "demo --unattended` plays it" in done.stderr


def test_a_demo_whose_reader_goes_away_ends_quietly(home: Path) -> None:
    """`tollbridge demo --unattended | head -3` leaves no traceback."""
    process = nursery.start(
        ["demo", "--unattended"],
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert os.read(process.stdout.fileno(), 100)
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(LIMIT_S), said) == (1, "")
