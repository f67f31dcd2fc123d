"""Sessions at the desk across deaths: of the gateway, of a relay, of the client. The test plays their hooks and their channel."""

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import pytest

from gateway.agents.claude import desk
from gateway.agents.claude.desk import SESSIONS_MAX, TOO_MANY, DeskAgent, DeskClient, sessions
from gateway.agents.claude.desk.client import LOOK_EVERY_S, SUMMED_LIMIT_S
from gateway.agents.claude.desk.log import Log
from gateway.agents.claude.desk.notes import Notes
from gateway.agents.claude.desk.pushes import SAID_AGAIN
from gateway.core import channel
from gateway.domain.effects import GoOn, Words
from gateway.domain.events import AgentEvent, CallMetered, End, Exited, Finished, Listening, Paused, Started
from gateway.ports import Launch

pytestmark = pytest.mark.anyio

SESSION = "0f4c1d6e-0000-4000-8000-000000000001"
MODEL = "claude-opus-4-8"
MESSAGE = "7e57ab1e-0000-4000-8000-000000000001"


class Wire:
    """A channel that takes everything."""

    def __init__(self) -> None:
        self.pushed: list[channel.Push] = []

    async def push(self, message: channel.Push) -> bool:
        self.pushed.append(message)
        return True

    async def verdict(self, request_id: str, *, allow: bool) -> bool:
        del request_id, allow
        return True


@dataclass
class Gateway:
    """One gateway's desk, until it ends. It lets everything go on, and keeps what it is told."""

    desk: DeskAgent
    place: Path
    process: int
    clients: list[DeskClient] = field(default_factory=list[DeskClient])
    told: list[AgentEvent] = field(default_factory=list[AgentEvent])
    tasks: anyio.abc.TaskGroup | None = None
    silent: bool = False
    """It answers nothing."""

    async def attach(self, agent: str, client: DeskClient, directory: str, *, unattended: bool = False) -> str:
        assert client.way.unattended is unattended
        assert (agent, directory, self.tasks is not None) == ("channel", str(self.place), True)
        self.clients.append(client)
        assert self.tasks is not None
        self.tasks.start_soon(self._listen, client)
        return ""

    async def _listen(self, client: DeskClient) -> None:
        async for event in client.events():
            self.told.append(event)
            if isinstance(event, Paused) and not self.silent:
                await client.respond(event.request_id, GoOn())
            if isinstance(event, Finished) and event.shows:
                await client.respond(event.shows, Words(""))

    async def hook(
        self, event: str, process: int = 0, above: Sequence[int] = (), *, unattended: bool = False, **more: Any
    ) -> Any:
        """A hook of a client: this process, or another one, which has started below those `above`."""
        body = {"session_id": SESSION, "hook_event_name": event, "cwd": str(self.place), **more}
        body["transcript_path"] = str(self.place / "transcript.jsonl")
        lineage = (1, process or self.process, *above)
        return await self.desk.hook(event, json.dumps(body).encode(), lineage, unattended=unattended)

    def ledger(self) -> dict[str, int]:
        """The tokens of the calls that it was told of, each name once."""
        told = reversed([event for event in self.told if isinstance(event, CallMetered)])
        return {event.call_id: event.usage.tokens.output for event in told}

    def calls(self) -> list[tuple[str, int]]:
        """The same in the order that they were told in."""
        found = reversed(self.ledger().items())
        return [("beyond" if name.startswith("unlisted") else name, tokens) for name, tokens in found]

    def ends(self) -> list[Finished]:
        return [event for event in self.told if isinstance(event, Finished)]

    async def attached(self, times: int) -> None:
        """So many clients were met."""
        with anyio.fail_after(30):
            while len(self.clients) < times:  # noqa: ASYNC110 - the engine is told, nobody else
                await anyio.sleep(0.01)

    async def until(self, kind: type[AgentEvent], times: int = 1) -> None:
        with anyio.fail_after(30):
            while sum(isinstance(event, kind) for event in self.told) < times:  # noqa: ASYNC110 - events tell of all kinds
                await anyio.sleep(0.01)


