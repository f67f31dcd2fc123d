import errno
import multiprocessing
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import lock
from gateway.lock import HomeError, LockedError

HOLDER = """
import sys
from pathlib import Path
from gateway import lock
with lock.hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def mode(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def holder(tmp_path: Path):
    """Another process that works with a home: (home, process)."""
    home = tmp_path / "home"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "held\n"
    yield home, process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_a_second_gateway_is_refused_and_told_the_first_ones_process(holder: tuple[Path, subprocess.Popen[str]]):
    """Two gateways never work with one home, and whoever starts the second learns which process to end."""
    home, process = holder
    with pytest.raises(LockedError, match=f"process {process.pid}") as caught, lock.hold(home):
        pass
    assert caught.value.pid == process.pid
    assert lock.holder(home) == process.pid


def test_a_killed_gateway_leaves_no_lock_behind(holder: tuple[Path, subprocess.Popen[str]]):
    """The lock is the kernel's: after kill -9 the home is free at once."""
    home, process = holder
    process.kill()
    process.wait()
    assert lock.holder(home) is None
    with lock.hold(home):
        assert (home / "lock").read_text() == f"{os.getpid()}\n"


def test_the_lock_is_free_again_after_the_block(tmp_path: Path):
    """A gateway that ended has no pid in the file any more."""
    with lock.hold(tmp_path / "home"):
        assert (tmp_path / "home" / "lock").read_text() == f"{os.getpid()}\n"
    assert (tmp_path / "home" / "lock").read_text() == ""
    assert lock.holder(tmp_path / "home") is None


def test_asking_who_holds_the_lock_makes_nothing(tmp_path: Path):
    """Doctor may look at a home that does not exist."""
    assert lock.holder(tmp_path / "home") is None
    assert list(tmp_path.iterdir()) == []


def _make(home: Path) -> None:
    os.umask(0)
    with lock.hold(home):
        pass


def test_home_and_lock_are_the_owners_alone_under_any_umask(tmp_path: Path):
    """Attack 45: with umask 000 the home, and what was made above it, is still 0700 and the lock 0600."""
    process = multiprocessing.get_context("spawn").Process(target=_make, args=(tmp_path / "a" / "home",))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "home") == 0o700
    assert mode(tmp_path / "a" / "home" / "lock") == 0o600


def test_a_home_that_is_open_to_others_is_closed(tmp_path: Path):
    """A directory made by hand becomes private before anything is put in it."""
    (tmp_path / "home").mkdir(mode=0o755)
    lock.make_home(tmp_path / "home")
    assert mode(tmp_path / "home") == 0o700


def test_a_home_behind_a_symbolic_link_is_refused(tmp_path: Path):
    """Attack 45: nobody can lead the gateway's state elsewhere."""
    (tmp_path / "real").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "real")
    with pytest.raises(HomeError, match="symbolic link"):
        lock.make_home(tmp_path / "home")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(HomeError, match="symbolic link"):
        lock.make_home(tmp_path / "dangling")


def test_a_lock_file_behind_a_symbolic_link_is_refused(tmp_path: Path):
    """A planted link cannot make the gateway truncate another file."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    home = lock.make_home(tmp_path / "home")
    (home / "lock").symlink_to(victim)
    with pytest.raises(HomeError, match="cannot be opened"), lock.hold(home):
        pass
    assert victim.read_text() == "precious"


def test_a_read_only_file_system_asks_for_another_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No permission that could be mended is to blame."""
    home = lock.make_home(tmp_path / "home")

    def refuse(path: Path, *_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(HomeError, match="set TOLLBRIDGE_HOME to a directory that can be written to"), lock.hold(home):
        pass


def test_what_is_open_to_others_is_closed_once(tmp_path: Path):
    """The owner's own permissions stay; a link, or nothing, is not touched."""
    path = tmp_path / "config.toml"
    assert not lock.close_to_others(path)
    path.write_text("")
    path.chmod(0o644)
    assert lock.close_to_others(path)
    assert mode(path) == 0o600
    assert not lock.close_to_others(path)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(HomeError, match="symbolic link"):
        lock.close_to_others(tmp_path / "link")


def test_a_file_in_place_of_the_home_is_refused(tmp_path: Path):
    """What is in the way is named."""
    (tmp_path / "home").write_text("")
    with pytest.raises(HomeError, match="is not a directory"):
        lock.make_home(tmp_path / "home")
    with pytest.raises(HomeError, match="cannot be made"):
        lock.make_home(tmp_path / "home" / "below")


def test_one_gateway_polls_with_a_bot_token(tmp_path: Path) -> None:
    """A second gateway on the same token is refused from whatever home; another token, or the same on another server, is free."""
    with lock.hold_token("1:secret", "http://one/bot", tmp_path / "bots"):
        with (
            pytest.raises(lock.TokenLockedError, match="Telegram allows one"),
            lock.hold_token("1:secret", "http://one/bot", tmp_path / "bots"),
        ):
            pytest.fail("two gateways would poll with one token")
        with (
            lock.hold_token("2:secret", "http://one/bot", tmp_path / "bots"),
            lock.hold_token("1:secret", "http://two/bot", tmp_path / "bots"),
        ):
            names = {path.name for path in (tmp_path / "bots").iterdir()}
    assert len(names) == 3
    assert not any("secret" in name for name in names)
