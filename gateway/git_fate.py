"""What became of a commit: whether the default branch has it, whether it was reverted, and how many of its lines are still there.

As far as this clone knows: nothing is fetched. `repository` is the git directory that all worktrees share; no worktree is looked at.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

import anyio

from gateway.core.outcome import DAY_MS
from gateway.domain.outcome import Commit, Fate, Merged
from gateway.git_run import PLAIN, NotKnownError, run

FILES_MAX: Final = 100
"""Files of a commit: the lines of one with more are not followed."""
ALIKE_MAX: Final = 300
"""So many commits of the default branch are compared with one that it does not have."""
TIPS_MAX: Final = 5
REVERTS_MAX: Final = 20
RENAMES_MAX: Final = 5
"""Of one file, one after the other."""
USUAL: Final = ("main", "master", "trunk", "develop")


async def fate(commit: Commit, now_ms: int, limit_s: float) -> Fate | None:
    """What became of the commit by now; what an earlier look saw of its lines stays. None: not known. It never raises."""
    where = ("--git-dir", commit.repository)
    try:
        with anyio.fail_after(limit_s):
            return await _fate(where, commit, now_ms)
    except (TimeoutError, NotKnownError, OSError, ValueError):
        return None


async def _fate(where: Sequence[str], commit: Commit, now_ms: int) -> Fate:
    sha = commit.sha
    before = commit.fate or Fate(now_ms)
    kept = Fate(now_ms, after_7=before.after_7, after_30=before.after_30)
    await run(where, "rev-parse", "--git-dir")  # a repository that is gone is no commit that is gone
    if not await _ok(where, "cat-file", "-e", sha):
        return _with(kept, gone=True)
    for ref in await _defaults(where):
        if await _has(where, sha, ref):
            return await _merged(where, commit, kept, ref, (sha, Merged.ITSELF))
    for ref in await _defaults(where):
        if found := await _alike(where, sha, ref):
            return await _merged(where, commit, kept, ref, found)
    gone = bool(await _said(where, "rev-list", "--max-count=1", sha, "--not", "--all"))
    return _with(kept, gone=gone, reverted_by=await _reverted(where, "--all", sha))


def _with(fate: Fate, **more: object) -> Fate:
    return Fate(**{name: getattr(fate, name) for name in Fate.__slots__} | more)  # type: ignore[arg-type]


async def _merged(where: Sequence[str], commit: Commit, kept: Fate, ref: str, found: tuple[str, Merged]) -> Fate:
    """On this branch, as this commit."""
    as_sha, how = found
    reverted = (
        await _reverted(where, ref, as_sha) or (as_sha != commit.sha and await _reverted(where, ref, commit.sha)) or ""
    )
    after: list[int | None] = []
    for days, known in ((7, kept.after_7), (30, kept.after_30)):
        at_ms = commit.committed_ms + days * DAY_MS
        due = known is None and at_ms <= kept.seen_at_ms
        after.append(await _lines(where, commit, ref, at_ms // 1000, found) if due else known)
    branch = ref.removeprefix("refs/heads/").removeprefix("refs/remotes/")
    return _with(kept, branch=branch, merged=how, reverted_by=reverted, after_7=after[0], after_30=after[1])


# ------------------------------------------------------------------------------------------------------- where it went
async def _defaults(where: Sequence[str]) -> list[str]:
    """The default branch as it was fetched, and the local one: by the remote's own word, else by the usual names."""
    head = await _said(where, "symbolic-ref", "--quiet", "refs/remotes/origin/HEAD", fails=1)
    named = [head.removeprefix("refs/remotes/origin/")] if head.startswith("refs/remotes/origin/") else USUAL
    for name in named:
        refs = (f"refs/remotes/origin/{name}", f"refs/heads/{name}")
        there = [ref for ref in refs if await _ok(where, "show-ref", "--verify", "--quiet", ref)]
        if there:
            return there
    return []


async def _has(where: Sequence[str], sha: str, ref: str) -> bool:
    return await _ok(where, "merge-base", "--is-ancestor", sha, ref)


async def _alike(where: Sequence[str], sha: str, ref: str) -> tuple[str, Merged] | None:
    """The commit of the branch that changes the same as this one, or as all of a branch that has it."""
    first = await _said(where, "merge-base", sha, ref, fails=1)
    if not first:
        return None
    files = await _files(where, f"{first}", sha)
    command = ("rev-list", "--no-merges", f"--max-count={ALIKE_MAX}", ref, f"^{first}", "--")
    shas = (await _said(where, *command, *(files if len(files) <= FILES_MAX else ()))).split()
    if not shas:
        return None
    patches = await _patches(where, "--stdin", feed="".join(f"{one}\n" for one in shas).encode())
    by_patch = {patch: one for one, patch in patches.items()}
    own = (await _patches(where, "--root", sha)).values()
    if found := next((by_patch[patch] for patch in own if patch in by_patch), None):
        return found, Merged.PATCH
    which = ("refs/heads", "refs/remotes")
    tips = (
        await _said(where, "for-each-ref", f"--contains={sha}", f"--count={TIPS_MAX}", "--format=%(objectname)", *which)
    ).split()
    for tip in dict.fromkeys([*tips, sha]):
        base = await _said(where, "merge-base", tip, ref, fails=1)
        whole = (await _patches(where, base, tip)).values() if base else ()
        if found := next((by_patch[patch] for patch in whole if patch in by_patch), None):
            return found, Merged.SQUASH
    return None


