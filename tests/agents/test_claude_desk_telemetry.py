"""What a session at the desk exports of itself: read tolerantly, joined with its transcript, booked once across gateways."""

import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.agents.claude.desk import DeskAgent, DeskClient, otlp
from gateway.agents.claude.desk.log import Log
from gateway.agents.claude.desk.otlp import ApiRequest, Heard
from gateway.agents.claude.desk.reported import SHOWN_WITHIN_S, Reported
from gateway.domain.events import CallMetered
from gateway.domain.usage import MAIN_LOOP, Tokens
from gateway.ports import AgentUnavailableError

SESSION = "aadbf2ed"
FIGURES = {
    "input_tokens": 237,
    "output_tokens": 832,
    "cache_read_tokens": 5662,
    "cache_creation_tokens": 3578,
    "cache_creation_5m_tokens": 1835,
    "cache_creation_1h_tokens": 1743,
}
TOKENS = Tokens(237, 5662, 1835, 1743, 0, 832)
MAIN = "repl_main_thread"
LATER = SHOWN_WITHIN_S + 1


def request(name: str, source: str = MAIN, **more: Any) -> ApiRequest:
    """A request of that name; all have the same figures unless told."""
    return ApiRequest.model_validate(
        {"request_id": name, "model": "claude-opus-5-5", "query_source": source} | FIGURES | more
    )


def heard(name: str, source: str = MAIN, sequence: int | None = None, at_ms: int = 0, **more: Any) -> Heard:
    """Its record."""
    return Heard(SESSION, sequence, request(name, source, **more), at_ms)


def exported(*records: dict[str, Any], text_integers: bool = False) -> bytes:
    """A body as the client sends it; `text_integers`: as other exporters write whole numbers."""

    def value(given: Any) -> dict[str, Any]:
        if isinstance(given, int):
            return {"intValue": str(given) if text_integers else given}
        return {"doubleValue": given} if isinstance(given, float) else {"stringValue": given}

    lines = [
        {
            "timeUnixNano": "1795349768778000000",
            "body": {"stringValue": "claude_code.api_request"},
            "attributes": [{"key": key, "value": value(given)} for key, given in record.items()],
        }
        for record in records
    ]
    scope = {"name": "com.anthropic.claude_code.events", "version": "2.1.328"}
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"scope": scope, "logRecords": lines}]}]}).encode()


RECORD = {
    "session.id": SESSION,
    "event.name": "api_request",
    "event.sequence": 26,
    "model": "claude-opus-5-5",
    "cost_usd": 0.0418394,
    "request_id": "req_1",
    "speed": "normal",
    "query_source": MAIN,
} | FIGURES


class Desk:
    """A transcript that is written by hand, and the log that reads it."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / f"{SESSION}.jsonl"
        self.kept = directory / "kept.calls"
        self.log = self.again()

    def again(self) -> Log:
        """The log of a gateway that comes after."""
        self.log = Log(self.path, reported=Reported(self.kept))
        self.log.since(None)
        self.log.reported.load()
        return self.log

    def writes(self, *lines: dict[str, Any]) -> None:
        with self.path.open("a") as file:
            file.writelines(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines)

    def answers(self, n: int, *, answer_first: bool = False, input_tokens: int = 237) -> None:
        """The two lines of a call, in either order."""
        usage = {
            "input_tokens": input_tokens,
            "output_tokens": 832,
            "cache_read_input_tokens": 5662,
            "cache_creation_input_tokens": 3578,
            "cache_creation": {"ephemeral_5m_input_tokens": 1835, "ephemeral_1h_input_tokens": 1743},
        }
        message = {"id": f"msg_{n}", "model": "claude-opus-5-5", "stop_reason": "end_turn", "usage": usage}
        asked = {"type": "api-request", "id": f"ref_{n}", "params": {"model": "claude-opus-5-5"}}
        told = {"type": "assistant", "requestRef": f"ref_{n}", "requestId": f"req_{n}", "message": message}
        self.writes(*([told, asked, told] if answer_first else [asked, told, told]))

    def leaves(self, calls: int) -> None:
        """The client says what it used in all: so many calls of the same size."""
        used = {
            "inputTokens": 237 * calls,
            "outputTokens": 832 * calls,
            "cacheReadInputTokens": 5662 * calls,
            "cacheCreationInputTokens": 3578 * calls,
            "cacheCreationEphemeral5mInputTokens": 1835 * calls,
            "cacheCreationEphemeral1hInputTokens": 1743 * calls,
        }
        self.writes({"type": "cost-state", "modelUsage": {"claude-opus-5-5": used}})

    def ends(self) -> list[CallMetered]:
        """What is told at the end."""
        return [*self.log.read((), float("inf")), *self.log.cut(every_loop=True), *self.log.unlisted()]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A transcript that is empty, and its log."""
    return Desk(tmp_path)


