"""What updates mean, and what is none of ours."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.chats.telegram.read import read
from gateway.domain.events import Edited, Ignored, Membership, Message, Moved, Tap, Unsupported
from gateway.domain.files import Attachment, FileKind
from gateway.domain.place import Thread
from gateway.ports import UnreadableError

BOT = "tollbridge_bot"
ALICE = {"id": 4711, "is_bot": False, "first_name": "Alice"}
GROUP = {"id": -100123, "type": "supergroup", "title": "Team"}
PRIVATE = {"id": 4711, "type": "private", "first_name": "Alice"}


def stored(**update: Any) -> str:
    """A payload as `receive` stores it."""
    return json.dumps({"bot": BOT, "update": {"update_id": 1, **update}})


def text(words: str, *, chat: dict[str, Any] = PRIVATE, **more: Any) -> str:
    """A text message; one that begins with a slash has the entity that Telegram adds."""
    command = words.split(maxsplit=1)[0] if words.startswith("/") else ""
    entities = [{"type": "bot_command", "offset": 0, "length": len(command)}] if command else []
    message = {"message_id": 5, "date": 1, "chat": chat, "from": ALICE, "text": words, "entities": entities}
    return stored(message=message | more)


def edit(words: str, **more: Any) -> str:
    """An edit of message 5."""
    message = json.loads(text(words, **more))["update"]["message"]
    return stored(edited_message={"edit_date": 2} | message)


def tap(**more: Any) -> str:
    """A press on a button."""
    message = {"message_id": 9, "date": 1, "chat": PRIVATE, "text": "Run?"}
    query = {"id": "77", "from": ALICE, "message": message, "chat_instance": "1", "data": "token"}
    return stored(callback_query=query | more)


def test_a_private_text_and_a_group_text_know_where_they_are() -> None:
    """Chat, topic and privacy come from numbers alone."""
    assert read(text("hi")) == Message(Thread("telegram", "4711"), "4711", "hi")
    topical = text("hi", chat=GROUP, message_thread_id=42, is_topic_message=True)
    assert read(topical) == Message(Thread("telegram", "-100123", "42"), "4711", "hi")


def test_a_reply_thread_in_a_group_without_topics_is_no_topic() -> None:
    """Telegram numbers replies like topics; only real topics are threads."""
    assert read(text("hi", chat=GROUP, message_thread_id=42)) == Message(Thread("telegram", "-100123"), "4711", "hi")


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("/stop", ("stop", "")),
        ("/Budget  10 ", ("budget", "10")),
        ("/new claude ~/src\nmore", ("new", "claude ~/src\nmore")),
        (f"/cost@{BOT} today", ("cost", "today")),
        (f"/cost@{BOT.upper()}", ("cost", "")),
    ],
)
def test_commands_typed_by_a_person_are_commands(words: str, command: tuple[str, str]) -> None:
    """Name in small letters, arguments as typed, with or without our own name."""
    message = read(text(words))
    assert isinstance(message, Message)
    assert message.command == command


def test_a_command_for_another_bot_is_ignored() -> None:
    """In a group with two bots we do not do the other one's work."""
    assert isinstance(read(text("/stop@other_bot", chat=GROUP)), Ignored)


@pytest.mark.parametrize(
    "payload",
    [
        text("/stop all", forward_origin={"type": "hidden_user", "date": 1, "sender_user_name": "x"}),
        text("/stop all", via_bot={"id": 2, "is_bot": True, "first_name": "inline"}),
        text("/stop all", entities=[]),
        text("/stop all", entities=[{"type": "bot_command", "offset": 4, "length": 5}]),
        text("/stop all", entities=[{"type": "code", "offset": 0, "length": 5}]),
        text("/stop all", entities=[{"type": "bot_command", "offset": 0, "length": 3}]),
    ],
)
def test_a_forwarded_made_or_quoted_command_is_only_text(payload: str) -> None:
    """A command comes from the person's own keyboard or it is none."""
    message = read(payload)
    assert isinstance(message, Message)
    assert (message.text, message.command) == ("/stop all", None)


