"""The stand-in, driven by the real python-telegram-bot over real HTTP."""

import json
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import anyio
import pytest
from telegram import (
    Bot,
    BotCommand,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    MessageEntity,
    ReactionTypeEmoji,
    Update,
)
from telegram.constants import ReactionEmoji
from telegram.error import (
    BadRequest,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.ext import Application, ApplicationBuilder, CallbackQueryHandler, MessageHandler, filters
from telegram.request import HTTPXRequest

from tests.fakes.bot_api import BotApi
from tests.fakes.bot_api_facts import REACTIONS, TABLE_PATH
from tests.fakes.bot_api_phone import PNG

pytestmark = pytest.mark.anyio

SHARED_TABLE = Path(__file__).parents[3] / "shared" / "telegram" / "bot_api_10_3.json"
KEYBOARD = InlineKeyboardMarkup(
    [[InlineKeyboardButton("Run", callback_data="run:1"), InlineKeyboardButton("No", callback_data="no:1")]]
)


@pytest.fixture(autouse=True)
def durations_as_timedelta(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this the library warns whenever it meets a 429, and warnings are errors here."""
    monkeypatch.setenv("PTB_TIMEDELTA", "true")


@pytest.fixture
async def server() -> AsyncIterator[BotApi]:
    """A server with nobody in it."""
    async with BotApi() as running:
        yield running
    assert [v for v in running.violations if v.kind == "server"] == []


@pytest.fixture
async def bot(server: BotApi) -> AsyncIterator[Bot]:
    """The real client."""
    async with make_bot(server) as ready:
        yield ready


def make_bot(server: BotApi, *, token: str | None = None, read_timeout: float = 5.0) -> Bot:
    """A client of the server, with short time limits."""
    request = HTTPXRequest(connection_pool_size=8, read_timeout=read_timeout)
    polls = HTTPXRequest(connection_pool_size=2, read_timeout=read_timeout)
    token = token or server.token
    return Bot(
        token, base_url=server.base_url, base_file_url=server.base_file_url, request=request, get_updates_request=polls
    )


def make_application(server: BotApi) -> Application:
    """A whole application of the library."""
    return (
        ApplicationBuilder().token(server.token).base_url(server.base_url).base_file_url(server.base_file_url).build()
    )


def test_the_shipped_table_is_the_shared_one():
    """The facts table that a clone carries is byte for byte the one it was taken from."""
    if not SHARED_TABLE.exists():
        pytest.skip("the shared table is not beside this clone")
    assert TABLE_PATH.read_bytes() == SHARED_TABLE.read_bytes()


def test_the_reactions_are_those_of_the_library():
    """The list of emoji that a bot may react with is the platform's."""
    assert {emoji.value for emoji in ReactionEmoji} == REACTIONS


async def test_a_person_talks_with_an_application_that_polls(server):
    """Messages, edits and taps reach handlers through the real updater, and what the bot does is seen on the phone."""
    application = make_application(server)

    async def on_message(update: Update, _context) -> None:
        if update.message and update.message.text:
            await update.message.reply_text(f"You said {update.message.text}", reply_markup=KEYBOARD)
        elif update.edited_message:
            await update.edited_message.reply_text("You changed your mind")

    async def on_tap(update: Update, _context) -> None:
        assert update.callback_query
        await update.callback_query.answer("Running", show_alert=True)
        await update.callback_query.edit_message_text(f"Started {update.callback_query.data}")

    application.add_handler(MessageHandler(filters.TEXT, on_message))
    application.add_handler(CallbackQueryHandler(on_tap))
    alice = server.user(1, "Alice", "alice")
    async with application:
        await application.start()
        assert application.updater
        await application.updater.start_polling()
        number = alice.says("fix it")
        asked = await alice.waits_for("You said fix it")
        query = alice.taps("Run")
        answer = await alice.waits_for_answer(query)
        edited = await alice.waits_for("Started run:1")
        alice.edits(number, "leave it")
        await alice.waits_for("You changed your mind")
        await application.updater.stop()
        await application.stop()
    assert [button.data for button in asked.buttons] == ["run:1", "no:1"]
    assert (answer.text, answer.alert) == ("Running", True)
    assert (edited.message_id, edited.edits, edited.buttons) == (asked.message_id, 1, ())
    assert server.pending == []
    assert server.violations == []


async def test_an_update_stays_until_a_later_offset_confirms_it(server, bot):
    """GetUpdates repeats what is not confirmed, drops what the offset passes, and reads a negative offset from the end."""
    alice = server.user(1, "Alice")
    for text in ("one", "two", "three"):
        alice.says(text)
    first = await bot.get_updates(limit=2)
    again = await bot.get_updates(limit=2)
    rest = await bot.get_updates(offset=first[0].update_id + 1)
    last = await bot.get_updates(offset=-1)
    assert [update.message.text for update in first] == [update.message.text for update in again] == ["one", "two"]
    assert [update.message.text for update in rest] == ["two", "three"]
    assert [update.message.text for update in last] == ["three"]
    assert len(server.pending) == 1


async def test_a_long_poll_ends_as_soon_as_there_is_something(server, bot):
    """A poll without updates waits, and returns when one comes."""
    alice = server.user(1, "Alice")
    got: list[Update] = []

    async def poll() -> None:
        got.extend(await bot.get_updates(timeout=30))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(poll)
            await server.waits_for_request("getUpdates")
            alice.says("hello")
    assert [update.message.text for update in got if update.message] == ["hello"]


async def test_a_newer_poll_ends_the_older_one_with_a_conflict(server, bot):
    """Of two pollers with one token the older one gets the 409, in the words of the official server."""
    words: list[str | None] = []

    async def older() -> None:
        with pytest.raises(Conflict) as caught:
            await bot.get_updates(timeout=30)
        words.append(caught.value.message)
        server.user(1, "Alice").says("to the newer one")

    with anyio.fail_after(20):
        async with make_bot(server) as rival, anyio.create_task_group() as tasks:
            tasks.start_soon(older)
            await server.until(lambda: server.world.updates.polled)
            words += [update.message.text for update in await rival.get_updates(timeout=30) if update.message]
    assert words == [
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
        "to the newer one",
    ]


async def test_a_conflict_of_the_updater_is_heard_only_by_its_error_callback(server):
    """The real updater goes on polling after a rival's 409 and tells its error callback."""
    heard: list[TelegramError] = []
    application = make_application(server)
    alice = server.user(1, "Alice")
    async with application:
        assert application.updater
        await application.updater.start_polling(error_callback=heard.append)
        await server.waits_for_request("getUpdates")
        await server.until(server.rival_polls)
        await server.until(lambda: heard)
        alice.says("still there?")
        update = await application.update_queue.get()
        await application.updater.stop()
    assert isinstance(heard[0], Conflict)
    assert isinstance(update, Update)
    assert update.message
    assert update.message.text == "still there?"


async def test_updates_age_and_are_forgotten(server, bot):
    """The server keeps a message for a day and a tap for 150 seconds."""
    alice = server.user(1, "Alice")
    await bot.send_message(1, "Run?", reply_markup=KEYBOARD)
    alice.says("hello")
    alice.taps("Run")
    kinds = [[key for key in update if key != "update_id"] for update in server.pending]
    server.advance(151)
    later = len(server.pending)
    server.advance(24 * 3600)
    assert kinds == [["message"], ["callback_query"]]
    assert (later, server.pending) == (1, [])


async def test_only_asked_kinds_of_updates_come_and_the_choice_is_remembered(server, bot):
    """allowed_updates counts from the call that names it until another does; reactions come only when asked for."""
    alice = server.user(1, "Alice")
    number = alice.says("hello")
    alice.reacts(number, "👍")
    first = await bot.get_updates(allowed_updates=["message_reaction"])
    alice.says("not asked for")
    alice.reacts(number, "🔥")
    second = await bot.get_updates(offset=first[-1].update_id + 1)
    assert [update.message_reaction is None for update in first] == [True]
    assert [update.message_reaction.new_reaction[0].emoji for update in second if update.message_reaction] == ["🔥"]
    assert len(second) == 1


async def test_poison_and_repeated_updates_are_delivered_as_they_are(server, bot):
    """A test can queue what no server would send; the library chokes on it and the queue keeps it."""
    server.push_raw({"update_id": 5, "message": {"message_id": "not a number"}})
    server.push_raw({"update_id": 5, "message": {}})
    with pytest.raises((KeyError, TypeError)):
        await bot.get_updates()
    assert [update["update_id"] for update in server.pending] == [5, 5]


async def test_a_group_in_privacy_mode_tells_the_bot_only_what_is_meant_for_it(server, bot):
    """Without administrator rights a bot hears commands, mentions and replies; numbers of supergroups start at one."""
    alice = server.user(1, "Alice")
    team = server.group(-1001, "Team", bot="member")
    there = team.joined_by(alice)
    mine = await bot.send_message(-1001, "Hello, team")
    there.says("just talking")
    there.says("/status")
    there.says("@tollbridge_test_bot please")
    there.says("yes", reply_to=mine.message_id)
    texts = [update.message.text for update in await bot.get_updates() if update.message]
    assert mine.message_id == 1
    assert texts == ["/status", "@tollbridge_test_bot please", "yes"]
    assert (await bot.get_chat_member(-1001, 1)).status == "member"
    assert (await bot.get_chat_administrators(-1001)) == ()


async def test_topics_of_a_forum_are_made_named_closed_and_checked(server, bot):
    """Messages go to topics that exist; an unknown one is refused in the server's words."""
    alice = server.user(1, "Alice")
    team = server.group(-1001, "Team", forum=True)
    there = team.joined_by(alice)
    topic = await bot.create_forum_topic(-1001, "login fix")
    await bot.edit_forum_topic(-1001, topic.message_thread_id, name="login fix, done")
    await bot.send_message(-1001, "in the topic", message_thread_id=topic.message_thread_id)
    await bot.close_forum_topic(-1001, topic.message_thread_id)
    with pytest.raises(BadRequest, match="Message thread not found"):
        await bot.send_message(-1001, "where?", message_thread_id=999)
    there.says("here", thread=topic.message_thread_id)
    update = (await bot.get_updates())[0]
    assert update.message
    assert (update.message.message_thread_id, update.message.is_topic_message) == (topic.message_thread_id, True)
    assert [seen.text for seen in there.sees(topic.message_thread_id)] == ["in the topic"]
    assert [(t.name, t.closed) for t in team.topics.values()] == [("login fix, done", True)]
    assert server.violations == []


async def test_a_private_chat_has_topics_only_where_they_are_switched_on(server, bot):
    """CreateForumTopic in a private chat needs the switch, and getMe shows it."""
    server.user(1, "Alice")
    with pytest.raises(BadRequest, match="not a forum"):
        await bot.create_forum_topic(1, "session")
    async with BotApi(private_topics=True) as modern, make_bot(modern) as other:
        modern.user(1, "Alice")
        topic = await other.create_forum_topic(1, "session")
        sent = await other.send_message(1, "hello", message_thread_id=topic.message_thread_id)
        assert (await other.get_me()).has_topics_enabled
        with pytest.raises(BadRequest, match="not a forum"):
            await other.close_forum_topic(1, topic.message_thread_id)
    assert sent.message_thread_id == topic.message_thread_id


async def test_files_go_both_ways(server, bot):
    """What the bot uploads is seen with its bytes; what a person sends can be downloaded; a new chart replaces the old one."""
    alice = server.user(1, "Alice")
    sent = await bot.send_document(
        1, BytesIO(b"\r\n--binary\x00\xff"), filename="report.bin", caption="The *report*", parse_mode="Markdown"
    )
    chart = await bot.send_photo(1, PNG, caption="Spend")
    await bot.edit_message_media(InputMediaPhoto(PNG + b"\x00", caption="Spend, later"), 1, chart.message_id)
    await bot.send_media_group(1, [InputMediaPhoto(PNG), InputMediaPhoto(PNG)])
    alice.sends_document(b"notes \xe2\x82\xac", "notes.txt", caption="/read this")
    alice.sends_photo()
    alice.sends_voice(b"OggS")
    document, photo, voice = [update.message for update in await bot.get_updates() if update.message]
    downloaded = [
        bytes(await (await bot.get_file(part)).download_as_bytearray())
        for part in (document.document, photo.photo[-1], voice.voice)
    ]
    seen = alice.sees()
    assert downloaded == [b"notes \xe2\x82\xac", PNG, b"OggS"]
    assert document.caption_entities[0].type == MessageEntity.BOT_COMMAND
    assert seen[0].file
    assert (seen[0].file.name, seen[0].file.data, seen[0].text) == ("report.bin", b"\r\n--binary\x00\xff", "The report")
    assert seen[1].file
    assert (seen[1].text, seen[1].edits, seen[1].file.data) == ("Spend, later", 1, PNG + b"\x00")
    assert len(seen) == 4
    assert sent.document.file_size == 12
    assert server.violations == []


async def test_an_album_comes_part_by_part_and_a_place_moves(server, bot):
    """As the official server passes them on: a message each with one name, the caption with the first; a move is an edit."""
    alice = server.user(1, "Alice")
    album = alice.begins_album()
    alice.sends_parts(2, album=album, caption="look")
    alice.sends_parts(1, album=album)
    alice.sends_video_note(b"note")
    alice.sends_audio()
    alice.sends_video()
    alice.sends_contact("+49 30", "Bob")
    alice.throws_dice()
    place = alice.sends_location(52.5, 13.4, live_s=60)
    alice.moves(place, 48.1, 11.5)
    updates = await bot.get_updates()
    *messages, live = [update.message for update in updates if update.message]
    parts, (note, song, film, contact, die) = messages[:3], messages[3:]
    assert {part.media_group_id for part in parts} == {album}
    assert [part.caption for part in parts] == ["look", None, None]
    assert (note.video_note.length, note.video_note.file_size, song.audio.file_name) == (240, 4, "song.mp3")
    assert (film.video.width, contact.contact.first_name, die.dice.value) == (1280, "Bob", 5)
    assert live.location.latitude == 52.5
    (moved,) = [update.edited_message for update in updates if update.edited_message]
    assert (moved.message_id, moved.location.latitude) == (place, 48.1)
    assert server.violations == []


async def test_a_file_above_the_download_limit_is_refused(server, bot):
    """GetFile of more than 20 MB fails as on the official server, and so does a picture that is none."""
    alice = server.user(1, "Alice")
    alice.sends_document(bytes(20 * 1024 * 1024 + 1))
    update = (await bot.get_updates())[0]
    assert update.message
    assert update.message.document
    with pytest.raises(BadRequest, match="File is too big"):
        await update.message.document.get_file()
    with pytest.raises(BadRequest, match="Image_process_failed"):
        await bot.send_photo(1, b"not a picture")


async def test_edits_are_refused_as_the_official_server_does(server, bot):
    """Not modified, not found, not one's own: each in its official words; an edit without a keyboard removes it."""
    alice = server.user(1, "Alice")
    sent = await bot.send_message(1, "*same*", parse_mode="MarkdownV2", reply_markup=KEYBOARD)
    with pytest.raises(BadRequest, match="exactly the same as a current content and reply markup of the message"):
        await bot.edit_message_text("*same*", 1, sent.message_id, parse_mode="MarkdownV2", reply_markup=KEYBOARD)
    await bot.edit_message_text("*same*", 1, sent.message_id, parse_mode="MarkdownV2")
    await bot.edit_message_reply_markup(1, sent.message_id, reply_markup=KEYBOARD)
    with pytest.raises(BadRequest, match="Message to edit not found"):
        await bot.edit_message_text("x", 1, 999)
    with pytest.raises(BadRequest, match="Message can't be edited"):
        await bot.edit_message_text("x", 1, alice.says("mine"))
    seen = alice.sees()[0]
    assert (seen.edits, len(seen.buttons), seen.entities[0]["type"]) == (2, 2, "bold")
    assert await bot.delete_message(1, sent.message_id)
    with pytest.raises(BadRequest, match="Message to delete not found"):
        await bot.delete_message(1, sent.message_id)
    assert alice.sees() == []


async def test_a_tap_can_be_answered_once_and_only_in_time(server, bot):
    """An unknown, answered or old callback query gets the official refusal."""
    alice = server.user(1, "Alice")
    sent = await bot.send_message(1, "Run?", reply_markup=KEYBOARD)
    first, second = alice.taps("Run"), alice.taps("no:1")
    await bot.answer_callback_query(first, "Yes")
    await bot.edit_message_text("gone", 1, sent.message_id)
    third = alice.taps("run:1", sent.message_id, stale=True)
    with pytest.raises(LookupError, match="no button 'Run'"):
        alice.taps("Run")
    server.expire_callbacks()
    for query in (first, second, third, "77"):
        with pytest.raises(BadRequest, match="Query is too old and response timeout expired or query id is invalid"):
            await bot.answer_callback_query(query)
    assert [answer.text for answer in alice.answers] == ["Yes"]


async def test_who_blocked_the_bot_is_not_reached(server, bot):
    """A block answers 403, comes as an update, and ends with the unblocking; a stranger cannot be written to first."""
    alice = server.user(1, "Alice")
    server.user(2, "Bob", started=False)
    alice.blocks_bot()
    for chat_id, words in ((1, "bot was blocked by the user"), (2, "bot can't initiate conversation")):
        with pytest.raises(Forbidden, match=words):
            await bot.send_message(chat_id, "hello")
    with pytest.raises(BadRequest, match="Chat not found"):
        await bot.send_message(3, "hello")
    change = (await bot.get_updates())[0].my_chat_member
    assert change
    assert change.new_chat_member.status == "kicked"
    alice.unblocks_bot()
    assert (await bot.send_message(1, "hello")).text == "hello"


async def test_who_was_thrown_out_of_a_group_cannot_write_there(server, bot):
    """Kicked and left are different words."""
    thrown_out, left = server.group(-1001), server.group(-1002)
    thrown_out.kicks_bot()
    assert await bot.leave_chat(left.chat_id)
    with pytest.raises(Forbidden, match="bot was kicked from the supergroup chat"):
        await bot.send_message(-1001, "hello")
    with pytest.raises(Forbidden, match="bot is not a member of the supergroup chat"):
        await bot.send_message(-1002, "hello")


async def test_a_draft_has_a_number_and_fits_a_message(server, bot):
    """Zero is no number, more than a message's text is refused; an empty one shows that something is being thought about."""
    alice = server.user(1, "Alice")
    with pytest.raises(BadRequest, match=r"[Dd]raft_id must be non-zero"):
        await bot.send_message_draft(1, 0, "Hello")
    with pytest.raises(BadRequest, match=r"[Mm]essage is too long"):
        await bot.send_message_draft(1, 7, "x" * 4097)
    assert await bot.send_message_draft(1, 7, "x" * 4096)
    assert await bot.send_message_draft(1, 7, "")
    assert [len(draft.text) for draft in alice.drafts] == [4096, 0]


async def test_drafts_stream_in_private_chats_only(server, bot):
    """A draft is shown until the message comes, can be stopped by the person, and is refused in groups."""
    alice = server.user(1, "Alice")
    server.group(-1001)
    await bot.get_updates(allowed_updates=["stopped_message_generation"])
    draft = {"draft_id": 7, "text": "Thinking", "api_kwargs": {"can_stop": True}}
    assert await bot.send_message_draft(1, **draft)
    shown = [(d.draft_id, d.text) for d in alice.drafts]
    alice.stops_draft(7)
    with pytest.raises(BadRequest, match="Textdraft_peer_invalid"):
        await bot.send_message_draft(-1001, **draft)
    await bot.send_message(1, "Done")
    assert shown == [(7, "Thinking")]
    assert server.pending[0]["stopped_message_generation"]["draft_id"] == 7
    assert alice.drafts == []
    assert server.violations == []


async def test_small_things_are_kept_for_the_test_to_see(server, bot):
    """Chat actions, reactions, commands and replies show up on the phone or the server."""
    alice = server.user(1, "Alice")
    number = alice.forwards("look at this", sender="Carol")
    await bot.send_chat_action(1, "typing")
    await bot.set_message_reaction(1, number, [ReactionTypeEmoji("👀")])
    await bot.set_my_commands([BotCommand("status", "What runs")])
    await bot.send_message(1, "Looking", reply_to_message_id=number)
    with pytest.raises(BadRequest, match="Message to be replied not found"):
        await bot.send_message(1, "Looking", reply_to_message_id=999)
    forwarded = (await bot.get_updates())[0].message
    assert forwarded
    assert forwarded.forward_origin
    assert forwarded.forward_origin.type == "hidden_user"
    assert [action.action for action in alice.actions] == ["typing"]
    assert alice.screen()[0].reactions == ("👀",)
    assert alice.sees()[0].reply_to == number
    assert server.commands["default"] == [{"command": "status", "description": "What runs"}]
    assert (await bot.get_my_commands())[0].command == "status"
    assert (await bot.get_webhook_info()).url == ""
    assert (await bot.get_chat(1)).first_name == "Alice"
    assert server.violations == []


async def test_a_wrong_token_is_unauthorized(server):
    """The library reads the answer to a wrong token as such."""
    stranger = make_bot(server, token="1:wrong")
    with pytest.raises(InvalidToken):
        await stranger.initialize()
    await stranger.shutdown()
    assert (server.log[0].status, server.log[0].description) == (401, "Unauthorized")


async def test_too_many_requests_can_be_asked_for_on_one_chat(server, bot):
    """A 429 with its time to wait hits the chat that was named and nobody else, as often as was asked."""
    server.user(1, "Alice")
    server.user(2, "Bob")
    server.fail_next("sendMessage", retry_after=3, when=lambda request: request.params["chat_id"] == 1)
    with pytest.raises(RetryAfter) as caught:
        await bot.send_message(1, "hello")
    await bot.send_message(2, "hello")
    await bot.send_message(1, "again")
    assert caught.value.retry_after == timedelta(seconds=3)
    assert [r.status for r in server.requests("sendMessage")] == [429, 200, 200]


async def test_a_flooded_chat_stays_closed_until_its_time_is_over(server, bot):
    """While a chat is flooded every write to it is refused with the seconds that are left."""
    server.user(1, "Alice")
    server.flood(1, 2.5)
    for _ in range(2):
        with pytest.raises(RetryAfter) as caught:
            await bot.send_chat_action(1, "typing")
        assert caught.value.retry_after == timedelta(seconds=3)
    server.flood(1, 0)
    assert await bot.send_chat_action(1, "typing")


async def test_a_lost_response_leaves_the_message_behind(server, bot):
    """The call is carried out, its sender cannot know; a dropped request leaves nothing."""
    alice = server.user(1, "Alice")
    server.lose_next("sendMessage")
    server.cut_next("sendMessage")
    server.drop_next("sendMessage")
    for text in ("lost", "cut", "dropped"):
        with pytest.raises(NetworkError):
            await bot.send_message(1, text)
    await bot.send_message(1, "through")
    await server.waits_for_request("sendMessage", 4, done=True)
    assert [seen.text for seen in alice.sees()] == ["lost", "cut", "through"]
    assert [request.lost for request in server.requests("sendMessage")] == [True, True, True, False]


async def test_a_late_response_times_out_at_the_client(server):
    """An answer that is held or slow is a TimedOut for the sender although the message is there."""
    alice = server.user(1, "Alice")
    async with make_bot(server, read_timeout=0.2) as hasty:
        hold = server.hold_next("sendMessage")
        with pytest.raises(TimedOut):
            await hasty.send_message(1, "held")
        await hold.reached()
        hold.release()
        server.slow_next("sendMessage", 0.5)
        with pytest.raises(TimedOut):
            await hasty.send_message(1, "slow")
    assert [seen.text for seen in alice.sees()] == ["held", "slow"]


async def test_a_gateway_page_and_an_outage_are_network_errors(server, bot):
    """A 502 with a page of HTML and a closed port fail, and afterwards everything is as it was."""
    alice = server.user(1, "Alice")
    server.fail_next("sendMessage", status=502, html=True)
    with pytest.raises(NetworkError, match="Bad Gateway"):
        await bot.send_message(1, "hello")
    server.goes_down()
    with pytest.raises(NetworkError):
        await bot.send_message(1, "hello")
    server.comes_back()
    await bot.send_message(1, "back")
    assert [seen.text for seen in alice.sees()] == ["back"]


async def test_a_killed_poller_does_not_take_updates_with_it(server, bot):
    """A poller in another process dies by SIGKILL; what it did not confirm comes to the next one, without a conflict."""
    alice = server.user(1, "Alice")
    program = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=60).read()"
    url = f"{server.base_url}{server.token}/getUpdates?timeout=50"
    async with await anyio.open_process([sys.executable, "-c", program, url]) as poller:
        await server.waits_for_request("getUpdates", timeout=20)
        poller.kill()
    alice.says("anybody there?")
    updates = await bot.get_updates(timeout=5)
    await server.waits_for_request("getUpdates", 2, done=True)
    assert [update.message.text for update in updates if update.message] == ["anybody there?"]
    assert [request.status for request in server.requests("getUpdates")] == [200, 200]


async def test_waiting_in_vain_says_what_was_visible(server, bot):
    """A wait that fails names what it waited for and what was on the screen instead."""
    alice = server.user(1, "Alice")
    await bot.send_message(1, "something else")
    with pytest.raises(AssertionError, match=r"'Done'.*visible: \['something else'\]"):
        await alice.waits_for("Done", timeout=0.05)
    json.dumps([seen.data for seen in alice.sees()])
