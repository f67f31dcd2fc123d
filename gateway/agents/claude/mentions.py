"""Files that a prompt names with `@`: the client puts them into the conversation unasked, and no hook and no permission stands before it.

So only what lies in the session's own directory is left to it. Of any other the `@` is taken away: the agent reads the name, and has to
use a tool for the file, which is looked at as any other. A prompt may be a writer's, or words of a stranger that were passed on.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from unicodedata import normalize

from gateway.agents.claude import reach

ENDS_MAX: Final = 64
"""In so many ways a name can be taken to begin and to end; one with more is left to nobody."""
LOOKS_MAX: Final = 10_000
"""So many places are looked at for one prompt, in less than a second; names behind that are left to nobody."""
_NAMED: Final = re.compile(r'@(?:"[^"]*"?)?[^ \t\n\r\f\v]*')
"""It may take a name for longer than the client does: where a name can begin later or end earlier is looked at as well."""
_QUOTED: Final = re.compile(r'@+"')
_END: Final = re.compile(r"[^\w]|(?<=[A-Za-z0-9_])(?![A-Za-z0-9_])")
"""To the client a letter with an accent ends a word, to Unicode it does not: a name can end at either."""
_AWAY: Final = re.compile(r"/|@|~(?!\w)|(?:.*/)?\.\.(?!\w)", re.DOTALL)
"""How names begin that lead out by their letters alone: of git's, `@~1` does not, and neither does `@{u}..HEAD`."""


def without_reach(text: str, directory: str, private: tuple[str, ...]) -> str:
    """The prompt in which no `@` leads out of the directory, or into the gateway's own. It looks at the file system, for links."""
    if "@" not in text:
        return text
    if "@[" in text:
        # The client blanks references to documents first, quotes and all: nobody knows where a quoted name ends then.
        text = _QUOTED.sub('"', text)
    base, looks = os.path.realpath(directory), iter(range(LOOKS_MAX))

    def cut(found: re.Match[str]) -> str:
        names = found[0].split("@")[1:]
        wholes = ["@".join(names[n:]).strip('" ') for n in range(min(len(names), ENDS_MAX + 1))]
        stays = len(wholes) <= ENDS_MAX and all(_stays(name, (directory, base), private, looks) for name in wholes)
        return found[0] if stays else "".join(names)

    return _NAMED.sub(cut, text)


def _stays(name: str, places: tuple[str, str], private: tuple[str, ...], looks: Iterator[int]) -> bool:
    """Whether it is in the directory, wherever the client takes the name to end, and however it writes its letters.

    `places`: the directory, and where it really is. `looks`: there is one for each place that may still be looked at.
    """
    known = next((place for place in places if name.startswith(place.rstrip("/") + "/")), None)
    name = name if known is None else name.removeprefix(known.rstrip("/") + "/")
    if len(name) > reach.PATH_CHARACTERS_MAX or _AWAY.match(name) or not name.isprintable():
        return False
    ends = {*(found.start() for found in _END.finditer(name)), len(name)}
    if len(ends) > ENDS_MAX:
        return False
    wholes = [name[:end].strip() for end in ends]
    names = {form for one in wholes for form in (one, normalize("NFC", one))}
    return all(next(looks, None) is not None and _is_below(one, places[1], private) for one in names)


def _is_below(name: str, base: str, private: tuple[str, ...]) -> bool:
    try:
        real = Path(base, name).resolve()
    except (OSError, RuntimeError, ValueError):  # a loop, a name too long or that cannot be written
        return False
    return real.is_relative_to(base) and reach.reaches(private, "Read", {"file_path": str(real)}, base) is None
