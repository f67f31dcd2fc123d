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
from gateway.agents.claude.desk import OPEN, SESSIONS_MAX, TOO_MANY, DeskAgent, DeskClient, sessions
from gateway.agents.claude.desk.client import LOOK_EVERY_S, SUMMED_LIMIT_S
from gateway.agents.claude.desk.log import Log
from gateway.agents.claude.desk.notes import Notes
from gateway.agents.claude.desk.pushes import SAID_AGAIN
from gateway.agents.claude.transcript import Tail
from gateway.agents.warden import ON_LINUX
from gateway.core import channel
from gateway.domain.effects import GoOn, Words
from gateway.domain.events import AgentEvent, CallMetered, End, Exited, Finished, Listening, Paused, Started
from gateway.ports import Launch

pytestmark = pytest.mark.anyio

SESSION = "0f4c1d6e-0000-4000-8000-000000000001"
MODEL = "claude-opus-4-8"
FORGED = {"source": "startup", "transcript_path": "/forged.jsonl"}
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
        with anyio.fail_after(10):
            while len(self.clients) < times:  # noqa: ASYNC110 - the engine is told, nobody else
                await anyio.sleep(0.01)

    async def until(self, kind: type[AgentEvent], times: int = 1) -> None:
        with anyio.fail_after(10):
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
        with anyio.fail_after(10):
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


async def test_what_nobody_sat_at_is_not_brought_back_by_another_clients_channel(tmp_path: Path) -> None:
    """Whether somebody sits at that one, its hooks say."""
    async with gateway(tmp_path) as first:
        with process() as old:
            await first.hook("SessionStart", old, source="startup", unattended=True)
    async with gateway(tmp_path) as second, second.desk.joined(Wire(), SESSION, (1, os.getpid())):
        assert second.clients == []


async def test_a_session_that_nobody_sits_at_is_still_that_for_the_next_gateway(tmp_path: Path) -> None:
    """Its hooks say so; its channel alone, which brings it back, does not."""
    async with gateway(tmp_path) as first:
        await first.hook("SessionStart", source="startup", unattended=True)
    async with gateway(tmp_path) as second, second.desk.joined(Wire(), SESSION, (1, os.getpid())):
        assert [(client.way.unattended, client.listens) for client in second.clients] == [(True, False)]


async def test_a_session_that_has_ended_is_not_brought_back_by_its_channel(tmp_path: Path) -> None:
    """Its client went on to another one, of which this gateway has not heard: nothing is pushed to the wrong conversation."""
    async with gateway(tmp_path) as first:
        await first.hook("SessionStart", source="startup")
        await first.hook("SessionEnd", reason="clear")
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


async def test_a_run_that_dies_with_its_client_is_not_said_to_have_ended(tmp_path: Path) -> None:
    """The hook let the message in, and then all of the client was gone: whoever hears of it has to look into the conversation."""
    async with gateway(tmp_path) as one:
        with process() as old:
            await one.hook("SessionStart", old, source="startup")
            async with one.desk.joined(Wire(), SESSION, (1, old)):
                await one.clients[0].prompt(MESSAGE, "hello")
                assert await one.hook("UserPromptSubmit", old, prompt=tag(), prompt_id="p") == {}
        await one.hook("SessionStart", source="resume")
        await one.until(Exited)
        assert one.ends() == []


async def test_a_run_that_dies_at_its_first_boundary_is_not_said_to_have_been_stopped(tmp_path: Path) -> None:
    """Nobody had answered the hook yet: the message is not there, and was not refused either."""
    async with gateway(tmp_path) as one:
        one.silent = True
        with process() as old:
            await one.hook("SessionStart", old, source="startup")
            async with one.desk.joined(Wire(), SESSION, (1, old)):
                await one.clients[0].prompt(MESSAGE, "hello")
                assert one.tasks is not None
                one.tasks.start_soon(lambda: one.hook("UserPromptSubmit", old, prompt=tag(), prompt_id="p"))
                await one.until(Paused)
        await one.hook("SessionStart", source="resume")
        await one.until(Exited)
        assert one.ends() == []


