"""How sessions are left: all that they have used is told first, and it is noted that they are over, for a gateway that comes later."""

from collections import OrderedDict

import anyio
import anyio.to_thread
import structlog

from gateway.agents.claude.desk.joining import Relays
from gateway.agents.claude.desk.notes import Notes
from gateway.agents.claude.desk.sessions import SESSIONS_MAX, Session, Sessions
from gateway.processes import is_there
from gateway.view import desk_words

log = structlog.get_logger()


class Leaving:
    """Of one gateway's sessions."""

    def __init__(self, sessions: Sessions, relays: Relays, notes: Notes) -> None:
        self._sessions = sessions
        self._relays = relays
        self._notes = notes
        self._ended = OrderedDict[str, int]()
        """Sessions that have ended, and their processes, which may still be there: the latest."""

    async def forget(self, name: str, why: str) -> None:
        """A session is open no more, and all of it is told; nothing if none of this name is open."""
        session = self._sessions.open.get(name)
        if session is not None:
            self.leave(name, session, why)
            await self.settle(name, session, why)

    def leave(self, name: str, session: Session, why: str) -> None:
        """It is open no more; `settle` has to follow."""
        del self._sessions.open[name]
        self._sessions.closing[name] = session
        self._relays.part(session.client)
        if why == desk_words.CLOSED:
            self._ended[name] = session.process
            self._ended.move_to_end(name)
            if len(self._ended) > SESSIONS_MAX:
                self._ended.popitem(last=False)

    async def settle(self, name: str, session: Session, why: str) -> None:
        """Tell what it has used, and note that it is over."""
        try:
            with anyio.CancelScope(shield=True):
                # Whoever says that it ended may have been its own agent: where it goes on, it is read on from where it was.
                if await session.client.gone(why):
                    await self._note_end(name, session.process, over=why != desk_words.CLOSED)
        finally:
            if self._sessions.closing.get(name) is session:
                del self._sessions.closing[name]
            session.settled.set()

    async def look(self) -> None:
        """A client that was killed says nothing: its process is looked for."""
        for name, session in list(self._sessions.open.items()):
            gone = session.process and not await anyio.to_thread.run_sync(is_there, session.process)
            if gone and self._sessions.open.get(name) is session:
                await self.forget(name, desk_words.VANISHED)
        for name, process in list(self._ended.items()):
            if name in self._sessions.open:
                self._ended.pop(name, None)
            elif name not in self._sessions.closing and not await anyio.to_thread.run_sync(is_there, process):
                self._ended.pop(name, None)
                await self._note_end(name, process, over=True)
        await self._note_who_hears()

    async def _note_end(self, name: str, process: int, *, over: bool) -> None:
        """A note that cannot be written stays as it is: if the session is opened again it is read on from there, and nothing is booked
        twice.
        """
        try:
            await anyio.to_thread.run_sync(self._notes.end, name, process, over)
        except OSError as error:
            log.warning("it cannot be noted that a session has ended", session=name, why=str(error))

    async def _note_who_hears(self) -> None:
        """For a gateway that comes later: whoever has shown a message shows the next one, and whoever has not does not."""
        for name, session in list(self._sessions.open.items()):
            hears = session.client.way.hears
            if hears is not session.noted:
                session.noted = hears
                try:
                    await anyio.to_thread.run_sync(self._notes.hears, name, session.process, hears)
                except OSError as error:  # The next gateway finds it out anew.
                    log.warning("it cannot be noted who takes messages", session=name, why=str(error))
