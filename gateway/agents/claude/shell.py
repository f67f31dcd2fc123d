"""A shell's command line taken apart, as far as a guard needs it: its simple commands, their words, and which walk through
directories. Pure; what cannot be parsed is taken word by word.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

_TOKEN: Final = re.compile(
    r"""(?P<gap>[ \t\r]+|\\\n)|(?P<end>[;&|\n]+)|(?P<mark>[()<>`]+)"""
    r"""|(?P<word>(?:[^\s;&|()<>`"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+)|(?P<odd>.)""",
    re.DOTALL,
)
_QUOTED: Final = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)""", re.DOTALL)
_ESCAPED: Final = re.compile(r'\\([\\"$`\n])')
_PIECE: Final = re.compile(r"""[^\s;|&<>()'"`=:,]+""")
_HERE: Final = re.compile(r"""(?<!<)<<-?[ ]*['"]?(\w{1,100})(?!\w)""")
_SHELL: Final = re.compile(r"(?<![.\w])(?:ba|da|k|z)?sh\b|\beval\b")
HERE_DOCUMENTS_MAX: Final = 20
_OPTION: Final = re.compile(r"-[^\s]")

_GREPS: Final = frozenset({"grep", "egrep", "fgrep", "zgrep", "rg", "ag", "ack", "ugrep", "ug"})
_WALKERS: Final[dict[str, str]] = {
    # Always, or with an option like this.
    **dict.fromkeys(("rg", "ag", "ack", "ug", "ugrep", "find", "fd", "fdfind", "bfs", "tree"), ""),
    **dict.fromkeys(("tar", "bsdtar", "rsync", "zip", "7z"), ""),
    **dict.fromkeys(("grep", "egrep", "fgrep", "zgrep"), r"-\w*[rR]|--(?:rec|der)|.*recurse"),
    "ls": r"-\w*R|--rec",
    **dict.fromkeys(("cp", "scp"), r"-\w*[rRa]|--(?:rec|arc)"),
    **dict.fromkeys(("rm", "chmod", "chown", "chgrp", "diff"), r"-\w*[rR]|--rec"),
}
_COPIES: Final = frozenset({"cp", "scp", "rsync"})
"""Where they write to comes last."""
_FROM_HERE: Final = frozenset({*_GREPS, "find", "fd", "fdfind", "bfs", "tree", "ls"})
"""They walk from where they are if no place is named."""
_PATTERN_NAMED: Final = re.compile(r"-\w*[ef]|--(?:re|fi)")
_TARGET_NAMED: Final = re.compile(r"-\w*t|--target")
_CARRIERS: Final = frozenset({"xargs", "parallel"})
_GOES: Final = frozenset({"cd", "pushd"})


@dataclass(frozen=True, slots=True)
class Step:
    """One simple command."""

    words: tuple[str, ...]
    """As the program gets them."""
    pieces: tuple[str, ...]
    """Everything in them that could be a path."""
    walks: bool
    """It goes through everything below the places that it names."""
    walked: tuple[str, ...]
    """The words that can be such places."""
    from_here: bool
    """It starts where it is if it names none."""
    commands: tuple[str, ...]
    """Words that are command lines themselves."""
    goes_to: str | None
    """Where it moves the shell to."""
    in_parentheses: bool
    """The command line has parts that move only themselves."""


def steps(text: str) -> Iterator[Step]:
    """The simple commands of a command line, in order."""
    in_parentheses, before = "(" in text, ()
    for words, piped in _simple(text):
        given = (*words, *before) if piped and not _CARRIERS.isdisjoint(words) else words
        yield _step(given, piped=piped, in_parentheses=in_parentheses)
        before = words


def without_here_documents(text: str) -> str:
    """The command line without the texts that it only hands on; with them where a shell is among its words."""
    kept: list[str] = []
    at = 0
    for _ in range(HERE_DOCUMENTS_MAX):
        begins = _HERE.search(text, at)
        line = text.find("\n", begins.end()) if begins is not None else -1
        if begins is None or line < 0:
            break
        ends = re.compile(rf"^\t*{begins[1]}$", re.MULTILINE).search(text, line)
        if ends is None:
            break
        kept.append(text[at:line])
        at = ends.end()
    rest = "".join([*kept, text[at:]])
    return text if _SHELL.search(rest) else rest


def _simple(text: str) -> Iterator[tuple[tuple[str, ...], bool]]:
    words: list[str] = []
    piped = False
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "word":
            words.append(_QUOTED.sub(_unquoted, token[0]))
        elif token.lastgroup == "end":
            if words:
                yield tuple(words), piped
                words = []
            piped = token[0].strip("\n") in {"|", "|&"}
    if words:
        yield tuple(words), piped


def _unquoted(match: re.Match[str]) -> str:
    if match[1] is not None:
        return match[1]
    return _ESCAPED.sub(r"\1", match[2]) if match[2] is not None else match[3]


def _step(words: tuple[str, ...], *, piped: bool, in_parentheses: bool) -> Step:
    names = [word.rpartition("/")[2] for word in words]
    options = [word for word in words if _OPTION.match(word)]
    at = next((n for n, name in enumerate(names) if _walks(name, names, words)), None)
    pieces = (piece for word in words for piece in (word, *_PIECE.findall(word)))
    return Step(
        words=words,
        pieces=tuple(dict.fromkeys(pieces)),
        walks=at is not None,
        walked=() if at is None else _walked(names[at], words[:at], words[at + 1 :], options),
        from_here=at is not None and names[at] in _FROM_HERE and not piped,
        commands=tuple(_commands(words)),
        goes_to=_goes_to(words),
        in_parentheses=in_parentheses,
    )


def _walks(name: str, names: list[str], words: tuple[str, ...]) -> bool:
    needed = _WALKERS.get(name)
    if needed is None:
        return False
    return (name == "grep" and "git" in names) or any(re.match(needed, word) for word in words)


def _walked(name: str, before: tuple[str, ...], behind: tuple[str, ...], options: list[str]) -> tuple[str, ...]:
    """The words that can be places; the first of a grep is what it looks for, unless an option says that."""
    plain = [word for word in behind if not _OPTION.match(word)]
    if name in _GREPS and not any(_PATTERN_NAMED.match(option) for option in options):
        plain = plain[1:]
    elif name in _COPIES and len(plain) > 1 and not any(_TARGET_NAMED.match(option) for option in options):
        plain = plain[:-1]
    return (*before, *plain, *(option.partition("=")[2] for option in options if "=" in option))


def _commands(words: tuple[str, ...]) -> Iterator[str]:
    for before, word in pairwise(words):
        if re.search(r"\s", word) and (re.fullmatch(r"-[A-Za-z]*c|eval", before)):
            yield word


def _goes_to(words: tuple[str, ...]) -> str | None:
    if words[0] not in _GOES:
        return None
    named = [word for word in words[1:] if not _OPTION.match(word)]
    if not named:
        return "~"
    return named[0] if named[0] != "-" else None
