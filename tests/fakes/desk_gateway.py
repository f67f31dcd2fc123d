"""The gateway as relays and hooks see it: the real door, and behind it the smallest MCP server and a verdict that is always the same.

Usage: python -m tests.fakes.desk_gateway HOME [VERDICT]. It says "ready" when it can be asked.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from gateway import lock
from gateway.local import door, relays
from gateway.local.lines import Lines

TOOL = {"name": "reply", "description": "Answer.", "inputSchema": {"type": "object"}}
HOOK_S = 120.0


@dataclass(slots=True)
class DeskGateway:
    """What came in, and what is said to it. A call of the tool `hang` is never answered."""

    verdict: Mapping[str, Any] = field(default_factory=dict[str, Any])
    deaf: bool = False
    """Its server takes the handshake, and never answers it."""
    hellos: list[relays.Hello] = field(default_factory=list[relays.Hello])
    hooks: list[relays.Hook] = field(default_factory=list[relays.Hook])
    heard: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    connections: list[Lines] = field(default_factory=list[Lines])
    left: int = 0
    """Relays that have gone."""
    changed: anyio.Event = field(default_factory=anyio.Event)

    @property
    def routes(self) -> door.Routes:
        """At the door."""
        return relays.routes({"channel": self.serve, "budget": self.serve}, self.judge, HOOK_S)

    async def serve(self, hello: relays.Hello, lines: Lines) -> None:
        """One relay's session."""
        self.hellos.append(hello)
        self.connections.append(lines)
        self._tell()
        try:
            async for line in lines:
                message = json.loads(line)
                self.heard.append(message)
                self._tell()
                result = self._result(message)
                if result is not None:
                    await lines.send(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode())
                self._tell()
        finally:
            self.left += 1
            self._tell()

    async def judge(self, hook: relays.Hook) -> Mapping[str, Any]:
        """The verdict."""
        self.hooks.append(hook)
        self._tell()
        return self.verdict

    async def until(self, count: int, method: str) -> list[dict[str, Any]]:
        """The messages of this method, when there are so many."""
        while len(found := [one for one in self.heard if one.get("method") == method]) < count:
            await self.wait()
        return found

    async def wait(self) -> None:
        """Until something comes in, or somebody goes."""
        await self.changed.wait()

    def _tell(self) -> None:
        self.changed.set()
        self.changed = anyio.Event()

    def _result(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        if "id" not in message or self.deaf:
            return None
        params = message.get("params", {})
        match message.get("method"):
            case "initialize":
                server = {"name": "tollbridge", "version": "desk"}
                capabilities = {"tools": {"listChanged": True}}
                version = params.get("protocolVersion", "2025-11-25")
                return {"protocolVersion": version, "capabilities": capabilities, "serverInfo": server}
            case "tools/list":
                return {"tools": [TOOL]}
            case "tools/call" if params.get("name") != "hang":
                return {"content": [{"type": "text", "text": "done"}]}
            case _:
                return None


async def _main(home: Path, verdict: Mapping[str, Any]) -> None:
    desk = DeskGateway(verdict)
    async with door.opened(lock.make_home(home)) as listener:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await door.serve(listener, desk.routes)


if __name__ == "__main__":
    anyio.run(_main, Path(sys.argv[1]), json.loads(sys.argv[2]) if sys.argv[2:] else {})
