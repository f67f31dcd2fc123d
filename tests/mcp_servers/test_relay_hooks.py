"""Hooks: the gateway's verdict as it is, and without one whatever costs money is blocked."""

import ast
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import anyio
import pytest

from gateway import lock
from gateway.agents.claude import desk
from gateway.agents.claude.desk import client
from gateway.home import home_directory
from gateway.local import place
from gateway.local.door import Reply, Request
from gateway.ports import TollbridgeError
from mcp_servers import relay
from tests.cli.kit import environment
from tests.fakes.desk_gateway import DeskGateway
from tests.local.kit import answering
from tests.mcp_servers.relay_kit import CLIENT, COMMAND, LIMIT_S, RELAY, hooked

pytestmark = pytest.mark.anyio

GATED = ["UserPromptSubmit", "PreToolUse", "PostToolBatch", "PreCompact"]
SILENT = [
    *(
        "SessionStart",
        "SessionEnd",
        "Stop",
        "StopFailure",
        "SubagentStart",
        "SubagentStop",
        "PostToolUse",
        "Notification",
    )
]
ESCAPE = "; or start Claude Code with TOLLBRIDGE_OFF=1 to work without limits"


def blocked(event: str, said: bytes) -> str:
    """The reason, out of exactly the form that stops a client at this event; how to do without is told to people only."""
    told = json.loads(said)
    if event in ("UserPromptSubmit", "PreCompact"):
        assert told == {"decision": "block", "reason": told["reason"]}
        reason = told["reason"]
    else:
        reason = told["stopReason"]
        form = {"continue": False, "stopReason": reason}
        if event == "PreToolUse":
            decision = {"permissionDecision": "deny", "permissionDecisionReason": reason}
            form["hookSpecificOutput"] = {"hookEventName": event, **decision}
        assert told == form
    assert reason.startswith("Tollbridge: ")
    assert reason.endswith(ESCAPE) is (event == "UserPromptSubmit")
    reason = reason.removesuffix(ESCAPE)
    assert "TOLLBRIDGE_OFF" not in reason
    return reason.removeprefix("Tollbridge: ")


def found(body: bytes) -> bytes:
    """The whole answer of a gateway that says this."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


@asynccontextmanager
async def saying(home: Path, words: bytes, *, hangs: bool = False) -> AsyncGenerator[None]:
    """Somebody at the door who hears a request, says this, and closes or goes on holding the line."""
    lock.make_home(home)

    async def converse(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(words)
            if hangs:
                await anyio.sleep_forever()

    async with await anyio.create_unix_listener(home / relay.SOCKET) as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, converse)
        yield
        tasks.cancel_scope.cancel()


# ---------------------------------------------------------------------------------------------------------- the verdict
@pytest.mark.parametrize("verdict", [{}, {"decision": "block", "reason": "asked on your phone \u2028 é"}])
@pytest.mark.parametrize("event", [*GATED, *SILENT])
async def test_the_verdict_goes_to_the_client_as_it_is(tmp_path: Path, event: str, verdict: dict[str, str]) -> None:
    """And what the client said of the event comes to the gateway, byte by byte, with the hook's process."""
    desk = DeskGateway(verdict)
    said = b'{"prompt": "caf\xc3\xa9"}\n'
    async with answering(tmp_path / "home", desk.routes) as home:
        code, told = await hooked(home, event, said)
    assert (code, json.loads(told)) == (0, verdict)
    [hook] = desk.hooks
    assert (hook.event, hook.body, hook.off) == (event, said, False)
    assert hook.peer.pid not in (0, os.getpid())


async def test_a_hook_says_where_in_the_settings_it_stands(tmp_path: Path) -> None:
    """The same each time, and another for a plugin of another name, folder or entry: the gateway knows what comes twice."""
    places = [("", ""), ("", ""), ("", "/data/a"), ("", "/data/b"), ("/" + "x" * 5_000, "")]
    desk = DeskGateway()
    async with answering(tmp_path / "home", desk.routes) as home:
        for folder, data in places:
            await hooked(home, "PreToolUse", seconds=20, CLAUDE_PLUGIN_ROOT=folder, CLAUDE_PLUGIN_DATA=data)
        await hooked(home, "PreToolUse", seconds=21)
    by = [hook.by for hook in desk.hooks]
    assert by[0] == by[1]
    assert len(set(by)) == len(by) - 1 == len(places)
    assert all(0 < len(one) <= relay.PLACE_CHARS_MAX for one in by)


