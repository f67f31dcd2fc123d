"""The two things that no pure function may know: what time it is, and what a new name is. Plain functions, passed in."""

import secrets
import time
import uuid


def now_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def ticks_ms() -> int:
    """Milliseconds that have passed, from any start: unlike the time of day it never goes back."""
    return time.monotonic_ns() // 1_000_000


def boot_ms() -> int:
    """Like `ticks_ms`, and the time counts that the machine slept: Linux has a clock for that, elsewhere it is the usual one."""
    boot = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(boot) // 1_000_000


def new_id(kind: str) -> str:
    """A short name that was never used before: `turn_1f0c9a2b7d3e5f60`."""
    return f"{kind}_{secrets.token_hex(8)}"


def new_uuid() -> str:
    """A random UUID, for prompts and for agents' sessions."""
    return str(uuid.uuid4())


def new_token() -> str:
    """A one-time token of 128 bits that fits beside other data in a button."""
    return secrets.token_urlsafe(16)
