"""What a message means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import gauges
from gateway.core.period_card import Span
from gateway.core.preferences import Help, Mode, Model, Settings, Status, Topic
from gateway.core.route import (
    COMMANDS,
    PROMPT_CHARACTERS_MAX,
    Close,
    Command,
    Explain,
    Forget,
    Go,
    Intent,
    Late,
    New,
    Prompt,
    Queue,
    Queued,
    RaiseBudget,
    Resume,
    Sessions,
    SetBudget,
    ShowBudget,
    ShowCost,
    ShowReport,
    Start,
    Stop,
    read_amount,
    route,
)
from gateway.domain.budget import ScopeKind, Unit
from gateway.domain.events import Message
from gateway.view import cost_words
from gateway.view.command_words import unknown
from gateway.view.forget_words import HOW as HOW_TO_FORGET
from gateway.view.people_words import PAIRED_ALREADY
from gateway.view.preference_words import HOW_TO_SET, help_for
from tests.core.make import CHAT, UNHURRIED, usd


def said(text: str) -> Intent:
    """What plain text means."""
    return route(Message(CHAT, "7", text))


def typed(name: str, argument: str = "") -> Intent:
    """What a command means."""
    return route(Message(CHAT, "7", f"/{name} {argument}", command=(name, argument)))


def test_plain_text_is_a_prompt() -> None:
    """What is no command goes to the session as it was written, less the space around it."""
    assert said("  Fix the login test\n\nplease  ") == Prompt("Fix the login test\n\nplease")


@pytest.mark.parametrize("text", ["/stop all", "> /budget 1000", "approve the pairing", "/new /etc"])
def test_text_that_only_looks_like_a_command_is_a_prompt(text: str) -> None:
    """Forwarded or quoted text is never parsed as a command: only what the chat says the person typed as one is."""
    assert said(text) == Prompt(text)


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("//compact", "/compact"),
        (" //compact now ", "/compact now"),
        ("///x", "//x"),
        ("/ /x", "/ /x"),
        ("a //b", "a //b"),
    ],
)
def test_two_slashes_reach_the_agent_as_one(text: str, prompt: str) -> None:
    """An agent's own commands are prompts that begin with a doubled slash; nothing else in a text is changed."""
    assert said(text) == Prompt(prompt)


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u2003"])
def test_a_message_without_text_is_explained(text: str) -> None:
    """A sticker, or a message of spaces, starts no turn."""
    found = said(text)
    assert isinstance(found, Explain)
    assert "no text" in found.words


def test_a_prompt_of_the_largest_length_goes_through() -> None:
    """The limit itself is allowed, and space around the text does not count."""
    assert said("x" * PROMPT_CHARACTERS_MAX + "\n") == Prompt("x" * PROMPT_CHARACTERS_MAX)


def test_a_prompt_that_is_too_long_is_explained_and_not_cut() -> None:
    """One character more is refused with both numbers; the agent never gets half a prompt."""
    found = said("x" * (PROMPT_CHARACTERS_MAX + 1))
    assert found == Explain("That is 100001 characters; at most 100000 can be passed on at once.")


