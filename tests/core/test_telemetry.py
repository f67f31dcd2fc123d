"""Entries and turns as figures."""

import json

import pytest

from gateway.core import metrics, telemetry
from gateway.core.metrics import TABLE, Kind
from gateway.core.telemetry import (
    MODELS_MAX,
    SERIES_MAX,
    UNKNOWN_MODEL,
    About,
    Increment,
    Models,
    Named,
    Point,
    Totals,
    of_balances,
    of_ended,
    of_entry,
    of_open,
)
from gateway.domain.budget import Balance, Counts, Entry, EntryKind, Scope, ScopeKind
from gateway.domain.estimate import Estimate
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import Origin, Outcome, OutcomeKind, TurnState
from gateway.domain.usage import Parts
from tests.core.make import DAY, turn

OPUS = Named("anthropic", "opus")
HERE = About("claude", "person")


def increments(entry: Entry) -> dict[tuple[str, tuple[str, ...]], int]:
    """What an entry adds, by figure and labels, but for its being an entry."""
    found = of_entry(entry, HERE, Models({"opus": OPUS}.get))
    return {(one.metric.name, one.labels): one.amount for one in found if one.metric is not metrics.ENTRIES}


def entry(kind: EntryKind, detail: object, spent: int = 5) -> Entry:
    """An entry with this detail."""
    return Entry(kind, (DAY,), "t_1", "s_1", spent=Usd(spent), detail=json.dumps(detail))


def test_a_call_adds_its_cost_its_tokens_by_class_and_itself() -> None:
    """Reasoning is a part of the output, and no class of its own."""
    facts = {
        "model": "opus",
        "tokens": {"input": 3, "cache_write_1h": 4, "output": 9, "reasoning": 2},
        "web_searches": 1,
    }
    assert increments(entry(EntryKind.CALL, facts | {"loop": "main"})) == {
        ("cost.usd", ("claude", "opus", "person")): 5,
        ("tokens", ("claude", "opus", "input")): 3,
        ("tokens", ("claude", "opus", "cache_write_1h")): 4,
        ("tokens", ("claude", "opus", "output")): 9,
        ("reasoning.tokens", ("claude", "opus")): 2,
        ("web_searches", ("claude", "opus")): 1,
        ("calls", ("claude", "opus", "main")): 1,
    }


def test_a_call_of_a_sub_agent_tells_no_name_and_one_without_a_price_is_told_as_such() -> None:
    """Names of loops are anybody's; what has no price costs nothing that is counted."""
    facts = {"model": "mine", "tokens": {}, "loop": "explorer-77", "unpriced": "no list price"}
    assert increments(entry(EntryKind.CALL, facts, 0)) == {
        ("cost.usd", ("claude", "other", "person")): 0,
        ("unpriced.calls", ("claude", "other")): 1,
        ("calls", ("claude", "other", "sub")): 1,
    }


def test_a_difference_is_no_call_and_what_is_priced_later_has_no_tokens() -> None:
    """Its tokens were counted when it was booked."""
    facts = {"model": "opus", "tokens": {"output": 9}}
    assert increments(entry(EntryKind.RECONCILED, facts)) == {
        ("cost.usd", ("claude", "opus", "person")): 5,
        ("tokens", ("claude", "opus", "output")): 9,
    }
    assert increments(entry(EntryKind.REPRICED, facts)) == {("cost.usd", ("claude", "opus", "person")): 5}


@pytest.mark.parametrize(
    "detail",
    ["", "{", "[]", "7", '{"model": 7, "tokens": [1]}', '{"tokens": {"input": "9", "output": true}}', "[" * 10_000],
)
def test_a_detail_that_cannot_be_read_keeps_no_amount_from_being_counted(detail: str) -> None:
    """It is of a model that nobody knows."""
    found = increments(Entry(EntryKind.CALL, (DAY,), spent=Usd(5), detail=detail))
    assert found[("cost.usd", ("claude", "other", "person"))] == 5
    assert found[("calls", ("claude", "other", "main"))] == 1
    assert len(found) == 2


