"""What agents' own logs tell: API calls, and how far a log was read."""

from dataclasses import dataclass

from gateway.domain.usage import MAIN_LOOP, Usage


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

    calls: tuple[LoggedCall, ...]
    mark: Mark
    records: int
    """Lines, rows or entries that were looked at."""
    unreadable: int
    """Those of them that could not be understood, and may have told a call."""
    copies: int
    """Those that told a call of this look again."""
    anew: bool = True
    """Whether the file was read from its start: what was counted of it before counts no more."""
