"""The note by which a session at the desk starts the gateway where none works, if `local.autostart` allows it.

It is made by the last `tollbridge up` in a terminal, and holds how that was started. The environment of whoever opens a session has no part
in it: a repository's settings can set variables there. Secrets and settings are not copied into it: a gateway that takes such from its
environment is started by hand.
"""

import json
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.home import HOME_VARIABLE, OFF_VARIABLE, SettingsError, replace_file

FILE: Final = "autostart.json"
COMMAND: Final = ("-P", "-m", "gateway", "up", "--background")
"""-P: what lies in the directory where it starts is no part of the program."""
BYTES_MAX: Final = 64 * 1024
OWNER_ONLY: Final = 0o600
DECIDING: Final = ("TOLLBRIDGE_", "ANTHROPIC_", "CLAUDE_CODE_USE_", "CLAUDE_CODE_OAUTH_TOKEN")
"""How the names of variables begin without which it would be another gateway, or another sign-in."""
PATHS: Final = ("PATH", "PYTHONPATH")
"""Of these only whole paths are kept: what lies in the directory where it starts is no part of the program."""
HARMLESS: Final = frozenset({HOME_VARIABLE, OFF_VARIABLE})
KEPT: Final = (
    "PATH HOME USER LOGNAME SHELL LANG LANGUAGE LC_ALL LC_CTYPE TZ TMPDIR PYTHONPATH SSL_CERT_FILE SSL_CERT_DIR CLAUDE_CONFIG_DIR "
    "XDG_DATA_HOME XDG_CONFIG_HOME XDG_STATE_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR "
    "http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY"
)
"""The variables that the note holds, where they are set."""


def kept(home: Path, *, allowed: bool, environ: Mapping[str, str] = os.environ) -> str:
    """Have sessions start the gateway as this process was started, if that is allowed; not empty: why they cannot.

    Raises SettingsError.
    """
    deciding = sorted(name for name in environ if name.startswith(DECIDING) and name not in HARMLESS)
    if deciding or not allowed:
        _forget(home)
        names = ", ".join(deciding)
        why = f"sessions cannot start this gateway, since it depends on {names} in its environment: put that into config.toml"
        return why if allowed else ""
    known = {name: environ[name] for name in KEPT.split() if name in environ}
    known |= {name: _whole_paths(known[name]) for name in PATHS if name in known}
    note = {"command": [sys.executable, *COMMAND], "directory": str(Path.cwd()), "environment": known}
    if _read(home) == note:
        return ""  # whoever has started this gateway holds the lock of the file that is there
    try:
        replace_file(home / FILE, json.dumps(note, indent=1).encode())
    except OSError as error:
        raise _unwritable(home, error) from None
    return ""


def _whole_paths(text: str) -> str:
    return os.pathsep.join(part for part in text.split(os.pathsep) if Path(part).is_absolute())


def _read(home: Path) -> object:
    """The note that is there; None if there is none, or none that could be followed."""
    try:
        descriptor = os.open(home / FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            mode = os.fstat(descriptor).st_mode
            ours = stat.S_ISREG(mode) and stat.S_IMODE(mode) == OWNER_ONLY
            return json.loads(os.read(descriptor, BYTES_MAX)) if ours else None
        finally:
            os.close(descriptor)
    except (OSError, ValueError, RecursionError):
        return None


def _forget(home: Path) -> None:
    try:
        (home / FILE).unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(home, error) from None


def _unwritable(home: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"local.autostart: {home / FILE} cannot be written ({error.strerror}): mend that, or switch it off"
    )
