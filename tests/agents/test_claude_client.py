"""The real Claude Code client: what is metered is what was charged, class by class, and what is held stays held."""

import os
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from gateway.agents.claude import ClaudeClient, reading, wire
from gateway.agents.claude.control import Hook
from gateway.agents.supervise import is_alive
from gateway.domain.effects import AllowTool, Answer, EndTurn, GoOn, Words
from gateway.domain.events import (
    AgentEvent,
    AskedPermission,
    AskedQuestion,
    BackgroundChanged,
    End,
    Exited,
    Finished,
    Paused,
    Ran,
    Said,
    Started,
)
from gateway.domain.usage import MAIN_LOOP, NO_TOKENS, Tokens
from gateway.ports import AgentUnavailableError, Client, Launch
from tests.agents.claude_rig import ClaudeRig, claude_rig, running, until
from tests.agents.contract import U1, U2, Watch, at_work, go_on, metered, resumed, said_totals, total
from tests.fakes.claude_binary import MISSING, find_claude
from tests.fakes.messages_api import Charged, Counts, DropStream, Error, Hold, Stop, Text, Thinking, Tool

pytestmark = [pytest.mark.anyio, pytest.mark.claude, pytest.mark.skipif(find_claude() is None, reason=MISSING)]

MARK = f"tollbridge-test-{os.getpid()}"
LONG = f"python3 -c 'import time; time.sleep(600)' {MARK}"
FULL = Charged(Counts(100, 985_000, 10, 10, 50))
"""A call that fills the context window, so that the client compacts the conversation before the next one."""


def api_total(rig: ClaudeRig) -> Tokens:
    """What the API really charged in all, cut calls as far as they were reported."""
    c = rig.api.total()
    return Tokens(c.input, c.cache_read, c.cache_write_5m, c.cache_write_1h, 0, c.output)


def reported(seen: Watch) -> Tokens:
    """What the client's runs told in total."""
    return said_totals([event for event in seen.seen if isinstance(event, Finished)])


async def test_text_and_thinking_are_one_exact_call(tmp_path: Path) -> None:
    """A plain answer: one call metered exactly, the words said once, the model and the prompt named."""
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        rig.plan([Thinking("hm"), Text("hello"), Text("there")])
        await client.prompt(U1, "hi")
        finished = await seen.finished()
        (started,) = seen.of(Started)
        assert started == Started(client.agent_session, "claude-opus-5-5", U1)
        assert [event.text for event in seen.of(Said) if isinstance(event, Said)] == ["hello", "there"]
        assert (finished.end, finished.prompt_uuid, finished.background) == (End.DONE, U1, 0)
        assert [call.loop for call in seen.calls] == [MAIN_LOOP]
        assert metered(seen.calls) == reported(seen) == api_total(rig), rig.api


async def test_tests_that_it_runs_are_told_with_how_they_ended(tmp_path: Path) -> None:
    """As the client itself tells the end of a command: well, badly, and in the background, where nobody knows."""
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        script = Path(rig.launch.directory) / "pytest"
        script.write_text("#!/bin/sh\nexit $1\n")
        script.chmod(0o755)
        behind = {"command": "./pytest 0", "description": "again", "run_in_background": True}
        runs = [{"command": f"./pytest {status}", "description": "tests"} for status in (0, 1)]
        rig.plan(
            *([Tool("Bash", inputs)] for inputs in (*runs, {"command": "echo pytest", "description": "no"}, behind)),
            Text("."),
        )
        await client.prompt(U1, "test it")
        await seen.finished()
        assert seen.of(Ran) == [Ran("pytest", passed=True), Ran("pytest", passed=False), Ran("pytest", passed=None)]


