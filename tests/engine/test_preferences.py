"""What people choose for a chat or a session, from the message that they write to what it does."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.agents.scripted import ScriptedAgent, UseTool
from gateway.chats.memory import Shown
from gateway.core.policy import Action, Condition, Rule
from gateway.domain.budget import EntryKind
from gateway.domain.events import ModeTold
from gateway.domain.money import Usd
from gateway.domain.place import Grant, Role
from gateway.domain.preferences import Verbosity
from gateway.domain.turn import TurnState
from gateway.engine import listening
from gateway.engine.live import Live
from gateway.ports import Client, Decision, Launch
from gateway.store import open_readonly
from tests.engine.bench import MODEL, OTHER, OWNER, THREAD, Bench, bench, call, script, with_limits

pytestmark = pytest.mark.anyio

WRITER, READER, APPROVER = "8", "9", "10"
PEOPLE = (
    Grant(OWNER, Role.OWNER),
    Grant(WRITER, Role.WRITER),
    Grant(READER, Role.READER),
    Grant(APPROVER, Role.APPROVER),
)
TEAM = replace(with_limits(confirm="1"), people=PEOPLE)
HAIKU = "claude-haiku-4-5"
NIGHT_MS = int(datetime(2027, 1, 15, 23, 30, tzinfo=UTC).timestamp() * 1000)


async def chosen(gateway: Bench):
    """What is kept for the chat."""
    return await gateway.world.store.read(lambda view: view.preferences(THREAD))


def labels(shown: Shown) -> list[str]:
    """What the buttons say."""
    return [button.label for button in shown.buttons]


async def changed(gateway: Bench, words: str) -> Shown:
    """The message with the buttons, once it says this."""
    return await gateway.sees(words)


# ------------------------------------------------------------------------------------------------------------- buttons
async def test_settings_are_chosen_by_buttons_in_one_message() -> None:
    """A press opens the choice, the next one makes it, and the same message says what is so now."""
    async with bench(script(call(1)), TEAM) as gateway:
        gateway.says("/settings")
        shown = await gateway.sees("Settings of this chat")
        assert labels(shown) == ["Show: full", "Ask above $1.00", "Quiet: none", "Digest: off", "Model"]
        gateway.chat.taps(shown, "Show", OWNER)
        shown = await changed(gateway, "How much is shown")
        assert labels(shown) == ["quiet", "brief", "✓ full", "Back"]
        gateway.chat.taps(shown, "brief", OWNER)
        shown = await changed(gateway, "its newest action.")
        gateway.chat.taps(shown, "Ask above", OWNER)
        shown = await changed(gateway, "From which amount on")
        assert labels(shown) == ["$0.25", "$1.00", "$5.00", "$20.00", "✓ Default ($1.00)", "Never ask", "Back"]
        gateway.chat.taps(shown, "$0.25", OWNER)
        shown = await changed(gateway, "You are asked above $0.25 a run")
        gateway.chat.taps(shown, "Quiet", OWNER)
        shown = await changed(gateway, "Others: /settings quiet")
        gateway.chat.taps(shown, "22:00-07:00", OWNER)
        shown = await changed(gateway, "Quiet hours: 22:00-07:00 (UTC)")
        found = await chosen(gateway)
        assert (found.verbosity, found.confirm_above, found.quiet) == (
            Verbosity.BRIEF,
            Usd.parse("0.25"),
            "22:00-07:00",
        )
        assert len(gateway.chat.sees(THREAD)) == 1
        gateway.says("/settings", OTHER)
        assert "Quiet hours: none" in (await gateway.sees("Settings of this chat", OTHER)).text


async def test_a_reader_looks_and_changes_nothing() -> None:
    """The buttons are commands, with the rights of whoever presses them."""
    async with bench(script(call(1)), TEAM) as gateway:
        gateway.chat.says(THREAD, READER, "/settings show")
        shown = await gateway.sees("How much is shown")
        tap = gateway.chat.taps(shown, "quiet", READER)
        assert await gateway.chat.told(tap) == "You may read here, and no more than that: ask an owner."
        gateway.chat.says(THREAD, READER, "/settings show quiet")
        await gateway.sees("You may read here, and no more")
        assert (await chosen(gateway)).verbosity is Verbosity.FULL


async def test_what_cannot_be_chosen_is_explained() -> None:
    """Nothing is guessed."""
    async with bench(script(call(1)), TEAM) as gateway:
        gateway.says("/settings quiet at night")
        await gateway.sees("Like: /settings quiet 22:00-07:00")
        gateway.says("/settings volume 3")
        await gateway.sees("Write /settings, or /settings show brief")


# ------------------------------------------------------------------------------------------------ when people are asked
async def test_a_lower_amount_counts_at_once_and_more_takes_who_may_raise() -> None:
    """A writer lowers it and does not take that back; an approver does, up to the settings' own; beyond that goes an owner.

    Attack 29: what widens is never a writer's to do.
    """
    async with bench(script(call(1)), TEAM) as gateway:
        gateway.chat.says(THREAD, WRITER, "/settings ask 0.10")
        await gateway.sees("You are asked above $0.10 a run")
        gateway.says("do it")
        asked = await gateway.sees("**do it**")
        gateway.chat.taps(asked, "No", OWNER)
        await gateway.ended(TurnState.REFUSED)
        gateway.chat.says(THREAD, WRITER, "/settings ask default")
        await gateway.sees("To be asked less takes somebody who may raise limits.")
        gateway.chat.says(THREAD, APPROVER, "/settings ask 5")
        await gateway.sees("To be asked less than the gateway's settings say takes an owner.")
        gateway.chat.says(THREAD, APPROVER, "/settings ask 1")
        await gateway.sees("You are asked above $1.00 a run")
        gateway.says("again")
        await gateway.ended(TurnState.FINISHED)


async def test_an_owner_is_asked_less_than_the_settings_say_for_as_long_as_they_own_it() -> None:
    """Once they are no owner any more the settings' own amount counts again."""
    async with bench(script(call(1)), replace(TEAM, confirm_above=Usd.parse("0.10"))) as gateway:
        gateway.says("/settings ask never")
        await gateway.sees("You are asked never: only the limits stop a run")
        gateway.says("/budget")
        await gateway.sees("You are asked above $1000000.00 a run")
        gateway.says("do it")
        await gateway.ended(TurnState.FINISHED)
        demoted = tuple(grant for grant in PEOPLE if grant.person != OWNER)
        await gateway.world.commit(lambda _view: replace(Decision(None), grants=(*demoted, Grant(OWNER, Role.WRITER))))
        gateway.says("once more")
        await gateway.sees("**once more**")
        gateway.says("/settings")
        await gateway.sees("chosen by somebody who is no owner any more")


