"""What of a session waits for an answer, each by a name: hooks at a boundary, and those that show something once it is known."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio

from gateway import clock
from gateway.domain.effects import Answer


@dataclass(slots=True)
class Wait:
    """One that waits."""

    answered: anyio.Event = field(default_factory=anyio.Event)
    answer: Answer | None = None

    def take(self, answer: Answer) -> None:
        """It is answered; what it was told last counts."""
        self.answer = answer
        self.answered.set()


class Waits:
    """All of one session that wait."""

    def __init__(self) -> None:
        self._waits: dict[str, Wait] = {}

    def __len__(self) -> int:
        return len(self._waits)

    @contextmanager
    def one(self) -> Iterator[tuple[str, Wait]]:
        """One more, as long as the block lasts, and the name that it is answered by."""
        name, wait = clock.new_id("hook"), Wait()
        self._waits[name] = wait
        try:
            yield name, wait
        finally:
            del self._waits[name]

    def answer(self, name: str, answer: Answer) -> bool:
        """Answer one; False: nothing of this name waits."""
        wait = self._waits.get(name)
        if wait is not None:
            wait.take(answer)
        return wait is not None

    def end(self, answer: Answer) -> None:
        """Answer all that have no answer yet."""
        for wait in self._waits.values():
            wait.take(wait.answer or answer)