async def test_a_very_large_input_is_judged_and_a_larger_one_is_blocked(tmp_path: Path) -> None:
    """32 MB go through the door; beyond that nobody is asked."""
    desk = DeskGateway()
    async with answering(tmp_path / "home", desk.routes) as home:
        assert await hooked(home, "PreToolUse", b"x" * relay.HOOK_BYTES_MAX) == (0, b"{}")
        code, told = await hooked(home, "PreToolUse", b"x" * (relay.HOOK_BYTES_MAX + 1))
    assert (code, blocked("PreToolUse", told)) == (0, "the hook's input is larger than 32 MB")
    assert [len(hook.body) for hook in desk.hooks] == [relay.HOOK_BYTES_MAX]


# ------------------------------------------------------------------------------------------------------- fails closed
@pytest.mark.parametrize("event", GATED)
async def test_without_a_gateway_whatever_costs_money_is_blocked(tmp_path: Path, event: str) -> None:
    """With what to do."""
    code, told = await hooked(tmp_path / "home", event)
    words = f"no Tollbridge gateway is running (home: {tmp_path}/home): start it with `tollbridge up`"
    assert (code, blocked(event, told)) == (0, words)


@pytest.mark.parametrize("event", SILENT)
async def test_without_a_gateway_whatever_costs_nothing_goes_on(tmp_path: Path, event: str) -> None:
    """In silence."""
    assert await hooked(tmp_path / "home", event) == (0, b"")


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
GARBLED = "run `tollbridge plugin install`, then start"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (b"", "ended before it answered"),
        (b"220 smtp ready\r\n", GARBLED),
        (b"220 smtp ready\r\n\r\n", GARBLED),
        (b"HTTP/1.1 OK\r\n\r\n", GARBLED),
        (b"\x00" * 70_000, GARBLED),
        (OK + b"Content-Length: 100\r\n\r\n{}", GARBLED),
        (OK[:20], GARBLED),
        (OK + b"\r\n{}", GARBLED),
        (OK + b"Content-Length: -2\r\n\r\n{}", GARBLED),
        (OK + b"Content-Length: 5\r\n\r\nhello", GARBLED),
        (OK + b"Content-Length: 2\r\n\r\n[]", GARBLED),
        (OK + b"Content-Length: 0\r\n\r\n", GARBLED),
        (OK + b"Content-Length: 200000\r\n\r\n" + b"[" * 200_000, GARBLED),
        (b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n{}", "the gateway answered with status 500"),
        (b"HTTP/1.1 503 X\r\nContent-Length: 15\r\n\r\n" + b'{"error": "no"}', "the gateway refused: no"),
        (b"HTTP/1.1 101 X\r\n\r\n{}", "the gateway answered with status 101"),
    ],
)
@pytest.mark.parametrize("event", ["UserPromptSubmit", "PreToolUse", "PostToolBatch", "Stop"])
async def test_an_answer_that_is_none_blocks(tmp_path: Path, event: str, words: bytes, why: str) -> None:
    """Nothing, garbage, half an answer, another status: none of it lets anything pass."""
    async with saying(tmp_path / "home", words):
        code, told = await hooked(tmp_path / "home", event)
    assert code == 0
    if event == "Stop":
        assert told == b""
    else:
        assert why in blocked(event, told)


