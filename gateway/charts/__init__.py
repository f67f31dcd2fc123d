"""Charts as pictures: a child process draws them with matplotlib, so that the gateway need not carry it."""

import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import tzinfo
from pathlib import Path
from typing import Any, Final

import anyio
import structlog
from anyio.abc import ByteReceiveStream, Process

import gateway
from gateway.charts.child import VERSION
from gateway.core.charting import scene
from gateway.core.scene import COLOURS, Ink, Scene
from gateway.domain.charts import PeriodChart, SessionChart, Theme

log = structlog.get_logger()

SECONDS: Final = 20.0
FIRST_SECONDS: Final = 90.0
"""The first one looks for the machine's fonts."""
PICTURE_BYTES_MAX: Final = 2_000_000
ERRORS_KEPT: Final = 500
WAITING_MAX: Final = 8
"""More than these are not drawn: the text goes alone."""
PNG: Final = b"\x89PNG\r\n\x1a\n"
_KEPT: Final = ("LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")
_ONE_THREAD: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_BEGIN: Final = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from gateway.charts.child import main; main()"


class Charts:
    """Draws one picture at a time, each in a process of its own. `cache`: a private directory, in which matplotlib keeps its list of fonts.

    `seconds`: how long one may take, without the time it waits for those before it.
    """

    def __init__(self, cache: Path, *, seconds: float = SECONDS, command: tuple[str, ...] = ()) -> None:
        self._cache = cache
        self._seconds = seconds
        self._command = command
        self._one = anyio.CapacityLimiter(1)

    async def draw(self, chart: SessionChart | PeriodChart, theme: Theme, zone: tzinfo) -> bytes | None:
        """A PNG, 1170 pixels wide; times are those of the zone. None: there is no picture, and the log says why."""
        if self._one.statistics().tasks_waiting >= WAITING_MAX:
            log.warning("a chart is not drawn", why=f"{WAITING_MAX} others wait")
            return None
        async with self._one:
            try:
                line = await anyio.to_thread.run_sync(_described, chart, theme, zone)
                first = await anyio.to_thread.run_sync(_prepared, self._cache)
                return await self._drawn(line, FIRST_SECONDS if first else self._seconds)
            except OSError as error:
                log.warning("a chart is not drawn", why=str(error))
                return None

    async def _drawn(self, line: bytes, seconds: float) -> bytes | None:
        begin = self._command or (sys.executable, "-I", "-c", _BEGIN, json.dumps(_paths()))
        process = await anyio.open_process(
            [*begin, str(round(seconds) + 5)], env=_environment(self._cache), cwd=self._cache, start_new_session=True
        )
        output, errors, ended = bytearray(), bytearray(), False
        try:
            with anyio.move_on_after(seconds):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_tell, process, line)
                    tasks.start_soon(_read, process.stdout, output)
                    tasks.start_soon(_read, process.stderr, errors)
                await process.wait()
                ended = True
        finally:
            await _end(process, ended=ended)
        if ended and process.returncode == 0 and output.startswith(PNG) and len(output) <= PICTURE_BYTES_MAX:
            return bytes(output)
        said = bytes(errors[-ERRORS_KEPT:]).decode(errors="replace").strip()
        log.warning("a chart is not drawn", status=process.returncode if ended else "too late", said=said)
        return None


class MemoryCharts:
    """Draws nothing: answers with what it is given, and keeps what it was asked for."""

    def __init__(self, picture: bytes | None = PNG) -> None:
        self._picture = picture
        self.asked: list[tuple[SessionChart | PeriodChart, Theme, tzinfo]] = []

    async def draw(self, chart: SessionChart | PeriodChart, theme: Theme, zone: tzinfo) -> bytes | None:
        """See Charts."""
        self.asked.append((chart, theme, zone))
        return self._picture


def described(picture: Scene, theme: Theme) -> Mapping[str, Any]:
    """The picture as `child` reads it: colours instead of their meaning."""

    def colour(ink: Ink) -> str:
        return COLOURS[theme][ink]

    return {
        "version": VERSION,
        "width": picture.width,
        "height": picture.height,
        "paper": colour(Ink.PAPER),
        "areas": [(_rounded(one.points), colour(one.ink), one.opacity) for one in picture.areas],
        "lines": [(_rounded(one.points), colour(one.ink), one.width, one.dashed) for one in picture.lines],
        "dots": [(*_rounded((one.at,)), one.shape, one.size, colour(one.ink)) for one in picture.dots],
        "words": [
            (*_rounded((one.at,)), one.text, one.size, colour(one.ink), one.bold, one.anchor, one.instead)
            for one in picture.words
        ],
    }


def _rounded(points: tuple[tuple[float, float], ...]) -> list[tuple[float, float]]:
    return [(round(x, 1), round(y, 1)) for x, y in points]


def _described(chart: SessionChart | PeriodChart, theme: Theme, zone: tzinfo) -> bytes:
    return json.dumps(described(scene(chart, zone), theme)).encode() + b"\n"


def _prepared(cache: Path) -> bool:
    """Make the directory; whether matplotlib has no list of fonts in it yet."""
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    return not any(cache.glob("fontlist-*.json"))


def _paths() -> list[str]:
    """Where this process finds its modules: its child finds the same."""
    here = Path(gateway.__file__).resolve().parent.parent
    return [str(here), *(path for path in sys.path if path and path != str(here))]


def _environment(cache: Path) -> dict[str, str]:
    """Nothing of this process's own: no secret, nobody's settings, and no PATH, so that no program is run to look for fonts."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | _ONE_THREAD | {"MPLCONFIGDIR": str(cache), "MPLBACKEND": "agg", "HOME": str(cache), "PATH": ""}


async def _tell(process: Process, line: bytes) -> None:
    """What is to be drawn; stdin stays open, since the child ends with it."""
    if process.stdin is not None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await process.stdin.send(line)


async def _read(stream: ByteReceiveStream | None, into: bytearray) -> None:
    """At most so much that it is seen to be too much."""
    if stream is not None:
        async for chunk in stream:
            into += chunk[: PICTURE_BYTES_MAX + 1 - len(into)]


async def _end(process: Process, *, ended: bool) -> None:
    """Nothing of it is left."""
    with anyio.CancelScope(shield=True):
        if not ended:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        await process.aclose()
