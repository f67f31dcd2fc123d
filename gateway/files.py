"""Files in and out of chats, on disk: copies that wait to be sent, and what people sent. Names are made here, never taken.

Everything but `save` blocks: callers use a thread.
"""

import errno
import os
import shutil
import stat
import threading
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator
from contextlib import AsyncExitStack, aclosing, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import anyio

from gateway.core.files import BYTES_MAX, Found, kind_of, may_send, readable, room, shown_name, suffix_of
from gateway.domain.files import Parcel
from gateway.ports import TollbridgeError

SPOOL: Final = "spool"
SPOOL_BYTES_MAX: Final = 200_000_000
FRESH_MS: Final = 600_000
"""A copy that no message carries yet is left alone for so long: its decision may be on the way."""
FOLDER_BYTES_MAX: Final = 200_000_000
"""What people sent for one session."""
FILES_BYTES_MAX: Final = 1_000_000_000
"""What people sent for all of them."""
PART: Final = ".part"
DAY_MS: Final = 24 * 3_600_000
CHUNK: Final = 256 * 1024
OWN_FILES_MAX: Final = 20_000
"""So many of the gateway's own files are compared with one that has several names."""
_PASS: Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class TooLargeError(TollbridgeError):
    """There is more of it than was allowed; nothing of it is kept."""


class Spool:
    """Copies of files that are to be sent, in the gateway's own directory: what is sent is what was checked."""

    def __init__(
        self, home: Path, new_id: Callable[[str], str], *, bytes_max: int = BYTES_MAX, quota: int = SPOOL_BYTES_MAX
    ) -> None:
        self._home = home
        self._place = home / SPOOL
        self._new_id = new_id
        self._bytes_max = bytes_max
        self._quota = quota
        self._one = threading.Lock()

    def take(self, path: str, base: str, wanted: Collection[str], now_ms: int) -> Parcel | str:
        """Copy a file (`base`: where a relative path begins), or say why it may not be sent.

        `wanted`: the copies that messages still carry. Others that are older than ten minutes make room.
        """
        with self._one:
            try:
                return self._take(path, base, wanted, now_ms)
            except TooLargeError as error:
                return str(error)
            except (FileNotFoundError, NotADirectoryError):
                return f"There is no file {path[:200]!r}."
            except ValueError:
                return "That is no path: it holds a NUL or half a character."
            except OSError as error:
                return f"{path[:200]!r} cannot be sent: {error.strerror}."

    def discard(self, path: str) -> None:
        """A copy is not needed any more."""
        with suppress(OSError):
            (self._place / Path(path).name).unlink()

    def sweep(self, wanted: Collection[str]) -> None:
        """At a start, when no decision is on its way: only what messages carry stays."""
        for file, _ in _listed(self._place):
            if str(file) not in wanted:
                file.unlink(missing_ok=True)

    def _take(self, path: str, base: str, wanted: Collection[str], now_ms: int) -> Parcel | str:
        real = Path(os.path.realpath(Path(base, path), strict=True))
        descriptor, passed = _opened(real)
        try:
            about = os.fstat(descriptor)
            found = Found(str(real), stat.S_ISREG(about.st_mode), self._is_own(real, about, passed))
            if why := may_send(found):
                return why
            file = self._place / f"{self._new_id('file')}{suffix_of(real.name)}"
            left = self._room(wanted, now_ms)
            with open(descriptor, "rb", closefd=False) as source, _landing(file) as copy:
                head, size = _copy(source, copy, self._bytes_max, left)
        finally:
            os.close(descriptor)
        if not size:
            self.discard(str(file))
            return f"{path[:200]!r} is empty: there is nothing to send."
        return Parcel(str(file), shown_name(real.name), kind_of(head, size), size, str(real))

    def _is_own(self, real: Path, about: os.stat_result, passed: Collection[tuple[int, int]]) -> bool:
        """By every way there: its path, the directories passed (by number, however they are mounted or spelled), a second name."""
        home = self._home.stat()
        if real.is_relative_to(self._home.resolve()) or (home.st_dev, home.st_ino) in passed:
            return True
        return about.st_nlink > 1 and stat.S_ISREG(about.st_mode) and self._has(about)

    def _has(self, about: os.stat_result) -> bool:
        looked = 0
        for place, _, names in os.walk(self._home):
            for name in names:
                looked += 1
                with suppress(OSError):
                    if looked > OWN_FILES_MAX or os.path.samestat(Path(place, name).lstat(), about):
                        return True
        return False

    def _room(self, wanted: Collection[str], now_ms: int) -> int:
        """How many bytes another copy may have, after what is not needed any more has gone."""
        self._place.mkdir(mode=0o700, exist_ok=True)
        used = _listed(self._place)
        spare = [
            (str(file), about.st_size)
            for file, about in used
            if str(file) not in wanted and about.st_mtime * 1000 < now_ms - FRESH_MS
        ]
        total = sum(about.st_size for _, about in used)
        for name in room(spare, total - sum(size for _, size in spare) + self._bytes_max, self._quota):
            self.discard(name)
        return self._quota - sum(about.st_size for _, about in _listed(self._place))


