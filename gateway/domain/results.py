"""What came of the money: turns and their commits, added up by what they left. No figure here is of a person."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from gateway.domain.money import Usd
from gateway.domain.outcome import NO_TESTS, Commit, LeftKind, SeenTests, Sight
from gateway.domain.spending import Group, Spent
from gateway.domain.turn import OutcomeKind


class Turned(NamedTuple):
    """A turn of the ledger that made calls, with what is kept of what it left. One of up to a million: cheap to make.

    `ended`: how it ended; None: it is not over (`over`), or nobody tells. `left` and `sight`: None where nobody looked.
    """

    session: str
    project: str
    agent: str
    model: str
    at_ms: int
    """When it was asked for."""
    cost: int
    """In nano-dollars: that of its calls with a known price."""
    calls: int
    unpriced: int
    at_least: bool
    """It cost at least this."""
    over: bool
    ended: OutcomeKind | None
    left: LeftKind | None = None
    sight: Sight | None = None
    tests: SeenTests = NO_TESTS
    commits: tuple[Commit, ...] = ()


class Survival(StrEnum):
    """What is known of a commit, at a moment."""

    SURVIVES = "survives"
    """The default branch has it, nobody took it back, and of the lines that it added, if any, one at least was there at the last count."""
    LOST = "lost"
    """It was reverted, no branch has it any more, or none of its lines was left."""
    UNMERGED = "unmerged"
    """Old enough, and only on a branch of its own."""
    YOUNG = "young"
    """Not seven days old."""
    UNKNOWN = "unknown"
    """Nobody has looked since, git could not tell, or it was merged too late for its first count."""


@dataclass(frozen=True, slots=True)
class Came:
    """What came of some turns. `kind` None: they are not over. `median`: of what one of them cost."""

    kind: LeftKind | None
    spent: Spent
    median: Usd


@dataclass(frozen=True, slots=True)
class Price:
    """Money, and the commits that survive of what it paid for.

    `spent`: all that the turns in repositories cost that began seven days ago or earlier, whatever came of them; so that each of
    their commits has had its seven days.
    """

    spent: Spent
    commits: int

    @property
    def each(self) -> Usd | None:
        """The money by the commits, rounded down. None: no commit survives, so far."""
        return Usd(self.spent.cost.nano // self.commits) if self.commits else None


@dataclass(frozen=True, slots=True)
class Spread:
    """Of `n` figures the least, the quarters and the most."""

    n: int
    least: Usd
    lower: Usd
    median: Usd
    upper: Usd
    most: Usd


@dataclass(frozen=True, slots=True)
class Lines:
    """So many of the lines that these commits added were on the default branch after so many days."""

    days: int
    commits: int
    added: int
    left: int


@dataclass(frozen=True, slots=True)
class RanTests:
    """Turns whose agents ran tests, by how the last run ended."""

    passed: int = 0
    failed: int = 0
    unknown: int = 0

    @property
    def turns(self) -> int:
        """All of them."""
        return self.passed + self.failed + self.unknown


@dataclass(frozen=True, slots=True)
class Share:
    """What came of one project's, session's, model's or agent's money."""

    group: Group
    fruitless: Spent
    own: int
    fates: dict[Survival, int]
    price: Price


@dataclass(frozen=True, slots=True)
class Results:
    """All of a period. Commits are the turns' own unless they are `shared` or `rewritten`."""

    total: Spent
    sessions: int
    came: tuple[Came, ...]
    """The kinds that there are, in their order: commits first, what is open last."""
    fruitless: Spent
    """Turns that ended with nothing, an error or a cancel, and left nothing in git."""
    groups: tuple[Share, ...]
    """The dearest first."""
    rest: Share | None
    """The groups that were left out, as one; its name is how many they are."""
    own: int
    shared: int
    """Commits that came to be meanwhile, and of which nobody can say whose they are; each once."""
    rewritten: int
    fates: dict[Survival, int]
    price: Price
    until_ms: int
    """The price is that of turns that began until then."""
    spread: Spread | None
    """Of the price of a surviving commit by session, of those sessions that have one."""
    barren: Spent
    barren_sessions: int
    """Sessions within the price that have none, and what they cost."""
    young: Spent
    """What turns in repositories cost that began too late for the price."""
    outside: Spent
    """Turns outside of any repository."""
    unseen: Spent
    """Turns that were never looked at: from before that was done, or because nothing told of their beginning."""
    lines: tuple[Lines, ...]
    tests: RanTests
