"""An answer while it is written: drafts that are gone when it comes, and the status message where there are none."""

import anyio
import pytest

from gateway.agents.scripted import AskPerson, Say, Script, UseTool, Wait, Write
from gateway.chats.memory import MemoryChat
from gateway.core.progress import draft_id
from gateway.domain.events import Message
from gateway.domain.turn import TurnState
from tests.engine.bench import OWNER, THREAD, bench, call

pytestmark = pytest.mark.anyio


async def test_what_is_written_is_shown_as_drafts_until_the_answer_comes() -> None:
    """Under one number for the whole turn, with all that is written so far; the answer itself is a message that rings."""
    more, done = anyio.Event(), anyio.Event()
    script = Script((call(1), Write("It is", more), Write("It is the **cache**", done), Say("It is the **cache**.")))
    async with bench(script) as gateway:
        gateway.says("Why is it slow?")
        assert await gateway.chat.draws("It is") == "It is"
        status = await gateway.sees("Now: writing")
        more.set()
        assert await gateway.chat.draws("cache") == "It is the **cache**"
        done.set()
        answer = await gateway.sees("It is the **cache**.")
        turn = await gateway.ended(TurnState.FINISHED)
        assert {(thread, number) for thread, number, _ in gateway.chat.drafts} == {(THREAD, draft_id(turn.id))}
        assert answer.rang
        assert not status.rang
        assert not any("It is" in shown.text for shown in gateway.chat.sees(THREAD) if shown != answer)


async def test_a_chat_without_drafts_shows_what_is_written_in_the_status_message() -> None:
    """By edits of the message that is there, and not as a message of its own."""
    done = anyio.Event()
    chat = MemoryChat()
    chat.has_drafts = False
    script = Script((call(1), Write("It is the cache: `lru", done), Say("It is the cache.")))
    async with bench(script, chat=chat) as gateway:
        gateway.says("Why is it slow?")
        status = await gateway.sees("It is the cache: `lru`")
        assert status.text.startswith("Now: writing")
        assert status.edits > 0
        assert [button.label for button in status.buttons] == ["Stop"]
        done.set()
        await gateway.ended(TurnState.FINISHED)
        ended = await gateway.sees("Done")
        assert ended.message_id == status.message_id
        assert "cache" not in ended.text
        assert chat.drafts == []


async def test_no_draft_goes_out_once_the_answer_is_there() -> None:
    """One that is on its way is waited for a moment before the answer is put into the outbox, and never sent after it."""
    hold, done = anyio.Event(), anyio.Event()
    chat = MemoryChat()
    chat.draft_hold = hold
    script = Script((call(1), Write("It is", done), Say("It is the cache.")))
    async with bench(script, chat=chat) as gateway:
        gateway.says("Why is it slow?")
        await gateway.sees("Now: writing")
        with anyio.fail_after(30):
            await chat.draft_begun.wait()
        done.set()
        await gateway.ended(TurnState.FINISHED)
        hold.set()
        await gateway.sees("$0.01 · 400 tokens")
        await anyio.wait_all_tasks_blocked()
        assert chat.drafts == []


async def test_a_draft_that_hangs_holds_up_nothing_else() -> None:
    """Messages, edits and other people's answers go on; the run's own end waits two seconds at most."""
    chat = MemoryChat()
    chat.draft_hold = anyio.Event()
    script = Script((call(1), Write("It is"), AskPerson("Which one?", ("a", "b")), Say("It is {answer}.")))
    async with bench(script, chat=chat) as gateway:
        gateway.says("Why is it slow?")
        question = await gateway.sees("Which one?")
        assert question.rang
        await gateway.sees("Waits for your answer to the question below.")
        await gateway.taps("Which one?", "a")
        with anyio.fail_after(30):
            await gateway.sees("It is a.")


async def test_a_press_on_the_drafts_own_stop_button_stops_its_turn() -> None:
    """As the command for that turn; what was to be read of the answer stays, as what was cut off."""
    script = Script((call(1), Write("It is the", anyio.Event()), Say("never said")))
    async with bench(script) as gateway:
        gateway.says("Why is it slow?")
        await gateway.chat.draws("It is the")
        number = gateway.chat.drafts[0][1]
        gateway.chat.post(Message(THREAD, OWNER, f"/stop draft {number + 1}", ("stop", f"draft {number + 1}")))
        await gateway.sees("No turn is running.")
        gateway.chat.post(Message(THREAD, OWNER, f"/stop draft {number}", ("stop", f"draft {number}")))
        await gateway.ended(TurnState.STOPPED)
        cut = await gateway.sees("(Cut off here.)")
        assert "It is the" in cut.text


async def test_only_questions_and_ends_ring() -> None:
    """Progress, what is queued and answers to commands are quiet."""
    go = anyio.Event()
    script = Script((call(1), UseTool("Bash", "pytest"), Wait(go), AskPerson("Which one?", ("a",)), Say("All done.")))
    async with bench(script) as gateway:
        gateway.says("Look")
        await gateway.sees("Now: Bash pytest")
        gateway.says("And then?")
        await gateway.sees("Queued")
        gateway.says("/budget")
        await gateway.sees("You are asked above")
        go.set()
        await gateway.taps("Which one?", "a")
        await gateway.sees("All done.")
        rang = [shown.text for shown in gateway.chat.sees(THREAD) if shown.rang]
        assert all("Which one?" in text or "All done." in text for text in rang)
        assert any("Which one?" in text for text in rang)
        assert any("All done." in text for text in rang)


async def test_a_turn_that_does_not_run_rings_as_any_other_end() -> None:
    """It may have waited for long before it was refused."""
    async with bench(Script((call(1), Say("never said")))) as gateway:
        gateway.says("/stop all")
        await gateway.sees("/go")
        gateway.says("Look")
        refused = await gateway.sees("Not run: ")
        assert refused.rang


async def test_the_status_counts_on_while_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also without any news, at the pace that is set for that."""
    monkeypatch.setattr("gateway.core.progress.QUIET_MS", 500)
    script = Script((call(1), UseTool("Bash", "make", lasts=anyio.Event())))
    async with bench(script) as gateway:
        gateway.says("Build it")
        first = await gateway.sees("Now: Bash make")
        await gateway.until(lambda _: gateway.chat.messages[first.message_id].edits >= first.edits + 2)
        later = gateway.chat.messages[first.message_id].text.splitlines()
        assert later[0].startswith("Now: Bash make · ")
        assert later[0] != first.text.splitlines()[0]
        assert later[-1] == "▰▱▱▱▱▱▱▱▱▱ $0.01 of $1.00 for this turn"
