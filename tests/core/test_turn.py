"""The life of a turn."""

import pytest

from gateway.core.turn import ENDED, TRANSITIONS, Step, TransitionError, advance, can, diagram
from gateway.domain.money import Usd
from gateway.domain.turn import Outcome, OutcomeKind, TurnState
from tests.core.make import turn

EVERY = [(state, step) for state in TurnState for step in Step]
UNSPENT = {TurnState.QUEUED, TurnState.ASKING, TurnState.REFUSED}


def reached_from(start: TurnState) -> set[TurnState]:
    """The state and every state that any steps lead to from it."""
    found, waiting = {start}, [start]
    while waiting:
        here = waiting.pop()
        for (source, _), target in TRANSITIONS.items():
            if source is here and target not in found:
                found.add(target)
                waiting.append(target)
    return found


def test_every_state_can_be_reached_from_the_queue() -> None:
    """No state is in the table for nothing."""
    assert reached_from(TurnState.QUEUED) == set(TurnState)


def test_every_step_leads_somewhere() -> None:
    """No step is in the table for nothing."""
    assert {step for _, step in TRANSITIONS} == set(Step)


def test_the_ended_states_are_these_six() -> None:
    """A turn ends finished, failed, refused, stopped, interrupted or as a part of another one, and in no other state."""
    assert {state.value for state in ENDED} == {"finished", "failed", "refused", "stopped", "interrupted", "joined"}


@pytest.mark.parametrize("state", sorted(set(TurnState) - ENDED))
def test_a_turn_that_has_not_ended_can_end(state: TurnState) -> None:
    """From every open state some steps lead to an end: no turn, and no hold of one, is stuck."""
    assert reached_from(state) & ENDED


@pytest.mark.parametrize("state", sorted(ENDED))
def test_nothing_leads_out_of_an_ended_state(state: TurnState) -> None:
    """What has ended stays as it ended."""
    assert reached_from(state) == {state}
    assert not any(can(turn(state=state), step) for step in Step)


@pytest.mark.parametrize("state", [TurnState.HELD, TurnState.RUNNING, TurnState.PAUSED])
def test_what_has_money_set_aside_can_always_be_stopped_and_can_fail(state: TurnState) -> None:
    """Whatever holds money, a person can stop it, and the agent's failure ends it."""
    assert TRANSITIONS[state, Step.STOP] is TurnState.STOPPED
    assert TRANSITIONS[state, Step.FAIL] is TurnState.FAILED


@pytest.mark.parametrize("state", [TurnState.RUNNING, TurnState.PAUSED])
def test_a_run_may_come_to_its_own_end_even_while_a_question_stands(state: TurnState) -> None:
    """The call in flight at the pause may have been the last one."""
    assert TRANSITIONS[state, Step.FINISH] is TurnState.FINISHED


NAMED = {
    Step.ASK: TurnState.ASKING,
    Step.ALLOW: TurnState.HELD,
    Step.REFUSE: TurnState.REFUSED,
    Step.RELEASE: TurnState.RUNNING,
    Step.RESEND: TurnState.HELD,
    Step.REQUEUE: TurnState.QUEUED,
    Step.PAUSE: TurnState.PAUSED,
    Step.RESUME: TurnState.RUNNING,
    Step.FINISH: TurnState.FINISHED,
    Step.FAIL: TurnState.FAILED,
    Step.STOP: TurnState.STOPPED,
    Step.INTERRUPT: TurnState.INTERRUPTED,
    Step.JOIN: TurnState.JOINED,
}


@pytest.mark.parametrize(("state", "step"), TRANSITIONS)
def test_a_step_leads_to_the_same_state_from_wherever_it_is_taken(state: TurnState, step: Step) -> None:
    """The name of a step says where it ends."""
    assert TRANSITIONS[state, step] is NAMED[step]


def test_only_a_running_turn_is_interrupted() -> None:
    """A crash or a refusal cuts short what runs; what waits goes on waiting."""
    assert [state for state, step in TRANSITIONS if step is Step.INTERRUPT] == [TurnState.RUNNING]


@pytest.mark.parametrize("state", [TurnState.QUEUED, TurnState.ASKING])
def test_what_has_not_started_is_refused_and_not_stopped(state: TurnState) -> None:
    """Before anything was spent, no means refused."""
    assert TRANSITIONS[state, Step.REFUSE] is TurnState.REFUSED
    assert not can(turn(state=state), Step.STOP)


def test_the_agent_gets_a_prompt_only_after_the_gate_took_a_hold() -> None:
    """Nothing runs that was not held first: RUNNING is reached from HELD, or from PAUSED by the gate's resume."""
    assert {(source, step) for (source, step), target in TRANSITIONS.items() if target is TurnState.RUNNING} == {
        (TurnState.HELD, Step.RELEASE),
        (TurnState.PAUSED, Step.RESUME),
    }
    assert {(source, step) for (source, step), target in TRANSITIONS.items() if target is TurnState.HELD} == {
        (TurnState.QUEUED, Step.ALLOW),
        (TurnState.ASKING, Step.ALLOW),
        (TurnState.PAUSED, Step.ALLOW),
        (TurnState.RUNNING, Step.RESEND),
    }


def test_refused_is_only_what_never_held_money() -> None:
    """The gate's no and the person's no come before the hold, so a refused turn has spent nothing."""
    assert {source for (source, _), target in TRANSITIONS.items() if target is TurnState.REFUSED} <= UNSPENT


def test_a_question_at_the_gate_may_be_asked_again() -> None:
    """A yes on a balance that has changed leads back to asking, and a paused turn may meet the next limit."""
    assert TRANSITIONS[TurnState.ASKING, Step.ASK] is TurnState.ASKING
    assert TRANSITIONS[TurnState.PAUSED, Step.PAUSE] is TurnState.PAUSED


@pytest.mark.parametrize(("state", "step"), EVERY)
def test_a_step_does_what_the_table_says_and_else_is_an_error(state: TurnState, step: Step) -> None:
    """Advancing follows the table; a step that it does not have raises and names turn, state and step."""
    before = turn(state=state)
    if (state, step) in TRANSITIONS:
        assert can(before, step)
        assert advance(before, step).state is TRANSITIONS[state, step]
    else:
        assert not can(before, step)
        with pytest.raises(TransitionError, match=f"turn t_1 is {state}: it cannot {step}"):
            advance(before, step)


def test_a_step_brings_its_changes_and_leaves_the_rest() -> None:
    """Changes are applied with the new state, and the turn that was advanced is still what it was."""
    before = turn(spent=Usd(5))
    outcome = Outcome(OutcomeKind.ANSWER, "done")
    after = advance(before, Step.FINISH, outcome=outcome, ended_at_ms=9)
    assert (after.state, after.outcome, after.ended_at_ms, after.spent) == (TurnState.FINISHED, outcome, 9, Usd(5))
    assert before.state is TurnState.RUNNING


def test_the_diagram_lists_every_transition_its_start_and_its_ends() -> None:
    """The drawing in the docs is the table, no more and no less."""
    lines = diagram().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> queued"]
    drawn = {line.strip() for line in lines[2:]}
    assert len(drawn) == len(lines) - 2
    assert drawn == {f"{source} --> {target}: {step}" for (source, step), target in TRANSITIONS.items()} | {
        f"{state} --> [*]" for state in ("finished", "failed", "refused", "stopped", "interrupted", "joined")
    }
    assert diagram().endswith("\n")
