"""How the console chat looks: messages as bubbles on the left, what the person says on the right."""

import re
from collections.abc import Sequence
from typing import ClassVar

from rich import box
from rich.align import Align
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markdown import CodeBlock, Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.segment import Segment
from rich.syntax import Syntax
from rich.text import Text

from gateway.chats.console.conversation import Shown
from gateway.domain.effects import Button

WIDTH_MAX = 80
BUBBLE_MAX = 68
FRAME = 4
"""Columns that a bubble's border and padding take."""


class _Code(CodeBlock):
    """A code block without the empty lines that rich puts around it."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = str(self.text).rstrip()
        yield Syntax(
            code, self.lexer_name, theme=self.theme, word_wrap=True, padding=(0, 0, 0, 2), background_color="default"
        )


class _Markdown(Markdown):
    """Markdown in a bubble."""

    elements: ClassVar = {**Markdown.elements, "fence": _Code, "code_block": _Code}


def message(console: Console, shown: Shown) -> RenderableType:
    """A message of the gateway, with its buttons and their keys."""
    inner = min(BUBBLE_MAX, console.width) - FRAME
    content: RenderableType = markdown(shown.text)
    if shown.buttons:
        content = Group(content, Text(), *_rows(shown.keys, inner))
    width = _width(console, content, inner)
    border = "yellow" if shown.buttons else "cyan"
    return Panel(content, box=box.ROUNDED, width=width + FRAME, border_style=border)


def spoken(console: Console, text: str) -> RenderableType:
    """What the person said or pressed."""
    words = Text(text)
    width = _width(console, words, min(BUBBLE_MAX, console.width) - FRAME)
    return Align.right(Panel(words, box=box.ROUNDED, width=width + FRAME, border_style="green"), width=console.width)


def news(old: Shown, new: Shown) -> RenderableType | None:
    """What changed in a message that can no longer be redrawn: its new lines. Figures that only count on are no news, and a first line
    that begins with the same word is none.
    """
    before, after = old.text.splitlines(), new.text.splitlines()
    known = {_uncounted(line) for line in before}
    lines = [line for line in after if line.strip() and line not in before and _uncounted(line) not in known]
    if before and after and after[0] in lines and before[0].split()[:1] == after[0].split()[:1]:
        lines.remove(after[0])
    rows = list(_rows(new.keys, BUBBLE_MAX - FRAME)) if new.buttons and new.buttons != old.buttons else []
    if not lines and not rows:
        return None
    return Padding(Group(*([markdown("\n".join(lines))] if lines else []), *rows), (0, 0, 0, 2), expand=False)


_FIGURES = re.compile(r"[0-9.,$▰▱ ]+|\b(?:s|min|h)\b")
_COUNTED = ("Working ", "▰", "▱")


def _uncounted(line: str) -> str:
    """What a line says beside its figures, if it is one that counts."""
    return _FIGURES.sub("", line) if line.startswith(_COUNTED) else line


def note(text: str) -> RenderableType:
    """A quiet line."""
    return Padding(Text(text, style="dim"), (0, 0, 0, 2), expand=False)


def markdown(text: str) -> Markdown:
    """Markdown as chats show it: a line break is a line break, and what looks like HTML is text."""
    shown = _Markdown(text, code_theme="ansi_dark", hyperlinks=False)
    for token in shown.parsed:
        if token.type == "html_block":
            token.type = "code_block"
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"
            elif child.type == "html_inline":
                child.type = "text"
    return shown


def _rows(keys: Sequence[tuple[int, Button]], width: int) -> list[Text]:
    """Buttons side by side, as many as fit a row."""
    rows: list[Text] = []
    for key, button in keys:
        label = Text.assemble((f"[{key}]", "bold yellow"), " ", (button.label, "bold"))
        if rows and rows[-1].cell_len + 3 + label.cell_len <= width:
            rows[-1].append("   ").append_text(label)
        else:
            rows.append(label)
    return rows


def _width(console: Console, content: RenderableType, width: int) -> int:
    lines = console.render_lines(content, console.options.update(width=width), pad=False)
    return max((_visible(line) for line in lines), default=0)


def _visible(line: list[Segment]) -> int:
    return Text("".join(segment.text for segment in line).rstrip()).cell_len
