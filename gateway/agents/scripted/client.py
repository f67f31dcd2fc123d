"""A scripted agent at work: one conversation, played step by step, which stops where a real agent can be stopped."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace

import anyio
import anyio.lowlevel
from anyio.abc import TaskStatus

from gateway import clock
from gateway.agents.scripted.desk import Bell, Desk
from gateway.agents.scripted.script import (
    AskPerson,
    Background,
    CallApi,
    Crash,
    Fail,
    Lasts,
    Say,
    SpawnSubAgents,
    Step,
    SubAgent,
    TellQuota,
    UseTool,
    Wait,
    Write,
)
from gateway.agents.scripted.stage import Charge, Loop, OverError, Run, Stage, cut
from gateway.agents.scripted.transcript import Transcript
from gateway.domain.effects import AllowTool, Answer, DenyTool, EndTurn, GoOn, Words
from gateway.domain.events import (
    Acted,
    AgentEvent,
    AskedPermission,
    AskedQuestion,
    BackgroundChanged,
    CallMetered,
    End,
    Finished,
    Paused,
    QuotaTold,
    Ran,
    Said,
    Started,
    Steered,
    Writing,
)
from gateway.domain.usage import MAIN_LOOP, Usage
from gateway.ports import AgentUnavailableError, Launch, Process

PROMPTS_QUEUED_MAX = 16


class ScriptedClient:
    """The Client port, played from a script. Made by `ScriptedAgent.start` only; `live` is its whole life."""

    def __init__(self, stage: Stage, launch: Launch, transcript: Transcript, process: Process) -> None:
        self.process = process
        self.agent_session = transcript.agent_session
        self._stage = stage
        self._session_id = launch.session_id
        self._model = launch.model or stage.model
        self.mode = launch.mode
        self._transcript = transcript
        self._life = anyio.CancelScope()
        self._crew = anyio.create_task_group()
        self._bell = Bell()
        self._desk = Desk(self._bell)
        self._runs: deque[Run] = deque()
        self._present: Run | None = None
        self._words: list[tuple[str, str]] = []
        """What it is told while it works, before its next call."""
        self._seen = set(transcript.prompts)
        self._remembered: set[str] = set()
        self._unreported: dict[str, Usage] = {}
        self._sub_agents = 0
        self._background = 0
        self._answer = ""
        self._last_words = ""

    # ------------------------------------------------------------------------------------------------- the Client port
    @property
    def listens(self) -> bool:
        """It takes prompts as long as it lives."""
        return True

    def events(self) -> AsyncIterator[AgentEvent]:
        """What it does, in order; the last event is Exited."""
        return self._desk.read()

    async def prompt(self, uuid: str, text: str, attributes: Mapping[str, str] | None = None) -> None:
        """Hand over a prompt; one that comes while a run is at work waits for its end. A known uuid does nothing."""
        del attributes
        if self.gone:
            raise AgentUnavailableError(f"The scripted agent is gone: {self._desk.reason}")
        if uuid in self._seen:
            return
        if len(self._runs) >= PROMPTS_QUEUED_MAX:
            raise AgentUnavailableError("The scripted agent has too many prompts waiting: wait until it is done")
        self._seen.add(uuid)
        self._runs.append(Run(uuid, text))
        self._bell.ring()

    async def respond(self, request_id: str, answer: Answer) -> bool:
        """Answer what it waits for; False: it no longer waits. An answer of the wrong kind is a bug: TypeError."""
        return self._desk.answer(request_id, answer)

    async def steer(self, uuid: str, text: str, into: str) -> bool:
        """Have it read these words before the next call of the run; False: that is not at work."""
        if self.gone or self._present is None or self._present.uuid != into or len(self._words) >= PROMPTS_QUEUED_MAX:
            return False
        self._words.append((uuid, text))
        return True

    async def interrupt(self) -> None:
        """Stop the present run and the prompts that wait behind it; each says Finished(INTERRUPTED)."""
        if self._present is not None:
            self._present.scope.cancel()
        for run in self._runs:
            if run.uuid is not None:
                run.scope.cancel()

    async def use_model(self, model: str) -> bool:
        """Use this model from the next call on."""
        if self.gone:
            raise AgentUnavailableError(f"The scripted agent is gone: {self._desk.reason}")
        self._model = model
        return True

    async def use_mode(self, mode: str) -> bool:
        """Note it: a script does the same in any of them."""
        if self.gone:
            raise AgentUnavailableError(f"The scripted agent is gone: {self._desk.reason}")
        self.mode = mode
        return True

    @property
    def gone(self) -> bool:
        """It was closed, or died."""
        return self._desk.gone.is_set()

    async def close(self) -> None:
        """End everything at once; calls in flight are cut. Idempotent."""
        self._life.cancel()
        await self._desk.gone.wait()

    # --------------------------------------------------------------------------------------------------------- its life
    async def live(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Work off runs, one at a time, until closed. Background sub-agents live beside them."""
        try:
            with self._life:
                async with self._crew:
                    task_status.started()
                    while True:
                        while not self._runs:
                            await self._bell.heard()
                        await self._work(self._runs.popleft())
        finally:
            self._desk.leave()

    async def _work(self, run: Run) -> None:
        self._present = run
        self._last_words = ""
        self._emit(Started(self.agent_session, self._model, run.uuid))
        end, text = End.INTERRUPTED, ""
        with run.scope:
            end, text = await self._main(run)
        self._present = None
        self._words.clear()
        totals = tuple(self._unreported.values())
        self._unreported.clear()
        self._emit(Finished(end, text, run.uuid, totals, self._background), record=run.began)

    async def _main(self, run: Run) -> tuple[End, str]:
        loop = Loop(MAIN_LOOP)
        before = "a run that nobody asked for" if run.uuid is None else "the first call"
        try:
            await self._boundary(before, loop)
            steps = run.steps
            if run.uuid is not None:
                steps = self._stage.play(run.text, self._transcript.context).steps
                self._stage.prompts.append((run.uuid, run.text))
            self._note(lambda: self._transcript.run(run.uuid, self._model))
            run.began = True
            await self._play(steps, loop)
        except OverError as over:
            return over.end, over.text
        return End.DONE, self._last_words

    async def _play(self, steps: Sequence[Step], loop: Loop) -> None:  # noqa: C901, PLR0912 - one line per kind of step
        for step in steps:
            await self._desk.room()
            match step:
                case CallApi():
                    await self._call(step, loop)
                case Say(text):
                    self._say(text, loop)
                case Write(text, lasts):
                    if loop.name == MAIN_LOOP:
                        self._emit(Writing(text), record=False)
                    await self._pass(lasts)
                case UseTool():
                    if not await self._use(step, loop):
                        await self._play(step.if_denied, loop)
                        return
                case AskPerson():
                    await self._ask_person(step, loop)
                case SpawnSubAgents(agents):
                    await self._spawn(agents, loop)
                case Background():
                    await self._send_behind(step, loop)
                case Wait(lasts):
                    await self._pass(lasts)
                case TellQuota(window, percent, resets_in_s):
                    at_ms = None if resets_in_s is None else clock.now_ms() + round(resets_in_s * 1000)
                    self._emit(QuotaTold(window, percent, at_ms))
                case Fail(text):
                    raise OverError(End.ERROR, text)
                case Crash(reason):
                    await self._die(reason)

    # -------------------------------------------------------------------------------------------------------- the steps
    async def _call(self, step: CallApi, loop: Loop) -> None:
        if not loop.cleared:
            await self._boundary("the next call", loop)
        loop.cleared = False
        if loop.name == MAIN_LOOP:
            self._read_words()
        usage = Usage(step.model or self._model, step.tokens)
        call = CallMetered(f"{self.agent_session}:{self._transcript.calls + 1}", usage, loop.name)
        await anyio.lowlevel.checkpoint_if_cancelled()
        self._note(lambda: self._transcript.begun(call))
        await anyio.lowlevel.checkpoint_if_cancelled()  # A call that could not be noted does not go out.
        ended = False
        try:
            await self._pass(step.lasts)
            ended = True
        finally:
            self._charge(call if ended else cut(call))

    def _read_words(self) -> None:
        while self._words:
            uuid, text = self._words.pop(0)
            self._note(lambda uuid=uuid: self._transcript.steered(uuid))
            self._stage.steered.append((uuid, text))
            self._emit(Steered(uuid), record=False)

    def _charge(self, call: CallMetered) -> None:
        self._stage.charges.append(Charge(self._session_id, call))
        so_far = self._unreported.get(call.usage.model)
        tokens = call.usage.tokens if so_far is None else so_far.tokens + call.usage.tokens
        self._unreported[call.usage.model] = replace(call.usage, tokens=tokens)
        self._emit(call)

    def _say(self, text: str, loop: Loop) -> None:
        if loop.name != MAIN_LOOP:
            return
        self._last_words = text.replace("{answer}", self._answer)
        self._emit(Said(self._last_words))

    async def _use(self, step: UseTool, loop: Loop) -> bool:
        """Use a tool; False: the person said no, and the script has something else for that."""
        await self._boundary(step.title, loop)
        if step.asks_permission and step.title not in self._remembered:
            answer = await self._desk.ask(
                lambda name: AskedPermission(name, step.title, step.subject, step.subject, can_remember=True),
                (AllowTool, DenyTool),
            )
            if isinstance(answer, DenyTool):
                return not step.if_denied
            if isinstance(answer, AllowTool) and answer.for_session:
                self._remembered.add(step.title)
        self._emit(Acted(step.title, step.subject, loop.name))
        await self._pass(step.lasts)
        if step.tests is not None:
            self._emit(Ran(*step.tests, loop.name), record=False)
        return True

    async def _ask_person(self, step: AskPerson, loop: Loop) -> None:
        await self._boundary("a question", loop)
        answer = await self._desk.ask(lambda name: AskedQuestion(name, step.text, step.choices), (Words, DenyTool))
        self._answer = answer.text if isinstance(answer, Words) else ""

    async def _spawn(self, agents: Sequence[SubAgent], loop: Loop) -> None:
        for agent in agents:
            await self._boundary("Agent", loop)
            self._emit(Acted("Agent", agent.title, loop.name))
        async with anyio.create_task_group() as crew:
            for agent in agents:
                crew.start_soon(self._sub_agent, agent)

    async def _send_behind(self, step: Background, loop: Loop) -> None:
        for agent in step.agents:
            await self._boundary("Agent", loop)
            self._emit(Acted("Agent", agent.title, loop.name))
            self._background += 1
            self._emit(BackgroundChanged(self._background, 0))
            self._crew.start_soon(self._behind, agent, step.report)

    async def _behind(self, agent: SubAgent, report: tuple[Step, ...]) -> None:
        await self._sub_agent(agent)
        self._background -= 1
        self._emit(BackgroundChanged(self._background, 0))
        self._runs.append(Run(None, steps=report))
        self._bell.ring()

    async def _sub_agent(self, agent: SubAgent) -> None:
        """A loop of its own. As with real agents, the boundary of the tool that starts it covers its first call."""
        self._sub_agents += 1
        try:
            await self._play(agent.steps, Loop(f"agent-{self._sub_agents}"))
        except OverError:
            return  # Its end is a tool result for the loop above, which goes on.

    async def _die(self, reason: str) -> None:
        self._desk.reason = reason
        self._life.cancel()
        await anyio.lowlevel.checkpoint()

    # ------------------------------------------------------------------------------------------- waiting and telling
    async def _boundary(self, before: str, loop: Loop) -> None:
        answer = await self._desk.ask(lambda name: Paused(name, before, loop.name), (GoOn, EndTurn))
        if isinstance(answer, EndTurn):
            raise OverError(End.HALTED, answer.reason)

    async def _pass(self, lasts: Lasts) -> None:
        if isinstance(lasts, anyio.Event):
            await lasts.wait()
        else:
            await self._stage.sleep(lasts * self._stage.pace)

    def _emit(self, event: AgentEvent, *, record: bool = True) -> None:
        self._desk.tell(event)
        if record:
            self._note(lambda: self._transcript.event(event))

    def _note(self, write: Callable[[], None]) -> None:
        """A transcript that cannot be written ends the client: what it did next could not be recovered."""
        try:
            write()
        except OSError as error:
            self._desk.reason = f"its transcript cannot be written: {error.strerror}"
            self._life.cancel()
