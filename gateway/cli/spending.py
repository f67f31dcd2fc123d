"""What `tollbridge report` tells: the gateway's ledger and agents' own logs together, what both tell once."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.core import periods, spending
from gateway.core.logged_turns import LoggedTurn, Told, made, portions, spent, turns, usual_models
from gateway.core.results import results
from gateway.core.why import Around, why
from gateway.domain.errors import TollbridgeError
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import AT_DESK, Unmetered
from gateway.domain.results import Results
from gateway.domain.spending import By, Dear, Period, Place, Portion, Source, Spending
from gateway.home import home_directory
from gateway.usage_store import DATABASE as USAGE
from gateway.usage_store import UsageError, UsageStore, open_usage

if TYPE_CHECKING:
    from gateway.cli.scan_prices import Prices
    from gateway.core.logged import Row
    from gateway.domain.usage import Rates
    from gateway.store.spending import Dearest, Spendings

DEAREST: Final = 5
_DEEPEST: Final = 64
"""So many folders above one another are looked into for a repository: logs may name any path."""
LASTS_MS: Final = 86_400_000
"""Of turns in logs that is looked for which began up to so long before the period, and went on in it: they do not count in it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a report is asked for. `period`: the name of one, or empty, with `since` and `until` beside it."""

    period: str
    since: str
    until: str
    by: By
    top: int
    zone: tzinfo
    now_ms: int
    logs: bool = True
    outcomes: bool = False
    """What came of it is wanted too."""


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to tell. `looked`: there are homes of agents on this machine. `busy`: another scan was reading them."""

    spending: Spending
    names: dict[str, str] = field(default_factory=dict[str, str])
    unmetered: tuple[Unmetered, ...] = ()
    at_desk: bool = False
    looked: bool = False
    busy: bool = False
    latest_ms: int | None = None
    """Where nothing was spent in the period: when something was spent before it."""
    results: Results | None = None
    due: int = 0
    """Commits that are to be looked at again by now."""
    unreadable: int = 0
    """Records of logs that could not be understood and may have told a call, and logs that could not be read."""


def gather(asked: Asked) -> Found:
    """Look into the logs, if that is wanted, and add up. Raises TollbridgeError."""
    home = home_directory()
    today = periods.on(asked.now_ms, asked.zone).date()
    try:
        period = periods.period(asked.period, asked.since, asked.until, today)
    except periods.PeriodError as error:
        raise TollbridgeError(str(error)) from None
    looked, busy, unread = _scan() if asked.logs else (False, False, 0)
    with _sources(home, logs=asked.logs) as (ledger, usage):
        if usage is not None and not busy:
            usage.sort_by_time()
        found = _Gathering(asked, period, ledger, usage).found(looked=looked, busy=busy)
        return replace(found, unreadable=unread + (0 if usage is None else usage.unreadable()))


def logged_session(session: str, zone: tzinfo, now_ms: int) -> tuple[list[Dear], bool]:
    """The turns that agents' own logs tell of sessions whose id begins so, by session and in order; and whether somebody else is
    reading the logs. Raises TollbridgeError.
    """
    home = home_directory()
    _, busy, _ = _scan()
    with _sources(home, logs=True) as (ledger, usage):
        asked = Asked(periods.ALL, "", "", By.SESSION, 0, zone, now_ms)
        period = Period(None, periods.on(now_ms, zone).date())
        return _Gathering(asked, period, ledger, usage).of_session(session), busy


def _scan() -> tuple[bool, bool, int]:
    """Read what agents have added to their logs; whether there are any homes of them, whether somebody else is reading them, and how many
    logs could not be read.
    """
    from gateway import lock
    from gateway.cli import scan_look, scanning

    if not scanning.places([], os.environ, str(Path("~").expanduser())):
        return False, False, 0
    try:
        return True, False, scan_look.once([]).unread
    except lock.ScanLockedError:
        return True, True, 0


@contextmanager
def _sources(home: Path, *, logs: bool) -> "Iterator[tuple[Spendings | None, UsageStore | None]]":
    from gateway.store.home import DATABASE

    try:
        with ExitStack() as opened:
            ledger = usage = None
            if (home / DATABASE).exists():
                ledger = opened.enter_context(_ledger(home))
            if logs and (home / USAGE).exists():
                usage = opened.enter_context(open_usage(home, b""))
            yield ledger, usage
    except UsageError as error:
        raise TollbridgeError(str(error)) from error


