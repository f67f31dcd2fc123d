"""What the scripted agent promises: the contract of every agent, and what only a script can show."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Protocol

import anyio
import pytest

from gateway.agents.scripted import (
    MODEL,
    AskPerson,
    Background,
    CallApi,
    Crash,
    Fail,
    Say,
    Script,
    ScriptedAgent,
    SpawnSubAgents,
    Step,
    SubAgent,
    UseTool,
    Wait,
    demo,
)
from gateway.agents.scripted.desk import EVENTS_UNREAD_MAX
from gateway.domain.effects import AllowTool, Answer, DenyTool, EndTurn, GoOn, Words
from gateway.domain.events import (
    Acted,
    AgentEvent,
    AskedPermission,
    AskedQuestion,
    BackgroundChanged,
    CallMetered,
    End,
    Exited,
    Finished,
    Paused,
    Said,
    Started,
)
from gateway.domain.usage import Tokens, Usage
from gateway.ports import AgentUnavailableError, Client, Launch
from tests.agents import contract
from tests.agents.contract import U1, U2, Check, Watch, at_work, go_on, resumed

pytestmark = pytest.mark.anyio

ONE_CALL = (CallApi(Tokens(input=3, cache_read=100, output=20)), Say("done"))
"""A whole turn: one call and its answer."""


def drawn(random: Random) -> Tokens:
    """Counts of which no two classes can be taken for one another."""
    counts = random.sample(range(1_000, 9_000), 5)
    return Tokens(*counts[:4], output=counts[4])


class ScriptedRig:
    """The contract's rig over the scripted agent."""

    def __init__(self, directory: Path) -> None:
        self._random = Random(7)  # noqa: S311 - figures for a test
        self._plans: list[tuple[Step, ...]] = []
        self.agent = ScriptedAgent(lambda _text, _context: Script(self._plans.pop(0)))
        self.launch = Launch("s_1", str(directory))

    def _call(self) -> CallApi:
        return CallApi(drawn(self._random))

    async def answer(self, text: str) -> None:
        self._plans.append((self._call(), Say(text)))

    async def tools(self, calls: int, *, ask: bool = False) -> None:
        between = [
            step for _ in range(calls - 1) for step in (UseTool("Bash", "ls", asks_permission=ask), self._call())
        ]
        self._plans.append((self._call(), *between, Say("done")))

    async def hang(self) -> None:
        self._plans.append((CallApi(drawn(self._random), anyio.Event()),))

    async def hanging(self) -> None:
        await anyio.wait_all_tasks_blocked()

    async def quiet(self) -> None:
        await anyio.wait_all_tasks_blocked()

    async def sub_agents(self, *, foreground: int = 0, background: int = 0) -> None:
        two_calls = [
            SubAgent(f"part {n}", (self._call(), UseTool("Read", "a.py"), self._call()))
            for n in range(foreground + background)
        ]
        behind = (Background(tuple(two_calls[foreground:]), (self._call(),)),) if background else ()
        before = (SpawnSubAgents(tuple(two_calls[:foreground])),) if foreground else ()
        self._plans.append((self._call(), *behind, *before, self._call(), Say("done")))

    def charged(self) -> list[Tokens]:
        return [charge.call.usage.tokens for charge in self.agent.charges if charge.call.ended]


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
async def test_the_scripted_agent_keeps_the_agents_contract(check: Check, tmp_path: Path) -> None:
    """Every promise of the Agent port holds for the scripted agent."""
    rig = ScriptedRig(tmp_path)
    async with rig.agent:
        with anyio.fail_after(contract.PATIENCE_S):
            await check(rig)


@dataclass
class Scene:
    """A scripted agent at work: the agent, its client, and what is seen of it."""

    agent: ScriptedAgent
    launch: Launch
    client: Client
    seen: Watch

    async def play(self) -> Finished:
        """Hand over a prompt and wait for the end of its run."""
        await self.client.prompt(U1, "go")
        return await self.seen.finished()


