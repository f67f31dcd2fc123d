"""Files that a prompt names with `@`: the client opens them itself, so only those of the session's own directory are left to it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.agents.claude import mentions, reach

Cut = Callable[[str], str]


@pytest.fixture
def cut(tmp_path: Path) -> Cut:
    """A project with a file, links out of it, and the gateway's own directory within it."""
    work, home = tmp_path / "project", tmp_path / "project" / ".state"
    (work / "src").mkdir(parents=True)
    home.mkdir()
    (work / "src" / "a.py").write_text("a")
    (tmp_path / "secret").write_text("s")
    (work / "link").symlink_to(tmp_path)
    (work / "one.txt").symlink_to(tmp_path / "secret")
    (work / "linK").symlink_to(tmp_path)
    (work / "\u00f6l").symlink_to(tmp_path / "secret")
    private = reach.spellings(home)
    return lambda text: mentions.without_reach(text, str(work), private)


@pytest.mark.parametrize(
    "text",
    [
        "look at @src/a.py, please",
        '@"src/a.py"',
        "@src",
        "mail ada@example.org",
        "ask @alice",
        "a @ b",
        "@new.py#L1-2",
        "@",
        "@property\ndef price(self): ...",
        "@app.route('/price')",
        "npm install @scope/tool@^1.2.3",
        "clone git@github.com:ada/engine.git, see `git log @{u}..HEAD`",
        "git reset --soft @~1",
        "write it for @ada..@bob",
        'see @"src/a.py", too',
    ],
)
def test_a_name_within_the_project_is_left_as_it_is(cut: Cut, text: str) -> None:
    """Also one that is no file at all: most `@` are none."""
    assert cut(text) == text


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "~/.ssh/id_rsa",
        "../secret",
        "src/../../secret",
        "link/secret",
        "one.txt",
        "one.txt,",
        "one.txt#L1-2",
        "one.txt).",
        ".state/token",
        '"/etc/passwd"',
        '"link/secret"',
        '"\n/../../secret"',
        '"one.txt',
        "a\x1c/../../secret",
        '""/../../secret',
        '" /etc/passwd"',
        '"one.txt ",',
        '" ../secret"',
        "src/..",
        "..",
        "one.txt\u00e9",
        "lin\u212a/secret",
        "o\u0308l",
        ".\u200b./secret",
        "@/etc/passwd",
        "a" * 5_000,
        "-" * 100,
    ],
)
def test_a_name_that_leads_elsewhere_is_only_a_name(cut: Cut, name: str) -> None:
    """Attack 44: by its letters, by a link, or into the gateway's own directory, and wherever the client takes it to end."""
    assert cut(f"read (@{name} now") == f"read ({name.replace('@', '')} now"


def test_a_quoted_name_that_a_reference_lengthens_is_only_a_name(cut: Cut) -> None:
    """Attack 44: to the client the quotes in `@[title](claude-ref:...)` are none."""
    assert cut('see @"a @[t](claude-ref:Q "b") /../../secret"') == 'see "a @[t](claude-ref:Q "b") /../../secret"'


def test_names_without_number_are_looked_at_for_a_moment_only(cut: Cut) -> None:
    """Each is looked at wherever it may begin and end: what is too much to look at in one prompt is left to nobody."""
    text = ("@x" * 60 + " ") * 33
    found = cut(text)
    assert found.startswith("@x" * 60)
    assert found.endswith("x" * 60 + " ")
    assert "@" not in found[-60:]


def test_the_projects_own_name_is_no_way_out(cut: Cut, tmp_path: Path) -> None:
    """An absolute name stays within it, and a name that only begins alike does not."""
    inside, beside = f"@{tmp_path}/project/src/a.py", f"@{tmp_path}/projects/a.py"
    assert cut(f"{inside} {beside}") == f"{inside} {beside[1:]}"


@pytest.mark.parametrize("name", ["@.@./link/secret", "x:@/etc/passwd", '@"a @/etc b"', "@a@" * 100, "@" * 1_000])
def test_a_name_within_a_name_is_looked_at_too(cut: Cut, name: str) -> None:
    """Attack 44: nothing that is left of several `@` is a name that leads elsewhere."""
    assert cut(name) == name.replace("@", "")
