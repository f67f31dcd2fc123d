"""Over real HTTP to the real Claude Code: what is said while it works, and copies of conversations, with every token in the ledger."""

from pathlib import Path

import anyio
import pytest

from gateway.domain.money import ZERO
from gateway.domain.turn import TurnState
from tests.fakes.messages_script import Hold, Text, Tool
from tests.journeys.rig import rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]

STEP = Tool("Bash", {"command": "echo 1", "description": "a step"})


async def test_a_message_that_is_steered_becomes_part_of_the_turn_at_work(tmp_path: Path) -> None:
    """The button under what waits; the API sees the words in mid-turn, and what they cost is the turn's own, to the token."""
    async with rig(tmp_path) as gateway:
        hold = Hold()
        gateway.api.script([[Text("Looking."), hold, STEP]], prompt="Format it")
        gateway.api.script([Text("With tabs, then.")], prompt="use tabs")
        gateway.phone.says("Format it")
        await anyio.to_thread.run_sync(hold.wait_reached)
        gateway.phone.says("use tabs")
        await gateway.taps("Queued as number 1", "Steer")
        await gateway.sees("Goes to the agent at its next step")
        hold.release()
        await gateway.sees("Told the agent while it works: use tabs")
        await gateway.sees("With tabs, then.")
        turns = await gateway.until(
            lambda turns: [one.state for one in turns] == [TurnState.FINISHED, TurnState.JOINED]
        )
        assert (turns[0].calls, turns[1].calls, turns[1].spent) == (2, 0, ZERO)
        await gateway.exact()


async def test_a_message_that_came_too_late_to_be_steered_runs_next_and_once(tmp_path: Path) -> None:
    """The agent had no further call to make: the words are a turn of their own, before the gate like any other."""
    async with rig(tmp_path) as gateway:
        hold = Hold()
        gateway.api.script([[Text("Nearly done."), hold]], prompt="Format it")
        gateway.api.script([Text("With tabs, then.")], prompt="use tabs")
        gateway.phone.says("Format it")
        await anyio.to_thread.run_sync(hold.wait_reached)
        gateway.phone.says("use tabs")
        await gateway.taps("Queued as number 1", "Steer")
        await gateway.sees("Goes to the agent at its next step")
        hold.release()
        await gateway.sees("With tabs, then.")
        await gateway.until(lambda turns: [one.state for one in turns] == [TurnState.FINISHED] * 2)
        assert gateway.api.prompts_seen()["use tabs"].in_conversation == 1
        await gateway.exact()


async def test_a_copy_of_a_conversation_knows_what_was_said_and_books_only_its_own_calls(tmp_path: Path) -> None:
    """`/fork`: another session with its own account; the first goes on as if there were no copy."""
    async with rig(tmp_path) as gateway:
        gateway.api.script([Text("Nice to meet you, Ada.")], prompt="I am Ada")
        gateway.api.script([Text("You are Ada.")], prompt="Who am I?")
        gateway.phone.says("I am Ada")
        await gateway.sees("Nice to meet you")
        await gateway.ended(TurnState.FINISHED)
        gateway.phone.says("/fork")
        await gateway.sees("Fork of I am Ada: it begins as a copy")
        gateway.phone.says("Who am I?")
        await gateway.sees("You are Ada.")
        turns = await gateway.until(lambda turns: [one.state for one in turns] == [TurnState.FINISHED] * 2)
        assert len({turn.session_id for turn in turns}) == 2
        assert [turn.calls for turn in turns] == [1, 1]
        assert len({call.session_id for call in gateway.api.charges}) == 2
        await gateway.exact()
