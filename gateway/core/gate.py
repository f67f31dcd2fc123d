"""The gate: may this turn run, may it go on, and what is a person asked if it may not. Nothing here spends or waits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gateway.core.gauges import Gauge, allowance, full, is_shared, lift, raised, reasons
from gateway.core.summary import escaped_title
from gateway.domain.approval import Allow, Ask, Choice, Option, Question, Refuse, Verdict
from gateway.domain.budget import Balance, Lift, ScopeKind, Unit
from gateway.domain.estimate import Estimate
from gateway.domain.money import LARGEST_AMOUNT_NANO, NANO_PER_USD, ZERO, Usd
from gateway.domain.turn import Turn
from gateway.view import money_words, turn_words

NO = Option(Choice.NO, money_words.NO)
STOP = Option(Choice.NO, money_words.STOP_HERE)
HELD_SHARE = 4
"""From one part in so many of what is gone, what is only held is told apart from what is spent."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What may run unasked: up to `confirm_above`. `step` is by how much a hold grows, and the hold where nothing is forecast."""

    confirm_above: Usd
    step: Usd
    frozen: bool = False
    refuse: str | None = None
    """Why this run must not start or go on, whatever it costs; one that is at work is not cut short by it."""
    refuse_above: Usd | None = None
    """The most that this run may cost in all: nobody is offered more."""
    unpriced_refused: bool = False
    """A price that nobody knows is refused and not asked about."""
    why: str = ""
    """What the owner's rules say of this run, where they ask sooner than usual."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person has seen and said yes to: the most that the turn may cost in all, and whether its price is unknown."""

    allows: Usd
    unpriced: bool = False


@dataclass(frozen=True, slots=True)
class Cheaper:
    """A model that the agent can go on with instead, and what would be held for the same run on it."""

    model: str
    want: Usd


@dataclass(frozen=True, slots=True)
class Enough:
    """The hold covers what was spent."""


@dataclass(frozen=True, slots=True)
class Grow:
    """The hold grows by so much, within what the person has seen and what is left."""

    by: Usd


@dataclass(frozen=True, slots=True)
class Limit:
    """The turn pauses at its next boundary; `reason` names what said no."""

    reason: str


def tightest(balances: Iterable[Balance]) -> tuple[Usd, Balance] | None:
    """The smallest remaining amount and the balance it belongs to; None if nothing is limited."""
    limited = [(left, balance) for balance in balances if (left := balance.remaining) is not None]
    return min(limited, key=lambda pair: (pair[0], pair[1].scope)) if limited else None


def nice_step(least: Usd) -> Usd:
    """The smallest of $1, $2, $5, $10, $20, ... that is not less."""
    unit = NANO_PER_USD
    while unit <= LARGEST_AMOUNT_NANO:
        for factor in (1, 2, 5):
            if unit * factor >= least.nano:
                return Usd(unit * factor)
        unit *= 10
    return least


def lifts(balances: Iterable[Balance], short_of: Usd, by: Usd) -> tuple[Lift, ...]:
    """Every scope that cannot give `short_of`, and by how much its limit is to rise."""
    return tuple(
        Lift(balance.scope, Unit.USD, by.nano)
        for balance in balances
        if (left := balance.remaining) is not None and left < short_of
    )


def cheaper(model: str, estimate: Estimate, policy: Policy) -> Cheaper | None:
    """What can be offered of the model; None where its price is not known, or the rules would refuse the run on it as well."""
    refused = _refusal(policy, estimate.hold, unpriced=estimate.unpriced is not None)
    return Cheaper(model, estimate.hold) if estimate.unpriced is None and refused is None else None


def decide(
    balances: Sequence[Balance],
    estimate: Estimate,
    policy: Policy,
    consent: Consent | None = None,
    gauges: Iterable[Gauge] = (),
    other: Cheaper | None = None,
    spent: Usd = ZERO,
    holders: Sequence[Turn] = (),
) -> Verdict:
    """May the turn start? Without consent: up to `confirm_above` unasked. With it: up to what the person saw, if it still fits.

    `spent`: what it has cost already, by sub-agents that were at work before it; that is part of what is agreed to. No gauge may be full; what a person raised for the turn is in the balances and gauges already. `other` is only offered;
    `holders`, turns for which something is held, are only named.
    """
    if policy.frozen:
        return Refuse(money_words.FROZEN)
    want = estimate.hold or policy.step
    refusal = _refusal(policy, want + spent, unpriced=estimate.unpriced is not None)
    if refusal is not None:
        return refusal
    seen = _bounded(policy, policy.confirm_above if consent is None else consent.allows)
    need = want if consent is None else min(want, consent.allows - spent)
    tight = tightest(balances)
    fits = ZERO < need <= seen - spent and (tight is None or need <= tight[0])
    priced = estimate.unpriced is None or (consent is not None and consent.unpriced)
    stuck = full(gauges)
    if fits and priced and not stuck:
        return Allow(hold=need, ceiling=seen)
    return Ask(_before_the_run(balances, estimate, policy, stuck, other, spent, holders))


