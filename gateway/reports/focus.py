"""The ledger as FOCUS 1.2 rows: what was used in a day, by agent, model, class of tokens, terms, price and project.

The rows' costs add up to what the ledger has booked, to the nano-dollar. A period that is over never changes: what becomes
known later is a row of its own, in the billing period in which it was booked.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, NamedTuple, TextIO

from gateway.core.charges import Charge, ChargeKind, Part, TokenClass, parts
from gateway.domain.money import Usd
from gateway.domain.usage import Rates, Unpriced, Usage
from gateway.reports.focus_columns import HEADER, TEXT

Terms = tuple[str, str, str, str]
"""Of a price: model, service tier, speed, place."""

_METERS: Final = {
    TokenClass.INPUT: "Input tokens",
    TokenClass.CACHE_READ: "Cache read tokens",
    TokenClass.CACHE_WRITE_5M: "Cache write tokens, 5 minutes",
    TokenClass.CACHE_WRITE_1H: "Cache write tokens, 1 hour",
    TokenClass.CACHE_WRITE_UNSPLIT: "Cache write tokens, lifetime unknown",
    TokenClass.OUTPUT: "Output tokens",
    TokenClass.WEB_SEARCH: "Web searches",
    TokenClass.ALL: "Tokens of all classes",
}
_FORMULA: Final = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    *"\uff1d\uff0b\uff0d\uff20",
)  # some take the wide ones for these
_MILLION: Final = 1_000_000


class Key(NamedTuple):
    """What makes a row. `rate` as in `Part`, -1 for None; `known`: there is a cost."""

    on: date
    booked: date
    agent: str
    project: str
    terms: Terms
    name: TokenClass
    rate: int
    known: bool
    repriced: bool


@dataclass(slots=True)
class Sum:
    """What a row adds up: tokens (or searches) used and priced, nano-dollars, calls of each kind, and the turns."""

    used: int = 0
    priced: int = 0
    nano: int = 0
    calls: int = 0
    unpriced: int = 0
    lower: int = 0
    turns: set[str] = field(default_factory=set[str])


@dataclass(frozen=True, slots=True)
class Told:
    """How rows are told. `subscription`: nothing was paid by the call, so that the bill is 0 and the list price is told beside it."""

    account: str
    provider: Callable[[str], str]
    subscription: bool = False
    priced_only: bool = False


@dataclass(slots=True)
class Totals:
    """What was written: rows, nano-dollars at list price, and calls without a price (those that got one since are taken off)."""

    rows: int = 0
    nano: int = 0
    unpriced_calls: int = 0


def write(
    charges: Iterable[Charge], rates: Callable[[Usage, date], Rates | Unpriced], told: Told, file: TextIO
) -> Totals:
    """Write CSV: a header, then the rows day by day. At most one day's rows are held in memory."""
    out = csv.writer(file, lineterminator="\r\n")
    out.writerow(HEADER)
    totals = Totals()
    for key, total in sums(_counted(charges, totals), rates):
        if told.priced_only and not key.known:
            continue
        cells = row(key, total, told)
        out.writerow([harmless(cells[name]) if name in TEXT else cells[name] for name in HEADER])
        totals.rows += 1
        totals.nano += total.nano
    return totals


def _counted(charges: Iterable[Charge], totals: Totals) -> Iterator[Charge]:
    for charge in charges:
        totals.unpriced_calls += (charge.spent is None) - (charge.kind is ChargeKind.REPRICED)
        yield charge


def sums(charges: Iterable[Charge], rates: Callable[[Usage, date], Rates | Unpriced]) -> Iterator[tuple[Key, Sum]]:
    """What each row adds up, sorted within each day of booking; the charges come as they were booked."""
    found: dict[Key, Sum] = {}
    booked: date | None = None
    for charge in charges:
        if charge.booked != booked:
            yield from sorted(found.items(), key=lambda item: item[0])
            found, booked = {}, charge.booked
        for part in parts(charge, rates(charge.usage, charge.on)):
            _add(found.setdefault(_key(charge, part), Sum()), charge, part)
    yield from sorted(found.items(), key=lambda item: item[0])


def _key(charge: Charge, part: Part) -> Key:
    usage = charge.usage
    return Key(
        on=charge.on,
        booked=charge.booked,
        agent=charge.agent,
        project=charge.project,
        terms=(usage.model, usage.service_tier, usage.speed, usage.geo),
        name=part.name,
        rate=-1 if part.rate is None else part.rate,
        known=part.nano is not None,
        repriced=charge.kind is ChargeKind.REPRICED,
    )


