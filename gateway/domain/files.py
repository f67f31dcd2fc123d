"""Files that go through a chat: one that a person sent, and a copy of one on its way out."""

from dataclasses import dataclass
from enum import StrEnum


class FileKind(StrEnum):
    """How a chat shows it."""

    PHOTO = "photo"
    DOCUMENT = "document"
    VOICE = "voice message"
    VIDEO_NOTE = "video note"
    AUDIO = "audio"
    VIDEO = "video"
    ANIMATION = "animation"
    STICKER = "sticker"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message, under the chat's own name for it: its content is fetched when it is needed.

    `name` is what the sender called it (never a path to write to), `size` its bytes as the chat claims them.
    """

    id: str
    name: str
    kind: FileKind
    size: int | None = None
    duration_s: int | None = None
    """How long it plays, as the chat claims; None: it does not, or that was not told."""
    album: str = ""
    """The chat's own name for what it was sent together with; empty: it was sent alone."""
    passed_on: bool = False
    """The sender only passed it on: what is said in it is no word of theirs."""
    heard: str | None = None
    """What is said in it; None: nobody has listened yet. Empty: nothing could be made out."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A file to be sent: the copy of it that was made when that was decided. `size` in bytes.

    `name` is shown to people, `source` is where it was copied from.
    """

    path: str
    name: str
    kind: FileKind
    size: int
    source: str
