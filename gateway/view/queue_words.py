"""What waits: behind other work, or since nobody was there to take it."""

from typing import Final

from gateway.domain.money import Usd
from gateway.view.figure_words import ago

RUN_NOW: Final = "Run now"
STEER: Final = "Steer"
DROP: Final = "Drop"
STOP: Final = "Stop"
RUN_ALL: Final = "Run all"
CHOOSE: Final = "Choose"
DROP_ALL: Final = "Drop all"
RUN: Final = "Run"
HAS_BEGUN: Final = "Its turn has come."
GAVE_WAY: Final = "Not run: another message goes first. Write it again to have it run."
"""Of what was only asked about, when a person has another one run now."""
DROPPED: Final = "Dropped: it does not run."
NOT_WAITING: Final = "This does not wait any more."
CHANGED: Final = "Changed: what runs is what the message says now."
FIRST_VERSION: Final = "I use the first version; /stop and write again."
"""Of a message that was changed when it was at work already."""
TOO_LATE: Final = "A change counts only while a message waits: write it again, as a new one."
"""The same when it was not at work any more, or never was to be."""
NONE_LATE: Final = "None of these messages waits any more."


def queued(place: int, title: str, *, asked: bool) -> str:
    """A message waits behind others; `title` is escaped. `asked`: a question about one of them waits for an answer."""
    if asked:
        how = "A question above waits for your answer first, or /stop. To answer in words, reply to the question."
    else:
        how = "It runs when its turn comes."
    return f"Queued as number {place}: {title}\n{how}"


STEERING: Final = "Goes to the agent at its next step, as part of what it does now."
NOT_STEERED: Final = "The agent was done before it could be told this: it runs next, as a turn of its own."
NOTHING_TO_STEER: Final = "Nothing of yours is at work that this can be told to: it waits for its turn."


def steered(title: str) -> str:
    """The agent has it. `title` is escaped."""
    return f"Told the agent while it works: {title}"


def joined(turn_id: str) -> str:
    """What became of a message that the agent was told while it worked at this turn."""
    return f"told the agent while it worked at {turn_id}" if turn_id else "told the agent while it worked"


def full(waiting: int) -> str:
    """Too many messages wait."""
    return f"{waiting} messages wait already: wait for them, or /stop."


def runs_next(title: str) -> str:
    """It goes before the others; what is at work is stopped for it. `title` is escaped."""
    return f"Runs next, before anything else that waits: {title}"


def late(count: int, minutes: int, cost: Usd | None) -> str:
    """Messages came while nobody was there to take them. `cost`: what they would cost together, as far as that is known."""
    about = "" if cost is None else f", about {cost}"
    if count == 1:
        return f"A message waits that was sent {ago(minutes)}{about}: too long ago to run unasked."
    return f"{count} messages wait, the oldest sent {ago(minutes)}{about}: too long ago to run unasked."


def late_one(title: str, minutes: int, cost: Usd | None) -> str:
    """One of them. `title` is escaped."""
    about = "" if cost is None else f", about {cost}"
    return f"Sent {ago(minutes)}{about}: {title}"


def late_run(count: int) -> str:
    """All of them run now."""
    return "It runs now." if count == 1 else f"All {count} run now, one after the other."


def late_dropped(count: int) -> str:
    """None of them runs."""
    return DROPPED if count == 1 else f"Dropped: none of the {count} runs."
