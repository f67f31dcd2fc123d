"""From the client's lines to AgentEvents. Pure: lines and transcript records in, events out, a little state between.

One API call is one CallMetered. The main loop's calls stand in the API stream (the split of cache writes in message_start,
the final counts in message_delta). Sub-agents have no stream: their calls are announced by `assistant` lines with a
placeholder output, and ended by the record in their transcript. Figures that only the client's sums show (compaction, titles,
page summaries) come as calls of the loop "side" or in Finished.totals.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Final

from gateway.agents.claude import describe, quotas, tally, troubles, wire
from gateway.agents.claude.calls import Calls, Open, Recent
from gateway.agents.claude.control import MODES, USUAL_MODE, Hook
from gateway.agents.claude.counts import Usages
from gateway.agents.claude.partial import Partial
from gateway.agents.claude.transcript import Record
from gateway.core.runners import RunsTests, recognised
from gateway.domain.events import (
    Acted,
    AgentEvent,
    BackgroundChanged,
    CallMetered,
    End,
    Finished,
    ModeTold,
    QuotaTold,
    Ran,
    Said,
    Started,
    Steered,
)
from gateway.domain.usage import MAIN_LOOP, Tokens, Usage

SHELL: Final = "Bash"
SIDE_LOOP: Final = "side"
NOT_AGENTS: Final = frozenset({"local_bash", "monitor", "monitor_mcp", "dream"})
"""Background tasks of these kinds spend no tokens; one of an unknown kind is taken for an agent."""
_MODES: Final = {theirs: "" if ours == USUAL_MODE else ours for ours, theirs in MODES.items()}
LIVE_MAX: Final = 1_000
"""So many sub-agents are followed at a time; no client can do with more."""
ENDED: Final = frozenset({"completed", "failed", "killed", "stopped", "cancelled"})


@dataclass(slots=True)
class Run:
    """The run at work. `submitted`: its first boundary was met; `begun`: its first call. `halted`: why it was ended there."""

    prompt_uuid: str | None
    submitted: bool = False
    begun: bool = False
    halted: str | None = None
    unread: bool = False
    """The client was stopped at a hook because nobody could read what it said there."""
    steered: str | None = None
    """The newest words that it took in while it worked."""
    stray: bool = False
    """Words for a run that had ended began it: it makes no call, and nobody hears of it."""

    @property
    def latest(self) -> str | None:
        """The name of the newest words of a person's in it."""
        return self.steered or self.prompt_uuid


UNREAD: Final = (
    "Claude Code asked for something that the gateway cannot read, so the run was stopped: is it a newer version?"
)


