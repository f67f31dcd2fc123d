"""Failures of the API in words that lead out of them from a chat."""

import pytest

from gateway.agents.claude.translate import Translator
from gateway.agents.claude.troubles import explained
from gateway.agents.claude.wire import Result
from gateway.domain.events import End, Finished


def finished_with(words: str, reason: str) -> Finished:
    """How a run ends with such a result."""
    events = Translator("a").feed(Result(is_error=True, terminal_reason=reason, result=words))
    [finished] = [event for event in events if isinstance(event, Finished)]
    assert finished.end is End.ERROR
    return finished


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        ("Invalid API key · Fix external API key", None, "correct ANTHROPIC_API_KEY, or run `claude` and use /login"),
        ("Failed to authenticate. API Error: 401 {}", 401, "refused the key"),
        ("Failed to authenticate. API Error: 403 {}", None, "refused the key"),
        ("Not logged in · Please run /login", None, "on the gateway's machine"),
        ("OAuth token has expired", None, "refused the key"),
        ("Credit balance is too low", 402, "no credit left"),
        ("API Error: 400 Your credit balance is too low to access the API.", 400, "no credit left"),
        ("API Error: Request rejected (429)", None, "takes no more requests"),
        ("You've hit your session limit · resets 3pm", 429, "takes no more requests"),
        ("Repeated 529 Overloaded errors", None, "overloaded or out of order"),
        ("API Error: something", 503, "overloaded or out of order"),
        ("There's an issue with the selected model (x).", 404, "set agents.claude.model"),
    ],
)
def test_a_failure_that_a_person_can_mend_tells_how(said: str, status: int | None, words: str) -> None:
    """The way out comes first, in a form that works on the gateway's machine, and the client's own words stay."""
    told = explained(said, status)
    assert words in told.lower() or words in told
    assert told.endswith(said)


@pytest.mark.parametrize("status", [None, 400, 413, "401", True])
def test_other_failures_are_left_in_the_clients_words(status: object) -> None:
    """What nobody knows a way out of is not explained away."""
    assert explained("API Error: 413 the request is too large", status) == "API Error: 413 the request is too large"


def test_only_a_failure_of_the_api_is_explained() -> None:
    """A run that failed in another way, with words that look like it, keeps them; and a key in the API's words is not told."""
    other = finished_with("see /login", "blocking_limit")
    assert other.text == "see /login"
    leaked = finished_with("invalid api key sk-ant-0123456789", "api_error")
    assert "The API refused the key" in leaked.text
    assert "0123456789" not in leaked.text
