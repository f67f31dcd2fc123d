"""Formatted text: parse modes, UTF-16 ranges, trimming and the limit of entities."""

import re
from dataclasses import dataclass
from typing import Any

from tests.fakes.bot_api_html import Html
from tests.fakes.bot_api_markdown import CannotParse, Entity, MarkdownV2, read_legacy, utf16

MAX_ENTITIES = 100
_READERS = {
    "markdownv2": lambda text: MarkdownV2(text).read(),
    "markdown": read_legacy,
    "html": lambda text: Html(text).read(),
}
_FOUND_IN_TEXT = re.compile(
    r"(?P<bot_command>(?<![\w/])/[A-Za-z0-9_]{1,64}(?:@\w+)?)|(?P<mention>(?<!\w)@\w{4,32})|(?P<url>https?://[^\s<>\"]+)"
)


class BadText(Exception):  # noqa: N818 - reads as what the server says
    """The text or its entities are refused; the message is the whole description of the answer."""


@dataclass(frozen=True, slots=True)
class Formatted:
    """A text with its entities, offsets in UTF-16 units; `dropped` counts the entities above the limit."""

    text: str
    entities: tuple[Entity, ...] = ()
    dropped: int = 0


def parse(text: str, parse_mode: str | None, entities: list[Entity] | None) -> Formatted:
    """Read `text` in its parse mode; without one, take the entities given. BadText when it cannot be read."""
    if not parse_mode:
        return Formatted(text, tuple(entities or ()))
    reader = _READERS.get(parse_mode.lower())
    if reader is None:
        raise BadText("Bad Request: unsupported parse_mode")
    try:
        plain, found = reader(text)
    except CannotParse as error:
        raise BadText(f"Bad Request: can't parse entities: {error}") from error
    return Formatted(plain, tuple(found))


def clean(formatted: Formatted) -> Formatted:
    """Check the entities' ranges, trim the text, and drop the entities above the limit without a word, as the server does."""
    size = utf16(formatted.text)
    for entity in formatted.entities:
        _check_range(formatted.text, size, entity)
    lead = utf16(formatted.text) - utf16(formatted.text.lstrip())
    first = min((entity["offset"] for entity in formatted.entities), default=size)
    cut = min(lead, first)
    text = formatted.text.encode("utf-16-le")[cut * 2 :].decode("utf-16-le").rstrip()
    size = utf16(text)
    moved = [_moved(entity, cut, size) for entity in formatted.entities]
    kept = sorted((e for e in moved if e["length"] > 0), key=lambda e: (e["offset"], -e["length"]))
    return Formatted(text, tuple(kept[:MAX_ENTITIES]), max(0, len(kept) - MAX_ENTITIES))


def found_entities(text: str) -> list[Entity]:
    """The entities that Telegram finds in a plain message of a person: commands, mentions, addresses."""
    return [
        {"type": str(match.lastgroup), "offset": utf16(text[: match.start()]), "length": utf16(match.group())}
        for match in _FOUND_IN_TEXT.finditer(text)
    ]


def _moved(entity: Entity, cut: int, size: int) -> dict[str, Any]:
    offset = entity["offset"] - cut
    return {**entity, "offset": offset, "length": min(entity["length"], size - offset)}


def _check_range(text: str, size: int, entity: Entity) -> None:
    offset, end = entity["offset"], entity["offset"] + entity["length"]
    if offset < 0 or entity["length"] < 0:
        raise BadText(f"Bad Request: receive an entity with incorrect offset {offset} or length {entity['length']}")
    if offset > size:
        raise BadText(f"Bad Request: entity begins after the end of the text at UTF-16 offset {offset}")
    if end > size:
        raise BadText(
            f"Bad Request: entity beginning at UTF-16 offset {offset} ends after the end of the text at UTF-16 offset {end}"
        )
    units = text.encode("utf-16-le")
    for edge, verb in ((offset, "begins"), (end, "ends")):
        if edge < size and 0xDC <= units[edge * 2 + 1] <= 0xDF:
            raise BadText(f"Bad Request: entity {verb} in a middle of a UTF-16 symbol at UTF-16 offset {edge}")
