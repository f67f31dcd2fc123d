"""What a webhook tells of a turn that has ended, how it is signed, and when it is tried again.

Signed as Standard Webhooks 1.0.0 says: https://github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

from gateway.core.turn import ENDED
from gateway.domain.estimate import Estimate
from gateway.domain.money import Usd
from gateway.domain.outcome import Left, Whose
from gateway.domain.place import Session
from gateway.domain.turn import Turn
from gateway.domain.usage import Tokens

SCHEMA: Final = 1
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how every secret begins
SECRET_BYTES: Final = (24, 64)
"""How long a secret may be, as the specification has it."""
DELAYS_S: Final = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""The specification's own schedule: how long after each failure an event is tried again. It ends after three days and some hours."""
ATTEMPTS_MAX: Final = len(DELAYS_S) + 1
JITTER: Final = 0.2
"""By so much of itself a delay is longer, at the most."""
LONGEST_ASKED_MS: Final = 24 * 3_600_000
"""A receiver that asks for more time than this is asked again after this."""
_HERE: Final = re.compile(r"https?://(localhost|127(\.\d{1,3}){3}|\[::1\])(?=[:/?]|\Z)", re.ASCII | re.IGNORECASE)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
ProjectName = Literal["last", "hash", "full"]


class EventType(StrEnum):
    """What an event tells."""

    ENDED = "turn.ended"
    UPDATED = "turn.updated"
    """Of a turn that had ended before: a call was booked late, or a price became known."""
    PING = "ping"


@dataclass(frozen=True, slots=True)
class Event:
    """What is sent: its name, which is the same at every attempt, and the body, to the byte."""

    id: str
    body: str


def event(
    before: Turn | None,
    after: Turn,
    session: Session,
    *,
    project: str,
    version: int,
    at_ms: int,
    left: Left | None = None,
) -> Event | None:
    """What is to be told of a turn as it is now; None: it has not ended, or its bill is the one that was told.

    `version` grows with each event of a turn: the number of the newest ledger entry at that moment. `left`: what the turn left
    behind; None: nobody looked. No words of a prompt, an answer, a title or a commit and no name of a file or a commit are in it.
    """
    if after.state not in ENDED or (before is not None and before.state in ENDED and _bill(before) == _bill(after)):
        return None
    kind = EventType.UPDATED if before is not None and before.state in ENDED else EventType.ENDED
    data = _data(after, session, project) | {"left": None if left is None else _left(left), "version": version}
    # A full stop parts what is signed: none may be in the name.
    return _event(f"{after.id}_{version}".replace(".", "-"), kind, at_ms, data)


def ping(name: str, at_ms: int) -> Event:
    """An event that tells nothing, to see whether it arrives. `name`: one that was never used."""
    return _event(name, EventType.PING, at_ms, {})


def project_name(path: str, how: ProjectName) -> str:
    """What a project is called outside of this machine: its directory's name, a hash of the path, or the path."""
    if how == "hash":
        return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return path if how == "full" else path.rstrip("/").rpartition("/")[2] or "/"


