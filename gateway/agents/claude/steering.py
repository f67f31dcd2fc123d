"""Words for the run at work. They are written only while the client stands between two calls of its main loop: then it takes them
into that run, and they wait in its own queue for no longer than that, where they could become a run of their own. (Seen with
2.1.328: of `"priority": "next"`; without it they always become one.)
"""

import json
from dataclasses import dataclass, field
from typing import Final

import anyio

from gateway.agents.claude.dialogue import Dialogue
from gateway.agents.claude.following import Following
from gateway.agents.claude.translate import Translator
from gateway.agents.supervise import GoneError, Supervised

QUEUED_MAX: Final = 16
TAKE_LIMIT_S: Final = 5.0
"""How long the client has to say that it has the words."""


@dataclass(slots=True)
class Steering:
    """What one client is to be told while it works."""

    link: Supervised
    dialogue: Dialogue
    translator: Translator
    following: Following
    _words: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    _heard: dict[str, anyio.Event] = field(default_factory=dict[str, anyio.Event])
    _left: anyio.Event | None = None
    """Set once nothing of a run that has ended is left in the client's queue."""

    def add(self, uuid: str, text: str, into: str) -> bool:
        """Words for the run of this prompt; False: it is not at work."""
        run = self.translator.run
        if run is None or run.prompt_uuid != into or run.halted is not None or self.link.leaving:
            return False
        if len(self._words) >= QUEUED_MAX or text.startswith("/"):
            return False  # A command is never a part of a run: the client keeps it for one of its own.
        self._words.append((uuid, text))
        return True

    def forget(self) -> None:
        """The run ends: what it was not told it is not told any more."""
        self._words.clear()

    def heard(self, uuid: str) -> None:
        """The client tells something of words of this name."""
        if (event := self._heard.get(uuid)) is not None:
            event.set()

    async def write(self) -> None:
        """The client stands between two calls, and goes on next: give it what there is."""
        while self._words:
            uuid, text = self._words.pop(0)
            self.translator.steering.add(uuid)
            self.following.expect(uuid)
            event = self._heard[uuid] = anyio.Event()
            line = {
                "type": "user",
                "uuid": uuid,
                "priority": "next",
                "message": {"role": "user", "content": text},
            }
            try:
                with anyio.move_on_after(TAKE_LIMIT_S):
                    await self.link.send(json.dumps(line))
                    await self.dialogue.until(event)
            except GoneError:
                return
            finally:
                del self._heard[uuid]

    def over(self) -> bool:
        """The run has ended; True: the client still has words for it in its queue."""
        self.forget()
        if not self.translator.steering:
            return False
        self._left = self._left or anyio.Event()
        return True

    async def take_back(self) -> None:
        """Have the client drop them. If it has begun a run with them by now, that ends before its first call."""
        try:
            for uuid in tuple(self.translator.steering):
                await self.dialogue.ask({"subtype": "cancel_async_message", "message_uuid": uuid})
        finally:
            left, self._left = self._left, None
            if left is not None:
                left.set()

    async def none_left(self) -> None:
        """Wait until the client has nothing in its queue that was for a run that has ended."""
        if self._left is not None:
            await self.dialogue.until(self._left)
