"""What charts of all kinds have: a canvas that is filled from the top, a head, legends, an axis of money, and what came of turns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.core.chart_times import money_ticks
from gateway.core.scene import (
    MARGIN,
    SMALL,
    TEXT,
    TITLE,
    WIDTH,
    Anchor,
    Area,
    Dot,
    Ink,
    Line,
    Point,
    Scene,
    Shape,
    Words,
    fitting,
    width,
)
from gateway.domain.charts import Came
from gateway.domain.money import Usd
from gateway.view import chart_words

SIGNS: Final[dict[Came, tuple[Ink, Shape]]] = {
    Came.COMMITS: (Ink.COMMITS, Shape.CIRCLE),
    Came.CHANGES: (Ink.CHANGES, Shape.DIAMOND),
    Came.ANSWER: (Ink.ANSWER, Shape.SQUARE),
    Came.NOTHING: (Ink.NOTHING, Shape.RING),
    Came.ERROR: (Ink.ERROR, Shape.CROSS),
    Came.STOPPED: (Ink.STOPPED, Shape.DOWN),
    Came.PAUSED: (Ink.PAUSED, Shape.PLUS),
    Came.RUNNING: (Ink.RUNNING, Shape.RIGHT),
}
ROW: Final = 58
SIGN: Final = 28
GAP: Final = 32
"""Between the two columns of a legend."""
RIGHT: Final = WIDTH - MARGIN
ROOM: Final = WIDTH - 2 * MARGIN
COLUMN: Final = (ROOM - GAP) / 2


@dataclass(slots=True)
class Canvas:
    """A scene in the making; `y`: how far down it is filled."""

    y: float = MARGIN
    areas: list[Area] = field(default_factory=list[Area])
    lines: list[Line] = field(default_factory=list[Line])
    dots: list[Dot] = field(default_factory=list[Dot])
    words: list[Words] = field(default_factory=list[Words])

    def box(self, left: float, top: float, right: float, bottom: float, ink: Ink) -> None:
        """Fill a rectangle."""
        self.areas.append(Area(((left, top), (right, top), (right, bottom), (left, bottom)), ink))

    def scene(self) -> Scene:
        """All of it, as high as it is filled."""
        return Scene(
            WIDTH,
            round(self.y + MARGIN),
            tuple(self.areas),
            tuple(self.lines),
            tuple(self.dots),
            tuple(self.words),
        )


@dataclass(frozen=True, slots=True)
class Plot:
    """A rectangle in which money goes up from 0 to `top_nano`."""

    left: float
    top: float
    right: float
    bottom: float
    top_nano: int

    def y(self, nano: int) -> float:
        """Where an amount is."""
        return self.bottom - (self.bottom - self.top) * nano / self.top_nano


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a legend: its sign, what it is, an amount. `short`: what it is, where there is no room for more."""

    ink: Ink
    shape: Shape
    name: str
    amount: str
    short: str = ""

    @property
    def room(self) -> float:
        """For the name, in pixels."""
        return COLUMN - SIGN - 30 - width(self.amount, SMALL, bold=True)


def head(canvas: Canvas, first: str, second: str, over: str, warnings: Sequence[str]) -> None:
    """What and how much, beside it by how much too much; what of; and what is not known."""
    canvas.y += TITLE
    size = min(TITLE, TITLE * ROOM / width(first, TITLE, bold=True))
    canvas.words.append(Words((MARGIN, canvas.y), first, size, Ink.TEXT, bold=True))
    beside = width(first, size, bold=True) + GAP
    if over and beside + width(over, TEXT, bold=True) > ROOM:
        warnings = (over, *warnings)
    elif over:
        canvas.words.append(Words((RIGHT, canvas.y), over, TEXT, Ink.LIMIT, bold=True, anchor=Anchor.END))
    canvas.y += 58
    canvas.words.append(Words((MARGIN, canvas.y), fitting(second, TEXT, ROOM), TEXT, Ink.MUTED))
    for warning in warnings:
        canvas.y += 52
        ink = Ink.LIMIT if warning == over else Ink.WARN
        canvas.words.append(Words((MARGIN, canvas.y), fitting(warning, TEXT, ROOM), TEXT, ink))


