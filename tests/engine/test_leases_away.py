"""The team's bank is away, slow to answer, or knows better; the gateway's time goes on; gateways are killed meanwhile."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from gateway.agents.scripted import Background, SubAgent, UseTool, Wait
from gateway.bank import migrate_bank, open_bank
from gateway.chats.memory import MemoryChat
from gateway.domain.events import CallMetered
from gateway.domain.lease import Refused, Renewal, TeamScope
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Grant, Role, Thread
from gateway.domain.turn import Origin, TurnState
from gateway.domain.usage import Tokens, Usage
from gateway.engine import metering
from gateway.ports import BankAwayError, BankError, Decision
from tests.engine.bench import MODEL, OWNER, THREAD, call, script
from tests.engine.team import CORE, RICH, TERMS, Day, KilledError, Network, Ticks, limited, member
from tests.fakes.postgres import Postgres, serve
from tests.store.test_loans import FIGURE

pytestmark = pytest.mark.anyio

ONE_CALL = script(call(30))


def usd(text: str) -> Usd:
    """An amount."""
    return Usd.parse(text)


async def test_while_the_bank_is_away_nothing_starts_and_a_tap_tries_again() -> None:
    """The question says what is wrong; a tap while it still is leaves the question open; later one lets the turn run."""
    async with limited("10") as bank:
        network = Network(bank, cut=True)
        async with member(network, ONE_CALL) as desk:
            desk.gateway.says("go")
            await desk.gateway.sees("the team's bank cannot be reached")
            await desk.gateway.taps("It waits", "Try again")
            await desk.gateway.sees("cannot be reached, so nothing was changed.\nThe question above stays open")
            assert desk.gateway.agent.charges == []
            network.cut = False
            await desk.gateway.taps("It waits", "Try again")
            await desk.gateway.ended(TurnState.FINISHED)


async def test_without_the_bank_what_is_lent_goes_on_being_spent() -> None:
    """A lease of $2 is at hand when the bank goes away: turns run on it as if nothing were."""
    async with limited("10") as bank:
        network = Network(bank)
        async with member(network, ONE_CALL) as desk:
            desk.gateway.says("go")
            await desk.gateway.ended(TurnState.FINISHED)
            network.cut = True
            desk.gateway.says("again")
            await desk.gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)


async def test_past_the_leases_end_a_turn_pauses_before_its_next_call_and_a_tap_lets_it_go_on() -> None:
    """The bank is away and the time is over while a tool works: no call more, nothing starts, and nothing is lost."""
    tool = anyio.Event()
    play = script(call(10), UseTool("Bash", "make", lasts=tool), call(10))
    async with limited("10") as bank:
        network = Network(bank)
        async with member(network, play) as desk:
            desk.gateway.says("go")
            await desk.gateway.until(lambda turns: bool(turns) and turns[-1].calls == 1)
            network.cut = True
            desk.ticks.ms += TERMS.lasts_ms
            tool.set()
            await desk.gateway.sees("Paused: the team's bank cannot be reached")
            assert (await desk.gateway.turn()).spent == usd("0.10")
            network.cut = False
            await desk.gateway.taps("Paused: the team's bank", "Go on")
            turn = await desk.gateway.ended(TurnState.FINISHED)
            assert turn.spent == usd("0.20")
        assert (await bank.status(desk.month)).balance.spent == usd("0.20")


async def test_a_lease_at_work_is_renewed_when_half_of_its_time_is_over() -> None:
    """The renewal comes by itself, tells what was spent so far, and the lease is good for its whole time again."""
    tool = anyio.Event()
    play = script(call(10), UseTool("Bash", "make", lasts=tool), call(10))
    async with limited("10") as bank, member(bank, play) as desk:
        desk.gateway.says("go")
        await desk.gateway.until(lambda turns: bool(turns) and turns[-1].calls == 1)
        assert desk.network.count("renew") == 0
        desk.ticks.ms += TERMS.lasts_ms // 2
        desk.wakes()
        await desk.until(lambda balance: balance.spent == usd("0.10"))
        [loan] = await desk.loans()
        assert loan.lease is not None
        assert loan.lease.epoch == 2
        tool.set()
        await desk.gateway.ended(TurnState.FINISHED)


async def test_a_lease_that_nobody_uses_is_given_back_when_its_renewal_is_due() -> None:
    """The rest is the team's again."""
    async with limited("10") as bank, member(bank, ONE_CALL) as desk:
        desk.gateway.says("go")
        await desk.gateway.ended(TurnState.FINISHED)
        desk.ticks.ms += TERMS.lasts_ms // 2
        desk.wakes()
        balance = await desk.until(lambda balance: balance.lent == ZERO)
        assert balance.spent == usd("0.30")


