"""Make the README's pictures of charts in the chat, from made-up figures: a session, and a month.

Usage: python -m tools.cost_pictures   writes docs/cost-*.png, and docs/cost.png, the four side by side at the width of a phone.
They are drawn as the gateway draws them, in a process of their own.
"""

import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import anyio
from PIL import Image, ImageColor

from gateway.charts import Charts
from gateway.charts.child import indexed
from gateway.core.chart_times import days
from gateway.core.scene import COLOURS, Ink
from gateway.domain.charts import (
    Bar,
    Came,
    ClassSpend,
    CostClass,
    LimitFrom,
    OutcomeSpend,
    PeriodChart,
    SessionChart,
    Share,
    Slot,
    Theme,
    TurnSpend,
)
from gateway.domain.money import Usd

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
ZONE: Final = ZoneInfo("Europe/Berlin")
PHONE: Final = 390
"""Points that a phone is wide."""
FINE: Final = 1.5
"""Pixels for each of them in the README."""
AROUND: Final = "#8796a5"
BYTES_MAX: Final = 60_000
BEGAN: Final = datetime(2026, 3, 2, 9, 4, tzinfo=ZONE)
_MINUTE: Final = 60_000
_C, _D, _A, _N, _E, _S = Came.COMMITS, Came.CHANGES, Came.ANSWER, Came.NOTHING, Came.ERROR, Came.STOPPED
TURNS: Final = (
    (0, 3, "0.18", _A, "Where is the nightly report built, and why is it slow?"),
    (5, 9, "0.64", _C, "Ask the database once for all customers"),
    (17, 2, "0.11", _A, "Which tests cover totals?"),
    (21, 6, "0.39", _D, "Write a test for a customer without orders"),
    (30, 4, "0.22", _E, "Run the whole suite against the copy of production"),
    (37, 8, "0.57", _C, "Make the mail go out before the archive is written"),
    (58, 2, "0.09", _A, "What does the archive step wait for?"),
    (63, 12, "0.83", _C, "Move the archive to the worker and keep its order"),
    (79, 3, "0.16", _N, "Is the flag still read anywhere?"),
    (85, 5, "0.21", _S, "Rename the module"),
    (94, 7, "0.48", _C, "Bring the docs of the report up to date"),
)
GROUPS: Final = (
    ("shop", 61, (0, 1, 2, 3, 4)),
    ("reports", 34, (1, 2, 4)),
    ("website", 21, (0, 3)),
    ("mobile-app", 14, (2, 3, 4)),
    ("infra", 9, (0, 4)),
    ("scratch", 3, (1, 5)),
    ("dotfiles", 2, (5, 6)),
)
"""A project, dollars in the month, the days of the week on which they are spent."""


def session() -> SessionChart:
    """A morning's work: a limit of $3, raised to $5."""
    at = int(BEGAN.timestamp() * 1000)
    turns = tuple(
        TurnSpend(n, title, at + begin * _MINUTE, at + (begin + lasted) * _MINUTE, Usd.parse(spent), came)
        for n, (begin, lasted, spent, came, title) in enumerate(TURNS, start=1)
    )
    limits = (LimitFrom(at, Usd.parse("3")), LimitFrom(at + 68 * _MINUTE, Usd.parse("5")))
    return SessionChart("reports", turns, at + 101 * _MINUTE, limits)


def month() -> PeriodChart:
    """A month of several projects, with a limit for the month and one for the day."""
    begins = days(int(datetime(2026, 3, 1, 12, tzinfo=ZONE).timestamp() * 1000), 31, ZONE)
    bars = tuple(Bar(ms, _shares(n)) for n, ms in enumerate(begins))
    spent = sum(share.spent.nano for bar in bars for share in bar.shares)
    classes = {CostClass.OUTPUT: 38, CostClass.CACHE_READ: 33, CostClass.CACHE_WRITE: 24, CostClass.INPUT: 5}
    came = {_C: (52, 161), _D: (17, 74), _A: (14, 128), _N: (9, 37), _E: (5, 12), _S: (3, 9)}
    return PeriodChart(
        "March 2026",
        Slot.DAY,
        bars,
        sum(turns for _, turns in came.values()),
        limit=Usd.parse("200"),
        bar_limit=Usd.parse("12"),
        classes=tuple(ClassSpend(kind, Usd(spent * part // 100)) for kind, part in classes.items()),
        outcomes=tuple(OutcomeSpend(kind, Usd(spent * part // 100), turns) for kind, (part, turns) in came.items()),
    )


def _shares(day: int) -> tuple[Share, ...]:
    """What each project costs on a day of a month that begins on a Sunday: much on some, nothing on most weekends."""
    weekday = (day + 6) % 7
    found: list[Share] = []
    for n, (name, dollars, on) in enumerate(GROUPS):
        swing = (day * 37 + n * 53) % 19
        if weekday in on and swing > 2:  # noqa: PLR2004 - days off
            found.append(Share(name, Usd(dollars * 10_000_000 * (3 + swing) // len(on) * 185 // 100)))
    return tuple(found)


async def pictures() -> Mapping[str, bytes]:
    """Each chart in light and dark, by the name of its file."""
    found: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as place:
        charts = Charts(Path(place) / "fonts")
        for name, chart in (("session", session()), ("month", month())):
            for theme in Theme:
                drawn = await charts.draw(chart, theme, ZONE)
                if drawn is None:
                    raise SystemExit(f"{name} in {theme} could not be drawn")
                found[f"cost-{name}-{theme}.png"] = drawn
    return found


def beside(drawn: Mapping[str, bytes]) -> bytes:
    """All of them side by side, as wide as phones show them: light and dark of each."""
    wide, gap = round(PHONE * FINE), 24
    shown = [Image.open(BytesIO(one)).convert("RGB") for one in drawn.values()]
    small = [one.resize((wide, round(one.height * wide / one.width)), Image.Resampling.LANCZOS) for one in shown]
    sheet = Image.new("RGB", (len(small) * (wide + gap) + gap, max(one.height for one in small) + 2 * gap), AROUND)
    for n, one in enumerate(small):
        sheet.paste(one, (gap + n * (wide + gap), gap))
    return indexed(sheet, [ImageColor.getrgb(AROUND), *palette()])


def palette() -> list[tuple[int, ...]]:
    """The colours of both themes, and four steps between each and its paper."""
    found: list[tuple[int, ...]] = []
    for colours in COLOURS.values():
        paper = ImageColor.getrgb(colours[Ink.PAPER])
        for colour in dict.fromkeys(colours.values()):
            ends = list(zip(paper, ImageColor.getrgb(colour), strict=True))
            found += [tuple(round(low + (high - low) * step / 5) for low, high in ends) for step in range(1, 6)]
    return list(dict.fromkeys(found))[:255]


def main() -> None:
    """Write them into docs/."""
    drawn = dict(anyio.run(pictures))
    drawn["cost.png"] = beside(drawn)
    for name, content in drawn.items():
        (DOCS / name).write_bytes(content)
        sys.stdout.write(f"docs/{name}: {len(content)} bytes\n")


if __name__ == "__main__":
    main()
