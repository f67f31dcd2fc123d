"""Commits are counted to a turn only where nobody else can have made them, and what is not known is not called nothing."""

from dataclasses import replace

import pytest

from gateway.core.outcome import DAY_MS, Made, Span, counted, due_ms, kind, looked, made_here, overlaps, with_run
from gateway.domain.outcome import Change, Commit, Fate, Left, LeftKind, Looked, Seen, SeenTests, Sight, Whose
from gateway.domain.turn import OutcomeKind

SPAN = Span(10_500, 20_400)
NEW = Made("a", 12_000, 12_000)
SEEN = Seen("/r/.git", "/r/.git", "h1", "main", Change(), "d1", 10_500)
LEFT = Left("t_1", LeftKind.UNKNOWN, Sight.SEEN, SEEN, SEEN, ())
OWN = Commit("t_1", "a", "/r/.git", Whose.TURN, Change(2, 10, 3), 12_000, 12_000)


def whose(one: Made, span: Span = SPAN, here: frozenset[str] | None = frozenset("a")) -> Whose | None:
    """Whose the one commit is; None: it is not counted at all."""
    return next((found for _, found in counted([one], span, here)), None)


def test_what_was_made_in_the_worktree_while_the_turn_worked_there_alone_is_the_turns() -> None:
    """Also where git keeps no log of it, and nobody else has it; a turn in another worktree is no matter to one that has a log."""
    assert whose(NEW) is Whose.TURN
    assert whose(NEW, here=None) is Whose.TURN
    assert whose(NEW, replace(SPAN, beside=True)) is Whose.TURN
    assert whose(replace(NEW, remote=True)) is Whose.TURN  # it was pushed


def test_what_somebody_else_may_have_made_is_nobodys() -> None:
    """Another session in the worktree, no log and another session in the repository, no log and a fetched branch that has it, another
    worktree.
    """
    assert whose(NEW, replace(SPAN, beside_place=True, beside=True)) is Whose.SHARED
    assert whose(NEW, replace(SPAN, beside=True), None) is Whose.SHARED
    assert whose(replace(NEW, remote=True), here=None) is Whose.SHARED
    assert whose(NEW, here=frozenset()) is Whose.SHARED


def test_what_was_fetched_or_made_at_another_time_is_not_counted() -> None:
    """Neither is a commit whose time says that it is older, whatever brought it here."""
    assert whose(replace(NEW, remote=True), here=frozenset()) is None
    assert whose(replace(NEW, committed_ms=9_000)) is None
    assert whose(replace(NEW, committed_ms=21_000)) is None
    assert whose(replace(NEW, committed_ms=10_000, authored_ms=10_000)) is Whose.TURN  # git counts whole seconds


def test_what_was_there_before_and_was_made_anew_is_told_apart() -> None:
    """An amended, rebased or picked commit keeps the time at which it was first made."""
    assert whose(replace(NEW, authored_ms=9_000)) is Whose.REWRITTEN


def test_gits_log_tells_what_was_made_from_what_was_gone_to() -> None:
    """By what each line says was done; lines in another form say nothing."""
    actions = {
        "1": "commit: one",
        "2": "commit (initial): two",
        "3": "commit (amend): three",
        "4": "rebase -i (pick): four",
        "5": "rebase (squash): five",
        "6": "cherry-pick: six",
        "7": "revert: Revert x",
        "8": "merge topic: Merge made by the 'ort' strategy.",
        "9": "pull: Merge made by the 'ort' strategy.",
        "a": "pull: Fast-forward",
        "b": "merge topic: Fast-forward",
        "c": "checkout: moving from main to topic",
        "d": "reset: moving to HEAD~1",
        "e": "rebase (start): checkout origin/main",
        "f": "rebase (finish): returning to refs/heads/main",
    }
    log = "".join(f"{'0' * 40} {sha * 40} A B <a@b> 1700000000 +0000\t{action}\n" for sha, action in actions.items())
    assert {sha[0] for sha in made_here(log + "commit: x\n\nnothing\tcommit: y\n")} == set("123456789")


def test_a_turn_that_left_commits_is_called_so_however_it_ended() -> None:
    """They are there; the sum of what they change is the turn's."""
    left = replace(LEFT, commits=(OWN, replace(OWN, sha="b"), replace(OWN, sha="c", whose=Whose.SHARED)))
    assert {kind(ended, Sight.SEEN, left) for ended in OutcomeKind} == {LeftKind.COMMITS}
    assert left.committed == Change(4, 20, 6)


