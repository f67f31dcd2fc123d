"""Recorded lines of the real client (2.1.328), translated: pure, no process."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from gateway.agents.claude import reading, translate, wire
from gateway.agents.claude.counts import ModelUsage, Usages
from gateway.agents.claude.transcript import Record
from gateway.agents.claude.translate import Translator
from gateway.domain.events import (
    Acted,
    AgentEvent,
    BackgroundChanged,
    CallMetered,
    End,
    Finished,
    ModeTold,
    Ran,
    Said,
    Started,
)
from gateway.domain.usage import MAIN_LOOP, Tokens, Usage

FIXTURES = Path(__file__).parent / "fixtures"
FIRST = Tokens(237, 5662, 1835, 1743, 0, 832)
"""What the stand-in charged for the first call of every recording (it drew with the same seed)."""


def recorded(name: str) -> list[wire.Line]:
    """The lines of one recording."""
    return [reading.parse(line) for line in (FIXTURES / f"claude_{name}.jsonl").read_bytes().splitlines()]


def translated(lines: Iterable[wire.Line], translator: Translator | None = None) -> list[AgentEvent]:
    """What they mean, with every prompt of theirs known as handed over."""
    translator = translator or Translator("a", "/home/me/project")
    events: list[AgentEvent] = []
    for line in lines:
        if isinstance(line, wire.Lifecycle) and line.state == "queued":
            translator.handed(line.command_uuid)
        events += translator.feed(line)
    return events


def only(events: list[AgentEvent], kind: type[AgentEvent]) -> list[AgentEvent]:
    """The events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def calls(events: list[AgentEvent]) -> list[CallMetered]:
    """The metered calls."""
    return [event for event in events if isinstance(event, CallMetered)]


def message(
    usage: Mapping[str, object], stop_reason: str | None = "end_turn", call_id: str = "msg_1"
) -> dict[str, object]:
    """A message as the client passes it on."""
    return {"id": call_id, "model": "claude-opus-5-5", "content": [], "stop_reason": stop_reason, "usage": usage}


def line(**fields: object) -> wire.Line:
    """One line of the client."""
    return reading.parse(json.dumps(fields, separators=(",", ":")).encode())


def start(call_id: str, **usage: object) -> wire.Line:
    """The beginning of a call in the main loop."""
    event = {"type": "message_start", "message": message(usage, None, call_id)}
    return line(type="stream_event", event=event, api_message_id=call_id, parent_tool_use_id=None)


def delta(call_id: str, stop_reason: str | None = "end_turn", **usage: object) -> wire.Line:
    """Its end."""
    event = {"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": usage}
    return line(type="stream_event", event=event, api_message_id=call_id, parent_tool_use_id=None)


def test_a_plain_answer_is_started_said_metered_and_finished() -> None:
    """The order of one run, with the split of the cache writes from its start and the output from its end."""
    events = translated(recorded("text"))
    assert [type(event) for event in events] == [Started, Said, CallMetered, Finished]
    started, said, call, finished = events
    assert isinstance(started, Started)
    assert isinstance(finished, Finished)
    assert said == Said("hello")
    assert isinstance(call, CallMetered)
    assert (call.usage, call.loop, call.ended) == (Usage("claude-opus-5-5", FIRST), MAIN_LOOP, True)
    assert started.prompt_uuid == finished.prompt_uuid is not None
    assert (finished.end, finished.text) == (End.DONE, "hello")
    assert finished.totals == (call.usage,)


def test_tools_are_told_with_their_object_before_they_run() -> None:
    """One line each: the tool and what it is used on, paths relative to the session's directory."""
    events = translated(recorded("tool"))
    assert only(events, Acted) == [Acted("Bash", "echo hi"), Acted("Write", "f.txt")]
    assert sum((call.usage.tokens for call in calls(events)), Tokens()) == _totals(events)


def _totals(events: list[AgentEvent]) -> Tokens:
    """What the runs told."""
    ends = [event for event in events if isinstance(event, Finished)]
    return sum((usage.tokens for end in ends for usage in end.totals or ()), Tokens())


