"""What hooks of sessions without Tollbridge wrote down while nobody heard them: read as far as it can be, once."""

import json
import os
from pathlib import Path

import pytest

from gateway.agents.claude.desk import unheard
from gateway.agents.claude.desk.unheard import NoFileError, Unheard, done, read, take
from gateway.domain.place import Unmetered
from mcp_servers import relay

NOW = 1_795_000_000_000


def line(session: object = "9f1c", directory: object = "/srv", at_ms: object = NOW - 5) -> bytes:
    """As a hook writes it."""
    return json.dumps({"session": session, "directory": directory, "at_ms": at_ms}).encode() + b"\n"


def test_hooks_and_the_gateway_mean_the_same_file() -> None:
    """Its name, and that no more is read than may be written."""
    assert unheard.FILE == relay.UNHEARD
    assert relay.UNHEARD_BYTES_MAX <= unheard.BYTES_MAX


def test_a_session_is_told_of_once_with_its_first_and_last_time() -> None:
    """The oldest first, and none that began later than now."""
    data = (
        line(at_ms=NOW - 5) + line("two", "/b", NOW + 9) + line(directory="/new", at_ms=NOW - 3) + line(at_ms=NOW - 9)
    )
    one, two = Unmetered("9f1c", "/new", NOW - 9, NOW - 3), Unmetered("two", "/b", NOW, NOW)
    assert read(data, NOW) == Unheard((one, two), 0)


@pytest.mark.parametrize(
    "bad",
    [
        b"\xff\xfe\n",
        b"{\n",
        b"[]\n",
        b"[" * 100_000 + b"\n",
        line(""),
        line("a\x00b"),
        line("x" * 201),
        line(None),
        line(directory="/" + "x" * 4096),
        line(directory=7),
        line(at_ms="1"),
        line(at_ms=-1),
        line(at_ms=1.5),
        line()[:-20] + b"\n",
    ],
)
def test_a_bad_line_is_counted_and_spoils_no_other(bad: bytes) -> None:
    """Torn, foreign, too long: what stands around it is read."""
    found = read(line("a") + bad + b"\n" + line("b"), NOW)
    assert ([one.session for one in found.sessions], found.bad) == (["a", "b"], 1)


def test_only_so_much_is_read_and_only_the_latest_sessions_are_told() -> None:
    """Whoever writes more than hooks do is heard as far as they go."""
    data = b"".join(line(f"{n:08}", at_ms=n) for n in range(2_000))
    found = read(data, NOW)
    assert [int(one.session) for one in found.sessions] == list(range(1_000, 2_000))
    large = read(line("first") + b"x" * unheard.BYTES_MAX, NOW)
    assert ([one.session for one in large.sessions], large.bad) == (["first"], 2)


def test_what_was_taken_is_there_until_it_is_done_with(tmp_path: Path) -> None:
    """A gateway that ends in between leaves it to the next; hooks begin a new file meanwhile."""
    assert take(tmp_path, NOW) is None
    (tmp_path / unheard.FILE).write_bytes(line("a"))
    for _ in range(2):
        found = take(tmp_path, NOW)
        assert found is not None
        assert [one.session for one in found.sessions] == ["a"]
        (tmp_path / unheard.FILE).write_bytes(line("b"))
    done(tmp_path)
    found = take(tmp_path, NOW)
    assert found is not None
    assert [one.session for one in found.sessions] == ["b"]
    done(tmp_path)
    assert take(tmp_path, NOW) is None
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """A link to something else, a directory, a pipe that nobody writes to: an error of its own, and no wait."""
    (tmp_path / "other").write_bytes(line())
    (tmp_path / unheard.FILE).symlink_to(tmp_path / "other")
    with pytest.raises(NoFileError):
        take(tmp_path, NOW)
    done(tmp_path)
    assert (tmp_path / "other").exists()
    os.mkfifo(tmp_path / unheard.FILE)
    with pytest.raises(NoFileError):
        take(tmp_path, NOW)
    done(tmp_path)
    (tmp_path / unheard.FILE).mkdir()
    with pytest.raises(NoFileError, match=r"unmetered.jsonl.taken is no file"):
        take(tmp_path, NOW)


@pytest.mark.parametrize("full", [False, True])
def test_a_directory_in_the_place_of_the_file_is_out_of_the_way_of_the_next(tmp_path: Path, full: bool) -> None:
    """It is removed, or kept by another name if there is something in it; what hooks write down from then on is read."""
    for name in (unheard.FILE, unheard.TAKEN):
        (tmp_path / name).mkdir()
        if full:
            (tmp_path / name / "something").write_text("of somebody's")
        with pytest.raises(NoFileError):
            take(tmp_path, NOW)
        done(tmp_path)
    (tmp_path / unheard.FILE).write_bytes(line("a"))
    found = take(tmp_path, NOW)
    assert found is not None
    assert [one.session for one in found.sessions] == ["a"]
    done(tmp_path)
    assert len(list(tmp_path.glob("*/something"))) == len(list(tmp_path.iterdir())) == 2 * full


def test_a_directory_that_takes_the_files_place_while_it_is_opened_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a gateway would be out of descriptors one day."""
    (tmp_path / unheard.TAKEN).write_bytes(line("a"))
    really, opened = os.open, list[int]()

    def swapped(path: Path, flags: int) -> int:
        path.unlink()
        path.mkdir()
        opened.append(really(path, flags))
        return opened[-1]

    with monkeypatch.context() as patch:
        patch.setattr(unheard.os, "open", swapped)
        with pytest.raises(NoFileError):
            take(tmp_path, NOW)
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(opened[0])