@asynccontextmanager
async def gateway(place: Path, process: int = 0) -> AsyncGenerator[Gateway]:
    """A gateway's desk."""
    one = Gateway(DeskAgent(place / "home"), place, process or os.getpid())
    one.desk.attach = one.attach
    async with AsyncExitStack() as stack:
        one.tasks = await stack.enter_async_context(anyio.create_task_group())
        await stack.enter_async_context(one.desk)
        yield one
        one.tasks.cancel_scope.cancel()


@contextmanager
def process() -> Iterator[int]:
    """A process that lives until then."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield child.pid
        child.kill()


def tag(name: str = MESSAGE) -> str:
    """A message as the client shows it."""
    return f'<channel source="plugin:tollbridge:channel" message_id="{name}">\nhello\n</channel>'


def writes(place: Path, *lines: dict[str, Any], agent: str = "") -> None:
    """More of the transcript, or of a sub-agent's."""
    path = place / (f"transcript/subagents/agent-{agent}.jsonl" if agent else "transcript.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def call(name: str, agent: str = "") -> Sequence[dict[str, Any]]:
    """A call of 5 tokens as the client writes it down."""
    message = {"id": name, "model": MODEL, "stop_reason": "end_turn", "usage": {"output_tokens": 5}}
    whose = {"agentId": agent} if agent else {}
    return (
        {"type": "api-request", "id": f"ask {name}"} | whose,
        {"type": "assistant", "requestRef": f"ask {name}"} | {"message": message} | whose,
    )


def used(tokens: int) -> dict[str, Any]:
    """What the client says that it used in all."""
    return {"type": "cost-state", "modelUsage": {MODEL: {"outputTokens": tokens}}}


async def test_a_channel_alone_brings_its_session_back_after_a_restart(tmp_path: Path) -> None:
    """No hook comes while the person is away: the next gateway can push all the same, and reads on where the session began."""
    async with gateway(tmp_path) as first:
        await first.hook("SessionStart", source="startup")
        writes(tmp_path, *call("one"))
    async with gateway(tmp_path) as second:
        wire = Wire()
        async with second.desk.joined(wire, "another name, from before /clear", (1, os.getpid())):
            await second.until(Listening)
            [client] = second.clients
            assert client.agent_session == SESSION
            await client.prompt(MESSAGE, "hello")
            assert [push.text for push in wire.pushed] == ["hello"]
            assert [event.call_id for event in second.told if isinstance(event, CallMetered)] == ["one"]


@pytest.mark.parametrize("hears", [True, False])
async def test_what_is_known_of_a_client_outlives_the_gateway_and_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hears: bool
) -> None:
    """It has shown a message, or has not: so it is for the next gateway, and after /clear; of another client nothing is known."""
    monkeypatch.setattr(desk, "LOOK_EVERY_S", 0.02)
    async with gateway(tmp_path) as first:
        await first.hook("SessionStart", source="startup")
        first.clients[0].way.hears = hears
        with anyio.fail_after(30):
            while (note := Notes(tmp_path / "home" / "agents" / "desk").read(SESSION)) is None or note.hears is None:  # noqa: ASYNC110 - a file
                await anyio.sleep(0.01)
    async with gateway(tmp_path) as second, second.desk.joined(Wire(), SESSION, (1, os.getpid())):
        if hears:
            await second.until(Listening)
        assert [(client.way.hears, client.listens) for client in second.clients] == [(hears, hears)]
        assert [event.proven for event in second.told if isinstance(event, Listening)] == [True] * hears
        await second.hook("SessionEnd", reason="clear")
        await second.hook("SessionStart", source="clear", session_id="another")
        assert second.clients[-1].way.hears is hears
    with process() as other:
        async with gateway(tmp_path, other) as third:
            await third.hook("SessionStart", source="resume")
            assert third.clients[-1].way.hears is None


