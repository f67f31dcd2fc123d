"""What people see of what a turn left behind: a few words in the quiet line under it, and only of what is known."""

from gateway.domain.outcome import Change, Left, LeftKind


def left(what: Left) -> str:
    """What a turn left, to stand in a line: `2 commits, +120 -14, tests passed`. Empty: nothing, or it is not known."""
    words: list[str] = []
    if what.own:
        words += [_commits(len(what.own)), _lines(what.committed)]
    elif what.kind is LeftKind.DIFF:
        words += _uncommitted(what)
    if what.tests.passed is not None:
        words.append("tests passed" if what.tests.passed else "tests failed")
    return ", ".join(word for word in words if word)


def _uncommitted(what: Left) -> list[str]:
    clean = what.before is not None and what.before.change == Change()
    if not clean or what.after is None or what.after.change is None:
        return ["changed, not committed"]  # it has changed what somebody had changed: nobody knows how much of it
    return [_lines(what.after.change), "not committed"]


def _commits(number: int) -> str:
    return "1 commit" if number == 1 else f"{number} commits"


def _lines(change: Change) -> str:
    return f"+{change.added} -{change.removed}" if change.added or change.removed else ""