async def test_another_amount_stands_in_the_ledger_with_who_chose_it_and_what_was_before(tmp_path: Path) -> None:
    """Like a limit that was set: for each change of what counts, and for nothing else that is chosen."""
    async with bench(script(call(1)), TEAM, home=tmp_path) as gateway:
        gateway.chat.says(THREAD, WRITER, "/settings ask 0.10")
        await gateway.sees("You are asked above $0.10 a run")
        gateway.says("/settings ask 0.10")
        gateway.says("/settings quiet 22:00-07:00")
        await gateway.sees("Quiet hours: 22:00")
        gateway.says("/settings ask never")
        await gateway.sees("You are asked never")
        gateway.says("/settings ask default")
        await gateway.sees("above $1.00 a run, as the gateway")

    def look() -> list[tuple[str, str, dict[str, Any]]]:
        with open_readonly(tmp_path) as reader:
            assert reader.verify() == ()
            found = [one.entry for one in reader.records() if one.entry.kind is EntryKind.THRESHOLD]
        return [(one.who, one.why, json.loads(one.detail)) for one in found]

    kept = await anyio.to_thread.run_sync(look)
    assert [(who, why) for who, why, _ in kept] == [
        (WRITER, "/settings ask: above $0.10, was above $1.00"),
        (OWNER, "/settings ask: never, was above $0.10"),
        (OWNER, "/settings ask: above $1.00, was never"),
    ]
    assert kept[0][2] == {"service": "memory", "chat": "1", "before": 1_000_000_000, "after": 100_000_000}


