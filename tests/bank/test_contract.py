"""What every bank keeps, in memory, in a file and in PostgreSQL: lending, renewing, repaying, expiry and limits."""

import pytest

from gateway.bank import SqlBank
from gateway.domain.lease import Lease, LeaseState, Reason, Refused, TeamBalance, TeamScope
from gateway.domain.money import Usd
from gateway.ports import BankError
from tests.bank.kit import HOUR_MS, TEAM, again, age, asks, balance, got, limited

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def _proves_itself(bank: SqlBank):
    """After every test here the entries, balances and leases agree."""
    yield
    assert await bank.verify() == ()


async def test_a_lease_sets_its_amount_aside(bank: SqlBank) -> None:
    """What is lent to one is not there for others, and the lease says what the holder has to know."""
    await limited(bank, 1000)
    lease = got(await bank.lend(asks("l1", 100)))
    assert lease.lasts_ms == HOUR_MS
    assert lease == Lease("l1", TEAM, "anna", 1, Usd(100), Usd(0), HOUR_MS, LeaseState.LIVE)
    assert await balance(bank) == (1000, 0, 100)


async def test_without_a_limit_nothing_is_lent(bank: SqlBank) -> None:
    """A scope that nobody limited is not a scope without a limit."""
    assert await bank.lend(asks("l1", 100)) == Refused(Reason.NO_LIMIT)
    assert (await bank.status(TEAM)).balance == TeamBalance(TEAM, None)


async def test_chunks_shrink_near_the_limit(bank: SqlBank) -> None:
    """Nobody gets more than a quarter of what is left, so that no gateway sits on the last dollars."""
    await limited(bank, 1000)
    lent = [got(await bank.lend(asks(f"l{number}", 900))).lent.nano for number in range(4)]
    assert lent == [250, 187, 140, 105]


async def test_who_needs_more_than_its_share_gets_what_it_needs(bank: SqlBank) -> None:
    """The least that is of use is lent as long as it is there, and no less: half a hold helps nobody."""
    await limited(bank, 1000)
    assert got(await bank.lend(asks("l1", 900, least=700))).lent == Usd(700)
    assert await bank.lend(asks("l2", 900, least=301)) == Refused(Reason.USED_UP, Usd(300))
    assert got(await bank.lend(asks("l3", 300, least=300))).lent == Usd(300)
    assert await bank.lend(asks("l4", 1)) == Refused(Reason.USED_UP, Usd(0))


async def test_the_same_request_is_answered_with_the_same_lease(bank: SqlBank) -> None:
    """An answer that got lost costs nothing: the request is repeated as it was."""
    await limited(bank, 1000)
    first = got(await bank.lend(asks("l1", 100)))
    again_ = got(await bank.lend(asks("l1", 100)))
    assert (again_.id, again_.epoch, again_.lent) == (first.id, first.epoch, first.lent)
    assert await balance(bank) == (1000, 0, 100)


@pytest.mark.parametrize(
    "other",
    [
        asks("l1", 101),
        asks("l1", 100, gateway="ben"),
        asks("l1", 100, least=2),
        asks("l1", 100, lasts_ms=HOUR_MS + 1),
        asks("l1", 100, scope=TeamScope("other", "2026-11")),
    ],
)
async def test_the_same_id_with_other_terms_is_an_error(bank: SqlBank, other) -> None:
    """Two requests that look alike by accident are told apart, and nothing is lent for the second."""
    await limited(bank, 1000)
    await limited(bank, 1000, TeamScope("other", "2026-11"))
    await bank.lend(asks("l1", 100))
    with pytest.raises(BankError, match=r"other terms|contradicts"):
        await bank.lend(other)
    assert await balance(bank) == (1000, 0, 100)


async def test_a_renewal_books_what_was_spent_and_fills_up(bank: SqlBank) -> None:
    """Spending moves from lent to spent, the remainder grows to what is wanted, and the epoch grows."""
    await limited(bank, 1000)
    lease = got(await bank.lend(asks("l1", 100)))
    renewed = got(await bank.renew(again("r1", lease, 60, 100)))
    assert (renewed.epoch, renewed.lent, renewed.spent, renewed.remainder) == (2, Usd(160), Usd(60), Usd(100))
    assert await balance(bank) == (1000, 60, 100)


