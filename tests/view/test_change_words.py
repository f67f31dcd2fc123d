"""Sentences about changes of limits that are asked for from outside the chat, in English."""

from dataclasses import replace

import pytest

from gateway.domain.budget import Scope, ScopeKind, Unit
from gateway.domain.money import Usd
from gateway.view import change_words
from gateway.view.change_words import Wish

DAY, SESSION = Scope(ScopeKind.DAY, "2026-01-31"), Scope(ScopeKind.SESSION, "s_1")
WISH = Wish(
    DAY,
    Unit.USD,
    Usd.parse("25").nano,
    Usd.parse("30").nano,
    takes_away=False,
    until="",
    why="",
    agent="",
    user="me",
    host="box",
)
FULL = replace(WISH, until="until 18:00", why="more tests", agent="s_1", user="Claude Code in /work", host="")
AWAY = replace(WISH, takes_away=True)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (change_words.asker("s_1", "Claude Code in /work"), "the agent of session s_1 (Claude Code in /work)"),
        (change_words.asker("desk", ""), "a program on this machine, through MCP (desk),"),
        (change_words.asker("", "me", "box"), "the command line on box (me)"),
        (change_words.agent_in("Claude Code", "/work"), "Claude Code in /work"),
        (change_words.named(DAY), "the day's limit"),
        (change_words.named(SESSION), "the limit of session s_1"),
        (change_words.heading(DAY), "The day's limit"),
        (change_words.deed(WISH), "raise the day's limit by $5.00 to $30.00"),
        (change_words.deed(FULL), "raise the day's limit by $5.00 to $30.00 until 18:00"),
        (change_words.deed(AWAY), "take the day's limit away, which is $25.00"),
        (change_words.asks(WISH), "The command line on box (me) asks: raise the day's limit by $5.00 to $30.00."),
        (
            change_words.asks(FULL),
            (
                "The agent of session s_1 (Claude Code in /work) asks: raise the day's limit by $5.00 to $30.00 until 18:00 "
                "(more tests)."
            ),
        ),
        (change_words.offer(WISH), "Raise to $30.00"),
        (change_words.offer(AWAY), "Take it away"),
        (change_words.accepted(WISH), "Raised to $30.00"),
        (change_words.accepted(AWAY), "Taken away"),
        (change_words.answered_by("No", ""), "No (by you)."),
        (change_words.answered_by("No", "7"), "No (by 7)."),
        (change_words.is_by_now(DAY, Unit.CALLS, 9), "The day's limit is 9 calls by now: nothing was changed."),
        (
            change_words.over_the_top(Unit.CALLS, 9),
            "That would be more than 9 calls, the most there is: nothing was changed.",
        ),
        (
            change_words.lowered(("me", "box"), DAY, Unit.CALLS, 3, 9, "late"),
            "The command line on box (me) set the day's limit to 3 calls, it was 9 calls (late).",
        ),
        (
            change_words.lowered(("me", "box"), DAY, Unit.CALLS, 3, None, ""),
            "The command line on box (me) set the day's limit to 3 calls.",
        ),
        (change_words.period_over(ScopeKind.DAY), "That day is over: nothing was changed."),
        (change_words.asked_in_chat(WISH), "Asked in the chat: raise the day's limit by $5.00 to $30.00."),
        (change_words.stands(FULL, "$30.00"), "The day's limit is $30.00 until 18:00"),
        (change_words.said_yes(WISH, "$30.00", "7"), "The day's limit is $30.00: 7 said yes."),
        (change_words.said_no("7"), "7 said no: nothing was changed."),
        (change_words.raised_for_turn(Unit.CALLS, 5, "Fix it"), "raised by 5 calls for Fix it"),
        (change_words.as_in_session("s_1"), "as in session s_1"),
        (change_words.at_gateway("7", "laptop"), "7 at laptop"),
        (change_words.fenced("l_1"), "lease l_1 was fenced"),
        (change_words.at_wish(WISH), "raised by $5.00, asked by the command line on box (me)"),
        (change_words.at_wish(AWAY), "taken away, asked by the command line on box (me)"),
        (
            change_words.at_wish(FULL),
            "raised by $5.00 until 18:00, asked by the agent of session s_1 (Claude Code in /work): more tests",
        ),
        (change_words.price_known(3), "the list price of what entry 3 booked is known now"),
    ],
)
def test_changes_are_told_in_english(said: str, words: str) -> None:
    """Who asks for what, what people answered, and what the ledger keeps of it, with every optional part there and not."""
    assert said == words
