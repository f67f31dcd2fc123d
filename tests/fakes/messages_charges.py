"""What the scripted Messages API keeps of each call, and what it makes of them together."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.fakes.messages_request import Request
from tests.fakes.messages_script import Counts


@dataclass(slots=True)
class Charge:
    """One API call and what it was charged; filled in while the answer is being sent.

    `counts` is what the service charges as far as it was ever reported: for a call that was cut it holds the input
    classes and the placeholder output of message_start, for a call that failed or never started it is all zero.
    `would_be` is what the whole call would have been charged. `started`: message_start was sent; `delta_sent`: the
    final usage was; `completed`: all was; `ended`: nothing more will be; `client_gone`: the client hung up. Times are
    of the monotonic clock, in seconds.
    """

    n: int
    request: Request
    counts: Counts = field(default_factory=Counts)
    would_be: Counts = field(default_factory=Counts)
    message_id: str = ""
    status: int = 0
    started: bool = False
    delta_sent: bool = False
    completed: bool = False
    ended: bool = False
    client_gone: bool = False
    began_at: float = field(default_factory=time.monotonic)
    ended_at: float | None = None

    @property
    def kind(self) -> str:
        return self.request.kind

    @property
    def model(self) -> str:
        return self.request.model

    @property
    def session_id(self) -> str | None:
        return self.request.session_id

    @property
    def agent_id(self) -> str | None:
        return self.request.agent_id

    @property
    def digest(self) -> str:
        return self.request.digest

    @property
    def prompts(self) -> tuple[str, ...]:
        return self.request.prompts

    @property
    def cut(self) -> bool:
        """Charged, and over, but its final usage was never sent."""
        return self.started and self.ended and not self.delta_sent


@dataclass(frozen=True, slots=True)
class Seen:
    """How often one prompt text was seen.

    `in_conversation`: how often it stands in the longest conversation of its session (the newest request with the most
    prompts); the largest over the sessions. `turn_starts`: main-loop calls that began a turn with it and were not
    retries of a call that failed or was cut. `attempts`: the same with the retries.
    """

    in_conversation: int
    turn_starts: int
    attempts: int


def prompts_in(main: Sequence[Charge]) -> Mapping[str, Seen]:
    """Every prompt in these calls of main loops, with how often it was seen."""
    longest: dict[str | None, tuple[str, ...]] = {}
    starts: dict[str, list[Charge]] = {}
    for call in main:
        if len(call.prompts) >= len(longest.get(call.session_id, ())):
            longest[call.session_id] = call.prompts
        if call.request.starts_turn:
            starts.setdefault(call.request.prompt, []).append(call)
    return {
        text: Seen(
            in_conversation=max(prompts.count(text) for prompts in longest.values()),
            turn_starts=_without_retries(starts.get(text, [])),
            attempts=len(starts.get(text, [])),
        )
        for text in dict.fromkeys(text for call in main for text in call.prompts)
    }


def _without_retries(calls: Sequence[Charge]) -> int:
    unfinished: set[tuple[str | None, str]] = set()
    count = 0
    for call in calls:
        key = (call.session_id, call.digest)
        if key not in unfinished:
            count += 1
        if call.completed and call.status == 200:
            unfinished.discard(key)
        else:
            unfinished.add(key)
    return count