async def test_a_renewal_that_wants_less_gives_the_rest_back(bank: SqlBank) -> None:
    """What the holder does not want to have left is free at once."""
    await limited(bank, 1000)
    lease = got(await bank.lend(asks("l1", 200)))
    renewed = got(await bank.renew(again("r1", lease, 50, 20)))
    assert (renewed.lent, renewed.remainder) == (Usd(70), Usd(20))
    assert await balance(bank) == (1000, 50, 20)


async def test_a_renewal_gives_time_also_when_there_is_nothing_more_to_lend(bank: SqlBank) -> None:
    """At the limit a holder keeps what it has."""
    await limited(bank, 100)
    lease = got(await bank.lend(asks("l1", 100, least=100)))
    renewed = got(await bank.renew(again("r1", lease, 40, 100)))
    assert (renewed.lent, renewed.remainder, renewed.epoch) == (Usd(100), Usd(60), 2)
    assert await balance(bank) == (100, 40, 60)


async def test_growth_follows_the_same_rule_as_lending(bank: SqlBank) -> None:
    """A quarter of what is left, or the least that is of use, or nothing."""
    await limited(bank, 1000)
    lease = got(await bank.lend(asks("l1", 200)))
    grown = got(await bank.renew(again("r1", lease, 0, 900)))
    assert grown.remainder == Usd(400)
    more = got(await bank.renew(again("r2", grown, 0, 900, least=500)))
    assert more.remainder == Usd(900)
    assert got(await bank.renew(again("r3", more, 0, 1100, least=101))).remainder == Usd(900)


async def test_a_repeated_renewal_is_carried_out_once(bank: SqlBank) -> None:
    """The answer to the same renewal is the lease as it stands, and other terms under its id are an error."""
    await limited(bank, 1000)
    lease = got(await bank.lend(asks("l1", 100)))
    first = got(await bank.renew(again("r1", lease, 60, 100)))
    second = got(await bank.renew(again("r1", lease, 60, 100)))
    assert (second.epoch, second.lent, second.spent) == (first.epoch, first.lent, first.spent)
    assert await balance(bank) == (1000, 60, 100)
    with pytest.raises(BankError, match="other terms"):
        await bank.renew(again("r1", lease, 61, 100))


async def test_who_knows_an_older_epoch_is_fenced(bank: SqlBank) -> None:
    """A copy of a gateway's state can neither renew nor close the lease; what it says it spent is booked."""
    await limited(bank, 1000)
    old = got(await bank.lend(asks("l1", 100)))
    new = got(await bank.renew(again("r1", old, 10, 100)))
    assert await bank.renew(again("r2", old, 15, 100)) == Refused(Reason.FENCED, Usd(1000 - 15 - 95))
    assert await bank.repay(old, Usd(20)) == Refused(Reason.FENCED, Usd(1000 - 20 - 90))
    assert await balance(bank) == (1000, 20, 90)
    assert got(await bank.repay(new, Usd(30))).state is LeaseState.REPAID
    assert await balance(bank) == (1000, 30, 0)


async def test_a_repaid_remainder_is_free_at_once(bank: SqlBank) -> None:
    """And repaying once more changes nothing."""
    await limited(bank, 1000)
    lease = got(await bank.lend(asks("l1", 200)))
    for _ in range(2):
        repaid = got(await bank.repay(lease, Usd(30)))
        assert (repaid.state, repaid.spent, repaid.remainder) == (LeaseState.REPAID, Usd(30), Usd(0))
        assert await balance(bank) == (1000, 30, 0)
    assert await bank.renew(again("r1", lease, 30, 100)) == Refused(Reason.CLOSED, Usd(970))


