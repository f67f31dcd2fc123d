"""What a person does and sees in one chat."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fakes.bot_api_facts import Upload, check_object
from tests.fakes.bot_api_markdown import utf16
from tests.fakes.bot_api_messages import media_json
from tests.fakes.bot_api_text import found_entities
from tests.fakes.bot_api_world import (
    CALLBACK_ANSWER_S,
    Action,
    Answer,
    Callback,
    Chat,
    Draft,
    Json,
    Message,
    World,
    member_json,
)

PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\nIDATx\x9cc\x00\x01\x00\x00\x05\x00\x01\r\n-\xb4\x00\x00\x00\x00IEND\xaeB`\x82"
)
"""The smallest picture that Telegram takes."""


@dataclass(frozen=True, slots=True)
class Button:
    """An inline button as it is shown."""

    text: str
    data: str | None
    url: str | None
    style: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """A message as it is shown now. `text` is the caption where there is media; `file` is what the media holds."""

    message_id: int
    text: str
    entities: tuple[Json, ...]
    reply_markup: Json | None
    edits: int
    by_bot: bool
    thread: int | None
    reply_to: int | None
    reactions: tuple[str, ...]
    dropped_entities: int
    file: Upload | None
    data: Json

    @property
    def buttons(self) -> tuple[Button, ...]:
        """All buttons, row after row."""
        rows = (self.reply_markup or {}).get("inline_keyboard", [])
        return tuple(
            Button(b["text"], b.get("callback_data"), b.get("url"), b.get("style")) for row in rows for b in row
        )


class Phone:
    """One person's view of one chat."""

    def __init__(self, world: World, user: Json, chat: Chat) -> None:
        self._world = world
        self._chat = chat
        self.user = user

    @property
    def chat_id(self) -> int:
        """The chat."""
        return self._chat.chat_id

    @property
    def user_id(self) -> int:
        """The person."""
        return self.user["id"]

    def says(self, text: str, *, reply_to: int | None = None, thread: int | None = None, ago_s: int = 0) -> int:
        """Send a text, so many seconds ago; its message_id."""
        content = _with_entities(text, "text", "entities")
        with self._world.lock:
            dated = {"date": self._world.date() - ago_s} if ago_s else {}
        return self._send(content | dated, reply_to, thread)

    def forwards(self, text: str, *, sender: str = "Somebody else", thread: int | None = None) -> int:
        """Forward a message of somebody who hides their account."""
        with self._world.lock:
            origin = {"type": "hidden_user", "date": self._world.date(), "sender_user_name": sender}
        return self._send(_with_entities(text, "text", "entities") | {"forward_origin": origin}, None, thread)

    def sends_document(
        self,
        data: bytes,
        name: str = "notes.txt",
        *,
        mime: str = "text/plain",
        caption: str = "",
        thread: int | None = None,
    ) -> int:
        """Send a file."""
        return self._send_media("document", Upload(name, data, mime), caption, thread)

    def sends_photo(self, data: bytes = PNG, *, caption: str = "", thread: int | None = None) -> int:
        """Send a picture."""
        return self._send_media("photo", Upload("photo.jpg", data, "image/jpeg"), caption, thread)

    def sends_voice(
        self, data: bytes = b"OggS voice", *, caption: str = "", thread: int | None = None, sender: str = ""
    ) -> int:
        """Send a voice message; with `sender` it is forwarded from somebody who hides their account."""
        return self._send_media("voice", Upload("voice.ogg", data, "audio/ogg"), caption, thread, sender)

    def sends_video_note(self, data: bytes = b"ftyp note") -> int:
        """Send a round video of oneself."""
        return self._send_media("video_note", Upload("note.mp4", data, "video/mp4"), "", None)

    def sends_audio(self, data: bytes = b"ID3 song", name: str = "song.mp3", *, caption: str = "") -> int:
        """Send a piece of music, or a recording as a file."""
        return self._send_media("audio", Upload(name, data, "audio/mpeg"), caption, None)

    def sends_video(self, data: bytes = b"ftyp film", name: str = "film.mp4", *, caption: str = "") -> int:
        """Send a video."""
        return self._send_media("video", Upload(name, data, "video/mp4"), caption, None)

    def sends_location(self, latitude: float, longitude: float, *, live_s: int = 0) -> int:
        """Send a place, or for so many seconds the one where the person is."""
        live = {"live_period": live_s} if live_s else {}
        return self._send({"location": {"latitude": latitude, "longitude": longitude} | live}, None, None)

    def throws_dice(self) -> int:
        """Send a die that shows a number."""
        return self._send({"dice": {"emoji": "\N{GAME DIE}", "value": 5}}, None, None)

    def sends_contact(self, number: str, first_name: str) -> int:
        """Send somebody's number."""
        return self._send({"contact": {"phone_number": number, "first_name": first_name}}, None, None)

    def moves(self, message_id: int, latitude: float, longitude: float) -> None:
        """A live location is another one by now."""
        with self._world.changing():
            message = self._chat.messages[message_id]
            message.data["location"] = message.data["location"] | {"latitude": latitude, "longitude": longitude}
            message.data["edit_date"] = self._world.date()
            message.edits += 1
            self._push("edited_message", message.data)

    def sends_album(self, count: int, *, caption: str = "") -> list[int]:
        """Send several pictures at once: a message each, the caption with the first."""
        return self.sends_parts(count, album=self.begins_album(), caption=caption)

    def begins_album(self) -> str:
        """What Telegram calls the next album."""
        with self._world.lock:
            return str(self._world.next_serial())

    def sends_parts(self, count: int, *, album: str, caption: str = "") -> list[int]:
        """Of an album that Telegram passes on bit by bit: so many pictures, the caption with the first of them."""
        with self._world.lock:
            pictures = [media_json(self._world, "photo", Upload("photo.jpg", PNG, "image/jpeg")) for _ in range(count)]
        words = _with_entities(caption, "caption", "caption_entities") if caption else {}
        return [
            self._send({"photo": photo, "media_group_id": album} | (words if first else {}), None, None)
            for photo, first in zip(pictures, [True] + [False] * count, strict=False)
        ]

    def sends_sticker(self) -> int:
        """Send a sticker."""
        with self._world.lock:
            kept = self._world.keep_file(Upload("sticker.webp", b"RIFF sticker", "image/webp"), "stickers")
        about = {"type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False}
        about |= {"emoji": "\N{THUMBS UP SIGN}"}
        return self._send({"sticker": kept | about}, None, None)

    def edits(self, message_id: int, text: str) -> None:
        """Change the text of a message of one's own."""
        with self._world.changing():
            message = self._chat.messages[message_id]
            message.data.pop("entities", None)
            message.data.update(_with_entities(text, "text", "entities"), edit_date=self._world.date())
            message.edits += 1
            self._push("edited_message", message.data)

    def deletes(self, message_id: int) -> None:
        """Delete a message; bots are not told."""
        with self._world.changing():
            del self._chat.messages[message_id]

    def reacts(self, message_id: int, emoji: str | None) -> None:
        """Set the reaction to a message, or take it back with None."""
        new = [{"type": "emoji", "emoji": emoji}] if emoji else []
        with self._world.changing():
            update = {"chat": self._chat.info, "message_id": message_id, "user": self.user, "date": self._world.date()}
            self._push("message_reaction", update | {"old_reaction": [], "new_reaction": new})

    def taps(self, button: str, message: int | None = None, *, stale: bool = False) -> str:
        """Tap a button, given by its label or data, of the latest message that carries it (or of `message`).

        The result is the callback query's id. With `stale`, `button` is taken as data and `message` need not carry it any
        more: what a client does that has not seen the last edit.
        """
        with self._world.changing():
            target, data = (self._chat.messages[message or 0], button) if stale else self._find_button(button, message)
            query_id = str(4_000_000_000 + self._world.next_serial())
            expires = self._world.now() + CALLBACK_ANSWER_S
            self._world.callbacks[query_id] = Callback(query_id, self.chat_id, self.user_id, expires)
            query = {"id": query_id, "from": self.user, "message": target.data, "data": data}
            self._push("callback_query", query | {"chat_instance": str(self.chat_id)})
        return query_id

    def stops_draft(self, draft_id: int) -> None:
        """Tap the Stop button of a streamed draft."""
        with self._world.changing():
            draft = next(draft for draft in reversed(self._chat.drafts) if draft.draft_id == draft_id)
            if not draft.can_stop:
                raise LookupError(f"draft {draft_id} has no Stop button")
            thread = {} if draft.thread is None else {"message_thread_id": draft.thread}
            self._push("stopped_message_generation", {"chat": self._chat.info, "draft_id": draft_id, **thread})

    def blocks_bot(self) -> None:
        """Block the bot: every message to this chat is refused."""
        self._blocked(blocked=True)

    def unblocks_bot(self) -> None:
        """Take the block back."""
        self._blocked(blocked=False)

    def screen(self, thread: int | None = None) -> list[Seen]:
        """All messages that are visible now, oldest first; of one topic if it is given."""
        with self._world.lock:
            shown = [m for m in self._chat.messages.values() if not m.service]
            return [self._seen(m) for m in shown if thread is None or m.data.get("message_thread_id") == thread]

    def sees(self, thread: int | None = None) -> list[Seen]:
        """The bot's messages that are visible now, oldest first."""
        return [seen for seen in self.screen(thread) if seen.by_bot]

    async def waits_for(
        self,
        what: str | Callable[[Seen], bool],
        timeout: float = 30.0,  # noqa: ASYNC109 - the limit is the promise
        *,
        thread: int | None = None,
    ) -> Seen:
        """The latest of the bot's visible messages that holds the words or fits the predicate, as soon as there is one."""

        def fits(seen: Seen) -> bool:
            return what in seen.text if isinstance(what, str) else what(seen)

        def find() -> Seen | None:
            return next((seen for seen in reversed(self.sees(thread)) if fits(seen)), None)

        try:
            return await self._world.until(find, timeout, f"message with {what!r}")
        except AssertionError as error:
            raise AssertionError(f"{error}; visible: {[seen.text for seen in self.sees(thread)]}") from error

    async def waits_for_answer(self, query_id: str, timeout: float = 30.0) -> Answer:  # noqa: ASYNC109 - the limit is the promise
        """What the bot answers to that tap."""
        return await self._world.until(lambda: self._world.callbacks[query_id].answer, timeout, f"answer to {query_id}")

    @property
    def answers(self) -> list[Answer]:
        """What the bot answered to this person's taps in this chat."""
        with self._world.lock:
            taps = [c for c in self._world.callbacks.values() if (c.chat_id, c.user_id) == (self.chat_id, self.user_id)]
            return [tap.answer for tap in taps if tap.answer]

    @property
    def actions(self) -> list[Action]:
        """The chat actions ("typing") shown so far."""
        with self._world.lock:
            return list(self._chat.actions)

    @property
    def drafts(self) -> list[Draft]:
        """The streamed drafts since the last message."""
        with self._world.lock:
            return list(self._chat.drafts)

    def _send(self, content: Json, reply_to: int | None, thread: int | None) -> int:
        world = self._world
        with world.changing():
            if reply_to is not None:
                target = self._chat.messages[reply_to].data
                content = content | {"reply_to_message": {k: v for k, v in target.items() if k != "reply_to_message"}}
            message = world.add_message(self._chat, self.user, content, thread)
            if self._reaches_bot(message):
                self._push("message", message.data)
            return message.message_id

    def _send_media(self, field: str, upload: Upload, caption: str, thread: int | None, sender: str = "") -> int:
        with self._world.lock:
            media = {field: media_json(self._world, field, upload)}
            if sender:
                origin = {"type": "hidden_user", "date": self._world.date(), "sender_user_name": sender}
                media["forward_origin"] = origin
        return self._send(
            media | (_with_entities(caption, "caption", "caption_entities") if caption else {}), None, thread
        )

    def _reaches_bot(self, message: Message) -> bool:
        """Privacy mode: in a group a bot hears commands, mentions and replies to itself, unless it is an administrator."""
        bot = self._world.bot
        if self._chat.private:
            return not self._chat.blocked
        if self._chat.bot_status in {"left", "kicked"}:
            return False
        if self._chat.administered or bot["can_read_all_group_messages"]:
            return True
        text, mention = message.data.get("text", ""), f"@{bot['username']}"
        reply = message.data.get("reply_to_message", {}).get("from", {}).get("id")
        return text.startswith("/") or mention in text or reply == bot["id"]

    def _find_button(self, button: str, message_id: int | None) -> tuple[Message, str]:
        for message in reversed(self._chat.messages.values()):
            if message_id in {None, message.message_id}:
                for shown in self._seen(message).buttons:
                    if button in {shown.text, shown.data} and shown.data is not None:
                        return message, shown.data
        shown = [[b.text for b in seen.buttons] for seen in self.screen() if seen.buttons]
        raise LookupError(f"there is no button {button!r} to tap; buttons shown: {shown}")

    def _seen(self, message: Message) -> Seen:
        data = message.data
        media = next(
            (data[f] for f in ("document", "photo", "voice", "audio", "video", "animation") if f in data), None
        )
        last: Any = media[-1] if isinstance(media, list) else media
        return Seen(
            message_id=message.message_id,
            text=data.get("text", data.get("caption", "")),
            entities=tuple(data.get("entities", data.get("caption_entities", ()))),
            reply_markup=data.get("reply_markup"),
            edits=message.edits,
            by_bot=message.by_bot,
            thread=data.get("message_thread_id"),
            reply_to=data.get("reply_to_message", {}).get("message_id"),
            reactions=tuple(reaction.get("emoji", "") for reaction in message.reactions),
            dropped_entities=message.dropped_entities,
            file=self._world.files[last["file_id"]] if last else None,
            data=dict(data),
        )

    def _blocked(self, *, blocked: bool) -> None:
        world = self._world
        with world.changing():
            before, after = ("member", "kicked") if blocked else ("kicked", "member")
            self._chat.blocked = blocked
            change = {"chat": self._chat.info, "from": self.user, "date": world.date()}
            members = {"old_chat_member": before, "new_chat_member": after}
            self._push(
                "my_chat_member", change | {k: member_json(world.public_bot(), status) for k, status in members.items()}
            )

    def _push(self, kind: str, payload: Json) -> None:
        wrong = check_object("Update", {"update_id": 1, kind: payload})
        if wrong:
            raise AssertionError(f"the stand-in made an update that Telegram would not: {wrong}")
        frozen: Json = _copy(payload)
        self._world.updates.push(kind, frozen)


def _copy(value: Any) -> Any:
    """An update shows a message as it was when the update was made."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _with_entities(text: str, text_field: str, entities_field: str) -> Json:
    if not text.strip() or utf16(text) > 4096:
        raise ValueError(f"a phone cannot send a message of {utf16(text)} UTF-16 units")
    entities = found_entities(text)
    return {text_field: text} | ({entities_field: entities} if entities else {})
