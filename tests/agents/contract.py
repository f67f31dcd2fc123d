"""What every agent must keep of the Agent port, as checks that take a rig: the agent, and the hand that plays its model.

A new agent writes a Rig and runs every check in CHECKS against it. Where real agents differ (how many boundaries stand
before a tool, what the wire looks like) the checks do not look.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

import anyio
import pytest

from gateway.domain.effects import AllowTool, Answer, DenyTool, EndTurn, GoOn, Words
from gateway.domain.events import (
    AgentEvent,
    AskedPermission,
    AskedQuestion,
    BackgroundChanged,
    CallMetered,
    End,
    Exited,
    Finished,
    Paused,
    Started,
    Steered,
    Withdrawn,
)
from gateway.domain.usage import MAIN_LOOP, NO_TOKENS, Tokens
from gateway.ports import Agent, AgentUnavailableError, Client, Launch

PATIENCE_S = 30.0


class Rig(Protocol):
    """An agent whose model is played by the test. Every plan is for one prompt, in the order of the calls here."""

    @property
    def agent(self) -> Agent: ...

    @property
    def launch(self) -> Launch: ...

    async def answer(self, text: str) -> None:
        """The next prompt: one call that answers with `text`."""
        ...

    async def tools(self, calls: int, *, ask: bool = False) -> None:
        """The next prompt: so many calls with one tool between each two; `ask`: the tools need permission."""
        ...

    async def hang(self) -> None:
        """The next prompt: one call that goes out and does not end."""
        ...

    async def hanging(self) -> None:
        """Wait until the call that does not end has gone out."""
        ...

    async def quiet(self) -> None:
        """Wait long enough that a call which is going to be made has been made."""
        ...

    async def sub_agents(self, *, foreground: int = 0, background: int = 0) -> None:
        """The next prompt: one call that starts sub-agents of two calls each, and one call when they are back."""
        ...

    def charged(self) -> Sequence[Tokens]:
        """What the model really charged for every call that ended, in order."""
        ...


@dataclass
class Watch:
    """Reads a client's events, answers boundaries as it is told, and lets the test wait for what it expects."""

    client: Client
    answer: Callable[[AgentEvent], Answer | None]
    seen: list[AgentEvent] = field(default_factory=list)
    _more: anyio.Event = field(default_factory=anyio.Event)

    async def run(self) -> None:
        """Read until Exited."""
        async for event in self.client.events():
            self.seen.append(event)
            more, self._more = self._more, anyio.Event()
            more.set()
            if isinstance(event, Paused | AskedPermission | AskedQuestion):
                reply = self.answer(event)
                if reply is not None:
                    await self.client.respond(event.request_id, reply)

    async def until(self, kind: type[AgentEvent], count: int = 1) -> AgentEvent:
        """Wait for the `count`-th event of this kind."""
        with anyio.fail_after(PATIENCE_S):
            while len(found := self.of(kind)) < count:
                await self._more.wait()
        return found[count - 1]

    async def more(self) -> None:
        """Wait for the next event, whatever it is."""
        await self._more.wait()

    async def finished(self, count: int = 1) -> Finished:
        """Wait for the `count`-th end of a run."""
        event = await self.until(Finished, count)
        assert isinstance(event, Finished)
        return event

    async def paused(self, count: int = 1) -> Paused:
        """Wait for the `count`-th boundary."""
        event = await self.until(Paused, count)
        assert isinstance(event, Paused)
        return event

    def of(self, kind: type[AgentEvent]) -> list[AgentEvent]:
        """What was seen of one kind."""
        return [event for event in self.seen if isinstance(event, kind)]

    @property
    def calls(self) -> list[CallMetered]:
        """The calls that were metered."""
        return [event for event in self.seen if isinstance(event, CallMetered)]


def go_on(event: AgentEvent) -> Answer | None:
    """Let the agent do all it wants."""
    match event:
        case Paused():
            return GoOn()
        case AskedPermission():
            return AllowTool()
        case AskedQuestion(choices=choices):
            return Words(choices[0] if choices else "yes")
        case _:
            return None


