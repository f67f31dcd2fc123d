"""Reading many logs at once: in processes of their own, which start as copies of this one and have nothing to import."""

import fcntl
import gc
import marshal
import os
import select
import signal
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from gateway.domain.errors import TollbridgeError
from gateway.domain.logged import Mark
from gateway.usage_logs.claude import CLAUDE
from gateway.usage_logs.codex import CODEX
from gateway.usage_logs.gemini import GEMINI
from gateway.usage_logs.opencode import OPENCODE

if TYPE_CHECKING:
    from gateway.ports import UsageLog

LOGS: "tuple[UsageLog, ...]" = (CLAUDE, CODEX, OPENCODE, GEMINI)
"""Every kind of agent whose logs can be read, in the order in which they are asked whose a folder is."""
_NUMBER: Final = struct.Struct("<I")
_LENGTH: Final = struct.Struct("<Q")
_CHUNK: Final = 1024 * 1024


class Job(NamedTuple):
    """A file to be read. `agent`: its place in LOGS."""

    agent: int
    path: str
    since: Mark | None
    size: int
    changed_ns: int

    @property
    def bytes(self) -> int:
        return max(0, self.size - (self.since.offset if self.since else 0))


class Outcome(NamedTuple):
    """What came of a job. `mark` None: it could not be read."""

    job: Job
    mark: Mark | None
    records: int
    unreadable: int
    told: int
    anew: bool
    rows: Sequence[tuple[object, ...]]


def read(jobs: Sequence[Job]) -> list[Outcome]:
    """Read these files, in whatever process."""
    found: list[Outcome] = []
    for job in jobs:
        try:
            log = LOGS[job.agent].read(job.path, job.since)
        except OSError:
            found.append(Outcome(job, None, 0, 0, 0, False, ()))
            continue
        rows = [tuple(call) for call in log.calls]
        found.append(Outcome(job, log.mark, log.records, log.unreadable, len(log.calls) + log.copies, log.anew, rows))
    return found


class Readers:
    """Processes that read portions of jobs, each the next one that nobody has taken."""

    def __init__(self, shares: Sequence[Sequence[Job]], workers: int) -> None:
        self._shares = shares
        self._children: dict[int, int] = {}
        """By the descriptor at which they tell what came of it: their process."""
        take, give = os.pipe()
        try:
            for _ in range(workers):
                self._start(take, give)
            os.set_blocking(give, False)
            with suppress(BrokenPipeError):
                os.write(give, b"".join(map(_NUMBER.pack, range(len(shares)))))
        finally:
            os.close(take)
            os.close(give)

    def _start(self, take: int, give: int) -> None:
        hear, tell = os.pipe()
        with suppress(OSError):
            _widen(tell)
        process = os.fork()
        if process == 0:
            for descriptor in (give, hear, *self._children):
                os.close(descriptor)
            self._work(take, tell)
        os.close(tell)
        self._children[hear] = process

    def _work(self, take: int, tell: int) -> NoReturn:
        """What a reader does, until there is nothing left to take, or nobody listens."""
        status = 1
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who listens ends it
            gc.disable()
            while number := os.read(take, _NUMBER.size):
                found = [_plain(outcome) for outcome in read(self._shares[_NUMBER.unpack(number)[0]])]
                _write(tell, marshal.dumps((_NUMBER.unpack(number)[0], found)))
            status = 0
        finally:
            os._exit(status)

    def outcomes(self) -> Iterator[Outcome]:
        """What comes of all jobs, as it comes. Raises TollbridgeError where a process ended before it was done."""
        parts = {descriptor: bytearray() for descriptor in self._children}
        missing = len(self._shares)
        while parts and missing:
            for descriptor in select.select(list(parts), [], [])[0]:
                chunk = os.read(descriptor, _CHUNK)
                if not chunk:
                    del parts[descriptor]
                    continue
                parts[descriptor] += chunk
                for said in _whole(parts[descriptor]):
                    number, found = marshal.loads(said)  # noqa: S302 - a copy of this process wrote it
                    missing -= 1
                    for job, plain in zip(self._shares[number], found, strict=True):
                        yield _outcome(job, plain)
        if missing:
            raise TollbridgeError(
                "a process that read logs was ended from outside (is memory short?): what it had read is kept; run this again"
            )

    def end(self) -> None:
        """Nothing of them is left, whether they are done or not."""
        for descriptor, process in self._children.items():
            os.close(descriptor)
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
            os.waitpid(process, 0)


def _widen(pipe: int) -> None:
    """Let a reader go on for a while where nobody listens yet. Raises OSError."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _CHUNK)


def _plain(outcome: Outcome) -> tuple[Any, ...]:
    mark = outcome.mark
    return (
        None if mark is None else (mark.device, mark.inode, mark.head, mark.size, mark.offset, mark.state),
        *outcome[2:],
    )


def _outcome(job: Job, plain: tuple[Any, ...]) -> Outcome:
    mark, *rest = plain
    return Outcome(job, None if mark is None else Mark(*mark), *rest)


def _write(descriptor: int, said: bytes) -> None:
    left = memoryview(_LENGTH.pack(len(said)) + said)
    while left:
        left = left[os.write(descriptor, left) :]


def _whole(part: bytearray) -> Iterator[bytes]:
    """What has been said whole; it is taken out."""
    while len(part) >= _LENGTH.size and len(part) >= (end := _LENGTH.size + _LENGTH.unpack_from(part)[0]):
        yield bytes(part[_LENGTH.size : end])
        del part[:end]
