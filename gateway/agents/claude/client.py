"""One running Claude Code: its lines in, its events out, and the answers that it waits for."""

import contextlib
import json
import math
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskGroup

from gateway import clock
from gateway.agents.claude import control, wire
from gateway.agents.claude.control import Boundary, Hook
from gateway.agents.claude.transcript import Tail, is_prompt, record, sub_agent
from gateway.agents.claude.translate import Translator
from gateway.agents.supervise import GoneError, Supervised
from gateway.domain.effects import Answer, EndTurn
from gateway.domain.events import AgentEvent, Exited, Withdrawn
from gateway.domain.usage import MAIN_LOOP
from gateway.ports import AgentUnavailableError, Process

UNREAD_MAX = 10_000
"""So many events may wait for their reader; then the client's lines are left waiting, too."""
ANSWER_LIMIT_S = 5.0
"""How long the client has to confirm something small."""
TAKE_LIMIT_S = 10.0
"""How long it has to confirm that it has a prompt."""
STOP_LIMIT_S = 15.0
"""A run that is still at work so long after an interrupt is ended with its process."""
RECORD_LIMIT_S = 1.0
"""How long a call's record may take to appear in a transcript; usually it is there already, else within 0.1 s."""
LOOK_EVERY_S = 0.01
REASON_LIMIT = 500
_SECRETS = re.compile(
    r"sk-[\w-]{8,}|(?i:bearer\s+\S+)|(?i:(?:key|token|secret|password)\S{0,3}[=:]\s*\S+)|\b\d{6,}:[\w-]{30,}\b"
)


def redacted(text: str) -> str:
    """Without what looks like a secret, and short enough for a chat."""
    return _SECRETS.sub("[redacted]", text)[-REASON_LIMIT:].strip()


@dataclass(slots=True)
class _Reply:
    """A control request of ours that waits for its answer."""

    come: anyio.Event = field(default_factory=anyio.Event)
    response: wire.Response | None = None


