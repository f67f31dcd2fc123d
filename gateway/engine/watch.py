"""What the engine remembers of a turn at work, to tell what it leaves behind. All of it can be lost: then that is not known."""

from dataclasses import dataclass, field

from gateway.domain.outcome import NO_TESTS, SeenTests
from gateway.git_history import Look

WATCHED_MAX = 1_000
"""Turns; the oldest are let go of."""


@dataclass(slots=True)
class Watch:
    """A turn at work, and what was seen before it."""

    session_id: str
    directory: str
    before: Look
    tests: SeenTests = NO_TESTS
    beside: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """Where turns of other sessions were at work at some time of it: (repository, worktree)."""
    over: bool = False
    """The turn has ended."""

    @property
    def place(self) -> tuple[str, str] | None:
        """Where it works; None: nowhere in git, as far as is known."""
        seen = self.before.seen
        return None if seen is None else (seen.repository, seen.place)
