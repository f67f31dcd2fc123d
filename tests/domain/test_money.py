import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.money import LARGEST_AMOUNT_NANO, NANO_PER_USD, ZERO, AmountError, Usd
from tests.core.make import UNHURRIED

AMOUNTS = st.integers(min_value=0, max_value=LARGEST_AMOUNT_NANO).map(Usd)
DIFFERENCES = st.integers(min_value=-LARGEST_AMOUNT_NANO, max_value=LARGEST_AMOUNT_NANO).map(Usd)


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("0", 0),
        ("5", 5_000_000_000),
        ("007", 7_000_000_000),
        ("0.25", 250_000_000),
        ("$12.50", 12_500_000_000),
        ("  2.5\n", 2_500_000_000),
        ("0.000000001", 1),
        ("0.000000010", 10),
        ("1000000", LARGEST_AMOUNT_NANO),
        ("1000000.000000000", LARGEST_AMOUNT_NANO),
    ],
)
def test_an_amount_is_read_to_the_last_nano_dollar(text: str, nano: int) -> None:
    """What a person writes as dollars is exactly that many nano-dollars."""
    assert Usd.parse(text) == Usd(nano)


@pytest.mark.parametrize(
    "text",
    [
        "-1",
        "-0",
        "+1",
        "--5",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "Infinity",
        "1e9",
        "1E3",
        "1_000",
        "1,000",
        "1.000,00",
        "1 000",
        "0x10",
        "5.",
        ".5",
        "1.2.3",
        "0.0000000001",
        "",
        "   ",
        "$",
        "$$5",
        "$ 5",
        "5$",
        "€5",
        "five",
        "\u0665",
        "\uff15",
        "1²",
        "\U0001d7d3",
        "5\u200b",
        "5\n5",
        "5; drop table",
        "9" * 13,
        "9" * 100_000,
    ],
)
def test_what_nobody_can_have_meant_as_an_amount_is_rejected(text: str) -> None:
    """Negative, not a number, exponents, separators, other digits: each is an error that says what to write instead."""
    with pytest.raises(AmountError, match=r"is not an amount in dollars: write it like 5 or 2\.50$"):
        Usd.parse(text)


@pytest.mark.parametrize("text", ["1000000.000000001", "1000001", "$999999999999"])
def test_an_amount_above_a_million_is_rejected(text: str) -> None:
    """A limit that a slip of the finger made huge is not taken, and the error names the largest amount there is."""
    with pytest.raises(AmountError, match=r"is more than \$1000000"):
        Usd.parse(text)


def test_a_rejected_amount_is_quoted_only_in_part() -> None:
    """Whatever was sent as an amount, the message about it stays short."""
    with pytest.raises(AmountError) as caught:
        Usd.parse("x" * 100_000)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize(
    ("nano", "exact"),
    [
        (0, "0.00"),
        (1, "0.000000001"),
        (420_000_001, "0.420000001"),
        (5_000_000_000, "5.00"),
        (5_100_000_000, "5.10"),
        (-250_000_000, "-0.25"),
        (-1, "-0.000000001"),
        (-12_345_678_901, "-12.345678901"),
        (LARGEST_AMOUNT_NANO, "1000000.00"),
    ],
)
def test_an_exact_amount_has_every_digit_and_at_least_cents(nano: int, exact: str) -> None:
    """The decimal string for reports loses nothing and looks like money."""
    assert Usd(nano).exact() == exact


@pytest.mark.parametrize(
    ("nano", "shown"),
    [
        (0, "$0.00"),
        (1, "$0.000000001"),
        (12, "$0.000000012"),
        (123, "$0.00000012"),
        (125, "$0.00000013"),
        (4_200_000, "$0.0042"),
        (4_249_999, "$0.0042"),
        (4_250_000, "$0.0043"),
        (9_949_999, "$0.0099"),
        (9_999_999, "$0.0100"),
        (10_000_000, "$0.01"),
        (14_999_999, "$0.01"),
        (15_000_000, "$0.02"),
        (420_000_000, "$0.42"),
        (994_999_999, "$0.99"),
        (995_000_000, "$1.00"),
        (1_500_000_000, "$1.50"),
        (12_000_000_000, "$12.00"),
        (-420_000_000, "-$0.42"),
        (-15_000_000, "-$0.02"),
        (-4_200_000, "-$0.0042"),
    ],
)
def test_people_see_cents_or_two_digits_below_a_cent(nano: int, shown: str) -> None:
    """An amount is shown in cents, half a cent up; below a cent it keeps two digits instead of turning into nothing."""
    assert str(Usd(nano)) == shown


def test_amounts_add_subtract_negate_and_compare_as_numbers() -> None:
    """Arithmetic on amounts is arithmetic on their nano-dollars."""
    two, three = Usd(2), Usd(3)
    assert two + three == Usd(5)
    assert two - three == Usd(-1)
    assert -two == Usd(-2)
    assert two < three
    assert max(two, three, ZERO) == three
    assert Usd(1)
    assert Usd(-1)
    assert not ZERO


@UNHURRIED
@given(AMOUNTS)
def test_every_amount_comes_back_from_its_exact_text(amount: Usd) -> None:
    """Printing exactly and reading again changes nothing."""
    assert Usd.parse(amount.exact()) == amount


@UNHURRIED
@given(DIFFERENCES)
def test_what_is_shown_is_off_by_at_most_half_a_shown_digit(amount: Usd) -> None:
    """The amount that people see is the nearest that its digits can say."""
    shown = str(amount)
    sign = -1 if shown.startswith("-") else 1
    digits = len(shown.partition(".")[2])
    near = sign * Usd.parse(shown.removeprefix("-")).nano
    assert abs(near - amount.nano) * 2 <= 10 ** (9 - digits)
    assert digits == 2 or abs(amount.nano) < NANO_PER_USD // 100


@UNHURRIED
@given(DIFFERENCES)
def test_an_amount_that_is_not_zero_is_never_shown_as_zero(amount: Usd) -> None:
    """However little was spent, it does not read as $0.00."""
    assert (str(amount) in ("$0.00", "-$0.00")) == (amount == ZERO)


@UNHURRIED
@given(st.text())
def test_any_text_is_an_amount_within_bounds_or_an_amount_error(text: str) -> None:
    """Reading an amount gives zero to a million dollars or the one error for it, whatever the text."""
    with contextlib.suppress(AmountError):
        assert ZERO <= Usd.parse(text) <= Usd(LARGEST_AMOUNT_NANO)