@pytest.mark.parametrize(
    ("name", "argument", "intent"),
    [
        ("new", "", New(None)),
        ("new", "  /src/app ", New("/src/app")),
        ("sessions", "", Sessions()),
        ("close", "", Close()),
        ("resume", "", Resume()),
        ("fork", "", Resume(forks=True)),
        ("fork", "0a-1 /src/my app", Resume("0a-1", "/src/my app", forks=True)),
        ("steer", "t_0a1", Queue(Queued.STEER, "t_0a1")),
        ("steer", "", Queue(Queued.STEER, "")),
        ("steer", "use tabs", Prompt("use tabs", steers=True)),
        ("steer", "x" * 100_001, Explain("That is 100001 characters; at most 100000 can be passed on at once.")),
        ("resume", "0a-1 /src/my app", Resume("0a-1", "/src/my app")),
        ("sessions", " 2 ", Sessions(2)),
        ("stop", "", Stop(everything=False)),
        ("stop", " all ", Stop(everything=True)),
        ("stop", "All", Stop(everything=True)),
        ("STOP", "ALL", Stop(everything=True)),
        ("stop", "t_0a1", Stop(everything=False, turn_id="t_0a1")),
        ("stop", "draft 17", Stop(everything=False, draft_id=17)),
        ("forget", "", Forget()),
        ("forget", " s_0a1 ", Forget("s_0a1")),
        ("forget", "everything", Explain(HOW_TO_FORGET)),
        ("sessions", "s_0a1", Sessions(session_id="s_0a1")),
        ("now", "t_0a1", Queue(Queued.NOW, "t_0a1")),
        ("run", "t_0a1", Queue(Queued.RUN, "t_0a1")),
        ("drop", "t_0a1", Queue(Queued.DROP, "t_0a1")),
        ("late_run", "s_0a1", Late(Queued.RUN, "s_0a1")),
        ("late_choose", "s_0a1", Late(Queued.CHOOSE, "s_0a1")),
        ("go", "", Go()),
        ("budget", "", ShowBudget()),
        ("budget", "  ", ShowBudget()),
        ("budget", "10", SetBudget(ScopeKind.SESSION, Unit.USD, usd("10").nano)),
        ("budget", "$2.50", SetBudget(ScopeKind.SESSION, Unit.USD, usd("2.50").nano)),
        ("budget", "0.000000001", SetBudget(ScopeKind.SESSION, Unit.USD, usd("0.000000001").nano)),
        ("budget", "session 10", SetBudget(ScopeKind.SESSION, Unit.USD, usd("10").nano)),
        ("budget", "Day   25", SetBudget(ScopeKind.DAY, Unit.USD, usd("25").nano)),
        ("budget", "None", SetBudget(ScopeKind.SESSION, Unit.USD, gauges.MOST[Unit.USD])),
        ("budget", "project none", SetBudget(ScopeKind.PROJECT, Unit.USD, gauges.MOST[Unit.USD])),
        ("budget", "day none calls", SetBudget(ScopeKind.DAY, Unit.CALLS, gauges.MOST[Unit.CALLS])),
        ("raise", "5", RaiseBudget(ScopeKind.SESSION, Unit.USD, usd("5").nano)),
        ("raise", "project 0.50", RaiseBudget(ScopeKind.PROJECT, Unit.USD, usd("0.50").nano)),
        ("cost", "", ShowCost()),
        ("report", "", ShowReport(Span.DAY)),
        ("report", "day", ShowReport(Span.DAY)),
        ("report", "Week", ShowReport(Span.WEEK)),
        ("report", "month", ShowReport(Span.MONTH)),
        ("report", "year", Explain(cost_words.HOW_TO_REPORT)),
        ("help", "", Help()),
        ("status", "", Status()),
        ("settings", "", Settings()),
        ("settings", "Show  Brief", Settings(Topic.SHOW, "brief")),
        ("settings", "volume 3", Explain(HOW_TO_SET)),
        ("model", "opus", Model("opus")),
        ("mode", "", Mode()),
        ("start", "", Start()),
    ],
)
def test_each_command_means_one_thing(name: str, argument: str, intent: Intent) -> None:
    """Commands are understood with and without their argument, in either case."""
    assert typed(name, argument) == intent


@pytest.mark.parametrize("argument", ["everything", "all of it", "1"])
def test_a_stop_that_is_not_understood_is_explained(argument: str) -> None:
    """A stop with another word does not guess which one was meant."""
    assert typed("stop", argument) == Explain("Write /stop for this session, or /stop all for every one.")


@pytest.mark.parametrize("argument", ["whatever", "-1", "2 3", "12345", "\u0665"])
def test_a_session_that_is_no_number_is_explained(argument: str) -> None:
    """What cannot be a place in the list goes to no session."""
    assert typed("sessions", argument) == Explain("Write /sessions to see them, and /sessions 2 to go to the second.")


HELP = help_for((command.name for command in COMMANDS), "owner")
BAD = ["-1", "nan", "1e9", "1,000", "ten", "1000001", "\u0665", "inf", "5 \u20ac", "year 5", "none pears"]


@pytest.mark.parametrize("argument", BAD)
@pytest.mark.parametrize("command", ["budget", "raise"])
def test_a_bad_amount_is_explained_with_an_example(command: str, argument: str) -> None:
    """No amount that nobody can have meant becomes a limit, and the answer shows a good one and what has limits."""
    found = typed(command, argument)
    assert isinstance(found, Explain)
    assert f"Like: /{command} 10, /{command} day 25, " in found.words
    assert "known: session, project, person, chat, day, week, month." in found.words
    assert argument.split(maxsplit=1)[0] in found.words


@pytest.mark.parametrize(
    ("argument", "unit", "amount", "until"),
    [
        ("day 5 2h", Unit.USD, 5_000_000_000, "2h"),
        ("day 5 for 2h", Unit.USD, 5_000_000_000, "2h"),
        ("day 5 until 18:00", Unit.USD, 5_000_000_000, "18:00"),
        ("day 200 calls", Unit.CALLS, 200, ""),
        ("day 1.5M tokens 90m", Unit.TOKENS, 1_500_000, "90m"),
        ("day 2 h 18:00", Unit.WORK_MS, 7_200_000, "18:00"),
    ],
)
def test_a_raise_is_of_any_unit_and_may_end_at_a_time(argument: str, unit: Unit, amount: int, until: str) -> None:
    """What follows the amount is a time, with or without a word before it."""
    assert typed("raise", argument) == RaiseBudget(ScopeKind.DAY, unit, amount, until)