async def test_three_background_agents_are_metered_exactly(tmp_path: Path) -> None:
    """Three of them run on after the turn; every call of theirs and of the runs they cause is metered, once."""
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        await rig.sub_agents(background=3)
        await client.prompt(U1, "go")
        first = await seen.finished()
        await at_rest(rig, seen)
        assert first.prompt_uuid == U1
        assert len({call.loop for call in seen.calls}) == 4
        assert all(call.ended for call in seen.calls)
        assert metered(seen.calls) == reported(seen) == api_total(rig), rig.api


def files_in(directory: str) -> list[str]:
    """The names there, in order."""
    return sorted(path.name for path in Path(directory).iterdir())


async def at_rest(rig: ClaudeRig, seen: Watch) -> None:
    """Wait until nothing runs, in front or behind, and nothing more comes: reports of sub-agents may start further runs."""
    before = -1
    while before != len(seen.seen):
        before = len(seen.seen)
        await until(lambda: seen.of(BackgroundChanged)[-1:] == [BackgroundChanged(0, 0)])
        await until(lambda: len(seen.of(Started)) == len(seen.of(Finished)) >= 2)
        await rig.quiet()


def open_calls(client: Client) -> int:
    """How many calls the client has begun and not ended, in any loop."""
    assert isinstance(client, ClaudeClient)
    return len(client._translator.calls._open)


async def test_nested_sub_agents_are_metered(tmp_path: Path) -> None:
    """A sub-agent of a sub-agent is a loop of its own."""
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        inner = Tool(
            "Agent",
            {
                "description": "inner",
                "prompt": "inner work",
                "subagent_type": "general-purpose",
                "run_in_background": False,
            },
        )
        outer = Tool(
            "Agent",
            {
                "description": "outer",
                "prompt": "outer work",
                "subagent_type": "general-purpose",
                "run_in_background": False,
            },
        )
        rig.plan([outer], Text("done"))
        rig.api.script([[inner], Text("outer done")], kind="sub", prompt="outer work")
        rig.api.script([Text("inner done")], kind="sub", prompt="inner work")
        await client.prompt(U1, "go")
        await seen.finished()
        assert len({call.loop for call in seen.calls}) == 3
        assert metered(seen.calls) == reported(seen) == api_total(rig), rig.api


async def test_an_interrupted_stream_is_a_lower_bound_of_what_the_client_says(tmp_path: Path) -> None:
    """Cut in mid-stream: the input classes are exact, the output is flagged, and the next prompt is exact again."""
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        await rig.hang()
        await rig.answer("after")
        await client.prompt(U1, "one")
        await rig.hanging()
        await seen.until(Said)
        await client.interrupt()
        cut = await seen.finished()
        assert cut.end is End.INTERRUPTED
        (call,) = seen.calls
        charged = api_total(rig)
        assert not call.ended
        assert call.usage.tokens.context == charged.context
        assert call.usage.tokens.output <= said_totals([cut]).output
        await client.prompt(U2, "two")
        second = await seen.finished(2)
        assert said_totals([second]) == metered(seen.calls[1:])


async def test_a_request_that_was_never_answered_is_flagged(tmp_path: Path) -> None:
    """Interrupted before the first byte: nobody knows the tokens, but the call is on the books as a lower bound."""
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        hold = Hold(before_start=True)
        rig.plan([hold, Text("never")])
        await client.prompt(U1, "one")
        await anyio.to_thread.run_sync(hold.wait_reached)
        await client.interrupt()
        assert (await seen.finished()).end is End.INTERRUPTED
        (call,) = seen.calls
        assert (call.ended, call.usage.tokens) == (False, NO_TOKENS)


