"""A message over real HTTP to the real Claude Code and back, with every token of it in the ledger."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from gateway.domain.money import ZERO
from gateway.domain.turn import TurnState
from gateway.domain.usage import Flag
from tests.fakes.bot_api import BotApi
from tests.fakes.messages_api import MessagesApi
from tests.fakes.messages_script import Charged, Counts, Error, Hold, Text, Tool
from tests.journeys.rig import OWNER, as_counts, rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]


async def test_plain_text_comes_back_and_is_booked_exactly(tmp_path: Path) -> None:
    """A prompt is answered in the chat, and the ledger equals the API's own count class by class."""
    async with rig(tmp_path) as gateway:
        gateway.api.script([Text("It is a toll bridge.")], prompt="What is it?")
        gateway.phone.says("What is it?")
        await gateway.sees("It is a toll bridge.")
        await gateway.ended(TurnState.FINISHED)
        await gateway.exact()


async def test_a_tool_waits_for_the_tap_and_every_call_is_booked(tmp_path: Path) -> None:
    """The permission is asked in the chat; after "Allow" the tool runs, and both calls are in the ledger."""
    async with rig(tmp_path) as gateway:
        target = tmp_path / "work" / "made.txt"
        write = Tool("Write", {"file_path": str(target), "content": "hello"})
        gateway.api.script([write, Text("Written.")], prompt="Write it")
        gateway.phone.says("Write it")
        await gateway.taps("wants to run", "Allow")
        await gateway.sees("Written.")
        await gateway.sees("Allowed.")
        await gateway.ended(TurnState.FINISHED)
        assert target.read_text() == "hello"
        await gateway.exact()


SUB = Tool("Agent", {"description": "look", "prompt": "Look around", "subagent_type": "general-purpose"})


async def test_a_sub_agents_calls_are_charged_to_its_session(tmp_path: Path) -> None:
    """A foreground sub-agent with a tool of its own: main and sub calls are all in the ledger, exactly."""
    async with rig(tmp_path) as gateway:
        foreground = Tool("Agent", {**SUB.input, "run_in_background": False})
        gateway.api.script([foreground, Text("Looked.")], prompt="Look")
        gateway.api.script([Tool("Bash", {"command": "ls"}), Text("nothing here")], kind="sub")
        gateway.phone.says("Look")
        await gateway.sees("Looked.")
        turn = await gateway.ended(TurnState.FINISHED)
        assert turn.calls == 4
        await gateway.exact()


async def test_an_interrupt_in_mid_stream_keeps_what_was_charged(tmp_path: Path) -> None:
    """/stop while the answer streams: stopped, and what the API had reported is in the ledger, flagged as a lower bound."""
    async with rig(tmp_path) as gateway:
        hold = Hold()
        gateway.api.script([[Text("Once upon a time "), hold]], prompt="story")
        gateway.phone.says("Tell a story")
        await anyio.to_thread.run_sync(hold.wait_reached)
        gateway.phone.says("/stop")
        turn = await gateway.ended(TurnState.STOPPED)
        hold.release()
        charged = gateway.api.total()
        booked = as_counts(turn.tokens)
        assert replace(booked, output=0) == replace(charged, output=0)
        assert booked.output >= charged.output
        assert Flag.LOWER_BOUND in turn.flags


async def test_an_api_error_is_told_apart_from_success(tmp_path: Path) -> None:
    """The API refuses: the turn failed, says so in the chat, and cost nothing."""
    async with rig(tmp_path) as gateway:
        gateway.api.script([Error(402, "billing_error", "Credit balance is too low")], prompt="hello", repeat=True)
        gateway.phone.says("hello")
        await gateway.sees("Credit balance is too low")
        turn = await gateway.ended(TurnState.FAILED)
        assert turn.spent == ZERO
        await gateway.exact()


async def test_a_session_is_resumed_after_a_restart_of_the_gateway(tmp_path: Path) -> None:
    """The second gateway goes on in the same conversation, and the ledger of both is exact."""
    with MessagesApi() as api, BotApi() as telegram:
        phone = telegram.user(OWNER, "Ada")
        api.script([Text("Nice to meet you, Ada.")], prompt="I am Ada")
        api.script([Text("You are Ada.")], prompt="Who am I?")
        async with rig(tmp_path, api, telegram, phone) as gateway:
            phone.says("I am Ada")
            await gateway.sees("Nice to meet you")
            await gateway.ended(TurnState.FINISHED)
        async with rig(tmp_path, api, telegram, phone) as gateway:
            phone.says("Who am I?")
            await gateway.sees("You are Ada.")
            await gateway.until(lambda turns: [t.state for t in turns] == [TurnState.FINISHED] * 2)
            assert api.prompts_seen()["I am Ada"].in_conversation == 1
            assert len({call.session_id for call in api.charges}) == 1
            await gateway.exact()


async def test_a_compaction_is_in_the_ledger(tmp_path: Path) -> None:
    """/compact makes a call that no stream shows: it is booked from the client's own total."""
    async with rig(tmp_path) as gateway:
        gateway.phone.says("first")
        await gateway.until(lambda turns: [t.state for t in turns] == [TurnState.FINISHED])
        gateway.phone.says("//compact")
        await gateway.until(lambda turns: [t.state for t in turns] == [TurnState.FINISHED] * 2)
        await gateway.exact()


