"""What is drawn: the spending of a session, and of a day, week or month, as values. How it looks is decided in `core`."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.money import ZERO, Usd


class Theme(StrEnum):
    """What the picture is seen on."""

    LIGHT = "light"
    DARK = "dark"


class Came(StrEnum):
    """What came of a turn, as charts tell it: a colour and a shape each."""

    COMMITS = "commits"
    CHANGES = "changes"
    """Changed files, and no commit."""
    ANSWER = "answer"
    NOTHING = "nothing"
    ERROR = "error"
    STOPPED = "stopped"
    """A person ended it, or it was interrupted."""
    PAUSED = "paused"
    RUNNING = "running"


class CostClass(StrEnum):
    """What was paid for."""

    INPUT = "input"
    CACHE_READ = "cache read"
    CACHE_WRITE = "cache write"
    OUTPUT = "output"
    SEARCH = "web search"


@dataclass(frozen=True, slots=True)
class TurnSpend:
    """A turn of a session: its number, the words of its prompt (somebody's, as they are; empty: forgotten), and what it cost.

    `ended_ms` is None while it runs, or is paused. `lower_bound`: it cost at least `spent`. `most`: what it may come to, in 9 of 10 cases.
    """

    number: int
    title: str
    begun_ms: int
    ended_ms: int | None
    spent: Usd
    came: Came
    unpriced_calls: int = 0
    lower_bound: bool = False
    most: Usd | None = None


@dataclass(frozen=True, slots=True)
class LimitFrom:
    """From this time on the session may spend so much."""

    at_ms: int
    limit: Usd


@dataclass(frozen=True, slots=True)
class SessionChart:
    """A session's spending over time: `name` is the project, or what people call the session; turns in any order.

    `limits`: the session's limit as it changed, oldest first; none: it has no limit. What is held is not drawn.
    `spent_before`: of turns that are not given. `now_ms`: when it is drawn.
    """

    name: str
    turns: tuple[TurnSpend, ...]
    now_ms: int
    limits: tuple[LimitFrom, ...] = ()
    spent_before: Usd = ZERO

    @property
    def spent(self) -> Usd:
        """All of it, as far as prices are known."""
        return sum((turn.spent for turn in self.turns), self.spent_before)

    @property
    def unpriced_calls(self) -> int:
        """Calls that are not in `spent`, since nobody knows what they cost."""
        return sum(turn.unpriced_calls for turn in self.turns)

    @property
    def at_least(self) -> bool:
        """It may have cost more."""
        return self.unpriced_calls > 0 or any(turn.lower_bound for turn in self.turns)


class Slot(StrEnum):
    """What one bar stands for."""

    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Share:
    """A part of what was spent, by the name of whom it belongs to: a project or a model (somebody's words, as they are)."""

    name: str
    spent: Usd


@dataclass(frozen=True, slots=True)
class Bar:
    """An hour or a day that begins at `begins_ms`: what was spent in it, and how many calls have no price."""

    begins_ms: int
    shares: tuple[Share, ...] = ()
    unpriced_calls: int = 0


@dataclass(frozen=True, slots=True)
class ClassSpend:
    """What was spent on one class of tokens."""

    kind: CostClass
    spent: Usd


@dataclass(frozen=True, slots=True)
class OutcomeSpend:
    """What turns that ended so have cost, and how many they are."""

    came: Came
    spent: Usd
    turns: int


@dataclass(frozen=True, slots=True)
class PeriodChart:
    """A day, a week or a month: `name` says which (`November 2026`); a bar for each hour or day of it, also for those without spending.

    `limit`: of the whole period; `bar_limit`: of each bar (a day's limit in a month). `core.chart_times` makes the times of the bars.
    """

    name: str
    slot: Slot
    bars: tuple[Bar, ...]
    turns: int
    limit: Usd | None = None
    bar_limit: Usd | None = None
    classes: tuple[ClassSpend, ...] = ()
    outcomes: tuple[OutcomeSpend, ...] = ()
    lower_bound: bool = False

    @property
    def spent(self) -> Usd:
        """All of it, as far as prices are known."""
        return sum((share.spent for bar in self.bars for share in bar.shares), ZERO)

    @property
    def unpriced_calls(self) -> int:
        """Calls that are not in `spent`."""
        return sum(bar.unpriced_calls for bar in self.bars)

    @property
    def at_least(self) -> bool:
        """It may have cost more."""
        return self.lower_bound or self.unpriced_calls > 0
