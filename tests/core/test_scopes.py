"""What a turn counts against, by the owner's calendar."""

from datetime import date

import pytest

from gateway.core import scopes
from gateway.domain.budget import BOOKED, Scope, ScopeKind
from gateway.domain.place import Thread
from tests.core.make import session

THREAD = Thread("telegram", "4711", "9")


def test_a_turn_counts_against_every_kind_of_scope_once() -> None:
    """Session, project, person, chat, day, week and month: a limit on any of them is met."""
    found = scopes.of_turn(session(), "7", date(2026, 1, 31))
    assert sorted(scope.kind for scope in found) == sorted(BOOKED)


def test_the_project_is_the_repository_or_else_the_directory() -> None:
    """Two sessions in one repository share its budget, wherever in it they work."""
    inside, outside = session(directory="/src/app/web", project="/src/app"), session(directory="/src/notes")
    found = [scopes.of_turn(one, "7", date(2026, 1, 31))[1].key for one in (inside, outside)]
    assert found == ["/src/app", "/src/notes"]


def test_the_chat_is_one_whatever_its_topic() -> None:
    """Topics of one group are one chat."""
    found = scopes.of_person("7", THREAD, date(2026, 1, 31))
    assert Scope(ScopeKind.CHAT, "telegram:4711") in found


@pytest.mark.parametrize(
    ("day", "week", "month"),
    [
        (date(2026, 1, 31), "2026-W05", "2026-01"),
        (date(2027, 1, 1), "2026-W53", "2027-01"),
        (date(2024, 12, 30), "2025-W01", "2024-12"),
    ],
)
def test_weeks_are_those_of_the_calendar_also_at_new_year(day: date, week: str, month: str) -> None:
    """The first days of a year can be in the last week of the one before."""
    keys = {scope.kind: scope.key for scope in scopes.of_person("7", THREAD, day)}
    assert (keys[ScopeKind.DAY], keys[ScopeKind.WEEK], keys[ScopeKind.MONTH]) == (day.isoformat(), week, month)
