"""Sessions that people open at the desk: what is typed there is gated without waiting, what is written on the phone reaches them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from gateway.agents.scripted import Script, ScriptedAgent, UseTool
from gateway.chats.memory import MemoryChat
from gateway.core.channel import UNCONFIRMED
from gateway.domain.budget import Entry, EntryKind, Scope, ScopeKind
from gateway.domain.effects import Answer, EndTurn, GoOn, Words
from gateway.domain.events import BackgroundChanged, End, Finished, Listening, Paused, Started
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Unmetered
from gateway.domain.turn import Origin, TurnState
from gateway.engine import desk
from gateway.engine.clock import Clock
from gateway.engine.gating import SENT_AGAIN_MS
from gateway.engine.rules import Desk, Rules
from gateway.engine.world import World
from gateway.ports import Decision
from gateway.view import cost_words, desk_words, question_words, turn_words
from tests.engine.bench import MODEL, OWNER, RULES, THREAD, Bench, bench, call, script, with_limits
from tests.engine.desk import HERE, AtDesk, DeskAgent, allowed, attached, current, handed, prints
from tests.engine.team import RICH, limited, member

pytestmark = pytest.mark.anyio

CONVERSATION = "9f1c7f3e-0000-4000-8000-000000000001"
DESKS = (Desk("/", OWNER, THREAD.chat),)


def was_asked(answer: Answer) -> bool:
    """The desk was told that the question is on the phone."""
    return isinstance(answer, EndTurn) and answer.reason.endswith(desk_words.SEND_AGAIN)


@asynccontextmanager
async def at_desk(
    rules: Rules = RULES,
    home: Path | None = None,
    chat: MemoryChat | None = None,
    clock: Clock | None = None,
    *,
    known: bool = True,
    play: Script | None = None,
) -> AsyncGenerator[Bench]:
    """A gateway that knows sessions of the desk, and can go on with them by the scripted agent."""
    place = home / "scripted" if home else None
    agent = ScriptedAgent(play or script(call(1)), directory=place)

    def prepare(world: World) -> None:
        world.clock = clock or world.clock

    agents = {"scripted": agent, "channel": DeskAgent(known=known)}
    async with agent, bench(script(call(1)), replace(rules, desks=DESKS), home, agents, chat, prepare) as gateway:
        yield gateway


def why(answer: Answer) -> str:
    """What the desk is told of a prompt that does not run."""
    assert isinstance(answer, EndTurn)
    return answer.reason


async def test_what_is_typed_within_the_limits_runs_at_once_and_is_metered() -> None:
    """No question: the call is booked on a turn of the desk, and one quiet line tells of it."""
    async with at_desk() as gateway:
        client = await attached(gateway)
        assert await client.types("fix it") == GoOn()
        client.tell(client.calls(3), client.ends("Secret answer."))
        shown = await gateway.sees("At the desk: fix it")
        assert "$0.03" in shown.text
        assert not any("Secret answer" in one.text for one in gateway.chat.sees(THREAD))
        turn = await gateway.ended(TurnState.FINISHED)
        assert (turn.origin, turn.person, turn.spent) == (Origin.DESK, OWNER, Usd.parse("0.03"))
        assert (await gateway.balance(ScopeKind.DAY)).held == ZERO


async def test_what_is_typed_over_a_limit_is_blocked_at_once_and_passes_once_after_the_yes() -> None:
    """The desk is told why and to look at the phone; after the yes the same prompt passes, once; a third time it is asked about."""
    async with at_desk(with_limits(confirm="0.10")) as gateway:
        client = await attached(gateway)
        asked = EndTurn(
            "Tollbridge asked on your phone whether this may run, up to $0.50: Not enough history to say more (n=0). "
            f"$5.00 left of the session's $5.00.\n{desk_words.SEND_AGAIN}"
        )
        assert await client.types("dear") == asked
        assert await client.types("dear") == asked
        assert (await gateway.sees("**dear**")).text.startswith("At the desk: **dear**\nNot enough history")
        assert len([one for one in gateway.chat.sees(THREAD) if one.buttons]) == 1
        await gateway.taps("**dear**", "Run, up to $0.50")
        await gateway.sees("Send it again at the desk within 10 minutes.")
        assert await client.types("dear") == GoOn()
        client.tell(client.calls(2), client.ends())
        await gateway.ended(TurnState.FINISHED)
        assert why(await client.types("dear")).startswith("Tollbridge asked on your phone")


async def test_a_no_is_told_where_the_same_prompt_is_typed_again_which_is_asked_about_anew() -> None:
    """Within ten minutes; another prompt in between, or a later try, is told nothing of it."""
    now = [1_000_000]
    async with at_desk(with_limits(confirm="0.10"), clock=Clock(now_ms=lambda: now[0])) as gateway:
        client = await attached(gateway)
        await client.types("dear")
        await gateway.taps("**dear**", "No")
        await gateway.until(lambda turns: turns[0].state is TurnState.REFUSED)
        told = why(await client.types("dear"))
        assert told.startswith(
            "Tollbridge: a person said no to this prompt. Asked again on your phone, up to $0.50: Not enough"
        )
        turns = await gateway.until(lambda turns: len(turns) == 2)
        assert [turn.state for turn in turns] == [TurnState.REFUSED, TurnState.ASKING]
        assert why(await client.types("another")).startswith("Tollbridge asked on your phone")
        await gateway.taps("**another**", "No")
        await gateway.until(lambda turns: turns[-1].state is TurnState.REFUSED)
        now[0] += SENT_AGAIN_MS
        assert why(await client.types("another")).startswith("Tollbridge asked on your phone")


async def test_a_chat_on_this_machine_is_not_called_a_phone() -> None:
    """Who sits at the gateway's console is told to look there, also after /stop all."""
    chat = MemoryChat()
    chat.where = "in its console"
    async with at_desk(with_limits(confirm="0.10"), chat=chat) as gateway:
        client = await attached(gateway)
        assert why(await client.types("dear")).startswith("Tollbridge asked in its console")
        gateway.says("/stop all")
        await gateway.sees("Nothing new runs until /go.")
        answer = why(await client.types("go"))
        assert answer == "Tollbridge: not run. Everything is stopped: write /go to Tollbridge in its console."


