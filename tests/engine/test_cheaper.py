"""The question before an expensive run offers a cheaper model: what is asked, what a yes to it does, and what stays as it was."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway import app
from gateway.agents.scripted import Background, CallApi, ScriptedAgent, SubAgent
from gateway.chats.memory import MemoryChat, Shown
from gateway.config import settings_from
from gateway.core.policy import Action, Condition, Rule
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Grant, Role
from gateway.domain.turn import OutcomeKind, TurnState
from gateway.domain.usage import Rates, Tokens, Unpriced
from gateway.engine import Rules
from gateway.ports import AgentUnavailableError, Client, Launch
from gateway.pricing import ListPrices
from tests.engine.bench import MODEL, OWNER, RULES, THREAD, Bench, bench, call, script, with_limits

pytestmark = pytest.mark.anyio

HAIKU = "claude-haiku-4-5"
USE_HAIKU = f"Use {HAIKU}, up to $0.69"
OFFERED = ["Run, up to $1.44", USE_HAIKU, "No"]
"""150,000 tokens to read again: $0.9375 on opus, $0.1875 on haiku, and the default hold of $0.50 on top of it."""
GOES_ON = f"This session goes on with {HAIKU}."
OFFERING = replace(RULES, cheaper_model=HAIKU)


def play(text: str, _context: int):
    """The first prompt fills the context, every other costs 10 cents at opus prices."""
    return script(CallApi(Tokens(cache_read=150_000)) if text == "one" else call(10))


@asynccontextmanager
async def asked(rules: Rules = OFFERING, **more: Any) -> AsyncGenerator[tuple[Bench, Shown]]:
    """A gateway with a question before it: the context of the first turn is cold when the second is written."""
    async with bench(play, rules, **more) as gateway:
        gateway.says("one")
        await gateway.ended(TurnState.FINISHED)
        an_hour_later(gateway)
        gateway.says("two")
        yield gateway, await gateway.sees("**two**")


def an_hour_later(gateway: Bench) -> None:
    """Every prompt cache has expired."""
    now_ms = gateway.world.clock.now_ms
    gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: now_ms() + 3_700_000)


def labels(shown: Shown) -> list[str]:
    """What the buttons say."""
    return [button.label for button in shown.buttons]


async def model(gateway: Bench) -> str | None:
    """The model of the only session."""
    [session] = await gateway.sessions()
    return session.model


async def finished(gateway: Bench, count: int):
    """The latest of so many turns, once it has finished."""
    turns = await gateway.until(lambda turns: len(turns) == count and turns[-1].state is TurnState.FINISHED)
    return turns[-1]


# ----------------------------------------------------------------------------------------------------------- the tap
async def test_a_yes_to_the_cheaper_model_runs_the_turn_on_it_at_its_price() -> None:
    """The agent is told before it gets the prompt; calls, ledger, turn and session are all the cheaper model's."""
    async with asked() as (gateway, question):
        assert labels(question) == OFFERED
        gateway.chat.taps(question, USE_HAIKU, OWNER)
        await gateway.sees(f"{USE_HAIKU}. {GOES_ON}")
        turn = await finished(gateway, 2)
        assert (turn.model, turn.spent, turn.ceiling) == (HAIKU, Usd.parse("0.02"), Usd.parse("0.68750125"))
        assert [charge.call.usage.model for charge in gateway.agent.charges] == [MODEL, HAIKU]
        assert (await model(gateway), (await gateway.balance()).held) == (HAIKU, ZERO)


async def test_the_estimate_that_is_kept_is_that_of_the_model_which_ran() -> None:
    """Its floor is the context written again at the cheaper price: how good estimates were is told by it later."""
    async with asked() as (gateway, question):
        turn = (await gateway.turns())[-1]
        assert turn.estimate is not None
        assert turn.estimate.floor == Usd.parse("0.93750625")
        gateway.chat.taps(question, USE_HAIKU, OWNER)
        turn = await finished(gateway, 2)
        assert turn.estimate is not None
        assert turn.estimate.floor == Usd.parse("0.18750125")


