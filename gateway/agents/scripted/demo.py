"""The script of the demo: a believable coding agent that picks a scene by words in the prompt and says that it is scripted.

Token counts follow how real agents spend: every call reads the conversation so far from the cache and writes what is new.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from gateway.agents.scripted.script import (
    AskPerson,
    Background,
    CallApi,
    Fail,
    Say,
    Script,
    SpawnSubAgents,
    Step,
    SubAgent,
    UseTool,
)
from gateway.domain.usage import Tokens

SYSTEM_TOKENS = 16_400
"""What stands in front of the first prompt of a conversation: instructions and tools."""
COMPACTED_ABOVE = 40_000
"""A conversation longer than this begins its next turn compacted, so that no scene outgrows the model's window."""
NOTE = (
    "_I am a scripted agent: no model was asked and no file was touched. The tokens are made up, the prices are real._"
)


@dataclass(slots=True)
class _Conversation:
    """Makes calls whose tokens follow from the ones before."""

    context: int

    def call(self, fresh: int, output: int, lasts: float) -> CallApi:
        """A call that puts `fresh` tokens in front of the model and gets `output` back."""
        if self.context == 0:
            fresh += SYSTEM_TOKENS
        tokens = Tokens(input=4, cache_read=self.context, cache_write_5m=fresh, output=output)
        self.context = tokens.total
        return CallApi(tokens, lasts)


def _said(text: str) -> Say:
    return Say(f"{text}\n\n{NOTE}")


def _explain(talk: _Conversation) -> tuple[Step, ...]:
    return (
        talk.call(900, 420, 1.6),
        _said(
            "`retry()` waits longer after every failure and gives up after the fifth:\n\n"
            "1. the delay **doubles**, from 0.2 s up to 10 s;\n"
            "2. a little randomness keeps clients from coming back all at once;\n"
            "3. only errors that may go away (`429`, `5xx`) are tried again."
        ),
    )


def _fix(talk: _Conversation) -> tuple[Step, ...]:
    tests = "pytest tests/test_login.py -q"
    return (
        talk.call(1_100, 260, 1.4),
        Say("I will look at the test first, then at the code it calls."),
        UseTool("Read", "tests/test_login.py", lasts=0.3),
        talk.call(3_800, 210, 1.2),
        UseTool("Read", "src/session.py", lasts=0.3),
        talk.call(5_200, 940, 2.2),
        Say("Found it: the session's expiry is compared in local time, so the test fails after 22:00."),
        UseTool("Edit", "src/session.py", lasts=0.3),
        talk.call(700, 180, 1.0),
        UseTool(
            "Bash",
            tests,
            asks_permission=True,
            lasts=1.5,
            if_denied=(
                talk.call(120, 150, 1.0),
                _said("The fix is in `src/session.py`. **I did not run the tests**, as you said no to that."),
            ),
        ),
        talk.call(600, 320, 1.2),
        UseTool("Edit", "CHANGELOG.md", lasts=0.2),
        talk.call(400, 280, 1.2),
        _said(
            "The flaky login test is fixed.\n\n"
            "```python\nexpires_at <= datetime.now(UTC)  # was: datetime.now()\n```\n"
            "12 tests passed; a line for the changelog is written."
        ),
    )


def _rewrite(talk: _Conversation) -> tuple[Step, ...]:
    steps: list[Step] = [
        talk.call(2_400, 900, 1.8),
        Say("This touches most of the code base. I will read it whole, then go module by module."),
    ]
    for module in ("api", "models", "storage", "billing"):
        steps += [UseTool("Read", f"src/{module}/", lasts=0.3), talk.call(31_000, 600, 1.4)]
    for module in ("models", "storage", "api", "billing", "cli", "web"):
        steps += [UseTool("Edit", f"src/{module}.py", lasts=0.3), talk.call(4_200, 3_900, 2.0)]
    steps += [
        UseTool("Bash", "pytest -q", asks_permission=True, lasts=1.5),
        talk.call(2_000, 1_200, 1.4),
        UseTool("Edit", "src/storage.py", lasts=0.3),
        talk.call(1_500, 900, 1.4),
        _said("Done: six modules rewritten around one `Repository`, 1,900 lines fewer, 214 tests pass."),
    ]
    return tuple(steps)


def _reader(title: str, folder: str, words: int) -> SubAgent:
    own = _Conversation(0)
    return SubAgent(
        title,
        (
            own.call(1_500, 240, 1.2),
            UseTool("Grep", folder, lasts=0.3),
            own.call(6_000, 300, 1.3),
            UseTool("Read", folder, lasts=0.3),
            own.call(4_000, words, 1.6),
        ),
    )


def _review(talk: _Conversation) -> tuple[Step, ...]:
    readers = (_reader("security", "src/auth/", 700), _reader("speed", "src/db/", 500), _reader("tests", "tests/", 400))
    return (
        talk.call(1_300, 520, 1.5),
        Say("Three sub-agents will read side by side."),
        SpawnSubAgents(readers),
        talk.call(2_400, 800, 2.0),
        _said("Three findings: tokens compared with `==`, a query in a loop in `list_users`, no test for log-out."),
    )


def _watch(talk: _Conversation) -> tuple[Step, ...]:
    return (
        talk.call(1_000, 300, 1.3),
        Background(
            (_reader("survey", "docs/", 600),),
            report=(talk.call(900, 260, 1.2), Say("The survey is in: four pages of the docs are out of date.")),
        ),
        Say(f"A sub-agent surveys the docs in the background; I will tell you when it is done.\n\n{NOTE}"),
    )


def _choose(talk: _Conversation) -> tuple[Step, ...]:
    return (
        talk.call(1_200, 340, 1.4),
        AskPerson("Which database should the example use?", ("SQLite", "PostgreSQL")),
        talk.call(200, 420, 1.4),
        _said("**{answer}** it is: the example is set up for it."),
    )


def _break(talk: _Conversation) -> tuple[Step, ...]:
    return (talk.call(900, 60, 1.0), Fail("API error 529: overloaded (scripted)"))


def _look(talk: _Conversation) -> tuple[Step, ...]:
    return (
        talk.call(900, 180, 1.2),
        UseTool("Read", "README.md", lasts=0.3),
        talk.call(2_600, 380, 1.5),
        _said(
            "I had a look. Try *explain the retry logic*, *fix the flaky login test*, *refactor everything*, "
            "*review the code*, *survey the docs in the background*, *which database?* or *crash*."
        ),
    )


_SCENES: tuple[tuple[str, Callable[[_Conversation], tuple[Step, ...]]], ...] = (
    (r"refactor|rewrite|everything|migrate", _rewrite),
    (r"background|survey|watch", _watch),
    (r"review|audit", _review),
    (r"which|choose", _choose),
    (r"crash|break", _break),
    (r"fix|tests?|bug|flaky", _fix),
    (r"explain|what|why|how", _explain),
)


def demo(text: str, context: int) -> Script:
    """The scene that the prompt's words ask for. `context`: tokens that stand in the conversation already."""
    talk = _Conversation(context if context < COMPACTED_ABOVE else SYSTEM_TOKENS)
    for words, scene in _SCENES:
        if re.search(rf"\b(?:{words})\b", text, re.IGNORECASE):
            return Script(scene(talk))
    return Script(_look(talk))
