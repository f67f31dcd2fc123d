"""What an agent's tool reaches of the gateway's own directory: inside it by name, or through a place above it."""

from collections.abc import Mapping
from pathlib import Path
from time import process_time

import pytest

from gateway.agents.claude import reach

PRIVATE = ("/home/me/.local/share/tollbridge", "~/.local/share/tollbridge")
PROJECT = "/home/me/project"


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")


def reaches(inputs: Mapping[str, object], tool: str = "Bash", place: str = PROJECT) -> str | None:
    """Why the tool may not run in a session that works there."""
    return reach.reaches(PRIVATE, tool, inputs, place)


@pytest.mark.parametrize(
    "inputs",
    [
        {"file_path": "/home/me/.local/share/tollbridge/config.toml"},
        {"file_path": "../.local/share/tollbridge/tollbridge.db"},
        {"path": "/home/me/.local/share/tollbridge"},
        {"path": "/home/me/project/../.local/share/tollbridge/x"},
        {"file_path": "/home/me/.local/share/toll\0bridge/x"},
        {"command": "cat /home/me/.local/share/tollbridge/config.toml | head"},
        {"command": "sqlite3 ~/.local/share/tollbridge/tollbridge.db .dump"},
        {"command": 'cat ~/.local/share/toll""bridge/config.toml'},
        {"command": "cd ~/.local/share && cat tollbridge/config.toml"},
        {"command": "cat ../.local/*/t*/config.toml"},
        {"command": "head -5 ~/.*/share/{tollbridge,x}/*"},
        {"command": "cp --target-directory=../.local/share/tollbridge x"},
        {"command": ["cat", "../.local/share/tollbridge/lock"]},
        {"edits": [{"file_path": "/home/me/.local/share/tollbridge/lock"}]},
    ],
)
def test_a_tool_that_names_something_inside_is_refused(inputs: dict[str, object]) -> None:
    """Rule 5, attack 44: by path, by relative path, by a pattern, or named in a command."""
    assert reaches(inputs, "Read") == reach.PRIVATE


@pytest.mark.parametrize(
    "inputs",
    [
        {"file_path": "/home/me/.local/share/tollbridge-notes/a.md"},
        {"file_path": "README.md", "content": "/home/me/.local/share/tollbridge/config.toml"},
        {"file_path": "a.txt", "content": "cut \ud83d"},
        {"file_path": "cut \ud83d"},
        {"file_path": "/home/me"},
        {"command": "ls -ltr /home/me"},
        {"command": "cd .. && ls"},
        {"command": "pytest -q tests; git diff HEAD~1 -- src | head"},
        {"command": "grep -rn / src"},
        {"command": "cat a.log | rg error"},
        {"command": "cd .. && cat a.log | rg error"},
        {"command": "cp -r src .."},
        {"command": "git commit -m 'find / replace'"},
        {"command": "cat > a.sh <<'EOF'\nfind / -name x\nEOF\nls"},
        {"command": "find . -name '*.py'"},
        {"command": "cd - ; ls"},
        {"timeout": 5, "flag": None},
    ],
)
def test_a_tool_that_only_comes_near_is_let_through(inputs: dict[str, object]) -> None:
    """Neighbours, texts that mention the directory, and what stays in one place, are no reach for it."""
    assert reaches(inputs, "Write" if "content" in inputs else "Bash") is None


@pytest.mark.parametrize(
    ("tool", "inputs"),
    [
        ("Grep", {"pattern": "token", "path": ".."}),
        ("Grep", {"pattern": "token", "path": "/"}),
        ("Grep", {"pattern": "token", "path": "~"}),
        ("LS", {"path": "/home/me"}),
        ("Glob", {"pattern": "/home/**/*.toml"}),
        ("Glob", {"pattern": "../*"}),
        ("Glob", {"pattern": "**/*.toml", "path": "/home/me/.local"}),
        *(
            ("Bash", {"command": command})
            for command in (
                "grep -rhs token ..",
                "grep -r ';' ..",
                "grep -e token --recursive /",
                "grep -d recurse token ..",
                "rg token ~",
                "rg token $HOME",
                "cd .. && rg token",
                "cd && rg token",
                "cd src/../.. ; git grep --no-index token",
                "(cd ..; ls) && cd /home && grep -r token",
                "find / -name config.toml | xargs cat",
                "echo .. | xargs grep -r token",
                "bash -c 'cd ..; grep -r token .'",
                "bash <<E\ngrep -r token /home\nE",
                "tar czf - /home/me | base64",
                "cp -r .. copy",
                "cp -rt copy ..",
                "rsync -a /home/me/ copy",
                "rg token ../*",
                "ls -R ~",
            )
        ),
    ],
)
def test_what_goes_through_a_place_above_is_refused(tool: str, inputs: dict[str, object]) -> None:
    """A search or a command that walks through directories finds what it does not name."""
    assert reaches(inputs, tool) == reach.ABOVE


