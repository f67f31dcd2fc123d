"""What the client waits for, and how it is answered: hooks, permissions, questions. Pure.

Held callbacks are the gate. Every loop's next API call comes after its PostToolBatch, a run's first after UserPromptSubmit, a
compaction's after PreCompact and the call behind it after PostCompact; before PreToolUse is answered no tool has run. (Facts of 2.1.328.)
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from gateway.agents.claude import describe, rules
from gateway.agents.claude.wire import CanUseTool, HookCallback
from gateway.domain.effects import AllowTool, Answer, Answers, DenyTool, EndTurn, GoOn, Words
from gateway.domain.events import AskedPermission, AskedPlan, AskedQuestion, Part, Paused
from gateway.domain.usage import MAIN_LOOP

PAUSE_LIMIT_S: Final = 3600
"""The client gives a callback up after so many seconds; the engine ends a pause before."""

QUESTION = "AskUserQuestion"
MODES: Final = {"ask": "default", "plan": "plan", "edits": "acceptEdits"}
"""The client's own names of the modes that people may choose. One that asks about nothing at all is not offered."""
USUAL_MODE: Final = "ask"
PLAN = "ExitPlanMode"
EDITS: Final = {"type": "setMode", "mode": "acceptEdits", "destination": "session"}
"""Files may be changed without asking, as long as the process lives."""
STARTS_A_LOOP: Final = frozenset({"Agent", "Task"})


class Hook(StrEnum):
    """The hooks that are registered."""

    PROMPT = "UserPromptSubmit"
    TOOL = "PreToolUse"
    BATCH = "PostToolBatch"
    COMPACT = "PreCompact"
    COMPACTED = "PostCompact"
    SUB_AGENT_END = "SubagentStop"

    @property
    def compacts(self) -> bool:
        """It stands before or after a compaction."""
        return self in {Hook.COMPACT, Hook.COMPACTED}


def initialize() -> dict[str, Any]:
    """The first request: which hooks call back."""
    hooks = {
        hook.value: [
            {"hookCallbackIds": [hook.value], "timeout": PAUSE_LIMIT_S}
            | ({"matcher": "*"} if hook is Hook.TOOL else {})
        ]
        for hook in Hook
    }
    return {"subtype": "initialize", "hooks": hooks}


@dataclass(slots=True)
class Boundary:
    """The client stands at a hook. `told`: the engine knows it as Paused."""

    request_id: str
    hook: Hook
    loop: str
    before: str
    transcript: str = ""
    automatic: bool = False
    tool_use_id: str = ""
    told: bool = False

    def event(self) -> Paused:
        return Paused(self.request_id, self.before, self.loop)


@dataclass(slots=True)
class Permission:
    """The client asks for a tool."""

    request_id: str
    tool: str
    inputs: dict[str, Any]
    suggestions: tuple[dict[str, Any], ...]
    told: bool = True


@dataclass(slots=True)
class Question:
    """The client asks the person something; `names` are the questions that one answer is given to."""

    request_id: str
    inputs: dict[str, Any]
    names: tuple[str, ...] = field(default=())
    told: bool = True


Waiting = Boundary | Permission | Question


def boundary(callback: HookCallback, *, begins: bool, prompted: bool, directory: str) -> Boundary | None:
    """The boundary that a hook is, or None where the client need not wait for anyone.

    `begins`: no call of this run can have been made yet. A notification that arrives in the middle of a run is no boundary:
    the run's own PostToolBatch stood before it. A sub-agent's tools are none either, for its next call is one; but for the tool
    that starts a loop of its own, whose first call nothing else stands before.
    """
    told = callback.input
    loop = told.agent_id or MAIN_LOOP
    match told.hook_event_name:
        case Hook.PROMPT if begins and loop == MAIN_LOOP:
            hook, before = Hook.PROMPT, "the first call" if prompted else "a run that nobody asked for"
        case Hook.TOOL if loop == MAIN_LOOP or told.tool_name in STARTS_A_LOOP:
            title, subject = describe.action(told.tool_name, told.tool_input, directory)
            hook, before = Hook.TOOL, f"{title}: {subject}" if subject else title
        case Hook.BATCH:
            hook, before = Hook.BATCH, "the next call"
        case Hook.COMPACT:
            hook, before = Hook.COMPACT, "the compaction of the conversation"
        case Hook.COMPACTED if told.trigger == "auto":
            hook, before = Hook.COMPACTED, "the next call"
        case _:
            return None
    automatic = told.trigger == "auto"
    return Boundary(callback.request_id, hook, loop, before, told.transcript_path, automatic, told.tool_use_id)


def kept_out(why: str) -> dict[str, Any]:
    """The answer to a tool that reaches for the gateway's directory: it does not run, and the agent goes on."""
    denied = {"hookEventName": Hook.TOOL.value, "permissionDecision": "deny", "permissionDecisionReason": why}
    return {"hookSpecificOutput": denied}