async def test_what_is_held_and_for_what_is_told_on_the_phone_and_at_the_desk() -> None:
    """Nothing is left, and a good part of that is only held: both say how much, and for which prompt."""
    async with at_desk(with_limits(session="0.58")) as gateway:
        client = await current(gateway)
        assert await client.types("before") == GoOn()
        client.tell(client.calls(8), client.ends())
        await gateway.ended(TurnState.FINISHED)
        gateway.world.rules = replace(gateway.world.rules, confirm_above=Usd.parse("0.10"))
        gateway.says("nine_things")
        await gateway.taps("Not enough history", "Run, stop at $0.50")
        await client.prompted()
        told = why(await client.types("more"))
        line = "$0.00 left of the session's $0.58: $0.08 spent, $0.50 held for 'nine_things'."
        assert line in told
        assert line.replace("_", "\\_") in (await gateway.sees("At the desk: **more**")).text


async def test_the_end_of_a_run_shows_at_the_desk_what_it_has_cost() -> None:
    """The line of the phone, short enough for a terminal, for the screen of who typed it; while agents still work in the background, so far."""
    async with at_desk() as gateway:
        client = await attached(gateway)
        await client.types("fix it")
        client.tell(client.calls(3), replace(client.ends(), background=2, shows="first"))
        assert await client.told("first") == Words("$0.03 · session $0.03 of $5.00 · 2 agents still at work")
        client.tell(BackgroundChanged(0, 0))
        await gateway.sees("$0.03 · 1k tokens · session $0.03 of $5.00")
        await client.types("one more")
        client.tell(client.calls(2), replace(client.ends(), background=1, shows="second"))
        assert await client.told("second") == Words("$0.02 · session $0.05 of $5.00 · 1 agent still at work")


async def test_what_runs_without_a_prompt_is_told_of_in_a_line_of_its_own() -> None:
    """Calls that no gate was asked about (`!`): booked on the turn before, told on the phone and shown at the desk; no calls, no line."""
    async with at_desk() as gateway:
        client = await attached(gateway)
        await client.types("fix it")
        client.tell(client.calls(3), client.ends())
        await gateway.ended(TurnState.FINISHED)
        client.tell(client.calls(2), replace(client.ends(""), shows="aside"))
        line = "$0.02 · 800 tokens · session $0.05 of $5.00"
        assert await client.told("aside") == Words("$0.02 · session $0.05 of $5.00")
        await gateway.sees(f"{desk_words.ASIDE}\n{line}")
        client.tell(replace(client.ends(""), shows="nothing"))
        assert await client.told("nothing") == Words("")
        turn = await gateway.turn()
        assert (turn.state, turn.spent) == (TurnState.FINISHED, Usd.parse("0.05"))


async def test_a_turn_is_logged_once_as_ended() -> None:
    """Stopped at the limit by a person, and told of again by its agent: that is one end."""
    with capture_logs() as logs:
        async with at_desk(with_limits(session="50", confirm="0.50")) as gateway:
            client = await attached(gateway)
            await client.types("work")
            client.tell(client.calls(60), Paused("at the limit", "the next call"))
            asked = await gateway.sees("Paused")
            assert asked.text.startswith("At the desk: **work**\nPaused: ")
            gateway.chat.taps(asked, "Stop here", OWNER)
            assert await client.told("at the limit") == EndTurn(turn_words.AT_LIMIT)
            client.tell(client.calls(1), client.ends(end=End.HALTED))
            await gateway.until(lambda turns: turns[0].calls == 2)
    assert [one["state"] for one in logs if one["event"] == "turn ended"] == [TurnState.STOPPED]


async def test_another_prompt_takes_the_place_of_one_that_is_asked_about() -> None:
    """The question is closed, nothing is held for it, and a tap on it means nothing."""
    async with at_desk(with_limits(confirm="0.10")) as gateway:
        client = await attached(gateway)
        await client.types("one")
        asked = await gateway.sees("**one**")
        assert why(await client.types("two")).startswith("Tollbridge asked on your phone")
        await gateway.sees(desk_words.REPLACED)
        gateway.chat.taps(asked, asked.buttons[0].label, OWNER)
        await gateway.taps("**two**", "Run, up to $0.50")
        turns = await gateway.until(lambda turns: turns[-1].state is TurnState.HELD)
        assert [turn.state for turn in turns] == [TurnState.REFUSED, TurnState.HELD]


async def test_what_was_allowed_and_is_not_sent_again_in_time_holds_nothing() -> None:
    """Ten minutes after the yes the hold is free, and the prompt is asked about anew."""
    now = [1_000_000]
    async with at_desk(with_limits(confirm="0.10"), clock=Clock(now_ms=lambda: now[0])) as gateway:
        client = await allowed(gateway)
        now[0] += SENT_AGAIN_MS
        assert why(await client.types("dear")).startswith("Tollbridge asked on your phone")
        turns = await gateway.until(lambda turns: turns[0].state is TurnState.STOPPED)
        assert (turns[0].held_left, turns[1].state) == (ZERO, TurnState.ASKING)


async def test_a_yes_outlives_the_gateway(tmp_path: Path) -> None:
    """The gateway ends between the yes and the second try: the prompt passes at the next gateway."""
    chat = MemoryChat()
    async with at_desk(with_limits(confirm="0.10"), tmp_path, chat) as gateway:
        await allowed(gateway)
    async with at_desk(with_limits(confirm="0.10"), tmp_path, chat) as gateway:
        client = await attached(gateway)
        assert await client.types("dear") == GoOn()


async def test_what_was_typed_and_ran_when_the_gateway_ended_is_over_with_its_cost(tmp_path: Path) -> None:
    """It bears no name in the conversation: it is neither sent again nor waits; the phone is told, and the next prompt runs."""
    chat = MemoryChat()
    async with at_desk(home=tmp_path, chat=chat) as gateway:
        client = await attached(gateway)
        assert await client.types("fix it") == GoOn()
        client.tell(client.calls(3))
        await gateway.until(lambda turns: turns[0].calls == 1)
    async with at_desk(home=tmp_path, chat=chat, known=False) as gateway:
        turn = await gateway.ended(TurnState.INTERRUPTED)
        assert (turn.spent, turn.held_left) == (Usd.parse("0.03"), ZERO)
        shown = await gateway.sees("At the desk: fix it")
        assert "Interrupted" in shown.text
        assert "$0.03" in shown.text
        client = await attached(gateway)
        assert await client.types("another") == GoOn()