def test_a_sub_agents_call_is_metered_from_its_record_and_not_from_its_placeholder() -> None:
    """The announcement has a placeholder output: until the record comes the call is open, and then it is metered once."""
    translator = Translator("a", "/home/me/project")
    lines = recorded("sub")
    ahead = [n for n, item in enumerate(lines) if isinstance(item, wire.HookCallback) and item.input.agent_id]
    events = translated(lines[: ahead[-1]], translator)
    (loop,) = translator.live
    assert [call.loop for call in calls(events)] == [MAIN_LOOP]
    assert translator.unsettled({loop})
    usage = {
        "input_tokens": 361,
        "cache_read_input_tokens": 1965,
        "cache_creation_input_tokens": 2772,
        "output_tokens": 510,
    }
    announced = next(item for item in lines if isinstance(item, wire.Assistant) and item.agent_id).message.id
    record = Record.model_validate({"agentId": loop, "message": message(usage, "tool_use", announced)})
    (metered,) = calls(translator.settle(record))
    assert (metered.loop, metered.usage.tokens.output, metered.ended) == (loop, 510, True)
    assert not translator.settle(record)


def test_a_sub_agents_call_without_a_record_is_a_lower_bound_when_it_is_cut() -> None:
    """The client is gone and the record never came: what was announced is booked, flagged."""
    translator = Translator("a")
    events = translated(recorded("sub"), translator)
    cut = calls(events + translator.cut_all())
    assert [call.ended for call in cut if call.loop != MAIN_LOOP] == [False, False]


def test_background_agents_are_counted_and_their_reports_are_runs_of_their_own() -> None:
    """Three run on after the turn; the runs that take up their reports have no prompt of ours."""
    events = translated(recorded("bg"))
    changes = [event for event in events if isinstance(event, BackgroundChanged)]
    assert max(change.agents for change in changes) == 3
    assert changes[-1] == BackgroundChanged(0, 0)
    ends = [event for event in events if isinstance(event, Finished)]
    assert ends[0].background == 3
    assert [end.prompt_uuid is None for end in ends] == [False, True, True, True]
    assert len(only(events, Started)) == len(ends)


def test_while_agents_run_behind_the_totals_hold_only_what_was_metered() -> None:
    """The client's sum and the meter look at different moments: the difference waits until all have ended."""
    events = translated(recorded("bg"))
    first = next(event for event in events if isinstance(event, Finished))
    before = events[: events.index(first)]
    assert sum((u.tokens for u in first.totals or ()), Tokens()) == sum(
        (c.usage.tokens for c in calls(before)), Tokens()
    )


def test_an_interrupted_call_is_a_lower_bound_although_the_client_makes_an_end_up() -> None:
    """The client writes a message_delta of its own without a reason to stop."""
    events = translated(recorded("interrupt"))
    cut, whole = calls(events)
    assert (cut.ended, cut.usage.tokens.output, whole.ended) == (False, 2, True)
    first = next(event for event in events if isinstance(event, Finished))
    assert first.end is End.INTERRUPTED
    assert sum(usage.tokens.output for usage in first.totals or ()) == 21


def test_an_api_error_is_an_error_with_its_words_and_no_call() -> None:
    """The client's own words about it are no answer of the agent."""
    events = translated(recorded("err"))
    assert [type(event) for event in events] == [Started, Finished]
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert (finished.end, finished.totals) == (End.ERROR, ())
    assert "redit balance is too low" in finished.text


def test_a_compaction_is_in_the_totals_only() -> None:
    """No line shows its call, the client's sum does."""
    events = translated(recorded("compact"))
    ends = [event for event in events if isinstance(event, Finished)]
    assert [sum(u.tokens.output for u in end.totals or ()) for end in ends] == [832, 510, 146]
    assert len(calls(events)) == 2


def test_lines_told_twice_are_metered_once() -> None:
    """A journal read again, or a line repeated: the same calls, no more."""
    translator = Translator("a")
    first = translated(recorded("tool"), translator)
    again = translated(recorded("tool"), translator)
    assert len(calls(first)) == 2
    assert not calls(again)


def test_a_call_that_begins_anew_leaves_the_broken_one_as_a_lower_bound() -> None:
    """A dropped stream: its start was charged, its end never came."""
    events = translated(
        [start("m1", input_tokens=5, output_tokens=1), start("m2", input_tokens=7), delta("m2", output_tokens=9)]
    )
    assert [(call.call_id, call.ended, call.usage.tokens) for call in calls(events)] == [
        ("m1", False, Tokens(5, output=1)),
        ("m2", True, Tokens(7, output=9)),
    ]


