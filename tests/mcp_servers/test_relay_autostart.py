"""Where no gateway works, and the home has a note of how to start one, whoever opens a session does."""

import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway import lock
from gateway.local import autostart
from tests.cli.kit import ROOT
from tests.mcp_servers.relay_kit import LIMIT_S, Client, hooked, started

pytestmark = pytest.mark.anyio

LOOKS_S = 1
"""A relay without a gateway looks for one several times in that."""
LISTED = "notifications/tools/list_changed"
STARTER = """
import json, os, subprocess, sys
home, said = sys.argv[1], sys.argv[2]
with open(said, "a") as file:
    file.write(json.dumps([os.getpid(), os.getcwd(), dict(os.environ)]) + "\\n")
gateway = subprocess.Popen(
    [sys.executable, "-m", "tests.fakes.desk_gateway", home, "{}"], stdout=subprocess.PIPE, start_new_session=True
)
with open(said + ".pid", "a") as file:
    file.write(f"{gateway.pid}\\n")
gateway.stdout.readline()
"""
"""What `tollbridge up --background` does, with a gateway that starts at once."""


class Place:
    """A home with a note, and what was started by it."""

    def __init__(self, tmp_path: Path) -> None:
        self.home = tmp_path / "home"
        self.home.mkdir(mode=0o700)
        self.said = tmp_path / "said"
        self.note = self.home / autostart.FILE
        self.write()

    def write(self, *command: str, mode: int = 0o600, **more: Any) -> None:
        """The note: this command, or the starter."""
        words = [*command] or [sys.executable, "-P", "-c", STARTER, str(self.home), str(self.said)]
        known = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "TERMINAL": "the owner's"}
        told = {"command": words, "directory": str(self.home.parent), "environment": known} | more
        self.note.write_text(json.dumps(told), encoding="utf-8")
        self.note.chmod(mode)

    def starts(self) -> list[tuple[int, str, dict[str, str]]]:
        """Who was started: process, directory, environment."""
        if not self.said.exists():
            return []
        lines = map(json.loads, self.said.read_text().splitlines())
        return [(process, directory, known) for process, directory, known in lines]

    async def has_started(self) -> bool:
        """Somebody was started."""
        return bool(self.starts())

    async def has_a_gateway(self) -> bool:
        """Its process is known, so that it can be killed."""
        return self.said.with_name("said.pid").exists()

    def kill(self) -> None:
        """Kill -9 to every gateway."""
        pids = self.said.with_name("said.pid")
        for pid in pids.read_text().splitlines() if pids.exists() else ():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        pids.unlink(missing_ok=True)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Another process has come so far."""
    with anyio.fail_after(LIMIT_S):
        while not await holds():  # noqa: ASYNC110 - there is no event of another process
            await anyio.sleep(0.01)


async def gives_up(client: Client) -> None:
    """The relay says how a person starts the gateway, and goes on to look for one for a while."""

    async def says_so() -> bool:
        told = await client.ask("tools/call", {"name": "echo", "arguments": {}})
        return "start it with `tollbridge up`" in json.dumps(told)

    await until(says_so)
    await anyio.sleep(LOOKS_S)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A home with a note of how to start a gateway."""
    found = Place(tmp_path)
    yield found
    found.kill()


async def test_a_session_that_opens_starts_a_gateway_and_is_joined_to_it(place: Place) -> None:
    """The first tool call already meets it; what was started has nothing of the session's environment."""
    async with started(place.home, TOLLBRIDGE_BUDGETS__DAY_USD="1000", PATH="/of/the/session") as client:
        await client.shake_hands()
        await client.notified(LISTED)
        told = await client.ask("tools/call", {"name": "echo", "arguments": {}})
        assert "error" not in told
    [(_, directory, known)] = place.starts()
    assert directory == str(place.home.parent)
    assert known["TOLLBRIDGE_HOME"] == str(place.home)
    assert known["TERMINAL"] == "the owner's"
    assert "TOLLBRIDGE_BUDGETS__DAY_USD" not in known
    assert "/of/the/session" not in known["PATH"]


async def test_sessions_that_open_together_start_one_gateway(place: Place) -> None:
    """Two servers and a hook of each session come at once: whoever is first starts it, the others wait for it."""
    async with started(place.home) as one, started(place.home, "budget") as two, anyio.create_task_group() as tasks:
        for client in (one, two):
            tasks.start_soon(client.shake_hands)
        code, told = await hooked(place.home, "SessionStart")
        assert (code, told) == (0, b"{}")
    assert len(place.starts()) == 1


async def test_a_prompt_waits_for_the_gateway_that_is_being_started(place: Place) -> None:
    """`claude -p` asks for its verdict before any gateway can be there: it is judged, not blocked."""
    async with started(place.home) as client:
        await client.shake_hands()
        await until(place.has_started)
        assert await hooked(place.home, "UserPromptSubmit") == (0, b"{}")