async def test_what_another_sessions_agent_starts_takes_over_no_open_session(tmp_path: Path) -> None:
    """A shell below one client says that it opens the session of another: the run there goes on, and so do its messages."""
    async with gateway(tmp_path) as one:
        with process() as client, process() as other, process() as shell:
            await one.hook("SessionStart", other, session_id="other", source="startup")
            await one.hook("SessionStart", client, source="startup")
            mine, theirs = Wire(), Wire()
            async with one.desk.joined(mine, SESSION, (1, client)):
                assert await one.hook("UserPromptSubmit", client, prompt="work", prompt_id="p") == {}
                await one.hook("SessionStart", shell, (other,), source="startup")
                async with one.desk.joined(theirs, SESSION, (1, shell, other)):
                    assert one.desk.client_of(theirs) is None
                    assert one.desk.client_of(mine) is one.clients[1]
                await one.hook("SessionEnd", shell, (other,), reason="other")
                await one.hook("Stop", client, prompt_id="p")
                await one.until(Finished)
                assert [end.end for end in one.ends()] == [End.DONE]
                assert len(one.clients) == 2


@pytest.mark.parametrize("restarted", [False, True], ids=["one gateway", "another one meanwhile"])
async def test_a_conversation_that_is_open_in_one_terminal_is_not_gone_on_with_in_another(
    tmp_path: Path, restarted: bool
) -> None:
    """The second client's prompts are blocked as long as the first one lives, and let in from then on."""
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(gateway(tmp_path))
        with process() as first:
            await here.hook("SessionStart", first, source="startup")
            if restarted:
                await stack.aclose()
                here = await stack.enter_async_context(gateway(tmp_path))
            else:
                assert await here.hook("UserPromptSubmit", first, prompt="work", prompt_id="p") == {}
            assert await here.hook("SessionStart", source="resume") == {}
            blocked = {"decision": "block", "reason": OPEN}
            assert await here.hook("UserPromptSubmit", prompt="go on", prompt_id="q") == blocked
            await here.hook("SessionEnd", reason="other")
            assert Exited not in map(type, here.told)
            assert await here.hook("PostToolBatch", first, prompt_id="p") == {}
        assert await here.hook("UserPromptSubmit", prompt="go on", prompt_id="q") == {}


async def test_what_an_agent_has_opened_itself_is_its_persons_as_soon_as_they_open_it(tmp_path: Path) -> None:
    """Whoever names a conversation first, from a shell below a client, keeps nobody out of it who opens it in a terminal."""
    async with gateway(tmp_path) as one:
        with process() as other, process() as shell:
            await one.hook("SessionStart", other, session_id="other", source="startup")
            await one.hook("SessionStart", shell, (other,), source="resume")
            await one.hook("SessionStart", source="resume")
            assert await one.hook("UserPromptSubmit", prompt="go on", prompt_id="q") == {}


@pytest.mark.skipif(not ON_LINUX, reason="elsewhere only the first process takes in orphans")
async def test_what_takes_in_orphans_is_no_client(tmp_path: Path) -> None:
    """A hook that was set adrift has it for a parent, and so have clients and the gateway: nobody is kept out in its name."""
    async with gateway(tmp_path) as one:
        await one.hook("SessionStart", os.getppid(), source="startup")
        await one.hook("SessionStart", source="resume")
        assert await one.hook("UserPromptSubmit", prompt="go on", prompt_id="p") == {}


