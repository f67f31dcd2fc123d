"""The bank in PostgreSQL: how it is reached, with a limit on every wait, what its errors mean, and the hints it gives."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import anyio
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from gateway.domain.lease import TeamScope
from gateway.ports import BankAwayError, BankError

CHANNEL = "tollbridge_bank"
CONNECT_S = 5
CONNECTIONS = 2
"""A gateway asks its bank for little, and rarely two things at once."""
LONGEST_PAUSE_S = 60.0
_LIMITS = "SET lock_timeout = 5000; SET statement_timeout = 10000; SET idle_in_transaction_session_timeout = 15000"
_LINE: dict[str, Any] = {
    "connect_timeout": CONNECT_S,
    "application_name": "tollbridge",
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
_MEANINGS = {
    "25006": "The bank's database is read-only, and nothing was written; give bank.url the primary, not a replica",
    "42501": "The bank's user may not do this, and nothing was changed; grant it the rights, or run tollbridge bank migrate as the owner",
    "42P01": "The bank's tables are not where they were; check the database and the search_path in bank.url",
    "53100": "The disk of the bank's database is full, and nothing was written; make room and try again",
    "22P05": "The bank's database has to use UTF-8: make one with ENCODING 'UTF8'",
    "22021": "The bank's database has to use UTF-8: make one with ENCODING 'UTF8'",
}
_PASSING = ("55P03", "57014", "40001", "40P01", "53300", "57P01", "57P02", "57P03", "25P03")
"""Busy, stopping or starting: the same request may go well in a moment."""


def address(where: str) -> URL:
    """The address of a database. Raises BankError, which repeats no password."""
    try:
        url = make_url(where)
    except ArgumentError:
        raise BankError("bank.url is no address: write it like postgresql+psycopg://user@host/database") from None
    if url.drivername not in ("postgresql", "postgresql+psycopg", "postgres"):
        raise BankError(f"bank.url begins with {url.drivername}://, but a team's bank is postgresql+psycopg://")
    return url.set(drivername="postgresql+psycopg")


def engine(where: str) -> Engine:
    """An engine over a few connections. Raises BankError for an address that is none, or where psycopg is missing."""
    url = address(where)
    options = {name: value for name, value in _LINE.items() if name not in url.query}
    try:
        made = create_engine(
            url,
            connect_args={"prepare_threshold": None, **options},  # poolers between us lose prepared statements
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=CONNECT_S,
            isolation_level="READ COMMITTED",  # a lock's second holder sees what the first has committed
            pool_recycle=1800,
        )
    except ImportError:
        raise BankError(
            "A bank in PostgreSQL needs psycopg: install Tollbridge with pip install 'tollbridge[team]'"
        ) from None

    @event.listens_for(made, "connect")
    def _limit(connection: Any, _record: object) -> None:
        connection.autocommit = True
        connection.execute(_LIMITS)
        connection.autocommit = False

    return made


def translate(error: DBAPIError) -> BankError:
    """What PostgreSQL said, as a sentence that says what to do."""
    code = str(getattr(error.orig, "sqlstate", None) or "")
    said = " ".join(str(error.orig).split())[:300]
    if code in _PASSING:
        return BankAwayError(
            f"The bank's database is busy or restarting, and nothing was written; try again ({code}: {said})"
        )
    if code in _MEANINGS:
        return BankError(f"{_MEANINGS[code]} ({code}: {said})")
    if code.startswith("23"):
        return BankError(f"What was to be written contradicts what is in the bank, so nothing was ({code}: {said})")
    if not code or code.startswith("08"):
        return BankAwayError(f"The bank cannot be reached: check bank.url, and that the database runs ({said})")
    return BankError(f"The bank's database refused ({code}: {said})")


def hint(connection: Connection, scope: TeamScope) -> None:
    """Tell the listeners about a scope once the transaction is committed."""
    payload = json.dumps([scope.team, scope.period])
    connection.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": payload})


async def hints(where: str) -> AsyncGenerator[TeamScope]:
    """Scopes as they are hinted at, without end; a connection that broke is made again, and what was said meanwhile is lost."""
    import psycopg  # noqa: PLC0415 - only who listens needs it

    url = address(where)
    options = {name: value for name, value in _LINE.items() if name not in url.query}
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    pause = 1.0
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(plain, autocommit=True, **options)
            async with connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                pause = 1.0
                async with aclosing(connection.notifies()) as told:
                    async for notice in told:
                        scope = _scope(notice.payload)
                        if scope is not None:
                            yield scope
        except psycopg.Error:
            await anyio.sleep(pause)
            pause = min(LONGEST_PAUSE_S, pause * 2)


def _scope(payload: str) -> TeamScope | None:
    """What a hint is about; None for what anybody else says on the channel."""
    try:
        match json.loads(payload):
            case [str(team), str(period)]:
                return TeamScope(team, period)
            case _:
                return None
    except ValueError:
        return None