def _add(total: Sum, charge: Charge, part: Part) -> None:
    """What was used was told when it was booked: its price, known later, is told of what is priced only."""
    repriced = charge.kind is ChargeKind.REPRICED
    total.used += 0 if repriced else part.count
    total.priced += 0 if part.nano is None else part.count
    total.nano += part.nano or 0
    total.calls += charge.kind is ChargeKind.CALL
    total.unpriced += (part.nano is None) - repriced
    total.lower += not charge.ended
    total.turns.add(charge.turn_id)


def row(key: Key, total: Sum, told: Told) -> Mapping[str, str]:
    """The cells of a row, by the names of the columns."""
    model, tier, speed, place = key.terms
    provider = told.provider(model)
    meter, project = _METERS[key.name], key.project
    terms = [term for term in (tier, speed, place) if term and term != "standard"]
    sku = ":".join([model, key.name.value, *terms])
    details = {"x_ServiceTier": tier, "x_Speed": speed, "x_TokenClass": key.name.value}
    cells = {
        "BillingAccountId": told.account,
        "BillingAccountName": told.account,
        "BillingAccountType": "Gateway",
        "BillingCurrency": "USD",
        "BillingPeriodEnd": _midnight(_month_after(key.booked)),
        "BillingPeriodStart": _midnight(key.booked.replace(day=1)),
        "ChargeCategory": "Usage",
        "ChargeClass": "Correction" if _month_after(key.on) <= key.booked else "",
        "ChargeDescription": f"{model}: {meter.lower()}, by {key.agent} in {project}",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": _midnight(key.on + timedelta(days=1)),
        "ChargePeriodStart": _midnight(key.on),
        "ConsumedQuantity": str(total.used),
        "ConsumedUnit": "Searches" if key.name is TokenClass.WEB_SEARCH else "Tokens",
        "InvoiceIssuerName": provider,
        "ProviderName": provider,
        "PublisherName": provider,
        "RegionId": place,
        "RegionName": place,
        "ResourceId": model,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": f"{provider} models",
        "ServiceSubcategory": "Generative AI",
        "SkuId": sku,
        "SkuMeter": meter,
        "SkuPriceDetails": json.dumps(details),
        "SubAccountId": project,
        "SubAccountName": project,
        "SubAccountType": "Project",
        "Tags": json.dumps({"agent": key.agent, "project": project}),
        "x_Agent": key.agent,
        "x_Model": model,
        "x_TokenClass": key.name.value,
        "x_ServiceTier": tier,
        "x_Speed": speed,
        "x_Calls": str(total.calls),
        "x_Turns": str(len(total.turns)),
        "x_UnpricedCalls": str(total.unpriced),
        "x_LowerBoundCalls": str(total.lower),
        "x_CostKnown": "true" if key.known else "false",
    }
    return {**cells, **_prices(key, total, sku, subscription=told.subscription)}


def _prices(key: Key, total: Sum, sku: str, *, subscription: bool) -> Mapping[str, str]:
    """The cells that are empty where nobody knows a price, or what is charged by the unit."""
    at_list = key.known and key.rate >= 0
    rate = Usd(key.rate).exact() if at_list else ""
    cost = Usd(total.nano).exact() if key.known else ""
    billed = "0.00" if key.known and subscription else cost
    searches = key.name is TokenClass.WEB_SEARCH
    unit = "Searches" if searches else f"{_MILLION} Tokens"
    priced = str(total.priced) if searches else _millions(total.priced)
    return {
        "BilledCost": billed,
        "ContractedCost": cost,
        "ContractedUnitPrice": rate,
        "EffectiveCost": billed,
        "ListCost": cost,
        "ListUnitPrice": rate,
        "PricingCategory": ("Other" if subscription else "Standard") if key.known else "",
        "PricingQuantity": priced if key.known else "",
        "PricingUnit": unit if key.known else "",
        "SkuPriceId": f"{sku}:{rate}" if at_list else "",
    }


def harmless(text: str) -> str:
    """The text, so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


def _millions(count: int) -> str:
    """A count as millions, with every digit."""
    whole, rest = divmod(count, _MILLION)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")


def _month_after(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"
