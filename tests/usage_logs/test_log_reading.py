"""What holds for every reader: pieces give what the whole gives, and nothing that somebody wrote into a log ends a scan."""

import json
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.usage import NO_TOKENS
from gateway.ports import UsageLog
from gateway.usage_logs.codex import CODEX
from gateway.usage_logs.gemini import GEMINI
from gateway.usage_logs.opencode import OPENCODE
from tests.usage_logs.reading import FIXTURES, once, piecewise


@dataclass(frozen=True)
class Reader:
    """A reader with what its properties are tried on."""

    log: UsageLog
    name: str
    """Of a file, below a folder of its own."""
    samples: tuple[Path, ...]
    """Good logs of that form."""
    hostile: Callable[[object], bytes]
    """A line, or a file, that tells this as its count of input tokens."""
    grows: bool = True
    """By lines; else it is rewritten as a whole."""


def _codex(value: object) -> bytes:
    usage = {"input_tokens": value, "output_tokens": 1}
    info = {"last_token_usage": usage}
    line = {"timestamp": "2026-05-01T10:00:00Z", "type": "event_msg", "payload": {"type": "token_count", "info": info}}
    return json.dumps(line).encode()


def _gemini(value: object) -> bytes:
    tokens = {"input": value, "output": 1}
    return json.dumps({"id": "m", "type": "gemini", "timestamp": "2026-05-01T10:00:00Z", "tokens": tokens}).encode()


def _chat(value: object) -> bytes:
    return b'{"sessionId":"s","messages":[' + _gemini(value) + b"]}"


def _opencode(value: object) -> bytes:
    told = {"role": "assistant", "time": {"created": 1777629600000}, "tokens": {"input": value, "output": 1}}
    return json.dumps(told).encode()


READERS = {
    "codex": Reader(CODEX, "sessions/rollout-a.jsonl", tuple(sorted(FIXTURES.glob("codex/*/rollout-*.jsonl"))), _codex),
    "gemini": Reader(GEMINI, "chats/session-a.jsonl", tuple(sorted(FIXTURES.glob("gemini/**/*.jsonl"))), _gemini),
    "gemini-json": Reader(
        GEMINI, "chats/session-a.json", tuple(sorted(FIXTURES.glob("gemini/**/*.json"))), _chat, grows=False
    ),
    "opencode-json": Reader(
        OPENCODE,
        "message/ses_1/msg_1.json",
        tuple(sorted(FIXTURES.glob("opencode/**/msg_*.json"))),
        _opencode,
        grows=False,
    ),
}
GROWING = {name: reader for name, reader in READERS.items() if reader.grows}
each = pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
each_that_grows = pytest.mark.parametrize("reader", GROWING.values(), ids=GROWING.keys())


def at(reader: Reader, folder: Path) -> Path:
    """Where its file lies."""
    path = folder / reader.name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@each
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_file_read_in_pieces_gives_the_calls_of_the_whole(reader: Reader, data: st.DataObject) -> None:
    """However it grows, a cut within a line or a character included, nothing is lost, doubled or misread."""
    whole = b"".join(sample.read_bytes() for sample in data.draw(st.lists(st.sampled_from(reader.samples), min_size=1)))
    if not reader.grows:
        whole = data.draw(st.sampled_from(reader.samples)).read_bytes()
    elif data.draw(st.booleans()):
        whole = whole.replace(b"Done.", "Fertig, schön. \N{WHITE HEAVY CHECK MARK}".encode()).replace(b"\n", b"\r\n")
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=8))
    with TemporaryDirectory() as folder:
        path = at(reader, Path(folder))
        looks = piecewise(reader.log, str(path), whole, cuts)
        at_once = reader.log.read(str(path), None)
    assert once(call for look in looks for call in look.calls) == once(at_once.calls)
    assert looks[-1].mark == at_once.mark
    assert all(len(look.mark.state.encode()) <= 64_000 for look in looks)
    if reader.grows:
        assert sum(look.records for look in looks) == at_once.records
        assert sum(look.unreadable for look in looks) == at_once.unreadable == 0


@each
@pytest.mark.parametrize(
    "value",
    [-1, 10**8 + 1, 10**400, 1.5, "9", True, [], {"a": 1}],
    ids=["negative", "many", "huge", "part", "text", "bool", "list", "object"],
)
def test_what_no_model_can_have_told_is_unreadable(reader: Reader, value: object, tmp_path: Path) -> None:
    """An impossible count is no call and no zero: it is said."""
    path = at(reader, tmp_path)
    path.write_bytes(reader.hostile(value) + b"\n")
    read = reader.log.read(str(path), None)
    assert (read.calls, read.unreadable) == ((), 1)


@each
def test_a_possible_count_is_a_call(reader: Reader, tmp_path: Path) -> None:
    """The form with which the impossible is tried is understood otherwise; a byte order mark does not matter."""
    path = at(reader, tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + reader.hostile(9) + b"\n")
    read = reader.log.read(str(path), None)
    assert [call.usage.tokens.total for call in read.calls] == [10]
    assert read.unreadable == 0
    assert pickle.loads(pickle.dumps(read)) == read  # noqa: S301 (our own)


