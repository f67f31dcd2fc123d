"""The two Markdown dialects of the Bot API, read as the official server reads them: same entities, same complaints."""

import re
from dataclasses import dataclass
from typing import Any

Entity = dict[str, Any]

RESERVED = frozenset("_*[]()~`>#+-=|{}.!")
CODES = frozenset({"Code", "Pre", "PreCode"})
API_TYPES = {
    "Bold": "bold",
    "Italic": "italic",
    "Underline": "underline",
    "Strikethrough": "strikethrough",
    "Spoiler": "spoiler",
    "Code": "code",
    "Pre": "pre",
    "PreCode": "pre",
    "TextUrl": "text_link",
    "CustomEmoji": "custom_emoji",
    "BlockQuote": "blockquote",
    "ExpandableBlockQuote": "expandable_blockquote",
}
CLOSERS = {
    "Bold": "*",
    "Italic": "_",
    "Underline": "__",
    "Strikethrough": "~",
    "Spoiler": "||",
    "Code": "`",
    "Pre": "```",
    "PreCode": "```",
    "TextUrl": "]",
    "CustomEmoji": "]",
}
OPENERS = (("__", "Underline"), ("_", "Italic"), ("*", "Bold"), ("~", "Strikethrough"), ("||", "Spoiler"), ("```", "Pre"), ("`", "Code"), ("![", "CustomEmoji"), ("[", "TextUrl"))  # fmt: skip


class CannotParse(Exception):  # noqa: N818 - reads as what the server says
    """The text is not what its parse mode says; the message is the server's, without its prefix."""


