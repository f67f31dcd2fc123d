"""The gate: may this turn run, may it go on, and what is a person asked if it may not. Nothing here spends or waits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gateway.core.gauges import Gauge, allowance, full, is_shared, lift, raised, reasons
from gateway.core.summary import escape, spent, title
from gateway.domain.approval import Allow, Ask, Choice, Option, Question, Refuse, Verdict
from gateway.domain.budget import Balance, Lift, Scope, ScopeKind, Unit
from gateway.domain.estimate import Estimate
from gateway.domain.money import LARGEST_AMOUNT_NANO, NANO_PER_USD, ZERO, Usd
from gateway.domain.turn import Turn

NO = Option(Choice.NO, "No")
STOP = Option(Choice.NO, "Stop here")
UNPRICED = "the price of this model is not known"
FROZEN = "Everything is stopped: /go lets paid turns start again."
FROZEN_PAUSED = "Everything is stopped: /go lets paid turns go on."
HELD_SHARE = 4
"""From one part in so many of what is gone, what is only held is told apart from what is spent."""
UNPRICED_REFUSED = f"{UNPRICED}, and the settings refuse that"


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
        return Refuse(FROZEN)
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
        return Refuse(f"{UNPRICED_REFUSED} (budgets.unpriced).")
    if policy.refuse_above is not None and want > policy.refuse_above:
        return Refuse(f"{want} would be set aside for it, and a rule refuses such runs above {policy.refuse_above}.")
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
        label = "Run, price unknown" if estimate.unpriced else f"Run, up to {allows}{' more' if spent else ''}"
        options = (Option(Choice.RUN, label, allows=spent + allows), NO)
        if estimate.p90 is not None and str(estimate.p90) != str(allows) and estimate.p90 > allows:
            pauses = f"It pauses and asks {f'after {allows} more' if spent else f'at {allows}'}."
    else:
        left, _ = tight
        by = nice_step(max(want - left, policy.step))
        options = (
            Option(Choice.RAISE, f"Raise +{_dollars(by)}", allows=spent + want, lifts=lifts(balances, want, by)),
            NO,
        )
        if left > estimate.floor and left > ZERO:
            label = "Run, price unknown" if estimate.unpriced else f"Run, stop at {left}"
            options = (Option(Choice.RUN, label, allows=spent + left), *options)
    if other is not None and _is_less(other.want, want) and (tight is None or other.want <= tight[0]):
        # Not up to `confirm_above`: who takes it wants to pay no more than it says, and is asked if that is not enough.
        label = f"Use {other.model}, up to {other.want}"
        options = (*options[:-1], Option(Choice.RUN, label, allows=spent + other.want, model=other.model), NO)
    why = policy.why if want > policy.confirm_above else ""
    already = f"{spent} was spent before it was asked about." if spent else ""
    left_words = _left_words(tight, ZERO, holders)
    text = _join(why, estimate.words, pauses, already, _sentence(reasons(stuck)), left_words)
    return _question(text, options, stuck, unpriced=estimate.unpriced is not None)


def after_call(
    turn: Turn, balances: Sequence[Balance], policy: Policy, gauges: Iterable[Gauge] = ()
) -> Enough | Grow | Limit:
    """After a call was booked: does the hold still cover the turn, can it grow unasked, or does the turn pause?"""
    why = "everything is stopped" if policy.frozen else _ended_by_rule(turn, policy)
    if turn.unpriced_calls and not turn.unpriced_allowed:
        why = why or UNPRICED
    if why := why or reasons(full(gauges)):
        return Limit(why)
    seen = _bounded(policy, turn.ceiling) - turn.spent
    tight = tightest(balances)
    if tight is not None and tight[0] + turn.held_left <= ZERO:
        if tight[1].scope.kind is ScopeKind.TEAM:
            # A lease is a part of the team's budget: its amount would be taken for the whole.
            return Limit("what the team's bank lent is used up")
        return Limit(f"the {tight[1].scope.kind} budget of {tight[1].limit} is used up")
    if seen <= ZERO:
        return Limit(f"{turn.ceiling} is what was agreed for this turn")
    if turn.held_left > ZERO:
        return Enough()
    return Grow(min(seen, policy.step, *((tight[0],) if tight else ())))


def _ended_by_rule(turn: Turn, policy: Policy) -> str:
    """Why nobody may let the turn go on; empty if somebody may."""
    if turn.unpriced_calls and policy.unpriced_refused:
        return UNPRICED_REFUSED
    bound = policy.refuse_above
    reached = bound is not None and turn.spent >= bound
    return f"{bound} is the most that a rule allows for this turn" if reached else ""


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
    text = _join(f"Paused: {reason}. {spent(turn)} spent so far.", left_words)
    if ended := _ended_by_rule(turn, policy):
        return Question(text if ended == reason else f"{text} It cannot go on: {ended}.", (STOP,))
    agreed = turn.ceiling - turn.spent
    usual = nice_step(policy.step)
    step = max(usual, agreed) if stuck and (tight is None or tight[0] >= agreed) else usual
    step = _bounded(policy, turn.spent + step) - turn.spent
    short_of = step - turn.held_left
    unpriced = turn.unpriced_calls > 0
    if tight is None or tight[0] >= step:
        options = (Option(Choice.RUN, f"Go on, up to {step} more", allows=turn.spent + step), STOP)
        return _question(_join(text, allowance(stuck)), options, stuck, unpriced=unpriced)
    left, _ = tight
    by = nice_step(step - left)
    more = _bounded(policy, turn.spent + min(by, left + by)) - turn.spent
    label = f"Raise +{_dollars(by)}" if more == by else f"Raise +{_dollars(by)}, up to {more} more"
    options = (Option(Choice.RAISE, label, allows=turn.spent + more, lifts=lifts(balances, short_of, by)), STOP)
    if left > ZERO:
        options = (Option(Choice.RUN, f"Go on, up to {left} more", allows=turn.spent + left), *options)
    return _question(_join(text, allowance(stuck)), options, stuck, unpriced=unpriced)


def _question(text: str, options: tuple[Option, ...], stuck: Sequence[Gauge], *, unpriced: bool) -> Question:
    """The question; every yes to it lifts what is stuck, and says so where others share that limit."""
    more = tuple(lift(gauge) for gauge in stuck)
    words = raised(more)
    shared = any(is_shared(one) for one in more)

    def yes(option: Option) -> Option:
        return replace(
            option,
            choice=Choice.RAISE if shared else option.choice,
            label=f"{option.label}, {words}" if words else option.label,
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
    refusal = FROZEN_PAUSED if policy.frozen else policy.refuse
    if refusal is not None:
        return Refuse(refusal)
    reason = _ended_by_rule(turn, policy)
    if turn.unpriced_calls and not (turn.unpriced_allowed or consent.unpriced):
        reason = reason or UNPRICED
    if reason := reason or reasons(full(gauges)):
        return Ask(at_limit(turn, balances, policy, reason, gauges, holders))
    allows = _bounded(policy, consent.allows)
    more = min(policy.step, allows - turn.spent - turn.held_left)
    tight = tightest(balances)
    if more > ZERO and (tight is None or tight[0] > ZERO):
        return Allow(hold=min((more, *((tight[0],) if tight else ()))), ceiling=allows)
    if turn.held_left > ZERO and allows > turn.spent:
        return Allow(hold=ZERO, ceiling=allows)
    return Ask(at_limit(turn, balances, policy, "the budget was used up meanwhile", holders=holders))


def _is_less(amount: Usd, other: Usd) -> bool:
    """Less, and a person sees it."""
    return amount < other and str(amount) != str(other)


def _left_words(tight: tuple[Usd, Balance] | None, own: Usd, holders: Iterable[Turn]) -> str:
    """What is left, and what of the rest is not spent but held. `own`: what is held for the turn itself."""
    if tight is None:
        return ""
    left, balance = tight
    words = f"{max(left, ZERO)} left of the {balance.scope.kind}'s {balance.limit}"
    held = balance.held - own
    if held <= ZERO or held.nano * HELD_SHARE < (balance.spent + held).nano:
        return f"{words}."
    return f"{words}: {balance.spent} spent, {held} held{_held_for(balance.scope, holders)}."


def _held_for(scope: Scope, holders: Iterable[Turn]) -> str:
    """For whom most of it is held, as far as that is known."""
    mine = [turn for turn in holders if scope in turn.scopes and turn.held_left > ZERO]
    if not mine:
        return ""
    most = max(mine, key=lambda turn: turn.held_left)
    others = f" and {len(mine) - 1} more" if len(mine) > 1 else ""
    return f" for '{escape(title(most.prompt))}'{others}"


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def _join(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _dollars(amount: Usd) -> str:
    return str(amount).removesuffix(".00")
