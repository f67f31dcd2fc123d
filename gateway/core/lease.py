"""Leases, decided: how much a bank lends, and what a holder does with what it was lent. Nothing here waits or asks.

A holder's time is ticks: milliseconds on its own clock that never goes back. Ticks do not outlive the process (or the
machine's sleep, on clocks that stop then), so after a restart a lease counts as expired until it was renewed.
"""

from dataclasses import dataclass

from gateway.domain.lease import OPEN, Lease
from gateway.domain.money import ZERO, Usd

SHARE = 4
"""The last dollars are lent in parts: nobody gets more than this fraction of what is left, unless it needs it."""
LARGEST_BACKOFF_MS = 60_000
FIRST_BACKOFF_MS = 500


def chunk(left: Usd, want: Usd, least: Usd) -> Usd:
    """How much of `left` a bank lends to who wants so much and can do nothing with less than `least`; zero: nothing."""
    if left < least:
        return ZERO
    return min(want, max(least, Usd(left.nano // SHARE)))


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """How a gateway borrows: `chunk` is what it wants at hand, `least` the smallest lease worth a request.

    A lease lasts `lasts_ms` on the bank's clock. The holder stops `margin_ms` earlier, for clocks that run at different speeds
    and for what it needs to pause a turn.
    """

    chunk: Usd
    least: Usd
    lasts_ms: int = 600_000
    margin_ms: int = 30_000


@dataclass(frozen=True, slots=True)
class Holding:
    """A lease as its holder has it.

    `asked_tick` is the tick at which the request was sent that the bank answered with this lease; None: by an earlier process.
    `spent` is what was spent of it in all, and `held` what running turns have set aside of it.
    """

    lease: Lease
    asked_tick: int | None
    spent: Usd = ZERO
    held: Usd = ZERO


def ends_tick(holding: Holding, terms: LeaseTerms) -> int | None:
    """From which tick on the holder starts nothing and pauses what runs; None: it has to be renewed first."""
    if holding.asked_tick is None or holding.lease.state not in OPEN:
        return None
    return holding.asked_tick + holding.lease.lasts_ms - terms.margin_ms


def expired(holding: Holding, terms: LeaseTerms, tick: int) -> bool:
    """Whether the holder may not spend now, whatever is left. The bank may think otherwise: it counts to a later end."""
    ends = ends_tick(holding, terms)
    return ends is None or tick >= ends


def renew_tick(holding: Holding) -> int | None:
    """From which tick on a renewal is due, when half of the lease's time is over; None: now."""
    return None if holding.asked_tick is None else holding.asked_tick + holding.lease.lasts_ms // 2


def usable(holding: Holding, terms: LeaseTerms, tick: int) -> Usd:
    """What a new hold may take of the lease now. Never more than the bank lent, and nothing once the time is over."""
    if expired(holding, terms, tick):
        return ZERO
    return max(ZERO, holding.lease.lent - holding.spent - holding.held)


@dataclass(frozen=True, slots=True)
class Borrow:
    """Ask the bank for a lease: `Lending` with these amounts."""

    want: Usd
    least: Usd


@dataclass(frozen=True, slots=True)
class Renew:
    """Ask the bank for a `Renewal`: `want` is what is to be left, of which at least `least` more is of use."""

    want: Usd
    least: Usd


@dataclass(frozen=True, slots=True)
class Repay:
    """Give the lease back: it is no longer of use, or others wait for what is left of it."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing is to be done before this tick; None: before something happens."""

    until_tick: int | None


Step = Borrow | Renew | Repay | Rest


def next_step(holding: Holding | None, terms: LeaseTerms, tick: int, need: Usd = ZERO) -> Step:
    """What a holder asks of the bank now. `need` is the largest hold that waits for money, zero if none does.

    Without a lease and without a turn that needs one, nothing is borrowed. A lease that nobody uses is repaid when its renewal
    is due, or at once when too little is left of it; one in use is renewed then, for as much as its holds and another chunk.
    A lease that the bank refuses to renew is repaid, whatever the reason, which books what was spent of it; the next turn
    borrows anew. A need that a renewal could not meet is the turn's affair: it is asked about, and not a need any more.
    """
    if holding is None:
        return Borrow(max(need, terms.chunk), max(need, terms.least)) if need > ZERO else Rest(None)
    if holding.lease.state not in OPEN:
        return Repay()
    if need > usable(holding, terms, tick):  # also when the time is over: the bank's end is a little later
        return Renew(holding.held + max(need, terms.chunk), max(need - _left(holding), terms.least))
    return _between_needs(holding, terms, tick, unused=not holding.held and not need)


def _between_needs(holding: Holding, terms: LeaseTerms, tick: int, *, unused: bool) -> Step:
    if unused and _left(holding) < terms.least:
        return Repay()
    due = renew_tick(holding)
    if due is not None and tick < due:
        return Rest(due)
    return Repay() if unused else Renew(holding.held + terms.chunk, terms.least)


def _left(holding: Holding) -> Usd:
    return max(ZERO, holding.lease.lent - holding.spent - holding.held)


def backoff_ms(failures: int) -> int:
    """How long to wait before the bank is asked again when it could not be reached so many times in a row (from 1)."""
    return min(LARGEST_BACKOFF_MS, FIRST_BACKOFF_MS << min(failures - 1, 16))
