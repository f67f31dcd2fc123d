"""Formatted text within Telegram's limits: entities that nest, links that are short enough, parts that fit; pure."""

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, takewhile

from telegramify_markdown import MessageEntity, utf16_len

MAX_UNITS = 4096
MAX_ENTITIES = 100
MAX_ENTITY_BYTES = 20_000
"""JSON of the entities of one message. With 4096 units of text (12 kB at most) and a keyboard it stays below 60 kB."""
LONGEST_URL = 2_000
URL_SHOWN = 200
LAST_OF_ONE_UNIT = "\uffff"

_CODE = frozenset({"code", "pre"})
_ONCE = frozenset({"blockquote", "expandable_blockquote", "text_link"})


@dataclass(frozen=True, slots=True)
class Part:
    """A text and its entities, which are sorted: by offset (UTF-16 units), an outer one before those inside it."""

    text: str
    entities: tuple[MessageEntity, ...] = ()


def nested(entities: Iterable[MessageEntity]) -> tuple[MessageEntity, ...]:
    """The entities sorted, and so that each two are apart or one is inside the other.

    As Telegram wants it, nothing is inside code, no quote inside a quote and no link inside a link. Code that is a link, or in
    one, is only a link: Telegram would keep the code and drop the address.
    """
    kept: list[MessageEntity] = []
    around: list[MessageEntity] = []
    for entity in sorted(entities, key=lambda e: (e.offset, -e.length, e.type in _CODE)):
        while around and around[-1].offset + around[-1].length <= entity.offset:
            around.pop()
        end = entity.offset + entity.length
        if around:
            end = min(end, around[-1].offset + around[-1].length)
        outside = {outer.type for outer in around}
        forbidden = (
            outside & _CODE or entity.type in outside & _ONCE or (entity.type in _CODE and "text_link" in outside)
        )
        if end > entity.offset and not forbidden:
            kept.append(entity.copy_with(length=end - entity.offset))
            around.append(kept[-1])
    return tuple(kept)


def with_short_links(part: Part) -> Part:
    """The part with links of at most 2,000 characters; of a longer one the words stay, and the address's beginning as code."""
    long = [e for e in part.entities if len(e.url or "") > LONGEST_URL]
    if not long:
        return part
    units, entities = part.text.encode("utf-16-le"), [e for e in part.entities if e not in long]
    for link in reversed(long):
        at, url = link.offset + link.length, link.url or ""
        if units[2 * link.offset : 2 * at].decode("utf-16-le") == url:
            continue
        before, address, after = " (too long for a link: ", f"{url[:URL_SHOWN]}…", ")"
        inserted = before + address + after
        units = units[: 2 * at] + inserted.encode("utf-16-le") + units[2 * at :]
        entities = [_moved(e, at, utf16_len(inserted)) for e in entities]
        entities.append(MessageEntity("code", at + len(before), utf16_len(address)))
    return Part(units.decode("utf-16-le"), nested(entities))


def _moved(entity: MessageEntity, at: int, units: int) -> MessageEntity:
    """The entity after so many units were inserted at a place."""
    if entity.offset >= at:
        return entity.copy_with(offset=entity.offset + units)
    return entity.copy_with(length=entity.length + units) if entity.offset + entity.length > at else entity


def split(part: Part) -> Iterator[Part]:
    """Parts within the limits, cut at line ends where there are any, else at spaces; entities are cut along."""
    units = [0, *accumulate(2 if c > LAST_OF_ONE_UNIT else 1 for c in part.text)]
    entities, start = part.entities, 0
    while start < len(part.text):
        entities = tuple(e for e in entities if e.offset + e.length > units[start])
        end = _end(part.text, units, entities, start)
        inside = takewhile(lambda e, last=units[end]: e.offset < last, entities)
        clipped = tuple(_clip(e, units[start], units[end]) for e in inside)
        yield Part(part.text[start:end], clipped[: _fitting(clipped)])
        start = end


def _end(text: str, units: list[int], entities: tuple[MessageEntity, ...], start: int) -> int:
    limit, fitting = units[start] + MAX_UNITS, _fitting(entities)
    if fitting < len(entities) and entities[fitting].offset > units[start]:
        limit = min(limit, entities[fitting].offset)
    end = bisect_right(units, limit) - 1
    if end >= len(text):
        return len(text)
    half = start + (end - start) // 2
    for mark in "\n ":
        if (found := text.rfind(mark, half, end)) >= 0:
            return found + 1
    return end


def _fitting(entities: tuple[MessageEntity, ...]) -> int:
    """How many of these, from the first, one message may carry."""
    sizes = accumulate(len(json.dumps(e.to_dict(), ensure_ascii=False).encode()) + 2 for e in entities[:MAX_ENTITIES])
    return sum(1 for _ in takewhile(lambda size: size <= MAX_ENTITY_BYTES, sizes))


def _clip(entity: MessageEntity, start: int, end: int) -> MessageEntity:
    first, last = max(entity.offset, start), min(entity.offset + entity.length, end)
    return entity.copy_with(offset=first - start, length=last - first)
