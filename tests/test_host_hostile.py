"""What hooks and relays say, and what stands in a client's files, at a real gateway: nothing of it ends the gateway, or fills it."""

import json
import os
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import host, lock
from gateway.agents.claude.desk import DeskAgent, client, hooks
from gateway.agents.scripted import ScriptedAgent
from gateway.engine.asked import Pace
from gateway.engine.rules import Desk
from gateway.local import door
from gateway.local.place import SOCKET
from tests.engine.bench import OWNER, RULES, THREAD, bench, call, script
from tests.local.kit import sends

SESSION = "0f4c1d6e-0000-4000-8000-000000000001"
GOOD = "0f4c1d6e-0000-4000-8000-000000000002"
EVENTS = ("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolBatch", "SubagentStop", "Stop", "SessionEnd")
MB = 1024 * 1024
HALF = "\ud83d"
"""Half a character: JSON can spell it, and UTF-8 cannot."""


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that never come are not waited for as long as usual."""
    for name in ("READ_LIMIT_S", "SUMMED_LIMIT_S", "BATCH_LIMIT_S", "COMPACTED_LIMIT_S"):
        monkeypatch.setattr(client, name, 0.02)


@asynccontextmanager
async def gateway_at(place: Path) -> AsyncGenerator[Path]:
    """A gateway with its door open; its home."""
    play, home = script(call(1)), lock.make_home(place / "home")
    async with DeskAgent(home, patience_s=0.5) as desk, ScriptedAgent(play, directory=home / "scripted") as agent:
        rules = replace(RULES, desks=(Desk("/", OWNER, THREAD.chat),))
        async with bench(play, rules, home, {"scripted": agent, "channel": desk}) as gateway:
            desk.attach = gateway.engine.attach
            async with door.opened(home) as listener, anyio.create_task_group() as tasks:
                tasks.start_soon(door.serve, listener, host.routes(gateway.world, desk, Pace()))
                yield home
                tasks.cancel_scope.cancel()


async def posts(home: Path, event: str, body: bytes, *, off: bool = False, patience_s: float = 20) -> int:
    """A hook says this at the door: the status of the answer; 0 if it is killed before there is one, as it waits for a person."""
    told = b""
    with anyio.move_on_after(patience_s):
        async with await anyio.connect_unix(str(home / SOCKET)) as stream:
            await stream.send(_request(event, body, off=off))
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while len(told) < len(b"HTTP/1.1 200"):
                    told += await stream.receive()
    return int(told.split()[1]) if told else 0


def _request(event: str, body: bytes, *, off: bool = False) -> bytes:
    target = f"/v1/hooks/{event}{'?off=1' if off else ''}"
    return f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def said(event: str, place: Path, **more: object) -> bytes:
    """What a client tells its hook, or something else instead."""
    told: dict[str, object] = {"session_id": SESSION, "hook_event_name": event, "cwd": str(place), "prompt_id": "p"}
    told |= {"transcript_path": str(place / "transcript.jsonl"), "prompt": "fix it", "tool_name": "Bash"}
    told |= {"tool_input": {"command": "ls"}, "source": "startup"}
    return json.dumps(told | more).encode()


async def works(home: Path, place: Path) -> None:
    """The gateway is there: it lets an ordinary session do its work."""
    name = str(place / "good.jsonl")
    for event in ("SessionStart", "UserPromptSubmit", "Stop", "SessionEnd"):
        body = said(event, place, session_id=GOOD, transcript_path=name)
        status, told = await sends(home, _request(event, body))
        assert (status, told.keys() - {"systemMessage"}) == (200, set())  # at its end a run shows what it has cost


# ------------------------------------------------------------------------------------------------------ what hooks say
VALUES: Mapping[str, object] = {
    "half a character": HALF,
    "NUL": "/a\0b",
    "a part that is too long": "/" + "x" * 300,
    "four bytes each": "/" + "\U0001f600" * 100 + "/x",
    "many parts": "/a" * 2_000,
    "too long": "/" + "x" * 100_000,
    "dots": "..",
    "empty": "",
    "the root": "/",
    "a terminal": "/dev/tty",
    "zeros": "/dev/zero",
    "a home": "~nobody/x",
    "control characters": "/a\n\x1b[31m\x7f/b",
    "a number": 10**400,
    "a fraction": 1e308,
    "nothing": None,
    "deep": json.loads("[" * 150 + "]" * 150),
    "many": [{}] * 2_000,
    "objects": {"a": {"b": [HALF, 10**30]}},
}
FIELDS = (
    "session_id",
    "transcript_path",
    "cwd",
    "prompt_id",
    "agent_id",
    "prompt",
    "tool_name",
    "tool_input",
    "tool_calls",
)
MORE_FIELDS = ("background_tasks", "last_assistant_message", "error", "source", "trigger", "hook_event_name", "model")


@pytest.mark.anyio
@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("field", [*FIELDS, *MORE_FIELDS])
async def test_no_value_of_a_field_ends_the_gateway(tmp_path: Path, field: str) -> None:
    """In every hook of a session: each is answered, and an ordinary session works on beside it."""
    async with gateway_at(tmp_path) as home:
        for value in VALUES.values():
            for event in EVENTS:
                told = await posts(home, event, said(event, tmp_path, **{field: value}), patience_s=0.2)
                assert told in (0, 200, 503)
        await works(home, tmp_path)


BODIES: Mapping[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "no JSON": lambda: b"\xff\xfe\0",
    "no UTF-8": lambda: b'{"session_id":"\xed\xa0\xbd"}',
    "half a character": lambda: b'{"session_id":"\\ud83d","hook_event_name":"Stop"}',
    "deep": lambda: b"[" * MB,
    "deep inside": lambda: b'{"session_id":"s","tool_input":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    "a long number": lambda: b'{"session_id":' + b"9" * MB + b"}",
    "a fine number": lambda: b'{"session_id":"s","tool_input":{"a":1e' + b"9" * 1_000 + b"}}",
    "twice": lambda: b'{"session_id":"s","session_id":["s"]}',
}


@pytest.mark.anyio
@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("off", [False, True])
async def test_no_body_ends_the_gateway(tmp_path: Path, off: bool) -> None:
    """Also of a session that goes without it."""
    async with gateway_at(tmp_path) as home:
        for body in BODIES.values():
            for event in ("SessionStart", "PreToolUse", "nonsense"):
                assert await posts(home, event, body(), off=off) == 200
        await works(home, tmp_path)


@pytest.mark.anyio
@pytest.mark.usefixtures("hurry")
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of a while")
async def test_what_is_said_at_the_door_takes_no_more_memory_than_its_size_explains(tmp_path: Path) -> None:
    """Millions of empty lists, one long word: read or refused within a few times the size of the body."""
    begin = said("PreToolUse", tmp_path)[:-1]
    size = 8 * MB
    parts = (b"[],", b"{},", b'{"a":1},', b"1,", b'"a",', b'"\\"",')
    bodies = [partial(_padded, begin + b',"tool_input":{"a":[', part, b"0]}}", size) for part in parts]
    bodies += [partial(_padded, begin + b',"' + name + b'":"', b"x", b'"}', size) for name in (b"prompt", b"tool_name")]
    for command in (b"a/", b"cat <<", b"<<a\\n", b"<<" + b"A" * 1_000):
        bodies.append(partial(_padded, begin + b',"tool_input":{"command":"', command, b'"}}', size))
    bodies.append(partial(_padded, begin + b',"tool_input":{"command":"cat <<A', b"A", b'\\n"}}', size))
    bodies.append(partial(_padded, begin + b',"tool_input":{"file_path":"/', b"a/", b'"}}', size))
    async with gateway_at(tmp_path) as home:
        assert await posts(home, "SessionStart", said("SessionStart", tmp_path)) == 200
        before = _peak_bytes(reset=True)
        for body in bodies:
            assert await posts(home, "PreToolUse", body()) == 200
            assert _peak_bytes() - before < 16 * size
        await works(home, tmp_path)


def _padded(begin: bytes, part: bytes, end: bytes, size: int) -> bytes:
    return begin + part * ((size - len(begin) - len(end)) // len(part)) + end


def _peak_bytes(*, reset: bool = False) -> int:
    """The most memory that this process had since it was reset: proc(5)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(), max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)
