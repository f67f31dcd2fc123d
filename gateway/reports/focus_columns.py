"""FOCUS 1.2's columns of Cost and Usage, as far as they are told here, with what the specification asks of each.

Source: FOCUS 1.2 (https://focus.finops.org/focus-specification/v1-2/) and its machine-readable rules, `model-1.2.json` in
https://github.com/finopsfoundation/focus_validator: `Level` by the rules CostAndUsage-D-003 to D-065, `Nulls` by each
column's rules of nullability, read on 2026-11-22. In 1.3 ServiceProviderName and HostProviderName take the place of ProviderName and
PublisherName, which it still has.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

VERSION: Final = "1.2"


class Level(StrEnum):
    """Whether a column has to be there."""

    MANDATORY = "mandatory"
    CONDITIONAL = "conditional"
    RECOMMENDED = "recommended"


class Nulls(StrEnum):
    """Whether a cell may be empty."""

    NEVER = "never"
    ALLOWED = "allowed"
    NOT_FOR_USAGE = "not for usage"
    """Not on rows of usage that are no corrections."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `text`: what stands in it may begin like a formula, and is made harmless."""

    name: str
    level: Level
    nulls: Nulls
    text: bool = False


_M, _C, _R = Level.MANDATORY, Level.CONDITIONAL, Level.RECOMMENDED
_NEVER, _ALLOWED, _USAGE = Nulls.NEVER, Nulls.ALLOWED, Nulls.NOT_FOR_USAGE

COLUMNS: Final = (
    Column("BilledCost", _M, _NEVER),
    Column("BillingAccountId", _M, _NEVER, text=True),
    Column("BillingAccountName", _M, _ALLOWED, text=True),
    Column("BillingAccountType", _M, _ALLOWED),
    Column("BillingCurrency", _M, _NEVER),
    Column("BillingPeriodEnd", _M, _NEVER),
    Column("BillingPeriodStart", _M, _NEVER),
    Column("ChargeCategory", _M, _NEVER),
    Column("ChargeClass", _M, _ALLOWED),
    Column("ChargeDescription", _M, _ALLOWED, text=True),
    Column("ChargeFrequency", _R, _NEVER),
    Column("ChargePeriodEnd", _M, _NEVER),
    Column("ChargePeriodStart", _M, _NEVER),
    Column("ConsumedQuantity", _C, _USAGE),
    Column("ConsumedUnit", _C, _USAGE),
    Column("ContractedCost", _M, _NEVER),
    Column("ContractedUnitPrice", _C, _USAGE),
    Column("EffectiveCost", _M, _NEVER),
    Column("InvoiceIssuerName", _M, _NEVER, text=True),
    Column("ListCost", _M, _NEVER),
    Column("ListUnitPrice", _C, _USAGE),
    Column("PricingCategory", _C, _USAGE),
    Column("PricingQuantity", _M, _USAGE),
    Column("PricingUnit", _M, _USAGE),
    Column("ProviderName", _M, _NEVER, text=True),
    Column("PublisherName", _M, _NEVER, text=True),
    Column("RegionId", _C, _ALLOWED, text=True),
    Column("RegionName", _C, _ALLOWED, text=True),
    Column("ResourceId", _C, _ALLOWED, text=True),
    Column("ServiceCategory", _M, _NEVER),
    Column("ServiceName", _M, _NEVER, text=True),
    Column("ServiceSubcategory", _R, _NEVER),
    Column("SkuId", _C, _USAGE, text=True),
    Column("SkuMeter", _C, _ALLOWED),
    Column("SkuPriceDetails", _C, _ALLOWED, text=True),
    Column("SkuPriceId", _C, _USAGE, text=True),
    Column("SubAccountId", _C, _ALLOWED, text=True),
    Column("SubAccountName", _C, _ALLOWED, text=True),
    Column("SubAccountType", _C, _ALLOWED),
    Column("Tags", _C, _ALLOWED, text=True),
)

OWN: Final = (
    *("x_Agent", "x_Model", "x_TokenClass", "x_ServiceTier", "x_Speed"),
    *("x_Calls", "x_Turns", "x_UnpricedCalls", "x_LowerBoundCalls", "x_CostKnown"),
)
"""Columns of our own: FOCUS asks for the prefix, and that they come last."""
OWN_TEXT: Final = frozenset({"x_Agent", "x_Model", "x_ServiceTier", "x_Speed"})
EMPTY_WHERE_UNPRICED: Final = frozenset(
    {"BilledCost", "ContractedCost", "ContractedUnitPrice", "EffectiveCost", "ListCost", "ListUnitPrice"}
    | {"PricingQuantity", "PricingUnit", "PricingCategory", "SkuPriceId"}
)
"""Where this departs from the specification: what nobody knows the price of has no cost, and 0 would be a lie."""
EMPTY_WHERE_NOT_AT_LIST: Final = frozenset({"ListUnitPrice", "ContractedUnitPrice", "SkuPriceId"})
"""And what was booked at another rate than the list now has, or is told of for all classes together, has no unit price."""
HEADER: Final = (*(column.name for column in COLUMNS), *OWN)
TEXT: Final = frozenset(column.name for column in COLUMNS if column.text) | OWN_TEXT
