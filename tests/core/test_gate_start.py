"""The gate before a turn: allow, ask or refuse."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.gate import Cheaper, Consent, Policy, cheaper, decide, lifts, nice_step, tightest
from gateway.domain.approval import Allow, Ask, Choice, Option, Question, Refuse, Verdict
from gateway.domain.budget import Balance, Scope
from gateway.domain.estimate import Estimate
from gateway.domain.money import LARGEST_AMOUNT_NANO, ZERO, Usd
from tests.core.make import DAY, SESSION, UNHURRIED, balance, estimate, left, more, raised, turn, usd

POLICY = Policy(confirm_above=usd("1"), step=usd("0.50"))
FROZEN = Policy(confirm_above=usd("1"), step=usd("0.50"), frozen=True)


def asked(verdict: Verdict) -> Question:
    """The question of a verdict that asks."""
    assert isinstance(verdict, Ask)
    return verdict.question


def offers(question: Question) -> list[tuple[Choice, str, str | None]]:
    """Each option as choice, label and the exact amount it allows."""
    return [
        (option.choice, option.label, option.allows.exact() if option.allows else None) for option in question.options
    ]


def picked(question: Question, choice: Choice) -> Option:
    """The option with this choice."""
    return next(option for option in question.options if option.choice is choice)


# ------------------------------------------------------------------------------------------------------------ unasked
@pytest.mark.parametrize("hold", ["0.000000001", "0.40", "1"])
def test_a_run_within_the_threshold_and_the_budgets_is_allowed_unasked(hold: str) -> None:
    """Up to `confirm_above` the forecast is held at once, and the hold may grow to `confirm_above` and no further."""
    assert decide(left("5"), estimate(hold), POLICY) == Allow(hold=usd(hold), ceiling=usd("1"))


def test_a_run_above_the_threshold_asks() -> None:
    """A nano-dollar above `confirm_above` a person decides, and sees what is known and what is left."""
    question = asked(decide(left("5", "7"), estimate("1.000000001"), POLICY))
    assert question.text == "About that much. $5.00 left of the session's $5.00."
    assert offers(question) == [(Choice.RUN, "Run, up to $1.00", "1.000000001"), (Choice.NO, "No", None)]


def test_the_whole_of_what_is_left_may_be_held() -> None:
    """A forecast of exactly what is left fits; a nano-dollar more does not."""
    assert decide(left("0.40"), estimate("0.40"), POLICY) == Allow(hold=usd("0.40"), ceiling=usd("1"))
    assert isinstance(decide(left("0.40"), estimate("0.400000001"), POLICY), Ask)


@pytest.mark.parametrize(("session_left", "day_left"), [("5", "0.39"), ("0.39", "5")])
def test_every_scope_has_to_agree(session_left: str, day_left: str) -> None:
    """One budget that cannot give the hold is enough to ask."""
    assert isinstance(decide(left(session_left, day_left), estimate("0.40"), POLICY), Ask)


def test_without_any_limit_the_threshold_alone_decides() -> None:
    """Scopes that never had a limit do not stand in the way, and an empty list of scopes neither."""
    assert isinstance(decide((balance(SESSION, None, spent="99"),), estimate("0.40"), POLICY), Allow)
    question = asked(decide((), estimate("3"), POLICY))
    assert question.text == "About that much."
    assert offers(question) == [(Choice.RUN, "Run, up to $3.00", "3.00"), (Choice.NO, "No", None)]


def test_what_was_spent_before_is_part_of_what_may_be_spent() -> None:
    """Of $1 that may run unasked $0.70 is gone: $0.30 more is allowed, more is asked about, and the answer covers both."""
    spent = usd("0.70")
    assert decide(left("5"), estimate("0.30"), POLICY, spent=spent) == Allow(hold=usd("0.30"), ceiling=usd("1"))
    question = asked(decide(left("5"), estimate("0.40"), POLICY, spent=spent))
    assert (
        question.text
        == "About that much. $0.70 was spent before it was asked about. $5.00 left of the session's $5.00."
    )
    assert offers(question)[0] == (Choice.RUN, "Run, up to $1.00 more", "1.70")
    yes = Consent(usd("1.70"))
    assert decide(left("5"), estimate("0.40"), POLICY, yes, spent=spent) == Allow(hold=usd("0.40"), ceiling=usd("1.70"))
    assert isinstance(decide(left("5"), estimate("0.40"), POLICY, yes, spent=usd("1.70")), Ask)


def test_a_hard_bound_is_for_what_was_spent_before_too() -> None:
    """With $0.70 spent and $1 as the most, a run for $0.40 is refused, and one for $0.20 is offered no more than the rest."""
    policy = replace(POLICY, confirm_above=usd("0.10"), refuse_above=usd("1"))
    assert isinstance(decide(left("5"), estimate("0.40"), policy, spent=usd("0.70")), Refuse)
    question = asked(decide(left("5"), estimate("0.20"), policy, spent=usd("0.70")))
    assert offers(question)[0] == (Choice.RUN, "Run, up to $0.20 more", "0.90")


def test_held_money_is_not_there_for_another_turn() -> None:
    """What other turns hold counts as gone when the next one asks."""
    assert isinstance(decide((balance(SESSION, "5", held="4.70"),), estimate("0.40"), POLICY), Ask)


@pytest.mark.parametrize(
    ("spent", "held", "words"),
    [
        ("4.60", "0.10", "$0.30 left of the session's $5.00."),
        ("3.60", "1.20", "$0.20 left of the session's $5.00: $3.60 spent, $1.20 held."),
        ("0", "5.50", "$0.00 left of the session's $5.00: $0.00 spent, $5.50 held."),
    ],
)
def test_what_is_held_is_told_apart_where_it_is_a_good_part(spent: str, held: str, words: str) -> None:
    """Less than a fourth of what is gone is not worth a word; more would be taken for spent."""
    question = asked(decide((balance(SESSION, "5", spent=spent, held=held),), estimate("0.40"), POLICY))
    assert question.text == f"About that much. {words}"


def test_for_what_most_is_held_is_named() -> None:
    """The prompt of the turn with the largest hold on that limit, shown as it is, and how many others there are."""
    balances = (balance(SESSION, "5", held="4.90"),)
    nine = turn(id="t_2", prompt="nine_things", held_left=usd("4"))
    some = turn(id="t_3", prompt="some", held_left=usd("0.90"))
    others = (turn(id="t_4", held_left=usd("9"), scopes=(DAY,)), turn(id="t_5"))
    text = asked(decide(balances, estimate("0.40"), POLICY, holders=(nine, *others))).text
    assert text.endswith(r"$0.00 spent, $4.90 held for 'nine\_things'.")
    text = asked(decide(balances, estimate("0.40"), POLICY, holders=(some, nine))).text
    assert text.endswith(r"$4.90 held for 'nine\_things' and 1 more.")


def test_a_run_that_may_need_more_than_is_offered_is_said_to_pause_there() -> None:
    """Nine in ten turns cost up to $3.51, and $1.20 is what the button allows: it asks again at that."""
    forecast = estimate("1.20", p50=usd("0.73"), p90=usd("3.51"))
    question = asked(decide(left("5"), forecast, POLICY))
    assert question.text.startswith("About that much. It pauses and asks at $1.20.")
    question = asked(decide(left("5"), forecast, POLICY, spent=usd("0.10")))
    assert "It pauses and asks after $1.20 more." in question.text
    assert "pauses" not in asked(decide(left("5"), estimate("1.20", p50=None, p90=None), POLICY)).text
    assert "pauses" not in asked(decide(left("5"), estimate("1.20", p90=usd("1.2001")), POLICY)).text


def test_when_everything_is_stopped_nothing_is_allowed_and_nobody_is_asked() -> None:
    """Frozen, a turn is refused with the word that thaws, whatever it costs and whoever consented."""
    for consent in (None, Consent(usd("100"), unpriced=True)):
        verdict = decide(left("5"), estimate("0.01"), FROZEN, consent)
        assert verdict == Refuse("Everything is stopped: /go lets turns start again.")


def test_a_forecast_of_nothing_still_sets_a_step_aside() -> None:
    """A model that cost nothing so far does not start without a hold, and does not ask for ever: a step is held."""
    assert decide(left("5"), estimate("0"), POLICY) == Allow(hold=usd("0.50"), ceiling=usd("1"))
    strict = Policy(confirm_above=ZERO, step=usd("0.50"))
    run = picked(asked(decide(left("5"), estimate("0"), strict)), Choice.RUN)
    assert run.allows == usd("0.50")
    assert isinstance(decide(left("5"), estimate("0"), strict, Consent(usd("0.50"))), Allow)


def test_a_thousand_turns_at_once_never_hold_more_than_the_limit() -> None:
    """However many turns ask, each on the balance that the one before left behind, together they hold at most the limit."""
    held, allowed = ZERO, 0
    for _ in range(1000):
        verdict = decide((Balance(DAY, usd("10"), held=held),), estimate("0.30"), POLICY)
        if isinstance(verdict, Allow):
            held, allowed = held + verdict.hold, allowed + 1
    assert allowed == 33
    assert held == usd("9.90")


# ---------------------------------------------------------------------------------------------------------- the question
def test_a_run_that_does_not_fit_can_stop_at_what_is_left_or_raise() -> None:
    """With $1.90 left of $5 a run of $2.40 offers to stop at $1.90, to raise by a round amount, or not to run."""
    question = asked(decide(left("1.90"), estimate("2.40", floor="0.10"), POLICY))
    assert question.text == "About that much. $1.90 left of the session's $5.00."
    assert offers(question) == [
        (Choice.RUN, "Run, stop at $1.90", "1.90"),
        (Choice.RAISE, "Raise +$1", "2.40"),
        (Choice.NO, "No", None),
    ]
    assert picked(question, Choice.RAISE).lifts == more((SESSION, usd("1")))


def test_a_small_run_that_does_not_fit_is_allowed_what_was_forecast_once_raised() -> None:
    """A raise for a run below the threshold allows that run's forecast."""
    question = asked(decide(left("0.10"), estimate("0.40"), POLICY))
    assert offers(question) == [
        (Choice.RUN, "Run, stop at $0.10", "0.10"),
        (Choice.RAISE, "Raise +$1", "0.40"),
        (Choice.NO, "No", None),
    ]


