"""Conversations that were had in a directory, by this gateway or at the desk: Claude Code keeps a file of each."""

import json
import os
import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

from gateway.agents.claude import transcript
from gateway.core.summary import title
from gateway.ports import Conversation

FILES_MAX: Final = 2_000
"""So many files of one directory are looked at."""
TITLE_MAX: Final = 100
_NO_LETTER = re.compile(r"[^A-Za-z0-9]")
_NO_PROMPT = ("<", "Caveat:")
"""How lines begin that the client writes in the person's name."""


def conversations(environ: Mapping[str, str], directory: str, limit: int) -> tuple[Conversation, ...]:
    """The latest conversations of the directory, newest first; what cannot be read is passed over. Not for the event loop."""
    folder = _NO_LETTER.sub("-", os.path.realpath(directory))
    files: list[tuple[float, Path]] = []
    for base in transcript.config_dirs(environ):
        try:
            with os.scandir(base / "projects" / folder) as entries:
                mine = (entry for entry in islice(entries, FILES_MAX) if entry.name.endswith(".jsonl"))
                files += [(entry.stat().st_mtime, Path(entry.path)) for entry in mine if entry.is_file()]
        except OSError:
            continue
    found: list[Conversation] = []
    for changed, path in sorted(files, reverse=True):
        if len(found) >= limit:
            break
        words = _begins(path, directory)
        if words is not None and transcript.find(environ, path.stem) is not None:
            found.append(Conversation(path.stem, words, int(changed * 1000)))
    return tuple(found)


def _begins(path: Path, directory: str) -> str | None:
    """The first words that a person wrote; None: nobody wrote any, or somewhere else."""
    for line in transcript.Tail(path).piece() or ():
        words = _prompt(line, directory)
        if words:
            return title(words, TITLE_MAX)
    return None


def _prompt(line: bytes, directory: str) -> str:
    if b'"user"' not in line:
        return ""
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    match value:
        case {"type": "user", "cwd": str(place), "message": {"content": content}} if not (
            value.get("isMeta") or value.get("isSidechain")
        ):
            words = _words(content)
            here = os.path.realpath(place) == os.path.realpath(directory) if "\0" not in place else False
            return words if here and not words.startswith(_NO_PROMPT) else ""
        case _:
            return ""


def _words(content: Any) -> str:
    match content:
        case str(words):
            return words.strip()
        case [{"type": "text", "text": str(words)}, *_]:
            return words.strip()
        case _:
            return ""
