"""Whether a tool leads into the gateway's own directory: by a path, by the words of a command, or by searching a place above it.

A guard, no sandbox: a shell that puts a name together gets past it (`docs/limits.md`). The file system is only looked at, for
links; everything has a bound, and what is beyond it is refused rather than left unchecked.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from gateway.agents.claude import shell

PRIVATE: Final = "This is the gateway's own directory: agents may not read or change it."
ABOVE: Final = (
    "This goes through everything below a place that holds the gateway's own directory, which agents may not read or change:"
    " name a narrower directory."
)
TOO_LARGE: Final = "This is too large for the gateway to check: do it in smaller steps, or write the text into a file with another tool."

PATH_CHARACTERS_MAX: Final = 4096
"""No path is longer (PATH_MAX), and none that a tool takes has a line end: anything else is text."""
COMMAND_CHARACTERS_MAX: Final = 64 * 1024
LOOKS_MAX: Final = 20_000
"""So many parts of paths are looked at for one tool: about a tenth of a second."""
PLACES_MAX: Final = 8
NESTING_MAX: Final = 3

_SEARCHES: Final = frozenset({"Grep", "Glob", "LS"})
_COMMANDS: Final = frozenset({"command", "cmd", "script"})
_PROSE: Final = frozenset({"content", "old_string", "new_string", "new_source", "todos", "prompt", "description"})
"""What the client's own tools take as text."""
_WILD: Final = re.compile(r"[*?\[{]")
_UNWRITABLE: Final = re.compile("[\ud800-\udfff]")
_HOMES: Final = ("~", "$HOME", "${HOME}")

Reach = tuple[bool, bool]
"""Whether a path leads inside the private directory; whether that is it, or lies below it."""


def spellings(private: Path) -> tuple[str, ...]:
    """How the gateway's directory can be written: as it is set, resolved, and from the user's home."""
    places = {str(private), str(private.resolve())}
    home = str(Path.home())
    short = {f"{mark}{place.removeprefix(home)}" for place in places if place.startswith(home + "/") for mark in _HOMES}
    return tuple(sorted(places | short))


def reaches(private: tuple[str, ...], tool: str, inputs: Mapping[str, object], *places: str) -> str | None:
    """Why a tool may not run, or None where it may.

    `private`: the gateway's directory in its spellings. `places`: the directories that a relative path can start from. What
    names something inside is refused, and so is what goes through everything below a place above: a search, or a command
    that walks through directories.
    """
    look = _Look(private)
    starts = tuple(dict.fromkeys(places))
    try:
        if tool in _SEARCHES and _search(look, tool, inputs, starts):
            return ABOVE
        return _values(look, inputs, starts, own=not tool.startswith("mcp__"))
    except _TooLargeError:
        return TOO_LARGE


class _TooLargeError(Exception):
    """There is more to look at than the bound allows."""


@dataclass(slots=True)
class _Look:
    """What has been looked at for one tool."""

    private: tuple[str, ...]
    left: int = LOOKS_MAX
    _known: dict[tuple[str, str], Reach] = field(default_factory=dict[tuple[str, str], Reach])

    def spend(self, looks: int) -> None:
        self.left -= looks
        if self.left < 0:
            raise _TooLargeError

    def at(self, path: str, places: tuple[str, ...]) -> Reach:
        """Where it leads from any of the places."""
        found = [self._known.get((place, path)) or self._look(place, path) for place in places]
        return any(inside for inside, _ in found), any(above for _, above in found)

    def _look(self, place: str, path: str) -> Reach:
        ways = self._ways(place, _plain(path))
        inside = any(_below(way, name) for way in ways for name in self.private)
        above = any(_below(name, way) for way in ways for name in self.private)
        if _WILD.search(path):
            matches = [_matches(way, name) for way in ways for name in self.private]
            inside, above = inside or any(match[0] for match in matches), above or any(match[1] for match in matches)
        self._known[place, path] = inside, above
        return inside, above

    def _ways(self, place: str, path: str) -> list[str]:
        """Where it leads by its letters, and by its links."""
        whole = os.path.join(place, path)  # noqa: PTH118 - text, not a file
        ways = [os.path.normpath(whole)]
        first = os.path.join(place, path.split("/", 1)[0])  # noqa: PTH118 - see above
        self.spend(1)
        try:
            if path.startswith("/") or os.path.lexists(first):
                self.spend(whole.count("/"))
                ways.append(os.path.realpath(whole))
        except (OSError, ValueError):  # the system cannot write such a name, so nothing there has it
            pass
        return ways


