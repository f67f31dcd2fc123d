"""What an update means: wire JSON to one of `domain.events.Incoming`. Only numeric ids say who somebody is.

Names and titles are words: they are shown beside what was forwarded, and nothing is decided by them.
"""

import json
import re
from dataclasses import replace
from typing import Any

from pydantic import Field, ValidationError

from gateway.chats.telegram import groups, media
from gateway.chats.telegram.groups import Bot, Chat, Entity, User, Wire
from gateway.domain.events import Edited, Ignored, Incoming, Message, Tap, Unsupported
from gateway.domain.files import Attachment
from gateway.domain.place import Thread
from gateway.ports import UnreadableError
from gateway.view.file_words import COMMAND_BELOW, unread

SERVICE = "telegram"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_COMMAND = re.compile(r"/(?P<name>[A-Za-z0-9_]{1,64})(?:@(?P<bot>[A-Za-z0-9_]{1,64}))?", re.ASCII)
_DEEPEST = 100


class _Replied(Wire):
    message_id: int
    sender: User | None = Field(default=None, alias="from")
    text: str = ""
    caption: str = ""
    forum_topic_created: dict[str, Any] | None = None


class _Quote(Wire):
    text: str = ""


class _Message(Wire):
    message_id: int
    reply_to_message: _Replied | None = None
    quote: _Quote | None = None
    chat: Chat
    sender: User | None = Field(default=None, alias="from")
    sender_chat: Chat | None = None
    via_bot: dict[str, Any] | None = None
    forward_origin: dict[str, Any] | None = None
    message_thread_id: int | None = None
    is_topic_message: bool = False
    date: int = 0
    edit_date: int = 0
    media_group_id: str = Field(default="", max_length=64)
    caption: str = ""
    caption_entities: tuple[Entity, ...] = Field(default=(), strict=False)
    text: str = ""
    entities: tuple[Entity, ...] = Field(default=(), strict=False)


class _CallbackQuery(Wire):
    id: str = Field(min_length=1, max_length=64)
    sender: User = Field(alias="from")
    message: _Message | None = None
    data: str | None = Field(default=None, max_length=64)


class _Stopped(Wire):
    """A draft's own Stop button was pressed. There are drafts in private chats only."""

    chat: Chat
    draft_id: int
    message_thread_id: int | None = None


class _Update(Wire):
    update_id: int
    message: _Message | None = None
    edited_message: _Message | None = None
    callback_query: _CallbackQuery | None = None
    my_chat_member: dict[str, Any] | None = None
    stopped_message_generation: _Stopped | None = None


def read(payload: str, bot_id: int = 0) -> Incoming:
    """What one stored update means; the payload is what `receive.keyed` made. `bot_id`: the bot's own number. Raises UnreadableError."""
    username, raw = _open(payload)
    bot = Bot(username=username, id=bot_id)
    try:
        update = _Update.model_validate(raw)
        if update.my_chat_member is not None:
            return groups.membership(SERVICE, update.my_chat_member)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UnreadableError(f"not an update that can be understood: {where}: {first['msg']}") from None
    if update.message is not None:
        moved = groups.moved(SERVICE, update.message.chat, raw["message"])
        return moved or _read_message(update.message, raw["message"], bot)
    if update.edited_message is not None:
        return _read_edit(update.edited_message, raw["edited_message"], bot)
    if update.callback_query is not None:
        return _read_tap(update.callback_query)
    if update.stopped_message_generation is not None:
        return _read_stopped(update.stopped_message_generation)
    kinds = ", ".join(key[:40] for key in raw if key != "update_id") or "nothing"
    return Ignored(f"an update about {kinds[:200]}")


def _open(payload: str) -> tuple[str, dict[str, Any]]:
    try:
        match _scrubbed(json.loads(payload)):
            case {"bot": str(username), "update": dict(raw)}:
                return username, raw
            case _:
                raise UnreadableError("not an update: it is no object")
    except (ValueError, RecursionError):
        raise UnreadableError("not an update: it is no JSON") from None


