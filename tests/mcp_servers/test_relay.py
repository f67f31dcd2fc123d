"""The relay between a client and the gateway: raw frames over real processes and sockets."""

import json
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway import cli
from gateway.local import relays
from gateway.local.peers import family_of
from mcp_servers import relay
from tests.cli.kit import environment
from tests.fakes.desk_gateway import DeskGateway
from tests.local.kit import answering
from tests.mcp_servers.relay_kit import COMMAND, INITIALIZE, LIMIT_S, Client, gateway, started

pytestmark = pytest.mark.anyio

CALL = {"name": "reply", "arguments": {"text": "hello"}}
HANG = {"name": "hang", "arguments": {}}
LIST_CHANGED = "notifications/tools/list_changed"


async def refused(client: Client) -> str:
    """What a tool's call is refused with."""
    told = (await client.ask("tools/call", CALL))["result"]
    assert told["isError"]
    return told["content"][0]["text"]


# ------------------------------------------------------------------------------------------------------- with a gateway
async def test_a_session_goes_through_to_the_gateway(tmp_path: Path) -> None:
    """Handshake, list, call and push; the gateway knows whose session it is, and when the client has gone."""
    desk = DeskGateway()
    async with answering(tmp_path / "home", desk.routes) as home, started(home, CLAUDE_CODE_SESSION_ID="abc") as client:
        assert (await client.shake_hands())["serverInfo"]["version"] == "desk"
        assert (await client.ask("tools/list"))["result"]["tools"][0]["name"] == "reply"
        assert (await client.ask("tools/call", CALL))["result"]["content"][0]["text"] == "done"
        [hello] = desk.hellos
        assert hello.session == "abc"
        assert family_of(hello.peer.pid).lineage[0] == client.process.pid
        push = {"jsonrpc": "2.0", "method": "notifications/claude/channel", "params": {"content": "é\u2028 </channel>"}}
        await desk.connections[0].send(json.dumps(push).encode())
        assert await client.notified("notifications/claude/channel") == push
        assert await client.leave() == 0
        with anyio.fail_after(LIMIT_S):
            while not desk.left:
                await desk.wait()
    assert [one["method"] for one in desk.heard] == [
        "initialize",
        "notifications/initialized",
        "tools/list",
        "tools/call",
    ]


async def test_what_a_client_says_last_still_arrives(tmp_path: Path) -> None:
    """A whole session in one breath, and the end: the gateway hears all of it."""
    desk = DeskGateway()
    async with answering(tmp_path / "home", desk.routes) as home, started(home) as client:
        messages = [
            {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE},
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": CALL},
        ]
        await client.raw(b"".join(json.dumps(one).encode() + b"\n" for one in messages))
        with anyio.fail_after(LIMIT_S):
            await desk.until(1, "tools/call")
        assert await client.leave() == 0
    assert [one["method"] for one in desk.heard] == ["initialize", "notifications/initialized", "tools/call"]


async def test_requests_of_the_gateway_reach_the_client_and_come_back(tmp_path: Path) -> None:
    """Under an id that no other gateway can have; what belongs to one that is gone goes nowhere."""
    desk = DeskGateway()
    async with answering(tmp_path / "home", desk.routes) as home, started(home) as client:
        await client.shake_hands()
        request = {"jsonrpc": "2.0", "id": 1, "method": "roots/list"}
        await desk.connections[0].send(json.dumps(request).encode())
        shown = await client.notified("roots/list")
        assert shown["id"] != 1
        await client.send({"jsonrpc": "2.0", "id": "relay-77", "result": {}})
        await client.send({"jsonrpc": "2.0", "id": shown["id"], "result": {"roots": []}})
        with anyio.fail_after(LIMIT_S):
            while "result" not in desk.heard[-1]:
                await desk.wait()
        assert desk.heard[-1] == {"jsonrpc": "2.0", "id": 1, "result": {"roots": []}}
        assert sum("result" in one for one in desk.heard) == 1


@pytest.mark.parametrize("kind", ["channel", "budget"])
async def test_a_gateway_that_is_killed_and_started_again_is_met_again(tmp_path: Path, kind: str) -> None:
    """The client notices nothing but the errors of what was under way; the handshake is repeated in its name."""
    home = tmp_path / "home"
    with gateway(home) as first:
        async with started(home, kind) as client:
            await client.shake_hands()
            await client.ask("tools/list")
            await client.say("tools/call", HANG, id="hanging")
            await client.say("resources/read", {"uri": "x:y"}, id=77)
            await client.ask("ping")
            await client.ask("tools/list")
            first.send_signal(signal.SIGKILL)
            first.wait()
            cut = [await client.frame(), await client.frame()]
            assert [one["id"] for one in cut] == ["hanging", 77]
            assert cut[0]["result"]["isError"]
            assert "it may have been done or not" in cut[0]["result"]["content"][0]["text"]
            assert "it may have been done or not" in cut[1]["error"]["message"]
            assert "start it with `tollbridge up`" in await refused(client)
            frames = len(client.frames)
            desk = DeskGateway()
            async with answering(home, desk.routes):
                with anyio.fail_after(LIMIT_S):
                    await desk.until(1, "notifications/initialized")
                assert (await client.ask("tools/call", CALL))["result"]["content"][0]["text"] == "done"
                assert [one["method"] for one in desk.heard[:2]] == ["initialize", "notifications/initialized"]
                assert desk.heard[0]["params"] == INITIALIZE
            assert len(client.frames) == frames + 1


