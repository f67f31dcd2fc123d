"""`tollbridge scan --json`, as programs call it again and again: without what the other commands need."""

import gc
import os
import sys
from collections.abc import Sequence

_PLAIN = {"--json"}
_INTERRUPTED = 130


def quick(arguments: Sequence[str]) -> bool:
    """Do it, if it is no more than that; False: it is, or something is wrong, and the whole command line sees to it.

    Whatever goes wrong goes wrong there again, and is said there: what was read until then is kept.
    """
    if "--json" not in arguments or any(one.startswith("-") and one not in _PLAIN for one in arguments):
        return False
    gc.disable()  # it is over soon, and frees everything at once
    from gateway.cli.scan_look import once
    from gateway.cli.scan_words import as_json
    from gateway.domain.errors import TollbridgeError

    try:
        found = once([one for one in arguments if one not in _PLAIN])
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except (TollbridgeError, OSError):
        gc.enable()
        return False
    try:
        sys.stdout.write(f"{as_json(found, in_a_line=False)}\n")
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads it any more, and what is still buffered goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    return True
