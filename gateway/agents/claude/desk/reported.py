"""What a session's telemetry tells, joined with its transcript: each request is counted by the one or the other, whichever comes first.

The transcript shows the calls of the main loop and of sub-agents, telemetry also compactions, titles and whatever else the client
asks by itself. Both name a request as the API does. Where they differ the transcript is right.
"""

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Final

import structlog
from pydantic import Field, TypeAdapter, ValidationError

from gateway.agents.claude.calls import REMEMBERED_MAX
from gateway.agents.claude.counts import Id, Sum, Wire
from gateway.agents.claude.desk.otlp import COMPACTION, ApiRequest, Heard
from gateway.core.meter import reconcile
from gateway.domain.events import CallMetered
from gateway.domain.usage import MAIN_LOOP, Tokens, Usage

log = structlog.get_logger()

SHOWN_WITHIN_S: Final = 3.0
"""How long a request that belongs into a transcript may take to appear there; usually it is there within 0.2 s."""
WAITING_MAX: Final = 1_000
"""So many may wait for that; further ones, like those beyond KEPT_MAX, are booked with the client's sums when the session ends."""
KEPT_MAX: Final = 10_000


class Unlisted(Wire):
    """What the client's sum showed beyond everything else when the session ended, as it was booked."""

    call: Annotated[Id, Field(min_length=1)]
    model: Id
    input: Sum = 0
    cache_read: Sum = 0
    cache_write_5m: Sum = 0
    cache_write_1h: Sum = 0
    cache_write_unsplit: Sum = 0
    output: Sum = 0
    web_searches: Sum = 0

    def metered(self) -> CallMetered:
        """As it was told."""
        split = self.cache_write_5m, self.cache_write_1h, self.cache_write_unsplit
        tokens = Tokens(self.input, self.cache_read, *split, self.output)
        return CallMetered(self.call, Usage(self.model, tokens, web_searches=self.web_searches), MAIN_LOOP)


