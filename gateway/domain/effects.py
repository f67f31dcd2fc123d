"""What the core wants done. Say and Edit are durable (they go to the outbox); the rest is derived anew after a crash."""

from dataclasses import dataclass
from typing import Final

from gateway.domain.approval import Approval, Option
from gateway.domain.charts import PeriodChart, SessionChart
from gateway.domain.files import Parcel
from gateway.domain.money import Usd
from gateway.domain.place import Thread

SAID_REF: Final = "said:"
"""How the refs of messages begin that an agent sends by itself, in the middle of its work."""


@dataclass(frozen=True, slots=True)
class Button:
    """One button: what it says, and the one-time token that a press brings back."""

    label: str
    token: str


@dataclass(frozen=True, slots=True)
class Say:
    """Send a message; Markdown. `ref` names it for later edits and makes saying it twice harmless. `ring`: notify aloud.

    `files` follow it, each a message of its own; with files the text may be empty, and is then no message. `wait_ms`: it is not
    sent before so long has passed, unless it is changed sooner.
    """

    thread: Thread
    ref: str
    text: str
    buttons: tuple[Button, ...] = ()
    ring: bool = False
    files: tuple[Parcel, ...] = ()
    wait_ms: int = 0


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace what the message `ref` says; only the newest of several edits that wait is sent.

    `picture`: the words stand under it from now on, if the message is a card (`core.files.card_ref`) that was not sent yet.
    """

    thread: Thread
    ref: str
    text: str
    buttons: tuple[Button, ...] = ()
    picture: Parcel | None = None
    at_once: bool = False
    """A message that waits because of its `wait_ms` is sent now."""


@dataclass(frozen=True, slots=True)
class StartTurn:
    """Hand the turn's prompt to its session's agent; the hold has been taken."""

    session_id: str
    turn_id: str


@dataclass(frozen=True, slots=True)
class GoOn:
    """At a boundary: the agent may go on."""


@dataclass(frozen=True, slots=True)
class EndTurn:
    """At a boundary: end the run cleanly, without a further API call in this loop."""

    reason: str


@dataclass(frozen=True, slots=True)
class AllowTool:
    """The agent may use the tool it asked for, or go on with its plan.

    `rules`: it keeps these, of those that it offered, for the project. `edits`: it may change files without asking from now on.
    """

    for_session: bool = False
    rules: tuple[str, ...] = ()
    edits: bool = False


@dataclass(frozen=True, slots=True)
class DenyTool:
    """The agent may not use the tool; it is told why and goes on."""

    reason: str


@dataclass(frozen=True, slots=True)
class Words:
    """The person's answer to the agent's question; or what the agent is to show."""

    text: str


@dataclass(frozen=True, slots=True)
class Answers:
    """The person's answers to the questions that the agent asked together, in their order."""

    texts: tuple[str, ...]


Answer = GoOn | EndTurn | AllowTool | DenyTool | Words | Answers


@dataclass(frozen=True, slots=True)
class Respond:
    """Give the agent of a session what it waits for. The message `ref` goes on to say `taken` only once the agent has it."""

    session_id: str
    request_id: str
    answer: Answer
    ref: str
    asked: str
    """What the message says already."""
    taken: str


@dataclass(frozen=True, slots=True)
class Unpause:
    """Let every loop of the session's agent that waits at a boundary go on, or end the run there."""

    session_id: str
    answer: GoOn | EndTurn


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Stop what the session's agent is doing now."""

    session_id: str


@dataclass(frozen=True, slots=True)
class Steer:
    """Tell the session's agent the words of a turn that waits, as part of the run that is at work, which is `into`'s."""

    session_id: str
    turn_id: str
    into: str


@dataclass(frozen=True, slots=True)
class Borrow:
    """Ask the team's bank for so much more than is lent, and then decide about the turn anew, once.

    `yes`: the answer to a question about money that waits for it; its raise of the team's limit is carried out first.
    """

    session_id: str
    turn_id: str
    need: Usd
    yes: tuple[Approval, Option] | None = None


@dataclass(frozen=True, slots=True)
class Listen:
    """Have what is said in the turn's files written down: it goes before the gate only then."""

    session_id: str
    turn_id: str


LEAVE_REF: Final = "leave:"
"""How the names of entries in the outbox begin that are no messages: the bot leaves the chat."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Go out of a chat without a word; durable like a message. `ref` begins with LEAVE_REF and makes wanting it twice harmless."""

    thread: Thread
    ref: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Have all words of a session forgotten; `menu_id`: the message whose button said so, which then tells what came of it."""

    session_id: str
    menu_id: str


@dataclass(frozen=True, slots=True)
class Arrange:
    """Have the session's worktree made, and its own thread be as the session says: opened, called so, closed.

    `before`: the session that was the current one where this one was asked for.
    """

    session_id: str
    before: str = ""


@dataclass(frozen=True, slots=True)
class Browse:
    """Look in the agent's own files for the conversations of a directory: to show them, or to go on with the `wanted` one.

    `forks`: with a copy of it.
    """

    thread: Thread
    person: str
    directory: str
    agent: str
    wanted: str = ""
    forks: bool = False


@dataclass(frozen=True, slots=True)
class Illustrate:
    """Have a picture drawn for a card that waits for it. Whatever becomes of the picture, the words are said."""

    card: Say
    chart: SessionChart | PeriodChart


Effect = (
    Say
    | Edit
    | StartTurn
    | Respond
    | Unpause
    | Interrupt
    | Steer
    | Borrow
    | Listen
    | Leave
    | Forget
    | Arrange
    | Browse
    | Illustrate
)
