"""What was spent, as text for a terminal: what it came to, what it was made of, on what, and what stands out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, tzinfo
from pathlib import PurePath
from typing import Final

from rich.cells import cell_len

from gateway.core.periods import on
from gateway.domain.money import ZERO, Usd
from gateway.domain.spending import By, Dear, Group, Place, Source, Spending, Spent
from gateway.domain.turn import OutcomeKind, TurnState
from gateway.reports.cutting import NOTE, named, short_path_cells, shorten, shorten_cells
from gateway.reports.drawn import Column, Pen, bar, in_lines, line, table
from gateway.view.figure_words import count

_WIDEST: Final = 120
_NARROWEST: Final = 30
_BAR: Final = 12
_SESSION_BAR: Final = 8
"""Beside sessions, whose names need the room."""
_ID: Final = 10
_IDS_FROM: Final = 80
"""Columns from which on ids are shown."""
_WHERE_LEAST: Final = 5
_MONTHS_DAYS: Final = 300
"""In a longer time a day of a month is not enough to tell when it was."""
_ROOMY: Final = 110
"""Columns from which on there is room for what each cost is made of."""
_DEAREST: Final = 3
_CENT_NANO: Final = 10_000_000
_LINE: Final = 60
"""A line of days is at most so long: of a longer time several days are one column."""
_AGENTS: Final = {
    "claude": "Claude Code",
    "codex": "Codex",
    "opencode": "OpenCode",
    "gemini": "Gemini CLI",
    "channel": "Claude Code",
}
_KINDS: Final = {
    OutcomeKind.ERROR: "with an error",
    OutcomeKind.NOTHING: "with nothing",
    OutcomeKind.CANCELLED: "because somebody stopped them",
}
_STATES: Final = {
    TurnState.QUEUED: "waiting",
    TurnState.ASKING: "asking",
    TurnState.HELD: "about to run",
    TurnState.RUNNING: "running",
    TurnState.PAUSED: "paused",
}
_UNPRICED_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Look:
    """How a report is to look. `own`: the person's own directory, written `~`. `names`: people's names by their ids."""

    zone: tzinfo
    width: int = 80
    pen: Pen = field(default_factory=Pen)
    own: str = ""
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    years: bool = False
    """Times are told with their year instead of the hour."""

    @property
    def columns(self) -> int:
        """How many columns of the terminal are used."""
        return max(_NARROWEST, min(self.width, _WIDEST))


def text(found: Spending, heading: str, look: Look) -> str:
    """The whole report. `heading`: the period as it was asked for, like `Last 30 days`."""
    if not found.total.calls and not found.total.turns:
        return "\n".join(in_lines(f"{dated(found, heading)}: nothing was spent.", look.columns))
    look = replace(look, years=len(found.days) > _MONTHS_DAYS)
    blocks = [
        [*in_lines(dated(found, heading), look.columns, then="  "), *_sum(found, look), *_days(found, look)],
        _made_of(found.total, look),
        _groups(found, look),
        _dearest(found, look),
        _notes(found, look),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def dated(found: Spending, heading: str) -> str:
    """The heading with the days that are counted."""
    first = found.days[0][0] if found.days else found.period.last
    last = found.period.last
    return f"{heading}, {_day(last)} {last.year}" if first == last else f"{heading}, {_range(first, last)}"


def _range(first: date, last: date) -> str:
    year = "" if first.year == last.year else f" {first.year}"
    return f"{_day(first)}{year} to {_day(last)} {last.year}"


def _day(day: date) -> str:
    return f"{day.day} {day:%b}"


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


def turns_of(spent: Spent) -> str:
    """How many turns it is; "about" where they were told apart by pauses."""
    about = "about " if spent.guessed else ""
    return f"{about}{number(spent.turns, 'turn')}" if spent.turns else number(spent.calls, "call")


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
    words = f"most on {_day(day)}: {grouped(most)}{unit}"
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
                    *(_when(one.first_ms, look) for one in found.groups),
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
        Column("day", [*(f"{day:%a} {_day(day):>6}" for day, _ in rows), "all"]),
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


def name_of(group: Group, by: By, look: Look) -> str:
    """What a group is called where people read it."""
    match by:
        case By.SESSION:
            return _place(group.place, look) if group.place else "-"
        case By.PROJECT:
            return path(group.name, look) if group.name else "(not known)"
        case By.AGENT:
            return agent_name(group.name)
        case By.PERSON:
            return named(look.names.get(group.name, group.name)) if group.name else "(from logs)"
        case _:
            return named(group.name) or "(not known)"


def agent_name(agent: str) -> str:
    """An agent as people know it."""
    return named(_AGENTS.get(agent, agent))


def _place(place: Place, look: Look) -> str:
    """A session as people know it: its project, and what it is about, or its agent."""
    where = named(PurePath(place.project).name or place.project) if place.project else named(place.agent)
    about = named(place.title) or (short_id(place.id) if look.columns >= _IDS_FROM else "")
    return f"{where}  {about}" if about else where


def short_id(session: str) -> str:
    """The beginning of a session's id, which `report --session` finds it by."""
    return named(session.partition("-")[0][:_ID])


def _cut_session(name: str, most: int) -> str:
    """A session's name so wide: an id stays whole, since one that is cut finds nothing."""
    where, gap, about = name.rpartition("  ")
    room = most - cell_len(about) - len(gap)
    if cell_len(name) <= most or cell_len(about) > _ID or room < _WHERE_LEAST:
        return shorten_cells(name, most)
    return f"{shorten_cells(where, room)}{gap}{about}"


_CUTS: Final = {By.PROJECT: short_path_cells, By.SESSION: _cut_session}