def money_axis(canvas: Canvas, top_nano: int, height: float) -> Plot:
    """Room for amounts up to `top_nano`, with thin lines at round ones; what stands beneath it begins at `canvas.y`."""
    ticks = money_ticks(top_nano)
    left = MARGIN + max(width(words, SMALL) for _, words in ticks) + 16
    top = canvas.y + 40
    plot = Plot(left, top, RIGHT, top + height, top_nano)
    for nano, words in ticks:
        y = plot.y(nano)
        canvas.box(left, y - 1, RIGHT, y + 1, Ink.GRID if nano else Ink.MUTED)
        canvas.words.append(Words((left - 16, y + 0.35 * SMALL), words, SMALL, Ink.MUTED, anchor=Anchor.END))
    canvas.y = plot.bottom
    return plot


def ticks_below(canvas: Canvas, plot: Plot, marks: Sequence[tuple[float, str]]) -> None:
    """Words beneath the plot, each at its place, moved in where it would be cut; one that has no room beside the last is left out."""
    end = 0.0
    canvas.y = plot.bottom + 16 + SMALL
    for x, words in marks:
        half = width(words, SMALL) / 2
        middle = min(x, RIGHT - half)
        if middle - half > end:
            canvas.lines.append(Line(((x, plot.bottom), (x, plot.bottom + 10)), Ink.MUTED, 2))
            canvas.words.append(Words((middle, canvas.y), words, SMALL, Ink.MUTED, anchor=Anchor.MIDDLE))
            end = middle + half + 16


def legend(canvas: Canvas, entries: Sequence[Entry]) -> None:
    """The entries in two columns, the amounts one below the other; if one of them has to be short, all of them are."""
    brief = any(width(entry.name, SMALL) > entry.room for entry in entries)
    for n, entry in enumerate(entries):
        left = MARGIN + n % 2 * (COLUMN + GAP)
        canvas.y += 0 if n % 2 else ROW
        canvas.dots.append(Dot((left + SIGN / 2, canvas.y - 0.36 * SMALL), entry.shape, SIGN, entry.ink))
        end = (left + COLUMN, canvas.y)
        canvas.words.append(Words(end, entry.amount, SMALL, Ink.TEXT, bold=True, anchor=Anchor.END))
        name = fitting((brief and entry.short) or entry.name, SMALL, entry.room)
        canvas.words.append(Words((left + SIGN + 16, canvas.y), name, SMALL, Ink.TEXT, instead="…"))


def strip(canvas: Canvas, caption: str, parts: Sequence[tuple[Entry, Usd]]) -> None:
    """A caption, a bar of what things are to each other, and a legend; nothing where there is nothing to divide."""
    some = sorted((part for part in parts if part[1].nano > 0), key=lambda part: -part[1].nano)
    total = sum(part[1].nano for part in some)
    if not total:
        return
    canvas.y += 92
    canvas.words.append(Words((MARGIN, canvas.y), caption, TEXT, Ink.TEXT, bold=True))
    canvas.y += 24
    left = float(MARGIN)
    for entry, value in some:
        right = left + ROOM * value.nano / total
        canvas.box(left, canvas.y, max(right - 3, left + 0.6 * (right - left)), canvas.y + 30, entry.ink)
        left = right
    canvas.y += 36
    legend(canvas, [entry for entry, _ in some])


def outcome(came: Came, spent: Usd, turns: int) -> Entry:
    """What came of turns, for a legend."""
    long, short = chart_words.came(came, turns)
    return Entry(*SIGNS[came], long, chart_words.dollars(spent), short)


def shift(at: Point, x: float, y: float) -> Point:
    """A place beside another."""
    return at[0] + x, at[1] + y