def test_a_dear_run_that_just_fits_needs_no_raise() -> None:
    """With exactly the forecast left, running up to it is offered, and nothing has to be raised."""
    question = asked(decide(left("2.40"), estimate("2.40"), POLICY))
    assert offers(question) == [(Choice.RUN, "Run, up to $2.40", "2.40"), (Choice.NO, "No", None)]


@pytest.mark.parametrize("session_left", ["0.50", "0.49", "0", "-3"])
def test_stopping_at_what_is_left_is_not_offered_below_the_floor(session_left: str) -> None:
    """Where what is left does not even pay for the context, only a raise or a no makes sense."""
    question = asked(decide(left(session_left), estimate("2.40", floor="0.50"), POLICY))
    assert [option.choice for option in question.options] == [Choice.RAISE, Choice.NO]


def test_with_nothing_left_stopping_there_is_not_offered() -> None:
    """A floor of nothing does not make an offer to run on nothing."""
    question = asked(decide(left("0"), estimate("0.40"), POLICY))
    assert [option.choice for option in question.options] == [Choice.RAISE, Choice.NO]


def test_an_overdraft_reads_as_nothing_left_and_is_raised_away_too() -> None:
    """After an overdraft of $3 a run of $2.40 needs $5.40, so the raise is $10, and the text does not show negative money."""
    question = asked(decide(left("-3"), estimate("2.40"), POLICY))
    assert question.text.endswith("$0.00 left of the session's $5.00.")
    assert picked(question, Choice.RAISE).lifts == more((SESSION, usd("10")))


