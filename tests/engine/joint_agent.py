"""An agent whose every step somebody else decides: what it calls, what that costs, when it ends. It keeps the Agent port's promises.

Nothing runs by itself. A loop is in a call (`CALLS`), stands at a boundary (`STANDS`), or waits for its sub-agents (`WAITS`).
"""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from gateway.agents.scripted.transcript import Transcript
from gateway.domain.effects import Answer, EndTurn, GoOn
from gateway.domain.events import AgentEvent, BackgroundChanged, CallMetered, End, Exited, Finished, Paused, Started
from gateway.domain.usage import MAIN_LOOP, NO_TOKENS, Tokens, Usage
from gateway.ports import AgentTraits, AgentUnavailableError, Conversation, Launch, Process, Recovered

MODEL = "claude-opus-4-8"
MYSTERY = "a-model-without-a-price"
TRAITS = AgentTraits("scripted", "Driven agent", pauses=True, overshoot="one call a loop")


class At(Enum):
    """Where a loop is."""

    CALLS = "calls"
    STANDS = "stands"
    WAITS = "waits"


@dataclass
class Loop:
    """A conversation with the model: the main one, or a sub-agent's."""

    name: str
    at: At = At.STANDS
    request: str = ""
    behind: bool = False
    call_id: str = ""


@dataclass
class DrivenAgent:
    """All conversations of one machine's agents; they outlive every gateway. `may_call` looks at each session before a call goes out."""

    may_call: Callable[[str], Awaitable[None]]
    traits: AgentTraits = TRAITS
    transcripts: dict[str, Transcript] = field(default_factory=dict[str, Transcript])
    charges: dict[str, Usage] = field(default_factory=dict[str, Usage])
    """By call: what the provider charges for it."""
    cut: set[str] = field(default_factory=set[str])
    """Calls that were in flight when their process died: nobody knows what they cost."""
    runs: dict[str, int] = field(default_factory=dict[str, int])
    """By prompt uuid: how often it got past its first boundary."""
    clients: list["DrivenClient"] = field(default_factory=list["DrivenClient"])

    async def start(self, launch: Launch) -> "DrivenClient":
        """Start a client."""
        name = launch.agent_session or f"{launch.session_id}-talk"
        transcript = self.transcripts.setdefault(name, Transcript(name, None))
        transcript.open()
        client = DrivenClient(self, launch.session_id, transcript)
        self.clients.append(client)
        return client

    async def conversations(self, directory: str, limit: int) -> tuple[Conversation, ...]:  # noqa: ARG002 - the port's signature
        """None."""
        return ()

    async def recover(self, launch: Launch, process: Process | None, prompt_uuid: str) -> Recovered:  # noqa: ARG002 - the port's signature
        """Tell from the transcript what became of the prompt."""
        for client in self.clients:
            if client.session_id == launch.session_id:
                client.die()
        transcript = self.transcripts.get(launch.agent_session or "")
        if transcript is None:
            return Recovered(prompt_known=False, events=())
        return Recovered(prompt_uuid in transcript.prompts, transcript.since(prompt_uuid))

    def crash(self) -> None:
        """The gateway died, and with it everything that it had started."""
        for client in self.clients:
            client.die()
        self.clients.clear()