async def test_a_run_above_the_threshold_makes_no_call_before_the_tap(tmp_path: Path) -> None:
    """Nothing reaches the API before the yes; after it exactly one turn's calls."""
    async with rig(tmp_path, confirm="0.10") as gateway:
        gateway.phone.says("hello")
        await gateway.sees("enough history")
        assert gateway.api.charges == []
        await gateway.taps("enough history", "Run, up to $0.50")
        await gateway.ended(TurnState.FINISHED)
        assert len(gateway.api.charges) == 1
        await gateway.exact()


async def test_the_cheaper_model_runs_on_the_same_client_and_a_command_leads_back(tmp_path: Path) -> None:
    """The button switches the live client without a call of its own; `//model` switches back, and the session follows."""
    async with rig(tmp_path, confirm="1", cheaper_model="claude-haiku-4-5") as gateway:
        gateway.api.script([[Charged(Counts(input=9, cache_read=150_000, output=9)), Text("Read.")]], prompt="Read")
        gateway.phone.says("Read it all")
        await gateway.ended(TurnState.FINISHED)
        [usual] = {call.request.model for call in gateway.api.charges}
        now_ms = gateway.world.clock.now_ms
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: now_ms() + 2 * 3_600_000)
        gateway.telegram.advance(2 * 3600)
        gateway.phone.says("Sum it up")
        asked = await gateway.sees("Sum it up")
        gateway.phone.taps(next(b.text for b in asked.buttons if b.text.startswith("Use claude-haiku-4-5, up to $0.")))
        await gateway.sees("This session goes on with claude-haiku-4-5.")
        turns = await gateway.until(lambda turns: [t.state for t in turns] == [TurnState.FINISHED] * 2)
        [session] = await gateway.sessions()
        assert turns[1].model == session.model == "claude-haiku-4-5"
        assert [call.request.model for call in gateway.api.charges] == [usual, "claude-haiku-4-5"]
        assert gateway.steps.passed.count("client.started") == 1
        gateway.phone.says("//model opus")
        await gateway.until(lambda turns: [t.state for t in turns] == [TurnState.FINISHED] * 3)
        gateway.phone.says("And now?")
        await gateway.until(lambda turns: [t.state for t in turns] == [TurnState.FINISHED] * 4)
        [session] = await gateway.sessions()
        assert gateway.api.charges[-1].request.model == session.model == usual
        await gateway.exact()


async def test_no_makes_no_call(tmp_path: Path) -> None:
    """After "No" the API has seen nothing."""
    async with rig(tmp_path, confirm="0.10") as gateway:
        gateway.phone.says("hello")
        await gateway.taps("enough history", "No")
        await gateway.ended(TurnState.REFUSED)
        assert gateway.api.charges == []


async def test_at_the_limit_no_call_is_made_until_it_is_raised(tmp_path: Path) -> None:
    """A turn of six calls with a budget for about two: paused, no call while asked, all six after the raise."""
    async with rig(tmp_path, session="0.0001", step="0.00005", confirm="0.00009") as gateway:
        ls = Tool("Bash", {"command": "ls"})
        gateway.api.script([ls, ls, ls, ls, ls, Text("Six calls.")], prompt="go")
        gateway.phone.says("go")
        await gateway.sees("Paused:")
        paused_at = len(gateway.api.charges)
        await anyio.sleep(1.0)  # the promise is about time passing: nothing may happen in it
        assert len(gateway.api.charges) == paused_at < 6
        gateway.phone.taps(next(b.text for b in (await gateway.sees("Paused:")).buttons if b.text.startswith("Raise")))
        await gateway.sees("Six calls.")
        await gateway.ended(TurnState.FINISHED)
        assert len(gateway.api.charges) == 6
        await gateway.exact()


async def test_two_updates_with_one_id_are_one_run(tmp_path: Path) -> None:
    """Telegram delivers an update twice: the prompt runs once."""
    async with rig(tmp_path) as gateway:
        update = gateway.phone.says("hello")
        await gateway.ended(TurnState.FINISHED)
        gateway.telegram.push_raw({"update_id": 1, "message": {}})
        assert update is not None
        assert len(gateway.api.charges) == 1


async def test_an_agent_is_kept_out_of_the_gateways_own_directory(tmp_path: Path) -> None:
    """Rule 5, attack 44: reading the ledger by a command or a file tool is denied without asking; the agent goes on."""
    async with rig(tmp_path) as gateway:
        database = tmp_path / "home" / "tollbridge.db"
        by_shell = Tool("Bash", {"command": f"cp {database} stolen.db"})
        secret = tmp_path / "home" / "config.toml"
        secret.write_text("[telegram]\ntoken = 1")
        by_file = Tool("Read", {"file_path": str(secret)})
        gateway.api.script([by_shell, by_file, Text("I may not.")], prompt="steal")
        gateway.phone.says("steal it")
        await gateway.sees("I may not.")
        await gateway.ended(TurnState.FINISHED)
        assert not (tmp_path / "work" / "stolen.db").exists()
        refusals = [str(call.request.body).count("the gateway's own directory") for call in gateway.api.charges]
        assert refusals == [0, 1, 2]
        await gateway.exact()
