"""The warden as a program: what it carries, what it keeps, and that it leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gateway.agents import warden
from gateway.agents.supervise import started_at

CAT = "import sys\nfor line in sys.stdin:\n    print(line, end='', flush=True)\n"
PARENT = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)\n"
    "child.stdin.write(b'begin\\n')\nchild.stdin.flush()\n"
    "print(child.pid, flush=True)\n"
    "time.sleep(600)\n"
)


def warden_command(journal: Path, program: str, *options: str, arguments: Sequence[str] = ()) -> list[str]:
    """The command line of a warden around a Python program."""
    agent = [sys.executable, "-u", "-c", program, *arguments]
    return [sys.executable, "-I", "-S", "-E", warden.__file__, f"--journal={journal}", *options, "--", *agent]


class Running:
    """A warden that the test is the gateway of."""

    def __init__(self, command: list[str]) -> None:
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)

    def send(self, line: str) -> None:
        """Hand over one line."""
        assert self.child.stdin is not None
        self.child.stdin.write(line.encode() + b"\n")
        self.child.stdin.flush()

    def line(self) -> str:
        """The next line that comes back."""
        assert self.child.stdout is not None
        return self.child.stdout.readline().decode().rstrip("\n")

    def end_input(self) -> None:
        """What the death of a gateway looks like."""
        assert self.child.stdin is not None
        self.child.stdin.close()

    def rest(self) -> bytes:
        """All that still comes, and the end."""
        assert self.child.stdout is not None
        data = self.child.stdout.read()
        self.child.wait(20)
        return data


@pytest.fixture
def start(tmp_path: Path) -> Iterator[object]:
    """Start wardens; whatever is left of them is killed."""
    all_: list[Running] = []

    def starting(program: str, *options: str, arguments: Sequence[str] = ()) -> Running:
        all_.append(Running(warden_command(tmp_path / "j", program, *options, arguments=arguments)))
        return all_[-1]

    yield starting
    for one in all_:
        one.child.kill()
        one.child.wait()
        for pipe in (one.child.stdin, one.child.stdout):
            if pipe is not None:
                pipe.close()


def wait_gone(pid: int, started: str | None, limit: float = 20.0) -> None:
    """Wait until this very process is gone."""
    deadline = time.monotonic() + limit
    while started_at(pid) == started:
        assert time.monotonic() < deadline, f"{pid} is still there"
        time.sleep(0.02)


def test_lines_are_carried_both_ways_and_journalled(start, tmp_path: Path) -> None:
    """What the agent says reaches the journal and the gateway, in order; the journal is private."""
    one = start(CAT)
    for text in ("first", "second", "ünï"):
        one.send(text)
        assert one.line() == text
    assert (tmp_path / "j").read_text() == "first\nsecond\nünï\n"
    assert (tmp_path / "j").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "j.stderr").stat().st_mode & 0o777 == 0o600
    one.end_input()
    one.rest()
    assert one.child.returncode == 0


def test_a_line_is_in_the_journal_before_the_gateway_has_it(start, tmp_path: Path) -> None:
    """Whatever the gateway saw, the journal holds: checked at every single line."""
    one = start(CAT)
    for n in range(200):
        one.send(f"line {n}")
        seen = one.line()
        assert (tmp_path / "j").read_text().endswith(seen + "\n")


def test_a_killed_gateway_leaves_nothing_behind_and_a_complete_journal(tmp_path: Path) -> None:
    """SIGKILL to the parent: the farewell is said, all that the agent says after it is kept, and everything ends."""
    program = (
        "import subprocess, sys, os\n"
        "stray = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "print('stray', stray.pid, os.getpid(), flush=True)\n"
        "for line in sys.stdin:\n"
        "    for n in range(1000):\n"
        "        print(line.strip(), n, flush=True)\n"
        "    print('settled' if line == 'farewell\\n' else 'busy', flush=True)\n"
    )
    options = ("--farewell=farewell", "--settled=settled", "--grace=10")
    command = warden_command(tmp_path / "j", program, *options)
    parent = subprocess.Popen([sys.executable, "-c", PARENT, *command], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    started = started_at(pid)
    deadline = time.monotonic() + 20
    while not (tmp_path / "j").exists() or "busy" not in (tmp_path / "j").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_gone(pid, started)
    lines = (tmp_path / "j").read_text().splitlines()
    stray, agent = (int(word) for word in lines[0].split()[1:])
    assert lines[1:] == [
        *(f"begin {n}" for n in range(1000)),
        "busy",
        *(f"farewell {n}" for n in range(1000)),
        "settled",
    ]
    assert started_at(stray) is None
    assert started_at(agent) is None


@pytest.mark.skipif(not warden.ON_LINUX, reason="parent-death signals are Linux's")
def test_an_agent_dies_with_its_warden(start) -> None:
    """SIGKILL to the warden itself: the agent does not run on alone."""
    one = start("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n")
    agent = int(one.line())
    started = started_at(agent)
    one.child.kill()
    wait_gone(agent, started)


def test_children_that_left_the_group_are_ended(start) -> None:
    """A daemon of the agent, twice removed and in a session of its own, ends with it."""
    program = (
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        print(os.getpid(), flush=True)\n"
        "        time.sleep(600)\n"
        "    os._exit(0)\n"
        "sys.stdin.read()\n"
    )
    one = start(program)
    stray = int(one.line())
    started = started_at(stray)
    one.end_input()
    one.rest()
    wait_gone(stray, started)


def test_an_agent_that_ignores_the_farewell_is_killed_with_its_input_open(start, tmp_path: Path) -> None:
    """The end of its input may be a yes to what it waits for: it must not see it before it dies."""
    program = (
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('up', flush=True)\n"
        "for line in sys.stdin:\n"
        "    print('heard', flush=True)\n"
        "print('input ended', flush=True)\n"
    )
    one = start(program, "--farewell=a", "--farewell=b", "--settled=never", "--grace=2.5")
    assert one.line() == "up"
    one.end_input()
    one.rest()
    assert (tmp_path / "j").read_text() == "up\nheard\nheard\n"
    assert one.child.returncode == 128 + signal.SIGKILL


def test_an_idle_agent_goes_without_a_farewell(start, tmp_path: Path) -> None:
    """SIGUSR1: its input ends and it goes by itself, with its own code."""
    program = "import sys\nprint('up', flush=True)\nfor line in sys.stdin: print('heard', flush=True)\nsys.exit(7)\n"
    one = start(program, "--farewell=a", "--settled=x", "--grace=30")
    assert one.line() == "up"
    one.child.send_signal(signal.SIGUSR1)
    one.rest()
    assert (one.child.returncode, (tmp_path / "j").read_text()) == (7, "up\n")


def test_a_reader_that_is_gone_does_not_stop_the_journal(start, tmp_path: Path) -> None:
    """The gateway's end of the pipe breaks while its input lives: the journal goes on."""
    one = start(CAT)
    one.send("one")
    assert one.line() == "one"
    one.child.stdout.close()
    for n in range(50):
        one.send(f"more {n}")
    deadline = time.monotonic() + 20
    while "more 49" not in (tmp_path / "j").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    one.end_input()
    assert one.child.wait(20) == 0


