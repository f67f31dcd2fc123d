"""A subscription's windows as the client tells them, in two ways: an event of its own, and its answer to get_usage.

The event comes after the end of the call whose answer told of the windows, where a rounded percentage or a reset changed; an
API key has none. The answer to get_usage has them only for an account that is signed in with its profile.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import ValidationError

from gateway.agents.claude import wire
from gateway.domain.events import QuotaTold

PERCENT_MAX: Final = 1000
WINDOWS_MAX: Final = 20
TIME_CHARACTERS_MAX: Final = 40
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
REJECTED: Final = "rejected"


def of_event(info: wire.RateLimit) -> tuple[QuotaTold, ...]:
    """Every window that has figures, and the one that the event is about: a refused one without figures is used up."""
    windows = {name: window for name, window in (info.windows or {}).items() if window is not None}
    if info.kind is not None and info.kind not in windows:
        used = 1.0 if info.utilization is None and info.status == REJECTED else info.utilization
        if used is not None:
            windows[info.kind] = wire.Window(utilization=used, resets_at=info.resets_at)
    return _few(
        QuotaTold(name, _percent(window.utilization * 100), _minute(window.resets_at))
        for name, window in windows.items()
    )


def of_usage(response: dict[str, Any]) -> tuple[QuotaTold, ...]:
    """The windows in the answer to get_usage. What people bought beyond the subscription is none: it tells no reset."""
    limits = response.get("rate_limits")
    return _few(_of_limits(limits) if isinstance(limits, dict) else iter(()))


def _of_limits(limits: dict[Any, Any]) -> Iterator[QuotaTold]:
    for name, value in limits.items():
        try:
            limit = wire.UsageLimit.model_validate(value)
        except ValidationError:
            continue
        yield QuotaTold(str(name), _percent(limit.utilization), _minute(_seconds(limit.resets_at)))


def _few(told: Iterator[QuotaTold]) -> tuple[QuotaTold, ...]:
    return tuple(one for one in told if _NAME.fullmatch(one.window))[:WINDOWS_MAX]


def _percent(hundredths: float) -> int:
    return round(min(max(hundredths, 0), PERCENT_MAX))


def _seconds(words: str | None) -> float | None:
    try:
        at = datetime.fromisoformat((words or "")[:TIME_CHARACTERS_MAX])
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _minute(seconds: float | None) -> int | None:
    """Milliseconds, to the minute: one instant is told in two ways that lie less than a second apart."""
    if seconds is None or not 0 < seconds <= wire.SECONDS_MAX:
        return None
    return round(seconds / 60) * 60_000
