"""Rules that cannot have been meant are found, and only those."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.contradictions import contradiction, covers
from gateway.core.policy import ANY, RULES_MAX, Action, Condition, Facts, Hours, Rule, judge, mismatch
from gateway.domain.money import Usd
from gateway.domain.turn import Origin
from tests.core.make import UNHURRIED, usd

PROD = Condition(directory="/home/me/prod")
API = Condition(directory="/home/me/prod/api")
OPUS = Condition(model="*opus*")


def rule(when: Condition, then: Action, amount: str | None = None, name: str = "") -> Rule:
    """A rule, its amount in dollars."""
    return Rule(when, then, None if amount is None else usd(amount), name)


def found(*rules: Rule) -> str | None:
    """What is wrong with these where $1 is the general threshold and $0.50 the hold without history."""
    return contradiction(rules, usd("1"), usd("0.50"))


@pytest.mark.parametrize(
    "rules",
    [
        (),
        (rule(ANY, Action.REFUSE_ABOVE, "5"),),
        (rule(PROD, Action.REFUSE_ABOVE, "5"), rule(PROD, Action.CONFIRM)),
        (rule(PROD, Action.REFUSE_ABOVE, "5"), rule(PROD, Action.ALLOW_BELOW, "5")),
        (rule(PROD, Action.REFUSE_ABOVE, "5"), rule(API, Action.REFUSE_ABOVE, "4")),
        (rule(PROD, Action.REFUSE_ABOVE, "5"), rule(OPUS, Action.ALLOW_BELOW, "9")),
        (rule(API, Action.CONFIRM), rule(PROD, Action.ALLOW_BELOW, "3")),
        (rule(replace(PROD, model="*opus*"), Action.REFUSE), rule(PROD, Action.CONFIRM_ABOVE, "0")),
        (rule(PROD, Action.CONFIRM_ABOVE, "1"),),
        (rule(PROD, Action.ALLOW_BELOW, "1"),),
        (rule(PROD, Action.REFUSE_ABOVE, "0.50"),),
        (rule(Condition(estimate_above=usd("2")), Action.ALLOW_BELOW, "3"),),
        (rule(OPUS, Action.CONFIRM), rule(Condition(model="*opus-4*"), Action.REFUSE)),
    ],
)
def test_rules_that_may_be_meant_are_let_through(rules: tuple[Rule, ...]) -> None:
    """Narrow before wide, bounds before what they bound, amounts that just fit, and patterns that nobody can compare."""
    assert found(*rules) is None


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        (
            (rule(ANY, Action.CONFIRM, name="all"),),
            (
                "Rule 1 (all) has no condition: write model, directory, person, chat, origin, cold_tokens_above, hours or"
                " estimate_above_usd in it, or budgets.confirm_above_usd if every run is meant"
            ),
        ),
        (
            (rule(PROD, Action.CONFIRM_ABOVE, "1.01"),),
            (
                "Rule 1 asks above $1.01, and every run above $1.00 is asked about already (budgets.confirm_above_usd): write"
                " less, or allow_below_usd to let more go unasked"
            ),
        ),
        (
            (rule(PROD, Action.ALLOW_BELOW, "0.99"),),
            (
                "Rule 1 lets runs up to $0.99 go unasked, and every run up to $1.00 does already (budgets.confirm_above_usd):"
                " write more, or confirm_above_usd to be asked sooner"
            ),
        ),
        (
            (rule(Condition(estimate_above=usd("3")), Action.ALLOW_BELOW, "3"),),
            (
                "Rule 1 holds only for what wants more than $3.00, and lets no more than $3.00 go unasked: write a larger"
                " allow_below_usd, or a smaller estimate_above_usd"
            ),
        ),
        (
            (rule(PROD, Action.CONFIRM), rule(OPUS, Action.REFUSE_ABOVE, "0.49", "cheap")),
            (
                "Rule 2 (cheap) refuses above $0.49, and $0.50 is held for every run without history"
                ' (budgets.default_hold_usd): write at least that, or then = "refuse"'
            ),
        ),
        (
            (rule(PROD, Action.CONFIRM, name="prod"), rule(OPUS, Action.CONFIRM), rule(API, Action.REFUSE)),
            "Rule 3 is never reached, because rule 1 (prod) decides whenever it holds: put it above that, or remove one",
        ),
        (
            (rule(PROD, Action.ALLOW_BELOW, "9"), rule(PROD, Action.REFUSE_ABOVE, "5")),
            "Rule 2 is never reached, because rule 1 decides whenever it holds: put it above that, or remove one",
        ),
        (
            (rule(PROD, Action.REFUSE_ABOVE, "5"), rule(API, Action.REFUSE_ABOVE, "5")),
            "Rule 2 changes nothing, because rule 1 refuses above $5.00 already: write less than that, or remove one",
        ),
        (
            (rule(PROD, Action.REFUSE_ABOVE, "5"), rule(PROD, Action.ALLOW_BELOW, "5.01")),
            "Rule 2 lets runs up to $5.01 go unasked, and rule 1 refuses above $5.00: write at most that",
        ),
    ],
)
def test_each_contradiction_is_one_sentence_with_the_rules_number(rules: tuple[Rule, ...], sentence: str) -> None:
    """What is wrong, which rule it is, and what to write instead."""
    assert found(*rules) == sentence


def test_to_let_nothing_go_unasked_is_no_permission() -> None:
    """Where the general threshold is $0 too, the sentence says what was probably meant; to refuse all names the root."""
    nothing = contradiction([rule(PROD, Action.ALLOW_BELOW, "0")], usd("0"), usd("0.50"))
    assert nothing == 'Rule 1 lets nothing go unasked: write an amount like 2.50, or then = "confirm"'
    assert (found(rule(ANY, Action.REFUSE)) or "").endswith('or directory = "/" if every run is meant')


def test_there_are_at_most_a_hundred_rules() -> None:
    """A hundred are read; one more is refused with the number."""
    rules = [rule(Condition(person=str(number)), Action.CONFIRM) for number in range(RULES_MAX + 1)]
    assert found(*rules[:-1]) is None
    assert (found(*rules) or "").startswith("there are 101 rules, and at most 100 are read")


NIGHT = Hours.parse("22:00-06:00")


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        (ANY, OPUS),
        (OPUS, OPUS),
        (OPUS, Condition(model="claude-opus-4")),
        (Condition(model="*"), OPUS),
        (PROD, API),
        (Condition(directory="/"), API),
        (Condition(person="1"), Condition(person="1", chat="2")),
        (Condition(chat="2"), Condition(person="1", chat="2")),
        (Condition(origin=Origin.PERSON), Condition(origin=Origin.PERSON, hours=NIGHT)),
        (Condition(cold_tokens_above=10), Condition(cold_tokens_above=10)),
        (Condition(hours=NIGHT), Condition(hours=Hours.parse("mon 23:00-01:00"))),
        (Condition(estimate_above=usd("1")), Condition(estimate_above=usd("2"))),
    ],
)
def test_a_wide_condition_covers_a_narrow_one(wide: Condition, narrow: Condition) -> None:
    """The same, a plain name that a pattern takes in, a directory below, hours within, a larger amount."""
    assert covers(wide, narrow)


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        (OPUS, ANY),
        (OPUS, Condition(model="haiku")),
        (OPUS, Condition(model="*opus")),
        (API, PROD),
        (API, ANY),
        (Condition(directory="/home/me/prod"), Condition(directory="/home/me/prod2")),
        (Condition(person="1"), Condition(person="2")),
        (Condition(chat="1"), Condition(chat="2")),
        (Condition(origin=Origin.PERSON), Condition(origin=Origin.BACKGROUND)),
        (Condition(cold_tokens_above=10), Condition(cold_tokens_above=9)),
        (Condition(cold_tokens_above=10), ANY),
        (Condition(hours=NIGHT), Condition(hours=Hours.parse("21:59-06:00"))),
        (Condition(hours=NIGHT), ANY),
        (Condition(estimate_above=usd("2")), Condition(estimate_above=usd("1"))),
    ],
)
def test_what_is_not_certain_is_not_called_covered(wide: Condition, narrow: Condition) -> None:
    """Whatever holds for something else too, or is a pattern that cannot be compared, is left alone."""
    assert not covers(wide, narrow)


AMOUNT = st.integers(0, 20).map(lambda dimes: Usd(dimes * 10**8))
WHEN = st.builds(
    Condition,
    model=st.sampled_from([None, "*", "*opus*", "opus", "haiku"]),
    directory=st.sampled_from([None, "/", "/a", "/a/b", "/ab"]),
    person=st.sampled_from([None, "1", "2"]),
    cold_tokens_above=st.sampled_from([None, 0, 10]),
    hours=st.sampled_from([None, NIGHT, Hours.parse("mon 23:00-01:00")]),
    estimate_above=st.none() | AMOUNT,
)
FACTS = st.builds(
    Facts,
    model=st.sampled_from([None, "opus", "haiku"]),
    directory=st.sampled_from(["/", "/a", "/a/b", "/a/b/c", "/ab"]),
    person=st.sampled_from(["1", "2"]),
    chat=st.just("1"),
    origin=st.sampled_from(Origin),
    cold_tokens=st.sampled_from([0, 5, 15]),
    minute_of_week=st.integers(0, 10079),
    want=AMOUNT,
)


@UNHURRIED
@given(WHEN, WHEN, FACTS)
def test_wherever_the_narrow_one_holds_the_wide_one_does(wide: Condition, narrow: Condition, facts: Facts) -> None:
    """To say that one condition covers another is never wrong about any run."""
    if covers(wide, narrow) and not mismatch(narrow, facts):
        assert mismatch(wide, facts) == ""


@UNHURRIED
@given(st.lists(st.builds(Rule, WHEN, st.sampled_from(Action), AMOUNT), min_size=2, max_size=2), FACTS)
def test_a_rule_that_is_called_unreachable_decides_nothing(rules: list[Rule], facts: Facts) -> None:
    """Without it every run is ruled as with it."""
    said = contradiction(rules, Usd(0), Usd(1)) or ""
    if "Rule 2 is never reached" in said or "Rule 2 changes nothing" in said:
        assert judge(rules, facts, Usd(0)) == judge(rules[:1], facts, Usd(0))
