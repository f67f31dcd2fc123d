"""Whatever a client prints is read within limits: nothing raises, and nothing impossible is booked."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.agents import warden
from gateway.agents.claude import calls, describe, reading, tally, transcript, wire
from gateway.agents.claude.counts import CALL_MAX, MODELS_MAX, SUM_MAX, MessageUsage, sums
from gateway.agents.claude.translate import LIVE_MAX, Translator
from gateway.domain.events import AgentEvent, CallMetered, End, Finished, QuotaTold, Said
from gateway.domain.usage import Tokens, Usage

COUNTS = (
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
)
IMPOSSIBLE = [-1, 10**400, CALL_MAX + 1, 1.5, 1.0, True, "12", float("nan"), float("inf"), [], {}, "\ud800"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["\ud800", "\0", 10**60]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
KINDS = st.sampled_from(
    [
        *("assistant", "stream_event", "result", "system", "command_lifecycle", "control_request", "control_response"),
        *("rate_limit_event", "?"),
    ]
)
FIELDS = st.sampled_from(
    [
        *(
            "message",
            "event",
            "delta",
            "usage",
            "id",
            "model",
            "content",
            "stop_reason",
            "agent_id",
            "subtype",
            "tasks",
        ),
        *("status", "request", "response", "request_id", "input", "hook_event_name", "model_usage_since_last_result"),
        *(
            "num_turns",
            "errors",
            "user_message_uuids",
            "task_id",
            "uuid",
            "session_id",
            "command_uuid",
            "state",
            "rate_limit_info",
            "unifiedWindows",
            "five_hour",
            "rateLimitType",
            "utilization",
            "resetsAt",
            *COUNTS,
        ),
    ]
)
FORMS = st.recursive(
    VALUES | st.sampled_from(["message_start", "message_delta", "init", "hook_callback", "started"]),
    lambda inner: st.dictionaries(FIELDS | st.just("type"), inner, max_size=6) | st.lists(inner, max_size=3),
    max_leaves=20,
)


def raw(**fields: Any) -> bytes:
    """One line, as JSON or nearly."""
    return json.dumps(fields).encode()


def booked(events: list[AgentEvent]) -> list[Usage]:
    """Everything that would be booked."""
    found = [event.usage for event in events if isinstance(event, CallMetered)]
    return found + [usage for event in events if isinstance(event, Finished) for usage in event.totals or ()]


def fit(text: str) -> bool:
    """A database takes it."""
    return "\0" not in text and text == text.encode(errors="ignore").decode()


def message(usage: object, stop_reason: str | None = "end_turn", name: str = "m1") -> dict[str, Any]:
    """A message with this usage."""
    return {"id": name, "model": "claude-opus-5-5", "stop_reason": stop_reason, "usage": usage}


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_bytes_are_some_line(data: bytes) -> None:
    """No bytes raise."""
    Translator("a").feed(reading.parse(data))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(KINDS, st.dictionaries(FIELDS, FORMS, max_size=6)), max_size=6))
def test_lines_of_any_form_are_taken_without_harm(lines: list[tuple[str, dict[str, Any]]]) -> None:
    """Every kind with anything in it: nothing raises, no count is negative or absurd, and every name can be stored."""
    translator = Translator("a")
    events: list[AgentEvent] = []
    for kind, fields in lines:
        events += translator.feed(reading.parse(raw(**{**fields, "type": kind})))
    events += translator.cut_all()
    for usage in booked(events):
        assert all(0 <= count <= SUM_MAX for count in (usage.tokens.context, usage.tokens.output, usage.web_searches))
        assert all(fit(text) for text in (usage.model, usage.service_tier, usage.speed, usage.geo))
    assert all(fit(event.call_id) and fit(event.loop) for event in events if isinstance(event, CallMetered))
    assert all(fit(event.text) for event in events if isinstance(event, Said | Finished))
    assert all(0 <= event.percent <= 1000 and fit(event.window) for event in events if isinstance(event, QuotaTold))


@pytest.mark.parametrize("count", IMPOSSIBLE, ids=lambda count: f"{type(count).__name__} {str(count)[:8]!r}")
@pytest.mark.parametrize("field", COUNTS)
def test_an_impossible_count_makes_the_call_a_lower_bound(field: str, count: object) -> None:
    """The call is known, flagged, and counts nothing of what stands beside the impossible figure."""
    odd = {"input_tokens": 5, "output_tokens": 7, field: count}
    (call,) = Translator("a").feed(reading.parse(raw(type="assistant", message=message(odd))))
    assert isinstance(call, CallMetered)
    assert (call.call_id, call.ended, call.usage.tokens) == ("m1", False, Tokens())


def test_an_unreadable_end_leaves_what_the_beginning_told() -> None:
    """message_start is exact in the input; an end that cannot be read adds nothing to it."""
    translator = Translator("a")
    begin = {"type": "message_start", "message": message({"input_tokens": 5, "output_tokens": 1}, None)}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": -7}}
    translator.feed(reading.parse(raw(type="stream_event", event=begin)))
    (call,) = translator.feed(reading.parse(raw(type="stream_event", event=end)))
    assert isinstance(call, CallMetered)
    assert (call.ended, call.usage.tokens) == (False, Tokens(5, output=1))


def test_an_unreadable_record_leaves_what_was_announced() -> None:
    """A sub-agent's call, announced well and recorded badly: the announcement is booked as a lower bound."""
    translator = Translator("a")
    announced = message({"input_tokens": 5, "output_tokens": 1}, None)
    translator.feed(reading.parse(raw(type="assistant", agent_id="sub", message=announced)))
    record = transcript.record(raw(type="assistant", agentId="sub", message=message({"output_tokens": "many"})))
    assert record is not None
    (call,) = translator.settle(record)
    assert isinstance(call, CallMetered)
    assert (call.loop, call.ended, call.usage.tokens) == ("sub", False, Tokens(5, output=1))


