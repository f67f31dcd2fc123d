"""Money under any sequence of events: turns pass the gate, are metered, pause, go on and settle, and the ledger stays true.

The machine does what the engine does with the core's answers, folds the entries itself.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.core import gate, gauges, meter
from gateway.core.gauges import Gauge
from gateway.core.turn import ENDED, Step, advance, can
from gateway.domain.approval import Allow, Ask, Choice, Option, Question, Refuse, Verdict
from gateway.domain.budget import Balance, Caps, Entry, EntryKind, Lift, Scope, ScopeKind, Unit
from gateway.domain.estimate import Estimate
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import Turn, TurnState
from gateway.domain.usage import Tokens, Unpriced, Usage
from tests.core.make import UNHURRIED, call, turn

T = TypeVar("T")
U = TypeVar("U")
SESSIONS = (Scope(ScopeKind.SESSION, "s_1"), Scope(ScopeKind.SESSION, "s_2"))
OPEN_MAX = 4


def amounts(dimes_max: int, dimes_min: int = 0) -> st.SearchStrategy[Usd]:
    """Dimes, now and then with a nano-dollar more or less: amounts meet exactly, and miss each other by the least there is."""
    return st.builds(
        lambda dimes, nano: Usd(max(0, dimes * 100_000_000 + nano)),
        st.integers(min_value=dimes_min, max_value=dimes_max),
        st.sampled_from([0, 0, 0, 1, -1]),
    )


def seldom(usual: st.SearchStrategy[T], other: U) -> st.SearchStrategy[T | U]:
    """The usual value nine times in ten."""
    return st.builds(lambda value, die: other if die == 7 else value, usual, st.integers(min_value=0, max_value=9))


LIMITS = seldom(amounts(60), None)
PRICES = seldom(amounts(9), None)
ESTIMATES = st.builds(
    Estimate,
    floor=amounts(3),
    p50=st.none(),
    p90=st.none(),
    n=st.just(0),
    hold=amounts(15),
    words=st.just("?"),
    unpriced=seldom(st.none(), "mystery"),
)
PICKS = st.integers(min_value=0, max_value=11)
GIVEN: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "calls_are_metered": {
        "number": PICKS,
        "prices": st.lists(PRICES, min_size=1, max_size=3),
        "ended": st.booleans(),
    },
    "a_person_answers": {"number": PICKS, "button": PICKS, "forecast": ESTIMATES},
    "a_prompt_comes": {"session_id": st.sampled_from(["s_1", "s_2"]), "forecast": ESTIMATES},
    "a_run_ends": {
        "number": PICKS,
        "step": st.sampled_from([None, Step.FINISH, Step.FAIL, Step.STOP, Step.INTERRUPT]),
        "unseen": st.none() | PRICES.map(lambda price: (price,)),
    },
    "the_world_changes": {
        "frozen": seldom(st.just(False), True),
        "scope": st.sampled_from([*SESSIONS, None]),
        "limit": LIMITS,
        "days": seldom(st.just(0), 1),
    },
}
OFTEN = {"calls_are_metered": 5, "a_person_answers": 4, "a_prompt_comes": 3, "a_run_ends": 1, "the_world_changes": 1}
EVENTS = st.sampled_from([name for name, times in OFTEN.items() for _ in range(times)]).flatmap(
    lambda name: st.fixed_dictionaries(GIVEN[name]).map(lambda given: (name, given))
)


def added(balance: Balance, entry: Entry) -> Balance:
    """The balance after an entry that names its scope; what is held never goes below nothing."""
    held = balance.held + entry.held
    assert held >= ZERO, f"{entry} frees more than is held"
    limit = balance.limit if entry.limit is None else entry.limit
    counts = balance.counts + entry.counts
    return Balance(balance.scope, limit, balance.spent + entry.spent, held, counts, entry.caps.over(balance.caps))


class MoneyMachine(RuleBasedStateMachine):
    """Turns of two sessions on one day's budget; `agreed` and `paid` are kept beside the core, to check it by."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger: dict[Scope, Balance] = {}
        self.turns: dict[str, Turn] = {}
        self.questions: dict[str, Question] = {}
        self.told_unpriced: dict[str, bool] = {}
        self.waiting: set[str] = set()
        self.agreed: dict[str, Usd] = {}
        self.most_agreed: dict[str, Usd] = {}
        self.paid: dict[str, Usd] = {}
        self.paid_on: dict[Scope, Usd] = {}
        self.policy = gate.Policy(ZERO, Usd(1))
        self.calls_of_a_turn: int | None = None
        self.day = 1
        self.calls = 0

    # ------------------------------------------------------------------------------------------------------- the hands
    def scopes(self, session_id: str) -> tuple[Scope, ...]:
        return (Scope(ScopeKind.SESSION, session_id), Scope(ScopeKind.DAY, f"day {self.day}"))

    def balance(self, scope: Scope) -> Balance:
        return self.ledger.get(scope, Balance(scope, None))

    def balances(self, scopes: tuple[Scope, ...], lifts: tuple[Lift, ...] = ()) -> tuple[Balance, ...]:
        return tuple(self.balance(scope).lifted(lifts) for scope in scopes)

    def gauges(self, one: Turn, scopes: tuple[Scope, ...]) -> tuple[Gauge, ...]:
        """Calls of the session, the day and the turn, as far as they are limited, with what this turn was given."""
        own = gauges.of_turn(one, Caps(calls=self.calls_of_a_turn), pace_limit=None)
        return (*gauges.of_balances(self.balances(scopes, one.lifts)), *gauges.lifted(own, one.lifts))

    def write(self, entry: Entry) -> None:
        """Fold one more entry into the balance of every scope that it names."""
        for scope in entry.scopes:
            self.ledger[scope] = added(self.balance(scope), entry)

    def bounded(self, amount: Usd) -> Usd:
        """The amount, or the hard bound where that is less."""
        return amount if self.policy.refuse_above is None else min(amount, self.policy.refuse_above)

    def pick(self, number: int, wanted: Callable[[Turn], bool]) -> Turn | None:
        found = [one for one in self.turns.values() if wanted(one)]
        return found[number % len(found)] if found else None

    def raise_limits(self, asking: Turn, option: Option) -> Turn:
        """A session's limit for good, any other for this turn alone."""
        for lift in option.lifts:
            assert lift.by > 0
            if lift.scope.kind is not ScopeKind.SESSION:
                asking = replace(asking, lifts=(*asking.lifts, lift))
            elif lift.unit is Unit.USD:
                limit = self.balance(lift.scope).limit
                assert limit is not None
                self.write(Entry(EntryKind.LIMIT, (lift.scope,), limit=limit + Usd(lift.by)))
            else:
                calls = self.balance(lift.scope).caps.calls
                assert calls is not None
                self.write(Entry(EntryKind.LIMIT, (lift.scope,), caps=Caps(calls=calls + lift.by)))
        self.turns[asking.id] = asking
        return asking

    def take(self, before: Turn, allow: Allow, step: Step, scopes: tuple[Scope, ...], *, unpriced: bool) -> None:
        """Take the hold of an Allow, after checking that it may be given at this moment."""
        assert not self.policy.frozen
        after = advance(
            before,
            step,
            scopes=scopes,
            hold=before.hold + allow.hold,
            held_left=before.held_left + allow.hold,
            ceiling=allow.ceiling,
            unpriced_allowed=before.unpriced_allowed or unpriced,
        )
        self.write(Entry(EntryKind.HOLD, scopes, turn_id=after.id, held=allow.hold))
        for balance in self.balances(scopes, after.lifts):
            assert not allow.hold or balance.remaining is None or balance.remaining >= ZERO
        assert gauges.full(self.gauges(after, scopes)) == ()
        assert after.held_left > ZERO
        assert before.spent < allow.ceiling
        self.agreed[after.id] = allow.ceiling
        self.most_agreed[after.id] = max(allow.ceiling, self.most_agreed.get(after.id, ZERO))
        self.waiting.add(after.id)
        self.turns[after.id] = advance(after, Step.RELEASE) if after.state is TurnState.HELD else after

    def put_before_the_gate(self, queued: Turn, forecast: Estimate, consent: gate.Consent | None) -> None:
        scopes = self.scopes(queued.session_id)
        balances, counted = self.balances(scopes, queued.lifts), self.gauges(queued, scopes)
        verdict: Verdict = gate.decide(balances, forecast, self.policy, consent, counted)
        match verdict:
            case Allow():
                seen = self.bounded(self.policy.confirm_above if consent is None else consent.allows)
                assert not (forecast.unpriced and self.policy.unpriced_refused)
                assert verdict.hold <= seen == verdict.ceiling
                assert forecast.unpriced is None or (consent is not None and consent.unpriced)
                self.take(queued, verdict, Step.ALLOW, scopes, unpriced=consent is not None and consent.unpriced)
            case Ask(question):
                assert not self.policy.frozen
                self.turns[queued.id] = advance(queued, Step.ASK)
                self.questions[queued.id] = question
                self.told_unpriced[queued.id] = forecast.unpriced is not None
            case Refuse():
                want = forecast.hold or self.policy.step
                no_price = forecast.unpriced is not None and self.policy.unpriced_refused
                assert self.policy.frozen or no_price or want > self.bounded(want)
                self.turns[queued.id] = advance(queued, Step.REFUSE)

    def pause(self, running: Turn, reason: str) -> None:
        self.turns[running.id] = advance(running, Step.PAUSE)
        balances, counted = self.balances(running.scopes, running.lifts), self.gauges(running, running.scopes)
        question = gate.at_limit(running, balances, self.policy, reason, counted)
        self.questions[running.id] = question
        self.told_unpriced[running.id] = running.unpriced_calls > 0

    def pay(self, payer: Turn, price: Usd | None) -> None:
        for scope in payer.scopes:
            self.paid_on[scope] = self.paid_on.get(scope, ZERO) + (price or ZERO)
        self.paid[payer.id] = self.paid.get(payer.id, ZERO) + (price or ZERO)

    def settle(self, ended: Turn) -> None:
        settled, entry = meter.settle(ended)
        self.write(entry)
        self.turns[ended.id] = settled
        self.waiting.discard(ended.id)

    def answer_before_the_run(self, asking: Turn, option: Option, forecast: Estimate) -> None:
        """The second decision rests on a fresh forecast: price and history may have changed since the question."""
        if option.choice is Choice.NO or option.allows is None:
            self.turns[asking.id] = advance(asking, Step.REFUSE)
            return
        consent = gate.Consent(option.allows, unpriced=self.told_unpriced[asking.id])
        self.put_before_the_gate(asking, forecast, consent)

    def answer_at_the_limit(self, paused: Turn, option: Option) -> None:
        if option.choice is Choice.NO or option.allows is None:
            self.settle(advance(paused, Step.STOP))
            return
        waits = paused.id in self.waiting
        scopes = paused.scopes if waits else self.scopes(paused.session_id)
        balances, counted = self.balances(scopes, paused.lifts), self.gauges(paused, scopes)
        match gate.resume(paused, balances, self.policy, gate.Consent(option.allows), counted):
            case Allow() as allow:
                assert allow.ceiling == option.allows
                step = Step.RESUME if waits else Step.ALLOW
                self.take(paused, allow, step, scopes, unpriced=self.told_unpriced[paused.id])
            case Ask(question):
                self.questions[paused.id] = question
                self.told_unpriced[paused.id] = paused.unpriced_calls > 0
            case Refuse():
                assert self.policy.frozen

    def meter(self, caller: Turn, price: Usd | None, *, ended: bool) -> None:
        """Book a call and ask whether the turn may go on. After a Grow or Enough another call may follow."""
        self.calls += 1
        after, entry = meter.book(
            caller, call(f"c_{self.calls}", None if price is None else price.exact()), ended=ended
        )
        self.write(entry)
        self.pay(caller, price)
        self.turns[after.id] = after
        if after.state in ENDED:
            return
        balances, counted = self.balances(after.scopes, after.lifts), self.gauges(after, after.scopes)
        match gate.after_call(after, balances, self.policy, counted):
            case gate.Limit(reason):
                if after.state is TurnState.RUNNING:
                    self.pause(after, reason)
                return
            case gate.Grow(by):
                assert ZERO < by <= self.policy.step
                after = replace(after, hold=after.hold + by, held_left=after.held_left + by)
                self.write(Entry(EntryKind.HOLD, after.scopes, turn_id=after.id, held=by))
                self.turns[after.id] = after
                found = self.balances(after.scopes, after.lifts)
                assert all(one.remaining is None or one.remaining >= ZERO for one in found)
            case gate.Enough():
                pass
        assert not self.policy.frozen
        assert gauges.full(counted) == ()
        assert after.held_left > ZERO
        assert after.spent < self.agreed[after.id]
        assert not after.unpriced_calls or (after.unpriced_allowed and not self.policy.unpriced_refused)

    # ------------------------------------------------------------------------------------------------------- the rules
    @initialize(
        limits=st.tuples(LIMITS, LIMITS, LIMITS),
        confirm_above=amounts(20),
        step=amounts(6, 1),
        bound=st.none() | amounts(20, 1),
        unpriced_refused=st.booleans(),
        caps=st.tuples(*[st.none() | st.integers(1, 6)] * 3),
    )
    def begin(
        self,
        limits: tuple[Usd | None, ...],
        confirm_above: Usd,
        step: Usd,
        bound: Usd | None,
        unpriced_refused: bool,
        caps: tuple[int | None, ...],
    ) -> None:
        self.calls_of_a_turn = caps[2]
        for scope, calls in zip((SESSIONS[0], self.scopes("")[1]), caps, strict=False):
            self.write(Entry(EntryKind.LIMIT, (scope,), caps=Caps(calls=calls)))
        self.policy = gate.Policy(confirm_above, step, refuse_above=bound, unpriced_refused=unpriced_refused)
        for scope, limit in zip((*SESSIONS, self.scopes("")[1]), limits, strict=True):
            if limit is not None:
                self.write(Entry(EntryKind.LIMIT, (scope,), limit=limit))

    @rule(event=EVENTS)
    def something_happens(self, event: tuple[str, dict[str, Any]]) -> None:
        """One rule for all events, so that they come in the proportions above; one that makes no sense now is passed over."""
        name, given = event
        getattr(self, name)(**given)

    def a_prompt_comes(self, session_id: str, forecast: Estimate) -> None:
        if sum(one.state not in ENDED for one in self.turns.values()) >= OPEN_MAX:
            return
        queued = turn(id=f"t_{len(self.turns)}", session_id=session_id, state=TurnState.QUEUED, scopes=())
        self.put_before_the_gate(queued, forecast, None)

    def a_person_answers(self, number: int, button: int, forecast: Estimate) -> None:
        asking = self.pick(number, lambda one: one.state in (TurnState.ASKING, TurnState.PAUSED))
        if asking is None:
            return
        *yes, no = self.questions[asking.id].options
        option = no if button > 9 or not yes else yes[button % len(yes)]
        asking = self.raise_limits(asking, option)
        if asking.state is TurnState.ASKING:
            self.answer_before_the_run(asking, option, forecast)
        else:
            self.answer_at_the_limit(asking, option)

    def calls_are_metered(self, number: int, prices: list[Usd | None], ended: bool) -> None:
        """Calls of paused and ended turns are late ones: they were in flight, and are booked like all others."""
        late = number > 9 or not any(one.state is TurnState.RUNNING for one in self.turns.values())
        caller = self.pick(number, lambda one: bool(one.scopes) if late else one.state is TurnState.RUNNING)
        if caller is None:
            return
        for price in prices:
            self.meter(self.turns[caller.id], price, ended=ended)

    def a_run_ends(self, number: int, step: Step | None, unseen: tuple[Usd | None] | None) -> None:
        """Sometimes the agent's totals hold more than the meter saw; a paused run that nobody answered ends and stays paused."""
        ending = self.pick(
            number, lambda one: one.id in self.waiting and (can(one, step) if step else can(one, Step.RESUME))
        )
        if ending is None:
            return
        if unseen is not None:
            (price,) = unseen
            usage = Usage("opus", Tokens(output=1))
            ending, entry = meter.book_difference(ending, usage, Unpriced("?") if price is None else price)
            self.write(entry)
            self.pay(ending, price)
        self.settle(advance(ending, step) if step else ending)

    def the_world_changes(self, frozen: bool, scope: Scope | None, limit: Usd | None, days: int) -> None:
        """Everything is stopped or goes on, a person sets a limit, the day ends."""
        self.policy = replace(self.policy, frozen=frozen)
        if limit is not None:
            self.write(Entry(EntryKind.LIMIT, (scope or self.scopes("")[1],), limit=limit))
        self.day += days

    # -------------------------------------------------------------------------------------------------- the invariants
    @invariant()
    def what_is_held_is_what_turns_hold(self) -> None:
        for scope in self.ledger:
            held = sum((one.held_left for one in self.turns.values() if scope in one.scopes), ZERO)
            assert self.balance(scope).held == held >= ZERO

    @invariant()
    def what_is_spent_is_what_calls_cost(self) -> None:
        for scope in self.ledger:
            assert self.balance(scope).spent == self.paid_on.get(scope, ZERO)
        for one in self.turns.values():
            assert one.spent == self.paid.get(one.id, ZERO)

    @invariant()
    def no_turn_holds_more_than_was_agreed(self) -> None:
        for one in self.turns.values():
            assert ZERO <= one.held_left <= one.hold
            assert not one.held_left or one.spent + one.held_left <= self.most_agreed[one.id]

    @invariant()
    def nobody_agreed_to_more_than_the_hard_bound(self) -> None:
        assert all(amount == self.bounded(amount) for amount in self.most_agreed.values())

    @invariant()
    def only_a_turn_at_work_holds_money(self) -> None:
        for one in self.turns.values():
            assert not one.held_left or one.state in (TurnState.RUNNING, TurnState.PAUSED)
            assert one.state is not TurnState.REFUSED or not one.spent


# Finding the shortest sequence that fails takes Hypothesis minutes, and only then.
TestMoneyUnderAnySequenceOfEvents = pytest.mark.timeout(900)(MoneyMachine.TestCase)
TestMoneyUnderAnySequenceOfEvents.settings = settings(UNHURRIED, max_examples=100, stateful_step_count=50)