async def test_the_session_goes_on_with_the_cheaper_model_and_is_not_offered_it_again() -> None:
    """The next prompt runs on it unasked, and the agent is not told anew."""
    async with asked() as (gateway, question):
        gateway.chat.taps(question, USE_HAIKU, OWNER)
        await finished(gateway, 2)
        gateway.says("three")
        assert (await finished(gateway, 3)).model == HAIKU
        gateway.world.rules = replace(gateway.world.rules, confirm_above=Usd.parse("0.10"))
        gateway.says("four")
        assert labels(await gateway.sees("**four**")) == ["Run, up to $0.50", "No"]


async def test_with_history_the_offer_is_what_the_same_turns_would_have_cost() -> None:
    """Nine turns of 10 cents on opus: on haiku a fifth of it."""
    async with bench(script(call(10)), OFFERING) as gateway:
        for count in range(1, 10):
            gateway.says("again")
            await finished(gateway, count)
        gateway.world.rules = replace(gateway.world.rules, confirm_above=Usd.parse("0.05"))
        gateway.says("more")
        question = await gateway.sees("**more**")
        assert labels(question) == ["Run, up to $0.10", f"Use {HAIKU}, up to $0.02", "No"]
        gateway.chat.taps(question, "Use", OWNER)
        assert (await finished(gateway, 10)).spent == Usd.parse("0.02")


@pytest.mark.parametrize("how", ["Run", "No", "amount"])
async def test_any_other_answer_leaves_the_model_as_it_is(how: str) -> None:
    """Run and a typed amount are for the usual model; No is for none."""
    async with asked() as (gateway, question):
        if how == "amount":
            gateway.chat.says(THREAD, OWNER, "2", to=question)
        else:
            gateway.chat.taps(question, how, OWNER)
        turns = await gateway.until(lambda turns: turns[-1].ended_at_ms is not None)
        assert (turns[-1].model, await model(gateway)) == (MODEL, MODEL)
        assert {charge.call.usage.model for charge in gateway.agent.charges} == {MODEL}


async def test_who_may_not_answer_changes_no_model() -> None:
    """A writer presses the button: nothing happens."""
    people = (Grant(OWNER, Role.OWNER), Grant("8", Role.WRITER))
    async with asked(replace(OFFERING, people=people)) as (gateway, question):
        told = await gateway.chat.told(gateway.chat.taps(question, USE_HAIKU, "8"))
        assert told == "You may not answer this."
        assert await model(gateway) == MODEL


class Dearer(ListPrices):
    """Haiku costs twice as much."""

    def rates(self, model: str, on: date, service_tier: str, speed: str, geo: str = "") -> Rates | Unpriced:
        """The list price, and what is written to haiku's cache twice."""
        found = super().rates(model, on, service_tier, speed, geo)
        if isinstance(found, Unpriced) or model != HAIKU:
            return found
        return replace(found, cache_write_5m=2 * found.cache_write_5m)


async def test_a_yes_to_a_model_whose_price_has_changed_is_asked_again() -> None:
    """The price of what is offered is part of what is agreed to, not only that of the usual model."""
    async with asked() as (gateway, question):
        gateway.world.prices = Dearer()
        gateway.chat.taps(question, USE_HAIKU, OWNER)
        await gateway.sees("it is decided anew")
        again = await gateway.sees("**two**")
        assert again.message_id != question.message_id
        assert labels(again)[1] == f"Use {HAIKU}, up to $0.88"
        assert await model(gateway) == MODEL


