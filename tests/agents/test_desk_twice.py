"""Hooks that are registered twice (a plugin by two names, or beside the settings' own): each event is judged once, and booked once."""

import json
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.agents.claude.desk import DeskAgent, once
from gateway.agents.claude.desk.hooks import Event
from gateway.agents.claude.desk.once import Once
from gateway.domain.effects import EndTurn, GoOn
from gateway.domain.events import Acted, End, Finished, Paused, Started
from gateway.domain.money import Usd
from gateway.engine.rules import Desk
from tests.agents.test_desk import MODEL, answered, asked, open_at_desk, told
from tests.engine.bench import OWNER, RULES, THREAD, Bench, bench, call, script

pytestmark = pytest.mark.anyio

BOTH = ("one plugin", "the other")
GATED: Mapping[str, dict[str, Any]] = {
    Event.PROMPT: {"prompt": "fix it"},
    Event.TOOL: {"tool_name": "Agent", "tool_use_id": "toolu_1", "tool_input": {"prompt": "look"}},
    Event.BATCH: {"tool_calls": [{"tool_use_id": "toolu_1"}], "agent_id": "a41f"},
    Event.COMPACT: {"trigger": "auto"},
}


class Answers:
    """What both hooks of an event were told, as they came to know it."""

    def __init__(self) -> None:
        self.told: list[Mapping[str, Any]] = []

    async def asks(self, client: Any, event: Any, source: str) -> None:
        self.told.append(await client.hook(event, source))


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("says", [GoOn(), EndTurn("asked on your phone")], ids=["yes", "no"])
@pytest.mark.parametrize("event", list(GATED))
async def test_both_hooks_of_an_event_are_told_the_one_answer_to_it(
    tmp_path: Path, event: str, says: GoOn | EndTurn, late: bool
) -> None:
    """At once or a moment after the other was answered: whoever is asked, is asked once."""
    async with open_at_desk(tmp_path) as desk:
        if event != Event.PROMPT:
            await desk.client.hook(told("UserPromptSubmit", prompt="go"))
        before = len(desk.of(Paused))
        desk.says = lambda _paused: says
        answers, about = Answers(), told(event, **GATED[event])
        with anyio.fail_after(30):
            if late:
                for source in BOTH:
                    await answers.asks(desk.client, about, source)
            else:
                async with anyio.create_task_group() as tasks:
                    for source in BOTH:
                        tasks.start_soon(answers.asks, desk.client, about, source)
        first, second = answers.told
        assert first == second
        assert (first == {}) is isinstance(says, GoOn)
        assert len(desk.of(Paused)) == before + 1