@pytest.mark.parametrize("asleep", [True, False], ids=["when it gives it back", "when it needs it"])
async def test_a_machine_that_lost_its_lease_is_fenced_and_starts_nothing_until_somebody_looked(asleep: bool) -> None:
    """A copy of the gateway renewed the lease: the bank refuses its own, owners are told once, and only /go lets turns start."""
    async with limited("10") as bank, member(bank, ONE_CALL) as desk:
        desk.gateway.says("go")
        await desk.gateway.ended(TurnState.FINISHED)
        [loan] = await desk.loans()
        assert loan.lease is not None
        stolen = await bank.renew(Renewal("other", loan.lease, ZERO, usd("2"), usd("1"), TERMS.lasts_ms))
        assert not isinstance(stolen, Refused)
        desk.ticks.ms += TERMS.lasts_ms
        if asleep:
            desk.wakes()
        else:
            desk.gateway.says("again")
        await desk.gateway.chat.waits_for(Thread("memory", OWNER), "Another process uses this gateway's name")
        if asleep:
            desk.gateway.says("again")
        await desk.gateway.sees("Not run: Everything is stopped")
        assert len(desk.gateway.agent.charges) == 1
        assert (await desk.stands()).spent == usd("0.30")
        desk.gateway.says("/go")
        await desk.gateway.sees("Turns may start again.")
        desk.gateway.says("again")
        await desk.gateway.until(lambda turns: [turn.state for turn in turns].count(TurnState.FINISHED) == 2)
        told = [seen for seen in desk.gateway.chat.sees(Thread("memory", OWNER)) if "Another process uses" in seen.text]
        assert len(told) == 1
        assert await bank.verify() == ()


@pytest.mark.parametrize("step", ["lease.asking", "lease.answered"])
async def test_a_request_that_a_crash_cut_off_is_sent_again_and_lends_once(tmp_path: Path, step: str) -> None:
    """Killed before it was sent, or before its answer was kept: the next gateway repeats it, and one lease is all there is."""
    async with limited("10") as bank:
        with pytest.RaisesGroup(KilledError, flatten_subgroups=True, allow_unwrapped=True):
            async with member(bank, ONE_CALL, home=tmp_path / "home", dies_at=step) as desk:
                desk.gateway.says("go")
                await anyio.sleep(10)
        async with member(bank, ONE_CALL, home=tmp_path / "home") as desk:
            turn = await desk.gateway.ended(TurnState.FINISHED)
            assert turn.spent == usd("0.30")
            [lease] = await bank.leases("desk-1")
            assert [loan.id for loan in await desk.loans()] == [lease.id]
        assert (await bank.status(desk.month)).balance.left == usd("9.70")
        assert await bank.verify() == ()


async def test_after_a_restart_nothing_of_the_team_starts_without_the_bank(tmp_path: Path) -> None:
    """The ticks of the old process mean nothing: the lease counts as over until the bank has renewed it."""
    home, chat = tmp_path / "home", MemoryChat()
    async with limited("10") as bank:
        with pytest.RaisesGroup(KilledError, flatten_subgroups=True, allow_unwrapped=True):
            async with member(bank, ONE_CALL, home=home, chat=chat, dies_at="turn.released") as desk:
                desk.gateway.says("go")
                await anyio.sleep(10)
        network = Network(bank, cut=True)
        async with member(network, ONE_CALL, home=home, chat=chat) as desk:
            await desk.gateway.sees("the team's bank cannot be reached")
            assert desk.gateway.agent.charges == []
            network.cut = False
            await desk.gateway.taps("It waits", "Try again")
            turn = await desk.gateway.ended(TurnState.FINISHED)
            assert turn.spent == usd("0.30")