class PlayIn(Protocol):
    """Plays the same steps for every prompt; see the fixture."""

    def __call__(
        self, *steps: Step, answer: Callable[[AgentEvent], Answer | None] = go_on, **settings: Any
    ) -> AbstractAsyncContextManager[Scene]: ...


@pytest.fixture
def playing(tmp_path: Path) -> PlayIn:
    """An agent that plays the same steps for every prompt, for as long as a `with` block lasts."""

    @asynccontextmanager
    async def work(
        *steps: Step, answer: Callable[[AgentEvent], Answer | None] = go_on, **settings: Any
    ) -> AsyncIterator[Scene]:
        launch = Launch("s_1", str(tmp_path))
        async with ScriptedAgent(Script(steps), **settings) as agent, at_work(agent, launch, answer) as (client, seen):
            with anyio.fail_after(contract.PATIENCE_S):
                yield Scene(agent, launch, client, seen)

    return work


async def test_a_boundary_stands_before_every_call_and_every_tool(playing: PlayIn) -> None:
    """The order of a turn: start, boundary, call, boundary, tool, boundary, call, end."""
    async with playing(*ONE_CALL[:1], UseTool("Edit", "a.py"), *ONE_CALL) as scene:
        await scene.play()
        kinds = [event.before if isinstance(event, Paused) else type(event) for event in scene.seen.seen]
        assert kinds == [
            *(Started, "the first call", CallMetered),
            *("Edit", Acted, "the next call", CallMetered, Said),
            Finished,
        ]
        assert scene.seen.seen[0] == Started(scene.client.agent_session, MODEL, U1)


async def test_each_loop_makes_at_most_one_call_after_the_limit(playing: PlayIn) -> None:
    """Three background sub-agents and the main loop, all held at their next boundary: one call each at most, then none."""
    work = (*ONE_CALL, UseTool("Read"), *ONE_CALL, UseTool("Read"), *ONE_CALL)
    sub_agents = tuple(SubAgent(str(n), work) for n in range(3))
    boundaries: list[AgentEvent] = []

    def hold_after_the_sub_agents_started(event: AgentEvent) -> Answer | None:
        boundaries.append(event)
        return GoOn() if len(boundaries) <= 1 + len(sub_agents) else None

    steps = (*ONE_CALL, Background(sub_agents), *ONE_CALL)
    async with playing(*steps, answer=hold_after_the_sub_agents_started) as scene:
        await scene.client.prompt(U1, "go")
        await scene.seen.paused(1 + 3 + 4)
        await anyio.wait_all_tasks_blocked()
        after = [charge.call.loop for charge in scene.agent.charges[1:]]
        assert sorted(after) == ["agent-1", "agent-2", "agent-3"]


async def test_allowed_for_the_session_is_not_asked_again(playing: PlayIn) -> None:
    """A plain yes is asked anew for the next use; a yes for the session is not."""
    yes = iter([AllowTool(), AllowTool(for_session=True)])
    tools = tuple(UseTool("Bash", name, asks_permission=True) for name in "abc")

    def allow(event: AgentEvent) -> Answer | None:
        return next(yes) if isinstance(event, AskedPermission) else go_on(event)

    async with playing(*ONE_CALL, *tools, answer=allow) as scene:
        await scene.play()
        assert [event.summary for event in scene.seen.seen if isinstance(event, AskedPermission)] == ["a", "b"]
        assert len(scene.seen.of(Acted)) == 3


async def test_a_denied_tool_is_not_used_and_the_script_knows(playing: PlayIn) -> None:
    """After a no the tool's own way out is played, and nothing says that the tool was used."""
    tool = UseTool("Bash", "rm", asks_permission=True, if_denied=(Say("as you wish"),))

    def deny(event: AgentEvent) -> Answer | None:
        return DenyTool("no") if isinstance(event, AskedPermission) else go_on(event)

    async with playing(*ONE_CALL, tool, Say("removed"), answer=deny) as scene:
        assert (await scene.play()).text == "as you wish"
        assert not scene.seen.of(Acted)