def test_quoted_text_is_not_part_of_the_message() -> None:
    """What a person replies to is somebody else's words: told apart, the part that was picked out before the whole."""
    quoted = {"reply_to_message": {"message_id": 1, "text": "/stop all now"}, "quote": {"text": "/stop all"}}
    message = read(text("what is this?", **quoted))
    told = Message(Thread("telegram", "4711"), "4711", "what is this?", replies_to="1", quoted="/stop all")
    assert message == told
    assert read(text("what is this?", reply_to_message={"message_id": 1, "caption": "/stop all"})) == told
    assert read(text("", photo=SIZES, reply_to_message={"message_id": 1, "text": "Which?"})).quoted == "Which?"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        ({"type": "user", "sender_user": ALICE | {"id": 5}}, "Alice"),
        ({"type": "user", "sender_user": ALICE | {"id": 5, "last_name": "Liddell"}}, "Alice Liddell"),
        ({"type": "hidden_user", "sender_user_name": "x"}, "x"),
        ({"type": "chat", "sender_chat": GROUP}, "Team"),
        ({"type": "channel", "chat": {"id": -1, "type": "channel", "title": "News"}, "message_id": 1}, "News"),
        ({"type": "user", "sender_user": {"id": 5, "first_name": " "}}, "somebody"),
        ({"type": "of a later version"}, "somebody"),
        ({}, "somebody"),
    ],
)
def test_what_was_forwarded_says_from_whom(origin: dict[str, Any], name: str) -> None:
    """Words and files alike: an agent must not take them for the person's own."""
    assert read(text("hi", forward_origin=origin)).forwarded == name  # type: ignore[union-attr]
    assert read(text("", photo=SIZES, forward_origin=origin)).forwarded == name  # type: ignore[union-attr]


def test_ones_own_words_that_are_forwarded_are_ones_own() -> None:
    """By the number of who wrote them; a name proves nothing."""
    own = {"type": "user", "sender_user": ALICE}
    assert read(text("hi", forward_origin=own)).forwarded == ""  # type: ignore[union-attr]
    alike = {"type": "hidden_user", "sender_user_name": "Alice"}
    assert read(text("hi", forward_origin=alike)).forwarded == "Alice"  # type: ignore[union-attr]


def test_what_a_bot_wrote_for_a_person_is_that_bots() -> None:
    """Inline bots put their own words into a person's message."""
    message = read(text("hi", via_bot={"id": 2, "is_bot": True, "first_name": "inline"}))
    assert message == Message(Thread("telegram", "4711"), "4711", "hi", forwarded="inline")


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (text("hi", chat=GROUP, sender_chat=GROUP), "in the name of a chat"),
        (text("hi", chat={"id": -1, "type": "channel"}), "channel"),
        (text("hi", **{"from": {"id": 8, "is_bot": True}}), "not written by a person"),
        (stored(message={"message_id": 1, "date": 1, "chat": GROUP, "text": "x"}), "not written by a person"),
        (text("", new_chat_members=[ALICE]), "a service message"),
        (text("", chat=GROUP, sender_chat=GROUP, photo=[{}]), "in the name of a chat"),
        (text("", **{"from": {"id": 8, "is_bot": True}}, sticker={}), "not written by a person"),
        (edit("hi", sender_chat=GROUP), "in the name of a chat"),
        (edit("hi", chat={"id": -1, "type": "channel"}), "channel"),
        (edit("", location={"latitude": 1.0, "longitude": 1.0}), "something else than words"),
        (edit("", photo=[{}], caption="better"), "what is not read here"),
        (edit("same words", edit_date=0), "something else than words"),
        (edit("/stop@other_bot", chat=GROUP), "another bot"),
        (stored(chat_member={"anything": 1}), "chat_member"),
        (stored(), "nothing"),
        (tap(data=None), "not ours"),
        (tap(message=None, inline_message_id="x"), "not ours"),
        (tap(**{"from": {"id": 8, "is_bot": True}}), "by a bot"),
    ],
)
def test_what_no_person_says_is_ignored_with_the_reason(payload: str, why: str) -> None:
    """Attack 14: anonymous admins, channels, bots, service messages and edits that nobody typed reach nobody."""
    seen = read(payload)
    assert isinstance(seen, Ignored)
    assert why in seen.why


