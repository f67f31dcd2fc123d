"""A higher limit that a person has to agree to: what a yes does, and how it is told."""

from dataclasses import replace

import pytest

from gateway.core.change import (
    Change,
    accepted,
    deed,
    heading,
    ledger_words,
    lowered,
    named,
    offer,
    over_the_top,
    question,
    read_amount,
    reason,
    said_yes,
    stands,
)
from gateway.domain.budget import Balance, Counts, Scope, ScopeKind, Unit
from gateway.domain.money import AmountError, Usd

DAY = Scope(ScopeKind.DAY, "2026-11-22")
RAISE = Change(
    "change_1", DAY, raises=True, amount=Usd.parse("5").nano, before=Usd.parse("25").nano, user="ada", host="desk"
)
SET = replace(RAISE, raises=False, amount=Usd.parse("40").nano)
FULL = replace(RAISE, why="a _big_ job", until_ms=1_795_370_400_000, until="until 18:00")


def test_a_raise_counts_from_the_limit_and_a_setting_does_not() -> None:
    """Both know the limit that a yes sets, and how much more it is."""
    assert (RAISE.limit, RAISE.by) == (Usd.parse("30").nano, Usd.parse("5").nano)
    assert (SET.limit, SET.by) == (Usd.parse("40").nano, Usd.parse("15").nano)


@pytest.mark.parametrize("change", [RAISE, SET, FULL, replace(RAISE, scope=Scope(ScopeKind.PROJECT, '/a "b"\n'))])
def test_a_button_keeps_the_whole_change(change: Change) -> None:
    """What is read again is what was written."""
    assert Change.read(change.value()) == change


def test_the_same_wish_is_known_again_and_another_one_is_not() -> None:
    """Whoever asks twice asks one question; any other figure, scope, reason or end makes another."""
    assert RAISE.same(replace(RAISE, request="change_2"))
    for other in (SET, FULL, replace(RAISE, before=Usd.parse("26").nano), replace(RAISE, why="because")):
        assert not RAISE.same(other)


def test_a_wish_is_renewed_with_the_limit_of_now() -> None:
    """A raise goes by the same amount from there; a setting goes where it was to go, unless that is no more."""
    renewed = RAISE.renewed(Usd.parse("28").nano)
    assert renewed == replace(RAISE, before=Usd.parse("28").nano)
    assert SET.renewed(Usd.parse("39.99").nano) == replace(SET, before=Usd.parse("39.99").nano)
    assert SET.renewed(Usd.parse("40").nano) == "The day's limit is $40.00 by now: nothing was changed."
    assert SET.renewed(Usd.parse("50").nano) == "The day's limit is $50.00 by now: nothing was changed."
    words = RAISE.renewed(Usd.parse("999999").nano)
    assert words == "That would be more than $1000000.00, the most there is: nothing was changed."


def test_an_amount_is_more_than_nothing() -> None:
    """Zero is explained in the words of what was wanted; what is no amount at all as everywhere."""
    assert read_amount("$2.50", raises=False) == (Unit.USD, Usd.parse("2.50").nano)
    assert read_amount("200 calls", raises=True) == (Unit.CALLS, 200)
    for text, raises, words in (
        ("0", True, "changes nothing"),
        ("0.0", False, "lets nothing run"),
        ("-1", True, "'-1'"),
    ):
        with pytest.raises(AmountError, match=words):
            read_amount(text, raises=raises)


def test_a_limit_that_is_taken_away_is_said_to_be() -> None:
    """In the question, on the button, after the yes, in the ledger: nobody reads of a million dollars."""
    unit, most = read_amount("none", raises=False)
    none = replace(SET, amount=most)
    assert (unit, none.takes_away, over_the_top(none)) == (Unit.USD, True, "")
    assert deed(none) == "take the day's limit away, which is $25.00"
    assert (offer(none), accepted(none)) == ("Take it away", "Taken away")
    assert stands(none) == "The day's limit is none"
    assert ledger_words(none).startswith("taken away, asked by")
    assert (offer(FULL), accepted(FULL)) == ("Raise to $30.00", "Raised to $30.00")
    assert stands(FULL) == "The day's limit is $30.00 until 18:00"
    assert said_yes(FULL, "7") == "The day's limit is $30.00 until 18:00: 7 said yes."
    with pytest.raises(AmountError):
        read_amount("none", raises=True)
    assert not replace(RAISE, amount=most).takes_away


def test_there_is_a_highest_limit() -> None:
    """A million dollars, and not a nano-dollar more."""
    assert over_the_top(replace(SET, amount=Usd.parse("1000000").nano)) == ""
    assert over_the_top(replace(RAISE, before=Usd.parse("999995").nano, amount=Usd.parse("5.000000001").nano))