def _refusal(policy: Policy, want: Usd, *, unpriced: bool) -> Refuse | None:
    """Why a turn that would hold `want` must not start, whoever says yes."""
    if policy.refuse is not None:
        return Refuse(policy.refuse)
    if unpriced and policy.unpriced_refused:
        return Refuse(money_words.NOT_RUN_UNPRICED)
    if policy.refuse_above is not None and want > policy.refuse_above:
        return Refuse(money_words.refused_above(want, policy.refuse_above))
    return None


def _bounded(policy: Policy, amount: Usd) -> Usd:
    return amount if policy.refuse_above is None else min(amount, policy.refuse_above)


def _before_the_run(
    balances: Sequence[Balance],
    estimate: Estimate,
    policy: Policy,
    stuck: Sequence[Gauge],
    other: Cheaper | None,
    spent: Usd,
    holders: Sequence[Turn],
) -> Question:
    want, pauses = estimate.hold or policy.step, ""
    most = _bounded(policy, spent + max(want, policy.confirm_above)) - spent
    tight = tightest(balances)
    if tight is None or tight[0] >= want:
        allows = most if tight is None else min(most, tight[0])
        label = money_words.RUN_UNPRICED if estimate.unpriced else money_words.run(allows, more=bool(spent))
        options = (Option(Choice.RUN, label, allows=spent + allows), NO)
        if estimate.p90 is not None and str(estimate.p90) != str(allows) and estimate.p90 > allows:
            pauses = money_words.pauses(allows, more=bool(spent))
    else:
        left, _ = tight
        by = nice_step(max(want - left, policy.step))
        options = (
            Option(Choice.RAISE, money_words.raise_by(by), allows=spent + want, lifts=lifts(balances, want, by)),
            NO,
        )
        if left > estimate.floor and left > ZERO:
            label = money_words.RUN_UNPRICED if estimate.unpriced else money_words.run_until(left)
            options = (Option(Choice.RUN, label, allows=spent + left), *options)
    if other is not None and _is_less(other.want, want) and (tight is None or other.want <= tight[0]):
        # Not up to `confirm_above`: who takes it wants to pay no more than it says, and is asked if that is not enough.
        label = money_words.use(other.model, other.want)
        options = (*options[:-1], Option(Choice.RUN, label, allows=spent + other.want, model=other.model), NO)
    why = policy.why if want > policy.confirm_above else ""
    already = money_words.spent_before(spent) if spent else ""
    left_words = _left_words(tight, ZERO, holders)
    text = _join(why, estimate.words, pauses, already, money_words.stuck(reasons(stuck)), left_words)
    return _question(text, options, stuck, unpriced=estimate.unpriced is not None)


def after_call(
    turn: Turn, balances: Sequence[Balance], policy: Policy, gauges: Iterable[Gauge] = ()
) -> Enough | Grow | Limit:
    """After a call was booked: does the hold still cover the turn, can it grow unasked, or does the turn pause?"""
    why = money_words.EVERYTHING_STOPPED if policy.frozen else _ended_by_rule(turn, policy)
    if turn.unpriced_calls and not turn.unpriced_allowed:
        why = why or money_words.UNPRICED
    if why := why or reasons(full(gauges)):
        return Limit(why)
    seen = _bounded(policy, turn.ceiling) - turn.spent
    tight = tightest(balances)
    if tight is not None and tight[0] + turn.held_left <= ZERO:
        if tight[1].scope.kind is ScopeKind.TEAM:
            # A lease is a part of the team's budget: its amount would be taken for the whole.
            return Limit(money_words.LENT_USED)
        return Limit(money_words.budget_used(tight[1].scope.kind, tight[1].limit or ZERO))
    if seen <= ZERO:
        return Limit(money_words.agreed(turn.ceiling))
    if turn.held_left > ZERO:
        return Enough()
    return Grow(min(seen, policy.step, *((tight[0],) if tight else ())))


def _ended_by_rule(turn: Turn, policy: Policy) -> str:
    """Why nobody may let the turn go on; empty if somebody may."""
    if turn.unpriced_calls and policy.unpriced_refused:
        return money_words.UNPRICED_REFUSED
    bound = policy.refuse_above
    return money_words.most_by_rule(bound) if bound is not None and turn.spent >= bound else ""


