"""One running Claude Code: its lines in, its events out, and the answers that it waits for."""

import json
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

import anyio
import structlog
from anyio.abc import TaskGroup

from gateway.agents.claude import control, mentions, reach, reading, wire
from gateway.agents.claude.contents import Contents
from gateway.agents.claude.control import Boundary, Hook
from gateway.agents.claude.describe import redacted
from gateway.agents.claude.dialogue import ANSWER_LIMIT_S, Dialogue, refusal, success
from gateway.agents.claude.figures import Figures
from gateway.agents.claude.following import Following
from gateway.agents.claude.steering import Steering
from gateway.agents.claude.telling import Telling
from gateway.agents.claude.translate import Translator
from gateway.agents.supervise import GoneError, Supervised, mark
from gateway.domain.effects import Answer, EndTurn
from gateway.domain.events import AgentEvent, Exited, Withdrawn, Writing
from gateway.domain.usage import MAIN_LOOP
from gateway.ports import AgentUnavailableError, Process

TAKE_LIMIT_S = 10.0
"""How long the client has to confirm that it has a prompt."""
STOP_LIMIT_S = 15.0
"""A run that is still at work so long after an interrupt is ended with its process."""
WAITING_MAX: Final = 1_000
"""A client that waits for so many answers at once is ended."""
ANSWERING_MAX: Final = 100
"""So many hooks that nobody is asked about are answered at a time; then the client's lines are left waiting."""
PROMPTS_QUEUED_MAX: Final = 16
WRITING_GAP_S: Final = 0.3
"""What is being written is told no more often."""
_log = structlog.get_logger("tollbridge.claude")