@each_that_grows
@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b'{"tokens": {"input": 1, "outp',
        b"\xff\xfe\x00{}",
        b"\x00" * 5000,
        b'{"type":"event_msg","tokens":1,"payload":"token_count"}x',
        b"[" * 200_000 + b"]" * 200_000,
    ],
    ids=["text", "cut", "utf16", "nul", "tail", "deep"],
)
def test_a_line_that_is_no_record_is_counted_and_the_next_is_read(reader: Reader, line: bytes, tmp_path: Path) -> None:
    """A broken line costs itself only."""
    path = at(reader, tmp_path)
    path.write_bytes(reader.hostile(9) + b"\r\n" + line + b"\n\n  \n" + reader.hostile(10) + b"\n")
    read = reader.log.read(str(path), None)
    assert sorted(call.usage.tokens.total for call in once(read.calls).values()) in ([10, 11], [11])
    assert (read.records, read.unreadable) == (3, 1)


@each_that_grows
def test_a_line_nested_without_end_is_counted(reader: Reader, tmp_path: Path) -> None:
    """Depth is limited where a value is taken, too."""
    path = at(reader, tmp_path)
    deep = reader.hostile("X").replace(b'"X"', b'{"a":' * 100_000 + b"1" + b"}" * 100_000)
    path.write_bytes(deep + b"\n")
    assert reader.log.read(str(path), None).unreadable == 1


@each_that_grows
def test_invalid_characters_in_what_is_not_needed_do_not_matter(reader: Reader, tmp_path: Path) -> None:
    """What an agent quoted may be anything."""
    path = at(reader, tmp_path)
    path.write_bytes(reader.hostile(9).replace(b"{", b'{"x":"\xff\xc3",', 1) + b"\n")
    assert len(reader.log.read(str(path), None).calls) == 1


@each
@pytest.mark.parametrize("half", [rb"\ud83d", rb"\udc00\ud83d", rb"\ud83d\ude00\uD83D", rb"\\\udc00"], ids=repr)
def test_half_a_character_in_a_text_costs_no_call(reader: Reader, half: bytes, tmp_path: Path) -> None:
    """Agents in JavaScript cut texts anywhere, and write what is left as an escape that is no character."""
    path = at(reader, tmp_path)
    path.write_bytes(reader.hostile(9).replace(b"{", b'{"x":"' + half + b'",', 1) + b"\n")
    read = reader.log.read(str(path), None)
    assert ([call.usage.tokens.total for call in read.calls], read.unreadable) == ([10], 0)


@each
def test_another_file_in_its_place_is_read_from_its_start(reader: Reader, tmp_path: Path) -> None:
    """A mark holds for the file that was read: not for a shorter one, nor for one with another beginning."""
    path = at(reader, tmp_path)
    path.write_bytes(reader.hostile(9) + b"\n" * 500)
    mark = reader.log.read(str(path), None).mark
    assert reader.log.read(str(path), mark).calls == ()
    path.write_bytes(reader.hostile(20) + b"\n")
    assert [call.usage.tokens.total for call in reader.log.read(str(path), mark).calls] == [21]
    path.write_bytes(reader.hostile(30) + b"\n" * 900)
    assert [call.usage.tokens.total for call in reader.log.read(str(path), mark).calls] == [31]


@each
def test_what_is_no_file_is_an_error_and_not_a_wait(reader: Reader, tmp_path: Path) -> None:
    """A pipe, a folder and a missing file are refused at once."""
    path = at(reader, tmp_path)
    with pytest.raises(FileNotFoundError):
        reader.log.read(str(path), None)
    os.mkfifo(path)
    with pytest.raises(OSError, match="not a regular file"):
        reader.log.read(str(path), None)
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError, match="not a regular file"):
        reader.log.read(str(path), None)


@each
def test_links_to_folders_are_not_followed(reader: Reader, tmp_path: Path) -> None:
    """A tree that links to itself is walked once."""
    path = at(reader, tmp_path)
    path.write_bytes(reader.hostile(9) + b"\n")
    (path.parent / "again").symlink_to(path.parent, target_is_directory=True)
    assert list(reader.log.files(str(tmp_path))) == [str(path)]
    assert list(reader.log.files(str(path))) == [str(path)]
    assert reader.log.owns(str(path))


@each
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_damage_to_a_log_ends_a_look(reader: Reader, data: st.DataObject) -> None:
    """Any bytes in place of any others give a result: calls that are possible, and the rest counted."""
    whole = bytearray(data.draw(st.sampled_from(reader.samples)).read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(whole)), max_size=5)):
        whole[place : place + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=20))
    with TemporaryDirectory() as folder:
        path = at(reader, Path(folder))
        path.write_bytes(bytes(whole))
        read = reader.log.read(str(path), None)
    assert all(
        call.usage.tokens != NO_TOKENS and min(call.usage.tokens.context, call.usage.tokens.output) >= 0
        for call in read.calls
    )
    assert read.unreadable <= read.records


@each_that_grows
def test_a_line_beyond_the_limit_is_counted_and_never_held(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is longer than any record is skipped to its end."""
    monkeypatch.setattr("gateway.usage_logs.growing.LINE_MAX", 4096)
    monkeypatch.setattr("gateway.usage_logs.growing.BLOCK", 1024)
    path = at(reader, tmp_path)
    path.write_bytes(b'{"x":"' + b"y" * 20_000 + b'"}\n' + reader.hostile(9) + b"\n")
    read = reader.log.read(str(path), None)
    assert (len(read.calls), read.records, read.unreadable) == (1, 2, 1)