async def test_a_yes_that_a_new_rule_refuses_runs_nothing_and_says_what_the_session_goes_on_with() -> None:
    """The person chose the model, and that counts for what comes next."""
    async with asked() as (gateway, question):
        gateway.world.rules = replace(OFFERING, policy=(Rule(Condition(model="*haiku*"), Action.REFUSE),))
        gateway.chat.taps(question, USE_HAIKU, OWNER)
        await gateway.sees(f"Not run. {GOES_ON}")
        turns = await gateway.until(lambda turns: turns[-1].state is TurnState.REFUSED)
        assert len(gateway.agent.charges) == len(turns) - 1 == 1
        assert (await model(gateway), (await gateway.balance()).held) == (HAIKU, ZERO)


# ---------------------------------------------------------------------------------------------------------- no offer
def test_the_setting_is_that_of_the_agent_which_new_sessions_get(tmp_path: Path) -> None:
    """Claude Code's cheaper model is offered where Claude Code is the agent, and nowhere else."""
    toml = f'[agents.claude]\ncheaper_model = "{HAIKU}"\n'
    assert app.rules(settings_from(toml, {}, tmp_path), ()).cheaper_model == HAIKU
    other = settings_from(f'[agents]\ndefault = "scripted"\n{toml}', {}, tmp_path)
    assert app.rules(other, ()).cheaper_model is None


class Single(ScriptedAgent):
    """An agent that knows one model."""

    traits = replace(ScriptedAgent.traits, switches_model=False)


async def test_an_agent_that_cannot_switch_is_offered_no_other_model() -> None:
    """Nothing is promised that it cannot keep."""
    async with Single(play) as agent, asked(agents={"scripted": agent}) as (_, question):
        assert labels(question) == ["Run, up to $1.44", "No"]


@pytest.mark.parametrize(
    "rules",
    [
        RULES,
        replace(OFFERING, cheaper_model=MODEL),
        replace(OFFERING, cheaper_model="a-model-without-a-price"),
        replace(OFFERING, cheaper_model="claude-opus-4-5"),
        replace(OFFERING, policy=(Rule(Condition(model="*haiku*"), Action.REFUSE),)),
        replace(OFFERING, policy=(Rule(Condition(model="*haiku*"), Action.REFUSE_ABOVE, Usd.parse("0.60")),)),
    ],
    ids=["none", "the same", "no price", "as dear", "refused", "refused above"],
)
async def test_what_is_not_cheaper_or_would_not_run_is_not_offered(rules: Rules) -> None:
    """Without a setting, a price, a saving or the rules' leave there are the usual buttons."""
    async with asked(rules) as (_, question):
        assert labels(question) == ["Run, up to $1.44", "No"]


async def test_a_run_that_nobody_asked_for_is_offered_no_other_model() -> None:
    """Its agent stands in the middle of a conversation: it goes on with what it has, or not."""

    def first(text: str, _context: int):
        helper = SubAgent("reader", (call(1),))
        return script(CallApi(Tokens(cache_read=150_000)), Background((helper,))) if text == "one" else script(call(1))

    rule = Rule(Condition(estimate_above=ZERO), Action.CONFIRM)
    async with bench(first, replace(OFFERING, policy=(rule,))) as gateway:
        gateway.says("one")
        await gateway.taps("**one**", "Run")
        question = await gateway.sees("goes on by itself")
        assert len(labels(question)) == 2


# ----------------------------------------------------------------------------------------------- restarts and faults
async def test_a_question_with_another_model_survives_a_restart(tmp_path: Path) -> None:
    """Asked by one gateway, answered to the next, whose agent is started with the model."""
    chat = MemoryChat()
    async with asked(home=tmp_path, chat=chat) as (_, question):
        pass
    async with bench(play, OFFERING, tmp_path, chat=chat) as gateway:
        chat.taps(question, USE_HAIKU, OWNER)
        assert (await finished(gateway, 2)).model == HAIKU


