"""Agents that never start, die or do not listen; updates that cannot be stored, handled or read. No real client is needed."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.agents.scripted import Crash, ScriptedAgent, UseTool
from gateway.chats.memory import MemoryChat
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import OutcomeKind, TurnState
from gateway.domain.usage import Flag
from gateway.engine import ATTEMPTS_MAX, World
from gateway.engine.arrivals import Arrivals
from gateway.engine.ticking import INTERRUPT_LIMIT_MS
from gateway.ports import AgentUnavailableError, Client, Launch, Store, StoreError, Update
from gateway.pricing import ListPrices
from gateway.store import open_store
from tests.engine.bench import RULES, Bench, bench, call, script

pytestmark = pytest.mark.anyio


class Broken(ScriptedAgent):
    """A scripted agent whose first `times` clients go wrong in the given way: `missing`, `early` or `deaf`."""

    def __init__(self, how: str, *steps: object, times: int = 1) -> None:
        super().__init__(script(*steps))
        self.how = how
        self.times = times

    async def start(self, launch: Launch) -> Any:
        """Start a client that goes wrong, or one that does not."""
        self.times -= 1
        if self.times < 0:
            return await super().start(launch)
        if self.how == "missing":
            raise AgentUnavailableError("It is not installed here: install it")
        return Wrapped(await super().start(launch), self.how)


class Wrapped:
    """A client that dies with the prompt in its hand (`early`), or does not hear an interrupt (`deaf`)."""

    def __init__(self, client: Client, how: str) -> None:
        self._client = client
        self._how = how

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def prompt(self, uuid: str, text: str, attributes: Mapping[str, str] | None = None) -> None:
        """Take the prompt, or die with it."""
        if self._how == "early":
            await self._client.close()
        else:
            await self._client.prompt(uuid, text, attributes)

    async def interrupt(self) -> None:
        """Hear it or not."""
        if self._how != "deaf":
            await self._client.interrupt()


class FullStore:
    """The store on a disk that has no room for the given writes (`accept`, `transact`) while `full`."""

    def __init__(self, store: Store, *writes: str) -> None:
        self._store = store
        self._writes = writes
        self.full = True

    def __getattr__(self, name: str) -> Any:
        if self.full and name in self._writes:
            return self._refuse
        return getattr(self._store, name)

    async def _refuse(self, *_: object) -> None:
        raise StoreError("The disk is full, and nothing was written; make room and try again")


@asynccontextmanager
async def with_agent(agent: ScriptedAgent) -> AsyncIterator[Bench]:
    """A gateway with this agent."""
    async with agent, bench(script(), agents={"scripted": agent}) as gateway:
        yield gateway


async def held(gateway: Bench) -> Usd:
    """What the session holds now."""
    return (await gateway.balance()).held


# ------------------------------------------------------------------------------------------------------------ agents
async def test_an_agent_that_cannot_be_started_says_why_and_the_next_prompt_tries_again() -> None:
    """The turn failed with the agent's own sentence, nothing is held, and a mended agent runs the next prompt."""
    async with with_agent(Broken("missing", call(5))) as gateway:
        gateway.says("one")
        await gateway.sees("The agent could not be started. It is not installed here: install it")
        turn = await gateway.ended(TurnState.FAILED)
        assert (turn.outcome and turn.outcome.kind, turn.spent, await held(gateway)) == (OutcomeKind.ERROR, ZERO, ZERO)
        gateway.says("two")
        await gateway.sees("All done.")
        await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FAILED, TurnState.FINISHED])


async def test_an_agent_that_never_starts_does_not_keep_the_queue_waiting() -> None:
    """Three prompts at once for an agent that is not there: three failures, no hold, and the gateway lives."""
    async with with_agent(Broken("missing", times=3)) as gateway:
        for text in ("one", "two", "three"):
            gateway.says(text)
        await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FAILED] * 3)
        assert await held(gateway) == ZERO


async def test_an_agent_that_dies_in_mid_turn_leaves_its_calls_and_a_button_to_go_on() -> None:
    """Interrupted, what it spent is booked and flagged, nothing is held; [Continue] names what is to be gone on with."""
    first = ScriptedAgent(lambda text, _context: script(call(5)) if "Continue" in text else script(call(10), Crash()))
    async with with_agent(first) as gateway:
        gateway.says("mend the roof")
        asked = await gateway.sees("The agent's process ended")
        turn = await gateway.ended(TurnState.INTERRUPTED)
        assert (turn.spent, Flag.LOWER_BOUND in turn.flags, await held(gateway)) == (Usd.parse("0.10"), True, ZERO)
        gateway.chat.taps(asked, "Continue", "7")
        await gateway.sees("All done.")
        turn = await gateway.ended(TurnState.FINISHED)
        assert turn.prompt == "Continue where you left off: mend the roof"


async def test_a_prompt_that_died_in_the_agents_hand_is_offered_whole() -> None:
    """The agent ends before the prompt is in any conversation: [Send again] hands over the very same words, once."""
    agent = Broken("early", call(5))
    async with with_agent(agent) as gateway:
        gateway.says("mend the roof")
        asked = await gateway.sees("The agent's process ended")
        assert (await gateway.ended(TurnState.INTERRUPTED)).spent == ZERO
        gateway.chat.taps(asked, "Send again", "7")
        await gateway.sees("All done.")
        assert (await gateway.ended(TurnState.FINISHED)).prompt == "mend the roof"
        assert [text for _, text in agent.prompts] == ["mend the roof"]


