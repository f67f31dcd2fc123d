"""The prior of the forecast as data: fitted by tools/make_prior.py on public sessions, shipped with the package."""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from gateway.core.forecast import Prior
from gateway.domain.money import Usd
from gateway.ports import TollbridgeError

FILE = "public_sessions.json"
SCHEMA = 1
EVERYTHING = "all"


class PriorError(TollbridgeError):
    """The shipped prior is damaged; the message says how."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A prior and, for measurements, by what each simple predictor has to be multiplied: {name: (median, nine in ten)}."""

    prior: Prior
    ratios: dict[str, tuple[float, float]]


def load() -> Prior:
    """The prior from all public sessions. Raises PriorError if the shipped file is damaged."""
    return fitted()[EVERYTHING].prior


@cache
def fitted() -> dict[str, Fitted]:
    """The prior from all sources ("all"), and from all but one, by the name of the one left out. Raises PriorError."""
    return parse(text())


def text() -> str:
    """The shipped file. Raises PriorError if it is missing."""
    try:
        return (resources.files(__name__) / FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PriorError(f"{FILE} cannot be read: install the package again ({error})") from error


def parse(text: str) -> dict[str, Fitted]:
    """Read the file's contents. Raises PriorError."""
    try:
        data = json.loads(text)
        if data["schema"] != SCHEMA:
            raise PriorError(f"{FILE} has schema {data['schema']!r}, not {SCHEMA}: install the package again")
        return {name: _fitted(one) for name, one in data["fitted"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PriorError(f"{FILE} is damaged: install the package again ({error!r})") from error


def _fitted(one: dict[str, Any]) -> Fitted:
    prior = Prior(
        Usd(int(one["typical_nano"])),
        _numbers(one["median"]),
        _numbers(one["upper"]),
        _numbers(one["median_errors"]),
        _numbers(one["upper_errors"]),
    )
    return Fitted(prior, {name: (float(median), float(upper)) for name, (median, upper) in one["ratios"].items()})


def _numbers(values: list[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