@pytest.mark.parametrize(("status", "words"), [(402, "402"), (401, "401"), (529, "529"), (404, "model")])
async def test_an_api_error_is_an_error_and_no_success(tmp_path: Path, status: int, words: str) -> None:
    """The client calls it a success; the adapter says what failed, in words, and charges nothing."""
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        rig.api.script([Error(status)], repeat=True, prompt="fails", kind="any")
        rig.prompts.append("fails")
        rig.plans.append([Error(status)] * 10)
        await client.prompt(U1, "fails")
        failed = await seen.finished()
        assert failed.end is End.ERROR
        assert words in failed.text
        assert not seen.calls
        assert not failed.totals


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Error(401, "authentication_error", "invalid x-api-key"), "correct ANTHROPIC_API_KEY"),
        (Error(400, "invalid_request_error", "Your credit balance is too low to access the API."), "no credit left"),
        (Error(429, "rate_limit_error", "slow down"), "takes no more requests"),
        (Error(529, "overloaded_error", "Overloaded"), "overloaded"),
    ],
)
async def test_an_api_error_tells_the_way_out(tmp_path: Path, error: Error, words: str) -> None:
    """The client's own words name commands that no chat has; what helps from a phone comes before them."""
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        rig.api.script([error], repeat=True, prompt="fails", kind="any")
        await client.prompt(U1, "fails")
        failed = await seen.finished()
        assert failed.end is End.ERROR
        assert words in failed.text


async def test_half_an_emoji_in_a_tool_harms_nothing(tmp_path: Path) -> None:
    """A model can cut one in two: the tool is asked for and runs, and the run ends as it should."""
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        target = Path(rig.launch.directory) / "x.txt"
        rig.plan(Tool("Write", {"file_path": str(target), "content": "cut \ud83d"}), Text("written"))
        await client.prompt(U1, "write")
        assert (await seen.finished()).end is End.DONE
        (asked,) = (event for event in seen.seen if isinstance(event, AskedPermission))
        f"{asked.detail}{asked.diff}".encode()
        assert target.read_text() == "cut \ufffd"


@pytest.mark.parametrize(
    ("hook", "calls", "ran"),
    [(Hook.PROMPT, 0, False), (Hook.TOOL, 1, False), (Hook.BATCH, 1, True)],
)
async def test_at_a_hook_that_cannot_be_read_nothing_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: Hook, calls: int, ran: bool
) -> None:
    """No gate is opened by something that nobody understands: the run ends there as a failure, and the client can go on later."""
    read = reading.parse

    def parse(raw: bytes) -> wire.Line:
        line = read(raw)
        if isinstance(line, wire.HookCallback) and line.input.hook_event_name == hook:
            return wire.OddCallback(request_id=line.request_id, callback_id=hook)
        return line

    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        target = Path(rig.launch.directory) / "x.txt"
        rig.plan(Tool("Write", {"file_path": str(target), "content": "x"}), Text("never"))
        with monkeypatch.context() as patch:
            patch.setattr(reading, "parse", parse)
            await client.prompt(U1, "write")
            failed = await seen.finished()
        assert (failed.end, len(rig.api.charges), target.exists()) == (End.ERROR, calls, ran)
        assert "cannot read" in failed.text
        rig.plan(Text("again"))
        await client.prompt(U2, "once more")
        assert (await seen.finished(2)).end is End.DONE


