"""Words are forgotten, in the rows and in the files; figures, states and the ledger stay."""

from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import delete

from gateway.core.forgetting import Cut, Held
from gateway.domain.approval import ApprovalKind, ApprovalState
from gateway.domain.turn import Claim, ClaimKind, Outcome, OutcomeKind, TurnState
from gateway.ports import Delivered, Uncertain
from gateway.store import SqliteStore, forgetting, migrate, open_readonly, open_store, rows, sqlite
from gateway.store.home import prepare
from gateway.store.inbox import HANDLED_KEPT_MS
from gateway.store.schema import turns
from tests.store.kit import APPROVAL, DAY, NOW, SESSION, THREAD, TURN, call, hold, put, raw, say, turn, verify

pytestmark = pytest.mark.anyio

WORD = "zanzibar"
OVER = replace(
    TURN,
    state=TurnState.FINISHED,
    prompt=f"go to {WORD}" * 300,
    outcome=Outcome(OutcomeKind.ANSWER, f"{WORD} it is"),
    claim=Claim(ClaimKind.DONE, f"went to {WORD}"),
    attachments=tuple(replace(one, name=f"{WORD}.png") for one in TURN.attachments),
)
ASKED = replace(APPROVAL, text=f"Off to {WORD}?", options=tuple(replace(o, label=WORD) for o in APPROVAL.options))
TITLED = replace(SESSION, title=WORD)


def files_with(home: Path, word: str) -> list[str]:
    """The names of the files below a directory that hold the word."""
    return [path.name for path in home.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]


async def fill(store: SqliteStore, *more: object) -> None:
    """A session with words everywhere."""
    posts = (
        say("turn:t_1:end", WORD),
        say("approval:a_1", WORD),
        say("said:s_1:9", WORD),
        say("turn:t_9:end", "other"),
    )
    await put(store, put=(TITLED, OVER, ASKED, *more), entries=(hold(5), call("c1", 3, 3)), posts=posts)


async def test_what_is_kept_of_a_session_is_counted(store: SqliteStore) -> None:
    """Prompts, answers, questions, files and unsent messages of this session, and of no other."""
    await fill(store, replace(SESSION, id="s_2"), turn(9, session_id="s_2"))
    found = await store.read(lambda view: view.held("s_1"))
    assert found == Held(prompts=1, answers=1, questions=1, files=3, drafts=3)
    assert (await store.read(lambda view: view.held("s_2"))).open_turns == 1
    assert await store.read(lambda view: view.held("s_none")) == Held()


async def test_a_forgotten_session_has_no_words_and_all_its_figures(store: SqliteStore) -> None:
    """Prompt, outcome's and claim's text, files, questions and unsent messages go; amounts, state, kinds and the ledger stay."""
    await fill(store)
    before = await store.read(lambda view: view.balance(DAY))
    await put(store, forgotten="s_1")
    kept, asked, session, current = await store.read(
        lambda view: (view.turn("t_1"), view.approval("a_1"), view.session("s_1"), view.current_session(THREAD))
    )
    blank = {"prompt": "", "attachments": (), "message_id": "", "forgotten_at_ms": NOW}
    bare = {"outcome": Outcome(OutcomeKind.ANSWER), "claim": Claim(ClaimKind.DONE)}
    assert kept == replace(OVER, **blank, **bare)
    assert asked is not None
    assert (asked.text, asked.state, asked.answer) == ("", ApprovalState.WITHDRAWN, "")
    assert [(o.label, o.value) for o in asked.options] == [("", "")] * 2
    assert [(o.allows, o.lifts) for o in asked.options] == [(o.allows, o.lifts) for o in APPROVAL.options]
    assert session == replace(SESSION, title="", agent_session=None, forgotten_at_ms=NOW)
    assert (current, await store.read(lambda view: view.thread_sessions(THREAD))) == (None, ())
    assert [post.body for post in await store.outbox("telegram", 9, NOW)] == ["other"]
    assert await store.read(lambda view: view.balance(DAY)) == before
    assert await verify(store) == ()
    assert raw(store).execute("SELECT count(*) FROM outbox WHERE state = 'rejected'").fetchone() == (0,)


