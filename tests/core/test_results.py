"""What came of the money, by figures made by hand."""

from typing import Any

import pytest

from gateway.core.outcome import DAY_MS
from gateway.core.results import came, quarter, results, survival
from gateway.domain.money import Usd
from gateway.domain.outcome import Change, Commit, Fate, LeftKind, Merged, SeenTests, Sight, Whose
from gateway.domain.results import Lines, Price, RanTests, Spread, Survival, Turned
from gateway.domain.spending import By, Place, Spent
from gateway.domain.turn import OutcomeKind

NOW = 1_800_000_000_000
OLD = NOW - 10 * DAY_MS
FINE = Fate(NOW, branch="main", merged=Merged.ITSELF, after_7=8)


def turn(session: str, cost: int, left: LeftKind | None, *commits: Commit, **more: Any) -> Turned:
    """A turn of ten days ago that is over, in a repository."""
    facts: dict[str, Any] = {
        "session": session,
        "project": f"/srv/{session[0]}",
        "agent": "claude",
        "model": "opus",
        "at_ms": OLD,
        "cost": cost,
        "calls": 2,
        "unpriced": 0,
        "at_least": False,
        "over": True,
        "ended": OutcomeKind.ANSWER,
        "left": left,
        "sight": Sight.SEEN,
        "commits": commits,
    }
    return Turned(**facts | more)


def commit(sha: str, fate: Fate | None = FINE, at_ms: int = OLD, added: int = 10, whose: Whose = Whose.TURN) -> Commit:
    """A commit that added so many lines."""
    return Commit("t", sha, "/r/.git", whose, Change(1, added, 0), at_ms, at_ms, fate)


def spent(cost: int, turns: int) -> Spent:
    """So much, in turns of two calls."""
    return Spent(Usd(cost), turns=turns, calls=2 * turns)


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({"over": False, "left": LeftKind.COMMITS}, None),
        ({"left": LeftKind.COMMITS, "ended": OutcomeKind.ERROR}, LeftKind.COMMITS),
        ({"left": None, "ended": OutcomeKind.ERROR}, LeftKind.ERROR),
        ({"left": None, "ended": OutcomeKind.CANCELLED}, LeftKind.CANCELLED),
        ({"left": None, "ended": OutcomeKind.NOTHING}, LeftKind.UNKNOWN),
        ({"left": None, "ended": OutcomeKind.ANSWER}, LeftKind.UNKNOWN),
        ({"left": None, "ended": None}, LeftKind.UNKNOWN),
    ],
)
def test_what_nobody_looked_at_is_unknown_and_never_nothing(facts: dict[str, Any], kind: LeftKind | None) -> None:
    """An error and a cancel are known without a look; a turn that is not over has come to nothing yet that could be told."""
    assert came(turn("a", 1, None)._replace(**facts)) is kind


@pytest.mark.parametrize(
    ("fate", "age_days", "added", "known"),
    [
        (FINE, 7, 10, Survival.SURVIVES),
        (FINE, 6.99, 10, Survival.YOUNG),
        (None, 1, 10, Survival.YOUNG),
        (None, 8, 10, Survival.UNKNOWN),
        (Fate(NOW, gone=True), 1, 10, Survival.YOUNG),
        (Fate(NOW, gone=True), 8, 10, Survival.LOST),
        (Fate(NOW, branch="main", reverted_by="f", after_7=8), 8, 10, Survival.LOST),
        (Fate(NOW), 8, 10, Survival.UNMERGED),
        (Fate(NOW - 5 * DAY_MS), 8, 10, Survival.UNKNOWN),
        (Fate(NOW, branch="main"), 8, 10, Survival.UNKNOWN),
        (Fate(NOW, branch="main"), 8, 0, Survival.SURVIVES),
        (Fate(NOW, branch="main", after_7=0), 8, 10, Survival.LOST),
        (Fate(NOW, branch="main", after_7=5, after_30=0), 31, 10, Survival.LOST),
        (Fate(NOW, branch="main", after_7=0, after_30=1), 31, 10, Survival.SURVIVES),
        (Fate(NOW, branch="main", after_30=1), 31, 10, Survival.SURVIVES),
    ],
)
def test_a_commit_survives_by_what_was_last_seen_of_it(
    fate: Fate | None, age_days: float, added: int, known: Survival
) -> None:
    """Too young is not known, whatever was seen; on its own branch it neither survives nor is lost; one that only removes is merged."""
    assert survival(commit("a", fate, NOW - int(age_days * DAY_MS), added), NOW) is known


def test_quarters_lie_between_figures_in_proportion() -> None:
    """Of one figure all are that; of an even number the median is between the two in the middle, rounded down."""
    assert [quarter([7], at) for at in range(5)] == [7] * 5
    assert [quarter([10, 20, 30, 45], at) for at in range(5)] == [10, 17, 25, 33, 45]
    assert quarter([1, 2], 2) == 1


