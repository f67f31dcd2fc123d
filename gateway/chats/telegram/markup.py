"""Markdown and buttons to bodies that each fit one Telegram message; pure.

telegramify-markdown turns Markdown into text with entities. Four things are added here. What agents write and Markdown
would eat (`Vec<u8>`, `__init__.py`, `[INFO]: x`, `a || b`) is made literal first. Tables are laid out for the screen of a phone.
If letters, digits or symbols got lost all the same, the blocks that lost them are shown as they were written. And texts are split
by Telegram's limits of length and of entities.
"""

import html
import json
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any
from unicodedata import category, normalize

import pyromark
from telegramify_markdown import MessageEntity, RenderConfig, convert
from telegramify_markdown.converter import STANDARD_OPTIONS

from gateway.chats.telegram.literal import escape
from gateway.chats.telegram.parts import (
    Part,
    cut,
    filled,
    indented,
    joined,
    last_of,
    nested,
    split,
    with_short_links,
    with_spaces,
)
from gateway.chats.telegram.tables import laid_out, taken_out
from gateway.core.progress import closed, tail
from gateway.domain.effects import Button

MAX_CHARACTERS = 100_000
"""More than this of one text is not shown: about 25 messages."""
MAX_PARTS = 40
"""Messages of one text: 40 s in a private chat, 2 min in a group."""
NOTHING = "(nothing to show)"
MAX_BLOCKS = 1_000
"""A text of more blocks is shown as written if one of them would lose something."""
BESIDE = "— "
MAX_BUTTONS = 100
ROOMY_BUTTONS = 40
"""With more buttons than this, all labels are short."""
SHORT_LABEL = 16
LONGEST_LABEL = 64
LONGEST_TOKEN_BYTES = 64
LONGEST_LANGUAGE = 32
SHORT_CELL = 200

_SEPARATORS = str.maketrans("\u2028\u2029", "\n\n")
"""Ends of lines and paragraphs to Unicode, which Telegram leaves out."""
_RINGED = re.compile("\\w\u030a")
"""Telegram takes the ring off an å of two characters; to the å of one it does nothing."""
_UNSENDABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_LIST_NUMBERS = re.compile(r"^[ \t>*+-]*(\d{1,9})[.)](?=\s)", re.MULTILINE)
_TASKS = re.compile(r"^[ \t>*+\-0-9.)]*[ \t>](\[[xX]\])(?=\s)", re.MULTILINE)
_NAMED_CHARACTER = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0\ufffc")
"""Letters or symbols to Unicode, and nothing at all to see."""


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

    At most 40 bodies of less than 60 kB each, whatever the text; what does not fit is counted in the last one. Raises
    ValueError for a button whose token is not 1 to 64 bytes.
    """
    shown, unseen = _sendable(text)
    parts = _parts(_render(shown))
    if len(parts) > MAX_PARTS:  # formatting costs messages: without it there is room for more of the words
        parts = _parts(Part(shown))
    complete = len(parts) <= MAX_PARTS and not unseen and len(buttons) <= MAX_BUTTONS
    kept = parts if complete else parts[: MAX_PARTS - 1]
    if not complete:
        unseen += sum(len(part.text) for part in parts[len(kept) :])
        kept.append(Part(_left_out(unseen, len(buttons) - MAX_BUTTONS)))
    bodies: list[dict[str, Any]] = [
        {"text": part.text} | ({"entities": [entity.to_dict() for entity in part.entities]} if part.entities else {})
        for part in kept or [Part(NOTHING)]
    ]
    if buttons:
        bodies[-1]["reply_markup"] = {"inline_keyboard": _rows(buttons[:MAX_BUTTONS])}
    return tuple(json.dumps(body, ensure_ascii=False) for body in bodies)


DRAFT_CHARACTERS = 8_000
"""Of the Markdown: enough for a message, and drawn in a moment."""


def compose_end(text: str) -> dict[str, Any]:
    """`text` and `entities` of the end of Markdown that is still being written: as much as fits one message. It may be empty."""
    shown, _ = _sendable(closed(tail(text, DRAFT_CHARACTERS)))
    part = _render(shown)
    part = with_short_links(with_spaces(Part(part.text.translate(_SEPARATORS), part.entities)))
    part = last_of(indented(part))
    if not _visible(part.text):
        return {"text": ""}
    entities = [entity.to_dict() for entity in part.entities]
    return {"text": part.text} | ({"entities": entities} if entities else {})


def _sendable(text: str) -> tuple[str, int]:
    """What can be sent of the text, and how many characters more there are."""
    text = _UNSENDABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _RINGED.sub(lambda match: normalize("NFC", match.group()), text)
    return text[:MAX_CHARACTERS], max(0, len(text) - MAX_CHARACTERS)


def _parts(part: Part) -> list[Part]:
    part = Part(part.text.translate(_SEPARATORS), part.entities)
    return [indented(piece) for piece in split(with_short_links(with_spaces(part))) if _visible(piece.text)]


def _left_out(characters: int, buttons: int) -> str:
    """What to say about what is not shown."""
    left = ((characters, "characters"), (buttons, "buttons"))
    return f"(cut here: {', '.join(f'{count} more {what}' for count, what in left if count > 0)})"


def _render(markdown: str) -> Part:
    """The text as people read it, with entities; the Markdown itself for the blocks of which reading would lose something."""
    part = _whole(markdown)
    if part is not None:
        return part
    blocks = _blocks(markdown)
    if not 1 < len(blocks) <= MAX_BLOCKS:
        return Part(markdown)
    return joined([piece for block in blocks for piece in _block(block)], "")


def _whole(markdown: str) -> Part | None:
    """The text as people read it; None where that would lose something."""
    escaped = escape(markdown)
    if escaped is None:
        return None
    text, mark, tables = taken_out(escaped)
    part = _converted(text)
    if tables:
        cells = [[[_cell(cell) for cell in row] for row in table.rows] for table in tables]
        laid = [laid_out(rows, table.alignments) for rows, table in zip(cells, tables, strict=True)]
        part = filled(part, mark, laid)
    return None if _lost(markdown, part) else part


def _converted(markdown: str) -> Part:
    text, entities = convert(markdown, latex_escape=False, config=_CONFIG)
    return Part(_UNSENDABLE.sub(" ", text), nested(map(_sound, entities)))


def _cell(markdown: str) -> Part:
    """A table's cell. Short ones are remembered: as an answer is streamed they come again and again."""
    return _short_cell(markdown) if len(markdown) <= SHORT_CELL else _read_cell(markdown)