def secret(text: str) -> bytes:
    """The key in `whsec_` and base64. Raises ValueError with a sentence that does not repeat it."""
    try:
        key = base64.b64decode(text.strip().removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        key = b""
    least, most = SECRET_BYTES
    if not text.strip().startswith(SECRET_PREFIX) or not least <= len(key) <= most:
        raise ValueError(
            f"write {SECRET_PREFIX} and {least} to {most} random bytes in base64: `tollbridge hooks secret` makes one"
        )
    return key


def is_here(url: str) -> bool:
    """Whether the address is on this machine."""
    return _HERE.match(url) is not None


def signed(told: Event, keys: Sequence[bytes], now_s: int) -> Mapping[str, str]:
    """The headers of one attempt, with a signature by each key."""
    content = f"{told.id}.{now_s}.{told.body}".encode()
    marks = [base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys]
    return {
        "webhook-id": told.id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": " ".join(f"v1,{mark}" for mark in marks),
    }


def again_after_ms(attempts: int, asked_ms: int, jitter: float) -> int | None:
    """How long to wait after so many attempts (1: the first has just failed); None: it is given up.

    `asked_ms`: the receiver wants at least so much time. `jitter`: from 0 to 1.
    """
    if attempts >= ATTEMPTS_MAX:
        return None
    delay = int(DELAYS_S[attempts - 1] * 1000 * (1 + JITTER * jitter))
    return max(delay, min(asked_ms, LONGEST_ASKED_MS))


def asked_ms(header: str) -> int:
    """What a Retry-After in seconds asks for; a date or nothing asks for nothing. (Dates are rare, and clocks differ.)"""
    text = header.strip()
    return min(int(text) * 1000, LONGEST_ASKED_MS) if text.isascii() and text.isdigit() and len(text) <= 9 else 0  # noqa: PLR2004 - years


def _event(name: str, kind: EventType, at_ms: int, data: Mapping[str, object]) -> Event:
    body = {"type": kind.value, "timestamp": _iso(at_ms), "schema": SCHEMA, "data": data}
    return Event(name, json.dumps(body, separators=(",", ":")))


def _bill(turn: Turn) -> tuple[object, ...]:
    return turn.state, turn.spent, turn.tokens, turn.calls, turn.unpriced_calls, turn.flags


def _data(turn: Turn, session: Session, project: str) -> dict[str, object]:
    return {
        "turn": turn.id,
        "session": turn.session_id,
        "project": project,
        "agent": session.agent,
        "model": turn.model,
        "person": turn.person,
        "origin": turn.origin.value,
        "state": turn.state.value,
        "outcome": None if turn.outcome is None else turn.outcome.kind.value,
        "created_at": _iso(turn.created_at_ms),
        "started_at": None if turn.started_at_ms is None else _iso(turn.started_at_ms),
        "ended_at": None if turn.ended_at_ms is None else _iso(turn.ended_at_ms),
        "work_ms": turn.work_ms,
        "cost_usd": None if _unknown(turn) else turn.spent.exact(),
        "parts_usd": None if _unknown(turn) else _parts(turn),
        "calls": turn.calls,
        "unpriced_calls": turn.unpriced_calls,
        "tokens": _tokens(turn.tokens),
        "hold_usd": turn.hold.exact(),
        "overdraft_usd": turn.overdraft.exact(),
        "estimate": None if turn.estimate is None else _estimate(turn.estimate),
        "flags": sorted(flag.value for flag in turn.flags),
    }


def _unknown(turn: Turn) -> bool:
    """Nothing of what it cost has a price."""
    return bool(turn.unpriced_calls) and turn.unpriced_calls >= turn.calls and not turn.spent


def _tokens(tokens: Tokens) -> dict[str, int]:
    return {
        "input": tokens.input,
        "cache_read": tokens.cache_read,
        "cache_write_5m": tokens.cache_write_5m,
        "cache_write_1h": tokens.cache_write_1h,
        "cache_write_unsplit": tokens.cache_write_unsplit,
        "output": tokens.output,
    }


def _parts(turn: Turn) -> dict[str, str]:
    """What the cost is made of; `other` is what of it is not told apart."""
    parts = turn.parts
    return {
        "input": parts.input.exact(),
        "cache_read": parts.cache_read.exact(),
        "cache_write": parts.cache_write.exact(),
        "output": parts.output.exact(),
        "web_search": parts.web_search.exact(),
        "other": (turn.spent - parts.total).exact(),
    }


_FIGURES: Final[tuple[str, ...]] = ("commits", "shared_commits", "files", "added", "removed")


def _left(left: Left) -> dict[str, object]:
    """What git and the tools showed when the turn had ended. Counts alone: null is what could not be seen."""
    made = left.commits
    figures: dict[str, object] = {name: None for name in _FIGURES}  # noqa: C420 - another type
    if made is not None:
        change = left.committed
        figures = {
            "commits": len(left.own),
            "shared_commits": sum(one.whose is Whose.SHARED for one in made),
            "files": change.files,
            "added": change.added,
            "removed": change.removed,
        }
    return {"kind": left.kind.value} | figures | {"test_runs": left.tests.runs, "tests_passed": left.tests.passed}


def _estimate(estimate: Estimate) -> dict[str, object]:
    return {
        "floor_usd": None if estimate.unpriced else estimate.floor.exact(),
        "p50_usd": _amount(estimate.p50),
        "p90_usd": _amount(estimate.p90),
        "n": estimate.n,
    }


def _amount(amount: Usd | None) -> str | None:
    return None if amount is None else amount.exact()


def _iso(at_ms: int) -> str:
    at = _EPOCH + timedelta(milliseconds=at_ms)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
