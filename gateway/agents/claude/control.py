"""What the client waits for, and how it is answered: hooks, permissions, questions. Pure.

Held callbacks are the gate. Every loop's next API call comes after its PostToolBatch, a run's first after UserPromptSubmit, a
compaction's after PreCompact and the call behind it after PostCompact; before PreToolUse is answered no tool has run. (Facts of 2.1.328.)
"""

import os
import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from gateway.agents.claude import describe
from gateway.agents.claude.wire import CanUseTool, HookCallback
from gateway.domain.effects import AllowTool, Answer, DenyTool, EndTurn, GoOn, Words
from gateway.domain.events import AskedPermission, AskedQuestion, Paused
from gateway.domain.usage import MAIN_LOOP

PAUSE_LIMIT_S: Final = 3600
"""The client gives a callback up after so many seconds; the engine ends a pause before."""

QUESTION = "AskUserQuestion"
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


def reaches(private: tuple[str, ...], inputs: object, directory: str, *, command: bool = False) -> bool:
    """Whether a tool's input leads into the gateway's own directory: as a path, or named in a command; links are followed.

    `private`: the directory's spellings. It keeps an agent from reading or changing the gateway's state by name. A shell that
    hides the name is not kept from it: that takes a sandbox.
    """
    match inputs:
        case str() if command:
            words = _WORD.findall(inputs)[:WORDS_MAX]
            return any(name in inputs for name in private) or any(_inside(private, word, directory) for word in words)
        case str():
            return _inside(private, inputs, directory)
        case dict():
            return any(reaches(private, value, directory, command=key == "command") for key, value in inputs.items())
        case list():
            return any(reaches(private, value, directory, command=command) for value in inputs)
        case _:
            return False


_WORD = re.compile(r"""[^\s;|&<>()'"`=]+""")
WORDS_MAX = 2_000


def _inside(private: tuple[str, ...], path: str, directory: str) -> bool:
    path = os.path.join(directory, path.replace("\0", ""))  # noqa: PTH118 - text, not a file
    ways = (os.path.normpath(path), os.path.realpath(path))
    return any(way == name or way.startswith(name + os.sep) for name in private for way in ways)


def spellings(private: Path) -> tuple[str, ...]:
    """How the gateway's directory can be written: as it is set, resolved, and from the user's home."""
    places = {str(private), str(private.resolve())}
    home = str(Path.home())
    short = {
        f"{mark}{place.removeprefix(home)}" for place in places if place.startswith(home + os.sep) for mark in _HOMES
    }
    return tuple(sorted(places | short))


_HOMES = ("~", "$HOME", "${HOME}")


def kept_out() -> dict[str, Any]:
    """The answer to a tool that reaches for the gateway's directory: it does not run, and the agent goes on."""
    why = "This is the gateway's own directory: agents may not read or change it."
    denied = {"hookEventName": Hook.TOOL.value, "permissionDecision": "deny", "permissionDecisionReason": why}
    return {"hookSpecificOutput": denied}


def asked(request: CanUseTool, directory: str) -> tuple[Permission | Question, AskedPermission | AskedQuestion]:
    """What the client asks, for the answer and for the person."""
    if request.tool_name == QUESTION:
        text, choices, names = describe.question(request.input)
        return Question(request.request_id, request.input, names), AskedQuestion(request.request_id, text, choices)
    reason = request.decision_reason
    notes = (
        request.description if request.description not in request.input.values() else "",
        f"outside what is allowed: {request.blocked_path}" if request.blocked_path else "",
        reason if isinstance(reason, str) else "",
    )
    summary, detail = describe.ask(request.tool_name, request.input, directory, notes)
    waiting = Permission(request.request_id, request.tool_name, request.input, request.permission_suggestions)
    event = AskedPermission(
        request.request_id, request.tool_name, summary, detail, can_remember=not request.requires_user_interaction
    )
    return waiting, event


def answer(waiting: Waiting, given: Answer) -> dict[str, Any]:
    """The client's form of an answer. Raises ValueError where the answer does not fit what is waited for."""
    match waiting, given:
        case Boundary(), GoOn():
            return {}
        case Boundary(), EndTurn(reason=reason):
            return _end(waiting.hook, reason)
        case Permission(), AllowTool(for_session=remember):
            allowed: dict[str, Any] = {"behavior": "allow", "updatedInput": waiting.inputs}
            return allowed | ({"updatedPermissions": _remember(waiting)} if remember else {})
        case Permission() | Question(), DenyTool(reason=reason):
            return {"behavior": "deny", "message": reason}
        case Permission() | Question(), EndTurn(reason=reason):
            return {"behavior": "deny", "message": reason, "interrupt": True}
        case Question(), Words(text=text):
            answers = {**waiting.inputs, "answers": dict.fromkeys(waiting.names, text)}
            return {"behavior": "allow", "updatedInput": answers}
        case _:
            raise ValueError(f"{type(given).__name__} is no answer to a {type(waiting).__name__}")


def _end(hook: Hook, reason: str) -> dict[str, Any]:
    match hook:
        case Hook.TOOL:
            # The tool's error text is what the agent reads when its conversation goes on.
            why = f"Not run, paused by the budget: {reason}. If you are told to continue, run this again."
            denied = {"hookEventName": hook.value, "permissionDecision": "deny", "permissionDecisionReason": why}
            return {"continue": False, "stopReason": reason, "hookSpecificOutput": denied}
        case Hook.PROMPT | Hook.COMPACT:
            return {"decision": "block", "reason": reason}
        case _:
            return {"continue": False, "stopReason": reason}


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
