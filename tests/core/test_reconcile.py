"""Reconciling: what the agent's own totals hold beyond the calls that the meter saw."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.meter import reconcile
from gateway.domain.usage import NO_TOKENS, Tokens, Usage
from tests.core.make import UNHURRIED

CLASSES = [field.name for field in fields(Tokens)]
CHARGED = [name for name in CLASSES if name != "reasoning"]
WRITES = ("cache_write_5m", "cache_write_1h", "cache_write_unsplit")


def opus(searches: int = 0, **tokens: int) -> Usage:
    """Usage on opus."""
    return Usage("opus", Tokens(**tokens), web_searches=searches)


def test_totals_that_agree_leave_no_difference() -> None:
    """Where meter and agent saw the same there is nothing to book."""
    calls = [opus(input=3, output=5), opus(cache_read=3, output=8)]
    assert reconcile([opus(input=3, cache_read=3, output=13)], calls) == ()
    assert reconcile([], []) == ()


@pytest.mark.parametrize("name", CHARGED)
def test_a_class_that_the_meter_missed_is_the_difference(name: str) -> None:
    """What the totals hold beyond the calls comes out in its own class, exactly."""
    both = opus(input=1, cache_read=2, cache_write_5m=3, cache_write_1h=4, cache_write_unsplit=5, output=6)
    total = replace(both, tokens=both.tokens + Tokens(**{name: 70}))
    assert reconcile([total], [both]) == (opus(**{name: 70}),)


@pytest.mark.parametrize("name", CHARGED)
def test_a_meter_that_saw_nothing_misses_the_whole_total(name: str) -> None:
    """A run without a single metered call is booked from the totals alone."""
    assert reconcile([opus(**{name: 70})], []) == (opus(**{name: 70}),)


@pytest.mark.parametrize("name", CLASSES)
def test_where_the_meter_saw_more_the_meter_is_right(name: str) -> None:
    """Totals lower than what was metered take nothing back."""
    assert reconcile([opus(input=9)], [opus(input=9), opus(**{name: 70})]) == ()


def test_less_in_one_class_does_not_pay_for_more_in_another() -> None:
    """Classes have different prices, so a missing output is not made up for by an input counted too high."""
    assert reconcile([opus(input=10, output=50)], [opus(input=60)]) == (opus(output=50),)


@pytest.mark.parametrize(("name", "swapped"), [("input", "cache_read"), ("cache_read", "input"), ("input", "output")])
def test_classes_that_were_swapped_show_as_a_difference(name: str, swapped: str) -> None:
    """A meter that put tokens into the wrong class does not pass unseen: the class it missed is the difference."""
    assert reconcile([opus(**{name: 100})], [opus(**{swapped: 100})]) == (opus(**{name: 100}),)


# ------------------------------------------------------------------------------------------- writes told more or less exactly
@pytest.mark.parametrize("told", WRITES)
@pytest.mark.parametrize("metered", WRITES)
def test_the_same_write_told_in_more_or_less_detail_is_no_difference(told: str, metered: str) -> None:
    """A write whose lifetime one side did not tell, or told otherwise, is the same tokens and not charged again."""
    assert reconcile([opus(**{told: 100})], [opus(**{metered: 100})]) == ()


def test_a_split_total_of_an_unsplit_write_is_no_difference() -> None:
    """60 for five minutes and 40 for an hour are the 100 that the meter saw unsplit, and the other way round."""
    split, unsplit = opus(cache_write_5m=60, cache_write_1h=40), opus(cache_write_unsplit=100)
    assert reconcile([split], [unsplit]) == ()
    assert reconcile([unsplit], [split]) == ()


def test_of_writes_only_what_is_more_in_all_is_missing() -> None:
    """150 written against 100 unsplit leaves 50, in the class that the totals tell."""
    assert reconcile([opus(cache_write_1h=150)], [opus(cache_write_unsplit=100)]) == (opus(cache_write_1h=50),)
    assert reconcile([opus(cache_write_5m=150)], [opus(cache_write_unsplit=100)]) == (opus(cache_write_5m=50),)
    assert reconcile([opus(cache_write_unsplit=150)], [opus(cache_write_1h=100)]) == (opus(cache_write_unsplit=50),)


def test_missing_writes_are_put_into_the_dearest_class_they_can_be_in() -> None:
    """Of 30 and 40 beyond the meter with only 50 missing in all, the cheap class gives way: 10 short writes and 40 long ones."""
    found = reconcile([opus(cache_write_5m=30, cache_write_1h=40)], [opus(cache_write_unsplit=20)])
    assert found == (opus(cache_write_5m=10, cache_write_1h=40),)


def test_one_missing_write_beside_a_swapped_one_is_found_whole() -> None:
    """Less of one write and more of another is one difference of both together."""
    found = reconcile([opus(cache_write_5m=10, cache_write_1h=100)], [opus(cache_write_5m=60)])
    assert found == (opus(cache_write_1h=50),)


# --------------------------------------------------------------------------------------------------- models and searches
def test_each_model_is_compared_with_its_own_calls() -> None:
    """Haiku's calls say nothing about opus, and each difference carries its model."""
    totals = [opus(output=10), Usage("haiku", Tokens(output=30)), Usage("fable", Tokens(input=1))]
    metered = [Usage("haiku", Tokens(output=20)), opus(output=10), Usage("sonnet", Tokens(output=99))]
    assert reconcile(totals, metered) == (Usage("haiku", Tokens(output=10)), Usage("fable", Tokens(input=1)))