def test_a_cache_write_that_nobody_split_is_unsplit() -> None:
    """Three sources of the lifetime: both parts, one part, none."""
    split = {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}
    both = translated([start("a", cache_creation_input_tokens=10, cache_creation=split), delta("a", output_tokens=1)])
    none = translated([start("b", cache_creation_input_tokens=10), delta("b", output_tokens=1)])
    assert calls(both)[0].usage.tokens == Tokens(0, 0, 3, 4, 3, 1)
    assert calls(none)[0].usage.tokens == Tokens(0, 0, 0, 0, 10, 1)


def test_tier_speed_and_searches_are_kept() -> None:
    """What a price depends on beside the tokens."""
    searched = {"web_search_requests": 2}
    events = translated(
        [
            start("m", input_tokens=1, service_tier="priority", speed="fast"),
            delta("m", output_tokens=1, server_tool_use=searched, output_tokens_details={"thinking_tokens": 1}),
        ]
    )
    assert calls(events)[0].usage == Usage("claude-opus-5-5", Tokens(1, output=1, reasoning=1), "priority", "fast", 2)


def test_a_message_without_a_stream_is_final_at_once() -> None:
    """The client falls back to a request without a stream when a stream breaks early."""
    events = translated([line(type="assistant", message=message({"input_tokens": 4, "output_tokens": 6}))])
    assert calls(events)[0].usage.tokens == Tokens(4, output=6)


def test_a_request_without_any_answer_is_flagged_at_an_interrupt() -> None:
    """The request went out and was stopped before its first byte: the call is on the books, its tokens are not known."""
    lines = [
        line(type="command_lifecycle", command_uuid="u", state="queued"),
        line(type="command_lifecycle", command_uuid="u", state="started"),
        line(type="system", subtype="status", status="requesting", uuid="s1"),
        _result(terminal_reason="aborted_streaming", subtype="error_during_execution", is_error=True, num_turns=2),
    ]
    events = translated(lines)
    (call,) = calls(events)
    assert (call.call_id, call.ended, call.usage.tokens) == ("unanswered-s1", False, Tokens())


def _result(**fields: object) -> wire.Line:
    base: dict[str, object] = {
        "type": "result",
        "subtype": "success",
        "num_turns": 1,
        "model_usage_since_last_result": {},
    }
    return line(**(base | fields))


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({"terminal_reason": "completed", "result": "ok"}, End.DONE),
        ({"terminal_reason": "hook_stopped"}, End.HALTED),
        ({"terminal_reason": "aborted_tools", "is_error": True, "subtype": "error_during_execution"}, End.INTERRUPTED),
        ({"errors": ["prompt_check: the turn was stopped"], "is_error": True}, End.INTERRUPTED),
        ({"terminal_reason": "api_error", "is_error": True, "result": "API Error: 529"}, End.ERROR),
        ({"terminal_reason": "blocking_limit", "is_error": True, "result": "Prompt is too long"}, End.ERROR),
        ({"subtype": "error_max_turns", "is_error": True}, End.ERROR),
    ],
)
def test_how_a_run_ended_is_read_from_more_than_its_subtype(fields: dict[str, object], end: End) -> None:
    """The client calls many ends a success."""
    (finished,) = translated([_result(**fields)])
    assert isinstance(finished, Finished)
    assert finished.end is end
    assert (end is not End.ERROR) or finished.text


def test_a_prompt_that_a_hook_refused_is_halted() -> None:
    """Its result looks like a success without turns; the line before it tells."""
    blocked = {"kind": "blocked_by_hook", "reason": "no budget left"}
    events = translated(
        [
            line(type="command_lifecycle", command_uuid="u", state="queued"),
            line(type="command_lifecycle", command_uuid="u", state="started"),
            line(type="system", subtype="informational", prompt_submit_outcome=blocked),
            _result(num_turns=0, result="UserPromptSubmit operation blocked by hook"),
        ]
    )
    assert events[-1] == Finished(End.HALTED, "no budget left", "u", (), 0)


def test_a_run_that_a_timer_started_has_no_prompt_of_ours() -> None:
    """The client names it in the same way as a prompt; only the name is not one that was handed over."""
    events = Translator("a").feed(line(type="command_lifecycle", command_uuid="foreign", state="started"))
    assert events == [Started("a", None, None)]