def at_limit(
    turn: Turn,
    balances: Sequence[Balance],
    policy: Policy,
    reason: str,
    gauges: Iterable[Gauge] = (),
    holders: Sequence[Turn] = (),
) -> Question:
    """What is asked of a person while the turn is paused. What is still held for the turn is its own to spend.

    A yes lifts every gauge that is full; where only those are in the way, what was agreed in dollars stays agreed.
    """
    stuck = full(gauges)
    tight = tightest(balances)
    if tight is not None:
        tight = (tight[0] + turn.held_left, tight[1])
    left_words = _left_words(tight, turn.held_left, holders)
    text = _join(money_words.paused(reason, turn_words.spent(turn)), left_words)
    if ended := _ended_by_rule(turn, policy):
        return Question(text if ended == reason else _join(text, money_words.cannot_go_on(ended)), (STOP,))
    agreed = turn.ceiling - turn.spent
    usual = nice_step(policy.step)
    step = max(usual, agreed) if stuck and (tight is None or tight[0] >= agreed) else usual
    step = _bounded(policy, turn.spent + step) - turn.spent
    short_of = step - turn.held_left
    unpriced = turn.unpriced_calls > 0
    if tight is None or tight[0] >= step:
        options = (Option(Choice.RUN, money_words.go_on(step), allows=turn.spent + step), STOP)
        return _question(_join(text, allowance(stuck)), options, stuck, unpriced=unpriced)
    left, _ = tight
    by = nice_step(step - left)
    more = _bounded(policy, turn.spent + min(by, left + by)) - turn.spent
    label = money_words.raise_by(by, None if more == by else more)
    options = (Option(Choice.RAISE, label, allows=turn.spent + more, lifts=lifts(balances, short_of, by)), STOP)
    if left > ZERO:
        options = (Option(Choice.RUN, money_words.go_on(left), allows=turn.spent + left), *options)
    return _question(_join(text, allowance(stuck)), options, stuck, unpriced=unpriced)


def _question(text: str, options: tuple[Option, ...], stuck: Sequence[Gauge], *, unpriced: bool) -> Question:
    """The question; every yes to it lifts what is stuck, and says so where others share that limit."""
    more = tuple(lift(gauge) for gauge in stuck)
    raises = raised(more)
    shared = any(is_shared(one) for one in more)

    def yes(option: Option) -> Option:
        return replace(
            option,
            choice=Choice.RAISE if shared else option.choice,
            label=money_words.raising(option.label, raises),
            lifts=(*option.lifts, *more),
            unpriced=unpriced and option.model is None,
        )

    return Question(text, tuple(option if option.choice is Choice.NO else yes(option) for option in options))


def resume(
    turn: Turn,
    balances: Sequence[Balance],
    policy: Policy,
    consent: Consent,
    gauges: Sequence[Gauge] = (),
    holders: Sequence[Turn] = (),
) -> Verdict:
    """May a paused turn go on with this consent, on a fresh balance? `Allow.hold` is what is set aside in addition.

    A turn that was not paused for want of money still has its hold: it counts towards what was agreed, and may be enough.
    """
    refusal = money_words.FROZEN_PAUSED if policy.frozen else policy.refuse
    if refusal is not None:
        return Refuse(refusal)
    reason = _ended_by_rule(turn, policy)
    if turn.unpriced_calls and not (turn.unpriced_allowed or consent.unpriced):
        reason = reason or money_words.UNPRICED
    if reason := reason or reasons(full(gauges)):
        return Ask(at_limit(turn, balances, policy, reason, gauges, holders))
    allows = _bounded(policy, consent.allows)
    more = min(policy.step, allows - turn.spent - turn.held_left)
    tight = tightest(balances)
    if more > ZERO and (tight is None or tight[0] > ZERO):
        return Allow(hold=min((more, *((tight[0],) if tight else ()))), ceiling=allows)
    if turn.held_left > ZERO and allows > turn.spent:
        return Allow(hold=ZERO, ceiling=allows)
    return Ask(at_limit(turn, balances, policy, money_words.USED_MEANWHILE, holders=holders))


def _is_less(amount: Usd, other: Usd) -> bool:
    """Less, and a person sees it."""
    return amount < other and str(amount) != str(other)


def _left_words(tight: tuple[Usd, Balance] | None, own: Usd, holders: Iterable[Turn]) -> str:
    """What is left, and what of the rest is not spent but held. `own`: what is held for the turn itself."""
    if tight is None:
        return ""
    left, balance = tight
    kind, free, limit = balance.scope.kind, max(left, ZERO), balance.limit or ZERO
    held = balance.held - own
    if held <= ZERO or held.nano * HELD_SHARE < (balance.spent + held).nano:
        return money_words.left(kind, free, limit)
    mine = [turn for turn in holders if balance.scope in turn.scopes and turn.held_left > ZERO]
    if not mine:
        return money_words.left_but_held(kind, free, limit, balance.spent, held)
    most = escaped_title(max(mine, key=lambda turn: turn.held_left).prompt)
    return money_words.left_but_held_for(kind, free, limit, balance.spent, held, most, len(mine) - 1)


def _join(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)