def _opened(real: Path) -> tuple[int, set[tuple[int, int]]]:
    """The file, through no link: nobody can put one in its way meanwhile. With it the directories passed, by number."""
    passed: set[tuple[int, int]] = set()
    at = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in real.parts[1:-1]:
            below = os.open(name, _PASS, dir_fd=at)
            os.close(at)
            at = below
            about = os.fstat(at)
            passed.add((about.st_dev, about.st_ino))
        return os.open(real.name or "/", _READ, dir_fd=at), passed
    finally:
        os.close(at)


def _copy(source: BinaryIO, copy: BinaryIO, bytes_max: int, left: int) -> tuple[bytes, int]:
    """How it begins, and its bytes, as they were read: what the system says of its size may be wrong. Raises TooLargeError."""
    head, size = b"", 0
    while chunk := source.read(CHUNK):
        head, size = head or chunk[:16], size + len(chunk)
        if size > bytes_max:
            raise TooLargeError(f"It is larger than {readable(bytes_max)}, and more cannot be sent.")
        if size > left:
            raise TooLargeError("Too many files wait to be sent: try again when they have arrived.")
        copy.write(chunk)
    return head, size


@contextmanager
def _landing(file: Path) -> Iterator[BinaryIO]:
    """A new file (0600), whole and on the disk at the end of the block, or not there."""
    part = file.with_name(f".{file.name}{PART}")
    with suppress(FileNotFoundError):
        part.unlink()
    descriptor = os.open(part, _WRITE, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as copy:
            yield copy
            copy.flush()
            os.fsync(copy.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


# --------------------------------------------------------------------------------------------------- what people send
def folder_of(files: str, session_id: str, bytes_max: int, total_max: int = FILES_BYTES_MAX, keep: str = "") -> Path:
    """The folder of a session, made for this user alone, with room for another file. Raises OSError.

    The oldest go: of this session's, and of all sessions' where together they are more than `total_max`. `keep`: how the names begin
    of those that stay, what came with the same message.
    """
    place = Path(files)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = place / session_id
    folder.mkdir(mode=0o700, exist_ok=True)
    for one in (place, folder):
        about = one.lstat()
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, f"{one} is a link, or belongs to another user")
    folder.chmod(0o700)
    _make_room([folder], bytes_max, FOLDER_BYTES_MAX, keep)
    _make_room([one for one, about in _listed(place) if stat.S_ISDIR(about.st_mode)], bytes_max, total_max, keep)
    return folder


def _make_room(folders: Iterable[Path], bytes_max: int, quota: int, keep: str) -> None:
    """Delete the oldest files in these folders until another one fits. What is just coming in is counted as large as it may get.

    Directories are an agent's own (it may have unpacked something there), and what cannot be deleted stays.
    """
    found = sorted((one for folder in folders for one in _listed(folder)), key=lambda one: one[1].st_mtime_ns)
    files = [(file, about.st_size) for file, about in found if not stat.S_ISDIR(about.st_mode)]
    coming = sum(file.name.endswith(PART) for file, _ in files)
    stays = [keep != "" and file.name.startswith(keep) for file, _ in files]
    needed = sum(size for (_, size), one in zip(files, stays, strict=True) if one)
    kept = [
        (str(file), size)
        for (file, size), one in zip(files, stays, strict=True)
        if not one and not file.name.endswith(PART)
    ]
    wanted = bytes_max * (1 + coming) + needed
    for name in room(kept, wanted, max(quota, wanted)):
        with suppress(OSError):
            Path(name).unlink()


def forget_folder(folder: Path) -> None:
    """Delete what people sent for one session, and whatever its agent put beside it. Raises OSError."""
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(folder.lstat().st_mode):
            shutil.rmtree(folder)


def forget_old(files: str, now_ms: int, days: int) -> None:
    """Delete what people sent more than so many days ago (0: nothing), and folders in which nothing is left."""
    for folder, about in _listed(Path(files)):
        if not stat.S_ISDIR(about.st_mode):
            continue
        for file, seen in _listed(folder):
            if stat.S_ISREG(seen.st_mode) and days and seen.st_mtime * 1000 < now_ms - days * DAY_MS:
                file.unlink(missing_ok=True)
        if about.st_mtime * 1000 < now_ms - DAY_MS:  # one that was just made is about to be filled
            with suppress(OSError):
                folder.rmdir()


def forget_parts(files: str) -> None:
    """At a start, when nothing is being saved: what an earlier gateway had begun to save is deleted. It would count for ever."""
    for folder, about in _listed(Path(files)):
        for file, seen in _listed(folder) if stat.S_ISDIR(about.st_mode) else ():
            if file.name.startswith(".") and file.name.endswith(PART) and stat.S_ISREG(seen.st_mode):
                with suppress(OSError):
                    file.unlink()


async def save(chunks: AsyncGenerator[bytes], into: str, bytes_max: int) -> int:
    """Write what comes into a new file (0600), whole or not at all; its bytes. Raises TooLargeError, OSError."""
    size = 0
    async with aclosing(chunks), AsyncExitStack() as stack:
        landing = _landing(Path(into))
        copy = await anyio.to_thread.run_sync(landing.__enter__)

        async def landed(*error: Any) -> bool | None:
            # To get two gigabytes onto the disk takes a while, in which everything else goes on.
            with anyio.CancelScope(shield=True):
                return await anyio.to_thread.run_sync(landing.__exit__, *error)

        stack.push_async_exit(landed)
        async for chunk in chunks:
            size += len(chunk)
            if size > bytes_max:
                raise TooLargeError(f"it is larger than {readable(bytes_max)}")
            await anyio.to_thread.run_sync(copy.write, chunk)
    return size


def _listed(place: Path) -> list[tuple[Path, os.stat_result]]:
    """The files in a directory, oldest first."""
    found: list[tuple[Path, os.stat_result]] = []
    for file in place.iterdir() if place.is_dir() else ():
        with suppress(FileNotFoundError):
            found.append((file, file.lstat()))
    return sorted(found, key=lambda one: (one[1].st_mtime_ns, one[0].name))


async def content_below(base: Path, path: str) -> AsyncGenerator[bytes]:
    """What a file holds that really lies below a directory, whatever links lead there; as it is read. Raises OSError."""
    source = await anyio.to_thread.run_sync(_opened_below, base, path)
    with source:
        while chunk := await anyio.to_thread.run_sync(source.read, CHUNK):
            yield chunk


def _opened_below(base: Path, path: str) -> BinaryIO:
    if "\0" in path:
        raise OSError(errno.EINVAL, "a NUL in the path")
    real = Path(os.path.realpath(path, strict=True))
    if not real.is_relative_to(os.path.realpath(base)):
        raise PermissionError(errno.EPERM, "it lies elsewhere")
    descriptor, _ = _opened(real)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file")
    return os.fdopen(descriptor, "rb")
