"""What an update means: wire JSON to Message, Tap or Ignored. Only numeric ids count; names and titles are never looked at."""

import json
import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.domain.events import Ignored, Incoming, Message, Tap
from gateway.domain.place import Thread
from gateway.ports import UnreadableError

SERVICE = "telegram"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_COMMAND = re.compile(r"/(?P<name>[A-Za-z0-9_]{1,64})(?:@(?P<bot>[A-Za-z0-9_]{1,64}))?", re.ASCII)
_MEDIA = (
    "photo",
    "document",
    "voice",
    "audio",
    "video",
    "video_note",
    "animation",
    "sticker",
    "location",
    "contact",
    "poll",
)
_DEEPEST = 100


class _Wire(BaseModel):
    """Only what is read here; fields of newer API versions are no concern."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class _User(_Wire):
    id: int
    is_bot: bool = False


class _Chat(_Wire):
    id: int
    type: Literal["private", "group", "supergroup", "channel"]


class _Entity(_Wire):
    type: str
    offset: int
    length: int


class _Message(_Wire):
    message_id: int
    chat: _Chat
    sender: _User | None = Field(default=None, alias="from")
    sender_chat: _Chat | None = None
    via_bot: _User | None = None
    forward_origin: dict[str, Any] | None = None
    message_thread_id: int | None = None
    is_topic_message: bool = False
    text: str = ""
    entities: tuple[_Entity, ...] = Field(default=(), strict=False)


class _CallbackQuery(_Wire):
    id: str = Field(min_length=1, max_length=64)
    sender: _User = Field(alias="from")
    message: _Message | None = None
    data: str | None = Field(default=None, max_length=64)


class _Update(_Wire):
    update_id: int
    message: _Message | None = None
    callback_query: _CallbackQuery | None = None


def read(payload: str) -> Incoming:
    """What one stored update means; the payload is what `receive.keyed` made. Raises UnreadableError."""
    username, raw = _open(payload)
    try:
        update = _Update.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UnreadableError(f"not an update that can be understood: {where}: {first['msg']}") from None
    if update.message is not None:
        return _read_message(update.message, raw["message"], username)
    if update.callback_query is not None:
        return _read_tap(update.callback_query)
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


def _read_message(message: _Message, raw: dict[str, Any], username: str) -> Incoming:
    if message.chat.type == "channel":
        return Ignored("a channel post")
    if message.sender_chat is not None:
        return Ignored("written in the name of a chat (an anonymous admin or a channel), not by a person")
    if message.sender is None or message.sender.is_bot:
        return Ignored("not written by a person")
    if not message.text.strip():
        return Ignored(f"{_content(raw)}: only text is read")
    command = _command(message)
    if command is not None and command[2].lower() not in {"", username.lower()}:
        return Ignored("a command for another bot")
    return Message(
        thread=_thread(message),
        person=str(message.sender.id),
        text=message.text,
        command=command[:2] if command else None,
        private=message.chat.type == "private",
    )


def _command(message: _Message) -> tuple[str, str, str] | None:
    """Name, arguments and addressee, if the person typed a command at the very start themselves."""
    if message.forward_origin is not None or message.via_bot is not None:
        return None
    typed = _COMMAND.match(message.text)
    if typed is None:
        return None
    known = any((e.type, e.offset, e.length) == ("bot_command", 0, typed.end()) for e in message.entities)
    if not known:
        return None
    return typed["name"].lower(), message.text[typed.end() :].strip(), typed["bot"] or ""


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


def _thread(message: _Message) -> Thread:
    """The conversation; replies in a group without topics also carry a thread number, which means nothing here."""
    topic = message.message_thread_id if message.is_topic_message else None
    return Thread(SERVICE, str(message.chat.id), "" if topic is None else str(topic))


def _content(raw: dict[str, Any]) -> str:
    kind = next((kind for kind in _MEDIA if kind in raw), None)
    if kind is None:
        return "a service message"
    return f"a message with a {kind.replace('_', ' ')}{' and a caption' if raw.get('caption') else ''}"