@pytest.mark.parametrize(
    "fields",
    [
        {"model_usage_since_last_result": {"m": {"inputTokens": -1}}},
        {"model_usage_since_last_result": {"m": {"inputTokens": SUM_MAX + 1}}},
        {"model_usage_since_last_result": "much"},
        {"model_usage_since_last_result": {f"m{n}": {} for n in range(MODELS_MAX + 1)}},
        {"num_turns": {}},
        {"user_message_uuids": [7]},
        {"result": ["no", "text"]},
    ],
    ids=["negative", "absurd", "text", "models", "turns", "uuids", "words"],
)
def test_a_result_always_ends_the_run_and_flags_what_it_cannot_tell(fields: dict[str, Any]) -> None:
    """Without Finished the turn would hang: it comes, behind a call that says that something is missing."""
    translator = Translator("a")
    translator.handed("u")
    translator.feed(reading.parse(raw(type="command_lifecycle", command_uuid="u", state="started")))
    flag, finished = translator.feed(reading.parse(raw(type="result", subtype="success", uuid="r", **fields)))
    assert isinstance(flag, CallMetered)
    assert (flag.ended, flag.usage.tokens) == (False, Tokens())
    assert isinstance(finished, Finished)
    assert (finished.prompt_uuid, finished.totals) == ("u", None)
    assert translator.run is None


def test_a_result_told_twice_is_one_end_and_one_sum() -> None:
    """The second is the first again: no difference is booked for it."""
    translator = Translator("a")
    result = raw(type="result", uuid="r", subtype="success", model_usage_since_last_result={"m": {"inputTokens": 9}})
    (finished,) = translator.feed(reading.parse(result))
    assert isinstance(finished, Finished)
    assert (finished.end, [usage.tokens.input for usage in finished.totals or ()]) == (End.DONE, [9])
    assert not translator.feed(reading.parse(result))


def test_unreadable_lines_flag_a_run_once() -> None:
    """However many there are: one call says that the figures are a lower bound, and the next run may say it again."""
    translator = Translator("a")
    lines = [raw(type="assistant", message={"id": n}) for n in range(10)]
    assert len([event for line in lines for event in translator.feed(reading.parse(line))]) == 1
    translator.feed(reading.parse(raw(type="command_lifecycle", command_uuid="x", state="started")))
    assert len([event for line in lines for event in translator.feed(reading.parse(line))]) == 1


@pytest.mark.parametrize("depth", [reading.DEPTH_MAX + 1, 900, 100_000])
@pytest.mark.parametrize("bracket", ["[]", "{}"])
def test_bottomless_lines_are_unreadable(depth: int, bracket: str) -> None:
    """Nested deeper than anyone can walk: put aside, whether the parser gets through or not."""
    opening = "[" if bracket == "[]" else '{"x":'
    data = b'{"type":"system","subtype":"init","x":%s1%s}' % (opening.encode() * depth, bracket[1].encode() * depth)
    assert isinstance(reading.parse(data), wire.Unreadable)


def test_a_nested_request_is_still_answered() -> None:
    """The client waits: a question gets a refusal, a hook an answer that lets nothing through."""
    deep: Any = 1
    for _ in range(reading.DEPTH_MAX):
        deep = [deep]
    hook = {"subtype": "hook_callback", "callback_id": "PreToolUse", "input": {"tool_input": {"x": deep}}}
    tool = {"subtype": "can_use_tool", "tool_name": "X", "input": {"x": deep}}
    assert isinstance(reading.parse(raw(type="control_request", request_id="r", request=hook)), wire.OddCallback)
    assert isinstance(reading.parse(raw(type="control_request", request_id="r", request=tool)), wire.OtherRequest)


@pytest.mark.parametrize("digits", [4_299, 4_301, 5_000_000])
def test_a_number_of_any_length_is_read_at_once(digits: int) -> None:
    """Python would refuse it, or take minutes: it is no count."""
    data = b'{"type":"result","uuid":"r","model_usage_since_last_result":{"m":{"inputTokens":%s}}}' % (b"9" * digits)
    line = reading.parse(data)
    assert isinstance(line, wire.Result)
    assert line.usages is None
    assert line.unreadable


