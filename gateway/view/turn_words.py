"""What people see of a turn: its status, its cost line, how it ended, and why it did not begin."""

from typing import Final

from gateway.domain.budget import Balance, ScopeKind, Unit
from gateway.domain.money import Usd
from gateway.domain.turn import Turn, TurnState
from gateway.domain.usage import Flag
from gateway.view.figure_words import calls, count, duration, used_of


# ---------------------------------------------------------------------------------------------------------------- cost
def spent(turn: Turn) -> str:
    """What a turn cost, with what is not known of it: `$0.42`, `at least $0.42`, `$0.42 + 2 calls of unknown price`."""
    amount = f"at least {turn.spent}" if Flag.LOWER_BOUND in turn.flags else str(turn.spent)
    if turn.unpriced_calls:
        unknown = f"{calls(turn.unpriced_calls)} of unknown price"
        return f"{amount} + {unknown}" if turn.spent else unknown
    return amount


def closing_line(turn: Turn, session: Balance, *, list_price: bool = False, tokens: bool = True) -> str:
    """The quiet line under every turn: `$0.42 · 38k tokens · session $3.10 of $5.00`. `tokens`: with how many there were."""
    of = f" of {session.limit}" if session.limit is not None else ""
    parts = [spent(turn), *([f"{count(turn.tokens.total)} tokens"] if tokens else []), f"session {session.spent}{of}"]
    if list_price:
        parts.append("list prices")
    return " · ".join(parts)


def with_left(line: str, left: str) -> str:
    """The same with what the turn left behind, if that is known: `... · 2 commits, +120 -14`."""
    return f"{line} · {left}" if left else line


def with_agents(line: str, agents: int) -> str:
    """The same where so many agents still work in the background."""
    if not agents:
        return line
    return f"{line} · 1 agent still at work" if agents == 1 else f"{line} · {agents} agents still at work"


# -------------------------------------------------------------------------------------------------------------- status
_ENDINGS: Final = {
    TurnState.FINISHED: "Done",
    TurnState.FAILED: "Failed",
    TurnState.STOPPED: "Stopped",
    TurnState.REFUSED: "Not run",
    TurnState.INTERRUPTED: "Interrupted",
    TurnState.PAUSED: "Paused",
}


_STATES: Final = {
    TurnState.QUEUED: "waits",
    TurnState.ASKING: "waits for your answer",
    TurnState.HELD: "begins",
    TurnState.RUNNING: "at work",
}


def state(at: TurnState) -> str:
    """How it is with a turn, in a list of several: in the words with which its own messages tell it."""
    return _STATES.get(at) or _ENDINGS[at].lower()


def ending(turn: Turn, now_ms: int) -> str:
    """What the status message says once the turn has ended, or is paused."""
    word = _ENDINGS.get(turn.state, "Working")
    if turn.started_at_ms is None:
        return word
    return f"{word} · {calls(turn.calls)} · {duration(max(0, now_ms - turn.started_at_ms) // 1000)}"


STARTING: Final = "starting"
THINKING: Final = "thinking"
WRITING: Final = "writing"
WAITS_FOR_PERSON: Final = "Waits for your answer to the question below."


def does(what: str, seconds: int) -> str:
    """The first line of the status message: what the agent does now (Markdown), and for how long: `Now: Bash pytest · 12 s`."""
    return f"Now: {what} · {duration(seconds)}"


def action(done: str) -> str:
    """What it did before that (Markdown)."""
    return f"▸ {done}"


def working(turn: Turn, seconds: int, agents: int, others: int) -> str:
    """Time and cost so far, and what works in the background: `Working · 1 min 12 s · $0.42 · 2 agents in the background`."""
    tasks = "1 task" if others == 1 else f"{others} tasks"
    named = [*([_agents(agents)] if agents else []), *([tasks] if others else [])]
    behind = [f"{' and '.join(named)} in the background"] if named else []
    return " · ".join(["Working", duration(seconds), spent(turn), *behind])


def _agents(number: int) -> str:
    return "1 agent" if number == 1 else f"{number} agents"


_PLACES: Final = {
    ScopeKind.TURN: "for this turn",
    ScopeKind.SESSION: "in this session",
    ScopeKind.PROJECT: "on this project",
    ScopeKind.PERSON: "of yours",
    ScopeKind.CHAT: "in this chat",
    ScopeKind.DAY: "today",
    ScopeKind.WEEK: "this week",
    ScopeKind.MONTH: "this month",
    ScopeKind.QUOTA: "of the subscription",
    ScopeKind.TEAM: "of the team",
}


