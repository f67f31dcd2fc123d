"""Which of a session's turns goes next, and which wait for a word; pure."""

from collections.abc import Sequence
from typing import Final

from gateway.domain.turn import Turn, TurnState
from gateway.domain.usage import Flag

LATE_MS: Final = 15 * 60_000
"""What was written longer ago than this is not run unasked: whoever wrote it may have done it otherwise since."""


def next_of(turns: Sequence[Turn]) -> Turn | None:
    """The turn that goes before the gate now, of those of a session that have not ended, oldest first; None: one is at work, or
    none may go.

    One that a person has put first goes before the others. Late ones wait until somebody says that they run, and keep nobody up.
    """
    willing = [turn for turn in turns if not is_late(turn)]
    first = [turn for turn in willing if Flag.FIRST in turn.flags]
    if not willing or any(turn.state is not TurnState.QUEUED for turn in (willing[0], *first)):
        return None
    return first[0] if first else willing[0]


def ahead(turns: Sequence[Turn]) -> list[Turn]:
    """Those that a new message waits for."""
    return [turn for turn in turns if not is_late(turn)]


def is_late(turn: Turn) -> bool:
    """Whether it waits for a word since it came too long ago."""
    return turn.state is TurnState.QUEUED and Flag.LATE in turn.flags


def came_late(sent_at_ms: int, now_ms: int) -> bool:
    """Whether a message was written so long ago that it is asked about. `sent_at_ms`: 0 where that is not known."""
    return 0 < sent_at_ms < now_ms - LATE_MS
