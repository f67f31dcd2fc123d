"""What `/new` asks for: a project or directory, an agent, a model, a branch. Words in, readings of them out."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.core.summary import code
from gateway.view import thread_words

OFFERED_MAX: Final = 8
"""So many projects are put to the person."""
SHOWN_MAX: Final = 80
_BRANCH = re.compile(r"[\w][\w./+#=,-]{0,199}")
_MODEL = re.compile(r"\w[\w./:@\[\]-]{0,199}")


@dataclass(frozen=True, slots=True)
class Wish:
    """One way to read it; `place` as it was written, empty: where the present session works."""

    place: str = ""
    agent: str | None = None
    model: str | None = None
    branch: str = ""


@dataclass(frozen=True, slots=True)
class Unclear:
    """It cannot be read, and this is why."""

    words: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the words come to, as the directories are: one place to begin in, several to choose among (`text` asks), or none (it says why).

    `project`: the root of the only place's repository, if it is in one; `here`: the place where the present session works, if it is
    among several.
    """

    wish: Wish = Wish()
    places: tuple[str, ...] = ()
    text: str = ""
    project: str = ""
    here: str = ""


def readings(argument: str, agents: Sequence[str]) -> tuple[Wish, ...] | Unclear:
    """Every way to read the words, the one with the longest place first: a directory's name may have spaces in it."""
    words = argument.split(" ") if argument else []
    branches = [word[1:] for word in words if word.startswith("@")]
    words = [word for word in words if not word.startswith("@")]
    if len(branches) > 1:
        return Unclear(thread_words.TWO_BRANCHES)
    branch = branches[0] if branches else ""
    if branches and not is_branch(branch):
        return Unclear(thread_words.no_branch(code(f"@{branch}"[:SHOWN_MAX])))
    place = " ".join(words).strip()
    if not place:
        return (Wish(branch=branch),)
    found = [Wish(place, branch=branch)]
    for length in range(len(words) - 1, max(len(words) - 3, -1), -1):
        rest = _rest(words[length:], agents)
        if rest is not None and (length or words[0] in agents):
            found.append(Wish(" ".join(words[:length]).strip(), *rest, branch))
    return tuple(found)


def _rest(words: Sequence[str], agents: Sequence[str]) -> tuple[str | None, str | None] | None:
    """An agent, a model, or one of each; None: anything else."""
    named = [word for word in words if word in agents]
    models = [word for word in words if word not in agents]
    if len(named) > 1 or len(models) > 1 or not all(_MODEL.fullmatch(model) for model in models):
        return None
    return (named[0] if named else None, models[0] if models else None)


def is_branch(name: str) -> bool:
    """A name that git may take for a branch, and never for an option; git has the last word."""
    odd = any(part in name for part in ("..", "//", "/.", ".lock/")) or name.endswith(("/", ".", ".lock"))
    return _BRANCH.fullmatch(name) is not None and not odd


def matching(name: str, directories: Sequence[str]) -> tuple[str, ...]:
    """The projects that are meant by a name: called so, else beginning so, else with it in their name."""
    wanted = name.casefold()
    called = [(_last(directory).casefold(), directory) for directory in directories]
    exact = tuple(directory for last, directory in called if last == wanted)
    beginning = tuple(directory for last, directory in called if last.startswith(wanted))
    return exact or beginning or tuple(directory for last, directory in called if wanted in last)


def labels(directories: Sequence[str]) -> tuple[str, ...]:
    """What the buttons for these say: the directory's name, with the one above it where two are called alike."""
    names = [_last(directory) for directory in directories]
    return tuple(
        thread_words.project_button(name, _last(directory.rpartition("/")[0]) if names.count(name) > 1 else "")
        for name, directory in zip(names, directories, strict=True)
    )


def again(wish: Wish, directory: str) -> str:
    """The command that says the same of this directory."""
    more = (wish.agent, wish.model, f"@{wish.branch}" if wish.branch else None)
    return " ".join(["new", directory, *(word for word in more if word)])


def worktree_place(project: str, branch: str) -> str:
    """Where the worktree is, below the directory for them: two repositories or branches never share a place."""
    above = hashlib.sha256(project.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    folder = branch.replace("/", "-")
    if folder != branch:
        folder = f"{folder}-{hashlib.sha256(branch.encode()).hexdigest()[:6]}"
    return f"{_last(project) or 'root'}-{above}/{folder}"


def _last(directory: str) -> str:
    return directory.rstrip("/").rpartition("/")[2]