def _plain(text: str) -> str:
    """A path as the system is given it: half a character becomes the replacement character, NUL cannot be in it."""
    for home in _HOMES:
        if text == home or text.startswith(home + "/"):
            text = str(Path.home()) + text.removeprefix(home)
            break
    return _UNWRITABLE.sub("\ufffd", text.replace("\0", ""))[:PATH_CHARACTERS_MAX]


def _below(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip("/") + "/")


def _matches(pattern: str, name: str) -> Reach:
    """What a pattern of the shell can match: something inside a directory, or the directory and what is above it."""
    parts, names = pattern.split("/"), name.split("/")
    for part, known in zip(parts, names, strict=False):
        if part == "**":
            return True, True
        if "{" in part or "$" in part or len(part) > len(known) + 64:
            continue
        if not fnmatchcase(known, part):
            return False, False
    return len(parts) > len(names), len(parts) <= len(names)


def _search(look: _Look, tool: str, inputs: Mapping[str, object], places: tuple[str, ...]) -> bool:
    """A searching tool goes through a place above (or is to look into the directory itself, which its path tells, too)."""
    path, pattern = inputs.get("path"), inputs.get("pattern")
    if isinstance(path, str):
        places = tuple(os.path.join(place, _plain(path)) for place in places)  # noqa: PTH118 - text, not a file
    if look.at(".", places)[1]:
        return True
    if tool != "Glob" or not isinstance(pattern, str):
        return False
    fixed = pattern[: match.start()] if (match := _WILD.search(pattern)) else pattern
    return any(look.at(fixed.rpartition("/")[0] or ".", places)) or look.at(pattern, places)[0]


def _values(look: _Look, inputs: Mapping[str, object], places: tuple[str, ...], *, own: bool) -> str | None:
    left: list[tuple[object, bool]] = [(inputs, False)]
    while left:
        value, command = left.pop()
        match value:
            case str() if command:
                if (why := _command(look, value, places)) is not None:
                    return why
            case str():
                if len(value) < PATH_CHARACTERS_MAX and "\n" not in value and look.at(value, places)[0]:
                    return PRIVATE
            case dict():
                look.spend(len(value))
                left += [(item, key in _COMMANDS) for key, item in value.items() if not (own and key in _PROSE)]
            case list():
                look.spend(len(value))
                left += [(item, command) for item in value]
            case _:
                pass
    return None


def _command(look: _Look, text: str, places: tuple[str, ...], depth: int = 0) -> str | None:
    if any(name in text for name in look.private):
        return PRIVATE
    text = shell.without_here_documents(text)
    if len(text) > COMMAND_CHARACTERS_MAX:
        raise _TooLargeError
    for step in shell.steps(text):
        if any(look.at(word, places)[0] for word in step.pieces if len(word) < PATH_CHARACTERS_MAX):
            return PRIVATE
        if step.walks and (
            any(look.at(word, places)[1] for word in step.walked) or (step.from_here and look.at(".", places)[1])
        ):
            return ABOVE
        for inner in step.commands if depth < NESTING_MAX else ():
            if (why := _command(look, inner, places, depth + 1)) is not None:
                return why
        if step.goes_to is not None:
            there = tuple(os.path.join(place, _plain(step.goes_to)) for place in places)  # noqa: PTH118 - see above
            places = tuple(dict.fromkeys((*there, *places) if step.in_parentheses else there))[:PLACES_MAX]
    return None
