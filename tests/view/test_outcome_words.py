"""The quiet line tells what a turn left, and is silent of what is not known."""

from dataclasses import replace

from gateway.domain.outcome import Change, Commit, Left, LeftKind, Seen, SeenTests, Sight, Whose
from gateway.view import turn_words
from gateway.view.outcome_words import left

SEEN = Seen("/r", "/r", "a", "main", Change(), "", 0)
LEFT = Left("t", LeftKind.ANSWER, Sight.SEEN, SEEN, SEEN, ())
OWN = Commit("t", "a", "/r", Whose.TURN, Change(2, 60, 7), 0, 0)


def test_commits_are_told_with_their_lines_and_the_last_tests() -> None:
    """Those that are counted to the turn; a commit without lines (a merge) is told without."""
    two = replace(LEFT, kind=LeftKind.COMMITS, commits=(OWN, OWN, replace(OWN, whose=Whose.SHARED)))
    assert left(replace(two, tests=SeenTests(1, "pytest", passed=True))) == "2 commits, +120 -14, tests passed"
    assert left(replace(two, commits=(replace(OWN, change=Change()),))) == "1 commit"


def test_what_is_not_committed_is_told_with_lines_where_nothing_was_before() -> None:
    """Else nobody knows how many of them are the turn's."""
    changed = replace(LEFT, kind=LeftKind.DIFF, after=replace(SEEN, change=Change(1, 3, 0)))
    assert left(changed) == "+3 -0, not committed"
    assert left(replace(changed, before=replace(SEEN, change=Change(1, 1, 1)))) == "changed, not committed"
    assert left(replace(changed, after=None)) == "changed, not committed"


def test_nothing_and_what_is_not_known_are_no_words() -> None:
    """Neither is a run of tests of which nobody knows how it ended."""
    assert left(LEFT) == left(replace(LEFT, tests=SeenTests(1, "pytest"), kind=LeftKind.TESTS)) == ""
    assert left(replace(LEFT, tests=SeenTests(1, "pytest", passed=False), kind=LeftKind.TESTS)) == "tests failed"


def test_the_quiet_line_goes_on_with_what_was_left_if_that_is_known() -> None:
    """One line as before, and not longer where there is nothing to tell."""
    assert turn_words.with_left("$0.42", "2 commits, +120 -14") == "$0.42 · 2 commits, +120 -14"
    assert turn_words.with_left("$0.42", "") == "$0.42"
