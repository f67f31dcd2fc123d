"""What people chose for one chat: how much is told there, above which amount they are asked, and when nothing rings."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.money import Usd


class Verbosity(StrEnum):
    """How much of an agent's work is told."""

    QUIET = "quiet"
    """Questions and ends only."""
    BRIEF = "brief"
    """That it works, and its newest action."""
    FULL = "full"
    """Its newest actions and words."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """Of one chat, with all its topics. `confirm_above` None: as the settings say; `confirm_by` chose it.

    `quiet` is a span of hours in the owner's time zone (`22:00-07:00`), empty for none. `digest` is a time there at which the chat is
    told what was spent (`08:30`, `weekly mon 08:30`), empty for none; `digest_for` is the person whose private chat it is, empty in a
    group; `digest_told` is the date (`2026-11-23`) of the last one, or of when it was chosen.
    """

    service: str
    chat: str
    verbosity: Verbosity = Verbosity.FULL
    confirm_above: Usd | None = None
    confirm_by: str = ""
    quiet: str = ""
    digest: str = ""
    digest_for: str = ""
    digest_told: str = ""


@dataclass(frozen=True, slots=True)
class Offered:
    """A chat service was told which commands to offer in this chat; `gone`: they are taken back."""

    service: str
    chat: str
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Traffic:
    """How it stands with messages to people: how many wait to be sent, and how many may not have arrived."""

    waiting: int
    uncertain: int
