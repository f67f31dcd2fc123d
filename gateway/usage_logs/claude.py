"""What Claude Code leaves on disk: a line for each block of an answer, in a file for each conversation and each sub-agent."""

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Final

from gateway.core.logged import better
from gateway.domain.logged import LogRead, Mark, Row
from gateway.usage_logs.growing import growing

if TYPE_CHECKING:
    from gateway.usage_logs.claude_lines import Telling

PROJECTS: Final = "projects"
DEPTH_MAX: Final = 12
SNIFFED: Final = 50
"""So many files at most are looked into to tell whose a folder is."""
_SNIFF: Final = 64 * 1024
_SUFFIX: Final = ".jsonl"
_OTHERS: Final = "rollout-"
"""So begin the names of Codex's logs."""
_AGENT: Final = "agent-"
_SUB_AGENTS: Final = "subagents"
_USAGE: Final = b'"usage"'
_USER: Final = b'"type":"user"'
_PROMPT: Final = b'"promptId":"'
_PROMPT_MAX: Final = 200
_KEPT: Final = "="
"""So begins what is remembered of a log: the prompt that its last lines belong to."""
_HEAD: Final = 600
_BRACE: Final = ord("}")


class ClaudeLog:
    """The logs of Claude Code (port UsageLog)."""

    agent = "claude"

    def homes(self, environ: Mapping[str, str], home: str) -> tuple[str, ...]:
        """What CLAUDE_CONFIG_DIR names, separated by commas; else `.claude`, and `claude` where programs keep their settings."""
        named = [os.path.expanduser(part.strip()) for part in environ.get("CLAUDE_CONFIG_DIR", "").split(",")]
        if any(named):
            return tuple(dict.fromkeys(part for part in named if part))
        settings = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
        return os.path.join(home, ".claude"), os.path.join(settings, "claude")

    def owns(self, place: str) -> bool:
        """A folder with `projects`, that folder itself, or anything in which a file looks like a conversation."""
        if os.path.isdir(os.path.join(place, PROJECTS)):
            return True
        return any(map(_is_conversation, islice(self.files(place), SNIFFED)))

    def files(self, place: str) -> Iterator[str]:
        """All conversations and sub-agents below, in the order of the folders."""
        if not os.path.isdir(place):
            if place.endswith(_SUFFIX) and os.path.isfile(place):
                yield place
            return
        below = os.path.join(place, PROJECTS)
        yield from _below(below if os.path.isdir(below) else place, DEPTH_MAX)

    def read(self, path: str, since: Mark | None) -> LogRead:
        """The calls that were added since, each once. Raises OSError."""
        from gateway.usage_logs.claude_lines import telling

        session, agent = _named(path)
        found: dict[str, Telling] = {}
        with growing(path, since) as log:
            tally = _Tally(log.state.removeprefix(_KEPT))
            for block, end in log.blocks():
                for raw in tally.candidates(block, end):
                    try:
                        told = telling(raw, session, agent)
                        if told is None:
                            continue
                        told.line.prompt_id = told.line.prompt_id or tally.prompt
                        known = found.get(told.id)
                        tally.copies += known is not None
                        if (
                            known is None
                            or told.total > known.total
                            or (not told.repeats(known) and better(told.call(session), known.call(session)))
                        ):
                            found[told.id] = told
                    except ValueError:
                        tally.unreadable += 1
            calls = tuple(tally.made(found.values(), session))
            log.records, log.unreadable = log.records + tally.records, log.unreadable + tally.unreadable
            return log.read(calls, tally.copies, f"{_KEPT}{tally.prompt}" if tally.prompt else "")


class _Tally:
    """What is counted at one look, beside the calls. `prompt`: the client's name for what the calls from here on belong to, which only
    the user's lines tell, those of sub-agents and of tools' results included.
    """

    def __init__(self, prompt: str) -> None:
        self.prompt = prompt
        self.records = self.unreadable = self.copies = 0

    def candidates(self, block: bytes, end: int) -> Iterator[bytes]:
        """The lines that may tell of a call. Most bytes are what tools returned, in lines of the user's, which need no looking through."""
        find, at, holes = block.find, 0, b"\0" in block
        while at < end:
            stop = find(b"\n", at, end)
            self.records += 1
            user = find(_USER, at, min(at + _HEAD, stop))
            if (block[stop - 1] != _BRACE or holes) and not _is_whole(block[at:stop]):
                self.unreadable += 1
            elif user >= 0 and block.count(b"{", at, user) == 1:
                self._begin(block[at:user])  # nothing is nested before it: it is the line's own kind
            elif find(_USAGE, at, stop) >= 0:
                yield block[at:stop]
            at = stop + 1

    def _begin(self, head: bytes) -> None:
        """A line of the user's: what stands before its kind tells which prompt it belongs to."""
        _, told, rest = head.partition(_PROMPT)
        name, end, _ = rest.partition(b'"')
        if told and end and name.isascii() and len(name) <= _PROMPT_MAX:
            self.prompt = name.decode()

    def made(self, tellings: "Iterable[Telling]", session: str) -> Iterator[Row]:
        """The calls, without those that have a name that is none."""
        for told in tellings:
            try:
                yield told.call(session)
            except ValueError:
                self.unreadable += 1


def _is_whole(line: bytes) -> bool:
    """Whether a line that looks torn is none: there is nothing in it, or blanks behind it."""
    line = line.strip()
    return not line or (line.endswith(b"}") and b"\0" not in line)


def _named(path: str) -> tuple[str, str]:
    """What a file's name tells: the conversation, and the sub-agent (empty: none)."""
    folder, name = os.path.split(path)
    stem = name.removesuffix(_SUFFIX)
    if not stem.startswith(_AGENT):
        return stem, ""
    parts = folder.split(os.sep)
    if _SUB_AGENTS in parts[1:]:
        return parts[parts.index(_SUB_AGENTS, 1) - 1], stem.removeprefix(_AGENT)
    return stem, stem.removeprefix(_AGENT)


def _below(folder: str, depth: int) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in listed:
        name = entry.name
        try:
            if entry.is_dir(follow_symlinks=False):
                if depth:
                    yield from _below(entry.path, depth - 1)
            elif name.endswith(_SUFFIX) and not name.startswith(_OTHERS) and entry.is_file():
                yield entry.path
        except OSError:
            continue


def _is_conversation(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            head = file.read(_SNIFF)
    except OSError:
        return False
    return b'"sessionId"' in head and (b'"uuid"' in head or b'"message"' in head)


CLAUDE: Final = ClaudeLog()
"""The one reader of them."""
