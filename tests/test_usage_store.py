"""What was read in agents' logs, kept: each call once, marks together with the calls that they cover."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.logged import Row
from gateway.domain.budget import Entry, EntryKind
from gateway.domain.logged import Mark
from gateway.domain.money import Usd
from gateway.ports import Decision
from gateway.store import open_store
from gateway.usage_database import DATABASE, UsageError
from gateway.usage_store import Looked, UsageStore, open_usage
from tests.store.kit import SESSION

ROW = Row("msg_1", "s", "/srv", 1_000, "main", 0, "", "req_1", "m", "standard", "standard", "", 0, 10, 0, 0, 0, 0, 5, 0)
MARK = Mark(1, (1 << 64) - 1, "4-00", 100, 90, "{}")


def looked(*rows: Row, path: str = "/logs/a", told: int | None = None, anew: bool = True, offset: int = 90) -> Looked:
    """A look at a file that told these calls."""
    mark = Mark(MARK.device, MARK.inode, MARK.head, MARK.size, offset, MARK.state)
    return Looked("claude", path, mark, 100, 7, 12, 1, len(rows) if told is None else told, anew, rows)


def cost(row: Row) -> int | None:
    """A nano-dollar a token of output; some models are unpriced."""
    return None if row.model == "unpriced" else row.output


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with nothing in it."""
    place = tmp_path / "home"
    place.mkdir(mode=0o700)
    return place


@pytest.fixture
def store(home: Path) -> Iterator[UsageStore]:
    """The database, for one place."""
    with open_usage(home, b"/logs") as opened:
        yield opened


def figures(store: UsageStore) -> tuple[int, int, int]:
    """Calls, nano-dollars and output tokens of all models."""
    sums = store.figures().by_model.values()
    return sum(one.calls for one in sums), sum(one.cost.nano for one in sums), sum(one.tokens.output for one in sums)


def test_a_call_that_is_told_in_two_files_counts_once(store: UsageStore):
    """Within one look, in a later one, and whichever comes first."""
    store.add([looked(ROW), looked(ROW, path="/logs/b")], cost)
    store.add([looked(ROW, path="/logs/c")], cost)
    assert figures(store) == (1, 5, 5)
    found = store.figures()
    assert (found.files, found.records, found.unreadable, found.told) == (3, 36, 3, 3)


def test_a_better_copy_replaces_the_one_that_is_known_and_a_worse_one_does_not(store: UsageStore):
    """Sums hold the one that counts, also where its model is another."""
    early = ROW._replace(output=1, lower_bound=1, model="unpriced")
    store.add([looked(early)], cost)
    assert [sums.unpriced for sums in store.figures().by_model.values()] == [1]
    store.add([looked(ROW, path="/logs/b")], cost)
    store.add([looked(early, path="/logs/c")], cost)
    assert list(store.figures().by_model) == [("claude", "m")]
    assert figures(store) == (1, 5, 5)


def test_of_two_copies_in_one_portion_the_better_counts(store: UsageStore):
    """Whichever file is named first."""
    early = ROW._replace(output=1)
    store.add([looked(early), looked(ROW, path="/logs/b"), looked(early, path="/logs/c")], cost)
    assert figures(store) == (1, 5, 5)


def test_what_is_known_of_a_file_is_told_to_the_next_scan(home: Path, store: UsageStore):
    """Its mark, numbers of devices and inodes included, and how it looked; other places know nothing of it."""
    name = os.fsdecode(b"/logs/\xff.jsonl")
    store.add([looked(ROW, path=name)], cost)
    (seen,) = store.seen().values()
    assert (list(store.seen()), seen.mark, seen.agent, seen.seen_size, seen.seen_ns) == ([name], MARK, "claude", 100, 7)
    with open_usage(home, b"/other") as other:
        assert other.seen() == {}
        assert figures(other) == (0, 0, 0)


def test_what_was_added_to_a_file_is_added_to_its_records_and_a_new_file_begins_anew(store: UsageStore):
    """Records, unreadable ones and tellings of one path."""
    store.add([looked(ROW)], cost)
    store.add([looked(ROW, anew=False)], cost)
    assert (store.figures().records, store.figures().told) == (24, 2)
    store.add([looked(ROW, anew=True)], cost)
    assert (store.figures().records, store.figures().told) == (12, 1)