def test_every_scope_that_falls_short_is_raised_and_no_other() -> None:
    """A raise names each budget that cannot give the forecast, and leaves those that can alone."""
    both = asked(decide(left("1", "2"), estimate("2.40"), POLICY))
    assert picked(both, Choice.RAISE).lifts == more((SESSION, usd("2")), (DAY, usd("2")))
    one = asked(decide(left("5", "2"), estimate("2.40"), POLICY))
    assert picked(one, Choice.RAISE).lifts == more((DAY, usd("1")))
    assert one.text.endswith("$2.00 left of the day's $100.00.")


def test_a_raise_is_at_least_a_step() -> None:
    """A run that falls short by a cent does not raise by a cent only to ask again after the next call."""
    wide = Policy(confirm_above=usd("1"), step=usd("4"))
    question = asked(decide(left("2.39"), estimate("2.40"), wide))
    assert picked(question, Choice.RAISE).lifts == more((SESSION, usd("5")))


# ----------------------------------------------------------------------------------------------------------- the price
def test_a_run_of_unknown_price_is_never_allowed_unasked() -> None:
    """Without a price a person decides, and the button does not promise an amount."""
    question = asked(decide(left("5"), estimate("0.50", unpriced="mystery"), POLICY))
    assert offers(question) == [(Choice.RUN, "Run, price unknown", "1.00"), (Choice.NO, "No", None)]


