"""What a turn left behind, as git and the tools that its agent used show it, and what became of that later.

What could not be seen is None, or `Sight.UNKNOWN`: it is never taken for nothing.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Sight(StrEnum):
    """Whether git could be asked."""

    SEEN = "seen"
    NO_REPOSITORY = "no repository"
    UNKNOWN = "unknown"
    """It took too long, there was too much of it, git refused, or the gateway ended meanwhile."""


class LeftKind(StrEnum):
    """What a turn left behind, in a word."""

    COMMITS = "commits"
    REWRITTEN = "rewritten"
    """No commit of its own, but such as were there before, made anew: amended, rebased, picked."""
    DIFF = "diff"
    """What is not committed is another than before."""
    TESTS = "tests"
    """Nothing in git, but its agent ran tests."""
    ANSWER = "answer"
    NOTHING = "nothing"
    ERROR = "error"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class Whose(StrEnum):
    """To whom a commit is counted that came to be while a turn was at work."""

    TURN = "turn"
    REWRITTEN = "rewritten"
    """The turn's, but of what was there before."""
    SHARED = "shared"
    """Nobody can say whose: another session worked there too, or it was made elsewhere."""


@dataclass(frozen=True, slots=True)
class Change:
    """So many files, and lines in them."""

    files: int = 0
    added: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """A repository at a moment. `repository`: the directory that all its worktrees share; `place`: the worktree's own git directory.

    `head`: empty where there is no commit yet; `branch`: empty where HEAD is detached. `change`: what is not committed, new files
    included (None: not known), and `digest`: its content's name.
    """

    repository: str
    place: str
    head: str
    branch: str
    change: Change | None
    digest: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class SeenTests:
    """Tests that the agent ran: how often, with what the last time (`pytest`), and whether they passed (None: not known)."""

    runs: int = 0
    last: str = ""
    passed: bool | None = None


NO_TESTS: Final = SeenTests()


class Merged(StrEnum):
    """How a commit came to the default branch."""

    ITSELF = "itself"
    PATCH = "patch"
    """Another commit there changes the same: it was rebased, picked, or squashed alone."""
    SQUASH = "squash"
    """A commit there changes the same as the commit's whole branch."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a commit by `seen_at_ms`.

    `gone`: no branch or tag has it, nor the default branch what it changes. `branch`: the default branch that has it, or what it
    changes (empty: it has not), and `merged`: how. `reverted_by`: the commit that takes it back. `after_7`, `after_30`: how many of
    its added lines were on that branch so many days after it was made; None: not known, or not yet.
    """

    seen_at_ms: int
    gone: bool = False
    branch: str = ""
    merged: Merged | None = None
    reverted_by: str = ""
    after_7: int | None = None
    after_30: int | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that came to be while a turn was at work. `fate`: None as long as nobody has looked."""

    turn_id: str
    sha: str
    repository: str
    whose: Whose
    change: Change
    authored_ms: int
    committed_ms: int
    fate: Fate | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """A commit was looked at: what became of it (None: that could not be seen, what was known stays), and when it is looked at next
    (None: not any more).
    """

    turn_id: str
    sha: str
    fate: Fate | None
    due_ms: int | None


@dataclass(frozen=True, slots=True)
class Left:
    """What a turn left behind. `before` and `after` are None unless `sight` is SEEN; `commits` also where they are too many."""

    turn_id: str
    kind: LeftKind
    sight: Sight
    before: Seen | None = None
    after: Seen | None = None
    commits: tuple[Commit, ...] | None = None
    tests: SeenTests = NO_TESTS

    @property
    def own(self) -> tuple[Commit, ...]:
        """The commits that are counted to it."""
        return tuple(one for one in self.commits or () if one.whose is Whose.TURN)

    @property
    def committed(self) -> Change:
        """What those change together; a file counts as often as it was changed."""
        changes = [one.change for one in self.own]
        return Change(
            sum(one.files for one in changes),
            sum(one.added for one in changes),
            sum(one.removed for one in changes),
        )
