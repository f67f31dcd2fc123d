"""Reads a trace of API calls (columns of the shared traces) into priced turns, with what was known before each."""

import csv
import gzip
import hashlib
import math
import zlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple, TextIO

from gateway.core.estimate import floor
from gateway.core.first_call import HOUR_CACHE_S, SHORT_CACHE_S, FirstCall, expected_first_call
from gateway.core.price import price
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Session, Thread
from gateway.domain.usage import Rates, Tokens, Unpriced, Usage
from gateway.pricing import ListPrices

PRICED_ON = date(2026, 6, 1)
"""The traces tell no dates: one list of prices for all of it."""
COUNTS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "cache_write_unsplit", "output")
COLUMNS = ("source", "person", "session", "turn", "model", "at_s", *COUNTS, "sidechain", "usage_final")
ROWS_MAX = 5_000_000
_LARGEST_COUNT = 10**10
_TELLING_CONTEXT, _TELLING_OUTPUT = 10_000, 50


class TraceError(Exception):
    """The file is no trace; the message says what is wrong with it, and where."""


class MainCall(NamedTuple):
    """A call of a main loop: what it left in the prompt cache. `ttl_s`: None where no cache was ever written explicitly."""

    at_s: float
    row: int
    context: int
    model: str
    ttl_s: int | None


@dataclass(slots=True)
class Turn:
    """One human prompt and all calls that it caused. `cost` is None if the price of one of them is not known."""

    source: str
    person: str
    session: str
    index: int
    started_s: float
    first_row: int
    ended_s: float
    cost: Usd | None = ZERO
    final: bool = True
    first: FirstCall | None = None
    floor: Usd = ZERO
    marks: set[str] = field(default_factory=set[str])


@dataclass(slots=True)
class Trace:
    """What a file holds: priced turns in the order in which they began, and what was left out."""

    turns: list[Turn]
    calls: int
    unpriced: Counter[str]
    unpriced_turns: int
    vendor_priced_calls: int
    calls_of_no_turn: int


class _Row(NamedTuple):
    number: int
    source: str
    person: str
    session: str
    turn: int
    model: str
    at_s: float
    tokens: Tokens
    side: bool
    final: bool


class Pricing:
    """The repository's own list prices, one lookup per model."""

    def __init__(self) -> None:
        self._prices = ListPrices()
        self._known: dict[str, tuple[Rates | Unpriced, bool]] = {}

    def rates(self, model: str) -> tuple[Rates | Unpriced, bool]:
        """The rates, and whether they are the vendor's because a reseller's name stood before the model's (`opencode/...`)."""
        if model not in self._known:
            rates, vendors = self._prices.rates(model, PRICED_ON, "", ""), False
            if isinstance(rates, Unpriced) and "/" in model:
                rates, vendors = self._prices.rates(model.rsplit("/", 1)[-1], PRICED_ON, "", ""), True
            self._known[model] = rates, vendors
        return self._known[model]


