"""What comes in on this machine, joined to the engine: hooks and channels of sessions at the desk, and the budget over MCP.

`mcp` takes two seconds to import: its servers are loaded when somebody first asks for one, and nothing waits for that.
"""

import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

import anyio
import structlog
from anyio import to_thread

from gateway.agents.claude.desk import STARTS, DeskAgent, DeskClient, hooks, unheard
from gateway.config.local import Place
from gateway.core import summary
from gateway.core.channel import Push
from gateway.core.files import FILE_MARK
from gateway.domain.effects import SAID_REF, Edit, Say
from gateway.domain.place import AT_DESK, Session, Unmetered
from gateway.engine import Engine, World, attachments, parcels, showing
from gateway.engine import desk as at_desk
from gateway.engine.asked import Asking, Caller, Pace, session_of_agent
from gateway.engine.decision import Draft
from gateway.local import relays, token
from gateway.local.lines import Lines
from gateway.local.peers import Peer, family_of
from gateway.local.routes import Routes
from gateway.ports import Decision, FullError, TollbridgeError, View
from mcp_servers.channel_host import Channel, Declined, Done, Question, Saved

log = structlog.get_logger()

NOT_JOINED: Final = (
    "No session belongs to this channel yet: say it in the terminal, and try again after the next prompt."
)
NOT_WRITTEN: Final = "No message with this id is known here: react to one that a person wrote to this session."
TOO_LONG: Final = "Not changed: a changed message has to fit into one, and this is longer. Send it with reply."
NOT_OURS: Final = "No message of this session has this id: reply gives the ids of those that can be changed."
FULL: Final = "Not said: too many messages wait to be sent. Nothing of this was kept: call it again in a few minutes."

COLLECT_EVERY_S: Final = 600.0
"""A hook may also have found no gateway that was there, but had no time for it."""
COLLECTED_AT_ONCE: Final = 100
FILES_MAX: Final = 2
"""One that an earlier gateway had begun to read, and the newest."""

HOOK_S: Final = 3_500.0
"""How long a hook may wait at the door; the desk answers before."""
MCP_PATH: Final = "/mcp"
HTTP: Final = "a program on this machine, over HTTP"
RELAYED: Final = "an agent"


def routes(world: World, desk: DeskAgent, pace: Pace) -> Routes:
    """What relays and hooks ask for at the door. `pace`: one for all who ask, or another connection would begin anew."""

    async def judge(hook: relays.Hook) -> Mapping[str, Any]:
        if hook.off:
            await _goes_without(world, hook)
            return {}
        lineage = await _lineage(hook.peer)
        return await desk.hook(hook.event, hook.body, lineage, hook.by, unattended=hook.unattended)

    async def channel(hello: relays.Hello, lines: Lines) -> None:
        server = await to_thread.run_sync(_loaded, "mcp_servers.channel")
        async with AsyncExitStack() as stack:
            host = DeskHost(world, desk, hello.session, await _lineage(hello.peer), stack)
            await server.serve(lines, lines, host, session=hello.session)

    async def budget(hello: relays.Hello, lines: Lines) -> None:
        server = await to_thread.run_sync(_loaded, "mcp_servers.budget")
        lineage = await _lineage(hello.peer)
        own = spoken_for(world, desk, hello.session, lineage, allowed=await _descends(world, hello, lineage))
        await server.serve(lines, lines, Asking(world, Caller(RELAYED, own=own), pace), session=hello.session)

    return relays.routes({"channel": channel, "budget": budget}, judge, HOOK_S)


def spoken_for(
    world: World, desk: DeskAgent, named: str, lineage: Sequence[int], *, allowed: bool
) -> Callable[[View], Session | None]:
    """Which session a relay speaks for, asked at each call: one at the desk is spoken for by what its own client has started, as long
    as it is open. `named`: as the relay was started. `allowed`: whether it may speak for one that the gateway has started.
    """

    def own(view: View) -> Session | None:
        name = desk.session_in(lineage, named)
        session = session_of_agent(name)(view)
        if session is None or not world.agents[session.agent].traits.attached:
            return session if allowed else None
        return session if desk.process_of(name) in lineage else None

    return own


