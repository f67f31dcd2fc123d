"""Tools and questions in words that fit a chat. Pure."""

import difflib
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from textwrap import indent
from types import MappingProxyType
from typing import Any

from gateway.core.asking import CHOICES_MAX, PARTS_MAX
from gateway.core.summary import VERBATIM_CHARACTERS_MAX, revealed
from gateway.domain.events import Part

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
ASKED_LIMIT = VERBATIM_CHARACTERS_MAX
"""What a question shows of a permission; here nothing of it may be cut a second time."""
WHOLE_LIMIT = 200_000
"""What goes as a file; what is longer is cut there too."""
DIFF_LIMIT = 2_000
COMPARED_LIMIT = 20_000
_CHANGES = {"Edit": ("old_string", "new_string"), "Write": ("content",)}
"""The inputs that a diff shows."""
_NO_END = "\\ No newline at end of file"
_CUT_HERE = "characters more; the answer is for the whole, SHA-256 "
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


@dataclass(frozen=True, slots=True)
class Told:
    """A permission in words: in one line; in as many as a message holds; what it changes of a file; all of it, where that is more."""

    summary: str
    detail: str
    diff: str = ""
    whole: str = ""


def ask(
    tool: str,
    inputs: Mapping[str, Any],
    directory: str,
    notes: Mapping[str, str] = MappingProxyType({}),
    before: str = "",
) -> Told:
    """What a permission is asked for: the tool, what it is used on, its other inputs, the client's notes; each under its name,
    further lines indented, so that none can pass for another. What is too long to be shown is cut field by field, and named by
    its digest. What an Edit or a Write changes is a diff of its own; `before`: what is known of the file that a Write replaces.
    """
    title, subject = action(tool, inputs, directory)
    summary = f"{title}: {subject}" if subject else title
    told = {name: text for name, text in notes.items() if text}
    diff = _diff(tool, inputs, before)
    shown_diff = _cut(diff, DIFF_LIMIT)
    listed = {name: value for name, value in inputs.items() if not (diff and name in _CHANGES[tool])}
    detail = _detail(tool, title, listed, told, ASKED_LIMIT - len(shown_diff))
    whole = ""
    if shown_diff != revealed(diff, WHOLE_LIMIT)[0] or _CUT_HERE in detail:
        whole = _detail(tool, title, inputs, told, WHOLE_LIMIT)
    return Told(summary, detail, shown_diff, whole)


def _diff(tool: str, inputs: Mapping[str, Any], before: str) -> str:
    """All lines of an Edit, or of a file that is written, those that it takes away and puts there marked; empty where it is no such
    thing, or too much to be compared.
    """
    told = [inputs.get(name) for name in _CHANGES.get(tool, ())]
    texts = [text for text in (told if tool == "Edit" else [before, *told]) if isinstance(text, str)]
    if len(texts) < 2 or sum(map(len, texts)) > COMPARED_LIMIT:  # noqa: PLR2004 - the old one and the new one
        return ""
    if tool == "Edit":
        return _compared(*(text.split("\n") for text in texts))
    old, new = (text.removesuffix("\n").split("\n") if text else [] for text in texts)
    diff = _compared(old, new)
    return diff if not diff or texts[1].endswith("\n") else f"{diff}\n{_NO_END}"


def _compared(old: list[str], new: list[str]) -> str:
    lines = difflib.unified_diff(old, new, lineterm="", n=len(old))
    return "\n".join([*lines][3:])


def _detail(tool: str, title: str, inputs: Mapping[str, Any], told: Mapping[str, str], limit: int) -> str:
    if len(inputs) + len(told) == 1:
        [value] = inputs.values() or told.values()
        return f"{title}\n{_cut(_text(value), limit - len(title) - 1)}"
    first = [name for name in _subjects(tool) if name in inputs]
    rest = [name for name in inputs if name not in first]
    fields = [(name, _text(inputs[name])) for name in (*first, *rest[:FIELDS_MAX])]
    if rest[FIELDS_MAX:]:
        fields.append(("more inputs", _text({name: inputs[name] for name in rest[FIELDS_MAX:]})))
    texts = [_field(_cut(name, NAME_LIMIT), text) for name, text in (*fields, *told.items())]
    sizes = [limit if rest else len(shown) for shown, rest in (revealed(text, limit) for text in texts)]
    limits = _shares(sizes, len(first), limit - len(title) - len(texts))
    return "\n".join([title, *map(_cut, texts, limits)])


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
    mark = "[{} " + _CUT_HERE + digest + "...]"
    shown, rest = revealed(text, max(0, limit - len(mark) - len(str(len(text)))))
    return shown + mark.format(rest)


def questions(inputs: Mapping[str, Any]) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """The questions that the agent asks together, each with what its choices mean, and their names.

    More than anybody is asked one by one, or choices than there are buttons for, become text to be answered in words.
    """
    asked = inputs.get("questions")
    found = [item for item in asked if isinstance(item, dict)] if isinstance(asked, list) else []
    names = tuple(str(item.get("question") or "") for item in found)
    if len(found) > PARTS_MAX or len(set(names)) < len(names):
        text = "\n\n".join(name + _listed(item) for name, item in zip(names, found, strict=True))
        return (Part(readable(text)),), names
    return tuple(map(_part, found, names)), names


def _part(item: Mapping[str, Any], name: str) -> Part:
    labels = tuple(readable(label, SUBJECT_LIMIT) for label, _ in _options(item))
    if not labels or len(labels) > CHOICES_MAX:
        return Part(readable(name + _listed(item)))
    return Part(readable(name + _explained(item)), labels, bool(item.get("multiSelect")))


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
