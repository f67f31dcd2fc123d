"""`tollbridge scan` as people and programs meet it: real processes over made-up homes of logs."""

import fcntl
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import scan_prices, scan_readers, scanning
from gateway.cli.scan_prices import Prices
from gateway.core.logged import Row, day, flat
from gateway.domain.errors import TollbridgeError
from gateway.domain.logged import LoggedCall
from gateway.domain.usage import Rates, Tokens, Usage
from gateway.usage_store import open_usage
from tests.cli.kit import ROOT, environment
from tests.nursery import COMMAND

TRAPS = ROOT / "tests" / "usage_logs" / "fixtures" / "claude"
DAY = 1_793_527_200_000
RATES = Rates(1_000_000, 0, 0, 0, 0)
TOKENS = {
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "cache_write_unsplit",
    "output",
    "reasoning",
    "total",
}


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """A user's home in which Claude Code has worked, with two sessions, one a fork of the other, and a sub-agent."""
    place = tmp_path / "user"
    projects = place / ".claude" / "projects"
    shutil.copytree(TRAPS / "forks", projects / "-srv-project")
    renamed("models", projects / "-srv-other", "2")
    return place


def renamed(trap: str, place: Path, number: str) -> None:
    """A trap in this place, its messages under names that no other trap has."""
    shutil.copytree(TRAPS / trap, place)
    for log in place.glob("*.jsonl"):
        log.write_bytes(log.read_bytes().replace(b"msg_01", b"msg_0" + number.encode()))


def run(user: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, in that user's home."""
    plain = {"HOME": str(user), "CLAUDE_CONFIG_DIR": "", "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": "", **more}
    return subprocess.run(
        [*COMMAND, "scan", *arguments],
        env=environment(user / "tollbridge", **plain),
        cwd=user,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def figures(user: Path, *arguments: str) -> dict[str, Any]:
    """What it says for programs."""
    done = run(user, "--json", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_the_figures_for_programs_are_all_there_and_exact(user: Path):
    """Forks: 0.75, 1 and 1.25 thousandths of a dollar, of 4 of 5 lines; beside them two calls on models without a price."""
    said = figures(user)
    by_model = said.pop("by_model")
    tokens = said.pop("tokens")
    assert said == {
        "schema": 1,
        "files": 3,
        "records": 10,
        "calls": 5,
        "duplicates": 2,
        "unreadable": 0,
        "lower_bound_calls": 0,
        "unpriced_calls": 2,
        "cost_usd": "0.003",
    }
    assert set(tokens) == TOKENS
    assert (tokens["input"], tokens["output"], tokens["total"]) == (407, 71, 478)
    assert set(by_model) == {"claude-opus-4-8", "somebody-elses-model", "unknown"}
    assert (by_model["claude-opus-4-8"]["cost_usd"], by_model["unknown"]["cost_usd"]) == ("0.003", None)


def test_a_second_look_reads_only_what_was_added_and_says_all(user: Path):
    """The same figures again; a line more, and it is in them; a log that is gone takes nothing away."""
    first = figures(user)
    assert figures(user) == first
    log = user / ".claude" / "projects" / "-srv-other" / "11111111-2222-4333-8444-555555555555.jsonl"
    line = log.read_bytes().splitlines(keepends=True)[0].replace(b"msg_02A", b"msg_02X")
    with log.open("ab") as file:
        file.write(line)
    second = figures(user)
    assert (second["calls"], second["records"]) == (first["calls"] + 1, first["records"] + 1)
    log.unlink()
    assert figures(user) == second


def test_a_log_that_was_rewritten_longer_in_its_place_is_counted_as_it_is_now(user: Path):
    """Its records are those that are in it, and not those of both; the calls that it told before stay."""
    (log,) = (user / ".claude" / "projects" / "-srv-other").glob("*.jsonl")
    first = figures(user, str(log))
    about = log.stat()
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(b"{}\n" + line.replace(b"msg_02", b"msg_07") for line in lines))
    assert (log.stat().st_ino, log.stat().st_size > about.st_size) == (about.st_ino, True)
    second = figures(user, str(log))
    assert second["records"] == 2 * len(lines) == 2 * first["records"]
    assert second["calls"] > first["calls"]
    assert second["duplicates"] == 0
    assert figures(user, str(log)) == second


def test_a_place_has_figures_of_its_own(user: Path):
    """A user's home, an agent's, a folder, a log; each is read for itself."""
    claude = user / ".claude"
    everything = figures(user)
    assert figures(user, str(user)) == figures(user, str(claude)) == everything
    assert figures(user, str(claude / "projects" / "-srv-project"))["calls"] == 3
    (log,) = (claude / "projects" / "-srv-other").glob("*.jsonl")
    assert figures(user, str(log))["calls"] == 2
    assert figures(user, str(log), str(claude / "projects" / "-srv-project"))["calls"] == 5
    assert figures(user) == everything


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda _place: None,
            "cannot be looked into (No such file or directory): name a folder or a file that is there",
        ),
        (lambda place: place.mkdir(), "holds no logs of an agent that is known here: name the home of one"),
        (lambda place: place.write_text("text"), "holds no logs of an agent that is known here: name the home of one"),
    ],
)
@pytest.mark.parametrize("as_json", [True, False])
def test_a_path_at_which_there_are_no_logs_is_an_error(
    user: Path, make: Callable[[Path], object], said: str, as_json: bool
):
    """One sentence that says what to name instead."""
    make(user / "place")
    done = run(user, *(["--json"] if as_json else []), str(user / "place"))
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_machine_without_logs_is_told_so(tmp_path: Path):
    """No error: nothing was used."""
    (tmp_path / "user").mkdir()
    done = run(tmp_path / "user")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("No calls were found: 0 logs read.")


