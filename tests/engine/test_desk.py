"""Sessions that people open at the desk: what is typed there is gated without waiting, what is written on the phone reaches them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from gateway.agents.scripted import ScriptedAgent
from gateway.chats.memory import MemoryChat
from gateway.domain.budget import Entry, EntryKind, ScopeKind
from gateway.domain.effects import EndTurn, GoOn
from gateway.domain.events import End, Exited, Finished, Listening, Paused, Started
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Unmetered
from gateway.domain.turn import Origin, TurnState
from gateway.engine import desk
from gateway.engine.gating import SENT_AGAIN_MS
from gateway.engine.world import Clock, Desk, Rules, World
from gateway.ports import Decision
from tests.engine.bench import MODEL, OWNER, RULES, THREAD, Bench, bench, call, script, with_limits
from tests.engine.desk import HERE, AtDesk, DeskAgent, allowed, attached, current, handed

pytestmark = pytest.mark.anyio

CONVERSATION = "9f1c7f3e-0000-4000-8000-000000000001"
DESKS = (Desk("/", OWNER, THREAD.chat),)


@asynccontextmanager
async def at_desk(
    rules: Rules = RULES,
    home: Path | None = None,
    chat: MemoryChat | None = None,
    clock: Clock | None = None,
    *,
    known: bool = True,
) -> AsyncGenerator[Bench]:
    """A gateway that knows sessions of the desk, and can go on with them by the scripted agent."""
    place = home / "scripted" if home else None
    agent = ScriptedAgent(script(call(1)), directory=place)

    def prepare(world: World) -> None:
        world.clock = clock or world.clock

    agents = {"scripted": agent, "channel": DeskAgent(known=known)}
    async with agent, bench(script(call(1)), replace(rules, desks=DESKS), home, agents, chat, prepare) as gateway:
        yield gateway


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
    """The desk is told to look at the phone; after the yes the same prompt passes, once; sent a third time it is asked about."""
    async with at_desk(with_limits(confirm="0.10")) as gateway:
        client = await attached(gateway)
        assert await client.types("dear") == EndTurn(desk.ASKED)
        assert await client.types("dear") == EndTurn(desk.ASKED)
        await gateway.sees("**dear**")
        assert len([one for one in gateway.chat.sees(THREAD) if one.buttons]) == 1
        await gateway.taps("**dear**", "Run, up to $0.50")
        await gateway.sees("Send it again at the desk within 10 minutes.")
        assert await client.types("dear") == GoOn()
        client.tell(client.calls(2), client.ends())
        await gateway.ended(TurnState.FINISHED)
        assert await client.types("dear") == EndTurn(desk.ASKED)


async def test_another_prompt_takes_the_place_of_one_that_is_asked_about() -> None:
    """The question is closed, nothing is held for it, and a tap on it means nothing."""
    async with at_desk(with_limits(confirm="0.10")) as gateway:
        client = await attached(gateway)
        await client.types("one")
        asked = await gateway.sees("**one**")
        assert await client.types("two") == EndTurn(desk.ASKED)
        await gateway.sees(desk.REPLACED)
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
        assert await client.types("dear") == EndTurn(desk.ASKED)
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
        answer = await client.types("go")
        assert answer == EndTurn("Tollbridge: not run. Everything is stopped: /go lets paid turns start again.")


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


async def test_one_conversation_has_one_writer() -> None:
    """What the gateway's agent works on cannot be opened at the desk, and what is open at the desk is not started twice."""
    async with at_desk() as gateway:
        client = await attached(gateway)
        client.tell(Listening())
        await gateway.sees("Open at the desk")
        gateway.says("/start")
        await gateway.sees("is open at the desk")
        assert [session.agent for session in await gateway.sessions()] == ["channel"]


async def test_a_reply_goes_to_the_session_that_it_replies_to() -> None:
    """Two sessions in one chat: a reply to what one of them said is for that one, whichever is the current one."""
    async with at_desk() as gateway:
        one, two = await attached(gateway, "one", "/one"), await attached(gateway, "two", "/two")
        one.tell(Listening())
        first = await gateway.sees("Open at the desk: `/one`")
        two.tell(Listening())
        await gateway.sees("Open at the desk: `/two`")
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


async def test_calls_that_nobody_saw_begin_are_booked_all_the_same() -> None:
    """What an open session spends without a turn of ours is a turn by itself, in every budget."""
    async with at_desk() as gateway:
        client = await attached(gateway)
        client.tell(client.calls(7))
        [turn] = await gateway.until(lambda turns: bool(turns) and turns[0].spent == Usd.parse("0.07"))
        assert (turn.origin, turn.state) == (Origin.DESK, TurnState.FINISHED)
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
        assert await gateway.engine.attach("channel", AtDesk("another"), HERE) == desk.NOBODY


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


async def test_a_message_that_is_not_confirmed_can_be_sent_again() -> None:
    """Nothing shows that the session has it: it ends as interrupted, with a button, and is not sent twice by itself."""
    async with at_desk() as gateway:
        client, uuid = await handed(gateway, "hello")
        client.tell(Finished(End.INTERRUPTED, "Not confirmed.", uuid, ()))
        await gateway.taps("Not confirmed.", "Send again")
        assert (await client.prompted(2))[1] == "hello"


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
        assert (desk.UNCONFIRMED in asked.text) is not known
        assert client.prompts == []
        await gateway.taps("The gateway stopped while this was at work", button)
        assert ((await client.prompted())[1] == "hello") is not known
        assert (await gateway.balance()).held != ZERO


async def test_a_message_that_dies_with_its_client_is_said_to_be_not_confirmed(tmp_path: Path) -> None:
    """It was handed over and the conversation does not hold it: the phone says so, and a tap sends it to the next client."""
    async with at_desk(home=tmp_path, known=False) as gateway:
        client, uuid = await handed(gateway, "hello")
        await client.stands(Started("conversation", MODEL, uuid))
        client.tell(Exited("its process is gone"))
        await client.close()
        await gateway.sees(desk.UNCONFIRMED)
        another = await attached(gateway)
        await gateway.taps(desk.UNCONFIRMED, "Send again")
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
            (desk.WENT_ON, TurnState.FINISHED),
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
