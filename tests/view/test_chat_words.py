"""Sentences about commands, turns, questions, the desk, files and the team's bank, in English."""

import pytest

from gateway.domain.money import Usd
from gateway.domain.turn import TurnState
from gateway.view import command_words, desk_words, file_words, question_words, team_words, turn_words
from tests.core.make import SESSION, balance, turn, usd

ONE, TEN = Usd.parse("1"), Usd.parse("10")
KNOWN = ("/budget", ("session", "day"))
LIKE = "Like: /budget 10, /budget day 25, /budget session 200 calls; known: session, day."


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (command_words.usage("go", ""), "/go"),
        (command_words.usage("new", "[directory]"), "/new [directory]"),
        (
            command_words.unknown("x"),
            "There is no command /x: /help lists them. If it is one of your agent's own, write //x.",
        ),
        (command_words.too_long(9, 8), "That is 9 characters; at most 8 can be passed on at once."),
        (
            command_words.no_amount("That is none"),
            "That is none. To give the agent more work, write it without replying to the question.",
        ),
        (command_words.how_much(*KNOWN), f"How much? {LIKE}"),
        (command_words.wrong_amount("That is none", *KNOWN), f"That is none. {LIKE}"),
        (command_words.no_such_limit("year", *KNOWN), f"No limit is called 'year'. {LIKE}"),
        (
            command_words.limit_of_turn(*KNOWN),
            (
                "A turn's limits are set on the machine: budgets.calls, budgets.minutes and budgets.tokens in the "
                f"settings. {LIKE}"
            ),
        ),
        (
            command_words.limits_stay("5 2h", *KNOWN),
            f"'5 2h': a limit stays until another is set; /raise raises one for a while. {LIKE}",
        ),
        (command_words.new_session("A", "/w"), "New session with A in `/w`. Write what it should do."),
        (command_words.no_directory("/x"), "There is no directory `/x`."),
        (
            command_words.outside("/x", ["/w", "/v"]),
            "`/x` is not inside `/w`, `/v`. Add it to agents.roots in the settings to work there.",
        ),
        (command_words.not_a_directory("/x"), "`/x` is not a directory."),
        (command_words.no_session_of(4), "There is no session 4 here: /sessions lists them."),
        (command_words.no_session_of(None), "That session is not here any more: /sessions lists them."),
        (command_words.session_button(2, "work"), "2 · work"),
        (command_words.session_line(1, "`/w`", "A", None, ONE, None, here=False), "1 · `/w` · A · idle · $1.00"),
        (
            command_words.session_line(2, "`/w`", "A", TurnState.RUNNING, ONE, "Fix it", here=True),
            "2 · `/w` · A · at work · $1.00 · this one · Fix it",
        ),
        (
            command_words.open_at_desk("`/w`"),
            "`/w` is open at the desk: write here what it should do, or close it there first.",
        ),
        (command_words.goes_on("A", "`/w`"), "A goes on in `/w`. Write what it should do."),
        (command_words.stopping([], 0, 0), "No turn is running."),
        (command_words.stopping([], 0, 2), "Stopping what runs elsewhere: 2."),
        (command_words.stopping(["Fix it"], 1, 0), "Stopping: Fix it"),
        (command_words.stopping(["a", "b"], 2, 0), "Stopping 2 turns:\n- a\n- b"),
        (command_words.stopping(["a"], 2, 1), "Stopping 3 turns:\n- a\n- and 2 more"),
    ],
)
def test_commands_are_answered_in_english(said: str, words: str) -> None:
    """What is typed gets whole sentences, with every optional part there and not."""
    assert said == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (turn_words.spent(turn(spent=usd("1"), unpriced_calls=1)), "$1.00 + 1 call of unknown price"),
        (turn_words.closing_line(turn(), balance(SESSION, "5")), "$0.00 · 0 tokens · session $0.00 of $5.00"),
        (turn_words.closing_line(turn(), balance(SESSION, None), tokens=False), "$0.00 · session $0.00"),
        (turn_words.with_agents("$1.00", 0), "$1.00"),
        (turn_words.with_agents("$1.00", 1), "$1.00 · 1 agent still at work"),
        (turn_words.with_agents("$1.00", 2), "$1.00 · 2 agents still at work"),
        (turn_words.waits_for_place(1), "Waits for its place: 1 agent is at work already."),
        (turn_words.waits_for_place(2), "Waits for its place: 2 agents are at work already."),
        (
            turn_words.not_delivered("Fix it"),
            (
                "**Fix it**\nNot delivered yet: the session takes no messages now. It waits until it does; "
                "/start lets the gateway open it."
            ),
        ),
        (turn_words.answered("Yes.", 1), "Yes.\n\nStill at work behind this: 1 agent."),
        (turn_words.answered("Yes.", 2), "Yes.\n\nStill at work behind this: 2 agents."),
        (turn_words.cut_off("I was"), "I was\n\n(Cut off here.)"),
        (
            turn_words.left_out("It be", 12_345),
            "It be…\n\n(It goes on for 12,345 more characters, too many to say here.)",
        ),
        (turn_words.ended("Done"), "Done."),
        (turn_words.not_run("it was stopped"), "Not run: it was stopped"),
        (turn_words.follows("Fix it", runs=True), "The message after it is next: Fix it"),
        (turn_words.follows("Fix it", runs=False), "The message after it waits: Fix it"),
        (turn_words.process_ended("killed"), "The agent's process ended: killed"),
        (
            turn_words.process_ended_unconfirmed(turn_words.process_ended("killed")),
            "The agent's process ended: killed. Not confirmed: nothing shows that the session has this message.",
        ),
        (turn_words.not_started("No."), "The agent could not be started. No."),
        (
            turn_words.stays_on_model("A", "m"),
            "A does not change to m, and nothing was sent to it: the session stays as it was.",
        ),
        (turn_words.no_change_to("m"), "It does not change to m."),
        (turn_words.bold("Fix it"), "**Fix it**"),
    ],
)
def test_turns_are_told_in_english(said: str, words: str) -> None:
    """What a turn costs and what became of it, with the plurals."""
    assert said == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (question_words.permission("Bash", "ls"), "**Bash** wants to run:\nls"),
        (question_words.of_agent("Why?", choices=True), "Why?\n\nTap, or write your answer."),
        (question_words.of_agent("Why?", choices=False), "Why?\n\nWrite your answer."),
        (question_words.asks_you("The agent"), "The agent asks you:"),
        (
            question_words.through_mcp("It asks:", "Why?", choices=True),
            "It asks:\nWhy?\nTap, or reply to this message with your answer.",
        ),
        (
            question_words.through_mcp("It asks:", "Why?", choices=False),
            "It asks:\nWhy?\nReply to this message with your answer.",
        ),
        (question_words.at_desk("Why?"), "At the desk: Why?"),
        (question_words.named("Fix it", "Run?"), "**Fix it**\nRun?"),
        (question_words.waits_for_bank("it is away"), "It waits: it is away."),
        (question_words.cut("abc", 2), "abc\n[2 characters more; the answer is for the whole]"),
        (question_words.under("Run?", "No."), "Run?\n\nNo."),
        (question_words.too_long(10), "At most 10 characters can be an answer."),
        (question_words.answered("yes"), "Answered: yes"),
        (question_words.answer_waits("yes"), "Answer: yes\nThe agent has not asked for it yet."),
        (question_words.picked("No"), "No."),
        (question_words.goes_on_with("Run.", "m"), "Run. This session goes on with m."),
        (question_words.send_again_at_desk("Run."), "Run. Send it again at the desk within 10 minutes."),
        (
            question_words.write_at_desk("Go on"),
            "Go on. Write anything at the desk within 10 minutes: it goes on there.",
        ),
        (question_words.continue_with("Fix it"), "Continue where you left off: Fix it"),
        (desk_words.not_run(""), "Tollbridge: not run."),
        (desk_words.not_run("It is late."), "Tollbridge: not run. It is late."),
        (
            desk_words.not_run_stopped("on Telegram"),
            "Tollbridge: not run. Everything is stopped: write /go to Tollbridge on Telegram.",
        ),
        (
            desk_words.asked("on Telegram", None, "Why?"),
            f"Tollbridge asked on Telegram whether this may run: Why?\n{desk_words.SEND_AGAIN}",
        ),
        (
            desk_words.asked("on Telegram", ONE, "Why?"),
            f"Tollbridge asked on Telegram whether this may run, up to $1.00: Why?\n{desk_words.SEND_AGAIN}",
        ),
        (
            desk_words.asked_again("on Telegram", None, "Why?"),
            "Tollbridge: a person said no to this prompt. Asked again on Telegram: Why?\n" + desk_words.SEND_AGAIN,
        ),
        (
            desk_words.asked_again("on Telegram", ONE, "Why?"),
            "Tollbridge: a person said no to this prompt. Asked again on Telegram, up to $1.00: Why?\n"
            + desk_words.SEND_AGAIN,
        ),
        (desk_words.opened("`/w`", desk_words.HERE), "Open at the desk: `/w`. What you write here goes to it."),
        (
            desk_words.opened("`/w`", desk_words.UNPROVEN),
            "Open at the desk: `/w`. Whether it takes messages from here shows with the first one that you write.",
        ),
        (desk_words.opened("`/w`", desk_words.LISTED), "Open at the desk: `/w`. /sessions lists it."),
        (desk_words.TAKEN_IN, "The session has read it, beside what it was doing."),
        (
            f"{turn_words.UNCONFIRMED} {desk_words.DEAF}",
            (
                f"{turn_words.UNCONFIRMED} This session takes no messages from here: close it and write /start, or open it "
                "again with `claude --continue --dangerously-load-development-channels plugin:tollbridge@tollbridge`."
            ),
        ),
        (turn_words.process_ended(desk_words.CLOSED), "The agent's process ended: it was closed at the desk"),
        (
            turn_words.process_ended(desk_words.VANISHED),
            "The agent's process ended: Claude Code at the desk is gone, and did not say why",
        ),
        (
            turn_words.process_ended(desk_words.LOST),
            "The agent's process ended: Claude Code at the desk was not found any more",
        ),
        (desk_words.lapsed("Fix it"), f"At the desk: Fix it\n{desk_words.LAPSED}"),
        (desk_words.ran("Fix it"), "At the desk: Fix it"),
        (desk_words.aside("$1.00"), f"{desk_words.ASIDE}\n$1.00"),
        (
            desk_words.unmetered("`/w`"),
            "Claude Code was opened in `/w` with `TOLLBRIDGE_OFF`: what it spends is not metered.",
        ),
        (desk_words.cut_prompt("abc", 9, "f00"), "abc\n[9 characters, SHA-256 f00]"),
    ],
)
def test_questions_and_the_desk_speak_english(said: str, words: str) -> None:
    """What is asked, what an answer came to, and what is said at the desk."""
    assert said == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (file_words.too_many(11, 10), "11 files are too many: at most 10 go with one message."),
        (file_words.not_sent("a.txt", "it is gone"), "The file a.txt could not be sent: it is gone."),
        (file_words.too_large(2_000), "it is larger than 2 kB"),
        (file_words.too_slow(150.0), "it did not come within 150 seconds"),
        (file_words.not_fetched("a.txt", "it is gone", runs=False), "a.txt could not be fetched: it is gone."),
        (
            file_words.not_fetched("a.txt", "it is gone", runs=True),
            "a.txt could not be fetched: it is gone. The text runs without it.",
        ),
        (team_words.refused("no"), "The team's bank refused: no."),
        (team_words.stays_open("No."), "No.\nThe question above stays open: answer it again."),
        (
            team_words.no_limit("blue 2026-01", "month"),
            "nobody has set a limit for blue 2026-01 yet (an owner does: `tollbridge bank limit month 500`)",
        ),
    ],
)
def test_files_and_the_bank_speak_english(said: str, words: str) -> None:
    """What is said of a file that did not arrive, and of a bank that lends nothing."""
    assert said == words