def test_figures_beyond_all_reason_stop_no_scan(store: UsageStore):
    """More than an integer of SQLite's holds, at once and bit by bit: sums stay at the most there can be, and others are as they were."""
    most = (1 << 63) - 1
    store.add([looked(ROW._replace(model="sane"), path="/logs/b")], cost)
    for number in range(3):
        rows = [ROW._replace(id=f"{number} {at}") for at in range(3)]
        store.add([looked(*rows, path=f"/logs/{number}")], lambda _: most // 2)
    found = store.figures().by_model
    assert (found["claude", "m"].cost.nano, found["claude", "m"].calls) == (most, 9)
    assert found["claude", "sane"].cost == Usd(5)
    store.reprice("list", cost)
    assert store.prices() == "list"


def test_a_log_of_the_far_future_is_read_and_known_again(store: UsageStore, tmp_path: Path):
    """Anybody can set the time of their file: the year 2400 is more nanoseconds than SQLite's integers hold."""
    log = tmp_path / "log"
    log.write_bytes(b"{}")
    os.utime(log, ns=(13_569_465_600 * 10**9, 13_569_465_600 * 10**9))
    about = log.stat()
    assert about.st_mtime_ns > (1 << 63)
    mark = Mark(about.st_dev, about.st_ino, "2-00", 2, 2, "")
    store.add([Looked("claude", str(log), mark, 2, about.st_mtime_ns, 1, 0, 0, True, ())], cost)
    assert store.seen()[str(log)].is_as_it_was(about)


def test_marks_are_written_with_the_calls_that_they_cover_or_not_at_all(store: UsageStore):
    """A scan that ends in the middle of a portion leaves the figures and the marks of before it."""

    def ends(row: Row) -> int:
        raise KeyboardInterrupt(row.id)

    store.add([looked(ROW)], cost)
    with pytest.raises(KeyboardInterrupt):
        store.add([looked(ROW._replace(id="msg_2"), path="/logs/b")], ends)
    assert figures(store) == (1, 5, 5)
    assert list(store.seen()) == ["/logs/a"]


def test_new_prices_are_those_of_all_calls(store: UsageStore):
    """What was unpriced gets its price, and the sums follow."""
    store.add([looked(ROW, ROW._replace(id="msg_2", model="unpriced"))], cost)
    store.reprice("another list", lambda row: row.output * 10)
    assert (store.prices(), figures(store)) == ("another list", (2, 100, 10))
    assert [sums.unpriced for sums in store.figures().by_model.values()] == [0, 0]
    store.reprice("a third", lambda _row: None)
    assert figures(store) == (2, 0, 10)


@pytest.mark.anyio
async def test_what_the_gateway_metered_itself_is_known(home: Path, store: UsageStore):
    """By the name of the message or of the request, beside a gateway that has its database open."""
    rows = [ROW._replace(id=f"msg_{number}", request=f"req_{number}") for number in range(4)]
    store.add([looked(*rows)], cost)
    async with open_store(home) as ledger:
        booked = [Entry(EntryKind.CALL, (), spent=Usd(5), call_id=name) for name in ("msg_1", "req_2", "msg_9")]
        await ledger.transact(lambda _view: Decision(None, entries=tuple(booked)), 1)
        assert store.metered("claude", home / "tollbridge.db") == {"msg_1", "msg_2"}
        assert store.metered("codex", home / "tollbridge.db") == frozenset()


@pytest.mark.anyio
async def test_a_call_that_a_relay_has_named_is_known_in_its_own_session(home: Path, store: UsageStore):
    """The log's name of it says more than the ledger's; what another session, or another answer, has the same name for is not hidden."""
    calls = (
        ("a7 req_1", "0c6a"),
        ("a7 req_2", "other"),
        ("1 req_3", "0c6a"),
        ("1 req_4", "0c6a"),
        ("a70 req_5", "0c6a"),
    )
    rows = [ROW._replace(id=name, request=name.partition(" ")[2], session=session) for name, session in calls]
    store.add([looked(*rows)], cost)
    async with open_store(home) as ledger:
        booked = [Entry(EntryKind.CALL, (), session_id="s_1", spent=Usd(5), call_id=name) for name in ("a7", "1")]
        await ledger.transact(lambda _view: Decision(None, put=(SESSION,), entries=tuple(booked)), 1)
        assert store.metered("claude", home / "tollbridge.db") == {"a7 req_1"}
        told = store.calls_between(0, 9_000, home / "tollbridge.db")
    assert [row.id for _, row, _, both in told if both] == ["a7 req_1"]


def test_the_database_is_its_owners_alone_and_is_not_followed_through_a_link(home: Path, tmp_path: Path):
    """0600; a link in its place is refused."""
    with open_usage(home, b""):
        assert (home / DATABASE).stat().st_mode & 0o777 == 0o600
    for file in home.iterdir():
        file.unlink()
    (home / DATABASE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="mend"), open_usage(home, b""):
        pass


def test_a_database_of_a_newer_program_or_a_damaged_one_is_refused(home: Path):
    """The message says what to do."""
    with sqlite3.connect(home / DATABASE) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(UsageError, match="newer"), open_usage(home, b""):
        pass
    (home / DATABASE).write_bytes(b"no database" * 1000)
    with pytest.raises(UsageError, match="damaged"), open_usage(home, b""):
        pass


def test_calls_come_session_by_session_in_order_of_time(store: UsageStore):
    """With what each costs; older ones are left out, and so are the oldest of too many."""
    rows = [ROW._replace(id=f"msg_{at}", session="st"[at % 2], at_ms=at) for at in (5, 2, 4, 3)]
    store.add([looked(*rows, ROW._replace(id="msg_0", at_ms=0, model="unpriced"))], cost)
    told = [(row.session, row.at_ms, amount) for row, amount in store.calls("claude", 2)]
    assert told == [("s", 2, 5), ("s", 4, 5), ("t", 3, 5), ("t", 5, 5)]
    assert [row.at_ms for row, _ in store.calls("claude", 0, limit=2)] == [4, 5]
    assert [amount for row, amount in store.calls("claude", 0) if not row.at_ms] == [None]
    assert (store.agents(), list(store.calls("codex", 0))) == (("claude",), [])


def test_calls_of_a_time_are_found_by_their_time(store: UsageStore):
    """By agent and session in the order in which they were made, both ends as they are said; what finds them is made once."""
    later = ROW._replace(id="msg_2", at_ms=2_000, model="unpriced")
    store.add([looked(later, ROW, ROW._replace(id="msg_3", at_ms=3_000))], cost)
    assert (store.earliest_ms(), store.latest_ms()) == (1_000, 3_000)
    before = store.calls_between(1_000, 3_000, None)
    assert before == [("claude", ROW, 5, False), ("claude", later, None, False)]
    for _ in range(2):
        store.sort_by_time()
    assert store.calls_between(1_000, 3_000, None) == before
    plan = store._connection.execute(
        "EXPLAIN QUERY PLAN SELECT * FROM calls WHERE place = 1 AND at_ms >= 1 AND at_ms < 2"
    )
    assert "calls_at" in str(plan.fetchall())


def test_calls_of_a_session_are_found_by_how_its_id_begins(store: UsageStore):
    """A beginning is taken as it is written: no character of it stands for others."""
    rows = [ROW._replace(id=f"msg_{name}", session=name) for name in ("a_1", "a_2", "ab1")]
    store.add([looked(*rows)], cost)

    def found(begins: str) -> list[str]:
        return [row.session for _, row, _, _ in store.calls_between(0, 9_000, None, begins)]

    assert (found("a_"), found("ab"), found("%"), found("A")) == (["a_1", "a_2"], ["ab1"], [], [])


@pytest.mark.anyio
async def test_calls_of_a_time_say_whether_the_gateway_has_them_too(home: Path, store: UsageStore):
    """By the message's name or the request's, beside a running gateway and without one; its home stays as it was."""
    store.add(
        [
            looked(
                ROW, ROW._replace(id="msg_2", request="req_2", at_ms=2), ROW._replace(id="msg_3", request="", at_ms=3)
            )
        ],
        cost,
    )
    told = tuple(Entry(EntryKind.CALL, (), spent=Usd(1), call_id=name) for name in ("msg_1", "req_2", ""))

    def known() -> list[bool]:
        return [both for *_, both in store.calls_between(0, 9_000, home / "tollbridge.db")]

    async with open_store(home, lambda: 0) as ledger:
        await ledger.transact(lambda _: Decision(None, entries=told), 0)
        assert known() == [True, False, True]
    files = sorted(path.name for path in os.scandir(home))
    assert known() == [True, False, True]
    assert sorted(path.name for path in os.scandir(home)) == files