async def test_a_permission_that_cannot_be_read_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked in words that nobody understands, the client is refused aloud: the tool does not run, and the run goes on."""
    read = reading.parse

    def parse(raw: bytes) -> wire.Line:
        line = read(raw)
        return wire.OtherRequest(request_id=line.request_id) if isinstance(line, wire.CanUseTool) else line

    monkeypatch.setattr(reading, "parse", parse)
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        target = Path(rig.launch.directory) / "x.txt"
        rig.plan(Tool("Write", {"file_path": str(target), "content": "x"}), Text("I may not."))
        await client.prompt(U1, "write")
        assert (await seen.finished()).end is End.DONE
        assert not target.exists()


async def test_a_dropped_stream_counts_what_was_reported(tmp_path: Path) -> None:
    """A stream that breaks is tried again: the broken call is a lower bound, its output at most what the client guesses."""
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        hold = Hold()
        rig.plan([Text("half a th"), hold, DropStream()], Text("whole thing"))
        await client.prompt(U1, "one")
        await seen.until(Said)
        hold.release()
        finished = await seen.finished()
        assert finished.end is End.DONE
        assert [call.ended for call in seen.calls] == [False, True]
        assert metered(seen.calls).context == reported(seen).context == api_total(rig).context, rig.api
        assert metered(seen.calls).output <= reported(seen).output


async def test_a_fallback_without_a_stream_is_metered(tmp_path: Path) -> None:
    """A stream that breaks before its first block is replaced by a request without a stream; its figures are final."""
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        rig.plan([DropStream()], Text("in one piece"))
        await client.prompt(U1, "one")
        assert (await seen.finished()).end is End.DONE
        assert metered(seen.calls) == reported(seen)
        assert rig.charged()[-1] in [call.usage.tokens for call in seen.calls]


async def test_a_manual_compaction_is_held_and_its_cost_told(tmp_path: Path) -> None:
    """/compact stands at a boundary before it spends; its call is in the totals although no line shows it."""
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        await rig.answer("hello")
        await client.prompt(U1, "hi")
        await seen.finished()
        await client.prompt(U2, "/compact")
        second = await seen.finished(2)
        assert "compaction" in (await seen.paused(2)).before
        assert len(rig.api.calls("compact")) == 1
        assert said_totals([second]) == total(rig.charged()[1:])
        assert reported(seen) == api_total(rig)


async def test_a_refused_compaction_makes_no_call(tmp_path: Path) -> None:
    """EndTurn before /compact: Finished(HALTED), and nothing was spent on it."""
    async with (
        claude_rig(tmp_path) as rig,
        at_work(rig.agent, rig.launch, ending_before("compaction")) as (client, seen),
    ):
        await rig.answer("hello")
        await client.prompt(U1, "hi")
        await seen.finished()
        await client.prompt(U2, "/compact")
        assert (await seen.finished(2)).end is End.HALTED
        assert not rig.api.calls("compact")


def ending_before(what: str) -> Callable[[AgentEvent], Answer | None]:
    """Go on, but end the run at boundaries before this."""

    def answer(event: AgentEvent) -> Answer | None:
        if isinstance(event, Paused) and what in event.before:
            return EndTurn("the limit is met")
        return go_on(event)

    return answer


async def test_an_automatic_compaction_is_metered_before_the_next_call(tmp_path: Path) -> None:
    """In mid-turn the compaction stands at a boundary, and what it cost is known at the boundary behind it."""
    behind: list[tuple[str, Tokens, Tokens]] = []

    async with claude_rig(tmp_path) as rig:

        def compare(event: AgentEvent) -> Answer | None:
            if isinstance(event, Paused):
                behind.append((event.before, metered(seen.calls), total(rig.charged())))
            return go_on(event)

        async with at_work(rig.agent, rig.launch, compare) as (client, seen):
            rig.plan([Tool("Bash", {"command": "echo hi"}), FULL], Text("done"))
            await client.prompt(U1, "go")
            assert (await seen.finished()).end is End.DONE
            assert len(rig.api.calls("compact")) == 1
            assert [before for before, _, _ in behind][-3:] == [
                "the next call",
                "the compaction of the conversation",
                "the next call",
            ]
            assert all(told == charged for _, told, charged in behind), rig.api
            assert metered(seen.calls) == reported(seen) == api_total(rig), rig.api


async def test_ending_a_turn_before_an_automatic_compaction_makes_no_call(tmp_path: Path) -> None:
    """To forbid the compaction alone would let the next call go out: the run ends instead."""
    async with (
        claude_rig(tmp_path) as rig,
        at_work(rig.agent, rig.launch, ending_before("compaction")) as (client, seen),
    ):
        rig.plan([Tool("Bash", {"command": "echo hi"}), FULL], Text("never"))
        await client.prompt(U1, "go")
        assert (await seen.finished()).end is End.HALTED
        await rig.quiet()
        assert len(rig.api.calls()) == 1


async def test_ending_a_turn_after_an_automatic_compaction_makes_no_further_call(tmp_path: Path) -> None:
    """The compaction is paid for, the call behind it is not made."""
    done: list[str] = []

    def answer(event: AgentEvent) -> Answer | None:
        if isinstance(event, Paused):
            done.append(event.before)
            if done[-2:] == ["the compaction of the conversation", "the next call"]:
                return EndTurn("the limit is met")
        return go_on(event)

    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch, answer) as (client, seen):
        rig.plan([Tool("Bash", {"command": "echo hi"}), FULL], Text("never"))
        await client.prompt(U1, "go")
        assert (await seen.finished()).end is End.HALTED
        await rig.quiet()
        assert [call.kind for call in rig.api.calls()] == ["main", "compact"]
        assert metered(seen.calls) == api_total(rig)


@pytest.mark.parametrize("boundary", ["Bash", "the next call", "the first call"])
async def test_end_turn_at_any_boundary_makes_no_further_call(tmp_path: Path, boundary: str) -> None:
    """Calls after the pause: none, at each kind of boundary of the main loop, and the figures are exact."""
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch, ending_before(boundary)) as (client, seen):
        await rig.tools(4)
        await client.prompt(U1, "go")
        assert (await seen.finished()).end is End.HALTED
        await rig.quiet()
        assert len(rig.api.calls()) == (0 if boundary == "the first call" else 1)
        assert metered(seen.calls) == reported(seen) == api_total(rig), rig.api


async def test_ending_a_foreground_sub_agent_leaves_the_main_loop_at_its_boundary(tmp_path: Path) -> None:
    """EndTurn in a sub-agent stops that loop only; the main loop then stands at its own boundary."""

    def answer(event: AgentEvent) -> Answer | None:
        ends = isinstance(event, Paused) and (
            event.loop != MAIN_LOOP or (event.before == "the next call" and subs(seen))
        )
        return EndTurn("the limit is met") if ends else go_on(event)

    def subs(seen: Watch) -> bool:
        return any(call.loop != MAIN_LOOP for call in seen.calls)

    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch, answer) as (client, seen):
        await rig.sub_agents(foreground=1)
        await client.prompt(U1, "go")
        assert (await seen.finished()).end is End.HALTED
        await rig.quiet()
        assert [call.kind for call in rig.api.calls()] == ["main", "sub"]
        assert metered(seen.calls) == reported(seen) == api_total(rig), rig.api


async def test_an_interrupt_stops_a_sub_agent_in_mid_stream(tmp_path: Path) -> None:
    """Its cut call is part of what the run told, and nothing is left at work."""
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        hold = Hold()
        spawn = {"description": "d", "prompt": "work", "subagent_type": "general-purpose", "run_in_background": False}
        rig.plan([Tool("Agent", spawn)], Text("never"))
        rig.api.script([[Text("thinking about it"), hold]], kind="sub")
        await client.prompt(U1, "go")
        await anyio.to_thread.run_sync(hold.wait_reached)
        await until(lambda: open_calls(client))
        await client.interrupt()
        cut = await seen.finished()
        assert cut.end is End.INTERRUPTED
        assert said_totals([cut]).context == api_total(rig).context


async def test_a_permission_for_the_session_is_asked_once(tmp_path: Path) -> None:
    """Allowed for the session, the same tool is not asked for again, and the permission mode stays what it was."""
    answers: list[Answer] = []

    def answer(event: AgentEvent) -> Answer | None:
        if isinstance(event, AskedPermission):
            answers.append(AllowTool(for_session=True))
            return answers[-1]
        return go_on(event)

    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch, answer) as (client, seen):
        rig.plan(*([Tool("Write", {"file_path": f"f{n}.txt", "content": "x\n"})] for n in range(3)), Text("done"))
        await client.prompt(U1, "write")
        assert (await seen.finished()).end is End.DONE
        (asked,) = seen.of(AskedPermission)
        assert isinstance(asked, AskedPermission)
        assert asked.summary == "Write: f0.txt"
        assert asked.diff == "+x"
        assert await anyio.to_thread.run_sync(files_in, rig.launch.directory) == ["f0.txt", "f1.txt", "f2.txt"]


async def test_a_question_gets_the_words_of_the_person(tmp_path: Path) -> None:
    """The agent's own question arrives with its choices, and the answer reaches the model."""

    def answer(event: AgentEvent) -> Answer | None:
        return Words("Blue") if isinstance(event, AskedQuestion) else go_on(event)

    options = [{"label": "Blue", "description": "calm"}, {"label": "Red", "description": "loud"}]
    question = {"question": "Which color?", "header": "Color", "multiSelect": False, "options": options}
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch, answer) as (client, seen):
        rig.plan([Tool("AskUserQuestion", {"questions": [question]})], Text("done"))
        await client.prompt(U1, "ask me")
        assert (await seen.finished()).end is End.DONE
        (asked,) = seen.of(AskedQuestion)
        assert isinstance(asked, AskedQuestion)
        assert asked.choices == ("Blue", "Red")
        assert asked.text.startswith("Which color?")
        assert "Blue" in str(rig.api.calls()[-1].request.body["messages"][-1])


