"""What is shown of a turn at work: what its status message says and when it changes, and what is streamed of an answer and when."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from fractions import Fraction
from typing import Final

from gateway.core.gauges import Gauge
from gateway.core.summary import escape
from gateway.domain.budget import Scope, ScopeKind, Unit
from gateway.domain.turn import Turn
from gateway.view import turn_words

ACTIONS_MAX = 3
"""Actions that are shown beside the present one."""
LINE_CHARACTERS_MAX = 100
SAID_CHARACTERS_MAX = 160
QUIET_MS = 12_000
"""The time that has passed is shown no more often than this while nothing else changes."""
CELLS = 10
WRITING_CHARACTERS_MAX = 1_500
"""Of what is written, in the status message of a chat without drafts."""

DRAFT_GAP_MS = 1_000
REPEAT_MS = 20_000
"""A draft is gone after 30 seconds: one with nothing new is sent again before that."""
DRAFT_IDS = 2**31 - 1


# -------------------------------------------------------------------------------------------------------------- status
class Phase(Enum):
    """What an agent does, as far as that is told."""

    STARTS = auto()
    THINKS = auto()
    WRITES = auto()
    ACTS = auto()
    WAITS = auto()
    """For a person."""


@dataclass(frozen=True, slots=True)
class Doing:
    """What an agent does and has done. `since_ms`: for how long it does that; `actions`: oldest first, the last one is the present
    one where it acts; `writing`: what is to be read of an answer before it is whole; `agents`, `others`: what works in the
    background.
    """

    phase: Phase = Phase.STARTS
    since_ms: int = 0
    actions: Sequence[str] = ()
    said: str = ""
    writing: str = ""
    agents: int = 0
    others: int = 0


def status(turn: Turn, doing: Doing, gauge: Gauge | None, now_ms: int) -> str:
    """What the status message says while the agent works, in at most eight lines: what it does now, its newest actions and last
    words, time and cost so far, and the limit that is nearest. In a chat without drafts: what it writes, below that.
    """
    acts = doing.phase is Phase.ACTS and bool(doing.actions)
    earlier = doing.actions[:-1] if acts else doing.actions
    lines = [_now(doing, doing.actions[-1] if acts else "")]
    if not doing.writing:
        lines += [turn_words.action(_line(one, LINE_CHARACTERS_MAX)) for one in earlier[-ACTIONS_MAX:]]
        lines += [_line(doing.said, SAID_CHARACTERS_MAX)] if doing.said.strip() else []
    started_ms = now_ms if turn.started_at_ms is None else turn.started_at_ms
    lines.append(turn_words.working(turn, max(0, now_ms - started_ms) // 1000, doing.agents, doing.others))
    if gauge is not None:
        lines.append(turn_words.budget(cells(gauge), CELLS, gauge.unit, gauge.used, gauge.limit, gauge.scope.kind))
    if doing.writing:
        lines += ["", closed(tail(doing.writing, WRITING_CHARACTERS_MAX))]
    return "\n".join(lines)


def _now(doing: Doing, action: str) -> str:
    seconds = max(0, doing.since_ms) // 1000
    match doing.phase:
        case Phase.WAITS:
            return turn_words.WAITS_FOR_PERSON
        case Phase.ACTS if action:
            return turn_words.does(_line(action, LINE_CHARACTERS_MAX), seconds)
        case Phase.WRITES:
            return turn_words.does(turn_words.WRITING, seconds)
        case Phase.STARTS:
            return turn_words.does(turn_words.STARTING, seconds)
        case _:
            return turn_words.does(turn_words.THINKING, seconds)


def _line(text: str, characters_max: int) -> str:
    line = " ".join(text[: characters_max * 4].split())
    return escape(line if len(line) <= characters_max else f"{line[: characters_max - 1]}…")


def is_due(*, is_news: bool, waits: bool, shown_ms_ago: int, gap_ms: int) -> bool:
    """Whether the status message is to change now. While a person is waited for only news change it."""
    if is_news:
        return shown_ms_ago >= gap_ms
    return not waits and shown_ms_ago >= max(QUIET_MS, gap_ms)


def tightest(turn: Turn, gauges: Iterable[Gauge]) -> Gauge | None:
    """The limit of which the largest part is used: of these, and of what the person agreed to for this turn; None: there is none."""
    own = Gauge(Scope(ScopeKind.TURN, turn.id), Unit.USD, turn.spent.nano, turn.ceiling.nano)
    found = [one for one in (own, *gauges) if one.limit > 0 and one.unit is not Unit.PACE]
    return max(found, key=lambda one: Fraction(one.used, one.limit), default=None)


def cells(gauge: Gauge) -> int:
    """How many of the bar's cells are full: none only where nothing is used, and all only where all is."""
    if gauge.used <= 0:
        return 0
    return max(1, min(CELLS, gauge.used * CELLS // gauge.limit))


# -------------------------------------------------------------------------------------------------------------- drafts
@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft as it was sent, and when."""

    text: str
    at_ms: int


def draft_due(writing: str, last: Drafted | None, now_ms: int) -> bool:
    """Whether a draft of what is written so far is to be sent now."""
    if not writing.strip():
        return False
    if last is None:
        return True
    since_ms = now_ms - last.at_ms
    return since_ms >= (REPEAT_MS if last.text == writing else DRAFT_GAP_MS)


def draft_id(turn_id: str) -> int:
    """The number by which a chat knows the drafts of a turn: 1 to 2**31 - 1."""
    return int.from_bytes(hashlib.sha256(turn_id.encode()).digest()[:8], "big") % DRAFT_IDS + 1


_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_MARKS: Final = re.compile(r"(?P<code>`+)|(?P<bold>\*\*)")
LINE_SOUGHT_MAX = 400


def tail(text: str, characters_max: int) -> str:
    """The end of a text: from the beginning of a line, if there is one near; within a fence, with the fence's own beginning."""
    if len(text) <= characters_max:
        return text
    start = len(text) - characters_max
    line = text.find("\n", start - 1, start + LINE_SOUGHT_MAX)
    start = start if line < 0 else line + 1
    fence = _open_fence(text[:start])
    return f"{fence}\n{text[start:]}" if fence else text[start:]


def _open_fence(text: str) -> str:
    """The line that begins the fence in which the text ends; empty: it ends in none."""
    begun, mark = "", ""
    for line in text.splitlines():
        found = _FENCE.fullmatch(line)
        if found is None:
            continue
        if not mark:
            if "`" not in found[2]:
                begun, mark = line, found[1]
        elif found[1].startswith(mark) and not found[2].strip():
            begun, mark = "", ""
    return begun if mark else ""


def closed(text: str) -> str:
    """Markdown that may end anywhere, with its fence, or the bold type and code of its last paragraph, closed."""
    fence = _open_fence(text)
    if fence:
        found = _FENCE.fullmatch(fence)
        return text if found is None else f"{text.rstrip(chr(10))}\n{found[1]}"
    last = text[text.rfind("\n\n") + 1 :]
    code, bold, end = "", "", 0
    for mark in _MARKS.finditer(last):
        if mark["code"]:
            code = "" if code == mark["code"] else code or mark["code"]
        elif not code:
            bold = "" if bold else "**"
        end = mark.end()
    if not code and not bold:
        return text
    if not last[end:].strip():
        return text[: len(text) - len(last) + end].rstrip("*`")  # Nothing stands behind it yet.
    return f"{text.rstrip()}{code}{bold}"
