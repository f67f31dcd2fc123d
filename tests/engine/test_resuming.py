"""/resume: earlier conversations of a directory, from here and from the desk; never two writers."""

from dataclasses import replace

import pytest

from gateway.agents.scripted import ScriptedAgent
from gateway.chats.memory import MemoryChat
from gateway.domain.place import Grant, Role, Room, Thread
from gateway.domain.turn import TurnState
from gateway.ports import Conversation, Decision
from tests.engine.bench import OTHER, OWNER, RULES, THREAD, bench, call, script, with_limits

pytestmark = pytest.mark.anyio

OLD = 1_700_000_000_000
ALONE = Thread("memory", OWNER)
WRITER = "8"


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
        assert [button.label for button in shown.buttons] == [
            "1 · Write *docs*",
            "Fork 1",
            "2 · Fix the login",
            "Fork 2",
        ]
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
        gateway.says("/resume", ALONE)
        shown = await gateway.sees("Earlier conversations here", ALONE)
        gateway.chat.taps(shown, "1 · first", OWNER)
        await gateway.sees("is open in another chat or topic: go on with it there.", ALONE)
        gateway.says(f"/resume {first.agent_session}")
        await gateway.sees("goes on in `/`")
        gateway.says("second")
        turns = await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
        assert {turn.session_id for turn in turns} == {first.id}


async def test_the_words_of_another_chat_are_not_listed_and_its_session_is_not_named() -> None:
    """Attack 61: neither to somebody who may not read there, nor in a group that reads along with somebody who may."""
    known = agent()
    theirs = Thread("memory", WRITER)
    rules = replace(RULES, people=(*RULES.people, Grant(WRITER, Role.WRITER, WRITER)))
    async with known, bench(script(call(1)), rules, agents={"scripted": known}) as gateway:
        gateway.says("the salaries")
        await gateway.ended(TurnState.FINISHED)
        [session] = await gateway.sessions()
        known.past = (Conversation(session.agent_session or "", "the salaries", OLD),)
        for person, thread in ((WRITER, theirs), (OWNER, OTHER)):
            gateway.chat.says(thread, person, "/resume")
            await gateway.sees("There is no earlier conversation in `/`", thread)
            gateway.chat.says(thread, person, f"/resume {session.agent_session}")
            await gateway.sees("There is no such conversation here any more", thread)
            assert not any("salaries" in shown.text for shown in gateway.chat.sees(thread))


async def test_a_conversation_of_no_chat_takes_somebody_who_may_answer_the_agent() -> None:
    """Attack 61: what was said at the desk is in files that an agent may not read before somebody allows it: no writer can."""
    known = agent(Conversation("desk-1", "My diary", OLD))
    rules = replace(RULES, people=(*RULES.people, Grant(WRITER, Role.WRITER)))
    async with known, bench(script(call(1)), rules, agents={"scripted": known}) as gateway:
        gateway.chat.says(THREAD, WRITER, "/resume")
        await gateway.sees("There is no earlier conversation in `/`")
        gateway.chat.says(THREAD, WRITER, "/resume desk-1")
        await gateway.sees("only those who may answer an agent's questions here can take it over")
        gateway.says("/resume")
        shown = await gateway.sees("Earlier conversations here")
        gateway.chat.taps(shown, "1", WRITER)
        refused = "can take it over"
        await gateway.chat.until(lambda: sum(refused in one.text for one in gateway.chat.sees(THREAD)) == 2)
        assert await gateway.sessions() == []


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


async def test_a_session_that_is_open_in_another_thread_is_gone_on_with_as_a_copy() -> None:
    """It is refused with a button; the copy has a name and a conversation of its own, and its own account of what it spends."""
    known = agent()
    async with known, bench(script(call(1)), agents={"scripted": known}) as gateway:
        gateway.says("fix the login")
        await gateway.ended(TurnState.FINISHED)
        [first] = await gateway.sessions()
        gateway.says(f"/resume {first.agent_session}", ALONE)
        shown = await gateway.sees("is open in another chat or topic: go on with it there.", ALONE)
        gateway.chat.taps(shown, "Fork", OWNER)
        await gateway.sees("Fork of fix the login: it begins as a copy of that conversation", ALONE)
        gateway.says("and the logout", ALONE)
        turns = await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
        first, copy = await gateway.sessions()
        assert (copy.forked_from, copy.title, copy.thread) == (first.agent_session, "Fork of fix the login", ALONE)
        assert copy.agent_session not in (None, first.agent_session)
        assert [turn.session_id for turn in turns] == [first.id, copy.id]
        assert turns[0].spent == turns[1].spent


async def test_what_may_be_open_at_the_desk_is_gone_on_with_as_a_copy() -> None:
    """Nobody else writes to the copy; the conversation itself is left alone."""
    known = agent()
    async with known, bench(script(call(1)), agents={"scripted": known}) as gateway:
        known.past = (Conversation("fresh", "Now", gateway.world.clock.now_ms() - 1_000),)
        gateway.says("/resume fresh")
        await gateway.taps("may be open at the desk: close it there", "Fork")
        await gateway.sees("Fork of Now: it begins as a copy")
        [session] = await gateway.sessions()
        assert (session.forked_from, session.title) == ("fresh", "Fork of Now")
        assert session.agent_session != "fresh"


