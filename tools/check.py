"""Everything that has to hold, in one command: lint, format, types, floors, tests, and full branch coverage of the core.

Usage: python tools/check.py [pytest arguments]. Exits with 1 if anything failed, after everything ran.
"""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CORE = ("tests/core", "tests/domain", "tests/view")
"""These alone have to cover every branch of domain, view and core."""


def main(arguments: list[str]) -> int:
    """Run every check, say how each went, and return the exit code."""
    core = [str(BIN / "coverage"), "run", "-m", "pytest", *CORE]
    # Two at a time: most of the rest waits for real clients and servers.
    tests = [
        str(BIN / "pytest"),
        "-n",
        "2",
        "--dist",
        "worksteal",
        *(f"--ignore={place}" for place in CORE),
        *arguments,
    ]
    checks = [
        ("lint", [str(BIN / "ruff"), "check", "."]),
        ("format", [str(BIN / "ruff"), "format", "--check", "."]),
        ("types", [str(BIN / "pyright"), "--warnings"]),
        ("floors", [str(BIN / "lint-imports")]),
        ("tests of domain and core", core),
        ("coverage of domain and core", [str(BIN / "coverage"), "report"]),
        ("tests", tests),
    ]
    failed: list[str] = []
    for name, command in checks:
        print(f"== {name}: {' '.join(Path(word).name for word in command[:4])}", flush=True)
        began = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        print(f"== {name}: {'ok' if code == 0 else 'FAILED'} in {time.monotonic() - began:.0f} s\n", flush=True)
        if code:
            failed.append(name)
    print("all checks passed" if not failed else f"failed: {', '.join(failed)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