@lru_cache(maxsize=1_000)
def _short_cell(markdown: str) -> Part:
    return _read_cell(markdown)


def _read_cell(markdown: str) -> Part:
    """Behind a dash, so that what it begins with is no list, heading or quote."""
    part = _converted(BESIDE + markdown)
    return cut(part, len(BESIDE), len(part.text))


def _blocks(markdown: str) -> list[str]:
    """The paragraphs, lists, fences and so on at the top level, each with the blank lines behind it."""
    source, starts, depth = markdown.encode(), [0], 0
    for event, where in pyromark.events_with_range(markdown, options=STANDARD_OPTIONS):
        opens, closes = (isinstance(event, dict) and word in event for word in ("Start", "End"))
        if depth == 0 and opens and where["start"] > starts[-1]:
            starts.append(source.rfind(b"\n", 0, where["start"]) + 1)
        depth += opens - closes
    return [source[a:b].decode() for a, b in pairwise([*starts, len(source)])]


def _block(markdown: str) -> tuple[Part, Part]:
    """One of several blocks, and the line ends behind it."""
    words = markdown.rstrip("\n")
    part = _whole(words) or Part(words)
    shown = part.text.rstrip("\n")
    return cut(part, 0, len(shown)), Part(markdown[len(words) :][:2])


def _lost(markdown: str, part: Part) -> bool:
    """Whether a character that can be no markup is in the Markdown and not in the result."""
    before = _LIST_NUMBERS.sub("", _TASKS.sub("", _NAMED_CHARACTER.sub(_unnamed, markdown)))
    extras = "".join(f"{entity.url or ''}{entity.language or ''}" for entity in part.entities)
    said, shown = Counter(before), Counter(part.text + extras)
    return any(count > shown[character] for character, count in said.items() if _substantial(character))


def _unnamed(match: re.Match[str]) -> str:
    """What must be seen of `&copy;`: it is a character in words, and itself in code; `&nothing;` is always itself."""
    return match.group() if html.unescape(match.group()) == match.group() else ""


def _substantial(character: str) -> bool:
    return character.isalnum() if character.isascii() else not character.isspace()


def _visible(text: str) -> bool:
    return any(category(c)[0] not in "ZCM" and c not in _BLANKS for c in text)


def _sound(entity: MessageEntity) -> MessageEntity:
    """The entity as it can be sent; of what stands after a fence only the first word: more than that no client understands."""
    words = _UNSENDABLE.sub("", entity.language or "").split()
    url = None if entity.url is None else _UNSENDABLE.sub("", entity.url)
    language = words[0][:LONGEST_LANGUAGE] if words else None
    sound = (language, url) == (entity.language, entity.url)
    return entity if sound else entity.copy_with(language=language, url=url)


def _rows(buttons: Sequence[Button]) -> list[list[dict[str, str]]]:
    """Two short buttons beside each other, a long one alone."""
    rows: list[list[dict[str, str]]] = []
    room = False
    longest = LONGEST_LABEL if len(buttons) <= ROOMY_BUTTONS else SHORT_LABEL
    for button in buttons:
        if not 1 <= len(button.token.encode()) <= LONGEST_TOKEN_BYTES:
            raise ValueError(f"a button's token has 1 to {LONGEST_TOKEN_BYTES} bytes; that of {button.label!r} has not")
        label = _UNSENDABLE.sub("", button.label)
        label = label if len(label) <= longest else f"{label[: longest - 1]}…"
        key = {"text": label if _visible(label) else "?", "callback_data": button.token}
        short = len(label) <= SHORT_LABEL
        if room and short:
            rows[-1].append(key)
        else:
            rows.append([key])
        room = short and len(rows[-1]) == 1
    return rows
