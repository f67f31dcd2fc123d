"""The HTML mode of the Bot API, read as the official server reads it: same entities, same complaints."""

import re
from dataclasses import dataclass

from tests.fakes.bot_api_markdown import CannotParse, Entity, link_target, utf16

SIMPLE = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "code": "code",
    "pre": "pre",
}
SUPPORTED = frozenset(SIMPLE) | {"a", "span", "blockquote", "tg-emoji", "tg-time"}
NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_ENTITY = re.compile(r"&(?:#x([0-9a-fA-F]+)|#([0-9]+)|(lt|gt|amp|quot));?")
_ATTRIBUTE = re.compile(r"\s*([^\s=>]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]*)))?")
_TAG_END = re.compile(r"(?:\"[^\"]*\"|'[^']*'|[^>\"'])*>")


@dataclass(slots=True)
class _Open:
    tag: str
    attributes: dict[str, str]
    offset: int


class Html:
    """One reading of one text. `read` returns the plain text and its entities, or raises CannotParse."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.out: list[str] = []
        self.length = 0
        self.open: list[_Open] = []
        self.entities: list[Entity] = []

    def read(self) -> tuple[str, list[Entity]]:
        """Read the whole source."""
        while self.at < len(self.source):
            if self.source.startswith("</", self.at):
                self._end_tag()
            elif self.source[self.at] == "<":
                self._start_tag()
            else:
                self._text()
        if self.open:
            raise CannotParse(f'Can\'t find end tag corresponding to start tag "{self.open[-1].tag}"')
        kept = [entity for entity in self.entities if entity["length"]]
        return "".join(self.out), sorted(kept, key=lambda entity: (entity["offset"], -entity["length"]))

    def _text(self) -> None:
        found = _ENTITY.match(self.source, self.at)
        char, width = (decode(found), len(found.group())) if found else (self.source[self.at], 1)
        self.out.append(char)
        self.length += utf16(char)
        self.at += width

    def _byte(self) -> int:
        return len(self.source[: self.at].encode())

    def _start_tag(self) -> None:
        name = re.compile(r"<([^\s>]*)").match(self.source, self.at)
        if not name or name.end() == len(self.source):
            raise CannotParse(f"Unclosed start tag at byte offset {self._byte()}")
        tag = name.group(1).lower()
        if tag not in SUPPORTED:
            raise CannotParse(f'Unsupported start tag "{tag}" at byte offset {self._byte()}')
        end = _TAG_END.match(self.source, name.end())
        if not end:
            raise CannotParse(f'Unclosed start tag "{tag}" at byte offset {self._byte()}')
        attributes = self._attributes(tag, self.source[name.end() : end.end() - 1])
        if tag == "span" and attributes.get("class") != "tg-spoiler":
            raise CannotParse(f'Tag "span" must have class "tg-spoiler" at byte offset {self._byte()}')
        self.open.append(_Open(tag, attributes, self.length))
        self.at = end.end()

    def _attributes(self, tag: str, source: str) -> dict[str, str]:
        if source.lstrip().startswith("="):
            raise CannotParse(f'Empty attribute name in the tag "{tag}" at byte offset {self._byte()}')
        found = (match.groups() for match in _ATTRIBUTE.finditer(source))
        return {name: _ENTITY.sub(decode, next((v for v in values if v is not None), "")) for name, *values in found}

    def _end_tag(self) -> None:
        if not self.open:
            raise CannotParse(f"Unexpected end tag at byte offset {self._byte()}")
        end = self.source.find(">", self.at)
        if end < 0:
            raise CannotParse(f"Unclosed end tag at byte offset {self._byte()}")
        name = self.source[self.at + 2 : end].strip().lower()
        element = self.open[-1]
        if name and name != element.tag:
            raise CannotParse(
                f'Unmatched end tag at byte offset {self._byte()}, expected "</{element.tag}>", found "</{name}>"'
            )
        self.open.pop()
        self.at = end + 1
        self._add(element)

    def _add(self, element: _Open) -> None:
        tag, attributes = element.tag, element.attributes
        entity: Entity = {"offset": element.offset, "length": self.length - element.offset}
        if tag in SIMPLE:
            entity["type"] = SIMPLE[tag]
            language = attributes.get("class", "").removeprefix("language-")
            if tag == "code" and language and self.open and self.open[-1].tag == "pre":
                self.open[-1].attributes["language"] = language
                return
            if tag == "pre" and "language" in attributes:
                entity["language"] = attributes["language"]
        elif tag == "span":
            entity["type"] = "spoiler"
        elif tag == "blockquote":
            entity["type"] = "expandable_blockquote" if "expandable" in attributes else "blockquote"
        elif tag == "tg-emoji":
            entity |= {"type": "custom_emoji", "custom_emoji_id": attributes.get("emoji-id", "")}
        elif not self._link(entity, attributes):
            return
        self.entities.append(entity)

    def _link(self, entity: Entity, attributes: dict[str, str]) -> bool:
        inner = "".join(self.out).encode("utf-16-le")[entity["offset"] * 2 :].decode("utf-16-le")
        url = attributes.get("href", inner)
        person = re.fullmatch(r"tg:(?://)?user\?id=(\d+)", url)
        if person:
            entity |= {"type": "text_mention", "user": {"id": int(person.group(1)), "is_bot": False, "first_name": "?"}}
            return True
        target = link_target(url)
        entity |= {"type": "text_link", "url": target}
        return target is not None


def decode(found: re.Match[str]) -> str:
    """The character of one HTML entity; a number that is no character stays as it was written."""
    hexadecimal, decimal, named = found.groups()
    if named:
        return NAMED[named]
    code = int(hexadecimal, 16) if hexadecimal else int(decimal)
    if 0xD800 <= code <= 0xDFFF:
        raise CannotParse(
            "Text contains invalid Unicode characters after decoding HTML entities, check for unmatched surrogate code units"
        )
    return chr(code) if 0 < code <= 0x10FFFF else found.group()
