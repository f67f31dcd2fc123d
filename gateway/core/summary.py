"""Text as Markdown shows it: shortened, escaped, revealed; the sentences themselves are in `gateway.view`."""

import re
import unicodedata
from typing import Final

from gateway.view import figure_words, question_words, turn_words

TITLE_CHARACTERS_MAX = 80
VERBATIM_CHARACTERS_MAX = 3000


def title(prompt: str, characters_max: int = TITLE_CHARACTERS_MAX) -> str:
    """A prompt in one short line, as people recognise it."""
    line = " ".join(prompt.split())
    return line if len(line) <= characters_max else line[: characters_max - 1] + "…"


def escaped_title(prompt: str) -> str:
    """The same, in which no character means Markdown."""
    return escape(title(prompt))


_UNSENDABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_MARKUP = re.compile(r"(^[0-9]{1,9})([.)])|([\\`*_\[\]<&|~$]|^[#+\-=>])", re.MULTILINE)
_EDGE = re.compile(r"(?:(?<=\n)|\A)[ \t\n]|[ \t](?=\n|\Z)")
"""Blanks that Markdown drops, or reads as code: at the edges of lines, and the ends of empty lines."""


def escape(text: str) -> str:
    """Text in which no character means Markdown: it is shown as it is, with its empty lines and its indentation."""
    seen = _UNSENDABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    marked = _MARKUP.sub(r"\1\\\2\3", seen)
    return _EDGE.sub(lambda match: f"&#{ord(match.group())};", marked)


def plain(text: str) -> str:
    """A text of our own without its marks, for where Markdown is not drawn."""
    return _MARKED.sub(r"\1", text.replace("**", ""))


_MARKED = re.compile(r"\\([\\`*_\[\]<&|~$#+\-=>.)])")


count: Final = figure_words.count
duration: Final = figure_words.duration
spent: Final = turn_words.spent


def verbatim(text: str, language: str = "") -> str:
    """What is asked for, as a code block: nothing is hidden by characters that do not show, and what is too long to show is
    said to be.
    """
    shown, rest = revealed(text, VERBATIM_CHARACTERS_MAX)
    seen = question_words.cut(shown, rest) if rest else shown
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", seen)), default=0))
    return f"{fence}{language}\n{seen}\n{fence}"


def code(line: str) -> str:
    """A line of somebody's text as code within a sentence: nothing in it is markup, a link or a command to tap."""
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def revealed(text: str, limit: int) -> tuple[str, int]:
    """The text with every character that would not show, or would cover another, as its code: so many characters of that, and
    how many of the text they leave out.
    """
    parts: list[str] = []
    left, marks = limit, 0
    for char in text[:limit]:
        still = _marks_left(char, marks)
        part = char if still is not None else f"\\u{{{ord(char):x}}}"
        left, marks = left - len(part), still or 0
        if left < 0:
            break
        parts.append(part)
    return "".join(parts), len(text) - len(parts)


MARKS_MAX = 3
"""So many accents stand on one letter in any script; more of them cover their neighbours."""
_UNSEEN = re.compile(
    # Printable by their category, but blank or ignored where they are shown.
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U00013441\U00013442\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)


def _marks_left(char: str, marks: int) -> int | None:
    """How many accents may still follow if this character is shown as it is; None: it has to be shown by its code."""
    if char in "\n\t":
        return 0
    if not char.isprintable() or _UNSEEN.match(char):
        return None
    kind = unicodedata.category(char)
    if not kind.startswith("M"):
        return MARKS_MAX if kind.startswith("L") else 0
    # An accent belongs on a letter: one that is drawn over or around what stands before it could change that.
    accent = kind != "Me" and unicodedata.combining(char) != 1
    return marks - 1 if accent and marks else None
