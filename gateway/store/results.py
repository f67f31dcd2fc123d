"""Turns of a time with what they left, one after the other, out of the database as it is now. By the driver, as in `spending`."""

import json
import sqlite3
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from gateway.domain.outcome import Change, Commit, Fate, LeftKind, Merged, SeenTests, Sight, Whose
from gateway.domain.results import Turned
from gateway.domain.turn import OutcomeKind

DUE: Final = "SELECT count(*) FROM outcome_commits WHERE due_ms IS NOT NULL AND due_ms <= ?"
RAN: Final = "(t.calls > 0 OR t.spent <> 0 OR t.unpriced_calls > 0)"
"""The turns that made calls."""
IN_ORDER: Final = "ORDER BY t.created_at_ms, t.rowid"
"""As the index has them: nothing is sorted."""
_COMMITS: Final = f"""
SELECT c.turn_id, c.sha, c.repository, c.whose, c.files, c.added, c.removed, c.authored_ms, c.committed_ms,
  c.seen_at_ms, c.gone, c.branch, c.merged, c.reverted_by, c.after_7, c.after_30
FROM turns AS t INDEXED BY turns_created JOIN outcome_commits AS c ON c.turn_id = t.id
WHERE t.created_at_ms >= ? AND t.created_at_ms < ? AND {RAN} {IN_ORDER}"""  # noqa: S608 - made of the names above


def turned(connection: sqlite3.Connection, query: str, since_ms: int, until_ms: int) -> Iterator[Turned]:
    """The turns of `query`, which has them `IN_ORDER`, that were asked for in this time. Their commits are read beside them."""
    commits = groupby(connection.execute(_COMMITS, (since_ms, until_ms)), key=itemgetter(0))
    owner, made = next(commits, _NONE)
    for row in connection.execute(query, (since_ms, until_ms)):
        name, session, project, agent, model, at_ms, cost, calls, unpriced, bound, over, ended, left, sight, tests = row
        mine: tuple[Commit, ...] = ()
        if owner == name:
            mine = tuple(map(_commit, made))
            owner, made = next(commits, _NONE)
        yield Turned(
            *(session, project, agent, model, at_ms, cost, calls, unpriced, bool(bound), bool(over)),
            None if ended is None else OutcomeKind(ended),
            None if left is None else LeftKind(left),
            None if sight is None else Sight(sight),
            _tests(tests or _NO_TESTS),
            mine,
        )


_NONE: Final[tuple[str, Iterator[Any]]] = ("", iter(()))
_NO_TESTS: Final = '[0,"",null]'


@cache
def _tests(said: str) -> SeenTests:
    """Most turns say the same."""
    runs, last, passed, *_ = json.loads(said)
    return SeenTests(runs, last, passed)


def _commit(row: tuple[Any, ...]) -> Commit:
    turn, sha, repository, whose, files, added, removed, authored_ms, committed_ms, *seen = row
    seen_at_ms, gone, branch, merged, reverted_by, after_7, after_30 = seen
    fate = None
    if seen_at_ms is not None:
        how = Merged(merged) if merged else None
        fate = Fate(seen_at_ms, bool(gone), branch, how, reverted_by, after_7, after_30)
    change = Change(files, added, removed)
    return Commit(turn, sha, repository, Whose(whose), change, authored_ms, committed_ms, fate)