async def test_a_chat_that_wants_to_be_asked_is_asked_where_a_rule_would_let_the_run_go() -> None:
    """The stricter of the owner's rule and the chat's amount, and the question says whose it is."""
    rule = Rule(Condition(), Action.ALLOW_BELOW, Usd.parse("5"))
    async with bench(script(call(1)), replace(TEAM, policy=(rule,))) as gateway:
        gateway.says("/settings ask 0.10")
        await gateway.sees("You are asked above $0.10 a run")
        gateway.says("do it")
        await gateway.sees("This chat wants to be asked above $0.10.")


# --------------------------------------------------------------------------------------------------- what is told, and how
async def test_who_wants_questions_and_results_only_is_shown_no_agent_at_work() -> None:
    """No progress message; the question and the answer come."""
    play = script(call(1), UseTool("Bash", "ls", asks_permission=True), call(1))
    async with bench(play, TEAM) as gateway:
        gateway.says("/settings show quiet")
        await gateway.sees("Shown: questions and results only.")
        gateway.says("do it")
        await gateway.taps("Bash", "Allow")
        await gateway.ended(TurnState.FINISHED)
        await gateway.sees("All done.")
        said = [shown.text for shown in gateway.chat.sees(THREAD)]
        assert not any("Working" in text or text.startswith("Done") for text in said)


async def test_in_quiet_hours_a_question_waits_without_a_sound_and_is_answered_as_ever() -> None:
    """Nothing rings, nothing is lost; by day it rings again."""
    async with bench(script(call(1)), replace(TEAM, confirm_above=Usd.parse("0.10"))) as gateway:
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: NIGHT_MS)
        gateway.says("/settings quiet 22:00-07:00")
        await gateway.sees("Quiet hours: 22:00-07:00 (UTC); nothing rings then, and questions wait.")
        gateway.says("do it")
        asked = await gateway.sees("**do it**")
        assert not asked.rang
        gateway.chat.taps(asked, "Run", OWNER)
        await gateway.ended(TurnState.FINISHED)
        assert not (await gateway.sees("All done.")).rang
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: NIGHT_MS + 9 * 3_600_000)
        gateway.says("by day")
        assert (await gateway.sees("**by day**")).rang


# --------------------------------------------------------------------------------------------------------------- /model
async def test_the_model_is_chosen_by_a_button_and_works_from_the_next_prompt_on() -> None:
    """Prices stand beside the names; the next turn is estimated, run and booked on it."""
    rules = replace(TEAM, model=MODEL, cheaper_model=HAIKU)
    async with bench(script(call(1)), rules) as gateway:
        gateway.says("one")
        await gateway.ended(TurnState.FINISHED)
        gateway.says("/model")
        shown = await gateway.sees(f"This session works with `{MODEL}`, $5.00 in, $25.00 out per million tokens.")
        assert f"- `{HAIKU}`: $1.00 in, $5.00 out per million tokens" in shown.text
        assert labels(shown) == [HAIKU]
        gateway.chat.taps(shown, HAIKU, OWNER)
        await gateway.sees(f"From the next prompt on this session works with `{HAIKU}`")
        gateway.says("two")
        await gateway.until(lambda turns: len(turns) == 2 and turns[-1].state is TurnState.FINISHED)
        assert [charge.call.usage.model for charge in gateway.agent.charges] == [MODEL, HAIKU]


async def test_a_model_is_not_chosen_where_there_is_none_to_choose() -> None:
    """Without a session, by a name that can be none, and one that is so already: each is told, and nothing changes."""
    async with bench(script(call(1)), replace(TEAM, model=MODEL)) as gateway:
        gateway.says("/model")
        await gateway.sees("No session yet")
        gateway.says("one")
        await gateway.ended(TurnState.FINISHED)
        gateway.says("/model not a model; rm")
        await gateway.sees("That is no name of a model")
        gateway.says(f"/model {MODEL}")
        await gateway.sees(f"This session works with `{MODEL}` already.")
        gateway.chat.says(THREAD, READER, f"/model {HAIKU}")
        await gateway.sees("You may read here, and no more")
        gateway.says("/model nobody-knows-1")
        await gateway.sees("The price of `nobody-knows-1` is not known")
        gateway.says("two")
        await gateway.sees("**two**")


