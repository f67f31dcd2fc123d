"""What git shows of a turn, in real repositories: only what the turn made is counted to it, and nothing in them is run."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import git_history, git_run
from gateway.domain.outcome import Change, Sight, Whose
from gateway.git_history import look
from gateway.git_run import NotKnownError
from tests.git_kit import HOUR_S, LIMIT_S, NOW_MS, NOW_S, Repo, made, of

pytestmark = pytest.mark.anyio
LATER = NOW_S + 60


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """With one commit, made an hour ago."""
    repo = made(tmp_path / "app")
    repo.commit("a.txt", "one", "two", at_s=NOW_S - HOUR_S)
    return repo


async def test_what_is_not_committed_is_seen_with_new_files_and_by_its_content(repo: Repo) -> None:
    """Files and lines; another content of the same size is another digest, and a file that git ignores is none."""
    clean = (await repo.look()).seen
    assert clean is not None
    assert (clean.head, clean.branch, clean.change) == (repo.head, "main", Change())
    assert clean.repository == clean.place == str(repo.place / ".git")
    repo.write("a.txt", "one", "2")
    repo.write(".gitignore", "*.log")
    repo.write("x.log", "much")
    repo.write("sub/new.txt", "a", "b")
    first = (await look(str(repo.place / "sub"), NOW_MS, LIMIT_S)).seen
    assert first is not None
    assert first.change == Change(3, 4, 1)
    repo.write("sub/new.txt", "a", "c")
    second = (await repo.look()).seen
    assert second is not None
    assert second.change == first.change
    assert second.digest != first.digest


async def test_commits_of_a_turn_are_its_own_with_what_they_change(repo: Repo) -> None:
    """Also on another branch than before, and after they were pushed."""
    away = made(repo.place.parent / "away", "--bare")
    repo.git("remote", "add", "origin", str(away.place))
    before = await repo.look()
    one = repo.commit("b.txt", "x", "y", at_s=LATER)
    repo.git("checkout", "--quiet", "-b", "topic")
    two = repo.commit("a.txt", "one", at_s=LATER)
    repo.git("push", "--quiet", "-u", "origin", "topic")
    repo.git("checkout", "--quiet", "main")
    found = await repo.came(before)
    assert of(found) == {one: Whose.TURN, two: Whose.TURN}
    assert {made.sha: change for made, _, change in found or ()} == {one: Change(1, 2, 0), two: Change(1, 0, 1)}


async def test_a_turn_without_commits_has_none_which_is_known(repo: Repo) -> None:
    """An empty list, not an unknown one."""
    before = await repo.look()
    repo.write("a.txt", "changed")
    assert await repo.came(before) == ()


async def test_a_pull_credits_nothing_that_others_made(repo: Repo) -> None:
    """Neither what they made long ago nor in this very minute, fast-forward or merged; the merge itself is the turn's, and empty."""
    other = repo.clone(repo.place.parent / "other")
    mine = Repo(repo.place.parent / "mine")
    repo.clone(mine.place)
    for number in range(3):
        other.commit(f"o{number}.txt", "x", at_s=LATER - HOUR_S * number)
    other.git("push", "--quiet", "origin", "HEAD:theirs")
    before = await mine.look()
    mine.git("pull", "--quiet", "--ff-only", "origin", "theirs", at_s=LATER)
    assert of(await mine.came(before)) == {}
    own = mine.commit("m.txt", "x", at_s=LATER)
    other.commit("o4.txt", "x", at_s=LATER)
    other.git("push", "--quiet", "origin", "HEAD:theirs")
    mine.git("pull", "--quiet", "--no-rebase", "--no-edit", "origin", "theirs", at_s=LATER)
    found = await mine.came(before)
    assert of(found) == {own: Whose.TURN, mine.head: Whose.TURN}
    assert {change for made, _, change in found or () if made.sha == mine.head} == {Change()}


async def test_what_is_amended_or_rebased_was_there_before(repo: Repo) -> None:
    """Commits of before that were made anew are told apart; one that the turn itself made and amended is one."""
    repo.git("checkout", "--quiet", "-b", "topic")
    repo.commit("t.txt", "x", at_s=NOW_S - 60)
    repo.git("checkout", "--quiet", "main")
    repo.commit("m.txt", "x", at_s=NOW_S - 30)
    repo.git("checkout", "--quiet", "topic")
    before = await repo.look()
    repo.git("rebase", "--quiet", "main", at_s=LATER)
    rebased = repo.head
    assert of(await repo.came(before)) == {rebased: Whose.REWRITTEN}
    repo.commit("n.txt", "x", at_s=LATER)
    repo.write("n.txt", "x", "y")
    repo.git("commit", "--quiet", "-a", "--amend", "--no-edit", at_s=LATER)
    assert of(await repo.came(before)) == {rebased: Whose.REWRITTEN, repo.head: Whose.TURN}


