"""What the nursery splits off is what a person starts: each command starts from nothing as well, and says the same."""

import subprocess
from pathlib import Path

import pytest

from tests import nursery
from tests.cli.kit import environment

LINES = (
    ("--help",),
    ("--version",),
    ("fly",),
    ("up",),
    ("down",),
    ("setup",),
    ("pair",),
    ("doctor",),
    ("sessions",),
    ("report", "--json"),
    ("reprice",),
    ("demo", "--unattended", "--help"),
    ("forget", "s_1"),
    ("people", "--json"),
    ("budget", "history"),
    ("bank", "status"),
    ("mcp", "token", "--session", "s_1"),
    ("plugin", "status"),
)


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_a_command_that_starts_from_nothing_says_what_the_nurserys_says(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Exit code, stdout and stderr, in a home with nothing in it and with nobody to answer."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    known = environment(home, HOME=str(tmp_path), XDG_STATE_HOME=str(tmp_path / "state"), COLUMNS="100")
    fresh = subprocess.run(
        [*nursery.COMMAND, *words],
        env=known,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=nursery.LIMIT_S,
        check=False,
    )
    said = nursery.run(words, env=known, cwd=tmp_path)
    assert (said.returncode, said.stdout, said.stderr) == (fresh.returncode, fresh.stdout, fresh.stderr)
    assert "Traceback" not in fresh.stderr
