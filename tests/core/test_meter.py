"""The meter: what a call, a difference and a settlement do to a turn and to the ledger."""

import json
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.meter import book, book_difference, remember, reprice, settle
from gateway.domain.budget import Entry, EntryKind
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import Turn
from gateway.domain.usage import NO_TOKENS, Call, Flag, Parts, Tokens, Unpriced, Usage
from tests.core.make import DAY, OPUS, SESSION, UNHURRIED, call, session, turn, usd

TOKENS = Tokens(input=3, cache_read=40, cache_write_1h=500, output=6_000, reasoning=70)


# --------------------------------------------------------------------------------------------------------------- calls
def test_a_call_is_spent_and_leaves_the_hold() -> None:
    """What a call cost moves from held to spent, in the turn and in every scope of the entry, which carries the call's id."""
    held = turn(hold=usd("1"), held_left=usd("0.90"), spent=usd("0.10"))
    after, entry = book(held, call("c_1", "0.25", TOKENS))
    assert (after.spent, after.held_left, after.hold) == (usd("0.35"), usd("0.65"), usd("1"))
    assert (after.tokens, after.calls, after.unpriced_calls, after.flags) == (TOKENS, 1, 0, frozenset())
    assert (entry.kind, entry.spent, entry.held) == (EntryKind.CALL, usd("0.25"), usd("-0.25"))
    assert (entry.scopes, entry.turn_id, entry.session_id) == ((SESSION, DAY), "t_1", "s_1")
    assert (entry.who, entry.call_id, entry.limit) == ("7", "c_1", None)


def test_a_call_beyond_the_hold_is_spent_whole_and_recorded_as_overdraft() -> None:
    """A call dearer than the rest of the hold frees that rest and no more: the difference is overdraft, not dropped."""
    after, entry = book(turn(hold=usd("0.50"), held_left=usd("0.10"), spent=usd("0.40")), call("c_1", "0.75"))
    assert (after.spent, after.held_left, after.overdraft) == (usd("1.15"), ZERO, usd("0.65"))
    assert (entry.spent, entry.held) == (usd("0.75"), usd("-0.10"))


def test_calls_add_up() -> None:
    """The second call is added to the first, token class by token class."""
    once, _ = book(turn(), call("c_1", "0.25", TOKENS))
    twice, _ = book(once, call("c_2", "0.50", TOKENS))
    assert (twice.spent, twice.calls, twice.tokens) == (usd("0.75"), 2, TOKENS + TOKENS)


def test_what_calls_are_made_of_adds_up_too() -> None:
    """Dollars for reading the cache and dollars for answers are told apart in the turn, for calls and for differences."""
    one, two = Parts(cache_read=usd("0.10"), output=usd("0.15")), Parts(usd("0.20"), cache_write=usd("0.30"))
    once, _ = book(turn(), call("c_1", "0.25", TOKENS, parts=one))
    twice, _ = book_difference(once, Usage("opus", TOKENS), usd("0.50"), two)
    assert twice.parts == Parts(usd("0.20"), usd("0.10"), usd("0.30"), usd("0.15"))
    assert twice.parts.total == twice.spent


def test_an_unpriced_call_is_counted_and_never_priced_at_nothing() -> None:
    """A call of unknown price is booked with its tokens and its reason, and the turn says how many there are."""
    after, entry = book(turn(held_left=usd("1")), call("c_1", None, TOKENS))
    assert (after.spent, after.held_left, after.calls, after.unpriced_calls) == (ZERO, usd("1"), 1, 1)
    assert after.tokens == TOKENS
    assert (entry.spent, entry.held) == (ZERO, ZERO)
    assert json.loads(entry.detail)["unpriced"] == "no list price"


def test_a_call_that_did_not_end_flags_the_turn_as_a_lower_bound() -> None:
    """What was in flight when sight of it was lost is at least so much, and later calls do not make that forgotten."""
    cut, entry = book(turn(), call("c_1", "0.25"), ended=False)
    assert cut.flags == {Flag.LOWER_BOUND}
    assert json.loads(entry.detail)["ended"] is False
    later, whole = book(cut, call("c_2", "0.25"))
    assert later.flags == {Flag.LOWER_BOUND}
    assert "ended" not in json.loads(whole.detail)


def test_the_entry_of_a_call_tells_its_model_loop_terms_and_tokens_by_class() -> None:
    """The ledger alone is enough to price the call again: only the classes that were used are listed."""
    usage = Usage("opus", TOKENS, service_tier="priority", speed="fast", web_searches=2, geo="us")
    _, entry = book(turn(), Call("c_1", usage, usd("0.25"), "reviewer"))
    assert json.loads(entry.detail) == {
        "model": "opus",
        "loop": "reviewer",
        "service_tier": "priority",
        "speed": "fast",
        "geo": "us",
        "tokens": {"input": 3, "cache_read": 40, "cache_write_1h": 500, "output": 6_000, "reasoning": 70},
        "web_searches": 2,
    }


def test_an_entry_says_nothing_of_what_did_not_happen() -> None:
    """Without searches, with a price and an end, the entry has no such keys."""
    _, entry = book(turn(), call("c_1", "0.25"))
    assert set(json.loads(entry.detail)) == {"model", "loop", "service_tier", "speed", "tokens"}


