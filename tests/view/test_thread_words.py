"""Sentences about sessions' own topics, about what is gone on with, and about projects, in English."""

import pytest

from gateway.view import thread_words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (thread_words.topic_name("api", "fix", "Fix the\n flaky test"), "api@fix: Fix the flaky test"),
        (thread_words.topic_name("api", "", "Fix it"), "api: Fix it"),
        (thread_words.topic_name("api", "fix", ""), "api@fix"),
        (thread_words.closed_name("api: Fix it"), "Closed: api: Fix it"),
        (thread_words.topic_name("api", "", "x" * 123), "api: " + "x" * 123),
        (thread_words.topic_name("api", "", "word " * 30), "api:" + " word" * 24 + "…"),
        (thread_words.topic_name("x" * 200, "", ""), "x" * 127 + "…"),
    ],
)
def test_a_topic_is_called_after_its_project_and_its_prompt(said: str, words: str) -> None:
    """In one line, with as many whole words as a name may have; a word that is too long by itself is cut."""
    assert said == words
    assert len(said) <= thread_words.NAME_MAX


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            thread_words.opening("Claude", "/w"),
            "New session with Claude in `/w`. Its topic is being opened.",
        ),
        (
            thread_words.opened("Claude", "/w", "w: Fix it", ""),
            "New session with Claude in `/w`. It has a topic of its own: **w: Fix it**.",
        ),
        (
            thread_words.opened("Claude", "/w", "w: Fix it", "https://t.me/c/1/2"),
            "New session with Claude in `/w`. It has a topic of its own: [w: Fix it](https://t.me/c/1/2).",
        ),
        (
            thread_words.not_opened("Claude", "/w", thread_words.NO_ANSWER),
            (
                "New session with Claude in `/w`. No topic could be opened for it (the chat gave no answer), so it goes on "
                "here: write what it should do. In a group the bot has to be an administrator who may manage topics."
            ),
        ),
        (thread_words.CLOSED, "Closed. Write here and it goes on; /new begins another session."),
        (
            thread_words.CLOSED_TOPIC.partition("; ")[0],
            "Closed. Write here and it goes on (a group's topic has to be reopened first)",
        ),
        (
            thread_words.comes_here("`/w`", ""),
            "The topic of the session in `/w` is gone or closed: what it says comes here. /sessions goes to it.",
        ),
        (
            thread_words.comes_here("`/w`", "Fix it"),
            "The topic of the session in `/w` (Fix it) is gone or closed: what it says comes here. /sessions goes to it.",
        ),
    ],
)
def test_topics_are_opened_and_lost_in_english(said: str, words: str) -> None:
    """Where a session is told of from now on, and why it is there."""
    assert said == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            thread_words.nothing_to_resume("`/w`"),
            "There is no earlier conversation in `/w`: write what you want done.",
        ),
        (thread_words.conversation(2, "2026-01-31 09:00", "Fix it"), "2 · 2026-01-31 09:00 · Fix it"),
        (
            thread_words.in_other_thread("`/w`", ""),
            "The session in `/w` is open in another chat or topic: go on with it there.",
        ),
        (
            thread_words.in_other_thread("`/w`", "https://t.me/c/1/2"),
            "The session in `/w` is open [in its own thread](https://t.me/c/1/2): go on with it there.",
        ),
    ],
)
def test_earlier_conversations_are_listed_in_english(said: str, words: str) -> None:
    """Or that there is none, or that one is open elsewhere."""
    assert said == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (thread_words.which_of("`api`"), "Several projects fit `api`. Which one?"),
        (thread_words.here("api"), "Here: api"),
        (thread_words.project_button("api", ""), "api"),
        (thread_words.project_button("api", "work"), "api (work)"),
        (
            thread_words.no_branch("`a..b`"),
            "`a..b` cannot be the name of a branch: write it like /new api @fix-login.",
        ),
        (
            thread_words.no_repository("`/w`"),
            "`/w` is in no git repository, so there is no branch to work on.",
        ),
        (
            thread_words.no_worktree("`fix`", thread_words.NO_GIT),
            (
                "There is no worktree for `fix`: git is not installed here. It is tried again when you write to this "
                "session."
            ),
        ),
        (thread_words.git_slow(30.0), "git did not answer within 30 s"),
        (thread_words.git_failed("fatal: no such ref"), "git says: fatal: no such ref"),
        (thread_words.git_failed(""), "git refuses and gives no reason"),
    ],
)
def test_projects_and_branches_are_chosen_in_english(said: str, words: str) -> None:
    """Which is meant, what it cannot be, and what git made of it."""
    assert said == words


def test_copies_are_told_from_what_they_are_copies_of_in_english() -> None:
    """A copy of a copy is called the same, and no name is too long for a topic."""
    assert thread_words.fork_button(2) == "Fork 2"
    assert thread_words.fork_of("Fix it") == "Fork of Fix it"
    assert thread_words.fork_of("Fork of Fix it") == "Fork of Fix it"
    assert len(thread_words.fork_of("x" * 200)) == thread_words.NAME_MAX
    assert thread_words.forked("Fork of Fix it") == (
        "Fork of Fix it: it begins as a copy of that conversation, with what stands there when you first write. "
        "The other one stays as it is."
    )
    assert thread_words.NO_FORKS == "This agent cannot go on with a copy of a conversation."
    assert thread_words.NOTHING_TO_FORK == (
        "Nothing was said here yet that could be copied: /resume lists earlier conversations."
    )


def test_what_cannot_be_said_or_looked_at_now_is_said_in_english() -> None:
    """A group's General topic that is closed, and directories that do not answer."""
    assert thread_words.closed_chat("`-100`") == (
        "The General topic of the group `-100` is closed, so nothing can be said there. What I have to say waits and "
        "comes once somebody opens it again, or makes the bot an administrator who may manage topics."
    )
    assert thread_words.NO_DIRECTORY_ANSWERS == (
        "The directories did not answer in time (a network drive that is away?). Name one with its whole path, or try again."
    )
