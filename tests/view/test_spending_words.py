"""Why a turn was dear, in words."""

from gateway.domain.money import Usd
from gateway.view import spending_words

CENTS = Usd(890_000_000)


def test_a_cold_cache_says_how_long_nobody_asked_for_anything():
    """Minutes as they are, hours without their minutes, days as days."""
    said = [spending_words.cold(142_000, 1, minutes * 60_000, CENTS) for minutes in (7, 130, 1439, 2 * 1440)]
    assert [one.partition(":")[0] for one in said] == [
        f"cold cache after a pause of {pause}" for pause in ("7 min", "2 h", "23 h", "2 days")
    ]
    assert said[0].endswith(": 142k tokens sent anew ($0.89)")


def test_one_is_told_as_one():
    """Calls, sub-agents and times."""
    assert spending_words.cold(30_000, 1, None, CENTS) == "cache lost without a pause: 30k tokens sent anew ($0.89)"
    assert spending_words.cold(30_000, 2, 360_000, CENTS).endswith("6 min: 2 times, 30k tokens sent anew ($0.89)")
    assert spending_words.helpers(1, 1, CENTS, 30) == "a sub-agent: 30 % of it ($0.89, 1 call)"
    assert spending_words.cut_off(1, CENTS) == "cut off: 1 call, at least $0.89"