async def test_a_conversation_that_claude_p_goes_on_with_takes_no_messages_meanwhile(tmp_path: Path) -> None:
    """Its channel may be there before its hooks, and is that of any client; whoever opens it afterwards can be reached."""
    async with gateway(tmp_path) as one:
        with process() as old:
            await one.hook("SessionStart", old, source="startup")
            await one.hook("SessionEnd", old, reason="other")
        with process() as prints:
            async with one.desk.joined(Wire(), SESSION, (1, prints)):
                await one.hook("SessionStart", prints, source="resume", unattended=True)
                assert not one.clients[-1].listens
                await one.hook("SessionEnd", prints, reason="other")
        async with one.desk.joined(Wire(), SESSION, (1, os.getpid())):
            await one.hook("SessionStart", source="resume")
            assert one.clients[-1].listens


async def test_a_session_that_nobody_sits_at_is_still_that_for_the_next_gateway(tmp_path: Path) -> None:
    """Its hooks say so; its channel alone, which brings it back, does not."""
    async with gateway(tmp_path) as first:
        await first.hook("SessionStart", source="startup", unattended=True)
    async with gateway(tmp_path) as second, second.desk.joined(Wire(), SESSION, (1, os.getpid())):
        assert [(client.way.unattended, client.listens) for client in second.clients] == [(True, False)]


@pytest.mark.parametrize("ended", [False, True], ids=["nobody sat at it", "it has ended"])
async def test_a_session_that_its_channel_may_not_belong_to_is_not_brought_back(tmp_path: Path, ended: bool) -> None:
    """Its client went on to another session, of which this gateway has not heard, and nothing is pushed to the wrong conversation; or
    it was `claude -p`, and whether somebody sits at the client that has it now, its hooks say.
    """
    async with gateway(tmp_path) as first:
        with process() as old:
            its = os.getpid() if ended else old
            await first.hook("SessionStart", its, source="startup", unattended=not ended)
            if ended:
                await first.hook("SessionEnd", its, reason="clear")
    async with gateway(tmp_path) as second, second.desk.joined(Wire(), SESSION, (1, os.getpid())):
        assert second.clients == []


async def test_what_an_earlier_gateway_pushed_is_not_let_in_by_the_next(tmp_path: Path) -> None:
    """The phone says already that it is not confirmed: it runs when it is sent again, and not twice."""
    async with gateway(tmp_path) as first:
        await first.hook("SessionStart", source="startup")
    async with gateway(tmp_path) as second:
        verdict = await second.hook("UserPromptSubmit", prompt=tag(), prompt_id="p")
        assert verdict == {"decision": "block", "reason": SAID_AGAIN}


@pytest.mark.parametrize("there", [True, False])
async def test_the_transcript_says_whether_a_message_was_taken(tmp_path: Path, there: bool) -> None:
    """A prompt of the conversation is proof; a line that says that it was blocked is none."""
    async with gateway(tmp_path) as first:
        await first.hook("SessionStart", source="startup")
    mine = {"type": "user", "message": {"role": "user", "content": tag()}}
    blocked = {"type": "system", "subtype": "informational", "content": f"blocked by hook\nOriginal prompt: {tag()}"}
    writes(tmp_path, mine if there else blocked)
    found = await DeskAgent(tmp_path / "home").recover(Launch("s", str(tmp_path), SESSION), None, MESSAGE)
    assert found.prompt_known is there


async def test_a_session_that_is_opened_again_in_another_process_begins_anew(tmp_path: Path) -> None:
    """Its client was killed a moment ago: what was pushed to that one is not confirmed, and the new one takes messages."""
    async with gateway(tmp_path) as one:
        with process() as old:
            await one.hook("SessionStart", old, source="startup")
            async with one.desk.joined(Wire(), SESSION, (1, old)):
                await one.clients[0].prompt(MESSAGE, "hello")
        wire = Wire()
        async with one.desk.joined(wire, SESSION, (1, os.getpid())):
            await one.until(Exited)
            assert one.ends() == [Finished(End.INTERRUPTED, channel.UNCONFIRMED, MESSAGE, ())]
            await one.hook("SessionStart", source="resume")
            another = str(uuid.uuid4())
            await one.clients[-1].prompt(another, "again")
            assert [push.id for push in wire.pushed] == [another]
            assert await one.hook("UserPromptSubmit", prompt=tag(another), prompt_id="p") == {}


