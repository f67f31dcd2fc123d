"""Formatted text within Telegram's limits: entities that nest, links that are short enough, parts that fit; pure."""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile

from telegramify_markdown import MessageEntity, utf16_len

MAX_UNITS = 4096
MAX_ENTITIES = 100
MAX_ENTITY_BYTES = 20_000
"""JSON of the entities of one message. With 4096 units of text (12 kB at most) and a keyboard it stays below 60 kB."""
MOST_PLAIN_BYTES, MOST_ESCAPED_BYTES = 120, 6
"""An entity's JSON without its address, language and format takes no more, and no character of those does."""
LONGEST_URL = 2_000
URL_SHOWN = 200
TAB = 4
LAST_OF_ONE_UNIT = "\uffff"

_CODE = frozenset({"code", "pre"})
_QUOTES = frozenset({"blockquote", "expandable_blockquote"})
_ONCE = (_QUOTES, frozenset({"text_link"}))
"""None of these stands in one of its own group."""


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
        once = any(entity.type in group and outside & group for group in _ONCE)
        forbidden = outside & _CODE or once or (entity.type in _CODE and "text_link" in outside)
        if end > entity.offset and not forbidden:
            length = end - entity.offset
            kept.append(entity if length == entity.length else entity.copy_with(length=length))
            around.append(kept[-1])
    return tuple(kept)


def joined(parts: Sequence[Part], between: str) -> Part:
    """These parts as one."""
    sizes = [utf16_len(part.text) + utf16_len(between) for part in parts]
    starts = [0, *accumulate(sizes)]
    entities = [
        e.copy_with(offset=e.offset + start) for start, part in zip(starts, parts, strict=False) for e in part.entities
    ]
    return Part(between.join(part.text for part in parts), tuple(entities))


def cut(part: Part, start: int, end: int) -> Part:
    """The part's characters from `start` to `end`, with what of its entities is there."""
    first, last = utf16_len(part.text[:start]), utf16_len(part.text[:end])
    inside = [e for e in part.entities if e.offset < last and e.offset + e.length > first]
    return Part(part.text[start:end], tuple(_clip(e, first, last) for e in inside))


def filled(part: Part, mark: str, inserts: Sequence[Part]) -> Part:
    """The part with each occurrence of the mark, one UTF-16 unit, replaced: by the first insert, the second, and so on."""
    pieces = part.text.split(mark)
    sizes = [utf16_len(insert.text) - 1 for insert in inserts]
    moved = [0, *accumulate(sizes)]
    marks = [at + n for n, at in enumerate(accumulate(map(utf16_len, pieces[:-1])))]

    def there(at: int) -> int:
        return at + moved[bisect_left(marks, at)]

    entities = [
        e.copy_with(offset=there(e.offset), length=there(e.offset + e.length) - there(e.offset)) for e in part.entities
    ]
    for at, insert in zip(marks, inserts, strict=True):
        entities += [e.copy_with(offset=e.offset + there(at)) for e in insert.entities]
    text = "".join(piece + insert.text for piece, insert in zip(pieces, [*inserts, Part("")], strict=True))
    return Part(text, nested(entities))


def with_spaces(part: Part) -> Part:
    """The part with its tabs as spaces, to the next column of four: Telegram makes one space of a tab."""
    pieces = part.text.split("\t")
    spaces: list[Part] = []
    column = 0
    for piece in pieces[:-1]:
        last = piece.rsplit("\n", 1)
        column = (column if len(last) == 1 else 0) + len(last[-1])
        spaces.append(Part(" " * (TAB - column % TAB)))
        column += len(spaces[-1].text)
    return filled(part, "\t", spaces) if spaces else part


def indented(part: Part) -> Part:
    """The part with code that keeps the blanks it begins with: Telegram cuts ordinary ones off the front of an entity."""
    text = part.text
    for entity in part.entities:
        if entity.type in _CODE:
            units = text.encode("utf-16-le")
            before, after = (
                half.decode("utf-16-le") for half in (units[: 2 * entity.offset], units[2 * entity.offset :])
            )
            blanks = min(len(after) - len(after.lstrip(" \n")), entity.length)
            text = before + after[:blanks].replace(" ", "\u00a0") + after[blanks:]
    return Part(text, part.entities)


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
    """Parts within the limits, cut between paragraphs where that can be, else at line ends, else at spaces; entities are cut along."""
    units = _units(part.text)
    entities, start = part.entities, 0
    while start < len(part.text):
        entities = tuple(e for e in entities if e.offset + e.length > units[start])
        end = _end(part.text, units, entities, start)
        inside = takewhile(lambda e, last=units[end]: e.offset < last, entities)
        clipped = tuple(_clip(e, units[start], units[end]) for e in inside)
        yield Part(part.text[start:end], clipped[: _fitting(clipped)])
        start = end


def _units(text: str) -> Sequence[int]:
    """Where each character begins, in UTF-16 units, and where the text ends."""
    if max(text, default="") <= LAST_OF_ONE_UNIT:
        return range(len(text) + 1)
    return [0, *accumulate(2 if c > LAST_OF_ONE_UNIT else 1 for c in text)]


def last_of(part: Part) -> Part:
    """As much of the part's end as one message may carry: from the beginning of a line, if there is one near."""
    units = _units(part.text)
    start = bisect_left(units, units[-1] - MAX_UNITS)
    if start:
        line = part.text.find("\n", start, start + MAX_UNITS // 8)
        start = start if line < 0 else line + 1
    blanks = len(part.text[start:]) - len(part.text[start:].lstrip())
    # Text that begins with blanks loses them; an indented first line of code is worth a line of it.
    kept = cut(part, start + blanks, len(part.text))
    fitting = _fitting(tuple(reversed(kept.entities)))
    return Part(kept.text, kept.entities[len(kept.entities) - fitting :])


def _end(text: str, units: Sequence[int], entities: tuple[MessageEntity, ...], start: int) -> int:
    limit, fitting = units[start] + MAX_UNITS, _fitting(entities)
    if fitting < len(entities) and entities[fitting].offset > units[start]:
        limit = min(limit, entities[fitting].offset)
    end = bisect_right(units, limit) - 1
    if end >= len(text):
        return len(text)
    half = start + (end - start) // 2
    at = end
    while (at := text.rfind("\n\n", half, at)) >= 0:
        if not any(e.offset < units[at] < e.offset + e.length for e in entities if e.type in _CODE):
            return at + 2
    for mark in "\n ":
        if (found := text.rfind(mark, half, end)) >= 0:
            return found + 1
    return end


def _fitting(entities: tuple[MessageEntity, ...]) -> int:
    """How many of these, from the first, one message may carry."""
    if (
        sum(MOST_PLAIN_BYTES + MOST_ESCAPED_BYTES * len(f"{e.url}{e.language}{e.date_time_format}") for e in entities)
        <= MAX_ENTITY_BYTES
    ):
        return min(len(entities), MAX_ENTITIES)
    sizes = accumulate(len(json.dumps(e.to_dict(), ensure_ascii=False).encode()) + 2 for e in entities[:MAX_ENTITIES])
    return sum(1 for _ in takewhile(lambda size: size <= MAX_ENTITY_BYTES, sizes))


def _clip(entity: MessageEntity, start: int, end: int) -> MessageEntity:
    first, last = max(entity.offset, start), min(entity.offset + entity.length, end)
    if (first - start, last - first) == (entity.offset, entity.length):
        return entity
    return entity.copy_with(offset=first - start, length=last - first)
