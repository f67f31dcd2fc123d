"""Sessions at the desk with the real Claude Code on a terminal: its hooks ask the gateway, its transcript is the meter."""

import json
from dataclasses import astuple
from pathlib import Path

import anyio
import pytest

from gateway.agents.claude.desk import client
from gateway.domain.turn import Origin, TurnState
from gateway.domain.usage import UNLISTED, Flag
from gateway.store import open_readonly
from gateway.view.desk_words import ASIDE
from tests.fakes.claude_desk import hooks, terminal
from tests.fakes.messages_api import Charged, Counts, Hold, MessagesApi, Text, Tool
from tests.journeys.rig import rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]


async def test_what_is_typed_is_gated_metered_and_told_in_one_line(tmp_path: Path) -> None:
    """A prompt with two tools: no question, every call booked class by class, one quiet line on the phone."""
    async with rig(tmp_path) as gateway:
        gateway.api.script(
            [Tool("Bash", {"command": "echo one"}), Tool("Bash", {"command": "echo two"}), Text("Done.")]
        )
        with terminal(gateway.environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("do two things")
            await gateway.sees("At the desk: do two things", timeout=60)
            turn = await gateway.ended(TurnState.FINISHED)
            assert (turn.origin, turn.calls) == (Origin.DESK, len(gateway.api.charges))
            await gateway.exact()


async def test_a_session_whose_hooks_are_registered_twice_is_gated_and_metered_as_one(tmp_path: Path) -> None:
    """In the person's own settings and in the project's: one question, one run with what was typed behind it, each call once."""
    async with rig(tmp_path, confirm="0.10") as gateway:
        gateway.api.script([Tool("Bash", {"command": "echo one"}), Text("Done.")])
        own = Path(gateway.environ["CLAUDE_CONFIG_DIR"]) / "settings.json"
        own.write_text(json.dumps({"hooks": hooks(3500)}))
        with terminal(gateway.environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("do it")
            await desk.shows("Tollbridge asked on your phone")
            await gateway.taps("do it", "Run, up to $0.50")
            await gateway.sees("Send it again at the desk")
            desk.keys("\r")
            await gateway.sees("At the desk: do it")
            await desk.shows("Done.")
            [turn] = await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED])
            assert turn.calls == len(gateway.api.charges) == 2
            await gateway.exact()