@pytest.mark.parametrize("stands", [False, True], ids=["let in", "at its first boundary"])
async def test_a_run_that_dies_with_its_client_is_not_said_to_have_ended(tmp_path: Path, stands: bool) -> None:
    """The hook let the message in, and then all of the client was gone: whoever hears of it has to look into the conversation. Where
    nobody had answered the hook yet, the message is not there, and was not refused either.
    """
    async with gateway(tmp_path) as one:
        one.silent = stands
        with process() as old:
            await one.hook("SessionStart", old, source="startup")
            async with one.desk.joined(Wire(), SESSION, (1, old)):
                await one.clients[0].prompt(MESSAGE, "hello")
                assert one.tasks is not None
                one.tasks.start_soon(lambda: one.hook("UserPromptSubmit", old, prompt=tag(), prompt_id="p"))
                await one.until(Paused)
                await anyio.wait_all_tasks_blocked()
        await one.hook("SessionStart", source="resume")
        await one.until(Exited)
        assert one.ends() == []


async def test_a_session_whose_transcript_is_long_to_read_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its own hooks wait until it is read; so many sessions may be open, those that are being read counted."""
    goes_on, really = threading.Event(), Log.read

    def slow(log: Log, *args: Any) -> Any:
        assert goes_on.wait(60)
        return really(log, *args)

    async with gateway(tmp_path) as one, anyio.create_task_group() as tasks:
        for number in range(SESSIONS_MAX - 2):
            await one.hook("SessionStart", session_id=f"{number}", source="startup")
        with monkeypatch.context() as patch:
            patch.setattr(Log, "read", slow)
            for _ in range(2):
                tasks.start_soon(lambda: one.hook("UserPromptSubmit", prompt="hello", prompt_id="p"))
            await anyio.wait_all_tasks_blocked()
        try:
            with anyio.fail_after(30):
                await one.hook("SessionStart", session_id="other", source="startup")
                wire = Wire()
                async with one.desk.joined(wire, "other", (1, one.process)):
                    assert one.desk.client_of(wire) is one.clients[-1]
                verdict = await one.hook("UserPromptSubmit", session_id="too many", prompt="hello", prompt_id="q")
                assert verdict == {"decision": "block", "reason": TOO_MANY}
        finally:
            goes_on.set()
        await one.until(Started)
        assert [client.agent_session for client in one.clients].count(SESSION) == 1
        await one.hook("Stop", prompt_id="p")


async def test_old_lines_do_not_end_the_run_that_is_under_way(tmp_path: Path) -> None:
    """A gateway comes in the middle of a run: what stands in the transcript about earlier ones is past."""
    async with gateway(tmp_path) as first:
        await first.hook("SessionStart", source="startup")
    writes(tmp_path, *call("one"), {"type": "system", "subtype": "turn_duration"})
    async with gateway(tmp_path) as second:
        assert await second.hook("PostToolBatch", prompt_id="p") == {}
        await anyio.sleep(2 * LOOK_EVERY_S)
        assert second.ends() == []
        await second.hook("Stop", prompt_id="p")
        await second.until(Finished)
        assert [end.end for end in second.ends()] == [End.DONE]


@pytest.mark.parametrize("before", [0, 15], ids=["opened anew", "taken up again"])
async def test_sub_agents_of_a_session_are_told_of_under_the_same_names_by_the_next_gateway(
    tmp_path: Path, before: int
) -> None:
    """What ran before is in the ledger by its name, what ran while nobody was there is new. Where a conversation was taken up again, of an
    old sub-agent only what is added counts, for any gateway. The client's sum adds what no line shows, and nothing else.
    """
    if before:
        writes(tmp_path, *call("old"), used(before))
        for agent in ("a1", "a2"):
            writes(tmp_path, *call(f"old {agent}", agent), agent=agent)
    async with gateway(tmp_path) as first:
        await first.hook("SessionStart", source="resume" if before else "startup")
        writes(tmp_path, *call("one"))
        writes(tmp_path, *call("sub one", "a1"), agent="a1")
        await first.hook("PostToolBatch", prompt_id="p")
        await first.until(Paused)
        assert first.calls() == [("one", 5), ("sub one", 5)]
    writes(tmp_path, *call("sub two", "a1"), agent="a1")
    writes(tmp_path, *call("sub three", "a2"), agent="a2")
    async with gateway(tmp_path) as second:
        await second.hook("PostToolBatch", prompt_id="p")
        writes(tmp_path, *call("sub four", "a3"), agent="a3")
        writes(tmp_path, used(before + 5 * 5 + 7))
        await second.hook("SessionEnd", reason="other")
        await second.until(Exited)
        names = ("one", "sub one", "sub two", "sub three", "sub four")
        assert second.calls() == [*((name, 5) for name in names), ("beyond", 7)]


@pytest.mark.parametrize("late", [False, True], ids=["said before", "said after its hook"])
@pytest.mark.parametrize("restarted", [False, True], ids=["one gateway", "another each time"])
async def test_what_no_line_shows_is_booked_once_though_a_session_ends_and_is_taken_up_again(
    tmp_path: Path, restarted: bool, late: bool
) -> None:
    """/clear and /resume in one client, or the same with a gateway that comes after: each end books what it shows beyond the last.
    The client says so before its last hook, or, as at /clear, once that is answered.
    """
    ledger: dict[str, int] = {}
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(gateway(tmp_path))
        await here.hook("SessionStart", source="startup")
        writes(tmp_path, *call("one"), *call("two"))
        writes(tmp_path, *call("sub one", "a1"), agent="a1")
        total = 15
        for beyond in (7, 0, 9, 30):
            total += beyond
            if not late:
                writes(tmp_path, used(total), used(total))
            await here.hook("SessionEnd", reason="clear")
            if late:
                writes(tmp_path, used(total), used(total))
            await here.until(Exited)
            ledger = here.ledger() | ledger
            assert sum(ledger.values()) == total
            if restarted:
                await stack.aclose()
                here = await stack.enter_async_context(gateway(tmp_path))
            here.told.clear()
            await here.hook("SessionStart", source="resume")
            writes(tmp_path, *call(f"after {total}"))
            total += 5


async def test_a_session_that_is_taken_up_at_once_waits_until_what_it_used_is_known(tmp_path: Path) -> None:
    """The next gateway of it, and the next end, know what the first one has shown: it is booked once."""
    async with gateway(tmp_path) as one:
        await one.hook("SessionStart", source="startup")
        writes(tmp_path, *call("one"))
        await one.hook("SessionEnd", reason="resume")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: one.hook("SessionStart", source="resume"))
            await anyio.lowlevel.checkpoint()
            assert len(one.clients) == 1
            writes(tmp_path, used(12))
        writes(tmp_path, *call("two"), used(17 + 4))
        await one.hook("SessionEnd", reason="other")
        await one.until(Exited, 2)
        assert [tokens for name, tokens in one.calls() if name not in ("one", "two")] == [7, 4]


async def test_a_gateway_that_stops_does_not_wait_for_what_a_session_used(tmp_path: Path) -> None:
    """It is read by the next one, from where the session began."""
    async with gateway(tmp_path) as first:
        await first.hook("SessionStart", source="startup")
        writes(tmp_path, *call("one"))
        await first.hook("SessionEnd", reason="clear")
        began = anyio.current_time()
    assert anyio.current_time() - began < SUMMED_LIMIT_S / 2
    async with gateway(tmp_path) as second:
        await second.hook("SessionStart", source="resume")
        writes(tmp_path, used(12))
        await second.hook("SessionEnd", reason="other")
        await second.until(Exited)
        assert second.calls() == [("one", 5), ("beyond", 7)]


# ------------------------------------------------------------------------------------------- what cannot be, and limits
def note_of(place: Path) -> Path:
    """Where the session's note is written before it takes its place; a directory there is a disk that takes nothing."""
    return place / "home" / "agents" / "desk" / f"{SESSION}.new"


