"""Measure how far the real Claude Code goes past a limit, and write the figures into docs/limits.md.

Usage: python tools/measure_overshoot.py   takes about a minute. Needs the client (see `.ci/run`). Tokens are drawn by seed, so the
amounts come out the same again; which loop is in a call when the limit is met depends on the machine.
"""

import sys
import tempfile
from pathlib import Path

import anyio
import structlog

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.fakes.claude_binary import MISSING, find_claude  # noqa: E402 - the tree is no package
from tests.journeys.overshoot import ALONE, FLEET, HEADER, NESTED, Shape, measure_all  # noqa: E402

PAGE = ROOT / "docs" / "limits.md"
BEGIN, END = "<!-- figures -->\n", "<!-- /figures -->\n"
AT_ONCE = 4
RUNS: tuple[tuple[Shape, int, str], ...] = (
    *((ALONE, seed, limit) for seed, limit in ((1, "0.0001"), (2, "0.03"), (3, "0.06"), (4, "0.10"))),
    *((FLEET, seed, limit) for seed, limit in ((5, "0.03"), (6, "0.10"), (7, "0.15"), (8, "0.20"))),
    *((FLEET, seed, limit) for seed, limit in ((9, "0.25"), (10, "0.30"), (11, "0.35"), (12, "0.40"))),
    *((NESTED, seed, limit) for seed, limit in ((13, "0.04"), (14, "0.07"), (15, "0.12"), (16, "0.25"))),
)


def main() -> int:
    """Measure and write."""
    if find_claude() is None:
        print(MISSING, file=sys.stderr)
        return 1
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    rows: list[str] = []
    for first in range(0, len(RUNS), AT_ONCE):
        with tempfile.TemporaryDirectory() as place:
            found = anyio.run(measure_all, Path(place), RUNS[first : first + AT_ONCE])
        rows += [measured.row() for measured in found]
    table = "\n".join([HEADER, *rows]) + "\n"
    print(table)
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
