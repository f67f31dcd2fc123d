"""What genai-prices does not know or leaves out: one dated line each, with where it is published and when that was read.

A line about a term (`speed`, `processing`) speaks only where genai-prices has no price for that term on that day. A line
about a place (`geo`) multiplies whatever the other terms come to. Factors apply to tokens, never to web searches.
"""

import re
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final


@dataclass(frozen=True, slots=True)
class Correction:
    """On `models` (a regular expression over the whole name) of a provider, `term` multiplies the standard rates."""

    provider: str
    models: str
    term: tuple[str, str]
    factor: Fraction
    since: date
    until: date | None
    source: str
    read_on: date

    def holds(self, on: date) -> bool:
        """Whether it applies to a call on this day; `until` is the first day on which it no longer does."""
        return self.since <= on and (self.until is None or on < self.until)


_BATCHES = "https://platform.claude.com/docs/en/build-with-claude/batch-processing"
_FAST_API = "https://platform.claude.com/docs/en/build-with-claude/fast-mode"
_FAST_CODE = "https://code.claude.com/docs/en/fast-mode"
_RESIDENCY = "https://platform.claude.com/docs/en/build-with-claude/data-residency"
_READ = date(2026, 11, 22)
_SINCE_OPUS_4_6 = r"claude-(?!(opus|sonnet|haiku)-4-[0-5](?!\d))(opus|sonnet|haiku|fable|mythos)-\d.*"

CORRECTIONS: Final = (
    Correction(
        "anthropic", r"claude-.*", ("processing", "batch"), Fraction(1, 2), date(2024, 10, 8), None, _BATCHES, _READ
    ),
    # Before 13 March 2026 fast mode had a promotion and a cliff at 200k tokens: such calls stay unpriced.
    Correction(
        "anthropic", r"claude-opus-4-6.*", ("speed", "fast"), Fraction(6), date(2026, 3, 13), None, _FAST_API, _READ
    ),
    Correction(
        "anthropic",
        r"claude-opus-4-7.*",
        ("speed", "fast"),
        Fraction(6),
        date(2026, 4, 16),
        date(2026, 7, 25),
        _FAST_CODE,
        _READ,
    ),
    Correction(
        "anthropic", _SINCE_OPUS_4_6, ("geo", "us"), Fraction(11, 10), date(2026, 2, 5), None, _RESIDENCY, _READ
    ),
)

ONE_HOUR_WRITE: Final = Fraction(2)
"""Of the input rate, for a Claude model with a price for 5-minute cache writes only (some on Bedrock):
https://platform.claude.com/docs/en/build-with-claude/prompt-caching, read on 2026-11-22."""


def correction(provider: str, model: str, term: tuple[str, str], on: date) -> Correction | None:
    """The line that speaks about this term on this day, if there is one. `model` is the provider's plain name."""
    for line in CORRECTIONS:
        if line.provider == provider and line.term == term and line.holds(on) and re.fullmatch(line.models, model):
            return line
    return None
