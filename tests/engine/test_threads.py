"""Sessions in threads of their own: opened, named, closed, refused, lost and deleted."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from gateway.chats.memory import MemoryChat
from gateway.domain.effects import Button
from gateway.domain.place import Room, Session, Thread
from gateway.domain.turn import TurnState
from gateway.ports import Delayed, Uncertain
from tests.engine.bench import OWNER, RULES, THREAD, Bench, bench, call, script, with_limits

pytestmark = pytest.mark.anyio


def forum() -> MemoryChat:
    """A chat that has topics."""
    chat = MemoryChat()
    chat.forums.add(THREAD.chat)
    return chat


async def begun(gateway: Bench, count: int = 1) -> list[Session]:
    """The sessions, as soon as so many have settled in topics of their own."""

    def settled(sessions: list[Session]) -> bool:
        return sum(one.room is Room.OPEN for one in sessions) == count

    return await gateway.steps.until(gateway.sessions, settled)


async def test_a_session_gets_a_topic_of_its_own_that_is_named_after_its_first_words() -> None:
    """/new opens it and says where it went; what is written there goes to that session, and the chat's own stays what it was."""
    async with bench(script(call(1)), chat=forum()) as gateway:
        gateway.says("in the chat itself")
        await gateway.sees("All done.")
        gateway.says("/new usr")
        topic = await gateway.chat.called("usr")
        shown = await gateway.sees("It has a topic of its own")
        assert f"[usr](memory://{topic.chat}/{topic.topic})" in shown.text
        await gateway.sees("New session with", topic)
        gateway.says("Fix the   flaky login test", topic)
        await gateway.sees("All done.", topic)
        assert await gateway.chat.called("usr: Fix the flaky login test") == topic
        gateway.says("and in the chat again")
        turns = await gateway.until(lambda turns: [turn.state for turn in turns].count(TurnState.FINISHED) == 3)
        first, own = await gateway.sessions()
        assert {turn.prompt: turn.session_id for turn in turns} == {
            "in the chat itself": first.id,
            "and in the chat again": first.id,
            "Fix the   flaky login test": own.id,
        }


async def test_two_sessions_work_at_once_and_each_is_told_of_in_its_own_topic() -> None:
    """Nothing of one is said in the other's."""
    lasts = anyio.Event()
    async with bench(script(call(1, lasts=lasts)), chat=forum()) as gateway:
        gateway.says("/new usr")
        one = await gateway.chat.called("usr")
        gateway.says("/new etc")
        two = await gateway.chat.called("etc")
        gateway.says("first", one)
        gateway.says("second", two)
        await gateway.until(lambda turns: [turn.state for turn in turns].count(TurnState.RUNNING) == 2)
        lasts.set()
        for topic in (one, two):
            await gateway.sees("All done.", topic)
        assert not any("All done" in shown.text for shown in gateway.chat.sees(THREAD))
        assert len([shown for shown in gateway.chat.sees(one) if "All done." in shown.text]) == 1


async def test_a_topic_that_a_person_opened_holds_a_session_and_keeps_its_name() -> None:
    """A message there begins a session as in any chat."""
    async with bench(script(call(1)), chat=forum()) as gateway:
        topic = gateway.chat.opens(THREAD, "Ideas")
        gateway.says("think", topic)
        await gateway.sees("All done.", topic)
        [session] = await gateway.sessions()
        assert (session.thread, session.room, gateway.chat.topics[topic]) == (topic, Room.NONE, "Ideas")


async def test_where_no_topic_can_be_opened_the_session_goes_on_in_the_same_thread() -> None:
    """The person is told why and what would help, and the session is there."""
    async with bench(script(call(1)), chat=forum()) as gateway:
        gateway.chat.answers.append("not enough rights to create a topic")
        gateway.says("/new usr")
        await gateway.sees("No topic could be opened for it (not enough rights to create a topic), so it goes on here")
        gateway.says("work")
        await gateway.sees("All done.")
        [session] = await gateway.sessions()
        assert (session.directory, session.thread, session.room) == ("/usr", THREAD, Room.NONE)


async def test_a_lost_answer_costs_one_more_topic_at_most_and_never_the_session() -> None:
    """It is asked once more; the second topic is the session's, and a second lost answer leaves it where it is."""
    async with bench(script(call(1)), chat=forum()) as gateway:
        gateway.chat.answers += [Delayed(1), Uncertain("no answer in time")]
        gateway.says("/new usr")
        [session] = await begun(gateway)
        assert list(gateway.chat.topics.values()) == ["usr", "usr"]
        assert session.thread == list(gateway.chat.topics)[-1]
        gateway.chat.answers += [Uncertain("no answer"), Uncertain("no answer")]
        gateway.says("/new etc")
        await gateway.sees("No topic could be opened for it (the chat gave no answer)")
        assert (await gateway.sessions())[-1].thread == THREAD


