"""One session at the desk as a client: its hooks are boundaries, its transcript is the meter, a channel takes prompts.

The session is a person's own: the gateway neither starts nor ends it, and whatever it does not hear of, it does not know.
"""

import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import anyio
import anyio.to_thread
import structlog

from gateway import clock
from gateway.agents.claude import describe, reach
from gateway.agents.claude.calls import Recent
from gateway.agents.claude.control import STARTS_A_LOOP
from gateway.agents.claude.desk import hooks
from gateway.agents.claude.desk.hooks import Event, Told
from gateway.agents.claude.desk.log import Log
from gateway.agents.claude.desk.once import Once
from gateway.agents.claude.desk.otlp import Heard
from gateway.agents.claude.telling import Telling
from gateway.core import channel
from gateway.domain.effects import AllowTool, Answer, DenyTool, EndTurn, GoOn, Words
from gateway.domain.events import (
    Acted,
    AgentEvent,
    AskedPermission,
    BackgroundChanged,
    CallMetered,
    End,
    Exited,
    Finished,
    Listening,
    Paused,
    Started,
    Withdrawn,
)
from gateway.domain.usage import MAIN_LOOP, Tokens, Usage
from gateway.ports import AgentAwayError, Process

log = structlog.get_logger()

LOOK_EVERY_S: Final = 0.3
IDLE_LOOK_S: Final = 2.0
READ_LIMIT_S: Final = 1.5
"""How long a line of the transcript may take to appear; usually it is there within 0.2 s."""
SUMMED_LIMIT_S: Final = 5.0
"""How long the client may take to write down what it used in all: at /clear it does so once its hooks have been answered."""
BATCH_LIMIT_S: Final = 5.0
"""The same where the next call depends on it."""
COMPACTED_LIMIT_S: Final = 6.0
"""How long telemetry may take to tell of a compaction: clients export every 5 s by default."""
READ_EVERY_S: Final = 0.02
CONFIRM_S: Final = 60.0
"""How long it may take until it is known that the session has a message."""
WHOLE_CHARACTERS_MAX: Final = 150
ASKS_MAX: Final = 16
"""So many questions of one session may wait; the screen at the desk shows every one."""
VERDICT_S: Final = 600.0
"""How long it may take until it is seen that the session has heard an answer."""
STOP_LIMIT_S: Final = 10.0
"""A run that was told to stop and shows nothing for so long has ended: Esc before the first answer leaves no trace."""
SAID_AGAIN: Final = "This message was given up: send it again from the phone."
FETCHED: Final = "The agent has this message already: it needs no run of its own."
DEAF: Final = (
    "This session takes no messages from here: close it and write /start, or start it with "
    "`claude --dangerously-load-development-channels plugin:tollbridge@tollbridge`."
)
TAKEN_IN: Final = "The session has read it, beside what it was doing."
COST_S: Final = 1.0
"""How long the end of a run waits for what it has cost, to show that; usually it takes some milliseconds."""
TOO_LATE: Final = "nobody answered in time; after a yes on the phone, write: continue"
UNSEEN: Final = "the transcript does not show what this run uses: is it switched off (CLAUDE_CODE_SKIP_PROMPT_HISTORY)?"
CLOSED: Final = "it was closed at the desk"
LET_GO: Final = "this session goes on from the phone, or the gateway stops: close it here, and open it again after that"
ENDS: Final = "the gateway stops: start it again with `tollbridge up`, then write: continue"


class Pusher(Protocol):
    """The way to the session, as the MCP server has it."""

    async def push(self, message: channel.Push) -> bool: ...

    async def verdict(self, request_id: str, *, allow: bool) -> bool: ...


@dataclass(slots=True)
class _Waits:
    """Something of the session waits for an answer."""

    answered: anyio.Event = field(default_factory=anyio.Event)
    answer: Answer | None = None


@dataclass(slots=True)
class _Run:
    """What the session does now. `uuid`: of the message that began it, if one did."""

    uuid: str | None = None
    prompt_id: str = ""
    replied: bool = False


