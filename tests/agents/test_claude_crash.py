"""The gateway is killed at the worst moments: nothing runs on, and what was spent is told afterwards, once."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.agents.supervise import is_alive
from gateway.domain.events import CallMetered, End, Exited, Finished, Paused
from gateway.domain.usage import Tokens
from gateway.ports import Launch, Process, Recovered
from tests.agents.claude_rig import ClaudeRig, claude_rig, running, until
from tests.agents.contract import U1, U2, at_work, metered, said_totals
from tests.fakes.claude_binary import MISSING, find_claude
from tests.fakes.messages_api import Hold, Text, Tool

pytestmark = [pytest.mark.anyio, pytest.mark.claude, pytest.mark.skipif(find_claude() is None, reason=MISSING)]

MARK = f"tollbridge-crash-{os.getpid()}"
LONG = f"python3 -c 'import time; time.sleep(600)' {MARK}"


@dataclass
class Doomed:
    """The other gateway, as the test sees it."""

    rig: ClaudeRig
    child: subprocess.Popen[bytes]
    events: list[dict[str, Any]] = field(default_factory=list)
    process: Process | None = None
    session: str = ""

    async def until(self, event: str, before: str | None = None) -> None:
        """Read its reports up to this one."""
        with anyio.fail_after(30):
            while True:
                told = json.loads(await anyio.to_thread.run_sync(self.child.stdout.readline))  # type: ignore[union-attr]
                if "pid" in told:
                    self.process = Process("s_1", told["pid"], told["started"], told["journal"])
                    self.session = told["session"]
                self.events.append(told)
                if told.get("event") == event and (before is None or before in (told["before"] or "")):
                    return

    async def die(self) -> Recovered:
        """SIGKILL it, then recover as the next gateway would."""
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()
        assert self.process is not None
        launch = Launch("s_1", self.rig.launch.directory, self.session)
        with anyio.fail_after(40):
            found = await self.rig.agent.recover(launch, self.process, U1)
        assert not is_alive(self.process)
        assert not running(self.process.journal)
        return found

    @property
    def known_calls(self) -> set[str]:
        """What it had metered before it died."""
        return {told["call"] for told in self.events if told.get("call")}


@asynccontextmanager
async def doomed(rig: ClaudeRig, tmp_path: Path, hold: int = 0) -> AsyncIterator[Doomed]:
    """Start it on its way."""
    order = {
        "home": str(tmp_path / "home"),
        "command": str(find_claude()),
        "environ": rig.agent._environ,
        "directory": rig.launch.directory,
        "session": None,
        "uuid": U1,
        "text": "one",
        "hold": hold,
    }
    child = subprocess.Popen(  # noqa: ASYNC220 - it is the other gateway, and returns at once
        [sys.executable, "-m", "tests.agents.doomed_gateway", json.dumps(order)], stdout=subprocess.PIPE
    )
    try:
        yield Doomed(rig, child)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()  # type: ignore[union-attr]


def calls(found: Recovered) -> list[CallMetered]:
    """The calls that recovery tells."""
    return [event for event in found.events if isinstance(event, CallMetered)]


def charged(rig: ClaudeRig) -> Tokens:
    """What the API charged in all."""
    c = rig.api.total()
    return Tokens(c.input, c.cache_read, c.cache_write_5m, c.cache_write_1h, 0, c.output)


async def test_killed_in_mid_stream_the_cut_call_is_a_lower_bound(tmp_path: Path) -> None:
    """The client is stopped at once; its own total covers the cut call, and the calls before are exact."""
    async with claude_rig(tmp_path) as rig, doomed(rig, tmp_path) as other:
        hold = Hold()
        rig.plan([Text("step"), Tool("Bash", {"command": "echo hi"})], [Text("half an answer"), hold], Text("never"))
        await other.until("Paused", "the next call")
        await other.until("Said")
        await anyio.to_thread.run_sync(hold.wait_reached)
        found = await other.die()
        assert found.prompt_known
        assert [call.ended for call in calls(found)] == [True, False]
        assert other.known_calls == {calls(found)[0].call_id}
        (end,) = [event for event in found.events if isinstance(event, Finished)]
        assert (end.end, end.prompt_uuid) == (End.INTERRUPTED, U1)
        assert metered(calls(found)).context == said_totals([end]).context == charged(rig).context
        assert len(rig.api.calls()) == 2


async def test_killed_while_a_tool_runs_the_tool_is_ended_too(tmp_path: Path) -> None:
    """A command of the agent does not outlive the gateway."""
    async with claude_rig(tmp_path) as rig, doomed(rig, tmp_path) as other:
        rig.plan([Tool("Bash", {"command": LONG})], Text("never"))
        await other.until("Paused", "Bash")
        await until(lambda: running(MARK))
        found = await other.die()
        assert not running(MARK)
        assert found.prompt_known
        assert metered(calls(found)) == charged(rig)
        assert len(rig.api.calls()) == 1


@pytest.mark.parametrize("boundary", [1, 2, 3])
async def test_killed_while_paused_no_call_slips_through(tmp_path: Path, boundary: int) -> None:
    """The client takes the end of its input for leave to go on: it is stopped before it can."""
    async with claude_rig(tmp_path) as rig, doomed(rig, tmp_path, hold=boundary) as other:
        await rig.tools(3)
        for _ in range(boundary):
            await other.until("Paused")
        found = await other.die()
        await rig.quiet()
        assert len(rig.api.calls()) == (0 if boundary == 1 else 1)
        assert metered(calls(found)) == charged(rig)
        assert not [event for event in found.events if isinstance(event, Paused)]


async def test_killed_while_a_background_agent_works_it_is_stopped(tmp_path: Path) -> None:
    """A sub-agent in mid-stream ends with the gateway; its call is told as far as anyone knows it."""
    async with claude_rig(tmp_path) as rig, doomed(rig, tmp_path) as other:
        hold = Hold()
        spawn = {"description": "d", "prompt": "work", "subagent_type": "general-purpose", "run_in_background": True}
        rig.plan([Tool("Agent", spawn)], Text("done"))
        rig.api.script([[Text("looking"), Tool("Bash", {"command": "echo hi"})], [Text("still"), hold]], kind="sub")
        await other.until("Finished")
        await anyio.to_thread.run_sync(hold.wait_reached)
        found = await other.die()
        await rig.quiet()
        assert found.prompt_known
        assert len(rig.api.calls()) == 4
        ended = [call for call in calls(found) if call.ended]
        assert sorted(call.usage.tokens.input for call in ended) == sorted(tokens.input for tokens in rig.charged())


async def test_killed_before_the_client_had_it_the_prompt_is_unknown(tmp_path: Path) -> None:
    """A prompt that never became part of the conversation may be sent again; sent again it runs once."""
    async with claude_rig(tmp_path) as rig:
        async with doomed(rig, tmp_path, hold=1) as other:
            await rig.answer("hello")
            await other.until("Paused")
            found = await other.die()
        assert not found.prompt_known or [event.end for event in found.events if isinstance(event, Finished)]
        launch = Launch("s_1", rig.launch.directory, other.session)
        assert not (await rig.agent.recover(launch, None, U2)).prompt_known
        async with at_work(rig.agent, launch) as (client, seen):
            await client.prompt(U2, "one")
            assert (await seen.finished()).text == "hello"


async def test_the_warden_is_killed_and_nothing_is_left(tmp_path: Path) -> None:
    """Without its warden the client dies; what it left behind carries a mark and is found."""
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        rig.plan([Tool("Bash", {"command": LONG + "-w"})], Text("never"))
        await client.prompt(U1, "one")
        await until(lambda: running(MARK + "-w"))
        os.kill(client.process.pid, signal.SIGKILL)
        with anyio.fail_after(30):
            await seen.until(Exited)
        await client.close()
        assert not running(MARK + "-w")
        assert metered(seen.calls) == charged(rig)


async def test_without_a_journal_the_transcripts_tell_the_calls(tmp_path: Path) -> None:
    """The journal is lost: the main loop's and the sub-agents' ended calls since the prompt are found all the same."""
    async with claude_rig(tmp_path) as rig:
        async with at_work(rig.agent, rig.launch) as (client, seen):
            await rig.answer("earlier")
            await rig.sub_agents(foreground=2)
            await client.prompt(U2, "before")
            await seen.finished()
            await client.prompt(U1, "one")
            await seen.finished(2)
        Path(client.process.journal).unlink()  # noqa: ASYNC240
        launch = Launch("s_1", rig.launch.directory, client.agent_session)
        found = await rig.agent.recover(launch, client.process, U1)
        assert found.prompt_known
        assert metered(calls(found)) == metered(seen.calls[1:])
        assert {call.call_id for call in calls(found)} == {call.call_id for call in seen.calls[1:]}


async def test_the_journal_holds_the_last_prompt_and_the_conversation_can_be_unknown(tmp_path: Path) -> None:
    """Settled prompts leave the journal; a gateway that never learnt the conversation's name finds it in there."""
    async with claude_rig(tmp_path) as rig:
        async with at_work(rig.agent, rig.launch) as (client, seen):
            await rig.answer("first")
            await rig.tools(2)
            await client.prompt(U1, "one")
            await seen.finished()
            await client.prompt(U2, "two")
            await seen.finished(2)
        found = await rig.agent.recover(rig.launch, client.process, U2)
        assert found.prompt_known
        assert [call.call_id for call in calls(found)] == [call.call_id for call in seen.calls[1:]]
        assert [event for event in found.events if isinstance(event, Finished)] == [seen.of(Finished)[1]]
