"""The gate in mid-turn: does the hold cover it, may it grow, what is asked at a limit, and what does a yes allow."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.gate import (
    Consent,
    Enough,
    Grow,
    Limit,
    Policy,
    after_call,
    at_limit,
    resume,
)
from gateway.domain.approval import Allow, Ask, Choice, Question, Refuse
from gateway.domain.budget import Balance, Scope, ScopeKind
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import Turn, TurnState
from gateway.view.money_words import UNPRICED_REFUSED
from tests.core.make import DAY, SESSION, UNHURRIED, balance, left, more, raised, turn, usd

POLICY = Policy(confirm_above=usd("1"), step=usd("0.50"))
FROZEN = Policy(confirm_above=usd("1"), step=usd("0.50"), frozen=True)


def at(spent: str, held_left: str = "0", ceiling: str = "1", **known: object) -> Turn:
    """A turn that has spent and holds so much of what it may cost."""
    return turn(spent=usd(spent), held_left=usd(held_left), ceiling=usd(ceiling), **known)


def offers(question: Question) -> list[tuple[Choice, str, str | None]]:
    """Each option as choice, label and the exact amount it allows."""
    return [
        (option.choice, option.label, option.allows.exact() if option.allows else None) for option in question.options
    ]


# -------------------------------------------------------------------------------------------------------- after a call
def test_a_turn_with_hold_left_goes_on() -> None:
    """While anything is left of the hold nothing more is set aside, even if the budgets have nothing else."""
    assert after_call(at("0.90", "0.000000001"), left("0"), POLICY) == Enough()


def test_a_spent_hold_grows_by_a_step() -> None:
    """With the hold used up, another step is set aside as long as the person agreed to it and the budgets have it."""
    assert after_call(at("0.40"), left("5"), POLICY) == Grow(usd("0.50"))


def test_a_hold_grows_only_to_what_was_agreed() -> None:
    """Of $1 agreed and $0.80 spent, $0.20 more is set aside."""
    assert after_call(at("0.80"), left("5"), POLICY) == Grow(usd("0.20"))


@pytest.mark.parametrize(("session_left", "day_left"), [("0.30", "5"), ("5", "0.30")])
def test_a_hold_grows_only_by_what_every_budget_has(session_left: str, day_left: str) -> None:
    """The tightest budget bounds the step."""
    assert after_call(at("0.40"), left(session_left, day_left), POLICY) == Grow(usd("0.30"))


def test_without_a_limit_the_hold_grows_by_the_step() -> None:
    """No limit on any scope leaves the step and what was agreed as bounds."""
    assert after_call(at("0.40"), (balance(SESSION, None),), POLICY) == Grow(usd("0.50"))


@pytest.mark.parametrize("spent", ["1", "1.40"])
def test_at_what_was_agreed_the_turn_pauses(spent: str) -> None:
    """At the amount that the person saw, or past it by the last call, the turn pauses and says what was agreed."""
    assert after_call(at(spent), left("5"), POLICY) == Limit("$1.00 is what was agreed for this turn")


def test_what_was_agreed_counts_even_where_more_is_still_held() -> None:
    """A yes to less than what is held from before is kept: the turn pauses at that, not at the end of the hold."""
    assert after_call(at("1", "0.50"), left("5"), POLICY) == Limit("$1.00 is what was agreed for this turn")


@pytest.mark.parametrize(
    ("balances", "reason"),
    [
        (left("0"), "the session budget of $5.00 is used up"),
        (left("-1"), "the session budget of $5.00 is used up"),
        (left("5", "0"), "the day budget of $100.00 is used up"),
    ],
)
def test_at_the_end_of_a_budget_the_turn_pauses_and_names_it(balances: tuple[Balance, ...], reason: str) -> None:
    """A used-up budget stops growth, and the reason says which and how large it was."""
    assert after_call(at("0.40"), balances, POLICY) == Limit(reason)


def test_a_limit_that_was_lowered_meanwhile_counts_before_the_hold_is_spent() -> None:
    """What others spent and hold leaves nothing of the lowered limit: the turn pauses, though it still holds $0.90."""
    lowered = balance(SESSION, "1", spent="1", held="0.90")
    assert after_call(at("0.10", "0.90"), (lowered,), POLICY) == Limit("the session budget of $1.00 is used up")
    just = balance(SESSION, "1.01", spent="1", held="0.90")
    assert after_call(at("0.10", "0.90"), (just,), POLICY) == Enough()


def test_a_used_up_budget_is_named_before_what_was_agreed() -> None:
    """Where both are met the person hears of the budget, because agreeing to more would not help by itself."""
    assert after_call(at("1"), left("0"), POLICY) == Limit("the session budget of $5.00 is used up")


def test_when_everything_is_stopped_a_running_turn_pauses_whatever_it_holds() -> None:
    """After /stop all no turn goes on by itself."""
    assert after_call(at("0.10", "0.90"), left("5"), FROZEN) == Limit("everything is stopped")


def test_a_call_of_unknown_price_pauses_the_turn_until_a_person_agreed_to_it() -> None:
    """The first call that turns out to have no price stops the turn; a yes to that lets later ones pass."""
    assert after_call(at("0", "0.50", unpriced_calls=1), left("5"), POLICY) == Limit(
        "the price of this model is not known"
    )
    assert after_call(at("0", "0.50", unpriced_calls=9, unpriced_allowed=True), left("5"), POLICY) == Enough()


# ---------------------------------------------------------------------------------------------------------- at a limit
def test_what_a_paused_turn_holds_itself_is_not_told_as_held_by_others() -> None:
    """Its own hold is its own to spend; only what others hold is missing, and is named."""
    mine = at("0.60", "0.20")
    own = (balance(SESSION, "5", spent="4.60", held="0.20"),)
    text = at_limit(mine, own, POLICY, "enough").text
    assert text.endswith("$0.40 left of the session's $5.00.")
    both = (balance(SESSION, "5", spent="2.60", held="2.20"),)
    other = turn(id="t_2", prompt="another", held_left=usd("2"))
    text = at_limit(mine, both, POLICY, "enough", holders=(other,)).text
    assert text.endswith("$0.40 left of the session's $5.00: $2.60 spent, $2.00 held for 'another'.")


def test_with_room_in_the_budgets_the_question_offers_to_go_on() -> None:
    """A turn that met what was agreed may be given a round step more."""
    question = at_limit(at("1.02"), left("3.90"), POLICY, "$1.00 is what was agreed for this turn")
    assert question.text == (
        "Paused: $1.00 is what was agreed for this turn. $1.02 spent so far. $3.90 left of the session's $5.00."
    )
    assert offers(question) == [(Choice.RUN, "Go on, up to $1.00 more", "2.02"), (Choice.NO, "Stop here", None)]


def test_with_exactly_a_step_left_no_raise_is_offered() -> None:
    """What is left is enough for the step, so nothing has to be raised."""
    question = at_limit(at("1"), left("1"), POLICY, "x")
    assert [option.choice for option in question.options] == [Choice.RUN, Choice.NO]


def test_without_any_limit_the_question_says_nothing_of_what_is_left() -> None:
    """No limit, no remaining amount in the text."""
    question = at_limit(at("1"), (), POLICY, "x")
    assert question.text == "Paused: x. $1.00 spent so far."
    assert offers(question) == [(Choice.RUN, "Go on, up to $1.00 more", "2.00"), (Choice.NO, "Stop here", None)]


def test_with_little_left_the_question_offers_to_finish_within_it_or_to_raise() -> None:
    """With $0.30 left the person may let it finish within that, use a round amount beyond it, or stop."""
    question = at_limit(at("1"), left("0.30", "0.40"), POLICY, "x")
    assert offers(question) == [
        (Choice.RUN, "Go on, up to $0.30 more", "1.30"),
        (Choice.RAISE, "Raise +$1", "2.00"),
        (Choice.NO, "Stop here", None),
    ]
    assert question.options[1].lifts == more((SESSION, usd("1")), (DAY, usd("1")))


def test_with_nothing_left_the_question_offers_a_raise_or_the_end() -> None:
    """A used-up budget has to be raised, by enough to pay the overdraft and a step: $2 for $0.60 overdrawn, of which $1.40 are there to spend."""
    question = at_limit(at("1.60"), left("-0.60"), POLICY, "the session budget of $5.00 is used up")
    assert question.text.endswith("$1.60 spent so far. $0.00 left of the session's $5.00.")
    assert offers(question) == [(Choice.RAISE, "Raise +$2, up to $1.40 more", "3.00"), (Choice.NO, "Stop here", None)]
    assert question.options[0].lifts == more((SESSION, usd("2")))


def test_what_a_paused_turn_still_holds_is_its_own_to_finish_with() -> None:
    """A turn paused for another reason than money is not asked to raise a budget whose rest it holds itself."""
    question = at_limit(at("0.10", "0.40", unpriced_calls=1), left("0"), POLICY, "the price of this model is not known")
    assert offers(question) == [
        (Choice.RUN, "Go on, up to $0.40 more", "0.50"),
        (Choice.RAISE, "Raise +$1", "1.10"),
        (Choice.NO, "Stop here", None),
    ]
    assert question.options[1].lifts == more((SESSION, usd("1")))
    assert question.text.endswith("$0.40 left of the session's $5.00.")


def test_a_raise_at_a_limit_leaves_budgets_alone_that_have_enough_beside_what_is_held() -> None:
    """With $0.40 still held a step of $1 takes $0.60 more: a day that has $0.60 is not raised, one that has less is."""
    held = at("0.10", "0.40")
    assert at_limit(held, left("0", "0.60"), POLICY, "x").options[1].lifts == more((SESSION, usd("1")))
    both = at_limit(held, left("0", "0.59"), POLICY, "x").options[1].lifts
    assert both == more((SESSION, usd("1")), (DAY, usd("1")))


# -------------------------------------------------------------------------------------------------------------- resume
def test_a_yes_sets_a_step_aside_and_lets_the_hold_grow_to_the_button() -> None:
    """A paused turn goes on with a step, up to the amount agreed."""
    assert resume(at("1"), left("5"), POLICY, Consent(usd("2"))) == Allow(hold=usd("0.50"), ceiling=usd("2"))


def test_a_yes_to_less_than_a_step_sets_that_aside() -> None:
    """A button to finish within $0.30 holds $0.30."""
    assert resume(at("1"), left("5"), POLICY, Consent(usd("1.30"))) == Allow(hold=usd("0.30"), ceiling=usd("1.30"))


@pytest.mark.parametrize(("session_left", "day_left"), [("0.20", "5"), ("5", "0.20")])
def test_a_resumed_turn_holds_at_most_what_is_left(session_left: str, day_left: str) -> None:
    """The fresh balance bounds the hold, whatever was agreed."""
    verdict = resume(at("1"), left(session_left, day_left), POLICY, Consent(usd("2")))
    assert verdict == Allow(hold=usd("0.20"), ceiling=usd("2"))


def test_without_a_limit_a_resumed_turn_holds_a_step() -> None:
    """No limit leaves the step and the consent as bounds."""
    assert resume(at("1"), (), POLICY, Consent(usd("2"))) == Allow(hold=usd("0.50"), ceiling=usd("2"))


@pytest.mark.parametrize("session_left", ["0", "-1"])
def test_a_budget_used_up_between_question_and_tap_asks_again(session_left: str) -> None:
    """A yes does not go around the gate: with nothing left the person is asked again."""
    verdict = resume(at("1"), left(session_left), POLICY, Consent(usd("2")))
    assert isinstance(verdict, Ask)
    assert verdict.question.text.startswith("Paused: the budget was used up meanwhile.")
    assert [option.choice for option in verdict.question.options] == [Choice.RAISE, Choice.NO]


def test_a_yes_that_late_calls_have_used_up_asks_again() -> None:
    """Calls that ended after the question count against the amount on its button."""
    assert isinstance(resume(at("2"), left("5"), POLICY, Consent(usd("2"))), Ask)
    assert isinstance(resume(at("2", "0.10"), left("5"), POLICY, Consent(usd("2"))), Ask)


def test_when_everything_is_stopped_a_yes_does_not_resume() -> None:
    """Frozen, a paused turn stays paused whoever agreed."""
    verdict = resume(at("1"), left("5"), FROZEN, Consent(usd("2")))
    assert verdict == Refuse("Everything is stopped: /go lets turns go on.")


def test_what_is_still_held_counts_towards_a_yes() -> None:
    """A turn paused with $0.80 of its hold left and $1 more agreed gets $0.20 on top, not a step of $0.50."""
    verdict = resume(at("0.20", "0.80"), left("5"), POLICY, Consent(usd("1.20")))
    assert verdict == Allow(hold=usd("0.20"), ceiling=usd("1.20"))


@pytest.mark.parametrize("balances", [left("5"), left("0"), left("-1"), ()])
def test_a_hold_that_covers_the_yes_needs_nothing_more(balances: tuple[Balance, ...]) -> None:
    """Where as much is held as was agreed, the turn goes on with that, even if the budgets have nothing else."""
    assert resume(at("0.20", "0.80"), balances, POLICY, Consent(usd("1"))) == Allow(hold=ZERO, ceiling=usd("1"))
    assert resume(at("0.20", "4.80"), balances, POLICY, Consent(usd("1"))) == Allow(hold=ZERO, ceiling=usd("1"))


# ----------------------------------------------------------------------------------------------------- the owner's rules
BOUNDED = replace(POLICY, refuse_above=usd("1.20"))
AT_BOUND = "$1.20 is the most that a rule allows for this turn"


@pytest.mark.parametrize("spent", ["1.20", "1.50"])
def test_at_a_hard_bound_the_turn_pauses_and_can_only_be_stopped(spent: str) -> None:
    """Whatever was agreed, is held or is left: nobody is offered to go on."""
    turn_at = at(spent, "0.50", ceiling="5")
    assert after_call(turn_at, left("5"), BOUNDED) == Limit(AT_BOUND)
    question = at_limit(turn_at, left("5"), BOUNDED, AT_BOUND)
    assert offers(question) == [(Choice.NO, "Stop here", None)]
    assert question.text.startswith(f"Paused: {AT_BOUND}.")
    other = at_limit(turn_at, left("0"), BOUNDED, "it was stopped")
    assert other.text.endswith(f"It cannot go on: {AT_BOUND}.")
    assert offers(other) == [(Choice.NO, "Stop here", None)]
    verdict = resume(turn_at, left("5"), BOUNDED, Consent(usd("9")))
    assert verdict == Ask(at_limit(turn_at, left("5"), BOUNDED, AT_BOUND))


def test_a_hold_grows_only_to_a_hard_bound() -> None:
    """With $5 agreed and $0.30 to the bound, $0.30 more is set aside."""
    assert after_call(at("0.90", ceiling="5"), left("5"), BOUNDED) == Grow(usd("0.30"))


def test_a_question_offers_no_more_than_a_hard_bound() -> None:
    """To go on, within what is left or by a raise: the turn in all never comes to more than the bound."""
    assert offers(at_limit(at("1.05"), left("5"), BOUNDED, "x")) == [
        (Choice.RUN, "Go on, up to $0.15 more", "1.20"),
        (Choice.NO, "Stop here", None),
    ]
    assert offers(at_limit(at("1.05"), left("0.10"), BOUNDED, "x")) == [
        (Choice.RUN, "Go on, up to $0.10 more", "1.15"),
        (Choice.RAISE, "Raise +$1, up to $0.15 more", "1.20"),
        (Choice.NO, "Stop here", None),
    ]


def test_a_yes_from_before_a_hard_bound_is_kept_to_the_bound() -> None:
    """Consent to $5 under a bound of $1.20 is consent to $1.20."""
    assert resume(at("1"), left("5"), BOUNDED, Consent(usd("5"))) == Allow(usd("0.20"), usd("1.20"))
    assert resume(at("1", "0.50"), left("5"), BOUNDED, Consent(usd("5"))) == Allow(ZERO, usd("1.20"))


def test_a_rule_that_refuses_cuts_no_turn_short_but_resumes_none() -> None:
    """A turn at work when the refused hours begin goes on; one that is paused stays so."""
    policy = replace(POLICY, refuse="Rule 1 refuses such runs.")
    assert after_call(at("0.40", "0.10"), left("5"), policy) == Enough()
    assert resume(at("1"), left("5"), policy, Consent(usd("2"))) == Refuse("Rule 1 refuses such runs.")


def test_where_the_settings_refuse_unknown_prices_a_turn_with_one_can_only_be_stopped() -> None:
    """Also if a person agreed to it before the settings said so."""
    policy = replace(POLICY, unpriced_refused=True)
    for allowed in (False, True):
        paused = at("0.10", "0.40", unpriced_calls=1, unpriced_allowed=allowed)
        assert after_call(paused, left("5"), policy) == Limit(UNPRICED_REFUSED)
        verdict = resume(paused, left("5"), policy, Consent(usd("2"), unpriced=True))
        assert isinstance(verdict, Ask)
        assert offers(verdict.question) == [(Choice.NO, "Stop here", None)]
    assert after_call(at("0.10", "0.40"), left("5"), policy) == Enough()


AMOUNT = st.integers(min_value=0, max_value=10 * 10**9).map(Usd)
LEFT = st.none() | st.integers(min_value=-(2 * 10**9), max_value=10 * 10**9).map(Usd)


def with_left(scope: Scope, remaining: Usd | None) -> Balance:
    """A balance with so much left."""
    return Balance(scope, None if remaining is None else remaining + usd("3"), spent=usd("2"), held=usd("1"))


BALANCES = st.tuples(*(st.builds(with_left, st.just(scope), LEFT) for scope in (SESSION, DAY)))
TURNS = st.builds(
    lambda spent, held, ceiling, unpriced, allowed: turn(
        state=TurnState.PAUSED,
        spent=spent,
        held_left=held,
        ceiling=ceiling,
        unpriced_calls=unpriced,
        unpriced_allowed=allowed,
    ),
    AMOUNT,
    AMOUNT,
    AMOUNT,
    st.integers(min_value=0, max_value=1),
    st.booleans(),
)
POLICIES = st.builds(
    Policy,
    confirm_above=AMOUNT,
    step=AMOUNT.filter(bool),
    frozen=st.booleans(),
    refuse=st.sampled_from([None, None, None, "Rule 1 refuses such runs."]),
    refuse_above=st.none() | AMOUNT.filter(bool),
    unpriced_refused=st.booleans(),
)


def bounded(policy: Policy, amount: Usd) -> Usd:
    """The amount, or the policy's hard bound where that is less."""
    return min(amount, policy.refuse_above) if policy.refuse_above else amount


