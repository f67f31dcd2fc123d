"""A kind of coding agent, and one that was started."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.domain.effects import Answer
from gateway.domain.events import AgentEvent
from gateway.ports.base import TollbridgeError


@dataclass(frozen=True, slots=True)
class AgentTraits:
    """What an agent can do, so that nothing is promised that it cannot keep."""

    name: str
    label: str
    """As people read it: "Claude Code"."""
    pauses: bool
    """It offers boundaries in mid-turn at which it can be held."""
    overshoot: str
    """What may still be spent after a limit is met, in words."""
    list_price: bool = False
    """Its user may be on a subscription: dollars are list prices."""
    switches_model: bool = False
    """It can go on with a conversation on another model."""
    steers: bool = False
    """It can be told something while it works, as part of the run at work."""
    forks: bool = False
    """A conversation of it can go on as a copy, while the one that was copied stays as it is."""
    modes: tuple[str, ...] = ()
    """Ways of working that people may choose for a session; the first is the usual one."""
    unasking: frozenset[str] = frozenset()
    """Those of them in which it does some of what it asks about in the others: whoever answers its questions chooses these."""
    attached: str = ""
    """Not empty: people start and end it themselves, where they sit; it is there or not, and a turn may begin there. The name of
    the agent with which the gateway can go on with its conversations."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start an agent for a session. `agent_session` set: go on with that conversation of the agent's."""

    session_id: str
    directory: str
    agent_session: str | None = None
    model: str | None = None
    mode: str = ""
    """One of the traits' modes; empty: the usual one."""
    folder: str = ""
    """Where what people send for it is saved: it may read there too."""
    forked_from: str = ""
    """Not empty: the conversation `agent_session`, while there is none of that name yet, begins as a copy of this one."""


@dataclass(frozen=True, slots=True)
class Process:
    """Enough to find a started agent again and to know it from a stranger with the same pid.

    `started` is the process's start time as the system tells it; `journal` a file that holds what the agent said.
    """

    session_id: str
    pid: int
    started: str
    journal: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """What is known of a prompt after a crash: whether the agent had it, and what it did with it, in order."""

    prompt_known: bool
    events: tuple[AgentEvent, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """One that an agent can go on with, by its own name for it: the first words of it, and when it was last added to."""

    agent_session: str
    title: str
    last_at_ms: int


class AgentUnavailableError(TollbridgeError):
    """The agent cannot be started: not installed, not signed in, or the directory is gone."""


class AgentAwayError(AgentUnavailableError):
    """An agent that people start themselves takes no prompt now: what was written to it waits until it does."""


class Client(Protocol):
    """One started agent. At most one prompt is at work at a time."""

    process: Process
    agent_session: str

    @property
    def listens(self) -> bool:
        """It takes prompts now. One that the gateway has started always does."""
        ...

    def events(self) -> AsyncIterator[AgentEvent]:
        """What it does, in order; the last event is Exited. One consumer.

        Calls are metered before the boundary after them. Every run begins with Started and then a Paused boundary before
        its first call, also a run that no prompt started: EndTurn there ends it without any call.
        """
        ...

    async def prompt(self, uuid: str, text: str, attributes: Mapping[str, str] | None = None) -> None:
        """Hand over a prompt. The same uuid is never run twice. Raises AgentUnavailableError, AgentAwayError.

        `attributes`: what `core.quoting.attributes` says of its message, for an agent that can be told beside the text.
        """
        ...

    async def respond(self, request_id: str, answer: Answer) -> bool:
        """Answer what it waits for; False: it no longer waits. True only once the agent's side has taken the answer."""
        ...

    async def steer(self, uuid: str, text: str, into: str) -> bool:
        """Have the agent read these words before its next call of the main loop, in the run of the prompt `into`; False: that is not
        at work, or the agent cannot (see the traits).

        True: Steered follows once it has them, before Finished of that run. If it does not, the agent never had them, and never will:
        they begin no run of their own. Only where Exited comes instead, `recover` tells whether it had them, by the uuid.
        """
        ...

    async def interrupt(self) -> None:
        """Stop the present run; Finished(INTERRUPTED) follows."""
        ...

    async def use_model(self, model: str) -> bool:
        """Use this model from the next prompt on at the latest, and make no call for that; False: it stays with the one it has.

        Raises AgentUnavailableError if it has ended.
        """
        ...

    async def use_mode(self, mode: str) -> bool:
        """Work in this mode (empty: the usual one) from the next prompt on, and make no call for that; False: it stays as it is.

        Raises AgentUnavailableError if it has ended.
        """
        ...

    async def close(self) -> None:
        """End the process and everything it started; idempotent. One that a person has started is only let go of, and goes on."""
        ...


class Agent(Protocol):
    """A kind of coding agent on this machine."""

    traits: AgentTraits

    async def start(self, launch: Launch) -> Client:
        """Start a client, ready for a prompt; it makes no API call by itself. Raises AgentUnavailableError."""
        ...

    async def recover(self, launch: Launch, process: Process | None, prompt_uuid: str) -> Recovered:
        """After a crash: end what is left of the process, then tell what became of the prompt."""
        ...

    async def conversations(self, directory: str, limit: int) -> tuple[Conversation, ...]:
        """The latest conversations that were had in a directory, also without the gateway, newest first."""
        ...
