"""What people send that is not text, from the fields of a message: files, places, people's numbers. All of it is only told."""

import math
from typing import Any, Final

from gateway.core.files import shown_name
from gateway.core.summary import revealed
from gateway.domain.files import Attachment, FileKind

KINDS: Final = (
    "live_photo",
    "paid_media",
    "story",
    "venue",
    "location",
    "contact",
    "poll",
    "checklist",
    "dice",
    "game",
    "rich_message",
    "animation",
    "photo",
    "document",
    "voice",
    "audio",
    "video",
    "video_note",
    "sticker",
)
"""What people send; everything else without text is a service message (somebody joined, a title changed)."""

_FILES: Final = {
    # An animation also calls itself a document.
    "animation": (FileKind.ANIMATION, "animation.mp4"),
    "photo": (FileKind.PHOTO, "photo.jpg"),
    "document": (FileKind.DOCUMENT, ""),
    "voice": (FileKind.VOICE, "voice.ogg"),
    "audio": (FileKind.AUDIO, "audio.mp3"),
    "video": (FileKind.VIDEO, "video.mp4"),
    "video_note": (FileKind.VIDEO_NOTE, "video-note.mp4"),
    "sticker": (FileKind.STICKER, "sticker.webp"),
}
_NAMED_BY_TYPE: Final = {"audio/mpeg": ".mp3", "audio/mp4": ".m4a", "audio/ogg": ".ogg", "audio/x-wav": ".wav"}
"""A transcriber tells formats by their names' ends."""
LONGEST_FILE_ID: Final = 512
LARGEST: Final = 2**53
NAME_CHARACTERS_MAX: Final = 100
_BRACKETS: Final = str.maketrans("[]", "()")
_LATITUDE_MAX, _LONGITUDE_MAX = 90, 180


def attachment(raw: dict[str, Any]) -> Attachment | None:
    """The file that a message is, a picture at its largest; None: it is none, or one that cannot be named."""
    field = next((field for field in _FILES if field in raw), None)
    if field is None:
        return None
    kind, usual = _FILES[field]
    match raw[field]:
        case [*_, {"file_id": str(file_id), **about}] if kind is FileKind.PHOTO:
            pass
        case {"file_id": str(file_id), **about} if kind is not FileKind.PHOTO:
            pass
        case _:
            return None
    if not 0 < len(file_id) <= LONGEST_FILE_ID:
        return None
    size, plays = _whole(about.get("file_size")), _whole(about.get("duration"))
    return Attachment(file_id, _name(kind, usual, about), kind, size, plays)


def _name(kind: FileKind, usual: str, about: dict[str, Any]) -> str:
    """As the sender called it; else what it is."""
    told = about.get("file_name")
    if isinstance(told, str) and told:
        return shown_name(told)
    if kind is FileKind.STICKER:
        end = ".tgs" if about.get("is_animated") is True else ".webm" if about.get("is_video") is True else ".webp"
        return f"sticker{end}"
    mime = about.get("mime_type")
    if kind in (FileKind.VOICE, FileKind.AUDIO) and isinstance(mime, str) and mime in _NAMED_BY_TYPE:
        return usual.partition(".")[0] + _NAMED_BY_TYPE[mime]
    return usual or shown_name("")


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST else None


def sticker_words(raw: dict[str, Any]) -> str:
    """What a sticker stands for, as Telegram tells it."""
    match raw:
        case {"sticker": {"emoji": str(emoji)}} if emoji.strip():
            return f"[Sticker: {_plain(emoji, 40)}]"
        case _:
            return ""


def told(raw: dict[str, Any]) -> str:
    """A place or somebody's number, in words that say what it is; empty: it is neither."""
    match raw:
        case {"venue": {"title": str(title), "address": str(address), "location": dict(place)}}:
            where = _coordinates(place)
            return where and f"[Venue: {_plain(title)}, {_plain(address)} ({where})]"
        case {"location": {"live_period": int(), **place}}:
            where = _coordinates(place)
            return where and f"[Location: {where}, when it was sent. It may have moved since; that is not followed.]"
        case {"location": dict(place)}:
            where = _coordinates(place)
            return where and f"[Location: {where}]"
        case {"contact": {"phone_number": str(number), "first_name": str(first), **rest}}:
            last = rest.get("last_name")
            name = f"{first} {last}" if isinstance(last, str) else first
            return f"[Contact, as its sender gave it: {_plain(name)}, {_plain(number, 40)}]"
        case _:
            return ""


def _coordinates(place: dict[str, Any]) -> str:
    """`52.5163, 13.3777`; empty for what is on no map."""
    match place:
        case {"latitude": float() | int() as latitude, "longitude": float() | int() as longitude}:
            known = math.isfinite(latitude) and math.isfinite(longitude)
            if known and abs(latitude) <= _LATITUDE_MAX and abs(longitude) <= _LONGITUDE_MAX:
                return f"{_degrees(latitude)}, {_degrees(longitude)}"
    return ""


def _degrees(angle: float) -> str:
    """To a decimetre."""
    return f"{angle:.6f}".rstrip("0").rstrip(".")


def _plain(text: str, limit: int = NAME_CHARACTERS_MAX) -> str:
    """On one line, with nothing hidden in it, and no bracket that would end what it stands in."""
    shown, left_out = revealed(" ".join(text.split()), limit)
    return (f"{shown}…" if left_out else shown).translate(_BRACKETS)