def wait_at(*boundaries: int) -> Callable[[AgentEvent], Answer | None]:
    """Go on, but leave the main loop's boundaries with these numbers (from 1) without an answer."""
    met = 0

    def answer(event: AgentEvent) -> Answer | None:
        nonlocal met
        if isinstance(event, Paused) and event.loop == MAIN_LOOP:
            met += 1
            return None if met in boundaries else GoOn()
        return go_on(event)

    return answer


@asynccontextmanager
async def at_work(
    agent: Agent, launch: Launch, answer: Callable[[AgentEvent], Answer | None] = go_on
) -> AsyncIterator[tuple[Client, Watch]]:
    """A started client, and what is seen of it; closed at the end."""
    async with anyio.create_task_group() as crew:
        client = await agent.start(launch)
        watching = Watch(client, answer)
        crew.start_soon(watching.run)
        yield client, watching
        await client.close()


def total(tokens: Sequence[Tokens]) -> Tokens:
    """The sum, class by class; reasoning is part of output and not every source tells it."""
    return sum((Tokens(t.input, *_writes(t), t.output) for t in tokens), NO_TOKENS)


def _writes(t: Tokens) -> tuple[int, int, int, int]:
    return t.cache_read, t.cache_write_5m, t.cache_write_1h, t.cache_write_unsplit


def metered(calls: Sequence[CallMetered]) -> Tokens:
    """The sum of what was metered."""
    return total([call.usage.tokens for call in calls])


def said_totals(finished: Sequence[Finished]) -> Tokens:
    """The sum of what the agent itself says it used."""
    return total([usage.tokens for end in finished for usage in end.totals or ()])


# ---------------------------------------------------------------------------------------------------------- the checks
async def a_prompt_runs_once(rig: Rig) -> None:
    """The same uuid handed over twice is one run; the client stays ready for the next prompt."""
    await rig.answer("first")
    await rig.answer("second")
    async with at_work(rig.agent, rig.launch) as (client, seen):
        await client.prompt(U1, "one")
        assert (await seen.finished()).prompt_uuid == U1
        await client.prompt(U1, "one")
        await client.prompt(U2, "two")
        second = await seen.finished(2)
        assert (second.prompt_uuid, second.end, second.text) == (U2, End.DONE, "second")
        assert len(rig.charged()) == 2


async def starting_makes_no_call(rig: Rig) -> None:
    """A started client that got no prompt costs nothing, and closing it twice ends its events with Exited."""
    async with at_work(rig.agent, rig.launch) as (client, seen):
        await client.close()
        await client.close()
        await seen.until(Exited)
        assert isinstance(seen.seen[-1], Exited)
        assert not rig.charged()


async def every_run_begins_at_a_boundary(rig: Rig) -> None:
    """Started, then Paused: before it is answered there is no call, and EndTurn there ends the run without one."""
    await rig.answer("never said")
    async with at_work(rig.agent, rig.launch, wait_at(1)) as (client, seen):
        await client.prompt(U1, "one")
        first = await seen.paused()
        assert [type(event) for event in seen.seen if not isinstance(event, BackgroundChanged)] == [Started, Paused]
        assert not rig.charged()
        assert await client.respond(first.request_id, EndTurn("no money left"))
        assert (await seen.finished()).end is End.HALTED
        assert not rig.charged()
        assert not seen.calls


async def calls_are_metered_before_the_boundary_after_them(rig: Rig) -> None:
    """When a boundary is told, every call that ended before it has been metered, exactly."""
    await rig.tools(4)
    behind: list[tuple[Tokens, Tokens]] = []

    def compare(event: AgentEvent) -> Answer | None:
        if isinstance(event, Paused):
            behind.append((metered(seen.calls), total(rig.charged())))
        return go_on(event)

    async with at_work(rig.agent, rig.launch, compare) as (client, seen):
        await client.prompt(U1, "one")
        assert (await seen.finished()).end is End.DONE
        assert len(behind) >= 4
        assert all(told == charged for told, charged in behind)


