"""List prices for what is read in logs. To load all that there are takes longer than most scans: those that were needed are kept."""

import importlib.machinery
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from gateway.core.logged import Row, cost, day
from gateway.domain.usage import Rates, Unpriced
from gateway.home import replace_file

Terms = tuple[str, int, str, str, str]
"""Model, day, service tier, speed, geo: `Row.terms`."""
KEPT_MAX: Final = 20_000
KEPT_BYTES_MAX: Final = 8 * 1024 * 1024
_LIBRARY: Final = "genai_prices"
_OWNER_ONLY: Final = 0o700


class Prices:
    """What rows cost. `kept`: the file of those that were looked up before, which counts as long as the list of prices is the same."""

    def __init__(self, kept: Path | None = None) -> None:
        self.source = source()
        self._kept = kept
        self._known: dict[Terms, Rates | None] = _read(kept, self.source) if kept else {}
        self._is_kept = True

    def cost(self, row: Row) -> int | None:
        """Nano-dollars; None: unpriced."""
        terms = row.terms
        if terms not in self._known:
            self._known[terms] = _look_up(terms)
            self._is_kept = False
        return cost(row, self._known[terms])

    def keep(self) -> None:
        """Keep what was looked up. Where that cannot be written it is looked up again another time."""
        if self._kept is None or self._is_kept or len(self._known) > KEPT_MAX:
            return
        lines = ["\t".join((*map(str, terms), _said(rates))) for terms, rates in self._known.items()]
        with suppress(OSError, UnicodeEncodeError):
            self._kept.parent.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
            replace_file(self._kept, "\n".join([self.source, *lines]).encode())
            self._is_kept = True


def cache() -> Path:
    """Where prices are kept between scans: this user's caches."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("tollbridge", appauthor=False)) / "list-prices.tsv"


def source() -> str:
    """What tells this list of prices from another one: the files that it is in."""
    files = [*Path(__file__).parents[1].joinpath("pricing").glob("*.py")]
    library = importlib.machinery.PathFinder.find_spec(_LIBRARY)
    if library is not None and library.origin is not None:
        files += [*Path(library.origin).parent.glob("data*.py"), *Path(library.origin).parent.glob("types.py")]
    return " ".join(f"{about.st_size}-{about.st_mtime_ns}" for about in map(os.stat, sorted(files)))


def _look_up(terms: Terms) -> Rates | None:
    from gateway.pricing import ListPrices

    model, number, tier, speed, geo = terms
    found = ListPrices().rates(model, day(number), tier, speed, geo)
    return None if isinstance(found, Unpriced) else found


def _read(kept: Path, source: str) -> dict[Terms, Rates | None]:
    try:
        if kept.stat().st_size > KEPT_BYTES_MAX:
            return {}
        first, *lines = kept.read_text(encoding="utf-8").split("\n")
        return dict(map(_line, lines)) if first == source else {}
    except (OSError, ValueError, TypeError):
        return {}


def _line(line: str) -> tuple[Terms, Rates | None]:
    model, number, tier, speed, geo, said = line.split("\t")
    return (model, int(number), tier, speed, geo), _rates(said)


def _said(rates: Rates | None) -> str:
    """Those of each threshold, each the numbers in the order of `Rates`; empty: there are none."""
    if rates is None:
        return ""
    return ";".join(
        " ".join(
            map(str, (start, at.input, at.cache_read, at.cache_write_5m, at.cache_write_1h, at.output, at.web_search))
        )
        for start, at in ((0, rates), *rates.above)
    )


def _rates(said: str) -> Rates | None:
    if not said:
        return None
    (_, base), *beyond = [_step(step) for step in said.split(";")]
    return replace(base, above=tuple(beyond))


def _step(step: str) -> tuple[int, Rates]:
    start, read, cached, short, long, output, search = map(int, step.split())
    return start, Rates(read, cached, short, long, output, search)