async def test_a_prompt_alone_starts_nothing(place: Place) -> None:
    """Where a person has stopped the gateway, the next prompt is blocked, and says how to start it."""
    _, told = await hooked(place.home, "UserPromptSubmit")
    assert "tollbridge up" in json.loads(told)["reason"]
    assert place.starts() == []


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "stopped"])
async def test_a_gateway_that_was_killed_is_started_again_and_one_that_was_stopped_is_not(
    place: Place, killed: bool
) -> None:
    """A gateway that winds up takes its process out of its lock; a killed one cannot."""
    async with started(place.home, patience="START_EVERY_S = 0.0") as client:
        await client.shake_hands()
        await client.notified(LISTED)
        (place.home / lock.LOCK_FILE).write_text("4711\n" if killed else "")
        place.said.unlink()
        place.kill()
        await (until(place.has_a_gateway) if killed else gives_up(client))
        assert bool(place.starts()) is killed


async def test_a_start_that_fails_is_not_tried_again_at_once(place: Place) -> None:
    """A gateway that cannot start is not started in a loop; the agent is told how a person does it."""
    place.write(sys.executable, "-c", f"open({str(place.said)!r}, 'a').write('[1, \"\", {{}}]\\n')")
    async with started(place.home) as client:
        await client.shake_hands()
        await gives_up(client)
    assert len(place.starts()) == 1


@pytest.mark.parametrize(
    "note",
    [b"", b"[]", b"{}", b"\xff", b'{"command": 1, "directory": "/", "environment": {}}', b'{"command": ["/nowhere"]}'],
    ids=["empty", "a list", "nothing in it", "bytes", "a number", "half"],
)
async def test_a_note_that_is_none_starts_nothing_and_ends_nothing(place: Place, note: bytes) -> None:
    """The relay goes on to answer."""
    place.note.write_bytes(note)
    async with started(place.home) as client:
        await client.shake_hands()
        told = await client.ask("tools/call", {"name": "echo"})
        assert told["result"]["isError"] is True
    assert place.starts() == []


@pytest.mark.parametrize("kind", ["channel", "hook"])
async def test_a_note_that_is_no_file_or_nests_without_end_holds_nobody(place: Place, kind: str) -> None:
    """A FIFO would be waited for, and what nests too deeply cannot be read."""
    for made in (lambda: os.mkfifo(place.note), lambda: place.note.write_text("[" * 60_000)):
        place.note.unlink()
        made()
        place.note.chmod(0o600)
        if kind == "hook":
            assert await hooked(place.home, "SessionStart") == (0, b"")
        else:
            async with started(place.home) as client:
                await client.shake_hands()
                assert (await client.ask("tools/call", {"name": "echo"}))["result"]["isError"] is True
                await client.leave()
    assert place.starts() == []


async def test_a_gateway_that_is_just_ending_is_not_started_again(place: Place) -> None:
    """Its door is closed, and its lock is not yet: it lives, and will say whether it was stopped."""
    async with started(place.home, patience="START_EVERY_S = 0.0") as client:
        await client.shake_hands()
        await client.notified(LISTED)
        with lock.hold(place.home.parent / "other"):
            place.said.unlink()
            place.kill()
            (place.home / lock.LOCK_FILE).unlink(missing_ok=True)
            os.link(place.home.parent / "other" / lock.LOCK_FILE, place.home / lock.LOCK_FILE)
            assert (place.home / lock.LOCK_FILE).read_text()
            await gives_up(client)
        assert place.starts() == []


async def test_a_note_that_others_could_have_written_is_not_followed(place: Place) -> None:
    """Whoever can write the note could start anything in the owner's name."""
    place.write(mode=0o620)
    async with started(place.home) as client:
        await client.shake_hands()
        await client.ask("tools/call", {"name": "echo"})
    assert place.starts() == []


async def test_a_note_that_is_a_link_is_not_followed(place: Place, tmp_path: Path) -> None:
    """What it leads to was not written by the gateway."""
    place.note.rename(tmp_path / "elsewhere")
    place.note.symlink_to(tmp_path / "elsewhere")
    async with started(place.home) as client:
        await client.shake_hands()
        await client.ask("tools/call", {"name": "echo"})
    assert place.starts() == []


@pytest.mark.parametrize("more", [{"TOLLBRIDGE_OFF": "1"}, {"TOLLBRIDGE_AGENT": "journal"}], ids=["off", "inside"])
async def test_a_session_that_goes_without_the_gateway_starts_none(place: Place, more: dict[str, Any]) -> None:
    """Neither its channel nor its first hook."""
    async with started(place.home, **more) as client:
        await client.shake_hands()
        await client.ask("tools/call", {"name": "echo"})
        await hooked(place.home, "SessionStart", **more)
    assert place.starts() == []
