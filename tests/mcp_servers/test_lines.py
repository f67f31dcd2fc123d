"""Lines that are messages, and lines that are none."""

import pytest

from mcp_servers.channel_host import Done, Saved
from tests.mcp_servers.kit import Desk, listening

pytestmark = pytest.mark.anyio


async def test_half_characters_harm_nobody() -> None:
    """JSON can spell what UTF-8 cannot hold: it comes as question marks, and goes as such."""
    desk = Desk(answer=Done("Sent \ud800.", ("\udfff",)), saved=Saved("/a/\udcff"))
    async with listening(desk) as client:
        asked = '{"jsonrpc":"2.0","id":"s","method":"tools/call","params":{"name":"reply","arguments":{"text":"a\\ud83d b"}}}'
        await client.line(asked)
        result = (await client.answer("s"))["result"]
        assert result["content"][0]["text"] == "Sent ?."
        assert result["structuredContent"] == {"message_ids": ["?"]}
        assert desk.calls == [("reply", "a? b", (), None)]
        assert (await client.call("download_attachment", attachment_id="x"))["structuredContent"] == {"path": "/a/?"}


@pytest.mark.parametrize(
    ("line", "request_id", "code"),
    [
        (b"hello", None, -32700),
        (b"\xff\xfe{}", None, -32700),
        (b'{"jsonrpc":"2.0","id":5,"method":', None, -32700),
        (b"[" * 100_000, None, -32700),
        (b'{"a":' * 300 + b"1" + b"}" * 300, None, -32600),
        (b"[]", None, -32600),
        (b"7", None, -32600),
        (b'{"jsonrpc":"1.0","id":5,"method":"ping"}', 5, -32600),
        (b'{"id":"five","method":"ping"}', "five", -32600),
        (b'{"jsonrpc":"2.0","id":5,"method":"ping","params":[1]}', 5, -32600),
        (b'{"jsonrpc":"2.0","id":true}', None, -32600),
        (b'[{"jsonrpc":"2.0","id":5,"method":"ping"}]', None, -32600),
    ],
)
async def test_what_is_no_message_is_answered_and_not_fatal(
    line: bytes, request_id: int | str | None, code: int
) -> None:
    """Nobody waits for an answer that never comes, and the next frame counts."""
    async with listening(Desk()) as client:
        await client.line(line)
        await client.line(b"  ")
        answer = await client.answer(request_id)
        assert answer["error"]["code"] == code
        assert await client.rest() == []
