"""Logs that agents leave on disk. Places are paths as text."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from gateway.domain.logged import LogRead, Mark


class UsageLog(Protocol):
    """The logs of one kind of agent. Everything in them is somebody else's: what cannot be understood is counted, and never fatal."""

    agent: str
    """`claude`, `codex`, `opencode`, `gemini`."""

    def homes(self, environ: Mapping[str, str], home: str) -> tuple[str, ...]:
        """Where its logs are on this machine, there or not; `home`: of the user."""
        ...

    def owns(self, place: str) -> bool:
        """Whether a folder or file looks like one of its own."""
        ...

    def files(self, place: str) -> Iterator[str]:
        """The log files below a folder, or the file itself. Links to folders are not followed."""
        ...

    def read(self, path: str, since: Mark | None) -> LogRead:
        """What was added since then; all of it where that is not known, or the file is another one now. A last line that has no end
        yet is left for the next look. Raises OSError.
        """
        ...