async def test_what_was_stopped_from_the_phone_is_said_to_be(tmp_path: Path) -> None:
    """The line on the phone tells how it ended where it did not end well, and nothing more where it did."""
    async with at_desk(home=tmp_path) as gateway:
        client = await attached(gateway)
        assert await client.types("fix it") == GoOn()
        gateway.says("/stop")
        await gateway.sees("Stopping")
        client.tell(client.calls(3), client.ends("", end=End.HALTED))
        shown = await gateway.sees("At the desk: fix it")
        assert "Stopped" in shown.text
        assert await client.types("another") == GoOn()
        client.tell(client.ends("Done."))
        shown = await gateway.sees("At the desk: another")
        assert "Finished" not in shown.text


async def test_a_refused_prompt_says_why_at_the_desk() -> None:
    """After /stop all nothing runs there either, and the reason stands where it was typed."""
    async with at_desk() as gateway:
        client = await attached(gateway)
        gateway.says("/stop all")
        await gateway.sees("Nothing new runs until /go.")
        answer = why(await client.types("go"))
        assert answer == "Tollbridge: not run. Everything is stopped: write /go to Tollbridge on your phone."


async def test_a_message_from_the_phone_reaches_the_open_session_and_its_answer_comes_back() -> None:
    """It is handed over, runs when the session has it, and what the session did not say itself is told."""
    async with at_desk() as gateway:
        client = await attached(gateway)
        client.tell(Listening())
        await gateway.sees("Open at the desk")
        gateway.says("hello")
        uuid, text = await client.prompted()
        assert text == "hello"
        assert await client.stands(Started("conversation", MODEL, uuid)) == GoOn()
        client.tell(client.calls(2), client.ends("The answer.", uuid))
        await gateway.sees("The answer.")
        assert (await gateway.ended(TurnState.FINISHED)).origin is Origin.PERSON


async def test_an_answer_that_the_agent_sent_itself_is_not_repeated() -> None:
    """Only the line with the cost follows."""
    async with at_desk() as gateway:
        client, uuid = await handed(gateway, "hello")
        await client.stands(Started("conversation", MODEL, uuid))
        client.tell(client.calls(2), client.ends("The answer.", uuid, told=True))
        await gateway.sees("$0.02 · ")
        assert not any("The answer." in one.text for one in gateway.chat.sees(THREAD))


async def test_a_message_waits_while_the_session_is_not_open_and_is_delivered_when_it_is() -> None:
    """Nothing is held meanwhile; the person is told once; it arrives once."""
    async with at_desk() as gateway:
        client = await current(gateway, listens=False)
        gateway.says("hello")
        await gateway.sees("Not delivered yet")
        assert (await gateway.turn()).state is TurnState.QUEUED
        assert (await gateway.balance()).held == ZERO
        client.listens = True
        client.tell(Listening())
        assert (await client.prompted())[1] == "hello"
        assert len([one for one in gateway.chat.sees(THREAD) if "Not delivered" in one.text]) == 1


async def test_start_lets_the_gateway_open_what_is_not_open(tmp_path: Path) -> None:
    """/start hands the conversation to the gateway's own agent, and what waited runs there."""
    (tmp_path / "scripted").mkdir()
    (tmp_path / "scripted" / f"{CONVERSATION}.jsonl").touch()
    async with at_desk(home=tmp_path) as gateway:
        await current(gateway, CONVERSATION, listens=False)
        gateway.says("hello")
        await gateway.sees("Not delivered yet")
        gateway.says("/start")
        await gateway.sees("goes on in")
        turn = await gateway.ended(TurnState.FINISHED)
        assert turn.prompt == "hello"
        [session] = await gateway.sessions()
        assert (session.agent, session.agent_session) == ("scripted", CONVERSATION)


async def test_a_directory_is_code_whatever_it_is_called() -> None:
    """Wherever the chat names it: no link, and no command that a tap would send."""
    strange, shown = f"{HERE}/` /stop [x](http://e.x)\n`\u202e", f"``{HERE}/` /stop [x](http://e.x) `\\u{{202e}}``"
    async with at_desk() as gateway:
        client = await attached(gateway, directory=strange, listens=True)
        client.tell(Listening())
        await gateway.sees(f"Open at the desk: {shown}.")
        gateway.says("/sessions")
        await gateway.sees(f"1 · {shown} · Claude Code at the desk")
        gateway.says("/start")
        await gateway.sees(f"{shown} is open at the desk")
        client.listens = False
        gateway.says("/start")
        await gateway.sees(f"goes on in {shown}.")


async def test_what_is_open_at_the_desk_is_not_started_twice() -> None:
    """/start opens no second client beside the one that takes messages there."""
    async with at_desk() as gateway:
        client = await attached(gateway)
        client.tell(Listening())
        await gateway.sees("Open at the desk")
        gateway.says("/start")
        await gateway.sees("is open at the desk")
        assert [session.agent for session in await gateway.sessions()] == ["channel"]


async def test_what_the_gateways_agent_works_on_cannot_be_opened_at_the_desk_until_that_has_ended(
    tmp_path: Path,
) -> None:
    """One conversation has one writer: the desk is told where the other one is, and has it back afterwards."""
    (tmp_path / "scripted").mkdir()
    (tmp_path / "scripted" / f"{CONVERSATION}.jsonl").touch()
    play = script(call(1), UseTool("Bash", "ls", asks_permission=True), call(1))
    async with at_desk(home=tmp_path, play=play) as gateway:
        await current(gateway, CONVERSATION, listens=False)
        gateway.says("/start")
        await gateway.sees("goes on in")
        gateway.says("hello")
        await gateway.sees("wants to run")
        assert await gateway.engine.attach("channel", AtDesk(CONVERSATION), HERE) == desk_words.ELSEWHERE
        assert [session.agent for session in await gateway.sessions()] == ["scripted"]
        await gateway.taps("wants to run", "Allow")
        await gateway.ended(TurnState.FINISHED)
        client = await attached(gateway, CONVERSATION)
        assert await client.types("back again") == GoOn()
        assert [session.agent for session in await gateway.sessions()] == ["channel"]


