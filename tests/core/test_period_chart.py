"""A period's chart: what stands where, decided without drawing."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.chart_parts import Canvas, Plot, ticks_below
from gateway.core.charting import scene
from gateway.core.period_chart import groups
from gateway.core.scene import SERIES, TITLE, Area, Ink, Scene
from gateway.domain.charts import (
    Bar,
    Came,
    ClassSpend,
    CostClass,
    OutcomeSpend,
    PeriodChart,
    Share,
    Slot,
)
from gateway.domain.money import Usd
from tests.core.charts import AT, BERLIN, covered, cut, month, points, texts, usd


def drawn(chart: PeriodChart) -> Scene:
    """The picture; nothing of it is cut or covered."""
    picture = scene(chart, BERLIN)
    assert cut(picture) == []
    assert covered(picture) == []
    return picture


def high(area: Area) -> float:
    """How high a rectangle is."""
    return area.points[2][1] - area.points[0][1]


def of(picture: Scene, ink: Ink) -> list[Area]:
    """Its rectangles of a colour."""
    return [area for area in picture.areas if area.ink is ink]


def test_bars_are_as_high_as_what_was_spent_the_dearest_name_lowest() -> None:
    """Two names on one day: one stands on the other, in proportion."""
    picture = drawn(month((3, "shop", "4"), (3, "site", "2"), (9, "shop", "1")))
    (big, small), (site,) = sorted(of(picture, SERIES[0]), key=high, reverse=True), of(picture, SERIES[1])
    assert round(high(big) / high(small), 3) == 4
    assert round(high(big) / high(site), 3) == 2
    assert site.points[2][1] == big.points[0][1]
    assert texts(picture)[:2] == ["$7.00 spent", "March 2026 · 3 turns"]
    assert {"1 Mar", "8 Mar", "29 Mar"} <= set(texts(picture))


def test_at_most_five_names_and_the_others_and_the_sum_is_whole() -> None:
    """The five dearest by name; what is left is others."""
    chart = month(*((n, f"p{n}", f"{n}.5") for n in range(1, 9)))
    assert groups(chart.bars) == tuple((f"p{n}", usd(f"{n}.5")) for n in (8, 7, 6, 5, 4))
    picture = drawn(chart)
    assert "others" in texts(picture)
    assert "$7.50" in texts(picture)
    assert len(of(picture, Ink.OTHERS)) == 3


def test_a_limit_of_the_period_is_a_bar_and_one_of_the_day_a_line() -> None:
    """Used up to so much; more than all of it is in the limit's colour and said."""
    within = drawn(month((3, "shop", "4"), limit=usd("8"), bar_limit=usd("5")))
    used = of(within, Ink.TEXT)[0]
    assert round((used.points[1][0] - used.points[0][0]) / 1074, 3) == 0.5
    assert "limit $5.00 a day" in texts(within)
    over = drawn(month((3, "shop", "4"), limit=usd("3"), bar_limit=usd("500")))
    assert "$1.00 over" in texts(over)
    assert of(over, Ink.LIMIT)
    assert not any("a day" in words for words in texts(over))
    assert texts(drawn(month((3, "shop", "4"), limit=usd("0"))))[0] == "$4.00 of $0.00"


def test_a_period_in_which_nothing_was_spent_says_so() -> None:
    """With axes, and without bars; one without any bar too."""
    assert "nothing was spent" in texts(drawn(month(bar_limit=usd("5"))))
    assert "nothing was spent" in texts(drawn(PeriodChart("never", Slot.DAY, (), 0)))


def test_calls_without_a_price_are_said_and_marked() -> None:
    """A lower bound, a sentence, a question mark over the bar."""
    bars = (Bar(AT, (Share("shop", usd("1")),), 2), Bar(AT + 86_400_000))
    said = texts(drawn(PeriodChart("two days", Slot.DAY, bars, 3)))
    assert said[0] == "≥ $1.00 spent"
    assert "2 calls have no known price: not included" in said
    assert said.count("?") == 1
    beside = drawn(PeriodChart("days", Slot.DAY, bars[:1] * 20, 3, bar_limit=usd("0.9")))
    assert "limit $0.90 a day" in texts(beside)
    assert "some calls were cut short: it may be more" in texts(drawn(month((1, "shop", "1"), lower_bound=True)))


