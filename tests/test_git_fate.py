"""What became of commits, in real repositories: merged in any way, reverted, gone, and how many of their lines are still there."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway import git_fate
from gateway.domain.outcome import Fate, Merged
from gateway.git_fate import fate
from tests.git_kit import DAY_S, LIMIT_S, NOW_S, Repo, commit_of, made

pytestmark = pytest.mark.anyio
LINES = ("one", "two", "three")
MONTH_S = NOW_S + 31 * DAY_S


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """With a commit on main."""
    repo = made(tmp_path / "app")
    repo.commit("read.me", "hello", at_s=NOW_S - DAY_S)
    return repo


async def seen(repo: Repo, sha: str, at_s: int = MONTH_S, before: Fate | None = None) -> Fate:
    """What became of a commit that was made now."""
    found = await fate(replace(commit_of(repo, sha, NOW_S), fate=before), at_s * 1000, LIMIT_S)
    assert found is not None
    assert found.seen_at_ms == at_s * 1000
    return replace(found, seen_at_ms=0)


async def test_lines_are_counted_as_they_stood_after_7_and_30_days(repo: Repo) -> None:
    """Whatever happened since, however they are indented, and under another name of the file."""
    sha = repo.commit("a.txt", *LINES)
    repo.git("mv", "a.txt", "b.txt")
    repo.git("commit", "--quiet", "-m", "renamed", at_s=NOW_S + DAY_S)
    repo.commit("b.txt", "  one", "two", "3", at_s=NOW_S + 6 * DAY_S)
    repo.commit("b.txt", "two", at_s=NOW_S + 29 * DAY_S)
    repo.commit("b.txt", "gone", at_s=NOW_S + 31 * DAY_S)
    assert await seen(repo, sha) == Fate(0, branch="main", merged=Merged.ITSELF, after_7=2, after_30=1)
    assert await seen(repo, sha, NOW_S + 8 * DAY_S) == Fate(0, branch="main", merged=Merged.ITSELF, after_7=2)
    assert await seen(repo, sha, NOW_S + DAY_S) == Fate(0, branch="main", merged=Merged.ITSELF)


async def test_what_an_earlier_look_saw_stays(repo: Repo) -> None:
    """The branch may have been written anew since."""
    sha = repo.commit("a.txt", *LINES)
    assert (await seen(repo, sha, before=Fate(0, after_7=1))).after_7 == 1


async def test_a_first_commit_and_a_deleted_file_are_followed_too(tmp_path: Path) -> None:
    """The first has no commit before it; nothing is left of what was deleted."""
    repo = made(tmp_path / "new")
    sha = repo.commit("a.txt", *LINES)
    assert (await seen(repo, sha)).after_30 == 3
    repo.git("rm", "--quiet", "a.txt")
    repo.commit("b.txt", "x", at_s=NOW_S + 8 * DAY_S)
    found = await seen(repo, sha)
    assert (found.after_7, found.after_30) == (3, 0)


async def test_a_commit_of_a_branch_is_not_merged_until_it_is(repo: Repo) -> None:
    """By a merge it is there itself; lines that came to the branch after the day were not on it that day."""
    repo.git("checkout", "--quiet", "-b", "topic")
    sha = repo.commit("a.txt", *LINES)
    assert await seen(repo, sha) == Fate(0)
    repo.git("checkout", "--quiet", "main")
    repo.git("merge", "--quiet", "--no-ff", "-m", "join", "topic", at_s=NOW_S + 8 * DAY_S)
    assert await seen(repo, sha) == Fate(0, branch="main", merged=Merged.ITSELF, after_30=3)


async def test_the_default_branch_is_what_the_remote_calls_so(repo: Repo) -> None:
    """What was pushed there is merged there; what was not, on the local branch of that name."""
    repo.git("branch", "-m", "stable")
    mine = repo.clone(repo.place.parent / "mine")
    sha = mine.commit("a.txt", *LINES)
    assert (await seen(mine, sha)).branch == "stable"
    repo.git("checkout", "--quiet", "--detach")
    mine.git("push", "--quiet", "origin", "HEAD:stable")
    assert (await seen(mine, sha)).branch == "origin/stable"


async def test_a_rebased_commit_is_found_by_what_it_changes(repo: Repo) -> None:
    """Though no branch has the commit itself any more."""
    repo.git("checkout", "--quiet", "-b", "topic")
    sha = repo.commit("a.txt", *LINES)
    repo.git("checkout", "--quiet", "main")
    repo.commit("b.txt", "x", at_s=NOW_S + DAY_S)
    repo.git("checkout", "--quiet", "topic")
    repo.git("rebase", "--quiet", "main", at_s=NOW_S + 2 * DAY_S)
    repo.git("checkout", "--quiet", "main")
    repo.git("merge", "--quiet", "topic")
    assert await seen(repo, sha) == Fate(0, branch="main", merged=Merged.PATCH, after_7=3, after_30=3)


async def test_a_squashed_branch_is_found_by_what_it_changes_in_all(repo: Repo) -> None:
    """Of its lines only those count that were the commit's own."""
    repo.git("checkout", "--quiet", "-b", "topic")
    sha = repo.commit("a.txt", *LINES)
    repo.commit("a.txt", *LINES, "four", "five", at_s=NOW_S + 60)
    repo.git("checkout", "--quiet", "main")
    repo.commit("b.txt", "x", at_s=NOW_S + DAY_S)
    repo.git("merge", "--quiet", "--squash", "topic")
    repo.git("commit", "--quiet", "-m", "all of it", at_s=NOW_S + 2 * DAY_S)
    repo.commit("a.txt", "one", "three", "four", at_s=NOW_S + 9 * DAY_S)
    assert await seen(repo, sha) == Fate(0, branch="main", merged=Merged.SQUASH, after_7=3, after_30=2)


