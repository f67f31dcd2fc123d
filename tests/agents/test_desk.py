"""A session at the desk as a client: what its hooks and its transcript tell, and what goes through its channel."""

import json
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from gateway.agents.claude.desk import client as desk
from gateway.agents.claude.desk import pushes, runs
from gateway.agents.claude.desk.client import DeskClient
from gateway.agents.claude.desk.hooks import Told
from gateway.agents.claude.desk.log import Log
from gateway.agents.claude.desk.otlp import ApiRequest, Heard
from gateway.core.channel import UNCONFIRMED, Push
from gateway.domain.effects import AllowTool, DenyTool, EndTurn, GoOn, Words
from gateway.domain.events import (
    Acted,
    AgentEvent,
    AskedPermission,
    BackgroundChanged,
    CallMetered,
    End,
    Exited,
    Finished,
    Listening,
    Paused,
    Started,
    Withdrawn,
)
from gateway.ports import AgentAwayError
from gateway.view import desk_words

pytestmark = pytest.mark.anyio

MODEL = "claude-opus-4-8"
UUID = "9f1c7f3e-0000-4000-8000-000000000001"


OTHER = "9f1c7f3e-0000-4000-8000-000000000002"


def tag(name: str = UUID) -> str:
    """A message as the client shows it."""
    return f'<channel source="tollbridge" message_id="{name}">\nhello\n</channel>'


def told(event: str, **more: Any) -> Told:
    """What a hook is told."""
    return Told.model_validate({"session_id": "s", "hook_event_name": event, "prompt_id": "p1", "cwd": "/w", **more})


def asked(name: str) -> dict[str, Any]:
    """The line of a request of the main loop."""
    return {"type": "api-request", "id": name, "params": {"model": MODEL}}


def answered(name: str, request: str, *, stop: str | None = "end_turn", tool: str = "") -> dict[str, Any]:
    """The line of an answer: 10 tokens in, 5 out."""
    content: list[dict[str, Any]] = [{"type": "text", "text": f"answer {name}"}]
    content += [{"type": "tool_use", "id": tool, "name": "Bash", "input": {}}] if tool else []
    usage = {"input_tokens": 10, "output_tokens": 5}
    message = {"id": name, "model": MODEL, "content": content, "stop_reason": stop, "usage": usage}
    return {"type": "assistant", "message": message, "requestRef": request}


INTERRUPTED = {"type": "user", "message": {"content": [{"type": "text", "text": "[Request interrupted by user]"}]}}


class Channel:
    """The way to the session, which takes everything until it is cut."""

    def __init__(self) -> None:
        self.pushed: list[Push] = []
        self.verdicts: list[tuple[str, bool]] = []
        self.cut = False

    async def push(self, message: Push) -> bool:
        self.pushed.append(message)
        return not self.cut

    async def verdict(self, request_id: str, *, allow: bool) -> bool:
        self.verdicts.append((request_id, allow))
        return not self.cut


class Bench:
    """A session, its transcript, and whoever reads its events and answers its boundaries."""

    def __init__(self, place: Path) -> None:
        self.path = place / "s.jsonl"
        log = Log(self.path)
        log.since(None)
        self.client = DeskClient("s", "/w", log, (str(place / "home"),), patience_s=60)
        self.events: list[AgentEvent] = []
        self.says: Callable[[Paused], Any] = lambda _paused: GoOn()
        self.cost: str | None = ""
        self._heard = anyio.Event()

    def writes(self, *lines: dict[str, Any]) -> None:
        """The client writes its transcript."""
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)

    async def listens(self) -> None:
        async for event in self.client.events():
            self.events.append(event)
            if isinstance(event, Paused) and (answer := self.says(event)) is not None:
                await self.client.respond(event.request_id, answer)
            if isinstance(event, Finished) and event.shows and self.cost is not None:
                await self.client.respond(event.shows, Words(self.cost))
            heard, self._heard = self._heard, anyio.Event()
            heard.set()

    async def until(self, wanted: type, times: int = 1) -> Any:
        """The last event of a kind, as soon as there are so many."""
        with anyio.fail_after(30):
            while len(found := self.of(wanted)) < times:
                await self._heard.wait()
        return found[-1]

    def of(self, wanted: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, wanted)]


