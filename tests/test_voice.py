"""Programs and services that write down what is said: one contract, and what each of them must never do."""

import os
import sys
import time
from collections.abc import Generator
from pathlib import Path

import anyio
import pytest
import structlog

from gateway.ports import Heard, Transcriber
from gateway.processes import is_there
from gateway.voice import CommandTranscriber, HttpTranscriber, MemoryTranscriber
from tests.fakes.transcriptions import serving

pytestmark = pytest.mark.anyio

KEY = "sk-made-up-for-the-tests"


def program(code: str, *arguments: str) -> list[str]:
    """A command that is a line of Python."""
    return [sys.executable, "-c", f"import os, sys, time\n{code}", *(arguments or ("{file}",))]


CAT = "sys.stdout.write(open(sys.argv[1]).read())"


@pytest.fixture(params=["command", "http", "memory"])
def transcriber(request: pytest.FixtureRequest) -> Generator[Transcriber]:
    """Each of them hears what is written in the file."""
    if request.param == "command":
        yield CommandTranscriber(program("text = open(sys.argv[1]).read()\nsys.exit(3) if not text else print(text)"))
    elif request.param == "http":
        with serving() as service:
            yield HttpTranscriber(service.url, "whisper-1", key=KEY)
    else:
        yield MemoryTranscriber({b"fix the test": "fix the test"})


def recording(tmp_path: Path, text: str = "fix the test") -> str:
    """A file in which this is said."""
    (tmp_path / "t_1-1.ogg").write_text(text)
    return str(tmp_path / "t_1-1.ogg")


async def test_what_is_said_is_written_down(transcriber: Transcriber, tmp_path: Path) -> None:
    """The text, and nothing around it that matters."""
    heard = await transcriber.transcribe(recording(tmp_path))
    assert isinstance(heard, Heard)
    assert heard.text.strip() == "fix the test"


async def test_what_cannot_be_heard_is_a_reason_and_no_error(transcriber: Transcriber, tmp_path: Path) -> None:
    """In words for people, without the path of anything."""
    for path in (recording(tmp_path, ""), str(tmp_path / "gone.ogg")):
        why = await transcriber.transcribe(path)
        assert isinstance(why, str)
        assert why
        assert str(tmp_path) not in why


# ---------------------------------------------------------------------------------------------------------- programs
async def test_a_program_gets_the_path_and_no_shell(tmp_path: Path) -> None:
    """Whatever a file is called, it is one argument."""
    path = str(tmp_path / "a $(touch x); b.ogg")
    echo = CommandTranscriber(program("print(sys.argv[1:], os.listdir('.'))", "-f", "{file}"))
    assert await echo.transcribe(path) == Heard(f"{['-f', path]} []\n")


async def test_a_program_gets_nothing_of_the_gateways_own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not its token, and not the transcriber's key either."""
    monkeypatch.setenv("TOLLBRIDGE_TELEGRAM__TOKEN", "123:secret")
    monkeypatch.setenv("OTHER", "kept")
    heard = await CommandTranscriber(program("print(dict(os.environ))")).transcribe("/x")
    assert isinstance(heard, Heard)
    assert "TOLLBRIDGE" not in heard.text
    assert "kept" in heard.text


