"""Files that go through a chat: one that a person sent, and a copy of one on its way out."""

from dataclasses import dataclass
from enum import StrEnum


class FileKind(StrEnum):
    """How a chat shows it."""

    PHOTO = "photo"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message, under the chat's own name for it: its content is fetched when it is needed.

    `name` is what the sender called it (never a path to write to), `size` its bytes as the chat claims them.
    """

    id: str
    name: str
    kind: FileKind
    size: int | None = None


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
