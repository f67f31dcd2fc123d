"""The settings of a team's bank: what is refused, with what words, and that its address is kept to itself."""

from pathlib import Path

import pytest

from gateway.app import bank_of, gateway_name, team_of
from gateway.config import SettingsError, require_ready, settings_from
from gateway.core.lease import LeaseTerms
from gateway.domain.money import Usd
from gateway.ports import TollbridgeError

TOKEN = '[telegram]\ntoken = "123456789:AAE-made_up_for_tests"\n'


def refusal(toml: str) -> str:
    """The sentence with which these settings are refused."""
    with pytest.raises(SettingsError) as caught:
        require_ready(settings_from(toml, {}, Path("/srv/home")), "telegram")
    return str(caught.value)


def test_without_a_url_there_is_no_team() -> None:
    """Nothing of it has to be set."""
    settings = settings_from("", {}, Path("/srv/home"))
    assert (settings.bank.where, team_of(settings)) == (None, None)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("postgresql+psycopg://u:hidden@h/d", "postgresql+psycopg://u:hidden@h/d"),
        ("/srv/team/bank.db", Path("/srv/team/bank.db")),
        ("sqlite:////srv/team/bank.db", Path("/srv/team/bank.db")),
    ],
)
def test_a_bank_is_a_postgresql_or_a_file(url: str, where: str | Path) -> None:
    """Either is told as it is, and a password shows nowhere."""
    settings = settings_from(f'[bank]\nurl = "{url}"\nteam = "core"', {}, Path("/srv/home"))
    assert settings.bank.where == where
    assert "hidden" not in repr(settings)


def test_a_local_bank_is_one_file_for_all_gateways_of_a_user() -> None:
    """Whatever their homes are."""
    toml = '[bank]\nurl = "local"\nteam = "core"'
    first, second = (settings_from(toml, {}, Path(home)).bank.where for home in ("/srv/a", "/srv/b"))
    assert isinstance(first, Path)
    assert first == second


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('url = "mysql://u:secret@h"\nteam = "core"', "write postgresql+psycopg://USER@HOST/DATABASE"),
        ('url = "bank.db"\nteam = "core"', "the whole path of a file"),
        ('url = "local"', 'team = "core"'),
        ('team = "core"', "set url, or remove team"),
        ('url = 5\nteam = "core"', "write a text, in quotes"),
        ('url = "local"\nteam = "a:b"', "'a:b' is no name"),
        ('url = "local"\nteam = "core"\nperiods = ["moon"]', "'day', 'week', 'month' or 'ever'"),
        ('url = "local"\nteam = "core"\nperiods = ["day", "day"]', "written once"),
        ('url = "local"\nteam = "core"\nperiods = []', "bank.periods: write at least one"),
        ('url = "local"\nteam = "core"\nleast_usd = 9', "make it less"),
        ('url = "local"\nteam = "core"\nlease_minutes = 1', "bank.lease_minutes"),
        ('url = "local"\nteam = "core"\nlimit = 1', "known here: chunk_usd"),
        ('url = "local"\nteam = "core"', "the team core has no approvers here"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_write(toml: str, words: str) -> None:
    """A sentence each, and the address is not repeated in it."""
    said = refusal(f"{TOKEN}[bank]\n{toml}")
    assert words in said
    assert "secret" not in said


def test_a_bank_whose_directory_cannot_be_made_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """A gateway that starts says which directory it is, and what to do."""
    (tmp_path / "file").touch()
    toml = f'[bank]\nurl = "{tmp_path}/file/team/bank.db"\nteam = "core"'
    with pytest.raises(TollbridgeError, match=r"file/team cannot be made .*: put the bank's file elsewhere"):
        bank_of(settings_from(toml, {}, tmp_path))


@pytest.mark.parametrize("person", ['role = "writer"', 'role = "approver"\nlargest_raise_usd = 0'])
def test_a_team_without_approvers_does_not_start(person: str) -> None:
    """Nobody could answer when its money runs out."""
    toml = f'{TOKEN}[bank]\nurl = "local"\nteam = "core"\n[[people]]\nid = 5\n{person}'
    assert "the team core has no approvers here" in refusal(toml)


def test_a_bank_that_agents_could_write_to_is_refused(tmp_path: Path) -> None:
    """Its file lies where they work."""
    toml = f'{TOKEN}allowed_users = [5]\n[agents]\ndirectory = "{tmp_path}"\n[bank]\nurl = "{tmp_path}/bank.db"\nteam = "core"'
    assert "put its file elsewhere" in refusal(toml)


def test_a_gateway_has_a_name_that_stays(tmp_path: Path) -> None:
    """Made once and kept in the home; another home has another, and the settings' own comes first."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = gateway_name(tmp_path / "a")
    assert gateway_name(tmp_path / "a") == first
    assert gateway_name(tmp_path / "b") != first
    toml = (
        '[bank]\nurl = "local"\nteam = "core"\ngateway = "desk-1"\nlease_minutes = 5\nchunk_usd = 2\nperiods = ["day"]'
    )
    team = team_of(settings_from(toml, {}, tmp_path / "a"))
    assert team is not None
    assert (team.name, team.gateway, team.periods) == ("core", "desk-1", ("day",))
    assert team.terms == LeaseTerms(Usd.parse("2"), Usd.parse("0.50"), lasts_ms=300_000)
