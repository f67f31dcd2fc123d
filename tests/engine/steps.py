"""The steps that a gateway passes, for tests that wait for what they lead to."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

T = TypeVar("T")
LOOK_EVERY_S = 0.5
"""What is waited for may come a little after the last step that leads to it."""


class Steps:
    """Pass it as `on_step`; `until` looks again after every step, and now and then."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self._event = anyio.Event()

    def __call__(self, name: str) -> None:
        self.passed.append(name)
        self._event.set()
        self._event = anyio.Event()

    async def until(self, look: Callable[[], Awaitable[T]], holds: Callable[[T], bool], within_s: float = 60) -> T:
        """What `look` sees once it is as it should be. TimeoutError."""
        with anyio.fail_after(within_s):
            while True:
                event = self._event
                seen = await look()
                if holds(seen):
                    return seen
                with anyio.move_on_after(LOOK_EVERY_S):
                    await event.wait()