def names(events: list[CallMetered]) -> list[str]:
    """The calls that were told."""
    return [event.call_id for event in events]


# ----------------------------------------------------------------------------------------------------------- the wire
@pytest.mark.parametrize("text_integers", [False, True])
def test_a_record_of_a_request_is_read_with_every_class(text_integers: bool) -> None:
    """As the client writes it, and as the specification has it: whole numbers as text."""
    [found] = otlp.read(exported(RECORD, text_integers=text_integers)) or []
    assert (found.session, found.sequence, found.at_ms) == (SESSION, 26, 1795349768778)
    assert found.request is not None
    usage = found.request.usage()
    assert (found.request.request, found.request.loop, found.request.in_transcript) == ("req_1", MAIN_LOOP, True)
    assert (usage.model, usage.tokens, usage.speed) == ("claude-opus-5-5", TOKENS, "standard")


@pytest.mark.parametrize(
    ("told", "loop", "in_transcript"),
    [
        ({"query_source": "compact"}, "compact", False),
        ({"query_source": "generate_session_title"}, "generate_session_title", False),
        ({"query_source": "agent:builtin:general-purpose", "agent_id": "a41f"}, "a41f", True),
    ],
)
def test_a_request_says_whose_it_was(told: dict[str, str], loop: str, in_transcript: bool) -> None:
    """By the sub-agent's name, or by what it was for."""
    [found] = otlp.read(exported(RECORD | told)) or []
    assert found.request is not None
    assert (found.request.loop, found.request.in_transcript) == (loop, in_transcript)


@pytest.mark.parametrize("body", [b"", b"\x0a\x12", b"[]", b"{}", b'{"resourceLogs": 1}', b"[" * 100_000])
def test_what_is_no_log_export_is_not_read(body: bytes) -> None:
    """Protobuf, other JSON, and JSON of no end."""
    assert otlp.read(body) is None


def test_whatever_else_stands_in_a_body_is_passed_over() -> None:
    """A request with impossible figures or without a name is none, and what stands beside it is read."""
    odd = (
        {"input_tokens": -1},
        {"output_tokens": 10**9},
        {"request_id": ""},
        {"model": "a\nb"},
        {"input_tokens": "many"},
    )
    found = otlp.read(exported(*(RECORD | one for one in odd), RECORD, {"event.name": "api_request"})) or []
    assert [one.request is not None for one in found] == [False] * 5 + [True]
    mixed = {"resourceLogs": [1, {}, {"scopeLogs": [None, {"logRecords": [7, {"attributes": [3, {"key": []}]}]}]}]}
    assert otlp.read(json.dumps(mixed).encode()) == []


# ----------------------------------------------------------------------------------------------------------- the join
def test_a_request_in_the_transcript_is_booked_once_whichever_source_comes_first(desk: Desk) -> None:
    """Transcript then telemetry, telemetry then transcript: the transcript's name and figures, and no more at the end."""
    desk.answers(1)
    assert names(desk.log.read((), 0)) == ["msg_1"]
    assert desk.log.read([heard("req_1"), heard("req_2")], 1) == []
    desk.answers(2)
    assert names(desk.log.read((), 2)) == ["msg_2"]
    assert desk.log.read((), LATER + 10) == []
    desk.leaves(calls=2)
    assert desk.ends() == []


def test_a_request_that_no_transcript_shows_is_booked_and_not_once_more_at_the_end(desk: Desk) -> None:
    """A compaction at once, a call whose line is missing after a while; the client's sums hold both and add nothing."""
    [compact] = desk.log.read([heard("req_c", "compact"), heard("req_m")], 0)
    assert (compact.call_id, compact.loop, compact.usage.tokens) == ("req_c", "compact", TOKENS)
    assert desk.log.read([heard("req_c", "compact")], 1) == []
    [missing] = desk.log.read((), LATER)
    assert (missing.call_id, missing.loop) == ("req_m", MAIN_LOOP)
    desk.leaves(calls=3)
    [rest] = desk.ends()
    assert (rest.call_id.startswith("unlisted-"), rest.usage.tokens) == (True, TOKENS)


def test_a_line_that_comes_after_the_booking_is_not_booked_again_but_what_it_shows_beyond_is(desk: Desk) -> None:
    """The transcript is right: the difference is booked once, and said once."""
    desk.log.read([heard("req_1"), heard("req_2")], 0)
    assert names(desk.log.read((), LATER)) == ["req_1", "req_2"]
    with capture_logs() as said:
        desk.answers(1)
        desk.answers(2, input_tokens=300)
        [more] = desk.log.read((), LATER)
    assert (more.call_id, more.usage.tokens) == ("msg_2", Tokens(input=63))
    assert [line["event"] for line in said] == [
        "the transcript and telemetry differ about a request: the transcript counts"
    ]