@asynccontextmanager
async def open_at_desk(place: Path) -> AsyncGenerator[Bench]:
    """An open session; at the end it is closed."""
    bench = Bench(place)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bench.listens)
        tasks.start_soon(bench.client.live)
        yield bench
        await bench.client.gone("the test is over")


async def test_a_typed_run_is_told_metered_and_ended(tmp_path: Path) -> None:
    """Its calls come before the end; the words of the end are the last ones of the agent."""
    async with open_at_desk(tmp_path) as desk_:
        assert await desk_.client.hook(told("UserPromptSubmit", prompt="fix it")) == {}
        desk_.writes(asked("r1"), answered("m1", "r1"))
        assert await desk_.client.hook(told("Stop", last_assistant_message="answer m1")) == {}
        finished = await desk_.until(Finished)
        assert (finished.end, finished.text, finished.prompt_uuid) == (End.DONE, "answer m1", None)
        assert [event.typed for event in desk_.of(Started)] == ["fix it"]
        assert [(call.call_id, call.usage.tokens.output) for call in desk_.of(CallMetered)] == [("m1", 5)]


async def test_every_end_of_a_run_tells_what_works_in_the_background(tmp_path: Path) -> None:
    """A command that has ended is told of as well, or it would be taken for one that goes on; an agent's end leaves it as it is."""
    async with open_at_desk(tmp_path) as desk_:
        shell, agent = {"id": "b", "type": "shell", "status": "running"}, {"id": "a", "type": "subagent"}
        for number, tasks in enumerate(([shell, agent | {"status": "running"}], [])):
            await desk_.client.hook(told("UserPromptSubmit", prompt="go", prompt_id=f"p{number}"))
            await desk_.client.hook(told("Stop", prompt_id=f"p{number}", background_tasks=tasks))
            await desk_.client.hook(told("SubagentStop", agent_id="a"))
        await desk_.until(BackgroundChanged, 3)
        changes = [(event.agents, event.others) for event in desk_.of(BackgroundChanged)]
        assert changes == [(1, 1), (0, 1), (0, 0)]


async def test_what_a_run_has_cost_is_shown_where_it_was_typed(tmp_path: Path) -> None:
    """Its end waits for the line, and shows it to the person; the agent reads nothing of it."""
    async with open_at_desk(tmp_path) as desk_:
        desk_.cost = "$0.04 · session $0.04 of $2.00"
        await desk_.client.hook(told("UserPromptSubmit", prompt="fix it"))
        desk_.writes(asked("r1"), answered("m1", "r1"))
        verdict = await desk_.client.hook(told("Stop", last_assistant_message="answer m1"))
        assert verdict == {"systemMessage": "Tollbridge: $0.04 · session $0.04 of $2.00"}


async def test_the_end_of_a_run_does_not_wait_long_for_its_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody tells it: nothing is shown, and the session goes on."""
    monkeypatch.setattr(desk, "COST_S", 0.05)
    async with open_at_desk(tmp_path) as desk_:
        desk_.cost = None
        await desk_.client.hook(told("UserPromptSubmit", prompt="fix it"))
        desk_.writes(asked("r1"), answered("m1", "r1"))
        with anyio.fail_after(30):
            assert await desk_.client.hook(told("Stop", last_assistant_message="answer m1")) == {}
        assert desk_.of(Finished)[-1].shows


async def test_what_is_answered_without_a_prompt_is_told_as_no_run(tmp_path: Path) -> None:
    """The answer to `!`: its call is told, then an end to which no beginning belongs, and its cost is shown."""
    async with open_at_desk(tmp_path) as desk_:
        desk_.cost = "$0.01"
        desk_.writes(asked("r1"), answered("m1", "r1"))
        verdict = await desk_.client.hook(told("Stop", last_assistant_message="answer m1"))
        assert verdict == {"systemMessage": "Tollbridge: $0.01"}
        assert (desk_.of(Started), [call.call_id for call in desk_.of(CallMetered)]) == ([], ["m1"])
        running = [{"id": "a", "type": "subagent", "status": "running"}]
        assert await desk_.client.hook(told("Stop", background_tasks=running)) == {}
        assert await desk_.client.hook(told("StopFailure", error="overloaded")) == {}
        assert len(desk_.of(Finished)) == 1


async def test_a_copy_of_a_call_that_another_conversation_made_is_not_counted(tmp_path: Path) -> None:
    """A fork's transcript holds answers to requests that it never made."""
    async with open_at_desk(tmp_path) as desk_:
        await desk_.client.hook(told("UserPromptSubmit", prompt="go on"))
        desk_.writes(answered("old", "r0"), asked("r1"), answered("new", "r1"), answered("new", "r1"))
        await desk_.client.hook(told("Stop", last_assistant_message="answer new"))
        await desk_.until(Finished)
        assert [call.call_id for call in desk_.of(CallMetered)] == ["new"]


