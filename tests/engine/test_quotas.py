"""A subscription's windows, as an agent tells them: from a mark on every run is asked about, and nothing is held for it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from gateway.agents.scripted import Background, Script, ScriptedAgent, SubAgent, TellQuota, UseTool
from gateway.agents.scripted.client import ScriptedClient
from gateway.chats.memory import MemoryChat
from gateway.domain.budget import EntryKind, Quota, ScopeKind, Unit
from gateway.domain.events import AgentEvent, QuotaTold
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import Turn, TurnState
from gateway.engine import Rules, metering
from gateway.engine.decision import Draft
from gateway.ports import Decision, Launch, View
from gateway.store import open_readonly
from tests.engine.bench import OWNER, THREAD, Bench, bench, call, script, with_limits

pytestmark = pytest.mark.anyio

HOUR_S = 3_600.0
NOON_MS = 1_794_916_800_000  # Tuesday 17 November 2026, 12:00 UTC
ASKED = "83 % of the subscription's five-hour window is used"
PAUSED = f"Paused: {ASKED}"


def told(*quotas: TellQuota) -> Script:
    """One call, and then what the API said of the subscription behind it."""
    return script(call(30), *quotas)


def asking(at: int | None = 80, **more: object) -> Rules:
    """The usual rules, with this mark."""
    return with_limits(ask_at_quota=at, **more)  # type: ignore[arg-type]


def at_noon(gateway: Bench, ahead_ms: int = 0) -> None:
    """It is noon for this gateway, or so much later."""
    gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: NOON_MS + ahead_ms)


async def keep(gateway: Bench, *quotas: Quota) -> None:
    """The gateway knows of these windows."""

    def decide(_view: View) -> Decision[None]:
        draft = Draft()
        draft.put += quotas
        return draft.done(None)

    await gateway.world.commit(decide)


async def kept(gateway: Bench, agent: str = "scripted") -> dict[str, tuple[int, int | None]]:
    """What the gateway knows of an agent's windows: hundredths, and the reset."""
    quotas = await gateway.world.store.read(lambda view: view.quotas(agent))
    return {quota.window: (quota.percent, quota.resets_at_ms) for quota in quotas}


def five_hours(percent: int, resets_at_ms: int | None = NOON_MS + 7_200_000, agent: str = "scripted") -> Quota:
    """The short window, told at noon."""
    return Quota(agent, "five_hour", percent, NOON_MS, resets_at_ms)


async def states(gateway: Bench, *wanted: TurnState) -> list[Turn]:
    """The turns, once they have come to this."""
    return await gateway.until(lambda turns: tuple(turn.state for turn in turns) == wanted)


async def test_above_the_mark_a_run_is_asked_about_and_a_yes_is_for_this_run_alone() -> None:
    """The question says how much is used and until when; no call is made before the tap, and the next run asks again."""
    async with bench(script(call(30)), asking()) as gateway:
        at_noon(gateway)
        await keep(gateway, five_hours(83))
        gateway.says("one")
        asked = await gateway.sees(f"{ASKED}, until 14:00.")
        assert gateway.agent.charges == []
        assert [button.label for button in asked.buttons] == ["Run, up to $1.00", "No"]
        gateway.chat.taps(asked, "Run, up to $1.00", OWNER)
        [turn] = await states(gateway, TurnState.FINISHED)
        assert [(lift.scope.kind, lift.unit) for lift in turn.lifts] == [(ScopeKind.QUOTA, Unit.PERCENT)]
        gateway.says("two")
        await states(gateway, TurnState.FINISHED, TurnState.ASKING)
        assert len(gateway.agent.charges) == 1


async def test_below_the_mark_nothing_is_asked() -> None:
    """79 of 80 hundredths: it runs."""
    async with bench(script(call(30)), asking()) as gateway:
        at_noon(gateway)
        await keep(gateway, five_hours(79))
        gateway.says("go")
        await gateway.ended(TurnState.FINISHED)


async def test_without_a_mark_nothing_is_asked_however_full_a_window_is() -> None:
    """All of it is used and more, before the run and in it."""
    async with bench(script(call(10), TellQuota("five_hour", 140), UseTool("ls"), call(10)), asking(None)) as gateway:
        at_noon(gateway)
        await keep(gateway, five_hours(130))
        gateway.says("go")
        assert (await gateway.ended(TurnState.FINISHED)).calls == 2


async def test_after_its_reset_a_window_is_forgotten() -> None:
    """Asked a minute before; a minute after it runs. One that told no reset counts for five hours."""
    async with bench(script(call(30)), asking()) as gateway:
        await keep(gateway, five_hours(83), replace(five_hours(83, None), window="seven_day"))
        at_noon(gateway, ahead_ms=7_140_000)
        gateway.says("one")
        await gateway.taps(ASKED, "No")
        at_noon(gateway, ahead_ms=7_260_000)
        gateway.says("two")
        await states(gateway, TurnState.REFUSED, TurnState.ASKING)
        await gateway.taps("(n=0). 83 % of the subscription's seven-day window is used.", "No")
        at_noon(gateway, ahead_ms=5 * 3_600_000)
        gateway.says("three")
        await states(gateway, TurnState.REFUSED, TurnState.REFUSED, TurnState.FINISHED)


