"""Which of a session's turns goes next, and which wait for a word; pure."""

from collections.abc import Sequence
from typing import Final

from gateway.domain.turn import Origin, Turn, TurnState
from gateway.domain.usage import Flag

LATE_MS: Final = 15 * 60_000
"""What was written longer ago than this is not run unasked: whoever wrote it may have done it otherwise since."""


def next_of(turns: Sequence[Turn]) -> Turn | None:
    """The turn that goes before the gate now, of those of a session that have not ended, oldest first; None: one is at work, or
    none may go.

    One that a person has put first goes before the others. Late ones wait until somebody says that they run, and keep nobody up;
    so do those whose words are on their way to the agent at work, until it is known whether it took them.
    """
    willing = ahead(turns)
    first = [turn for turn in willing if Flag.FIRST in turn.flags]
    if not willing or any(turn.state is not TurnState.QUEUED for turn in (willing[0], *first)):
        return None
    return first[0] if first else willing[0]


def ahead(turns: Sequence[Turn]) -> list[Turn]:
    """Those that a new message waits for."""
    return [turn for turn in turns if not is_late(turn) and not is_steering(turn)]


def steered(turn: Turn, turns: Sequence[Turn]) -> Turn | None:
    """The turn at work, of those of a session that have not ended, that the words of this one can go into; None: there is none.

    Its person has to be the same: what the words bring about is paid from that turn's hold, and counts against who asked for it.
    A command to the agent is none of the words that it reads while it works.
    """
    if turn.prompt.startswith("/"):
        return None
    works = next((one for one in turns if one.state is TurnState.RUNNING), None)
    if works is None or works.origin is not Origin.PERSON or works.person != turn.person or works.outcome is not None:
        return None
    return works if turn.state is TurnState.QUEUED and not (is_late(turn) or is_steering(turn)) else None


def is_steering(turn: Turn) -> bool:
    """Whether its words are on their way to the agent at work."""
    return turn.state is TurnState.QUEUED and Flag.STEERING in turn.flags


def is_late(turn: Turn) -> bool:
    """Whether it waits for a word since it came too long ago."""
    return turn.state is TurnState.QUEUED and Flag.LATE in turn.flags


def came_late(sent_at_ms: int, now_ms: int) -> bool:
    """Whether a message was written so long ago that it is asked about. `sent_at_ms`: 0 where that is not known."""
    return 0 < sent_at_ms < now_ms - LATE_MS
