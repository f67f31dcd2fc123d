"""What happens: what people send, and what an agent did."""

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.files import Attachment
from gateway.domain.place import Thread
from gateway.domain.usage import MAIN_LOOP, Usage


@dataclass(frozen=True, slots=True)
class Message:
    """A person wrote. `command` is set only when the person typed a command themselves: `("budget", "10")`."""

    thread: Thread
    person: str
    text: str
    command: tuple[str, str] | None = None
    replies_to: str = ""
    """The message that it is a reply to, by the chat's own name."""
    message_id: str = field(default="", compare=False)
    """The chat's own name for it, to react to it."""
    attachments: tuple[Attachment, ...] = ()
    """Files that came with it; the text may then be empty."""
    quoted: str = ""
    """The words that it answers to, where the chat tells them: anybody's."""
    forwarded: str = ""
    """Who wrote it, as the chat names them, where the person only passed it on: then it is no word of theirs."""
    sent_at_ms: int = field(default=0, compare=False)
    """When it was written, by the chat's clock; 0: not known."""
    name: str = field(default="", compare=False)
    """What the person calls themselves there: anybody may choose any, and nothing is decided by it."""
    album: str = ""
    """The chat's own name for what it was sent together with: the parts come one by one, and are one message."""
    in_group: bool = field(default=False, compare=False)
    """It was written where several people are."""
    addressed: bool = field(default=True, compare=False)
    """It names the bot, or answers to it. In a group nothing else is meant for the bot, unless its topic is a session's."""


@dataclass(frozen=True, slots=True)
class Edited:
    """A person has changed a message of theirs; `message` is as it would be if it had been sent so."""

    message: Message

    @property
    def thread(self) -> Thread:
        return self.message.thread

    @property
    def person(self) -> str:
        return self.message.person


@dataclass(frozen=True, slots=True)
class Tap:
    """A person pressed a button: its one-time token, and the message that carried it."""

    thread: Thread
    person: str
    token: str
    message_id: str
    tap_id: str
    """The chat's own name for the press, to acknowledge it."""


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A person sent what is not read here: a poll, a game, ... `words` say so, in Markdown.

    `once` names what they are about within the chat: things of the same name (the videos of an album) get one answer.
    """

    thread: Thread
    person: str
    words: str
    once: str
    album: str = ""
    """As of a Message: the album that it is a part of is then not read either."""
    in_group: bool = field(default=False, compare=False)
    addressed: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class Ignored:
    """An update that means nothing here; `why` goes to the log."""

    why: str


@dataclass(frozen=True, slots=True)
class Membership:
    """The bot came into a group, had to go, or may do other things there than before: by whom.

    `was` and `now`: whether it was there before, and whether it is there now.
    """

    thread: Thread
    person: str
    was: bool
    now: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """A group goes by another number from now on, as the service itself says."""

    service: str
    before: str
    after: str


Incoming = Message | Edited | Tap | Unsupported | Ignored | Membership | Moved


@dataclass(frozen=True, slots=True)
class Started:
    """The agent began to work. `prompt_uuid` is None for a run that no prompt of ours started.

    `typed`: what a person wrote where the agent runs, and not in a chat. Such a run is answered at once at its first boundary.
    """

    agent_session: str
    model: str | None
    prompt_uuid: str | None
    typed: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """The agent said something complete (one text block) in its main loop; Markdown."""

    text: str


@dataclass(frozen=True, slots=True)
class Writing:
    """The text block that the main loop is writing, so far: Markdown that may end anywhere. Empty: a call has begun, and nothing of
    it can be read yet. One of these may be lost, and the next tells all of it again.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Acted:
    """The agent uses a tool: `title` is the tool, `subject` its object, one line each."""

    title: str
    subject: str
    loop: str = MAIN_LOOP


@dataclass(frozen=True, slots=True)
class Ran:
    """The agent ran tests, with this runner (`pytest`), and they have ended. `passed`: None where that is not known."""

    runner: str
    passed: bool | None
    loop: str = MAIN_LOOP


@dataclass(frozen=True, slots=True)
class CallMetered:
    """An API call used this much. `ended` is False where the call was cut short, so that it is a lower bound."""

    call_id: str
    usage: Usage
    loop: str = MAIN_LOOP
    ended: bool = True


