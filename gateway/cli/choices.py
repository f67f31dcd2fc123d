"""Options with a few values to choose from."""

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

import typer

Choice = TypeVar("Choice", bound=StrEnum)


def one_of(choices: type[Choice]) -> Callable[[str], Choice]:
    """A parser for typer, whose own one for an enum speaks of "Value error". Its parameter needs `metavar=shown(choices)`."""

    def parser(text: str) -> Choice:
        try:
            return choices(text)
        except ValueError:
            raise typer.BadParameter(f"{text[:40]!r} is none of {', '.join(choices)}") from None

    return parser


def shown(choices: type[StrEnum]) -> str:
    """The values as the help shows them: `[telegram|console]`."""
    return f"[{'|'.join(choices)}]"
