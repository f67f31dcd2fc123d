"""What a team spent and what came of it: the figures that its gateways reported, added up. Nobody is ranked by them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from rich.console import Group, RenderableType
from rich.text import Text

from gateway.core.summary import count
from gateway.domain.lease import FigureSum
from gateway.domain.money import ZERO, Usd
from gateway.domain.usage import NO_TOKENS, Tokens
from gateway.reports.text import NOTE, Layout, fitted, shorten

SCHEMA: Final = 1
By = Literal["project", "person", "model", "agent"]
CANNOT_SEE: Final = "Only turns that have ended and were reported. What came of the work is not in it: the bank hears of no prompts and no commits."


@dataclass(frozen=True, slots=True)
class Row:
    """Turns that agree in one thing and in their outcome, added up."""

    name: str
    outcome: str
    turns: int = 0
    calls: int = 0
    unpriced_calls: int = 0
    cost: Usd = ZERO
    tokens: Tokens = NO_TOKENS


def fold(sums: Sequence[FigureSum], by: By) -> tuple[Row, ...]:
    """The sums by one thing and outcome, in the order of the names."""
    found: dict[tuple[str, str], Row] = {}
    for one in sums:
        name = getattr(one, by)
        row = found.get((name, one.outcome), Row(name, one.outcome))
        found[name, one.outcome] = Row(
            name,
            one.outcome,
            row.turns + one.turns,
            row.calls + one.calls,
            row.unpriced_calls + one.unpriced_calls,
            row.cost + one.cost,
            row.tokens + one.tokens,
        )
    return tuple(found[key] for key in sorted(found))


def report(team: str, since_ms: int, sums: Sequence[FigureSum]) -> dict[str, Any]:
    """The report as JSON values, schema 1: a row for each person, project, model, agent and outcome, by their names."""
    rows = [
        {
            "person": one.person,
            "project": one.project,
            "model": one.model,
            "agent": one.agent,
            "outcome": one.outcome,
            "turns": one.turns,
            "calls": one.calls,
            "unpriced_calls": one.unpriced_calls,
            "cost_usd": one.cost.exact(),
            "tokens": one.tokens.total,
        }
        for one in sums
    ]
    return {"schema": SCHEMA, "team": team, "since_ms": since_ms, "rows": rows}


def table(sums: Sequence[FigureSum], by: By, width: int) -> RenderableType:
    """A line for each name and outcome, the sum, and what cannot be seen. `width`: the terminal's columns."""
    if not sums:
        return Text("Nothing was reported for this time.")
    rows = fold(sums, by)
    everything = fold([FigureSum("", "", "", "", "", *_amounts(one)) for one in sums], "person")[0]
    lines = [_cells(row) for row in (*rows, Row("all", "", *_amounts(everything)))]
    layout = Layout((by, "outcome", "turns>", "calls>", "tokens>", "cost>"), by, shorten, ("tokens>", "calls>"))
    legend = ["? calls without a known price are not in it"] if everything.unpriced_calls else []
    notes = [Text(line) for line in ("", *legend, NOTE, CANNOT_SEE)]
    return Group(fitted(layout, lines, width), *notes)


def _amounts(one: FigureSum | Row) -> tuple[int, int, int, Usd, Tokens]:
    return one.turns, one.calls, one.unpriced_calls, one.cost, one.tokens


def _cells(row: Row) -> tuple[str, ...]:
    cost = f"{row.cost}{'?' if row.unpriced_calls else ''}"
    return row.name or "-", row.outcome, str(row.turns), str(row.calls), count(row.tokens.total), cost