def test_a_prompt_that_joined_another_run_ends_with_it() -> None:
    """It is not run again, and the turn that waits for it comes to its end; what it cost is told with the run it joined."""
    translator = Translator("a")
    translator.feed(line(type="command_lifecycle", command_uuid="foreign", state="started"))
    translator.handed("u")
    assert not translator.feed(line(type="command_lifecycle", command_uuid="u", state="started"))
    events = translator.feed(_result(result="both done", user_message_uuids=["u"]))
    assert [(event.prompt_uuid, event.text) for event in events if isinstance(event, Finished)] == [
        (None, "both done"),
        ("u", "both done"),
    ]


def test_a_prompt_that_was_cancelled_before_it_ran_is_finished_once() -> None:
    """An interrupt takes queued prompts with it."""
    translator = Translator("a")
    translator.handed("u")
    cancelled = line(type="command_lifecycle", command_uuid="u", state="cancelled")
    assert translator.feed(cancelled) == [Finished(End.INTERRUPTED, "", "u", (), 0)]
    assert not translator.feed(cancelled)


def _sum(model: str = "claude-opus-5-5", **counts: int) -> Usages:
    return {model: ModelUsage.model_validate(counts)}


def test_calls_that_only_the_sum_shows_are_told_once() -> None:
    """A compaction between two boundaries, and the totals at the end do not tell it again."""
    translator = Translator("a")
    assert not translator.unlisted(_sum(inputTokens=1000))
    translated([start("m", input_tokens=5), delta("m", output_tokens=2)], translator)
    told = calls(translator.unlisted(_sum(inputTokens=1105, outputTokens=42)))
    assert [(call.loop, call.usage.tokens) for call in told] == [("side", Tokens(100, output=40))]
    assert not translator.unlisted(_sum(inputTokens=1105, outputTokens=42))
    since = {"claude-opus-5-5": {"inputTokens": 105, "outputTokens": 42}}
    assert _totals(translator.feed(_result(model_usage_since_last_result=since))) == Tokens(105, output=42)


def test_nothing_is_concluded_from_the_sum_while_a_call_is_open() -> None:
    """A call in flight, or a sub-agent at work, would be taken for a hidden one."""
    translator = Translator("a")
    translator.unlisted(_sum())
    translator.feed(start("m", input_tokens=5))
    assert not translator.unlisted(_sum(inputTokens=5))


@pytest.mark.parametrize("answered", ["claude-opus-5-5-20260401", "claude-opus-5-5[1m]", "some-proxy-name"])
def test_a_model_under_another_name_is_not_counted_twice(answered: str) -> None:
    """The API answers under one name, the client's sum has another: the same tokens all the same."""
    translator = Translator("a")
    translator.feed(line(type="system", subtype="init", session_id="a", model="claude-opus-5-5"))
    begun = {"type": "message_start", "message": message({"input_tokens": 5}, None, "m") | {"model": answered}}
    translator.feed(line(type="stream_event", event=begun, parent_tool_use_id=None))
    translator.feed(delta("m", output_tokens=2))
    since = {"claude-opus-5-5": {"inputTokens": 5, "outputTokens": 2}}
    events = translator.feed(_result(model_usage_since_last_result=since))
    assert _totals(events) == Tokens(5, output=2)
    assert [usage.model for end in events if isinstance(end, Finished) for usage in end.totals or ()] == [answered]


def test_a_cleared_conversation_has_a_new_name() -> None:
    """/clear: the client goes on under another session id, and its sums begin again."""
    translator = Translator("a")
    translator.feed(line(type="conversation_reset", new_conversation_id="b"))
    assert translator.agent_session == "b"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not json",
        b"[1, 2]",
        b'"text"',
        b"null",
        b'{"type":"system"}',
        b'{"type":["list"]}',
        b'{"type":"from the future","x":1}',
        b"[" * 100_000,
        b"\xff\xfe\x00",
    ],
)
def test_garbage_is_let_through_without_harm(raw: bytes) -> None:
    """Whatever the client prints, the adapter reads on."""
    assert isinstance(reading.parse(raw), wire.Unknown | wire.Unreadable)
    assert not Translator("a").feed(reading.parse(raw))


