"""Sentences about what people send that is not plain text, in English."""

import pytest

from gateway.view import bot_api_words, file_words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            file_words.unread("poll", captioned=False),
            "I do not read polls: say it in words.",
        ),
        (
            file_words.unread("live_photo", captioned=True),
            "I do not read live photos: send the words below it as a message of their own.",
        ),
        (
            file_words.unread("something of next year", captioned=False),
            "I do not read files that the chat does not name: say it in words.",
        ),
        (file_words.heard("fix the login test"), "Heard: fix the login test"),
        (
            file_words.not_heard("voice.ogg", file_words.NOTHING_SAID),
            (
                "What is said in voice.ogg could not be written down: nothing could be made out."
                " It goes to the agent as a file."
            ),
        ),
        (
            file_words.not_heard("voice.ogg", file_words.took_too_long(900.0)),
            (
                "What is said in voice.ogg could not be written down: it took longer than 900 seconds."
                " It goes to the agent as a file."
            ),
        ),
        (
            file_words.not_fetched("film.mp4", bot_api_words.TOO_BIG, runs=False),
            (
                "film.mp4 could not be fetched: Telegram gives bots no file of more than 20 MB;"
                " a Bot API server of your own does (docs/telegram.md)."
            ),
        ),
    ],
)
def test_what_is_not_plain_text_is_answered_in_english(said: str, words: str) -> None:
    """What is not read, what was heard, and why something was not."""
    assert said == words
