"""Gateways and their bank under any sequence of events, against a plain model, on SQLite and on a real PostgreSQL.

Turns reserve, extend, call, settle and are cancelled; gateways crash, lose answers and come back; leases expire and are written
off; limits change, raises are tapped twice, and the bank's clock jumps. What was promised is checked after every step.
"""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from gateway.bank import SqlBank, open_bank
from gateway.core.lease import Borrow, Holding, LeaseTerms, Renew, Repay, next_step, usable
from gateway.domain.lease import OPEN, Lease, LeaseState, Lending, Reason, Refused, Renewal, TeamScope
from gateway.domain.money import ZERO, Usd
from tests.bank.kit import age
from tests.core.make import UNHURRIED

TERMS = LeaseTerms(chunk=Usd(60), least=Usd(5), lasts_ms=36_000_000, margin_ms=3_600_000)
"""Hours, so that what the run itself takes does not count."""
HOUR_MS = 3_600_000
GATEWAYS = st.sampled_from(["anna", "ben", "carl"])
AMOUNTS = st.integers(min_value=1, max_value=60)
PICKS = st.integers(min_value=0, max_value=5)
SELDOM = st.sampled_from([False, False, False, True])
EVENTS = st.sampled_from(["crash", "time", "time", "jump", "expire", "write off", "limit", "raise"])
OVERS = st.sampled_from([0, 0, 0, 3])
_teams = itertools.count(1)


@dataclass
class Turn:
    """A turn at work: the lease that its hold is from, and what is left of the hold."""

    lease_id: str
    held: int


@dataclass
class Holder:
    """What one gateway remembers, also over a crash, but for `asked_tick`."""

    lease: Lease | None = None
    asked_tick: int | None = None
    pending: Lending | Renewal | None = None
    spent: dict[str, int] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)


@dataclass
class Told:
    """A lease as the model has it."""

    lent: int
    reported: int = 0
    state: LeaseState = LeaseState.LIVE
    left_ms: int = TERMS.lasts_ms

    @property
    def remainder(self) -> int:
        return max(0, self.lent - self.reported) if self.state in OPEN else 0


