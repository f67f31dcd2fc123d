"""Values for the tests of the core, with what a test does not care about filled in."""

from collections.abc import Iterable
from typing import Any

from hypothesis import HealthCheck, settings

from gateway.domain.approval import Approval, ApprovalKind, Choice, Option
from gateway.domain.budget import Balance, Entry, EntryKind, Lift, Scope, ScopeKind, Unit
from gateway.domain.estimate import Estimate
from gateway.domain.money import Usd
from gateway.domain.place import Session, Thread
from gateway.domain.turn import Origin, Turn, TurnState
from gateway.domain.usage import Call, Rates, Tokens, Unpriced, Usage

OPUS = Rates(
    input=5_000_000_000,
    cache_read=500_000_000,
    cache_write_5m=6_250_000_000,
    cache_write_1h=10_000_000_000,
    output=25_000_000_000,
    web_search=10_000_000,
)
"""$5 a million tokens in, $0.50 from the cache, $6.25 or $10 into it, $25 out, one cent a search."""

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For properties: a busy machine is no failure."""

SESSION = Scope(ScopeKind.SESSION, "s_1")
DAY = Scope(ScopeKind.DAY, "2026-01-31")
CHAT = Thread("telegram", "4711")


def usd(text: str) -> Usd:
    """An amount as people write it; a leading minus is allowed here."""
    return -Usd.parse(text[1:]) if text.startswith("-") else Usd.parse(text)


def session(**known: Any) -> Session:
    """A session on opus that has made no call yet."""
    given: dict[str, Any] = {
        "id": "s_1",
        "agent": "claude",
        "directory": "/src",
        "thread": CHAT,
        "owner": "7",
        "created_at_ms": 0,
        "model": "opus",
    }
    return Session(**(given | known))


def turn(**known: Any) -> Turn:
    """A running turn of person 7 that counts against its session and the day."""
    given: dict[str, Any] = {
        "id": "t_1",
        "session_id": "s_1",
        "origin": Origin.PERSON,
        "state": TurnState.RUNNING,
        "person": "7",
        "prompt": "Fix the flaky login test",
        "prompt_uuid": "u_1",
        "created_at_ms": 0,
        "scopes": (SESSION, DAY),
    }
    return Turn(**(given | known))


def balance(scope: Scope, limit: str | None, spent: str = "0", held: str = "0") -> Balance:
    """A scope's balance in dollars."""
    return Balance(scope, None if limit is None else usd(limit), usd(spent), usd(held))


def left(session_left: str, day_left: str = "100") -> tuple[Balance, Balance]:
    """A session of $5 and a day of $100 with so much left of each."""
    of_session, of_day = usd("5") - usd(session_left), usd("100") - usd(day_left)
    return (Balance(SESSION, usd("5"), of_session), Balance(DAY, usd("100"), of_day))


def estimate(hold: str, floor: str = "0", **known: Any) -> Estimate:
    """A forecast that wants so much set aside."""
    given: dict[str, Any] = {"p50": usd(hold), "p90": usd(hold), "n": 37, "words": "About that much."}
    return Estimate(floor=usd(floor), hold=usd(hold), **(given | known))


def call(name: str, price: str | None, tokens: Tokens | None = None, **known: Any) -> Call:
    """A call at this price; None: nobody knows it."""
    usage = Usage(known.pop("model", "opus"), tokens or Tokens(input=1))
    return Call(name, usage, Unpriced("no list price") if price is None else usd(price), **known)


def approval(**known: Any) -> Approval:
    """An open question about turn t_1 in chat 4711: run up to $2 or not, until time 1000."""
    given: dict[str, Any] = {
        "id": "a_1",
        "kind": ApprovalKind.RUN,
        "turn_id": "t_1",
        "session_id": "s_1",
        "thread": CHAT,
        "text": "Run it?",
        "options": (Option(Choice.RUN, "Run", allows=usd("2")), Option(Choice.NO, "No")),
        "tokens": ("token-run", "token-no"),
        "digest": "d",
        "expires_at_ms": 1000,
    }
    return Approval(**(given | known))


def more(*raises: tuple[Scope, Usd]) -> tuple[Lift, ...]:
    """Limits in dollars that are to rise by so much."""
    return tuple(Lift(scope, Unit.USD, by.nano) for scope, by in raises)


def raised(balances: Iterable[Balance], by: Iterable[Lift]) -> tuple[Balance, ...]:
    """The balances once the limits are raised, as the ledger would write it."""
    found = tuple(balances)
    for lift in by:
        limit = next(balance.limit for balance in found if balance.scope == lift.scope)
        assert limit is not None
        assert lift.unit is Unit.USD
        entry = Entry(EntryKind.LIMIT, (lift.scope,), limit=limit + Usd(lift.by))
        found = tuple(balance.after(entry) for balance in found)
    return found