async def test_hooks_that_do_not_say_whose_they_are_share_an_answer_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prompt or a tool by its name, and no longer than nobody can have typed it again."""
    async with open_at_desk(tmp_path) as desk:
        desk.says = lambda _paused: EndTurn("asked on your phone")
        about = told("UserPromptSubmit", prompt="dear")
        for _ in BOTH:
            assert (await desk.client.hook(about))["decision"] == "block"
        assert len(desk.of(Paused)) == 1
        monkeypatch.setattr(once, "MOMENT_S", -1)
        assert (await desk.client.hook(about))["decision"] == "block"
        assert len(desk.of(Paused)) == 2


async def test_the_same_words_typed_twice_while_a_run_works_are_two_runs_each_with_its_gate(tmp_path: Path) -> None:
    """Both bear the name of the run at work: what tells them apart is that one plugin asks about each of them."""
    async with open_at_desk(tmp_path) as desk, anyio.create_task_group() as tasks:
        await desk.client.hook(told("UserPromptSubmit", prompt="first"), BOTH[0])
        one, two = Answers(), Answers()
        for answers in (one, two):
            for source in BOTH:
                tasks.start_soon(answers.asks, desk.client, told("UserPromptSubmit", prompt="continue"), source)
                await anyio.wait_all_tasks_blocked()
        await desk.client.hook(told("Stop", last_assistant_message=""), BOTH[0])
        await desk.until(Started, 2)
        await anyio.wait_all_tasks_blocked()
        assert (one.told, two.told) == ([{}, {}], [])
        await desk.client.hook(told("Stop", last_assistant_message="", prompt_id="p2"), BOTH[0])
        await desk.until(Started, 3)
        await anyio.wait_all_tasks_blocked()
        assert two.told == [{}, {}]
        assert [event.typed for event in desk.of(Started)] == ["first", "continue", "continue"]


async def test_so_many_hooks_that_ask_about_one_event_are_remembered() -> None:
    """Whoever makes up more of them is judged each time; what is kept of them does not grow."""
    events, about = Once(), told("PostToolBatch", tool_calls=[{"tool_use_id": "t"}])
    found = {id(one): one for number in range(10_000) for one in [events.of(about, f"hook {number}", at_rest=False)]}
    assert max(len(one.sources) for one in found.values()) == once.SOURCES_MAX


async def test_two_compactions_of_one_run_are_asked_about_each(tmp_path: Path) -> None:
    """The client tells of both in the same words."""
    async with open_at_desk(tmp_path) as desk:
        await desk.client.hook(told("UserPromptSubmit", prompt="go"), BOTH[0])
        for compaction in (1, 2):
            for source in BOTH:
                assert await desk.client.hook(told("PreCompact", trigger="auto"), source) == {}
            assert len(desk.of(Paused)) == 1 + compaction


@pytest.mark.parametrize("killed", [0, 1], ids=["the first", "the second"])
@pytest.mark.parametrize("event", list(GATED))
async def test_where_one_hook_is_killed_the_other_is_told_no_and_nothing_begins(
    tmp_path: Path, event: str, killed: int
) -> None:
    """The client stops there for the one that was killed: nobody waits, nothing runs, and what is typed next is asked about anew."""
    async with open_at_desk(tmp_path) as desk:
        if event != Event.PROMPT:
            await desk.client.hook(told("UserPromptSubmit", prompt="go"))
        before = len(desk.of(Paused))
        desk.says = lambda _paused: None
        answers, scopes = Answers(), [anyio.CancelScope(), anyio.CancelScope()]

        async def asks(number: int) -> None:
            with scopes[number]:
                await answers.asks(desk.client, told(event, **GATED[event]), BOTH[number])

        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                for number in (0, 1):
                    tasks.start_soon(asks, number)
                    await anyio.wait_all_tasks_blocked()
                scopes[killed].cancel()
        [verdict] = answers.told
        assert once.CUT in json.dumps(verdict)
        assert len(desk.of(Paused)) == before + 1
        assert [event.end for event in desk.of(Finished)] == ([End.INTERRUPTED] if event == Event.PROMPT else [])
        desk.says = lambda _paused: GoOn()
        await desk.client.hook(told("Stop", last_assistant_message=""))
        assert await desk.client.hook(told("UserPromptSubmit", prompt="next", prompt_id="p2")) == {}
        assert desk.of(Started)[-1].typed == "next"


async def test_a_compaction_by_hand_whose_hook_is_killed_is_no_run(tmp_path: Path) -> None:
    """The client drops it without a word: what is typed then does not wait for its end."""
    async with open_at_desk(tmp_path) as desk:
        desk.says = lambda _paused: None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.client.hook, told("PreCompact", trigger="manual"), BOTH[0])
            await desk.until(Paused)
            tasks.cancel_scope.cancel()
        assert (await desk.until(Finished)).end is End.INTERRUPTED
        desk.says = lambda _paused: GoOn()
        with anyio.fail_after(30):
            assert await desk.client.hook(told("UserPromptSubmit", prompt="next"), BOTH[0]) == {}


async def test_where_a_hook_that_only_tells_is_killed_the_other_one_tells(tmp_path: Path) -> None:
    """The run's end is known though the first hook about it was ended while it waited for the transcript."""
    async with open_at_desk(tmp_path) as desk, anyio.create_task_group() as tasks:
        await desk.client.hook(told("UserPromptSubmit", prompt="go"), BOTH[0])
        stop, first = told("Stop", last_assistant_message="answer m1"), anyio.CancelScope()

        async def asks() -> None:
            with first:
                await desk.client.hook(stop, BOTH[0])

        tasks.start_soon(asks)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(desk.client.hook, stop, BOTH[1])
        await anyio.wait_all_tasks_blocked()
        first.cancel()
        desk.writes(asked("r1"), answered("m1", "r1"))
        assert (await desk.until(Finished)).text == "answer m1"


async def test_a_hook_that_tells_of_the_end_a_second_time_does_not_end_the_run_after_it(tmp_path: Path) -> None:
    """What was typed meanwhile begins with the end that the first hook tells of, before the second one comes."""
    async with open_at_desk(tmp_path) as desk, anyio.create_task_group() as tasks:
        await desk.client.hook(told("UserPromptSubmit", prompt="first"), BOTH[0])
        tasks.start_soon(desk.client.hook, told("UserPromptSubmit", prompt="second"), BOTH[0])
        await anyio.wait_all_tasks_blocked()
        for source in BOTH:
            await desk.client.hook(told("Stop", last_assistant_message=""), source)
            await desk.until(Started, 2)
        assert len(desk.of(Finished)) == 1
        await desk.client.hook(told("PreToolUse", tool_name="Bash", prompt_id="p2", tool_use_id="t"), BOTH[0])
        assert [event.typed for event in desk.of(Started)] == ["first", "second"]
        assert len(desk.of(Acted)) == 1


