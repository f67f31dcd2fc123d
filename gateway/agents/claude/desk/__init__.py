"""Claude Code sessions that people open themselves, as an agent: told of by their hooks, reached through their channel.

async with DeskAgent(home) as desk:
    desk.attach = engine.attach
    verdict = await desk.hook("UserPromptSubmit", body, lineage)
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

import anyio
import anyio.to_thread
import structlog

from gateway.agents.claude.calls import Recent
from gateway.agents.claude.desk import hooks, otlp
from gateway.agents.claude.desk.client import READ_LIMIT_S, DeskClient
from gateway.agents.claude.desk.hooks import Event, Told
from gateway.agents.claude.desk.joining import Relay, Relays
from gateway.agents.claude.desk.leaving import Leaving
from gateway.agents.claude.desk.lineage import is_above_us, parent_of, still_runs
from gateway.agents.claude.desk.meeting import OPEN, Meeting
from gateway.agents.claude.desk.meter import READ_EVERY_S
from gateway.agents.claude.desk.notes import Note, Notes
from gateway.agents.claude.desk.sessions import SESSIONS_MAX, Session, Sessions
from gateway.agents.claude.desk.way import Pusher
from gateway.agents.claude.transcript import Tail, is_message
from gateway.domain.place import AT_DESK
from gateway.ports import (
    AgentAwayError,
    AgentTraits,
    AgentUnavailableError,
    Conversation,
    Launch,
    Process,
    Recovered,
    TollbridgeError,
)
from gateway.view import desk_words

__all__ = ["OPEN", "SESSIONS_MAX", "STARTS", "TOO_MANY", "DeskAgent", "DeskClient"]

log = structlog.get_logger()

PATIENCE_S: Final = 3_000.0
"""How long a hook waits for a person; the plugin gives its hooks longer."""
LOOK_EVERY_S: Final = 2.0
UNREAD: Final = "Tollbridge cannot read what Claude Code says here, which may be newer: update Tollbridge, then run `tollbridge plugin install`."
MOVED: Final = "Tollbridge hears of this session from another program than before: close it, and open it again."
STARTS: Final = "Tollbridge's gateway has just been started: try again in a moment."
TOO_MANY: Final = f"Tollbridge follows {SESSIONS_MAX} open sessions at most: close some of them."


class Attach(Protocol):
    """The engine's: an agent of this name is there, in this directory; not empty: why it may not take part."""

    async def __call__(self, agent: str, client: DeskClient, directory: str, *, unattended: bool = False) -> str: ...


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
        self._notes = Notes(home / "agents" / "desk")
        self._meeting = Meeting(home, self._notes, patience_s)
        self._sessions = Sessions()
        self._relays = Relays(self._sessions)
        self._leaving = Leaving(self._sessions, self._relays, self._notes)
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
            for session in self._sessions.closing.values():
                session.client.hurry()
            for session in list(self._sessions.open.values()):
                await session.client.close()
        self._crew.cancel_scope.cancel()
        return await self._exit.__aexit__(kind, error, trace)

    async def _watch(self) -> None:
        while True:
            await anyio.sleep(LOOK_EVERY_S)
            await self._leaving.look()

    async def start(self, launch: Launch) -> DeskClient:
        """Raises AgentAwayError: a person opens such a session, or nobody."""
        raise AgentAwayError(f"no session is open at the desk in {launch.directory}")

    async def conversations(self, directory: str, limit: int) -> tuple[Conversation, ...]:  # noqa: ARG002 - the port's signature
        """They are the ones of the agent that the gateway starts."""
        return ()

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
        if event == Event.END and self._sessions.open.get(told.session_id) is session:
            # Beside the hook, which may be killed at any moment; and the client may say what it used only once it is answered.
            self._leaving.leave(told.session_id, session, desk_words.CLOSED)
            self._crew.start_soon(self._leaving.settle, told.session_id, session, desk_words.CLOSED)
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
            session = self._sessions.open.get(name)
            if session is not None and not session.refused:
                await session.client.reported(ours)
            elif requests := sum(one.request is not None for one in ours):
                self._dropped += requests
                if self._strangers.add(name):
                    log.info("telemetry of a session that is not open here", session=name, dropped=self._dropped)
        return heard is not None

    async def _session_of(self, told: Told, lineage: Sequence[int], *, unattended: bool) -> Session | None:
        """The session that a hook speaks of, which may be new. Raises TollbridgeError."""
        process = parent_of(lineage)
        known = self._sessions.open.get(told.session_id)
        if known is not None and known.sure and known.process in lineage[2:]:
            # The client starts its hooks itself: this is something that its agent has started.
            raise AgentUnavailableError(MOVED)
        if known is not None and not known.refused and not _let_go(known, told) and process in (0, known.process):
            return _same(known, told)
        async with self._sessions.alone(told.session_id):
            opened = told.hook_event_name == Event.START and told.source in ("startup", "resume")
            if await self._is_elsewhere(told.session_id, lineage, opened=opened):
                raise AgentUnavailableError(OPEN)
            if told.hook_event_name != Event.END:
                await self._sessions.left(told.session_id)  # What it had used by then is booked first.
            known = self._sessions.open.get(told.session_id)
            sure = False
            if known is not None and _let_go(known, told):
                await self._leaving.forget(told.session_id, desk_words.VANISHED)
                sure, known = known.sure and known.process == process, None
            if known is not None and not _same(known, told).refused:
                return known
            if told.hook_event_name == Event.END:
                return None
            return await self._open(told, lineage, known, sure=sure, unattended=unattended)

    async def _open(
        self, told: Told, lineage: Sequence[int], known: Session | None, *, sure: bool, unattended: bool
    ) -> Session:
        """A session that is heard of for the first time, or of which it is looked at again whether it may take part.

        Raises TollbridgeError.
        """
        if self.attach is None:
            raise AgentUnavailableError(STARTS)
        process = parent_of(lineage)
        fresh = told.hook_event_name == Event.START and told.source in ("startup", "clear")
        opens = told.hook_event_name == Event.START and process > 1
        sure = sure or (opens and not await anyio.to_thread.run_sync(is_above_us, process))
        below = self._sessions.is_below(lineage)
        here = Note(told.session_id, told.transcript_path, told.cwd, process, unattended=unattended)
        here = replace(here, sure=sure and not below)
        if known is None and not await self._has_room():
            raise AgentUnavailableError(TOO_MANY)
        with self._sessions.arrives():
            session = known or await self._meeting.meet(here, fresh=fresh)
            session.sure, session.below = session.sure or sure, below
            await self._take_in(session, told.session_id, told.cwd)
        return session

    async def _take_in(self, session: Session, session_id: str, directory: str) -> None:
        """Have the engine listen to it, and its channel, if there is one already, push to it."""
        if self.attach is None:
            raise AssertionError("nobody is taken in before the engine is ready")
        session.refused = await self.attach(
            AT_DESK, session.client, directory, unattended=session.client.way.unattended
        )
        self._sessions.open[session_id] = session
        if not session.refused and not session.lives:
            session.lives = True
            self._crew.start_soon(session.client.live)
        self._relays.join()

    async def _is_elsewhere(self, session_id: str, lineage: Sequence[int], *, opened: bool) -> bool:
        """Whether the session is open in another process than the one that speaks of it. Where that one was killed, what it did is over.

        One conversation has one writer: whoever opens it a second time waits until the first is gone. So does whatever another
        session's agent has started, be that the first or the second.
        """
        process, known = parent_of(lineage), self._sessions.open.get(session_id)
        if known is None or not process or process == known.process:
            return False
        if not known.process:
            if opened:  # Whatever named it before was no client that could be found.
                await self._leaving.forget(session_id, desk_words.LOST)
            return False
        if not await anyio.to_thread.run_sync(still_runs, known.process, known.started):
            await self._leaving.forget(session_id, desk_words.VANISHED)
            return False
        own = known.sure and not known.below and self._sessions.newest_in(known.process) is known
        if self._sessions.is_below(lineage) or (own and not known.refused):
            return True
        if opened:
            await self._leaving.forget(session_id, desk_words.VANISHED)
        return False

    async def _has_room(self) -> bool:
        """Whether one more session may be open. Where there are too many, the oldest at rest that no process is known of makes room."""
        if self._sessions.full:
            await self._leaving.forget(self._sessions.idle(), desk_words.LOST)
        return not self._sessions.full

    # ----------------------------------------------------------------------------------------------------- the channel
    @asynccontextmanager
    async def joined(self, pusher: Pusher, session: str, lineage: Sequence[int]) -> AsyncGenerator[None]:
        """Have messages go through this channel as long as the block lasts; `session`: as the channel's process knows it."""
        relay = Relay(pusher, tuple(lineage), session)
        self._relays.open(relay)
        try:
            await self._found_by(relay)
            yield
        finally:
            self._relays.close(relay)

    async def _found_by(self, relay: Relay) -> None:
        """A channel brings back its session, which an earlier gateway knew: nothing is typed there while its person is away."""
        async with self._sessions.alone(relay.session):
            await self._is_elsewhere(relay.session, relay.lineage, opened=False)
        below = self._sessions.is_below(relay.lineage)  # Whether its person opened what it names, the hooks say.
        if not below and not self._is_known(relay) and self.attach is not None:
            note = await anyio.to_thread.run_sync(self._meeting.of_channel, relay.process, relay.session)
            try:
                await self._brought_back(relay, note)
            except TollbridgeError as error:  # It is joined to its session as soon as a hook tells of that.
                log.warning("a channel's session cannot be brought back", session=relay.session, why=str(error))
        self._relays.join()

    async def _brought_back(self, relay: Relay, note: Note | None) -> None:
        if note is None:
            return
        async with self._sessions.alone(note.session):
            if (
                self._is_known(relay)
                or note.session in {*self._sessions.open, *self._sessions.closing}
                or not await self._has_room()
            ):
                return
            with self._sessions.arrives():
                session = await self._meeting.meet(note, fresh=False)
                if not self._is_known(relay):  # Its client may have opened another one meanwhile.
                    await self._take_in(session, note.session, note.directory)

    def _is_known(self, relay: Relay) -> bool:
        return relay.session in self._sessions.open or self._sessions.newest_in(relay.process) is not None

    def session_in(self, lineage: Sequence[int], named: str) -> str:
        """The session that the client has open which started a relay: after /clear another than the relay was started with, which is
        `named`.
        """
        newest = self._sessions.newest_in(parent_of(lineage))
        return named if newest is None else newest.client.agent_session

    def process_of(self, agent_session: str) -> int | None:
        """The process of an open session's client; None: it is not open, or its process is not known."""
        session = self._sessions.open.get(agent_session)
        return session.process or None if session is not None else None

    def client_of(self, pusher: Pusher) -> DeskClient | None:
        """The session that a channel is joined to now."""
        return self._relays.client_of(pusher)


def _let_go(session: Session, told: Told) -> bool:
    """Whether the engine has let go of a session, and its person goes on with it: it is met anew."""
    return session.client.is_gone and told.hook_event_name != Event.END


def _same(session: Session, told: Told) -> Session:
    """The session, if what speaks of it has the same transcript: no other is read. Raises AgentUnavailableError."""
    if Path(told.transcript_path) != session.transcript:
        raise AgentUnavailableError(MOVED)
    return session


def _holds(tail: Tail, name: str) -> bool:
    """Whether a message of this name stands in what was added to a conversation."""
    while (piece := tail.piece()) is not None:
        if any(is_message(line, name) for line in piece):
            return True
    return False