async def test_the_persons_words_reach_the_agent(playing: PlayIn) -> None:
    """A question waits for words, and the agent goes on with them."""

    def blue(event: AgentEvent) -> Answer | None:
        return Words("blue") if isinstance(event, AskedQuestion) else go_on(event)

    async with playing(*ONE_CALL, AskPerson("Which?", ("red", "blue")), Say("{answer} it is"), answer=blue) as scene:
        assert (await scene.play()).text == "blue it is"


async def test_an_answer_of_the_wrong_kind_is_a_bug(playing: PlayIn) -> None:
    """Words cannot answer a boundary: it goes on waiting for what it asked."""
    async with playing(*ONE_CALL, answer=lambda _event: None) as scene:
        await scene.client.prompt(U1, "go")
        held = await scene.seen.paused()
        with pytest.raises(TypeError, match="Words is no answer"):
            await scene.client.respond(held.request_id, Words("hm"))
        assert await scene.client.respond(held.request_id, EndTurn("enough"))


async def test_a_failure_is_told_as_one(playing: PlayIn) -> None:
    """A failed run says how it failed, and what it used all the same."""
    async with playing(ONE_CALL[0], Fail("overloaded")) as scene:
        finished = await scene.play()
        assert (finished.end, finished.text) == (End.ERROR, "overloaded")
        assert finished.totals == (Usage(MODEL, ONE_CALL[0].tokens),)


async def test_a_crash_is_told_without_an_end_of_the_run(playing: PlayIn) -> None:
    """A process that dies in mid-run says no more than that it is gone; its open call is cut, and it takes no prompt."""
    slow = SubAgent("slow", (CallApi(Tokens(input=5, output=8), anyio.Event()),))
    async with playing(*ONE_CALL, Background((slow,)), Wait(0), Crash("out of memory")) as scene:
        await scene.client.prompt(U1, "go")
        assert await scene.seen.until(Exited) == Exited("out of memory")
        assert not scene.seen.of(Finished)
        assert [call.ended for call in scene.seen.calls] == [True, False]
        with pytest.raises(AgentUnavailableError, match="out of memory"):
            await scene.client.prompt(U2, "go")
        assert not await scene.client.respond("anything", GoOn())


async def test_a_background_agent_outlives_the_turn(playing: PlayIn) -> None:
    """The turn's end counts who still works; each change is told; the report is a run of its own."""
    done = anyio.Event()
    used = Tokens(input=9, output=1)
    behind = Background((SubAgent("survey", (CallApi(used, done),)),), report=(Say("the report"),))
    async with playing(*ONE_CALL, behind, Say("started")) as scene:
        assert (await scene.play()).background == 1
        done.set()
        report = await scene.seen.finished(2)
        assert (report.prompt_uuid, report.text, report.background) == (None, "the report", 0)
        assert report.totals == (Usage(MODEL, used),)
        assert scene.seen.of(BackgroundChanged) == [BackgroundChanged(1, 0), BackgroundChanged(0, 0)]


async def test_an_interrupt_before_the_run_began_still_stops_it(playing: PlayIn) -> None:
    """A prompt and an interrupt in the same breath: no call is made."""
    async with playing(*ONE_CALL) as scene:
        await scene.client.prompt(U1, "go")
        await scene.client.interrupt()
        assert (await scene.seen.finished()).end is End.INTERRUPTED
        assert not scene.agent.charges


async def test_prompts_that_wait_have_a_limit(playing: PlayIn) -> None:
    """More prompts than can be kept are refused with a reason; none of those accepted is lost."""
    async with playing(*ONE_CALL) as scene:
        for n in range(16):
            await scene.client.prompt(f"uuid-{n}", "go")
        with pytest.raises(AgentUnavailableError, match="too many prompts"):
            await scene.client.prompt("uuid-16", "go")
        await scene.seen.finished(16)
        assert [uuid for uuid, _ in scene.agent.prompts] == [f"uuid-{n}" for n in range(16)]


