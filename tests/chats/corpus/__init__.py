"""Nasty Markdown, by name. Each case says what of it must be seen.

`markdown`: what an agent wrote; between `before` and `after`, and `times` times over, where it says so. `shows`: parts of what is
seen. `absent`: what is not seen. `entities`: kind, words, and the language or address if there is one; an empty list: none at all.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Case:
    """One of them."""

    name: str
    markdown: str
    shows: tuple[str, ...]
    absent: tuple[str, ...]
    entities: tuple[tuple[str, ...], ...] | None


def read() -> tuple[Case, ...]:
    """All of them, in the order of the files' names."""
    return tuple(
        Case(
            raw["name"],
            raw.get("before", "") + raw["markdown"] * raw.get("times", 1) + raw.get("after", ""),
            tuple(raw.get("shows", ())),
            tuple(raw.get("absent", ())),
            tuple(map(tuple, raw["entities"])) if "entities" in raw else None,
        )
        for file in sorted(HERE.glob("*.toml"))
        for raw in tomllib.loads(file.read_text(encoding="utf-8"))["case"]
    )


STREAM = (HERE / "stream.txt").read_text(encoding="utf-8")
"""A long answer with all of it, as it came in."""
