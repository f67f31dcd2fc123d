"""What turns were told against what they cost: who is scored, who is told apart, and what people and programs see."""

import json
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from gateway.core.scores import Scores, score
from gateway.domain.estimate import Estimate
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Session, Thread
from gateway.domain.turn import Origin, Turn, TurnState
from gateway.domain.usage import Flag
from gateway.reports.estimates import Account, account, report, tables

SESSION = Session("s_1", "claude", "/src", Thread("telegram", "4711"), "4711", 0)
OTHER = replace(SESSION, id="s_2", agent="scripted")
SAID = Estimate(Usd.parse("0.10"), Usd.parse("1"), Usd.parse("4"), 20, Usd.parse("4"), "words")
SILENT = replace(SAID, p50=None, p90=None, n=2)
TURN = Turn("t_1", "s_1", Origin.PERSON, TurnState.FINISHED, "4711", "hunter2", "uuid", 0, model="opus", estimate=SAID)


def turn(cost: str, **known: object) -> Turn:
    """A finished turn of two calls that was told $1 and $4."""
    return replace(TURN, spent=Usd.parse(cost), calls=2, **known)  # type: ignore[arg-type]


def judged(*turns: Turn) -> Account:
    """The account of two sessions."""
    return account([SESSION, OTHER], turns)


def shown(found: Account, width: int = 80) -> str:
    """What a terminal of this width shows."""
    console = Console(file=StringIO(), width=width, highlight=False, markup=False)
    console.print(tables(found, width))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_turns_that_ended_with_every_price_known_are_scored() -> None:
    """Whatever became of them: an error has its cost too. The scores are the core's own."""
    turns = [turn("0.50"), turn("5", state=TurnState.FAILED), turn("0.05", flags=frozenset({Flag.RECONCILED}))]
    found = judged(*turns)
    assert found.all.scores == score([(SAID, one.spent) for one in turns])
    assert (found.all.scores.n, found.all.scores.floor_violations) == (3, 1)
    assert (found.all.at_least, found.unpriced, found.open, found.without_calls) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "known",
    [
        {"state": TurnState.STOPPED},
        {"state": TurnState.INTERRUPTED},
        {"flags": frozenset({Flag.LOWER_BOUND})},
    ],
)
def test_what_was_cut_short_is_told_apart_and_not_scored(known: dict[str, object]) -> None:
    """It would have cost more: a low cost is no success of the estimate. More than the p90 is a failure even so, and said."""
    found = judged(turn("0.50", **known), turn("4.01", **known), turn("9", estimate=SILENT, **known))
    assert found.all.scores == Scores(0, 0)
    assert (found.all.at_least, found.all.above) == (3, 1)
    assert sum(found.shares) == 0


def test_every_other_turn_is_counted_with_the_reason() -> None:
    """Open, refused, unpriced and without figures: the parts add up to all turns."""
    turns = [
        turn("1"),
        turn("1", state=TurnState.PAUSED),
        turn("1", state=TurnState.RUNNING),
        replace(TURN, state=TurnState.REFUSED),
        turn("1", unpriced_calls=1),
        turn("1", estimate=SILENT),
        turn("1", estimate=None),
        turn("1", state=TurnState.STOPPED, unpriced_calls=1),
        turn("1", state=TurnState.STOPPED, estimate=None),
    ]
    found = judged(*turns)
    assert (found.all.scores.n, found.all.scores.silent, found.all.at_least) == (1, 2, 1)
    assert (found.open, found.without_calls, found.unpriced) == (2, 1, 2)


def test_agents_and_models_have_scores_of_their_own() -> None:
    """The largest group first; a model that is not known is a group too, and all of them together are scored as one."""
    found = judged(
        turn("5", session_id="s_2", model=None),
        turn("1"),
        turn("1"),
        turn("1", model="haiku"),
        turn("1", model="haiku"),
    )
    assert [(one.agent, one.model, one.scores.n) for one in found.groups] == [
        ("claude", "haiku", 2),
        ("claude", "opus", 2),
        ("scripted", None, 1),
    ]
    assert [one.scores.coverage90 for one in found.groups] == [1, 1, 0]
    assert found.all.scores.coverage90 == 4 / 5


@pytest.mark.parametrize(
    ("cost", "place"),
    [("0", 0), ("0.40", 0), ("0.400000001", 1), ("4", 9), ("4.000000001", 10), ("6", 10), ("8", 11), ("8.01", 12)],
)
def test_costs_are_counted_by_their_share_of_the_p90(cost: str, place: int) -> None:
    """To the nano-dollar: a cost equal to the figure lies within it, as in the coverage."""
    shares = judged(turn(cost)).shares
    assert [n for n, turns in enumerate(shares) if turns] == [place]


