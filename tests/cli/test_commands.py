"""The command line as people meet it: real processes, their exit codes and what they say."""

import json
import os
import signal
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pytest

import gateway.cli
from gateway.config import config_file
from gateway.domain.budget import Entry, EntryKind
from gateway.domain.estimate import Estimate
from gateway.domain.money import Usd
from gateway.domain.place import Unmetered
from gateway.domain.usage import UNLISTED
from gateway.ports import Decision
from gateway.store import open_store
from tests import nursery
from tests.cli.kit import ROOT, environment, session, turn

TOKEN = "123456789:AAE-made_up_for_tests"


def run(home: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end. A report looks for agents' logs in a home directory of its own."""
    own = {"HOME": str(home.parent), "CLAUDE_CONFIG_DIR": "", "CODEX_HOME": ""} if "report" in arguments else {}
    return nursery.run(arguments, env=environment(home, **{**own, **more}), cwd=home.parent)


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence on stderr with which a command failed, after checking that it is one."""
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert done.stdout == ""
    assert done.stderr.startswith("tollbridge: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    return done.stderr.removeprefix("tollbridge: ").strip()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with nothing in it."""
    place = tmp_path / "home"
    place.mkdir(mode=0o700)
    return place


def test_version_prints_the_version_of_the_distribution(home: Path):
    """The figure stands in one place, from which the distribution is built."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" in settings["project"]["dynamic"]
    assert ROOT / settings["tool"]["hatch"]["version"]["path"] == Path(gateway.cli.__file__)
    done = run(home, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"tollbridge {gateway.cli.VERSION}\n", "")
    assert run(home, "--version", "report").stdout == done.stdout


def test_version_imports_none_of_the_libraries(home: Path):
    """`tollbridge --version` answers before anything heavy is loaded."""
    code = (
        "import sys; sys.argv = ['tollbridge', '--version']; from gateway.cli import main; main(); "
        "print(sorted({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names - set(sys.builtin_module_names)))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=150,
        check=True,
    )
    assert done.stdout.splitlines()[1] == "['__main__', 'gateway']"


def test_version_takes_about_as_long_as_a_bare_interpreter(home: Path):
    """The best of five starts is within 30 ms of Python's own."""

    def best(*command: str) -> float:
        times: list[float] = []
        for _ in range(5):
            began = perf_counter()
            subprocess.run(command, env=environment(home), capture_output=True, timeout=150, check=True)
            times.append(perf_counter() - began)
        return min(times)

    bare = best(sys.executable, "-c", "pass")
    ours = best(sys.executable, "-c", "from gateway.cli import main; main()", "--version")
    assert ours - bare < 0.03


def test_help_names_every_command(home: Path):
    """Who knows nothing starts here; the list loads no adapter."""
    done = run(home, "--help")
    assert done.returncode == 0
    for command in ("up", "setup", "doctor", "sessions", "report", "reprice", "demo"):
        assert f"\n  {command} " in done.stdout


def test_a_command_that_does_not_exist_is_a_usage_error(home: Path):
    """Exit code 2, with where to find the right ones."""
    for arguments in (("fly",), ("up", "--chat", "pigeon"), ("report", "--jsn")):
        done = run(home, *arguments)
        assert done.returncode == 2
        assert "--help" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "there is no bot token yet: run `tollbridge setup`"),
        ({"TOLLBRIDGE_TELEGRAM__TOKEN": TOKEN}, "nobody is allowed to write to the bot yet"),
        ({"TOLLBRIDGE_TELEGRAM__TOKEN": "s3cret"}, "this is not a bot token"),
        ({"TOLLBRIDGE_TELEGRAM__ALLOWED_USERS": '["@alice"]'}, "'@alice' is not a numeric id"),
        ({"TOLLBRIDGE_BUDGETS__DAY_USD": "-1"}, "'-1' is not an amount in dollars"),
        ({"TOLLBRIDGE_BUDGETS__DAY_USD": "nan"}, "'nan' is not an amount in dollars"),
        ({"TOLLBRIDGE_BUDGETS__CONFIRM_ABOVE_USD": "1e9"}, "'1e9' is not an amount in dollars"),
        ({"TOLLBRIDGE_BUGDETS__DAY_USD": "1"}, "TOLLBRIDGE_BUGDETS__DAY_USD is not a setting"),
        ({"TOLLBRIDGE_AGENTS__DEFAULT": "hal"}, "TOLLBRIDGE_AGENTS__DEFAULT: "),
    ],
)
def test_up_refuses_bad_settings_in_one_sentence(home: Path, variables: dict[str, str], words: str):
    """What is wrong and what to do, exit code 1, and no secret in it."""
    said = refusal(run(home, "up", **variables))
    assert words in said
    assert "s3cret" not in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("up", "--chat", "consol"), "'consol' is none of telegram, console"),
        (("report", "--team", "--by", "colour"), "'colour' is none of session, project, agent, model, person, day"),
        (("bank", "limit", "decade", "5"), "'decade' is none of day, week, month, ever"),
    ],
)
def test_a_choice_that_there_is_not_is_said_in_our_own_words(home: Path, arguments: tuple[str, ...], words: str):
    """What was written, and what there is; nothing of the library's that found it out."""
    done = run(home, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in " ".join(done.stderr.split())
    assert "Value error" not in done.stderr


def test_up_refuses_a_directory_that_does_not_exist(home: Path):
    """Before anything starts, in the terminal's chat too."""
    gone = str(home.parent / "gone")
    assert gone in refusal(run(home, "up", "--chat", "console", TOLLBRIDGE_AGENTS__DIRECTORY=gone))


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[telegram\n", "config.toml is not valid TOML: "),
        (
            "[telegram]\ntokn = 'x'\n",
            "telegram.tokn: there is no such setting; did you mean token? Known here: allowed_users",
        ),
        ("[budgets]\nday_usd = 1e9\n", "budgets.day_usd: '1e9' is not an amount"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(home: Path, toml: str, words: str):
    """The file, the name in it, and what is wrong."""
    config_file(home).write_text(toml, encoding="utf-8")
    assert words in refusal(run(home, "up"))


def test_a_corrupt_database_is_one_sentence(home: Path):
    """It names the file, which is left as it is."""
    database = home / "tollbridge.db"
    database.write_bytes(b"this is no database" * 1000)
    database.chmod(0o600)
    before = database.read_bytes()
    project = home.parent / "project"
    project.mkdir()
    for command in (("report",), ("sessions",), ("up", "--chat", "console")):
        assert refusal(run(home, *command, TOLLBRIDGE_AGENTS__DIRECTORY=str(project))).startswith(f"{database}: ")
    assert database.read_bytes() == before


@pytest.mark.parametrize(
    "options",
    [
        ("--team", "--estimates"),
        ("--team", "--session", "s_1"),
        ("--team", "--csv"),
        ("--team", "--by", "day"),
        ("--team", "week"),
        ("--session", "s_1", "--since", "7d"),
        ("--estimates", "--by", "model"),
        ("--estimates", "--no-logs", "--top", "3"),
        ("--csv", "--json"),
        ("week", "--since", "7d"),
        ("--by", "person", "--top", "3"),
    ],
)
def test_a_report_says_which_options_do_not_go_together(home: Path, options: tuple[str, ...]):
    """None of them is dropped without a word."""
    assert "--" in refusal(run(home, "report", *options))


def test_reading_commands_make_nothing(home: Path):
    """A home without a ledger has an empty account, and still no ledger afterwards."""
    nothing = json.loads(run(home, "report", "--json").stdout)
    assert (nothing["schema"], nothing["groups"], nothing["total"]["cost_usd"]) == (2, [], "0.00")
    assert "Nothing was spent yet" in run(home, "report").stdout
    assert "no sessions yet" in run(home, "sessions").stdout
    assert list(home.iterdir()) == []
    assert "Nothing was spent yet" in run(home.parent / "gone", "report").stdout
    assert "gone" in refusal(run(home.parent / "gone", "sessions"))
    assert not (home.parent / "gone").exists()


@pytest.mark.anyio
async def test_report_and_sessions_show_what_the_ledger_holds(home: Path):
    """The same account as JSON and as tables, all of it or one session's."""
    first, second = session(1), session(2)
    put = (first, second, turn(first, "0.420000001"), replace(turn(second, "0"), unpriced_calls=2))
    async with open_store(home, lambda: 1_795_000_000_000) as store:
        await store.transact(lambda _: Decision(None, put=put), 1_795_000_000_000)
    told = json.loads(run(home, "report", "all", "--json").stdout)
    assert [(one["name"], one["cost_usd"]) for one in told["groups"]] == [(first.id, "0.420000001"), (second.id, None)]
    only = json.loads(run(home, "report", "--json", "--session", second.id[:5]).stdout)
    assert (only["schema"], [one["id"] for one in only["sessions"]]) == (1, [second.id])
    tables = run(home, "report", "all").stdout
    assert "$0.42" in tables
    assert "unknown" in tables
    assert max(map(len, tables.splitlines())) <= 80
    listed = run(home, "sessions", TOLLBRIDGE_TIMEZONE="UTC").stdout
    assert first.id[:10] in listed
    assert "/srv/project" in listed
    assert "there is no session 'x'" in refusal(run(home, "report", "--session", "x"))


@pytest.mark.anyio
async def test_report_and_sessions_say_what_they_cannot_show(home: Path):
    """Sessions that went without Tollbridge below the tables, and what transcripts of the desk do not tell, in 80 columns."""
    desk, other = replace(session(1), agent="channel", agent_session="9f1c"), session(2)
    own = turn(desk, "0.42")
    unlisted = Entry(
        EntryKind.CALL, own.scopes, session_id=desk.id, spent=Usd.parse("0.31"), call_id=f"{UNLISTED}9f1c-7-0"
    )
    at_ms = 1_793_714_520_000
    off = Unmetered("9f1c", str(home.parent / "app"), at_ms - 9_000_000, at_ms)
    old = Unmetered("0c6a", "/srv/\x1b[2J", 0, 0)
    async with open_store(home, lambda: at_ms) as store:
        await store.transact(lambda _: Decision(None, put=(desk, other, own, off, old), entries=(unlisted,)), at_ms)
    where = {"HOME": str(home.parent), "TOLLBRIDGE_TIMEZONE": "UTC"}
    told = run(home, "report", "all", **where).stdout
    assert "Not metered: 2 sessions went with TOLLBRIDGE_OFF, the last on 3 Nov 14:02 in\n~/app.\n" in told
    assert "are added when a session ends ($0.31 so far); `" in " ".join(told.split())
    assert "plugin install --exact`" in told
    assert max(map(len, told.splitlines())) <= 80
    listed = run(home, "sessions", **where).stdout
    assert listed.splitlines()[-2:] == told[told.index("Not metered") :].splitlines()[:2]
    assert "keeps no record" not in listed
    assert all("at the desk" in said and "channel" not in said for said in (told, listed))
    one = {"session": "9f1c", "directory": off.directory, "since": "2026-11-03T11:32:00.000+00:00"}
    both = json.loads(run(home, "report", "all", "--json", **where).stdout)["unmetered"]
    assert [one["session"] for one in both] == ["0c6a", "9f1c"]
    [last] = json.loads(run(home, "report", "--json", "--session", desk.id, **where).stdout)["unmetered"]
    assert last == one | {"last": "2026-11-03T14:02:00.000+00:00"}
    assert json.loads(run(home, "report", "--json", "--session", other.id).stdout)["unmetered"] == []
    assert "transcript" not in run(home, "report", "--session", other.id, **where).stdout


def test_a_reader_that_goes_away_ends_the_report_quietly(home: Path):
    """`tollbridge report | head -0` leaves no traceback."""
    process = nursery.start(
        ["report", "--json"], env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.wait(timeout=150)
    process.stderr.close()
    assert "Traceback" not in said


def test_ctrl_c_ends_with_130_and_no_traceback(home: Path):
    """A question left open by Ctrl-C is no error."""
    process = nursery.start(
        ["setup"],
        env=environment(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    seen = b""
    while b"Token" not in seen:
        chunk = os.read(process.stdout.fileno(), 4096)
        assert chunk, seen
        seen += chunk
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=150)
    assert process.returncode == 130
    assert b"Traceback" not in said


@pytest.mark.anyio
async def test_report_tells_how_good_the_estimates_were(home: Path):
    """As JSON and in words, of all sessions or of one; without turns there is nothing to score, and the costs stay as they were."""
    assert "nothing to score yet" in run(home, "report", "--estimates").stdout
    first, second = session(1), session(2)
    said = Estimate(Usd(0), Usd.parse("1"), Usd.parse("2"), 20, Usd.parse("2"), "words")
    put = (first, second, replace(turn(first, "0.5"), estimate=said), replace(turn(second, "3"), estimate=said))
    async with open_store(home, lambda: 1_795_000_000_000) as store:
        await store.transact(lambda _: Decision(None, put=put), 1_795_000_000_000)
    told = json.loads(run(home, "report", "--estimates", "--json").stdout)
    assert (told["schema"], told["all"]["n"], told["all"]["coverage_p90"]) == (1, 2, 0.5)
    only = json.loads(run(home, "report", "--estimates", "--json", "--session", second.id[:5]).stdout)
    assert (only["all"]["n"], only["all"]["coverage_p90"]) == (1, 0)
    text = run(home, "report", "--estimates").stdout
    assert text.startswith("1 of 2 turns cost at most the p90")
    assert max(map(len, text.splitlines())) <= 80
    assert "there is no session 'x'" in refusal(run(home, "report", "--estimates", "--session", "x"))
    assert "coverage_p90" not in run(home, "report", "--json").stdout