async def totals_equal_the_calls(rig: Rig) -> None:
    """What the agent says it used, what was metered and what was charged are the same, class by class, turn by turn."""
    await rig.tools(3)
    await rig.answer("second")
    async with at_work(rig.agent, rig.launch) as (client, seen):
        await client.prompt(U1, "one")
        first = await seen.finished()
        assert said_totals([first]) == metered(seen.calls) == total(rig.charged())
        await client.prompt(U2, "two")
        second = await seen.finished(2)
        assert said_totals([first, second]) == metered(seen.calls) == total(rig.charged())
        assert len({call.call_id for call in seen.calls}) == len(seen.calls) == 4
        assert all(call.ended for call in seen.calls)


async def a_paused_run_makes_no_call_until_answered(rig: Rig) -> None:
    """Held at a boundary in mid-turn no call goes out; answered with GoOn the turn goes on as if nothing had happened."""
    await rig.tools(4)
    async with at_work(rig.agent, rig.launch, wait_at(2)) as (client, seen):
        await client.prompt(U1, "one")
        held = await seen.paused(2)
        before = len(rig.charged())
        await rig.quiet()
        assert len(rig.charged()) == before
        assert not seen.of(Finished)
        assert await client.respond(held.request_id, GoOn())
        assert not await client.respond(held.request_id, GoOn())
        assert (await seen.finished()).end is End.DONE
        assert len(rig.charged()) == 4


async def end_turn_halts(rig: Rig) -> None:
    """EndTurn at a boundary in mid-turn: not one more call, Finished(HALTED), and the next prompt runs."""
    await rig.tools(4)
    await rig.answer("after")
    async with at_work(rig.agent, rig.launch, wait_at(2)) as (client, seen):
        await client.prompt(U1, "one")
        held = await seen.paused(2)
        before = len(rig.charged())
        assert await client.respond(held.request_id, EndTurn("the limit is met"))
        halted = await seen.finished()
        assert halted.end is End.HALTED
        assert len(rig.charged()) == before
        assert said_totals([halted]) == metered(seen.calls)
        await client.prompt(U2, "two")
        assert (await seen.finished(2)).text == "after"


async def an_interrupt_ends_the_run(rig: Rig) -> None:
    """Finished(INTERRUPTED) follows; the call in flight is booked as a lower bound; the next prompt runs."""
    await rig.hang()
    await rig.answer("after")
    async with at_work(rig.agent, rig.launch) as (client, seen):
        await client.prompt(U1, "one")
        with anyio.fail_after(PATIENCE_S):
            await rig.hanging()
        await client.interrupt()
        assert (await seen.finished()).end is End.INTERRUPTED
        assert [call.ended for call in seen.calls] == [False]
        await client.prompt(U2, "two")
        assert (await seen.finished(2)).end is End.DONE


async def an_interrupt_withdraws_what_was_asked(rig: Rig) -> None:
    """A permission that the agent waits for is withdrawn by an interrupt, and answering it then says False."""
    await rig.tools(2, ask=True)
    async with at_work(
        rig.agent, rig.launch, lambda event: None if isinstance(event, AskedPermission) else go_on(event)
    ) as (client, seen):
        await client.prompt(U1, "one")
        asked = await seen.until(AskedPermission)
        assert isinstance(asked, AskedPermission)
        await client.interrupt()
        assert (await seen.finished()).end is End.INTERRUPTED
        assert Withdrawn(asked.request_id) in seen.seen
        assert not await client.respond(asked.request_id, AllowTool())


async def a_permission_waits_for_its_answer(rig: Rig) -> None:
    """A tool that needs permission waits; denied, the agent is told so and its turn goes on to the end."""
    await rig.tools(2, ask=True)
    async with at_work(
        rig.agent, rig.launch, lambda event: None if isinstance(event, AskedPermission) else go_on(event)
    ) as (client, seen):
        await client.prompt(U1, "one")
        asked = await seen.until(AskedPermission)
        assert isinstance(asked, AskedPermission)
        assert len(rig.charged()) == 1
        assert await client.respond(asked.request_id, DenyTool("not today"))
        assert (await seen.finished()).end is End.DONE
        assert len(rig.charged()) == 2


