"""A subscription's windows in the words of Claude Code 2.1.328: recorded events and answers, translated."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.agents.claude import quotas, reading
from gateway.agents.claude.translate import Translator
from gateway.domain.events import QuotaTold

FIVE_MS, SEVEN_MS = 1_795_345_200_000, 1_795_597_200_000
WARNED: dict[str, Any] = {
    "status": "allowed_warning",
    "resetsAt": 1795345200,
    "rateLimitType": "five_hour",
    "utilization": 0.834,
    "isUsingOverage": False,
    "surpassedThreshold": 0.8,
    "unifiedWindows": {
        "five_hour": {
            "utilization": 0.834,
            "resetsAt": 1795345200,
            "status": "allowed_warning",
            "surpassedThreshold": 0.8,
        },
        "seven_day": {"utilization": 0.2, "resetsAt": 1795597200, "status": "allowed"},
    },
}
"""`rate_limit_info` as the client told it, whole."""
USAGE: dict[str, Any] = {
    "subscription_type": "max",
    "rate_limits_available": True,
    "rate_limits": {
        "five_hour": {"utilization": 83.4, "resets_at": "2026-11-22T11:00:00.000Z"},
        "seven_day": {"utilization": 20, "resets_at": "2026-11-25T09:00:00.000Z"},
    },
}
"""The answer to get_usage, of the same moment."""


def line(info: object) -> bytes:
    """An event with this in it."""
    return json.dumps({"type": "rate_limit_event", "rate_limit_info": info, "uuid": "u", "session_id": "s"}).encode()


def told(info: object, translator: Translator | None = None) -> list[QuotaTold]:
    """What the event means; it never raises."""
    events = (translator or Translator("a")).feed(reading.parse(line(info)))
    found = [event for event in events if isinstance(event, QuotaTold)]
    assert found == events
    return found


def test_an_event_tells_every_window_in_hundredths_with_its_reset() -> None:
    """Fractions and seconds become hundredths and milliseconds; the names are the client's own."""
    assert told(WARNED) == [QuotaTold("five_hour", 83, FIVE_MS), QuotaTold("seven_day", 20, SEVEN_MS)]


def test_the_answer_to_get_usage_tells_the_same() -> None:
    """There it is hundredths and ISO times; a moment less than a second away is the same reset."""
    same = (QuotaTold("five_hour", 83, FIVE_MS), QuotaTold("seven_day", 20, SEVEN_MS))
    assert quotas.of_usage(USAGE) == same
    five = {"utilization": 83.4, "resets_at": "2026-11-22T10:59:59.943648+00:00"}
    assert quotas.of_usage({"rate_limits": {"five_hour": five}}) == same[:1]


def test_only_windows_are_taken_from_the_answer() -> None:
    """What was bought beyond the subscription, lists and nulls are none; a window may have no reset."""
    limits = {
        "five_hour": {"utilization": 0, "resets_at": None},
        "seven_day": None,
        "seven_day_opus": {"utilization": None, "resets_at": None},
        "seven_day_sonnet": {"utilization": 5, "resets_at": "soon"},
        "model_scoped": [{"display_name": "Fable", "utilization": 9, "resets_at": None}],
        "extra_usage": {"is_enabled": True, "monthly_limit": 50, "used_credits": 5, "utilization": 10},
    }
    assert quotas.of_usage({"rate_limits": limits}) == (QuotaTold("five_hour", 0), QuotaTold("seven_day_sonnet", 5))


@pytest.mark.parametrize("limits", [None, [], "x", {"Five": {"utilization": 1, "resets_at": None}}])
def test_an_answer_without_windows_tells_nothing(limits: object) -> None:
    """An API key has none."""
    assert quotas.of_usage({"rate_limits": limits}) == ()


def test_the_window_that_the_event_is_about_is_told_though_it_is_not_among_the_others() -> None:
    """A week of one model; refused without a figure it is used up, and otherwise it is not known."""
    opus = {"rateLimitType": "seven_day_opus", "resetsAt": 1795597200}
    assert told({**opus, "status": "allowed", "utilization": 0.5}) == [QuotaTold("seven_day_opus", 50, SEVEN_MS)]
    assert told({**opus, "status": "rejected"}) == [QuotaTold("seven_day_opus", 100, SEVEN_MS)]
    assert told({**opus, "status": "allowed"}) == []
    assert told({"status": "allowed"}) == []