async def test_events_that_nobody_reads_hold_the_agent_up(tmp_path: Path) -> None:
    """With nobody reading, the agent stops before its unread events grow without a limit, and loses none of them."""
    script = Script((*ONE_CALL, *[Say(str(n)) for n in range(400)]))
    async with ScriptedAgent(script) as agent, anyio.create_task_group() as crew:
        client = await agent.start(Launch("s_1", str(tmp_path)))
        seen = Watch(client, go_on)
        read = client.events()
        await client.prompt(U1, "go")
        while not isinstance(event := await anext(read), Paused):
            seen.seen.append(event)
        assert await client.respond(event.request_id, GoOn())
        await anyio.wait_all_tasks_blocked()
        assert len(client._desk._events) == EVENTS_UNREAD_MAX
        crew.start_soon(seen.run)
        assert (await seen.finished()).text == "399"
        assert len(seen.of(Said)) == 401
        await client.close()


async def test_pace_stretches_the_scripts_seconds(playing: PlayIn) -> None:
    """Seconds in the script are multiplied by the pace and passed to the injected sleep."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with playing(CallApi(Tokens(output=1), 2.0), Wait(0.5), pace=0.5, sleep=sleep) as scene:
        await scene.play()
        assert slept == [1.0, 0.25]


async def test_leaving_the_agent_ends_its_clients(tmp_path: Path) -> None:
    """A client that nobody closed ends with the agent, and says so."""
    async with ScriptedAgent(Script(ONE_CALL)) as agent:
        client = await agent.start(Launch("s_1", str(tmp_path)))
    assert [event async for event in client.events()] == [Exited("it was closed")]


async def test_a_directory_that_is_gone_is_said_so(tmp_path: Path) -> None:
    """Starting in a directory that does not exist is refused with what to do."""
    async with ScriptedAgent(Script(ONE_CALL)) as agent:
        with pytest.raises(AgentUnavailableError, match="is gone: /new starts in another one"):
            await agent.start(Launch("s_1", str(tmp_path / "gone")))


# ------------------------------------------------------------------------------------------------- across a restart
async def test_a_killed_process_leaves_what_is_known_on_disk(tmp_path: Path, playing: PlayIn) -> None:
    """From the file alone: ended calls are exact, the call in flight is a lower bound, a torn line is no fact."""
    slow = CallApi(Tokens(input=7, cache_read=50, output=900), anyio.Event())
    async with playing(*ONE_CALL, slow, directory=tmp_path) as scene:
        await scene.client.prompt(U1, "go")
        await scene.seen.paused(2)
        await anyio.wait_all_tasks_blocked()
        journal = anyio.Path(scene.client.process.journal)
        left = await journal.read_bytes()
        launch = resumed(scene.launch, scene.client)
        name = scene.client.agent_session
        await scene.client.close()
        await journal.write_bytes(left + b'\n{"kind":"ev')
        async with ScriptedAgent(Script(ONE_CALL), directory=tmp_path) as agent:
            found = await agent.recover(launch, scene.client.process, U1)
            assert found.prompt_known
            assert found.events == (
                Started(name, MODEL, U1),
                CallMetered(f"{name}:1", Usage(MODEL, ONE_CALL[0].tokens)),
                Said("done"),
                CallMetered(f"{name}:2", Usage(MODEL, replace(slow.tokens, output=0)), ended=False),
            )
            await agent.start(launch)
            again = await agent.recover(launch, None, U2)
            assert (again.prompt_known, again.events) == (False, ())


async def test_a_resumed_conversation_knows_its_prompts_from_disk(tmp_path: Path) -> None:
    """After a restart the same uuid is not run again, call ids go on, and the context is remembered."""
    contexts: list[int] = []

    def play(_text: str, context: int) -> Script:
        contexts.append(context)
        return Script(ONE_CALL)

    launch = Launch("s_1", str(tmp_path))
    ids: list[str] = []
    for prompts in ([U1], [U1, U2]):
        async with ScriptedAgent(play, directory=tmp_path) as agent, at_work(agent, launch) as (client, seen):
            for uuid in prompts:
                await client.prompt(uuid, "go")
            assert (await seen.finished()).prompt_uuid == prompts[-1]
            ids += [call.call_id for call in seen.calls]
            launch = resumed(launch, client)
    assert contexts == [0, 123]
    assert ids == [f"{launch.agent_session}:1", f"{launch.agent_session}:2"]
    (journal,) = [path async for path in anyio.Path(tmp_path).glob("*.jsonl")]
    assert (await journal.stat()).st_mode & 0o777 == 0o600


async def test_a_prompt_that_was_never_let_through_may_be_sent_again(tmp_path: Path) -> None:
    """A prompt still held at its first boundary when the gateway died is unknown, and runs when it is sent again."""
    launch = Launch("s_1", str(tmp_path))
    async with ScriptedAgent(Script(ONE_CALL), directory=tmp_path) as agent:
        async with at_work(agent, launch, lambda _event: None) as (client, seen):
            await client.prompt(U1, "go")
            await seen.paused()
            launch = resumed(launch, client)
            assert not (await agent.recover(launch, client.process, U1)).prompt_known
        async with at_work(agent, launch) as (client, seen):
            await client.prompt(U1, "go")
            assert (await seen.finished()).end is End.DONE


async def test_a_transcript_that_cannot_be_written_ends_the_client(tmp_path: Path, playing: PlayIn) -> None:
    """When the disk says no the client ends with that reason, instead of doing what could not be recovered."""
    books = tmp_path / "books"
    async with playing(*ONE_CALL, *ONE_CALL, directory=books, answer=lambda _event: None) as scene:
        await scene.client.prompt(U1, "go")
        held = await scene.seen.paused()
        await anyio.Path(scene.client.process.journal).unlink()
        await anyio.Path(scene.client.process.journal).mkdir()
        await scene.client.respond(held.request_id, GoOn())
        exited = await scene.seen.until(Exited)
        assert isinstance(exited, Exited)
        assert exited.reason.startswith("its transcript cannot be written")
        assert not scene.agent.charges


@pytest.mark.parametrize("name", ["unknown", "../../etc/passwd"])
async def test_an_unknown_conversation_is_not_resumed(tmp_path: Path, name: str) -> None:
    """A conversation that nobody remembers is refused with what to do; a name is never a path."""
    async with ScriptedAgent(Script(ONE_CALL), directory=tmp_path) as agent:
        with pytest.raises(AgentUnavailableError):
            await agent.start(Launch("s_1", str(tmp_path), name))


# ------------------------------------------------------------------------------------------------------- the demo
@pytest.mark.parametrize(
    ("prompt", "calls"),
    [
        ("Explain the retry logic", 1),
        ("fix the flaky login test", 6),
        ("Refactor everything", 13),
        ("please review the code", 11),
        ("survey the docs in the background", 5),
        ("which database?", 2),
        ("crash", 1),
        ("hello", 2),
    ],
)
async def test_the_demo_picks_a_scene_and_says_that_it_is_scripted(tmp_path: Path, prompt: str, calls: int) -> None:
    """Every scene runs to its end with its calls, and its answer says that no model was asked."""
    launch = Launch("s_1", str(tmp_path))
    async with ScriptedAgent() as agent, at_work(agent, launch) as (client, seen):
        await client.prompt(U1, prompt)
        finished = await seen.finished()
        if finished.background:
            await seen.finished(2)
        assert len(agent.charges) == calls
        assert "scripted" in finished.text


def test_the_demo_reads_what_stands_in_the_context() -> None:
    """A later turn reads the conversation so far from the cache instead of writing the instructions again."""
    first = demo("explain", 0).steps[0]
    later = demo("explain", 20_000).steps[0]
    assert isinstance(first, CallApi)
    assert isinstance(later, CallApi)
    assert (first.tokens.cache_read, later.tokens.cache_read) == (0, 20_000)
    assert later.tokens.cache_write_5m < first.tokens.cache_write_5m