async def test_a_reply_goes_to_the_session_that_it_replies_to() -> None:
    """Two sessions in one chat: a reply to what one of them said is for that one, whichever is the current one."""
    async with at_desk() as gateway:
        one, two = await attached(gateway, "one", "/one"), await attached(gateway, "two", "/two")
        one.tell(Listening())
        first = await gateway.sees("Open at the desk: `/one`")
        two.tell(Listening(proven=True))
        await gateway.sees("Open at the desk: `/two`. What you write here goes to it.")
        gateway.says("to the second")
        assert (await two.prompted())[1] == "to the second"
        gateway.chat.says(THREAD, OWNER, "to the first", to=first)
        assert (await one.prompted())[1] == "to the first"


async def test_a_limit_in_mid_turn_holds_what_was_typed_until_a_person_says_yes() -> None:
    """The run stands at its boundary while the phone is asked, and goes on after the yes."""
    async with at_desk(with_limits(session="0.50", confirm="5")) as gateway:
        client = await attached(gateway)
        assert await client.types("work") == GoOn()
        client.tell(client.calls(60), Paused("at the limit", "the next call"))
        await gateway.taps("Paused: the session budget", "Raise +$2, up to $1.90 more")
        assert await client.told("at the limit") == GoOn()


async def test_stop_leaves_what_runs_in_the_background_at_the_desk_and_says_so() -> None:
    """It is its person's process: it is not said to be stopped, and what is typed next runs as before."""
    async with at_desk() as gateway:
        client = await attached(gateway)
        client.tell(Listening())
        await gateway.sees("Open at the desk")
        assert await client.types("serve it") == GoOn()
        client.tell(client.calls(1), client.ends(), BackgroundChanged(0, 1))
        await gateway.ended(TurnState.FINISHED)
        gateway.says("/stop")
        await gateway.sees(turn_words.LEFT_AT_DESK)
        assert await client.types("go on") == GoOn()


async def test_calls_that_nobody_saw_begin_are_booked_all_the_same() -> None:
    """What an open session spends without a turn of ours is a turn by itself, in every budget."""
    async with at_desk() as gateway:
        client = await attached(gateway)
        client.tell(client.calls(7))
        [turn] = await gateway.until(lambda turns: bool(turns) and turns[0].spent == Usd.parse("0.07"))
        assert (turn.origin, turn.state) == (Origin.DESK, TurnState.FINISHED)
        assert turn.prompt == "Calls made while the gateway could not see the session"
        assert (await gateway.balance(ScopeKind.DAY)).spent == Usd.parse("0.07")


async def test_sessions_of_the_desk_are_told_of_where_the_settings_say() -> None:
    """The first place that holds the directory; where none does, the session may not take part."""
    desks = (Desk("/elsewhere", "8", "8"), Desk(HERE, OWNER, "2", "5"))
    async with at_desk() as gateway:
        gateway.world.rules = replace(gateway.world.rules, desks=desks)
        await attached(gateway)
        session = await gateway.world.store.read(lambda view: view.session_of_agent("conversation"))
        assert session is not None
        assert (session.owner, session.thread.chat, session.thread.topic) == (OWNER, "2", "5")
        gateway.world.rules = replace(gateway.world.rules, desks=desks[:1])
        assert await gateway.engine.attach("channel", AtDesk("another"), HERE) == desk_words.NOBODY


async def test_a_run_whose_agents_still_work_is_over_when_the_next_prompt_begins() -> None:
    """A run ends with agents behind it, and a prompt that was on its way begins: the run is settled, and nothing hangs."""
    async with at_desk() as gateway:
        client, uuid = await handed(gateway, "hello")
        await client.stands(Started("conversation", MODEL, None))
        client.tell(client.calls(2), Finished(End.DONE, "First.", None, None, background=1))
        await client.stands(Started("conversation", MODEL, uuid))
        client.tell(client.calls(3), client.ends("Second.", uuid))
        turns = await gateway.until(lambda turns: all(turn.state is TurnState.FINISHED for turn in turns))
        assert sorted(turn.spent for turn in turns) == [Usd.parse("0.02"), Usd.parse("0.03")]


@pytest.mark.parametrize("typed", ["and on", None], ids=["typed", "unprompted"])
async def test_a_run_whose_end_nobody_told_is_over_when_the_next_begins(typed: str | None) -> None:
    """It keeps its cost, holds nothing any longer, and what the next one spends is not booked on it."""
    async with at_desk() as gateway:
        client = await attached(gateway)
        assert await client.types("fix it") == GoOn()
        client.tell(client.calls(2))
        await client.stands(Started("conversation", MODEL, None, typed=typed))
        client.tell(client.calls(3), client.ends("Done."))
        first, second = await gateway.until(lambda turns: len(turns) == 2 and not any(one.held_left for one in turns))
        assert (first.prompt, first.state, first.spent) == ("fix it", TurnState.INTERRUPTED, Usd.parse("0.02"))
        assert (second.state, second.spent) == (TurnState.FINISHED, Usd.parse("0.03"))
        assert (await gateway.balance(ScopeKind.DAY)).held == ZERO


async def test_a_message_that_is_not_confirmed_can_be_sent_again() -> None:
    """Nothing shows that the session has it: it ends as interrupted, with a button, and is not sent twice by itself."""
    async with at_desk() as gateway:
        client, uuid = await handed(gateway, "hello")
        client.tell(Finished(End.INTERRUPTED, "Not confirmed.", uuid, ()))
        await gateway.taps("Not confirmed.", "Send again")
        assert (await client.prompted(2))[1] == "hello"


async def test_a_session_that_never_took_a_message_does_not_take_the_place_of_the_current_one() -> None:
    """Whether it takes any, nobody knows: the phone goes on to talk to whom it talked to, until the other one is known to."""
    async with at_desk() as gateway:
        gateway.says("to the gateway's own")
        await gateway.ended(TurnState.FINISHED)
        client = await attached(gateway)
        client.tell(Listening())
        shown = await gateway.sees("Open at the desk")
        assert shown.text == f"Open at the desk: `{HERE}`. /sessions lists it."
        gateway.says("and this")
        turns = await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
        assert len({turn.session_id for turn in turns}) == 1
        client.tell(Listening(proven=True))
        gateway.says("/sessions")
        await gateway.sees(f"1 · `{HERE}` · Claude Code at the desk · idle · $0.00 · this one")


