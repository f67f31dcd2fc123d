"""Commands and plain messages: the help, what /new, /sessions, /start, /stop and /go answer, and what was typed wrong."""

from collections.abc import Sequence
from typing import Final

from gateway.domain.money import Usd
from gateway.domain.turn import TurnState
from gateway.view import turn_words

COMMANDS: Final = (
    ("new", "[project] [agent] [model] [@branch]", "start a new session"),
    ("sessions", "[number]", "what is open; a number goes to that one"),
    ("resume", "", "go on with an earlier conversation, also one from the desk"),
    ("fork", "", "go on with a copy of this conversation, and leave it as it is"),
    ("steer", "[words]", "tell the agent this while it works, as part of what it does"),
    ("close", "", "end what runs in this session, and close its topic"),
    ("start", "", "open a session that was closed at the desk, and run what waits for it"),
    ("stop", "[all]", "stop what runs; all stops everything until /go"),
    ("go", "", "let turns start again"),
    ("budget", "[session|day|...] [amount]", "see the limits, or set one: 10, 200 calls, 2M tokens, 90 min, none"),
    ("raise", "[session|day|...] amount [2h|18:00]", "raise a limit, for a while if a time follows"),
    ("cost", "", "what this session has cost, and what came of it"),
    ("report", "[day|week|month]", "the same of today, this week or this month"),
    ("status", "", "what runs, what waits, the limits, and whether all is well"),
    (
        "settings",
        "[show|ask|quiet|digest] [value]",
        "how much is shown, from when on you are asked, quiet hours, a digest",
    ),
    ("model", "[name]", "see or choose the session's model"),
    ("mode", "[name]", "see or choose the agent's mode of working"),
    ("forget", "", "forget this session's words, for good; amounts stay"),
    ("help", "", "this"),
)
"""Every command's name, which stays as it is, its arguments as people read them, and what it does."""


def usage(name: str, arguments: str) -> str:
    """`/new [directory]`; `arguments` may be empty."""
    return f"/{name} {arguments}".rstrip()


HELP_BEGINS: Final = "Write to your agent in plain words. It runs here, and you see what it costs."
HELP_ENDS: Final = "A line that begins with // goes to the agent with one slash: //compact."
MAY_NOT: Final = "You may read here, and no more than that: ask an owner."


# ------------------------------------------------------------------------------------------------- what was typed wrong
def unknown(name: str) -> str:
    """There is no such command here; the agent may have one."""
    return f"There is no command /{name}: /help lists them. If it is one of your agent's own, write //{name}."


HOW_TO_STOP: Final = "Write /stop for this session, or /stop all for every one."
HOW_TO_LIST: Final = "Write /sessions to see them, and /sessions 2 to go to the second."
NO_TEXT: Final = "There is no text in this message, and nothing else can be passed on yet."


def too_long(characters: int, most: int) -> str:
    """A message that no agent is given."""
    return f"That is {characters} characters; at most {most} can be passed on at once."


def no_amount(why: str) -> str:
    """A reply to a question about money that is no amount; `why`: what is wrong with it, without its full stop."""
    return f"{why}. To give the agent more work, write it without replying to the question."


PRESS_NO: Final = "To say no, press the button."
RAISE_BY_NOTHING: Final = "A raise by nothing changes nothing."
LIMIT_OF_NOTHING: Final = "A limit of nothing lets nothing run: /stop all does that, until /go."


def _known(command: str, kinds: Sequence[str]) -> str:
    return f"Like: {command} 10, {command} day 25, {command} session 200 calls; known: {', '.join(kinds)}."


def how_much(command: str, kinds: Sequence[str]) -> str:
    """A limit's command without an amount; `kinds`: what limits can stand on."""
    return f"How much? {_known(command, kinds)}"


def wrong_amount(why: str, command: str, kinds: Sequence[str]) -> str:
    """The same with one that cannot be read; `why`: without its full stop."""
    return f"{why}. {_known(command, kinds)}"


def no_such_limit(kind: str, command: str, kinds: Sequence[str]) -> str:
    """The same for a limit that there is not."""
    return f"No limit is called {kind!r}. {_known(command, kinds)}"


def limit_of_turn(command: str, kinds: Sequence[str]) -> str:
    """The same for a turn's own limits."""
    told = "A turn's limits are set on the machine: budgets.calls, budgets.minutes and budgets.tokens in the settings."
    return f"{told} {_known(command, kinds)}"


def limits_stay(written: str, command: str, kinds: Sequence[str]) -> str:
    """A time beside a limit that is set."""
    return f"{written!r}: a limit stays until another is set; /raise raises one for a while. {_known(command, kinds)}"


# ------------------------------------------------------------------------------------------------------------- prompts
def new_session(agent: str, directory: str) -> str:
    """The answer to /new; `directory`: plain text without backticks."""
    return f"New session with {agent} in `{directory}`. Write what it should do."


def no_directory(directory: str) -> str:
    """There is no such place."""
    return f"There is no directory `{directory}`."


def outside(directory: str, roots: Sequence[str]) -> str:
    """The gateway does not work there."""
    allowed = ", ".join(f"`{root}`" for root in roots)
    return f"`{directory}` is not inside {allowed}. Add it to agents.roots in the settings to work there."


def not_a_directory(place: str) -> str:
    """There is something else there."""
    return f"`{place}` is not a directory."


def no_session_of(number: int | None) -> str:
    """There is no such session in the thread; `number`: as it was asked for, None: by a button."""
    return (
        "That session is not here any more: /sessions lists them."
        if number is None
        else f"There is no session {number} here: /sessions lists them."
    )


def session_button(number: int, name: str) -> str:
    """Go to this session; `name`: of its directory, as it is."""
    return f"{number} · {name}"


def session_line(
    number: int, place: str, agent: str, state: TurnState | None, spent: Usd, prompt: str | None, *, here: bool
) -> str:
    """A line of /sessions; `state` is None where nothing runs, and `prompt` where nothing ever ran."""
    parts = [str(number), place, agent, "idle" if state is None else turn_words.state(state), str(spent)]
    return " · ".join([*parts, *(["this one"] if here else []), *([] if prompt is None else [prompt])])


NO_SESSION: Final = "No session yet: write what you want done."
WITHOUT_WORDS: Final = "a message without words"


def open_at_desk(place: str) -> str:
    """/start where somebody has the session open."""
    return f"{place} is open at the desk: write here what it should do, or close it there first."


def goes_on(agent: str, place: str) -> str:
    """/start where nobody has."""
    return f"{agent} goes on in {place}. Write what it should do."


# ------------------------------------------------------------------------------------------------------ /stop and /go
STOPPED: Final = "Stopped."
STOPPING: Final = "Stopping."
NOTHING_RUNS: Final = "No turn is running."
STOP_ALL: Final = "Nothing new runs until /go."
IDLE_HERE: Final = "No turn is running in this session: /sessions lists the others."


def stopping(here: Sequence[str], number_here: int, elsewhere: int) -> str:
    """What is stopped: the first of those `number_here` turns by their words; of what other people's chats are told of only how many."""
    if not number_here:
        return f"Stopping what runs elsewhere: {elsewhere}." if elsewhere else NOTHING_RUNS
    if number_here == 1 and not elsewhere:
        return f"Stopping: {here[0]}"
    more = number_here - len(here) + elsewhere
    lines = [f"Stopping {number_here + elsewhere} turns:", *(f"- {one}" for one in here)]
    return "\n".join([*lines, f"- and {more} more"] if more else lines)


NOTHING_STOPPED: Final = "Nothing was stopped."
MAY_START_AGAIN: Final = "Turns may start again."
