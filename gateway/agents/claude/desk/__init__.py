"""Claude Code sessions that people open themselves, as an agent: told of by their hooks, reached through their channel.

async with DeskAgent(home, engine.attach) as desk:
    verdict = await desk.hook("UserPromptSubmit", body, lineage)
"""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import anyio
import anyio.to_thread
import structlog

from gateway import clock
from gateway.agents.claude import reach
from gateway.agents.claude.calls import Recent
from gateway.agents.claude.desk import hooks, otlp
from gateway.agents.claude.desk.client import CLOSED, DeskClient, Pusher
from gateway.agents.claude.desk.hooks import Event, Told
from gateway.agents.claude.desk.log import Log
from gateway.ports import (
    AgentAwayError,
    AgentTraits,
    AgentUnavailableError,
    Launch,
    Process,
    Recovered,
    TollbridgeError,
)
from gateway.processes import is_there

__all__ = ["STARTS", "DeskAgent", "DeskClient"]

log = structlog.get_logger()

NAME: Final = "channel"
SESSIONS_MAX: Final = 64
"""So many sessions may be open at the desk; each further one is told so at its first prompt."""
PATIENCE_S: Final = 3_000.0
"""How long a hook waits for a person; the plugin gives its hooks longer."""
LOOK_EVERY_S: Final = 2.0
UNREAD: Final = (
    "Tollbridge cannot read what Claude Code says here: is it of a newer version? `tollbridge doctor` tells."
)
MOVED: Final = "Tollbridge was told of another transcript of this session before: start it again."
STARTS: Final = "Tollbridge's gateway has just been started: try again in a moment."
TOO_MANY: Final = f"Tollbridge follows {SESSIONS_MAX} open sessions at most: close some of them."
ELSEWHERE_S: Final = 10.0
KEPT: Final = ".calls"
"""How the file ends that remembers the calls which only telemetry told of."""

Attach = Callable[[str, DeskClient, str], Awaitable[str]]
"""The engine's: an agent of this name is there, in this directory; not empty: why it may not take part."""


@dataclass(slots=True)
class _Session:
    """An open session. `process` is the client's; several sessions follow each other in one (`/clear`)."""

    client: DeskClient
    process: int
    transcript: Path
    refused: str = ""


@dataclass(slots=True)
class _Relay:
    """A channel that is joined: to the session of its client's process, whichever that is."""

    pusher: Pusher
    lineage: tuple[int, ...]
    session: str
    joined: DeskClient | None = field(default=None)


