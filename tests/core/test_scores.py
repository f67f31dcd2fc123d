import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.scores import Scores, pinball, score
from gateway.domain.estimate import Estimate
from gateway.domain.money import ZERO, Usd
from tests.core.make import UNHURRIED, usd


def said(p50: str, p90: str, floor: str = "0") -> Estimate:
    """An estimate with these figures."""
    return Estimate(usd(floor), usd(p50), usd(p90), 20, usd(p90), "")


SILENT = Estimate(ZERO, None, None, 3, usd("0.50"), "")


def test_scores_of_two_turns_are_what_the_definitions_say() -> None:
    """One turn between the figures and one above both: coverage, pinball loss, width and floor violations by hand."""
    found = score([(said("1", "2"), usd("1.5")), (said("1", "4", floor="6"), usd("5")), (SILENT, usd("1"))])
    assert found == Scores(
        n=2,
        silent=1,
        coverage50=0.0,
        coverage90=0.5,
        pinball50=usd("1.125"),  # (0.5 * 0.5 + 0.5 * 4) / 2
        pinball90=usd("0.475"),  # (0.1 * 0.5 + 0.9 * 1) / 2
        width=3.0,
        floor_violations=1,
    )


def test_no_figures_give_no_scores() -> None:
    """Without a turn that was given figures there is nothing to average."""
    assert score([(SILENT, usd("1"))]) == Scores(0, 1)
    assert score([]).coverage90 is None


def test_a_p50_of_nothing_has_no_width() -> None:
    """The ratio of p90 to p50 is left out where p50 is $0."""
    assert score([(said("0", "1"), usd("1"))]).width is None


def test_a_cost_equal_to_the_figure_is_covered() -> None:
    """At most the figure: equal is inside."""
    assert score([(said("1", "1"), usd("1"))]).coverage90 == 1


@UNHURRIED
@given(costs=st.lists(st.integers(0, 10**12), min_size=1, max_size=40), tenths=st.sampled_from([5, 9]))
def test_pinball_loss_is_least_at_the_quantile(costs: list[int], tenths: int) -> None:
    """No constant figure loses less than the empirical quantile: what makes the score honest."""
    rank = -(-len(costs) * tenths // 10)
    best = sum(pinball(Usd(sorted(costs)[rank - 1]), Usd(cost), tenths) for cost in costs)
    assert best == min(sum(pinball(Usd(other), Usd(cost), tenths) for cost in costs) for other in costs)
    assert best >= 0


@pytest.mark.parametrize(("tenths", "above", "below"), [(9, 9, 1), (5, 5, 5)])
def test_a_miss_above_the_p90_counts_nine_times_one_below(tenths: int, above: int, below: int) -> None:
    """Ten times the loss, one nano-dollar off to either side."""
    assert (pinball(Usd(5), Usd(6), tenths), pinball(Usd(5), Usd(4), tenths)) == (above, below)
