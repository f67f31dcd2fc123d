"""OpenCode's messages: what each known trap costs, by hand, in nano-dollars."""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.usage import MAIN_LOOP, Tokens, Unpriced
from gateway.ports import UsageLog
from gateway.usage_logs.opencode import OPENCODE
from tests.usage_logs.reading import FIXTURES, costs, once, scan

HERE = FIXTURES / "opencode"
LEGACY = HERE / "legacy"
LOG: UsageLog = OPENCODE
AT = 1_777_629_600_000


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """OpenCode's folder with an empty database in write-ahead mode, as OpenCode makes it."""
    with closing(sqlite3.connect(tmp_path / "opencode.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript((HERE / "database" / "schema.sql").read_text())
        database.execute("INSERT INTO session VALUES ('ses_1', 'global', NULL, '', '/home/me/api', '', '', 0, 0)")
        database.execute("INSERT INTO session VALUES ('ses_2', 'global', 'ses_1', '', '/home/me/api', '', '', 0, 0)")
        database.commit()
    return tmp_path


@pytest.fixture
def writer(home: Path) -> Iterator[sqlite3.Connection]:
    """The connection of an OpenCode at work."""
    with closing(sqlite3.connect(home / "opencode.db", isolation_level=None)) as database:
        yield database


def legacy(name: str) -> dict[str, object]:
    """A message of the legacy tree."""
    (path,) = LEGACY.glob(f"storage/message/*/{name}.json")
    told = json.loads(path.read_bytes())
    assert isinstance(told, dict)
    return told


def put(database: sqlite3.Connection, name: str, told: object, *, at: int = AT, session: str = "ses_1") -> None:
    """Insert or change a message, as OpenCode does."""
    data = told if isinstance(told, str | bytes) else json.dumps(told)
    database.execute(
        "INSERT INTO message VALUES (?, ?, ?, ?, ?) ON CONFLICT(id) DO UPDATE SET data = excluded.data, time_updated = excluded.time_updated",
        (name, session, at, at, data),
    )


def said(tokens: object, created: int = AT, model: str = "gpt-5", provider: str = "openai") -> dict[str, object]:
    """An assistant's message as a row holds it."""
    return {
        "role": "assistant",
        "time": {"created": created},
        "modelID": model,
        "providerID": provider,
        "tokens": tokens,
    }


def test_the_legacy_tree_is_priced_by_its_tokens() -> None:
    """OpenCode's own cost is not used; a provider's names are priced as that provider's, and what runs at home is unpriced."""
    found = list(scan(LOG, LEGACY).values())
    # 100 x 3000 + 3000 x 300 + 400 x 6000 (unsplit: the dearer) + 200 x 15000; 100 x 3000 + 200 x 15000; 1000 x 1250 + 140 x 10000
    assert costs(found[:3]) == [6_600_000, 3_300_000, 2_650_000]
    assert isinstance(costs(found)[3], Unpriced)
    assert [call.usage.model for call in found] == [
        "claude-sonnet-4-5",
        "anthropic/claude-sonnet-4.5",
        "gpt-5",
        "ollama/qwen3",
    ]
    assert found[0].usage.tokens == Tokens(input=100, cache_read=3000, cache_write_unsplit=400, output=200)
    assert [(call.session, call.loop) for call in found] == [("ses_1", MAIN_LOOP)] * 2 + [("ses_1", "ses_2")] * 2
    assert {call.directory for call in found} == {"/home/me/api"}


def test_a_message_of_several_calls_counts_them_all(home: Path, writer: sqlite3.Connection) -> None:
    """Older versions made several calls for one message, which tells the last one: the parts beside it tell the others, once."""
    shutil.copytree(HERE / "steps" / "storage", home / "storage")
    told = json.loads((home / "storage" / "message" / "ses_1" / "msg_1.json").read_bytes())
    put(writer, "msg_1", told)
    # 1000 x 1250 + 1000 x 125 + 200 x 10000 (in both); 1000 x 1250 + 100 x 10000
    assert costs(scan(LOG, home).values()) == [3_375_000, 2_250_000]


def test_a_message_of_several_calls_counts_them_all_in_the_database_alone(
    home: Path, writer: sqlite3.Connection
) -> None:
    """The migration moves messages with their parts, which tell the earlier calls; a look between two of them takes nothing away."""
    told = json.loads((HERE / "steps" / "storage" / "message" / "ses_1" / "msg_1.json").read_bytes())
    parts = sorted((HERE / "steps" / "storage" / "part" / "msg_1").iterdir())
    for path in parts:
        data = path.read_text()
        writer.execute("INSERT INTO part VALUES (?, 'msg_1', 'ses_1', ?, ?, ?)", (path.stem, AT, AT, data))
    long = json.dumps({"type": "tool", "text": "step-finish" * 1000})
    writer.execute("INSERT INTO part VALUES ('prt_9', 'msg_1', 'ses_1', ?, ?, ?)", (AT, AT, long))
    put(writer, "msg_1", told)
    read = LOG.read(str(home / "opencode.db"), None)
    # 1000 x 1250 + 1000 x 125 + 200 x 10000 told by a part alone; 1000 x 1250 + 100 x 10000 by the message
    assert set(costs(read.calls)) == {2_250_000, 3_375_000}
    shutil.copytree(HERE / "steps" / "storage", home / "storage")
    assert len(scan(LOG, home)) == 2


def test_reasoning_counts_once_wherever_it_stands() -> None:
    """Beside the output, within it, and beside it where there is no total."""
    found = list(scan(LOG, HERE / "reasoning").values())
    assert [call.usage.tokens for call in found] == [
        Tokens(input=1000, cache_read=500, output=output, reasoning=40) for output in (140, 100, 140)
    ]
    # gpt-5: 1000 x 1250 + 500 x 125 + 140 or 100 x 10000
    assert costs(found) == [2_712_500, 2_312_500, 2_712_500]


def test_the_total_tells_where_the_reasoning_is(home: Path, writer: sqlite3.Connection) -> None:
    """Reasoning within the output is not counted again, reasoning beside it is, with or without the cache in the total."""
    cache = {"read": 500, "write": 0}
    for position, total in enumerate((1600, 1100, 1640, 1140)):
        tokens = {"input": 1000, "output": 100, "reasoning": 40, "cache": cache, "total": total}
        put(writer, f"msg_{position}", said(tokens, AT + position))
    read = LOG.read(str(home / "opencode.db"), None)
    assert [call.usage.tokens.output for call in read.calls] == [100, 100, 140, 140]
    # 1000 x 1250 + 500 x 125 + 100 or 140 x 10000
    assert costs(read.calls) == [2_312_500, 2_312_500, 2_712_500, 2_712_500]


def test_a_message_in_the_database_and_in_the_legacy_tree_counts_once(home: Path, writer: sqlite3.Connection) -> None:
    """The migration copies messages and leaves the tree where it is."""
    shutil.copytree(LEGACY / "storage", home / "storage")
    for name, session in (("msg_1", "ses_1"), ("msg_4", "ses_2")):
        put(
            writer,
            name,
            {key: value for key, value in legacy(name).items() if key not in {"id", "sessionID"}},
            session=session,
        )
    found = scan(LOG, home)
    assert len(found) == 4
    database = LOG.read(str(home / "opencode.db"), None)
    assert costs(database.calls) == [6_600_000, 2_650_000]
    assert [(call.session, call.loop) for call in database.calls] == [("ses_1", MAIN_LOOP), ("ses_1", "ses_2")]


def test_a_forks_copies_count_once(home: Path, writer: sqlite3.Connection) -> None:
    """A fork copies messages under new ids."""
    told = said({"input": 1000, "output": 100, "reasoning": 0, "cache": {"read": 0, "write": 0}})
    put(writer, "msg_1", told)
    put(writer, "msg_9", told, at=AT + 50_000, session="ses_3")
    read = LOG.read(str(home / "opencode.db"), None)
    assert (len(read.calls), read.copies) == (1, 1)


def test_rows_of_the_newer_table_count_where_the_older_has_them_not(home: Path, writer: sqlite3.Connection) -> None:
    """`session_message` names its model in another way; what stands in both tables counts once."""
    tokens = {"input": 1000, "output": 100, "reasoning": 0, "cache": {"read": 0, "write": 0}}
    put(writer, "msg_1", said(tokens))
    newer = {"model": {"id": "gpt-5", "providerID": "openai"}, "tokens": tokens, "time": {"created": AT + 9}}
    for name in ("msg_1", "msg_2"):
        row = (name, "ses_1", "assistant", AT, AT, json.dumps(newer))
        writer.execute("INSERT INTO session_message VALUES (?, ?, ?, ?, ?, ?)", row)
    read = LOG.read(str(home / "opencode.db"), None)
    assert costs(read.calls) == [2_250_000, 2_250_000]


def test_a_later_look_gives_what_is_new_or_changed(home: Path, writer: sqlite3.Connection) -> None:
    """While OpenCode writes, rows in the write-ahead log are read; a message that was still empty is read when it is done."""
    path = str(home / "opencode.db")
    empty = {"input": 0, "output": 0, "reasoning": 0, "cache": {"read": 0, "write": 0}}
    full = {**empty, "input": 1000, "output": 100}
    put(writer, "msg_1", said(full))
    put(writer, "msg_2", said(empty, AT + 1), at=AT + 1)
    first = LOG.read(path, None)
    assert (len(first.calls), first.records) == (1, 2)
    put(writer, "msg_2", said(full, AT + 1), at=AT + 900)
    put(writer, "msg_3", said(full, AT + 2), at=AT - 900)  # the clock was set back
    later = LOG.read(path, first.mark)
    assert [call.at_ms for call in later.calls] == [AT + 1, AT + 2]
    assert later.mark.size > first.mark.size  # what is not yet in the database itself is seen too
    assert [call.at_ms for call in once((*first.calls, *later.calls)).values()] == [AT, AT + 1, AT + 2]


@settings(max_examples=25, deadline=None)
@given(turns=st.lists(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=6), max_size=5))
def test_looks_at_a_growing_database_give_the_calls_of_the_whole(turns: list[list[tuple[int, bool]]]) -> None:
    """Whenever it is looked at, a message that was empty then is counted when it is done, and none twice."""
    empty, looks, mark, at = {"input": 0, "output": 0}, [], None, AT
    with (
        TemporaryDirectory() as folder,
        closing(sqlite3.connect(f"{folder}/opencode.db", isolation_level=None)) as database,
    ):
        database.executescript((HERE / "database" / "schema.sql").read_text())
        done: set[int] = set()
        for turn in turns:
            for name, finished in turn:
                at += 1
                done |= {name} if finished else set()
                tokens = {"input": 10 + name, "output": 1} if name in done else empty
                put(database, f"msg_{name}", said(tokens, AT + name), at=at)
            look = LOG.read(f"{folder}/opencode.db", mark)
            looks, mark = [*looks, *look.calls], look.mark
        at_once = LOG.read(f"{folder}/opencode.db", None)
    assert once(looks) == once(at_once.calls)
    assert len(at_once.calls) == len(done)


def test_a_locked_database_is_said_and_read_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another holds it alone it is one unreadable record; nothing of it is lost."""
    monkeypatch.setattr("gateway.usage_logs.opencode_rows._LOCKED_FOR_S", 0.01)
    path = tmp_path / "opencode.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript((HERE / "database" / "schema.sql").read_text())
        put(database, "msg_1", said({"input": 1000, "output": 100}))
        database.execute("BEGIN EXCLUSIVE")
        locked = LOG.read(str(path), None)
        assert (locked.calls, locked.records, locked.unreadable) == ((), 1, 1)
        database.execute("COMMIT")
        assert costs(LOG.read(str(path), locked.mark).calls) == [2_250_000]


def test_a_database_closed_in_write_ahead_mode_is_read(home: Path) -> None:
    """Its log is gone when OpenCode ended."""
    with closing(sqlite3.connect(home / "opencode.db", isolation_level=None)) as database:
        put(database, "msg_1", said({"input": 1000, "output": 100}))
    assert costs(LOG.read(str(home / "opencode.db"), None).calls) == [2_250_000]


@pytest.mark.parametrize("form", ["CREATE TABLE message (id text, body text)", "CREATE TABLE entry (id text)"])
def test_a_database_of_another_form_is_said(tmp_path: Path, form: str) -> None:
    """It is one unreadable record."""
    path = tmp_path / "opencode.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(form)
    read = LOG.read(str(path), None)
    assert (read.calls, read.records, read.unreadable) == ((), 1, 1)


ENDLESS = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT"


@pytest.mark.parametrize(
    "form",
    [
        f"CREATE VIEW message AS {ENDLESS} 'm' AS id, 's' AS session_id, '{{}}' AS data FROM r",
        "CREATE TABLE message (rowid TEXT, id TEXT, session_id TEXT, data TEXT); INSERT INTO message VALUES ('a', 'm', 's', '{}')",
        "CREATE TABLE message (id TEXT, session_id TEXT, data TEXT AS (hex(zeroblob(400000000)))); INSERT INTO message VALUES ('m', 's')",
    ],
    ids=["view", "rowid", "generated"],
)
def test_a_database_that_works_things_out_is_not_read(tmp_path: Path, form: str) -> None:
    """A view without an end, a column that is called as the number of a row, and one that is made while it is read: all unreadable."""
    path = tmp_path / "opencode.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(form)
    read = LOG.read(str(path), None)
    assert (read.calls, read.records, read.unreadable) == ((), 1, 1)


def test_sessions_without_an_end_do_not_keep_messages_from_being_read(tmp_path: Path) -> None:
    """A view in the place of the table of sessions is not looked at."""
    path = tmp_path / "opencode.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE message (id TEXT, session_id TEXT, data TEXT)")
        database.execute(f"CREATE VIEW session AS {ENDLESS} hex(n) AS id, '' AS parent_id, '' AS directory FROM r")
        database.execute(
            "INSERT INTO message VALUES ('m', 's', ?)", (json.dumps(said({"input": 1000, "output": 100})),)
        )
        database.commit()
    assert costs(LOG.read(str(path), None).calls) == [2_250_000]


@pytest.mark.parametrize("beside", ["-wal", "-journal", "-shm"])
def test_a_pipe_beside_a_database_holds_nobody_up(home: Path, beside: str) -> None:
    """It is told as unreadable, and nothing waits for somebody to write into the pipe."""
    os.mkfifo(home / f"opencode.db{beside}")
    assert LOG.read(str(home / "opencode.db"), None).unreadable == 1


@pytest.mark.parametrize("data", [b"", b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_what_is_no_database_is_said(tmp_path: Path, data: bytes) -> None:
    """A file by its name alone is one unreadable record."""
    path = tmp_path / "opencode.db"
    path.write_bytes(data)
    assert LOG.read(str(path), None).unreadable == 1


def test_unreadable_rows_do_not_hide_the_others(home: Path, writer: sqlite3.Connection) -> None:
    """Hostile rows are counted, and the rows behind them are read."""
    good = {"input": 1000, "output": 100}
    hostile: list[object] = [
        "{",
        b"\xff\xfe",
        "null",
        said({"input": -1}),
        said({"input": 10**30}),
        said({"input": 1.5}),
        said({"input": "9"}),
        said([1]),
        {**said(good), "time": {"created": "yesterday"}},
        "[" * 100_000,
        '{"tokens":' * 5_000,
    ]
    for position, told in enumerate(hostile):
        put(writer, f"msg_{position}", told)
    put(writer, "msg_99", said(good))
    put(
        writer,
        "msg_user",
        {"role": "user", "time": {"created": AT}, "model": {"providerID": "openai", "modelID": "gpt-5"}},
    )
    read = LOG.read(str(home / "opencode.db"), None)
    assert costs(read.calls) == [2_250_000]
    assert (read.records, read.unreadable) == (13, 11)


def test_its_places_are_known(home: Path) -> None:
    """The user's data folder, or where the environment says."""
    assert LOG.homes({}, "/home/me") == ("/home/me/.local/share/opencode",)
    assert LOG.homes({"XDG_DATA_HOME": "/x"}, "/home/me") == ("/x/opencode",)
    assert LOG.homes({"OPENCODE_DATA_DIR": "/o"}, "/home/me") == ("/o",)
    assert LOG.owns(str(home))
    assert LOG.owns(str(home / "opencode.db"))
    assert LOG.owns(str(LEGACY))
    assert not LOG.owns(str(FIXTURES / "gemini"))
