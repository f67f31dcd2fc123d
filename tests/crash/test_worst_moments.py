"""Moments that need aim: what dies is the whole machine, the warden, the client, or the gateway right behind a decision."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from gateway.domain.turn import Origin, TurnState
from gateway.domain.usage import Flag
from tests.crash import books
from tests.crash.model import LATEST, works
from tests.crash.rig import Gateway, Machine, machine
from tests.fakes.messages_api import Charged, Counts, Hold, Text, Tool
from tests.fakes.messages_script import Step

pytestmark = [pytest.mark.anyio, pytest.mark.claude]

JOB = "job 1"
HUGE = Charged(Counts(input=400, cache_read=985_000, cache_write_5m=3_000, cache_write_1h=300, output=90))
"""So large a context that the client compacts the conversation before its next call."""


async def power_fails(here: Machine, gateway: Gateway) -> None:
    """Everything dies at once: the wardens cannot wind anything up."""
    pids = [gateway.pid, *(alive.pid for alive in here.agents())]
    here.deaths.append(time.monotonic())
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    await gateway.died()


async def in_a_thread(wait: Callable[[], None]) -> None:
    """Wait for the API without holding up the loop."""
    await anyio.to_thread.run_sync(wait)


async def goes_on(here: Machine, gateway: Gateway) -> books.Books:
    """The gateway brings the job to its end, and all is as it should be."""
    await here.phone.waits_for(f"{LATEST}{JOB}.", timeout=120)
    await gateway.until("recovered")
    await here.rests()
    assert await gateway.stop() == 0
    return books.check(here, [JOB])


@pytest.mark.parametrize("moment", ["request", "stream", "tool"])
async def test_the_power_fails_before_the_prompt_is_on_disk(tmp_path: Path, moment: str) -> None:
    """The first request is out and the transcript does not have the prompt yet: it is sent again, stands once, and the call is flagged."""
    async with machine(tmp_path) as here:
        hold = Hold(before_start=moment == "request")
        first: list[Step] = {"request": [hold], "stream": [Text("half a"), hold], "tool": []}[moment]
        if first:
            here.api.script([first])
        works(here.api, here.place / "work")
        here.clicker(here.phone)
        gateway = await here.start()
        here.phone.says(JOB)
        await in_a_thread(hold.wait_reached if first else lambda: here.api.wait_for_calls(1, ended=True))
        await power_fails(here, gateway)
        on_disk = any(JOB in file.read_text() for file in here.place.glob("claude/config/projects/*/*.jsonl"))
        account = await goes_on(here, await here.start())
        seen = here.api.prompts_seen()[JOB]
        sys.stdout.write(f"{moment}: in the transcript {on_disk}, {seen}, {dict(account.states)}\n")
        assert seen.attempts == (1 if on_disk else 2)
        assert len(account.turns) == seen.in_conversation + on_disk


async def test_a_compaction_that_was_booked_before_the_kill_is_not_booked_again(tmp_path: Path) -> None:
    """No line of the client shows a compaction, only its sums: what the first gateway booked of it the second one knows."""
    async with machine(tmp_path) as here:
        hold = Hold()
        here.api.script([[HUGE, Tool("Bash", {"command": "ls"})], [Text("half a"), hold]])
        works(here.api, here.place / "work")
        gateway = await here.start()
        here.phone.says(JOB)
        await in_a_thread(hold.wait_reached)
        await gateway.until("call.booked", 2)
        await here.kill(gateway)
        gateway = await here.start()
        await here.phone.waits_for("The gateway stopped while this was at work")
        assert await gateway.stop() == 0
        [turn] = books.read(here).turns
        charged, tokens = here.api.total(), turn.tokens
        booked = (tokens.input, tokens.cache_read, tokens.cache_write_5m, tokens.cache_write_1h)
        assert [charge.kind for charge in here.api.charges] == ["main", "compact", "main"]
        assert booked == (charged.input, charged.cache_read, charged.cache_write_5m, charged.cache_write_1h)
        assert Flag.LOWER_BOUND in turn.flags


SPAWN = Tool(
    "Agent",
    {"description": "look", "prompt": "Look around", "subagent_type": "general-purpose", "run_in_background": True},
)


@pytest.mark.parametrize("answered", [True, False])
async def test_killed_while_an_agent_works_behind_an_answer_the_answer_is_still_told(
    tmp_path: Path, answered: bool
) -> None:
    """The main loop had finished, a sub-agent was in a call: the turn is finished with its answer, that call is flagged."""
    async with machine(tmp_path) as here:
        hold = Hold(before_start=not answered)
        here.api.script([SPAWN, Text(f"{LATEST}{JOB}.")])
        here.api.script([Tool("Bash", {"command": "ls"}), [Text("half a"), hold]], kind="sub")
        gateway = await here.start()
        here.phone.says(JOB)
        await in_a_thread(hold.wait_reached)
        await in_a_thread(lambda: here.api.wait_for_calls(2, kind="main", ended=True))
        await gateway.until("call.booked", 3)
        await here.kill(gateway)
        account = await goes_on(here, await here.start())
        assert account.states == {"finished": 1}
        assert Flag.LOWER_BOUND in account.turns[0].flags


async def test_killed_in_a_run_that_nobody_asked_for_it_is_a_turn_of_its_own(tmp_path: Path) -> None:
    """The run that follows a background agent is cut: its calls are on its own turn, what came before keeps its books."""
    async with machine(tmp_path) as here:
        hold = Hold()
        here.api.script([SPAWN, Text(f"{LATEST}{JOB}."), Tool("Bash", {"command": "ls"}), [Text("half a"), hold]])
        here.api.script([Text("nothing here")], kind="sub")
        gateway = await here.start()
        here.phone.says(JOB)
        await in_a_thread(hold.wait_reached)
        await gateway.until("call.booked", 4)
        await here.kill(gateway)
        gateway = await here.start()
        asked = await here.phone.waits_for("The gateway stopped while this was at work", timeout=120)
        account = await goes_on(here, gateway)
        assert [button.text for button in asked.buttons] == ["Continue"]
        assert [(turn.origin, turn.state, turn.calls) for turn in account.turns] == [
            (Origin.PERSON, TurnState.FINISHED, 3),
            (Origin.BACKGROUND, TurnState.INTERRUPTED, 2),
        ]


async def test_a_stop_that_was_committed_before_the_kill_still_holds_after_it(tmp_path: Path) -> None:
    """/stop is said while the prompt waits at its first boundary, and everything dies: the prompt is not sent again."""
    async with machine(tmp_path) as here:
        works(here.api, here.place / "work")
        gateway = await here.start("inbox.handled", 2)
        here.phone.says(JOB)
        await gateway.until("turn.released")
        here.phone.says("/stop")
        await here.dies(gateway)
        gateway = await here.start()
        await gateway.until("recovered")
        await here.phone.waits_for("Stopp")
        assert await gateway.stop() == 0
        [turn] = books.read(here).turns
        assert turn.state is TurnState.STOPPED
        assert here.api.prompts_seen().get(JOB) is None or here.api.prompts_seen()[JOB].attempts == 1
        assert here.left() == set()


async def test_an_answer_that_died_with_the_gateway_is_taken_back(tmp_path: Path) -> None:
    """The tap on "Allow" is committed, the gateway dies before the agent has it: the question says so and has no buttons."""
    async with machine(tmp_path) as here:
        works(here.api, here.place / "work")
        here.clicker(here.phone)
        gateway = await here.start("inbox.handled", 2)
        here.phone.says(JOB)
        await here.dies(gateway)
        assert "wants to run" in here.phone.sees()[-1].text
        gateway = await here.start()
        question = await here.phone.waits_for("The agent that asked is gone.")
        assert question.buttons == ()
        await goes_on(here, gateway)


@pytest.mark.parametrize("victim", ["warden", "client"])
async def test_an_agents_process_is_killed_in_mid_stream(tmp_path: Path, victim: str) -> None:
    """The gateway lives on: what was spent is booked, nothing is left behind, and [Continue] goes on in a new client."""
    async with machine(tmp_path) as here:
        hold = Hold()
        here.api.script([Tool("Bash", {"command": "ls"}), [Text("half a"), hold]])
        works(here.api, here.place / "work")
        gateway = await here.start()
        here.phone.says(JOB)
        await in_a_thread(hold.wait_reached)
        is_victim = (
            (lambda command: "warden.py" in command)
            if victim == "warden"
            else (lambda command: "warden.py" not in command)
        )
        [alive, *_] = sorted((a for a in here.agents() if is_victim(a.command)), key=lambda a: a.pid)
        os.kill(alive.pid, signal.SIGKILL)
        here.deaths.append(time.monotonic())
        asked = await here.phone.waits_for("The agent's process ended", timeout=120)
        assert [button.text for button in asked.buttons] == ["Continue"]
        assert here.left() == set()
        here.clicker(here.phone)
        account = await goes_on(here, gateway)
        assert account.states == {"interrupted": 1, "finished": 1}
