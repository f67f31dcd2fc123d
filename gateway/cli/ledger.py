"""What sessions and report read: the home's database as it is now, whether a gateway runs or not."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway import config
from gateway.domain.place import Session
from gateway.domain.turn import Turn
from gateway.ports import StoreError


@dataclass(frozen=True, slots=True)
class Account:
    """Every session, oldest first, and their turns, oldest first."""

    sessions: tuple[Session, ...]
    turns: tuple[Turn, ...]


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
    """The account of this home, or of its sessions whose id begins so; empty where no gateway was ever started.

    Raises StoreError, SettingsError.
    """
    home = config.home_directory()
    from gateway.store import open_readonly
    from gateway.store.home import DATABASE

    if home.is_dir() and not (home / DATABASE).exists():
        return Account((), ())
    with naming(home), open_readonly(home) as reader:
        sessions = tuple(one for one in reader.sessions() if one.id.startswith(session))
        found = reader.report_rows(session_ids=[one.id for one in sessions] if session else ()) if sessions else ()
        return Account(sessions, tuple(turn for _, turn in found))
