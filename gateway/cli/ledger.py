"""What sessions and report read: the home's database as it is now, whether a gateway runs or not."""

from dataclasses import dataclass

from gateway import config
from gateway.domain.place import Session
from gateway.domain.turn import Turn


@dataclass(frozen=True, slots=True)
class Account:
    """Every session, oldest first, and their turns, oldest first."""

    sessions: tuple[Session, ...]
    turns: tuple[Turn, ...]


def read() -> Account:
    """The account of this home; empty where no gateway was ever started. Raises StoreError, SettingsError."""
    home = config.home_directory()
    from gateway.store import open_readonly
    from gateway.store.home import DATABASE

    if home.is_dir() and not (home / DATABASE).exists():
        return Account((), ())
    with open_readonly(home) as reader:
        return Account(reader.sessions(), tuple(turn for _, turn in reader.report_rows()))
