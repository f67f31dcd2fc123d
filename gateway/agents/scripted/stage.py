"""What scripted clients share and play on: the play and its books, a run, a loop, and a call that was stopped half-way."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import anyio

from gateway.agents.scripted.script import Play, Step
from gateway.domain.events import CallMetered, End


@dataclass(frozen=True, slots=True)
class Charge:
    """What the scripted agent really charged for one call, whoever metered it."""

    session_id: str
    call: CallMetered


@dataclass(slots=True)
class Stage:
    """What all clients of one scripted agent share: the play, its pace, and the books of what really happened."""

    play: Play
    model: str
    pace: float
    sleep: Callable[[float], Awaitable[None]]
    charges: list[Charge] = field(default_factory=list)
    prompts: list[tuple[str, str]] = field(default_factory=list)
    steered: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """One run: a prompt's, or one that nobody asked for (`uuid` None)."""

    uuid: str | None
    text: str = ""
    steps: tuple[Step, ...] = ()
    began: bool = False
    """It got past its first boundary: from there on the transcript knows it."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


@dataclass(slots=True)
class Loop:
    """One agent loop. `cleared`: a boundary was passed that also covers the next call."""

    name: str
    cleared: bool = True


class OverError(Exception):
    """A loop is over before its script is."""

    def __init__(self, end: End, text: str) -> None:
        super().__init__(text)
        self.end = end
        self.text = text


def cut(call: CallMetered) -> CallMetered:
    """A call that was stopped half-way: all that went in is charged, and half of what would have come out."""
    tokens = replace(call.usage.tokens, output=call.usage.tokens.output // 2, reasoning=0)
    return replace(call, usage=replace(call.usage, tokens=tokens), ended=False)