@pytest.mark.parametrize("ended", [OutcomeKind.ERROR, OutcomeKind.CANCELLED])
def test_one_that_failed_or_was_cancelled_is_called_so_unless_it_left_commits(ended: OutcomeKind) -> None:
    """Whatever lies there uncommitted may be half done, and whatever git says."""
    dirty = replace(LEFT, after=replace(SEEN, digest="d2"))
    assert {kind(ended, sight, left) for sight in Sight for left in (LEFT, dirty)} == {LeftKind(ended.value)}


def test_what_git_did_not_tell_is_unknown_and_not_nothing() -> None:
    """No answer of git's, too many commits, uncommitted files that could not be counted, another HEAD with uncommitted files."""
    unseen = replace(LEFT, sight=Sight.UNKNOWN, before=None, after=None, commits=None)
    many = replace(LEFT, commits=None)
    uncounted = replace(LEFT, after=replace(SEEN, change=None))
    moved = replace(LEFT, after=replace(SEEN, head="h2", change=Change(1, 1, 0)))
    assert {kind(OutcomeKind.ANSWER, one.sight, one) for one in (unseen, many, uncounted, moved)} == {LeftKind.UNKNOWN}


def test_what_is_left_is_named_by_what_weighs_most() -> None:
    """Commits made anew, then what is not committed, then tests, then an answer, then nothing."""
    left = replace(
        LEFT, tests=SeenTests(1, "pytest", passed=True), after=replace(SEEN, digest="d2", change=Change(1, 1, 0))
    )
    again = replace(left, commits=(replace(OWN, whose=Whose.REWRITTEN),))
    assert kind(OutcomeKind.ANSWER, Sight.SEEN, again) is LeftKind.REWRITTEN
    assert kind(OutcomeKind.ANSWER, Sight.SEEN, left) is LeftKind.DIFF
    tested = replace(left, after=SEEN)
    assert kind(OutcomeKind.NOTHING, Sight.SEEN, tested) is LeftKind.TESTS
    assert kind(OutcomeKind.ANSWER, Sight.SEEN, LEFT) is LeftKind.ANSWER
    assert kind(OutcomeKind.NOTHING, Sight.SEEN, LEFT) is LeftKind.NOTHING
    elsewhere = replace(LEFT, after=replace(SEEN, head="h2"))
    assert kind(OutcomeKind.ANSWER, Sight.SEEN, elsewhere) is LeftKind.ANSWER
    nowhere = replace(LEFT, sight=Sight.NO_REPOSITORY, before=None, after=None)
    assert kind(OutcomeKind.ANSWER, Sight.NO_REPOSITORY, nowhere) is LeftKind.ANSWER


def test_the_last_tests_count_and_all_runs_are_counted() -> None:
    """An agent runs them again after it has mended something."""
    assert with_run(with_run(SeenTests(), "pytest", False), "tox", True) == SeenTests(2, "tox", passed=True)


def test_a_commit_is_looked_at_after_one_seven_and_thirty_days() -> None:
    """And after a long silence at the next of these that is not over."""
    assert [due_ms(0, at) for at in (0, DAY_MS, 8 * DAY_MS, 30 * DAY_MS)] == [DAY_MS, 7 * DAY_MS, 30 * DAY_MS, None]


def test_a_commit_that_could_not_be_looked_at_is_tried_again_for_a_while() -> None:
    """A repository may be on a disk that is not there; after two months it is given up."""
    fate = Fate(DAY_MS)
    assert looked(OWN, fate, 2 * DAY_MS) == Looked("t_1", "a", fate, 12_000 + 7 * DAY_MS)
    assert looked(OWN, None, 2 * DAY_MS) == Looked("t_1", "a", None, 3 * DAY_MS)
    assert looked(OWN, None, 61 * DAY_MS) == Looked("t_1", "a", None, None)


def test_worktrees_of_one_repository_are_told_from_one_worktree() -> None:
    """They share what is committed, and have a HEAD each."""
    assert overlaps([("/r/.git", "/r/.git/worktrees/x")], SEEN) == (False, True)
    assert overlaps([("/r/.git", "/r/.git")], SEEN) == (True, True)
    assert overlaps([("/q/.git", "/q/.git")], SEEN) == (False, False)
