"""One running Claude Code: its lines in, its events out, and the answers that it waits for."""

import contextlib
import json
import math
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskGroup

from gateway.agents.claude import control, wire
from gateway.agents.claude.control import Boundary, Hook
from gateway.agents.claude.dialogue import ANSWER_LIMIT_S, Dialogue, refusal, success
from gateway.agents.claude.following import LOOK_EVERY_S, Following
from gateway.agents.claude.translate import Translator
from gateway.agents.supervise import GoneError, Supervised, mark
from gateway.domain.effects import Answer, EndTurn
from gateway.domain.events import AgentEvent, Exited, Withdrawn
from gateway.domain.usage import MAIN_LOOP
from gateway.ports import AgentUnavailableError, Process

UNREAD_MAX = 10_000
"""So many events may wait for their reader; then the client's lines are left waiting, too."""
TAKE_LIMIT_S = 10.0
"""How long the client has to confirm that it has a prompt."""
STOP_LIMIT_S = 15.0
"""A run that is still at work so long after an interrupt is ended with its process."""
REASON_LIMIT = 500
_SECRETS = re.compile(
    r"sk-[\w-]{8,}|(?i:bearer\s+\S+)|(?i:(?:key|token|secret|password)\S{0,3}[=:]\s*\S+)|\b\d{6,}:[\w-]{30,}\b"
)


def redacted(text: str) -> str:
    """Without what looks like a secret, and short enough for a chat."""
    return _SECRETS.sub("[redacted]", text)[-REASON_LIMIT:].strip()


