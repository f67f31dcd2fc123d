"""Claude Code sessions that people open themselves, as an agent: told of by their hooks, reached through their channel.

async with DeskAgent(home) as desk:
    desk.attach = engine.attach
    verdict = await desk.hook("UserPromptSubmit", body, lineage)
"""

import os
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread
import structlog

from gateway import clock
from gateway.agents.claude import reach
from gateway.agents.claude.calls import Recent
from gateway.agents.claude.desk import hooks, otlp
from gateway.agents.claude.desk.client import CLOSED, READ_LIMIT_S, DeskClient
from gateway.agents.claude.desk.hooks import Event, Told
from gateway.agents.claude.desk.log import Log
from gateway.agents.claude.desk.meter import READ_EVERY_S
from gateway.agents.claude.desk.notes import Note, Notes, started
from gateway.agents.claude.desk.way import Pusher, Way
from gateway.agents.claude.transcript import Tail, is_message
from gateway.domain.place import AT_DESK
from gateway.ports import (
    AgentAwayError,
    AgentTraits,
    AgentUnavailableError,
    Launch,
    Process,
    Recovered,
    TollbridgeError,
)
from gateway.processes import is_there, stat_fields

__all__ = ["OPEN", "SESSIONS_MAX", "STARTS", "TOO_MANY", "DeskAgent", "DeskClient"]

log = structlog.get_logger()

SESSIONS_MAX: Final = 64
"""So many sessions may be open at the desk; each further one is told so at its first prompt."""
PATIENCE_S: Final = 3_000.0
"""How long a hook waits for a person; the plugin gives its hooks longer."""
LOOK_EVERY_S: Final = 2.0
UNREAD: Final = (
    "Tollbridge cannot read what Claude Code says here: is it of a newer version? `tollbridge doctor` tells."
)
MOVED: Final = "Tollbridge hears of this session from elsewhere than before: start it again."
OPEN: Final = "This conversation is open in another terminal: close it there first, or fork it here with /branch."
STARTS: Final = "Tollbridge's gateway has just been started: try again in a moment."
TOO_MANY: Final = f"Tollbridge follows {SESSIONS_MAX} open sessions at most: close some of them."
UNKNOWN: Final = "its process is not known"
KILLED: Final = "its process is gone"


class Attach(Protocol):
    """The engine's: an agent of this name is there, in this directory; not empty: why it may not take part."""

    async def __call__(self, agent: str, client: DeskClient, directory: str, *, unattended: bool = False) -> str: ...


@dataclass(slots=True)
class _Session:
    """An open session. `process` is the client's; several sessions follow each other in one (`/clear`)."""

    client: DeskClient
    process: int
    transcript: Path
    refused: str = ""
    lives: bool = False
    settled: anyio.Event = field(default_factory=anyio.Event)
    """It is over, and all of it is told."""
    noted: bool | None = None
    """What is written down of whether it hears."""
    sure: bool = False
    """Its process is the client's own. (A hook that outlives a killed client has the one that takes in orphans for a parent.)"""
    started: str = ""
    """What tells that process from a later one of the same number."""
    below: bool = False
    """What another session's client has started has opened it."""


@dataclass(slots=True)
class _Relay:
    """A channel that is joined: to the session of its client's process, whichever that is."""

    pusher: Pusher
    lineage: tuple[int, ...]
    session: str
    joined: DeskClient | None = field(default=None)
    hears: bool | None = None
    """Of the session that it was joined to before: the same client shows what comes from it, or does not."""

    @property
    def process(self) -> int:
        """Of the client that has started it."""
        return _parent(self.lineage)