HERE = Thread("telegram", "4711")


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("poll", "polls"),
        ("dice", "dice"),
        ("game", "games"),
        ("checklist", "checklists"),
        ("story", "stories"),
        ("paid_media", "media that is paid for"),
        ("video", "files that the chat does not name"),
        ("location", "a location without its coordinates"),
    ],
)
def test_what_is_not_read_is_answered_in_words(kind: str, named: str) -> None:
    """People learn what is not read and what to do instead, wherever and whatever they send."""
    words = f"I do not read {named}: say it in words."
    assert read(text("", **{kind: {}})) == Unsupported(HERE, "4711", words, "5")
    topical = text("", chat=GROUP, message_thread_id=42, is_topic_message=True, **{kind: {}})
    seen = read(topical)
    assert isinstance(seen, Unsupported)
    assert seen.thread == Thread("telegram", "-100123", "42")


def test_a_caption_below_what_is_not_read_is_asked_for_again() -> None:
    """Nobody waits for the answer to words under it, be they a command."""
    seen = read(text("", paid_media={}, caption="/stop all"))
    words = "I do not read media that is paid for: send the words below it as a message of their own."
    assert seen == Unsupported(HERE, "4711", words, "5")


def test_what_cannot_be_read_of_an_album_goes_by_one_name() -> None:
    """Ten of them at once get one answer."""
    album = [text("", message_id=number, paid_media={}, media_group_id="77") for number in range(10)]
    assert {(read(payload).once, read(payload).album) for payload in album} == {("album:77", "77")}  # type: ignore[union-attr]


PLAYS = {"file_id": "f", "file_size": 9, "duration": 7}


@pytest.mark.parametrize(
    ("sent", "file"),
    [
        ({"voice": PLAYS}, Attachment("f", "voice.ogg", FileKind.VOICE, 9, 7)),
        ({"voice": PLAYS | {"mime_type": "audio/mp4"}}, Attachment("f", "voice.m4a", FileKind.VOICE, 9, 7)),
        ({"video_note": PLAYS | {"length": 240}}, Attachment("f", "video-note.mp4", FileKind.VIDEO_NOTE, 9, 7)),
        ({"audio": PLAYS | {"file_name": "/etc/a.mp3"}}, Attachment("f", "a.mp3", FileKind.AUDIO, 9, 7)),
        ({"audio": PLAYS | {"mime_type": "audio/../x"}}, Attachment("f", "audio.mp3", FileKind.AUDIO, 9, 7)),
        ({"video": PLAYS | {"file_name": "nul.mp4"}}, Attachment("f", "_nul.mp4", FileKind.VIDEO, 9, 7)),
        ({"animation": PLAYS, "document": PLAYS}, Attachment("f", "animation.mp4", FileKind.ANIMATION, 9, 7)),
        ({"sticker": {"file_id": "f"}}, Attachment("f", "sticker.webp", FileKind.STICKER)),
        ({"sticker": {"file_id": "f", "is_animated": True}}, Attachment("f", "sticker.tgs", FileKind.STICKER)),
        ({"sticker": {"file_id": "f", "is_video": True}}, Attachment("f", "sticker.webm", FileKind.STICKER)),
        ({"live_photo": PLAYS, "photo": [{"file_id": "f"}]}, Attachment("f", "photo.jpg", FileKind.PHOTO)),
        ({"voice": PLAYS | {"duration": -1}}, Attachment("f", "voice.ogg", FileKind.VOICE, 9)),
    ],
)
def test_what_people_send_is_a_file_of_its_kind(sent: dict[str, Any], file: Attachment) -> None:
    """Attack 46: under a name of our own, or one that leads nowhere, with what Telegram tells of its length."""
    assert read(text("", caption="Listen", **sent)) == Message(HERE, "4711", "Listen", attachments=(file,))