def read(path: Path) -> Trace:
    """Read a trace (.csv or .csv.gz), row by row. Raises TraceError."""
    try:
        with path.open("rb") as probe:
            packed = probe.read(2) == b"\x1f\x8b"
        if path.suffix == ".gz" and not packed:
            raise TraceError(f"{path.name} is not a gzip file, though its name says so")
        with (
            gzip.open(path, "rt", encoding="utf-8", newline="")
            if packed
            else path.open(encoding="utf-8", newline="") as file
        ):
            return _collect(_rows(file, path.name))
    except OSError as error:
        raise TraceError(f"cannot read {path.name}: {error.strerror or error}") from error
    except EOFError as error:
        raise TraceError(f"{path.name} is cut off: its compressed data ends early") from error
    except zlib.error as error:
        raise TraceError(f"{path.name} is damaged: its data cannot be unpacked ({error})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise TraceError(f"{path.name} is not a CSV text: {error}") from error


def _rows(file: TextIO, name: str) -> Iterator[_Row]:
    reader = csv.DictReader(file)
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise TraceError(f"{name} lacks the columns {', '.join(missing)}")
    for number, row in enumerate(reader, start=2):
        if number > ROWS_MAX:
            raise TraceError(f"{name} has more than {ROWS_MAX} rows: split it by person")
        try:
            yield _row(number, row)
        except (ValueError, TypeError, AttributeError) as error:
            raise TraceError(f"{name}, line {number}: {error}") from error


def _row(number: int, row: dict[str, str]) -> _Row:
    at_s = float(row["at_s"])
    if not math.isfinite(at_s):
        raise ValueError(f"at_s is {row['at_s']}, not a time")
    return _Row(
        number,
        row["source"],
        row["person"],
        row["session"],
        int(row["turn"]),
        row["model"].strip(),
        at_s,
        Tokens(*(_count(row, column) for column in COUNTS)),
        _flag(row, "sidechain"),
        _flag(row, "usage_final"),
    )


def _count(row: dict[str, str], column: str) -> int:
    value = float(row[column])
    if not 0 <= value <= _LARGEST_COUNT or value != int(value):
        raise ValueError(f"{column} is {row[column]}, not a count of tokens")
    return int(value)


def _flag(row: dict[str, str], column: str) -> bool:
    if row[column].strip() not in {"0", "1"}:
        raise ValueError(f"{column} is {row[column]!r}, neither 0 nor 1")
    return row[column].strip() == "1"


def _collect(rows: Iterator[_Row]) -> Trace:
    pricing = Pricing()
    found: dict[tuple[str, str, str, int], Turn] = {}
    main: dict[tuple[str, str, str], list[MainCall]] = {}
    trace = Trace([], 0, Counter(), 0, 0, 0)
    for row in rows:
        trace.calls += 1
        rates, vendors = pricing.rates(row.model)
        trace.vendor_priced_calls += vendors and not isinstance(rates, Unpriced)
        key = (row.source, row.person, row.session)
        if not row.side:
            main.setdefault(key, []).append(_main_call(row))
        if row.turn < 0:
            trace.calls_of_no_turn += 1
            continue
        turn = found.get((*key, row.turn))
        if turn is None:
            turn = found[*key, row.turn] = Turn(*key, row.turn, row.at_s, row.number, row.at_s)
        _add(turn, row, rates, trace.unpriced)
    if not trace.calls:
        raise TraceError("the trace is empty: it has no calls")
    _keep_priced(
        trace, list(found.values()), {key: list(_with_life(sorted(calls))) for key, calls in main.items()}, pricing
    )
    return trace


def _keep_priced(
    trace: Trace, turns: list[Turn], main: dict[tuple[str, str, str], list[MainCall]], pricing: Pricing
) -> None:
    for turn in sorted(turns, key=lambda turn: (turn.started_s, turn.first_row)):
        if turn.cost is None:
            trace.unpriced_turns += 1
        elif turn.cost > ZERO:
            _foresee(turn, main.get((turn.source, turn.person, turn.session), []), pricing)
            trace.turns.append(turn)
    if not trace.turns:
        raise TraceError(f"the trace has no turn whose price is known ({trace.unpriced_turns} turns are unpriced)")


def _main_call(row: _Row) -> MainCall:
    tokens, ttl_s = row.tokens, None
    if tokens.cache_write_1h:
        ttl_s = HOUR_CACHE_S
    elif tokens.cache_write_5m or tokens.cache_write_unsplit:
        ttl_s = SHORT_CACHE_S
    return MainCall(row.at_s, row.number, tokens.context, row.model, ttl_s)


def _with_life(calls: list[MainCall]) -> Iterator[MainCall]:
    """The calls of a session in order, each with the longest life that the session's cache had shown by then."""
    life: int | None = None
    for call in calls:
        life = max(life or 0, call.ttl_s or 0) or None
        yield call._replace(ttl_s=life)


def _add(turn: Turn, row: _Row, rates: Rates | Unpriced, unpriced: Counter[str]) -> None:
    turn.started_s, turn.first_row = min((turn.started_s, turn.first_row), (row.at_s, row.number))
    turn.ended_s = max(turn.ended_s, row.at_s)
    turn.final &= row.final
    if isinstance(rates, Unpriced):
        unpriced[row.model] += 1
        turn.cost = None
    elif turn.cost is not None:
        turn.cost += price(Usage(row.model, row.tokens), rates)
    if row.tokens.context >= _TELLING_CONTEXT and row.tokens.output >= _TELLING_OUTPUT:
        told = repr((row.model, row.tokens)).encode()
        turn.marks.add(hashlib.blake2b(told, digest_size=6).hexdigest())


def _foresee(turn: Turn, calls: list[MainCall], pricing: Pricing) -> None:
    """What was known before the turn's first call: the context that the session's last call left, and how long ago."""
    place = bisect_left(calls, (turn.started_s, turn.first_row))
    if not place or not calls[place - 1].context:
        return
    last = calls[place - 1]
    rates, _ = pricing.rates(last.model)
    if isinstance(rates, Unpriced):
        return
    pause_ms = round(1000 * (turn.started_s - last.at_s))
    session = Session(
        turn.session,
        "",
        "",
        Thread("", ""),
        turn.person,
        0,
        model=last.model,
        context_tokens=last.context,
        cache_ttl_s=last.ttl_s or SHORT_CACHE_S,
    )
    warm, cold = (floor(session, "", rates, warm=warm) for warm in (True, False))
    turn.first = expected_first_call(warm, cold, pause_ms, last.ttl_s)
    turn.floor = warm if last.ttl_s is None or pause_ms < last.ttl_s * 1000 else cold
