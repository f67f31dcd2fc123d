"""A gateway that has metered nothing yet, and knows what the agent's logs tell: its first estimate has an n."""

from collections.abc import Sequence

import pytest

from gateway import priors
from gateway.agents.scripted import UseTool
from gateway.core.first_call import FirstCall
from gateway.core.forecast import ENOUGH, HISTORY_MAX, Past
from gateway.core.imported import Imported
from gateway.domain.estimate import Estimate
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Grant, Role
from gateway.domain.turn import Turn, TurnState
from gateway.engine import World
from tests.engine.bench import MODEL, Bench, bench, call, script, with_limits

pytestmark = pytest.mark.anyio


def with_prior(world: World) -> None:
    """It knows what other people's turns teach, as every gateway does."""
    world.prior = priors.load()


def logged(number: int) -> Imported:
    """A turn of some $3, far more than most of public sessions."""
    first = FirstCall(Usd.parse("0.05"), Usd.parse("0.11"))
    past = Past(
        f"log{number // 8}",
        first if number % 8 else None,
        Usd.parse(f"{2 + number % 3}.25"),
        model=MODEL,
        imported=True,
    )
    return Imported("scripted", f"p{number}", 1_000 + number, past)


async def first_estimate(turns: int, rules: object = None) -> Estimate:
    """What a new gateway says of its owner's first prompt after so many turns in the logs."""
    async with bench(script(call(1)), rules or with_limits("50", confirm="40"), prepare=with_prior) as gateway:  # type: ignore[arg-type]
        await gateway.world.store.import_turns([logged(number) for number in range(turns)])
        gateway.says("go")
        found = (await gateway.ended(TurnState.FINISHED)).estimate
        assert found is not None
        return found


async def test_the_first_estimate_of_a_new_gateway_rests_on_the_logs() -> None:
    """With n, other figures than the prior's, and words that say from where; its p90 is what is set aside."""
    before, found = await first_estimate(0), await first_estimate(40)
    assert (before.n, found.n) == (0, 40)
    assert found.n >= ENOUGH
    for known, said in ((before.p50, found.p50), (before.p90, found.p90)):
        assert known is not None
        assert said is not None
        assert said > known
    assert found.p50 is not None
    assert Usd.parse("1") < found.p50 < Usd.parse("6")
    assert found.hold == found.p90
    assert "turns of yours, all of them from the agent's own logs" in found.words


async def test_whoever_does_not_own_the_gateway_begins_with_the_prior() -> None:
    """The logs are those of the machine's user."""
    rules = with_limits("50", confirm="40", people=(Grant("8", Role.OWNER), Grant("7", Role.WRITER)))
    found = await first_estimate(40, rules)
    assert found.n == 0
    assert "you have no turns yet" in found.words


async def test_the_gateways_own_turns_join_them() -> None:
    """The second estimate counts the first turn as well."""
    async with bench(script(call(1)), with_limits("50", confirm="40"), prepare=with_prior) as gateway:
        await gateway.world.store.import_turns([logged(number) for number in range(12)])
        gateway.says("go")
        await gateway.ended(TurnState.FINISHED)
        gateway.says("again")
        turns = await gateway.until(lambda turns: len(turns) == 2 and turns[-1].state is TurnState.FINISHED)
        assert [turn.estimate.n for turn in turns if turn.estimate] == [12, 13]


WAITS = (TurnState.PAUSED, TurnState.ASKING)


def poisoned(number: int, cost: str) -> Imported:
    """A turn that an agent has written into its own log."""
    past = Past("made-up", None, Usd.parse(cost), Usd.parse(cost), model=MODEL, imported=True)
    return Imported("scripted", f"q{number}", 1_000 + number, past)


async def dear_run(turns: Sequence[Imported]) -> tuple[Bench, Turn]:
    """A run of eight calls of 30 cents, where $1 runs unasked, once it waits for somebody."""
    steps = [part for _ in range(8) for part in (call(30), UseTool("Bash", "ls"))]
    async with bench(script(*steps), with_limits("50", confirm="1"), prepare=with_prior) as gateway:
        await gateway.world.store.import_turns(turns)
        gateway.says("go")
        turn = (await gateway.until(lambda turns: bool(turns) and turns[-1].state in WAITS))[-1]
        return gateway, turn


async def test_cheap_turns_made_up_in_a_log_let_a_run_go_no_further_than_what_runs_unasked() -> None:
    """Attack 30: an agent that writes its own history is not asked about before the run, and still stops at `confirm_above`, and one call."""
    _, asked = await dear_run([poisoned(n, "3") for n in range(HISTORY_MAX)])
    assert (asked.state, asked.calls) == (TurnState.ASKING, 0)
    _, unasked = await dear_run([poisoned(n, "0.001") for n in range(HISTORY_MAX)])
    assert unasked.state is TurnState.PAUSED
    assert unasked.hold <= unasked.ceiling == Usd.parse("1")
    assert unasked.spent <= unasked.ceiling + Usd.parse("0.30")


async def test_dear_turns_made_up_in_a_log_hold_nothing_that_nobody_has_seen() -> None:
    """Attack 30: the other way round a person is asked, and until then nothing is set aside and no call is made."""
    gateway, asked = await dear_run([poisoned(n, "1000") for n in range(HISTORY_MAX)])
    assert (asked.state, asked.hold, asked.held_left, asked.calls) == (TurnState.ASKING, ZERO, ZERO, 0)
    assert gateway.agent.prompts == []
