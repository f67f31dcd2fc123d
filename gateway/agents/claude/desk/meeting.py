"""How a session is met: as an earlier gateway noted it, or for the first time. What stood in its transcript before is none of ours."""

from dataclasses import replace
from pathlib import Path

import anyio.to_thread

from gateway import clock
from gateway.agents.claude import reach
from gateway.agents.claude.desk.client import DeskClient
from gateway.agents.claude.desk.log import Log
from gateway.agents.claude.desk.notes import Note, Notes, started
from gateway.agents.claude.desk.sessions import Session
from gateway.agents.claude.desk.way import Way
from gateway.ports import AgentUnavailableError
from gateway.processes import is_there

OPEN = "Tollbridge: this conversation is open in another terminal. Close it there first, or go on in a copy of it here, with /branch."


class Meeting:
    """Of sessions with one gateway. `home`: its directory. `patience_s`: how long their hooks wait for a person."""

    def __init__(self, home: Path, notes: Notes, patience_s: float) -> None:
        self._home = home
        self._notes = notes
        self._private = reach.spellings(home)
        self._patience_s = patience_s

    async def meet(self, here: Note, *, fresh: bool) -> Session:
        """The session, with all read that stands in its transcript. `fresh`: nothing stands there. Raises AgentUnavailableError."""
        note, logs = await anyio.to_thread.run_sync(self._look, here, fresh)
        way = Way(hears=note.hears, unattended=note.unattended)
        client = DeskClient(note.session, note.directory, logs, self._private, self._patience_s, way)
        await client.catch_up()
        return Session(
            client, note.process, Path(note.transcript), started=note.started, sure=note.sure, noted=note.hears
        )

    def of_channel(self, process: int, named: str) -> Note | None:
        """The session that a channel's client has open, as far as it was noted. `process`: the client's; `named`: as the channel was
        started with. Not for the event loop.
        """
        note = self._notes.of_process(process) or self._notes.read(named)
        if note is None or (note.ended and note.process == process):
            return None  # It was left for another one, of which nothing is known.
        if note.unattended and note.process != process:
            return None  # Whether somebody sits at this client, its hooks say.
        return note if note.process and is_there(note.process) else replace(note, process=process, sure=False)

    def _look(self, here: Note, fresh: bool) -> tuple[Note, Log]:  # noqa: FBT001 - a thread's call knows no names
        return self._log_of(self._now(here), fresh=fresh)

    def _now(self, here: Note) -> Note:
        """The session with its process as an earlier gateway knew it, where that still has it open. Raises AgentUnavailableError."""
        here = replace(here, started=started(here.process))
        note = self._notes.read(here.session)
        if note is None or not note.sure or note.ended or self._notes.of_process(note.process) != note:
            return here
        if here.process not in (0, note.process):
            raise AgentUnavailableError(OPEN)
        return replace(here, process=note.process, started=note.started, sure=True)

    def _log_of(self, here: Note, *, fresh: bool) -> tuple[Note, Log]:
        """Where the session's own part of its transcript begins: where it was first heard of, by this gateway or an earlier one."""
        note = self._notes.read(here.session)
        logs = Log(Path(here.transcript))
        if note is not None and note.offset is not None and note.transcript == here.transcript:
            logs.offset, logs.agents, used, since_ms = note.offset, note.agents, note.used, note.since_ms
            if used is not None:
                logs.since(used.encode() or None)
        else:
            found = b"" if fresh else logs.skip()
            if fresh:
                logs.since(None)
            used, since_ms = None if found is None else found.decode(errors="replace"), clock.now_ms()
        logs.reported.since_ms = since_ms
        same = note is not None and note.process and (note.process, note.started) == (here.process, here.started)
        hears = note.hears if note is not None and same else None
        known = replace(here, offset=logs.offset, agents=logs.agents, used=used, since_ms=since_ms, hears=hears)
        try:
            self._notes.write(known)
        except OSError as error:
            why = f"Tollbridge cannot keep its notes in {self._home} ({error.strerror}): mend that first."
            raise AgentUnavailableError(why) from None
        logs.reported.kept = self._notes.kept(here.session)
        logs.reported.load()
        return known, logs
