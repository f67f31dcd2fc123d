"""Several prompts, sessions and processes through the real client: what waits, what is closed, what is asked."""

from pathlib import Path

import anyio
import pytest

from gateway.agents.supervise import is_alive
from gateway.domain.money import ZERO
from gateway.domain.turn import TurnState
from tests.fakes.bot_api import BotApi
from tests.fakes.messages_api import MessagesApi
from tests.fakes.messages_script import Hold, Text, Tool
from tests.journeys.rig import OWNER, Rig, owners, rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]

UNKNOWN = "claude-nobody-1-20990101"
DONE = TurnState.FINISHED


async def processes(gateway: Rig, count: int) -> None:
    """Wait until so many clients are known to live."""
    await gateway.steps.until(gateway.store.processes, lambda found: len(found) == count)


async def test_an_unpriced_model_asks_and_its_tokens_are_kept(tmp_path: Path) -> None:
    """Nobody knows the price: the turn asks before it spends more, a yes lets it go on, and the tokens stand in the ledger."""
    async with rig(tmp_path, model=UNKNOWN) as gateway:
        gateway.api.script([Tool("Bash", {"command": "ls"}), Text("Done with it.")])
        gateway.phone.says("go")
        asked = await gateway.sees("is not known")
        assert gateway.api.charges == []
        gateway.phone.taps("Run, price unknown", asked.message_id)
        shown = await gateway.sees("Done with it.")
        turn = await gateway.ended(DONE)
        assert (turn.calls, turn.unpriced_calls, turn.spent) == (2, 2, ZERO)
        assert "2 calls of unknown price" in shown.text
        await gateway.exact()


async def test_prompts_sent_while_it_works_run_in_order_and_once(tmp_path: Path) -> None:
    """Three messages in a row are three turns, one after the other, in one conversation."""
    async with rig(tmp_path) as gateway:
        hold = Hold()
        gateway.api.script([(hold, Text("first answer"))], prompt="one")
        gateway.phone.says("one")
        await anyio.to_thread.run_sync(hold.wait_reached)
        gateway.phone.says("two")
        gateway.phone.says("three")
        await gateway.sees("Queued as number 2")
        assert len(gateway.api.charges) == 1
        hold.release()
        turns = await gateway.until(lambda turns: [t.state for t in turns] == [DONE] * 3)
        assert [turn.prompt for turn in turns] == ["one", "two", "three"]
        assert [charge.request.prompt for charge in gateway.api.charges] == ["one", "two", "three"]
        assert len({charge.session_id for charge in gateway.api.charges}) == 1
        await gateway.exact()


async def test_stop_all_ends_what_runs_everywhere_and_nothing_starts_until_go(tmp_path: Path) -> None:
    """Two people's turns stop in mid-stream, the next prompt is refused without a call, and after /go prompts run again."""
    with MessagesApi() as api, BotApi() as telegram:
        ada, bob = telegram.user(OWNER, "Ada"), telegram.user(4712, "Bob")
        holds = Hold(), Hold()
        for name, hold in zip(("one", "two"), holds, strict=True):
            api.script([(Text("It "), hold)], prompt=name)
        async with rig(tmp_path, api, telegram, ada, people=owners(ada, bob)) as gateway:
            ada.says("one")
            bob.says("two")
            for hold in holds:
                await anyio.to_thread.run_sync(hold.wait_reached)
            ada.says("/stop all")
            await gateway.until(lambda turns: [t.state for t in turns] == [TurnState.STOPPED] * 2)
            bob.says("three")
            await bob.waits_for("Not run: Everything is stopped", timeout=40)
            assert len(api.charges) == 2
            ada.says("/go")
            await gateway.sees("may start again")
            bob.says("four")
            await bob.waits_for("echo: four", timeout=40)
            assert len(api.charges) == 3


async def test_an_idle_client_is_closed_and_the_conversation_goes_on_when_it_is_wanted(tmp_path: Path) -> None:
    """After the idle time its process ends; the next prompt resumes the same conversation."""
    async with rig(tmp_path, idle_ms=300) as gateway:
        gateway.phone.says("one")
        await gateway.ended(DONE)
        await processes(gateway, 0)
        gateway.phone.says("two")
        await gateway.sees("echo: two")
        await gateway.until(lambda turns: [t.state for t in turns] == [DONE] * 2)
        assert gateway.api.charges[-1].prompts[-2:] == ("one", "two")
        await gateway.exact()


async def test_with_one_process_allowed_two_chats_take_turns(tmp_path: Path) -> None:
    """The second person's prompt waits for room, is told nothing false, and runs as soon as the first is done."""
    with MessagesApi() as api, BotApi() as telegram:
        ada, bob = telegram.user(OWNER, "Ada"), telegram.user(4712, "Bob")
        hold = Hold()
        api.script([(hold, Text("for Ada"))], prompt="one")
        async with rig(tmp_path, api, telegram, ada, processes_max=1, people=owners(ada, bob)) as gateway:
            ada.says("one")
            await anyio.to_thread.run_sync(hold.wait_reached)
            bob.says("two")
            await gateway.until(lambda turns: [t.state for t in turns] == [TurnState.RUNNING, TurnState.HELD])
            assert len(await gateway.store.processes()) == 1
            hold.release()
            await bob.waits_for("echo: two", timeout=40)
            ada.says("three")
            await gateway.sees("echo: three")
            await gateway.until(lambda turns: [t.state for t in turns] == [DONE] * 3)
            assert len(await gateway.store.processes()) == 1
            assert not any("two" in seen.text for seen in ada.sees())
            await gateway.exact()


