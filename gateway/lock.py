"""The gateway's home: a directory that only its owner can read, and one gateway at a time.

The lock is the kernel's (`flock`): it is gone when its holder is, however that ended. The pid in the file is for people.
"""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from gateway.domain.errors import TollbridgeError

LOCK_FILE: Final = "lock"
SCAN_LOCK_FILE: Final = "usage.lock"
# Somebody who only looks who holds the lock holds it for a moment: a gateway that starts then tries again.
_TRIES: Final = 10
_WAIT_S: Final = 0.05
_OWNER_ONLY: Final = 0o700
_OPEN_TO_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_PERMISSIONS: Final = "mend its permissions"


class HomeError(TollbridgeError):
    """The home cannot be used: it is not a directory, not ours, or cannot be made."""


class LockedError(TollbridgeError):
    """Another gateway works with this home; `pid` is its process, None if it could not be read."""

    def __init__(self, home: Path, pid: int | None) -> None:
        self.pid = pid
        who = "another gateway" if pid is None else f"another gateway (process {pid})"
        super().__init__(f"{who} works with {home}: stop it first, or set TOLLBRIDGE_HOME to another directory")


class TokenLockedError(LockedError):
    """Another gateway of this user polls with the same bot token."""

    def __init__(self, pid: int | None) -> None:
        self.pid = pid
        who = "another gateway" if pid is None else f"another gateway (process {pid})"
        TollbridgeError.__init__(
            self, f"{who} uses this bot already, and Telegram allows one: stop it, or make a second bot with @BotFather"
        )


def make_home(home: Path) -> Path:
    """Create the home and the directories above it if need be, and see to it that only its owner can enter it. Raises HomeError.

    What is made is the owner's alone, whatever the umask; a home that was there and is open to others is closed to them.
    """
    try:
        for missing in reversed([path for path in (home, *home.parents) if not os.path.lexists(path)]):
            with suppress(FileExistsError):
                missing.mkdir(mode=_OWNER_ONLY)
                missing.chmod(_OWNER_ONLY)
        found = home.lstat()
    except OSError as error:
        another = "a directory that can be written to" if error.errno == errno.EROFS else "another directory"
        raise HomeError(f"{home} cannot be made ({error.strerror}): set TOLLBRIDGE_HOME to {another}") from None
    if stat.S_ISLNK(found.st_mode):
        raise HomeError(f"{home} is a symbolic link: set TOLLBRIDGE_HOME to the directory that it leads to")
    if not stat.S_ISDIR(found.st_mode):
        raise HomeError(f"{home} is not a directory: move it away, or set TOLLBRIDGE_HOME to another directory")
    if found.st_uid != os.geteuid():
        raise HomeError(f"{home} belongs to another user: set TOLLBRIDGE_HOME to a directory of your own")
    if stat.S_IMODE(found.st_mode) != _OWNER_ONLY:
        try:
            home.chmod(_OWNER_ONLY)
        except OSError as error:
            raise HomeError(f"{home} cannot be closed to others ({error.strerror}): run `chmod 700` on it") from None
    return home


def close_to_others(path: Path) -> bool:
    """Take a file's or the home's permissions away from other users; whether they had any. What is not there is closed.

    Raises HomeError for what is a symbolic link or belongs to somebody else.
    """
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            raise HomeError(f"{path} is a symbolic link: put the thing itself there")
        if found.st_uid != os.geteuid():
            raise HomeError(f"{path} belongs to another user: put one of your own there")
        if not found.st_mode & _OPEN_TO_OTHERS:
            return False
        path.chmod(stat.S_IMODE(found.st_mode) & ~_OPEN_TO_OTHERS)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise HomeError(f"{path} cannot be closed to others ({error.strerror}): {_PERMISSIONS}") from None
    return True


class ScanLockedError(LockedError):
    """Another process reads agents' logs for this home."""

    def __init__(self, pid: int | None) -> None:
        self.pid = pid
        who = "another scan" if pid is None else f"another scan (process {pid})"
        TollbridgeError.__init__(self, f"{who} is reading the logs: wait until it is done")


@contextmanager
def hold(home: Path) -> Iterator[None]:
    """Make the home and be its only gateway for as long as the block runs. Raises HomeError, LockedError."""
    with _held(make_home(home) / LOCK_FILE, lambda pid: LockedError(home, pid)):
        yield


@contextmanager
def hold_scan(home: Path) -> Iterator[None]:
    """Make the home and be the only one that reads agents' logs for it; a gateway may work there meanwhile. Raises HomeError, LockedError."""
    with _held(make_home(home) / SCAN_LOCK_FILE, ScanLockedError):
        yield


@contextmanager
def hold_token(token: str, base_url: str, places: Path | None = None) -> Iterator[None]:
    """Be this user's only gateway that polls with the bot token: Telegram gives updates to one poller. Raises HomeError, LockedError.

    `places`: where the locks are; the file is named by a hash, which does not tell the token.
    """
    if places is None:
        import platformdirs  # noqa: PLC0415 - only gateways need it

        places = Path(platformdirs.user_state_dir("tollbridge", appauthor=False)) / "bots"
    import hashlib  # noqa: PLC0415 - only gateways need it

    name = hashlib.sha256(f"{base_url}\n{token}".encode()).hexdigest()[:32]
    with _held(make_home(places) / f"{name}.lock", TokenLockedError):
        yield


@contextmanager
def _held(path: Path, refusal: Callable[[int | None], LockedError]) -> Iterator[None]:
    descriptor = _open(path)
    try:
        for tries_left in range(_TRIES - 1, -1, -1):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not tries_left:
                    raise refusal(_pid(descriptor)) from None
                time.sleep(_WAIT_S)
        _write_pid(path, descriptor, f"{os.getpid()}\n")
        try:
            yield
        finally:
            _write_pid(path, descriptor, "")
    finally:
        os.close(descriptor)


def holder(home: Path) -> int | None:
    """The pid of the gateway that works with this home, 0 if it is not known; None if there is none. Changes nothing."""
    try:
        descriptor = os.open(home / LOCK_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _pid(descriptor) or 0
    else:
        return None
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        os.fchmod(descriptor, 0o600)
    except OSError as error:
        mend = (
            "set TOLLBRIDGE_HOME to a directory that can be written to" if error.errno == errno.EROFS else _PERMISSIONS
        )
        raise HomeError(f"{path} cannot be opened ({error.strerror}): {mend}") from None
    return descriptor


def _write_pid(path: Path, descriptor: int, text: str) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)
    except OSError as error:
        raise HomeError(f"{path} cannot be written ({error.strerror}): make room on the disk") from None


def _pid(descriptor: int) -> int | None:
    text = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
    return int(text) if text.isdigit() else None
