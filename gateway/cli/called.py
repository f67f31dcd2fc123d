"""How this program was called: what people are told to run has to work where they stand."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

NAME: Final = "tollbridge"


def program(argv0: str | None = None) -> str:
    """The words that start this program again: `tollbridge` where the PATH leads to it, else as it was called."""
    called = Path(sys.argv[0] if argv0 is None else argv0)
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m gateway"
    found = shutil.which(NAME)
    if called.name != NAME or (found is not None and Path(found).resolve() == called.resolve()):
        return NAME
    return shlex.quote(str(called))


def as_called(text: str) -> str:
    """A text that names commands of this program (`` `tollbridge setup` ``), with the program as it was called."""
    return text.replace(f"`{NAME} ", f"`{program()} ")
