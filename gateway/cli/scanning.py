"""What `tollbridge scan` does: finds logs, has those read that have grown, and writes down what they tell.

A second look has little to do, and everything here is meant to start fast: what a look does not need is not imported.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from gateway.cli.scan_prices import Prices, prepare
from gateway.cli.scan_readers import LOGS, Job, Outcome, Readers, read
from gateway.core.logged import Row
from gateway.domain.errors import TollbridgeError
from gateway.domain.logged import Mark
from gateway.usage_store import Figures, Looked, Seen, UsageStore

FILES_MAX: Final = 1_000_000
WORKERS_MAX: Final = 8
SMALL: Final = 8 * 1024 * 1024
"""So many bytes are read sooner than other processes have started."""
JOB_BYTES: Final = 3 * 1024 * 1024
JOB_FILES: Final = 100
SHARES_MAX: Final = 2_000
BATCH: Final = 2_000
"""So many calls are written in one transaction."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan saw. `unread`: files that the system did not let it read."""

    figures: Figures
    unread: int


def places(paths: Sequence[str], environ: Mapping[str, str], home: str) -> list[tuple[int, str]]:
    """Where to look, and for whose logs (as places in LOGS). Raises TollbridgeError for a path at which there are none."""
    if not paths:
        return [
            (at, place) for at, log in enumerate(LOGS) for place in log.homes(environ, home) if os.path.exists(place)
        ]
    found: dict[tuple[int, str], None] = {}
    for path in paths:
        owned = _owned(os.path.abspath(os.path.expanduser(path)))
        if not owned:
            raise TollbridgeError(
                f"{path} holds no logs of an agent that is known here: name the home of one (like ~/.claude), a folder of its logs, or one log"
            )
        found |= dict.fromkeys(owned)
    return list(found)


def _owned(path: str) -> list[tuple[int, str]]:
    try:
        os.stat(path)
    except OSError as error:
        raise TollbridgeError(
            f"{path} cannot be looked into ({error.strerror}): name a folder or a file that is there"
        ) from None
    beneath = [(at, place) for at, log in enumerate(LOGS) for place in log.homes({}, path) if os.path.exists(place)]
    return beneath or [(at, path) for at, log in enumerate(LOGS) if log.owns(path)]


def name_of(paths: Sequence[str]) -> bytes:
    """What the figures of these places are kept under; empty: all homes of this machine."""
    return b"\0".join(sorted({os.fsencode(os.path.abspath(os.path.expanduser(path))) for path in paths}))


def look(
    store: UsageStore,
    where: Iterable[tuple[int, str]],
    prices: Prices,
    watch: Callable[[int, int], None] = lambda _done, _of: None,
) -> Scan:
    """Read what was added since the last time and write it down. `watch` is told of bytes done, and of how many there are."""
    if prices.source != store.prices():
        store.reprice(prices.source, prices.cost)
    seen = store.seen()
    jobs: list[Job] = []
    unread = 0
    for job, same in _found(where, seen):
        unread += job.size < 0
        if job.size >= 0 and not same:
            jobs.append(job)
    sizes = sum(job.bytes for job in jobs)
    done, batch, waiting = 0, [], 0
    with _reading(jobs, sizes) as outcomes:
        if sizes >= SMALL and not prices.is_known:
            prepare()  # while others read
        for outcome in outcomes:
            done += outcome.job.bytes
            watch(done, sizes)
            if outcome.mark is None:
                unread += 1
                continue
            batch.append(_looked(outcome, outcome.mark))
            waiting += len(outcome.rows)
            if waiting >= BATCH:
                store.add(batch, prices.cost)
                batch, waiting = [], 0
    if batch:
        store.add(batch, prices.cost)
    return Scan(store.figures(), unread)


def _found(where: Iterable[tuple[int, str]], seen: Mapping[str, Seen]) -> Iterator[tuple[Job, bool]]:
    """Every log file once, as a job, and whether it is as it was. A size of -1: the system does not let it be seen."""
    met: set[str] = set()
    for agent, place in where:
        log = LOGS[agent]
        for path in log.files(place):
            if path in met:
                continue
            met.add(path)
            if len(met) > FILES_MAX:
                raise TollbridgeError(f"there are more than {FILES_MAX} logs below {place}: name a folder further down")
            try:
                about = os.stat(path)
            except OSError:
                yield Job(agent, path, None, -1, 0), False
                continue
            known = seen.get(path)
            if known is not None and known.agent != log.agent:
                known = None
            since = None if known is None else known.mark
            same = known is not None and known.is_as_it_was(about) and not _has_journal(path)
            yield Job(agent, path, since, about.st_size, about.st_mtime_ns), same


def _has_journal(path: str) -> bool:
    """A database in use is written to beside itself, which its own size and time do not tell."""
    return path.endswith(".db") and os.path.exists(f"{path}-wal")


def _looked(outcome: Outcome, mark: Mark) -> Looked:
    job = outcome.job
    rows = [Row._make(row) for row in outcome.rows]
    about = (mark, job.size, job.changed_ns, outcome.records, outcome.unreadable, outcome.told)
    return Looked(LOGS[job.agent].agent, job.path, *about, outcome.anew, rows)


@contextmanager
def _reading(jobs: Sequence[Job], sizes: int) -> Iterator[Iterator[Outcome]]:
    processors = _processors()
    if processors == 1 or len(jobs) == 1 or sizes < SMALL:
        yield (outcome for job in jobs for outcome in read([job]))
        return
    # One processor is for this process: it has prices to load and calls to write down.
    readers = Readers(list(_shares(jobs)), min(WORKERS_MAX, processors - 1, len(jobs)))
    try:
        yield readers.outcomes()
    finally:
        readers.end()


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _shares(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Jobs in portions, the largest files first, so that nobody is left with one at the end; not more of them than a pipe holds."""
    bytes_max = max(JOB_BYTES, sum(job.bytes for job in jobs) // SHARES_MAX)
    files_max = max(JOB_FILES, len(jobs) // SHARES_MAX)
    share: list[Job] = []
    size = 0
    for job in sorted(jobs, key=lambda job: -job.bytes):
        if share and (size + job.bytes > bytes_max or len(share) == files_max):
            yield share
            share, size = [], 0
        share.append(job)
        size += job.bytes
    if share:
        yield share