async def test_a_prompt_during_a_run_that_nobody_asked_for_waits_for_its_end(tmp_path: Path) -> None:
    """The background report keeps its run and the prompt gets its own; nothing is mixed and nothing is lost."""
    held: list[Paused] = []

    def answer(event: AgentEvent) -> Answer | None:
        if isinstance(event, Paused) and event.before == "a run that nobody asked for":
            held.append(event)
            return None
        return go_on(event)

    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch, answer) as (client, seen):
        await rig.sub_agents(background=1)
        await client.prompt(U1, "go")
        await until(lambda: held)
        rig.prompts.append("report")
        rig.plans.append([])
        await client.prompt(U2, "two")
        assert await client.respond(held[0].request_id, GoOn())
        third = await seen.finished(3)
        assert [event.prompt_uuid for event in seen.of(Started) if isinstance(event, Started)] == [U1, None, U2]
        assert third.prompt_uuid == U2
        assert metered(seen.calls) == reported(seen) == api_total(rig), rig.api


async def test_a_cleared_conversation_goes_on_under_its_new_name(tmp_path: Path) -> None:
    """/clear changes the agent's session; the figures after it are exact and a new client resumes the new one."""
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        await rig.answer("hello")
        await client.prompt(U1, "hi")
        await seen.finished()
        before = client.agent_session
        await client.prompt("6a5c1d3e-0b1f-4c58-9a53-2f8f6f6a0003", "/clear")
        await seen.finished(2)
        rig.plans.append([Text("fresh"), Text("more")])
        rig.prompts.append("again")
        await client.prompt(U2, "again")
        third = await seen.finished(3)
        assert client.agent_session != before
        assert third.text == "fresh"
        assert metered(seen.calls) == reported(seen) == api_total(rig), rig.api


