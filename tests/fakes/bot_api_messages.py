"""Messages of the bot: sent, edited, deleted, with media; in the order of checks and the words of the official server."""

import struct
from collections.abc import Mapping
from typing import Any

from tests.fakes.bot_api_facts import Upload
from tests.fakes.bot_api_markdown import utf16
from tests.fakes.bot_api_text import BadText, Formatted, clean, parse
from tests.fakes.bot_api_world import DELETE_WITHIN_S, ApiError, Chat, Json, Message, World

MAX_TEXT = 4096
MAX_CAPTION = 1024
MAX_UPLOAD = 50 * 1024 * 1024
MAX_PHOTO = 10 * 1024 * 1024
NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current "
    "content and reply markup of the message"
)
TOO_LONG_FOR_SERVER = "Bad Request: MESSAGE_TOO_LONG"
EMPTY = "Bad Request: message text is empty"
CAPTION_TOO_LONG = "Bad Request: message caption is too long"
LIMIT_WORDS = frozenset({TOO_LONG_FOR_SERVER, EMPTY, CAPTION_TOO_LONG, "Bad Request: message is too long"})
"""Descriptions that a bot which keeps the published limits never gets."""

IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")
MIMES = {
    "photo": "image/jpeg",
    "voice": "audio/ogg",
    "audio": "audio/mpeg",
    "video": "video/mp4",
    "animation": "video/mp4",
}
MEDIA = ("photo", "document", "voice", "audio", "video", "animation")


def formatted_text(params: Json, text: str, entities: str) -> Formatted:
    """The text of a call in its parse mode."""
    try:
        return parse(params.get(text, ""), params.get("parse_mode"), params.get(entities))
    except BadText as error:
        raise ApiError(400, str(error)) from error


def checked_text(formatted: Formatted, limit: int, too_long: str) -> Formatted:
    """The text trimmed, its entities within it and not too many, its length within `limit` UTF-16 units."""
    try:
        cleaned = clean(formatted)
    except BadText as error:
        raise ApiError(400, str(error)) from error
    if utf16(cleaned.text) > limit:
        raise ApiError(400, too_long)
    return cleaned


def send(world: World, params: Json, _uploads: Mapping[str, Upload]) -> Json:
    """SendMessage."""
    formatted = formatted_text(params, "text", "entities")
    chat = world.writable(params["chat_id"])
    world.topic(chat, params.get("message_thread_id"))
    cleaned = checked_text(formatted, MAX_TEXT, "Bad Request: message is too long")
    if not cleaned.text:
        raise ApiError(400, EMPTY)
    return _deliver(world, chat, params, _texts(cleaned, "text", "entities"), cleaned.dropped)


def send_media(world: World, field: str, params: Json, uploads: Mapping[str, Upload]) -> Json:
    """sendDocument, sendPhoto and their like: `field` is the media's parameter and its name in the message."""
    formatted = formatted_text(params, "caption", "caption_entities")
    chat = world.writable(params["chat_id"])
    world.topic(chat, params.get("message_thread_id"))
    cleaned = checked_text(formatted, MAX_CAPTION, CAPTION_TOO_LONG)
    content = _media(world, field, params[field], uploads) | _texts(cleaned, "caption", "caption_entities")
    return _deliver(world, chat, params, content, cleaned.dropped)


def send_media_group(world: World, params: Json, uploads: Mapping[str, Upload]) -> list[Json]:
    """sendMediaGroup: two to ten items."""
    items: list[Json] = params["media"]
    if not 2 <= len(items) <= 10:
        raise ApiError(400, "Bad Request: wrong number of messages in the album")
    shared = {name: value for name, value in params.items() if name != "media"}
    album = str(world.next_serial())
    sent = [send_media(world, item["type"], shared | item | {item["type"]: item["media"]}, uploads) for item in items]
    for message in sent:
        message["media_group_id"] = album
    return sent