def test_a_sticker_says_what_it_stands_for() -> None:
    """As what it is: no word of the person's own, and no command."""
    seen = read(text("", sticker={"file_id": "f", "emoji": "\u2764]\n/stop"}))
    assert isinstance(seen, Message)
    assert (seen.text, seen.command) == ("[Sticker: \u2764) /stop]", None)


def test_what_is_said_in_a_forwarded_recording_is_not_the_senders() -> None:
    """The file itself knows it: it is listened to later. Attack 18."""
    origin = {"type": "user", "sender_user": ALICE | {"id": 5}}
    seen = read(text("", voice=PLAYS, forward_origin=origin))
    assert isinstance(seen, Message)
    assert (seen.forwarded, seen.attachments[0].passed_on) == ("Alice", True)


PLACE = {"latitude": 52.5163, "longitude": 13.3777}


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"location": PLACE}, "[Location: 52.5163, 13.3777]"),
        ({"location": {"latitude": -0.5, "longitude": 13}}, "[Location: -0.5, 13]"),
        (
            {"location": PLACE | {"live_period": 900}},
            "[Location: 52.5163, 13.3777, when it was sent. It may have moved since; that is not followed.]",
        ),
        (
            {"venue": {"title": "Gate]", "address": "Pariser\nPlatz", "location": PLACE}, "location": PLACE},
            "[Venue: Gate), Pariser Platz (52.5163, 13.3777)]",
        ),
        (
            {"contact": {"phone_number": "+49 30", "first_name": "/stop\n[x]", "last_name": "\u202eL"}},
            "[Contact, as its sender gave it: /stop (x) \\u{202e}L, +49 30]",
        ),
    ],
)
def test_a_place_or_a_number_is_told_as_what_it_is(sent: dict[str, Any], words: str) -> None:
    """Attack 19: on one line in brackets that nothing in it ends, with nothing hidden; and never a command."""
    assert read(text("", **sent)) == Message(HERE, "4711", words)


@pytest.mark.parametrize("place", [{}, {"latitude": 91.0, "longitude": 0.0}, {"latitude": "1", "longitude": 2.0}])
def test_a_place_that_is_on_no_map_is_not_told(place: dict[str, Any]) -> None:
    """It is answered like what is not read."""
    assert isinstance(read(text("", location=place)), Unsupported)
    assert isinstance(read(text("", venue={"title": "a", "address": "b", "location": place})), Unsupported)


SIZES = [{"file_id": "small", "file_size": 10, "width": 1, "height": 1}, {"file_id": "large", "width": 2, "height": 2}]
FILE = {"file_id": "doc", "file_name": "../a\u202e.txt", "file_size": 5, "mime_type": "text/plain"}


def test_a_picture_is_a_message_with_its_largest_size_and_its_caption() -> None:
    """Words below it are its text."""
    seen = read(text("", photo=SIZES, caption="What is this?", reply_to_message={"message_id": 3}))
    photo = Attachment("large", "photo.jpg", FileKind.PHOTO)
    assert seen == Message(HERE, "4711", "What is this?", replies_to="3", attachments=(photo,))


def test_a_document_is_a_message_with_a_name_that_misleads_nobody() -> None:
    """Also without a word; its size is what Telegram claims."""
    assert read(text("", document=FILE)) == Message(
        HERE, "4711", "", attachments=(Attachment("doc", "a.txt", FileKind.DOCUMENT, 5),)
    )


def test_each_picture_of_an_album_knows_that_it_is_a_part() -> None:
    """None is lost, only the one with the caption has words, and file and message name the album."""
    first = read(text("", photo=SIZES, media_group_id="77", caption="look"))
    second = read(text("", message_id=6, photo=SIZES, media_group_id="77"))
    assert isinstance(first, Message)
    assert isinstance(second, Message)
    assert [first.text, second.text] == ["look", ""]
    assert {first.album, second.album, first.attachments[0].album, second.attachments[0].album} == {"77"}


