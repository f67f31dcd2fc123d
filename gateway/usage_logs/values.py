"""What readers of logs share of values: decoding JSON, and what a value can mean.

Everything here was written by another program, perhaps while it crashed, perhaps by somebody who wishes to harm.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import msgspec

MOST_TOKENS: Final = 10**8
"""Of one class in one call; more was never told by a model."""
UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)
"""What decoding hostile JSON, and `count`, may raise."""
_LONGEST_TEXT: Final = 512
_LONGEST_TIME: Final = 40
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST_MS: Final = 1_577_836_800_000  # 2020-01-01: before any of these agents
LATEST_MS: Final = 3_155_760_000_000  # 2070-01-01: all days between can be told in one report
_ESCAPES: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
_Told = TypeVar("_Told")


def decoded(decoder: msgspec.json.Decoder[_Told], data: bytes) -> _Told:
    """What the JSON says. Programs in JavaScript cut a text within a character and write half of it, which no decoder takes: it is
    replaced. Raises what `UNREADABLE` says.
    """
    try:
        return decoder.decode(data)
    except msgspec.DecodeError:
        mended = _ESCAPES.sub(lambda found: b"\\ufffd" if found["half"] else found[0], data)
        if mended == data:
            raise
        return decoder.decode(mended)


def text(value: object, longest: int = _LONGEST_TEXT) -> str:
    """The value where it is a text that can be a name, and be written; else nothing."""
    if not isinstance(value, str) or len(value) > longest or "\0" in value:
        return ""
    return value if value.isascii() else value.encode(errors="ignore").decode()


def count(value: object, most: int = MOST_TOKENS) -> int:
    """How many tokens the value says; none where it says nothing. Raises ValueError for what no model can have told."""
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError("not a count of tokens")
    return value


def moment(value: object) -> int | None:
    """Milliseconds since 1970 of an ISO time or of such a number, where it lies in the years of these agents."""
    if isinstance(value, str) and len(value) <= _LONGEST_TIME:
        try:
            told = datetime.fromisoformat(value)
            at_ms = ((told if told.tzinfo else told.replace(tzinfo=UTC)) - _EPOCH) // timedelta(milliseconds=1)
        except (ValueError, OverflowError):
            return None
    elif isinstance(value, int | float) and not isinstance(value, bool) and EARLIEST_MS <= value < LATEST_MS:
        at_ms = int(value)
    else:
        return None
    return at_ms if EARLIEST_MS <= at_ms < LATEST_MS else None
