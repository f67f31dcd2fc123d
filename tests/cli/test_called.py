"""What people are told to run works where they stand."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.called import as_called, program
from tests.cli.kit import environment


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A `tollbridge` somewhere."""
    path = tmp_path / "a venv" / "bin" / "tollbridge"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_a_program_on_the_path_is_named_shortly(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can write `tollbridge` is told to."""
    monkeypatch.setenv("PATH", str(installed.parent))
    assert program(str(installed)) == "tollbridge"


def test_any_other_program_is_named_as_it_was_called(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its directory, quoted for a shell, and never as another installation that happens to be on the path."""
    monkeypatch.setenv("PATH", "/nowhere")
    assert program(".venv/bin/tollbridge") == ".venv/bin/tollbridge"
    assert program(str(installed)) == f"'{installed}'"
    monkeypatch.setenv("PATH", str(installed.parent))
    assert program(".venv/bin/tollbridge") == ".venv/bin/tollbridge"
    assert program("gateway/__main__.py") == f"{sys.executable} -m gateway"


def test_hints_in_errors_and_usage_name_the_program_as_it_was_called(tmp_path: Path) -> None:
    """From the edge of the command line to the last line of doctor."""
    code = "import sys; sys.argv[0] = '.venv/bin/tollbridge'; from gateway.cli import main; main()"
    said = {
        words[0]: subprocess.run(
            [sys.executable, "-c", code, *words],
            env=environment(tmp_path / "home"),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        for words in (("up",), ("doctor",), ("fly",))
    }
    assert "run `.venv/bin/tollbridge setup`" in said["up"].stderr
    assert "run `.venv/bin/tollbridge setup`" in said["doctor"].stdout
    assert "'.venv/bin/tollbridge --help'" in said["fly"].stderr


def test_only_commands_are_renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other words with the program's name in them stay."""
    monkeypatch.setattr(sys, "argv", ["bin/tollbridge"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert as_called("run `tollbridge up` in tollbridge's home") == "run `bin/tollbridge up` in tollbridge's home"