def peak_kb(pid: int) -> int:
    """The most memory that a process has held so far; 0: it is gone."""
    try:
        rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(row.split()[1]) for row in rows if row.startswith("VmHWM")), 0)


@pytest.mark.skipif(not warden.ON_LINUX, reason="/proc tells it")
def test_a_flood_after_the_farewell_does_not_fill_the_memory(start) -> None:
    """The gateway is gone, or slow, and the agent talks on until it is killed: what waits for the gateway is bounded."""
    program = "import os\nwhile True: os.write(1, b'x' * 65535 + b'\\n')\n"
    one = start(program, "--farewell=bye", "--settled=never", "--grace=3", "--drop=x")
    assert one.line()
    peak = 0
    one.child.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 20
    while one.child.poll() is None:
        assert time.monotonic() < deadline
        peak = max(peak, peak_kb(one.child.pid))
        time.sleep(0.02)
    assert warden.BUFFER_LIMIT / 1024 < peak < 3 * warden.BACKLOG_LIMIT / 1024


def test_a_flood_waits_for_its_reader(start, tmp_path: Path) -> None:
    """An agent that talks without end does not fill the memory of a warden whose gateway does not read."""
    one = start("while True: print('x' * 1000, flush=True)\n")
    assert one.line()
    for _ in range(20):
        time.sleep(0.05)
    assert peak_kb(one.child.pid) < 100_000
    assert (tmp_path / "j").stat().st_size < 3 * warden.BUFFER_LIMIT


