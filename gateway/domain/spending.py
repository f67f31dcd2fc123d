"""What was spent, added up: portions out of the gateway's ledger and of agents' own logs, and the groups that they make."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from gateway.domain.money import ZERO, Usd
from gateway.domain.outcome import LeftKind
from gateway.domain.turn import OutcomeKind, TurnState
from gateway.domain.usage import NO_PARTS, NO_TOKENS, Parts, Tokens


class By(StrEnum):
    """What spending is added up by."""

    SESSION = "session"
    PROJECT = "project"
    AGENT = "agent"
    MODEL = "model"
    PERSON = "person"
    DAY = "day"


class Source(StrEnum):
    """Who tells of it."""

    GATEWAY = "gateway"
    """The gateway's own ledger: it metered these turns."""
    LOGS = "logs"
    """What agents wrote down themselves, at list prices: nothing held it back."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What turns come to. `cost` is that of the calls with a known price, `unpriced` the number of those without."""

    cost: Usd = ZERO
    parts: Parts = NO_PARTS
    """What the cost is made of, as far as that is known."""
    tokens: Tokens = NO_TOKENS
    turns: int = 0
    """Those that made calls."""
    calls: int = 0
    unpriced: int = 0
    at_least: int = 0
    """Turns that cost at least what is known."""
    guessed: int = 0
    """Turns that were told apart by pauses, because the log names no prompts."""

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.cost + other.cost,
            self.parts + other.parts,
            self.tokens + other.tokens,
            self.turns + other.turns,
            self.calls + other.calls,
            self.unpriced + other.unpriced,
            self.at_least + other.at_least,
            self.guessed + other.guessed,
        )

    @property
    def known(self) -> Usd | None:
        """The cost; None where nobody knows any of it."""
        return None if self.unpriced and not self.cost and self.unpriced >= self.calls else self.cost

    @property
    def other(self) -> Usd:
        """What of the cost is not told apart."""
        return self.cost - self.parts.total

    @property
    def cached(self) -> float | None:
        """The cache-hit share: tokens read from a cache, of all tokens that stood in front of the model. None: there were none."""
        context = self.tokens.context
        return self.tokens.cache_read / context if context else None

    @property
    def per_turn(self) -> Usd | None:
        """The mean cost of a turn, rounded down; None where there is no turn, or no known cost."""
        return Usd(self.cost.nano // self.turns) if self.turns and self.known is not None else None


NOTHING = Spent()


@dataclass(frozen=True, slots=True)
class Place:
    """A session as reports name it. `id`: the gateway's, or the agent's own where the gateway does not know it."""

    id: str
    agent: str
    project: str
    """The repository that it works in, or its directory; empty where nobody tells."""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Portion:
    """Turns that began on one day and agree in all of this, added up."""

    place: Place
    day: date
    model: str
    person: str
    source: Source
    spent: Spent
    first_ms: int
    last_ms: int
    """When the first and the last of these turns began."""
    background: bool = False
    """Nobody asked for them: they went on by themselves."""
    came_of_it: OutcomeKind | None = None
    """None: they are not over, or nobody tells."""
    scored: int = 0
    within_p90: int = 0
    """Turns whose cost can be held against a p90 that was told before, and those of them that cost at most that."""
    left: LeftKind | None = None
    """What git shows that they left; where that is nothing, or nobody looked, how they ended. None: they are not over."""


@dataclass(frozen=True, slots=True)
class Period:
    """From the beginning of a day to the end of another one, both counted; `first` None: from the beginning on."""

    first: date | None
    last: date


@dataclass(frozen=True, slots=True)
class Group:
    """Portions that agree in what they are added up by. `name` is what that is; of a session its id."""

    name: str
    spent: Spent
    sessions: int
    first_ms: int
    last_ms: int
    place: Place | None = None
    """Of a session."""


@dataclass(frozen=True, slots=True)
class Dear:
    """One of the dearest turns, and why it was. `id` is empty where only logs tell of it; so is `title`."""

    id: str
    place: Place
    at_ms: int
    model: str
    source: Source
    spent: Spent
    why: tuple[str, ...]
    title: str = ""
    came_of_it: OutcomeKind | None = None


@dataclass(frozen=True, slots=True)
class Open:
    """Turns that are not over now, whenever they began."""

    state: TurnState
    turns: int
    cost: Usd
    """What they cost so far."""


@dataclass(frozen=True, slots=True)
class Spending:
    """A report: groups with the dearest first (days and people in their order), and what there is to know beside them."""

    period: Period
    by: By
    total: Spent
    groups: tuple[Group, ...]
    rest: Group | None
    """The groups that were left out, as one; `sessions` counts theirs, `name` is how many groups they are."""
    sessions: int
    days: tuple[tuple[date, Usd], ...]
    """Every day of the period, with what the turns cost that began on it."""
    by_source: dict[Source, Spent]
    background: Spent
    unlisted: Usd
    """In the total: what was booked when sessions ended because no transcript shows it."""
    fruitless: dict[OutcomeKind, Spent]
    """Turns that ended with nothing, an error, or because somebody cancelled them."""
    scored: int
    within_p90: int
    unpriced: dict[str, int]
    """Calls without a known price, by model."""
    open: tuple[Open, ...]
    dearest: tuple[Dear, ...]
