"""The benchmark of the chat: real processes over real HTTP, and what it claims of limits is computed from what was sent."""

import json

import pytest

from benchmarks import chat, chat_clients
from benchmarks.chat_server import Server, spacing
from tests.fakes.bot_api import Request

FIGURES = {
    "chats": 200,
    "rounds": 3,
    "per_second": {"gateway": 40.0, "echo": 100.0, "stand-in": 3000.0},
    "ratio": 0.4,
    "ms": {"gateway": {"p50": 30.0, "p99": 60.0}, "echo": {"p50": 2.0, "p99": 4.0}},
    "ms_above": 28.0,
    "streams": {
        "seconds": 9.0,
        "sends": 400,
        "edits": 900,
        "too_soon": 1,
        "least_gap_s": 0.4,
        "most_in_a_second": 31,
        "refused": 0,
        "violations": 0,
    },
}


def sent(method: str, chat_id: int, at: float) -> Request:
    """A write as the stand-in noted it."""
    return Request(method, {"chat_id": chat_id, "text": "x"}, {}, at, status=200)


def test_every_figure_is_measured_and_told() -> None:
    """A quick run of both bots and the streams: every message is answered, and no chat is written to faster than it may be."""
    found = chat.measure(chat.QUICK)
    assert set(found["per_second"]) == {"gateway", "echo", "stand-in"}
    assert all(rate > 0 for rate in found["per_second"].values())
    assert found["ratio"] == found["per_second"]["gateway"] / found["per_second"]["echo"]
    assert all(0 < waits["p50"] <= waits["p99"] for waits in found["ms"].values())
    streamed = found["streams"]
    assert (streamed["too_soon"], streamed["refused"], streamed["violations"]) == (0, 0, 0)
    assert streamed["sends"] >= chat.QUICK.chats
    assert json.loads(json.dumps(found)) == found
    assert all(name in chat.table(found) for name in ("gateway", "echo", "stand-in", "p99", "edits", "aim"))


def test_an_aim_that_is_missed_is_told() -> None:
    """In capitals: the rate, the time to the prompt, the pace of one chat and of all."""
    assert chat.table(FIGURES).count("NOT MET") == 4


def test_writes_that_come_too_soon_are_counted_in_their_chat_and_over_all() -> None:
    """Half a second after another in the same chat is too soon, in another chat it is not; a second is any second."""
    writes = [sent("sendMessage", 1, 0.0), sent("editMessageText", 1, 0.5), sent("sendMessage", 2, 0.6)]
    found = spacing([*writes, sent("editMessageText", 1, 1.5)])
    assert (found["too_soon"], found["least_gap_s"], found["most_in_a_second"]) == (1, 0.5, 3)
    assert (found["sends"], found["edits"]) == (2, 2)


def test_a_bot_that_does_not_answer_ends_the_benchmark() -> None:
    """It is not measured as if it had."""
    server = Server(1)
    try:
        with pytest.raises(TimeoutError, match="1 messages were not answered"):
            server.burst(1, 0.1)
    finally:
        server.close()


@pytest.mark.claude
def test_sessions_with_the_real_client_take_turns() -> None:
    """Two sessions with room for one client: memory and processes are those of this run, and are told."""
    found = chat_clients.measure(2, 1)
    assert found["one"]["processes"] >= 1
    assert found["many"]["bytes"] > 2**20
    assert "2 sessions with the real client, at most 1 of it" in chat.clients_table(found)
