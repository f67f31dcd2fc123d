"""What waits its turn: whatever ends the turn before it, the next one goes before the gate."""

from dataclasses import replace

import anyio
import pytest

from gateway.agents.scripted import AskPerson, UseTool
from gateway.chats.memory import MemoryChat
from gateway.core.turn import ENDED
from gateway.domain.budget import ScopeKind
from gateway.domain.money import Usd
from gateway.domain.turn import TurnState
from gateway.engine import stopping
from gateway.ports import Post, Receipt
from tests.engine.bench import OTHER, THREAD, bench, call, script, with_limits

pytestmark = pytest.mark.anyio


class Counting(MemoryChat):
    """A chat that notes changes of messages to what they said before."""

    def __init__(self) -> None:
        super().__init__()
        self.same: list[str] = []

    async def deliver(self, post: Post) -> Receipt:
        """As ever."""
        before = self.messages.get(post.edits or "")
        receipt = await super().deliver(post)
        if before is not None and post.edits and replace(self.messages[post.edits], edits=before.edits) == before:
            self.same.append(before.text)
        return receipt


SIX_CALLS = script(*[step for _ in range(5) for step in (call(30), UseTool("Bash", "ls"))], call(30))


@pytest.mark.parametrize("answer", ["No", None])
async def test_after_a_no_or_no_answer_at_all_the_next_prompt_is_asked_about(answer: str | None) -> None:
    """Two dear prompts: the first is declined, or nobody answers; the second does not wait for ever behind it."""
    limits = with_limits(confirm="0.10") if answer else with_limits(confirm="0.10", approval_ms=2_000)
    async with bench(script(call(1)), limits) as gateway:
        gateway.says("first")
        await gateway.sees("**first**")
        gateway.says("second")
        await gateway.sees("A question above waits for your answer first")
        if answer:
            await gateway.taps("**first**", answer)
        await gateway.until(lambda turns: [turn.state for turn in turns][:1] == [TurnState.REFUSED])
        await gateway.until(lambda turns: turns[1].state is not TurnState.QUEUED)
        await gateway.sees("**second**")
        assert gateway.agent.charges == []


async def test_after_stop_here_on_a_turn_whose_agent_was_let_go_the_next_prompt_runs() -> None:
    """The agent of the paused turn is gone, so no end of a run brings on the next: the tap does."""
    async with bench(SIX_CALLS, with_limits(session="1", pause_ms=200)) as gateway:
        gateway.says("go")
        await gateway.sees("Paused:")
        gateway.says("second")
        await gateway.sees("Queued as number 1")
        await gateway.sees("The agent does not wait any more")
        await gateway.taps("Paused:", "Stop here")
        turns = await gateway.until(lambda turns: turns[1].state is not TurnState.QUEUED)
        assert [turn.state for turn in turns] == [TurnState.STOPPED, TurnState.ASKING]


async def test_turns_that_are_put_before_the_gate_in_one_decision_see_each_others_holds() -> None:
    """Two sessions' questions expire together and two queued prompts follow: the day has room for one hold, one runs."""
    lasts = anyio.Event()
    limits = with_limits(session="5", confirm="1", step="0.60", approval_ms=2_500)
    async with bench(script(call(1, lasts=lasts)), limits) as gateway:
        dear = gateway.world.rules
        object.__setattr__(dear, "confirm_above", Usd.parse("0.10"))
        for thread in (THREAD, OTHER):
            gateway.says("asked about", thread)
            await gateway.sees("asked about", thread)
            gateway.says("queued", thread)
            await gateway.sees("Queued as number 1", thread)
        object.__setattr__(dear, "confirm_above", Usd.parse("1"))
        object.__setattr__(dear, "limits", {**dear.limits, ScopeKind.DAY: Usd.parse("1")})
        turns = await gateway.until(
            lambda turns: (
                [turn.state for turn in turns].count(TurnState.REFUSED) == 2
                and not any(turn.state is TurnState.QUEUED for turn in turns)
            )
        )
        balance = await gateway.balance_of(gateway.today())
        limit = balance.limit
        assert limit is not None
        assert balance.held + balance.spent <= limit, (balance, [turn.state for turn in turns])
        lasts.set()