def test_invalid_utf_8_costs_the_characters_and_not_the_line() -> None:
    """The end of a run with a broken byte in its words is the end of the run."""
    line = reading.parse(b'{"type":"result","uuid":"r","result":"caf\xe9 \xed\xa0\x80"}')
    assert isinstance(line, wire.Result)
    assert line.result.startswith("caf\N{REPLACEMENT CHARACTER} ")


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 1_000, "a\nb"])
def test_a_name_that_no_database_takes_is_no_name(name: str) -> None:
    """Ids and models are stored: what is unfit is unreadable, and flagged."""
    for odd in ({"id": name, "model": "m"}, {"id": "m1", "model": name}):
        line = reading.parse(raw(type="assistant", message=odd))
        assert isinstance(line, wire.Unreadable)
        assert line.counted


def test_what_people_read_can_be_stored_and_sent() -> None:
    """NUL and half characters are replaced, and a text of megabytes is cut and named by its digest."""
    assert describe.readable("a\0b\ud83d") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
    told = describe.ask("Write", {"file_path": "a\0b", "content": "\udfff" * 5000}, "/d")
    assert told.whole
    assert all(map(fit, (told.summary, told.detail, told.whole)))
    one, other = (describe.readable("x" * 2_000_000 + end) for end in "ab")
    assert one != other
    assert len(one) < 1_001_000


def test_a_question_with_hundreds_of_choices_is_asked_in_words() -> None:
    """No chat has so many buttons: they are listed, and the answer is written."""
    options = [{"label": f"choice {n}"} for n in range(500)]
    [part], names = describe.questions({"questions": [{"question": "Which?", "options": options}]})
    assert not part.choices
    assert names == ("Which?",)
    assert "choice 499" in part.text


def test_what_a_long_life_leaves_behind_is_bounded() -> None:
    """Calls that never end, agents that never stop, models without number: the oldest and the odd are let go, flagged."""
    translator = Translator("a")
    events: list[AgentEvent] = []
    for n in range(calls.OPEN_MAX + 10):
        odd = {"id": f"m{n}", "model": f"model {n}", "usage": {"input_tokens": 1}}
        events += translator.feed(reading.parse(raw(type="assistant", agent_id=f"sub{n}", message=odd)))
    assert [call.ended for call in events if isinstance(call, CallMetered)] == [False] * 10
    assert len(translator.live) == LIVE_MAX
    kept = calls.Recent()
    assert all(kept.add(str(n)) for n in range(calls.REMEMBERED_MAX + 5))
    assert "4" not in kept
    assert "5" in kept


def test_sums_keep_the_terms_apart_and_their_number_small() -> None:
    """Where a model ran, and in which tier, has its price: merged by all of them; models beyond the limit are one."""
    home, abroad = (Usage("m", Tokens(1), geo=geo) for geo in ("", "us"))
    assert tally.merged([home, abroad, abroad]) == (home, Usage("m", Tokens(2), geo="us"))
    many = tally.merged(Usage(f"m{n}", Tokens(1)) for n in range(3 * MODELS_MAX))
    assert len(many) == MODELS_MAX + 1
    assert sum(usage.tokens.input for usage in many) == 3 * MODELS_MAX


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=4), st.dictionaries(st.sampled_from(["inputTokens", "outputTokens"]), VALUES)))
def test_sums_are_whole_or_none(value: dict[str, Any]) -> None:
    """One impossible figure and the client has not said anything."""
    found = sums(value)
    assert found is None or all(
        0 <= usage.input <= SUM_MAX and 0 <= usage.output <= SUM_MAX for usage in found.values()
    )


def test_a_usage_that_is_not_told_is_readable() -> None:
    """Null is no garbage: later lines tell."""
    line = reading.parse(raw(type="assistant", message=message(None)))
    assert isinstance(line, wire.Assistant)
    assert line.message.usage == MessageUsage()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=50).filter(lambda line: b"\n" not in line), max_size=30), st.integers(1, 64))
def test_a_tail_reads_every_line_once_in_whatever_pieces(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], piece: int
) -> None:
    """Lines over several pieces are whole, what has no end yet waits for it, and nothing is read twice."""
    path: Path = tmp_path_factory.mktemp("tail") / "t"
    tail = transcript.Tail(path)
    read: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transcript, "PIECE", piece)
        assert tail.piece() is None
        with path.open("wb", buffering=0) as file:
            for line in lines:
                file.write(line + b"\nno end yet"[: 1 + len(line) % 2])
                while (found := tail.piece()) is not None:
                    read += found
            file.write(b"\n")
        while (found := tail.piece()) is not None:
            read += found
    whole = b"".join(read)
    assert whole == path.read_bytes()


def test_a_tail_does_not_wait_at_a_pipe_and_keeps_no_endless_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something else in the file's place is no file; a line beyond the limit becomes a note."""
    monkeypatch.setattr(warden, "LINE_LIMIT", 1_000)
    assert transcript.Tail(Path("/dev/zero")).piece() is None
    path = tmp_path / "t"
    path.write_bytes(b"x" * 5_000 + b"\nnext\n")
    assert list(transcript.lines(path)) == [b'{"type":"tollbridge_line_too_long","bytes":5000}\n', b"next\n"]
