"""The sentences that people see."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import summary
from gateway.core.summary import count, duration, spent, title
from gateway.domain.turn import TurnState
from gateway.domain.usage import Flag, Tokens
from gateway.view.turn_words import closing_line, ending
from tests.core.make import SESSION, UNHURRIED, balance, turn, usd


# ----------------------------------------------------------------------------------------------------------- small words
def test_a_title_is_the_prompt_in_one_line() -> None:
    """Line ends and runs of spaces become one space."""
    assert title("  Fix the\n\n flaky\tlogin   test ") == "Fix the flaky login test"


def test_a_title_may_stand_in_a_message_as_it_was_typed() -> None:
    """What the prompt's first words would mean in Markdown is taken from them after they were shortened."""
    assert summary.escaped_title("  Fix\nlogin_test") == "Fix login\\_test"
    assert summary.escaped_title("_" * 81) == "\\_" * 79 + "…"


@pytest.mark.parametrize(("length", "shown"), [(80, "x" * 80), (81, "x" * 79 + "…"), (100_000, "x" * 79 + "…")])
def test_a_long_title_is_cut_and_says_so(length: int, shown: str) -> None:
    """A title has at most 80 characters, the last of them an ellipsis where something is missing."""
    assert title("x" * length) == shown


@pytest.mark.parametrize(
    ("tokens", "shown"),
    [
        (0, "0"),
        (950, "950"),
        (999, "999"),
        (1_000, "1k"),
        (1_499, "1k"),
        (1_500, "2k"),
        (38_200, "38k"),
        (999_499, "999k"),
        (999_500, "1.0M"),
        (1_240_000, "1.2M"),
        (45_000_000, "45.0M"),
    ],
)
def test_token_counts_are_short(tokens: int, shown: str) -> None:
    """Tokens are shown as they are, in thousands or in millions, never as 1000k."""
    assert count(tokens) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (34, "34 s"),
        (59, "59 s"),
        (60, "1 min 0 s"),
        (125, "2 min 5 s"),
        (3_599, "59 min 59 s"),
        (3_600, "1 h 0 min"),
        (3_780, "1 h 3 min"),
        (90_000, "25 h 0 min"),
    ],
)
def test_times_are_short(seconds: int, shown: str) -> None:
    """Seconds are shown up to an hour, and days as hours."""
    assert duration(seconds) == shown


# --------------------------------------------------------------------------------------------------------------- money
def test_what_a_turn_cost_says_what_is_not_known_of_it() -> None:
    """A lower bound and calls of unknown price are told beside the amount, and never shown as $0."""
    assert spent(turn(spent=usd("0.42"))) == "$0.42"
    assert spent(turn(spent=usd("0.42"), flags=frozenset({Flag.RECONCILED}))) == "$0.42"
    assert spent(turn(spent=usd("0.42"), flags=frozenset({Flag.LOWER_BOUND}))) == "at least $0.42"
    assert spent(turn(spent=usd("0.42"), unpriced_calls=2)) == "$0.42 + 2 calls of unknown price"
    assert spent(turn(unpriced_calls=1)) == "1 call of unknown price"
    assert spent(turn()) == "$0.00"


def test_every_turn_ends_with_one_quiet_line() -> None:
    """Cost, tokens with the cache reads counted, and what the session has spent of its limit."""
    ended = turn(spent=usd("0.42"), tokens=Tokens(input=1_000, cache_read=36_000, output=1_000, reasoning=900))
    line = closing_line(ended, balance(SESSION, "5", spent="3.10", held="1"))
    assert line == "$0.42 · 38k tokens · session $3.10 of $5.00"


def test_the_quiet_line_marks_list_prices_and_a_missing_limit() -> None:
    """Figures of subscription users are labelled, and where no limit was set none is shown."""
    line = closing_line(turn(), balance(SESSION, None, spent="3.10"), list_price=True)
    assert line == "$0.00 · 0 tokens · session $3.10 · list prices"


# -------------------------------------------------------------------------------------------------------------- status
@pytest.mark.parametrize(
    ("state", "word"),
    [
        (TurnState.QUEUED, "Working"),
        (TurnState.ASKING, "Working"),
        (TurnState.HELD, "Working"),
        (TurnState.RUNNING, "Working"),
        (TurnState.PAUSED, "Paused"),
        (TurnState.FINISHED, "Done"),
        (TurnState.FAILED, "Failed"),
        (TurnState.STOPPED, "Stopped"),
        (TurnState.REFUSED, "Not run"),
        (TurnState.INTERRUPTED, "Interrupted"),
    ],
)
def test_an_ending_has_one_word_for_each_state(state: TurnState, word: str) -> None:
    """A turn that never started has nothing else to tell."""
    assert ending(turn(state=state), 0) == word


def test_an_ending_tells_calls_and_time() -> None:
    """Calls and time since the start; a clock set back counts as no time."""
    done = turn(state=TurnState.FINISHED, started_at_ms=1_000, calls=6)
    assert ending(done, 126_999) == "Done · 6 calls · 2 min 5 s"
    assert ending(turn(state=TurnState.FAILED, started_at_ms=1_000, calls=1), 0) == "Failed · 1 call · 0 s"
    assert ending(turn(state=TurnState.STOPPED, started_at_ms=0), 0) == "Stopped · 0 calls · 0 s"


