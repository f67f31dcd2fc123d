"""A session's chart: what it has spent so far, turn by turn, against its limit, and what came of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from gateway.core.chart_parts import (
    RIGHT,
    ROOM,
    ROW,
    SIGNS,
    Canvas,
    Plot,
    head,
    legend,
    money_axis,
    outcome,
    shift,
    ticks_below,
)
from gateway.core.chart_times import time_ticks
from gateway.core.scene import (
    MARGIN,
    SMALL,
    TEXT,
    Anchor,
    Area,
    Dot,
    Ink,
    Line,
    Point,
    Scene,
    Shape,
    Words,
    fitting,
    legible,
    width,
)
from gateway.domain.charts import Came, LimitFrom, SessionChart, TurnSpend
from gateway.domain.money import NANO_PER_USD, ZERO, Usd
from gateway.view import chart_words

HEIGHT: Final = 560
SPAN_MIN_MS: Final = 120_000
"""The shortest time that is drawn."""
DEAREST: Final = 3
"""So many turns are named."""
MERGED_PX: Final = 4
"""Turns that together are neither wider nor higher than this are one stroke."""
APART_PX: Final = 26
"""Signs that would be nearer than this to a dearer one are left out; the legend has all."""
UNKNOWN_MAX: Final = 6
IN_SCALE: Final = 3
"""A limit above so many times of what was spent is in the first line only: the curve would be flat."""
BADGE: Final = 44
SIGN_PX: Final = 30
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""
_BESIDE: Final = ((-34, -34), (-52, -12), (-14, -54), (40, 40), (-72, -50), (54, 14), (-92, -18), (-30, -96), (64, 62))
"""Where a number may stand beside its turn: what is spent never falls, so that up left and down right of it are free."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """One or more turns that follow one another: when, from what to what the sum rose, what came of most of that money, their numbers."""

    begun_ms: int
    ended_ms: int
    before: int
    after: int
    came: Came
    numbers: frozenset[int]
    unpriced: bool


def strokes(chart: SessionChart) -> tuple[Stroke, ...]:
    """One for each turn, in time. A turn that overlaps the one before is drawn from where that ended: the sum is the same."""
    found: list[Stroke] = []
    sum_nano, ended = chart.spent_before.nano, None
    for turn in sorted(chart.turns, key=lambda turn: (_ended(turn, chart.now_ms), turn.number)):
        end = _ended(turn, chart.now_ms)
        begin = min(max(turn.begun_ms, turn.begun_ms if ended is None else ended), end)
        after = sum_nano + turn.spent.nano
        found.append(Stroke(begin, end, sum_nano, after, turn.came, frozenset({turn.number}), turn.unpriced_calls > 0))
        sum_nano, ended = after, end
    return tuple(found)


def _ended(turn: TurnSpend, now_ms: int) -> int:
    return max(turn.begun_ms, now_ms if turn.ended_ms is None else turn.ended_ms)


def merged(all_of: Sequence[Stroke], px_per_ms: float, px_per_nano: float) -> tuple[Stroke, ...]:
    """Strokes too small to be told apart become one; what the sum comes to does not change."""
    groups: list[list[Stroke]] = []
    for stroke in all_of:
        first = groups[-1][0] if groups else stroke
        wide = (stroke.ended_ms - first.begun_ms) * px_per_ms
        high = (stroke.after - first.before) * px_per_nano
        if groups and max(wide, high) <= MERGED_PX:
            groups[-1].append(stroke)
        else:
            groups.append([stroke])
    return tuple(_one(group) for group in groups)


def _one(group: Sequence[Stroke]) -> Stroke:
    money = {came: sum(one.after - one.before for one in group if one.came is came) for came in Came}
    came = max((one.came for one in group), key=lambda came: money[came])
    numbers = frozenset[int]().union(*(one.numbers for one in group))
    first, last = group[0], group[-1]
    unpriced = any(one.unpriced for one in group)
    return Stroke(first.begun_ms, last.ended_ms, first.before, last.after, came, numbers, unpriced)


def scene(chart: SessionChart, zone: tzinfo) -> Scene:
    """The picture; times are those of the zone."""
    canvas = Canvas()
    every = strokes(chart)
    limit = chart.limits[-1].limit if chart.limits else None
    over = chart_words.over(chart.spent - limit) if limit is not None and chart.spent > limit else ""
    began = min((one.begun_ms for one in every), default=chart.now_ms)
    last = max((one.ended_ms for one in every), default=chart.now_ms)
    about = [chart_words.turns(len(every)), chart_words.lasted(last - began) if every else ""]
    name = fitting(legible(chart.name), TEXT, ROOM - width(chart_words.about("", *about), TEXT) - 40)
    head(
        canvas,
        chart_words.spent(chart.spent, limit, at_least=chart.at_least),
        chart_words.about(name, *about),
        over,
        _warnings(chart),
    )
    limits = _in_scale(chart)
    plot = money_axis(canvas, _top(chart, limits), HEIGHT)
    until = max(last, began + SPAN_MIN_MS)
    _Drawn(canvas, plot, began, until).all(chart, every, limits)
    marks = time_ticks(began, until, zone)
    ticks_below(canvas, plot, [(_x(plot, began, until, at), words) for at, words in marks])
    canvas.y += 26
    came = [(kind, [turn for turn in chart.turns if turn.came is kind]) for kind in Came]
    legend(canvas, [outcome(kind, sum((t.spent for t in of), ZERO), len(of)) for kind, of in came if of])
    _dearest(canvas, _named(chart.turns))
    return canvas.scene()


def _warnings(chart: SessionChart) -> list[str]:
    if chart.unpriced_calls:
        return [chart_words.unpriced(chart.unpriced_calls)]
    return [chart_words.LOWER_BOUND] if chart.at_least else []


def _may_reach(chart: SessionChart) -> int:
    """What it may come to with what runs, in nano-dollars."""
    more = (one.most - one.spent for one in chart.turns if one.ended_ms is None and one.most is not None)
    return chart.spent.nano + sum(max(0, one.nano) for one in more)


def _in_scale(chart: SessionChart) -> tuple[LimitFrom, ...]:
    """The limit as it changed, or nothing if the curve would be flat beside it."""
    most = max((one.limit.nano for one in chart.limits), default=0)
    spent = _may_reach(chart)
    return chart.limits if not spent or most <= IN_SCALE * spent else ()


def _top(chart: SessionChart, limits: Sequence[LimitFrom]) -> int:
    highest = max(_may_reach(chart), max((one.limit.nano for one in limits), default=0))
    return (highest or NANO_PER_USD) * 112 // 100 + 1


def _x(plot: Plot, began: int, until: int, at_ms: int) -> float:
    return plot.left + (plot.right - plot.left) * (min(max(at_ms, began), until) - began) / (until - began)


def _named(turns: Sequence[TurnSpend]) -> list[TurnSpend]:
    """The dearest turns, the dearest first; a session of one turn names it too."""
    some = [turn for turn in turns if turn.spent.nano > 0]
    return sorted(some, key=lambda turn: (-turn.spent.nano, turn.number))[:DEAREST]


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The curve in its plot: from when to when."""

    canvas: Canvas
    plot: Plot
    began: int
    until: int

    def at(self, ms: int, nano: int) -> Point:
        return _x(self.plot, self.began, self.until, ms), self.plot.y(nano)

    def all(self, chart: SessionChart, every: Sequence[Stroke], limits: Sequence[LimitFrom]) -> None:
        self._limits(limits)
        if not every:
            middle = (self.plot.left + self.plot.right) / 2, (self.plot.top + self.plot.bottom) / 2
            self.canvas.words.append(Words(middle, chart_words.NOT_YET, TEXT, Ink.MUTED, anchor=Anchor.MIDDLE))
            return
        px_per_ms = (self.plot.right - self.plot.left) / (self.until - self.began)
        shown = merged(every, px_per_ms, (self.plot.bottom - self.plot.top) / self.plot.top_nano)
        self._curve(shown)
        self._forecast(chart)
        self._signs(shown)
        self._badges(shown, _named(chart.turns))

    def _limits(self, limits: Sequence[LimitFrom]) -> None:
        points: list[Point] = []
        for n, one in enumerate(limits):
            x, y = self.at(one.at_ms if n else self.began, one.limit.nano)
            points += [(x, points[-1][1]), (x, y)] if points else [(x, y)]
        if not points:
            return
        points.append((self.plot.right, points[-1][1]))
        self.canvas.lines.append(Line(tuple(points), Ink.LIMIT, 4, dashed=True))
        self._limit_words(limits)

    def _limit_words(self, limits: Sequence[LimitFrom]) -> None:
        """At the first, and at each change that has room for it."""
        ends = self.plot.left
        for n, one in enumerate(limits):
            x, y = self.at(one.at_ms if n else self.began, one.limit.nano)
            words = chart_words.raised(one.limit) if n else chart_words.limit(one.limit)
            wide = width(words, SMALL)
            left = min(x + 8, self.plot.right - wide)
            if left >= ends:
                self.canvas.words.append(Words((left, y - 12), words, SMALL, Ink.LIMIT))
                ends = left + wide + 24

    def _curve(self, shown: Sequence[Stroke]) -> None:
        outline = [self.at(self.began, shown[0].before)]
        for one in shown:
            outline += [self.at(one.begun_ms, one.before), self.at(one.ended_ms, one.after)]
        floor = self.plot.bottom
        area = (*outline, (outline[-1][0], floor), (outline[0][0], floor))
        self.canvas.areas.append(Area(area, Ink.MUTED, 0.12))
        self.canvas.lines.append(Line(tuple(outline), Ink.MUTED, 3))
        for one in shown:
            ends = self.at(one.begun_ms, one.before), self.at(one.ended_ms, one.after)
            self.canvas.lines.append(Line(ends, SIGNS[one.came][0], 10))

    def _forecast(self, chart: SessionChart) -> None:
        """How far what runs may still rise."""
        most = _may_reach(chart)
        if most == chart.spent.nano:
            return
        x, low = self.at(self.until, chart.spent.nano)
        high = self.plot.y(most)
        ink = SIGNS[Came.RUNNING][0]
        self.canvas.lines.append(Line(((x - 6, low), (x - 6, high)), ink, 5, dashed=True))
        self.canvas.lines.append(Line(((x - 24, high), (x + 6, high)), ink, 5))
        words = chart_words.up_to(Usd(most))
        place = (x - 34, high + 0.35 * SMALL)
        self.canvas.words.append(Words(place, words, SMALL, ink, anchor=Anchor.END))

    def _signs(self, shown: Sequence[Stroke]) -> None:
        """Of the dearest first; one that would cover another is left out."""
        taken: list[Point] = []
        for one in sorted(shown, key=lambda one: one.before - one.after):
            at = self.at(one.ended_ms, one.after)
            if all(_apart(at, other) >= APART_PX for other in taken):
                taken.append(at)
                ink, shape = SIGNS[one.came]
                self.canvas.dots.append(Dot(at, shape, SIGN_PX, ink))

    def _badges(self, shown: Sequence[Stroke], named: Sequence[TurnSpend]) -> None:
        """The numbers of the dearest turns, and a question mark where calls have no price, beside their turns."""
        taken = [words.box for words in self.canvas.words]
        marks = [
            (next(one for one in shown if turn.number in one.numbers), str(n)) for n, turn in enumerate(named, start=1)
        ]
        unknown = [one for one in shown if one.unpriced]
        marks += [(one, chart_words.UNKNOWN) for one in unknown[:UNKNOWN_MAX]]
        for one, words in marks:
            at = next(self._free(self.at(one.ended_ms, one.after), taken), None)
            if at is not None:
                taken.append(_around(at))
                badge(self.canvas, at, words)

    def _free(self, near: Point, taken: Sequence[Box]) -> Iterator[Point]:
        for x, y in _BESIDE:
            at = shift(near, x, y)
            left, _, right, bottom = around = _around(at)
            inside = self.plot.left <= left and right <= RIGHT and bottom <= self.plot.bottom
            if inside and not any(_meet(around, other) for other in taken):
                yield at


