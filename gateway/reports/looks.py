"""How a report is to look, and what it calls what it tells of: days, sessions, directories, amounts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, tzinfo
from pathlib import PurePath
from typing import Final

from gateway.core.periods import on
from gateway.domain.money import Usd
from gateway.domain.spending import By, Group, Place, Spending, Spent
from gateway.reports.cutting import named
from gateway.reports.drawn import Pen

_WIDEST: Final = 120
_NARROWEST: Final = 30
ID: Final = 10
_IDS_FROM: Final = 80
"""Columns from which on ids are shown."""
_AGENTS: Final = {
    "claude": "Claude Code",
    "codex": "Codex",
    "opencode": "OpenCode",
    "gemini": "Gemini CLI",
    "channel": "Claude Code",
}


@dataclass(frozen=True, slots=True)
class Look:
    """How a report is to look. `own`: the person's own directory, written `~`. `names`: people's names by their ids."""

    zone: tzinfo
    width: int = 80
    pen: Pen = field(default_factory=Pen)
    own: str = ""
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    years: bool = False
    """Times are told with their year instead of the hour."""

    @property
    def columns(self) -> int:
        """How many columns of the terminal are used."""
        return max(_NARROWEST, min(self.width, _WIDEST))


def dated(found: Spending, heading: str) -> str:
    """The heading with the days that are counted."""
    first = found.days[0][0] if found.days else found.period.last
    last = found.period.last
    return f"{heading}, {day_name(last)} {last.year}" if first == last else f"{heading}, {_range(first, last)}"


def _range(first: date, last: date) -> str:
    year = "" if first.year == last.year else f" {first.year}"
    return f"{day_name(first)}{year} to {day_name(last)} {last.year}"


def day_name(day: date) -> str:
    """`3 Nov`."""
    return f"{day.day} {day:%b}"


def turns_of(spent: Spent) -> str:
    """How many turns it is; "about" where they were told apart by pauses."""
    about = "about " if spent.guessed else ""
    return f"{about}{number(spent.turns, 'turn')}" if spent.turns else number(spent.calls, "call")


def name_of(group: Group, by: By, look: Look) -> str:
    """What a group is called where people read it."""
    match by:
        case By.SESSION:
            return place_name(group.place, look) if group.place else "-"
        case By.PROJECT:
            return path(group.name, look) if group.name else "(not known)"
        case By.AGENT:
            return agent_name(group.name)
        case By.PERSON:
            return named(look.names.get(group.name, group.name)) if group.name else "(from logs)"
        case _:
            return named(group.name) or "(not known)"


def agent_name(agent: str) -> str:
    """An agent as people know it."""
    return named(_AGENTS.get(agent, agent))


def place_name(place: Place, look: Look) -> str:
    """A session as people know it: its project, and what it is about, or its agent."""
    where = named(PurePath(place.project).name or place.project) if place.project else named(place.agent)
    about = named(place.title) or (short_id(place.id) if look.columns >= _IDS_FROM else "")
    return f"{where}  {about}" if about else where


def short_id(session: str) -> str:
    """The beginning of a session's id, which `report --session` finds it by."""
    return named(session.partition("-")[0][:ID])


def path(directory: str, look: Look) -> str:
    """A directory, below the person's own one as `~`."""
    own = look.own
    return named(f"~{directory[len(own) :]}" if own and f"{directory}/".startswith(f"{own}/") else directory)


def when(at_ms: int, look: Look) -> str:
    """A time, to the minute; in a long report to the day."""
    at = on(at_ms, look.zone)
    return f"{at.day:>2} {at:%b %Y}" if look.years else f"{at.day:>2} {at:%b %H:%M}"


def marked(spent: Spent) -> str:
    """The cost with its marks; "unknown" where nobody knows it."""
    if spent.known is None:
        return "unknown"
    if not spent.calls and not spent.cost:
        return "-"
    return f"{grouped(spent.cost)}{'+' if spent.at_least else ''}{'?' if spent.unpriced else ''}"


def grouped(amount: Usd) -> str:
    """An amount with a comma between thousands."""
    whole, point, rest = str(amount).partition(".")
    sign, digits = whole.split("$")
    return f"{sign}${int(digits):,}{point}{rest}"


def percent(share: float) -> str:
    """`18 %`; what is something is never nothing."""
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"  # noqa: PLR2004 - what would be told as nothing


def number(many: int, what: str) -> str:
    """`1 turn`, `1,200 turns`."""
    return f"{many:,} {what}" if many == 1 else f"{many:,} {what}s"
