"""kill -9 while words are on their way to an agent at work, or in the call that it reads them with: they run once, or are a part of it."""

import sys
from pathlib import Path

import anyio
import pytest

from gateway.domain.turn import TurnState
from tests.crash import books
from tests.crash.rig import machine
from tests.fakes.messages_api import Hold, Text, Tool

pytestmark = [pytest.mark.anyio, pytest.mark.claude]

JOB, WORDS = "job 1", "use tabs, please"
STEP = Tool("Bash", {"command": "ls", "description": "a step"})


def is_on_disk(place: Path) -> bool:
    """Whether the client has written down that a run took the words in."""
    files = place.glob("claude/config/projects/*/*.jsonl")
    return any('"queued_command"' in line and WORDS in line for file in files for line in file.read_text().splitlines())


@pytest.mark.parametrize("moment", ["on their way", "in a call"])
async def test_killed_while_words_are_told_they_are_told_once(tmp_path: Path, moment: str) -> None:
    """The agent's conversation decides at the next start: what it holds is not sent again, what it does not runs next."""
    async with machine(tmp_path) as here:
        first, second = Hold(), Hold()
        here.api.script([[Text("Looking."), first, STEP]], prompt=JOB)
        here.api.script([[Text("With tabs"), second]], prompt=WORDS)
        here.clicker(here.phone, lambda button: button.text == "Allow")
        gateway = await here.start()
        here.phone.says(JOB)
        await anyio.to_thread.run_sync(first.wait_reached)
        here.phone.says(WORDS)
        here.phone.taps("Steer", (await here.phone.waits_for("Queued as number 1")).message_id)
        await gateway.until("prompt.handed", 2)
        if moment == "in a call":
            first.release()
            await here.phone.waits_for(f"Told the agent while it works: {WORDS}", timeout=30)
            await anyio.to_thread.run_sync(second.wait_reached)
            with anyio.fail_after(30):
                while not is_on_disk(here.place):  # noqa: ASYNC110 - the client writes its transcript a little later
                    await anyio.sleep(0.02)
        await here.kill(gateway)
        with anyio.fail_after(30):
            while here.agents():  # noqa: ASYNC110 - what is released before its client is dead may still reach it
                await anyio.sleep(0.02)
        first.release()
        second.release()
        on_disk = is_on_disk(here.place)
        gateway = await here.start()
        await here.phone.waits_for("The gateway stopped while this was at work", timeout=60)
        if not on_disk and moment == "on their way":
            await here.phone.waits_for("With tabs", timeout=60)
        await gateway.until("recovered")
        await here.rests()
        assert await gateway.stop() == 0
        turns = {turn.prompt: turn for turn in books.read(here).turns}
        sys.stdout.write(f"{moment}: on disk {on_disk}, {[turn.state for turn in turns.values()]}\n")
        assert on_disk == (moment == "in a call")
        assert turns[JOB].state is TurnState.INTERRUPTED
        assert turns[WORDS].state is (TurnState.JOINED if on_disk else TurnState.FINISHED)
        assert here.api.prompts_seen()[WORDS].in_conversation == 1