@pytest.mark.parametrize(
    ("before", "loop", "after"),
    [(None, "main", "haiku"), ("opus", "main", "haiku"), (None, "reviewer", "haiku"), ("opus", "reviewer", "opus")],
)
def test_a_turn_is_named_after_the_model_of_its_main_loop(before: str | None, loop: str, after: str) -> None:
    """A sub-agent on a cheaper model does not rename the turn, unless nothing better is known."""
    found, _ = book(turn(model=before), call("c_1", "0.25", model="haiku", loop=loop))
    assert found.model == after


# --------------------------------------------------------------------------------------------------------- differences
def test_a_difference_is_spent_flagged_and_not_a_call() -> None:
    """What only the agent's totals show is money spent under a kind of its own, with no call to count."""
    before = turn(held_left=usd("0.10"), spent=usd("0.40"), calls=3, tokens=TOKENS)
    after, entry = book_difference(before, Usage("opus", Tokens(output=7)), usd("0.25"))
    assert (after.spent, after.held_left, after.calls, after.unpriced_calls) == (usd("0.65"), ZERO, 3, 0)
    assert after.tokens == TOKENS + Tokens(output=7)
    assert after.flags == {Flag.RECONCILED}
    assert (entry.kind, entry.spent, entry.held) == (EntryKind.RECONCILED, usd("0.25"), usd("-0.10"))
    assert entry.call_id is None
    assert json.loads(entry.detail)["tokens"] == {"output": 7}


def test_a_difference_keeps_the_other_flags() -> None:
    """A lower bound stays one when a difference is booked too."""
    after, _ = book_difference(turn(flags=frozenset({Flag.LOWER_BOUND})), Usage("opus", TOKENS), usd("1"))
    assert after.flags == {Flag.LOWER_BOUND, Flag.RECONCILED}


def test_a_difference_of_unknown_price_leaves_the_turn_not_fully_priced() -> None:
    """A difference that nobody can price is never $0: the turn counts it among what has no price."""
    after, entry = book_difference(turn(held_left=usd("1"), calls=1), Usage("x", TOKENS), Unpriced("no list price"))
    assert (after.spent, after.held_left, after.calls, after.unpriced_calls) == (ZERO, usd("1"), 1, 1)
    assert (entry.spent, entry.held) == (ZERO, ZERO)
    assert json.loads(entry.detail)["unpriced"] == "no list price"


# ---------------------------------------------------------------------------------------------------------- settlement
def test_settling_frees_what_is_left_of_the_hold() -> None:
    """After settlement nothing is held, what was spent stays, and the entry tells spending and overdraft."""
    after, entry = settle(turn(hold=usd("1"), held_left=usd("0.40"), spent=usd("0.60"), calls=2))
    assert (after.held_left, after.spent, after.hold) == (ZERO, usd("0.60"), usd("1"))
    assert (entry.kind, entry.spent, entry.held) == (EntryKind.SETTLED, ZERO, usd("-0.40"))
    assert (entry.scopes, entry.turn_id, entry.who) == ((SESSION, DAY), "t_1", "7")
    assert json.loads(entry.detail) == {"spent": 600_000_000, "overdraft": 0}


def test_settling_records_the_overdraft() -> None:
    """What was spent beyond the hold stands in the ledger."""
    _, entry = settle(turn(hold=usd("1"), spent=usd("1.25"), calls=2))
    assert json.loads(entry.detail) == {"spent": 1_250_000_000, "overdraft": 250_000_000}


def test_settling_twice_frees_nothing_more() -> None:
    """The hold is freed once."""
    once, _ = settle(turn(held_left=usd("0.40"), spent=usd("0.60"), calls=2))
    again, entry = settle(once)
    assert again == once
    assert entry.held == ZERO


@pytest.mark.parametrize(
    ("known", "kind"),
    [
        ({}, EntryKind.VOIDED),
        ({"calls": 1}, EntryKind.SETTLED),
        ({"spent": Usd(1)}, EntryKind.SETTLED),
        ({"unpriced_calls": 1}, EntryKind.SETTLED),
    ],
)
def test_only_a_turn_that_never_ran_is_voided(known: dict[str, object], kind: EntryKind) -> None:
    """Any call, any money and any usage of unknown price makes the end of a turn a settlement."""
    assert settle(turn(held_left=usd("1"), **known))[1].kind is kind


# ----------------------------------------------------------------------------------------------------------- the cache
def test_a_session_remembers_what_its_cache_holds() -> None:
    """After a call the whole context and the answer stand in front of the next one, from this time on, on this model."""
    after = remember(session(model=None), Usage("opus", Tokens(1, 20, 300, 0, 0, 4_000)), at_ms=77)
    assert (after.context_tokens, after.last_call_at_ms, after.model) == (4_321, 77, "opus")


