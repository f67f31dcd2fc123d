"""What a turn left behind, from what was seen before and after it: which commits are counted to it, and how that is called."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.domain.outcome import Commit, Fate, Left, LeftKind, Looked, Seen, SeenTests, Sight, Whose
from gateway.domain.turn import OutcomeKind

SECOND_MS: Final = 1000
DAY_MS: Final = 24 * 3600 * SECOND_MS
FATE_DAYS: Final = (1, 7, 30)
"""So many days after it was made a commit is looked at again."""
TRIED_DAYS: Final = 60
"""For so long it is tried where nothing can be seen."""


@dataclass(frozen=True, slots=True)
class Made:
    """A commit that a branch has now and none had before. `remote`: a branch of another repository, as it was fetched, has it too."""

    sha: str
    authored_ms: int
    committed_ms: int
    remote: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """While a turn was at work. `beside_place`: a turn of another session worked in the same worktree, at some time of it;
    `beside`: in the same repository.
    """

    began_ms: int
    ended_ms: int
    beside_place: bool = False
    beside: bool = False


def counted(made: Iterable[Made], span: Span, here: frozenset[str] | None) -> tuple[tuple[Made, Whose], ...]:
    """The commits that came to be in this time, with whose they are; what was only fetched is left out.

    `here`: what was made in the turn's own worktree meanwhile, as git's log of its HEAD says; None: it keeps none.
    """
    found = ((one, _whose(one, span, here)) for one in made)
    return tuple((one, whose) for one, whose in found if whose is not None)


def _whose(one: Made, span: Span, here: frozenset[str] | None) -> Whose | None:
    first_ms = span.began_ms // SECOND_MS * SECOND_MS  # git counts seconds
    if not first_ms <= one.committed_ms <= span.ended_ms:
        return None
    if here is not None and one.sha not in here:
        return None if one.remote else Whose.SHARED
    if span.beside_place or (here is None and (span.beside or one.remote)):
        return Whose.SHARED
    return Whose.REWRITTEN if one.authored_ms < first_ms else Whose.TURN


_MADE: Final = re.compile(
    r"(commit|cherry-pick|revert|am)\b|rebase\b[^:]*\((pick|squash|fixup|reword|edit|continue|merge)\)"
    r"|(merge|pull)\b.*: Merge made\b"
)
_LOGGED: Final = re.compile(r"[0-9a-f]{40,64} ([0-9a-f]{40,64}) [^\t]*\t(.*)")
_FAST_FORWARD: Final = re.compile(r": fast-?forward", re.IGNORECASE)


def made_here(log: str) -> frozenset[str]:
    """The commits that were made, and not only gone to, by the lines of git's log of a HEAD: `OLD NEW WHO TIME ZONE<tab>ACTION`."""
    lines = (_LOGGED.fullmatch(line) for line in log.split("\n"))
    return frozenset(
        line[1] for line in lines if line is not None and _MADE.match(line[2]) and not _FAST_FORWARD.search(line[2])
    )


def kind(ended: OutcomeKind, sight: Sight, left: Left) -> LeftKind:  # noqa: PLR0911 - one for each kind, in their order
    """What that is in a word. One that failed or was cancelled is called so unless it has left commits; what is not committed may be
    half done.
    """
    if left.own:
        return LeftKind.COMMITS
    if ended in (OutcomeKind.ERROR, OutcomeKind.CANCELLED):
        return LeftKind(ended.value)
    if sight is Sight.UNKNOWN or (sight is Sight.SEEN and left.commits is None):
        return LeftKind.UNKNOWN
    if any(one.whose is Whose.REWRITTEN for one in left.commits or ()):
        return LeftKind.REWRITTEN
    changed = _changed(left.before, left.after)
    if changed:
        return LeftKind.DIFF
    if changed is None and sight is Sight.SEEN:
        return LeftKind.UNKNOWN
    if left.tests.runs:
        return LeftKind.TESTS
    return LeftKind.ANSWER if ended is OutcomeKind.ANSWER else LeftKind.NOTHING


def _changed(before: Seen | None, after: Seen | None) -> bool | None:
    """Whether what is not committed is another now; None: not known. On another HEAD there is another diff without any work."""
    if before is None or after is None or before.change is None or after.change is None:
        return None
    return before.digest != after.digest if before.head == after.head else None if after.change.files else False


def with_run(tests: SeenTests, runner: str, passed: bool | None) -> SeenTests:  # noqa: FBT001 - a fact, not a flag
    """The same after one more run."""
    return SeenTests(tests.runs + 1, runner, passed)


def due_ms(committed_ms: int, after_ms: int) -> int | None:
    """When a commit is to be looked at next, after it was at `after_ms`; None: not any more."""
    return next((at for at in (committed_ms + day * DAY_MS for day in FATE_DAYS) if at > after_ms), None)


def looked(commit: Commit, fate: Fate | None, now_ms: int) -> Looked:
    """What is kept of a look at a commit. Where nothing could be seen it is tried again the next day, for a while."""
    if fate is not None:
        return Looked(commit.turn_id, commit.sha, fate, due_ms(commit.committed_ms, now_ms))
    again = now_ms < commit.committed_ms + TRIED_DAYS * DAY_MS
    return Looked(commit.turn_id, commit.sha, None, now_ms + DAY_MS if again else None)


def overlaps(places: Sequence[tuple[str, str]], mine: Seen) -> tuple[bool, bool]:
    """Whether one of these (repository, worktree) is the worktree, and whether one is in the repository."""
    return (
        any(place == mine.place for _, place in places),
        any(repository == mine.repository for repository, _ in places),
    )
