"""Who writes down what is said in a recording."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Heard:
    """What is said in a recording, as somebody else's program wrote it down: as little to be trusted as any text."""

    text: str


class Transcriber(Protocol):
    """Writes down what is said in a recording. It has a time limit of its own, and what it costs is in no ledger here."""

    async def transcribe(self, path: str) -> Heard | str:
        """What is said in the file, in at most `HEARD_CHARACTERS_MAX` characters; or why that is not known, in words for people."""
        ...