async def _goes_without(world: World, hook: relays.Hook) -> None:
    """A session begins that its person started with TOLLBRIDGE_OFF."""
    told = await to_thread.run_sync(hooks.read, hook.body)
    if told is None or not told.session_id or {told.hook_event_name, hook.event} != {hooks.Event.START}:
        log.warning("a session at the desk goes without Tollbridge, and says nothing of itself that can be read")
        return
    log.warning("a session at the desk goes without Tollbridge: what it spends is not metered", session=told.session_id)
    now_ms = world.clock.now_ms()
    heard = Unmetered(told.session_id, told.cwd, now_ms, now_ms)
    # After /clear the same client goes on: it was said when that was opened.
    await world.commit(at_desk.unmetered(world, (heard,), opened=told.source != "clear"))


async def collect(running: Engine, home: Path) -> None:
    """Keep what hooks of sessions without Tollbridge wrote down while no gateway heard them: now, and every now and then."""
    await running.ready.wait()
    while True:
        try:
            for _ in range(FILES_MAX):
                found = await to_thread.run_sync(unheard.take, home, running.world.clock.now_ms())
                if found is None:
                    break
                await _keep(running.world, found)
                await to_thread.run_sync(unheard.done, home)
        except unheard.NoFileError as error:
            log.warning("what hooks wrote down of sessions without Tollbridge is lost", why=str(error))
            with suppress(OSError):
                await to_thread.run_sync(unheard.done, home)
        except OSError as error:
            log.warning("what hooks wrote down cannot be read now: it is kept, and tried again", why=str(error))
        except TollbridgeError as error:
            log.warning("sessions without Tollbridge could not be kept: they are tried again", why=str(error))
        await anyio.sleep(COLLECT_EVERY_S)


async def _keep(world: World, found: unheard.Unheard) -> None:
    log.warning("sessions at the desk went without Tollbridge", sessions=len(found.sessions), unreadable=found.bad)
    for first in range(0, len(found.sessions), COLLECTED_AT_ONCE):
        some = found.sessions[first : first + COLLECTED_AT_ONCE]
        await world.commit(at_desk.unmetered(world, some))


_LOADING: Final = threading.Lock()


def _loaded(name: str) -> Any:
    """A server's module. Two threads that load parts of `mcp` at once wait for each other for good."""
    with _LOADING:
        return import_module(name)


async def _lineage(peer: Peer) -> Sequence[int]:
    return (await to_thread.run_sync(family_of, peer.pid)).lineage


async def _descends(world: World, hello: relays.Hello, lineage: Sequence[int]) -> bool:
    """Whether a program may speak for a session that the gateway has started: where that is at work, it has to descend from it."""
    session = await world.store.read(lambda view: view.session_of_agent(hello.session))
    known = {process.session_id: process.pid for process in await world.store.processes()}
    client = known.get(session.id) if session is not None else None
    return client is None or client in lineage


def bound_at(place: Place) -> socket.socket:
    """The loopback listener's socket; nobody is answered before `listen_at`. Raises TollbridgeError."""
    return import_module("gateway.local.loopback").bound(*place)


async def listen_at(listener: socket.socket, running: Engine, home: Path, pace: Pace) -> None:
    """Answer on the loopback address: the budget's MCP server, and what clients at the desk export of their sessions.

    Both say that the gateway starts until it has.
    """
    loopback, logs = _loaded("gateway.local.loopback"), _loaded("gateway.local.logs")
    desk = cast("DeskAgent", running.world.agents[AT_DESK])
    routes = {MCP_PATH: logs.unavailable(STARTS), logs.PATH: logs.route(desk.telemetry)}
    address, port, *_ = listener.getsockname()
    guarded = loopback.Guarded(routes, lambda: token.token_of(home), address, port)
    served = anyio.Event()

    async def mcp() -> None:
        budget = await to_thread.run_sync(_loaded, "mcp_servers.budget")
        await running.ready.wait()
        caller = Caller(HTTP, named=lambda handle: token.session_of(token.token_of(home), handle))
        async with budget.streamable(budget.server(Asking(running.world, caller, pace))) as routes[MCP_PATH]:
            log.info("MCP is answered over HTTP", address=address, port=port, path=MCP_PATH)
            with anyio.CancelScope(shield=True):
                await served.wait()  # Whoever is being answered is answered first.

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(mcp)
        try:
            await loopback.serve(listener, guarded)
        finally:
            served.set()