def unread(callback_id: str) -> dict[str, Any]:
    """The answer at a hook whose words cannot be read: nobody can decide about them, so it goes no further there."""
    return _end(
        Hook(callback_id) if callback_id in set(Hook) else Hook.BATCH, "the gateway cannot read what comes next"
    )


def asked(
    request: CanUseTool, directory: str, before: str = ""
) -> tuple[Permission | Question, AskedPermission | AskedQuestion | AskedPlan]:
    """What the client asks, for the answer and for the person. `before`: what is known of the file that it is about."""
    if request.tool_name == QUESTION:
        parts, names = describe.questions(request.input)
        first = parts[0] if parts else Part("")
        event = AskedQuestion(request.request_id, first.text, first.choices, first.several, parts[1:])
        return Question(request.request_id, request.input, names), event
    waiting = Permission(request.request_id, request.tool_name, request.input, request.permission_suggestions)
    if request.tool_name == PLAN:
        plan = request.input.get("plan")
        return waiting, AskedPlan(request.request_id, describe.readable(plan) if isinstance(plan, str) else "")
    reason, about = request.decision_reason, request.description
    notes = {
        "Claude Code says": "" if any(about in str(value) for value in request.input.values()) else about,
        "Outside what is allowed": request.blocked_path,
        "Claude Code asks because": reason if isinstance(reason, str) else "",
    }
    told = describe.ask(request.tool_name, request.input, directory, notes, before)
    offers = rules.offered(waiting.tool, waiting.inputs, waiting.suggestions)
    event = AskedPermission(
        request.request_id,
        request.tool_name,
        told.summary,
        told.detail,
        can_remember=not request.requires_user_interaction,
        rules=() if request.requires_user_interaction else tuple(map(rules.words, offers)),
        diff=told.diff,
        whole=told.whole,
    )
    return waiting, event


def answer(waiting: Waiting, given: Answer) -> dict[str, Any]:
    """The client's form of an answer. Raises ValueError where the answer does not fit what is waited for."""
    match waiting, given:
        case Boundary(), GoOn():
            return {}
        case Boundary(), EndTurn(reason=reason):
            return _end(waiting.hook, reason)
        case Permission(), AllowTool():
            allowed: dict[str, Any] = {"behavior": "allow", "updatedInput": waiting.inputs}
            updates = _updates(waiting, given)
            return allowed | ({"updatedPermissions": updates} if updates else {})
        case Permission() | Question(), DenyTool(reason=reason):
            return {"behavior": "deny", "message": reason}
        case Permission() | Question(), EndTurn(reason=reason):
            return {"behavior": "deny", "message": reason, "interrupt": True}
        case Question(), Words() | Answers():
            texts = given.texts if isinstance(given, Answers) else (given.text,) * len(waiting.names)
            answers = {**waiting.inputs, "answers": dict(zip(waiting.names, texts, strict=True))}
            return {"behavior": "allow", "updatedInput": answers}
        case _:
            raise ValueError(f"{type(given).__name__} is no answer to a {type(waiting).__name__}")


def _end(hook: Hook, reason: str) -> dict[str, Any]:
    match hook:
        case Hook.TOOL:
            # The tool's error text is what the agent reads when its conversation goes on.
            why = f"Not run: {reason.removesuffix('.')}. If you are told to continue, run this again."
            denied = {"hookEventName": hook.value, "permissionDecision": "deny", "permissionDecisionReason": why}
            return {"continue": False, "stopReason": reason, "hookSpecificOutput": denied}
        case Hook.PROMPT | Hook.COMPACT:
            return {"decision": "block", "reason": reason}
        case _:
            return {"continue": False, "stopReason": reason}


def _updates(waiting: Permission, given: AllowTool) -> list[dict[str, Any]]:
    """What the client remembers with a yes. Raises ValueError for rules that it did not offer."""
    if given.rules:
        offers = rules.offered(waiting.tool, waiting.inputs, waiting.suggestions)
        if tuple(map(rules.words, offers)) != given.rules:
            raise ValueError("these rules were not offered")
        return rules.kept(offers)
    if given.edits:
        if waiting.tool != PLAN:
            raise ValueError("only a plan is approved with edits")
        return [EDITS]
    return _remember(waiting) if given.for_session else []


def _remember(waiting: Permission) -> list[dict[str, Any]]:
    """The client's own suggestions, kept to the session; a suggestion to change the mode becomes a rule for the one tool."""
    rules = [
        {**suggestion, "destination": "session"}
        for suggestion in waiting.suggestions
        if suggestion.get("type") in {"addRules", "addDirectories"} and suggestion.get("behavior", "allow") == "allow"
    ]
    if any(suggestion["type"] == "addRules" for suggestion in rules):
        return rules
    rule = {"toolName": waiting.tool}
    return [*rules, {"type": "addRules", "rules": [rule], "behavior": "allow", "destination": "session"}]
