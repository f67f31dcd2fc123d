"""Sentences about what is forgotten, in English."""

import pytest

from gateway.view import forget_words

STAYS = "Amounts, tokens, times, models, states, directories and the ledger stay."
OWN = "What the agent itself keeps of the conversation belongs to the agent, and stays."
YOURS = "Messages in this chat are not deleted: do that here yourself."
NOT_YET = "The log of the database still holds them, since somebody reads it just now: they go from it within the day."


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (forget_words.counted(0, 0, 0, 0, 0), "no words"),
        (forget_words.counted(1, 1, 1, 1, 1), "1 prompt, 1 answer, 1 question, 1 file, 1 unsent message"),
        (forget_words.counted(2, 0, 3, 0, 4), "2 prompts, 3 questions, 4 unsent messages"),
        (
            forget_words.asks("`/w`", "Fix it", "1 prompt"),
            (
                "Forget this session for good? It is the one in `/w`: Fix it\n"
                "What goes: 1 prompt, and all files that belong to it.\n"
                f"{STAYS}\n{OWN}\n{YOURS}"
            ),
        ),
    ],
)
def test_who_forgets_a_session_is_told_what_goes_and_what_stays(said: str, words: str) -> None:
    """Before anything is done, counted, and with what nobody here can delete."""
    assert said == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (forget_words.done("1 prompt", "", scrubbed=True), f"Forgotten: 1 prompt. {STAYS}"),
        (
            forget_words.done("1 prompt", "a.jsonl", scrubbed=False),
            f"Forgotten: 1 prompt. {STAYS}\nThe agent's own transcript is its own, and stays: a.jsonl\n{NOT_YET}",
        ),
        (
            forget_words.done_in_chat("no words", transcript=False, scrubbed=True),
            f"Forgotten: no words. {STAYS}\n{YOURS}",
        ),
        (
            forget_words.done_in_chat("no words", transcript=True, scrubbed=False),
            f"Forgotten: no words. {STAYS}\n{OWN}\n{NOT_YET}\n{YOURS}",
        ),
        (
            forget_words.not_deleted("a.txt", "it is read-only"),
            "Nothing was forgotten: a.txt cannot be deleted (it is read-only). Mend that, and try again.",
        ),
    ],
)
def test_what_was_forgotten_is_told_with_what_is_still_there(said: str, words: str) -> None:
    """At a terminal and in the chat, with every optional part there and not."""
    assert said == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            forget_words.kept(0, 1, 30),
            (
                "prompts, answers and questions for ever, files that people send 1 day, "
                "what could not be read or may not have arrived 30 days; amounts and the ledger for ever"
            ),
        ),
        (forget_words.which(0), "no session's id begins so: `tollbridge sessions` lists them"),
        (
            forget_words.which(2),
            "more than one session's id begins so: write more of it (`tollbridge sessions` lists them)",
        ),
    ],
)
def test_a_terminal_is_told_how_long_words_are_kept_and_which_session_is_meant(said: str, words: str) -> None:
    """For ever, a day or days; none of that name, or several."""
    assert said == words
