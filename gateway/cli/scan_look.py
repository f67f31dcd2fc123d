"""One look of a scan: with the lock of whoever reads logs, and a bar where somebody waits for it."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from gateway import lock
from gateway.cli import scanning
from gateway.cli.scan_prices import KEPT, Prices
from gateway.domain.errors import TollbridgeError
from gateway.home import home_directory
from gateway.usage_store import UsageError, open_usage

_WORTH_A_BAR: Final = 32 * 1024 * 1024
"""Fewer bytes are read before a bar has been drawn."""


def once(paths: Sequence[str]) -> scanning.Scan:
    """Look once, with the lock of whoever reads logs. Raises TollbridgeError."""
    where = scanning.places(paths, os.environ, os.path.expanduser("~"))
    home = home_directory()
    try:
        with lock.hold_scan(home), open_usage(home, scanning.name_of(paths)) as store, _bar() as tell:
            prices = Prices(home / KEPT)
            found = scanning.look(store, where, prices, tell)
            prices.keep()
            return found
    except UsageError as error:
        raise TollbridgeError(str(error)) from error


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """Something to tell of bytes read, and of how many there are; on a terminal it is drawn."""
    if not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    from gateway.cli.scan_words import Bar

    bar = Bar(_WORTH_A_BAR)
    try:
        yield bar.tell
    finally:
        bar.end()