def test_no_button_promises_to_stop_a_run_of_unknown_price_at_an_amount() -> None:
    """What is left cannot bound a run whose price nobody knows, and the label does not say that it does."""
    question = asked(decide(left("0.40"), estimate("0.50", unpriced="mystery"), POLICY))
    assert [option.label for option in question.options] == ["Run, price unknown", "Raise +$1", "No"]


def test_a_yes_to_an_unknown_price_has_to_be_a_yes_to_that() -> None:
    """Consent that was given for a known price does not cover an unknown one."""
    unpriced = estimate("0.50", unpriced="mystery")
    assert isinstance(decide(left("5"), unpriced, POLICY, Consent(usd("1"))), Ask)
    assert decide(left("5"), unpriced, POLICY, Consent(usd("1"), unpriced=True)) == Allow(usd("0.50"), usd("1"))


def test_a_run_of_unknown_price_may_not_exceed_what_is_left_by_itself() -> None:
    """The question allows at most what the tightest budget has."""
    question = asked(decide(left("0.70"), estimate("0.50", unpriced="mystery"), POLICY))
    assert picked(question, Choice.RUN).allows == usd("0.70")


# --------------------------------------------------------------------------------------------------------- with consent
def test_a_yes_runs_up_to_what_was_on_the_button() -> None:
    """The forecast is held, and the hold may grow to the amount that the person saw."""
    assert decide(left("5"), estimate("2.40"), POLICY, Consent(usd("3"))) == Allow(hold=usd("2.40"), ceiling=usd("3"))


def test_a_forecast_that_rose_after_the_question_runs_only_within_the_yes() -> None:
    """More is never held than was agreed, however dear the run has become since."""
    assert decide(left("5"), estimate("4"), POLICY, Consent(usd("2.40"))) == Allow(
        hold=usd("2.40"), ceiling=usd("2.40")
    )


def test_a_yes_to_less_than_the_threshold_is_a_yes_to_that() -> None:
    """A button that says to stop at $0.40 stops at $0.40, although $1 would have been allowed unasked."""
    assert decide(left("0.40"), estimate("2.40"), POLICY, Consent(usd("0.40"))) == Allow(usd("0.40"), usd("0.40"))


def test_a_yes_does_not_go_around_the_budget() -> None:
    """Where the money was spent between question and tap, the person is asked again with what is left now."""
    question = asked(decide(left("2.39"), estimate("2.40"), POLICY, Consent(usd("2.40"))))
    assert offers(question)[0] == (Choice.RUN, "Run, stop at $2.39", "2.39")


