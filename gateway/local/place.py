"""Where the door is: a socket in the gateway's home, reached by a name that is short enough for the system."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.ports import TollbridgeError

SOCKET: Final = "gateway.sock"
NAME_BYTES_MAX: Final = 100
"""Linux takes names of 107 bytes, macOS of 103."""
HAS_PROC: Final = sys.platform.startswith("linux")


class DoorError(TollbridgeError):
    """The door cannot be opened or reached; the message says why and what to do."""


@contextmanager
def reached(home: Path) -> Iterator[str]:
    """A name of the socket that can be bound or connected to inside the block. Raises DoorError, OSError.

    Where the path is too long, Linux reaches the socket through the open directory that it is in.
    """
    path = home / SOCKET
    if len(os.fsencode(path)) <= NAME_BYTES_MAX:
        yield str(path)
        return
    if not HAS_PROC:
        most = NAME_BYTES_MAX - len(SOCKET) - 1
        raise DoorError(f"the path {home} is too long for a socket: set TOLLBRIDGE_HOME to one of at most {most} bytes")
    directory = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{SOCKET}"
    finally:
        os.close(directory)
