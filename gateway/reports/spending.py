"""What was spent, as text for a terminal: what it came to, what it was made of, on what, and what stands out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from rich.cells import cell_len

from gateway.domain.money import ZERO, Usd
from gateway.domain.spending import By, Spending, Spent
from gateway.reports import remarks
from gateway.reports.cutting import short_path_cells, shorten_cells
from gateway.reports.drawn import Column, bar, in_lines, line, table
from gateway.reports.looks import (
    ID,
    Look,
    dated,
    day_name,
    grouped,
    marked,
    name_of,
    number,
    percent,
    turns_of,
    when,
)
from gateway.view.figure_words import count

_BAR: Final = 12
_SESSION_BAR: Final = 8
"""Beside sessions, whose names need the room."""
_WHERE_LEAST: Final = 5
_MONTHS_DAYS: Final = 300
"""In a longer time a day of a month is not enough to tell when it was."""
_ROOMY: Final = 110
"""Columns from which on there is room for what each cost is made of."""
_CENT_NANO: Final = 10_000_000
_LINE: Final = 60
"""A line of days is at most so long: of a longer time several days are one column."""


def text(found: Spending, heading: str, look: Look) -> str:
    """The whole report. `heading`: the period as it was asked for, like `Last 30 days`."""
    if not found.total.calls and not found.total.turns:
        return "\n".join(in_lines(f"{dated(found, heading)}: nothing was spent.", look.columns))
    look = replace(look, years=len(found.days) > _MONTHS_DAYS)
    blocks = [
        [*in_lines(dated(found, heading), look.columns, then="  "), *_sum(found, look), *_days(found, look)],
        _made_of(found.total, look),
        _groups(found, look),
        remarks.dearest(found, look),
        remarks.notes(found, look),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _sum(found: Spending, look: Look) -> list[str]:
    whole = found.total
    amount = marked(whole)
    said = f"in {turns_of(whole)} of {number(found.sessions, 'session')}"
    if whole.per_turn is not None:
        said += f", {whole.per_turn} a turn"
    if whole.cached is not None:
        said += f"; {percent(whole.cached)} of the context came from the cache"
    lines = in_lines(f"{amount} {said}", look.columns, then="  ")
    return [look.pen.strong(amount) + lines[0][len(amount) :], *lines[1:]]


def _days(found: Spending, look: Look) -> list[str]:
    """A line of columns, a day each; of a long time several days are one."""
    if len(found.days) < 2 or found.by is By.DAY:  # noqa: PLR2004 - one day is no line
        return []
    room = min(_LINE, look.columns)
    each = -(-len(found.days) // room)
    costs = [sum((cost for _, cost in found.days[at : at + each]), ZERO).nano for at in range(0, len(found.days), each)]
    day, most = max(found.days, key=lambda one: one[1].nano)
    if not most:
        return []
    drawn = line(costs)
    unit = "" if each == 1 else f"; {each} days a column"
    words = f"most on {day_name(day)}: {grouped(most)}{unit}"
    if len(drawn) + 2 + len(words) <= look.columns:
        return [f"{look.pen.bar(drawn)}  {look.pen.faint(words)}"]
    return [look.pen.bar(drawn), *in_lines(words, look.columns)]


def _made_of(whole: Spent, look: Look) -> list[str]:
    """What the cost is made of, the largest first."""
    parts, tokens = whole.parts, whole.tokens
    written = tokens.cache_write_5m + tokens.cache_write_1h + tokens.cache_write_unsplit
    rows = [
        ("cache reads", parts.cache_read, count(tokens.cache_read)),
        ("cache writes", parts.cache_write, _writes(whole) if look.columns >= 60 else count(written)),  # noqa: PLR2004
        ("input", parts.input, count(tokens.input)),
        ("output", parts.output, count(tokens.output)),
        ("web searches", parts.web_search, ""),
        ("not told apart", whole.other, ""),
    ]
    cents = Usd(5_000_000)
    told = [
        row
        for row in rows
        if (row[1].nano >= cents.nano if row[0] == "not told apart" else row[1] or row[2] not in ("", "0"))
    ]
    told.sort(key=lambda row: -row[1].nano)
    if not whole.cost or not told:
        return []
    most = max(row[1].nano for row in told)
    columns = [
        Column("made of", [row[0] for row in told]),
        Column("cost", [grouped(row[1]) for row in told], right=True),
        Column("", [percent(row[1].nano / whole.cost.nano) for row in told], right=True, may_go=2),
        Column("", [bar(row[1].nano, most, _BAR) for row in told], may_go=1, bar=True),
        Column("tokens", [row[2] for row in told], may_go=3),
    ]
    return table(columns, look.columns, look.pen)


def _writes(whole: Spent) -> str:
    """Tokens that were written, by how long they were to be kept."""
    tokens = whole.tokens
    kinds = {
        "5 min": tokens.cache_write_5m,
        "1 h": tokens.cache_write_1h,
        "untold": tokens.cache_write_unsplit,
    }
    some = [f"{count(number)} {kind}" for kind, number in kinds.items() if number]
    return ", ".join(some) or "0"


def _groups(found: Spending, look: Look) -> list[str]:
    shown = [*found.groups, *([found.rest] if found.rest else [])]
    if found.by is By.DAY:
        return _by_day(found, look)
    names = [name_of(one, found.by, look) for one in found.groups]
    if found.rest:
        names.append(f"{int(found.rest.name):,} more")
    spents = [*(one.spent for one in shown), found.total]
    most = max((one.spent.cost.nano for one in found.groups), default=0)
    wide = _SESSION_BAR if found.by is By.SESSION and look.columns < _ROOMY else _BAR
    bars = [bar(one.spent.cost.nano, most, wide) for one in found.groups]
    cut = _CUTS.get(found.by, shorten_cells)
    columns = [Column(found.by.value, [*names, "all"], elastic=True, least=16, cut=cut)]
    if found.by is By.SESSION:
        columns.append(
            Column(
                "began",
                [
                    *(when(one.first_ms, look) for one in found.groups),
                    *[""] * (len(spents) - len(names) + bool(found.rest)),
                ],
                may_go=3,
            )
        )
    else:
        columns.append(
            Column("sessions", [*(f"{one.sessions:,}" for one in shown), f"{found.sessions:,}"], right=True, may_go=1)
        )
    columns += _figures(spents, look)
    if found.by is not By.PERSON:  # nobody is ranked
        columns.append(Column("", [*bars, *[""] * (len(spents) - len(bars))], may_go=2, bar=True))
    return table(columns, look.columns, look.pen, last_is_sum=True)


def _by_day(found: Spending, look: Look) -> list[str]:
    spent = {one.name: one.spent for one in found.groups}
    rows = [(day, spent.get(day.isoformat(), Spent())) for day, _ in found.days]
    spents = [*(one for _, one in rows), found.total]
    most = max(one.cost.nano for _, one in rows)
    columns = [
        Column("day", [*(f"{day:%a} {day_name(day):>6}" for day, _ in rows), "all"]),
        *_figures(spents, look),
        Column("", [*(bar(one.cost.nano, most, 2 * _BAR) for _, one in rows), ""], may_go=1, bar=True),
    ]
    return table(columns, look.columns, look.pen, last_is_sum=True)


def _figures(spents: Sequence[Spent], look: Look) -> list[Column]:
    """Turns, cost a turn, cache hits and cost; where there is room what the cost is made of."""
    columns = [
        Column(
            "turns", [f"{one.turns:,}" if one.turns or not one.calls else "-" for one in spents], right=True, may_go=5
        ),
        Column(
            "a turn", [str(one.per_turn) if one.per_turn is not None else "-" for one in spents], right=True, may_go=4
        ),
        Column("cached", ["-" if one.cached is None else percent(one.cached) for one in spents], right=True, may_go=4),
    ]
    if look.columns >= _ROOMY:
        for name, part in (
            ("reads", lambda one: one.parts.cache_read),
            ("writes", lambda one: one.parts.cache_write),
            ("input", lambda one: one.parts.input),
            ("output", lambda one: one.parts.output),
        ):
            cells: list[str] = [_part(one, part) for one in spents]
            columns.append(Column(name, cells, right=True, may_go=2))
    columns.append(Column("cost", _aligned([marked(one) for one in spents]), right=True))
    return columns


def _aligned(costs: Sequence[str]) -> list[str]:
    """The marks of costs beyond their digits, which stand below each other."""
    marks = max(len(cost) - len(cost.rstrip("+?")) for cost in costs)
    return [cost + " " * (marks - len(cost) + len(cost.rstrip("+?"))) for cost in costs]


def _part(one: Spent, part: Callable[[Spent], Usd]) -> str:
    """To the cent: where costs stand below each other, more digits only widen what is nearly nothing."""
    if not one.cost:
        return "-"
    nano = part(one).nano
    return "<$0.01" if 0 < nano < _CENT_NANO // 2 else grouped(Usd((nano + _CENT_NANO // 2) // _CENT_NANO * _CENT_NANO))


def _cut_session(name: str, most: int) -> str:
    """A session's name so wide: an id stays whole, since one that is cut finds nothing."""
    where, gap, about = name.rpartition("  ")
    room = most - cell_len(about) - len(gap)
    if cell_len(name) <= most or cell_len(about) > ID or room < _WHERE_LEAST:
        return shorten_cells(name, most)
    return f"{shorten_cells(where, room)}{gap}{about}"


_CUTS: Final = {By.PROJECT: short_path_cells, By.SESSION: _cut_session}