async def test_a_stop_for_length_is_still_one_exact_call(tmp_path: Path) -> None:
    """A call that met its output limit has ended; the client goes on with another."""
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        rig.plan([Text("very long"), Stop("max_tokens")], Text("the rest"))
        await client.prompt(U1, "one")
        await seen.finished()
        assert all(call.ended for call in seen.calls)
        assert metered(seen.calls) == reported(seen) == api_total(rig), rig.api


async def test_closing_in_mid_run_leaves_nothing_behind(tmp_path: Path) -> None:
    """A running tool, the client and its warden are gone when close returns; the last event is Exited."""
    async with claude_rig(tmp_path) as rig:
        async with at_work(rig.agent, rig.launch) as (client, seen):
            rig.plan([Tool("Bash", {"command": LONG})], Text("never"))
            await client.prompt(U1, "wait")
            await until(lambda: running(MARK))
            await client.close()
            assert not running(MARK)
            assert not is_alive(client.process)
        assert isinstance(seen.seen[-1], Exited)
        assert isinstance(seen.of(Finished)[0], Finished)


async def test_a_conversation_without_a_prompt_is_begun_again_under_its_name(tmp_path: Path) -> None:
    """A client that never had a prompt leaves no transcript: the next one begins under the same id."""
    async with claude_rig(tmp_path) as rig:
        async with at_work(rig.agent, rig.launch) as (client, _):
            first = client
        await rig.answer("hello")
        async with at_work(rig.agent, resumed(rig.launch, first)) as (client, seen):
            await client.prompt(U1, "hi")
            assert (await seen.finished()).text == "hello"
            assert client.agent_session == first.agent_session