async def test_spending_beyond_the_lease_is_an_overdraft(bank: SqlBank) -> None:
    """It is booked in full, and what is lent later is lent on top of it."""
    await limited(bank, 1000)
    lease = got(await bank.lend(asks("l1", 100)))
    over = await bank.spend(lease, Usd(130))
    assert (over.spent, over.remainder) == (Usd(130), Usd(0))
    assert await balance(bank) == (1000, 130, 0)
    renewed = got(await bank.renew(again("r1", over, 150, 50)))
    assert (renewed.lent, renewed.spent, renewed.remainder) == (Usd(200), Usd(150), Usd(50))
    assert await balance(bank) == (1000, 150, 50)


async def test_an_overdraft_beyond_the_limit_is_booked_and_stops_lending(bank: SqlBank) -> None:
    """What is spent is a fact; the bank then has less than nothing to lend."""
    await limited(bank, 100)
    lease = got(await bank.lend(asks("l1", 100, least=100)))
    await bank.spend(lease, Usd(150))
    assert await bank.lend(asks("l2", 1)) == Refused(Reason.USED_UP, Usd(-50))
    assert await balance(bank) == (100, 150, 0)


async def test_an_old_total_takes_nothing_back(bank: SqlBank) -> None:
    """Reports that overtake each other add up to the highest."""
    await limited(bank, 1000)
    lease = got(await bank.lend(asks("l1", 100)))
    await bank.spend(lease, Usd(50))
    assert (await bank.spend(lease, Usd(40))).spent == Usd(50)
    assert await balance(bank) == (1000, 50, 50)


async def test_late_spending_of_a_closed_lease_is_booked(bank: SqlBank) -> None:
    """A call that ended after the lease was repaid was paid for all the same."""
    await limited(bank, 1000)
    lease = got(await bank.lend(asks("l1", 100)))
    await bank.repay(lease, Usd(30))
    assert (await bank.spend(lease, Usd(42))).spent == Usd(42)
    assert got(await bank.repay(lease, Usd(45))).spent == Usd(45)
    assert await balance(bank) == (1000, 45, 0)


async def test_spending_of_a_lease_that_the_bank_does_not_know_is_booked(bank: SqlBank) -> None:
    """A bank that was put back from a copy learns what its leases spent, once."""
    await limited(bank, 1000)
    foreign = Lease("l9", TEAM, "anna", 4, Usd(100), Usd(0), HOUR_MS, LeaseState.LIVE)
    assert await bank.renew(again("r1", foreign, 60, 100)) == Refused(Reason.UNKNOWN)
    for _ in range(2):
        assert got(await bank.repay(foreign, Usd(60))).state is LeaseState.REPAID
        assert await balance(bank) == (1000, 60, 0)


async def test_spending_on_a_scope_that_the_bank_does_not_know_is_booked(bank: SqlBank) -> None:
    """Also before anybody set a limit on it; the limit that comes later finds it spent."""
    foreign = Lease("l9", TEAM, "anna", 4, Usd(100), Usd(0), HOUR_MS, LeaseState.LIVE)
    await bank.spend(foreign, Usd(60))
    assert await balance(bank) == (None, 60, 0)
    await limited(bank, 100)
    assert await bank.lend(asks("l1", 50, least=41)) == Refused(Reason.USED_UP, Usd(40))


async def test_somebody_elses_lease_is_not_touched(bank: SqlBank) -> None:
    """A lease belongs to the gateway that it was lent to."""
    await limited(bank, 1000)
    lease = got(await bank.lend(asks("l1", 100)))
    stolen = Lease(lease.id, lease.scope, "ben", lease.epoch, lease.lent, lease.spent, lease.lasts_ms, lease.state)
    with pytest.raises(BankError, match="lent to anna, not to ben"):
        await bank.repay(stolen, Usd(1))
    assert await balance(bank) == (1000, 0, 100)