@dataclass(frozen=True, slots=True)
class AskedPermission:
    """The agent waits to hear whether it may use a tool; answered with AllowTool or DenyTool."""

    request_id: str
    tool: str
    summary: str
    detail: str
    """What is asked, for the digest and the expandable part of the question."""
    can_remember: bool = False
    """The agent can be told to allow this for the rest of the session."""
    rules: tuple[str, ...] = ()
    """Rules that the agent can keep for the project, so that it asks no more for what they name: `Bash(npm test *)`."""
    diff: str = ""
    """What `detail` leaves out of a change to a file: its lines with `-` and `+` before them."""
    whole: str = ""
    """The full canonical form, where `detail` and `diff` had to be cut or leave something out."""


@dataclass(frozen=True, slots=True)
class AskedPlan:
    """The agent waits to hear whether it may go on with this plan (Markdown); answered with AllowTool or DenyTool."""

    request_id: str
    plan: str


@dataclass(frozen=True, slots=True)
class Part:
    """One of the questions that an agent asks together. `several`: any number of the choices can be the answer."""

    text: str
    choices: tuple[str, ...] = ()
    several: bool = False


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """The agent asks the person something with fixed choices (or free text); answered with Words.

    `more`: what it asks together with that; then it is answered with Answers. `several`: as of a Part.
    """

    request_id: str
    text: str
    choices: tuple[str, ...]
    several: bool = False
    more: tuple[Part, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """All of it."""
        return (Part(self.text, self.choices, self.several), *self.more)


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The agent no longer waits for an answer to this request."""

    request_id: str


@dataclass(frozen=True, slots=True)
class Steered:
    """The run at work has taken the words of this name in: the agent reads them with its next call, and they never run again."""

    uuid: str


@dataclass(frozen=True, slots=True)
class Paused:
    """The agent stands at a boundary and makes no API call in this loop until answered with GoOn or EndTurn."""

    request_id: str
    before: str
    """What comes next, in words: a tool, or "the next call"."""
    loop: str = MAIN_LOOP


@dataclass(frozen=True, slots=True)
class QuotaTold:
    """The agent was told how many hundredths of a subscription's window are used; more than 100 where there is more to buy.

    `window` is its own name for it: `five_hour`, `seven_day`. `resets_at_ms`: when the window begins anew; None: not told.
    """

    window: str
    percent: int
    resets_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ModeTold:
    """The agent works in this mode from now on (empty: the usual one): it was told to, or a plan was approved, or it plans by itself."""

    mode: str


@dataclass(frozen=True, slots=True)
class Listening:
    """An agent that people start themselves takes prompts from the chat from now on, as far as is known.

    `proven`: it has taken one before; without that it may drop whatever is written to it.
    """

    proven: bool = False


class End(StrEnum):
    """How a run of the agent ended."""

    DONE = "done"
    ERROR = "error"
    """The agent or its API failed; the text says how."""
    INTERRUPTED = "interrupted"
    HALTED = "halted"
    """Ended by EndTurn at a boundary."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A run of the agent ended. `totals`: what the agent says it used since it last said so, by model; None: it did not say.

    `background` counts the agents that still work for this turn behind the scenes; it is settled when none is left.
    `told`: the agent has sent its answer into the chat itself. `shows`: under this name the agent waits for Words, what that has
    cost, to show them where it runs.
    """

    end: End
    text: str
    prompt_uuid: str | None
    totals: tuple[Usage, ...] | None
    background: int = 0
    told: bool = False
    shows: str = ""


@dataclass(frozen=True, slots=True)
class BackgroundChanged:
    """How many of the agent's background tasks run: `agents` spend tokens, `others` (a shell, a server) do not."""

    agents: int
    others: int


@dataclass(frozen=True, slots=True)
class Exited:
    """The agent's process is gone; `reason` says how. No further event follows."""

    reason: str


AgentEvent = (
    Started
    | Said
    | Acted
    | Ran
    | CallMetered
    | AskedPermission
    | AskedQuestion
    | AskedPlan
    | Withdrawn
    | Steered
    | Paused
    | Finished
    | BackgroundChanged
    | QuotaTold
    | Listening
    | ModeTold
    | Writing
    | Exited
)