def test_a_yes_to_nothing_allows_nothing() -> None:
    """A consent to $0 holds nothing and starts nothing."""
    assert isinstance(decide(left("5"), estimate("0.40"), POLICY, Consent(ZERO)), Ask)


# ----------------------------------------------------------------------------------------------------- the owner's rules
def test_a_run_that_a_rule_refuses_is_refused_whoever_agreed() -> None:
    """Neither a small amount nor a yes changes that, and nobody is asked."""
    policy = replace(POLICY, refuse="Rule 1 refuses such runs.")
    for consent in (None, Consent(usd("9"), unpriced=True)):
        assert decide(left("5"), estimate("0.01"), policy, consent) == Refuse("Rule 1 refuses such runs.")


def test_a_run_above_a_hard_bound_is_refused_whoever_agreed() -> None:
    """A nano-dollar above the bound is refused, with both amounts; a yes to less does not help either."""
    policy = replace(POLICY, refuse_above=usd("2"))
    for consent in (None, Consent(usd("1.50"))):
        verdict = decide(left("5"), estimate("2.50"), policy, consent)
        assert verdict == Refuse("$2.50 would be set aside for it, and a rule refuses such runs above $2.00.")
        assert isinstance(decide(left("5"), estimate("2.000000001"), policy, consent), Refuse)
    assert isinstance(decide(left("5"), estimate("2"), policy), Ask)
    assert decide(left("5"), estimate("2"), policy, Consent(usd("2"))) == Allow(usd("2"), usd("2"))


def test_no_hold_may_grow_beyond_a_hard_bound() -> None:
    """Unasked, or after a yes from before the rule: the ceiling is the bound."""
    policy = replace(POLICY, refuse_above=usd("0.60"))
    assert decide(left("5"), estimate("0.40"), policy) == Allow(usd("0.40"), usd("0.60"))
    assert decide(left("5"), estimate("0.40"), policy, Consent(usd("3"))) == Allow(usd("0.40"), usd("0.60"))


def test_no_button_offers_more_than_a_hard_bound() -> None:
    """A run of unknown price would be offered up to the threshold; with a bound below that, up to the bound."""
    policy = replace(POLICY, refuse_above=usd("0.60"))
    question = asked(decide(left("5"), estimate("0.50", unpriced="mystery"), policy))
    assert picked(question, Choice.RUN).allows == usd("0.60")


def test_a_run_of_unknown_price_is_refused_where_the_settings_say_so() -> None:
    """With `unpriced = "refuse"` nobody is asked; a known price is no matter."""
    policy = replace(POLICY, unpriced_refused=True)
    for consent in (None, Consent(usd("1"), unpriced=True)):
        assert decide(left("5"), estimate("0.50", unpriced="mystery"), policy, consent) == Refuse(
            "the price of this model is not known, and the settings refuse that (budgets.unpriced)."
        )
    assert isinstance(decide(left("5"), estimate("0.50"), policy), Allow)


def test_the_question_says_which_rule_asked() -> None:
    """Where a rule asks about a small run the person reads why; where the budget asks, the rule is not in the way."""
    strict = replace(POLICY, confirm_above=ZERO, why="Rule 1 (nights) asks before every such run.")
    question = asked(decide(left("5"), estimate("0.10"), strict))
    assert question.text.startswith("Rule 1 (nights) asks before every such run. About that much.")
    assert offers(question)[0] == (Choice.RUN, "Run, up to $0.10", "0.10")
    lax = replace(POLICY, confirm_above=usd("3"), why="Rule 2 lets runs up to $3.00 go unasked.")
    assert decide(left("5"), estimate("2.40"), lax) == Allow(usd("2.40"), usd("3"))
    assert asked(decide(left("1"), estimate("2.40"), lax)).text.startswith("About that much.")


# ------------------------------------------------------------------------------------------------------------- the parts
@pytest.mark.parametrize(
    ("least", "step"),
    [
        ("-7", "1"),
        ("0", "1"),
        ("1", "1"),
        ("1.000000001", "2"),
        ("2", "2"),
        ("2.01", "5"),
        ("5.01", "10"),
        ("49", "50"),
        ("51", "100"),
        ("999999", "1000000"),
    ],
)
def test_a_raise_is_a_round_amount_that_is_enough(least: str, step: str) -> None:
    """The smallest of $1, $2, $5, $10, $20, ... that is not less than what is missing."""
    assert nice_step(usd(least)) == usd(step)


