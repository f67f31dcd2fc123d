"""Whether messages get out."""

from dataclasses import dataclass


@dataclass(slots=True)
class Reach:
    """Since when the gateway runs, and since when the chat service takes messages, or does not (and why), as far as is known."""

    began_ms: int | None = None
    since_ms: int | None = None
    away: str = ""

    def told(self, away: str, now_ms: int) -> None:
        """What became of a message: empty, it was taken."""
        if self.since_ms is None or bool(away) != bool(self.away):
            self.since_ms = now_ms
        self.away = away
