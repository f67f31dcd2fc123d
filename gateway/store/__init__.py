"""The gateway's own state in SQLite: `open_store` for the gateway, `open_readonly` for commands beside it."""

from gateway.store.ledger import Flaw
from gateway.store.reading import Queues, Reader, open_readonly
from gateway.store.store import SqliteStore, open_store

__all__ = ["Flaw", "Queues", "Reader", "SqliteStore", "open_readonly", "open_store"]
