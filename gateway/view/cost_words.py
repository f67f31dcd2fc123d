"""What was spent and what came of it, as a chat tells it: /cost, /report, the digest, and the summary of a session that is over."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from gateway.domain.charts import Came
from gateway.domain.money import Usd
from gateway.domain.spending import Period, Spent
from gateway.view.figure_words import calls, count

TODAY_BUTTON: Final = "Today"
WEEK_BUTTON: Final = "Week"
MONTH_BUTTON: Final = "Month"
NOTHING_SPENT: Final = "No session yet, so nothing was spent here."
HOW_TO_REPORT: Final = "Write /report day, /report week or /report month."
LIST_PRICES: Final = "List prices. A subscription is not billed by them."
NOT_TOLD: Final = "not told"
"""What has no name."""
_CAME: Final = {
    Came.COMMITS: "commits",
    Came.CHANGES: "changes",
    Came.ANSWER: "done",
    Came.NOTHING: "nothing",
    Came.ERROR: "failed",
    Came.STOPPED: "stopped",
    Came.PAUSED: "paused",
    Came.RUNNING: "at work",
}
_COUNTED: Final = _CAME | {
    Came.COMMITS: "with commits",
    Came.CHANGES: "with changes",
    Came.ANSWER: "answered",
    Came.NOTHING: "with nothing",
}


def amount(spent: Spent) -> str:
    """What it comes to, as far as is known: `$3.10`, `at least $3.10`, `price not known`."""
    if spent.known is None:
        return "price not known"
    return f"at least {spent.cost}" if spent.at_least or spent.unpriced else str(spent.cost)


def _turns(number: int) -> str:
    return "1 turn" if number == 1 else f"{number:,} turns"


def _head(name: str, spent: Spent, limit: Usd | None) -> str:
    return f"**{name}: {amount(spent)}{'' if limit is None else f' of {limit}'}**"


def _cached(spent: Spent) -> list[str]:
    return [] if spent.cached is None else [f"{round(100 * spent.cached)} % cached"]


# --------------------------------------------------------------------------------------------------------------- /cost
def session(spent: Spent, limit: Usd | None) -> str:
    """The first line about a session."""
    return _head("Session", spent, limit)


def session_size(spent: Spent) -> str:
    """How much it was: `12 turns · 38 calls · 1.2M tokens · 87 % cached`."""
    parts = [_turns(spent.turns), calls(spent.calls), f"{count(spent.tokens.total)} tokens", *_cached(spent)]
    return " · ".join(parts)


def came_of_it(turns: Mapping[Came, int], unknown: int = 0) -> str:
    """How many turns left what, or ended how; of so many that is not known."""
    counted = [f"{number} {_COUNTED[kind]}" for kind, number in turns.items()]
    return f"Came of it: {', '.join([*counted, *([f'{unknown} not known'] if unknown else [])])}"


DEAREST: Final = "Dearest turns:"


def dear_turn(spent: str, came: Came, title: str) -> str:
    """One of them; `title`: escaped."""
    return f"{spent} · {_CAME[came]} · {title}"


def not_known(spent: Spent) -> str:
    """What is not in an amount, and where there may be more; empty: all of it is known."""
    unpriced = f"Not in it: {calls(spent.unpriced)} of unknown price" if spent.unpriced else ""
    cut = f"Cut short: {_turns(spent.at_least)}, so it may be more" if spent.at_least else ""
    return " · ".join(part for part in (unpriced, cut) if part)


# ------------------------------------------------------------------------------------------------------------- /report
def day(of: date, today: date) -> str:
    """A day by its name: `Today, Mon 23 Nov`."""
    named = {today: "Today, ", today - timedelta(days=1): "Yesterday, "}.get(of, "")
    return f"{named}{_date(of)}"


def week(period: Period) -> str:
    """A week of the calendar up to a day of it, or any other seven days."""
    return f"Week, {_date(period.first or period.last)} to {_date(period.last)}"


def month(of: date) -> str:
    """`November 2026`."""
    return f"{of:%B %Y}"


def _date(of: date) -> str:
    return f"{of:%a} {of.day} {of:%b}"


def period(name: str, spent: Spent, limit: Usd | None) -> str:
    """The first line about a period."""
    return _head(name, spent, limit)


def budget(booked: Usd, limit: Usd) -> str:
    """Where the limit counts another amount than that of the turns that began in this period."""
    return f"Against the limit count {booked} of {limit}"


def period_size(spent: Spent, sessions: int) -> str:
    """How much it was: `14 turns in 3 sessions · 81 % cached`."""
    named = "1 session" if sessions == 1 else f"{sessions:,} sessions"
    return " · ".join([f"{_turns(spent.turns)} in {named}", *_cached(spent)])


def shares(named: Sequence[tuple[str, Spent]], rest: Spent, others: int) -> str:
    """Whom it belongs to, the dearest first; names escaped. `others`: how many are not named, with `rest` together."""
    parts = [f"{name or NOT_TOLD} {amount(spent)}" for name, spent in named]
    more = [f"{others} more {amount(rest)}"] if others else []
    return " · ".join([*parts, *more])


def fruitless(cost: Usd) -> str:
    """Behind what came of it: what was spent on turns without a result."""
    return f"; {cost} on turns that ended with nothing, failed or were stopped"


def background(spent: Spent) -> str:
    """What nobody asked for."""
    return f"Unasked, in the background: {amount(spent)}, {_turns(spent.turns)}"


def still_open(turns: int, cost: Usd) -> str:
    """What is not settled, whenever it began."""
    return f"Not settled yet: {_turns(turns)}, {cost} so far"


def forecasts(within: int, scored: int) -> str:
    """How the forecasts did."""
    return f"Forecasts: {within} of {_turns(scored)} stayed within their upper figure; 9 in 10 should"


OF_GATEWAY: Final = "Everything that this gateway metered."
OF_GROUP: Final = "What was spent in this group, whoever asked for it."
OF_PERSON: Final = "What your own turns have cost."
_NOTHING: Final = {
    OF_GATEWAY: "Nothing was spent.",
    OF_GROUP: "Nothing was spent in this group.",
    OF_PERSON: "Nothing was spent on turns of yours.",
}


def nothing(name: str, whose: str) -> str:
    """Nothing was spent then; `whose`: the line that says whose spending is told."""
    return f"**{name}**\n{_NOTHING[whose]}"


# ------------------------------------------------------------------------------------------------ the end of a session
def being_stopped(turns: int) -> str:
    """What still runs is being stopped."""
    return f"{_turns(turns)} being stopped: what that cost is told when it is over."


CLOSED_AT_DESK: Final = "The session at the desk is over."
