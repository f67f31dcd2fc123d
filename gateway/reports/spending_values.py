"""What was spent, for programs: JSON, CSV and Markdown. No words of prompts are in any of them."""

import csv
from dataclasses import replace
from io import StringIO
from typing import Any, Final

from gateway.core.periods import on
from gateway.domain.money import Usd
from gateway.domain.spending import By, Dear, Group, Source, Spending, Spent
from gateway.domain.turn import OutcomeKind
from gateway.domain.usage import Tokens
from gateway.reports.cutting import named
from gateway.reports.looks import Look, dated, grouped, name_of, turns_of
from gateway.reports.remarks import uncertain

SCHEMA: Final = 2
COLUMNS: Final = (
    *("name", "agent", "project", "first", "last", "sessions", "turns", "calls"),
    *("cost_usd", "input_usd", "cache_read_usd", "cache_write_usd", "output_usd", "web_search_usd", "other_usd"),
    *(
        "input_tokens",
        "cache_read_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
        "cache_write_unsplit_tokens",
    ),
    *("output_tokens", "cost_per_turn_usd", "cache_hit_share", "unpriced_calls", "lower_bound_turns"),
)
_FORMULA: Final = ("=", "+", "-", "@", *"\uff1d\uff0b\uff0d\uff20")  # some take the wide ones for these
"""What a spreadsheet may take for the beginning of a formula; a name has no blanks or line breaks at its beginning any more."""


def as_values(found: Spending, look: Look) -> dict[str, Any]:
    """The report as JSON values, schema 2: amounts as decimal strings in dollars, null where nobody knows them."""
    first = found.days[0][0] if found.days else found.period.last
    return {
        "schema": SCHEMA,
        "period": {"first": first.isoformat(), "last": found.period.last.isoformat(), "timezone": str(look.zone)},
        "by": found.by.value,
        "total": _spent(found.total) | {"sessions": found.sessions},
        "groups": [_group(one, found.by, look) for one in found.groups],
        "rest": None
        if found.rest is None
        else {"groups": int(found.rest.name), "sessions": found.rest.sessions} | _spent(found.rest.spent),
        "days": [{"day": day.isoformat(), "cost_usd": cost.exact()} for day, cost in found.days],
        "sources": {source.value: _spent(found.by_source[source]) for source in Source},
        "dearest": [_dear(one, look) for one in found.dearest],
        "background": _spent(found.background),
        "unlisted_usd": found.unlisted.exact(),
        "ended_with": {kind.value: _spent(found.fruitless[kind]) for kind in OutcomeKind if kind in found.fruitless},
        "estimates": {"scored": found.scored, "within_p90": found.within_p90},
        "unpriced_by_model": found.unpriced,
        "open": [{"state": one.state.value, "turns": one.turns, "cost_usd": one.cost.exact()} for one in found.open],
    }


def as_csv(found: Spending, look: Look) -> str:
    """A header that stays, and a line for each group; what a spreadsheet could take for a formula begins with an apostrophe."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for one in found.groups:
        writer.writerow([cell(value) for value in _row(one, found.by, look)])
    return text.getvalue()


def as_markdown(found: Spending, heading: str, look: Look) -> str:
    """A heading and a table, as an issue or a pull request shows it."""
    rows = [(escaped(untitled(one, found.by, look)), one.spent) for one in found.groups]
    if found.rest is not None:
        rows.append((f"{int(found.rest.name):,} more", found.rest.spent))
    lines = [f"**{dated(found, heading)}**: {_cost(found.total)}, {turns_of(found.total)}", ""]
    names = (found.by.value, "turns", "cost/turn", "cached", "input", "cache reads", "cache writes", "output", "cost")
    lines += [f"| {' | '.join(names)} |", f"|---|{'---:|' * (len(names) - 1)}"]
    for name, spent in (*rows, ("all", found.total)):
        parts = spent.parts
        share = "-" if spent.cached is None else f"{100 * spent.cached:.0f} %"
        each = "-" if spent.per_turn is None else str(spent.per_turn)
        amounts = [
            str(one) if spent.cost else "-" for one in (parts.input, parts.cache_read, parts.cache_write, parts.output)
        ]
        lines.append(f"| {' | '.join((name, f'{spent.turns:,}', each, share, *amounts, _cost(spent)))} |")
    if notes := uncertain(found):
        lines += ["", *(escaped(note) for note in notes)]
    return "\n".join(lines) + "\n"


def untitled(one: Group, by: By, look: Look) -> str:
    """A group's name, of a session where it is and when it began: what it is about stays here."""
    if one.place is None:
        return name_of(one, by, look)
    at = on(one.first_ms, look.zone)
    return f"{name_of(replace(one, place=replace(one.place, title='')), by, look)}, {at.day} {at:%b %H:%M}"


