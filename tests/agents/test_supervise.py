"""What the gateway asks of its system about agents: errors are sentences, and a slow answer holds up nobody else."""

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from gateway import processes
from gateway.agents import supervise, warden
from gateway.agents.supervise import Manners, is_alive, started_at
from gateway.ports import AgentUnavailableError, Process

pytestmark = pytest.mark.anyio


@pytest.fixture
def ps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A system without /proc, whose `ps` is the script that the test writes."""
    monkeypatch.setattr(warden, "ON_LINUX", False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def write(script: str) -> None:
        program = tmp_path / "ps"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return write


def test_without_proc_a_process_is_known_by_what_ps_tells(ps: Callable[[str], None]) -> None:
    """The same start time is the same process, another one is a stranger."""
    ps("echo 'Mon Jan  1 00:00:00 2024'")
    told = started_at(1)
    assert told == "Mon Jan  1 00:00:00 2024"
    assert is_alive(Process("s", 1, told, "j"))
    assert not is_alive(Process("s", 1, "another", "j"))


def test_a_ps_that_does_not_answer_is_not_waited_for(
    ps: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is taken to be there; the warden of a gateway that is gone ends by itself."""
    monkeypatch.setattr(processes, "PS_LIMIT_S", 0.2)
    ps("exec sleep 30")
    before = time.monotonic()
    assert started_at(1) is None
    assert time.monotonic() - before < 10


async def test_waiting_for_what_is_left_behind_holds_up_nobody_else(ps: Callable[[str], None]) -> None:
    """While a slow `ps` is asked over and over, the rest of the gateway works on."""
    ps("sleep 0.3; echo same")
    turns = 0
    with anyio.move_on_after(1.5):
        async with anyio.create_task_group() as crew:
            crew.start_soon(supervise.end_left_behind, Process("s", 2**22 + 1, "same", "j"), 0.1)
            while True:
                await anyio.sleep(0.01)
                turns += 1
    assert turns > 15


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EACCES, "has to be able to write"),
        (errno.EROFS, "has to be able to write"),
        (errno.EIO, "look at that directory"),
    ],
)
async def test_a_journal_that_cannot_be_kept_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    """A full disk, missing rights, a broken disk: each is AgentUnavailableError with a remedy, and no process is left."""

    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(supervise.os, "open", refuse)
    with pytest.raises(AgentUnavailableError, match=words):
        await supervise.start(
            ["true"],
            session_id="s",
            directory=str(tmp_path),
            environ={},
            journal=tmp_path / "a" / "j",
            manners=Manners(),
        )


async def test_a_mark_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    """Something else stands where the journal should be."""
    with pytest.raises(AgentUnavailableError, match="then try again"):
        await supervise.mark(Process("s", 1, "", str(tmp_path)), "line", truncate=False)


async def test_a_directory_that_no_system_can_name_is_a_sentence(tmp_path: Path) -> None:
    """A NUL in it is no crash."""
    with pytest.raises(AgentUnavailableError, match="cannot be started"):
        await supervise.start(
            ["true"], session_id="s", directory="/a\0b", environ={}, journal=tmp_path / "j", manners=Manners()
        )
