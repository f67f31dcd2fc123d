"""Worktrees for branches: made, reused, refused in one sentence; nothing that stands in the repository is run."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import anyio
import pytest

from gateway import clock, git
from gateway.processes import is_there

pytestmark = pytest.mark.anyio


def run(place: Path, *arguments: str) -> str:
    """What git says in the repository."""
    who = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *who, *arguments], cwd=place, check=True, capture_output=True, text=True)
    return done.stdout.strip()


async def made(repository: str, place: str, branch: str, limit_s: float = git.LIMIT_S) -> str:
    """A worktree there, now."""
    return await git.worktree(repository, place, branch, clock.now_ms(), limit_s)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit."""
    place = tmp_path / "api"
    place.mkdir()
    run(place, "init", "--quiet")
    (place / "read.me").write_text("hello")
    run(place, "add", ".")
    run(place, "commit", "--quiet", "-m", "first")
    return place


async def test_a_branch_that_is_new_begins_at_head_and_its_worktree_is_used_again(
    repository: Path, tmp_path: Path
) -> None:
    """What was changed there stays when it is asked for once more."""
    place = tmp_path / "trees" / "fix"
    assert await made(str(repository), str(place), "fix") == ""
    assert (place / "read.me").read_text() == "hello"
    assert run(place, "branch", "--show-current") == "fix"
    (place / "read.me").write_text("changed")
    assert await made(str(repository), str(place), "fix") == ""
    assert (place / "read.me").read_text() == "changed"


async def test_a_branch_that_is_there_is_checked_out_also_after_its_worktree_was_deleted(
    repository: Path, tmp_path: Path
) -> None:
    """Git's own note of a directory that is gone does not stand in the way."""
    run(repository, "branch", "old")
    place = tmp_path / "trees" / "old"
    assert await made(str(repository), str(place), "old") == ""
    shutil.rmtree(place)
    assert await made(str(repository), str(place), "old") == ""
    assert run(place, "branch", "--show-current") == "old"


async def test_what_git_refuses_is_told_in_one_sentence(repository: Path, tmp_path: Path) -> None:
    """A branch that is checked out elsewhere, a name that is none, a place where there is no repository, no time."""
    place = str(tmp_path / "trees" / "x")
    said = await made(str(repository), place, "main")
    assert said.startswith("git says: 'main' is already")
    assert "\n" not in said
    assert (await made(str(repository), place, "a..b")).startswith("git says: ")
    assert (await made(str(tmp_path), place, "fix")).startswith("git says: not a git repository")
    assert await made(str(repository), place, "fix", limit_s=0) == "git did not answer within 0 s"
    (tmp_path / "file").write_text("")
    assert "file" in await made(str(repository), str(tmp_path / "file" / "below" / "x"), "fix")


