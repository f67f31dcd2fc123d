"""What agents' own logs tell: API calls, and how far a log was read."""

from dataclasses import dataclass
from typing import NamedTuple

from gateway.domain.usage import MAIN_LOOP, Tokens, Usage

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """One API call as an agent's own log tells it. `id` deduplicates across the files and sessions of that agent."""

    id: str
    session: str
    """The agent's own name for the conversation; sub-agents' calls belong to the one that they were started from."""
    directory: str
    """Where it worked; empty where the log does not tell."""
    at_ms: int
    usage: Usage
    loop: str = MAIN_LOOP
    lower_bound: bool = False
    """The log never told the final count: at least this much was used."""
    prompt: str = ""
    """The agent's own name for the prompt that caused it; empty where the log does not tell."""
    request: str = ""
    """The vendor's name for the request, by which telemetry tells of the same call; empty where the log does not tell."""


class Row(NamedTuple):
    """A logged call, flat: as it goes from the process that reads to the one that counts, and into the database."""

    id: str
    session: str
    directory: str
    at_ms: int
    loop: str
    lower_bound: int
    prompt: str
    request: str
    model: str
    service_tier: str
    speed: str
    geo: str
    web_searches: int
    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    cache_write_unsplit: int
    output: int
    reasoning: int

    @property
    def usage(self) -> Usage:
        """What it used, on which terms."""
        tokens = Tokens(*self[13:])
        return Usage(self.model, tokens, self.service_tier, self.speed, self.web_searches, self.geo)

    @property
    def terms(self) -> tuple[str, str, str, str]:
        """What its price depends on beside the counts and the day: model, service tier, speed, geo."""
        return self.model, self.service_tier, self.speed, self.geo

    @property
    def day(self) -> int:
        """The number of its day, in UTC, counted from the first of 1970."""
        return self.at_ms // _DAY_MS


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a file was read, and what tells that it is still the same file."""

    device: int
    inode: int
    head: str
    """A digest of its first bytes."""
    size: int
    offset: int
    """What is before it was read; at most `size`."""
    state: str = ""
    """What its reader remembers for what comes next: JSON text of at most 64 kB."""


@dataclass(frozen=True, slots=True)
class LogRead:
    """What one look at one file gave: what was not read before, and the mark from which the next look goes on."""

    calls: tuple[Row, ...]
    mark: Mark
    records: int
    """Lines, rows or entries that were looked at."""
    unreadable: int
    """Those of them that could not be understood, and may have told a call."""
    copies: int
    """Those that told a call of this look again."""
    anew: bool = True
    """Whether the file was read from its start: what was counted of it before counts no more."""
