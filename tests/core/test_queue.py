"""Which turn goes next, and which wait for a word."""

from dataclasses import replace

from gateway.core.queue import LATE_MS, ahead, came_late, is_late, is_steering, next_of, steered
from gateway.domain.turn import Origin, Outcome, OutcomeKind, TurnState
from gateway.domain.usage import Flag
from tests.core.make import turn

QUEUED = TurnState.QUEUED


def test_the_oldest_that_waits_is_next_where_nothing_is_at_work() -> None:
    """Whatever stands before it, in any other state, keeps it waiting."""
    one, two = turn(id="t_1", state=QUEUED), turn(id="t_2", state=QUEUED)
    assert next_of([one, two]) == one
    assert next_of([]) is None
    for state in (TurnState.ASKING, TurnState.HELD, TurnState.RUNNING, TurnState.PAUSED):
        assert next_of([turn(id="t_0", state=state), one]) is None


def test_what_a_person_has_put_first_goes_before_the_others_and_once() -> None:
    """While that one is at work, an older one that waits does not begin beside it."""
    old = turn(id="t_1", state=QUEUED)
    first = turn(id="t_2", state=QUEUED, flags=frozenset({Flag.FIRST}))
    assert next_of([old, first]) == first
    assert next_of([old, turn(id="t_2", state=TurnState.RUNNING, flags=frozenset({Flag.FIRST}))]) is None


def test_what_came_late_waits_for_a_word_and_keeps_nobody_up() -> None:
    """It neither goes by itself nor counts as work before another."""
    late, new = turn(id="t_1", state=QUEUED, flags=frozenset({Flag.LATE})), turn(id="t_2", state=QUEUED)
    assert is_late(late)
    assert next_of([late]) is None
    assert next_of([late, new]) == new
    assert ahead([late, new]) == [new]
    assert not is_late(turn(id="t_1", state=TurnState.RUNNING, flags=frozenset({Flag.LATE})))


def test_late_is_what_was_written_more_than_a_quarter_of_an_hour_ago() -> None:
    """Where the chat tells no time, nothing is late; nor is what a wrong clock dates in the future."""
    now = 10 * LATE_MS
    assert came_late(now - LATE_MS - 1, now)
    assert not came_late(now - LATE_MS, now)
    assert not came_late(now + 1, now)
    assert not came_late(0, now)


def test_words_on_their_way_to_the_agent_at_work_do_not_run_and_keep_nobody_up() -> None:
    """Not even once nothing is at work: it has to be known first whether the agent had them."""
    words = turn(id="t_1", state=QUEUED, flags=frozenset({Flag.STEERING}))
    other = turn(id="t_2", state=QUEUED)
    assert is_steering(words)
    assert next_of([words]) is None
    assert next_of([words, other]) == other
    assert ahead([words, other]) == [other]
    assert not is_steering(turn(id="t_1", state=TurnState.JOINED, flags=frozenset({Flag.STEERING})))


def test_words_go_into_what_the_same_person_asked_for_and_what_goes_on_working() -> None:
    """Not into another person's, a run that nobody asked for, one that waits for a yes or is being stopped; nor twice."""
    works = turn(id="t_1", state=TurnState.RUNNING)
    words = turn(id="t_2", state=QUEUED)
    assert steered(words, [works, words]) == works
    assert steered(words, [words]) is None
    assert steered(words, [replace(works, person="9"), words]) is None
    assert steered(words, [replace(works, origin=Origin.BACKGROUND), words]) is None
    assert steered(words, [replace(works, state=TurnState.PAUSED), words]) is None
    assert steered(words, [replace(works, outcome=Outcome(OutcomeKind.CANCELLED, "Stopped.")), words]) is None
    assert steered(replace(words, state=TurnState.ASKING), [works]) is None
    assert steered(replace(words, prompt="/compact"), [works]) is None
    for flag in (Flag.STEERING, Flag.LATE):
        assert steered(replace(words, flags=frozenset({flag})), [works]) is None