def path(directory: str, look: Look) -> str:
    """A directory, below the person's own one as `~`."""
    own = look.own
    return named(f"~{directory[len(own) :]}" if own and f"{directory}/".startswith(f"{own}/") else directory)


def _when(at_ms: int, look: Look) -> str:
    at = on(at_ms, look.zone)
    return f"{at.day:>2} {at:%b %Y}" if look.years else f"{at.day:>2} {at:%b %H:%M}"


def _dearest(found: Spending, look: Look) -> list[str]:
    if not found.dearest:
        return []
    pad = max(len(str(one.spent.cost)) for one in found.dearest[:_DEAREST])
    lines = [look.pen.faint("dearest turns")]
    for one in found.dearest[:_DEAREST]:
        first = f"{one.spent.cost!s:>{pad}}  "
        words = f"{_when(one.at_ms, look).strip()} {_place(one.place, look).split('  ')[0]}{_about(one)}{_why(one)}"
        mine = in_lines(words, look.columns, first, " " * (pad + 2))
        lines += mine
    return lines


def _about(one: Dear) -> str:
    about = f", {shorten(named(one.title), 30)}" if one.title else ""
    ended = (
        f" ({'error' if one.came_of_it is OutcomeKind.ERROR else one.came_of_it})" if one.came_of_it in _KINDS else ""
    )
    return about + ended


def _why(one: Dear) -> str:
    return (
        f": {'; '.join(map(named, one.why))}"
        if one.why
        else f": {number(one.spent.calls, 'call')}, {named(one.model) or 'model not known'}"
    )


def _notes(found: Spending, look: Look) -> list[str]:
    sentences = [
        *_came_of_it(found),
        *_unasked(found),
        *_estimates(found),
        *_open(found),
        *uncertain(found),
        *_sources(found),
        NOTE,
    ]
    return [drawn for sentence in sentences for drawn in in_lines(sentence, look.columns, then="  ")]


def _came_of_it(found: Spending) -> list[str]:
    """Of nothing but what the gateway has metered: of logs nobody knows how a turn ended."""
    some = [
        f"{words} ({of.turns:,}, {marked(of)})" for kind, words in _KINDS.items() if (of := found.fruitless[kind]).turns
    ]
    if not some:
        return []
    lost = sum(found.fruitless.values(), Spent())
    return [f"{marked(lost)}{_share(lost, found.by_source[Source.GATEWAY])} in turns that ended {_or(some)}."]


def _or(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def _share(part: Spent, whole: Spent) -> str:
    return (
        f" ({percent(part.cost.nano / whole.cost.nano)} of what was metered)"
        if part.cost and whole.cost.nano > 0
        else ""
    )


def _unasked(found: Spending) -> list[str]:
    said: list[str] = []
    if found.background.turns:
        said.append(
            f"Background: {number(found.background.turns, 'turn')} that nobody asked for cost {marked(found.background)}."
        )
    if found.unlisted:
        said.append(f"Calls that no transcript shows (titles, compactions): {found.unlisted}.")
    return said


def _estimates(found: Spending) -> list[str]:
    if not found.scored:
        return []
    return [
        f"Estimates: {found.within_p90} of {number(found.scored, 'turn')} cost at most the p90 told before; 9 in 10 should."
    ]


def _open(found: Spending) -> list[str]:
    if not found.open:
        return []
    each = ", ".join(f"{one.turns} {_STATES.get(one.state, one.state)}" for one in found.open)
    so_far = sum((one.cost for one in found.open), ZERO)
    return [f"Not settled now: {each}; {so_far} so far."]


def uncertain(found: Spending) -> list[str]:
    """What the marks at costs and numbers mean, a sentence for each that is there."""
    said: list[str] = []
    if found.unpriced:
        models = [f"{named(model) or 'a model that is not known'} ({calls})" for model, calls in found.unpriced.items()]
        rest = f" and {len(models) - _UNPRICED_SHOWN} more" if len(models) > _UNPRICED_SHOWN else ""
        calls = number(sum(found.unpriced.values()), "call")
        said.append(f"? without {calls} whose model has no known price: {', '.join(models[:_UNPRICED_SHOWN])}{rest}.")
    if found.total.at_least:
        said.append(
            f"+ at least this much: {number(found.total.at_least, 'turn')} with calls whose final count was never told."
        )
    if found.total.guessed:
        said.append("Turns are counted by pauses of 5 minutes where logs name no prompts.")
    return said


def _sources(found: Spending) -> list[str]:
    logs, ours = found.by_source[Source.LOGS], found.by_source[Source.GATEWAY]
    if not logs.calls:
        return []
    if not ours.calls and not ours.turns:
        return ["All of it is from agents' own logs: no budget held any of it back."]
    return [
        f"{marked(ours)} was metered by the gateway; {marked(logs)} more is from agents' own logs, held back by no budget."
    ]


def marked(spent: Spent) -> str:
    """The cost with its marks; "unknown" where nobody knows it."""
    if spent.known is None:
        return "unknown"
    if not spent.calls and not spent.cost:
        return "-"
    return f"{grouped(spent.cost)}{'+' if spent.at_least else ''}{'?' if spent.unpriced else ''}"


def grouped(amount: Usd) -> str:
    """An amount with a comma between thousands."""
    whole, point, rest = str(amount).partition(".")
    sign, digits = whole.split("$")
    return f"{sign}${int(digits):,}{point}{rest}"


def percent(share: float) -> str:
    """`18 %`; what is something is never nothing."""
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"  # noqa: PLR2004 - what would be told as nothing


def number(many: int, what: str) -> str:
    """`1 turn`, `1,200 turns`."""
    return f"{many:,} {what}" if many == 1 else f"{many:,} {what}s"
