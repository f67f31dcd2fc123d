"""Sentences about limits and about changes of them, in English."""

import pytest

from gateway.domain.budget import Scope, ScopeKind, Unit
from gateway.domain.money import ZERO, Usd
from gateway.view import limits_words

ONE, TWO, TEN = Usd.parse("1"), Usd.parse("2.50"), Usd.parse("10")
DAY = ScopeKind.DAY


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (limits_words.may_not_raise_by(Unit.CALLS, 1), "You may not raise this limit by 1 call: ask an owner."),
        (limits_words.no_limit(DAY), "There is no limit on this day: there is nothing to raise."),
        (limits_words.too_high(TEN), "That would be more than $10.00, the most there is."),
        (limits_words.sentence("it is not"), "it is not."),
        (limits_words.line("Day", TWO, ONE, TEN), "Day: $2.50 spent, $1.00 held, of $10.00"),
        (limits_words.line("Day", TWO, ZERO, None), "Day: $2.50 spent, no limit"),
        (limits_words.scope_name(DAY), "Day"),
        (limits_words.team_name("month"), "Team's month"),
        (limits_words.beside(["a", "b"]), "a · b"),
        (limits_words.subscription(["a", "b"]), "Subscription: a · b"),
        (limits_words.window("five-hour", 80, ""), "five-hour window 80 %"),
        (limits_words.window("five-hour", 80, "18:00"), "five-hour window 80 %, until 18:00"),
        (
            limits_words.asked_above(ONE),
            "You are asked above $1.00 a run. Change a limit: /budget 10, /budget day 25",
        ),
        (
            limits_words.warning(DAY, Unit.USD, TWO.nano, TEN.nano, 75),
            "75 % of the day's $10.00 is spent: $2.50.",
        ),
        (limits_words.warning(DAY, Unit.CALLS, 200, 200, 95), "All of the day's 200 calls are used."),
        (limits_words.used_of_it(Unit.CALLS, 3), "3 calls of it are used."),
        (limits_words.used_of(Unit.USD, ONE.nano, TEN.nano), "$1.00 of $10.00 is spent."),
    ],
)
def test_limits_are_told_in_english(said: str, words: str) -> None:
    """The answers to /budget and /raise, and the warnings, with every optional part there and not."""
    assert said == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (limits_words.by_command_line("me", "box"), "the command line on box (me)"),
        (limits_words.by_program("desk"), "a program on this machine, through MCP (desk),"),
        (limits_words.by_agent("s_1", "Claude Code in /work"), "the agent of session s_1 (Claude Code in /work)"),
        (limits_words.agent_in("Claude Code", "/work"), "Claude Code in /work"),
        (limits_words.named(Scope(DAY, "2026-01-31"), "2026-01-31"), "the day's limit"),
        (limits_words.named(Scope(ScopeKind.SESSION, "s_1"), "s_1"), "the limit of session s_1"),
        (limits_words.opening("the day"), "The day"),
        (limits_words.is_by_now("the day's limit", "$9.00"), "The day's limit is $9.00 by now: nothing was changed."),
        (limits_words.over_the_top("$9.00"), "That would be more than $9.00, the most there is: nothing was changed."),
        (limits_words.taking_away("the day's limit", "$9.00"), "take the day's limit away, which is $9.00"),
        (limits_words.raising("it", "$1", "$2", "until 18:00"), "raise it by $1 to $2 until 18:00"),
        (limits_words.raising("it", "$1", "$2", ""), "raise it by $1 to $2"),
        (limits_words.raise_to("$2"), "Raise to $2"),
        (limits_words.raised_to("$2"), "Raised to $2"),
        (limits_words.answered_by("No", ""), "No (by you)."),
        (limits_words.answered_by("No", "7"), "No (by 7)."),
        (limits_words.stands("the day's limit", "$2", ""), "The day's limit is $2"),
        (limits_words.asks("the agent", "raise it", ""), "The agent asks: raise it."),
        (limits_words.asks("the agent", "raise it", "more tests"), "The agent asks: raise it (more tests)."),
        (
            limits_words.set_by_command_line("me", "box", "it", "$1", "$2", "late"),
            "The command line on box (me) set it to $1, it was $2 (late).",
        ),
        (
            limits_words.set_by_command_line("me", "box", "it", "$1", "", ""),
            "The command line on box (me) set it to $1.",
        ),
        (limits_words.period_over(DAY), "That day is over: nothing was changed."),
        (limits_words.asked_in_chat("raise it"), "Asked in the chat: raise it."),
        (limits_words.said_yes("It is $2", "7"), "It is $2: 7 said yes."),
        (limits_words.said_no("7"), "7 said no: nothing was changed."),
        (limits_words.raised_for_turn(Unit.CALLS, 5, "Fix it"), "raised by 5 calls for Fix it"),
        (limits_words.as_in_session("s_1"), "as in session s_1"),
        (limits_words.at_gateway("7", "laptop"), "7 at laptop"),
        (limits_words.fenced("l_1"), "lease l_1 was fenced"),
        (limits_words.taken_away_for("me", ""), "taken away, asked by me"),
        (limits_words.taken_away_for("me", "late"), "taken away, asked by me: late"),
        (limits_words.raised_at_wish("$1", "until 18:00", "me", ""), "raised by $1 until 18:00, asked by me"),
        (limits_words.raised_at_wish("$1", "", "me", "late"), "raised by $1, asked by me: late"),
        (limits_words.as_command_line("me", "box"), "the command line (me on box)"),
        (limits_words.price_known(3), "the list price of what entry 3 booked is known now"),
    ],
)
def test_changes_are_told_in_english(said: str, words: str) -> None:
    """Who asks for what, what people answered, and what the ledger keeps of it."""
    assert said == words
