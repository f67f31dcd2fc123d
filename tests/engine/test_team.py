"""What decisions see of a lease: money while it is live, nothing after, and never more than the bank may have left of it."""

from dataclasses import replace
from datetime import date
from typing import Literal

import pytest

from gateway import clock
from gateway.core.lease import LeaseTerms
from gateway.domain.budget import Balance, Entry, EntryKind
from gateway.domain.lease import (
    Lease,
    LeaseState,
    Loan,
    LoanState,
    Renewal,
    TeamBalance,
    TeamScope,
    lease_scope,
)
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import Outcome, OutcomeKind, TurnState
from gateway.engine.team import Team
from gateway.ports import Decision
from gateway.store import SqliteStore, open_store
from tests.store.kit import NOW, SESSION, TURN

pytestmark = pytest.mark.anyio

TERMS = LeaseTerms(Usd(200), Usd(10), lasts_ms=100_000, margin_ms=1_000)
SCOPE = TeamScope("core", "2026-11")
HELD = lease_scope(SCOPE, "lease_1")
LEASE = Lease("lease_1", SCOPE, "desk-1", 1, Usd(500), ZERO, 100_000, LeaseState.LIVE)
LOAN = Loan("lease_1", SCOPE, LEASE)
TODAY = date(2026, 11, 22)


def team(**changes: object) -> Team:
    """A team whose lease was asked for at tick 0."""
    return Team("core", "desk-1", TERMS, asked={"lease_1": 0}, **changes)  # type: ignore[arg-type]


async def seen(of: Team, loan: Loan | None, tick: int = 0) -> tuple[Usd | None, bool]:
    """What is left of the lease for the gate after $0.0000001 was spent and held each, and whether it counts as lent."""
    async with open_store(None) as store:
        spent = Entry(EntryKind.CALL, (HELD,), spent=Usd(100), held=Usd(100))
        await store.transact(lambda _view: Decision(None, put=(loan,) if loan else (), entries=(spent,)), NOW)
        return await store.read(
            lambda view: (of.balance(view, view.balance(HELD), tick).remaining, of.lent(view, (HELD,), tick))
        )


async def test_a_live_lease_is_money_and_one_whose_time_is_over_is_none() -> None:
    """To the margin before its end all that is lent can be held; from then on less than nothing is left."""
    assert await seen(team(), LOAN, 98_999) == (Usd(300), True)
    assert await seen(team(), LOAN, 99_000) == (Usd(-100), False)


@pytest.mark.parametrize(
    "loan",
    [None, Loan("lease_1", SCOPE), replace(LOAN, state=LoanState.RETIRED), replace(LOAN, state=LoanState.CLOSED)],
)
async def test_a_lease_that_is_none_is_worth_nothing(loan: Loan | None) -> None:
    """Unknown, not answered, given up or given back: nothing can be held of it."""
    assert await seen(team(), loan) == (Usd(-100), False)


async def test_a_lease_of_an_earlier_process_is_worth_nothing_until_it_was_renewed() -> None:
    """Its ticks are not ours."""
    before = team()
    before.asked.clear()
    assert await seen(before, LOAN) == (Usd(-100), False)


@pytest.mark.parametrize(("want", "left"), [(150, 50), (400, 300), (900, 300)])
async def test_while_a_renewal_is_on_its_way_a_lease_counts_as_shrunk_to_what_was_asked_for(
    want: int, left: int
) -> None:
    """The bank may have taken the rest back already: no hold is taken of that."""
    pending = Renewal("renew_1", LEASE, Usd(100), Usd(want), Usd(10), 100_000)
    assert await seen(team(), replace(LOAN, pending=pending)) == (Usd(left), True)


def test_people_are_told_what_is_left_of_the_teams_limit() -> None:
    """What is lent here and free counts as left; without a limit, or before the bank was asked, nothing is told."""
    balance = Balance(HELD, Usd(500), spent=Usd(100), held=Usd(100))
    of = team()
    assert of.shown(balance) is None
    of.said[SCOPE] = TeamBalance(SCOPE, None)
    assert of.shown(balance) is None
    of.said[SCOPE] = TeamBalance(SCOPE, Usd(5000), spent=Usd(1000), lent=Usd(900))
    shown = of.shown(balance)
    assert shown is not None
    assert (shown.limit, shown.spent, shown.remaining) == (Usd(5000), Usd(1000), Usd(3400))


def test_the_shared_scopes_are_those_of_today() -> None:
    """A lease for each period that is shared."""
    names = [scope.period for scope in team(periods=("day", "week", "month", "ever")).shared(TODAY)]
    assert names == ["2026-11-22", "2026-W47", "2026-11", ""]


@pytest.mark.parametrize(("project", "told"), [("last", "project"), ("full", "/srv/project")])
async def test_a_settled_turn_becomes_a_figure_and_nothing_that_was_said_is_in_it(
    project: Literal["last", "full"], told: str
) -> None:
    """The project as the owner wants it told; the prompt nowhere; a turn that never held anything is none."""
    ended = replace(TURN, state=TurnState.FINISHED, outcome=Outcome(OutcomeKind.ANSWER, "secret"), ended_at_ms=NOW)
    async with open_store(None) as store:
        await store.transact(lambda _view: Decision(None, put=(SESSION, TURN)), NOW)
        of = team(project=project)
        [figure] = await told_of(store, of, ended)
        assert (figure.project, figure.outcome, figure.cost, figure.calls) == (told, "answer", TURN.spent, TURN.calls)
        assert "secret" not in repr(figure)
        assert "fix it" not in repr(figure)
        assert await told_of(store, of, replace(ended, scopes=())) == ()
        assert await told_of(store, of, TURN) == ()
        hashed = team(project="hash")
        [figure] = await told_of(store, hashed, ended)
        assert len(figure.project) == 16


async def told_of(store: SqliteStore, of: Team, turn: object) -> tuple:
    """The figures of a decision that puts this turn."""
    return await store.read(lambda view: of.figures(view, (turn,), NOW))


def test_the_clock_of_leases_goes_on_like_the_other() -> None:
    """It never goes back."""
    first = clock.boot_ms()
    assert 0 < first <= clock.boot_ms()
