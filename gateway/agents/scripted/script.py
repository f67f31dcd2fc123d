"""What the scripted agent can be told to do: plain values, played in order by one loop."""

from collections.abc import Callable
from dataclasses import dataclass

import anyio

from gateway.domain.usage import Tokens

Lasts = float | anyio.Event
"""How long something takes: seconds at normal pace, or until an event is set."""


@dataclass(frozen=True, slots=True)
class CallApi:
    """One API call that is charged with these tokens. `model` None: the session's."""

    tokens: Tokens
    lasts: Lasts = 0.0
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Say:
    """A text block; `{answer}` in it becomes the person's last answer. Sub-agents say it to nobody."""

    text: str


@dataclass(frozen=True, slots=True)
class Write:
    """So much of a text block is written; a Say with all of it follows."""

    text: str
    lasts: Lasts = 0.0


@dataclass(frozen=True, slots=True)
class UseTool:
    """A tool. `if_denied`, where given, is played instead of all that follows when the person says no. `tests`: it runs these, and they
    pass, or do not.
    """

    title: str
    subject: str = ""
    asks_permission: bool = False
    lasts: Lasts = 0.0
    if_denied: "tuple[Step, ...]" = ()
    tests: tuple[str, bool | None] | None = None


@dataclass(frozen=True, slots=True)
class AskPerson:
    """A question with fixed choices; none: free text."""

    text: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SubAgent:
    """A sub-agent: what it is for, and what it does in a loop of its own."""

    title: str
    steps: "tuple[Step, ...]"


@dataclass(frozen=True, slots=True)
class SpawnSubAgents:
    """Sub-agents that work side by side while the loop waits for all of them."""

    agents: tuple[SubAgent, ...]


@dataclass(frozen=True, slots=True)
class Background:
    """Sub-agents that work on behind the scenes; each that ends starts a run nobody asked for, which plays `report`."""

    agents: tuple[SubAgent, ...]
    report: "tuple[Step, ...]" = (CallApi(Tokens(input=12, cache_read=1_800, output=60)), Say("A sub-agent is done."))


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing happens for a while."""

    lasts: Lasts


@dataclass(frozen=True, slots=True)
class TellQuota:
    """The agent tells how much of a subscription's window is used; `resets_in_s` None: not when it begins anew."""

    window: str
    percent: int
    resets_in_s: float | None = None


@dataclass(frozen=True, slots=True)
class Fail:
    """The run ends with an error of the agent or its API."""

    text: str


@dataclass(frozen=True, slots=True)
class Crash:
    """The agent's process dies, with everything it started."""

    reason: str = "the agent crashed"


Step = CallApi | Say | Write | UseTool | AskPerson | SpawnSubAgents | Background | Wait | TellQuota | Fail | Crash


@dataclass(frozen=True, slots=True)
class Script:
    """What one prompt sets going."""

    steps: tuple[Step, ...]


Play = Callable[[str, int], Script]
"""What a prompt sets going: (its text, tokens that stand in the conversation's context already) -> Script."""