# ------------------------------------------------------------------------------------------------------------ the money
@dataclass
class Client:
    """A session with so many plugins at a gateway's door. `late`: how the hooks of an event come: one after another, not at once."""

    gateway: Bench
    desk: DeskAgent
    place: Path
    plugins: int
    late: bool
    verdicts: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])

    async def tells(self, event: str, **more: Any) -> Mapping[str, Any]:
        """Every plugin's hook; their one verdict."""
        about = {"session_id": "s", "hook_event_name": event, "cwd": str(self.place), **more}
        about["transcript_path"] = str(self.place / "s.jsonl")
        found: list[Mapping[str, Any]] = []

        async def asks(number: int) -> None:
            lineage = (100 + number, os.getpid())
            found.append(await self.desk.hook(event, json.dumps(about).encode(), lineage, f"plugin {number}"))

        with anyio.fail_after(40):
            async with anyio.create_task_group() as tasks:
                for number in range(self.plugins):
                    if self.late:
                        await asks(number)
                    else:
                        tasks.start_soon(asks, number)
        assert found == found[:1] * self.plugins
        self.verdicts.append(found[0])
        return found[0]

    def writes(self, *lines: Mapping[str, Any], path: str = "s.jsonl") -> None:
        place = self.place / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)


@asynccontextmanager
async def with_plugins(place: Path, plugins: int, *, late: bool) -> AsyncGenerator[Client]:
    """A gateway at work, and a session of the desk."""
    (place / "home").mkdir(parents=True)
    desk = DeskAgent(place / "home")
    rules = replace(RULES, desks=(Desk("/", OWNER, THREAD.chat),))
    agents = {"channel": desk, "scripted": None}
    async with desk, bench(script(call(1)), rules, agents=agents) as gateway:  # type: ignore[arg-type] - nobody asks it
        desk.attach = gateway.engine.attach
        yield Client(gateway, desk, place, plugins, late)


def made(name: str, *, tool: str = "", agent: str = "") -> Sequence[Mapping[str, Any]]:
    """A call of 400 tokens as the client writes it down: a cent."""
    answer = answered(name, f"ask {name}", tool=tool)
    answer["message"]["usage"] = {"output_tokens": 400}
    return asked(f"ask {name}"), answer | ({"agentId": agent} if agent else {})


async def lives(client: Client) -> list[object]:
    """A session with everything in it; what is in the ledger then, and what the phone has read."""
    await client.tells("SessionStart", source="startup", model=MODEL)
    await client.tells("UserPromptSubmit", prompt="delegate", prompt_id="p1")
    client.writes(*made("m1", tool="t1"))
    about = {"tool_name": "Agent", "tool_input": {"prompt": "look"}, "tool_use_id": "t1", "prompt_id": "p1"}
    await client.tells("PreToolUse", **about)
    await client.tells("SubagentStart", agent_id="a1", prompt_id="p1")
    await client.tells("PostToolUse", **about)
    await client.tells("PostToolBatch", prompt_id="p1", tool_calls=[{"tool_use_id": "t1"}])
    client.writes(*made("m2"))
    task = {"id": "a1", "type": "subagent", "status": "running"}
    said = {"last_assistant_message": "answer m2"}
    await client.tells("Stop", prompt_id="p1", **said, background_tasks=[task])
    client.writes(*made("m3", agent="a1"), path="s/subagents/agent-a1.jsonl")
    await client.tells("SubagentStop", prompt_id="p1", agent_id="a1", last_assistant_message="answer m3")
    await client.tells("UserPromptSubmit", prompt="<task-notification>it ended", prompt_id="p2")
    client.writes(*made("m4"))
    await client.tells("Stop", prompt_id="p2", last_assistant_message="answer m4")
    await client.tells("PreCompact", prompt_id="p3", trigger="manual")
    await client.tells("SessionStart", source="compact", prompt_id="p3")
    await client.tells("PostCompact", prompt_id="p3", trigger="manual")
    used = {MODEL: {"outputTokens": 400 * 5}}
    client.writes({"type": "cost-state", "modelUsage": used}, {"type": "cost-state", "modelUsage": used})
    await client.tells("SessionEnd", reason="prompt_input_exit", prompt_id="p4")
    turns = await client.gateway.until(lambda turns: sum(turn.tokens.output for turn in turns) >= 400 * 5)
    await client.gateway.until(lambda turns: not any(turn.held_left for turn in turns))
    await anyio.wait_all_tasks_blocked()
    shown = [one.text for one in client.gateway.chat.sees(THREAD)]
    return [*((turn.prompt, turn.origin, turn.state, turn.calls, turn.spent) for turn in turns), *shown]


@pytest.mark.parametrize("late", [False, True], ids=["at once", "one after another"])
async def test_a_session_with_two_plugins_costs_and_reads_as_one_with_one(tmp_path: Path, late: bool) -> None:
    """Calls, turns, verdicts and what the phone is told are the same, whatever comes twice."""
    async with with_plugins(tmp_path / "one", 1, late=late) as client:
        expected, verdicts = await lives(client), client.verdicts
    async with with_plugins(tmp_path / "two", 2, late=late) as client:
        assert await lives(client) == expected
        assert client.verdicts == verdicts
    spent = [turn[4] for turn in expected if isinstance(turn, tuple)]
    assert sum((one for one in spent if isinstance(one, Usd)), Usd(0)) == Usd.parse("0.05")