async def test_the_windows_of_another_agent_do_not_count() -> None:
    """Another agent's subscription is full: this one's runs are not asked about."""
    async with bench(script(call(30)), asking()) as gateway:
        at_noon(gateway)
        await keep(gateway, five_hours(100, agent="claude"))
        gateway.says("go")
        await gateway.ended(TurnState.FINISHED)


async def test_what_an_agent_tells_is_kept_and_asked_about_before_the_next_run() -> None:
    """The last call of a turn took the window past the mark: that turn ends as usual, and the next one is asked about."""
    async with bench(told(TellQuota("five_hour", 83, 2 * HOUR_S), TellQuota("seven_day", 20)), asking()) as gateway:
        gateway.says("one")
        await gateway.ended(TurnState.FINISHED)
        windows = await kept(gateway)
        percent, resets_at_ms = windows["five_hour"]
        assert (percent, windows["seven_day"]) == (83, (20, None))
        assert abs((resets_at_ms or 0) - gateway.world.clock.now_ms() - 7_200_000) < 60_000
        gateway.says("two")
        await gateway.sees(ASKED)
        await states(gateway, TurnState.FINISHED, TurnState.ASKING)
        assert len(gateway.agent.charges) == 1


async def test_a_mark_passed_in_mid_turn_pauses_at_the_next_boundary_and_asks() -> None:
    """It is told after the call was booked and before the boundary: that boundary holds, and a yes lets the turn end."""
    play = script(call(30), TellQuota("five_hour", 83, 2 * HOUR_S), UseTool("Bash", "ls"), call(30))
    async with bench(play, asking()) as gateway:
        gateway.says("go")
        asked = await gateway.sees(PAUSED)
        assert "$0.30 spent so far." in asked.text
        assert len(gateway.agent.charges) == 1
        gateway.chat.taps(asked, "Go on, up to $1.00 more", OWNER)
        turn = await gateway.ended(TurnState.FINISHED)
        assert (turn.calls, turn.ceiling) == (2, Usd.parse("1.30"))


async def test_a_yes_in_mid_turn_is_not_asked_for_again_while_the_window_fills() -> None:
    """At 83, 84 and 85: one question, and the turn comes to its end."""
    steps = [step for percent in (83, 84, 85) for step in (call(10), TellQuota("five_hour", percent), UseTool("ls"))]
    async with bench(script(*steps), asking()) as gateway:
        gateway.says("go")
        await gateway.taps(PAUSED, "Go on, up to $1.00 more")
        turn = await gateway.ended(TurnState.FINISHED)
        assert turn.calls == 3
        assert sum("window is used" in shown.text for shown in gateway.chat.sees(THREAD)) == 1


async def test_a_window_told_below_the_mark_pauses_nothing() -> None:
    """At 79 the turn runs through."""
    play = script(call(10), TellQuota("five_hour", 79), UseTool("Bash", "ls"), call(10))
    async with bench(play, asking()) as gateway:
        gateway.says("go")
        assert (await gateway.ended(TurnState.FINISHED)).calls == 2


async def test_nothing_is_ever_held_for_a_window(tmp_path: Path) -> None:
    """At the pause the turn has the one hold of every turn; a no frees it, and no entry names a window."""
    play = script(call(30), TellQuota("five_hour", 83, 2 * HOUR_S), UseTool("Bash", "ls"), call(30))
    async with bench(play, asking(), home=tmp_path) as gateway:
        gateway.says("go")
        await gateway.taps(PAUSED, "Stop here")
        await gateway.ended(TurnState.STOPPED)
        assert (await gateway.balance()).held == ZERO
    with open_readonly(tmp_path) as reader:
        entries = [record.entry for record in reader.records()]
        assert [entry.held for entry in entries if entry.kind is EntryKind.HOLD] == [Usd.parse("0.50")]
        assert all(scope.kind is not ScopeKind.QUOTA for entry in entries for scope in entry.scopes)


async def test_a_window_outlasts_the_gateway(tmp_path: Path) -> None:
    """The next gateway asks before the first run."""
    chat = MemoryChat()
    async with bench(told(TellQuota("five_hour", 83, 2 * HOUR_S)), asking(), tmp_path, chat=chat) as gateway:
        gateway.says("one")
        await gateway.ended(TurnState.FINISHED)
    async with bench(script(call(30)), asking(), tmp_path, chat=chat) as gateway:
        gateway.says("two")
        await gateway.sees(ASKED)
        assert gateway.agent.charges == []