@UNHURRIED
@given(TURNS, BALANCES, POLICIES)
def test_growth_stays_within_what_was_agreed_and_what_is_left(
    paused: Turn, balances: tuple[Balance, ...], policy: Policy
) -> None:
    """A hold grows by something, by at most a step, never past the ceiling, and never below zero on any scope."""
    verdict = after_call(paused, balances, policy)
    if isinstance(verdict, Limit):
        assert verdict.reason
        return
    assert not policy.frozen
    assert not paused.unpriced_calls or (paused.unpriced_allowed and not policy.unpriced_refused)
    assert paused.spent < bounded(policy, paused.ceiling)
    if isinstance(verdict, Enough):
        assert paused.held_left > ZERO
        return
    assert paused.held_left == ZERO
    assert ZERO < verdict.by <= policy.step
    assert paused.spent + verdict.by <= bounded(policy, paused.ceiling)
    assert all(one.remaining is None or one.remaining >= verdict.by for one in balances)


@UNHURRIED
@given(TURNS, BALANCES, POLICIES, AMOUNT)
def test_a_resumed_turn_stays_within_the_yes_and_what_is_left(
    paused: Turn, balances: tuple[Balance, ...], policy: Policy, allows: Usd
) -> None:
    """Whatever more is held fits the consent, the step and every scope, and there is something to spend."""
    verdict = resume(paused, balances, policy, Consent(allows))
    if not isinstance(verdict, Allow):
        return
    assert not policy.frozen
    assert policy.refuse is None
    allows = bounded(policy, allows)
    assert verdict.ceiling == allows > paused.spent
    assert paused.held_left + verdict.hold > ZERO
    assert ZERO <= verdict.hold <= policy.step
    if verdict.hold:
        assert paused.spent + paused.held_left + verdict.hold <= allows
        assert all(one.remaining is None or one.remaining >= verdict.hold for one in balances)


