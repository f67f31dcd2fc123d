"""`tollbridge pair`: let somebody in by a code that they are given in Telegram, and that is typed here."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from gateway.cli import changing, people
from gateway.cli.terminal import NoAnswerError, ask, confirm
from gateway.cli.terminal import paragraph as say
from gateway.ports import TollbridgeError

if TYPE_CHECKING:
    from collections.abc import Mapping

PAIRINGS: Final = "/v1/pairings"
LATER: Final = "`tollbridge people` tells later whether they were let in"


def pair(
    role: str = typer.Option("writer", help="What they may do: writer, approver or reader."),
    chat: str = typer.Option(
        "", help="Where: the number of a chat, or 'everywhere' (default: in their own chat with the bot)."
    ),
    largest_raise: str = typer.Option(
        "", help="For an approver: by how many dollars they may raise a limit at a time."
    ),
    minutes: int = typer.Option(10, min=1, max=60, help="How long codes are given out, and count."),
) -> None:
    """Let somebody in: they write /pair to the bot, read you the code that it gives them, and you type it here."""
    from gateway.home import home_directory

    home = home_directory()
    terms = {"role": role.lower(), "chat": people.chat_of(chat), "largest_raise": largest_raise or None}
    opened = _asked(home, PAIRINGS, terms | {"minutes": minutes})
    window = opened["id"]
    open_still = True
    try:
        _invite(opened["words"])
        say(_until_found(home, window))
        yes = confirm("Is that who you mean, and are they to be let in?")
        open_still = False
        people.carried_out(home, f"{PAIRINGS}/answer", {"id": window, "yes": yes}, LATER)
    except (KeyboardInterrupt, NoAnswerError):
        if open_still:
            _asked(home, f"{PAIRINGS}/answer", {"id": window, "yes": False})
            sys.stderr.write("\n")
        raise


def _invite(words: str) -> None:
    """Say what the window is for, and what the other person has to do."""
    link = _link()
    say(words)
    where = f"open {link}" if link else "open the bot in Telegram"
    say(f"Tell them: {where}, press Start (nothing is answered to that), and write /pair.")


def _link() -> str:
    """Where the bot is met; empty where that cannot be found out now."""
    from gateway import config
    from gateway.cli import bot_api
    from gateway.cli.setup import identity

    telegram = config.load().telegram
    if telegram.token is None:
        return ""
    try:
        return bot_api.plain(identity(telegram.token.get_secret_value(), telegram.base_url).link)
    except TollbridgeError:
        return ""


def _until_found(home: Path, window: str) -> str:
    """Whose code was typed, in words. Raises TollbridgeError once the window is closed."""
    while True:
        code = ask("The code that they read to you", str)
        if not code:
            continue
        told = _asked(home, f"{PAIRINGS}/code", {"id": window, "code": code[: people.TYPED_MAX]})
        match told["state"]:
            case "found":
                return told["words"]
            case "open":
                say(told["words"])
            case _:
                raise TollbridgeError(told["words"])


def _asked(home: Path, path: str, body: "Mapping[str, Any]") -> "Mapping[str, Any]":
    """What the gateway says. Raises TollbridgeError."""
    from gateway.local import client

    told = client.ask(home, "POST", path, body)
    changing.must(told)
    return told.fields
