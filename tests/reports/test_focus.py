"""FOCUS rows: the columns are the specification's, and the sums are the ledger's."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.charges import Charge, ChargeKind
from gateway.core.price import price
from gateway.domain.usage import Rates, Tokens, Unpriced, Usage
from gateway.reports.focus import Told, Totals, harmless, sums, write
from gateway.reports.focus_columns import (
    COLUMNS,
    EMPTY_WHERE_NOT_AT_LIST,
    EMPTY_WHERE_UNPRICED,
    HEADER,
    OWN,
    Level,
    Nulls,
)

DAY = date(2026, 11, 22)
RATES = Rates(5 * 10**9, 5 * 10**8, 6_250_000_000, 10**10, 25 * 10**9, web_search=10**7)
USAGE = Usage("m-1", Tokens(input=3, cache_read=45_678, output=8), web_searches=2)
CALL = Charge(ChargeKind.CALL, DAY, DAY, "claude", "shop", "t_1", USAGE, price(USAGE, RATES).nano)
UNPRICED = replace(CALL, spent=None)
TOLD = Told("acme", lambda model: "Anthropic" if model == "m-1" else "Unknown")
NANO = Decimal(10) ** 9

# The columns that FOCUS 1.2 wants in every dataset: rules CostAndUsage-D-003 to D-065 whose names end in M, in
# https://github.com/finopsfoundation/focus_validator (model-1.2.json).
MANDATORY = {
    *(
        "BilledCost",
        "BillingAccountId",
        "BillingAccountName",
        "BillingAccountType",
        "BillingCurrency",
        "BillingPeriodEnd",
    ),
    *(
        "BillingPeriodStart",
        "ChargeCategory",
        "ChargeClass",
        "ChargeDescription",
        "ChargePeriodEnd",
        "ChargePeriodStart",
    ),
    *(
        "ContractedCost",
        "EffectiveCost",
        "InvoiceIssuerName",
        "ListCost",
        "PricingQuantity",
        "PricingUnit",
        "ProviderName",
    ),
    *("PublisherName", "ServiceCategory", "ServiceName"),
}


def rates(usage: Usage, on: date) -> Rates | Unpriced:
    """A list of one model's prices."""
    del on
    return RATES if usage.model == "m-1" else Unpriced("not listed")


def exported(*charges: Charge, told: Told = TOLD) -> tuple[list[dict[str, str]], Totals]:
    """The rows of these charges, read back, and the totals."""
    file = io.StringIO(newline="")
    totals = write(charges, rates, told, file)
    file.seek(0)
    return list(csv.DictReader(file)), totals


def nano(rows: list[dict[str, str]], column: str) -> int:
    """The sum of a column of amounts; an empty cell counts as nothing."""
    found = sum((Decimal(row[column] or "0") for row in rows), Decimal(0)) * NANO
    assert found == int(found)
    return int(found)


def test_the_columns_are_the_specifications() -> None:
    """All that it wants, none that it does not know, in order, and our own at the end with their prefix."""
    assert {column.name for column in COLUMNS if column.level is Level.MANDATORY} == MANDATORY
    names = [column.name for column in COLUMNS]
    assert names == sorted(set(names))
    assert (*names, *OWN) == HEADER
    assert all(name.startswith("x_") for name in OWN)


