"""What turns left behind, and what became of their commits."""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Select, delete, select, text, update
from sqlalchemy.dialects.sqlite import insert

from gateway.core.outcome import due_ms
from gateway.domain.outcome import (
    Change,
    Commit,
    Fate,
    Left,
    LeftKind,
    Looked,
    Merged,
    Seen,
    SeenTests,
    Sight,
    Whose,
)
from gateway.store import rows, stored
from gateway.store.schema import DUE, outcome_commits, outcomes, turns

_FATE = ("seen_at_ms", "gone", "branch", "merged", "reverted_by", "after_7", "after_30")
_FIGURES = ("files", "added", "removed")
_NAMES = ("repository", "place", "head", "branch")


def keep(connection: Connection, left: Left) -> None:
    """Write what a turn left, in place of what was written of it before; what became of its commits stays."""
    row = {
        "turn_id": left.turn_id,
        "kind": left.kind,
        "sight": left.sight,
        "before": _seen_json(left.before),
        "after": _seen_json(left.after),
        "counted": int(left.commits is not None),
        "tests": rows.dump([left.tests.runs, left.tests.last, left.tests.passed]),
    }
    statement = insert(outcomes).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=["turn_id"], set_=row))
    commits = left.commits or ()
    mine = outcome_commits.c.turn_id == left.turn_id
    connection.execute(delete(outcome_commits).where(mine, outcome_commits.c.sha.not_in([one.sha for one in commits])))
    for one in commits:
        _keep_commit(connection, left.turn_id, one)


def _keep_commit(connection: Connection, turn_id: str, one: Commit) -> None:
    row: dict[str, Any] = {
        "turn_id": turn_id,
        "sha": one.sha,
        "repository": one.repository,
        "whose": one.whose,
        **{name: getattr(one.change, name) for name in _FIGURES},
        "authored_ms": one.authored_ms,
        "committed_ms": one.committed_ms,
    }
    first = {"due_ms": due_ms(one.committed_ms, one.committed_ms) if one.whose is Whose.TURN else None}
    statement = insert(outcome_commits).values(row | first | _fate_row(one.fate))
    connection.execute(statement.on_conflict_do_update(index_elements=["turn_id", "sha"], set_=row))


def note(connection: Connection, looked: Looked) -> None:
    """Write what a look at a commit showed, and when it is looked at again."""
    here = (outcome_commits.c.turn_id == looked.turn_id) & (outcome_commits.c.sha == looked.sha)
    connection.execute(update(outcome_commits).where(here).values({"due_ms": looked.due_ms} | _fate_row(looked.fate)))


def find(connection: Connection, turn_id: str) -> Left | None:
    """See `View.left`."""
    here = outcomes.c.turn_id == turn_id
    return next(iter(_found(connection, select(outcomes).where(here), turn_id)), None)


def due(connection: Connection, now_ms: int, limit: int) -> tuple[Commit, ...]:
    """See `View.commits_due`."""
    query = select(outcome_commits).where(outcome_commits.c.due_ms <= now_ms, text(DUE))
    query = query.order_by(outcome_commits.c.due_ms, outcome_commits.c.turn_id, outcome_commits.c.sha).limit(limit)
    return tuple(_commit_of(row) for row in connection.execute(query).mappings())


def between(connection: Connection, since_ms: int, until_ms: int) -> tuple[Left, ...]:
    """What the turns left that were asked for in this time, oldest first."""
    query = select(outcomes).join(turns, turns.c.id == outcomes.c.turn_id)
    query = query.where(turns.c.created_at_ms >= since_ms, turns.c.created_at_ms < until_ms)
    asked = select(outcome_commits).join(turns, turns.c.id == outcome_commits.c.turn_id)
    asked = asked.where(turns.c.created_at_ms >= since_ms, turns.c.created_at_ms < until_ms)
    return _left(connection, query.order_by(turns.c.created_at_ms, text("turns.rowid")), asked)


def _found(connection: Connection, query: Select[Any], turn_id: str) -> tuple[Left, ...]:
    return _left(connection, query, select(outcome_commits).where(outcome_commits.c.turn_id == turn_id))


def _left(connection: Connection, query: Select[Any], asked: Select[Any]) -> tuple[Left, ...]:
    commits: defaultdict[str, list[Commit]] = defaultdict(list)
    for row in connection.execute(asked.order_by(outcome_commits.c.committed_ms, outcome_commits.c.sha)).mappings():
        commits[row["turn_id"]].append(_commit_of(row))
    found = connection.execute(query).mappings().all()
    return tuple(_left_of(row, commits[row["turn_id"]]) for row in found)


def _left_of(row: rows.Row, commits: Iterable[Commit]) -> Left:
    with stored.reading(f"outcome of turn {row['turn_id']}"):
        runs, last, passed, *_ = stored.members(json.loads(row["tests"]), "tests", 3)
        return Left(
            row["turn_id"],
            LeftKind(row["kind"]),
            Sight(row["sight"]),
            _seen_of(row["before"]),
            _seen_of(row["after"]),
            tuple(commits) if row["counted"] else None,
            SeenTests(stored.typed(runs, int, "runs"), stored.typed(last, str, "last"), _yes_or_no(passed)),
        )


def _yes_or_no(value: Any) -> bool | None:
    return None if value is None else stored.typed(value, bool, "passed")


def _commit_of(row: rows.Row) -> Commit:
    with stored.reading(f"commit {row['sha']} of turn {row['turn_id']}"):
        fate = None
        if row["seen_at_ms"] is not None:
            merged = Merged(row["merged"]) if row["merged"] else None
            fate = Fate(**{name: row[name] for name in _FATE} | {"gone": bool(row["gone"]), "merged": merged})
        return Commit(
            row["turn_id"],
            row["sha"],
            row["repository"],
            Whose(row["whose"]),
            Change(*(row[name] for name in _FIGURES)),
            row["authored_ms"],
            row["committed_ms"],
            fate,
        )


def _fate_row(fate: Fate | None) -> dict[str, Any]:
    if fate is None:
        return {}
    row = {name: getattr(fate, name) for name in _FATE}
    return row | {"gone": int(fate.gone), "merged": fate.merged or ""}


def _seen_json(seen: Seen | None) -> str | None:
    if seen is None:
        return None
    facts: dict[str, Any] = {name: getattr(seen, name) for name in (*_NAMES, "digest", "at_ms")}
    change = None if seen.change is None else [getattr(seen.change, name) for name in _FIGURES]
    return rows.dump(facts | {"change": change})


def _seen_of(said: str | None) -> Seen | None:
    if said is None:
        return None
    facts = json.loads(said)
    change = stored.optional(facts, "change", list)
    figures = [] if change is None else stored.members(change, "change", len(_FIGURES))[: len(_FIGURES)]
    repository, place, head, branch = (stored.field(facts, name, str) for name in _NAMES)
    uncommitted = None if change is None else Change(*(stored.typed(one, int, "change") for one in figures))
    digest, at_ms = stored.field(facts, "digest", str), stored.field(facts, "at_ms", int)
    return Seen(repository, place, head, branch, uncommitted, digest, at_ms)