async def test_a_session_that_is_the_only_one_is_written_to_and_nothing_is_promised() -> None:
    """That is how it becomes known. Until the session shows the message, nothing is said to work."""
    async with at_desk() as gateway:
        client = await attached(gateway)
        client.tell(Listening())
        shown = await gateway.sees("Open at the desk")
        assert shown.text == f"Open at the desk: `{HERE}`. {desk_words.UNPROVEN}"
        gateway.says("hello")
        uuid, _ = await client.prompted()
        await gateway.sees(desk_words.WRITTEN)
        assert not any("Working" in one.text for one in gateway.chat.sees(THREAD))
        await client.stands(Started("conversation", MODEL, uuid))
        await gateway.sees("Working")


async def test_what_is_written_to_a_session_that_takes_nothing_waits_and_says_so() -> None:
    """After the first message that it did not show: no second one is pushed, neither the next nor the same again, and nothing works."""
    async with at_desk() as gateway:
        client, uuid = await handed(gateway, "hello")
        gateway.says("and this")
        await gateway.sees("Queued as number 1")
        client.listens = False
        client.tell(Finished(End.INTERRUPTED, "Not confirmed. It takes none.", uuid, ()))
        shown = await gateway.sees("Not confirmed. It takes none.")
        assert "The message after it waits: and this" in shown.text
        await gateway.sees("**and this**\nNot delivered yet")
        gateway.says("/stop")
        await gateway.sees("Stopping: and this")
        await gateway.taps("Not confirmed.", "Send again")
        await gateway.sees("It waits.")
        await gateway.sees("**hello**\nNot delivered yet")
        assert not any("Working" in one.text for one in gateway.chat.sees(THREAD))
        assert (len(client.prompts), (await gateway.balance()).held) == (1, ZERO)
        client.listens = True
        client.tell(Listening(proven=True))
        assert (await client.prompted(2))[1] == "hello"


async def test_what_was_typed_at_the_desk_is_no_message_that_follows() -> None:
    """A prompt runs there while a message from the phone is given up: the phone is told of the message alone."""
    async with at_desk() as gateway:
        client, uuid = await handed(gateway, "hello")
        assert await client.types("typed meanwhile") == GoOn()
        client.tell(Finished(End.INTERRUPTED, "Not confirmed.", uuid, ()))
        shown = await gateway.sees("Not confirmed.")
        assert "after it" not in shown.text


# ------------------------------------------------------------------------------------------------------- claude -p
async def test_a_session_that_nobody_sits_at_is_listed_only_while_it_works() -> None:
    """It does not become the current one, and it leaves the list with its end, also while its question is open."""
    async with at_desk(with_limits(confirm="0.10")) as gateway:
        gateway.world.rules = replace(gateway.world.rules, confirm_above=Usd.parse("1"))
        client = await prints(gateway, "one")
        assert await client.types("count the files") == GoOn()
        gateway.says("/sessions")
        await gateway.sees("1 · `/work` · Claude Code at the desk · at work · $0.00 · count the files")
        gateway.says("/stop")
        await gateway.sees("No turn is running in this session: /sessions lists the others.")
        client.tell(client.ends())
        await gateway.ended(TurnState.FINISHED)
        gateway.world.rules = replace(gateway.world.rules, confirm_above=Usd.parse("0.10"))
        assert was_asked(await (await prints(gateway, "two")).types("dear"))
        gateway.says("/sessions")
        await gateway.sees("No session yet")
        await attached(gateway, "one")
        gateway.says("/sessions")
        await gateway.sees("1 · `/work` · Claude Code at the desk · idle")


async def test_a_yes_to_what_nobody_sits_at_passes_once_in_a_new_session() -> None:
    """The turn that was asked about goes on there, asked about once however often it is sent; a third one is asked about anew."""
    async with at_desk(with_limits(confirm="0.10")) as gateway:
        for name in ("one", "two"):
            assert was_asked(await (await prints(gateway, name)).types("dear"))
        assert len(await gateway.turns()) == 1
        await gateway.taps("**dear**", "Run, up to $0.50")
        [asked] = await gateway.until(lambda turns: turns[-1].state is TurnState.HELD)
        client = await prints(gateway, "three")
        assert await client.types("dear") == GoOn()
        client.tell(client.calls(3), client.ends())
        ran = await gateway.ended(TurnState.FINISHED)
        assert (ran.id, ran.spent, ran.session_id != asked.session_id) == (asked.id, Usd.parse("0.03"), True)
        assert (await gateway.balance_of(gateway.today())).held == ZERO
        for session in await gateway.sessions():
            balance = await gateway.balance_of(Scope(ScopeKind.SESSION, session.id))
            assert (balance.held, balance.spent) == (ZERO, ran.spent if session.id == ran.session_id else ZERO)
        assert was_asked(await (await prints(gateway, "four")).types("dear"))


async def test_a_yes_to_what_nobody_sits_at_is_for_that_prompt_and_place_alone() -> None:
    """Another prompt, another directory, a session that somebody sits at or that had a prompt before, ten minutes: all are asked about."""
    now = [1_000_000]
    async with at_desk(with_limits(confirm="0.10"), clock=Clock(now_ms=lambda: now[0])) as gateway:
        await (await prints(gateway, "one")).types("dear")
        await gateway.taps("**dear**", "Run, up to $0.50")
        await gateway.until(lambda turns: turns[-1].state is TurnState.HELD)
        assert was_asked(await (await prints(gateway, "two")).types("dear!"))
        assert was_asked(await (await prints(gateway, "two")).types("dear"))
        assert was_asked(await (await prints(gateway, "three", "/elsewhere")).types("dear"))
        assert was_asked(await (await attached(gateway, "four")).types("dear"))
        now[0] += SENT_AGAIN_MS
        assert was_asked(await (await prints(gateway, "five")).types("dear"))


