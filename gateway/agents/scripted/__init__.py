"""An agent that plays a script instead of asking a model: for the demo and for tests. No network, no subprocess.

It keeps the Agent port's promises as a real agent does: it really stops at every boundary, can be interrupted in
mid-call, meters each call, and remembers which prompts it ran.
"""

import os
import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio

from gateway import clock
from gateway.agents.scripted.client import ScriptedClient
from gateway.agents.scripted.demo import demo
from gateway.agents.scripted.script import (
    AskPerson,
    Background,
    CallApi,
    Crash,
    Fail,
    Play,
    Say,
    Script,
    SpawnSubAgents,
    Step,
    SubAgent,
    TellQuota,
    UseTool,
    Wait,
    Write,
)
from gateway.agents.scripted.stage import Charge, Stage
from gateway.agents.scripted.transcript import Transcript
from gateway.ports import AgentTraits, AgentUnavailableError, Conversation, Launch, Process, Recovered

__all__ = [
    "MODEL",
    "AskPerson",
    "Background",
    "CallApi",
    "Charge",
    "Crash",
    "Fail",
    "Play",
    "Say",
    "Script",
    "ScriptedAgent",
    "SpawnSubAgents",
    "Step",
    "SubAgent",
    "TellQuota",
    "UseTool",
    "Wait",
    "Write",
    "demo",
]

MODEL = "claude-opus-4-8"
"""A real name, so that the prices are real."""
_AGENT_SESSION = re.compile(r"[0-9A-Za-z-]{1,64}")


class ScriptedAgent:
    """The Agent port, played from a script. Its clients live inside `async with agent:` and end with it.

    `play`: what every prompt sets going, or a function of the prompt. `pace` stretches the script's seconds (0: instant);
    `sleep` is how it waits. With `directory` its transcripts survive the process, else they live as long as this agent.
    """

    traits = AgentTraits(
        name="scripted",
        label="Scripted agent",
        pauses=True,
        overshoot="at most the one API call that each running loop (main, each sub-agent) has in flight",
        switches_model=True,
        steers=True,
        forks=True,
        modes=("ask", "plan", "edits"),
        unasking=frozenset({"edits"}),
    )

    def __init__(
        self,
        play: Script | Play = demo,
        *,
        model: str = MODEL,
        pace: float = 0.0,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        directory: Path | None = None,
    ) -> None:
        always = play
        self._stage = Stage(
            (lambda _text, _context: always) if isinstance(always, Script) else always, model, pace, sleep
        )
        self._directory = directory
        self._transcripts: dict[str, Transcript] = {}
        self._clients: dict[str, ScriptedClient] = {}
        self._crew = anyio.create_task_group()
        self._exit = AsyncExitStack()

    @property
    def charges(self) -> list[Charge]:
        """Every call as it was really charged, in order, over all sessions."""
        return self._stage.charges

    @property
    def prompts(self) -> list[tuple[str, str]]:
        """Every prompt that really ran, in order: (uuid, text)."""
        return self._stage.prompts

    @property
    def steered(self) -> list[tuple[str, str]]:
        """All words that it was told while it worked, in order: (uuid, text)."""
        return self._stage.steered

    async def __aenter__(self) -> Self:
        await self._exit.enter_async_context(self._crew)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._crew.cancel_scope.cancel()
        return await self._exit.__aexit__(kind, error, trace)

    async def start(self, launch: Launch) -> ScriptedClient:
        """Start a client; it makes no call by itself. Raises AgentUnavailableError."""
        if not await anyio.Path(launch.directory).is_dir():
            raise AgentUnavailableError(f"The directory {launch.directory} is gone: /new starts in another one")
        transcript = self._of(launch)
        try:
            if self._directory is not None:
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            transcript.open()
        except OSError as error:
            raise AgentUnavailableError(f"The scripted agent cannot write its transcript: {error.strerror}") from error
        process = Process(launch.session_id, os.getpid(), "", str(transcript.path or ""))
        client = ScriptedClient(self._stage, launch, transcript, process)
        await self._crew.start(client.live)
        alive = {name: left for name, left in self._clients.items() if not left.gone}
        self._clients = {**alive, launch.session_id: client}
        return client

    async def conversations(self, directory: str, limit: int) -> tuple[Conversation, ...]:  # noqa: ARG002 - the port's signature
        """It keeps none that could be gone on with."""
        return ()

    async def recover(self, launch: Launch, process: Process | None, prompt_uuid: str) -> Recovered:
        """End what is left of the session's client, then tell from the transcript what became of the prompt."""
        left = self._clients.pop(process.session_id if process is not None else launch.session_id, None)
        if left is not None:
            await left.close()
        if launch.agent_session is None:
            return Recovered(prompt_known=False, events=())
        transcript = self._transcript(launch.agent_session)
        return Recovered(prompt_uuid in transcript.prompts, transcript.since(prompt_uuid))

    def _of(self, launch: Launch) -> Transcript:
        name = launch.agent_session
        if name is None:
            return self._fresh(clock.new_uuid())
        path = self._directory / f"{name}.jsonl" if self._directory is not None else None
        if not launch.forked_from or name in self._transcripts or (path is not None and path.exists()):
            return self._transcript(name)
        copied = self._transcript(launch.forked_from).context
        self._fresh(name).context = copied
        return self._transcripts[name]

    def _fresh(self, name: str) -> Transcript:
        path = self._directory / f"{name}.jsonl" if self._directory is not None else None
        self._transcripts[name] = Transcript(name, path)
        return self._transcripts[name]

    def _transcript(self, agent_session: str) -> Transcript:
        known = self._transcripts.get(agent_session)
        if known is not None:
            return known
        if self._directory is None or _AGENT_SESSION.fullmatch(agent_session) is None:
            raise AgentUnavailableError(
                "The scripted agent does not remember this conversation: start another with /new"
            )
        transcript = Transcript.load(agent_session, self._directory / f"{agent_session}.jsonl")
        self._transcripts[agent_session] = transcript
        return transcript