async def test_whoever_names_a_conversation_before_it_is_opened_does_not_have_it_then(tmp_path: Path) -> None:
    """Something adrift says that it opens it, with a transcript of its own: the client that opens it has its hooks and its messages."""
    writes(tmp_path, *call("old"))
    async with gateway(tmp_path) as one:
        named = json.dumps({"session_id": SESSION, "hook_event_name": "SessionStart", "cwd": str(tmp_path)} | FORGED)
        await one.desk.hook("SessionStart", named.encode(), (1, 1))
        theirs, mine = Wire(), Wire()
        async with one.desk.joined(theirs, SESSION, (1, 1)), one.desk.joined(mine, SESSION, (1, one.process)):
            await one.hook("SessionStart", source="resume")
            assert one.desk.client_of(theirs) is None
            assert one.desk.client_of(mine) is one.clients[-1]
            assert await one.hook("UserPromptSubmit", prompt="go on", prompt_id="p") == {}
            writes(tmp_path, *call("new"))
            assert await one.hook("PostToolBatch", prompt_id="p") == {}
            await one.until(CallMetered)
            assert one.calls() == [("new", 5)]


async def test_sessions_of_which_no_process_is_known_keep_nobody_out(tmp_path: Path) -> None:
    """When there are too many, the oldest makes room; not one that is at work, though, nor one whose client is known."""
    async with gateway(tmp_path) as one:
        await one.hook("SessionStart", session_id="known", source="startup")
        for number in range(SESSIONS_MAX - 1):
            await one.hook("SessionStart", 1, session_id=f"adrift {number}", source="startup")
        await one.hook("UserPromptSubmit", 1, session_id="adrift 0", prompt="work", prompt_id="p")
        assert await one.hook("UserPromptSubmit", prompt="hello", prompt_id="q") == {}
        await one.until(Exited)
        assert (await one.hook("Stop", 1, session_id="adrift 0", prompt_id="p"), len(one.clients)) == (
            {},
            SESSIONS_MAX + 1,
        )
        await one.until(Finished)
        await one.hook("UserPromptSubmit", 1, session_id="adrift 0", prompt="more", prompt_id="p2")
        for number in range(2, SESSIONS_MAX - 1):
            await one.hook("UserPromptSubmit", 1, session_id=f"adrift {number}", prompt="work", prompt_id="p")
        verdict = await one.hook("UserPromptSubmit", session_id="one more", prompt="hello", prompt_id="q")
        assert verdict == {"decision": "block", "reason": TOO_MANY}


async def test_a_session_whose_transcript_is_long_to_read_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its own hooks wait until it is read; so many sessions may be open, those that are being read counted."""
    goes_on, really = threading.Event(), Log.read

    def slow(log: Log, *args: Any) -> Any:
        assert goes_on.wait(20)
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
            with anyio.fail_after(5):
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


async def test_sub_agents_of_a_session_are_told_of_under_the_same_names_by_the_next_gateway(tmp_path: Path) -> None:
    """What ran before is in the ledger by its name, what ran while nobody was there is new, and the client's sum adds nothing."""
    async with gateway(tmp_path) as first:
        await first.hook("SessionStart", source="startup")
        writes(tmp_path, *call("one"))
        writes(tmp_path, *call("sub one", "a1"), agent="a1")
        await first.hook("PostToolBatch", prompt_id="p")
        await first.until(Paused)
        assert first.calls() == [("one", 5), ("sub one", 5)]
    writes(tmp_path, *call("sub two", "a1"), agent="a1")
    writes(tmp_path, *call("sub three", "a2"), agent="a2")
    async with gateway(tmp_path) as second:
        await second.hook("PostToolBatch", prompt_id="p")
        writes(tmp_path, used(20))
        await second.hook("SessionEnd", reason="other")
        await second.until(Exited)
        assert second.calls() == [("one", 5), ("sub one", 5), ("sub two", 5), ("sub three", 5)]