class DrivenClient:
    """One client, driven from outside."""

    def __init__(self, agent: DrivenAgent, session_id: str, transcript: Transcript) -> None:
        self.agent_session = transcript.agent_session
        self.session_id = session_id
        self.process = Process(session_id, 1, "", "")
        self.told: deque[AgentEvent] = deque()
        self.gone = False
        self.running = False
        self.uuid: str | None = None
        self.loops: dict[str, Loop] = {}
        self._agent = agent
        self._transcript = transcript
        self._waiting: deque[str | None] = deque()
        self._totals: dict[str, Usage] = {}
        self._begun = False
        self._requests = 0
        self._subs = 0

    # ------------------------------------------------------------------------------------------------------- the port
    async def events(self) -> AsyncIterator[AgentEvent]:
        """What it did since it was listened to last."""
        while self.told:
            yield self.told.popleft()

    async def prompt(self, uuid: str, text: str, attributes: Mapping[str, str] | None = None) -> None:
        """Take a prompt; it begins when what runs has ended."""
        del text, attributes
        if self.gone:
            raise AgentUnavailableError("It is gone")
        if uuid not in self._transcript.prompts:
            self._waiting.append(uuid)
            self._next()

    async def respond(self, request_id: str, answer: Answer) -> bool:
        """Let a loop go on from its boundary, or end it there."""
        loop = next((one for one in self.loops.values() if one.at is At.STANDS and one.request == request_id), None)
        if loop is None or self.gone:
            return False
        if isinstance(answer, GoOn):
            await self._agent.may_call(self.session_id)
            self._call(loop)
        elif isinstance(answer, EndTurn):
            self._leave(loop)
        return True

    async def interrupt(self) -> None:
        """Stop the present run and what waits behind it; calls in flight are cut."""
        if not self.running:
            self._end_behind()
            return
        for uuid in self._waiting:
            self._tell(Finished(End.INTERRUPTED, "", uuid, ()), noted=False)
        self._waiting.clear()
        for loop in [one for one in self.loops.values() if not one.behind]:
            self._cut(loop)
        self._finish(End.INTERRUPTED)

    @property
    def listens(self) -> bool:
        return True

    async def steer(self, uuid: str, text: str, into: str) -> bool:  # noqa: ARG002 - the port's signature
        """It cannot be told anything while it works."""
        return False

    async def use_model(self, model: str) -> bool:  # noqa: ARG002 - the port's signature
        """It knows one model."""
        return False

    async def use_mode(self, mode: str) -> bool:  # noqa: ARG002 - the port's signature
        """It knows one mode."""
        return False

    async def close(self) -> None:
        """End the process."""
        if not self.gone:
            self.die()
            self._tell(Exited("closed"))

    # ----------------------------------------------------------------------------------------------------- the driver
    def die(self) -> None:
        """It is gone at once: calls in flight are charged nothing that anybody can know of."""
        self.gone, self.running = True, False
        self._agent.cut |= {loop.call_id for loop in self.calling()}
        self.loops.clear()
        self._waiting.clear()

    def begins_unasked(self) -> bool:
        """A run begins that no prompt started; False: another is at work."""
        if self.running or self.gone:
            return False
        self._waiting.append(None)
        self._next()
        return True

    def calling(self) -> list[Loop]:
        """The loops that are in a call."""
        return [loop for loop in self.loops.values() if loop.at is At.CALLS]

    def ends_call(self, loop: Loop, usage: Usage) -> None:
        """The call that the loop is in ends, and used this much; the loop comes to its next boundary."""
        self._meter(loop, usage)
        self._stand(loop, "the next call")

    def spawns(self, loop: Loop, usage: Usage, *, behind: bool) -> None:
        """The call ends, and a sub-agent begins; the boundary of the tool that starts it covers its first call."""
        self._meter(loop, usage)
        self._subs += 1
        sub = self.loops[f"sub-{self._subs}"] = Loop(f"sub-{self._subs}", behind=behind)
        self._call(sub)
        if behind:
            self._background()
            self._stand(loop, "the next call")
        else:
            loop.at = At.WAITS

    def ends(self, loop: Loop, usage: Usage, end: End, unseen: Usage | None, *, told: bool) -> None:
        """The loop's last call ends, and with the main loop its run; `unseen`: what only the totals hold; `told`: there are totals."""
        self._meter(loop, usage)
        if loop.name != MAIN_LOOP:
            self._leave(loop)
            return
        if unseen is not None and told:
            self._count(unseen)
        self._finish(end, told=told)

    # -------------------------------------------------------------------------------------------------------- inside
    def _next(self) -> None:
        if self.running or not self._waiting:
            return
        self.running, self._begun, self.uuid = True, False, self._waiting.popleft()
        main = self.loops[MAIN_LOOP] = Loop(MAIN_LOOP)
        self._tell(Started(self.agent_session, MODEL, self.uuid), noted=False)
        self._stand(main, "the first call")

    def _call(self, loop: Loop) -> None:
        if loop.name == MAIN_LOOP and not self._begun:
            self._begun = True
            self._transcript.run(self.uuid, MODEL)
            if self.uuid is not None:
                self._agent.runs[self.uuid] = self._agent.runs.get(self.uuid, 0) + 1
        loop.call_id, loop.at = f"{self.agent_session}:{self._transcript.calls + 1}", At.CALLS
        self._transcript.begun(CallMetered(loop.call_id, Usage(MODEL, NO_TOKENS), loop.name))

    def _meter(self, loop: Loop, usage: Usage, *, ended: bool = True) -> None:
        assert loop.at is At.CALLS
        self._agent.charges[loop.call_id] = usage
        self._count(usage)
        self._tell(CallMetered(loop.call_id, usage, loop.name, ended))

    def _count(self, usage: Usage) -> None:
        known = self._totals.get(usage.model)
        self._totals[usage.model] = usage if known is None else replace(usage, tokens=known.tokens + usage.tokens)

    def _stand(self, loop: Loop, before: str) -> None:
        self._requests += 1
        loop.at, loop.request = At.STANDS, f"{self.agent_session}-r{self._requests}"
        self._tell(Paused(loop.request, before, loop.name))

    def _cut(self, loop: Loop) -> None:
        if loop.at is At.CALLS:
            self._meter(loop, Usage(MODEL, Tokens(output=100)), ended=False)
        self.loops.pop(loop.name, None)

    def _leave(self, loop: Loop) -> None:
        """The loop ends at its boundary, or after its last call."""
        if loop.name == MAIN_LOOP:
            for other in [one for one in self.loops.values() if not one.behind and one is not loop]:
                self._cut(other)
            self._finish(End.HALTED)
            return
        self.loops.pop(loop.name, None)
        if loop.behind:
            self._background()
            return
        main = self.loops.get(MAIN_LOOP)
        if main is not None and main.at is At.WAITS and not self._in_front():
            self._stand(main, "the next call")

    def _in_front(self) -> bool:
        return any(one.name != MAIN_LOOP and not one.behind for one in self.loops.values())

    def _behind(self) -> int:
        return sum(one.behind for one in self.loops.values())

    def _background(self) -> None:
        self._tell(BackgroundChanged(self._behind(), 0))

    def _end_behind(self) -> None:
        for loop in [one for one in self.loops.values() if one.behind]:
            self._cut(loop)
        self._background()

    def _finish(self, end: End, *, told: bool = True) -> None:
        self.running = False
        for loop in [one for one in self.loops.values() if not one.behind]:
            self.loops.pop(loop.name)
        totals = tuple(self._totals.values()) if told else None
        self._totals.clear()
        self._tell(Finished(end, "Done.", self.uuid, totals, self._behind()), noted=self._begun)
        self._next()

    def _tell(self, event: AgentEvent, *, noted: bool = True) -> None:
        self.told.append(event)
        if noted and not isinstance(event, Exited):
            self._transcript.event(event)
