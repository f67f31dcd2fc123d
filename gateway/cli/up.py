"""`tollbridge up`: run the gateway in this terminal."""

from enum import StrEnum

import typer


class ChatName(StrEnum):
    """Where people write."""

    TELEGRAM = "telegram"
    CONSOLE = "console"


def up(
    chat: ChatName = typer.Option(ChatName.TELEGRAM, help="Where people write: Telegram, or this terminal."),
) -> None:
    """Run the gateway until Ctrl-C."""
    from gateway import config

    settings = config.load()
    # Before the gateway's own code is loaded, so that what is missing is said at once.
    config.require_ready(settings, chat.value)
    from gateway.app import run_gateway
    from gateway.cli import ledger, plugin_files

    plugin_files.refreshed(settings.home)
    with ledger.naming(settings.home):
        run_gateway(settings, chat=chat.value)