def test_money_is_told_by_what_came_of_it_with_what_failed_in_the_price() -> None:
    """Six turns of three sessions by hand: 60 + 20 + 30 + 10 nano-dollars for two surviving commits are 60 each."""
    lost = commit("c", Fate(NOW, branch="main", reverted_by="f", after_7=0))
    turns = [
        turn("a1", 60, LeftKind.COMMITS, commit("a"), commit("b", added=30), tests=SeenTests(1, "pytest", passed=True)),
        turn("a1", 20, LeftKind.ERROR, tests=SeenTests(2, "pytest", passed=False)),
        turn("a2", 30, LeftKind.COMMITS, lost),
        turn("b1", 10, LeftKind.NOTHING, tests=SeenTests(1, "make")),
        turn("b1", 7, LeftKind.CANCELLED, at_ms=NOW - DAY_MS),
        turn("b1", 5, LeftKind.ANSWER, sight=Sight.NO_REPOSITORY),
        turn("b1", 3, None, sight=None),
        turn("b1", 2, LeftKind.COMMITS, over=False, sight=None),
    ]
    found = results(turns, By.PROJECT, NOW)
    assert [(one.kind, one.spent.cost.nano, one.spent.turns, one.median.nano) for one in found.came] == [
        (LeftKind.COMMITS, 90, 2, 45),
        (LeftKind.ANSWER, 5, 1, 5),
        (LeftKind.NOTHING, 10, 1, 10),
        (LeftKind.ERROR, 20, 1, 20),
        (LeftKind.CANCELLED, 7, 1, 7),
        (LeftKind.UNKNOWN, 3, 1, 3),
        (None, 2, 1, 2),
    ]
    assert (found.total, found.sessions, found.fruitless) == (spent(137, 8), 3, spent(37, 3))
    assert sum(one.spent.cost.nano for one in found.came) == found.total.cost.nano
    assert (found.price, found.price.each) == (Price(spent(120, 4), 2), Usd(60))
    assert (found.young, found.outside, found.unseen) == (spent(7, 1), spent(5, 1), spent(5, 2))
    assert found.price.spent.cost.nano + 7 + 5 + 5 == found.total.cost.nano
    assert found.spread == Spread(1, *[Usd(40)] * 5)
    assert (found.barren, found.barren_sessions) == (spent(40, 2), 2)
    assert (found.own, found.fates) == (3, {Survival.SURVIVES: 2, Survival.LOST: 1})
    assert found.lines == (Lines(7, 3, 50, 16), Lines(30, 0, 0, 0))
    assert (found.tests, found.tests.turns, found.until_ms) == (RanTests(1, 1, 1), 3, NOW - 7 * DAY_MS)
    one, two = found.groups
    assert (one.group.name, one.group.spent.cost.nano, one.group.sessions, one.own) == ("/srv/a", 110, 2, 3)
    assert (one.price, one.fruitless) == (Price(spent(110, 3), 2), spent(20, 1))
    assert (two.group.name, two.group.spent.cost.nano, two.price.each) == ("/srv/b", 27, None)
    assert (two.group.first_ms, two.group.last_ms, two.fates) == (OLD, NOW - DAY_MS, {})


def test_a_commit_counts_once_and_what_is_shared_or_made_anew_never() -> None:
    """Shared ones are told once each, however many turns saw them; one that is somebody's is not shared."""
    shared = commit("s", None, whose=Whose.SHARED)
    turns = [
        turn("a", 1, LeftKind.COMMITS, commit("a"), shared, commit("r", None, whose=Whose.REWRITTEN)),
        turn("b", 1, LeftKind.COMMITS, commit("a"), shared, commit("n", None, added=0)),
        turn("c", 1, LeftKind.ANSWER, commit("a", whose=Whose.SHARED)),
    ]
    found = results(turns, By.SESSION, NOW, places={"a": Place("a", "claude", "/srv/a", "Fix it")})
    assert (found.own, found.shared, found.rewritten) == (2, 1, 1)
    assert found.fates == {Survival.SURVIVES: 1, Survival.UNKNOWN: 1}
    assert [one.group.place for one in found.groups] == [Place("a", "claude", "/srv/a", "Fix it"), None, None]
    assert (found.barren_sessions, found.sessions) == (2, 3)


def test_groups_beyond_the_top_are_one_together() -> None:
    """By model; the dearest first. Sums of the rest are theirs."""
    turns = [turn("a", cost, LeftKind.ERROR, model=f"m{cost}") for cost in (1, 5, 3)]
    found = results(turns, By.MODEL, NOW, 1)
    assert [one.group.name for one in found.groups] == ["m5"]
    assert found.rest is not None
    assert (found.rest.group.name, found.rest.group.spent, found.rest.group.sessions) == ("2", spent(4, 2), 1)
    assert (found.rest.fruitless, found.rest.price) == (spent(4, 2), Price(spent(4, 2), 0))


def test_by_agent_the_desk_is_claude_code_and_what_is_not_known_is_marked() -> None:
    """Calls without a price and lower bounds are counted with the money."""
    turns = [turn("a", 1, LeftKind.ANSWER, agent="channel", unpriced=2), turn("a", 1, LeftKind.ANSWER, at_least=True)]
    found = results(turns, By.AGENT, NOW)
    assert [one.group.name for one in found.groups] == ["claude"]
    assert found.total == Spent(Usd(2), turns=2, calls=4, unpriced=2, at_least=1)


def test_no_turn_is_no_result() -> None:
    """Nothing is divided by nothing."""
    found = results([], By.SESSION, NOW)
    assert (found.came, found.groups, found.rest, found.spread, found.price.each) == ((), (), None, None, None)


@pytest.mark.parametrize("by", [By.PERSON, By.DAY])
def test_people_have_no_results(by: By) -> None:
    """There is no way to ask for it, in the core either."""
    with pytest.raises(ValueError, match=by.value):
        results([], by, NOW)
