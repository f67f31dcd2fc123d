"""What an account cannot show, in sentences: sessions that went without Tollbridge, and what no transcript tells of at the desk."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from textwrap import fill
from typing import Final

from gateway.core.change import reason
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import AT_DESK, UNMETERED_MAX, Session, Unmetered
from gateway.domain.turn import Origin, Turn
from gateway.reports.cost import by_session
from gateway.reports.cutting import short_path

_WIDTH: Final = 80
_PATH: Final = 40
_COMMAND: Final = re.compile("`[^`]*`")


def went_without(found: Sequence[Unmetered], zone: tzinfo, own: str) -> str:
    """How many sessions are not in the account, by the one that was heard of last (the last of them); empty: none.

    `own`: the person's own directory, which is written `~`.
    """
    if not found:
        return ""
    last = found[-1]
    at = datetime.fromtimestamp(last.last_ms / 1000, zone)
    sessions = "1 session" if len(found) == 1 else f"{len(found)} sessions"
    sessions = f"at least {sessions}" if len(found) >= UNMETERED_MAX else sessions
    where = f" in {_place(last.directory, own)}" if last.directory else ""
    which = f", the last on {at.day} {at:%b %H:%M}" if len(found) > 1 else f" on {at.day} {at:%b %H:%M}"
    return f"Not metered: {sessions} went with TOLLBRIDGE_OFF{which}{where}."


def untold(sessions: Sequence[Session], turns: Sequence[Turn], unlisted: Mapping[str, Usd]) -> str:
    """What transcripts do not show, where sessions of the desk are in the account; empty: none is.

    `unlisted`: by session what was booked beyond its transcript when it ended.
    """
    of = by_session(turns)
    ours = [one for one in sessions if of[one.id] and (one.agent == AT_DESK or _typed(of[one.id]))]
    if not ours:
        return ""
    return unseen(sum((unlisted.get(one.id, ZERO) for one in ours), ZERO))


def unseen(booked: Usd) -> str:
    """What transcripts of the desk do not show, of which so much was booked."""
    so_far = f" ({booked} so far)" if booked else ""
    return (
        "Sessions at the desk: calls that Claude Code keeps no record of (titles, compactions, /btw) are added when a session "
        f"ends{so_far}; `tollbridge plugin install --exact` adds them at once. An open or killed session may lack them."
    )


def wrapped(sentences: str, width: int = _WIDTH) -> str:
    """The sentences in lines of at most `width` columns, and 80; a command stays on one line."""
    kept = _COMMAND.sub(lambda match: match.group().replace(" ", "\N{NO-BREAK SPACE}"), sentences)
    return fill(kept, min(width, _WIDTH), break_on_hyphens=False).replace("\N{NO-BREAK SPACE}", " ")


def _typed(turns: Sequence[Turn]) -> bool:
    return any(turn.origin is Origin.DESK for turn in turns)


def _place(directory: str, own: str) -> str:
    """The directory as people write it, short and with nothing hidden in it."""
    path = f"~{directory[len(own) :]}" if own and f"{directory}/".startswith(f"{own}/") else directory
    return short_path(reason(path), _PATH)