async def test_an_expired_lease_is_not_renewed_and_not_lent_again(bank: SqlBank) -> None:
    """Its remainder waits for its holder: what may have been spent of it is nobody else's."""
    await limited(bank, 200)
    lease = got(await bank.lend(asks("l1", 150, least=150)))
    await age(bank, HOUR_MS)
    assert await bank.renew(again("r1", lease, 20, 150)) == Refused(Reason.EXPIRED, Usd(50))
    assert await bank.lend(asks("l2", 51, least=51, gateway="ben")) == Refused(Reason.USED_UP, Usd(50))
    assert await balance(bank) == (200, 20, 130)
    (found,) = (await bank.status(TEAM)).leases
    assert (found.gateway, found.state, found.remainder, found.lasts_ms) == ("anna", LeaseState.EXPIRED, Usd(130), 0)


async def test_the_late_holder_of_an_expired_lease_repays_it(bank: SqlBank) -> None:
    """What it spent is booked, and the rest is free."""
    await limited(bank, 1000)
    lease = got(await bank.lend(asks("l1", 100)))
    await age(bank, HOUR_MS)
    assert [one.id for one in await bank.expire()] == ["l1"]
    assert got(await bank.repay(lease, Usd(70))).state is LeaseState.REPAID
    assert await balance(bank) == (1000, 70, 0)
    assert await bank.expire() == ()


async def test_expiry_is_noted_once(bank: SqlBank) -> None:
    """However often it is looked for; leases with time left are not among them."""
    await limited(bank, 1000)
    await bank.lend(asks("l1", 100))
    await bank.lend(asks("l2", 100, lasts_ms=2 * HOUR_MS))
    await age(bank, HOUR_MS)
    for _ in range(2):
        assert [(one.id, one.state) for one in await bank.expire()] == [("l1", LeaseState.EXPIRED)]


async def test_a_clock_that_jumps_back_revives_nothing(bank: SqlBank) -> None:
    """Once expired, a lease stays so, and is still named among those that have."""
    await limited(bank, 1000)
    lease = got(await bank.lend(asks("l1", 100)))
    await age(bank, HOUR_MS)
    await bank.expire()
    await age(bank, -HOUR_MS)
    assert [one.id for one in await bank.expire()] == ["l1"]
    assert await bank.renew(again("r1", lease, 0, 100)) == Refused(Reason.EXPIRED, Usd(900))


async def test_an_owner_writes_off_an_expired_lease(bank: SqlBank) -> None:
    """The remainder is free, and what its holder reports after all is an overdraft."""
    await limited(bank, 1000)
    lease = got(await bank.lend(asks("l1", 100)))
    assert await bank.write_off("l1", "owner", "laptop lost") == Refused(Reason.LIVE, Usd(900))
    await age(bank, HOUR_MS)
    for _ in range(2):
        assert got(await bank.write_off("l1", "owner", "laptop lost")).state is LeaseState.WRITTEN_OFF
        assert await balance(bank) == (1000, 0, 0)
    assert got(await bank.repay(lease, Usd(80))).state is LeaseState.WRITTEN_OFF
    assert await balance(bank) == (1000, 80, 0)


async def test_what_cannot_be_written_off_says_why(bank: SqlBank) -> None:
    """A lease that nobody knows, or that was repaid."""
    await limited(bank, 1000)
    assert await bank.write_off("l1", "owner", "why not") == Refused(Reason.UNKNOWN)
    await bank.repay(got(await bank.lend(asks("l1", 100))), Usd(0))
    assert await bank.write_off("l1", "owner", "why not") == Refused(Reason.CLOSED, Usd(1000))


async def test_a_lowered_limit_takes_nothing_back(bank: SqlBank) -> None:
    """What is lent stays lent, and there is nothing to lend until enough is repaid."""
    await limited(bank, 1000)
    lease = got(await bank.lend(asks("l1", 200)))
    lowered = await limited(bank, 50)
    assert lowered.left == Usd(-150)
    assert await bank.lend(asks("l2", 1)) == Refused(Reason.USED_UP, Usd(-150))
    await bank.repay(lease, Usd(10))
    assert got(await bank.lend(asks("l2", 10))).lent == Usd(10)


