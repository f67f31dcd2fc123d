"""The sentences that people see about a turn, in Markdown. Numbers come from the ledger, words from here."""

import re
from collections.abc import Sequence
from datetime import timedelta

from gateway.domain.budget import Balance
from gateway.domain.money import Usd
from gateway.domain.turn import Turn, TurnState
from gateway.domain.usage import Flag

TITLE_CHARACTERS_MAX = 80
ACTIONS_SHOWN_MAX = 4
SAID_CHARACTERS_MAX = 300
VERBATIM_CHARACTERS_MAX = 3000


def title(prompt: str) -> str:
    """A prompt in one short line, as people recognise it."""
    line = " ".join(prompt.split())
    return line if len(line) <= TITLE_CHARACTERS_MAX else line[: TITLE_CHARACTERS_MAX - 1] + "…"


def count(tokens: int) -> str:
    """A token count as people read it: 950, 38k, 1.2M."""
    if tokens < 1_000:  # noqa: PLR2004 - k and M mean these numbers
        return str(tokens)
    if tokens < 999_500:  # noqa: PLR2004 - see above; from here on "1.0M" is nearer than "1000k"
        return f"{(tokens + 500) // 1_000}k"
    return f"{tokens / 1_000_000:.1f}M"


def duration(seconds: int) -> str:
    """A time as people read it: 34 s, 2 min 5 s, 1 h 3 min."""
    whole = timedelta(seconds=seconds)
    hours, rest = divmod(int(whole.total_seconds()), 3600)
    minutes, secs = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {secs} s" if minutes else f"{secs} s"


def spent(turn: Turn) -> str:
    """What a turn cost, with what is not known of it: `$0.42`, `at least $0.42`, `$0.42 + 2 calls of unknown price`."""
    amount = f"at least {turn.spent}" if Flag.LOWER_BOUND in turn.flags else str(turn.spent)
    if turn.unpriced_calls:
        calls = "1 call" if turn.unpriced_calls == 1 else f"{turn.unpriced_calls} calls"
        unknown = f"{calls} of unknown price"
        return f"{amount} + {unknown}" if turn.spent else unknown
    return amount


def closing_line(turn: Turn, session: Balance, *, list_price: bool = False) -> str:
    """The quiet line under every turn: `$0.42 · 38k tokens · session $3.10 of $5.00`."""
    of = f" of {session.limit}" if session.limit is not None else ""
    parts = [spent(turn), f"{count(turn.tokens.total)} tokens", f"session {session.spent}{of}"]
    if list_price:
        parts.append("list prices")
    return " · ".join(parts)


_ENDINGS = {
    TurnState.FINISHED: "Done",
    TurnState.FAILED: "Failed",
    TurnState.STOPPED: "Stopped",
    TurnState.REFUSED: "Not run",
    TurnState.INTERRUPTED: "Interrupted",
    TurnState.PAUSED: "Paused",
}


def ending(turn: Turn, now_ms: int) -> str:
    """What the status message says once the turn has ended, or is paused."""
    word = _ENDINGS.get(turn.state, "Working")
    if turn.started_at_ms is None:
        return word
    calls = "1 call" if turn.calls == 1 else f"{turn.calls} calls"
    return f"{word} · {calls} · {duration(max(0, now_ms - turn.started_at_ms) // 1000)}"


def progress(turn: Turn, actions: Sequence[str], said: str, now_ms: int) -> str:
    """What the status message says while the agent works: the newest actions, its last words, time and cost so far."""
    started = turn.started_at_ms if turn.started_at_ms is not None else now_ms
    head = f"Working · {duration(max(0, now_ms - started) // 1000)} · {spent(turn)} of {turn.ceiling}"
    shown = [f"▸ {action}" for action in actions[-ACTIONS_SHOWN_MAX:]]
    words = " ".join(said.split())
    if len(words) > SAID_CHARACTERS_MAX:
        words = words[: SAID_CHARACTERS_MAX - 1] + "…"
    return "\n".join([head, *shown, *([words] if words else [])])


def verbatim(text: str) -> str:
    """What is asked for, as a code block: nothing is hidden by control, zero-width or bidirectional characters, and what is
    too long to show is said to be.
    """
    seen = "".join(char if char in "\n\t" or char.isprintable() else f"\\u{{{ord(char):x}}}" for char in text)
    rest = len(seen) - VERBATIM_CHARACTERS_MAX
    if rest > 0:
        seen = f"{seen[:VERBATIM_CHARACTERS_MAX]}\n[{rest} characters more; the answer is for the whole]"
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", seen)), default=0))
    return f"{fence}\n{seen}\n{fence}"


def budget_words(balances: Sequence[Balance], confirm_above: Usd) -> str:
    """The answer to /budget."""
    lines = [
        f"{balance.scope.kind.capitalize()}: {balance.spent} spent"
        + (f", {balance.held} held" if balance.held else "")
        + (f", of {balance.limit}" if balance.limit is not None else ", no limit")
        for balance in balances
    ]
    return "\n".join([*lines, f"You are asked above {confirm_above} a run. Change the session's limit: /budget 10"])