class ClaudeClient:
    """The Client port. `live` is its one background task; everything else is called by the engine."""

    def __init__(self, link: Supervised, translator: Translator, known: Mapping[Path, int], private: Path) -> None:
        self._private = control.spellings(private)
        self.process: Process = link.process
        self.agent_session = translator.agent_session
        self._link = link
        self._translator = translator
        self._dialogue = Dialogue(link)
        self._following = Following(known)
        self._events: deque[AgentEvent] = deque()
        self._news = anyio.Event()
        self._waiting: dict[str, control.Waiting] = {}
        self._taken: dict[str, anyio.Event] = {}
        self._later: deque[tuple[str, str]] = deque()
        self._progress = anyio.Event()
        self._closing = anyio.Lock()
        self._crew: TaskGroup | None = None

    # -- the port ---------------------------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[AgentEvent]:
        """What it does, in order; the last event is Exited."""
        while self._events or not self._dialogue.gone.is_set():
            while self._events:
                yield self._events.popleft()
            news = self._news
            if not self._dialogue.gone.is_set():
                await news.wait()

    async def prompt(self, uuid: str, text: str) -> None:
        """Hand over a prompt; returns once the client has it. Raises AgentUnavailableError if it is gone.

        While a run that nobody asked for is at work the prompt waits here: the client would mix it into that run.
        """
        if self._translator.run is not None and not self._link.leaving:
            self._later.append((uuid, text))
            return
        try:
            await self._hand(uuid, text)
        except GoneError:
            raise AgentUnavailableError("Claude Code has ended: the next prompt starts it again") from None

    async def respond(self, request_id: str, answer: Answer) -> bool:
        """Answer what it waits for; True once the client has read the answer and still wanted it."""
        waiting = self._waiting.get(request_id)
        if waiting is None or not waiting.told:
            return False
        response = control.answer(waiting, answer)
        del self._waiting[request_id]
        if isinstance(waiting, Boundary) and isinstance(answer, EndTurn) and waiting.hook.compacts:
            return await self._end_compaction(waiting, answer.reason, response)
        return await self._dialogue.answer(request_id, response)

    async def interrupt(self) -> None:
        """Stop the present run and cancel the prompts behind it; at rest, stop the background agents."""
        if self._translator.idle:
            return
        self._later.clear()
        response = await self._dialogue.ask({"subtype": "interrupt"})
        queued = response.response.get("still_queued") if response is not None else None
        for item in queued if isinstance(queued, list) else []:
            uuid = item.get("uuid") if isinstance(item, dict) else item
            await self._dialogue.ask({"subtype": "cancel_async_message", "message_uuid": uuid})
        if self._crew is not None:
            self._crew.start_soon(self._insist, self._translator.run)

    async def close(self) -> None:
        """End the process and everything it started; idempotent."""
        async with self._closing:
            if not self._dialogue.gone.is_set():
                await self._link.close(idle=self._translator.idle)
                with anyio.move_on_after(ANSWER_LIMIT_S, shield=True):
                    await self._dialogue.gone.wait()

    # -- the conversation with the client ---------------------------------------------------------------------------

    async def initialize(self) -> dict[str, Any] | None:
        """The handshake: the client's self-description, or None if it is gone or refuses."""
        response = await self._dialogue.ask(control.initialize(), limit=math.inf)
        if response is None or response.error is not None:
            return None
        if self._translator.model is None:
            settings = await self._dialogue.ask({"subtype": "get_settings"})
            self._translator.model = wire.model_of(settings) if settings is not None else None
        await self._probe()
        return response.response

    async def live(self) -> None:
        """Read until the client is gone."""
        try:
            async with anyio.create_task_group() as self._crew:
                async for raw in self._link.lines():
                    await self._handle(wire.parse(raw))
                    await self._wait_for_reader()
                self._crew.cancel_scope.cancel()
            await self._over()
        finally:
            with anyio.CancelScope(shield=True):
                await self._link.close(idle=self._translator.idle)
                await self._link.release()
            self._dialogue.gone.set()
            self._news.set()

    async def _hand(self, uuid: str, text: str) -> None:
        if self._link.leaving:
            raise GoneError
        done = self._translator.idle and not self._events
        await mark(self._link.process, json.dumps({"type": wire.MARKER, "uuid": uuid}), truncate=done)
        self._translator.handed(uuid)
        self._following.expect(uuid)
        taken = self._taken.setdefault(uuid, anyio.Event())
        await self._link.send(json.dumps({"type": "user", "uuid": uuid, "message": {"role": "user", "content": text}}))
        with anyio.move_on_after(TAKE_LIMIT_S):
            await self._dialogue.until(taken)

    async def _hand_later(self) -> None:
        with contextlib.suppress(GoneError, AgentUnavailableError, IndexError):
            await self._hand(*self._later.popleft())

    async def _wait_for_reader(self) -> None:
        while len(self._events) > UNREAD_MAX:  # noqa: ASYNC110 - rare, and not worth an event of its own
            await anyio.sleep(LOOK_EVERY_S)

    async def _over(self) -> None:
        self._read_records()
        self._emit(self._translator.cut_all())
        code = await self._link.wait()
        await self._link.close(idle=True)
        said = redacted(self._link.stderr())
        reason = "Claude Code ended" if code == 0 else f"Claude Code ended with code {code}"
        self._emit([Exited(f"{reason}: {said}" if said and code else reason)])

    async def _handle(self, line: wire.Line) -> None:
        match line:
            case wire.Response():
                self._dialogue.heard(line)
            case wire.OtherRequest(request_id=name):
                await self._dialogue.tell(refusal(name))
            case wire.Cancelled(request_id=name):
                self._withdraw(name)
            case wire.HookCallback():
                self._hook(line)
            case wire.CanUseTool():
                waiting, event = control.asked(line, self._translator.directory)
                self._waiting[line.request_id] = waiting
                self._emit([event])
            case _:
                await self._translate(line)
        self._following.follow(self._translator.live)
        self.agent_session = self._translator.agent_session
        progress, self._progress = self._progress, anyio.Event()
        progress.set()

    async def _translate(self, line: wire.Line) -> None:
        if isinstance(line, wire.Result):
            await self._settle(lambda: self._translator.ended_loops)
            self._following.forget(but=self._translator.live)
        self._emit(self._translator.feed(line))
        if self._crew is None:
            return
        if isinstance(line, wire.Result) and self._later:
            self._crew.start_soon(self._hand_later)
        elif isinstance(line, wire.System) and line.subtype == "task_notification":
            self._crew.start_soon(self._settle_ended)
        elif isinstance(line, wire.Lifecycle):
            self._taken.pop(line.command_uuid, anyio.Event()).set()

    def _withdraw(self, request_id: str) -> None:
        waiting = self._waiting.pop(request_id, None)
        if waiting is not None and waiting.told:
            self._emit([Withdrawn(request_id)])

    # -- boundaries -------------------------------------------------------------------------------------------------

    def _hook(self, callback: wire.HookCallback) -> None:
        self._following.at(callback.input.transcript_path)
        told = callback.input
        if told.hook_event_name == Hook.TOOL and control.reaches(
            self._private, told.tool_input, self._translator.directory
        ):
            self._emit(self._translator.feed(callback))
            if self._crew is not None:
                self._crew.start_soon(self._dialogue.tell, success(callback.request_id, control.kept_out()))
            return
        run = self._translator.run
        boundary = control.boundary(
            callback,
            begins=run is None or not run.submitted,
            prompted=run is not None and run.prompt_uuid is not None,
            directory=self._translator.directory,
        )
        self._emit(self._translator.feed(callback))
        if self._crew is None:
            return
        if boundary is not None:
            self._waiting[callback.request_id] = boundary
            self._crew.start_soon(self._stand, boundary)
        else:
            self._crew.start_soon(self._pass, callback)

    async def _pass(self, callback: wire.HookCallback) -> None:
        """Nobody is asked here; but a sub-agent that ends has its calls read while it stands."""
        agent = callback.input.agent_id
        if callback.input.hook_event_name == Hook.SUB_AGENT_END and agent is not None:
            await self._settle(lambda: {agent})
        await self._dialogue.tell(success(callback.request_id, {}))

    async def _stand(self, boundary: Boundary) -> None:
        """Tell of a boundary as soon as every call before it has been metered."""
        match boundary.hook:
            case Hook.TOOL if boundary.loop != MAIN_LOOP:
                # It may come before the line that announces the call it belongs to.
                await self._following.read_until(
                    lambda: (
                        self._translator.acted(boundary.tool_use_id) and not self._translator.unsettled({boundary.loop})
                    ),
                    self._read_records,
                )
            case Hook.TOOL:
                while self._translator.streaming and not self._dialogue.gone.is_set():
                    await self._progress.wait()
                run = self._translator.run
                await self._following.written(run.prompt_uuid if run is not None else None)
            case Hook.BATCH | Hook.COMPACTED:
                loops = {boundary.loop} if boundary.loop != MAIN_LOOP else set[str]()
                await self._settle(lambda: loops | self._translator.ended_loops)
                if boundary.loop == MAIN_LOOP:
                    await self._probe()
            case _:
                pass
        if boundary.request_id in self._waiting:
            boundary.told = True
            self._emit([boundary.event()])

    async def _end_compaction(self, boundary: Boundary, reason: str, response: dict[str, Any]) -> bool:
        """To forbid a compaction does not end the run: an automatic one is skipped and the next call made. So stop the run."""
        run = self._translator.run
        if boundary.loop != MAIN_LOOP:
            stopped = await self._dialogue.ask({"subtype": "stop_task", "task_id": boundary.loop})
            return await self._dialogue.answer(boundary.request_id, response) and stopped is not None
        if run is not None:
            run.halted = reason
        if boundary.automatic:
            return await self._dialogue.ask({"subtype": "interrupt"}) is not None
        return await self._dialogue.answer(boundary.request_id, response)

    # -- figures that do not stand in the lines ---------------------------------------------------------------------

    async def _settle(self, loops: Callable[[], set[str]]) -> None:
        """Meter these sub-agents' calls from their transcripts."""
        await self._following.read_until(lambda: not self._translator.unsettled(loops()), self._read_records)

    async def _settle_ended(self) -> None:
        await self._settle(lambda: self._translator.ended_loops)
        self._emit(self._translator.cut_ended())

    def _read_records(self) -> None:
        for record in self._following.records():
            self._emit(self._translator.settle(record))

    async def _probe(self) -> None:
        """Ask the client for its own sum, which shows calls that no line does: compaction, searches, page summaries."""
        response = await self._dialogue.ask({"subtype": "get_usage"})
        cumulative = wire.usages_of(response) if response is not None else None
        if cumulative is not None:
            self._emit(self._translator.unlisted(cumulative))

    def _emit(self, events: list[AgentEvent]) -> None:
        # Not awaited: whoever emits a boundary after a call must be sure that the call is in the queue before it.
        if events:
            self._events.extend(events)
            news, self._news = self._news, anyio.Event()
            news.set()

    async def _insist(self, run: object) -> None:
        await anyio.sleep(STOP_LIMIT_S)
        if run is not None and self._translator.run is run:
            await self._link.kill()