def _scrubbed(value: Any, depth: int = 0) -> Any:
    """The value without characters that neither databases nor agents can take."""
    if depth > _DEEPEST:
        raise UnreadableError("not an update: it is nested too deeply")
    match value:
        case str():
            return _UNSTORABLE.sub("", value)
        case list():
            return [_scrubbed(item, depth + 1) for item in value]
        case dict():
            return {_UNSTORABLE.sub("", key): _scrubbed(item, depth + 1) for key, item in value.items()}
        case _:
            return value


def _read_message(message: _Message, raw: dict[str, Any], bot: Bot) -> Incoming:
    person = _person(message)
    if isinstance(person, Ignored):
        return person
    in_group = message.chat.type != "private"
    addressed = not in_group or _answers(message, bot)
    if in_group:
        message, mentions = _unaddressed(message, bot)
        addressed = addressed or mentions
    if not (message.text or raw.get("text", "")).strip():
        found = _read_media(message, raw, person)
        return found if isinstance(found, Ignored) else replace(found, in_group=in_group, addressed=addressed)
    command = _command(message, message.text, message.entities)
    if _for_another(command, bot.username):
        return Ignored("a command for another bot")
    return Message(
        thread=_thread(message),
        person=person,
        text=message.text,
        in_group=in_group,
        addressed=addressed or (command is not None and bool(command[2])),
        command=command[:2] if command else None,
        name=f"{message.sender.first_name} {message.sender.last_name}".strip() if message.sender else "",
        replies_to=str(message.reply_to_message.message_id) if message.reply_to_message else "",
        message_id=str(message.message_id),
        quoted=_quoted(message),
        forwarded=_origin(message),
        sent_at_ms=message.date * 1000,
    )


def _answers(message: _Message, bot: Bot) -> bool:
    """Whether it is a reply to a message of the bot. (Everything in a topic names as what it replies to what began the topic.)"""
    replied = message.reply_to_message
    return (
        replied is not None
        and replied.forum_topic_created is None
        and replied.sender is not None
        and replied.sender.id == bot.id
    )


def _unaddressed(message: _Message, bot: Bot) -> tuple[_Message, bool]:
    """The message without the bot's name, and whether it names it. Words of others that are passed on address nobody."""
    if message.forward_origin is not None or message.via_bot is not None:
        return message, False
    text, entities = groups.without_mentions(message.text, message.entities, bot)
    caption, captions = groups.without_mentions(message.caption, message.caption_entities, bot)
    cut = {"text": text, "entities": entities, "caption": caption, "caption_entities": captions}
    return message.model_copy(update=cut), (text, caption) != (message.text, message.caption)


def _person(message: _Message) -> str | Ignored:
    """Who wrote it, if it was a person in their own name."""
    if message.chat.type == "channel":
        return Ignored("a channel post")
    if message.sender_chat is not None:
        return Ignored("written in the name of a chat (an anonymous admin or a channel), not by a person")
    if message.sender is None or message.sender.is_bot:
        return Ignored("not written by a person")
    return str(message.sender.id)


def _read_file(message: _Message, attachment: Attachment, person: str, told: str = "") -> Message | Unsupported:
    """A caption is its text. Words that would be a command stay with the person: nobody looks for an order to stop below a picture."""
    album = message.media_group_id
    if _command(message, message.caption, message.caption_entities) is not None:
        return Unsupported(_thread(message), person, COMMAND_BELOW, _once(message), album)
    return replace(
        _read_told(message, message.caption or told, person),
        attachments=(replace(attachment, album=album, passed_on=bool(_origin(message))),),
        album=album,
    )


def _read_told(message: _Message, text: str, person: str) -> Message:
    """What is no text of the person's own typing, and so never a command."""
    return Message(
        thread=_thread(message),
        person=person,
        text=text,
        replies_to=str(message.reply_to_message.message_id) if message.reply_to_message else "",
        message_id=str(message.message_id),
        quoted=_quoted(message),
        forwarded=_origin(message),
        sent_at_ms=message.date * 1000,
    )


def _once(message: _Message) -> str:
    return f"album:{message.media_group_id}" if message.media_group_id else str(message.message_id)


