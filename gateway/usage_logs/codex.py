"""Codex's rollouts: `sessions` and `archived_sessions` below its home, one line per event, one file per thread.

What was left alone for a week Codex packs (codex-rs/rollout/src/compression.rs: `rollout-*.jsonl.zst` in the place of the file, hidden
where the plain one is there again).
"""

import os
from collections.abc import Iterator, Mapping
from typing import Final

from gateway.domain.logged import LogRead, Mark
from gateway.usage_logs.files import below, open_regular
from gateway.usage_logs.growing import Growing, growing

_FOLDERS: Final = ("sessions", "archived_sessions")
_PACKED: Final = ".zst"
_ENDINGS: Final = (".jsonl", ".jsonl.zst")


class CodexLog:
    """Port `UsageLog` for Codex."""

    agent = "codex"

    def homes(self, environ: Mapping[str, str], home: str) -> tuple[str, ...]:
        """`CODEX_HOME`, or `.codex`."""
        return (environ.get("CODEX_HOME") or os.path.join(home, ".codex"),)

    def owns(self, place: str) -> bool:
        """A folder with rollouts, or with the folders for them; a rollout."""
        if os.path.isfile(place):
            return _is_rollout(os.path.basename(place))
        return any(True for _ in self.files(place))

    def files(self, place: str) -> Iterator[str]:
        """Rollouts: by name, and whatever ends like one below `sessions` and `archived_sessions`."""
        if os.path.isfile(place):
            yield place
            return
        folders = [folder for name in _FOLDERS if os.path.isdir(folder := os.path.join(place, name))]
        if not folders and os.path.basename(os.path.abspath(place)) not in _FOLDERS:
            yield from below(place, lambda _, name: _is_rollout(name))
            return
        for folder in folders or [place]:
            yield from below(folder, lambda _, name: name.endswith(_ENDINGS))

    def read(self, path: str, since: Mark | None) -> LogRead:
        """See the port. A packed one is read as a whole; what is broken in it is an unreadable record."""
        from gateway.usage_logs.codex_lines import taken

        if not path.endswith(_PACKED):
            with growing(path, since) as log:
                return taken(log)
        from gateway.usage_logs.packed import Packed

        with open_regular(path) as file:
            return taken(Growing(file.fileno(), since, Packed(file)))


def _is_rollout(name: str) -> bool:
    return name.startswith("rollout-") and name.endswith(_ENDINGS)


CODEX: Final = CodexLog()
"""The one reader of them."""
