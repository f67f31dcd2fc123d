"""A period's chart: what each hour or day has cost and for whom, against the limit, what was paid for and what came of it."""

from collections.abc import Sequence
from datetime import tzinfo
from typing import Final

from gateway.core.chart_parts import (
    RIGHT,
    ROOM,
    Canvas,
    Entry,
    Plot,
    head,
    legend,
    money_axis,
    outcome,
    strip,
    ticks_below,
)
from gateway.core.chart_times import bar_ticks
from gateway.core.scene import (
    MARGIN,
    SERIES,
    SMALL,
    TEXT,
    Anchor,
    Ink,
    Line,
    Scene,
    Shape,
    Words,
    fitting,
    legible,
    width,
)
from gateway.domain.charts import Bar, CostClass, PeriodChart
from gateway.domain.money import NANO_PER_USD, Usd
from gateway.view import chart_words

HEIGHT: Final = 460
IN_SCALE: Final = 3
"""See `session_chart`: a limit of a bar that is higher than so many times the highest is not drawn."""
_CLASS_INKS: Final = {
    CostClass.INPUT: Ink.FIRST,
    CostClass.CACHE_READ: Ink.THIRD,
    CostClass.CACHE_WRITE: Ink.SECOND,
    CostClass.OUTPUT: Ink.FIFTH,
    CostClass.SEARCH: Ink.FOURTH,
}


def groups(bars: Sequence[Bar]) -> tuple[tuple[str, Usd], ...]:
    """Names with what was spent under them, the dearest first: at most five; what is left of the sum is others'."""
    sums: dict[str, int] = {}
    for bar in bars:
        for share in bar.shares:
            sums[share.name] = sums.get(share.name, 0) + share.spent.nano
    dear = sorted((item for item in sums.items() if item[1]), key=lambda item: (-item[1], item[0]))
    return tuple((name, Usd(nano)) for name, nano in dear[: len(SERIES)])


def scene(chart: PeriodChart, zone: tzinfo) -> Scene:
    """The picture; hours and days are named as the zone has them."""
    canvas = Canvas()
    over = chart_words.over(chart.spent - chart.limit) if chart.limit is not None and chart.spent > chart.limit else ""
    turns = chart_words.turns(chart.turns)
    name = fitting(legible(chart.name), TEXT, ROOM - width(chart_words.about("", turns), TEXT) - 40)
    head(
        canvas,
        chart_words.spent(chart.spent, chart.limit, at_least=chart.at_least),
        chart_words.about(name, turns),
        over,
        _warnings(chart),
    )
    if chart.limit is not None and chart.limit.nano > 0:
        _used(canvas, chart.spent, chart.limit)
    named = groups(chart.bars)
    highest = max((_total(bar) for bar in chart.bars), default=0)
    line = chart.bar_limit.nano if chart.bar_limit is not None else 0
    line = line if line <= IN_SCALE * highest else 0
    clear = line > highest * 6 // 5
    canvas.y += 22 if line and not clear else 0  # for its words
    plot = money_axis(canvas, (max(highest, line) or NANO_PER_USD) * 110 // 100 + 1, HEIGHT)
    _bars(canvas, plot, chart.bars, [name for name, _ in named])
    if line:
        _line(canvas, plot, Usd(line), clear=clear)
    if not highest:
        middle = (plot.left + plot.right) / 2, (plot.top + plot.bottom) / 2
        canvas.words.append(Words(middle, chart_words.NONE_THEN, TEXT, Ink.MUTED, anchor=Anchor.MIDDLE))
    slot = (plot.right - plot.left) / max(1, len(chart.bars))
    marks = bar_ticks(tuple(bar.begins_ms for bar in chart.bars), chart.slot, zone)
    ticks_below(canvas, plot, [(plot.left + (n + 0.5) * slot, words) for n, words in marks])
    canvas.y += 22
    legend(canvas, _entries(named, chart.spent))
    strip(canvas, chart_words.PAID_FOR, [(_of_class(one.kind, one.spent), one.spent) for one in chart.classes])
    strip(canvas, chart_words.CAME_OF_IT, [(outcome(o.came, o.spent, o.turns), o.spent) for o in chart.outcomes])
    return canvas.scene()


def _warnings(chart: PeriodChart) -> list[str]:
    if chart.unpriced_calls:
        return [chart_words.unpriced(chart.unpriced_calls)]
    return [chart_words.LOWER_BOUND] if chart.at_least else []


def _used(canvas: Canvas, spent: Usd, limit: Usd) -> None:
    """How much of the limit is used, as a bar below the first line."""
    canvas.y += 30
    end = MARGIN + ROOM * min(1.0, spent.nano / limit.nano)
    canvas.box(MARGIN, canvas.y, RIGHT, canvas.y + 16, Ink.GRID)
    canvas.box(MARGIN, canvas.y, end, canvas.y + 16, Ink.LIMIT if spent > limit else Ink.TEXT)
    canvas.y += 20


def _total(bar: Bar) -> int:
    return sum(share.spent.nano for share in bar.shares)


def _bars(canvas: Canvas, plot: Plot, bars: Sequence[Bar], named: Sequence[str]) -> None:
    """Each as high as what was spent in it, the dearest name lowest."""
    slot = (plot.right - plot.left) / max(1, len(bars))
    wide = min(0.74 * slot, 110)
    for n, bar in enumerate(bars):
        left = plot.left + (n + 0.5) * slot - wide / 2
        low = 0
        for nano, ink in _parts(bar, named):
            canvas.box(left, plot.y(low + nano), left + wide, plot.y(low), ink)
            low += nano
        if bar.unpriced_calls:
            place = (left + wide / 2, plot.y(low) - 10)
            canvas.words.append(Words(place, chart_words.UNKNOWN, SMALL, Ink.WARN, bold=True, anchor=Anchor.MIDDLE))


def _parts(bar: Bar, named: Sequence[str]) -> list[tuple[int, Ink]]:
    of = [(sum(s.spent.nano for s in bar.shares if s.name == name), SERIES[n]) for n, name in enumerate(named)]
    of.append((_total(bar) - sum(nano for nano, _ in of), Ink.OTHERS))
    return [part for part in of if part[0] > 0]


def _line(canvas: Canvas, plot: Plot, limit: Usd, *, clear: bool) -> None:
    """A day's limit. `clear`: no bar comes near it, and its words stand on it; otherwise they stand above all bars."""
    y = plot.y(limit.nano)
    canvas.lines.append(Line(((plot.left, y), (plot.right, y)), Ink.LIMIT, 4, dashed=True))
    words = chart_words.day_limit(limit)
    place = (plot.left + 8, y - 12 if clear else plot.top - 6)
    canvas.words.append(Words(place, words, SMALL, Ink.LIMIT))


def _entries(named: Sequence[tuple[str, Usd]], total: Usd) -> list[Entry]:
    found = [
        Entry(SERIES[n], Shape.BLOCK, legible(name) or "…", chart_words.dollars(spent))
        for n, (name, spent) in enumerate(named)
    ]
    rest = Usd(total.nano - sum(spent.nano for _, spent in named))
    if rest.nano > 0:
        found.append(Entry(Ink.OTHERS, Shape.BLOCK, chart_words.OTHERS, chart_words.dollars(rest)))
    return found


def _of_class(kind: CostClass, spent: Usd) -> Entry:
    return Entry(_CLASS_INKS[kind], Shape.BLOCK, kind.value, chart_words.dollars(spent))