NOT_JSON = {
    "not a number": b'{"decision": NaN}',
    "infinity": b'{"decision": "block", "more": [Infinity]}',
    "minus infinity": b'{"decision": {"more": -Infinity}}',
    "a word behind": b'{"decision": "block"} x',
    "a second one": b'{"decision": "block"}{}',
    "a NUL behind": b'{"decision": "block"}\x00',
    "another space behind": b'{"decision": "block"}\xc2\xa0',
    "another space inside": b'{\x0b"decision": "block"}',
    "a byte order mark": b'\xef\xbb\xbf{"decision": "block"}',
    "two bytes each": '{"decision": "block"}'.encode("utf-16"),
    "four bytes each": '{"decision": "block"}'.encode("utf-32-le"),
    "no UTF-8": b'{"decision": "\xff"}',
    "half a pair in UTF-8": b'{"decision": "\xed\xa0\x80"}',
    "a list": b'[{"decision": "block"}]',
    "a string": b'"decision"',
    "nothing": b"null",
    "spaces": b" \r\n\t",
    "half": b'{"decision": "block"',
    "half a string": b'{"decision": "bl',
    "half an escape": b'{"decision": "\\u12"}',
    "no escape": b'{"decision": "\\x"}',
    "a raw line break": b'{"decision": "a\nb"}',
    "another quote": b"{'decision': 'block'}",
    "a comma too many": b'{"decision": "block",}',
    "a number with 0 before it": b'{"decision": 01}',
    "a number with a plus": b'{"decision": +1}',
    "another script's number": '{"decision": \u0661}'.encode(),
    "deep": b'{"decision": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
}
"""What clients take for plain text, and let pass: JSON.parse refuses it (what is deep, some of them)."""
JSON = {
    "space around it": b' \r\n\t{ "decision" : "block" } \n',
    "a large number": b'{"decision": ' + b"9" * 100_000 + b"}",
    "a number beyond all": b'{"decision": [1e400, -0.0, 1E-5]}',
    "half a pair": b'{"decision": "\\ud800", "\\udc00": "\\ud83d\\ude00"}',
    "a key twice": b'{"decision": "block", "decision": "approve"}',
    "an object in it": b'{"a": {"b": [{}, [], null, true, false, ""]}}',
    "nothing in it": b"{ }",
}
UNLIKE = {"as it is": "", "no scanner": "sys.modules['_json'] = None", "another scanner": "del relay.Form.strict"}
"""What Pythons may be like: without C's part of json (PyPy), or with one that wants something else."""


async def hooked_by(
    python: str, home: Path, before: str = "", event: str = "PreToolUse"
) -> tuple[int, bytes, set[str]]:
    """A hook's exit code, what it says, and what it has loaded, once `before` was done."""
    code = (
        f"import sys; sys.path.append({str(RELAY.parent)!r}); import relay; {before or 'pass'}\n"
        "def leave(code, leave=relay.posix._exit):\n sys.stderr.write(' '.join(sys.modules)); sys.stderr.flush(); leave(code)\n"
        f"relay.posix._exit = leave; relay.hook({event!r}, {LIMIT_S})"
    )
    with anyio.fail_after(2 * LIMIT_S):
        command = [python, "-I", "-S", "-B", "-c", code]
        done = await anyio.run_process(command, input=b"{}", env=environment(home), check=False)
    return done.returncode, done.stdout, set(done.stderr.decode().split())


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
async def test_what_the_client_would_take_for_plain_text_blocks(tmp_path: Path, body: bytes) -> None:
    """A verdict is one JSON object and nothing else: whatever else the gateway may say opens no gate."""
    async with saying(tmp_path / "home", found(body)):
        code, told = await hooked(tmp_path / "home", "PreToolUse")
    assert code == 0
    assert GARBLED in blocked("PreToolUse", told)


@pytest.mark.parametrize("body", JSON.values(), ids=JSON)
async def test_whatever_is_one_object_goes_on_byte_by_byte(tmp_path: Path, body: bytes) -> None:
    """Also where Python would make another value of it, or none."""
    async with saying(tmp_path / "home", found(body)):
        assert await hooked(tmp_path / "home", "PreToolUse") == (0, body)


@pytest.mark.parametrize("before", UNLIKE.values(), ids=UNLIKE)
async def test_a_python_without_this_scanner_finds_the_same(tmp_path: Path, before: str) -> None:
    """What is asked there instead is json itself, and no looser."""
    for name, body in (JSON | NOT_JSON).items():
        async with saying(tmp_path / "home", found(body)):
            code, told, _ = await hooked_by(sys.executable, tmp_path / "home", before)
        (tmp_path / "home" / relay.SOCKET).unlink()
        assert (code, told == body) == (0, name in JSON), name
        assert name in JSON or GARBLED in blocked("PreToolUse", told), name


def pythons() -> list[str]:
    """Every python3 that is here and works: clients start whichever is first on the PATH."""
    known = filter(None, (shutil.which(f"python3.{minor}") for minor in range(8, 20)))
    works = [
        path for path in known if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0
    ]
    return [sys.executable, *works]