def test_where_the_figures_differ_the_transcript_counts_and_it_is_said_once(desk: Desk) -> None:
    """Whichever comes first, one warning a session."""
    desk.answers(1)
    desk.log.read((), 0)
    with capture_logs() as said:
        desk.log.read([heard("req_1", input_tokens=1), heard("req_2", input_tokens=1)], 0)
        desk.answers(2)
        [second] = desk.log.read((), 1)
    assert second.usage.tokens == TOKENS
    assert len(said) == 1


def test_an_answer_that_stands_before_its_request_is_booked(desk: Desk) -> None:
    """The client writes both lines at once, in either order; a copy, whose request stands nowhere, is not booked."""
    desk.answers(1, answer_first=True)
    assert names(desk.log.read((), 0)) == ["msg_1"]
    desk.writes(
        {"type": "assistant", "requestRef": "elsewhere", "message": {"id": "msg_9", "model": "m", "stop_reason": "x"}}
    )
    assert desk.log.read((), 1) == []
    assert desk.log.cut(every_loop=True) == []


def test_a_later_gateway_books_nothing_twice(desk: Desk) -> None:
    """What only telemetry told is told again under its name, which the ledger knows, and counts against the client's sums."""
    desk.answers(1)
    assert names(desk.log.read([heard("req_c", "compact"), heard("req_2")], 0)) == ["msg_1", "req_c"]
    assert names(desk.log.read((), LATER)) == ["req_2"]
    desk.answers(2)
    desk.again()
    assert sorted(names(desk.log.read([heard("req_c", "compact")], 0))) == ["msg_1", "req_2", "req_c"]
    desk.leaves(calls=3)
    assert desk.ends() == []


def test_a_torn_line_of_the_memory_is_passed_over(desk: Desk) -> None:
    """The gateway was killed while it wrote."""
    desk.log.read([heard("req_c", "compact")], 0)
    with desk.kept.open("a") as file:
        file.write('\n{"request_id":"req_')
    assert names(desk.again().read([heard("req_t", "compact")], 0)) == ["req_c", "req_t"]
    assert names(desk.again().read((), 0)) == ["req_c", "req_t"]


def test_what_cannot_be_written_down_is_left_to_the_end(desk: Desk, tmp_path: Path) -> None:
    """It would be booked twice by the gateway after this one; the client's sums have it."""
    desk.log.reported.kept = tmp_path
    with capture_logs() as said:
        assert desk.log.read([heard("req_c", "compact")], 0) == []
    assert len(said) == 1
    desk.leaves(calls=1)
    assert [event.usage.tokens for event in desk.ends()] == [TOKENS]


def test_what_was_asked_before_the_session_was_heard_of_is_none_of_ours(desk: Desk) -> None:
    """Records that an exporter had kept back."""
    desk.log.reported.since_ms = 1_000
    assert names(desk.log.read([heard("old", "compact", at_ms=999), heard("new", "compact", at_ms=1_000)], 0)) == [
        "new"
    ]


def test_a_gap_in_the_numbers_is_said_once(desk: Desk) -> None:
    """Repeated records are no gap; two gaps are one warning."""
    with capture_logs() as said:
        desk.log.read([Heard(SESSION, n) for n in (5, 6, 7, 6, 7, 8)], 0)
        assert said == []
        desk.log.read([Heard(SESSION, n) for n in (10, 20)], 0)
    assert [(line["event"], line["after"], line["before"]) for line in said] == [("telemetry records were lost", 8, 10)]


# ----------------------------------------------------------------------------------------------------------- the agent
@pytest.mark.anyio
async def test_what_comes_while_the_gateway_starts_is_to_come_again(tmp_path: Path) -> None:
    """Nobody knows yet whose it is."""
    async with DeskAgent(tmp_path) as agent:
        with pytest.raises(AgentUnavailableError, match="just been started"):
            await agent.telemetry(exported(RECORD))


@pytest.mark.anyio
async def test_what_belongs_to_no_open_session_is_dropped_and_counted(tmp_path: Path) -> None:
    """Taken, so that nobody sends it again; the log says it once for each session."""

    async def attach(agent: str, client: DeskClient, directory: str, *, unattended: bool = False) -> str:
        raise AssertionError(agent, client, directory, unattended)

    async with DeskAgent(tmp_path) as agent:
        agent.attach = attach
        with capture_logs() as said:
            assert await agent.telemetry(exported({"session.id": SESSION, "event.sequence": 1}))
            assert await agent.telemetry(exported(RECORD, RECORD | {"session.id": "other"}))
            assert await agent.telemetry(exported(RECORD))
            assert not await agent.telemetry(b"nonsense")
        assert [(line["session"], line["dropped"]) for line in said] == [(SESSION, 1), ("other", 2)]