async def test_what_sub_agents_spent_before_a_session_was_heard_of_is_none_of_its_calls_for_any_gateway(
    tmp_path: Path,
) -> None:
    """The conversation was taken up again: of an old sub-agent only what is added counts, also after a restart, and so in the sum."""
    writes(tmp_path, *call("old"), used(15))
    for agent in ("a1", "a2"):
        writes(tmp_path, *call(f"old {agent}", agent), agent=agent)
    async with gateway(tmp_path) as first:
        await first.hook("SessionStart", source="resume")
        writes(tmp_path, *call("one"))
        writes(tmp_path, *call("sub one", "a1"), agent="a1")
        await first.hook("PostToolBatch", prompt_id="p")
        await first.until(Paused)
        assert first.calls() == [("one", 5), ("sub one", 5)]
    async with gateway(tmp_path) as second:
        await second.hook("PostToolBatch", prompt_id="p")
        writes(tmp_path, *call("sub two", "a3"), agent="a3")
        writes(tmp_path, used(15 + 15 + 7))
        await second.hook("SessionEnd", reason="other")
        await second.until(Exited)
        assert second.calls() == [("one", 5), ("sub one", 5), ("sub two", 5), ("beyond", 7)]


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
            with anyio.fail_after(10):
                while sum(isinstance(event, Exited) for event in one.told) < number:  # noqa: ASYNC110 - as in `until`
                    await anyio.sleep(0.01)


async def test_another_program_cannot_speak_for_a_session(tmp_path: Path) -> None:
    """What its own agent has started, or what names another transcript: it is told so, and the session's own hooks are heard."""
    async with gateway(tmp_path) as one:
        await one.hook("SessionStart", source="startup")
        blocked = {"decision": "block", "reason": desk.MOVED}
        told = {"session_id": SESSION, "hook_event_name": "UserPromptSubmit", "cwd": str(tmp_path), "prompt": "x"}
        own = str(tmp_path / "transcript.jsonl")
        for lineage, transcript in (((1, 2, os.getpid()), own), ((1, os.getpid()), str(tmp_path / "another.jsonl"))):
            body = json.dumps(told | {"transcript_path": transcript}).encode()
            assert await one.desk.hook("UserPromptSubmit", body, lineage) == blocked
        assert await one.hook("UserPromptSubmit", prompt="x", prompt_id="p") == {}


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


def test_what_is_no_file_is_not_read_and_not_kept_open(tmp_path: Path) -> None:
    """A directory in the transcript's place: looked at as often as one likes."""
    tail, before = Tail(tmp_path), len(list(Path("/dev/fd").iterdir()))
    assert [tail.piece() for _ in range(50)] == [None] * 50
    assert len(list(Path("/dev/fd").iterdir())) < before + 50


def test_a_transcript_that_stands_is_not_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many sub-agents most are done: only what grew is read."""
    place, opened, really = tmp_path / "transcript" / "subagents", list[str](), os.open
    place.mkdir(parents=True)

    def noted(path: Path, *how: int) -> int:
        opened.append(Path(path).name)
        return really(path, *how)

    log = Log(tmp_path / "transcript.jsonl")
    writes(tmp_path, *call("one"))
    for name in ("a", "b"):
        (place / f"agent-{name}.jsonl").write_text("{}\n")
    assert [event.call_id for event in log.read()] == ["one"]
    monkeypatch.setattr(os, "open", noted)
    assert log.read() == []
    with (place / "agent-b.jsonl").open("a") as file:
        file.writelines(json.dumps(line | {"agentId": "b"}) + "\n" for line in call("two"))
    assert [event.call_id for event in log.read()] == ["two"]
    assert set(opened) == {"agent-b.jsonl"}


@pytest.mark.parametrize("name", ["\ud83d", "a\0b", "x" * 201, 7, None])
def test_a_request_whose_name_nothing_can_keep_is_passed_over(tmp_path: Path, name: object) -> None:
    """Left without an answer it would become a call of that name."""
    log = Log(tmp_path / "transcript.jsonl")
    model = {"params": {"model": "\ud83d"}}
    writes(tmp_path, {"type": "api-request", "id": name}, {"type": "api-request", "id": "sound"} | model)
    assert log.read() == []
    assert [(event.call_id, event.usage.model) for event in log.cut(every_loop=True)] == [
        ("unanswered-sound", "unknown")
    ]
