"""What a made-up home of logs is written with: text, ids, instants, and sums of what is used in it."""

import json
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, Generic, Protocol, TypeVar

BEGAN_MS = 1_761_955_200_000  # 2025-11-01
SPAN_MS = 380 * 24 * 3_600_000
POOL_CHARS = 1 << 21
WORDS = [
    "return",
    "self",
    "config",
    "error",
    "value",
    "index",
    "the",
    "of",
    "to",
    "and",
    "in",
    "is",
    "path",
    "file",
    "line",
    "test",
    "assert",
    "import",
    "from",
    "class",
    "def",
    "async",
    "await",
    "raise",
    "None",
    "True",
    "False",
    "const",
    "let",
    "function",
    "export",
    "type",
    "interface",
    "string",
    "number",
    "result",
    "response",
    "request",
    "session",
    "token",
    "usage",
    "cache",
    "model",
    "price",
    "é",
    "→",
    "✓",
    "naïve",
    "日本",
]
ENDS = ("\n", "\n    ", "\n        ", "\n\n", ' "', '", ', "': ", " = ", " -> ", "()\n", "\t", " \\\n", "/", ".", "_")


@dataclass
class Used:
    """Token counts by class, which do not overlap; `reasoning` is part of `output`."""

    calls: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_write_unsplit: int = 0
    output: int = 0
    reasoning: int = 0
    web_searches: int = 0

    def add(self, **counts: int) -> None:
        """More of it, by class."""
        for name, count in counts.items():
            setattr(self, name, getattr(self, name) + count)


@dataclass
class Tree:
    """What was written so far, by whom, and what was used in it."""

    root: Path
    draw: Random
    size: int
    """Bytes that the tree is to have in the end: time passes as it fills."""
    written: int = 0
    used: dict[tuple[str, str], Used] = field(default_factory=dict[tuple[str, str], Used])
    """By agent and model."""
    apart: dict[tuple[str, str], Used] = field(default_factory=dict[tuple[str, str], Used])
    """By form and model: what of it is told only in lines of a form that not every reader understands."""
    forms: Counter[str] = field(default_factory=Counter[str])
    """How often what was made: sessions, forks, copies, ..."""

    @cached_property
    def pool(self) -> str:
        """Text to cut pieces from: code, prose, quotes, and letters beyond ASCII."""
        parts: list[str] = []
        for word, end in zip(
            self.draw.choices(WORDS, k=1 << 15), self.draw.choices([" "] * 12 + list(ENDS), k=1 << 15), strict=True
        ):
            parts += (word, end)
        once = "".join(parts)
        return (once * (POOL_CHARS // len(once) + 1))[:POOL_CHARS]

    def text(self, size: int) -> str:
        """So many characters of it."""
        start = self.draw.randrange(POOL_CHARS - size)
        return self.pool[start : start + size]

    def many(self, median: float, spread: float, most: int) -> int:
        """A count of at least 1 with a heavy tail."""
        return min(most, max(1, round(median * self.draw.lognormvariate(0, spread))))

    def chance(self, share: float) -> bool:
        """True so often."""
        return self.draw.random() < share

    def name(self, digits: int) -> str:
        """So many hexadecimal digits that nobody else has."""
        return f"{self.draw.getrandbits(4 * digits):0{digits}x}"

    def uuid(self) -> str:
        """An id as agents write them."""
        x = self.name(32)
        return f"{x[:8]}-{x[8:12]}-4{x[13:16]}-a{x[17:20]}-{x[20:]}"

    def now_ms(self) -> int:
        """When a session begins that is begun now: the whole span passes while the tree fills."""
        return BEGAN_MS + round(min(1.2, self.written / self.size) * SPAN_MS) + self.draw.randrange(3_600_000)

    def tell(self, agent: str, model: str, **counts: int) -> None:
        """One call was made."""
        self.used.setdefault((agent, model), Used()).add(calls=1, **counts)

    def set_apart(self, form: str, model: str, **counts: int) -> None:
        """So much of it is told only in such a form."""
        self.apart.setdefault((form, model), Used()).add(**counts)

    def add(self, path: Path, lines: Sequence[bytes]) -> None:
        """Append lines to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = b"".join(lines)
        with path.open("ab") as file:
            file.write(content)
        self.written += len(content)

    def truth(self) -> dict[str, dict[str, dict[str, int]]]:
        """What was used: agent, model, class."""
        found: dict[str, dict[str, dict[str, int]]] = {}
        for (agent, model), sums in sorted(self.used.items()):
            found.setdefault(agent, {})[model] = asdict(sums)
        return found


class Dated(Protocol):
    """A session, as far as all agents' are alike: it was gone on with at that time."""

    at_ms: int


_Made = TypeVar("_Made", bound=Dated)


class Writer(ABC, Generic[_Made]):
    """Writes one agent's sessions into the tree."""

    latest_max: int
    """So many sessions are gone on with."""
    fork_share: float
    turns_max: int

    def __init__(self, tree: Tree) -> None:
        self.tree, self.draw = tree, tree.draw
        self.latest: deque[_Made] = deque(maxlen=self.latest_max)

    def session(self, until: int) -> None:
        """A new session of some turns, or a fork of a late one; at most about so many bytes in the whole tree."""
        old = self.draw.choice(self.latest) if self.latest and self.tree.chance(self.fork_share) else None
        made = self._begin(old)
        self.latest.append(made)
        for _ in range(self.tree.many(4, 0.8, self.turns_max)):
            self._turn(made)
            if self.tree.written >= until:
                return

    def another_turn(self) -> None:
        """One of the latest sessions goes on."""
        if not self.latest:
            return self.session(self.tree.written + 1)
        made = self.draw.choice(self.latest)
        made.at_ms = max(made.at_ms, self.tree.now_ms())
        return self._turn(made)

    @abstractmethod
    def _begin(self, old: _Made | None) -> _Made:
        """A new session; a fork of that one."""

    @abstractmethod
    def _turn(self, made: _Made) -> None:
        """What one prompt makes."""


def line(record: Any, *, spaced: bool = False) -> bytes:
    """A record as a line of a log."""
    return json.dumps(record, separators=(", ", ": ") if spaced else (",", ":"), ensure_ascii=False).encode() + b"\n"


def stamp(at_ms: int) -> str:
    """An instant as logs write it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
