"""Programs and services that write down what is said in a recording. What they cost is in no ledger here."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio
import httpx
import structlog
from anyio.abc import ByteReceiveStream, Process

from gateway.core.files import readable
from gateway.ports import Heard

log = structlog.get_logger()

FILE: Final = "{file}"
"""In a command: the path of the recording."""
OWN_PREFIX: Final = "TOLLBRIDGE_"
"""Variables of the gateway itself, its secrets among them: no other program gets them."""
SECONDS: Final = 120.0
OUTPUT_BYTES_MAX: Final = 1_000_000
UPLOAD_BYTES_MAX: Final = 25 * 1024 * 1024
ERRORS_KEPT: Final = 500
"""Characters of what a program says of its failure, for the log."""
AT_ONCE_MAX: Final = 2
_OK: Final = 200


class CommandTranscriber:
    """A program on this machine, run for one recording at a time, without a shell; what it writes to stdout is the text.

    It works in an empty directory that is gone afterwards. `environ`: what it gets, without the gateway's own variables (default: the
    gateway's environment).
    """

    def __init__(
        self, command: Sequence[str], *, seconds: float = SECONDS, environ: Mapping[str, str] | None = None
    ) -> None:
        self._command = tuple(command)
        self._seconds = seconds
        given = os.environ if environ is None else environ
        self._environ = {name: value for name, value in given.items() if not name.startswith(OWN_PREFIX)}
        self._one = anyio.CapacityLimiter(1)

    async def transcribe(self, path: str) -> Heard | str:
        """See the port."""
        async with self._one:
            try:
                place = await anyio.to_thread.run_sync(tempfile.mkdtemp, "", "tollbridge-voice-")
            except OSError as error:
                log.warning("there is no room for the transcriber to work in", why=str(error))
                return f"there is no room to work in ({error.strerror})"
            try:
                return await self._run(path, place)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(_removed, place)

    async def _run(self, path: str, place: str) -> Heard | str:
        try:
            process = await anyio.open_process(
                [part.replace(FILE, path) for part in self._command],
                stdin=subprocess.DEVNULL,
                env=self._environ,
                cwd=place,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            log.warning("the transcriber could not be started", why=str(error))
            return f"the program {self._name} could not be started"
        return await self._outcome(process)

    @property
    def _name(self) -> str:
        return repr(Path(self._command[0]).name)

    async def _outcome(self, process: Process) -> Heard | str:
        output, errors, ended = _Kept(OUTPUT_BYTES_MAX), _Kept(OUTPUT_BYTES_MAX), False
        try:
            with anyio.move_on_after(self._seconds) as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(output.read, process.stdout, tasks.cancel_scope)
                    tasks.start_soon(errors.read, process.stderr, tasks.cancel_scope)
                if not (output.over or errors.over):
                    await process.wait()
                    ended = True
        finally:
            await _end(process, ended=ended)
        if scope.cancelled_caught:
            return f"the program {self._name} took longer than {self._seconds:.0f} seconds"
        if output.over or errors.over:
            return f"the program {self._name} wrote more than {readable(OUTPUT_BYTES_MAX)}"
        if process.returncode:
            log.warning("the transcriber failed", said=errors.text()[-ERRORS_KEPT:].strip())
            return f"the program {self._name} ended with status {process.returncode}"
        return Heard(output.text())


def _removed(place: str) -> None:
    """Also where the program, or what it left behind, still writes: the rest is for whoever clears such places."""
    shutil.rmtree(place, ignore_errors=True)


class _Kept:
    """What a program writes, up to a limit: `over` that it is ended."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()
        self.over = False

    async def read(self, stream: ByteReceiveStream | None, scope: anyio.CancelScope) -> None:
        """Read until it ends, or has written too much: then cancel `scope`."""
        if stream is None:
            return
        async for chunk in stream:
            self._data += chunk
            if len(self._data) > self._limit:
                self.over = True
                scope.cancel()

    def text(self) -> str:
        return self._data.decode(errors="replace")


async def _end(process: Process, *, ended: bool) -> None:
    """Nothing of the program is left, also when the gateway stops meanwhile. `ended`: and it has said all; what it started may not."""
    with anyio.CancelScope(shield=True):
        if not ended:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        await process.aclose()


class HttpTranscriber:
    """A service that answers as OpenAI's /v1/audio/transcriptions does. The key is in no error and no log."""

    def __init__(self, url: str, model: str, *, key: str = "", language: str = "", seconds: float = SECONDS) -> None:
        self._url = url
        self._fields = {"model": model, "response_format": "json"} | ({"language": language} if language else {})
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._seconds = seconds
        self._few = anyio.CapacityLimiter(AT_ONCE_MAX)

    async def transcribe(self, path: str) -> Heard | str:
        """See the port. Nothing is repeated: whoever said it can send it again."""
        async with self._few:
            try:
                if (await anyio.Path(path).stat()).st_size > UPLOAD_BYTES_MAX:
                    return f"it is larger than {readable(UPLOAD_BYTES_MAX)}"
                content = await anyio.Path(path).read_bytes()
            except OSError as error:
                return f"the recording cannot be read ({error.strerror})"
            with anyio.move_on_after(self._seconds):
                return await self._asked(Path(path).name, content)
            return f"the service gave no answer within {self._seconds:.0f} seconds"

    async def _asked(self, name: str, content: bytes) -> Heard | str:
        answer = bytearray()
        try:
            async with (
                httpx.AsyncClient(timeout=None) as client,  # noqa: S113 - the caller's limit is for all of it together
                client.stream(
                    "POST", self._url, data=self._fields, files={"file": (name, content)}, headers=self._headers
                ) as response,
            ):
                if response.status_code != _OK:
                    return f"the service answered with status {response.status_code}"
                async for chunk in response.aiter_bytes():
                    answer += chunk
                    if len(answer) > OUTPUT_BYTES_MAX:
                        return f"the service answered with more than {readable(OUTPUT_BYTES_MAX)}"
        except httpx.HTTPError as error:
            return f"the service could not be asked ({type(error).__name__})"
        return _text_of(bytes(answer))


def _text_of(answer: bytes) -> Heard | str:
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        found = None
    match found:
        case {"text": str(text)}:
            return Heard(text)
        case _:
            return "the service's answer has no text"


class MemoryTranscriber:
    """Hears what it is told to: by the file's content, or why it cannot. Keeps the Transcriber contract."""

    def __init__(self, heard: Mapping[bytes, str], why: str = "nobody is there") -> None:
        self._heard = heard
        self._why = why
        self.paths: list[str] = []

    async def transcribe(self, path: str) -> Heard | str:
        """See the port."""
        self.paths.append(path)
        try:
            content = await anyio.Path(path).read_bytes()
        except OSError as error:
            return f"the recording cannot be read ({error.strerror})"
        text = self._heard.get(content)
        return self._why if text is None else Heard(text)
