"""The turns of sessions that only agents' own logs tell of: as text for a terminal, and as JSON values."""

from collections.abc import Sequence
from datetime import UTC
from itertools import groupby
from typing import Any, Final

from gateway.core.periods import on
from gateway.domain.spending import NOTHING, Dear, Spent
from gateway.domain.usage import Flag, Tokens
from gateway.reports.cost import SCHEMA
from gateway.reports.cutting import NOTE, named
from gateway.reports.drawn import Column, in_lines, table
from gateway.reports.looks import Look, agent_name, marked, number, path

ORIGIN: Final = "log"


def text(turns: Sequence[Dear], look: Look) -> str:
    """A table of turns for each session, and what the marks mean. `turns`: by session, in order."""
    whole = _sum(turns)
    marks = [
        *(["? calls without a known price are not in it."] if whole.unpriced else []),
        *(["+ at least this much: the log never told a final count."] if whole.at_least else []),
        *(["Turns are counted by pauses of 5 minutes where logs name no prompts."] if whole.guessed else []),
    ]
    notes = [*marks, "From the agent's own log: no budget held any of it back.", NOTE]
    blocks = [_session(list(mine), look) for _, mine in groupby(turns, key=lambda one: one.place)]
    blocks.append([line for note in notes for line in in_lines(note, look.columns, then="  ")])
    return "\n\n".join("\n".join(block) for block in blocks)


def _session(turns: Sequence[Dear], look: Look) -> list[str]:
    place = turns[0].place
    models = list(dict.fromkeys(named(one.model) for one in turns))
    began = [on(one.at_ms, look.zone) for one in turns]
    about = [agent_name(place.agent), path(place.project, look), models[0] if len(models) == 1 else ""]
    about.append(f"began {began[0].day} {began[0]:%b %Y}")
    head = [named(place.id), *in_lines(", ".join(filter(None, about)), look.columns, then="  ")]
    spents = [*(one.spent for one in turns), _sum(turns)]
    shares = ["-" if one.cached is None else f"{100 * one.cached:.0f} %" for one in spents]
    columns = [
        Column("began", [*(f"{at.day:>2} {at:%b %H:%M}" for at in began), number(len(turns), "turn")]),
        Column("calls", [f"{one.calls:,}" for one in spents], right=True, may_go=3),
        Column("cached", shares, right=True, may_go=4),
        Column("cost", [marked(one) for one in spents], right=True),
    ]
    if len(models) > 1:
        columns.append(Column("model", [*(named(one.model) for one in turns), ""], may_go=1))
    if any(one.why for one in turns):
        reasons = ["; ".join(map(named, one.why)) for one in turns]
        columns.append(Column("why", [*reasons, ""], may_go=2, elastic=True, least=24))
    return [*head, "", *table(columns, look.columns, look.pen, last_is_sum=True)]


def as_values(turns: Sequence[Dear]) -> dict[str, Any]:
    """As the report of the gateway's sessions, schema 1; what a log does not tell is null. `turns`: by session, in order."""
    sessions = [list(mine) for _, mine in groupby(turns, key=lambda one: one.place)]
    return {"schema": SCHEMA, "sessions": [_values(mine) for mine in sessions], "unmetered": []}


def _values(turns: Sequence[Dear]) -> dict[str, Any]:
    place = turns[0].place
    return {
        "id": place.id,
        "agent": place.agent,
        "directory": place.project,
        **_figures(_sum(turns)),
        "turns": [_turn(one) for one in turns],
    }


def _turn(one: Dear) -> dict[str, Any]:
    unknown = dict.fromkeys(("state", "hold_usd", "overdraft_usd", "estimate"))
    flags = [Flag.LOWER_BOUND.value] if one.spent.at_least else []
    began = on(one.at_ms, UTC).isoformat(timespec="milliseconds")
    return {
        "id": None,
        "origin": ORIGIN,
        **unknown,
        "began": began,
        "model": one.model,
        "flags": flags,
        "why": list(one.why),
        **_figures(one.spent),
    }


def _figures(spent: Spent) -> dict[str, Any]:
    tokens = {name: getattr(spent.tokens, name) for name in Tokens.__slots__ if name != "reasoning"}
    known = None if spent.known is None else spent.known.exact()
    return {"cost_usd": known, "unpriced_calls": spent.unpriced, "calls": spent.calls, "tokens": tokens}


def _sum(turns: Sequence[Dear]) -> Spent:
    return sum((one.spent for one in turns), NOTHING)
