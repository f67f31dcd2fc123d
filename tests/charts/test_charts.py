"""Drawing in a process of its own: what comes of it, what it gets, and that nothing of it is left."""

import json
import os
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import anyio
import pytest
import structlog
from PIL import Image

from gateway import charts
from gateway.charts import PICTURE_BYTES_MAX, PNG, WAITING_MAX, Charts, MemoryCharts, child, described
from gateway.core.charting import scene
from gateway.core.scene import COLOURS, WIDTH, Ink, width
from gateway.domain.charts import Came, SessionChart, Theme
from gateway.processes import is_there
from tests.core.charts import BERLIN, month, session, turn

pytestmark = pytest.mark.anyio
CHART = session(turn(1, 0, 5, "3.1", Came.COMMITS), turn(2, 8, 5, "0.2", Came.ERROR), limit=("5",))
HOSTILE = session(
    turn(1, 0, 5, "3", title=r"$\frac{1}{0}$ costs $5 and $6"),
    turn(2, 9, 5, "2.42", title="日本語のテスト 修复 🎉👩\u200d💻 \u202e مرحبا שלום"),
    turn(3, 15, 1, "0.2", title="\x00\x07\n\ud800 % _ ^ \\ { } # ~"),
    name="🎉",
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fonts are looked for once."""
    return tmp_path_factory.mktemp("fonts")


def opened(content: bytes | None) -> Image.Image:
    """The picture."""
    assert content is not None
    return Image.open(BytesIO(content)).convert("RGB")


def program(code: str) -> tuple[str, ...]:
    """Something else in the place of what draws."""
    return sys.executable, "-c", f"import os, sys, time\n{code}"


@pytest.mark.parametrize("theme", Theme)
async def test_a_chart_is_a_png_with_the_colours_of_its_theme(cache: Path, theme: Theme) -> None:
    """As wide as it was laid out; paper and outcomes have exactly their colours."""
    content = await Charts(cache).draw(CHART, theme, BERLIN)
    picture = opened(content)
    plan = scene(CHART, BERLIN)
    assert picture.size == (plan.width, plan.height)
    assert plan.width == WIDTH
    assert len(content or b"") < 60_000
    there = {f"#{r:02x}{g:02x}{b:02x}" for _, (r, g, b) in picture.getcolors(1_000) or []}  # type: ignore[misc]
    assert {COLOURS[theme][ink] for ink in (Ink.PAPER, Ink.TEXT, Ink.COMMITS, Ink.ERROR, Ink.LIMIT)} <= there
    assert picture.getpixel((2, 2)) == tuple(bytes.fromhex(COLOURS[theme][Ink.PAPER][1:]))


async def test_a_period_is_drawn_too(cache: Path) -> None:
    """With the same process."""
    assert opened(await Charts(cache).draw(month((3, "shop", "4")), Theme.DARK, BERLIN)).width == WIDTH


def test_hostile_words_are_drawn_without_a_warning() -> None:
    """No mathematics, no letters that no font has, no half characters: warnings are errors here."""
    content = child.drawn(child.read(json.dumps(described(scene(HOSTILE, BERLIN), Theme.LIGHT)).encode()))
    assert opened(content).width == WIDTH


def test_what_no_font_has_is_one_square_and_signs_are_left_out() -> None:
    """And where nothing is left, other words stand there."""
    known = frozenset(map(ord, "Fix the…□ "))
    assert child.shown("Fix 日本 the 🎉", known) == "Fix □ the"
    assert child.shown("日本語…", known) == ""
    assert child.shown("…", known) == "…"
    assert child.shown("", known) == ""


@pytest.mark.parametrize("bold", [False, True])
def test_no_text_is_wider_than_the_room_that_is_kept_for_it(bold: bool) -> None:
    """Beside what the font itself says, for texts as they are in charts."""
    from matplotlib.font_manager import FontProperties  # noqa: PLC0415 - what the child imports, too
    from matplotlib.textpath import TextPath  # noqa: PLC0415

    font = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    printable = "".join(map(chr, range(33, 127)))
    for text in (
        "$3.10 of $5.00",
        "commits · 161 turns",
        "≥ $40,000",
        "Fix the flaky login test…",
        "MWmw@%",
        printable,
    ):
        drawn = TextPath((0, 0), text.replace("$", r"\$"), size=100, prop=font).get_extents().width
        assert drawn <= width(text, 100, bold=bold), text


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b'{"version": 2}', b'{"version": 1}', b'{"version": 1, "width": 9e9, "height": 1}']
)
def test_what_is_no_description_is_refused(line: bytes) -> None:
    """Another version, another size, no JSON at all."""
    with pytest.raises((ValueError, KeyError)):
        child.read(line)


async def test_a_child_that_fails_is_no_picture_and_a_line_in_the_log(cache: Path) -> None:
    """Its status and its last words; so is one that says something else, or cannot be started."""
    failing = {
        "sys.exit('no room')": "no room",
        "print('hello')": "",
        f"os.write(1, {PNG!r}); sys.stdout.write('x' * {PICTURE_BYTES_MAX + 10})": "",
    }
    for code, said in failing.items():
        with structlog.testing.capture_logs() as logs:
            assert await Charts(cache, command=program(code)).draw(CHART, Theme.LIGHT, BERLIN) is None
        assert [line["said"] for line in logs] == [said]
    with structlog.testing.capture_logs() as logs:
        assert await Charts(cache, command=("/nothing/there",)).draw(CHART, Theme.LIGHT, BERLIN) is None
    assert len(logs) == 1


async def test_a_child_that_takes_too_long_is_ended(cache: Path, tmp_path: Path) -> None:
    """And there is no picture; what it started is ended with it."""
    (cache / "fontlist-made-up.json").touch()  # not the first one
    code = f"import subprocess; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid)); p.wait()"
    with structlog.testing.capture_logs() as logs, anyio.fail_after(60):
        assert await Charts(cache, seconds=3, command=program(code)).draw(CHART, Theme.LIGHT, BERLIN) is None
    assert logs[0]["status"] == "too late"
    with anyio.fail_after(20):
        while is_there(int((tmp_path / "pid").read_text())):  # noqa: ASYNC110 - nobody tells of its end
            await anyio.sleep(0.01)


async def test_the_child_gets_nothing_of_the_gateways_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No secret, no PATH, nobody's settings of matplotlib; it works in the private directory, which nobody else may read."""
    monkeypatch.setenv("TOLLBRIDGE_TELEGRAM__TOKEN", "123:secret")
    monkeypatch.setenv("MATPLOTLIBRC", "/somebody's")
    place, told = tmp_path / "a" / "cache", tmp_path / "told"
    code = f"open({str(told)!r}, 'w').write(repr((dict(os.environ), os.getcwd())))"
    assert await Charts(place, command=program(code)).draw(CHART, Theme.LIGHT, BERLIN) is None
    said = told.read_text()
    assert "secret" not in said
    assert "somebody" not in said
    assert str(place) in said
    assert place.stat().st_mode & 0o777 == 0o700


def run(begin: str, line: bytes, seconds: int, *, closed: bool) -> tuple[int, bytes, bytes]:
    """The child by itself: its status, and what it writes. `closed`: its stdin is closed once it was told."""
    command = [sys.executable, "-I", "-c", begin, json.dumps(charts._paths()), str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(line)
        process.stdin.flush()
        if closed:
            process.stdin.close()
        return process.wait(timeout=60), process.stdout.read(), process.stderr.read()


def test_a_child_ends_with_whoever_asked_for_the_picture() -> None:
    """Its stdin is closed before it is done: it ends, and says nothing."""
    wait = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from gateway.charts import child\n"
    wait += "import threading; child.drawn = lambda scene: threading.Event().wait()\nchild.main()"
    line = json.dumps(described(scene(CHART, BERLIN), Theme.LIGHT)).encode() + b"\n"
    assert run(wait, line, 60, closed=True)[:2] == (1, b"")


def test_a_child_ends_by_itself_when_its_time_is_over() -> None:
    """Also if nobody is there to end it."""
    assert run(charts._BEGIN, b"", 1, closed=False)[:2] == (-signal.SIGALRM, b"")


def test_a_line_that_is_no_picture_ends_the_child_with_a_reason() -> None:
    """Status 2, and one line."""
    said = b"not a picture: another version\n"
    assert run(charts._BEGIN, b"{}\n", 30, closed=False) == (child.REFUSED, b"", said)


async def test_one_is_drawn_at_a_time_and_a_long_queue_gets_no_picture(cache: Path, tmp_path: Path) -> None:
    """Eight may wait; those beyond are told at once. All that are drawn are drawn one after another."""
    lock = tmp_path / "lock"
    code = f"os.mkdir({str(lock)!r}); sys.stdin.readline(); os.rmdir({str(lock)!r}); os.write(1, {PNG!r})"
    made = Charts(cache, command=program(code))
    found: list[bytes | None] = []

    async def ask() -> None:
        found.append(await made.draw(CHART, Theme.LIGHT, BERLIN))

    with structlog.testing.capture_logs() as logs:
        async with anyio.create_task_group() as tasks:
            for _ in range(WAITING_MAX + 3):
                tasks.start_soon(ask)
    assert found[:2] == [None, None]
    assert found[2:] == [PNG] * (WAITING_MAX + 1)
    assert len(logs) == 2


async def test_cancelled_nothing_is_left(cache: Path, tmp_path: Path) -> None:
    """The gateway stops: the child is ended at once."""
    pid = tmp_path / "pid"
    code = f"open({str(pid)!r} + '.new', 'w').write(str(os.getpid())); os.rename({str(pid)!r} + '.new', {str(pid)!r}); time.sleep(600)"
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Charts(cache, command=program(code)).draw, CHART, Theme.LIGHT, BERLIN)
            while not pid.exists():  # noqa: ASYNC110 - another process makes it
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
    assert not is_there(int(pid.read_text()))


async def test_the_one_for_tests_keeps_what_it_was_asked_for() -> None:
    """And answers with what it was given, also with nothing."""
    fake = MemoryCharts()
    assert await fake.draw(CHART, Theme.DARK, BERLIN) == PNG
    assert fake.asked == [(CHART, Theme.DARK, BERLIN)]
    assert await MemoryCharts(None).draw(SessionChart("x", (), 0), Theme.DARK, BERLIN) is None


def test_the_gateway_itself_does_not_import_matplotlib() -> None:
    """What costs memory is in the child only."""
    code = "import sys, gateway.charts; print([name for name in ('matplotlib', 'numpy', 'PIL') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": charts._paths()[0]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