def test_of_a_long_ledger_no_more_than_a_day_is_held() -> None:
    """The rows of a day are told once the next one begins."""
    asked: list[int] = []

    def years() -> Iterator[Charge]:
        for number in range(1000):
            asked.append(number)
            day = DAY + timedelta(days=number // 10)
            yield replace(CALL, booked=day, on=day)

    key, total = next(sums(years(), rates))
    assert (key.on, total.calls, len(asked)) == (DAY, 10, 11)


@pytest.mark.parametrize("told", [TOLD, replace(TOLD, subscription=True)])
def test_no_cell_is_empty_that_must_not_be(told: Told) -> None:
    """On rows with a price, at list and not, and on those without, where only what hangs on the price is."""
    unlisted = replace(CALL, usage=replace(USAGE, model="m-2"))
    rows, _ = exported(CALL, unlisted, replace(CALL, spent=5), UNPRICED, told=told)
    assert len(rows) == 4 + 1 + 4 + 4
    for row in rows:
        empty = {column.name for column in COLUMNS if column.nulls is not Nulls.ALLOWED and not row[column.name]}
        if row["x_CostKnown"] == "false":
            assert empty == EMPTY_WHERE_UNPRICED
        else:
            assert empty in (set(), EMPTY_WHERE_NOT_AT_LIST)


def test_a_row_tells_a_class_of_tokens_of_a_day_at_its_price() -> None:
    """By hand: two calls, 91,356 cached tokens at $0.50 a million."""
    rows, totals = exported(CALL, replace(CALL, turn_id="t_2"))
    [row] = [row for row in rows if row["x_TokenClass"] == "cache_read"]
    assert (row["BilledCost"], row["ListCost"], row["EffectiveCost"]) == ("0.045678", "0.045678", "0.045678")
    assert (row["ListUnitPrice"], row["PricingQuantity"], row["PricingUnit"]) == ("0.50", "0.091356", "1000000 Tokens")
    assert Decimal(row["ListUnitPrice"]) * Decimal(row["PricingQuantity"]) == Decimal(row["ListCost"])
    assert (row["ConsumedQuantity"], row["ConsumedUnit"]) == ("91356", "Tokens")
    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == ("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z")
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")
    assert (row["ProviderName"], row["InvoiceIssuerName"], row["ChargeClass"]) == ("Anthropic", "Anthropic", "")
    assert (row["x_Calls"], row["x_Turns"], row["SubAccountId"], row["BillingAccountId"]) == ("2", "2", "shop", "acme")
    assert json.loads(row["Tags"]) == {"agent": "claude", "project": "shop"}
    [search] = [row for row in rows if row["x_TokenClass"] == "web_search"]
    assert (search["ConsumedQuantity"], search["ConsumedUnit"], search["ListCost"]) == ("4", "Searches", "0.04")
    assert totals == Totals(4, 2 * (CALL.spent or 0), 0)


def test_what_has_no_price_is_there_with_its_tokens_and_not_as_nothing() -> None:
    """Its costs are empty cells; who cannot take those leaves the rows out, and is told how many calls they are."""
    rows, totals = exported(UNPRICED)
    assert {row["BilledCost"] for row in rows} == {""}
    assert sum(int(row["ConsumedQuantity"]) for row in rows) == 3 + 45_678 + 8 + 2
    assert {row["x_UnpricedCalls"] for row in rows} == {"1"}
    assert totals.unpriced_calls == 1
    assert exported(UNPRICED, told=replace(TOLD, priced_only=True)) == ([], Totals(0, 0, 1))


def test_a_price_that_became_known_later_is_a_row_of_its_own() -> None:
    """In the period in which it was booked, a correction where the day's month is over; tokens are not told twice."""
    later = replace(CALL, kind=ChargeKind.REPRICED, booked=date(2026, 12, 1), rates=RATES)
    soon = replace(later, booked=date(2026, 11, 30))
    for repriced, what, begins in ((later, "Correction", "2026-12-01"), (soon, "", "2026-11-01")):
        rows, totals = exported(UNPRICED, repriced)
        assert nano(rows, "BilledCost") == repriced.spent
        assert sum(int(row["ConsumedQuantity"]) for row in rows) == 3 + 45_678 + 8 + 2
        [row] = [row for row in rows if row["x_TokenClass"] == "input" and row["BilledCost"]]
        assert (row["ChargeClass"], row["ConsumedQuantity"], row["PricingQuantity"]) == (what, "0", "0.000003")
        assert (row["ChargePeriodStart"][:10], row["BillingPeriodStart"][:10]) == ("2026-11-22", begins)
        assert sum(int(row["x_UnpricedCalls"]) for row in rows) == 0
        assert totals.unpriced_calls == 0


def test_a_subscription_is_billed_nothing_by_the_call() -> None:
    """The list price stands beside it; what nobody knows stays unknown."""
    rows, _ = exported(CALL, UNPRICED, told=replace(TOLD, subscription=True))
    priced = [row for row in rows if row["x_CostKnown"] == "true"]
    assert {(row["BilledCost"], row["EffectiveCost"]) for row in priced} == {("0.00", "0.00")}
    assert nano(priced, "ListCost") == CALL.spent
    assert {row["BilledCost"] for row in rows if row["x_CostKnown"] == "false"} == {""}


def test_terms_and_lower_bounds_are_told_apart() -> None:
    """A tier, a speed and a place are in the names of what was bought."""
    fast = replace(CALL, usage=replace(USAGE, speed="fast", service_tier="batch", geo="us"), ended=False)
    rows, _ = exported(CALL, fast)
    assert {row["SkuId"] for row in rows if row["x_TokenClass"] == "input"} == {"m-1:input", "m-1:input:batch:fast:us"}
    assert {(row["RegionId"], row["x_LowerBoundCalls"]) for row in rows} == {("", "0"), ("us", "1")}


@pytest.mark.parametrize(
    "bad", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\N{FULLWIDTH EQUALS SIGN}1"]
)
def test_no_cell_of_text_is_a_formula(bad: str) -> None:
    """Whatever a project or a model is called."""
    assert harmless(bad) == f"'{bad}"
    rows, _ = exported(replace(CALL, project=bad, agent=bad, usage=replace(USAGE, model=bad)))
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for row in rows for cell in row.values())
    assert rows[0]["SubAccountName"] == f"'{bad}"


COUNTS = st.integers(0, 10**6)
USAGES = st.builds(
    Usage,
    st.sampled_from(["m-1", "m-2"]),
    st.builds(Tokens, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS),
    web_searches=st.integers(0, 3),
)


@st.composite
def charge(draw: st.DrawFn) -> Charge:
    """Any call, at list price, at another or without one, or a price found later."""
    usage = draw(USAGES)
    on = DAY + timedelta(days=draw(st.integers(0, 40)))
    booked = on + timedelta(days=draw(st.integers(0, 40)))
    spent = draw(st.one_of(st.none(), st.integers(0, 10**12), st.just(price(usage, RATES).nano)))
    kind = draw(st.sampled_from(ChargeKind))
    known = RATES if kind is ChargeKind.REPRICED else None
    spent = 5 if spent is None and kind is ChargeKind.REPRICED else spent
    return Charge(
        kind,
        booked,
        on,
        draw(st.sampled_from(["a", "b"])),
        draw(st.sampled_from(["p", "q"])),
        "t",
        usage,
        spent,
        rates=known,
    )


@given(st.lists(charge(), max_size=12))
def test_whatever_was_booked_the_sums_are_the_ledgers(charges: list[Charge]) -> None:
    """To the nano-dollar and the token, in any order of days."""
    rows, totals = exported(*charges)
    booked = sum(one.spent or 0 for one in charges)
    assert nano(rows, "BilledCost") == nano(rows, "ListCost") == totals.nano == booked
    fresh = [one for one in charges if one.kind is not ChargeKind.REPRICED]
    tokens = sum(int(row["ConsumedQuantity"]) for row in rows if row["ConsumedUnit"] == "Tokens")
    assert tokens == sum(one.usage.tokens.total for one in fresh)
