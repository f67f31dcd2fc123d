"""git, for the worktrees of sessions that work on a branch of their own: a program with a time limit, and no shell."""

import os
import subprocess
from pathlib import Path
from typing import Final

import anyio

from gateway.core.summary import title
from gateway.view import thread_words

LIMIT_S: Final = 60.0
SAID_MAX: Final = 300
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CONFIG_HOME")
"""What git is told of this process's environment: there may be secrets in it, and a repository can have programs run."""
_SAFELY = ("-c", f"core.hooksPath={os.devnull}", "-c", "core.fsmonitor=false")
"""No program that stands in the repository is run: an agent may have written it."""


async def worktree(repository: str, directory: str, branch: str, limit_s: float = LIMIT_S) -> str:
    """Have a worktree of the repository for the branch there; one that is there is left as it is. Not empty: why there is none.

    A branch that neither the repository nor one of its remotes has begins where its HEAD is.
    """
    place = anyio.Path(directory)
    try:
        if await (place / ".git").exists():
            return ""
        await anyio.to_thread.run_sync(_make_above, Path(directory))
    except OSError as error:
        return f"{place.parent}: {error.strerror}"
    try:
        with anyio.fail_after(limit_s):
            await _git(repository, "worktree", "prune")
            known = await _has(repository, branch)
            what = [directory, branch] if known else ["-b", branch, directory, "HEAD"]
            found = await _git(repository, "worktree", "add", "--quiet", *what)
    except TimeoutError:
        return thread_words.git_slow(limit_s)
    except FileNotFoundError:
        return thread_words.NO_GIT
    except OSError as error:
        return error.strerror or thread_words.NO_GIT
    return "" if found.returncode == 0 else thread_words.git_failed(_reason(found.stderr))


def _make_above(place: Path) -> None:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


async def _has(repository: str, branch: str) -> bool:
    here = await _git(repository, "show-ref", "--verify", "--quiet", f"refs/heads/{branch}")
    if here.returncode == 0:
        return True
    remote = await _git(repository, "for-each-ref", "--count=1", f"refs/remotes/*/{branch}")
    return bool(remote.stdout.strip())


async def _git(repository: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environ = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return await anyio.run_process(
        ["git", *_SAFELY, "-C", repository, *arguments],
        check=False,
        stdin=subprocess.DEVNULL,
        env=environ | {"GIT_TERMINAL_PROMPT": "0"},
    )


def _reason(said: bytes) -> str:
    lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    return title(lines[-1].removeprefix("fatal: "), SAID_MAX).rstrip(".") if lines else ""
