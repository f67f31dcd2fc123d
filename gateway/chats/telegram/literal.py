"""Backslashes before what is Markdown by the letter and plain text by intent, so that no reader of Markdown eats it."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise, zip_longest
from typing import Any

import pyromark
from telegramify_markdown.converter import STANDARD_OPTIONS

MAX_ROUNDS = 12
_Event = tuple[Any, Any]
_REFERENCE = re.compile(rb"^[ \t>*+\-0-9.)]*(\[)[^\]\n]+\]:", re.MULTILINE)
_PIPES = re.compile(rb"\|{2,}")
_FENCE = (b"```", b"~~~")
_DOUBLE = (b"*", b"_", b"~")
_ADDRESS = re.compile(rb"https?://[^\s<>]*[^\s<>*_~.,;:!?)\]]")
_WEB = re.compile(
    r"https?://(?:[^/?#@\s]*@)?(?P<host>(?:[a-z0-9._!$,~*'();&+=-]|%[a-f0-9]{2}|[^\x00-\x7f])+)(?::(?P<port>\d{1,9}))?(?=[/?#]|$)",
    re.IGNORECASE,
)
"""As TDLib reads it (HttpUrl.cpp, LinkManager::check_link), but for IPv6 addresses, which nobody writes behind words."""
MAX_PORT = 65_535
_DUNDER = re.compile(rb"__\w+__")


def escape(markdown: str) -> str | None:
    """The same Markdown with unmeant markup made literal; None if that takes too many rounds.

    Each round asks the parser what it would make of the text, because only it knows what is code, and where.
    """
    source = _settle_pipes_and_references(markdown.encode())
    for _ in range(MAX_ROUNDS):
        events = _events(source)
        offsets = sorted({*_unmeant(source, events), *_links(events)})
        if not offsets:
            return source.decode()
        source = _insert(source, [(offset, b"\\") for offset in offsets])
    return None


def _events(source: bytes) -> tuple[_Event, ...]:
    return tuple(pyromark.events_with_range(source.decode(), options=STANDARD_OPTIONS))


def _insert(source: bytes, insertions: Sequence[tuple[int, bytes]]) -> bytes:
    bounds = [0, *(offset for offset, _ in insertions), len(source)]
    pieces = [source[a:b] for a, b in pairwise(bounds)]
    return b"".join(piece + text for piece, (_, text) in zip(pieces, [*insertions, (0, b"")], strict=True))


def _settle_pipes_and_references(source: bytes) -> bytes:
    """`||` would become a spoiler, and in a table it is an empty cell; `[label]: words` would vanish as a link's address."""
    if b"||" not in source and b"]:" not in source:
        return source
    events = _events(source)
    spans = [(r["start"], r["end"]) for e, r in events if isinstance(e, dict) and "Code" in e]
    code = sorted(_ranges(events, "CodeBlock") + spans)
    tables = _ranges(events, "Table")
    insertions: list[tuple[int, bytes]] = []
    for match in _PIPES.finditer(source):
        if not _within(match.start(), code):
            mark = b" " if _within(match.start(), tables) else b"\\"
            insertions += [(at, mark) for at in range(match.start() + (mark == b" "), match.end())]
    insertions += [(m.start(1), b"\\") for m in _REFERENCE.finditer(source) if not _within(m.start(1), code)]
    return _insert(source, sorted(insertions))


def _ranges(events: Sequence[_Event], kind: str) -> list[tuple[int, int]]:
    started = [(e["Start"], r) for e, r in events if isinstance(e, dict) and "Start" in e]
    return [(r["start"], r["end"]) for tag, r in started if isinstance(tag, dict) and kind in tag]


def _within(offset: int, ranges: Sequence[tuple[int, int]]) -> bool:
    """Whether one of these ranges, in the order of the text and apart from each other, holds the offset."""
    before = bisect_right(ranges, offset, key=lambda r: r[0]) - 1
    return before >= 0 and offset < ranges[before][1]


def _unmeant(source: bytes, events: Sequence[_Event]) -> Iterator[int]:
    """Byte offsets that need a backslash."""
    addresses = [match.span() for match in _ADDRESS.finditer(source)]
    for event, where in events:
        if "Text" in event or "End" in event:
            continue  # Most are, and neither words nor an end are markup.
        start, end = where["start"], where["end"]
        match event:
            case {"InlineHtml": _}:
                yield start
            case {"Start": "HtmlBlock"}:
                yield from _html_block(source, start, end)
            case {"InlineMath": _} | {"DisplayMath": _}:
                width = 2 if "DisplayMath" in event else 1
                yield from (*range(start, start + width), *range(end - width, end))
            case {"Start": "Emphasis" | "Strong" | "Strikethrough" as kind}:
                width = 1 if kind == "Emphasis" or source[start + 1 : start + 2] not in _DOUBLE else 2
                approximate = kind == "Strikethrough" and width == 1
                address = _within(start, addresses) or _within(end - 1, addresses)
                if (
                    approximate
                    or address
                    or _inside_a_word(source, start, end, width)
                    or _DUNDER.fullmatch(source, start, end)
                ):
                    yield from (*range(start, start + width), *range(end - width, end))
            case _:
                pass


def _links(events: Sequence[_Event]) -> Iterator[int]:
    """Byte offsets that need a backslash, for links and pictures that cannot be shown as links."""
    link_at: int | None = None
    for (event, where), following in zip_longest(events, (e for e, _ in events[1:])):
        start = where["start"]
        match event:
            case {"End": "Link"}:
                link_at = None
            case {"Start": {"Link": link}}:
                link_at = start
                if _unshowable(link) or following == {"End": "Link"}:
                    yield start
            case {"Start": {"Image": image}}:
                if link_at is not None or _unshowable(image) or following == {"End": "Image"}:
                    yield from (start + 1, *(() if link_at is None else (link_at,)))
            case _:
                pass


def _unshowable(link: dict[str, Any]) -> bool:
    """A client opens web addresses only; what else stands in brackets (a path, `<std::string>`) is shown as it is."""
    return not openable(link["dest_url"]) or bool(link["title"])


def openable(url: str) -> bool:
    """Whether Telegram takes it behind words: it refuses a message for `http://localhost:3000`, or for a wrong port."""
    found = _WEB.match(url)
    return found is not None and "." in found["host"].strip(".") and 0 < int(found["port"] or 80) <= MAX_PORT


def _html_block(source: bytes, start: int, end: int) -> Iterator[int]:
    """The first line's bracket; those of the other lines too, unless the block holds a fence and they may be code."""
    block = source[start:end]
    fenced = any(fence in block for fence in _FENCE)
    line_start = 0
    for number, line in enumerate(block.splitlines(keepends=True)):
        opening = len(line) - len(line.lstrip())
        if line[opening : opening + 1] == b"<" and (number == 0 or not fenced):
            yield start + line_start + opening
        elif number == 0:
            yield start + max(line.find(b"<"), 0)
        line_start += len(line)


def _inside_a_word(source: bytes, start: int, end: int, width: int) -> bool:
    """`2*3*4`: between ASCII letters or digits on both sides; for one star, on one side: `*args and 2*3`, but `**PR**s`.

    Scripts without spaces do emphasise inside their lines.
    """
    before, after = source[max(start - 1, 0) : start].isalnum(), source[end : end + 1].isalnum()
    return (before or after) if width == 1 else (before and after)
