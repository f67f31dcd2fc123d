"""The real Claude Code client is told something while it works: in that run, or not at all."""

import json
from pathlib import Path

import pytest

from gateway.domain.effects import Answer, GoOn
from gateway.domain.events import AgentEvent, End, Paused, Started, Steered
from gateway.domain.usage import MAIN_LOOP
from tests.agents.claude_rig import claude_rig, until
from tests.agents.contract import U1, U2, U3, at_work, go_on, metered, said_totals
from tests.fakes.claude_binary import MISSING, find_claude
from tests.fakes.messages_api import Text, Tool

pytestmark = [pytest.mark.anyio, pytest.mark.claude, pytest.mark.skipif(find_claude() is None, reason=MISSING)]

WORDS = "use tabs, not spaces"


async def test_words_stand_in_the_next_request_of_the_run_at_work(tmp_path: Path) -> None:
    """The API sees them with the tool's result, in the same turn: two calls for one prompt, metered as they were charged."""
    async with claude_rig(tmp_path) as rig:
        held: list[str] = []

        def hold(event: AgentEvent) -> Answer | None:
            if isinstance(event, Paused) and seen.calls and not held:
                held.append(event.request_id)
                return None
            return go_on(event)

        async with at_work(rig.agent, rig.launch, hold) as (client, seen):
            await rig.tools(2)
            await client.prompt(U1, "go")
            await until(lambda: held)
            assert not await client.steer(U3, "/compact", U1)
            assert await client.steer(U2, WORDS, U1)
            assert await client.respond(held[0], GoOn())
            finished = await seen.finished()
            assert (finished.prompt_uuid, finished.end) == (U1, End.DONE)
            assert seen.of(Steered) == [Steered(U2)]
            assert [WORDS in asked for asked in rig.asked] == [False, True]
            assert metered(seen.calls) == said_totals([finished])


@pytest.mark.parametrize("slow", [0.0, 0.5], ids=["at once", "after a while"])
async def test_words_for_a_run_that_a_hook_of_the_project_ends_begin_no_run(tmp_path: Path, slow: float) -> None:
    """The client has them in its queue when the run ends: they are taken back, or their own run ends before its first call.

    The next prompt runs as if they had never been written, without them.
    """
    async with claude_rig(tmp_path) as rig:
        directory = Path(rig.launch.directory)
        (directory / ".claude").mkdir()
        told = directory / "stopped"
        # It ends one run only: what comes after it is to be seen.
        command = f"test -e {told} || {{ touch {told}; sleep {slow}; echo '{{\"continue\": false}}'; }}"
        hooks = {"PostToolBatch": [{"hooks": [{"type": "command", "command": command}]}]}
        (directory / ".claude" / "settings.json").write_text(json.dumps({"hooks": hooks}))
        rig.plan([Text("a"), Tool("Bash", {"command": "echo 1", "description": "a step"})], Text("never said"))
        rig.plan([Text("b"), Tool("Bash", {"command": "echo 2", "description": "a step"})], Text("after"))

        def answer(event: AgentEvent) -> Answer | None:
            if (
                isinstance(event, Paused)
                and event.loop == MAIN_LOOP
                and event.before == "the next call"
                and not told_once
            ):
                told_once.append(event.request_id)
                return None
            return go_on(event)

        told_once: list[str] = []
        async with at_work(rig.agent, rig.launch, answer) as (client, seen):
            await client.prompt(U1, "one")
            await until(lambda: told_once)
            assert await client.steer(U2, WORDS, U1)
            await client.respond(told_once[0], GoOn())
            assert (await seen.finished()).end is End.HALTED
            await client.prompt(U3, "two")
            second = await seen.finished(2)
            assert (second.prompt_uuid, second.end, second.text) == (U3, End.DONE, "after")
            assert seen.of(Steered) == []
            assert [one.prompt_uuid for one in seen.of(Started) if isinstance(one, Started)] == [U1, U3]
            assert [WORDS in asked for asked in rig.asked] == [False] * 3
            assert len(seen.calls) == 3