async def test_a_session_that_cannot_be_noted_is_blocked_with_what_to_do(tmp_path: Path) -> None:
    """Without its note the next gateway would count it wrongly; once the disk takes it, it goes on."""
    note_of(tmp_path).mkdir(parents=True)
    async with gateway(tmp_path) as one:
        await one.hook("SessionStart", source="startup")
        verdict = await one.hook("UserPromptSubmit", prompt="fix it", prompt_id="p")
        why = f"Tollbridge cannot keep its notes in {tmp_path / 'home'} (Is a directory): mend that first."
        assert verdict == {"decision": "block", "reason": why}
        note_of(tmp_path).rmdir()
        assert await one.hook("UserPromptSubmit", prompt="fix it", prompt_id="p") == {}


async def test_a_disk_that_is_full_as_a_session_ends_ends_nothing_else(tmp_path: Path) -> None:
    """Its end is told, its note stays, and if it is opened again it is read on from where it was."""
    async with gateway(tmp_path) as one:
        await one.hook("SessionStart", source="startup")
        writes(tmp_path, *call("one"))
        note_of(tmp_path).mkdir()
        assert await one.hook("SessionEnd", reason="clear") == {}
        await one.until(Exited)
    note_of(tmp_path).rmdir()
    async with gateway(tmp_path) as second:
        await second.hook("SessionStart", source="resume")
        await second.until(CallMetered)
        assert [event.call_id for event in second.told if isinstance(event, CallMetered)] == ["one"]


