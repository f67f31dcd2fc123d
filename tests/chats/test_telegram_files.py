"""Files and reactions over Telegram's wire: photos, documents, and what comes of them when something goes wrong."""

from pathlib import Path

import pytest

from gateway.chats.telegram import TelegramChat
from gateway.core.files import card_ref, enclosed, file_ref
from gateway.domain.effects import Button
from gateway.domain.files import FileKind, Parcel
from gateway.domain.place import Thread
from gateway.ports import Delayed, Delivered, Post, Receipt, Rejected, Saved, Uncertain
from gateway.view.bot_api_words import TOO_BIG
from tests.chats.test_chat_contract import names
from tests.fakes.bot_api import BotApi, Phone
from tests.fakes.bot_api_phone import PNG

pytestmark = pytest.mark.anyio

PLACE = Thread("telegram", "4711")
THUMB = "\N{THUMBS UP SIGN}"


class Sender:
    """Sends one file."""

    def __init__(self, chat: TelegramChat, place: Path) -> None:
        self.chat = chat
        self.copy = place / "file_1"

    async def sends(
        self, content: bytes = b"five!", name: str = "a.txt", kind: FileKind = FileKind.DOCUMENT, thread: Thread = PLACE
    ) -> Receipt:
        self.copy.write_bytes(content)
        parcel = Parcel(str(self.copy), name, kind, len(content), f"/srv/{name}")
        return await self.chat.deliver(Post(1, thread, file_ref("r", 1), enclosed(parcel)))


@pytest.fixture
def sender(chat: TelegramChat, tmp_path: Path) -> Sender:
    """With a copy of its own."""
    return Sender(chat, tmp_path)


async def test_a_picture_is_shown_as_one_and_everything_else_as_a_file(
    sender: Sender, server: BotApi, alice: Phone
) -> None:
    """Each by the method that is made for it."""
    assert isinstance(await sender.sends(PNG, "shot.png", FileKind.PHOTO), Delivered)
    assert isinstance(await sender.sends(b"five!", "n\u00f6tes.txt"), Delivered)
    photo, document = alice.sees()
    assert "photo" in photo.data
    assert document.data["document"]["file_name"] == "n\u00f6tes.txt"
    assert [seen.file.data for seen in (photo, document) if seen.file] == [PNG, b"five!"]
    assert server.requests("sendDocument")[0].params["disable_notification"] is True


async def test_a_file_goes_to_its_topic(sender: Sender, server: BotApi) -> None:
    """Like every message of the thread."""
    group = server.group(-100123, forum=True)
    topic = group.topic("work")
    receipt = await sender.sends(thread=Thread("telegram", "-100123", str(topic)))
    assert isinstance(receipt, Delivered)
    assert server.requests("sendDocument")[0].params["message_thread_id"] == topic


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n" + b"\0" * 8 + b"\0\0\x30\0\0\0\0\x10", b"\xff\xd8"])
async def test_a_picture_that_telegram_does_not_take_as_one_goes_as_a_file(
    sender: Sender, alice: Phone, content: bytes
) -> None:
    """Too wide, or no picture after all: it still arrives, whole, and once."""
    assert isinstance(await sender.sends(content, "wide.png", FileKind.PHOTO), Delivered)
    [seen] = alice.sees()
    assert seen.file is not None
    assert (seen.file.name, seen.file.data) == ("wide.png", content)
    assert "document" in seen.data


async def test_a_large_file_is_sent_whole(sender: Sender, alice: Phone) -> None:
    """Many times what is read at once."""
    content = bytes(range(256)) * 20_000
    assert isinstance(await sender.sends(content), Delivered)
    [seen] = alice.sees()
    assert seen.file is not None
    assert seen.file.data == content


async def test_a_lost_answer_to_a_file_is_uncertain_and_a_failure_before_it_is_not(
    sender: Sender, server: BotApi, alice: Phone
) -> None:
    """The same receipts as for words: nothing is repeated blindly, what was not taken is."""
    server.lose_next("sendDocument")
    assert isinstance(await sender.sends(), Uncertain)
    assert len(alice.sees()) == 1
    server.fail_next("sendDocument", status=502, html=True)
    assert isinstance(await sender.sends(), Delayed)
    server.fail_next("sendDocument", retry_after=7)
    assert await sender.sends() == Delayed(7_000)
    alice.blocks_bot()
    assert isinstance(await sender.sends(), Rejected)
    assert len(alice.sees()) == 1