async def test_what_the_gateway_says_no_to_is_blocked_and_no_run_begins(tmp_path: Path) -> None:
    """The reason is the gateway's, and the next prompt is asked about anew."""
    async with open_at_desk(tmp_path) as desk_:
        desk_.says = lambda _paused: EndTurn("asked on your phone")
        for name in ("p1", "p2"):
            verdict = await desk_.client.hook(told("UserPromptSubmit", prompt="dear", prompt_id=name))
            assert verdict == {"decision": "block", "reason": "asked on your phone"}
        assert len(desk_.of(Paused)) == 2
        assert desk_.of(Finished) == []


async def test_a_boundary_that_nobody_answers_fails_closed(tmp_path: Path) -> None:
    """The tool is denied before the client's own limit, the run is over, and nothing further of it runs."""
    async with open_at_desk(tmp_path) as desk_:
        await desk_.client.hook(told("UserPromptSubmit", prompt="go"))
        desk_.says = lambda _paused: None
        desk_.client._runs._patience_s = 0.1
        verdict = await desk_.client.hook(told("PreToolUse", tool_name="Bash", tool_input={"command": "ls"}))
        assert (verdict["continue"], verdict["stopReason"]) == (False, runs.TOO_LATE)
        assert (await desk_.until(Finished)).end is End.HALTED
        desk_.says = lambda _paused: GoOn()
        again = await desk_.client.hook(told("PreToolUse", tool_name="Bash", tool_input={"command": "pwd"}))
        assert again["hookSpecificOutput"]["permissionDecision"] == "deny"


async def test_a_tool_that_reaches_for_the_gateways_home_does_not_run(tmp_path: Path) -> None:
    """It is denied, and the agent goes on."""
    async with open_at_desk(tmp_path) as desk_:
        await desk_.client.hook(told("UserPromptSubmit", prompt="go"))
        inputs = {"command": f"cat {tmp_path}/home/config.toml"}
        verdict = await desk_.client.hook(told("PreToolUse", tool_name="Bash", tool_input=inputs))
        assert verdict["hookSpecificOutput"]["permissionDecision"] == "deny"
        assert "continue" not in verdict
        assert desk_.of(Acted) == []


async def test_what_is_typed_while_a_run_works_waits_for_its_end(tmp_path: Path) -> None:
    """The hook is held, one prompt at a time; what tells of a background task is not, since the run waits for it."""
    async with open_at_desk(tmp_path) as desk_, anyio.create_task_group() as tasks:
        await desk_.client.hook(told("UserPromptSubmit", prompt="first"))
        tasks.start_soon(desk_.client.hook, told("UserPromptSubmit", prompt="second"))
        assert await desk_.client.hook(told("UserPromptSubmit", prompt="<task-notification>x")) == {}
        assert [event.typed for event in desk_.of(Started)] == ["first"]
        await desk_.client.hook(told("Stop", last_assistant_message=""))
        assert (await desk_.until(Started, 2)).typed == "second"


