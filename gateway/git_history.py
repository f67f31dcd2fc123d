"""What git shows of a repository before and after a turn: HEAD, what is not committed, and the commits that came to be.

The repository may be anybody's, and an agent may have written its settings: nothing that stands in them or in its attributes is run,
nothing is fetched, nothing is written, and everything has a limit. What does not fit into it is not known.
"""

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import anyio

from gateway.core.outcome import Made, Span, counted, made_here
from gateway.domain.outcome import Change, Seen, Sight, Whose
from gateway.git_run import PLAIN, NotKnownError, run

TIPS_MAX: Final = 10_000
"""Branches of a repository, those of others included."""
CAME_MAX: Final = 50_000
"""Commits that came to be, or were fetched, while a turn was at work."""
COMMITS_MAX: Final = 200
"""Commits of those that may be the turn's."""
INDEX_BYTES_MAX: Final = 128 * 1024 * 1024
NEW_FILES_MAX: Final = 2_000
NEW_BYTES_MAX: Final = 8 * 1024 * 1024
LOG_BYTES_MAX: Final = 1024 * 1024
"""Of git's log of HEAD, since a turn began."""
DRIVERS_MAX: Final = 1_000

_NO_FILTER: Final = (("clean", ""), ("smudge", ""), ("process", ""), ("required", "false"))


class Digest(Protocol):
    """What content is put into, to be named by."""

    def update(self, content: bytes, /) -> object: ...


@dataclass(frozen=True, slots=True)
class Look:
    """A repository as it was seen: None unless it was. `tips`: what its branches pointed to; `logged`: how long git's log of HEAD was."""

    sight: Sight
    seen: Seen | None = None
    tips: frozenset[str] = frozenset()
    logged: int = 0


UNKNOWN: Final = Look(Sight.UNKNOWN)


Counted = tuple[Made, Whose, Change]
"""A commit that came to be, whose it is, and what it changes."""


async def look(directory: str, now_ms: int, limit_s: float) -> Look:
    """The repository that holds the directory, now. It never raises."""
    try:
        with anyio.fail_after(limit_s):
            if not await anyio.to_thread.run_sync(is_in_repository, directory, abandon_on_cancel=True):
                return Look(Sight.NO_REPOSITORY)
            return await _look(directory, now_ms)
    except (TimeoutError, NotKnownError, OSError, ValueError):
        return UNKNOWN


async def came(directory: str, before: Look, after: Look, span: Span, limit_s: float) -> tuple[Counted, ...] | None:
    """The commits that came to be between the two, each with whose it is; None: not known. It never raises."""
    if before.seen is None or after.seen is None or before.seen.place != after.seen.place:
        return None
    if before.tips == after.tips and before.seen.head == after.seen.head:
        return ()
    try:
        with anyio.fail_after(limit_s):
            where = ("-C", directory)
            made = await _made(where, before, after, span)
            grown = await anyio.to_thread.run_sync(_grown, after.seen.place, before.logged, abandon_on_cancel=True)
            here = None if not grown and before.seen.head != after.seen.head else made_here(grown)
            picked = counted(made, span, here)
            changed = await changes(where, [one.sha for one, _ in picked])
            return tuple((one, whose, changed.get(one.sha, Change())) for one, whose in picked)
    except (TimeoutError, NotKnownError, OSError, ValueError):
        return None


def is_in_repository(directory: str) -> bool:
    """Whether git would find one there: no git is needed to say no. It blocks; raises OSError."""
    place = Path(directory)
    for one in (place, *place.parents):
        if (one / ".git").exists() or ((one / "HEAD").is_file() and (one / "objects").is_dir()):
            return True
    return False