def test_beyond_the_largest_round_amount_the_raise_is_what_is_missing() -> None:
    """The search for a round amount ends: $5,000,000 is the last, and more than that is taken as it is."""
    assert nice_step(Usd(5 * LARGEST_AMOUNT_NANO)) == Usd(5 * LARGEST_AMOUNT_NANO)
    assert nice_step(Usd(5 * LARGEST_AMOUNT_NANO + 1)) == Usd(5 * LARGEST_AMOUNT_NANO + 1)


def test_the_tightest_budget_is_the_one_with_least_left() -> None:
    """Limits and spending are weighed together, scopes without a limit are passed over, and a tie has one answer."""
    tight = balance(DAY, "100", spent="98")
    assert tightest((balance(SESSION, "5"), tight)) == (usd("2"), tight)
    assert tightest((balance(SESSION, None), tight)) == (usd("2"), tight)
    assert tightest((balance(SESSION, None),)) is None
    tie = (balance(SESSION, "2"), tight)
    assert tightest(tie) == tightest(tie[::-1]) == (usd("2"), tight)


def test_only_budgets_that_cannot_give_the_amount_are_raised() -> None:
    """What is exactly enough is not raised, and neither is what has no limit."""
    three = (balance(SESSION, "2"), balance(DAY, None, spent="9"))
    assert lifts(three, usd("2"), usd("1")) == ()
    assert lifts(three, usd("2.01"), usd("1")) == more((SESSION, usd("1")))


# ------------------------------------------------------------------------------------------------- a cheaper model
HAIKU = Cheaper("haiku", usd("0.40"))


def models(question: Question) -> list[str]:
    """The labels of the options that change the model."""
    return [option.label for option in question.options if option.model is not None]


def test_a_cheaper_model_is_offered_beside_the_usual_run() -> None:
    """It stands before No, says the model and the most that it may cost, and that is what it allows."""
    question = asked(decide(left("5"), estimate("2"), POLICY, other=HAIKU))
    assert offers(question) == [
        (Choice.RUN, "Run, up to $2.00", "2.00"),
        (Choice.RUN, "Use haiku, up to $0.40", "0.40"),
        (Choice.NO, "No", None),
    ]
    assert [option.model for option in question.options] == [None, "haiku", None]


def test_where_money_is_short_the_cheaper_model_is_the_third_of_four() -> None:
    """Stop at what is left, raise, the cheaper model that fits, no: never more than four."""
    question = asked(decide(left("1.50"), estimate("3", floor="0.10"), POLICY, other=HAIKU))
    assert [label for _, label, _ in offers(question)] == [
        "Run, stop at $1.50",
        "Raise +$2",
        "Use haiku, up to $0.40",
        "No",
    ]
    assert picked(question, Choice.RAISE).model is None


@pytest.mark.parametrize(("want", "session_left"), [("2", "5"), ("2.10", "5"), ("1.999", "5"), ("0.40", "0.39")])
def test_a_model_that_saves_nothing_or_does_not_fit_is_not_offered(want: str, session_left: str) -> None:
    """As dear, dearer, cheaper by less than a person sees, or more than is left."""
    assert models(asked(decide(left(session_left), estimate("2"), POLICY, other=Cheaper("haiku", usd(want))))) == []


def test_a_cheaper_model_is_only_offered_and_never_taken_unasked() -> None:
    """What would be allowed is allowed on the usual model, and what is refused stays refused."""
    assert decide(left("5"), estimate("0.50"), POLICY, other=HAIKU) == decide(left("5"), estimate("0.50"), POLICY)
    assert isinstance(decide(left("5"), estimate("2"), FROZEN, other=HAIKU), Refuse)


