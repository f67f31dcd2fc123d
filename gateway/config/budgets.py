"""`[budgets]`: limits in dollars, and on what is counted beside them."""

import json
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from gateway.config.values import Amount, Limit, Section
from gateway.core import gauges
from gateway.domain.budget import BOOKED, NO_CAPS, Caps, ScopeKind, Unit
from gateway.domain.money import AmountError, Usd

CAPPED: Final = (ScopeKind.TURN, *BOOKED)


def _caps(value: object, unit: Unit, word: str, usual: Mapping[ScopeKind, int]) -> object:
    """Limits on a count, by kind of scope: `{day = 500, week = "2k"}`; 0: none. What is not named is as usual."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError(f'write a table like {{"day": 500}}, in {word}') from None
    if not isinstance(value, Mapping):
        raise ValueError(f"write a table like {{day = 500}}, in {word}")  # noqa: TRY004 - pydantic takes this one
    found = dict(usual)
    for name, cap in value.items():
        if name not in CAPPED:
            raise ValueError(f"{str(name)[:40]!r} has no limits: known are {', '.join(CAPPED)}")
        found[ScopeKind(name)] = _cap(cap, unit, word)
    return {kind: cap for kind, cap in found.items() if cap}


def _cap(value: object, unit: Unit, word: str) -> int:
    text = "" if isinstance(value, bool) else str(value).strip()
    try:
        found, amount = gauges.parse(text if " " in text else f"{text} {word}")
    except AmountError:
        raise ValueError(
            f"{text[:40]!r} is not a whole number of {word}: write a number of {word}, like 500; 0: no limit"
        ) from None
    if found is not unit:
        raise ValueError(f"{text[:40]!r} is not a number of {word}")
    return amount


def _caps_in(unit: Unit, word: str, usual: Mapping[ScopeKind, int]) -> BeforeValidator:
    return BeforeValidator(lambda value: _caps(value, unit, word, usual))


Limits = dict[ScopeKind, int]
CALLS_OF_A_TURN: Final = {ScopeKind.TURN: 300}
ALL_PERCENT: Final = 100
MINUTES_OF_A_TURN: Final = {ScopeKind.TURN: 120 * gauges.MINUTE_MS}


class BudgetSettings(Section):
    """Limits in dollars. A run above `confirm_above_usd` waits for a tap; `default_hold_usd` stands in for missing history."""

    session_usd: Limit = Usd.parse("5")
    day_usd: Limit = Usd.parse("25")
    week_usd: Limit | None = None
    month_usd: Limit | None = None
    project_usd: Limit | None = None
    person_usd: Limit | None = None
    chat_usd: Limit | None = None
    confirm_above_usd: Amount = Usd.parse("1")
    default_hold_usd: Limit = Usd.parse("0.50")
    unpriced: Literal["ask", "refuse"] = "ask"
    """What becomes of a run whose model has no known price."""
    tokens: Annotated[Limits, _caps_in(Unit.TOKENS, "tokens", {})] = Field(default={})
    """Limits in tokens, all classes added up, by kind of scope."""
    calls: Annotated[Limits, _caps_in(Unit.CALLS, "calls", CALLS_OF_A_TURN)] = CALLS_OF_A_TURN
    """Limits in API calls; that of a turn breaks loops."""
    minutes: Annotated[Limits, _caps_in(Unit.WORK_MS, "minutes", MINUTES_OF_A_TURN)] = MINUTES_OF_A_TURN
    """Limits in minutes in which agents work, kept in milliseconds; that of a turn breaks loops."""
    pace_times: int = Field(default=5, ge=0, le=1000)
    """A turn that costs so many times as much a minute as any before it in its session pauses and asks; 0: none does."""
    ask_at_quota_percent: int = Field(default=80, ge=1, le=ALL_PERCENT + 1)
    """Runs are asked about from so many hundredths of a subscription's window on; 101: never."""

    @property
    def ask_at_quota(self) -> int | None:
        """From where on runs are asked about; None: never, however much beyond all of it is used."""
        return self.ask_at_quota_percent if self.ask_at_quota_percent <= ALL_PERCENT else None

    @property
    def limits(self) -> dict[ScopeKind, Usd]:
        """By kind of scope; a kind without a limit is missing."""
        found: dict[ScopeKind, Usd | None] = {kind: getattr(self, f"{kind}_usd") for kind in BOOKED}
        return {kind: limit for kind, limit in found.items() if limit is not None}

    @property
    def caps(self) -> dict[ScopeKind, Caps]:
        """Limits on what is counted, by kind of scope; a kind without any is missing."""
        found = {kind: Caps(self.tokens.get(kind), self.calls.get(kind), self.minutes.get(kind)) for kind in CAPPED}
        return {kind: caps for kind, caps in found.items() if caps != NO_CAPS}