def _quoted(message: _Message) -> str:
    """What was picked out of the message that it answers to, or all of that; what begins a topic has no words."""
    replied = message.reply_to_message
    if message.quote is not None and message.quote.text:
        return message.quote.text
    return "" if replied is None else replied.text or replied.caption


def _origin(message: _Message) -> str:
    """Who wrote what the person passed on, as Telegram names them; empty: the person did."""
    if message.forward_origin is None and message.via_bot is None:
        return ""
    match message.forward_origin or {"sender_user": message.via_bot}:
        case {"sender_user": {"id": int(number)}} if message.sender is not None and number == message.sender.id:
            return ""
        case {"sender_user": {"first_name": str(first), "last_name": str(last)}}:
            return f"{first} {last}"
        case (
            {"sender_user": {"first_name": str(name)}}
            | {"sender_user_name": str(name)}
            | {"sender_chat": {"title": str(name)}}
            | {"chat": {"title": str(name)}}
        ) if name.strip():
            return name
        case _:
            return "somebody"


def _read_media(message: _Message, raw: dict[str, Any], person: str) -> Message | Unsupported | Ignored:
    """What a person sent that is no text: a file, a place, somebody's number; or that it is not read."""
    if (attachment := media.attachment(raw)) is not None:
        return _read_file(message, attachment, person, media.sticker_words(raw))
    if told := media.told(raw):
        return _read_told(message, told, person)
    kind = next((kind for kind in media.KINDS if kind in raw), None)
    if kind is None:
        return Ignored("a service message")
    words = unread(kind, captioned=bool(message.caption))
    return Unsupported(_thread(message), person, words, _once(message), message.media_group_id)


def _read_edit(message: _Message, raw: dict[str, Any], bot: Bot) -> Incoming:
    """Positions on the move and closed polls are no edits by a person."""
    if not message.edit_date or not (message.text.strip() or message.caption.strip()):
        return Ignored("an edit of something else than words")
    match _read_message(message, raw, bot):
        case Message() as edited:
            return Edited(edited)
        case Ignored() as ignored:
            return ignored
        case _:
            return Ignored("an edit of what is not read here")


def _for_another(command: tuple[str, str, str] | None, username: str) -> bool:
    return command is not None and command[2].lower() not in {"", username.lower()}


def _command(message: _Message, text: str, entities: tuple[Entity, ...]) -> tuple[str, str, str] | None:
    """Name, arguments and addressee, if the person typed a command at the very start themselves."""
    if message.forward_origin is not None or message.via_bot is not None:
        return None
    typed = _COMMAND.match(text)
    if typed is None:
        return None
    known = any((e.type, e.offset, e.length) == ("bot_command", 0, typed.end()) for e in entities)
    if not known:
        return None
    return typed["name"].lower(), text[typed.end() :].strip(), typed["bot"] or ""


def _read_tap(query: _CallbackQuery) -> Incoming:
    if query.message is None or not query.data:
        return Ignored("a press on a button that is not ours")
    if query.sender.is_bot:
        return Ignored("a press by a bot")
    return Tap(
        thread=_thread(query.message),
        person=str(query.sender.id),
        token=query.data,
        message_id=str(query.message.message_id),
        tap_id=query.id,
    )


def _read_stopped(stopped: _Stopped) -> Incoming:
    """Pressed, it is the command: a private chat has its person's own number."""
    if stopped.chat.type != "private":
        return Ignored("a draft was stopped where there are none")
    topic = "" if stopped.message_thread_id is None else str(stopped.message_thread_id)
    number = str(stopped.chat.id)
    command = ("stop", f"draft {stopped.draft_id}")
    return Message(Thread(SERVICE, number, topic), number, f"/{' '.join(command)}", command)


def _thread(message: _Message) -> Thread:
    """The conversation; replies in a group without topics also carry a thread number, which means nothing here."""
    topic = message.message_thread_id if message.is_topic_message else None
    return Thread(SERVICE, str(message.chat.id), "" if topic is None else str(topic))