@pytest.mark.parametrize("html", [True, False])
async def test_a_file_that_is_too_large_for_the_server_is_not_tried_again(
    sender: Sender, server: BotApi, alice: Phone, html: bool
) -> None:
    """A proxy may allow less than Telegram does, and says it in its own way."""
    server.fail_next("sendPhoto", status=413, description="Request Entity Too Large", html=html)
    assert await sender.sends(PNG, kind=FileKind.PHOTO) == Rejected("it is too large for Telegram")
    assert server.requests("sendDocument") == []
    assert alice.sees() == []


async def test_a_copy_that_is_gone_is_rejected_before_anything_goes_out(chat: TelegramChat, server: BotApi) -> None:
    """Nobody has to wonder whether it arrived."""
    parcel = Parcel("/nowhere/file_1", "a.txt", FileKind.DOCUMENT, 5, "/srv/a.txt")
    receipt = await chat.deliver(Post(1, PLACE, file_ref("r", 1), enclosed(parcel)))
    assert receipt == Rejected("the copy of the file cannot be read (No such file or directory)")
    assert server.log == []


def card(chat: TelegramChat, place: Path, kind: FileKind = FileKind.PHOTO, edits: str | None = None) -> Post:
    """A card whose picture lies there."""
    [words] = chat.compose("**Spent:** $3.10", (Button("Today", "token-1"),))
    parcel = Parcel(str(place), "spending.png", kind, 5, "/srv/spending.png")
    return Post(1, PLACE, card_ref("note_1"), enclosed(parcel, words), edits=edits)


async def test_words_stand_under_their_picture_with_buttons(chat: TelegramChat, alice: Phone, tmp_path: Path) -> None:
    """One message: its formatting and its buttons are those of the words."""
    (tmp_path / "a.png").write_bytes(PNG)
    assert isinstance(await chat.deliver(card(chat, tmp_path / "a.png")), Delivered)
    [seen] = alice.sees()
    assert "photo" in seen.data
    assert (seen.text, [button.text for button in seen.buttons]) == ("Spent: $3.10", ["Today"])
    assert [entity["type"] for entity in seen.entities] == ["bold"]


async def test_a_picture_that_cannot_be_sent_does_not_take_its_words_with_it(
    chat: TelegramChat, server: BotApi, alice: Phone, tmp_path: Path
) -> None:
    """Its copy is gone, or Telegram takes it neither as a photo nor as a file: the words go alone."""
    assert isinstance(await chat.deliver(card(chat, tmp_path / "gone.png")), Delivered)
    (tmp_path / "a.png").write_bytes(PNG)
    server.fail_next("sendPhoto", status=400, description="Bad Request: PHOTO_INVALID_DIMENSIONS")
    server.fail_next("sendDocument", status=400, description="Bad Request: file is broken")
    assert isinstance(await chat.deliver(card(chat, tmp_path / "a.png")), Delivered)
    assert [(seen.text, "photo" in seen.data) for seen in alice.sees()] == [("Spent: $3.10", False)] * 2


async def test_a_picture_that_is_late_comes_without_the_words_that_are_there(
    chat: TelegramChat, alice: Phone, tmp_path: Path
) -> None:
    """As a change of them, which went out before."""
    (tmp_path / "a.png").write_bytes(PNG)
    assert isinstance(await chat.deliver(card(chat, tmp_path / "a.png", edits="5")), Delivered)
    [seen] = alice.sees()
    assert ("photo" in seen.data, seen.text) == (True, "")


async def test_a_files_name_never_says_the_token(sender: Sender, server: BotApi, alice: Phone) -> None:
    """Nor does anything else that goes out."""
    await sender.sends(name=f"{server.token}.txt")
    [seen] = alice.sees()
    assert seen.file is not None
    assert server.token not in seen.file.name