def test_strips_tell_what_was_paid_for_and_what_came_of_it() -> None:
    """Parts in proportion, the largest first, with amounts; what is nothing is left out, and so is an empty strip."""
    classes = (ClassSpend(CostClass.INPUT, usd("1")), ClassSpend(CostClass.OUTPUT, usd("3")))
    outcomes = (OutcomeSpend(Came.COMMITS, usd("4"), 2), OutcomeSpend(Came.ERROR, usd("0"), 1))
    picture = drawn(month((3, "shop", "4"), classes=classes, outcomes=outcomes))
    said = texts(picture)
    assert said.index("What was paid for") < said.index("output") < said.index("input") < said.index("What came of it")
    assert "commits · 2 turns" in said
    assert not any("error" in words for words in said)
    assert "What came of it" not in texts(drawn(month((3, "shop", "4"), classes=classes)))


def test_long_legends_are_short_all_together() -> None:
    """If one of them has no room for its words, none has them."""
    outcomes = (OutcomeSpend(Came.COMMITS, usd("39000"), 1_234), OutcomeSpend(Came.ERROR, usd("1"), 1))
    assert {"commits · 1,234", "error · 1"} <= set(texts(drawn(month((3, "shop", "4"), outcomes=outcomes))))


def test_a_first_line_that_is_too_long_is_smaller() -> None:
    """Two amounts of a nano-dollar are more digits than there is room for."""
    picture = drawn(month((1, "shop", "0.000000001"), limit=usd("0.000000001")))
    assert picture.words[0].text == "$0.000000001 of $0.000000001"
    assert picture.words[0].size < TITLE


def test_a_mark_that_would_cover_the_one_before_is_left_out() -> None:
    """And one at the edge is moved in."""
    canvas = Canvas()
    ticks_below(canvas, Plot(100, 0, 1122, 400, 1), [(200, "09:00"), (220, "09:05"), (1122, "10:00")])
    assert [words.text for words in canvas.words] == ["09:00", "10:00"]
    assert cut(canvas.scene()) == []


def test_names_are_somebodys_words() -> None:
    """Shortened, and nothing is hidden in them; an empty one is still a line of the legend."""
    said = texts(drawn(month((3, "W" * 200, "4"), (4, "\u202eevil", "2"), (5, "", "1"))))
    assert "\\u{202e}evil" in said
    assert "…" in said
    assert any(words.startswith("WWW") and words.endswith("…") for words in said)


@given(
    st.lists(st.tuples(st.integers(1, 31), st.integers(0, 8), st.integers(0, 10**13)), max_size=60),
    st.none() | st.integers(0, 10**14),
    st.lists(st.tuples(st.sampled_from(Came), st.integers(0, 10**13), st.integers(0, 10**6)), max_size=8),
)
@settings(deadline=None)
def test_whatever_was_spent_everything_is_inside_the_picture(
    shares: list[tuple[int, int, int]], limit: int | None, came: list[tuple[Came, int, int]]
) -> None:
    """No place is outside, and nothing that is written is cut or covered."""
    bars = tuple(
        Bar(bar.begins_ms, tuple(Share(f"p{name}", Usd(nano)) for day, name, nano in shares if day == n))
        for n, bar in enumerate(month().bars, start=1)
    )
    most = None if limit is None else Usd(limit)
    outcomes = tuple(OutcomeSpend(kind, Usd(nano), turns) for kind, nano, turns in came)
    chart = PeriodChart("March", Slot.DAY, bars, 9, most, most, outcomes=outcomes)
    picture = drawn(chart)
    assert all(0 <= x <= picture.width and 0 <= y <= picture.height for x, y in points(picture))
