"""Earlier conversations as Claude Code keeps them on the disk."""

import json
import os
import re
from pathlib import Path

from gateway.agents.claude import past


def written(config: Path, directory: Path, name: str, *lines: object, at: int = 1_000) -> None:
    """A transcript of the directory, last added to at this second."""
    folder = config / "projects" / re.sub("[^A-Za-z0-9]", "-", str(directory))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    os.utime(path, (at, at))


def prompt(directory: Path, content: object, **more: object) -> dict[str, object]:
    """A line of the person's."""
    return {"type": "user", "cwd": str(directory), "message": {"role": "user", "content": content}, **more}


def test_conversations_are_named_by_their_first_words_and_the_newest_comes_first(tmp_path: Path) -> None:
    """What the client wrote in the person's name is passed over, and so is what cannot be read."""
    work = (tmp_path / "my.work").resolve()
    written(tmp_path, work, "old", {"type": "summary"}, "{broken", prompt(work, "Fix   the\nlogin"), at=1)
    caveat = prompt(work, "Caveat: the messages below", isMeta=True)
    blocks = [{"type": "text", "text": "Write docs"}, {"type": "text", "text": "more"}]
    written(tmp_path, work, "new", caveat, prompt(work, "<command-name>/clear"), prompt(work, blocks), at=9)
    found = past.conversations({"CLAUDE_CONFIG_DIR": str(tmp_path)}, str(work), 10)
    assert [(one.agent_session, one.title, one.last_at_ms) for one in found] == [
        ("new", "Write docs", 9_000),
        ("old", "Fix the login", 1_000),
    ]
    assert past.conversations({"CLAUDE_CONFIG_DIR": str(tmp_path)}, str(work), 1) == found[:1]


def test_what_is_no_conversation_of_the_directory_is_not_told(tmp_path: Path) -> None:
    """Another directory whose name looks alike, sub-agents, tool results, odd names and empty files; no folder is no error."""
    work, alike = (tmp_path / "a-b").resolve(), (tmp_path / "a.b").resolve()
    written(tmp_path, work, "elsewhere", prompt(alike, "not here"))
    written(tmp_path, work, "side", prompt(work, "a task", isSidechain=True))
    written(tmp_path, work, "result", prompt(work, [{"type": "tool_result", "content": "x"}]), prompt(work, 7))
    written(tmp_path, work, "odd name;rm", prompt(work, "hello"))
    written(tmp_path, work, "empty")
    written(tmp_path, work, "nul", {**prompt(work, "x"), "cwd": "/a\0b"})
    environ = {"CLAUDE_CONFIG_DIR": str(tmp_path)}
    assert past.conversations(environ, str(work), 10) == ()
    assert past.conversations(environ, str(tmp_path / "nowhere"), 10) == ()
