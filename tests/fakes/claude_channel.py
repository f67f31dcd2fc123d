"""How Claude Code shows a channel event to its agent and to its hooks, as read from version 2.1.328, and what a forger could
make a reader see in it.
"""

import re
import unicodedata
from collections.abc import Mapping

from gateway.core import channel

KEY = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_]*$")
LIKE_LESS = "\uff1c\ufe64\u2039\u3008\u27e8\u2329\u276c\u276e\u2770\u02c2\u1438"
FILLER = rf"[^A-Za-z0-9_\-<>{LIKE_LESS}]*"
CLOSING = re.compile(rf"<(?!\\)(?={FILLER}/{FILLER}channel(?:[^A-Za-z0-9_-]|$))", re.IGNORECASE)
"""Ends of tags in the content: the client itself puts a backslash into those that it sees."""
ANGLES = str.maketrans(dict.fromkeys(LIKE_LESS, "<"))
LETTERS = str.maketrans({"с": "c", "а": "a", "е": "e", "н": "h", "п": "n", "ӏ": "l", "ι": "l"})  # noqa: RUF001 - lookalikes
CODE = re.compile(r"\\u\{([0-9a-f]{1,6})\}")
ESCAPE = re.compile(r"\\(?:([\\nt])|u\{([0-9a-f]{1,6})\})")
ESCAPES = {"\\": "\\", "n": "\n", "t": "\t"}
SEEN_AS_TAG = re.compile(r"<(?!\\)[^\w<>-]*channel(?![\w-])")


def tag(
    content: str, meta: Mapping[str, str], source: str = "plugin:tollbridge:channel", *, careful: bool = True
) -> str:
    """A channel event as the client words it; `careful` as it does today, not so as an older one may have done it."""

    def quoted(value: str) -> str:
        if not careful:
            return value
        value = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return value.replace('"', "&quot;").replace("'", "&apos;")

    attributes = "".join(f' {key}="{quoted(value)}"' for key, value in meta.items() if KEY.match(key))
    shown = CLOSING.sub(r"<\\", content) if careful else content
    return f'<channel source="{quoted(source)}"{attributes}>\n{shown}\n</channel>'


def tags_seen(text: str) -> list[str]:
    """Whatever a reader could take for the beginning or the end of a tag who sees no accents, no difference between alphabets
    and nothing that does not show.
    """
    kept = (
        part
        for part in unicodedata.normalize("NFKD", text)
        if not unicodedata.category(part).startswith(("M", "C")) or part == "\n"
    )
    return SEEN_AS_TAG.findall("".join(kept).translate(ANGLES).translate(LETTERS).casefold().translate(LETTERS))


def content_read(escaped: str) -> str:
    """What `content` was made from: nothing of it is lost."""

    def armed(match: re.Match[str]) -> str:
        is_tag = channel._is_tag(match[3], match[4])
        return f"{match[1]}{match[2][1:]}" if is_tag else match[0]

    return CODE.sub(lambda match: chr(int(match.group(1), 16)), channel._TAG.sub(armed, escaped))


def attribute_read(escaped: str) -> str:
    """What `attribute` was made from, if that was not too long."""
    return ESCAPE.sub(lambda match: ESCAPES.get(match.group(1)) or chr(int(match.group(2), 16)), escaped)
