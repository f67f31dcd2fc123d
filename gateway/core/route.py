"""What a message means: a prompt for the session, a command, or a command that needs explaining."""

import re
from dataclasses import dataclass
from enum import StrEnum

from gateway.core import gauges, preferences
from gateway.core.files import stand_in
from gateway.core.period_card import Span
from gateway.core.preferences import Help, Mode, Model, Settings, Status
from gateway.domain.budget import BOOKED, ScopeKind, Unit
from gateway.domain.events import Message
from gateway.domain.money import AmountError, Usd
from gateway.view import command_words, cost_words, forget_words, people_words

PROMPT_CHARACTERS_MAX = 100_000
NUMBER_DIGITS_MAX = 4


@dataclass(frozen=True, slots=True)
class Prompt:
    """Plain text: it goes to the session. `steers`: `/steer TEXT`, to the agent while it works, if it does."""

    text: str
    steers: bool = False


@dataclass(frozen=True, slots=True)
class New:
    """`/new [project] [agent] [model] [@branch]`: what follows it, as it was written."""

    directory: str | None


@dataclass(frozen=True, slots=True)
class Sessions:
    """`/sessions` or `/sessions NUMBER`: of those listed, the one to go to; or `session_id`, as the button for it says."""

    number: int | None = None
    session_id: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """`/stop` or `/stop all`; `turn_id`: this turn alone, as the button under it says; `draft_id`: the one of which a draft with this
    number is shown.
    """

    everything: bool
    turn_id: str = ""
    draft_id: int = 0


@dataclass(frozen=True, slots=True)
class Start:
    """`/start`: open the session here that nobody has open at the desk."""


@dataclass(frozen=True, slots=True)
class Go:
    """`/go`: after `/stop all`."""


@dataclass(frozen=True, slots=True)
class ShowBudget:
    """`/budget`."""


@dataclass(frozen=True, slots=True)
class SetBudget:
    """`/budget [KIND] AMOUNT`: a limit, in its unit; of the session, if no kind of scope is named."""

    kind: ScopeKind
    unit: Unit
    amount: int


@dataclass(frozen=True, slots=True)
class RaiseBudget:
    """`/raise [KIND] AMOUNT [TIME]`: a limit becomes so much higher, in its unit; `until`: for how long, as it was written."""

    kind: ScopeKind
    unit: Unit
    amount: int
    until: str = ""


@dataclass(frozen=True, slots=True)
class ShowCost:
    """`/cost`."""


@dataclass(frozen=True, slots=True)
class ShowReport:
    """`/report`, `/report day|week|month`: the period so far."""

    span: Span = Span.DAY


class Queued(StrEnum):
    """What can be done with what waits; only buttons say so."""

    NOW = "now"
    RUN = "run"
    DROP = "drop"
    STEER = "steer"
    CHOOSE = "choose"


@dataclass(frozen=True, slots=True)
class Queue:
    """`/now TURN`, `/run TURN`, `/drop TURN`, `/steer TURN`: with a turn that waits; `/steer`: with the first that can be."""

    deed: Queued
    turn_id: str


@dataclass(frozen=True, slots=True)
class Late:
    """`/late_run SESSION`, `/late_choose SESSION`, `/late_drop SESSION`: with all that came too long ago to run unasked."""

    deed: Queued
    session_id: str


@dataclass(frozen=True, slots=True)
class Forget:
    """`/forget`: the thread's session; `session_id`: as the button says that does it."""

    session_id: str = ""


@dataclass(frozen=True, slots=True)
class Close:
    """`/close`: the session here is over for now."""


@dataclass(frozen=True, slots=True)
class Resume:
    """`/resume`: what there is to go on with; or `/resume CONVERSATION [directory]`, as the button for it says.

    `forks`: `/fork CONVERSATION [directory]`, with a copy of it; without a name, of the conversation here.
    """

    agent_session: str = ""
    directory: str = ""
    forks: bool = False


@dataclass(frozen=True, slots=True)
class Explain:
    """Say this: help, or what was wrong with the command."""

    words: str


Intent = (
    Prompt
    | New
    | Sessions
    | Stop
    | Start
    | Go
    | ShowBudget
    | SetBudget
    | RaiseBudget
    | ShowCost
    | ShowReport
    | Queue
    | Late
    | Forget
    | Close
    | Resume
    | Settings
    | Model
    | Mode
    | Status
    | Help
    | Explain
)


@dataclass(frozen=True, slots=True)
class Command:
    """A line of the help and of the chat's menu; `arguments` as people read them, empty if there are none."""

    name: str
    arguments: str
    words: str

    @property
    def usage(self) -> str:
        """`/new [directory]`."""
        return command_words.usage(self.name, self.arguments)


COMMANDS = tuple(Command(*one) for one in command_words.COMMANDS)
"""What can be typed: the help and every chat's menu are made from it."""