def _around(at: Point) -> Box:
    half = BADGE / 2 + 1
    return at[0] - half, at[1] - half, at[0] + half, at[1] + half


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def badge(canvas: Canvas, at: Point, words: str) -> None:
    """A number in a disc."""
    unknown = words == chart_words.UNKNOWN
    canvas.dots.append(Dot(at, Shape.CIRCLE, BADGE, Ink.WARN if unknown else Ink.TEXT))
    place = shift(at, 0, 0.36 * SMALL)
    canvas.words.append(Words(place, words, SMALL, Ink.PAPER, bold=True, anchor=Anchor.MIDDLE))


def _apart(one: Point, other: Point) -> float:
    return max(abs(one[0] - other[0]), abs(one[1] - other[1]))


def _dearest(canvas: Canvas, named: Sequence[TurnSpend]) -> None:
    """Numbers, amounts and words of the dearest turns."""
    if not named:
        return
    canvas.y += 40
    canvas.lines.append(Line(((MARGIN, canvas.y), (RIGHT, canvas.y)), Ink.GRID, 2))
    canvas.y += 14
    amounts = [f"{'≥ ' if _at_least(turn) else ''}{chart_words.dollars(turn.spent)}" for turn in named]
    words_at = MARGIN + BADGE + 24 + max(width(amount, TEXT, bold=True) for amount in amounts) + 24
    for n, (turn, amount) in enumerate(zip(named, amounts, strict=True), start=1):
        canvas.y += ROW
        badge(canvas, (MARGIN + BADGE / 2, canvas.y - 0.36 * TEXT), str(n))
        end = (words_at - 24, canvas.y)
        canvas.words.append(Words(end, amount, TEXT, Ink.TEXT, bold=True, anchor=Anchor.END))
        instead = chart_words.turn(turn.number)
        title = fitting(legible(turn.title) or instead, TEXT, RIGHT - words_at)
        canvas.words.append(Words((words_at, canvas.y), title, TEXT, Ink.TEXT, instead=instead))


def _at_least(turn: TurnSpend) -> bool:
    return turn.lower_bound or turn.unpriced_calls > 0