@pytest.mark.parametrize("left", ["", '{"type":"queue-operation","operation":"enqueue"}\n', '{"type":"user","mess'])
async def test_a_file_without_a_conversation_is_left_and_another_is_begun(tmp_path: Path, left: str) -> None:
    """A client that was killed at its first prompt leaves one: it finds nothing to go on with there, and takes the name for used."""
    async with claude_rig(tmp_path) as rig:
        async with at_work(rig.agent, rig.launch) as (client, _):
            name = client.agent_session
        place = Path(rig.agent._environ["CLAUDE_CONFIG_DIR"]) / "projects" / "-work"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name}.jsonl").write_text(left)
        async with at_work(rig.agent, resumed(rig.launch, client)) as (client, seen):
            assert client.agent_session != name
            await rig.answer("here")
            await client.prompt(U1, "one")
            await seen.finished()
        assert (place / f"{name}.jsonl").read_text() == left
        assert rig.api.prompts_seen()["one"].in_conversation == 1


async def test_a_client_that_is_not_signed_in_says_so(tmp_path: Path) -> None:
    """Nothing is tried and charged: the person reads what to do."""
    async with claude_rig(tmp_path) as rig:
        rig.agent._environ = {key: value for key, value in rig.agent._environ.items() if key != "ANTHROPIC_API_KEY"}
        with pytest.raises(AgentUnavailableError, match="not signed in"):
            await rig.agent.start(rig.launch)
        assert not rig.api.calls()


async def test_a_missing_directory_or_program_says_what_to_do(tmp_path: Path) -> None:
    """Two things that a person can mend, each in a sentence."""
    async with claude_rig(tmp_path) as rig:
        with pytest.raises(AgentUnavailableError, match="is gone"):
            await rig.agent.start(Launch("s_1", str(tmp_path / "nowhere")))
        rig.agent._command = "claude-that-is-not-there"
        with pytest.raises(AgentUnavailableError, match="npm install"):
            await rig.agent.start(rig.launch)


async def test_the_gateways_own_variables_do_not_reach_the_agent(tmp_path: Path) -> None:
    """A tool of the agent sees nothing that begins with TOLLBRIDGE_ but the mark of its own session."""
    async with claude_rig(tmp_path) as rig:
        rig.agent._environ["TOLLBRIDGE_BOT_TOKEN"] = "1234567:secret"
        async with at_work(rig.agent, rig.launch) as (client, seen):
            rig.plan([Tool("Bash", {"command": "env > seen.txt"})], Text("done"))
            await client.prompt(U1, "look")
            await seen.finished()
            names = [
                line.partition("=")[0] for line in (Path(rig.launch.directory) / "seen.txt").read_text().splitlines()
            ]
            assert [name for name in names if name.startswith("TOLLBRIDGE_")] == ["TOLLBRIDGE_AGENT"]