def test_every_scope_has_a_name_in_a_sentence() -> None:
    """Periods are the owner's; everything else is named."""
    assert [named(Scope(kind, "x")) for kind in (ScopeKind.DAY, ScopeKind.WEEK, ScopeKind.MONTH)] == [
        "the day's limit",
        "the week's limit",
        "the month's limit",
    ]
    assert named(Scope(ScopeKind.SESSION, "s_1")) == "the limit of session s_1"
    assert heading(Scope(ScopeKind.PROJECT, "/srv/a\u202eb")) == "The limit of project /srv/a\\u{202e}b"


def test_the_question_says_who_asks_for_what_and_why_with_nothing_hidden() -> None:
    """Markdown in a reason is shown as it is."""
    asked = question(FULL, Balance(DAY, Usd.parse("25"), Usd.parse("3.10")))
    assert asked.replace("\\", "") == (
        "The command line on desk (ada) asks: raise the day's limit by $5.00 to $30.00 until 18:00 (a _big_ job).\n"
        "$3.10 of $25.00 is spent."
    )
    assert r"\_big\_" in asked
    assert deed(RAISE) == "raise the day's limit by $5.00 to $30.00"
    assert "asks: raise the day's limit by $5.00 to $30.00.\n" in question(RAISE, Balance(DAY, None)).replace("\\", "")


def test_the_ledger_hears_the_reason_the_end_and_who_asked() -> None:
    """Who said yes stands beside it."""
    assert ledger_words(FULL) == "raised by $5.00 until 18:00, asked by the command line on desk (ada): a _big_ job"
    assert ledger_words(RAISE) == "raised by $5.00, asked by the command line on desk (ada)"


def test_what_an_agent_asks_says_whose_agent_it_is() -> None:
    """The session and where it works, or that nothing more is known than the way in; the ledger hears the same."""
    balance = Balance(DAY, Usd.parse("25"), Usd.parse("3"))
    of_session = replace(RAISE, agent="s_1", user="Claude Code in /srv/a_b", host="", why="more tests")
    of_program = replace(RAISE, agent="HTTP", user="", host="")
    assert question(of_session, balance).startswith(
        r"The agent of session s\_1 (Claude Code in /srv/a\_b) asks: raise the day's limit by \$5.00"
    )
    assert question(of_program, balance).startswith(
        "A program on this machine, through MCP (HTTP), asks: raise the day's"
    )
    who = "asked by the agent of session s_1 (Claude Code in /srv/a_b): more tests"
    assert ledger_words(of_session) == f"raised by $5.00, {who}"
    assert Change.read(of_session.value()) == of_session
    assert not RAISE.same(replace(RAISE, agent="s_1"))


def test_a_lower_limit_is_told_with_what_it_was() -> None:
    """Who set it, from what, and why."""
    now = Balance(DAY, Usd.parse("10"), Usd.parse("3"))
    told = lowered(now, Unit.USD, Usd.parse("10").nano, Usd.parse("25").nano, ("ada", "desk"), "enough").replace(
        "\\", ""
    )
    assert told == (
        "The command line on desk (ada) set the day's limit to $10.00, it was $25.00 (enough).\n$3.00 of it is spent."
    )
    first = lowered(now, Unit.USD, Usd.parse("10").nano, None, ("ada", "desk"), "").replace("\\", "")
    assert "to $10.00.\n" in first
    calls = replace(now, counts=Counts(calls=12))
    told = lowered(calls, Unit.CALLS, 200, 300, ("ada", "desk"), "").replace("\\", "")
    assert "set the day's limit to 200 calls, it was 300 calls.\n12 calls of it are used." in told


def test_a_change_in_another_unit_says_so_and_is_kept() -> None:
    """Calls, in every sentence; a person's largest raise is in dollars and does not bound them."""
    change = replace(RAISE, unit=Unit.CALLS, amount=100, before=200)
    assert Change.read(change.value()) == change
    assert change.dollars is None
    asked = question(change, Balance(DAY, None, counts=Counts(calls=150))).replace("\\", "")
    assert "raise the day's limit by 100 calls to 300 calls" in asked
    assert asked.endswith("150 calls of 200 calls are used.")
    assert over_the_top(replace(change, amount=10**9))


def test_a_reason_is_one_line_of_limited_length() -> None:
    """Blanks shrink, what does not show is spelled out, and the end is cut."""
    assert reason(" two\n lines\u200b ") == "two lines\\u{200b}"
    assert reason("x" * 1000) == "x" * 200 + "…"
