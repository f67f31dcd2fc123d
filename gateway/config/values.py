"""Kinds of values that several sections have, and what every section is."""

import json
import os
from contextlib import suppress
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Annotated, ClassVar, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from gateway.domain.money import AmountError, Usd

MOST_USERS: Final = 1000


class Section(BaseModel):
    """A part of the settings: names that it does not know are refused, and no error repeats what was written."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _amount(value: object) -> object:
    if isinstance(value, Usd):
        return value
    try:
        # A list, a table or a truth value is no amount either: its text is refused like any other.
        return Usd.parse(str(value))
    except AmountError as error:
        raise ValueError(str(error)) from None


def _more_than_nothing(amount: Usd) -> Usd:
    if not amount:
        raise ValueError("this has to be more than $0: write an amount like 0.50")
    return amount


def _user(value: object) -> int:
    text = str(value).strip()
    if isinstance(value, int | str) and not isinstance(value, bool) and text.isascii() and text.isdigit() and int(text):
        return int(text)
    if isinstance(value, str) and not text.lstrip("-").isdigit():
        raise ValueError(
            f"{text[:40]!r} is not a numeric id: names can be taken over by somebody else, so only numeric ids are"
            " accepted; `tollbridge setup` shows yours"
        )
    raise ValueError(f"{text[:40]!r} is not the id of a person: those are positive whole numbers")


def _users(value: object) -> object:
    if isinstance(value, str):
        try:
            value = json.loads(value or "[]")
        except ValueError:
            if "[" in value or not any(char.isalpha() for char in value):
                raise ValueError("write the numeric ids of people as a list, like [4711, 4712]") from None
    people = list(value) if isinstance(value, list | tuple) else [value]
    if len(people) > MOST_USERS:
        raise ValueError(f"at most {MOST_USERS} people can be listed")
    return tuple(dict.fromkeys(_user(one) for one in people))


def _directory(value: object) -> object:
    if not isinstance(value, str | Path):
        return value
    text = str(value).strip()
    if not text or "\0" in text:
        raise ValueError("write the path of a directory")
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise ValueError(f"{text[:200]!r} is a relative path: write the whole path, from / on")
    return Path(os.path.normpath(path))


def _zone(value: object) -> object:
    if isinstance(value, str):
        zone_of(value)
    return value


def zone_of(name: str) -> tzinfo:
    """The time zone of this IANA name. Raises ValueError with a sentence."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"no time zone is called {name[:60]!r}: write one like Europe/Berlin, or UTC") from None


def machine_zone() -> str:
    """The IANA name of the machine's time zone; UTC where the machine does not tell."""
    target = os.path.realpath("/etc/localtime")
    candidates = [os.environ.get("TZ", "").lstrip(":"), target.partition("zoneinfo/")[2].removeprefix("posix/")]
    with suppress(OSError, UnicodeDecodeError):
        candidates.append(Path("/etc/timezone").read_text(encoding="utf-8")[:100].strip())
    for name in filter(None, candidates):
        try:
            zone_of(name)
        except ValueError:
            continue
        return name
    return "UTC"


Amount = Annotated[Usd, BeforeValidator(_amount)]
Limit = Annotated[Amount, AfterValidator(_more_than_nothing)]
"""A limit of $0 would let nothing run, and nothing would say why; the chat's /budget refuses it too."""
Directory = Annotated[Path, BeforeValidator(_directory)]
Minutes = Annotated[float, Field(gt=0, le=7 * 24 * 60, allow_inf_nan=False)]
Person = Annotated[int, BeforeValidator(_user)]
Persons = Annotated[tuple[int, ...], BeforeValidator(_users)]
Zone = Annotated[str, BeforeValidator(_zone)]


def tables(value: object) -> object:
    """A list of tables, which a variable of the environment gives as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError('write a list of tables, like [{"name": "value"}, ...]') from None
    return value