def test_what_is_no_booking_adds_its_work_and_itself() -> None:
    """A limit, a hold, an end."""
    [one] = of_entry(Entry(EntryKind.LIMIT, (DAY,), limit=Usd(7)), HERE, Models({}.get))
    assert one == Increment(metrics.ENTRIES, ("limit",), 1)
    settled = Entry(EntryKind.SETTLED, (DAY,), counts=Counts(work_ms=1_500))
    assert increments(settled) == {("work", ("claude",)): 1_500}


def test_only_so_many_models_have_a_name() -> None:
    """Whatever an agent says of itself: the rest is other."""
    models = Models(lambda model: Named("a", model))
    names = [models.named(f"m-{place}").model for place in range(MODELS_MAX + 5)]
    assert names[MODELS_MAX - 1 :] == [f"m-{MODELS_MAX - 1}", *["other"] * 5]
    assert models.named("m-0").model == "m-0"
    assert models.named(None) == models.named("") == UNKNOWN_MODEL


def test_only_so_many_combinations_of_labels_are_kept() -> None:
    """What is known goes on being counted, and that others are not is told."""
    totals = Totals()
    totals.add(Increment(metrics.ENTRIES, (str(place),), 1) for place in range(SERIES_MAX))
    assert not totals.full
    totals.add([Increment(metrics.ENTRIES, ("more",), 1), Increment(metrics.TURN_ESTIMATE, ("more",), 1)])
    totals.add([Increment(metrics.ENTRIES, ("7",), 1)])
    assert totals.full
    found = {point.labels: point.amount for point in totals.points()}
    assert len(found) == SERIES_MAX
    assert found["7",] == 2


def test_a_figure_can_be_told_before_anything_is_counted_of_it() -> None:
    """Who looks sees it grow; what is counted already stays."""
    totals = Totals()
    told = [Increment(metrics.ENTRIES, ("call",), 3), Increment(metrics.TURN_ESTIMATE, ("claude",), 9)]
    totals.know(told)
    assert [(point.amount, sum(point.counts)) for point in totals.points()] == [(0, 0), (0, 0)]
    totals.add(told)
    totals.know(told)
    assert [(point.amount, sum(point.counts)) for point in totals.points()] == [(3, 0), (9, 1)]


def test_what_only_grows_takes_nothing_below_zero() -> None:
    """A counter that goes down would be taken for a restart."""
    totals = Totals()
    totals.add([Increment(metrics.ENTRIES, ("call",), 3), Increment(metrics.ENTRIES, ("call",), -2)])
    assert [point.amount for point in totals.points()] == [3]


def test_a_turn_that_ended_is_counted_with_what_came_of_it_and_held_against_its_estimate() -> None:
    """At $0.02 of at most $0.04: half of it."""
    estimate = Estimate(ZERO, Usd(10_000_000), Usd(40_000_000), 20, Usd(40_000_000), "")
    ended = turn(
        state=TurnState.FINISHED, spent=Usd(20_000_000), estimate=estimate, outcome=Outcome(OutcomeKind.ANSWER)
    )
    totals = Totals()
    totals.add(of_ended(ended, "claude"))
    counted, cost, ratio, made_of = totals.points()
    assert (made_of.labels, made_of.amount) == (("claude", "other"), 20_000_000)
    assert counted == Point(metrics.TURNS, ("claude", "person", "finished", "answer"), 1)
    assert (cost.labels, cost.amount) == (("claude", "person", "answer"), 20_000_000)
    assert dict(zip(metrics.TURN_COST.bounds, cost.counts, strict=False)) == {
        bound: int(bound == 20_000_000) for bound in metrics.TURN_COST.bounds
    }
    assert (ratio.amount, ratio.counts[metrics.TURN_ESTIMATE.bounds.index(500_000)]) == (500_000, 1)


