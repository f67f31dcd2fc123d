"""The wizard against the Bot API stand-in: as a whole in a real process, and its one loop by itself."""

import json
import os
import pty
import select
import stat
import subprocess
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from gateway import lock
from gateway.cli import bot_api, config_file, setup_history
from gateway.cli.bot_api import Person
from gateway.cli.setup import WAIT_FOR_MESSAGE_S, WELCOME, first_writer
from gateway.config import SettingsError, settings_from
from gateway.core.forecast import Past
from gateway.core.imported import History, Imported
from gateway.domain.money import Usd
from tests import nursery
from tests.cli.kit import ROOT, environment
from tests.fakes.bot_api import BotApi

LIMIT_S = 150


class Wizard:
    """`tollbridge setup` in a process of its own, its output read as it comes."""

    def __init__(
        self, home: Path, server: BotApi, *, terminal: bool = False, arguments: Sequence[str] = (), **more: str
    ) -> None:
        path = f"{home.parent}/bin:{os.environ['PATH']}"
        self.seen = ""
        theirs, ours = pty.openpty() if terminal else (None, None)
        self.process = nursery.start(
            ["setup", *arguments],
            env=environment(home, PATH=path, TOLLBRIDGE_TELEGRAM__BASE_URL=server.base_url, **more),
            cwd=home.parent,
            stdin=ours or subprocess.PIPE,
            stdout=ours or subprocess.PIPE,
            stderr=ours or subprocess.STDOUT,
            start_new_session=True,
        )
        if ours is not None:
            os.close(ours)
        pipes = self.process.stdin, self.process.stdout
        self._in = theirs if pipes[0] is None else pipes[0].fileno()
        self._out = theirs if pipes[1] is None else pipes[1].fileno()

    def shows(self, words: str) -> str:
        """Read on until the words are there; everything up to then."""
        assert self._out is not None
        deadline = monotonic() + LIMIT_S
        while words not in self.seen:
            assert monotonic() < deadline, f"{words!r} did not come: {self.seen}"
            if select.select([self._out], [], [], 1)[0]:
                chunk = os.read(self._out, 4096)
                assert chunk, f"it ended before {words!r}: {self.seen}"
                self.seen += chunk.decode()
        before, _, self.seen = self.seen.partition(words)
        return before + words

    def answers(self, line: str) -> None:
        """Type a line."""
        assert self._in is not None
        os.write(self._in, f"{line}\n".encode())

    def ends(self) -> int:
        """The exit code; nobody answers any more."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        code = self.process.wait(LIMIT_S)
        if self.process.stdout is not None:
            self.seen += self.process.stdout.read().decode()
            self.process.stdout.close()
        return code

    def killed(self) -> None:
        """Nobody wants to know how it goes on."""
        self.process.kill()
        self.ends()


@pytest.fixture
def server() -> Iterator[BotApi]:
    """A Bot API server that nobody else uses, and that found nothing to complain of."""
    with BotApi() as running:
        yield running
        assert running.violations == []


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that is not there yet, beside a Claude Code that says its version."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "claude"
    program.write_text("#!/bin/sh\necho '2.1.328 (Claude Code)'\n", encoding="utf-8")
    program.chmod(0o755)
    (tmp_path / "projects").mkdir()
    return tmp_path / "home"


def test_a_token_that_telegram_does_not_accept_is_asked_for_again(home: Path, server: BotApi):
    """By this very setup: nobody is sent to start another one."""
    wizard = Wizard(home, server)
    wizard.shows("Token")
    wizard.answers("1234567890:AA" + "e" * 33)
    wizard.shows("Paste the present one")
    wizard.answers(server.token)
    wizard.shows("https://t.me/")
    assert "setup` again" not in wizard.seen
    wizard.killed()


def test_on_a_terminal_no_word_is_cut_at_its_edge(home: Path, server: BotApi):
    """Sentences and questions go on in the next line as words, below where they began; a path stays whole."""
    wizard = Wizard(home, server, terminal=True, COLUMNS="40")
    shown = wizard.shows("it stays hidden")
    wizard.killed()
    lines = [line.rstrip("\r") for line in shown.splitlines()]
    assert "1. The bot. If you have none yet: write" in lines
    assert all(len(line) <= 40 or " " not in line.strip() for line in lines), lines


def test_the_wizard_leads_from_a_token_to_settings_that_hold(home: Path, server: BotApi):
    """Attack 50: token, link, first message, the person, agent, directory, budgets: written for the owner alone, and it loads."""
    wizard = Wizard(home, server)
    wizard.shows("Token")
    wizard.answers("nonsense")
    wizard.shows("not a bot token")
    wizard.answers(server.token)
    assert "https://t.me/" in wizard.shows("Waiting")
    assert "tollbridge plugin install" not in wizard.seen
    mallory, alice = server.user(66, "Mallory\u202e", "mallory"), server.user(4711, "Alice")
    mallory.says("hello")
    assert "Mallory\\u202e (@mallory), numeric id 66" in wizard.shows("[y/n]")
    wizard.answers("n")
    alice.says("/start")
    assert "Alice, numeric id 4711" in wizard.shows("[y/n]")
    wizard.answers("what?")
    wizard.shows("please answer y or n")
    wizard.answers("y")
    assert "bin/claude 2.1.328" in wizard.shows("In which directory")
    wizard.answers("projects")
    wizard.shows("write the whole path")
    wizard.answers(str(home.parent / "projects"))
    wizard.shows("for one session [5.00]")
    wizard.answers("1e9")
    wizard.shows("not an amount")
    wizard.answers("2.5")
    wizard.shows("for one day [25.00]")
    wizard.answers("0")
    wizard.shows("$0 lets nothing run")
    wizard.answers("")
    assert wizard.ends() == 0
    assert "plugin install` joins the Claude Code sessions that you open yourself" in wizard.seen.splitlines()[-1]
    assert server.token not in wizard.seen
    path = home / "config.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    settings = settings_from(path.read_text(encoding="utf-8"), {}, home)
    assert settings.telegram.token is not None
    assert settings.telegram.token.get_secret_value() == server.token
    assert settings.telegram.allowed_users == (4711,)
    assert settings.agents.directory == home.parent / "projects"
    assert (settings.budgets.session_usd.exact(), settings.budgets.day_usd.exact()) == ("2.50", "25.00")
    assert server.pending == []
    assert [message.text for message in alice.sees() if message.by_bot] == [WELCOME]
    assert [message for message in mallory.sees() if message.by_bot] == []
    assert sorted(entry.name for entry in home.iterdir()) == ["config.toml", "lock"]


SETTLED = {
    "TOLLBRIDGE_TELEGRAM__ALLOWED_USERS": "[4711]",
    "TOLLBRIDGE_BUDGETS__DAY_USD": "9",
    "TOLLBRIDGE_BUDGETS__SESSION_USD": "3",
}


def settled(home: Path, server: BotApi, *arguments: str, **more: str) -> str:
    """What setup says that has nothing left to ask."""
    known = {**SETTLED, "TOLLBRIDGE_TELEGRAM__TOKEN": server.token, "TOLLBRIDGE_AGENTS__DIRECTORY": str(home.parent)}
    user = {
        "HOME": str(home.parent),
        "CLAUDE_CONFIG_DIR": "",
        "XDG_CONFIG_HOME": "",
        "XDG_CACHE_HOME": "",
        "CODEX_HOME": "",
    }
    more = {"TOLLBRIDGE_HISTORY__READ_LOGS": "true", **known, **user, **more}
    wizard = Wizard(home, server, terminal=False, arguments=arguments, **more)
    assert wizard.ends() == 0, wizard.seen
    return " ".join(wizard.seen.split())


def test_at_the_end_it_is_said_what_agents_have_used_here(home: Path, server: BotApi):
    """Turns and their cost at list prices, or that there are none; where nobody wants it, nothing is read."""
    assert "Nothing yet: the first estimates rest on public sessions." in settled(home, server)
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    log = home.parent / ".claude" / "projects" / "-srv" / "0f1e.jsonl"
    log.parent.mkdir(parents=True)
    lines = []
    for number in range(12):
        at = (hour_ago + timedelta(minutes=number)).isoformat().replace("+00:00", "Z")
        lines.append({"promptId": f"p-{number}", "type": "user", "message": {"role": "user", "content": "go"}})
        told = {"id": f"msg_01{number:022}", "model": "claude-opus-4-8", "stop_reason": "end_turn"}
        message = {**told, "usage": {"input_tokens": 20_000, "output_tokens": 0}}
        lines.append({"type": "assistant", "timestamp": at, "sessionId": "0f1e", "message": message})
    log.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines), encoding="utf-8")
    said = settled(home, server)
    assert "Reading what your agents have used on this machine ..." in said
    words = (
        "12 turns of Claude Code in the last 90 days, $1.20 at list prices: the first estimate rests on all of them."
    )
    assert words in said
    assert "Reading" not in settled(home, server, "--no-logs")
    assert "Reading" not in settled(home, server, TOLLBRIDGE_HISTORY__READ_LOGS="false")


@pytest.mark.parametrize(
    ("agent", "turns", "words"),
    [
        ("claude", 0, ""),
        (
            "claude",
            1,
            "1 turn of Claude Code in the last 90 days, $0.50 at list prices: the first estimate rests on it.",
        ),
        (
            "claude",
            1_204,
            "1,204 turns of Claude Code in the last 90 days, $602.00 at list prices: the first estimate rests on 300 of them.",
        ),
        ("codex", 2, "2 turns of Codex in the last 90 days, $1.00 at list prices."),
    ],
)
def test_what_logs_tell_is_one_sentence(agent: str, turns: int, words: str):
    """With how far an estimate rests on it, where the gateway drives that agent."""
    past = Past("s", None, Usd.parse("0.50"), imported=True)
    assert setup_history.words(History(tuple(Imported(agent, str(at), at, past) for at in range(turns)))) == words


def test_logs_that_cannot_be_read_spoil_nothing(home: Path, server: BotApi):
    """It is said in a sentence, and setup is done."""
    lock.make_home(home)
    (home / "usage.db").write_bytes(b"no database" * 99)
    said = settled(home, server)
    assert "It could not be read (" in said
    assert "Written to" in said


def test_a_second_run_keeps_what_is_there(home: Path, server: BotApi):
    """Comments, unasked settings and people stay; waiting prompts of people who are let in already are not taken."""
    lock.make_home(home)
    path = home / "config.toml"
    path.write_text(
        f'# mine\n[telegram]\ntoken = "{server.token}"  # from BotFather\nallowed_users = [4711]\n\n[agents]\nidle_minutes = 3\n',
        encoding="utf-8",
    )
    server.user(4711, "Alice").says("please fix the tests")
    wizard = Wizard(home, server, TOLLBRIDGE_BUDGETS__DAY_USD="7", TOLLBRIDGE_AGENTS__DIRECTORY=str(home.parent))
    wizard.shows("keep the present one")
    wizard.answers("")
    assert "4711" in wizard.shows("Let in somebody else")
    wizard.answers("y")
    wizard.shows("Waiting")
    server.user(4712, "Bob").says("/start")
    wizard.shows("numeric id 4712")
    wizard.answers("y")
    assert "TOLLBRIDGE_AGENTS__DIRECTORY" in wizard.shows("for one session")
    wizard.answers("")
    assert "$7.00 (TOLLBRIDGE_BUDGETS__DAY_USD)" in wizard.shows("Written")
    assert wizard.ends() == 0
    text = path.read_text(encoding="utf-8")
    assert "# mine" in text
    assert "# from BotFather" in text
    assert tomllib.loads(text) == {
        "telegram": {"token": server.token, "allowed_users": [4711, 4712]},
        "agents": {"idle_minutes": 3},
        "budgets": {"session_usd": "5.00"},
    }
    assert [update["message"]["text"] for update in server.pending] == ["please fix the tests", "/start"]


def test_the_gateways_own_places_are_no_working_directory_by_accident(home: Path, server: BotApi):
    """Enter takes no directory that holds the home, which is refused, or the program, which has to be confirmed."""
    wizard = Wizard(
        home,
        server,
        TOLLBRIDGE_TELEGRAM__TOKEN=server.token,
        TOLLBRIDGE_TELEGRAM__ALLOWED_USERS="[4711]",
    )
    assert wizard.shows("new sessions work: ").endswith("new sessions work: ")
    wizard.answers("")
    wizard.shows("write the whole path")
    wizard.answers(str(ROOT))
    assert "Tollbridge itself is installed in" in wizard.shows("all the same? [y/N]")
    wizard.answers("")
    wizard.shows("name another one")
    wizard.answers(str(home.parent))
    wizard.shows("holds the gateway's own directory")
    wizard.answers(str(ROOT))
    wizard.shows("all the same? [y/N]")
    wizard.answers("y")
    wizard.shows("for one session")
    wizard.answers("100")
    wizard.shows("for one day")
    wizard.answers("10")
    assert "a session stops at $10.00 too" in wizard.shows("Written")
    assert wizard.ends() == 0
    settings = settings_from((home / "config.toml").read_text(encoding="utf-8"), {}, home)
    assert settings.agents.directory == ROOT


def test_a_welcome_that_fails_is_said_and_spoils_nothing(home: Path, server: BotApi):
    """Whoever blocked the bot in between is let in all the same."""
    server.fail_next("sendMessage", status=403, description="Forbidden: bot was blocked by the user")
    wizard = Wizard(
        home, server, TOLLBRIDGE_TELEGRAM__TOKEN=server.token, TOLLBRIDGE_AGENTS__DIRECTORY=str(home.parent)
    )
    wizard.shows("Waiting")
    server.user(4711, "Alice").says("/start")
    wizard.shows("[y/n]")
    wizard.answers("y")
    wizard.shows("for one session")
    wizard.answers("")
    wizard.shows("for one day")
    wizard.answers("")
    assert "Alice could not be told in Telegram: Telegram refused (HTTP 403" in wizard.shows("Written")
    assert wizard.ends() == 0
    assert server.token not in wizard.seen


def test_the_token_is_not_echoed_on_a_terminal(home: Path, server: BotApi):
    """Whoever looks over the shoulder sees nothing."""
    wizard = Wizard(home, server, terminal=True)
    wizard.shows("(it stays hidden): ")
    wizard.answers(server.token)
    assert server.token not in wizard.shows("The bot is @")
    wizard.killed()


def test_setup_is_refused_while_a_gateway_runs(home: Path, server: BotApi):
    """A running gateway and its file never disagree about who may do what."""
    with lock.hold(home):
        wizard = Wizard(home, server)
        assert wizard.ends() == 1
    assert f"another gateway (process {os.getpid()}) works with {home}" in wizard.seen
    assert not (home / "config.toml").exists()


def test_input_that_ends_early_writes_nothing(home: Path, server: BotApi):
    """Half a setup is none."""
    wizard = Wizard(home, server)
    wizard.shows("Token")
    wizard.answers(server.token)
    wizard.shows("Waiting")
    server.user(4711, "Alice").says("/start")
    wizard.shows("[y/n]")
    assert wizard.ends() == 1
    assert "the input ended" in wizard.seen
    assert "Traceback" not in wizard.seen
    assert not (home / "config.toml").exists()


def test_another_listener_is_said_in_one_sentence(home: Path, server: BotApi):
    """A bot that somebody else polls cannot be set up, and the sentence says why."""
    wizard = Wizard(home, server, TOLLBRIDGE_TELEGRAM__TOKEN=server.token)
    server.fail_next("getUpdates", status=409)
    assert wizard.ends() == 1
    assert "somebody else receives this bot's messages" in wizard.seen
    assert server.token not in wizard.seen


# ------------------------------------------------------------------------------------------ waiting for the first message
def message(update_id: int, person: int, *, chat: str = "private", bot: bool = False) -> dict[str, Any]:
    """An update with a message."""
    sender = {"id": person, "first_name": f"P{person}", "is_bot": bot}
    return {"update_id": update_id, "message": {"from": sender, "chat": {"id": person, "type": chat}, "text": "hi"}}


class Server:
    """Updates that wait until an offset confirms them, and the offsets that were asked for."""

    def __init__(self, *batches: list[dict[str, Any]]) -> None:
        self.batches = list(batches)
        self.waiting: list[dict[str, Any]] = []
        self.offsets: list[int | None] = []

    def poll(self, offset: int | None, _wait_s: int) -> list[Mapping[str, Any]]:
        """What getUpdates does."""
        self.offsets.append(offset)
        if offset is not None:
            self.waiting = [update for update in self.waiting if update["update_id"] >= offset]
        if self.batches:
            self.waiting += self.batches.pop(0)
        return list(self.waiting)


def test_only_a_persons_private_message_asks_to_be_let_in():
    """Groups, bots and taps are no introduction, and each stranger is asked about once."""
    server = Server(
        [message(1, 5, chat="group"), message(2, 6, bot=True), {"update_id": 3, "callback_query": {"from": {"id": 7}}}],
        [message(4, 8), message(5, 8)],
        [message(6, 8), message(7, 9)],
    )
    asked: list[int] = []
    found = first_writer(server.poll, frozenset(), lambda person: asked.append(person.id) or person.id == 9)
    assert found == Person(9, "P9", None)
    assert asked == [8, 9]
    assert server.waiting == []


def test_prompts_of_people_who_are_let_in_are_left_for_the_gateway():
    """As long as one waits, nothing is confirmed, and the wait is a pause instead of a long poll."""
    server = Server([message(1, 4711)], [], [message(2, 9)])
    pauses: list[float] = []
    found = first_writer(server.poll, frozenset({4711}), lambda _: True, pause=pauses.append)
    assert found == Person(9, "P9", None)
    assert server.offsets == [None, None, None]
    assert [update["update_id"] for update in server.waiting] == [1, 2]
    assert len(pauses) == 2


def test_the_wait_has_an_end():
    """After a quarter of an hour, or twenty strangers, nobody was let in."""
    times = iter([0.0, 1.0, WAIT_FOR_MESSAGE_S + 1.0])
    assert first_writer(Server().poll, frozenset(), lambda _: True, now=lambda: next(times)) is None
    crowd = Server([message(number, number) for number in range(1, 30)])
    assert first_writer(crowd.poll, frozenset(), lambda _: False) is None


# ------------------------------------------------------------------------------------------------------ the Bot API
@pytest.mark.parametrize("fault", ["drop_next", "cut_next", "html", "401", "unreachable"])
def test_no_failure_of_the_network_tells_the_token(server: BotApi, fault: str):
    """Whatever goes wrong is a sentence without the token, and without an exception that holds it."""
    base_url = server.base_url
    if fault == "html":
        server.fail_next("getWebhookInfo", status=502, html=True)
    elif fault == "401":
        server.fail_next("getWebhookInfo", status=401)
    elif fault == "unreachable":
        base_url = "http://127.0.0.1:1/bot"
    else:
        getattr(server, fault)("getWebhookInfo")
    with pytest.raises(bot_api.BotApiError) as caught:
        bot_api.webhook(server.token, base_url)
    assert server.token not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


# -------------------------------------------------------------------------------------------------- the settings file
def test_a_change_leaves_the_rest_of_the_file_to_the_letter():
    """Comments, order and spelling stay."""
    text = "# top\npause_minutes = 5\n\n[budgets]  # money\nday_usd = 7 # week days\n\n[agents.claude]\nmodel = 'x'\n"
    changed = config_file.merged(text, {"budgets": {"day_usd": "8"}, "agents": {"directory": "/srv"}, "telegram": {}})
    assert changed.startswith("# top\npause_minutes = 5\n\n[budgets]  # money\n")
    assert "# week days" in changed
    assert tomllib.loads(changed) == {
        "pause_minutes": 5,
        "budgets": {"day_usd": "8"},
        "agents": {"claude": {"model": "x"}, "directory": "/srv"},
    }
    assert config_file.merged("", {"telegram": {}}) == ""


def test_a_file_that_cannot_be_changed_is_refused():
    """A section that is a plain value is not overwritten."""
    with pytest.raises(SettingsError, match="by hand"):
        config_file.merged("budgets = 3", {"budgets": {"day_usd": "8"}})


def test_writing_is_all_or_nothing(tmp_path: Path):
    """A write that fails leaves the old file and no half of a new one; a link is not written through."""
    path = tmp_path / "config.toml"
    config_file.write(path, "a = 1\n")
    with pytest.raises(UnicodeEncodeError):
        config_file.write(path, "b = '\ud800'\n")
    assert path.read_text(encoding="utf-8") == "a = 1\n"
    assert list(tmp_path.iterdir()) == [path]
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(SettingsError, match="symbolic link"):
        config_file.write(tmp_path / "link", "c = 1\n")
    with pytest.raises(SettingsError, match="nothing was changed"):
        config_file.write(tmp_path / "gone" / "config.toml", "d = 1\n")