async def test_every_python_gives_the_same_verdicts(tmp_path: Path) -> None:
    """Without loading json for one that blocks."""
    for number, python in enumerate(pythons()):
        home = tmp_path / str(number)
        for name in ("half a string", "not a number", "deep", "half a pair", "a large number"):
            body = (JSON | NOT_JSON)[name]
            async with saying(home, found(body)):
                code, told, loaded = await hooked_by(python, home)
            (home / relay.SOCKET).unlink()
            assert (code, told == body) == (0, name in JSON), (python, name)
            assert ("json" in loaded) is (name not in JSON), (python, name)
        code, told, loaded = await hooked_by(python, home)
        assert "no Tollbridge gateway" in blocked("PreToolUse", told)
        assert not loaded & LARGE, python


@pytest.mark.parametrize("event", [*GATED, *SILENT])
@pytest.mark.parametrize("why", ["no", 'REASON "\\ \n\x00\x7f', "caf\u00e9 \u2028 \U0001f600 \udcff \ud83d"])
def test_a_refusal_is_written_as_json_writes_it(event: str, why: str) -> None:
    """Byte by byte, whatever stands in its reason."""
    told = relay.refusal(event, why)
    assert told == (json.dumps(json.loads(told)).encode() if event in GATED else b"")
    assert not told or blocked(event, told) == why


@pytest.mark.parametrize(("event", "code"), [("PreToolUse", 2), ("UserPromptSubmit", 2), ("Stop", 0)])
async def test_a_hook_that_cannot_even_refuse_blocks_by_its_exit_code(tmp_path: Path, event: str, code: int) -> None:
    """Whatever it was that failed; where nothing can be blocked, nothing is."""
    before = "sys.modules['_json'] = sys.modules['json.encoder'] = None"
    assert (await hooked_by(sys.executable, tmp_path / "home", before, event))[:2] == (code, b"")


@pytest.mark.parametrize("words", [b"", OK, OK + b"Content-Length: 100\r\n\r\n{"], ids=["none", "head", "body"])
async def test_a_gateway_that_hangs_is_waited_for_no_longer_than_was_said(tmp_path: Path, words: bytes) -> None:
    """However much of its answer is there."""
    began = time.monotonic()
    async with saying(tmp_path / "home", words, hangs=True):
        code, told = await hooked(tmp_path / "home", "PreToolUse", seconds=0.5)
    assert (code, blocked("PreToolUse", told)) == (0, "the gateway does not answer: look at its log")
    assert 0.5 <= time.monotonic() - began < 10


@pytest.mark.parametrize("seconds", [-1, 0, float("nan"), float("inf")])
async def test_a_time_that_is_none_blocks(tmp_path: Path, seconds: float) -> None:
    """A plugin that was written wrongly lets nothing pass."""
    async with answering(tmp_path / "home", DeskGateway().routes) as home:
        _, told = await hooked(home, "PreToolUse", seconds=seconds)
    assert blocked("PreToolUse", told)


async def test_a_client_that_does_not_finish_is_blocked(tmp_path: Path) -> None:
    """Its end of stdin stays open: nothing is asked of the gateway."""
    desk = DeskGateway()
    async with answering(tmp_path / "home", desk.routes) as home:
        environ = {**os.environ, "TOLLBRIDGE_HOME": str(home)}
        async with await anyio.open_process([*COMMAND, "hook", "PreToolUse", "0.3"], env=environ) as process:
            assert process.stdout is not None
            told = await process.stdout.receive()
    assert blocked("PreToolUse", told) == "the client did not finish the hook's input in time"
    assert desk.hooks == []


async def test_nobody_to_tell_blocks_by_the_exit_code(tmp_path: Path) -> None:
    """Where stdout is gone, 2 is what stops a client."""
    command = f"exec {' '.join(COMMAND)} hook PreToolUse 5 >&-"
    environ = {**os.environ, "TOLLBRIDGE_HOME": str(tmp_path)}
    done = await anyio.run_process(["sh", "-c", command], input=b"{}", env=environ, check=False)
    assert done.returncode == 2


async def test_a_handler_that_fails_blocks(tmp_path: Path) -> None:
    """The store is away: 503 with a sentence, and the sentence is the reason."""

    async def fail(_request: Request) -> Reply:
        raise TollbridgeError("the database is locked: try again")

    async with answering(tmp_path / "home", {"POST /v1/hooks/": fail}) as home:
        _, told = await hooked(home, "PreCompact")
    assert blocked("PreCompact", told) == "the gateway refused: the database is locked: try again"


