"""Faults on request: what goes wrong, on which call, how often."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.bot_api_updates import CONFLICT
from tests.fakes.bot_api_world import World

DEFAULT_WORDS = {
    401: "Unauthorized",
    403: "Forbidden: bot was blocked by the user",
    409: CONFLICT,
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
HOLD_LIMIT_S = 60.0


@dataclass(slots=True, eq=False)
class Request:
    """One request as the server saw it. `at` is monotonic seconds; `status` stays None until it is answered.

    `lost` says that the answer did not reach the client (a fault, or the client had gone). `uploads` are file names by field.
    """

    method: str
    params: dict[str, Any]
    uploads: dict[str, str]
    at: float
    status: int | None = None
    description: str = ""
    lost: bool = False
    done: bool = False


class Hold:
    """An answer that waits for the test: the call has been carried out, its client waits."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting = threading.Event()
        self._released = threading.Event()

    def wait_released(self) -> None:
        """Called by the server's thread: stop here until `release`."""
        self._waiting.set()
        self._world.touch()
        self._released.wait(HOLD_LIMIT_S)

    async def reached(self, timeout: float = 30.0) -> None:  # noqa: ASYNC109 - the helper of tests that has the limit
        """Return once a call stands here."""
        await self._world.until(lambda: self._waiting.is_set() or None, timeout, "a call that is held")

    def release(self) -> None:
        """Let the answer go."""
        self._released.set()


@dataclass(slots=True)
class Fault:
    """One fault. `kind`: status (answered instead of carried out), drop (connection closed before it is carried out), lose
    (carried out, connection closed), cut (carried out, half of the body sent), slow and hold (carried out, answered later).
    """

    method: str
    kind: str
    times: int = 1
    when: Callable[[Request], bool] | None = None
    status: int = 500
    description: str = ""
    retry_after: int | None = None
    html: bool = False
    seconds: float = 0.0
    hold: Hold | None = None

    def fits(self, request: Request) -> bool:
        """Whether it strikes this request."""
        return self.times > 0 and self.method in {request.method, "*"} and (self.when is None or self.when(request))


@dataclass(slots=True)
class Faults:
    """The faults in waiting, first come first served."""

    waiting: list[Fault] = field(default_factory=list)

    def take(self, request: Request) -> Fault | None:
        """The first fault that fits, used up once."""
        for fault in self.waiting:
            if fault.fits(request):
                fault.times -= 1
                self.waiting = [left for left in self.waiting if left.times > 0]
                return fault
        return None
