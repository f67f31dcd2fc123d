"""The real Claude Code as a person has it open: on a terminal of its own, with the hooks that the plugin registers."""

import contextlib
import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from tests.fakes.claude_binary import find_claude

RELAY = Path(__file__).parents[2] / "mcp_servers" / "relay.py"
PLUGIN_HOOKS = RELAY.parent / "claude_plugin" / "hooks" / "hooks.json"
GATES = ("UserPromptSubmit", "PreToolUse", "PostToolBatch", "PreCompact")
TOLD = ("SessionStart", "PostToolUse", "PostToolUseFailure", "PostCompact", "Stop", "StopFailure", "SubagentStart")
TOLD = (*TOLD, "SubagentStop", "SessionEnd")
_CODES = re.compile(r"\x1b(?:\[[0-9;?<>=]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>78])")


def hooks(patience_s: int = 3600) -> Mapping[str, object]:
    """The hooks of a project's settings, each a process of its own that asks the gateway."""
    entry = {"type": "command", "command": sys.executable}

    plugin = json.loads(PLUGIN_HOOKS.read_text())["hooks"]

    def one(event: str, **more: object) -> list[dict[str, object]]:
        args = ["-I", "-S", str(RELAY), "hook", event, str(patience_s - 5)]
        [shown] = plugin[event][0]["hooks"]
        more |= {"statusMessage": shown["statusMessage"]} if "statusMessage" in shown else {}
        return [{"hooks": [entry | {"args": args, "timeout": patience_s} | more]}]

    return {event: one(event, onFailure="block") for event in GATES} | {event: one(event) for event in TOLD}


@dataclass
class Terminal:
    """One open client. `says` types a prompt and sends it off."""

    process: subprocess.Popen[bytes]
    master: int
    _shown: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def screen(self) -> str:
        """All that was ever shown, without what only moves and colours."""
        return _CODES.sub("", bytes(self._shown).decode(errors="replace"))

    async def shows(self, words: str, within_s: float = 40) -> None:
        """Wait until the words were shown; blanks do not count, since the client moves the cursor instead."""
        wanted = "".join(words.split())
        with anyio.move_on_after(within_s):
            while wanted not in "".join(self.screen.split()):  # noqa: ASYNC110 - a thread reads the screen
                await anyio.sleep(0.05)
            return
        raise TimeoutError(f"{words!r} was not shown:\n{self.screen[-3000:]}")

    async def ready(self) -> None:
        """Wait until it takes what is typed."""
        await self.shows("\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}")
        await anyio.sleep(0.5)

    async def says(self, text: str) -> None:
        """Type a prompt, and send it once it stands there."""
        os.write(self.master, text.encode())
        await anyio.sleep(0.3)
        self.keys("\r")

    def keys(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def kill(self) -> None:
        """Kill -9."""
        os.killpg(self.process.pid, signal.SIGKILL)

    async def leaves(self) -> None:
        """Ctrl-D twice, as people leave it."""
        for _ in range(2):
            self.keys("\x04")
            await anyio.sleep(0.3)
        with anyio.fail_after(30):
            await anyio.to_thread.run_sync(self.process.wait)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self.master, 65536):
                self._shown += data


@contextmanager
def terminal(
    environ: Mapping[str, str],
    directory: Path,
    arguments: Sequence[str] = (),
    *,
    patience_s: int = 3600,
    **settings: object,
) -> Iterator[Terminal]:
    """An open client in the directory, killed at the end. `settings`: more of the project's."""
    (directory / ".claude").mkdir(parents=True, exist_ok=True)
    own = {"hooks": hooks(patience_s), "permissions": {"defaultMode": "default", "allow": ["Bash", "Write"]}} | settings
    (directory / ".claude" / "settings.json").write_text(json.dumps(own))
    seed = Path(environ["CLAUDE_CONFIG_DIR"]) / ".claude.json"
    known = json.loads(seed.read_text()) if seed.exists() else {}
    projects = known.get("projects", {}) | {
        str(directory): {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True, "allowedTools": []}
    }
    approved = {"approved": ["sk-ant-test"], "rejected": []}
    seed.write_text(
        json.dumps(
            known
            | {"hasCompletedOnboarding": True, "theme": "dark", "numStartups": 5, "projects": projects}
            | {"lastOnboardingVersion": "2.1.328", "customApiKeyResponses": approved}
        )
    )
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
    process = subprocess.Popen(
        [str(find_claude()), *arguments],
        cwd=directory,
        env={**environ, "TERM": "xterm-256color"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - as a terminal starts its shell
    )
    os.close(slave)
    open_client = Terminal(process, master)
    try:
        yield open_client
    finally:
        if process.poll() is None:
            open_client.kill()
        process.wait()
        open_client._reader.join(5)
        os.close(master)