# ---------------------------------------------------------------------------------------------------------------- looks
async def _look(directory: str, now_ms: int) -> Look:
    where = ("-C", directory)
    paths = ("rev-parse", "--path-format=absolute", "--git-common-dir", "--git-dir", "--is-bare-repository")
    repository, place, bare, *rest = _text(await run(where, *paths)).split("\n")
    if bare not in ("true", "false") or any(rest):
        raise NotKnownError  # a path with a line break in it
    head = _text(await run(where, "rev-parse", "--quiet", "--verify", "HEAD^{commit}", fails=1)).strip()
    branch = _text(await run(where, "symbolic-ref", "--quiet", "--short", "HEAD", fails=1)).strip()
    tips = frozenset(await _tips(where))
    logged = await anyio.to_thread.run_sync(_logged, place)
    change, digest = (Change(), "") if bare == "true" else await _uncommitted(where, place, head)
    return Look(Sight.SEEN, Seen(repository, place, head, branch, change, digest, now_ms), tips, logged)


async def _tips(where: Sequence[str]) -> list[str]:
    which = ("refs/heads", "refs/remotes")
    tips = _text(await run(where, "for-each-ref", f"--count={TIPS_MAX + 1}", "--format=%(objectname)", *which)).split()
    if len(tips) > TIPS_MAX:
        raise NotKnownError
    return tips


async def _uncommitted(where: Sequence[str], place: str, head: str) -> tuple[Change | None, str]:
    """What is not committed, and a name for its content; too much of it: None."""
    try:
        top = _text(await run(where, "rev-parse", "--show-toplevel")).removesuffix("\n")
        there = ("-C", top)
        against = head or _text(await run(there, "hash-object", "-t", "tree", "--stdin")).strip()
        settings = await _no_filters(there)
        with tempfile.TemporaryDirectory(prefix="tollbridge-") as folder:
            # git writes what it learns into the index, and whoever else works there would meet its lock
            index = await anyio.to_thread.run_sync(_copied, place, folder)
            told = ("diff", "--numstat", "-p", "-U0", "--full-index", "--no-renames", "--no-relative", *PLAIN)
            diff = await run(there, *told, against, "--", settings=settings, index=index)
            names = await run(there, "ls-files", "--others", "--exclude-standard", "-z", index=index)
    except NotKnownError:
        return None, ""
    figures = [line.split(b"\t") for line in diff.partition(b"\n\n")[0].split(b"\n") if line.count(b"\t") > 1]
    changed = sum_of((_int(one[0]), _int(one[1])) for one in figures)
    digest = hashlib.sha256(diff)
    added = await anyio.to_thread.run_sync(_new_files, os.fsencode(top), names.split(b"\0"), digest)
    if added is None:
        return None, ""
    return Change(changed.files + added.files, changed.added + added.added, changed.removed), digest.hexdigest()


def _copied(place: str, folder: str) -> str:
    """A copy of the index in the folder."""
    content = _content(os.fsencode(Path(place) / "index"), INDEX_BYTES_MAX + 1)
    if len(content) > INDEX_BYTES_MAX:
        raise NotKnownError
    copy = Path(folder) / "index"
    if content:
        copy.write_bytes(content)
    return str(copy)


def _new_files(top: bytes, names: Sequence[bytes], digest: "Digest") -> Change | None:
    """How many files, and lines in them, that git does not know yet."""
    names = [name for name in names if name and not name.endswith(b"/")]
    if len(names) > NEW_FILES_MAX:
        return None
    left, lines = NEW_BYTES_MAX, 0
    for name in names:
        digest.update(name + b"\0")
        content = _content(os.path.join(top, name), left + 1)  # noqa: PTH118 - names are bytes
        left -= len(content)
        if left < 0:
            return None
        digest.update(b"%d\0" % len(content) + content)
        lines += 0 if b"\0" in content else content.count(b"\n") + (content[-1:] not in (b"", b"\n"))
    return Change(len(names), lines, 0)


