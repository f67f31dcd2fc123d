"""The channel's server, as raw frames meet it."""

from typing import Any

import anyio
import pytest
from mcp import ClientSession
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCMessage, jsonrpc_message_adapter

from gateway.core.channel import Push, received
from gateway.ports import TollbridgeError
from mcp_servers import lines
from mcp_servers.channel import serve
from mcp_servers.channel_host import Declined, Question
from mcp_servers.relay import CHANNEL_CAPABILITIES, CHANNEL_INSTRUCTIONS, NAME, VERSION
from tests.fakes.claude_channel import content_read, tag, tags_seen
from tests.mcp_servers.kit import (
    ASKED,
    ENVELOPE,
    FORGED,
    ID,
    MESSAGE,
    OTHER,
    TOOLS,
    VERDICT,
    Desk,
    RawClient,
    connected,
    listening,
    question,
)

pytestmark = pytest.mark.anyio


# -------------------------------------------------------------------------------------------------------- the handshake
async def test_a_client_that_probes_falls_back_and_gets_its_messages() -> None:
    """The probe of 2026-07-28 is unknown here; then handshake, tools, and a pushed event."""
    desk = Desk()
    async with connected(desk) as client:
        probe = await client.request("server/discover", {"_meta": ENVELOPE})
        assert probe["error"]["code"] == -32601
        result = await client.handshake()
        assert result["capabilities"]["experimental"] == {"claude/channel": {}, "claude/channel/permission": {}}
        await desk.listening.wait()
        assert await desk.channel.push(Push(ID, "hello", {"person": "Ann"}))
        assert await client.event(MESSAGE) == {"content": "hello", "meta": {"message_id": ID, "person": "Ann"}}


@pytest.mark.parametrize("meta", [None, {}, {"_meta": {}}, {"_meta": ENVELOPE}, {"_meta": "x"}])
async def test_every_kind_of_probe_is_answered_and_forgotten(meta: dict[str, Any] | None) -> None:
    """However it is worded, also twice."""
    async with connected(Desk()) as client:
        for _ in range(2):
            assert (await client.request("server/discover", meta))["error"]["code"] == -32601
        assert (await client.handshake())["serverInfo"]["name"] == NAME


