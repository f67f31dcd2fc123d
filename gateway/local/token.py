"""The secret of the loopback listener, and what is made of it. Standard library only: the command line shows it.

Whoever holds the token may look at budgets and ask people for more; nothing that it opens grants anything.
"""

import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from gateway.ports import TollbridgeError

FILE: Final = "loopback-token"
BYTES: Final = 32
LENGTH_MAX: Final = 200


class TokenError(TollbridgeError):
    """The token cannot be read or made; the message says why and what to do."""


def token_of(home: Path) -> str:
    """The home's token; made, readable by nobody else, where there is none yet. Raises TokenError."""
    path = home / FILE
    try:
        held = _read(path)
        if held is None:
            fresh = _written(home)
            try:
                os.link(fresh, path)  # whoever comes first has made it
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
            held = _read(path)
    except OSError as error:
        raise TokenError(f"{path} cannot be read or made ({error.strerror}): mend the permissions of {home}") from None
    return held or ""


def known_token(home: Path) -> str:
    """The home's token, empty where there is none yet: nothing is made. Raises TokenError."""
    try:
        return _read(home / FILE) or ""
    except OSError as error:
        raise TokenError(f"{home / FILE} cannot be read ({error.strerror}): mend the permissions of {home}") from None


def renew(home: Path) -> str:
    """Another token; the one before counts no more from this moment, nor does a handle made of it. Raises TokenError."""
    path = home / FILE
    try:
        _written(home).replace(path)
        return _read(path) or ""
    except OSError as error:
        raise TokenError(f"{path} cannot be written ({error.strerror}): mend the permissions of {home}") from None


def _read(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_mode & 0o077 or about.st_uid != os.geteuid():
            words = (
                f"{path} is open to others, or no file of yours: delete it, then `tollbridge mcp token` makes another"
            )
            raise TokenError(words)
        text = file.read(LENGTH_MAX).decode("ascii", "replace").strip()
    if len(text) < BYTES or not text.isprintable():
        raise TokenError(f"{path} holds no token: `tollbridge mcp token --new` makes another")
    return text


def _written(home: Path) -> Path:
    """A new token in a file beside its place."""
    path = home / f"{FILE}.{secrets.token_hex(8)}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(f"{secrets.token_urlsafe(BYTES)}\n")
        file.flush()
        os.fsync(file.fileno())
    return path


# ------------------------------------------------------------------------------------------------------------- handles
def handle_of(token: str, session_id: str) -> str:
    """What a program that holds the token names a session by, if it was given this: nobody makes one up."""
    return f"{session_id}.{_mac(token, session_id)}"


def session_of(token: str, handle: str) -> str | None:
    """The session that the handle was made for with this token; None: with another, or it was made up."""
    session_id, _, mac = handle.rpartition(".")
    if not session_id or not hmac.compare_digest(mac.encode(), _mac(token, session_id).encode()):
        return None
    return session_id


def _mac(token: str, session_id: str) -> str:
    return hmac.digest(token.encode(), b"session\0" + session_id.encode(), "sha256").hex()[:32]
