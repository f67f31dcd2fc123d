"""Gemini CLI's chats: `tmp/<project>/chats`, a `.json` rewritten as a whole by older versions, a `.jsonl` that grows by newer ones."""

import os
from collections.abc import Iterator, Mapping
from typing import Final

from gateway.domain.logged import LogRead, Mark
from gateway.usage_logs.files import below


class GeminiLog:
    """Port `UsageLog` for Gemini CLI."""

    agent = "gemini"

    def homes(self, environ: Mapping[str, str], home: str) -> tuple[str, ...]:
        """`.gemini`, in the folder that `GEMINI_CLI_HOME` names if it does."""
        return (os.path.join(environ.get("GEMINI_CLI_HOME") or home, ".gemini"),)

    def owns(self, place: str) -> bool:
        """A folder with chats; a chat."""
        if os.path.isfile(place):
            return _is_chat(*os.path.split(os.path.abspath(place)))
        return any(True for _ in self.files(place))

    def files(self, place: str) -> Iterator[str]:
        """Chats: what lies in a folder `chats`, or one deeper."""
        if os.path.isfile(place):
            yield place
            return
        where = os.path.abspath(place)
        temporary = os.path.join(where, "tmp")
        beneath = os.path.basename(where) == ".gemini" and os.path.isdir(temporary)
        yield from below(temporary if beneath else where, _is_chat)

    def read(self, path: str, since: Mark | None) -> LogRead:
        """See the port. A `.json` that cannot be read now is looked at again once it changed."""
        from gateway.usage_logs import gemini_chats

        return (gemini_chats.read_whole if path.endswith(".json") else gemini_chats.read_growing)(path, since)


def _is_chat(folder: str, name: str) -> bool:
    """Sub-agents' chats lie one folder deeper."""
    return name.endswith((".json", ".jsonl")) and "chats" in folder.split(os.sep)[-2:]


GEMINI: Final = GeminiLog()
"""The one reader of them."""