def test_a_limit_ends_at_no_time() -> None:
    """What is set for a while is a raise, and the answer says so."""
    found = typed("budget", "day 5 2h")
    assert isinstance(found, Explain)
    assert "/raise" in found.words


def test_a_turns_limits_are_said_to_be_settings() -> None:
    """They are shown where a turn pauses, so people look for them here."""
    found = typed("budget", "turn 200 calls")
    assert isinstance(found, Explain)
    assert "budgets.calls" in found.words


def test_a_limit_without_an_amount_is_asked_for() -> None:
    """A kind alone is no amount that could be quoted."""
    found = typed("budget", "day")
    assert isinstance(found, Explain)
    assert found.words.startswith("How much? Like: /budget 10")


@pytest.mark.parametrize("argument", ["", "day", "day "])
def test_a_raise_without_an_amount_is_explained(argument: str) -> None:
    """Which limit, but not by how much: nothing is raised."""
    found = typed("raise", argument)
    assert isinstance(found, Explain)
    assert "Like: /raise 10" in found.words


def test_a_raise_by_nothing_is_said_to_be_one() -> None:
    """Nothing is written for it."""
    assert typed("raise", "day 0") == Explain("A raise by nothing changes nothing.")


@pytest.mark.parametrize("argument", ["0", "$0", "0.00", "0.000000000"])
def test_a_budget_of_nothing_is_rejected(argument: str) -> None:
    """A limit of $0 is not set by a slip; the answer says what stops everything."""
    found = typed("budget", argument)
    assert isinstance(found, Explain)
    assert "/stop all" in found.words


@pytest.mark.parametrize("name", ["approve", "lower", "pairing", "budgets", "", "neu"])
def test_an_unknown_command_is_told_with_where_to_look(name: str) -> None:
    """What there is no command for is said by name, with how an agent's own is written; nothing like it is guessed."""
    assert typed(name) == Explain(unknown(name))


def test_who_is_paired_is_told_so_and_reads_of_it_in_no_menu() -> None:
    """/pair is for strangers: the help of those who are in does not name it."""
    assert typed("pair") == Explain(PAIRED_ALREADY)
    assert "pair" not in HELP


def test_a_very_long_command_is_quoted_only_in_part() -> None:
    """However long the name, the answer is short."""
    assert typed("x" * 5000) == Explain(unknown("x" * 32))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_help_shows_how_each_command_is_used(command: Command) -> None:
    """The help and the chats' menus are made from one table: each line names its command with its arguments."""
    assert f"\n{command.usage} - {command.words}\n" in HELP


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_every_command_of_the_menu_exists_and_is_in_the_help(name: str) -> None:
    """What the chat's menu offers is understood, and the help explains it."""
    found = typed(name, "1" if name == "raise" else "")
    assert not isinstance(found, Explain) or found.words == HELP
    assert f"\n/{name}" in HELP


def test_the_help_shows_what_can_be_written_behind_a_command() -> None:
    """Usage and meaning stand on one line, made from the same table as the menu."""
    assert "\n/new [project] [agent] [model] [@branch] - start a new session\n" in HELP


@UNHURRIED
@given(st.text(), st.none() | st.tuples(st.text(), st.text()))
def test_no_message_raises_and_no_limit_is_nothing(text: str, command: tuple[str, str] | None) -> None:
    """Whatever is sent means something or is explained, and a limit that comes out is more than zero."""
    found = route(Message(CHAT, "7", text, command=command))
    assert isinstance(found, Intent)
    assert (command is None) or not isinstance(found, Prompt)
    assert not isinstance(found, SetBudget) or found.amount > 0


@pytest.mark.parametrize(("text", "amount"), [("2.50", "2.50"), (" $3 ", "3")])
def test_a_reply_to_a_question_about_money_is_an_amount(text: str, amount: str) -> None:
    """With or without the sign."""
    assert read_amount(text) == usd(amount)


@pytest.mark.parametrize(
    ("text", "words"), [("yes", "without replying"), ("nan", "without replying"), ("0", "press the button")]
)
def test_a_reply_that_is_no_amount_is_explained(text: str, words: str) -> None:
    """It is not taken for work, nor for a yes."""
    found = read_amount(text)
    assert isinstance(found, Explain)
    assert words in found.words