@pytest.mark.parametrize(
    ("used", "percent"), [(1.02, 102), (99, 1000), (1e300, 1000), (-3, 0), (0.29, 29), (1, 100), (0, 0)]
)
def test_a_figure_is_brought_within_what_there_can_be(used: float, percent: int) -> None:
    """More than all is possible, and nothing is more than ten times as much."""
    assert told({"unifiedWindows": {"five_hour": {"utilization": used}}}) == [QuotaTold("five_hour", percent)]


@pytest.mark.parametrize(
    "used", [float("nan"), float("inf"), 10**400, "0.5", None, True, [], {}], ids=lambda used: str(used)[:8]
)
def test_a_figure_that_is_none_is_passed_over(used: object) -> None:
    """The other window beside it is told."""
    windows = {"five_hour": {"utilization": used}, "seven_day": {"utilization": 0.2}}
    info = {"unifiedWindows": windows, "rateLimitType": "five_hour", "utilization": used}
    assert told(info) == [QuotaTold("seven_day", 20)]


@pytest.mark.parametrize("resets_at", [-1, 0, 2**60, float("inf"), "tomorrow", None, []])
def test_a_reset_that_is_none_is_not_told(resets_at: object) -> None:
    """The figure counts all the same."""
    window = {"utilization": 0.5, "resetsAt": resets_at}
    assert told({"unifiedWindows": {"five_hour": window}}) == [QuotaTold("five_hour", 50)]


@pytest.mark.parametrize("info", [None, [], "x", 7, {}, {"unifiedWindows": 3}, {"unifiedWindows": {"A b": WARNED}}])
def test_an_event_of_another_form_means_nothing(info: object) -> None:
    """And harms nothing."""
    assert told(info) == []


@pytest.mark.parametrize("name", ["", "Five", "five hour", "a" * 41, "_x", "a\n", "*b*", "<b>"])
def test_a_name_that_is_none_is_passed_over(name: str) -> None:
    """Names of windows are shown to people."""
    assert told({"unifiedWindows": {name: {"utilization": 0.5}}}) == []


def test_only_news_is_told() -> None:
    """A window without a reset always is: it has to be told anew, lest it is forgotten."""
    translator = Translator("a")
    assert len(told(WARNED, translator)) == 2
    assert told(WARNED, translator) == []
    assert translator.told(quotas.of_usage(USAGE)) == []
    seven = {"seven_day": {"utilization": 0.21, "resetsAt": 1795597200}}
    assert told({**WARNED, "unifiedWindows": seven}, translator) == [QuotaTold("seven_day", 21, SEVEN_MS)]
    undated = {"unifiedWindows": {"five_hour": {"utilization": 0.5}}}
    assert told(undated, translator) == told(undated, translator) == [QuotaTold("five_hour", 50)]


def test_a_client_that_names_ever_new_windows_is_not_followed() -> None:
    """Twenty are; of those the news is told."""
    translator = Translator("a")
    for start in range(0, 200, 20):
        names = [f"window_{number}" for number in range(start, start + 40)]
        assert len(told({"unifiedWindows": {name: {"utilization": 0.5, "resetsAt": 60} for name in names}})) == 20
        told({"unifiedWindows": {name: {"utilization": 0.5, "resetsAt": 60} for name in names}}, translator)
    later = {"window_0": {"utilization": 0.6}, "window_100": {"utilization": 0.6}}
    assert [event.window for event in told({"unifiedWindows": later}, translator)] == ["window_0"]


@given(st.text(max_size=60), st.floats())
def test_any_time_in_an_answer_is_a_time_or_none(resets_at: str, used: float) -> None:
    """Nothing raises, whatever stands there."""
    found = quotas.of_usage({"rate_limits": {"five_hour": {"utilization": used, "resets_at": resets_at}}})
    assert all(0 <= one.percent <= quotas.PERCENT_MAX for one in found)


@pytest.mark.parametrize(
    ("resets_at", "told_ms"),
    [
        ("2026-11-25", 1_795_564_800_000),
        ("0001-01-01T00:00:00+23:59", None),
        ("9999-12-31T23:59:59-23:59", None),
        ("9999-12-31T23:59:59Z", None),
        ("1970-01-01T00:00:00Z", None),
    ],
)
def test_a_time_that_nobody_can_mean_is_none(resets_at: str, told_ms: int | None) -> None:
    """The figure counts all the same; a time without a zone is universal time."""
    told_so = quotas.of_usage({"rate_limits": {"five_hour": {"utilization": 5, "resets_at": resets_at}}})
    assert told_so == (QuotaTold("five_hour", 5, told_ms),)
