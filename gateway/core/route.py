"""What a message means: a prompt for the session, a command, or a command that needs explaining."""

from dataclasses import dataclass

from gateway.domain.events import Message
from gateway.domain.money import AmountError, Usd

PROMPT_CHARACTERS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Prompt:
    """Plain text: it goes to the session."""

    text: str


@dataclass(frozen=True, slots=True)
class New:
    """`/new [directory]`."""

    directory: str | None


@dataclass(frozen=True, slots=True)
class Sessions:
    """`/sessions`."""


@dataclass(frozen=True, slots=True)
class Stop:
    """`/stop` or `/stop all`."""

    everything: bool


@dataclass(frozen=True, slots=True)
class Go:
    """`/go`: after `/stop all`."""


@dataclass(frozen=True, slots=True)
class ShowBudget:
    """`/budget`."""


@dataclass(frozen=True, slots=True)
class SetBudget:
    """`/budget AMOUNT`: the session's limit."""

    amount: Usd


@dataclass(frozen=True, slots=True)
class ShowCost:
    """`/cost`."""


@dataclass(frozen=True, slots=True)
class Explain:
    """Say this: help, or what was wrong with the command."""

    words: str


Intent = Prompt | New | Sessions | Stop | Go | ShowBudget | SetBudget | ShowCost | Explain

HELP = """\
Write to your agent in plain words. It runs here, and you see what it costs.

/new [directory] - start a new session
/sessions - what is open
/stop - stop what runs; /stop all stops everything until /go
/budget [amount] - see or set this session's limit in dollars
/cost - what this session has cost
/help - this

A line that begins with // goes to the agent with one slash: //compact."""

COMMANDS = ("new", "sessions", "stop", "go", "budget", "cost", "help")


def route(message: Message) -> Intent:  # noqa: PLR0911 - one arm a command: the match is the table
    """What the person wants. Never raises: what cannot be understood is explained."""
    if message.command is None:
        return _text(message.text.strip())
    name, argument = message.command[0].lower(), message.command[1].strip()
    whom = argument.lower()
    match name:
        case "new":
            return New(argument or None)
        case "sessions":
            return Sessions()
        case "stop" if whom in ("", "all"):
            return Stop(everything=whom == "all")
        case "stop":
            return Explain("Write /stop for this session, or /stop all for every one.")
        case "go":
            return Go()
        case "budget":
            return _budget(argument)
        case "cost":
            return ShowCost()
        case "help" | "start":
            return Explain(HELP)
        case _:
            return Explain(f"There is no command /{name[:32]}.\n\n{HELP}")


def _text(text: str) -> Intent:
    if text.startswith("//"):
        text = text[1:]
    if not text:
        return Explain("There is no text in this message, and nothing else can be passed on yet.")
    if len(text) > PROMPT_CHARACTERS_MAX:
        return Explain(f"That is {len(text)} characters; at most {PROMPT_CHARACTERS_MAX} can be passed on at once.")
    return Prompt(text)


def _budget(argument: str) -> Intent:
    if not argument:
        return ShowBudget()
    try:
        amount = Usd.parse(argument)
    except AmountError as error:
        return Explain(f"{error}. Like: /budget 10")
    return SetBudget(amount) if amount else Explain("A limit of $0 lets nothing run: /stop all does that, until /go.")