def test_who_is_told_that_a_price_is_not_known_agrees_to_that_only_for_that_model() -> None:
    """The other model's price is known: should a call of it have none after all, the turn pauses."""
    question = asked(decide(left("5"), estimate("2", unpriced="mystery"), POLICY, other=HAIKU))
    assert [(option.model, option.unpriced) for option in question.options] == [
        (None, True),
        ("haiku", False),
        (None, False),
    ]


def test_a_model_without_a_price_or_that_a_rule_refuses_is_no_offer() -> None:
    """Only what a yes would really start is offered."""
    assert cheaper("haiku", estimate("0.40"), POLICY) == HAIKU
    assert cheaper("haiku", estimate("0.40", unpriced="haiku"), POLICY) is None
    assert cheaper("haiku", estimate("0.40"), replace(POLICY, refuse="Rule 1 refuses such runs.")) is None
    assert cheaper("haiku", estimate("0.40"), replace(POLICY, refuse_above=usd("0.39"))) is None
    assert cheaper("haiku", estimate("0.40"), replace(POLICY, refuse_above=usd("0.40"))) == HAIKU


AMOUNT = st.integers(min_value=0, max_value=20 * 10**9).map(Usd)
LEFT = st.none() | st.integers(min_value=-(2 * 10**9), max_value=20 * 10**9).map(Usd)


def with_left(scope: Scope, remaining: Usd | None, spent: Usd, held: Usd) -> Balance:
    """A balance with so much left."""
    return Balance(scope, None if remaining is None else remaining + spent + held, spent, held)


BALANCES = st.tuples(*(st.builds(with_left, st.just(scope), LEFT, AMOUNT, AMOUNT) for scope in (SESSION, DAY)))
ESTIMATES = st.builds(
    lambda hold, floor, unpriced: estimate(hold.exact(), floor.exact(), unpriced=unpriced),
    AMOUNT,
    AMOUNT,
    st.none() | st.just("mystery"),
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
CONSENTS = st.none() | st.builds(Consent, AMOUNT, st.booleans())


@UNHURRIED
@given(BALANCES, ESTIMATES, POLICIES, CONSENTS)
def test_whatever_is_allowed_was_agreed_fits_and_has_a_price(
    balances: tuple[Balance, ...], forecast: Estimate, policy: Policy, consent: Consent | None
) -> None:
    """An Allow is never given when frozen, above what was seen, beyond what is left of any scope, or for an unpriced run unasked."""
    verdict = decide(balances, forecast, policy, consent)
    if not isinstance(verdict, Allow):
        return
    assert not policy.frozen
    assert policy.refuse is None
    seen = consent.allows if consent else policy.confirm_above
    assert ZERO < verdict.hold <= verdict.ceiling == (min(seen, policy.refuse_above) if policy.refuse_above else seen)
    assert all(one.remaining is None or one.remaining >= verdict.hold for one in balances)
    assert forecast.unpriced is None or (consent is not None and consent.unpriced and not policy.unpriced_refused)


@UNHURRIED
@given(BALANCES, ESTIMATES, POLICIES, CONSENTS, ESTIMATES.filter(lambda one: bool(one.hold)))
def test_every_yes_on_a_question_works_if_nothing_changed(
    balances: tuple[Balance, ...], forecast: Estimate, policy: Policy, consent: Consent | None, other: Estimate
) -> None:
    """Each button but No leads to an Allow on the balance it was made for: nobody is asked the same thing twice in a row."""
    verdict = decide(balances, forecast, policy, consent, other=cheaper("haiku", other, policy))
    if not isinstance(verdict, Ask):
        return
    options = verdict.question.options
    assert 2 <= len(options) <= 4
    assert options[-1].choice is Choice.NO
    for option in options[:-1]:
        assert option.allows is not None
        after = raised(balances, option.lifts)
        again = decide(after, other if option.model else forecast, policy, Consent(option.allows, unpriced=True))
        assert isinstance(again, Allow)
        assert again.ceiling == option.allows
        assert (option.choice is Choice.RAISE) == bool(option.lifts)