def test_the_table_fits_80_columns_and_says_what_its_marks_mean(user: Path):
    """Models, the dearest first; list prices; what is unpriced, and what is a lower bound."""
    renamed("old_log", user / ".claude" / "projects" / "-srv-old", "3")
    done = run(user, COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines[2:6]] == [
        "claude-opus-4-8",
        "claude-opus-4-5-20251101",
        "somebody-elses-model",
        "unknown",
    ]
    text = " ".join(lines)
    for words in (
        "+ at least this much: 1 call",
        "? without 2 calls whose model has no known price",
        "Costs are list prices",
    ):
        assert words in text


def test_logs_that_cannot_be_read_are_counted(user: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A folder that is called like a log, a link that leads nowhere: the others are read."""
    projects = user / ".claude" / "projects" / "-srv-project"
    (projects / "gone.jsonl").symlink_to(tmp_path / "nowhere")
    assert figures(user)["calls"] == 5

    def refused(path: str, since: object) -> object:
        raise PermissionError(13, "Permission denied", path, None, str(since))

    monkeypatch.setattr(scan_readers.CLAUDE, "read", refused)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with open_usage(home, b"") as store:
        found = scanning.look(store, [(0, str(user / ".claude"))], Prices())
    assert (found.unread, found.figures.files) == (3, 0)


def test_one_scan_at_a_time_reads_for_a_home(user: Path):
    """Another one says so, and who it is; nothing is waited for without end."""
    home = user / "tollbridge"
    home.mkdir(mode=0o700)
    with (home / "usage.lock").open("w") as held:
        held.write("4711\n")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        done = run(user)
    assert done.returncode == 1
    assert "another scan (process 4711) is reading the logs: wait until it is done" in done.stderr


def test_many_logs_are_read_by_several_processes_to_the_same_figures(
    user: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Portions go to whoever is free; what comes of it does not depend on who read what."""
    for number in range(40):
        shutil.copytree(TRAPS / "cache_writes", user / ".claude" / "projects" / f"p{number}")
    found = []
    for workers, small in ((1, 1 << 40), (3, 0)):
        monkeypatch.setattr(scanning, "_processors", lambda workers=workers: workers)
        monkeypatch.setattr(scanning, "SMALL", small)
        monkeypatch.setattr(scanning, "JOB_FILES", 2)
        home = tmp_path / f"home{workers}"
        home.mkdir(mode=0o700)
        told: list[tuple[int, int]] = []
        with open_usage(home, b"") as store:
            found.append(
                scanning.look(
                    store, [(0, str(user / ".claude"))], Prices(), lambda *so_far, told=told: told.append(so_far)
                )
            )
        assert told[-1][0] == told[-1][1]
    assert found[0] == found[1]
    assert found[0].figures.told == 4 * 40 + 5 + 2


def test_a_reader_that_is_ended_from_outside_is_an_error_and_none_is_left(user: Path):
    """What it had not told is missing, and it is said; all its siblings are gone afterwards."""
    paths = list(scan_readers.CLAUDE.files(str(user / ".claude")))
    jobs = [scan_readers.Job(0, path, None, 1, 1) for path in paths]
    readers = scan_readers.Readers([], 2)
    children = list(readers._children.values())
    readers._shares = [jobs]
    for child in children:
        os.kill(child, signal.SIGKILL)
    with pytest.raises(TollbridgeError, match="ended from outside"):
        list(readers.outcomes())
    readers.end()
    for child in children:
        with pytest.raises(ChildProcessError):
            os.waitpid(child, 0)


def test_watching_says_what_changes_until_it_is_interrupted(user: Path):
    """A line of JSON at once, another after a line was added, and then Ctrl-C."""
    process = subprocess.Popen(
        [*COMMAND, "scan", "--json", "--watch"],
        env=environment(user / "tollbridge", HOME=str(user), PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    guard = threading.Timer(120, process.kill)
    guard.start()
    try:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        log = user / ".claude" / "projects" / "-srv-other" / "11111111-2222-4333-8444-555555555555.jsonl"
        with log.open("ab") as file:
            file.write(log.read_bytes().splitlines(keepends=True)[0].replace(b"msg_02A", b"msg_02X"))
        second = json.loads(process.stdout.readline())
        assert second["calls"] == first["calls"] + 1
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        guard.cancel()
        process.kill()
    assert (process.returncode, errors) == (130, "")


def test_the_short_way_says_what_the_whole_command_says(user: Path):
    """Programs that ask for JSON are answered without the other commands; an unknown option is still an error."""
    assert run(user, "--json").stdout == run(user, "--json", "--", str(user)).stdout
    assert run(user, "--json", "--nonsense").returncode == 2


def test_on_a_terminal_a_bar_is_drawn_and_taken_away_again(user: Path):
    """On stderr alone, where there is much to read: the figures on stdout stay as they are."""
    log = user / ".claude" / "projects" / "-srv-project" / "big.jsonl"
    log.write_bytes((b'{"type":"user","message":"' + b"x" * 1_000_000 + b'"}\n') * 40)
    ours, theirs = pty.openpty()
    shown = bytearray()

    def listen() -> None:
        try:
            while chunk := os.read(ours, 4096):
                shown.extend(chunk)
        except OSError:
            return

    listener = threading.Thread(target=listen)
    listener.start()
    done = subprocess.run(
        [*COMMAND, "scan"],
        env=environment(user / "tollbridge", HOME=str(user), TERM="xterm"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        timeout=150,
        check=False,
    )
    os.close(theirs)
    listener.join(timeout=30)
    os.close(ours)
    assert done.returncode == 0
    assert b"reading logs" in shown
    assert b"reading logs" not in done.stdout


def row(model: str, at_ms: int, **more: int) -> Row:
    """A call of a hundred thousand tokens, or of more."""
    searches = more.pop("web_searches", 1)
    usage = Usage(model, Tokens(**({"input": 100_000} | more)), web_searches=searches)
    return flat(LoggedCall("id", "s", "", at_ms, usage))


def test_prices_that_were_looked_up_are_kept_and_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Cliffs and models without a price too; they count while the list of prices is the same, and whatever else is in the file does not."""
    kept = tmp_path / scan_prices.KEPT
    rows = [
        row("claude-sonnet-4-5", DAY),
        row("claude-sonnet-4-5", DAY, output=1, cache_read=200_000),
        row("nobody's", DAY),
    ]
    first = scan_prices.Prices(kept)
    costs = [first.cost(one) for one in rows]
    # 100,000 tokens at $3 a million and a search; beyond 200,000 at $6, $0.60 and $22.50; no price
    assert costs == [300_000_000 + 10_000_000, 600_000_000 + 120_000_000 + 22_500 + 10_000_000, None]
    first.keep()
    looked_up: list[scan_prices.Terms] = []
    nothing = ((day(date.min),), (None,))
    monkeypatch.setattr(scan_prices, "_look_up", lambda terms: looked_up.append(terms) or nothing)
    second = scan_prices.Prices(kept)
    assert ([second.cost(one) for one in rows], looked_up) == (costs, [])
    for broken in (kept.read_bytes() + b"\nx", b"\xff", kept.read_bytes().replace(b"-", b"+", 1), b""):
        kept.write_bytes(broken)
        scan_prices.Prices(kept).cost(rows[0])
    assert len(looked_up) == 4


def test_a_second_look_loads_no_more_than_it_needs(user: Path):
    """Nothing that decodes where nothing was added, and no list of prices where the model is known, whatever the day."""

    def loaded() -> set[str]:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "gateway", "scan", "--json"],
            env=environment(user / "tollbridge", HOME=str(user)),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=150,
            check=True,
        )
        return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    assert {"genai_prices", "msgspec"} <= loaded()
    heavy = {"genai_prices", "typer", "rich", "sqlalchemy", "pydantic", "platformdirs"}
    assert not loaded() & (heavy | {"msgspec"})
    log = user / ".claude" / "projects" / "-srv-other" / "11111111-2222-4333-8444-555555555555.jsonl"
    line = log.read_bytes().splitlines(keepends=True)[0].replace(b"msg_02A", b"msg_02X")
    with log.open("ab") as file:
        file.write(line.replace(b"2026-11-01T", b"2026-11-09T"))
    assert not loaded() & heavy


def test_where_prices_cannot_be_kept_they_are_looked_up_again(tmp_path: Path):
    """A file in the folder's place is no error."""
    (tmp_path / "home").write_text("")
    prices = scan_prices.Prices(tmp_path / "home" / scan_prices.KEPT)
    assert prices.cost(row("claude-opus-4-8", DAY)) == 510_000_000
    prices.keep()
    assert (tmp_path / "home").read_text() == ""


def test_a_new_day_of_a_known_model_needs_no_list_of_prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What is kept holds for every day: the price of o3 fell on 10 June 2025, whichever day was asked for first."""
    kept = tmp_path / scan_prices.KEPT
    first = scan_prices.Prices(kept)
    change = 1_749_513_600_000  # 2025-06-10, UTC
    # 100,000 tokens at $2 a million, and before that day at $10
    assert [first.cost(row("o3", change, web_searches=0))] == [200_000_000]
    first.keep()
    monkeypatch.setattr(scan_prices, "_look_up", None)
    second = scan_prices.Prices(kept)
    days = (change - 1, change, change + 86_400_000, 0, 4_102_444_799_999)
    costs = [second.cost(row("o3", at, web_searches=0)) for at in days]
    assert costs == [1_000_000_000, 200_000_000, 200_000_000, 1_000_000_000, 200_000_000]


def test_a_model_without_a_price_is_looked_up_again_in_another_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It stays unpriced while the list is the same, and no longer."""
    kept = tmp_path / scan_prices.KEPT
    first = scan_prices.Prices(kept)
    assert first.cost(row("nobody's", DAY)) is None
    first.keep()
    asked: list[scan_prices.Terms] = []
    monkeypatch.setattr(scan_prices, "_look_up", lambda terms: asked.append(terms) or ((day(date.min),), (RATES,)))
    assert (scan_prices.Prices(kept).cost(row("nobody's", DAY)), asked) == (None, [])
    monkeypatch.setattr(scan_prices, "source", lambda: "another list")
    assert scan_prices.Prices(kept).cost(row("nobody's", DAY, web_searches=0)) == 100_000
    assert asked == [("nobody's", "standard", "standard", "")]


def test_no_name_in_a_log_can_write_a_price(tmp_path: Path):
    """A model whose name holds a line of the kept file's own form leaves the others what they are."""
    kept = tmp_path / scan_prices.KEPT
    hostile = f"x\tstandard\tstandard\t\t{day(date.min)}:0 0 0 0 0 0 0\nclaude-opus-4-8"
    first = scan_prices.Prices(kept)
    assert first.cost(row(hostile, DAY)) is None
    assert first.cost(row("claude-haiku-4-5", DAY)) is not None
    first.keep()
    second = scan_prices.Prices(kept)
    assert second.is_known
    assert second.cost(row("claude-opus-4-8", DAY)) == 510_000_000
    assert hostile.encode() not in kept.read_bytes()


def test_the_logs_of_every_known_agent_are_read_together(user: Path):
    """Four agents have worked here: the figures are the sum of what each says alone, whichever way their home is named."""
    others = TRAPS.parent
    shutil.copytree(others / "codex" / "models", user / ".codex" / "sessions")
    shutil.copytree(others / "gemini" / "totals", user / ".gemini" / "tmp" / "p")
    shutil.copytree(others / "opencode" / "legacy", user / ".local" / "share" / "opencode")
    homes = (".claude", ".codex", ".gemini", ".local/share/opencode")
    alone = [figures(user, str(user / home)) for home in homes]
    assert all(one["calls"] > 0 for one in alone)
    together = figures(user)
    for name in ("files", "records", "calls", "duplicates", "unreadable", "unpriced_calls"):
        assert together[name] == sum(one[name] for one in alone), name
    assert together["tokens"]["total"] == sum(one["tokens"]["total"] for one in alone)
    assert figures(user, str(user))["calls"] == together["calls"]