async def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    """Nothing of it goes on in the background."""
    pids = tmp_path / "pids"
    code = f"child = os.fork()\nopen({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n')\ntime.sleep(60)"
    why = await CommandTranscriber(program(code), seconds=1.5).transcribe("/x")
    assert why == f"the program {Path(sys.executable).name!r} took longer than 2 seconds"
    started = [int(line) for line in pids.read_text().split()]
    with anyio.fail_after(30):
        while any(is_there(pid) for pid in started):  # noqa: ASYNC110 - another process's end tells nobody
            await anyio.sleep(0.05)
    assert len(started) == 2


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_a_program_that_writes_without_end_is_ended(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its text nor its complaints fill the memory."""
    monkeypatch.setattr("gateway.voice.OUTPUT_BYTES_MAX", 100_000)
    code = f"while True: sys.{stream}.write('x' * 10000)"
    with anyio.fail_after(40):
        why = await CommandTranscriber(program(code)).transcribe("/x")
    assert why == f"the program {Path(sys.executable).name!r} wrote more than 100 kB"


async def test_a_program_that_is_not_there_or_fails_is_named() -> None:
    """By its name, with its status; what it said of that is in the log."""
    assert await CommandTranscriber(["no-such-program", "{file}"]).transcribe("/x") == (
        "the program 'no-such-program' could not be started"
    )
    with structlog.testing.capture_logs() as logged:
        why = await CommandTranscriber(program("sys.exit('no model')")).transcribe("/x")
    assert why == f"the program {Path(sys.executable).name!r} ended with status 1"
    assert logged[0]["said"] == "no model"


async def test_a_gateway_that_stops_ends_the_program(tmp_path: Path) -> None:
    """Cancelled in the middle, nothing of it is left."""
    pid = tmp_path / "pid"
    code = f"open({str(pid)!r} + '_', 'w').write(str(os.getpid()))\nos.rename({str(pid)!r} + '_', {str(pid)!r})\ntime.sleep(60)"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(CommandTranscriber(program(code)).transcribe, "/x")
        with anyio.fail_after(40):
            while not pid.exists():  # noqa: ASYNC110 - another process's file
                await anyio.sleep(0.02)
        tasks.cancel_scope.cancel()
    assert not is_there(int(pid.read_text()))


# ---------------------------------------------------------------------------------------------------------- services
async def test_a_service_gets_the_file_the_model_the_language_and_the_key(tmp_path: Path) -> None:
    """As the endpoint wants them: multipart, the key in the header alone."""
    with serving() as service:
        await HttpTranscriber(service.url, "whisper-1", key=KEY, language="de").transcribe(recording(tmp_path))
        ((path, headers, body),) = service.requests
    assert path == "/v1/audio/transcriptions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["Content-Type"].startswith("multipart/form-data; boundary=")
    for field, value in {"model": "whisper-1", "language": "de", "response_format": "json"}.items():
        assert f'name="{field}"\r\n\r\n{value}\r\n'.encode() in body
    assert b'filename="t_1-1.ogg"' in body
    assert KEY.encode() not in body


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (401, b'{"error": {"message": "Incorrect API key provided: sk-made"}}', "answered with status 401"),
        (500, b"", "answered with status 500"),
        (307, b"", "answered with status 307"),
        (200, b"<html>", "answer has no text"),
        (200, b'{"text": 7}', "answer has no text"),
        (200, b"[" * 100_000, "answer has no text"),
        (200, b'{"text": "' + b"x" * 1_100_000 + b'"}', "answered with more than 1.0 MB"),
    ],
)
async def test_what_a_service_answers_wrongly_is_a_reason(tmp_path: Path, status: int, body: bytes, why: str) -> None:
    """Its own words are not repeated: they may hold the key."""
    with serving() as service:
        service.answer = lambda _body: (status, body)
        found = await HttpTranscriber(service.url, "m", key=KEY).transcribe(recording(tmp_path))
    assert isinstance(found, str)
    assert found.endswith(why)
    assert len(service.requests) == 1


async def test_a_service_that_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    """Neither silence nor a closed port holds up a prompt for long, and nothing is asked twice."""
    with serving() as service:
        service.hold.clear()
        begun = time.monotonic()
        why = await HttpTranscriber(service.url, "m", seconds=0.5).transcribe(recording(tmp_path))
        assert why == "the service gave no answer within 0 seconds"
        assert time.monotonic() - begun < 10
        service.hold.set()
        assert len(service.requests) == 1
    why = await HttpTranscriber(service.url, "m").transcribe(recording(tmp_path))
    assert why == "the service could not be asked (ConnectError)"


async def test_a_recording_that_is_too_large_for_a_service_is_not_sent(tmp_path: Path) -> None:
    """The limit of the endpoint, in words."""
    path = recording(tmp_path)
    os.truncate(path, 25 * 1024 * 1024 + 1)
    with serving() as service:
        assert await HttpTranscriber(service.url, "m").transcribe(path) == "it is larger than 25 MB"
        assert service.requests == []


async def test_the_key_shows_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In no log at any level, no reason and no representation. Attack 41."""
    caplog.set_level(0)
    with structlog.testing.capture_logs() as logged, serving() as service:
        one = HttpTranscriber(service.url, "m", key=KEY)
        said = [await one.transcribe(recording(tmp_path))]
        service.answer = lambda _body: (401, KEY.encode())
        said.append(await one.transcribe(recording(tmp_path)))
    assert isinstance(said[0], Heard)
    assert KEY not in f"{said} {one!r} {logged} {caplog.text}"


async def test_what_a_program_left_to_itself_is_ended_too(tmp_path: Path) -> None:
    """It has ended, and a child of it keeps its output open: at the limit that child is ended."""
    pid = tmp_path / "pid"
    code = f"child = os.fork()\nif child: open({str(pid)!r}, 'w').write(str(child))\nelse: time.sleep(60)"
    why = await CommandTranscriber(program(code), seconds=1.5).transcribe("/x")
    assert isinstance(why, str)
    with anyio.fail_after(10):
        while is_there(int(pid.read_text())):  # noqa: ASYNC110 - another process's end tells nobody
            await anyio.sleep(0.05)


async def test_without_a_place_to_work_in_it_is_said_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack 65: a full disk is no reason for the gateway to end, and to end again when it listens anew."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    why = await CommandTranscriber(program("print('hello')")).transcribe("/x")
    assert why == "there is no room to work in (No such file or directory)"


async def test_what_a_program_leaves_in_its_place_harms_nobody() -> None:
    """A directory that cannot be emptied is left where it is."""
    heard = await CommandTranscriber(
        program("os.mkdir('d'); open('d/x', 'w'); os.chmod('d', 0); print('kept')")
    ).transcribe("/x")
    assert isinstance(heard, Heard)
