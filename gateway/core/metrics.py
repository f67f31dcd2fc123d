"""The figures that go out of the house: one table of their names, units and labels, from which all that tells of them is made.

A name is OpenTelemetry's; Prometheus' follows from it as OpenTelemetry's own rules for that say (`Metric.prometheus`), so that figures
have one name by whichever way they come. No label tells of a session, a person, a chat, a project or a call: each has few values.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.domain.money import NANO_PER_USD

PREFIX: Final = "tollbridge."
OTHER: Final = "other"
"""Stands for a model that is in no price list."""


class Kind(StrEnum):
    """How a figure behaves: one that only grows, one that goes up and down, or how often something was how large."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Unit:
    """What a figure counts. Figures are kept as integers, `scale` of which are one of the unit.

    `otel`: in OpenTelemetry's words (UCUM). `suffix`: what Prometheus' names say of it at their end.
    """

    otel: str
    suffix: str = ""
    scale: int = 1


USD: Final = Unit("{USD}", scale=NANO_PER_USD)
"""List prices, kept in nano-dollars. No unit of UCUM, so its name is a part of the figure's."""
SECONDS: Final = Unit("s", "_seconds", 1000)
RATIO: Final = Unit("1", scale=1_000_000)
"""Kept in millionths."""
FLAG: Final = Unit("")
"""Yes or no: 1 or 0."""


def _count(of: str) -> Unit:
    return Unit(f"{{{of}}}")


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of the table. `bounds`: the upper bounds of a histogram's buckets, in the same integers as its figures."""

    name: str
    kind: Kind
    unit: Unit
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[int, ...] = ()

    @property
    def otel(self) -> str:
        """`tollbridge.cost.usd`."""
        return PREFIX + self.name

    @property
    def prometheus(self) -> str:
        """`tollbridge_cost_usd_total`."""
        total = "_total" if self.kind is Kind.COUNTER else ""
        return f"{self.otel.replace('.', '_')}{self.unit.suffix}{total}"


def _counter(name: str, unit: Unit, text: str, *labels: str) -> Metric:
    return Metric(name, Kind.COUNTER, unit, text, labels)


def _gauge(name: str, unit: Unit, text: str, *labels: str) -> Metric:
    return Metric(name, Kind.GAUGE, unit, text, labels)


_CENTS: Final = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000)
_HUNDREDTHS: Final = (10, 25, 50, 75, 100, 125, 150, 200, 400, 1_000)

# ------------------------------------------------------------------------------------------------------- from the ledger
COST: Final = _counter("cost.usd", USD, "What API calls cost, at list price.", "agent", "model", "origin")
TOKENS: Final = _counter(
    "tokens", _count("token"), "Tokens of API calls, each in one class.", "agent", "model", "class"
)
REASONING: Final = _counter(
    "reasoning.tokens",
    _count("token"),
    "The part of the output that was reasoning, where that is told.",
    "agent",
    "model",
)
CALLS: Final = _counter(
    "calls", _count("call"), "API calls; loop is main, or sub for sub-agents.", "agent", "model", "loop"
)
UNPRICED: Final = _counter(
    "unpriced.calls", _count("call"), "Bookings whose price nobody knew, and which cost.usd lacks.", "agent", "model"
)
WEB_SEARCHES: Final = _counter("web_searches", _count("search"), "Searches of the web by models.", "agent", "model")
WORK: Final = _counter("work", SECONDS, "Time in which agents worked; waiting for a person is no work.", "agent")
ENTRIES: Final = _counter("ledger.entries", _count("entry"), "Entries written to the ledger.", "kind")

# -------------------------------------------------------------------------------------------------- from turns that ended
TURNS: Final = _counter("turns", _count("turn"), "Turns that ended.", "agent", "origin", "state", "outcome")
TURN_COST: Final = Metric(
    "turn.cost.usd",
    Kind.HISTOGRAM,
    USD,
    "What a turn had cost when it ended, of turns that spent something.",
    ("agent", "origin", "outcome"),
    tuple(cents * (NANO_PER_USD // 100) for cents in _CENTS),
)
TURN_ESTIMATE: Final = Metric(
    "turn.estimate.ratio",
    Kind.HISTOGRAM,
    RATIO,
    "What a turn cost, divided by the upper end of its estimate (p90): 9 in 10 should be at most 1. None that was cut short.",
    ("agent",),
    tuple(hundredths * (RATIO.scale // 100) for hundredths in _HUNDREDTHS),
)
TURN_PARTS: Final = _counter(
    "turn.parts.usd",
    USD,
    "What turns had cost when they ended, by what that was made of; class other is not told apart.",
    "agent",
    "class",
)

# -------------------------------------------------------------------------------------------------- as it stands just now
LIMIT: Final = _gauge("budget.limit.usd", USD, "The limit on a period that runs now, raises included.", "scope")
SPENT: Final = _gauge("budget.spent.usd", USD, "What is spent of it.", "scope")
HELD: Final = _gauge("budget.held.usd", USD, "What is set aside of it for turns that run.", "scope")
HOLDS: Final = _gauge("holds", _count("turn"), "Turns for which money is set aside.")
HOLDS_USD: Final = _gauge("holds.usd", USD, "What is set aside for all turns together.")
OPEN_TURNS: Final = _gauge("open.turns", _count("turn"), "Turns that have not ended.", "state")
UNPRICED_NOW: Final = _gauge("unpriced", _count("call"), "Bookings of all time that wait for a price.")
INBOX: Final = _gauge("inbox.waiting", _count("update"), "Updates of the chat that wait to be handled.")
OUTBOX: Final = _gauge("outbox.waiting", _count("message"), "Messages that wait to be sent.")
UNSURE: Final = _gauge("messages.unsure", _count("message"), "Messages of which nobody knows whether they arrived.")
PROCESSES: Final = _gauge("agent.processes", _count("process"), "Processes of agents.")
CHAT_UP: Final = _gauge(
    "chat.up", FLAG, "1: the chat service took the last message; 0: it did not. None before the first."
)
BANK_UP: Final = _gauge("bank.up", FLAG, "1: the team's bank answered when it was asked last; 0: it did not.")
FROZEN: Final = _gauge("frozen", FLAG, "1: everything was stopped, and nothing starts.")
STARTED: Final = _gauge("start.time", SECONDS, "When the gateway began, in seconds since 1970.")
LAG: Final = _gauge("unread.entries", _count("entry"), "Entries of the ledger that are not in these figures yet.")
FULL: Final = _gauge("full", FLAG, "1: there are more combinations of labels than are kept, and some are not counted.")

# ------------------------------------------------------------------------------------------------- from the export itself
EXPORT_FAILURES: Final = _counter("export.failures", _count("export"), "Exports that nobody took.", "signal")
SPANS_LOST: Final = _counter("export.spans.lost", _count("span"), "Spans of turns that were given up.")

TABLE: Final[tuple[Metric, ...]] = (
    *(COST, TOKENS, REASONING, CALLS, UNPRICED, WEB_SEARCHES, WORK, ENTRIES),
    *(TURNS, TURN_COST, TURN_ESTIMATE, TURN_PARTS),
    *(LIMIT, SPENT, HELD, HOLDS, HOLDS_USD, OPEN_TURNS, UNPRICED_NOW),
    *(INBOX, OUTBOX, UNSURE, PROCESSES, CHAT_UP, BANK_UP, FROZEN, STARTED, LAG, FULL),
    *(EXPORT_FAILURES, SPANS_LOST),
)
