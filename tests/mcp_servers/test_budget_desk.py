"""Who may speak for a session through the budget's relay: what its own client has started, looked at with each question."""

import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gateway import host
from gateway.agents.claude.desk import DeskAgent
from gateway.agents.scripted import ScriptedAgent
from gateway.domain.turn import TurnState
from gateway.engine import asked
from gateway.engine.asked import Pace
from gateway.engine.rules import Desk
from gateway.ports import Decision, Process
from tests.agents.test_claude_desk import process
from tests.engine.bench import OWNER, RULES, THREAD, Bench, bench, call, script
from tests.local.kit import answering
from tests.mcp_servers.relay_kit import Client, started

pytestmark = pytest.mark.anyio

SESSION = "0f4c1d6e-0000-4000-8000-000000000001"


@dataclass
class Door:
    """A gateway with its own door, and the desk behind it."""

    gateway: Bench
    desk: DeskAgent
    home: Path

    async def tells(self, event: str, client: int, session: str = SESSION, **more: Any) -> None:
        """A hook of the client of this process."""
        body = {"session_id": session, "hook_event_name": event, "cwd": str(self.home), **more}
        body["transcript_path"] = str(self.home / f"{session}.jsonl")
        assert await self.desk.hook(event, json.dumps(body).encode(), (1, client)) == {}


@asynccontextmanager
async def at_the_door(place: Path) -> AsyncGenerator[Door]:
    """A gateway at work."""
    home = place / "home"
    desk = DeskAgent(home)
    agents = {"channel": desk, "scripted": ScriptedAgent(script(call(10)))}
    rules = replace(RULES, desks=(Desk("/", OWNER, THREAD.chat),))
    async with agents["scripted"], desk, bench(script(call(10)), rules, agents=agents) as gateway:
        desk.attach = gateway.engine.attach
        async with answering(home, host.routes(gateway.world, desk, Pace())):
            yield Door(gateway, desk, home)


async def cost(client: Client) -> str:
    """The session that the relay speaks for, or the refusal."""
    answer = await client.ask("tools/call", {"name": "session_cost", "arguments": {}})
    result = answer["result"]
    return result["content"][0]["text"] if result.get("isError") else result["structuredContent"]["session"]


async def test_a_relay_speaks_for_the_session_whose_client_has_started_it_as_long_as_that_is_open(
    tmp_path: Path,
) -> None:
    """On one connection: before the session is open, while it is, after it was closed, and when it is taken up again."""
    async with at_the_door(tmp_path) as door, started(door.home, "budget", CLAUDE_CODE_SESSION_ID=SESSION) as relay:
        await relay.shake_hands()
        assert asked.NO_SESSION in await cost(relay)
        await door.tells("SessionStart", os.getpid(), source="startup")
        [session] = await door.gateway.sessions()
        assert await cost(relay) == session.id
        await door.tells("SessionEnd", os.getpid(), reason="other")
        assert asked.NO_SESSION in await cost(relay)
        await door.tells("SessionStart", os.getpid(), source="resume")
        assert await cost(relay) == session.id


async def test_a_relay_that_another_process_has_started_speaks_for_no_session_of_the_desk(tmp_path: Path) -> None:
    """It names the session, and its lineage does not hold the session's client: also where it came before that, and stays refused."""
    async with at_the_door(tmp_path) as door, started(door.home, "budget", CLAUDE_CODE_SESSION_ID=SESSION) as relay:
        await relay.shake_hands()
        with process() as client:
            await door.tells("SessionStart", client, source="startup")
            assert len(await door.gateway.sessions()) == 1
            assert asked.NO_SESSION in await cost(relay)
            asks = {"amount": "5", "why": "more tests", "scope": "session"}
            refused = await relay.ask("tools/call", {"name": "request_budget", "arguments": asks})
            assert "no limit of a session counts for you" in refused["result"]["content"][0]["text"]
            assert not [one for one in door.gateway.chat.sees(THREAD) if one.buttons]


async def test_a_session_that_moves_to_another_client_is_no_longer_spoken_for_by_the_first(tmp_path: Path) -> None:
    """The same connection that was answered is refused once the session is open in another process, and not while that is only said."""
    async with at_the_door(tmp_path) as door, started(door.home, "budget", CLAUDE_CODE_SESSION_ID=SESSION) as relay:
        await relay.shake_hands()
        await door.tells("SessionStart", os.getpid(), source="startup")
        [session] = await door.gateway.sessions()
        assert await cost(relay) == session.id
        with process() as client:
            await door.tells("SessionStart", client, source="resume")
            assert await cost(relay) == session.id
            await door.tells("SessionEnd", os.getpid(), reason="resume")
            await door.tells("SessionStart", client, source="resume")
            assert asked.NO_SESSION in await cost(relay)


@pytest.mark.parametrize("at_work", [True, False])
async def test_a_session_that_the_gateway_has_started_is_spoken_for_from_inside_while_it_is_at_work(
    tmp_path: Path, at_work: bool
) -> None:
    """Where its agent has a process, a relay has to descend from it."""
    async with at_the_door(tmp_path) as door:
        door.gateway.says("Fix the flaky login test")
        await door.gateway.ended(TurnState.FINISHED)
        [session] = await door.gateway.sessions()
        with process() as other:
            agent = Process(session.id, other if at_work else os.getpid(), "", "")
            await door.gateway.world.commit(lambda _view: Decision(None, put=(agent,)))
            named = session.agent_session or ""
            async with started(door.home, "budget", CLAUDE_CODE_SESSION_ID=named) as relay:
                await relay.shake_hands()
                assert (asked.NO_SESSION in await cost(relay)) is at_work