def edit_text(world: World, params: Json, _uploads: Mapping[str, Upload]) -> Json:
    """editMessageText: without a keyboard the old one goes."""
    formatted = formatted_text(params, "text", "entities")
    message = _editable(world, params)
    if "text" not in message.data:
        raise ApiError(400, "Bad Request: there is no text in the message to edit")
    cleaned = checked_text(formatted, MAX_TEXT, TOO_LONG_FOR_SERVER)
    if not cleaned.text:
        raise ApiError(400, EMPTY)
    message.dropped_entities = cleaned.dropped
    return _edited(world, message, params, ("text", "entities"), _texts(cleaned, "text", "entities"))


def edit_caption(world: World, params: Json, _uploads: Mapping[str, Upload]) -> Json:
    """EditMessageCaption."""
    formatted = formatted_text(params, "caption", "caption_entities")
    message = _editable(world, params)
    if "text" in message.data:
        raise ApiError(400, "Bad Request: there is no caption in the message to edit")
    cleaned = checked_text(formatted, MAX_CAPTION, CAPTION_TOO_LONG)
    new = _texts(cleaned, "caption", "caption_entities")
    return _edited(world, message, params, ("caption", "caption_entities"), new)


def edit_media(world: World, params: Json, uploads: Mapping[str, Upload]) -> Json:
    """editMessageMedia: the file and its caption are replaced."""
    item: Json = params["media"]
    formatted = formatted_text(item, "caption", "caption_entities")
    message = _editable(world, params)
    cleaned = checked_text(formatted, MAX_CAPTION, CAPTION_TOO_LONG)
    new = _media(world, item["type"], item["media"], uploads) | _texts(cleaned, "caption", "caption_entities")
    return _edited(world, message, params, (*MEDIA, "text", "entities", "caption", "caption_entities"), new)


def edit_reply_markup(world: World, params: Json, _uploads: Mapping[str, Upload]) -> Json:
    """EditMessageReplyMarkup."""
    return _edited(world, _editable(world, params), params, (), {})


def delete(world: World, params: Json, _uploads: Mapping[str, Upload]) -> bool:
    """DeleteMessage."""
    chat = world.chat(params["chat_id"])
    message = chat.messages.get(params["message_id"])
    if message is None:
        raise ApiError(400, "Bad Request: message to delete not found")
    if not (message.by_bot or chat.private or chat.administered):
        raise ApiError(400, "Bad Request: message can't be deleted")
    if world.now() - message.data["date"] > DELETE_WITHIN_S and not chat.administered:
        raise ApiError(400, "Bad Request: message can't be deleted for everyone")
    del chat.messages[message.message_id]
    return True


def delete_many(world: World, params: Json, _uploads: Mapping[str, Upload]) -> bool:
    """deleteMessages: what is not found is skipped."""
    chat = world.chat(params["chat_id"])
    for message_id in params["message_ids"]:
        chat.messages.pop(message_id, None)
    return True


def set_reaction(world: World, params: Json, _uploads: Mapping[str, Upload]) -> bool:
    """setMessageReaction: a bot sets one at most."""
    message = world.writable(params["chat_id"]).messages.get(params["message_id"])
    if message is None:
        raise ApiError(400, "Bad Request: message to react not found")
    reactions = params.get("reaction", [])
    if len(reactions) > 1:
        raise ApiError(400, "Bad Request: REACTIONS_TOO_MANY")
    message.reactions = reactions
    return True


def _texts(cleaned: Formatted, text: str, entities: str) -> Json:
    content: Json = {text: cleaned.text} if cleaned.text else {}
    return content | ({entities: list(cleaned.entities)} if cleaned.entities else {})


def _deliver(world: World, chat: Chat, params: Json, content: Json, dropped: int) -> Json:
    content = content | _reply(chat, params.get("reply_parameters")) | _keyboard(params)
    message = world.add_message(chat, world.public_bot(), content, params.get("message_thread_id"))
    message.dropped_entities = dropped
    chat.drafts.clear()
    return message.data