async def test_a_disk_that_is_full_as_a_client_is_missed_ends_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks for clients that are gone goes on looking: those that are killed later are missed, too."""
    monkeypatch.setattr(desk, "LOOK_EVERY_S", 0.01)
    async with gateway(tmp_path) as one:
        with process() as old:
            await one.hook("SessionStart", old, source="startup")
            await one.hook("SessionEnd", old, reason="clear")
            note_of(tmp_path).mkdir()
        for number in (2, 3):
            with process() as old:
                name = f"0f4c1d6e-0000-4000-8000-00000000000{number}"
                await one.hook("SessionStart", old, source="startup", session_id=name)
            with anyio.fail_after(30):
                while sum(isinstance(event, Exited) for event in one.told) < number:  # noqa: ASYNC110 - as in `until`
                    await anyio.sleep(0.01)


async def test_one_session_too_many_is_told_so_and_has_a_place_when_another_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are open work on."""
    monkeypatch.setattr(sessions, "SESSIONS_MAX", 2)
    second, third = "0f4c1d6e-0000-4000-8000-000000000002", "0f4c1d6e-0000-4000-8000-000000000003"
    async with gateway(tmp_path) as one:
        for session in (SESSION, second):
            await one.hook("SessionStart", source="startup", session_id=session)
        verdict = await one.hook("UserPromptSubmit", prompt="x", prompt_id="p", session_id=third)
        assert verdict == {"decision": "block", "reason": desk.TOO_MANY}
        assert await one.hook("UserPromptSubmit", prompt="x", prompt_id="p") == {}
        await one.hook("SessionEnd", reason="clear")
        assert await one.hook("UserPromptSubmit", prompt="x", prompt_id="p", session_id=third) == {}


async def test_names_that_no_file_can_have_are_names_of_nothing(tmp_path: Path) -> None:
    """A transcript with a part of 300 characters: nothing is read of it, and its session is answered."""
    told = {"session_id": SESSION, "cwd": str(tmp_path), "source": "startup"}
    async with gateway(tmp_path) as one:
        for event in ("SessionStart", "UserPromptSubmit", "Stop", "SessionEnd"):
            more = {"hook_event_name": event, "transcript_path": str(tmp_path / ("x" * 300) / "y.jsonl")}
            assert await one.desk.hook(event, json.dumps(told | more).encode(), (1, os.getpid())) == {}
