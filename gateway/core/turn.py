"""The life of a turn: every transition in one table, from which the docs draw the diagram."""

from dataclasses import replace
from enum import StrEnum
from typing import Any, Final

from gateway.domain.turn import Turn, TurnState


class Step(StrEnum):
    """What moves a turn on."""

    ASK = "ask"
    """The gate asks a person."""
    ALLOW = "allow"
    """The gate took a hold."""
    REFUSE = "refuse"
    """The gate or the person said no, before anything was spent."""
    RELEASE = "release"
    """The prompt is handed to the agent."""
    JOIN = "join"
    """The agent has taken the words into the run that is at work."""
    RESEND = "resend"
    """After a crash: the agent never had the prompt, it is handed over again."""
    REQUEUE = "requeue"
    """What it was to be paid from is gone before the prompt was handed over: the gate decides anew."""
    PAUSE = "pause"
    """A limit was met; a person is asked."""
    RESUME = "resume"
    """A person said yes and the gate took more: the waiting agent goes on."""
    FINISH = "finish"
    FAIL = "fail"
    STOP = "stop"
    INTERRUPT = "interrupt"


TRANSITIONS: Final[dict[tuple[TurnState, Step], TurnState]] = {
    (TurnState.QUEUED, Step.ASK): TurnState.ASKING,
    (TurnState.QUEUED, Step.ALLOW): TurnState.HELD,
    (TurnState.QUEUED, Step.REFUSE): TurnState.REFUSED,
    (TurnState.QUEUED, Step.JOIN): TurnState.JOINED,
    (TurnState.ASKING, Step.ASK): TurnState.ASKING,
    (TurnState.ASKING, Step.ALLOW): TurnState.HELD,
    (TurnState.ASKING, Step.REFUSE): TurnState.REFUSED,
    (TurnState.HELD, Step.RELEASE): TurnState.RUNNING,
    (TurnState.HELD, Step.REQUEUE): TurnState.QUEUED,
    (TurnState.HELD, Step.FAIL): TurnState.FAILED,
    (TurnState.HELD, Step.STOP): TurnState.STOPPED,
    (TurnState.RUNNING, Step.RESEND): TurnState.HELD,
    (TurnState.RUNNING, Step.PAUSE): TurnState.PAUSED,
    (TurnState.RUNNING, Step.FINISH): TurnState.FINISHED,
    (TurnState.RUNNING, Step.FAIL): TurnState.FAILED,
    (TurnState.RUNNING, Step.STOP): TurnState.STOPPED,
    (TurnState.RUNNING, Step.INTERRUPT): TurnState.INTERRUPTED,
    (TurnState.PAUSED, Step.PAUSE): TurnState.PAUSED,
    (TurnState.PAUSED, Step.RESUME): TurnState.RUNNING,
    (TurnState.PAUSED, Step.ALLOW): TurnState.HELD,
    (TurnState.PAUSED, Step.FINISH): TurnState.FINISHED,
    (TurnState.PAUSED, Step.FAIL): TurnState.FAILED,
    (TurnState.PAUSED, Step.STOP): TurnState.STOPPED,
}

ENDED: Final = frozenset(TurnState) - {state for state, _ in TRANSITIONS}
"""States that nothing leads out of: the turn is settled or voided."""

CUT_SHORT: Final = frozenset({TurnState.STOPPED, TurnState.INTERRUPTED})
"""What a turn in these states cost is less than what it would have cost."""


class TransitionError(ValueError):
    """The step makes no sense in this state: a fault in the program, never in what a person did."""


def can(turn: Turn, step: Step) -> bool:
    """Whether the step leads anywhere from the state that the turn is in."""
    return (turn.state, step) in TRANSITIONS


def advance(turn: Turn, step: Step, **changes: Any) -> Turn:
    """The turn after the step, with the changes. Raises TransitionError."""
    state = TRANSITIONS.get((turn.state, step))
    if state is None:
        raise TransitionError(f"turn {turn.id} is {turn.state}: it cannot {step}")
    return replace(turn, state=state, **changes)


def diagram() -> str:
    """The table as a Mermaid state diagram, for the docs."""
    lines = ["stateDiagram-v2", "    [*] --> queued"]
    lines += [f"    {source} --> {target}: {step}" for (source, step), target in TRANSITIONS.items()]
    lines += [f"    {state} --> [*]" for state in TurnState if state in ENDED]
    return "\n".join(lines) + "\n"