async def test_the_conversation_here_is_copied_by_a_word() -> None:
    """`/fork` alone: a copy of a copy in which nothing was said is a copy of the same; with nothing here there is nothing to copy."""
    known = agent()
    async with known, bench(script(call(1)), agents={"scripted": known}) as gateway:
        gateway.says("/fork")
        await gateway.sees("Nothing was said here yet that could be copied")
        gateway.says("first")
        await gateway.ended(TurnState.FINISHED)
        gateway.says("/fork")
        await gateway.sees("Fork of first: it begins as a copy")
        gateway.says("/fork")
        sessions = await gateway.steps.until(gateway.sessions, lambda found: len(found) == 3)
        origin = sessions[0].agent_session
        assert [session.forked_from for session in sessions] == ["", origin, origin]
        assert {session.title for session in sessions[1:]} == {"Fork of first"}
        gateway.says("/fork nobody")
        await gateway.sees("There is no such conversation here any more")


async def test_a_copy_in_which_nothing_could_run_is_still_a_copy_of_the_first() -> None:
    """A prompt that the gate refused began no conversation that another copy could begin with."""
    known = agent()
    async with known, bench(script(call(1)), agents={"scripted": known}) as gateway:
        gateway.says("first")
        await gateway.ended(TurnState.FINISHED)
        gateway.says("/fork")
        await gateway.sees("Fork of first: it begins as a copy")
        gateway.says("/stop all")
        await gateway.sees("/go")
        gateway.says("refused")
        await gateway.until(lambda turns: len(turns) == 2 and turns[1].started_at_ms is None)
        gateway.says("/fork")
        sessions = await gateway.steps.until(gateway.sessions, lambda found: len(found) == 3)
        assert [session.forked_from for session in sessions] == ["", *[sessions[0].agent_session] * 2]


async def test_a_copy_asks_as_usual_unless_who_makes_it_may_answer() -> None:
    """An approver chose for one session that less is asked: a writer takes that nowhere else."""
    known = agent()
    rules = replace(RULES, people=(*RULES.people, Grant(WRITER, Role.WRITER)))
    async with known, bench(script(call(1)), rules, agents={"scripted": known}) as gateway:
        gateway.says("first")
        await gateway.ended(TurnState.FINISHED)
        gateway.says("/mode edits")
        await gateway.steps.until(gateway.sessions, lambda found: found[0].mode == "edits")
        gateway.says("/fork")
        await gateway.steps.until(gateway.sessions, lambda found: len(found) == 2)
        [first, _] = await gateway.sessions()
        gateway.chat.says(Thread("memory", WRITER), WRITER, f"/fork {first.agent_session}")
        found = await gateway.steps.until(gateway.sessions, lambda found: len(found) == 3)
        assert [session.mode for session in found] == ["edits", "edits", ""]


async def test_nobody_copies_a_conversation_of_a_chat_that_they_may_not_write_in() -> None:
    """A copy would show them what was said there: there is no button, and the word for it is refused."""
    known = agent()
    people = (Grant(OWNER, Role.OWNER), Grant("9", Role.WRITER, OTHER.chat))
    async with known, bench(script(call(1)), with_limits(people=people), agents={"scripted": known}) as gateway:
        gateway.says("a secret")
        await gateway.ended(TurnState.FINISHED)
        [first] = await gateway.sessions()
        gateway.chat.says(OTHER, "9", f"/resume {first.agent_session}")
        gateway.chat.says(OTHER, "9", f"/fork {first.agent_session}")
        refused = "There is no such conversation here any more"
        await gateway.chat.until(lambda: sum(refused in one.text for one in gateway.chat.sees(OTHER)) == 2)
        assert len(await gateway.sessions()) == 1


async def test_an_agent_that_makes_no_copies_offers_none() -> None:
    """What is open elsewhere is refused, as it is."""
    known = agent(Conversation("desk-1", "Fix the login", OLD))
    known.traits = replace(known.traits, forks=False)
    async with known, bench(script(call(1)), agents={"scripted": known}) as gateway:
        gateway.says("/resume")
        assert len((await gateway.sees("Earlier conversations here")).buttons) == 1
        gateway.says("/fork desk-1")
        await gateway.sees("This agent cannot go on with a copy of a conversation.")
        gateway.says("first")
        await gateway.ended(TurnState.FINISHED)
        gateway.says("/fork")
        await gateway.until(lambda turns: len(turns) == 1)
        [first] = await gateway.sessions()
        gateway.says(f"/resume {first.agent_session}", ALONE)
        assert (await gateway.sees("is open in another chat or topic", ALONE)).buttons == ()


@pytest.mark.parametrize("at_ms", [253_402_300_800_000, 10**18, -(10**18)])
async def test_a_conversation_with_an_impossible_time_is_listed_all_the_same(at_ms: int) -> None:
    """What lies in an agent's directory may say anything: it ends no gateway."""
    known = agent(Conversation("desk-1", "From the future", at_ms))
    async with known, bench(script(call(1)), agents={"scripted": known}) as gateway:
        gateway.says("/resume")
        assert "From the future" in (await gateway.sees("Earlier conversations here")).text


async def test_a_forgotten_conversation_is_neither_listed_nor_taken_up() -> None:
    """Its transcript may still lie with the agent; once somebody went on with it at the desk it is one like any other."""
    known = agent(Conversation("desk-1", "My secret", OLD), Conversation("desk-2", "Fix the login", OLD))
    async with known, bench(script(call(1)), agents={"scripted": known}) as gateway:
        gateway.says("/resume desk-1")
        await gateway.sees("New session with")
        [session] = await gateway.sessions()
        await gateway.world.commit(lambda _view: Decision(None, forgotten=session.id))
        gateway.says("/resume")
        shown = await gateway.sees("Earlier conversations here")
        assert [button.label for button in shown.buttons] == ["1 · Fix the login", "Fork 1"]
        gateway.says("/resume desk-1")
        await gateway.sees("There is no such conversation here any more")
        again = replace(session, id="s_again")
        await gateway.world.commit(lambda _view: Decision(None, put=(again,)))
        await gateway.begins_anew()
        gateway.says("/resume")
        await gateway.sees("My secret")
