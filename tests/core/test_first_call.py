import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.first_call import FirstCall, chance_of_miss, expected_first_call
from gateway.domain.money import Usd
from tests.core.make import UNHURRIED, usd

HOUR, SHORT = 3600, 300
WARM, COLD = usd("0.05"), usd("1.00")


@pytest.mark.parametrize(
    ("pause_s", "life_s", "chance"),
    [
        (300, HOUR, 0.065),
        (301, HOUR, 0.12),
        (3601, HOUR, 0.985),
        (300, SHORT, 0.09),
        (301, SHORT, 0.79),
        (3601, SHORT, 1.0),
        (300, None, 0.2),
        (301, None, 0.25),
        (901, None, 0.5),
        (3601, None, 1.0),
        (-5, HOUR, 0.065),
    ],
)
def test_the_chance_of_a_miss_depends_on_the_pause_and_the_life_of_the_cache(
    pause_s: int, life_s: int | None, chance: float
) -> None:
    """The shares that public sessions showed, for caches of an hour, of five minutes and of no promised life."""
    assert chance_of_miss(pause_s * 1000, life_s) == chance


def test_a_change_or_no_call_before_is_a_miss() -> None:
    """Another model or effort, or a session of which no call is known: nothing is in the cache."""
    assert chance_of_miss(1000, HOUR, changed=True) == chance_of_miss(None, HOUR) == 1


def test_the_expected_first_call_lies_between_warm_and_cold_by_the_chance_of_a_miss() -> None:
    """12 % of a cold dollar and 88 % of five warm cents."""
    assert expected_first_call(WARM, COLD, 600_000, HOUR) == FirstCall(WARM, usd("0.164"))
    assert expected_first_call(WARM, COLD, 600_000, HOUR, changed=True) == FirstCall(WARM, COLD)


@UNHURRIED
@given(
    warm=st.integers(0, 10**12),
    more=st.integers(0, 10**12),
    pauses=st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)),
    life=st.sampled_from([None, SHORT, HOUR]),
)
def test_a_longer_pause_never_makes_the_first_call_cheaper(
    warm: int, more: int, pauses: tuple[int, int], life: int | None
) -> None:
    """Expected cost grows with the pause and stays between the warm and the cold cost."""
    sooner, later = (expected_first_call(Usd(warm), Usd(warm + more), pause, life) for pause in sorted(pauses))
    assert Usd(warm) <= sooner.expected <= later.expected <= Usd(warm + more)
