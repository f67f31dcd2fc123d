"""The facts table of Bot API 10.3, and the check of a call against it.

The table (`bot_api_10_3.json`) holds names, types, required flags, length ranges and subtypes. The official server ignores
what it does not know; this check does not: a parameter or a key that the table does not have is a problem.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLE_PATH = Path(__file__).with_name("bot_api_10_3.json")
_TABLE: dict[str, Any] = json.loads(TABLE_PATH.read_text(encoding="utf-8"))
METHODS: dict[str, dict[str, list[Any]]] = _TABLE["methods"]
TYPES: dict[str, dict[str, list[Any]]] = _TABLE["types"]
SUBTYPES: dict[str, list[str]] = _TABLE["subtypes"]


def words(text: str) -> frozenset[str]:
    """The words of a list written as text."""
    return frozenset(text.split())


METHOD_NAMES = {name.lower(): name for name in METHODS}
"""Method names are case-insensitive, as on the official server."""

UPDATE_KINDS = frozenset(TYPES["Update"]) - {"update_id"}
MAX_BUTTONS = 100
SCALARS = frozenset({"String", "Integer", "Float", "Boolean", "True"})
FREE_LENGTH = frozenset({"text", "caption", "quote"})
"""Parameters whose length counts after parsing: the methods check them."""

REACTIONS = words(
    "👍 👎 ❤ 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤️‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 "
    "😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂️ 🤷 🤷‍♀️ 😡"
)
STYLES = frozenset({"danger", "success", "primary"})
ENTITY_TYPES = words(
    "mention hashtag cashtag bot_command url email phone_number bold italic underline strikethrough "
    "spoiler blockquote expandable_blockquote code pre text_link text_mention custom_emoji date_time"
)
CHAT_ACTIONS = words(
    "typing upload_photo record_video upload_video record_voice upload_voice upload_document "
    "choose_sticker find_location record_video_note upload_video_note"
)
ONE_OF: dict[tuple[str, str], frozenset[str]] = {
    ("InlineKeyboardButton", "style"): STYLES,
    ("KeyboardButton", "style"): STYLES,
    ("MessageEntity", "type"): ENTITY_TYPES,
    ("ReactionTypeEmoji", "emoji"): REACTIONS,
    ("sendChatAction", "action"): CHAT_ACTIONS,
    ("getUpdates", "allowed_updates"): UPDATE_KINDS,
}
OFFICIAL_WORDS = {
    ("missing", "chat_id"): "Bad Request: chat_id is empty",
    ("missing", "text"): "Bad Request: message text is empty",
    ("missing", "message_id"): "Bad Request: message identifier is not specified",
    ("limit", "callback_data"): "Bad Request: BUTTON_DATA_INVALID",
    ("limit", "inline_keyboard"): "Bad Request: reply markup is too long",
    ("type", "emoji"): "Bad Request: REACTION_INVALID",
    ("type", "action"): "Bad Request: wrong parameter action in request",
}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came in a multipart request."""

    name: str
    data: bytes
    mime: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a call: `kind` is unknown, missing, type, limit or unmodelled; `words` is the answer's description."""

    kind: str
    text: str
    words: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A call's parameters as typed values, and everything that the table has against them."""

    params: dict[str, Any]
    problems: tuple[Problem, ...]


def check_call(method: str, raw: Mapping[str, Any], uploads: Mapping[str, Upload]) -> Checked:
    """Decode the raw parameters of `method` by their declared types and check them.

    A raw value is a string as in a form, or a JSON value as in a JSON body. A file stays in `uploads`; its parameter's value
    becomes `attach://<name>`.
    """
    spec = METHODS[method]
    params: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, value in raw.items():
        if name not in spec:
            problems.append(_problem("unknown", name, f"{method} has no parameter {name!r}"))
            continue
        params[name], found = _decode(method, name, spec[name], value)
        problems += found
    for name in uploads.keys() & spec.keys():
        params[name] = f"attach://{name}"
    problems += [
        _problem("missing", name, f"{method} needs {name!r}")
        for name, field in spec.items()
        if field[1] and name not in params
    ]
    problems += _check_attachments(method, params, uploads)
    return Checked(params, tuple(problems))


def check_object(type_name: str, value: object) -> list[str]:
    """What the table has against `value` as an object of `type_name`; empty when nothing."""
    return [problem.text for problem in _check(type_name, value, type_name, type_name)]


def _problem(kind: str, field: str, text: str) -> Problem:
    return Problem(kind, text, OFFICIAL_WORDS.get((kind, field), f"Bad Request: {text}"))


def _decode(method: str, name: str, field: list[Any], raw: Any) -> tuple[Any, list[Problem]]:
    declared, where = field[0], f"{method}.{name}"
    try:
        value = _from_text(declared, raw) if isinstance(raw, str) else raw
    except ValueError as error:
        return raw, [_problem("type", name, f"{where} is not {declared}: {error}")]
    problems = list(_check(declared, value, where, name))
    if not problems:
        problems += _check_one_of(method, name, value, where)
        problems += [] if name in FREE_LENGTH else _check_length(field, value, where, name)
    return value, problems


