"""Sentences about what an agent asks, and about the answers, in English."""

import pytest

from gateway.view import question_words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (question_words.always(["npm test *"]), "Always: npm test *"),
        (question_words.always(["npm test *", "ls"]), "Always: these 2 rules"),
        (question_words.picked_choice("Red"), "✓ Red"),
        (question_words.unpicked("✓ Red"), "Red"),
        (question_words.unpicked("Red"), "Red"),
        (
            question_words.with_rules("Run?", ["`a`", "`b`"]),
            "Run?\nAlways: it does not ask again in this project for what `a` and `b` names.",
        ),
        (question_words.reply_denies("Run?"), "Run?\nReply to this message to deny it and say why."),
        (question_words.whole_below("Run?", "asked.txt"), "Run?\nAll of it is in asked.txt below."),
        (
            question_words.of_agent("Which?", choices=True, several=True),
            "Which?\n\nTap all that you want and then Done, or write your answer: it goes with what is picked.",
        ),
        (question_words.of_agent("Which?", choices=False, several=True), "Which?\n\nWrite your answer."),
        (question_words.one_of(2, 3, "Which?"), "Question 2 of 3\n\nWhich?"),
        (
            question_words.reminder("Which?", 125_000),
            "Still waiting for your answer: Which?\nWithout one it is closed in 2 min.",
        ),
        (
            question_words.reminder("Which?", 59_000),
            "Still waiting for your answer: Which?\nWithout one it is closed in 59 s.",
        ),
    ],
)
def test_what_an_agent_asks_is_put_in_english(said: str, words: str) -> None:
    """Buttons, what they do, and how else to answer."""
    assert said == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (question_words.denied_because("not now"), "Denied: not now"),
        (question_words.plan_changes("fewer files"), "Keep planning: fewer files"),
        (question_words.allowed_always(["`a`"]), "Allowed, and always what `a` names."),
        (
            question_words.answer_of_several("Answered: Red"),
            "Answered: Red\nThe agent hears it with the answers to the other questions.",
        ),
        (question_words.under(question_words.reply_denies("Bash?"), "Allowed."), "Bash?\n\nAllowed."),
        (question_words.under(question_words.of_agent("Why?", choices=False), "Answered: so"), "Why?\n\nAnswered: so"),
        (question_words.under("Write your answer.\nOr not", "It waits."), "Write your answer.\nOr not\n\nIt waits."),
        (
            question_words.told_changes("fewer files"),
            "The person does not approve the plan yet, and wants: fewer files",
        ),
        (question_words.told_why("not now"), "The person said no: not now"),
    ],
)
def test_an_answer_is_told_in_english_to_who_waits_for_it(said: str, words: str) -> None:
    """Below the question, and to the agent."""
    assert said == words
