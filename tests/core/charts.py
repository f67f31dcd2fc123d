"""Charts for tests, and what of a picture can be looked at without drawing it."""

from collections.abc import Iterable
from itertools import combinations
from zoneinfo import ZoneInfo

from gateway.core.chart_times import days
from gateway.core.scene import Ink, Scene, Words
from gateway.domain.charts import Bar, Came, LimitFrom, PeriodChart, SessionChart, Share, Slot, TurnSpend
from gateway.domain.money import Usd

BERLIN = ZoneInfo("Europe/Berlin")
AT = 1_772_438_640_000
"""2 March 2026 09:04 in Berlin."""
MINUTE = 60_000


def usd(text: str) -> Usd:
    """An amount."""
    return Usd.parse(text)


def turn(
    number: int, begin: int, lasted: int | None, spent: str, came: Came = Came.ANSWER, **more: object
) -> TurnSpend:
    """A turn that begins so many minutes after AT and lasts so many; None: it is not over."""
    ended = None if lasted is None else AT + (begin + lasted) * MINUTE
    title = str(more.pop("title", f"Fix number {number}"))
    return TurnSpend(number, title, AT + begin * MINUTE, ended, usd(spent), came, **more)  # type: ignore[arg-type]


def limits(*amounts: str) -> tuple[LimitFrom, ...]:
    """A limit that changes every ten minutes."""
    return tuple(LimitFrom(AT + n * 10 * MINUTE, usd(amount)) for n, amount in enumerate(amounts))


def session(*turns: TurnSpend, limit: tuple[str, ...] = (), name: str = "shop", until: int = 30) -> SessionChart:
    """A session, drawn so many minutes after AT."""
    return SessionChart(name, turns, AT + until * MINUTE, limits(*limit))


def month(*shares: tuple[int, str, str], **more: object) -> PeriodChart:
    """March 2026: what was spent (day, name, amount)."""
    bars = tuple(
        Bar(ms, tuple(Share(name, usd(spent)) for day, name, spent in shares if day == n))
        for n, ms in enumerate(days(AT - 24 * 60 * MINUTE, 31, BERLIN), start=1)
    )
    return PeriodChart("March 2026", Slot.DAY, bars, len(shares), **more)  # type: ignore[arg-type]


def texts(scene: Scene) -> list[str]:
    """What is written, in the order in which it is drawn."""
    return [words.text for words in scene.words]


def inks(scene: Scene) -> set[Ink]:
    """The colours of signs."""
    return {dot.ink for dot in scene.dots}


def cut(scene: Scene) -> list[str]:
    """What is written beyond the picture's edge."""
    boxes = [(words.text, words.box) for words in scene.words]
    return [t for t, (l, top, r, low) in boxes if l < 0 or top < 0 or r > scene.width or low > scene.height]  # noqa: E741


def covered(scene: Scene) -> list[tuple[str, str]]:
    """What is written over something else that is written."""
    return [(one.text, other.text) for one, other in combinations(scene.words, 2) if _meet(one, other)]


def _meet(one: Words, other: Words) -> bool:
    a, b = one.box, other.box
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def points(scene: Scene) -> Iterable[tuple[float, float]]:
    """Every place that is drawn at."""
    for shape in (*scene.areas, *scene.lines):
        yield from shape.points
    for dot in scene.dots:
        yield dot.at