async def test_a_revert_is_told_unless_it_was_reverted(repo: Repo) -> None:
    """By git's own words for it, of the commit or of what stands for it."""
    sha = repo.commit("a.txt", *LINES)
    repo.git("revert", "--no-edit", sha, at_s=NOW_S + DAY_S)
    back = repo.head
    found = await seen(repo, sha)
    assert (found.reverted_by, found.after_7) == (back, 0)
    repo.git("revert", "--no-edit", back, at_s=NOW_S + 2 * DAY_S)
    assert (await seen(repo, sha)).reverted_by == ""


async def test_what_no_branch_has_is_gone(repo: Repo) -> None:
    """As long as git still has it, and after."""
    repo.git("checkout", "--quiet", "-b", "topic")
    sha = repo.commit("a.txt", *LINES)
    repo.git("checkout", "--quiet", "main")
    repo.git("branch", "--quiet", "-D", "topic")
    assert await seen(repo, sha) == Fate(0, gone=True)
    assert await seen(repo, "1" * 40) == Fate(0, gone=True)


async def test_a_repository_that_is_gone_tells_nothing(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither does one that takes too long, nor one without a default branch as to what was merged; too many files are not followed."""
    sha = repo.commit("a.txt", *LINES)
    one = commit_of(repo, sha, NOW_S)
    assert await fate(replace(one, repository=str(tmp_path / "away")), NOW_S, LIMIT_S) is None
    assert await fate(one, NOW_S, 0) is None
    monkeypatch.setattr(git_fate, "FILES_MAX", 0)
    assert await seen(repo, sha) == Fate(0, branch="main", merged=Merged.ITSELF)
    repo.git("branch", "-m", "odd")
    assert await seen(repo, sha) == Fate(0)


async def test_nothing_that_stands_in_a_repository_is_run(repo: Repo, tmp_path: Path) -> None:
    """Not when lines are followed and messages are read either: git without care would."""
    mark = tmp_path / "ran"
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\necho $0 $@ >> {mark}\ncat $1\n")
    evil.chmod(0o755)
    sha = repo.commit("a.txt", *LINES)
    for name in (
        "diff.spy.textconv",
        "diff.spy.command",
        "diff.external",
        "gpg.program",
        "core.fsmonitor",
        "core.pager",
    ):
        repo.git("config", name, str(evil))
    repo.git("config", "log.showSignature", "true")
    (repo.place / ".git" / "info" / "attributes").write_text("* diff=spy\n")
    assert (await seen(repo, sha)).after_30 == 3
    assert not mark.exists()
    repo.git("blame", "--textconv", sha, "a.txt")
    assert mark.exists()