async def test_a_lease_that_expired_at_the_bank_is_replaced_and_its_remainder_is_the_teams_again() -> None:
    """The machine slept for hours: the bank refuses to renew, the lease is given back, and the next turn has a new one."""
    ticks = Ticks()
    async with limited("10") as bank, member(bank, ONE_CALL, ticks=ticks) as desk:
        desk.gateway.says("go")
        await desk.gateway.ended(TurnState.FINISHED)
        [first] = await desk.loans()
        assert first.lease is not None
        await bank.repay(first.lease, usd("0.30"))  # as the bank sees it, the lease is at its end
        ticks.ms += 10 * TERMS.lasts_ms
        desk.gateway.says("again")
        await desk.gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
        [second] = await desk.loans()
        assert second.id != first.id
        balance = await desk.stands()
        assert (balance.spent, balance.lent) == (usd("0.30"), usd("2"))


async def test_a_turn_whose_lease_was_lost_goes_on_with_another_after_a_yes() -> None:
    """The lease is closed at the bank while a tool works: the turn pauses, and a yes moves it to a new lease."""
    tool = anyio.Event()
    play = script(call(10), UseTool("Bash", "make", lasts=tool), call(10))
    async with limited("10") as bank:
        async with member(bank, play) as desk:
            desk.gateway.says("go")
            await desk.gateway.until(lambda turns: bool(turns) and turns[-1].calls == 1)
            [loan] = await desk.loans()
            assert loan.lease is not None
            await bank.repay(loan.lease, usd("0.10"))
            desk.ticks.ms += TERMS.lasts_ms
            tool.set()
            await desk.gateway.taps("Paused:", "Go on")
            turn = await desk.gateway.ended(TurnState.FINISHED)
            assert turn.spent == usd("0.20")
        assert (await bank.status(desk.month)).balance.spent == usd("0.20")


async def test_a_call_that_is_told_of_after_its_lease_was_given_back_is_booked_all_the_same() -> None:
    """Late usage is a fact: the bank hears of it, as overdraft of a lease that is closed, and the figures get it too."""
    async with limited("10") as bank, member(bank, ONE_CALL) as desk:
        desk.gateway.says("go")
        turn = await desk.gateway.ended(TurnState.FINISHED)
        desk.ticks.ms += TERMS.lasts_ms // 2
        desk.wakes()
        await desk.until(lambda balance: balance.lent == ZERO)
        late = CallMetered("late", Usage(MODEL, Tokens(output=4000)))
        await desk.gateway.world.commit(metering.book_call(desk.gateway.world, turn.id, late))
        balance = await desk.until(lambda balance: balance.spent == usd("0.40"))
        assert balance.left == usd("9.60")
        sums = await desk.gateway.steps.until(
            lambda: bank.figures(CORE, 0), lambda sums: bool(sums) and sums[0].cost == usd("0.40")
        )
        assert [(one.turns, one.calls) for one in sums] == [(1, 2)]


async def test_figures_reach_the_bank_once_whatever_happens_in_between(tmp_path: Path) -> None:
    """Killed after the bank has them and before the store knows: the next gateway tells them again, and they count once."""
    home, chat = tmp_path / "home", MemoryChat()
    async with limited("10") as bank:
        with pytest.RaisesGroup(KilledError, flatten_subgroups=True, allow_unwrapped=True):
            async with member(bank, ONE_CALL, home=home, chat=chat, dies_at="figures.reported") as desk:
                desk.gateway.says("go")
                await anyio.sleep(10)
        async with member(bank, ONE_CALL, home=home, chat=chat) as desk:
            desk.gateway.says("again")
            await desk.gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
            sums = await desk.gateway.steps.until(
                lambda: bank.figures(CORE, 0), lambda sums: bool(sums) and sums[0].turns == 2
            )
            assert [(one.cost, one.calls, one.outcome) for one in sums] == [(usd("0.60"), 2, "answer")]
            await desk.gateway.steps.until(
                lambda: desk.gateway.world.store.read(lambda view: view.figures(10)), lambda waiting: not waiting
            )


async def test_a_gateway_with_a_new_name_reports_on_from_one() -> None:
    """Figures that wait are numbered as the bank expects them: nothing waits for ever."""
    async with limited("10") as bank:
        network = Network(bank, cut=True)
        async with member(network, ONE_CALL) as desk:
            store = desk.gateway.world.store
            await store.transact(lambda _view: Decision(None, figures=(FIGURE, FIGURE, FIGURE)), 0)
            await store.transact(lambda _view: Decision(None, reported=2), 0)
            network.cut = False
            desk.wakes()
            await desk.gateway.steps.until(lambda: bank.reported(CORE, "desk-1"), lambda last: last == 1)