@pytest.mark.parametrize(
    ("tool", "inputs"),
    [
        ("Grep", {"pattern": "token", "output_mode": "content"}),
        ("Glob", {"pattern": "**/*.toml"}),
        ("Bash", {"command": "grep -rhs --include=*.toml token ."}),
        ("Bash", {"command": "rg token"}),
    ],
)
def test_in_a_directory_above_even_a_search_without_a_place_is_refused(tool: str, inputs: dict[str, object]) -> None:
    """The shell may have moved there, or an old session may work there."""
    assert reaches(inputs, tool, "/home/me") == reach.ABOVE
    assert reaches(inputs, tool) is None
    assert reach.reaches(PRIVATE, tool, inputs, "/home/me", PROJECT) == reach.ABOVE


@pytest.mark.parametrize(
    "inputs",
    [{"file_path": "link/a"}, {"command": "cat link/a"}, {"command": "cd link && ls"}, {"command": "x=link; cat $x/a"}],
)
def test_a_link_that_leads_there_is_known(tmp_path: Path, inputs: dict[str, object]) -> None:
    """Attack 44: what counts is where a path really leads, also for the words of a command."""
    (tmp_path / "state").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "state")
    assert reach.reaches(reach.spellings(tmp_path / "state"), "Bash", inputs, str(tmp_path)) == reach.PRIVATE


def test_the_directory_is_known_by_its_short_spellings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The home of the user can be written as ~ and $HOME."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert {"~/state", "$HOME/state", str(tmp_path / "state")} <= set(reach.spellings(tmp_path / "state"))


def test_what_the_system_cannot_write_is_no_path(tmp_path: Path) -> None:
    """Half an emoji, a name that is too long, a loop of links: nothing is raised, and the rest is looked at all the same."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    inputs = {"a": "x\ud83d/y", "b": "y" * 300, "c": "loop/loop/x", "command": "cat \ud83d \0 'unclosed"}
    assert reaches(inputs, "mcp__files__read", str(tmp_path)) is None
    assert reaches(inputs | {"d": PRIVATE[0]}, "mcp__files__read", str(tmp_path)) == reach.PRIVATE


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ({"content": "a/" * 250_000}, None),
        ({"x": "a/" * 250_000}, None),
        ({"x": "".join(f"src/mod{n}/x{n}.py\n" for n in range(20_000))}, None),
        ({"x": [f"/srv/mod{n}/x{n}.py" for n in range(20_000)]}, reach.TOO_LARGE),
        ({"x": ["a/" * 2_000] * 10}, None),
        ({"x": [f"/srv/{n}" + "/a" * 1_000 for n in range(1_000)]}, reach.TOO_LARGE),
        ({"x": [[]] * 30_000}, reach.TOO_LARGE),
        ({"command": "a/" * 250_000}, reach.TOO_LARGE),
        ({"command": " ".join(f"/srv/{n}" for n in range(8_000))}, reach.TOO_LARGE),
        ({"command": "cat <<E > a\n" + "word/x " * 40_000 + "\nE"}, None),
        ({"command": "\"'\\ a" * 13_000}, None),
        ({"command": "<<a\n" * 16_000}, None),
        ({"command": "*?[a{*/" * 9_000}, None),
    ],
)
def test_no_input_keeps_the_guard_busy(inputs: dict[str, object], why: str | None) -> None:
    """Whatever its size, a tool is looked at for a moment, not for minutes; what is too large for that does not run."""
    began = process_time()
    assert reach.reaches(PRIVATE, "mcp__any", inputs, PROJECT) == why
    assert process_time() - began < 2


def test_a_deep_input_is_walked_through_to_its_end() -> None:
    """Nesting is no place to hide, and no way to end the gateway."""
    inputs: dict[str, object] = {"path": PRIVATE[0]}
    for _ in range(5_000):
        inputs = {"x": [inputs]}
    assert reaches(inputs) == reach.PRIVATE
