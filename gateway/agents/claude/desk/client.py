"""One session at the desk as a client: its hooks are boundaries, its transcript is the meter, a channel takes prompts.

The session is a person's own: the gateway neither starts nor ends it, and whatever it does not hear of, it does not know.
"""

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import anyio

from gateway import clock
from gateway.agents.claude import describe, mentions, reach
from gateway.agents.claude.control import STARTS_A_LOOP
from gateway.agents.claude.desk import hooks
from gateway.agents.claude.desk.asks import Ask, Asks
from gateway.agents.claude.desk.hooks import Event, Told
from gateway.agents.claude.desk.log import Log
from gateway.agents.claude.desk.meter import Meter
from gateway.agents.claude.desk.once import Once
from gateway.agents.claude.desk.otlp import Heard
from gateway.agents.claude.desk.pushes import Pushes
from gateway.agents.claude.desk.runs import Run, Runs
from gateway.agents.claude.desk.way import Pusher, Way
from gateway.agents.claude.telling import Telling
from gateway.core import channel
from gateway.domain.effects import AllowTool, Answer, DenyTool, EndTurn, GoOn, Words
from gateway.domain.events import (
    Acted,
    AgentEvent,
    CallMetered,
    End,
    Exited,
    Finished,
)
from gateway.domain.usage import MAIN_LOOP, Tokens, Usage
from gateway.ports import AgentAwayError, Process
from gateway.view import desk_words

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
CONFIRM_S: Final = 60.0
"""How long it may take until it is known that the session has a message."""
VERDICT_S: Final = 600.0
"""How long it may take until it is seen that the session has heard an answer."""
STOP_LIMIT_S: Final = 10.0
"""A run that was told to stop and shows nothing for so long has ended: Esc before the first answer leaves no trace."""
COST_S: Final = 1.0
"""How long the end of a run waits for what it has cost, to show that; usually it takes some milliseconds."""
UNSEEN: Final = "the transcript does not show what this run uses: is it switched off (CLAUDE_CODE_SKIP_PROMPT_HISTORY)?"
STOPPED: Final = "stopped from the phone"
ENDS: Final = "the gateway stops: start it again with `tollbridge up`, then write: continue"