class ClaudeClient:
    """The Client port. `live` is its one background task; everything else is called by the engine."""

    def __init__(self, link: Supervised, translator: Translator, known: Mapping[Path, int]) -> None:
        self.process: Process = link.process
        self.agent_session = translator.agent_session
        self._link = link
        self._translator = translator
        self._known = known
        """Sizes of the sub-agents' transcripts before this client began: what was in them is not this client's."""
        self._events: deque[AgentEvent] = deque()
        self._news = anyio.Event()
        self._waiting: dict[str, control.Waiting] = {}
        self._replies: dict[str, _Reply] = {}
        self._taken: dict[str, anyio.Event] = {}
        self._later: deque[tuple[str, str]] = deque()
        self._tails: dict[str, Tail] = {}
        self._main: Tail | None = None
        self._unwritten: str | None = None
        """The prompt that has not been seen in the transcript yet."""
        self._progress = anyio.Event()
        self._gone = anyio.Event()
        self._closing = anyio.Lock()
        self._crew: TaskGroup | None = None

    # -- the port ---------------------------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[AgentEvent]:
        """What it does, in order; the last event is Exited."""
        while self._events or not self._gone.is_set():
            while self._events:
                yield self._events.popleft()
            news = self._news
            if not self._gone.is_set():
                await news.wait()

    async def prompt(self, uuid: str, text: str) -> None:
        """Hand over a prompt; returns once the client has it. Raises AgentUnavailableError if it is gone.

        While a run that nobody asked for is at work the prompt waits here: the client would mix it into that run.
        """
        if self._translator.run is not None:
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
        if (
            isinstance(waiting, Boundary)
            and isinstance(answer, EndTurn)
            and waiting.hook in {Hook.COMPACT, Hook.COMPACTED}
        ):
            return await self._end_compaction(waiting, answer.reason, response)
        reply = self._expect()
        if not await self._tell(_success(request_id, response), _request(reply[0], {"subtype": "get_usage"})):
            return False
        # Its input is read in order: an answer to the second line proves that it has read the first.
        return await self._answered(*reply) is not None

    async def interrupt(self) -> None:
        """Stop the present run and cancel the prompts behind it."""
        if self._translator.idle:
            return
        response = await self._ask({"subtype": "interrupt"})
        queued = response.response.get("still_queued") if response is not None else None
        for item in queued if isinstance(queued, list) else []:
            uuid = item if isinstance(item, str) else item.get("uuid") if isinstance(item, dict) else None
            if isinstance(uuid, str):
                await self._ask({"subtype": "cancel_async_message", "message_uuid": uuid})
        if self._crew is not None:
            self._crew.start_soon(self._insist, self._translator.run)

    async def close(self) -> None:
        """End the process and everything it started; idempotent."""
        async with self._closing:
            if not self._gone.is_set():
                await self._link.close(idle=self._translator.idle)
                with anyio.move_on_after(ANSWER_LIMIT_S, shield=True):
                    await self._gone.wait()

    async def _hand(self, uuid: str, text: str) -> None:
        await self._mark(uuid)
        self._translator.handed(uuid)
        self._unwritten = uuid
        taken = self._taken.setdefault(uuid, anyio.Event())
        line = {"type": "user", "uuid": uuid, "message": {"role": "user", "content": text}}
        await self._link.send(json.dumps(line))
        with anyio.move_on_after(TAKE_LIMIT_S):
            await self._either(taken)

    async def _hand_later(self) -> None:
        with contextlib.suppress(GoneError):
            await self._hand(*self._later.popleft())

    # -- the conversation with the client ---------------------------------------------------------------------------

    async def initialize(self) -> dict[str, Any] | None:
        """The handshake: the client's self-description, or None if it is gone or refuses."""
        response = await self._ask(control.initialize(), limit=math.inf)
        if response is None or response.error is not None:
            return None
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
            self._gone.set()
            self._news.set()
            with anyio.CancelScope(shield=True):
                await self._link.close(idle=self._translator.idle)
                await self._link.release()

    async def _wait_for_reader(self) -> None:
        while len(self._events) > UNREAD_MAX:  # noqa: ASYNC110 - rare, and not worth an event of its own
            await anyio.sleep(LOOK_EVERY_S)

    async def _over(self) -> None:
        self._catch_up()
        self._emit(self._translator.cut_all())
        code = await self._link.wait()
        said = redacted(self._link.stderr())
        reason = "Claude Code ended" if code == 0 else f"Claude Code ended with code {code}"
        self._emit([Exited(f"{reason}: {said}" if said and code else reason)])

    async def _handle(self, line: wire.Line) -> None:
        match line:
            case wire.Response(request_id=name):
                reply = self._replies.pop(name, None)
                if reply is not None:
                    reply.response = line
                    reply.come.set()
            case wire.Cancelled(request_id=name):
                waiting = self._waiting.pop(name, None)
                if waiting is not None and waiting.told:
                    self._emit([Withdrawn(name)])
            case wire.OtherRequest(request_id=name):
                await self._tell(_refused(name))
            case wire.HookCallback():
                await self._hook(line)
            case wire.CanUseTool():
                waiting, event = control.asked(line, self._translator.directory)
                self._waiting[line.request_id] = waiting
                self._emit([event])
            case wire.Result():
                await self._records(lambda: self._translator.ended_loops)
                self._emit(self._translator.feed(line))
                if self._later and self._crew is not None:
                    self._crew.start_soon(self._hand_later)
            case _:
                self._emit(self._translator.feed(line))
        if isinstance(line, wire.Lifecycle):
            self._taken.pop(line.command_uuid, anyio.Event()).set()
        self._follow(line)
        self.agent_session = self._translator.agent_session
        progress, self._progress = self._progress, anyio.Event()
        progress.set()

    def _follow(self, line: wire.Line) -> None:
        """Remember which sub-agents there are, so that their transcripts are read."""
        for agent in self._translator.live - self._tails.keys():
            path = sub_agent(self._main.path, agent) if self._main is not None else None
            if path is not None:
                self._tails[agent] = Tail(path, self._known.get(path, 0))
        if isinstance(line, wire.System) and line.subtype == "task_notification" and self._crew is not None:
            self._crew.start_soon(self._last_records)

    async def _last_records(self) -> None:
        await self._records(lambda: self._translator.ended_loops)
        self._emit(self._translator.cut_ended())

    # -- boundaries -------------------------------------------------------------------------------------------------

    async def _hook(self, callback: wire.HookCallback) -> None:
        path = Path(callback.input.transcript_path)
        if callback.input.transcript_path and (self._main is None or self._main.path != path):
            self._main = Tail(path, self._main.offset if self._main is not None and self._main.path == path else 0)
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
            await self._records(lambda: {agent})
        await self._tell(_success(callback.request_id, {}))

    async def _stand(self, boundary: Boundary) -> None:
        """Tell of a boundary as soon as every call before it has been metered."""
        match boundary.hook:
            case Hook.TOOL:
                while self._translator.streaming and not self._gone.is_set():
                    await self._progress.wait()
                await self._written()
            case Hook.BATCH | Hook.COMPACTED:
                loops = {boundary.loop} if boundary.loop != MAIN_LOOP else set[str]()
                await self._records(lambda: loops | self._translator.ended_loops)
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
            reply = await self._ask({"subtype": "stop_task", "task_id": boundary.loop})
            return await self._tell(_success(boundary.request_id, response)) and reply is not None
        if run is not None:
            run.halted = reason
        if boundary.automatic:
            return await self._ask({"subtype": "interrupt"}) is not None
        return await self._tell(_success(boundary.request_id, response))

    async def _written(self) -> None:
        """Before the first tool: wait until the prompt is on disk. Then "not in the transcript" means that no tool ran."""
        uuid = self._unwritten
        if (
            uuid is None
            or self._main is None
            or self._translator.run is None
            or self._translator.run.prompt_uuid != uuid
        ):
            return
        with anyio.move_on_after(RECORD_LIMIT_S):
            while self._unwritten == uuid:
                if any(uuid.encode() in line and is_prompt(line, uuid) for line in self._main.lines()):
                    self._unwritten = None
                    return
                await anyio.sleep(LOOK_EVERY_S)

    async def _records(self, wanted: Callable[[], set[str]]) -> None:
        """Read the sub-agents' transcripts, and wait a little for those whose calls must be there."""
        self._catch_up()
        with anyio.move_on_after(RECORD_LIMIT_S):
            while self._translator.unsettled(wanted()):
                await anyio.sleep(LOOK_EVERY_S)
                self._catch_up()

    def _catch_up(self) -> None:
        for tail in self._tails.values():
            for line in tail.lines():
                found = record(line)
                if found is not None:
                    self._emit(self._translator.settle(found))

    async def _probe(self) -> None:
        """Ask the client for its own sum, which shows calls that no line does: compaction, titles, page summaries."""
        response = await self._ask({"subtype": "get_usage"})
        cumulative = wire.usages_of(response) if response is not None else None
        if cumulative is not None:
            self._emit(self._translator.unlisted(cumulative))

    # -- small things -----------------------------------------------------------------------------------------------

    def _emit(self, events: list[AgentEvent]) -> None:
        # Not awaited: whoever emits a boundary after a call must be sure that the call is in the queue before it.
        if events:
            self._events.extend(events)
            news, self._news = self._news, anyio.Event()
            news.set()

    async def _tell(self, *lines: dict[str, Any]) -> bool:
        try:
            for line in lines:
                await self._link.send(json.dumps(line))
        except GoneError:
            return False
        return True

    def _expect(self) -> tuple[str, _Reply]:
        name = clock.new_id("ask")
        self._replies[name] = reply = _Reply()
        return name, reply

    async def _ask(self, request: dict[str, Any], limit: float = ANSWER_LIMIT_S) -> wire.Response | None:
        name, reply = self._expect()
        if not await self._tell(_request(name, request)):
            del self._replies[name]
            return None
        return await self._answered(name, reply, limit)

    async def _answered(self, name: str, reply: _Reply, limit: float = ANSWER_LIMIT_S) -> wire.Response | None:
        with anyio.move_on_after(limit):
            await self._either(reply.come)
        self._replies.pop(name, None)
        return reply.response

    async def _either(self, event: anyio.Event) -> None:
        """Until the event, or until the client is gone."""
        async with anyio.create_task_group() as pair:

            async def gone() -> None:
                await self._gone.wait()
                pair.cancel_scope.cancel()

            pair.start_soon(gone)
            await event.wait()
            pair.cancel_scope.cancel()

    async def _insist(self, run: object) -> None:
        await anyio.sleep(STOP_LIMIT_S)
        if run is not None and self._translator.run is run:
            await self._link.kill()

    async def _mark(self, uuid: str) -> None:
        """Note the prompt in the journal; what was told before it is of no use once everything has ended and been read."""
        journal = Path(self.process.journal)
        done = self._translator.idle and not self._events
        marker = json.dumps({"type": wire.MARKER, "uuid": uuid}) + "\n"

        def write() -> None:
            with journal.open("ab") as file:
                if done:
                    file.truncate(0)
                file.write(marker.encode())

        try:
            await anyio.to_thread.run_sync(write)
        except OSError as error:
            raise AgentUnavailableError(f"The journal {journal} cannot be written: {error.strerror}") from error


def _request(name: str, request: dict[str, Any]) -> dict[str, Any]:
    return {"type": "control_request", "request_id": name, "request": request}


def _success(request_id: str, response: dict[str, Any]) -> dict[str, Any]:
    inner = {"subtype": "success", "request_id": request_id, "response": response}
    return {"type": "control_response", "response": inner}


def _refused(request_id: str) -> dict[str, Any]:
    inner = {"subtype": "error", "request_id": request_id, "error": "the gateway does not offer this"}
    return {"type": "control_response", "response": inner}
