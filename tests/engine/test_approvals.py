"""What a yes is given to: this turn, this prompt, at these prices."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import anyio
import pytest

from gateway.agents.scripted import UseTool
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Grant, Role
from gateway.domain.turn import TurnState
from gateway.domain.usage import Rates, Unpriced
from gateway.pricing import ListPrices
from gateway.store import open_readonly
from tests.engine.bench import OWNER, THREAD, bench, call, script, with_limits
from tests.engine.slow import Slow

pytestmark = pytest.mark.anyio

CHANGED = "The prompt or the price is another one than when this was asked: it is decided anew."


class Dearer(ListPrices):
    """The vendor charges twice as much for what comes out."""

    def rates(self, model: str, on: date, service_tier: str, speed: str, geo: str = "") -> Rates | Unpriced:
        """The list price, and the output twice."""
        found = super().rates(model, on, service_tier, speed, geo)
        return found if isinstance(found, Unpriced) else replace(found, output=2 * found.output)


async def test_a_yes_at_a_price_that_has_changed_runs_nothing_and_is_asked_again() -> None:
    """Line 27: between the question and the tap the list price doubles; the second yes, at the new price, counts."""
    async with bench(script(call(1)), with_limits(confirm="0.60")) as gateway:
        gateway.says("one")
        await gateway.ended(TurnState.FINISHED)
        gateway.world.rules = replace(gateway.world.rules, confirm_above=Usd.parse("0.10"))
        gateway.says("two")
        asked = await gateway.sees("**two**")
        gateway.world.prices = Dearer()
        gateway.chat.taps(asked, "Run", "7")
        await gateway.sees(CHANGED)
        assert len(gateway.agent.charges) == 1
        again = await gateway.sees("**two**")
        assert again.message_id != asked.message_id
        gateway.chat.taps(again, "Run", "7")
        turns = await gateway.until(lambda turns: turns[1].state is TurnState.FINISHED)
        assert turns[1].spent == Usd.parse("0.02")


async def test_a_raise_at_a_price_that_has_changed_raises_nothing_and_is_asked_again() -> None:
    """The same while a turn is paused: the limit stays, the turn stays paused, and the next yes lets it go on."""
    steps = [step for _ in range(4) for step in (call(30), UseTool("Bash", "ls"))]
    async with bench(script(*steps), with_limits(session="1")) as gateway:
        gateway.says("go")
        asked = await gateway.sees("Paused:")
        gateway.world.prices = Dearer()
        gateway.chat.taps(asked, "Raise +$2", "7")
        again = await gateway.sees("Paused: the price changed.")
        assert (await gateway.balance()).limit == Usd.parse("1")
        assert (await gateway.turn()).state is TurnState.PAUSED
        gateway.chat.taps(again, "Raise", "7")
        await gateway.ended(TurnState.FINISHED)
        assert (await gateway.balance()).held == ZERO


async def test_an_amount_written_as_a_reply_is_a_yes_up_to_that_amount() -> None:
    """No button says $0.25: the reply does, and the turn pauses when that is spent."""
    steps = [step for _ in range(5) for step in (call(10), UseTool("Bash", "ls"))]
    async with bench(script(*steps), with_limits(confirm="0.10")) as gateway:
        gateway.says("go")
        asked = await gateway.sees("**go**")
        gateway.chat.says(THREAD, OWNER, "$0.25", to=asked)
        await gateway.sees("Run, up to $0.25.")
        paused = await gateway.sees("Paused: $0.25 is what was agreed for this turn.")
        turn = await gateway.turn()
        assert (turn.state, turn.ceiling, turn.calls) == (TurnState.PAUSED, Usd.parse("0.25"), 3)
        gateway.chat.says(THREAD, OWNER, "0.50", to=paused)
        await gateway.sees("Go on, up to $0.50 more.")
        turn = await gateway.ended(TurnState.FINISHED)
        assert (turn.ceiling, turn.spent) == (Usd.parse("0.80"), Usd.parse("0.50"))
        assert len(await gateway.turns()) == 1


async def test_an_amount_above_what_is_left_is_not_asked_about_again() -> None:
    """The question stays as it is, and the reply is told what helps; a smaller amount is still a yes."""
    steps = [step for _ in range(3) for step in (call(10), UseTool("Bash", "ls"))]
    async with bench(script(*steps), with_limits(session="0.30", confirm="0.10")) as gateway:
        gateway.says("go")
        asked = await gateway.sees("**go**")
        gateway.chat.says(THREAD, OWNER, "1.50", to=asked)
        raises = asked.buttons[1].label
        await gateway.sees(
            f'$1.50 is more than the $0.30 left of the session\'s $0.30: press "{raises}", or write `/raise session 1.50`.'
        )
        assert len([one for one in gateway.chat.sees(THREAD) if one.buttons]) == 1
        assert (await gateway.turn()).state is TurnState.ASKING
        gateway.chat.says(THREAD, OWNER, "0.30", to=asked)
        paused = await gateway.sees("Paused: the session budget of $0.30 is used up.")
        gateway.chat.says(THREAD, OWNER, "2", to=paused)
        await gateway.sees("$2.00 is more than the $0.00 left of the session's $0.30: press")
        assert (await gateway.turn()).state is TurnState.PAUSED
        gateway.says("/raise session 2")
        await gateway.sees("of $2.30")
        gateway.chat.says(THREAD, OWNER, "2", to=paused)
        await gateway.ended(TurnState.FINISHED)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ("go ahead", "'go ahead' is not an amount"),
        ("-1", "'-1' is"),
        ("1e9", "'1e9' is not an amount"),
        ("0", "To say no, press the button."),
    ],
)
async def test_a_reply_that_is_no_amount_is_explained_and_runs_nothing(reply: str, words: str) -> None:
    """It is neither a yes nor a prompt: the question stays open."""
    async with bench(script(call(1)), with_limits(confirm="0.10")) as gateway:
        gateway.says("go")
        asked = await gateway.sees("**go**")
        gateway.chat.says(THREAD, OWNER, reply, to=asked)
        await gateway.sees(words)
        assert (await gateway.turn()).state is TurnState.ASKING
        assert gateway.agent.charges == []


async def test_an_amount_from_somebody_who_may_not_answer_counts_for_nothing() -> None:
    """The same check as behind the buttons."""
    people = (Grant(OWNER, Role.OWNER), Grant("8", Role.WRITER))
    async with bench(script(call(1)), with_limits(confirm="0.10", people=people)) as gateway:
        gateway.says("go")
        asked = await gateway.sees("**go**")
        gateway.chat.says(THREAD, "8", "1", to=asked)
        await gateway.sees("You may not answer the question above.")
        assert (await gateway.turn()).state is TurnState.ASKING


@pytest.mark.parametrize("how", ["answered", "another session"])
async def test_a_reply_to_a_question_is_never_a_prompt(how: str) -> None:
    """A late amount says that it is late; one for a question of the thread's other session answers that question."""
    async with bench(script(call(1)), with_limits(confirm="0.10")) as gateway:
        gateway.says("go")
        asked = await gateway.sees("**go**")
        if how == "answered":
            gateway.chat.taps(asked, "No", OWNER)
            await gateway.sees("No.")
        else:
            await gateway.begins_anew()
        gateway.chat.says(THREAD, OWNER, "2.50", to=asked)
        if how == "answered":
            await gateway.sees("This was answered already.")
        else:
            await gateway.sees("Run, up to $2.50.")
            await gateway.ended(TurnState.FINISHED)
        assert [text for _, text in gateway.agent.prompts] == ([] if how == "answered" else ["go"])


async def test_a_hold_that_is_let_go_at_a_yes_is_freed_once(tmp_path: Path) -> None:
    """The run was told to end and has not ended yet, and the yes is asked again: nobody else's hold is freed with it."""
    ends = anyio.Event()
    steps = [step for _ in range(19) for step in (call(30), UseTool("Bash", "ls"))]
    play = script(*steps)
    rules = with_limits(session="2", step="0.90", pause_ms=200)
    agents = {"scripted": Slow(play, ends=ends)}
    async with agents["scripted"] as agent, bench(play, rules, home=tmp_path, agents=agents) as gateway:
        gateway.says("go")
        asked = await gateway.sees("Paused: $1.00 is what was agreed")
        gateway.says("/budget 0.20")
        await gateway.sees("of $0.20")
        await agent.let_go.wait()
        gateway.chat.says(THREAD, OWNER, "0.10", to=asked)
        await gateway.sees("Asked again: it changed.")
        ends.set()
        gateway.says("/stop")
        turn = await gateway.ended(TurnState.STOPPED)
        assert (turn.held_left, (await gateway.balance()).held) == (ZERO, ZERO)
    with open_readonly(tmp_path) as reader:
        assert reader.verify() == ()
