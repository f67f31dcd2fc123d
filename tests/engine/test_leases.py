"""A gateway of a team: what it runs is paid from leases, and the bank is asked before a person is."""

from dataclasses import replace

import anyio
import pytest

from gateway.agents.scripted import UseTool
from gateway.domain.budget import ScopeKind
from gateway.domain.lease import TeamScope, lease_scope
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import TurnState
from gateway.engine import Team, metering
from gateway.ports import Decision
from tests.engine.bench import THREAD, bench, call, script
from tests.engine.team import CORE, RICH, TERMS, limited, member

pytestmark = pytest.mark.anyio

TWO_CALLS = script(call(30), UseTool("Bash", "ls"), call(30))


def usd(text: str) -> Usd:
    """An amount."""
    return Usd.parse(text)


async def test_a_turn_runs_on_a_lease_that_is_borrowed_for_it_and_given_back() -> None:
    """Nothing is lent before somebody wants to work; afterwards the team has $0.60 less, and nothing is lent."""
    async with limited("10") as bank:
        async with member(bank, TWO_CALLS) as desk:
            assert await desk.loans() == ()
            desk.gateway.says("go")
            turn = await desk.gateway.ended(TurnState.FINISHED)
            [loan] = await desk.loans()
            assert [scope.key for scope in turn.scopes if scope.kind is ScopeKind.TEAM] == [f"{desk.month}:{loan.id}"]
            assert (await desk.stands()).lent == usd("2")
        balance = (await bank.status(desk.month)).balance
        assert (balance.spent, balance.lent, balance.left) == (usd("0.60"), ZERO, usd("9.40"))
        assert await bank.verify() == ()


async def test_what_is_lent_is_enough_for_the_next_turn_without_asking() -> None:
    """The second turn fits what is left of the lease: nothing more is borrowed."""
    async with limited("10") as bank, member(bank, TWO_CALLS) as desk:
        desk.gateway.says("go")
        await desk.gateway.ended(TurnState.FINISHED)
        desk.gateway.says("and again")
        await desk.gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
        assert desk.network.count("lend") == 1


async def test_a_long_turn_grows_with_its_lease_and_asks_nobody() -> None:
    """$6 of calls on chunks of $2: the lease is renewed in time, and no question is put."""
    steps = [one for n in range(12) for one in (call(50), UseTool("Bash", f"step {n}"))]
    async with limited("10") as bank, member(bank, script(*steps)) as desk:
        desk.gateway.says("go")
        turn = await desk.gateway.ended(TurnState.FINISHED)
        assert turn.spent == usd("6")
        assert desk.network.count("renew") >= 1
        assert not any("Paused" in shown.text for shown in desk.gateway.chat.sees(THREAD))


async def test_where_the_team_has_no_room_a_person_is_asked_in_the_teams_words() -> None:
    """With $0.20 left in all, the question tells that, and of the team's limit and not of a lease."""
    async with limited("0.20") as bank, member(bank, TWO_CALLS) as desk:
        desk.gateway.says("go")
        asked = await desk.gateway.sees("$0.20 left of the team's $0.20.")
        assert any(button.label.startswith("Raise +$") for button in asked.buttons)
        assert desk.gateway.agent.charges == []


async def test_a_tap_raises_the_teams_limit_and_the_turn_runs() -> None:
    """The raise is the bank's entry, with the person; then the gate is asked again, and allows it."""
    async with limited("0.20") as bank, member(bank, TWO_CALLS) as desk:
        desk.gateway.says("go")
        await desk.gateway.taps("left of the team's", "Raise +$1")
        turn = await desk.gateway.ended(TurnState.FINISHED)
        assert turn.spent == usd("0.60")
        assert (await desk.stands()).limit == usd("1.20")


async def test_what_is_left_can_be_had_to_the_last_cent() -> None:
    """Run, stop at what the team has left: the bank lends exactly that, and the turn pauses there."""
    async with limited("0.20") as bank, member(bank, TWO_CALLS) as desk:
        desk.gateway.says("go")
        await desk.gateway.taps("left of the team's", "Run, stop at $0.20")
        await desk.gateway.ended(TurnState.PAUSED)
        assert (await desk.stands()).limit == usd("0.20")


async def test_without_a_limit_the_question_says_how_one_is_set() -> None:
    """Nobody has set a limit: nothing runs, and what an owner does about it is said."""
    async with limited(None) as bank, member(bank, TWO_CALLS) as desk:
        desk.gateway.says("go")
        await desk.gateway.sees("`tollbridge bank limit month 500`")
        assert desk.gateway.agent.charges == []
        await bank.set_limit(desk.month, usd("5"), "7", "test")
        await desk.gateway.taps("It waits", "Try again, up to $50.00")
        await desk.gateway.ended(TurnState.FINISHED)


async def test_in_mid_turn_the_bank_is_asked_before_a_person_is() -> None:
    """When the limit is used up in mid-turn, the question tells what is left of the team's limit; a raise lets it go on."""
    steps = [one for n in range(6) for one in (call(50), UseTool("Bash", f"step {n}"))]
    async with limited("1") as bank, member(bank, script(*steps), rules=RICH) as desk:
        desk.gateway.says("go")
        await desk.gateway.sees("what the team's bank lent is used up. $1.00 spent")
        paused = await desk.gateway.ended(TurnState.PAUSED)
        assert paused.spent == usd("1")
        await desk.gateway.taps("what the team's bank lent", "Raise +$1")
        await desk.gateway.sees("what the team's bank lent is used up. $2.00 spent")
        await desk.gateway.until(lambda turns: turns[-1].state is TurnState.PAUSED and turns[-1].spent == usd("2"))
        assert (await desk.stands()).left == ZERO


async def test_a_turn_that_was_raised_and_is_short_of_its_lease_only_is_known_as_such() -> None:
    """The day's limit is passed, but raised for this turn: nothing but the lease stands in its way, and the bank is asked."""
    going = anyio.Event()
    play = script(call(30), UseTool("Bash", "ls"), call(30, lasts=going))
    rules = replace(RICH, limits={**RICH.limits, ScopeKind.DAY: usd("0.25")}, step=usd("0.20"))
    async with bench(play, rules) as gateway:
        gateway.says("go")
        await gateway.taps("Paused: the day budget of $0.25 is used up.", "Raise +$2")
        [turn] = await gateway.until(lambda turns: turns[0].state is TurnState.RUNNING)
        world, lease = gateway.world, lease_scope(TeamScope(CORE, "2026-11"), "l_1")
        world.team = Team(CORE, "desk-1", TERMS)
        short = replace(turn, scopes=(*turn.scopes, lease), held_left=ZERO)
        await world.store.transact(lambda _view: Decision(None, put=(short,)), 0)
        assert await world.store.read(lambda view: metering.short_of_lease(world, view, turn.id))
        world.team = None
