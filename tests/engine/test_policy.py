"""The owner's rules at the gate of a whole gateway: asked, unasked, refused, bounded."""

from dataclasses import replace

import pytest

from gateway.agents.scripted import Background, SubAgent, UseTool
from gateway.core.policy import Action, Condition, Hours, Rule
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import Origin, TurnState
from gateway.engine import Rules
from tests.engine.bench import MODEL, RULES, bench, call, script

pytestmark = pytest.mark.anyio

TWO_CALLS = script(call(30), UseTool("Bash", "ls"), call(30))
EVERYWHERE = Condition(directory="/")


def ruled(*rules: Rule, **more: object) -> Rules:
    """The usual settings with these rules."""
    return replace(RULES, policy=rules, **more)  # type: ignore[arg-type]


async def test_a_rule_that_asks_names_itself_in_the_question() -> None:
    """A run far below the threshold waits for a tap, and the person reads why."""
    play = script(call(60), UseTool("Bash", "ls"), call(30))
    async with bench(play, ruled(Rule(EVERYWHERE, Action.CONFIRM, name="careful"))) as gateway:
        gateway.says("go")
        await gateway.taps("Rule 1 (careful) asks before every such run.", "Run, up to $0.50")
        await gateway.taps("$0.50 is what was agreed for this turn", "Go on, up to $1.00 more")
        assert (await gateway.ended(TurnState.FINISHED)).spent == Usd.parse("0.90")


async def test_a_rule_that_refuses_starts_nothing() -> None:
    """No call, no question, a word."""
    async with bench(TWO_CALLS, ruled(Rule(EVERYWHERE, Action.REFUSE))) as gateway:
        gateway.says("go")
        await gateway.sees("Not run: Rule 1 refuses such runs.")
        assert (await gateway.ended(TurnState.REFUSED)).calls == 0
        assert gateway.agent.charges == []


async def test_what_a_rule_lets_go_unasked_runs_past_the_threshold() -> None:
    """With $0.10 as the general threshold and $2 by rule, a run of $0.60 is not asked about."""
    rules = ruled(Rule(EVERYWHERE, Action.ALLOW_BELOW, Usd.parse("2")), confirm_above=Usd.parse("0.10"))
    async with bench(TWO_CALLS, rules) as gateway:
        gateway.says("go")
        assert (await gateway.ended(TurnState.FINISHED)).ceiling == Usd.parse("2")


async def test_at_a_hard_bound_a_turn_can_only_be_stopped() -> None:
    """Bounded at $0.50 the run of $0.60 pauses after $0.60 of calls, and no button lets it go on."""
    rules = ruled(Rule(EVERYWHERE, Action.REFUSE_ABOVE, Usd.parse("0.50")))
    play = script(call(60), UseTool("Bash", "ls"), call(30))
    async with bench(play, rules) as gateway:
        gateway.says("go")
        shown = await gateway.sees("$0.50 is the most that a rule allows for this turn")
        assert [button.label for button in shown.buttons] == ["Stop here"]
        await gateway.taps("is the most that a rule allows", "Stop here")
        assert (await gateway.ended(TurnState.STOPPED)).spent == Usd.parse("0.60")


async def test_a_rule_for_a_model_holds_once_the_model_is_known() -> None:
    """The first run of a session is not known to be opus; its next is."""
    async with bench(TWO_CALLS, ruled(Rule(Condition(model=MODEL), Action.REFUSE))) as gateway:
        gateway.says("go")
        await gateway.ended(TurnState.FINISHED)
        gateway.says("again")
        await gateway.sees("Not run: Rule 1 refuses such runs.")


async def test_a_rule_for_a_cold_cache_counts_what_has_to_be_read_again() -> None:
    """Nothing is cold before the first call, and nothing right after it; an hour later it is."""
    late = [0]
    async with bench(TWO_CALLS, ruled(Rule(Condition(cold_tokens_above=0), Action.CONFIRM, name="cold"))) as gateway:
        now_ms = gateway.world.clock.now_ms
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: now_ms() + late[0])
        gateway.says("go")
        await gateway.ended(TurnState.FINISHED)
        late[0] = 2 * 3_600_000
        gateway.says("again")
        await gateway.sees("Rule 1 (cold) asks before every such run.")


async def test_hours_are_those_where_the_owner_is() -> None:
    """A rule for Tuesdays refuses on Tuesday and no other day."""
    tuesday = 1_795_000_000_000 - 24 * 3_600_000  # Wednesday 18 November 2026, less a day
    async with bench(TWO_CALLS, ruled(Rule(Condition(hours=Hours.parse("tue 00:00-24:00")), Action.REFUSE))) as gateway:
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: tuesday)
        gateway.says("go")
        await gateway.sees("Not run: Rule 1 refuses such runs.")
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: tuesday + 24 * 3_600_000)
        gateway.says("again")
        await gateway.ended(TurnState.FINISHED)


async def test_a_model_without_a_price_is_refused_where_the_settings_say_so() -> None:
    """Its first call is the only one, since before it nobody knows the model."""
    play = script(call(1, model="mystery-1"), UseTool("Bash", "ls"), call(1, model="mystery-1"))
    async with bench(play, ruled(unpriced_refused=True)) as gateway:
        gateway.says("go")
        await gateway.taps("the settings refuse that", "Stop here")
        assert (await gateway.ended(TurnState.STOPPED)).calls == 1
        gateway.says("again")
        await gateway.sees("Not run: the price of this model is not known")


async def test_a_background_run_can_be_refused_by_its_origin() -> None:
    """The prompt runs, and what goes on by itself makes no call."""
    play = script(call(1), Background((SubAgent("reader", (call(2),)),), report=(call(3),)))
    async with bench(play, ruled(Rule(Condition(origin=Origin.BACKGROUND), Action.REFUSE))) as gateway:
        gateway.says("go")
        turns = await gateway.until(lambda turns: [t.state for t in turns] == [TurnState.FINISHED, TurnState.REFUSED])
        assert [(turn.origin, turn.spent) for turn in turns] == [
            (Origin.PERSON, Usd.parse("0.03")),
            (Origin.BACKGROUND, ZERO),
        ]


async def test_a_yes_to_a_background_run_that_a_rule_refuses_by_now_ends_its_agent() -> None:
    """Asked at noon and answered at night: the agent that waits at the boundary is let go, and the next prompt runs."""
    at_night = 1_795_000_000_000 + 12 * 3_600_000
    rules = ruled(
        Rule(Condition(origin=Origin.BACKGROUND, hours=Hours.parse("22:00-06:00")), Action.REFUSE),
        Rule(Condition(origin=Origin.BACKGROUND), Action.CONFIRM),
    )
    play = script(call(1), Background((SubAgent("reader", (call(2),)),), report=(call(3),)))
    async with bench(play, rules) as gateway:
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: 1_795_000_000_000)
        gateway.says("go")
        await gateway.sees("Rule 2 asks before every such run.")
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: at_night)
        await gateway.taps("Rule 2 asks before every such run.", "Run, up to $0.50")
        await gateway.sees("Not run: Rule 1 refuses such runs.")
        gateway.says("next")
        await gateway.until(lambda turns: len(turns) > 2 and turns[2].state is TurnState.FINISHED)
        assert Usd.parse("0.03") not in [
            turn.spent for turn in await gateway.turns() if turn.origin is Origin.BACKGROUND
        ]