@UNHURRIED
@given(st.text(), st.integers(min_value=0, max_value=10**11))
def test_titles_and_counts_are_always_short(prompt: str, tokens: int) -> None:
    """Whatever the prompt, its title is one line of at most 80 characters; a count has at most nine."""
    line = title(prompt)
    assert len(line) <= 80
    assert "\n" not in line
    assert len(count(tokens)) <= 9


def test_what_is_asked_for_is_shown_whole_with_nothing_hidden() -> None:
    """Attack 20: bidirectional, zero-width and control characters in what a tool is to do are shown by their code."""
    shown = summary.verbatim("rm \u202egnp.a\u202c\u200b \x1b[2J ok\n\ttab")
    assert shown == "```\nrm \\u{202e}gnp.a\\u{202c}\\u{200b} \\u{1b}[2J ok\n\ttab\n```"


def test_a_fence_in_what_is_asked_for_cannot_end_the_block() -> None:
    """The block's fence is longer than any run of backticks inside."""
    assert summary.verbatim("a ```` b") == "`````\na ```` b\n`````"


@pytest.mark.parametrize(
    ("line", "shown"),
    [("/srv/*a*_b", "`/srv/*a*_b`"), ("a`b", "``a`b``"), ("`", "`` ` ``"), ("``a", "``` ``a ```"), ("a`", "`` a` ``")],
)
def test_a_line_as_code_cannot_end_the_code(line: str, shown: str) -> None:
    """As long a fence as it takes, with a blank where a backtick would join it."""
    assert summary.code(line) == shown


def test_what_is_too_long_to_show_is_said_to_be() -> None:
    """Nobody takes a part for the whole."""
    shown = summary.verbatim("x" * (summary.VERBATIM_CHARACTERS_MAX + 7))
    assert "[7 characters more; the answer is for the whole]" in shown
    whole = "x" * summary.VERBATIM_CHARACTERS_MAX
    assert summary.verbatim(whole) == f"```\n{whole}\n```"


@pytest.mark.parametrize(
    "char", "\u034f\ufe0f\u3164\u115f\u2800\u17b4\u180b\U000e0100\u1160\uffa0\u00a0\u3000\u00ad\ud83d\ue000"
)
def test_what_shows_as_nothing_is_shown_by_its_code(char: str) -> None:
    """Attack 20: fillers, variation selectors, blanks and halves of characters, whatever their category says."""
    assert summary.verbatim(f"rm{char} x") == f"```\nrm\\u{{{ord(char):x}}} x\n```"


@pytest.mark.parametrize("text", ["e\u0301te\u0301", "שָׁלוֹם", "مَرْحَبًا", "ก็ไม่ได้", "हिन्दी", "Straße", "日本", "😀"])
def test_what_people_write_stays_readable(text: str) -> None:
    """Accents and vowel signs on letters are shown as they are written."""
    assert summary.verbatim(text) == f"```\n{text}\n```"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a;\u0301", "a;\\u{301}"),
        ("=\u0338", "=\\u{338}"),
        ("a\u0338", "a\\u{338}"),
        ("a\u20dd", "a\\u{20dd}"),
        ("a\u0301\u0301\u0301\u0301", "a\u0301\u0301\u0301\\u{301}"),
        ("\u200b\u0301", "\\u{200b}\\u{301}"),
        ("\n\u0301", "\n\\u{301}"),
    ],
)
def test_an_accent_that_could_cover_something_is_shown_by_its_code(text: str, shown: str) -> None:
    """On anything but a letter, drawn across what stands before it, or one of a heap."""
    assert summary.verbatim(text) == f"```\n{shown}\n```"


def test_codes_count_as_they_are_shown() -> None:
    """A text that is shown by its codes is cut as well, and what is left out is counted in the text's own characters."""
    assert summary.revealed("\u200b\u200bx", 10) == ("\\u{200b}", 2)
    assert summary.revealed("", 10) == ("", 0)


def test_a_huge_text_is_cut_before_it_is_looked_at() -> None:
    """Ten million characters take no longer than the few that are shown."""
    began = process_time()
    shown = summary.verbatim("x" * 10_000_000)
    assert process_time() - began < 0.3
    assert f"[{10_000_000 - summary.VERBATIM_CHARACTERS_MAX} characters more" in shown


@pytest.mark.parametrize(
    "text",
    ["a_b *c* [d](e)", "# 5 > 3 ~ `x` \\ ^", "1. one\n- two", "$0.08 | <tag> & more"],
)
def test_a_text_without_its_marks_is_what_was_escaped(text: str) -> None:
    """Where Markdown is not drawn no mark is left over."""
    assert summary.plain(f"**{summary.escape(text)}**") == text


def test_a_closing_line_for_a_terminal_has_no_tokens() -> None:
    """It stands behind other words there, and the amounts are what counts."""
    line = closing_line(turn(spent=usd("0.04")), balance(SESSION, "2", spent="0.04"), list_price=True, tokens=False)
    assert line == "$0.04 · session $0.04 of $2.00 · list prices"