async def test_forgotten_words_are_in_no_file_any_more(home: Path) -> None:
    """Overwritten in the database and gone from the write-ahead log: looked for byte by byte, with the store open and closed."""
    async with open_store(home, lambda: NOW) as store:
        await fill(store)
        assert files_with(home, WORD)
        await put(store, forgotten="s_1")
        assert await store.scrub()
        assert files_with(home, WORD) == []
    assert files_with(home, WORD) == []


async def test_while_somebody_reads_the_log_is_not_emptied_and_nobody_waits_long(home: Path) -> None:
    """A report that is being made beside the gateway still sees its moment: the log is emptied at another time."""
    async with open_store(home, lambda: NOW) as store:
        await fill(store)
        with open_readonly(home) as reader:
            assert len(reader.sessions()) == 1
            await put(store, forgotten="s_1")
            assert not await store.scrub()
            assert reader.sessions()[0].title == WORD
        assert await store.scrub()
        assert files_with(home, WORD) == []


async def test_what_an_older_program_had_deleted_is_overwritten_once(home: Path) -> None:
    """Before this revision a deleted row stayed legible in the file: the first start takes that out, the next ones do nothing."""
    engine = sqlite.writer(prepare(home))
    with engine.begin() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0009_people")
    raw_connection = sqlite.driver(engine)
    raw_connection.execute("PRAGMA secure_delete = OFF")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO grants (person, chat, role) VALUES ('{WORD * 500}', '', 'owner')")  # noqa: S608 - of this test
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM grants")
    engine.dispose()
    assert files_with(home, WORD)
    async with open_store(home, lambda: NOW) as store:
        assert raw(store).execute("PRAGMA user_version").fetchone() == (1,)
        await put(store, put=(SESSION, TURN))
    assert files_with(home, WORD) == []
    async with open_store(home, lambda: NOW) as store:
        assert await store.read(lambda view: view.turn("t_1")) == TURN


async def test_what_is_old_is_forgotten_a_few_rows_at_a_time(store: SqliteStore) -> None:
    """Turns that are over and began before then, and closed questions; what is open or younger stays; the rows note how far it is."""
    many = [turn(n, state=TurnState.FINISHED) for n in range(2, forgetting.BATCH + 3)]
    young = turn(1_000_000, state=TurnState.FINISHED)
    await put(store, put=(TITLED, TURN, *many, young, replace(ASKED, state=ApprovalState.EXPIRED)))
    await put(store, put=(replace(ASKED, id="a_2", kind=ApprovalKind.CONTINUE, tokens=("x", "y")),))
    before = NOW + 100_000
    assert await store.cut(before, NOW + 7) == Cut(forgetting.BATCH, 1)
    assert await store.cut(before, NOW + 7) == Cut(1, 0)
    assert not await store.cut(before, NOW + 7)
    found = await store.read(lambda view: [view.turn(name) for name in ("t_1", "t_2", "t_1000000")])
    assert [one.prompt if one else None for one in found] == [TURN.prompt, "", TURN.prompt]
    asked = await store.read(lambda view: [view.approval(name) for name in ("a_1", "a_2")])
    assert [one.text if one else None for one in asked] == ["", ASKED.text]
    assert (await store.read(lambda view: view.session("s_1"))) == TITLED


async def test_a_title_goes_with_the_last_turn_that_is_remembered(store: SqliteStore) -> None:
    """And not before."""
    await put(store, put=(TITLED, OVER))
    await store.cut(NOW + 1, NOW + 2)
    assert await store.read(lambda view: view.session("s_1")) == replace(TITLED, title="")


async def test_the_past_that_estimates_learn_from_stays(store: SqliteStore) -> None:
    """What turns cost is not in their words."""
    priced = replace(OVER, unpriced_calls=0, ended_at_ms=NOW)
    await put(store, put=(SESSION, priced))
    past = await store.read(lambda view: view.past_turns("7", "claude", 9))
    await store.cut(NOW + 1, NOW)
    await put(store, forgotten="s_1")
    assert past == await store.read(lambda view: view.past_turns("7", "claude", 9)) != ()


