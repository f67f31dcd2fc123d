"""`[desk]`: whose the sessions are that people open themselves, and where the chat hears of them."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from gateway.config.values import Person, Section, tables

PLACES_MAX = 100


class DeskPlace(Section):
    """Sessions in this directory or below belong to another person, chat or topic."""

    directory: Path
    person: Person | None = None
    chat: str = Field(default="", max_length=40)
    topic: str = Field(default="", max_length=40)


class DeskSettings(Section):
    """Whose they are (default: the first of telegram.allowed_users), and their chat (default: the person's private one)."""

    person: Person | None = None
    chat: str = Field(default="", max_length=40)
    places: Annotated[tuple[DeskPlace, ...], BeforeValidator(tables)] = Field(default=(), max_length=PLACES_MAX)
    """Exceptions; the first whose directory holds the session's counts."""
