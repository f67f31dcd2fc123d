"""What a bank lends of what is left, and what a holder does with its lease, tick by tick."""

from dataclasses import replace

import pytest

from gateway.core.lease import (
    LARGEST_BACKOFF_MS,
    Borrow,
    Holding,
    LeaseTerms,
    Renew,
    Repay,
    Rest,
    backoff_ms,
    chunk,
    ends_tick,
    expired,
    next_step,
    renew_tick,
    usable,
)
from gateway.domain.lease import Lease, LeaseState, TeamBalance, TeamScope, lease_of, lease_scope
from gateway.domain.money import ZERO, Usd

TERMS = LeaseTerms(chunk=Usd(100), least=Usd(10), lasts_ms=1000, margin_ms=100)
LEASE = Lease("l1", TeamScope("core"), "anna", 1, Usd(100), ZERO, 1000, LeaseState.LIVE)
IDLE = Holding(LEASE, asked_tick=5000, spent=Usd(20))
BUSY = replace(IDLE, held=Usd(30))


@pytest.mark.parametrize(
    ("left", "want", "least", "lent"),
    [
        (1000, 100, 1, 100),
        (1000, 900, 1, 250),
        (1000, 900, 600, 600),
        (5, 5, 5, 5),
        (3, 3, 1, 1),
        (4, 9, 5, 0),
        (-7, 9, 1, 0),
    ],
)
def test_a_bank_lends_a_quarter_or_what_is_needed_or_nothing(left: int, want: int, least: int, lent: int) -> None:
    """Never more than is wanted or left, and never less than is of use."""
    assert chunk(Usd(left), Usd(want), Usd(least)) == Usd(lent)


def test_a_lease_ends_for_its_holder_before_it_ends_for_the_bank() -> None:
    """The holder counts from when it asked and stops a margin earlier."""
    assert ends_tick(IDLE, TERMS) == 5900
    assert not expired(IDLE, TERMS, 5899)
    assert expired(IDLE, TERMS, 5900)


def test_after_a_restart_a_lease_counts_as_expired_until_it_was_renewed() -> None:
    """Ticks of an earlier process mean nothing: nothing may be spent, and a lease in use is renewed first."""
    lost = replace(BUSY, asked_tick=None)
    assert ends_tick(lost, TERMS) is None
    assert renew_tick(lost) is None
    assert usable(lost, TERMS, 0) == ZERO
    assert next_step(lost, TERMS, 0) == Renew(Usd(130), Usd(10))


def test_what_is_usable_is_lent_and_neither_spent_nor_held() -> None:
    """And never negative, whatever was overdrawn."""
    assert usable(BUSY, TERMS, 5000) == Usd(50)
    assert usable(replace(BUSY, spent=Usd(95)), TERMS, 5000) == ZERO
    assert usable(BUSY, TERMS, 5900) == ZERO


def test_a_closed_lease_gives_nothing_and_is_repaid() -> None:
    """Repaying it books what was spent of it since."""
    closed = replace(IDLE, lease=replace(LEASE, state=LeaseState.WRITTEN_OFF))
    assert usable(closed, TERMS, 5000) == ZERO
    assert next_step(closed, TERMS, 5000, need=Usd(1)) == Repay()


def test_nothing_is_borrowed_before_a_turn_needs_it() -> None:
    """And then a chunk, or as much as it needs; less than the need is of no use."""
    assert next_step(None, TERMS, 0) == Rest(None)
    assert next_step(None, TERMS, 0, need=Usd(5)) == Borrow(Usd(100), Usd(10))
    assert next_step(None, TERMS, 0, need=Usd(500)) == Borrow(Usd(500), Usd(500))


def test_a_lease_rests_until_half_its_time_is_over() -> None:
    """Then one that is in use is renewed, and one that is not goes back."""
    for holding in (IDLE, BUSY):
        assert next_step(holding, TERMS, 5499) == Rest(5500)
    assert next_step(BUSY, TERMS, 5500) == Renew(Usd(130), Usd(10))
    assert next_step(BUSY, TERMS, 5500, need=Usd(50)) == Renew(Usd(130), Usd(10))
    assert next_step(IDLE, TERMS, 5500) == Repay()


def test_a_need_beyond_what_is_usable_asks_for_more_at_once() -> None:
    """As much as the hold lacks is the least that is of use."""
    assert next_step(BUSY, TERMS, 5000, need=Usd(50)) == Rest(5500)
    assert next_step(BUSY, TERMS, 5000, need=Usd(51)) == Renew(Usd(130), Usd(10))
    assert next_step(BUSY, TERMS, 5000, need=Usd(400)) == Renew(Usd(430), Usd(350))


def test_a_need_in_an_expired_lease_asks_for_time() -> None:
    """Whatever is left of it."""
    assert next_step(IDLE, TERMS, 5950, need=Usd(5)) == Renew(Usd(100), Usd(10))


def test_a_remainder_too_small_to_be_of_use_goes_back_at_once() -> None:
    """Near the limit others wait for it; what a running turn holds stays."""
    crumbs = replace(IDLE, spent=Usd(91))
    assert next_step(crumbs, TERMS, 5001) == Repay()
    assert next_step(replace(crumbs, spent=Usd(61), held=Usd(30)), TERMS, 5001) == Rest(5500)


def test_a_bank_that_is_away_is_asked_ever_less_often() -> None:
    """From half a second to a minute."""
    waits = [backoff_ms(failures) for failures in range(1, 12)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1], backoff_ms(10**6)) == (500, LARGEST_BACKOFF_MS, LARGEST_BACKOFF_MS)


@pytest.mark.parametrize(
    ("period", "standing"),
    [("2026-11-22", "day"), ("2026-W47", "week"), ("2026-11", "month"), ("", None), ("month", None), ("2026-1", None)],
)
def test_a_period_begins_with_the_standing_limit_of_its_kind(period: str, standing: str | None) -> None:
    """For ever, and what is no period, has none."""
    assert TeamScope("core", period).standing == (None if standing is None else TeamScope("core", standing))


def test_a_shared_scope_is_named_by_its_team_and_period() -> None:
    """As people read it."""
    assert (str(TeamScope("core")), str(TeamScope("core", "2026-11"))) == ("core", "core:2026-11")


def test_what_can_be_lent_is_what_is_neither_spent_nor_lent() -> None:
    """Nothing where no limit was set."""
    assert TeamBalance(TeamScope("core"), Usd(10), Usd(4), Usd(3)).left == Usd(3)
    assert TeamBalance(TeamScope("core"), None, Usd(4), Usd(3)).left == ZERO


def test_only_an_open_lease_has_a_remainder() -> None:
    """What it lent and did not spend; nothing after an overdraft or once it is closed."""
    assert replace(LEASE, spent=Usd(60)).remainder == Usd(40)
    assert replace(LEASE, spent=Usd(160)).remainder == ZERO
    assert replace(LEASE, state=LeaseState.EXPIRED).remainder == Usd(100)
    assert replace(LEASE, state=LeaseState.REPAID).remainder == ZERO


@pytest.mark.parametrize("scope", [TeamScope("core", "2026-11"), TeamScope("core"), TeamScope("core", "2026-11-22")])
def test_a_lease_names_its_scope_both_ways(scope: TeamScope) -> None:
    """From the key that a turn counts against, the shared scope and the lease are known again."""
    assert lease_of(lease_scope(scope, "lease_1")) == (scope, "lease_1")
