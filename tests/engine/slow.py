"""Agents that take their time, for tests of what happens meanwhile."""

from collections.abc import AsyncIterator
from typing import Any

import anyio

from gateway.agents.scripted import Script, ScriptedAgent
from gateway.domain.effects import AllowTool, Answer, EndTurn
from gateway.domain.events import AgentEvent, End, Finished
from gateway.ports import Client, Launch


class Slow(ScriptedAgent):
    """An agent whose clients take their time: `answers` holds up a yes to a tool, `ends` the word that a run halted."""

    def __init__(self, play: Script, answers: anyio.Event | None = None, ends: anyio.Event | None = None) -> None:
        super().__init__(play)
        self.answers = answers
        self.ends = ends
        self.let_go = anyio.Event()
        self.answered: list[Answer] = []

    async def start(self, launch: Launch) -> Any:
        """Start a slow client."""
        return SlowClient(await super().start(launch), self)


class SlowClient:
    """A client of a slow agent."""

    def __init__(self, client: Client, agent: Slow) -> None:
        self._client = client
        self._agent = agent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def respond(self, request_id: str, answer: Answer) -> bool:
        """Take the answer when the time has come."""
        if self._agent.answers is not None and isinstance(answer, AllowTool):
            await self._agent.answers.wait()
        self._agent.answered.append(answer)
        taken = await self._client.respond(request_id, answer)
        if isinstance(answer, EndTurn):
            self._agent.let_go.set()
        return taken

    async def events(self) -> AsyncIterator[AgentEvent]:
        """Tell what happens, the end of a halted run only when the time has come."""
        async for event in self._client.events():
            if self._agent.ends is not None and isinstance(event, Finished) and event.end is End.HALTED:
                await self._agent.ends.wait()
            yield event