def test_a_p90_of_nothing_is_met_by_nothing_alone() -> None:
    """No share is divided by zero."""
    free = replace(SAID, p50=ZERO, p90=ZERO)
    assert judged(turn("0", estimate=free), turn("1", estimate=free)).shares == (1, *[0] * 11, 1)


def test_the_report_has_the_promised_shape_to_the_last_key() -> None:
    """Schema 1 as published."""
    told = report(judged(turn("0.05"), turn("5"), turn("9", state=TurnState.STOPPED), turn("1", unpriced_calls=1)))
    scores = {
        "n": 2,
        "silent": 0,
        "coverage_p50": 0.5,
        "coverage_p90": 0.5,
        "pinball_p50_usd": "1.2375",
        "pinball_p90_usd": "0.6475",
        "width_p90_over_p50": 4.0,
        "floor_violations": 1,
        "at_least": {"n": 1, "above_p90": 1},
    }
    assert told["schema"] == 1
    assert told["all"] == scores
    assert told["groups"] == [{"agent": "claude", "model": "opus"} | scores]
    assert told["cost_over_p90"][0] == {"above": 0.0, "at_most": 0.1, "turns": 1}
    assert told["cost_over_p90"][10] == {"above": 1.0, "at_most": 1.5, "turns": 1}
    assert told["cost_over_p90"][-1] == {"above": 2.0, "at_most": None, "turns": 0}
    assert told["not_scored"] == {"unpriced": 1, "open": 0, "without_calls": 0}
    assert set(told) == {"schema", "all", "groups", "cost_over_p90", "not_scored"}
    assert "hunter2" not in json.dumps(told)


def test_without_figures_scores_are_null_and_the_words_say_why() -> None:
    """Nothing is made up where nothing was said."""
    told = report(judged(turn("1", estimate=SILENT)))["all"]
    assert [told[name] for name in ("n", "silent", "coverage_p90", "pinball_p90_usd", "width_p90_over_p50")] == [
        0,
        1,
        None,
        None,
        None,
    ]
    text = " ".join(shown(judged(turn("1", estimate=SILENT))).split())
    assert text.startswith("There is nothing to score yet")
    assert text.endswith("Not scored. Without a forecast: 1 turn.")
    assert "<floor: turns that cost less than the lowest forecast." in shown(judged(turn("1")))
    assert "nothing to score" in shown(account([], []))


def test_a_person_reads_what_was_promised_what_came_of_it_and_where_costs_lie() -> None:
    """Two sentences, the table with a line for all, and bars to scale with the p90 between them."""
    mixed = [turn("0.50")] * 8 + [turn("5"), turn("2", model="haiku"), turn("9", state=TurnState.INTERRUPTED)]
    text = shown(judged(*mixed, turn("1", unpriced_calls=1), turn("1", state=TurnState.RUNNING)))
    lines = text.splitlines()
    assert lines[0] == "9 of 10 turns cost at most the p90 that was told before: 9 in 10 should."
    assert lines[1] == "8 cost at most the p50: half of them should."
    assert any(line.split()[:5] == ["claude", "opus", "9", "89%", "89%"] for line in lines)
    assert any(line.split()[:4] == ["all", "10", "80%", "90%"] for line in lines)
    bars = {line.split()[0]: line.count("█") for line in lines if line.rstrip()[-1:].isdigit() and "%" in line[:9]}
    assert (bars["10-20%"], bars["40-50%"]) == (68, 8)
    assert bars["100-150%"] == bars["40-50%"]
    assert bars["0-10%"] == bars["over"] == 0
    names = [line.split()[0] for line in lines if line.strip()]
    assert names.index("90-100%") < names.index("p90") < names.index("100-150%")
    flat = " ".join(text.split())
    assert "calls out of sight): 1 turn; 1 of them more than the p90 even so." in flat
    assert "With calls of unknown price: 1 turn. Not over yet: 1 turn." in flat


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_figures_stay_whole_in_any_terminal(width: int) -> None:
    """Columns go before a figure is cut, and no line is wider than the terminal."""
    text = shown(judged(*[turn("1", model="a-model-with-a-very-long-name-20261122")] * 120), width)
    assert max(map(len, text.splitlines())) <= min(width, 80)
    assert "100%" in text
    assert "120" in text
    one = shown(judged(turn("1")), width)
    assert "all" not in {line.partition(" ")[0] for line in one.splitlines()}
