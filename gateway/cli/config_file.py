"""Writing config.toml: what a person wrote there stays, comments too; the file appears whole or not at all."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from gateway.config import SettingsError
from gateway.home import replace_file


def merged(text: str, changes: Mapping[str, Mapping[str, Any]]) -> str:
    """The file's text with settings replaced or added: `{"telegram": {"allowed_users": [4711]}}`. Raises SettingsError."""
    try:
        document = tomlkit.parse(text)
        for section, settings in changes.items():
            if not settings:
                continue
            if section not in document:
                document[section] = tomlkit.table()
            table: Any = document[section]
            for name, value in settings.items():
                table[name] = value
        return tomlkit.dumps(document)
    except (TOMLKitError, TypeError) as error:
        raise SettingsError(f"config.toml cannot be changed by program ({error}): correct it by hand") from None


def write(path: Path, text: str) -> None:
    """Replace the file by this text, readable for its owner only (0600). Raises SettingsError; then nothing has changed."""
    if path.is_symlink():
        raise SettingsError(f"{path} is a symbolic link: put the file itself there, then run this again")
    try:
        replace_file(path, text.encode())
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written ({error.strerror}): nothing was changed") from None
