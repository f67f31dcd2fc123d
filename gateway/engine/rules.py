"""What the owner set, as the engine reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo

from gateway.core.policy import Rule
from gateway.domain.budget import Caps, ScopeKind
from gateway.domain.money import Usd
from gateway.domain.place import Grant


@dataclass(frozen=True, slots=True)
class Desk:
    """Sessions that are opened in this directory or below belong to this person, and to this thread."""

    directory: str
    person: str
    chat: str
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the owner set: amounts, times and places. Times in milliseconds."""

    agent: str
    directory: str
    roots: tuple[str, ...]
    limits: Mapping[ScopeKind, Usd]
    """By kind of scope, where no entry set another one; a kind that is missing has no limit."""
    confirm_above: Usd
    step: Usd
    timezone: tzinfo
    caps: Mapping[ScopeKind, Caps] = field(default_factory=dict[ScopeKind, Caps])
    """Limits on tokens, calls and work, as `limits` are on money; those of TURN are the loop breakers."""
    pace_times: int = 0
    """A turn that costs so many times as much a minute as any before it in its session is asked about; 0: none is."""
    ask_at_quota: int | None = None
    """From so many hundredths of a subscription's window on every run is asked about; None: none is for that."""
    people: tuple[Grant, ...] = ()
    """Who may do what."""
    model: str | None = None
    cheaper_model: str | None = None
    """Offered before an expensive run, where the agent can go on with another model."""
    processes_max: int = 4
    idle_ms: int = 600_000
    pause_ms: int = 1_800_000
    approval_ms: int = 86_400_000
    open_turns_max: int = 50
    desks: tuple[Desk, ...] = ()
    """Whose sessions they are that are opened at the desk, and where they are told of; the first that fits."""
    files: str = ""
    """The directory below which files that people send are saved, a folder for each session; empty: none are."""
    file_bytes_max: int = 20 * 1024 * 1024
    files_bytes_max: int = 1_000_000_000
    """What is kept of them in all."""
    shows_heard: bool = True
    """What was written down of what a person said is shown to them."""
    policy: tuple[Rule, ...] = ()
    """Which runs are asked about, go unasked or are refused; the first rule that decides wins."""
    unpriced_refused: bool = False
    """A model whose price nobody knows does not run."""
    groups_listen: bool = False
    """In groups everything that those write who may is meant for the bot, and not only what names it."""
    prompts_days: int = 0
    """How long prompts, answers and questions are remembered; 0: for ever."""
    files_days: int = 30
    """The same of files that people send."""
    worktrees: str = ""
    """The directory below which worktrees for branches are made; sessions may work there. Empty: none are."""
