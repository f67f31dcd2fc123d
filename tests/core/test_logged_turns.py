"""Turns out of logs: by the prompt where it is named, by pauses where it is not, and each call once."""

from datetime import UTC, date

from gateway.core.logged import Row
from gateway.core.logged_turns import LoggedTurn, Told, made, portions, spent, turns, usual_models
from gateway.core.periods import beginnings
from gateway.domain.money import Usd
from gateway.domain.spending import Place, Portion, Source
from gateway.domain.usage import Parts, Rates

MINUTE = 60_000
NOON = 1_795_435_200_000
"""Of the 23rd of November 2026, in UTC."""
RATES = Rates(input=5_000, cache_read=500, cache_write_5m=6_250, cache_write_1h=10_000, output=25_000, web_search=7)
DAY = date(2026, 11, 23)


def row(name: str, minute: int, *, prompt: str = "", model: str = "m", loop: str = "main", lower_bound: int = 0) -> Row:
    """A call: 100 tokens in, 200 out of the cache, 40 out."""
    return Row(
        name, "s", "/srv", NOON + minute * MINUTE, loop, lower_bound, prompt, "", model, "standard", "standard", "",
        1, 100, 200, 0, 0, 0, 40, 0,
    )  # fmt: skip


def told(*rows: Row, known: tuple[str, ...] = ()) -> list[Told]:
    """What a log of Claude Code's tells, and which calls the ledger has too; each costs 2 nano-dollars for tokens and 7 for a search."""
    return [("claude", one, None if one.model == "?" else 9, one.id in known) for one in rows]


def portioned(found: list[LoggedTurn]) -> list[Portion]:
    """The portions of one day."""
    begins = beginnings(DAY, DAY, UTC)
    return portions(found, DAY, begins, lambda one: Place(one.session, one.agent, one.directory), lambda _: RATES)


def test_calls_of_one_prompt_are_one_turn_whatever_comes_between():
    """Two prompts whose calls are interleaved, and a pause of an hour in one of them."""
    found = turns(told(row("1", 0, prompt="p"), row("2", 1, prompt="q"), row("3", 60, prompt="p")))
    assert [(one.prompt, [call.id for call, _ in one.calls]) for one in found] == [("p", ["1", "3"]), ("q", ["2"])]


def test_without_prompts_a_pause_of_five_minutes_ends_a_turn():
    """Four minutes and some do not. Another session's calls are its own."""
    other = row("4", 0)._replace(session="t")
    found = turns(told(row("1", 0), row("2", 4), row("3", 9), other))
    assert [(one.session, [call.id for call, _ in one.calls]) for one in found] == [
        ("s", ["1", "2"]),
        ("s", ["3"]),
        ("t", ["4"]),
    ]
    assert found[1].before == row("2", 4)
    assert found[0].before is found[2].before is None


def test_what_the_ledger_has_is_left_out_and_its_turn_is_counted_there():
    """A turn of which some calls stand there counts as none here; one that is all there is not told at all."""
    both = turns(told(row("1", 0, prompt="p"), row("2", 1, prompt="p"), row("3", 2, prompt="q"), known=("1", "3")))
    assert [(one.prompt, one.is_rest, [call.id for call, _ in one.calls]) for one in both] == [("p", True, ["2"])]
    (portion,) = portioned(both)
    assert (portion.spent.turns, portion.spent.calls, portion.spent.cost) == (0, 1, Usd(9))


def test_a_turn_is_told_by_model_and_counts_with_its_main_loops():
    """Its sub-agent's cost stands under the sub-agent's model; parts are exact to the nano-dollar."""
    mixed = turns(
        told(row("1", 0), row("2", 1, model="small", loop="helper"), row("3", 2, lower_bound=1), row("4", 3, model="?"))
    )
    first, small, unknown = portioned(mixed)
    assert (first.model, first.spent.turns, first.spent.guessed, first.spent.at_least) == ("m", 0, 0, 0)
    assert (first.spent.cost, first.source, first.day, first.person) == (Usd(18), Source.LOGS, DAY, "")
    assert (first.spent.parts, first.spent.other) == (Parts(Usd(2), Usd(0), Usd(0), Usd(2), Usd(14)), Usd(0))
    assert (small.model, small.spent.cost, small.spent.turns) == ("small", Usd(9), 0)
    assert (unknown.model, unknown.spent.unpriced, unknown.spent.known) == ("?", 1, None)
    assert (unknown.spent.turns, unknown.spent.guessed, unknown.spent.at_least) == (1, 1, 1)


def test_a_turn_counts_on_the_day_on_which_it_began():
    """What it goes on with after midnight is that day's too; one that began the day before does not count at all."""
    late = turns(told(row("1", 11 * 60 + 58), row("2", 12 * 60 + 1), row("0", -12 * 60 - 1)._replace(session="t")))
    (portion,) = portioned(late)
    assert (portion.day, portion.spent.calls) == (DAY, 2)


def test_a_turn_without_a_main_loop_is_its_helpers():
    """The model that was used first is its model, and no call of a helper is what a cache held before."""
    found = turns(told(row("1", 0, loop="a", model="small"), row("2", 9)))
    assert (found[0].model, found[1].before) == ("small", None)
    assert usual_models(found) == {("claude", "s"): "m"}


def test_what_a_turn_comes_to_is_the_sum_of_its_calls():
    """With the parts that its cost is made of, and calls whose price nobody knows."""
    (turn,) = turns(told(row("1", 0, prompt="p"), row("2", 1, prompt="p", model="?")))
    whole = spent(turn, lambda _: RATES)
    assert (whole.cost, whole.calls, whole.unpriced, whole.turns, whole.guessed) == (Usd(9), 2, 1, 1, 0)
    assert whole.parts.web_search == Usd(7)
    assert turn.cost == Usd(9)
    assert [(one.cost, one.loop, one.ended) for one in turn.made()] == [
        (Usd(9), "main", True),
        (None, "main", True),
    ]
    assert made(row("1", 0, lower_bound=1), 5).ended
