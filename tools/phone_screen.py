"""Chats as SVG: phones side by side, bubbles with their entities and keys. Text stays text, so that it can be selected and read aloud.

A viewer's own fonts are used: lines are broken where they fit in the widest of the usual ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, GAP, EDGE = 372, 24, 12
"""Of a phone, between two of them, and around what is on a screen."""
HEIGHT = 640
HEAD = 52
TEXT, SMALL, MONO = 14.0, 11.0, 12.0
LINE, KEY = 19, 34
PAD = 11
BUBBLE = WIDTH - 2 * EDGE - 28
BOLD_WIDER = 1.07
MONO_WIDTH = 0.602
"""Of a letter of fixed width, in parts of its size."""
SANS = "-apple-system, 'Segoe UI', Helvetica, Arial, 'Liberation Sans', sans-serif"
FIXED = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace"
NARROW = {
    191: "'",
    222: "ijl",
    260: "|",
    278: " !,./:;I[\\]ft",
    333: "()-`r",
    334: "{}",
    355: '"',
    389: "*",
    500: "Jckvxyzs",
    584: "+<=>~",
    611: "FTZ",
    667: "&ABEKPSVXY",
    722: "CDHNRUw",
    778: "GOQ",
    833: "Mm",
    889: "%",
    944: "W",
    1015: "@",
}
"""Of Helvetica, in thousandths of the size; every other letter is 556."""
WIDEST = 1.15
"""How much wider DejaVu Sans is."""
WIDTHS = {letter: width for width, letters in NARROW.items() for letter in letters}
FIXED_MARKS = frozenset({"code", "pre"})
LINKS = frozenset({"text_link", "url", "bot_command"})

Mark = tuple[str, int, int]
"""What a stretch of a message is: its type, and where it begins and how long it is, in UTF-16 units."""


@dataclass(frozen=True, slots=True)
class Bubble:
    """A message: rows of keys under it, when it came, and whose it is."""

    text: str
    marks: tuple[Mark, ...]
    keys: tuple[tuple[str, ...], ...]
    at: str
    own: bool


@dataclass(frozen=True, slots=True)
class Screen:
    """A phone's screen, and what stands above it."""

    title: str
    bubbles: tuple[Bubble, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """Letters of one kind in a line."""

    text: str
    kinds: frozenset[str]

    @property
    def width(self) -> float:
        """In pixels."""
        if self.kinds & FIXED_MARKS:
            return len(self.text) * MONO * MONO_WIDTH
        wider = BOLD_WIDER if "bold" in self.kinds else 1.0
        return sum(WIDTHS.get(letter, 556) for letter in self.text) / 1000 * TEXT * WIDEST * wider


Line = tuple[Run, ...]
Letter = tuple[str, frozenset[str]]
"""And what it is."""
Letters = list[Letter]


def draw(screens: Sequence[Screen], height: int = HEIGHT) -> str:
    """The screens side by side. What does not fit on one is above it: the newest message stands at the bottom."""
    width = len(screens) * (WIDTH + GAP) - GAP
    phones = "\n".join(_phone(screen, number * (WIDTH + GAP), height) for number, screen in enumerate(screens))
    words = escape("; ".join(screen.title for screen in screens))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">
<title>{words}</title>
<style>
text {{ font-family: {SANS}; font-size: {TEXT:g}px; fill: #e6edf3; white-space: pre; }}
.fixed {{ font-family: {FIXED}; font-size: {MONO:g}px; fill: #a5d6ff; }}
.bold {{ font-weight: 600; }}
.italic {{ font-style: italic; }}
.link {{ fill: #79c0ff; }}
.small {{ font-size: {SMALL:g}px; fill: #8b98a5; }}
.head {{ font-weight: 600; }}
.key {{ text-anchor: middle; font-weight: 600; font-size: 13px; }}
</style>
{phones}
</svg>
"""


def _phone(screen: Screen, left: int, height: int) -> str:
    drawn: list[str] = []
    bottom = height - EDGE
    for bubble in reversed(screen.bubbles):
        lines = _lines(bubble)
        tall = _tall(bubble, lines)
        if bottom - tall < HEAD + EDGE:
            break
        drawn.insert(0, _bubble(bubble, lines, left, bottom - tall))
        bottom -= tall + 8
    inside = "\n".join(drawn)
    return f"""<g>
<rect x="{left}" width="{WIDTH}" height="{height}" rx="22" fill="#0e1621"/>
<path d="M{left} {HEAD}V22a22 22 0 0 1 22-22h{WIDTH - 44}a22 22 0 0 1 22 22v{HEAD - 22}z" fill="#17212b"/>
<circle cx="{left + 30}" cy="26" r="15" fill="#2b5278"/>
<text x="{left + 30}" y="31" text-anchor="middle" class="head">T</text>
<text x="{left + 56}" y="23" class="head">Tollbridge</text>
<text x="{left + 56}" y="39" class="small">{escape(screen.title)}</text>
{inside}
</g>"""


def _tall(bubble: Bubble, lines: Sequence[Line]) -> int:
    return len(lines) * LINE + 2 * PAD - 4 + 12 + len(bubble.keys) * (KEY + 4)


def _bubble(bubble: Bubble, lines: Sequence[Line], left: int, top: int) -> str:
    width = max([sum(run.width for run in line) for line in lines] + [60.0]) + 2 * PAD
    if bubble.keys:
        width = BUBBLE
    x = left + WIDTH - EDGE - width if bubble.own else left + EDGE
    tall = _tall(bubble, lines) - len(bubble.keys) * (KEY + 4)
    ground = "#2b5278" if bubble.own else "#182533"
    parts = [f'<rect x="{x:.1f}" y="{top}" width="{width:.1f}" height="{tall}" rx="12" fill="{ground}"/>']
    for number, line in enumerate(lines):
        parts.append(_line(line, x + PAD, top + PAD + 11 + number * LINE))
    at = f'<text x="{x + width - PAD:.1f}" y="{top + tall - 7}" text-anchor="end" class="small">{bubble.at}</text>'
    parts.append(at)
    for number, row in enumerate(bubble.keys):
        parts.append(_keys(row, x, top + tall + 4 + number * (KEY + 4), width))
    return "\n".join(parts)


def _line(line: Line, x: float, y: float) -> str:
    runs = "".join(_run(run) for run in line)
    return f'<text x="{x:.1f}" y="{y:g}" xml:space="preserve">{runs}</text>' if runs.strip() else ""


def _run(run: Run) -> str:
    kinds = run.kinds
    names = [name for name in ("bold", "italic") if name in kinds]
    names += ["fixed"] if kinds & FIXED_MARKS else []
    names += ["link"] if kinds & LINKS else []
    text = escape(run.text, quote=False)
    return f'<tspan class="{" ".join(names)}">{text}</tspan>' if names else text


def _keys(row: Sequence[str], x: float, y: int, width: float) -> str:
    each = (width - 4 * (len(row) - 1)) / len(row)
    parts: list[str] = []
    for number, label in enumerate(row):
        at = x + number * (each + 4)
        parts.append(f'<rect x="{at:.1f}" y="{y}" width="{each:.1f}" height="{KEY}" rx="8" fill="#2f4256"/>')
        parts.append(f'<text x="{at + each / 2:.1f}" y="{y + 22}" class="key">{escape(label)}</text>')
    return "\n".join(parts)


# ---------------------------------------------------------------------------------------------------------------- lines
def _lines(bubble: Bubble) -> list[Line]:
    lines: list[Line] = []
    for paragraph in _paragraphs(bubble):
        lines += _broken(paragraph)
    return lines


def _paragraphs(bubble: Bubble) -> list[Letters]:
    """Each line of the text as letters with what they are."""
    lines: list[Letters] = [[]]
    at = 0
    for letter in bubble.text:
        kinds = frozenset(kind for kind, begins, length in bubble.marks if begins <= at < begins + length)
        at += len(letter.encode("utf-16-le")) // 2
        if letter == "\n":
            lines.append([])
        else:
            lines[-1].append((letter, kinds))
    return lines


def _broken(letters: Sequence[Letter]) -> Iterator[Line]:
    """Lines that fit into a bubble, broken between words; a word that is longer than a line is broken within."""
    room = BUBBLE - 2 * PAD
    line: Letters = []
    for word in _words(letters):
        if line and _width([*line, *word]) > room:
            yield _runs(line)
            line = []
        rest = word if line or word[0][0] != " " else word[1:]
        while _width(rest) > room:
            fits = next(count for count in range(len(rest), 0, -1) if _width(rest[:count]) <= room)
            yield _runs(rest[:fits])
            rest = rest[fits:]
        line += rest
    yield _runs(line)


def _words(letters: Sequence[Letter]) -> Iterator[Letters]:
    """Each with the space before it."""
    word: Letters = []
    for one in letters:
        if one[0] == " " and word and word[-1][0] != " ":
            yield word
            word = []
        word.append(one)
    if word:
        yield word


def _width(letters: Sequence[Letter]) -> float:
    return sum(run.width for run in _runs(letters))


def _runs(letters: Sequence[Letter]) -> Line:
    runs: list[Run] = []
    for letter, kinds in letters:
        if runs and runs[-1].kinds == kinds:
            runs[-1] = Run(runs[-1].text + letter, kinds)
        else:
            runs.append(Run(letter, kinds))
    return tuple(runs)