async def test_the_cost_is_shown_at_the_desk_and_never_read_by_the_agent(tmp_path: Path) -> None:
    """The line that the phone gets stands under the answer; no request holds a word of it, not even the next one."""
    async with rig(tmp_path) as gateway:
        gateway.api.script([Text("First."), Text("Second.")])
        with terminal(gateway.environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("one")
            spent, _, *rest = (await gateway.sees("At the desk: one")).text.splitlines()[1].split(" · ")
            await desk.shows(f"Stop says: Tollbridge: {' · '.join([spent, *rest])}")
            await desk.says("two")
            await gateway.sees("At the desk: two")
        assert len(gateway.api.charges) == 2
        assert not [one for one in gateway.api.charges if "Tollbridge: $" in json.dumps(one.request.body)]


async def test_what_is_typed_over_a_limit_makes_no_call_and_passes_once_after_the_yes(tmp_path: Path) -> None:
    """The desk says that the phone is asked; after the yes the same prompt runs with a press of Enter; once more it is asked about."""
    async with rig(tmp_path, confirm="0.10") as gateway:
        gateway.api.script([Text("Done.")])
        with terminal(gateway.environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("something dear")
            await desk.shows("Tollbridge asked on your phone whether this may run, up to $0.50: ")
            await desk.shows("left of the session's $50.00.")
            assert gateway.api.charges == []
            await gateway.taps("something dear", "Run, up to $0.50")
            await gateway.sees("Send it again at the desk")
            desk.keys("\r")
            await gateway.sees("At the desk: something dear")
            await gateway.ended(TurnState.FINISHED)
            await gateway.exact()
            calls = len(gateway.api.charges)
            await desk.says("something dear")
            await gateway.until(lambda turns: turns[-1].state is TurnState.ASKING)
            assert len(gateway.api.charges) == calls


async def test_without_a_gateway_nothing_runs_and_the_desk_is_told_why(tmp_path: Path) -> None:
    """The gate fails closed, with the command that mends it."""
    async with rig(tmp_path) as gateway:
        environ = {**gateway.environ, "TOLLBRIDGE_HOME": str(tmp_path / "nobody")}
        with terminal(environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("hello")
            await desk.shows("start it with `tollbridge up`")
            assert gateway.api.charges == []


async def test_a_run_that_is_stopped_at_a_limit_makes_no_further_call(tmp_path: Path) -> None:
    """The first call meets the limit: the run stands before the next one while the phone is asked, and "Stop here" ends it there."""
    async with rig(tmp_path, session="0.0001", confirm="0.00009", step="0.00005") as gateway:
        gateway.api.script([Tool("Bash", {"command": "ls"}), Text("Never said.")])
        with terminal(gateway.environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("work")
            await gateway.taps("Paused", "Stop here")
            await gateway.ended(TurnState.STOPPED)
            await desk.shows("hook stopped Claude")
            assert len(gateway.api.charges) == 1
            await gateway.exact()


async def test_a_run_that_is_raised_goes_on_where_it_stood(tmp_path: Path) -> None:
    """After the yes the run goes on in the same turn, and the desk's session never knew."""
    async with rig(tmp_path, session="0.0001", confirm="0.00009", step="0.00005") as gateway:
        gateway.api.script([Tool("Bash", {"command": "ls"}), Text("Went on.")])
        with terminal(gateway.environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("work")
            asked = await gateway.sees("Paused")
            await desk.shows("(Tollbridge: if this stays, see your chat")
            gateway.phone.taps(next(b.text for b in asked.buttons if b.text.startswith("Raise")), asked.message_id)
            await desk.shows("Went on.")
            turn = await gateway.ended(TurnState.FINISHED)
            assert turn.calls == len(gateway.api.charges) == 2
            await gateway.exact()


async def test_what_is_typed_while_a_run_works_has_a_gate_of_its_own(tmp_path: Path) -> None:
    """The second prompt waits for the end of the first, and is asked about then: no call of it is made before the yes."""
    async with rig(tmp_path, confirm="0.10") as gateway:
        hold = Hold()
        gateway.api.script([[Text("half"), hold, Text(" done")], Text("Second.")])
        with terminal(gateway.environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("first")
            await gateway.taps("first", "Run, up to $0.50")
            await gateway.sees("Send it again at the desk")
            await desk.shows("After the yes, send it again here")
            desk.keys("\r")
            await anyio.to_thread.run_sync(hold.wait_reached)
            await desk.says("second")
            await anyio.sleep(1)
            assert len(await gateway.turns()) == 1
            hold.release()
            await gateway.sees("second")
            await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED, TurnState.ASKING])
            assert len(gateway.api.charges) == 1
            await gateway.exact()


async def test_escape_ends_the_turn_and_what_the_cut_call_used_is_booked(tmp_path: Path) -> None:
    """No hook tells of it: the transcript does; the figures are a lower bound and say so."""
    async with rig(tmp_path) as gateway:
        hold = Hold()
        gateway.api.script([[Text("half"), hold, Text(" done")]])
        with terminal(gateway.environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("first")
            await anyio.to_thread.run_sync(hold.wait_reached)
            await anyio.sleep(0.5)
            desk.keys("\x1b")
            turn = await gateway.ended(TurnState.INTERRUPTED)
            hold.release()
            assert Flag.LOWER_BOUND in turn.flags
            assert turn.calls == 1


async def test_stop_ends_a_turn_that_escape_has_cut_before_its_first_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a hook nor the transcript tells of it: /stop on the phone does, and what is typed next runs as ever."""
    monkeypatch.setattr(client, "STOP_LIMIT_S", 2.0)
    async with rig(tmp_path) as gateway:
        hold = Hold(before_start=True)
        gateway.api.script([[hold, Text("never shown")], Text("Second.")])
        with terminal(gateway.environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("first")
            await anyio.to_thread.run_sync(hold.wait_reached)
            desk.keys("\x1b")
            gateway.phone.says("/stop")
            turn = await gateway.ended(TurnState.STOPPED)
            hold.release()
            assert Flag.LOWER_BOUND in turn.flags
            desk.keys("\x15")  # the client gives the prompt back into its input box
            await desk.says("second")
            await gateway.sees("At the desk: second")
            await gateway.ended(TurnState.FINISHED)


async def test_a_compaction_is_gated_and_its_cost_is_booked_when_the_session_ends(tmp_path: Path) -> None:
    """After /stop all /compact makes no call; allowed it does, and what no transcript shows is booked at the end, class by class."""
    async with rig(tmp_path) as gateway:
        gateway.api.script([Text("Done.")])
        with terminal(gateway.environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("hello")
            await gateway.sees("At the desk: hello")
            gateway.phone.says("/stop all")
            await gateway.sees("Nothing new runs until /go.")
            await desk.says("/compact")
            await desk.shows("Everything is stopped: write /go to Tollbridge on your phone.")
            assert len(gateway.api.charges) == 1
            gateway.phone.says("/go")
            await gateway.sees("Turns may start again.")
            await desk.says("/compact")
            await gateway.charged(1, kind="compact")
            await gateway.sees("At the desk: /compact")
            await desk.leaves()
            await gateway.until(lambda turns: sum(turn.tokens.total for turn in turns) == total(gateway.api))
            await gateway.exact()


async def test_a_compaction_in_mid_turn_belongs_to_the_turn_and_is_booked_when_the_session_ends(tmp_path: Path) -> None:
    """A call fills the context: the client compacts by itself, the turn goes on behind it, and the ledger is exact in the end."""
    full = Charged(Counts(100, 985_000, 10, 10, 50))
    async with rig(tmp_path) as gateway:
        gateway.api.script([[Tool("Bash", {"command": "echo hi"}), full], Text("Went on.")])
        with terminal(gateway.environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("work")
            await desk.shows("Went on.")
            await gateway.ended(TurnState.FINISHED)
            assert [call.kind for call in gateway.api.charges] == ["main", "compact", "main"]
            await desk.leaves()
            await gateway.until(lambda turns: sum(turn.tokens.total for turn in turns) == total(gateway.api))
            await gateway.exact()
        assert len(await gateway.turns()) == 1


async def test_what_the_client_asks_without_a_gate_is_booked_as_it_happens_or_when_the_session_ends(
    tmp_path: Path,
) -> None:
    """The answer to a command that is run with `!` stands in the transcript; that to /btw does not: its cost is told apart."""
    async with rig(tmp_path) as gateway:
        gateway.api.script([Text("Hello."), Text("Seen it."), Text("Aside.")])
        with terminal(gateway.environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("hello")
            await gateway.sees("At the desk: hello")
            await desk.says("!echo bang")
            await gateway.until(lambda turns: sum(turn.calls for turn in turns) == 2)
            await gateway.exact()
            await gateway.sees(ASIDE.replace("`", ""))
            await desk.says("/btw what is this")
            await desk.shows("Aside.")
            assert sum(turn.calls for turn in await gateway.turns()) == 2
            desk.keys("\x1b")
            await anyio.sleep(0.5)
            await desk.leaves()
            await gateway.until(lambda turns: sum(turn.tokens.total for turn in turns) == total(gateway.api))
            await gateway.exact()
        [session] = await gateway.sessions()
        with open_readonly(gateway.home) as reader:
            [last] = [one for one in reader.records() if (one.entry.call_id or "").startswith(UNLISTED)]
            assert reader.unlisted() == {session.id: last.entry.spent}


async def test_what_a_cleared_conversation_was_compacted_for_is_booked(tmp_path: Path) -> None:
    """At /clear the client says what it used only once its last hook is answered; taken up again, it is not booked again."""
    async with rig(tmp_path) as gateway:
        gateway.api.script([Text(f"Answer {n}.") for n in range(3)])
        with terminal(gateway.environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("one")
            await gateway.sees("At the desk: one")
            await desk.says("/compact")
            await gateway.charged(1, kind="compact")
            await gateway.sees("At the desk: /compact")
            [first] = await gateway.sessions()
            await desk.says("/clear")
            await gateway.until(lambda turns: sum(turn.tokens.total for turn in turns) == total(gateway.api))
            await desk.says("two")
            await gateway.sees("At the desk: two")
            await desk.says(f"/resume {first.agent_session}")
            await anyio.sleep(3)  # what it shows then, it has shown before
            await desk.says("three")
            await gateway.sees("At the desk: three")
            await desk.leaves()
        await gateway.until(lambda turns: sum(turn.tokens.total for turn in turns) == total(gateway.api))
        await gateway.exact()
        assert len(await gateway.sessions()) == 2


async def test_a_conversation_that_is_open_in_two_terminals_runs_in_the_first_and_can_be_forked_in_the_second(
    tmp_path: Path,
) -> None:
    """The second one's prompt makes no call and ends nothing that the first one does; under a name of its own it goes on."""
    async with rig(tmp_path) as gateway:
        hold = Hold(before_start=True)
        gateway.api.script([Text("Answer one."), [hold, Text("Answer two.")], Text("Answer three.")])
        with terminal(gateway.environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("one")
            await gateway.sees("At the desk: one")
            await desk.says("two")
            with terminal(gateway.environ, tmp_path / "project", ["--continue"]) as second:
                await second.ready()
                await second.says("three")
                await second.shows("open in another terminal")
                hold.release()
                await gateway.sees("At the desk: two")
                second.keys("\x15")
                await second.says("/branch")
                await anyio.sleep(2)  # its hooks say so, and the terminal is cleared
                await second.says("three")
                await gateway.sees("At the desk: three")
                await second.leaves()
            await desk.leaves()
        turns = await gateway.until(lambda turns: sum(turn.tokens.total for turn in turns) == total(gateway.api))
        assert [turn.state for turn in turns] == [TurnState.FINISHED] * 3
        await gateway.exact()


async def test_sub_agents_in_the_background_are_metered_and_their_reports_are_gated(tmp_path: Path) -> None:
    """The agent's own calls and those of its sub-agent are booked; the run that follows by itself is one of its own."""
    async with rig(tmp_path) as gateway:
        inputs = {"description": "look", "prompt": "look around", "subagent_type": "general-purpose"}
        gateway.api.script([Tool("Agent", inputs), Text("Sent."), Text("Reported.")])
        hold = Hold(before_start=True)
        gateway.api.script([Tool("Bash", {"command": "ls"}), [hold, Text("Looked.")]], kind="sub")
        with terminal(gateway.environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("delegate")
            await desk.shows("Sent.")
            hold.release()
            await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
            await gateway.exact()
            assert len(gateway.api.charges) == 5


async def test_start_takes_a_session_without_channels_and_the_desk_takes_it_back(tmp_path: Path) -> None:
    """The gateway's own client goes on with the conversation, then what is typed at the desk does: each call is booked once."""
    async with rig(tmp_path) as gateway:
        gateway.api.script([Text("One."), Text("Two."), Text("Three.")])
        with terminal(gateway.environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("one")
            await gateway.sees("At the desk: one")
            gateway.phone.says("/sessions 1")
            await gateway.sees("this one")
            gateway.phone.says("/start")
            await gateway.sees("goes on in")
            gateway.phone.says("two")
            await gateway.sees("Two.")
            await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
            await desk.says("three")
            await gateway.sees("At the desk: three")
            await gateway.ended(TurnState.FINISHED)
            await gateway.exact()
            await desk.leaves()
        await gateway.exact()
        [session] = await gateway.sessions()
        assert session.agent == "channel"


async def test_clear_resume_and_fork_are_metered_once(tmp_path: Path) -> None:
    """A cleared conversation, one that is taken up again and a fork of it: each call is booked once, whatever is copied."""
    async with rig(tmp_path) as gateway:
        gateway.api.script([Text(f"Answer {n}.") for n in range(4)])
        with terminal(gateway.environ, tmp_path / "project") as desk:
            await desk.ready()
            await desk.says("one")
            await gateway.sees("At the desk: one")
            await desk.says("/clear")
            await anyio.sleep(1)
            await desk.says("two")
            await gateway.sees("At the desk: two")
            await desk.leaves()
        for arguments, words in ((["--continue"], "three"), (["--continue", "--fork-session"], "four")):
            with terminal(gateway.environ, tmp_path / "project", arguments) as desk:
                await desk.ready()
                await desk.says(words)
                await gateway.sees(f"At the desk: {words}")
                await desk.leaves()
        await gateway.until(lambda turns: sum(turn.tokens.total for turn in turns) == total(gateway.api))
        await gateway.exact()
        assert len(await gateway.sessions()) == 3


def total(api: MessagesApi) -> int:
    """All tokens that the API has charged."""
    return sum(astuple(api.total()))
