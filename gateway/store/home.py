"""The database's files in the gateway's directory: they belong to this user alone, and are what they seem to be.

The directory itself is made, and closed to others, by whoever takes its lock (`gateway.lock`); here it is only looked at.
"""

import os
import stat
from pathlib import Path
from urllib.parse import quote

from gateway.ports import StoreError

DATABASE = "tollbridge.db"
_SUFFIXES = ("", "-wal", "-shm", "-journal")


def uri(database: Path, mode: str) -> str:
    """The file's name for SQLite; `mode`: `ro`, `rw`."""
    return f"file:{quote(str(database.absolute()))}?mode={mode}"


def prepare(home: Path) -> Path:
    """Make an empty database (0600) unless it is there, and close it to others; its path.

    Raises StoreError where the directory or a file is a symbolic link, the directory is missing or not this user's alone,
    or the database cannot be made.
    """
    try:
        _check_directory(home)
        database = home / DATABASE
        _make_private(database)
    except FileNotFoundError:
        raise StoreError(f"There is no directory {home}: make it, for this user alone") from None
    except OSError as error:
        raise StoreError(
            f"{home} cannot be used: {error.strerror}. Check who owns it and that it is writable"
        ) from error
    return database


def find(home: Path) -> Path:
    """The path of a database that is there already; nothing is made or changed. Raises StoreError."""
    database = home / DATABASE
    try:
        _check_directory(home)
        for path in _files(database):
            _check_file(path)
        found = database.exists()
    except FileNotFoundError:
        found = False
    except OSError as error:
        raise StoreError(f"{home} cannot be read: {error.strerror}. Check who owns it") from error
    if not found:
        raise StoreError(f"There is no Tollbridge database in {home}: start the gateway once, or check the directory")
    return database


def _check_directory(home: Path) -> None:
    found = home.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise StoreError(f"{home} is not a directory but a link or a file: give the directory itself")
    if found.st_uid != os.geteuid():
        raise StoreError(f"{home} belongs to another user: use a directory of your own")
    if found.st_mode & 0o077:
        raise StoreError(f"{home} is open to other users of this machine: run chmod 700 on it")


def _make_private(database: Path) -> None:
    for path in _files(database):
        _check_file(path)
        path.chmod(0o600)
    if not database.exists():
        descriptor = os.open(database, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
        os.fchmod(descriptor, 0o600)
        os.close(descriptor)


def _files(database: Path) -> list[Path]:
    paths = [database.with_name(database.name + suffix) for suffix in _SUFFIXES]
    return [path for path in paths if os.path.lexists(path)]


def _check_file(path: Path) -> None:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise StoreError(f"{path} is a link and not a file: move the file itself there")