async def test_a_run_that_nobody_asked_for_waits_for_the_bank_before_its_first_call() -> None:
    """It makes no call while the bank is asked; with room it runs unasked."""
    spent = (call(30), Wait(0.01))
    play = script(call(10), Background((SubAgent("look", spent),), (call(20),)))
    async with limited("10") as bank, member(bank, play) as desk:
        desk.gateway.says("go")
        await desk.gateway.until(
            lambda turns: (
                [turn.origin for turn in turns] == [Origin.PERSON, Origin.BACKGROUND]
                and all(turn.state is TurnState.FINISHED for turn in turns)
            )
        )
        sums = [turn.spent for turn in await desk.gateway.turns()]
        assert sum(one.nano for one in sums) == usd("0.60").nano


async def test_the_budget_shows_how_the_team_stands() -> None:
    """/budget tells the team's limit beside the gateway's own."""
    async with limited("10") as bank, member(bank, ONE_CALL) as desk:
        desk.gateway.says("go")
        await desk.gateway.ended(TurnState.FINISHED)
        desk.gateway.says("/budget")
        await desk.gateway.sees("Team's month:")


async def test_a_run_that_nobody_asked_for_makes_no_call_before_the_team_has_room() -> None:
    """Its agent stands before the first call until a yes finds money; the question is in the team's words."""
    play = script(call(40), Background((SubAgent("look", (Wait(0.01),)),), (call(20),)))
    async with limited("0.70") as bank:
        async with member(bank, play) as desk:
            desk.gateway.says("go")
            asked = await desk.gateway.sees("left of the team's $0.70.")
            assert [turn.calls for turn in await desk.gateway.turns()] == [1, 0]
            desk.gateway.chat.taps(asked, "Raise +$", OWNER)
            await desk.gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
        assert (await bank.status(desk.month)).balance.spent == usd("0.60")


async def test_in_a_new_month_turns_are_paid_from_its_own_limit_and_the_old_lease_is_given_back() -> None:
    """The standing limit begins anew; nothing of the old month stays lent."""
    day = Day()
    async with limited("10") as bank, member(bank, ONE_CALL, now_ms=day) as desk:
        desk.gateway.says("go")
        await desk.gateway.ended(TurnState.FINISHED)
        before = desk.month
        day.ms += 40 * 86_400_000
        desk.gateway.says("again")
        await desk.gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
        assert desk.month != before
        desk.wakes()
        await desk.gateway.steps.until(desk.loans, lambda loans: [loan.scope for loan in loans] == [desk.month])
        old, new = (await bank.status(before)).balance, await desk.stands()
        assert (old.spent, old.lent) == (usd("0.30"), ZERO)
        assert (new.limit, new.lent) == (usd("10"), usd("2"))


async def test_with_two_shared_periods_both_have_to_lend() -> None:
    """A day's limit that is used up is named, though the month has room."""
    async with limited("10") as bank:
        async with member(bank, ONE_CALL, periods=("month", "day")) as desk:
            month, today = desk.team.shared(desk.gateway.world.today())
            await bank.set_limit(today, usd("0.40"), "7", "test")
            desk.gateway.says("go")
            await desk.gateway.taps("$0.40 left of the team's $0.40.", "Run, stop at $0.40")
            await desk.gateway.ended(TurnState.FINISHED)
        for scope in (month, today):
            balance = (await bank.status(scope)).balance
            assert (balance.spent, balance.lent) == (usd("0.30"), ZERO)


async def test_news_of_a_raise_reaches_gateways_by_themselves(postgres: Postgres) -> None:
    """On PostgreSQL the bank says that a limit has grown, and /budget knows it at once."""
    postgres.run("CREATE SCHEMA news")
    where = postgres.url(schema="news")
    async with open_bank(where) as owner, open_bank(where, upgrade=False) as bank, member(bank, ONE_CALL) as desk:
        await owner.set_limit(desk.month, usd("10"), "7", "test")
        with anyio.fail_after(40):
            while desk.month not in desk.team.said or desk.team.said[desk.month].limit != usd("10"):
                await anyio.sleep(0.05)
                await owner.set_limit(desk.month, usd("10"), "7", "test")