def _keyboard(params: Json) -> Json:
    markup = params.get("reply_markup") or {}
    return {"reply_markup": markup} if markup.get("inline_keyboard") else {}


def _reply(chat: Chat, reply: Json | None) -> Json:
    if not reply or "message_id" not in reply:
        return {}
    target = chat.messages.get(reply["message_id"])
    if target is not None:
        return {"reply_to_message": {k: v for k, v in target.data.items() if k != "reply_to_message"}}
    if reply.get("allow_sending_without_reply"):
        return {}
    raise ApiError(400, "Bad Request: message to be replied not found")


def _editable(world: World, params: Json) -> Message:
    if "chat_id" not in params or "message_id" not in params:
        raise ApiError(400, "Bad Request: message identifier is not specified")
    message = world.writable(params["chat_id"]).messages.get(params["message_id"])
    if message is None or message.service:
        raise ApiError(400, "Bad Request: message to edit not found")
    if not message.by_bot:
        raise ApiError(400, "Bad Request: message can't be edited")
    return message


def _edited(world: World, message: Message, params: Json, replaced: tuple[str, ...], new: Json) -> Json:
    old = {name: message.data[name] for name in (*replaced, "reply_markup") if name in message.data}
    new = new | _keyboard(params)
    if old == new:
        raise ApiError(400, NOT_MODIFIED)
    for name in old:
        del message.data[name]
    message.data.update(new, edit_date=world.date())
    message.edits += 1
    return message.data


def _media(world: World, field: str, value: str, uploads: Mapping[str, Upload]) -> Json:
    if not value.startswith("attach://"):
        return {field: _known_media(world, field, value)}
    upload = uploads[value.removeprefix("attach://")]
    _check_upload(field, upload)
    return {field: media_json(world, field, upload)}


def _known_media(world: World, field: str, file_id: str) -> Any:
    upload = world.files.get(file_id)
    if upload is None:
        raise ApiError(400, "Bad Request: wrong file identifier/HTTP URL specified")
    return _described(field, upload, world.file_json(file_id))


def _check_upload(field: str, upload: Upload) -> None:
    size = len(upload.data)
    if not size:
        raise ApiError(400, "Bad Request: file must be non-empty")
    if size > MAX_UPLOAD:
        raise ApiError(413, "Request Entity Too Large")
    if field != "photo":
        return
    if size > MAX_PHOTO:
        raise ApiError(
            400, f"Bad Request: file of size {size} bytes is too big for a photo; the maximum size is {MAX_PHOTO} bytes"
        )
    if not upload.data.startswith(IMAGES):
        raise ApiError(400, "Bad Request: IMAGE_PROCESS_FAILED")
    width, height = dimensions(upload.data)
    if width + height > 10_000 or max(width, height) > 20 * min(width, height):
        raise ApiError(400, "Bad Request: PHOTO_INVALID_DIMENSIONS")


def dimensions(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG; a fixed size for what is not one."""
    width, height = struct.unpack(">II", data[16:24]) if data.startswith(IMAGES[0]) and len(data) >= 24 else (1280, 720)
    return width, height


def media_json(world: World, field: str, upload: Upload) -> Any:
    """The media object of a message: an array of sizes for a photo, an object for everything else."""
    return _described(field, upload, world.keep_file(upload, f"{field}s"))


def _described(field: str, upload: Upload, base: Json) -> Any:
    if field == "photo":
        width, height = dimensions(upload.data)
        return [{**base, "width": width, "height": height}]
    if field == "video_note":
        return {**base, "length": 240, "duration": 1}
    if field in {"video", "animation"}:
        base |= {"width": 1280, "height": 720}
    if field != "document":
        base["duration"] = 1
    if field != "voice":
        base["file_name"] = upload.name
    return base | {"mime_type": upload.mime or MIMES.get(field, "application/octet-stream")}
