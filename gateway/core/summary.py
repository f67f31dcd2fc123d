"""The sentences that people see about a turn, in Markdown. Numbers come from the ledger, words from here."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import timedelta

from gateway.domain.budget import Balance
from gateway.domain.turn import Turn, TurnState
from gateway.domain.usage import Flag

TITLE_CHARACTERS_MAX = 80
ACTIONS_SHOWN_MAX = 4
SAID_CHARACTERS_MAX = 300
VERBATIM_CHARACTERS_MAX = 3000


def title(prompt: str, characters_max: int = TITLE_CHARACTERS_MAX) -> str:
    """A prompt in one short line, as people recognise it."""
    line = " ".join(prompt.split())
    return line if len(line) <= characters_max else line[: characters_max - 1] + "…"


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


def count(tokens: int) -> str:
    """A token count as people read it: 950, 38k, 1.2M."""
    if tokens < 1_000:  # noqa: PLR2004 - k and M mean these numbers
        return str(tokens)
    if tokens < 999_500:  # noqa: PLR2004 - see above; from here on "1.0M" is nearer than "1000k"
        return f"{(tokens + 500) // 1_000}k"
    return f"{tokens / 1_000_000:.1f}M"


def duration(seconds: int) -> str:
    """A time as people read it: 34 s, 2 min 5 s, 1 h 3 min."""
    whole = timedelta(seconds=seconds)
    hours, rest = divmod(int(whole.total_seconds()), 3600)
    minutes, secs = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {secs} s" if minutes else f"{secs} s"


def spent(turn: Turn) -> str:
    """What a turn cost, with what is not known of it: `$0.42`, `at least $0.42`, `$0.42 + 2 calls of unknown price`."""
    amount = f"at least {turn.spent}" if Flag.LOWER_BOUND in turn.flags else str(turn.spent)
    if turn.unpriced_calls:
        calls = "1 call" if turn.unpriced_calls == 1 else f"{turn.unpriced_calls} calls"
        unknown = f"{calls} of unknown price"
        return f"{amount} + {unknown}" if turn.spent else unknown
    return amount


def closing_line(turn: Turn, session: Balance, *, list_price: bool = False, tokens: bool = True) -> str:
    """The quiet line under every turn: `$0.42 · 38k tokens · session $3.10 of $5.00`. `tokens`: with how many there were."""
    of = f" of {session.limit}" if session.limit is not None else ""
    parts = [spent(turn), *([f"{count(turn.tokens.total)} tokens"] if tokens else []), f"session {session.spent}{of}"]
    if list_price:
        parts.append("list prices")
    return " · ".join(parts)


_ENDINGS = {
    TurnState.FINISHED: "Done",
    TurnState.FAILED: "Failed",
    TurnState.STOPPED: "Stopped",
    TurnState.REFUSED: "Not run",
    TurnState.INTERRUPTED: "Interrupted",
    TurnState.PAUSED: "Paused",
}


def ending(turn: Turn, now_ms: int) -> str:
    """What the status message says once the turn has ended, or is paused."""
    word = _ENDINGS.get(turn.state, "Working")
    if turn.started_at_ms is None:
        return word
    calls = "1 call" if turn.calls == 1 else f"{turn.calls} calls"
    return f"{word} · {calls} · {duration(max(0, now_ms - turn.started_at_ms) // 1000)}"


def progress(turn: Turn, actions: Sequence[str], said: str, now_ms: int) -> str:
    """What the status message says while the agent works: the newest actions, its last words, time and cost so far."""
    started = turn.started_at_ms if turn.started_at_ms is not None else now_ms
    head = f"Working · {duration(max(0, now_ms - started) // 1000)} · {spent(turn)} of {turn.ceiling}"
    shown = [f"▸ {escape(action)}" for action in actions[-ACTIONS_SHOWN_MAX:]]
    words = " ".join(said.split())
    if len(words) > SAID_CHARACTERS_MAX:
        words = words[: SAID_CHARACTERS_MAX - 1] + "…"
    return "\n".join([head, *shown, *([escape(words)] if words else [])])


def verbatim(text: str) -> str:
    """What is asked for, as a code block: nothing is hidden by characters that do not show, and what is too long to show is
    said to be.
    """
    shown, rest = revealed(text, VERBATIM_CHARACTERS_MAX)
    seen = f"{shown}\n[{rest} characters more; the answer is for the whole]" if rest else shown
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", seen)), default=0))
    return f"{fence}\n{seen}\n{fence}"


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