# -------------------------------------------------------------------------------------------------------- /status, /help
async def test_status_tells_what_runs_what_waits_and_how_the_limits_stand() -> None:
    """One message of short lines, for readers too; of other chats only how much goes on."""
    play = script(call(50), UseTool("Bash", "ls", asks_permission=True))
    async with bench(play, TEAM) as gateway:
        gateway.says("fix it")
        await gateway.sees("Bash")
        gateway.says("then this")
        await gateway.sees("Queued as number 1")
        gateway.says("elsewhere", OTHER)
        await gateway.sees("Bash", OTHER)
        gateway.chat.says(THREAD, READER, "/status")
        shown = await gateway.sees("The gateway has been up for")
        lines = shown.text.splitlines()
        assert lines[0].startswith("`/` · ")
        assert any(line.startswith("At work for") and "fix it ($0.50)" in line for line in lines)
        assert "1 message waits behind it." in lines
        assert "1 turn is open in another session." in lines
        assert any(line.startswith("Session: ▰") and "$0.50 of $5.00" in line for line in lines)
        assert any(line.startswith("Memory: reached without a break") for line in lines)
        assert "elsewhere" not in shown.text


async def test_status_without_a_session_says_so() -> None:
    """Nothing ran yet, and everything is stopped."""
    async with bench(script(call(1)), TEAM) as gateway:
        gateway.says("/stop all")
        await gateway.sees("Nothing new runs until /go.")
        gateway.says("/status")
        shown = await gateway.sees("No session here yet.")
        assert "Everything is stopped: /go lets turns start again." in shown.text


async def test_help_is_what_this_person_may_do_here() -> None:
    """A reader's help holds no command that would be refused to them."""
    async with bench(script(call(1)), TEAM) as gateway:
        gateway.chat.says(THREAD, READER, "/help")
        shown = await gateway.sees("You may read here: who gives work")
        assert "/stop" not in shown.text
        assert "/status" in shown.text
        gateway.says("/help")
        assert "/raise" in (await gateway.sees("You own this gateway.")).text


async def test_a_mode_is_chosen_for_the_next_prompt_and_one_that_asks_less_by_who_may_answer() -> None:
    """Attack 29: a writer, who may not answer what the agent asks, does not have it ask less either."""
    async with bench(script(call(1)), TEAM) as gateway:
        gateway.says("/mode")
        await gateway.sees("No session yet")
        gateway.says("one")
        await gateway.ended(TurnState.FINISHED)
        gateway.says("/mode")
        shown = await gateway.sees("This session is in mode ask")
        assert labels(shown) == ["plan", "edits"]
        tap = gateway.chat.taps(shown, "edits", WRITER)
        await gateway.chat.told(tap)
        await gateway.sees("takes somebody who may answer its questions.")
        gateway.says("/mode bypass")
        await gateway.sees("There is no mode 'bypass': write /mode ask, /mode plan, /mode edits.")
        gateway.chat.says(THREAD, WRITER, "/mode plan")
        await gateway.sees("From the next prompt on this session is in mode plan")
        gateway.says("two")
        await gateway.until(lambda turns: len(turns) == 2 and turns[-1].state is TurnState.FINISHED)
        [session] = await gateway.sessions()
        assert session.mode == "plan"
        gateway.says("/status")
        assert "mode plan" in (await gateway.sees("The gateway has been up for")).text


