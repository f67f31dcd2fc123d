"""The programs that read a home of logs: where they are, how they are run, and what a run took."""

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CCUSAGE_VERSION = "20.0.24"
"""The newest whose program for this machine can be had."""
OURS, THEIRS, ALONE = "tollbridge", "ccusage", "ccusage's program"
LOOK_S = 0.001
LIMIT_S = 300.0
MISSING = (
    f"ccusage is not there: `npm install --no-audit --no-fund ccusage@{CCUSAGE_VERSION}` with the prefix $TBTEST_CLIENTS/ccusage "
    "(default ~/.cache/tollbridge-clients/ccusage), or name it with --ccusage"
)
ELSEWHERE = (
    "CLAUDE_CONFIG_DIR",
    "CODEX_HOME",
    "OPENCODE_DATA_DIR",
    "GEMINI_DATA_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "PYTHONDONTWRITEBYTECODE",
)
"""What would lead programs to other logs than those of the home, or have ours compiled at every start."""


@dataclass(frozen=True)
class Run:
    """What a program said, and what it took: all its processes' CPU."""

    said: str
    seconds: float
    cpu_s: float


class Programs:
    """Reads a home with each of them. What ours keeps is in a folder below `states`, named by the caller."""

    def __init__(self, home: Path, states: Path, ccusage: str | None = None) -> None:
        self.home, self.states = home, states
        theirs = find_ccusage(ccusage)
        self.commands = {
            OURS: [sys.executable, "-m", "gateway", "scan", "--json", str(home)],
            THEIRS: [str(theirs), "--offline", "--json"],
            ALONE: [str(program_of(theirs)), "--offline", "--json"],
        }
        self.names = list(self.commands)

    def environment(self, state: str) -> dict[str, str]:
        """The home is that of the logs, and nothing leads elsewhere."""
        plain = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("TOLLBRIDGE_") and name not in ELSEWHERE
        }
        ours = {
            "TOLLBRIDGE_HOME": str(self.states / state),
            "PYTHONPYCACHEPREFIX": str(self.states / "bytecode"),  # compiled before, as what is installed is
        }
        return {**plain, **ours, "HOME": str(self.home), "TZ": "UTC"}

    def versions(self) -> dict[str, str]:
        """What each says that it is; another ccusage than the pinned one is told as such."""
        said = {
            OURS: self._said([sys.executable, "-m", "gateway", "--version"]),
            THEIRS: self._said([*self.commands[THEIRS][:1], "--version"]),
        }
        if CCUSAGE_VERSION not in said[THEIRS].split():
            said[THEIRS] += f" (NOT the pinned {CCUSAGE_VERSION})"
        return said

    def _said(self, command: list[str]) -> str:
        environment = self.environment("version")
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - made here
        return done.stdout.strip()

    def run(self, name: str, state: str) -> Run:
        """One run. Its CPU is that of all processes that it waited for."""
        before, began = _cpu_s(), time.perf_counter()
        done = subprocess.run(  # noqa: S603 - made here
            self.commands[name],
            cwd=ROOT,
            env=self.environment(state),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        took = time.perf_counter() - began
        if done.returncode:
            raise SystemExit(f"{name} ended with {done.returncode}: {(done.stderr or done.stdout)[-2000:]}")
        return Run(done.stdout, took, _cpu_s() - before)

    def most(self, name: str, kind: str) -> int:
        """The bytes that its processes had in memory, each at its most, summed; `kind`: cold, or added, where it has read the home before."""
        if not Path("/proc/self/status").exists():
            raise SystemExit("the memory of other programs is measured with Linux' /proc")
        state = f"memory {name}"
        if kind == "cold":
            shutil.rmtree(self.states / state, ignore_errors=True)
        most: dict[int, int] = {}
        command, environment, quiet = self.commands[name], self.environment(state), subprocess.DEVNULL
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=quiet, stderr=quiet) as process:  # noqa: S603 - made here
            while process.poll() is None:
                most.update((pid, bytes_) for pid in below(process.pid) if (bytes_ := high_water(pid)))
                time.sleep(LOOK_S)
        return sum(most.values())


def _cpu_s() -> float:
    """Of all processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def below(pid: int) -> Iterator[int]:
    """A process and all that came from it and live."""
    yield pid
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [child for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # it has ended
        return
    for child in children:
        yield from below(int(child))


def high_water(pid: int) -> int:
    """The bytes that a process had in memory at most so far; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


def find_ccusage(named: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """The program that was named, else that in the clients' folder, else that on the PATH."""
    if named is not None:
        found = shutil.which(named)
        if found is None:
            raise SystemExit(f"{named} is not a program")
        return Path(found)
    clients = Path(environ.get("TBTEST_CLIENTS") or "~/.cache/tollbridge-clients").expanduser()
    installed = clients / "ccusage" / "node_modules" / ".bin" / "ccusage"
    found = str(installed) if installed.exists() else shutil.which("ccusage", path=environ.get("PATH", ""))
    if found is None:
        raise SystemExit(MISSING)
    return Path(found)


def program_of(script: Path) -> Path:
    """The program that the installed script starts; itself, where there is no other."""
    packages = script.resolve().parent.parent.parent / "@ccusage"
    return next(iter(sorted(packages.glob("ccusage-*/bin/ccusage"))), script)
