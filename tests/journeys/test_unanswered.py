"""What nobody answers, and what nobody asked for: no call is made, nothing is lost, and a later yes still counts."""

from pathlib import Path

import anyio
import pytest

from gateway.domain.budget import Entry, EntryKind
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import Origin, TurnState
from gateway.ports import Decision
from tests.fakes.bot_api import BotApi
from tests.fakes.messages_api import MessagesApi
from tests.fakes.messages_script import Hold, Text, Tool
from tests.journeys.overshoot import raise_it
from tests.journeys.rig import OWNER, Rig, rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]

LS = Tool("Bash", {"command": "ls"})
BACKGROUND = Tool(
    "Agent",
    {"description": "look", "prompt": "Look", "subagent_type": "general-purpose", "run_in_background": True},
)
BY_ITSELF = "The agent goes on by itself"


async def let_go(gateway: Rig) -> int:
    """Run into the limit and wait until the agent was let go; the calls made so far."""
    gateway.api.script([LS, LS, LS, LS, LS, Text("Six calls.")])
    gateway.phone.says("go")
    await gateway.sees("The agent does not wait any more")
    turn = await gateway.ended(TurnState.PAUSED)
    assert (turn.held_left, (await gateway.balance()).held) == (ZERO, ZERO)
    assert len(gateway.api.charges) == turn.calls == 1
    return turn.calls


async def went_on(gateway: Rig) -> None:
    """After the raise the same turn went on in the same conversation, and every call of it is booked."""
    await raise_it(gateway)
    await gateway.sees("Six calls.")
    turn = await gateway.ended(TurnState.FINISHED)
    assert len(await gateway.turns()) == 1
    assert turn.calls == len(gateway.api.charges) == 6
    assert len({call.session_id for call in gateway.api.charges}) == 1
    assert gateway.api.prompts_seen()["go"].in_conversation == 1
    await gateway.exact()


async def test_an_unanswered_pause_lets_the_agent_go_and_a_later_yes_continues_the_turn(tmp_path: Path) -> None:
    """After the pause's time the run is ended cleanly and the hold is free; a yes goes on in the same turn and session."""
    async with rig(tmp_path, session="0.0001", step="0.00005", pause_ms=200) as gateway:
        await let_go(gateway)
        await went_on(gateway)


async def test_a_pause_that_nobody_answered_survives_a_restart(tmp_path: Path) -> None:
    """The question of the first gateway is answered to the second: same turn, same conversation, no call in between."""
    with MessagesApi() as api, BotApi() as telegram:
        phone = telegram.user(OWNER, "Ada")
        async with rig(tmp_path, api, telegram, phone, session="0.0001", step="0.00005", pause_ms=200) as gateway:
            calls = await let_go(gateway)
        async with rig(tmp_path, api, telegram, phone, session="0.0001", step="0.00005") as gateway:
            assert len(api.charges) == calls
            await went_on(gateway)


async def test_a_pause_cut_off_by_a_restart_is_still_a_pause(tmp_path: Path) -> None:
    """The gateway ends while the agent stands at the limit: no call is made by it, and the yes comes to the next gateway."""
    with MessagesApi() as api, BotApi() as telegram:
        phone = telegram.user(OWNER, "Ada")
        async with rig(tmp_path, api, telegram, phone, session="0.0001", step="0.00005") as gateway:
            api.script([LS, LS, LS, LS, LS, Text("Six calls.")])
            phone.says("go")
            await gateway.sees("Paused:")
        assert len(api.charges) == 1
        async with rig(tmp_path, api, telegram, phone, session="0.0001", step="0.00005") as gateway:
            assert (await gateway.ended(TurnState.PAUSED)).held_left == ZERO
            await went_on(gateway)


async def start_background(gateway: Rig) -> Hold:
    """A turn that leaves a sub-agent at work behind it; the hold is what the sub-agent's answer waits for."""
    works = Hold()
    gateway.api.script([(works, Text("sub result"))], kind="sub")
    gateway.api.script([BACKGROUND, Text("Started it."), Text("It has ended.")])
    gateway.phone.says("go")
    return works


async def test_a_background_run_is_a_turn_of_its_own_with_a_hold_of_its_own(tmp_path: Path) -> None:
    """The sub-agent ends after its turn's result: what follows is a turn with origin background, held and settled."""
    async with rig(tmp_path) as gateway:
        works = await start_background(gateway)
        await gateway.charged(2, "main")
        works.release()
        await gateway.sees("It has ended.")
        first, second = await gateway.until(lambda turns: [t.state for t in turns] == [TurnState.FINISHED] * 2)
        assert (first.origin, first.calls) == (Origin.PERSON, 3)
        assert (second.origin, second.calls) == (Origin.BACKGROUND, 1)
        assert second.hold >= second.spent > ZERO
        assert (await gateway.balance()).held == ZERO
        await gateway.exact()


async def until_asked_about_background(gateway: Rig) -> int:
    """The turn was confirmed, its sub-agent ended, and the run that follows is asked about; the calls made so far."""
    works = await start_background(gateway)
    await gateway.taps("enough history", "Run, up to $0.50")
    await gateway.charged(2, "main")
    works.release()
    await gateway.sees(BY_ITSELF)
    await anyio.sleep(0.5)  # the promise is about time passing: no call may be made in it
    assert len(gateway.api.charges) == 3
    return 3


async def test_a_background_run_that_is_asked_about_makes_no_call_before_the_tap(tmp_path: Path) -> None:
    """Above the threshold the run waits before its first call; the yes lets exactly that run go on."""
    async with rig(tmp_path, confirm="0.10") as gateway:
        calls = await until_asked_about_background(gateway)
        await gateway.taps(BY_ITSELF, "Run, up to $0.50")
        await gateway.sees("It has ended.")
        turn = await gateway.ended(TurnState.FINISHED)
        assert (turn.origin, len(gateway.api.charges)) == (Origin.BACKGROUND, calls + 1)
        await gateway.exact()


async def test_a_background_run_that_a_person_declines_makes_no_call(tmp_path: Path) -> None:
    """After "No" the run is ended before its first call; the session takes the next prompt."""
    async with rig(tmp_path, confirm="0.10") as gateway:
        calls = await until_asked_about_background(gateway)
        await gateway.taps(BY_ITSELF, "No")
        turn = await gateway.ended(TurnState.REFUSED)
        assert (turn.origin, turn.spent) == (Origin.BACKGROUND, ZERO)
        gateway.phone.says("are you there?")
        await gateway.taps("are you there?", "Run, up to $0.50")
        await gateway.ended(TurnState.FINISHED)
        assert len(gateway.api.charges) == calls + 1
        await gateway.exact()


async def test_a_background_run_is_refused_while_everything_is_stopped(tmp_path: Path) -> None:
    """The gate refuses it before its first call: it is interrupted there, and the person is told."""
    async with rig(tmp_path) as gateway:
        works = await start_background(gateway)
        await gateway.charged(2, "main")
        freeze = Entry(EntryKind.FREEZE, (), who=str(OWNER), why="/stop all")
        await gateway.world.commit(lambda _view: Decision(None, entries=(freeze,)))
        works.release()
        await gateway.sees("Not run: Everything is stopped")
        turn = await gateway.ended(TurnState.REFUSED)
        assert (turn.origin, turn.hold) == (Origin.BACKGROUND, Usd(0))
        await gateway.until(lambda turns: all(turn.ended_at_ms is not None for turn in turns))
        assert len(gateway.api.charges) == 3
        await gateway.exact()
