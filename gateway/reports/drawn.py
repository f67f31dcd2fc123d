"""Tables and bars of plain text, drawn without rich: to load that takes longer than to write a report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, set_cell_size

from gateway.reports.cutting import shorten_cells

_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_HEIGHTS: Final = "▁▂▃▄▅▆▇█"
NO_BAR: Final = "·"


@dataclass(frozen=True, slots=True)
class Pen:
    """How text is set off: in a terminal by its own means, elsewhere not at all."""

    colour: bool = False

    def strong(self, text: str) -> str:
        """What is read first."""
        return f"\x1b[1m{text}\x1b[0m" if self.colour and text else text

    def faint(self, text: str) -> str:
        """What is read last."""
        return f"\x1b[2m{text}\x1b[0m" if self.colour and text else text

    def bar(self, text: str) -> str:
        """What is seen rather than read."""
        return f"\x1b[36m{text}\x1b[0m" if self.colour and text else text


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `right` sets it to the right, `may_go` says in which order columns go where there is no room (0: it stays)."""

    name: str
    cells: Sequence[str]
    right: bool = False
    may_go: int = 0
    elastic: bool = False
    """It takes what room there is, and its cells are cut; one column does."""
    bar: bool = False
    least: int = 12
    """What an elastic column is never narrower than."""
    cut: Callable[[str, int], str] = shorten_cells


def table(columns: Sequence[Column], width: int, pen: Pen, *, last_is_sum: bool = False) -> list[str]:
    """The lines of a table of at most so many columns of the terminal: figures stay whole, and where it is narrow whole columns go."""
    kept = list(columns)
    for one in sorted((one for one in columns if one.may_go), key=lambda one: one.may_go):
        if _least(kept) <= width:
            break
        kept.remove(one)
    room = width - _least(kept)
    fitted = [_fit(one, room) for one in kept]
    rows = list(zip(*(cells for _, cells in fitted), strict=True))
    lines = [pen.faint(_line(fitted, [one.name for one in kept], kept))]
    for number, row in enumerate(rows, 1):
        painted = [pen.bar(cell) if one.bar else cell for one, cell in zip(kept, row, strict=True)]
        line = "  ".join(painted).rstrip()
        lines.append(pen.strong(line) if last_is_sum and number == len(rows) else line)
    return lines


def _least(columns: Sequence[Column]) -> int:
    return sum(map(_least_of, columns)) + 2 * (len(columns) - 1)


def _least_of(one: Column) -> int:
    widest = max(map(cell_len, (one.name, *one.cells)))
    return min(widest, max(one.least, cell_len(one.name))) if one.elastic else widest


def _fit(one: Column, room: int) -> tuple[int, list[str]]:
    """How wide the column is, and its cells so wide."""
    width = max(map(cell_len, (one.name, *one.cells)))
    if one.elastic:
        width = min(width, _least_of(one) + max(0, room))
    cells = [one.cut(cell, width) for cell in one.cells]
    return width, [_set(cell, width, right=one.right) for cell in cells]


def _line(fitted: Sequence[tuple[int, list[str]]], names: Sequence[str], kept: Sequence[Column]) -> str:
    cells = [_set(name, width, right=one.right) for (width, _), name, one in zip(fitted, names, kept, strict=True)]
    return "  ".join(cells).rstrip()


def _set(text: str, width: int, *, right: bool) -> str:
    return " " * (width - cell_len(text)) + text if right else set_cell_size(text, width)


def bar(part: int, whole: int, width: int) -> str:
    """A bar of at most so many columns, to an eighth of one; what is something is never nothing."""
    if part <= 0 or whole <= 0:
        return ""
    eighths = max(1, min(width * 8, (part * width * 8 + whole // 2) // whole))
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def line(values: Sequence[int]) -> str:
    """A column for each value, as high as it is; nothing is a dot."""
    most = max(values, default=0)
    return "".join(
        _HEIGHTS[min(len(_HEIGHTS) - 1, value * len(_HEIGHTS) // (most + 1))] if value > 0 else NO_BAR
        for value in values
    )


def in_lines(
    text: str, width: int, first: str = "", then: str = "", wide: Callable[[str], int] = cell_len
) -> list[str]:
    """The words in lines of at most so many columns of the terminal; a word that is longer is cut in two."""
    lines: list[str] = []
    now, start = first, True
    for whole in text.split():
        word = whole
        while word:
            gap = "" if start else " "
            if wide(now) + wide(gap + word) <= width:
                now, start, word = f"{now}{gap}{word}", False, ""
            elif start:
                piece = _beginning(word, max(1, width - wide(now)))
                lines.append(now + piece)
                now, word = then, word[len(piece) :]
            else:
                lines.append(now)
                now, start = then, True
    return [*lines, now] if not start or not lines else lines


def _beginning(word: str, columns: int) -> str:
    taken = 0
    while taken < len(word) and cell_len(word[: taken + 1]) <= columns:
        taken += 1
    return word[: max(1, taken)]