def test_a_line_beyond_the_limit_becomes_a_note(start, tmp_path: Path) -> None:
    """What nobody could hold is told by its size, and the next line is whole."""
    one = start(f"print('y' * ({warden.LINE_LIMIT} + 5)); print('next', flush=True)\n")
    note, after = one.line(), one.line()
    assert json.loads(note) == {"type": "tollbridge_line_too_long", "bytes": warden.LINE_LIMIT + 5}
    assert after == "next"
    assert (tmp_path / "j").read_text() == f"{note}\nnext\n"


def test_a_half_line_at_the_end_is_no_line(start, tmp_path: Path) -> None:
    """A gateway that died while writing hands over nothing broken; an agent that died while speaking neither."""
    one = start(CAT + "sys.stdout.write('no end')\n", "--farewell=bye")
    assert one.child.stdin is not None
    one.child.stdin.write(b'{"half":')
    one.child.stdin.flush()
    one.end_input()
    assert one.rest() == b"bye\n"
    assert (tmp_path / "j").read_text() == "bye\n"


def test_lines_that_nobody_needs_are_carried_but_not_journalled(start, tmp_path: Path) -> None:
    """Text that comes in pieces comes whole later: the journal holds it once."""
    one = start(CAT, "--drop=delta")
    for text in ("start", "a delta", "stop"):
        one.send(text)
        assert one.line() == text
    assert (tmp_path / "j").read_text() == "start\nstop\n"


def test_a_truncated_journal_goes_on_from_its_start(start, tmp_path: Path) -> None:
    """The gateway empties it between prompts, under the warden's hands."""
    one = start(CAT)
    one.send("old")
    assert one.line() == "old"
    os.truncate(tmp_path / "j", 0)
    one.send("new")
    assert one.line() == "new"
    assert (tmp_path / "j").read_text() == "new\n"


def test_the_end_of_stderr_is_kept(start, tmp_path: Path) -> None:
    """However much the agent complains, the last of it is there, within a limit."""
    program = "import sys\nfor n in range(60000): sys.stderr.write(f'complaint {n}\\n')\n"
    one = start(program)
    one.rest()
    kept = tmp_path / "j.stderr"
    assert kept.read_text().endswith("complaint 59999\n")
    assert kept.stat().st_size <= warden.STDERR_LIMIT + warden.CHUNK


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The code of a shell for it, and the reason in the stderr file."""
    command = [sys.executable, "-I", "-S", "-E", warden.__file__, f"--journal={tmp_path / 'j'}", "--", "/nowhere/agent"]
    assert subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode == 127
    assert "/nowhere/agent" in (tmp_path / "j.stderr").read_text()


def test_the_journal_is_no_link_to_another_file(tmp_path: Path) -> None:
    """A link that someone laid in its place is refused."""
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "j").symlink_to(tmp_path / "precious")
    command = warden_command(tmp_path / "j", CAT)
    assert subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode != 0
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_journal_at_its_limit_takes_vital_lines_only(tmp_path: Path) -> None:
    """A full journal still tells what was spent."""
    journal = tmp_path / "j"
    with journal.open("wb") as file:
        file.truncate(warden.JOURNAL_LIMIT + 1)
    one = Running(warden_command(journal, CAT, "--vital=usage"))
    for text in ("chatter", "usage 1"):
        one.send(text)
        assert one.line() == text
    one.end_input()
    one.rest()
    assert one.child.stdout is not None
    one.child.stdout.close()
    assert journal.stat().st_size == warden.JOURNAL_LIMIT + 1 + len("usage 1\n")


def test_the_warden_needs_the_standard_library_only() -> None:
    """It starts before anything heavy could be imported, and by file path."""
    text = Path(warden.__file__).read_text()
    assert "gateway" not in [
        row.split()[1].partition(".")[0] for row in text.splitlines() if row.startswith(("import ", "from "))
    ]