async def test_a_window_told_before_the_first_call_holds_that_call_back() -> None:
    """An agent that tells of its subscription as it starts: the turn that started it makes no call before the yes."""
    agent = EarlyAgent(script(call(30)))
    async with agent, bench(script(), asking(), agents={"scripted": agent}) as gateway:
        gateway.says("go")
        asked = await gateway.sees(f"Paused: 95 % of the subscription's seven-day window is used. {ZERO} spent so far.")
        assert agent.charges == []
        gateway.chat.taps(asked, "Go on, up to $1.00 more", OWNER)
        await gateway.ended(TurnState.FINISHED)


async def test_what_works_behind_a_turn_pauses_too() -> None:
    """A background agent's call takes the window past the mark: at its own next boundary it waits for the yes."""
    behind = SubAgent("reader", (call(10), TellQuota("five_hour", 83), UseTool("Bash", "ls"), call(10)))
    async with bench(script(call(10), Background((behind,), report=())), asking()) as gateway:
        gateway.says("go")
        await gateway.sees(PAUSED)
        assert len(gateway.agent.charges) == 2
        await gateway.taps(PAUSED, "Go on, up to $1.00 more")
        await gateway.until(lambda turns: turns[0].state is TurnState.FINISHED)
        assert len(gateway.agent.charges) == 3


async def test_a_run_that_nobody_asked_for_is_asked_about_too() -> None:
    """A background agent ends past the mark: the run that follows makes no call before the yes."""
    behind = SubAgent("reader", (call(10), TellQuota("five_hour", 83)))
    async with bench(script(call(10), Background((behind,), report=(call(10),))), asking()) as gateway:
        gateway.says("go")
        await states(gateway, TurnState.FINISHED, TurnState.ASKING)
        asked = await gateway.sees(ASKED)
        assert len(gateway.agent.charges) == 2
        gateway.chat.taps(asked, "Run", OWNER)
        await states(gateway, TurnState.FINISHED, TurnState.FINISHED)


async def test_the_same_figure_is_not_written_twice() -> None:
    """A window is written when its figure or its reset changes; one without a reset at most once a minute, lest it is forgotten."""
    async with bench(script(call(30)), asking()) as gateway:
        at_noon(gateway)
        gateway.says("go")
        session_id = (await gateway.ended(TurnState.FINISHED)).session_id

        async def writes(percent: int, resets_at_ms: int | None, *, ahead_ms: int = 0) -> bool:
            at_noon(gateway, ahead_ms)
            event = QuotaTold("five_hour", percent, resets_at_ms)
            return bool((await gateway.world.commit(metering.note_quota(gateway.world, session_id, event))).put)

        assert await writes(50, NOON_MS)
        assert not await writes(50, NOON_MS, ahead_ms=3_600_000)
        assert await writes(51, NOON_MS)
        assert await writes(51, NOON_MS + 1)
        assert await writes(51, None)
        assert not await writes(51, None, ahead_ms=59_999)
        assert await writes(51, None, ahead_ms=60_000)


async def test_an_agent_that_names_ever_new_windows_fills_no_store() -> None:
    """So many are kept; what is told of those goes on being kept."""
    names = [f"window_{number}" for number in range(metering.WINDOWS_MAX + 5)]
    many = [TellQuota(name, 10) for name in names]
    async with bench(script(call(10), *many, TellQuota(names[0], 11)), asking()) as gateway:
        gateway.says("go")
        await gateway.ended(TurnState.FINISHED)
        windows = await kept(gateway)
        assert (len(windows), windows[names[0]][0]) == (metering.WINDOWS_MAX, 11)


async def test_the_budget_and_the_closing_line_speak_of_the_subscription() -> None:
    """/budget shows the windows where the owner is, and amounts are list prices once a subscription has been told of."""
    async with bench(script(call(30)), asking(timezone=timezone(timedelta(hours=4)))) as gateway:
        at_noon(gateway)
        gateway.says("/budget")
        shown = await gateway.sees("You are asked above")
        assert "Subscription" not in shown.text
        gateway.says("one")
        closing = await gateway.sees("session $0.30 of $5.00")
        assert "list prices" not in closing.text
        await keep(gateway, five_hours(70), replace(five_hours(20, NOON_MS + 3 * 86_400_000), window="seven_day"))
        gateway.says("/budget")
        await gateway.sees(
            "Subscription: five-hour window 70 %, until 18:00 · seven-day window 20 %, until Fri 20 Nov 16:00"
        )
        gateway.says("two")
        await gateway.sees("session $0.60 of $5.00 · list prices")
        gateway.says("/cost")
        await gateway.sees("List prices.")


class EarlyAgent(ScriptedAgent):
    """Its clients tell of a window before anything else."""

    async def start(self, launch: Launch) -> Any:
        """As the scripted agent does."""
        return EarlyClient(await super().start(launch))


class EarlyClient:
    """A scripted client with one event more, in front."""

    def __init__(self, client: ScriptedClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def events(self) -> AsyncIterator[AgentEvent]:
        """The window, then what happens."""
        yield QuotaTold("seven_day", 95)
        async for event in self._client.events():
            yield event
