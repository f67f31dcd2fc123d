"""Limits beside money: calls, tokens and work of every scope, a turn's own, its pace; and how long a raise lasts."""

import itertools
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from gateway.agents.scripted import AskPerson, Script, UseTool
from gateway.domain.budget import Caps, EntryKind, Lift, Scope, ScopeKind, Unit
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Grant, Role
from gateway.domain.turn import Turn, TurnState
from gateway.engine import Rules
from gateway.store import open_readonly
from tests.engine.bench import OTHER, OWNER, RULES, THREAD, Bench, bench, call, script, with_limits

pytestmark = pytest.mark.anyio

SIX_CALLS = script(*[step for _ in range(5) for step in (call(10), UseTool("Bash", "ls"))], call(10))
ONE_CALL = script(call(30))


def capped(kind: ScopeKind, caps: Caps, **more: object) -> Rules:
    """The usual rules with these caps on one kind of scope."""
    return with_limits(caps={kind: caps}, **more)  # type: ignore[arg-type]


async def test_a_turn_that_makes_too_many_calls_pauses_and_asks_like_a_limit() -> None:
    """A loop breaker of three calls: at most one more is made, and a yes gives it room for half as many again."""
    async with bench(SIX_CALLS, capped(ScopeKind.TURN, Caps(calls=3))) as gateway:
        gateway.says("go")
        asked = await gateway.sees("Paused: 3 calls in this turn. $0.30 spent so far.")
        assert len(gateway.agent.charges) == 3
        gateway.chat.taps(asked, "Go on, up to $1.00 more", OWNER)
        again = await gateway.sees("Paused: 4 calls in this turn.")
        gateway.chat.taps(again, "Go on, up to $1.00 more", OWNER)
        turn = await gateway.ended(TurnState.FINISHED)
        assert (turn.calls, len(gateway.agent.charges)) == (6, 6)
        assert [(lift.unit, lift.by) for lift in turn.lifts] == [(Unit.CALLS, 1), (Unit.CALLS, 2)]


async def test_a_sessions_calls_are_limited_and_raised_for_the_session() -> None:
    """Six calls a turn and at most eight a session: the second turn pauses, a raise is the session's, and the third asks."""
    async with bench(SIX_CALLS, capped(ScopeKind.SESSION, Caps(calls=8))) as gateway:
        gateway.says("one")
        await gateway.ended(TurnState.FINISHED)
        gateway.says("two")
        asked = await gateway.sees("Paused: the session's 8 calls are used up. $0.20 spent so far.")
        gateway.chat.taps(asked, "Go on, up to $1.00 more, +4 calls", OWNER)
        await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
        balance = await gateway.balance()
        assert (balance.counts.calls, balance.caps.calls) == (12, 12)
        gateway.says("three")
        await gateway.sees("The session's 12 calls are used up.")
        assert len(gateway.agent.charges) == 12


async def test_tokens_of_a_day_are_counted_over_its_sessions() -> None:
    """4,000 tokens a call: a day of 30,000 is met in the second session, and a yes there is for that turn alone."""
    async with bench(SIX_CALLS, capped(ScopeKind.DAY, Caps(tokens=30_000))) as gateway:
        gateway.says("one")
        await gateway.ended(TurnState.FINISHED)
        await gateway.begins_anew()
        gateway.says("two")
        asked = await gateway.sees("Paused: the day's 30k tokens are used up.")
        await gateway.sees("75 % of the day's 30k tokens are used: 24k tokens.")
        gateway.chat.taps(asked, "Go on, up to $1.00 more, +17k tokens", OWNER)
        await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
        day = await gateway.balance_of(gateway.today())
        assert (day.counts.tokens, day.caps.tokens) == (48_000, 30_000)
        gateway.says("three")
        await gateway.sees("The day's 30k tokens are used up.")


