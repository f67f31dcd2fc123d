"""Tools and questions in words that fit a chat. Pure."""

import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

SUBJECT_LIMIT = 200
_SUBJECTS = {
    "Bash": ("command",),
    "Read": ("file_path",),
    "Edit": ("file_path",),
    "MultiEdit": ("file_path",),
    "Write": ("file_path",),
    "NotebookEdit": ("notebook_path",),
    "Glob": ("pattern", "path"),
    "Grep": ("pattern", "path"),
    "WebFetch": ("url",),
    "WebSearch": ("query",),
    "Agent": ("description",),
    "Task": ("description",),
    "Skill": ("skill", "command"),
}
"""Which inputs say what a tool is used on."""


def action(tool: str, inputs: Mapping[str, Any], directory: str) -> tuple[str, str]:
    """A tool and its object, one line each: ("Bash", "pytest -q"), ("Edit", "src/a.py"), ("github: create_issue", ...)."""
    names = _SUBJECTS.get(tool, ("file_path", "path", "command", "query", "url", "name", "title", "description"))
    parts = [str(inputs[name]) for name in names if isinstance(inputs.get(name), str) and inputs[name]]
    subject = " in ".join(_relative(part, directory) for part in parts[: 2 if tool in {"Glob", "Grep"} else 1])
    return _title(tool), _one_line(subject)


def ask(tool: str, inputs: Mapping[str, Any], directory: str, notes: tuple[str, ...] = ()) -> tuple[str, str]:
    """What a permission is asked for: in one line, and in full with every input and every note of the client."""
    title, subject = action(tool, inputs, directory)
    summary = f"{title}: {subject}" if subject else title
    texts = [f"{name}: {_text(value)}" if len(inputs) > 1 else _text(value) for name, value in inputs.items()]
    return summary, "\n".join([title, *texts, *(note for note in notes if note)])


def question(inputs: Mapping[str, Any]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The text, the choices and the names of the questions that the agent asks together.

    One question with one answer has choices; several, or one with several answers, become one text to be answered in words.
    """
    asked = inputs.get("questions")
    questions = [item for item in asked if isinstance(item, dict)] if isinstance(asked, list) else []
    names = tuple(str(item.get("question") or "") for item in questions)
    if len(questions) == 1 and not questions[0].get("multiSelect"):
        labels = tuple(label for label, _ in _options(questions[0]))
        return names[0] + _explained(questions[0]), labels, names
    return "\n\n".join(str(item.get("question") or "") + _listed(item) for item in questions), (), names


def _options(item: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = item.get("options")
    options = [option for option in found if isinstance(option, dict)] if isinstance(found, list) else []
    return [(str(option.get("label") or ""), str(option.get("description") or "")) for option in options]


def _explained(item: Mapping[str, Any]) -> str:
    return "".join(f"\n- {label}: {text}" for label, text in _options(item) if text)


def _listed(item: Mapping[str, Any]) -> str:
    several = " (several may be named)" if item.get("multiSelect") else ""
    return several + "".join(f"\n- {label}" + (f": {text}" if text else "") for label, text in _options(item))


def _title(tool: str) -> str:
    if tool.startswith("mcp__"):
        server, _, name = tool.removeprefix("mcp__").partition("__")
        return _one_line(f"{server}: {name}" if name else server)
    return _one_line(tool)


def _relative(text: str, directory: str) -> str:
    if directory and text.startswith("/") and PurePath(text).is_relative_to(directory):
        return str(PurePath(text).relative_to(directory))
    return text


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SUBJECT_LIMIT else line[: SUBJECT_LIMIT - 1] + "…"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
