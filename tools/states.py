"""Draw docs/states.md from the table in gateway/core/turn.py.

Usage: python tools/states.py
"""

from pathlib import Path

from gateway.core.turn import ENDED, TRANSITIONS, diagram
from gateway.domain.turn import TurnState

PAGE = Path(__file__).resolve().parent.parent / "docs" / "states.md"

MEANINGS = {
    TurnState.QUEUED: "accepted; an earlier turn of its session is still at work, or the gate has not spoken yet",
    TurnState.ASKING: "a person was asked whether it may run; nothing was spent",
    TurnState.HELD: "money is set aside; the prompt is being handed to the agent",
    TurnState.RUNNING: "the agent has the prompt",
    TurnState.PAUSED: "at a limit; a person was asked; the agent waits, or was let go and can be continued",
    TurnState.FINISHED: "answered and settled",
    TurnState.FAILED: "the agent or its API reported an error; what it spent is booked",
    TurnState.REFUSED: "the gate or the person said no; nothing was spent",
    TurnState.STOPPED: "a person ended it after it had started",
    TurnState.INTERRUPTED: "a crash cut it short, or its agent ended; what it spent is booked, and [Continue] goes on",
    TurnState.JOINED: "its words went into another turn while that was at work, which paid for what came of them",
}


def page() -> str:
    """The whole page, from the table."""
    rows = [f"| `{state}` | {MEANINGS[state]} | {'yes' if state in ENDED else ''} |" for state in TurnState]
    steps = [f"| `{source}` | {step} | `{target}` |" for (source, step), target in TRANSITIONS.items()]
    return "\n".join(
        [
            "# The states of a turn",
            "",
            "Made from the table in `gateway/core/turn.py` by `tools/states.py`. `tollbridge report --json` uses these names.",
            "",
            "| state | meaning | ended |",
            "|---|---|---|",
            *rows,
            "",
            "```mermaid",
            diagram().rstrip(),
            "```",
            "",
            "| from | step | to |",
            "|---|---|---|",
            *steps,
            "",
        ]
    )


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