def utf16(text: str) -> int:
    """How many UTF-16 code units the text has: what Telegram counts offsets and lengths in."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def link_target(url: str) -> str | None:
    """The address as the server would keep it, None for one that it drops without a word."""
    if re.match(r"[a-z][a-z0-9+.-]*://", url, re.IGNORECASE):
        return url if re.match(r"[^:]+://[^/]+/", url) else f"{url}/"
    return (
        f"http://{url}/"
        if re.fullmatch(r"[^\s/]+\.[^\s/.]{2,}", url)
        else (f"http://{url}" if re.match(r"[^\s/]+\.[^\s/.]{2,}/", url) else None)
    )


@dataclass(slots=True)
class _Open:
    kind: str
    offset: int
    byte: int
    argument: str = ""


class MarkdownV2:
    """One reading of one text. `read` returns the plain text and its entities, or raises CannotParse."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.out: list[str] = []
        self.length = 0
        self.open: list[_Open] = []
        self.entities: list[Entity] = []
        self.line_start = True

    def read(self) -> tuple[str, list[Entity]]:
        """Read the whole source."""
        while self.at < len(self.source):
            self._step()
        self._end_quote(at_end=True)
        if self.open:
            self._cannot_end(self.open[-1])
        entities = [entity for entity in self.entities if entity["length"]]
        return "".join(self.out), sorted(entities, key=lambda entity: (entity["offset"], -entity["length"]))

    def _step(self) -> None:
        char = self.source[self.at]
        following = self.source[self.at + 1 : self.at + 2]
        if char == "\\" and following and 0 < ord(following) <= 126:
            self._emit(following, 2)
        elif self._kind() in CODES and char != "`":
            self._emit(char)
        elif char == "\n" and self._in_quote():
            self._quoted_newline()
        elif char not in RESERVED:
            self._emit(char)
        elif self._closes():
            self._close()
        else:
            self._begin(char)

    def _kind(self) -> str:
        return self.open[-1].kind if self.open else ""

    def _in_quote(self) -> bool:
        return any(entity.kind == "BlockQuote" for entity in self.open)

    def _emit(self, char: str, width: int = 1) -> None:
        self.out.append(char)
        self.length += utf16(char)
        self.at += width
        self.line_start = char in "\r\n"

    def _closes(self) -> bool:
        closer = CLOSERS.get(self._kind())
        if closer is None or not self.source.startswith(closer, self.at):
            return False
        return closer != "_" or not self.source.startswith("__", self.at)

    def _begin(self, char: str) -> None:
        if char == ">" and self.line_start:
            self.open.append(_Open("BlockQuote", self.length, self._byte()))
            self.at += 1
            self.line_start = False
            return
        for marker, kind in OPENERS:
            if self.source.startswith(marker, self.at):
                self.open.append(_Open(kind, self.length, self._byte()))
                self.at += len(marker)
                if kind == "Pre":
                    self._language()
                return
        raise CannotParse(f"Character '{char}' is reserved and must be escaped with the preceding '\\'")

    def _language(self) -> None:
        named = re.compile(r"[^\s`]+").match(self.source, self.at)
        if named and named.end() < len(self.source) and self.source[named.end()] != "`":
            self.open[-1].kind, self.open[-1].argument = "PreCode", named.group()
            self.at = named.end()
        newline = re.compile(r"\r\n|\n\r|\n|\r").match(self.source, self.at)
        self.at = newline.end() if newline else self.at

    def _close(self) -> None:
        entity = self.open.pop()
        self.at += len(CLOSERS[entity.kind])
        extra: Entity | None = {}
        if entity.kind == "PreCode":
            extra = {"language": entity.argument}
        elif entity.kind == "TextUrl":
            extra = self._link("".join(self.out), entity)
        elif entity.kind == "CustomEmoji":
            extra = self._custom_emoji()
        if extra is not None:
            self._add(entity, extra)

    def _add(self, entity: _Open, extra: Entity) -> None:
        kind = extra.pop("type", API_TYPES[entity.kind])
        self.entities.append({"type": kind, "offset": entity.offset, "length": self.length - entity.offset, **extra})

    def _link(self, so_far: str, entity: _Open) -> Entity | None:
        url = self._address("a URL")
        if url is None:
            url = so_far.encode("utf-16-le")[entity.offset * 2 :].decode("utf-16-le")
        person = re.fullmatch(r"tg:(?://)?user\?id=(\d+)", url)
        if person:
            return {"type": "text_mention", "user": {"id": int(person.group(1)), "is_bot": False, "first_name": "?"}}
        target = link_target(url)
        return {"url": target} if target else None

    def _custom_emoji(self) -> Entity:
        url = self._address("a custom emoji URL")
        if url is None:
            raise CannotParse("Custom emoji entity must contain a tg://emoji URL")
        found = re.fullmatch(r"tg:(?://)?emoji/?\?(?:.*&)?id=(\d+)(?:#.*)?", url, re.IGNORECASE)
        if not found:
            raise CannotParse("Custom emoji URL must have an emoji identifier")
        return {"custom_emoji_id": found.group(1)}

    def _address(self, what: str) -> str | None:
        if not self.source.startswith("(", self.at):
            return None
        self.at += 1
        start, url = self._byte(), []
        while self.at < len(self.source) and self.source[self.at] != ")":
            escaped = self.source[self.at] == "\\" and self.source[self.at + 1 : self.at + 2].isascii()
            self.at += escaped and self.at + 1 < len(self.source)
            url.append(self.source[self.at])
            self.at += 1
        if self.at == len(self.source):
            raise CannotParse(f"Can't find end of {what} at byte offset {start}")
        self.at += 1
        return "".join(url)

    def _quoted_newline(self) -> None:
        goes_on = self.source.startswith(">", self.at + 1)
        if not goes_on:
            self._expandable()
        self._emit("\n")
        if goes_on:
            self.at += 1
            self.line_start = False
        else:
            self._end_quote(at_end=False)

    def _expandable(self) -> None:
        """An empty spoiler at the end of a quotation's last line says that the quotation is expandable."""
        if self._kind() != "Spoiler" or len(self.open) < 2 or self.open[-2].kind != "BlockQuote":
            return
        empty = self.open[-1].offset == self.length
        if empty or (self.open[-1].offset == self.length - 1 and self.out[-1] == "\r"):
            self.open.pop()
            self.open[-1].kind = "ExpandableBlockQuote"

    def _end_quote(self, *, at_end: bool) -> None:
        if at_end:
            self._expandable()
        if self._kind() in {"BlockQuote", "ExpandableBlockQuote"}:
            self._add(self.open.pop(), {})
        elif self._in_quote():
            self._cannot_end(self.open[-1])

    def _cannot_end(self, entity: _Open) -> None:
        raise CannotParse(f"Can't find end of {entity.kind} entity at byte offset {entity.byte}")

    def _byte(self) -> int:
        return len(self.source[: self.at].encode())


_LEGACY = re.compile(
    r"\\([_*`\[])|```(?:(\w+)?\n)?(.*?)```|([*_`])(.*?)\4|\[(.*?)\]\(([^)]*)\)|([*_`\[])|(.)", re.DOTALL
)
_LEGACY_TYPES = {"*": "bold", "_": "italic", "`": "code"}


def read_legacy(source: str) -> tuple[str, list[Entity]]:
    """The old `Markdown` mode: no nesting, and a marker without its end is an error."""
    text, entities = "", []
    for found in _LEGACY.finditer(source):
        escaped, language, pre, marker, inner, label, url, alone, plain = found.groups()
        if alone:
            start = len(source[: found.start()].encode())
            raise CannotParse(f"Can't find end of the entity starting at byte offset {start}")
        content = next(part for part in (escaped, pre, inner, label, plain) if part is not None)
        entity: Entity = {"type": "", "offset": utf16(text), "length": utf16(content)}
        if pre is not None:
            entity |= {"type": "pre"} | ({"language": language} if language else {})
        elif marker:
            entity["type"] = _LEGACY_TYPES[marker]
        elif label is not None and (target := link_target(url)):
            entity |= {"type": "text_link", "url": target}
        if entity["type"] and content:
            entities.append(entity)
        text += content
    return text, entities