async def test_a_checkout_of_what_was_there_credits_nothing(repo: Repo) -> None:
    """Nor does a reset, or a merge that only goes forward."""
    repo.git("checkout", "--quiet", "-b", "topic")
    repo.commit("t.txt", "x", at_s=NOW_S)
    repo.git("checkout", "--quiet", "main")
    before = await repo.look()
    repo.git("merge", "--quiet", "topic", at_s=LATER)
    repo.git("checkout", "--quiet", "--detach", "HEAD~1")
    assert of(await repo.came(before)) == {}
    after = (await repo.look()).seen
    assert after is not None
    assert after.branch == ""


async def test_two_sessions_in_one_worktree_share_what_comes_to_be(repo: Repo) -> None:
    """Nobody can say whose it is."""
    before = await repo.look()
    one = repo.commit("b.txt", "x", at_s=LATER)
    assert of(await repo.came(before, here=True)) == {one: Whose.SHARED}


async def test_two_worktrees_have_a_head_each(repo: Repo) -> None:
    """What was made in the other one is not counted to this turn, what was made here is, though another session works there."""
    repo.git("worktree", "add", "--quiet", "-b", "side", str(repo.place.parent / "side"))
    side = Repo(repo.place.parent / "side")
    before, aside = await repo.look(), await side.look()
    assert before.seen is not None
    assert aside.seen is not None
    assert before.seen.repository == aside.seen.repository
    assert before.seen.place != aside.seen.place
    here = repo.commit("b.txt", "x", at_s=LATER)
    there = side.commit("c.txt", "x", at_s=LATER)
    assert of(await repo.came(before, beside=True)) == {here: Whose.TURN, there: Whose.SHARED}
    assert of(await side.came(aside, beside=True)) == {here: Whose.SHARED, there: Whose.TURN}


async def test_without_a_log_of_head_only_what_nobody_else_can_have_made_counts(repo: Repo) -> None:
    """Git can be told to keep none."""
    repo.git("config", "core.logAllRefUpdates", "false")
    (repo.place / ".git" / "logs" / "HEAD").unlink()
    before = await repo.look()
    one = repo.commit("b.txt", "x", at_s=LATER)
    assert of(await repo.came(before)) == {one: Whose.TURN}
    assert of(await repo.came(before, beside=True)) == {one: Whose.SHARED}


async def test_a_first_commit_is_the_turns_that_made_it(tmp_path: Path) -> None:
    """HEAD was not born before; what lay there uncommitted was seen."""
    repo = made(tmp_path / "new")
    repo.write("a.txt", "x")
    before = await repo.look()
    assert before.seen is not None
    assert (before.seen.head, before.seen.branch, before.seen.change) == ("", "main", Change(1, 1, 0))
    one = repo.commit("a.txt", "x", at_s=LATER)
    assert of(await repo.came(before)) == {one: Whose.TURN}


async def test_where_there_is_no_repository_it_is_known(tmp_path: Path) -> None:
    """And a bare one has nothing that is not committed; one that git cannot read is not known."""
    assert (await look(str(tmp_path), NOW_MS, LIMIT_S)).sight is Sight.NO_REPOSITORY
    bare = made(tmp_path / "bare", "--bare")
    seen = (await bare.look()).seen
    assert seen is not None
    assert seen.change == Change()
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / ".git").write_text("gitdir: /nowhere\n")
    assert (await look(str(tmp_path / "odd"), NOW_MS, LIMIT_S)).sight is Sight.UNKNOWN