class Translator:
    """One conversation's state. `agent_session` changes when the conversation is cleared."""

    def __init__(self, agent_session: str, directory: str = "", model: str | None = None) -> None:
        self.agent_session = agent_session
        self.directory = directory
        self.model = model
        self.run: Run | None = None
        self.live: set[str] = set()
        """Sub-agents at work."""
        self.calls = Calls()
        self.partial = Partial()
        self._acted = Recent()
        self._tests: dict[str, tuple[str, RunsTests]] = {}
        """Tests that run, by the name of the use of the tool, with the loop that runs them."""
        self._background: dict[str, str] = {}
        self._handed: set[str] = set()
        """Prompts that have not ended; the client is given one at a time."""
        self.steering: set[str] = set()
        """Words for the run at work that the client has in its queue."""
        self._requesting = ""
        self._finished = Recent()
        self._results = Recent()
        self._flagged = False
        self._quotas: dict[str, QuotaTold] = {}

    # -- what the client's side asks --------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Nothing runs, in front or behind, or is about to."""
        return self.run is None and not self.live and not self._background and not self._handed

    @property
    def streaming(self) -> bool:
        """The main loop's call has begun and not ended."""
        return MAIN_LOOP in self.calls.loops()

    def unsettled(self, loops: set[str]) -> bool:
        """Calls of these sub-agents were announced and their records have not been seen."""
        return not loops.isdisjoint(self.calls.loops())

    @property
    def ended_loops(self) -> set[str]:
        """Sub-agents with open calls that are no longer at work."""
        return self.calls.loops() - self.live - {MAIN_LOOP}

    def acted(self, tool_use_id: str) -> bool:
        """The message that uses this tool has been seen."""
        return tool_use_id in self._acted

    def has_had(self, prompt_uuid: str) -> bool:
        """The prompt is with the client, or its run has ended."""
        return prompt_uuid in self._handed or prompt_uuid in self._finished

    def handed(self, prompt_uuid: str) -> None:
        """A prompt was handed over."""
        self._handed.add(prompt_uuid)

    # -- lines ------------------------------------------------------------------------------------------------------

    def feed(self, line: wire.Line) -> list[AgentEvent]:  # noqa: C901, PLR0911, PLR0912 - one for each kind of line
        """What a line means, in order."""
        match line:
            case wire.Lifecycle():
                return self._lifecycle(line)
            case wire.StreamEvent(parent_tool_use_id=None):
                return self._stream(line)
            case wire.Written(event=piece, parent_tool_use_id=None):
                self.partial.write(piece.index, piece.delta.text)
            case wire.Assistant():
                return self._assistant(line)
            case wire.System():
                return self._system(line)
            case wire.HookCallback(input=told):
                return self._hook(told)
            case wire.Result():
                return self._result(line)
            case wire.Reset():
                self.agent_session = line.new_conversation_id
                self.calls.tally.restarted()
            case wire.CommandEnded(tool_use_id=name) if name in self._tests:
                loop, tests = self._tests.pop(name)
                return [Ran(tests.runner, tests.passed(line.well), loop)]
            case wire.RateLimited():
                return [*self.told(quotas.of_event(line.rate_limit_info))]
            case wire.Marker():
                self.handed(line.uuid)
            case wire.OddCallback() if self.run is not None:
                self.run.unread = True
            case wire.Unreadable(counted=True):
                return self._flag(line.name)
            case _:
                pass
        return []

    def _lifecycle(self, line: wire.Lifecycle) -> list[AgentEvent]:
        uuid = line.command_uuid
        if line.state == "started" and uuid in self.steering:
            self.steering.discard(uuid)
            return self._steered(uuid)
        if line.state == "started":
            # A timer of the agent's own starts a run under a name that is not ours; a prompt that comes late joins the run.
            return [] if self.run else self._begin(uuid if uuid in self._handed else None)
        never_ran = line.state == "cancelled" and uuid in self._handed
        if line.state in {"completed", "cancelled"}:
            self._handed.discard(uuid)
            self.steering.discard(uuid)
        if never_ran and uuid not in self._finished and (self.run is None or self.run.prompt_uuid != uuid):
            self._finished.add(uuid)
            return [Finished(End.INTERRUPTED, "", uuid, (), self._agents())]
        return []

    def _steered(self, uuid: str) -> list[AgentEvent]:
        if self.run is None:
            self.run = Run(None, stray=True)
        if self.run.stray:
            return []
        self.run.steered = uuid
        return [Steered(uuid)]

    def _begin(self, prompt_uuid: str | None) -> list[AgentEvent]:
        self.run = Run(prompt_uuid)
        self._requesting, self._flagged = "", False
        return [Started(self.agent_session, self.model, prompt_uuid)]

    def _hook(self, told: wire.HookInput) -> list[AgentEvent]:
        if told.agent_id is not None and told.hook_event_name == Hook.BATCH:
            self._lives(told.agent_id)
        if told.agent_id is None and told.hook_event_name == Hook.COMPACT:
            self._requesting = ""
        events: list[AgentEvent] = []
        if told.agent_id is None and told.hook_event_name == Hook.PROMPT:
            events = [] if self.run else self._begin(None)
            if self.run is not None:
                self.run.submitted = True
        return events

    # -- calls ------------------------------------------------------------------------------------------------------

    def _stream(self, line: wire.StreamEvent) -> list[AgentEvent]:
        event = line.event
        if event.type == "message_start" and event.message is not None:
            self._called()
            self.partial.begin()
            # A message that begins while another is open replaces it: that one's stream broke and is tried again.
            message = event.message
            return [
                *self.calls.cut({MAIN_LOOP}),
                *self.calls.begin(message.id, Open(MAIN_LOOP, message.model, message.usage)),
            ]
        if event.type == "message_delta" and event.delta is not None:
            # The client makes a message_delta up for a call that it cut itself; that one gives no reason to stop.
            whole = event.delta.stop_reason is not None
            return [*self.calls.end_main(line.api_message_id, event.usage, ended=whole)]
        return []

    def _called(self) -> None:
        self._requesting = ""
        if self.run is not None:
            self.run.begun = True

    def _lives(self, agent: str) -> None:
        if len(self.live) < LIVE_MAX:
            self.live.add(agent)

    def _assistant(self, line: wire.Assistant) -> list[AgentEvent]:
        message = line.message
        loop = line.agent_id or MAIN_LOOP
        if line.agent_id is None and line.parent_tool_use_id is not None:
            return []
        if loop == MAIN_LOOP:
            self.partial.end()
        if message.model == wire.SYNTHETIC_MODEL:
            return [] if line.is_api_error_message else self._said(message, loop)
        events: list[AgentEvent] = []
        call = Open(loop, message.model, message.usage)
        known = self.calls.knows(message.id)
        if not known and message.stop_reason is not None:
            # It came in one piece, not as a stream: these are its final figures.
            if loop == MAIN_LOOP:
                self._called()
            events += self.calls.settle(message.id, call)
        elif not known and loop != MAIN_LOOP:
            self._lives(loop)
            events += self.calls.begin(message.id, call)
        return events + self._said(message, loop)

    def _said(self, message: wire.Message, loop: str) -> list[AgentEvent]:
        events: list[AgentEvent] = []
        for block in message.content:
            if block.type == "text" and block.text.strip() and loop == MAIN_LOOP:
                events.append(Said(describe.readable(block.text)))
            elif block.type == "tool_use" and self._acted.add(block.id):
                events.append(Acted(*describe.action(block.name, block.input, self.directory), loop))
                self._runs(block, loop)
        return events

    def _runs(self, block: wire.Block, loop: str) -> None:
        """Remember a command that runs tests, until it has ended."""
        command = block.input.get("command")
        tests = recognised(command) if block.name == SHELL and isinstance(command, str) else None
        if tests is not None:
            self._tests[block.id] = (loop, tests)
            if len(self._tests) > LIVE_MAX:
                del self._tests[next(iter(self._tests))]

    def settle(self, record: Record) -> list[AgentEvent]:
        """A call as the transcript has it; only a final one counts."""
        message = record.message
        if message.stop_reason is None:
            return []
        return [*self.calls.settle(message.id, Open(record.loop, message.model, message.usage))]

    def cut_ended(self) -> list[AgentEvent]:
        """Calls of sub-agents that have ended will not end any more: what is known of them is a lower bound."""
        return [*self.calls.cut(self.ended_loops)]

    def cut_all(self) -> list[AgentEvent]:
        """The same for everything: the client is gone."""
        events = [*self.calls.cut(self.calls.loops()), *self._unanswered()]
        self.live.clear()
        return events

    def _flag(self, name: str) -> list[AgentEvent]:
        """Something was used and nobody can read how much: the run's figures are a lower bound. Once a run."""
        if self._flagged:
            return []
        self._flagged = True
        return [CallMetered(f"unreadable-{name}", Usage(self.model or "unknown", Tokens()), MAIN_LOOP, ended=False)]

    def _unanswered(self) -> list[AgentEvent]:
        """A request went out and nothing came back: its tokens are unknown, that it was made is not."""
        name, self._requesting = self._requesting, ""
        if not name:
            return []
        return [CallMetered(f"unanswered-{name}", Usage(self.model or "unknown", Tokens()), MAIN_LOOP, ended=False)]

    def unlisted(self, cumulative: Usages) -> list[AgentEvent]:
        """Calls that no line shows, by the client's own sum; nothing is concluded while calls are open elsewhere."""
        if self.calls.any_open or self.live:
            return []
        seed = json.dumps([self.agent_session, tally.total_tokens(cumulative)])
        name = hashlib.sha256(seed.encode()).hexdigest()[:16]
        return [
            CallMetered(f"side-{name}-{usage.model}", usage, SIDE_LOOP)
            for usage in self.calls.tally.unlisted(cumulative)
        ]

    def told(self, windows: tuple[QuotaTold, ...]) -> list[QuotaTold]:
        """What is news of a subscription's windows; one without a reset always is."""
        known = self._quotas
        news = [one for one in windows if one.resets_at_ms is None or known.get(one.window) != one]
        news = [one for one in news if one.window in known or len(known) < quotas.WINDOWS_MAX]
        self._quotas = known | {one.window: one for one in news}
        return news

    # -- the client's own reports -----------------------------------------------------------------------------------

    def _system(self, line: wire.System) -> list[AgentEvent]:  # noqa: C901 - one for each kind of report
        match line.subtype:
            case "init":
                self.agent_session = line.session_id or self.agent_session
                self.model = line.model or self.model
                self.calls.tally.requested = line.model or self.calls.tally.requested
                return [] if self.run else self._begin(line.user_message_uuids[0] if line.user_message_uuids else None)
            case "status" if line.permission_mode in _MODES:
                return [ModeTold(_MODES[line.permission_mode])]
            case "status" if line.status in {"requesting", "compacting"}:
                self._requesting = line.uuid
            case "compact_boundary":
                self._requesting = line.uuid
            case "informational" if line.prompt_submit_outcome is not None and self.run is not None:
                if not self.run.begun and line.prompt_submit_outcome.kind != "accepted":
                    why = describe.readable(line.prompt_submit_outcome.reason)
                    self.run.halted = why or "nobody answered in time"
            case "task_started" if line.task_type not in NOT_AGENTS:
                self._lives(line.task_id)
            case "task_updated" if line.patch.status in ENDED:
                self.live.discard(line.task_id)
            case "task_notification" if line.status in ENDED:
                self.live.discard(line.task_id)
            case "background_tasks_changed":
                self._background = {task.task_id: task.task_type for task in line.tasks}
                agents = self._agents()
                return [BackgroundChanged(agents, len(self._background) - agents)]
            case _:
                pass
        return []

    def _agents(self) -> int:
        return sum(kind not in NOT_AGENTS for kind in self._background.values())

    def _result(self, line: wire.Result) -> list[AgentEvent]:
        self.partial.end()
        if line.uuid and not self._results.add(line.uuid):
            return []  # Told twice: what it says was used is on the books.
        run = self.run or Run(line.user_message_uuids[0] if line.user_message_uuids else None)
        end, text = _end(line, run)
        text = describe.readable(text)
        events = [*self.calls.cut({MAIN_LOOP}), *self.cut_ended()]
        if line.unreadable:
            events += self._flag(line.unreadable)
        if end is End.INTERRUPTED and line.num_turns:
            events += self._unanswered()
        totals = self.calls.tally.finished(line.usages, settled=not self.live and not self.calls.any_open)
        self.run, self._requesting = None, ""
        if run.stray:
            return events
        if run.prompt_uuid is not None:
            self._finished.add(run.prompt_uuid)
            self._handed.discard(run.prompt_uuid)
        events.append(Finished(end, text, run.prompt_uuid, totals, self._agents()))
        for uuid in [u for u in line.user_message_uuids if u in self._handed and u not in self._finished]:
            # A prompt that had joined this run: what it cost is told with the run.
            self._finished.add(uuid)
            self._handed.discard(uuid)
            events += [Started(self.agent_session, self.model, uuid), Finished(end, text, uuid, (), self._agents())]
        return events


def _end(line: wire.Result, run: Run) -> tuple[End, str]:
    """How a run ended. The client calls many failures a success: the other fields tell."""
    said = line.result or "; ".join(line.errors)
    if run.halted is not None or line.terminal_reason == "hook_stopped":
        return (End.ERROR, UNREAD) if run.unread else (End.HALTED, said if run.halted is None else run.halted)
    stopped = line.terminal_reason.startswith("aborted") or any(text.startswith("prompt_check") for text in line.errors)
    if stopped:
        return End.INTERRUPTED, ""
    if line.is_error and line.terminal_reason == "api_error":
        return End.ERROR, troubles.explained(describe.redacted(said), line.api_error_status)
    if line.is_error:
        return End.ERROR, said or line.terminal_reason or line.subtype
    return End.DONE, line.result
