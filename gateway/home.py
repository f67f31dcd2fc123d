"""Where the gateway keeps what is its own. Apart from the settings, so that a command that only knocks at the gateway's door
need not load them.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.domain.errors import TollbridgeError

HOME_VARIABLE: Final = "TOLLBRIDGE_HOME"
_OWNER_ONLY: Final = 0o600
OFF_VARIABLE: Final = "TOLLBRIDGE_OFF"
"""Set to 1 before a client starts, it lets that session work ungated and unmetered. No setting of the gateway's."""


def is_off(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a session that is started from here goes without Tollbridge, as `mcp_servers/relay.py` reads it as well."""
    return environ.get(OFF_VARIABLE, "") not in ("", "0")


class SettingsError(TollbridgeError):
    """A setting that cannot be used; the message names it, says what is wrong and what to write."""


def home_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """TOLLBRIDGE_HOME, else the platform's place for a user's data. It need not exist. Raises SettingsError."""
    text = environ.get(HOME_VARIABLE, "").strip()
    if not text:
        import platformdirs  # noqa: PLC0415 - what names its home, and is to start fast, does without

        return Path(platformdirs.user_data_dir("tollbridge", appauthor=False))
    try:
        return Path(os.path.normpath(Path(text).expanduser().absolute()))
    except (OSError, RuntimeError):
        raise SettingsError(f"{HOME_VARIABLE} cannot be understood: write the whole path of a directory") from None


def replace_file(path: Path, content: bytes) -> None:
    """Put this into the file's place, for its owner alone: it is there whole or not at all. Raises OSError; then nothing has changed."""
    beside = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(beside, flags, _OWNER_ONLY), "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), _OWNER_ONLY)  # whatever the umask
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
