"""Who has connected: the process, those above it, the user and the terminal, as the system knows them."""

import os
import pty
import pwd
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from gateway.local import peers
from gateway.ports import AGENT_MARK


def test_the_other_end_is_known_by_process_and_user() -> None:
    """As the kernel says, whatever the other end would say of itself."""
    here, there = socket.socketpair(socket.AF_UNIX)
    with here, there:
        assert peers.peer_of(here) == peers.Peer(pwd.getpwuid(os.getuid()).pw_name, os.getpid())


@pytest.fixture(params=["proc", "ps"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to ask the system, where it has both."""
    if request.param == "ps":
        monkeypatch.setattr(peers, "HAS_PROC", False)
    elif not peers.HAS_PROC:
        pytest.skip("there is no /proc")
    return request.param


@pytest.mark.usefixtures("way")
def test_a_lineage_goes_from_a_process_to_the_first_one() -> None:
    """Child, this process, its parent, and on."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        found = peers.family_of(child.pid)
        child.communicate()
    assert found.lineage[:3] == (child.pid, os.getpid(), os.getppid())
    assert len(set(found.lineage)) == len(found.lineage)


@pytest.mark.usefixtures("way")
def test_what_is_not_there_has_no_lineage() -> None:
    """A process that has gone, and one that the system does not name."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        pass
    assert peers.family_of(child.pid) == peers.NO_FAMILY
    assert peers.family_of(0) == peers.NO_FAMILY


@pytest.mark.parametrize(
    ("start", "terminal"),
    [(pty.fork, True), (lambda: (os.fork(), os.open(os.devnull, os.O_RDONLY)), False)],
    ids=["terminal", "none"],
)
@pytest.mark.usefixtures("way")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_terminal_is_seen(start: Callable[[], tuple[int, int]], terminal: bool) -> None:
    """That of the process itself, not that of one above it."""
    ready, told = os.pipe()
    pid, master = start()
    if pid == 0:
        if not terminal:
            os.setsid()
        os.write(told, b"!")
        os.execvp(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)"])  # noqa: S606
    try:
        os.read(ready, 1)
        assert peers.family_of(pid).terminal is terminal
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        for descriptor in (ready, told, master):
            os.close(descriptor)


@pytest.mark.skipif(not peers.HAS_PROC, reason="there is no /proc")
@pytest.mark.parametrize(
    "environ", [{AGENT_MARK: "/a/journal"}, {f"{AGENT_MARK}S__DIRECTORY": "/"}], ids=["agent", "settings"]
)
def test_what_an_agent_started_is_known_by_its_mark(environ: dict[str, str]) -> None:
    """The child of a marked process is, too, though its own environment is empty; a setting of a similar name is no mark."""
    play = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import os; print(os.getpid(), flush=True); input()'], env={})"
    with subprocess.Popen(
        [sys.executable, "-u", "-c", play], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ, text=True
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert [peers.family_of(pid).marked for pid in (child, parent.pid)] == [AGENT_MARK in environ] * 2
        parent.stdin.write("\n")
