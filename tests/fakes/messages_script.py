"""What the scripted Messages API can be told to answer: the steps of a reply, and the token counts of a call."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

HOLD_LIMIT_S = 120.0
"""A stream that nobody releases goes on by itself after this long, so that a forgotten hold cannot hang a run."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Tokens by class, as one API call is charged."""

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.input + other.input,
            self.cache_read + other.cache_read,
            self.cache_write_5m + other.cache_write_5m,
            self.cache_write_1h + other.cache_write_1h,
            self.output + other.output,
        )

    @property
    def cache_write(self) -> int:
        """Both kinds of cache write together."""
        return self.cache_write_5m + self.cache_write_1h

    @staticmethod
    def drawn(random: Random) -> "Counts":
        """Five counts at random: two classes taken for one another, or one taken twice, cannot add up by chance."""
        return Counts(
            input=random.randint(100, 900),
            cache_read=random.randint(1_000, 9_000),
            cache_write_5m=random.randint(100, 2_000),
            cache_write_1h=random.randint(100, 2_000),
            output=random.randint(50, 900),
        )


@dataclass(frozen=True, slots=True)
class Text:
    """A text block. `holds`: after so many characters of it the stream stops at a hold, in rising order."""

    text: str
    holds: "tuple[tuple[int, Hold], ...]" = ()


@dataclass(frozen=True, slots=True)
class Thinking:
    """A thinking block."""

    text: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool_use block; several in one reply are several tools in one message."""

    name: str
    input: Mapping[str, Any] = field(default_factory=dict[str, Any])
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Error:
    """The call is answered with an HTTP error and charges nothing."""

    status: int
    type: str = "api_error"
    message: str = "the stand-in was told to fail"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class DropStream:
    """The connection is cut here, in the middle of the stream; the final usage is never sent.

    `linger_s`: how long the line stays silent first. Clients throw away what arrives in one piece with the cut, so with
    0 they may never have seen message_start.
    """

    linger_s: float = 0.1


@dataclass(frozen=True, slots=True)
class StreamError:
    """An `error` event inside the stream (as when the service is overloaded after it began), then the end."""

    type: str = "overloaded_error"
    message: str = "Overloaded"


@dataclass(frozen=True, slots=True)
class Charged:
    """The counts of this call, in place of drawn ones: a huge context, say, that makes the client compact."""

    counts: Counts


@dataclass(frozen=True, slots=True)
class Stop:
    """The stop_reason of this call, in place of `tool_use` or `end_turn`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Headers:
    """Headers of this call's answer: how much of a subscription is used, say."""

    values: Mapping[str, str]


def windows(
    five_hour: float, seven_day: float = 0.1, status: str = "allowed", *, five_hour_resets_at: int, **more: str
) -> Headers:
    """What a subscription's answer tells: fractions of its windows, and when they begin anew, in seconds since 1970."""
    about = {
        "status": status,
        "reset": str(five_hour_resets_at),
        "representative-claim": "five_hour",
        "5h-utilization": str(five_hour),
        "5h-reset": str(five_hour_resets_at),
        "5h-status": status,
        "7d-utilization": str(seven_day),
        "7d-reset": str(five_hour_resets_at + 200_000),
        "7d-status": "allowed",
    }
    return Headers({f"anthropic-ratelimit-unified-{name}": value for name, value in (about | more).items()})


@dataclass(eq=False, slots=True)
class Hold:
    """The stream stops here until the test releases it (or the client hangs up, or HOLD_LIMIT_S is over).

    `before_start` holds the whole answer back: not even message_start has been sent then.
    """

    before_start: bool = False
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """Let the stream go on; later calls that meet this hold do not stop."""
        self.released.set()

    def wait_reached(self, timeout: float = 30.0) -> None:
        """Block until a call stands here. In an async test, run it in a thread. TimeoutError if none came."""
        if not self.reached.wait(timeout):
            raise TimeoutError(f"no call reached this hold in {timeout} s")


Block = Text | Thinking | Tool
Step = Block | Error | DropStream | StreamError | Charged | Stop | Headers | Hold
Reply = Step | Sequence[Step]
"""The answer to one API call: one step, or the steps of one message in order."""


def steps_of(reply: Reply) -> tuple[Step, ...]:
    """The steps of one message, whether one was given or several."""
    return tuple(reply) if isinstance(reply, Sequence) else (reply,)
