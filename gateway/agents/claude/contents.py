"""What files hold, as far as the client has told of it: what an agent would overwrite is shown beside what it writes. Bounded.

It may have changed since: it is shown, and nothing is decided by it.
"""

from collections import OrderedDict
from pathlib import PurePath

from gateway.agents.claude.wire import FileTold

FILES_MAX = 50
CHARACTERS_MAX = 20_000
"""Of a file that is remembered: more than that is compared with nothing."""


class Contents:
    """The files that were read or written last, by path; `directory`: where relative ones begin."""

    def __init__(self, directory: str) -> None:
        self._directory = PurePath(directory)
        self._known: OrderedDict[str, str] = OrderedDict()

    def heard(self, told: FileTold) -> None:
        """The client has told of a file."""
        path = self._path(told.path)
        self._known.pop(path, None)
        if told.text is not None and len(told.text) <= CHARACTERS_MAX:
            self._known[path] = told.text
        if len(self._known) > FILES_MAX:
            self._known.popitem(last=False)

    def of(self, path: object) -> str:
        """What the file of a tool's input holds; empty: nothing is known, or it is new."""
        return self._known.get(self._path(path), "") if isinstance(path, str) else ""

    def _path(self, path: str) -> str:
        return str(self._directory / path)
