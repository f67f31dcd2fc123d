"""/resume: earlier conversations of a directory, from here and from the desk; never two writers."""

import pytest

from gateway.agents.scripted import ScriptedAgent
from gateway.chats.memory import MemoryChat
from gateway.domain.place import Room
from gateway.domain.turn import TurnState
from gateway.ports import Conversation
from tests.engine.bench import OTHER, OWNER, THREAD, bench, call, script

pytestmark = pytest.mark.anyio

OLD = 1_700_000_000_000


class Remembering(ScriptedAgent):
    """Knows conversations that were had without the gateway."""

    past: tuple[Conversation, ...] = ()

    async def conversations(self, directory: str, limit: int) -> tuple[Conversation, ...]:
        return self.past[:limit] if directory == "/" else ()


def agent(*past: Conversation) -> Remembering:
    """An agent that a script plays, with these conversations."""
    made = Remembering(script(call(1)))
    made.past = past
    return made


async def test_a_conversation_from_the_desk_is_gone_on_with_by_a_button() -> None:
    """The session that is made for it has the agent's own name of it."""
    known = agent(Conversation("desk-2", "Write *docs*", OLD + 1), Conversation("desk-1", "Fix the login", OLD))
    async with known, bench(script(call(1)), agents={"scripted": known}) as gateway:
        gateway.says("/resume")
        shown = await gateway.sees("Earlier conversations here")
        assert [button.label for button in shown.buttons] == ["1 · Write *docs*", "2 · Fix the login"]
        assert "1 · 2023-11-14 22:13 · Write \\*docs\\*" in shown.text
        gateway.chat.taps(shown, "2", OWNER)
        await gateway.sees("New session with")
        [session] = await gateway.sessions()
        assert (session.agent_session, session.directory, session.title) == ("desk-1", "/", "Fix the login")
        gateway.says("go on")
        await gateway.sees(
            "does not remember this conversation"
        )  # it was asked for that one, which it only claims to have had


async def test_a_session_of_this_thread_is_gone_on_with_and_one_of_another_is_left_there() -> None:
    """The other thread is named; nothing is opened twice."""
    known = agent()
    async with known, bench(script(call(1)), agents={"scripted": known}) as gateway:
        gateway.says("first")
        await gateway.ended(TurnState.FINISHED)
        [first] = await gateway.sessions()
        gateway.says("/new .")
        await gateway.sees("New session with")
        gateway.says("/resume", OTHER)
        shown = await gateway.sees("Earlier conversations here", OTHER)
        gateway.chat.taps(shown, "1 · first", OWNER)
        await gateway.sees("is open in another chat or topic: go on with it there.", OTHER)
        gateway.says(f"/resume {first.agent_session}")
        await gateway.sees("goes on in `/`")
        gateway.says("second")
        turns = await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
        assert {turn.session_id for turn in turns} == {first.id}


async def test_what_was_written_to_a_moment_ago_and_what_is_not_there_is_refused() -> None:
    """It may be open at the desk, where nothing tells of it: one writer per conversation."""
    known = agent()
    async with known, bench(script(call(1)), agents={"scripted": known}) as gateway:
        known.past = (Conversation("fresh", "Now", gateway.world.clock.now_ms() - 1_000),)
        gateway.says("/resume fresh")
        await gateway.sees("may be open at the desk: close it there")
        gateway.says("/resume nobody")
        await gateway.sees("There is no such conversation here any more")
        gateway.says("/resume nobody /nowhere")
        await gateway.sees("There is no directory")
        known.past = ()
        gateway.says("/resume")
        await gateway.sees("There is no earlier conversation in `/`")
        assert await gateway.sessions() == []


async def test_in_a_chat_with_topics_it_gets_one_and_a_closed_one_is_opened_again() -> None:
    """The topic is named after the conversation's first words."""
    known, chat = agent(Conversation("desk-1", "Fix the login", OLD)), MemoryChat()
    chat.forums.add(THREAD.chat)
    async with known, bench(script(call(1)), agents={"scripted": known}, chat=chat) as gateway:
        gateway.says("/resume desk-1")
        topic = await chat.called("/: Fix the login")
        gateway.says("/close", topic)
        await chat.until(lambda: topic in chat.shut)
        gateway.says("/resume desk-1", topic)
        await chat.until(lambda: topic not in chat.shut)
        [session] = await gateway.steps.until(gateway.sessions, lambda found: found[0].room is Room.OPEN)
        assert session.thread == topic