def _spent(spent: Spent) -> dict[str, Any]:
    tokens = spent.tokens
    return {
        "cost_usd": amount(spent.known),
        "parts_usd": {
            "input": spent.parts.input.exact(),
            "cache_read": spent.parts.cache_read.exact(),
            "cache_write": spent.parts.cache_write.exact(),
            "output": spent.parts.output.exact(),
            "web_search": spent.parts.web_search.exact(),
            "other": spent.other.exact(),
        },
        "tokens": {name: getattr(tokens, name) for name in Tokens.__slots__} | {"total": tokens.total},
        "turns": spent.turns,
        "turns_by_pauses": spent.guessed,
        "calls": spent.calls,
        "cost_per_turn_usd": amount(spent.per_turn),
        "cache_hit_share": None if spent.cached is None else round(spent.cached, 4),
        "unpriced_calls": spent.unpriced,
        "lower_bound_turns": spent.at_least,
    }


def _group(one: Group, by: By, look: Look) -> dict[str, Any]:
    about = {"name": one.name}
    if by is By.SESSION and one.place is not None:
        about |= {"agent": one.place.agent, "project": one.place.project}
    if by is By.PERSON and one.name in look.names:
        about["called"] = look.names[one.name]
    return (
        about
        | {"first": _iso(one.first_ms, look), "last": _iso(one.last_ms, look), "sessions": one.sessions}
        | _spent(one.spent)
    )


def _dear(one: Dear, look: Look) -> dict[str, Any]:
    return {
        "turn": one.id or None,
        "session": one.place.id,
        "agent": one.place.agent,
        "project": one.place.project,
        "began": _iso(one.at_ms, look),
        "model": one.model,
        "source": one.source.value,
        "ended_with": None if one.came_of_it is None else one.came_of_it.value,
        "why": list(one.why),
    } | _spent(one.spent)


def _row(one: Group, by: By, look: Look) -> tuple[object, ...]:
    spent, place = one.spent, one.place if by is By.SESSION else None
    parts, tokens = spent.parts, spent.tokens
    amounts = (parts.input, parts.cache_read, parts.cache_write, parts.output, parts.web_search, spent.other)
    written = (tokens.cache_write_5m, tokens.cache_write_1h, tokens.cache_write_unsplit)
    return (
        *(one.name, place.agent if place else "", place.project if place else ""),
        *(_iso(one.first_ms, look), _iso(one.last_ms, look), one.sessions, spent.turns, spent.calls),
        *(amount(spent.known), *(one.exact() for one in amounts)),
        *(tokens.input, tokens.cache_read, *written, tokens.output),
        *(amount(spent.per_turn), "" if spent.cached is None else f"{spent.cached:.4f}"),
        *(spent.unpriced, spent.at_least),
    )


def cell(value: object) -> object:
    """What stands in a cell of a spreadsheet."""
    if value is None:
        return ""
    if not isinstance(value, str) or not value:
        return value
    text = named(value)
    # Amounts may begin with a minus; whatever else does is a name.
    harmless = value.lstrip("-").replace(".", "", 1).isdigit()
    return f"'{text}" if text.startswith(_FORMULA) and not harmless else text


def escaped(text: str) -> str:
    """A name in which no character means Markdown or ends a cell."""
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>()#+-.!|~&@$" else char for char in text)


def _cost(spent: Spent) -> str:
    if spent.known is None:
        return "unknown"
    return f"{grouped(spent.cost)}{'+' if spent.at_least else ''}{'?' if spent.unpriced else ''}"


def amount(money: Usd | None) -> str | None:
    """Every digit of it; None where nobody knows."""
    return None if money is None else money.exact()


def _iso(at_ms: int, look: Look) -> str:
    return on(at_ms, look.zone).isoformat(timespec="milliseconds")
