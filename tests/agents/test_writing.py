"""What the main loop is writing: pieced together, told at a pace, never more than a hint, and nothing that is counted."""

import json
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.agents.claude import reading, wire
from gateway.agents.claude.partial import CHARACTERS_MAX, Partial
from gateway.agents.claude.telling import Telling
from gateway.agents.claude.translate import Translator
from gateway.agents.scripted import Say, Script, ScriptedAgent, Write
from gateway.domain.events import CallMetered, Finished, Said, Writing
from gateway.ports import Launch
from tests.agents.claude_rig import claude_rig, until
from tests.agents.contract import U1, at_work, metered
from tests.agents.test_claude_client import api_total, reported
from tests.fakes.claude_binary import MISSING, find_claude
from tests.fakes.messages_api import Hold, Text, Thinking, Tool

pytestmark = pytest.mark.anyio


def piece(text: object, index: object = 0, **more: object) -> bytes:
    """A line of the client with more of a text block."""
    event = {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}
    line = {"type": "stream_event", "event": event, "parent_tool_use_id": None} | more
    return json.dumps(line, separators=(",", ":")).encode()


def test_pieces_of_a_block_are_put_together_and_told_once() -> None:
    """A call that begins is news too; another block begins anew, and a whole one is no partial one any more."""
    partial = Partial()
    assert partial.take() is None
    partial.begin()
    assert partial.take() == ""
    partial.write(0, "It ")
    partial.write(0, "is")
    assert partial.take() == "It is"
    assert partial.take() is None
    partial.write(1, "Now")
    assert partial.take() == "Now"
    partial.write(1, " this")
    partial.end()
    assert partial.take() is None


def test_of_a_block_without_end_the_end_is_kept() -> None:
    """Whatever a client writes, there is a limit to what is remembered of it; half a character is none."""
    partial = Partial()
    for _ in range(30):
        partial.write(0, "x" * 9_000)
    partial.write(0, "y" * (CHARACTERS_MAX + 5))
    partial.write(0, "the end\ud83d")
    told = partial.take()
    assert told is not None
    assert len(told) <= CHARACTERS_MAX
    assert told.endswith("the end\N{REPLACEMENT CHARACTER}")


def test_a_piece_of_a_sub_agent_is_not_what_the_main_loop_writes() -> None:
    """Only the main loop's words are for the person."""
    translator = Translator("s")
    assert translator.feed(reading.parse(piece("inside", parent_tool_use_id="toolu_1"))) == []
    assert translator.partial.take() is None
    assert translator.feed(reading.parse(piece("for you"))) == []
    assert translator.partial.take() == "for you"


@pytest.mark.parametrize("odd", [piece(7), piece("x", "y"), piece(None), piece("x")[:-4], piece("[" * 99)])
def test_a_piece_that_cannot_be_read_makes_no_figure_a_lower_bound(odd: bytes) -> None:
    """It tells nothing of what was used, so that nothing is missing without it."""
    line = reading.parse(odd)
    assert isinstance(line, wire.Unknown | wire.Written)
    assert Translator("s").feed(line) == []


@given(st.lists(st.text("ab \n*`", max_size=20), max_size=20))
def test_whatever_is_written_is_never_booked(pieces: list[str]) -> None:
    """Pieces bring no events: what is metered is the same with them and without."""
    translator = Translator("s")
    assert [translator.feed(reading.parse(piece(text))) for text in pieces] == [[] for _ in pieces]
    assert (translator.partial.take() or "") == "".join(pieces)


def test_of_several_partial_texts_that_nobody_has_read_the_last_one_waits() -> None:
    """A reader who is slow finds the newest, and everything else in its order."""
    telling = Telling(anyio.Event())
    telling.tell([Said("a"), Writing("b")])
    telling.tell([Writing("bc")])
    telling.tell([Said("bcd"), Writing("e")])
    assert list(telling.waiting) == [Said("a"), Writing("bc"), Said("bcd"), Writing("e")]


async def test_the_scripted_agent_writes_before_it_says() -> None:
    """What it writes is in no transcript: after a crash it is not told again."""
    async with ScriptedAgent(Script((Write("It"), Write("It is"), Say("It is.")))) as agent:
        launch = Launch("s_1", "/")
        async with at_work(agent, launch) as (client, seen):
            await client.prompt(U1, "hi")
            await seen.finished()
            written = [event.text for event in seen.of(Writing) if isinstance(event, Writing)]
            found = await agent.recover(Launch("s_1", "/", client.agent_session), None, U1)
    assert written == ["It", "It is"]
    assert found.prompt_known
    assert not any(isinstance(event, Writing) for event in found.events)


@pytest.mark.claude
@pytest.mark.skipif(find_claude() is None, reason=MISSING)
async def test_the_real_client_tells_what_it_writes_and_is_metered_as_without(tmp_path: Path) -> None:
    """It thinks, writes, uses a tool and writes again: partial texts that grow, each Said once, every token as it was charged."""
    hold, last = Hold(), Hold()
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        first = Text("I shall look at it.", ((8, hold),))
        rig.plan([Thinking("hm"), first, Tool("Bash", {"command": "echo a"})], Text("It is the cache.", ((9, last),)))
        await client.prompt(U1, "hi")
        for stop, words in ((hold, "I shall "), (last, "It is the")):
            await anyio.to_thread.run_sync(stop.wait_reached)
            await until(lambda words=words: Writing(words) in seen.seen)
            stop.release()
        await seen.finished()
        said = [event.text for event in seen.of(Said) if isinstance(event, Said)]
        assert said == ["I shall look at it.", "It is the cache."]
        order = [event for event in seen.seen if isinstance(event, Writing | Said | Finished | CallMetered)]
        assert order.index(Writing("I shall ")) < order.index(Said("I shall look at it."))
        assert not any(isinstance(event, Writing) for event in order[order.index(Said("It is the cache.")) :])
        assert len(seen.calls) == 2
        assert metered(seen.calls) == reported(seen) == api_total(rig), rig.api
