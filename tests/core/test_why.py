"""Why a turn was dear: each reason with the figures that it rests on, and no reason where nothing stands out."""

from dataclasses import replace

from gateway.core.why import Around, Made, why
from gateway.domain.money import Usd
from gateway.domain.usage import Parts, Tokens, Usage

MINUTE = 60_000


def usd(text: str) -> Usd:
    """An amount."""
    return Usd.parse(text)


def call(
    minute: int,
    cost: str | None = "0.10",
    *,
    read: int = 0,
    written: int = 0,
    output: int = 100,
    loop: str = "main",
    fast: bool = False,
) -> Made:
    """A call at a minute of the day; a fast one searches the web too."""
    tokens = Tokens(cache_read=read, cache_write_5m=written, output=output)
    usage = Usage("m", tokens, speed="fast" if fast else "standard", web_searches=12 if fast else 0)
    return Made(minute * MINUTE, usage, None if cost is None else usd(cost), loop)


def test_a_turn_like_any_other_has_no_reason():
    """Nothing is made up: neither for a few calls nor for none."""
    assert why(Around(usd("0.20")), [call(0), call(1)]) == ()
    assert why(Around(usd("0")), []) == ()


def test_a_cold_cache_is_told_with_the_pause_and_what_it_cost():
    """What stood in the cache before the turn is written again after two hours; the call's cost is the evidence."""
    before = call(0, read=80_000, written=2_000)
    cold = call(130, "0.89", written=82_000)
    assert why(Around(usd("1"), before=before), [cold, call(131, read=82_000)]) == (
        "cold cache after a pause of 2 h: 82k tokens sent anew ($0.89)",
    )


def test_a_cache_that_is_lost_without_a_pause_is_told_as_that():
    """Two calls a minute after each other, twice: no pause explains it."""
    calls = [call(0, written=50_000), call(1, "0.40", written=50_000), call(2, "0.40", written=51_000)]
    assert why(Around(usd("1")), calls) == ("cache lost without a pause, 2 times: 101k tokens sent anew ($0.80)",)


def test_several_cold_caches_are_told_with_the_longest_pause():
    """A turn that waited twice, for six minutes and for three days."""
    calls = [
        call(0, written=50_000),
        call(6, "0.40", written=50_000),
        call(6 + 3 * 24 * 60, "0.40", written=50_000),
    ]
    assert why(Around(usd("1")), calls) == (
        "cold cache after a pause of 3 days: 2 times, 100k tokens sent anew ($0.80)",
    )


def test_what_is_read_from_the_cache_is_no_cold_cache():
    """A pause alone is none, nor is a small context, nor what costs next to nothing, nor a sub-agent's own beginning."""
    warm = call(60, read=60_000, written=30_000)
    small = call(60, written=10_000)
    assert why(Around(usd("0.10"), before=call(0, read=60_000)), [warm]) == ()
    assert why(Around(usd("0.10"), before=call(0, read=10_000)), [small]) == ()
    assert why(Around(usd("9"), before=call(0, read=60_000)), [call(60, "0.10", written=60_000)]) == ()
    assert why(Around(usd("9"), before=call(0, read=60_000)), [call(60, None, written=60_000)]) == ()
    assert why(Around(usd("2"), before=call(0, read=60_000)), [call(60, written=60_000, loop="a")]) == ()


def test_a_large_context_is_told_with_its_calls():
    """On average, of the main loop alone; that it were many calls is not told again."""
    calls = [call(n, read=150_000) for n in range(50)] + [call(51, read=1, loop="helper")]
    assert why(Around(usd("5"), Parts(cache_read=usd("4"))), calls) == ("large context: 150k tokens a call, 50 calls",)


def test_many_small_calls_are_a_reason_too():
    """From forty on."""
    assert why(Around(usd("4")), [call(n) for n in range(40)]) == ("many calls: 40",)
    assert why(Around(usd("4")), [call(n) for n in range(39)]) == ()


def test_what_sub_agents_did_is_told_with_their_share():
    """From a quarter of the cost on."""
    mine = [call(0, "0.70"), call(1, "0.10", loop="a"), call(2, "0.20", loop="b")]
    assert why(Around(usd("1")), mine) == ("2 sub-agents: 30 % of it ($0.30, 2 calls)",)
    assert why(Around(usd("1")), [call(0, "0.60"), call(1, "0.40", loop="a")]) == (
        "a sub-agent: 40 % of it ($0.40, 1 call)",
    )
    assert why(Around(usd("1")), [call(0, "0.90"), call(1, "0.10", loop="a")]) == ()


def test_web_searches_fast_mode_and_calls_that_were_cut_off_are_told():
    """Each with its number and its cost, where that is a tenth of the whole at least."""
    assert why(Around(usd("0.50"), Parts(web_search=usd("0.12"))), [call(0, fast=True)]) == (
        "web searches: 12 ($0.12)",
        "fast mode: 1 call ($0.10)",
    )
    assert why(Around(usd("0.50")), [call(0, fast=True)]) == ("fast mode: 1 call ($0.10)",)
    assert why(Around(usd("0.50")), [replace(call(0), ended=False)]) == ("cut off: 1 call, at least $0.10",)
    quiet = [replace(call(0, "0.01", fast=True), ended=False)]
    assert why(Around(usd("5"), Parts(web_search=usd("0.01"))), quiet) == ()


def test_a_model_that_is_dearer_than_the_sessions_usual_one_is_named():
    """Only where the list says so, and only where it is another one."""
    assert why(Around(usd("1"), model="opus", usual="haiku", dearer=True), [call(0)]) == (
        "dearer model: opus, mostly haiku here",
    )
    assert why(Around(usd("1"), model="opus", usual="opus", dearer=True), [call(0)]) == ()
    assert why(Around(usd("1"), model="haiku", usual="opus"), [call(0)]) == ()


def test_long_answers_are_told_from_half_of_the_cost_on():
    """With the tokens that they were."""
    assert why(Around(usd("1"), Parts(output=usd("0.60"))), [call(0, output=40_000), call(1, output=2_000)]) == (
        "long answers: 42k tokens of output, 60 % of it",
    )
    assert why(Around(usd("1"), Parts(output=usd("0.40"))), [call(0)]) == ()


def test_at_most_three_reasons_are_told_the_largest_first():
    """What explains most comes first."""
    calls = [replace(call(n, "0.10", read=200_000, fast=True), ended=False) for n in range(10)]
    found = why(Around(usd("1"), Parts(cache_read=usd("0.3"), output=usd("0.5"), web_search=usd("0.1"))), calls)
    assert [sentence.partition(":")[0] for sentence in found] == ["fast mode", "cut off", "long answers"]