@pytest.mark.parametrize(
    ("tokens", "before", "after"),
    [
        (Tokens(cache_write_1h=1), 300, 3600),
        (Tokens(cache_write_5m=1), 3600, 300),
        (Tokens(cache_write_5m=1, cache_write_1h=1), 300, 3600),
        (Tokens(cache_read=1), 3600, 3600),
        (Tokens(cache_write_unsplit=1), 300, 300),
    ],
)
def test_a_session_remembers_how_long_its_cache_lives(tokens: Tokens, before: int, after: int) -> None:
    """The lifetime is that of the last write that told it, the longer one where both were written."""
    assert remember(session(cache_ttl_s=before), Usage("opus", tokens), at_ms=0).cache_ttl_s == after


AMOUNTS = st.integers(min_value=0, max_value=10**10).map(Usd)


@UNHURRIED
@given(st.lists(st.none() | AMOUNTS, max_size=8), AMOUNTS)
def test_entries_and_turn_tell_the_same_story(prices: list[Usd | None], hold: Usd) -> None:
    """Whatever calls are booked and then settled, entries sum to what the turn spent and free exactly its hold."""
    running, entries = turn(hold=hold, held_left=hold), []
    for number, price in enumerate(prices):
        running, entry = book(running, call(f"c_{number}", None if price is None else price.exact()))
        entries.append(entry)
    settled, entry = settle(running)
    entries.append(entry)
    assert sum((entry.spent for entry in entries), ZERO) == settled.spent
    assert sum((entry.held for entry in entries), ZERO) == -hold
    assert settled.overdraft == max(ZERO, settled.spent - hold)
    assert settled.calls == len(prices)
    assert settled.unpriced_calls == prices.count(None)
    assert (settled.tokens == NO_TOKENS) == (not prices)


# ----------------------------------------------------------------------------------------------------- priced afterwards
ON = date(2026, 1, 31)


def unpriced(before: Turn, usage: Usage) -> tuple[Turn, Entry]:
    """A turn after a call of unknown price, and the call's entry."""
    return book(before, Call("c_1", usage, Unpriced("no list price")))


def test_a_call_is_priced_later_by_an_entry_of_its_own() -> None:
    """The amount is spent in the turn and on the scopes of the call's own entry, and the turn has one call less without a price."""
    usage = Usage("opus", Tokens(output=1_000_000), web_searches=3, geo="us")
    booked, entry = unpriced(turn(spent=usd("1"), hold=usd("2")), usage)
    later = replace(booked, scopes=(SESSION,))
    after, priced = reprice(later, 12, entry, usage, OPUS, on=ON, source="a list")
    assert (after.spent, after.unpriced_calls, after.calls, after.tokens) == (usd("26.03"), 0, 1, booked.tokens)
    made_of = Parts(output=usd("25"), web_search=usd("0.03"))
    assert after == replace(later, spent=after.spent, parts=made_of, unpriced_calls=0)
    assert (priced.kind, priced.spent, priced.held, priced.limit) == (EntryKind.REPRICED, usd("25.03"), ZERO, None)
    assert (priced.scopes, priced.turn_id, priced.session_id) == ((SESSION, DAY), "t_1", "s_1")
    assert (priced.who, priced.call_id) == ("reprice", "reprice:12")
    assert "entry 12" in priced.why


def test_the_entry_of_a_later_price_tells_what_was_priced_at_which_rates() -> None:
    """The ledger alone is enough to check the sum: tokens, terms, the rates beyond the cliff, their day and their source."""
    dear = replace(OPUS, output=2 * OPUS.output)
    usage = Usage("opus", Tokens(input=300, output=7), speed="fast")
    booked, entry = unpriced(turn(), usage)
    _, priced = reprice(booked, 12, entry, usage, replace(OPUS, above=((200, dear),)), on=ON, source="a list")
    assert json.loads(priced.detail) == {
        "entry": 12,
        "model": "opus",
        "service_tier": "standard",
        "speed": "fast",
        "tokens": {"input": 300, "output": 7},
        "rates": {
            "input": 5_000_000_000,
            "cache_read": 500_000_000,
            "cache_write_5m": 6_250_000_000,
            "cache_write_1h": 10_000_000_000,
            "output": 50_000_000_000,
            "web_search": 10_000_000,
        },
        "priced_on": "2026-01-31",
        "source": "a list",
    }
    assert priced.spent == Usd(300 * 5_000 + 7 * 50_000)


def test_a_later_price_touches_no_hold_and_may_be_an_overdraft() -> None:
    """What nobody knew when it was held for is beyond the hold, and is told as such."""
    usage = Usage("opus", Tokens(output=40_000))
    booked, entry = unpriced(turn(hold=usd("0.50"), spent=usd("0.25")), usage)
    after, priced = reprice(booked, 3, entry, usage, OPUS, on=ON, source="")
    assert (after.hold, after.held_left, after.overdraft, priced.held) == (usd("0.50"), ZERO, usd("0.75"), ZERO)


def test_calls_without_a_price_are_never_counted_below_none() -> None:
    """A turn that says that all of it is priced goes on to say so."""
    usage = Usage("opus", Tokens(output=1))
    _, entry = unpriced(turn(), usage)
    assert reprice(turn(), 3, entry, usage, OPUS, on=ON, source="")[0].unpriced_calls == 0
