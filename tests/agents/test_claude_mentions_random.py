"""What is left of any prompt, read as Claude Code (2.1.328) reads it: no name that it would open leads out of the project."""

import os
import re
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.agents.claude import mentions, reach

SPACE = " \t\n\r\f\v\u00a0\u1680\u2000\u2003\u2028\u2029\u202f\u205f\u3000\ufeff"
"""What JavaScript takes for one."""
BEFORE = "\u3002\u3001\uff1f\uff01"
"""What a name may stand behind, besides a space."""
QUOTED = re.compile(f'(?:^|[{SPACE}{BEFORE}])@"([^"]+)"')
LINES = re.compile(r"([^#]+)(?:#L\d+(?:-\d+)?)?(?:#[^#]*)?")
PIECES = [
    "@",
    "@",
    '@"',
    '"',
    '" ',
    ' "',
    "/",
    "..",
    ".",
    "~",
    "~/",
    "../",
    "link",
    "one.txt",
    "\u00f6l",
    "o\u0308l",
    "src",
    "a.py",
]
PIECES += [
    "secret",
    ".state",
    "#L1",
    "#",
    "\u00e9",
    " ",
    "\n",
    "\t",
    "\u00a0",
    "\ufeff",
    "\u3002",
    ")",
    "(",
    "\\",
    ":",
    ",",
    "/etc/passwd",
]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with links out of it, and the gateway's own directory within it."""
    above = tmp_path_factory.mktemp("above")
    made = above / "project"
    (made / "src").mkdir(parents=True)
    (made / ".state").mkdir()
    (above / "secret").write_text("s")
    (made / "src" / "a.py").write_text("a")
    (made / "link").symlink_to(above)
    (made / "one.txt").symlink_to(above / "secret")
    (made / "\u00f6l").symlink_to(above / "secret")
    return made


def named(text: str) -> list[str]:
    """The files that the client opens for a prompt."""
    found = QUOTED.findall(text)
    for run in re.findall(f"[^{SPACE}]+", text):
        at = run.find("@")
        while at > 0 and run[at - 1] not in BEFORE:
            at = run.find("@", at + 1)
        ends = [k for k in range(len(run), at + 1, -1) if letter(run, k - 1) != letter(run, k)] if at >= 0 else []
        if ends and not run.startswith('"', at + 1):
            found.append(run[at + 1 : ends[0]])
    return found


def letter(text: str, at: int) -> bool:
    """To the client only those of ASCII are."""
    return text[at : at + 1].isascii() and (text[at : at + 1].isalnum() or text[at : at + 1] == "_")


def leads_out(name: str, work: Path) -> bool:
    """Whether the client would open something that is not the project's, or the gateway's own."""
    lines = LINES.fullmatch(name)
    path = normalize("NFC", (lines[1] if lines else name).strip())
    real = os.path.realpath(os.path.normpath(work / path))
    own = str(work / ".state")
    inside = real == str(work) or real.startswith(f"{work}/")
    return path == "~" or path.startswith("~/") or not inside or real == own or real.startswith(f"{own}/")


@given(st.lists(st.sampled_from(PIECES), min_size=2, max_size=12).map("".join))
def test_no_name_that_is_left_leads_out_of_the_project(work: Path, text: str) -> None:
    """Attack 44: whatever stands before and behind it, in quotes or not."""
    left = mentions.without_reach(text, str(work), reach.spellings(work / ".state"))
    assert [name for name in named(left) if leads_out(name, work)] == []


@pytest.mark.parametrize(
    "text", ["@/etc/passwd", '@" ../secret"', "\u3002@link/secret", "@one.txt\u00e9", "@~/x", "@.state"]
)
def test_what_is_looked_for_is_found(work: Path, text: str) -> None:
    """The check above knows a name that leads out when it sees one."""
    assert any(leads_out(name, work) for name in named(text))