async def test_words_that_are_nobodys_go_after_a_week(home: Path) -> None:
    """An update that could not be read and a message that may have arrived keep their names for long, and their words for a week."""
    async with open_store(home, lambda: NOW) as store:
        await store.accept("telegram", [("1", WORD)], NOW)
        [update] = await store.inbox(1)
        await store.quarantine(update, "not to be read")
        await put(store, posts=(say("note_1", WORD),))
        [post] = await store.outbox("telegram", 1, NOW)
        await store.sending(post)
        await store.receipted(post, Uncertain("no answer"))
    async with open_store(home, lambda: NOW + HANDLED_KEPT_MS):
        assert files_with(home, WORD)
    async with open_store(home, lambda: NOW + HANDLED_KEPT_MS + 1) as store:
        assert raw(store).execute("SELECT state, payload FROM inbox").fetchall() == [("quarantined", "")]
        assert raw(store).execute("SELECT state, body FROM outbox").fetchall() == [("rejected", "")]
        assert await store.scrub()
        assert files_with(home, WORD) == []


async def test_a_database_of_before_remembers_everything(home: Path) -> None:
    """Revision 0009 could forget nothing: all of it is there, and can be forgotten from now on."""
    engine = sqlite.writer(prepare(home))
    with engine.begin() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0009_people")
    engine.dispose()
    async with open_store(home, lambda: NOW) as store:
        await put(store, put=(SESSION, OVER))
        assert await store.read(lambda view: view.turn("t_1")) == OVER
        await put(store, forgotten="s_1")
        assert await store._commits.run(lambda connection: connection.execute(delete(turns)).rowcount) == 1


async def test_a_message_that_was_forgotten_while_it_was_to_go_out_does_not(store: SqliteStore) -> None:
    """Whoever took it from the outbox before is told so, and says nothing; one that is on its way is known to be."""
    await fill(store)
    [first] = await store.outbox("telegram", 1, NOW)
    assert await store.sending(first)
    assert (await store.read(lambda view: view.held("s_1"))).leaving
    await store.receipted(first, Delivered("m-1"))
    [next_] = await store.outbox("telegram", 1, NOW)
    await put(store, forgotten="s_1")
    assert not await store.sending(next_)


async def test_a_list_goes_on_doing_what_its_buttons_say(store: SqliteStore) -> None:
    """Its words go, since it may name the session's prompts; it is about other sessions too."""
    listed = replace(
        APPROVAL, id="menu_1", kind=ApprovalKind.MENU, turn_id="", session_id="", text=WORD, tokens=("c", "d")
    )
    await fill(store, listed)
    await put(store, forgotten="s_1")
    assert await store.read(lambda view: view.approval("menu_1")) == replace(listed, text="", digest="")


async def test_of_a_forgotten_conversation_a_digest_of_its_name_is_kept(home: Path) -> None:
    """Enough to know it again, whatever becomes of the session; its name is found nowhere."""
    name = "0f4c1d6e-5aa5-4bb4-8cc3-000000000001"
    async with open_store(home) as store:
        await put(store, put=(replace(SESSION, agent_session=name), replace(SESSION, id="s_2", agent_session="other")))
        await put(store, forgotten="s_1")
        session = await store.read(lambda view: view.session("s_1"))
        assert session is not None
        assert session.agent_session is None
        await put(store, put=(replace(session, title="later"),))
        assert await store.read(lambda view: (view.is_forgotten(name), view.is_forgotten("other"))) == (True, False)
        assert await store.read(lambda view: view.session_of_agent(name)) is None
        kept = rows.forgotten_name(name)
        assert await store.read(lambda view: view.session_of_agent(kept)) is None
        await store.scrub()
        assert files_with(home, name) == []
        await put(store, put=(replace(session, agent_session="another", forgotten_at_ms=None),))
        assert not await store.read(lambda view: view.is_forgotten(name))
