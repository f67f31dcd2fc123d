"""git, asked about a repository that may be anybody's, and whose settings an agent may have written.

Nothing that stands in them or in its attributes is run, nothing is fetched or written, and what it says has a limit.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream

from gateway.git import KEPT_NAMES, SAFELY, as_environment

OUTPUT_MAX: Final = 16 * 1024 * 1024
"""Bytes of what one git writes."""
PLAIN: Final = ("--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=all")
"""A diff by which no program runs, and that enters no submodule."""
_QUIETLY: Final = (
    *("--no-pager", "--literal-pathspecs", *SAFELY),
    *("-c", "log.showSignature=false", "-c", "core.attributesFile=/dev/null"),
    *("-c", "blame.ignoreRevsFile=", "-c", "submodule.recurse=false", "-c", "protocol.allow=never"),
)
_ALONE: Final = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",  # over what the repository's settings say of any
}


class NotKnownError(Exception):
    """Git refused (`code`: its status), or it was too much."""

    def __init__(self, code: int | None = None) -> None:
        super().__init__()
        self.code = code


async def run(
    where: Sequence[str],
    *arguments: str,
    feed: bytes = b"",
    fails: int = 0,
    settings: Sequence[tuple[str, str]] = (),
    index: str = "",
) -> bytes:
    """What git writes. `fails`: with this status it says no, and writes nothing. `index`: instead of the repository's own. Raises NotKnownError, and OSError without a git.

    Cancelled, nothing that it started is left.
    """
    environ = {name: os.environ[name] for name in KEPT_NAMES if name in os.environ}
    process = await anyio.open_process(
        ["git", *_QUIETLY, *where, *arguments],
        stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environ | _ALONE | as_environment(settings) | ({"GIT_INDEX_FILE": index} if index else {}),
        start_new_session=True,
    )
    output, whole, ended = bytearray(), False, False
    try:
        async with anyio.create_task_group() as tasks:
            if feed:
                tasks.start_soon(_write, process.stdin, feed)
            whole = await _read(process.stdout, output)
            tasks.cancel_scope.cancel()
        if not whole:
            raise NotKnownError
        code = await process.wait()
        ended = True
    finally:
        with anyio.CancelScope(shield=True):
            if not ended:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            await process.aclose()
    if code not in (0, fails):
        raise NotKnownError(code)
    return bytes(output) if code == 0 else b""


async def _write(stream: ByteSendStream | None, feed: bytes) -> None:
    if stream is not None:
        with suppress(anyio.BrokenResourceError):
            await stream.send(feed)
        await stream.aclose()


async def _read(stream: ByteReceiveStream | None, into: bytearray) -> bool:
    """Whether that was all."""
    if stream is not None:
        async for chunk in stream:
            into += chunk
            if len(into) > OUTPUT_MAX:
                return False
    return True