async def test_a_client_with_background_tasks_is_neither_closed_when_idle_nor_to_make_room(tmp_path: Path) -> None:
    """A shell that runs on behind an ended turn would die with its process: it is left alone, and the other chat waits."""
    server = Tool("Bash", {"command": "sleep 30", "run_in_background": True})
    with MessagesApi() as api, BotApi() as telegram:
        ada, bob = telegram.user(OWNER, "Ada"), telegram.user(4712, "Bob")
        api.script([server, Text("It runs.")], prompt="serve")
        limits = {"processes_max": 1, "idle_ms": 300, "people": owners(ada, bob)}
        async with rig(tmp_path, api, telegram, ada, **limits) as gateway:
            ada.says("serve")
            await gateway.sees("It runs.")
            await gateway.ended(DONE)
            bob.says("two")
            await gateway.until(lambda turns: turns[-1].state is TurnState.HELD)
            await anyio.sleep(1.2)  # more than two of the engine's ticks, and four idle times
            assert (await gateway.turns())[-1].state is TurnState.HELD
            [process] = await gateway.store.processes()
            assert is_alive(process)
            ada.says("/stop")
            await gateway.sees("No turn is running.")
            await gateway.sees("What ran in the background was stopped.")
            await bob.waits_for("echo: two", timeout=40)
            assert not is_alive(process)


async def test_new_sessions_start_only_under_the_roots(tmp_path: Path) -> None:
    """`/new` refuses what lies outside, however it is written, and what is no directory; inside it starts there."""
    (tmp_path / "work" / "inside").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "work" / "link").symlink_to(tmp_path / "outside")
    async with rig(tmp_path) as gateway:
        for refused in ("/", "..", "../outside", str(tmp_path / "outside"), "link", "inside/../../outside", "~"):
            gateway.phone.says(f"/new {refused}")
        await gateway.until_said("is not inside", 7)
        gateway.phone.says("/new nowhere")
        await gateway.sees("There is no directory")
        assert await gateway.sessions() == []
        gateway.phone.says("/new inside")
        await gateway.sees("New session")
        gateway.phone.says("where?")
        await gateway.sees("echo: where?")
        [session] = await gateway.sessions()
        assert session.directory == str(tmp_path / "work" / "inside")
        await gateway.ended(DONE)


def writes(directory: Path, *names: str) -> list[Tool]:
    """Tools that ask before they write."""
    return [Tool("Write", {"file_path": str(directory / name), "content": name}) for name in names]


async def test_stop_while_a_permission_is_asked_ends_the_turn_and_the_question(tmp_path: Path) -> None:
    """/stop instead of an answer: the tool never runs, the question closes, a late tap does nothing, the next prompt runs."""
    async with rig(tmp_path) as gateway:
        gateway.api.script([*writes(tmp_path / "work", "a.txt"), Text("Written.")], prompt="write")
        gateway.phone.says("write")
        asked = await gateway.sees("wants to run")
        allow = asked.buttons[0].data
        gateway.phone.says("/stop")
        await gateway.ended(TurnState.STOPPED)
        await gateway.phone.waits_for(lambda seen: seen.message_id == asked.message_id and not seen.buttons)
        assert allow is not None
        answer = await gateway.phone.waits_for_answer(gateway.phone.taps(allow, asked.message_id, stale=True))
        assert answer.text == "This has expired."
        gateway.phone.says("still there?")
        await gateway.sees("echo: still there?")
        await gateway.ended(DONE)
        assert not (tmp_path / "work" / "a.txt").exists()
        await gateway.exact()


async def test_allow_for_this_session_is_asked_once(tmp_path: Path) -> None:
    """After "Allow for this session" the same kind of tool is not asked again, and nothing is written into the project."""
    async with rig(tmp_path) as gateway:
        gateway.api.script([*writes(tmp_path / "work", "a.txt", "b.txt"), Text("Both.")], prompt="write")
        gateway.phone.says("write")
        await gateway.taps("wants to run", "Allow for this session")
        await gateway.sees("Both.")
        await gateway.ended(DONE)
        assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["a.txt", "b.txt"]
        assert sum("wants to run" in seen.text for seen in gateway.phone.sees()) == 1
        await gateway.exact()


async def test_a_question_of_the_agent_is_answered_with_a_button(tmp_path: Path) -> None:
    """The choices are buttons; the one that is tapped is what the agent reads."""
    options = [{"label": "Blue", "description": "like the sky"}, {"label": "Red", "description": "like fire"}]
    question = {"question": "Which colour?", "header": "Colour", "options": options, "multiSelect": False}
    async with rig(tmp_path) as gateway:
        gateway.api.script([Tool("AskUserQuestion", {"questions": [question]}), Text("As you like.")], prompt="paint")
        gateway.phone.says("paint")
        asked = await gateway.sees("Which colour?")
        assert [button.text for button in asked.buttons][:2] == ["Blue", "Red"]
        gateway.phone.taps("Red", asked.message_id)
        await gateway.sees("As you like.")
        await gateway.ended(DONE)
        assert "Red" in str(gateway.api.charges[-1].request.body["messages"][-1])
        await gateway.exact()
