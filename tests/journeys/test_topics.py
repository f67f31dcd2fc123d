"""Sessions in topics, over real HTTP and with the real client: forums and private chats."""

import os
import subprocess
from pathlib import Path

import anyio
import pytest

from gateway.domain.turn import TurnState
from tests.fakes.bot_api import BotApi, Phone
from tests.fakes.claude_binary import find_claude
from tests.fakes.messages_api import MessagesApi
from tests.fakes.messages_script import Hold, Text
from tests.journeys.rig import OWNER, Rig, owners, rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]

GROUP = -1001234


async def topics(gateway: Rig, chat: int, count: int) -> list[int]:
    """The chat's topics, as soon as there are so many."""
    found = gateway.telegram.world.chats[chat].topics
    await gateway.telegram.until(lambda: len(found) >= count, 20, f"{count} topics")
    return list(found)


async def two_sessions(gateway: Rig, phone: Phone) -> None:
    """Two sessions at once, each in its own topic, named after its first prompt; nothing of one is told in the other."""
    holds = Hold(), Hold()
    for name, hold in zip(("one", "two"), holds, strict=True):
        gateway.api.script([(hold, Text(f"done with {name}"))], prompt=name)
    for number in (1, 2):
        phone.says("/new")
        places = await topics(gateway, phone.chat_id, number)
        await phone.waits_for("New session with", 20, thread=places[-1])
    for name, place in zip(("one", "two"), places, strict=True):
        phone.says(name, thread=place)
    for hold in holds:
        await anyio.to_thread.run_sync(hold.wait_reached)
    for hold in holds:
        hold.release()
    for name, place in zip(("one", "two"), places, strict=True):
        await phone.waits_for(f"done with {name}", 20, thread=place)
    await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
    assert [sum("done with" in seen.text for seen in phone.sees(place)) for place in places] == [1, 1]
    named = gateway.telegram.world.chats[phone.chat_id].topics
    await gateway.telegram.until(
        lambda: [topic.name for topic in named.values()] == ["work: one", "work: two"], 20, "names"
    )
    await gateway.exact()


async def test_in_a_forum_two_sessions_work_at_once_each_in_its_own_topic(tmp_path: Path) -> None:
    """Each is told of in its own, and the group is told where they are."""
    with MessagesApi() as api, BotApi() as telegram:
        ada = telegram.user(OWNER, "Ada")
        there = telegram.group(GROUP, forum=True).joined_by(ada)
        async with rig(tmp_path, api, telegram, ada, people=owners(ada), groups_listen=True) as gateway:
            await two_sessions(gateway, there)
            place = min(telegram.world.chats[GROUP].topics)
            shown = next(seen for seen in there.sees() if "It has a topic of its own" in seen.text)
            assert [entity.get("url") for entity in shown.entities if entity["type"] == "text_link"] == [
                f"https://t.me/c/{str(GROUP).removeprefix('-100')}/{place}"
            ]
            there.says("/close", thread=place)
            await telegram.until(lambda: telegram.world.chats[GROUP].topics[place].closed, 20, "closed topic")


async def test_in_a_private_chat_with_topics_two_sessions_work_at_once_each_in_its_own(tmp_path: Path) -> None:
    """Where a topic cannot be closed it is called so."""
    with MessagesApi() as api, BotApi(private_topics=True) as telegram:
        ada = telegram.user(OWNER, "Ada")
        async with rig(tmp_path, api, telegram, ada) as gateway:
            await two_sessions(gateway, ada)
            found = telegram.world.chats[OWNER].topics
            ada.says("/close", thread=min(found))
            await telegram.until(lambda: found[min(found)].name == "Closed: work: one", 20, "name")


async def test_an_answer_whose_topic_somebody_deleted_meanwhile_comes_to_the_group(tmp_path: Path) -> None:
    """It is said whose it is, once, and the session goes on there."""
    with MessagesApi() as api, BotApi() as telegram:
        ada, hold = telegram.user(OWNER, "Ada"), Hold()
        group = telegram.group(GROUP, forum=True)
        there = group.joined_by(ada)
        api.script([(hold, Text("done with one"))], prompt="one")
        async with rig(tmp_path, api, telegram, ada, people=owners(ada), groups_listen=True) as gateway:
            there.says("/new")
            [place] = await topics(gateway, GROUP, 1)
            await there.waits_for("New session with", 20, thread=place)
            there.says("one", thread=place)
            await anyio.to_thread.run_sync(hold.wait_reached)
            group.deletes_topic(place)
            hold.release()
            await there.waits_for("done with one", 20)
            assert sum("is gone or closed: what it says comes here" in seen.text for seen in there.sees()) == 1
            there.says("two")
            await there.waits_for("echo: two", 20)
            assert len({charge.session_id for charge in api.charges}) == 1
            await gateway.exact()


async def test_without_the_right_to_open_topics_the_session_goes_on_where_it_was_asked_for(tmp_path: Path) -> None:
    """The person is told why and what would help."""
    with MessagesApi() as api, BotApi(reads_all=True) as telegram:
        ada = telegram.user(OWNER, "Ada")
        there = telegram.group(GROUP, forum=True, bot="member").joined_by(ada)
        async with rig(tmp_path, api, telegram, ada, people=owners(ada), groups_listen=True) as gateway:
            there.says("/new")
            shown = await there.waits_for("No topic could be opened for it", 20)
            assert "not enough rights" in shown.text.lower()
            assert "may manage topics" in shown.text
            there.says("one")
            await there.waits_for("echo: one", 20)
            await gateway.exact()


async def test_a_conversation_that_was_had_at_the_desk_goes_on_in_the_chat(tmp_path: Path) -> None:
    """Its words are there, and only what is said from now on is booked; a moment after it was written to it is refused."""
    async with rig(tmp_path) as gateway:
        claude = [str(find_claude()), "-p", "remember the word plum"]
        await anyio.run_process(claude, cwd=tmp_path / "work", env=dict(gateway.environ), stdin=subprocess.DEVNULL)
        before = len(gateway.api.charges)
        gateway.phone.says("/resume")
        shown = await gateway.sees("Earlier conversations here")
        gateway.phone.taps("1 · remember the word plum", shown.message_id)
        await gateway.sees("may be open at the desk")
        [path] = (tmp_path / "claude").rglob("projects/*/*.jsonl")
        os.utime(path, (1_700_000_000, 1_700_000_000))
        gateway.phone.says(f"/resume {path.stem}")
        await gateway.sees("New session with")
        gateway.phone.says("two")
        await gateway.sees("echo: two")
        turn = await gateway.ended(TurnState.FINISHED)
        charged = gateway.api.charges[before:]
        assert charged[-1].prompts[-2:] == ("remember the word plum", "two")
        assert turn.calls == len(charged)
        assert turn.tokens.output == sum(charge.counts.output for charge in charged)
        [session] = await gateway.sessions()
        assert session.agent_session == path.stem
