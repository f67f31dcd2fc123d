"""What the system tells of a process: the fields of /proc/PID/stat, and `ps` where there is no /proc."""

import os
import subprocess
import sys
from pathlib import Path

PS_LIMIT_S = 5.0


def stat_fields(pid: int) -> list[bytes] | None:
    """What stands behind the name in /proc/PID/stat, from the state on: proc(5). None: there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None


def told_by_ps(pid: int, columns: str) -> str | None:
    """What `ps` says of a process in these columns; None: it did not answer. It starts a program: not for the event loop."""
    try:
        told = subprocess.run(  # noqa: S603
            ["ps", "-o", columns, "-p", str(pid)],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            timeout=PS_LIMIT_S,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told.stdout


def is_there(pid: int) -> bool:
    """Whether a process of this number runs. For processes of the same user; it is not told from another of the same number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    fields = stat_fields(pid) if sys.platform.startswith("linux") else None
    return fields is None or fields[0] not in {b"Z", b"X"}