# ------------------------------------------------------------------------------------------------------ what is offered
async def test_commands_are_offered_by_what_people_may_do_and_taken_back_with_the_right_to() -> None:
    """At the start, again when grants change; who was taken out is offered nothing, also if that was while no gateway ran."""
    async with bench(script(call(1)), TEAM) as gateway:
        await gateway.chat.offers(lambda offered: set(offered) == {"", "groups", OWNER, WRITER, READER, APPROVER})
        assert gateway.chat.offered[""] == ("start",)
        assert "go" in gateway.chat.offered[APPROVER]
        assert "stop" not in gateway.chat.offered[READER]
        fewer = (Grant(OWNER, Role.OWNER), Grant(READER, Role.WRITER))
        await gateway.world.commit(lambda _view: replace(Decision(None), grants=fewer))
        await gateway.chat.offers(lambda offered: offered[WRITER] == () and "stop" in offered[READER])
        assert await gateway.steps.until(lambda: known(gateway), lambda found: found == (OWNER, READER))


async def known(gateway: Bench) -> tuple[str, ...]:
    """The chats that were told, as the store has it."""
    return tuple(sorted(await gateway.world.store.read(lambda view: view.offered("memory"))))


async def test_a_service_that_takes_no_commands_keeps_nothing_from_working() -> None:
    """The menu is a courtesy."""

    def fails(world) -> None:
        world.chat.offer_fails = "out of order"

    async with bench(script(call(1)), TEAM, prepare=fails) as gateway:
        gateway.says("/status")
        await gateway.sees("No session here yet.")
        assert gateway.chat.offered == {}


class Plain(ScriptedAgent):
    """An agent whose clients take no mode."""

    async def start(self, launch: Launch) -> Any:
        """Start one of those."""
        return Unmoved(await super().start(launch))


class Unmoved:
    """A client that stays as it is."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def use_mode(self, mode: str) -> bool:
        """Do not."""
        del mode
        return False


async def test_what_was_asked_for_in_one_mode_does_not_run_in_another() -> None:
    """The agent refuses: no call is made, the hold is free, and the session goes on in the mode that it was in."""
    async with Plain(script(call(1))) as agent, bench(script(), TEAM, agents={"scripted": agent}) as gateway:
        gateway.says("one")
        await gateway.ended(TurnState.FINISHED)
        gateway.says("/mode plan")
        await gateway.sees("is in mode plan")
        gateway.says("two")
        await gateway.sees("Scripted agent does not go into mode plan. The session goes on as before")
        turn = await gateway.ended(TurnState.FAILED)
        assert (turn.calls, turn.held_left.nano, len(agent.charges)) == (0, 0, 1)
        [session] = await gateway.sessions()
        assert session.mode == ""


@pytest.mark.parametrize(
    ("chosen", "told", "then"), [("", "plan", "plan"), ("plan", "edits", "plan")], ids=["follows", "a person's choice"]
)
async def test_a_session_follows_its_agent_into_another_mode_unless_a_person_chose_one(
    chosen: str, told: str, then: str
) -> None:
    """What an agent tells of a mode is kept; who has chosen another one since has it with the next prompt."""
    async with bench(script(call(1)), TEAM) as gateway:
        gateway.says("one")
        await gateway.ended(TurnState.FINISHED)
        [session] = await gateway.sessions()
        await gateway.world.commit(lambda _view: Decision(None, put=(replace(session, mode=chosen),)))
        live = Live(session.id, await gateway.agent.start(Launch("s_other", "/")), 0, agent_session="a")
        assert not await listening.take(gateway.world, live, ModeTold(told))
        [session] = await gateway.sessions()
        assert (session.mode, live.mode) == (then, told)
        gateway.says("/mode")
        await gateway.sees(f"This session is in mode {then}")


async def test_status_says_since_when_an_answer_is_waited_for() -> None:
    """From the question on: what was typed and waited for an hour before that is no wait for the reader."""
    async with bench(script(call(1)), with_limits(confirm="0.10")) as gateway:
        gateway.says("dear")
        await gateway.sees("**dear**")
        [turn] = await gateway.turns()
        early = replace(turn, created_at_ms=turn.created_at_ms - 3_000_000)
        await gateway.world.commit(lambda _view: Decision(None, put=(early,)))
        gateway.says("/status")
        shown = await gateway.sees("The gateway has been up for")
        [line] = [line for line in shown.text.splitlines() if line.startswith("Waits for your answer for")]
        assert "50 min" not in line
        gateway.puts_clock_forward(600_000)
        gateway.says("/status")
        await gateway.sees("Waits for your answer for 10 min")
