"""Where OpenCode keeps what it does: `opencode*.db` in its data folder, and `storage/message/<session>/<message>.json` of versions before it."""

import os
from collections.abc import Iterator, Mapping
from glob import escape, glob
from typing import Final

from gateway.domain.logged import LogRead, Mark
from gateway.usage_logs.files import below


class OpenCodeLog:
    """Port `UsageLog` for OpenCode."""

    agent = "opencode"

    def homes(self, environ: Mapping[str, str], home: str) -> tuple[str, ...]:
        """`OPENCODE_DATA_DIR`, or `opencode` among the user's data."""
        if told := environ.get("OPENCODE_DATA_DIR"):
            return (told,)
        return (os.path.join(environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share"), "opencode"),)

    def owns(self, place: str) -> bool:
        """A folder with its database or its messages; one of these."""
        if os.path.isfile(place):
            return _is_database(place) or _is_message(*os.path.split(os.path.abspath(place)))
        return any(True for _ in self.files(place))

    def files(self, place: str) -> Iterator[str]:
        """Databases of the folder itself, and messages of the legacy tree at any depth."""
        if os.path.isfile(place):
            yield place
            return
        where = os.path.abspath(place)
        yield from (found for found in sorted(glob(os.path.join(escape(where), "opencode*.db"))) if _is_database(found))
        storage = os.path.join(where, "storage")
        yield from below(storage if os.path.isdir(storage) else where, _is_message)

    def read(self, path: str, since: Mark | None) -> LogRead:
        """See the port. A database is asked for rows that are new or changed since; where it is locked or of another form that is one
        unreadable record, and it is asked again the next time. Its size is that of the file with its write-ahead log.
        """
        if path.endswith(".db"):
            from gateway.usage_logs.opencode_rows import read_database

            return read_database(path, since)
        from gateway.usage_logs.opencode_messages import read_message

        return read_message(path, since)


def _is_database(path: str) -> bool:
    name = os.path.basename(path)
    return name.startswith("opencode") and name.endswith(".db") and os.path.isfile(path)


def _is_message(folder: str, name: str) -> bool:
    return name.endswith(".json") and os.path.basename(os.path.dirname(folder)) == "message"


OPENCODE: Final = OpenCodeLog()
"""The one reader of them."""