def route(message: Message) -> Intent:  # noqa: PLR0911, PLR0912, C901 - one arm a command: the match is the table
    """What the person wants. Never raises: what cannot be understood is explained."""
    if message.command is None:
        return _text(message.text.strip() or stand_in(message.attachments))
    name, argument = message.command[0].lower(), message.command[1].strip()
    whom = argument.lower()
    match name:
        case "new":
            return New(argument or None)
        case "sessions":
            return _sessions(argument)
        case "stop" if whom in ("", "all"):
            return Stop(everything=whom == "all")
        case "stop" if _TURN.fullmatch(argument):
            return Stop(everything=False, turn_id=argument)
        case "stop" if (drawn := _DRAFT.fullmatch(argument)) is not None:
            return Stop(everything=False, draft_id=int(drawn[1]))
        case "stop":
            return Explain(command_words.HOW_TO_STOP)
        case "go":
            return Go()
        case "budget":
            return _amount(SetBudget, "/budget", argument) if argument else ShowBudget()
        case "raise":
            return _amount(RaiseBudget, "/raise", argument)
        case "cost":
            return ShowCost()
        case "report":
            return ShowReport(Span(whom or Span.DAY)) if whom in ("", *Span) else Explain(cost_words.HOW_TO_REPORT)
        case "start":
            return Start()
        case "now" | "run" | "drop" | "steer" if _TURN.fullmatch(argument):
            return Queue(Queued(name), argument)
        case "steer" if argument:
            found = _text(argument)
            return Prompt(found.text, steers=True) if isinstance(found, Prompt) else found
        case "steer":
            return Queue(Queued.STEER, "")
        case "late_run" | "late_choose" | "late_drop" if _SESSION.fullmatch(argument):
            return Late(Queued(name.removeprefix("late_")), argument)
        case "forget" if not argument or _SESSION.fullmatch(argument):
            return Forget(argument)
        case "forget":
            return Explain(forget_words.HOW)
        case "resume" | "fork":
            conversation, _, directory = argument.partition(" ")
            return Resume(conversation, directory.strip(), forks=name == "fork")
        case "close":
            return Close()
        case "help":
            return Help()
        case "settings":
            found = preferences.read(argument)
            return Explain(found) if isinstance(found, str) else found
        case "model":
            return Model(argument)
        case "mode":
            return Mode(argument)
        case "status":
            return Status()
        case "pair":  # strangers are answered elsewhere; it stands in no menu, since whoever reads that is paired
            return Explain(people_words.PAIRED_ALREADY)
        case _:
            return Explain(command_words.unknown(name[:32]))


def _text(text: str) -> Intent:
    if text.startswith("//"):
        text = text[1:]
    if not text:
        return Explain(command_words.NO_TEXT)
    if len(text) > PROMPT_CHARACTERS_MAX:
        return Explain(command_words.too_long(len(text), PROMPT_CHARACTERS_MAX))
    return Prompt(text)


_TURN = re.compile(r"t_[0-9a-z]{1,40}")
_DRAFT = re.compile(r"draft ([0-9]{1,10})", re.ASCII)
_SESSION = re.compile(r"s_[0-9a-z]{1,40}")
"""As buttons name them."""


def _sessions(argument: str) -> Intent:
    if not argument:
        return Sessions()
    if _SESSION.fullmatch(argument):
        return Sessions(session_id=argument)
    if argument.isascii() and argument.isdigit() and len(argument) <= NUMBER_DIGITS_MAX:
        return Sessions(int(argument))
    return Explain(command_words.HOW_TO_LIST)


def read_amount(text: str) -> Usd | Explain:
    """The amount that a reply to a question about money is."""
    try:
        amount = Usd.parse(text.strip())
    except AmountError as error:
        return Explain(command_words.no_amount(str(error)))
    return amount or Explain(command_words.PRESS_NO)


KINDS = {kind.value: kind for kind in BOOKED}


def _amount(intent: type[SetBudget | RaiseBudget], command: str, argument: str) -> Intent:
    """Which limit, how much, and for a raise until when: `25`, `day 25`, `session 200 calls`, `day 5 2h`."""
    known = (command, tuple(KINDS))
    words = argument.split()
    kind = KINDS.get(words[0].lower()) if words else None
    if kind is None and words and words[0].isalpha() and words[0].lower() != gauges.NONE:
        return Explain(_unknown(words[0], known))
    words = words if kind is None else words[1:]
    # An amount is one word or two; what follows it is a time.
    length = 2 if len(words) > 1 and not words[1][0].isdigit() and words[1] not in ("for", "until") else 1
    rest = words[length:]
    until = " ".join(rest[1:] if rest[:1] in (["for"], ["until"]) else rest)
    try:
        read = gauges.parse if intent is RaiseBudget else gauges.parse_limit
        unit, amount = read(" ".join(words[:length]))
    except AmountError as error:
        return Explain(command_words.wrong_amount(str(error), *known) if words else command_words.how_much(*known))
    kind = kind or ScopeKind.SESSION
    if intent is RaiseBudget:
        return RaiseBudget(kind, unit, amount, until) if amount else Explain(command_words.RAISE_BY_NOTHING)
    if rest:
        return Explain(command_words.limits_stay(argument[:40], *known))
    if not amount:
        return Explain(command_words.LIMIT_OF_NOTHING)
    return SetBudget(kind, unit, amount)


def _unknown(kind: str, known: tuple[str, tuple[str, ...]]) -> str:
    if kind.lower() == ScopeKind.TURN:
        return command_words.limit_of_turn(*known)
    return command_words.no_such_limit(kind[:32], *known)