def _content(path: bytes, most: int, begin: int = 0) -> bytes:
    """Of a regular file, from there on; nothing of anything else, which may be a pipe or lead elsewhere."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    with open(handle, "rb") as file:  # noqa: PTH123 - of a descriptor
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return b""
        file.seek(begin)
        return file.read(most)


async def _no_filters(where: Sequence[str]) -> list[tuple[str, str]]:
    """Settings by which no filter runs that the repository's own settings name; those of the person's settings stay."""
    command = ("config", "--show-scope", "--null", "--name-only", "--get-regexp", r"^filter\.")
    words = (await run(where, *command, fails=1)).decode("utf-8", "surrogateescape").split("\0")
    own = {name for scope, name in zip(words[::2], words[1::2], strict=False) if scope in ("local", "worktree")}
    drivers = sorted({name.rpartition(".")[0] for name in own})
    if len(drivers) > DRIVERS_MAX:
        raise NotKnownError
    return [(f"{name}.{key}", value) for name in drivers for key, value in _NO_FILTER]


# -------------------------------------------------------------------------------------------------------------- commits
async def _made(where: Sequence[str], before: Look, after: Look, span: Span) -> list[Made]:
    """The commits of the branches now that none of those before had, as far as their time lets them be the turn's."""
    old = "".join(
        f"^{sha}\n" for sha in sorted(before.tips | {before.seen.head if before.seen else ""} - {""})
    ).encode()
    heads = ["--branches", *(["HEAD"] if after.seen and after.seen.head else [])]
    command = ("rev-list", f"--max-count={CAME_MAX + 1}", "--ignore-missing", "--format=%H %at %ct", "--stdin")
    lines = [line for line in _text(await run(where, *command, *heads, feed=old)).split("\n") if _MADE.fullmatch(line)]
    if len(lines) > CAME_MAX:
        raise NotKnownError
    found = [(sha, int(authored) * 1000, int(made) * 1000) for sha, authored, made in (one.split() for one in lines)]
    found = [one for one in found if span.began_ms - 1000 <= one[2] <= span.ended_ms]
    if len(found) > COMMITS_MAX:
        raise NotKnownError
    shas = "".join(f"{sha}\n" for sha, _, _ in found).encode()
    own = set[str]()
    if found:
        own = set(
            _text(
                await run(where, "rev-list", "--ignore-missing", "--stdin", "--not", "--remotes", feed=shas + old)
            ).split()
        )
    return [Made(sha, authored, made, remote=sha not in own) for sha, authored, made in found]


_MADE: Final = re.compile(r"[0-9a-f]{40,64} \d{1,12} \d{1,12}")


async def changes(where: Sequence[str], shas: Collection[str]) -> dict[str, Change]:
    """What each of the commits changes; one that joins others changes nothing of its own. Raises NotKnownError."""
    if not shas:
        return {}
    command = ("diff-tree", "--stdin", "--root", "-r", "-M", "-l200", "--numstat", *PLAIN)
    found: dict[str, list[tuple[int, int]]] = {}
    sha = ""
    for line in (await run(where, *command, feed="".join(f"{one}\n" for one in shas).encode())).split(b"\n"):
        figures = line.split(b"\t", 2)
        if len(figures) > 2:  # noqa: PLR2004 - added, removed, name
            found.setdefault(sha, []).append((_int(figures[0]), _int(figures[1])))
        elif line:
            sha = _text(line)
    return {sha: sum_of(figures) for sha, figures in found.items()}


def sum_of(figures: "Iterator[tuple[int, int]] | Sequence[tuple[int, int]]") -> Change:
    """Of (added, removed) of each file."""
    each = list(figures)
    return Change(len(each), sum(added for added, _ in each), sum(removed for _, removed in each))


def _int(figure: bytes) -> int:
    return int(figure) if figure.isdigit() else 0  # of what is no text there are none


def _logged(place: str) -> int:
    try:
        return (Path(place) / "logs" / "HEAD").lstat().st_size
    except OSError:
        return 0


def _grown(place: str, since: int) -> str:
    """What was added to git's log of HEAD; empty: nothing, or it was written anew."""
    return _content(os.fsencode(Path(place) / "logs" / "HEAD"), LOG_BYTES_MAX, since).decode("utf-8", "replace")


def _text(said: bytes) -> str:
    return said.decode("utf-8", "surrogateescape")
