"""Statements that every turn runs, put into SQL once and given to the driver: SQLAlchemy takes several times as long to run one as
SQLite does.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, TextClause
from sqlalchemy.dialects.sqlite import dialect
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlalchemy.sql import ClauseElement

from gateway.store.schema import storable

_DIALECT = dialect(paramstyle="named")


class Prepared:
    """A statement over the connection's own transaction, by the names of its parameters. Rows come as they are stored: integers and text.

    Its methods raise SQLAlchemy's DatabaseError.
    """

    def __init__(self, statement: ClauseElement | TextClause) -> None:
        self._statement = statement
        self._made: dict[tuple[str, ...], tuple[str, Mapping[str, Any]]] = {}
        """By the names that are given: an INSERT or UPDATE is of those columns."""

    def change(self, connection: Connection, asked: Mapping[str, Any]) -> int:
        """How many rows were written."""
        return self._run(connection, asked).rowcount

    def values(self, connection: Connection, asked: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """The names of the columns, and every row's values in their order."""
        cursor = self._run(connection, asked)
        return tuple(column[0] for column in cursor.description), cursor.fetchall()

    def all(self, connection: Connection, asked: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
        """Every row, by the names of its columns."""
        names, found = self.values(connection, asked)
        return [dict(zip(names, row, strict=True)) for row in found]

    def one(self, connection: Connection, asked: Mapping[str, Any]) -> dict[str, Any] | None:
        """The first row; None: there is none."""
        return next(iter(self.all(connection, asked)), None)

    def scalar(self, connection: Connection, asked: Mapping[str, Any]) -> Any:
        """The first column of the first row; None: there is none."""
        row = self._run(connection, asked).fetchone()
        return None if row is None else row[0]

    def _run(self, connection: Connection, asked: Mapping[str, Any]) -> sqlite3.Cursor:
        sql, fixed = self._made.get(tuple(asked)) or self._make(tuple(asked))
        given = {name: storable(value) if isinstance(value, str) else value for name, value in asked.items()}
        return run(connection, sql, {**fixed, **given} if fixed else given)

    def _make(self, names: tuple[str, ...]) -> tuple[str, Mapping[str, Any]]:
        compiled = self._statement.compile(dialect=_DIALECT, column_keys=list(names))
        fixed = {name: value for name, value in (compiled.params or {}).items() if name not in names}
        self._made[names] = str(compiled), fixed
        return self._made[names]


def run(connection: Connection, sql: str, given: Mapping[str, Any] | Sequence[Any] = ()) -> sqlite3.Cursor:
    """Have the driver run a statement on the connection. Raises SQLAlchemy's DatabaseError."""
    driver: Any = connection.connection.driver_connection
    try:
        return driver.execute(sql, given)
    except sqlite3.IntegrityError as error:
        raise IntegrityError(sql, None, error) from error
    except sqlite3.DatabaseError as error:
        raise DatabaseError(sql, None, error) from error
