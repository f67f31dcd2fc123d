"""The owner's webhook: what was written of turns that ended is sent, signed, one after the other, until it arrived or is given up.

At least once, and not always in order: an event that failed is tried again later, while others go on. Receivers know an event
again by its `webhook-id`, and the newer of two of a turn by `version`. Redirects are not followed, and of an answer only the
status and Retry-After are looked at.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import responses
from typing import Final

import anyio
import httpx
import structlog

from gateway.core import hooks
from gateway.ports import StoreError
from gateway.ports.hooks import Due, HookQueue

log = structlog.get_logger()

SECONDS: Final = 20.0
"""For one request with its answer; the specification recommends 15 to 30."""
AT_ONCE: Final = 50
"""Events that are read at once."""
LONGEST_PAUSE_S: Final = 60.0
"""After failures one upon another, whatever waits. A Retry-After may make it longer."""
LOOK_AGAIN_S: Final = 600.0
_FINE: Final = range(200, 300)
_BUSY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status (None: nothing did), in words why that is no yes (empty: it is), and what was asked for."""

    status: int | None
    why: str = ""
    asked_ms: int = 0


class Hook:
    """One receiver. Neither its address nor a secret is in what it says of itself."""

    def __init__(
        self,
        url: str,
        keys: Sequence[bytes],
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._url = url
        self._keys = tuple(keys)
        self._transport = transport
        self._seconds = seconds

    async def send(self, event: hooks.Event, now_ms: int) -> Answer:
        """One attempt, within the time limit."""
        headers = {**hooks.signed(event, self._keys, now_ms // 1000), **_HEADERS}
        with anyio.move_on_after(self._seconds):
            return await self._answer(event.body.encode(), headers)
        return Answer(None, f"no answer within {self._seconds:.0f} seconds")

    async def _answer(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        try:
            async with (
                httpx.AsyncClient(
                    timeout=None,  # noqa: S113 - the caller's limit is for all of it together
                    transport=self._transport,
                    trust_env=not hooks.is_here(self._url),  # no proxy leads back to this machine
                ) as client,
                # Streamed, so that no body is read: it could be of any size.
                client.stream("POST", self._url, content=body, headers=headers) as response,
            ):
                status = response.status_code
                asked = hooks.asked_ms(response.headers.get("retry-after", ""))
        except httpx.HTTPError as error:
            return Answer(None, f"it cannot be reached ({type(error).__name__})")
        except (httpx.InvalidURL, ImportError, ValueError, OSError) as error:
            # What the environment says of proxies and certificates is read here, and a proxy's address may hold a password.
            return Answer(
                None, f"its address, the proxy or the certificates that are set cannot be used ({type(error).__name__})"
            )
        return Answer(status) if status in _FINE else Answer(status, _words(status), asked)


_HEADERS: Final = {
    "content-type": "application/json",
    "user-agent": "Tollbridge-Hooks/1",
    "accept-encoding": "identity",
}


def _words(status: int) -> str:
    name = responses.get(status, "")
    moved = "; redirects are not followed: set hooks.url to where it is now" if 300 <= status < 400 else ""  # noqa: PLR2004
    return f"it answered {status} {name}".rstrip() + moved


def jitter() -> float:
    """From 0 to 1."""
    return secrets.randbelow(1001) / 1000


class Sender:
    """Sends what waits in the queue, one event after the other. `jitter`: from 0 to 1, made anew each time."""

    def __init__(
        self,
        queue: HookQueue,
        hook: Hook,
        now_ms: Callable[[], int],
        *,
        jitter: Callable[[], float] = jitter,
        pause_s: float = 1.0,
    ) -> None:
        self._queue = queue
        self._hook = hook
        self._now_ms = now_ms
        self._jitter = jitter
        self._pause_s = pause_s
        self._failures = 0

    async def run(self) -> None:
        """Go on until the receiver says that it is gone. Then what waits is kept, and tried again when the gateway starts anew."""
        while True:
            try:
                if not await self.turn():
                    return
                await self._wait()
            except StoreError as error:
                log.warning("events for the webhook cannot be read or noted now, and are tried again", why=str(error))
                await anyio.sleep(LONGEST_PAUSE_S * self._pause_s)

    async def turn(self) -> bool:
        """Send what is due now; False: the receiver is gone. Raises StoreError."""
        while due := await self._queue.due(self._now_ms(), AT_ONCE):
            for one in due:
                answer = await self._hook.send(one.event, self._now_ms())
                if not answer.why:
                    self._failures = 0
                    await self._queue.delivered(one)
                    continue
                if answer.status == HTTPStatus.GONE:
                    now_ms = self._now_ms()
                    await self._queue.failed(
                        one, f"{answer.why}: nothing more is sent until the gateway starts anew", now_ms, now_ms
                    )
                    log.warning(
                        "the webhook's receiver is gone: nothing more is sent to it until the gateway starts anew"
                    )
                    return False
                await self._failed(one, answer)
        return True

    async def _failed(self, one: Due, answer: Answer) -> None:
        now_ms = self._now_ms()
        after_ms = hooks.again_after_ms(one.attempts + 1, answer.asked_ms, self._jitter())
        await self._queue.failed(one, answer.why, now_ms, None if after_ms is None else now_ms + after_ms)
        if after_ms is None:
            log.warning(
                "an event for the webhook is given up", name=one.event.id, attempts=one.attempts + 1, why=answer.why
            )
        elif not self._failures:
            log.warning("an event for the webhook did not arrive, and is sent again", name=one.event.id, why=answer.why)
        self._failures += 1
        pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2 ** min(self._failures - 1, 10))
        if answer.status in _BUSY:
            pause_s = max(pause_s, answer.asked_ms / 1000)
        await anyio.sleep(pause_s)

    async def _wait(self) -> None:
        """Until something is written, or due."""
        due_ms = await self._queue.next_ms(self._now_ms())
        with anyio.move_on_after(LOOK_AGAIN_S if due_ms is None else min(LOOK_AGAIN_S, due_ms / 1000)):
            await self._queue.written()