async def test_a_heart_is_one_however_it_was_typed(chat: TelegramChat, server: BotApi, alice: Phone) -> None:
    """Keyboards add a sign for colour that Telegram does not want, and leave out one that it does."""
    number = alice.says("hi")
    for typed in ("\u2764", "\u2764\ufe0f", " \u2764\ufe0f "):
        assert await chat.react(PLACE, str(number), typed) == ""
    runner = "\N{SHRUG}\u200d\u2642"
    assert await chat.react(PLACE, str(number), runner) == ""
    assert [seen.reactions for seen in alice.screen()] == [(f"{runner}\ufe0f",)]
    assert len(server.requests("setMessageReaction")) == 4


async def test_what_telegram_or_the_network_say_about_a_reaction_is_passed_on(
    chat: TelegramChat, server: BotApi, alice: Phone
) -> None:
    """In words, and never as an error."""
    number = str(alice.says("hi"))
    server.fail_next("setMessageReaction", status=400, description="Bad Request: REACTION_INVALID")
    assert await chat.react(PLACE, number, THUMB) == "Telegram refuses it: Reaction_invalid."
    server.lose_next("setMessageReaction")
    assert (await chat.react(PLACE, number, THUMB)).startswith("It is not known whether")
    server.fail_next("setMessageReaction", retry_after=3)
    assert "3 seconds" in await chat.react(PLACE, number, THUMB)


async def fetched(chat: TelegramChat, alice: Phone, into: Path, content: bytes = b"five!") -> Saved | str:
    """Fetch a document that was sent just now."""
    alice.sends_document(content)
    data = alice.screen()[-1].data
    return await chat.fetch(data["document"]["file_id"], str(into), 100_000_000)


async def test_a_photo_comes_in_as_it_was_sent(chat: TelegramChat, alice: Phone, tmp_path: Path) -> None:
    """The largest of its sizes."""
    alice.sends_photo(PNG)
    file_id = alice.screen()[-1].data["photo"][-1]["file_id"]
    assert await chat.fetch(file_id, str(tmp_path / "a.jpg"), 1_000) == Saved(len(PNG))
    assert (tmp_path / "a.jpg").read_bytes() == PNG


async def test_a_download_that_breaks_is_tried_again_and_never_half_there(
    chat: TelegramChat, server: BotApi, alice: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice; what is there in the end is whole, or nothing."""
    monkeypatch.setattr("gateway.chats.telegram.FETCH_WAITS_S", (0.0, 0.0, 0.0))
    server.cut_next("file")
    server.fail_next("file", status=502, html=True)
    assert await fetched(chat, alice, tmp_path / "a") == Saved(5)
    server.cut_next("file", times=3)
    assert "broke" in str(await fetched(chat, alice, tmp_path / "b"))
    assert names(tmp_path) == ["a"]


async def test_a_file_that_is_too_large_for_telegram_is_said_to_be_with_what_would_help(
    chat: TelegramChat, server: BotApi, alice: Phone, tmp_path: Path
) -> None:
    """More than 20 MB a bot never gets from Telegram's own server: the limit is said, and what to do; it is asked once."""
    alice.sends_document(b"x" * (20 * 1024 * 1024 + 1))
    file_id = alice.screen()[-1].data["document"]["file_id"]
    assert await chat.fetch(file_id, str(tmp_path / "a"), 100_000_000) == TOO_BIG
    assert len(server.requests("getFile")) == 1


@pytest.mark.parametrize("path", ["/etc/passwd", "../../bot", "http://elsewhere/a", "a\nb", "", 7])
async def test_a_place_that_leads_elsewhere_is_not_asked(
    chat: TelegramChat, server: BotApi, alice: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: object
) -> None:
    """Only a path below the bot's own files is fetched."""
    monkeypatch.setattr("gateway.chats.telegram.FETCH_WAITS_S", (0.0,))
    monkeypatch.setattr(server.world, "file_path", lambda _file_id: path)
    monkeypatch.setattr("tests.fakes.bot_api_methods.check_object", lambda *_: [])
    assert isinstance(await fetched(chat, alice, tmp_path / "a"), str)
    assert server.requests("file") == []


async def test_no_word_about_a_failed_download_tells_the_token(
    chat: TelegramChat, server: BotApi, alice: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address of a file holds it."""
    monkeypatch.setattr("gateway.chats.telegram.FETCH_WAITS_S", (0.0,))
    server.drop_next("file")
    said = await fetched(chat, alice, tmp_path / "a")
    assert isinstance(said, str)
    assert server.token not in said