async def test_what_a_yes_raised_for_a_session_that_is_over_is_raised_for_the_one_that_goes_on() -> None:
    """The limit of the first session was raised for its prompt: with that it comes to the second one, and the ledger says why."""
    async with at_desk(with_limits(session="0.30", confirm="5")) as gateway:
        assert was_asked(await (await prints(gateway, "one")).types("dear"))
        asked = await gateway.sees("**dear**")
        label = next(button.label for button in asked.buttons if button.label.startswith("Raise"))
        await gateway.taps("**dear**", label)
        await gateway.until(lambda turns: turns[-1].state is TurnState.HELD)
        client = await prints(gateway, "two")
        assert await client.types("dear") == GoOn()
        limits = [
            (await gateway.balance_of(Scope(ScopeKind.SESSION, session.id))).limit
            for session in await gateway.sessions()
        ]
        assert limits[0] == limits[1] != Usd.parse("0.30")


async def test_after_stop_all_a_yes_from_before_runs_nothing_in_a_new_session() -> None:
    """It goes before the gate again, whatever was held, and what the yes raised is not raised once more."""
    async with at_desk(with_limits(session="0.30", confirm="5")) as gateway:
        await (await prints(gateway, "one")).types("dear")
        asked = await gateway.sees("**dear**")
        await gateway.taps("**dear**", next(one.label for one in asked.buttons if one.label.startswith("Raise")))
        await gateway.until(lambda turns: turns[-1].state is TurnState.HELD)
        stop = Entry(EntryKind.FREEZE, (), who="bank", why="fenced")
        await gateway.world.commit(lambda _view: Decision(None, entries=(stop,)))
        answer = await (await prints(gateway, "two")).types("dear")
        assert isinstance(answer, EndTurn)
        assert "Everything is stopped" in answer.reason
        assert (await gateway.balance_of(gateway.today())).held == ZERO
        last = (await gateway.sessions())[-1]
        assert (await gateway.balance_of(Scope(ScopeKind.SESSION, last.id))).limit == Usd.parse("0.30")


async def test_a_paused_run_without_a_channel_goes_on_after_the_yes_with_whatever_is_typed() -> None:
    """Nobody answered in time; after a yes the next word typed at the desk goes on with the turn, and is not asked about again."""
    async with at_desk(with_limits(session="50", confirm="0.50")) as gateway:
        client = await attached(gateway, listens=False)
        assert await client.types("work") == GoOn()
        client.tell(client.calls(60), Paused("at the limit", "the next call"))
        asked = await gateway.sees("Paused")
        client.tell(client.ends(end=End.HALTED))
        await gateway.until(lambda turns: turns[0].continues)
        gateway.chat.taps(asked, asked.buttons[0].label, OWNER)
        await gateway.until(lambda turns: turns[0].waits_until_ms is not None)
        assert await client.types("continue") == GoOn()
        client.tell(client.calls(5), client.ends())
        turn = await gateway.ended(TurnState.FINISHED)
        assert turn.spent == Usd.parse("0.65")


async def test_a_yes_to_a_prompt_that_nobody_sends_again_lapses_and_says_so() -> None:
    """The phone has said how long it counts, and says that nothing came of it."""
    now = [1_000_000]
    async with at_desk(with_limits(confirm="0.10"), clock=Clock(now_ms=lambda: now[0])) as gateway:
        await allowed(gateway)
        now[0] += SENT_AGAIN_MS
        assert (await gateway.sees(desk_words.LAPSED)).text == f"At the desk: dear\n{desk_words.LAPSED}"
        assert (await gateway.balance()).held == ZERO


async def test_a_yes_to_a_paused_run_without_a_channel_lapses_and_says_so() -> None:
    """The phone reads how long the yes counts, and later that nothing came of it, with what the run has cost."""
    now = [1_000_000]
    limits = with_limits(session="50", confirm="0.50")
    async with at_desk(limits, clock=Clock(now_ms=lambda: now[0])) as gateway:
        client = await attached(gateway, listens=False)
        assert await client.types("work") == GoOn()
        client.tell(client.calls(60), Paused("at the limit", "the next call"))
        asked = await gateway.sees("Paused")
        client.tell(client.ends(end=End.HALTED))
        await gateway.until(lambda turns: turns[0].continues)
        gateway.chat.taps(asked, asked.buttons[0].label, OWNER)
        await gateway.sees(question_words.GOES_ON_THERE)
        assert (await gateway.turn()).waits_until_ms == now[0] + SENT_AGAIN_MS
        now[0] += SENT_AGAIN_MS
        said = await gateway.sees(desk_words.LAPSED)
        assert said.text.startswith(f"At the desk: work\n{desk_words.LAPSED}\n$0.60 · ")
        assert (await gateway.turn()).held_left == ZERO


async def test_a_limit_that_nobody_answers_ends_the_run_at_the_desk_after_a_while() -> None:
    """The boundary is told so before its hook gives up, and the question still stands for later."""
    async with at_desk(with_limits(session="0.50", confirm="5", pause_ms=200)) as gateway:
        client = await attached(gateway)
        assert await client.types("work") == GoOn()
        client.tell(client.calls(60), Paused("at the limit", "the next call"))
        assert await client.told("at the limit") == EndTurn(turn_words.NOBODY)
        client.tell(client.ends(end=End.HALTED))
        [turn] = await gateway.until(lambda turns: turns[0].continues)
        assert (turn.state, turn.held_left) == (TurnState.PAUSED, ZERO)


async def test_what_is_typed_waits_for_the_teams_bank_and_passes_when_it_has_lent() -> None:
    """The desk is told to send it again; asked once, the bank has lent by then, and no person was asked."""
    rules = replace(RICH, desks=DESKS)
    async with limited("10") as bank, member(bank, script(call(1)), rules=rules) as team:
        gateway = team.gateway
        gateway.world.agents = {**gateway.world.agents, "channel": DeskAgent()}
        client = await attached(gateway)
        assert await client.types("work") == EndTurn(desk_words.BANK_ASKED)
        await gateway.until(lambda turns: turns[0].state is TurnState.HELD)
        assert await client.types("work") == GoOn()
        client.tell(client.calls(3), client.ends())
        turn = await gateway.ended(TurnState.FINISHED)
        assert (turn.spent, team.network.count("lend")) == (Usd.parse("0.03"), 1)


