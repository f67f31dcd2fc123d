"""Formatted text: parse modes, UTF-16 ranges, trimming and the limit of entities."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.fakes.bot_api_html import Html
from tests.fakes.bot_api_markdown import CannotParse, Entity, MarkdownV2, read_legacy, utf16

MAX_ENTITIES = 100
CODE = frozenset({"code", "pre"})
QUOTES = frozenset({"blockquote", "expandable_blockquote"})
ALONE = CODE | QUOTES | {"text_link", "text_mention", "custom_emoji"}
"""These cross nothing; and none of them stands in another, but in a quote."""
REMOVED = frozenset("\r\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u0333\u033f\u030a")
_CHANGED = re.compile(f"[{''.join(sorted(REMOVED))}\x00-\x09\x0b-\x1f]")
"""What the server replaces or removes."""
_URL = re.compile(
    r"(?:(?P<protocol>[^:/?#@\[\]]*)://)?(?:[^/?#]*@)?(?P<host>\[[^/?#\]]*\]|[^/?#]*?)(?::(?P<port>[^/?#:\]]*))?(?P<path>[/?#].*)?",
    re.DOTALL,
)
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
    """A text with its entities, offsets in UTF-16 units; `dropped` counts those that the server dropped without a word."""

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
    """Check the entities, and do to the text and to them what the server does without a word.

    Control characters become spaces (tabs too), some others go; entities lose the blanks that they begin with; what may not be
    nested goes, and so do the entities above the limit: those two are counted. The text is trimmed. As TDLib's
    `fix_formatted_text` has it, but for bold and the like that cross each other: those are split there and left here.
    """
    size = utf16(formatted.text)
    for entity in formatted.entities:
        _check_range(formatted.text, size, entity)
        _check_link(entity)
    text, entities = _sendable(formatted.text, formatted.entities)
    found = [_without_lead(text, entity) for entity in entities]
    sound = list(_nested(sorted((e for e in found if e["length"] > 0), key=_by_place)))
    size = utf16(text)
    lead = size - utf16(text.lstrip(" \n"))
    cut = min(lead, min((entity["offset"] for entity in sound), default=size))
    text = text.encode("utf-16-le")[cut * 2 :].decode("utf-16-le").rstrip(" \n")
    size = utf16(text)
    kept = [e for e in (_moved(entity, cut, size) for entity in sound) if e["length"] > 0]
    unsound = sum(entity["length"] > 0 for entity in found) - len(sound)
    return Formatted(text, tuple(kept[:MAX_ENTITIES]), unsound + max(0, len(kept) - MAX_ENTITIES))


def _by_place(entity: Entity) -> tuple[int, int, bool]:
    return entity["offset"], -entity["length"], entity["type"] in CODE


def _sendable(text: str, entities: tuple[Entity, ...]) -> tuple[str, list[Entity]]:
    """The text without the characters that the server replaces or removes, and the entities where their words are now."""
    if not _CHANGED.search(text):
        return text, [{**entity} for entity in entities]
    units, there = 0, [0]
    kept: list[str] = []
    for char in text:
        new = "" if char in REMOVED else " " if char < " " and char != "\n" else char
        kept.append(new)
        units += (new > "\uffff") + bool(new)
        there += [units, units] if char > "\uffff" else [units]
    moved: list[Entity] = []
    for entity in entities:
        start, end = there[entity["offset"]], there[entity["offset"] + entity["length"]]
        moved.append({**entity, "offset": start, "length": end - start})
    return "".join(kept), moved


def _without_lead(text: str, entity: Entity) -> Entity:
    """The entity without the blanks it begins with; of length 0 if there is nothing else in it."""
    units = text.encode("utf-16-le")
    covered = units[2 * entity["offset"] : 2 * (entity["offset"] + entity["length"])].decode("utf-16-le")
    lead = len(covered) - len(covered.lstrip(" \n"))
    return {**entity, "offset": entity["offset"] + lead, "length": entity["length"] - lead}


def _nested(entities: list[Entity]) -> Iterator[Entity]:
    """The entities, sorted, but for those that may not stand where they do."""
    around: list[Entity] = []
    for entity in entities:
        around = [e for e in around if e["offset"] + e["length"] > entity["offset"]]
        kinds = {e["type"] for e in around}
        crosses = any(entity["offset"] + entity["length"] > e["offset"] + e["length"] for e in around)
        alone = entity["type"] in ALONE and (
            crosses or kinds & (QUOTES if entity["type"] in QUOTES else ALONE - QUOTES)
        )
        if not (kinds & CODE or alone):
            around.append(entity)
            yield entity


def _check_link(entity: Entity) -> None:
    if entity["type"] == "text_link" and (wrong := wrong_link(entity.get("url", ""))):
        raise BadText(f"Bad Request: wrong message entity: {wrong}")


def wrong_link(url: str) -> str:
    """Why the server takes no such address behind words; empty: it does."""
    if url.lower().startswith(("tg:", "ton:", "tonsite:")):
        return ""
    found = _URL.fullmatch(url)
    assert found is not None
    protocol, host, port = found["protocol"], found["host"], found["port"]
    wrong = (
        ("Unsupported URL protocol", protocol is not None and protocol.lower() not in ("http", "https")),
        (
            "Wrong port number specified in the URL",
            port is not None and not (port.isdecimal() and 0 < int(port) < 65536),
        ),
        ("URL host is empty", not host),
        ("Host is invalid", host == "."),
        ("Wrong percent-encoded symbol in URL host", re.search("%(?![0-9a-fA-F]{2})", host)),
        ("Wrong URL host", not re.fullmatch(r"\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._!$,~*'();&+=%\x80-\U0010ffff-]*", host)),
        ("Wrong HTTP URL", "." not in host and not host.startswith("[")),
    )
    return next((words for words, holds in wrong if holds), "")


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
