"""The stand-in's strictness, asked with plain HTTP: what is a violation, what is refused and in which words."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from tests.fakes.bot_api import BotApi
from tests.fakes.bot_api_html import Html
from tests.fakes.bot_api_markdown import CannotParse, MarkdownV2, read_legacy
from tests.fakes.bot_api_methods import ALWAYS_TRUE, MODELLED

pytestmark = pytest.mark.anyio

BUTTON = {"text": "Run", "callback_data": "run"}
READERS = {
    "MarkdownV2": lambda text: MarkdownV2(text).read(),
    "HTML": lambda text: Html(text).read(),
    "Markdown": read_legacy,
}


@pytest.fixture
def server() -> Iterator[BotApi]:
    """A server with Alice in it."""
    with BotApi() as running:
        running.user(1, "Alice")
        yield running


@pytest.fixture
async def http(server: BotApi) -> AsyncIterator[httpx.AsyncClient]:
    """A plain client that sends to the methods of the bot."""
    async with httpx.AsyncClient(base_url=f"{server.base_url}{server.token}/", trust_env=False) as client:
        yield client


async def call(http: httpx.AsyncClient, method: str, **params: Any) -> dict[str, Any]:
    """One call with a JSON body; the whole answer."""
    return (await http.post(method, json=params)).json()


def keyboard(*buttons: dict[str, Any]) -> dict[str, Any]:
    """An inline keyboard of one row."""
    return {"inline_keyboard": [list(buttons)]}


@pytest.mark.parametrize(
    ("method", "params", "kind"),
    [
        ("sendMessage", {"chat_id": 1, "text": "x", "colour": "red"}, "unknown"),
        ("sendMessage", {"text": "x"}, "missing"),
        ("sendMessage", {"chat_id": 1.5, "text": "x"}, "type"),
        ("sendMessage", {"chat_id": 1, "text": "x", "disable_notification": "maybe"}, "type"),
        ("sendMessage", {"chat_id": 1, "text": "x", "reply_parameters": {"message": 1}}, "unknown"),
        ("sendMessage", {"chat_id": 1, "text": "x", "entities": [{"type": "bold", "offset": 0}]}, "missing"),
        ("sendMessage", {"chat_id": 1, "text": "x", "entities": [{"type": "fat", "offset": 0, "length": 1}]}, "type"),
        ("sendMessage", {"chat_id": 1, "text": "x", "entities": [{"type": "bold", "offset": 0, "length": 2}]}, "limit"),
        ("sendMessage", {"chat_id": 1, "text": "x", "entities": [{"type": "bold", "offset": 9, "length": 1}]}, "limit"),
        (
            "sendMessage",
            {"chat_id": 1, "text": "😀", "entities": [{"type": "bold", "offset": 1, "length": 1}]},
            "limit",
        ),
        ("sendMessage", {"chat_id": 1, "text": "x", "reply_markup": keyboard(BUTTON | {"style": "pink"})}, "type"),
        ("sendMessage", {"chat_id": 1, "text": "x", "reply_markup": keyboard({"text": "Run"})}, "type"),
        (
            "sendMessage",
            {"chat_id": 1, "text": "x", "reply_markup": keyboard(BUTTON | {"callback_data": "é" * 33})},
            "limit",
        ),
        ("sendMessage", {"chat_id": 1, "text": "x", "reply_markup": keyboard(*[BUTTON] * 101)}, "limit"),
        ("sendMessage", {"chat_id": 1, "text": "😀" * 2049}, "limit"),
        ("sendMessage", {"chat_id": 1, "text": " \n "}, "limit"),
        ("sendDocument", {"chat_id": 1, "document": "attach://report"}, "missing"),
        ("getUpdates", {"allowed_updates": ["messages"]}, "type"),
        ("sendChatAction", {"chat_id": 1, "action": "thinking"}, "type"),
        ("setMessageReaction", {"chat_id": 1, "message_id": 1, "reaction": [{"type": "emoji", "emoji": "🚀"}]}, "type"),
        ("answerCallbackQuery", {"callback_query_id": "1", "text": "x" * 201}, "limit"),
        ("setMyCommands", {"commands": [{"command": "x" * 33, "description": "d"}]}, "limit"),
    ],
)
async def test_what_a_correct_bot_does_not_send_is_refused_and_recorded(server, http, method, params, kind):
    """Whatever the facts table or a published limit forbids answers 400 and stands in the violations."""
    answer = await call(http, method, **params)
    assert (answer["ok"], answer["error_code"]) == (False, 400)
    assert [(v.method, v.kind) for v in server.violations] == [(method, kind)]


@pytest.mark.parametrize(
    ("method", "params", "words"),
    [
        ("sendMessage", {"chat_id": 1, "text": ""}, "Bad Request: message text is empty"),
        ("sendMessage", {"chat_id": 1, "text": "x" * 4097}, "Bad Request: message is too long"),
        ("sendMessage", {"chat_id": 2, "text": "x"}, "Bad Request: chat not found"),
        (
            "sendMessage",
            {"chat_id": 2, "text": "*", "parse_mode": "MarkdownV2"},
            "Bad Request: can't parse entities: Can't find end of Bold entity at byte offset 0",
        ),
        ("sendMessage", {"chat_id": 1, "text": "x", "parse_mode": "BBCode"}, "Bad Request: unsupported parse_mode"),
        ("sendMessage", {"chat_id": 1, "text": "x", "message_thread_id": 5}, "Bad Request: message thread not found"),
        (
            "sendMessage",
            {"chat_id": 1, "text": "x", "reply_markup": keyboard(BUTTON | {"callback_data": ""})},
            "Bad Request: BUTTON_DATA_INVALID",
        ),
        ("editMessageText", {"chat_id": 1, "message_id": 9, "text": "x"}, "Bad Request: message to edit not found"),
        ("editMessageText", {"text": "x"}, "Bad Request: message identifier is not specified"),
        (
            "answerCallbackQuery",
            {"callback_query_id": "9"},
            "Bad Request: query is too old and response timeout expired or query ID is invalid",
        ),
        ("setMessageReaction", {"chat_id": 1, "message_id": 9}, "Bad Request: message to react not found"),
        ("setMyCommands", {"commands": [{"command": "Über", "description": "d"}]}, "Bad Request: BOT_COMMAND_INVALID"),
        (
            "setMyCommands",
            {"commands": [{"command": "a", "description": "d"}], "scope": {"type": "chat", "chat_id": 2}},
            "Bad Request: chat not found",
        ),
        ("deleteMyCommands", {"scope": {"type": "chat", "chat_id": 2}}, "Bad Request: chat not found"),
    ],
)
async def test_refusals_have_the_words_of_the_official_server(http, method, params, words):
    """A gateway that reads descriptions reads here what it would read there."""
    assert (await call(http, method, **params)) == {"ok": False, "error_code": 400, "description": words}


async def test_the_same_call_can_be_sent_in_every_official_way(server, http):
    """Query, form, multipart and JSON carry the same parameters, nested ones as JSON text where there are only strings."""
    nested = json.dumps(keyboard(BUTTON))
    flat = {"chat_id": "1", "text": "hello", "reply_markup": nested, "protect_content": "true"}
    for answer in (
        await http.get("sendMessage", params=flat),
        await http.post("sendMessage", data=flat),
        await http.post("sendMessage", files={name: (None, value) for name, value in flat.items()}),
        await http.post("SENDMESSAGE", json={"chat_id": 1, "text": "hello", "reply_markup": keyboard(BUTTON)}),
    ):
        assert answer.json()["result"]["reply_markup"] == keyboard(BUTTON)
    assert [request.params["chat_id"] for request in server.log] == [1] * 4
    assert server.violations == []


async def test_a_caption_has_its_own_limit(server, http):
    """1024 UTF-16 units after parsing fit, one more does not."""
    document = {"document": ("a.txt", b"text")}
    fits = await http.post(
        "sendDocument", data={"chat_id": 1, "caption": f"<b>{'x' * 1024}</b>", "parse_mode": "HTML"}, files=document
    )
    over = await http.post("sendDocument", data={"chat_id": 1, "caption": "x" * 1025}, files=document)
    assert fits.json()["ok"]
    assert over.json()["description"] == "Bad Request: message caption is too long"
    assert [violation.kind for violation in server.violations] == ["limit"]


async def test_a_text_is_measured_and_trimmed_after_parsing(http):
    """Markup does not count, space around the text goes, and offsets move with it."""
    long = await call(http, "sendMessage", chat_id=1, text="*" + "x" * 4096 + "*", parse_mode="MarkdownV2")
    spaced = await call(http, "sendMessage", chat_id=1, text="  😀 *bold*  \n", parse_mode="MarkdownV2")
    assert len(long["result"]["text"]) == 4096
    assert spaced["result"]["text"] == "😀 bold"
    assert spaced["result"]["entities"] == [{"type": "bold", "offset": 3, "length": 4}]


async def test_entities_above_one_hundred_are_dropped_without_a_word(server, http):
    """The message is sent with the first hundred, and only the phone knows how many are missing."""
    alice = server.user(1, "Alice")
    entities = [{"type": "bold", "offset": 2 * n, "length": 1} for n in range(120)]
    answer = await call(http, "sendMessage", chat_id=1, text="x " * 120, entities=entities)
    seen = alice.sees()[0]
    assert len(answer["result"]["entities"]) == 100
    assert (len(seen.entities), seen.dropped_entities) == (100, 20)
    assert server.violations == []


async def test_unknown_methods_and_unmodelled_ones_are_told_apart(server, http):
    """A method that is not in the table is 404, one that is there but not modelled is 501, and both are violations."""
    assert (await call(http, "sendTelepathy"))["description"] == "Not Found: method not found"
    assert (await call(http, "sendDice", chat_id=1))["error_code"] == 501
    assert (await call(http, "pinChatMessage", chat_id=1, message_id=1))["result"] is True
    assert [violation.kind for violation in server.violations] == ["unknown", "unmodelled"]
    assert not MODELLED & ALWAYS_TRUE


async def test_a_request_that_cannot_be_read_is_a_violation(server, http):
    """Broken JSON, a body of another kind and a cut multipart body are answered 400 and recorded."""
    for body, kind in (
        (b"{", "application/json"),
        (b"x", "text/plain"),
        (b"--b\r\n", "multipart/form-data; boundary=b"),
    ):
        answer = await http.post("getMe", content=body, headers={"Content-Type": kind})
        assert answer.status_code == 400
    assert [violation.kind for violation in server.violations] == ["server"] * 3


async def test_a_wrong_address_is_no_method_and_no_file(server, http):
    """A wrong token is 401 in the official words, another path and an unknown file are 404."""
    root = server.base_url.removesuffix("/bot")
    wrong = await http.get(f"{server.base_url}1:x/getMe")
    assert wrong.json() == {"ok": False, "error_code": 401, "description": "Unauthorized"}
    assert (await http.get(f"{root}/metrics")).status_code == 404
    assert (await http.get(f"{server.base_file_url}{server.token}/documents/file_9")).status_code == 404


async def test_the_log_holds_every_request_and_what_became_of_it(server, http):
    """Method, typed parameters, file names, time and status are there for a test to read."""
    await http.post("sendDocument", data={"chat_id": "1"}, files={"document": ("a.txt", b"text")})
    await call(http, "sendMessage", chat_id=2, text="x")
    first, second = server.log
    assert (first.method, first.params, first.uploads) == (
        "sendDocument",
        {"chat_id": 1, "document": "attach://document"},
        {"document": "a.txt"},
    )
    assert (first.status, second.status, second.description) == (200, 400, "Bad Request: chat not found")
    assert first.at <= second.at


async def test_only_an_administrator_may_clear_up_and_old_messages_stay(server, http):
    """DeleteMessage knows whose message it is and how old."""
    eve = server.group(-5, bot="member").joined_by(server.user(5, "Eve"))
    foreign = eve.says("/mine")
    own = (await call(http, "sendMessage", chat_id=-5, text="own"))["result"]["message_id"]
    refused = await call(http, "deleteMessage", chat_id=-5, message_id=foreign)
    server.advance(49 * 3600)
    late = await call(http, "deleteMessage", chat_id=-5, message_id=own)
    assert refused["description"] == "Bad Request: message can't be deleted"
    assert late["description"] == "Bad Request: message can't be deleted for everyone"


@pytest.mark.parametrize(
    ("mode", "source", "text", "entities"),
    [
        (
            "MarkdownV2",
            "a *b _c_* ~d~ ||e||",
            "a b c d e",
            [("bold", 2, 3), ("italic", 4, 1), ("strikethrough", 6, 1), ("spoiler", 8, 1)],
        ),
        ("MarkdownV2", "__under _both___ ", "under both ", None),
        ("MarkdownV2", "```py\nx = '\\`'\n``` `y`", "x = '`'\n y", [("pre", 0, 8), ("code", 9, 1)]),
        ("MarkdownV2", "😀[docs](https://a.b/c\\))", "😀docs", [("text_link", 2, 4)]),
        ("MarkdownV2", "> one\n> two\nthree\\.", " one\n two\nthree.", [("blockquote", 0, 10)]),
        ("MarkdownV2", ">more||", "more", [("expandable_blockquote", 0, 4)]),
        ("MarkdownV2", "[no](link)", "no", []),
        ("HTML", "<b>a &lt; <i>😀</i></b>", "a < 😀", [("bold", 0, 6), ("italic", 4, 2)]),
        ("HTML", '<pre><code class="language-py">x</code></pre>', "x", [("pre", 0, 1)]),
        (
            "HTML",
            '<a href="https://a.b/?x=1&amp;y">l</a><blockquote expandable>q</blockquote>',
            "lq",
            [("text_link", 0, 1), ("expandable_blockquote", 1, 1)],
        ),
        ("HTML", '<span class="tg-spoiler">s</span>&nbsp;', "s&nbsp;", [("spoiler", 0, 1)]),
        (
            "Markdown",
            "*b* _i_ `c` [l](https://a.b/c) \\_",
            "b i c l _",
            [("bold", 0, 1), ("italic", 2, 1), ("code", 4, 1), ("text_link", 6, 1)],
        ),
    ],
)
async def test_markup_is_read_as_telegram_reads_it(mode, source, text, entities):
    """Text and entities come out as the official parsers give them, offsets in UTF-16."""
    if entities is None:
        with pytest.raises(CannotParse, match="Italic entity at byte offset 15"):
            READERS[mode](source)
        return
    plain, found = READERS[mode](source)
    assert plain == text
    assert [(entity["type"], entity["offset"], entity["length"]) for entity in found] == entities


@pytest.mark.parametrize(
    ("mode", "source", "words"),
    [
        ("MarkdownV2", "1.0", "Character '.' is reserved and must be escaped with the preceding '\\'"),
        ("MarkdownV2", "é *b", "Can't find end of Bold entity at byte offset 3"),
        ("MarkdownV2", "```a b`", "Can't find end of Code entity at byte offset 6"),
        ("MarkdownV2", "[a](b", "Can't find end of a URL at byte offset 4"),
        ("MarkdownV2", ">*a\nb*", "Can't find end of Bold entity at byte offset 1"),
        ("HTML", "a < b", 'Unsupported start tag "" at byte offset 2'),
        ("HTML", "<div>a</div>", 'Unsupported start tag "div" at byte offset 0'),
        ("HTML", "<b>a", 'Can\'t find end tag corresponding to start tag "b"'),
        ("HTML", "<b>a</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("HTML", "a</b>", "Unexpected end tag at byte offset 1"),
        ("HTML", "Vec<u8>", 'Unsupported start tag "u8" at byte offset 3'),
        ("HTML", "&#xD800;", "Text contains invalid Unicode characters"),
        ("Markdown", "a_b", "Can't find end of the entity starting at byte offset 1"),
    ],
)
async def test_broken_markup_is_refused_in_the_official_words(server, http, mode, source, words):
    """A text that its parse mode cannot read gets the description a fallback to plain text looks for; it is no violation."""
    answer = await call(http, "sendMessage", chat_id=1, text=source, parse_mode=mode)
    assert answer["description"].startswith(f"Bad Request: can't parse entities: {words}")
    assert server.violations == []


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("https://a.b/c_(d)?e=f#g", ""),
        ("http://127.0.0.1:3000/x", ""),
        ("http://me:pass@a.b:8080", ""),
        ("http://[::1]:80/", ""),
        ("tg://user?id=1", ""),
        ("a.b/c", ""),
        ("http://localhost:3000/x", "Wrong HTTP URL"),
        ("http://a.b:70000", "Wrong port number specified in the URL"),
        ("http://a.b:port/", "Wrong port number specified in the URL"),
        ("http:///x", "URL host is empty"),
        ("http://./", "Host is invalid"),
        ("https://a b.c/", "Wrong URL host"),
        ("https://a%zz.b/", "Wrong percent-encoded symbol in URL host"),
        ("ftp://a.b/", "Unsupported URL protocol"),
    ],
)
async def test_an_address_behind_words_is_checked_as_telegram_checks_it(server, http, url, wrong):
    """One that it does not take costs the whole message."""
    answer = await call(
        http, "sendMessage", chat_id=1, text="x", entities=[{"type": "text_link", "offset": 0, "length": 1, "url": url}]
    )
    assert answer["ok"] == (not wrong)
    if wrong:
        server.violations.clear()
        assert (answer["error_code"], answer["description"]) == (400, f"Bad Request: wrong message entity: {wrong}")


async def test_telegram_changes_characters_and_moves_the_entities_along(server, http):
    """Tabs become spaces, some characters go, and an entity does not begin with a blank."""
    alice = server.user(1, "Alice")
    entities = [{"type": "pre", "offset": 0, "length": 4}, {"type": "bold", "offset": 8, "length": 3}]
    await call(http, "sendMessage", chat_id=1, text="  \tx \u2028a\u030ab\u202ec", entities=entities)
    [seen] = alice.sees()
    assert (
        seen.text == "  \tx \u2028a\u030ab\u202ec".translate({9: " ", 0x2028: None, 0x30A: None, 0x202E: None}).lstrip()
    )
    assert [(e["type"], e["offset"], e["length"]) for e in seen.entities] == [("pre", 0, 1), ("bold", 3, 2)]


@pytest.mark.parametrize(
    ("one", "other"),
    [("pre", "bold"), ("code", "text_link"), ("text_link", "code"), ("blockquote", "blockquote"), ("pre", "code")],
)
async def test_what_may_not_stand_in_something_else_is_dropped_without_a_word(server, http, one, other):
    """The message comes with less formatting than it was sent with; the phone counts that."""
    alice = server.user(1, "Alice")
    entities = [
        {"type": kind, "offset": at, "length": 4 - 2 * at} | ({"url": "https://a.b/"} if kind == "text_link" else {})
        for at, kind in ((0, one), (1, other))
    ]
    await call(http, "sendMessage", chat_id=1, text="abcd", entities=entities)
    [seen] = alice.sees()
    assert [entity["type"] for entity in seen.entities] == [one]
    assert seen.dropped_entities == 1