def share(left: int, want: int, least: int) -> int:
    """What is to be lent: all that is wanted, but no more than a quarter of what is left or what is needed; or nothing."""
    return min(want, max(least, left // 4)) if left >= least else 0


class BankMachine(RuleBasedStateMachine):
    """See the module; `bank` and `portal` are those of the test."""

    bank: SqlBank
    portal: BlockingPortal

    def __init__(self) -> None:
        super().__init__()
        self.scope = TeamScope(f"team{next(_teams)}", "2026-11")
        self.ids = itertools.count(1)
        self.tick = 0
        self.limit = self.highest_limit = 200
        self.told: dict[str, Told] = {}
        self.renewals: set[str] = set()
        self.holders = {name: Holder() for name in ("anna", "ben", "carl")}
        self.overshoot = 0
        self.written_off = 0
        self.taken = self.resolved = 0
        self.ask(self.bank.set_limit, self.scope, Usd(200), "owner", "first")

    def ask(self, method: Any, *arguments: Any) -> Any:
        """Ask the bank, and let the model see what became of its leases' time."""
        return self.portal.call(method, *arguments)

    # ------------------------------------------------------------------------------------------------------ the holders
    def holding(self, holder: Holder) -> Holding | None:
        if holder.lease is None:
            return None
        held = sum(turn.held for turn in holder.turns if turn.lease_id == holder.lease.id)
        return Holding(holder.lease, holder.asked_tick, Usd(holder.spent.get(holder.lease.id, 0)), Usd(held))

    def usable(self, holder: Holder) -> int:
        holding = self.holding(holder)
        return 0 if holding is None else usable(holding, TERMS, self.tick).nano

    def step(self, name: str, need: int, *, lost: bool) -> None:
        """What `next_step` says, with the answer lost on its way where `lost`."""
        holder = self.holders[name]
        if holder.pending is not None:
            self.send(name, lost=lost)
            return
        holding = self.holding(holder)
        match next_step(holding, TERMS, self.tick, Usd(need)):
            case Borrow(want, least):
                request = Lending(self.new(), self.scope, name, want, least, TERMS.lasts_ms)
            case Renew(want, least) if holding is not None:
                request = Renewal(self.new(), holding.lease, holding.spent, want, least, TERMS.lasts_ms)
            case Repay():
                self.repay(name)
                return
            case _:
                return
        holder.pending = request
        self.send(name, lost=lost)

    def new(self) -> str:
        return f"{self.scope.team}-{next(self.ids)}"

    def send(self, name: str, *, lost: bool) -> None:
        holder, request = self.holders[name], self.holders[name].pending
        assert request is not None
        if isinstance(request, Lending):
            answer = self.ask(self.bank.lend, request)
            self.lent(request, answer)
        else:
            answer = self.ask(self.bank.renew, request)
            self.renewed(request, answer)
        if lost:
            return
        holder.pending = None
        if isinstance(answer, Lease):
            holder.lease, holder.asked_tick = answer, self.tick
        elif isinstance(request, Renewal):
            self.repay(name)

    def lent(self, request: Lending, answer: Lease | Refused) -> None:
        """The model's side of lending: a known request changes nothing."""
        if isinstance(answer, Refused):
            assert request.id not in self.told
            assert answer.reason is Reason.USED_UP
            assert answer.left.nano == self.left < request.least.nano
        elif request.id not in self.told:
            assert answer.lent.nano == share(self.left, request.want.nano, request.least.nano)
            self.told[request.id] = Told(answer.lent.nano)

    def renewed(self, request: Renewal, answer: Lease | Refused) -> None:
        """The model's side of a renewal: spending is booked in any case, and a lease grows only into what is left."""
        told = self.told[request.lease.id]
        if isinstance(answer, Refused):
            self.expire_in_model(request.lease.id)
            told.reported = max(told.reported, request.spent.nano)
            assert answer.reason is {LeaseState.EXPIRED: Reason.EXPIRED}.get(told.state, Reason.CLOSED)
            return
        if request.id not in self.renewals:
            assert told.state is LeaseState.LIVE
            spent = max(told.reported, request.spent.nano)
            before = max(told.lent, spent)
            more = request.want.nano - (before - spent)
            left = self.left + told.remainder + told.reported - before
            grown = share(left, more, min(request.least.nano, more)) if more > 0 else more
            self.renewals.add(request.id)
            told.lent, told.reported, told.left_ms = before + grown, spent, TERMS.lasts_ms
        assert (answer.lent.nano, answer.spent.nano) == (told.lent, told.reported)

    def repay(self, name: str) -> None:
        holder = self.holders[name]
        if holder.lease is None or any(turn.lease_id == holder.lease.id for turn in holder.turns):
            return
        told, spent = self.told[holder.lease.id], holder.spent.get(holder.lease.id, 0)
        self.expire_in_model(holder.lease.id)
        answer = self.ask(self.bank.repay, holder.lease, Usd(spent))
        assert isinstance(answer, Lease)
        told.reported = max(told.reported, spent)
        told.state = LeaseState.REPAID if told.state in OPEN else told.state
        assert answer.state is told.state
        holder.lease = holder.asked_tick = None

    def expire_in_model(self, lease_id: str) -> None:
        told = self.told[lease_id]
        if told.state is LeaseState.LIVE and told.left_ms <= 0:
            told.state = LeaseState.EXPIRED

    @property
    def left(self) -> int:
        return self.limit - sum(one.reported + one.remainder for one in self.told.values())

    # -------------------------------------------------------------------------------------------------------- the rules
    @rule(name=GATEWAYS, amounts=st.lists(AMOUNTS, min_size=1, max_size=3), lost=SELDOM)
    def turns_reserve(self, name: str, amounts: list[int], lost: bool) -> None:
        """Turns take holds, out of the lease or out of what the bank lends for them; or they do not start."""
        holder = self.holders[name]
        for amount in amounts:
            if self.usable(holder) < amount:
                self.step(name, amount, lost=lost)
            if holder.lease is not None and holder.pending is None and self.usable(holder) >= amount:
                holder.turns.append(Turn(holder.lease.id, amount))
                self.taken += 1

    @rule(name=GATEWAYS, pick=PICKS, amount=AMOUNTS)
    def a_hold_extends(self, name: str, pick: int, amount: int) -> None:
        """A hold grows out of its lease, if that is still the gateway's and has as much."""
        holder = self.holders[name]
        if holder.turns and holder.lease is not None and self.usable(holder) >= amount:
            turn = holder.turns[pick % len(holder.turns)]
            if turn.lease_id == holder.lease.id:
                turn.held += amount

    @rule(name=GATEWAYS, calls=st.lists(st.tuples(PICKS, st.integers(1, 4), OVERS), min_size=1, max_size=4))
    def calls_are_metered(self, name: str, calls: list[tuple[int, int, int]]) -> None:
        """A call costs part of the hold, or all of it and (the published bound) something beyond."""
        holder = self.holders[name]
        for pick, share_, over in calls if holder.turns else ():
            turn = holder.turns[pick % len(holder.turns)]
            cost = turn.held * share_ // 4
            beyond = over if cost == turn.held else 0
            holder.spent[turn.lease_id] = holder.spent.get(turn.lease_id, 0) + cost + beyond
            turn.held -= cost
            self.overshoot += beyond

    @rule(name=GATEWAYS, picks=st.lists(PICKS, min_size=1, max_size=2))
    def turns_settle_or_are_cancelled(self, name: str, picks: list[int]) -> None:
        """A turn ends, whatever became of it: the rest of its hold is free."""
        holder = self.holders[name]
        for pick in picks if len(holder.turns) >= len(picks) else ():
            holder.turns.pop(pick % len(holder.turns))
            self.resolved += 1

    @rule(name=GATEWAYS, lost=SELDOM)
    def a_gateway_tends_its_lease(self, name: str, lost: bool) -> None:
        """It repeats what was not answered, renews, or repays."""
        self.step(name, 0, lost=lost)

    @rule(events=st.lists(st.tuples(EVENTS, GATEWAYS, PICKS), min_size=1, max_size=3))
    def something_happens(self, events: list[tuple[str, str, int]]) -> None:
        """To a gateway, to the clocks, or to the limit."""
        for what, name, number in events:
            {
                "crash": partial(self.crash, name),
                "time": partial(self.time_passes, 2 * number + 1),
                "jump": partial(self.jump, 3 * number - 5),
                "expire": self.expire,
                "write off": partial(self.write_off, number),
                "limit": partial(self.change_the_limit, 120 + number * 40),
                "raise": partial(self.approve_with_a_double_tap, number * 10 + 1),
            }[what]()
            self.the_balance_is_the_models()

    def crash(self, name: str) -> None:
        """A gateway dies and starts again: its turns are settled at what was booked, and its ticks are gone."""
        holder = self.holders[name]
        self.resolved += len(holder.turns)
        holder.turns.clear()
        holder.asked_tick = None

    def time_passes(self, hours: int) -> None:
        """On every clock; a gateway pauses what runs when its lease ends on its own."""
        self.tick += hours * HOUR_MS
        self.jump(hours)

    def jump(self, hours: int) -> None:
        """The bank's clock alone jumps, forwards or back."""
        self.portal.call(age, self.bank, hours * HOUR_MS)
        for told in self.told.values():
            told.left_ms -= hours * HOUR_MS

    def expire(self) -> None:
        """Somebody looks which leases' time is over."""
        for lease_id in self.told:
            self.expire_in_model(lease_id)
        found = {lease.id for lease in self.ask(self.bank.expire) if lease.scope == self.scope}
        assert found == {name for name, told in self.told.items() if told.state is LeaseState.EXPIRED}

    def write_off(self, pick: int) -> None:
        """An owner gives an expired lease up; what its holder spends all the same is beyond the bound, and is told so."""
        late = [name for name, told in self.told.items() if told.left_ms <= 0] or list(self.told)
        if not late:
            return
        lease_id = late[pick % len(late)]
        told = self.told[lease_id]
        self.expire_in_model(lease_id)
        remainder = told.remainder
        answer = self.ask(self.bank.write_off, lease_id, "owner", "gone")
        if told.state in (LeaseState.EXPIRED, LeaseState.WRITTEN_OFF):
            assert isinstance(answer, Lease)
            told.state = LeaseState.WRITTEN_OFF
            self.written_off += remainder
        else:
            expected = Reason.LIVE if told.state is LeaseState.LIVE else Reason.CLOSED
            assert answer == Refused(expected, Usd(self.left))

    def change_the_limit(self, limit: int) -> None:
        """Up or down; nothing is taken back."""
        self.limit = limit
        self.highest_limit = max(self.highest_limit, limit)
        assert self.ask(self.bank.set_limit, self.scope, Usd(limit), "owner", "changed").left.nano == self.left

    def approve_with_a_double_tap(self, by: int) -> None:
        """A raise counts once."""
        request, self.limit = self.new(), self.limit + by
        self.highest_limit = max(self.highest_limit, self.limit)
        for _ in range(2):
            raised = self.ask(self.bank.raise_limit, self.scope, Usd(by), "owner", "tap", request)
            assert raised.limit == Usd(self.limit)

    # --------------------------------------------------------------------------------------------------- the invariants
    @invariant()
    def the_balance_is_the_models(self) -> None:
        """Limit, spent and lent are the sums over the model's leases."""
        balance = self.ask(self.bank.status, self.scope).balance
        assert balance.limit == Usd(self.limit)
        assert balance.spent.nano == sum(told.reported for told in self.told.values())
        assert balance.lent.nano == sum(told.remainder for told in self.told.values())

    @invariant()
    def no_budget_is_exceeded_beyond_the_bound(self) -> None:
        """What is really spent, reported or not, and what turns hold, fit the limit, but for overshoot and what was given up."""
        spent = sum(sum(holder.spent.values()) for holder in self.holders.values())
        held = sum(turn.held for holder in self.holders.values() for turn in holder.turns)
        assert spent + held <= self.highest_limit + self.overshoot + self.written_off

    @invariant()
    def a_holder_never_uses_more_than_it_was_lent(self) -> None:
        for holder in self.holders.values():
            for lease_id, told in self.told.items():
                held = sum(turn.held for turn in holder.turns if turn.lease_id == lease_id)
                assert holder.spent.get(lease_id, 0) + held <= told.lent + self.overshoot

    @invariant()
    def each_hold_resolves_once(self) -> None:
        assert self.taken - self.resolved == sum(len(holder.turns) for holder in self.holders.values())

    def teardown(self) -> None:
        """In the end everybody reports and repays, and the bank has every cent that was spent; nothing stays lent."""
        for name, holder in self.holders.items():
            holder.turns.clear()
            if holder.pending is not None:
                self.send(name, lost=False)
            self.repay(name)
        status = self.ask(self.bank.status, self.scope)
        assert status.balance.spent.nano == sum(sum(holder.spent.values()) for holder in self.holders.values())
        assert (status.balance.lent, status.leases) == (ZERO, ())


@pytest.fixture
def machine(where: str | Path) -> Iterator[type[BankMachine]]:
    """The machine on an empty bank, which is shared by all its runs; each has a team of its own."""
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        bank = stack.enter_context(portal.wrap_async_context_manager(open_bank(where)))
        yield type("Machine", (BankMachine,), {"bank": bank, "portal": portal})
        assert portal.call(bank.verify) == ()


# Finding the shortest sequence that fails takes Hypothesis minutes, and only then.
@pytest.mark.timeout(900)
def test_money_is_safe_under_any_sequence_of_events(machine: type[BankMachine]) -> None:
    """Spent and held within the limit and the published bound, every hold resolved once, every balance the sum of its entries."""
    examples = 40 if machine.bank._is_local else 15  # a real server takes its time
    run_state_machine_as_test(machine, settings=settings(UNHURRIED, max_examples=examples, stateful_step_count=50))