@UNHURRIED
@given(TURNS, BALANCES, POLICIES)
def test_every_yes_at_a_limit_lets_the_turn_go_on_if_nothing_changed(
    paused: Turn, balances: tuple[Balance, ...], policy: Policy
) -> None:
    """Each button but Stop leads to an Allow with something to spend, unless everything is stopped or a rule refuses."""
    question = at_limit(paused, balances, policy, "x")
    over = paused.spent >= bounded(policy, paused.spent + Usd(1)) or (policy.unpriced_refused and paused.unpriced_calls)
    assert len(question.options) == 1 if over else 2 <= len(question.options) <= 4
    assert question.options[-1].choice is Choice.NO
    for option in question.options[:-1]:
        assert option.allows is not None
        assert (option.choice is Choice.RAISE) == bool(option.lifts)
        verdict = resume(paused, raised(balances, option.lifts), policy, Consent(option.allows, option.unpriced))
        assert isinstance(verdict, Refuse if policy.frozen or policy.refuse else Allow)
        assert not isinstance(verdict, Allow) or verdict.ceiling == option.allows


def test_a_yes_to_money_is_no_yes_to_an_unknown_price() -> None:
    """A call turned out unpriced after the question was asked: the yes is asked again, and the new question says so."""
    paused = at("0.10", "0.40", unpriced_calls=1)
    verdict = resume(paused, left("5"), POLICY, Consent(usd("2")))
    assert isinstance(verdict, Ask)
    assert "price of this model is not known" in verdict.question.text
    assert [option.unpriced for option in verdict.question.options] == [True, False]
    assert isinstance(resume(paused, left("5"), POLICY, Consent(usd("2"), unpriced=True)), Allow)


def test_a_lease_that_is_used_up_is_not_called_the_teams_budget() -> None:
    """It is a part of that, and its amount would be taken for the whole."""
    lease = balance(Scope(ScopeKind.TEAM, "core:2026-11:lease_1"), "1", spent="1")
    turn_at_work = turn(state=TurnState.RUNNING, spent=usd("1"), hold=usd("1"), ceiling=usd("5"))
    assert after_call(turn_at_work, (lease,), POLICY) == Limit("what the team's bank lent is used up")