async def test_a_limit_is_raised_once_per_request(bank: SqlBank) -> None:
    """A double tap raises once, whoever repeats it; the same request with another amount is an error."""
    await limited(bank, 1000)
    for who in ("ben", "ben", "ada"):
        assert (await bank.raise_limit(TEAM, Usd(500), who, "asked", "a_1")).limit == Usd(1500)
    with pytest.raises(BankError, match="other terms"):
        await bank.raise_limit(TEAM, Usd(501), "ben", "asked", "a_1")
    assert (await bank.raise_limit(TEAM, Usd(500), "ben", "asked", "a_2")).limit == Usd(2000)


async def test_there_has_to_be_a_limit_to_raise(bank: SqlBank) -> None:
    """A raise of nothing would be a limit that nobody set."""
    with pytest.raises(BankError, match="set one first"):
        await bank.raise_limit(TEAM, Usd(500), "ben", "asked", "a_1")
    assert (await bank.status(TEAM)).balance.limit is None


async def test_a_new_month_begins_with_the_months_standing_limit(bank: SqlBank) -> None:
    """Nobody has to set a limit on the first of the month; what is set for one month is that month's alone."""
    await limited(bank, 1000, TeamScope("core", "month"))
    december = TeamScope("core", "2026-12")
    assert (await bank.status(december)).balance.limit == Usd(1000)
    await limited(bank, 400)
    assert got(await bank.lend(asks("l1", 100, scope=december))).lent == Usd(100)
    assert await balance(bank, december) == (1000, 0, 100)
    assert await balance(bank) == (400, 0, 0)
    assert (await bank.raise_limit(TeamScope("core", "2027-01"), Usd(1), "ben", "asked", "a_1")).limit == Usd(1001)
    with pytest.raises(BankError, match="Nothing is lent on core:month"):
        await bank.lend(asks("l2", 100, scope=TeamScope("core", "month")))


async def test_scopes_do_not_touch_each_other(bank: SqlBank) -> None:
    """Another team, and another period of the same team, have balances and entries of their own."""
    other, ever = TeamScope("other", "2026-11"), TeamScope("core")
    for scope in (TEAM, other, ever):
        await limited(bank, 1000, scope)
    await bank.lend(asks("l1", 100))
    await bank.lend(asks("l2", 50, scope=ever))
    assert [await balance(bank, scope) for scope in (TEAM, other, ever)] == [
        (1000, 0, 100),
        (1000, 0, 0),
        (1000, 0, 50),
    ]


async def test_a_gateway_finds_its_open_leases(bank: SqlBank) -> None:
    """After it lost its memory it can ask what was lent to it; closed leases and those of others are not listed."""
    await limited(bank, 1000)
    for name, gateway in (("l1", "anna"), ("l2", "ben"), ("l3", "anna"), ("l4", "anna")):
        await bank.lend(asks(name, 10, gateway=gateway))
    (first, third, _) = await bank.leases("anna")
    await bank.repay(third, Usd(0))
    assert [lease.id for lease in await bank.leases("anna")] == [first.id, "l4"]
    assert [lease.gateway for lease in (await bank.status(TEAM)).leases] == ["anna", "ben", "anna"]


@pytest.mark.parametrize(
    "request_",
    [
        asks("", 10),
        asks("l\n1", 10),
        asks("l" * 201, 10),
        asks("l1", 10, gateway="\ud800"),
        asks("l1", 10, gateway=""),
        asks("l1", 10, scope=TeamScope("", "2026-11")),
        asks("l1", 10, scope=TeamScope("core", "2026\x00")),
        asks("l1", 0),
        asks("l1", -5, least=-9),
        asks("l1", 10, least=0),
        asks("l1", 10, least=11),
        asks("l1", 10**18),
        asks("l1", 10, lasts_ms=0),
        asks("l1", 10, lasts_ms=10**12),
    ],
)
async def test_a_request_that_nobody_can_mean_is_refused_in_words(bank: SqlBank, request_) -> None:
    """Names that name nothing, amounts that are none, and times without end; nothing changes."""
    await limited(bank, 1000)
    with pytest.raises(BankError, match=r"has to be|lasts"):
        await bank.lend(request_)
    assert await balance(bank) == (1000, 0, 0)
