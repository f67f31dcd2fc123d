"""What outlives the gateway of sessions at the desk: where their transcripts are, from where on they are read, and whose they are."""

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

from gateway.agents.left_behind import started_at

NOTES_MAX: Final = 500
"""So many sessions are known again, and all that are open; of the others the oldest are forgotten."""


@dataclass(frozen=True, slots=True)
class Note:
    """A session that was open. `offset`: where its own part of the transcript begins; None: its client is gone, and what stands
    there is booked. `agents`: the same of the files of sub-agents that were there already, by their names. `used`: the client's last
    words on what it had used before, "" for nothing; None: not known. `process`: the client's, which `started` tells from another of
    the same number.
    """

    session: str
    transcript: str
    directory: str
    process: int = 0
    started: str = ""
    offset: int | None = None
    used: str | None = None
    ended: bool = False
    """It said so."""
    since_ms: int = 0
    """When it was first heard of: telemetry from before is of what stands before `offset`."""
    agents: Mapping[str, int] = field(default_factory=dict[str, int])
    hears: bool | None = None
    """Whether its client, the one of `process`, shows what is pushed into it; None: it is not known."""
    unattended: bool = False
    """Nobody sits at that client."""
    sure: bool = False
    """That process is the client itself."""


class Notes:
    """A file for each session, changed by one thread at a time. Nothing here is for the event loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._one = threading.RLock()

    def read(self, session: str) -> Note | None:
        """What is known of a session; None: nothing that can be read."""
        note = _read(self._place(session))
        return note if note is not None and note.session == session else None

    def write(self, note: Note) -> None:
        """Whole or not at all, whenever the gateway is killed. Raises OSError."""
        with self._one:
            place = self._place(note.session)
            fresh = not place.exists()
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = place.with_suffix(".new")
            new.write_text(json.dumps(asdict(note)), encoding="utf-8")
            new.replace(place)
            if fresh:
                for old in self._all()[NOTES_MAX:]:
                    if not _is_open(_read(old)):
                        old.unlink(missing_ok=True)
                        old.with_suffix(".calls").unlink(missing_ok=True)

    def end(self, session: str, process: int, over: bool) -> None:  # noqa: FBT001 - a thread's call knows no names
        """It has ended in this process, as it says, or (`over`) since that is gone: what stands in its transcript is booked. Nothing
        changes where another one has opened it meanwhile. Raises OSError.
        """
        with self._one:
            note = self._of(session, process)
            if note is not None:
                note = replace(note, offset=None, used=None, agents={}) if over else note
                self.write(replace(note, ended=True))
                if over:
                    self.kept(session).unlink(missing_ok=True)

    def hears(self, session: str, process: int, hears: bool | None) -> None:  # noqa: FBT001 - a thread's call knows no names
        """The client of this process shows what is pushed into it, or does not. Raises OSError."""
        with self._one:
            note = self._of(session, process)
            if note is not None:
                self.write(replace(note, hears=hears))

    def _of(self, session: str, process: int) -> Note | None:
        note = self.read(session)
        return note if note is not None and note.process == process else None

    def forget(self, session: str) -> None:
        """Nothing of it is known any more. Raises OSError."""
        with self._one:
            for file in (self._place(session), self.kept(session)):
                file.unlink(missing_ok=True)

    def kept(self, session: str) -> Path:
        """Where the calls are remembered that only telemetry told of."""
        return self._place(session).with_suffix(".calls")

    def of_process(self, process: int) -> Note | None:
        """The session that was open last in a process that still runs."""
        started = started_at(process) if process else None
        if started is None:
            return None
        notes = (_read(place) for place in self._all())
        mine = (note for note in notes if note is not None and (note.process, note.started) == (process, started))
        return next((note for note in mine if not note.ended), None)

    def _all(self) -> list[Path]:
        """The newest first."""
        found: list[tuple[float, Path]] = []
        for place in self._folder.glob("*.json"):
            with suppress(OSError):
                found.append((place.stat().st_mtime, place))
        return [place for _, place in sorted(found, reverse=True)]

    def _place(self, session: str) -> Path:
        name = "".join(char if (char.isascii() and char.isalnum()) or char in "-_" else "_" for char in session)[:100]
        return self._folder / f"{name}.json"


def started(process: int) -> str:
    """What tells this process from another of the same number."""
    return (started_at(process) if process else None) or ""


def _is_open(note: Note | None) -> bool:
    """Whether the client that has it open still runs, as far as it is known for a client."""
    return note is not None and note.sure and not note.ended and note.started == started(note.process) != ""


def _read(place: Path) -> Note | None:
    try:
        told = json.loads(place.read_text(encoding="utf-8"))
        note = Note(**told)
    except (OSError, ValueError, TypeError):
        return None
    texts = (note.session, note.transcript, note.directory, note.started)
    whole = (
        all(isinstance(text, str) for text in texts)
        and isinstance(note.process, int)
        and isinstance(note.since_ms, int)
    )
    known = isinstance(note.offset, int | None) and isinstance(note.used, str | None)
    agents = isinstance(note.agents, dict) and all(isinstance(offset, int) for offset in note.agents.values())
    flags = (note.unattended, note.ended, note.sure)
    plain = isinstance(note.hears, bool | None) and all(isinstance(flag, bool) for flag in flags)
    return note if whole and known and agents and plain else None
