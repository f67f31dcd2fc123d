"""Text made to fit: shortened with a sign that it was, and with nothing in it that a terminal would take for a command."""

from pathlib import PurePath
from typing import Final

from rich.cells import cell_len, chop_cells

from gateway.core.summary import revealed

NOTE: Final = "Costs are list prices; on a subscription you pay none of them by the call."
_NAME_MAX: Final = 200


def named(text: str) -> str:
    """Somebody's name for something in one line, every character that would not show as its code."""
    return " ".join(revealed(text, _NAME_MAX)[0].split())


def shorten(text: str, most: int) -> str:
    """The text cut to so many characters, with a sign that it was."""
    return text if len(text) <= most else text[: most - 1] + "…"


def shorten_cells(text: str, most: int) -> str:
    """The same by the columns that the text takes on a terminal: some letters take two."""
    return text if cell_len(text) <= most else chop_cells(text, most - 1)[0] + "…"


def short_path(path: str, most: int) -> str:
    """A directory cut from the left at a slash, so that its own name stays."""
    if len(path) <= most:
        return path
    kept = ""
    for part in reversed(PurePath(path).parts):
        if len(kept) + len(part) + 2 > most:
            break
        kept = f"/{part}{kept}"
    return f"…{kept}" if kept else "…" + path[-(most - 1) :]


def short_path_cells(path: str, most: int) -> str:
    """The same by the columns that it takes on a terminal."""
    cut = most
    while cut > 1 and cell_len(short_path(path, cut)) > most:
        cut -= 1
    return shorten_cells(short_path(path, cut), most)
