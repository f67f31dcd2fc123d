"""`tollbridge budget`: rules explained, limits and their history shown, and nothing changed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway import clock
from gateway.cli.run import run
from gateway.config import config_file
from gateway.core.gauges import MOST
from gateway.core.preferences import threshold_entry
from gateway.domain.budget import Caps, Counts, Entry, EntryKind, Scope, ScopeKind, Unit
from gateway.domain.money import Usd
from gateway.domain.preferences import Preferences
from gateway.ports import Decision
from gateway.store import open_store
from tests.cli.kit import session

POLICY = """
timezone = "UTC"
[telegram]
allowed_users = [4711]
[budgets]
unpriced = "refuse"
month_usd = 100
[[policy]]
name = "nights"
hours = "22:00-07:00"
then = "confirm"
[[policy]]
directory = "/srv/prod"
refuse_above_usd = "5"
[[policy]]
model = "*opus*"
cold_tokens_above = 100000
confirm_above_usd = "0.25"
"""
NOW_MS = 1_795_000_000_000
SESSION = Scope(ScopeKind.SESSION, session(1).id)
DAY = Scope(ScopeKind.DAY, "2026-11-18")
MONTH = Scope(ScopeKind.MONTH, "2026-11")
PROJECT = Scope(ScopeKind.PROJECT, "/srv/a/very/long/way/down/to/the/project")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with rules in its settings, the environment's own."""
    place = tmp_path / "home"
    place.mkdir(mode=0o700)
    config_file(place).write_text(POLICY, encoding="utf-8")
    monkeypatch.setenv("TOLLBRIDGE_HOME", str(place))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("sys.argv", ["tollbridge"])
    return place


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command prints, after checking that it went well."""
    code = run(["budget", *arguments])
    shown = capsys.readouterr()
    assert (code, shown.err) == (0, "")
    return shown.out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The sentence with which the command fails."""
    assert run(["budget", *arguments]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    return shown.err


async def wrote(home: Path, *entries: tuple[int, Entry]) -> None:
    """A ledger with these entries, so many seconds apart."""
    async with open_store(home, lambda: NOW_MS) as store:
        for seconds, entry in entries:
            await store.transact(lambda _, entry=entry: Decision(None, entries=(entry,)), NOW_MS + seconds * 1000)


LIMITED = Entry(EntryKind.LIMIT, (SESSION,), who="4711", why="/budget", limit=Usd.parse("7.5"))
CALLED = Entry(EntryKind.CALL, (SESSION, DAY, MONTH, PROJECT), spent=Usd.parse("0.42"), call_id="c_1")
HELD = Entry(EntryKind.HOLD, (DAY,), held=Usd.parse("0.50"))
NOTED = Entry(
    EntryKind.POLICY,
    (),
    who="settings",
    why="at start",
    detail='{"confirm_above": 1000000000, "limits": {"day": 25000000000}, "policy": ["a", "b"]}',
)


# ------------------------------------------------------------------------------------------------------------ explain
def test_every_rule_is_explained_for_the_run_that_was_described(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is asked, each rule in order, what follows, and what else counts."""
    assert home
    arguments = ("--model", "claude-opus-4-8", "--directory", "/srv/prod/api", "--amount", "0.70")
    lines = said(capsys, "explain", *arguments, "--hour", "Tue 12:30", "--cold-tokens", "200000").splitlines()
    assert lines == [
        (
            "A run on claude-opus-4-8 in /srv/prod/api, started Tue 12:30 (UTC) by 4711 in chat 4711, origin person, with"
            " 200000 tokens to read again:"
        ),
        "Rule 1 (nights): 22:00-07:00: ask -> does not hold, it is Tue 12:30.",
        "Rule 2: in /srv/prod: refuse above $5.00 -> holds, nobody may say yes to more than $5.00.",
        "Rule 3: model *opus*, more than 100k tokens to read again: ask above $0.25 -> holds and decides.",
        "Rule 3 asks above $0.25. It wants $0.70: it is asked about.",
        "A run whose price is not known is refused.",
        "What is left of the budgets counts beside all this: `tollbridge budget show`.",
    ]


def test_the_hour_decides_where_a_rule_has_hours(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A time without a day is today's; what is not told is taken from the settings."""
    assert home
    assert "Rule 1 (nights) asks before every such run. It wants $0.50: it is asked about." in said(
        capsys, "explain", "--hour", "23:00"
    )
    day = said(capsys, "explain", "--hour", "12:00", "--chat", "-100", "--background")
    assert "No rule decides: runs above $1.00 are asked about. It wants $0.50: it runs unasked." in day
    assert "by 4711 in chat -100, origin background:" in day
    assert f"in {Path.cwd().resolve()}" in said(capsys, "explain")


def test_a_refusal_is_explained(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Above the bound of a rule nobody is asked."""
    assert home
    told = said(capsys, "explain", "--directory", "/srv/prod", "--amount", "$6", "--hour", "12:00")
    assert "It wants $6.00, and above $5.00 it is refused." in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--hour", "25:00"), "'25:00' is not a time of the week: write it like 23:30"),
        (("--hour", " "), "is not a time of the week"),
        (("--hour", "someday 10:00"), "is not a time of the week"),
        (("--hour", "sat sun 10:00"), "is not a time of the week"),
        (("--amount", "much"), "'much' is not an amount in dollars: write it like 5"),
    ],
)
def test_what_cannot_be_explained_is_one_sentence(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    """Exit code 1, and what to write."""
    assert home
    assert words in refused(capsys, "explain", *arguments)


def test_contradictory_rules_are_refused_everywhere(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence names the rule, and nothing was changed."""
    text = f'{POLICY}[[policy]]\nhours = "23:00-01:00"\nthen = "refuse"\n'
    config_file(home).write_text(text, encoding="utf-8")
    for command in ("explain", "show", "history"):
        assert "policy: Rule 4 is never reached, because rule 1 (nights) decides" in refused(capsys, command)
    assert [path.name for path in home.iterdir()] == ["config.toml"]


# --------------------------------------------------------------------------------------------------- show and history
def test_without_a_ledger_there_is_nothing_to_show(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And none is made."""
    shown = said(capsys, "show")
    assert shown.startswith("Nothing was spent yet. The limits of the settings: session $5.00, day $25.00"), shown
    assert json.loads(said(capsys, "show", "--json")) == {"schema": 1, "scopes": []}
    assert "No limit was ever set" in said(capsys, "history")
    assert json.loads(said(capsys, "history", "--json")) == {"schema": 1, "changes": []}
    assert [path.name for path in home.iterdir()] == ["config.toml"]


@pytest.mark.anyio
async def test_every_scope_is_shown_with_what_stands_against_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Newest first; a limit from the chat is told from one of the settings; and the figures are exact as JSON."""
    await wrote(home, (0, LIMITED), (1, CALLED), (2, HELD))
    lines = said(capsys, "show").splitlines()
    assert [line.split()[0] for line in lines[2:6]] == ["day", "session", "project", "month"]
    assert "$7.50*" in lines[3]
    assert lines[2].split()[-4:] == ["$0.42", "$0.50", "$25.00", "$24.08"]
    assert lines[4].split()[-2:] == ["-", "-"]
    assert "…" in lines[4]
    told: list[dict[str, Any]] = json.loads(said(capsys, "show", "--json"))["scopes"]
    assert [(one["kind"], one["limit_usd"], one["limit_from"], one["remaining_usd"]) for one in told] == [
        ("day", "25.00", "settings", "24.08"),
        ("session", "7.50", "chat", "7.08"),
        ("project", None, None, None),
        ("month", "100.00", "settings", "99.58"),
    ]
    assert told[2]["key"] == PROJECT.key
    assert told[0]["held_usd"] == "0.50"
    assert told[0]["last_at"] == "2026-11-18T11:06:42.000+00:00"


@pytest.mark.anyio
async def test_figures_stay_whole_on_a_narrow_screen(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are broken over lines, columns that matter less go, and no amount is cut."""
    await wrote(home, (0, LIMITED), (1, CALLED), (2, HELD))
    for width in (60, 44):
        monkeypatch.setenv("COLUMNS", str(width))
        for command, figures in (
            ("show", ("2026-11", "$0.42", "$7.50*", "$100.00", "$99.58")),
            ("history", ("$7.50",)),
        ):
            shown = said(capsys, command).partition("* set")[0]
            assert all(figure in shown for figure in figures)
            assert max(map(len, shown.splitlines())) <= width


@pytest.mark.anyio
async def test_only_the_newest_scopes_are_shown_unless_all_are_asked_for(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And it is said how many are left out."""
    scopes = tuple(Scope(ScopeKind.DAY, f"2026-{month:02d}-{day:02d}") for month in (1, 2) for day in range(1, 29))
    await wrote(home, (0, Entry(EntryKind.CALL, scopes, spent=Usd.parse("1"), call_id="c_1")))
    shown = said(capsys, "show")
    assert "... and 16 older: --all shows them." in shown
    assert shown.count("day 2026") == 40
    assert said(capsys, "show", "--all").count("day 2026") == 56


@pytest.mark.anyio
async def test_the_history_says_who_changed_what_when_and_why(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Limits that people set and settings that the gateway started with, newest first; spending is no change."""
    await wrote(home, (0, NOTED), (60, LIMITED), (61, CALLED))
    lines = said(capsys, "history").splitlines()
    assert lines[2].split() == ["18", "Nov", "11:07", "4711", "session", SESSION.key, "$7.50", "/budget"]
    assert "at start: day $25.00, asked above $1.00," in lines[3]
    assert lines[4].split() == ["2", "rules"]
    told: list[dict[str, Any]] = json.loads(said(capsys, "history", "--json"))["changes"]
    assert [(one["entry"], one["kind"], one["who"], one["limit_usd"]) for one in told] == [
        (2, "limit", "4711", "7.50"),
        (1, "policy", "settings", None),
    ]
    assert told[1]["settings"]["limits"] == {"day": 25_000_000_000}
    assert told[0]["scopes"] == [{"kind": "session", "key": SESSION.key}]


@pytest.mark.anyio
async def test_a_limit_that_was_taken_away_is_shown_as_none(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Told from one that was never set; no figure stands for it."""
    none = replace(LIMITED, limit=Usd(MOST[Unit.USD]), caps=Caps(calls=MOST[Unit.CALLS]))
    await wrote(home, (0, none), (1, CALLED))
    shown = said(capsys, "show")
    line = next(line for line in shown.splitlines() if line.startswith("session"))
    assert line.split()[-2:] == ["none*", "-"]
    told = next(one for one in json.loads(said(capsys, "show", "--json"))["scopes"] if one["kind"] == "session")
    assert (told["limit_usd"], told["limit_from"], told["caps"]["calls"]) == (None, "chat", None)
    assert "none, none in calls" in " ".join(said(capsys, "history").split())


@pytest.mark.anyio
async def test_counts_and_raises_are_shown_and_their_history_told(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A limit on calls with what is used of it, a raise that is not over as part of the limit, one of a turn in the history."""
    later = clock.now_ms() + 3_600_000
    lift = f'{{"lifts": [["day", "{DAY.key}", "usd", 5000000000]]}}'
    await wrote(
        home,
        (0, Entry(EntryKind.LIMIT, (DAY,), who="4711", why="/budget", caps=Caps(calls=200))),
        (1, replace(CALLED, counts=Counts(40_000, 7, 1000))),
        (2, Entry(EntryKind.RAISED, (DAY,), who="4711", why="/raise", detail=lift, until_ms=later)),
        (3, Entry(EntryKind.RAISED, (), turn_id="t_1", who="4711", why="a tap", detail=LOOPED)),
    )
    shown = said(capsys, "show")
    assert "$30.00*" in shown
    assert "7 of 200" in shown
    day = next(one for one in json.loads(said(capsys, "show", "--json"))["scopes"] if one["kind"] == "day")
    assert (day["counts"], day["caps"]["calls"]) == ({"tokens": 40_000, "calls": 7, "work_ms": 1000}, 200)
    history = said(capsys, "history")
    assert all(words in " ".join(history.split()) for words in ("+150 calls for a turn", "+$5.00 until", "200 calls"))
    told = json.loads(said(capsys, "history", "--json"))["changes"]
    assert [one["turn"] for one in told] == ["t_1", None, None]
    assert told[1]["lifts"] == [{"kind": "day", "key": DAY.key, "unit": "usd", "by": 5_000_000_000}]


@pytest.mark.anyio
async def test_the_amount_above_which_a_chat_is_asked_stands_in_the_history(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who chose it, in which chat, and both amounts."""
    chat = Preferences("telegram", "-1001")
    await wrote(home, (0, threshold_entry(chat, Usd.parse("1"), Usd.parse("5"), "4711")))
    shown = " ".join(said(capsys, "history").split())
    assert "4711 chat -1001 /settings ask: above $5.00, was above $1.00" in shown
    (told,) = json.loads(said(capsys, "history", "--json"))["changes"]
    assert told["asked_above"] == {"chat": "-1001", "before_usd": "1.00", "after_usd": "5.00"}
    assert (told["kind"], told["who"], told["settings"]) == ("threshold", "4711", None)


LOOPED = '{"lifts": [["turn", "t_1", "calls", 150]]}'


@pytest.mark.anyio
@pytest.mark.parametrize("detail", ["", "{", "[1]", '{"limits": 3, "confirm_above": "x", "policy": 4}'])
async def test_settings_that_another_version_noted_do_not_stop_the_history(
    home: Path, capsys: pytest.CaptureFixture[str], detail: str
) -> None:
    """What is not understood of them is left out."""
    await wrote(home, (0, Entry(EntryKind.POLICY, (), who="settings", why="at start", detail=detail)))
    assert "at start" in said(capsys, "history")
    assert json.loads(said(capsys, "history", "--json"))["changes"][0]["why"] == "at start"


def test_a_corrupt_ledger_is_one_sentence(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the file."""
    database = home / "tollbridge.db"
    database.write_bytes(b"this is no database" * 1000)
    database.chmod(0o600)
    for command in ("show", "history"):
        assert f"{database}: " in refused(capsys, command)


def test_the_group_and_its_commands_are_found_by_who_looks_for_help(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`tollbridge --help` names the group, and the group its three commands."""
    assert home
    assert run(["--help"]) == 0
    assert "\n  budget " in capsys.readouterr().out
    told = said(capsys, "--help")
    assert all(f"\n  {command} " in told for command in ("explain", "show", "history"))
