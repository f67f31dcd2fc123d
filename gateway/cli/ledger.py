"""What sessions and report read: the home's database as it is now, whether a gateway runs or not."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway import config
from gateway.domain.money import Usd
from gateway.domain.place import Session, Unmetered
from gateway.domain.turn import Turn
from gateway.ports import StoreError


@dataclass(frozen=True, slots=True)
class Account:
    """Every session, oldest first, and their turns, oldest first.

    Beside them sessions that went without Tollbridge, the one that was heard of last at the end; and by session what was booked
    beyond its transcript when it ended.
    """

    sessions: tuple[Session, ...]
    turns: tuple[Turn, ...]
    unmetered: tuple[Unmetered, ...] = ()
    unlisted: Mapping[str, Usd] = field(default_factory=dict[str, Usd])


@contextmanager
def naming(home: Path) -> Iterator[None]:
    """What is wrong with the database is said with the file that it is wrong with."""
    from gateway.store.home import DATABASE

    try:
        yield
    except StoreError as error:
        if str(home) in str(error):
            raise
        raise StoreError(f"{home / DATABASE}: {error}") from None


def read(session: str = "") -> Account:
    """The account of this home, or of its sessions whose id, or the agent's own id for it, begins so; empty where no gateway was ever started.

    Raises StoreError, SettingsError.
    """
    home = config.home_directory()
    from gateway.store import open_readonly
    from gateway.store.home import DATABASE

    if home.is_dir() and not (home / DATABASE).exists():
        return Account((), ())
    with naming(home), open_readonly(home) as reader:
        sessions = tuple(
            one
            for one in reader.sessions()
            if one.id.startswith(session) or (one.agent_session or "").startswith(session)
        )
        found = reader.report_rows(session_ids=[one.id for one in sessions] if session else ()) if sessions else ()
        known = {one.agent_session for one in sessions}
        unmetered = tuple(one for one in reader.unmetered() if not session or one.session in known)
        return Account(sessions, tuple(turn for _, turn in found), unmetered, reader.unlisted())


def went_without(account: Account) -> str:
    """What is to be said of sessions that are not metered; empty: nothing. Raises SettingsError."""
    if not account.unmetered:
        return ""
    from gateway.reports import beyond

    return beyond.went_without(account.unmetered, config.load().zone, os.environ.get("HOME", ""))
