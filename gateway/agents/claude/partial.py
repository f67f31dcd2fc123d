"""What the main loop is writing, put together from the pieces of the API's stream."""

from collections import deque
from typing import Final

from gateway.agents.claude import describe

CHARACTERS_MAX: Final = 100_000
"""Of a longer block only the end is kept."""


class Partial:
    """The block that is being written. What was told of it is not told again."""

    def __init__(self) -> None:
        self._open = False
        self._index = -1
        self._pieces: deque[str] = deque()
        self._length = 0
        self.is_news = False

    def begin(self) -> None:
        """A call has begun."""
        self._clear(open_now=True)
        self.is_news = True

    def write(self, index: int, text: str) -> None:
        """So much more of the block with this number."""
        if index != self._index or not self._open:
            self._clear(open_now=True)
            self._index = index
        self._pieces.append(text)
        self._length += len(text)
        while self._length > CHARACTERS_MAX and len(self._pieces) > 1:
            self._length -= len(self._pieces.popleft())
        self.is_news = True

    def end(self) -> None:
        """It is whole, or will never be."""
        self._clear(open_now=False)
        self.is_news = False

    def take(self) -> str | None:
        """All of it, if there is more than at the last time."""
        if not self.is_news:
            return None
        self.is_news = False
        return describe.readable("".join(self._pieces)[-CHARACTERS_MAX:], CHARACTERS_MAX)

    def _clear(self, *, open_now: bool) -> None:
        self._open, self._index, self._length = open_now, -1, 0
        self._pieces.clear()