async def test_what_was_allowed_before_everything_stopped_does_not_run() -> None:
    """A yes from before is no way around a stop that came after it, whoever said it."""
    async with at_desk(with_limits(confirm="0.10")) as gateway:
        client = await allowed(gateway)
        stop = Entry(EntryKind.FREEZE, (), who="bank", why="fenced")
        await gateway.world.commit(lambda _view: Decision(None, entries=(stop,)))
        answer = await client.types("dear")
        assert isinstance(answer, EndTurn)
        assert "Everything is stopped" in answer.reason
        assert (await gateway.balance()).held == ZERO


@pytest.mark.parametrize(("known", "button"), [(True, "Continue"), (False, "Send again")])
async def test_what_a_dead_gateway_may_have_delivered_is_not_sent_again_by_itself(
    tmp_path: Path, known: bool, button: str
) -> None:
    """Whether the session has the message or not: the next gateway asks, and a tap has it go on or sends it again."""
    chat = MemoryChat()
    async with at_desk(home=tmp_path, chat=chat) as gateway:
        await current(gateway)
        gateway.says("hello")
        await gateway.until(lambda turns: bool(turns) and turns[-1].state is TurnState.RUNNING)
    async with at_desk(home=tmp_path, chat=chat, known=known) as gateway:
        client = await attached(gateway)
        client.tell(Listening())
        asked = await gateway.sees("The gateway stopped while this was at work")
        assert (UNCONFIRMED in asked.text) is not known
        assert client.prompts == []
        await gateway.taps("The gateway stopped while this was at work", button)
        assert ((await client.prompted())[1] == "hello") is not known
        assert (await gateway.balance()).held != ZERO


async def test_a_message_that_dies_with_its_client_is_said_to_be_not_confirmed(tmp_path: Path) -> None:
    """It was handed over and the conversation does not hold it: the phone says so, and a tap sends it to the next client."""
    async with at_desk(home=tmp_path, known=False) as gateway:
        client, uuid = await handed(gateway, "hello")
        await client.stands(Started("conversation", MODEL, uuid))
        client.gone("its process is gone")
        await gateway.sees(UNCONFIRMED)
        another = await attached(gateway)
        await gateway.taps(UNCONFIRMED, "Send again")
        assert (await another.prompted())[1] == "hello"


async def test_calls_that_an_earlier_gateway_has_booked_make_no_turn_of_their_own(tmp_path: Path) -> None:
    """The transcript is read again from where the session began: what is known is passed over, what is new is booked."""
    chat = MemoryChat()
    async with at_desk(home=tmp_path, chat=chat) as gateway:
        client = await attached(gateway)
        first = client.calls(7)
        assert await client.types("fix it") == GoOn()
        client.tell(first, client.ends())
        await gateway.ended(TurnState.FINISHED)
    async with at_desk(home=tmp_path, chat=chat) as gateway:
        client = await attached(gateway)
        client.tell(first)
        assert await client.types("and this") == GoOn()
        client.tell(first, replace(client.calls(2), call_id="new"), client.ends())
        turns = await gateway.until(lambda turns: all(turn.state is TurnState.FINISHED for turn in turns))
        assert [turn.spent for turn in turns] == [Usd.parse("0.07"), Usd.parse("0.02")]


async def test_what_an_open_session_did_not_take_is_offered_again_without_news(tmp_path: Path) -> None:
    """It was just busy, and what told that it is free came before the message was put back: it is not left lying."""
    async with at_desk(home=tmp_path) as gateway:
        client = await current(gateway)
        client.away = True
        gateway.says("hello")
        await client.refused.wait()
        client.away = False
        assert (await client.prompted())[1] == "hello"


async def test_what_was_typed_and_stood_at_a_limit_when_the_gateway_died_goes_on_after_the_yes(tmp_path: Path) -> None:
    """The question is still there; after the yes the next word typed goes on with the turn, and nothing is written into the session."""
    chat, rules = MemoryChat(), with_limits(session="50", confirm="0.50")
    async with at_desk(rules, tmp_path, chat) as gateway:
        client = await attached(gateway)
        assert await client.types("work") == GoOn()
        client.tell(client.calls(60), Paused("at the limit", "the next call"))
        await gateway.sees("Paused")
    async with at_desk(rules, tmp_path, chat, known=False) as gateway:
        turn = await gateway.turn()
        assert (turn.state, turn.continues, turn.held_left) == (TurnState.PAUSED, True, ZERO)
        client = await attached(gateway, listens=False)
        asked = await gateway.sees("Paused")
        chat.taps(asked, asked.buttons[0].label, OWNER)
        await gateway.until(lambda turns: turns[0].waits_until_ms is not None)
        assert await client.types("continue") == GoOn()
        client.tell(replace(client.calls(5), call_id="new"), client.ends())
        turn = await gateway.ended(TurnState.FINISHED)
        assert (turn.spent, client.prompts) == (Usd.parse("0.65"), [])


@pytest.mark.parametrize("booked", [True, False])
async def test_what_was_typed_and_at_work_when_the_gateway_died_is_over_and_never_written_into_the_session(
    tmp_path: Path, booked: bool
) -> None:
    """The person typed it, and its run goes on without us: it is not delivered once more, and nothing stays held for it."""
    chat = MemoryChat()
    async with at_desk(home=tmp_path, chat=chat) as gateway:
        client = await attached(gateway)
        assert await client.types("fix it") == GoOn()
        made = client.calls(7)
        if booked:
            client.tell(made)
            await gateway.until(lambda turns: turns[0].calls == 1)
    async with at_desk(home=tmp_path, chat=chat, known=False) as gateway:
        client = await attached(gateway)
        client.tell(Listening(), made, replace(client.calls(2), call_id="new"))
        turns = await gateway.until(lambda turns: sum(turn.tokens.output for turn in turns) >= 3600)
        assert [(turn.prompt, turn.state) for turn in turns] == [
            ("fix it", TurnState.INTERRUPTED),
            (desk_words.WENT_ON, TurnState.FINISHED),
        ]
        assert sum((turn.spent for turn in turns), ZERO) == Usd.parse("0.09")
        assert (await gateway.balance()).held == ZERO
        await gateway.sees("Open at the desk")
        assert client.prompts == []
        assert not any("Not delivered" in one.text for one in chat.sees(THREAD))


class KilledError(Exception):
    """The gateway was killed."""


