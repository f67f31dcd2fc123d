"""What people chose for their chats is kept, and so is where a service was told which commands to offer."""

from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command

from gateway.domain.money import Usd
from gateway.domain.place import Thread
from gateway.domain.preferences import Offered, Preferences, Traffic, Verbosity
from gateway.ports import Delivered, NewPost, StoreError, Uncertain
from gateway.store import SqliteStore, migrate, open_store, sqlite
from gateway.store.home import prepare
from tests.store.kit import NOW, SESSION, THREAD, put, raw

pytestmark = pytest.mark.anyio

CHOSEN = Preferences(
    "telegram", THREAD.chat, Verbosity.QUIET, Usd.parse("0.25"), "7", "22:00-07:00", "08:30", "7", "2026-11-23"
)


async def kept(store: SqliteStore, thread: Thread = THREAD) -> Preferences:
    """What is kept for the chat."""
    return await store.read(lambda view: view.preferences(thread))


async def test_what_was_chosen_holds_for_the_chat_with_its_topics_and_no_other(store: SqliteStore) -> None:
    """Every field comes back; the last choice replaces the one before; where nothing was chosen everything is as usual."""
    assert await kept(store) == Preferences("telegram", THREAD.chat)
    await put(store, put=(CHOSEN,))
    assert await kept(store) == CHOSEN
    assert await kept(store, Thread("telegram", THREAD.chat, "17")) == CHOSEN
    assert await kept(store, Thread("console", THREAD.chat)) == Preferences("console", THREAD.chat)
    later = replace(CHOSEN, confirm_above=None, confirm_by="", quiet="")
    await put(store, put=(later,))
    assert await kept(store) == later


async def test_the_chats_that_want_a_digest_are_found_by_service(store: SqliteStore) -> None:
    """With all that was chosen there; the others are not."""
    none, elsewhere = replace(CHOSEN, chat="9", digest=""), replace(CHOSEN, service="console")
    await put(store, put=(CHOSEN, none, elsewhere))
    assert await store.read(lambda view: view.digests("telegram")) == (CHOSEN,)


async def test_a_choice_that_nobody_knows_is_damage_and_its_chat_is_named(store: SqliteStore) -> None:
    """It is never read as something that it is not."""
    await put(store, put=(CHOSEN,))
    raw(store).execute("UPDATE preferences SET verbosity = 'loud'")
    with pytest.raises(StoreError, match="The preferences of chat 4711 in the database cannot be read"):
        await kept(store)


async def test_the_chats_that_were_told_are_known_until_it_is_taken_back(store: SqliteStore) -> None:
    """By service; to note it twice changes nothing."""
    told = (Offered("telegram", "9"), Offered("telegram", "7"), Offered("telegram", "9"), Offered("console", "you"))
    await put(store, put=told)
    assert await store.read(lambda view: view.offered("telegram")) == ("7", "9")
    await put(store, put=(Offered("telegram", "9", gone=True),))
    assert await store.read(lambda view: view.offered("telegram")) == ("7",)
    assert await store.read(lambda view: view.offered("console")) == ("you",)


async def test_what_waits_and_what_may_not_have_arrived_is_counted(store: SqliteStore) -> None:
    """A message of several parts that may not have arrived is one."""
    await put(store, posts=(NewPost(THREAD, "a", ("1", "2")), NewPost(THREAD, "b", ("3",))))
    assert await store.read(lambda view: view.traffic()) == Traffic(waiting=3, uncertain=0)
    for receipt in (Uncertain("timed out"), Uncertain("timed out"), Delivered("m")):
        [post] = await store.outbox("telegram", 1, NOW)
        await store.sending(post)
        await store.receipted(post, receipt)
    assert await store.read(lambda view: view.traffic()) == Traffic(waiting=0, uncertain=1)


async def test_a_database_from_before_there_were_choices_goes_on(home: Path) -> None:
    """Revision 0009 knew none: everything is as usual there, and what is chosen from now on is kept."""
    engine = sqlite.writer(prepare(home))
    with engine.begin() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0009_people")
        connection.exec_driver_sql("INSERT INTO grants (person, chat, role) VALUES ('7', '', 'owner')")
    engine.dispose()
    async with open_store(home, lambda: NOW) as store:
        assert await kept(store) == Preferences("telegram", THREAD.chat)
        assert [grant.person for grant in await store.read(lambda view: view.all_grants())] == ["7"]
        await put(store, put=(SESSION, CHOSEN))
        assert await kept(store) == CHOSEN
