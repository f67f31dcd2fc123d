"""Bring a bank's database to this program's schema, or say why that cannot be done."""

from sqlalchemy import Connection, inspect, text

from gateway.bank.schema import HEAD, PREFIX, VERSION_TABLE
from gateway.ports import BankError

_VERSION = text("SELECT version_num FROM tollbridge_bank_version")
LOCK = 7_265_001_117
"""Names the advisory lock under which one gateway at a time changes the schema; any number that no other program uses."""


def revision(connection: Connection) -> str | None:
    """The bank's revision; None where there is no bank yet. Raises BankError for tables that are not a bank's."""
    inspector = inspect(connection)
    if inspector.has_table(VERSION_TABLE):
        found = connection.execute(_VERSION).scalar()
        if found is not None:
            return found
    tables = inspector.get_table_names()
    strangers = tables if connection.dialect.name == "sqlite" else [name for name in tables if name.startswith(PREFIX)]
    if strangers:
        raise BankError(
            "The database holds tables that are not a bank of Tollbridge's: give the bank a database, or a file, of its own"
        )
    return None


def check(connection: Connection) -> None:
    """Raise BankError unless the bank is at exactly this program's revision."""
    found = revision(connection)
    if found == HEAD:
        return
    if found is None:
        raise BankError("There is no bank in this database yet: run tollbridge bank migrate")
    if not _is_ours(found):
        raise _newer(found)
    raise BankError(f"The bank was made by an older Tollbridge (revision {found}): run tollbridge bank migrate")


def upgrade(connection: Connection) -> str:
    """Run what is missing in the connection's transaction, one program at a time; the revision that was found ("": none).

    Raises BankError for a newer bank, which is left as it is.
    """
    found = revision(connection)
    if found == HEAD:
        return found
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        found = revision(connection)
    if found is not None and not _is_ours(found):
        raise _newer(found)
    from alembic import command  # noqa: PLC0415 - only a new or an old database pays for loading it

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return found or ""


def _newer(found: str) -> BankError:
    return BankError(f"The bank was made by a newer Tollbridge (revision {found}): update this program")


def _is_ours(found: str) -> bool:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - see upgrade

    scripts = ScriptDirectory.from_config(_config())
    return found in {script.revision for script in scripts.walk_revisions()}


def _config():  # noqa: ANN202 - its type is Alembic's, which is loaded only when needed
    from alembic.config import Config  # noqa: PLC0415 - see upgrade

    config = Config()
    config.set_main_option("script_location", "gateway.bank:migrations")
    config.set_main_option("path_separator", "os")
    return config