async def test_a_call_that_nobody_saw_begin_is_in_the_ledger_with_its_turn_or_not_at_all(tmp_path: Path) -> None:
    """The gateway is killed with the first thing that it writes down: the next one, which is told again, has no turn that spent nothing."""
    made = AtDesk("conversation").calls(7)
    with pytest.RaisesGroup(KilledError, flatten_subgroups=True):
        async with at_desk(home=tmp_path) as gateway:
            client = await attached(gateway)

            def dies(_step: str) -> None:
                raise KilledError

            gateway.world.on_step = dies
            client.tell(made)
            await anyio.sleep_forever()
    async with at_desk(home=tmp_path) as gateway:
        client = await attached(gateway)
        client.tell(made, replace(client.calls(2), call_id="new"))
        turns = await gateway.until(lambda turns: any(turn.tokens.output == 800 for turn in turns))
        assert [turn.calls for turn in turns] == [1, 1]


# ------------------------------------------------------------------------------------------------- without Tollbridge
def off(name: str, directory: str = HERE, at_ms: int = 1) -> Unmetered:
    """A session that goes without Tollbridge, heard of once."""
    return Unmetered(name, directory, at_ms, at_ms)


async def kept(gateway: Bench, name: str) -> Unmetered:
    """What is known of such a session."""
    found = await gateway.world.store.read(lambda view: view.unmetered(name))
    assert found is not None
    return found


def told(gateway: Bench) -> list[str]:
    """What the phone says of such sessions."""
    return [one.text for one in gateway.chat.sees(THREAD) if "TOLLBRIDGE" in one.text]


async def test_a_session_without_tollbridge_is_told_of_once_and_quietly() -> None:
    """Where the sessions of that directory are told of; heard of again it is kept, with its first and its last time."""
    async with at_desk() as gateway:
        await gateway.world.commit(desk.unmetered(gateway.world, [off("a", "/srv/*x*`_\u202e", 5)]))
        shown = await gateway.sees("what it spends is not metered.")
        assert "Claude Code was opened in ``/srv/*x*`_\\u{202e}`` with `TOLLBRIDGE_OFF`: " in shown.text
        assert not shown.rang
        for at_ms in (9, 3):
            await gateway.world.commit(desk.unmetered(gateway.world, [off("a", at_ms=at_ms)]))
        await gateway.world.commit(desk.unmetered(gateway.world, [off("b", "")]))
        await gateway.sees("in a directory that it did not name")
        assert len(told(gateway)) == 2
        found = await kept(gateway, "a")
        assert (found.directory, found.since_ms, found.last_ms) == (HERE, 3, 9)


async def test_whoever_starts_sessions_without_tollbridge_in_a_loop_sends_ten_messages_an_hour() -> None:
    """All are kept; one that was not told of can be told of later, an hour after the first."""
    now = [1_795_000_000_000]
    async with at_desk(clock=Clock(now_ms=lambda: now[0])) as gateway:
        for first in (0, 7, 14):
            await gateway.world.commit(desk.unmetered(gateway.world, [off(str(n)) for n in range(first, first + 7)]))
        await gateway.world.commit(desk.unmetered(gateway.world, [off("cleared")], opened=False))
        await gateway.until(lambda _turns: len(told(gateway)) == 10)
        assert [(await kept(gateway, str(n))).told_at_ms is None for n in range(21)] == [False] * 10 + [True] * 11
        now[0] += desk.HOUR_MS
        await gateway.world.commit(desk.unmetered(gateway.world, [off("20"), off("3"), off("cleared")], opened=True))
        await gateway.until(lambda _turns: len(told(gateway)) == 12)


async def test_a_session_without_tollbridge_that_belongs_to_nobody_is_kept() -> None:
    """Nobody is told in a chat that is not theirs."""
    async with at_desk() as gateway:
        gateway.world.rules = replace(gateway.world.rules, desks=(Desk("/elsewhere", OWNER, THREAD.chat),))
        await gateway.world.commit(desk.unmetered(gateway.world, [off("a")]))
        await gateway.world.commit(desk.unmetered(gateway.world, [off("b", "/elsewhere/app")]))
        await gateway.sees("in `/elsewhere/app`")
        assert len(told(gateway)) == 1
        assert (await kept(gateway, "a")).told_at_ms is None


async def test_a_session_that_is_closed_at_the_desk_is_summed_up_once() -> None:
    """What it has cost, and what came of it; opened and closed again without a word it is not told of again, nor is a crash an end."""
    async with at_desk() as gateway:
        client = await attached(gateway)
        assert await client.types("fix it") == GoOn()
        client.tell(client.calls(3), client.ends())
        await gateway.ended(TurnState.FINISHED)
        client.gone(desk_words.CLOSED)
        shown = await gateway.sees(cost_words.CLOSED_AT_DESK)
        assert "**Session: $0.03 of $5.00**" in shown.text
        again = await attached(gateway)
        again.gone(desk_words.CLOSED)
        crashed = await attached(gateway)
        assert await crashed.types("more") == GoOn()
        crashed.tell(replace(crashed.calls(3), call_id="later 1"), crashed.ends())
        await gateway.until(lambda turns: len(turns) == 2 and turns[-1].state is TurnState.FINISHED)
        crashed.gone("its process is gone")
        last = await attached(gateway)
        assert await last.types("the last one") == GoOn()
        last.tell(replace(last.calls(1), call_id="later 2"), last.ends())
        await gateway.until(lambda turns: len(turns) == 3 and turns[-1].state is TurnState.FINISHED)
        last.gone(desk_words.CLOSED)
        await gateway.sees("**Session: $0.07 of $5.00**")
        assert len([one for one in gateway.chat.sees(THREAD) if cost_words.CLOSED_AT_DESK in one.text]) == 2


async def test_what_a_program_sent_or_nothing_was_typed_in_is_not_summed_up() -> None:
    """Each prompt of a program has told its cost already."""
    async with at_desk() as gateway:
        client = await prints(gateway, "one")
        assert await client.types("by a program") == GoOn()
        client.tell(client.calls(3), client.ends())
        await gateway.ended(TurnState.FINISHED)
        client.gone(desk_words.CLOSED)
        idle = await attached(gateway)
        idle.gone(desk_words.CLOSED)
        gateway.says("/status")
        await gateway.sees("Nothing runs.")
        assert not [one for one in gateway.chat.sees(THREAD) if cost_words.CLOSED_AT_DESK in one.text]
