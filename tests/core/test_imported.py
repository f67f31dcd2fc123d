"""Turns out of logged calls: what each cost, and what would have been foreseen of its first call."""

from collections.abc import Iterable
from typing import Any

import pytest

from gateway.core.estimate import estimate
from gateway.core.first_call import FirstCall
from gateway.core.forecast import ENOUGH, Past, forecast
from gateway.core.imported import KEPT_MAX, MAY_GO_ON_MS, History, Imported, history, logs_of
from gateway.core.logged import Priced, Row
from gateway.core.meter import remember
from gateway.domain.money import ZERO, Usd
from gateway.domain.usage import MAIN_LOOP, Rates, Tokens, Unpriced, Usage
from tests.core.make import OPUS, session, usd

NOW = 100_000_000
MINUTE = 60_000


def call(
    prompt: str, at_min: float, cents: int | None = 10, *, of: str = "s", name: str = "", **more: object
) -> Priced:
    """A logged call so many minutes after the start, and what it costs."""
    known: dict[str, Any] = {
        "loop": MAIN_LOOP,
        "lower_bound": 0,
        "model": "opus",
        "cache_read": 10_000,
        "output": 100,
    }
    known |= {"input": 0, "cache_write_5m": 0, "cache_write_1h": 0, "cache_write_unsplit": 0, "web_searches": 0}
    known |= {"service_tier": "standard", "speed": "standard", "geo": "", "reasoning": 0} | more
    at_ms = round(at_min * MINUTE)
    row = Row(
        id=name or f"{of} {prompt} {at_ms}", session=of, directory="/", at_ms=at_ms, prompt=prompt, request="", **known
    )
    return row, None if cents is None else cents * 10**7


def rates(model: str) -> Rates | Unpriced:
    """Everything that has a price costs as much as opus."""
    return Unpriced("nobody knows it") if model == "mystery" else OPUS


def told(calls: Iterable[Priced], metered: tuple[str, ...] = ()) -> History:
    """The history that these calls make, long after them."""
    return history("claude", calls, metered, rates, NOW)


def test_calls_of_one_prompt_are_one_turn_sub_agents_included() -> None:
    """Their costs are summed, it ended with the last, and its model is the main loop's."""
    found = told(
        [call("a", 1), call("a", 2, 30, loop="explorer", model="haiku"), call("b", 5), call("a", 9, 5, loop="explorer")]
    )
    newest, other = found.turns
    assert (other.prompt, other.past.cost, other.ended_at_ms) == ("b", usd("0.10"), 5 * MINUTE)
    assert (newest.prompt, newest.past.cost, newest.ended_at_ms) == ("a", usd("0.45"), 9 * MINUTE)
    assert newest.past.model == "opus"
    assert found.cost == usd("0.55")
    assert all(one.past.imported and one.agent == "claude" and one.past.p90 is None for one in found.turns)


def test_the_first_call_is_foreseen_as_the_estimate_would_have() -> None:
    """From what the session's main loop left in its cache, for how long, and when; nothing is foreseen of a session's first turn."""
    before = call("a", 1, cache_write_1h=2_000)
    side = call("a", 2, loop="explorer", cache_read=77)
    later = call("b", 30)
    second, first = told([before, side, later, call("b", 31)]).turns
    assert first.past.first is None
    tokens = Tokens(cache_read=10_000, cache_write_1h=2_000, output=100)
    known = remember(session(), Usage("opus", tokens), MINUTE)
    said = estimate(known, "", OPUS, [], None, ZERO, 30 * MINUTE)
    assert said.warm is not None
    assert said.expected is not None
    assert second.past.first == FirstCall(said.warm, said.expected)
    assert said.warm < said.expected


def test_a_turn_dearer_than_any_is_left_out() -> None:
    """Attack 30: a log that was made up neither makes offers of millions nor keeps other turns from being taken over."""
    found = told([call("a", 1, 100_001), call("b", 2, 100_000), call("c", 3, 10**12)])
    assert ([one.prompt for one in found.turns], found.left_out) == (["b"], 2)


def test_nothing_is_foreseen_where_the_model_before_has_no_price() -> None:
    """The turn itself counts all the same."""
    found = told([call("", 1, None, model="mystery"), call("b", 2), call("c", 3), call("d", 4)])
    assert [(one.prompt, one.past.first is None) for one in found.turns] == [("d", False), ("c", False), ("b", True)]


def test_sessions_do_not_know_of_each_other() -> None:
    """The first turn of each follows nothing, whatever the other did before."""
    found = told([call("a", 1), call("b", 2, of="t")])
    assert [(one.past.session_id, one.past.first) for one in found.turns] == [("t", None), ("s", None)]


def test_a_call_without_a_final_count_makes_its_turn_a_lower_bound() -> None:
    """One of several is enough."""
    found = told([call("a", 1), call("a", 2, lower_bound=1), call("b", 3)])
    assert {one.prompt: one.past.at_least for one in found.turns} == {"a": True, "b": False}


@pytest.mark.parametrize(
    "calls",
    [
        [call("a", 1), call("a", 2, None)],
        [call("a", 1, 0)],
        [call("a", 1, loop="explorer")],
        [call("a", 1), call("a", (NOW - MAY_GO_ON_MS + 1) / MINUTE)],
        [call("a", 1, name="known"), call("a", 2)],
    ],
    ids=["unpriced", "nothing", "no main loop", "goes on", "metered"],
)
def test_a_turn_of_which_too_little_or_everything_is_known_is_left_out(calls: list[Priced]) -> None:
    """A call without a price, no call of its own, an end that may not be one, or the gateway has it: it is counted, and no more."""
    assert told(calls, metered=("known",)) == History((), 1)


def test_calls_of_no_prompt_are_no_turn() -> None:
    """They are not left out, either: nobody knows how many turns they are. What they left in the cache is known."""
    found = told([call("", 1), call("", 2), call("b", 3)])
    assert (len(found.turns), found.left_out) == (1, 0)
    assert found.turns[0].past.first is not None


def test_the_newest_are_kept_as_many_as_a_forecast_looks_at() -> None:
    """However many there were, and in their order."""
    made = tuple(Imported("claude", str(at), -at, Past("s", None, Usd(10**9))) for at in range(KEPT_MAX + 5))
    assert [one.prompt for one in History(made).kept(None)] == [one.prompt for one in made[:KEPT_MAX]]


def test_what_is_kept_of_a_turn_says_what_would_have_been_forecast() -> None:
    """From the turns before it alone: nothing of the first ones without a prior, and the p90 of the equal ones after."""
    made = tuple(Imported("claude", str(at), -at, Past("s", None, usd("0.50"))) for at in range(ENOUGH + 2))
    kept = History(made).kept(None)
    assert [one.past.p90 for one in kept[2:]] == [None] * ENOUGH
    assert [one.past.p90 for one in kept[:2]] == [
        usd("0.50"),
        forecast([one.past for one in kept[2:]], "s", None, ZERO, None).p90,
    ]


def test_the_desk_is_fed_by_claude_codes_logs() -> None:
    """Other agents by their own."""
    assert [logs_of(agent) for agent in ("channel", "claude", "codex")] == ["claude", "claude", "codex"]
