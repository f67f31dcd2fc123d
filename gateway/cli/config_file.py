"""Writing config.toml: what a person wrote there stays, comments too; the file appears whole or not at all."""

import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from gateway.config import SettingsError


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
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, stat.S_IRUSR | stat.S_IWUSR)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), stat.S_IRUSR | stat.S_IWUSR)
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written ({error.strerror}): nothing was changed") from None
