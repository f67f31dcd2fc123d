"""Questions to the person at this terminal. Piped input works too: each answer is a line."""

import getpass
import shutil
import sys
import textwrap
from collections.abc import Callable
from typing import Final, TypeVar

from gateway.cli.called import as_called
from gateway.ports import TollbridgeError

T = TypeVar("T")

_NARROWEST: Final = 20
_MOST_TRIES: Final = 5
_YES: Final = frozenset({"y", "yes"})
_NO: Final = frozenset({"n", "no"})


class NoAnswerError(TollbridgeError):
    """The input ended, or made no sense however often it was asked."""


def say(text: str = "") -> None:
    """One line to the person."""
    sys.stdout.write(f"{as_called(text)}\n")
    sys.stdout.flush()


def paragraph(text: str = "") -> None:
    """The same for sentences: what is too long for the terminal goes on in the next line, no word of it cut."""
    say(_wrapped(as_called(text)))


def ask(question: str, read: Callable[[str], T], default: str = "") -> T:
    """Ask until `read` accepts the answer; it raises TollbridgeError or ValueError with what to write instead."""
    shown = f"{question} [{default}]: " if default else f"{question}: "
    return _until_understood(lambda: _line(shown) or default, read)


def ask_secret(question: str, read: Callable[[str], T]) -> T:
    """Like `ask`, with the answer hidden."""
    return _until_understood(lambda: _hidden(f"{question} (it stays hidden): "), read)


def confirm(question: str, *, default: bool | None = None) -> bool:
    """Yes or no; without a default it has to be written out."""
    choices = {True: "Y/n", False: "y/N", None: "y/n"}[default]

    def read(answer: str) -> bool:
        word = answer.lower()
        if not word and default is not None:
            return default
        if word not in _YES | _NO:
            raise ValueError("please answer y or n")
        return word in _YES

    return _until_understood(lambda: _line(f"{question} [{choices}]: "), read)


def _until_understood(question: Callable[[], str], read: Callable[[str], T]) -> T:
    for _ in range(_MOST_TRIES):
        try:
            return read(question())
        except (TollbridgeError, ValueError) as error:
            if isinstance(error, NoAnswerError):
                raise
            paragraph(f"  {error}")
    raise NoAnswerError("that was not understood five times: run the command again when you have the answer")


def _wrapped(text: str) -> str:
    if not sys.stdout.isatty():
        return text
    indent = " " * (len(text) - len(text.lstrip(" ")))
    width = max(shutil.get_terminal_size().columns, _NARROWEST)
    lines = textwrap.wrap(text, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)
    return "\n".join(lines) + " " * (len(text) - len(text.rstrip(" ")))


def _line(prompt: str) -> str:
    sys.stdout.write(_wrapped(prompt))
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        say()
        raise NoAnswerError("the input ended before every question was answered: nothing was written")
    if not sys.stdin.isatty():
        say()
    return line.strip()


def _hidden(prompt: str) -> str:
    if not sys.stdin.isatty():
        return _line(prompt)
    try:
        return getpass.getpass(_wrapped(prompt)).strip()
    except EOFError:
        raise NoAnswerError("the input ended before every question was answered: nothing was written") from None
