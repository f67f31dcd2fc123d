"""What a scripted agent remembers of a conversation: one JSON line per fact, in memory or in a file as well."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gateway.domain.events import Acted, AgentEvent, CallMetered, End, Finished, Said, Started
from gateway.domain.usage import MAIN_LOOP, Tokens, Usage
from gateway.ports import AgentUnavailableError

BYTES_MAX = 16_000_000
RECORDED = (Said, Acted, CallMetered, Finished)


class Transcript:
    """The conversation `agent_session`: which prompts ran, and what came of them. With `path` it survives the process.

    A line is written before what it tells is done (a call is `begun` before it ends), so that a crash leaves a lower bound.
    """

    def __init__(self, agent_session: str, path: Path | None) -> None:
        self.agent_session = agent_session
        self.path = path
        self.prompts: set[str] = set()
        """Prompts that got past their first boundary."""
        self.calls = 0
        self.context = 0
        """Tokens that stand in the context after the last call of the main loop."""
        self._records: list[dict[str, Any]] = []

    @classmethod
    def load(cls, agent_session: str, path: Path) -> "Transcript":
        """Read it back. A line that a crash tore is no fact. Raises AgentUnavailableError."""
        transcript = cls(agent_session, path)
        try:
            if path.stat().st_size > BYTES_MAX:
                raise AgentUnavailableError("This scripted conversation is too long to go on: start another with /new")
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise AgentUnavailableError(f"The scripted agent cannot read its transcript: {error.strerror}") from error
        for line in lines:
            try:
                transcript._remember(json.loads(line))
            except (ValueError, TypeError, KeyError, RecursionError):
                continue
        return transcript

    def open(self) -> None:
        """Note that a client begins to work on the conversation: calls that were in flight before can no longer end."""
        self._write({"kind": "open"})

    def run(self, uuid: str | None, model: str) -> None:
        """Note that a run got past its first boundary; `uuid` None: no prompt started it."""
        self._write({"kind": "run", "uuid": uuid, "model": model})

    def steered(self, uuid: str) -> None:
        """Note that words of this name became part of the run at work."""
        self._write({"kind": "steered", "uuid": uuid})

    def begun(self, call: CallMetered) -> None:
        """Note that a call goes out, with what is known of its cost at once: everything but the output."""
        tokens = replace(call.usage.tokens, output=0, reasoning=0)
        lower = replace(call, usage=replace(call.usage, tokens=tokens), ended=False)
        self._write({"kind": "begun", "event": _encode(lower)})

    def event(self, event: AgentEvent) -> None:
        """Note what happened; what a crash need not know is left out."""
        if isinstance(event, RECORDED):
            self._write({"kind": "event", "event": _encode(event)})

    def since(self, uuid: str) -> tuple[AgentEvent, ...]:
        """What came of a prompt, up to the next one; calls that never ended stand last, flagged as cut."""
        events: list[AgentEvent] = []
        in_flight: dict[str, CallMetered] = {}
        inside = False
        for record in self._records:
            if record["kind"] == "open":
                in_flight.clear()
            elif record["kind"] == "steered":
                continue
            elif record["kind"] == "run":
                inside = record["uuid"] == uuid if record["uuid"] is not None else inside
                if inside:
                    events.append(Started(self.agent_session, record["model"], record["uuid"]))
            else:
                event = _decode(record["event"])
                if isinstance(event, CallMetered):
                    in_flight.pop(event.call_id, None)
                    if record["kind"] == "begun":
                        in_flight[event.call_id] = event
                        continue
                if inside:
                    events.append(event)
        return (*events, *in_flight.values())

    def _write(self, record: dict[str, Any]) -> None:
        if self.path is not None:
            # The newline stands first: it also ends a line that a crash tore.
            line = "\n" + json.dumps(record, separators=(",", ":"))
            fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(fd, line.encode())
            finally:
                os.close(fd)
        self._remember(record)

    def _remember(self, record: dict[str, Any]) -> None:
        kind = record["kind"]
        self._records.append(record)
        if kind in {"run", "steered"} and record["uuid"] is not None:
            self.prompts.add(record["uuid"])
        elif kind == "begun":
            self.calls += 1
        elif kind == "event" and record["event"]["type"] == CallMetered.__name__:
            call = _decode(record["event"])
            if isinstance(call, CallMetered) and call.loop == MAIN_LOOP:
                self.context = call.usage.tokens.total


def _encode(event: AgentEvent) -> dict[str, Any]:
    return {"type": type(event).__name__, **asdict(event)}


def _decode(fields: Mapping[str, Any]) -> Said | Acted | CallMetered | Finished:
    match dict(fields):
        case {"type": "Said", **rest}:
            return Said(**rest)
        case {"type": "Acted", **rest}:
            return Acted(**rest)
        case {"type": "CallMetered", "usage": usage, **rest}:
            return CallMetered(**rest, usage=_usage(usage))
        case {"type": "Finished", "end": end, "totals": totals, **rest}:
            counted = None if totals is None else tuple(_usage(usage) for usage in totals)
            return Finished(**rest, end=End(end), totals=counted)
        case _:
            raise AgentUnavailableError("The scripted agent cannot read its transcript: start another with /new")


def _usage(fields: Mapping[str, Any]) -> Usage:
    return Usage(**{**fields, "tokens": Tokens(**fields["tokens"])})