async def test_what_takes_too_long_or_is_too_much_is_not_known(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """And never nothing: no time, too many new files or bytes, branches, commits, or too much of an answer."""
    before = await repo.look()
    assert (await look(str(repo.place), NOW_MS, 0)).sight is Sight.UNKNOWN
    one = repo.commit("b.txt", "x", at_s=LATER)
    with monkeypatch.context() as patched:
        patched.setattr(git_history, "COMMITS_MAX", 0)
        assert await repo.came(before) is None
    with monkeypatch.context() as patched:
        patched.setattr(git_history, "CAME_MAX", 0)
        assert await repo.came(before) is None
    with monkeypatch.context() as patched:
        patched.setattr(git_history, "TIPS_MAX", 0)
        assert (await repo.look()).sight is Sight.UNKNOWN
    repo.write("new.txt", "x")
    for name in ("NEW_FILES_MAX", "NEW_BYTES_MAX"):
        with monkeypatch.context() as patched:
            patched.setattr(git_history, name, 0)
            seen = (await repo.look()).seen
            assert seen is not None
            assert seen.change is None
    with monkeypatch.context() as patched:
        patched.setattr(git_run, "OUTPUT_MAX", 5)
        with pytest.raises(NotKnownError):
            await git_run.run(("-C", str(repo.place)), "rev-parse", one)
    assert await repo.came(replace(before, seen=None)) is None


async def test_nothing_that_stands_in_a_repository_is_run(repo: Repo, tmp_path: Path) -> None:
    """Filters, diff drivers, a monitor, hooks, a pager, signatures, transports and submodules all name a program that leaves a mark.

    Git itself, asked without care, does run some: else this would prove nothing.
    """
    mark = tmp_path / "ran"
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\necho $0 $@ >> {mark}\ncat\n")
    evil.chmod(0o755)
    for name, value in {
        "core.fsmonitor": evil,
        "core.pager": evil,
        "core.sshCommand": evil,
        "core.hooksPath": tmp_path / "hooks",
        "diff.external": evil,
        "diff.spy.command": evil,
        "diff.spy.textconv": evil,
        "filter.spy.clean": evil,
        "filter.spy.smudge": evil,
        "filter.spy2.process": evil,
        "filter.spy2.required": "true",
        "gpg.program": evil,
        "log.showSignature": "true",
        "protocol.ext.allow": "always",
        "remote.origin.url": f"ext::{evil}",
        "remote.origin.promisor": "true",
        "extensions.partialClone": "origin",
        "core.repositoryFormatVersion": "1",
        "alias.rev-list": f"!{evil}",
    }.items():
        repo.git("config", name, str(value))
    (tmp_path / "hooks").mkdir()
    for name in ("post-index-change", "reference-transaction", "post-checkout"):
        (tmp_path / "hooks" / name).symlink_to(evil)
    (repo.place / ".gitattributes").write_text("a.txt diff=spy filter=spy\nb.txt filter=spy2\n")
    before = await repo.look()
    repo.write("a.txt", "one", "three")
    repo.write("b.txt", "x")
    tree = repo.place / ".git" / "objects" / "aa"
    after = await repo.look()
    assert after.sight is Sight.SEEN
    assert after.seen is not None
    assert after.seen.change == Change(3, 4, 1)
    missing = ("--git-dir", str(repo.place / ".git"))
    with pytest.raises(NotKnownError):
        await git_run.run(missing, "cat-file", "-p", "1" * 40)
    assert await repo.came(before) == ()
    assert not mark.exists(), mark.read_text()
    assert not tree.exists()
    os.utime(repo.place / "a.txt", (1, 1))
    repo.git("status", check=False)
    assert mark.exists()


async def test_nothing_is_written_and_no_secret_is_passed_on(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index stays as it is, though a look at it would be quicker the next time; the environment is a list of harmless names."""
    monkeypatch.setenv("TOLLBRIDGE_TELEGRAM__TOKEN", "12345:secret")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    os.utime(repo.place / "a.txt", (1, 1))
    was = (repo.place / ".git" / "index").read_bytes()
    said = await git_run.run(("-C", str(repo.place)), "-c", "alias.seen=!env", "seen")
    assert b"secret" not in said
    assert b"/nowhere" not in said
    assert (await repo.look()).sight is Sight.SEEN
    assert (repo.place / ".git" / "index").read_bytes() == was


async def test_files_that_are_none_are_not_read(repo: Repo) -> None:
    """A pipe would wait for good, and a link may lead to anything."""
    os.mkfifo(repo.place / "pipe")
    (repo.place / "link").symlink_to("/etc/passwd")
    seen = (await repo.look()).seen
    assert seen is not None
    assert seen.change == Change(1, 0, 0)


async def test_a_git_that_hangs_is_ended_and_nothing_is_known(repo: Repo) -> None:
    """Pipes where git, or the gateway itself, expects files: the one is ended at its limit, the other reads none."""
    (repo.place / ".git" / "index").unlink()
    os.mkfifo(repo.place / ".git" / "index")
    assert (await repo.look()).sight is Sight.SEEN
    os.mkfifo(repo.place / ".git" / "packed-refs")
    assert (await look(str(repo.place), NOW_MS, 0.5)).sight is Sight.UNKNOWN


async def test_a_submodule_is_not_entered(repo: Repo, tmp_path: Path) -> None:
    """It has settings of its own; that it changed is no change of this repository's files."""
    mark = tmp_path / "ran"
    inner = made(tmp_path / "inner")
    inner.commit("i.txt", "x")
    repo.git("submodule", "--quiet", "add", str(inner.place), "sub")
    repo.git("commit", "--quiet", "-m", "with a submodule")
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {mark}\n")
    evil.chmod(0o755)
    sub = Repo(repo.place / "sub")
    sub.git("config", "filter.spy.clean", str(evil))
    (repo.place / ".git" / "modules" / "sub" / "info").mkdir(exist_ok=True)
    (repo.place / ".git" / "modules" / "sub" / "info" / "attributes").write_text("* filter=spy\n")
    sub.write("i.txt", "y")  # as long as before: git has to look into it
    seen = (await repo.look()).seen
    assert seen is not None
    assert seen.change == Change()
    assert not mark.exists()
    repo.git("status")
    assert mark.exists()
