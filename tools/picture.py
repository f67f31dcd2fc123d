"""Make the README's picture: run the real demo in a real terminal (tmux) and draw what stands on its screen.

Usage: python tools/picture.py   writes docs/demo.svg. Needs tmux.
"""

import io
import re
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "demo.svg"
COLUMNS, LINES = 80, 66
LIMIT_S = 60
KEYS: tuple[tuple[str, str], ...] = (
    ("Ctrl-D ends", "fix the flaky login test\n"),
    ("[1] Run", "1"),
    ("[1] Allow", "1"),
    ("Done", "refactor everything\n"),
    ("[1] Run", "1"),
)
"""What has to be on the screen, and what is typed then."""
LAST = "[1] Go on"


def tmux(*arguments: str) -> str:
    """One tmux command on a server of our own."""
    return subprocess.run(["tmux", "-L", "picture", *arguments], check=True, capture_output=True, text=True).stdout


def wait_for(words: str) -> None:
    """Until the words stand on the screen."""
    deadline = time.monotonic() + LIMIT_S
    while words not in tmux("capture-pane", "-p", "-t", "demo"):
        if time.monotonic() > deadline:
            raise SystemExit(f"the demo did not come to {words!r}")
        time.sleep(0.2)


def screen() -> str:
    """Play the demo up to a pause at the limit; what the terminal shows then, with its colours."""
    demo = Path(sys.executable).parent / "tollbridge"
    tmux("new-session", "-d", "-s", "demo", "-x", str(COLUMNS), "-y", str(LINES), f"{demo} demo")
    try:
        for words, keys in KEYS:
            wait_for(words)
            tmux("send-keys", "-t", "demo", "-l", keys.rstrip("\n"))
            if keys.endswith("\n"):
                tmux("send-keys", "-t", "demo", "Enter")
        wait_for(LAST)
        return tmux("capture-pane", "-e", "-p", "-t", "demo")
    finally:
        tmux("kill-server")


def main() -> None:
    """Draw it, without the fonts of a stranger's server."""
    text = screen().rstrip()
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(text))
    svg = console.export_svg(title="tollbridge demo")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(svg, encoding="utf-8")
    sys.stdout.write(f"{PICTURE.relative_to(ROOT)}: {text.count(chr(10)) + 1} lines\n")


if __name__ == "__main__":
    main()