async def test_a_topic_that_was_asked_for_before_a_restart_is_opened_after_it(tmp_path: Path) -> None:
    """The session was written down first: the next gateway goes on."""
    chat = forum()
    chat.answers.append(Delayed(3_600_000))
    async with bench(script(call(1)), home=tmp_path / "home", chat=chat) as gateway:
        gateway.says("/new usr")
        await gateway.sees("Its topic is being opened")
        await chat.until(lambda: not chat.answers)
    async with bench(script(call(1)), home=tmp_path / "home", chat=chat) as gateway:
        [session] = await begun(gateway)
        assert chat.topics[session.thread] == "usr"
        gateway.says("work", session.thread)
        await gateway.sees("All done.", session.thread)


async def test_a_prompt_that_comes_before_the_topic_is_there_goes_to_the_new_session() -> None:
    """It is told of where it was written or in the topic, and runs once."""
    async with bench(script(call(1)), chat=forum()) as gateway:
        gateway.chat.answers.append(Delayed(300))
        gateway.says("/new usr")
        gateway.says("work")
        turns = await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED])
        [session] = await begun(gateway)
        assert turns[0].session_id == session.id
        assert await gateway.chat.called("usr: work") == session.thread


async def test_what_a_session_says_whose_topic_was_deleted_comes_to_the_chat_itself() -> None:
    """Its answer is not lost, the chat is told whose it is, and the session can be gone on with there."""
    lasts = anyio.Event()
    async with bench(script(call(1, lasts=lasts)), chat=forum()) as gateway:
        gateway.says("/new usr")
        topic = await gateway.chat.called("usr")
        gateway.says("Fix it", topic)
        await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.RUNNING])
        await gateway.chat.called("usr: Fix it")
        gateway.chat.deletes(topic)
        lasts.set()
        await gateway.sees("All done.")
        words = [shown.text for shown in gateway.chat.sees(THREAD)]
        told = next(n for n, text in enumerate(words) if "The topic of the session in `/usr` (Fix it) is gone" in text)
        assert told < next(n for n, text in enumerate(words) if "All done." in text)
        gateway.says("go on")
        await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
        [session] = await gateway.sessions()
        assert (session.thread, session.room) == (THREAD, Room.NONE)


async def test_a_question_whose_topic_was_deleted_is_asked_in_the_chat_itself() -> None:
    """Its buttons work there; the ones that are gone are worth nothing any more."""
    async with bench(script(call(1)), with_limits(confirm="0.01"), chat=forum()) as gateway:
        gateway.says("/new usr")
        topic = await gateway.chat.called("usr")
        gateway.says("one", topic)
        asked = await gateway.sees("one", topic)
        gateway.chat.deletes(topic)
        gateway.says("/sessions", topic)
        again = await gateway.chat.waits_for(THREAD, asked.text)
        assert [button.label for button in again.buttons] == [button.label for button in asked.buttons]
        gateway.chat.taps(again, "Run", "7")
        await gateway.ended(TurnState.FINISHED)
        stale = replace(asked, thread=THREAD, buttons=(Button("Run", asked.buttons[0].token),))
        assert await gateway.chat.told(gateway.chat.taps(stale, "Run", "7")) != ""


async def test_closing_ends_what_runs_and_closes_the_topic_and_writing_there_opens_it_again() -> None:
    """In a chat without topics of its own it says so and goes on when it is written to."""
    lasts = anyio.Event()
    async with bench(script(call(1, lasts=lasts)), chat=forum()) as gateway:
        gateway.says("/close")
        await gateway.sees("There is no session here to close.")
        gateway.says("/new usr")
        topic = await gateway.chat.called("usr")
        gateway.says("one", topic)
        await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.RUNNING])
        gateway.says("/close", topic)
        await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.STOPPED])
        await gateway.chat.until(lambda: topic in gateway.chat.shut)
        lasts.set()
        gateway.says("two", topic)
        await gateway.chat.until(lambda: topic not in gateway.chat.shut)
        await gateway.sees("All done.", topic)


async def test_a_chat_without_topics_has_its_sessions_as_before() -> None:
    """Nothing is opened and nothing is said of topics."""
    async with bench(script(call(1)), replace(RULES, directory="/usr")) as gateway:
        gateway.says("/new nowhere/..")
        await gateway.sees("There is no directory")
        gateway.says("/new /usr")
        await gateway.sees("New session with")
        gateway.says("/close")
        await gateway.sees("Closed.")
        [session] = await gateway.sessions()
        assert (session.thread, session.room) == (Thread("memory", "1"), Room.NONE)


async def test_what_is_said_in_a_closed_chat_waits_and_those_who_may_answer_hear_of_it_once() -> None:
    """The answer comes once somebody has opened it, however long that takes."""
    closed, group = Delayed(50, closed=True), Thread("memory", "-100")
    async with bench(script(call(1))) as gateway:
        gateway.chat.receipts.extend([closed, closed, closed])
        gateway.says("Fix it", group)
        alone = Thread("memory", OWNER)
        await gateway.sees("The General topic of the group `-100` is closed", alone)
        await gateway.sees("All done.", group)
        told = [shown for shown in gateway.chat.sees(alone) if "General topic" in shown.text]
        assert len(told) == 1