async def sub_agents_are_charged_to_the_session(rig: Rig) -> None:
    """Sub-agents run in loops of their own with boundaries of their own, and every one of their calls is metered."""
    await rig.sub_agents(foreground=2)
    async with at_work(rig.agent, rig.launch) as (client, seen):
        await client.prompt(U1, "one")
        finished = await seen.finished()
        assert said_totals([finished]) == metered(seen.calls) == total(rig.charged())
        loops = {call.loop for call in seen.calls}
        assert len(loops) == 3
        assert {event.loop for event in seen.seen if isinstance(event, Paused)} == loops


async def a_background_agent_starts_a_run_that_can_be_refused(rig: Rig) -> None:
    """The turn ends while it works; its report is a run that nobody asked for, and EndTurn there costs nothing."""
    await rig.sub_agents(background=1)
    refused: list[int] = []

    def refuse_unprompted(event: AgentEvent) -> Answer | None:
        start = seen.of(Started)[-1]
        unprompted = isinstance(start, Started) and start.prompt_uuid is None
        if isinstance(event, Paused) and event.loop == MAIN_LOOP and unprompted:
            refused.append(len(rig.charged()))
            return EndTurn("no budget for the background")
        return go_on(event)

    async with at_work(rig.agent, rig.launch, refuse_unprompted) as (client, seen):
        await client.prompt(U1, "one")
        await seen.finished()
        second = await seen.finished(2)
        assert second.prompt_uuid is None
        assert second.end in {End.HALTED, End.INTERRUPTED}
        assert refused == [len(rig.charged())]
        assert metered(seen.calls) == total(rig.charged())
        assert seen.of(BackgroundChanged)[-1] == BackgroundChanged(0, 0)


async def a_conversation_is_resumed(rig: Rig) -> None:
    """A new client goes on with the agent's session and meters only what is new."""
    await rig.answer("first")
    await rig.answer("second")
    async with at_work(rig.agent, rig.launch) as (client, seen):
        await client.prompt(U1, "one")
        await seen.finished()
        launch = resumed(rig.launch, client)
        await client.close()
        async with at_work(rig.agent, launch) as (again, seen_again):
            assert again.agent_session == client.agent_session
            await again.prompt(U2, "two")
            finished = await seen_again.finished()
            assert (finished.text, finished.prompt_uuid) == ("second", U2)
            assert said_totals([finished]) == metered(seen_again.calls) == total(rig.charged()[1:])


async def words_for_the_run_at_work_are_part_of_it(rig: Rig) -> None:
    """They are taken in before the next call, once, and are no run of their own; the conversation knows their name from then on."""
    if not rig.agent.traits.steers:
        return
    await rig.tools(3)
    await rig.answer("after")
    third: list[str] = []

    def hold(event: AgentEvent) -> Answer | None:
        if isinstance(event, Paused) and seen.calls and not third:
            third.append(event.request_id)
            return None
        return go_on(event)

    async with at_work(rig.agent, rig.launch, hold) as (client, seen):
        await client.prompt(U1, "one")
        with anyio.fail_after(PATIENCE_S):
            while not third:
                await seen.more()
        assert not await client.steer(U2, "for another run", U3)
        assert await client.steer(U2, "and this as well", U1)
        await client.respond(third[0], GoOn())
        assert (await seen.finished()).prompt_uuid == U1
        assert seen.of(Steered) == [Steered(U2)]
        assert not await client.steer(U4, "too late", U1)
        await client.prompt(U3, "two")
        assert (await seen.finished(2)).prompt_uuid == U3
        assert [event.prompt_uuid for event in seen.of(Started) if isinstance(event, Started)] == [U1, U3]
        assert metered(seen.calls) == total(rig.charged())
        assert len(seen.calls) == 4
        process, name = client.process, client.agent_session
    launch = replace(rig.launch, agent_session=name)
    assert (await rig.agent.recover(launch, process, U2)).prompt_known
    assert not (await rig.agent.recover(launch, process, U4)).prompt_known