def test_totals_that_name_a_model_twice_are_added_first() -> None:
    """Two lines for one model are one total: 30 and 20 against 45 metered leave 5, once."""
    metered = [opus(output=40), opus(output=5)]
    assert reconcile([opus(output=30), opus(output=20)], metered) == (opus(output=5),)


def test_a_difference_keeps_the_terms_that_the_totals_tell() -> None:
    """Tier and speed of the total go with the difference, so that it is priced under them."""
    total = Usage("opus", Tokens(output=10), service_tier="priority", speed="fast")
    assert reconcile([total], [opus(output=4)]) == (replace(total, tokens=Tokens(output=6)),)


@pytest.mark.parametrize(("total", "metered", "missing"), [(3, 1, 2), (3, 0, 3)])
def test_searches_that_the_meter_missed_are_a_difference_too(total: int, metered: int, missing: int) -> None:
    """Searches cost money without a token."""
    assert reconcile([opus(searches=total, input=1)], [opus(searches=metered, input=1)]) == (opus(searches=missing),)


def test_searches_are_added_up_and_never_taken_back() -> None:
    """Two calls with a search each are two; a total of one takes nothing back, and a missing token brings no searches along."""
    metered = [opus(searches=1), opus(searches=1)]
    assert reconcile([opus(searches=2)], metered) == ()
    assert reconcile([opus(searches=1)], metered) == ()
    assert reconcile([opus(searches=1, output=4)], metered) == (opus(output=4),)


def test_reasoning_told_apart_by_one_side_only_is_no_difference() -> None:
    """Reasoning is part of the output: telling it apart afterwards costs nothing and flags nothing."""
    assert reconcile([opus(output=100, reasoning=60)], [opus(output=100)]) == ()
    assert reconcile([opus(output=100)], [opus(output=100, reasoning=60)]) == ()


COUNTS = st.integers(min_value=0, max_value=1000)
TOKENS = st.builds(Tokens, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
USAGES = st.lists(st.builds(Usage, st.sampled_from(["opus", "haiku"]), TOKENS, web_searches=COUNTS), max_size=6)


def summed(usages: list[Usage], model: str) -> Tokens:
    """All tokens of a model."""
    return sum((usage.tokens for usage in usages if usage.model == model), NO_TOKENS)


def written(tokens: Tokens) -> int:
    """Every token written to a cache."""
    return sum(getattr(tokens, name) for name in WRITES)


@UNHURRIED
@given(USAGES, USAGES)
def test_metered_calls_and_difference_together_reach_the_totals_and_no_further(
    totals: list[Usage], metered: list[Usage]
) -> None:
    """After the difference is booked no class is below its total, no more was booked than was missing, and nothing twice."""
    missing = {usage.model: usage.tokens for usage in reconcile(totals, metered)}
    for model in ("opus", "haiku"):
        total, known = summed(totals, model), summed(metered, model)
        more = missing.get(model, NO_TOKENS)
        for name in ("input", "cache_read", "output"):
            assert getattr(more, name) == max(0, getattr(total, name) - getattr(known, name))
        assert written(more) == max(0, written(total) - written(known))
        assert all(0 <= getattr(more, name) <= getattr(total, name) for name in WRITES)


@UNHURRIED
@given(USAGES, USAGES)
def test_reconciling_again_finds_nothing(totals: list[Usage], metered: list[Usage]) -> None:
    """Once the difference counts as metered, the same totals hold nothing more: a repeated result is charged once."""
    assert reconcile(totals, [*metered, *reconcile(totals, metered)]) == ()


@UNHURRIED
@given(USAGES)
def test_totals_that_are_the_sum_of_the_calls_leave_no_difference(metered: list[Usage]) -> None:
    """However the calls are distributed, their own sum has nothing beyond them."""
    assert reconcile(reversed(metered), metered) == ()
