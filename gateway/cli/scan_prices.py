"""List prices for what is read in logs. They are looked up where they are not known yet: to load all that there are takes longer than most scans."""

import importlib.machinery
import os
from pathlib import Path

from gateway.core.logged import Row, cost, day
from gateway.domain.usage import Rates, Unpriced
from gateway.usage_store import Terms, UsageStore

_LIBRARY = "genai_prices"


class Prices:
    """What rows cost. What is found out is kept beside them, until there is another list of prices."""

    def __init__(self, store: UsageStore) -> None:
        self._store = store
        self.source = source()
        self._known: dict[Terms, Rates | None] = store.rates(self.source)

    def cost(self, row: Row) -> int | None:
        """Nano-dollars; None: unpriced."""
        terms = row.terms
        if terms not in self._known:
            self._known[terms] = found = _look_up(terms)
            self._store.keep_rates(self.source, terms, found)
        return cost(row, self._known[terms])


def _look_up(terms: Terms) -> Rates | None:
    from gateway.pricing import ListPrices

    model, number, tier, speed, geo = terms
    found = ListPrices().rates(model, day(number), tier, speed, geo)
    return None if isinstance(found, Unpriced) else found


def source() -> str:
    """What tells this list of prices from another one: the files that it is in."""
    files = [*Path(__file__).parents[1].joinpath("pricing").glob("*.py")]
    library = importlib.machinery.PathFinder.find_spec(_LIBRARY)
    if library is not None and library.origin is not None:
        files += [*Path(library.origin).parent.glob("data*"), *Path(library.origin).parent.glob("types.py")]
    return " ".join(f"{about.st_size}-{about.st_mtime_ns}" for about in map(os.stat, sorted(files)))