def test_a_request_that_cannot_be_read_is_still_a_request() -> None:
    """The client waits for an answer to it: it gets a refusal, not silence; at a hook one that lets nothing through."""
    odd = {"subtype": "hook_callback", "callback_id": "PreToolUse"}
    assert line(type="control_request", request_id="r", request=odd) == wire.OddCallback(
        request_id="r", callback_id="PreToolUse"
    )
    assert line(type="control_request", request_id="r", request={"subtype": "new"}) == wire.OtherRequest(request_id="r")


@pytest.mark.parametrize(
    ("told", "mode"),
    [
        ({"permissionMode": "default"}, ""),
        ({"permissionMode": "plan"}, "plan"),
        ({"permissionMode": "acceptEdits"}, "edits"),
    ],
)
def test_another_mode_is_told_by_the_name_that_people_know(told: Mapping[str, object], mode: str) -> None:
    """A plan was approved, with edits or without, or the agent plans by itself."""
    assert translated([line(type="system", subtype="status", status=None, **told)]) == [ModeTold(mode)]


@pytest.mark.parametrize("told", [{"permissionMode": "auto"}, {"permissionMode": None}, {}])
def test_a_mode_that_nobody_can_choose_is_not_told(told: Mapping[str, object]) -> None:
    """Nor is one that is not there."""
    assert translated([line(type="system", subtype="status", status=None, **told)]) == []


def _command(number: int, command: str) -> bytes:
    """A use of the shell, as the client prints it."""
    use = {"type": "tool_use", "id": f"use{number}", "name": "Bash", "input": {"command": command}}
    message = {"id": f"msg{number}", "model": "m", "content": [use], "stop_reason": "tool_use", "usage": {}}
    return json.dumps({"type": "assistant", "message": message}, separators=(",", ":")).encode()


def _result_of(number: int, said: str, result: object) -> bytes:
    """What it returned, as seen with the client 2.1.328."""
    block = {"tool_use_id": f"use{number}", "type": "tool_result", "content": said, "is_error": isinstance(result, str)}
    line = {"type": "user", "message": {"role": "user", "content": [block]}, "tool_use_result": result}
    return json.dumps(line, separators=(",", ":")).encode()


SUCCEEDED = {"stdout": "1 passed", "stderr": "", "interrupted": False, "isImage": False, "noOutputExpected": False}


@pytest.mark.parametrize(
    ("command", "said", "result", "passed"),
    [
        ("pytest -q", "1 passed", SUCCEEDED, [True]),
        ("pytest -q", "Exit code 1\nfailed", "Error: Exit code 1\nfailed", [False]),
        ("pytest -q", "Exit code 143\nkilled", "Error: Exit code 143\nkilled", [None]),
        ("pytest -q | tail", "1 passed", SUCCEEDED, [None]),
        ("pytest -q", "", SUCCEEDED | {"interrupted": True}, [None]),
        ("pytest -q", "in the background", SUCCEEDED | {"backgroundTaskId": "b1"}, [None]),
        ("pytest -q", "The user said no", "Error: The user said no", []),
        ("ls", "1 passed", SUCCEEDED, []),
        ("pytest -q", "x" * 300_000, SUCCEEDED, []),
    ],
)
def test_tests_that_the_agent_ran_are_told_with_how_they_ended(
    command: str, said: str, result: object, passed: list[bool | None]
) -> None:
    """Once, when they have ended; a command that did not run, or runs no tests, is none."""
    translator = Translator("a")
    events = [
        event
        for raw in (_command(1, command), *[_result_of(1, said, result)] * 2)
        for event in translator.feed(reading.parse(raw))
    ]
    assert [event for event in events if isinstance(event, Ran)] == [Ran("pytest", one) for one in passed]


def test_a_result_that_cannot_be_read_is_let_through() -> None:
    """It counts nothing."""
    assert reading.parse(b'{"type":"user","tool_use_result":{"stdout"') == wire.Unknown()
    assert reading.parse(b'{"type":"user","tool_use_result":{"stdout":1}}') == wire.Unknown()


def test_only_so_many_commands_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that is never told what came of them fills no memory."""
    monkeypatch.setattr(translate, "LIVE_MAX", 1)
    translator = Translator("a")
    for number in (1, 2):
        translator.feed(reading.parse(_command(number, "pytest")))
    assert translator.feed(reading.parse(_result_of(1, "", SUCCEEDED))) == []
    assert translator.feed(reading.parse(_result_of(2, "", SUCCEEDED))) == [Ran("pytest", passed=True)]
