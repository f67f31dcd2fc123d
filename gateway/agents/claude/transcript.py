"""What Claude Code itself keeps of a conversation: one JSON line per message, sub-agents in files of their own.

The format is internal to the client: whatever cannot be read is passed over.
"""

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pydantic import Field, ValidationError

from gateway.agents.claude.counts import Id, Name, Wire
from gateway.agents.claude.wire import SYNTHETIC_MODEL, Message
from gateway.agents.warden import Lines
from gateway.domain.usage import MAIN_LOOP

_NAME = re.compile(r"[0-9A-Za-z_-]{1,128}")
PIECE = 256 * 1024
"""So much is read and looked through in one go."""
PARSED_MAX = 8 * 1024 * 1024
SUB_AGENTS_MAX = 10_000
"""So many files of one conversation are read: ten times as many agents as a client starts in one run."""


class Record(Wire):
    """One assistant line: a block of an API call, with the call's usage; final once there is a stop reason."""

    message: Message
    agent_id: Id | None = Field(None, alias="agentId")
    timestamp: str = ""
    request: Name = Field("", alias="requestRef")
    """The name of the request that it answers, as another line of the same file has it."""
    request_id: Name = Field("", alias="requestId")
    """The same request's name at the API, as telemetry has it."""

    @property
    def loop(self) -> str:
        return self.agent_id or MAIN_LOOP


@dataclass(slots=True)
class Tail:
    """Reads a growing file from where it last stopped, piece by piece, whole lines only."""

    path: Path
    offset: int = 0
    _lines: Lines = field(default_factory=Lines)

    def piece(self) -> list[bytes] | None:
        """The lines that end in the next piece; None: there is no more of the file, or no file (yet)."""
        try:
            # Whoever put something else in its place does not keep the reader waiting, and lends it no terminal.
            found = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            data = os.pread(found, PIECE, self.offset) if stat.S_ISREG(os.fstat(found).st_mode) else b""
        except OSError:
            return None
        finally:
            os.close(found)
        if not data:
            return None
        self.offset += len(data)
        return self._lines.feed(data)


def lines(path: Path) -> Iterator[bytes]:
    """All whole lines of a file, as far as it goes now; not for the event loop."""
    tail = Tail(path)
    while (piece := tail.piece()) is not None:
        yield from piece


def config_dirs(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Where the client keeps its files."""
    named = environ.get("CLAUDE_CONFIG_DIR", "")
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    return tuple(Path(part.strip()) for part in named.split(",") if part.strip()) or (home / ".claude",)


def find(environ: Mapping[str, str], agent_session: str) -> Path | None:
    """The transcript of a conversation, wherever its project's folder is; None: it has none (yet)."""
    if _NAME.fullmatch(agent_session) is None:
        return None
    for base in config_dirs(environ):
        for path in sorted((base / "projects").glob(f"*/{agent_session}.jsonl")):
            return path
    return None


def sub_agents(transcript: Path) -> tuple[Path, ...]:
    """The transcripts of its sub-agents, as far as the system lets them be seen now."""
    found = (transcript.with_suffix("") / "subagents").glob("agent-*.jsonl")
    try:
        return tuple(sorted(islice(found, SUB_AGENTS_MAX)))
    except OSError:
        return ()


def sub_agent(transcript: Path, agent_id: str) -> Path | None:
    """The transcript of one sub-agent, whether it is there yet or not; None: that is no name."""
    if _NAME.fullmatch(agent_id) is None:
        return None
    return transcript.with_suffix("") / "subagents" / f"agent-{agent_id}.jsonl"


def record(line: bytes) -> Record | None:
    """The API call that a line tells of, if it tells of one."""
    if b'"assistant"' not in line or len(line) > PARSED_MAX:
        return None
    try:
        value = json.loads(line)
        if not isinstance(value, dict) or value.get("type") != "assistant":
            return None
        found = Record.model_validate(value)
    except (ValueError, ValidationError, RecursionError):
        return None
    return None if found.message.model in ("", SYNTHETIC_MODEL) else found


def has_messages(transcript: Path) -> bool:
    """Whether there is anything to go on with: a client that was killed at its first prompt leaves a file without it."""
    return any(_is_said(line) for line in lines(transcript))


def _is_said(line: bytes) -> bool:
    if len(line) > PARSED_MAX:
        return True
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("type") in ("user", "assistant")


def prompt_time(transcript: Path, prompt_uuid: str) -> str | None:
    """When the prompt became part of the conversation, as the client wrote it; None: it did not."""
    for line in lines(transcript):
        if is_prompt(line, prompt_uuid):
            return str(json.loads(line).get("timestamp", ""))
    return None


def is_message(line: bytes, name: str) -> bool:
    """The line is a prompt, or what a tool brought, that holds a message of this name: the agent has it."""
    if name.encode() not in line:
        return False
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("type") == "user"


def is_prompt(line: bytes, prompt_uuid: str) -> bool:
    """The line is the prompt itself, or words that a run took in while it worked; not something that mentions them."""
    if prompt_uuid.encode() not in line:
        return False
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return False
    match value:
        case {"type": "user", "uuid": name} | {
            "type": "attachment",
            "attachment": {"type": "queued_command", "source_uuid": name},
        }:
            return bool(name == prompt_uuid)
        case _:
            return False