@pytest.mark.parametrize("theirs", ["p1", "p0"], ids=["of the same name", "of another name"])
async def test_what_begins_while_a_prompt_reads_the_transcript_is_over_before_the_prompt_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: str
) -> None:
    """A run that a hook tells of in that moment is neither forgotten nor told of as the prompt's: each has its start and its end."""
    reads, goes_on = threading.Event(), threading.Event()
    really = Log.read

    def slow(log: Log, *args: Any) -> Any:
        reads.set()
        assert goes_on.wait(30)
        return really(log, *args)

    async with open_at_desk(tmp_path) as desk_, anyio.create_task_group() as tasks:
        monkeypatch.setattr(Log, "read", slow)
        tasks.start_soon(desk_.client.hook, told("UserPromptSubmit", prompt="fix it"))
        assert await anyio.to_thread.run_sync(reads.wait, 10)
        tasks.start_soon(desk_.client.hook, told("PreCompact", trigger="manual", prompt_id=theirs))
        await desk_.until(Paused)
        goes_on.set()
        if theirs == "p1":
            await desk_.client.hook(told("PostCompact", trigger="manual", prompt_id=theirs))
        await desk_.until(Started, 2)
        await desk_.client.hook(told("Stop"))
        await desk_.until(Finished, 2)
        runs = [event for event in desk_.events if isinstance(event, Started | Finished)]
        assert [type(event) for event in runs] == [Started, Finished] * 2
        assert [event.typed for event in desk_.of(Started)] == ["/compact", "fix it"]
        assert [event.end for event in desk_.of(Finished)] == [
            End.DONE if theirs == "p1" else End.INTERRUPTED,
            End.DONE,
        ]


async def test_an_interruption_that_no_hook_tells_of_ends_the_run(tmp_path: Path) -> None:
    """The transcript tells; the cut call is a lower bound, and a request without an answer is flagged."""
    async with open_at_desk(tmp_path) as desk_:
        await desk_.client.hook(told("UserPromptSubmit", prompt="go"))
        desk_.writes(asked("r1"), answered("m1", "r1", stop=None), asked("r2"), INTERRUPTED)
        assert (await desk_.until(Finished)).end is End.INTERRUPTED
        assert {(call.call_id, call.ended) for call in desk_.of(CallMetered)} == {
            ("m1", False),
            ("unanswered-r2", False),
        }


async def test_stop_ends_a_run_that_was_interrupted_before_its_first_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing tells of such an interruption: after /stop and a while without a sign it is over, and at a hook it would be."""
    monkeypatch.setattr(desk, "STOP_LIMIT_S", 0.2)
    monkeypatch.setattr(desk, "LOOK_EVERY_S", 0.05)
    async with open_at_desk(tmp_path) as desk_:
        await desk_.client.hook(told("UserPromptSubmit", prompt="go"))
        desk_.writes(asked("r1"))
        await desk_.client.interrupt()
        assert (await desk_.until(Finished)).end is End.INTERRUPTED
        assert [(call.call_id, call.ended) for call in desk_.of(CallMetered)] == [("unanswered-r1", False)]
        verdict = await desk_.client.hook(told("PreToolUse", tool_name="Bash", tool_input={"command": "ls"}))
        assert verdict["continue"] is False
        assert await desk_.client.hook(told("UserPromptSubmit", prompt="more", prompt_id="p2")) == {}


async def test_stop_does_not_end_a_run_whose_tool_may_be_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tool may take long and shows nothing: the run ends at the boundary behind it, and not before."""
    monkeypatch.setattr(desk, "STOP_LIMIT_S", 0.0)
    monkeypatch.setattr(desk, "LOOK_EVERY_S", 0.05)
    async with open_at_desk(tmp_path) as desk_:
        await desk_.client.hook(told("UserPromptSubmit", prompt="go"))
        await desk_.client.hook(told("PreToolUse", tool_name="Bash", tool_input={}, tool_use_id="t1"))
        await desk_.client.interrupt()
        for number in (1, 2):  # each is read by a look, and the one before was all over by then
            desk_.writes(asked(f"r{number}"), answered(f"m{number}", f"r{number}", tool="t1"))
            await desk_.until(CallMetered, number)
        assert desk_.of(Finished) == []
        verdict = await desk_.client.hook(told("PostToolBatch", tool_calls=[{"tool_use_id": "t1"}]))
        assert verdict == {"continue": False, "stopReason": "stopped from the phone"}
        assert (await desk_.until(Finished)).end is End.HALTED