class DeskAgent:
    """The Agent port: it starts nothing. `home`: the gateway's own directory, which no tool of theirs may touch."""

    traits = AgentTraits(
        name=NAME,
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
        self._private = reach.spellings(home)
        self._patience_s = patience_s
        self._sessions: dict[str, _Session] = {}
        self._relays: list[_Relay] = []
        self._ended: list[tuple[str, int]] = []
        """Sessions that have ended in processes that may still be there."""
        self._meeting = anyio.Lock()
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
            for session in list(self._sessions.values()):
                await session.client.close()
        self._crew.cancel_scope.cancel()
        return await self._exit.__aexit__(kind, error, trace)

    async def start(self, launch: Launch) -> DeskClient:
        """Raises AgentAwayError: a person opens such a session, or nobody."""
        raise AgentAwayError(f"no session is open at the desk in {launch.directory}")

    async def recover(self, launch: Launch, process: Process | None, prompt_uuid: str) -> Recovered:
        """What an earlier gateway may have missed is read when the session is heard of again; nothing is to be ended."""
        del launch, process, prompt_uuid
        return Recovered(prompt_known=True, events=())

    # ------------------------------------------------------------------------------------------------------ the hooks
    async def hook(self, event: str, body: bytes, lineage: Sequence[int]) -> Mapping[str, Any]:
        """The verdict at a hook. `lineage`: its process and those above it."""
        told = await anyio.to_thread.run_sync(hooks.read, body)
        if told is None or told.hook_event_name != event or not Path(told.transcript_path).name:
            log.warning("a hook said what cannot be read", hook=event)
            return hooks.no(event, UNREAD)
        try:
            session = await self._session_of(told, lineage)
        except TollbridgeError as error:
            return hooks.no(event, str(error))
        if session is None:
            return {}
        if session.refused:
            return hooks.no(event, session.refused)
        verdict = await session.client.hook(told)
        if event == Event.END:
            with anyio.CancelScope(shield=True):  # its hook may be killed at any moment
                await self._forget(told.session_id, CLOSED)
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

    async def _session_of(self, told: Told, lineage: Sequence[int]) -> _Session | None:
        """The session that a hook speaks of, which may be new. Raises TollbridgeError."""
        known = self._sessions.get(told.session_id)
        if known is not None and not known.refused:
            if told.transcript_path and Path(told.transcript_path) != known.transcript:
                raise AgentUnavailableError(MOVED)
            return known
        async with self._meeting:
            known = self._sessions.get(told.session_id)
            if known is not None and not known.refused:
                return known
            if told.hook_event_name == Event.END:
                return None
            if self.attach is None:
                raise AgentUnavailableError(STARTS)
            if len(self._sessions) >= SESSIONS_MAX:
                raise AgentUnavailableError(TOO_MANY)
            session = known or await self._meet(told, lineage)
            session.refused = await self.attach(NAME, session.client, told.cwd)
            self._sessions[told.session_id] = session
            if not session.refused:
                self._crew.start_soon(session.client.live)
            self._join()
            return session

    async def _meet(self, told: Told, lineage: Sequence[int]) -> _Session:
        fresh = told.hook_event_name == Event.START and told.source in ("startup", "clear")
        logs = await anyio.to_thread.run_sync(self._log_of, told, fresh)
        process = lineage[1] if len(lineage) > 1 else 0
        client = DeskClient(told.session_id, told.cwd, logs, self._private, self._patience_s)
        return _Session(client, process, Path(told.transcript_path))

    def _log_of(self, told: Told, fresh: bool) -> Log:  # noqa: FBT001 - a thread's call knows no names
        """Where the session's own part of its transcript begins: where it was first heard of, by this gateway or an earlier one."""
        place = self._note(told.session_id)
        logs = Log(Path(told.transcript_path))
        try:
            noted = json.loads(place.read_text(encoding="utf-8"))
            logs.offset, logs.reported.since_ms = int(noted["offset"]), int(noted.get("since_ms", 0))
            if noted["used"] is not None:
                logs.since(noted["used"].encode() or None)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            used = b"" if fresh else logs.skip()
            if fresh:
                logs.since(None)
            words = None if used is None else used.decode(errors="replace")
            logs.reported.since_ms = clock.now_ms()
            self._keep(place, json.dumps({"offset": logs.offset, "used": words, "since_ms": logs.reported.since_ms}))
        logs.reported.kept = place.with_suffix(KEPT)
        logs.reported.load()
        return logs

    def _keep(self, place: Path, words: str) -> None:
        try:
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            place.write_text(words, encoding="utf-8")
        except OSError as error:
            raise AgentUnavailableError(
                f"Tollbridge cannot write {place} ({error.strerror}): mend that first."
            ) from None

    def _note(self, session_id: str) -> Path:
        name = "".join(char if char.isalnum() or char in "-_" else "_" for char in session_id)[:100]
        return self._home / "agents" / "desk" / f"{name}.json"

    async def _forget(self, session_id: str, why: str) -> None:
        session = self._sessions.pop(session_id, None)
        if session is not None:
            await session.client.gone(why)
            # Whoever says that it ended may have been its own agent: where it goes on, it is read on from where it was.
            self._ended = [*self._ended[-SESSIONS_MAX:], (session_id, session.process)]
            for relay in self._relays:
                relay.joined = None if relay.joined is session.client else relay.joined

    async def _watch(self) -> None:
        """A client that was killed says nothing: its process is looked for."""
        while True:
            await anyio.sleep(LOOK_EVERY_S)
            for name, session in list(self._sessions.items()):
                if session.process and not await anyio.to_thread.run_sync(is_there, session.process):
                    await self._forget(name, "its process is gone")
            for name, process in list(self._ended):
                if name in self._sessions:
                    self._ended.remove((name, process))
                elif not await anyio.to_thread.run_sync(is_there, process):
                    self._ended.remove((name, process))
                    self._note(name).unlink(missing_ok=True)
                    self._note(name).with_suffix(KEPT).unlink(missing_ok=True)

    # ----------------------------------------------------------------------------------------------------- the channel
    @asynccontextmanager
    async def joined(self, pusher: Pusher, session: str, lineage: Sequence[int]) -> AsyncGenerator[None]:
        """Have messages go through this channel as long as the block lasts; `session`: as the channel's process knows it."""
        relay = _Relay(pusher, tuple(lineage), session)
        self._relays.append(relay)
        self._join()
        try:
            yield
        finally:
            self._relays.remove(relay)
            if relay.joined is not None:
                relay.joined.leave(pusher)

    def process_of(self, agent_session: str) -> int | None:
        """The process of an open session's client; None: it is not open, or its process is not known."""
        session = self._sessions.get(agent_session)
        return session.process or None if session is not None else None

    def client_of(self, pusher: Pusher) -> DeskClient | None:
        """The session that a channel is joined to now."""
        return next((relay.joined for relay in self._relays if relay.pusher is pusher), None)

    def _join(self) -> None:
        """A session and a channel find each other by the process that started both, or by the session's name."""
        for relay in self._relays:
            newest = [one for one in self._sessions.values() if one.process and one.process in relay.lineage[1:2]]
            named = self._sessions.get(relay.session)
            if named is not None and named.process and named.process not in relay.lineage:
                named = None
            found = newest[-1] if newest else named
            if found is not None and not found.refused and relay.joined is not found.client:
                if relay.joined is not None:
                    relay.joined.leave(relay.pusher)
                relay.joined = found.client
                found.client.join(relay.pusher)
