"""The cost report: sessions and turns in, a plain value out that is printed as JSON.

Amounts are decimal strings in dollars with every digit. An amount is null where nobody knows it: a turn (or session) whose
every call is unpriced has no cost that could be named. With some calls unpriced the cost is what the others came to, and
`unpriced_calls` says how many are not in it. Differences found at settlement are in the cost, and not calls.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from gateway.domain.estimate import Estimate
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Session, Unmetered
from gateway.domain.turn import Turn
from gateway.domain.usage import NO_TOKENS, Tokens

SCHEMA: Final = 1


def report(sessions: Sequence[Session], turns: Sequence[Turn], unmetered: Sequence[Unmetered] = ()) -> dict[str, Any]:
    """The report as JSON values, schema 1: sessions in the order given, each with its turns in the order given.

    Beside them sessions that went without Tollbridge, by their agent's own id; times are ISO 8601 in UTC.
    """
    of = by_session(turns)
    return {
        "schema": SCHEMA,
        "sessions": [_session(session, of[session.id]) for session in sessions],
        "unmetered": [without(one) for one in unmetered],
    }


def by_session(turns: Iterable[Turn]) -> defaultdict[str, list[Turn]]:
    """The turns of each session, in the order given; an empty list for a session that has none."""
    found: defaultdict[str, list[Turn]] = defaultdict(list)
    for turn in turns:
        found[turn.session_id].append(turn)
    return found


def cost(turns: Iterable[Turn]) -> Usd | None:
    """What the turns cost together, as far as it is known; None if nothing of it is."""
    spent, calls, unpriced = ZERO, 0, 0
    for turn in turns:
        spent += turn.spent
        calls += turn.calls
        unpriced += turn.unpriced_calls
    return None if unpriced and unpriced >= calls and not spent else spent


def _session(session: Session, turns: Sequence[Turn]) -> dict[str, Any]:
    return {
        "id": session.id,
        "agent": session.agent,
        "directory": session.directory,
        "cost_usd": _amount(cost(turns)),
        "unpriced_calls": sum(turn.unpriced_calls for turn in turns),
        "calls": sum(turn.calls for turn in turns),
        "tokens": _tokens(sum((turn.tokens for turn in turns), NO_TOKENS)),
        "turns": [_turn(turn) for turn in turns],
    }


def without(one: Unmetered) -> dict[str, Any]:
    """A session that went without Tollbridge, as JSON values."""
    return {
        "session": one.session,
        "directory": one.directory,
        "since": _iso(one.since_ms),
        "last": _iso(one.last_ms),
    }


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        "id": turn.id,
        "origin": turn.origin.value,
        "state": turn.state.value,
        "model": turn.model,
        "cost_usd": _amount(cost([turn])),
        "hold_usd": turn.hold.exact(),
        "overdraft_usd": turn.overdraft.exact(),
        "unpriced_calls": turn.unpriced_calls,
        "flags": sorted(flag.value for flag in turn.flags),
        "estimate": None if turn.estimate is None else _estimate(turn.estimate),
        "calls": turn.calls,
        "tokens": _tokens(turn.tokens),
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {
        # The floor of a model that has no price is not known; the domain writes 0 there.
        "floor_usd": None if estimate.unpriced else estimate.floor.exact(),
        "p50_usd": _amount(estimate.p50),
        "p90_usd": _amount(estimate.p90),
        "n": estimate.n,
    }


def _tokens(tokens: Tokens) -> dict[str, int]:
    return {
        "input": tokens.input,
        "cache_read": tokens.cache_read,
        "cache_write_5m": tokens.cache_write_5m,
        "cache_write_1h": tokens.cache_write_1h,
        "cache_write_unsplit": tokens.cache_write_unsplit,
        "output": tokens.output,
    }


def _amount(amount: Usd | None) -> str | None:
    return None if amount is None else amount.exact()