async def words_that_come_too_late_are_never_taken(rig: Rig) -> None:
    """The run ends before another call of it: nothing is told of the words, they begin nothing, and the next prompt runs."""
    if not rig.agent.traits.steers:
        return
    await rig.hang()
    await rig.answer("after")
    async with at_work(rig.agent, rig.launch) as (client, seen):
        await client.prompt(U1, "one")
        await rig.hanging()
        assert await client.steer(U2, "and this as well", U1)
        await client.interrupt()
        assert (await seen.finished()).end is End.INTERRUPTED
        await client.prompt(U3, "two")
        assert (await seen.finished(2)).prompt_uuid == U3
        await rig.quiet()
        assert seen.of(Steered) == []
        assert [event.prompt_uuid for event in seen.of(Started) if isinstance(event, Started)] == [U1, U3]
        process, name = client.process, client.agent_session
    assert not (await rig.agent.recover(replace(rig.launch, agent_session=name), process, U2)).prompt_known


async def a_copy_of_a_conversation_goes_on_beside_it(rig: Rig) -> None:
    """It has a name of its own and what was said until then; its calls alone are metered, and the other one stays as it is."""
    if not rig.agent.traits.forks:
        return
    for text in ("first", "second", "third", "fourth"):
        await rig.answer(text)
    async with at_work(rig.agent, rig.launch) as (client, seen):
        await client.prompt(U1, "one")
        await seen.finished()
    origin = client.agent_session
    copy = replace(rig.launch, session_id="s_2", agent_session=U4, forked_from=origin)
    async with at_work(rig.agent, copy) as (client, _seen):
        assert client.agent_session == U4  # It ends before anything was said in it: it is still to be made.
    for uuid, text in ((U2, "two"), (U3, "three")):
        before = len(rig.charged())
        async with at_work(rig.agent, copy) as (client, seen):
            await client.prompt(uuid, text)
            finished = await seen.finished()
            assert client.agent_session == U4
            assert finished.end is End.DONE
            assert metered(seen.calls) == said_totals([finished]) == total(rig.charged()[before:])
        process = client.process
    assert (await rig.agent.recover(copy, process, U3)).prompt_known
    again = replace(rig.launch, agent_session=origin)
    assert not (await rig.agent.recover(again, None, U2)).prompt_known
    async with at_work(rig.agent, again) as (client, seen):
        await client.prompt("6a5c1d3e-0b1f-4c58-9a53-2f8f6f6a0005", "four")
        assert (await seen.finished()).text == "fourth"


async def another_model_goes_on_with_the_conversation(rig: Rig) -> None:
    """Told between prompts, the same client makes its next calls on the other model, and to tell it makes none itself."""
    if not rig.agent.traits.switches_model:
        return
    await rig.answer("first")
    await rig.tools(2)
    await rig.answer("third")
    async with at_work(rig.agent, rig.launch) as (client, seen):
        await client.prompt(U1, "one")
        first = await seen.finished()
        assert await client.use_model(OTHER_MODEL)
        await rig.quiet()
        assert len(rig.charged()) == 1
        await client.prompt(U2, "two")
        second = await seen.finished(2)
        usual, *others = (call.usage.model for call in seen.calls)
        assert usual != OTHER_MODEL
        assert others == [OTHER_MODEL] * 2
        assert {usage.model for usage in second.totals or ()} == {OTHER_MODEL}
        assert said_totals([first, second]) == metered(seen.calls) == total(rig.charged())
        assert await client.use_model(usual)
        await client.prompt(U3, "three")
        await seen.finished(3)
        assert seen.calls[-1].usage.model == usual