def test_a_command_below_a_picture_is_not_carried_out_and_said_so() -> None:
    """It is neither an order nor words for the agent; one that was forwarded is only words."""
    entities = [{"type": "bot_command", "offset": 0, "length": 5}]
    seen = read(text("", photo=SIZES, caption="/stop all", caption_entities=entities))
    assert seen == Unsupported(HERE, "4711", "A command below a file is not carried out: send it as a message.", "5")
    forwarded = {"forward_origin": {"type": "hidden_user", "date": 1, "sender_user_name": "x"}}
    message = read(text("", photo=SIZES, caption="/stop all", caption_entities=entities, **forwarded))
    assert isinstance(message, Message)
    assert (message.text, message.command) == ("/stop all", None)


@pytest.mark.parametrize(
    "media",
    [
        {"photo": []},
        {"photo": [{}]},
        {"photo": 7},
        {"document": {"file_id": ""}},
        {"document": {"file_id": "x" * 600}},
        {"document": FILE, "animation": {}},
        {"voice": {"file_id": 7}},
    ],
)
def test_a_file_that_cannot_be_named_is_answered_like_other_media(media: dict[str, Any]) -> None:
    """Telegram names every file; one that it does not name cannot be fetched."""
    assert isinstance(read(text("", **media)), Unsupported)


@pytest.mark.parametrize("size", [-1, True, "5", 2**60, None])
def test_a_size_that_makes_no_sense_is_unknown(size: object) -> None:
    """It is counted when it comes."""
    seen = read(text("", document=FILE | {"file_size": size}))
    assert isinstance(seen, Message)
    assert seen.attachments[0].size is None


def test_an_edit_is_the_message_as_it_would_be_if_it_had_been_sent_so() -> None:
    """With its name, by which what waits is found, and the time when it was first written."""
    seen = read(edit("better"))
    assert seen == Edited(Message(HERE, "4711", "better"))
    assert isinstance(seen, Edited)
    assert (seen.message.message_id, seen.message.sent_at_ms) == ("5", 1000)
    assert read(edit("", photo=SIZES, caption="better")).message.text == "better"  # type: ignore[union-attr]
    below = edit("", photo=SIZES, caption="/stop", caption_entities=[{"type": "bot_command", "offset": 0, "length": 5}])
    assert isinstance(read(below), Ignored)


def test_a_press_names_token_message_and_person() -> None:
    """Everything an approval is bound to, in numbers."""
    assert read(tap()) == Tap(Thread("telegram", "4711"), "4711", "token", "9", "77")


def test_a_press_on_a_message_too_old_to_be_shown_still_counts() -> None:
    """Telegram hands over a shell of an old message: chat and number are enough."""
    seen = read(tap(message={"message_id": 9, "date": 0, "chat": PRIVATE}))
    assert isinstance(seen, Tap)


def test_characters_that_cannot_be_stored_are_taken_out() -> None:
    """NUL and lone surrogates never reach a database or an agent; everything else does."""
    message = read(text("a\x00b\ud800c\U0001f600"))
    assert isinstance(message, Message)
    assert message.text == "abc\U0001f600"


@pytest.mark.parametrize(
    "update",
    [
        None,
        7,
        "text",
        [],
        {"message": {}},
        {"update_id": 1, "message": "no object"},
        {"update_id": 1, "message": {"message_id": 1, "chat": {"id": "4711", "type": "private"}, "text": "x"}},
        {"update_id": 1, "message": {"message_id": 1, "chat": {"id": 1, "type": "dream"}, "text": "x"}},
        {"update_id": 1, "callback_query": {"id": "1", "data": "x"}},
        {"update_id": 1, "callback_query": {"id": "1", "from": ALICE, "data": "x" * 65}},
    ],
)
def test_poison_is_unreadable_and_the_reason_quotes_nothing_of_it(update: Any) -> None:
    """A malformed update is told from a meaningless one, without echoing its contents."""
    with pytest.raises(UnreadableError) as caught:
        read(json.dumps({"bot": BOT, "update": update}))
    assert "4711" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "message_id": JSON,
        "chat": JSON | st.just(PRIVATE),
        "from": JSON | st.just(ALICE),
        "text": JSON,
        "photo": JSON,
        "edit_date": JSON,
        "media_group_id": JSON,
        "entities": JSON,
        "forward_origin": JSON,
    },
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.fixed_dictionaries(
        {"update_id": st.integers()},
        optional={"message": MESSAGE | JSON, "edited_message": MESSAGE | JSON, "callback_query": JSON, "poll": JSON},
    )
)
def test_any_json_is_read_or_unreadable(update: dict[str, Any]) -> None:
    """No update, however odd, raises anything else."""
    try:
        seen = read(json.dumps({"bot": BOT, "update": update}))
    except UnreadableError:
        return
    assert isinstance(seen, Message | Edited | Tap | Unsupported | Ignored)


