"""Figures that do not stand in the client's lines: its sub-agents' transcripts, and its own sum. Read before they are needed."""

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from gateway.agents.claude import quotas, reading
from gateway.agents.claude.control import Boundary, Hook
from gateway.agents.claude.dialogue import Dialogue
from gateway.agents.claude.following import READ_LIMIT_S, Following
from gateway.agents.claude.telling import Telling
from gateway.agents.claude.translate import Translator
from gateway.domain.usage import MAIN_LOOP


@dataclass(slots=True)
class Figures:
    """What is found is told at once, so that it stands before whatever is told next."""

    translator: Translator
    following: Following
    dialogue: Dialogue
    telling: Telling
    _progress: anyio.Event = field(default_factory=anyio.Event)

    def progressed(self) -> None:
        """A line has been handled."""
        self.following.follow(self.translator.live)
        progress, self._progress = self._progress, anyio.Event()
        progress.set()

    async def before(self, boundary: Boundary) -> None:
        """Meter every call that was made before this boundary."""
        match boundary.hook:
            case Hook.TOOL if boundary.loop != MAIN_LOOP:
                # It may come before the line that announces the call it belongs to.
                await self.following.read_until(
                    lambda: (
                        self.translator.acted(boundary.tool_use_id) and not self.translator.unsettled({boundary.loop})
                    ),
                    self.read,
                )
            case Hook.TOOL:
                while self.translator.streaming and not self.dialogue.gone.is_set():
                    await self._progress.wait()
                run = self.translator.run
                await self.following.written(run.latest if run is not None else None)
            case Hook.BATCH | Hook.COMPACTED:
                loops = {boundary.loop} if boundary.loop != MAIN_LOOP else set[str]()
                await self.settle(lambda: loops | self.translator.ended_loops)
                if boundary.loop == MAIN_LOOP:
                    await self.probe()
            case _:
                pass

    async def settle(self, loops: Callable[[], set[str]]) -> None:
        """Meter these sub-agents' calls from their transcripts."""
        await self.following.read_until(lambda: not self.translator.unsettled(loops()), self.read)

    async def settle_ended(self) -> None:
        """The same for all that have ended; what is not there by then is a lower bound."""
        await self.settle(lambda: self.translator.ended_loops)
        self.telling.tell(self.translator.cut_ended())

    async def settle_all(self) -> None:
        """The client is gone: what can still be read is, and the rest is a lower bound."""
        with anyio.move_on_after(READ_LIMIT_S):
            await self.read()
        self.telling.tell(self.translator.cut_all())

    async def read(self) -> None:
        """Meter what has been added to the transcripts."""
        async for record in self.following.records():
            self.telling.tell(self.translator.settle(record))

    async def probe(self) -> None:
        """Ask the client for its own sum, which shows calls that no line does: compaction, searches, page summaries.

        Where it knows of a subscription's windows it tells them, too.
        """
        response = await self.dialogue.ask({"subtype": "get_usage"})
        if response is not None:
            self.telling.tell(self.translator.told(quotas.of_usage(response.response)))
        cumulative = reading.usages_of(response) if response is not None else None
        if cumulative is not None:
            self.telling.tell(self.translator.unlisted(cumulative))
