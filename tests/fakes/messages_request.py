"""What one request to the Messages API is: whose loop it belongs to, which prompts it carries, whether it starts a turn."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

OWN_TEXT = (
    "<system-reminder>",
    "<local-command-",
    "<command-name>",
    "<command-message>",
    "Caveat: The messages below",
    "[Request interrupted by user",
    "Your response above was cut off mid-stream",
    "Your response above was stopped by a safety classifier",
    "Output token limit hit.",
    "[Your previous response had no visible output",
    "This session is being continued from a previous conversation",
    "Tool loaded.",
)
"""How texts begin that the client puts into the user's mouth."""
NOTIFICATION = "[SYSTEM NOTIFICATION"
IN_MID_TURN = re.compile(
    r"The user sent a new message while you were working:\n(.*?)\n\nThis is how Claude Code", re.DOTALL
)
COMPACTION = "Your task is to create a detailed summary of the conversation"
TITLES = ("sentence-case title", "Write the title in", "Generate a concise", "Generate a short title", "isNewTopic")
SMALL = 1_024
"""A call without tools that asks for no more tokens than this is the client's own."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the stand-in saw it.

    `kind`: main (the conversation), sub (a sub-agent's loop), compact, title, or side (any other call of the client's
    own). `prompts`: the user's texts of the conversation in order, the client's own reminders left out. `prompt`: the
    text that the loop works on: the newest in the main loop (the notification, in a background turn), the first (its
    task) in a sub-agent. `starts_turn`: a text of the user is the last thing said. `body` is emptied in old requests.
    """

    kind: str
    model: str
    session_id: str | None
    agent_id: str | None
    stream: bool
    digest: str
    prompts: tuple[str, ...]
    prompt: str
    starts_turn: bool
    body: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def max_tokens(self) -> int:
        return int(self.body.get("max_tokens") or 0)


@dataclass(frozen=True, slots=True)
class _Said:
    """One thing in the conversation: a prompt, a notification, or anything else."""

    what: str
    text: str = ""


def read_request(body: Mapping[str, Any], raw: bytes, headers: Mapping[str, str]) -> Request:
    """The request from its JSON body, its bytes and its headers."""
    lower = {key.lower(): value for key, value in headers.items()}
    said = list(_said(body))
    prompts = tuple(one.text for one in said if one.what == "prompt")
    agent_id = lower.get("x-claude-code-agent-id")
    kind = _kind(body, prompts, agent_id)
    works_on = [one.text for one in said if one.what in {"prompt", "notification"}]
    return Request(
        kind=kind,
        model=str(body.get("model", "")),
        session_id=lower.get("x-claude-code-session-id"),
        agent_id=agent_id,
        stream=bool(body.get("stream")),
        digest=hashlib.sha256(raw).hexdigest(),
        prompts=prompts,
        prompt="" if not works_on else works_on[0 if kind == "sub" else -1],
        starts_turn=bool(said) and said[-1].what == "prompt",
        body=body,
        headers=lower,
    )


def _kind(body: Mapping[str, Any], prompts: tuple[str, ...], agent_id: str | None) -> str:
    newest = prompts[-1] if prompts else ""
    tools = [str(tool.get("type") or tool.get("name") or "") for tool in body.get("tools") or []]
    if COMPACTION in newest:
        return "compact"
    if not tools and any(mark in json.dumps(body.get("system") or "") or mark in newest for mark in TITLES):
        return "title"
    if agent_id:
        return "sub"
    searches = bool(tools) and all(name.startswith("web_search") for name in tools)
    small = not tools and int(body.get("max_tokens") or 0) <= SMALL
    return "side" if searches or small else "main"


def _said(body: Mapping[str, Any]) -> Iterator[_Said]:
    for message in body.get("messages") or []:
        content = message.get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else (content or [])
        texts = [str(block.get("text", "")).strip() for block in blocks if block.get("type") == "text"]
        if message.get("role") == "system":
            yield from (_Said("prompt", found) for text in texts for found in IN_MID_TURN.findall(text))
        elif message.get("role") != "user" or any(block.get("type") == "tool_result" for block in blocks):
            yield _Said("other")
            if message.get("role") == "user":
                yield from _texts(texts)
        else:
            yield from _texts(texts)


def _texts(texts: list[str]) -> Iterator[_Said]:
    for text in texts:
        if NOTIFICATION in text[:200]:
            yield _Said("notification", text)
        elif text and not text.startswith(OWN_TEXT):
            yield _Said("prompt", text)