async def test_a_gateway_that_shuts_down_is_met_again(tmp_path: Path) -> None:
    """Twice, without an error where nothing is under way; requests of the old one are withdrawn."""
    async with started(tmp_path / "home") as client:
        for again in range(3):
            desk = DeskGateway()
            async with answering(tmp_path / "home", desk.routes):
                if not again:
                    await client.shake_hands()
                with anyio.fail_after(LIMIT_S):
                    await desk.until(1, "notifications/initialized")
                request = {"jsonrpc": "2.0", "id": again, "method": "elicitation/create", "params": {}}
                await desk.connections[0].send(json.dumps(request).encode())
                shown = await client.notified("elicitation/create")
            withdrawn = await client.notified("notifications/cancelled")
            assert withdrawn["params"]["requestId"] == shown["id"]
    methods = {one.get("method") for one in client.frames if "method" in one}
    assert methods <= {"elicitation/create", "notifications/cancelled", LIST_CHANGED}


async def test_what_cannot_be_read_from_the_gateway_never_reaches_the_client(tmp_path: Path) -> None:
    """Garbage in its place is a broken connection: what waits is answered, and the next connection is a new one."""
    desk = DeskGateway()
    async with answering(tmp_path / "home", desk.routes) as home, started(home) as client:
        await client.shake_hands()
        await client.say("tools/call", HANG, id="hanging")
        with anyio.fail_after(LIMIT_S):
            await desk.until(1, "tools/call")
        await desk.connections[0].send(b"Traceback (most recent call last):")
        assert (await client.frame())["id"] == "hanging"
        with anyio.fail_after(LIMIT_S):
            await desk.until(2, "notifications/initialized")
        assert (await client.ask("tools/call", CALL))["result"]["content"][0]["text"] == "done"


async def test_what_the_client_has_cancelled_is_not_answered_any_more(tmp_path: Path) -> None:
    """The gateway hears of it; and when the connection breaks, only what still waits is answered."""
    desk = DeskGateway()
    async with AsyncExitStack() as at_work, started(tmp_path / "home") as client:
        await at_work.enter_async_context(answering(tmp_path / "home", desk.routes))
        with anyio.fail_after(LIMIT_S):
            while not desk.connections:  # or the relay would answer the calls by itself
                await desk.wait()
        await client.shake_hands()
        for own in ("first", "second"):
            await client.say("tools/call", HANG, id=own)
        await client.say("notifications/cancelled", {"requestId": "first"})
        with anyio.fail_after(LIMIT_S):
            await desk.until(1, "notifications/cancelled")
        await at_work.aclose()
        assert (await client.frame())["id"] == "second"
        await client.ask("ping")
    assert "first" not in [one.get("id") for one in client.frames]


@pytest.mark.parametrize("again", [False, True], ids=["first", "later"])
async def test_a_server_that_never_shakes_hands_is_given_up(tmp_path: Path, again: bool) -> None:
    """It is let in, and then nothing: the client has its handshake from the relay, and the next gateway is met as ever."""
    desk = DeskGateway(deaf=True)
    home = tmp_path / "home"
    async with started(home, patience="GREET_S = 0.3") as client:
        if again:
            await client.shake_hands()
        async with answering(home, desk.routes):
            told = {} if again else await client.shake_hands()
            with anyio.fail_after(LIMIT_S):
                await desk.until(2, "initialize")
            assert again or told["serverInfo"]["version"] == relay.VERSION
            desk.deaf = False
            await client.notified(LIST_CHANGED)
            assert (await client.ask("tools/list"))["result"]["tools"]


async def test_a_gateway_that_refuses_says_why(tmp_path: Path) -> None:
    """Another status than 101: the sentence in it is what the agent hears."""
    async with answering(tmp_path / "home", {}) as home, started(home) as client:
        await client.shake_hands()
        assert await refused(client) == (
            "the gateway refused: there is nothing under /v1/relay/channel: is it of another version?"
        )


