"""Leases and figures in the store: kept as they are, with the decision that they belong to, numbered without gaps."""

from dataclasses import replace

import pytest

from gateway.domain.budget import Entry, EntryKind, Scope, ScopeKind
from gateway.domain.lease import (
    Figure,
    Lease,
    LeaseState,
    Lending,
    Loan,
    LoanState,
    Renewal,
    TeamScope,
    lease_scope,
)
from gateway.domain.money import Usd
from gateway.domain.usage import Tokens
from gateway.ports import Decision, StoreError
from gateway.store import SqliteStore
from gateway.store.loans import CLOSED_KEPT_MS, prune
from tests.store.kit import NOW

pytestmark = pytest.mark.anyio

SCOPE = TeamScope("core", "2026-11")
LENDING = Lending("lease_1", SCOPE, "desk-1", Usd(500), Usd(50), 600_000)
LEASE = Lease("lease_1", SCOPE, "desk-1", 3, Usd(500), Usd(20), 590_000, LeaseState.LIVE)
RENEWAL = Renewal("renew_1", LEASE, Usd(90), Usd(600), Usd(70), 600_000)
FIGURE = Figure(
    0, "t_1", "s_1", "7", "shop", "opus", "claude", Usd(42), NOW, "answer", Tokens(1, 2, 3, 4, 5, 6, 2), 3, 1
)


async def put(store: SqliteStore, *loans: Loan) -> None:
    """Keep loans as they are now."""
    await store.transact(lambda _view: Decision(None, put=loans), NOW)


@pytest.mark.parametrize(
    "loan",
    [
        Loan("lease_1", SCOPE, pending=LENDING),
        Loan("lease_1", SCOPE, LEASE),
        Loan("lease_1", SCOPE, LEASE, RENEWAL, told=Usd(20)),
        Loan("lease_1", TeamScope("core"), LEASE, state=LoanState.RETIRED),
    ],
)
async def test_a_loan_is_kept_as_it_is_with_the_request_on_its_way(store: SqliteStore, loan: Loan) -> None:
    """What is read is what was written, and a second writing replaces the first."""
    await put(store, Loan("lease_1", SCOPE, LEASE, told=Usd(1)))
    await put(store, loan)
    assert await store.read(lambda view: (view.loan("lease_1"), view.loans())) == (loan, (loan,))


async def test_closed_loans_are_not_listed_and_are_still_found(store: SqliteStore) -> None:
    """A late call asks for its lease by id long after that was repaid."""
    first, second = Loan("lease_1", SCOPE, LEASE), Loan("lease_2", SCOPE, replace(LEASE, id="lease_2"))
    await put(store, first, second)
    closed = replace(first, state=LoanState.CLOSED)
    await put(store, closed)
    assert await store.read(lambda view: view.loans()) == (second,)
    assert await store.read(lambda view: view.loan("lease_1")) == closed
    assert await store.read(lambda view: view.loan("lease_9")) is None


async def test_what_was_spent_of_a_lease_after_its_end_is_found_until_the_bank_was_told(store: SqliteStore) -> None:
    """Only leases that are no longer open count: of those in use a renewal tells."""
    loan = Loan("lease_1", SCOPE, LEASE, told=Usd(20))
    late = Entry(EntryKind.CALL, (lease_scope(SCOPE, "lease_1"),), spent=Usd(30))
    await store.transact(lambda _view: Decision(None, put=(loan,), entries=(late,)), NOW)
    assert await store.read(lambda view: view.untold(10)) == ()
    closed = replace(loan, state=LoanState.CLOSED)
    await put(store, closed)
    assert await store.read(lambda view: view.untold(10)) == ((closed, Usd(30)),)
    await put(store, replace(closed, told=Usd(30)))
    assert await store.read(lambda view: view.untold(10)) == ()


async def test_figures_are_numbered_without_gaps_whatever_is_refused_or_reported(store: SqliteStore) -> None:
    """A decision that fails uses no number up, and reported figures do not give theirs back."""

    async def note(*turns: str, call: str | None = None) -> None:
        new = tuple(replace(FIGURE, turn_id=turn) for turn in turns)
        entries = (Entry(EntryKind.CALL, (Scope(ScopeKind.DAY, "d"),), call_id=call),) if call else ()
        await store.transact(lambda _view: Decision(None, figures=new, entries=entries), NOW)

    await note("t_1", "t_2", call="c_1")
    with pytest.raises(StoreError, match="in the ledger already"):
        await note("t_3", call="c_1")
    await store.transact(lambda _view: Decision(None, reported=2), NOW)
    assert await store.read(lambda view: view.figures(10)) == ()
    await note("t_4")
    await note("t_5")
    found = await store.read(lambda view: view.figures(10))
    assert found == (replace(FIGURE, seq=3, turn_id="t_4"), replace(FIGURE, seq=4, turn_id="t_5"))
    assert await store.read(lambda view: [one.seq for one in view.figures(1)]) == [3]


async def test_leases_closed_long_ago_are_forgotten_and_others_are_not(store: SqliteStore) -> None:
    """Ninety days after it was closed a lease is gone; one in use stays however old it is."""
    await put(store, Loan("lease_1", SCOPE, LEASE, state=LoanState.CLOSED), Loan("lease_2", SCOPE, LEASE))
    later = NOW + CLOSED_KEPT_MS + 1
    await store._commits.run(lambda connection: prune(connection, NOW + CLOSED_KEPT_MS - 1))
    assert await store.read(lambda view: view.loan("lease_1")) is not None
    await store._commits.run(lambda connection: prune(connection, later))
    assert await store.read(lambda view: view.loan("lease_1")) is None
    assert await store.read(lambda view: view.loan("lease_2")) is not None
