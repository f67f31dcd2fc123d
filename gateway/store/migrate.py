"""Bring a database to this program's schema, or say why that cannot be done."""

from sqlalchemy import Connection, text

from gateway.ports import StoreError
from gateway.store.schema import HEAD

_VERSION = text("SELECT version_num FROM alembic_version")
_TABLES = text("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")


def revision(connection: Connection) -> str | None:
    """The database's revision; None for an empty one. Raises StoreError for somebody else's database."""
    tables = set(connection.execute(_TABLES).scalars())
    if not tables:
        return None
    found = connection.execute(_VERSION).scalar() if "alembic_version" in tables else None
    if found is None:
        raise StoreError("The file is a database, but not one of Tollbridge's: move it away, or put back a copy")
    return found


def check(connection: Connection) -> None:
    """Raise StoreError unless the database is at exactly this program's revision."""
    found = revision(connection)
    if found is None:
        raise StoreError("The database is empty: start the gateway once")
    if found == HEAD:
        return
    if _is_ours(found):
        raise StoreError(
            "The database was made by an older Tollbridge: start the gateway once, which brings it up to date"
        )
    raise _newer(found)


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, within the connection's transaction. Raises StoreError for a newer database."""
    found = revision(connection)
    if found == HEAD:
        return
    if found is not None and not _is_ours(found):
        raise _newer(found)
    from alembic import command  # noqa: PLC0415 - only a new or an old database pays for loading it

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _newer(found: str) -> StoreError:
    return StoreError(f"The database was made by a newer Tollbridge (revision {found}): update the program")


def _is_ours(found: str) -> bool:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - see upgrade

    scripts = ScriptDirectory.from_config(_config())
    return found in {script.revision for script in scripts.walk_revisions()}


def _config():  # noqa: ANN202 - its type is Alembic's, which is loaded only when needed
    from alembic.config import Config  # noqa: PLC0415 - see upgrade

    config = Config()
    config.set_main_option("script_location", "gateway.store:migrations")
    config.set_main_option("path_separator", "os")
    return config
