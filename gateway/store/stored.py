"""Stored JSON, read so that what another version of this program wrote is understood as far as that can be.

What is missing has its default, what is not known is ignored, and what has the wrong type is damage.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TypeVar

from gateway.ports import StoreError

V = TypeVar("V")

UNREADABLE = (ValueError, TypeError)
"""What the functions here, and `json.loads`, raise."""


@contextmanager
def reading(record: str) -> Generator[None]:
    """Raise StoreError, which names the record, for what inside does not mean anything."""
    try:
        yield
    except UNREADABLE as error:
        raise StoreError(
            f"The {record} in the database cannot be read ({error}): it is damaged; put back a copy"
        ) from error


def field(facts: Any, name: str, kind: type[V], *default: V) -> V:
    """A field of a stored object; one that is missing was not known yet when the object was written, and has the default.

    Fields that nobody asks for are ignored. Raises TypeError or ValueError.
    """
    if not isinstance(facts, dict):
        raise TypeError(f"there is no object with {name!r}")
    if name not in facts:
        if not default:
            raise ValueError(f"{name!r} is missing")
        return default[0]
    return typed(facts[name], kind, name)


def optional(facts: Any, name: str, kind: type[V]) -> V | None:
    """A field that may be missing or null. Raises TypeError."""
    return None if isinstance(facts, dict) and facts.get(name) is None else field(facts, name, kind)


def typed(value: Any, kind: type[V], name: str) -> V:
    """The value, if it has exactly this type. Raises TypeError."""
    if type(value) is not kind:  # True is no number here
        raise TypeError(f"{name!r} is no {kind.__name__}")
    return value


def members(value: Any, name: str, least: int = 0) -> list[Any]:
    """A list with at least so many members; what a later program wrote behind them is ignored. Raises TypeError, ValueError."""
    found = typed(value, list, name)
    if len(found) < least:
        raise ValueError(f"{name!r} is too short")
    return found