async def test_a_command_sets_and_raises_limits_in_every_unit(tmp_path: Path) -> None:
    """/budget and /raise with calls, tokens and minutes; each is an entry, and /budget shows them all."""
    async with bench(ONE_CALL, home=tmp_path) as gateway:
        gateway.says("/budget day 200 calls")
        await gateway.sees("of $25.00 · 0 of 200 calls")
        gateway.says("/raise day 100 calls")
        await gateway.sees("0 of 300 calls")
        gateway.says("/budget day 2M tokens")
        gateway.says("/budget day 90 min")
        await gateway.sees("0 of 2.0M tokens · 0 of 300 calls · 0 s of 1 h 30 min of work")
        gateway.says("/raise week 5 calls")
        await gateway.sees("There is no limit on this week")
    with open_readonly(tmp_path) as reader:
        entries = [record.entry for record in reader.records() if record.entry.kind is EntryKind.LIMIT]
        assert [entry.caps for entry in entries] == [
            Caps(calls=200),
            Caps(calls=300),
            Caps(tokens=2_000_000),
            Caps(work_ms=5_400_000),
        ]
        assert reader.verify() == ()


async def test_who_may_not_raise_may_not_give_room_that_others_share() -> None:
    """A largest raise bounds dollars; a writer gives neither, and an approver's word is enough for calls."""
    people = (
        Grant(OWNER, Role.OWNER),
        Grant("8", Role.WRITER),
        Grant("9", Role.APPROVER, largest_raise=Usd.parse("1")),
    )
    rules = with_limits(caps={ScopeKind.DAY: Caps(calls=2)}, people=people)
    async with bench(SIX_CALLS, rules) as gateway:
        gateway.says("go")
        asked = await gateway.sees("Paused: the day's 2 calls are used up.")
        gateway.chat.taps(asked, asked.buttons[0].label, "8")
        gateway.chat.says(THREAD, "8", "5", to=asked)
        await gateway.sees("You may not answer the question above.")
        assert (await gateway.turn()).state is TurnState.PAUSED
        gateway.chat.taps(asked, asked.buttons[0].label, "9")
        await gateway.until(lambda turns: turns[0].state is not TurnState.PAUSED)


async def test_a_typed_amount_gives_room_to_what_is_in_the_way_too() -> None:
    """A reply of $2 at a loop breaker: the turn goes on, up to $2 more."""
    async with bench(SIX_CALLS, capped(ScopeKind.TURN, Caps(calls=4))) as gateway:
        gateway.says("go")
        asked = await gateway.sees("Paused: 4 calls in this turn.")
        gateway.chat.says(THREAD, OWNER, "2", to=asked)
        turn = await gateway.ended(TurnState.FINISHED)
        assert (turn.calls, turn.ceiling) == (6, Usd.parse("2.40"))


# ---------------------------------------------------------------------------------------------------------------- work
class Ticks:
    """A clock for what waits; a test says how late it is."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def on(gateway: Bench, ticks: Ticks) -> None:
    """Let the gateway's waiting be by these ticks."""
    gateway.world.clock = replace(gateway.world.clock, ticks_ms=ticks)


async def test_work_is_counted_while_the_agent_works_and_not_while_it_waits_for_a_person() -> None:
    """Ten seconds before a question and five after it are fifteen; the hour in which it waits is none."""
    ticks, first, second = Ticks(), anyio.Event(), anyio.Event()
    play = script(call(1, lasts=first), AskPerson("Which one?", ("a",)), call(1, lasts=second))
    async with bench(play) as gateway:
        on(gateway, ticks)
        gateway.says("go")
        await gateway.until(lambda turns: bool(turns) and turns[0].state is TurnState.RUNNING)
        await anyio.wait_all_tasks_blocked()
        ticks.now += 10_000
        first.set()
        asked = await gateway.sees("Which one?")
        ticks.now += 3_600_000
        gateway.chat.taps(asked, "a", OWNER)
        await gateway.sees("Answered: a")
        ticks.now += 5_000
        second.set()
        turn = await gateway.ended(TurnState.FINISHED)
        balance = await gateway.balance()
        assert (turn.work_ms, balance.counts.work_ms) == (15_000, 15_000)


@asynccontextmanager
async def an_hour_in_a_tool(kind: ScopeKind) -> AsyncGenerator[tuple[Bench, Ticks]]:
    """A turn whose tool has just ended, an hour after its first call, where half an hour of work is the limit of this kind."""
    ticks, tool = Ticks(), anyio.Event()
    play = script(call(1), UseTool("Bash", "make", lasts=tool), call(1))
    async with bench(play, capped(kind, Caps(work_ms=1_800_000))) as gateway:
        on(gateway, ticks)
        gateway.says("go")
        await gateway.until(lambda turns: bool(turns) and turns[0].calls == 1)
        await anyio.wait_all_tasks_blocked()
        ticks.now += 3_600_000
        tool.set()
        yield gateway, ticks