async def test_an_interrupt_right_behind_a_prompt_ends_it(tmp_path: Path) -> None:
    """The prompt may not even have begun: it ends all the same, and the next one runs."""
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        await rig.answer("never mind")
        await rig.answer("after")
        await client.prompt(U1, "one")
        await client.interrupt()
        first = await seen.finished()
        assert (first.end, first.prompt_uuid) in {(End.INTERRUPTED, U1), (End.DONE, U1)}
        rig.prompts[:] = ["one"]
        await client.prompt(U2, "two")
        assert (await seen.finished(2)).text == "after"


@pytest.mark.parametrize("refused", [False, True])
async def test_a_sub_agents_compaction_is_held_in_its_own_loop(tmp_path: Path, refused: bool) -> None:
    """It stands at a boundary of that loop; refused, the sub-agent ends without a call and the main loop goes on."""
    before: list[tuple[str, bool]] = []

    def answer(event: AgentEvent) -> Answer | None:
        if isinstance(event, Paused):
            before.append((event.before, event.loop == MAIN_LOOP))
            if refused and event.before == "the compaction of the conversation":
                return EndTurn("the limit is met")
        return go_on(event)

    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch, answer) as (client, seen):
        spawn = {"description": "d", "prompt": "work", "subagent_type": "general-purpose", "run_in_background": False}
        rig.plan([Tool("Agent", spawn)], Text("done"))
        rig.api.script([[Tool("Bash", {"command": "echo hi"}), FULL], Text("sub done")], kind="sub")
        await client.prompt(U1, "go")
        assert (await seen.finished()).end is End.DONE
        assert ("the compaction of the conversation", False) in before
        kinds = ["main", "sub", "main"] if refused else ["main", "sub", "compact", "sub", "main"]
        assert [call.kind for call in rig.api.calls()] == kinds
        assert metered(seen.calls) == reported(seen) == api_total(rig), rig.api


async def test_an_interrupt_at_rest_stops_the_background_agents(tmp_path: Path) -> None:
    """The turn is over, a sub-agent works on: it is stopped, its cut call is flagged, and nobody reports."""
    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch) as (client, seen):
        hold = Hold()
        spawn = {"description": "d", "prompt": "work", "subagent_type": "general-purpose", "run_in_background": True}
        rig.plan([Tool("Agent", spawn)], Text("done"))
        rig.api.script([[Text("thinking about it"), hold]], kind="sub")
        await client.prompt(U1, "go")
        assert (await seen.finished()).background == 1
        await anyio.to_thread.run_sync(hold.wait_reached)
        await until(lambda: open_calls(client))
        await client.interrupt()
        await until(lambda: [call for call in seen.calls if not call.ended])
        assert seen.of(BackgroundChanged)[-1] == BackgroundChanged(0, 0)
        assert metered(seen.calls).context == api_total(rig).context
        await rig.answer("after")
        rig.prompts[:] = ["go"]
        await client.prompt(U2, "two")
        assert (await seen.finished(2)).text == "after"
        assert metered(seen.calls).context == reported(seen).context == api_total(rig).context


async def test_each_background_agent_can_be_ended_at_its_own_boundary(tmp_path: Path) -> None:
    """Two at work behind a finished turn, each held and ended: no further call of theirs, and their reports are refused."""

    def answer(event: AgentEvent) -> Answer | None:
        if isinstance(event, Paused) and (event.loop != MAIN_LOOP or event.before == "a run that nobody asked for"):
            return EndTurn("the limit is met")
        return go_on(event)

    async with claude_rig(tmp_path) as rig, at_work(rig.agent, rig.launch, answer) as (client, seen):
        await rig.sub_agents(background=2)
        await client.prompt(U1, "go")
        await at_rest(rig, seen)
        assert sorted(call.kind for call in rig.api.calls()) == ["main", "main", "sub", "sub"]
        assert metered(seen.calls) == reported(seen) == api_total(rig), rig.api
