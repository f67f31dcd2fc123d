"""The gateway's own state in SQLite: `open_store` for the gateway, `open_readonly` for commands beside it.

What is named here is loaded when somebody asks for it: a report does without SQLAlchemy, which takes longer than the report.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.store.ledger import Flaw
    from gateway.store.reading import Queues, Reader, open_readonly
    from gateway.store.store import SqliteStore, open_store

__all__ = ["Flaw", "Queues", "Reader", "SqliteStore", "open_readonly", "open_store"]

_WHERE = {
    "Flaw": "ledger",
    "Queues": "reading",
    "Reader": "reading",
    "open_readonly": "reading",
    "SqliteStore": "store",
    "open_store": "store",
}


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
