"""Draws the console chat on a terminal, where messages change in place, or as plain lines anywhere else."""

from dataclasses import dataclass
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.text import Text

from gateway.chats.console import render
from gateway.chats.console.conversation import Shown

BLOCKS_KEPT = 100
PROMPT = "> "
WORKING = "… working"


@dataclass(slots=True)
class _Block:
    """Something that was printed: whose message it is ("" for all else), and its lines."""

    message_id: str
    lines: list[str]


class Screen:
    """The lower end of the terminal: what was printed last, and below it the line that the person types.

    `live`: the terminal can move its cursor, so that a message on the screen is redrawn where it stands. One that was
    scrolled away, and every message of a plain output, is followed by what is new in it instead.
    """

    def __init__(self, out: TextIO, width: int | None = None) -> None:
        self._out = out
        plain = Console(file=out, width=width)
        self.live = plain.is_terminal and not plain.is_dumb_terminal
        self._fixed_width = width
        self._console = self._console_of(self._columns(plain))
        self._blocks: list[_Block] = []
        self._typed: str | None = None
        self._working = False
        self._drawn_cells = 0  # of the typed line, as it stands on the screen

    def show(self, shown: Shown, *, ring: bool = False) -> None:
        """A new message."""
        self._working = False
        self._print(shown.message_id, render.message(self._console, shown))
        if ring and self.live:
            self._write("\a")

    def change(self, old: Shown, new: Shown) -> None:
        """A message changed."""
        at = next((i for i, block in enumerate(self._blocks) if block.message_id == new.message_id), None)
        below = sum(len(block.lines) for block in self._blocks[at:]) if at is not None else 0
        self._notice_resize()
        if self.live and at is not None and self._blocks and below < self._console.height - 1:
            block = self._blocks[at]
            block.lines = self._lines(render.message(self._console, new))
            self._redraw(below, self._blocks[at:])
        elif (changed := render.news(old, new)) is not None:
            self._print("", changed)

    def spoken(self, text: str) -> None:
        """What the person said or pressed."""
        self._print("", render.spoken(self._console, text))

    def plain(self, text: str) -> None:
        """Text as it is, wrapped at words, and an empty line."""
        self._print("", Text(f"{text}\n"))

    def note(self, text: str) -> None:
        """A quiet line."""
        self._print("", render.note(text))

    def typed(self, text: str | None) -> None:
        """What stands in the line that the person types; None: there is no such line."""
        self._typed = text
        self._notice_resize()
        self._redraw(0, [])

    def working(self) -> None:
        """Show that work goes on, until the next message."""
        if not self._working:
            self._working = True
            self._notice_resize()
            self._redraw(0, [])

    def control(self, codes: str) -> None:
        """Pass control codes on to the terminal."""
        self._write(codes)

    # --------------------------------------------------------------------------------------------------------- drawing
    def _print(self, message_id: str, content: RenderableType) -> None:
        self._notice_resize()
        block = _Block(message_id, self._lines(content))
        self._blocks = [*self._blocks[1 - BLOCKS_KEPT :], block]
        self._redraw(0, [block])

    def _redraw(self, up: int, blocks: list[_Block]) -> None:
        """Go `up` so many lines from the typed one, and print these blocks and the typed line anew from there."""
        text = "".join(f"{line}\n" for block in blocks for line in block.lines)
        if not self.live:
            self._write(text)
            return
        # A line that was drawn for a wider terminal fills several rows by now: it goes from its first one on.
        up += max(0, self._drawn_cells - 1) // (self._console.width + 1)
        home = f"\r\x1b[{up}A" if up else "\r"
        line, self._drawn_cells = self._input_line()
        self._write(f"{home}\x1b[J{text}{line}")

    def _input_line(self) -> tuple[str, int]:
        """The line that is typed, and how many columns it takes up to where the cursor stands."""
        if self._typed is None:
            return "", 0
        room = self._console.width - len(PROMPT) - 1
        shown = self._typed.replace("\n", "⏎")
        while cell_len(shown) > room:
            shown = shown[1:]
        if not shown and self._working:
            # The cursor goes back to where the person types.
            return f"{PROMPT}\x1b[2m{WORKING}\x1b[0m\x1b[{len(WORKING)}D", len(PROMPT)
        return f"{PROMPT}{shown}", len(PROMPT) + cell_len(shown)

    def _lines(self, content: RenderableType) -> list[str]:
        with self._console.capture() as captured:
            self._console.print(content)
        return [line.rstrip(" ") for line in captured.get().removesuffix("\n").split("\n")]

    def _notice_resize(self) -> None:
        """What was printed for another width cannot be found again on the screen: from here on it stays as it is."""
        columns = self._columns(Console(file=self._out, width=self._fixed_width))
        if columns != self._console.width:
            self._console = self._console_of(columns)
            self._blocks = []

    def _columns(self, console: Console) -> int:
        # One column stays free: some terminals wrap when the last one is written.
        return min(render.WIDTH_MAX, console.width) - 1 if self.live else min(render.WIDTH_MAX, console.width)

    def _console_of(self, columns: int) -> Console:
        return Console(file=self._out, width=columns, highlight=False, legacy_windows=False)

    def _write(self, text: str) -> None:
        if text:
            self._out.write(text)
            self._out.flush()
