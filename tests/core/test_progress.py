"""What is shown of a turn at work: the status message's lines, the nearest limit, and the end of what is being written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.gauges import Gauge
from gateway.core.progress import (
    CELLS,
    QUIET_MS,
    REPEAT_MS,
    Doing,
    Drafted,
    Phase,
    cells,
    closed,
    draft_due,
    draft_id,
    is_due,
    status,
    tail,
    tightest,
)
from gateway.domain.budget import Scope, ScopeKind, Unit
from gateway.domain.turn import Turn
from tests.chats.corpus import STREAM
from tests.core.make import turn, usd

DAY = Scope(ScopeKind.DAY, "2026-01-31")


def money(used: str, limit: str, scope: Scope = DAY) -> Gauge:
    """So much of a limit."""
    return Gauge(scope, Unit.USD, usd(used).nano, usd(limit).nano)


def running(**more) -> Turn:
    """A turn at work."""
    return turn(started_at_ms=0, spent=usd("0.12"), ceiling=usd("1"), **more)


def test_the_status_says_first_what_the_agent_does_now_and_last_how_near_the_limit_is() -> None:
    """The present action and since when, at most three before it, the last words, time and cost, the bar: seven lines."""
    doing = Doing(Phase.ACTS, 12_400, ("Read a", "Read b", "Edit c", "Edit d", "Bash pytest -q"), " Found\n it. ")
    shown = status(running(), doing, money("0.42", "5"), 72_000)
    assert shown.splitlines() == [
        "Now: Bash pytest -q · 12 s",
        "▸ Read b",
        "▸ Edit c",
        "▸ Edit d",
        "Found it.",
        "Working · 1 min 12 s · $0.12",
        "▰▱▱▱▱▱▱▱▱▱ $0.42 of $5.00 today",
    ]


def test_a_status_without_anything_to_tell_says_that_it_starts() -> None:
    """Before the start no time has passed, a clock set back counts as none, and without a limit there is no bar."""
    assert status(turn(), Doing(), None, 99_000) == "Now: starting · 0 s\nWorking · 0 s · $0.00"
    early = status(turn(started_at_ms=9_000), Doing(since_ms=-5), None, 0)
    assert early == "Now: starting · 0 s\nWorking · 0 s · $0.00"


def test_what_works_in_the_background_is_counted() -> None:
    """Agents, which spend, and tasks, which do not, by their right names for one and many."""
    assert status(turn(), Doing(agents=1), None, 0).endswith("$0.00 · 1 agent in the background")
    assert status(turn(), Doing(others=1), None, 0).endswith("$0.00 · 1 task in the background")
    both = status(turn(), Doing(agents=2, others=3), None, 0)
    assert both.endswith("$0.00 · 2 agents and 3 tasks in the background")


@pytest.mark.parametrize(
    ("phase", "first"),
    [
        (Phase.THINKS, "Now: thinking · 3 s"),
        (Phase.WRITES, "Now: writing · 3 s"),
        (Phase.WAITS, "Waits for your answer to the question below."),
        (Phase.ACTS, "Now: thinking · 3 s"),
    ],
)
def test_the_first_line_tells_what_the_agent_is_at(phase: Phase, first: str) -> None:
    """Also where it waits for a person; one that acts without an action is none."""
    assert status(turn(), Doing(phase, 3_000), None, 0).splitlines()[0] == first


def test_where_there_are_no_drafts_the_status_shows_what_is_written() -> None:
    """Below time and cost, in place of actions and earlier words, closed as Markdown."""
    doing = Doing(Phase.WRITES, 0, ("Read a",), "Earlier.", writing="It is **bo")
    assert status(turn(), doing, None, 0).splitlines() == [
        "Now: writing · 0 s",
        "Working · 0 s · $0.00",
        "",
        "It is **bo**",
    ]


@given(st.lists(st.text(max_size=300), max_size=30), st.text(max_size=5_000), st.sampled_from(Phase))
def test_a_status_fits_a_phone_whatever_the_agent_does(actions: list[str], said: str, phase: Phase) -> None:
    """At most eight lines, none of them long, whatever tools and words are called."""
    doing = Doing(phase, 1_000, tuple(actions), said, agents=3, others=2)
    lines = status(running(), doing, money("1", "2"), 5_000).split("\n")
    assert len(lines) <= 8
    assert max(map(len, lines)) <= 1_000  # escaped; shown it is a fifth of that at most


def test_the_nearest_limit_is_the_one_that_is_used_most() -> None:
    """Of the scopes', the counts' and what was agreed to for the turn; a pace is a figure of another kind."""
    calls = Gauge(DAY, Unit.CALLS, 9, 10)
    pace = Gauge(Scope(ScopeKind.TURN, "t"), Unit.PACE, 99, 100)
    own = Gauge(Scope(ScopeKind.TURN, running().id), Unit.USD, usd("0.12").nano, usd("1").nano)
    assert tightest(running(), []) == own
    assert tightest(running(), [money("1", "25")]) == own
    assert tightest(running(), [money("20", "25")]) == money("20", "25")
    assert tightest(running(), [money("20", "25"), calls, pace]) == calls
    assert tightest(turn(), []) is None
    assert status(turn(), Doing(), calls, 0).endswith("▰▰▰▰▰▰▰▰▰▱ 9 of 10 calls today")


@given(st.integers(-5, 10**12), st.integers(1, 10**12))
def test_a_bar_is_never_wider_than_it_is(used: int, limit: int) -> None:
    """Empty means nothing is used, and full that all of it is."""
    full = cells(Gauge(DAY, Unit.CALLS, used, limit))
    assert 0 <= full <= CELLS
    assert (full == 0) == (used <= 0)
    assert (full == CELLS) == (used >= limit)


def test_a_status_changes_on_news_and_else_only_to_count_on() -> None:
    """News wait for the chat's pace, the time for twelve seconds, and while a person is waited for only news count."""
    assert not is_due(is_news=True, waits=False, shown_ms_ago=1_499, gap_ms=1_500)
    assert is_due(is_news=True, waits=True, shown_ms_ago=1_500, gap_ms=1_500)
    assert not is_due(is_news=False, waits=False, shown_ms_ago=QUIET_MS - 1, gap_ms=1_500)
    assert is_due(is_news=False, waits=False, shown_ms_ago=QUIET_MS, gap_ms=1_500)
    assert not is_due(is_news=False, waits=True, shown_ms_ago=QUIET_MS * 9, gap_ms=1_500)