async def test_a_gateway_that_says_nothing_does_not_hold_the_client(tmp_path: Path) -> None:
    """It takes the connection and is silent: after a moment the relay answers by itself."""
    (tmp_path / "home").mkdir()
    async with await anyio.create_unix_listener(tmp_path / "home" / relay.SOCKET), started(tmp_path / "home") as client:
        assert (await client.shake_hands())["serverInfo"] == {"name": relay.NAME, "version": relay.VERSION}
        assert "does not answer" in await refused(client)


# ---------------------------------------------------------------------------------------------------- without a gateway
async def test_without_a_gateway_the_relay_answers_until_there_is_one(tmp_path: Path) -> None:
    """The handshake, an empty list, a refusal that says what to do; then the real tools, and a sign to look again."""
    home = tmp_path / "home"
    async with started(home) as client:
        told = await client.shake_hands()
        assert told == {
            "protocolVersion": "2025-11-25",
            "capabilities": relay.CHANNEL_CAPABILITIES,
            "serverInfo": {"name": relay.NAME, "version": relay.VERSION},
            "instructions": relay.CHANNEL_INSTRUCTIONS,
        }
        assert (await client.ask("tools/list"))["result"] == {"tools": []}
        assert (await client.ask("ping"))["result"] == {}
        assert (
            await refused(client) == f"no Tollbridge gateway is running (home: {home}): start it with `tollbridge up`"
        )
        assert (await client.ask("completion/complete"))["error"]["code"] == -32000
        permission = {"request_id": "abcde", "tool_name": "Bash", "description": "", "input_preview": ""}
        await client.say(relay.PERMISSION, permission)
        desk = DeskGateway()
        async with answering(home, desk.routes):
            await client.notified(LIST_CHANGED)
            assert (await client.ask("tools/list"))["result"]["tools"][0]["name"] == "reply"
            assert (await client.ask("tools/call", CALL))["result"]["content"][0]["text"] == "done"
        assert [one["method"] for one in desk.heard] == [
            "initialize",
            "notifications/initialized",
            relay.PERMISSION,
            "tools/list",
            "tools/call",
        ]
        assert sum(one.get("method") == LIST_CHANGED for one in client.frames) == 1


@pytest.mark.parametrize(
    ("wanted", "spoken"),
    [("2024-11-05", "2024-11-05"), ("2026-07-28", "2025-11-25"), (None, "2025-11-25"), ([], "2025-11-25")],
)
async def test_the_version_of_mcp_is_the_clients_if_it_is_spoken(tmp_path: Path, wanted: Any, spoken: str) -> None:
    """And the newest one otherwise."""
    async with started(tmp_path / "home", "budget") as client:
        told = (await client.ask("initialize", {**INITIALIZE, "protocolVersion": wanted}))["result"]
        assert told["protocolVersion"] == spoken
        assert told["capabilities"] == relay.BUDGET_CAPABILITIES
        assert (await client.ask("resources/list"))["result"] == {"resources": []}


@pytest.mark.parametrize("kind", ["channel", "budget"])
async def test_a_probe_for_what_is_newer_is_answered_by_the_relay_in_every_state(tmp_path: Path, kind: str) -> None:
    """-32601 before and after the handshake, with a gateway, without one, and the gateway never hears of it."""

    async def probe() -> None:
        assert (await client.ask("server/discover"))["error"]["code"] == -32601

    home = tmp_path / "home"
    desk = DeskGateway()
    async with started(home, kind) as client:
        await probe()
        await client.shake_hands()
        await probe()
        async with answering(home, desk.routes):
            await client.notified(LIST_CHANGED)
            await probe()
        await probe()
        with anyio.fail_after(LIMIT_S):
            while not desk.left:
                await desk.wait()
        await probe()
    assert "server/discover" not in [one["method"] for one in desk.heard]


# ----------------------------------------------------------------------------------------------------------- the client
@pytest.mark.parametrize("up", [True, False], ids=["gateway", "none"])
async def test_garbage_of_the_client_is_answered_and_goes_no_further(tmp_path: Path, up: bool) -> None:
    """An error for each line that is no message; the next one is served."""
    desk = DeskGateway()
    lines = [b"hello", b"[]", b"1", b"\xff\xfe", b'{"jsonrpc": "2.0"}', b'{"method": 1}', b"[" * 200_000]
    async with answering(tmp_path / "home", desk.routes if up else {}) as home, started(home) as client:
        await client.shake_hands()
        for line in lines:
            await client.raw(line + b"\n")
            told = await client.frame()
            assert (told["id"], told["error"]["code"]) == (None, -32700)
        for own in (True, None, 1.5, [], {}):
            await client.say("ping", id=own)
            assert (await client.frame())["error"]["code"] == -32600
        await client.raw(b"\n\r\n")
        assert (await client.ask("ping"))["result"] == {}
    assert all(one["method"] in ("initialize", "notifications/initialized") for one in desk.heard)