async def a_client_that_has_ended_is_told_nothing(rig: Rig) -> None:
    """Who would have it use another model hears that it is gone."""
    if not rig.agent.traits.switches_model:
        return
    async with at_work(rig.agent, rig.launch) as (client, _):
        await client.close()
        with pytest.raises(AgentUnavailableError):
            await client.use_model(OTHER_MODEL)
        with pytest.raises(AgentUnavailableError):
            await client.use_mode("plan")


async def every_mode_is_taken_and_makes_no_call(rig: Rig) -> None:
    """Each that the traits name, and back to the usual one; the conversation goes on."""
    await rig.answer("first")
    async with at_work(rig.agent, rig.launch) as (client, seen):
        for mode in (*rig.agent.traits.modes, ""):
            assert await client.use_mode(mode)
        await rig.quiet()
        assert rig.charged() == []
        await client.prompt(U1, "one")
        assert (await seen.finished()).text == "first"


async def recovery_tells_what_became_of_a_prompt(rig: Rig) -> None:
    """A prompt that ran is known, with its calls; one that never arrived is not."""
    await rig.tools(2)
    async with at_work(rig.agent, rig.launch) as (client, seen):
        await client.prompt(U1, "one")
        await seen.finished()
        await client.close()
        launch = resumed(rig.launch, client)
        known = await rig.agent.recover(launch, client.process, U1)
        assert known.prompt_known
        calls = [event for event in known.events if isinstance(event, CallMetered)]
        assert metered(calls) == total(rig.charged())
        assert {call.call_id for call in calls} == {call.call_id for call in seen.calls}
        assert not (await rig.agent.recover(launch, client.process, U2)).prompt_known


async def a_crash_leaves_a_lower_bound(rig: Rig) -> None:
    """A call in flight when the client was left behind: the prompt is known, and what is told of the call is flagged as cut."""
    await rig.hang()
    async with at_work(rig.agent, rig.launch) as (client, seen):
        await client.prompt(U1, "one")
        with anyio.fail_after(PATIENCE_S):
            await rig.hanging()
        found = await rig.agent.recover(resumed(rig.launch, client), client.process, U1)
        assert found.prompt_known
        assert not [event for event in found.events if isinstance(event, CallMetered) and event.ended]
        assert isinstance(await seen.until(Exited), Exited)


def resumed(launch: Launch, client: Client) -> Launch:
    """The launch that goes on with the client's conversation."""
    return Launch(launch.session_id, launch.directory, client.agent_session, launch.model)


U1 = "6a5c1d3e-0b1f-4c58-9a53-2f8f6f6a0001"
U2 = "6a5c1d3e-0b1f-4c58-9a53-2f8f6f6a0002"
U3 = "6a5c1d3e-0b1f-4c58-9a53-2f8f6f6a0003"
U4 = "6a5c1d3e-0b1f-4c58-9a53-2f8f6f6a0004"
OTHER_MODEL = "claude-haiku-4-5"

Check = Callable[[Rig], Awaitable[None]]
MakeRig = Callable[[], AbstractAsyncContextManager[Rig]]

CHECKS: tuple[Check, ...] = (
    a_prompt_runs_once,
    starting_makes_no_call,
    every_run_begins_at_a_boundary,
    calls_are_metered_before_the_boundary_after_them,
    totals_equal_the_calls,
    a_paused_run_makes_no_call_until_answered,
    end_turn_halts,
    words_for_the_run_at_work_are_part_of_it,
    words_that_come_too_late_are_never_taken,
    an_interrupt_ends_the_run,
    an_interrupt_withdraws_what_was_asked,
    a_permission_waits_for_its_answer,
    sub_agents_are_charged_to_the_session,
    a_background_agent_starts_a_run_that_can_be_refused,
    a_conversation_is_resumed,
    a_copy_of_a_conversation_goes_on_beside_it,
    another_model_goes_on_with_the_conversation,
    every_mode_is_taken_and_makes_no_call,
    a_client_that_has_ended_is_told_nothing,
    recovery_tells_what_became_of_a_prompt,
    a_crash_leaves_a_lower_bound,
)