class ClaudeClient:
    """The Client port. `live` is its one background task; everything else is called by the engine."""

    def __init__(self, link: Supervised, translator: Translator, known: Mapping[Path, int], private: Path) -> None:
        self._private = reach.spellings(private)
        self.process: Process = link.process
        self.agent_session = translator.agent_session
        self._link = link
        self._translator = translator
        self._dialogue = Dialogue(link)
        self._following = Following(known)
        self._telling = Telling(self._dialogue.gone)
        self._figures = Figures(translator, self._following, self._dialogue, self._telling)
        self._steering = Steering(link, self._dialogue, translator, self._following)
        self._contents = Contents(translator.directory)
        self._waiting: dict[str, control.Waiting] = {}
        self._taken: dict[str, anyio.Event] = {}
        self._later: deque[tuple[str, str]] = deque()
        self._closing = anyio.Lock()
        self._crew: TaskGroup | None = None
        self._answering = anyio.Semaphore(ANSWERING_MAX)
        self._unreadable = 0
        self._wrote_at = -math.inf
        self._will_tell = False

    @property
    def gone(self) -> bool:
        """The process has ended, and everything has been told."""
        return self._dialogue.gone.is_set()

    # -- the port ---------------------------------------------------------------------------------------------------

    @property
    def listens(self) -> bool:
        """It takes prompts as long as it lives."""
        return True

    def events(self) -> AsyncIterator[AgentEvent]:
        """What it does, in order; the last event is Exited."""
        return self._telling.read()

    async def prompt(self, uuid: str, text: str, attributes: Mapping[str, str] | None = None) -> None:
        """Hand over a prompt, of which it takes the text alone; returns once the client has it, at once if it had it before.

        Raises AgentUnavailableError if it has ended, or does not take the prompt within TAKE_LIMIT_S: then it is ended, and
        the prompt has not run. While a run that nobody asked for is at work the prompt waits here: the client would mix it
        into that run.
        """
        del attributes
        if self._translator.has_had(uuid) and not self._link.leaving:
            return
        await self._steering.none_left()
        if self._translator.run is not None and not self._link.leaving:
            if len(self._later) >= PROMPTS_QUEUED_MAX:
                raise AgentUnavailableError("Claude Code has too many prompts waiting: wait until it is done")
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
        if isinstance(waiting, Boundary) and isinstance(answer, EndTurn):
            self._steering.forget()
        elif isinstance(waiting, Boundary) and waiting.hook is Hook.BATCH and waiting.loop == MAIN_LOOP:
            await self._steering.write()
        if isinstance(waiting, Boundary) and isinstance(answer, EndTurn) and waiting.hook.compacts:
            return await self._end_compaction(waiting, answer.reason, response)
        return await self._dialogue.answer(request_id, response)

    async def steer(self, uuid: str, text: str, into: str) -> bool:
        """Have it read these words before the next call of its main loop; False: that run is not at work."""
        return self._steering.add(uuid, await self._without_reach(text), into)

    async def interrupt(self) -> None:
        """Stop the present run and cancel the prompts behind it; at rest, stop the background agents."""
        if self._translator.idle:
            return
        self._later.clear()
        self._steering.forget()
        response = await self._dialogue.ask({"subtype": "interrupt"})
        queued = response.response.get("still_queued") if response is not None else None
        for item in queued[:PROMPTS_QUEUED_MAX] if isinstance(queued, list) else []:
            uuid = item.get("uuid") if isinstance(item, dict) else item
            await self._dialogue.ask({"subtype": "cancel_async_message", "message_uuid": uuid})
        if self._crew is not None:
            self._crew.start_soon(self._insist, self._translator.run)

    async def use_model(self, model: str) -> bool:
        """Use this model from the next prompt on at the latest, and make no call for that; False: it stays with the one it has.

        As a setting of the running process: its own `set_model` first tries the model with an API call that is in no report.
        Raises AgentUnavailableError if it has ended.
        """
        setting = {"subtype": "apply_flag_settings", "settings": {"model": model}}
        settings = await self._dialogue.ask(setting, limit=ANSWER_LIMIT_S)
        if settings is not None:
            settings = await self._dialogue.ask({"subtype": "get_settings"}, limit=ANSWER_LIMIT_S)
        if settings is None or self._link.leaving:
            self._link.give_up()
            raise AgentUnavailableError("Claude Code has ended: the next prompt starts it again")
        if reading.model_of(settings) != model:
            return False
        self._translator.model = model
        return True

    async def use_mode(self, mode: str) -> bool:
        """Work in this mode from now on; False: it stays as it is. Raises AgentUnavailableError if it has ended."""
        wanted = control.MODES.get(mode or control.USUAL_MODE)
        response = await self._dialogue.ask({"subtype": "set_permission_mode", "mode": wanted}, limit=ANSWER_LIMIT_S)
        if response is None or self._link.leaving:
            self._link.give_up()
            raise AgentUnavailableError("Claude Code has ended: the next prompt starts it again")
        return wanted is not None and response.error is None and response.response.get("mode") == wanted

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
            self._translator.model = reading.model_of(settings) if settings is not None else None
        await self._figures.probe()
        return response.response

    async def live(self) -> None:
        """Read until the client is gone."""
        try:
            async with anyio.create_task_group() as self._crew:
                self._crew.start_soon(self._end_given_up)
                async for raw in self._link.lines():
                    await self._handle(reading.parse(raw))
                    await self._telling.room()
                self._crew.cancel_scope.cancel()
            await self._over()
        finally:
            with anyio.CancelScope(shield=True):
                await self._link.close(idle=self._translator.idle)
                await self._link.release()
            self._dialogue.gone.set()
            self._telling.wake()

    async def _end_given_up(self) -> None:
        await self._link.given_up.wait()
        await self._link.close(idle=False)

    async def _hand(self, uuid: str, text: str) -> None:
        """Raises GoneError, and AgentUnavailableError."""
        if self._link.leaving:
            raise GoneError
        done = self._translator.idle and self._telling.all_read
        await mark(self._link.process, json.dumps({"type": wire.MARKER, "uuid": uuid}), truncate=done)
        self._translator.handed(uuid)
        self._following.expect(uuid)
        taken = self._taken.setdefault(uuid, anyio.Event())
        text = await self._without_reach(text)
        try:
            with anyio.move_on_after(TAKE_LIMIT_S):
                line = {"type": "user", "uuid": uuid, "message": {"role": "user", "content": text}}
                await self._link.send(json.dumps(line))
                await self._dialogue.until(taken)
        finally:
            self._taken.pop(uuid, None)
        if taken.is_set() or self._dialogue.gone.is_set():
            return
        # What it answers behind the prompt proves that it has read it, even if it says nothing about it.
        if await self._dialogue.ask({"subtype": "get_usage"}) is None and not self._dialogue.gone.is_set():
            # Should it read the prompt after all: its first boundary is never answered, so no call is made.
            self._link.give_up()
            raise AgentUnavailableError(
                "Claude Code does not take the prompt and is ended: the next prompt starts it again"
            )

    async def _without_reach(self, text: str) -> str:
        return await anyio.to_thread.run_sync(mentions.without_reach, text, self._translator.directory, self._private)

    async def _hand_later(self) -> None:
        await self._steering.none_left()
        if not self._later or self._translator.run is not None:
            return
        try:
            await self._hand(*self._later.popleft())
        except (GoneError, AgentUnavailableError):
            self._link.give_up()  # Nobody hears of it here; that the client ends they do.

    async def _over(self) -> None:
        await self._figures.settle_all()
        code = await self._link.wait()
        await self._link.close(idle=True)
        if self._unreadable > 1:
            _log.warning(
                "lines of the agent could not be read", session=self.process.session_id, lines=self._unreadable
            )
        said = redacted(self._link.stderr())
        reason = "Claude Code ended" if code == 0 else f"Claude Code ended with code {code}"
        self._telling.tell([Exited(f"{reason}: {said}" if said and code else reason)])

    async def _handle(self, line: wire.Line) -> None:
        match line:
            case wire.Response():
                self._dialogue.heard(line)
            case wire.OtherRequest(request_id=name):
                await self._dialogue.tell(refusal(name))
            case wire.Cancelled(request_id=name):
                self._withdraw(name)
            case wire.HookCallback():
                await self._hook(line)
            case wire.OddCallback(request_id=name):
                self._note(line)
                self._telling.tell(self._translator.feed(line))
                await self._dialogue.tell(success(name, control.unread(line.callback_id)))
            case wire.CanUseTool():
                before = self._contents.of(line.input.get("file_path"))
                waiting, event = control.asked(line, self._translator.directory, before)
                if self._wait_for(waiting):
                    self._telling.tell([event])
            case wire.FileTold():
                self._contents.heard(line)
            case _:
                await self._translate(line)
        self.agent_session = self._translator.agent_session
        self._figures.progressed()

    async def _translate(self, line: wire.Line) -> None:
        if isinstance(line, wire.Unreadable):
            self._note(line)
        if isinstance(line, wire.Result):
            await self._figures.settle(lambda: self._translator.ended_loops)
            self._following.forget(but=self._translator.live)
        self._telling.tell(self._translator.feed(line))
        if self._crew is None:
            return
        if isinstance(line, wire.Result) and self._steering.over():
            self._crew.start_soon(self._steering.take_back)
        if isinstance(line, wire.Result) and self._later:
            self._crew.start_soon(self._hand_later)
        elif isinstance(line, wire.System) and line.subtype == "task_notification":
            await self._beside(self._figures.settle_ended)
        elif isinstance(line, wire.Lifecycle):
            self._taken.get(line.command_uuid, anyio.Event()).set()
            self._steering.heard(line.command_uuid)
        elif self._translator.partial.is_news and not self._will_tell:
            self._will_tell = True
            self._crew.start_soon(self._tell_writing)

    async def _tell_writing(self) -> None:
        """What is written by then: pieces come by the dozen a second."""
        await anyio.sleep(max(0.0, self._wrote_at + WRITING_GAP_S - anyio.current_time()))
        self._will_tell = False
        text = self._translator.partial.take()
        if text is not None:
            self._wrote_at = anyio.current_time()
            self._telling.tell([Writing(text)])

    def _note(self, line: wire.Unreadable | wire.OddCallback) -> None:
        """Told once; how many there were in all is told at the end."""
        self._unreadable += 1
        if self._unreadable == 1:
            kind = line.kind if isinstance(line, wire.Unreadable) else "hook"
            _log.warning("a line of the agent cannot be read", session=self.process.session_id, kind=redacted(kind))

    def _wait_for(self, waiting: control.Waiting) -> bool:
        """The client waits for this; False: it asks for more than any client would, and is ended."""
        if len(self._waiting) >= WAITING_MAX:
            self._link.give_up()
            return False
        self._waiting[waiting.request_id] = waiting
        return True

    def _withdraw(self, request_id: str) -> None:
        waiting = self._waiting.pop(request_id, None)
        if waiting is not None and waiting.told:
            self._telling.tell([Withdrawn(request_id)])

    # -- boundaries -------------------------------------------------------------------------------------------------

    async def _hook(self, callback: wire.HookCallback) -> None:
        self._following.at(callback.input.transcript_path)
        told = callback.input
        refused = None
        if told.hook_event_name == Hook.TOOL:
            here = self._translator.directory
            asked = (self._private, told.tool_name, told.tool_input, told.cwd or here, here)
            refused = await anyio.to_thread.run_sync(reach.reaches, *asked, abandon_on_cancel=True)
        if refused is not None:
            self._telling.tell(self._translator.feed(callback))
            await self._beside(self._dialogue.tell, success(callback.request_id, control.kept_out(refused)))
            return
        run = self._translator.run
        boundary = control.boundary(
            callback,
            begins=run is None or not run.submitted,
            prompted=run is not None and run.prompt_uuid is not None,
            directory=self._translator.directory,
        )
        self._telling.tell(self._translator.feed(callback))
        if boundary is None:
            await self._beside(self._pass, callback)
        elif run is not None and run.stray:
            stopped = control.answer(boundary, EndTurn("this was for a run that has ended"))
            await self._beside(self._dialogue.tell, success(callback.request_id, stopped))
        elif self._wait_for(boundary) and self._crew is not None:
            self._crew.start_soon(self._stand, boundary)

    async def _beside(self, work: Callable[..., Coroutine[Any, Any, object]], *arguments: object) -> None:
        """Do it without keeping the next line waiting, unless very much is being done already."""

        async def doing() -> None:
            try:
                await work(*arguments)
            finally:
                self._answering.release()

        if self._crew is not None:
            await self._answering.acquire()
            self._crew.start_soon(doing)

    async def _pass(self, callback: wire.HookCallback) -> None:
        """Nobody is asked here; but a sub-agent that ends has its calls read while it stands."""
        agent = callback.input.agent_id
        if callback.input.hook_event_name == Hook.SUB_AGENT_END and agent is not None:
            await self._figures.settle(lambda: {agent})
        await self._dialogue.tell(success(callback.request_id, {}))

    async def _stand(self, boundary: Boundary) -> None:
        """Tell of a boundary as soon as every call before it has been metered."""
        await self._figures.before(boundary)
        if boundary.request_id in self._waiting:
            boundary.told = True
            self._telling.tell([boundary.event()])

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

    async def _insist(self, run: object) -> None:
        await anyio.sleep(STOP_LIMIT_S)
        if run is not None and self._translator.run is run:
            await self._link.kill()