async def test_an_agent_that_ignores_an_interrupt_is_ended_with_its_process() -> None:
    """/stop, and nothing happens: after the time that it has the process is closed, the turn stopped, the hold free."""
    never = anyio.Event()
    async with with_agent(Broken("deaf", call(10), UseTool("Bash", "ls"), call(10, lasts=never))) as gateway:
        gateway.says("go")
        await gateway.until(lambda turns: bool(turns) and turns[0].calls == 1)
        gateway.says("/stop")
        await gateway.sees("Stopping: go")
        before = gateway.world.clock.ticks_ms
        gateway.world.clock = replace(gateway.world.clock, ticks_ms=lambda: before() + INTERRUPT_LIMIT_MS)
        turn = await gateway.ended(TurnState.STOPPED)
        assert turn.spent >= Usd.parse("0.10")
        assert await held(gateway) == ZERO


# ----------------------------------------------------------------------------------------------------------- updates
async def test_an_update_that_cannot_be_stored_is_not_confirmed_and_taken_when_there_is_room() -> None:
    """The disk is full when an update comes: the service keeps it; with room it is accepted, and runs once."""
    async with bench(script(call(5))) as gateway:
        gateway.world.store = full = FullStore(gateway.world.store, "accept")  # type: ignore[assignment]
        gateway.says("go")
        await anyio.sleep(0.1)  # the promise is about time passing: nothing may be taken in it
        assert len(gateway.chat.unconfirmed) == 1
        assert "inbox.accepted" not in gateway.steps.passed
        full.full = False
        await gateway.sees("All done.")
        assert len(gateway.agent.prompts) == 1
        assert gateway.chat.unconfirmed == ()


async def test_an_attempt_is_counted_only_of_what_may_have_stopped_a_gateway_before(tmp_path: Path) -> None:
    """What comes to this gateway is handled without a word about it; what an earlier one left waiting is counted before."""
    counted: list[str] = []

    class Counting(FullStore):
        async def take_up(self, updates: Sequence[Update]) -> None:
            """Note which."""
            counted.extend(update.key for update in updates)
            await self._store.take_up(updates)

    chat = MemoryChat()
    async with open_store(tmp_path) as store:
        await store.accept(chat.service, [("left", "{}")], 0)
    async with open_store(tmp_path) as store:
        await store.accept(chat.service, [("left", "{}"), ("new", "{}")], 0)
        world = World(Counting(store), chat, {"scripted": ScriptedAgent(script())}, ListPrices(), RULES)  # type: ignore[arg-type]
        arrivals = Arrivals(world)
        assert [one.key for one in (await arrivals.next()).updates] == ["left"]
        await store.quarantine(Update(chat.service, "left", "{}", 1), "done with")
        assert [one.key for one in (await arrivals.next()).updates] == ["new"]
        assert counted == ["left"]
        assert [one.key for one in (await arrivals.next()).updates] == ["new"]  # it was not handled: it is tried again
        assert counted == ["left", "new"]


async def test_an_update_whose_decision_cannot_be_written_waits_for_the_next_gateway(tmp_path: Path) -> None:
    """The disk is full when an accepted update is handled: the gateway ends with that sentence, the next one runs it once."""
    chat = MemoryChat()

    async def handles_an_update_in_vain() -> None:
        async with bench(script(call(5)), home=tmp_path, chat=chat) as gateway:
            gateway.world.store = FullStore(gateway.world.store, "transact")  # type: ignore[assignment]
            gateway.says("go")
            await anyio.sleep_forever()

    with pytest.raises(ExceptionGroup) as ended:
        await handles_an_update_in_vain()
    assert ended.group_contains(StoreError, match="The disk is full")
    async with bench(script(call(5)), home=tmp_path, chat=chat) as gateway:
        await gateway.sees("All done.")
        assert len(gateway.agent.prompts) == 1
        assert (await gateway.ended(TurnState.FINISHED)).prompt == "go"


async def test_a_poison_update_is_put_aside_and_the_next_one_is_handled() -> None:
    """What cannot be read is quarantined with the reason; what comes behind it runs."""
    async with bench(script(call(5))) as gateway:
        gateway.chat.post_raw("{not json")
        gateway.says("go")
        await gateway.sees("All done.")
        assert await gateway.world.store.inbox(1) == ()


async def test_an_update_that_stops_the_gateway_again_and_again_is_put_aside(tmp_path: Path) -> None:
    """Taken up as often as it may be and never handled: it is put aside, and the next one is handled."""
    chat = MemoryChat()
    async with open_store(tmp_path) as store:
        await store.accept(chat.service, [("stuck", "{}")], 0)
        for attempts in range(ATTEMPTS_MAX):
            updates = await store.inbox(1)
            assert [update.attempts for update in updates] == [attempts]
            await store.take_up(updates)
    async with bench(script(call(5)), home=tmp_path, chat=chat) as gateway:
        gateway.says("go")
        await gateway.sees("All done.")
        assert await gateway.world.store.inbox(1) == ()