NAMES = [*FIELDS, *MORE_FIELDS]
SAID = st.tuples(st.sampled_from(EVENTS), st.dictionaries(st.sampled_from(NAMES), JSON, max_size=3))


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SAID, min_size=10, max_size=25))
@pytest.mark.usefixtures("hurry")
def test_whatever_hooks_say_in_whatever_order_the_door_answers(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[str, dict[str, object]]]
) -> None:
    """Any JSON in any fields of any hooks: each gets an answer, and an ordinary session works on."""
    place = tmp_path_factory.mktemp("place")

    async def plays() -> None:
        async with gateway_at(place) as home:
            for event, fields in told:
                told_back = await posts(home, event, said(event, place, **fields), patience_s=0.2)
                assert told_back in (0, 200, 503)
            await works(home, place)

    anyio.run(plays)


@given(st.dictionaries(st.sampled_from(NAMES), JSON))
def test_what_is_read_of_a_hook_can_be_kept(fields: dict[str, object]) -> None:
    """Whatever is taken in is text that a database and a file take: no half characters, and no NUL in names and paths."""
    told = hooks.read(said("Stop", Path("/srv"), **fields))
    if told is not None:
        json.dumps(told.model_dump(), ensure_ascii=False).encode()
        assert "\0" not in told.session_id + told.transcript_path + told.cwd + told.prompt_id + told.loop
        assert "\0" not in told.last_assistant_message + told.error


# ------------------------------------------------------------------------------------------------- what is in the files
def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(path.parent)
        try:
            one.bind(path.name)
        finally:
            os.chdir(here)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100 * MB)


