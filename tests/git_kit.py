"""Repositories made by hand, with commits at times that are given."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gateway.core.outcome import Span
from gateway.domain.outcome import Commit, Whose
from gateway.git_history import Counted, Look, came, look

NOW_S = 1_790_000_000
NOW_MS = NOW_S * 1000
HOUR_S = 3600
DAY_S = 24 * HOUR_S
LIMIT_S = 60.0


@dataclass(frozen=True)
class Repo:
    """A worktree."""

    place: Path

    def git(self, *arguments: str, at_s: int = NOW_S, check: bool = True) -> str:
        """What git says, at a time."""
        who = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
        quiet = ("-c", "protocol.file.allow=always", "-c", "advice.detachedHead=false")
        time = {"GIT_AUTHOR_DATE": f"{at_s} +0000", "GIT_COMMITTER_DATE": f"{at_s} +0000", "GIT_EDITOR": "true"}
        done = subprocess.run(
            ["git", *who, *quiet, *arguments],
            cwd=self.place,
            check=check,
            capture_output=True,
            text=True,
            env={**os.environ, **time, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"},
        )
        return done.stdout.strip()

    def write(self, name: str, *lines: str) -> None:
        file = self.place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines))

    def commit(self, name: str, *lines: str, at_s: int = NOW_S, message: str = "") -> str:
        """A commit that writes these lines to the file; its sha."""
        self.write(name, *lines)
        self.git("add", ".", at_s=at_s)
        self.git("commit", "--quiet", "-m", message or f"{name} at {at_s}", at_s=at_s)
        return self.head

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def clone(self, place: Path) -> "Repo":
        self.git("clone", "--quiet", str(self.place), str(place))
        return Repo(place)

    async def look(self, at_s: int = NOW_S) -> Look:
        return await look(str(self.place), at_s * 1000, LIMIT_S)

    async def came(
        self, before: Look, end_s: int = NOW_S + HOUR_S, *, beside: bool = False, here: bool = False
    ) -> tuple[Counted, ...] | None:
        """What came to be since then, until that time."""
        after = await self.look(end_s)
        span = Span(before.seen.at_ms if before.seen else 0, end_s * 1000, here, beside or here)
        return await came(str(self.place), before, after, span, LIMIT_S)


def made(place: Path, *arguments: str) -> Repo:
    """A new repository."""
    place.mkdir(parents=True, exist_ok=True)
    repo = Repo(place)
    repo.git("init", "--quiet", *arguments)
    return repo


def of(found: tuple[Counted, ...] | None) -> dict[str, Whose]:
    """Whose the commits are, by sha."""
    assert found is not None
    return {one.sha: whose for one, whose, _ in found}


def commit_of(repo: Repo, sha: str, at_s: int, added: int = 3) -> Commit:
    """A commit as it is kept."""
    from gateway.domain.outcome import Change  # noqa: PLC0415

    return Commit("t_1", sha, str(repo.place / ".git"), Whose.TURN, Change(1, added, 0), at_s * 1000, at_s * 1000)