@pytest.mark.parametrize(
    ("asked", "agreed"),
    [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2024-11-05", "2024-11-05"),
        ("2026-07-28", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
    ],
)
async def test_a_client_that_does_not_probe_gets_the_same(asked: str, agreed: str) -> None:
    """Name, instructions and exactly these capabilities, at every version of the handshake; tools work and messages come."""
    desk = Desk()
    async with connected(desk) as client:
        assert await client.handshake(asked) == {
            "protocolVersion": agreed,
            "capabilities": {
                "experimental": {"claude/channel": {}, "claude/channel/permission": {}},
                "tools": {"listChanged": True},
            },
            "serverInfo": {"name": NAME, "version": VERSION},
            "instructions": CHANNEL_INSTRUCTIONS,
        }
        listed = (await client.request("tools/list"))["result"]["tools"]
        assert [tool["name"] for tool in listed] == TOOLS
        assert (await client.call("reply", text="done"))["content"] == [{"type": "text", "text": "Sent as message 7."}]
        await desk.listening.wait()
        assert await desk.channel.push(Push(ID, "hello", {}))
        assert (await client.event(MESSAGE))["content"] == "hello"


def test_relay_and_server_say_the_same() -> None:
    """What the relay answers alone is what this server answers; and no word of it is cut by the client."""
    assert CHANNEL_CAPABILITIES == {
        "experimental": {"claude/channel": {}, "claude/channel/permission": {}},
        "tools": {"listChanged": True},
    }
    assert len(CHANNEL_INSTRUCTIONS.encode()) < 2048


async def test_before_the_handshake_nothing_is_done_and_nothing_is_pushed() -> None:
    """A call that comes too early is refused; the host is told of a client only when it listens."""
    desk = Desk()
    async with connected(desk) as client:
        assert (await client.request("tools/call", {"name": "reply", "arguments": {"text": "x"}}))["error"][
            "code"
        ] == -32602
        await client.initialize()
        await client.request("ping")
        assert desk.channels == []
        await client.notify("notifications/initialized")
        await client.notify("notifications/initialized")
        await desk.listening.wait()
        await client.request("ping")
        assert len(desk.channels) == 1
        assert desk.calls == []


async def test_a_new_connection_is_a_new_server() -> None:
    """After a restart the relay says the handshake again: what belonged to the first connection is over."""
    desk = Desk()
    async with listening(desk, "first"):
        pass
    async with connected(desk, "second") as client:
        await client.handshake()
        while len(desk.channels) < 2:
            await client.request("ping")
        old, new = desk.channels
        assert not await old.push(Push(ID, "lost", {}))
        assert await new.push(Push(ID, "kept", {}))
        assert (await client.event(MESSAGE))["content"] == "kept"


# -------------------------------------------------------------------------------------------------------- what is pushed
async def test_a_push_cannot_forge_and_is_known_again() -> None:
    """Attack 19: tags, quotes, line ends and bad keys in text, name or title stay text; the client's tag names this message only."""
    desk = Desk()
    async with listening(desk) as client:
        said = Push(
            ID, f'He said "x"\n{FORGED}\u202e\ud800\x00', {"person": f'Ann"> {FORGED}', "a-b": "x", "source": "root"}
        )
        assert await desk.channel.push(said)
        event = await client.event(MESSAGE)
        assert list(event["meta"]) == ["message_id", "person"]
        assert all(isinstance(value, str) for value in event["meta"].values())
        assert not set(event["meta"]["person"]) & set('"<>\n')
        assert tags_seen(event["content"]) == tags_seen(event["meta"]["person"]) == []
        assert content_read(event["content"]) == said.text
        for careful in (True, False):
            assert received(tag(event["content"], event["meta"], careful=careful)) == (ID,)


async def test_pushes_go_out_whole_and_in_their_order() -> None:
    """Many at once, large ones too, beside answers to requests: each is one frame."""
    desk = Desk()
    async with listening(desk) as client:
        sizes = [1, 300_000, 2, 100_000, 3]
        async with anyio.create_task_group() as tasks:
            for size in sizes:
                tasks.start_soon(desk.channel.push, Push(ID, "x" * size, {}))
                await client.ask("tools/list")
        assert [len((await client.event(MESSAGE))["content"]) for _ in sizes] == sizes
        assert len([frame for frame in await client.rest() if "result" in frame]) == len(sizes)


async def test_to_a_client_that_is_gone_nothing_is_written() -> None:
    """False, and no error: the message stays with the gateway."""
    desk = Desk()
    async with listening(desk) as client:
        client.gone()
        assert not await desk.channel.push(Push(ID, "hello", {}))
        assert not await desk.channel.verdict("abcde", allow=True)
    assert not await desk.channel.push(Push(ID, "hello", {}))


async def test_a_client_that_reads_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The write has a limit; after it the connection is over, since a part of a line may have gone out."""
    monkeypatch.setattr(lines, "WRITE_S", 0.05)
    desk = Desk()
    to_server, lines_in = anyio.create_memory_object_stream[bytes](10)
    lines_out, from_server = anyio.create_memory_object_stream[bytes](1)
    async with to_server, from_server:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: serve(lines_in, lines_out, desk, session="deaf"))
                client = RawClient(to_server, from_server)
                await client.handshake()
                await desk.listening.wait()
                assert await desk.channel.push(Push(ID, "kept in the buffer", {}))
                assert not await desk.channel.push(Push(OTHER, "not taken", {}))


async def test_the_end_of_the_client_is_the_end_of_its_server() -> None:
    """It sends no more: what was under way is called off, and the other direction ends too."""
    desk = Desk(hold=anyio.Event())
    async with listening(desk) as client:
        await client.ask("tools/call", {"name": "reply", "arguments": {"text": "x"}})
        await client.request("ping")
        client.out.close()
        with pytest.raises(anyio.EndOfStream):
            await client.event(MESSAGE)
    assert desk.cancelled == 1


async def test_a_gateway_that_stops_answers_what_is_under_way() -> None:
    """Nobody waits for a gateway that has gone: the call gets an error, and the connection ends."""
    desk = Desk(hold=anyio.Event())
    to_server, lines_in = anyio.create_memory_object_stream[bytes](10)
    lines_out, from_server = anyio.create_memory_object_stream[bytes](10)
    client = RawClient(to_server, from_server)
    with anyio.fail_after(30):
        async with to_server, from_server, anyio.create_task_group() as gateway:
            gateway.start_soon(lambda: serve(lines_in, lines_out, desk, session="one"))
            await client.handshake()
            asked = await client.ask("tools/call", {"name": "reply", "arguments": {"text": "x"}})
            await client.request("ping")
            gateway.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                assert "error" in await client.answer(asked)
                with pytest.raises(anyio.EndOfStream):
                    await client.event(MESSAGE)
    assert not await desk.channel.push(Push(ID, "hello", {}))


async def test_a_host_that_cannot_hand_over_leaves_the_client_served() -> None:
    """Trouble of the gateway is logged; the tools still answer, with its sentence."""
    desk = Desk(trouble=TollbridgeError("The ledger is full: make room."))
    async with listening(desk) as client:
        result = await client.call("reply", text="done")
        assert result["isError"]
        assert result["content"][0]["text"] == "The ledger is full: make room."


# ---------------------------------------------------------------------------------------------------------- permissions
async def test_a_question_goes_to_the_host_and_the_verdict_back() -> None:
    """Both answers, in the client's own words."""
    desk = Desk()
    async with listening(desk) as client:
        await client.notify(ASKED, question("abcde"))
        await client.notify(ASKED, question("fghij", description="", input_preview="</channel>"))
        await client.request("ping")
        assert desk.questions == [
            Question("abcde", "Bash", "Delete it", '{"command":"rm x"}'),
            Question("fghij", "Bash", "", "</channel>"),
        ]
        assert await desk.channel.verdict("abcde", allow=True)
        assert await desk.channel.verdict("fghij", allow=False)
        assert await client.event(VERDICT) == {"request_id": "abcde", "behavior": "allow"}
        assert await client.event(VERDICT) == {"request_id": "fghij", "behavior": "deny"}


@pytest.mark.parametrize(
    "params",
    [
        None,
        {},
        question(""),
        question("abcd"),
        question("abcdef"),
        question("ABCDE"),
        question("abcdl"),
        question("abc\n\n"),
        question(12345),
        question(None),
        question(tool_name=""),
        question(tool_name=None),
        question(tool_name="x" * 201),
        question(description=["x"]),
        question(input_preview={"command": "rm"}),
        question(input_preview="x" * 100_001),
        {"requestId": "abcde", "toolName": "Bash"},
    ],
)
async def test_a_question_that_cannot_be_understood_is_dropped(params: dict[str, Any] | None) -> None:
    """It is still asked at the desk; here the next one counts."""
    desk = Desk()
    async with listening(desk) as client:
        await client.notify(ASKED, params)
        await client.notify(ASKED, question("vwxyz"))
        assert await client.rest() == []
        assert [asked.request_id for asked in desk.questions] == ["vwxyz"]


@pytest.mark.parametrize("request_id", ["", "abcd", "abcdl", "ABCDE", "abcde\n"])
async def test_a_verdict_on_what_nobody_asks_is_not_written(request_id: str) -> None:
    """The client would drop it without a word: so the caller is told."""
    desk = Desk()
    async with listening(desk) as client:
        assert not await desk.channel.verdict(request_id, allow=True)
        assert await client.rest() == []


async def test_a_verdict_may_come_on_a_later_connection() -> None:
    """The client still asks after the gateway was restarted, and the relay has said the handshake again."""
    desk = Desk()
    async with listening(desk) as client:
        assert await desk.channel.verdict("abcde", allow=True)
        assert await client.event(VERDICT) == {"request_id": "abcde", "behavior": "allow"}


async def test_questions_have_a_limit_and_trouble_with_one_is_not_fatal() -> None:
    """What comes beyond it is dropped, as if there were no channel."""
    desk = Desk(hold=anyio.Event())
    async with listening(desk) as client:
        for _ in range(40):
            await client.notify(ASKED, question("abcde"))
        await client.request("ping")
        assert len(desk.questions) == 32
    assert desk.cancelled == 32
    broken = Desk(trouble=TollbridgeError("no room"))
    async with listening(broken) as client:
        await client.notify(ASKED, question())
        assert await client.rest() == []
        assert len(broken.questions) == 1


# ------------------------------------------------------------------------------------------------ others, and the real one
async def test_two_sessions_do_not_mix() -> None:
    """Attack 61: each has a host, messages and questions of its own, and no word of a client reaches another's."""
    one, two = Desk(), Desk(answer=Declined("There is no such message in this session."))
    async with listening(one, "one") as first, listening(two, "two") as second:
        assert await one.channel.push(Push(ID, "for one", {}))
        assert await two.channel.push(Push(OTHER, "for two", {}))
        await first.notify(ASKED, question("abcde"))
        await second.notify(ASKED, question("fghij"))
        assert not (await first.call("edit_message", message_id="7", text="mine"))["isError"]
        assert (await second.call("edit_message", message_id="7", text="not mine"))["isError"]
        assert await one.channel.verdict("abcde", allow=True)
        assert (await first.event(MESSAGE))["content"] == "for one"
        assert (await second.event(MESSAGE))["content"] == "for two"
        assert await first.event(VERDICT) == {"request_id": "abcde", "behavior": "allow"}
        assert await first.rest() == await second.rest() == []
        assert [asked.request_id for desk in (one, two) for asked in desk.questions] == ["abcde", "fghij"]
        assert one.calls[-1] == ("edit", "7", "mine")


async def test_the_real_client_library_works_with_it() -> None:
    """ClientSession of `mcp`, over the same lines: handshake, tools with their schemas, results that keep them."""
    desk = Desk(unread=[Push(ID, "hello", {"person": "Ann"})])
    to_server, lines_in = anyio.create_memory_object_stream[bytes](10)
    lines_out, from_server = anyio.create_memory_object_stream[bytes](10)
    into, messages = anyio.create_memory_object_stream[SessionMessage | Exception](10)
    written, to_write = anyio.create_memory_object_stream[SessionMessage](10)
    others: list[JSONRPCMessage] = []

    async def there() -> None:
        async with to_server, to_write:
            async for item in to_write:
                await to_server.send(item.message.model_dump_json(by_alias=True, exclude_unset=True).encode())

    async def back() -> None:
        async with into, from_server:
            async for line in from_server:
                message = jsonrpc_message_adapter.validate_json(line, by_name=False)
                if getattr(message, "method", "").startswith("notifications/claude/"):
                    others.append(message)
                else:
                    await into.send(SessionMessage(message))

    with anyio.fail_after(40):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(there)
            tasks.start_soon(back)
            tasks.start_soon(lambda: serve(lines_in, lines_out, desk, session="library"))
            async with ClientSession(messages, written) as session:
                assert (await session.initialize()).server_info.name == NAME
                await desk.listening.wait()
                assert await desk.channel.push(Push(ID, "hello", {}))
                assert [tool.name for tool in (await session.list_tools()).tools] == TOOLS
                assert not (await session.call_tool("reply", {"text": "done"})).is_error
                fetched = await session.call_tool("fetch_messages", {})
                assert fetched.structured_content["messages"] == [{"message_id": ID, "person": "Ann", "text": "hello"}]
                assert (await session.call_tool("reply", {})).is_error
                await session.send_ping()
    assert len(others) == 1
    assert desk.given == [ID]
