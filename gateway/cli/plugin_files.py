"""The plugin's own folder in the gateway's home, from which Claude Code runs it.

Claude Code runs a plugin of a directory in place, and runs nothing of it, without a word, once that directory is gone. A package's
directory goes with the next Python or the next environment; the home stays.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.cli.claude_code import ClaudeCodeError
from gateway.home import replace_file

FOLDER: Final = "claude-plugin"
SOURCE: Final = Path(__file__).resolve().parents[2] / "mcp_servers" / "claude_plugin"
_KEPT: Final = "__pycache__"


def copied(home: Path, source: Path = SOURCE) -> Path:
    """Make the home's copy what the package has, file by file, so that no hook finds one missing. Raises ClaudeCodeError."""
    place = home / FOLDER
    try:
        wanted = dict(_files(source))
        if not wanted:
            raise ClaudeCodeError(f"{source} is missing or empty: install tollbridge again")
        if place.is_symlink():
            raise ClaudeCodeError(f"{place} is a symbolic link: remove it, then run this again")
        present = dict(_files(place))
        for name, content in wanted.items():
            if present.get(name) != content:
                _write(place / name, content)
        for name in present.keys() - wanted.keys():
            (place / name).unlink()
    except OSError as error:
        raise ClaudeCodeError(
            f"the plugin cannot be written to {place} ({error.strerror}): nothing works of it"
        ) from None
    return place


def refreshed(home: Path) -> None:
    """Bring the home's copy up to date with a newer package, if the plugin was installed at all. Raises ClaudeCodeError."""
    if (home / FOLDER).is_dir():
        copied(home)


def is_current(home: Path, source: Path = SOURCE) -> bool:
    """Whether the home's copy is what the package has. Raises OSError."""
    return dict(_files(home / FOLDER)) == dict(_files(source))


def removed(home: Path) -> None:
    """Delete the home's copy. Raises ClaudeCodeError."""
    place = home / FOLDER
    try:
        for folder, folders, files in os.walk(place, topdown=False):
            for name in files:
                (Path(folder) / name).unlink()
            for name in folders:
                path = Path(folder) / name
                path.unlink() if path.is_symlink() else path.rmdir()
        if place.is_dir():
            place.rmdir()
    except OSError as error:
        raise ClaudeCodeError(f"{place} cannot be removed ({error.strerror}): delete it by hand") from None


def _files(place: Path) -> Iterator[tuple[str, bytes]]:
    for folder, folders, files in os.walk(place):
        folders[:] = [name for name in folders if name != _KEPT]
        for name in files:
            path = Path(folder) / name
            yield str(path.relative_to(place)), path.read_bytes()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(path, content)
