"""A database that an older program filled, and values in it that this program would write differently."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection

from gateway.domain.approval import ApprovalKind, ApprovalState, Option
from gateway.domain.budget import Balance, Entry, EntryKind, Lift, Scope, ScopeKind, Unit
from gateway.domain.estimate import Estimate
from gateway.domain.money import Usd
from gateway.domain.place import Grant, GrantFrom, Role, Thread
from gateway.domain.turn import Outcome, OutcomeKind, TurnState
from gateway.domain.usage import NO_PARTS, Tokens, Usage
from gateway.ports import Process, StoreError, Update
from gateway.store import SqliteStore, ledger, migrate, open_readonly, open_store, sqlite
from gateway.store.home import prepare
from tests.store.kit import APPROVAL, DAY, NOW, SESSION, TURN, call, hold, put, raw, sessions, verify

pytestmark = pytest.mark.anyio

ROWS = Path(__file__).with_name("written_by_0001.sql")


@pytest.fixture
def old_home(home: Path) -> Path:
    """A home whose database was made and filled at revision 0001."""
    engine = sqlite.writer(prepare(home))
    with engine.begin() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001_spine")
    connection = engine.raw_connection().driver_connection
    assert isinstance(connection, sqlite3.Connection)
    connection.executescript(f"BEGIN; {ROWS.read_text()} COMMIT;")
    engine.dispose()
    return home


def write_as_version_2(connection: Connection, scope: Scope, who: str, limit: int) -> None:
    """An entry that sets a limit, and the balance that it makes, as a program of revision 0002 wrote them."""
    entries = connection.exec_driver_sql("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1").one_or_none()
    seq, previous = entries or (0, ledger.GENESIS)
    entry = ledger._entry_row(Entry(EntryKind.LIMIT, (scope,), who=who, limit=Usd(limit)), seq + 1, NOW, previous)
    row = {name: entry[name] for name in ledger.HASHED[2]} | {"version": 2}
    row["hash"] = ledger.entry_hash(row)
    names, marks = ", ".join(f'"{name}"' for name in row), ", ".join("?" * len(row))
    connection.exec_driver_sql(f"INSERT INTO entries ({names}) VALUES ({marks})", tuple(row.values()))  # noqa: S608
    balance = 'INSERT OR REPLACE INTO balances (kind, "key", "limit", spent, held) VALUES (?, ?, ?, 0, 0)'
    connection.exec_driver_sql(balance, (scope.kind.value, scope.key, limit))


async def test_a_limit_that_the_settings_once_wrote_is_the_settings_to_change_again(home: Path) -> None:
    """The entry stays and the ledger still holds; the balance keeps only what a person set."""
    engine = sqlite.writer(prepare(home))
    with engine.begin() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0002_versions_and_indexes")
        other = replace(DAY, key="2027-01-16")
        for scope, who in ((DAY, "settings"), (other, "settings"), (other, "7"), (other, "settings")):
            write_as_version_2(connection, scope, who, limit=9 if who == "7" else 5)
    engine.dispose()
    async with open_store(home, lambda: NOW) as store:
        found = [await store.read(lambda view, one=one: view.balance(one).limit) for one in (DAY, other)]
        assert found == [None, Usd(9)]
        assert await verify(store) == ()


async def test_a_filled_database_of_the_first_revision_reads_back_whole(old_home: Path) -> None:
    """Every record, message, update and balance is as it was written."""
    asked = {"id": "a_0", "turn_id": "t_0", "kind": ApprovalKind.PERMISSION, "tokens": ("token-c", "token-d")}
    async with open_store(old_home, lambda: NOW) as store:
        assert await sessions(store) == (replace(SESSION, mode=""),)
        view = await store.read(
            lambda view: (
                view.turn("t_1"),
                view.approval("a_1"),
                view.grants("7"),
                view.current_session(SESSION.thread),
            )
        )
        known = replace(TURN, parts=NO_PARTS, work_ms=0, lifts=(), attachments=(), message_id="")
        assert view == (known, APPROVAL, (Grant("7", Role.OWNER),), replace(SESSION, mode=""))
        done = await store.read(lambda view: view.turn("t_0"))
        assert done is not None
        assert (done.state, done.outcome, done.estimate) == (
            TurnState.FINISHED,
            Outcome(OutcomeKind.ANSWER, "done"),
            None,
        )
        (unheard,) = await store.read(lambda view: view.unheard_approvals("t_0"))
        assert {name: getattr(unheard, name) for name in asked} == asked
        assert unheard.state is ApprovalState.ANSWERED
        assert await store.processes() == (Process("s_1", 4242, "boot+17", "/srv/journal"),)
        assert await store.inbox(9) == (Update("telegram", "1", '{"text": "hello"}', 0, left=True),)
        assert [(post.ref, post.body) for post in await store.outbox("telegram", 9, NOW)] == [("b", "1"), ("d", "d")]
        assert await store.unsure() == ((Thread("telegram", "9"), "c", "timed out"),)
        assert await store.read(lambda view: (view.message_id("a"), view.frozen)) == ("m-a", False)
        assert await store.read(lambda view: view.metered("t_1")) == (
            Usage("a-model", Tokens(1, 2, 3, 4, 0, 6), web_searches=2, geo="us"),
        )


async def test_who_was_let_in_before_people_could_be_paired_is_so_by_the_settings(home: Path) -> None:
    """Revision 0008 knew the role, the chat and the largest raise; nobody knows since when, and by whose word."""
    engine = sqlite.writer(prepare(home))
    with engine.begin() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0008_unattended")
        for row in ("'7', '', 'owner', NULL", "'8', '-100', 'approver', 5"):
            connection.exec_driver_sql(f"INSERT INTO grants VALUES ({row})")  # noqa: S608 - of this test
    engine.dispose()
    async with open_store(home, lambda: NOW) as store:
        found = await store.read(lambda view: view.all_grants())
        assert found == (Grant("7", Role.OWNER), Grant("8", Role.APPROVER, "-100", Usd(5)))
        assert {(one.origin, one.since_ms, one.by, one.name) for one in found} == {(GrantFrom.SETTINGS, None, "", "")}
        paired = replace(found[1], origin=GrantFrom.PAIRED, since_ms=NOW, by="7", name="Grace")
        await put(store, grants=(found[0], paired))
        assert await store.read(lambda view: view.grants("8")) == (paired,)


async def test_the_ledger_of_the_first_revision_still_verifies_and_goes_on(old_home: Path) -> None:
    """Old entries keep their hashes and stay protected; new ones are chained to them, under the newer rule."""
    async with open_store(old_home, lambda: NOW) as store:
        assert await verify(store) == ()
        await put(store, entries=(hold(3), call("c2", 1, 1)))
        assert await verify(store) == ()
        scopes = (DAY, Scope(ScopeKind.SESSION, "s_1"))
        assert await store.read(lambda view: [view.balance(scope) for scope in scopes]) == [
            Balance(DAY, Usd(1000), Usd(7), Usd(6)),
            Balance(scopes[1], Usd(500), Usd(6), Usd(4)),
        ]
        versions = raw(store).execute("SELECT version FROM entries ORDER BY seq").fetchall()
        assert versions == [(1,)] * 6 + [(3,)] * 2
        for statement in (
            "UPDATE entries SET version = 2",
            "DELETE FROM entries WHERE seq = 8",
            "INSERT OR REPLACE INTO entries SELECT * FROM entries WHERE seq = 1",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                raw(store).execute(statement)
    with open_readonly(old_home) as reader:
        assert reader.verify() == ()
        assert [record.seq for record in reader.records()] == list(range(1, 9))


def put_json(store: SqliteStore, table: str, column: str, value: object) -> None:
    """Write JSON as another version of the program might."""
    raw(store).execute(f"UPDATE {table} SET {column} = ?", (json.dumps(value),))  # noqa: S608 - names of this file


async def test_what_an_older_program_did_not_write_has_its_default(store: SqliteStore) -> None:
    """Fields that came later are missing in what is stored."""
    await put(store, put=(SESSION, TURN, APPROVAL))
    put_json(store, "approvals", "options", [{"choice": "no", "label": "No"}])
    put_json(store, "turns", "estimate", {"floor": 1, "n": 0, "hold": 4, "words": "w"})
    put_json(store, "turns", "tokens", {"input": 7})
    put_json(store, "turns", "outcome", ["answer"])
    turn, approval = await store.read(lambda view: (view.turn("t_1"), view.approval("a_1")))
    assert turn is not None
    assert approval is not None
    assert approval.options == (Option(approval.options[0].choice, "No"),)
    assert turn.estimate == Estimate(Usd(1), None, None, 0, Usd(4), "w")
    assert (turn.tokens, turn.outcome) == (Tokens(7), Outcome(OutcomeKind.ANSWER))


async def test_what_a_newer_program_wrote_besides_is_ignored(store: SqliteStore) -> None:
    """Unknown fields do not make a record unreadable."""
    await put(store, put=(SESSION, TURN, APPROVAL), entries=(call("c1", 1, 0),))
    for table, column in (("approvals", "options"), ("turns", "estimate"), ("turns", "tokens")):
        (stored,) = raw(store).execute(f"SELECT {column} FROM {table}").fetchone()  # noqa: S608 - names of this file
        facts = json.loads(stored)
        for one in facts if isinstance(facts, list) else [facts]:
            one["from_the_future"] = {"deep": []}
        put_json(store, table, column, facts)
    put_json(store, "turns", "scopes", [["session", "s_1", "new"], ["day", DAY.key]])
    put_json(store, "turns", "outcome", ["answer", "done", "more"])
    assert await store.read(lambda view: (view.turn("t_1"), view.approval("a_1"))) == (TURN, APPROVAL)


async def test_a_raise_that_was_asked_about_before_there_were_units_is_one_in_dollars(store: SqliteStore) -> None:
    """A question that waits over an upgrade means what it said."""
    await put(store, put=(SESSION, TURN, APPROVAL))
    put_json(store, "approvals", "options", [{"choice": "raise", "label": "Raise", "raises": [["day", DAY.key, 5]]}])
    approval = await store.read(lambda view: view.approval("a_1"))
    assert approval is not None
    assert approval.options[0].lifts == (Lift(DAY, Unit.USD, 5),)


OPTION = {"choice": "no", "label": "No"}
ESTIMATE = {"floor": 1, "n": 0, "hold": 4, "words": "w"}


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("turns", "estimate", []),
        ("turns", "estimate", ESTIMATE | {"floor": "1"}),
        ("turns", "estimate", ESTIMATE | {"p50": 1.5}),
        ("turns", "estimate", ESTIMATE | {"n": True}),
        ("turns", "estimate", {"floor": 1}),
        ("turns", "tokens", {"input": "7"}),
        ("turns", "tokens", [1]),
        ("turns", "scopes", {}),
        ("turns", "scopes", [["day"]]),
        ("turns", "scopes", [["year", "2027"]]),
        ("turns", "scopes", [["day", 7]]),
        ("turns", "lifts", [["day", "2027-01-15", "usd"]]),
        ("turns", "lifts", [["day", "2027-01-15", "pears", 5]]),
        ("turns", "flags", "lower_bound"),
        ("turns", "outcome", []),
        ("turns", "outcome", ["answer", 7]),
        ("approvals", "options", OPTION),
        ("approvals", "options", [OPTION | {"label": None}]),
        ("approvals", "options", [OPTION | {"allows": "9"}]),
        ("approvals", "options", [OPTION | {"model": 9}]),
        ("approvals", "options", [OPTION | {"raises": [["day", "2027-01-15"]]}]),
        ("approvals", "options", [OPTION | {"lifts": [["day", "2027-01-15", "usd", "5"]]}]),
        ("approvals", "options", [OPTION | {"unpriced": 1}]),
        ("approvals", "options", [OPTION | {"choice": "whatever"}]),
    ],
)
async def test_a_value_of_the_wrong_kind_is_damage_and_its_record_is_named(
    store: SqliteStore, table: str, column: str, value: object
) -> None:
    """It is never read as something that it is not."""
    await put(store, put=(SESSION, TURN, APPROVAL))
    put_json(store, table, column, value)
    named = "turn t_1" if table == "turns" else "approval a_1"
    with pytest.raises(StoreError, match=f"The {named} in the database cannot be read"):
        await store.read(lambda view: (view.turn("t_1"), view.approval("a_1")))