class DeskClient:
    """The Client port. `hook` is what its hooks call, `join` what its channel does; `live` runs beside them."""

    def __init__(
        self,
        agent_session: str,
        directory: str,
        logs: Log,
        private: tuple[str, ...],
        patience_s: float,
        way: Way | None = None,
    ) -> None:
        self.agent_session = agent_session
        self.process = Process("", 0, "", "")
        self.way = way or Way()
        self._directory = directory
        self._log = logs
        self._private = private
        self._telling = Telling(anyio.Event())
        self._meter = Meter(logs, self._telling)
        self._once = Once()
        self._pushes = Pushes()
        self._asks = Asks()
        self._runs = Runs(agent_session, logs, self._telling, self._meter, self._asks, patience_s)
        self._queue = anyio.Lock()
        """Held by the prompt whose turn it is."""
        self._sign = 0.0
        """When its main loop has shown something last, or was told to stop."""
        self._compactions = 0
        """So many were heard of before the one that is under way."""
        self._hurried = False

    # ----------------------------------------------------------------------------------------------- the Client port
    @property
    def listens(self) -> bool:
        """A channel is joined to it, and it is not known to take nothing from there."""
        return self.way.listens

    @property
    def is_gone(self) -> bool:
        """It has ended, or was let go of: nothing more is told of it here."""
        return self._runs.leaving

    @property
    def rests(self) -> bool:
        """No run of it is at work, and nothing waits."""
        return self._runs.now is None and not self._runs.waits and not self._pushes

    def events(self) -> AsyncIterator[AgentEvent]:
        """What it does, in order."""
        return self._telling.read()

    async def prompt(self, uuid: str, text: str, attributes: Mapping[str, str] | None = None) -> None:
        """Write a message into the session. It is there once the session's own hook, or the agent, has shown it."""
        text = await anyio.to_thread.run_sync(mentions.without_reach, text, self._directory, self._private)
        pusher = self.way.taken() if self._runs.now is None and not self._runs.leaving else None
        if pusher is None:
            raise AgentAwayError("nothing in this session takes messages now")
        push = channel.Push(uuid, text[: channel.TEXT_CHARACTERS_MAX], dict(attributes or {}))
        self._pushes.writes(push, anyio.current_time() + CONFIRM_S)
        if not await pusher.push(push):
            self.way.leave(pusher)
            if self._pushes.arrives(uuid):
                raise AgentAwayError("the session's channel is gone")

    async def respond(self, request_id: str, answer: Answer) -> bool:
        """Answer a hook that waits, or a question about a tool; True once it is seen that the session has done as it says."""
        ask = self._asks.waiting(request_id)
        return self._runs.waits.answer(request_id, answer) if ask is None else await self._verdict(ask, answer)

    async def interrupt(self) -> None:
        """Nothing but its own keyboard stops it at once: it stops before its next tool, or before its next call."""
        if self._runs.now is not None:
            self._runs.now.stopping = STOPPED
        self._sign = anyio.current_time()

    async def steer(self, uuid: str, text: str, into: str) -> bool:  # noqa: ARG002 - the port's signature
        """What a person types there says what it does: nothing is told beside it."""
        return False

    async def use_model(self, model: str) -> bool:
        """Its person chooses its model."""
        del model
        return False

    async def use_mode(self, mode: str) -> bool:
        """Its person chooses its mode."""
        del mode
        return False

    async def close(self) -> None:
        """Let go of it: whatever waits ends there, and it goes on without us."""
        await self.gone(ENDS)

    # ------------------------------------------------------------------------------------------------------ the hooks
    async def hook(self, told: Told, source: str = "") -> Mapping[str, Any]:
        """The verdict at one of its hooks. `source`: whose hook it is; what comes to several is judged once."""
        event = self._once.of(told, source, at_rest=self._runs.now is None)
        return await event.verdict(lambda: self._judge(told))

    async def _judge(self, told: Told) -> Mapping[str, Any]:
        if told.loop == MAIN_LOOP:
            self._sign = anyio.current_time()
        if self._runs.is_halted(told):
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
        if told.prompt.startswith(hooks.NOTIFICATION) and self._runs.now is not None:
            return {}
        shown = self._pushes.shown(told.prompt)
        if shown.proves:
            self._telling.tell(self.way.shows())
        if shown.refusal:
            return hooks.no(Event.PROMPT, shown.refusal)
        if shown.name is not None and self._runs.now is not None:
            # The run may wait for this hook: it takes the message in, and its own boundaries go on to hold it.
            self.fetched((shown.name,))
            return {}
        self._pushes.expect(shown.name, math.inf)
        try:
            async with self._queue:
                await self._runs.come_to_rest(told.prompt_id)
                return await self._begins(told, shown.name)
        finally:
            self._pushes.expect(shown.name, anyio.current_time() + CONFIRM_S)

    async def _begins(self, told: Told, uuid: str | None) -> Mapping[str, Any]:
        typed = None if uuid is not None or told.prompt.startswith(hooks.NOTIFICATION) else told.prompt
        self._pushes.arrives(uuid)
        # What waited for another run's end bears that one's name, and gets its own with its first hook.
        run = Run(uuid, "" if told.prompt_id in self._log.past else told.prompt_id)
        answer = await self._runs.begin(run, "the first call", typed)
        if isinstance(answer, GoOn):
            return {}
        self._runs.drop(run, End.HALTED if typed is None and not self._runs.leaving else None)
        return hooks.no(Event.PROMPT, _why(answer))

    async def _tool(self, told: Told) -> Mapping[str, Any]:
        if self._private and (why := reach.reaches(self._private, told.tool_name, told.tool_input, told.cwd)):
            return hooks.denied(why)
        title, subject = describe.action(told.tool_name, told.tool_input, self._directory)
        self._runs.seen(told, Acted(title, subject, told.loop))
        if told.loop != MAIN_LOOP and told.tool_name not in STARTS_A_LOOP:
            return {}
        await self._meter.flush()
        answer = await self._runs.stand(f"{title}: {subject}" if subject else title, told.loop)
        if isinstance(answer, GoOn):
            if told.loop == MAIN_LOOP and self._runs.now is not None:
                self._runs.now.tools.add(told.tool_use_id)
            return {}
        await self._runs.halt(told)
        return hooks.no(Event.TOOL, _why(answer))

    async def _batch(self, told: Told) -> Mapping[str, Any]:
        self._runs.seen(told)
        names = {used.tool_use_id for used in told.tool_calls if used.tool_use_id}
        seen = lambda: told.loop != MAIN_LOOP or names <= self._log.used  # noqa: E731 - a question, asked again and again
        await self._meter.until(seen, BATCH_LIMIT_S)
        if told.loop == MAIN_LOOP:
            if self._runs.now is not None:
                self._runs.now.tools.clear()
            self._telling.tell(self._asks.over(ran=False))
        answer = await self._runs.stand("the next call", told.loop) if seen() else EndTurn(UNSEEN)
        if isinstance(answer, GoOn):
            return {}
        await self._runs.halt(told)
        return hooks.no(Event.BATCH, _why(answer))

    async def _compact(self, told: Told) -> Mapping[str, Any]:
        """A compaction costs a call. One that a person asks for while nothing runs is a run of its own."""
        before = "the compaction of the conversation"
        if self._runs.now is not None:
            answer = await self._runs.stand(before, MAIN_LOOP)
        else:
            run = Run(prompt_id=told.prompt_id, compacts=True)
            answer = await self._runs.begin(run, before, "/compact")
            if not isinstance(answer, GoOn):
                self._runs.drop(run, None)
        if isinstance(answer, GoOn):
            self._compactions = self._log.reported.compactions
            return {}
        return hooks.no(Event.COMPACT, _why(answer))

    async def _compacted(self, told: Told) -> Mapping[str, Any]:
        # Only telemetry tells what it cost, where there is any, and a moment later.
        seen = self._log.reported
        await self._meter.until(lambda: not seen.flows or seen.compactions > self._compactions, COMPACTED_LIMIT_S)
        if self._runs.now is not None and self._runs.now.compacts:
            await self._runs.end(End.DONE, "")
        elif told.trigger == "auto" and self._runs.now is not None:
            # The call behind it has no other gate; nothing but waiting holds it here.
            await self._runs.stand("the next call", MAIN_LOOP)
        return {}

    async def _used(self, told: Told) -> Mapping[str, Any]:
        self._telling.tell(self._asks.ran(told.tool_name, told.tool_input))
        return {}

    async def _stopped(self, told: Told) -> Mapping[str, Any]:
        runs, said = self._runs, told.last_assistant_message.strip()
        await self._meter.until(lambda: not said or self._log.said.strip() == said, READ_LIMIT_S)
        runs.agents, runs.others = told.running()
        if runs.leaving or (runs.now is None and (runs.agents or told.hook_event_name == Event.FAILED)):
            self._telling.tell([runs.background()])
            return {}
        with runs.waits.one() as (name, wait):
            if runs.now is None:
                # The answer to `!`: no gate was asked before it, and what it has cost was told of above.
                self._telling.tell([Finished(End.DONE, "", None, None, shows=name)])
            elif told.hook_event_name == Event.FAILED:
                await runs.end(End.ERROR, said or told.error)
                wait.answered.set()
            else:
                if said and not self._log.said:
                    unseen = Usage(self._meter.model or "unknown", Tokens())
                    self._telling.tell([CallMetered(clock.new_id("unseen"), unseen, MAIN_LOOP, ended=False)])
                await runs.end(End.DONE, said, name)
            self._telling.tell([runs.background()])
            with anyio.move_on_after(COST_S):
                await wait.answered.wait()
        return hooks.shown(wait.answer.text) if isinstance(wait.answer, Words) else {}

    async def _sub_agent_stopped(self, told: Told) -> Mapping[str, Any]:
        await self._meter.flush()
        if told.agent_id in self._runs.agents:
            self._runs.agents -= {told.agent_id}
            self._telling.tell([self._runs.background()])
        return {}

    # -------------------------------------------------------------------------------------------------- what it has spent
    async def reported(self, heard: Sequence[Heard]) -> None:
        """Its telemetry tells of it."""
        await self._meter.reported(heard)

    async def catch_up(self) -> None:
        """Read what stands in the transcript already, or its lines would be taken for those of what happens next."""
        await self._meter.flush()
        self._log.begin()

    async def live(self) -> None:
        """Look at what no hook tells, until it is gone: interruptions, late calls, messages that nobody confirmed."""
        runs, place = self._runs, self._log.place
        while not self._telling.gone.is_set():
            with anyio.move_on_after(IDLE_LOOK_S if runs.now is None else LOOK_EVERY_S):
                await self._telling.gone.wait()
            await self._meter.flush()
            before, place = place, self._log.place
            self._sign = anyio.current_time() if place != before else self._sign
            if runs.now is not None and self._log.ended and not runs.waits:
                await runs.end(End.INTERRUPTED if self._log.ended == "interrupted" else End.HALTED, "")
            elif runs.now is not None and self._is_still(runs.now):
                await runs.forsake(runs.now)
            self._give_up(anyio.current_time())

    def _is_still(self, run: Run) -> bool:
        """Whether it was told to stop, and neither a hook nor a line shows that anything of it is at work."""
        quiet = anyio.current_time() - self._sign >= STOP_LIMIT_S
        return bool(run.stopping and quiet and not run.tools and not self._runs.waits)

    def hurry(self) -> None:
        """Whatever it is to be gone without: wait for nothing more."""
        self._hurried = True

    async def gone(self, why: str) -> bool:
        """It is not there any more: tell what it has cost, and that it is over. Idempotent. True: all of it is told of."""
        if self._runs.leaving:
            return False
        self._runs.leaving = True
        self.way.close()
        self._runs.waits.end(EndTurn(why))
        there = lambda: why != desk_words.CLOSED or self._log.summed or self._hurried  # noqa: E731 - a question, asked again and again
        await self._meter.until(there, SUMMED_LIMIT_S)
        # How its run ended, nobody saw: that its process is gone says it, and whether the conversation has what began it.
        self._telling.tell(self._asks.over(ran=None))
        self._runs.rest()
        self._give_up(math.inf)
        summed = await self._meter.close(Exited(why))
        self._runs.rest()
        return summed or why == desk_words.CLOSED

    # ----------------------------------------------------------------------------------------------------- the channel
    def join(self, pusher: Pusher, *, hears: bool | None = None) -> None:
        """A channel to the session is open. What an earlier one may have delivered is not delivered again. `hears`: what is known
        of another session of the same client.
        """
        self._telling.tell(self.way.join(pusher, hears=hears))

    def leave(self, pusher: Pusher) -> None:
        """The channel is gone, unless another has its place already."""
        self.way.leave(pusher)

    def attended(self, attended: bool) -> None:  # noqa: FBT001 - it says what it is
        """Whether somebody sits at it, as its hooks say."""
        self._telling.tell(self.way.attended(attended))

    def replied(self) -> None:
        """The agent has sent something into the chat itself."""
        if self._runs.now is not None:
            self._runs.now.replied = True

    def unread(self) -> tuple[channel.Push, ...]:
        """What was written to the session and is not known to be there."""
        return self._pushes.unread()

    def fetched(self, names: Sequence[str]) -> None:
        """The agent has asked for these messages, and has them: they belong to what it does now."""
        self._telling.tell(self._pushes.fetched(names))

    def _give_up(self, now: float) -> None:
        for name in self._pushes.give_up(now):
            self._telling.tell([self.way.lost(name, at_rest=self._runs.now is None and not self._runs.leaving)])

    async def asks(self, request_id: str, tool: str, description: str, preview: str) -> None:
        """The session asks whether a tool may run, on its screen and here."""
        self._telling.tell(self.way.shows())
        if self._asks.allows(tool, preview) and self.way.pusher is not None:
            await self.way.pusher.verdict(request_id, allow=True)
        else:
            self._telling.tell(self._asks.asked(request_id, tool, description, preview))

    async def _verdict(self, ask: Ask, answer: Answer) -> bool:
        pusher = self.way.pusher
        allow, known = isinstance(answer, AllowTool), isinstance(answer, AllowTool | DenyTool | EndTurn)
        if pusher is None or not known or not await pusher.verdict(ask.request_id, allow=allow):
            return False
        with anyio.move_on_after(VERDICT_S):
            await ask.settled.wait()
        return self._asks.followed(ask, answer)


def _why(answer: Answer) -> str:
    return answer.reason if isinstance(answer, EndTurn) else "Tollbridge says no"
