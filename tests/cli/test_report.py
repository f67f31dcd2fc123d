"""`tollbridge report` as people meet it: the gateway's ledger and agents' logs, what both tell once, by figures made by hand."""

import json
import os
import pty
import sqlite3
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from gateway import lock
from gateway.core.meter import book
from gateway.domain.money import Usd
from gateway.domain.place import Grant, Role, Session
from gateway.domain.turn import Outcome, OutcomeKind, Turn
from gateway.domain.usage import Call, Flag, Tokens, Usage
from gateway.ports import Decision
from gateway.store import open_store
from tests import nursery
from tests.cli.kit import environment, session, turn

pytestmark = pytest.mark.anyio
KNOWN = "11111111-2222-4333-8444-555555555555"
ALONE = "66666666-7777-4888-9999-aaaaaaaaaaaa"
NOON = 1_793_534_400_000
"""Of the 1st of November 2026, in UTC."""
MINUTE = 60_000
ON_THE_DAY = ("--since", "2026-11-01", "--until", "2026-11-01", "--timezone", "UTC")


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """A person's own directory, in which no agent has worked yet."""
    return tmp_path


@pytest.fixture
def home(user: Path) -> Path:
    """The gateway's home, which is not there yet."""
    return user / "tollbridge"


def run(user: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    own = {"HOME": str(user), "CLAUDE_CONFIG_DIR": "", "CODEX_HOME": "", "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": ""}
    return nursery.run(["report", *arguments], env=environment(user / "tollbridge", **own, **more), cwd=user)


def values(user: Path, *arguments: str) -> dict[str, Any]:
    """What it says for programs."""
    done = run(user, "--json", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def is_there(path: Path) -> bool:
    """Whether anything has this name."""
    return path.exists()


def log(user: Path, agent_session: str, *calls: tuple[str, int], cwd: str = "/srv/app") -> None:
    """A log of Claude Code's with these calls, (name, minutes after noon), of $0.00075 each: 100 tokens in at $5, 10 out at $25 a million."""
    place = user / ".claude" / "projects" / "-srv-app"
    place.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    for name, minute in calls:
        at = f"2026-11-01T{12 + minute // 60:02}:{minute % 60:02}:00.000Z"
        usage = {
            "input_tokens": 100,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 10,
        }
        message = {
            "model": "claude-opus-4-8",
            "id": f"msg_01{name}",
            "type": "message",
            "role": "assistant",
            "usage": usage,
        }
        line = {"cwd": cwd, "sessionId": agent_session, "version": "2.1.328", "type": "assistant", "timestamp": at}
        lines.append(json.dumps(line | {"message": message | {"stop_reason": "end_turn"}, "requestId": f"req_{name}"}))
    (place / f"{agent_session}.jsonl").write_text("".join(f"{line}\n" for line in lines))


async def metered(
    home: Path, *records: object, calls: Sequence[tuple[Turn, str]] = (), grants: tuple[Grant, ...] = ()
) -> None:
    """What the gateway has booked: sessions, turns, and names of calls."""
    used = Usage("claude-opus-4-8", Tokens(input=100, output=10))
    entries = tuple(book(one, Call(name, used, Usd.parse("0.00075")))[1] for one, name in calls)
    decision = Decision(None, put=records, entries=entries, grants=grants)  # type: ignore[arg-type]
    async with open_store(lock.make_home(home), lambda: NOON) as store:
        await store.transact(lambda _: decision, NOON)


def ours() -> tuple[Session, Turn, Turn]:
    """A session that the gateway knows by its agent's name, a turn of it, and an hour later one whose cost was corrected."""
    known = replace(session(1), agent_session=KNOWN, title="Fix the login", directory="/srv/app")
    first = replace(turn(known, "0.002"), created_at_ms=NOON, ended_at_ms=NOON + MINUTE)
    fixed = replace(
        turn(known, "0.005"),
        id="t_2",
        prompt_uuid="2",
        created_at_ms=NOON + 60 * MINUTE,
        ended_at_ms=NOON + 70 * MINUTE,
        flags=frozenset({Flag.RECONCILED}),
    )
    return known, first, fixed


async def both(user: Path, home: Path) -> None:
    """Calls of one session in the ledger, by their message's name and by their request's; the log has those, two more, and another session."""
    known, first, fixed = ours()
    await metered(home, known, first, fixed, calls=[(first, "msg_01m1"), (first, "req_m2")])
    log(user, KNOWN, ("m1", 0), ("m2", 1), ("m4", 65), ("m3", 120))
    log(user, ALONE, ("m5", 30), ("m6", 31), cwd=str(user / "own"))


async def test_what_both_tell_counts_once(user: Path, home: Path):
    """By hand: $0.002 and $0.005 metered, where m1, m2 (by its request) and m4 (in the correction) are in; m3, m5 and m6 are $0.00075 each."""
    await both(user, home)
    told = values(user, *ON_THE_DAY)
    assert told["total"]["cost_usd"] == "0.00925"
    assert [(one["name"], one["cost_usd"], one["turns"], one["calls"]) for one in told["groups"]] == [
        (session(1).id, "0.00775", 3, 5),
        (ALONE, "0.0015", 1, 2),
    ]
    assert (told["sources"]["gateway"]["cost_usd"], told["sources"]["logs"]["cost_usd"]) == ("0.007", "0.00225")
    parts = told["sources"]["logs"]["parts_usd"]
    assert (parts["input"], parts["output"], parts["other"]) == ("0.0015", "0.00075", "0.00")
    assert told["total"]["parts_usd"]["other"] == "0.007"
    assert (told["total"]["turns"], told["total"]["turns_by_pauses"], told["total"]["sessions"]) == (4, 2, 2)
    without = values(user, *ON_THE_DAY, "--no-logs")
    assert (without["total"]["cost_usd"], without["total"]["sessions"]) == ("0.007", 1)
    assert values(user, *ON_THE_DAY) == told


async def test_a_corrected_turn_hides_no_money_but_its_own(user: Path, home: Path):
    """Attack 36: what its session used while it waited for a yes, and what another agent's log says of a session of that name, is told."""
    known, _, fixed = ours()
    waited = replace(fixed, created_at_ms=NOON + MINUTE, started_at_ms=NOON + 60 * MINUTE)
    await metered(home, known, waited)
    log(user, KNOWN, ("m1", 30), ("m4", 65))
    other = {
        "id": "msg_1",
        "sessionID": KNOWN,
        "role": "assistant",
        "modelID": "claude-opus-4-8",
        "providerID": "anthropic",
        "time": {"created": NOON + 65 * MINUTE},
        "tokens": {"input": 100, "output": 10},
    }
    place = user / ".local" / "share" / "opencode" / "storage" / "message" / KNOWN
    place.mkdir(parents=True)
    (place / "msg_1.json").write_text(json.dumps(other))
    told = values(user, *ON_THE_DAY)
    assert (told["sources"]["gateway"]["cost_usd"], told["sources"]["logs"]["cost_usd"]) == ("0.005", "0.0015")


async def test_a_machine_without_a_gateway_is_told_what_its_agents_used(user: Path, home: Path):
    """The first thing that a new user runs: nothing was set up, and the logs are priced."""
    log(user, ALONE, ("m5", 30), ("m6", 31))
    done = run(user, *ON_THE_DAY)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Spent, 1 Nov 2026\n$0.0015 in about 1 turn of 1 session, $0.0015 a turn; ")
    assert "All of it is from agents' own logs: no budget held any of it back." in done.stdout
    assert "`tollbridge setup`" in done.stdout.replace("\n", " ")
    assert not (home / "tollbridge.db").exists()


async def test_days_are_those_of_the_zone(user: Path, home: Path):
    """What began at noon in UTC is on the next day in Auckland."""
    await both(user, home)
    assert values(user, "all", "--by", "day", "--timezone", "UTC")["days"][0]["day"] == "2026-11-01"
    far = values(user, "all", "--timezone", "Pacific/Auckland", "--by", "day")
    assert (far["groups"][0]["name"], far["groups"][0]["first"][:13]) == ("2026-11-02", "2026-11-02T01")
    refused = run(user, "--timezone", "Mars/Olympus")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "no time zone is called 'Mars/Olympus'" in refused.stderr


async def test_each_by_names_what_people_know(user: Path, home: Path):
    """Projects with `~` for the person's own directory, people by their names and not by what they spent, models, agents."""
    known, first, fixed = ours()
    named = (Grant("4711", Role.OWNER, name="Ann"),)
    await metered(home, known, first, replace(fixed, person="815"), grants=named)
    log(user, ALONE, ("m5", 30), cwd=str(user / "own"))
    (user / "own" / ".git").mkdir(parents=True)
    said = {by: run(user, *ON_THE_DAY, "--by", by).stdout for by in ("project", "person", "agent", "model")}
    assert "\n~/own " in said["project"]
    assert "\n/srv/app " in said["project"]
    people = [line.split("  ")[0] for line in said["person"].split("\nperson ")[1].splitlines()[1:5]]
    assert people == ["(from logs)", "Ann", "815", "all"]
    assert "█" not in said["person"].split("\nperson ")[1]
    assert "\nClaude Code " in said["agent"]
    assert "\nclaude-opus-4-8 " in said["model"]


def test_a_session_that_only_its_agents_log_tells_of_is_shown_by_its_id(user: Path):
    """The report names it by the beginning of its id, and `--session` finds its turns by that: as text and for programs."""
    log(user, KNOWN, ("m1", 0), ("m2", 1), ("m3", 120))
    log(user, ALONE, ("n1", 0))
    (row,) = [line for line in run(user, *ON_THE_DAY, COLUMNS="80").stdout.splitlines() if KNOWN[:8] in line]
    assert row.split()[:2] == ["app", KNOWN[:8]]
    done = run(user, "--session", KNOWN[:8], COLUMNS="80", TZ="UTC")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:7] == [
        KNOWN,
        "Claude Code, /srv/app, claude-opus-4-8, began 1 Nov 2026",
        "",
        "began         calls  cached      cost",
        " 1 Nov 12:00      2     0 %   $0.0015",
        " 1 Nov 14:00      1     0 %  $0.00075",
        "2 turns           3     0 %   $0.0023",
    ]
    (told,) = values(user, "--session", KNOWN)["sessions"]
    assert (told["id"], told["agent"], told["cost_usd"], told["calls"]) == (KNOWN, "claude", "0.00225", 3)
    assert [(one["id"], one["origin"], one["cost_usd"]) for one in told["turns"]] == [
        (None, "log", "0.0015"),
        (None, "log", "0.00075"),
    ]


def test_what_could_not_be_read_of_logs_is_said_with_the_figures(user: Path):
    """A line that was cut off may have told a call, and nothing is said to have cost nothing for it."""
    log(user, ALONE, ("n1", 0))
    place = user / ".claude" / "projects" / "-srv-app" / f"{KNOWN}.jsonl"
    place.write_text('{"type":"assistant","message":{"usage":{"input_tokens":\n')
    said = run(user, *ON_THE_DAY, COLUMNS="80").stdout
    assert "1 record of agents' logs could not be understood, and may have told a call." in " ".join(said.split())
    assert values(user, *ON_THE_DAY)["unreadable"] == 1
    place.with_name(f"{ALONE}.jsonl").unlink()
    (user / "tollbridge" / "usage.db").unlink()
    assert "1 record of agents' logs" in run(user, COLUMNS="100").stdout


def test_a_session_that_nobody_knows_is_refused_with_where_ids_are(user: Path):
    """Neither the ledger nor a log tells of it, and a name of a project is no id."""
    log(user, ALONE, ("n1", 0))
    done = run(user, "--session", "app")
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no session 'app', neither the gateway's nor in agents' logs" in done.stderr


async def test_a_session_of_the_gateways_is_found_by_its_agents_own_id(user: Path, home: Path):
    """What the agent itself calls it leads to the turns that the gateway metered."""
    await metered(home, *ours())
    (told,) = values(user, "--session", KNOWN[:8])["sessions"]
    assert (told["id"], len(told["turns"])) == (session(1).id, 2)


async def test_csv_and_markdown_are_for_pasting(user: Path, home: Path):
    """A header that stays and a line for each group; a table with its heading; no words of a prompt or a title in them."""
    await both(user, home)
    lines = run(user, *ON_THE_DAY, "--csv").stdout.splitlines()
    assert lines[0].startswith("name,agent,project,first,last,sessions,turns,calls,cost_usd,input_usd,")
    assert lines[1].startswith(
        f"{session(1).id},claude,/srv/app,2026-11-01T12:00:00.000+00:00,2026-11-01T14:00:00.000+00:00,1,3,5,0.00775,"
    )
    assert len(lines) == 3
    table = run(user, *ON_THE_DAY, "--markdown").stdout
    assert table.startswith("**Spent, 1 Nov 2026**: $0.0093, about 4 turns\n\n| session | turns |")
    assert "Fix the login" not in table + "".join(lines)


async def test_while_another_scan_reads_the_logs_the_report_says_so(user: Path, home: Path):
    """What was read before is told, and what is missing is said beside it."""
    log(user, ALONE, ("m5", 30))
    assert values(user, *ON_THE_DAY)["total"]["calls"] == 1
    log(user, ALONE, ("m5", 30), ("m6", 31))
    with lock.hold_scan(home):
        done = run(user, "--json", *ON_THE_DAY)
    assert json.loads(done.stdout)["total"]["calls"] == 1
    assert "another scan is reading the logs" in done.stderr
    assert values(user, *ON_THE_DAY)["total"]["calls"] == 2


async def test_a_machine_on_which_nothing_was_spent_gets_kind_words(user: Path, home: Path):
    """What to do next, in 80 columns; nothing is made."""
    done = run(user)
    assert done.stdout.startswith(
        "Nothing was spent yet.\nNo logs of Claude Code, Codex, OpenCode or Gemini CLI were found"
    )
    assert "`tollbridge setup`" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert not is_there(home)
    await metered(home, *ours())
    later = run(user, "--since", "2026-11-05", "--until", "2026-11-06", "--timezone", "UTC").stdout
    assert later == (
        "Spent, 5 Nov to 6 Nov 2026: nothing was spent.\n"
        "Something was spent at other times, last on 1 Nov 2026: `tollbridge report all`.\n"
    )


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 300])
@pytest.mark.parametrize("by", ["session", "project", "model", "day"])
async def test_nothing_is_wider_than_the_terminal(user: Path, home: Path, width: int, by: str):
    """Names that would move the cursor, letters of two columns, a directory without an end: each line fits, and figures stay whole."""
    known, first, fixed = ours()
    evil = replace(known, title="\x1b[2J修复登录" * 9, project="/srv/\x1b]0;x\x07" + "d" * 300)
    dear = replace(
        first, spent=Usd.parse("1234.56"), model="m\x1b[31m" + "o" * 90, prompt="\x1b[H\x9b2J words " * 20,
        outcome=Outcome(OutcomeKind.ERROR, "x"),
    )  # fmt: skip
    await metered(
        home, evil, dear, fixed, replace(first, id="t_3", prompt_uuid="3", spent=Usd(0), unpriced_calls=2, model="x")
    )
    done = run(user, *ON_THE_DAY, "--by", by, COLUMNS=str(width))
    assert (done.returncode, done.stderr) == (0, "")
    assert not {"\x1b", "\x07", "\x9b"} & set(done.stdout)
    assert max(map(cell_len, done.stdout.splitlines())) <= max(width, 30)
    assert "$1,234.56" in done.stdout


