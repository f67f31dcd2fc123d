"""Questions put to a person, the answers they may pick, and what the gate decided."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.domain.budget import Lift
from gateway.domain.money import Usd
from gateway.domain.place import Thread


class Choice(StrEnum):
    """What a button means."""

    RUN = "run"
    """Start, or go on, up to the amount on the button."""
    RAISE = "raise"
    """Raise limits that others share, then start or go on."""
    NO = "no"
    """Do not start; or end the paused turn."""
    ALLOW = "allow"
    """Let the agent use this tool, once."""
    ALLOW_SESSION = "allow_session"
    """Let the agent use this tool for the rest of the session."""
    ALLOW_ALWAYS = "allow_always"
    """Let the agent do what the rules in the option's value say, from now on."""
    ALLOW_EDITS = "allow_edits"
    """Let the agent go on with its plan, and change files for the rest of the session without asking."""
    DENY = "deny"
    """Do not let the agent use this tool."""
    ANSWER = "answer"
    """Answer the agent's question with the words on the button."""
    PICK = "pick"
    """Pick these words, or no longer; the question stays open."""
    PICKED = "picked"
    """Answer the agent's question with the words that are picked."""
    CONTINUE = "continue"
    """Send "continue" after an interruption, as a new turn."""
    COMMAND = "command"
    """Do what the command says that the option keeps, in the name of whoever presses."""
    GRANT = "grant"
    """Let a person do what the option's value says."""


@dataclass(frozen=True, slots=True)
class Option:
    """One answer: `allows` is the most that the turn may cost in all once it is picked; `lifts`: which limits rise by how much."""

    choice: Choice
    label: str
    allows: Usd | None = None
    lifts: tuple[Lift, ...] = ()
    value: str = ""
    """For ANSWER and PICK: the words that the agent gets; for DENY: why, where that is no plain no; for ALLOW_ALWAYS: the rules, one
    a line; for COMMAND: the command, as it would be typed."""
    unpriced: bool = False
    """The question says that the price is not known: who picks this has agreed to that too."""
    model: str | None = None
    """The session goes on with this model."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a person about money: the reason in a sentence, and at most four options."""

    text: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Allow:
    """The turn may run: `hold` is set aside now, and may grow by itself up to `ceiling`, what the person has seen."""

    hold: Usd
    ceiling: Usd


@dataclass(frozen=True, slots=True)
class Ask:
    """A person has to decide."""

    question: Question


@dataclass(frozen=True, slots=True)
class Refuse:
    """The turn must not run, and nobody can change that with a tap."""

    reason: str


Verdict = Allow | Ask | Refuse


class ApprovalKind(StrEnum):
    """What a tap on the approval sets going."""

    RUN = "run"
    """A turn that has not started."""
    LIMIT = "limit"
    """A turn that is paused at a limit."""
    PERMISSION = "permission"
    """A tool that the agent wants to use."""
    QUESTION = "question"
    """A question that the agent asks."""
    CONTINUE = "continue"
    """A turn that a crash interrupted."""
    CHANGE = "change"
    """A higher limit that was asked for outside the chat: no turn and no session; the option's value says what a yes does."""
    MENU = "menu"
    """No question: buttons that stand for commands, of no turn and no session, to be pressed any number of times."""
    PEOPLE = "people"
    """Somebody is to be let in, or may do more: asked of owners, with no turn and no session; the option's value says what a yes does."""


APPROVAL_REF: Final = "approval:"
"""How the name of a message begins that shows an approval; the approval's id follows."""
REMINDER_REF: Final = "reminder:"
"""How the name of a message begins that reminds of a question."""


class ApprovalState(StrEnum):
    """Answered once, by one compare-and-set; everything else is too late."""

    OPEN = "open"
    ANSWERED = "answered"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    """The agent no longer waits for it."""


@dataclass(frozen=True, slots=True)
class Approval:
    """A question put to a person, bound to its turn, place, wording and time.

    `tokens[i]` is the one-time token of `options[i]`; it means nothing outside `thread` and outside the message `ref`, once
    the chat has said which that is. `digest` is over the full canonical question.
    """

    id: str
    kind: ApprovalKind
    turn_id: str
    session_id: str
    thread: Thread
    text: str
    options: tuple[Option, ...]
    tokens: tuple[str, ...]
    digest: str
    expires_at_ms: int
    state: ApprovalState = ApprovalState.OPEN
    request_id: str = ""
    """The agent's own name for what it waits for; empty where the agent does not wait."""
    answered_by: str = ""
    answer: str = ""

    @property
    def ref(self) -> str:
        """The name of the message that shows it; a menu bears that of its message."""
        return self.id if self.kind is ApprovalKind.MENU else f"{APPROVAL_REF}{self.id}"

    @property
    def reminder_ref(self) -> str:
        """The name of the message that reminds of it: one for all that an agent asks together."""
        return f"{REMINDER_REF}{self.turn_id}:{self.request_id or self.id}"
