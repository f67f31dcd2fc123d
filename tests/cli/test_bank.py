"""`tollbridge bank` and `report --team`: limits seen and set by a person at a terminal, and what the team spent."""

import io
import json
from pathlib import Path

import anyio
import pytest

from gateway import clock
from gateway.bank import open_bank
from gateway.cli.run import run
from gateway.config import config_file
from gateway.domain.lease import Figure, Lease, Lending, TeamScope
from gateway.domain.money import Usd
from gateway.domain.usage import Tokens


class Terminal(io.StringIO):
    """A person at a terminal, who types this."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the bank is that the settings name."""
    home, bank = tmp_path / "home", tmp_path / "bank.db"
    home.mkdir(mode=0o700)
    toml = f'timezone = "UTC"\n[bank]\nurl = "{bank}"\nteam = "core"\nperiods = ["month", "ever"]\n'
    config_file(home).write_text(toml, encoding="utf-8")
    monkeypatch.setenv("TOLLBRIDGE_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.argv", ["tollbridge"])
    return bank


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command prints, after checking that it went well."""
    code = run(list(arguments))
    shown = capsys.readouterr()
    assert (code, shown.err) == (0, "")
    return shown.out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The sentence with which the command is refused."""
    assert run(list(arguments)) == 1
    return capsys.readouterr().err


def lent(file: Path, lasts_ms: int = 600_000) -> Lease:
    """A lease that another gateway has."""

    async def work() -> Lease:
        async with open_bank(file) as bank:
            answer = await bank.lend(Lending("lease_1", TeamScope("core"), "desk-2", Usd(9), Usd(9), lasts_ms))
            assert isinstance(answer, Lease)
            return answer

    return anyio.run(work)


def test_without_a_bank_in_the_settings_every_command_says_so(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And names the settings that make one."""
    config_file(file.parent / "home").write_text("", encoding="utf-8")
    for words in (("bank", "status"), ("bank", "migrate"), ("bank", "verify"), ("report", "--team")):
        assert "set bank.url and bank.team" in refused(capsys, *words)
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert "set bank.url and bank.team" in refused(capsys, "bank", "limit", "month", "5")


def test_a_bank_is_made_once_and_looking_does_not_make_one(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`migrate` makes it, and says the second time that there is nothing to do."""
    assert "run `tollbridge bank migrate`" in refused(capsys, "bank", "status")
    assert not file.exists()
    assert said(capsys, "bank", "migrate") == "The bank was made.\n"
    assert said(capsys, "bank", "migrate") == "The bank is up to date.\n"
    assert "no limit was set" in said(capsys, "bank", "status")
    assert "The bank is whole" in said(capsys, "bank", "verify")


def test_a_limit_is_set_by_a_person_at_a_terminal_only(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent's shell has no terminal; a person is asked, and the entry says who and why."""
    said(capsys, "bank", "migrate")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert "run it in a terminal" in refused(capsys, "bank", "limit", "month", "500")
    monkeypatch.setattr("sys.stdin", Terminal("\n"))
    assert "nothing was changed" in refused(capsys, "bank", "limit", "month", "500")
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert "$500.00, $500.00 left." in said(capsys, "bank", "limit", "month", "500", "--why", "a new quarter")
    shown = json.loads(said(capsys, "bank", "status", "--json"))
    assert [one["limit_usd"] for one in shown["scopes"]] == ["500.00", None]
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert "No gateway with these settings asks for it" in said(capsys, "bank", "limit", "day", "50")
    assert file.exists()


def test_a_lease_of_a_lost_gateway_is_written_off_once_its_time_is_over(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A live one is refused with a sentence; so is one that the bank does not know."""
    said(capsys, "bank", "migrate")
    monkeypatch.setattr("sys.stdin", Terminal("y\ny\ny\n"))
    said(capsys, "bank", "limit", "ever", "5")
    lent(file)
    assert "lease_1  desk-2  $0.000000009 of $0.000000009 not spent  live, for " in said(capsys, "bank", "status")
    assert "still live" in refused(capsys, "bank", "write-off", "lease_1", "--why", "stolen")
    assert "knows no lease lease_9" in refused(capsys, "bank", "write-off", "lease_9", "--why", "stolen")


def test_the_teams_report_adds_up_what_was_spent_by_what_came_of_it(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Failures included, by name and not by amount; a call without a price is marked."""
    at_ms = clock.now_ms()
    new = [
        Figure(1, "t_1", "s_1", "7", "shop", "opus", "claude", Usd.parse("3"), at_ms, "error", Tokens(output=9), 2),
        Figure(2, "t_2", "s_1", "7", "shop", "opus", "claude", Usd.parse("1"), at_ms, "answer", Tokens(output=9), 1),
        Figure(3, "t_3", "s_2", "8", "api", "opus", "claude", Usd.parse("2"), at_ms, "answer", Tokens(), 1, 1),
        Figure(4, "t_4", "s_2", "8", "api", "opus", "claude", Usd.parse("9"), 0, "answer"),
    ]

    async def work() -> None:
        async with open_bank(file) as bank:
            await bank.report("core", "desk-1", new)

    anyio.run(work)
    shown = said(capsys, "report", "--team", "--since", "2d")
    rows = [line.split() for line in shown.splitlines() if line.startswith(("api", "shop", "all"))]
    assert rows == [
        ["api", "answer", "1", "1", "0", "$2.00?"],
        ["shop", "answer", "1", "1", "9", "$1.00"],
        ["shop", "error", "1", "2", "9", "$3.00"],
        ["all", "3", "4", "18", "$6.00?"],
    ]
    assert "error" in said(capsys, "report", "--team", "--by", "person", "--since", "2d")
    told = json.loads(said(capsys, "report", "--team", "--since", "1970-01-01", "--json"))
    assert (told["schema"], told["team"]) == (1, "core")
    assert sorted((row["project"], row["outcome"], row["turns"], row["cost_usd"]) for row in told["rows"]) == [
        ("api", "answer", 2, "11.00"),
        ("shop", "answer", 1, "1.00"),
        ("shop", "error", 1, "3.00"),
    ]
    assert "no day" in refused(capsys, "report", "--team", "--since", "soon")
    assert "Nothing was reported" in said(capsys, "report", "--team", "--since", "2100-01-01")


def test_the_doctor_looks_at_the_bank_and_misses_limits(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That there is none yet, that it answers, and which limit nobody has set."""

    def found() -> list[tuple[str, str]]:
        run(["doctor", "--json"])
        checks = json.loads(capsys.readouterr().out)["checks"]
        return [(one["status"], one["found"]) for one in checks if one["name"] == "bank"]

    assert found() == [("ok", f"{file} is made when the gateway starts")]
    said(capsys, "bank", "migrate")
    assert found() == [
        ("ok", "the bank of the team core answers"),
        ("warn", "no limit for month was set: nothing is lent"),
        ("warn", "no limit for ever was set: nothing is lent"),
    ]
    file.write_bytes(b"no bank at all, and long enough to be one" * 100)
    [(status, words)] = found()
    assert status == "fail"
    assert "not a bank of Tollbridge's" in words
