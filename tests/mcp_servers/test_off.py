"""Sessions that are off, from their hook's process to the phone: with a gateway, and before there is one."""

import errno
import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway import host, lock
from gateway.agents.claude.desk import DeskAgent, unheard
from gateway.agents.scripted import ScriptedAgent
from gateway.domain.place import Unmetered
from gateway.engine.asked import Pace
from gateway.engine.rules import Desk
from gateway.local import door
from gateway.store import open_readonly
from tests.engine.bench import OWNER, RULES, THREAD, Bench, bench, call, script
from tests.mcp_servers.relay_kit import hooked

pytestmark = pytest.mark.anyio

DESKS = (Desk("/", OWNER, THREAD.chat),)


def said(session: str, source: str = "startup", **more: Any) -> bytes:
    """What the client says as a session begins."""
    told = {"session_id": session, "cwd": f"/srv/{session}", "source": source, "hook_event_name": "SessionStart"}
    return json.dumps(told | more).encode()


@asynccontextmanager
async def gateway_at(home: Path) -> AsyncGenerator[Bench]:
    """A gateway with its door open, which looks for what was written down as it starts."""
    play, lock_ = script(call(1)), lock.make_home(home)
    async with DeskAgent(lock_) as desk, ScriptedAgent(play, directory=home / "scripted") as agent:
        agents = {"scripted": agent, "channel": desk}
        async with bench(play, replace(RULES, desks=DESKS), home, agents) as gateway:
            desk.attach = gateway.engine.attach
            async with door.opened(home) as listener, anyio.create_task_group() as tasks:
                tasks.start_soon(door.serve, listener, host.routes(gateway.world, desk, Pace()))
                tasks.start_soon(host.collect, gateway.engine, home)
                yield gateway
                tasks.cancel_scope.cancel()


def kept(home: Path) -> list[tuple[str, str]]:
    """The sessions that reports tell of, and where they were."""
    with open_readonly(home) as reader:
        return [(one.session, one.directory) for one in reader.unmetered()]


def told(gateway: Bench) -> list[str]:
    """What the phone says of such sessions."""
    return [one.text for one in gateway.chat.sees(THREAD) if "is not metered" in one.text]


async def test_a_session_that_is_off_is_kept_and_told_of_as_it_begins(tmp_path: Path) -> None:
    """Once, also if it begins again; what follows a /clear in it is kept, and not said again."""
    home = tmp_path / "home"
    async with gateway_at(home) as gateway:
        for session, source in (("a", "startup"), ("a", "resume"), ("b", "clear"), ("c", "resume")):
            assert await hooked(home, "SessionStart", said(session, source), TOLLBRIDGE_OFF="1") == (0, b"")
        await gateway.sees("/srv/c")
        assert ["/srv/a" in text for text in told(gateway)] == [True, False]
        assert not (home / unheard.FILE).exists()
    assert kept(home) == [("a", "/srv/a"), ("b", "/srv/b"), ("c", "/srv/c")]


@pytest.mark.parametrize("body", [b"", b"{}", said(""), said("x", hook_event_name="Stop")])
async def test_what_cannot_be_understood_of_a_session_that_is_off_changes_nothing(tmp_path: Path, body: bytes) -> None:
    """It goes on in silence, and nothing is kept of nobody."""
    home = tmp_path / "home"
    async with gateway_at(home):
        assert await hooked(home, "SessionStart", body, TOLLBRIDGE_OFF="1") == (0, b"")
    assert kept(home) == []


async def test_a_session_that_began_without_a_gateway_is_told_of_when_one_starts(tmp_path: Path) -> None:
    """What hooks wrote down is taken in once; lines that cannot be read are in nobody's way."""
    home = lock.make_home(tmp_path / "home")
    for session in ("a", "b", "a"):
        assert await hooked(home, "SessionStart", said(session), TOLLBRIDGE_OFF="1") == (0, b"")
    with (home / unheard.FILE).open("ab") as file:
        file.write(b"torn")
    async with gateway_at(home) as gateway:
        await gateway.sees("/srv/a")
        await gateway.sees("/srv/b")
        assert len(told(gateway)) == 2
        assert [path.name for path in home.iterdir() if path.name.startswith("unmetered")] == []
    assert sorted(kept(home)) == [("a", "/srv/a"), ("b", "/srv/b")]


async def test_what_lies_in_the_files_place_keeps_no_gateway_from_starting(tmp_path: Path) -> None:
    """A link is not followed, and taken away."""
    home = lock.make_home(tmp_path / "home")
    (tmp_path / "theirs").write_bytes(b'{"session": "x", "directory": "/", "at_ms": 1}')
    (home / unheard.FILE).symlink_to(tmp_path / "theirs")
    async with gateway_at(home):
        assert await hooked(home, "SessionStart", said("a"), TOLLBRIDGE_OFF="1") == (0, b"")
        with anyio.fail_after(30):
            while (home / unheard.TAKEN).is_symlink():  # noqa: ASYNC110 - another thread takes it away
                await anyio.sleep(0.01)
    assert kept(home) == [("a", "/srv/a")]
    assert (tmp_path / "theirs").exists()


async def test_what_could_not_be_kept_is_left_for_later(tmp_path: Path) -> None:
    """A store that refuses loses nothing of it."""
    home = lock.make_home(tmp_path / "home")
    async with gateway_at(home) as gateway:
        (home / unheard.FILE).write_bytes(b'{"session": "a", "directory": "/srv", "at_ms": 1}\n')
        found = unheard.take(home, 5)
    assert found == unheard.Unheard((Unmetered("a", "/srv", 1, 1),), 0)
    assert kept(home) == []
    async with gateway_at(home) as gateway:
        await gateway.sees("/srv")
    assert kept(home) == [("a", "/srv")]


async def test_what_cannot_be_read_now_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails for a moment, or a process with too many open files, loses nothing of it."""
    home = lock.make_home(tmp_path / "home")
    (home / unheard.TAKEN).write_bytes(b'{"session": "a", "directory": "/srv", "at_ms": 1}\n')
    monkeypatch.setattr(host, "COLLECT_EVERY_S", 0.01)
    take, errors = unheard.take, [errno.EMFILE, errno.EIO]

    def refused(place: Path, now_ms: int) -> unheard.Unheard | None:
        if errors:
            raise OSError(error := errors.pop(0), os.strerror(error))
        return take(place, now_ms)

    monkeypatch.setattr(unheard, "take", refused)
    async with gateway_at(home) as gateway:
        await gateway.sees("/srv")
    assert kept(home) == [("a", "/srv")]