async def test_a_line_beyond_the_limit_is_refused_and_the_next_one_is_served(tmp_path: Path) -> None:
    """Without being held in memory; a line of the largest size goes through."""
    desk = DeskGateway()
    async with answering(tmp_path / "home", desk.routes) as home, started(home) as client:
        await client.shake_hands()
        await client.raw(b"x" * (relay.LINE_BYTES_MAX + 1) + b"\n")
        told = await client.frame()
        assert (told["id"], told["error"]) == (
            None,
            {"code": -32600, "message": "a line of more than 16 MB is not read"},
        )
        frame = json.dumps({"jsonrpc": "2.0", "id": "big", "method": "tools/call", "params": CALL}).encode()
        await client.raw(frame.ljust(relay.LINE_BYTES_MAX - 1) + b"\n")
        assert (await client.frame())["id"] == "big"


async def test_a_large_answer_comes_whole_though_the_client_reads_late(tmp_path: Path) -> None:
    """More than fits into the pipe, while other requests are answered."""
    desk = DeskGateway()
    async with answering(tmp_path / "home", desk.routes) as home, started(home) as client:
        await client.shake_hands()
        text = "x" * 3_000_000  # less than what the relay keeps for a client before it reads no more of it
        push = {"jsonrpc": "2.0", "method": "notifications/claude/channel", "params": {"content": text}}
        await desk.connections[0].send(json.dumps(push).encode())
        await client.say("tools/call", CALL, id="meanwhile")
        with anyio.fail_after(LIMIT_S):
            await desk.until(1, "tools/call")
        assert (await client.frame())["params"]["content"] == text
        assert (await client.frame())["id"] == "meanwhile"


def test_a_client_that_no_longer_reads_ends_the_relay(tmp_path: Path) -> None:
    """Its end of stdout is closed, and stdin is not: there is nobody to talk to."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*COMMAND, "channel"], env=environment(tmp_path), stdin=pipe, stdout=pipe, stderr=pipe
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        process.stdout.close()
        assert process.wait(LIMIT_S) == 0


# ------------------------------------------------------------------------------------------------------- inside and off
@pytest.mark.parametrize(
    "more", [{"TOLLBRIDGE_AGENT": "/a/journal"}, {"TOLLBRIDGE_OFF": "1"}], ids=["inside an agent", "off"]
)
async def test_a_session_that_is_none_of_ours_never_reaches_the_gateway(tmp_path: Path, more: dict[str, str]) -> None:
    """An agent's has no tools and no channel; one that is off says that it is."""
    desk = DeskGateway()
    async with answering(tmp_path / "home", desk.routes) as home, started(home, **more) as client:
        told = await client.shake_hands()
        if "TOLLBRIDGE_AGENT" in more:
            assert told["capabilities"] == {}
            assert "instructions" not in told
        else:
            assert told["capabilities"] == relay.CHANNEL_CAPABILITIES
            assert "off" in told["instructions"]
            assert "off" in await refused(client)
        assert (await client.ask("tools/list"))["result"] == {"tools": []}
        assert (await client.ask("server/discover"))["error"]["code"] == -32601
        assert await client.leave() == 0
    assert desk.hellos == []


async def test_an_agents_own_session_may_ask_for_its_budget(tmp_path: Path) -> None:
    """Only the channel is not for those whom the gateway has started."""
    desk = DeskGateway()
    more = {"TOLLBRIDGE_AGENT": "/a/journal"}
    async with answering(tmp_path / "home", desk.routes) as home, started(home, "budget", **more) as client:
        await client.shake_hands()
        assert (await client.ask("tools/list"))["result"]["tools"]


# ------------------------------------------------------------------------------------------------------------- the file
def test_relay_and_gateway_say_the_same_of_themselves() -> None:
    """Version, sizes and paths stand in both, since the relay can import nothing."""
    assert relay.VERSION == cli.VERSION
    assert relay.HOOK_BYTES_MAX == relays.HOOK_BYTES_MAX
    assert all(len(words.encode()) < 2048 for words in (relay.CHANNEL_INSTRUCTIONS, relay.BUDGET_INSTRUCTIONS))


@pytest.mark.parametrize("words", [[], ["chanel"], ["hook"], ["hook", "../x"], ["hook", "Stop", "1", "2"]])
def test_a_command_line_that_means_nothing_is_explained(words: list[str]) -> None:
    """On stderr: stdout is for frames."""
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: relay.py")


def test_relays_need_nothing_but_a_bare_python() -> None:
    """Of the standard library only, and no site: what is imported on the way to a session is known."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(relay.__file__).parent)!r}); import relay; relay.Relay('channel');"
        "print(*{name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names - {'__main__'})"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["relay"]
