"""What came of the money, out of turns with what they left: in one pass, so that a million of them is no matter of memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.core.outcome import DAY_MS
from gateway.core.spending import DESK_CLIENT
from gateway.domain.money import Usd
from gateway.domain.outcome import Commit, LeftKind, Sight, Whose
from gateway.domain.place import AT_DESK
from gateway.domain.results import Came, Lines, Price, RanTests, Results, Share, Spread, Survival, Turned
from gateway.domain.spending import By, Group, Place, Spent
from gateway.domain.turn import OutcomeKind

GROUPED: Final = (By.PROJECT, By.SESSION, By.MODEL, By.AGENT)
"""What results are told by. Not by person: docs/outcomes.md says why."""
YOUNG_DAYS: Final = 7
FRUITLESS: Final = (LeftKind.NOTHING, LeftKind.ERROR, LeftKind.CANCELLED)
_SURE: Final[dict[OutcomeKind | None, LeftKind]] = {
    OutcomeKind.ERROR: LeftKind.ERROR,
    OutcomeKind.CANCELLED: LeftKind.CANCELLED,
}
_ORDER: Final = (
    *(LeftKind.COMMITS, LeftKind.REWRITTEN, LeftKind.DIFF, LeftKind.TESTS, LeftKind.ANSWER),
    *(*FRUITLESS, LeftKind.UNKNOWN, None),
)


def came(turn: Turned) -> LeftKind | None:
    """What came of a turn; None: it is not over. Where nobody looked an error and a cancel are known, and nothing else is."""
    if not turn.over:
        return None
    if turn.left is not None:
        return turn.left
    return _SURE.get(turn.ended, LeftKind.UNKNOWN)


def survival(commit: Commit, now_ms: int) -> Survival:  # noqa: PLR0911 - one for each, in their order
    """What is known of a commit by now. Each has its seven days: to count those that were lost before would tell of losses first."""
    fate = commit.fate
    if now_ms < commit.committed_ms + YOUNG_DAYS * DAY_MS:
        return Survival.YOUNG
    if fate is None:
        return Survival.UNKNOWN
    if fate.gone or fate.reverted_by:
        return Survival.LOST
    if not fate.branch:
        return Survival.UNMERGED if fate.seen_at_ms >= commit.committed_ms + YOUNG_DAYS * DAY_MS else Survival.UNKNOWN
    if not commit.change.added:
        return Survival.SURVIVES
    counted = fate.after_7 if fate.after_30 is None else fate.after_30
    if counted is None:
        return Survival.UNKNOWN
    return Survival.SURVIVES if counted else Survival.LOST


def results(
    turns: Iterable[Turned], by: By, now_ms: int, top: int = 0, places: dict[str, Place] | None = None
) -> Results:
    """What came of these turns, with at most `top` groups (0: all). `places`: of sessions by their ids, where those are groups."""
    whole = _Whole(by, now_ms)
    for turn in turns:
        whole.add(turn)
    return whole.told(top, places or {})


def quarter(values: Sequence[int], quarters: int) -> int:
    """Of sorted figures the one below which so many quarters of them are, between two of them in proportion; 2 is the median."""
    at, beyond = divmod(quarters * (len(values) - 1), 4)
    return values[at] + ((values[at + 1] - values[at]) * beyond // 4 if beyond else 0)


@dataclass(slots=True)
class _Sum:
    """Money of turns."""

    cost: int = 0
    turns: int = 0
    calls: int = 0
    unpriced: int = 0
    at_least: int = 0

    def add(self, turn: Turned) -> None:
        self.cost += turn.cost
        self.turns += 1
        self.calls += turn.calls
        self.unpriced += turn.unpriced
        self.at_least += turn.at_least

    def spent(self) -> Spent:
        return Spent(Usd(self.cost), turns=self.turns, calls=self.calls, unpriced=self.unpriced, at_least=self.at_least)


@dataclass(slots=True)
class _Group:
    first_ms: int
    last_ms: int = 0
    sum: _Sum = field(default_factory=_Sum)
    fruitless: _Sum = field(default_factory=_Sum)
    priced: _Sum = field(default_factory=_Sum)
    fates: dict[Survival, int] = field(default_factory=dict[Survival, int])
    sessions: set[str] = field(default_factory=set[str])

    def add(self, turn: Turned, kind: LeftKind | None, fates: Sequence[Survival], *, priced: bool) -> None:
        self.first_ms, self.last_ms = min(self.first_ms, turn.at_ms), max(self.last_ms, turn.at_ms)
        self.sessions.add(turn.session)
        self.sum.add(turn)
        if kind in FRUITLESS:
            self.fruitless.add(turn)
        if priced:
            self.priced.add(turn)
        for fate in fates:
            self.fates[fate] = self.fates.get(fate, 0) + 1

    def price(self) -> Price:
        return Price(self.priced.spent(), self.fates.get(Survival.SURVIVES, 0))

    def share(self, name: str, place: Place | None = None) -> Share:
        group = Group(name, self.sum.spent(), len(self.sessions), self.first_ms, self.last_ms, place)
        return Share(group, self.fruitless.spent(), sum(self.fates.values()), self.fates, self.price())


class _Whole:
    """Turns are added one by one; then it is told."""

    def __init__(self, by: By, now_ms: int) -> None:
        if by not in GROUPED:
            raise ValueError(by)
        self.by, self.now_ms = by, now_ms
        self.until_ms = now_ms - YOUNG_DAYS * DAY_MS
        self.costs: dict[LeftKind | None, list[int]] = {}
        self.kinds: dict[LeftKind | None, _Sum] = {}
        self.groups: dict[str, _Group] = {}
        self.sessions: dict[str, _Group] = {}
        self.young, self.outside, self.unseen = _Sum(), _Sum(), _Sum()
        self.own: set[tuple[str, str]] = set()
        self.others: dict[Whose, set[tuple[str, str]]] = {Whose.SHARED: set(), Whose.REWRITTEN: set()}
        self.lines = {days: [0, 0, 0] for days in (7, 30)}
        self.tests: dict[bool | None, int] = dict.fromkeys((True, False, None), 0)

    def add(self, turn: Turned) -> None:
        kind = came(turn)
        if kind not in self.kinds:
            self.kinds[kind], self.costs[kind] = _Sum(), []
        self.kinds[kind].add(turn)
        self.costs[kind].append(turn.cost)
        fates = self._commits(turn) if turn.commits else ()
        priced = self._is_priced(turn)
        groups = [(self.groups, _name(turn, self.by))]
        if self.by is not By.SESSION:
            groups.append((self.sessions, turn.session))
        for place, name in groups:
            if name not in place:
                place[name] = _Group(turn.at_ms)
            place[name].add(turn, kind, fates, priced=priced)
        if turn.tests.runs:
            self.tests[turn.tests.passed] += 1

    def _is_priced(self, turn: Turned) -> bool:
        if turn.sight is None:
            self.unseen.add(turn)
        elif turn.sight is Sight.NO_REPOSITORY:
            self.outside.add(turn)
        elif turn.at_ms > self.until_ms:
            self.young.add(turn)
        else:
            return True
        return False

    def _commits(self, turn: Turned) -> list[Survival]:
        """What is known of its own commits."""
        fates: list[Survival] = []
        for one in turn.commits:
            name = one.repository, one.sha
            if one.whose is not Whose.TURN:
                self.others[one.whose].add(name)
            elif name not in self.own:
                self.own.add(name)
                fates.append(survival(one, self.now_ms))
                self._count_lines(one)
        return fates

    def _count_lines(self, one: Commit) -> None:
        for days, left in ((7, one.fate.after_7), (30, one.fate.after_30)) if one.fate else ():
            if left is not None and one.change.added:
                sums = self.lines[days]
                sums[:] = [sums[0] + 1, sums[1] + one.change.added, sums[2] + left]

    def told(self, top: int, places: dict[str, Place]) -> Results:
        by_session = self.groups if self.by is By.SESSION else self.sessions
        whole = _together(by_session.values())
        names = sorted(self.groups, key=lambda name: (-self.groups[name].sum.cost, name))
        shown, left = (names[:top], names[top:]) if top else (names, [])
        prices = [one.price() for one in by_session.values()]
        each = sorted(price.each.nano for price in prices if price.each is not None)
        barren = [one.priced for one in by_session.values() if one.priced.turns and not one.price().commits]
        all_of_it = whole.share("")
        return Results(
            whole.sum.spent(),
            len(whole.sessions),
            tuple(self._came(kind) for kind in _ORDER if kind in self.kinds),
            all_of_it.fruitless,
            tuple(self.groups[name].share(name, places.get(name)) for name in shown),
            _together([self.groups[name] for name in left]).share(str(len(left))) if left else None,
            len(self.own),
            len(self.others[Whose.SHARED] - self.own),
            len(self.others[Whose.REWRITTEN] - self.own),
            all_of_it.fates,
            all_of_it.price,
            self.until_ms,
            Spread(len(each), *(Usd(quarter(each, number)) for number in range(5))) if each else None,
            _added(barren).spent(),
            len(barren),
            self.young.spent(),
            self.outside.spent(),
            self.unseen.spent(),
            tuple(Lines(days, *sums) for days, sums in self.lines.items()),
            RanTests(self.tests[True], self.tests[False], self.tests[None]),
        )

    def _came(self, kind: LeftKind | None) -> Came:
        return Came(kind, self.kinds[kind].spent(), Usd(quarter(sorted(self.costs[kind]), 2)))


def _name(turn: Turned, by: By) -> str:
    match by:
        case By.SESSION:
            return turn.session
        case By.MODEL:
            return turn.model
        case By.AGENT:
            return DESK_CLIENT if turn.agent == AT_DESK else turn.agent
        case _:
            return turn.project


def _together(groups: Iterable[_Group]) -> _Group:
    found = list(groups)
    return _Group(
        min((one.first_ms for one in found), default=0),
        max((one.last_ms for one in found), default=0),
        _added([one.sum for one in found]),
        _added([one.fruitless for one in found]),
        _added([one.priced for one in found]),
        {fate: many for fate in Survival if (many := sum(one.fates.get(fate, 0) for one in found))},
        {session for one in found for session in one.sessions},
    )


def _added(sums: Sequence[_Sum]) -> _Sum:
    return _Sum(*(sum(getattr(one, name) for one in sums) for name in _Sum.__slots__))