async def test_a_run_whose_tools_do_not_show_up_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody can read nobody can meter: the next call is not made, and the desk is told why."""
    monkeypatch.setattr(desk, "BATCH_LIMIT_S", 0.1)
    async with open_at_desk(tmp_path) as desk_:
        await desk_.client.hook(told("UserPromptSubmit", prompt="go"))
        desk_.writes(asked("r1"), answered("m1", "r1", stop="tool_use", tool="t1"))
        assert await desk_.client.hook(told("PostToolBatch", tool_calls=[{"tool_use_id": "t1"}])) == {}
        verdict = await desk_.client.hook(told("PostToolBatch", tool_calls=[{"tool_use_id": "t2"}]))
        assert verdict == {"continue": False, "stopReason": desk.UNSEEN}
        assert (await desk_.until(Finished)).end is End.HALTED


async def test_a_compaction_by_hand_is_a_run_of_its_own(tmp_path: Path) -> None:
    """It stands before its call, and is over when the client says so: what is typed next begins another."""
    async with open_at_desk(tmp_path) as desk_:
        assert await desk_.client.hook(told("PreCompact", trigger="manual")) == {}
        assert [event.before for event in desk_.of(Paused)] == ["the compaction of the conversation"]
        assert await desk_.client.hook(told("PostCompact", trigger="manual")) == {}
        assert (await desk_.until(Finished)).end is End.DONE
        assert await desk_.client.hook(told("UserPromptSubmit", prompt="go", prompt_id="p2")) == {}
        assert [event.typed for event in desk_.of(Started)] == ["/compact", "go"]


async def test_a_compaction_by_hand_that_is_refused_is_no_run(tmp_path: Path) -> None:
    """It makes no call, and nothing of it is left to end."""
    async with open_at_desk(tmp_path) as desk_:
        desk_.says = lambda _paused: EndTurn("everything is stopped")
        verdict = await desk_.client.hook(told("PreCompact", trigger="manual"))
        assert verdict == {"decision": "block", "reason": "everything is stopped"}
        desk_.says = lambda _paused: GoOn()
        assert await desk_.client.hook(told("UserPromptSubmit", prompt="go", prompt_id="p2")) == {}
        assert desk_.of(Finished) == []


async def test_an_automatic_compaction_belongs_to_the_run_and_the_call_behind_it_is_held(tmp_path: Path) -> None:
    """It has a boundary of its own, and its end has another: no other hook comes before the next call."""
    async with open_at_desk(tmp_path) as desk_, anyio.create_task_group() as tasks:
        await desk_.client.hook(told("UserPromptSubmit", prompt="go"))
        assert await desk_.client.hook(told("PreCompact", trigger="auto")) == {}
        desk_.says = lambda _paused: None
        tasks.start_soon(desk_.client.hook, told("PostCompact", trigger="auto"))
        held = await desk_.until(Paused, 3)
        assert [event.before for event in desk_.of(Paused)] == [
            "the first call",
            "the compaction of the conversation",
            "the next call",
        ]
        await anyio.wait_all_tasks_blocked()
        assert await desk_.client.respond(held.request_id, GoOn())
        await anyio.wait_all_tasks_blocked()
        assert await desk_.client.respond(held.request_id, GoOn()) is False
        assert [event.typed for event in desk_.of(Started)] == ["go"]
        assert desk_.of(Finished) == []


async def test_an_automatic_compaction_that_is_refused_leaves_the_run_to_its_next_boundary(tmp_path: Path) -> None:
    """The compaction makes no call; the run goes on, or ends, where the client has it stand next."""
    async with open_at_desk(tmp_path) as desk_:
        await desk_.client.hook(told("UserPromptSubmit", prompt="go"))
        desk_.says = lambda _paused: EndTurn("at the limit")
        verdict = await desk_.client.hook(told("PreCompact", trigger="auto"))
        assert verdict == {"decision": "block", "reason": "at the limit"}
        assert desk_.of(Finished) == []
        assert (await desk_.client.hook(told("PostToolBatch")))["continue"] is False
        assert (await desk_.until(Finished)).end is End.HALTED


async def test_the_end_of_a_compaction_waits_until_telemetry_has_told_what_it_cost(tmp_path: Path) -> None:
    """Where the client exports, the call is told of before the run is over; it comes a moment after the hook."""

    def of(sequence: int, source: str) -> Heard:
        call = {"request_id": f"req_{sequence}", "model": MODEL, "output_tokens": 7, "query_source": source}
        return Heard("s", sequence, ApiRequest.model_validate(call))

    async with open_at_desk(tmp_path) as desk_, anyio.create_task_group() as tasks:
        await desk_.client.reported([of(1, "generate_session_title")])
        await desk_.client.hook(told("PreCompact", trigger="manual"))
        tasks.start_soon(desk_.client.hook, told("PostCompact", trigger="manual"))
        for sequence in (2, 3):
            await desk_.client.reported([of(sequence, "generate_session_title")])
            await desk_.until(CallMetered, sequence)
        assert desk_.of(Finished) == []
        await desk_.client.reported([of(4, "compact")])
        await desk_.until(Finished)
        assert [event.call_id for event in desk_.of(CallMetered)] == ["req_1", "req_2", "req_3", "req_4"]
        assert isinstance(desk_.events[-1], Finished)


@pytest.mark.parametrize("failed", [False, True])
async def test_a_request_that_failed_and_was_made_again_is_no_call(tmp_path: Path, failed: bool) -> None:
    """Neither a later interruption of the run nor the end of the session takes it for one whose answer nobody saw."""
    async with open_at_desk(tmp_path) as desk_:
        await desk_.client.hook(told("UserPromptSubmit", prompt="one"))
        desk_.writes(asked("r1"), asked("r2"))
        if failed:
            await desk_.client.hook(told("StopFailure", error="overloaded"))
        else:
            desk_.writes(answered("m2", "r2"), INTERRUPTED)
        await desk_.until(Finished)
        await desk_.client.hook(told("UserPromptSubmit", prompt="two", prompt_id="p2"))
        desk_.writes(asked("r3"), asked("r4"), answered("m4", "r4"))
        await desk_.client.hook(told("Stop", prompt_id="p2", last_assistant_message="answer m4"))
        await desk_.client.gone("closed")
        await desk_.until(Exited)
        assert [call.call_id for call in desk_.of(CallMetered)] == (["m4"] if failed else ["m2", "m4"])


async def test_a_message_is_pushed_once_and_known_to_be_there_by_its_hook(tmp_path: Path) -> None:
    """The session's own prompt hook shows the tag with its id: the run is that message's."""
    async with open_at_desk(tmp_path) as desk_:
        channel = Channel()
        desk_.client.join(channel)
        await desk_.until(Listening)
        await desk_.client.prompt(UUID, "hello")
        assert [push.text for push in channel.pushed] == ["hello"]
        assert await desk_.client.hook(told("UserPromptSubmit", prompt=tag())) == {}
        assert [(event.prompt_uuid, event.typed) for event in desk_.of(Started)] == [(UUID, None)]
        assert desk_.client.unread() == ()
        desk_.client.replied()
        await desk_.client.hook(told("Stop", last_assistant_message="x"))
        finished = await desk_.until(Finished)
        assert (finished.prompt_uuid, finished.told) == (UUID, True)


async def test_a_message_that_is_not_confirmed_is_given_up_and_blocked_if_it_comes_after_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends as interrupted; a late arrival makes no call, or a second sending would be a second run."""
    monkeypatch.setattr(desk, "CONFIRM_S", 0.1)
    monkeypatch.setattr(desk, "IDLE_LOOK_S", 0.05)
    async with open_at_desk(tmp_path) as desk_:
        desk_.client.join(Channel())
        await desk_.client.prompt(UUID, "hello")
        finished = await desk_.until(Finished)
        words = f"{UNCONFIRMED} {desk_words.DEAF}"
        assert (finished.end, finished.prompt_uuid, finished.text) == (End.INTERRUPTED, UUID, words)
        verdict = await desk_.client.hook(told("UserPromptSubmit", prompt=tag()))
        assert verdict == {"decision": "block", "reason": pushes.SAID_AGAIN}


