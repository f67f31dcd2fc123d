"""A picture as a list of what is drawn, in pixels from the top left: decided here, drawn elsewhere."""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.core.summary import revealed
from gateway.domain.charts import Theme

WIDTH: Final = 1170
"""Three pixels for each point of a phone that is 390 points wide."""
MARGIN: Final = 48
TITLE: Final = 66
TEXT: Final = 38
"""Letters are at least 11 points on a phone."""
SMALL: Final = 34
READ_MAX: Final = 400
"""Characters of somebody's words that are looked at."""

Point = tuple[float, float]


class Ink(StrEnum):
    """What a colour means."""

    PAPER = "paper"
    TEXT = "text"
    MUTED = "muted"
    GRID = "grid"
    """Decoration: it carries nothing that has to be told from the paper."""
    LIMIT = "limit"
    WARN = "warn"
    COMMITS = "commits"
    CHANGES = "changes"
    ANSWER = "answer"
    NOTHING = "nothing"
    ERROR = "error"
    STOPPED = "stopped"
    PAUSED = "paused"
    RUNNING = "running"
    FIRST = "first"
    SECOND = "second"
    THIRD = "third"
    FOURTH = "fourth"
    FIFTH = "fifth"
    OTHERS = "others"


SERIES: Final = (Ink.FIRST, Ink.SECOND, Ink.THIRD, Ink.FOURTH, Ink.FIFTH)


class Shape(StrEnum):
    """What a dot looks like, so that outcomes are told apart without colours."""

    CIRCLE = "circle"
    DIAMOND = "diamond"
    SQUARE = "square"
    RING = "ring"
    CROSS = "cross"
    DOWN = "down"
    PLUS = "plus"
    RIGHT = "right"
    BLOCK = "block"
    """A swatch of a legend."""


class Anchor(StrEnum):
    """Which part of a text stands at its place."""

    START = "left"
    MIDDLE = "center"
    END = "right"


@dataclass(frozen=True, slots=True)
class Area:
    """A polygon without an edge."""

    points: tuple[Point, ...]
    ink: Ink
    opacity: float = 1.0


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points."""

    points: tuple[Point, ...]
    ink: Ink
    width: float
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Dot:
    """A sign in the middle of a place; it stands off from what lies below it."""

    at: Point
    shape: Shape
    size: float
    ink: Ink


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text, its baseline at the place. `instead`: what stands there where no font has its letters."""

    at: Point
    text: str
    size: float
    ink: Ink
    bold: bool = False
    anchor: Anchor = Anchor.START
    instead: str = ""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom: it is not larger than this."""
        wide = width(self.text, self.size, bold=self.bold)
        left = self.at[0] - {Anchor.START: 0.0, Anchor.MIDDLE: wide / 2, Anchor.END: wide}[self.anchor]
        return left, self.at[1] - 0.8 * self.size, left + wide, self.at[1] + 0.25 * self.size


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture: areas lie lowest, then lines, dots, words."""

    width: int
    height: int
    areas: tuple[Area, ...] = ()
    lines: tuple[Line, ...] = ()
    dots: tuple[Dot, ...] = ()
    words: tuple[Words, ...] = ()


_WIDTHS: Final = {
    0.34: " .,:;'!|/\\ijlI()[]·",
    0.47: 'frt-"`{}',
    0.60: "acekoszvxyJL*_?",
    0.66: "bdghnpquSETFY0123456789$~^",
    0.70: "ABCKPRVXZ",
    0.84: "DGHNOQU+=<>#&≥…",
    1.02: "mwMW%@",
}
"""Of DejaVu Sans, in ems, rounded up."""
_OF: Final = {char: ems for ems, chars in _WIDTHS.items() for char in chars}
_OTHER: Final = 0.80
_WIDE: Final = 1.05
_BOLD: Final = 1.12


def width(text: str, size: float, *, bold: bool = False) -> float:
    """How much room a line of text needs at most, in pixels."""
    ems = sum(_OF.get(char) or (_WIDE if unicodedata.east_asian_width(char) in "WF" else _OTHER) for char in text)
    return ems * size * (_BOLD if bold else 1)


def fitting(text: str, size: float, room: float, *, bold: bool = False) -> str:
    """The text, shortened to the room that there is; empty where not even a letter has any."""
    if width(text, size, bold=bold) <= room:
        return text
    kept = text
    while kept and width(f"{kept.rstrip()}…", size, bold=bold) > room:
        kept = kept[:-1]
    return f"{kept.rstrip()}…" if kept.strip() else ""


def legible(text: str) -> str:
    """Somebody's words in one line: what would not show, or would turn what follows around, stands there as its code."""
    return revealed(" ".join(text[:READ_MAX].split()), READ_MAX)[0]


COLOURS: Final[dict[Theme, dict[Ink, str]]] = {
    Theme.LIGHT: {
        Ink.PAPER: "#ffffff",
        Ink.TEXT: "#17202a",
        Ink.MUTED: "#5b6876",
        Ink.GRID: "#e3e8ee",
        Ink.LIMIT: "#b3261e",
        Ink.WARN: "#8a5a00",
        Ink.COMMITS: "#00875a",
        Ink.CHANGES: "#308afd",
        Ink.ANSWER: "#8a4fc7",
        Ink.NOTHING: "#7a8694",
        Ink.ERROR: "#c72a28",
        Ink.STOPPED: "#733f35",
        Ink.PAUSED: "#b07d00",
        Ink.RUNNING: "#0b88bc",
        Ink.FIRST: "#1f5fbf",
        Ink.SECOND: "#c26a00",
        Ink.THIRD: "#008a69",
        Ink.FOURTH: "#b0418f",
        Ink.FIFTH: "#5b479d",
        Ink.OTHERS: "#848d98",
    },
    Theme.DARK: {
        Ink.PAPER: "#17212b",
        Ink.TEXT: "#f2f5f8",
        Ink.MUTED: "#9fb0c0",
        Ink.GRID: "#2b3947",
        Ink.LIMIT: "#ff8a80",
        Ink.WARN: "#ffca66",
        Ink.COMMITS: "#3fcf8f",
        Ink.CHANGES: "#6e9bff",
        Ink.ANSWER: "#c7a4ff",
        Ink.NOTHING: "#8d9aa8",
        Ink.ERROR: "#ff6556",
        Ink.STOPPED: "#ba8f74",
        Ink.PAUSED: "#f2c14e",
        Ink.RUNNING: "#4ed9ed",
        Ink.FIRST: "#6997ff",
        Ink.SECOND: "#ffb454",
        Ink.THIRD: "#3ecf9e",
        Ink.FOURTH: "#f18ace",
        Ink.FIFTH: "#b7a2ff",
        Ink.OTHERS: "#8d9aa8",
    },
}
"""At least 3:1 beside the paper, text 4.5:1, by WCAG's measure; the grid is decoration."""
