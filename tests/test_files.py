"""Copies of files that are to be sent: only what may go, whole, in the owner's hands alone, and never too much."""

import os
import stat
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from gateway import clock
from gateway.domain.files import FileKind, Parcel
from gateway.files import FRESH_MS, SPOOL, Spool, forget_parts

NOW_MS = clock.now_ms()
PNG = b"\x89PNG\r\n\x1a\n and so on"


def ids() -> Callable[[str], str]:
    """Names one after the other."""
    numbers = count(1)
    return lambda kind: f"{kind}_{next(numbers)}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The gateway's directory, with a secret in it."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text("token = 'secret'")
    return home


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Where the agent works."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "a.txt").write_text("five!")
    return work


@pytest.fixture
def spool(home: Path) -> Spool:
    """A small one: 100 bytes a file, 250 in all."""
    return Spool(home, ids(), bytes_max=100, quota=250)


def take(spool: Spool, path: str | Path, work: Path, *wanted: str) -> Parcel | str:
    """Take a file now."""
    return spool.take(str(path), str(work), wanted, NOW_MS)


def taken(found: Parcel | str) -> Parcel:
    """It was."""
    assert isinstance(found, Parcel)
    return found


def aged(parcel: Parcel) -> Parcel:
    """Make the copy as old as one that nobody waits for."""
    at = (NOW_MS - FRESH_MS) / 1000 - 1
    os.utime(parcel.path, (at, at))
    return parcel


def test_a_file_is_copied_under_a_name_of_its_own_for_the_owner_alone(spool: Spool, work: Path, home: Path) -> None:
    """What changes afterwards in the original changes nothing in what is sent, under any umask."""
    before = os.umask(0)
    try:
        parcel = taken(take(spool, "a.txt", work))
    finally:
        os.umask(before)
    (work / "a.txt").write_text("other")
    copy = Path(parcel.path)
    assert parcel == Parcel(str(home / SPOOL / "file_1.txt"), "a.txt", FileKind.DOCUMENT, 5, str(work / "a.txt"))
    assert copy.read_bytes() == b"five!"
    assert (stat.S_IMODE(copy.stat().st_mode), stat.S_IMODE(copy.parent.stat().st_mode)) == (0o600, 0o700)


def test_a_picture_goes_as_one_whatever_it_is_called(spool: Spool, work: Path) -> None:
    """The content tells."""
    (work / "shot").write_bytes(PNG)
    (work / "a.png").write_bytes(b"no picture")
    assert taken(take(spool, "shot", work)).kind is FileKind.PHOTO
    assert taken(take(spool, "a.png", work)).kind is FileKind.DOCUMENT


def test_nothing_of_the_gateways_own_is_sent_by_any_way_there(spool: Spool, work: Path, home: Path) -> None:
    """The whole path, a way up, links to the file and to the directory, a second name on the disk."""
    secret = home / "config.toml"
    (work / "link").symlink_to(secret)
    (work / "there").symlink_to(home)
    (work / "twin").hardlink_to(secret)
    for path in (secret, "../home/config.toml", "link", "there/config.toml", "twin", f"/proc/self/root/{secret}"):
        assert "own" in str(take(spool, path, work))
    assert not list((home / SPOOL).glob("*"))


def test_a_directory_that_is_the_gateways_own_under_another_name_is_known(
    spool: Spool, work: Path, home: Path, tmp_path: Path
) -> None:
    """By its number on the disk: a mount or other spelling of it does not help."""
    parcel = taken(take(spool, "a.txt", work))
    home.rename(tmp_path / "moved")
    home.symlink_to(tmp_path / "moved")
    assert "own" in str(take(spool, tmp_path / "moved" / "config.toml", work))
    assert Path(parcel.path).exists()


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("gone.txt", "no file"),
        ("a.txt/b", "no file"),
        (".", "regular"),
        ("/", "regular"),
        ("/dev/null", "regular"),
        ("/dev/zero", "regular"),
        ("/proc/self/environ", "system"),
        ("fifo", "regular"),
        ("empty", "empty"),
        ("a\0b", "NUL"),
        ("large", "larger than 100 bytes"),
        ("x" * 5000, "cannot be sent"),
        ("loop", "cannot be sent"),
    ],
)
def test_what_is_no_file_to_send_is_refused_in_words(
    spool: Spool, work: Path, home: Path, path: str, word: str
) -> None:
    """Nothing hangs, nothing is read for ever, nothing is left behind."""
    os.mkfifo(work / "fifo")
    (work / "empty").touch()
    (work / "large").write_bytes(b"x" * 101)
    (work / "loop").symlink_to("loop")
    assert word in str(take(spool, path, work))
    assert not list((home / SPOOL).glob("**/*"))


def test_what_was_not_sent_for_long_makes_room_oldest_first(spool: Spool, work: Path) -> None:
    """Not what a message carries, and not what a decision may be about to."""
    (work / "b").write_bytes(b"x" * 90)
    old, carried = aged(taken(take(spool, "b", work))), aged(taken(take(spool, "b", work)))
    fresh = taken(take(spool, "b", work, carried.path))
    assert [Path(one.path).exists() for one in (old, carried, fresh)] == [False, True, True]
    assert "Too many files wait" in str(take(spool, "b", work, carried.path))
    assert taken(take(spool, "a.txt", work, carried.path)).size == 5


def test_at_a_start_only_what_messages_carry_stays(spool: Spool, work: Path, home: Path) -> None:
    """Copies of decisions that never came to be are gone, and the halves of copies."""
    kept, lost = taken(take(spool, "a.txt", work)), taken(take(spool, "a.txt", work))
    (home / SPOOL / ".file_9.txt.part").write_bytes(b"ha")
    spool.sweep({kept.path})
    assert [path.name for path in (home / SPOOL).iterdir()] == [Path(kept.path).name]
    spool.discard(lost.path)
    spool.discard(kept.path)
    assert not list((home / SPOOL).iterdir())


def test_what_is_discarded_is_looked_for_among_the_copies_alone(spool: Spool, work: Path) -> None:
    """A path from elsewhere deletes nothing there."""
    spool.discard(str(work / "a.txt"))
    assert (work / "a.txt").exists()


def test_at_a_start_the_halves_of_what_people_sent_are_gone_and_nothing_else(tmp_path: Path) -> None:
    """A gateway that was killed while it saved one leaves it for ever otherwise, where files are kept for ever."""
    folder = tmp_path / "files" / "s_1"
    folder.mkdir(parents=True)
    for name in (".t_1-1.mp4.part", "t_1-1.mp4", "agents.part", ".hidden"):
        (folder / name).write_bytes(b"x")
    (folder / ".dir.part").mkdir()
    (tmp_path / "files" / "loose.part").write_bytes(b"x")
    forget_parts(str(tmp_path / "files"))
    assert sorted(path.name for path in folder.iterdir()) == [".dir.part", ".hidden", "agents.part", "t_1-1.mp4"]
    forget_parts(str(tmp_path / "nowhere"))