async def test_hooks_of_the_repository_do_not_run_and_secrets_are_not_passed_on(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent may have written the hook, and a filter of the person's own sees the environment: neither gets what the gateway has."""
    monkeypatch.setenv("TOLLBRIDGE_TELEGRAM__TOKEN", "12345:secret")
    monkeypatch.setenv("HOME", str(tmp_path))
    hook = repository / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    (repository / ".gitattributes").write_text("* filter=spy\n")
    run(repository, "config", "--global", "filter.spy.smudge", f"sh -c 'env > {tmp_path}/seen; cat'")
    run(repository, "add", ".")
    run(repository, "commit", "--quiet", "-m", "second")
    assert await made(str(repository), str(tmp_path / "trees" / "fix"), "fix") == ""
    assert not (tmp_path / "ran").exists()
    assert "secret" not in (tmp_path / "seen").read_text()


def half_made(repository: Path, place: Path, begun_s: float) -> None:
    """A worktree as git leaves it that was killed so many seconds after it began it."""
    run(repository, "worktree", "add", "--quiet", "-b", "fix", str(place))
    (place / "read.me").unlink()
    lock = repository / ".git" / "worktrees" / place.name / "locked"
    lock.write_text("initializing")
    os.utime(lock, (time.time() - begun_s, time.time() - begun_s))


async def test_a_worktree_that_was_never_finished_is_made_anew(repository: Path, tmp_path: Path) -> None:
    """Else its agent would find files deleted that nobody deleted, and commit that."""
    place = tmp_path / "trees" / "fix"
    half_made(repository, place, begun_s=120)
    assert await made(str(repository), str(place), "fix") == ""
    assert (place / "read.me").read_text() == "hello"
    assert run(place, "status", "--porcelain") == ""


async def test_a_worktree_that_git_may_still_be_making_is_waited_for(repository: Path, tmp_path: Path) -> None:
    """A gateway was killed, and its git goes on: two of them in one directory would destroy each other's work."""
    place = tmp_path / "trees" / "fix"
    half_made(repository, place, begun_s=0)
    assert await made(str(repository), str(place), "fix", limit_s=0.5) == "git did not answer within 0 s"
    assert not (place / "read.me").exists()
    (repository / ".git" / "worktrees" / "fix" / "locked").unlink()
    assert await made(str(repository), str(place), "fix") == ""


async def test_a_git_that_takes_too_long_is_ended_with_all_that_it_started(repository: Path, tmp_path: Path) -> None:
    """And nothing of what it had made is left: the next one begins anew."""
    pid, place = tmp_path / "pid", tmp_path / "trees" / "fix"
    slow = tmp_path / "slow.sh"
    slow.write_text(f"#!/bin/sh\necho $$ > {pid}\nexec sleep 60\n")
    slow.chmod(0o755)
    (repository / ".git" / "info").mkdir(exist_ok=True)
    (repository / ".git" / "info" / "attributes").write_text("* filter=slow\n")
    run(repository, "config", "--global", "filter.slow.smudge", str(slow))
    assert await made(str(repository), str(place), "fix", limit_s=3) == "git did not answer within 3 s"
    with anyio.fail_after(10):
        while is_there(int(pid.read_text())):  # noqa: ASYNC110 - another process's end tells nobody
            await anyio.sleep(0.05)
    assert not place.exists()
    run(repository, "config", "--global", "filter.slow.smudge", "cat")
    assert await made(str(repository), str(place), "fix") == ""
    assert (place / "read.me").read_text() == "hello"


@pytest.mark.parametrize("where", ["config", "included"])
@pytest.mark.parametrize("name", ["evil", "e=v.il"])
async def test_a_filter_that_the_repository_names_is_not_run(
    repository: Path, tmp_path: Path, where: str, name: str
) -> None:
    """A checkout runs the filters of the settings: an agent may have written those of the repository, and nobody was asked."""
    ran, settings = tmp_path / "ran", repository / ".git" / where
    (repository / ".gitattributes").write_text(f"* filter={name}\n")
    run(repository, "add", ".")
    run(repository, "commit", "--quiet", "-m", "second")
    before = settings.read_text() if settings.exists() else ""
    evil = f'[filter "{name}"]\n\tsmudge = "touch {ran}; cat"\n\tprocess = touch {ran}\n\trequired = true\n'
    settings.write_text(before + evil)
    if where == "included":
        run(repository, "config", "include.path", "included")
    assert await made(str(repository), str(tmp_path / "trees" / "fix"), "fix") == ""
    assert (tmp_path / "trees" / "fix" / "read.me").read_text() == "hello"
    assert not ran.exists()


async def test_more_filters_than_can_be_looked_at_refuse_the_worktree(repository: Path, tmp_path: Path) -> None:
    """One of them might be hidden by the others."""
    settings = repository / ".git" / "config"
    many = "".join(f'[filter "f{n}"]\n\tsmudge = touch {tmp_path}/ran; cat\n' for n in range(2_000))
    settings.write_text(settings.read_text() + many)
    why = await made(str(repository), str(tmp_path / "trees" / "fix"), "fix")
    assert why == "the repository's own settings name too many filters to run none of them"
    assert not (tmp_path / "trees" / "fix").exists()
