"""What /new asks for."""

import pytest

from gateway.core import new
from gateway.core.new import Unclear, Wish
from gateway.view import thread_words

AGENTS = ("claude", "scripted")


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("", [Wish()]),
        ("@fix", [Wish(branch="fix")]),
        ("api", [Wish("api")]),
        ("api @feature/login", [Wish("api", branch="feature/login")]),
        ("api opus", [Wish("api opus"), Wish("api", None, "opus")]),
        ("claude", [Wish("claude"), Wish("", "claude")]),
        ("claude opus", [Wish("claude opus"), Wish("claude", None, "opus"), Wish("", "claude", "opus")]),
        (
            "api scripted opus",
            [Wish("api scripted opus"), Wish("api scripted", None, "opus"), Wish("api", "scripted", "opus")],
        ),
        ("my own api", [Wish("my own api"), Wish("my own", None, "api")]),
        ("a --x", [Wish("a --x")]),
        ("api claude scripted", [Wish("api claude scripted"), Wish("api claude", "scripted")]),
    ],
)
def test_words_are_read_in_every_way_that_they_can_mean(argument: str, expected: list[Wish]) -> None:
    """The longest place first: only who knows the directories can tell."""
    assert new.readings(argument, AGENTS) == tuple(expected)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("api @one @two", thread_words.TWO_BRANCHES),
        ("api @", thread_words.no_branch("`@`")),
        ("api @-f", thread_words.no_branch("`@-f`")),
        ("api @a..b", thread_words.no_branch("`@a..b`")),
        ("api @a.lock", thread_words.no_branch("`@a.lock`")),
        ("api @a/", thread_words.no_branch("`@a/`")),
    ],
)
def test_what_is_no_branch_is_explained(argument: str, words: str) -> None:
    """Nothing that git could take for an option, or that it refuses anyway, is passed on."""
    assert new.readings(argument, AGENTS) == Unclear(words)


def test_a_project_is_found_by_its_name_then_its_beginning_then_a_part_of_it() -> None:
    """Case does not count; where several fit equally well all are told."""
    places = ("/src/api", "/src/api-docs", "/old/api", "/src/web-api", "/src/Shop")
    assert new.matching("API", places) == ("/src/api", "/old/api")
    assert new.matching("api-", places) == ("/src/api-docs",)
    assert new.matching("sho", places) == ("/src/Shop",)
    assert new.matching("b-a", places) == ("/src/web-api",)
    assert new.matching("nothing", places) == ()


def test_buttons_tell_projects_of_one_name_apart_and_say_the_whole_command() -> None:
    """What was asked for beside the project is not lost by choosing one."""
    assert new.labels(("/src/api", "/old/api", "/src/web")) == ("api (src)", "api (old)", "web")
    assert new.again(Wish("a", "claude", "opus", "fix"), "/src/api") == "new /src/api claude opus @fix"
    assert new.again(Wish("a"), "/src/api") == "new /src/api"


def test_every_repository_and_branch_has_a_worktree_of_its_own() -> None:
    """Branches whose names differ in a slash only, and repositories of one name, never meet."""
    places = {
        new.worktree_place(project, branch)
        for project in ("/src/api", "/old/api", "/")
        for branch in ("a/b", "a-b", "main")
    }
    assert len(places) == 9
    assert all(place.count("/") == 1 for place in places)
    assert new.worktree_place("/src/api", "main").startswith("api-")


def test_a_topics_name_is_cut_between_words() -> None:
    """At most 128 characters; one long word is cut inside."""
    assert thread_words.topic_name("api", "fix", "Fix it") == "api@fix: Fix it"
    assert thread_words.topic_name("api", "", "") == "api"
    long = thread_words.topic_name("api", "", "word " * 60)
    assert len(long) <= 128
    assert long.endswith("word…")
    assert len(thread_words.topic_name("x" * 300, "", "")) == 128


def test_what_git_says_is_told_and_so_is_that_it_says_nothing() -> None:
    """A refusal always has words."""
    assert thread_words.git_failed("it is busy") == "git says: it is busy"
    assert thread_words.git_failed("") == "git refuses and gives no reason"
