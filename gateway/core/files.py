"""Which files may go through a chat, what they are called, and how the outbox holds one; pure."""

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from gateway.domain.files import Attachment, FileKind, Parcel
from gateway.view import figure_words, file_words

FILES_MAX: Final = 10
"""With one message."""
BYTES_MAX: Final = 50_000_000
"""What a bot may send at most."""
PHOTO_BYTES_MAX: Final = 10_000_000
NAME_MAX: Final = 100
UNNAMED: Final = "file"
FILE_MARK: Final = ":file:"
CARD_MARK: Final = ":card"
CAPTION_UNITS_MAX: Final = 1024
"""So long words may be that stand under a picture, in UTF-16 units."""

_SYSTEM: Final = ("/proc", "/sys", "/dev")
"""What looks like files there is the system itself, and may hold what no agent is told."""
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_SUFFIX: Final = re.compile(r"\.[A-Za-z0-9]{1,10}")
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG: Final = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True)
class Found:
    """What an opened file is: its path with every link resolved, and whether that leads into the gateway's own directory."""

    path: str
    regular: bool
    own: bool


def may_send(found: Found) -> str:
    """Why it may not be sent; empty: it may, as far as can be said before it is read."""
    if found.own:
        return file_words.OWN
    if not found.regular:
        return file_words.NOT_REGULAR
    if any(found.path == place or found.path.startswith(f"{place}/") for place in _SYSTEM):
        return file_words.OF_SYSTEM
    return ""


def shown_name(name: str) -> str:
    """The name without directories, controls and quotes, in at most 100 characters; one that devices have begins with a line."""
    last = re.split(r"[/\\]", name)[-1].replace('"', "'")
    clean = "".join(char for char in last if unicodedata.category(char)[0] != "C").strip()
    if not clean.strip("."):
        return UNNAMED
    if _DEVICE.fullmatch(clean):
        clean = f"_{clean}"
    if len(clean) <= NAME_MAX:
        return clean
    suffix = suffix_of(clean)
    return clean[: NAME_MAX - len(suffix)] + suffix


def suffix_of(name: str) -> str:
    """A plain `.txt` at a name's end, or nothing."""
    at = name.rfind(".")
    found = _SUFFIX.fullmatch(name[at:]) if at > 0 else None
    return found[0].lower() if found else ""


def kind_of(head: bytes, size: int) -> FileKind:
    """A picture if it begins like one and is no larger than chats take them."""
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    picture = webp or head.startswith((_PNG, _JPEG))
    return FileKind.PHOTO if picture and size <= PHOTO_BYTES_MAX else FileKind.DOCUMENT


readable: Final = figure_words.size


# ------------------------------------------------------------------------------------------------------ in the outbox
def file_ref(ref: str, number: int) -> str:
    """What the outbox calls the file of this number that goes with a message."""
    return f"{ref}{FILE_MARK}{number}"


def card_ref(name: str) -> str:
    """What the outbox calls a card: words that are sent alone, or under a picture if there is one in time."""
    return f"{name}{CARD_MARK}"


def may_hold_file(ref: str) -> bool:
    """Whether a message of this name is a file, or may have become one."""
    return FILE_MARK in ref or ref.endswith(CARD_MARK)


def fits_under(text: str) -> bool:
    """Whether the words may stand under a picture."""
    return len(text.encode("utf-16-le", "surrogatepass")) <= 2 * CAPTION_UNITS_MAX


def enclosed(parcel: Parcel, words: str = "") -> str:
    """The body of the message that is this file, the same for every chat; `words`: as the chat composed them, to stand under it."""
    return json.dumps(asdict(parcel) | ({"words": words} if words else {}))


def parcel_of(ref: str, body: str) -> Parcel | None:
    """The file that a message of this name is; None: it is text. Raises ValueError for a body that `enclosed` did not make."""
    if not may_hold_file(ref):
        return None
    match json.loads(body):
        case {"path": str(path), "name": str(name), "kind": str(kind), "size": int(size), "source": str(source)}:
            return Parcel(path, name, FileKind(kind), size, source)
        case _ if FILE_MARK not in ref:
            return None
        case _:
            raise ValueError("not the body of a file")


def words_under(body: str) -> str:
    """The words that stand under a file, as the chat composed them; `body`: as `enclosed` made it."""
    return json.loads(body).get("words", "")


def carried(ref: str, body: str) -> Parcel | None:
    """The file that a message of this name carries; None: it is text, or nothing that `enclosed` made: that harms nobody."""
    try:
        return parcel_of(ref, body)
    except ValueError:
        return None


# --------------------------------------------------------------------------------------------------- what people send
def stand_in(attachments: Sequence[Attachment]) -> str:
    """The prompt of a message that is only files."""
    return " ".join(f"[{one.name}]" for one in attachments)


def room(kept: Iterable[tuple[str, int]], wanted: int, quota: int) -> tuple[str, ...]:
    """Which of the files (name, bytes; oldest first) have to go so that so many bytes more fit into the quota."""
    files = list(kept)
    over = sum(size for _, size in files) + wanted - quota
    gone: list[str] = []
    for name, size in files:
        if over <= 0:
            break
        gone.append(name)
        over -= size
    return tuple(gone)