class DeskAgent:
    """The Agent port: it starts nothing. `home`: the gateway's own directory, which no tool of theirs may touch."""

    traits = AgentTraits(
        name=AT_DESK,
        label="Claude Code at the desk",
        pauses=True,
        overshoot="at most the one API call that each running loop (main, each sub-agent, a compaction) has in flight",
        list_price=True,
        attached="claude",
    )

    def __init__(self, home: Path, patience_s: float = PATIENCE_S) -> None:
        self.attach: Attach | None = None
        """Set once the engine is ready; until then every session is told that the gateway starts."""
        self._home = home
        self._notes = Notes(home / "agents" / "desk")
        self._private = reach.spellings(home)
        self._patience_s = patience_s
        self._sessions: dict[str, _Session] = {}
        self._relays: list[_Relay] = []
        self._closing: dict[str, _Session] = {}
        """Sessions that have ended, of which it is still to be read what they used in all."""
        self._ended: list[tuple[str, int]] = []
        """Sessions that have ended in processes that may still be there."""
        self._meeting = WeakValueDictionary[str, anyio.Lock]()
        """One for each session that is just heard of: its transcript may be long to read, and another one does not wait for that."""
        self._arriving = 0
        self._noting = anyio.Lock()
        self._strangers = Recent()
        self._dropped = 0
        self._crew = anyio.create_task_group()
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._exit.enter_async_context(self._crew)
        self._crew.start_soon(self._watch)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        with anyio.CancelScope(shield=True):
            for session in self._closing.values():
                session.client.hurry()
            for session in list(self._sessions.values()):
                await session.client.close()
        self._crew.cancel_scope.cancel()
        return await self._exit.__aexit__(kind, error, trace)

    async def start(self, launch: Launch) -> DeskClient:
        """Raises AgentAwayError: a person opens such a session, or nobody."""
        raise AgentAwayError(f"no session is open at the desk in {launch.directory}")

    async def recover(self, launch: Launch, process: Process | None, prompt_uuid: str) -> Recovered:
        """Whether the session's conversation holds the message. What it has cost is read when the session is heard of again."""
        del process
        note = await anyio.to_thread.run_sync(self._notes.read, launch.agent_session or "")
        known = not prompt_uuid
        if note is not None and not known:
            tail = Tail(Path(note.transcript), note.offset or 0)
            with anyio.move_on_after(READ_LIMIT_S):  # the client writes it down a little after its hook has let it in
                while not known:
                    known = await anyio.to_thread.run_sync(_holds, tail, prompt_uuid)
                    await anyio.sleep(0 if known else READ_EVERY_S)
        return Recovered(prompt_known=known, events=())

    # ------------------------------------------------------------------------------------------------------ the hooks
    async def hook(
        self, event: str, body: bytes, lineage: Sequence[int], source: str = "", *, unattended: bool = False
    ) -> Mapping[str, Any]:
        """The verdict at a hook. `lineage`: its process and those above it; `source`: what tells it from another hook for the same.
        `unattended`: nobody sits at its client.
        """
        told = await anyio.to_thread.run_sync(hooks.read, body)
        whole = told is not None and told.session_id and told.hook_event_name == event
        if told is None or not whole or not Path(told.transcript_path).name:
            log.warning("a hook said what cannot be read", hook=event)
            return hooks.no(event, UNREAD)
        try:
            session = await self._session_of(told, lineage, unattended=unattended)
        except TollbridgeError as error:
            return hooks.no(event, str(error))
        if session is None:
            return {}
        if session.refused:
            return hooks.no(event, session.refused)
        session.client.attended(not unattended)
        verdict = await session.client.hook(told, source)
        if event == Event.END and self._sessions.get(told.session_id) is session:
            # Beside the hook, which may be killed at any moment; and the client may say what it used only once it is answered.
            self._leave(told.session_id, session, CLOSED)
            self._crew.start_soon(self._settle, told.session_id, session, CLOSED)
        return verdict

    # -------------------------------------------------------------------------------------------------------- telemetry
    async def telemetry(self, body: bytes) -> bool:
        """What a client exports of its sessions, OTLP log records in JSON; False: they cannot be read.

        Raises AgentUnavailableError while the gateway starts: whoever exports tries again.
        """
        if self.attach is None:
            raise AgentUnavailableError(STARTS)
        heard = await anyio.to_thread.run_sync(otlp.read, body)
        by_session: dict[str, list[otlp.Heard]] = {}
        for one in heard or ():
            by_session.setdefault(one.session, []).append(one)
        for name, ours in by_session.items():
            session = self._sessions.get(name)
            if session is not None and not session.refused:
                await session.client.reported(ours)
            elif requests := sum(one.request is not None for one in ours):
                self._dropped += requests
                if self._strangers.add(name):
                    log.info("telemetry of a session that is not open here", session=name, dropped=self._dropped)
        return heard is not None

    async def _session_of(self, told: Told, lineage: Sequence[int], *, unattended: bool) -> _Session | None:
        """The session that a hook speaks of, which may be new. Raises TollbridgeError."""
        process = _parent(lineage)
        closing = self._closing.get(told.session_id)
        if closing is not None and told.hook_event_name != Event.END:
            await closing.settled.wait()  # Taken up again already: what it had used by then is booked first.
        known = self._sessions.get(told.session_id)
        if known is not None and known.sure and known.process in lineage[2:]:
            # The client starts its hooks itself: this is something that its agent has started.
            raise AgentUnavailableError(MOVED)
        if known is not None and not known.refused and not _let_go(known, told) and process in (0, known.process):
            if Path(told.transcript_path) != known.transcript:
                raise AgentUnavailableError(MOVED)
            return known
        async with self._alone(told.session_id):
            opened = told.hook_event_name == Event.START and told.source in ("startup", "resume")
            if await self._is_elsewhere(told.session_id, lineage, opened=opened):
                raise AgentUnavailableError(OPEN)
            known = self._sessions.get(told.session_id)
            sure = False
            if known is not None and _let_go(known, told):
                await self._forget(told.session_id, KILLED)
                sure, known = known.sure and known.process == process, None
            if known is not None and not known.refused:
                return known
            if told.hook_event_name == Event.END:
                return None
            return await self._open(told, lineage, known, sure=sure, unattended=unattended)

    async def _open(
        self, told: Told, lineage: Sequence[int], known: _Session | None, *, sure: bool, unattended: bool
    ) -> _Session:
        """A session that is heard of for the first time, or of which it is looked at again whether it may take part. Raises TollbridgeError."""
        if self.attach is None:
            raise AgentUnavailableError(STARTS)
        if known is None and not await self._has_room():
            raise AgentUnavailableError(TOO_MANY)
        process = _parent(lineage)
        fresh = told.hook_event_name == Event.START and told.source in ("startup", "clear")
        opens = told.hook_event_name == Event.START and process > 1
        sure = sure or (opens and not await anyio.to_thread.run_sync(_is_above_us, process))
        below = self._is_below(lineage)
        here = Note(told.session_id, told.transcript_path, told.cwd, process, unattended=unattended)
        here = replace(here, sure=sure and not below)
        with self._arrives():
            session = known or await self._meet(here, fresh=fresh)
            session.sure, session.below = session.sure or sure, below
            await self._take_in(session, told.session_id, told.cwd)
        return session

    def _alone(self, session_id: str) -> anyio.Lock:
        """What is held by whoever finds out whether a session is open."""
        return self._meeting.setdefault(session_id, anyio.Lock())

    @contextmanager
    def _arrives(self) -> Iterator[None]:
        """One more session is about to be open."""
        self._arriving += 1
        try:
            yield
        finally:
            self._arriving -= 1

    async def _take_in(self, session: _Session, session_id: str, directory: str) -> None:
        """Have the engine listen to it, and its channel, if there is one already, push to it."""
        if self.attach is None:
            raise AssertionError
        session.refused = await self.attach(
            AT_DESK, session.client, directory, unattended=session.client.way.unattended
        )
        self._sessions[session_id] = session
        if not session.refused and not session.lives:
            session.lives = True
            self._crew.start_soon(session.client.live)
        self._join()

    async def _is_elsewhere(self, session_id: str, lineage: Sequence[int], *, opened: bool) -> bool:
        """Whether the session is open in another process than the one that speaks of it. Where that one was killed, what it did is over.

        One conversation has one writer: whoever opens it a second time waits until the first is gone. So does whatever another
        session's agent has started, be that the first or the second.
        """
        process, known = _parent(lineage), self._sessions.get(session_id)
        if known is None or not process or process == known.process:
            return False
        if not known.process:
            if opened:  # Whatever named it before was no client that could be found.
                await self._forget(session_id, UNKNOWN)
            return False
        if not await anyio.to_thread.run_sync(_runs, known.process, known.started):
            await self._forget(session_id, KILLED)
            return False
        own = known.sure and not known.below and self._newest_in(known.process) is known
        if self._is_below(lineage) or (own and not known.refused):
            return True
        if opened:
            await self._forget(session_id, KILLED)
        return False

    def _is_below(self, lineage: Sequence[int]) -> bool:
        """Whether the client that speaks was started by what another open session's client has started."""
        return any(one.sure and one.process in lineage[2:] for one in self._sessions.values())

    async def _meet(self, here: Note, *, fresh: bool) -> _Session:
        here = await anyio.to_thread.run_sync(self._now, here)
        logs, note = await anyio.to_thread.run_sync(self._log_of, here, fresh)
        way = Way(hears=note.hears, unattended=note.unattended)
        client = DeskClient(here.session, here.directory, logs, self._private, self._patience_s, way)
        await client.catch_up()
        session = _Session(client, here.process, Path(here.transcript), noted=note.hears)
        session.sure, session.started = here.sure, here.started
        return session

    def _now(self, here: Note) -> Note:
        """The session with its process as an earlier gateway knew it, where that still has it open. Raises AgentUnavailableError."""
        here = replace(here, started=started(here.process))
        note = self._notes.read(here.session)
        if note is None or not note.sure or note.ended or self._notes.of_process(note.process) != note:
            return here
        if here.process not in (0, note.process):
            raise AgentUnavailableError(OPEN)
        return replace(here, process=note.process, started=note.started, sure=True)

    def _log_of(self, here: Note, fresh: bool) -> tuple[Log, Note]:  # noqa: FBT001 - a thread's call knows no names
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
        return logs, known

    async def _has_room(self) -> bool:
        """Whether one more session may be open. Where there are too many, the oldest at rest that no process is known of makes room."""
        if len(self._sessions) + self._arriving >= SESSIONS_MAX:
            idle = (name for name, one in self._sessions.items() if not one.process and one.client.rests)
            await self._forget(next(idle, ""), UNKNOWN)
        return len(self._sessions) + self._arriving < SESSIONS_MAX

    async def _forget(self, session_id: str, why: str) -> None:
        session = self._sessions.get(session_id)
        if session is not None:
            self._leave(session_id, session, why)
            await self._settle(session_id, session, why)

    def _leave(self, session_id: str, session: _Session, why: str) -> None:
        """It is open no more."""
        del self._sessions[session_id]
        self._closing[session_id] = session
        for relay in self._relays:
            if relay.joined is session.client:
                relay.joined, relay.hears = None, session.client.way.hears
        if why == CLOSED:
            self._ended = [*self._ended[-SESSIONS_MAX:], (session_id, session.process)]

    async def _settle(self, session_id: str, session: _Session, why: str) -> None:
        """Tell what it has used, and note that it is over."""
        try:
            with anyio.CancelScope(shield=True):
                # Whoever says that it ended may have been its own agent: where it goes on, it is read on from where it was.
                if await session.client.gone(why):
                    async with self._noting:
                        await anyio.to_thread.run_sync(self._end_note, session_id, why != CLOSED)
        finally:
            del self._closing[session_id]
            session.settled.set()

    def _end_note(self, session_id: str, over: bool) -> None:  # noqa: FBT001 - a thread's call knows no names
        """It has ended, as it says, or (`over`) since its process is gone: what stands in its transcript is booked.

        A note that cannot be written stays as it is: if the session is opened again it is read on from there, and nothing is booked twice.
        """
        note = self._notes.read(session_id)
        if note is None:
            return
        note = replace(note, offset=None, used=None, agents={}) if over else note
        try:
            self._notes.write(replace(note, ended=True))
            if over:
                self._notes.kept(session_id).unlink(missing_ok=True)
        except OSError as error:
            log.warning("it cannot be noted that a session has ended", session=session_id, why=str(error))

    async def _watch(self) -> None:
        """A client that was killed says nothing: its process is looked for."""
        while True:
            await anyio.sleep(LOOK_EVERY_S)
            for name, session in list(self._sessions.items()):
                gone = session.process and not await anyio.to_thread.run_sync(is_there, session.process)
                if gone and self._sessions.get(name) is session:
                    await self._forget(name, KILLED)
            for name, process in list(self._ended):
                if name in self._sessions:
                    self._ended.remove((name, process))
                elif name not in self._closing and not await anyio.to_thread.run_sync(is_there, process):
                    self._ended.remove((name, process))
                    async with self._noting:
                        await anyio.to_thread.run_sync(self._end_note, name, True)  # noqa: FBT003 - see there
            await self._note_who_hears()

    async def _note_who_hears(self) -> None:
        """For a gateway that comes later: whoever has shown a message shows the next one, and whoever has not does not."""
        for name, session in list(self._sessions.items()):
            hears = session.client.way.hears
            if hears is not session.noted:
                session.noted = hears
                async with self._noting:
                    await anyio.to_thread.run_sync(self._note_hears, name, hears)

    def _note_hears(self, name: str, hears: bool | None) -> None:  # noqa: FBT001 - a thread's call knows no names
        note = self._notes.read(name)
        if note is not None:
            self._notes.write(replace(note, hears=hears))

    # ----------------------------------------------------------------------------------------------------- the channel
    @asynccontextmanager
    async def joined(self, pusher: Pusher, session: str, lineage: Sequence[int]) -> AsyncGenerator[None]:
        """Have messages go through this channel as long as the block lasts; `session`: as the channel's process knows it."""
        relay = _Relay(pusher, tuple(lineage), session)
        self._relays.append(relay)
        try:
            await self._found_by(relay)
            yield
        finally:
            self._relays.remove(relay)
            if relay.joined is not None:
                relay.joined.leave(pusher)

    async def _found_by(self, relay: _Relay) -> None:
        """A channel brings back its session, which an earlier gateway knew: nothing is typed there while its person is away."""
        async with self._alone(relay.session):
            await self._is_elsewhere(relay.session, relay.lineage, opened=False)
        if not self._is_known(relay) and self.attach is not None:
            note = await anyio.to_thread.run_sync(self._noted, relay)
            if note is not None:
                await self._brought_back(relay, note)
        self._join()

    async def _brought_back(self, relay: _Relay, note: Note) -> None:
        async with self._alone(note.session):
            if self._is_known(relay) or note.session in {*self._sessions, *self._closing} or not await self._has_room():
                return
            with self._arrives():
                session = await self._meet(note, fresh=False)
                if not self._is_known(relay):  # Its client may have opened another one meanwhile.
                    await self._take_in(session, note.session, note.directory)

    def _is_known(self, relay: _Relay) -> bool:
        return relay.session in self._sessions or self._newest_in(relay.process) is not None

    def _noted(self, relay: _Relay) -> Note | None:
        """The session that the channel's client has open, as far as it was noted."""
        note = self._notes.of_process(relay.process) or self._notes.read(relay.session)
        if note is None or (note.ended and note.process == relay.process):
            return None  # It was left for another one, of which nothing is known.
        if note.unattended and note.process != relay.process:
            return None  # Whether somebody sits at this client, its hooks say.
        return note if note.process and is_there(note.process) else replace(note, process=relay.process, sure=False)

    def session_in(self, lineage: Sequence[int], named: str) -> str:
        """The session that the client has open which started a relay: after /clear another than the relay was started with, which is
        `named`.
        """
        newest = self._newest_in(_parent(lineage))
        return named if newest is None else newest.client.agent_session

    def process_of(self, agent_session: str) -> int | None:
        """The process of an open session's client; None: it is not open, or its process is not known."""
        session = self._sessions.get(agent_session)
        return session.process or None if session is not None else None

    def client_of(self, pusher: Pusher) -> DeskClient | None:
        """The session that a channel is joined to now."""
        return next((relay.joined for relay in self._relays if relay.pusher is pusher), None)

    def _newest_in(self, process: int) -> _Session | None:
        """The session that was opened last in a client's process; none where that is not known."""
        found = (one for one in reversed(self._sessions.values()) if process and one.process == process)
        return next(found, None)

    def _join(self) -> None:
        """A session and a channel find each other by the process that started both, or by the session's name."""
        for relay in self._relays:
            named = self._sessions.get(relay.session)
            if named is not None and named.process and named.process not in relay.lineage:
                named = None
            found = self._newest_in(relay.process) or named
            if found is not None and not found.refused and relay.joined is not found.client:
                if relay.joined is not None:
                    relay.hears = relay.joined.way.hears
                    relay.joined.leave(relay.pusher)
                relay.joined = found.client
                found.client.join(relay.pusher, hears=relay.hears)


def _let_go(session: _Session, told: Told) -> bool:
    """Whether the engine has let go of a session, and its person goes on with it: it is met anew."""
    return session.client.is_gone and told.hook_event_name != Event.END


def _holds(tail: Tail, name: str) -> bool:
    """Whether a message of this name stands in what was added to a conversation."""
    while (piece := tail.piece()) is not None:
        if any(is_message(line, name) for line in piece):
            return True
    return False


def _runs(process: int, begun: str) -> bool:
    """Whether this very process still runs, as far as it is known when that began."""
    return is_there(process) and begun in ("", started(process))


def _is_above_us(process: int) -> bool:
    """Whether the gateway descends from it: then it takes in orphans, or starts what people start, and is no client of the desk."""
    above = os.getpid()
    while (fields := stat_fields(above)) is not None and (above := int(fields[1])) > 1:
        if above == process:
            return True
    return False


def _parent(lineage: Sequence[int]) -> int:
    """The process that started a hook or a relay; 0: not known."""
    return lineage[1] if len(lineage) > 1 and lineage[1] > 1 else 0