@dataclass(slots=True)
class Reported:
    """The requests of one session. `kept`: the file that remembers what no transcript shows and was booked, for whoever reads the
    session later; without it the client's sums would book it once more. `since_ms`: what was written before is none of ours.
    """

    kept: Path | None = None
    since_ms: int = 0
    compactions: int = 0
    """So many were heard of."""
    _waiting: dict[str, tuple[float, ApiRequest]] = field(default_factory=dict)
    _shown: dict[str, Usage] = field(default_factory=dict)
    _booked: dict[str, ApiRequest] = field(default_factory=dict)
    _again: list[ApiRequest] = field(default_factory=list)
    _unlisted: dict[str, Unlisted] = field(default_factory=dict)
    _last: int | None = None
    _warned: set[str] = field(default_factory=set)

    def load(self) -> None:
        """What an earlier gateway booked is told again by the next `due`: the ledger knows it, the sums here do not. Reads a file."""
        try:
            lines = self.kept.read_bytes().splitlines() if self.kept is not None else []
        except OSError:
            return
        for line in [line for line in lines if line][: 2 * KEPT_MAX]:
            try:
                kept = _KEPT.validate_json(line)
            except ValidationError:
                continue
            if isinstance(kept, Unlisted):
                self._unlisted[kept.call] = kept
            elif self._booked.setdefault(kept.request, kept) is kept:
                self._again.append(kept)

    def summed(self) -> list[CallMetered]:
        """What the client's sums have shown when the session ended before: the ledger knows it, the sums here do not. Once."""
        found, self._unlisted = self._unlisted, {}
        return [one.metered() for one in found.values()]

    def keep_unlisted(self, calls: Iterable[CallMetered]) -> None:
        """Write down what the client's sum shows now, before anybody books it: the session may be taken up again."""
        found: list[Unlisted] = []
        for call in calls:
            tokens = {name: count for name, count in asdict(call.usage.tokens).items() if name in Unlisted.model_fields}
            about = {"call": call.call_id, "model": call.usage.model, "web_searches": call.usage.web_searches}
            found.append(Unlisted.model_validate(about | tokens))
        if found:
            self._keep(found, "what the client's sum shows is booked again when the session is taken up again")

    @property
    def flows(self) -> bool:
        """The client exports what it does."""
        return self._last is not None

    def hear(self, heard: Iterable[Heard], now: float) -> None:
        """Records have come. `now`: seconds of a monotonic clock."""
        for one in heard:
            self._in_row(one.sequence)
            request = one.request
            if request is None or 0 < one.at_ms < self.since_ms or request.request in self._booked:
                continue
            shown = self._shown.get(request.request)
            if shown is not None:
                self._compare(request, shown)
            elif request.request not in self._waiting and len(self._waiting) < WAITING_MAX:
                self.compactions += request.query_source == COMPACTION
                until = now + SHOWN_WITHIN_S if request.in_transcript else now
                self._waiting[request.request] = (until, request)

    def shown(self, request: str, usage: Usage | None) -> ApiRequest | None:
        """The transcript shows this request, with final figures or none yet; returned if it was booked from here already."""
        if not request:
            return None
        booked = self._booked.get(request)
        _, waits = self._waiting.pop(request, (0.0, None))
        if usage is not None:
            if request not in self._shown and (told := booked or waits) is not None:
                self._compare(told, usage)
            self._shown[request] = usage
        else:
            self._shown.setdefault(request, Usage("", Tokens()))
        if len(self._shown) > REMEMBERED_MAX:
            del self._shown[next(iter(self._shown))]
        return booked

    def due(self, now: float) -> list[ApiRequest]:
        """Requests that no transcript shows: to be booked now. Writes them down first; what cannot be written is left to the
        client's sums.
        """
        again, self._again = self._again, []
        over = [request for until, request in self._waiting.values() if until <= now]
        for request in over:
            del self._waiting[request.request]
        over = over[: max(0, KEPT_MAX - len(self._booked))]
        if over and not self._keep(over, "requests that telemetry tells of are booked when the session ends"):
            over = []
        self._booked |= {request.request: request for request in over}
        return again + over

    def _keep(self, booked: Iterable[ApiRequest | Unlisted], otherwise: str) -> bool:
        """Write down what is booked; False: that failed, and so it is as `otherwise` says."""
        if self.kept is None:
            return True
        # The line end stands before: a line that was torn does not spoil the next one.
        lines = "".join(f"\n{one.model_dump_json(by_alias=True)}" for one in booked)
        try:
            self.kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(
                os.open(self.kept, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb"
            ) as file:
                file.write(lines.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self._warn(otherwise, why=str(error))
            return False
        return True

    def _in_row(self, sequence: int | None) -> None:
        """The client numbers its records; what does not follow on the last one has been lost in between."""
        if sequence is None:
            return
        if self._last is not None and sequence > self._last + 1:
            self._warn("telemetry records were lost", after=self._last, before=sequence)
        self._last = sequence if self._last is None else max(self._last, sequence)

    def _compare(self, request: ApiRequest, shown: Usage) -> None:
        if shown.model and _figures(request.usage().tokens) != _figures(shown.tokens):
            self._warn(
                "the transcript and telemetry differ about a request: the transcript counts",
                request=request.request,
                transcript=_figures(shown.tokens),
                telemetry=_figures(request.usage().tokens),
            )

    def _warn(self, words: str, **about: object) -> None:
        """Once a session."""
        if words not in self._warned:
            self._warned.add(words)
            log.warning(words, session=self.kept.stem if self.kept is not None else "", **about)


_KEPT: Final = TypeAdapter[ApiRequest | Unlisted](ApiRequest | Unlisted)


def beyond(shown: Usage, booked: ApiRequest) -> Usage | None:
    """What the transcript shows of a request beyond what was booked of it; nothing, as good as always."""
    found = reconcile((shown,), (Usage(shown.model, booked.usage().tokens),))
    return found[0] if found else None


def _figures(tokens: Tokens) -> tuple[int, int, int, int]:
    """Input, read from caches, written to caches, output: the lifetime of a write is a detail that not every source tells."""
    written = tokens.cache_write_5m + tokens.cache_write_1h + tokens.cache_write_unsplit
    return tokens.input, tokens.cache_read, written, tokens.output