@pytest.mark.parametrize(
    ("known", "names"),
    [
        ({"state": TurnState.REFUSED}, ["turns"]),
        ({"state": TurnState.STOPPED, "spent": Usd(5)}, ["turns", "turn.cost.usd", "turn.parts.usd"]),
        (
            {"state": TurnState.FINISHED, "spent": Usd(5), "estimate": None},
            ["turns", "turn.cost.usd", "turn.parts.usd"],
        ),
        (
            {"state": TurnState.FAILED, "spent": Usd(5)},
            ["turns", "turn.cost.usd", "turn.parts.usd", "turn.estimate.ratio"],
        ),
    ],
)
def test_a_turn_is_held_against_its_estimate_only_where_that_says_something(
    known: dict[str, object], names: list[str]
) -> None:
    """One that was cut short would have cost more; one that spent nothing is no cheap one."""
    ended = turn(origin=Origin.DESK, **{"estimate": Estimate(ZERO, Usd(1), Usd(2), 9, Usd(2), "")} | known)
    assert [one.metric.name for one in of_ended(ended, "claude")] == names


def test_what_a_turn_cost_is_told_by_class() -> None:
    """Nothing of a class is no figure, and what is not told apart is `other`: together it is what the turn cost."""
    ended = turn(state=TurnState.FINISHED, spent=Usd(20), parts=Parts(cache_read=Usd(12), output=Usd(5)), estimate=None)
    told = {one.labels: one.amount for one in of_ended(ended, "claude") if one.metric is metrics.TURN_PARTS}
    assert told == {("claude", "cache_read"): 12, ("claude", "output"): 5, ("claude", "other"): 3}


def test_a_cost_beyond_all_bounds_has_its_bucket() -> None:
    """Above the last."""
    totals = Totals()
    totals.add([Increment(metrics.TURN_COST, ("a", "b", "c"), metrics.TURN_COST.bounds[-1] + 1)])
    [point] = totals.points()
    assert point.counts == (*(0 for _ in metrics.TURN_COST.bounds), 1)


def test_open_turns_tell_their_states_and_what_is_set_aside() -> None:
    """A state that no turn is in is told as none."""
    open_turns = [turn(held_left=Usd(5)), turn(id="t_2", state=TurnState.QUEUED, held_left=ZERO)]
    found = {(point.metric.name, point.labels): point.amount for point in of_open(open_turns)}
    assert found == {
        **{
            ("open.turns", (state,)): int(state in ("running", "queued"))
            for state in ("queued", "asking", "held", "running", "paused")
        },
        ("holds", ()): 1,
        ("holds.usd", ()): 5,
    }


def test_balances_tell_the_kind_of_period_and_never_which() -> None:
    """A team's period is its own scope; without a limit there is none to tell."""
    shared = [Scope(ScopeKind.TEAM, key) for key in ("acme:2026-11:l_1", "acme::l_2")]
    found = of_balances([Balance(DAY, Usd(9), Usd(4), Usd(1)), *(Balance(one, None) for one in shared)])
    assert [(point.metric.name, point.labels, point.amount) for point in found] == [
        ("budget.limit.usd", ("day",), 9),
        ("budget.spent.usd", ("day",), 4),
        ("budget.held.usd", ("day",), 1),
        ("budget.spent.usd", ("team_month",), 0),
        ("budget.held.usd", ("team_month",), 0),
        ("budget.spent.usd", ("team_ever",), 0),
        ("budget.held.usd", ("team_ever",), 0),
    ]


def test_the_table_keeps_prometheus_rules() -> None:
    """Names in their alphabet and of one meaning each; what only grows ends in _total and nothing else does; base units; few labels."""
    names = [metric.prometheus for metric in TABLE]
    assert len(set(names)) == len(names) == len({metric.otel for metric in TABLE})
    for metric in TABLE:
        assert metric.prometheus.replace("_", "").isalnum()
        assert metric.prometheus.startswith("tollbridge_")
        assert metric.prometheus.endswith("_total") is (metric.kind is Kind.COUNTER)
        assert not metric.prometheus.endswith(("_count", "_sum", "_bucket", "_created", "_info"))
        assert not set(metric.labels) & {"session", "user", "person", "chat", "project", "turn", "le", "quantile"}
        assert bool(metric.bounds) is (metric.kind is Kind.HISTOGRAM)
        assert list(metric.bounds) == sorted(metric.bounds)
        assert metric.help.endswith(".")
    assert telemetry.CLASSES[0] == "input"
    assert metrics.COST.prometheus == "tollbridge_cost_usd_total"
    assert metrics.WORK.prometheus == "tollbridge_work_seconds_total"