def _from_text(declared: str, raw: str) -> Any:
    """The value of a form's string; ValueError when it cannot be one of the declared type."""
    if declared == "Integer or String":
        return int(raw) if re.fullmatch(r"-?\d+", raw) else raw
    if declared in {"String", "InputFile", "InputFile or String"}:
        return raw
    if declared in {"Boolean", "True"} and raw not in {"true", "false"}:
        raise ValueError(f"{raw!r}")
    return json.loads(raw)


def _check(declared: str, value: object, where: str, field: str) -> Iterator[Problem]:
    if declared.startswith("Array of "):
        if not isinstance(value, list):
            yield _problem("type", field, f"{where} must be an array, not {value!r:.80}")
            return
        for index, item in enumerate(value):
            yield from _check(declared.removeprefix("Array of "), item, f"{where}[{index}]", field)
        return
    options = _options(declared)
    if len(options) == 1:
        yield from _check_one(options[0], value, where, field)
        return
    found = [list(_check_one(option, value, where, field)) for option in options]
    if all(found):
        yield from min(found, key=len)


def _options(declared: str) -> list[str]:
    if declared in SUBTYPES and not TYPES.get(declared):
        return ["String", "Array of RichText", *SUBTYPES[declared]] if declared == "RichText" else SUBTYPES[declared]
    parts = re.split(r", | or | and ", declared)
    return [declared] if len(parts) == 1 else [option for part in parts for option in _options(part)]


def _check_one(declared: str, value: object, where: str, field: str) -> Iterator[Problem]:
    if declared.startswith("Array of "):
        yield from _check(declared, value, where, field)
    elif declared in SCALARS or declared == "InputFile":
        if not _SCALAR_CHECKS[declared](value):
            yield _problem("type", field, f"{where} must be {declared}, not {value!r:.80}")
    elif not isinstance(value, dict):
        yield _problem("type", field, f"{where} must be a {declared}, not {value!r:.80}")
    else:
        yield from _check_fields(declared, value, where)


_SCALAR_CHECKS: dict[str, Callable[[object], bool]] = {
    "String": lambda value: isinstance(value, str),
    "InputFile": lambda value: isinstance(value, str) and value.startswith("attach://"),
    "Integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "Float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "Boolean": lambda value: isinstance(value, bool),
    "True": lambda value: value is True,
}


def _check_fields(type_name: str, value: dict[str, Any], where: str) -> Iterator[Problem]:
    fields = TYPES[type_name]
    for name, item in value.items():
        inside = f"{where}.{name}"
        if name not in fields:
            yield _problem("unknown", name, f"{where} ({type_name}) has no field {name!r}")
            continue
        problems = list(_check(fields[name][0], item, inside, name))
        yield from problems
        if not problems:
            yield from _check_one_of(type_name, name, item, inside)
            yield from _check_length(fields[name], item, inside, name)
    for name, field in fields.items():
        if field[1] and name not in value:
            yield _problem("missing", f"{type_name}.{name}", f"{where} ({type_name}) needs {name!r}")
    if type_name == "InlineKeyboardMarkup":
        yield from _check_keyboard(value, where)


def _check_keyboard(markup: dict[str, Any], where: str) -> Iterator[Problem]:
    rows = markup.get("inline_keyboard")
    if not isinstance(rows, list):
        return
    buttons = [button for row in rows if isinstance(row, list) for button in row if isinstance(button, dict)]
    if len(buttons) > MAX_BUTTONS:
        yield _problem("limit", "inline_keyboard", f"{where} has {len(buttons)} buttons, at most {MAX_BUTTONS}")
    for button in buttons:
        actions = button.keys() - {"text", "style", "icon_custom_emoji_id"}
        if len(actions) != 1:
            yield Problem(
                "type",
                f"{where}: button {button.get('text')!r} needs exactly one action, it has {sorted(actions)}",
                "Bad Request: can't parse InlineKeyboardButton: Text buttons are unallowed in the inline keyboard",
            )


def _check_one_of(owner: str, name: str, value: object, where: str) -> list[Problem]:
    allowed = ONE_OF.get((owner, name))
    if allowed is None:
        return []
    wrong = [item for item in (value if isinstance(value, list) else [value]) if item not in allowed]
    return [_problem("type", name, f"{where} cannot be {wrong[0]!r}")] if wrong else []


def _check_length(field: list[Any], value: object, where: str, name: str) -> list[Problem]:
    if len(field) == 2 or not isinstance(value, str):
        return []
    low, high, unit = field[2]
    length = len(value.encode()) if unit == "bytes" else len(value)
    return (
        [] if low <= length <= high else [_problem("limit", name, f"{where} has {length} {unit}, not {low} to {high}")]
    )


def _check_attachments(method: str, params: dict[str, Any], uploads: Mapping[str, Upload]) -> list[Problem]:
    attached = set(_attached(params))
    return [
        *(
            _problem("missing", name, f"{method} refers to attach://{name}, which is not sent")
            for name in attached - uploads.keys()
        ),
        *(
            _problem("unknown", name, f"{method} sends a file {name!r} that nothing refers to")
            for name in uploads.keys() - attached
        ),
    ]


def _attached(value: object) -> Iterator[str]:
    if isinstance(value, str):
        if value.startswith("attach://"):
            yield value.removeprefix("attach://")
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _attached(item)