def test_a_draft_goes_out_once_a_second_and_again_before_it_would_be_gone() -> None:
    """The first one at once, nothing for no text, and the same text only when thirty seconds are near."""
    assert not draft_due(" ", None, 0)
    assert draft_due("a", None, 0)
    assert not draft_due("ab", Drafted("a", 0), 999)
    assert draft_due("ab", Drafted("a", 0), 1_000)
    assert not draft_due("a", Drafted("a", 0), REPEAT_MS - 1)
    assert draft_due("a", Drafted("a", 0), REPEAT_MS)
    assert REPEAT_MS < 30_000


@given(st.text(max_size=40))
def test_a_draft_has_a_number_that_telegram_takes(turn_id: str) -> None:
    """Never zero, and in 31 bits; the same one for the same turn."""
    assert 0 < draft_id(turn_id) < 2**31
    assert draft_id(turn_id) == draft_id(turn_id)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("plain", "plain"),
        ("a **bold", "a **bold**"),
        ("a **bold** b", "a **bold** b"),
        ("a **", "a "),
        ("run `ls -l", "run `ls -l`"),
        ("run ``a`b", "run ``a`b``"),
        ("**use `ls", "**use `ls`**"),
        ("`**` is", "`**` is"),
        ("**old\n\nnew", "**old\n\nnew"),
        ("```py\nx = 1", "```py\nx = 1\n```"),
        ("```py\nx = 1\n```\ndone **it", "```py\nx = 1\n```\ndone **it**"),
        ("~~~~\na\n~~~", "~~~~\na\n~~~\n~~~~"),
        ("```x``` is\nso **it", "```x``` is\nso **it**"),
    ],
)
def test_markdown_that_is_not_all_there_is_closed(text: str, whole: str) -> None:
    """A fence, bold type and code; marks in code or in an earlier paragraph are none, and code in a line begins no fence."""
    assert closed(text) == whole


def test_the_end_of_a_text_begins_at_a_line_and_keeps_its_fence() -> None:
    """What begins in the middle of a fence is shown as code of the same language."""
    code = "\n".join(f"line {n}" for n in range(1_000))
    end = tail(f"Look:\n\n```python\n{code}", 500)
    assert end.startswith("```python\nline ")
    assert end.endswith("line 999")
    after = tail(f"```python\n{code}\n```\n" + "word " * 100 + "\nlast line", 30)
    assert after == "last line"
    assert tail("x" * 50, 20) == "x" * 20
    assert tail("short", 20) == "short"


@given(st.integers(0, len(STREAM)), st.sampled_from((50, 400, 1_500)))
def test_the_end_of_any_beginning_is_short(at: int, most: int) -> None:
    """Whatever is cut where: as much as was asked for, and the fence's first line."""
    end = closed(tail(STREAM[:at], most))
    assert len(end) <= most + 120