async def test_a_session_that_did_not_show_its_first_message_is_given_no_other_until_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client may take none from any channel, and says so nowhere. What comes after all shows that it does."""
    monkeypatch.setattr(desk, "CONFIRM_S", 0.1)
    monkeypatch.setattr(desk, "IDLE_LOOK_S", 0.05)
    async with open_at_desk(tmp_path) as desk_:
        channel = Channel()
        desk_.client.join(channel)
        assert (await desk_.until(Listening)).proven is False
        await desk_.client.prompt(UUID, "hello")
        await desk_.until(Finished)
        assert not desk_.client.listens
        with pytest.raises(AgentAwayError):
            await desk_.client.prompt(OTHER, "again")
        desk_.client.join(channel)
        assert [push.id for push in channel.pushed] == [UUID]
        assert len(desk_.of(Listening)) == 1
        await desk_.client.hook(told("UserPromptSubmit", prompt=tag()))
        assert (await desk_.until(Listening, 2)).proven is True
        await desk_.client.prompt(OTHER, "again")
        assert (await desk_.until(Finished, 2)).text == UNCONFIRMED
        assert desk_.client.listens


async def test_a_session_that_works_when_a_message_is_given_up_may_still_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was pushed a moment before something was typed is shown at the end of that."""
    monkeypatch.setattr(desk, "CONFIRM_S", 0.1)
    monkeypatch.setattr(desk, "LOOK_EVERY_S", 0.05)
    async with open_at_desk(tmp_path) as desk_:
        desk_.client.join(Channel())
        await desk_.client.prompt(UUID, "hello")
        await desk_.client.hook(told("UserPromptSubmit", prompt="typed"))
        assert (await desk_.until(Finished)).text == UNCONFIRMED
        assert desk_.client.listens