async def test_plain_text_answers_the_question_that_the_agent_asks() -> None:
    """With a question open, what a person writes is its answer, whether there are buttons or not; it is no prompt."""
    async with bench(script(AskPerson("Which colour?"), AskPerson("Which size?", ("S", "L")), call(1))) as gateway:
        gateway.says("paint it")
        await gateway.sees("Which colour?\n\nWrite your answer.")
        gateway.says("green *please*")
        await gateway.sees("Answered: green \\*please\\*")
        await gateway.sees("Which size?\n\nTap, or write your answer.")
        gateway.says("M")
        await gateway.sees("Answered: M")
        turn = await gateway.ended(TurnState.FINISHED)
        assert turn.prompt == "paint it"
        assert len(await gateway.turns()) == 1


async def test_sessions_are_listed_by_number_and_gone_back_to() -> None:
    """After /new the one before is number 2, and /sessions 2 makes plain text go to it again."""
    async with bench(script(call(1))) as gateway:
        gateway.says("first words")
        first = await gateway.ended(TurnState.FINISHED)
        await gateway.begins_anew()
        gateway.says("/sessions 3")
        await gateway.sees("There is no session 3 here")
        gateway.says("/sessions 2")
        await gateway.sees("2 · `/` · Scripted agent · idle · $0.01 · this one · first words")
        gateway.says("more words")
        turns = await gateway.until(lambda turns: len(turns) == 2 and turns[1].state is TurnState.FINISHED)
        assert {turn.session_id for turn in turns} == {first.session_id}


async def test_what_is_stopped_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its first words, up to a few of them; what is told of in other chats is only counted there."""
    monkeypatch.setattr(stopping, "NAMED_MAX", 2)
    works = anyio.Event()
    async with bench(script(call(1, lasts=works), call(1))) as gateway:
        for number, text in enumerate(("*one* " + "x" * 80, "two", "three")):
            gateway.says(text)
            await gateway.until(lambda turns, count=number + 1: len(turns) == count)
        gateway.says("secret", OTHER)
        await gateway.until(lambda turns: len(turns) == 4)
        gateway.says("/stop all")
        first = "\\*one\\* " + "x" * 33 + "…"
        await gateway.sees(f"Stopping 4 turns:\n- {first}\n- two\n- and 2 more\nNothing new runs until /go.")
        works.set()
        await gateway.until(lambda turns: all(turn.state in ENDED for turn in turns))


async def test_a_turn_that_waits_for_a_place_says_so_and_gets_the_first_that_is_free() -> None:
    """One client may live: a second session is told that it waits, and runs as soon as the first has ended."""
    works = anyio.Event()

    def play(text: str, _context: int):
        return script(call(1, lasts=works)) if text == "first" else script(call(1))

    async with bench(play, with_limits(processes_max=1)) as gateway:
        gateway.says("first")
        await gateway.until(lambda turns: bool(turns) and turns[0].state is TurnState.RUNNING)
        gateway.says("second", OTHER)
        await gateway.sees("Waits for its place: 1 agent is at work already.", OTHER)
        works.set()
        await gateway.sees("All done.", OTHER)


async def test_a_status_message_is_not_changed_to_what_it_says_already() -> None:
    """The first thing that a chat service would refuse of every turn."""
    lasts = anyio.Event()
    async with bench(script(call(1, lasts=lasts)), chat=Counting()) as gateway:
        assert isinstance(gateway.chat, Counting)
        gateway.says("go")
        await gateway.sees("Working")
        clients = gateway.engine._clients
        assert clients is not None
        [live] = clients.roster.live.values()

        async def renewed() -> bool:
            return live.shown_ms > 0 and not await gateway.world.store.outbox("memory", 1, gateway.world.clock.now_ms())

        await gateway.steps.until(renewed, bool)
        assert gateway.chat.same == []
        lasts.set()
        await gateway.ended(TurnState.FINISHED)
