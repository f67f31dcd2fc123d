"""git, for the worktrees of sessions that work on a branch of their own: a program with a time limit, and no shell."""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import ByteReceiveStream

from gateway.core.summary import title
from gateway.view import thread_words

LIMIT_S: Final = 60.0
SAID_MAX: Final = 300
KEPT_BYTES: Final = 16_384
"""Of what it writes."""
LOOK_AGAIN_S: Final = 0.2
DISCARD_S: Final = 10.0
KEPT_NAMES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CONFIG_HOME")
"""What git is told of this process's environment: there may be secrets in it, and a repository can have programs run."""
SAFELY = ("-c", f"core.hooksPath={os.devnull}", "-c", "core.fsmonitor=false")
"""No program that stands in the repository is run: an agent may have written it."""

_NO_FILTER = (("smudge", ""), ("process", ""), ("required", "false"))


async def worktree(repository: str, directory: str, branch: str, now_ms: int, limit_s: float = LIMIT_S) -> str:
    """Have a worktree of the repository for the branch there; one that is there is left as it is. Not empty: why there is none.

    A branch that neither the repository nor one of its remotes has begins where its HEAD is. One that was never finished (git, or the
    gateway, was ended meanwhile) is made anew: half of it would look like files that somebody has deleted.
    """
    place = Path(directory)
    try:
        with anyio.fail_after(limit_s):
            begun_s = await anyio.to_thread.run_sync(_begun_s, place)
            while begun_s is not None and now_ms / 1000 - begun_s < limit_s:
                await anyio.sleep(LOOK_AGAIN_S)  # a gateway that was killed may have left a git at work on it
                begun_s = await anyio.to_thread.run_sync(_begun_s, place)
            if begun_s is not None:
                await _discard(repository, directory)
            if await anyio.Path(place / ".git").exists():
                return ""
            await anyio.to_thread.run_sync(_make_above, place)
            return await _add(repository, directory, branch)
    except TimeoutError:
        return thread_words.git_slow(limit_s)
    except FileNotFoundError:
        return thread_words.NO_GIT
    except OSError as error:
        return f"{place.parent}: {error.strerror}"


async def _add(repository: str, directory: str, branch: str) -> str:
    await _git(repository, "worktree", "prune")
    known = await _has(repository, branch)
    what = [directory, branch] if known else ["-b", branch, directory, "HEAD"]
    empty = await _no_filters(repository)
    if empty is None:
        return thread_words.MANY_FILTERS
    ended = False
    try:
        code, _, said = await _git(repository, "worktree", "add", "--quiet", *what, settings=empty)
        ended = True
    finally:
        if not ended:
            with anyio.move_on_after(DISCARD_S, shield=True):
                await _discard(repository, directory)
    return "" if code == 0 else thread_words.git_failed(_reason(said))


def _begun_s(place: Path) -> float | None:
    """Since when git makes this worktree; None: it is finished, or there is none. Git locks it for so long."""
    try:
        git_dir = (place / ".git").read_text().removeprefix("gitdir:").strip()
        lock = place / git_dir / "locked"
        if lock.read_text().strip() != "initializing":
            return None
        return lock.stat().st_mtime
    except (OSError, ValueError):
        return None


async def _discard(repository: str, directory: str) -> None:
    """Nobody has worked in it yet."""
    if await anyio.to_thread.run_sync(_begun_s, Path(directory)) is not None:
        await _git(repository, "worktree", "remove", "--force", "--force", directory)


def _make_above(place: Path) -> None:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


async def _has(repository: str, branch: str) -> bool:
    here, *_ = await _git(repository, "show-ref", "--verify", "--quiet", f"refs/heads/{branch}")
    if here == 0:
        return True
    _, remote, _ = await _git(repository, "for-each-ref", "--count=1", f"refs/remotes/*/{branch}")
    return bool(remote.strip())


async def _git(
    repository: str, *arguments: str, settings: Sequence[tuple[str, str]] = ()
) -> tuple[int | None, bytes, bytes]:
    """Its status, and the end of what it wrote to stdout and stderr. Cancelled, nothing that it started is left."""
    environ = {name: os.environ[name] for name in KEPT_NAMES if name in os.environ}
    process = await anyio.open_process(
        ["git", *SAFELY, "-C", repository, *arguments],
        stdin=subprocess.DEVNULL,
        env=environ | {"GIT_TERMINAL_PROMPT": "0"} | as_environment(settings),
        start_new_session=True,
    )
    output, errors, ended = bytearray(), bytearray(), False
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_read, process.stdout, output)
            tasks.start_soon(_read, process.stderr, errors)
        code = await process.wait()
        ended = True
    finally:
        with anyio.CancelScope(shield=True):
            if not ended:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            await process.aclose()
    return code, bytes(output), bytes(errors)


async def _read(stream: ByteReceiveStream | None, into: bytearray) -> None:
    if stream is not None:
        async for chunk in stream:
            into += chunk
            del into[:-KEPT_BYTES]


async def _no_filters(repository: str) -> list[tuple[str, str]] | None:
    """Settings by which a checkout runs no filter that the repository's own settings name; those of the person's settings stay.

    None: they are too many to be sure of each.
    """
    _, told, _ = await _git(repository, "config", "--show-scope", "--null", "--name-only", "--get-regexp", r"^filter\.")
    if len(told) >= KEPT_BYTES:
        return None
    words = told.decode("utf-8", "surrogateescape").split("\0")
    own = {name for scope, name in zip(words[::2], words[1::2], strict=False) if scope in ("local", "worktree")}
    drivers = sorted({name.rpartition(".")[0] for name in own})
    return [(f"{name}.{key}", value) for name in drivers for key, value in _NO_FILTER]


def as_environment(settings: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Settings in the environment: there a name may have any sign in it."""
    told = {"GIT_CONFIG_COUNT": str(len(settings))} if settings else {}
    for n, (name, value) in enumerate(settings):
        told |= {f"GIT_CONFIG_KEY_{n}": name, f"GIT_CONFIG_VALUE_{n}": value}
    return told


def _reason(said: bytes) -> str:
    lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    return title(lines[-1].removeprefix("fatal: "), SAID_MAX).rstrip(".") if lines else ""
