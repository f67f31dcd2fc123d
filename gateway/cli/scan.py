"""`tollbridge scan`: what agents' own logs say was used, at list prices."""

import shutil
import time
from typing import Final

import typer

from gateway.domain.errors import TollbridgeError

WATCH_S: Final = 2.0
PATHS_MAX: Final = 1_000


def scan(
    paths: list[str] = typer.Argument(
        None,
        metavar="[PATH]...",
        show_default=False,
        help="The home of an agent, a folder of its logs, or one log. Without it: all homes of all known agents.",
    ),
    watch: bool = typer.Option(False, "--watch", help="Look again every 2 seconds until Ctrl-C, and say what changes."),
    as_json: bool = typer.Option(
        False, "--json", help="Print JSON for programs: schema 1, amounts as decimal strings; with --watch a line each."
    ),
) -> None:
    """Show what agents' own logs on this machine say was used, at list prices. What was read once is not read again."""
    from gateway.cli import scan_words
    from gateway.cli.scan_look import once

    named = paths or []
    if len(named) > PATHS_MAX:
        raise TollbridgeError(f"more than {PATHS_MAX} paths: name a folder that they are in")
    shown = None
    while True:
        found = once(named)
        if found.figures != shown:
            width = shutil.get_terminal_size().columns
            typer.echo(scan_words.as_json(found, in_a_line=watch) if as_json else scan_words.as_text(found, width))
            shown = found.figures
        if not watch:
            return
        time.sleep(WATCH_S)
