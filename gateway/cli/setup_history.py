"""What `tollbridge setup` ends with: what agents have used on this machine, and how far the first estimate rests on it."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from gateway.cli.terminal import paragraph as say
from gateway.core.forecast import HISTORY_MAX
from gateway.core.imported import LOOKED_BACK_DAYS, History
from gateway.domain.errors import TollbridgeError
from gateway.domain.usage import Rates, Unpriced

if TYPE_CHECKING:
    from gateway.config import Settings

READING: Final = "Reading what your agents have used on this machine ..."
NOT_READ: Final = "It could not be read ({}): the estimates begin without it, and the gateway tries again."
NOTHING: Final = "Nothing yet: the first estimates rest on public sessions."
NAMES: Final = {"claude": "Claude Code", "codex": "Codex", "opencode": "OpenCode", "gemini": "Gemini CLI"}
ESTIMATED: Final = frozenset({"claude"})
"""Those that the gateway drives itself."""


def look(settings: "Settings") -> None:
    """Read the logs of agents, with a bar where that takes a while, and say what they tell."""
    from gateway import clock, history
    from gateway.cli.scan_look import once
    from gateway.pricing import ListPrices
    from gateway.usage_store import UsageError

    now_ms = clock.now_ms()
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    prices = ListPrices()

    def rates(model: str) -> Rates | Unpriced:
        return prices.rates(model, today, "standard", "standard")

    say()
    say(READING)
    try:
        once(())
        found = history.histories(settings.home, rates, now_ms)
    except (TollbridgeError, UsageError, OSError) as error:
        say(NOT_READ.format(error))
        return
    for told in [*filter(None, map(words, found.values()))] or [NOTHING]:
        say(told)


def words(found: History) -> str:
    """`1,204 turns of Claude Code in the last 90 days, $312.40 at list prices: the first estimate rests on 300 of them.`"""
    number = len(found.turns)
    if not number:
        return ""
    agent = found.turns[0].agent
    turns = (
        f"{number:,} turn{'' if number == 1 else 's'} of {NAMES.get(agent, agent)} in the last {LOOKED_BACK_DAYS} days"
    )
    if agent not in ESTIMATED:
        return f"{turns}, {found.cost} at list prices."
    rests = "it" if number == 1 else f"{HISTORY_MAX} of them" if number > HISTORY_MAX else "all of them"
    return f"{turns}, {found.cost} at list prices: the first estimate rests on {rests}."
