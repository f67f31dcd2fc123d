"""Everything that has to hold, in one command: lint, format, types, floors, tests, and full branch coverage of the core.

Usage: python tools/check.py [pytest arguments]. Exits with 1 if anything failed, after everything ran.

Two queues are worked off side by side; what a check says stands here as one piece, as soon as it is over.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NoReturn

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CORE = ("tests/core", "tests/domain", "tests/view")
"""These alone have to cover every branch of domain, view and core."""
WORKERS = min(os.cpu_count() or 2, 6) + 2
"""More than there are processors: half of the time a test waits for a real client or server."""


@dataclass
class Check:
    """A command that has to succeed. `code`: how it went; None as long as it has not ended."""

    name: str
    command: list[str]
    output: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    process: subprocess.Popen[bytes] | None = None
    code: int | None = None

    def run(self) -> str:
        """Run it to its end; what it is and how it went."""
        began = time.monotonic()
        self.process = subprocess.Popen(self.command, cwd=ROOT, stdout=self.output, stderr=subprocess.STDOUT)
        self.code = self.process.wait()
        return f"{'FAILED' if self.code else 'ok'} in {time.monotonic() - began:.0f} s"

    def show(self, how: str) -> None:
        """Print what it said, and how it went."""
        self.output.seek(0)
        print(f"== {self.name}: {' '.join(Path(word).name for word in self.command[:4])}", flush=True)
        sys.stdout.buffer.write(self.output.read())
        print(f"== {self.name}: {how}\n", flush=True)


def queues(arguments: list[str]) -> tuple[list[Check], list[Check]]:
    """What runs one after another on one processor, and what takes all the others."""
    # Only one of two that run at once may remember what failed.
    core = [str(BIN / "coverage"), "run", "-m", "pytest", "-p", "no:cacheprovider", *CORE]
    workers = ["-n", str(WORKERS), "--dist", "worksteal", *(f"--ignore={place}" for place in CORE)]
    short = [
        Check("lint", [str(BIN / "ruff"), "check", "."]),
        Check("format", [str(BIN / "ruff"), "format", "--check", "."]),
        Check("floors", [str(BIN / "lint-imports")]),
        Check("types", [str(BIN / "pyright"), "--warnings"]),
        Check("tests of domain, view and core", core),
        Check("coverage of domain, view and core", [str(BIN / "coverage"), "report"]),
    ]
    return short, [Check("tests", [str(BIN / "pytest"), *workers, *arguments])]


def work_off(queue: list[Check], turn: threading.Lock) -> None:
    """Run the checks of a queue one after another, and show each when it is over."""
    for check in queue:
        how = check.run()
        with turn:
            check.show(how)


def break_off(_number: int, _frame: object) -> NoReturn:
    """SIGTERM, as from a limit on the time of it all, ends like Ctrl-C."""
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    """Run every check, say how each went, and return the exit code."""
    signal.signal(signal.SIGTERM, break_off)
    turn, both = threading.Lock(), queues(arguments)
    threads = [threading.Thread(target=work_off, args=(queue, turn), daemon=True) for queue in both]
    checks = [check for queue in both for check in queue]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        turn.acquire()  # nothing else is shown from now on
        for check in checks:
            if check.process is not None and check.code is None:
                check.process.terminate()
                check.show("broken off")
    failed = [check.name for check in checks if check.code != 0]
    print("all checks passed" if not failed else f"failed: {', '.join(failed)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