@dataclass(slots=True)
class _Asks:
    """A question of the session about a tool, which its own screen shows as well."""

    tool: str
    preview: str
    heard: anyio.Event = field(default_factory=anyio.Event)
    ran: bool | None = None
    """Whether the tool has run; None: nobody knows."""


class DeskClient:
    """The Client port. `hook` is what its hooks call, `join` what its channel does; `live` runs beside them."""

    def __init__(
        self, agent_session: str, directory: str, logs: Log, private: tuple[str, ...], patience_s: float
    ) -> None:
        self.agent_session = agent_session
        self.process = Process("", 0, "", "")
        self.hears: bool | None = None
        """Whether it shows what is pushed into it, or has not shown the first of it; None: nothing tells. (Any client starts the
        channel's server; whether it takes what comes from there, it says nowhere.)"""
        self.unattended = False
        """Nobody sits at it: it is `claude -p`."""
        self._directory = directory
        self._log = logs
        self._private = private
        self._patience_s = patience_s
        self._telling = Telling(anyio.Event())
        self._pusher: Pusher | None = None
        self._through: Pusher | None = None
        """What the last message was written to: what one channel has lost says nothing of another."""
        self._model: str | None = None
        self._run: _Run | None = None
        self._halted = ""
        """The prompt whose run was stopped at a hook: nothing further of it runs."""
        self._changed = anyio.Event()
        self._queue = anyio.Lock()
        self._once = Once()
        self._reading = anyio.Lock()
        self._heard_of: list[Heard] = []
        self._compactions = 0
        self._waits: dict[str, _Waits] = {}
        self._asks: dict[str, _Asks] = {}
        self._allowed: set[tuple[str, str]] = set()
        self._pushed: dict[str, tuple[channel.Push, float]] = {}
        """Messages that were written to the session and are not known to be there, and until when that may take."""
        self._given_up = Recent()
        self._fetched = Recent()
        self._agents: frozenset[str] = frozenset()
        self._others = 0
        """What works in the background: sub-agents by name, and how many other things."""
        self._compacts = False
        self._stopping = ""
        self._tools: set[str] = set()
        """Tools of the main loop that were let go on, and may be at work."""
        self._sign = 0.0
        """When its main loop has shown something last, or was told to stop."""
        self._leaving = False
        """It is gone, and only that is still to be told."""
        self._hurried = False

    # ----------------------------------------------------------------------------------------------- the Client port
    @property
    def listens(self) -> bool:
        """A channel is joined to it, and it is not known to take nothing from there."""
        return self._pusher is not None and self.hears is not False and not self.unattended

    @property
    def is_gone(self) -> bool:
        """It has ended, or was let go of: nothing more is told of it here."""
        return self._leaving

    @property
    def rests(self) -> bool:
        """No run of it is at work, and nothing waits."""
        return self._run is None and not self._waits and not self._pushed

    def events(self) -> AsyncIterator[AgentEvent]:
        """What it does, in order."""
        return self._telling.read()

    async def prompt(self, uuid: str, text: str, attributes: Mapping[str, str] | None = None) -> None:
        """Write a message into the session. It is there once the session's own hook, or the agent, has shown it."""
        pusher = self._pusher
        if pusher is None or not self.listens or self._run is not None or self._leaving:
            raise AgentAwayError("nothing in this session takes messages now")
        self._through = pusher
        push = channel.Push(uuid, text[: channel.TEXT_CHARACTERS_MAX], dict(attributes or {}))
        self._pushed[uuid] = (push, anyio.current_time() + CONFIRM_S)
        if not await pusher.push(push):
            self._pusher = None if self._pusher is pusher else self._pusher
            if self._pushed.pop(uuid, None) is not None:
                raise AgentAwayError("the session's channel is gone")

    async def respond(self, request_id: str, answer: Answer) -> bool:
        """Answer a hook that waits, or a question about a tool; True once it is seen that the session has done as it says."""
        asks = self._asks.get(request_id)
        if asks is not None:
            return await self._verdict(request_id, asks, answer)
        waits = self._waits.get(request_id)
        if waits is None:
            return False
        waits.answer = answer
        waits.answered.set()
        return True

    async def interrupt(self) -> None:
        """Nothing but its own keyboard stops it at once: it stops before its next tool, or before its next call."""
        self._stopping = "stopped from the phone" if self._run is not None else ""
        self._sign = anyio.current_time()

    async def use_model(self, model: str) -> bool:
        """Its person chooses its model."""
        del model
        return False

    async def close(self) -> None:
        """Let go of it: whatever waits ends there, and it goes on without us."""
        await self.gone(ENDS)

    # ------------------------------------------------------------------------------------------------------ the hooks
    async def hook(self, told: Told, source: str = "") -> Mapping[str, Any]:
        """The verdict at one of its hooks. `source`: whose hook it is; what comes to several is judged once."""
        event = self._once.of(told, source, at_rest=self._run is None)
        return await event.verdict(lambda: self._judge(told))

    async def _judge(self, told: Told) -> Mapping[str, Any]:
        if told.loop == MAIN_LOOP:
            self._sign = anyio.current_time()
        if told.prompt_id and told.prompt_id == self._halted and told.loop == MAIN_LOOP:
            return hooks.no(told.hook_event_name, "this run was stopped")
        deeds = {
            Event.PROMPT: self._prompted,
            Event.TOOL: self._tool,
            Event.TOOL_USED: self._used,
            Event.TOOL_FAILED: self._used,
            Event.BATCH: self._batch,
            Event.COMPACT: self._compact,
            Event.COMPACTED: self._compacted,
            Event.SUB_AGENT_STOP: self._sub_agent_stopped,
            Event.STOP: self._stopped,
            Event.FAILED: self._stopped,
        }
        deed = deeds.get(Event(told.hook_event_name)) if told.hook_event_name in set(Event) else None
        return {} if deed is None else await deed(told)

    async def _prompted(self, told: Told) -> Mapping[str, Any]:
        """Before the first call of a run. What is typed while another runs waits for that one's end: there is no other gate for it."""
        if told.prompt.startswith(hooks.NOTIFICATION) and self._run is not None:
            return {}
        ids = channel.received(told.prompt)
        uuid = next((name for name in ids if name in self._pushed), None)
        if uuid is not None or any(name in self._given_up or name in self._fetched for name in ids):
            self._shows()
        if any(name in self._fetched for name in ids):
            return hooks.no(Event.PROMPT, FETCHED)
        if any(name in self._given_up for name in ids) or (ids and uuid is None and hooks.is_ours(told.prompt)):
            # An earlier gateway may have pushed it: the phone says that it is not confirmed, and can send it again.
            return hooks.no(Event.PROMPT, SAID_AGAIN)
        if uuid is not None and self._run is not None:
            # The run may wait for this hook: it takes the message in, and its own boundaries go on to hold it.
            self.fetched((uuid,))
            return {}
        self._expect(uuid, math.inf)
        try:
            async with self._queue:
                await self._comes_to_rest(told.prompt_id)
                return await self._begins(told, uuid)
        finally:
            self._expect(uuid, anyio.current_time() + CONFIRM_S)

    async def _comes_to_rest(self, prompt_id: str) -> None:
        """Wait until nothing runs before this prompt, and all that ran is told of. A run of another name has had its end."""
        await self._flush()
        run = self._run
        if run is not None and run.prompt_id and prompt_id not in ("", run.prompt_id):
            await self._end(End.INTERRUPTED, "")
        while self._run is not None:
            await self._changed.wait()
            await self._flush()  # Another run may begin meanwhile.

    def _expect(self, uuid: str | None, until: float) -> None:
        if uuid in self._pushed:
            self._pushed[uuid] = (self._pushed[uuid][0], until)

    async def _begins(self, told: Told, uuid: str | None) -> Mapping[str, Any]:
        typed = None if uuid is not None or told.prompt.startswith(hooks.NOTIFICATION) else told.prompt
        self._pushed.pop(uuid or "", None)
        self._log.begin()
        # What waited for another run's end bears that one's name, and gets its own with its first hook.
        run = self._run = _Run(uuid, "" if told.prompt_id in self._log.past else told.prompt_id)
        started = Started(self.agent_session, self._model, uuid, typed)
        try:
            answer = await self._stand("the first call", MAIN_LOOP, started)
        except anyio.get_cancelled_exc_class():  # its hook was killed: nothing runs
            self._drop(run, End.INTERRUPTED)
            raise
        if isinstance(answer, GoOn):
            return {}
        self._drop(run, End.HALTED if typed is None and not self._leaving else None)
        return hooks.no(Event.PROMPT, _why(answer))

    async def _tool(self, told: Told) -> Mapping[str, Any]:
        if self._private and (why := reach.reaches(self._private, told.tool_name, told.tool_input, told.cwd)):
            return hooks.denied(why)
        title, subject = describe.action(told.tool_name, told.tool_input, self._directory)
        self._seen(told, Acted(title, subject, told.loop))
        if told.loop != MAIN_LOOP and told.tool_name not in STARTS_A_LOOP:
            return {}
        await self._flush()
        answer = await self._stand(f"{title}: {subject}" if subject else title, told.loop)
        if isinstance(answer, GoOn):
            self._tools |= {told.tool_use_id} if told.loop == MAIN_LOOP else set()
            return {}
        await self._halt(told)
        return hooks.no(Event.TOOL, _why(answer))

    async def _batch(self, told: Told) -> Mapping[str, Any]:
        self._seen(told)
        names = {used.tool_use_id for used in told.tool_calls if used.tool_use_id}
        await self._read_until(lambda: told.loop != MAIN_LOOP or names <= self._log.used, BATCH_LIMIT_S)
        if told.loop == MAIN_LOOP:
            self._tools.clear()
            self._heard_all(ran=False)
        seen = told.loop != MAIN_LOOP or names <= self._log.used
        answer = await self._stand("the next call", told.loop) if seen else EndTurn(UNSEEN)
        if isinstance(answer, GoOn):
            return {}
        await self._halt(told)
        return hooks.no(Event.BATCH, _why(answer))

    async def _compact(self, told: Told) -> Mapping[str, Any]:
        """A compaction costs a call. One that a person asks for while nothing runs is a run of its own."""
        run = _Run(prompt_id=told.prompt_id) if self._run is None else None
        if run is not None:
            self._log.begin()
            self._run, self._compacts = run, True
            before = (Started(self.agent_session, self._model, None, "/compact"),)
        else:
            before = ()
        try:
            answer = await self._stand("the compaction of the conversation", MAIN_LOOP, *before)
        except anyio.get_cancelled_exc_class():  # its hook was killed: nothing runs
            self._drop(run, End.INTERRUPTED)
            raise
        if isinstance(answer, GoOn):
            self._compactions = self._log.reported.compactions
            return {}
        self._drop(run, None)
        return hooks.no(Event.COMPACT, _why(answer))

    async def _compacted(self, told: Told) -> Mapping[str, Any]:
        # Only telemetry tells what it cost, where there is any, and a moment later.
        seen = self._log.reported
        await self._read_until(lambda: not seen.flows or seen.compactions > self._compactions, COMPACTED_LIMIT_S)
        if self._compacts:
            await self._end(End.DONE, "")
        elif told.trigger == "auto" and self._run is not None:
            # The call behind it has no other gate; nothing but waiting holds it here.
            await self._stand("the next call", MAIN_LOOP)
        return {}

    async def _used(self, told: Told) -> Mapping[str, Any]:
        self._heard(told.tool_name)
        return {}

    async def _stopped(self, told: Told) -> Mapping[str, Any]:
        said = told.last_assistant_message.strip()
        await self._read_until(lambda: not said or self._log.said.strip() == said)
        self._agents, self._others = told.running()
        changed = BackgroundChanged(len(self._agents), self._others)
        if self._leaving or (self._run is None and (self._agents or told.hook_event_name == Event.FAILED)):
            self._telling.tell([changed])
            return {}
        with self._waiting() as (name, waits):
            if self._run is None:
                # The answer to `!`: no gate was asked before it, and what it has cost was told of above.
                self._telling.tell([Finished(End.DONE, "", None, None, shows=name)])
            elif told.hook_event_name == Event.FAILED:
                await self._end(End.ERROR, said or told.error)
                waits.answered.set()
            else:
                if said and not self._log.said:
                    unseen = Usage(self._model or "unknown", Tokens())
                    self._telling.tell([CallMetered(clock.new_id("unseen"), unseen, MAIN_LOOP, ended=False)])
                await self._end(End.DONE, said, name)
            self._telling.tell([changed])
            with anyio.move_on_after(COST_S):
                await waits.answered.wait()
        return hooks.shown(waits.answer.text) if isinstance(waits.answer, Words) else {}

    async def _sub_agent_stopped(self, told: Told) -> Mapping[str, Any]:
        await self._flush()
        if told.agent_id in self._agents:
            self._agents -= {told.agent_id}
            self._telling.tell([BackgroundChanged(len(self._agents), self._others)])
        return {}

    # ---------------------------------------------------------------------------------------------- runs and boundaries
    def _seen(self, told: Told, *events: AgentEvent) -> None:
        """Something of the main loop happens: where no run is known, one began unseen."""
        if told.loop == MAIN_LOOP:
            if self._run is None:
                self._log.begin()
                self._run = _Run()
                events = (Started(self.agent_session, self._model, None), *events)
            self._run.prompt_id = told.prompt_id or self._run.prompt_id
        self._telling.tell(events)

    async def _stand(self, before: str, loop: str, *first: AgentEvent) -> Answer:
        """Wait at a boundary until it is answered, or until it has to be."""
        if self._leaving:
            return EndTurn(LET_GO)
        if self._stopping and loop == MAIN_LOOP:
            return EndTurn(self._stopping)
        with self._waiting() as (name, waits):
            self._telling.tell([*first, Paused(name, before, loop)])
            with anyio.move_on_after(self._patience_s):
                await waits.answered.wait()
        return waits.answer or EndTurn(TOO_LATE)

    @contextmanager
    def _waiting(self) -> Iterator[tuple[str, _Waits]]:
        name, waits = clock.new_id("hook"), _Waits()
        self._waits[name] = waits
        try:
            yield name, waits
        finally:
            del self._waits[name]

    async def _halt(self, told: Told) -> None:
        """The run is over without another hook of it; that of a sub-agent ends alone."""
        if told.loop == MAIN_LOOP:
            self._halted = told.prompt_id
            await self._end(End.HALTED, "")

    async def _end(self, end: End, text: str, shows: str = "") -> None:
        """The run is over: tell what it has cost, and how it ended. `shows`: what waits to show that."""
        run = self._run
        if run is None or self._leaving:
            return
        async with self._reading:
            if self._run is not run or self._leaving:
                return  # Somebody else has ended it meanwhile.
            self._telling.tell(self._log.cut(every_loop=False) if end is End.INTERRUPTED else ())
            self._log.rest()
        self._heard_all(ran=False)
        self._log.owed = end is not End.INTERRUPTED and not self._log.ended
        if run.prompt_id:
            self._log.past.add(run.prompt_id)
        told = run.replied and end is End.DONE
        self._telling.tell([Finished(end, text, run.uuid, None, len(self._agents), told, shows)])
        self._no_run()

    def _drop(self, run: _Run | None, end: End | None) -> None:
        """A run did not come past its first boundary, unless it is over already. `end`: how that is told, if it is."""
        if run is None or self._run is not run:
            return
        if end is not None:
            self._telling.tell([Finished(end, "", run.uuid, None)])
        self._no_run()

    def _no_run(self) -> None:
        self._run, self._compacts, self._stopping = None, False, ""
        self._tools.clear()
        self._change()

    def _change(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    # ------------------------------------------------------------------------------------------------------- the meter
    async def _flush(self) -> None:
        """Tell every call that has ended, before anything that follows; nothing once all is summed up."""
        async with self._reading:
            if self._telling.gone.is_set():
                return
            heard = tuple(self._heard_of)
            events = await anyio.to_thread.run_sync(self._log.read, heard, anyio.current_time())
            del self._heard_of[: len(heard)]  # Not before: whoever waits may be cancelled, and nothing is lost.
            self._telling.tell(events)
            self._model = next((e.usage.model for e in reversed(events) if e.loop == MAIN_LOOP), self._model)

    async def reported(self, heard: Sequence[Heard]) -> None:
        """Its telemetry tells of it."""
        if not self._telling.gone.is_set():
            self._heard_of += heard
            await self._flush()

    async def _read_until(self, there: Callable[[], bool], limit_s: float = READ_LIMIT_S) -> None:
        with anyio.move_on_after(limit_s):
            await self._flush()
            while not there():
                await anyio.sleep(READ_EVERY_S)
                await self._flush()

    async def live(self) -> None:
        """Look at what no hook tells, until it is gone: interruptions, late calls, messages that nobody confirmed."""
        place = self._log.place
        while not self._telling.gone.is_set():
            with anyio.move_on_after(IDLE_LOOK_S if self._run is None else LOOK_EVERY_S):
                await self._telling.gone.wait()
            await self._flush()
            before, place = place, self._log.place
            self._sign = anyio.current_time() if place != before else self._sign
            if self._run is not None and self._log.ended and not self._waits:
                await self._end(End.INTERRUPTED if self._log.ended == "interrupted" else End.HALTED, "")
            elif self._run is not None and self._is_still():
                self._halted = self._run.prompt_id  # Should it be at work after all, it ends at its next hook.
                await self._end(End.INTERRUPTED, "")
            self._give_up(anyio.current_time())

    def _is_still(self) -> bool:
        """Whether it was told to stop, and neither a hook nor a line shows that anything of it is at work."""
        quiet = anyio.current_time() - self._sign >= STOP_LIMIT_S
        return bool(self._stopping and quiet and not self._tools and not self._waits)

    async def catch_up(self) -> None:
        """Read what stands in the transcript already, or its lines would be taken for those of what happens next."""
        await self._flush()
        self._log.begin()

    def _give_up(self, now: float) -> None:
        for name, (_, until) in list(self._pushed.items()):
            if until <= now:
                del self._pushed[name]
                self._given_up.add(name)
                same = self._pusher is not None and self._pusher is self._through
                if self.hears is None and same and self._run is None and not self._leaving:
                    self.hears = False
                words = f"{channel.UNCONFIRMED} {DEAF}" if self.hears is False else channel.UNCONFIRMED
                self._telling.tell([Finished(End.INTERRUPTED, words, name, ())])

    def hurry(self) -> None:
        """Whatever it is to be gone without: wait for nothing more."""
        self._hurried = True

    async def gone(self, why: str) -> bool:
        """It is not there any more: tell what it has cost, and that it is over. Idempotent. True: all of it is told of."""
        if self._leaving:
            return False
        self._leaving, self._pusher = True, None
        for waits in self._waits.values():
            waits.answer = waits.answer or EndTurn(why)
            waits.answered.set()
        there = lambda: why != CLOSED or self._log.summed or self._hurried  # noqa: E731 - a question, asked again and again
        await self._read_until(there, SUMMED_LIMIT_S)
        # How its run ended, nobody saw: that its process is gone says it, and whether the conversation has what began it.
        self._heard_all(ran=None)
        self._no_run()
        self._give_up(math.inf)
        async with self._reading:
            heard = tuple(self._heard_of)
            rest, summed = await anyio.to_thread.run_sync(self._log.last, heard)
            settled = summed or why == CLOSED
            self._telling.tell([*rest, Exited(why)])
            self._telling.gone.set()
        self._telling.wake()
        self._change()
        return settled

    # ----------------------------------------------------------------------------------------------------- the channel
    def join(self, pusher: Pusher, *, hears: bool | None = None) -> None:
        """A channel to the session is open. What an earlier one may have delivered is not delivered again. `hears`: what is known
        of another session of the same client.
        """
        if self.hears is False and self._through not in (None, pusher):
            self.hears = None
        self._pusher, self.hears = pusher, self.hears if hears is None else hears
        self._tell_if_listens()

    def attended(self, attended: bool) -> None:  # noqa: FBT001 - it says what it is
        """Whether somebody sits at it, as its hooks say: `claude -p` may go on in a conversation that somebody had open."""
        if self.unattended is attended:
            self.unattended = not attended
            self._tell_if_listens()

    def _tell_if_listens(self) -> None:
        if self.listens:
            self._telling.tell([Listening(proven=self.hears is True)])

    def _shows(self) -> None:
        """It has shown something of its channel: it takes what comes from there."""
        deaf, self.hears = self.hears is False, True
        if deaf:
            self._tell_if_listens()

    def leave(self, pusher: Pusher) -> None:
        """The channel is gone, unless another has its place already."""
        if self._pusher is pusher:
            self._pusher = None

    def replied(self) -> None:
        """The agent has sent something into the chat itself."""
        if self._run is not None:
            self._run.replied = True

    def unread(self) -> tuple[channel.Push, ...]:
        """What was written to the session and is not known to be there."""
        return tuple(push for push, _ in self._pushed.values())

    def fetched(self, names: Sequence[str]) -> None:
        """The agent has asked for these messages, and has them: they belong to what it does now."""
        for name in names:
            if self._pushed.pop(name, None) is not None:
                self._fetched.add(name)
                self._telling.tell([Finished(End.DONE, TAKEN_IN, name, ())])

    async def asks(self, request_id: str, tool: str, description: str, preview: str) -> None:
        """The session asks whether a tool may run, on its screen and here."""
        self._shows()
        if (tool, preview) in self._allowed and self._pusher is not None:
            await self._pusher.verdict(request_id, allow=True)
            return
        if request_id in self._asks or len(self._asks) >= ASKS_MAX:
            return  # its own screen asks all the same
        self._asks[request_id] = _Asks(tool, preview)
        detail = "\n".join(part for part in (tool, preview, description) if part)
        self._telling.tell(
            [AskedPermission(request_id, tool, preview or description, detail, can_remember=_is_whole(preview))]
        )

    async def _verdict(self, request_id: str, asks: _Asks, answer: Answer) -> bool:
        allow = isinstance(answer, AllowTool)
        if not isinstance(answer, AllowTool | DenyTool | EndTurn) or self._pusher is None:
            return False
        if not await self._pusher.verdict(request_id, allow=allow):
            return False
        with anyio.move_on_after(VERDICT_S):
            await asks.heard.wait()
        self._asks.pop(request_id, None)
        followed = asks.ran is allow
        if followed and isinstance(answer, AllowTool) and answer.for_session:
            self._allowed.add((asks.tool, asks.preview))
        return followed

    def _heard(self, tool: str) -> None:
        """A tool has run: the oldest question about it is settled, by whomever."""
        name = next((name for name, asks in self._asks.items() if asks.tool == tool), None)
        if name is not None:
            self._settle(name, ran=True)

    def _heard_all(self, *, ran: bool | None) -> None:
        for name in list(self._asks):
            self._settle(name, ran=ran)

    def _settle(self, name: str, *, ran: bool | None) -> None:
        asks = self._asks.pop(name)
        asks.ran = ran
        asks.heard.set()
        self._telling.tell([Withdrawn(name)])


def _is_whole(preview: str) -> bool:
    """Whether what is shown of a tool's input is surely all of it: the client may shorten what is long."""
    return 0 < len(preview) < WHOLE_CHARACTERS_MAX and not preview.rstrip().endswith(("…", "..."))


def _why(answer: Answer) -> str:
    return answer.reason if isinstance(answer, EndTurn) else "Tollbridge says no"
