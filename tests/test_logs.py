"""The gateway's log in a file: whole lines, and never more than two files full."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from gateway.logs import EARLIER, FILE, logging_to

FULL = 2_000


def test_a_log_that_is_full_is_put_aside_while_it_runs(tmp_path: Path) -> None:
    """A gateway that runs for months does not fill the disk: there are this file and the one before, and no line is cut."""
    log, file = structlog.get_logger(), tmp_path / FILE
    with logging_to(file, FULL):
        for number in range(200):
            log.info("a line", number=number, end=".")
    earlier = file.with_name(file.name + EARLIER)
    assert {path.name for path in tmp_path.iterdir()} == {file.name, earlier.name}
    assert file.read_text().splitlines()[-1].endswith("number=199")
    assert all("number=" in line for line in (*file.read_text().splitlines(), *earlier.read_text().splitlines()))
    assert max(file.stat().st_size, earlier.stat().st_size) < FULL + 200
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_log_goes_on_where_the_last_gateway_ended(tmp_path: Path) -> None:
    """Why that one ended stands there."""
    log, file = structlog.get_logger(), tmp_path / FILE
    for words in ("the first", "the second"):
        with logging_to(file):
            log.info(words)
    assert [line.rpartition("] ")[2].strip() for line in file.read_text().splitlines()] == ["the first", "the second"]


def test_a_log_on_a_full_disk_ends_nobody_and_says_later_what_is_missing(tmp_path: Path) -> None:
    """The file may grow no further: the lines are lost, the gateway goes on, and once there is room it says how many."""
    log, file = structlog.get_logger(), tmp_path / FILE
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with logging_to(file):
        log.info("the first")
        resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size, before[1]))
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            log.info("lost")
            log.info("lost as well")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)
        log.info("the last")
    first, told, last = file.read_text().splitlines()
    assert "the first" in first
    assert told == "(2 lines before this could not be written)"
    assert "the last" in last


def test_a_log_that_cannot_be_put_aside_goes_into_no_other_file(tmp_path: Path) -> None:
    """Nothing of a log ends up in a file that was opened meanwhile."""
    log, file = structlog.get_logger(), tmp_path / FILE
    file.with_name(file.name + EARLIER).mkdir()
    with logging_to(file, 10):
        log.info("the first line")
        with (tmp_path / "database").open("w+b") as other:
            for _ in range(3):
                log.info("another line")
            assert other.read() == b""
    assert "the first line" in file.read_text()


def test_what_ends_a_gateway_behind_the_terminal_stands_in_the_log_of_now(tmp_path: Path) -> None:
    """Its stderr is the log: when that is put aside, what is written there goes to the new file too."""
    file = tmp_path / FILE
    program = f"""
import os, sys
from pathlib import Path
import structlog
from gateway.logs import logging_to
file = Path({str(file)!r})
os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
with logging_to(file, 500):
    for number in range(40):
        structlog.get_logger().info("a line", number=number)
sys.exit("the end")
"""
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == 1
    assert "the end" in file.read_text()


@pytest.mark.parametrize("thing", ["link", "fifo", "directory"])
def test_a_log_is_a_file_or_none(tmp_path: Path, thing: str) -> None:
    """Whatever else is there is refused at once, with its name."""
    path = tmp_path / FILE
    if thing == "fifo":
        os.mkfifo(path)
    elif thing == "directory":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=FILE), logging_to(path):
        pass
    assert not (tmp_path / "elsewhere").exists()
