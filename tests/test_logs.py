"""The gateway's log in a file: whole lines, and never more than two files full."""

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


def test_a_log_is_not_written_through_a_link(tmp_path: Path) -> None:
    """What it leads to is not the gateway's."""
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"), logging_to(tmp_path / FILE):
        pass
    assert not (tmp_path / "elsewhere").exists()
