"""Live sessions at the desk for the crash tests: clients that are processes, each in its own directory with its own person."""

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from gateway.config import config_file
from gateway.lock import make_home
from tests.crash.rig import OWNERS, Machine, machine
from tests.fakes import desk_client
from tests.fakes.bot_api_phone import Phone, Seen
from tests.fakes.messages_script import Counts
from tests.nursery import REPOSITORY

CONFIRM_S = 4
"""After so long a message that nobody has confirmed is given up: a minute in life."""
UNCONFIRMED = "Not confirmed"
SEND_AGAIN = "Send again"
_TAG = re.compile(r'<channel source="[^"]*" message_id="([^"]+)"[^>]*>\n(.*)\n</channel>', re.DOTALL)


@dataclass
class Desk:
    """One session: its person, its directory, its client. `said` is what its person wrote, `taps` how often it was sent again."""

    phone: Phone
    place: Path
    environ: dict[str, str]
    name: str = field(default_factory=lambda: str(uuid.uuid4()))
    said: list[str] = field(default_factory=list[str])
    taps: Counter[str] = field(default_factory=Counter[str])
    process: subprocess.Popen[bytes] | None = None
    _tapped: set[tuple[int, str | None]] = field(default_factory=set[tuple[int, str | None]])

    @property
    def work(self) -> Path:
        return self.place / "work"

    def open(self, source: str) -> None:
        """Start its client: `startup` or `resume`."""
        script = str(Path(desk_client.__file__))
        relay = str(REPOSITORY / "mcp_servers" / "relay.py")
        with (self.place / "client.log").open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", script, relay, str(self.place), self.name, source],
                cwd=self.work,
                env={**self.environ, "CLAUDE_CODE_SESSION_ID": self.name, "CLAUDE_PROJECT_DIR": str(self.work)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    def kill(self) -> None:
        """SIGKILL the client; its relay and hooks are left to find out."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def kill_relay(self) -> None:
        """SIGKILL its relay, if it has one."""
        pids = [entry["relay"] for entry in self.record() if "relay" in entry]
        with suppress(ProcessLookupError, IndexError):
            os.kill(pids[-1], signal.SIGKILL)

    async def leaves(self) -> int:
        """Close the client in good order; its exit code."""
        assert self.process is not None
        self.process.terminate()
        with anyio.fail_after(120):
            return await anyio.to_thread.run_sync(self.process.wait, abandon_on_cancel=True)

    def says(self) -> None:
        """Its person writes the next message."""
        self.said.append(f"message {len(self.said)} of {self.phone.user_id}")
        self.phone.says(self.said[-1])

    # ------------------------------------------------------------------------------------------------ what came of it
    def record(self) -> list[dict[str, Any]]:
        """Every frame and verdict of its clients."""
        return list(_lines(self.place / "record.jsonl"))

    def transcript(self) -> list[dict[str, Any]]:
        return list(_lines(self.place / f"{self.name}.jsonl"))

    def received(self) -> list[tuple[str, str]]:
        """The messages in the conversation, in order: id and text."""
        words = (line["message"]["content"] for line in self.transcript() if line["type"] == "user")
        return [(found[1], found[2]) for one in words if isinstance(one, str) and (found := _TAG.fullmatch(one))]

    def missing(self) -> list[str]:
        """What is not in the conversation."""
        there = {text for _, text in self.received()}
        return [text for text in self.said if text not in there]

    def answers(self) -> list[str]:
        """What its agent was told is on its way to the person."""
        return [entry["answer"] for entry in self.record() if entry.get("taken")]

    def used(self) -> Counter[str]:
        """The tokens of its transcript, by class."""
        sums: Counter[str] = Counter()
        for line in self.transcript():
            if line["type"] == "assistant":
                usage = line["message"]["usage"]
                sums.update({key: (usage | usage["cache_creation"])[key] for key in desk_client.CLASSES})
        return sums

    def unconfirmed(self, text: str) -> list[Seen]:
        """Where the phone says that the message may not have arrived, with a button that was not tapped yet."""
        return [
            seen
            for seen in self.phone.sees()
            if seen.text.startswith(f"{text}\n")
            and UNCONFIRMED in seen.text
            and any(
                button.text == SEND_AGAIN and (seen.message_id, button.data) not in self._tapped
                for button in seen.buttons
            )
        ]

    def send_again(self, text: str) -> bool:
        """Tap the button, if there is one."""
        for seen in self.unconfirmed(text):
            [button] = [button for button in seen.buttons if button.text == SEND_AGAIN]
            self._tapped.add((seen.message_id, button.data))  # the same question may have come twice
            with suppress(LookupError):  # it was changed just now
                self.phone.taps(button.data or "", seen.message_id)
                self.taps[text] += 1
                return True
        return False


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        yield from (json.loads(line) for line in path.read_bytes().splitlines() if line)


def counts(used: Counter[str]) -> Counts:
    """In the stand-in's words."""
    return Counts(*(used[key] for key in desk_client.CLASSES))


@asynccontextmanager
async def desks(tmp_path: Path) -> AsyncGenerator[tuple[Machine, list[Desk]]]:
    """Three people and three directories, a home without a gateway, and no client yet."""
    settings = {"TBTEST_CONFIRM_S": str(CONFIRM_S)}
    async with machine(tmp_path, people=len(OWNERS), settings=settings) as here:
        places = [
            f'[[desk.places]]\ndirectory = "{tmp_path / f"desk-{person}"}"\nperson = {person}\n' for person in OWNERS
        ]
        config_file(make_home(here.home)).write_text("\n".join(places))
        found: list[Desk] = []
        for phone in here.phones:
            place = tmp_path / f"desk-{phone.user_id}"
            (place / "work").mkdir(parents=True)
            found.append(Desk(phone, place, here.environ))
        try:
            yield here, found
        finally:
            for desk in found:
                if desk.process is not None and desk.process.poll() is None:
                    desk.kill()