def budget(full: int, cells: int, unit: Unit, used: int, limit: int, kind: ScopeKind) -> str:
    """How near the nearest limit is: `▰▰▰▱▱▱▱▱▱▱ $0.42 of $1.50 today`."""
    told = f"{Usd(used)} of {Usd(limit)}" if unit is Unit.USD else used_of(unit, used, limit)
    return f"{'▰' * full}{'▱' * (cells - full)} {told} {_PLACES[kind]}"


LET_GO: Final = "The agent does not wait any more; a yes to the question above still lets it go on."
UNPROMPTED: Final = "The agent goes on by itself: a background task ended."


def waits_for_place(at_work: int) -> str:
    """As many agents are at work as may be."""
    if at_work == 1:
        return "Waits for its place: 1 agent is at work already."
    return f"Waits for its place: {at_work} agents are at work already."


def not_delivered(title: str) -> str:
    """Nothing takes the prompt of this title now."""
    return (
        f"**{title}**\nNot delivered yet: the session takes no messages now. It waits until it does; "
        "/start lets the gateway open it."
    )


# -------------------------------------------------------------------------------------------------------------- ending
def answered(text: str, agents: int) -> str:
    """An answer that is there while agents still work behind it."""
    if agents == 1:
        return f"{text}\n\nStill at work behind this: 1 agent."
    return f"{text}\n\nStill at work behind this: {agents} agents."


def left_out(beginning: str, characters: int) -> str:
    """A text that is too long for a chat, with how much of it is not said."""
    return f"{beginning}…\n\n(It goes on for {characters:,} more characters, too many to say here.)"


def cut_off(said: str) -> str:
    """The agent's last words where they were cut off."""
    return f"{said}\n\n(Cut off here.)"


def ended(how: str) -> str:
    """How a turn ended (`ending`), as a sentence."""
    return f"{how}."


def not_run(reason: str) -> str:
    """The gate, or a person, said no."""
    return f"Not run: {reason}"


def follows(title: str, *, runs: bool) -> str:
    """What becomes of the message after one that was interrupted; `runs`: its agent is there."""
    return f"The message after it is next: {title}" if runs else f"The message after it waits: {title}"


INTERRUPTED: Final = "This turn was interrupted."
SAID_NO: Final = "A person said no to this run."
TAKEN_AWAY: Final = "Whoever wrote this may not write here any more."
AT_LIMIT: Final = "Stopped by the person at the budget limit."
STOPPED: Final = "Stopped by the person."
NOBODY: Final = "Nobody answered at the budget limit; it can be continued."
OVER: Final = "The turn that this worked for is over."
UNCONFIRMED: Final = "Not confirmed: nothing shows that the session has this message."
GATEWAY_STOPPED: Final = "The gateway stopped while this was at work."
GATEWAY_STOPPED_UNCONFIRMED: Final = f"{GATEWAY_STOPPED} {UNCONFIRMED}"


def process_ended(reason: str) -> str:
    """The agent is gone; `reason`: why, as it was told, without a full stop."""
    return f"The agent's process ended: {reason}"


def process_ended_unconfirmed(told: str) -> str:
    """The same (`told`: that sentence) where nobody knows whether it had its message."""
    return f"{told}. {UNCONFIRMED}"


# ------------------------------------------------------------------------------------------------------ did not begin
def not_started(why: str) -> str:
    """The agent could not be started."""
    return f"The agent could not be started. {why}"


ENDED_EARLY: Final = "It ended before it took the prompt."


def stays_on_model(agent: str, model: str) -> str:
    """The agent does not take the model that was agreed to."""
    return f"{agent} does not change to {model}, and nothing was sent to it: the session stays as it was."


def no_change_to(model: str) -> str:
    """The same, as the turn's outcome."""
    return f"It does not change to {model}."


ONLY_FILES: Final = "Nothing was sent to the agent: the message was only files. Send it again."
NO_FILES: Final = "None of its files could be fetched."
NOT_READY: Final = "The gateway is not ready yet: try again in a moment"
MAY_REPEAT: Final = "The message above may be a repeat: it is not known whether it arrived the first time."

# --------------------------------------------------------------------------------------------------------- background
BACKGROUND_STOPPED: Final = "What ran in the background was stopped."
LEFT_AT_DESK: Final = "Something still runs in the background at the desk: only Claude Code there can end it."
BANK_ASKED: Final = "the team's bank is asked"
LEASE_OVER: Final = "the time of the team's lease is over"
UNASKED_WAITS: Final = "a run that nobody asked for waits for a yes"


def bold(title: str) -> str:
    """A turn by its title, above what is said of it."""
    return f"**{title}**"
