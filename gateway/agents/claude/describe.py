"""Tools and questions in words that fit a chat. Pure."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import PurePath
from textwrap import indent
from types import MappingProxyType
from typing import Any

from gateway.core.summary import VERBATIM_CHARACTERS_MAX, revealed

SUBJECT_LIMIT = 200
LOOKED_AT_LIMIT = 100 * SUBJECT_LIMIT
"""So much of a text is looked at to find what a line of it says."""
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


TEXT_LIMIT = 1_000_000
"""More characters than any model says in one go."""
CHOICES_MAX = 20
ASKED_LIMIT = VERBATIM_CHARACTERS_MAX
"""What a question shows of a permission; here nothing of it may be cut a second time."""
FIELDS_MAX = 8
FIELD_LEAST = 120
NAME_LIMIT = 100
REASON_LIMIT = 500
_SECRETS = re.compile(
    r"sk-[\w-]{8,}|(?i:bearer\s+\S+)|(?i:(?:key|token|secret|password)\S{0,3}[=:]\s*\S+)|\b\d{6,}:[\w-]{30,}\b"
)


def redacted(text: str) -> str:
    """Without what looks like a secret, and short enough for a chat."""
    return readable(_SECRETS.sub("[redacted]", text))[-REASON_LIMIT:].strip()


def readable(text: str, limit: int = TEXT_LIMIT) -> str:
    """As every database and chat takes it: no NUL and no half a character; what is cut off is named by its digest."""
    if len(text) > limit:
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
        text = f"{text[:limit]}\n(cut here: {len(text)} characters in all, SHA-256 {digest})"
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", text)


_UNFIT = re.compile("[\0\ud800-\udfff]")


def action(tool: str, inputs: Mapping[str, Any], directory: str) -> tuple[str, str]:
    """A tool and its object, one line each: ("Bash", "pytest -q"), ("Edit", "src/a.py"), ("github: create_issue", ...)."""
    told = [inputs[name] for name in _subjects(tool) if isinstance(inputs.get(name), str) and inputs[name]]
    parts = [str(part)[:LOOKED_AT_LIMIT] for part in told]
    subject = " in ".join(_relative(part, directory) for part in parts[: 2 if tool in {"Glob", "Grep"} else 1])
    return _title(tool), _one_line(subject)


def _subjects(tool: str) -> tuple[str, ...]:
    return _SUBJECTS.get(tool, ("file_path", "path", "command", "query", "url", "name", "title", "description"))


def ask(
    tool: str, inputs: Mapping[str, Any], directory: str, notes: Mapping[str, str] = MappingProxyType({})
) -> tuple[str, str]:
    """What a permission is asked for: in one line, and in full.

    In full: the tool, what it is used on, its other inputs, the client's notes; each under its name, further lines indented, so
    that none can pass for another. What is too long to be shown is cut field by field, and named by its digest.
    """
    title, subject = action(tool, inputs, directory)
    summary = f"{title}: {subject}" if subject else title
    told = {name: text for name, text in notes.items() if text}
    if len(inputs) + len(told) == 1:
        [value] = inputs.values() or told.values()
        return summary, f"{title}\n{_cut(_text(value), ASKED_LIMIT - len(title) - 1)}"
    first = [name for name in _subjects(tool) if name in inputs]
    rest = [name for name in inputs if name not in first]
    fields = [(name, _text(inputs[name])) for name in (*first, *rest[:FIELDS_MAX])]
    if rest[FIELDS_MAX:]:
        fields.append(("more inputs", _text({name: inputs[name] for name in rest[FIELDS_MAX:]})))
    texts = [_field(_cut(name, NAME_LIMIT), text) for name, text in (*fields, *told.items())]
    sizes = [ASKED_LIMIT if rest else len(shown) for shown, rest in (revealed(text, ASKED_LIMIT) for text in texts)]
    limits = _shares(sizes, len(first), ASKED_LIMIT - len(title) - len(texts))
    return summary, "\n".join([title, *map(_cut, texts, limits)])


def _field(name: str, text: str) -> str:
    return f"{name}:\n{indent(text, '  ', lambda _: True)}" if "\n" in text else f"{name}: {text}"


def _shares(sizes: list[int], first: int, total: int) -> list[int]:
    """How many characters of each field are shown: a little of each, then all of the first ones, then of the short ones."""
    shares = [min(size, FIELD_LEAST) for size in sizes]
    for n in (*range(first), *sorted(range(first, len(sizes)), key=lambda n: sizes[n])):
        shares[n] += min(sizes[n] - shares[n], max(0, total - sum(shares)))
    return shares


def _cut(text: str, limit: int) -> str:
    shown, rest = revealed(text, limit)
    if not rest:
        return shown
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
    mark = "[{} characters more; the answer is for the whole, SHA-256 " + digest + "...]"
    shown, rest = revealed(text, max(0, limit - len(mark) - len(str(len(text)))))
    return shown + mark.format(rest)


def question(inputs: Mapping[str, Any]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The text, the choices and the names of the questions that the agent asks together.

    One question with one answer has choices; several, or one with several answers, become one text to be answered in words.
    """
    asked = inputs.get("questions")
    questions = [item for item in asked if isinstance(item, dict)] if isinstance(asked, list) else []
    names = tuple(str(item.get("question") or "") for item in questions)
    labels = tuple(readable(label, SUBJECT_LIMIT) for label, _ in _options(questions[0])) if len(questions) == 1 else ()
    if labels and len(labels) <= CHOICES_MAX and not questions[0].get("multiSelect"):
        return readable(names[0] + _explained(questions[0])), labels, names
    text = "\n\n".join(str(item.get("question") or "") + _listed(item) for item in questions)
    return readable(text), (), names


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
    line = " ".join(readable(text[:LOOKED_AT_LIMIT]).split())
    return line if len(line) <= SUBJECT_LIMIT else line[: SUBJECT_LIMIT - 1] + "…"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
