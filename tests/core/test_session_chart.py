"""A session's chart: what stands where, decided without drawing."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.chart_parts import SIGNS
from gateway.core.charting import scene
from gateway.core.scene import Ink, Line, Scene, Shape
from gateway.core.session_chart import MERGED_PX, merged, strokes
from gateway.domain.charts import Came, SessionChart, TurnSpend
from gateway.domain.money import Usd
from tests.core.charts import AT, BERLIN, MINUTE, covered, cut, points, session, texts, turn, usd


def drawn(chart: SessionChart) -> Scene:
    """The picture; nothing of it is cut or covered."""
    picture = scene(chart, BERLIN)
    assert cut(picture) == []
    assert covered(picture) == []
    return picture


def of(picture: Scene, ink: Ink, *, dashed: bool = False) -> list[Line]:
    """Its lines of a colour."""
    return [line for line in picture.lines if line.ink is ink and line.dashed is dashed]


def test_the_first_lines_say_what_and_how_much() -> None:
    """Spent and limit, whose, how many turns, how long; the name is shortened and cannot hide anything."""
    chart = session(turn(1, 0, 5, "3.1"), limit=("5",), name="sh\u202eop")
    assert texts(drawn(chart))[:2] == ["$3.10 of $5.00", "sh\\u{202e}op · 1 turn · 5 min"]
    long = drawn(session(turn(1, 0, 5, "3.1"), name="shop " * 40))
    assert texts(long)[0] == "$3.10 spent"
    assert texts(long)[1].endswith("… · 1 turn · 5 min")


def test_a_session_without_turns_is_an_empty_plot_with_its_limit() -> None:
    """And says that there are none; without a limit too."""
    assert {"$0.00 of $5.00", "limit $5.00", "no turns yet"} <= set(texts(drawn(session(limit=("5",)))))
    assert "no turns yet" in texts(drawn(session()))


def test_each_turn_is_a_stroke_and_a_sign_of_what_came_of_it() -> None:
    """Colour and shape by outcome, no two alike; the legend has how many and how much."""
    chart = session(*(turn(n, n * 30, 20, "0.5", came) for n, came in enumerate(Came)), until=400)
    picture = drawn(chart)
    assert len(set(SIGNS.values())) == len({shape for _, shape in SIGNS.values()}) == len(Came)
    for ink, shape in SIGNS.values():
        assert len(of(picture, ink)) == 1
        assert len([dot for dot in picture.dots if (dot.ink, dot.shape) == (ink, shape)]) == 2  # curve and legend
    assert texts(picture).count("$0.50") == len(Came) + 3  # and the dearest
    assert "commits · 1 turn" in texts(picture)


def test_the_three_dearest_are_numbered_and_named() -> None:
    """Amount and words, the dearest first; a turn whose words are gone goes by its number, one that cost nothing not at all."""
    dear = (turn(4, 0, 1, "0.9", title="Move\nit"), turn(5, 5, 1, "0.3", title=""), turn(6, 10, 1, "0.4"))
    listed = texts(drawn(session(*dear, turn(7, 15, 1, "0.1"), turn(8, 20, 1, "0"))))[-9:]
    assert listed == ["1", "$0.90", "Move it", "2", "$0.40", "Fix number 6", "3", "$0.30", "turn 5"]
    assert texts(drawn(session(turn(1, 0, 1, "0"))))[-1] != "Fix number 1"


def test_a_raise_is_a_step_and_the_last_limit_counts() -> None:
    """The line goes up where it was raised; each level says what it is."""
    picture = drawn(session(turn(1, 0, 30, "3.5"), limit=("3", "5")))
    (line,) = of(picture, Ink.LIMIT, dashed=True)
    assert len(line.points) == 4
    (x1, y1), (x2, y2), (x3, y3), (x4, y4) = line.points
    assert (x2, y1, y3) == (x3, y2, y4)
    assert x1 < x2 < x4
    assert y3 < y1
    assert {"$3.50 of $5.00", "limit $3.00", "now $5.00"} <= set(texts(picture))


def test_raises_too_close_to_each_other_are_drawn_and_only_those_with_room_are_named() -> None:
    """No word covers another."""
    picture = drawn(session(turn(1, 0, 400, "3.5"), limit=("3", "4", "5", "6"), until=400))
    assert len(of(picture, Ink.LIMIT, dashed=True)[0].points) == 8
    assert sum("now" in words for words in texts(picture)) < 3


def test_more_than_the_limit_is_said_beside_it_or_below_where_there_is_no_room() -> None:
    """In the colour of the limit."""
    assert "$0.42 over" in texts(drawn(session(turn(1, 0, 5, "5.42"), limit=("5",))))
    much = texts(drawn(session(turn(1, 0, 5, "999999", lower_bound=True), limit=("500000",))))
    assert much[0] == "≥ $999,999 of $500,000"
    assert "$499,999 over" in much


def test_a_limit_far_above_is_not_drawn_since_the_curve_would_be_flat() -> None:
    """It stands in the first line."""
    picture = drawn(session(turn(1, 0, 5, "0.3"), limit=("50",)))
    assert texts(picture)[0] == "$0.30 of $50.00"
    assert of(picture, Ink.LIMIT, dashed=True) == []


def test_calls_without_a_price_are_said_and_marked_and_never_nothing() -> None:
    """A lower bound, a sentence, a question mark at the turn."""
    picture = drawn(session(turn(1, 0, 5, "0.3", unpriced_calls=3), turn(2, 10, 5, "0", unpriced_calls=2)))
    assert texts(picture)[0] == "≥ $0.30 spent"
    assert "5 calls have no known price: not included" in texts(picture)
    assert texts(picture).count("?") == 2
    assert "≥ $0.30" in texts(picture)


def test_a_lower_bound_says_that_it_is_one() -> None:
    """Calls that a crash cut short."""
    said = texts(drawn(session(turn(1, 0, 5, "0.3", lower_bound=True))))
    assert said[0] == "≥ $0.30 spent"
    assert "some calls were cut short: it may be more" in said


def test_where_a_running_turn_may_come_to_is_drawn() -> None:
    """From what is spent up; one that has passed it already shows nothing."""
    picture = drawn(session(turn(1, 0, 5, "0.3"), turn(2, 10, None, "0.4", Came.RUNNING, most=usd("1.6"))))
    assert "up to $1.90" in texts(picture)
    assert len(of(picture, Ink.RUNNING, dashed=True)) == 1
    passed = drawn(session(turn(2, 10, None, "0.4", Came.PAUSED, most=usd("0.2"))))
    assert not any("up to" in words for words in texts(passed))


def test_turns_that_overlap_are_drawn_one_after_another() -> None:
    """The sum is the same, and time does not run backwards."""
    found = strokes(session(turn(2, 3, 20, "1"), turn(1, 0, 10, "2"), turn(3, 5, 1, "4")))
    assert [one.after for one in found] == [4 * 10**9, 6 * 10**9, 7 * 10**9]
    assert all(one.begun_ms <= one.ended_ms for one in found)
    assert all(a.ended_ms <= b.begun_ms for a, b in pairwise(found))


def test_what_was_spent_before_is_in_the_sum() -> None:
    """The curve begins there."""
    chart = SessionChart("shop", (turn(1, 0, 5, "1"),), AT + 5 * MINUTE, spent_before=usd("2"))
    assert strokes(chart)[0].before == 2 * 10**9
    assert texts(drawn(chart))[0] == "$3.00 spent"


def test_ten_thousand_turns_are_few_strokes_with_the_same_sum() -> None:
    """Those that nobody could tell apart are one, in the colour of most of the money."""
    chart = session(*(turn(n, n * 30, 20, "4", list(Came)[n % 6]) for n in range(1, 10_001)), until=301_000)
    every = strokes(chart)
    few = merged(every, 1000 / (300_000 * MINUTE), 500 / (40_000 * 10**9))
    assert (few[0].before, few[-1].after) == (0, 40_000 * 10**9)
    assert len(few) < 2_000 / MERGED_PX
    assert sum(len(one.numbers) for one in few) == 10_000
    picture = drawn(chart)
    assert texts(picture)[0] == "$40,000 spent"
    assert len(picture.lines) < 700
    assert len(picture.dots) < 120


def test_merged_turns_are_what_most_of_their_money_went_to() -> None:
    """A dear error among cheap answers is an error."""
    (one,) = merged(
        strokes(session(turn(1, 0, 1, "0.01"), turn(2, 1, 1, "0.5", Came.ERROR), turn(3, 2, 1, "0.01"))), 0, 0
    )
    assert one.came is Came.ERROR


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**9),
            st.none() | st.integers(-1000, 10**8),
            st.integers(0, 10**13),
            st.sampled_from(Came),
            st.integers(0, 2),
        ),
        max_size=40,
    ),
    st.lists(st.integers(0, 10**14), max_size=3),
)
@settings(deadline=None)
def test_whatever_was_spent_everything_is_inside_the_picture(
    turns: list[tuple[int, int | None, int, Came, int]], changes: list[int]
) -> None:
    """No place is outside, nothing that is written is cut or covered, and colours are never alone: signs have shapes."""
    made = tuple(
        TurnSpend(n, "日本 W" * n, AT + at, None if long is None else AT + at + long, Usd(nano), came, unpriced)
        for n, (at, long, nano, came, unpriced) in enumerate(turns)
    )
    base = session(limit=tuple(str(nano // 10**9) for nano in changes))
    picture = drawn(SessionChart("a shop", made, AT + 10**9, base.limits))
    assert all(0 <= x <= picture.width and 0 <= y <= picture.height for x, y in points(picture))
    assert all(isinstance(dot.shape, Shape) for dot in picture.dots)


@pytest.mark.parametrize("spent", ["0.0004", "0.05", "7", "950", "40000"])
def test_amounts_of_every_size_have_room_beside_the_axis(spent: str) -> None:
    """From fractions of a cent to tens of thousands."""
    picture = drawn(session(turn(1, 0, 5, spent), limit=("5",)))
    assert any(words.startswith("$0") for words in texts(picture))