async def _patches(where: Sequence[str], *which: str, feed: bytes = b"") -> dict[str, str]:
    """By commit a name for what it changes; by nothing's name where there is no single commit."""
    diff = await run(where, "diff-tree", "-r", "-p", "--no-renames", "--full-index", *PLAIN, *which, feed=feed)
    found = (
        (line.split() for line in (await _text(where, "patch-id", "--stable", feed=diff)).splitlines()) if diff else ()
    )
    return {sha: patch for patch, sha in found}


async def _reverted(where: Sequence[str], which: str, sha: str) -> str:
    """The commit that takes this one back, by git's own words in its message, and that is not taken back itself."""
    for one in await _reverts(where, which, sha):
        if not await _reverts(where, which, one):
            return one
    return ""


async def _reverts(where: Sequence[str], which: str, sha: str) -> list[str]:
    words = f"--grep=This reverts commit {sha}"
    return (await _said(where, "rev-list", f"--max-count={REVERTS_MAX}", "-F", words, which, f"^{sha}")).split()


# --------------------------------------------------------------------------------------------------------------- lines
async def _lines(where: Sequence[str], commit: Commit, ref: str, at_s: int, found: tuple[str, Merged]) -> int | None:
    """How many of the lines that the commit added were on the branch at this time; None: it was not there yet, or it is too much."""
    sha, how = found
    there = await _said(where, "rev-list", "--first-parent", "--max-count=1", f"--before={at_s}", ref)
    if not there or not await _has(where, sha, there):
        return None
    files = await _files(where, "--root", sha)
    if len(files) > FILES_MAX:
        return None
    lines: list[bytes] = []
    for path in {await _followed(where, sha, there, path) for path in files} - {""}:
        lines += await _blamed(where, sha, there, path)
    if how is not Merged.SQUASH:
        return min(len(lines), commit.change.added)
    own = Counter(await _added(where, commit.sha))
    return sum((Counter(line.strip() for line in lines) & own).values())


async def _files(where: Sequence[str], *which: str) -> list[str]:
    """The paths that a commit, or what lies between two, changes."""
    command = ("diff-tree", "-r", "-z", "--no-commit-id", "--name-only", "--no-renames", *PLAIN)
    return [path for path in (await _text(where, *command, *which)).split("\0") if path]


async def _followed(where: Sequence[str], sha: str, there: str, path: str) -> str:
    """What the commit's file is called there; empty: it was deleted."""
    for _ in range(RENAMES_MAX):
        if not path or await _said(where, "ls-tree", "--full-tree", "--name-only", there, "--", path):
            break
        last = await _said(where, "rev-list", "--max-count=1", there, f"^{sha}", "--", path)
        path = (await _renamed(where, last)).get(path, "") if last else ""
    return path


async def _renamed(where: Sequence[str], sha: str) -> dict[str, str]:
    command = ("diff-tree", "-r", "-z", "--no-commit-id", "-M", "-l400", "--diff-filter=R", "--name-status", *PLAIN)
    words = (await _text(where, *command, sha)).split("\0")
    return dict(zip(words[1::3], words[2::3], strict=False))


async def _blamed(where: Sequence[str], sha: str, there: str, path: str) -> list[bytes]:
    """The lines of a file that came with the commit. Blanks do not count, nor that a line was moved within the file."""
    lines: list[bytes] = []
    current = b""
    for line in (
        await run(where, "blame", "-w", "-M", "--no-textconv", "--porcelain", f"^{sha}^@", there, "--", path)
    ).split(b"\n"):
        if line.startswith(b"\t"):
            lines += [line[1:]] if current == sha.encode() else []
        elif found := _BLAMED.match(line):
            current = found[1]
    return lines


_BLAMED: Final = re.compile(rb"([0-9a-f]{40,64}) \d+ \d+")


async def _added(where: Sequence[str], sha: str) -> list[bytes]:
    diff = await run(where, "diff-tree", "--root", "-r", "-p", "-U0", "-M", "-l200", *PLAIN, sha)
    return [line[1:].strip() for line in diff.split(b"\n") if line.startswith(b"+") and not line.startswith(b"+++ ")]


# ----------------------------------------------------------------------------------------------------------------- git
async def _ok(where: Sequence[str], *arguments: str) -> bool:
    """Whether git says yes. Raises NotKnownError where it cannot say."""
    try:
        await run(where, *arguments)
    except NotKnownError as error:
        if error.code != 1:
            raise
        return False
    return True


async def _said(where: Sequence[str], *arguments: str, fails: int = 0) -> str:
    return (await _text(where, *arguments, fails=fails)).strip()


async def _text(where: Sequence[str], *arguments: str, feed: bytes = b"", fails: int = 0) -> str:
    return (await run(where, *arguments, feed=feed, fails=fails)).decode("utf-8", "surrogateescape")