@contextmanager
def _ledger(home: Path) -> "Iterator[Spendings]":
    """What is wrong with the database is said with the file that it is wrong with."""
    from gateway.ports import StoreError
    from gateway.store.home import DATABASE
    from gateway.store.spending import open_spending

    try:
        with open_spending(home) as ledger:
            yield ledger
    except StoreError as error:
        if str(home) in str(error):
            raise
        raise StoreError(f"{home / DATABASE}: {error}") from None


class _Gathering:
    """Both sources at one moment, over the days of a period."""

    def __init__(self, asked: Asked, period: Period, ledger: "Spendings | None", usage: UsageStore | None) -> None:
        self.asked, self.ledger, self.usage = asked, ledger, usage
        self.is_all = period.first is None
        if self.is_all:
            period = self._whole(period)
        first = period.first or period.last
        self.period = period
        try:
            self.begins = periods.beginnings(first, period.last, asked.zone)
        except periods.PeriodError as error:
            raise TollbridgeError(str(error)) from None
        self.first = first
        self._prices: Prices | None = None

    def _whole(self, period: Period) -> Period:
        """All days on which anything was spent, up to today: a clock may have been wrong, and then some of them are still to come."""
        sources = [one for one in (self.ledger, self.usage) if one is not None]
        found = [at_ms for one in sources for at_ms in (one.earliest_ms(), one.latest_ms()) if at_ms is not None]
        days = [periods.on(at_ms, self.asked.zone).date() for at_ms in found]
        last = period.last if self.asked.until else max(days, default=period.last)
        return Period(min([*days, period.last]), max(last, period.last))

    def found(self, *, looked: bool, busy: bool) -> Found:
        """All of it."""
        since_ms, until_ms = self.begins[0], self.begins[-1]
        parts: list[Portion] = []
        dear: list[Dear] = []
        if self.ledger is not None:
            parts += self.ledger.portions(self.first, self.begins)
            dear += [self._dear(one) for one in self.ledger.dearest(since_ms, until_ms, DEAREST)]
        if self.usage is not None:
            logged = turns(self._told(self.usage, since_ms, until_ms))
            place = self._placing(logged)
            parts += portions(logged, self.first, self.begins, place, self.rates)
            dear += self._dear_logged([one for one in logged if since_ms <= one.began_ms < until_ms], place)
        dear.sort(key=lambda one: (-one.spent.cost.nano, one.at_ms))
        if self._prices is not None:
            self._prices.keep()
        ledger = self.ledger
        made = spending.spending(
            parts,
            self.asked.by,
            self.period,
            self.asked.top,
            ZERO if ledger is None else ledger.unlisted(0 if self.is_all else since_ms, until_ms),
            () if ledger is None else ledger.open(),
            dear[:DEAREST],
        )
        return Found(
            made,
            {} if ledger is None else ledger.names(),
            () if ledger is None else tuple(ledger.unmetered()),
            any(one.place.agent == AT_DESK for one in parts),
            looked,
            busy,
            None if parts else self._latest_ms(),
            self._results(parts) if self.asked.outcomes else None,
            0 if ledger is None else ledger.commits_due(self.asked.now_ms),
        )

    def of_session(self, session: str) -> list[Dear]:
        """What the logs tell of sessions whose id begins so, a value for each turn."""
        if self.usage is None:
            return []
        logged = turns(self._told(self.usage, self.begins[0], self.begins[-1], session))
        place, usual = self._placing(logged), usual_models(logged)
        found = [self._dear_one(one, usual[one.agent, one.session], place(one)) for one in logged]
        if self._prices is not None:
            self._prices.keep()
        return found

    def _results(self, parts: Sequence[Portion]) -> Results:
        turned = () if self.ledger is None else self.ledger.turned(self.begins[0], self.begins[-1])
        places = {one.place.id: one.place for one in parts if one.source is Source.GATEWAY}
        return results(turned, self.asked.by, self.asked.now_ms, self.asked.top, places)

    def _latest_ms(self) -> int | None:
        found = [one.latest_ms() for one in (self.ledger, self.usage) if one is not None]
        return max((at_ms for at_ms in found if at_ms is not None), default=None)

    def _told(self, usage: UsageStore, since_ms: int, until_ms: int, session: str = "") -> list[Told]:
        """Calls out of the logs; those are marked as known that the ledger has too, by name or in the correction of a turn's cost."""
        gateway = None if self.ledger is None else self.ledger.database
        told = usage.calls_between(since_ms - LASTS_MS, until_ms + LASTS_MS, gateway, session)
        if self.ledger is None or not told:
            return told
        sessions = {row.session for _, row, _, _ in told}
        corrected: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for agent, one, begins, ends in self.ledger.corrected(sessions, since_ms - LASTS_MS, self.asked.now_ms):
            logs = spending.DESK_CLIENT if agent == AT_DESK else agent
            corrected.setdefault((logs, one), []).append((begins, ends))
        if not corrected:
            return told

        def both(agent: str, row: "Row") -> bool:
            return any(begins <= row.at_ms <= ends for begins, ends in corrected.get((agent, row.session), ()))

        return [(agent, row, amount, known or both(agent, row)) for agent, row, amount, known in told]

    def _placing(self, logged: Sequence[LoggedTurn]) -> Callable[[LoggedTurn], Place]:
        known = {} if self.ledger is None else self.ledger.places("agent_session", {one.session for one in logged})

        def place(turn: LoggedTurn) -> Place:
            return known.get(turn.session) or Place(turn.session, turn.agent, project_of(turn.directory))

        return place

    def rates(self, row: "Row") -> "Rates | None":
        """The rates of a call, out of the lists."""
        if self._prices is None:
            from gateway.cli.scan_prices import KEPT, Prices

            self._prices = Prices(home_directory() / KEPT)
        return self._prices.rates(row)

    def _dear(self, one: "Dearest") -> Dear:
        ledger = self.ledger
        assert ledger is not None  # noqa: S101 - it is from there
        calls = ledger.calls(one.id)
        usual = ledger.usual_model(one.place.id)
        around = Around(
            one.spent.cost,
            one.spent.parts,
            ledger.before(one.id, one.place.id),
            one.model,
            usual,
            self._dearer(one.model, usual, one.at_ms),
        )
        return Dear(
            one.id,
            one.place,
            one.at_ms,
            one.model,
            Source.GATEWAY,
            one.spent,
            why(around, calls),
            one.prompt[:200],
            one.came_of_it,
        )

    def _dear_logged(self, logged: Sequence[LoggedTurn], place: Callable[[LoggedTurn], Place]) -> list[Dear]:
        usual = usual_models(logged)
        most = sorted(logged, key=lambda one: (-one.cost.nano, one.began_ms))[:DEAREST]
        return [self._dear_one(one, usual[one.agent, one.session], place(one)) for one in most if one.cost]

    def _dear_one(self, turn: LoggedTurn, usual: str, place: Place) -> Dear:
        whole = spent(turn, self.rates)
        before = None if turn.before is None else made(turn.before, None)
        dearer = self._dearer(turn.model, usual, turn.began_ms)
        around = Around(whole.cost, whole.parts, before, turn.model, usual, dearer)
        reasons = why(around, turn.made())
        return Dear("", place, turn.began_ms, turn.model, Source.LOGS, whole, reasons)

    def _dearer(self, model: str, usual: str, at_ms: int) -> bool:
        if not usual or model == usual:
            return False
        here, there = self._output_rate(model, at_ms), self._output_rate(usual, at_ms)
        return here is not None and there is not None and here > there

    def _output_rate(self, model: str, at_ms: int) -> Usd | None:
        from gateway.core.logged import flat
        from gateway.domain.logged import LoggedCall
        from gateway.domain.usage import NO_TOKENS, Usage

        found = self.rates(flat(LoggedCall("", "", "", at_ms, Usage(model, NO_TOKENS))))
        return None if found is None else Usd(found.output)


@cache
def project_of(directory: str) -> str:
    """The root of the repository that holds the directory; the directory itself where there is none, or it is gone."""
    here = Path(directory)
    if not directory or not here.is_absolute():
        return directory
    return next((str(place) for place in islice((here, *here.parents), _DEEPEST) if _is_root(place)), directory)


def _is_root(place: Path) -> bool:
    try:
        return (place / ".git").exists()
    except OSError:  # whoever wrote the log may have named anything
        return False
