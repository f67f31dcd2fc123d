"""The scopes that a turn counts against. All of them are booked, limited or not: a limit set later counts what was spent."""

from datetime import date

from gateway.domain.budget import Scope, ScopeKind
from gateway.domain.place import Session, Thread


def of_person(person: str, thread: Thread, today: date) -> tuple[Scope, ...]:
    """What counts whatever the session is. `today`: the date where the owner is."""
    year, week, _ = today.isocalendar()
    return (
        Scope(ScopeKind.DAY, today.isoformat()),
        Scope(ScopeKind.WEEK, f"{year}-W{week:02d}"),
        Scope(ScopeKind.MONTH, f"{today:%Y-%m}"),
        Scope(ScopeKind.PERSON, person),
        Scope(ScopeKind.CHAT, f"{thread.service}:{thread.chat}"),
    )


def of_turn(session: Session, person: str, today: date) -> tuple[Scope, ...]:
    """What a turn of this person in this session counts against, if it is allowed today."""
    return (
        Scope(ScopeKind.SESSION, session.id),
        Scope(ScopeKind.PROJECT, session.project or session.directory),
        *of_person(person, session.thread, today),
    )
