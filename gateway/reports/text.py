"""Tables for a terminal, readable in 80 columns and fewer: ids by their beginning, directories by their end, amounts whole."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.core.summary import count, revealed, title
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import AT_DESK, Session
from gateway.domain.turn import Turn
from gateway.domain.usage import NO_TOKENS, Flag
from gateway.reports.cost import by_session, cost
from gateway.reports.cutting import NOTE, short_path, shorten, shorten_cells
from gateway.view.forget_words import FORGOTTEN_TITLE

_MARKS: Final = {Flag.LOWER_BOUND: ("+", "+ at least this much"), Flag.RECONCILED: ("~", "~ corrected when settled")}
_ID: Final = 10
_WIDTH: Final = 80
_ROOMY, _WIDEST, _MODEL = 110, 140, 24
"""Columns of a terminal from which on there is room for what was asked, that are used at most, and that a model's name then has."""
_LEAST: Final = 9
"""What an elastic column is never narrower than; the longest title of one."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a table; a name that ends in > is set to the right.

    Only `elastic` is cut, by `cut`; where that is not enough, the `dispensable` ones go, in this order.
    """

    names: tuple[str, ...]
    elastic: str
    cut: Callable[[str, int], str]
    dispensable: tuple[str, ...]


def sessions_table(
    sessions: Sequence[Session], turns: Sequence[Turn], zone: tzinfo, width: int = _WIDTH
) -> RenderableType:
    """One line per session: when it began, where it works, how it stands, what it has cost. `width`: the terminal's columns."""
    if not sessions:
        return Text("There are no sessions yet: the first message to the gateway begins one.")
    of = by_session(turns)
    return fitted(_SESSIONS, [_session_row(session, of[session.id], zone) for session in sessions], width)


def _session_row(session: Session, turns: Sequence[Turn], zone: tzinfo) -> tuple[str, ...]:
    since = datetime.fromtimestamp(session.created_at_ms / 1000, zone)
    last = turns[-1].state.value if turns else "-"
    return (
        session.id[:_ID],
        _agent(session),
        session.directory,
        f"{since:%d %b %H:%M}",
        str(len(turns)),
        last,
        _cost(turns),
    )


def _agent(session: Session) -> str:
    """Which agent it is, as people say it."""
    return "at the desk" if session.agent == AT_DESK else shorten(session.agent, 11)


def report_tables(sessions: Sequence[Session], turns: Sequence[Turn], width: int = _WIDTH) -> RenderableType:
    """A table of turns for each session that has any, its sum below, and what the marks mean. `width`: the terminal's columns."""
    of = by_session(turns)
    parts: list[RenderableType] = []
    for session in sessions:
        mine = of[session.id]
        if mine:
            parts += [
                Text(f"{session.id}  {_agent(session)}  {short_path(session.directory, 40)}"),
                _turns(mine, width),
                Text(""),
            ]
    if not parts:
        return Text("Nothing was spent yet.")
    everything = [turn for session in sessions for turn in of[session.id]]
    legend = [words for flag, (_, words) in _MARKS.items() if any(flag in turn.flags for turn in everything)]
    if any(turn.unpriced_calls for turn in everything):
        legend.append("? calls without a known price are not in it")
    parts += [Text(line) for line in (f"Total: {_cost(everything)}", "; ".join(legend), NOTE) if line]
    return Group(*parts)


def _turns(turns: Sequence[Turn], width: int) -> Table:
    rows = [_turn_row(turn) for turn in turns]
    tokens = count(sum((turn.tokens for turn in turns), NO_TOKENS).total)
    rows.append(("all", "", "", "", str(sum(turn.calls for turn in turns)), tokens, "", _cost(turns)))
    if width < _ROOMY:
        return fitted(_TURNS, rows, width)
    titles = (*(_title(turn) for turn in turns), "")
    titled = [
        (name, title, *more[:2], shorten(more[2], _MODEL), *more[3:])
        for (name, *more), title in zip(rows, titles, strict=True)
    ]
    return fitted(_TITLED, titled, width, _WIDEST)


def _title(turn: Turn) -> str:
    """What the turn was about, as its question in the chat begins."""
    if turn.forgotten_at_ms is not None:
        return FORGOTTEN_TITLE
    return " ".join(revealed(title(turn.prompt), _WIDEST)[0].split())


def _turn_row(turn: Turn) -> tuple[str, ...]:
    hold = str(turn.hold) if turn.hold != ZERO else "-"
    tokens = count(turn.tokens.total)
    start = (turn.id[:_ID], turn.state.value, turn.origin.value, turn.model or "-")
    return (*start, str(turn.calls), tokens, hold, _cost([turn]))


def _cost(turns: Sequence[Turn]) -> str:
    """The cost with its marks; "unknown" where nobody knows it."""
    known: Usd | None = cost(turns)
    if known is None:
        return "unknown"
    marks = "".join(mark for flag, (mark, _) in _MARKS.items() if any(flag in turn.flags for turn in turns))
    return f"{known}{marks}{'?' if any(turn.unpriced_calls for turn in turns) else ''}"


def fitted(layout: Layout, rows: Sequence[tuple[str, ...]], width: int, widest: int = _WIDTH) -> Table:
    """A plain table of at most `width` columns, and `widest`: figures stay whole, and where it is narrow whole columns go."""
    width, elastic = min(width, widest), layout.elastic
    columns = {name: cells for name, *cells in zip(layout.names, *rows, strict=True)}
    for name in layout.dispensable:
        if _least_width(columns, elastic) <= width:
            break
        del columns[name]
    if elastic in columns:
        room = width - _least_width(columns, elastic) + _LEAST
        columns[elastic] = [layout.cut(cell, room) for cell in columns[elastic]]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    for name in columns:
        table.add_column(name.removesuffix(">"), justify="right" if name.endswith(">") else "left", no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table


def _least_width(columns: Mapping[str, Sequence[str]], elastic: str) -> int:
    """Columns of the terminal that the table takes with the elastic one as narrow as it may be."""
    whole = [max(map(len, (name.removesuffix(">"), *cells))) for name, cells in columns.items() if name != elastic]
    return sum(whole) + len(columns) - 1 + (_LEAST if elastic in columns else 0)


_SESSIONS: Final = Layout(
    ("session", "agent", "directory", "since", "turns>", "last", "cost>"),
    "directory",
    short_path,
    ("agent", "turns>", "since", "directory", "last"),
)
_TURNS: Final = Layout(
    ("turn", "state", "from", "model", "calls>", "tokens>", "hold>", "cost>"),
    "model",
    shorten,
    ("model", "from", "hold>", "tokens>", "calls>", "state"),
)
_TITLED: Final = Layout(
    ("turn", "prompt", *_TURNS.names[1:]),
    "prompt",
    shorten_cells,
    _TURNS.dispensable,
)