async def test_a_turn_that_works_too_long_pauses_at_its_next_boundary() -> None:
    """Its last call was in time, and a tool ran for an hour: it is asked about before it calls again."""
    async with an_hour_in_a_tool(ScopeKind.TURN) as (gateway, _):
        asked = await gateway.sees("Paused: 1 h of work in this turn.")
        assert len(gateway.agent.charges) == 1
        gateway.chat.taps(asked, asked.buttons[0].label, OWNER)
        turn = await gateway.ended(TurnState.FINISHED)
        assert (turn.calls, turn.work_ms) == (2, 3_600_000)


async def test_a_days_minutes_are_met_at_a_boundary_too() -> None:
    """A day of half an hour, and a tool that takes one: no call is made after it before somebody says yes."""
    async with an_hour_in_a_tool(ScopeKind.DAY) as (gateway, _):
        asked = await gateway.sees("Paused: the day's 30 min of work are used up.")
        assert len(gateway.agent.charges) == 1
        gateway.chat.taps(asked, "Go on, up to $1.00 more, +45 min of work", OWNER)
        turn = await gateway.ended(TurnState.FINISHED)
        day = await gateway.balance_of(gateway.today())
        assert (turn.calls, turn.work_ms, day.counts.work_ms) == (2, 3_600_000, 3_600_000)


async def test_work_before_a_pause_that_nobody_answers_is_counted() -> None:
    """A day of half an hour, an hour in a tool, and no answer in time: the hour is booked when the agent ends, and the day is used up."""
    async with an_hour_in_a_tool(ScopeKind.DAY) as (gateway, ticks):
        await gateway.sees("Paused: the day's 30 min of work are used up.")
        ticks.now += RULES.pause_ms
        await gateway.sees("The agent does not wait any more")
        day = await gateway.balance_of(gateway.today())
        assert ((await gateway.turn()).work_ms, day.counts.work_ms) == (3_600_000, 3_600_000)


async def test_a_turn_that_costs_far_more_a_minute_than_any_before_it_is_asked_about() -> None:
    """Five turns at 10 cents a minute, then one of $3 in no time: it pauses, and a yes lets it go on."""
    plays = [*([script(call(10))] * 5), script(call(300), UseTool("Bash", "ls"), call(300))]
    count = iter(plays)

    def play(_text: str, _context: int) -> Script:
        return next(count)

    rules = with_limits(session="100", confirm="20", pace_times=5)
    async with bench(play, rules) as gateway:
        ticks = itertools.count()
        gateway.world.clock = replace(gateway.world.clock, ticks_ms=lambda: next(ticks))
        for number in range(5):
            gateway.says(f"prompt {number}")
            await gateway.until(lambda turns, n=number: sum(bool(turn.ended_at_ms) for turn in turns) > n)
        gateway.says("the dear one")
        asked = await gateway.sees("Paused: it costs $3.00 a minute, far more than other turns of this session.")
        gateway.chat.taps(asked, asked.buttons[0].label, OWNER)
        await gateway.until(lambda turns: len(turns) == 6 and bool(turns[-1].ended_at_ms))


# -------------------------------------------------------------------------------------------------------------- raises
async def paused_on_the_day(gateway: Bench) -> Turn:
    """A turn that met a day of $0.25, and was raised by $2 there."""
    gateway.says("go")
    await gateway.taps("Paused: the day budget of $0.25 is used up.", "Raise +$2, up to $1.95 more")
    return await gateway.ended(TurnState.FINISHED)


DAY_OF_25_CENTS = replace(
    RULES, limits={ScopeKind.SESSION: Usd.parse("5"), ScopeKind.DAY: Usd.parse("0.25")}, step=Usd.parse("0.20")
)