# ------------------------------------------------------------------------------------------------------- inside and off
@pytest.mark.parametrize("event", [*GATED, "SessionStart", "Stop"])
async def test_a_session_of_the_gateways_own_is_not_asked_about(tmp_path: Path, event: str) -> None:
    """Its hooks say nothing, to nobody, with a gateway or without."""
    desk = DeskGateway({"decision": "block"})
    assert await hooked(tmp_path / "none", event, TOLLBRIDGE_AGENT="/a/journal") == (0, b"")
    async with answering(tmp_path / "home", desk.routes) as home:
        assert await hooked(home, event, b"x" * 1_000_000, TOLLBRIDGE_AGENT="/a/journal") == (0, b"")
    assert desk.hooks == []


@pytest.mark.parametrize("event", [*GATED, *SILENT])
async def test_a_session_that_is_off_goes_on_and_is_known_to_be(tmp_path: Path, event: str) -> None:
    """Only its start is told, and what the gateway says to that is not heard."""
    desk = DeskGateway({"decision": "block"})
    assert await hooked(tmp_path / "none", event, TOLLBRIDGE_OFF="1") == (0, b"")
    async with answering(tmp_path / "home", desk.routes) as home:
        assert await hooked(home, event, TOLLBRIDGE_OFF="1") == (0, b"")
    assert [(hook.event, hook.off) for hook in desk.hooks] == ([(event, True)] if event == "SessionStart" else [])


@pytest.mark.parametrize(("attended", "known"), [("0", True), ("1", False), ("", False)])
async def test_a_client_that_nobody_sits_at_is_known_by_what_it_says(
    tmp_path: Path, attended: str, known: bool
) -> None:
    """Every hook of `claude -p` says so; where nothing is said somebody sits there."""
    desk = DeskGateway({})
    async with answering(tmp_path / "home", desk.routes) as home:
        for event in ("SessionStart", "UserPromptSubmit"):
            assert await hooked(home, event, CLAUDE_CODE_SESSION_ATTENDED=attended) == (0, b"{}")
    assert [(hook.event, hook.unattended, hook.off) for hook in desk.hooks] == [
        ("SessionStart", known, False),
        ("UserPromptSubmit", known, False),
    ]


STARTED = {"session_id": "9f1c", "cwd": "/srv/caf\u00e9 \udcff", "prompt": "secret", "hook_event_name": "SessionStart"}


