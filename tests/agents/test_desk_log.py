"""The transcript of a session at the desk as it is read: from where on, how much of it, and what in it is passed over."""

import json
import os
from pathlib import Path

import pytest

from gateway.agents.claude.desk.log import Log
from gateway.agents.claude.transcript import Tail
from tests.agents.test_claude_desk import call, writes
from tests.agents.test_desk import MODEL, answered, asked


def test_a_log_begins_where_the_gateway_first_heard_of_the_session(tmp_path: Path) -> None:
    """Of a conversation that is taken up again, only what follows counts, and of its sums only what is added."""
    path = tmp_path / "s.jsonl"
    before = [
        asked("r0"),
        answered("m0", "r0"),
        {"type": "cost-state", "modelUsage": {MODEL: {"inputTokens": 10, "outputTokens": 5}}},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in before))
    log = Log(path)
    assert log.skip() is not None
    assert log.read() == []
    used = {MODEL: {"inputTokens": 20, "outputTokens": 10}}
    with path.open("a") as file:
        for line in (asked("r1"), answered("m1", "r1"), {"type": "cost-state", "modelUsage": used}):
            file.write(json.dumps(line) + "\n")
    assert [call.call_id for call in log.read()] == ["m1"]
    assert log.summed
    assert log.unlisted() == []


@pytest.mark.parametrize("there", [True, False])
def test_of_a_huge_transcript_only_the_end_is_looked_at(tmp_path: Path, there: bool) -> None:
    """What was used before is known if it stands there; where it does not, the client's sum is no figure of ours."""
    path = tmp_path / "s.jsonl"
    with path.open("wb") as file:
        file.truncate(1 << 40)
        file.seek(0, os.SEEK_END)
        used = {"type": "cost-state", "modelUsage": {MODEL: {"inputTokens": 10, "outputTokens": 5}}}
        file.write(b'"cost-state"}\n' + (json.dumps(used) + "\n").encode() * there)
    log = Log(path)
    assert (log.skip() is not None) is there
    assert log.offset == path.stat().st_size
    with path.open("a") as file:
        for line in (asked("r1"), answered("m1", "r1"), used):
            file.write(json.dumps(line) + "\n")
    assert [call.call_id for call in log.read()] == ["m1"]


def test_what_is_no_file_is_not_read_and_not_kept_open(tmp_path: Path) -> None:
    """A directory in the transcript's place: looked at as often as one likes."""
    tail, before = Tail(tmp_path), len(list(Path("/dev/fd").iterdir()))
    assert [tail.piece() for _ in range(50)] == [None] * 50
    assert len(list(Path("/dev/fd").iterdir())) < before + 50


def test_a_transcript_that_stands_is_not_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many sub-agents most are done: only what grew is read."""
    place, opened, really = tmp_path / "transcript" / "subagents", list[str](), os.open
    place.mkdir(parents=True)

    def noted(path: Path, *how: int) -> int:
        opened.append(Path(path).name)
        return really(path, *how)

    log = Log(tmp_path / "transcript.jsonl")
    writes(tmp_path, *call("one"))
    for name in ("a", "b"):
        (place / f"agent-{name}.jsonl").write_text("{}\n")
    assert [event.call_id for event in log.read()] == ["one"]
    monkeypatch.setattr(os, "open", noted)
    assert log.read() == []
    with (place / "agent-b.jsonl").open("a") as file:
        file.writelines(json.dumps(line | {"agentId": "b"}) + "\n" for line in call("two"))
    assert [event.call_id for event in log.read()] == ["two"]
    assert set(opened) == {"agent-b.jsonl"}


@pytest.mark.parametrize("name", ["\ud83d", "a\0b", "x" * 201, 7, None])
def test_a_request_whose_name_nothing_can_keep_is_passed_over(tmp_path: Path, name: object) -> None:
    """Left without an answer it would become a call of that name."""
    log = Log(tmp_path / "transcript.jsonl")
    model = {"params": {"model": "\ud83d"}}
    writes(tmp_path, {"type": "api-request", "id": name}, {"type": "api-request", "id": "sound"} | model)
    assert log.read() == []
    assert [(event.call_id, event.usage.model) for event in log.cut(every_loop=True)] == [
        ("unanswered-sound", "unknown")
    ]