class DeskHost:
    """The Host of one channel, which belongs to whatever session its client has open. `stack` lasts as long as the channel."""

    def __init__(
        self, world: World, desk: DeskAgent, session: str, lineage: Sequence[int], stack: AsyncExitStack
    ) -> None:
        self._world = world
        self._desk = desk
        self._named = session
        self._lineage = lineage
        self._stack = stack
        self._channel: Channel | None = None

    async def ready(self, channel: Channel) -> None:
        self._channel = channel
        await self._stack.enter_async_context(self._desk.joined(channel, self._named, self._lineage))

    async def reply(self, text: str, files: Sequence[str], quotes: str | None) -> Done | Declined:
        found = await self._session()
        if found is None:
            return Declined(NOT_JOINED)
        client, session = found
        packed = await parcels.pack(self._world, session.directory, tuple(files)) if files else ()
        if isinstance(packed, str):
            return Declined(packed)
        said, drawn = await showing.fitted(self._world, text)
        ref = f"{SAID_REF}{session.id}:{self._world.clock.new_uuid()}"

        def decide(view: View) -> Decision[None]:
            draft = Draft()
            words = f"{_quote(view, session, quotes)}{said}"
            draft.say(Say(session.thread, ref, words, ring=True, files=(*drawn, *packed)))
            return draft.done(None)

        try:
            await self._world.commit(decide)
        except FullError:
            await parcels.drop(self._world, (*drawn, *packed))
            return Declined(FULL)
        client.replied()
        return Done("It is on its way to the person's chat.", (ref,))

    async def react(self, message_id: str, emoji: str) -> Done | Declined:
        found = await self._session()
        if found is None:
            return Declined(NOT_JOINED)
        _, session = found
        turn = await self._world.store.read(lambda view: view.turn_of_prompt(session.id, message_id))
        if turn is None or not turn.message_id:
            return Declined(NOT_WRITTEN)
        refusal = await self._world.chat.react(session.thread, turn.message_id, emoji)
        return Declined(refusal) if refusal else Done("It stands on the message.")

    async def edit(self, message_id: str, text: str) -> Done | Declined:
        found = await self._session()
        if found is None:
            return Declined(NOT_JOINED)
        _, session = found
        if not message_id.startswith(f"{SAID_REF}{session.id}:") or FILE_MARK in message_id:
            return Declined(NOT_OURS)
        if len(self._world.chat.compose(text, ())) > 1:
            return Declined(TOO_LONG)

        def decide(view: View) -> Decision[bool]:
            draft = Draft()
            known = view.message_id(message_id) is not None
            if known:
                draft.say(Edit(session.thread, message_id, text))
            return draft.done(known)

        try:
            done = (await self._world.commit(decide)).result
        except FullError:
            return Declined(FULL)
        return Done("It is on its way to the person's chat.", (message_id,)) if done else Declined(NOT_OURS)

    async def download(self, attachment_id: str) -> Saved | Declined:
        found = await self._session()
        if found is None:
            return Declined(NOT_JOINED)
        fetched = await attachments.download(self._world, found[1].id, attachment_id)
        return Declined(fetched) if isinstance(fetched, str) else Saved(fetched.path)

    async def fetch(self) -> Sequence[Push]:
        client = self._client()
        return () if client is None else client.unread()

    async def told(self, message_ids: Sequence[str]) -> None:
        client = self._client()
        if client is not None:
            client.fetched(message_ids)

    async def permission(self, question: Question) -> None:
        client = self._client()
        if client is not None:
            await client.asks(question.request_id, question.tool, question.description, question.preview)

    def _client(self) -> DeskClient | None:
        return None if self._channel is None else self._desk.client_of(self._channel)

    async def _session(self) -> tuple[DeskClient, Session] | None:
        client = self._client()
        if client is None:
            return None
        session = await self._world.store.read(lambda view: view.session_of_agent(client.agent_session))
        return None if session is None else (client, session)


def _quote(view: View, session: Session, quotes: str | None) -> str:
    """The first words of the message that is answered, where it is known."""
    turn = view.turn_of_prompt(session.id, quotes) if quotes else None
    return f"> {summary.escaped_title(turn.prompt)}\n\n" if turn is not None else ""
