"""Sentences about what waits, in English."""

import pytest

from gateway.domain.money import Usd
from gateway.view import queue_words

FOUR = Usd.parse("4")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (queue_words.full(8), "8 messages wait already: wait for them, or /stop."),
        (queue_words.queued(3, "Fix it", asked=False), "Queued as number 3: Fix it\nIt runs when its turn comes."),
        (
            queue_words.queued(3, "Fix it", asked=True),
            (
                "Queued as number 3: Fix it\nA question above waits for your answer first, or /stop. To answer in words, "
                "reply to the question."
            ),
        ),
        (queue_words.runs_next("Fix it"), "Runs next, before anything else that waits: Fix it"),
        (
            queue_words.late(1, 20, FOUR),
            "A message waits that was sent 20 min ago, about $4.00: too long ago to run unasked.",
        ),
        (
            queue_words.late(12, 60, None),
            "12 messages wait, the oldest sent 1 h ago: too long ago to run unasked.",
        ),
        (queue_words.late_one("Fix it", 1, FOUR), "Sent 1 min ago, about $4.00: Fix it"),
        (queue_words.late_one("Fix it", 150, None), "Sent 2 h ago: Fix it"),
        (queue_words.late_run(1), "It runs now."),
        (queue_words.late_run(3), "All 3 run now, one after the other."),
        (queue_words.late_dropped(1), "Dropped: it does not run."),
        (queue_words.late_dropped(3), "Dropped: none of the 3 runs."),
        (queue_words.STEERING, "Goes to the agent at its next step, as part of what it does now."),
        (queue_words.steered("Fix it"), "Told the agent while it works: Fix it"),
        (queue_words.joined("t_1"), "told the agent while it worked at t_1"),
        (queue_words.joined(""), "told the agent while it worked"),
        (
            queue_words.NOT_STEERED,
            "The agent was done before it could be told this: it runs next, as a turn of its own.",
        ),
        (
            queue_words.NOTHING_TO_STEER,
            "Nothing of yours is at work that this can be told to: it waits for its turn.",
        ),
    ],
)
def test_what_waits_is_told_in_english(said: str, words: str) -> None:
    """Behind other work, or since it came too long ago: with every optional part there and not."""
    assert said == words