async def test_a_session_that_asks_through_its_channel_takes_messages(tmp_path: Path) -> None:
    """The client asks only a channel that it has let in."""
    async with open_at_desk(tmp_path) as desk_:
        desk_.client.join(Channel())
        await desk_.client.asks("abcde", "Bash", "List files", "ls")
        assert desk_.client.way.hears


async def test_a_message_whose_hook_is_killed_before_it_is_told_of_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hook waits for its look into the transcript: killed there, the message is still to be confirmed, and is told of."""
    monkeypatch.setattr(desk, "CONFIRM_S", 0.1)
    async with open_at_desk(tmp_path) as desk_:
        desk_.client.join(Channel())
        await desk_.client.prompt(UUID, "hello")
        reading, release, reads = anyio.Event(), threading.Event(), Log.read

        def slowly(log: Log, *more: Any) -> list[CallMetered]:
            anyio.from_thread.run_sync(reading.set)
            release.wait(30)
            return reads(log, *more)

        async with anyio.create_task_group() as others, anyio.create_task_group() as hook:
            monkeypatch.setattr(Log, "read", slowly)
            others.start_soon(desk_.client.reported, ())
            await reading.wait()
            hook.start_soon(desk_.client.hook, told("UserPromptSubmit", prompt=tag()))
            await anyio.wait_all_tasks_blocked()
            hook.cancel_scope.cancel()
            release.set()
        finished = await desk_.until(Finished)
        assert (finished.end, finished.prompt_uuid, finished.text) == (End.INTERRUPTED, UUID, UNCONFIRMED)


async def test_without_a_channel_a_message_waits(tmp_path: Path) -> None:
    """Nothing is written anywhere: the caller is told that the session takes no messages now."""
    async with open_at_desk(tmp_path) as desk_:
        with pytest.raises(AgentAwayError):
            await desk_.client.prompt(UUID, "hello")
        channel = Channel()
        channel.cut = True
        desk_.client.join(channel)
        with pytest.raises(AgentAwayError):
            await desk_.client.prompt(UUID, "hello")
        assert not desk_.client.listens
        assert desk_.client.unread() == ()


async def test_a_message_that_the_agent_fetched_is_not_run_again(tmp_path: Path) -> None:
    """It belongs to what the agent does now; the hook that shows it later finds nothing to begin."""
    async with open_at_desk(tmp_path) as desk_:
        desk_.client.join(Channel())
        await desk_.client.prompt(UUID, "hello")
        assert [push.id for push in desk_.client.unread()] == [UUID]
        desk_.client.fetched([UUID])
        finished = await desk_.until(Finished)
        assert (finished.end, finished.prompt_uuid, finished.text) == (End.DONE, UUID, desk_words.TAKEN_IN)
        assert desk_.client.unread() == ()
        tag = f'<channel source="tollbridge" message_id="{UUID}">\nhello\n</channel>'
        verdict = await desk_.client.hook(told("UserPromptSubmit", prompt=tag))
        assert verdict == {"decision": "block", "reason": pushes.FETCHED}
        assert desk_.of(Started) == []


@pytest.mark.parametrize("answer", [AllowTool(for_session=True), DenyTool("no")])
@pytest.mark.parametrize("then", ["PostToolUse", "PostToolBatch", "Stop", "gone"])
async def test_an_answer_counts_as_heard_only_if_the_session_has_done_as_it_says(
    tmp_path: Path, answer: AllowTool | DenyTool, then: str
) -> None:
    """A verdict is written, and heard once it shows. The desk may have answered otherwise, or the session may be gone: neither is
    proof, and nothing is allowed from then on. What is allowed for the session is not asked again.
    """
    async with open_at_desk(tmp_path) as desk_, anyio.create_task_group() as tasks:
        channel, heard = Channel(), list[bool]()
        desk_.client.join(channel)
        await desk_.client.hook(told("UserPromptSubmit", prompt="go"))
        await desk_.client.asks("abcde", "Bash", "List files", "ls")
        request = await desk_.until(AskedPermission)
        assert (request.request_id, request.tool, request.can_remember) == ("abcde", "Bash", True)

        async def responds() -> None:
            heard.append(await desk_.client.respond("abcde", answer))

        tasks.start_soon(responds)
        await anyio.wait_all_tasks_blocked()
        assert (heard, channel.verdicts) == ([], [("abcde", isinstance(answer, AllowTool))])
        await (desk_.client.gone("closed") if then == "gone" else desk_.client.hook(told(then, tool_name="Bash")))
        await anyio.wait_all_tasks_blocked()
        ran = {"PostToolUse": True, "gone": None}.get(then, False)
        assert heard == [ran is isinstance(answer, AllowTool)]
        await desk_.client.asks("fghij", "Bash", "List files", "ls")
        assert (("fghij", True) in channel.verdicts) is (then == "PostToolUse" and isinstance(answer, AllowTool))


async def test_a_question_that_is_answered_at_the_desk_is_withdrawn(tmp_path: Path) -> None:
    """The tool has run, so somebody has said yes there; an answer from the phone comes too late."""
    async with open_at_desk(tmp_path) as desk_:
        desk_.client.join(Channel())
        await desk_.client.hook(told("UserPromptSubmit", prompt="go"))
        await desk_.client.asks("abcde", "Bash", "List files", "ls")
        await desk_.client.hook(told("PostToolUse", tool_name="Bash"))
        assert (await desk_.until(Withdrawn)).request_id == "abcde"
        assert await desk_.client.respond("abcde", DenyTool("no")) is False


async def test_a_session_that_was_let_go_of_says_so_where_it_is_still_open(tmp_path: Path) -> None:
    """It goes on from the phone: nothing that is typed at the desk runs beside that."""
    async with open_at_desk(tmp_path) as desk_:
        await desk_.client.close()
        verdict = await desk_.client.hook(told("UserPromptSubmit", prompt="go"))
        assert verdict == {"decision": "block", "reason": runs.LET_GO}


async def test_a_session_that_is_gone_says_what_it_used_in_all(tmp_path: Path) -> None:
    """What no line showed is booked as a call of its own; what waits is answered."""
    async with open_at_desk(tmp_path) as desk_:
        await desk_.client.hook(told("UserPromptSubmit", prompt="go"))
        used = {MODEL: {"inputTokens": 110, "outputTokens": 25}}
        desk_.writes(asked("r1"), answered("m1", "r1"), {"type": "cost-state", "modelUsage": used})
        await desk_.client.gone("it was closed")
        await desk_.until(Exited)
        calls = desk_.of(CallMetered)
        assert [(call.usage.tokens.input, call.usage.tokens.output) for call in calls] == [(10, 5), (100, 20)]
