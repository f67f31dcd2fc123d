"""`tollbridge scan --json`, as programs call it again and again: without what the other commands need."""

import sys
from collections.abc import Sequence

_PLAIN = {"--json"}


def quick(arguments: Sequence[str]) -> bool:
    """Do it, if it is no more than that; False: it is, or something is wrong, and the whole command line sees to it.

    Whatever goes wrong goes wrong there again, and is said there: what was read until then is kept.
    """
    if "--json" not in arguments or any(one.startswith("-") and one not in _PLAIN for one in arguments):
        return False
    from gateway.cli.scan_look import once
    from gateway.cli.scan_words import as_json
    from gateway.domain.errors import TollbridgeError

    try:
        found = once([one for one in arguments if one not in _PLAIN])
    except (TollbridgeError, OSError):
        return False
    sys.stdout.write(f"{as_json(found, in_a_line=False)}\n")
    return True