async def test_a_forgotten_turn_shows_no_words(user: Path, home: Path):
    """Its figures stay, its prompt is gone, and nothing takes its place."""
    known, first, _ = ours()
    dear = replace(first, spent=Usd.parse("2"), prompt="my password is hunter2")
    await metered(home, known, dear)
    assert "hunter2" in run(user, *ON_THE_DAY).stdout
    assert "hunter2" not in run(user, *ON_THE_DAY, "--json").stdout
    await metered(home, replace(dear, prompt="", forgotten_at_ms=NOON))
    said = run(user, *ON_THE_DAY).stdout
    assert "hunter2" not in said
    assert "$2.00" in said


async def test_colours_are_for_terminals_alone(user: Path, home: Path):
    """A terminal gets them; a pipe, NO_COLOR and a dumb terminal do not."""
    await metered(home, *ours())
    assert "\x1b[" not in run(user, *ON_THE_DAY).stdout
    assert "\x1b[1m$0.0070" in on_a_terminal(user, TERM="xterm")
    assert "\x1b[" not in on_a_terminal(user, TERM="xterm", NO_COLOR="1")
    assert "\x1b[" not in on_a_terminal(user, TERM="dumb")


def on_a_terminal(user: Path, **more: str) -> str:
    """What the command writes to a terminal."""
    master, slave = pty.openpty()
    own = {"HOME": str(user), "CLAUDE_CONFIG_DIR": "", "COLUMNS": "80", "NO_COLOR": "", **more}
    process = subprocess.Popen(
        [*nursery.COMMAND, "report", *ON_THE_DAY],
        env=environment(user / "tollbridge", **own),
        cwd=user,
        stdin=subprocess.DEVNULL,
        stdout=slave,
    )
    os.close(slave)
    said = b""
    try:
        while chunk := os.read(master, 65_536):
            said += chunk
    except OSError:  # Linux's way to say that nobody has the other end open
        pass
    finally:
        os.close(master)
    assert process.wait(timeout=150) == 0
    return said.decode()


async def test_a_newer_database_is_named_with_what_to_do(user: Path, home: Path):
    """As every command says it."""
    await metered(home, *ours())
    connection = sqlite3.connect(home / "tollbridge.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999_later'")
    connection.commit()
    connection.close()
    done = run(user)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"tollbridge: {home / 'tollbridge.db'}: The database was made by a newer Tollbridge")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--since", "2026-13"), "--since '2026-13' is no day"),
        (("--until", "2026-13"), "--until '2026-13' is no day"),
        (("--since", "yesterday"), "--since 'yesterday' is no day: write it like 2026-11-01, 2026-11 or 7d"),
        (("--since", "1900-01"), "2026"),
        (("--since", "1900-01-01", "--until", "2026-01-01"), "name a later first day with --since"),
        (("--since", "2026-02", "--until", "2026-01"), "check --since and --until"),
    ],
)
async def test_a_period_that_makes_no_sense_is_one_sentence(
    user: Path, home: Path, options: tuple[str, ...], said: str
):
    """With what to write instead; a month long ago is a period like any other."""
    await metered(home, *ours())
    done = run(user, *options)
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
