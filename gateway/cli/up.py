"""`tollbridge up` and `down`: run the gateway in this terminal or behind it, and stop it."""

import os
from enum import StrEnum
from pathlib import Path

import typer

from gateway.cli.choices import one_of, shown


class ChatName(StrEnum):
    """Where people write."""

    TELEGRAM = "telegram"
    CONSOLE = "console"


def up(
    chat: ChatName = typer.Option(
        ChatName.TELEGRAM,
        parser=one_of(ChatName),
        metavar=shown(ChatName),
        help="Where people write: Telegram, or this terminal.",
    ),
    background: bool = typer.Option(
        False, "--background", help="Return as soon as it runs; it goes on without this terminal, and logs to a file."
    ),
    log: Path | None = typer.Option(None, help="Log to this file instead of the terminal.", dir_okay=False),
) -> None:
    """Run the gateway until Ctrl-C, or behind the terminal until `tollbridge down`."""
    from gateway import config
    from gateway.ports import AGENT_MARK, TollbridgeError

    if os.environ.get(AGENT_MARK):
        words = "this command runs inside an agent, and the gateway is not theirs to start: write it in a terminal of your own"
        raise TollbridgeError(words)
    settings = config.load()
    # Before the gateway's own code is loaded, so that what is missing is said at once.
    config.require_ready(settings, chat.value)
    from gateway.cli import background as behind
    from gateway.cli import ledger, plugin_files

    plugin_files.refreshed(settings.home)
    if background:
        behind.require_no_chat(chat.value)
        behind.start(settings.home, log)
        return
    from gateway.app import run_gateway

    with ledger.naming(settings.home):
        run_gateway(settings, chat=chat.value, log_file=log)


def down() -> None:
    """Stop the gateway, wherever it runs: agents that it has started end with it."""
    from gateway.cli import background
    from gateway.home import home_directory

    background.stop(home_directory())
