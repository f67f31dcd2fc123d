"""The edge of the command line: what becomes of every kind of error."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from gateway.cli import run as edge
from gateway.ports import TollbridgeError


def failing(error: BaseException) -> typer.Typer:
    """A command line that ends so."""
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)

    @app.command()
    def fail() -> None:  # pyright: ignore[reportUnusedFunction] - typer keeps it
        """Fail."""
        raise error

    return app


KNOWN = TollbridgeError("the first\nsentence: do this")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KNOWN, 1, "tollbridge: the first sentence: do this\n"),
        (ExceptionGroup("tasks", [ExceptionGroup("inner", [KNOWN])]), 1, "tollbridge: the first sentence: do this\n"),
        (BaseExceptionGroup("tasks", [KNOWN, KeyboardInterrupt()]), 1, "tollbridge: the first sentence: do this\n"),
        (BaseExceptionGroup("tasks", [KeyboardInterrupt()]), 130, ""),
        (ExceptionGroup("tasks", [BrokenPipeError(errno.EPIPE, "Broken pipe")]), 1, ""),
        (
            OSError(errno.EROFS, "Read-only file system", "/srv"),
            1,
            "tollbridge: the file system is read-only (/srv): set",
        ),
        (KeyboardInterrupt(), 130, ""),
        (
            OSError(errno.ENOSPC, "No space left on device", "/srv/db"),
            1,
            "tollbridge: the disk is full (/srv/db): make",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "/srv/x"), 1, "tollbridge: Permission denied (/srv/x)\n"),
        (typer.Exit(7), 7, ""),
    ],
)
def test_every_error_that_a_person_can_mend_is_one_sentence_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    words: str,
):
    """Also when it comes out of a group of tasks."""
    monkeypatch.setattr(edge, "application", lambda _first: failing(error))
    assert edge.run([]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(words)
    assert said.err.count("\n") <= 1


def test_a_fault_in_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch):
    """What nobody can mend shows as what it is, a sentence beside it notwithstanding."""
    for error in (ValueError("a bug"), ExceptionGroup("tasks", [KNOWN, ValueError("a bug")])):
        monkeypatch.setattr(edge, "application", lambda _first, error=error: failing(error))
        with pytest.raises((ValueError, ExceptionGroup)):
            edge.run([])


def test_no_command_module_loads_an_adapter_before_it_is_needed(tmp_path: Path):
    """Building the command line loads typer and nothing of telegram, SQLAlchemy, pydantic or rich."""
    code = (
        "import sys; from gateway.cli.run import application; application(); "
        "print([name for name in ('telegram', 'sqlalchemy', 'pydantic', 'mcp', 'rich', 'anyio') if name in sys.modules])"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": root}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
