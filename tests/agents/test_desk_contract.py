"""What the engine may rely on in a session at the desk, kept by the real client and by the one that the engine's tests play."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import anyio
import anyio.abc
import pytest

from gateway.agents.claude.desk import DeskClient
from gateway.agents.claude.desk.hooks import Told
from gateway.agents.claude.desk.log import Log
from gateway.core.channel import Push
from gateway.domain.effects import Answer, GoOn
from gateway.domain.events import AgentEvent, Exited, Finished, Paused, Started
from gateway.ports import AgentAwayError, Client
from tests.engine.desk import AtDesk

pytestmark = pytest.mark.anyio

Kind = TypeVar("Kind", bound=AgentEvent)

MESSAGE = "7e57ab1e-0000-4000-8000-000000000001"


class Session(Protocol):
    """A session at the desk that is open, with its channel, and the person who sits there."""

    @property
    def client(self) -> Client: ...

    async def types(self) -> bool:
        """A person types a prompt; whether it may run."""
        ...

    async def ends(self) -> None:
        """The run is over."""
        ...


class Played:
    """The one that the engine's tests play."""

    def __init__(self, place: Path) -> None:
        self.client = AtDesk(f"conversation in {place}", listens=True)

    async def types(self) -> bool:
        return isinstance(await self.client.types("go"), GoOn)

    async def ends(self) -> None:
        self.client.tell(self.client.ends())


class Real:
    """The real one, with its hooks and a channel that takes everything."""

    def __init__(self, place: Path) -> None:
        log = Log(place / "s.jsonl")
        log.since(None)
        self.client = DeskClient("s", "/w", log, (), 5)
        self.client.join(self)

    async def push(self, message: Push) -> bool:
        return bool(message.id)

    async def verdict(self, request_id: str, *, allow: bool) -> bool:
        return bool(request_id) or allow

    async def types(self) -> bool:
        return await self._hook("UserPromptSubmit", prompt="go") == {}

    async def ends(self) -> None:
        await self._hook("Stop")

    async def _hook(self, event: str, **more: str) -> object:
        told = {"session_id": "s", "hook_event_name": event, "prompt_id": "p1", "cwd": "/w"}
        return await self.client.hook(Told.model_validate(told | more))


class Listener:
    """Reads the events, and answers boundaries."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.answer: Answer | None = GoOn()
        self.events: list[AgentEvent] = []
        self._heard = anyio.Event()

    async def listens(self) -> None:
        async for event in self.client.events():
            self.events.append(event)
            if isinstance(event, Paused) and self.answer is not None:
                assert await self.client.respond(event.request_id, self.answer)
            heard, self._heard = self._heard, anyio.Event()
            heard.set()

    async def until(self, kind: type[Kind]) -> Kind:
        with anyio.fail_after(30):
            while not (found := [event for event in self.events if isinstance(event, kind)]):
                await self._heard.wait()
        return found[-1]


@pytest.fixture(params=[Real, Played])
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Session:
    """Each of the two."""
    kind: Callable[[Path], Session] = request.param
    return kind(tmp_path)


@asynccontextmanager
async def heard(session: Session) -> AsyncGenerator[tuple[Listener, anyio.abc.TaskGroup]]:
    """A session that is listened to; at the end it is let go of."""
    listener = Listener(session.client)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.listens)
        yield listener, tasks
        await session.client.close()


async def test_a_session_that_was_let_go_of_says_so_once_and_takes_nothing(session: Session) -> None:
    """No prompt, no answer, and no run begins in it any more."""
    async with heard(session) as (listener, _):
        for _ in range(2):
            await session.client.close()
        await listener.until(Exited)
        assert not session.client.listens
        with pytest.raises(AgentAwayError):
            await session.client.prompt(MESSAGE, "hello")
        assert await session.types() is False
    assert [event for event in listener.events if isinstance(event, Exited | Started)] == [listener.events[-1]]


async def test_what_stands_at_a_boundary_ends_there_when_it_is_let_go_of(session: Session) -> None:
    """Nothing runs on without anybody who meters it, and an answer comes too late."""
    async with heard(session) as (listener, tasks):
        listener.answer, ran = None, list[bool]()

        async def types() -> None:
            ran.append(await session.types())

        tasks.start_soon(types)
        paused = await listener.until(Paused)
        await session.client.close()
        await anyio.wait_all_tasks_blocked()
        assert ran == [False]
        assert await session.client.respond(paused.request_id, GoOn()) is False


async def test_an_answer_is_taken_once_and_only_by_what_waits(session: Session) -> None:
    """The second one is told that nothing waits, like one to what was never asked."""
    async with heard(session) as (listener, _):
        assert await session.client.respond("nobody", GoOn()) is False
        assert await session.types()
        paused = await listener.until(Paused)
        assert await session.client.respond(paused.request_id, GoOn()) is False


async def test_a_prompt_is_taken_only_while_no_run_works(session: Session) -> None:
    """It would be taken into that run, or begin behind it without a gate."""
    async with heard(session) as (listener, _):
        assert await session.types()
        with pytest.raises(AgentAwayError):
            await session.client.prompt(MESSAGE, "hello")
        await session.ends()
        await listener.until(Finished)
        await session.client.prompt(MESSAGE, "hello")