async def test_a_raise_of_what_others_share_is_for_this_turn_and_ends_with_it(tmp_path: Path) -> None:
    """The turn goes on beyond the day's limit; the limit is what it was, the next turn asks, and the ledger tells of it."""
    async with bench(SIX_CALLS, DAY_OF_25_CENTS, home=tmp_path) as gateway:
        turn = await paused_on_the_day(gateway)
        assert turn.spent == Usd.parse("0.60")
        day = await gateway.balance_of(gateway.today())
        assert (day.limit, day.spent, day.held) == (Usd.parse("0.25"), Usd.parse("0.60"), ZERO)
        assert turn.lifts == (Lift(gateway.today(), Unit.USD, Usd.parse("2").nano),)
        gateway.says("again")
        await gateway.sees("$0.00 left of the day's $0.25.")
    with open_readonly(tmp_path) as reader:
        [raised] = [record.entry for record in reader.records() if record.entry.kind is EntryKind.RAISED]
        assert (raised.who, raised.turn_id, raised.until_ms) == (OWNER, turn.id, None)
        assert json.loads(raised.detail)["lifts"][0][2:] == ["usd", 2_000_000_000]
        assert reader.verify() == ()


async def test_a_raise_for_one_turn_is_no_room_for_another() -> None:
    """While the raised turn works, another session finds the day used up."""
    going = anyio.Event()
    play = script(call(30), UseTool("Bash", "ls"), call(30, lasts=going))
    async with bench(play, DAY_OF_25_CENTS) as gateway:
        gateway.says("go")
        await gateway.taps("Paused: the day budget of $0.25 is used up.", "Raise +$2, up to $1.95 more")
        await gateway.until(lambda turns: turns[0].state is TurnState.RUNNING)
        gateway.says("me too", OTHER)
        # What is held for is written in another chat, and not for the readers of this one.
        await gateway.sees("$0.00 left of the day's $0.25: $0.30 spent, $0.20 held.", OTHER)
        going.set()
        await gateway.until(lambda turns: turns[0].state is TurnState.FINISHED)


async def test_another_limit_takes_back_what_a_turn_at_work_was_raised_by(tmp_path: Path) -> None:
    """$2 more for a turn, and then a day of 10 cents: it pauses after the call that it is in, and the ledger says why."""
    going = anyio.Event()
    play = script(call(30), UseTool("Bash", "ls"), call(30, lasts=going), UseTool("Bash", "ls"), call(30))
    async with bench(play, DAY_OF_25_CENTS, home=tmp_path) as gateway:
        gateway.says("go")
        await gateway.taps("Paused: the day budget of $0.25 is used up.", "Raise +$2, up to $1.95 more")
        await gateway.until(lambda turns: turns[0].state is TurnState.RUNNING)
        gateway.says("/budget day 0.10")
        await gateway.sees("of $0.10")
        going.set()
        await gateway.sees("Paused: the day budget of $0.10 is used up. $0.60 spent so far.")
        turn = await gateway.turn()
        assert (turn.lifts, len(gateway.agent.charges)) == ((), 2)
    with open_readonly(tmp_path) as reader:
        raised = [record.entry for record in reader.records() if record.entry.kind is EntryKind.RAISED]
        assert [(entry.turn_id, json.loads(entry.detail)["lifts"][0][3]) for entry in raised] == [
            (turn.id, 2_000_000_000),
            (turn.id, -2_000_000_000),
        ]
        assert reader.verify() == ()


async def test_a_raise_of_a_scope_that_never_ends_is_over_after_a_day() -> None:
    """/raise person 3 holds for 24 hours and says so; another limit takes it back at once."""
    now = [1_800_000_000_000]
    rules = replace(RULES, limits={**RULES.limits, ScopeKind.PERSON: Usd.parse("2")})
    person = Scope(ScopeKind.PERSON, OWNER)
    async with bench(ONE_CALL, rules) as gateway:
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: now[0])
        gateway.says("/raise person 3")
        await gateway.sees("Person: $0.00 spent, of $5.00 · +$3.00 until Sat 16 Jan 08:00")
        now[0] += 24 * 3_600_000 - 1
        assert (await gateway.balance_of(person)).limit == Usd.parse("5")
        now[0] += 1
        assert (await gateway.balance_of(person)).limit == Usd.parse("2")
        gateway.says("/raise person 3")
        await gateway.sees("until Sun 17 Jan 08:00")
        gateway.says("/budget person 4")
        await gateway.sees("Person: $0.00 spent, of $4.00\n")
        assert (await gateway.balance_of(person)).limit == Usd.parse("4")


