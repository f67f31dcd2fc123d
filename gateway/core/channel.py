"""What goes through a channel into a live session, and how it is known again when the session has it.

Claude Code shows a pushed message to its agent, and to the hook for prompts, as
`<channel source="..." message_id="..." key="value">`, a line end, the text, a line end, `</channel>`. Nothing that a person
writes may begin or end such a tag: `content` and `attribute` see to that, and lose nothing by it.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.view import turn_words

TEXT_CHARACTERS_MAX: Final = 400_000
VALUE_CHARACTERS_MAX: Final = 2_000
ATTRIBUTES_MAX: Final = 16
RECEIVED_MAX: Final = 64
"""So many messages at most are looked for in one prompt."""
MESSAGE_ID: Final = "message_id"
SOURCE: Final = "source"
"""Written by the client itself: it says which server the message came from."""
UNCONFIRMED: Final = turn_words.UNCONFIRMED

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ID = re.compile(_UUID)
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
"""The client drops keys that are no identifiers, without a word."""
_REQUEST = re.compile("[a-km-z]{5}")


@dataclass(frozen=True, slots=True)
class Push:
    """A person's message for a live session. `id` is a random UUID. Of the `attributes` the agent is told what these mean:
    person, chat, time, attachments (their ids). Raises ValueError for what could not be delivered.
    """

    id: str
    text: str
    attributes: Mapping[str, str]

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError("a pushed message is known again by its id, which has to be a UUID in lower case")
        if len(self.text) > TEXT_CHARACTERS_MAX:
            raise ValueError(f"a pushed message has at most {TEXT_CHARACTERS_MAX} characters")


def is_request(request_id: str) -> bool:
    """Whether a question for permission can have this id: five letters, and no l that would look like a one."""
    return _REQUEST.fullmatch(request_id) is not None


def content(text: str) -> str:
    r"""The text as it may stand in a tag: what does not show is shown by its code (`\u{202e}`), and a `<` that begins or ends
    a tag `channel`, however it is spelt, has a backslash after it, as the client itself does it.
    """
    return _TAG.sub(_defused, _revealed(text))


def attribute(value: str) -> str:
    r"""The value as it may stand between the quotes of an attribute: in one line (`\n`), with codes for quotes, for what
    begins or ends a tag and for what does not show. What is too long ends in an ellipsis.
    """
    whole = len(value) <= VALUE_CHARACTERS_MAX
    seen = value if whole else value[: VALUE_CHARACTERS_MAX - 1] + "…"
    marked = seen.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
    return _QUOTING.sub(lambda match: _code(match.group()), _coded(marked))


def meta(push: Push) -> dict[str, str]:
    """The attributes as they are sent, the id first. Keys that the client would drop, or that are not the sender's to say,
    are left out.
    """
    said = {key: attribute(value) for key, value in push.attributes.items() if _KEY.fullmatch(key) and key not in _OURS}
    return {MESSAGE_ID: push.id, **dict(list(said.items())[: ATTRIBUTES_MAX - 1])}


def received(prompt: str) -> tuple[str, ...]:
    """The ids of the messages that a prompt consists of, in their order: of the tags at its very beginning, one after the
    other. A tag that is quoted, or stands after other words, is no proof of anything. Whether somebody waits for such an id, the
    caller knows.
    """
    ids: list[str] = []
    at = 0
    while len(ids) < RECEIVED_MAX and (opening := _OPENING.match(prompt, at)):
        end = prompt.find(_CLOSING, opening.end() - 1)
        if end < 0:
            break
        found = _MESSAGE.findall(opening.group(1))
        ids += found if len(found) == 1 else []
        at = end + len(_CLOSING)
    return tuple(ids)


_OURS = frozenset({MESSAGE_ID, SOURCE})
_OPENING = re.compile(r'\s*+<channel source="[^"<>\n]*+"((?: [A-Za-z_][A-Za-z0-9_]*="[^"<>\n]*+")*+)>\n')
_CLOSING: Final = "\n</channel>"
_MESSAGE = re.compile(f' {MESSAGE_ID}="({_UUID})"')


# ------------------------------------------------------------------------------------------------- what does not show
_BLANK = re.compile(
    # Printable by their category, but blank or ignored where they are shown.
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U00013441\U00013442\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)
_NO_JOINER: Final = "\u200c"
_JOINER: Final = "\u200d"
_STYLES: Final = "\ufe0e\ufe0f"
_KEYCAP: Final = "\u20e3"
_QUOTED_CODE = re.compile(r"\\(?=u\{)")


def _code(char: str) -> str:
    return f"\\u{{{ord(char):x}}}"


def _revealed(text: str) -> str:
    return _coded(_QUOTED_CODE.sub(lambda match: _code(match.group()), text))


def _coded(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _shows(char) or _joins(text, at) else _code(char) for at, char in enumerate(text))


def _shows(char: str) -> bool:
    if char in "\n\t":
        return True
    return not _BLANK.match(char) and (char.isprintable() or unicodedata.category(char) == "Zs")


def _joins(text: str, at: int) -> bool:
    """Whether a character that shows as nothing belongs to the writing of words or of emoji where it stands."""
    char, before, after = text[at], text[at - 1 : at] if at else "", text[at + 1 : at + 2]
    if not before:
        return False
    kind = unicodedata.category(before)
    if char in _STYLES:
        return after == _KEYCAP or (not before.isascii() and kind[0] in "LPS")
    if char not in (_JOINER, _NO_JOINER) or not after:
        return False
    if char == _JOINER and unicodedata.category(after) == "So":
        return kind in ("So", "Sk") or before in _STYLES
    return not before.isascii() and not after.isascii() and kind[0] in "LM" and unicodedata.category(after)[0] in "LM"


# ---------------------------------------------------------------------------------------------------------- the tags
_OPENERS: Final = "<\uff1c\ufe64\u2039\u3008\u27e8\u2329\u276c\u276e\u2770\u02c2\u1438"
"""All that looks like the beginning of a tag: `<` itself, and other angles of one stroke."""
_WORD_MAX: Final = 64
_TAG = re.compile(
    rf"([{_OPENERS}])(\\*+)(?=[^\w{_OPENERS}>-]*+([^\x00-\x40\x5b-\x60\x7b-\x7f{_OPENERS}]{{1,{_WORD_MAX}}}+)(.?))",
    re.DOTALL,
)
"""A beginning, the backslashes that were put after it, and the word that follows, after a slash or whatever else."""
_QUOTING = re.compile(f'["{_OPENERS}>]')
_NAME: Final = "channel"
_LOOKALIKES: Final = {
    # Cyrillic, Greek, Armenian, Coptic, and small capitals: by code, since nobody could tell them apart here.
    **dict.fromkeys("\u0421\u03f9\u0441\u03f2\u1d04\u2ca5", "c"),
    **dict.fromkeys("\u041d\u0397\u04bb\u0570\u043d\u029c", "h"),
    **dict.fromkeys("\u0410\u0391\u0430\u03b1\u0251\u1d00", "a"),
    **dict.fromkeys("\u039d\u043f\u0578\u03b7\u03bd\u0274", "n"),
    **dict.fromkeys("\u0415\u0395\u0435\u0454\u03b5\u04bd\u1d07", "e"),
    **dict.fromkeys("\u04c0\u04cf\u0131\u0456\u03b9\u029f\u0399\u0406iI", "l"),
}


def _defused(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}\\" if _is_tag(match[3], match[4]) else match[0]


def _is_tag(word: str, after: str) -> bool:
    """Whether a reader could take the word for the tag's name: other alphabets, accents and what is between letters, all
    that is looked through.
    """
    spelt = ""
    for at, char in enumerate(word):
        spelt += _letters(char)
        if not _NAME.startswith(spelt):
            return False
        if spelt == _NAME:
            after = word[at + 1 : at + 2] or after
            return not (after.isascii() and re.match(r"[\w-]", after))
    return len(word) == _WORD_MAX


def _letters(char: str) -> str:
    plain = _LOOKALIKES.get(char, char)
    parts = unicodedata.normalize("NFKD", plain).casefold()
    return "".join(_LOOKALIKES.get(part, part) for part in parts if part.isalpha())