def _lines(path: Path) -> None:
    """Lines as a client never writes them."""
    half = json.dumps(HALF)
    odd: list[object] = [
        {"type": "api-request", "id": HALF},
        {"type": "api-request", "id": "x" * 100_000},
        {"type": "api-request", "id": "a\0b"},
        {"type": "api-request", "id": ["a"]},
        {"type": "api-request", "id": "r1", "params": {"model": HALF}},
        {"type": "api-request", "id": "r2", "params": [HALF]},
        {"type": "assistant", "requestRef": "r1", "message": {"id": HALF, "model": "m"}},
        {"type": "assistant", "requestRef": ["r1"], "message": {"id": "m", "model": "m"}},
        {"type": "assistant", "requestRef": "r2", "message": {"id": "m", "model": HALF, "usage": {"output_tokens": 5}}},
        {
            "type": "assistant",
            "requestRef": "r2",
            "message": {"id": "m", "model": "m", "usage": {"output_tokens": 10**30}},
        },
        {
            "type": "user",
            "promptId": ["p"],
            "message": {"content": [{"type": "text", "text": "[Request interrupted by user]"}]},
        },
        {"type": "user", "message": {"content": {"type": "text", "text": "[Request interrupted by user]"}}},
        {"type": "cost-state", "modelUsage": {HALF: {"inputTokens": 1}}},
        {"type": "cost-state", "modelUsage": {"m": {"inputTokens": 10**30}}},
        {"type": ["api-request"], "subtype": {}},
        ["api-request"],
    ]
    deep = '{"type":"api-request","id":' + "[" * 100_000
    number = '{"type":"api-request","id":' + "9" * 100_000 + "}"
    torn = f'{{"type":"api-request","id":{half}'
    with path.open("wb") as file:
        for line in [*map(json.dumps, odd), deep, number, torn]:
            file.write(line.encode() + b"\n")
        file.write(b'"api-request"\xff\xfe\0\n' + b'"assistant"' * (4 * MB))


FILES: Mapping[str, Callable[[Path], None]] = {
    "a directory": Path.mkdir,
    "a pipe": _fifo,
    "a socket": _socket,
    "zeros without end": lambda path: path.symlink_to("/dev/zero"),
    "a terminal": lambda path: path.symlink_to("/dev/tty"),
    "a loop": lambda path: path.symlink_to(path),
    "a memory": lambda path: path.symlink_to("/proc/self/mem"),
    "zeros": _sparse,
    "lines": _lines,
}


@pytest.mark.anyio
@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("kind", FILES)
async def test_nothing_in_a_transcripts_place_ends_the_gateway(tmp_path: Path, kind: str) -> None:
    """The main loop's or a sub-agent's: nor does it wait for what never comes, or keep files open."""
    main, sub = tmp_path / "transcript.jsonl", tmp_path / "transcript" / "subagents" / "agent-a.jsonl"
    sub.parent.mkdir(parents=True)
    async with gateway_at(tmp_path) as home:
        for event in ("SessionStart", "UserPromptSubmit"):
            assert await posts(home, event, said(event, tmp_path)) == 200
        FILES[kind](main)
        FILES[kind](sub)
        assert await posts(home, "PostToolBatch", said("PostToolBatch", tmp_path)) == 200
        first = _open_files()
        for _ in range(10):
            assert await posts(home, "SubagentStop", said("SubagentStop", tmp_path)) == 200
        assert _open_files() < first + 5
        for event in ("Stop", "SessionEnd"):
            assert await posts(home, event, said(event, tmp_path)) == 200
        await works(home, tmp_path)


def _open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


# ----------------------------------------------------------------------------------------------------- what relays say
HELLO = {"version": 1, "session": SESSION, "directory": "/srv", "resumed": False}
HELLOS: tuple[bytes, ...] = (
    b"",
    b"[]",
    b"[" * 60_000,
    b'{"version":' + b"9" * 60_000 + b"}",
    *(json.dumps(HELLO | {name: value}).encode() for name in HELLO for value in (HALF, "/a\0b", 10**4_000, [], None)),
)


@pytest.mark.anyio
@pytest.mark.usefixtures("hurry")
async def test_no_relay_ends_the_gateway(tmp_path: Path) -> None:
    """However it introduces itself, and whatever lines it sends then."""
    lines = [
        b"\xff\n",
        b"[" * 100_000 + b"\n",
        b'{"jsonrpc":"2.0","id":' + b"9" * 10_000 + b"}\n",
        b"[]\n",
        b"x" * 17 * MB,
    ]
    async with gateway_at(tmp_path) as home:
        for hello in (*HELLOS, *([json.dumps(HELLO).encode()] * len(lines))):
            for kind in ("channel", "budget"):
                head = f"POST /v1/relay/{kind} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: mcp\r\n"
                asks = f"{head}Content-Length: {len(hello)}\r\n\r\n".encode() + hello
                await _speaks(home, asks + b"".join(lines))
        await works(home, tmp_path)


async def _speaks(home: Path, words: bytes) -> None:
    """Say all that, and go as soon as nothing more is heard, or nothing more is taken."""
    with anyio.fail_after(40):
        async with await anyio.connect_unix(str(home / SOCKET)) as stream:
            try:
                await stream.send(words)
                await stream.send_eof()
                while True:
                    await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return
