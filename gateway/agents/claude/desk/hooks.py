"""What a session at the desk tells through its hooks, and how it is answered there. Pure. (Facts of 2.1.328.)

A verdict is the JSON that the hook prints. Where the gateway says no, a prompt is blocked, a tool denied, and a run stopped before
its next call.
"""

import re
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, ValidationError

from gateway.agents.claude.counts import Id, Name, Wire, or_else
from gateway.agents.claude.describe import readable
from gateway.agents.claude.wire import Inputs, PathName, Words
from gateway.domain.usage import MAIN_LOOP

TASKS_MAX: Final = 1_000
PARTS_MAX: Final = 500_000
"""So many values a body may consist of: each takes about a hundred bytes once it is read, be it written with two."""
NOTIFICATION: Final = "<task-notification>"
"""How the prompt begins with which the client tells the agent that something in the background has ended."""
SUB_AGENT: Final = "subagent"
RUNNING: Final = "running"


class Event(StrEnum):
    """The hooks that the plugin registers."""

    START = "SessionStart"
    PROMPT = "UserPromptSubmit"
    TOOL = "PreToolUse"
    TOOL_USED = "PostToolUse"
    TOOL_FAILED = "PostToolUseFailure"
    BATCH = "PostToolBatch"
    COMPACT = "PreCompact"
    COMPACTED = "PostCompact"
    STOP = "Stop"
    FAILED = "StopFailure"
    SUB_AGENT_START = "SubagentStart"
    SUB_AGENT_STOP = "SubagentStop"
    END = "SessionEnd"


GATES: Final = frozenset({Event.PROMPT, Event.TOOL, Event.BATCH, Event.COMPACT})
"""Where a verdict stops something. The others only tell."""
Said = Annotated[Words, AfterValidator(readable)]
"""What is said on in a chat."""


class Task(Wire):
    """Something that works in the background."""

    id: Id = ""
    type: Name = ""
    status: Name = ""


class Used(Wire):
    """One tool of a batch."""

    tool_use_id: Name = ""


class Told(Wire):
    """What a hook is told; which fields are set depends on the event."""

    session_id: Id
    hook_event_name: str = ""
    prompt_id: Name = ""
    agent_id: Id | None = None
    transcript_path: PathName = ""
    cwd: PathName = ""
    prompt: Words = ""
    tool_name: Words = ""
    tool_input: Inputs
    tool_use_id: Name = ""
    tool_calls: Annotated[tuple[Used, ...], or_else(()), Field(max_length=TASKS_MAX)] = ()
    trigger: Words = ""
    source: Words = ""
    reason: Words = ""
    model: Name = ""
    error: Said = ""
    last_assistant_message: Said = ""
    background_tasks: Annotated[tuple[Task, ...], or_else(()), Field(max_length=TASKS_MAX)] = ()

    @property
    def loop(self) -> str:
        """The loop that it happened in."""
        return self.agent_id or MAIN_LOOP

    def running(self) -> tuple[frozenset[str], int]:
        """The sub-agents at work in the background by name, and how many other things are."""
        tasks = [task for task in self.background_tasks if task.status == RUNNING]
        agents = frozenset(task.id for task in tasks if task.type == SUB_AGENT)
        return agents, len(tasks) - len(agents)


def read(body: bytes) -> Told | None:
    """What a hook was told; None where that cannot be read, or would take many times its size in memory."""
    if _is_scattered(body):
        return None
    try:
        return Told.model_validate_json(body)
    except ValidationError:
        return None


def _is_scattered(body: bytes) -> bool:
    """Whether it has more than PARTS_MAX values, as far as commas, colons and brackets outside of its texts tell."""
    if _marks(body, 0, len(body)) <= PARTS_MAX:
        return False
    parts = at = 0
    for text in _TEXT.finditer(body):
        parts += _marks(body, at, text.start())
        if parts > PARTS_MAX:
            return True
        at = text.end()
    return parts + _marks(body, at, len(body)) > PARTS_MAX


def _marks(body: bytes, begin: int, end: int) -> int:
    return sum(body.count(mark, begin, end) for mark in (b",", b":", b"[", b"{"))


_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


def is_ours(prompt: str) -> bool:
    """Whether a prompt is a message that came through a channel of Tollbridge's."""
    return _OURS.match(prompt) is not None


_OURS = re.compile(r'\s*+<channel source="[^"<>\n]*tollbridge')


def no(event: str, why: str) -> dict[str, Any]:
    """The verdict that lets nothing further happen at this event; nothing where there is nothing to stop."""
    match event:
        case Event.PROMPT | Event.COMPACT:
            return {"decision": "block", "reason": why}
        case Event.TOOL:
            # The tool's error text is what the agent reads when its conversation goes on.
            reads = f"Not run: {why.removesuffix('.')}. If you are told to continue, run this again."
            return {"continue": False, "stopReason": why, **denied(reads)}
        case Event.BATCH:
            return {"continue": False, "stopReason": why}
        case _:
            return {}


def shown(words: str) -> dict[str, Any]:
    """What is shown to the person and not read by the agent; nothing where there are no words."""
    return {"systemMessage": f"Tollbridge: {words}"} if words else {}


def denied(why: str) -> dict[str, Any]:
    """The tool does not run, and the agent goes on."""
    verdict = {"hookEventName": Event.TOOL.value, "permissionDecision": "deny", "permissionDecisionReason": why}
    return {"hookSpecificOutput": verdict}