# ------------------------------------------------------------------------------------------------------------- groups
def marked(words: str, *mentions: str, kind: str = "mention", **more: Any) -> str:
    """A text in a group in which each of these is an entity, counted as Telegram counts."""
    units = words.encode("utf-16-le")
    entities: list[dict[str, Any]] = [
        {"type": kind, "offset": units.index(one.encode("utf-16-le")) // 2, "length": len(one.encode("utf-16-le")) // 2}
        for one in mentions
    ]
    if "user" in more:
        entities = [entity | {"user": more["user"]} for entity in entities]
    if "/" in words:
        at = words.index("/")
        length = len(words[at:].split(maxsplit=1)[0])
        entities.append({"type": "bot_command", "offset": at, "length": length})
    return text(words, chat=GROUP, entities=entities, **{key: one for key, one in more.items() if key != "user"})


@pytest.mark.parametrize(
    ("words", "mention", "left"),
    [
        (f"@{BOT} go", f"@{BOT}", "go"),
        (f"please @{BOT} go", f"@{BOT}", "please go"),
        (f"go, @{BOT}", f"@{BOT}", "go, "),
        (f"@{BOT}", f"@{BOT}", ""),
        (f"\N{ROCKET}\N{ROCKET} @{BOT.upper()} go \N{ROCKET}", f"@{BOT.upper()}", "\N{ROCKET}\N{ROCKET} go \N{ROCKET}"),
    ],
)
def test_the_bots_name_is_no_part_of_the_prompt(words: str, mention: str, left: str) -> None:
    """Wherever it stands, in the letters' either case, behind characters that count as two."""
    seen = read(marked(words, mention))
    assert isinstance(seen, Message)
    assert (seen.text, seen.in_group, seen.addressed) == (left, True, True)


def test_a_mention_by_number_is_the_bots_own_number() -> None:
    """A name that is only shown decides nothing; nor does one that is written where Telegram saw no mention."""
    mine, other = ({"id": number, "is_bot": True, "first_name": "Bot"} for number in (7, 8))
    for user, addressed in ((mine, True), (other, False)):
        seen = read(marked("Bot, go", "Bot", kind="text_mention", user=user), 7)
        assert isinstance(seen, Message)
        assert (seen.addressed, seen.text) == (addressed, ", go" if addressed else "Bot, go")
    unmarked = read(marked(f"@{BOT} go"))
    assert isinstance(unmarked, Message)
    assert (unmarked.addressed, unmarked.text) == (False, f"@{BOT} go")


@pytest.mark.parametrize(
    ("words", "mention", "command", "addressed"),
    [
        (f"@{BOT} /stop all", f"@{BOT}", ("stop", "all"), True),
        (f"/stop@{BOT} all", None, ("stop", "all"), True),
        ("/stop all", None, ("stop", "all"), False),
        (f"go on /stop @{BOT}", f"@{BOT}", None, True),
    ],
)
def test_a_command_in_a_group_is_one_at_the_beginning(
    words: str, mention: str | None, command: tuple[str, str] | None, addressed: bool
) -> None:
    """Behind the bot's name, or with it; whether one without it is meant for the bot is decided where its topic is known."""
    seen = read(marked(words, *([mention] if mention else [])))
    assert isinstance(seen, Message)
    assert (seen.command, seen.addressed) == (command, addressed)


def test_a_reply_to_the_bot_is_meant_for_it_and_one_in_a_topic_that_it_began_is_not() -> None:
    """Everything in a topic names as what it replies to the message that began the topic."""
    bot, ada = ({"id": number, "is_bot": number == 7, "first_name": "B"} for number in (7, 8))
    replied = {"message_id": 3, "date": 1, "chat": GROUP, "text": "done"}
    began = {"forum_topic_created": {"name": "a", "icon_color": 1}}
    for target, addressed in (({"from": bot}, True), ({"from": ada}, False), ({"from": bot} | began, False)):
        seen = read(text("again", chat=GROUP, reply_to_message=replied | target), 7)
        assert isinstance(seen, Message)
        assert seen.addressed is addressed


def test_the_caption_of_a_picture_in_a_group_names_the_bot_like_a_text() -> None:
    """A picture without its name is for somebody else."""
    photo = [{"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1, "file_size": 5}]
    for caption, addressed in ((f"@{BOT} look", True), ("look", False)):
        entities = [{"type": "mention", "offset": 0, "length": len(BOT) + 1}] if addressed else []
        message = {"message_id": 5, "date": 1, "chat": GROUP, "from": ALICE, "photo": photo}
        seen = read(stored(message=message | {"caption": caption, "caption_entities": entities}))
        assert isinstance(seen, Message)
        assert (seen.text, seen.addressed, seen.in_group) == ("look", addressed, True)


@pytest.mark.parametrize(
    ("before", "now", "was", "there"),
    [
        ("left", "member", False, True),
        ("kicked", "administrator", False, True),
        ("member", "administrator", True, True),
        ("administrator", "kicked", True, False),
        ("member", "left", True, False),
        ("member", "restricted", True, True),
    ],
)
def test_what_becomes_of_the_bot_in_a_group_is_told_by_whom(before: str, now: str, was: bool, there: bool) -> None:
    """Who added it decides whether it stays."""
    me = {"id": 7, "is_bot": True, "first_name": "B"}
    members = {"old_chat_member": {"status": before, "user": me}, "new_chat_member": {"status": now, "user": me}}
    change = {"chat": GROUP, "from": ALICE, "date": 1}
    assert read(stored(my_chat_member=change | members)) == Membership(
        Thread("telegram", "-100123"), "4711", was=was, now=there
    )
    assert isinstance(read(stored(my_chat_member=change | members | {"chat": PRIVATE})), Ignored)


def test_a_new_number_is_told_by_a_service_message_of_telegrams_alone() -> None:
    """Attack 15: from the old group or the new one; never in a text, an edit, a forwarded message, a private chat, or to what is no
    supergroup.
    """
    old = {"id": -5, "type": "group", "title": "Team"}
    service: dict[str, Any] = {"message_id": 5, "date": 1, "chat": old, "from": ALICE}
    moved = Moved("telegram", "-5", "-100123")
    assert read(stored(message=service | {"migrate_to_chat_id": -100123})) == moved
    assert read(stored(message=service | {"chat": GROUP, "migrate_from_chat_id": -5})) == moved
    forged: list[dict[str, Any]] = [
        service | {"migrate_to_chat_id": -100123, "text": "hi"},
        service | {"migrate_to_chat_id": -100123, "forward_origin": {"type": "hidden_user"}},
        service | {"migrate_to_chat_id": -100123, "chat": GROUP},
        service | {"migrate_to_chat_id": -100123, "chat": PRIVATE},
        service | {"migrate_to_chat_id": 4711},
        service | {"migrate_to_chat_id": "-100123"},
        service | {"chat": GROUP, "migrate_from_chat_id": -100123},
    ]
    assert not [one for one in forged if isinstance(read(stored(message=one)), Moved)]
    assert isinstance(read(stored(edited_message=service | {"migrate_to_chat_id": -100123})), Ignored)