async def off(home: Path, told: object, *shell: str) -> None:
    """A session that is off begins; its hook is silent, whatever comes of it."""
    said = told if isinstance(told, bytes) else json.dumps(told).encode()
    environ = environment(home, TOLLBRIDGE_OFF="1")
    command = [*(shell or CLIENT), *COMMAND, "hook", "SessionStart", "20"]
    with anyio.fail_after(40):
        done = await anyio.run_process(command, input=said, env=environ, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


async def test_a_session_that_is_off_is_written_down_where_no_gateway_hears_it(tmp_path: Path) -> None:
    """A line each, for this user alone: which session, where and when, and nothing else of what the client said."""
    home, before = lock.make_home(tmp_path / "home"), time.time()
    await off(home, STARTED)
    await off(
        home, STARTED | {"session_id": "x" * 300, "cwd": "/" * 5000}, "/bin/sh", "-c", 'umask 0; "$@"; exit $?', "x"
    )
    file = home / relay.UNHEARD
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first, second = [json.loads(line) for line in file.read_text(encoding="ascii").splitlines()]
    assert before <= first.pop("at_ms") / 1000 + 0.001 <= time.time() + 0.001
    assert first == {"session": "9f1c", "directory": STARTED["cwd"]}
    assert (second["session"], second["directory"]) == ("x" * 200, "/" * 4096)
    assert [path.name for path in home.iterdir()] == [relay.UNHEARD]


@pytest.mark.parametrize(
    "words", [b"", OK + b"Content-Length: 100\r\n\r\n{", b"HTTP/1.1 503 X\r\nContent-Length: 2\r\n\r\n{}"]
)
async def test_a_gateway_that_did_not_take_it_in_has_not_heard_it(tmp_path: Path, words: bytes) -> None:
    """It ends, breaks off or refuses; one that took it in finds nothing written down."""
    async with saying(tmp_path / "home", words):
        await off(tmp_path / "home", STARTED)
    assert json.loads((tmp_path / "home" / relay.UNHEARD).read_text())["session"] == "9f1c"
    async with answering(tmp_path / "other", DeskGateway().routes) as home:
        await off(home, STARTED)
        assert not (home / relay.UNHEARD).exists()


async def test_a_gateway_that_hangs_holds_up_no_session_that_is_off(tmp_path: Path) -> None:
    """After two seconds it is written down, and the session begins."""
    began = time.monotonic()
    async with saying(tmp_path / "home", b"", hangs=True):
        await off(tmp_path / "home", STARTED)
    assert time.monotonic() - began < 15
    assert (tmp_path / "home" / relay.UNHEARD).exists()


@pytest.mark.parametrize(
    "told",
    [
        *(b"", b"{", b"[]", b"7", b"\xff", b"[" * 200_000),
        *({}, {"session_id": "a"}, {"session_id": [], "cwd": None}),
    ],
    ids=lambda told: repr(told)[:20],
)
async def test_what_cannot_be_written_down_is_passed_over(tmp_path: Path, told: object) -> None:
    """A client that says something else, or too little."""
    home = lock.make_home(tmp_path / "home")
    await off(home, told)
    lines = (home / relay.UNHEARD).read_bytes().splitlines() if (home / relay.UNHEARD).exists() else []
    assert all(isinstance(json.loads(line)["session"], str) for line in lines)


async def test_no_home_is_made_and_nothing_else_is_written_to(tmp_path: Path) -> None:
    """Neither a directory that is not there, nor what a link leads to, nor a pipe or a directory in the file's place."""
    await off(tmp_path / "none", STARTED)
    assert not (tmp_path / "none").exists()
    other = tmp_path / "other"
    other.write_bytes(b"theirs")
    links, pipes, folders = (lock.make_home(tmp_path / name) / relay.UNHEARD for name in ("links", "pipes", "folders"))
    links.symlink_to(other)
    os.mkfifo(pipes)
    folders.mkdir()
    for file in (links, pipes, folders):
        await off(file.parent, STARTED)
    assert other.read_bytes() == b"theirs"
    assert list(folders.iterdir()) == []


async def test_what_is_written_down_never_grows_beyond_a_megabyte(tmp_path: Path) -> None:
    """Whoever starts sessions in a loop fills no disk."""
    file = lock.make_home(tmp_path / "home") / relay.UNHEARD
    file.write_bytes(b"x" * (relay.UNHEARD_BYTES_MAX - 200))
    for _ in range(3):
        await off(file.parent, STARTED)
    assert relay.UNHEARD_BYTES_MAX - 200 < file.stat().st_size <= relay.UNHEARD_BYTES_MAX < 1024 * 1024


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
async def test_what_only_a_repositorys_settings_say_is_not_believed(tmp_path: Path) -> None:
    """Attack 58: variables that the client was not started with open no gate, and lead to no other gateway."""
    async with answering(tmp_path / "theirs", DeskGateway().routes) as theirs:
        code, verdict = await hooked(
            theirs, "UserPromptSubmit", client=False, TOLLBRIDGE_OFF="1", TOLLBRIDGE_AGENT="1", CLAUDECODE="1"
        )
    assert code == 0
    assert json.loads(verdict)["decision"] == "block"
    assert str(theirs) not in verdict.decode()


# ------------------------------------------------------------------------------------------------------------- the door
async def test_hooks_need_no_token_since_nobody_else_can_open_the_door(tmp_path: Path) -> None:
    """Attacks 55 and 57: a socket of 0600 in a home of 0700, and no port of this machine is listened at."""
    async with answering(tmp_path / "home", DeskGateway().routes) as home:
        assert stat.S_IMODE((home / place.SOCKET).lstat().st_mode) == 0o600
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        listening = [one for one in sockets_of_this_process() if _listens_at_a_port(one)]
    assert listening == []


def sockets_of_this_process() -> list[int]:
    """The descriptors of its sockets."""
    found = [file for file in Path("/dev/fd").iterdir() if file.exists()]
    return [int(file.name) for file in found if stat.S_ISSOCK(file.stat().st_mode)]


def _listens_at_a_port(descriptor: int) -> bool:
    with socket.socket(fileno=os.dup(descriptor)) as found:
        accepts = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        return bool(accepts) and found.family != socket.AF_UNIX


@pytest.mark.parametrize(
    "environ",
    [
        {"TOLLBRIDGE_HOME": text}
        for text in (
            "/srv/x",
            "~",
            "~/x",
            "a/../b",
            "  /srv/x  ",
            "/srv//x/./y/",
            "//x",
            "/a b/é",
            "",
            "   ",
            "/srv/\udcff",
            *("/", "/.", "/..", "/srv/..", "/srv/...", "/srv/.x/..y", "/srv/x/.", "///", "/srv/a b"),
        )
    ]
    + [{"XDG_DATA_HOME": text} for text in ("/srv/data", "/srv/data/", "relative", "", "/")]
    + [{"HOME": text} for text in ("/srv/me", "/srv/me/", "relative", "", "/")],
    ids=str,
)
def test_relays_look_for_the_gateway_where_it_is(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    """The same directory as the gateway's own settings find, by other means."""
    for name in ("TOLLBRIDGE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(relay.posix, "environ", dict(os.environb))
    assert Path(relay.home()) == home_directory()


@pytest.mark.skipif(not place.HAS_PROC, reason="the way through an open directory is Linux's")
async def test_a_home_with_a_long_path_is_reached(tmp_path: Path) -> None:
    """As the command line reaches it."""
    async with answering(tmp_path / ("a" * 100) / ("b" * 100), DeskGateway().routes) as home:
        assert await hooked(home, "PreToolUse") == (0, b"{}")


# ------------------------------------------------------------------------------------------------------------- the file
def test_the_relay_can_be_read_by_old_pythons() -> None:
    """Clients start whatever python3 there is."""
    ast.parse(RELAY.read_text(encoding="utf-8"), feature_version=(3, 8))


def imports(tree: ast.AST, inside: Callable[[ast.AST], bool] = lambda _node: True) -> set[str]:
    """The modules that are imported somewhere in a tree."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and inside(node):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and inside(node):
            found.add(node.module or "")
    return found


def test_the_relay_imports_the_standard_library_only() -> None:
    """And before it is known what it shall do, nothing that takes time to load."""
    tree = ast.parse(RELAY.read_text(encoding="utf-8"))
    assert {name.partition(".")[0] for name in imports(tree)} <= sys.stdlib_module_names
    at_once = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    assert at_once == {"_socket", "posix", "sys", "time"}


LARGE = {"json", "re", "enum", "os", "socket", "typing", "selectors", "subprocess", "threading"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (found(b"{}"), b"{}"),
        (found(b'{"decision": "block", "reason": "ask"}'), b'{"decision": "block", "reason": "ask"}'),
        (b'HTTP/1.1 503 X\r\nContent-Length: 15\r\n\r\n{"error": "no"}', b"the gateway refused: no"),
        (b"220 smtp ready\r\n\r\n", GARBLED.encode()),
        (None, b"no Tollbridge gateway is running"),
    ],
    ids=["passes", "blocks", "refuses", "garbled", "absent"],
)
async def test_a_hook_loads_nothing_large(tmp_path: Path, words: bytes | None, told: bytes) -> None:
    """Neither json, re and enum nor socket, os and typing stand between a prompt and its verdict, whatever it is."""
    async with saying(tmp_path / "home", words) if words is not None else nullcontext():
        code, said, loaded = await hooked_by(sys.executable, tmp_path / "home")
    assert code == 0
    assert told in said
    assert "relay" in loaded
    assert not loaded & LARGE


def test_no_agent_is_told_how_the_gate_is_switched_off() -> None:
    """Neither by what the servers say of themselves, nor by what the gateway answers its tools with, nor by the plugin's skills."""
    parts = [import_module(f"{desk.__name__}.{part.name}") for part in iter_modules(desk.__path__)]
    assert client in parts
    words = [
        value
        for part in (relay, desk, *parts)
        for name, value in vars(part).items()
        if isinstance(value, str) and name != "__doc__"
    ]
    skills = [
        path.read_text(encoding="utf-8") for path in sorted((RELAY.parent / "claude_plugin" / "skills").rglob("*.md"))
    ]
    assert skills
    assert [text for text in (*words, *skills) if "TOLLBRIDGE_OFF" in text] == []
