"""The scopes that a turn counts against. All of them are booked, limited or not: a limit set later counts what was spent."""

from datetime import date

from gateway.domain.budget import PERIODS, Scope, ScopeKind
from gateway.domain.place import Session, Thread


def period(kind: ScopeKind, today: date) -> str:
    """The day, week or month that today is in, as scopes name it."""
    year, week, _ = today.isocalendar()
    names = {ScopeKind.DAY: today.isoformat(), ScopeKind.WEEK: f"{year}-W{week:02d}", ScopeKind.MONTH: f"{today:%Y-%m}"}
    return names[kind]


def of_person(person: str, thread: Thread, today: date) -> tuple[Scope, ...]:
    """What counts whatever the session is. `today`: the date where the owner is."""
    return (
        *(Scope(kind, period(kind, today)) for kind in PERIODS),
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
