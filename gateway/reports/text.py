"""Tables for a terminal, readable in 80 columns: ids by their beginning, directories by their end, amounts whole."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from pathlib import PurePath
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Session
from gateway.domain.turn import Turn
from gateway.domain.usage import NO_TOKENS, Flag
from gateway.reports.cost import cost

NOTE: Final = "Costs are list prices; on a subscription you pay none of them by the call."
_MARKS: Final = {Flag.LOWER_BOUND: ("+", "+ at least this much"), Flag.RECONCILED: ("~", "~ corrected when settled")}
_ID: Final = 10
_WIDTH: Final = 80
_LEAST: Final = 8
_SMALL: Final = 10_000
_LARGE: Final = 10_000_000


def sessions_table(sessions: Sequence[Session], turns: Sequence[Turn], zone: tzinfo) -> RenderableType:
    """One line per session: when it began, where it works, how it stands, what it has cost."""
    if not sessions:
        return Text("There are no sessions yet: write to the bot, or run `tollbridge demo`.")
    by_session = _by_session(turns)
    rows = [_session_row(session, by_session[session.id], zone) for session in sessions]
    return _table(("session", "agent", "directory", "since", "turns>", "last", "cost>"), rows, "directory", short_path)


def _session_row(session: Session, turns: Sequence[Turn], zone: tzinfo) -> tuple[str, ...]:
    since = datetime.fromtimestamp(session.created_at_ms / 1000, zone)
    last = turns[-1].state.value if turns else "-"
    agent = shorten(session.agent, 10)
    return session.id[:_ID], agent, session.directory, f"{since:%d %b %H:%M}", str(len(turns)), last, _cost(turns)


def report_tables(sessions: Sequence[Session], turns: Sequence[Turn]) -> RenderableType:
    """A table of turns for each session that has any, its sum below, and what the marks mean."""
    by_session = _by_session(turns)
    parts: list[RenderableType] = []
    for session in sessions:
        mine = by_session[session.id]
        if mine:
            parts += [
                Text(f"{session.id}  {session.agent}  {short_path(session.directory, 40)}"),
                _turns(mine),
                Text(""),
            ]
    if not parts:
        return Text("Nothing was spent yet.")
    everything = [turn for session in sessions for turn in by_session[session.id]]
    legend = [words for flag, (_, words) in _MARKS.items() if any(flag in turn.flags for turn in everything)]
    if any(turn.unpriced_calls for turn in everything):
        legend.append("? calls without a known price are not in it")
    parts += [Text(line) for line in (f"Total: {_cost(everything)}", "; ".join(legend), NOTE) if line]
    return Group(*parts)


def _turns(turns: Sequence[Turn]) -> Table:
    rows = [_turn_row(turn) for turn in turns]
    tokens = count(sum((turn.tokens for turn in turns), NO_TOKENS).total)
    rows.append(("all", "", "", "", str(sum(turn.calls for turn in turns)), tokens, "", _cost(turns)))
    names = ("turn", "state", "from", "model", "calls>", "tokens>", "hold>", "cost>")
    return _table(names, rows, "model", shorten)


def _turn_row(turn: Turn) -> tuple[str, ...]:
    hold = str(turn.hold) if turn.hold != ZERO else "-"
    tokens = count(turn.tokens.total)
    start = (turn.id[:_ID], turn.state.value, turn.origin.value, turn.model or "-")
    return (*start, str(turn.calls), tokens, hold, _cost([turn]))


def _by_session(turns: Sequence[Turn]) -> defaultdict[str, list[Turn]]:
    by_session: defaultdict[str, list[Turn]] = defaultdict(list)
    for turn in turns:
        by_session[turn.session_id].append(turn)
    return by_session


def _cost(turns: Sequence[Turn]) -> str:
    """The cost with its marks; "unknown" where nobody knows it."""
    known: Usd | None = cost(turns)
    if known is None:
        return "unknown"
    marks = "".join(mark for flag, (mark, _) in _MARKS.items() if any(flag in turn.flags for turn in turns))
    return f"{known}{marks}{'?' if any(turn.unpriced_calls for turn in turns) else ''}"


def _table(
    names: Sequence[str], rows: Sequence[tuple[str, ...]], elastic: str, cut: Callable[[str, int], str]
) -> Table:
    """A plain table of at most 80 columns; only `elastic` is cut. A column whose name ends in > is set to the right."""
    titles = [name.removesuffix(">") for name in names]
    place = titles.index(elastic)
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    room = max(_LEAST, _WIDTH - (len(widths) - 1) - (sum(widths) - widths[place]))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    for name, title in zip(names, titles, strict=True):
        table.add_column(title, justify="right" if name.endswith(">") else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row[:place], cut(row[place], room), *row[place + 1 :])
    return table


def count(tokens: int) -> str:
    """A number of tokens as people read it: 950, 38k, 12M."""
    if tokens < _SMALL:
        return str(tokens)
    return f"{round(tokens / 1000)}k" if tokens < _LARGE else f"{round(tokens / 1_000_000)}M"


def shorten(text: str, most: int) -> str:
    """The text cut to so many characters, with a sign that it was."""
    return text if len(text) <= most else text[: most - 1] + "…"


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
