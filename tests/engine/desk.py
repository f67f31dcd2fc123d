"""An agent that a person has started at the desk, as a test plays it: it tells, and notes what it is told.

What it promises the engine is what `gateway.agents.claude.desk` promises: tests/agents/test_desk_contract.py runs both.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import anyio

from gateway.agents.claude.telling import Telling
from gateway.domain.effects import Answer, EndTurn, GoOn
from gateway.domain.events import (
    AgentEvent,
    AskedPermission,
    AskedQuestion,
    CallMetered,
    End,
    Exited,
    Finished,
    Paused,
    Started,
    Withdrawn,
)
from gateway.domain.turn import TurnState
from gateway.domain.usage import Tokens, Usage
from gateway.ports import AgentAwayError, AgentTraits, Conversation, Launch, Process, Recovered
from tests.engine.bench import MODEL, Bench

HERE = "/work"


class DeskAgent:
    """The Agent port for what is opened at the desk: it starts nothing. `known`: whether its sessions have what they were told."""

    def __init__(self, *, known: bool = True) -> None:
        self.known = known

    traits = AgentTraits("channel", "Claude Code at the desk", pauses=True, overshoot="one call", attached="scripted")

    async def start(self, launch: Launch) -> "AtDesk":
        raise AgentAwayError(f"{launch.directory} is not open at the desk")

    async def conversations(self, directory: str, limit: int) -> tuple[Conversation, ...]:  # noqa: ARG002 - the port's signature
        """None."""
        return ()

    async def recover(self, launch: Launch, process: Process | None, prompt_uuid: str) -> Recovered:
        del launch, process
        return Recovered(prompt_known=self.known or not prompt_uuid, events=())


@dataclass
class AtDesk:
    """One session that is open at the desk."""

    agent_session: str
    listens: bool = False
    away: bool = False
    """It takes no prompt, though its channel is open."""
    prompts: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    told_of: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """The attributes of each prompt."""
    answers: dict[str, Answer] = field(default_factory=dict[str, Answer])
    process: Process = field(default_factory=lambda: Process("", 1, "", ""))
    refused: anyio.Event = field(default_factory=anyio.Event)
    _calls: int = 0

    def __post_init__(self) -> None:
        self._telling = Telling(anyio.Event())
        self._told = anyio.Event()
        self._waits: set[str] = set()
        """Boundaries that it stands at, and questions of it."""
        self._works = False

    # what the engine does
    async def events(self) -> AsyncIterator[AgentEvent]:
        async for event in self._telling.read():
            yield event

    async def prompt(self, uuid: str, text: str, attributes: Mapping[str, str] | None = None) -> None:
        if not self.listens or self.away or self._works:
            self.refused.set()
            raise AgentAwayError("nothing listens")
        self.prompts.append((uuid, text))
        self.told_of[uuid] = dict(attributes or {})
        self._ring()

    async def respond(self, request_id: str, answer: Answer) -> bool:
        if request_id not in self._waits:
            return False
        self._answered(request_id, answer)
        return True

    async def interrupt(self) -> None:
        self._ring()

    async def steer(self, uuid: str, text: str, into: str) -> bool:
        del uuid, text, into
        return False

    async def use_model(self, model: str) -> bool:
        del model
        return False

    async def use_mode(self, mode: str) -> bool:
        del mode
        return False

    async def close(self) -> None:
        self.gone("it was let go of")

    # what the test does
    def gone(self, why: str) -> None:
        """It is not there any more: what waits ends, and it says so, once."""
        if self._telling.gone.is_set():
            return
        self.listens = False
        for name in list(self._waits):
            self._answered(name, EndTurn(why))
        self.tell(Exited(why))
        self._telling.gone.set()
        self._telling.wake()

    def tell(self, *events: AgentEvent) -> None:
        """What it does; nothing more once it is gone."""
        for event in () if self._telling.gone.is_set() else events:
            match event:
                case Paused(name) | AskedPermission(name) | AskedQuestion(name):
                    self._waits.add(name)
                case Withdrawn(name):
                    self._waits.discard(name)
                case Started():
                    self._works = True
                case Finished(shows=shows):
                    self._works = False
                    self._waits |= {shows} - {""}
                case _:
                    pass
            self._telling.tell([event])

    async def types(self, text: str) -> Answer:
        """A person types a prompt: what the hook before its first call is told. Blocked there, no run begins."""
        answer = await self.stands(Started(self.agent_session, MODEL, None, typed=text))
        self._works = self._works and isinstance(answer, GoOn)
        return answer

    async def stands(self, *before: AgentEvent) -> Answer:
        """It stands at a boundary: what it is told there."""
        self._calls += 1
        name = f"boundary {self._calls}"
        if self._telling.gone.is_set():
            return EndTurn("it is gone")
        self.tell(*before, Paused(name, "the next call"))
        return await self.told(name)

    async def told(self, name: str) -> Answer:
        """What was answered to a request."""
        with anyio.fail_after(30):
            while name not in self.answers:
                await self._told.wait()
        return self.answers[name]

    async def prompted(self, count: int = 1) -> tuple[str, str]:
        """The prompt that was handed over last, once there are so many."""
        with anyio.fail_after(30):
            while len(self.prompts) < count:
                await self._told.wait()
        return self.prompts[-1]

    def calls(self, cents: int) -> CallMetered:
        """A call that costs so many cents."""
        self._calls += 1
        return CallMetered(f"call {self.agent_session} {self._calls}", Usage(MODEL, Tokens(output=400 * cents)))

    def ends(
        self, text: str = "All done.", uuid: str | None = None, end: End = End.DONE, *, told: bool = False
    ) -> Finished:
        """A run is over."""
        return Finished(end, text, uuid, None, told=told)

    def _answered(self, name: str, answer: Answer) -> None:
        self._waits.discard(name)
        self.answers[name] = answer
        self._ring()

    def _ring(self) -> None:
        self._told.set()
        self._told = anyio.Event()


async def attached(
    gateway: Bench,
    agent_session: str = "conversation",
    directory: str = HERE,
    *,
    listens: bool = True,
    unattended: bool = False,
) -> AtDesk:
    """A session that has just been opened at the desk."""
    client = AtDesk(agent_session, listens)
    assert await gateway.engine.attach("channel", client, directory, unattended=unattended) == ""
    return client


async def prints(gateway: Bench, agent_session: str, directory: str = HERE) -> AtDesk:
    """One that a program has opened for a single prompt, as `claude -p` does: nobody sits at it, and nothing is pushed into it."""
    return await attached(gateway, agent_session, directory, listens=False, unattended=True)


async def allowed(gateway: Bench) -> AtDesk:
    """One in which "dear" was typed and asked about, and may be sent again after the yes."""
    client = await attached(gateway)
    await client.types("dear")
    await gateway.taps("**dear**", "Run, up to $0.50")
    await gateway.until(lambda turns: turns[-1].state is TurnState.HELD)
    return client


async def current(gateway: Bench, agent_session: str = "conversation", *, listens: bool = True) -> AtDesk:
    """The current one of its thread: what the person writes goes to it."""
    client = await attached(gateway, agent_session, listens=listens)
    gateway.says("/sessions 1")
    await gateway.sees("this one")
    return client


async def handed(gateway: Bench, text: str, *, asked: bool = False) -> tuple[AtDesk, str]:
    """The current one, which has been handed what the person wrote, and the uuid of that prompt. `asked`: after a yes."""
    client = await current(gateway)
    gateway.says(text)
    if asked:
        await gateway.taps("Not enough history", "Run, up to $0.50")
    uuid, _ = await client.prompted()
    return client, uuid
