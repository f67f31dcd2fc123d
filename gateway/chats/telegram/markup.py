"""Markdown and buttons to bodies that each fit one Telegram message; pure.

telegramify-markdown turns Markdown into text with entities. Three things are added here. What agents write and Markdown
would eat (`Vec<u8>`, `__init__.py`, `[INFO]: x`, `a || b`) is made literal first. If letters, digits or symbols got lost all the
same, the text is shown as it was written. And texts are split by Telegram's limits of length and of entities.
"""

import html
import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import Any
from unicodedata import category

from telegramify_markdown import MessageEntity, RenderConfig, convert

from gateway.chats.telegram.literal import escape
from gateway.domain.effects import Button

MAX_UNITS = 4096
MAX_ENTITIES = 100
MAX_CHARACTERS = 100_000
"""More than this of one text is not shown: about 25 messages."""
NOTHING = "(nothing to show)"
SHORT_LABEL = 16
LONGEST_LABEL = 64
LONGEST_TOKEN_BYTES = 64
LONGEST_LANGUAGE = 32
LAST_OF_ONE_UNIT = "\uffff"

_UNSENDABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_LIST_NUMBERS = re.compile(r"^[ \t>*+-]*(\d{1,9})[.)](?=\s)", re.MULTILINE)
_NAMED_CHARACTER = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters to Unicode, and nothing at all to see."""


@dataclass(frozen=True, slots=True)
class _Part:
    text: str
    entities: tuple[MessageEntity, ...] = ()


def _config() -> RenderConfig:
    config = RenderConfig.isolated()
    symbols = config.markdown_symbol
    for level in range(1, 7):
        setattr(symbols, f"heading_level_{level}", "")
    symbols.unordered_list_item = "•"
    symbols.task_completed, symbols.task_uncompleted = "[x]", "[ ]"
    symbols.horizontal_rule = "———"
    symbols.image = ""
    return config


_CONFIG = _config()


def compose(text: str, buttons: Sequence[Button]) -> tuple[str, ...]:
    """Bodies of sendMessage as JSON: `text`, `entities`, and under the last one `reply_markup`.

    Raises ValueError for a button whose token is not 1 to 64 bytes.
    """
    bodies: list[dict[str, Any]] = [
        {"text": part.text} | ({"entities": [entity.to_dict() for entity in part.entities]} if part.entities else {})
        for part in _split(_render(_sendable(text)))
        if _visible(part.text)
    ] or [{"text": NOTHING}]
    if buttons:
        bodies[-1]["reply_markup"] = {"inline_keyboard": _rows(buttons)}
    return tuple(json.dumps(body, ensure_ascii=False) for body in bodies)


def _sendable(text: str) -> str:
    text = _UNSENDABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if len(text) <= MAX_CHARACTERS:
        return text
    return f"{text[:MAX_CHARACTERS]}\n\n(cut here: {len(text) - MAX_CHARACTERS} more characters)"


def _render(markdown: str) -> _Part:
    """The text as people read it, with entities; the Markdown itself where reading it would lose something."""
    escaped = escape(markdown)
    if escaped is None:
        return _Part(markdown)
    text, entities = convert(escaped, latex_escape=False, config=_CONFIG)
    entities = sorted(map(_with_language, entities), key=lambda e: (e.offset, -e.length))
    part = _Part(text, tuple(entities))
    return _Part(markdown) if _lost(markdown, part) else part


def _lost(markdown: str, part: _Part) -> bool:
    """Whether a character that can be no markup is in the Markdown and not in the result."""
    before = _NAMED_CHARACTER.sub(lambda match: html.unescape(match.group()), markdown)
    before = _LIST_NUMBERS.sub("", before)
    extras = "".join(f"{entity.url or ''}{entity.language or ''}" for entity in part.entities)
    return bool(Counter(filter(_substantial, before)) - Counter(part.text + extras))


def _substantial(character: str) -> bool:
    return character.isalnum() if character.isascii() else not character.isspace()


def _visible(text: str) -> bool:
    return any(category(c)[0] not in "ZC" and c not in _BLANKS for c in text)


def _split(part: _Part) -> Iterator[_Part]:
    """Parts within the limits, cut at line ends where there are any, else at spaces; entities are cut along."""
    units = [0, *accumulate(2 if c > LAST_OF_ONE_UNIT else 1 for c in part.text)]
    entities, start = part.entities, 0
    while start < len(part.text):
        entities = tuple(e for e in entities if e.offset + e.length > units[start])
        end = _end(part.text, units, entities, start)
        inside = takewhile(lambda e, last=units[end]: e.offset < last, entities)
        clipped = tuple(_clip(e, units[start], units[end]) for e in inside)
        yield _Part(part.text[start:end], clipped[:MAX_ENTITIES])
        start = end


def _end(text: str, units: list[int], entities: tuple[MessageEntity, ...], start: int) -> int:
    limit = units[start] + MAX_UNITS
    if len(entities) > MAX_ENTITIES and entities[MAX_ENTITIES].offset > units[start]:
        limit = min(limit, entities[MAX_ENTITIES].offset)
    end = bisect_right(units, limit) - 1
    if end >= len(text):
        return len(text)
    half = start + (end - start) // 2
    for mark in "\n ":
        if (found := text.rfind(mark, half, end)) >= 0:
            return found + 1
    return end


def _clip(entity: MessageEntity, start: int, end: int) -> MessageEntity:
    first, last = max(entity.offset, start), min(entity.offset + entity.length, end)
    return entity.copy_with(offset=first - start, length=last - first)


def _with_language(entity: MessageEntity) -> MessageEntity:
    """The entity with the first word of what stands after a fence; more than that no client understands."""
    words = (entity.language or "").split()
    return entity.copy_with(language=words[0][:LONGEST_LANGUAGE] if words else None)


def _rows(buttons: Sequence[Button]) -> list[list[dict[str, str]]]:
    """Two short buttons beside each other, a long one alone."""
    rows: list[list[dict[str, str]]] = []
    room = False
    for button in buttons:
        if not 1 <= len(button.token.encode()) <= LONGEST_TOKEN_BYTES:
            raise ValueError(f"a button's token has 1 to {LONGEST_TOKEN_BYTES} bytes; that of {button.label!r} has not")
        label = _UNSENDABLE.sub("", button.label)[:LONGEST_LABEL]
        key = {"text": label if _visible(label) else "?", "callback_data": button.token}
        short = len(label) <= SHORT_LABEL
        if room and short:
            rows[-1].append(key)
        else:
            rows.append([key])
        room = short and len(rows[-1]) == 1
    return rows
