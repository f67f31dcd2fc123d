"""Where the real Claude Code client is, for the tests that need it."""

import os
from pathlib import Path

PINNED_VERSION = "2.1.328"
"""The version that the recorded behaviour was observed with."""

MISSING = (
    f"no Claude Code client found: install @anthropic-ai/claude-code@{PINNED_VERSION} under "
    "$TBTEST_CLIENTS (default ~/.cache/tollbridge-clients) or set TBTEST_CLAUDE"
)
"""The reason a test shows when it is skipped for want of the client."""


def find_claude() -> Path | None:
    """The client to test with: $TBTEST_CLAUDE, else the one in the clients folder, else None.

    A path named in TBTEST_CLAUDE that does not exist counts as none: it never falls back to another client.
    """
    named = os.environ.get("TBTEST_CLAUDE")
    if named:
        path = Path(named).expanduser()
    else:
        clients = os.environ.get("TBTEST_CLIENTS") or "~/.cache/tollbridge-clients"
        path = Path(clients).expanduser() / "node_modules" / ".bin" / "claude"
    return path if path.exists() else None
