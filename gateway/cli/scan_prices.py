"""List prices for what is read in logs. To load all that there are takes longer than most scans: those that were needed are kept."""

import importlib.machinery
import os
from bisect import bisect
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

from gateway.core.logged import Row, cost, day
from gateway.domain.usage import Rates, Unpriced
from gateway.home import replace_file

KEPT: Final = "list-prices.tsv"
"""The file's name, in the gateway's home."""
KEPT_MAX: Final = 20_000
KEPT_BYTES_MAX: Final = 8 * 1024 * 1024
_LIBRARY: Final = "genai_prices"
_FIRST: Final = day(date.min)
_FORM: Final = "spans"
"""Another form of the file has another name here."""

Terms = tuple[str, str, str, str]
"""Model, service tier, speed, geo: `Row.terms`."""
Spans = tuple[tuple[int, ...], tuple[Rates | None, ...]]
"""The first days of spans in which a price is the same (`Row.day`, ascending), and the rates in each; None: there are none."""


class Prices:
    """What rows cost. `kept`: the file of those that were looked up before, which counts as long as the list of prices is the same."""

    def __init__(self, kept: Path | None = None) -> None:
        self.source = source()
        self._kept = kept
        self._known: dict[Terms, Spans] | None = None
        self._is_kept = True

    def cost(self, row: Row) -> int | None:
        """Nano-dollars; None: unpriced."""
        known = self._known
        if known is None:
            known = self._known = _read(self._kept, self.source) if self._kept else {}
        terms = (row.model, row.service_tier, row.speed, row.geo)
        spans = known.get(terms)
        if spans is None:
            spans = known[terms] = _look_up(terms)
            self._is_kept = False
        starts, rates = spans
        return cost(row, rates[0] if len(starts) == 1 else rates[bisect(starts, row.day) - 1])

    @property
    def is_known(self) -> bool:
        """Whether any were looked up before, by this list of prices."""
        if self._known is None:
            self._known = _read(self._kept, self.source) if self._kept else {}
        return bool(self._known)

    def rates(self, row: Row) -> Rates | None:
        """The rates at which it is priced; None: nobody knows them."""
        self.cost(row)  # which looks them up
        starts, rates = (self._known or {})[row.terms]
        return rates[bisect(starts, row.day) - 1]

    def keep(self) -> None:
        """Keep what was looked up. Where that cannot be written it is looked up again another time."""
        if self._kept is None or self._is_kept or self._known is None or len(self._known) > KEPT_MAX:
            return
        # A name that could be taken for more than one is never kept: logs are somebody else's.
        lines = [
            "\t".join((*terms, *map(_said, *spans)))
            for terms, spans in self._known.items()
            if all(map(str.isprintable, terms))
        ]
        with suppress(OSError, UnicodeEncodeError):
            replace_file(self._kept, "\n".join([_first(self.source), *lines]).encode())
            self._is_kept = True


def prepare() -> None:
    """Load the list of prices, which takes a while."""
    import gateway.pricing  # noqa: F401


def source() -> str:
    """What tells this list of prices from another one: the files that it is in."""
    files = [*Path(__file__).parents[1].joinpath("pricing").glob("*.py")]
    library = importlib.machinery.PathFinder.find_spec(_LIBRARY)
    if library is not None and library.origin is not None:
        files += [*Path(library.origin).parent.glob("data*.py"), *Path(library.origin).parent.glob("types.py")]
    return " ".join(f"{about.st_size}-{about.st_mtime_ns}" for about in map(os.stat, sorted(files)))


def _look_up(terms: Terms) -> Spans:
    from gateway.pricing import ListPrices

    model, tier, speed, geo = terms
    spans = ListPrices().spans(model, tier, speed, geo)
    return (
        tuple(day(since) for since, _ in spans),
        tuple(None if isinstance(rates, Unpriced) else rates for _, rates in spans),
    )


def _first(source: str) -> str:
    return f"{_FORM} {source}"


def _read(kept: Path, source: str) -> dict[Terms, Spans]:
    try:
        if kept.stat().st_size > KEPT_BYTES_MAX:
            return {}
        first, *lines = kept.read_text(encoding="utf-8").split("\n")
        return dict(map(_line, lines)) if first == _first(source) else {}
    except (OSError, ValueError, TypeError):
        return {}


def _line(line: str) -> tuple[Terms, Spans]:
    model, tier, speed, geo, *said = line.split("\t")
    starts, rates = zip(*map(_span, said), strict=True)
    if starts[0] != _FIRST or list(starts) != sorted(starts):
        raise ValueError("days that nobody wrote so")
    return (model, tier, speed, geo), (starts, rates)


def _said(start: int, rates: Rates | None) -> str:
    """The first day, and the rates of each threshold, each the numbers in the order of `Rates`; without any there are none."""
    if rates is None:
        return f"{start}:"
    steps = (
        " ".join(
            map(str, (at, of.input, of.cache_read, of.cache_write_5m, of.cache_write_1h, of.output, of.web_search))
        )
        for at, of in ((0, rates), *rates.above)
    )
    return f"{start}:{';'.join(steps)}"


def _span(said: str) -> tuple[int, Rates | None]:
    start, _, steps = said.partition(":")
    if not steps:
        return int(start), None
    (_, base), *beyond = map(_step, steps.split(";"))
    return int(start), replace(base, above=tuple(beyond)) if beyond else base


def _step(step: str) -> tuple[int, Rates]:
    start, read, cached, short, long, output, search = map(int, step.split())
    return start, Rates(read, cached, short, long, output, search)