async def test_a_bank_that_is_away_when_the_gateway_starts_is_looked_at_once_it_is_there(postgres: Postgres) -> None:
    """No answer is no reason not to start; a database without a bank is then refused with what to do."""
    with serve(binaries=postgres.bin) as server:
        server.control("stop")
        async with open_bank(server.url(), upgrade=False, patient=True) as bank:
            with pytest.raises(BankAwayError):
                await bank.status(TeamScope(CORE))
            server.control("start")
            with pytest.raises(BankError, match="run tollbridge bank migrate"):
                await bank.status(TeamScope(CORE))
            await migrate_bank(server.url())
            assert (await bank.status(TeamScope(CORE))).balance.limit is None


async def test_a_turn_that_is_stopped_while_the_bank_is_asked_never_runs() -> None:
    """The answer comes too late: nothing is held, nothing runs, and what was lent is given back."""
    async with limited("10") as bank:
        network = Network(bank, slow=anyio.Event())
        async with member(network, ONE_CALL) as desk:
            desk.gateway.says("go")
            await network.waits.wait()
            desk.gateway.says("/stop")
            await desk.gateway.ended(TurnState.REFUSED)
            assert network.slow is not None
            network.slow.set()
            await desk.gateway.steps.until(desk.loans, lambda loans: bool(loans) and loans[0].lease is not None)
            assert desk.gateway.agent.charges == []
        assert (await bank.status(desk.month)).balance.left == usd("10")


async def test_a_no_that_comes_while_a_yes_waits_for_the_bank_counts() -> None:
    """A question is answered once: by who is written down first."""
    async with limited("0.20") as bank:
        network = Network(bank)
        async with member(network, ONE_CALL) as desk:
            desk.gateway.says("go")
            asked = await desk.gateway.sees("left of the team's")
            network.slow, network.waits = anyio.Event(), anyio.Event()
            desk.gateway.chat.taps(asked, "Raise +$", OWNER)
            await network.waits.wait()
            desk.gateway.chat.taps(asked, "No", OWNER)
            await desk.gateway.ended(TurnState.REFUSED)
            network.slow.set()
            await desk.gateway.steps.until(desk.loans, lambda loans: bool(loans) and loans[0].lease is not None)
            assert desk.gateway.agent.charges == []
        assert (await bank.status(desk.month)).balance.spent == ZERO


async def test_one_yes_tapped_many_times_asks_the_bank_once() -> None:
    """Whoever is impatient while the bank is slow."""
    async with limited("0.20") as bank:
        network = Network(bank)
        async with member(network, ONE_CALL) as desk:
            desk.gateway.says("go")
            asked = await desk.gateway.sees("left of the team's")
            network.slow, network.waits = anyio.Event(), anyio.Event()
            for _ in range(30):
                await desk.gateway.chat.told(desk.gateway.chat.taps(asked, "Raise +$1", OWNER))
            await network.waits.wait()
            await anyio.wait_all_tasks_blocked()
            assert network.count("raise_limit") == 1
            network.slow.set()
            await desk.gateway.ended(TurnState.FINISHED)
            assert (await desk.stands()).limit == usd("1.20")


async def test_a_raise_whose_answer_was_lost_is_done_once_whoever_answers_again() -> None:
    """The bank has raised, and the gateway never heard: another approver's tap lets the turn run, and nothing is raised twice."""
    rules = replace(RICH, people=(Grant(OWNER, Role.OWNER), Grant("9", Role.APPROVER)))
    async with limited("0.20") as bank:
        network = Network(bank)
        async with member(network, ONE_CALL, rules=rules) as desk:
            desk.gateway.says("go")
            asked = await desk.gateway.sees("left of the team's")
            network.lost = "raise_limit"
            desk.gateway.chat.taps(asked, "Raise +$1", OWNER)
            await desk.gateway.sees("The question above stays open")
            network.lost = ""
            desk.gateway.chat.taps(asked, "Raise +$1", "9")
            await desk.gateway.ended(TurnState.FINISHED)
            assert (await desk.stands()).limit == usd("1.20")


async def test_an_amount_written_as_a_reply_is_borrowed_for_like_a_tap() -> None:
    """A reply of 0.15 to the question: the bank lends that, and the turn runs up to it."""
    async with limited("0.20") as bank, member(bank, script(call(10))) as desk:
        desk.gateway.says("go")
        asked = await desk.gateway.sees("left of the team's")
        desk.gateway.chat.says(THREAD, OWNER, "0.15", to=asked)
        turn = await desk.gateway.ended(TurnState.FINISHED)
        assert (turn.spent, turn.ceiling) == (usd("0.10"), usd("0.15"))
