"""The transcripts of a running client, read as they grow: sub-agents' calls, and the proof that a prompt is on disk."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.lowlevel

from gateway.agents.claude.transcript import Record, Tail, is_prompt, record, sub_agent

RECORD_LIMIT_S = 1.0
"""How long a line may take to appear; usually it is there already, else within 0.1 s."""
READ_LIMIT_S = 10.0
"""How long it may take to read what is there already."""
LOOK_EVERY_S = 0.01


@dataclass(slots=True)
class Following:
    """`known`: sizes of the transcripts before this client began; what was in them is not its doing."""

    known: Mapping[Path, int]
    _main: Tail | None = None
    _sub_agents: dict[str, Tail] = field(default_factory=dict)
    _unwritten: str | None = None

    def expect(self, prompt_uuid: str) -> None:
        """The prompt is going to appear in the transcript."""
        self._unwritten = prompt_uuid

    def at(self, transcript: str) -> None:
        """The client told where its transcript is."""
        if transcript and (self._main is None or str(self._main.path) != transcript):
            path = Path(transcript)
            self._main = Tail(path, self.known.get(path, 0))

    def follow(self, agents: set[str]) -> None:
        """Read these sub-agents' transcripts, too."""
        for agent in agents - self._sub_agents.keys():
            path = sub_agent(self._main.path, agent) if self._main is not None else None
            if path is not None:
                self._sub_agents[agent] = Tail(path, self.known.get(path, 0))

    def forget(self, but: set[str]) -> None:
        """Read no other sub-agents' transcripts any more; one that is woken again is read from its start."""
        for agent in self._sub_agents.keys() - but:
            del self._sub_agents[agent]

    async def records(self) -> AsyncIterator[Record]:
        """What sub-agents' calls were added since the last look. Nothing else happens between the read and what it yields."""
        for tail in list(self._sub_agents.values()):
            async for line in _rest(tail):
                found = record(line)
                if found is not None:
                    yield found

    async def read_until(self, settled: Callable[[], bool], read: Callable[[], Awaitable[None]]) -> None:
        """Read, and again for a little while until what must be there is there."""
        with anyio.move_on_after(READ_LIMIT_S):
            await read()
        with anyio.move_on_after(RECORD_LIMIT_S):
            while not settled():
                await anyio.sleep(LOOK_EVERY_S)
                await read()

    async def written(self, prompt_uuid: str | None) -> None:
        """Wait a little until the prompt is on disk. Then "not in the transcript" means that none of its tools ran."""

        async def look() -> None:
            if self._main is not None:
                async for line in _rest(self._main):
                    if is_prompt(line, prompt_uuid or ""):
                        self._unwritten = None

        if prompt_uuid is not None:
            await self.read_until(lambda: self._unwritten != prompt_uuid, look)


async def _rest(tail: Tail) -> AsyncIterator[bytes]:
    """The rest of a file, with a breath for everybody else between its pieces."""
    while (piece := tail.piece()) is not None:
        for line in piece:
            yield line
        await anyio.lowlevel.checkpoint()
