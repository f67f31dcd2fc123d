"""Hooks: the gateway's verdict as it is, and without one whatever costs money is blocked."""

import ast
import json
import os
import socket
import stat
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

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
from tests.mcp_servers.relay_kit import CLIENT, COMMAND, RELAY, hooked

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
ESCAPE = "; or start the client with TOLLBRIDGE_OFF=1 to work without limits"


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
GARBLED = "is it of another version"


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


async def test_a_hook_that_may_pass_loads_nothing_large(tmp_path: Path) -> None:
    """Neither json, re and enum nor socket, os and typing stand between a prompt and its verdict."""
    async with answering(tmp_path / "home", DeskGateway().routes) as home:
        code = (
            f"import sys; sys.path.append({str(RELAY.parent)!r}); import relay; relay.posix._exit = lambda code: None;"
            "relay.hook('PreToolUse', 10); sys.stderr.write(' '.join(sys.modules))"
        )
        environ = {**os.environ, "TOLLBRIDGE_HOME": str(home), "XDG_DATA_HOME": str(home)}
        done = await anyio.run_process([sys.executable, "-I", "-S", "-c", code], input=b"{}", env=environ)
    assert done.stdout == b"{}"
    loaded = set(done.stderr.decode().split())
    assert "relay" in loaded
    assert not loaded & {"json", "re", "enum", "socket", "typing", "selectors", "subprocess", "threading"}


def test_no_agent_is_told_how_the_gate_is_switched_off() -> None:
    """Neither by what the servers say of themselves, nor by what the gateway answers its tools with, nor by the plugin's skills."""
    words = [
        value
        for value in (*vars(relay).values(), *vars(desk).values(), *vars(client).values())
        if isinstance(value, str)
    ]
    words = [value for value in words if value not in (relay.__doc__, desk.__doc__, client.__doc__)]
    skills = [
        path.read_text(encoding="utf-8") for path in sorted((RELAY.parent / "claude_plugin" / "skills").rglob("*.md"))
    ]
    assert skills
    assert [text for text in (*words, *skills) if "TOLLBRIDGE_OFF" in text] == []
