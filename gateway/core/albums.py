"""Albums: a chat sends their parts one by one, and nothing says which is the last; pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.domain.events import Message, Unsupported
from gateway.domain.place import Thread

QUIET_MS: Final = 1_500
"""An album is whole when so long no further part of it has come."""
LONGEST_MS: Final = 10_000
"""It is not waited for any longer, whatever comes."""
PARTS_MAX: Final = 10
"""An album has no more: with this part it is whole at once."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """An update that waits to be handled. `seen_ms`: since when it is known, in ticks.

    `thread` is None for what keeps no order with other messages: presses, commands, what means nothing.
    """

    key: str
    seen_ms: int
    thread: Thread | None = None
    album: str = ""


@dataclass(frozen=True, slots=True)
class Next:
    """The updates to be handled now, as one; without any: in `wait_ms` there may be some (None: only when one comes)."""

    keys: tuple[str, ...] = ()
    wait_ms: int | None = None


def choose(waiting: Sequence[Arrived], now_ms: int) -> Next:
    """The first that may be handled, with what belongs to it. What is written after an album waits for it; nothing else does."""
    behind: set[Thread] = set()
    waits: list[int] = []
    for one in waiting:
        if one.thread is None or (not one.album and one.thread not in behind):
            return Next((one.key,))
        if one.thread in behind or not one.album:
            continue
        parts = [part for part in waiting if (part.thread, part.album) == (one.thread, one.album)][:PARTS_MAX]
        seen = [part.seen_ms for part in parts]
        left = min(max(seen) + QUIET_MS, min(seen) + LONGEST_MS) - now_ms
        if left <= 0 or len(parts) == PARTS_MAX:
            return Next(tuple(part.key for part in parts))
        waits.append(left)
        behind.add(one.thread)
    return Next(wait_ms=min(waits, default=None))


def merged(parts: Sequence[Message | Unsupported]) -> Message | Unsupported:
    """The message that the parts of an album are, in the order in which they were sent. One that cannot be read stands for all."""
    messages = sorted((part for part in parts if isinstance(part, Message)), key=lambda part: _order(part.message_id))
    unread = next((part for part in parts if isinstance(part, Unsupported)), None)
    addressed = any(part.addressed for part in parts)
    if unread is not None:
        return replace(unread, addressed=addressed)
    return replace(
        messages[0],
        addressed=addressed,
        text="\n\n".join(part.text.strip() for part in messages if part.text.strip()),
        attachments=tuple(file for part in messages for file in part.attachments),
        replies_to=next((part.replies_to for part in messages if part.replies_to), ""),
        quoted=next((part.quoted for part in messages if part.quoted), ""),
        # If anything in it is another's, nothing in it passes for the sender's own.
        forwarded=next((part.forwarded for part in messages if part.forwarded), ""),
    )


def _order(message_id: str) -> tuple[int, str]:
    """Chats number their messages: the longer number is the later one."""
    return len(message_id), message_id
