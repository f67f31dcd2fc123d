"""What is installed on this machine: the agents' clients, and whether they look signed in. Nothing here calls an API."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

OLDEST_CLAUDE: Final = (2, 1, 328)
"""The oldest Claude Code whose control protocol was tried."""

_PATIENCE_S: Final = 30
_VERSION: Final = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})", re.ASCII)
_KEYS: Final = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
_CLOUDS: Final = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
_LARGEST_FILE_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Program:
    """A program that was found. `version` is None where it did not say one in time."""

    path: str
    version: tuple[int, ...] | None

    @property
    def words(self) -> str:
        return self.path if self.version is None else f"{self.path} {dotted(self.version)}"


def dotted(version: tuple[int, ...]) -> str:
    """`2.1.328`."""
    return ".".join(map(str, version))


def find(command: str, environ: Mapping[str, str]) -> Program | None:
    """The program behind a command, and what it says its version is; None if there is none."""
    path = shutil.which(command, path=environ.get("PATH"))
    if path is None:
        return None
    theirs = {name: value for name, value in environ.items() if not name.startswith("TOLLBRIDGE_")}
    try:
        said = subprocess.run(  # noqa: S603 - the program that the settings name
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_PATIENCE_S,
            env=theirs,
        )
    except (OSError, subprocess.SubprocessError):
        return Program(path, None)
    match = _VERSION.search(said.stdout[:1000].decode("utf-8", "replace"))
    return Program(path, tuple(map(int, match.groups())) if match else None)


def claude_sign_in(environ: Mapping[str, str]) -> str | None:
    """By what Claude Code looks signed in, in words; None if nothing speaks for it. Keychains cannot be seen from here."""
    for name in _KEYS:
        if environ.get(name):
            return f"{name} is set"
    for name in _CLOUDS:
        if environ.get(name, "").lower() in {"1", "true", "yes", "on"}:
            return f"{name} is set"
    home = Path(environ.get("HOME") or os.path.expanduser("~"))  # noqa: PTH111 - falls back to the user database
    folder = Path(environ.get("CLAUDE_CONFIG_DIR", "").partition(",")[0] or home / ".claude")
    if (folder / ".credentials.json").is_file():
        return f"{folder / '.credentials.json'} exists"
    if _mentions(folder / "settings.json", b'"apiKeyHelper"'):
        return "apiKeyHelper is configured"
    account = folder / ".claude.json" if environ.get("CLAUDE_CONFIG_DIR") else home / ".claude.json"
    return f"{account} names an account" if _mentions(account, b'"oauthAccount"', b'"primaryApiKey"') else None


def _mentions(path: Path, *words: bytes) -> bool:
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_FILE_BYTES)
    except OSError:
        return False
    return any(word in text for word in words)
