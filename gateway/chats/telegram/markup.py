"""Markdown and buttons to bodies that each fit one Telegram message; pure.

telegramify-markdown turns Markdown into text with entities. Three things are added here. What agents write and Markdown
would eat (`Vec<u8>`, `__init__.py`, `[INFO]: x`, `a || b`) is made literal first. If letters, digits or symbols got lost all the
same, the text is shown as it was written. And texts are split by Telegram's limits of length and of entities.
"""

import html
import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any
from unicodedata import category

from telegramify_markdown import MessageEntity, RenderConfig, convert

from gateway.chats.telegram.literal import escape
from gateway.chats.telegram.parts import Part, nested, split, with_short_links
from gateway.domain.effects import Button

MAX_CHARACTERS = 100_000
"""More than this of one text is not shown: about 25 messages."""
MAX_PARTS = 40
"""Messages of one text: 40 s in a private chat, 2 min in a group."""
NOTHING = "(nothing to show)"
MAX_BUTTONS = 100
ROOMY_BUTTONS = 40
"""With more buttons than this, all labels are short."""
SHORT_LABEL = 16
LONGEST_LABEL = 64
LONGEST_TOKEN_BYTES = 64
LONGEST_LANGUAGE = 32

_UNSENDABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_LIST_NUMBERS = re.compile(r"^[ \t>*+-]*(\d{1,9})[.)](?=\s)", re.MULTILINE)
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


def _sendable(text: str) -> tuple[str, int]:
    """What can be sent of the text, and how many characters more there are."""
    text = _UNSENDABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return text[:MAX_CHARACTERS], max(0, len(text) - MAX_CHARACTERS)


def _parts(part: Part) -> list[Part]:
    return [piece for piece in split(with_short_links(part)) if _visible(piece.text)]


def _left_out(characters: int, buttons: int) -> str:
    """What to say about what is not shown."""
    left = ((characters, "characters"), (buttons, "buttons"))
    return f"(cut here: {', '.join(f'{count} more {what}' for count, what in left if count > 0)})"


def _render(markdown: str) -> Part:
    """The text as people read it, with entities; the Markdown itself where reading it would lose something."""
    escaped = escape(markdown)
    if escaped is None:
        return Part(markdown)
    text, entities = convert(escaped, latex_escape=False, config=_CONFIG)
    part = Part(_UNSENDABLE.sub(" ", text), nested(map(_sound, entities)))
    return Part(markdown) if _lost(markdown, part) else part


def _lost(markdown: str, part: Part) -> bool:
    """Whether a character that can be no markup is in the Markdown and not in the result."""
    before = _LIST_NUMBERS.sub("", _NAMED_CHARACTER.sub(_unnamed, markdown))
    extras = "".join(f"{entity.url or ''}{entity.language or ''}" for entity in part.entities)
    return bool(Counter(filter(_substantial, before)) - Counter(part.text + extras))


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
    return entity.copy_with(language=words[0][:LONGEST_LANGUAGE] if words else None, url=url)


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
