"""What came of the money, for programs: JSON, CSV and Markdown. No words of prompts or titles, and no commit's name, are in any of them."""

import csv
from io import StringIO
from typing import Any, Final

from gateway.domain.results import Results, Share, Survival
from gateway.domain.spending import By, Source, Spending, Spent
from gateway.reports.looks import Look, dated, marked, number, percent
from gateway.reports.results import KINDS, UNSEEN, fruitless
from gateway.reports.spending_values import amount, cell, escaped, untitled

SCHEMA: Final = 1
COLUMNS: Final = (
    *("name", "agent", "project", "sessions", "turns", "cost_usd", "fruitless_turns", "fruitless_usd", "commits"),
    *(f"commits_{one.value}" for one in Survival),
    *("priced_usd", "usd_per_surviving_commit", "unpriced_calls", "lower_bound_turns"),
)


def as_values(told: Results, found: Spending, look: Look, by: By, due: int) -> dict[str, Any]:
    """The report as JSON values, schema 1: amounts as decimal strings in dollars, null where nobody knows them."""
    first = found.days[0][0] if found.days else found.period.last
    spread = told.spread
    return {
        "schema": SCHEMA,
        "period": {"first": first.isoformat(), "last": found.period.last.isoformat(), "timezone": str(look.zone)},
        "by": by.value,
        "total": _spent(told.total) | {"sessions": told.sessions},
        "came_of_it": [
            {"kind": "open" if one.kind is None else one.kind.value}
            | _spent(one.spent)
            | {"median_usd": None if one.spent.known is None else one.median.exact()}
            for one in told.came
        ],
        "fruitless": _spent(told.fruitless),
        "commits": {"own": told.own, "shared": told.shared, "rewritten": told.rewritten, "fates": _fates(told.fates)},
        "per_surviving_commit": {
            "overall_usd": amount(told.price.each),
            "priced": _spent(told.price.spent),
            "surviving_commits": told.price.commits,
            "by_session": None
            if spread is None
            else {"n": spread.n}
            | {f"{name}_usd": getattr(spread, name).exact() for name in ("least", "lower", "median", "upper", "most")},
            "sessions_without": {"sessions": told.barren_sessions} | _spent(told.barren),
            "left_out": {
                "last_7_days": _spent(told.young),
                "outside_of_repositories": _spent(told.outside),
                "never_looked_at": _spent(told.unseen),
            },
        },
        "lines": [
            {"after_days": one.days, "commits": one.commits, "added": one.added, "left": one.left} for one in told.lines
        ],
        "tests": {"turns": told.tests.turns, "passed": told.tests.passed, "failed": told.tests.failed}
        | {"unknown": told.tests.unknown},
        "groups": [_share(one, by) for one in told.groups],
        "rest": None if told.rest is None else {"groups": int(told.rest.group.name)} | _figures(told.rest),
        "not_watched": _spent(found.by_source[Source.LOGS]),
        "commits_due": due,
        "cannot_see": UNSEEN,
    }


def as_csv(told: Results, by: By) -> str:
    """A header that stays, and a line for each group; what a spreadsheet could take for a formula begins with an apostrophe."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for one in told.groups:
        group, place = one.group, one.group.place if by is By.SESSION else None
        row = (
            *(group.name, place.agent if place else "", place.project if place else "", group.sessions),
            *(group.spent.turns, amount(group.spent.known), one.fruitless.turns, amount(one.fruitless.known)),
            *(one.own, *(one.fates.get(fate, 0) for fate in Survival)),
            *(amount(one.price.spent.known), amount(one.price.each), group.spent.unpriced, group.spent.at_least),
        )
        writer.writerow([cell(value) for value in row])
    return text.getvalue()


def as_markdown(told: Results, found: Spending, heading: str, look: Look, by: By) -> str:
    """A heading, what turns left, and a table of the groups, as an issue or a pull request shows them."""
    whole = f"{marked(told.total)} in {number(told.total.turns, 'turn')}. {fruitless(told.fruitless, told.total)}"
    lines = [
        f"**What came of it: {dated(found, heading)}**: {whole}",
        *("", "| turns that left | turns | cost |", "|---|---:|---:|"),
        *(f"| {KINDS[one.kind]} | {one.spent.turns:,} | {marked(one.spent)} |" for one in told.came),
        *("", f"| {by.value} | turns | cost | fruitless | commits | survive | lost | per surviving commit |"),
        f"|---|{'---:|' * 7}",
    ]
    for one in told.groups:
        whole = one.group.spent.cost.nano
        share = percent(one.fruitless.cost.nano / whole) if whole > 0 else "-"
        fates = [f"{one.fates.get(fate, 0):,}" for fate in (Survival.SURVIVES, Survival.LOST)]
        each = "-" if one.price.each is None else str(one.price.each)
        cells = (f"{one.group.spent.turns:,}", marked(one.group.spent), share, f"{one.own:,}", *fates, each)
        lines.append(f"| {escaped(untitled(one.group, by, look))} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", UNSEEN]) + "\n"


def _spent(spent: Spent) -> dict[str, Any]:
    return {
        "cost_usd": amount(spent.known),
        "turns": spent.turns,
        "unpriced_calls": spent.unpriced,
        "lower_bound_turns": spent.at_least,
    }


def _fates(fates: dict[Survival, int]) -> dict[str, int]:
    return {one.value: fates.get(one, 0) for one in Survival}


def _figures(one: Share) -> dict[str, Any]:
    return (
        {"sessions": one.group.sessions}
        | _spent(one.group.spent)
        | {"fruitless": _spent(one.fruitless), "commits": one.own, "fates": _fates(one.fates)}
        | {"priced": _spent(one.price.spent), "usd_per_surviving_commit": amount(one.price.each)}
    )


def _share(one: Share, by: By) -> dict[str, Any]:
    about = {"name": one.group.name}
    if by is By.SESSION and one.group.place is not None:
        about |= {"agent": one.group.place.agent, "project": one.group.place.project}
    return about | _figures(one)