async def test_a_raise_may_be_for_a_while() -> None:
    """Of a day for two hours, and until a time: then the limit is what it was; what is no time changes nothing."""
    now = [1_800_000_000_000]  # 08:00 on a Friday
    async with bench(ONE_CALL) as gateway:
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: now[0])
        day = gateway.today()
        gateway.says("/raise day 5 2h")
        await gateway.sees("Day: $0.00 spent, of $30.00 · +$5.00 until 10:00")
        gateway.says("/raise day 1 until 09:00")
        await gateway.sees("of $31.00 · +$5.00 until 10:00 · +$1.00 until 09:00")
        gateway.says("/raise day 1 for soon")
        await gateway.sees("'soon' is not a time")
        found: list[Usd | None] = []
        for hours in (1, 1):
            now[0] += hours * 3_600_000
            found.append((await gateway.balance_of(day)).limit)
        assert found == [Usd.parse("30"), Usd.parse("25")]


async def test_a_raise_for_a_while_is_not_made_one_for_good_by_who_may_only_lower() -> None:
    """$25, and $10 more for an hour: a writer may set no more than $25, since what is set stays; an approver not beyond theirs."""
    now = [1_800_000_000_000]
    people = (
        Grant(OWNER, Role.OWNER),
        Grant("8", Role.WRITER),
        Grant("9", Role.APPROVER, largest_raise=Usd.parse("5")),
    )
    async with bench(ONE_CALL, replace(RULES, people=people)) as gateway:
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: now[0])
        day = gateway.today()
        gateway.says("/raise day 10 1h")
        await gateway.sees("of $35.00 · +$10.00")
        gateway.chat.says(THREAD, "8", "/budget day 34")
        await gateway.sees("You may not raise this limit by $9.00")
        gateway.chat.says(THREAD, "9", "/budget day 35")
        await gateway.sees("You may not raise this limit by $10.00")
        assert (await gateway.balance_of(day)).limit == Usd.parse("35")
        now[0] += 3_600_000
        assert (await gateway.balance_of(day)).limit == Usd.parse("25")
        gateway.chat.says(THREAD, "8", "/budget day 24")
        await gateway.sees("Day: $0.00 spent, of $24.00")


async def test_other_settings_take_back_what_was_raised_for_a_while_above_them(tmp_path: Path) -> None:
    """A day of $25 and $100 more for two hours, then $5 in the settings; and a session of $2 and $1 more stays as it is."""
    async with bench(ONE_CALL, home=tmp_path) as gateway:
        gateway.says("go")
        await gateway.ended(TurnState.FINISHED)
        gateway.says("/raise day 100 2h")
        await gateway.sees("of $125.00")
        gateway.says("/budget session 2")
        gateway.says("/raise session 1 2h")
        await gateway.sees("of $3.00 · +$1.00")
    limits = {ScopeKind.DAY: Usd.parse("5"), ScopeKind.SESSION: Usd.parse("4")}
    async with bench(ONE_CALL, replace(RULES, limits=limits), home=tmp_path) as gateway:
        assert (await gateway.balance_of(gateway.today())).limit == Usd.parse("5")
        assert (await gateway.balance()).limit == Usd.parse("3")
    with open_readonly(tmp_path) as reader:
        assert reader.verify() == ()


async def test_other_settings_take_back_every_limit_that_was_raised_for_a_turn(tmp_path: Path) -> None:
    """A turn for which the day's and the person's limit were raised at once has neither raise left once both are lower."""
    low = {ScopeKind.DAY: Usd.parse("1"), ScopeKind.PERSON: Usd.parse("1")}
    calls = script(*[call(90)] * 5)
    async with bench(calls, replace(RULES, limits=low), home=tmp_path) as gateway:
        gateway.says("go")
        await gateway.taps("Paused: the day budget of $1.00 is used up", "Raise +$2, up to $1.20 more")
        await gateway.until(lambda turns: turns[-1].calls > 2 and turns[-1].state is TurnState.PAUSED)
        assert {lift.scope.kind for lift in (await gateway.turn()).lifts} == {ScopeKind.DAY, ScopeKind.PERSON}
    lower = {kind: Usd.parse("0.5") for kind in low}
    async with bench(calls, replace(RULES, limits=lower), home=tmp_path) as gateway:
        assert (await gateway.turn()).lifts == ()