async def test_a_gateway_that_ends_between_the_yes_and_the_start_runs_it_on_the_agreed_model(tmp_path: Path) -> None:
    """The turn waited for its place when the gateway ended: the next one starts the agent with the model."""
    chat, never = MemoryChat(), anyio.Event()
    rules = replace(OFFERING, processes_max=1)

    def busy(text: str, context: int):
        return script(call(1, lasts=never)) if text == "long" else play(text, context)

    async with bench(busy, rules, tmp_path, chat=chat) as gateway:
        gateway.says("one")
        await gateway.ended(TurnState.FINISHED)
        await gateway.begins_anew()
        gateway.says("long")
        await gateway.until(lambda turns: turns[-1].state is TurnState.RUNNING)
        gateway.says("/sessions 2")
        an_hour_later(gateway)
        gateway.says("two")
        await gateway.taps("**two**", USE_HAIKU)
        await gateway.sees("Waits for its place")
    async with bench(play, rules, tmp_path, chat=chat) as gateway:
        turns = await gateway.until(lambda turns: any(turn.model == HAIKU and turn.calls for turn in turns))
        [charge] = gateway.agent.charges
        assert charge.call.usage.model == HAIKU
        assert sum(turn.model == HAIKU for turn in turns) == 1


class Stubborn(ScriptedAgent):
    """An agent whose first client does not switch: it `stays` with its model, or has `ended` when it is told."""

    def __init__(self, how: str) -> None:
        super().__init__(play)
        self.how = how
        self.launches: list[Launch] = []

    async def start(self, launch: Launch) -> Any:
        """Start a client; the first one does not switch."""
        self.launches.append(launch)
        client = await super().start(launch)
        return StubbornClient(client, self.how) if len(self.launches) == 1 else client


class StubbornClient:
    """A client that does not switch."""

    def __init__(self, client: Client, how: str) -> None:
        self._client = client
        self._how = how

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    @property
    def listens(self) -> bool:
        return True

    async def use_model(self, model: str) -> bool:
        """Do not."""
        if self._how == "ended":
            await self._client.close()
            raise AgentUnavailableError(f"It has ended, and {model} with it")
        return False


async def test_an_agent_that_does_not_switch_fails_the_turn_before_any_call() -> None:
    """What was agreed to cannot be kept: nothing is sent, the hold is free, the session stays on its model and works."""
    async with Stubborn("stays") as agent, asked(agents={"scripted": agent}) as (gateway, question):
        gateway.chat.taps(question, USE_HAIKU, OWNER)
        await gateway.sees(f"Scripted agent does not change to {HAIKU}, and nothing was sent to it")
        turn = await gateway.ended(TurnState.FAILED)
        assert turn.outcome is not None
        assert (turn.outcome.kind, turn.calls, turn.held_left) == (OutcomeKind.ERROR, 0, ZERO)
        assert (await model(gateway), (await gateway.balance()).held, len(agent.charges)) == (MODEL, ZERO, 1)
        gateway.says("three")
        gateway.chat.taps(await gateway.sees("**three**"), "Run", OWNER)
        assert (await finished(gateway, 3)).model == MODEL


async def test_an_agent_that_has_ended_meanwhile_is_started_with_the_model() -> None:
    """The client is gone when it is to be told: a new one is started on the cheaper model and gets the prompt, once."""
    async with Stubborn("ended") as agent, asked(agents={"scripted": agent}) as (gateway, question):
        gateway.chat.taps(question, USE_HAIKU, OWNER)
        assert (await finished(gateway, 2)).model == HAIKU
        assert [launch.model for launch in agent.launches] == [None, HAIKU]
        assert [text for _, text in agent.prompts] == ["one", "two"]


async def test_the_cheaper_model_counts_against_the_same_limits() -> None:
    """With less left than the usual run needs, the four buttons stand together, and the cheaper one fits what is left."""
    async with asked(with_limits(session="1.20", cheaper_model=HAIKU)) as (gateway, question):
        assert labels(question) == ["Run, stop at $1.13", "Raise +$1", USE_HAIKU, "No"]
        gateway.chat.taps(question, USE_HAIKU, OWNER)
        assert (await finished(gateway, 2)).model == HAIKU
