"""Time and names, as the engine is given them."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway import clock


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and names, passed in so that tests can say what they are. What only waits, waits in ticks: clocks are set back."""

    now_ms: Callable[[], int] = clock.now_ms
    ticks_ms: Callable[[], int] = clock.ticks_ms
    boot_ms: Callable[[], int] = clock.boot_ms
    """For leases, whose time goes on while the machine sleeps."""
    new_id: Callable[[str], str] = clock.new_id
    new_uuid: Callable[[], str] = clock.new_uuid
    new_token: Callable[[], str] = clock.new_token
