"""Sessions at the desk where several things happen at once: they are left as they are opened, two channels speak, the disk is full."""

import os
import threading
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from gateway.agents.claude import desk
from gateway.agents.claude.desk import TOO_MANY, client, sessions
from gateway.agents.claude.desk.leaving import Leaving
from gateway.agents.claude.desk.log import Log
from gateway.agents.claude.desk.notes import Note, Notes
from gateway.domain.events import Exited, Listening
from tests.agents.test_claude_desk import MESSAGE, SESSION, Wire, gateway, note_of, process

pytestmark = pytest.mark.anyio

OTHER = "0f4c1d6e-0000-4000-8000-000000000002"


def noted(place: Path, session: str = SESSION) -> Note:
    """What outlives the gateway of a session."""
    note = Notes(place / "home" / "agents" / "desk").read(session)
    assert note is not None
    return note


class Held:
    """Whatever reads a transcript, held while it does, until it is let go on. `last`: for the last time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, last: bool = False) -> None:
        name = "last" if last else "read"
        self.reads, self._goes_on, really = threading.Event(), threading.Event(), getattr(Log, name)

        def slow(log: Log, *args: Any) -> Any:
            self.reads.set()
            assert self._goes_on.wait(30)
            return really(log, *args)

        monkeypatch.setattr(Log, name, slow)

    async def is_read(self) -> None:
        """Something is reading."""
        assert await anyio.to_thread.run_sync(self.reads.wait, 10)

    def goes_on(self) -> None:
        self._goes_on.set()


class Looks:
    """The gateway's looks for clients that are gone, which follow each other at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._done, really = anyio.Event(), Leaving.look

        async def look(leaving: Leaving) -> None:
            await really(leaving)
            done, self._done = self._done, anyio.Event()
            done.set()

        monkeypatch.setattr(desk, "LOOK_EVERY_S", 0.01)
        monkeypatch.setattr(Leaving, "look", look)

    async def whole(self) -> None:
        """One from its beginning to its end."""
        with anyio.fail_after(30):
            for _ in range(2):
                await self._done.wait()


async def test_a_session_that_is_opened_again_while_its_last_client_is_missed_is_not_noted_as_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transcript is long to read: the next gateway still knows where it began, and whose it is."""
    monkeypatch.setattr(client, "SUMMED_LIMIT_S", 0.05)
    async with gateway(tmp_path) as one, anyio.create_task_group() as tasks:
        with process() as old:
            await one.hook("SessionStart", old, source="startup")
            await one.hook("SessionEnd", old, reason="other")
            await one.until(Exited)
        held = Held(monkeypatch)
        tasks.start_soon(lambda: one.hook("SessionStart", source="resume"))
        await held.is_read()
        await Looks(monkeypatch).whole()
        held.goes_on()
        await one.attached(2)
        assert (noted(tmp_path).ended, noted(tmp_path).process) == (False, os.getpid())
        assert noted(tmp_path).offset is not None


async def test_a_session_that_is_opened_again_while_it_is_left_is_met_once_all_of_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client was killed, and is missed in the moment in which the next one is looked at: what it used is read once, and its note is
    that of the one that is open.
    """
    looked_at, goes_on, really = threading.Event(), threading.Event(), desk.still_runs

    def slow(number: int, begun: str) -> bool:
        looked_at.set()
        assert goes_on.wait(30)
        return really(number, begun)

    async with gateway(tmp_path) as one, anyio.create_task_group() as tasks:
        monkeypatch.setattr(desk, "still_runs", slow)
        with process() as old:
            await one.hook("SessionStart", old, source="startup")
        tasks.start_soon(lambda: one.hook("SessionStart", source="resume"))
        assert await anyio.to_thread.run_sync(looked_at.wait, 10)
        held = Held(monkeypatch, last=True)
        monkeypatch.setattr(desk, "LOOK_EVERY_S", 0.01)
        await held.is_read()
        goes_on.set()
        with anyio.move_on_after(0.5):  # as long as that it could be met too early
            await one.attached(2)
        assert len(one.clients) == 1
        held.goes_on()
        await one.attached(2)
    assert (noted(tmp_path).ended, noted(tmp_path).process) == (False, os.getpid())


async def test_so_many_sessions_that_are_opened_at_once_are_as_many_as_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None gets past the limit while it is found out whose client another one is."""
    monkeypatch.setattr(sessions, "SESSIONS_MAX", 1)
    async with gateway(tmp_path) as one:
        async with anyio.create_task_group() as tasks:
            for name in (SESSION, OTHER):
                tasks.start_soon(lambda name=name: one.hook("SessionStart", session_id=name, source="startup"))
        assert len(one.clients) == 1
        there = one.clients[0].agent_session
        [late] = {SESSION, OTHER} - {there}
        verdict = await one.hook("UserPromptSubmit", session_id=late, prompt="x", prompt_id="p")
        assert verdict == {"decision": "block", "reason": TOO_MANY}


async def test_a_disk_that_is_full_as_it_shows_who_hears_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is then only not known to the next gateway."""
    async with gateway(tmp_path) as one:
        await one.hook("SessionStart", source="startup")
        note_of(tmp_path).mkdir()
        one.clients[0].way.hears = True
        looks = Looks(monkeypatch)
        await looks.whole()
        await looks.whole()
        note_of(tmp_path).rmdir()
        assert await one.hook("UserPromptSubmit", prompt="x", prompt_id="p") == {}
        assert noted(tmp_path).hears is None


async def test_a_channel_whose_session_cannot_be_brought_back_is_there_when_it_is_opened(tmp_path: Path) -> None:
    """The disk took no note as the channel came: once it does, messages go through it."""
    async with gateway(tmp_path) as first:
        await first.hook("SessionStart", source="startup")
    note_of(tmp_path).mkdir()
    wire = Wire()
    async with gateway(tmp_path) as second, second.desk.joined(wire, SESSION, (1, os.getpid())):
        assert second.clients == []
        note_of(tmp_path).rmdir()
        await second.hook("SessionStart", source="resume")
        assert second.desk.client_of(wire) is second.clients[0]


async def test_where_one_of_two_channels_is_gone_messages_go_through_the_other(tmp_path: Path) -> None:
    """A client may have the channel's server twice; the session is told of as listening as long as one of them is there."""
    async with gateway(tmp_path) as one:
        await one.hook("SessionStart", source="startup")
        first, second = Wire(), Wire()
        async with one.desk.joined(first, SESSION, (1, os.getpid())):
            async with one.desk.joined(second, SESSION, (1, os.getpid())):
                pass
            assert one.clients[0].listens
            await one.until(Listening, 3)
            await one.clients[0].prompt(MESSAGE, "hello")
            assert ([push.id for push in first.pushed], second.pushed) == ([MESSAGE], [])
        assert not one.clients[0].listens
